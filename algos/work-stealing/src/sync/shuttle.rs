//! Shuttle: many interleavings of longer runs, with sequentially consistent memory.
//!
//! Shuttle has no detector of races: a cell here counts who is inside and lets others run meanwhile. And a
//! thread may be stopped before any of its accesses to atomics, for as long as a test likes
//! ([`frozen_after`]), to show that the others do without it. Every access to anything shared is told to
//! [`super::trace`], for those who explore all schedules.

use core::cell::{self, Cell};
use core::hash::Hash;
use core::ops::{Deref, DerefMut};
use std::io;
use std::sync::atomic as plain;
use std::sync::{Arc, LockResult, OnceLock, PoisonError, atomic::AtomicBool as PlainBool};

pub(crate) use shuttle::hint::spin_loop;
pub(crate) use shuttle::sync::atomic::Ordering;
pub(crate) use shuttle::thread_local;

use shuttle::sync::{self, atomic};
use shuttle::thread::{self, ThreadId};

use super::Site;
use super::grave::bury;
use super::trace::{self, Place};
use crate::hazard::Registry;
use crate::pool::Crew;

pub(crate) const CAPACITY_MIN: usize = 2;
pub(crate) const SHARED: usize = 4;
pub(crate) const BLOCK: usize = 3;
pub(crate) const PATIENCE: usize = 0;
pub(crate) const LANE: usize = 4;
pub(crate) const QUEUED_MAX: usize = 2;
pub(crate) const ROUNDS: u32 = 1;

pub(crate) const fn order(_site: Site, strong: Ordering) -> Ordering {
    strong
}

pub(crate) fn fence(_site: Site, strong: Ordering) {
    step();
    atomic::fence(strong);
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
    shuttle::lazy_static! {
        static ref REGISTRY: Registry = Registry::new();
    }
    &REGISTRY
}

pub(crate) fn global_crew() -> &'static OnceLock<Arc<Crew>> {
    panic!("a model makes its own pool")
}

pub(crate) fn spawn_thread(
    name: Option<String>,
    _stack_size: Option<usize>,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let mut builder = shuttle::thread::Builder::new();
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

/// What a frozen thread waits for.
#[derive(Debug)]
pub struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    /// Whether the thread has come to its last step.
    reached: PlainBool,
}

impl Gate {
    /// A gate that is shut.
    #[expect(clippy::new_without_default, reason = "a gate that is shut is nobody's default")]
    pub fn new() -> Self {
        Gate { open: lock_over(false), opened: Condvar::new(), reached: PlainBool::new(false) }
    }

    /// Lets the frozen thread go on.
    pub fn open(&self) {
        *self.open.lock().expect("nobody panics with it") = true;
        self.opened.notify_one();
    }

    /// Whether the thread was frozen before it was done.
    pub fn reached(&self) -> bool {
        self.reached.load(plain::Ordering::Relaxed)
    }

    /// Waits until it is open.
    pub fn wait(&self) {
        self.reached.store(true, plain::Ordering::Relaxed);
        let mut open = self.open.lock().expect("nobody panics with it");
        while !*open {
            open = self.opened.wait(open).expect("nobody panics with it");
        }
    }
}

struct Frozen {
    thread: ThreadId,
    steps: usize,
    gate: Arc<Gate>,
}

std::thread_local! {
    static FROZEN: Cell<Option<Frozen>> = const { Cell::new(None) };
}

/// Runs `work`, stopping before the access after so many until the gate opens.
pub fn frozen_after<T>(steps: usize, gate: Arc<Gate>, work: impl FnOnce() -> T) -> T {
    FROZEN.set(Some(Frozen { thread: thread::current().id(), steps, gate }));
    let result = work();
    FROZEN.set(None);
    result
}

fn step() {
    let Some(mut frozen) = FROZEN.take() else { return };
    if thread::current().id() != frozen.thread {
        FROZEN.set(Some(frozen));
    } else if frozen.steps > 0 {
        frozen.steps -= 1;
        FROZEN.set(Some(frozen));
    } else {
        frozen.gate.wait();
    }
}

/// Whether memory that others may still read has been freed.
pub(crate) struct Life {
    alive: PlainBool,
    place: Place,
}

impl Life {
    pub(crate) fn new() -> Self {
        Life { alive: PlainBool::new(true), place: Place::of(true) }
    }

    pub(crate) fn assert_alive(&self) {
        // What decides whether a use comes too late must be a step of its own if steps are merged.
        if trace::is_on() && !thread::panicking() {
            self.place.approach();
            thread::yield_now();
            self.place.accessed(Some(self.alive.load(plain::Ordering::Relaxed)), None);
        }
        assert!(self.alive.load(plain::Ordering::Relaxed), "used after it was freed");
    }

    pub(crate) fn end(&self) {
        if trace::is_on() && !thread::panicking() {
            self.place.approach();
            thread::yield_now();
            self.place.accessed(None, Some(false));
        }
        // What a failed execution drops is not judged: to panic again would end the process.
        assert!(self.alive.swap(false, plain::Ordering::Relaxed) || thread::panicking(), "freed twice");
    }
}

/// Who reads a word and when: loom's matter.
pub(crate) struct Reads;

#[expect(clippy::unused_self, reason = "loom's has something to do")]
impl Reads {
    pub(crate) fn new() -> Self {
        Reads
    }

    pub(crate) fn read(&self, _bytes: usize) {}

    pub(crate) fn written(&self, _bytes: usize) {}
}

