//! Entries and the shared batches that hold them.
//!
//! The batch is the unit: the entries that a leader collects between two flushes are allocated once and
//! never move. The leader's log, each append, each record and each follower's log refer to the same
//! batch by a [`Run`]; cutting a log off only moves the end of a run. The term is stored once per run.
//!
//! How entries are cut into runs is not content: [`Entries`] compare, order and hash as the sequence of
//! (term, entry) that they stand for. Verified by the tests below against plain vectors.

use core::cmp::Ordering;
use core::fmt::{self, Debug};
use core::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::{Membership, Term};

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry<C> {
    /// What a leader appends first in its term, so that it learns what is committed (Raft §8).
    NoOp,
    /// A command for the state machine.
    Command(C),
    /// Who takes part from here on (Raft §6). Stands in a run of its own, so that it is found by looking at
    /// runs.
    Membership(Box<Membership>),
    /// A command, and not which: what a witness is sent and holds of it. See `witness.rs`.
    Withheld,
}

impl<C: Debug> Debug for Entry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::NoOp => f.write_str("NoOp"),
            Entry::Command(command) => command.fmt(f),
            Entry::Membership(membership) => membership.fmt(f),
            Entry::Withheld => f.write_str("Withheld"),
        }
    }
}

/// Consecutive entries of one term, held in a shared batch. Never empty.
#[derive(Clone)]
pub struct Run<C> {
    term: Term,
    batch: Arc<[Entry<C>]>,
    /// The entries are `batch[lo..hi]`, and `lo < hi`.
    lo: u32,
    hi: u32,
}

impl<C> Run<C> {
    /// All of `batch`, as entries of `term`.
    ///
    /// # Panics
    /// If the batch is empty or has 2³² entries or more, or if a membership stands among others.
    pub fn new(term: Term, batch: Arc<[Entry<C>]>) -> Self {
        let alone = batch.len() == 1 || !batch.iter().any(|entry| matches!(entry, Entry::Membership(_)));
        assert!(alone, "a membership stands alone");
        Self::of_commands(term, batch)
    }

    /// The same of a batch without memberships.
    pub(crate) fn of_commands(term: Term, batch: Arc<[Entry<C>]>) -> Self {
        assert!(!batch.is_empty(), "a run has at least one entry");
        let hi = u32::try_from(batch.len()).expect("a batch has fewer than 2^32 entries");
        Run { term, batch, lo: 0, hi }
    }

    /// The term of every entry.
    pub const fn term(&self) -> Term {
        self.term
    }

    /// The number of entries, at least 1.
    pub const fn count(&self) -> u64 {
        (self.hi - self.lo) as u64
    }

    /// The entries.
    pub fn entries(&self) -> &[Entry<C>] {
        &self.batch[self.lo as usize..self.hi as usize]
    }

    /// The membership that the run is, if it is one.
    #[inline]
    pub fn membership(&self) -> Option<&Membership> {
        match self.entries() {
            [Entry::Membership(membership)] => Some(membership),
            _ => None,
        }
    }

    /// The entries from position `from` on (at most `count_max` of them), sharing the batch.
    ///
    /// # Panics
    /// If there is no entry at `from`, or if `count_max` is 0.
    #[must_use]
    pub fn part(&self, from: u64, count_max: u64) -> Self
    where
        C: Clone,
    {
        assert!(from < self.count() && count_max > 0, "a run has at least one entry");
        let lo = self.lo + from as u32;
        let hi = lo + (u64::from(self.hi - lo)).min(count_max) as u32;
        Run { term: self.term, batch: Arc::clone(&self.batch), lo, hi }
    }

    /// Keeps the first `count` entries.
    ///
    /// # Panics
    /// If that leaves none, or if there are fewer.
    pub(crate) fn keep(&mut self, count: u64) {
        assert!(count > 0 && count <= self.count(), "a run keeps some of its entries");
        self.hi = self.lo + count as u32;
    }
}

/// Consecutive entries of a log, as references into shared batches.
#[derive(Clone)]
pub struct Entries<C>(Pieces<C>);

/// One run needs no allocation, and neither does none.
#[derive(Clone)]
enum Pieces<C> {
    One(Run<C>),
    /// None, or at least two.
    Many(Box<[Run<C>]>),
}

impl<C> Entries<C> {
    /// No entries.
    pub fn none() -> Self {
        Entries(Pieces::Many(Box::new([])))
    }

    /// The entries of `runs`, in order.
    pub fn from_runs(mut runs: Vec<Run<C>>) -> Self {
        match runs.len() {
            1 => Entries(Pieces::One(runs.remove(0))),
            _ => Entries(Pieces::Many(runs.into())),
        }
    }

    /// The runs, in order.
    pub fn runs(&self) -> &[Run<C>] {
        match &self.0 {
            Pieces::One(run) => core::slice::from_ref(run),
            Pieces::Many(runs) => runs,
        }
    }

    /// Hands each run on, in order.
    pub(crate) fn for_each_run(self, mut each: impl FnMut(Run<C>)) {
        match self.0 {
            Pieces::One(run) => each(run),
            Pieces::Many(runs) => runs.into_iter().for_each(each),
        }
    }

    /// The number of entries. Costs one addition per run.
    pub fn count(&self) -> u64 {
        match &self.0 {
            Pieces::One(run) => run.count(),
            Pieces::Many(runs) => runs.iter().map(Run::count).sum(),
        }
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.runs().is_empty()
    }

