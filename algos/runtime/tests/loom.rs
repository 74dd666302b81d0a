//! The parking protocol under loom: every execution of small models, weak memory included.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p swarm-runtime --test loom --release --target-dir
//! target/loom`; without the cfg this file is empty. Bounds: two or three threads, two values, no limit
//! on preemptions except where a test says so. Each test pins the number of executions that loom must at
//! least explore, so that a model that no longer does anything fails instead of passing.
//!
//! The second half shows that the models can fail: the re-check and each fence are taken away in turn,
//! and loom must find the lost wake-up.
#![cfg(loom)]

mod checker {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
}
mod stand_in;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use stand_in::Lane;
use swarm_runtime::parking::Parking;
use swarm_runtime::sync::{Site, weakened};

/// Explores `model`, with at most so many preemptions; returns the number of executions begun.
fn explore(preemptions_max: Option<usize>, model: impl Fn() + Send + Sync + 'static) -> Explored {
    let begun = Arc::new(Count::new(0));
    let count = begun.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions_max;
    let result = catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            count.fetch_add(1, Relaxed);
            model();
        });
    }));
    let failure = result.err().map(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or_else(|_| "a panic".into(), |text| (*text).into()),
    });
    Explored { executions: begun.load(Relaxed), failure }
}

#[derive(Debug)]
struct Explored {
    executions: usize,
    failure: Option<String>,
}

impl Explored {
    #[track_caller]
    fn passes_with_at_least(self, executions_min: usize) {
        assert_eq!(self.failure, None, "after {} executions", self.executions);
        println!("{} executions explored", self.executions);
        assert!(self.executions >= executions_min, "{} executions explored", self.executions);
    }

    #[track_caller]
    fn loses_a_wake_up(self) {
        let failure = self.failure.unwrap_or_else(|| panic!("not found in {} executions", self.executions));
        assert!(failure.contains("deadlock"), "another failure: {failure}");
        println!("found in execution {}", self.executions);
    }
}

/// A lane and the place where its reader sleeps.
struct Node {
    lane: Lane,
    parking: Parking,
}

impl Node {
    /// A node whose reader is the calling thread.
    fn mine() -> Arc<Self> {
        Arc::new(Node { lane: Lane::new(), parking: Parking::new(thread::current()) })
    }

    fn give(&self, value: usize) {
        self.lane.push(value);
        self.parking.wake();
    }

    /// Takes a value, sleeping as long as there is none.
    fn take(&self, recheck: bool) -> usize {
        loop {
            match self.lane.pop() {
                Some(value) => return value,
                None => self.parking.sleep(None, || recheck && self.lane.has_work()),
            }
        }
    }
}

// In all models the sleeper neither joins nor locks: loom takes an unpark for the end of whatever the
// thread waits for, where a real thread would keep it as a token. A model ends when all threads do.

fn one_waker(recheck: bool) {
    let node = Node::mine();
    let other = node.clone();
    thread::spawn(move || {
        other.give(1);
        other.give(2);
    });
    assert_eq!(node.take(recheck) + node.take(recheck), 3);
}

fn two_wakers() {
    let node = Node::mine();
    for value in [1, 2] {
        let other = node.clone();
        thread::spawn(move || other.give(value));
    }
    assert_eq!(node.take(true) + node.take(true), 3);
}

#[test]
fn one_waker_and_two_values_lose_no_wake_up() {
    explore(None, || one_waker(true)).passes_with_at_least(7_900);
}

#[test]
fn two_wakers_lose_no_wake_up() {
    explore(Some(4), two_wakers).passes_with_at_least(22_000);
}

#[test]
fn a_stop_flag_is_seen() {
    explore(None, || {
        let parking = Arc::new(Parking::new(thread::current()));
        let stop = Arc::new(AtomicBool::new(false));
        let (place, flag) = (parking.clone(), stop.clone());
        thread::spawn(move || {
            flag.store(true, Ordering::Relaxed);
            place.wake();
        });
        // Relaxed, as in the threaded driver: the fences of the parking order it.
        while !stop.load(Ordering::Relaxed) {
            parking.sleep(None, || stop.load(Ordering::Relaxed));
        }
    })
    .passes_with_at_least(40);
}

#[test]
fn two_nodes_that_wake_each_other_both_end() {
    explore(None, || {
        let left = Node::mine();
        let to = left.clone();
        let right = Arc::new(OnceLock::new());
        let own = right.clone();
        thread::spawn(move || {
            let node = own.get_or_init(Node::mine);
            to.give(1);
            assert_eq!(node.take(true), 2);
        });
        assert_eq!(left.take(true), 1);
        right.get().expect("set before the value was given").give(2);
    })
    .passes_with_at_least(1_400);
}

#[test]
fn without_the_second_look_a_wake_up_is_lost() {
    explore(None, || one_waker(false)).loses_a_wake_up();
}

#[test]
fn with_a_weaker_fence_of_the_sleeper_a_wake_up_is_lost() {
    weakened(Site::Announce, || explore(None, || one_waker(true))).loses_a_wake_up();
}

#[test]
fn with_a_weaker_fence_of_the_waker_a_wake_up_is_lost() {
    weakened(Site::Notice, || explore(None, || one_waker(true))).loses_a_wake_up();
}
