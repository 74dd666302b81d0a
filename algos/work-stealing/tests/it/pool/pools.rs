//! Pools: who runs what, and when they end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use swarm_work_stealing::{
    FnContext, ThreadPoolBuilder, broadcast, current_num_threads, current_thread_index, join, join_context,
    scope, spawn, traverse,
};

use super::{pool, pools, sized};

#[test]
fn both_closures_of_a_join_run_and_their_results_come_back() {
    for pool in pools() {
        assert_eq!(pool.join(|| 1, || "two".to_owned()), (1, "two".to_owned()));
    }
}

#[test]
fn the_second_closure_runs_on_another_thread_if_the_first_waits_for_it() {
    // Whoever is idle asks, and gets what is left.
    let pool = pool(2);
    for _ in 0..sized(100, 4) {
        let both = Barrier::new(2);
        let meet = || {
            both.wait();
            current_thread_index()
        };
        let (first, second) = pool.join(meet, meet);
        assert_ne!(first, second);
    }
}

#[test]
fn a_closure_is_told_whether_another_thread_took_it() {
    let alone = pool(1);
    let told = || join_context(|a| a.migrated(), |b| b.migrated());
    assert_eq!(alone.install(told), (false, false));
    let pool = pool(2);
    for _ in 0..sized(100, 4) {
        let both = Barrier::new(2);
        let meet = |context: FnContext<'_>| {
            both.wait();
            (context.migrated(), context.context().index())
        };
        let (first, second) = pool.install(|| join_context(meet, meet));
        assert_eq!((first.0, second.0), (false, true));
        assert_ne!(first.1, second.1);
    }
}

#[test]
fn everybody_gets_work_if_there_is_enough() {
    let pool = pool(4);
    fn fork(depth: u32, all: &Barrier) {
        if depth == 0 {
            all.wait();
        } else {
            join(|| fork(depth - 1, all), || fork(depth - 1, all));
        }
    }
    for _ in 0..sized(20, 2) {
        let all = Barrier::new(4);
        pool.install(|| fork(2, &all));
    }
}

#[test]
fn what_borrows_may_be_changed_by_either_closure() {
    for pool in pools() {
        let mut list: Vec<u32> = (0..sized(10_000, 50) as u32).collect();
        fn double(list: &mut [u32]) {
            match list {
                [] => {}
                [one] => *one *= 2,
                _ => {
                    let (low, high) = list.split_at_mut(list.len() / 2);
                    join(|| double(low), || double(high));
                }
            }
        }
        pool.install(|| double(&mut list));
        assert!(list.iter().enumerate().all(|(i, &number)| number == 2 * i as u32));
    }
}

#[test]
fn installed_closures_know_their_pool() {
    let pool = pool(3);
    assert_eq!(current_thread_index(), None);
    assert_eq!(pool.current_thread_index(), None);
    assert_eq!(pool.current_num_threads(), 3);
    pool.install(|| {
        assert_eq!(current_num_threads(), 3);
        assert_eq!(current_thread_index(), pool.current_thread_index());
        assert!(current_thread_index().is_some_and(|index| index < 3));
        assert_eq!(pool.install(current_thread_index), current_thread_index());
    });
}

#[test]
fn a_pool_may_be_used_from_many_threads_at_once() {
    let pool = pool(2);
    thread::scope(|scope| {
        for n in 0..sized(8, 3) {
            let pool = &pool;
            scope.spawn(move || {
                for _ in 0..sized(50, 4) {
                    assert_eq!(pool.join(|| n, || n + 1), (n, n + 1));
                }
            });
        }
    });
}

#[test]
fn pools_may_be_nested() {
    let (outer, inner) = (pool(1), pool(1));
    let sum = outer.install(|| {
        let (a, b) = join(
            || inner.install(|| join(|| 1, || outer.install(|| 2))),
            || inner.install(|| outer.install(|| inner.install(|| 3))),
        );
        a.0 + a.1 + b
    });
    assert_eq!(sum, 6);
}

