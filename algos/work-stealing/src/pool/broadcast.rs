//! One closure on every thread of a pool.

use core::fmt;

use super::job::StackJob;
use super::latch::{CountLatch, Latch};
use super::member::Context;

/// The thread that runs a closure which was broadcast.
#[derive(Clone, Copy)]
pub struct BroadcastContext<'a> {
    context: Context<'a>,
}

impl<'a> BroadcastContext<'a> {
    pub(crate) fn of(context: Context<'a>) -> Self {
        BroadcastContext { context }
    }

    /// The thread's number in its pool.
    pub fn index(&self) -> usize {
        self.context.index()
    }

    /// How many threads run the closure.
    pub fn num_threads(&self) -> usize {
        self.context.num_threads()
    }

    /// What `join` needs.
    pub fn context(&self) -> Context<'a> {
        self.context
    }
}

impl fmt::Debug for BroadcastContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastContext").field("index", &self.index()).finish_non_exhaustive()
    }
}

/// Runs `work` on every member of the crew; results come by the member's number.
pub(crate) fn broadcast<R: Send>(
    context: Context<'_>,
    work: &(impl Fn(BroadcastContext<'_>) -> R + Sync),
) -> Vec<R> {
    let members = context.num_threads();
    let latch = CountLatch::new(Latch::new(context.index()), members);
    let jobs: Vec<_> = (0..members)
        .map(|_| StackJob::new(&latch, |context: Context<'_>| work(BroadcastContext { context })))
        .collect();
    for (number, job) in jobs.iter().enumerate() {
        // SAFETY: this waits for all of them, and nothing unwinds before.
        context.crew().send(number, unsafe { job.as_job() });
    }
    context.wait_until(latch.latch());
    jobs.into_iter().map(|job| job.into_outcome().into_result()).collect()
}
