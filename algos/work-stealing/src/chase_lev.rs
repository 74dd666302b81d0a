//! The deque of Chase and Lev \[CL05] with the orderings of Lê et al. \[L13], corrected for the release
//! sequences of C++20, in both orders: its owner pops at the end it pushes to (LIFO) or at the other (FIFO).
//!
//! Tasks stand at indices from `front` to below `back`, in slots of a ring. The owner alone moves `back`;
//! whoever takes the task at `front` moves `front` on by one compare-and-swap, thieves always and the owner
//! where it could meet them. Indices are 64 bits wide and never come again.
//!
//! ```text
//! LIFO pop                               steal
//! 1  back := back − 1                    1  read front
//! 2  fence (pop)                         2  fence (steal)
//! 3  read front                          3  read back; nothing between? then empty
//! 4  more than one? then back is ours    4  is the announced buffer in use? copy the slot
//! 5  the last? compare-and-swap front    5  compare-and-swap front
//! ```
//!
//! **No task is taken twice.** Two that compare-and-swap `front` from the same index cannot both succeed. The
//! owner takes a task without that only if it read a `front` below its index b. Had a thief taken b, it would
//! have read `front` = b before its fence and `back` > b after it. Were the owner's fence first, the thief
//! would have read a `back` of b at most; so the thief's fence was, and the owner read `front` ≥ b. The
//! compare-and-swaps need no sequential consistency for this, only the fences.
//!
//! **A thief's copy is the task.** What it read from `back` was stored after the release fence of the push
//! that wrote the slot, even if it was a pop that stored it: in C++20 a later relaxed store of the same
//! thread no longer continues the release sequence of a release *store*, but a release *fence* covers every
//! later store (Lê et al. could still rely on the former). The owner uses the slot again only once it has
//! read, with acquire, a `front` beyond it; a thief's compare-and-swap is a release, so the reads of whoever
//! took the task come before the new content, and whoever did not take it finds `front` moved on.
//!
//! **A batch.** In FIFO order the owner, too, takes tasks at `front` only, so one compare-and-swap takes any
//! number. In LIFO order the owner takes tasks further back without asking, so a thief goes one by one, each
//! time with its fence and a new look at `back`. To keep what was copied earlier over such a step would be to
//! trust a buffer that may have been replaced meanwhile: the buffer is compared at every step (CVE-2021-32810
//! was the lack of that).
//!
//! **Buffers.** The owner copies what is between `front` and `back` to a buffer of another size and puts that
//! into use; an old buffer is never written again. Thieves announce the buffer they read from
//! ([`crate::hazard`]); the fence of the steal is that of the announcement too. After its look at `back` the
//! thief makes sure that the announced buffer is in use: the owner wrote the task into the buffer then in use
//! or copied it into a later one, and both come before what the thief has read. Old buffers wait on the
//! owner's list, each at most until a thief is done with it; a thief that stops for ever keeps one buffer.
//! The buffer halves when a quarter of it suffices, so memory returns after a burst.
//!
//! # Verification
//! `tests/loom`: one thief in all executions, two thieves with three preemptions, growth, shrinking, batches of
//! both orders. `tests/stateright`: two thieves without that limit. `tests/shuttle.rs`: longer runs, threads frozen
//! at every step. `tests/it`: any sequence of operations against a `VecDeque`, threads, memory after bursts, types
//! of all kinds. That a thief's late reads cannot see what the owner writes after it (the release of `StealTake`,
//! the acquire of `PushRoom` and `PopFront`) is a matter of loads that are carried out after later stores, which
//! loom does not produce; models that follow every read show that something orders it before the write.

use core::cell::{self, Cell};
use core::mem::MaybeUninit;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::batch::Batch;
use crate::hazard::{Role, with_seat};
use crate::slots::Slots;
use crate::steal::Steal;
use crate::sync::{AtomicPtr, AtomicU64, CAPACITY_MIN, Ordering, Site, discard, fence, order, registry};

/// Which of its tasks an owner pops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pops {
    /// The one pushed last.
    Newest,
    /// The one pushed first.
    Oldest,
}

/// What owner and thieves share.
pub(crate) struct Shared<T> {
    /// The index of the oldest task. Only grows.
    front: CachePadded<AtomicU64>,
    /// The index that the next push fills. Written by the owner; at most one below `front`, while the owner
    /// looks for a last task.
    back: CachePadded<AtomicU64>,
    /// The buffer in use. Written by the owner.
    buffer: CachePadded<AtomicPtr<Slots<T>>>,
    /// Buffers out of use that a thief may still read. The owner's alone.
    retired: cell::UnsafeCell<Vec<*mut Slots<T>>>,
    pops: Pops,
}

// SAFETY: tasks move between threads, never shared; `retired` is touched by the owner alone, which is one
// thread at a time, and by the drop, which is alone.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

