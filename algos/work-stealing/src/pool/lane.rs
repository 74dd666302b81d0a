//! The jobs that `join` leaves for others: a stack whose older part is laid out for thieves.
//!
//! A job stands at a *level*; the owner pushes at the top and returns to each level once the closure that it
//! runs meanwhile has ended. Levels below `split` are laid out, those from it on are the owner's own. Of those
//! laid out, the oldest are `taken`. Both numbers stand in one word, `ends`, which changes by
//! read-modify-writes only:
//!
//! | who | change |
//! |---|---|
//! | owner lays k out | split + k |
//! | thief takes the oldest | taken + 1 |
//! | owner returns to a level laid out that is not taken | split := level |
//! | owner returns to a level whose thief is done | taken := split := level |
//!
//! This is Lace's deque \[DP14]. A thief takes a job first and reads its slot then: what stands there is what
//! was laid out, since the owner uses a slot again only after it has returned to that level, and so after the
//! thief was done with the job. Words may come again, therefore, and do no harm.
//!
//! **What is laid out.** A job is laid out at once if no other is, so that whoever gets idle finds one, however long
//! the owner stays away; all others when somebody asks, the older half of them \[ACR13]. While jobs are *wanted*,
//! more are laid out at once (`OUT_MIN`): from the beginning, and from when somebody asks or has taken one, until the
//! owner comes back to a job that was laid out for nothing. It costs two read-modify-writes to lay a job out and to
//! take it back, and those levels that change most are the last ones.
//!
//! **Enough.** `limit` is the level at which `join` leaves no more jobs because enough wait. From there on it runs
//! both its closures in turn, as a sequential program would. What it does not leave, nobody can take later; but
//! each of the two closures leaves jobs again once those that wait are taken.
//!
//! **Asking.** The owner does not look who takes its jobs. Who takes one of the last, or finds none, raises the
//! limit above all levels ([`Lane::ask`]), so that the owner's next `join` sees by its one comparison that there
//! is something to do. It then answers: it takes the request back, looks how many jobs are taken and lays out
//! more, in this order. A request that comes between stays. Requests stay until they are answered, whoever
//! sleeps meanwhile.
//!
//! **Orderings.** Laying out is a release and taking an acquire, for slot and job. The way back, from the thief's
//! reads of the slot to the owner's next write into it, is the job's latch. Requests are relaxed: they are hints, but
//! for those of sleepers, which fences order ([`crate::pool::sleep`]).
//!
//! # Verification
//! `tests/loom` and `tests/stateright`: one thief, then two, against an owner that pushes, answers, returns and
//! uses levels again.

use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

use crossbeam_utils::CachePadded;

use crate::sync::{
    AtomicU64, AtomicUsize, Ordering, QUEUED_MAX, Site, UnsafeCell, as_barrier, order, swap_if_other,
};

/// The `limit` of a lane of which somebody has asked for jobs.
const ASKED: usize = usize::MAX;
/// Bits of `ends` for `split`.
const SPLIT_BITS: u32 = 32;

/// Jobs are laid out at once while fewer are that nobody has taken, if they are wanted.
const OUT_MIN: usize = QUEUED_MAX;

/// What is laid out: the levels from `taken` on and below `split`.
#[derive(Clone, Copy)]
struct Ends {
    taken: usize,
    split: usize,
}

impl Ends {
    fn unpack(word: u64) -> Self {
        Ends { taken: (word >> SPLIT_BITS) as usize, split: (word & ((1 << SPLIT_BITS) - 1)) as usize }
    }

    fn pack(self) -> u64 {
        (self.taken as u64) << SPLIT_BITS | self.split as u64
    }
}

/// A stack of jobs with an owner and thieves.
pub struct Lane<J> {
    /// How many levels there are. The owner's alone.
    top: Cell<usize>,
    /// From this level on `join` leaves no jobs, unless somebody has asked for some. Changed by
    /// read-modify-writes.
    limit: AtomicUsize,
    /// As in `ends`. The owner's alone.
    split: Cell<usize>,
    /// As in `ends`, when the owner looked last. The owner's alone.
    taken: Cell<usize>,
    /// Whether somebody has taken a job or asked for one since the owner last came back to one that nobody had taken.
    /// The owner's alone.
    is_wanted: Cell<bool>,
    /// How many jobs wait at most, if nobody asks.
    queued_max: usize,
    ends: CachePadded<AtomicU64>,
    /// By level. Those below `split` belong to thieves once taken, all others to the owner.
    slots: Box<[UnsafeCell<MaybeUninit<J>>]>,
}

