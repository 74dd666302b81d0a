//! A set of short word sequences, for the memory of a search.
//!
//! The sequences lie one behind the other in one vector, and an open-addressing table of 32-bit numbers
//! finds them. Members are compared word by word: two sequences with equal hashes are still two members,
//! so a search that skips what it has seen skips nothing else. The hash is fixed and its order shows
//! nowhere.
//!
//! Verified by comparison with `BTreeSet` in the tests below.

use swarm_protocol::mix;

/// A set of `[u64]`. See the module.
pub(crate) struct SeenSet {
    /// All members, one behind the other.
    words: Vec<u64>,
    /// Member `m` is `words[starts[m]..starts[m + 1]]`.
    starts: Vec<u32>,
    /// A power of two of places: a member's number plus one, or 0. At most three quarters are taken.
    places: Vec<u32>,
}

impl SeenSet {
    pub(crate) fn new() -> Self {
        SeenSet { words: Vec::new(), starts: vec![0], places: vec![0; 64] }
    }

    /// The number of members.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The memory held, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.words.len() * 8 + (self.starts.len() + self.places.len()) * 4
    }

    fn member(&self, number: usize) -> &[u64] {
        &self.words[self.starts[number] as usize..self.starts[number + 1] as usize]
    }

    /// Adds a sequence; says whether it was absent.
    ///
    /// # Panics
    /// If all members together grow beyond 2³² words.
    pub(crate) fn insert(&mut self, sequence: &[u64]) -> bool {
        if (self.len() + 1) * 4 > self.places.len() * 3 {
            self.grow();
        }
        let mut place = self.first_place(sequence);
        while self.places[place] != 0 {
            if self.member(self.places[place] as usize - 1) == sequence {
                return false;
            }
            place = (place + 1) & (self.places.len() - 1);
        }
        self.words.extend_from_slice(sequence);
        self.starts.push(u32::try_from(self.words.len()).expect("at most 2^32 words"));
        self.places[place] = self.len() as u32;
        true
    }

    fn first_place(&self, sequence: &[u64]) -> usize {
        let hash = sequence.iter().fold(0, |hash, word| mix(hash ^ word));
        hash as usize & (self.places.len() - 1)
    }

    fn grow(&mut self) {
        self.places = vec![0; self.places.len() * 2];
        for number in 0..self.len() {
            let mut place = self.first_place(self.member(number));
            while self.places[place] != 0 {
                place = (place + 1) & (self.places.len() - 1);
            }
            self.places[place] = number as u32 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn holds_what_an_ordered_set_holds() {
        fn check(sequences: Vec<Vec<u8>>) -> bool {
            let (mut seen, mut model) = (SeenSet::new(), BTreeSet::new());
            let as_words = |s: Vec<u8>| s.into_iter().map(|b| u64::from(b % 3)).collect::<Vec<_>>();
            sequences.into_iter().map(as_words).all(|s| {
                seen.insert(&s) == model.insert(s.clone()) && !seen.insert(&s) && seen.len() == model.len()
            })
        }
        quickcheck::QuickCheck::new().tests(300).quickcheck(check as fn(Vec<Vec<u8>>) -> bool);
    }

    #[test]
    fn keeps_its_members_while_it_grows() {
        let mut seen = SeenSet::new();
        assert!((0..10_000u64).all(|n| seen.insert(&[n / 100, n % 100])));
        assert!((0..10_000u64).all(|n| !seen.insert(&[n / 100, n % 100])));
        assert_eq!(seen.len(), 10_000);
    }
}
