//! The fingerprints of visited states: open addressing, eight bytes a place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::lock;

/// A set of fingerprints. Parts of it are locked apart, so that threads seldom meet.
pub(super) struct Visited {
    shards: Vec<Mutex<Table>>,
    len: AtomicU64,
}

/// A power of two of places; 0 is a free one.
struct Table {
    places: Vec<u64>,
    used: usize,
}

const SHARDS: usize = 64;
/// Of a new table.
const PLACES_MIN: usize = 64;

impl Visited {
    pub(super) fn new() -> Self {
        let table = || Mutex::new(Table { places: vec![0; PLACES_MIN], used: 0 });
        Visited { shards: (0..SHARDS).map(|_| table()).collect(), len: AtomicU64::new(0) }
    }

    /// The highest bits say which part, the lowest where in it.
    fn shard(&self, fingerprint: u64) -> MutexGuard<'_, Table> {
        lock(&self.shards[(fingerprint >> (64 - SHARDS.ilog2())) as usize])
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

    pub(super) fn contains(&self, fingerprint: u64) -> bool {
        let fingerprint = fingerprint.max(1);
        self.shard(fingerprint).find(fingerprint).is_ok()
    }

    pub(super) fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
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
    /// Where the fingerprint is, or else the free place where it would be.
    fn find(&self, fingerprint: u64) -> Result<usize, usize> {
        let mask = self.places.len() - 1;
        let mut at = fingerprint as usize & mask;
        loop {
            match self.places[at] {
                0 => return Err(at),
                there if there == fingerprint => return Ok(at),
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn insert(&mut self, fingerprint: u64) -> bool {
        let Err(free) = self.find(fingerprint) else { return false };
        self.places[free] = fingerprint;
        self.used += 1;
        // Three quarters full: beyond that, ways become long.
        if self.used * 4 > self.places.len() * 3 {
            let larger = vec![0; self.places.len() * 2];
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
}
