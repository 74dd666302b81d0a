//! Production: std's primitives, and nothing that costs. Miri interprets this, too, with buffers as small as those of
//! the checkers, so that few tasks come by all that there is.

use core::cell;
use core::hash::Hash;

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use std::thread_local;

use std::sync::{Arc, LazyLock, OnceLock};
use std::{io, thread};

use super::Site;
use crate::hazard::Registry;
use crate::pool::Crew;

/// Slots of the smallest buffer of a Chase–Lev deque.
pub(crate) const CAPACITY_MIN: usize = if cfg!(miri) { 2 } else { 64 };
/// Slots that a split deque lays out for thieves.
pub(crate) const SHARED: usize = if cfg!(miri) { 4 } else { 64 };
/// Slots of an injector's block.
pub(crate) const BLOCK: usize = if cfg!(miri) { 3 } else { 62 };
/// How often a consumer looks at a slot that is being filled before it passes over it.
pub(crate) const PATIENCE: usize = if cfg!(miri) { 2 } else { 64 };

/// Jobs that a `join` may leave on a lane.
pub(crate) const LANE: usize = if cfg!(miri) { 8 } else { 1_024 };
/// Jobs that wait on a lane before `join` runs both closures itself, unless told otherwise.
pub(crate) const QUEUED_MAX: usize = 4;
/// How often an idle thread looks around before it goes to sleep.
pub(crate) const ROUNDS: u32 = if cfg!(miri) { 4 } else { 40 };

/// The ordering of an access: the one that stands beside its name.
#[inline(always)]
pub(crate) const fn order(_site: Site, strong: Ordering) -> Ordering {
    strong
}

/// A fence.
#[inline(always)]
pub(crate) fn fence(_site: Site, strong: Ordering) {
    core::sync::atomic::fence(strong);
    // ThreadSanitizer sees no fences. What they order, accesses to one word order for it.
    #[cfg(steal_sanitized)]
    {
        static FENCES: AtomicU64 = AtomicU64::new(0);
        FENCES.fetch_add(1, Ordering::AcqRel);
    }
}

/// The ordering of a read-modify-write between which and a later load with [`BEHIND_BARRIER`] nothing passes: on most
/// processors it is the barrier itself, and a fence would be a second one.
///
/// It is one against a thread that has the fence in between, too: in the single order of sequentially consistent
/// operations this access comes before the load, and if that thread's load misses this access, its fence comes before
/// it; then its own access, which comes before the fence, cannot be missed by the load here.
#[inline(always)]
pub(crate) const fn as_barrier(_order: Ordering) -> Ordering {
    Ordering::SeqCst
}

/// The ordering of a load behind such an access.
pub(crate) const BEHIND_BARRIER: Ordering = Ordering::SeqCst;

/// The fence of checkers that know sequential consistency of fences alone.
#[inline(always)]
pub(crate) const fn fence_behind_barrier(_site: Site) {}

/// A cell for each thread, as cheap as can be.
macro_rules! thread_cell {
    ($name:ident: $type:ty = $initial:expr) => {
        std::thread_local! {
            static $name: core::cell::Cell<$type> = const { core::cell::Cell::new($initial) };
        }
    };
}
pub(crate) use thread_cell;

/// Gives a hint this value, without a write if it has it.
#[inline]
pub(crate) fn set_if_other(hint: &AtomicU64, value: u64) {
    if hint.load(Ordering::Relaxed) != value {
        hint.store(value, Ordering::Relaxed);
    }
}

/// Gives a flag of several values this one, without a write if it has it.
#[inline]
pub(crate) fn swap_if_other(flag: &AtomicUsize, value: usize, order: Ordering) {
    if flag.load(Ordering::Relaxed) != value {
        flag.swap(value, order);
    }
}

/// The seats of all threads of the process.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);
    &REGISTRY
}

/// The pool of those who are in none.
pub(crate) fn global_crew() -> &'static OnceLock<Arc<Crew>> {
    static GLOBAL: OnceLock<Arc<Crew>> = OnceLock::new();
    &GLOBAL
}

/// A lock whose value is what it looks like, whoever wrote it; for those who trace.
pub(crate) fn lock_over<T: Hash>(value: T) -> Mutex<T> {
    Mutex::new(value)
}

/// Starts a thread.
pub(crate) fn spawn_thread(
    name: Option<String>,
    stack_size: Option<usize>,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let mut builder = thread::Builder::new();
    if let Some(name) = name {
        builder = builder.name(name);
    }
    if let Some(stack_size) = stack_size {
        builder = builder.stack_size(stack_size);
    }
    builder.spawn(run).map(drop)
}

/// Lets time pass between two looks, more of it the later the round.
#[inline]
pub(crate) fn pause(round: u32) {
    // About a tenth of a microsecond to a microsecond; then others may need the processor.
    if round < ROUNDS / 2 {
        (0..1 << (2 + round / 4).min(5)).for_each(|_| spin_loop());
    } else {
        thread::yield_now();
    }
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

/// Who reads a word and when: loom's matter.
#[cfg(miri)]
pub(crate) struct Reads;

#[cfg(miri)]
impl Reads {
    pub(crate) fn new() -> Self {
        Reads
    }

    pub(crate) fn read(&self, _bytes: usize) {}

    pub(crate) fn written(&self, _bytes: usize) {}
}