// SAFETY: jobs move between threads. Cells that are the owner's alone are reached through `Own`.
unsafe impl<J: Send> Sync for Lane<J> {}

/// Where the job is to which the owner has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Popped {
    /// With the owner; it is off the lane.
    Own,
    /// With a thief; its level stays until [`Own::settle`].
    Taken,
}

impl<J: Copy> Lane<J> {
    /// A lane of so many levels, on which `queued_max` jobs wait if nobody asks.
    ///
    /// # Panics
    /// If `queued_max` is 0: whoever asks could then get nothing.
    pub fn new(levels: usize, queued_max: usize) -> Self {
        assert!(queued_max > 0, "at least one job must be let wait");
        Lane {
            top: Cell::new(0),
            limit: AtomicUsize::new(queued_max.min(levels)),
            split: Cell::new(0),
            taken: Cell::new(0),
            is_wanted: Cell::new(true),
            queued_max,
            ends: CachePadded::new(AtomicU64::new(0)),
            slots: (0..levels).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect(),
        }
    }

    /// The owner's side.
    ///
    /// # Safety
    /// One thread alone may have it, or several in turn that hear of each other.
    #[inline(always)]
    pub unsafe fn own(&self) -> Own<'_, J> {
        Own { lane: self, one_thread: PhantomData }
    }

    /// Asks the owner to lay out jobs, at its next `join`.
    #[inline]
    pub fn ask(&self) {
        // Relaxed: who asks before it sleeps has put a fence before, who answers puts one behind.
        swap_if_other(&self.limit, ASKED, Ordering::Relaxed);
    }

    /// Whether there is a job to take.
    #[inline]
    pub fn has_jobs(&self) -> bool {
        // Relaxed: who must not miss a job has put a fence before.
        let ends = Ends::unpack(self.ends.load(Ordering::Relaxed));
        ends.taken < ends.split
    }

    /// Takes the oldest job that is laid out.
    pub fn take(&self) -> Option<J> {
        // Relaxed: the compare-and-swap decides.
        let mut word = self.ends.load(Ordering::Relaxed);
        loop {
            let Ends { taken, split } = Ends::unpack(word);
            if taken >= split {
                return None;
            }
            let next = Ends { taken: taken + 1, split }.pack();
            // Acquire: pairs with `LaneOut`, for slot and job.
            let acquire = order(Site::LaneTake, Ordering::Acquire);
            match self.ends.compare_exchange(word, next, acquire, Ordering::Relaxed) {
                Ok(_) => {
                    if split - (taken + 1) < OUT_MIN / 2 {
                        self.ask();
                    }
                    // SAFETY: the owner writes it again only after this job's latch was set.
                    let job = self.slots[taken].with(|slot| unsafe { slot.read() });
                    // SAFETY: what is laid out was pushed.
                    return Some(unsafe { job.assume_init() });
                }
                Err(now) => word = now,
            }
        }
    }
}

/// The owner's side of a lane.
pub struct Own<'a, J> {
    lane: &'a Lane<J>,
    /// Stays with its thread.
    one_thread: PhantomData<*const ()>,
}

impl<J> Clone for Own<'_, J> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<J> Copy for Own<'_, J> {}

