//! A crew's thread, and what it does: `join`, and looking for work while it waits.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::forget;
use core::ptr;
use std::sync::{Arc, Weak};

use super::crew::Crew;
use super::job::{JobRef, StackJob};
use super::lane::{Lane, Own, Popped};
use super::latch::Latch;
use super::yields::Yield;
use crate::sync::{LANE, ROUNDS, pause, thread_cell};
use crate::{Injector, Stealer, Worker};

/// A thread of a crew, as all of the crew see it.
///
/// Its first line is what `join` looks at.
#[repr(C)]
pub(crate) struct Member {
    lane: Lane<JobRef>,
    /// Where its spawned jobs are stolen from.
    stealer: Stealer<JobRef>,
    /// Jobs for this thread and no other.
    mail: Injector<JobRef>,
    /// Set when the thread shall end.
    stop: Latch,
    number: usize,
    /// Dangles only while no thread is a member.
    crew: Weak<Crew>,
    /// Its spawned jobs. Its thread's alone.
    deque: Worker<JobRef>,
    /// Where the next look for work begins. Its thread's alone.
    random: Cell<u64>,
}

// SAFETY: what is its thread's alone is reached through that thread's `Context` only; all else may be shared.
unsafe impl Sync for Member {}

/// Calls `with` with the place that says which member this thread is; null for none.
#[inline(always)]
fn with_current<R>(with: impl FnOnce(&Cell<*const Member>) -> R) -> R {
    thread_cell!(CURRENT: *const Member = ptr::null());
    CURRENT.with(with)
}

impl Member {
    pub(crate) fn new(number: usize, queued_max: usize, crew: Weak<Crew>) -> Self {
        // Spawned jobs are stolen at once, not on request: nobody needs to come by a `join`.
        let deque = Worker::new_lifo();
        Member {
            lane: Lane::new(LANE, queued_max),
            stealer: deque.stealer(),
            mail: Injector::new(),
            stop: Latch::new(number),
            number,
            crew,
            deque,
            random: Cell::new(0x9E37_79B9_7F4A_7C15 ^ ((number as u64 + 1) << 17)),
        }
    }

    pub(crate) fn mail(&self) -> &Injector<JobRef> {
        &self.mail
    }

    pub(crate) fn stop(&self) -> &Latch {
        &self.stop
    }

    /// Whether others could take a job from it.
    pub(crate) fn has_jobs(&self) -> bool {
        self.lane.has_jobs() || !self.stealer.is_empty()
    }
}

/// A thread's membership of a crew, for as long as this lives.
pub(crate) struct Membership {
    crew: Arc<Crew>,
    number: usize,
}

impl Membership {
    /// Makes this thread the member of this number.
    ///
    /// # Safety
    /// No other thread may be that member, before this one has left at least.
    pub(crate) unsafe fn begin(crew: Arc<Crew>, number: usize) -> Self {
        with_current(|current| {
            assert!(current.get().is_null(), "a thread is in one crew at most");
            current.set(&raw const crew.members()[number]);
        });
        Membership { crew, number }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context { member: &self.crew.members()[self.number], one_thread: PhantomData }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        with_current(|current| current.set(ptr::null()));
    }
}

/// The thread of a pool that runs this code: with it `join` finds its way without asking the thread who it is.
///
/// ```
/// use swarm_work_stealing::{Context, ThreadPoolBuilder};
///
/// fn fib(context: Context<'_>, n: u32) -> u64 {
///     if n < 2 {
///         return n.into();
///     }
///     let (a, b) = context.join(|context| fib(context, n - 1), |context| fib(context, n - 2));
///     a + b
/// }
///
/// let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
/// assert_eq!(pool.install_context(|context| fib(context, 20)), 6_765);
/// ```
#[derive(Clone, Copy)]
pub struct Context<'a> {
    member: &'a Member,
    /// Stays with its thread.
    one_thread: PhantomData<*const ()>,
}

impl Context<'_> {
    /// Calls `with` with the context of this thread, if it is in a pool.
    #[inline(always)]
    pub(crate) fn with_current<R>(with: impl FnOnce(Option<Context<'_>>) -> R) -> R {
        let member = with_current(Cell::get);
        // SAFETY: the membership, which outlives all that runs on the thread, holds the crew.
        let member = unsafe { member.as_ref() };
        with(member.map(|member| Context { member, one_thread: PhantomData }))
    }
}

