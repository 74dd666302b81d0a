//! Work-stealing deques: what the owner pays alone and with a thief at its heels, and what a stolen task costs.
//!
//! - *pair*: the owner pushes and pops one task. *burst*: it pushes 64 tasks, then pops 64; per task.
//! - *drain*: one thread takes 8,192 tasks that are there, one by one or in batches of up to 32 which it pops
//!   from a deque of its own, pops included; per task. The split deque's owner lays tasks out meanwhile, as a
//!   push would have it, and that is in the figure.
//! - *batch*: a thief takes a batch of 32 of the 64 tasks that each of 64 owners has laid out, and pops it from a
//!   deque of its own, pops included; per task. What the owners do is not in the figure.
//! - *hammered*: bursts while a thief on another thread steals without end, one by one or in batches; per task
//!   of the owner. This one needs two processors of its own.
//!
//! With the features `peer-crossbeam-deque` and `peer-st3` the peers do the same; st3 is bounded: 1,024 places,
//! 16,384 to drain. The floor beside *pair* and *burst* is a `Vec`, which nobody can steal from. Each benchmark
//! verifies its answer: every task is taken once. What is not compared: what st3 does when it is full.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use swarm_work_stealing::{Stealer, Worker};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BURST: u64 = 64;
const DRAINED: u64 = 8_192;
const OWNERS: u64 = 64;
const BATCH: u64 = 32;

/// An owner's side. A task is its number.
trait Owner {
    fn new(places: usize) -> Self;
    fn push(&self, task: u64);
    fn pop(&self) -> Option<u64>;
}

/// A deque of one kind.
trait Deque: Owner + Sized {
    /// A handle for thieves.
    type Thief: Send;
    fn thief(&self) -> Self::Thief;
    /// Asks an owner who has not laid out any, where that takes asking.
    fn ask(_thief: &Self::Thief) {}
    /// Lets thieves see tasks, where that takes doing.
    fn share(&self) {}
    /// Takes a task; none if there is none to be had now. Leaves `own` empty.
    fn steal(thief: &Self::Thief, own: &Self) -> Option<u64>;
    /// Takes up to 32 tasks and pops them from `own`: how many, and their sum.
    fn steal_batch(thief: &Self::Thief, own: &Self) -> (u64, u64);
}

/// What a thief's own deque holds, with one task more.
fn popped<D: Deque>(first: Option<u64>, own: &D) -> (u64, u64) {
    let tasks = first.into_iter().chain(std::iter::from_fn(|| own.pop()));
    tasks.fold((0, 0), |(count, sum), task| (count + 1, sum + task))
}

macro_rules! ours {
    ($name:ident, $new:expr, $ask:expr, $share:expr) => {
        struct $name(Worker<u64>);

        impl Owner for $name {
            fn new(_places: usize) -> Self {
                $name($new)
            }

            #[inline(always)]
            fn push(&self, task: u64) {
                self.0.push(task);
            }

            #[inline(always)]
            fn pop(&self) -> Option<u64> {
                self.0.pop()
            }
        }

        impl Deque for $name {
            type Thief = Stealer<u64>;

            fn thief(&self) -> Stealer<u64> {
                self.0.stealer()
            }

            fn ask(thief: &Stealer<u64>) {
                $ask(thief);
            }

            fn share(&self) {
                $share(&self.0);
            }

            fn steal(thief: &Stealer<u64>, _own: &Self) -> Option<u64> {
                thief.steal().success()
            }

            fn steal_batch(thief: &Stealer<u64>, own: &Self) -> (u64, u64) {
                popped(thief.steal_batch_and_pop(&own.0).success(), own)
            }
        }
    };
}

ours!(
    Split,
    Worker::new_split(),
    |thief: &Stealer<u64>| assert!(thief.steal().is_empty(), "nobody has asked yet"),
    |worker: &Worker<u64>| {
        // A push and a pop look at the request; the task is the newest and comes back.
        worker.push(0);
        worker.pop();
    }
);
ours!(Lifo, Worker::new_lifo(), |_: &Stealer<u64>| (), |_: &Worker<u64>| ());
ours!(Fifo, Worker::new_fifo(), |_: &Stealer<u64>| (), |_: &Worker<u64>| ());

/// A stack that nobody can steal from: the floor of what an owner does.
struct Floor(RefCell<Vec<u64>>);

