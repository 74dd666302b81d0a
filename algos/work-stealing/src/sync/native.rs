//! Production: std's primitives, and nothing that costs.

use core::cell;

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::thread_local;

use std::sync::LazyLock;

use super::Site;
use crate::hazard::Registry;

/// Slots of the smallest buffer of a Chase–Lev deque.
pub(crate) const CAPACITY_MIN: usize = 64;
/// Slots that a split deque lays out for thieves.
pub(crate) const SHARED: usize = 64;
/// Slots of an injector's block.
pub(crate) const BLOCK: usize = 62;
/// How often a consumer looks at a slot that is being filled before it passes over it.
pub(crate) const PATIENCE: usize = 64;

/// The ordering of an access: the one that stands beside its name.
#[inline(always)]
pub(crate) const fn order(_site: Site, strong: Ordering) -> Ordering {
    strong
}

/// A fence.
#[inline(always)]
pub(crate) fn fence(_site: Site, strong: Ordering) {
    core::sync::atomic::fence(strong);
}

/// Sets a flag that is a hint, without a write if it is set.
#[inline]
pub(crate) fn raise(flag: &AtomicBool) {
    if !flag.load(Ordering::Relaxed) {
        flag.store(true, Ordering::Relaxed);
    }
}

/// The seats of all threads of the process.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);
    &REGISTRY
}

/// Frees what [`Box::into_raw`] gave.
///
/// # Safety
/// As for [`Box::from_raw`].
pub(crate) unsafe fn discard<T>(memory: *mut T) {
    // SAFETY: the caller's.
    drop(unsafe { Box::from_raw(memory) });
}

/// Notes memory that stays for as long as the process.
pub(crate) fn keep<T>(_memory: *mut T) {}

/// Whether memory that others may still read has been freed; nothing in production.
#[derive(Debug)]
pub(crate) struct Life;

#[expect(clippy::unused_self, reason = "the checkers' has something to look at")]
impl Life {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Life
    }

    /// Says that the memory is read.
    #[inline(always)]
    pub(crate) fn assert_alive(&self) {}

    /// Says that the memory is freed.
    #[inline(always)]
    pub(crate) fn end(&self) {}
}

/// A cell whose every access the checkers see.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    #[inline(always)]
    pub(crate) const fn new(value: T) -> Self {
        UnsafeCell(cell::UnsafeCell::new(value))
    }

    /// Reads through a pointer that must not outlive the closure.
    #[inline(always)]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Writes through a pointer that must not outlive the closure.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}
