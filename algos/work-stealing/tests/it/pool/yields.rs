//! Turns that a thread gives to other work.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use swarm_work_stealing::{ThreadPoolBuilder, Yield, join, spawn, yield_local, yield_now};

use super::{pool, pools, sized};

#[test]
fn there_is_no_turn_to_give_outside_of_the_pool() {
    let (one, other) = (pool(1), pool(1));
    assert_eq!((yield_now(), yield_local(), one.yield_now(), one.yield_local()), (None, None, None, None));
    let idle = Some(Yield::Idle);
    assert_eq!(one.install(|| (one.yield_now(), one.yield_local())), (idle, idle));
    assert_eq!(one.install(|| (other.yield_now(), other.yield_local())), (None, None));
}

#[test]
fn a_turn_is_one_job() {
    for yields in [yield_now, yield_local] {
        let (pool, done) = (pool(1), AtomicUsize::new(0));
        pool.scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|_| {
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
            for left in 1..=3 {
                assert_eq!((yields(), done.load(Ordering::Relaxed)), (Some(Yield::Executed), left));
            }
            assert_eq!(yields(), Some(Yield::Idle));
        });
    }
}

#[test]
fn a_local_turn_takes_nothing_from_others() {
    let (pool, step) = (pool(2), Barrier::new(2));
    let turns = pool.broadcast(|context| {
        if context.index() == 0 {
            spawn(|| ());
        }
        step.wait();
        let turns = (context.index() == 1).then(|| [yield_local(), yield_now()]);
        step.wait();
        turns
    });
    assert_eq!(turns, [None, Some([Some(Yield::Idle), Some(Yield::Executed)])]);
}

#[test]
fn a_turn_takes_what_was_sent_to_the_thread_and_what_came_from_outside() {
    let (pool, ran) = (pool(1), AtomicUsize::new(0));
    pool.in_place_scope(|scope| {
        let both = Barrier::new(2);
        pool.in_place_scope(|busy| {
            busy.spawn(|_| {
                both.wait();
                both.wait();
                assert_eq!([yield_local(), yield_local()], [Some(Yield::Executed), Some(Yield::Idle)]);
                assert_eq!([yield_now(), yield_now()], [Some(Yield::Executed), Some(Yield::Idle)]);
            });
            both.wait();
            scope.spawn(|_| {
                ran.fetch_add(1, Ordering::Relaxed);
            });
            scope.spawn_broadcast(|_, _| {
                ran.fetch_add(1, Ordering::Relaxed);
            });
            both.wait();
        });
        assert_eq!(ran.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn a_first_closure_that_gives_turns_gets_what_only_the_second_brings() {
    for pool in pools() {
        for yields in [yield_now, yield_local] {
            let (done, lone) = (AtomicBool::new(false), pool.current_num_threads() == 1);
            let wait = || {
                while !done.load(Ordering::Acquire) {
                    let turn = yields();
                    assert!(!lone || turn == Some(Yield::Executed));
                }
            };
            pool.join(wait, || done.store(true, Ordering::Release));
        }
    }
}

#[test]
fn turns_take_the_jobs_of_joins_oldest_first_though_all_were_left_for_others() {
    let pool = ThreadPoolBuilder::new().num_threads(1).queued_max(usize::MAX).build().expect("it starts");
    const DEPTH: u32 = sized(40, 6) as u32;
    // A `join` of the job itself lays out more; else it is the turn that must.
    fn fork(depth: u32, joins: bool, ran: &AtomicUsize) -> u32 {
        if depth == DEPTH {
            for turn in 1..=DEPTH as usize {
                assert_eq!((yield_local(), ran.load(Ordering::Relaxed)), (Some(Yield::Executed), turn));
            }
            assert_eq!(yield_now(), Some(Yield::Idle));
            return 0;
        }
        let second = || {
            assert_eq!(ran.fetch_add(1, Ordering::Relaxed), depth as usize);
            if joins { join(|| 1, || ()).0 } else { 1 }
        };
        let (rest, one) = join(|| fork(depth + 1, joins, ran), second);
        rest + one
    }
    for joins in [false, true] {
        let ran = AtomicUsize::new(0);
        assert_eq!(pool.install(|| fork(0, joins, &ran)), DEPTH);
    }
}

#[test]
fn a_second_closure_that_had_its_turn_does_not_run_again_if_the_first_panics() {
    let (pool, ran) = (pool(1), AtomicUsize::new(0));
    for _ in 0..3 {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let first = || {
                assert_eq!(yield_now(), Some(Yield::Executed));
                resume_unwind(Box::new(1_u32));
            };
            pool.join(first, || {
                ran.fetch_add(1, Ordering::Relaxed);
                resume_unwind(Box::new(2_u32));
            })
        }));
        let panic = result.map(|((), ())| ()).expect_err("both panic");
        assert_eq!(panic.downcast_ref(), Some(&1_u32));
    }
    assert_eq!(ran.into_inner(), 3);
    assert_eq!(pool.join(|| 1, || 2), (1, 2));
}
