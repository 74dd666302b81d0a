//! Deques, injector and pool under shuttle: many schedules of longer runs than loom can exhaust, with sequentially
//! consistent memory; and a thread stopped for good at every step that it takes.
//!
//! Run with `RUSTFLAGS="--cfg steal_shuttle" cargo test -p swarm-work-stealing --test shuttle --release
//! --target-dir target/shuttle`; without the cfg this file is empty. Schedules are drawn uniformly at random,
//! by PCT (few, well-placed preemptions) and by uniform random walks, each from a fixed seed.
//!
//! What every model checks: each task comes back exactly once, nothing is used after it was freed, and every
//! thread ends. Orderings are loom's matter.
#![cfg(steal_shuttle)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler, UrwRandomScheduler};
use shuttle::{Config, FailurePersistence, Runner, thread};
use swarm_work_stealing::sync::{Gate, begin, frozen_after};
use swarm_work_stealing::{Context, Injector, Scope, Stealer, ThreadPool, ThreadPoolBuilder, Worker};

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
            begin();
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
    fn passes_with(self, schedules: usize) {
        assert_eq!(self.failure, None, "after {} schedules", self.schedules);
        println!("{} schedules explored", self.schedules);
        assert_eq!(self.schedules, schedules);
    }
}

/// The model under each way to draw schedules, so many of each.
#[track_caller]
fn portfolio(schedules: usize, model: fn()) {
    explore(RandomScheduler::new_from_seed(SEED, schedules), model).passes_with(schedules);
    explore(PctScheduler::new_from_seed(SEED, 3, schedules), model).passes_with(schedules);
    explore(UrwRandomScheduler::new_from_seed(SEED, schedules), model).passes_with(schedules);
}

/// What all threads together have taken.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<usize>>>);

impl Taken {
    fn add(&self, tasks: impl IntoIterator<Item = usize>) {
        // All at once: under the lock no other thread may have its turn.
        let tasks = Vec::from_iter(tasks);
        self.0.lock().expect("nobody panics with it").extend(tasks);
    }

    /// Each of 1 to `count`, once.
    #[track_caller]
    fn are_all_up_to(&self, count: usize) {
        let mut taken = self.0.lock().expect("nobody panics with it").clone();
        taken.sort_unstable();
        assert_eq!(taken, Vec::from_iter(1..=count));
    }
}

/// Steals one by one and in batches.
fn raid(stealer: &Stealer<usize>, own: fn() -> Worker<usize>, taken: &Taken) {
    let own = own();
    for round in 0..3 {
        match round {
            0 => taken.add(stealer.steal().success()),
            1 => taken.add(stealer.steal_batch_and_pop(&own).success()),
            _ => drop(stealer.steal_batch(&own)),
        }
        taken.add(std::iter::from_fn(|| own.pop()));
    }
}

/// Pushes and pops so that the deque grows, shrinks and runs empty.
fn work(worker: &Worker<usize>, taken: &Taken) {
    for task in 1..=9 {
        worker.push(task);
        if task % 3 == 0 {
            taken.add(worker.pop());
        }
    }
    (0..7).for_each(|_| taken.add(worker.pop()));
    (10..=12).for_each(|task| worker.push(task));
}

fn owner_and_thieves(worker: Worker<usize>, own: fn() -> Worker<usize>) {
    let taken = Taken::default();
    let thieves: Vec<_> = (0..2)
        .map(|_| {
            let (stealer, taken) = (worker.stealer(), taken.clone());
            thread::spawn(move || raid(&stealer, own, &taken))
        })
        .collect();
    work(&worker, &taken);
    for thief in thieves {
        thief.join().expect("it does not panic");
    }
    taken.add(std::iter::from_fn(|| worker.pop()));
    taken.are_all_up_to(12);
}

#[test]
fn a_lifo_worker_and_two_thieves() {
    portfolio(8_000, || owner_and_thieves(Worker::new_lifo(), Worker::new_fifo));
}

#[test]
fn a_fifo_worker_and_two_thieves() {
    portfolio(8_000, || owner_and_thieves(Worker::new_fifo(), Worker::new_lifo));
}

#[test]
fn a_split_worker_and_two_thieves() {
    portfolio(8_000, || owner_and_thieves(Worker::new_split(), Worker::new_split));
}

