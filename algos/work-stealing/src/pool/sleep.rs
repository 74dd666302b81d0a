//! How idle threads look for work, go to sleep and are woken.
//!
//! An idle thread is first a *searcher*: it looks around for a while, and asks busy members for jobs. Searchers
//! are counted, and at most half of the crew are at once; who is one too many goes to sleep. Then it is a
//! *sleeper*: it stands in a list, and costs nothing.
//!
//! Who publishes work wakes one sleeper if nobody searches, which is a searcher from then on. One is enough: the
//! last searcher that finds work looks whether there is more, and wakes the next.
//!
//! ```text
//! searcher                               who publishes
//! 1  searching − 1, in the list          1  publish work
//! 2  fence (lie down, search)            2  fence (work)
//! 3  is there work? then no sleep        3  somebody searches? then it will see to it
//! 4  sleep                               4  sleepers? then wake one
//! ```
//!
//! One fence comes first in the single order of sequentially consistent fences. If the searcher's does, who
//! publishes sees that it searches no more and wakes somebody; if the other's does, the searcher's step 3
//! sees the work. It is the same with a searcher that stops because it found other work: it looks too, after its
//! fence, and wakes another if it was the last.
//!
//! **Requests.** Work on lanes is published on request only. While anybody sleeps, every member is asked for jobs
//! or somebody searches: a sleeper asks all after it has entered the list; who answers a request has work for
//! which it wakes a sleeper if nobody searches; and the last searcher asks all when it stops, be it to sleep or to
//! work. So no member works on its own while others sleep, however long ago they asked, and it is asked at most
//! once for each job taken or each sleeper woken.
//!
//! Every sleep is in the list, that for a latch too: there is one way to wake up. A wake-up that comes too late
//! ends the next sleep early, which costs one more look.
//!
//! # Verification
//! `tests/loom`: one sleeper, also twice, and two against who publishes, a searcher that stops meanwhile;
//! `tests/stateright`: two, of whom one is woken and wakes the other; `tests/shuttle.rs`: closures that wait for each
//! other on as many threads. That requests stay, and that a sleeper asks, is argued above, and no test can fail without
//! it: it keeps members from being idle beside work that nobody has laid out, which is a matter of time. Why nothing
//! worse comes of it says the zoo (`sleeper-that-does-not-ask`).

use std::sync::PoisonError;

use crate::sync::{
    AtomicUsize, BEHIND_BARRIER, Condvar, Mutex, MutexGuard, Ordering, Site, fence, fence_behind_barrier,
    lock_over,
};

/// In `counts`: one searcher. Below it sleepers are counted.
const SEARCHER: usize = 1 << (usize::BITS / 2);
const SLEEPER: usize = 1;

fn searchers(counts: usize) -> usize {
    counts / SEARCHER
}

fn sleepers(counts: usize) -> usize {
    counts % SEARCHER
}

/// Where a member sleeps.
struct Bed {
    /// Whether it was woken.
    woken: Mutex<bool>,
    changed: Condvar,
}

