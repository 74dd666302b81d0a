//! How an idle thread goes to sleep and is woken without a wake-up getting lost.
//!
//! A node's thread takes work from lanes that others fill. When it finds nothing it wants to sleep; the
//! danger is that work arrives between its last look and its sleep, from a thread that looked too early
//! to see it sleeping. Both sides therefore write before they read, with a full fence between:
//!
//! ```text
//! sleeper                                waker
//! 1  asleep := true                      1  publish work
//! 2  fence (announce)                    2  fence (notice)
//! 3  is there work? then do not sleep    3  asleep? then unpark
//! 4  park
//! 5  asleep := false
//! ```
//!
//! One fence comes first in the single order of sequentially consistent fences. If the sleeper's does,
//! the waker's step 3 sees the announcement and unparks; if the waker's does, the sleeper's step 3 sees
//! the work. Neither fence may be weaker: each side could then read what the other has not yet written
//! (store buffering). An unpark that comes before the park is kept by the thread as a token and ends the
//! park at once. A token that comes too late ends a later park early, which costs its caller one more
//! look; several wakers may each leave the same token while the sleeper gets up.
//!
//! While the sleeper is awake a waker pays for one fence and one read of a line that nobody writes; it
//! neither writes nor enters the system. That is why this exists beside `crossbeam_utils::sync::Parker`,
//! whose every unpark swaps a shared word; and a park of the standard library plus one flag is little
//! enough to be checked whole.
//!
//! A waker that cleared the flag would spare the next one its unpark. It does not, because loom cannot
//! follow that: it lets the waker's read-modify-write take an old value of the flag and yet hide the
//! sleeper's newer announcement from the waker's next read, and reports a deadlock that the atomicity of
//! read-modify-writes rules out. A rule that is simpler and checked is worth a superfluous unpark.
//!
//! # Verification
//! `tests/loom.rs` explores every execution of one waker with two values, of a stop flag and of two
//! threads that wake each other, and those of two wakers with up to four preemptions; `tests/shuttle.rs`
//! samples runs of four wakers. Both know no time-outs, so a lost wake-up is a deadlock. Neither can look into the library's queue (`crossbeam_queue::ArrayQueue`): in
//! those tests slots of plain atomics with release stores and acquire loads stand in for it, which order
//! no more than the library's queue does. What is shown is that this protocol loses no wake-up around
//! such a queue, not that the library's queue is right.
//!
//! Seen to fail: without step 3 of the sleeper both checkers report the deadlock; with either fence
//! reduced to acquire-release loom does and shuttle cannot (it knows sequential consistency only). All
//! of these stay in the tests.

use core::fmt;
use core::time::Duration;

use crate::sync::{AtomicBool, Ordering, Site, Thread, full_fence, park};

/// A place for one thread to sleep at, and for any number to wake it.
pub struct Parking {
    /// Set by the sleeper before its last look, cleared by it once it is awake. Nobody else writes it, so
    /// that no waker can take back an announcement that another waker would have had to see.
    asleep: AtomicBool,
    /// Whom to unpark.
    sleeper: Thread,
}

impl Parking {
    /// A place for `sleeper` alone to sleep at.
    pub fn new(sleeper: Thread) -> Self {
        Parking { asleep: AtomicBool::new(false), sleeper }
    }

    /// Sleeps until [`Parking::wake`] is called, `timeout` has passed, or for no reason at all; not at
    /// all if `has_work` holds. Work published before a `wake` is seen by `has_work` here or wakes the
    /// sleeper.
    ///
    /// `has_work` must read what wakers write before they wake. Only the sleeper may call this: a park of
    /// another thread would never end.
    pub fn sleep(&self, timeout: Option<Duration>, has_work: impl FnOnce() -> bool) {
        // Relaxed: ordered by the fence.
        self.asleep.store(true, Ordering::Relaxed);
        // Pairs with the fence `Notice` in `wake`.
        full_fence(Site::Announce);
        if !has_work() {
            park(timeout);
        }
        // Relaxed: a waker that reads the old value unparks an awake thread, which is harmless.
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Wakes the sleeper, if it sleeps or is about to. Call it after publishing work.
    #[inline]
    pub fn wake(&self) {
        // Pairs with the fence `Announce` in `sleep`.
        full_fence(Site::Notice);
        // Relaxed: ordered by the fence. Work itself reaches the sleeper through its lane's orderings.
        if self.asleep.load(Ordering::Relaxed) {
            self.sleeper.unpark();
        }
    }
}

impl fmt::Debug for Parking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parking").finish_non_exhaustive()
    }
}
