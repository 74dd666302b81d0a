//! The handles: a deque's owner and its thieves, whichever deque it is.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use std::sync::Arc;

use crate::batch::Batch;
use crate::chase_lev::{self, Pops};
use crate::split;
use crate::steal::Steal;

/// How many tasks a batch holds at most where the caller sets no limit.
pub(crate) const BATCH_MAX: usize = 32;

/// A deque's owner: it alone pushes and pops.
///
/// ```
/// use swarm_work_stealing::{Steal, Worker};
///
/// let worker = Worker::new_lifo();
/// let stealer = worker.stealer();
/// worker.push(1);
/// worker.push(2);
/// worker.push(3);
/// assert_eq!(stealer.steal(), Steal::Success(1)); // the oldest
/// assert_eq!(worker.pop(), Some(3)); // the newest
/// ```
pub struct Worker<T> {
    deque: Deque<T>,
    /// May move to another thread, but not be used by two.
    one_thread: PhantomData<Cell<()>>,
}

enum Deque<T> {
    Split(split::Owner<T>),
    ChaseLev(chase_lev::Owner<T>),
}

impl<T> Worker<T> {
    fn new(deque: Deque<T>) -> Self {
        Worker { deque, one_thread: PhantomData }
    }

    /// The fastest deque: the owner pops the task that it pushed last, and pays next to nothing while nobody
    /// steals.
    ///
    /// A task becomes stealable when a thief has asked and the owner has looked at the request, which it does
    /// at every push and pop. [`Stealer::steal`] therefore returns [`Steal::Empty`] at first, `len` and
    /// `is_empty` of a stealer count only what is stealable, and tasks that never became so are dropped with
    /// the worker.
    ///
    /// ```
    /// use swarm_work_stealing::{Steal, Worker};
    ///
    /// let worker = Worker::new_split();
    /// let stealer = worker.stealer();
    /// worker.push(1);
    /// worker.push(2);
    /// assert_eq!(stealer.steal(), Steal::Empty); // and a request
    /// worker.push(3);
    /// assert_eq!(stealer.steal(), Steal::Success(1));
    /// assert_eq!(worker.pop(), Some(3));
    /// ```
    pub fn new_split() -> Self {
        Worker::new(Deque::Split(split::Owner::new()))
    }

    /// A deque of Chase and Lev whose owner pops the task that it pushed last. What is pushed is stealable at
    /// once, and stays so when the worker is dropped.
    pub fn new_lifo() -> Self {
        Worker::new(Deque::ChaseLev(chase_lev::Owner::new(Pops::Newest)))
    }

    /// A deque of Chase and Lev whose owner pops the task that it pushed first. What is pushed is stealable at
    /// once, and stays so when the worker is dropped.
    pub fn new_fifo() -> Self {
        Worker::new(Deque::ChaseLev(chase_lev::Owner::new(Pops::Oldest)))
    }

    /// A handle for thieves.
    pub fn stealer(&self) -> Stealer<T> {
        Stealer {
            shared: match &self.deque {
                Deque::Split(deque) => Shared::Split(deque.shared().clone()),
                Deque::ChaseLev(deque) => Shared::ChaseLev(deque.shared().clone()),
            },
        }
    }

    /// Adds a task. Grows the deque where it must.
    #[inline(always)]
    pub fn push(&self, task: T) {
        match &self.deque {
            Deque::Split(deque) => deque.push(task),
            Deque::ChaseLev(deque) => deque.push(task),
        }
    }

    /// Takes a task: the newest, of a FIFO deque the oldest; none if thieves have the rest.
    #[inline(always)]
    pub fn pop(&self) -> Option<T> {
        match &self.deque {
            Deque::Split(deque) => deque.pop(),
            Deque::ChaseLev(deque) => deque.pop(),
        }
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tasks there are; thieves may take some while this is found out.
    pub fn len(&self) -> usize {
        match &self.deque {
            Deque::Split(deque) => deque.len(),
            Deque::ChaseLev(deque) => deque.len(),
        }
    }

    /// Which task is popped.
    #[inline]
    pub(crate) fn pops(&self) -> Pops {
        match &self.deque {
            Deque::Split(_) => Pops::Newest,
            Deque::ChaseLev(deque) => deque.pops(),
        }
    }

    /// Makes room for so many tasks.
    #[inline]
    pub(crate) fn reserve(&self, count: usize) {
        match &self.deque {
            Deque::Split(deque) => deque.reserve(count),
            Deque::ChaseLev(deque) => deque.reserve(count),
        }
    }

    /// Writes a task so many places behind the newest, where it is none yet. There must be room.
    #[inline]
    pub(crate) fn stage(&self, place: usize, task: MaybeUninit<T>) {
        match &self.deque {
            Deque::Split(deque) => deque.stage(place, task),
            Deque::ChaseLev(deque) => deque.stage(place, task),
        }
    }

    /// Writes so many tasks. There must be room.
    #[inline]
    pub(crate) fn stage_all(&self, count: usize, read: impl Fn(usize) -> MaybeUninit<T>) {
        match &self.deque {
            Deque::Split(deque) => deque.stage_all(count, read),
            Deque::ChaseLev(deque) => (0..count).for_each(|place| deque.stage(place, read(place))),
        }
    }

    /// What was written there.
    pub(crate) fn staged(&self, place: usize) -> MaybeUninit<T> {
        match &self.deque {
            Deque::Split(deque) => deque.staged(place),
            Deque::ChaseLev(deque) => deque.staged(place),
        }
    }

    /// Adds the first so many of what was written.
    #[inline]
    pub(crate) fn commit(&self, count: usize) {
        match &self.deque {
            Deque::Split(deque) => deque.commit(count),
            Deque::ChaseLev(deque) => deque.commit(count),
        }
    }
}

impl<T> fmt::Debug for Worker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A handle for thieves: clone it, share it, use it from any thread.
pub struct Stealer<T> {
    shared: Shared<T>,
}

enum Shared<T> {
    Split(Arc<split::Shared<T>>),
    ChaseLev(Arc<chase_lev::Shared<T>>),
}

impl<T> Stealer<T> {
    /// Takes the oldest task.
    ///
    /// ```
    /// use swarm_work_stealing::{Steal, Worker};
    ///
    /// let worker = Worker::new_fifo();
    /// worker.push(1);
    /// assert_eq!(worker.stealer().steal(), Steal::Success(1));
    /// assert_eq!(worker.stealer().steal(), Steal::Empty);
    /// ```
    #[inline]
    pub fn steal(&self) -> Steal<T> {
        match &self.shared {
            Shared::Split(shared) => shared.steal(),
            Shared::ChaseLev(shared) => shared.steal(),
        }
    }