/// The tasks between two indices; none if the second is behind.
fn between(front: u64, back: u64) -> usize {
    (back.wrapping_sub(front) as i64).max(0) as usize
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Relaxed: whoever drops this has it alone; the reference count has ordered it after all else.
        let front = self.front.load(Ordering::Relaxed);
        let back = self.back.load(Ordering::Relaxed);
        let buffer = self.buffer.load(Ordering::Relaxed);
        for offset in 0..between(front, back) as u64 {
            // SAFETY: the buffer in use is valid.
            let slots = unsafe { &*buffer };
            // SAFETY: nobody else is there to write.
            let task = unsafe { slots.own(front.wrapping_add(offset)) };
            // SAFETY: tasks between the indices are whole, and nobody has taken this one.
            drop(unsafe { task.assume_init() });
        }
        free(buffer);
        for buffer in self.retired.get_mut().drain(..) {
            free(buffer);
        }
    }
}

/// Frees a buffer that nobody reads any more.
fn free<T>(buffer: *mut Slots<T>) {
    // SAFETY: called once for each buffer, which is valid until now.
    unsafe { (*buffer).end() };
    // SAFETY: as above; it came from a box.
    unsafe { discard(buffer) };
}

/// The owner's side.
pub(crate) struct Owner<T> {
    shared: Arc<Shared<T>>,
    /// The buffer in use.
    buffer: Cell<*mut Slots<T>>,
    /// A `front` that was read with acquire: the real one is there or further.
    front_seen: Cell<u64>,
}

// SAFETY: the owner may move to another thread together with its tasks; it is not `Sync`.
unsafe impl<T: Send> Send for Owner<T> {}

