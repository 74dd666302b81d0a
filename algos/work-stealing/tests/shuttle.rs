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

use std::panic::{self, AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::{env, process};

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

/// An owner that lays one task out and takes it back, again and again, while a thief is slow: positions go round.
fn laps() {
    let taken = Taken::default();
    let worker = Worker::new_split();
    assert!(worker.stealer().steal().is_empty());
    worker.push(1);
    let (stealer, to) = (worker.stealer(), taken.clone());
    let thief = thread::spawn(move || to.add(stealer.steal().success()));
    for task in 2..=17 {
        taken.add(worker.pop());
        taken.add(worker.stealer().steal().success());
        worker.push(task);
    }
    thief.join().expect("it does not panic");
    taken.add(std::iter::from_fn(|| worker.pop()));
    taken.are_all_up_to(17);
}

#[test]
fn a_slow_thief_of_a_split_worker() {
    portfolio(4_000, laps);
}

/// Two that come for the seat of a thread that has ended.
fn seat_that_was_left() {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    let first = injector.clone();
    let pushed = thread::spawn(move || (1..=7).for_each(|task| first.push(task)));
    pushed.join().expect("it does not panic");
    let (other, to) = (injector.clone(), taken.clone());
    let thread = thread::spawn(move || to.add((0..4).filter_map(|_| other.steal().success())));
    taken.add((0..4).filter_map(|_| injector.steal().success()));
    thread.join().expect("it does not panic");
    taken.add(std::iter::from_fn(|| injector.steal().success()));
    taken.are_all_up_to(7);
}

#[test]
fn a_seat_that_was_left() {
    portfolio(4_000, seat_that_was_left);
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

fn meeting_of_joins() {
    meeting(|pool, all| {
        let wait = |_: Context<'_>| {
            all.wait();
        };
        pool.install_context(|context| context.join(|context| context.join(wait, wait), wait));
    });
}

fn meeting_of_spawned() {
    meeting(|pool, all| {
        pool.scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|_| {
                    all.wait();
                });
            }
        });
    });
}

/// A closure that waits for one that it has left to the other thread.
fn meeting_of_two() {
    let (pool, all) = (pool(2, 2), shuttle::sync::Barrier::new(2));
    pool.scope(|scope| {
        scope.spawn(|_| {
            all.wait();
        });
        all.wait();
    });
}

fn one_broadcast() {
    assert_eq!(pool(2, 2).broadcast(|context| context.index()), [0, 1]);
}

#[test]
fn everybody_is_woken_if_there_is_enough_to_do() {
    portfolio(2_000, meeting_of_two);
    portfolio(2_000, one_broadcast);
    portfolio(2_000, meeting_of_joins);
    portfolio(2_000, meeting_of_spawned);
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

fn scope() {
    fn split<'a>(scope: &Scope<'a>, depth: u32, count: &'a Count) {
        count.fetch_add(1, Relaxed);
        for _ in 0..if depth > 0 { 2 } else { 0 } {
            scope.spawn(move |scope| split(scope, depth - 1, count));
        }
    }
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
}

#[test]
fn a_scope_whose_jobs_spawn_jobs() {
    portfolio(4_000, scope);
}

fn spawned_from_a_pool_that_is_dropped() {
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
}

fn in_order() {
    let pool = pool(2, 2);
    let done = Arc::new(Count::new(0));
    pool.scope_fifo(|scope| {
        for _ in 0..2 {
            let done = &done;
            scope.spawn_fifo(move |scope| {
                scope.spawn_fifo(move |_| _ = done.fetch_add(1, Relaxed));
            });
        }
        scope.spawn_broadcast(|_, _| _ = done.fetch_add(1, Relaxed));
    });
    assert_eq!(done.load(Relaxed), 4);
    let to = done.clone();
    pool.spawn_broadcast(move |_| _ = to.fetch_add(1, Relaxed));
    drop(pool);
    // When it has been dropped, all have run.
    while Arc::strong_count(&done) > 1 {
        thread::yield_now();
    }
    assert_eq!(done.load(Relaxed), 6);
}

#[test]
fn a_scope_in_order_and_a_broadcast_that_nobody_waits_for() {
    portfolio(2_000, in_order);
}

#[test]
fn what_was_spawned_runs_though_the_pool_is_dropped() {
    portfolio(4_000, spawned_from_a_pool_that_is_dropped);
}

