//! Bytes read as choices, so that every byte string is a valid input.
//!
//! Once the bytes are used up every choice is the first one, and [`Source::is_empty`] says so. Verified by the
//! tests of what is made from it: `tests/it/message.rs`.

use std::sync::Arc;

use swarm_protocol::{NodeId, NodeSet};
use swarm_raft::{Entries, Entry, Kv, KvOp, Loan, Machine, Membership, Message, Part, Record, Run, Snapshot};

/// Bytes still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    /// Reads from the front of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Source(bytes)
    }

    /// Whether all bytes are used up.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte, 0 once they are used up.
    pub fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    /// One of `n` ways, which are at most 256.
    pub fn below(&mut self, n: u8) -> usize {
        usize::from(self.byte() % n)
    }

    /// A number close to `reference`, or one at the ends of the range, or any: numbers that handlers
    /// compare with `reference` are worth most next to it.
    pub fn near(&mut self, reference: u64) -> u64 {
        match self.byte() {
            choice @ 0..=199 => reference.saturating_add(u64::from(choice % 5)).saturating_sub(2),
            choice @ 200..=223 => u64::from(choice - 200),
            choice @ 224..=239 => u64::MAX - u64::from(choice - 224) / 2,
            _ => u64::from_le_bytes(core::array::from_fn(|_| self.byte())),
        }
    }

    /// An operation on few keys and values.
    pub fn op(&mut self) -> KvOp {
        let choice = self.byte();
        let (key, value) = (u16::from(choice >> 2 & 1), u64::from(choice >> 3 & 3));
        match choice & 3 {
            0 => KvOp::Get(key),
            1 => KvOp::Cas(key, value, u64::from(choice >> 5)),
            _ => KvOp::Put(key, value),
        }
    }

    /// At most two runs of at most three entries, with terms near `term`.
    pub fn entries(&mut self, term: u64) -> Entries<KvOp> {
        let runs = (0..self.below(3)).map(|_| {
            let term = self.near(term);
            let batch: Arc<[_]> = (0..=self.below(3))
                .map(|_| if self.below(8) == 0 { Entry::NoOp } else { Entry::Command(self.op()) })
                .collect();
            Run::new(term, batch)
        });
        Entries::from_runs(runs.collect())
    }

    /// Any message, with numbers near those of a node in `term` with `last_index` entries.
    pub fn message(&mut self, term: u64, last_index: u64) -> Message<KvOp> {
        let choice = self.byte();
        let granted = choice >> 7 == 0;
        let (index, reference) = (last_index, term);
        let term = self.near(reference);
        match choice & 7 {
            0 => Message::RequestPreVote {
                term,
                last_index: self.near(index),
                last_term: self.near(reference),
            },
            1 => Message::PreVote { term, granted },
            2 => Message::RequestVote {
                term,
                last_index: self.near(index),
                last_term: self.near(reference),
                told: choice & 0x08 != 0,
            },
            3 => Message::Vote { term, granted },
            4 => Message::Append {
                term,
                prev_index: self.near(index),
                prev_term: self.near(reference),
                commit: self.near(index),
                entries: self.entries(reference),
            },
            5 => Message::Appended { term, matched: self.near(index) },
            6 => Message::Conflict {
                term,
                prev_index: self.near(index),
                hint_index: self.near(index),
                hint_term: self.near(reference),
            },
            _ if choice & 0x78 == 0x40 => {
                Message::Behind { term, last_index: self.near(index), last_term: self.near(reference) }
            }
            _ if choice & 0x78 == 0x60 => {
                Message::Ask { term, prev_index: self.near(index), prev_term: self.near(reference) }
            }
            _ if choice & 0x78 == 0x70 => Message::Lend { term, loan: Box::new(self.loan(reference, index)) },
            _ if choice & 0x38 == 0x08 => Message::Part { term, part: Box::new(self.part(reference, index)) },
            _ if choice & 0x38 == 0x28 => {
                Message::Received { term, index: self.near(index), offset: self.near(2) }
            }
            _ if choice & 0x18 == 0x10 => Message::Confirm { term, round: self.near(1) },
            _ if choice & 0x18 == 0x18 => Message::Confirmed { term, round: self.near(1) },
            _ if choice & 0x38 == 0x20 => Message::TimeoutNow { term },
            _ => Message::Stale { term },
        }
    }

    /// A piece of a log with numbers near those.
    fn loan(&mut self, term: u64, index: u64) -> Loan<KvOp> {
        let (prev_index, prev_term) = (self.near(index), self.near(term));
        let (last_index, last_term) = (self.near(index), self.near(term));
        Loan { prev_index, prev_term, last_index, last_term, entries: self.entries(term) }
    }

    /// A part of a snapshot that may be whole, in place or neither.
    fn part(&mut self, term: u64, index: u64) -> Part {
        let Snapshot { index, term: last_term, membership, data } = self.snapshot(term, index);
        let (total, from) = (data.len() as u64, self.below(data.len() as u8 + 1));
        let to = from + self.below((data.len() - from) as u8 + 1);
        // One in eight elsewhere, and one of another total.
        let offset = if self.below(8) == 0 { self.near(3) } else { from as u64 };
        let total = if self.below(8) == 0 { self.near(total) } else { total };
        Part { index, last_term, membership, total, offset, data: data[from..to].into() }
    }

    /// A snapshot of at most two keys, or now and then of bytes that are none.
    fn snapshot(&mut self, term: u64, last_index: u64) -> Snapshot {
        let (mut kv, mut data) = (Kv::default(), Vec::new());
        for _ in 0..self.below(3) {
            kv.apply(&self.op());
        }
        kv.save(&mut data);
        data.extend((self.below(8) == 0).then_some(0));
        let voters = if self.below(8) == 0 { self.below(4) as u32 } else { 3 };
        let membership = Membership::of(NodeSet::first(voters));
        Snapshot { index: self.near(last_index), term: self.near(term), membership, data: data.into() }
    }

    /// Any record that may follow on a disk that holds `last_index` entries in `term`.
    pub fn record(&mut self, term: u64, last_index: u64) -> Record<KvOp> {
        match self.byte() {
            choice if choice % 4 == 0 => {
                let vote = (choice & 4 == 0).then(|| NodeId(u32::from(choice >> 3 & 3)));
                Record::Vote { term: self.near(term), vote }
            }
            choice if choice % 4 == 1 && choice >> 5 == 0 => {
                Record::Snapshot(Arc::new(self.snapshot(term, last_index)))
            }
            choice if choice % 4 == 1 => Record::Truncate { after: self.near(last_index) },
            // One in sixteen elsewhere: the disk is damaged then.
            choice if choice >> 4 == 0 => {
                Record::Append { first: self.near(last_index), entries: self.entries(term) }
            }
            _ => Record::Append { first: last_index.saturating_add(1), entries: self.entries(term) },
        }
    }
}