    /// Moves up to half of the tasks, at most 32, into the thief's own deque.
    pub fn steal_batch(&self, into: &Worker<T>) -> Steal<()> {
        self.steal_batch_with_limit(into, BATCH_MAX)
    }

    /// Moves up to half of the tasks, at most `limit`, into the thief's own deque.
    ///
    /// # Panics
    /// If `limit` is 0.
    pub fn steal_batch_with_limit(&self, into: &Worker<T>, limit: usize) -> Steal<()> {
        assert!(limit > 0, "a batch of no tasks");
        if self.belongs_to(into) {
            return if into.is_empty() { Steal::Empty } else { Steal::Success(()) };
        }
        self.steal_into(limit, &mut Batch::whole(into))
    }

    /// Takes up to half of the tasks, at most 32; returns one and moves the others into the thief's own deque.
    ///
    /// ```
    /// use swarm_work_stealing::{Steal, Worker};
    ///
    /// let (worker, thief) = (Worker::new_fifo(), Worker::new_fifo());
    /// (1..=4).for_each(|task| worker.push(task));
    /// assert_eq!(worker.stealer().steal_batch_and_pop(&thief), Steal::Success(1));
    /// assert_eq!(thief.pop(), Some(2));
    /// ```
    pub fn steal_batch_and_pop(&self, into: &Worker<T>) -> Steal<T> {
        self.steal_batch_with_limit_and_pop(into, BATCH_MAX)
    }

    /// Takes up to half of the tasks, at most `limit`; returns one and moves the others into the thief's own
    /// deque.
    ///
    /// # Panics
    /// If `limit` is 0.
    pub fn steal_batch_with_limit_and_pop(&self, into: &Worker<T>, limit: usize) -> Steal<T> {
        assert!(limit > 0, "a batch of no tasks");
        if self.belongs_to(into) {
            return into.pop().map_or(Steal::Empty, Steal::Success);
        }
        let mut batch = Batch::keeping_one(into);
        match self.steal_into(limit, &mut batch) {
            Steal::Empty => Steal::Empty,
            Steal::Retry => Steal::Retry,
            Steal::Success(()) => batch.task().map_or(Steal::Retry, Steal::Success),
        }
    }

    #[inline]
    fn steal_into(&self, limit: usize, batch: &mut Batch<'_, T>) -> Steal<()> {
        match &self.shared {
            Shared::Split(shared) => shared.steal_batch(limit, batch),
            Shared::ChaseLev(shared) => shared.steal_batch(limit, batch),
        }
    }

    /// Whether there is nothing to steal.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tasks there are to steal; others may take some while this is found out.
    pub fn len(&self) -> usize {
        match &self.shared {
            Shared::Split(shared) => shared.len(),
            Shared::ChaseLev(shared) => shared.len(),
        }
    }

    /// Whether this steals from that very deque.
    fn belongs_to(&self, worker: &Worker<T>) -> bool {
        match (&self.shared, &worker.deque) {
            (Shared::Split(shared), Deque::Split(deque)) => Arc::ptr_eq(shared, deque.shared()),
            (Shared::ChaseLev(shared), Deque::ChaseLev(deque)) => Arc::ptr_eq(shared, deque.shared()),
            _ => false,
        }
    }
}

impl<T> Clone for Stealer<T> {
    fn clone(&self) -> Self {
        Stealer {
            shared: match &self.shared {
                Shared::Split(shared) => Shared::Split(shared.clone()),
                Shared::ChaseLev(shared) => Shared::ChaseLev(shared.clone()),
            },
        }
    }
}

impl<T> fmt::Debug for Stealer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stealer").field("len", &self.len()).finish_non_exhaustive()
    }
}
