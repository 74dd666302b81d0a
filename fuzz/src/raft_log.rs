//! The log of Raft against a plain vector.
//!
//! The bytes choose operations: appends of runs of any cut, truncations, compactions, places taken up from snapshots,
//! and questions that other servers ask. After each the log must say of every index what the vector says: entries,
//! terms, slices, sizes. Nothing else is known of the log here: no server, no disk.
//!
//! Verified by `tests/it/log.rs`: every operation is reached in each of its cases, and a log that forgets to cut a run
//! is seen.

use std::sync::Arc;

use swarm_raft::{Entries, Entry, Index, KvOp, Log, Run, Term};

use crate::source::Source;

/// The most operations of one input: what lies beyond is not read.
const STEPS_MAX: usize = 64;

/// Does to a log and to a vector what the bytes say.
///
/// # Panics
/// If they differ.
pub fn run(data: &[u8]) {
    examine(data);
}

/// As [`run`]; returns the operations that had an effect, in order.
///
/// # Panics
/// If log and vector differ.
pub fn examine(data: &[u8]) -> Vec<&'static str> {
    let (mut source, mut log, mut plain) = (Source::new(data), Log::new(), Plain::default());
    let mut reached = Vec::new();
    for _ in 0..STEPS_MAX {
        if source.is_empty() {
            break;
        }
        reached.push(one(&mut source, &mut log, &mut plain));
        plain.check(&log);
    }
    reached
}

/// Not all entries are alike.
fn size(entry: &Entry<KvOp>) -> u64 {
    match entry {
        Entry::Command(KvOp::Get(_)) => 1,
        Entry::Command(_) => 3,
        Entry::NoOp | Entry::Membership(_) | Entry::Withheld => 2,
    }
}

/// What a log should say: everything behind its base.
#[derive(Default)]
struct Plain {
    base: (Index, Term),
    entries: Vec<(Term, Entry<KvOp>)>,
}

impl Plain {
    fn last(&self) -> Index {
        self.base.0 + self.entries.len() as Index
    }

    fn term_at(&self, index: Index) -> Option<Term> {
        match index.checked_sub(self.base.0)? {
            0 => Some(self.base.1),
            place => self.entries.get(place as usize - 1).map(|(term, _)| *term),
        }
    }

    /// An index that is there, or the base.
    fn index(&self, source: &mut Source<'_>) -> Index {
        self.base.0 + source.below(self.entries.len().min(255) as u8 + 1) as Index
    }

    fn drop_to(&mut self, index: Index) {
        let term = self.term_at(index).expect("it is there");
        self.entries.drain(..(index - self.base.0) as usize);
        self.base = (index, term);
    }

    fn check(&self, log: &Log<KvOp>) {
        let (base, last) = (self.base.0, self.last());
        assert_eq!((log.base_index(), log.base_term()), self.base);
        assert_eq!((log.last_index(), Some(log.last_term())), (last, self.term_at(last)));
        assert!(log.iter().eq(self.entries.iter().map(|(term, entry)| (*term, entry))), "{log:?}");
        for index in base.saturating_sub(1)..=last + 1 {
            assert_eq!(log.term_at(index), self.term_at(index), "term at {index} of {log:?}");
            let place = index.checked_sub(base + 1).map(|place| place as usize);
            let entry = place.and_then(|place| self.entries.get(place));
            assert_eq!(
                log.entry(index),
                entry.map(|(term, entry)| (*term, entry)),
                "entry {index} of {log:?}"
            );
            let rest = self.entries.get(place.unwrap_or(0)..).unwrap_or_default();
            assert!(
                log.iter_from(index).eq(rest.iter().map(|(term, entry)| (*term, entry))),
                "{index}: {log:?}"
            );
            for count in [1, 4, usize::MAX] {
                let expected = if entry.is_some() { &rest[..rest.len().min(count)] } else { &[] };
                let slice = log.slice(index, count as u64);
                assert!(slice.iter().eq(expected.iter().map(|(term, entry)| (*term, entry))), "{slice:?}");
                if !expected.is_empty() {
                    let end = index + expected.len() as Index - 1;
                    let mut pieces = Vec::new();
                    log.for_each_piece(index, end, size, |piece, _| pieces.extend_from_slice(piece));
                    assert!(
                        pieces.iter().eq(expected.iter().map(|(_, entry)| entry)),
                        "{index}..={end}: {log:?}"
                    );
                    let bytes: u64 = expected.iter().map(|(_, entry)| size(entry)).sum();
                    assert_eq!(log.bytes(index, end, size), bytes, "{index}..={end}: {log:?}");
                }
            }
        }
        assert_eq!(log, &log.clone());
    }
}

