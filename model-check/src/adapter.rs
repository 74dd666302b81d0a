//! [`World`] as a stateright `Model`: the engine sees plain states, and events as actions.
//!
//! The adapter is thin. A [`State`] is a world, how many events led to it, and the marks of the last of
//! them; only the world counts for equality and hash, and its hash is the fingerprint that it keeps. What
//! stateright leaves open is settled here:
//! - **Shortest paths.** Stateright lets a later discovery overwrite an earlier one of the same property.
//!   A condition is therefore reported broken, or reached, for the first state alone; breadth first and on
//!   one thread that is a nearest one.
//! - **Depth.** Stateright counts states at its depth limit but does not judge them. Here states at
//!   `depth_max` are judged, and merely not gone on from.
//! - **"Sometimes".** A mark belongs to an event, not to a state, so an event that leads to a known state
//!   would lose it. Marks, and worlds that must be reached ([`Goal`]), are collected beside the search, in
//!   [`Reached`], with the fewest events that lead to each; stateright's `sometimes` properties show
//!   examples in its Explorer.
//! - **Stopping.** Once the stop flag is set no state is gone on from: what is queued is still judged.
//!
//! - **One question.** For every state stateright looks up every property by name, which costs a tenth of the
//!   time where there are many. A world knows which property is broken, so a search asks whether any is:
//!   [`Searched`]. The Explorer asks by name.
//!
//! Breadth first search only, and no symmetry: stateright ignores it there.
//!
//! Verified by `tests/it`: pinned counts, equal on one and two threads, and properties of each kind seen to
//! fail.

mod around;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use stateright::{Model, Property};
use swarm_protocol::{Properties, Violation};
use swarm_simulator::world::{
    CONTRACT, Collapse, Collapsed, INVARIANTS, Known, LINEARIZABILITY, PANIC, Successor,
};
use swarm_simulator::{Event, Setup, Subject, World};

pub(crate) use self::around::Around;
use crate::actions::{self, Kind, Tally};
use crate::engine::{Ahead, Findings, System};

/// What is judged beside the properties of the protocol.
pub const COMMON: [&str; 4] = [LINEARIZABILITY, INVARIANTS, PANIC, CONTRACT];

/// A world on some path.
pub struct State<P: Subject, Q> {
    /// The world.
    pub world: World<P, Q>,
    /// How many events led to it: the fewest that do, breadth first on one thread.
    pub depth: u32,
    /// The marks of the last event, as bits of [`Reached`].
    marks: u64,
}

impl<P: Subject, Q: Clone> Clone for State<P, Q> {
    fn clone(&self) -> Self {
        State { world: self.world.clone(), depth: self.depth, marks: self.marks }
    }
}

impl<P: Subject, Q: Eq> PartialEq for State<P, Q> {
    fn eq(&self, other: &Self) -> bool {
        self.world == other.world
    }
}

impl<P: Subject, Q> Hash for State<P, Q> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.world.hash(hasher);
    }
}

impl<P: Subject, Q: fmt::Debug> fmt::Debug for State<P, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.world.fmt(f)
    }
}

/// A kind of world that a search must reach: what guards against a model in which too little happens.
pub struct Goal<P: Subject, Q> {
    /// What it is, in words with dashes, as marks are: `leader-of-term-2`.
    pub name: &'static str,
    /// Whether this is one.
    pub holds: fn(&World<P, Q>) -> bool,
}

