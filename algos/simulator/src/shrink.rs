//! Smaller runs that break the same property.
//!
//! Events are values, so a shorter run is the run without some of them: what is not enabled any more is
//! skipped. [`smallest`] goes in stages, and each keeps what still breaks the property:
//!
//! 1. **Configuration**: a smaller cluster, whose nodes go by other names; no twins; fewer operations.
//! 2. **Faults off**: one kind of fault at a time; writes and batches that leave at once.
//! 3. **Operations**: taken out of the workload, from large chunks to single ones; later ones are renamed.
//! 4. **Events**, likewise (delta debugging: Zeller and Hildebrandt 2002).
//! 5. **Stand-ins**: events again, and two at a time; but what is not enabled without them is not skipped if
//!    there is something like it. Without one of the first elections, all later messages are of other terms.
//! 6. **Search** for a shorter way, breadth first: with the very events that the run uses, then with all of
//!    their kinds at their places, then with all there are. Where one goes through, no run of these is shorter.
//! 7. **Values**: plainer operations, crashes that lose everything; and bounds that allow no more than it
//!    takes.
//!
//! Stages 1 to 6 take turns until none of them gains anything. Work is counted in events tried, not in
//! time, so that the result is the same on every machine; when that is used up, the best so far is given,
//! and says that it was cut off. The worlds that are kept meanwhile are counted, too ([`Shrunk::held_most`]).
//!
//! Verified by `tests/it/shrink.rs`: no single event of a result can be spared, results are compared with
//! shortest runs found by searching everything, and a run that is out of reach says so.

mod course;
mod values;
mod vocabulary;

use core::fmt;
use core::hash::Hash;
use core::sync::atomic::AtomicBool;

use swarm_protocol::{NodeId, NodeSet, Properties, Violation};

use self::course::{Course, Purse};
use self::values::{follow, renamed, without_operations};
use self::vocabulary::{Ended, Vocabulary, search};
use crate::world::{FlushMode, Identical, SyncMode};
use crate::{Bounds, Event, EventClass, Participant, Setup, Subject, World, scenario};

pub use self::values::plainer;

/// How many events are tried if nothing else is said.
pub const EFFORT: u64 = 2_000_000;

/// Lets the events that are enabled happen in turn and skips the others, to the first violation. Returns
/// the world and the events that made a difference.
pub fn replay<'a, P: Subject + 'a, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    events: impl IntoIterator<Item = &'a Event<P>>,
) -> (World<P, Q>, Vec<Event<P>>) {
    let mut world = World::new(setup);
    let mut happened = Vec::new();
    for event in events {
        if world.violation().is_some() {
            break;
        }
        if world.apply(setup, event).is_ok_and(|applied| applied.changed) {
            happened.push(event.clone());
        }
    }
    (world, happened)
}

/// A run that breaks `property` and from which no single event can be spared, made of events of the run
/// given: stage 4 alone, without limit. `None` if that one does not break it.
///
/// Costs about n log n events tried per event that stays where most can be spared, n² at worst.
pub fn shrink<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    events: &[Event<P>],
    property: &str,
) -> Option<Vec<Event<P>>> {
    let mut purse = Purse::new(u64::MAX, None);
    let mut course = Course::<P, Q>::play(setup, events, property, &mut purse)?;
    course.minimise(setup, &mut purse);
    Some(course.events)
}

/// What may be tried beside leaving things out. Without it, clusters and operations stay as they are.
pub struct Ways<P: Subject> {
    /// Configurations of smaller clusters, by the number of nodes.
    pub clusters: Vec<(u32, P::Config)>,
    /// Operations plainer than one, the plainest first: see [`plainer`].
    pub plainer: fn(&P::Op) -> Vec<P::Op>,
    /// How many events may be tried.
    pub effort: u64,
    /// Once set, no more events are tried: the best so far is given, as if the effort were used up.
    pub stop: Option<&'static AtomicBool>,
}

impl<P: Subject> Default for Ways<P> {
    fn default() -> Self {
        Ways { clusters: Vec::new(), plainer: |_| Vec::new(), effort: EFFORT, stop: None }
    }
}

