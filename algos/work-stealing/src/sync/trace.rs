//! What each thread of an execution has learnt from the others, and what stands in the memory that they share:
//! so much of it that two executions are known to go on alike.
//!
//! A thread is deterministic. Where it is and what it does next is decided by what it has learnt so far: each
//! value that it has loaded, found in a slot, a cell, under a lock, or been told by a compare-and-swap. The
//! shim records that, access by access, as a hash for each thread (its *history*), beside what stands in each
//! *place*: an atomic, a cell, a lock with what it protects, a condition variable. The [`Trace::fingerprint`]
//! is a hash of both. Two executions of one program with equal fingerprints are therefore in the same state but
//! for addresses, whatever came before what, and have the same executions before them.
//!
//! - Places are called by who made them, as its which. A pointer that is loaded or stored stands for who first
//!   stored it, as its which; numbers stand for themselves. So addresses, which differ between executions, do
//!   not count.
//! - What a closure writes into a cell or under a lock is of any type. It is a function of the writer's history,
//!   which stands for it.
//! - Whatever else threads share must not decide what they do. Tests see to it: the thread that starts the others
//!   ends last and holds all that is counted by references until then, and nobody else starts threads. Whether
//!   memory was freed ([`super::body::Life`]) is a place like any other.
//!
//! Between two accesses a thread does what is its own affair; so there is nothing to choose but at accesses. What
//! a thread is about to access is known before ([`Trace::is_at_access`]), so that whoever schedules lets all
//! others run up to theirs first.
//!
//! # Verification
//! `tests/stateright.rs` explores with it, and looks at every state to which two ways lead whether the threads
//! are about to do the same in both.

use core::cell::{Cell, RefCell};
use core::hash::{Hash, Hasher};
use std::collections::BTreeMap;
use std::hash::DefaultHasher;

use super::body::{AtomicUsize, Ordering};

std::thread_local! {
    // The threads of a model are coroutines of the thread that called the checker.
    static ON: Cell<bool> = const { Cell::new(false) };
    static TRACE: RefCell<Trace> = RefCell::new(Trace::default());
}

/// Addresses are not below this; numbers that are kept as pointers are.
const SMALL: usize = 4_096;

/// A hash of two numbers, by the finaliser of SplitMix64.
fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.rotate_left(23).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_add(0xD1B5_4A32_D192_ED03);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A hash of anything.
pub(super) fn hash<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Where something stands that threads share; by when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

/// What a thread is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Any access that is always possible and never at odds with another.
    Atomic(Place),
    Read(Place),
    Write(Place),
    Lock(Place),
    /// Lets go of the lock and waits for the condition variable.
    Wait(Place, Place),
    /// Has been told and goes on to take the lock.
    Woken(Place, Place),
}

impl Access {
    fn place(self) -> Place {
        let (Access::Atomic(at)
        | Access::Read(at)
        | Access::Write(at)
        | Access::Lock(at)
        | Access::Wait(at, _)
        | Access::Woken(at, _)) = self;
        at
    }
}

#[derive(Debug, Default)]
struct Thread {
    history: u64,
    next: Option<Access>,
    /// How many places it has made, and how many pointers it was the first to store.
    made: u64,
}

#[derive(Debug)]
struct Content {
    /// A hash of who made the place, as its which.
    name: u64,
    /// Stands for what is there.
    value: u64,
    /// Its part of the hash of all memory; 0 while nothing was written.
    part: u64,
    /// Whether it is a lock that somebody has.
    held: bool,
    /// Who waits, if it is a condition variable.
    waiting: Vec<Waiting>,
}

/// A thread that waits for a condition variable.
#[derive(Debug, Hash)]
struct Waiting {
    thread: usize,
    /// The signals since, of which this thread or another takes each: by how many signals there were before.
    signals: Vec<usize>,
}

/// The state of an execution.
#[derive(Debug, Default)]
pub struct Trace {
    /// By the number that shuttle gives them.
    threads: Vec<Thread>,
    /// By when they were made.
    places: Vec<Content>,
    /// The parts of all places, combined without order.
    memory: u64,
    /// What stands for a pointer.
    pointers: BTreeMap<usize, u64>,
    /// Who runs.
    current: usize,
    /// See [`reached`].
    marks: u32,
}

/// Traces the execution that begins.
pub fn begin() {
    TRACE.with_borrow_mut(|trace| *trace = Trace::default());
    ON.set(true);
}

/// Traces nothing any more.
pub fn end() {
    ON.set(false);
}

/// The trace of the execution that runs.
pub fn with<R>(look: impl FnOnce(&mut Trace) -> R) -> R {
    TRACE.with_borrow_mut(look)
}

