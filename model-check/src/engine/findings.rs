//! What one thread finds on its way through one chunk, until it is sorted in.

use std::sync::atomic::Ordering;

use swarm_simulator::world::Asleep;

use super::visited::Sorting;
use super::{Broken, CHUNK, Fresh, Grown, Kept, Level, System, lock};
use crate::actions::{Count, Tally};

/// What is found while a search goes on from the states of one chunk.
pub struct Findings<'a, S: System> {
    pub(super) level: &'a Level<'a, S>,
    /// Of the chunk, and the place of its first state.
    pub(super) number: usize,
    pub(super) first: u32,
    /// Whether states stay in memory.
    pub(super) keep: bool,
    pub(super) sorting: Sorting,
    /// What sleeps in each state of the chunk, if anything may sleep.
    pub(super) sleepers: Option<Vec<Asleep>>,
    /// What sleeps in each of those offered, as far as that is noted.
    pub(super) asleep: Vec<Asleep>,
    /// States that may be new, each with where it comes from.
    pub(super) offered: Vec<Offered<S::State>>,
    pub(super) fingerprints: Vec<u64>,
    pub(super) new: Vec<bool>,
    /// New states.
    pub(super) origins: Vec<(u32, u16)>,
    pub(super) states: Vec<S::State>,
    /// Of new states, if what sleeps in them was noted.
    pub(super) prints: Vec<u64>,
    pub(super) fresh: Vec<Fresh<S::State>>,
    pub(super) generated: u64,
    /// How often which kind that was offered happened, and led to a new state.
    pub(super) counts: Vec<Count>,
    pub(super) actions: Tally,
}

/// A state that may be new.
pub(super) struct Offered<State> {
    origin: (u32, u16),
    kind: u32,
    state: State,
}

/// How many states are asked about together: some for each part of the visited.
const OFFERS: usize = 1024;

impl<S: System> Findings<'_, S> {
    /// Shows that event number `event` of the state at `position`, of the kind of this small number, leads to `state`.
    /// Cheaper than asking first, if the state is at hand.
    pub fn offer(&mut self, position: usize, event: u32, kind: u32, fingerprint: u64, state: S::State) {
        self.offered.push(Offered { origin: self.origin(position, event), kind, state });
        self.fingerprints.push(fingerprint);
        if self.offered.len() == OFFERS {
            self.decide();
        }
    }

    /// What sleeps in each of the states, for systems that go one of two ways where both lead to the same; none if all
    /// ways are to be gone. May be asked once.
    pub fn sleepers(&mut self) -> Option<Vec<Asleep>> {
        self.sleepers.take()
    }

    /// [Offers](Findings::offer) a state in which the events `asleep` need not happen: where they lead, some other way
    /// leads, of as many events or of fewer, and is gone.
    pub fn offer_with_sleepers(
        &mut self,
        position: usize,
        event: u32,
        kind: u32,
        fingerprint: u64,
        state: S::State,
        asleep: Asleep,
    ) {
        self.asleep.push(asleep);
        self.offer(position, event, kind, fingerprint, state);
    }

    /// Shows that event number `event` of the state at `position`, which sleeps there, leads to the state of this
    /// fingerprint: once this level is done it must be visited.
    pub fn expect(&mut self, position: usize, event: u32, fingerprint: u64) {
        let expected = (self.number, self.origin(position, event), fingerprint);
        lock(&self.level.expected).push(expected);
    }

    /// Whether the state of this fingerprint, which an event leads to, is new. If so, it must be added.
    pub fn is_new(&mut self, fingerprint: u64) -> bool {
        self.generated += 1;
        self.level.visited.insert(fingerprint)
    }

    /// Adds a new state: event number `event` of the state at `position` leads to it.
    pub fn add(&mut self, position: usize, event: u32, state: S::State) {
        self.take(self.origin(position, event), state);
    }

    fn origin(&self, position: usize, event: u32) -> (u32, u16) {
        let event = u16::try_from(event).expect("a state has fewer than 65,536 events");
        (self.first + position as u32, event)
    }

    /// Asks which of the offered states are new, and takes them.
    fn decide(&mut self) {
        let mut new = std::mem::take(&mut self.new);
        let mut offered = std::mem::take(&mut self.offered);
        let Findings { fingerprints, asleep, sorting, keep, .. } = self;
        self.level.visited.insert_all(fingerprints, asleep, *keep, sorting, &mut new);
        self.generated += offered.len() as u64;
        // What is made again, or read back, has no fingerprint beside it: nothing sleeps there.
        let noted = self.keep && !self.asleep.is_empty();
        self.asleep.clear();
        for (at, (Offered { origin, kind, state }, is_new)) in offered.drain(..).zip(&new).enumerate() {
            if self.counts.len() <= kind as usize {
                self.counts.resize(kind as usize + 1, Count::default());
            }
            let count = &mut self.counts[kind as usize];
            count.fired += 1;
            count.fresh += u64::from(*is_new);
            if *is_new {
                if noted {
                    self.prints.push(self.fingerprints[at]);
                }
                self.take(origin, state);
            }
        }
        self.fingerprints.clear();
        (self.new, self.offered) = (new, offered);
    }

    fn take(&mut self, origin: (u32, u16), state: S::State) {
        let system = self.level.system;
        system.met(&state, self.level.depth + 1);
        if let Some(violation) = system.violation(&state) {
            self.broken((origin.0, origin.1, violation));
        }
        self.origins.push(origin);
        self.states.push(state);
        if self.origins.len() == CHUNK {
            self.put_away();
        }
    }

    /// Makes new states a chunk of the next level.
    fn put_away(&mut self) {
        let states = if self.keep {
            self.level.kept.fetch_add(self.states.len(), Ordering::Relaxed);
            Kept::Here(std::mem::take(&mut self.states))
        } else {
            let written = self.level.write(&self.states);
            self.states.clear();
            written.map_or(Kept::Nowhere, Kept::OnDisk)
        };
        let (origins, prints) = (std::mem::take(&mut self.origins), std::mem::take(&mut self.prints));
        self.fresh.push(Fresh { origins, states, prints });
    }

    /// Of several violations the first in the order of the level counts; chunks before it are still looked at.
    pub(super) fn broken(&self, broken: Broken) {
        let mut first = lock(&self.level.broken);
        if first.as_ref().is_none_or(|(other, _)| self.number < *other) {
            *first = Some((self.number, broken));
        }
        self.level.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn end(mut self) -> Sorting {
        self.decide();
        if !self.origins.is_empty() {
            self.put_away();
        }
        for (kind, count) in (0..).zip(&self.counts).filter(|(_, count)| count.fired > 0) {
            self.actions.add(u64::from(kind), *count, || self.level.system.kind_offered(kind));
        }
        lock(&self.level.actions).merge(self.actions);
        self.level.generated.fetch_add(self.generated, Ordering::Relaxed);
        lock(&self.level.grown).push(Grown { number: self.number, fresh: self.fresh });
        self.sorting
    }
}
