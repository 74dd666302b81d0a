//! The pool under loom: lanes, jobs and their latches, sleep, and crews of two.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering;
use loom::thread;
use swarm_work_stealing::pool::lane::{Lane, Popped};
use swarm_work_stealing::pool::latch::Latch;
use swarm_work_stealing::pool::sleep::Sleep;
use swarm_work_stealing::{Context, ThreadPool, ThreadPoolBuilder, Yield};

use crate::explore;

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
pub(crate) fn lane_with_thieves(thieves: usize, times: usize, on_top: bool) {
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
pub(crate) fn lane_whose_job_is_taken() {
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
pub(crate) fn sleepers(members: usize) {
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

/// One member that sleeps for one piece of work after the other.
pub(crate) fn sleeper_that_sleeps_again() {
    let sleep = Arc::new(Sleep::new(1));
    let work = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
    let (of, from) = (sleep.clone(), work.clone());
    let thread = thread::spawn(move || (0..2).for_each(|_| take_a_piece(&of, &from, 0)));
    for _ in 0..2 {
        work.fetch_add(1, Ordering::Release);
        sleep.work_is_there();
    }
    thread.join().expect("it is woken");
}

/// The last searcher stops while somebody publishes work, and another sleeps: one of the two wakes that one.
pub(crate) fn searcher_that_stops() {
    let sleep = Arc::new(Sleep::new(2));
    let work = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
    sleep.lie_down(0, false);
    assert!(sleep.start_search());
    let (of, from) = (sleep.clone(), work.clone());
    let thread = thread::spawn(move || {
        if of.stop_search() && from.load(Ordering::Relaxed) > 0 {
            of.work_is_there();
        }
    });
    work.fetch_add(1, Ordering::Release);
    sleep.work_is_there();
    thread.join().expect("it does not panic");
    sleep.sleep(0);
}

#[test]
fn a_sleeper_and_who_publishes() {
    explore(None, || sleepers(1)).passes_with_at_least(1_050);
}

#[test]
fn a_sleeper_that_sleeps_again() {
    explore(Some(3), sleeper_that_sleeps_again).passes_with_at_least(1_800);
}

#[test]
fn a_searcher_that_stops() {
    explore(None, searcher_that_stops).passes_with_at_least(66);
}

#[test]
fn two_sleepers_and_who_publishes() {
    explore(Some(3), || sleepers(2)).passes_with_at_least(310_000);
}

/// A crew of two: this thread runs `work`, the other whatever it gets.
pub(crate) fn crew_of_two(queued_max: usize, work: impl FnOnce(Context<'_>)) {
    let (pool, mut places) =
        ThreadPoolBuilder::new().num_threads(2).queued_max(queued_max).build_without_threads();
    let other = places.pop().expect("there are two");
    let thread = thread::spawn(move || other.work());
    places[0].enter(work);
    drop(pool);
    thread.join().expect("it does not panic");
}

/// One job, which either of the two runs.
pub(crate) fn one_join(context: Context<'_>) {
    let (mut a, mut b) = (0, 0);
    context.join(|_| a = 1, |_| b = 2);
    assert_eq!((a, b), (1, 2));
}

pub(crate) fn panic_in_first(context: Context<'_>) {
    let told = Told(UnsafeCell::new(0));
    let join = || context.join(|_| resume_unwind(Box::new(1)), |_| told.write(1));
    let payload = catch_unwind(AssertUnwindSafe(join)).map(|((), ())| ()).expect_err("it panics");
    assert_eq!(payload.downcast_ref(), Some(&1));
    // Whether it ran or not, it does not run any more.
    told.read();
}

pub(crate) fn panic_in_second(context: Context<'_>) {
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

/// A cell that whoever is told of a write reads.
struct Told(UnsafeCell<u32>);

// SAFETY: loom sees to it that nobody reads what was not told of.
unsafe impl Sync for Told {}

impl Told {
    fn write(&self, value: u32) {
        // SAFETY: loom sees to it that nobody else is there.
        self.0.with_mut(|told| unsafe { *told = value });
    }

    fn read(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|told| unsafe { *told })
    }
}

/// A scope with one job, which either of the two runs.
pub(crate) fn one_scope(_: Context<'_>) {
    let told = Told(UnsafeCell::new(0));
    swarm_work_stealing::scope(|scope| scope.spawn(|_| told.write(1)));
    assert_eq!(told.read(), 1);
}

/// A closure for each of the two.
pub(crate) fn one_broadcast(_: Context<'_>) {
    assert_eq!(swarm_work_stealing::broadcast(|context| context.index()), [0, 1]);
}

/// A closure for which nobody waits, left to a pool that is dropped.
pub(crate) fn spawned_from_a_pool_that_is_dropped() {
    let told = Arc::new(Told(UnsafeCell::new(0)));
    let to = told.clone();
    crew_of_two(2, move |_| swarm_work_stealing::spawn(move || to.write(1)));
    assert_eq!(told.read(), 1);
}

/// A crew of one on another thread, while this one does something with the pool.
fn crew_of_another_thread(with: impl FnOnce(&ThreadPool)) {
    let (pool, mut places) = ThreadPoolBuilder::new().num_threads(1).build_without_threads();
    let place = places.pop().expect("there is one");
    let thread = thread::spawn(move || place.work());
    with(&pool);
    drop(pool);
    thread.join().expect("it does not panic");
}

/// A call from outside of a crew of one.
pub(crate) fn call_from_outside() {
    crew_of_another_thread(|pool| assert_eq!(pool.install(|| 1), 1));
}

/// A scope with one job, whose body is outside of the crew of one that runs the job.
pub(crate) fn scope_from_outside() {
    crew_of_another_thread(|pool| {
        let told = Told(UnsafeCell::new(0));
        pool.in_place_scope(|scope| scope.spawn(|_| told.write(1)));
        assert_eq!(told.read(), 1);
    });
}

/// The same for a body that is a member of another crew.
pub(crate) fn scope_from_another_crew() {
    let (outer, mut places) = ThreadPoolBuilder::new().num_threads(1).build_without_threads();
    places[0].enter(|_| scope_from_outside());
    drop(outer);
}

/// A scope with two jobs in order.
pub(crate) fn one_scope_in_order(_: Context<'_>) {
    let told = [Told(UnsafeCell::new(0)), Told(UnsafeCell::new(0))];
    swarm_work_stealing::scope_fifo(|scope| {
        for told in &told {
            scope.spawn_fifo(|_| told.write(1));
        }
    });
    assert_eq!([told[0].read(), told[1].read()], [1, 1]);
}

/// A closure left in order for which nobody waits, and a pool that is dropped.
pub(crate) fn spawned_in_order_from_a_pool_that_is_dropped() {
    let told = Arc::new(Told(UnsafeCell::new(0)));
    let to = told.clone();
    crew_of_two(2, move |_| swarm_work_stealing::spawn_fifo(move || to.write(1)));
    assert_eq!(told.read(), 1);
}

/// A closure for each of the two, for which nobody waits, and a pool that is dropped.
pub(crate) fn broadcast_from_a_pool_that_is_dropped() {
    let told = Arc::new([Told(UnsafeCell::new(0)), Told(UnsafeCell::new(0))]);
    let to = told.clone();
    crew_of_two(2, move |_| {
        swarm_work_stealing::spawn_broadcast(move |context| to[context.index()].write(1));
        // This thread, which is there for the model alone, would not look for work by itself.
        assert_eq!(swarm_work_stealing::yield_local(), Some(Yield::Executed));
    });
    assert_eq!([told[0].read(), told[1].read()], [1, 1]);
}

/// A closure that gives its turn to what the same `join` has left, unless the other takes that.
pub(crate) fn turn_for_what_is_left(context: Context<'_>) {
    let told = Told(UnsafeCell::new(0));
    let turn = context.join(|_| swarm_work_stealing::yield_local(), |_| told.write(1)).0;
    assert!(turn.is_some(), "it is in a pool");
    assert_eq!(told.read(), 1);
}

#[test]
fn crew_scope() {
    explore(Some(2), || crew_of_two(2, one_scope)).passes_with_at_least(2_200);
}

#[test]
fn crew_broadcast() {
    explore(Some(2), || crew_of_two(2, one_broadcast)).passes_with_at_least(5_100);
}

#[test]
fn crew_spawned() {
    explore(Some(2), spawned_from_a_pool_that_is_dropped).passes_with_at_least(80);
}

#[test]
fn crew_called_from_outside() {
    explore(Some(2), call_from_outside).passes_with_at_least(1_350);
}

#[test]
fn crew_scope_from_outside() {
    explore(Some(3), scope_from_outside).passes_with_at_least(9_900);
}

#[test]
fn crew_scope_from_another_crew() {
    explore(Some(2), scope_from_another_crew).passes_with_at_least(2_750);
}

#[test]
fn crew_scope_in_order() {
    explore(Some(2), || crew_of_two(2, one_scope_in_order)).passes_with_at_least(9_000);
}

#[test]
fn crew_spawned_in_order() {
    explore(Some(3), spawned_in_order_from_a_pool_that_is_dropped).passes_with_at_least(2_200);
}

#[test]
fn crew_broadcast_nobody_waits_for() {
    explore(Some(3), broadcast_from_a_pool_that_is_dropped).passes_with_at_least(7_700);
}

#[test]
fn crew_turn_for_what_is_left() {
    explore(Some(2), || crew_of_two(2, turn_for_what_is_left)).passes_with_at_least(4_950);
}
