//! What is due, in order of virtual time; at equal times in the order in which it was scheduled.
//!
//! Two parts. What is due before a *horizon* lies in a short sorted list, the first at its end: taking it out is
//! a pop, and what is scheduled for soon, as most things are, passes the few that are due before it. Everything
//! else lies in a hierarchical timing wheel (Varghese and Lauck, SOSP 1987, scheme 7): each level has 64 slots, a
//! slot of level `l` spans `64^l` microseconds, and a word per level says which slots hold anything. An entry goes
//! to the level of the highest six bits in which its time differs from now, and moves to lower levels as its time
//! comes near. Slots are lists in order of scheduling; as a slot is emptied before anything is put into the slots
//! below it, order survives the way down.
//!
//! When the list is empty, the next slots of the wheel move into it until it has some length, and the horizon moves
//! behind them. If it grows too long, because much was scheduled before the horizon, everything is put into the
//! wheel again and a shorter list taken out. So scheduling costs few steps, but where very much is due at one moment,
//! or in many bursts with little between them; an entry seldom moves more than a few times. Payloads such as messages lie elsewhere, entries name them. Verified by
//! comparison with a sorted map in the tests below, under loads that stay in the list and loads that do not.

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

/// The list is filled up to so many entries, or a few more.
const NEAR_LEAST: usize = 16;
/// A list that grows longer than this, and than twice what it was filled to, is taken apart.
const NEAR_MAX: usize = 64;

#[derive(Clone, Copy)]
struct Near<T> {
    at: u64,
    what: T,
}

/// A queue of things due. See the module.
pub(crate) struct Queue<T> {
    /// What is due before the horizon: the later, the nearer to the beginning; of what is due at the same time,
    /// what was scheduled later.
    near: Vec<Near<T>>,
    /// Longer than this the list is taken apart.
    near_most: usize,
    /// Nothing in the wheel is due before.
    horizon: u64,
    /// The time of what was taken last. Nothing that waits is due before it.
    now: u64,
    wheel: Wheel<T>,
}

impl<T: Copy> Queue<T> {
    pub(crate) fn new() -> Self {
        Queue { near: Vec::new(), near_most: NEAR_MAX, horizon: 0, now: 0, wheel: Wheel::new() }
    }

    /// Schedules `what` for `at`, behind everything scheduled for then. What is scheduled for the past is
    /// due now.
    #[inline]
    pub(crate) fn schedule(&mut self, at: Ticks, what: T) {
        let at = at.0.max(self.now).min(TIME_MAX);
        if at >= self.horizon {
            return self.wheel.put(at, what);
        }
        let fresh = Near { at, what };
        let mut place = self.near.len();
        self.near.push(fresh);
        while let Some(before) = place.checked_sub(1) {
            let sooner = self.near[before];
            if sooner.at > at {
                break;
            }
            self.near[place] = sooner;
            place = before;
        }
        self.near[place] = fresh;
        if self.near.len() > self.near_most {
            self.take_apart();
        }
    }

    /// Takes out what is due next, with its time.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(Ticks, T)> {
        if self.near.is_empty() {
            self.fill();
        }
        let Near { at, what } = self.near.pop()?;
        self.now = at;
        Some((Ticks(at), what))
    }

    /// Fills the list, which is empty, from the wheel.
    #[cold]
    fn fill(&mut self) {
        while self.near.len() < NEAR_LEAST {
            let Some(end) = self.wheel.take_slot(NEAR_LEAST, &mut self.near) else {
                // Nothing else waits: all that is scheduled from here on goes into the list.
                self.horizon = TIME_MAX + 1;
                break;
            };
            self.horizon = end;
        }
        // Stable: what is due at the same time came in order of scheduling, the first first.
        self.near.sort_by_key(|entry| entry.at);
        self.near.reverse();
        // Of one moment any number may be there.
        self.near_most = NEAR_MAX.max(2 * self.near.len());
    }

    /// Puts everything into the wheel, and takes a shorter list out.
    #[cold]
    fn take_apart(&mut self) {
        let mut all: Vec<_> = self.near.drain(..).rev().collect();
        // By slots, and so not in order of time, but those of one time are in order of scheduling.
        while self.wheel.take_slot(usize::MAX, &mut all).is_some() {}
        self.wheel.now = self.now;
        for Near { at, what } in all {
            self.wheel.put(at, what);
        }
        self.fill();
    }
}

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