impl<'a> Context<'a> {
    /// Whether this thread is in a pool, and its `join` has nothing to do but to run its closures in turn.
    #[inline(always)]
    pub(crate) fn is_content_here() -> bool {
        Self::with_current(|current| current.is_some_and(|context| context.lane().is_content()))
    }

    #[inline(always)]
    fn lane(self) -> Own<'a, JobRef> {
        // SAFETY: this is the member's thread.
        unsafe { self.member.lane.own() }
    }

    pub(crate) fn crew(self) -> &'a Crew {
        let crew = Weak::as_ptr(&self.member.crew);
        // SAFETY: the membership holds the crew, whose part the member is.
        unsafe { &*crew }
    }

    /// A handle that keeps the crew.
    pub(crate) fn hold_crew(self) -> Arc<Crew> {
        self.member.crew.upgrade().expect("the membership holds it")
    }

    /// The thread's number in its pool.
    pub fn index(self) -> usize {
        self.member.number
    }

    /// How many threads the pool has.
    pub fn num_threads(self) -> usize {
        self.crew().members().len()
    }

    /// Runs both closures, perhaps at the same time, and returns what they return.
    ///
    /// The first runs on this thread; the second runs there after it, or meanwhile on a thread that had nothing
    /// to do. Neither may wait for the other.
    ///
    /// # Panics
    /// With what a closure panics with, the first before the second. If the first panics, the second may or may
    /// not have run; it does not run any more once this unwinds.
    // Not inlined, so that what the closures call can be inlined here: a recursion goes from `join` to `join`, and where
    // it ends there is no call at all.
    #[inline(never)]
    pub fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(Context<'_>) -> RA + Send,
        B: FnOnce(Context<'_>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        if self.lane().is_content() {
            let first = a(self);
            (first, b(self))
        } else {
            self.join_leaving_one(a, b)
        }
    }

    /// `join` where jobs are few or asked for.
    #[inline(never)]
    pub(crate) fn join_leaving_one<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(Context<'_>) -> RA + Send,
        B: FnOnce(Context<'_>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let lane = self.lane();
        if !lane.has_room() {
            // Whoever asked may have taken what waited.
            lane.look();
            if !lane.has_room() {
                self.share();
                let first = a(self);
                return (first, b(self));
            }
        }
        let job = StackJob::new(Latch::new(self.member.number), b);
        // SAFETY: `Left` sees to it that this frame does not end before the job is back or done.
        lane.push(unsafe { job.as_job() });
        let left = Left { context: self, latch: &raw const job.signal };
        self.share();
        let first = a(self);
        forget(left);
        match lane.pop() {
            Popped::Own => {
                // SAFETY: it came back, untaken.
                let work = unsafe { job.take_work() };
                // Nothing is in it any more.
                forget(job);
                (first, work(self))
            }
            Popped::Taken => {
                self.wait_until(&job.signal);
                lane.settle();
                (first, job.into_outcome().into_result())
            }
        }
    }

    /// Whether an idle thread has asked this one for work.
    #[inline]
    pub(crate) fn is_asked(self) -> bool {
        self.lane().is_asked()
    }

    /// Answers who asked by spawning; what is spawned must come next.
    pub(crate) fn answer(self) {
        self.lane().answer();
    }

    /// Lays jobs of the lane out.
    #[inline]
    fn share(self) {
        if self.lane().share() {
            self.crew().sleep().work_is_laid_out();
        }
    }

    /// Leaves a job for whoever comes first.
    pub(crate) fn spawn(self, job: JobRef) {
        self.member.deque.push(job);
        self.crew().sleep().work_is_there();
    }

    /// Runs one job, if there is any.
    pub(crate) fn yield_now(self) -> Yield {
        self.yield_to(self.find_job().or_else(|| self.left_job()))
    }

    /// Runs one of this thread's own jobs, if there is any.
    pub(crate) fn yield_local(self) -> Yield {
        self.yield_to(self.own_job().or_else(|| self.left_job()))
    }

    fn yield_to(self, job: Option<JobRef>) -> Yield {
        job.map_or(Yield::Idle, |job| {
            self.execute(job);
            Yield::Executed
        })
    }

    fn execute(self, job: JobRef) {
        let levels = self.lane().levels();
        // SAFETY: it was taken from where it was once.
        unsafe { job.execute(self) };
        debug_assert_eq!(self.lane().levels(), levels, "a job leaves the lane as it was");
    }

    /// Works, looks for work or sleeps until the latch is set.
    pub(crate) fn wait_until(self, latch: &Latch) {
        let sleep = self.crew().sleep();
        let mut searching = false;
        let mut round = 0;
        while !latch.is_set() {
            if let Some(job) = self.find_job() {
                if searching {
                    self.stop_search();
                    searching = false;
                }
                self.execute(job);
                round = 0;
                continue;
            }
            searching = searching || sleep.start_search();
            // At first at once, then ever more seldom: who is asked for jobs pays for it.
            if searching && (round & (round + 1)) == 0 {
                self.ask_all();
            }
            if round < ROUNDS {
                pause(round);
                round += 1;
            } else {
                searching = self.sleep(latch, searching);
                round = 0;
            }
        }
        if searching {
            self.stop_search();
        }
    }

    /// Ends a search, and sees to it that nobody needs to search any more.
    fn stop_search(self) {
        if self.crew().sleep().stop_search() {
            self.ask_all();
            if self.crew().has_jobs() {
                self.crew().sleep().work_is_there();
            }
        }
    }

    /// Sleeps until there may be work or the latch is set. Returns whether it is a searcher afterwards.
    #[cold]
    fn sleep(self, latch: &Latch, searching: bool) -> bool {
        if !latch.arm() {
            return searching;
        }
        let sleep = self.crew().sleep();
        sleep.lie_down(self.member.number, searching);
        self.ask_all();
        // The latch too: who set it may have looked into the list before this was in it.
        if !latch.is_set() && !self.crew().has_jobs() && self.member.mail.is_empty() {
            sleep.sleep(self.member.number);
        } else {
            // What it has found may still be on its way, and whoever brings it wants time, too.
            pause(0);
        }
        sleep.get_up(self.member.number);
        latch.disarm();
        true
    }

    /// Asks all others for jobs.
    fn ask_all(self) {
        for member in self.crew().members() {
            if member.number != self.member.number {
                member.lane.ask();
            }
        }
    }

    /// A job to run: this thread's own, another's, or one from outside.
    fn find_job(self) -> Option<JobRef> {
        self.own_job().or_else(|| self.steal()).or_else(|| self.crew().injector().steal().success())
    }

    /// A job that was sent to this thread or spawned here.
    fn own_job(self) -> Option<JobRef> {
        self.member.mail.steal().success().or_else(|| self.member.deque.pop())
    }

    /// The oldest job that this thread's own joins have left and nobody has taken. It is taken as a thief would, and
    /// done when its `join` comes back to it.
    fn left_job(self) -> Option<JobRef> {
        self.share();
        self.member.lane.take()
    }

    fn steal(self) -> Option<JobRef> {
        let members = self.crew().members();
        let (before, after) = members.split_at(self.random(members.len()));
        let mut others = after.iter().chain(before).filter(|member| member.number != self.member.number);
        others.find_map(|member| member.lane.take().or_else(|| member.stealer.steal().success()))
    }

    /// A number below `bound`, by Marsaglia's xorshift.
    fn random(self, bound: usize) -> usize {
        let mut random = self.member.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.member.random.set(random);
        (random % bound as u64) as usize
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("index", &self.index()).finish_non_exhaustive()
    }
}

/// A job that is left on the lane while another closure runs; gets it back, or waits for it, if that panics.
struct Left<'a> {
    context: Context<'a>,
    latch: *const Latch,
}

impl Drop for Left<'_> {
    #[cold]
    fn drop(&mut self) {
        let lane = self.context.lane();
        if lane.pop() == Popped::Taken {
            // SAFETY: the job outlives this.
            self.context.wait_until(unsafe { &*self.latch });
            lane.settle();
        }
    }
}
