//! A queue that any thread pushes into and any thread steals from, in order, in which nobody waits for
//! anybody.
//!
//! Tasks stand in blocks of slots, linked into a list. A producer claims the next slot of the last block by
//! one fetch-and-add, writes its task and then turns the slot from `EMPTY` to `FULL` by a compare-and-swap.
//! A consumer looks for the first slots that nobody has claimed to read and claims those of them that are
//! full by one compare-and-swap. So far this is a queue of fetch-and-add arrays, as in \[MA13], \[YM16].
//!
//! **A producer that stops** between its claim and its write leaves a hole. Other queues wait there. Here a
//! consumer that finds a hole with something behind it claims it too and *passes over* it: it swaps the slot
//! to `PASSED`; should the task have come in that very moment, the consumer takes it. A producer whose
//! compare-and-swap finds `PASSED` takes its task back and claims another slot. A hole with nothing behind it
//! is no task yet: the queue is empty. So a consumer always returns, and the last of the producers that are
//! writing cannot be passed over.
//!
//! **The end of a block.** Whoever finds the last block full links another behind it, if nobody has, and
//! moves `tail` there; whoever finds all of the first block claimed does the same with `head`. Each of these
//! steps is a compare-and-swap that anybody may do for all.
//!
//! **Blocks that are out of use** may still be looked at by who has read `head` or `tail` before. All access
//! is under announcements ([`crate::hazard`]), which stay from one operation to the next, so that a thread
//! pays for a fence only when it comes to a new block. Whoever moves `head` puts the old block on a list,
//! takes the list and frees what nobody announces. At any time there are at most two blocks out of use for
//! each thread that has ever used an injector and still runs, and what one that stops for ever was just
//! freeing.
//!
//! # Order
//! Tasks that one thread pushes are stolen in the order of the pushes, and so are tasks of several threads of
//! which one pushed after another had returned. [`Injector::len`] counts what is claimed to be written too.
//!
//! # Verification
//! `tests/loom`: one producer and one consumer in all executions, three threads with three preemptions, blocks of
//! two slots. `tests/stateright`: two producers or two consumers. `tests/shuttle.rs`: longer runs, producers and
//! consumers frozen at every step. `tests/it`: any sequence of operations against a `VecDeque`, threads,
//! destructors, memory.
//! A consumer and a producer could in theory undo each other's work for ever, one passing over what the other
//! claims, as long as a second producer is behind: every operation of the consumer ends meanwhile.

use core::mem::{self, MaybeUninit};
use core::{fmt, ptr};

use crossbeam_utils::CachePadded;

use crate::batch::Batch;
use crate::chase_lev::Pops;
use crate::hazard::{Role, Seat, with_seat};
use crate::steal::Steal;
use crate::sync::{
    AtomicPtr, AtomicUsize, BLOCK, Life, Ordering, PATIENCE, Site, UnsafeCell, discard, order, registry,
    spin_loop,
};
use crate::worker::{BATCH_MAX, Worker};

/// Nobody has written the slot yet.
const EMPTY: usize = 0;
/// A task is in the slot, for the consumer that claims it.
const FULL: usize = 1;
/// A consumer has passed over the slot; what the producer writes is the producer's.
const PASSED: usize = 2;

struct Slot<T> {
    state: AtomicUsize,
    /// The claiming producer's while the slot is empty or passed over, the claiming consumer's once full.
    task: UnsafeCell<MaybeUninit<T>>,
}

struct Block<T> {
    header: Header<T>,
    slots: [Slot<T>; BLOCK],
}

struct Header<T> {
    /// Slots that producers have claimed; may count on beyond the end.
    written: CachePadded<AtomicUsize>,
    /// Slots that consumers have claimed: at most `written`, at most all.
    read: CachePadded<AtomicUsize>,
    /// Null while this is the last.
    next: AtomicPtr<Block<T>>,
    /// How many blocks were before this one.
    ordinal: usize,
    /// The next on the list of blocks to free; whoever puts it there writes it.
    retired: UnsafeCell<*mut Block<T>>,
    life: Life,
}