/// The marks and goals that a search has reached, each with the fewest events that led to it. As a set it does not
/// depend on threads, once all states of an instance were visited.
#[derive(Debug)]
pub struct Reached {
    marks: [(OnceLock<&'static str>, AtomicU32); Self::CAPACITY],
}

impl Reached {
    /// How many are told apart; further ones are not noted.
    pub const CAPACITY: usize = 64;

    /// Nothing yet. What is `expected` gets the first bits.
    fn new(expected: impl Iterator<Item = &'static str>) -> Self {
        let reached = Reached { marks: std::array::from_fn(|_| (OnceLock::new(), AtomicU32::new(u32::MAX))) };
        for (mark, label) in reached.marks.iter().zip(expected) {
            mark.0.get_or_init(|| label);
        }
        reached
    }

    /// Whether what has the bit number `bit` was reached.
    fn has(&self, bit: usize) -> bool {
        self.marks[bit].1.load(Ordering::Relaxed) < u32::MAX
    }

    /// Notes a mark on a path of `depth` events; returns its bit.
    fn note(&self, label: &'static str, depth: u32) -> u64 {
        for (bit, (known, fewest)) in self.marks.iter().enumerate() {
            let known = *known.get_or_init(|| label);
            if ptr::eq(known, label) || known == label {
                // Relaxed: a minimum, read when all threads have ended.
                if depth < fewest.load(Ordering::Relaxed) {
                    fewest.fetch_min(depth, Ordering::Relaxed);
                }
                return 1 << bit;
            }
        }
        0
    }

    /// Takes over what was noted elsewhere.
    fn take_over(&self, noted: &BTreeMap<String, u32>) {
        for (label, depth) in noted {
            let known = self.marks.iter().filter_map(|(known, _)| known.get()).find(|known| *known == label);
            // At most as many names as there are bits, each once in the life of the process.
            self.note(known.copied().unwrap_or_else(|| label.clone().leak()), *depth);
        }
    }

    /// What was reached, by name, with the fewest events that led there.
    pub fn all(&self) -> BTreeMap<&'static str, u32> {
        let reached = |(label, fewest): &(OnceLock<&'static str>, AtomicU32)| {
            let fewest = fewest.load(Ordering::Relaxed);
            (fewest < u32::MAX).then_some((*label.get()?, fewest))
        };
        self.marks.iter().filter_map(reached).collect()
    }
}

/// Everything that can be reached from one setup, as a stateright model.
pub struct Space<P: Subject + 'static, Q: 'static> {
    setup: Setup<P>,
    /// States further away are not visited.
    depth_max: Option<u32>,
    /// Marks that must be reached.
    marks: &'static [&'static str],
    /// Worlds that must be reached.
    goals: &'static [Goal<P, Q>],
    /// What was reached.
    pub reached: Reached,
    /// How often which kind of event led to another state, as stateright asked for it.
    pub tally: Mutex<Tally>,
    /// Turns that were taken before.
    known: Known<P>,
    /// Set from outside: go on from no state.
    pub stop: AtomicBool,
    /// Whether some state was not gone on from because of `depth_max`.
    pub cut: AtomicBool,
    /// The greatest depth of a state that was gone on from.
    pub expanded: AtomicU32,
    /// The fingerprint of the first state that breaks any property.
    first_broken: OnceLock<u64>,
    /// For each `always` property the fingerprint of the first state that breaks it.
    broken: [OnceLock<u64>; NAMES_MAX],
    /// For each expected mark or goal the fingerprint of the first state that shows it.
    shown: [OnceLock<u64>; EXPECTED_MAX],
}

/// How many turns are remembered: some hundred megabytes at most.
const TURNS_MAX: usize = 1 << 20;
/// How many `always` properties there may be.
const NAMES_MAX: usize = 16;
/// How many marks and goals may be expected.
const EXPECTED_MAX: usize = 24;

