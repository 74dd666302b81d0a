//! Scopes: jobs that may borrow, since whoever opened the scope waits for all of them.
//!
//! # Verification
//! `tests/loom`: one job, for a member and for a thread outside; `tests/shuttle.rs`: jobs that spawn jobs, and panic;
//! `tests/it/pool`; rayon-core's tests of them (`cargo xtask test drop-in`).

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Arc, PoisonError};

use super::broadcast::BroadcastContext;
use super::crew::Crew;
use super::job::{JobRef, Payload, heap};
use super::latch::{CountLatch, Signal as _, Waiter};
use super::member::Context;
use crate::sync::Mutex;

type Body<'scope> = Box<dyn FnOnce(&Scope<'scope>) + Send + Sync + 'scope>;

/// A place to spawn jobs that may borrow what outlives `'scope`. See [`scope`](super::scope()).
pub struct Scope<'scope> {
    crew: Arc<Crew>,
    /// The body of the scope and the jobs that are not done.
    left: CountLatch<Waiter>,
    /// The first panic.
    panic: Mutex<Option<Payload>>,
    /// Jobs may spawn jobs: neither a longer nor a shorter `'scope` will do.
    bodies: PhantomData<Body<'scope>>,
}

/// A scope that outlives whoever holds this.
pub(crate) struct Outlives<T>(pub(crate) *const T);

// SAFETY: a scope may be shared, and this is made of scopes alone.
unsafe impl<T> Send for Outlives<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Outlives<T> {}

impl<T> Outlives<T> {
    /// # Safety
    /// As long as the scope counts whoever calls this.
    pub(crate) unsafe fn get(&self) -> &T {
        // SAFETY: the scope waits for all that it counts.
        unsafe { &*self.0 }
    }
}

impl<'scope> Scope<'scope> {
    /// Runs `body` on a member of the crew and waits for all that it spawned.
    pub(crate) fn open<R>(context: Context<'_>, body: impl FnOnce(&Scope<'scope>) -> R) -> R {
        Scope::open_in_place(context.hold_crew(), body)
    }

    /// Runs `body` on this thread, whatever it is, and waits for all that it spawned in the crew.
    pub(crate) fn open_in_place<R>(crew: Arc<Crew>, body: impl FnOnce(&Scope<'scope>) -> R) -> R {
        let scope = Scope::new(crew);
        scope.close(|| body(&scope))
    }

    /// A scope that counts its body, which runs on this thread.
    pub(crate) fn new(crew: Arc<Crew>) -> Self {
        Scope {
            left: CountLatch::new(Waiter::here(&crew), 1),
            crew,
            panic: Mutex::new(None),
            bodies: PhantomData,
        }
    }

    /// Runs the body and waits for all that it spawned.
    pub(crate) fn close<R>(&self, body: impl FnOnce() -> R) -> R {
        let result = catch_unwind(AssertUnwindSafe(body));
        // SAFETY: who has the scope holds it until all that it counts are done.
        if !unsafe { CountLatch::count_down(&raw const self.left) } {
            self.left.latch().wait();
        }
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (result, panic) {
            (Ok(result), None) => result,
            (Err(payload), _) | (Ok(_), Some(payload)) => resume_unwind(payload),
        }
    }

    pub(crate) fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Leaves a job for whoever comes first; the scope ends after it. It may spawn others.
    ///
    /// If the job panics, so does the scope, once all its jobs are done.
    pub fn spawn(&self, body: impl FnOnce(&Scope<'scope>) + Send + 'scope) {
        let job = self.job(move |scope, _| body(scope));
        self.crew.leave_to_any(job);
    }

    /// Leaves a closure to every thread of the pool; the scope ends after all have run it.
    ///
    /// If it panics somewhere, so does the scope, once all its jobs are done.
    pub fn spawn_broadcast(
        &self,
        body: impl Fn(&Scope<'scope>, BroadcastContext<'_>) + Send + Sync + 'scope,
    ) {
        let body = Arc::new(body);
        for number in 0..self.crew.members().len() {
            let body = body.clone();
            let job = self.job(move |scope, context| body(scope, BroadcastContext::of(context)));
            self.crew.send(number, job);
        }
    }

    /// A job that the scope waits for, and that must be run.
    pub(crate) fn job(&self, body: impl FnOnce(&Scope<'scope>, Context<'_>) + Send + 'scope) -> JobRef {
        self.left.add();
        let scope = Outlives(self);
        // What the body borrows may be gone before `work` returns, once the last job is counted down. What a function is
        // given by value must be valid until it returns, but for what may not be there at all.
        let body = MaybeUninit::new(body);
        let work = move |context: Context<'_>| {
            let outlives = scope;
            // SAFETY: this job is counted until the end of this closure.
            let scope = unsafe { outlives.get() };
            // SAFETY: it is there, and a job runs once.
            let body = unsafe { body.assume_init() };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| body(scope, context))) {
                // The first stays.
                scope.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
            }
            let left = &raw const scope.left;
            // SAFETY: as above; nothing of the scope is touched hereafter.
            unsafe { CountLatch::set(left, context) };
        };
        // SAFETY: the scope waits for it, and what it borrows outlives the scope.
        unsafe { heap(work) }
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
