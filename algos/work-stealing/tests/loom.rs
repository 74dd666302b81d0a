//! Deques, injector and pool under loom: every execution of small models, weak memory included.
//!
//! Run with `RUSTFLAGS="--cfg steal_loom" cargo test -p swarm-work-stealing --test loom --release
//! --target-dir target/loom`; without the cfg this file is empty. Buffers, blocks and rings have two places.
//! Models of two threads have no limit on preemptions, those of three have at most three, except where a test
//! says less. Each test pins the number of executions that loom must at least explore, so that a model
//! that no longer does anything fails instead of passing.
//!
//! What every model checks: each task comes back exactly once, whoever takes it, and nothing is used after it
//! was freed. That the models can fail, the last test shows for every ordering that has a name; it takes minutes
//! and is asked for by `-- --ignored`.
#![cfg(steal_loom)]

use std::collections::BTreeMap;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering;
use loom::thread;
use swarm_work_stealing::pool::lane::{Lane, Popped};
use swarm_work_stealing::pool::latch::Latch;
use swarm_work_stealing::pool::sleep::Sleep;
use swarm_work_stealing::sync::{Site, begin, sites_met, weakened};
use swarm_work_stealing::{Context, Injector, Stealer, ThreadPoolBuilder, Worker};

/// Explores `model`, with at most so many preemptions; returns the number of executions begun.
fn explore(preemptions_max: Option<usize>, model: impl Fn() + Send + Sync + 'static) -> Explored {
    let begun = Arc::new(Count::new(0));
    let count = begun.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions_max;
    builder.max_branches = 20_000;
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

#[test]
fn split_taking_back() {
    explore(None, || taking_back(1, 3)).passes_with_at_least(75);
}

#[test]
fn split_taking_back_between_two_thieves() {
    explore(None, || taking_back(2, 3)).passes_with_at_least(21_900);
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
fn injector_batch() {
    explore(Some(3), || stealing_a_batch(Worker::new_split)).passes_with_at_least(160);
}

/// A job on the stack of a lane's owner, who is its waiter too.
struct Job {
    latch: Latch,
    runs: UnsafeCell<u32>,
}

#[derive(Clone, Copy)]
struct JobRef(*const Job);

// SAFETY: the owner waits until it has it back, or until its latch is set.
unsafe impl Send for JobRef {}

impl Job {
    fn new() -> Self {
        Job { latch: Latch::new(0), runs: UnsafeCell::new(0) }
    }

    fn run(&self) {
        // SAFETY: loom sees to it that nobody else is there.
        self.runs.with_mut(|runs| unsafe { *runs += 1 });
    }

    /// Leaves the job on the lane while `first` runs; then it has run once.
    fn left_on(lane: &Lane<JobRef>, first: impl FnOnce()) {
        // SAFETY: one thread alone comes here.
        let own = unsafe { lane.own() };
        let job = Job::new();
        own.push(JobRef(&raw const job));
        own.share();
        first();
        match own.pop() {
            Popped::Own => job.run(),
            Popped::Taken => {
                while !job.latch.is_set() {
                    thread::yield_now();
                }
                own.settle();
            }
        }
        // SAFETY: as above.
        assert_eq!(job.runs.with(|runs| unsafe { *runs }), 1);
    }
}

/// Thieves that take so many times each from a lane on which jobs are left, one upon the other and one after the
/// other.
fn lane_with_thieves(thieves: usize, times: usize, on_top: bool) {
    let lane = Arc::new(Lane::new(2, 2));
    let threads: Vec<_> = (0..thieves)
        .map(|_| {
            let lane = lane.clone();
            thread::spawn(move || {
                for _ in 0..times {
                    if let Some(JobRef(job)) = lane.take() {
                        // SAFETY: the owner waits for the latch.
                        unsafe { &*job }.run();
                        // SAFETY: as above. Nobody is to be woken: the owner looks again and again.
                        let _sleeper = unsafe { Latch::set_then_wake(&raw const (*job).latch) };
                    }
                }
            })
        })
        .collect();
    if on_top {
        Job::left_on(&lane, || Job::left_on(&lane, || ()));
    } else {
        Job::left_on(&lane, || ());
    }
    Job::left_on(&lane, || ());
    for thread in threads {
        thread.join().expect("it does not panic");
    }
    assert!(!lane.has_jobs());
}

/// A job that is taken in every execution: the owner waits until it is.
fn lane_whose_job_is_taken() {
    let lane = Arc::new(Lane::new(2, 2));
    let thief = lane.clone();
    let thread = thread::spawn(move || {
        loop {
            if let Some(JobRef(job)) = thief.take() {
                // SAFETY: the owner waits for the latch.
                unsafe { &*job }.run();
                // SAFETY: as above.
                let _sleeper = unsafe { Latch::set_then_wake(&raw const (*job).latch) };
                break;
            }
            thread::yield_now();
        }
    });
    Job::left_on(&lane, || {
        while lane.has_jobs() {
            thread::yield_now();
        }
    });
    thread.join().expect("it does not panic");
}

#[test]
fn lane_job_that_is_taken() {
    explore(None, lane_whose_job_is_taken).passes_with_at_least(85);
}

#[test]
fn lane_levels_used_again() {
    explore(None, || lane_with_thieves(1, 2, false)).passes_with_at_least(1_250);
}

#[test]
fn lane_jobs_upon_each_other() {
    explore(None, || lane_with_thieves(1, 2, true)).passes_with_at_least(57_000);
}

#[test]
fn lane_between_two_thieves() {
    explore(Some(3), || lane_with_thieves(2, 1, true)).passes_with_at_least(43_000);
}

/// Members of a crew that sleep until there is work for each, and who publishes it, one piece at a time.
fn sleepers(members: usize) {
    let sleep = Arc::new(Sleep::new(members));
    let work = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
    let threads: Vec<_> = (0..members)
        .map(|member| {
            let (sleep, work) = (sleep.clone(), work.clone());
            thread::spawn(move || take_a_piece(&sleep, &work, member))
        })
        .collect();
    for _ in 0..members {
        work.fetch_add(1, Ordering::Release);
        sleep.work_is_there();
    }
    for thread in threads {
        thread.join().expect("it is woken");
    }
}

/// Looks for a piece of work, sleeps until there is one, and sees to it that others find theirs.
fn take_a_piece(sleep: &Sleep, work: &loom::sync::atomic::AtomicUsize, member: usize) {
    let mut searching = false;
    loop {
        let pieces = work.load(Ordering::Relaxed);
        if pieces > 0 {
            if work.compare_exchange(pieces, pieces - 1, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                break;
            }
            continue;
        }
        searching = searching || sleep.start_search();
        sleep.lie_down(member, searching);
        if work.load(Ordering::Relaxed) == 0 {
            sleep.sleep(member);
        }
        sleep.get_up(member);
        searching = true;
    }
    if searching && sleep.stop_search() && work.load(Ordering::Relaxed) > 0 {
        sleep.work_is_there();
    }
}

#[test]
fn a_sleeper_and_who_publishes() {
    explore(None, || sleepers(1)).passes_with_at_least(1_050);
}

#[test]
fn two_sleepers_and_who_publishes() {
    explore(Some(3), || sleepers(2)).passes_with_at_least(310_000);
}

/// A crew of two: this thread runs `work`, the other whatever it gets.
fn crew_of_two(queued_max: usize, work: impl FnOnce(Context<'_>)) {
    let (pool, mut places) =
        ThreadPoolBuilder::new().num_threads(2).queued_max(queued_max).build_without_threads();
    let other = places.pop().expect("there are two");
    let thread = thread::spawn(move || other.work());
    places[0].enter(work);
    drop(pool);
    thread.join().expect("it does not panic");
}

/// One job, which either of the two runs.
fn one_join(context: Context<'_>) {
    let (mut a, mut b) = (0, 0);
    context.join(|_| a = 1, |_| b = 2);
    assert_eq!((a, b), (1, 2));
}

fn panic_in_first(context: Context<'_>) {
    let mut ran = false;
    let join = || context.join(|_| resume_unwind(Box::new(1)), |_| ran = true);
    let payload = catch_unwind(AssertUnwindSafe(join)).map(|((), ())| ()).expect_err("it panics");
    assert_eq!(payload.downcast_ref(), Some(&1));
}

fn panic_in_second(context: Context<'_>) {
    let mut ran = false;
    let join = || context.join(|_| ran = true, |_| resume_unwind(Box::new(2)));
    let payload = catch_unwind(AssertUnwindSafe(join)).map(|((), ())| ()).expect_err("it panics");
    assert_eq!((payload.downcast_ref(), ran), (Some(&2), true));
}

#[test]
fn crew_join() {
    explore(Some(2), || crew_of_two(2, one_join)).passes_with_at_least(700);
}

#[test]
fn crew_join_upon_join() {
    let work = |context: Context<'_>| {
        let (a, b) = context.join(|context| context.join(|_| 1, |_| 2), |_| 3);
        assert_eq!((a, b), ((1, 2), 3));
    };
    explore(Some(1), move || crew_of_two(1, work)).passes_with_at_least(120);
}

#[test]
fn crew_panic_in_first() {
    explore(Some(2), || crew_of_two(2, panic_in_first)).passes_with_at_least(700);
}

#[test]
fn crew_panic_in_second() {
    explore(Some(2), || crew_of_two(2, panic_in_second)).passes_with_at_least(700);
}

/// Models for the mutants, small ones first, with their limits on preemptions.
const MODELS: [(&str, Option<usize>, fn()); 18] = [
    ("lifo last", None, || last_tasks(Worker::new_lifo(), 1, 2)),
    ("fifo again", None, || slots_used_again(Worker::new_fifo(), 2)),
    ("fifo shrinking", Some(3), || shrinking(Worker::new_fifo(), 3)),
    ("lifo again", Some(3), || slots_used_again(Worker::new_lifo(), 2)),
    ("fifo growth", Some(2), || growth(Worker::new_fifo(), 1)),
    ("lifo growth", Some(3), || growth(Worker::new_lifo(), 1)),
    ("split back", None, || taking_back(1, 3)),
    ("split again", None, laying_out_again),
    ("split batch", None, || taking_back_from_a_batch(4, Worker::new_split)),
    ("injector block", Some(3), || stealing(1, 3, 3)),
    ("injector", Some(3), || pushing_and_stealing(1, 2, 2)),
    ("injector next block", Some(2), || pushing_and_stealing(1, 3, 3)),
    ("injector blocks", Some(2), || stealing(2, 4, 2)),
    ("injector more blocks", Some(1), || stealing(2, 6, 3)),
    ("lane", None, || lane_with_thieves(1, 2, false)),
    ("lane taken", None, lane_whose_job_is_taken),
    ("sleep", None, || sleepers(1)),
    ("sleep two", Some(2), || sleepers(2)),
];

/// What an ordering can be weakened to.
fn weaker(strong: Ordering) -> &'static [Ordering] {
    match strong {
        Ordering::SeqCst => &[Ordering::AcqRel, Ordering::Relaxed],
        Ordering::Relaxed => &[],
        _ => &[Ordering::Relaxed],
    }
}

/// Names a model and a mutant to the process that runs them: the site, as it is printed, and its ordering.
const MUTANT: &str = "STEAL_MUTANT";

/// Runs what the environment names, or lists what could be named; without it there is nothing to do. In a
/// process of its own, since loom may end it: what a failed execution drops can panic again.
#[test]
fn mutant() {
    let Ok(name) = env::var(MUTANT) else { return };
    for (model_name, bound, model) in MODELS {
        if name == "list" {
            // One execution comes by all sites that matter to the model, and more would take longer.
            explore(Some(0), model).passes_with_at_least(1);
            for (site, strong) in sites_met() {
                weaker(strong).iter().for_each(|weak| println!("mutant {site:?} {weak:?}:{model_name}"));
            }
        } else if let Some(mutant) = name.strip_suffix(&format!(":{model_name}")) {
            explore(Some(0), model).passes_with_at_least(1);
            let all = sites_met().into_iter();
            let mut all = all.flat_map(|(site, strong)| weaker(strong).iter().map(move |&weak| (site, weak)));
            let called = |(site, weak): &(Site, Ordering)| format!("{site:?} {weak:?}") == mutant;
            let (site, weak) = all.find(called).expect("it was listed");
            let explored = weakened(site, weak, || explore(bound, model));
            assert_eq!(explored.failure, None, "in execution {}", explored.executions);
        }
    }
}

/// The weaker orderings that no model notices. The first group cannot be: they
/// keep loads from being carried out after later stores, which loom does not do. Of the second it is not
/// known whether they are stronger than they must be or a model is missing.
const UNNOTICED: [&[&str]; 2] = [
    &[
        "PopFront Relaxed",
        "PushRoom Relaxed",
        "ShareRoom Relaxed",
        "StealTake Relaxed",
        "TakeBack Relaxed",
        "TakeShared Relaxed",
    ],
    &[
        "Announce Relaxed",
        "BlockLook Relaxed",
        "BlockNext Relaxed",
        "HeadMove Relaxed",
        "RetireLink Relaxed",
        "RetireTake Relaxed",
        "StealBuffer Relaxed",
        "SwapBuffer Relaxed",
        "TailMove Relaxed",
    ],
];

#[test]
#[ignore = "takes minutes: ask for it by `-- --ignored`"]
fn every_ordering_that_has_a_name_is_noticed_when_it_is_weaker() {
    let run = |name: &str| {
        let mut command = Command::new(env::current_exe().expect("it runs"));
        command.args(["--exact", "mutant", "--nocapture"]).env(MUTANT, name).env("RUST_BACKTRACE", "0");
        command.output().expect("it starts")
    };
    let listed = String::from_utf8(run("list").stdout).expect("names are text");
    let mut models: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in listed.lines().filter_map(|line| line.strip_prefix("mutant ")) {
        let (mutant, _) = line.split_once(':').expect("a model follows");
        models.entry(mutant).or_default().push(line);
    }
    let noticed = |lines: &[&str]| lines.iter().any(|line| !run(line).status.success());
    let unnoticed: Vec<&str> =
        models.iter().filter(|(_, lines)| !noticed(lines)).map(|(mutant, _)| *mutant).collect();
    println!("{} weaker orderings, {} noticed", models.len(), models.len() - unnoticed.len());
    let mut expected = UNNOTICED.concat();
    expected.sort_unstable();
    assert_eq!(unnoticed, expected);
}