impl<P: Subject + 'static, Q: Properties<P> + Eq + Hash + 'static> Space<P, Q> {
    /// What can be reached from `setup` by at most `depth_max` events. The `marks` and `goals`, which must
    /// be reached, become `sometimes` properties.
    ///
    /// # Panics
    /// If there are more properties or expectations than fit: 12 and 24.
    pub fn new(
        setup: Setup<P>,
        depth_max: Option<u32>,
        marks: &'static [&'static str],
        goals: &'static [Goal<P, Q>],
    ) -> Self {
        assert!(Q::NAMES.len() + COMMON.len() <= NAMES_MAX, "{} properties are too many", Q::NAMES.len());
        let expected = marks.iter().copied().chain(goals.iter().map(|goal| goal.name));
        assert!(expected.clone().count() <= EXPECTED_MAX, "{} expectations are too many", expected.count());
        Space {
            setup,
            depth_max,
            marks,
            goals,
            reached: Reached::new(expected),
            tally: Mutex::new(Tally::default()),
            known: Known::new(TURNS_MAX),
            stop: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            expanded: AtomicU32::new(0),
            first_broken: OnceLock::new(),
            broken: Default::default(),
            shown: Default::default(),
        }
    }

    /// How far the search may go.
    pub const fn depth_max(&self) -> Option<u32> {
        self.depth_max
    }

    /// Whether nothing is broken, but for the first state that breaks something.
    fn is_sound(&self, state: &State<P, Q>) -> bool {
        state.world.violation().is_none() || {
            let fingerprint = state.world.fingerprint();
            *self.first_broken.get_or_init(|| fingerprint) != fingerprint
        }
    }

    /// Which of the goals this world shows that none has shown before, as bits of [`Reached`].
    fn goals(&self, world: &World<P, Q>, depth: u32) -> u64 {
        let first = self.marks.len();
        let open = self.goals.iter().enumerate().filter(|(i, _)| !self.reached.has(first + i));
        let reached = open.filter(|(_, goal)| (goal.holds)(world));
        reached.fold(0, |bits, (_, goal)| bits | self.reached.note(goal.name, depth))
    }

    /// The world after `event`, `depth` events from the start, and what it shows for the first time, as bits of
    /// [`Reached`]; none if it is the same world, or if the event is not enabled.
    fn succeed(&self, world: &World<P, Q>, event: &Event<P>, depth: u32) -> Option<(World<P, Q>, u64)> {
        let mut world = world.clone();
        let applied = world.apply_known(&self.setup, event, &self.known).ok()?;
        let marks = applied.marks.iter().fold(0, |marks, mark| marks | self.reached.note(mark, depth));
        if !applied.changed {
            return None;
        }
        let marks = marks | self.goals(&world, depth);
        Some((world, marks))
    }

    /// The setup that everything starts from.
    pub const fn setup(&self) -> &Setup<P> {
        &self.setup
    }

    /// Turns that were taken before.
    pub(crate) const fn known(&self) -> &Known<P> {
        &self.known
    }

    /// The names of what holds always: the protocol's own properties, then [`COMMON`].
    pub fn names() -> impl Iterator<Item = &'static str> {
        Q::NAMES.iter().copied().chain(COMMON)
    }

    fn holds<const N: usize>(&self, state: &State<P, Q>) -> bool {
        let Some(violation) = state.world.violation() else { return true };
        if Self::names().nth(N) != Some(violation.property) {
            return true;
        }
        let fingerprint = state.world.fingerprint();
        *self.broken[N].get_or_init(|| fingerprint) != fingerprint
    }

    fn shows<const N: usize>(&self, state: &State<P, Q>) -> bool {
        if state.marks >> N & 1 == 0 {
            return false;
        }
        let fingerprint = state.world.fingerprint();
        *self.shown[N].get_or_init(|| fingerprint) == fingerprint
    }
}

/// Conditions are function pointers: one instance per number of a property.
macro_rules! numbered {
    ($function:ident: $($number:literal)*) => { [$(Self::$function::<$number>),*] };
}

type Condition<P, Q> = fn(&Space<P, Q>, &State<P, Q>) -> bool;

impl<P: Subject + 'static, Q: Properties<P> + Eq + Hash + 'static> Space<P, Q> {
    const HOLDS: [Condition<P, Q>; NAMES_MAX] = numbered!(holds: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    const SHOWS: [Condition<P, Q>; EXPECTED_MAX] =
        numbered!(shows: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23);
}

impl<P: Subject + 'static, Q: Properties<P> + Eq + Hash + 'static> Model for Space<P, Q> {
    type State = State<P, Q>;
    type Action = Event<P>;