/// What is due later. See the module.
struct Wheel<T> {
    entries: Vec<Entry<T>>,
    /// The first unused entry.
    free: u32,
    /// What everything is placed by. Nothing in the wheel is due before it.
    now: u64,
    /// By level, which slots hold entries.
    occupied: [u64; LEVELS],
    slots: Box<[[Slot; SLOTS]; LEVELS]>,
}

impl<T: Copy> Wheel<T> {
    fn new() -> Self {
        Wheel {
            entries: Vec::new(),
            free: NONE,
            now: 0,
            occupied: [0; LEVELS],
            slots: Box::new([[Slot { first: NONE, last: NONE }; SLOTS]; LEVELS]),
        }
    }

    /// Puts an entry behind those that are due at the same time.
    fn put(&mut self, at: u64, what: T) {
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
        self.link(place, at);
    }

    /// Puts an entry behind those in the slot of its time.
    #[inline]
    fn link(&mut self, place: u32, at: u64) {
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

    /// Takes out the entries of the next slot, in order of scheduling, and returns the time before which nothing
    /// is due any more. If they are more than `most`, only those of a part of the slot.
    fn take_slot(&mut self, most: usize, out: &mut Vec<Near<T>>) -> Option<u64> {
        loop {
            // Lower levels are due before higher ones, and within a level lower slots before higher ones.
            let level = (0..LEVELS).find(|level| self.occupied[*level] > 0)?;
            let slot = self.occupied[level].trailing_zeros() as usize % SLOTS;
            self.occupied[level] &= !(1 << slot);
            let shift = level as u32 * BITS;
            let begins = (self.now >> (shift + BITS) << (shift + BITS)) | (slot as u64) << shift;
            if level > 0 && self.is_longer(self.slots[level][slot], most) {
                self.descend(begins, self.slots[level][slot]);
                continue;
            }
            let mut place = self.slots[level][slot].first;
            while let Some(entry) = self.entries.get_mut(place as usize) {
                out.push(Near { at: entry.at, what: entry.what });
                let next = core::mem::replace(&mut entry.next, self.free);
                self.free = place;
                place = next;
            }
            // Whatever comes after the slot differs from its moments on this level or above.
            self.now = begins;
            return Some(begins + (1 << shift));
        }
    }

    fn is_longer(&self, list: Slot, most: usize) -> bool {
        let mut place = list.first;
        for _ in 0..most {
            match self.entries.get(place as usize) {
                Some(entry) => place = entry.next,
                None => return false,
            }
        }
        place != NONE
    }

    /// Moves the entries of a slot down to where the time that it begins at puts them.
    fn descend(&mut self, begins: u64, list: Slot) {
        self.now = begins;
        let mut place = list.first;
        while let Some(entry) = self.entries.get_mut(place as usize) {
            let (at, next) = (entry.at, core::mem::replace(&mut entry.next, NONE));
            self.link(place, at);
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
    fn loads_that_swell_and_ebb_come_in_order() {
        // Hundreds at a time, soon and late and often at one moment: the list is filled and taken apart.
        for seed in 0..20 {
            let mut draw = swarm_protocol::Stream::new(seed, 1, 0);
            let (mut queue, mut model, mut now, mut most) = (Queue::new(), BTreeMap::new(), 0, 0);
            for serial in 0..8000u32 {
                let schedules = if serial / 1000 % 2 == 0 { 8 } else { 2 };
                if draw.below(10) < schedules {
                    let late = draw.below(8) == 0;
                    let far = draw.below(if late { 30 } else { 8 });
                    let at = now + draw.below(1 << far);
                    queue.schedule(Ticks(at), serial);
                    model.insert((at, serial), serial);
                } else {
                    let expected = model.pop_first().map(|((at, _), serial)| (Ticks(at), serial));
                    now = expected.map_or(now, |(at, _)| at.0);
                    assert_eq!(queue.next(), expected, "seed {seed}, step {serial}");
                }
                most = most.max(model.len());
                assert!(queue.near.len() <= 2 * NEAR_MAX, "{} of {}", queue.near.len(), model.len());
            }
            assert!(most > 4 * NEAR_MAX && queue.horizon > 0, "{most} at a time");
        }
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
