//! Lanes between threads: what passes one message from one thread to another, ours and those of kept crates.
//!
//! | lane | who gives | who takes | room |
//! |---|---|---|---|
//! | `ArrayQueue` of crossbeam-queue, which the runtime uses | any thread | any thread | bounded |
//! | `SegQueue` of crossbeam-queue | any | any | unbounded |
//! | crossbeam-channel | any | any | bounded |
//! | `sync_channel` of the standard library | any | one | bounded |
//! | rtrb | one | one | bounded |
//! | our `Injector` | any | any | unbounded |
//! | our deque, first in first out | one | any | unbounded |
//!
//! Two kinds of work, each of two threads: *one to one*, one gives and the other takes; and *both ways*, either gives one
//! and takes one in turn. Whoever finds a lane full or empty tries again, and gives its turn away after some tries.
//! Beside them stands a floor: one thread that moves the same numbers through a `VecDeque`, in bursts.
//!
//! Every pass is verified: one to one by the order of all numbers, both ways by their sum. Rounds are interleaved in an
//! order shuffled anew; ratios are taken round by round. Verified by tests with lanes that lose, double and turn round.

use std::collections::VecDeque;
use std::hint::{black_box, spin_loop};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_queue::{ArrayQueue, SegQueue};
use swarm_protocol::Stream;
use swarm_work_stealing::{Injector, Steal, Stealer, Worker};

/// How many messages a bounded lane holds.
pub const CAPACITY: usize = 1024;

/// How many messages the floor moves at a time.
const BURST: u64 = 64;

/// After so many tries in vain a thread gives its turn away: there may be fewer processors than threads.
const TRIES: u32 = 1_000;

/// The end of a lane into which messages go.
pub trait Give: Send {
    /// Gives one; not if there is no room.
    fn give(&mut self, message: u64) -> bool;
}

/// The end from which they come.
pub trait Take: Send {
    /// Takes one, if there is one.
    fn take(&mut self) -> Option<u64>;
}

/// What was passed is not what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The lane.
    pub lane: &'static str,
}

impl core::fmt::Display for Wrong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} loses, doubles or turns round what it passes", self.lane)
    }
}

impl std::error::Error for Wrong {}

/// Passes so many messages, and says how long that took; none if they were not all of them.
type Pass = Box<dyn Fn(u64) -> Option<Duration>>;

/// A lane at a kind of work.
#[expect(missing_debug_implementations, reason = "a function has none")]
pub struct Contestant {
    /// What it is called.
    pub lane: &'static str,
    pass: Pass,
}

impl Contestant {
    /// A lane whose ends `make` makes, one to one.
    pub fn one_to_one<G: Give, T: Take>(lane: &'static str, make: impl Fn() -> (G, T) + 'static) -> Self {
        Contestant { lane, pass: Box::new(move |messages| one_to_one(make(), messages)) }
    }

    /// A lane whose ends `make` makes for either thread, both ways.
    pub fn both_ways<G: Give, T: Take>(lane: &'static str, make: impl Fn() -> [(G, T); 2] + 'static) -> Self {
        Contestant { lane, pass: Box::new(move |messages| both_ways(make(), messages)) }
    }

    /// One thread, and no lane.
    pub fn floor() -> Self {
        Contestant { lane: "floor: one thread", pass: Box::new(floor) }
    }

    /// Nanoseconds per message of a pass.
    ///
    /// # Errors
    /// If what comes is not what was given.
    pub fn nanos(&self, messages: u64) -> Result<f64, Wrong> {
        let took = (self.pass)(messages).ok_or(Wrong { lane: self.lane })?;
        Ok(took.as_nanos() as f64 / messages as f64)
    }
}

/// Nanoseconds per message of every contestant, one per round.
///
/// # Errors
/// The first lane that is wrong.
pub fn rounds(
    contestants: &[Contestant],
    rounds: u32,
    messages: u64,
    seed: u64,
) -> Result<Vec<Vec<f64>>, Wrong> {
    let mut draw = Stream::new(seed, 0, 0);
    let mut samples = vec![Vec::new(); contestants.len()];
    let mut order: Vec<usize> = (0..contestants.len()).collect();
    for _ in 0..rounds {
        for last in (1..order.len()).rev() {
            order.swap(last, draw.below(last as u64 + 1) as usize);
        }
        for number in &order {
            samples[*number].push(contestants[*number].nanos(messages)?);
        }
    }
    Ok(samples)
}

/// Tries until it is done.
fn insist<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut tries = 0;
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        tries += 1;
        if tries % TRIES == 0 {
            thread::yield_now();
        } else {
            spin_loop();
        }
    }
}

