//! Values that stand once and go by small numbers: many threads put them up and look at them.
//!
//! A value never moves and never goes, so looking at one takes no lock: a number says which board it stands on
//! and where on it. Boards grow with what stands already, so that at most about a quarter of the places is empty.
//! Finding out whether an equal value is there takes the lock of one part of an index.
//!
//! Verified by the tests below, on threads that put up the same values at once, and by everything that
//! [`super::Collapse`] is verified by.

use core::mem::size_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use hashbrown::HashTable;

use super::known::lock;

/// Values by number, and the numbers of equal values.
pub(super) struct Shelf<T> {
    boards: [OnceLock<Box<[OnceLock<T>]>>; BOARDS],
    /// Numbers by the hash of their values, in parts by the highest bits of the hash.
    index: [Mutex<HashTable<Standing>>; PARTS],
    len: AtomicU32,
    /// What the boards and the index take.
    bytes: AtomicU64,
}

/// A value's hash in short, and its number.
struct Standing {
    hash: u32,
    number: u32,
}

/// Places on the smallest boards. Of boards of one size there are four, of the next twice as many places each.
const FIRST: u32 = 1 << 10;
/// Enough for all numbers of 32 bits.
const BOARDS: usize = 4 * (32 - FIRST.ilog2() as usize);
const PARTS: usize = 16;

/// The board on which a number stands, the place there, and how many places the board has.
const fn place(number: u32) -> (usize, usize, usize) {
    let from = number as u64 + FIRST as u64 * 4;
    let octave = from.ilog2() - 2;
    let board = (octave - FIRST.ilog2()) as usize * 4 + (from >> octave & 3) as usize;
    (board, (from & ((1 << octave) - 1)) as usize, 1 << octave)
}

impl<T> Shelf<T> {
    pub(super) fn new() -> Self {
        Shelf {
            boards: [const { OnceLock::new() }; BOARDS],
            index: std::array::from_fn(|_| Mutex::new(HashTable::new())),
            len: AtomicU32::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// The value of a number that was given out.
    ///
    /// # Panics
    /// If it was not.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &T {
        let (board, at, _) = place(number);
        let there = self.boards[board].get().and_then(|board| board[at].get());
        there.expect("a number was given out when its value was there")
    }

    /// Puts up a value, without a look at others.
    ///
    /// # Panics
    /// If there are more values than numbers.
    pub(super) fn put(&self, value: T) -> u32 {
        // Relaxed: numbers are handed out once each; the value is published by its place.
        let number = self.len.fetch_add(1, Ordering::Relaxed);
        assert!(number < NUMBERS_MAX, "values have numbers below 2^28");
        let (board, at, places) = place(number);
        let board = self.boards[board].get_or_init(|| {
            self.bytes.fetch_add((places * size_of::<OnceLock<T>>()) as u64, Ordering::Relaxed);
            (0..places).map(|_| OnceLock::new()).collect()
        });
        assert!(board[at].set(value).is_ok(), "a number is handed out once");
        number
    }

    /// The number of the value of this `hash` that is the `same`; made and put up, if there is none.
    pub(super) fn once(&self, hash: u64, same: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> u32 {
        let short = hash as u32;
        let mut part = lock(&self.index[(hash >> 60) as usize % PARTS]);
        let is = |standing: &Standing| standing.hash == short && same(self.get(standing.number));
        if let Some(standing) = part.find(spread(short), is) {
            return standing.number;
        }
        let number = self.put(make());
        let before = part.allocation_size();
        part.insert_unique(spread(short), Standing { hash: short, number }, |other| spread(other.hash));
        self.bytes.fetch_add((part.allocation_size() - before) as u64, Ordering::Relaxed);
        number
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed) as usize
    }

    /// What boards and index take, in bytes, without what the values own elsewhere.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Numbers leave four bits for other uses.
const NUMBERS_MAX: u32 = 1 << 28;

/// A table wants its high bits to differ, too.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn numbers_stand_side_by_side_on_boards() {
        let mut expected = (0, 0);
        for number in 0..200_000 {
            let (board, at, places) = place(number);
            assert_eq!((board, at), expected, "{number}");
            expected = if at + 1 == places { (board + 1, 0) } else { (board, at + 1) };
        }
        assert!(place(u32::MAX).0 < BOARDS);
    }

    #[test]
    fn equal_values_have_one_number_on_any_thread() {
        let shelf = Shelf::new();
        // Hashes that differ little: values are compared.
        let number = |value: u64| shelf.once(value % 7 * (u64::MAX / 7), |other| *other == value, || value);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..3_000).for_each(|value| assert_eq!(*shelf.get(number(value)), value)));
            }
        });
        assert_eq!(shelf.len(), 3_000);
        let mut numbers: Vec<_> = (0..3_000).map(number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..3_000).collect::<Vec<_>>());
        assert!(shelf.bytes() >= 3_000 * 8);
    }
}