/// A run that was shrunk. Its events are all enabled in a world of its setup, in turn, and the last one
/// breaks the property.
#[derive(Debug)]
pub struct Shrunk<P: Subject> {
    /// What it starts from: no more of everything than it takes.
    pub setup: Setup<P>,
    /// What happens.
    pub events: Vec<Event<P>>,
    /// What is broken.
    pub violation: Violation,
    /// What each stage came to, in order.
    pub stages: Vec<Stage>,
    /// How many events were tried.
    pub tried: u64,
    /// The most that was kept of worlds at a time, each counted as the events that led to it; at most a little
    /// more than two million.
    pub held_most: usize,
    /// The effort was used up before all was tried: perhaps more can be spared. Two events at a time are tried for a
    /// part of it only, cut off or not.
    pub cut_off: bool,
    /// What a search has shown of its length.
    pub proved: Proved,
}

/// One stage and the run after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The stage in a word.
    pub name: &'static str,
    /// How many nodes take part after it.
    pub nodes: u32,
    /// How many operations clients ask for.
    pub operations: usize,
    /// How many events happen.
    pub events: usize,
}

/// What is known of how short a run can be, in its final setup up to values and bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proved {
    /// No more than that no single event can be spared, unless the run was cut off.
    Nothing,
    /// There is no shorter run that consists of events of this one, in any order and number.
    ShortestOfItsEvents,
    /// There is no shorter run of events of these kinds at these places.
    ShortestOfItsKinds,
    /// There is no shorter run.
    Shortest,
}

impl<P: Subject> fmt::Display for Shrunk<P> {
    /// The stages, and what is known of the result, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Stage { name, events, .. } in &self.stages {
            write!(f, "{name} {events}, ")?;
        }
        write!(f, "{} tried: ", self.tried)?;
        f.write_str(match (self.proved, self.cut_off) {
            (Proved::Shortest, _) => "there is no shorter one",
            (Proved::ShortestOfItsKinds, _) => "there is no shorter one of these kinds of events",
            (Proved::ShortestOfItsEvents, _) => "there is no shorter one of these events",
            (Proved::Nothing, false) => "no event can be spared",
            (Proved::Nothing, true) => "cut off: perhaps more can be spared",
        })
    }
}

/// A run that breaks `property`, far smaller than the one given, which is played in a world of `setup`.
/// `None` if that does not break it, or needs more messages in flight than a scenario may say.
///
/// Costs as many events tried as [`Ways::effort`] says at most, beside playing the run given.
pub fn smallest<P: Subject<Config: Clone>, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    events: &[Event<P>],
    property: &str,
    ways: &Ways<P>,
) -> Option<Shrunk<P>> {
    let course = Course::<P, Q>::play(setup, events, property, &mut Purse::new(u64::MAX, ways.stop))?;
    let mut shrinking = Shrinking {
        setup: setup.clone(),
        course,
        purse: Purse::new(ways.effort, ways.stop),
        stages: Vec::new(),
        proved: Proved::Nothing,
        for_stand_ins: ways.effort / 2,
    };
    shrinking.purse.hold(shrinking.course.held());
    shrinking.note("found");
    shrinking.simplify(&ways.clusters);
    shrinking.operations_events_and_searches(&ways.clusters);
    shrinking.values(ways.plainer);
    shrinking.bounds()?;
    let Shrinking { setup, course, purse, stages, proved, .. } = shrinking;
    let Purse { spent: tried, ran_out: cut_off, held_most, .. } = purse;
    let Course { events, violation, .. } = course;
    Some(Shrunk { setup, events, violation, stages, tried, held_most, cut_off, proved })
}

struct Shrinking<P: Subject, Q> {
    setup: Setup<P>,
    course: Course<P, Q>,
    purse: Purse,
    stages: Vec<Stage>,
    proved: Proved,
    /// How many events may still be tried for the sake of stand-ins: half of all, so that searches have theirs.
    for_stand_ins: u64,
}

impl<P: Subject<Config: Clone>, Q: Properties<P> + Eq + Hash> Shrinking<P, Q> {
    /// Notes what a stage came to, if that is news.
    fn note(&mut self, name: &'static str) {
        let (nodes, operations) = (self.setup.nodes(), self.setup.workload.len());
        let stage = Stage { name, nodes, operations, events: self.course.len() };
        if self.stages.last().is_none_or(|last| Stage { name, ..*last } != stage) {
            self.stages.push(stage);
        }
    }