fn one_to_one<G: Give, T: Take>((mut give, mut take): (G, T), messages: u64) -> Option<Duration> {
    let together = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            together.wait();
            for message in 0..messages {
                insist(|| give.give(message).then_some(()));
            }
        });
        together.wait();
        let begun = Instant::now();
        // All are taken, so that the other thread comes to its end.
        let right = (0..messages).filter(|message| insist(|| take.take()) == *message).count() as u64;
        let took = begun.elapsed();
        (right == messages && take.take().is_none()).then_some(took)
    })
}

fn both_ways<G: Give, T: Take>(ends: [(G, T); 2], messages: u64) -> Option<Duration> {
    let together = Barrier::new(3);
    let each = messages / 2;
    thread::scope(|scope| {
        let threads = ends.map(|(mut give, mut take)| {
            let together = &together;
            scope.spawn(move || {
                together.wait();
                let (mut sum, mut taken) = (0u64, 0);
                for message in 0..each {
                    insist(|| give.give(message).then_some(()));
                    if let Some(message) = take.take() {
                        (sum, taken) = (sum.wrapping_add(message), taken + 1);
                    }
                }
                (sum, taken, take)
            })
        });
        together.wait();
        let begun = Instant::now();
        let (mut sum, mut taken) = (0u64, 0);
        for thread in threads {
            let (its_sum, its_taken, mut take) = thread.join().ok()?;
            (sum, taken) = (sum.wrapping_add(its_sum), taken + its_taken);
            // What is left, when both have ended.
            while let Some(message) = take.take() {
                (sum, taken) = (sum.wrapping_add(message), taken + 1);
            }
        }
        let took = begun.elapsed();
        let expected = 2 * (0..each).sum::<u64>();
        (taken == 2 * each && sum == expected).then_some(took)
    })
}

fn floor(messages: u64) -> Option<Duration> {
    let mut queue = VecDeque::with_capacity(CAPACITY);
    let begun = Instant::now();
    let (mut next, mut right) = (0, 0);
    while next < messages {
        let end = messages.min(next + BURST);
        (next..end).for_each(|message| queue.push_back(black_box(message)));
        right += (next..end).filter(|message| black_box(queue.pop_front()) == Some(*message)).count() as u64;
        next = end;
    }
    let took = begun.elapsed();
    (right == messages).then_some(took)
}

/// A queue that two threads share.
macro_rules! shared {
    ($queue:ty, |$lane:ident, $message:ident| $give:expr, $take:expr) => {
        impl Give for Arc<$queue> {
            #[inline]
            fn give(&mut self, $message: u64) -> bool {
                let $lane = &**self;
                $give
            }
        }

        impl Take for Arc<$queue> {
            #[inline]
            fn take(&mut self) -> Option<u64> {
                let $lane = &**self;
                $take
            }
        }
    };
}

shared!(ArrayQueue<u64>, |lane, message| lane.push(message).is_ok(), lane.pop());
shared!(
    SegQueue<u64>,
    |lane, message| {
        lane.push(message);
        true
    },
    lane.pop()
);
shared!(
    Injector<u64>,
    |lane, message| {
        lane.push(message);
        true
    },
    stolen(|| lane.steal())
);

fn stolen(steal: impl Fn() -> Steal<u64>) -> Option<u64> {
    loop {
        match steal() {
            Steal::Success(message) => return Some(message),
            Steal::Empty => return None,
            Steal::Retry => spin_loop(),
        }
    }
}

impl Give for Worker<u64> {
    #[inline]
    fn give(&mut self, message: u64) -> bool {
        self.push(message);
        true
    }
}

impl Take for Stealer<u64> {
    #[inline]
    fn take(&mut self) -> Option<u64> {
        stolen(|| self.steal())
    }
}

impl Give for std::sync::mpsc::SyncSender<u64> {
    #[inline]
    fn give(&mut self, message: u64) -> bool {
        self.try_send(message).is_ok()
    }
}

impl Take for std::sync::mpsc::Receiver<u64> {
    #[inline]
    fn take(&mut self) -> Option<u64> {
        self.try_recv().ok()
    }
}

#[cfg(feature = "peer-crossbeam-channel")]
mod channel {
    use crossbeam_channel::{Receiver, Sender};

    use super::{Give, Take};

    impl Give for Sender<u64> {
        #[inline]
        fn give(&mut self, message: u64) -> bool {
            self.try_send(message).is_ok()
        }
    }