#[test]
fn a_thread_that_waits_for_another_pool_goes_on_with_its_own_work() {
    let (outer, inner) = (pool(1), pool(1));
    let (to_inner, from_outer) = channel();
    outer.install(|| {
        // Comes to the deque of the one thread, which then waits for the inner pool, which waits for this.
        spawn(move || to_inner.send(7).expect("it waits"));
        assert_eq!(inner.install(move || from_outer.recv()), Ok(7));
    });
}

#[test]
fn a_scope_waits_for_all_that_was_spawned_on_it() {
    for pool in pools() {
        let count = AtomicUsize::new(0);
        fn split<'a>(scope: &swarm_work_stealing::Scope<'a>, depth: u32, count: &'a AtomicUsize) {
            count.fetch_add(1, Ordering::Relaxed);
            for _ in 0..if depth > 0 { 3 } else { 0 } {
                scope.spawn(move |scope| split(scope, depth - 1, count));
            }
        }
        let depth = sized(6, 2) as u32;
        let name = pool.scope(|scope| {
            split(scope, depth, &count);
            "done"
        });
        assert_eq!((name, count.into_inner()), ("done", (3_usize.pow(depth + 1) - 1) / 2));
    }
}

#[test]
fn scopes_may_be_nested_and_hold_joins() {
    for pool in pools() {
        let mut parts = [0_u64; sized(20, 4)];
        pool.scope(|outer| {
            for (i, part) in parts.iter_mut().enumerate() {
                outer.spawn(move |_| {
                    let (mut a, mut b) = (0, 0);
                    scope(|inner| {
                        inner.spawn(|_| a = join(|| 1, || 2).1);
                        inner.spawn(|_| b = i as u64);
                    });
                    *part = a + b;
                });
            }
        });
        assert!(parts.iter().enumerate().all(|(i, &part)| part == i as u64 + 2));
    }
}

#[test]
fn what_is_spawned_runs_though_nobody_waits() {
    for pool in pools() {
        let (to, from) = channel();
        for i in 0..sized(100, 8) {
            let to = to.clone();
            pool.spawn(move || {
                let next = to.clone();
                spawn(move || next.send(i).expect("it is received"));
            });
        }
        drop(to);
        let mut seen: Vec<usize> = from.iter().collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..sized(100, 8)));
    }
}

