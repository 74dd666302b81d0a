//! The primitives that [`crate::parking`] stands on: std's in production, loom's under `--cfg loom`,
//! shuttle's under `--cfg shuttle`. Nothing else of this crate looks at those cfgs, except that the
//! threaded driver, which starts real threads, is absent from such builds.
//!
//! Two things differ between the builds, on purpose. Checkers know no time, so a park with a time-out is
//! there a park without: a lost wake-up then is a deadlock, which both checkers report, where a time-out
//! would hide it. And under loom each fence has a name, so that a test can weaken one and show that loom
//! notices (`weakened`).

/// The fences of the parking protocol. The name does nothing outside of loom builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// Between the sleeper's announcement and its last look at the work.
    Announce,
    /// Between publishing work and the waker's look at the announcement.
    Notice,
}

#[cfg(not(any(loom, shuttle)))]
mod implementation {
    use std::time::Duration;

    pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
    pub(crate) use std::thread::Thread;

    /// A sequentially consistent fence.
    #[inline]
    pub(crate) fn full_fence(_site: super::Site) {
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    /// Blocks until unparked, at most for so long.
    pub(crate) fn park(timeout: Option<Duration>) {
        match timeout {
            Some(timeout) => std::thread::park_timeout(timeout),
            None => std::thread::park(),
        }
    }
}

#[cfg(loom)]
mod implementation {
    use std::cell::Cell;
    use std::time::Duration;

    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(crate) use loom::thread::Thread;

    use super::Site;

    std::thread_local! {
        // Loom runs the threads of a model as coroutines of the thread that called it, so that this
        // reaches all of them and no model of another test.
        static WEAKENED: Cell<Option<Site>> = const { Cell::new(None) };
    }

    /// Runs `model` with one fence reduced from sequentially consistent to acquire and release.
    pub fn weakened<T>(site: Site, model: impl FnOnce() -> T) -> T {
        WEAKENED.set(Some(site));
        let result = model();
        WEAKENED.set(None);
        result
    }

    pub(crate) fn full_fence(site: Site) {
        let weak = WEAKENED.get() == Some(site);
        loom::sync::atomic::fence(if weak { Ordering::AcqRel } else { Ordering::SeqCst });
    }

    pub(crate) fn park(_timeout: Option<Duration>) {
        loom::thread::park();
    }
}

#[cfg(shuttle)]
mod implementation {
    use std::time::Duration;

    pub(crate) use shuttle::sync::atomic::{AtomicBool, Ordering};
    pub(crate) use shuttle::thread::Thread;

    pub(crate) fn full_fence(_site: super::Site) {
        shuttle::sync::atomic::fence(Ordering::SeqCst);
    }

    pub(crate) fn park(_timeout: Option<Duration>) {
        shuttle::thread::park();
    }
}

#[cfg(loom)]
pub use implementation::weakened;
pub(crate) use implementation::{AtomicBool, Ordering, Thread, full_fence, park};