/// The idle ones of a crew.
pub struct Sleep {
    /// How many search and how many sleep.
    counts: AtomicUsize,
    /// Who sleeps; its length is counted above.
    list: Mutex<Vec<usize>>,
    beds: Box<[Bed]>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sleep {
    /// Beds for so many.
    pub fn new(members: usize) -> Self {
        let bed = |_| Bed { woken: lock_over(false), changed: Condvar::new() };
        Sleep {
            counts: AtomicUsize::new(0),
            list: lock_over(Vec::with_capacity(members)),
            beds: (0..members).map(bed).collect(),
        }
    }

    /// Begins a search; false if enough others do.
    pub fn start_search(&self) -> bool {
        // Relaxed: a number; who must not miss it has put a fence before.
        let mut counts = self.counts.load(Ordering::Relaxed);
        while 2 * searchers(counts) < self.beds.len() {
            let next = counts + SEARCHER;
            match self.counts.compare_exchange(counts, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => counts = now,
            }
        }
        false
    }

    /// Ends a search, but for that of a sleeper-to-be. True if nobody else searches and somebody sleeps: then
    /// the caller must ask all members for jobs, and wake another if there is work.
    #[must_use]
    pub fn stop_search(&self) -> bool {
        // Relaxed: ordered by the fence.
        let before = self.counts.fetch_sub(SEARCHER, Ordering::Relaxed);
        let last = searchers(before) == 1 && sleepers(before) > 0;
        if last {
            // Pairs with `WorkBarrier`.
            fence(Site::SearchBarrier, Ordering::SeqCst);
        }
        last
    }

    /// Enters the list. Afterwards the member must ask all others for jobs and look for work once more, before
    /// it sleeps.
    pub fn lie_down(&self, member: usize, searching: bool) {
        let mut list = lock(&self.list);
        list.push(member);
        // Relaxed: ordered by the fence.
        let searcher = if searching { SEARCHER } else { 0 };
        self.counts.fetch_add(SLEEPER.wrapping_sub(searcher), Ordering::Relaxed);
        drop(list);
        // Pairs with `WorkBarrier`.
        fence(Site::LieDownBarrier, Ordering::SeqCst);
    }

    /// Sleeps until woken.
    pub fn sleep(&self, member: usize) {
        let bed = &self.beds[member];
        let mut woken = lock(&bed.woken);
        while !*woken {
            woken = bed.changed.wait(woken).unwrap_or_else(PoisonError::into_inner);
        }
        *woken = false;
    }

    /// Leaves the list, unless another has taken the member out of it. Either way it is a searcher from here on:
    /// the work that kept it from sleeping may be more than it takes, and who published that may have relied on it.
    pub fn get_up(&self, member: usize) {
        let mut list = lock(&self.list);
        if let Some(place) = list.iter().position(|&other| other == member) {
            list.swap_remove(place);
            // Relaxed: ordered by the fence at the end of the search.
            self.counts.fetch_add(SEARCHER - SLEEPER, Ordering::Relaxed);
        }
    }

    /// Wakes a sleeper if there is one and nobody searches. Call it after publishing work.
    #[inline]
    pub fn work_is_there(&self) {
        // Pairs with `LieDownBarrier` and `SearchBarrier`.
        fence(Site::WorkBarrier, Ordering::SeqCst);
        // Relaxed: ordered by the fence.
        self.wake_if_nobody_searches(self.counts.load(Ordering::Relaxed));
    }

    /// As [`work_is_there`](Self::work_is_there), right behind a read-modify-write that published the work as a
    /// barrier ([`as_barrier`](crate::sync::as_barrier)).
    #[inline]
    pub fn work_is_laid_out(&self) {
        // Pairs as above.
        fence_behind_barrier(Site::WorkBarrier);
        self.wake_if_nobody_searches(self.counts.load(BEHIND_BARRIER));
    }

    #[inline]
    fn wake_if_nobody_searches(&self, counts: usize) {
        if searchers(counts) == 0 && sleepers(counts) > 0 {
            self.wake_any();
        }
    }

    /// Wakes a sleeper, if nobody searches by now.
    #[cold]
    fn wake_any(&self) {
        let mut list = lock(&self.list);
        // Relaxed: as above. Who is woken is a searcher from here on, so that others wake nobody else.
        if searchers(self.counts.load(Ordering::Relaxed)) == 0
            && let Some(member) = list.pop()
        {
            self.counts.fetch_add(SEARCHER - SLEEPER, Ordering::Relaxed);
            drop(list);
            self.rouse(member);
        }
    }

    /// Wakes this member if it sleeps. What the caller did before is seen by the member's look for work or after
    /// it woke up.
    pub fn wake(&self, member: usize) {
        let mut list = lock(&self.list);
        if let Some(place) = list.iter().position(|&other| other == member) {
            list.swap_remove(place);
            // Relaxed: as above.
            self.counts.fetch_add(SEARCHER - SLEEPER, Ordering::Relaxed);
            drop(list);
            self.rouse(member);
        }
    }

    fn rouse(&self, member: usize) {
        let bed = &self.beds[member];
        *lock(&bed.woken) = true;
        bed.changed.notify_one();
    }
}
