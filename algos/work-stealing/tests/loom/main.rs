//! Deques, injector and pool under loom: every execution of small models, weak memory included.
//!
//! Run with `RUSTFLAGS="--cfg steal_loom" cargo test -p swarm-work-stealing --test loom --release
//! --target-dir target/loom`; without the cfg this file is empty. Buffers, blocks and rings have two places.
//! Models of two threads have no limit on preemptions, those of three have at most three, except where a test
//! says less. Each test pins the number of executions that loom must at least explore, so that a model
//! that no longer does anything fails instead of passing.
//!
//! What every model checks: each task comes back exactly once, whoever takes it, and nothing is used after it
//! was freed. That the models can fail, `cargo xtask zoo work-stealing` shows: it puts bugs back one at a time, weakens
//! every ordering that has a name, and starts [`hunt`].
#![cfg(steal_loom)]

mod pool;

use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::{env, process};

use loom::sync::atomic::Ordering;
use loom::thread;
use swarm_work_stealing::sync::{Site, begin, overwritten, sites_met, trace_reads, weakened};
use swarm_work_stealing::{Injector, Stealer, Worker};

use self::pool::{
    broadcast_from_a_pool_that_is_dropped, call_from_outside, crew_of_two, lane_whose_job_is_taken,
    lane_with_thieves, one_broadcast, one_join, one_scope, one_scope_in_order, panic_in_first,
    panic_in_second, scope_from_another_crew, scope_from_outside, searcher_that_stops,
    sleeper_that_sleeps_again, sleepers, spawned_from_a_pool_that_is_dropped,
    spawned_in_order_from_a_pool_that_is_dropped, turn_for_what_is_left,
};

/// Explores `model`, with at most so many preemptions; returns the number of executions begun.
fn explore(preemptions_max: Option<usize>, model: impl Fn() + Send + Sync + 'static) -> Explored {
    explore_at_most(usize::MAX, preemptions_max, model)
}