/// Takes so many tasks, one by one and in batches, as far as there are any.
fn consume(injector: &Injector<usize>, taken: &Taken) {
    let own = Worker::new_split();
    for round in 0..4 {
        if round % 2 == 0 {
            taken.add(injector.steal().success());
        } else {
            taken.add(injector.steal_batch_and_pop(&own).success());
            taken.add(std::iter::from_fn(|| own.pop()));
        }
    }
}

fn producers_and_consumers() {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    let mut threads = Vec::new();
    for producer in 0..2 {
        let injector = injector.clone();
        threads.push(thread::spawn(move || (1..=5).for_each(|task| injector.push(5 * producer + task))));
    }
    for _ in 0..2 {
        let (injector, taken) = (injector.clone(), taken.clone());
        threads.push(thread::spawn(move || consume(&injector, &taken)));
    }
    for thread in threads {
        thread.join().expect("it does not panic");
    }
    taken.add(std::iter::from_fn(|| injector.steal().success()));
    taken.are_all_up_to(10);
}

#[test]
fn an_injector_with_two_producers_and_two_consumers() {
    portfolio(8_000, producers_and_consumers);
}

/// Runs `model` with the thread stopped before its first access, its second, and so on, until it is through
/// before it is stopped: so many schedules each.
#[track_caller]
fn frozen_at_every_step(schedules: usize, model: fn(usize) -> Arc<Gate>) {
    let mut steps = 0;
    loop {
        let stopped = Arc::new(Count::new(0));
        let count = stopped.clone();
        explore(RandomScheduler::new_from_seed(SEED, schedules), move || {
            if model(steps).reached() {
                count.fetch_add(1, Relaxed);
            }
        })
        .passes_with(schedules);
        if stopped.load(Relaxed) == 0 {
            break;
        }
        steps += 1;
    }
    println!("stopped before each of {steps} accesses");
    assert!(steps > 10, "{steps} accesses are too few to have stolen anything");
}

/// A thief that stops for good; the owner and another thief finish all the same, with all but what it had
/// already taken.
fn frozen_thief(worker: Worker<usize>, own: fn() -> Worker<usize>, steps: usize) -> Arc<Gate> {
    let taken = Taken::default();
    let gate = Arc::new(Gate::new());
    let frozen = {
        let (stealer, taken, gate) = (worker.stealer(), taken.clone(), gate.clone());
        thread::spawn(move || frozen_after(steps, gate, || raid(&stealer, own, &taken)))
    };
    let thief = {
        let (stealer, taken) = (worker.stealer(), taken.clone());
        thread::spawn(move || raid(&stealer, own, &taken))
    };
    work(&worker, &taken);
    taken.add(std::iter::from_fn(|| worker.pop()));
    thief.join().expect("it does not panic");
    // All others are done. Had they waited for the frozen thread, nobody would be left to come here.
    gate.open();
    frozen.join().expect("it does not panic");
    taken.add(std::iter::from_fn(|| worker.pop()));
    taken.are_all_up_to(12);
    gate
}

#[test]
fn nobody_waits_for_a_thief_of_a_lifo_worker() {
    frozen_at_every_step(300, |steps| frozen_thief(Worker::new_lifo(), Worker::new_split, steps));
}

#[test]
fn nobody_waits_for_a_thief_of_a_fifo_worker() {
    frozen_at_every_step(300, |steps| frozen_thief(Worker::new_fifo(), Worker::new_split, steps));
}

#[test]
fn nobody_waits_for_a_thief_of_a_split_worker() {
    frozen_at_every_step(300, |steps| frozen_thief(Worker::new_split(), Worker::new_split, steps));
}

/// A producer that stops for good; others push and take all that they have pushed.
fn frozen_producer(steps: usize) -> Arc<Gate> {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    let gate = Arc::new(Gate::new());
    let frozen = {
        let (injector, gate) = (injector.clone(), gate.clone());
        thread::spawn(move || frozen_after(steps, gate, || (1..=5).for_each(|task| injector.push(task))))
    };
    let consumer = {
        let (injector, taken) = (injector.clone(), taken.clone());
        thread::spawn(move || consume(&injector, &taken))
    };
    (6..=12).for_each(|task| injector.push(task));
    consumer.join().expect("it does not panic");
    let own = taken.clone();
    while (6..=12).any(|task| !own.0.lock().expect("nobody panics with it").contains(&task)) {
        // Whoever was passed over is the frozen producer: all others are in order and found.
        taken.add(injector.steal().success());
    }
    gate.open();
    frozen.join().expect("it does not panic");
    taken.add(std::iter::from_fn(|| injector.steal().success()));
    taken.are_all_up_to(12);
    gate
}

