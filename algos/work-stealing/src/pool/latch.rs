//! What a thread waits for: one job, the last of many, or from outside of the pool.
//!
//! A waiter that finds nothing else to do *arms* the latch and sleeps; whoever sets it finds out in one step
//! whether to wake anybody. Setting is the last that is done with a latch: once it is set, the waiter returns
//! and takes the memory away, so that the one who sets copies before what it needs afterwards (rayon#739).
//!
//! # Verification
//! `tests/loom` has a job with its latch on the waiter's stack, and a waiter that sleeps.

use std::sync::{Arc, PoisonError};

use super::crew::Crew;
use super::member::Context;
use crate::sync::{AtomicUsize, Condvar, Life, Mutex, Ordering, Site, order};

/// Not set, and nobody sleeps.
const OPEN: usize = 0;
/// Not set, and the waiter sleeps or is about to.
const ARMED: usize = 1;
const SET: usize = 2;

/// How a job says that it is done.
pub(crate) trait Signal {
    /// Says so, on behalf of a member of the crew.
    ///
    /// # Safety
    /// `this` must be valid; once this is called it may be so no longer. Called once.
    unsafe fn set(this: *const Self, by: Context<'_>);
}

/// A latch for which one member of a crew waits.
pub struct Latch {
    state: AtomicUsize,
    /// The member's number.
    waiter: usize,
    life: Life,
}

impl Latch {
    /// A latch for a member of this number.
    pub fn new(waiter: usize) -> Self {
        Latch { state: AtomicUsize::new(OPEN), waiter, life: Life::new() }
    }

    /// Whether it is set; then what was done before is seen.
    #[inline]
    pub fn is_set(&self) -> bool {
        // Acquire: pairs with `LatchSet`.
        self.state.load(order(Site::LatchLook, Ordering::Acquire)) == SET
    }

