//! A deque in two parts: a stack that its owner has to itself, and a short ring laid out for thieves.
//!
//! The owner pushes and pops on a plain stack, without fences and read-modify-writes; all that it shares at
//! such times is one look at a word. A thief that takes the last task laid out, or finds none, leaves a
//! request there; the owner, at its next push or pop, lays out the older half of its stack, as much as the
//! ring has room for, and clears the request. When its stack is empty the owner takes back whatever is still
//! laid out, all at once, so that it goes on with the newest: thieves get the oldest tasks, the owner pops in
//! LIFO order, always. The split between a private and a shared part, and the request, are Lace's \[DP14] and
//! those of private deques \[ACR13]; what differs is that tasks move from one to the other, and why comes
//! below.
//!
//! **What a thief can see.** A task is stealable once the owner has looked at the request, that is at its
//! first push or pop after it. An owner that is wanted and has a single task lays it out. One that works on
//! for long without a push or pop shares nothing meanwhile; and what was not laid out when the owner's side
//! is dropped is dropped with it.
//!
//! **One look.** The word holds two marks, to which the owner compares the length of its stack anyway: at the
//! high one a push, at the low one a pop has more to do than to push or pop. A request puts the high mark to
//! the bottom and the low one to the top, so that whatever the owner does next goes the slow way, where it
//! sees why.
//!
//! **One ring.** The ring's `ends` hold the position of the oldest task laid out and how many there are, in
//! one 64-bit word, and every change is one read-modify-write of it:
//!
//! | who | change |
//! |---|---|
//! | owner lays out k | count + k |
//! | thief takes k | position + k, count − k |
//! | owner takes all back | position + count, count 0 |
//!
//! Positions only grow, and 48 bits of them do not come again while a thief looks. While the position stands
//! still nothing is taken and the count only grows, so that *equal words mean equal tasks*: a thief copies
//! first and then takes by compare-and-swap from the very word that it read; if that succeeds, nothing that
//! it copied had changed. Were tasks taken back in place, by lowering the count, other tasks could stand
//! under the same word later, and a slow thief would take them with the copy of the old. That is why the
//! owner takes all.
//!
//! **What it costs.** Tasks are laid out by half and taken back at most once per half, so that each moves
//! O(1) times on average even if thieves ask without end and never take. Up to half of what is laid out goes
//! with one compare-and-swap.
//!
//! **Nobody is blocked.** A thief holds nothing between its look and its compare-and-swap; stopped there it
//! bothers nobody. The ring is never replaced and is freed with the last handle, so nothing has to be
//! announced; the stack is the owner's alone and grows and shrinks as it likes.
//!
//! **Orderings.** Laying out is a release and a thief's look an acquire: what was copied is at least what was
//! laid out. It is no newer either: the owner writes a slot again only after it read, with acquire, that the
//! position has moved on, every move is a release, and all changes of the word are read-modify-writes, which
//! continue each other's release sequences. So the reads of whoever took the task come before the new
//! content, and the compare-and-swap of whoever did not fails. The marks are relaxed: nothing else hangs on
//! what is read there.
//!
//! # Verification
//! As [`crate::chase_lev`]'s; the smallest rings wrap around in every model.

use core::cell;
use core::mem::{MaybeUninit, size_of};
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::batch::Batch;
use crate::chase_lev::Pops;
use crate::slots::Slots;
use crate::steal::Steal;
use crate::sync::{AtomicU64, CAPACITY_MIN, Ordering, SHARED, Site, order, set_if_other};

/// Bits of `ends` for the count.
const COUNT_BITS: u32 = 16;

/// What is laid out.
#[derive(Clone, Copy)]
struct Ends {
    /// The position of the oldest task, modulo 2^48.
    first: u64,
    count: usize,
}

impl Ends {
    #[inline(always)]
    fn unpack(word: u64) -> Self {
        Ends { first: word >> COUNT_BITS, count: (word & ((1 << COUNT_BITS) - 1)) as usize }
    }

    /// The word after the `taken` oldest are gone.
    #[inline(always)]
    fn without(self, taken: usize) -> u64 {
        // The shift drops what is beyond 48 bits.
        (self.first.wrapping_add(taken as u64) << COUNT_BITS) | (self.count - taken) as u64
    }
}

/// The marks after a request: no length is below the high one or above the low one.
const ASKED: u64 = pack(0, usize::MAX);