/// Entries of terms that never decrease, cut into runs anyhow.
fn entries(source: &mut Source<'_>, mut term: Term) -> Entries<KvOp> {
    let runs = (0..=source.below(3)).map(|_| {
        term += source.below(2) as Term;
        let batch: Arc<[_]> = (0..=source.below(4))
            .map(|_| if source.below(8) == 0 { Entry::NoOp } else { Entry::Command(source.op()) })
            .collect();
        let (run, count) = (Run::new(term, batch), source.byte());
        // A part of a batch, as after a cut elsewhere.
        run.part(u64::from(count & 3).min(run.count() - 1), u64::from(count >> 2 & 3) + 1)
    });
    Entries::from_runs(runs.collect())
}

fn one(source: &mut Source<'_>, log: &mut Log<KvOp>, plain: &mut Plain) -> &'static str {
    match source.below(8) {
        0..=2 => {
            for run in entries(source, log.last_term().max(1)).runs() {
                log.append(run.clone(), run.entries().iter().map(size).sum());
                plain.entries.extend(run.entries().iter().map(|entry| (run.term(), entry.clone())));
            }
            "append"
        }
        3 => {
            let index = plain.index(source);
            let cuts = index < plain.last();
            log.truncate_after(index, size);
            plain.entries.truncate((index - plain.base.0) as usize);
            if cuts { "truncate" } else { "truncate nothing" }
        }
        4 => {
            let index = plain.index(source);
            let drops = index > plain.base.0;
            log.compact_to(index);
            plain.drop_to(index);
            if drops { "compact" } else { "compact nothing" }
        }
        5 => {
            let index = plain.index(source) + source.below(3) as Index;
            let term = plain.term_at(index).unwrap_or(plain.base.1) + source.below(2) as Term;
            log.begin_after(index, term);
            if index <= plain.base.0 {
                return "begin before the base";
            }
            if plain.term_at(index) == Some(term) {
                plain.drop_to(index);
                return "begin within";
            }
            *plain = Plain { base: (index, term), entries: Vec::new() };
            "begin anew"
        }
        6 => {
            let prev = plain.index(source);
            let asked = entries(source, plain.term_at(prev).unwrap_or(1));
            let agree = asked
                .iter()
                .zip(prev + 1..)
                .take_while(|((term, _), index)| plain.term_at(*index) == Some(*term));
            let agree = agree.count() as u64;
            assert_eq!(log.known(prev, &asked), agree, "{asked:?} behind {prev} of {log:?}");
            if agree > 0 { "known" } else { "unknown" }
        }
        _ => {
            let (index, term) = (source.near(plain.last()), source.near(log.last_term()));
            let at_most = |index: &Index| plain.term_at(*index).is_some_and(|at| at <= term);
            let expected = (plain.base.0..=index.min(plain.last())).rev().find(at_most);
            // Before the base nobody knows: the place before it, unless that is asked about itself.
            let before = index.min(plain.base.0.saturating_sub(1));
            assert_eq!(log.last_at_most(index, term), expected.unwrap_or(before), "{index}, {term}: {log:?}");
            if expected.is_some() { "at most" } else { "at most, before the base" }
        }
    }
}
