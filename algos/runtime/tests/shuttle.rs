//! The parking protocol under shuttle: many schedules of longer runs than loom can exhaust, with
//! sequentially consistent memory.
//!
//! Run with `RUSTFLAGS="--cfg shuttle" cargo test -p swarm-runtime --test shuttle --release --target-dir
//! target/shuttle`; without the cfg this file is empty. Schedules are drawn uniformly at random, by
//! PCT (few, well-placed preemptions) and by uniform random walks, each from a fixed seed. Each test pins
//! the number of schedules that must at least have been run. An exhaustive search is left to loom: a
//! park may end for no reason in shuttle, so that its depth-first search never ends.
//!
//! That a fence of the protocol is too weak shuttle cannot see (loom does); that the second look is
//! missing it must see, and the last tests hold it to that.
#![cfg(shuttle)]

mod checker {
    pub(crate) use shuttle::sync::atomic::{AtomicUsize, Ordering};
}
mod stand_in;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler, UrwRandomScheduler};
use shuttle::{Config, FailurePersistence, Runner, thread};
use stand_in::Lane;
use swarm_runtime::parking::Parking;

const SEED: u64 = 1;

struct Explored {
    schedules: usize,
    failure: Option<String>,
}

fn explore(scheduler: impl Scheduler + 'static, model: impl Fn() + Send + Sync + 'static) -> Explored {
    let begun = Arc::new(Count::new(0));
    let count = begun.clone();
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    let result = catch_unwind(AssertUnwindSafe(|| {
        Runner::new(scheduler, config).run(move || {
            count.fetch_add(1, Relaxed);
            model();
        });
    }));
    let failure = result.err().map(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or_else(|_| "a panic".into(), |text| (*text).into()),
    });
    Explored { schedules: begun.load(Relaxed), failure }
}

impl Explored {
    #[track_caller]
    fn passes_with_at_least(self, schedules_min: usize) {
        assert_eq!(self.failure, None, "after {} schedules", self.schedules);
        println!("{} schedules explored", self.schedules);
        assert!(self.schedules >= schedules_min, "{} schedules explored", self.schedules);
    }

    #[track_caller]
    fn loses_a_wake_up(self) {
        let failure = self.failure.unwrap_or_else(|| panic!("not found in {} schedules", self.schedules));
        assert!(failure.contains("deadlock"), "another failure: {failure}");
        println!("found in schedule {}", self.schedules);
    }
}

/// A lane per waker, and the place where their reader sleeps.
struct Node {
    lanes: Vec<Lane>,
    parking: Parking,
}

impl Node {
    /// A node whose reader is the calling thread.
    fn mine(wakers: usize) -> Arc<Self> {
        let lanes = (0..wakers).map(|_| Lane::new()).collect();
        Arc::new(Node { lanes, parking: Parking::new(thread::current()) })
    }

    fn take(&self, recheck: bool) -> usize {
        loop {
            match self.lanes.iter().find_map(Lane::pop) {
                Some(value) => return value,
                None => self.parking.sleep(None, || recheck && self.lanes.iter().any(Lane::has_work)),
            }
        }
    }
}

/// So many threads each give two values; the sum shows that each arrived once.
fn wakers(count: usize, recheck: bool) {
    let node = Node::mine(count);
    for index in 0..count {
        let other = node.clone();
        thread::spawn(move || {
            for value in [2 * index + 1, 2 * index + 2] {
                other.lanes[index].push(value);
                other.parking.wake();
            }
        });
    }
    let sum: usize = (0..2 * count).map(|_| node.take(recheck)).sum();
    assert_eq!(sum, count * (2 * count + 1));
}

#[test]
fn four_wakers_lose_no_wake_up_on_random_schedules() {
    explore(RandomScheduler::new_from_seed(SEED, 20_000), || wakers(4, true)).passes_with_at_least(20_000);
}

#[test]
fn four_wakers_lose_no_wake_up_with_few_preemptions() {
    let scheduler = PctScheduler::new_from_seed(SEED, 3, 20_000);
    explore(scheduler, || wakers(4, true)).passes_with_at_least(20_000);
}

#[test]
fn four_wakers_lose_no_wake_up_on_uniform_walks() {
    let scheduler = UrwRandomScheduler::new_from_seed(SEED, 20_000);
    explore(scheduler, || wakers(4, true)).passes_with_at_least(20_000);
}

#[test]
fn without_the_second_look_every_search_finds_the_lost_wake_up() {
    explore(RandomScheduler::new_from_seed(SEED, 20_000), || wakers(4, false)).loses_a_wake_up();
    explore(PctScheduler::new_from_seed(SEED, 3, 20_000), || wakers(4, false)).loses_a_wake_up();
    explore(UrwRandomScheduler::new_from_seed(SEED, 20_000), || wakers(4, false)).loses_a_wake_up();
}
