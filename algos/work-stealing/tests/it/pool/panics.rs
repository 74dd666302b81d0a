//! Panics: wherever they come from, nothing runs on a stack that is gone, nothing is lost, and the pool goes on.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use swarm_work_stealing::{Context, ThreadPool, ThreadPoolBuilder, join, scope, traverse};

use super::{pool, pools, sized};

/// Panics without a word on standard error.
fn panic_with(number: u32) -> ! {
    resume_unwind(Box::new(number))
}

/// What `work` panics with in the pool.
#[track_caller]
fn panic_of<R: Send>(pool: &ThreadPool, work: impl FnOnce() -> R + Send) -> u32 {
    let result = catch_unwind(AssertUnwindSafe(|| pool.install(work)));
    *result.err().expect("it panics").downcast().expect("a number")
}

#[test]
fn a_panic_of_either_closure_comes_to_who_joined() {
    for pool in pools() {
        assert_eq!(panic_of(&pool, || join(|| panic_with(1), || 2)), 1);
        assert_eq!(panic_of(&pool, || join(|| 1, || panic_with(2))), 2);
        assert_eq!(panic_of(&pool, || join(|| panic_with(1), || panic_with(2))), 1);
        assert_eq!(pool.join(|| 1, || 2), (1, 2));
    }
}

#[test]
fn a_second_closure_that_was_stolen_ends_before_the_panic_of_the_first_is_seen() {
    let pool = pool(2);
    for _ in 0..sized(100, 3) {
        let stolen = Barrier::new(2);
        let ended = AtomicUsize::new(0);
        let panic = panic_of(&pool, || {
            join(
                || {
                    stolen.wait();
                    panic_with(1)
                },
                || {
                    stolen.wait();
                    // Takes a while, and leaves jobs itself.
                    join(|| ended.fetch_add(1, Ordering::Relaxed), || ended.fetch_add(1, Ordering::Relaxed));
                    ended.fetch_add(1, Ordering::Relaxed);
                },
            )
        });
        assert_eq!((panic, ended.into_inner()), (1, 3));
    }
}

#[test]
fn a_panic_of_a_stolen_closure_comes_to_who_joined() {
    let pool = pool(2);
    for _ in 0..sized(100, 3) {
        let stolen = Barrier::new(2);
        let wait = || {
            stolen.wait();
        };
        let second = || {
            wait();
            panic_with(2)
        };
        assert_eq!(panic_of(&pool, || join(wait, second)), 2);
        let first = || {
            wait();
            panic_with(1)
        };
        assert_eq!(panic_of(&pool, || join(first, second)), 1);
    }
}

/// Forks to the depth; leaves panic if their number is one of `bad`.
fn fork(context: Context<'_>, depth: u32, number: u32, bad: u32, leaves: &AtomicUsize) {
    if depth == 0 {
        leaves.fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(bad) {
            panic_with(number);
        }
        return;
    }
    context.join(
        |context| fork(context, depth - 1, 2 * number, bad, leaves),
        |context| fork(context, depth - 1, 2 * number + 1, bad, leaves),
    );
}

const DEPTH: u32 = sized(9, 3) as u32;
/// Leaves are numbered from here to twice as many, as of a heap.
const LEAVES: u32 = 1 << DEPTH;

#[test]
fn panics_at_any_depth_leave_nothing_behind() {
    for pool in pools() {
        for bad in [1, 2, 3, 7, LEAVES / 8, LEAVES - 1, 2 * LEAVES - 1] {
            let leaves = AtomicUsize::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.install_context(|context| fork(context, DEPTH, 1, bad, &leaves));
            }));
            let number: u32 = *result.expect_err("a leaf panics").downcast().expect("a number");
            assert_eq!(number % bad, 0);
            let seen = leaves.load(Ordering::Relaxed);
            assert_eq!(pool.join(|| 1, || 2), (1, 2));
            assert_eq!(leaves.load(Ordering::Relaxed), seen, "a leaf was visited after the panic was seen");
        }
        let leaves = AtomicUsize::new(0);
        pool.install_context(|context| fork(context, DEPTH, 1, 2 * LEAVES, &leaves));
        assert_eq!(leaves.into_inner(), LEAVES as usize);
    }
}

