//! Loom: every interleaving, weak memory included.

use core::cell::{Cell, RefCell};
use core::hash::Hash;
use std::collections::BTreeMap;

pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use loom::thread::yield_now as spin_loop;
pub(crate) use loom::thread_local;

use std::io;
use std::sync::{Arc, OnceLock};

use super::Site;
use super::grave::bury;
use crate::hazard::Registry;
use crate::pool::Crew;

pub(crate) const CAPACITY_MIN: usize = 2;
pub(crate) const SHARED: usize = 2;
pub(crate) const BLOCK: usize = 2;
pub(crate) const PATIENCE: usize = 0;
pub(crate) const LANE: usize = 4;
pub(crate) const QUEUED_MAX: usize = 2;
pub(crate) const ROUNDS: u32 = 0;

std::thread_local! {
    static WEAKENED: Cell<Option<(Site, Ordering)>> = const { Cell::new(None) };
    static MET: RefCell<BTreeMap<Site, Ordering>> = const { RefCell::new(BTreeMap::new()) };
}

/// Runs `model` with one site weakened to `ordering`; a fence that is weakened to `Relaxed` is absent.
pub fn weakened<T>(site: Site, ordering: Ordering, model: impl FnOnce() -> T) -> T {
    WEAKENED.set(Some((site, ordering)));
    let result = model();
    WEAKENED.set(None);
    result
}

/// The sites that this thread's models have come by since the last call, with the orderings that stand there.
pub fn sites_met() -> BTreeMap<Site, Ordering> {
    MET.take()
}

pub(crate) fn order(site: Site, strong: Ordering) -> Ordering {
    MET.with_borrow_mut(|met| met.insert(site, strong));
    match WEAKENED.get() {
        Some((weak, ordering)) if weak == site => ordering,
        _ => strong,
    }
}

loom::lazy_static! {
    /// How many sequentially consistent fences there were.
    static ref FENCES: AtomicUsize = AtomicUsize::new(0);
}

/// Makes what would else be made at its first use: loom orders all who use it behind that, though it may be a look in
/// front of a fence.
pub(crate) fn make_shared() {
    let _fences: &AtomicUsize = &FENCES;
    let _seats = registry();
}

pub(crate) fn fence(site: Site, strong: Ordering) {
    let ordering = order(site, strong);
    if strong == Ordering::SeqCst {
        // Loom takes no turn at a fence and knows of no dependence between two. This gives it both, and
        // orders nothing else.
        FENCES.fetch_add(1, Ordering::Relaxed);
    }
    if ordering != Ordering::Relaxed {
        loom::sync::atomic::fence(ordering);
    }
}

pub(crate) const BEHIND_BARRIER: Ordering = Ordering::Relaxed;

pub(crate) const fn as_barrier(order: Ordering) -> Ordering {
    order
}

pub(crate) fn fence_behind_barrier(site: Site) {
    fence(site, Ordering::SeqCst);
}

macro_rules! thread_cell {
    ($name:ident: $type:ty = $initial:expr) => {
        $crate::sync::thread_local! {
            static $name: core::cell::Cell<$type> = core::cell::Cell::new($initial);
        }
    };
}
pub(crate) use thread_cell;

pub(crate) fn set_if_other(hint: &AtomicU64, value: u64) {
    hint.store(value, Ordering::Relaxed);
}

pub(crate) fn swap_if_other(flag: &AtomicUsize, value: usize, order: Ordering) {
    flag.swap(value, order);
}

pub(crate) fn registry() -> &'static Registry {
    loom::lazy_static! {
        static ref REGISTRY: Registry = Registry::new();
    }
    &REGISTRY
}

pub(crate) fn global_crew() -> &'static OnceLock<Arc<Crew>> {
    panic!("a model makes its own pool")
}

pub(crate) fn lock_over<T: Hash>(value: T) -> Mutex<T> {
    Mutex::new(value)
}

pub(crate) fn spawn_thread(
    name: Option<String>,
    _stack_size: Option<usize>,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let mut builder = loom::thread::Builder::new();
    if let Some(name) = name {
        builder = builder.name(name);
    }
    builder.spawn(run).map(drop)
}

pub(crate) fn pause(_round: u32) {
    spin_loop();
}

pub(crate) unsafe fn discard<T>(memory: *mut T) {
    bury(memory);
}

pub(crate) fn keep<T>(memory: *mut T) {
    bury(memory);
}

/// Whether memory that others may still read has been freed: a cell, so that loom tries both orders.
pub(crate) struct Life(UnsafeCell<bool>);

impl Life {
    pub(crate) fn new() -> Self {
        let life = UnsafeCell::new(false);
        // A write, so that whoever looks must have heard of it.
        // SAFETY: nobody else knows the cell yet.
        life.with_mut(|alive| unsafe { *alive = true });
        Life(life)
    }

    pub(crate) fn assert_alive(&self) {
        // SAFETY: loom sees to it that nobody writes meanwhile.
        assert!(self.0.with(|alive| unsafe { *alive }), "used after it was freed");
    }

    pub(crate) fn end(&self) {
        // What a failed execution drops is not judged: to panic again would end the process.
        if std::thread::panicking() {
            return;
        }
        self.0.with_mut(|alive| {
            // SAFETY: loom sees to it that nobody else looks meanwhile.
            assert!(unsafe { alive.replace(false) }, "freed twice");
        });
    }
}

std::thread_local! {
    static TRACED: Cell<bool> = const { Cell::new(false) };
    static OVERWRITTEN: RefCell<Vec<(usize, bool)>> = const { RefCell::new(Vec::new()) };
}

/// Follows the reads of words from here to the end of the execution, for [`overwritten`].
pub fn trace_reads() {
    TRACED.set(true);
    OVERWRITTEN.with_borrow_mut(Vec::clear);
}

/// What words of slots held when they were written again, and whether it had been read by then: for sure, not merely
/// in this execution. Ends the following.
pub fn overwritten() -> Vec<(usize, bool)> {
    TRACED.set(false);
    OVERWRITTEN.take()
}

/// Whether a word's content was read before it was written again.
///
/// Loom carries out loads where they stand and never after later stores, so that a read which nothing keeps from coming
/// too late comes in time. Here whoever reads leaves a mark behind the read, and whoever writes again looks at it: if
/// nothing orders the two, loom tries the look that does not see the mark. Every access costs another, so it
/// is done on request only, and for one thief: a mark says what was read last.
pub(crate) struct Reads {
    held: Cell<usize>,
    mark: AtomicUsize,
}

// SAFETY: loom runs one thread at a time, and writers of words are one thread at a time by the deque's protocol.
unsafe impl Sync for Reads {}

impl Reads {
    pub(crate) fn new() -> Self {
        Reads { held: Cell::new(0), mark: AtomicUsize::new(0) }
    }

    pub(crate) fn read(&self, bytes: usize) {
        if TRACED.get() {
            self.mark.store(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn written(&self, bytes: usize) {
        let held = self.held.replace(bytes);
        if TRACED.get() && held != 0 {
            let read = self.mark.load(Ordering::Relaxed) == held;
            OVERWRITTEN.with_borrow_mut(|overwritten| overwritten.push((held, read)));
        }
    }
}
