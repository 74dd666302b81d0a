//! Liveness: what must happen at last, in every run that is fair, or a run in which it never does.
//!
//! A [`Promise`] is broken by an infinite run, so by a *lasso*: a way from the start into a loop that can be
//! gone round forever. Not every loop counts. Some events belong to an *action* that is bound to happen: a
//! message that stays in flight arrives, a timer that runs on runs out. A run is (weakly) fair if it does not put
//! off such an action forever: none stays possible from some time on without being taken, again and again. A
//! run that stops is one that stands still forever, and is fair where no such action is possible.
//!
//! The search keeps the graph of all states, twelve bytes an edge. States in which the promise waits to be kept
//! are divided into strongly connected components; a run that breaks the promise stays in one of them. A
//! component holds a fair run if and only if each action is taken on an edge inside, or is impossible in one of
//! its states. That is exact: more states and more edges only help, so that the largest components are enough.
//! The loop that is shown visits just what fairness asks for.
//!
//! What a verdict rests on:
//! - **Bounds.** Of an event that leads out of the bounds of an instance ([`Next::Beyond`]) nothing is known but
//!   that it is possible. A run in which it is put off forever is not fair, and one in which it happens is not
//!   in the instance. So a broken promise is broken with any bounds, and a kept one is kept in runs that stay
//!   within them: [`Judged::beyond`] says how many steps lead out.
//! - **Limits.** A search that was cut off judges the states that it has gone on from. What it finds is there;
//!   that it finds nothing says nothing ([`Verdict::Unknown`]).
//! - States are known by their fingerprints, as in the search for safety.
//!
//! A lasso is walked again event by event before it is returned, by code that knows no graph ([`confirm`]).
//!
//! Verified by `tests/it/liveness.rs`: random graphs against a search of all sets of states, Raft with promises
//! that it keeps and does not keep; and by `tests/it/spin.rs`, where SPIN judges the same models.

mod graph;
mod route;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use hashbrown::HashTable;
use reports::machine;
use swarm_protocol::Violation;

use self::graph::{Edge, Graph};
use super::{System, tree};
use crate::search::{Limits, Progress, Stopped};

/// A system some of whose events are bound to happen.
pub trait Fair: System {
    /// The action that `event` is one way to take, as a number of its own; none if nothing makes it happen: a
    /// fault, the wish of a client.
    fn action(&self, event: &Self::Event) -> Option<u64>;

    /// What comes of `event` in `state`, `depth` events from the start.
    fn follow(&self, state: &Self::State, event: &Self::Event, depth: u32) -> Next<Self::State> {
        match self.after(state, event, depth) {
            Some(state) => Next::State { state, renewed: Vec::new() },
            None => Next::Nothing,
        }
    }
}

/// What comes of an event.
#[derive(Debug)]
pub enum Next<State> {
    /// A state, which may be the same one again.
    State {
        /// The state.
        state: State,
        /// Actions that begin anew with this event, though they may have been possible before: they have not
        /// been put off. A timer that is set again is the example.
        renewed: Vec<u64>,
    },
    /// Nothing: it was not possible.
    Nothing,
    /// A state that is out of bounds.
    Beyond,
}

/// What must happen at last: whenever it was asked for, it is kept then or later. That it is kept once is enough
/// for all that was asked before.
pub struct Promise<State> {
    /// Its name, in words with dashes.
    pub name: &'static str,
    /// Where it is asked for; none if once, at the start.
    pub asked: Option<fn(&State) -> bool>,
    /// Where it is kept.
    pub kept: fn(&State) -> bool,
}

impl<State> Clone for Promise<State> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<State> Copy for Promise<State> {}

impl<State> Promise<State> {
    /// `kept` comes at last.
    pub const fn eventually(name: &'static str, kept: fn(&State) -> bool) -> Self {
        Promise { name, asked: None, kept }
    }

    /// Whenever `asked`, `kept` comes at last.
    pub const fn whenever(name: &'static str, asked: fn(&State) -> bool, kept: fn(&State) -> bool) -> Self {
        Promise { name, asked: Some(asked), kept }
    }

    /// `kept` comes again and again.
    pub const fn again_and_again(name: &'static str, kept: fn(&State) -> bool) -> Self {
        Promise { name, asked: Some(|_| true), kept }
    }

    /// Whether the promise waits from this state on, if it did not before.
    fn begins(&self, state: &State, first: bool) -> bool {
        self.asked.map_or(first, |asked| asked(state)) && !(self.kept)(state)
    }
}

/// A run that breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasso<Event> {
    /// The events that lead to the loop, as few as possible.
    pub stem: Vec<Event>,
    /// The events that lead round it, back to where it begins. Without any, the run stands still there.
    pub round: Vec<Event>,
}

