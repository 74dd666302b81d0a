//! What happened in a search, by kind of event: how often each kind led to another state, and to a new one.
//!
//! A model in which a crash is allowed and none ever happens checks less than it says; so the classes of events
//! that the bounds of an instance [allow](allowed) are listed even where they never happened, and one that never did
//! is a finding of the instance. Kinds are told apart by the variant of the message, timer or operation, which is a
//! comparison of numbers; a name is made once per kind.
//!
//! Verified by `tests/it/actions.rs`: counts that add up to what a search has generated and visited, equal on one and
//! two threads and between the engines, and an instance that allows what never happens.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::mem;

use reports::artifact::Action;
use swarm_simulator::world::{FlushMode, SyncMode};
use swarm_simulator::{Event, EventClass, Setup, Subject};

/// A kind of event: its word, and which message, timer or operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The word: `deliver`.
    pub event: String,
    /// `Append`; none for events that have none.
    pub kind: Option<String>,
}

/// How often the events of one kind happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often one led to another state, repetitions included.
    pub fired: u64,
    /// How often to a state that was new.
    pub fresh: u64,
}

/// An account of what happened, by kind.
#[derive(Clone, Debug, Default)]
pub struct Tally(Vec<(u64, Kind, Count)>);

/// How many kinds are told apart; further ones are counted together.
const KINDS_MAX: usize = 128;

impl Tally {
    /// Counts an event of the kind with this number.
    #[inline]
    pub fn note(&mut self, number: u64, fresh: bool, kind: impl FnOnce() -> Kind) {
        self.add(number, Count { fired: 1, fresh: u64::from(fresh) }, kind);
    }

    /// Counts events of the kind with this number.
    #[inline]
    pub fn add(&mut self, number: u64, count: Count, kind: impl FnOnce() -> Kind) {
        let place = self.0.iter().position(|(other, ..)| *other == number);
        let place = place.unwrap_or_else(|| self.begin(number, kind));
        let sum = &mut self.0[place].2;
        sum.fired += count.fired;
        sum.fresh += count.fresh;
    }

    #[cold]
    fn begin(&mut self, number: u64, kind: impl FnOnce() -> Kind) -> usize {
        if self.0.len() < KINDS_MAX {
            self.0.push((number, kind(), Count::default()));
        } else if self.0.len() == KINDS_MAX {
            self.0.push((number, Kind { event: "further".to_owned(), kind: None }, Count::default()));
        }
        self.0.len() - 1
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: Tally) {
        for (number, kind, count) in other.0 {
            self.add(number, count, || kind);
        }
    }

    /// The counts by kind. Numbers that go by the same name stand together.
    pub fn counts(&self) -> BTreeMap<Kind, Count> {
        let mut counts: BTreeMap<Kind, Count> = BTreeMap::new();
        for (_, kind, count) in &self.0 {
            let sum = counts.entry(kind.clone()).or_default();
            sum.fired += count.fired;
            sum.fresh += count.fresh;
        }
        counts
    }
}

/// The number of the kind of an event: equal for events of one class whose message, timer or operation is of one
/// variant.
pub fn number<P: Subject>(event: &Event<P>) -> u64 {
    let mut number = Number(0xcbf2_9ce4_8422_2325);
    event.class().hash(&mut number);
    match event {
        Event::Deliver { message, .. } | Event::Duplicate { message, .. } | Event::Drop { message, .. } => {
            mem::discriminant(message).hash(&mut number);
        }
        Event::Timeout { timer, .. } => mem::discriminant(timer).hash(&mut number),
        Event::Invoke { op, .. } => mem::discriminant(op).hash(&mut number),
        Event::Flush { .. }
        | Event::Sync { .. }
        | Event::DiskFail { .. }
        | Event::Crash { .. }
        | Event::Restart { .. }
        | Event::Choose { .. }
        | Event::Advance { .. } => {}
    }
    number.0
}

/// FNV-1a: a handful of bytes, and no two of the few numbers there are come to the same.
struct Number(u64);

impl Hasher for Number {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The kind of an event.
pub fn kind<P: Subject>(event: &Event<P>) -> Kind {
    let kind = match event {
        Event::Deliver { message, .. } | Event::Duplicate { message, .. } | Event::Drop { message, .. } => {
            Some(first_word(message))
        }
        Event::Timeout { timer, .. } => Some(first_word(timer)),
        Event::Invoke { op, .. } => Some(first_word(op)),
        _ => None,
    };
    Kind { event: event.class().name().to_owned(), kind }
}

/// The name of a variant, as its text begins with it.
fn first_word(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text[..end].to_owned()
}

/// The classes of events that the setup of an instance has room for. Whether a question is asked and whether clocks
/// matter is the protocol's to say: those two are not among them.
pub fn allowed<P: Subject>(setup: &Setup<P>) -> impl Iterator<Item = EventClass> {
    let bounds = &setup.bounds;
    let (crashes, drops, duplicates) = (bounds.crashes > 0, bounds.drops > 0, bounds.duplicates > 0);
    let (fails, asks, alone) = (bounds.disk_failures > 0, !setup.workload.is_empty(), setup.nodes() < 2);
    let (syncs, flushes) = (bounds.sync != SyncMode::Eager, bounds.flush != FlushMode::Eager);
    EventClass::ALL.into_iter().filter(move |class| match class {
        EventClass::Timeout => bounds.timeouts > 0,
        EventClass::Deliver => !alone,
        EventClass::Duplicate => duplicates && !alone,
        EventClass::Drop => drops && !alone,
        EventClass::Invoke => asks,
        EventClass::Flush => flushes,
        EventClass::Sync => syncs,
        EventClass::DiskFail => fails,
        EventClass::Crash | EventClass::Restart => crashes,
        EventClass::Choose | EventClass::Advance => false,
    })
}

/// The counts for an artifact, with the classes that are allowed and have never happened. Whether the states were
/// new is left out where the engine does not know it.
pub fn record<P: Subject>(
    counts: &BTreeMap<Kind, Count>,
    knows_fresh: bool,
    setup: &Setup<P>,
) -> Vec<Action> {
    let mut actions: Vec<Action> = counts
        .iter()
        .map(|(kind, count)| Action {
            event: kind.event.clone(),
            kind: kind.kind.clone(),
            fired: count.fired,
            fresh: knows_fresh.then_some(count.fresh),
        })
        .collect();
    for class in allowed(setup) {
        if !actions.iter().any(|action| action.event == class.name()) {
            let fresh = knows_fresh.then_some(0);
            actions.push(Action { event: class.name().to_owned(), kind: None, fired: 0, fresh });
        }
    }
    actions
}
