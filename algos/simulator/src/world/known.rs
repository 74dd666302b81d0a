//! Turns that were taken before: a node that meets the same cause again is not asked twice.
//!
//! What becomes of a node is a function of the slot, of what happens to it, and of nothing else; a search
//! meets few slots in very many worlds. [`Known`] keeps every outcome under slot and cause, compared in
//! full, so that a hash that is not unique costs time and nothing else. Slots that compare equal are kept
//! once, which also saves the memory of the worlds that share them.
//!
//! That a protocol is such a function is its contract, and is checked: one outcome in [`SAMPLE`] that is
//! found is made anew and compared. Verified by comparison with worlds that look nothing up, and by a toy
//! protocol that keeps a secret (`tests/it/known.rs`).

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashTable;
use swarm_protocol::{Checkable, Violation, mix};

use super::node::NodeSlot;
use super::turn::{Cause, Outcome, Stop};
use super::{CONTRACT, Setup};

/// One in so many outcomes that are found is made anew.
pub(super) const SAMPLE: u64 = 1024;

/// How many parts are locked apart: searches have a few threads.
const SHARDS: usize = 16;

/// Outcomes of turns, for worlds of one setup, shared by the threads of a search.
pub struct Known<P: Checkable> {
    turns: [Mutex<Turns<P>>; SHARDS],
    slots: [Mutex<HashTable<Arc<NodeSlot<P>>>>; SHARDS],
    /// How many turns each part may hold.
    turns_max: usize,
}

struct Turns<P: Checkable> {
    table: HashTable<Taken<P>>,
    /// How often an outcome was found.
    found: u64,
}

struct Taken<P: Checkable> {
    hash: u64,
    node: Arc<NodeSlot<P>>,
    cause: Cause<P>,
    outcome: Arc<Outcome<P>>,
}

impl<P: Checkable> Known<P> {
    /// Nothing is known. At most `turns_max` outcomes will be kept, of some hundred bytes each; further
    /// ones are made whenever they are needed.
    pub fn new(turns_max: usize) -> Self {
        Known {
            turns: std::array::from_fn(|_| Mutex::new(Turns { table: HashTable::new(), found: 0 })),
            slots: std::array::from_fn(|_| Mutex::new(HashTable::new())),
            turns_max: turns_max / SHARDS,
        }
    }

    /// How many outcomes are kept.
    pub fn len(&self) -> usize {
        self.turns.iter().map(|turns| lock(turns).table.len()).sum()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What becomes of `node` under `cause`, if no question is answered.
    pub(super) fn outcome(
        &self,
        setup: &Setup<P>,
        node: &Arc<NodeSlot<P>>,
        cause: &Cause<P>,
    ) -> Arc<Outcome<P>> {
        let hash = mix(node.hash() ^ cause.hash());
        let shard = &self.turns[hash as usize % SHARDS];
        let same = |taken: &Taken<P>| {
            taken.hash == hash
                && (Arc::ptr_eq(&taken.node, node) || taken.node == *node)
                && taken.cause == *cause
        };
        let found = {
            let mut turns = lock(shard);
            turns.found += 1;
            let sampled = turns.found.is_multiple_of(SAMPLE);
            turns.table.find(hash, same).map(|taken| (Arc::clone(&taken.outcome), sampled))
        };
        match found {
            Some((outcome, false)) => outcome,
            Some((outcome, true)) => {
                let again = Outcome::of(setup, node, cause, Vec::new(), &mut |_, _| ());
                if again == *outcome { outcome } else { Arc::new(broken(node)) }
            }
            None => {
                let mut outcome = Outcome::of(setup, node, cause, Vec::new(), &mut |_, _| ());
                if let Ok(node) = &mut outcome.node {
                    *node = self.once(Arc::clone(node));
                }
                let outcome = Arc::new(outcome);
                let mut turns = lock(shard);
                if turns.table.len() < self.turns_max && turns.table.find(hash, same).is_none() {
                    let (node, kept) = (Arc::clone(node), Arc::clone(&outcome));
                    let taken = Taken { hash, node, cause: cause.clone(), outcome: kept };
                    turns.table.insert_unique(hash, taken, |taken| taken.hash);
                }
                outcome
            }
        }
    }

    /// The one slot that stands for all that equal it.
    fn once(&self, node: Arc<NodeSlot<P>>) -> Arc<NodeSlot<P>> {
        let hash = mix(node.hash());
        let mut slots = lock(&self.slots[hash as usize % SHARDS]);
        if let Some(known) = slots.find(hash, |known| *known == node) {
            return Arc::clone(known);
        }
        if slots.len() < self.turns_max {
            slots.insert_unique(hash, Arc::clone(&node), |known| mix(known.hash()));
        }
        node
    }
}

/// A thread that panicked has left the table whole: protocol code does not run under the lock.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is wrong with a node that does not do the same again.
pub(super) fn inconstant<P: Checkable>(node: &NodeSlot<P>) -> Violation {
    Violation::new(CONTRACT, format!("{} does not do the same again under the same input", node.slot))
}

fn broken<P: Checkable>(node: &NodeSlot<P>) -> Outcome<P> {
    Outcome::without_effects(Err(Stop::Violated(inconstant(node))))
}