/// The highest mark. Of more tasks a push always goes the slow way, and a pop does not see a request.
const MARK_MAX: usize = u32::MAX as usize;

/// At the high mark and above a push goes the slow way, at the low mark and below a pop.
const fn pack(high: usize, low: usize) -> u64 {
    const fn fit(mark: usize) -> u64 {
        if mark < MARK_MAX { mark as u64 } else { MARK_MAX as u64 }
    }
    (fit(high) << 32) | fit(low)
}

/// What owner and thieves share.
pub(crate) struct Shared<T> {
    /// The position and number of the tasks laid out, packed. Every change is a read-modify-write.
    ends: CachePadded<AtomicU64>,
    /// Where the owner has more to do than to push or pop ([`pack`]), or [`ASKED`].
    marks: CachePadded<AtomicU64>,
    /// Written by the owner, where nothing is laid out.
    slots: Slots<T>,
}

// SAFETY: tasks move between threads, never shared.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Relaxed: whoever drops this has it alone.
        let ends = Ends::unpack(self.ends.load(Ordering::Relaxed));
        for place in 0..ends.count as u64 {
            // SAFETY: nobody else is there to write.
            let task = unsafe { self.slots.own(ends.first + place) };
            // SAFETY: what is laid out is whole, and nobody has taken it.
            drop(unsafe { task.assume_init() });
        }
    }
}

/// The stack that the owner has to itself.
struct Private<T> {
    /// Initialised from `base` on; what was before has been laid out.
    items: Vec<MaybeUninit<T>>,
    /// Below [`MARK_MAX`], so that the low mark is not below it.
    base: usize,
    /// The position behind the newest task laid out, modulo 2^48 once it is used.
    end: u64,
}

impl<T> Private<T> {
    fn len(&self) -> usize {
        self.items.len() - self.base
    }

    /// Whether the memory is worth being given back when little of it is used.
    fn is_large(&self) -> bool {
        size_of::<T>() > 0 && self.items.capacity() > CAPACITY_MIN
    }

    /// Where there is no room for a push; and where nothing is left to pop, or so little that the memory could be
    /// smaller.
    fn marks(&self) -> u64 {
        let capacity = self.items.capacity();
        pack(capacity, self.base.max(if self.is_large() { capacity / 4 } else { 0 }))
    }

    /// Moves the stack down to where its memory begins.
    fn close_gap(&mut self) {
        self.items.drain(..self.base);
        self.base = 0;
    }

    /// Makes room for so many tasks where there is none, and for some more, so that it is not soon asked again.
    #[cold]
    fn grow(&mut self, count: usize) {
        self.close_gap();
        let capacity = self.items.capacity();
        self.items.reserve(count.max(if capacity == 0 { CAPACITY_MIN } else { capacity / 4 }));
    }

    /// Halves the memory if a quarter of it suffices.
    fn shrink(&mut self) -> bool {
        let capacity = self.items.capacity();
        let shrinks = self.is_large() && self.len() <= capacity / 4;
        if shrinks {
            self.close_gap();
            self.items.shrink_to((capacity / 2).max(CAPACITY_MIN));
        }
        shrinks
    }
}

impl<T> Drop for Private<T> {
    fn drop(&mut self) {
        for item in self.items.drain(self.base..) {
            // SAFETY: initialised from `base` on.
            drop(unsafe { item.assume_init() });
        }
    }
}

/// The owner's side.
pub(crate) struct Owner<T> {
    shared: Arc<Shared<T>>,
    own: cell::UnsafeCell<Private<T>>,
}

