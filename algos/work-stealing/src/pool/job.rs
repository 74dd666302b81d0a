//! Jobs: closures that another thread may run.
//!
//! A [`StackJob`] lies on the stack of who waits for it, so that leaving one costs no allocation. It must not be
//! left anywhere when its frame ends, by whatever way: who makes one waits for its signal, or has it back, also
//! while it unwinds. A [`heap`] job belongs to itself.

use core::any::Any;
use core::mem;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};

use super::latch::Signal;
use super::member::Context;
use crate::sync::UnsafeCell;

/// What a panic leaves.
pub(crate) type Payload = Box<dyn Any + Send>;

/// A job, whatever it is.
#[derive(Clone, Copy)]
pub(crate) struct JobRef {
    job: *const (),
    /// Must not unwind.
    execute: unsafe fn(*const (), Context<'_>),
}

// SAFETY: jobs are made of what may be sent.
unsafe impl Send for JobRef {}

impl JobRef {
    /// Runs the job.
    ///
    /// # Safety
    /// Once for each job, while it is valid.
    #[inline]
    pub(crate) unsafe fn execute(self, context: Context<'_>) {
        // SAFETY: the caller's; the function belongs to the job.
        unsafe { (self.execute)(self.job, context) };
    }
}

/// What has become of a job.
pub(crate) enum Outcome<R> {
    Pending,
    Returned(R),
    Panicked(Payload),
}

impl<R> Outcome<R> {
    fn of(work: impl FnOnce() -> R) -> Self {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(result) => Outcome::Returned(result),
            Err(payload) => Outcome::Panicked(payload),
        }
    }

    /// What was returned. Goes on with the panic if there was one.
    pub(crate) fn into_result(self) -> R {
        match self {
            Outcome::Returned(result) => result,
            Outcome::Panicked(payload) => resume_unwind(payload),
            Outcome::Pending => unreachable!("its signal was given"),
        }
    }
}

/// A job on the stack of who waits for it.
pub(crate) struct StackJob<S, F, R> {
    pub(crate) signal: S,
    work: UnsafeCell<Option<F>>,
    outcome: UnsafeCell<Outcome<R>>,
}

impl<S: Signal, F: FnOnce(Context<'_>) -> R + Send, R: Send> StackJob<S, F, R> {
    #[inline]
    pub(crate) fn new(signal: S, work: F) -> Self {
        StackJob { signal, work: UnsafeCell::new(Some(work)), outcome: UnsafeCell::new(Outcome::Pending) }
    }

    /// # Safety
    /// The job must stay where it is until its signal was given, or nobody has the reference any more.
    #[inline]
    pub(crate) unsafe fn as_job(&self) -> JobRef {
        JobRef { job: core::ptr::from_ref(self).cast(), execute: Self::execute }
    }

    unsafe fn execute(this: *const (), context: Context<'_>) {
        let this: *const Self = this.cast();
        // SAFETY: valid until the signal.
        let job = unsafe { &*this };
        // SAFETY: this thread has the job.
        let work = job.work.with_mut(|work| unsafe { (*work).take() }).expect("a job runs once");
        let outcome = Outcome::of(|| work(context));
        // SAFETY: as above.
        job.outcome.with_mut(|place| unsafe { *place = outcome });
        let signal = &raw const job.signal;
        // SAFETY: nothing of the job is touched hereafter.
        unsafe { S::set(signal, context) };
    }

    /// The closure of a job that nobody has run and nobody can. It is taken from where it lies: the job is not moved.
    ///
    /// # Safety
    /// Nobody else may know of the job any more.
    #[inline(always)]
    pub(crate) unsafe fn take_work(&self) -> F {
        // SAFETY: the caller's.
        self.work.with_mut(|work| unsafe { (*work).take() }).expect("nobody has run it")
    }

    /// What a job whose signal was given has come to.
    pub(crate) fn into_outcome(self) -> Outcome<R> {
        // SAFETY: the signal was the last that was done with the job.
        self.outcome.with_mut(|outcome| unsafe { mem::replace(&mut *outcome, Outcome::Pending) })
    }
}

/// A job in memory of its own, which it frees when it is run. The closure must not unwind.
///
/// # Safety
/// What the closure borrows must outlive its run.
pub(crate) unsafe fn heap<F: FnOnce(Context<'_>) + Send>(work: F) -> JobRef {
    unsafe fn execute<F: FnOnce(Context<'_>)>(this: *const (), context: Context<'_>) {
        // SAFETY: made below for this type, and run once.
        let work = unsafe { Box::from_raw(this.cast::<F>().cast_mut()) };
        work(context);
    }
    JobRef { job: Box::into_raw(Box::new(work)).cast_const().cast(), execute: execute::<F> }
}
