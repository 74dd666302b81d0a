//! What one thread finds on its way through one chunk, until it is sorted in.

use std::sync::atomic::Ordering;

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
    /// States that may be new, each with where it comes from.
    pub(super) offered: Vec<Offered<S::State>>,
    pub(super) fingerprints: Vec<u64>,
    pub(super) new: Vec<bool>,
    /// New states.
    pub(super) origins: Vec<(u32, u16)>,
    pub(super) states: Vec<S::State>,
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
        self.level.visited.insert_all(&self.fingerprints, &mut self.sorting, &mut new);
        self.generated += offered.len() as u64;
        for (Offered { origin, kind, state }, is_new) in offered.drain(..).zip(&new) {
            if self.counts.len() <= kind as usize {
                self.counts.resize(kind as usize + 1, Count::default());
            }
            let count = &mut self.counts[kind as usize];
            count.fired += 1;
            count.fresh += u64::from(*is_new);
            if *is_new {
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
        self.fresh.push(Fresh { origins: std::mem::take(&mut self.origins), states });
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