    fn init_states(&self) -> Vec<Self::State> {
        vec![State { world: World::new(&self.setup), depth: 0, marks: 0 }]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        // Relaxed: a request that may be seen late, and maxima that are read when all threads have ended.
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        state.world.enabled(&self.setup, actions);
        if self.depth_max.is_some_and(|most| state.depth >= most) && !actions.is_empty() {
            actions.clear();
            self.cut.store(true, Ordering::Relaxed);
        } else if state.depth > self.expanded.load(Ordering::Relaxed) {
            self.expanded.fetch_max(state.depth, Ordering::Relaxed);
        }
    }

    fn next_state(&self, state: &Self::State, event: Self::Action) -> Option<Self::State> {
        let depth = state.depth + 1;
        let (world, marks) = self.succeed(&state.world, &event, depth)?;
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.note(actions::number(&event), false, || actions::kind(&event));
        drop(tally);
        Some(State { world, depth, marks })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always =
            Self::names().zip(Self::HOLDS).map(|(name, condition)| Property::always(name, condition));
        let expected = self.marks.iter().copied().chain(self.goals.iter().map(|goal| goal.name));
        let sometimes =
            expected.zip(Self::SHOWS).map(|(name, condition)| Property::sometimes(name, condition));
        always.chain(sometimes).collect()
    }
}

impl<P: Subject + 'static, Q: Properties<P> + Eq + Hash + 'static> System for Space<P, Q>
where
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    type State = World<P, Q>;
    type Event = Event<P>;

    fn identity(&self) -> String {
        format!("{}{:?}", self.setup.header(), self.setup.config)
    }

    fn initial(&self) -> Vec<World<P, Q>> {
        vec![World::new(&self.setup)]
    }

    fn events(&self, state: &World<P, Q>, out: &mut Vec<Event<P>>) {
        state.enabled(&self.setup, out);
    }

    fn after(&self, state: &World<P, Q>, event: &Event<P>, depth: u32) -> Option<World<P, Q>> {
        Some(self.succeed(state, event, depth)?.0)
    }

    fn kind_number(&self, event: &Event<P>) -> u64 {
        actions::number(event)
    }

    fn kind(&self, event: &Event<P>) -> Kind {
        actions::kind(event)
    }

    fn look_ahead(&self, state: &World<P, Q>, event: &Event<P>, depth: u32) -> Ahead {
        state.look_ahead(&self.setup, event, &self.known, |mark| {
            self.reached.note(mark, depth);
        })
    }

    fn fingerprint(&self, state: &World<P, Q>) -> u64 {
        state.fingerprint()
    }

    fn violation(&self, state: &World<P, Q>) -> Option<Violation> {
        state.violation().cloned()
    }

    fn noted(&self) -> BTreeMap<String, u32> {
        self.reached.all().into_iter().map(|(name, depth)| (name.to_owned(), depth)).collect()
    }

    fn note(&self, noted: &BTreeMap<String, u32>) {
        self.reached.take_over(noted);
    }
}

/// A space whose worlds are collapsed, for the engine of our own: the same fingerprints, events and counts, in less
/// time and memory.
pub struct Collapsing<'a, P: Subject + 'static, Q: 'static> {
    space: &'a Space<P, Q>,
    all: Collapse<P, Q>,
    /// The kinds of events, in the order in which they were met.
    kinds: Arc<Mutex<Vec<(u64, Kind)>>>,
    /// Whether all goals were reached.
    no_goal: AtomicBool,
}

impl<'a, P: Subject + 'static, Q: Properties<P> + Eq + Hash + 'static> Collapsing<'a, P, Q> {
    /// What can be reached in `space`, which takes note of what is.
    pub fn new(space: &'a Space<P, Q>) -> Self {
        let kinds: Arc<Mutex<Vec<(u64, Kind)>>> = Arc::default();
        let met = Arc::clone(&kinds);
        let kind = move |event: &Event<P>| {
            let mut met = met.lock().unwrap_or_else(PoisonError::into_inner);
            let number = actions::number(event);
            let known = met.iter().position(|(other, _)| *other == number);
            known.unwrap_or_else(|| {
                met.push((number, actions::kind(event)));
                met.len() - 1
            }) as u32
        };
        let all = Collapse::new(&space.setup, kind);
        Collapsing { space, all, kinds, no_goal: AtomicBool::new(false) }
    }
}

