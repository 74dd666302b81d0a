//! The threads of a pool, and what they share.

use core::panic::AssertUnwindSafe;
use std::io;
use std::panic::catch_unwind;
use std::process::abort;
use std::sync::Arc;

use super::broadcast::BroadcastContext;
use super::fifo::Fifos;
use super::job::{JobRef, Payload, StackJob, heap};
use super::latch::{CrossLatch, Latch, OutsideLatch};
use super::member::{Context, Member, Membership};
use super::sleep::Sleep;
use crate::Injector;
use crate::sync::{AtomicUsize, Ordering, Site, order, spawn_thread};

/// What is called with a thread's number.
pub(crate) type ThreadHandler = Box<dyn Fn(usize) + Send + Sync>;
/// What is called with a panic that nobody waits for.
pub(crate) type PanicHandler = Box<dyn Fn(Payload) + Send + Sync>;

/// What is called at certain times.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) start: Option<ThreadHandler>,
    pub(crate) exit: Option<ThreadHandler>,
    pub(crate) panic: Option<PanicHandler>,
}

/// The threads of a pool.
pub(crate) struct Crew {
    members: Box<[Member]>,
    /// Jobs from outside.
    injector: Injector<JobRef>,
    /// Jobs that keep their order.
    fifos: Fifos,
    sleep: Sleep,
    /// The pool's handle and all that was spawned and is not done; when there is none left, the threads end.
    alive: AtomicUsize,
    handlers: Handlers,
}

/// A place in a crew, which one thread takes.
pub struct Place {
    crew: Arc<Crew>,
    number: usize,
}

impl Place {
    /// All places of a crew.
    ///
    /// # Safety
    /// Once for each crew.
    pub(crate) unsafe fn all(crew: &Arc<Crew>) -> impl Iterator<Item = Place> {
        (0..crew.members.len()).map(|number| Place { crew: crew.clone(), number })
    }

    /// Starts a thread that works until there is nothing more to do for this crew.
    pub(crate) fn start(self, name: Option<String>, stack_size: Option<usize>) -> io::Result<()> {
        spawn_thread(name, stack_size, move || self.work())
    }

    /// Works on this thread until there is nothing more to do for this crew.
    pub fn work(mut self) {
        let (crew, number) = (self.crew.clone(), self.number);
        let call = |handler: &Option<ThreadHandler>| {
            if let Some(handler) = handler {
                crew.guard(|| handler(number));
            }
        };
        self.enter(|context| {
            call(&crew.handlers.start);
            context.wait_until(crew.members[number].stop());
            call(&crew.handlers.exit);
        });
    }

