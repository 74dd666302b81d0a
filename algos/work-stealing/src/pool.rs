//! A pool of threads for work that forks and joins.
//!
//! [`join`] runs two closures and lets an idle thread have the second. That costs next to nothing as long as
//! nobody is idle: a thread leaves jobs for others only while few wait, and lays them out for thieves only when
//! one asks ([`lane`]). [`scope`] and [`spawn`] leave closures of which nobody knows the number beforehand, in a
//! deque from which anybody steals at once. [`broadcast`] runs a closure on every thread, and [`traverse`] works
//! off trees that are too deep to recurse into.
//!
//! # What holds
//! - Whatever was left is run once, also if the pool is dropped meanwhile; its threads end after that.
//! - No closure runs after the call that lent it something has returned or unwound: a panic, of either closure
//!   of a `join` and at any depth, waits for the other or takes it back.
//! - While a thread sleeps, each that works on its own has been asked to share, and does so at its next `join`
//!   (or [`traverse`]d task); whoever shares wakes one sleeper, which wakes the next ([`sleep`]).
//! - A pool with nothing to do sleeps.
//!
//! # What does not
//! - Closures that are joined may run one after the other, in this order, always if the pool has one thread. The
//!   first must not wait for the second.
//! - A thread that waits for a job runs others meanwhile. It must not hold a lock which they want.
//! - A closure that goes on for long without a `join` shares nothing meanwhile.
//!
//! # Verification
//! `tests/loom`: lanes, a job and its latch, sleep, and joins of two members with panics in either closure;
//! `tests/shuttle.rs`: pools of two and three threads; `tests/it/pool`: panics, trees, the Cilk programs, UTS.

mod broadcast;
mod builder;
mod crew;
mod fifo;
mod fn_context;
mod job;
pub mod lane;
pub mod latch;
mod member;
mod scope;
pub mod sleep;
mod traverse;
mod yields;

use core::fmt;
use std::sync::Arc;

use crate::sync::global_crew;

pub use broadcast::BroadcastContext;
pub use builder::{ThreadPoolBuildError, ThreadPoolBuilder};
pub(crate) use crew::Crew;
#[doc(hidden)]
pub use crew::Place;
pub use fifo::ScopeFifo;
pub use fn_context::{FnContext, join_context};
pub use member::Context;
pub use scope::Scope;
pub use traverse::Pending;
pub use yields::{Yield, yield_local, yield_now};

/// A pool of threads.
///
/// If it is dropped, its threads end once all that was left to them is done.
///
/// ```
/// let pool = swarm_work_stealing::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
/// let (a, b) = pool.join(|| 1 + 1, || "two".len());
/// assert_eq!((a, b), (2, 3));
/// ```
pub struct ThreadPool {
    crew: Arc<Crew>,
}

impl ThreadPool {
    pub(crate) fn of(crew: Arc<Crew>) -> Self {
        ThreadPool { crew }
    }

