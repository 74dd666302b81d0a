//! Memory that others may still read is freed once nobody does: hazard pointers \[M04].
//!
//! A thread that is about to read through a pointer that it found in a shared place first *announces* the
//! pointer in a place of its own, then makes sure that the shared place still holds it. Whoever takes the
//! pointer out of the shared place (*unlinks* it) looks through all announcements before freeing:
//!
//! ```text
//! reader                                  who frees
//! 1  announce p                           1  unlink p
//! 2  fence (announce)                     2  fence (scan)
//! 3  is p still linked? else begin again  3  does anybody announce p? then keep it for later
//! 4  read through p                       4  free p
//! 5  withdraw, or announce another
//! ```
//!
//! One fence comes first in the single order of sequentially consistent fences. If the reader's does, the
//! scan sees the announcement, or what the reader wrote there after it was done; that write is a release and
//! the scan an acquire, so that all reads come before the freeing. If the scan's fence does, the reader's
//! second look sees that p is unlinked. Should p be linked in the shared place again, it is because it was
//! freed and given out anew: then the announcement holds for the new memory at that address.
//!
//! An announcement may stay after its reader is done. It costs the memory behind it, and it spares the fence
//! when the thread comes back to the same place: what was announced before its fence and is found linked
//! after it is protected, however long ago the announcement was made ([`Seat::protect`]).
//!
//! Each thread has one [`Seat`], found through a thread-local, with one announcement per [`Role`]. Seats are
//! linked in a list that only grows; a thread that ends leaves its seat to another, so that there are as many
//! as there ever were threads at once. A thread that stops for ever inside an operation keeps what it has
//! announced, one buffer or block per role, and nothing else: nobody waits for it.
//!
//! # Verification
//! `tests/loom` has models of a reader and one who frees, of seats that are left and taken, and all models
//! of growing deques and of the injector go through here, with a cell in each buffer and block that is
//! written when it is freed and read at each use. `tests/shuttle.rs` freezes threads at every step.

use core::ptr;

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicBool, AtomicPtr, Ordering, Site, fence, keep, order, registry, thread_local};

/// What a thread reads at once, at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The buffer that it steals from.
    Thief,
    /// The injector's block that it pushes into.
    Producer,
    /// The injector's block that it steals from.
    Consumer,
}

const ROLES: usize = 3;

/// A thread's place for announcements.
pub(crate) struct Seat {
    /// By role; null announces nothing. Written by the thread that holds the seat.
    announced: [AtomicPtr<()>; ROLES],
    /// Whether a thread holds it.
    taken: AtomicBool,
    /// The seat that was there before; never changes once this one is in the list.
    next: *mut Seat,
}

impl Seat {
    /// Says that the thread is about to read through `pointer`, and has done with what it announced before.
    /// A fence and a second look at where the pointer came from must follow before it does.
    #[inline]
    pub(crate) fn announce<T>(&self, role: Role, pointer: *mut T) {
        // Release: pairs with the scan's acquire, for the reads of what was announced before.
        self.announced[role as usize].store(pointer.cast(), order(Site::Announce, Ordering::Release));
    }

    /// Says that the thread reads nothing in this role.
    #[inline]
    pub(crate) fn withdraw(&self, role: Role) {
        // Release: pairs with the scan's acquire, for the reads until now.
        self.announced[role as usize].store(ptr::null_mut(), order(Site::Withdraw, Ordering::Release));
    }

    /// The pointer in `place`, announced, so that it stays valid until this seat announces another in this
    /// role or withdraws. Costs a fence if it was not announced already.
    #[inline]
    pub(crate) fn protect<T>(&self, role: Role, place: &AtomicPtr<T>) -> *mut T {
        let announced = &self.announced[role as usize];
        // Acquire: pairs with the release that linked it, for what it points to.
        let mut pointer = place.load(order(Site::BlockLook, Ordering::Acquire));
        // Relaxed: this thread alone writes it.
        while announced.load(Ordering::Relaxed) != pointer.cast() {
            self.announce(role, pointer);
            // Pairs with the fence `ScanBarrier`.
            fence(Site::AnnounceBarrier, Ordering::SeqCst);
            // As above.
            pointer = place.load(order(Site::BlockLook, Ordering::Acquire));
        }
        pointer
    }
}