    /// The entries with their terms, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Term, &Entry<C>)> {
        self.runs().iter().flat_map(|run| run.entries().iter().map(|entry| (run.term, entry)))
    }

    /// The same without its commands. Runs of commands are made anew, others shared.
    pub(crate) fn withheld(&self) -> Self
    where
        C: Clone,
    {
        let withheld = |run: &Run<C>| {
            if !run.entries().iter().any(|entry| matches!(entry, Entry::Command(_))) {
                return run.clone();
            }
            let without = |entry: &Entry<C>| match entry {
                Entry::Command(_) => Entry::Withheld,
                other => other.clone(),
            };
            Run::of_commands(run.term, run.entries().iter().map(without).collect())
        };
        Self::from_runs(self.runs().iter().map(withheld).collect())
    }

    /// The entries from position `from` on, sharing the batches.
    #[must_use]
    pub fn skip(self, mut from: u64) -> Self
    where
        C: Clone,
    {
        if from == 0 {
            return self;
        }
        let mut rest = Vec::new();
        for run in self.runs() {
            if from < run.count() {
                rest.push(run.part(from, u64::MAX));
                from = 0;
            } else {
                from -= run.count();
            }
        }
        Self::from_runs(rest)
    }
}

impl<C> From<Run<C>> for Entries<C> {
    fn from(run: Run<C>) -> Self {
        Entries(Pieces::One(run))
    }
}

impl<C: PartialEq> PartialEq for Entries<C> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<C: Eq> Eq for Entries<C> {}

impl<C: PartialOrd> PartialOrd for Entries<C> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.iter().partial_cmp(other.iter())
    }
}

impl<C: Ord> Ord for Entries<C> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl<C: Hash> Hash for Entries<C> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.count());
        for (term, entry) in self.iter() {
            state.write_u64(term);
            entry.hash(state);
        }
    }
}

/// Prints as `[Put(1,7)@2 Get(1)@2]`: entry and term.
impl<C: Debug> Debug for Entries<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (position, (term, entry)) in self.iter().enumerate() {
            write!(f, "{}{entry:?}@{term}", if position == 0 { "" } else { " " })?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{digest_of, entries_cut, plain};

    #[test]
    fn content_is_what_counts_and_not_how_it_is_cut() {
        fn check(terms: Vec<(u8, u8)>, one: u64, other: u64) -> bool {
            let content: Vec<(Term, u8)> = terms.iter().map(|(t, c)| (u64::from(*t % 3), *c)).collect();
            let (one, other) = (entries_cut(&content, one), entries_cut(&content, other));
            one == other
                && one.cmp(&other) == Ordering::Equal
                && digest_of(&one) == digest_of(&other)
                && format!("{one:?}") == format!("{other:?}")
                && one.count() == content.len() as u64
                && plain(&one) == content
        }
        quickcheck::quickcheck(check as fn(Vec<(u8, u8)>, u64, u64) -> bool);
    }

    #[test]
    fn order_and_equality_are_those_of_plain_sequences() {
        fn check(a: Vec<(u8, u8)>, b: Vec<(u8, u8)>, cut: u64) -> bool {
            let small = |v: &[(u8, u8)]| -> Vec<(Term, u8)> {
                v.iter().take(3).map(|(t, c)| (u64::from(*t % 2), *c % 2)).collect()
            };
            let (a, b) = (small(&a), small(&b));
            let order = entries_cut(&a, cut).cmp(&entries_cut(&b, !cut));
            // Entries are commands only, so that the order of plain pairs is the order of entries.
            order == a.cmp(&b) && (order == Ordering::Equal) == (entries_cut(&a, cut) == entries_cut(&b, cut))
        }
        quickcheck::quickcheck(check as fn(Vec<(u8, u8)>, Vec<(u8, u8)>, u64) -> bool);
    }

    #[test]
    fn skipping_drops_the_first_entries() {
        fn check(terms: Vec<(u8, u8)>, cut: u64, from: u8) -> bool {
            let content: Vec<(Term, u8)> = terms.iter().map(|(t, c)| (u64::from(*t % 3), *c)).collect();
            let from = usize::from(from) % (content.len() + 1);
            plain(&entries_cut(&content, cut).skip(from as u64)) == content[from..]
        }
        quickcheck::quickcheck(check as fn(Vec<(u8, u8)>, u64, u8) -> bool);
    }

    #[test]
    fn what_is_withheld_keeps_its_place_and_term() {
        let runs = vec![
            Run::new(1, [Entry::NoOp, Entry::Command(5), Entry::Command(6)].into()),
            Run::new(2, [Entry::Membership(Box::default())].into()),
            Run::new(2, [Entry::Command(7)].into()).part(0, 1),
        ];
        let withheld = Entries::from_runs(runs).withheld();
        let text = format!("[NoOp@1 Withheld@1 Withheld@1 {:?}@2 Withheld@2]", Membership::default());
        assert_eq!(format!("{withheld:?}"), text);
        assert_eq!(withheld.withheld(), withheld);
    }

    #[test]
    fn text_names_entry_and_term() {
        assert_eq!(format!("{:?}", entries_cut(&[(1, 5), (2, 6)], 0)), "[5@1 6@2]");
        assert_eq!(format!("{:?}", Entries::<u8>::none()), "[]");
    }
}
