//! Deques, injector, lanes and sleepers: every schedule of three threads, with sequentially consistent memory and no
//! limit on preemptions. Stateright explores the code itself, there is no model of it ([`schedules`]).
//!
//! Run with `RUSTFLAGS="--cfg steal_shuttle" cargo test -p swarm-work-stealing --test stateright --release
//! --target-dir target/shuttle`; without the cfg this file is empty. What takes minutes is asked for by
//! `-- --ignored`.
//!
//! What every model checks: each task comes back exactly once, nothing is used after it was freed, no cell is
//! written while another thread is inside, nobody waits for ever. Each says what must be reached, and pins how
//! many states there are: a model that does less fails instead of passing. Orderings are loom's matter.
#![cfg(steal_shuttle)]

mod schedules;

use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::{env, panic, process};

use shuttle::sync::mpsc::{Receiver, Sender, channel};
use shuttle::thread::{self, JoinHandle};
use swarm_work_stealing::pool::lane::{Lane, Popped};
use swarm_work_stealing::pool::latch::Latch;
use swarm_work_stealing::pool::sleep::Sleep;
use swarm_work_stealing::sync::Gate;
use swarm_work_stealing::sync::trace::{Counter, reached};
use swarm_work_stealing::{Injector, Stealer, Worker};

use schedules::{MET, explore, explore_at_most, explore_within};

/// What all threads together have taken. Looked at when they have ended, so that who took what decides nothing
/// before.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<usize>>>);

impl Taken {
    fn add(&self, tasks: impl IntoIterator<Item = usize>) -> usize {
        // All at once: under the lock no other thread may have its turn.
        let tasks = Vec::from_iter(tasks);
        let count = tasks.len();
        self.0.lock().expect("nobody panics with it").extend(tasks);
        count
    }

    /// Each of 1 to `count`, once.
    #[track_caller]
    fn are_all_up_to(&self, count: usize) {
        let mut taken = self.0.lock().expect("nobody panics with it").clone();
        taken.sort_unstable();
        assert_eq!(taken, (1..=count).collect::<Vec<_>>());
    }
}

/// Makes what all threads of an execution make once.
fn warm_up() {
    let worker = Worker::new_fifo();
    worker.push(0);
    assert!(worker.stealer().steal().is_success());
}

/// A thread that has done what every thread does once before it goes on, and ends when it is told to. So threads
/// come and go one after the other, and what they do in between is all that is interleaved.
struct Member {
    done: Receiver<usize>,
    leave: Sender<()>,
    thread: JoinHandle<()>,
}

type Work = Box<dyn FnOnce() -> usize + Send>;

/// Starts a thread for each.
fn start(work: impl IntoIterator<Item = Work>) -> Vec<Member> {
    let start_one = |work: Work| {
        let (ready, is_ready) = channel();
        let (go, may_go) = channel();
        let (end, done) = channel();
        let (leave, may_leave) = channel();
        let thread = thread::spawn(move || {
            warm_up();
            ready.send(()).expect("it is waited for");
            may_go.recv().expect("it may");
            end.send(work()).expect("it is waited for");
            may_leave.recv().expect("it may");
        });
        is_ready.recv().expect("it is");
        (go, Member { done, leave, thread })
    };
    let (go, members): (Vec<_>, _) = work.into_iter().map(start_one).unzip();
    for go in go {
        go.send(()).expect("it is waited for");
    }
    members
}

/// What each has come to.
fn end(members: Vec<Member>) -> Vec<usize> {
    let outcomes = members.iter().map(|member| member.done.recv().expect("it does not panic")).collect();
    for member in members {
        member.leave.send(()).expect("it is waited for");
        member.thread.join().expect("it does not panic");
    }
    outcomes
}

/// Steals so many times.
fn thief(stealer: Stealer<usize>, times: usize, taken: &Taken) -> Work {
    let taken = taken.clone();
    Box::new(move || (0..times).map(|_| taken.add(stealer.steal().success())).sum())
}

/// Steals a batch and empties its own deque.
fn batch_thief(stealer: Stealer<usize>, own: fn() -> Worker<usize>, taken: &Taken) -> Work {
    let taken = taken.clone();
    Box::new(move || {
        let own = own();
        let first = taken.add(stealer.steal_batch_and_pop(&own).success());
        first + taken.add(std::iter::from_fn(|| own.pop()))
    })
}

