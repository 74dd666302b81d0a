//! One word of a slot: bytes of a task, some of them perhaps padding, that thieves may read while the owner
//! writes others.
//!
//! To read an uninitialised byte as an integer is undefined behaviour, and so is a race of plain accesses,
//! even where what was read is thrown away. What is left is an atomic access to bytes that may be
//! uninitialised, which the standard library lacks and `atomic-maybe-uninit` has (one instruction of
//! assembly each). The checkers and Miri cannot follow assembly: there a word is an atomic pointer, which
//! keeps provenance but no padding. What a task leaves of its last word is initialised there ([`blank`]); types that
//! have padding inside are not for them.

use core::mem::MaybeUninit;

#[cfg(not(any(steal_loom, steal_shuttle, miri)))]
mod body {
    use core::mem::MaybeUninit;
    use core::sync::atomic::Ordering;

    use atomic_maybe_uninit::AtomicMaybeUninit;

    #[repr(transparent)]
    pub(crate) struct Word(AtomicMaybeUninit<usize>);

    impl Word {
        #[inline(always)]
        pub(super) const fn new() -> Self {
            Word(AtomicMaybeUninit::new(MaybeUninit::uninit()))
        }

        #[inline(always)]
        pub(crate) fn load(&self) -> MaybeUninit<usize> {
            self.0.load(Ordering::Relaxed)
        }

        #[inline(always)]
        pub(crate) fn store(&self, bytes: MaybeUninit<usize>) {
            self.0.store(bytes, Ordering::Relaxed);
        }

        #[inline(always)]
        pub(crate) unsafe fn own(&self) -> MaybeUninit<usize> {
            // SAFETY: the pointer is aligned and valid, and the caller says that nobody writes meanwhile.
            unsafe { self.0.as_ptr().read() }
        }
    }
}

#[cfg(any(steal_loom, steal_shuttle, miri))]
mod body {
    use core::mem::{self, MaybeUninit};

    use super::super::body::{AtomicPtr, Ordering, Reads};

    pub(crate) struct Word {
        bytes: AtomicPtr<()>,
        reads: Reads,
    }

    impl Word {
        pub(super) fn new() -> Self {
            Word { bytes: AtomicPtr::new(core::ptr::null_mut()), reads: Reads::new() }
        }

        pub(crate) fn load(&self) -> MaybeUninit<usize> {
            let bytes = self.bytes.load(Ordering::Relaxed);
            self.reads.read(bytes.addr());
            // SAFETY: both are a word of bytes, and any bytes are a `MaybeUninit`.
            unsafe { mem::transmute(bytes) }
        }

        pub(crate) fn store(&self, bytes: MaybeUninit<usize>) {
            // SAFETY: models hold types without padding, and what those leave of a word is initialised (`blank`).
            let bytes = unsafe { mem::transmute::<MaybeUninit<usize>, *mut ()>(bytes) };
            self.reads.written(bytes.addr());
            self.bytes.store(bytes, Ordering::Relaxed);
        }

        pub(crate) unsafe fn own(&self) -> MaybeUninit<usize> {
            // SAFETY: as above.
            unsafe { mem::transmute(self.bytes.load(Ordering::Relaxed)) }
        }
    }
}

pub(crate) use body::Word;

/// Words that hold nothing yet.
pub(crate) fn words(count: usize) -> Box<[Word]> {
    (0..count).map(|_| Word::new()).collect()
}

/// The bytes of a word before a task is written there, none of them initialised.
#[cfg(not(any(steal_loom, steal_shuttle, miri)))]
#[inline(always)]
pub(crate) const fn blank() -> MaybeUninit<usize> {
    MaybeUninit::uninit()
}

/// The bytes of a word before a task is written there, all of them initialised: a pointer is made of them.
#[cfg(any(steal_loom, steal_shuttle, miri))]
pub(crate) const fn blank() -> MaybeUninit<usize> {
    MaybeUninit::new(0)
}
