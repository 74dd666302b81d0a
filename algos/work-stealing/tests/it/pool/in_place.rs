//! Scopes whose body runs where it is called.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use swarm_work_stealing::{
    Scope, current_thread_index, in_place_scope, in_place_scope_fifo, join, scope, spawn,
};

use super::{pool, pools, sized};

#[test]
fn the_body_runs_on_the_calling_thread_and_its_jobs_in_the_pool() {
    for pool in pools() {
        let (caller, mut ran) = (thread::current().id(), [None; 10]);
        // What cannot be sent stays here.
        let kept = Rc::new(7);
        let back = pool.in_place_scope(|scope| {
            for place in &mut ran {
                scope.spawn(|_| *place = pool.current_thread_index());
            }
            assert_eq!((thread::current().id(), current_thread_index()), (caller, None));
            kept.clone()
        });
        assert_eq!(back, kept);
        assert!(ran.iter().all(|index| index.is_some_and(|index| index < pool.current_num_threads())));
    }
}

#[test]
fn it_waits_for_jobs_that_jobs_spawn() {
    fn split<'a>(scope: &Scope<'a>, depth: u32, count: &'a AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
        for _ in 0..if depth > 0 { 3 } else { 0 } {
            scope.spawn(move |scope| split(scope, depth - 1, count));
        }
    }
    for pool in pools() {
        let count = AtomicUsize::new(0);
        let depth = sized(5, 2) as u32;
        pool.in_place_scope(|scope| split(scope, depth, &count));
        assert_eq!(count.into_inner(), (3_usize.pow(depth + 1) - 1) / 2);
    }
    if !cfg!(miri) {
        // That of those who are in none, whose threads do not end.
        assert_eq!(in_place_scope(|_| 1), 1);
    }
}

#[test]
fn the_body_may_wait_for_its_jobs_if_the_pool_is_not_its_own() {
    let (outer, inner) = (pool(1), pool(1));
    let wait = || {
        let (to, from) = channel();
        inner.in_place_scope(|scope| {
            scope.spawn(move |_| to.send(current_thread_index()).expect("it is received"));
            from.recv().expect("it is sent")
        })
    };
    assert_eq!(wait(), Some(0));
    assert_eq!(outer.install(wait), Some(0));
}

#[test]
fn a_thread_of_the_pool_runs_the_jobs_itself_if_there_is_no_other() {
    let pool = pool(1);
    let mut ran = [false; 3];
    pool.install(|| {
        in_place_scope(|scope| ran.iter_mut().for_each(|ran| scope.spawn(|_| *ran = true)));
        pool.in_place_scope(|_| join(|| 1, || scope(|scope| scope.spawn(|_| ()))));
    });
    assert_eq!(ran, [true; 3]);
}

#[test]
fn a_thread_that_waits_for_a_scope_of_another_pool_goes_on_with_its_own_work() {
    let (outer, inner) = (pool(1), pool(1));
    let (to, from) = channel();
    let got = outer.install(|| {
        // Comes to the deque of the one thread, which then waits for the job below, which waits for this.
        spawn(move || to.send(7).expect("it waits"));
        let mut got = None;
        let place = &mut got;
        inner.in_place_scope(|scope| scope.spawn(move |_| *place = from.recv().ok()));
        got
    });
    assert_eq!(got, Some(7));
}

#[test]
fn jobs_from_outside_keep_their_order() {
    let pool = pool(1);
    let order = Mutex::new(Vec::new());
    let note = |i| order.lock().expect("nobody panics with it").push(i);
    pool.in_place_scope_fifo(|scope| (0..20).for_each(|i| scope.spawn_fifo(move |_| note(i))));
    pool.install(|| in_place_scope_fifo(|scope| (20..40).for_each(|i| scope.spawn_fifo(move |_| note(i)))));
    assert!(order.into_inner().expect("nobody panics with it").into_iter().eq(0..40));
}

#[test]
fn a_panic_of_the_body_or_of_a_job_comes_to_the_caller_once_all_jobs_are_done() {
    for pool in pools() {
        let done = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool.in_place_scope(|scope| {
                (0..10).for_each(|_| {
                    scope.spawn(|_| {
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                });
                resume_unwind(Box::new(1_u32));
            });
        }));
        assert_eq!(result.expect_err("the body panics").downcast_ref(), Some(&1_u32));
        assert_eq!(done.load(Ordering::Relaxed), 10);
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool.in_place_scope(|scope| {
                scope.spawn(|_| resume_unwind(Box::new(2_u32)));
                (0..10).for_each(|_| {
                    scope.spawn(|_| {
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                });
            });
        }));
        assert_eq!(result.expect_err("a job panics").downcast_ref(), Some(&2_u32));
        assert_eq!(done.load(Ordering::Relaxed), 20);
        assert_eq!(pool.join(|| 1, || 2), (1, 2));
    }
}