impl<T> Block<T> {
    /// A block without tasks, made in place: it may be larger than a stack.
    fn allocate(ordinal: usize) -> *mut Self {
        let mut memory = Box::<Self>::new_uninit();
        let block = memory.as_mut_ptr();
        // SAFETY: inside the box.
        let header = unsafe { &raw mut (*block).header };
        // SAFETY: inside the box, aligned, and nothing is there that would have to be dropped; so below.
        unsafe {
            header.write(Header {
                written: CachePadded::new(AtomicUsize::new(0)),
                read: CachePadded::new(AtomicUsize::new(0)),
                next: AtomicPtr::new(ptr::null_mut()),
                ordinal,
                retired: UnsafeCell::new(ptr::null_mut()),
                life: Life::new(),
            });
        }
        // SAFETY: inside the box.
        let slots = unsafe { &raw mut (*block).slots }.cast::<Slot<T>>();
        for place in 0..BLOCK {
            // SAFETY: there are so many.
            let slot = unsafe { slots.add(place) };
            // SAFETY: inside the box.
            let state = unsafe { &raw mut (*slot).state };
            // SAFETY: as above.
            unsafe { state.write(AtomicUsize::new(EMPTY)) };
            // SAFETY: inside the box.
            let task = unsafe { &raw mut (*slot).task };
            // SAFETY: as above.
            unsafe { task.write(UnsafeCell::new(MaybeUninit::uninit())) };
        }
        // SAFETY: all fields are written.
        Box::into_raw(unsafe { memory.assume_init() })
    }

    /// Slots that producers have claimed.
    fn claimed(&self) -> usize {
        // Relaxed: who was told of a push sees it; more need not be seen.
        self.header.written.load(Ordering::Relaxed).min(BLOCK)
    }
}

/// Frees a block that nobody looks at any more.
fn free<T>(block: *mut Block<T>) {
    // SAFETY: called once for each block, which is valid until now.
    unsafe { (*block).header.life.end() };
    // SAFETY: as above; it came from a box.
    unsafe { discard(block) };
}

/// A queue that any thread pushes into and any thread steals from, oldest first.
///
/// ```
/// use swarm_work_stealing::{Injector, Steal};
///
/// let injector = Injector::new();
/// injector.push(1);
/// injector.push(2);
/// assert_eq!(injector.steal(), Steal::Success(1));
/// assert_eq!(injector.steal(), Steal::Success(2));
/// assert_eq!(injector.steal(), Steal::Empty);
/// ```
pub struct Injector<T> {
    /// The first block that may have tasks; never behind `tail` in the list.
    head: CachePadded<AtomicPtr<Block<T>>>,
    /// The last block or the one before.
    tail: CachePadded<AtomicPtr<Block<T>>>,
    /// Blocks out of use, linked by `retired`, that wait to be freed.
    retired: CachePadded<AtomicPtr<Block<T>>>,
}

// SAFETY: tasks move between threads, never shared.
unsafe impl<T: Send> Send for Injector<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Injector<T> {}

impl<T> Default for Injector<T> {
    fn default() -> Self {
        let block = Block::allocate(0);
        Injector {
            head: CachePadded::new(AtomicPtr::new(block)),
            tail: CachePadded::new(AtomicPtr::new(block)),
            retired: CachePadded::new(AtomicPtr::new(ptr::null_mut())),
        }
    }
}

/// A block that is announced.
///
/// # Safety
/// The announcement must outlast the reference.
unsafe fn announced<'a, T>(block: *mut Block<T>) -> &'a Block<T> {
    // SAFETY: it is valid for as long as it is announced.
    let block = unsafe { &*block };
    block.header.life.assert_alive();
    block
}

