//! Any sequence of operations of one thread, against a `VecDeque` that does the same.

use std::collections::VecDeque;

use quickcheck::{Arbitrary, Gen};
use swarm_work_stealing::{Injector, Steal, Worker};

use super::sized;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Push,
    PushMany(u8),
    Pop,
    PopMany(u8),
    Steal,
    StealBatch(u8),
    StealBatchAndPop(u8),
}

impl Arbitrary for Operation {
    fn arbitrary(g: &mut Gen) -> Self {
        let count = (usize::from(u8::arbitrary(g)) % sized(256, 8)) as u8;
        match u8::arbitrary(g) % 8 {
            0 | 1 => Operation::Push,
            2 => Operation::PushMany(count),
            3 => Operation::Pop,
            4 => Operation::PopMany(count),
            5 => Operation::Steal,
            6 => Operation::StealBatch(count % 40 + 1),
            _ => Operation::StealBatchAndPop(count % 40 + 1),
        }
    }
}

/// Checks so many sequences, the same in every run.
fn many(count: usize, check: impl Fn(Vec<Operation>)) {
    for seed in 0..sized(count, 1) as u64 {
        check(Arbitrary::arbitrary(&mut Gen::from_size_and_seed(sized(60, 20), seed)));
    }
}

/// Which end the owner pops.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Front,
    Back,
}

fn pop(deque: &mut VecDeque<u32>, end: End) -> Option<u32> {
    match end {
        End::Front => deque.pop_front(),
        End::Back => deque.pop_back(),
    }
}

/// What the thief's deque pops, which pops the other end than the victim's half of the time.
fn drained(worker: &Worker<u32>) -> Vec<u32> {
    std::iter::from_fn(|| worker.pop()).collect()
}

/// The tasks of a batch in the order in which their first owner would have popped them.
fn in_turn(deque: &mut VecDeque<u32>, end: End, count: usize) -> Vec<u32> {
    let batch: Vec<u32> = deque.drain(..count).collect();
    if end == End::Front { batch } else { batch.into_iter().rev().collect() }
}

fn chase_lev(worker: fn() -> Worker<u32>, thief: fn() -> Worker<u32>, end: End) {
    let check = |operations: Vec<Operation>| {
        let (worker, own) = (worker(), thief());
        let stealer = worker.stealer();
        let mut deque = VecDeque::new();
        let mut next = 0;
        for operation in operations {
            match operation {
                Operation::Push | Operation::PushMany(_) => {
                    let count = if let Operation::PushMany(count) = operation { count } else { 1 };
                    for _ in 0..count {
                        worker.push(next);
                        deque.push_back(next);
                        next += 1;
                    }
                }
                Operation::Pop | Operation::PopMany(_) => {
                    let count = if let Operation::PopMany(count) = operation { count } else { 1 };
                    for _ in 0..count {
                        assert_eq!(worker.pop(), pop(&mut deque, end));
                    }
                }
                Operation::Steal => {
                    let expected = deque.pop_front().map_or(Steal::Empty, Steal::Success);
                    assert_eq!(stealer.steal(), expected);
                }
                Operation::StealBatch(limit) => {
                    let count = deque.len().div_ceil(2).min(limit.into());
                    let outcome = stealer.steal_batch_with_limit(&own, limit.into());
                    assert_eq!(outcome, if count == 0 { Steal::Empty } else { Steal::Success(()) });
                    assert_eq!(drained(&own), in_turn(&mut deque, end, count));
                }
                Operation::StealBatchAndPop(limit) => {
                    let count = deque.len().div_ceil(2).min(limit.into());
                    let first = stealer.steal_batch_with_limit_and_pop(&own, limit.into()).success();
                    let batch: Vec<u32> = first.into_iter().chain(drained(&own)).collect();
                    assert_eq!(batch, in_turn(&mut deque, end, count));
                }
            }
            assert_eq!((worker.len(), stealer.len()), (deque.len(), deque.len()));
            assert_eq!(worker.is_empty(), deque.is_empty());
        }
        assert_eq!(drained(&worker).len(), deque.len());
    };
    many(400, check);
}

#[test]
fn a_lifo_worker_pops_the_newest_and_loses_the_oldest() {
    chase_lev(Worker::new_lifo, Worker::new_lifo, End::Back);
    chase_lev(Worker::new_lifo, Worker::new_fifo, End::Back);
    chase_lev(Worker::new_lifo, Worker::new_split, End::Back);
}

#[test]
fn a_fifo_worker_pops_and_loses_the_oldest() {
    chase_lev(Worker::new_fifo, Worker::new_fifo, End::Front);
    chase_lev(Worker::new_fifo, Worker::new_lifo, End::Front);
    chase_lev(Worker::new_fifo, Worker::new_split, End::Front);
}