/// The same, with so many executions at most.
fn explore_at_most(
    executions_max: usize,
    preemptions_max: Option<usize>,
    model: impl Fn() + Send + Sync + 'static,
) -> Explored {
    let begun = Arc::new(Count::new(0));
    let count = begun.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions_max;
    builder.max_branches = 20_000;
    builder.max_permutations = Some(executions_max);
    // How often it looks whether there were so many.
    builder.checkpoint_interval = builder.checkpoint_interval.min(executions_max.max(1));
    let result = catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            count.fetch_add(1, Relaxed);
            begin();
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

/// A thread that steals so many times.
fn thief(stealer: Stealer<usize>, times: usize, taken: &Taken) -> thread::JoinHandle<()> {
    let taken = taken.clone();
    thread::spawn(move || taken.add((0..times).filter_map(|_| stealer.steal().success())))
}

/// A thread that steals a batch and empties its own deque.
fn batch_thief(stealer: Stealer<usize>, own: fn() -> Worker<usize>, taken: &Taken) -> thread::JoinHandle<()> {
    let taken = taken.clone();
    thread::spawn(move || {
        let own = own();
        taken.add(stealer.steal_batch_and_pop(&own).success());
        taken.add(std::iter::from_fn(|| own.pop()));
    })
}

/// Joins the threads, empties the deque and looks whether everything is there.
fn settle(worker: &Worker<usize>, threads: Vec<thread::JoinHandle<()>>, taken: &Taken, count: usize) {
    for thread in threads {
        thread.join().expect("it does not panic");
    }
    taken.add(std::iter::from_fn(|| worker.pop()));
    taken.are_all_up_to(count);
}

/// An owner that pushes two tasks, is stolen from, and pops.
fn last_tasks(worker: Worker<usize>, thieves: usize, steals: usize) {
    let taken = Taken::default();
    worker.push(1);
    worker.push(2);
    let threads = (0..thieves).map(|_| thief(worker.stealer(), steals, &taken)).collect();
    taken.add(worker.pop());
    taken.add(worker.pop());
    settle(&worker, threads, &taken, 2);
}

/// An owner that pushes while it is stolen from, after it has popped: its slots are used again.
fn slots_used_again(worker: Worker<usize>, steals: usize) {
    let taken = Taken::default();
    let threads = vec![thief(worker.stealer(), steals, &taken)];
    worker.push(1);
    worker.push(2);
    taken.add(worker.pop());
    worker.push(3);
    settle(&worker, threads, &taken, 3);
}

/// An owner whose deque grows while it is stolen from.
fn growth(worker: Worker<usize>, thieves: usize) {
    let taken = Taken::default();
    worker.push(1);
    let threads = (0..thieves).map(|_| thief(worker.stealer(), 1, &taken)).collect();
    worker.push(2);
    worker.push(3);
    taken.add(worker.pop());
    settle(&worker, threads, &taken, 3);
}

/// An owner whose deque has grown and shrinks while it is stolen from.
fn shrinking(worker: Worker<usize>, tasks: usize) {
    let taken = Taken::default();
    (1..=tasks).for_each(|task| worker.push(task));
    let threads = vec![thief(worker.stealer(), 1, &taken)];
    (1..tasks).for_each(|_| taken.add(worker.pop()));
    settle(&worker, threads, &taken, tasks);
}

/// A thief that takes a batch while the owner pops, pushes and makes its buffer grow.
fn batch(worker: Worker<usize>, own: fn() -> Worker<usize>, tasks: usize) {
    let taken = Taken::default();
    (1..=tasks).for_each(|task| worker.push(task));
    let threads = vec![batch_thief(worker.stealer(), own, &taken)];
    taken.add(worker.pop());
    worker.push(tasks + 1);
    taken.add(worker.pop());
    settle(&worker, threads, &taken, tasks + 1);
}

/// An owner that pops while it is stolen from for the first time: what a thief reads may have been stored by the pop.
fn popping(worker: Worker<usize>) {
    let taken = Taken::default();
    let threads = vec![thief(worker.stealer(), 1, &taken)];
    worker.push(1);
    worker.push(2);
    taken.add(worker.pop());
    settle(&worker, threads, &taken, 2);
}

/// A thief that takes a batch while the owner pops all but one task, so that its buffer shrinks if it is large, and
/// pushes again.
fn batch_over_a_swap(worker: Worker<usize>, own: fn() -> Worker<usize>, tasks: usize) {
    let taken = Taken::default();
    (1..=tasks).for_each(|task| worker.push(task));
    let threads = vec![batch_thief(worker.stealer(), own, &taken)];
    (1..tasks).for_each(|_| taken.add(worker.pop()));
    worker.push(tasks + 1);
    settle(&worker, threads, &taken, tasks + 1);
}

/// An owner that writes the slot again from which a thief has taken a task: the thief has read it by then.
fn slot_written_after_it_was_read(worker: Worker<usize>, steals: usize, owner: fn(&Worker<usize>, &Taken)) {
    trace_reads();
    let (stolen, own) = (Taken::default(), Taken::default());
    let thief = thief(worker.stealer(), steals, &stolen);
    owner(&worker, &own);
    thief.join().expect("it does not panic");
    let stolen = stolen.0.lock().expect("nobody panics with it");
    for (task, read) in overwritten() {
        assert!(read || !stolen.contains(&task), "task {task} may be read after its slot was written again");
    }
}

fn push_three(worker: &Worker<usize>, _: &Taken) {
    (1..=3).for_each(|task| worker.push(task));
}

fn push_pop_and_push(worker: &Worker<usize>, own: &Taken) {
    worker.push(1);
    worker.push(2);
    own.add(worker.pop());
    worker.push(3);
}

/// A split deque lays out what a thief asks for, who does whenever it has taken what there was.
fn push_when_asked(worker: &Worker<usize>, _: &Taken) {
    assert!(worker.stealer().steal().is_empty());
    (1..=3).for_each(|task| worker.push(task));
}

#[test]
fn lifo_last_tasks() {
    explore(None, || last_tasks(Worker::new_lifo(), 1, 2)).passes_with_at_least(12_600);
}

#[test]
fn lifo_last_tasks_between_two_thieves() {
    explore(Some(3), || last_tasks(Worker::new_lifo(), 2, 1)).passes_with_at_least(373_000);
}

#[test]
fn lifo_slots_used_again() {
    explore(None, || slots_used_again(Worker::new_lifo(), 2)).passes_with_at_least(32_000);
}

#[test]
fn lifo_growth() {
    explore(None, || growth(Worker::new_lifo(), 1)).passes_with_at_least(148_000);
}

#[test]
fn lifo_growth_under_two_thieves() {
    explore(Some(1), || growth(Worker::new_lifo(), 2)).passes_with_at_least(12_600);
}

#[test]
fn lifo_shrinking() {
    explore(Some(3), || shrinking(Worker::new_lifo(), 5)).passes_with_at_least(30_000);
}

#[test]
fn lifo_batch() {
    explore(Some(3), || batch(Worker::new_lifo(), Worker::new_fifo, 3)).passes_with_at_least(1_050);
}

#[test]
fn lifo_popping() {
    explore(Some(3), || popping(Worker::new_lifo())).passes_with_at_least(175);
}

#[test]
fn lifo_batch_over_pops() {
    let model = || batch_over_a_swap(Worker::new_lifo(), Worker::new_fifo, 3);
    explore(Some(3), model).passes_with_at_least(700);
    let model = || batch_over_a_swap(Worker::new_lifo(), Worker::new_fifo, 5);
    explore(Some(2), model).passes_with_at_least(3_200);
}

#[test]
fn slots_written_after_they_were_read() {
    let model = || slot_written_after_it_was_read(Worker::new_lifo(), 1, push_three);
    explore(Some(3), model).passes_with_at_least(1_800);
    let model = || slot_written_after_it_was_read(Worker::new_lifo(), 1, push_pop_and_push);
    explore(Some(3), model).passes_with_at_least(250);
    let model = || slot_written_after_it_was_read(Worker::new_fifo(), 1, push_three);
    explore(Some(3), model).passes_with_at_least(1_800);
    let model = || slot_written_after_it_was_read(Worker::new_split(), 2, push_when_asked);
    explore(Some(3), model).passes_with_at_least(950);
}

#[test]
fn fifo_last_tasks() {
    explore(None, || last_tasks(Worker::new_fifo(), 1, 2)).passes_with_at_least(110);
}

#[test]
fn fifo_slots_used_again() {
    explore(None, || slots_used_again(Worker::new_fifo(), 2)).passes_with_at_least(5_200);
}

#[test]
fn fifo_growth() {
    explore(Some(4), || growth(Worker::new_fifo(), 1)).passes_with_at_least(55_000);
}

#[test]
fn fifo_shrinking() {
    explore(Some(3), || shrinking(Worker::new_fifo(), 3)).passes_with_at_least(780);
}

#[test]
fn fifo_batch() {
    explore(Some(3), || batch(Worker::new_fifo(), Worker::new_lifo, 3)).passes_with_at_least(4_100);
}

/// An owner that lays tasks out before it is stolen from again, and takes them back.
fn taking_back(thieves: usize, tasks: usize) {
    let taken = Taken::default();
    let worker = Worker::new_split();
    worker.push(1);
    // Asks.
    assert!(worker.stealer().steal().is_empty());
    (2..=tasks).for_each(|task| worker.push(task));
    let threads = (0..thieves).map(|_| thief(worker.stealer(), 1, &taken)).collect();
    (0..tasks).for_each(|_| taken.add(worker.pop()));
    settle(&worker, threads, &taken, tasks);
}

/// The same with a thief that takes batches.
fn taking_back_from_a_batch(tasks: usize, own: fn() -> Worker<usize>) {
    let taken = Taken::default();
    let worker = Worker::new_split();
    worker.push(1);
    assert!(worker.stealer().steal().is_empty());
    (2..=tasks).for_each(|task| worker.push(task));
    let threads = vec![batch_thief(worker.stealer(), own, &taken)];
    taken.add(worker.pop());
    taken.add(worker.pop());
    worker.push(tasks + 1);
    settle(&worker, threads, &taken, tasks + 1);
}

/// An owner that takes back and lays out others while a thief is slow: the ring wraps around.
fn laying_out_again() {
    let taken = Taken::default();
    let worker = Worker::new_split();
    worker.push(1);
    assert!(worker.stealer().steal().is_empty());
    worker.push(2);
    let threads = vec![thief(worker.stealer(), 2, &taken)];
    taken.add(worker.pop());
    taken.add(worker.pop());
    worker.push(3);
    worker.push(4);
    settle(&worker, threads, &taken, 4);
}

/// An owner that lays one task out and takes it back, again and again, while a thief is slow: positions go round so
/// many times.
fn laps(times: usize) {
    let taken = Taken::default();
    let worker = Worker::new_split();
    assert!(worker.stealer().steal().is_empty());
    worker.push(1);
    let threads = vec![thief(worker.stealer(), 1, &taken)];
    for task in 2..=1 + times {
        taken.add(worker.pop());
        taken.add(worker.stealer().steal().success());
        worker.push(task);
    }
    settle(&worker, threads, &taken, 1 + times);
}

/// A request that comes when something is laid out.
fn late_request() {
    let taken = Taken::default();
    let worker = Worker::new_split();
    let threads = vec![thief(worker.stealer(), 1, &taken)];
    assert!(worker.stealer().steal().is_empty());
    (1..=5).for_each(|task| worker.push(task));
    settle(&worker, threads, &taken, 5);
}

#[test]
fn split_taking_back() {
    explore(None, || taking_back(1, 3)).passes_with_at_least(75);
}

#[test]
fn split_taking_back_between_two_thieves() {
    explore(Some(4), || taking_back(2, 3)).passes_with_at_least(43_000);
}

#[test]
fn split_slots_used_again() {
    explore(None, || slots_used_again(Worker::new_split(), 2)).passes_with_at_least(550);
}

#[test]
fn split_laying_out_again() {
    explore(None, laying_out_again).passes_with_at_least(2_100);
}

#[test]
fn split_laps() {
    explore(Some(3), || laps(2)).passes_with_at_least(850);
    explore(Some(3), || laps(4)).passes_with_at_least(6_600);
}

#[test]
fn split_late_request() {
    explore(Some(3), late_request).passes_with_at_least(490);
}

#[test]
fn split_batch() {
    explore(None, || taking_back_from_a_batch(4, Worker::new_split)).passes_with_at_least(55);
}

/// Producers that push so many each, and a consumer that steals so many times.
fn pushing_and_stealing(producers: usize, each: usize, steals: usize) {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    let threads: Vec<_> = (0..producers)
        .map(|producer| {
            let injector = injector.clone();
            thread::spawn(move || {
                (0..each).for_each(|task| injector.push(1 + producer * each + task));
            })
        })
        .collect();
    (0..steals).for_each(|_| taken.add(injector.steal().success()));
    empty(&injector, threads, &taken, producers * each);
}

/// Consumers that steal so many times from what was there before, while one more is pushed.
fn stealing(consumers: usize, tasks: usize, steals: usize) {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    (1..tasks).for_each(|task| injector.push(task));
    let threads: Vec<_> = (0..consumers)
        .map(|_| {
            let (injector, taken) = (injector.clone(), taken.clone());
            thread::spawn(move || taken.add((0..steals).filter_map(|_| injector.steal().success())))
        })
        .collect();
    injector.push(tasks);
    empty(&injector, threads, &taken, tasks);
}

/// A consumer that takes a batch while others are pushed.
fn stealing_a_batch(own: fn() -> Worker<usize>) {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    (1..=3).for_each(|task| injector.push(task));
    assert_eq!(injector.steal().success(), Some(1));
    taken.add([1]);
    let (from, to) = (injector.clone(), taken.clone());
    let threads = vec![thread::spawn(move || {
        let own = own();
        to.add(from.steal_batch_and_pop(&own).success());
        to.add(std::iter::from_fn(|| own.pop()));
    })];
    injector.push(4);
    taken.add(injector.steal().success());
    empty(&injector, threads, &taken, 4);
}

/// Joins the threads, empties the injector and looks whether everything is there.
fn empty(injector: &Injector<usize>, threads: Vec<thread::JoinHandle<()>>, taken: &Taken, count: usize) {
    for thread in threads {
        thread.join().expect("it does not panic");
    }
    taken.add(std::iter::from_fn(|| injector.steal().success()));
    taken.are_all_up_to(count);
    assert!(injector.is_empty());
}

#[test]
fn injector_pushing_and_stealing() {
    explore(None, || pushing_and_stealing(1, 2, 2)).passes_with_at_least(9_700);
}

#[test]
fn injector_next_block() {
    explore(Some(2), || pushing_and_stealing(1, 3, 3)).passes_with_at_least(80_000);
}

#[test]
fn injector_two_producers() {
    explore(Some(3), || pushing_and_stealing(2, 1, 1)).passes_with_at_least(164_000);
}

#[test]
fn injector_two_producers_pass_a_block() {
    explore(Some(1), || pushing_and_stealing(2, 2, 2)).passes_with_at_least(124_000);
}

#[test]
fn injector_consumers_pass_a_block() {
    explore(Some(3), || stealing(1, 3, 3)).passes_with_at_least(3_700);
}

#[test]
fn injector_two_consumers_pass_a_block() {
    explore(Some(2), || stealing(2, 4, 2)).passes_with_at_least(33_000);
}

#[test]
fn injector_slot_passed_over() {
    explore(Some(3), slot_passed_over).passes_with_at_least(500);
}

#[test]
fn injector_block_that_two_link() {
    explore(Some(3), block_that_two_link).passes_with_at_least(3_100);
}

#[test]
fn injector_block_that_the_head_leads_to() {
    explore(Some(3), block_that_the_head_leads_to).passes_with_at_least(1_700);
}

#[test]
fn injector_block_left_behind() {
    explore(Some(3), block_left_behind).passes_with_at_least(1_050);
}

#[test]
fn injector_block_freed_by_another() {
    explore(Some(2), block_freed_by_another).passes_with_at_least(5_700);
}

#[test]
fn injector_seat_that_was_left() {
    explore(Some(2), seat_that_was_left).passes_with_at_least(4_400);
}

#[test]
fn injector_batch() {
    explore(Some(3), || stealing_a_batch(Worker::new_split)).passes_with_at_least(160);
}

/// A thread that pushes one task.
fn producer(injector: &Arc<Injector<usize>>, task: usize) -> thread::JoinHandle<()> {
    let injector = injector.clone();
    thread::spawn(move || injector.push(task))
}

/// A thread that steals so many times.
fn consumer(injector: &Arc<Injector<usize>>, steals: usize, taken: &Taken) -> thread::JoinHandle<()> {
    let (injector, taken) = (injector.clone(), taken.clone());
    thread::spawn(move || taken.add((0..steals).filter_map(|_| injector.steal().success())))
}

/// Three threads that push when the first block is full: one links the next, one moves the tail there, and one reads
/// what neither has told it of.
fn block_that_two_lead_to() {
    let injector = Arc::new(Injector::new());
    (1..=2).for_each(|task| injector.push(task));
    let threads = vec![producer(&injector, 3), producer(&injector, 4)];
    thread::yield_now();
    injector.push(5);
    empty(&injector, threads, &Taken::default(), 5);
}

/// Two that push when the first block is full.
fn block_that_two_link() {
    let injector = Arc::new(Injector::new());
    (1..=2).for_each(|task| injector.push(task));
    let threads = vec![producer(&injector, 3)];
    injector.push(4);
    empty(&injector, threads, &Taken::default(), 4);
}

/// One that links a block and moves the head there, and one that follows.
fn block_that_the_head_leads_to() {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    (1..=2).for_each(|task| injector.push(task));
    (0..2).for_each(|_| taken.add(injector.steal().success()));
    let (other, to) = (injector.clone(), taken.clone());
    let threads = vec![thread::spawn(move || {
        other.push(3);
        to.add(other.steal().success());
    })];
    taken.add(injector.steal().success());
    empty(&injector, threads, &taken, 3);
}

/// One that pushes, and one that pushes and passes over what the first has claimed.
fn slot_passed_over() {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    let threads = vec![producer(&injector, 1)];
    injector.push(2);
    taken.add(injector.steal().success());
    empty(&injector, threads, &taken, 2);
}

/// One that goes on to the next block while another frees the one it has left.
fn block_left_behind() {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    (1..=3).for_each(|task| injector.push(task));
    let threads = vec![consumer(&injector, 2, &taken)];
    taken.add(injector.steal().success());
    thread::yield_now();
    taken.add(injector.steal().success());
    empty(&injector, threads, &taken, 3);
}

/// A block that cannot be freed by whoever gives it up, and is by who gives up the next.
fn block_freed_by_another() {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    (1..=5).for_each(|task| injector.push(task));
    taken.add(injector.steal().success());
    let threads = vec![consumer(&injector, 2, &taken)];
    thread::yield_now();
    (0..3).for_each(|_| taken.add(injector.steal().success()));
    empty(&injector, threads, &taken, 5);
}

/// Two that come for the seat of a thread that has ended.
fn seat_that_was_left() {
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    let first = injector.clone();
    let pushed = thread::spawn(move || (1..=3).for_each(|task| first.push(task)));
    pushed.join().expect("it does not panic");
    let threads = vec![consumer(&injector, 2, &taken)];
    (0..2).for_each(|_| taken.add(injector.steal().success()));
    empty(&injector, threads, &taken, 3);
}

/// Models for hunts, small ones first, with their limits on preemptions.
const MODELS: [(&str, Option<usize>, fn()); 56] = [
    ("split back", None, || taking_back(1, 3)),
    ("split laps", None, || laps(2)),
    ("split more laps", None, || laps(4)),
    ("split late request", None, late_request),
    ("split batch", None, || taking_back_from_a_batch(4, Worker::new_split)),
    ("split again", None, laying_out_again),
    ("fifo again", None, || slots_used_again(Worker::new_fifo(), 2)),
    ("fifo batch", Some(3), || batch(Worker::new_fifo(), Worker::new_lifo, 3)),
    ("fifo shrinking", Some(3), || shrinking(Worker::new_fifo(), 3)),
    ("lifo batch", Some(3), || batch(Worker::new_lifo(), Worker::new_fifo, 3)),
    ("lifo batch over pops", Some(3), || batch_over_a_swap(Worker::new_lifo(), Worker::new_fifo, 3)),
    ("lifo batch over a swap", Some(2), || batch_over_a_swap(Worker::new_lifo(), Worker::new_fifo, 5)),
    ("lifo popping", None, || popping(Worker::new_lifo())),
    ("lifo written again", None, || slot_written_after_it_was_read(Worker::new_lifo(), 1, push_three)),
    ("lifo written after a pop", None, || {
        slot_written_after_it_was_read(Worker::new_lifo(), 1, push_pop_and_push)
    }),
    ("fifo written again", None, || slot_written_after_it_was_read(Worker::new_fifo(), 1, push_three)),
    ("split written again", None, || slot_written_after_it_was_read(Worker::new_split(), 2, push_when_asked)),
    ("lane taken", None, lane_whose_job_is_taken),
    ("lane", None, || lane_with_thieves(1, 2, false)),
    ("crew join", Some(2), || crew_of_two(2, one_join)),
    ("crew panic in first", Some(2), || crew_of_two(2, panic_in_first)),
    ("crew panic in second", Some(2), || crew_of_two(2, panic_in_second)),
    ("crew outside", Some(2), call_from_outside),
    ("crew broadcast", Some(2), || crew_of_two(2, one_broadcast)),
    ("crew scope", Some(2), || crew_of_two(2, one_scope)),
    ("crew spawned", Some(2), spawned_from_a_pool_that_is_dropped),
    ("crew scope from outside", Some(2), scope_from_outside),
    ("crew scope from another", Some(2), scope_from_another_crew),
    ("crew scope in order", Some(2), || crew_of_two(2, one_scope_in_order)),
    ("crew spawned in order", Some(2), spawned_in_order_from_a_pool_that_is_dropped),
    ("crew broadcast nobody waits for", Some(2), broadcast_from_a_pool_that_is_dropped),
    ("crew turn", Some(2), || crew_of_two(2, turn_for_what_is_left)),
    ("sleep", None, || sleepers(1)),
    ("sleep again", Some(3), sleeper_that_sleeps_again),
    ("sleep searcher", None, searcher_that_stops),
    ("lifo last", None, || last_tasks(Worker::new_lifo(), 1, 2)),
    ("lifo again", Some(3), || slots_used_again(Worker::new_lifo(), 2)),
    ("injector passed over", Some(3), slot_passed_over),
    ("injector two link", Some(3), block_that_two_link),
    ("injector", Some(3), || pushing_and_stealing(1, 2, 2)),
    ("injector batch", Some(3), || stealing_a_batch(Worker::new_split)),
    ("injector block", Some(3), || stealing(1, 3, 3)),
    ("injector left behind", Some(3), block_left_behind),
    ("injector freed by another", Some(3), block_freed_by_another),
    ("injector seat", Some(2), seat_that_was_left),
    ("injector two lead to", Some(3), block_that_two_lead_to),
    ("injector head leads to", Some(3), block_that_the_head_leads_to),
    ("lifo growth", Some(3), || growth(Worker::new_lifo(), 1)),
    ("fifo growth", Some(2), || growth(Worker::new_fifo(), 1)),
    ("injector next block", Some(2), || pushing_and_stealing(1, 3, 3)),
    ("injector blocks", Some(2), || stealing(2, 4, 2)),
    ("injector producers", Some(2), || pushing_and_stealing(2, 1, 1)),
    ("lane between two", Some(2), || lane_with_thieves(2, 1, true)),
    ("sleep two", Some(2), || sleepers(2)),
    ("injector more blocks", Some(1), || stealing(2, 6, 3)),
    ("lifo shrinking", Some(2), || shrinking(Worker::new_lifo(), 5)),
];

/// Names how many executions of each model, and of each limit on preemptions, a hunt may take.
const HUNT: &str = "STEAL_HUNT";
/// Names the ordering that a hunt weakens, if any: `Scan Relaxed`.
const WEAKER: &str = "STEAL_WEAKER";

fn ordering(name: &str) -> Ordering {
    use Ordering::{AcqRel, Acquire, Relaxed, Release};
    let all = [Relaxed, Acquire, Release, AcqRel];
    *all.iter().find(|ordering| format!("{ordering:?}") == name).expect("an ordering of loom's")
}

/// What the zoo starts (`cargo xtask zoo work-stealing`), in a process of its own: looks in all models for what is
/// wrong, with few preemptions first, and says after how many executions it was found. Without the variable
/// there is nothing to do.
#[test]
fn hunt() {
    static BEGUN: Count = Count::new(0);
    static MODEL: Mutex<String> = Mutex::new(String::new());
    let Ok(most) = env::var(HUNT) else { return };
    let most = most.parse().expect("a number of executions");
    // The first panic is the finding. What a failed execution drops may panic again and end the process.
    panic::set_hook(Box::new(|panic| {
        let said = panic.to_string().replace('\n', " ");
        let model = MODEL.lock().map_or_else(|_| String::new(), |model| model.clone());
        println!("hunt found {} {model}: {said}", BEGUN.load(Relaxed));
        process::exit(0);
    }));
    let weaker = env::var(WEAKER).ok().map(|named| {
        let (site, weak) = named.split_once(' ').expect("a site and an ordering");
        let site = Site::ALL.iter().find(|known| format!("{known:?}") == site).expect("a site");
        (*site, ordering(weak))
    });
    let mut skipped = Vec::new();
    let little = most / 20;
    for (limit, most) in [
        (Some(1), little),
        (Some(2), little),
        (Some(1), most),
        (Some(2), most),
        (Some(3), most),
        (None, most),
    ] {
        for (name, bound, model) in MODELS {
            // With as few preemptions it was explored before.
            let explored = bound.is_some_and(|bound| limit.is_none_or(|limit| bound < limit));
            if explored || skipped.contains(&name) {
                continue;
            }
            *MODEL.lock().expect("nobody panics with it") = match limit {
                Some(limit) => format!("{name}, at most {limit} preemptions"),
                None => format!("{name}, any preemptions"),
            };
            let bound = match (bound, limit) {
                (Some(bound), Some(limit)) => Some(bound.min(limit)),
                (bound, limit) => bound.or(limit),
            };
            let run = || {
                explore_at_most(most, bound, move || {
                    // Now and then, for whoever has to tell when it died.
                    let begun = BEGUN.fetch_add(1, Relaxed) + 1;
                    if begun.is_power_of_two() {
                        println!("hunt begun {begun} {name}");
                    }
                    model();
                })
            };
            match weaker {
                None => drop(run()),
                Some((site, weak)) => {
                    weakened(site, weak, run);
                    if !sites_met().contains_key(&site) {
                        skipped.push(name);
                    }
                }
            }
        }
    }
    println!("hunt nothing {}", BEGUN.load(Relaxed));
}