/// Prints as lines: the events of the stem, those of the loop, indented, and what happens then.
impl<Event: fmt::Debug> fmt::Display for Lasso<Event> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stem.iter().try_for_each(|event| writeln!(f, "{event:?}"))?;
        if self.round.is_empty() {
            return f.write_str("and nothing that must happen can happen any more");
        }
        f.write_str("and from here on, again and again:")?;
        self.round.iter().try_for_each(|event| write!(f, "\n  {event:?}"))
    }
}

/// What the search says of a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<Event> {
    /// Every fair run within the bounds keeps it.
    Kept,
    /// This fair run does not.
    Broken(Lasso<Event>),
    /// The search was cut off, and what it has seen keeps the promise.
    Unknown(Stopped),
    /// These events lead to a state that must never be: there is nothing to promise.
    Unsafe(Violation, Vec<Event>),
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged<Event> {
    /// Distinct states met, the first included.
    pub states: u64,
    /// How many of them were gone on from: all that matter, unless the search was cut off. Where a promise is
    /// made once, no state behind its keeping matters.
    pub expanded: u64,
    /// Events that lead from a state to a state.
    pub transitions: u64,
    /// Events that lead out of the bounds: beyond them nothing is claimed.
    pub beyond: u64,
    /// The greatest depth of a state, in events from the start.
    pub depth: u32,
    /// What the graph takes, in bytes.
    pub graph_bytes: u64,
    /// What it says.
    pub verdict: Verdict<Event>,
}

/// How often limits are looked at, in states.
const LOOK_EVERY: u64 = 1024;

/// Judges one promise in all fair runs of a system, on one thread. `progress` is told now and then.
///
/// # Panics
/// If a state has 65,536 events or more, or if the system does not do the same again under the same events.
pub fn judge<S: Fair>(
    system: &S,
    promise: &Promise<S::State>,
    limits: &Limits<'_>,
    mut progress: impl FnMut(Progress),
) -> Judged<S::Event> {
    let mut search = Search {
        system,
        promise,
        graph: Graph::new(),
        places: HashTable::new(),
        actions: BTreeMap::new(),
        open: VecDeque::new(),
        beyond: 0,
        depth: 0,
    };
    let ended = search.explore(limits, &mut progress);
    let lasso = search.graph.lasso();
    let verdict = match (ended, lasso) {
        (Err(End::Unsafe(violation, way)), _) => Verdict::Unsafe(violation, tree::events(system, &way)),
        (_, Some((stem, round))) => {
            let way: Vec<u16> = stem.iter().chain(&round).copied().collect();
            let mut events = tree::events(system, &way);
            let round = events.split_off(stem.len() - 1);
            let lasso = Lasso { stem: events, round };
            let initial = system.initial().swap_remove(stem[0] as usize);
            let confirmed = confirm(system, promise, initial, &lasso);
            assert_eq!(confirmed, Ok(()), "what is found to break {} does", promise.name);
            Verdict::Broken(lasso)
        }
        (Err(End::Stopped(why)), None) => Verdict::Unknown(why),
        (Ok(()), None) => Verdict::Kept,
    };
    Judged {
        states: search.graph.states() as u64,
        expanded: search.graph.expanded() as u64,
        transitions: search.graph.transitions(),
        beyond: search.beyond,
        depth: search.depth,
        graph_bytes: search.graph.bytes() + search.places.capacity() as u64 * 13,
        verdict,
    }
}

/// Why a search ended before its end.
enum End {
    Stopped(Stopped),
    /// The number of the initial state, and of the events from there.
    Unsafe(Violation, Vec<u16>),
}

/// The graph as it is being made.
struct Search<'a, S: Fair> {
    system: &'a S,
    promise: &'a Promise<S::State>,
    graph: Graph,
    /// Fingerprint and place of each state.
    places: HashTable<(u64, u32)>,
    actions: BTreeMap<u64, u32>,
    /// States that were not gone on from, in order of their places, with their depths.
    open: VecDeque<(S::State, u32)>,
    beyond: u64,
    depth: u32,
}