fn broadcasts_and_calls() {
    let pool = Arc::new(pool(2, 2));
    let other = pool.clone();
    let thread = thread::spawn(move || {
        assert_eq!(other.broadcast(|context| context.index()), [0, 1]);
        assert_eq!(other.join(|| 1, || 2), (1, 2));
    });
    let (a, b) = pool.join(|| swarm_work_stealing::broadcast(|_| 1), || 2);
    assert_eq!((a, b), (vec![1, 1], 2));
    thread.join().expect("it does not panic");
}

#[test]
fn broadcasts_and_calls_from_two_threads_outside() {
    portfolio(4_000, broadcasts_and_calls);
}

fn two_pools() {
    let (outer, inner) = (pool(1, 2), pool(1, 2));
    let sum = outer.install(|| {
        let (a, b) = swarm_work_stealing::join(|| inner.install(|| outer.install(|| 1)), || 2);
        a + b
    });
    assert_eq!(sum, 3);
}

#[test]
fn pools_that_call_each_other() {
    portfolio(4_000, two_pools);
}

fn traversal() {
    let pool = pool(2, 2);
    let visit = |count: &mut u32, depth: u32, pending: &mut swarm_work_stealing::Pending<'_, u32>| {
        *count += 1;
        if depth > 0 {
            pending.extend([depth - 1, depth - 1]);
        }
    };
    assert_eq!(pool.traverse([3], || 0, visit, |a, b| a + b), 15);
}

#[test]
fn a_traversal_by_two_threads() {
    portfolio(4_000, traversal);
}

/// Models for hunts.
const MODELS: [(&str, fn()); 21] = [
    ("broadcast", one_broadcast),
    ("meeting of two", meeting_of_two),
    ("laps", laps),
    ("seat", seat_that_was_left),
    ("lifo", || owner_and_thieves(Worker::new_lifo(), Worker::new_fifo)),
    ("fifo", || owner_and_thieves(Worker::new_fifo(), Worker::new_lifo)),
    ("split", || owner_and_thieves(Worker::new_split(), Worker::new_split)),
    ("injector", producers_and_consumers),
    ("joins", || joins(2, 2)),
    ("joins that leave all", || joins(2, usize::MAX)),
    ("joins of three", || joins(3, 1)),
    ("meeting of joins", meeting_of_joins),
    ("meeting of spawned", meeting_of_spawned),
    ("panics", || panics(2, 2)),
    ("panics of three", || panics(3, 1)),
    ("scope", scope),
    ("in order", in_order),
    ("spawned", spawned_from_a_pool_that_is_dropped),
    ("broadcasts", broadcasts_and_calls),
    ("two pools", two_pools),
    ("traversal", traversal),
];

/// Names how many schedules of each model a hunt may take.
const HUNT: &str = "STEAL_HUNT";
/// Names how schedules are drawn: `random`, `pct` or `urw`.
const SCHEDULER: &str = "STEAL_SCHEDULER";

/// What the zoo starts (`cargo xtask zoo work-stealing`), in a process of its own: looks in all models for what is
/// wrong, at first a little in each, and says after how many schedules it was found. Without the variable there is
/// nothing to do.
#[test]
fn hunt() {
    static BEGUN: Count = Count::new(0);
    static MODEL: Mutex<&str> = Mutex::new("");
    let Ok(most) = env::var(HUNT) else { return };
    let most: usize = most.parse().expect("a number of schedules");
    let drawn = env::var(SCHEDULER).unwrap_or_default();
    // The first panic is the finding. What a failed schedule drops may panic again and end the process.
    panic::set_hook(Box::new(|panic| {
        let said = panic.to_string().replace('\n', " ");
        let model = MODEL.lock().map_or("", |model| *model);
        println!("hunt found {} {model}: {said}", BEGUN.load(Relaxed));
        process::exit(0);
    }));
    for (pass, schedules) in [most / 20, most].into_iter().enumerate() {
        for (name, model) in MODELS {
            *MODEL.lock().expect("nobody panics with it") = name;
            let model = move || {
                // Now and then, for whoever has to tell when it died.
                let begun = BEGUN.fetch_add(1, Relaxed) + 1;
                if begun.is_power_of_two() {
                    println!("hunt begun {begun} {name}");
                }
                model();
            };
            let seed = SEED + pass as u64;
            let explored = match &*drawn {
                "pct" => explore(PctScheduler::new_from_seed(seed, 3, schedules), model),
                "urw" => explore(UrwRandomScheduler::new_from_seed(seed, schedules), model),
                _ => explore(RandomScheduler::new_from_seed(seed, schedules), model),
            };
            assert_eq!(explored.failure, None);
        }
    }
    println!("hunt nothing {}", BEGUN.load(Relaxed));
}
