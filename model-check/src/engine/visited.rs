//! The fingerprints of visited states: open addressing, eight bytes a place.
//!
//! Fingerprints are taken in by the hundred: those of one part together, so that its lock is taken once, and so that
//! the memory of all of them is asked for before any of it is waited for.

use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use hashbrown::HashTable;
use swarm_simulator::world::Asleep;

use super::lock;

/// A set of fingerprints. Parts of it are locked apart, so that threads seldom meet.
pub(super) struct Visited {
    shards: Vec<Mutex<Table>>,
    len: AtomicU64,
}

/// Places; 0 is a free one.
struct Table {
    places: Vec<u64>,
    used: usize,
    /// What sleeps in states of the level that is being found.
    asleep: HashTable<Sleeper>,
}

/// A state in which something sleeps.
struct Sleeper {
    fingerprint: u64,
    events: Asleep,
}

/// What sleeps in the states of a level; nothing in those that are not named. In parts, as [`Visited`].
#[derive(Default)]
pub(super) struct Sleepers {
    parts: Vec<HashTable<Sleeper>>,
}

impl Sleepers {
    /// What sleeps in the state of this fingerprint.
    pub(super) fn of(&self, fingerprint: u64) -> Asleep {
        let part = self.parts.get(part(fingerprint));
        let found = part.and_then(|part| part.find(fingerprint, |other| other.fingerprint == fingerprint));
        found.map_or_else(Asleep::new, |sleeper| sleeper.events.clone())
    }
}

/// What is needed to sort fingerprints by part, kept to be used again.
#[derive(Default)]
pub(super) struct Sorting {
    /// Positions in the order of their parts.
    order: Vec<u32>,
    /// Where in it each part ends.
    ends: Vec<u32>,
}

const SHARDS: usize = 64;
/// Of a new table.
const PLACES_MIN: usize = 64;

/// The highest bits say which part, those below where in it.
const fn part(fingerprint: u64) -> usize {
    (fingerprint >> (64 - SHARDS.ilog2())) as usize
}

impl Visited {
    pub(super) fn new() -> Self {
        let table = || Mutex::new(Table { places: vec![0; PLACES_MIN], used: 0, asleep: HashTable::new() });
        Visited { shards: (0..SHARDS).map(|_| table()).collect(), len: AtomicU64::new(0) }
    }