const STOLEN: &[&str] =
    &["somebody steals", "nobody steals anything", "all thieves steal", "everything is stolen"];
/// The first, and the first two.
const STOLEN_AT_ALL: &[&str] = STOLEN.split_at(1).0;
const STOLEN_OR_NOT: &[&str] = STOLEN.split_at(2).0;

/// Empties the deque when all threads are done, and looks whether everything is there.
fn settle(worker: &Worker<usize>, thieves: Vec<Member>, taken: &Taken, count: usize) -> Vec<usize> {
    let stolen = end(thieves);
    taken.add(std::iter::from_fn(|| worker.pop()));
    taken.are_all_up_to(count);
    stolen
}

/// Says what the thieves of so many tasks have come to.
fn tell(stolen: &[usize], count: usize) {
    let all: usize = stolen.iter().sum();
    reached(u32::from(all == 0));
    if stolen.iter().all(|&stolen| stolen > 0) {
        reached(2);
    }
    if all == count {
        reached(3);
    }
}

/// An owner that pushes so many tasks, is stolen from, and pops.
fn last_tasks(worker: Worker<usize>, tasks: usize, thieves: usize, steals: usize) {
    warm_up();
    let taken = Taken::default();
    (1..=tasks).for_each(|task| worker.push(task));
    let thieves = start((0..thieves).map(|_| thief(worker.stealer(), steals, &taken)));
    for _ in 0..tasks {
        taken.add(worker.pop());
    }
    tell(&settle(&worker, thieves, &taken, tasks), tasks);
}

/// An owner whose deque grows while it is stolen from.
fn growth(worker: Worker<usize>, thieves: usize, steals: usize) {
    warm_up();
    let taken = Taken::default();
    worker.push(1);
    let thieves = start((0..thieves).map(|_| thief(worker.stealer(), steals, &taken)));
    worker.push(2);
    worker.push(3);
    taken.add(worker.pop());
    tell(&settle(&worker, thieves, &taken, 3), 3);
}

#[test]
fn lifo_last_tasks() {
    explore(|| last_tasks(Worker::new_lifo(), 2, 1, 2), STOLEN).passes_with(1_606);
}

#[test]
fn lifo_last_task_between_two_thieves() {
    explore(|| last_tasks(Worker::new_lifo(), 1, 2, 1), STOLEN_OR_NOT).passes_with(4_309);
}

#[test]
fn fifo_last_tasks_between_two_thieves() {
    explore(|| last_tasks(Worker::new_fifo(), 2, 2, 1), STOLEN).passes_with(15_280);
}

#[test]
fn lifo_last_tasks_between_two_thieves() {
    explore(|| last_tasks(Worker::new_lifo(), 2, 2, 1), STOLEN).passes_with(28_777);
}

/// An owner whose last task is stolen or not, and who then pushes another.
fn refilled(worker: Worker<usize>) {
    warm_up();
    let taken = Taken::default();
    worker.push(1);
    let thieves = start([thief(worker.stealer(), 1, &taken)]);
    taken.add(worker.pop());
    taken.add(worker.pop());
    worker.push(2);
    taken.add(worker.pop());
    tell(&settle(&worker, thieves, &taken, 2), 2);
}

#[test]
fn lifo_refilled() {
    explore(|| refilled(Worker::new_lifo()), STOLEN_OR_NOT).passes_with(1_233);
}

/// An owner that pops and pushes while a batch is stolen.
fn batch(worker: Worker<usize>, own: fn() -> Worker<usize>) {
    warm_up();
    let taken = Taken::default();
    (1..=3).for_each(|task| worker.push(task));
    let thieves = start([batch_thief(worker.stealer(), own, &taken)]);
    taken.add(worker.pop());
    taken.add(worker.pop());
    worker.push(4);
    tell(&settle(&worker, thieves, &taken, 4), 4);
}

#[test]
fn lifo_batch() {
    explore(|| batch(Worker::new_lifo(), Worker::new_fifo), STOLEN_AT_ALL).passes_with(7_526);
}

#[test]
fn fifo_batch() {
    explore(|| batch(Worker::new_fifo(), Worker::new_lifo), STOLEN_OR_NOT).passes_with(3_594);
}

#[test]
fn lifo_growth() {
    explore(|| growth(Worker::new_lifo(), 1, 3), STOLEN_AT_ALL).passes_with(45_564);
}

