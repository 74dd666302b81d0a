//! Builders that the unit tests of this crate share.

use core::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::{Entries, Entry, Run, Term};

/// `content` as entries, cut into runs wherever the term changes and wherever `cut` has a bit set.
pub(crate) fn entries_cut(content: &[(Term, u8)], cut: u64) -> Entries<u8> {
    let mut runs: Vec<Run<u8>> = Vec::new();
    let mut open: Vec<(Term, u8)> = Vec::new();
    let close = |open: &mut Vec<(Term, u8)>, runs: &mut Vec<Run<u8>>| {
        if let Some((term, _)) = open.first().copied() {
            let batch: Arc<[Entry<u8>]> = open.drain(..).map(|(_, c)| Entry::Command(c)).collect();
            runs.push(Run::new(term, batch));
        }
    };
    for (position, (term, command)) in content.iter().enumerate() {
        if open.last().is_some_and(|(last, _)| last != term) || cut >> (position % 64) & 1 == 1 {
            close(&mut open, &mut runs);
        }
        open.push((*term, *command));
    }
    close(&mut open, &mut runs);
    Entries::from_runs(runs)
}

/// What `entries` stand for.
pub(crate) fn plain(entries: &Entries<u8>) -> Vec<(Term, u8)> {
    entries
        .iter()
        .map(|(term, entry)| match entry {
            Entry::NoOp | Entry::Membership(_) | Entry::Withheld => panic!("these tests use commands only"),
            Entry::Command(command) => (term, *command),
        })
        .collect()
}

/// A hash to compare with another.
pub(crate) fn digest_of(value: &impl Hash) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