    fn shard(&self, fingerprint: u64) -> MutexGuard<'_, Table> {
        lock(&self.shards[part(fingerprint)])
    }

    /// Takes a fingerprint in; says whether it is new.
    pub(super) fn insert(&self, fingerprint: u64) -> bool {
        let fingerprint = fingerprint.max(1);
        let new = self.shard(fingerprint).insert(fingerprint);
        if new {
            // Relaxed: a count.
            self.len.fetch_add(1, Ordering::Relaxed);
        }
        new
    }

    /// Takes fingerprints in, as if one after the other; says of each whether it is new. What is `asleep` in each, if
    /// that is said, is noted of new ones if they are `kept`, and of those that were new since
    /// [`Visited::take_sleepers`] nothing else stays asleep.
    pub(super) fn insert_all(
        &self,
        fingerprints: &[u64],
        asleep: &mut [Asleep],
        kept: bool,
        sorting: &mut Sorting,
        new: &mut Vec<bool>,
    ) {
        let Sorting { order, ends } = sorting;
        ends.clear();
        ends.resize(SHARDS + 1, 0);
        for fingerprint in fingerprints {
            ends[part(*fingerprint) + 1] += 1;
        }
        for shard in 0..SHARDS {
            ends[shard + 1] += ends[shard];
        }
        order.clear();
        order.resize(fingerprints.len(), 0);
        for (position, fingerprint) in (0..).zip(fingerprints) {
            let end = &mut ends[part(*fingerprint)];
            order[*end as usize] = position;
            *end += 1;
        }
        new.clear();
        new.resize(fingerprints.len(), false);
        // Threads begin at different parts, and so do not follow each other from lock to lock.
        let first = fingerprints.first().map_or(0, |fingerprint| *fingerprint as usize % SHARDS);
        let mut added = 0;
        for shard in (first..SHARDS).chain(0..first) {
            let begin = if shard == 0 { 0 } else { ends[shard - 1] };
            let group = &order[begin as usize..ends[shard] as usize];
            if group.is_empty() {
                continue;
            }
            let mut table = lock(&self.shards[shard]);
            // Nothing depends on what is read here: the processor waits for all of it at once.
            let touched = group.iter().map(|at| table.places[table.home(fingerprints[*at as usize])]);
            hint::black_box(touched.fold(0, |all, place| all ^ place));
            for at in group {
                let is_new = table.insert(fingerprints[*at as usize].max(1));
                if let Some(asleep) = asleep.get_mut(*at as usize) {
                    table.put_to_sleep(fingerprints[*at as usize], is_new, kept, asleep);
                }
                new[*at as usize] = is_new;
                added += u64::from(is_new);
            }
        }
        self.len.fetch_add(added, Ordering::Relaxed);
    }

    pub(super) fn contains(&self, fingerprint: u64) -> bool {
        let fingerprint = fingerprint.max(1);
        self.shard(fingerprint).find(fingerprint).is_ok()
    }

    pub(super) fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    /// What sleeps in the states that are new since the last time.
    pub(super) fn take_sleepers(&self) -> Sleepers {
        Sleepers { parts: self.shards.iter().map(|table| std::mem::take(&mut lock(table).asleep)).collect() }
    }

    /// What the tables take, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.shards.iter().map(|table| lock(table).places.len() as u64 * 8).sum()
    }

    /// Hands over all fingerprints, in no order.
    pub(super) fn each(&self, mut take: impl FnMut(u64)) {
        for table in &self.shards {
            lock(table).places.iter().filter(|place| **place != 0).for_each(|place| take(*place));
        }
    }
}

impl Table {
    /// Where a fingerprint is, if nothing else is there: bits below those of the part, spread over the places.
    fn home(&self, fingerprint: u64) -> usize {
        let below = u128::from(fingerprint << SHARDS.ilog2());
        ((below * self.places.len() as u128) >> 64) as usize
    }

    /// Where the fingerprint is, or else the free place where it would be.
    fn find(&self, fingerprint: u64) -> Result<usize, usize> {
        let mut at = self.home(fingerprint);
        loop {
            match self.places[at] {
                0 => return Err(at),
                there if there == fingerprint => return Ok(at),
                _ => at = if at + 1 == self.places.len() { 0 } else { at + 1 },
            }
        }
    }

    /// Notes what sleeps in a state that is new, or goes on to sleep in one that was.
    fn put_to_sleep(&mut self, fingerprint: u64, is_new: bool, kept: bool, events: &mut Asleep) {
        if is_new {
            if kept && !events.is_empty() {
                let events = std::mem::take(events);
                let hash = |other: &Sleeper| other.fingerprint;
                self.asleep.insert_unique(fingerprint, Sleeper { fingerprint, events }, hash);
            }
        } else if let Ok(mut known) =
            self.asleep.find_entry(fingerprint, |other| other.fingerprint == fingerprint)
        {
            known.get_mut().events.retain(|event| events.contains(event));
            if known.get().events.is_empty() {
                known.remove();
            }
        }
    }