    /// Runs `work` in this pool and returns what it returns; [`join`] and the others are this pool's there.
    ///
    /// # Panics
    /// With what `work` panics with.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.crew.run(|_| work())
    }

    /// As [`ThreadPool::install`], for closures that use the [`Context`].
    pub fn install_context<R: Send>(&self, work: impl FnOnce(Context<'_>) -> R + Send) -> R {
        self.crew.run(work)
    }

    /// [`join`] in this pool.
    pub fn join<RA: Send, RB: Send>(
        &self,
        a: impl FnOnce() -> RA + Send,
        b: impl FnOnce() -> RB + Send,
    ) -> (RA, RB) {
        self.crew.run(|context| context.join(|_| a(), |_| b()))
    }

    /// [`scope`] in this pool.
    pub fn scope<'scope, R: Send>(&self, body: impl FnOnce(&Scope<'scope>) -> R + Send) -> R {
        self.crew.run(|context| Scope::open(context, body))
    }

    /// [`scope_fifo`] in this pool.
    pub fn scope_fifo<'scope, R: Send>(&self, body: impl FnOnce(&ScopeFifo<'scope>) -> R + Send) -> R {
        self.crew.run(|context| ScopeFifo::open(context, body))
    }

    /// [`in_place_scope`], whose jobs are left to this pool.
    ///
    /// ```
    /// let pool = swarm_work_stealing::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    /// let (to, from) = std::sync::mpsc::channel();
    /// // The body may wait for a job, since another thread runs that, and need not be one that can be sent.
    /// let told = pool.in_place_scope(move |scope| {
    ///     scope.spawn(move |_| to.send(7).unwrap());
    ///     from.recv().unwrap()
    /// });
    /// assert_eq!(told, 7);
    /// ```
    pub fn in_place_scope<'scope, R>(&self, body: impl FnOnce(&Scope<'scope>) -> R) -> R {
        Scope::open_in_place(self.crew.clone(), body)
    }

    /// [`in_place_scope_fifo`], whose jobs are left to this pool.
    pub fn in_place_scope_fifo<'scope, R>(&self, body: impl FnOnce(&ScopeFifo<'scope>) -> R) -> R {
        ScopeFifo::open_in_place(self.crew.clone(), body)
    }

    /// [`spawn`] in this pool.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.crew.spawn(work);
    }

    /// [`spawn_fifo`] in this pool.
    pub fn spawn_fifo(&self, work: impl FnOnce() + Send + 'static) {
        self.crew.spawn_fifo(work);
    }

    /// [`spawn_broadcast`] in this pool.
    pub fn spawn_broadcast(&self, work: impl Fn(BroadcastContext<'_>) + Send + Sync + 'static) {
        self.crew.spawn_broadcast(work);
    }

    /// [`broadcast`] in this pool.
    pub fn broadcast<R: Send>(&self, work: impl Fn(BroadcastContext<'_>) -> R + Sync) -> Vec<R> {
        self.crew.run(|context| broadcast::broadcast(context, &work))
    }

    /// [`traverse`] in this pool.
    pub fn traverse<T: Send, A: Send>(
        &self,
        roots: impl IntoIterator<Item = T>,
        empty: impl Fn() -> A + Sync,
        visit: impl Fn(&mut A, T, &mut Pending<'_, T>) + Sync,
        merge: impl Fn(A, A) -> A + Send,
    ) -> A {
        let roots = roots.into_iter().collect();
        self.crew.run(|context| traverse::traverse(context, roots, &empty, &visit, merge))
    }

    /// [`yield_now`] if this thread is one of this pool.
    pub fn yield_now(&self) -> Option<Yield> {
        self.with_current(|current| current.map(Context::yield_now))
    }

    /// [`yield_local`] if this thread is one of this pool.
    pub fn yield_local(&self) -> Option<Yield> {
        self.with_current(|current| current.map(Context::yield_local))
    }

    /// How many threads there are.
    pub fn current_num_threads(&self) -> usize {
        self.crew.members().len()
    }

    /// The number of this thread, if it is one of this pool.
    pub fn current_thread_index(&self) -> Option<usize> {
        self.with_current(|current| current.map(Context::index))
    }

    /// Calls `with` with the context of this thread, if it is in this pool.
    fn with_current<R>(&self, with: impl FnOnce(Option<Context<'_>>) -> R) -> R {
        Context::with_current(|current| {
            with(current.filter(|context| core::ptr::eq(context.crew(), &raw const *self.crew)))
        })
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.crew.leave();
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool").field("num_threads", &self.current_num_threads()).finish_non_exhaustive()
    }
}

/// The pool of those who are in none.
#[cold]
fn global() -> &'static Arc<Crew> {
    global_crew().get_or_init(|| ThreadPoolBuilder::new().start().expect("threads can be started"))
}

/// The crew of this thread, or else the global one.
fn crew_here() -> Arc<Crew> {
    Context::with_current(|current| current.map_or_else(|| global().clone(), Context::hold_crew))
}

/// Runs `work` in the pool of this thread, or else in the global one.
#[inline(always)]
fn run<R: Send>(work: impl FnOnce(Context<'_>) -> R + Send) -> R {
    Context::with_current(|current| match current {
        Some(context) => work(context),
        None => run_globally(work),
    })
}

/// Apart from the other way, whose caller it would burden with a frame.
#[cold]
#[inline(never)]
fn run_globally<R: Send>(work: impl FnOnce(Context<'_>) -> R + Send) -> R {
    global().run(work)
}

/// Runs both closures, perhaps at the same time, and returns what they return: in the pool of this thread, or
/// else in the global one, which has as many threads as the machine runs at once.
///
/// See [`Context::join`] for where a [`Context`] is at hand.
///
/// # Panics
/// With what a closure panics with, the first before the second.
///
/// ```
/// fn sort(list: &mut [u32]) {
///     if list.len() > 1 {
///         list.select_nth_unstable(list.len() / 2);
///         let (low, high) = list.split_at_mut(list.len() / 2);
///         swarm_work_stealing::join(|| sort(low), || sort(high));
///     }
/// }
///
/// let mut list = [5, 3, 8, 1, 4];
/// sort(&mut list);
/// assert_eq!(list, [1, 3, 4, 5, 8]);
/// ```
// Not inlined, as `Context::join` is not.
#[inline(never)]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    // The other way is one call, which leaves this without a frame until it needs one.
    if Context::is_content_here() { (a(), b()) } else { join_elsewhere(a, b) }
}

/// [`join`] where jobs are few or asked for, and where there is no pool yet.
#[cold]
#[inline(never)]
fn join_elsewhere<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    run(|context| context.join_leaving_one(|_| a(), |_| b()))
}

/// Calls `body` with a [`Scope`], on which it may spawn closures that borrow, and waits for all of them.
///
/// # Panics
/// With what `body` panics with, or else the first of the closures, once all are done.
///
/// ```
/// let mut parts = [1, 2, 3];
/// swarm_work_stealing::scope(|scope| {
///     for part in &mut parts {
///         scope.spawn(move |_| *part *= 10);
///     }
/// });
/// assert_eq!(parts, [10, 20, 30]);
/// ```
pub fn scope<'scope, R: Send>(body: impl FnOnce(&Scope<'scope>) -> R + Send) -> R {
    run(|context| Scope::open(context, body))
}