    /// Asks to be woken; false if it is set already. Only the waiter may call this.
    pub fn arm(&self) -> bool {
        // Relaxed: who finds it set looks again.
        self.state.compare_exchange(OPEN, ARMED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Takes that back.
    pub fn disarm(&self) {
        // It fails if it is set. Relaxed: as above.
        let _set = self.state.compare_exchange(ARMED, OPEN, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Sets it, and returns whom to wake.
    ///
    /// # Safety
    /// `this` must be valid; afterwards it may be so no longer.
    pub unsafe fn set_then_wake(this: *const Self) -> Option<usize> {
        // SAFETY: valid until the swap; `waiter` is read before it.
        let latch = unsafe { &*this };
        latch.life.assert_alive();
        let waiter = latch.waiter;
        // Release: pairs with `LatchLook`.
        let before = latch.state.swap(SET, order(Site::LatchSet, Ordering::Release));
        (before == ARMED).then_some(waiter)
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        self.life.end();
    }
}

impl Signal for Latch {
    unsafe fn set(this: *const Self, by: Context<'_>) {
        // SAFETY: the caller's.
        if let Some(waiter) = unsafe { Latch::set_then_wake(this) } {
            by.crew().sleep().wake(waiter);
        }
    }
}

/// A latch for which a member of another crew waits.
pub(crate) struct CrossLatch {
    pub(crate) latch: Latch,
    /// The waiter's crew.
    pub(crate) crew: Arc<Crew>,
}

impl CrossLatch {
    /// A latch for this member.
    pub(crate) fn new(waiter: Context<'_>) -> Self {
        CrossLatch { latch: Latch::new(waiter.index()), crew: waiter.hold_crew() }
    }
}

impl Signal for CrossLatch {
    unsafe fn set(this: *const Self, _by: Context<'_>) {
        // SAFETY: valid until the latch is set.
        let cross = unsafe { &*this };
        let crew = cross.crew.clone();
        // SAFETY: the caller's; the crew is held.
        if let Some(waiter) = unsafe { Latch::set_then_wake(&raw const cross.latch) } {
            crew.sleep().wake(waiter);
        }
    }
}

/// A latch that is set when the last of many is done.
pub(crate) struct CountLatch<S> {
    /// How many are not done.
    left: AtomicUsize,
    latch: S,
}

impl<S: Signal> CountLatch<S> {
    /// For so many, the last of whom sets this latch.
    pub(crate) fn new(latch: S, count: usize) -> Self {
        CountLatch { left: AtomicUsize::new(count), latch }
    }

    /// One more. One of those there were before must not be done yet.
    pub(crate) fn add(&self) {
        // Relaxed: who adds is one of those counted.
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    /// One less; whether it was the last. Who learns that must set the latch, unless it is the one that waits.
    ///
    /// # Safety
    /// `this` must be valid; unless it was the last, it may be so no longer before this returns.
    pub(crate) unsafe fn count_down(this: *const Self) -> bool {
        // Of the count alone: what a function has a reference to must stay until it returns, but for atomics.
        // SAFETY: valid until the count is down.
        let left = unsafe { &(*this).left };
        // Release, for what this one has done; acquire, so that the last passes on what all have done.
        left.fetch_sub(1, order(Site::CountDown, Ordering::AcqRel)) == 1
    }

    pub(crate) fn latch(&self) -> &S {
        &self.latch
    }
}

impl<S: Signal> Signal for CountLatch<S> {
    unsafe fn set(this: *const Self, by: Context<'_>) {
        // SAFETY: the waiter waits for the latch, which the last sets, so that this is valid until the count is down.
        if unsafe { CountLatch::count_down(this) } {
            // SAFETY: as above, and nobody else comes here.
            let latch = unsafe { &raw const (*this).latch };
            // SAFETY: as above.
            unsafe { Signal::set(latch, by) };
        }
    }
}

/// What waits for the last job of a scope, wherever that was opened.
pub(crate) enum Waiter {
    /// A member of the scope's crew.
    Member(Latch),
    /// A member of another crew.
    OfAnotherCrew(CrossLatch),
    /// A thread that is in no crew.
    Outside(Arc<OutsideLatch>),
}

impl Waiter {
    /// This thread, which waits for jobs of `crew`.
    pub(crate) fn here(crew: &Crew) -> Self {
        Context::with_current(|current| match current {
            Some(context) if core::ptr::eq(context.crew(), crew) => {
                Waiter::Member(Latch::new(context.index()))
            }
            Some(context) => Waiter::OfAnotherCrew(CrossLatch::new(context)),
            None => Waiter::Outside(Arc::new(OutsideLatch::new())),
        })
    }

    /// Waits, on the thread that it was made on. A member runs its own crew's jobs meanwhile, since what it waits for
    /// may wait for them.
    pub(crate) fn wait(&self) {
        let latch = match self {
            Waiter::Member(latch) => latch,
            Waiter::OfAnotherCrew(cross) => &cross.latch,
            Waiter::Outside(latch) => return latch.wait(),
        };
        Context::with_current(|current| current.expect("it is a member").wait_until(latch));
    }
}

impl Signal for Waiter {
    unsafe fn set(this: *const Self, by: Context<'_>) {
        // SAFETY: valid until the latch is set, and each arm does that last.
        match unsafe { &*this } {
            // SAFETY: the caller's.
            Waiter::Member(latch) => unsafe { Signal::set(latch, by) },
            // SAFETY: as above.
            Waiter::OfAnotherCrew(latch) => unsafe { Signal::set(latch, by) },
            // SAFETY: as above.
            Waiter::Outside(latch) => unsafe { Signal::set(latch, by) },
        }
    }
}

/// Several jobs count down one latch.
impl<S: Signal> Signal for &S {
    unsafe fn set(this: *const Self, by: Context<'_>) {
        // SAFETY: the caller's: what is referred to outlives the job.
        let to: *const S = unsafe { *this };
        // SAFETY: as above.
        unsafe { S::set(to, by) };
    }
}

/// A latch for a thread that is in no crew.
pub(crate) struct OutsideLatch {
    set: Mutex<bool>,
    changed: Condvar,
}

impl OutsideLatch {
    pub(crate) fn new() -> Self {
        OutsideLatch { set: Mutex::new(false), changed: Condvar::new() }
    }

    pub(crate) fn wait(&self) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        while !*set {
            set = self.changed.wait(set).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Signal for Arc<OutsideLatch> {
    unsafe fn set(this: *const Self, _by: Context<'_>) {
        // SAFETY: valid until it is set. The copy is valid longer.
        let latch = unsafe { &*this }.clone();
        *latch.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        latch.changed.notify_one();
    }
}