impl<P: Subject + 'static, Q: Properties<P> + Eq + Hash + 'static> System for Collapsing<'_, P, Q>
where
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Known<P>: Send + Sync,
    Collapse<P, Q>: Send + Sync,
{
    type State = Collapsed;
    type Event = Event<P>;

    fn identity(&self) -> String {
        self.space.identity()
    }

    fn initial(&self) -> Vec<Collapsed> {
        vec![self.all.fold(&self.space.setup, &World::new(&self.space.setup))]
    }

    fn events(&self, state: &Collapsed, out: &mut Vec<Event<P>>) {
        self.all.unfold(state).enabled(&self.space.setup, out);
    }

    fn after(&self, state: &Collapsed, event: &Event<P>, depth: u32) -> Option<Collapsed> {
        let next = self.space.after(&self.all.unfold(state), event, depth)?;
        Some(self.all.fold(&self.space.setup, &next))
    }

    fn fingerprint(&self, state: &Collapsed) -> u64 {
        self.all.fingerprint(state)
    }

    fn violation(&self, state: &Collapsed) -> Option<Violation> {
        self.all.violation(state).cloned()
    }

    fn expand(&self, states: &[Collapsed], depth: u32, found: &mut Findings<'_, Self>) {
        let note = |mark| {
            self.space.reached.note(mark, depth);
        };
        let Some(asleep) = found.sleepers().filter(|_| Q::COMMUTE) else {
            return self.all.successors(&self.space.setup, states, note, |position, successor| {
                let Successor { event, kind, fingerprint, state } = successor;
                found.offer(position, event, kind, fingerprint, state);
            });
        };
        self.all.successors_awake(&self.space.setup, states, &asleep, note, |position, successor, asleep| {
            let Successor { event, kind, fingerprint, state } = successor;
            match asleep {
                Some(asleep) => {
                    found.offer_with_sleepers(position, event, kind, fingerprint, state, asleep);
                }
                None => found.expect(position, event, fingerprint),
            }
        });
    }

    fn kind_offered(&self, number: u32) -> Kind {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)[number as usize].1.clone()
    }

    fn met(&self, state: &Collapsed, depth: u32) {
        // Relaxed: once set it stays, and a look too many does no harm.
        if depth > 0 && !self.no_goal.load(Ordering::Relaxed) {
            let first = self.space.marks.len();
            let open = |goal| !self.space.reached.has(first + goal);
            if (0..self.space.goals.len()).any(open) {
                self.space.goals(&self.all.unfold(state), depth);
            } else {
                self.no_goal.store(true, Ordering::Relaxed);
            }
        }
    }

    fn encode(&self, state: &Collapsed, out: &mut Vec<u8>) -> bool {
        state.encode(out);
        true
    }

    fn decode(&self, bytes: &mut &[u8]) -> Option<Collapsed> {
        Collapsed::decode(bytes)
    }

    fn bytes(&self) -> u64 {
        self.all.bytes()
    }

    fn noted(&self) -> BTreeMap<String, u32> {
        self.space.noted()
    }

    fn note(&self, noted: &BTreeMap<String, u32>) {
        self.space.note(noted);
    }
}

/// A space with the one property that a search asks for: [`SOUND`].
pub struct Searched<P: Subject + 'static, Q: 'static>(pub Space<P, Q>);

/// The property that no property is broken.
pub const SOUND: &str = "sound";

impl<P: Subject + 'static, Q: Properties<P> + Eq + Hash + 'static> Model for Searched<P, Q> {
    type State = State<P, Q>;
    type Action = Event<P>;

    fn init_states(&self) -> Vec<Self::State> {
        self.0.init_states()
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &Self::State, event: Self::Action) -> Option<Self::State> {
        self.0.next_state(state, event)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(SOUND, |searched, state| searched.0.is_sound(state))]
    }
}
