//! What stands in for the library's queue in the loom and shuttle tests: a lane that any number of
//! threads fill and one empties, made of the checker's own atomics so that the checker sees it.
//!
//! As in `crossbeam_queue::ArrayQueue`, a value is published by a release store into its slot and taken
//! by an acquire load, and a claimed place is ordered by a read-modify-write. The library's queue is
//! sequentially consistent where this one is relaxed, so the stand-in allows at least the executions that
//! matter to the parking protocol: those in which a push is seen late.

use crate::checker::{AtomicUsize, Ordering};

/// Room for two values, each at least 1.
pub(crate) struct Lane {
    /// 0 while empty.
    slots: [AtomicUsize; 2],
    claimed: AtomicUsize,
}

impl Lane {
    pub(crate) fn new() -> Self {
        Lane { slots: [AtomicUsize::new(0), AtomicUsize::new(0)], claimed: AtomicUsize::new(0) }
    }

    /// Adds a value; a model pushes two at most.
    pub(crate) fn push(&self, value: usize) {
        // Relaxed: the place alone is decided here.
        let place = self.claimed.fetch_add(1, Ordering::Relaxed);
        // Release: pairs with the acquire loads in `pop` and `has_work`.
        self.slots[place].store(value, Ordering::Release);
    }

    /// Takes a value that has arrived.
    pub(crate) fn pop(&self) -> Option<usize> {
        self.slots.iter().find_map(|slot| {
            // Acquire: pairs with the release store in `push`.
            let value = slot.load(Ordering::Acquire);
            (value != 0).then(|| {
                // Relaxed: nobody else looks at a slot that has been filled once.
                slot.store(0, Ordering::Relaxed);
                value
            })
        })
    }

    /// Whether `pop` would return a value.
    pub(crate) fn has_work(&self) -> bool {
        self.slots.iter().any(|slot| slot.load(Ordering::Acquire) != 0)
    }
}
