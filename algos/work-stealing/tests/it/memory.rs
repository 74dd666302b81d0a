//! Memory comes back: after bursts, after threads have ended, and all of it in the end.

use std::sync::Arc;
use std::thread;

use allocation_counter::{AllocationInfo, measure};
use swarm_work_stealing::{Injector, Worker};

use super::sized;

const BURST: usize = 100_000;

/// What is still allocated after `run`, beside what stays for the whole process.
fn left(run: impl Fn()) -> AllocationInfo {
    // Whatever is set up once, a thread's seat for one, is not the matter here.
    run();
    measure(run)
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn a_deque_gives_memory_back_after_a_burst() {
    for worker in [Worker::<u64>::new_lifo, Worker::new_fifo, Worker::new_split] {
        let worker = worker();
        for rest in [0, 10] {
            let info = measure(|| {
                (0..BURST as u64).for_each(|task| worker.push(task));
                (rest..BURST).for_each(|_| assert!(worker.pop().is_some()));
                // A split deque looks at its memory when it runs empty or short.
                (0..20).for_each(|_| {
                    worker.push(0);
                    let _task = worker.pop();
                });
            });
            let used = usize::try_from(info.bytes_current.max(0)).expect("not negative");
            assert!(used < BURST, "{used} bytes left with {rest} tasks in the deque");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn a_deque_that_thieves_empty_gives_memory_back_too() {
    for worker in [Worker::<u64>::new_lifo, Worker::new_fifo] {
        let worker = worker();
        let stealer = worker.stealer();
        let info = measure(|| {
            (0..BURST as u64).for_each(|task| worker.push(task));
            while stealer.steal().is_success() {}
            (0..64).for_each(|_| {
                (0..4).for_each(|task| worker.push(task));
                (0..4).for_each(|_| assert!(worker.pop().is_some()));
            });
        });
        assert!(info.bytes_current < BURST as i64, "{} bytes left", info.bytes_current);
    }
}

/// What it laid out leaves a gap at the bottom of its stack, which is closed before there is more memory.
#[test]
#[cfg_attr(miri, ignore = "buffers are smaller")]
fn a_split_deque_that_thieves_empty_allocates_nothing_more() {
    let worker = Worker::<u64>::new_split();
    let stealer = worker.stealer();
    let round = |tasks: u64, more: u64| {
        (0..tasks).for_each(|task| worker.push(task));
        while stealer.steal().is_success() {}
        (0..more).for_each(|task| worker.push(task));
        while worker.pop().is_some() {}
    };
    round(40, 0);
    // At most three quarters of the memory are in use at any time.
    let info = measure(|| (0..588).for_each(|i| round(20 + i % 21, i % 28)));
    assert_eq!(info.count_total, 0);
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn an_injector_gives_memory_back_after_a_burst() {
    let injector = Injector::new();
    let info = measure(|| {
        (0..BURST as u64).for_each(|task| injector.push(task));
        (0..BURST).for_each(|_| assert!(injector.steal().is_success()));
    });
    assert!(info.bytes_current < 10_000, "{} bytes left", info.bytes_current);
}

#[test]
fn whatever_is_dropped_leaves_nothing() {
    for worker in [Worker::<Box<u64>>::new_lifo, Worker::new_fifo, Worker::new_split] {
        let info = left(|| {
            let worker = worker();
            let stealer = worker.stealer();
            drop(stealer.steal());
            (0..sized(1_000, 20) as u64).for_each(|task| worker.push(Box::new(task)));
            (0..sized(300, 6)).for_each(|_| drop(worker.pop()));
            (0..sized(300, 6)).for_each(|_| drop(stealer.steal()));
            drop(worker);
            drop(stealer.steal());
        });
        assert_eq!((info.count_current, info.bytes_current), (0, 0));
    }
    let info = left(|| {
        let injector = Injector::new();
        (0..sized(1_000, 20)).for_each(|task| injector.push(Box::new(task)));
        (0..sized(300, 6)).for_each(|_| drop(injector.steal()));
    });
    assert_eq!((info.count_current, info.bytes_current), (0, 0));
}

#[test]
fn tasks_that_nobody_took_are_dropped_once() {
    let task = Arc::new(());
    for worker in [Worker::new_lifo, Worker::new_fifo, Worker::new_split] {
        let worker = worker();
        let stealer = worker.stealer();
        (0..sized(200, 10)).for_each(|_| worker.push(task.clone()));
        drop(stealer.steal());
        worker.push(task.clone());
        drop(worker);
        drop(stealer);
        assert_eq!(Arc::strong_count(&task), 1);
    }
    let injector = Injector::new();
    (0..sized(200, 10)).for_each(|_| injector.push(task.clone()));
    drop(injector);
    assert_eq!(Arc::strong_count(&task), 1);
}

#[test]
fn what_was_stealable_stays_so_when_the_worker_is_dropped() {
    for worker in [Worker::new_lifo, Worker::new_fifo] {
        let worker = worker();
        let stealer = worker.stealer();
        (1..=100).for_each(|task| worker.push(task));
        drop(worker);
        let sum: u32 = std::iter::from_fn(|| stealer.steal().success()).sum();
        assert_eq!(sum, 5_050);
    }
    let worker = Worker::new_split();
    let stealer = worker.stealer();
    let _asks = stealer.steal();
    worker.push(1);
    worker.push(2);
    drop(worker);
    assert_eq!(stealer.steal().success(), Some(1), "laid out; the other went with the worker");
    assert!(stealer.steal().is_empty());
}

#[test]
fn a_thief_of_its_last_moment_still_steals() {
    thread_local! {
        static LATE: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
    }
    struct Late(Arc<Injector<u32>>, std::sync::mpsc::Sender<Option<u32>>);
    impl Drop for Late {
        fn drop(&mut self) {
            let _received = self.1.send(self.0.steal().success());
        }
    }
    let injector = Arc::new(Injector::new());
    injector.push(7);
    let (sender, receiver) = std::sync::mpsc::channel();
    let shared = injector.clone();
    thread::spawn(move || {
        // First, so that it is dropped after the thread's seat.
        LATE.with_borrow_mut(|late| *late = Some(Late(shared.clone(), sender)));
        assert!(!shared.is_empty());
    })
    .join()
    .expect("it does not panic");
    assert_eq!(receiver.recv(), Ok(Some(7)));
}