/// All seats.
pub(crate) struct Registry {
    newest: AtomicPtr<Seat>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Registry { newest: AtomicPtr::new(ptr::null_mut()) }
    }

    fn seats(&self) -> impl Iterator<Item = &'static Seat> {
        // Acquire: pairs with `SeatLink`, for the seat's content.
        let mut seat = self.newest.load(order(Site::SeatList, Ordering::Acquire));
        core::iter::from_fn(move || {
            // SAFETY: seats are never freed, and complete when they enter the list.
            let current: &'static Seat = unsafe { seat.as_ref() }?;
            seat = current.next;
            Some(current)
        })
    }

    /// A seat that nobody holds.
    fn sit(&self) -> &'static Seat {
        for seat in self.seats() {
            // Relaxed: a hint.
            let free = !seat.taken.load(Ordering::Relaxed);
            // Acquire: pairs with `SeatLeave`, so that the announcements of the last holder come before ours.
            let acquire = order(Site::SeatTake, Ordering::Acquire);
            if free && seat.taken.compare_exchange(false, true, acquire, Ordering::Relaxed).is_ok() {
                return seat;
            }
        }
        let seat = Box::into_raw(Box::new(CachePadded::new(Seat {
            announced: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            taken: AtomicBool::new(true),
            next: ptr::null_mut(),
        })));
        keep(seat);
        // A padded value begins where its padding does.
        let seat: *mut Seat = seat.cast();
        // Relaxed: the seats before are only linked to, not looked into.
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            // SAFETY: nobody else knows the seat yet.
            unsafe { (*seat).next = newest };
            // Release: pairs with `SeatList`. Earlier seats are passed on too: each link is a
            // read-modify-write, which continues the release sequences of those before it.
            let release = order(Site::SeatLink, Ordering::Release);
            match self.newest.compare_exchange(newest, seat, release, Ordering::Relaxed) {
                // SAFETY: never freed, and from here on only written through atomics.
                Ok(_) => return unsafe { &*seat },
                Err(now) => newest = now,
            }
        }
    }

    /// Calls `free` for those of `unlinked` that nobody announces and keeps the others. They must have been
    /// unlinked by this thread, or by others before it heard of them.
    pub(crate) fn free_unannounced<T>(&self, unlinked: &mut Vec<*mut T>, mut free: impl FnMut(*mut T)) {
        // Pairs with the fence of a thread that announces.
        fence(Site::ScanBarrier, Ordering::SeqCst);
        unlinked.retain(|&pointer| {
            let announced = self.seats().any(|seat| {
                seat.announced.iter().any(|place| {
                    // Acquire: pairs with the releases in `announce` and `withdraw`.
                    place.load(order(Site::Scan, Ordering::Acquire)) == pointer.cast()
                })
            });
            if !announced {
                free(pointer);
            }
            announced
        });
    }

    /// How many seats there are, taken or not.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.seats().count()
    }
}

/// A seat that is left when this is dropped.
struct Taken(&'static Seat);

impl Taken {
    fn take() -> Self {
        Taken(registry().sit())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for role in [Role::Thief, Role::Producer, Role::Consumer] {
            self.0.withdraw(role);
        }
        // Release: pairs with `SeatTake`.
        self.0.taken.store(false, order(Site::SeatLeave, Ordering::Release));
    }
}

thread_local! {
    static SEAT: Taken = Taken::take();
}

/// Calls `read` with this thread's seat.
#[inline]
pub(crate) fn with_seat<R>(read: impl FnOnce(&Seat) -> R) -> R {
    match SEAT.try_with(|taken| taken.0) {
        Ok(seat) => read(seat),
        // The thread is ending and has left its seat: a seat for this once.
        Err(_) => read(Taken::take().0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn threads_that_follow_each_other_share_a_seat() {
        let registry: &'static Registry = Box::leak(Box::new(Registry::new()));
        for _ in 0..100 {
            thread::spawn(|| drop(Taken(registry.sit()))).join().expect("it does not panic");
        }
        assert_eq!(registry.len(), 1);
        let first = Taken(registry.sit());
        let second = Taken(registry.sit());
        assert!(!ptr::eq(first.0, second.0), "two at once have one each");
        assert_eq!(registry.len(), 2);
    }

    #[test]
    fn what_is_announced_is_kept_and_everything_else_freed() {
        let registry: &'static Registry = Box::leak(Box::new(Registry::new()));
        let seat = Taken(registry.sit());
        let mut values = [1, 2, 3];
        let [one, two, three] = values.each_mut().map(ptr::from_mut);
        let place = AtomicPtr::new(two);
        assert_eq!(seat.0.protect(Role::Consumer, &place), two);
        let mut unlinked = vec![one, two, three];
        let mut freed = Vec::new();
        registry.free_unannounced(&mut unlinked, |pointer| freed.push(pointer));
        assert_eq!((freed, &unlinked), (vec![one, three], &vec![two]));
        drop(seat);
        registry.free_unannounced(&mut unlinked, |_| ());
        assert!(unlinked.is_empty());
    }
}