impl Owner for Floor {
    fn new(places: usize) -> Self {
        Floor(RefCell::new(Vec::with_capacity(places)))
    }

    #[inline(always)]
    fn push(&self, task: u64) {
        self.0.borrow_mut().push(task);
    }

    #[inline(always)]
    fn pop(&self) -> Option<u64> {
        self.0.borrow_mut().pop()
    }
}

#[cfg(feature = "peer-crossbeam-deque")]
mod crossbeam {
    use super::{Deque, Owner, popped};
    use crossbeam_deque::{Stealer, Worker};

    macro_rules! crossbeam {
        ($name:ident, $new:expr) => {
            pub(crate) struct $name(Worker<u64>);

            impl Owner for $name {
                fn new(_places: usize) -> Self {
                    $name($new)
                }

                #[inline(always)]
                fn push(&self, task: u64) {
                    self.0.push(task);
                }

                #[inline(always)]
                fn pop(&self) -> Option<u64> {
                    self.0.pop()
                }
            }

            impl Deque for $name {
                type Thief = Stealer<u64>;

                fn thief(&self) -> Stealer<u64> {
                    self.0.stealer()
                }

                fn steal(thief: &Stealer<u64>, _own: &Self) -> Option<u64> {
                    thief.steal().success()
                }

                fn steal_batch(thief: &Stealer<u64>, own: &Self) -> (u64, u64) {
                    popped(thief.steal_batch_and_pop(&own.0).success(), own)
                }
            }
        };
    }

    crossbeam!(Lifo, Worker::new_lifo());
    crossbeam!(Fifo, Worker::new_fifo());
}

#[cfg(feature = "peer-st3")]
mod st3s {
    use super::{Deque, Owner, popped};

    macro_rules! st3 {
        ($name:ident, $order:ident) => {
            pub(crate) struct $name(st3::$order::Worker<u64>);

            impl Owner for $name {
                fn new(places: usize) -> Self {
                    $name(st3::$order::Worker::new(places))
                }

                #[inline(always)]
                fn push(&self, mut task: u64) {
                    // Full only while a thief is between its two steps.
                    while let Err(back) = self.0.push(task) {
                        task = back;
                        std::thread::yield_now();
                    }
                }

                #[inline(always)]
                fn pop(&self) -> Option<u64> {
                    self.0.pop()
                }
            }

            impl Deque for $name {
                type Thief = st3::$order::Stealer<u64>;

                fn thief(&self) -> Self::Thief {
                    self.0.stealer()
                }

                fn steal(thief: &Self::Thief, own: &Self) -> Option<u64> {
                    thief.steal_and_pop(&own.0, |_| 1).ok().map(|(task, _)| task)
                }

                fn steal_batch(thief: &Self::Thief, own: &Self) -> (u64, u64) {
                    let half = |count: usize| count.div_ceil(2).min(32);
                    popped(thief.steal_and_pop(&own.0, half).ok().map(|(task, _)| task), own)
                }
            }
        };
    }

    st3!(Lifo, lifo);
    st3!(Fifo, fifo);
}

fn alone<D: Owner>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str) {
    group.throughput(Throughput::Elements(BURST));
    group.bench_function(format!("pair/{name}"), |b| {
        let deque = D::new(1_024);
        b.iter(|| {
            let mut sum = 0;
            for task in 0..BURST {
                deque.push(black_box(task));
                sum += deque.pop().expect("it was just pushed");
            }
            assert_eq!(sum, BURST * (BURST - 1) / 2);
        });
    });
    group.bench_function(format!("burst/{name}"), |b| {
        let deque = D::new(1_024);
        b.iter(|| {
            (0..BURST).for_each(|task| deque.push(black_box(task)));
            let sum: u64 = (0..BURST).map(|_| deque.pop().expect("as many as were pushed")).sum();
            assert_eq!(sum, BURST * (BURST - 1) / 2);
        });
    });
}