#[test]
#[ignore = "large: ask for it by `-- --ignored`"]
fn lifo_growth_under_two_thieves() {
    explore(|| growth(Worker::new_lifo(), 2, 1), &STOLEN[..3]).passes_with(332_754);
}

/// An owner that lays tasks out, is stolen from one by one and in batches, takes back and lays out others.
fn laid_out(tasks: usize, batches: usize, singles: usize) {
    warm_up();
    let taken = Taken::default();
    let worker = Worker::new_split();
    worker.push(1);
    // Asks.
    assert!(worker.stealer().steal().is_empty());
    (2..=tasks).for_each(|task| worker.push(task));
    let batches = (0..batches).map(|_| batch_thief(worker.stealer(), Worker::new_split, &taken));
    let singles = (0..singles).map(|_| thief(worker.stealer(), 1, &taken));
    let thieves = start(batches.chain(singles));
    taken.add(worker.pop());
    taken.add(worker.pop());
    worker.push(tasks + 1);
    taken.add(worker.pop());
    let stolen = settle(&worker, thieves, &taken, tasks + 1);
    if stolen.iter().all(|&stolen| stolen > 0) {
        reached(0);
    }
}

const ALL_STEAL: &[&str] = &["all thieves steal"];

#[test]
fn split_between_a_batch_and_a_thief() {
    explore(|| laid_out(3, 1, 1), ALL_STEAL).passes_with(9_801);
}

#[test]
fn split_between_two_batches() {
    explore(|| laid_out(4, 2, 0), ALL_STEAL).passes_with(26_185);
}

/// An owner that lays out as many tasks as there is room for, beside what is being stolen: the ring wraps around.
fn wrapped() {
    warm_up();
    let taken = Taken::default();
    let worker = Worker::new_split();
    worker.push(1);
    // Asks.
    assert!(worker.stealer().steal().is_empty());
    (2..=7).for_each(|task| worker.push(task));
    let (stealer, to) = (worker.stealer(), taken.clone());
    let thieves = start([Box::new(move || {
        let own = Worker::new_split();
        let first = to.add(stealer.steal_batch_and_pop(&own).success());
        first + to.add(stealer.steal().success())
    }) as Work]);
    worker.push(8);
    taken.add(worker.pop());
    worker.push(9);
    tell(&settle(&worker, thieves, &taken, 9), 1);
}

#[test]
fn split_ring_wraps_around() {
    explore(wrapped, STOLEN_AT_ALL).passes_with(767);
}

/// Members of a crew that sleep until there is work for each, and who publishes it all at once: whoever is woken
/// wakes the next.
fn sleepers(members: usize) {
    let sleep = Arc::new(Sleep::new(members));
    let work = Arc::new(Counter::new());
    let threads: Vec<_> = (0..members)
        .map(|member| {
            let (sleep, work) = (sleep.clone(), work.clone());
            thread::spawn(move || take_a_piece(&sleep, &work, member))
        })
        .collect();
    work.add(members);
    sleep.work_is_there();
    let woken: Vec<bool> = threads.into_iter().map(|thread| thread.join().expect("it is woken")).collect();
    if woken.iter().all(|&woken| !woken) {
        reached(0);
    }
    if woken.iter().all(|&woken| woken) {
        reached(1);
    }
}

const SLEPT: &[&str] = &["nobody sleeps", "all sleep and are woken"];

/// Looks for a piece of work, sleeps until there is one, and sees to it that others find theirs. Returns whether
/// it was woken.
fn take_a_piece(sleep: &Sleep, work: &Counter, member: usize) -> bool {
    let mut searching = false;
    let mut woken = false;
    loop {
        let pieces = work.get();
        if pieces > 0 {
            if work.take_one(pieces) {
                break;
            }
            continue;
        }
        searching = searching || sleep.start_search();
        sleep.lie_down(member, searching);
        if work.get() == 0 {
            sleep.sleep(member);
            woken = true;
        }
        sleep.get_up(member);
        searching = true;
    }
    if searching && sleep.stop_search() && work.get() > 0 {
        sleep.work_is_there();
    }
    woken
}

#[test]
fn a_sleeper_and_who_publishes() {
    explore(|| sleepers(1), SLEPT).passes_with(119);
}

#[test]
fn two_sleepers_of_whom_one_is_woken() {
    explore(|| sleepers(2), SLEPT).passes_with(170_459);
}

/// A job on the stack of a lane's owner, who sleeps until it is done.
struct Job {
    latch: Latch,
    /// Who wakes the owner may come late, when the job is gone.
    bed: Arc<Gate>,
    runs: Count,
}

