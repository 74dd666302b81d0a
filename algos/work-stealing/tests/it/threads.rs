//! Owner and thieves on threads of their own: whatever was pushed comes out once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use swarm_work_stealing::{Injector, Steal, Worker};

use super::sized;

const TASKS: usize = sized(20_000, 24);
/// Between two bursts of pops.
const PUSHES: usize = sized(97, 5);

/// How a thief goes about it.
#[derive(Clone, Copy)]
enum Steals {
    One,
    Batch,
    BatchAndPop,
}

/// An owner that pushes bursts and pops some of them, and thieves with deques of their own, each task on the
/// heap; every task is seen once.
fn check(owner: fn() -> Worker<Box<usize>>, own: fn() -> Worker<Box<usize>>, steals: [Steals; 2]) {
    let worker = owner();
    let seen: Vec<AtomicUsize> = (0..TASKS).map(|_| AtomicUsize::new(0)).collect();
    let see = |task: Box<usize>| {
        seen[*task].fetch_add(1, Ordering::Relaxed);
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for steals in steals {
            let stealer = worker.stealer();
            let (see, done) = (&see, &done);
            scope.spawn(move || {
                let own = own();
                loop {
                    // Before the attempt, so that an attempt after the end finds nothing.
                    let last = done.load(Ordering::Acquire);
                    let empty = match steals {
                        Steals::One => stealer.steal().none_or(see),
                        Steals::Batch => stealer.steal_batch(&own).none_or(|()| ()),
                        Steals::BatchAndPop => stealer.steal_batch_and_pop(&own).none_or(see),
                    };
                    while let Some(task) = own.pop() {
                        see(task);
                    }
                    if empty && last {
                        break;
                    }
                }
            });
        }
        assert!(worker.pop().is_none(), "before there is any");
        for task in 0..TASKS {
            worker.push(Box::new(task));
            // Bursts of all lengths, so that the deque grows, shrinks and runs empty.
            if task % PUSHES == 0 {
                for _ in 0..task % 130 {
                    worker.pop().into_iter().for_each(see);
                }
            }
        }
        while let Some(task) = worker.pop() {
            see(task);
        }
        done.store(true, Ordering::Release);
    });
    assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) == 1), "lost or doubled");
}

trait Outcome<T> {
    /// Whether there was nothing; what there was goes to `take`.
    fn none_or(self, take: impl FnOnce(T)) -> bool;
}

impl<T> Outcome<T> for Steal<T> {
    fn none_or(self, take: impl FnOnce(T)) -> bool {
        match self {
            Steal::Empty => true,
            Steal::Retry => false,
            Steal::Success(task) => {
                take(task);
                false
            }
        }
    }
}

#[test]
fn a_lifo_worker_and_its_thieves_take_every_task_once() {
    check(Worker::new_lifo, Worker::new_lifo, [Steals::One, Steals::One]);
    check(Worker::new_lifo, Worker::new_fifo, [Steals::Batch, Steals::BatchAndPop]);
}

#[test]
fn a_fifo_worker_and_its_thieves_take_every_task_once() {
    check(Worker::new_fifo, Worker::new_fifo, [Steals::One, Steals::One]);
    check(Worker::new_fifo, Worker::new_split, [Steals::Batch, Steals::BatchAndPop]);
}

#[test]
fn a_split_worker_and_its_thieves_take_every_task_once() {
    check(Worker::new_split, Worker::new_split, [Steals::One, Steals::One]);
    check(Worker::new_split, Worker::new_split, [Steals::Batch, Steals::BatchAndPop]);
    check(Worker::new_split, Worker::new_fifo, [Steals::One, Steals::Batch]);
}

#[test]
fn producers_and_consumers_of_an_injector_exchange_every_task_once_and_in_order() {
    const PRODUCERS: usize = 2;
    let injector = Injector::new();
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let injector = &injector;
            scope.spawn(move || (0..TASKS).for_each(|task| injector.push(Box::new((producer, task)))));
        }
        for consumer in 0..2 {
            let (injector, count) = (&injector, &count);
            scope.spawn(move || {
                let own = Worker::new_fifo();
                // The task of each producer that must come next at the earliest.
                let mut next = [0; PRODUCERS];
                let mut see = |task: Box<(usize, usize)>| {
                    assert!(next[task.0] <= task.1, "out of order");
                    next[task.0] = task.1 + 1;
                    count.fetch_add(1, Ordering::Relaxed);
                };
                while count.load(Ordering::Relaxed) < PRODUCERS * TASKS {
                    let stolen =
                        if consumer == 0 { injector.steal() } else { injector.steal_batch_and_pop(&own) };
                    stolen.success().into_iter().for_each(&mut see);
                    while let Some(task) = own.pop() {
                        see(task);
                    }
                }
            });
        }
    });
    assert_eq!(count.into_inner(), PRODUCERS * TASKS);
    assert!(injector.is_empty());
}