fn batch<D: Deque>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str) {
    group.throughput(Throughput::Elements(OWNERS * BATCH));
    let owner = |_| {
        let deque = D::new(1_024);
        // A split deque lays out half of them.
        (0..4 * BATCH).for_each(|task| deque.push(task));
        let thief = deque.thief();
        D::ask(&thief);
        deque.share();
        (deque, thief)
    };
    group.bench_function(format!("batch/{name}"), |b| {
        let own = D::new(1_024);
        b.iter_batched_ref(
            || (0..OWNERS).map(owner).collect::<Vec<_>>(),
            |owners| {
                for (_, thief) in owners {
                    assert_eq!(D::steal_batch(thief, &own), (BATCH, BATCH * (BATCH - 1) / 2));
                }
            },
            BatchSize::PerIteration,
        );
    });
}

fn drain<D: Deque>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str) {
    group.throughput(Throughput::Elements(DRAINED));
    let full = || {
        let deque = D::new(16_384);
        (0..DRAINED).for_each(|task| deque.push(task));
        deque
    };
    let timed = |rounds: u64, take: fn(&D::Thief, &D) -> (u64, u64)| {
        let mut time = Duration::ZERO;
        for _ in 0..rounds {
            let (deque, own) = (full(), D::new(1_024));
            let thief = deque.thief();
            let begun = Instant::now();
            let (mut count, mut sum) = (0, 0);
            while count < DRAINED {
                let (more, tasks) = take(&thief, &own);
                if more == 0 {
                    deque.share();
                }
                count += more;
                sum += tasks;
            }
            time += begun.elapsed();
            assert_eq!(sum, DRAINED * (DRAINED - 1) / 2);
        }
        time
    };
    group.bench_function(format!("drain-one-by-one/{name}"), |b| {
        b.iter_custom(|rounds| {
            timed(rounds, |thief, own| D::steal(thief, own).map_or((0, 0), |task| (1, task)))
        });
    });
    group.bench_function(format!("drain-in-batches/{name}"), |b| {
        b.iter_custom(|rounds| timed(rounds, D::steal_batch));
    });
}

fn hammered<D: Deque>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str) {
    group.throughput(Throughput::Elements(BURST));
    for (how, batch) in [("one-by-one", false), ("in-batches", true)] {
        group.bench_function(format!("hammered-{how}/{name}"), |b| {
            b.iter_custom(|rounds| {
                let deque = D::new(1_024);
                let thief = deque.thief();
                let (done, ready) = (AtomicBool::new(false), Barrier::new(2));
                thread::scope(|scope| {
                    let (done, ready) = (&done, &ready);
                    let stolen = scope.spawn(move || {
                        let own = D::new(1_024);
                        let take = || {
                            if batch {
                                D::steal_batch(&thief, &own).0
                            } else {
                                D::steal(&thief, &own).iter().count() as u64
                            }
                        };
                        let mut count = 0;
                        ready.wait();
                        while !done.load(Ordering::Relaxed) {
                            count += take();
                        }
                        count
                    });
                    ready.wait();
                    let begun = Instant::now();
                    let mut count = 0;
                    for _ in 0..rounds {
                        (0..BURST).for_each(|task| deque.push(black_box(task)));
                        count += (0..BURST).filter(|_| deque.pop().is_some()).count() as u64;
                    }
                    let time = begun.elapsed();
                    done.store(true, Ordering::Relaxed);
                    count += stolen.join().expect("it does not panic");
                    count += std::iter::from_fn(|| deque.pop()).count() as u64;
                    assert_eq!(count, rounds * BURST, "lost or doubled");
                    time
                })
            });
        });
    }
}

fn all<D: Deque>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str) {
    alone::<D>(group, name);
    batch::<D>(group, name);
    drain::<D>(group, name);
    hammered::<D>(group, name);
}

fn deques(c: &mut Criterion) {
    let mut group = c.benchmark_group("deque");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500));
    alone::<Floor>(&mut group, "floor");
    all::<Split>(&mut group, "split");
    all::<Lifo>(&mut group, "lifo");
    all::<Fifo>(&mut group, "fifo");
    #[cfg(feature = "peer-crossbeam-deque")]
    {
        all::<crossbeam::Lifo>(&mut group, "crossbeam-lifo");
        all::<crossbeam::Fifo>(&mut group, "crossbeam-fifo");
    }
    #[cfg(feature = "peer-st3")]
    {
        all::<st3s::Lifo>(&mut group, "st3-lifo");
        all::<st3s::Fifo>(&mut group, "st3-fifo");
    }
    group.finish();
}

criterion_group!(benches, deques);
criterion_main!(benches);