impl<T> Owner<T> {
    pub(crate) fn new(pops: Pops) -> Self {
        let buffer = Box::into_raw(Box::new(Slots::new(CAPACITY_MIN)));
        let shared = Shared {
            front: CachePadded::new(AtomicU64::new(0)),
            back: CachePadded::new(AtomicU64::new(0)),
            buffer: CachePadded::new(AtomicPtr::new(buffer)),
            retired: cell::UnsafeCell::new(Vec::new()),
            pops,
        };
        Owner { shared: Arc::new(shared), buffer: Cell::new(buffer), front_seen: Cell::new(0) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<T>> {
        &self.shared
    }

    pub(crate) fn pops(&self) -> Pops {
        self.shared.pops
    }

    #[inline(always)]
    fn slots(&self) -> &Slots<T> {
        // SAFETY: the buffer in use is freed by this thread alone, after another took its place.
        unsafe { &*self.buffer.get() }
    }

    /// The index that the next push fills.
    #[inline(always)]
    fn back(&self) -> u64 {
        // Relaxed: this thread alone writes it.
        self.shared.back.load(Ordering::Relaxed)
    }

    /// How far thieves are for sure, so that slots before that may be used again.
    fn look_at_front(&self) -> u64 {
        // Acquire: pairs with `StealTake`, so that the thief's reads come before what this thread writes.
        let front = self.shared.front.load(order(Site::PushRoom, Ordering::Acquire));
        self.front_seen.set(front);
        front
    }

    pub(crate) fn len(&self) -> usize {
        between(self.look_at_front(), self.back())
    }

    #[inline]
    pub(crate) fn push(&self, task: T) {
        self.reserve(1);
        self.stage(0, MaybeUninit::new(task));
        self.commit(1);
    }

    /// Makes room for so many tasks.
    #[inline]
    pub(crate) fn reserve(&self, count: usize) {
        if self.slots().capacity() - between(self.front_seen.get(), self.back()) < count {
            self.make_room(count);
        }
    }

    #[cold]
    fn make_room(&self, count: usize) {
        let (front, back) = (self.look_at_front(), self.back());
        let needed = between(front, back).checked_add(count).and_then(usize::checked_next_power_of_two);
        let needed = needed.expect("as many slots as memory can hold");
        if needed > self.slots().capacity() {
            self.resize(front, back, needed);
        }
    }

    /// Writes a task so many places behind the last, where nobody sees it yet; there must be room.
    #[inline]
    pub(crate) fn stage(&self, place: usize, task: MaybeUninit<T>) {
        self.slots().write(self.back().wrapping_add(place as u64), task);
    }

    /// What was written there.
    pub(crate) fn staged(&self, place: usize) -> MaybeUninit<T> {
        // SAFETY: this is the owner.
        unsafe { self.slots().own(self.back().wrapping_add(place as u64)) }
    }

    /// Publishes the first so many of what was written.
    #[inline]
    pub(crate) fn commit(&self, count: usize) {
        let back = self.back().wrapping_add(count as u64);
        // Pairs with `StealBack`, through this store or any later one of `back`.
        fence(Site::PushPublish, Ordering::Release);
        self.shared.back.store(back, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        match self.shared.pops {
            Pops::Newest => self.pop_newest(),
            Pops::Oldest => self.pop_oldest(),
        }
    }

    #[inline]
    fn pop_newest(&self) -> Option<T> {
        let back = self.back();
        if back == self.front_seen.get() {
            // Thieves cannot be behind that; nothing was pushed since.
            return None;
        }
        let back = back.wrapping_sub(1);
        // Relaxed: ordered by the fence against thieves; the fence of the last push covers it for slots.
        self.shared.back.store(back, Ordering::Relaxed);
        // Pairs with `StealBarrier`.
        fence(Site::PopBarrier, Ordering::SeqCst);
        // Acquire: pairs with `StealTake`, as in `look_at_front`.
        let front = self.shared.front.load(order(Site::PopFront, Ordering::Acquire));
        self.front_seen.set(front);
        let left = back.wrapping_sub(front) as i64;
        if left > 0 {
            // SAFETY: this is the owner.
            let task = unsafe { self.slots().own(back) };
            self.shrink(front, back);
            // SAFETY: no thief takes a task further back than the front while another stands between.
            return Some(unsafe { task.assume_init() });
        }
        // Relaxed on failure: nothing is read then.
        let won = left == 0 && {
            let take = order(Site::PopTake, Ordering::Relaxed);
            self.shared.front.compare_exchange(front, front.wrapping_add(1), take, Ordering::Relaxed).is_ok()
        };
        let back = back.wrapping_add(1);
        // Relaxed: as above.
        self.shared.back.store(back, Ordering::Relaxed);
        // The task was the last, and is gone whoever has it; that it may be written over without another
        // look is due to this thread having it, else the look is made when there is no room.
        if won {
            self.front_seen.set(back);
            // SAFETY: this is the owner.
            let task = unsafe { self.slots().own(front) };
            // SAFETY: whoever moves `front` from an index has the task.
            return Some(unsafe { task.assume_init() });
        }
        None
    }

    #[inline]
    fn pop_oldest(&self) -> Option<T> {
        let back = self.back();
        let mut front = self.look_at_front();
        loop {
            if between(front, back) == 0 {
                return None;
            }
            let next = front.wrapping_add(1);
            // Acquire on failure: a look at the front as any other. On success nothing new is learned.
            let take = order(Site::PopTake, Ordering::Relaxed);
            let room = order(Site::PushRoom, Ordering::Acquire);
            match self.shared.front.compare_exchange(front, next, take, room) {
                Ok(_) => {
                    self.front_seen.set(next);
                    // SAFETY: this is the owner.
                    let task = unsafe { self.slots().own(front) };
                    self.shrink(next, back);
                    // SAFETY: whoever moves `front` from an index has the task.
                    return Some(unsafe { task.assume_init() });
                }
                Err(now) => front = now,
            }
        }
    }

    /// Halves the buffer if a quarter of it suffices.
    #[inline]
    fn shrink(&self, front: u64, back: u64) {
        let capacity = self.slots().capacity();
        if capacity > CAPACITY_MIN && between(front, back) < capacity / 4 {
            self.resize(front, back, capacity / 2);
        }
    }

    #[cold]
    fn resize(&self, front: u64, back: u64, capacity: usize) {
        let slots = Slots::new(capacity);
        for offset in 0..between(front, back) as u64 {
            let index = front.wrapping_add(offset);
            // SAFETY: this is the owner.
            slots.write(index, unsafe { self.slots().own(index) });
        }
        let buffer = Box::into_raw(Box::new(slots));
        let old = self.buffer.replace(buffer);
        // Release: pairs with `StealBuffer`, for what the new buffer holds.
        self.shared.buffer.store(buffer, order(Site::SwapBuffer, Ordering::Release));
        // SAFETY: the owner's alone, and no reference to it outlives this.
        let retired = unsafe { &mut *self.shared.retired.get() };
        retired.push(old);
        registry().free_unannounced(retired, free);
    }
}

impl<T> Shared<T> {
    pub(crate) fn len(&self) -> usize {
        // Acquire: so that the look at the back is no older. The fences on both sides make whoever stores
        // work before a fence, and looks for sleepers behind it, be seen by a sleeper that does the reverse.
        let front = self.front.load(order(Site::PushRoom, Ordering::Acquire));
        fence(Site::StealBarrier, Ordering::SeqCst);
        let back = self.back.load(order(Site::StealBack, Ordering::Acquire));
        between(front, back)
    }

    /// Looks for tasks: the buffer in use, announced and valid, with the indices of its tasks; none if there
    /// are none, `Retry` if the owner was just changing buffers.
    #[inline]
    fn look(&self, announce: impl FnOnce(*mut Slots<T>)) -> Steal<(&Slots<T>, u64, usize)> {
        // Relaxed: what is behind it is read after the second look only.
        let buffer = self.buffer.load(Ordering::Relaxed);
        announce(buffer);
        // Relaxed: ordered by the fence, which is an acquire too.
        let front = self.front.load(Ordering::Relaxed);
        // Pairs with `PopBarrier`, and with `ScanBarrier` for the announcement.
        fence(Site::StealBarrier, Ordering::SeqCst);
        self.look_behind(buffer, front)
    }

    /// The same from a known front on, with a buffer that is announced, after the fence.
    #[inline]
    fn look_behind(&self, buffer: *mut Slots<T>, front: u64) -> Steal<(&Slots<T>, u64, usize)> {
        // Acquire: pairs with `PushPublish`, for the slots and for the buffer in use.
        let back = self.back.load(order(Site::StealBack, Ordering::Acquire));
        let count = between(front, back);
        if count == 0 {
            return Steal::Empty;
        }
        // Acquire: pairs with `SwapBuffer`, for what the owner has copied.
        if self.buffer.load(order(Site::StealBuffer, Ordering::Acquire)) != buffer {
            return Steal::Retry;
        }
        // SAFETY: announced, and found in use after the fence.
        Steal::Success((unsafe { &*buffer }, front, count))
    }

    /// Takes so many tasks at the front.
    #[inline]
    fn take(&self, front: u64, count: usize) -> bool {
        let next = front.wrapping_add(count as u64);
        // Release: pairs with `PushRoom` and `PopFront`, so that the owner writes the slots after they were
        // read. Relaxed on failure: nothing is read then.
        let take = order(Site::StealTake, Ordering::Release);
        self.front.compare_exchange(front, next, take, Ordering::Relaxed).is_ok()
    }

    /// Nothing there, at a glance, which costs no fence.
    #[inline]
    fn seems_empty(&self) -> bool {
        // Relaxed: whoever has to know of a push has been told of it in a way that orders these reads.
        let front = self.front.load(Ordering::Relaxed);
        between(front, self.back.load(Ordering::Relaxed)) == 0
    }

    #[inline]
    pub(crate) fn steal(&self) -> Steal<T> {
        if self.seems_empty() {
            return Steal::Empty;
        }
        with_seat(|seat| {
            let outcome = match self.look(|buffer| seat.announce(Role::Thief, buffer)) {
                Steal::Empty => Steal::Empty,
                Steal::Retry => Steal::Retry,
                Steal::Success((slots, front, _)) => {
                    let task = slots.read(front);
                    if self.take(front, 1) {
                        // SAFETY: whoever moves `front` from an index has the task, and the copy is whole.
                        Steal::Success(unsafe { task.assume_init() })
                    } else {
                        Steal::Retry
                    }
                }
            };
            seat.withdraw(Role::Thief);
            outcome
        })
    }

    /// Steals up to half of the tasks, at most `limit`, into a batch.
    pub(crate) fn steal_batch(&self, limit: usize, batch: &mut Batch<'_, T>) -> Steal<()> {
        if self.seems_empty() {
            return Steal::Empty;
        }
        with_seat(|seat| {
            let outcome = match self.look(|buffer| seat.announce(Role::Thief, buffer)) {
                Steal::Empty => Steal::Empty,
                Steal::Retry => Steal::Retry,
                Steal::Success((slots, front, count)) => {
                    let count = count.div_ceil(2).min(limit);
                    match self.pops {
                        Pops::Oldest => self.steal_at_once(slots, front, count, batch),
                        Pops::Newest => self.steal_one_by_one(slots, front, count, batch),
                    }
                }
            };
            seat.withdraw(Role::Thief);
            outcome
        })
    }

    fn steal_at_once(
        &self,
        slots: &Slots<T>,
        front: u64,
        count: usize,
        batch: &mut Batch<'_, T>,
    ) -> Steal<()> {
        let view = slots.view();
        batch.stage(count, Pops::Oldest, |place| view.read(front.wrapping_add(place as u64)));
        if self.take(front, count) {
            batch.commit();
            Steal::Success(())
        } else {
            Steal::Retry
        }
    }

    fn steal_one_by_one(
        &self,
        slots: &Slots<T>,
        first: u64,
        count: usize,
        batch: &mut Batch<'_, T>,
    ) -> Steal<()> {
        batch.reserve(count);
        let mut front = first;
        for _ in 0..count {
            let task = slots.read(front);
            if !self.take(front, 1) {
                break;
            }
            batch.stage_one(task);
            front = front.wrapping_add(1);
            // As in `look`: this thread has just read the new front, by writing it.
            fence(Site::StealBarrier, Ordering::SeqCst);
            if !self.look_behind(core::ptr::from_ref(slots).cast_mut(), front).is_success() {
                break;
            }
        }
        if front == first {
            return Steal::Retry;
        }
        batch.commit_in_turn();
        Steal::Success(())
    }
}