#[derive(Clone, Copy)]
struct JobRef(*const Job);

// SAFETY: the owner waits until it has it back, or until its latch is set.
unsafe impl Send for JobRef {}

impl Job {
    /// Leaves the job on the lane while `first` runs; then it has run once. Whether a thief has run it.
    fn left_on(lane: &Lane<JobRef>, first: impl FnOnce() -> bool) -> bool {
        // SAFETY: one thread alone comes here.
        let own = unsafe { lane.own() };
        let job = Job { latch: Latch::new(0), bed: Arc::new(Gate::new()), runs: Count::new(0) };
        own.push(JobRef(&raw const job));
        own.share();
        let first = first();
        let popped = own.pop();
        match popped {
            Popped::Own => drop(job.runs.fetch_add(1, Relaxed)),
            Popped::Taken => {
                if job.latch.arm() {
                    job.bed.wait();
                }
                assert!(job.latch.is_set());
                own.settle();
            }
        }
        assert_eq!(job.runs.load(Relaxed), 1);
        first || popped == Popped::Taken
    }

    fn take_from(lane: &Lane<JobRef>) -> bool {
        let Some(JobRef(job)) = lane.take() else { return false };
        // SAFETY: the owner waits for the latch.
        let bed = unsafe { &*job }.bed.clone();
        // SAFETY: as above.
        unsafe { &*job }.runs.fetch_add(1, Relaxed);
        // SAFETY: as above.
        let latch = unsafe { &raw const (*job).latch };
        // SAFETY: as above.
        let sleeper = unsafe { Latch::set_then_wake(latch) };
        if sleeper.is_some() {
            bed.open();
        }
        true
    }
}

/// Thieves that take once each from a lane on which jobs are left, one upon the other and one after the other.
fn lane_with_thieves(thieves: usize, times: usize) {
    let lane = Arc::new(Lane::new(2, 2));
    let threads: Vec<_> = (0..thieves)
        .map(|_| {
            let lane = lane.clone();
            thread::spawn(move || (0..times).filter(|_| Job::take_from(&lane)).count())
        })
        .collect();
    let upon = Job::left_on(&lane, || Job::left_on(&lane, || false));
    let after = Job::left_on(&lane, || false);
    let taken: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect();
    assert!(!lane.has_jobs());
    assert_eq!(taken.iter().any(|&taken| taken > 0), upon || after);
    if !upon && !after {
        reached(0);
    }
    if taken.iter().all(|&taken| taken > 0) {
        reached(1);
    }
    if upon && after {
        reached(2);
    }
}

const LEFT: &[&str] = &["nobody takes a job", "all take jobs", "a level is taken again"];

#[test]
fn lane_between_two_thieves() {
    explore(|| lane_with_thieves(2, 1), LEFT).passes_with(64_512);
}

/// Consumers that steal so many times from what was there before, while one more is pushed.
fn stealing(consumers: usize, tasks: usize, steals: usize) {
    warm_up();
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    (1..tasks).for_each(|task| injector.push(task));
    let consumers = start((0..consumers).map(|_| {
        let (injector, taken) = (injector.clone(), taken.clone());
        let steal = move || taken.add((0..steals).filter_map(|_| injector.steal().success()));
        Box::new(steal) as Work
    }));
    injector.push(tasks);
    let stolen = end(consumers);
    taken.add(std::iter::from_fn(|| injector.steal().success()));
    taken.are_all_up_to(tasks);
    if stolen.iter().all(|&stolen| stolen == steals) {
        reached(0);
    }
}

const ALL_SUCCEED: &[&str] = &["all steals succeed"];

#[test]
fn injector_two_consumers() {
    explore(|| stealing(2, 2, 1), ALL_SUCCEED).passes_with(2_097);
}

#[test]
fn injector_consumers_pass_a_block() {
    explore(|| stealing(1, 4, 4), ALL_SUCCEED).passes_with(6_339);
}

/// Producers of one task each, and who steals meanwhile.
fn pushing_and_stealing(producers: usize, steals: usize) {
    warm_up();
    let injector = Arc::new(Injector::new());
    let taken = Taken::default();
    let producers_at_work = start((1..=producers).map(|task| {
        let injector = injector.clone();
        let push = move || {
            injector.push(task);
            0_usize
        };
        Box::new(push) as Work
    }));
    let stolen = taken.add((0..steals).filter_map(|_| injector.steal().success()));
    end(producers_at_work);
    taken.add(std::iter::from_fn(|| injector.steal().success()));
    taken.are_all_up_to(producers);
    if stolen == steals {
        reached(0);
    }
}