    impl Take for Receiver<u64> {
        #[inline]
        fn take(&mut self) -> Option<u64> {
            self.try_recv().ok()
        }
    }
}

#[cfg(feature = "peer-rtrb")]
mod ring {
    use rtrb::{Consumer, Producer};

    use super::{Give, Take};

    impl Give for Producer<u64> {
        #[inline]
        fn give(&mut self, message: u64) -> bool {
            self.push(message).is_ok()
        }
    }

    impl Take for Consumer<u64> {
        #[inline]
        fn take(&mut self) -> Option<u64> {
            self.pop().ok()
        }
    }
}

/// The ends of a queue that two threads share.
fn ends<Q>(queue: Q) -> (Arc<Q>, Arc<Q>) {
    let queue = Arc::new(queue);
    (queue.clone(), queue)
}

/// The same for either thread.
fn both<Q>(queue: Q) -> [(Arc<Q>, Arc<Q>); 2] {
    let (give, take) = ends(queue);
    [(give.clone(), take.clone()), (give, take)]
}

/// The runtime's lane first, the floor last.
pub fn one_to_one_contestants() -> Vec<Contestant> {
    vec![
        Contestant::one_to_one("ArrayQueue", || ends(ArrayQueue::new(CAPACITY))),
        Contestant::one_to_one("SegQueue", || ends(SegQueue::new())),
        #[cfg(feature = "peer-crossbeam-channel")]
        Contestant::one_to_one("crossbeam-channel", || crossbeam_channel::bounded(CAPACITY)),
        Contestant::one_to_one("std sync_channel", || std::sync::mpsc::sync_channel(CAPACITY)),
        #[cfg(feature = "peer-rtrb")]
        Contestant::one_to_one("rtrb", || rtrb::RingBuffer::new(CAPACITY)),
        Contestant::one_to_one("our Injector", || ends(Injector::new())),
        Contestant::one_to_one("our deque, fifo", || {
            let worker = Worker::new_fifo();
            let stealer = worker.stealer();
            (worker, stealer)
        }),
        Contestant::floor(),
    ]
}

/// The runtime's lane first, the floor last.
pub fn both_ways_contestants() -> Vec<Contestant> {
    vec![
        Contestant::both_ways("ArrayQueue", || both(ArrayQueue::new(CAPACITY))),
        Contestant::both_ways("SegQueue", || both(SegQueue::new())),
        #[cfg(feature = "peer-crossbeam-channel")]
        Contestant::both_ways("crossbeam-channel", || {
            let (give, take) = crossbeam_channel::bounded(CAPACITY);
            [(give.clone(), take.clone()), (give, take)]
        }),
        Contestant::both_ways("our Injector", || both(Injector::new())),
        Contestant::floor(),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_lane_passes_all_that_it_is_given() {
        for contestants in [one_to_one_contestants(), both_ways_contestants()] {
            let samples = rounds(&contestants, 2, 3_000, 1).expect("every lane is right");
            assert!(samples.iter().all(|samples| samples.len() == 2));
        }
    }

    /// A queue that does with its hundredth message what it should not.
    struct Bad(Mutex<VecDeque<u64>>, fn(&mut VecDeque<u64>));

    impl Give for Arc<Bad> {
        fn give(&mut self, message: u64) -> bool {
            let mut queue = self.0.lock().expect("nobody panics");
            queue.push_back(message);
            if message == 100 {
                self.1(&mut queue);
            }
            true
        }
    }

    impl Take for Arc<Bad> {
        fn take(&mut self) -> Option<u64> {
            self.0.lock().expect("nobody panics").pop_front()
        }
    }

    #[test]
    fn lanes_that_double_alter_or_turn_round_have_no_figures() {
        let nanos = |does: fn(&mut VecDeque<u64>), one_to_one: bool| {
            let bad = move || Bad(Mutex::new(VecDeque::new()), does);
            let contestant = if one_to_one {
                Contestant::one_to_one("bad", move || ends(bad()))
            } else {
                Contestant::both_ways("bad", move || both(bad()))
            };
            contestant.nanos(1_000)
        };
        let wrong = Err(Wrong { lane: "bad" });
        for one_to_one in [true, false] {
            assert!(nanos(|_| (), one_to_one).is_ok());
            assert_eq!(nanos(|queue| queue.push_back(7), one_to_one), wrong);
            assert_eq!(nanos(|queue| *queue.back_mut().expect("it was given") += 1, one_to_one), wrong);
        }
        assert_eq!(nanos(|queue| queue.truncate(queue.len() - 1), false), wrong, "lost");
    }
}