impl<T> Owner<T> {
    pub(crate) fn new() -> Self {
        const { assert!(SHARED < 1 << COUNT_BITS && SHARED.is_power_of_two()) };
        let shared = Shared {
            ends: CachePadded::new(AtomicU64::new(0)),
            marks: CachePadded::new(AtomicU64::new(pack(0, 0))),
            slots: Slots::new(SHARED),
        };
        let own = Private { items: Vec::new(), base: 0, end: 0 };
        Owner { shared: Arc::new(shared), own: cell::UnsafeCell::new(own) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<T>> {
        &self.shared
    }

    /// The owner's stack. One reference at a time: every function here asks anew and lets go before it calls
    /// another.
    #[expect(clippy::mut_from_ref, reason = "the owner is one thread, as it is not `Sync`")]
    #[inline(always)]
    fn own(&self) -> &mut Private<T> {
        // SAFETY: see above; nothing here calls a task's code while it holds the reference.
        unsafe { &mut *self.own.get() }
    }

    pub(crate) fn len(&self) -> usize {
        self.own().len() + self.shared.len()
    }

    /// The marks, as they are or as a thief has set them.
    #[inline(always)]
    fn marks(&self) -> u64 {
        // Relaxed: what this thread wrote last, or a request.
        self.shared.marks.load(Ordering::Relaxed)
    }

    /// Sets the marks to where they belong now; a request stays.
    fn set_marks(&self) {
        // Relaxed: a thief reads no more into it than that nobody has asked.
        if self.shared.marks.swap(self.own().marks(), Ordering::Relaxed) == ASKED {
            self.shared.request();
        }
    }

    #[inline(always)]
    pub(crate) fn push(&self, task: T) {
        let own = self.own();
        let len = own.items.len();
        if len as u64 >= self.marks() >> 32 {
            return self.push_slow(task);
        }
        debug_assert!(len < own.items.capacity(), "the high mark is above the memory");
        // SAFETY: below the capacity, as the high mark is never above it. A push of the vector's own would look again.
        let place = unsafe { own.items.as_mut_ptr().add(len) };
        // SAFETY: as above.
        unsafe { place.write(MaybeUninit::new(task)) };
        // SAFETY: as above, and there is nothing a `MaybeUninit` must be.
        unsafe { own.items.set_len(len + 1) };
    }

    /// Pushes where there may be no room or a request.
    #[cold]
    fn push_slow(&self, task: T) {
        self.reserve(1);
        self.own().items.push(MaybeUninit::new(task));
        self.look_at_request();
    }

    /// Makes room for so many tasks.
    #[inline]
    pub(crate) fn reserve(&self, count: usize) {
        let own = self.own();
        if own.items.capacity() - own.items.len() < count {
            own.grow(count);
            self.set_marks();
        }
    }

    /// Writes a task so many places above the top, where it is not a task yet; there must be room.
    #[inline]
    pub(crate) fn stage(&self, place: usize, task: MaybeUninit<T>) {
        self.own().items.spare_capacity_mut()[place].write(task);
    }

    /// Writes so many tasks; there must be room.
    #[inline]
    pub(crate) fn stage_all(&self, count: usize, read: impl Fn(usize) -> MaybeUninit<T>) {
        for (place, item) in self.own().items.spare_capacity_mut()[..count].iter_mut().enumerate() {
            item.write(read(place));
        }
    }

    /// What was written there.
    pub(crate) fn staged(&self, place: usize) -> MaybeUninit<T> {
        let item = &self.own().items.spare_capacity_mut()[place];
        // SAFETY: written by `stage`; a copy of what may be uninitialised owns nothing.
        unsafe { item.as_ptr().read() }
    }

    /// Pushes the first so many of what was written.
    #[inline]
    pub(crate) fn commit(&self, count: usize) {
        let own = self.own();
        let len = own.items.len() + count;
        // SAFETY: there was room, and `stage` has written so many places.
        unsafe { own.items.set_len(len) };
        self.look_at_request();
    }

    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<T> {
        let own = self.own();
        if own.items.len() as u64 <= self.marks() & u64::from(u32::MAX) {
            return self.pop_slow();
        }
        debug_assert!(own.len() > 0, "the low mark is below the base");
        let task = own.items.pop()?;
        // SAFETY: initialised from `base` on, and the length was above that, as the low mark is never below it.
        Some(unsafe { task.assume_init() })
    }

    /// Pops where there may be nothing, little, or a request.
    #[cold]
    fn pop_slow(&self) -> Option<T> {
        if self.own().len() == 0 {
            self.take_back();
        }
        let own = self.own();
        let task = if own.len() == 0 { None } else { own.items.pop() };
        if own.shrink() {
            self.set_marks();
        }
        self.look_at_request();
        // SAFETY: initialised from `base` on, and the length was above that.
        task.map(|task| unsafe { task.assume_init() })
    }

    /// Shares if thieves want it.
    #[inline(always)]
    fn look_at_request(&self) {
        if self.marks() == ASKED {
            self.share();
        }
    }

    /// Lays out the older half of the stack, as much as there is room for.
    #[cold]
    fn share(&self) {
        let own = self.own();
        if own.len() == 0 {
            // The request stays, so that the next push shares.
            return;
        }
        let shared = &*self.shared;
        // Acquire: pairs with `TakeShared`, so that the thief's reads come before what this thread writes.
        let ends = Ends::unpack(shared.ends.load(order(Site::ShareRoom, Ordering::Acquire)));
        let count = own.len().div_ceil(2).min(SHARED - ends.count);
        let slots = shared.slots.view();
        for (place, item) in own.items[own.base..].iter().take(count).enumerate() {
            // SAFETY: a copy of what may be uninitialised owns nothing; the original is forgotten below.
            slots.write(own.end.wrapping_add(place as u64), unsafe { core::ptr::read(item) });
        }
        // Release: pairs with `LookShared`, for the slots.
        shared.ends.fetch_add(count as u64, order(Site::ShareOut, Ordering::Release));
        own.end = own.end.wrapping_add(count as u64);
        own.base += count;
        if own.base > own.items.len() / 2 || own.base >= MARK_MAX {
            own.close_gap();
        }
        // Relaxed: see `marks`. A request that is overwritten here is made by somebody who could have found what
        // was just laid out; it is made again when that is gone.
        shared.marks.store(own.marks(), Ordering::Relaxed);
    }

    /// Puts all that is laid out on the empty stack.
    fn take_back(&self) {
        let shared = &*self.shared;
        // Relaxed: the compare-and-swap decides.
        let mut word = shared.ends.load(Ordering::Relaxed);
        let ends = loop {
            let ends = Ends::unpack(word);
            if ends.count == 0 {
                return;
            }
            // Acquire: pairs with `TakeShared`, as in `share`.
            let acquire = order(Site::TakeBack, Ordering::Acquire);
            match shared.ends.compare_exchange(word, ends.without(ends.count), acquire, Ordering::Relaxed) {
                Ok(_) => break ends,
                Err(now) => word = now,
            }
        };
        self.reserve(ends.count);
        let own = self.own();
        for place in 0..ends.count as u64 {
            // SAFETY: this is the owner.
            own.items.push(unsafe { shared.slots.own(ends.first + place) });
        }
    }
}

impl<T> Shared<T> {
    /// How many tasks are laid out.
    pub(crate) fn len(&self) -> usize {
        Ends::unpack(self.ends.load(order(Site::LookShared, Ordering::Acquire))).count
    }

    /// Asks the owner to share.
    #[inline]
    fn request(&self) {
        set_if_other(&self.marks, ASKED);
    }

    /// What is laid out, with its word; none if nothing is, which asks for more.
    #[inline]
    fn look(&self) -> Option<(u64, Ends)> {
        // Acquire: pairs with `ShareOut`, for the slots.
        let word = self.ends.load(order(Site::LookShared, Ordering::Acquire));
        let ends = Ends::unpack(word);
        if ends.count == 0 {
            self.request();
            return None;
        }
        Some((word, ends))
    }

    /// Takes the `count` oldest tasks of what was seen.
    #[inline]
    fn take(&self, (word, ends): (u64, Ends), count: usize) -> bool {
        // Release: pairs with `ShareRoom` and `TakeBack`, so that the owner writes the slots after they were
        // read. Relaxed on failure: nothing is read then.
        let release = order(Site::TakeShared, Ordering::Release);
        let taken = self.ends.compare_exchange(word, ends.without(count), release, Ordering::Relaxed).is_ok();
        if taken && ends.count == count {
            // Who asked earlier would have the owner lay out a little again and again.
            self.request();
        }
        taken
    }

    #[inline]
    pub(crate) fn steal(&self) -> Steal<T> {
        let Some(seen) = self.look() else { return Steal::Empty };
        let task = self.slots.read(seen.1.first);
        if self.take(seen, 1) {
            // SAFETY: the word had not changed, so the copy is the task's, and this thread has it.
            Steal::Success(unsafe { task.assume_init() })
        } else {
            Steal::Retry
        }
    }

    /// Steals up to half of what is laid out, at most `limit`, into a batch.
    #[inline]
    pub(crate) fn steal_batch(&self, limit: usize, batch: &mut Batch<'_, T>) -> Steal<()> {
        let Some(seen) = self.look() else { return Steal::Empty };
        let count = seen.1.count.div_ceil(2).min(limit);
        let slots = self.slots.view();
        batch.stage(count, Pops::Newest, |place| slots.read(seen.1.first + place as u64));
        if self.take(seen, count) {
            batch.commit();
            Steal::Success(())
        } else {
            Steal::Retry
        }
    }
}
