//! Jobs in the order in which a thread left them.
//!
//! A thread takes its own jobs newest first. For the other order it puts the job into a queue of its own, and leaves
//! another that runs whatever stands there first. There are as many of these as jobs in the queue, and each comes
//! after the job was put there, so that each finds one.
//!
//! # Verification
//! `tests/loom`: two jobs of a scope and one that nobody waits for, by two members; `tests/it/pool/pools.rs`;
//! rayon-core's tests of it (`cargo xtask test drop-in`).

use core::fmt;
use std::sync::Arc;

use super::broadcast::BroadcastContext;
use super::crew::Crew;
use super::job::{JobRef, heap};
use super::member::Context;
use super::scope::{Outlives, Scope};
use crate::Injector;
use crate::sync::spin_loop;

/// A queue for each thread of a crew.
pub(crate) struct Fifos(Box<[Injector<JobRef>]>);

impl Fifos {
    pub(crate) fn new(members: usize) -> Self {
        Fifos((0..members).map(|_| Injector::new()).collect())
    }

    /// Leaves a job behind those that this thread has left here, or as one from outside.
    ///
    /// # Safety
    /// The queues must stay until the job is run.
    pub(crate) unsafe fn leave_to_any(&self, crew: &Crew, job: JobRef) {
        Context::with_current(|current| match current {
            Some(context) if core::ptr::eq(context.crew(), crew) => {
                let queue = &self.0[context.index()];
                queue.push(job);
                let queue = AnyThreads(queue);
                let first = move |context: Context<'_>| {
                    let queue = queue;
                    // SAFETY: a job of this queue is still to be run, by this one.
                    let queue = unsafe { &*queue.0 };
                    let job = loop {
                        if let Some(job) = queue.steal().success() {
                            break job;
                        }
                        // Others were quicker with those before.
                        spin_loop();
                    };
                    // SAFETY: it was taken once. The queue is not touched hereafter.
                    unsafe { job.execute(context) };
                };
                // SAFETY: what it borrows stays until it is run.
                context.spawn(unsafe { heap(first) });
            }
            _ => crew.inject(job),
        });
    }
}

/// A queue that any thread may take from.
struct AnyThreads(*const Injector<JobRef>);

// SAFETY: an injector of jobs may be shared.
unsafe impl Send for AnyThreads {}

/// A place to spawn jobs that are run in the order in which a thread spawned them, unless others take them. See
/// [`scope_fifo`](super::scope_fifo()).
pub struct ScopeFifo<'scope> {
    scope: Scope<'scope>,
    fifos: Fifos,
}

impl<'scope> ScopeFifo<'scope> {
    /// As [`Scope::open`].
    pub(crate) fn open<R>(context: Context<'_>, body: impl FnOnce(&ScopeFifo<'scope>) -> R) -> R {
        ScopeFifo::open_in_place(context.hold_crew(), body)
    }

    /// As [`Scope::open_in_place`].
    pub(crate) fn open_in_place<R>(crew: Arc<Crew>, body: impl FnOnce(&ScopeFifo<'scope>) -> R) -> R {
        let fifos = Fifos::new(crew.members().len());
        let scope = ScopeFifo { scope: Scope::new(crew), fifos };
        scope.scope.close(|| body(&scope))
    }

    /// Leaves a job for whoever comes first; the scope ends after it. It may spawn others.
    ///
    /// If the job panics, so does the scope, once all its jobs are done.
    pub fn spawn_fifo(&self, body: impl FnOnce(&ScopeFifo<'scope>) + Send + 'scope) {
        let this = Outlives(self);
        let job = self.scope.job(move |_, _| {
            let outlives = this;
            // SAFETY: the scope counts this job.
            body(unsafe { outlives.get() });
        });
        // SAFETY: the scope, whose part the queues are, counts the job.
        unsafe { self.fifos.leave_to_any(self.scope.crew(), job) };
    }

    /// As [`Scope::spawn_broadcast`].
    pub fn spawn_broadcast(
        &self,
        body: impl Fn(&ScopeFifo<'scope>, BroadcastContext<'_>) + Send + Sync + 'scope,
    ) {
        let this = Outlives(self);
        self.scope.spawn_broadcast(move |_, context| {
            let outlives = &this;
            // SAFETY: the scope counts this job.
            body(unsafe { outlives.get() }, context);
        });
    }
}

impl fmt::Debug for ScopeFifo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeFifo").finish_non_exhaustive()
    }
}