/// A split deque: what is laid out is a front part of the whole.
#[test]
fn a_split_worker_pops_the_newest_and_loses_the_oldest_of_those_laid_out() {
    let check = |operations: Vec<Operation>| {
        let (worker, own) = (Worker::new_split(), Worker::new_split());
        let stealer = worker.stealer();
        let mut deque = VecDeque::new();
        let mut next = 0;
        for operation in operations {
            let out = stealer.len();
            assert!(out <= deque.len());
            match operation {
                Operation::Push | Operation::PushMany(_) => {
                    let count = if let Operation::PushMany(count) = operation { count } else { 1 };
                    for _ in 0..count {
                        worker.push(next);
                        deque.push_back(next);
                        next += 1;
                    }
                }
                Operation::Pop | Operation::PopMany(_) => {
                    let count = if let Operation::PopMany(count) = operation { count } else { 1 };
                    for _ in 0..count {
                        assert_eq!(worker.pop(), deque.pop_back());
                    }
                }
                Operation::Steal => {
                    let expected = if out == 0 { None } else { deque.pop_front() };
                    assert_eq!(stealer.steal().success(), expected);
                    // Asked or asked before: the next push lays something out.
                    worker.push(next);
                    deque.push_back(next);
                    next += 1;
                    assert!(out > 1 || !stealer.is_empty(), "nothing laid out on request");
                }
                Operation::StealBatch(limit) => {
                    let count = out.div_ceil(2).min(limit.into());
                    let outcome = stealer.steal_batch_with_limit(&own, limit.into());
                    assert_eq!(outcome.is_success(), count > 0);
                    assert_eq!(drained(&own), in_turn(&mut deque, End::Back, count));
                }
                Operation::StealBatchAndPop(limit) => {
                    let count = out.div_ceil(2).min(limit.into());
                    let first = stealer.steal_batch_with_limit_and_pop(&own, limit.into()).success();
                    let batch: Vec<u32> = first.into_iter().chain(drained(&own)).collect();
                    assert_eq!(batch, in_turn(&mut deque, End::Back, count));
                }
            }
            assert_eq!((worker.len(), worker.is_empty()), (deque.len(), deque.is_empty()));
        }
        deque.make_contiguous().reverse();
        assert_eq!(drained(&worker), Vec::from(deque));
    };
    many(1_000, check);
}

/// Wherever a request comes, also where the stack is about to get more memory or to give some back.
#[test]
fn the_next_push_and_the_next_pop_of_a_split_worker_answer_a_request() {
    let many = sized(600, 20);
    for tasks in 0..many {
        let worker = Worker::new_split();
        let stealer = worker.stealer();
        (0..tasks).for_each(|task| worker.push(task));
        assert_eq!(stealer.steal(), Steal::Empty);
        worker.push(tasks);
        assert_eq!(stealer.steal(), Steal::Success(0), "of {tasks} and one");
        // It takes the last one laid out, and asks by that.
        while !stealer.is_empty() {
            assert!(stealer.steal().is_success());
        }
        let left = worker.len();
        worker.push(tasks + 1);
        assert!(!stealer.is_empty(), "with {left} left");
    }
    for popped in 0..many - 1 {
        let worker = Worker::new_split();
        let stealer = worker.stealer();
        (0..many).for_each(|task| worker.push(task));
        (0..popped).for_each(|_| assert!(worker.pop().is_some()));
        assert_eq!(stealer.steal(), Steal::Empty);
        assert_eq!(worker.pop(), Some(many - 1 - popped));
        assert_eq!(stealer.steal(), Steal::Success(0), "of {many} without {popped}");
    }
    // So does what it has stolen.
    let (victim, worker) = (Worker::new_fifo(), Worker::new_split());
    let stealer = worker.stealer();
    (0..4).for_each(|task| victim.push(task));
    assert_eq!(stealer.steal(), Steal::Empty);
    assert!(victim.stealer().steal_batch(&worker).is_success());
    assert_eq!(stealer.steal(), Steal::Success(1), "the oldest of an owner that pops its newest");
}

#[test]
fn an_injector_gives_out_the_oldest() {
    let check = |operations: Vec<Operation>| {
        let (injector, own) = (Injector::new(), Worker::new_lifo());
        let mut queue = VecDeque::new();
        let mut next = 0;
        for operation in operations {
            match operation {
                Operation::Push | Operation::PushMany(_) => {
                    let count = if let Operation::PushMany(count) = operation { count } else { 1 };
                    for _ in 0..count {
                        injector.push(next);
                        queue.push_back(next);
                        next += 1;
                    }
                }
                Operation::Pop | Operation::Steal => {
                    assert_eq!(injector.steal().success(), queue.pop_front());
                }
                Operation::PopMany(count) => {
                    for _ in 0..count {
                        assert_eq!(injector.steal().success(), queue.pop_front());
                    }
                }
                Operation::StealBatch(limit) => {
                    let outcome = injector.steal_batch_with_limit(&own, limit.into());
                    let batch = drained(&own);
                    assert_eq!(outcome.is_success(), !queue.is_empty());
                    assert!(batch.len() <= limit.into() && batch.is_empty() == queue.is_empty());
                    assert_eq!(batch, in_turn(&mut queue, End::Front, batch.len()));
                }
                Operation::StealBatchAndPop(limit) => {
                    let first = injector.steal_batch_with_limit_and_pop(&own, limit.into()).success();
                    let batch: Vec<u32> = first.into_iter().chain(drained(&own)).collect();
                    assert!(batch.len() <= limit.into() && batch.is_empty() == queue.is_empty());
                    assert_eq!(batch, in_turn(&mut queue, End::Front, batch.len()));
                }
            }
            assert_eq!((injector.len(), injector.is_empty()), (queue.len(), queue.is_empty()));
        }
    };
    many(400, check);
}