/// Says that the execution has come to something worth telling, numbered up to 32. It must be decided by what
/// the calling thread has learnt.
pub fn reached(mark: u32) {
    on(|trace| trace.marks |= 1 << mark);
}

fn on(note: impl FnOnce(&mut Trace)) {
    if ON.get() {
        TRACE.with_borrow_mut(note);
    }
}

/// Whether executions are traced: then all that threads share must be accessed in steps of their own.
pub(super) fn is_on() -> bool {
    ON.get()
}

impl Trace {
    fn thread(&mut self, number: usize) -> &mut Thread {
        while self.threads.len() <= number {
            let history = mix(1, self.threads.len() as u64);
            self.threads.push(Thread { history, ..Thread::default() });
        }
        &mut self.threads[number]
    }

    /// Whether this thread is about to access something shared.
    pub fn is_at_access(&mut self, number: usize) -> bool {
        self.thread(number).next.is_some()
    }

    /// Whether the access that this thread is about to do is possible: a lock must be free.
    pub fn may_go(&mut self, number: usize) -> bool {
        let next = self.thread(number).next;
        !matches!(next, Some(Access::Lock(lock)) if self.places[lock.0 as usize].held)
    }

    /// Whether two threads are about to access a cell, one of them to write it.
    pub fn has_race(&self) -> bool {
        let next = |thread: &Thread| match thread.next {
            Some(Access::Read(cell)) => Some((cell, false)),
            Some(Access::Write(cell)) => Some((cell, true)),
            _ => None,
        };
        let all = || self.threads.iter().enumerate().filter_map(|(i, thread)| Some((i, next(thread)?)));
        all().any(|(i, (cell, writes))| all().any(|(j, (other, _))| i != j && writes && cell == other))
    }

    /// A hash of the state of all threads and of what they share.
    pub fn fingerprint(&self) -> u64 {
        self.threads.iter().fold(mix(2, self.memory), |all, thread| mix(all, thread.history))
    }

    /// A hash of what the threads are about to do: for equal fingerprints it is equal.
    pub fn outlook(&self) -> u64 {
        self.threads.iter().fold(3, |all, thread| {
            let next = thread.next.map_or(0, |next| {
                let kind = match next {
                    Access::Atomic(_) => 1,
                    Access::Read(_) => 2,
                    Access::Write(_) => 3,
                    Access::Lock(_) => 4,
                    Access::Wait(..) => 5,
                    Access::Woken(..) => 6,
                };
                mix(self.places[next.place().0 as usize].name, kind)
            });
            mix(all, next)
        })
    }

    /// What was reached so far, one bit each.
    pub fn marks(&self) -> u32 {
        self.marks
    }

    /// Says that this thread runs next, up to its next access.
    pub fn choose(&mut self, number: usize) {
        self.current = number;
        match self.thread(number).next.take() {
            Some(Access::Lock(lock)) => {
                self.learn(lock, self.places[lock.0 as usize].value);
                self.places[lock.0 as usize].held = true;
            }
            Some(Access::Wait(at, lock)) => {
                self.places[lock.0 as usize].held = false;
                self.waiting(at, |all| all.push(Waiting { thread: number, signals: Vec::new() }));
                self.thread(number).next = Some(Access::Woken(at, lock));
            }
            Some(Access::Woken(at, lock)) => {
                self.waiting(at, |all| {
                    let place = all.iter().position(|waiting| waiting.thread == number);
                    let mut woken = all.swap_remove(place.expect("it waits"));
                    let signal = woken.signals.drain(..).next().expect("it was woken");
                    for waiting in all {
                        waiting.signals.retain(|&other| other != signal);
                    }
                });
                self.thread(number).next = Some(Access::Lock(lock));
            }
            _ => {}
        }
    }

    /// Changes who waits for a condition variable; it is a step of the thread's.
    fn waiting(&mut self, at: Place, change: impl FnOnce(&mut Vec<Waiting>)) {
        let waiting = &mut self.places[at.0 as usize].waiting;
        change(waiting);
        waiting.sort_unstable_by_key(|waiting| waiting.thread);
        let value = hash(waiting);
        self.learn(at, 0);
        self.leave(at, value);
    }

    /// A name that is the same in every execution in which this thread has come here by the same history.
    fn name(&mut self) -> u64 {
        let number = self.current;
        let thread = self.thread(number);
        thread.made += 1;
        mix(mix(4, number as u64), thread.made)
    }

    fn learn(&mut self, at: Place, what: u64) {
        let name = self.places[at.0 as usize].name;
        let number = self.current;
        let thread = self.thread(number);
        thread.history = mix(mix(thread.history, name), what);
    }

    fn leave(&mut self, at: Place, value: u64) {
        let content = &mut self.places[at.0 as usize];
        self.memory ^= content.part;
        content.value = value;
        content.part = mix(content.name, value);
        self.memory ^= content.part;
    }

