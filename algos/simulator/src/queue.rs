//! What is due, in order of virtual time; at equal times in the order in which it was scheduled.
//!
//! A hierarchical timing wheel (Varghese and Lauck, SOSP 1987, scheme 7): each level has 64 slots, a slot of
//! level `l` spans `64^l` microseconds, and a word per level says which slots hold anything. An entry goes to
//! the level of the highest six bits in which its time differs from now, and moves to lower levels as its
//! time comes near; alone in the first slot of all, it is due wherever it lies. Slots are lists in order of scheduling; as a slot is emptied before anything is put
//! into the slots below it, order survives the way down. Scheduling takes constant time, and an entry moves
//! at most once per level. Payloads such as messages lie elsewhere, entries name them. Verified by
//! comparison with a sorted map in the tests below.

use swarm_protocol::Ticks;

/// The end of a list.
const NONE: u32 = u32::MAX;

/// Each level looks at so many bits of the time.
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// For this many levels. They leave as many microseconds as there are in eight years.
const LEVELS: usize = 8;

/// The latest time that an entry can have; what is scheduled for later is due then.
const TIME_MAX: u64 = (1 << (BITS * LEVELS as u32)) - 1;

#[derive(Clone, Copy)]
struct Entry<T> {
    at: u64,
    /// The entry behind it in its slot, or in the list of unused ones.
    next: u32,
    what: T,
}

/// The first and the last entry of a list; of an empty one neither is looked at.
#[derive(Clone, Copy)]
struct Slot {
    first: u32,
    last: u32,
}

/// A queue of things due. See the module.
pub(crate) struct Queue<T> {
    entries: Vec<Entry<T>>,
    /// The first unused entry.
    free: u32,
    /// The time of what was taken last. Nothing that waits is due before it.
    now: u64,
    /// By level, which slots hold entries.
    occupied: [u64; LEVELS],
    slots: Box<[[Slot; SLOTS]; LEVELS]>,
}

impl<T: Copy> Queue<T> {
    pub(crate) fn new() -> Self {
        Queue {
            entries: Vec::new(),
            free: NONE,
            now: 0,
            occupied: [0; LEVELS],
            slots: Box::new([[Slot { first: NONE, last: NONE }; SLOTS]; LEVELS]),
        }
    }

    /// Schedules `what` for `at`, behind everything scheduled for then. What is scheduled for the past is
    /// due now.
    #[inline]
    pub(crate) fn schedule(&mut self, at: Ticks, what: T) {
        let at = at.0.clamp(self.now, TIME_MAX);
        let fresh = Entry { at, next: NONE, what };
        let place = self.free;
        let place = if let Some(entry) = self.entries.get_mut(place as usize) {
            self.free = entry.next;
            *entry = fresh;
            place
        } else {
            self.entries.push(fresh);
            self.entries.len() as u32 - 1
        };
        self.put(place, at);
    }

    /// Puts an entry behind those in the slot of its time.
    #[inline]
    fn put(&mut self, place: u32, at: u64) {
        let differs = (at ^ self.now) | 1;
        let level = (differs.ilog2() / BITS) as usize % LEVELS;
        let slot = (at >> (level as u32 * BITS)) as usize % SLOTS;
        let list = &mut self.slots[level][slot];
        if self.occupied[level] & 1 << slot == 0 {
            self.occupied[level] |= 1 << slot;
            *list = Slot { first: place, last: place };
        } else {
            self.entries[list.last as usize].next = place;
            list.last = place;
        }
    }

    /// Takes out what is due next, with its time.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(Ticks, T)> {
        loop {
            // Lower levels are due before higher ones, and within a level lower slots before higher ones.
            let level = (0..LEVELS).find(|level| self.occupied[*level] > 0)?;
            let slot = self.occupied[level].trailing_zeros() as usize % SLOTS;
            let list = &mut self.slots[level][slot];
            let place = list.first;
            let alone = place == list.last;
            if alone || level == 0 {
                let entry = &mut self.entries[place as usize];
                let (at, what) = (entry.at, entry.what);
                list.first = entry.next;
                entry.next = self.free;
                self.free = place;
                if alone {
                    self.occupied[level] &= !(1 << slot);
                }
                self.now = at;
                return Some((Ticks(at), what));
            }
            self.descend(level, slot);
        }
    }

    /// Moves the entries of the next slot down to where the time that it begins at puts them.
    fn descend(&mut self, level: usize, slot: usize) {
        self.occupied[level] &= !(1 << slot);
        let shift = level as u32 * BITS;
        self.now = (self.now >> (shift + BITS) << (shift + BITS)) | (slot as u64) << shift;
        let mut place = self.slots[level][slot].first;
        while let Some(entry) = self.entries.get_mut(place as usize) {
            let (at, next) = (entry.at, core::mem::replace(&mut entry.next, NONE));
            self.put(place, at);
            place = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_due_comes_in_order_of_time_and_scheduling() {
        fn check(steps: Vec<Option<u8>>) -> bool {
            let (mut queue, mut model, mut now) = (Queue::new(), BTreeMap::new(), Ticks::ZERO);
            steps.into_iter().zip(0u32..).all(|(step, serial)| match step {
                Some(at) => {
                    let at = now + Ticks(u64::from(at % 8));
                    queue.schedule(at, serial);
                    model.insert((at, serial), serial);
                    true
                }
                None => {
                    let expected = model.pop_first().map(|((at, _), serial)| (at, serial));
                    now = expected.map_or(now, |(at, _)| at);
                    queue.next() == expected
                }
            })
        }
        quickcheck::QuickCheck::new().tests(2000).quickcheck(check as fn(Vec<Option<u8>>) -> bool);
    }

    #[test]
    fn times_near_and_far_come_in_order() {
        // Times go on from what was taken last by steps of all sizes, so that entries pass every level.
        fn check(seed: u64) -> bool {
            let mut draw = swarm_protocol::Stream::new(seed, 0, 0);
            let (mut queue, mut model, mut now) = (Queue::new(), BTreeMap::new(), 0);
            (0..400u32).all(|serial| {
                if draw.below(5) < 3 {
                    let far = draw.below(38);
                    let at = now + draw.below(1 << far);
                    queue.schedule(Ticks(at), serial);
                    model.insert((at, serial), serial);
                    true
                } else {
                    let expected = model.pop_first().map(|((at, _), serial)| (Ticks(at), serial));
                    now = expected.map_or(now, |(at, _)| at.0);
                    queue.next() == expected
                }
            })
        }
        quickcheck::QuickCheck::new().tests(500).quickcheck(check as fn(u64) -> bool);
    }

    #[test]
    fn the_past_is_now_and_eternity_ends() {
        let mut queue = Queue::new();
        queue.schedule(Ticks(u64::MAX), 1);
        queue.schedule(Ticks(100), 2);
        assert_eq!(queue.next(), Some((Ticks(100), 2)));
        queue.schedule(Ticks(7), 3);
        assert_eq!(queue.next(), Some((Ticks(100), 3)));
        queue.schedule(Ticks(TIME_MAX), 4);
        assert_eq!(queue.next(), Some((Ticks(TIME_MAX), 1)));
        assert_eq!(queue.next(), Some((Ticks(TIME_MAX), 4)));
        assert_eq!(queue.next(), None);
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