#[test]
fn what_was_spawned_before_the_pool_is_dropped_still_runs_and_then_the_threads_end() {
    for queued in [0, 1, sized(1_000, 10)] {
        let ended = Arc::new(AtomicUsize::new(0));
        let (to, from) = channel();
        let count = ended.clone();
        let pool = ThreadPoolBuilder::new()
            .num_threads(2)
            .exit_handler({
                let to = to.clone();
                move |_| {
                    count.fetch_add(1, Ordering::Relaxed);
                    drop(to.clone());
                }
            })
            .build()
            .expect("threads can be started");
        for i in 0..queued {
            let to = to.clone();
            pool.spawn(move || to.send(i).expect("it is received"));
        }
        drop((pool, to));
        // Ends when all threads have dropped what they sent by.
        assert_eq!(from.iter().count(), queued);
        assert_eq!(ended.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn a_broadcast_runs_once_on_each_thread() {
    for pool in pools() {
        let threads = pool.current_num_threads();
        for _ in 0..sized(10, 2) {
            let seen =
                pool.broadcast(|context| (context.index(), context.num_threads(), current_thread_index()));
            assert!(seen.into_iter().eq((0..threads).map(|i| (i, threads, Some(i)))));
        }
        // From inside, and while others wait.
        let (a, b) = pool.join(|| broadcast(|_| 1), || broadcast(|_| 2));
        assert_eq!((a, b), (vec![1; threads], vec![2; threads]));
    }
}

#[test]
fn jobs_that_keep_their_order_are_run_oldest_first() {
    let pool = ThreadPoolBuilder::new().num_threads(1).build().expect("threads can be started");
    let order = Mutex::new(Vec::new());
    pool.scope_fifo(|scope| {
        for i in 0..3 {
            let order = &order;
            scope.spawn_fifo(move |scope| {
                order.lock().expect("nobody panics with it").push(i);
                scope.spawn_fifo(move |_| order.lock().expect("nobody panics with it").push(10 + i));
            });
        }
    });
    assert_eq!(order.into_inner().expect("nobody panics with it"), [0, 1, 2, 10, 11, 12]);
    let (to, from) = channel();
    pool.install(|| {
        for i in 0..3 {
            let to = to.clone();
            swarm_work_stealing::spawn_fifo(move || to.send(i).expect("it is received"));
        }
    });
    drop(to);
    assert_eq!(from.iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_closure_that_is_left_to_all_runs_once_on_each_thread() {
    let (to, from) = channel();
    let pool = ThreadPoolBuilder::new().num_threads(3).build().expect("threads can be started");
    let counts = [const { AtomicUsize::new(0) }; 3];
    pool.scope(|scope| {
        scope.spawn_broadcast(|_, context| {
            counts[context.index()].fetch_add(1, Ordering::Relaxed);
        });
    });
    assert_eq!(counts.map(AtomicUsize::into_inner), [1; 3]);
    pool.spawn_broadcast(move |context| to.send(context.index()).expect("it is received"));
    drop(pool);
    let mut seen: Vec<_> = from.iter().collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2]);
}

#[test]
fn handlers_are_called_once_on_each_thread() {
    let (to, from) = channel();
    let exit = to.clone();
    let pool = ThreadPoolBuilder::new()
        .num_threads(3)
        .start_handler(move |i| to.send(("start", i)).expect("it is received"))
        .exit_handler(move |i| exit.send(("exit", i)).expect("it is received"))
        .build()
        .expect("threads can be started");
    drop(pool);
    let mut seen: Vec<_> = from.iter().collect();
    seen.sort_unstable();
    assert!(
        seen.into_iter().eq(["exit", "start"].into_iter().flat_map(|what| (0..3).map(move |i| (what, i))))
    );
}

#[test]
#[cfg_attr(miri, ignore = "its threads do not end, which Miri takes for a leak")]
fn the_pool_of_those_who_are_in_none_is_made_when_it_is_used() {
    assert_eq!(join(|| 1, || 2), (1, 2));
    assert_eq!(join_context(|a| a.migrated(), |b| b.migrated()), (true, true));
    assert!(current_num_threads() > 0);
    assert_eq!(broadcast(|_| ()).len(), current_num_threads());
    assert!(ThreadPoolBuilder::new().num_threads(1).build_global().is_err());
}

#[test]
fn a_traversal_visits_every_task_once() {
    for pool in pools() {
        let visits: Vec<AtomicUsize> = (0..sized(20_000, 40)).map(|_| AtomicUsize::new(0)).collect();
        let count = pool.traverse(
            [0],
            || 0,
            |count, task: usize, pending| {
                visits[task].fetch_add(1, Ordering::Relaxed);
                *count += 1;
                pending.extend((3 * task + 1..3 * task + 4).filter(|&next| next < visits.len()));
            },
            |a, b| a + b,
        );
        assert_eq!(count, visits.len());
        assert!(visits.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        assert_eq!(pool.traverse([], || 1, |_, (), _| (), |a, b| a + b), 1);
    }
}

#[test]
fn traversals_may_be_nested_and_joined() {
    let pool = pool(3);
    let inner = |n: u32| {
        traverse(
            [n],
            || 0_u64,
            |sum, n, pending| {
                *sum += u64::from(n);
                pending.extend((n > 0).then(|| n - 1));
            },
            |a, b| a + b,
        )
    };
    let (few, many) = (sized(1_000, 20) as u32, sized(2_000, 30) as u32);
    let sums = pool.join(|| inner(few), || inner(many));
    assert_eq!(sums, ((0..=u64::from(few)).sum(), (0..=u64::from(many)).sum()));
}