#[test]
fn nobody_waits_for_a_producer() {
    frozen_at_every_step(300, frozen_producer);
}

/// A consumer that stops for good; others push and take all but what it had claimed.
fn frozen_consumer(steps: usize) -> Arc<Gate> {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    let gate = Arc::new(Gate::new());
    let frozen = {
        let (injector, taken, gate) = (injector.clone(), taken.clone(), gate.clone());
        thread::spawn(move || frozen_after(steps, gate, || consume(&injector, &taken)))
    };
    let producer = {
        let injector = injector.clone();
        thread::spawn(move || (1..=5).for_each(|task| injector.push(task)))
    };
    (6..=12).for_each(|task| injector.push(task));
    producer.join().expect("it does not panic");
    while !injector.is_empty() {
        taken.add(injector.steal().success());
    }
    gate.open();
    frozen.join().expect("it does not panic");
    taken.add(std::iter::from_fn(|| injector.steal().success()));
    taken.are_all_up_to(12);
    gate
}

#[test]
fn nobody_waits_for_a_consumer() {
    frozen_at_every_step(300, frozen_consumer);
}

/// A pool whose threads end before the schedule does.
fn pool(num_threads: usize, queued_max: usize) -> ThreadPool {
    let builder = ThreadPoolBuilder::new().num_threads(num_threads).queued_max(queued_max);
    builder.build().expect("a model's threads start")
}

/// Forks to the depth, and counts the leaves; the one of this number panics.
fn fork(context: Context<'_>, depth: u32, number: usize, bad: usize, leaves: &Count) -> usize {
    if depth == 0 {
        leaves.fetch_add(1, Relaxed);
        if number == bad {
            resume_unwind(Box::new(number));
        }
        return 1;
    }
    let (a, b) = context.join(
        |context| fork(context, depth - 1, 2 * number, bad, leaves),
        |context| fork(context, depth - 1, 2 * number + 1, bad, leaves),
    );
    a + b
}

fn joins(num_threads: usize, queued_max: usize) {
    let pool = pool(num_threads, queued_max);
    let leaves = Count::new(0);
    assert_eq!(pool.install_context(|context| fork(context, 3, 1, 0, &leaves)), 8);
    assert_eq!(leaves.into_inner(), 8);
}

#[test]
fn joins_of_two_threads() {
    portfolio(8_000, || joins(2, 2));
}

#[test]
fn joins_of_two_threads_with_all_jobs_left_for_others() {
    portfolio(4_000, || joins(2, usize::MAX));
}

#[test]
fn joins_of_three_threads() {
    portfolio(4_000, || joins(3, 1));
}

/// Three closures that wait for each other, on three threads: each must be found, by whoever sleeps or searches.
fn meeting(leave: fn(&ThreadPool, &shuttle::sync::Barrier)) {
    let pool = pool(3, 2);
    for _ in 0..2 {
        leave(&pool, &shuttle::sync::Barrier::new(3));
    }
}

#[test]
fn everybody_is_woken_if_there_is_enough_to_do() {
    portfolio(2_000, || {
        meeting(|pool, all| {
            let wait = |_: Context<'_>| {
                all.wait();
            };
            pool.install_context(|context| context.join(|context| context.join(wait, wait), wait));
        });
    });
    portfolio(2_000, || {
        meeting(|pool, all| {
            pool.scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|_| {
                        all.wait();
                    });
                }
            });
        });
    });
}

/// A leaf that panics, each in turn: nobody is at a leaf after the panic is seen, and the pool goes on.
fn panics(num_threads: usize, queued_max: usize) {
    let pool = pool(num_threads, queued_max);
    for bad in 4..8 {
        let leaves = Count::new(0);
        let work = || pool.install_context(|context| fork(context, 2, 1, bad, &leaves));
        let payload = catch_unwind(AssertUnwindSafe(work)).expect_err("one leaf panics");
        assert_eq!(payload.downcast_ref(), Some(&bad));
        let seen = leaves.load(Relaxed);
        assert_eq!(pool.join(|| 1, || 2), (1, 2));
        assert_eq!(leaves.load(Relaxed), seen, "a leaf was visited after the panic was seen");
    }
}