const PRODUCERS_WITHIN: usize = 130;

/// Two producers and a consumer can undo each other's work again and again, so that there is no end to the
/// schedules; all are explored up to so many accesses.
#[test]
fn injector_two_producers() {
    explore_within(PRODUCERS_WITHIN, || pushing_and_stealing(2, 2), ALL_SUCCEED).passes_with(9_248);
}

#[test]
#[ignore = "large: ask for it by `-- --ignored`"]
fn injector_two_consumers_pass_a_block() {
    explore(|| stealing(2, 4, 2), ALL_SUCCEED).passes_with(99_891);
}

/// A scenario with what must be reached, and within how many accesses it is explored if there is no end to it.
type Scenario = (&'static str, fn(), &'static [&'static str], Option<usize>);

/// Scenarios for hunts, small ones first.
const MODELS: [Scenario; 17] = [
    ("a sleeper", || sleepers(1), SLEPT, None),
    ("split ring", wrapped, STOLEN_AT_ALL, None),
    ("lifo refilled", || refilled(Worker::new_lifo()), STOLEN_OR_NOT, None),
    ("lifo last", || last_tasks(Worker::new_lifo(), 2, 1, 2), STOLEN, None),
    ("lifo last between two", || last_tasks(Worker::new_lifo(), 1, 2, 1), STOLEN_OR_NOT, None),
    ("split batch", || laid_out(3, 1, 1), ALL_STEAL, None),
    ("injector block", || stealing(1, 4, 4), ALL_SUCCEED, None),
    ("lifo batch", || batch(Worker::new_lifo(), Worker::new_fifo), STOLEN_AT_ALL, None),
    ("fifo batch", || batch(Worker::new_fifo(), Worker::new_lifo), STOLEN_OR_NOT, None),
    ("injector consumers", || stealing(2, 2, 1), ALL_SUCCEED, None),
    ("split batches", || laid_out(4, 2, 0), ALL_STEAL, None),
    ("injector producers", || pushing_and_stealing(2, 2), ALL_SUCCEED, Some(PRODUCERS_WITHIN)),
    ("fifo last between two", || last_tasks(Worker::new_fifo(), 2, 2, 1), STOLEN, None),
    ("lifo last two between two", || last_tasks(Worker::new_lifo(), 2, 2, 1), STOLEN, None),
    ("lifo growth", || growth(Worker::new_lifo(), 1, 3), STOLEN_AT_ALL, None),
    ("lane", || lane_with_thieves(2, 1), LEFT, None),
    ("two sleepers", || sleepers(2), SLEPT, None),
];

/// Names how many steps in each model a hunt may take: those that come to a state that was met count, too.
const HUNT: &str = "STEAL_HUNT";

/// What the zoo starts (`cargo xtask zoo work-stealing`), in a process of its own: looks in all models for what is
/// wrong, at first a little in each, and says after how many states it was found. How many states a model has is
/// not looked at: with a bug there may be others, and none of them wrong. Without the variable there is nothing to do.
#[test]
fn hunt() {
    static MODEL: Mutex<&str> = Mutex::new("");
    let Ok(most) = env::var(HUNT) else { return };
    let most: usize = most.parse().expect("a number of steps");
    let found = |why: &str| {
        let model = MODEL.lock().map_or("", |model| *model);
        println!("hunt found {} {model}: {}", MET.load(Relaxed), why.replace('\n', " "));
        process::exit(0);
    };
    // The first panic is the finding. What a failed execution drops may panic again and end the process.
    panic::set_hook(Box::new(move |panic| found(&panic.to_string())));
    let mut whole = Vec::new();
    for most in [most / 20, most] {
        for (name, scenario, marks, accesses_max) in MODELS {
            if whole.contains(&name) {
                continue;
            }
            *MODEL.lock().expect("nobody panics with it") = name;
            println!("hunt begun {} {name}", MET.load(Relaxed));
            let explored = explore_at_most(most, accesses_max, scenario, marks);
            if let Some(why) = explored.wrong() {
                found(&why);
            }
            if explored.is_whole() {
                whole.push(name);
            }
        }
    }
    println!("hunt nothing {}", MET.load(Relaxed));
}