    /// Runs `work` as this member.
    pub fn enter<R>(&mut self, work: impl FnOnce(Context<'_>) -> R) -> R {
        // SAFETY: there is one place for each member.
        let membership = unsafe { Membership::begin(self.crew.clone(), self.number) };
        work(membership.context())
    }
}

impl Crew {
    /// A crew without threads.
    pub(crate) fn new(threads: usize, queued_max: usize, handlers: Handlers) -> Arc<Self> {
        Arc::new_cyclic(|crew| Crew {
            members: (0..threads).map(|number| Member::new(number, queued_max, crew.clone())).collect(),
            injector: Injector::new(),
            fifos: Fifos::new(threads),
            sleep: Sleep::new(threads),
            alive: AtomicUsize::new(1),
            handlers,
        })
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(crate) fn injector(&self) -> &Injector<JobRef> {
        &self.injector
    }

    pub(crate) fn sleep(&self) -> &Sleep {
        &self.sleep
    }

    /// Whether there is a job that any member could take.
    pub(crate) fn has_jobs(&self) -> bool {
        !self.injector.is_empty() || self.members.iter().any(Member::has_jobs)
    }

    /// Leaves a job from outside.
    pub(crate) fn inject(&self, job: JobRef) {
        self.injector.push(job);
        self.sleep.work_is_there();
    }

    /// Leaves a job for this member alone.
    pub(crate) fn send(&self, number: usize, job: JobRef) {
        self.members[number].mail().push(job);
        self.sleep.wake(number);
    }

    /// Runs `work` on a member of this crew and waits for it.
    #[inline]
    pub(crate) fn run<R: Send>(self: &Arc<Self>, work: impl FnOnce(Context<'_>) -> R + Send) -> R {
        Context::with_current(|current| match current {
            Some(context) if core::ptr::eq(context.crew(), &raw const **self) => work(context),
            Some(context) => self.run_from_another_crew(context, work),
            None => self.run_from_outside(work),
        })
    }

    #[cold]
    fn run_from_outside<R: Send>(&self, work: impl FnOnce(Context<'_>) -> R + Send) -> R {
        let latch = Arc::new(OutsideLatch::new());
        let job = StackJob::new(latch.clone(), work);
        // SAFETY: this frame waits for the signal, and what comes before that does not unwind.
        self.inject(unsafe { job.as_job() });
        latch.wait();
        job.into_outcome().into_result()
    }

    /// The thread goes on with its own crew's work meanwhile, since this may wait for that.
    #[cold]
    fn run_from_another_crew<R: Send>(
        &self,
        waiter: Context<'_>,
        work: impl FnOnce(Context<'_>) -> R + Send,
    ) -> R {
        let job = StackJob::new(CrossLatch::new(waiter), work);
        // SAFETY: this frame waits for the signal, and jobs that run meanwhile do not unwind.
        self.inject(unsafe { job.as_job() });
        waiter.wait_until(&job.signal.latch);
        job.into_outcome().into_result()
    }

    /// Leaves a job that nobody waits for.
    pub(crate) fn spawn(self: &Arc<Self>, work: impl FnOnce() + Send + 'static) {
        let job = self.unawaited(|_| work());
        self.leave_to_any(job);
    }

    /// As [`Crew::spawn`], behind what this thread has left so before.
    pub(crate) fn spawn_fifo(self: &Arc<Self>, work: impl FnOnce() + Send + 'static) {
        let job = self.unawaited(|_| work());
        // SAFETY: the queues are part of the crew, which stays for as long as there are jobs.
        unsafe { self.fifos.leave_to_any(self, job) };
    }

    /// Leaves a closure that nobody waits for to every member.
    pub(crate) fn spawn_broadcast(
        self: &Arc<Self>,
        work: impl Fn(BroadcastContext<'_>) + Send + Sync + 'static,
    ) {
        let work = Arc::new(work);
        // All before the first is sent: that one may be the last that keeps the threads.
        let jobs: Vec<JobRef> = (0..self.members.len())
            .map(|_| {
                let work = work.clone();
                self.unawaited(move |context| work(BroadcastContext::of(context)))
            })
            .collect();
        drop(work);
        for (number, job) in jobs.into_iter().enumerate() {
            self.send(number, job);
        }
    }

    /// A job that nobody waits for, but the threads, and that must be run.
    fn unawaited(self: &Arc<Self>, work: impl FnOnce(Context<'_>) + Send + 'static) -> JobRef {
        // Relaxed: who spawns is counted, or holds the pool.
        self.alive.fetch_add(1, Ordering::Relaxed);
        let crew = self.clone();
        let work = move |context: Context<'_>| {
            crew.guard(|| work(context));
            crew.leave();
        };
        // SAFETY: it borrows nothing.
        unsafe { heap(work) }
    }

    /// Leaves a job with the thread's own, or as one from outside.
    pub(crate) fn leave_to_any(&self, job: JobRef) {
        Context::with_current(|current| match current {
            Some(context) if core::ptr::eq(context.crew(), self) => context.spawn(job),
            _ => self.inject(job),
        });
    }

    /// Calls what nobody waits for, with its panics.
    fn guard(&self, call: impl FnOnce()) {
        let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else { return };
        let Some(handler) = &self.handlers.panic else {
            // As in a thread of its own the panic has been reported, but who relies on the job would wait for
            // ever.
            abort();
        };
        if catch_unwind(AssertUnwindSafe(|| handler(payload))).is_err() {
            abort();
        }
    }

    /// One less of those for whom the threads must stay.
    pub(crate) fn leave(&self) {
        // Release, for what was done; acquire, so that the last passes on what all have done.
        if self.alive.fetch_sub(1, order(Site::CountDown, Ordering::AcqRel)) == 1 {
            for member in &self.members {
                // SAFETY: the latch is part of this crew.
                if let Some(sleeper) = unsafe { Latch::set_then_wake(member.stop()) } {
                    self.sleep.wake(sleeper);
                }
            }
        }
    }
}
