//! Shuttle: many interleavings of longer runs, with sequentially consistent memory.
//!
//! Shuttle has no detector of races: a cell here counts who is inside and lets others run meanwhile. And a
//! thread may be stopped before any of its accesses to atomics, for as long as a test likes
//! ([`frozen_after`]), to show that the others do without it.

use core::cell::{self, Cell};
use std::io;
use std::sync::atomic as plain;
use std::sync::{Arc, OnceLock, atomic::AtomicBool as PlainBool};

pub(crate) use shuttle::hint::spin_loop;
pub(crate) use shuttle::sync::atomic::Ordering;
pub(crate) use shuttle::thread_local;

pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};

use shuttle::sync::atomic;
use shuttle::thread::{self, ThreadId};

use super::Site;
use super::grave::bury;
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

macro_rules! thread_cell {
    ($name:ident: $type:ty = $initial:expr) => {
        $crate::sync::thread_local! {
            static $name: core::cell::Cell<$type> = core::cell::Cell::new($initial);
        }
    };
}
pub(crate) use thread_cell;

pub(crate) fn raise(flag: &AtomicBool) {
    flag.store(true, Ordering::Relaxed);
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
        Gate { open: Mutex::new(false), opened: Condvar::new(), reached: PlainBool::new(false) }
    }

    /// Lets the frozen thread go on.
    pub fn open(&self) {
        *self.open.lock().expect("nobody panics with it") = true;
        self.opened.notify_all();
    }

    /// Whether the thread was frozen before it was done.
    pub fn reached(&self) -> bool {
        self.reached.load(plain::Ordering::Relaxed)
    }

    fn wait(&self) {
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
pub(crate) struct Life(PlainBool);

impl Life {
    pub(crate) fn new() -> Self {
        Life(PlainBool::new(true))
    }

    pub(crate) fn assert_alive(&self) {
        assert!(self.0.load(plain::Ordering::Relaxed), "used after it was freed");
    }

    pub(crate) fn end(&self) {
        // What a failed execution drops is not judged: to panic again would end the process.
        assert!(self.0.swap(false, plain::Ordering::Relaxed) || thread::panicking(), "freed twice");
    }
}

/// A cell that notices who is inside.
pub(crate) struct UnsafeCell<T> {
    value: cell::UnsafeCell<T>,
    readers: plain::AtomicUsize,
    writers: plain::AtomicUsize,
}

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        UnsafeCell {
            value: cell::UnsafeCell::new(value),
            readers: plain::AtomicUsize::new(0),
            writers: plain::AtomicUsize::new(0),
        }
    }

    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        self.readers.fetch_add(1, plain::Ordering::Relaxed);
        thread::yield_now();
        assert_eq!(self.writers.load(plain::Ordering::Relaxed), 0, "read while it is written");
        let result = read(self.value.get());
        self.readers.fetch_sub(1, plain::Ordering::Relaxed);
        result
    }

    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        self.writers.fetch_add(1, plain::Ordering::Relaxed);
        thread::yield_now();
        assert_eq!(self.readers.load(plain::Ordering::Relaxed), 0, "written while it is read");
        assert_eq!(self.writers.load(plain::Ordering::Relaxed), 1, "written twice at once");
        let result = write(self.value.get());
        self.writers.fetch_sub(1, plain::Ordering::Relaxed);
        result
    }
}

/// Shuttle's atomics, each access a step at which the thread may be frozen.
macro_rules! atomics {
    ($($name:ident $(<$parameter:ident>)?: $value:ty),*) => {$(
        pub(crate) struct $name $(<$parameter>)? (atomic::$name $(<$parameter>)?);

        #[allow(dead_code, reason = "one list of methods for all types")]
        impl $(<$parameter>)? $name $(<$parameter>)? {
            pub(crate) fn new(value: $value) -> Self {
                $name(atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                step();
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                step();
                self.0.store(value, order);
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                step();
                self.0.swap(value, order)
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                step();
                self.0.compare_exchange(current, new, success, failure)
            }
        }
    )*};
}

atomics!(AtomicBool: bool, AtomicPtr<T>: *mut T, AtomicU64: u64, AtomicUsize: usize);

impl AtomicUsize {
    pub(crate) fn fetch_add(&self, value: usize, order: Ordering) -> usize {
        step();
        self.0.fetch_add(value, order)
    }

    pub(crate) fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
        step();
        self.0.fetch_sub(value, order)
    }
}

impl AtomicU64 {
    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        step();
        self.0.fetch_add(value, order)
    }
}