#[test]
fn panics_in_joins() {
    portfolio(3_000, || panics(2, 2));
    portfolio(1_000, || panics(3, 1));
}

#[test]
fn a_scope_whose_jobs_spawn_jobs() {
    fn split<'a>(scope: &Scope<'a>, depth: u32, count: &'a Count) {
        count.fetch_add(1, Relaxed);
        for _ in 0..if depth > 0 { 2 } else { 0 } {
            scope.spawn(move |scope| split(scope, depth - 1, count));
        }
    }
    portfolio(4_000, || {
        let pool = pool(2, 2);
        let count = Count::new(0);
        pool.scope(|scope| split(scope, 2, &count));
        assert_eq!(count.load(Relaxed), 7);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| {
                scope.spawn(|_| resume_unwind(Box::new(7_u32)));
                scope.spawn(|scope| split(scope, 1, &count));
            });
        }));
        assert_eq!(panic.expect_err("one of them panics").downcast_ref(), Some(&7_u32));
        assert_eq!(count.load(Relaxed), 10);
    });
}

#[test]
fn a_scope_in_order_and_a_broadcast_that_nobody_waits_for() {
    portfolio(2_000, || {
        let pool = pool(2, 2);
        let done = Arc::new(Count::new(0));
        pool.scope_fifo(|scope| {
            for _ in 0..2 {
                let done = &done;
                scope.spawn_fifo(move |scope| {
                    scope.spawn_fifo(move |_| drop(done.fetch_add(1, Relaxed)));
                });
            }
            scope.spawn_broadcast(|_, _| drop(done.fetch_add(1, Relaxed)));
        });
        assert_eq!(done.load(Relaxed), 4);
        let to = done.clone();
        pool.spawn_broadcast(move |_| drop(to.fetch_add(1, Relaxed)));
        drop(pool);
        // When it has been dropped, all have run.
        while Arc::strong_count(&done) > 1 {
            thread::yield_now();
        }
        assert_eq!(done.load(Relaxed), 6);
    });
}

#[test]
fn what_was_spawned_runs_though_the_pool_is_dropped() {
    portfolio(4_000, || {
        let done = Arc::new(Count::new(0));
        let (to, pool) = (done.clone(), pool(2, 2));
        for _ in 0..2 {
            let to = to.clone();
            pool.spawn(move || {
                let inner = to.clone();
                swarm_work_stealing::spawn(move || {
                    inner.fetch_add(1, Relaxed);
                });
                to.fetch_add(1, Relaxed);
            });
        }
        drop((pool, to));
        // When all have been dropped, all have run.
        while Arc::strong_count(&done) > 1 {
            thread::yield_now();
        }
        assert_eq!(done.load(Relaxed), 4);
    });
}

#[test]
fn broadcasts_and_calls_from_two_threads_outside() {
    portfolio(4_000, || {
        let pool = Arc::new(pool(2, 2));
        let other = pool.clone();
        let thread = thread::spawn(move || {
            assert_eq!(other.broadcast(|context| context.index()), [0, 1]);
            assert_eq!(other.join(|| 1, || 2), (1, 2));
        });
        let (a, b) = pool.join(|| swarm_work_stealing::broadcast(|_| 1), || 2);
        assert_eq!((a, b), (vec![1, 1], 2));
        thread.join().expect("it does not panic");
    });
}

#[test]
fn pools_that_call_each_other() {
    portfolio(4_000, || {
        let (outer, inner) = (pool(1, 2), pool(1, 2));
        let sum = outer.install(|| {
            let (a, b) = swarm_work_stealing::join(|| inner.install(|| outer.install(|| 1)), || 2);
            a + b
        });
        assert_eq!(sum, 3);
    });
}

#[test]
fn a_traversal_by_two_threads() {
    portfolio(4_000, || {
        let pool = pool(2, 2);
        let visit = |count: &mut u32, depth: u32, pending: &mut swarm_work_stealing::Pending<'_, u32>| {
            *count += 1;
            if depth > 0 {
                pending.extend([depth - 1, depth - 1]);
            }
        };
        assert_eq!(pool.traverse([3], || 0, visit, |a, b| a + b), 15);
    });
}