impl<T> Injector<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Injector::default()
    }

    /// Adds a task behind all others.
    pub fn push(&self, task: T) {
        with_seat(|seat| self.push_at(seat, task));
    }

    #[inline]
    fn push_at(&self, seat: &Seat, mut task: T) {
        loop {
            let at = seat.protect(Role::Producer, &self.tail);
            // SAFETY: announced until the next turn of this loop, or longer.
            let block = unsafe { announced(at) };
            // Relaxed: decides who writes the slot; the slot's state publishes the task.
            let place = block.header.written.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = block.slots.get(place) else {
                self.extend(at, block);
                continue;
            };
            // SAFETY: this thread has claimed the slot, and no consumer reads it while it is not full.
            slot.task.with_mut(|place| unsafe { place.write(MaybeUninit::new(task)) });
            // Release: pairs with `SlotLook` and `SlotPass`, for the task.
            let fill = order(Site::SlotFill, Ordering::Release);
            if slot.state.compare_exchange(EMPTY, FULL, fill, Ordering::Relaxed).is_ok() {
                return;
            }
            // SAFETY: passed over, the slot is this thread's for good.
            let back = slot.task.with(|place| unsafe { place.read() });
            // SAFETY: this thread has just written it.
            task = unsafe { back.assume_init() };
        }
    }

    /// Sees to it that the full block `at` has a successor and is not the last any more.
    #[cold]
    fn extend(&self, at: *mut Block<T>, block: &Block<T>) {
        // Acquire: pairs with `BlockLink`, for what whoever reads `tail` from here finds in the block.
        let mut next = block.header.next.load(order(Site::BlockNext, Ordering::Acquire));
        if next.is_null() {
            let new = Block::allocate(block.header.ordinal.wrapping_add(1));
            // Release: pairs with `BlockNext`. Acquire on failure: as above.
            let link = order(Site::BlockLink, Ordering::Release);
            let look = order(Site::BlockNext, Ordering::Acquire);
            next = match block.header.next.compare_exchange(ptr::null_mut(), new, link, look) {
                Ok(_) => new,
                Err(other) => {
                    free(new);
                    other
                }
            };
        }
        self.move_tail(at, next);
    }

    fn move_tail(&self, from: *mut Block<T>, to: *mut Block<T>) {
        // Release: pairs with `BlockLook`, for the block's content. Whoever fails finds it moved.
        let release = order(Site::TailMove, Ordering::Release);
        let _moved = self.tail.compare_exchange(from, to, release, Ordering::Relaxed);
    }

    /// Makes the successor of an exhausted block the first, and the block garbage.
    #[cold]
    fn advance(&self, seat: &Seat, at: *mut Block<T>, next: *mut Block<T>) {
        // `tail` first, so that a block out of use is not looked for there.
        self.move_tail(at, next);
        // Release: pairs with `BlockLook`, for the block's content. Relaxed on failure: nothing is read then.
        let release = order(Site::HeadMove, Ordering::Release);
        if self.head.compare_exchange(at, next, release, Ordering::Relaxed).is_ok() {
            seat.withdraw(Role::Consumer);
            self.retire(at);
        }
    }

    /// Frees a block that this thread has unlinked, and others, or leaves them for later.
    fn retire(&self, unlinked: *mut Block<T>) {
        let mut waiting = vec![unlinked];
        // Acquire: pairs with `RetireLink`, for the links and so that all was unlinked before the scan.
        let mut block = self.retired.swap(ptr::null_mut(), order(Site::RetireTake, Ordering::Acquire));
        while !block.is_null() {
            waiting.push(block);
            // SAFETY: on the list, blocks are valid, and the list is this thread's alone.
            let link = unsafe { &(*block).header.retired };
            // SAFETY: as above.
            block = link.with(|next| unsafe { *next });
        }
        registry().free_unannounced(&mut waiting, free);
        for block in waiting {
            // Relaxed: a guess.
            let mut first = self.retired.load(Ordering::Relaxed);
            loop {
                // SAFETY: not freed, and nobody else knows it as garbage.
                let link = unsafe { &(*block).header.retired };
                // SAFETY: as above.
                link.with_mut(|next| unsafe { *next = first });
                // Release: pairs with `RetireTake`.
                let release = order(Site::RetireLink, Ordering::Release);
                match self.retired.compare_exchange(first, block, release, Ordering::Relaxed) {
                    Ok(_) => break,
                    Err(now) => first = now,
                }
            }
        }
    }

    /// Takes the oldest task.
    pub fn steal(&self) -> Steal<T> {
        with_seat(|seat| {
            self.claim(seat, 1, |block, place, _| {
                // SAFETY: claimed, and full.
                unsafe { block.take(place) }
            })
        })
    }

    /// Moves some tasks, at most 32, into the thief's own deque.
    pub fn steal_batch(&self, into: &Worker<T>) -> Steal<()> {
        self.steal_batch_with_limit(into, BATCH_MAX)
    }

    /// Moves some tasks, at most `limit`, into the thief's own deque: up to half of those that stand together.
    ///
    /// # Panics
    /// If `limit` is 0.
    pub fn steal_batch_with_limit(&self, into: &Worker<T>, limit: usize) -> Steal<()> {
        assert!(limit > 0, "a batch of no tasks");
        let mut batch = Batch::whole(into);
        self.steal_into(limit, &mut batch)
    }

    /// Takes some tasks, at most 32; returns the oldest and moves the others into the thief's own deque.
    pub fn steal_batch_and_pop(&self, into: &Worker<T>) -> Steal<T> {
        self.steal_batch_with_limit_and_pop(into, BATCH_MAX)
    }

    /// Takes some tasks, at most `limit`; returns the oldest and moves the others into the thief's own deque.
    ///
    /// # Panics
    /// If `limit` is 0.
    pub fn steal_batch_with_limit_and_pop(&self, into: &Worker<T>, limit: usize) -> Steal<T> {
        assert!(limit > 0, "a batch of no tasks");
        let mut batch = Batch::keeping_one(into);
        match self.steal_into(limit, &mut batch) {
            Steal::Empty => Steal::Empty,
            Steal::Retry => Steal::Retry,
            Steal::Success(()) => batch.task().map_or(Steal::Retry, Steal::Success),
        }
    }

    fn steal_into(&self, limit: usize, batch: &mut Batch<'_, T>) -> Steal<()> {
        // Claimed tasks must have a place to go to: nothing may fail between claim and commit.
        batch.reserve(limit.min(BLOCK));
        with_seat(|seat| {
            self.claim(seat, limit, |block, first, count| {
                batch.stage(count, Pops::Oldest, |place| {
                    // SAFETY: claimed, and full; each is read once.
                    MaybeUninit::new(unsafe { block.take(first + place) })
                });
                batch.commit();
            })
        })
    }

    /// Claims the oldest tasks, up to half of those in their block and at most `limit`, and calls `take` with
    /// the block, the first place and their number.
    #[inline]
    fn claim<R>(
        &self,
        seat: &Seat,
        limit: usize,
        take: impl FnOnce(&Block<T>, usize, usize) -> R,
    ) -> Steal<R> {
        loop {
            let at = seat.protect(Role::Consumer, &self.head);
            // SAFETY: announced until the next turn of this loop, or longer.
            let block = unsafe { announced(at) };
            // Relaxed: the compare-and-swap decides.
            let first = block.header.read.load(Ordering::Relaxed);
            let claimed = block.claimed();
            if first == BLOCK {
                // Acquire: pairs with `BlockLink`, for what whoever reads `head` from here finds in the block.
                let next = block.header.next.load(order(Site::BlockNext, Ordering::Acquire));
                if next.is_null() {
                    return Steal::Empty;
                }
                self.advance(seat, at, next);
                continue;
            }
            if first >= claimed {
                return Steal::Empty;
            }
            let most = (claimed - first).div_ceil(2).min(limit);
            let count = block.full_from(first, most);
            if count == 0 {
                let last = first + 1 == claimed;
                // Acquire: so that more than a null pointer is found behind it, see above.
                if last && block.header.next.load(order(Site::BlockNext, Ordering::Acquire)).is_null() {
                    // Nothing but a task that is still being written.
                    return Steal::Empty;
                }
            }
            let end = first + count.max(1);
            // Relaxed: decides who reads the slots; their states publish the tasks.
            if block.header.read.compare_exchange(first, end, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                return Steal::Retry;
            }
            if count > 0 {
                return Steal::Success(take(block, first, count));
            }
            // Acquire: pairs with `SlotFill`, for the task.
            let pass = order(Site::SlotPass, Ordering::Acquire);
            if block.slots[first].state.swap(PASSED, pass) == FULL {
                return Steal::Success(take(block, first, 1));
            }
        }
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tasks there are, those included that are still being written; others may add and take some
    /// while this is found out.
    pub fn len(&self) -> usize {
        with_seat(|seat| {
            // SAFETY: announced to the end of this closure, or longer.
            let head = unsafe { announced(seat.protect(Role::Consumer, &self.head)) };
            // SAFETY: as above, in another role.
            let tail = unsafe { announced(seat.protect(Role::Producer, &self.tail)) };
            // Relaxed: as in `claimed`.
            let read = head.header.read.load(Ordering::Relaxed);
            let full = tail.header.ordinal.wrapping_sub(head.header.ordinal).wrapping_mul(BLOCK);
            let len = full.wrapping_add(tail.claimed()).wrapping_sub(read);
            (len as isize).max(0) as usize
        })
    }
}