    /// Plays `events` in another setup, and goes on with the two if they break the property, too: as they are,
    /// or else with stand-ins for events that are not enabled there.
    fn try_in(&mut self, setup: Setup<P>, events: &[Event<P>]) -> bool {
        let property = self.course.violation.property;
        let fits = |course: &Course<P, Q>| course.len() <= self.course.len();
        let mut played = Course::play(&setup, events, property, &mut self.purse).filter(fits);
        if played.is_none() && events.len() <= FOLLOWED_MAX {
            let followed = follow::<P, Q>(&setup, World::new(&setup), events, &mut self.purse);
            played = followed
                .and_then(|(happened, _)| Course::play(&setup, &happened, property, &mut self.purse))
                .filter(fits);
        }
        let Some(course) = played else { return false };
        (self.setup, self.course) = (setup, course);
        true
    }

    /// The events of the run that `keep` keeps.
    fn only(&self, keep: impl Fn(&Event<P>) -> bool) -> Vec<Event<P>> {
        self.course.events.iter().filter(|event| keep(event)).cloned().collect()
    }

    /// Takes away what the run can do without, and says whether there was something.
    fn simplify(&mut self, clusters: &[(u32, P::Config)]) -> bool {
        let configured = self.configuration(clusters);
        self.faults() || configured
    }

    fn configuration(&mut self, clusters: &[(u32, P::Config)]) -> bool {
        let mut progress = false;
        let mut smaller: Vec<_> = clusters.iter().filter(|(nodes, _)| *nodes < self.setup.nodes()).collect();
        smaller.sort_by_key(|(nodes, _)| *nodes);
        for (nodes, config) in smaller {
            if self.in_smaller_cluster(*nodes, config) {
                progress = true;
                break;
            }
        }
        let twins: Vec<_> = self.setup.twins().collect();
        for twin in twins {
            let mut setup = self.setup.clone();
            setup.remove_twin(twin);
            let slot = Participant::Twin(twin).slot();
            let events = self.only(|event| event.slot() != Some(slot));
            progress |= self.try_in(setup, &events);
        }
        // Few operations are enough for most violations, and the first ones lead to the others.
        let mut operations = 0;
        while operations < self.setup.workload.len() && !self.purse.ran_out {
            let mut setup = self.setup.clone();
            setup.workload.truncate(operations);
            let asked = |event: &Event<P>| match event {
                Event::Invoke { id, .. } => id.0 < operations as u64,
                _ => true,
            };
            if self.try_in(setup, &self.only(asked)) {
                progress = true;
                break;
            }
            operations = (operations * 2).max(1);
        }
        self.note("configuration");
        progress
    }

    /// Lets the run happen in a cluster of so many nodes: of those that take part now the ones that do, under
    /// the names of the first ones.
    fn in_smaller_cluster(&mut self, nodes: u32, config: &P::Config) -> bool {
        let taking_part = NodeSet::first(self.setup.nodes().min(NodeSet::CAPACITY));
        let mut choices = 0;
        // Sets of nodes as numbers: the first nodes come first.
        let mut bits = NodeSet::first(nodes).bits();
        while NodeSet::from_bits(bits).difference(taking_part).is_empty() && choices < CLUSTERS_TRIED {
            choices += 1;
            let members: Vec<_> = NodeSet::from_bits(bits).iter().collect();
            let name = |node: NodeId| {
                let place = members.iter().position(|member| *member == node)?;
                Some(NodeId(place as u32))
            };
            let events: Vec<_> = self.course.events.iter().filter_map(|event| renamed(event, name)).collect();
            let mut setup = self.setup.clone();
            setup.resize(nodes, config.clone());
            if self.try_in(setup, &events) {
                return true;
            }
            // The next number with as many bits.
            let lowest = bits & bits.wrapping_neg();
            let Some(carried) = bits.checked_add(lowest) else { break };
            bits = carried | (((carried ^ bits) / lowest) >> 2);
        }
        false
    }

