//! What is due, in order of virtual time; at equal times in the order in which it was scheduled.
//!
//! A four-ary heap of small entries in one vector: payloads such as messages lie elsewhere, entries name
//! them. Scheduling and taking the next cost the logarithm of the number of entries. Verified by
//! comparison with a sorted map in the tests below.

use swarm_protocol::Ticks;

#[derive(Clone, Copy)]
struct Entry<T> {
    /// Time in the high bits, a serial number in the low [`SERIAL_BITS`]: one comparison orders both.
    key: u64,
    what: T,
}

/// A queue of things due. See the module.
pub(crate) struct Queue<T> {
    /// Entry `i` is due no later than its children `4i + 1 ..= 4i + 4`.
    heap: Vec<Entry<T>>,
    /// The serial number of the next entry.
    serial: u64,
}

const CHILDREN: usize = 4;

/// Serial numbers have so many bits; when they are used up, what waits is numbered anew. For time they leave
/// as many microseconds as there are in months.
const SERIAL_BITS: u32 = 20;

/// The latest time that an entry can have; what is scheduled for later is due then.
const TIME_MAX: u64 = u64::MAX >> SERIAL_BITS;

impl<T: Copy> Queue<T> {
    pub(crate) const fn new() -> Self {
        Queue { heap: Vec::new(), serial: 0 }
    }

    /// Schedules `what` for `at`, behind everything scheduled for then.
    #[inline]
    pub(crate) fn schedule(&mut self, at: Ticks, what: T) {
        if self.serial >> SERIAL_BITS > 0 {
            self.number_anew();
        }
        let key = at.0.min(TIME_MAX) << SERIAL_BITS | self.serial;
        self.serial += 1;
        let entry = Entry { key, what };
        let mut place = self.heap.len();
        self.heap.push(entry);
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if self.heap[parent].key <= key {
                break;
            }
            self.heap[place] = self.heap[parent];
            place = parent;
        }
        self.heap[place] = entry;
    }

    /// Gives what waits the lowest serial numbers, in its order. A sorted vector is a heap.
    #[cold]
    fn number_anew(&mut self) {
        self.heap.sort_unstable_by_key(|entry| entry.key);
        for (serial, entry) in (0..).zip(&mut self.heap) {
            entry.key = entry.key >> SERIAL_BITS << SERIAL_BITS | serial;
        }
        self.serial = self.heap.len() as u64;
        assert!(self.serial >> SERIAL_BITS == 0, "fewer things wait than there are serial numbers");
    }

    /// Takes out what is due next, with its time.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(Ticks, T)> {
        let last = self.heap.pop()?;
        let Some(due) = self.heap.first().copied() else {
            return Some((Ticks(last.key >> SERIAL_BITS), last.what));
        };
        // The last entry sinks from the top; most often all the way.
        let heap = &mut self.heap[..];
        let mut place = 0;
        loop {
            let first = place * CHILDREN + 1;
            let children = &heap[first.min(heap.len())..(first + CHILDREN).min(heap.len())];
            let Some(mut key) = children.first().map(|child| child.key) else { break };
            let mut least = first;
            for (child, entry) in (first..).zip(children).skip(1) {
                if entry.key < key {
                    (least, key) = (child, entry.key);
                }
            }
            if last.key <= key {
                break;
            }
            heap[place] = heap[least];
            place = least;
        }
        heap[place] = last;
        Some((Ticks(due.key >> SERIAL_BITS), due.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_due_comes_in_order_of_time_and_scheduling() {
        fn check(steps: Vec<Option<u8>>) -> bool {
            let (mut queue, mut model) = (Queue::new(), BTreeMap::new());
            steps.into_iter().zip(0u32..).all(|(step, serial)| match step {
                Some(at) => {
                    let at = Ticks(u64::from(at % 8));
                    queue.schedule(at, serial);
                    model.insert((at, serial), serial);
                    queue.heap.len() == model.len()
                }
                None => queue.next() == model.pop_first().map(|((at, _), serial)| (at, serial)),
            })
        }
        quickcheck::QuickCheck::new().tests(2000).quickcheck(check as fn(Vec<Option<u8>>) -> bool);
    }

    #[test]
    fn order_survives_the_end_of_serial_numbers() {
        let mut queue = Queue::new();
        queue.serial = (1 << SERIAL_BITS) - 50;
        for serial in 0..120u32 {
            queue.schedule(Ticks(u64::from(serial % 3)), serial);
        }
        assert!(queue.serial < 1 << SERIAL_BITS, "numbered anew");
        let order: Vec<_> = core::iter::from_fn(|| queue.next()).collect();
        let expected =
            (0..3).flat_map(|at| (at..120).step_by(3).map(move |serial| (Ticks(u64::from(at)), serial)));
        assert!(order.into_iter().eq(expected));
    }

    #[test]
    fn many_things_leave_sorted() {
        let mut queue = Queue::new();
        let mut draw = swarm_protocol::Stream::new(1, 2, 3);
        for serial in 0..20_000u32 {
            queue.schedule(Ticks(draw.below(500)), serial);
        }
        let order: Vec<_> = core::iter::from_fn(|| queue.next()).collect();
        assert!(order.is_sorted() && order.len() == 20_000);
    }
}
