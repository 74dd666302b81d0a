//! What the properties see of a node, and digests of what they see.
//!
//! A node of this crate is observed from within it; others behind an adapter. Verified by the tests of
//! [`super`], whose nodes are views written by hand.

use core::hash::{Hash, Hasher};

use swarm_protocol::mix;

use crate::{Entry, Index, Machine, Raft, Term};

/// The content that a witness shows for a command.
pub const WITHHELD: u64 = 0;

/// What can be seen of one Raft node.
pub trait Observation {
    /// The node's term.
    fn term(&self) -> Term;
    /// Whether it leads its term.
    fn is_leader(&self) -> bool;
    /// The index of its last entry, 0 if there is none.
    fn last_index(&self) -> Index;
    /// The last entry that it knows, or takes, to be committed.
    fn commit_index(&self) -> Index;
    /// The last entry that it has applied.
    fn applied_index(&self) -> Index;
    /// The last entry that it has dropped from the front, for a snapshot, and that entry's term; 0 and 0 if none.
    fn base(&self) -> (Index, Term) {
        (0, 0)
    }
    /// Whether it is a witness, which holds terms, memberships, and no payload.
    fn is_witness(&self) -> bool {
        false
    }
    /// Whether it holds a command from entry `first` on, or state of the machine: asked of witnesses.
    fn holds_payload(&self, _first: Index) -> bool {
        false
    }
    /// A digest of the state that it has applied its entries to, if it tells: equal after equal entries.
    fn state(&self) -> Option<u64> {
        None
    }
    /// The term and a digest of the content of the entry at `index`, which is at least 1.
    fn entry_at(&self, index: Index) -> Option<(Term, u64)>;
    /// The same of all entries from `first` on, which lies behind the base. Fewer than up to
    /// [`Observation::last_index`] if one is missing.
    fn entries_from(&self, first: Index) -> impl Iterator<Item = (Term, u64)> {
        (first..=self.last_index()).map_while(|index| self.entry_at(index))
    }
}

impl<M: Machine> Observation for Raft<M>
where
    M::Command: Hash,
{
    fn term(&self) -> Term {
        self.term
    }

    fn is_leader(&self) -> bool {
        Raft::is_leader(self)
    }

    fn last_index(&self) -> Index {
        self.log.last_index()
    }

    fn commit_index(&self) -> Index {
        self.commit
    }

    fn applied_index(&self) -> Index {
        self.applied
    }

    fn base(&self) -> (Index, Term) {
        (self.log.base_index(), self.log.base_term())
    }

    fn is_witness(&self) -> bool {
        Raft::is_witness(self)
    }

    fn holds_payload(&self, first: Index) -> bool {
        let saved = |machine: &M| {
            let mut bytes = Vec::new();
            machine.save(&mut bytes);
            bytes
        };
        let runs_a_machine = || saved(&self.machine) != saved(&M::default());
        let snapshot = self.snapshot.as_ref().is_some_and(|snapshot| !snapshot.data.is_empty());
        let command = |(_, entry): (Term, &Entry<M::Command>)| matches!(entry, Entry::Command(_));
        snapshot || self.log.iter_from(first).any(command) || runs_a_machine()
    }

    fn state(&self) -> Option<u64> {
        if Raft::is_witness(self) {
            return None;
        }
        let mut bytes = Vec::new();
        self.machine.save(&mut bytes);
        Some(digest(&bytes))
    }

    fn entry_at(&self, index: Index) -> Option<(Term, u64)> {
        self.log.entry(index).map(|(term, entry)| (term, content(entry)))
    }

    fn entries_from(&self, first: Index) -> impl Iterator<Item = (Term, u64)> {
        self.log.iter_from(first).map(|(term, entry)| (term, content(entry)))
    }
}

fn content(entry: &Entry<impl Hash>) -> u64 {
    if matches!(entry, Entry::Withheld) { WITHHELD } else { digest(entry) }
}

/// A digest of one value, the same on every machine of one word size and byte order.
pub fn digest(value: &impl Hash) -> u64 {
    struct Digest(u64);
    impl Hasher for Digest {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for chunk in bytes.chunks(8) {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                self.write_u64(u64::from_le_bytes(word));
            }
        }
        fn write_u64(&mut self, word: u64) {
            self.0 = mix(self.0 ^ word);
        }
        fn write_u16(&mut self, word: u16) {
            self.write_u64(u64::from(word));
        }
        fn write_usize(&mut self, word: usize) {
            self.write_u64(word as u64);
        }
        fn write_isize(&mut self, word: isize) {
            self.write_u64(word as u64);
        }
    }
    let mut hasher = Digest(0);
    value.hash(&mut hasher);
    hasher.finish()
}