impl<T> Block<T> {
    /// How many slots are full without a gap, from this one on and at most so many.
    #[inline]
    fn full_from(&self, first: usize, most: usize) -> usize {
        // Acquire: pairs with `SlotFill`, for the task.
        let full =
            |place: usize| self.slots[place].state.load(order(Site::SlotLook, Ordering::Acquire)) == FULL;
        let mut patience = PATIENCE;
        while !full(first) {
            if patience == 0 {
                return 0;
            }
            patience -= 1;
            spin_loop();
        }
        1 + (first + 1..first + most).take_while(|&place| full(place)).count()
    }

    /// The task in a slot.
    ///
    /// # Safety
    /// The slot must have been found full by the thread that claimed it, which calls this once.
    #[inline]
    unsafe fn take(&self, place: usize) -> T {
        // SAFETY: the producer is done with it, and nobody else reads it.
        let task = self.slots[place].task.with(|place| unsafe { place.read() });
        // SAFETY: the producer has written it.
        unsafe { task.assume_init() }
    }
}

impl<T> Drop for Injector<T> {
    fn drop(&mut self) {
        // Relaxed throughout: whoever drops this has it alone.
        let mut at = self.head.load(Ordering::Relaxed);
        while !at.is_null() {
            // SAFETY: blocks from the head on are valid.
            let block = unsafe { &*at };
            for place in block.header.read.load(Ordering::Relaxed)..block.claimed() {
                if mem::needs_drop::<T>() && block.slots[place].state.load(Ordering::Relaxed) == FULL {
                    // SAFETY: full, and nobody has claimed it.
                    drop(unsafe { block.take(place) });
                }
            }
            let next = block.header.next.load(Ordering::Relaxed);
            free(at);
            at = next;
        }
        let mut at = self.retired.load(Ordering::Relaxed);
        while !at.is_null() {
            // SAFETY: on the list, blocks are valid.
            let link = unsafe { &(*at).header.retired };
            // SAFETY: as above.
            let next = link.with(|next| unsafe { *next });
            free(at);
            at = next;
        }
    }
}

impl<T> fmt::Debug for Injector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injector").field("len", &self.len()).finish_non_exhaustive()
    }
}
