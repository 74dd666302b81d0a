//! Tasks of all kinds, and handles used in unusual ways.

use std::cell::{Cell, RefCell};

use swarm_work_stealing::{Injector, Steal, Worker};

use super::sized;

/// Every task comes back whole and in order through every deque, the injector and batches.
fn check<T: Clone + PartialEq + std::fmt::Debug>(make: impl Fn(usize) -> T) {
    let tasks: Vec<T> = (0..sized(200, 9)).map(make).collect();
    for worker in [Worker::new_lifo, Worker::new_fifo, Worker::new_split] {
        let (worker, own) = (worker(), worker());
        let stealer = worker.stealer();
        let _asks = stealer.steal();
        let mut seen = Vec::new();
        for task in &tasks {
            worker.push(task.clone());
            if let Steal::Success(task) = stealer.steal_batch_and_pop(&own) {
                seen.push(task);
            }
            seen.extend(std::iter::from_fn(|| own.pop()));
        }
        seen.extend(std::iter::from_fn(|| stealer.steal().success()));
        seen.extend(std::iter::from_fn(|| worker.pop()));
        assert_eq!(seen.len(), tasks.len());
        assert!(tasks.iter().all(|task| seen.contains(task)));
    }
    let injector = Injector::new();
    for task in &tasks {
        injector.push(task.clone());
    }
    let seen: Vec<T> = std::iter::from_fn(|| injector.steal().success()).collect();
    assert_eq!(seen, tasks);
}

#[test]
fn tasks_without_a_size_are_counted() {
    check(|_| ());
}

#[test]
#[cfg_attr(miri, ignore = "what stands in for a word there holds no padding")]
fn tasks_with_padding_come_back_whole() {
    check(|i| (i as u8, i as u64, i as u16));
    check(|i| if i % 2 == 0 { Some((i as u32, true)) } else { None });
}

#[test]
fn tasks_larger_than_a_word_or_oddly_sized_come_back_whole() {
    check(|i| [i as u8; 3]);
    check(|i| [i; sized(40, 3)]);
}

#[test]
#[cfg_attr(miri, ignore = "what stands in for a word there holds no padding")]
fn tasks_with_a_large_alignment_come_back_whole() {
    #[repr(align(256))]
    #[derive(Clone, Debug, PartialEq)]
    struct Aligned(usize);
    check(Aligned);
}

#[test]
fn tasks_that_change_inside_come_back_whole() {
    check(Cell::new);
    check(|i| RefCell::new(vec![i; i % 5]));
}

#[test]
fn tasks_that_own_memory_come_back_whole() {
    check(|i| i.to_string());
}

#[test]
fn a_worker_may_steal_from_itself() {
    for worker in [Worker::new_lifo, Worker::new_fifo, Worker::new_split] {
        let worker = worker();
        let stealer = worker.stealer();
        assert_eq!(stealer.steal_batch(&worker), Steal::Empty);
        worker.push(1);
        assert_eq!(stealer.steal_batch(&worker), Steal::Success(()));
        assert_eq!(stealer.steal_batch_and_pop(&worker), Steal::Success(1));
        assert_eq!(stealer.steal_batch_and_pop(&worker), Steal::Empty);
    }
}

#[test]
#[should_panic(expected = "a batch of no tasks")]
fn a_batch_of_no_tasks_is_refused() {
    let worker = Worker::<u32>::new_split();
    let _nothing = worker.stealer().steal_batch_with_limit(&Worker::new_split(), 0);
}

#[test]
fn outcomes_are_combined_as_far_as_the_first_success() {
    let outcomes = |outcomes: &[Steal<u32>]| outcomes.iter().copied().collect::<Steal<u32>>();
    assert_eq!(outcomes(&[]), Steal::Empty);
    assert_eq!(outcomes(&[Steal::Empty, Steal::Retry, Steal::Empty]), Steal::Retry);
    assert_eq!(outcomes(&[Steal::Retry, Steal::Success(1), Steal::Success(2)]), Steal::Success(1));
    assert_eq!(Steal::Retry.or_else(|| Steal::<u32>::Empty), Steal::Retry);
    assert_eq!(Steal::Empty.or_else(|| Steal::Success(1)), Steal::Success(1));
    assert_eq!(Steal::Success(1).or_else(|| unreachable!("it has one")), Steal::Success(1));
}