    fn insert(&mut self, fingerprint: u64) -> bool {
        let Err(free) = self.find(fingerprint) else { return false };
        self.places[free] = fingerprint;
        self.used += 1;
        // Four fifths full: beyond that, ways become long. Half as many places more: twice as many would stand empty
        // for most of a search.
        if self.used * 5 > self.places.len() * 4 {
            let larger = vec![0; self.places.len() / 2 * 3];
            for place in std::mem::replace(&mut self.places, larger).into_iter().filter(|place| *place != 0) {
                let (Ok(free) | Err(free)) = self.find(place);
                self.places[free] = place;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use swarm_protocol::Stream;

    #[test]
    fn the_set_is_a_set() {
        let (visited, mut model) = (Visited::new(), BTreeSet::new());
        let mut draw = Stream::new(7, 0, 0);
        for _ in 0..50_000 {
            // Small ones collide in their places, large ones spread over the parts.
            let fingerprint = if draw.below(2) == 0 { draw.below(3_000) + 1 } else { draw.draw() };
            assert_eq!(visited.contains(fingerprint), model.contains(&fingerprint));
            assert_eq!(visited.insert(fingerprint), model.insert(fingerprint));
        }
        let mut all = BTreeSet::new();
        visited.each(|fingerprint| assert!(all.insert(fingerprint)));
        assert_eq!((visited.len(), all), (model.len() as u64, model));
        assert!(visited.bytes() < visited.len() * 32, "{} bytes", visited.bytes());
        assert!(visited.insert(0) || visited.contains(0), "0 has its place, too");
    }

    #[test]
    fn many_at_once_are_as_one_after_the_other() {
        let (visited, one_by_one) = (Visited::new(), Visited::new());
        let (mut sorting, mut new) = (Sorting::default(), Vec::new());
        let mut draw = Stream::new(8, 0, 0);
        for batch in 0..200 {
            // Some stand twice in one batch, and 0 is taken for 1.
            let some: Vec<u64> =
                (0..batch).map(|_| if draw.below(2) == 0 { draw.below(900) } else { draw.draw() }).collect();
            visited.insert_all(&some, &mut [], true, &mut sorting, &mut new);
            let expected: Vec<bool> = some.iter().map(|one| one_by_one.insert(*one)).collect();
            assert_eq!(new, expected);
            assert_eq!(visited.len(), one_by_one.len());
        }
    }

    #[test]
    fn what_sleeps_in_a_new_state_is_what_sleeps_by_all_ways_there() {
        let (visited, mut sorting, mut new) = (Visited::new(), Sorting::default(), Vec::new());
        let of = |events: &[u32]| events.iter().copied().collect::<Asleep>();
        let mut insert_if = |kept, fingerprints: &[u64], asleep: &[&[u32]]| {
            let mut asleep: Vec<_> = asleep.iter().map(|events| of(events)).collect();
            visited.insert_all(fingerprints, &mut asleep, kept, &mut sorting, &mut new);
            new.clone()
        };
        let (far, near) = (7 << 60, 7);
        let mut insert = |fingerprints: &[u64], asleep: &[&[u32]]| insert_if(true, fingerprints, asleep);
        assert_eq!(insert(&[far, near, far], &[&[1, 2, 3], &[4], &[3, 5, 1]]), [true, true, false]);
        assert_eq!(insert(&[near, far], &[&[5], &[1, 2]]), [false, false]);
        let sleepers = visited.take_sleepers();
        assert_eq!((sleepers.of(far), sleepers.of(near), sleepers.of(8)), (of(&[1]), of(&[]), of(&[])));
        // Levels later it is not new.
        assert_eq!(insert(&[far, 9], &[&[1], &[6, 7]]), [false, true]);
        // What is not kept wakes up others and does not sleep.
        assert_eq!(insert_if(false, &[9, 10], &[&[6], &[1]]), [false, true]);
        let sleepers = visited.take_sleepers();
        assert_eq!((sleepers.of(far), sleepers.of(9), sleepers.of(10)), (of(&[]), of(&[6]), of(&[])));
        assert_eq!(Sleepers::default().of(9), of(&[]));
    }

    #[test]
    fn a_fingerprint_takes_fifteen_bytes_at_most() {
        let visited = Visited::new();
        let mut draw = Stream::new(9, 0, 0);
        for states in 1..400_000_u64 {
            visited.insert(draw.draw());
            if states > 20_000 && states.is_multiple_of(5_000) {
                assert!(visited.bytes() < states * 16, "{} bytes for {states}", visited.bytes());
            }
        }
    }
}