impl<S: Fair> Search<'_, S> {
    fn explore(&mut self, limits: &Limits<'_>, progress: &mut impl FnMut(Progress)) -> Result<(), End> {
        for (number, state) in self.system.initial().into_iter().enumerate() {
            let number = u16::try_from(number).expect("a system has fewer than 65,536 initial states");
            self.place(state, 0, (u32::MAX, number))?;
        }
        let mut events = Vec::new();
        while let Some((state, depth)) = self.open.pop_front() {
            let place = self.graph.expanded() as u32;
            if u64::from(place).is_multiple_of(LOOK_EVERY) {
                let states = self.graph.states() as u64;
                let memory_bytes = machine::resident_memory().unwrap_or(0);
                progress(Progress { states, depth, memory_bytes });
                if let Some(why) = limits.reached(states, memory_bytes) {
                    return Err(End::Stopped(why));
                }
            }
            // What lies behind the keeping of a promise that is made once does not matter.
            if !(self.promise.asked.is_none() && (self.promise.kept)(&state)) {
                self.system.events(&state, &mut events);
                for (number, event) in events.iter().enumerate() {
                    let number = u16::try_from(number).expect("a state has fewer than 65,536 events");
                    self.expand(&state, event, (place, number), depth + 1)?;
                }
            }
            self.graph.close();
        }
        Ok(())
    }

    fn expand(
        &mut self,
        state: &S::State,
        event: &S::Event,
        origin: (u32, u16),
        depth: u32,
    ) -> Result<(), End> {
        let action = match self.system.action(event) {
            Some(action) => self.number(action),
            None => Edge::NO_ACTION,
        };
        match self.system.follow(state, event, depth) {
            Next::Nothing => {}
            Next::Beyond => {
                self.beyond += 1;
                self.graph.push(Edge { target: Edge::BEYOND, action, event: origin.1, renews: false });
            }
            Next::State { state, renewed } => {
                let target = self.place(state, depth, origin)?;
                self.graph.push(Edge { target, action, event: origin.1, renews: false });
                for action in renewed {
                    let action = self.number(action);
                    self.graph.push(Edge { target, action, event: origin.1, renews: true });
                }
            }
        }
        Ok(())
    }

    /// The place of a state, a new one if it has none.
    fn place(&mut self, state: S::State, depth: u32, origin: (u32, u16)) -> Result<u32, End> {
        let fingerprint = self.system.fingerprint(&state);
        if let Some((_, place)) = self.places.find(fingerprint, |(other, _)| *other == fingerprint) {
            return Ok(*place);
        }
        let kept = (self.promise.kept)(&state);
        let begins = self.promise.begins(&state, origin.0 == u32::MAX);
        let place = self.graph.add(origin, begins, kept);
        if let Some(violation) = self.system.violation(&state) {
            return Err(End::Unsafe(violation, self.graph.way(place)));
        }
        self.places.insert_unique(fingerprint, (fingerprint, place), |(other, _)| *other);
        self.depth = self.depth.max(depth);
        self.open.push_back((state, depth));
        Ok(place)
    }

    fn number(&mut self, action: u64) -> u32 {
        let next = self.actions.len() as u32;
        *self.actions.entry(action).or_insert(next)
    }
}

/// Walks a lasso from the state `initial`, and sees for itself that it is a fair run that breaks the promise.
///
/// # Errors
/// Why it is none.
pub fn confirm<S: Fair>(
    system: &S,
    promise: &Promise<S::State>,
    initial: S::State,
    lasso: &Lasso<S::Event>,
) -> Result<(), String> {
    // Beyond all depths: what happens is not to be noted again.
    let step = |state: &S::State, event: &S::Event| match system.follow(state, event, u32::MAX) {
        Next::State { state, renewed } => Ok((state, renewed)),
        Next::Nothing => Err("an event is not possible".to_owned()),
        Next::Beyond => Err("an event leads out of bounds".to_owned()),
    };
    let possible = |state: &S::State| {
        let mut events = Vec::new();
        system.events(state, &mut events);
        events.retain(|event| !matches!(system.follow(state, event, u32::MAX), Next::Nothing));
        events.iter().filter_map(|event| system.action(event)).collect::<Vec<_>>()
    };
    let mut state = initial;
    let mut waits = promise.begins(&state, true);
    for event in &lasso.stem {
        (state, _) = step(&state, event)?;
        waits = (waits || promise.begins(&state, false)) && !(promise.kept)(&state);
    }
    if !waits {
        return Err("the promise does not wait where the loop begins".to_owned());
    }
    let begin = system.fingerprint(&state);
    let mut put_off = possible(&state);
    for event in &lasso.round {
        let (next, renewed) = step(&state, event)?;
        state = next;
        if (promise.kept)(&state) {
            return Err("the promise is kept in the loop".to_owned());
        }
        let (taken, now) = (system.action(event), possible(&state));
        put_off.retain(|action| now.contains(action) && Some(*action) != taken && !renewed.contains(action));
    }
    if system.fingerprint(&state) != begin {
        return Err("the loop does not lead back".to_owned());
    }
    if put_off.is_empty() { Ok(()) } else { Err(format!("{} actions are put off forever", put_off.len())) }
}