/// A cell that notices who is inside.
pub(crate) struct UnsafeCell<T> {
    value: cell::UnsafeCell<T>,
    readers: plain::AtomicUsize,
    writers: plain::AtomicUsize,
    place: Place,
}

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        UnsafeCell {
            value: cell::UnsafeCell::new(value),
            readers: plain::AtomicUsize::new(0),
            writers: plain::AtomicUsize::new(0),
            place: Place::of(0_u64),
        }
    }

    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        self.readers.fetch_add(1, plain::Ordering::Relaxed);
        self.place.approach_to_read();
        thread::yield_now();
        assert_eq!(self.writers.load(plain::Ordering::Relaxed), 0, "read while it is written");
        self.place.was_read();
        let result = read(self.value.get());
        self.readers.fetch_sub(1, plain::Ordering::Relaxed);
        result
    }

    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        self.writers.fetch_add(1, plain::Ordering::Relaxed);
        self.place.approach_to_write();
        thread::yield_now();
        assert_eq!(self.readers.load(plain::Ordering::Relaxed), 0, "written while it is read");
        assert_eq!(self.writers.load(plain::Ordering::Relaxed), 1, "written twice at once");
        self.place.was_changed();
        let result = write(self.value.get());
        self.writers.fetch_sub(1, plain::Ordering::Relaxed);
        result
    }
}

/// Shuttle's atomics, each access a step at which the thread may be frozen.
macro_rules! atomics {
    ($($name:ident $(<$parameter:ident>)?: $value:ty),*) => {$(
        #[derive(Debug)]
        pub(crate) struct $name $(<$parameter>)? {
            inner: atomic::$name $(<$parameter>)?,
            place: Place,
        }

        #[allow(dead_code, reason = "one list of methods for all types")]
        impl $(<$parameter>)? $name $(<$parameter>)? {
            pub(crate) fn new(value: $value) -> Self {
                $name { inner: atomic::$name::new(value), place: Place::of(value) }
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                step();
                self.place.approach();
                let value = self.inner.load(order);
                self.place.accessed(Some(value), None);
                value
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                step();
                self.place.approach();
                self.inner.store(value, order);
                self.place.accessed(None, Some(value));
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                step();
                self.place.approach();
                let before = self.inner.swap(value, order);
                self.place.accessed(Some(before), Some(value));
                before
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                step();
                self.place.approach();
                let outcome = self.inner.compare_exchange(current, new, success, failure);
                match outcome {
                    Ok(before) => self.place.accessed(Some(before), Some(new)),
                    Err(before) => self.place.accessed(Some(before), None),
                }
                outcome
            }
        }
    )*};
}

atomics!(AtomicBool: bool, AtomicPtr<T>: *mut T, AtomicU64: u64, AtomicUsize: usize);

impl AtomicUsize {
    pub(crate) fn fetch_add(&self, value: usize, order: Ordering) -> usize {
        step();
        self.place.approach();
        let before = self.inner.fetch_add(value, order);
        self.place.accessed(Some(before), Some(before.wrapping_add(value)));
        before
    }

    pub(crate) fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
        step();
        self.place.approach();
        let before = self.inner.fetch_sub(value, order);
        self.place.accessed(Some(before), Some(before.wrapping_sub(value)));
        before
    }
}

impl AtomicU64 {
    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        step();
        self.place.approach();
        let before = self.inner.fetch_add(value, order);
        self.place.accessed(Some(before), Some(before.wrapping_add(value)));
        before
    }
}

/// Shuttle's lock.
#[derive(Debug)]
pub(crate) struct Mutex<T> {
    inner: sync::Mutex<T>,
    place: Place,
    /// What stands for a value, unless who wrote it does.
    hash: Option<fn(&T) -> u64>,
}

/// Shuttle's guard; notices whether what is protected may have changed.
pub(crate) struct MutexGuard<'a, T> {
    /// There but while it is dropped.
    inner: Option<sync::MutexGuard<'a, T>>,
    mutex: &'a Mutex<T>,
    changed: bool,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex { inner: sync::Mutex::new(value), place: Place::of(0_u64), hash: None }
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.place.approach_to_lock();
        self.guard(self.inner.lock())
    }

    fn guard<'a>(&'a self, locked: LockResult<sync::MutexGuard<'a, T>>) -> LockResult<MutexGuard<'a, T>> {
        let guard = |inner| MutexGuard { inner: Some(inner), mutex: self, changed: false };
        locked.map(guard).map_err(|poisoned| PoisonError::new(guard(poisoned.into_inner())))
    }

    pub(crate) fn into_inner(self) -> LockResult<T> {
        self.inner.into_inner()
    }
}

/// A lock whose value is what it looks like, whoever wrote it.
pub(crate) fn lock_over<T: Hash>(value: T) -> Mutex<T> {
    Mutex { place: Place::of(trace::hash(&value)), inner: sync::Mutex::new(value), hash: Some(trace::hash) }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().expect("it is not dropped")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.changed = true;
        self.inner.as_mut().expect("it is not dropped")
    }
}

impl<T> MutexGuard<'_, T> {
    fn note_change(&self) {
        if let (true, Some(now)) = (self.changed, &self.inner) {
            self.mutex.place.was_changed_under_lock(self.mutex.hash.map(|hash| hash(now)));
        }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.note_change();
        if let Some(inner) = self.inner.take() {
            self.mutex.place.unlock();
            drop(inner);
        }
    }
}

/// Shuttle's condition variable.
#[derive(Debug)]
pub(crate) struct Condvar {
    inner: sync::Condvar,
    place: Place,
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Condvar { inner: sync::Condvar::new(), place: Place::of(0_u64) }
    }

    pub(crate) fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        guard.note_change();
        let inner = guard.inner.take().expect("it is not dropped");
        self.place.approach_to_wait(guard.mutex.place);
        guard.mutex.guard(self.inner.wait(inner))
    }

    pub(crate) fn notify_one(&self) {
        self.place.approach();
        self.inner.notify_one();
        self.place.notified();
    }
}