    /// Switches off one fault after the other, and says whether one was on.
    fn faults(&mut self) -> bool {
        let mut progress = false;
        let modes: [fn(&mut Bounds); 4] = [
            |bounds| bounds.identical = Identical::Merge,
            |bounds| bounds.flush = FlushMode::Eager,
            |bounds| {
                bounds.sync = if bounds.sync == SyncMode::Prefix { SyncMode::Whole } else { bounds.sync }
            },
            |bounds| bounds.sync = SyncMode::Eager,
        ];
        for plainer in modes {
            progress |= self.try_bounds(plainer);
        }
        use EventClass::{Advance, Crash, DiskFail, Drop, Duplicate, Restart};
        for fault in [&[DiskFail][..], &[Duplicate], &[Drop], &[Advance], &[Crash, Restart]] {
            if self.course.events.iter().any(|event| fault.contains(&event.class())) {
                let events = self.only(|event| !fault.contains(&event.class()));
                progress |= self.try_in(self.setup.clone(), &events);
            }
        }
        self.note("faults off");
        progress
    }

    /// Changes the bounds, if there is anything to change and the run breaks the property all the same.
    fn try_bounds(&mut self, change: impl Fn(&mut Bounds)) -> bool {
        let mut setup = self.setup.clone();
        change(&mut setup.bounds);
        let events = self.course.events.clone();
        setup.bounds != self.setup.bounds && self.try_in(setup, &events)
    }

    /// Operations first: with each goes all that came of it.
    fn operations_events_and_searches(&mut self, clusters: &[(u32, P::Config)]) {
        loop {
            self.operations();
            self.course.minimise(&self.setup, &mut self.purse);
            self.note("events");
            if self.stand_ins() {
                self.note("stand-ins");
                continue;
            }
            // What a long run cannot do without, a short one may.
            if !self.simplify(clusters) {
                if !self.searches() {
                    return;
                }
                self.note("search");
            }
        }
    }

    /// Takes operations out, from large chunks to single ones, the last ones first.
    fn operations(&mut self) {
        let mut chunk = self.setup.workload.len().div_ceil(2);
        while chunk > 0 && !self.purse.ran_out {
            let (mut end, mut progress) = (self.setup.workload.len(), false);
            while end > 0 && !self.purse.ran_out {
                let start = end.saturating_sub(chunk);
                let mut setup = self.setup.clone();
                setup.workload.drain(start..end);
                let without = |event: &Event<P>| without_operations(event, start as u64..end as u64);
                let events: Vec<_> = self.course.events.iter().filter_map(without).collect();
                progress |= self.try_in(setup, &events);
                end = start;
            }
            if !(progress && chunk == 1) {
                chunk /= 2;
            }
        }
        self.note("operations");
    }

    /// Leaves events out and lets others stand in for those that are not enabled without them: without an
    /// election, the messages of later terms are other ones. From large chunks to single events, then two at a
    /// time: two nodes may have to skip a term each to meet again. Says whether that came to a shorter run.
    fn stand_ins(&mut self) -> bool {
        let (setup, purse, course) = (&self.setup, &mut self.purse, &mut self.course);
        let length = course.len();
        let begun = purse.spent;
        let enough = begun.saturating_add(self.for_stand_ins);
        let mut chunk = length.div_ceil(2);
        while chunk > 0 && !purse.ran_out && purse.spent < enough {
            let (mut end, mut progress) = (course.len(), false);
            while end > 0 && !purse.ran_out && purse.spent < enough {
                let start = end.saturating_sub(chunk);
                progress |= course.spare_with_stand_ins(setup, start..end.min(course.len()), purse);
                end = start;
            }
            if !(progress && chunk == 1) {
                chunk /= 2;
            }
        }
        let mut second = course.len();
        while second > 1 && !purse.ran_out && purse.spent < enough {
            second -= 1;
            let spared = (0..second).rev().any(|first| {
                purse.spent < enough
                    && course.events[first].class() == course.events[second].class()
                    && course.spare_with_stand_ins(setup, [first, second], purse)
            });
            if spared {
                second = course.len();
            }
        }
        self.for_stand_ins = self.for_stand_ins.saturating_sub(purse.spent - begun);
        course.len() < length
    }