    /// A change to what is only known by who has changed it.
    fn change(&mut self, at: Place) {
        self.learn(at, self.places[at.0 as usize].value);
        self.write(at);
    }

    fn write(&mut self, at: Place) {
        let number = self.current;
        let value = mix(5, self.thread(number).history);
        self.leave(at, value);
    }
}

/// What stands for a value.
pub(super) trait Bits: Copy {
    fn bits(self, trace: &mut Trace) -> u64;
}

impl Bits for bool {
    fn bits(self, _: &mut Trace) -> u64 {
        self.into()
    }
}

impl Bits for u64 {
    fn bits(self, _: &mut Trace) -> u64 {
        self
    }
}

impl Bits for usize {
    fn bits(self, _: &mut Trace) -> u64 {
        self as u64
    }
}

impl<T> Bits for *mut T {
    fn bits(self, trace: &mut Trace) -> u64 {
        let address = self.addr();
        if address < SMALL {
            return address as u64;
        }
        if let Some(&name) = trace.pointers.get(&address) {
            return name;
        }
        let name = trace.name();
        trace.pointers.insert(address, name);
        name
    }
}

/// A number that threads of a model share.
#[derive(Debug)]
pub struct Counter(AtomicUsize);

impl Counter {
    /// A counter that stands at 0.
    #[expect(clippy::new_without_default, reason = "as plain as a number")]
    pub fn new() -> Self {
        Counter(AtomicUsize::new(0))
    }

    /// Where it stands.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Counts up.
    pub fn add(&self, count: usize) {
        self.0.fetch_add(count, Ordering::SeqCst);
    }

    /// Counts down from where it was seen, if it is still there.
    pub fn take_one(&self, seen: usize) -> bool {
        self.0.compare_exchange(seen, seen - 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

impl Place {
    /// A new place that holds a value, of which the thread that made it knows.
    pub(super) fn of<B: Bits>(value: B) -> Self {
        let mut place = Place(u32::MAX);
        on(|trace| {
            let name = trace.name();
            let value = value.bits(trace);
            place = Place(trace.places.len() as u32);
            trace.places.push(Content { name, value, part: 0, held: false, waiting: Vec::new() });
        });
        place
    }

    fn about_to(access: Access) {
        on(|trace| {
            let number = trace.current;
            trace.thread(number).next = Some(access);
        });
    }

    /// The thread is about to access an atomic.
    pub(super) fn approach(self) {
        Self::about_to(Access::Atomic(self));
    }

    /// The thread has seen a value there, unless it has written without a look, and has written one, if any.
    pub(super) fn accessed<B: Bits>(self, seen: Option<B>, written: Option<B>) {
        on(|trace| {
            let seen = seen.map_or(0, |value| value.bits(trace));
            trace.learn(self, seen);
            if let Some(value) = written {
                let value = value.bits(trace);
                trace.leave(self, value);
            }
        });
    }

    /// The thread is about to look into a cell.
    pub(super) fn approach_to_read(self) {
        Self::about_to(Access::Read(self));
    }

    /// The thread is about to change a cell.
    pub(super) fn approach_to_write(self) {
        Self::about_to(Access::Write(self));
    }

    /// The thread has looked.
    pub(super) fn was_read(self) {
        on(|trace| trace.learn(self, trace.places[self.0 as usize].value));
    }

    /// The thread has looked, and changed what it will.
    pub(super) fn was_changed(self) {
        on(|trace| trace.change(self));
    }

    /// The thread is about to take a lock.
    pub(super) fn approach_to_lock(self) {
        Self::about_to(Access::Lock(self));
    }

    /// The thread has changed what the lock protects. What it is now stands for itself, if it is known.
    pub(super) fn was_changed_under_lock(self, now: Option<u64>) {
        on(|trace| match now {
            Some(value) => trace.leave(self, value),
            None => trace.write(self),
        });
    }

    /// The thread lets go of the lock.
    pub(super) fn unlock(self) {
        on(|trace| trace.places[self.0 as usize].held = false);
    }

    /// The thread has told those who wait: all, or one of them, whoever takes the signal first.
    pub(super) fn notified(self) {
        on(|trace| {
            let count = |all: &[Waiting]| {
                all.iter().filter_map(|waiting| waiting.signals.last()).max().map_or(0, |last| last + 1)
            };
            trace.waiting(self, |all| {
                let signal = count(all);
                for waiting in all {
                    waiting.signals.push(signal);
                }
            });
        });
    }

    /// The thread is about to wait here and to let go of the lock meanwhile.
    pub(super) fn approach_to_wait(self, lock: Place) {
        Self::about_to(Access::Wait(self, lock));
    }
}
