//! Writes on their way to stable storage.

use core::hash::{Hash, Hasher};
use core::num::NonZeroU64;
use std::collections::VecDeque;

/// The ordinal of a write within one boot of a node: the first record persisted is write 1.
///
/// Writes become durable in order: when write `w` is durable, so are all before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub NonZeroU64);

impl WriteId {
    /// The `ordinal`th write of a boot, counted from 1.
    ///
    /// # Panics
    /// If `ordinal` is 0.
    pub const fn new(ordinal: u64) -> Self {
        WriteId(NonZeroU64::new(ordinal).expect("writes are counted from 1"))
    }

    /// The ordinal, at least 1.
    pub const fn ordinal(self) -> u64 {
        self.0.get()
    }
}

impl core::fmt::Debug for WriteId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "w{}", self.0)
    }
}

/// What a node remembers of each of its writes until it is durable.
///
/// Two queues compare and hash equal when they hold the same things in the same order, whatever
/// ordinals the writes have: a node that wrote more in the past behaves no differently.
#[derive(Clone, Debug)]
pub struct Outstanding<T> {
    /// In order of their ordinals, which ascend strictly.
    queue: VecDeque<(WriteId, T)>,
}

impl<T> Outstanding<T> {
    /// No write is on its way.
    pub const fn new() -> Self {
        Outstanding { queue: VecDeque::new() }
    }

    /// Notes what `write` stands for. Writes that nothing waits for need not be noted.
    ///
    /// # Panics
    /// If a later write was noted before.
    pub fn push(&mut self, write: WriteId, what: T) {
        assert!(
            self.queue.back().is_none_or(|(last, _)| *last < write),
            "{write:?} noted after {:?}",
            self.queue.back().map(|(last, _)| last)
        );
        self.queue.push_back((write, what));
    }

    /// Takes out, oldest first, what `write` and all writes before it stood for.
    pub fn persisted(&mut self, write: WriteId) -> impl Iterator<Item = T> + '_ {
        core::iter::from_fn(move || match self.queue.front() {
            Some((first, _)) if *first <= write => self.queue.pop_front().map(|(_, what)| what),
            _ => None,
        })
    }

    /// What is on its way, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.queue.iter().map(|(_, what)| what)
    }

    /// What is on its way, oldest first, to be amended (a truncation takes back part of an append).
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.queue.iter_mut().map(|(_, what)| what)
    }

    /// Whether every noted write is durable.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The number of noted writes that are not durable yet.
    pub fn len(&self) -> usize {
        self.queue.len()
    }
}

impl<T> Default for Outstanding<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: PartialEq> PartialEq for Outstanding<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Eq> Eq for Outstanding<T> {}

impl<T: Hash> Hash for Outstanding<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.queue.len());
        for what in self.iter() {
            what.hash(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_durable_write_takes_all_before_it_along() {
        let mut writes = Outstanding::new();
        for ordinal in [1, 2, 5] {
            writes.push(WriteId::new(ordinal), ordinal * 10);
        }
        assert!(writes.persisted(WriteId::new(3)).eq([10, 20]));
        assert!(writes.persisted(WriteId::new(4)).eq([]));
        assert_eq!(writes.len(), 1);
        assert!(writes.persisted(WriteId::new(9)).eq([50]));
        assert!(writes.is_empty());
    }

    #[test]
    fn equality_ignores_ordinals_and_sees_order() {
        let queue = |pairs: [(u64, char); 2]| {
            let mut writes = Outstanding::new();
            for (ordinal, what) in pairs {
                writes.push(WriteId::new(ordinal), what);
            }
            writes
        };
        assert_eq!(queue([(1, 'a'), (2, 'b')]), queue([(7, 'a'), (9, 'b')]));
        assert_ne!(queue([(1, 'a'), (2, 'b')]), queue([(1, 'b'), (2, 'a')]));
    }

    #[test]
    #[should_panic(expected = "noted after")]
    fn writes_are_noted_in_order() {
        let mut writes = Outstanding::new();
        writes.push(WriteId::new(2), ());
        writes.push(WriteId::new(1), ());
    }
}