    /// Looks for shorter ways. Says whether there is one; if so, others may have come into reach.
    fn searches(&mut self) -> bool {
        if self.course.len() < 2 {
            self.proved = Proved::Shortest;
            return false;
        }
        // What was shown of the run before is not shown of this one.
        self.proved = Proved::Nothing;
        let (setup, purse, course) = (&self.setup, &mut self.purse, &mut self.course);
        let words = Vocabulary::words(&course.events);
        let share = purse.limit / 3;
        for (vocabulary, proved) in [
            (&words, Proved::ShortestOfItsEvents),
            (&Vocabulary::kinds(&course.events), Proved::ShortestOfItsKinds),
            (&Vocabulary::Everything, Proved::Shortest),
        ] {
            match search(setup, course, 0, vocabulary, share, purse) {
                Ended::Shorter => return true,
                Ended::Exhausted => self.proved = proved,
                Ended::CutOff => break,
            }
        }
        if self.proved == Proved::Nothing {
            // Detours within the run, then: from each place a little.
            let tries = (share / course.len() as u64).min(WINDOW_TRIES);
            for from in (1..course.len() - 1).rev() {
                if search(setup, course, from, &words, tries, purse) == Ended::Shorter {
                    return true;
                }
            }
        }
        false
    }

    fn values(&mut self, plainer: fn(&P::Op) -> Vec<P::Op>) {
        for number in 0..self.setup.workload.len() {
            for op in plainer(&self.setup.workload[number]) {
                let mut setup = self.setup.clone();
                let instead = |event: &Event<P>| match event {
                    Event::Invoke { at, id, .. } if id.0 == number as u64 => {
                        Event::Invoke { at: *at, id: *id, op: op.clone() }
                    }
                    other => other.clone(),
                };
                let events: Vec<_> = self.course.events.iter().map(instead).collect();
                setup.workload[number] = op;
                if self.try_in(setup, &events) {
                    break;
                }
            }
        }
        for place in 0..self.course.len() {
            if let Some(Event::Crash { at, kept: 1.. }) = self.course.events.get(place) {
                let mut events = self.course.events.clone();
                events[place] = Event::Crash { at: *at, kept: 0 };
                self.try_in(self.setup.clone(), &events);
            }
        }
        self.course.minimise(&self.setup, &mut self.purse);
        self.note("values");
    }

    /// Takes from the bounds what the run does not use.
    fn bounds(&mut self) -> Option<()> {
        let count = |class| self.course.events.iter().filter(|event| event.class() == class).count() as u32;
        let counts =
            [EventClass::Crash, EventClass::Duplicate, EventClass::Drop, EventClass::DiskFail].map(count);
        let clock_moves = count(EventClass::Advance) > 0;
        let in_flight_before = self.setup.bounds.in_flight;
        let in_flight = [Bounds::default().in_flight, 100, scenario::IN_FLIGHT_MAX];
        let allowed = |limit: &u32| *limit <= in_flight_before;
        let limits = in_flight.into_iter().filter(allowed).chain([in_flight_before]);
        let length = self.course.len();
        for limit in limits {
            if limit > scenario::IN_FLIGHT_MAX {
                return None;
            }
            let mut setup = self.setup.clone();
            setup.may_give_up = false;
            let bounds = &mut setup.bounds;
            [bounds.crashes, bounds.duplicates, bounds.drops, bounds.disk_failures] = counts;
            bounds.timeouts = Bounds::default().timeouts;
            bounds.in_flight = limit;
            if !clock_moves {
                bounds.clock_steps = 0;
            }
            // This one must be told, whatever it takes.
            let (world, happened) = replay::<P, Q>(&setup, &self.course.events);
            let broken = world.violation().filter(|other| other.property == self.course.violation.property);
            if let Some(violation) = broken.filter(|_| happened.len() == length) {
                self.course.violation = violation.clone();
                self.setup = setup;
                return Some(());
            }
        }
        None
    }
}

/// The longest run that is played with stand-ins in another setup, in events: that takes many times as long as
/// playing it, and a longer one gets short by other means first.
const FOLLOWED_MAX: usize = 200;

/// How many sets of nodes are tried as a smaller cluster.
const CLUSTERS_TRIED: u32 = 50;

/// How many events a search for a detour tries at most.
const WINDOW_TRIES: u64 = 20_000;