impl<J: Copy> Own<'_, J> {
    /// Whether `join` has nothing to do but to run its closures in turn: enough jobs wait, and nobody asks.
    #[inline(always)]
    pub fn is_content(self) -> bool {
        // Relaxed: a hint.
        self.lane.top.get() >= self.lane.limit.load(Ordering::Relaxed)
    }

    /// Whether somebody has asked for jobs.
    #[inline]
    pub fn is_asked(self) -> bool {
        // Relaxed: a hint.
        self.lane.limit.load(Ordering::Relaxed) == ASKED
    }

    /// Whether fewer jobs wait than should, and there is a level for one more.
    #[inline]
    pub fn has_room(self) -> bool {
        let top = self.lane.top.get();
        top - self.lane.taken.get() < self.lane.queued_max && top < self.lane.slots.len()
    }

    /// How many levels there are.
    pub fn levels(self) -> usize {
        self.lane.top.get()
    }

    /// Puts a job on the next level. There must be one left.
    #[inline]
    pub fn push(self, job: J) {
        let level = self.lane.top.get();
        // SAFETY: the owner's own from `split` on.
        self.lane.slots[level].with_mut(|slot| unsafe { *slot = MaybeUninit::new(job) });
        self.lane.top.set(level + 1);
    }

    /// Looks how many jobs are taken.
    pub fn look(self) {
        // Relaxed: a number. It is between what the owner saw last and `split`.
        self.lane.taken.set(Ends::unpack(self.lane.ends.load(Ordering::Relaxed)).taken);
        self.update_limit();
    }

    /// Takes back the request of who has asked. Sleepers must be told of work after that.
    pub fn answer(self) {
        // `Sleep::work_is_there` follows, or `work_is_laid_out`, for which this must be a barrier.
        self.lane.limit.swap(self.limit_now(), as_barrier(Ordering::Relaxed));
    }

    /// Lays out the owner's own jobs, oldest first: as many as should be at once, and half of them if somebody
    /// has asked. Returns whether sleepers must be told; a request stays if no job waits.
    #[inline]
    pub fn share(self) -> bool {
        let lane = self.lane;
        let asked = self.is_asked();
        if asked {
            self.look();
            if lane.taken.get() == lane.top.get() {
                return false;
            }
            self.answer();
            lane.is_wanted.set(true);
        }
        let own = lane.top.get() - lane.split.get();
        let out = lane.split.get() - lane.taken.get();
        let out_min = if lane.is_wanted.get() { OUT_MIN } else { 1 };
        let count = out_min.saturating_sub(out).max(if asked { own.div_ceil(2) } else { 0 }).min(own);
        if count > 0 {
            lane.split.set(lane.split.get() + count);
            // Release: pairs with `LaneTake`, for slots and jobs. A barrier for `Sleep::work_is_laid_out`, which
            // follows.
            lane.ends.fetch_add(count as u64, as_barrier(order(Site::LaneOut, Ordering::Release)));
        }
        asked || count > 0
    }

    /// Returns to the topmost level, which must be there.
    #[inline]
    pub fn pop(self) -> Popped {
        let level = self.lane.top.get() - 1;
        if level < self.lane.split.get() {
            return self.pop_laid_out(level);
        }
        self.lane.top.set(level);
        Popped::Own
    }

    fn pop_laid_out(self, level: usize) -> Popped {
        let lane = self.lane;
        // Relaxed throughout: of what nobody took, nobody has read anything.
        let mut word = Ends { taken: lane.taken.get(), split: level + 1 }.pack();
        let next = loop {
            let Ends { taken, split } = Ends::unpack(word);
            debug_assert_eq!(split, level + 1, "the owner returns to one level after the other");
            if taken > level {
                return Popped::Taken;
            }
            let next = Ends { taken, split: level };
            match lane.ends.compare_exchange(word, next.pack(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break next,
                Err(now) => word = now,
            }
        };
        lane.is_wanted.set(next.taken != lane.taken.get());
        self.stand_at(level, next);
        Popped::Own
    }

    /// Gives up the topmost level, whose job was taken and has ended.
    pub fn settle(self) {
        let level = self.lane.top.get() - 1;
        let ends = Ends { taken: level, split: level };
        // Relaxed: nothing is laid out, so nobody takes anything by this word.
        self.lane.ends.swap(ends.pack(), Ordering::Relaxed);
        self.lane.is_wanted.set(true);
        self.stand_at(level, ends);
    }

    fn stand_at(self, level: usize, ends: Ends) {
        self.lane.top.set(level);
        self.lane.split.set(ends.split);
        if self.lane.taken.replace(ends.taken) != ends.taken {
            self.update_limit();
        }
    }

    /// The limit if nobody asks.
    fn limit_now(self) -> usize {
        self.lane.taken.get().saturating_add(self.lane.queued_max).min(self.lane.slots.len())
    }

    /// Brings the limit into line with `taken`; a request stays.
    fn update_limit(self) {
        // Relaxed: nothing is learnt from it.
        let now = self.lane.limit.load(Ordering::Relaxed);
        let next = self.limit_now();
        if now != ASKED && now != next {
            // It fails if somebody asks meanwhile.
            let _asked = self.lane.limit.compare_exchange(now, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}