#[test]
fn panics_that_are_caught_inside_leave_the_rest_as_it_was() {
    for pool in pools() {
        let caught =
            |number: u32| catch_unwind(AssertUnwindSafe(|| join(|| panic_with(number), || number))).is_err();
        let caught =
            pool.install(|| join(|| join(|| caught(1), || caught(2)), || join(|| caught(3), || caught(4))));
        assert_eq!(caught, ((true, true), (true, true)));
    }
}

#[test]
fn destructors_that_join_while_unwinding_are_served() {
    struct Joins<'a>(&'a AtomicUsize);
    impl Drop for Joins<'_> {
        fn drop(&mut self) {
            join(|| self.0.fetch_add(1, Ordering::Relaxed), || self.0.fetch_add(1, Ordering::Relaxed));
        }
    }
    for pool in pools() {
        let count = AtomicUsize::new(0);
        let first = || {
            let _joins = Joins(&count);
            panic_with(1)
        };
        let second = || {
            let _joins = Joins(&count);
            panic_with(2)
        };
        assert_eq!(panic_of(&pool, || join(first, second)), 1);
        let seen = count.into_inner();
        assert!(seen == 2 || seen == 4, "{seen}");
    }
}

const JOBS: u32 = sized(100, 20) as u32;

#[test]
fn closures_that_panic_do_not_keep_a_scope_from_running_the_others() {
    for pool in pools() {
        let count = AtomicUsize::new(0);
        let panic = panic_of(&pool, || {
            scope(|scope| {
                for number in 1..=JOBS {
                    let count = &count;
                    scope.spawn(move |_| {
                        count.fetch_add(1, Ordering::Relaxed);
                        if number % 10 == 0 {
                            panic_with(number);
                        }
                    });
                }
            });
        });
        assert_eq!((panic % 10, count.load(Ordering::Relaxed)), (0, JOBS as usize));
        let panic = panic_of(&pool, || {
            scope(|scope| {
                scope.spawn(|_| {
                    count.fetch_add(1, Ordering::Relaxed);
                });
                panic_with(5)
            });
        });
        assert_eq!((panic, count.into_inner()), (5, JOBS as usize + 1));
    }
}

#[test]
fn a_panic_that_nobody_waits_for_comes_to_the_handler() {
    let (to, from) = channel();
    let pool = ThreadPoolBuilder::new()
        .num_threads(2)
        .panic_handler(move |payload| {
            to.send(*payload.downcast::<u32>().expect("a number")).expect("it is received");
        })
        .build()
        .expect("threads can be started");
    for number in 0..10 {
        pool.spawn(move || panic_with(number));
    }
    drop(pool);
    let mut seen: Vec<u32> = from.iter().collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..10));
}

#[test]
fn a_broadcast_that_panics_somewhere_runs_everywhere_first() {
    for pool in pools() {
        let count = AtomicUsize::new(0);
        let panic = panic_of(&pool, || {
            swarm_work_stealing::broadcast(|context| {
                count.fetch_add(1, Ordering::Relaxed);
                panic_with(context.index() as u32)
            });
        });
        assert_eq!((panic, count.into_inner()), (0, pool.current_num_threads()));
    }
}

const WIDTH: u32 = sized(100, 2) as u32;

#[test]
fn a_traversal_that_panics_ends() {
    for pool in pools() {
        let panic = panic_of(&pool, || {
            traverse(
                0..WIDTH,
                || (),
                |(), task: u32, pending| {
                    if task == WIDTH * 50 {
                        panic_with(task);
                    }
                    pending.extend((task < WIDTH * 100).then_some(task + WIDTH));
                },
                |(), ()| (),
            );
        });
        assert_eq!(panic, WIDTH * 50);
        assert_eq!(pool.join(|| 1, || 2), (1, 2));
    }
}

#[test]
fn threads_end_if_the_name_of_a_later_one_panics() {
    let (to, from) = channel();
    let builder = ThreadPoolBuilder::new().num_threads(3).exit_handler(move |i| {
        to.send(i).expect("it is received");
    });
    let builder = builder.thread_name(|i| if i == 2 { panic_with(7) } else { i.to_string() });
    let payload = catch_unwind(AssertUnwindSafe(|| builder.build())).expect_err("a name panics");
    assert_eq!(payload.downcast_ref(), Some(&7_u32));
    let mut ended: Vec<usize> = from.iter().collect();
    ended.sort_unstable();
    assert_eq!(ended, [0, 1]);
}