/// Leaves a closure for which nobody waits to the pool of this thread, or else to the global one.
///
/// If it panics, the pool's panic handler is called, and the process ends if there is none.
pub fn spawn(work: impl FnOnce() + Send + 'static) {
    Context::with_current(|current| match current {
        Some(context) => context.hold_crew().spawn(work),
        None => global().spawn(work),
    });
}

/// As [`scope`], but `body` runs on this thread, also if it is in no pool: it need not be one that can be sent, and if
/// the thread is in no pool, or not in that of the jobs, it may wait for them.
pub fn in_place_scope<'scope, R>(body: impl FnOnce(&Scope<'scope>) -> R) -> R {
    Scope::open_in_place(crew_here(), body)
}

/// As [`in_place_scope`], but jobs are run as those of [`scope_fifo`].
pub fn in_place_scope_fifo<'scope, R>(body: impl FnOnce(&ScopeFifo<'scope>) -> R) -> R {
    ScopeFifo::open_in_place(crew_here(), body)
}

/// As [`scope`], but jobs that one thread spawns are run oldest first, unless others take them.
pub fn scope_fifo<'scope, R: Send>(body: impl FnOnce(&ScopeFifo<'scope>) -> R + Send) -> R {
    run(|context| ScopeFifo::open(context, body))
}

/// As [`spawn`], but closures that one thread leaves so are run oldest first, unless others take them.
pub fn spawn_fifo(work: impl FnOnce() + Send + 'static) {
    Context::with_current(|current| match current {
        Some(context) => context.hold_crew().spawn_fifo(work),
        None => global().spawn_fifo(work),
    });
}

/// As [`broadcast`], for a closure for which nobody waits, with panics as in [`spawn`].
pub fn spawn_broadcast(work: impl Fn(BroadcastContext<'_>) + Send + Sync + 'static) {
    Context::with_current(|current| match current {
        Some(context) => context.hold_crew().spawn_broadcast(work),
        None => global().spawn_broadcast(work),
    });
}

/// Runs a closure on every thread of the pool of this thread, or else of the global one; results come by the
/// threads' numbers. Each runs it when it has nothing else to do, or waits.
///
/// # Panics
/// With what the closure panics with, on the first of the threads where it does, once all are done.
///
/// ```
/// let pool = swarm_work_stealing::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
/// assert_eq!(pool.broadcast(|context| context.index()), [0, 1, 2]);
/// ```
pub fn broadcast<R: Send>(work: impl Fn(BroadcastContext<'_>) -> R + Sync) -> Vec<R> {
    run(|context| broadcast::broadcast(context, &work))
}

/// Works off tasks that lead to further tasks, in no order, and adds up what each of them comes to: for trees of
/// any depth, since no task waits for another and nothing is recursive.
///
/// `visit` gets a task, adds what it comes to to a sum and pushes the tasks that follow; each sum begins as
/// `empty` and ends in `merge`, which must not care for the order.
///
/// # Panics
/// With what a closure panics with, once all are done.
///
/// ```
/// // The nodes of a path of a million: as deep as it is large.
/// let count = swarm_work_stealing::traverse(
///     [1_000_000_u32],
///     || 0_u64,
///     |count, left, pending| {
///         *count += 1;
///         pending.extend((left > 1).then(|| left - 1));
///     },
///     |a, b| a + b,
/// );
/// assert_eq!(count, 1_000_000);
/// ```
pub fn traverse<T: Send, A: Send>(
    roots: impl IntoIterator<Item = T>,
    empty: impl Fn() -> A + Sync,
    visit: impl Fn(&mut A, T, &mut Pending<'_, T>) + Sync,
    merge: impl Fn(A, A) -> A + Send,
) -> A {
    let roots = roots.into_iter().collect();
    run(|context| traverse::traverse(context, roots, &empty, &visit, merge))
}

/// How many threads the pool of this thread has, or else the global one.
pub fn current_num_threads() -> usize {
    Context::with_current(|current| current.map_or_else(|| global().members().len(), Context::num_threads))
}

/// The number of this thread in its pool, if it is in one.
pub fn current_thread_index() -> Option<usize> {
    Context::with_current(|current| current.map(Context::index))
}
