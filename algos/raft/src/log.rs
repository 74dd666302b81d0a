//! The log: entries numbered from 1, kept as runs of shared batches.
//!
//! Appending pushes a run, truncating pops runs and shortens the last one, and a slice for an append
//! refers to the same batches. The common questions concern the tail and cost nothing; others search the
//! runs by bisection. A missing term is `None`, never 0: reading it as 0 once let two logs match on
//! entries that neither had.
//!
//! What a snapshot covers can be dropped from the front. That is a mark at first: the batches before it are
//! freed with later appends, two runs for each, so that no step pays for all of them at once.
//!
//! Verified by comparison with a plain vector on random operations (below), by `log_matching`, and by
//! the invariants asserted after every step under test.

use core::hash::{Hash, Hasher};
use std::collections::VecDeque;

use crate::{Entries, Entry, Index, Membership, Run, Term};

/// A sequence of entries with their terms. The base is the place before the first entry that is held: index and
/// term 0 unless the log was compacted.
#[derive(Clone)]
pub struct Log<C> {
    /// Consecutive; terms never decrease. The first ones may lie before the base: they only wait to be freed.
    runs: VecDeque<Placed<C>>,
    /// The index of the last entry that was dropped from the front, 0 if none was.
    base_index: Index,
    /// The term of that entry.
    base_term: Term,
    /// The index of the last entry, 0 if there is none.
    last_index: Index,
    /// The term of the last entry, 0 if there is none.
    last_term: Term,
}

/// How much is taken of a log at most.
#[derive(Clone, Copy)]
pub(crate) struct Most {
    pub(crate) entries: u64,
    /// In bytes; a single entry may be larger.
    pub(crate) bytes: u64,
}

/// A run and where it begins.
#[derive(Clone)]
struct Placed<C> {
    first: Index,
    run: Run<C>,
    /// How large its entries are.
    bytes: u64,
}

impl<C> Placed<C> {
    const fn last(&self) -> Index {
        self.first + self.run.count() - 1
    }

    /// How large the entries are that lie in `first..=last`.
    #[inline]
    fn bytes_within(&self, first: Index, last: Index, size: impl Fn(&Entry<C>) -> u64) -> u64 {
        if first <= self.first && self.last() <= last {
            return self.bytes;
        }
        let (from, to) = (first.max(self.first), last.min(self.last()));
        let entries = &self.run.entries()[(from - self.first) as usize..=(to - self.first) as usize];
        entries.iter().map(size).sum()
    }
}

impl<C> Log<C> {
    /// The empty log.
    pub const fn new() -> Self {
        Self::after(0, 0)
    }

    /// The log that holds nothing, behind an entry at `index` of `term`.
    pub(crate) const fn after(index: Index, term: Term) -> Self {
        Log { runs: VecDeque::new(), base_index: index, base_term: term, last_index: index, last_term: term }
    }

    /// The empty log, with room for so many runs.
    pub(crate) fn with_capacity(runs: usize) -> Self {
        Log { runs: VecDeque::with_capacity(runs), ..Self::new() }
    }

    /// The index of the last entry that was dropped from the front, 0 if none was: the first that is held stands
    /// behind it.
    pub const fn base_index(&self) -> Index {
        self.base_index
    }

    /// The term of the entry at [`Log::base_index`].
    pub const fn base_term(&self) -> Term {
        self.base_term
    }

    /// The index of the last entry, held or dropped from the front; 0 if there was none.
    pub const fn last_index(&self) -> Index {
        self.last_index
    }

    /// The term of the last entry, held or dropped from the front; 0 if there was none.
    pub const fn last_term(&self) -> Term {
        self.last_term
    }

    /// The term of the entry at `index`; `None` if there is no such entry, or if it lies before the base, whose
    /// own term is known.
    #[inline]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index >= self.last_index {
            (index == self.last_index).then_some(self.last_term)
        } else {
            self.earlier_term_at(index)
        }
    }

    /// The same, where `index` is before that of the last entry.
    fn earlier_term_at(&self, index: Index) -> Option<Term> {
        if index > self.base_index {
            Some(self.runs[self.position(index)].run.term())
        } else {
            (index == self.base_index).then_some(self.base_term)
        }
    }

    /// The entry at `index` and its term.
    pub fn entry(&self, index: Index) -> Option<(Term, &Entry<C>)> {
        if index <= self.base_index || index > self.last_index {
            return None;
        }
        let placed = &self.runs[self.position(index)];
        Some((placed.run.term(), &placed.run.entries()[(index - placed.first) as usize]))
    }

    /// Hands on the entries from `first` up to `last`, run by run, and how large those of each run are, if an entry is
    /// as large as `size` says. Costs one search, one step per run, and a look at each entry of a run of which only
    /// some are asked for.
    ///
    /// # Panics
    /// If there is no entry at `first` or at `last`, or if `last < first`.
    #[inline]
    pub fn for_each_piece(
        &self,
        first: Index,
        last: Index,
        size: impl Fn(&Entry<C>) -> u64,
        mut each: impl FnMut(&[Entry<C>], u64),
    ) {
        let held = self.base_index < first && first <= last && last <= self.last_index;
        assert!(held, "no entries {first}..={last}");
        let (mut position, mut next) = (self.position(first), first);
        while next <= last {
            let placed = &self.runs[position];
            let (entries, end) = (placed.run.entries(), placed.last());
            if next == placed.first && end <= last {
                each(entries, placed.bytes);
            } else {
                let piece =
                    &entries[(next - placed.first) as usize..=(end.min(last) - placed.first) as usize];
                each(piece, piece.iter().map(&size).sum());
            }
            (position, next) = (position + 1, end + 1);
        }
    }

    /// How large the entries from `first` up to `last` are, if an entry is as large as `size` says. Costs as
    /// [`Log::for_each_piece`].
    ///
    /// # Panics
    /// If there is no entry at `first` or at `last`, or if `last < first`.
    pub fn bytes(&self, first: Index, last: Index, size: impl Fn(&Entry<C>) -> u64) -> u64 {
        let mut sum = 0;
        self.for_each_piece(first, last, size, |_, bytes| sum += bytes);
        sum
    }

    /// All entries with their terms, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Term, &Entry<C>)> {
        self.iter_from(0)
    }

    /// The entries from `index` on, less those before the base, with their terms, oldest first.
    pub fn iter_from(&self, index: Index) -> impl Iterator<Item = (Term, &Entry<C>)> {
        let index = index.max(self.base_index + 1);
        let position = if index > self.last_index { self.runs.len() } else { self.position(index) };
        self.runs.range(position..).flat_map(move |placed| {
            let skipped = index.saturating_sub(placed.first) as usize;
            placed.run.entries()[skipped..].iter().map(move |entry| (placed.run.term(), entry))
        })
    }

    /// The memberships in the log and where they stand, oldest first. Costs one comparison per run.
    pub fn memberships(&self) -> impl Iterator<Item = (Index, &Membership)> {
        self.runs
            .iter()
            .filter(|placed| placed.first > self.base_index)
            .filter_map(|placed| placed.run.membership().map(|membership| (placed.first, membership)))
    }

    /// The position of the run that holds `index`, which must exist. Gallops back from the tail, because
    /// most questions concern the last runs: costs the logarithm of the distance.
    #[inline]
    fn position(&self, index: Index) -> usize {
        // Every run from `high` on begins behind `index`.
        let (mut high, mut stride) = (self.runs.len(), 1);
        let mut low = high - 1;
        while low > 0 && self.runs[low].first > index {
            high = low;
            stride *= 2;
            low = high.saturating_sub(stride);
        }
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            if self.runs[middle].first <= index {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Puts a run behind the last entry; its entries are so large, by whatever the caller counts.
    ///
    /// # Panics
    /// If terms would decrease.
    #[inline(always)]
    pub fn append(&mut self, run: Run<C>, bytes: u64) {
        assert!(run.term() >= self.last_term, "terms of a log never decrease");
        if self.runs.front().is_some_and(|placed| placed.first <= self.base_index) {
            for _ in 0..2 {
                self.runs.pop_front_if(|placed| placed.last() <= self.base_index);
            }
        }
        let first = self.last_index + 1;
        self.last_index += run.count();
        self.last_term = run.term();
        self.runs.push_back(Placed { first, run, bytes });
    }

    /// Drops every entry up to `index`, from the front. Costs one search; memory is given back with later appends.
    ///
    /// # Panics
    /// If there is no entry at `index`.
    pub fn compact_to(&mut self, index: Index) {
        let term = self.term_at(index).expect("a log is compacted up to an entry of its own");
        (self.base_index, self.base_term) = (index, term);
    }

    /// Takes up the place of a snapshot that ends with an entry at `index` of `term`. If that entry stands here,
    /// what lies behind it stays; if not, nothing does (Raft Fig. 13, 6 and 7).
    pub fn begin_after(&mut self, index: Index, term: Term) {
        if index <= self.base_index {
            return;
        }
        if self.term_at(index) == Some(term) {
            self.compact_to(index);
        } else {
            *self = Self::after(index, term);
        }
    }

    /// Drops every entry behind `index`. An entry is as large as `size` says: costs a look at each that stays of the
    /// run that is cut.
    ///
    /// # Panics
    /// If `index` lies before the base.
    pub fn truncate_after(&mut self, index: Index, size: impl Fn(&Entry<C>) -> u64) {
        assert!(index >= self.base_index, "entries up to {} are dropped already", self.base_index);
        while let Some(placed) = self.runs.back_mut() {
            if placed.last() <= index {
                break;
            }
            if placed.first <= index {
                placed.bytes = placed.bytes_within(placed.first, index, size);
                placed.run.keep(index - placed.first + 1);
                break;
            }
            self.runs.pop_back();
        }
        (self.last_index, self.last_term) = match self.runs.back() {
            Some(placed) if placed.last() > self.base_index => (placed.last(), placed.run.term()),
            _ => (self.base_index, self.base_term),
        };
    }

    /// How many of the first `entries`, which would stand behind `prev`, this log already has: same
    /// index and same term.
    pub fn known(&self, prev: Index, entries: &Entries<C>) -> u64 {
        let mut known = 0;
        for run in entries.runs() {
            // Within a run the term is the same, and terms of a log never decrease: the entries that
            // agree are a prefix of the run, and where the last agrees, so do all (`log_matching`).
            let first = prev + known + 1;
            if first > self.last_index {
                break;
            }
            let (last, mut agreeing) = (first + run.count() - 1, 0);
            if self.term_at(last) == Some(run.term())
                && (first == last || self.term_at(first) == Some(run.term()))
            {
                agreeing = run.count();
            } else {
                while agreeing < run.count() && self.term_at(first + agreeing) == Some(run.term()) {
                    agreeing += 1;
                }
            }
            known += agreeing;
            if agreeing < run.count() {
                break;
            }
        }
        known
    }

    /// The greatest index up to `index` whose term is at most `term`: where two logs that differ at
    /// `index` may agree at the latest. Index 0 always may, and so may what lies before the base. Costs one
    /// comparison per run passed.
    pub fn last_at_most(&self, index: Index, term: Term) -> Index {
        let index = index.min(self.last_index);
        // Terms before the base are not known any more, but that they are no later than its own.
        let base = if self.base_term <= term { self.base_index } else { self.base_index.saturating_sub(1) };
        self.runs
            .iter()
            .rev()
            .take_while(|placed| placed.last() > self.base_index)
            .skip_while(|placed| placed.first > index)
            .find(|placed| placed.run.term() <= term)
            .map_or(index.min(base), |placed| placed.last().min(index))
    }
}

impl<C: Clone> Log<C> {
    /// At most `count_max` entries from `index` on, sharing the batches. Allocates only if they lie in
    /// more than one run.
    #[inline]
    pub fn slice(&self, index: Index, count_max: u64) -> Entries<C> {
        if index <= self.base_index || index > self.last_index || count_max == 0 {
            return Entries::none();
        }
        let most = Most { entries: count_max, bytes: u64::MAX };
        self.some(self.position(index), index, most, |_| 0).0
    }

    /// The term at `prev` and the entries behind it, as [`Log::term_at`] and [`Log::slice`] give them, with one search,
    /// as many as may be; and how large they are, an entry being as large as `size` says. `None` if there is no entry at `prev`, or if it lies before the base.
    #[inline]
    pub(crate) fn behind(
        &self,
        prev: Index,
        most: Most,
        size: impl Fn(&Entry<C>) -> u64,
    ) -> Option<(Term, Entries<C>, u64)> {
        if prev >= self.last_index {
            return (prev == self.last_index).then(|| (self.last_term, Entries::none(), 0));
        }
        // Whoever keeps up lacks the last run alone.
        if prev > self.base_index
            && let Some(last) = self.runs.back()
            && last.first == prev + 1
            && last.run.count() <= most.entries
            && last.bytes <= most.bytes
        {
            let before = &self.runs[self.runs.len() - 2];
            return Some((before.run.term(), last.run.clone().into(), last.bytes));
        }
        (prev >= self.base_index).then(|| self.some_behind(prev, most, size))
    }

    /// The same, where there are some.
    fn some_behind(
        &self,
        prev: Index,
        most: Most,
        size: impl Fn(&Entry<C>) -> u64,
    ) -> (Term, Entries<C>, u64) {
        let (term, position) = if prev == self.base_index {
            (self.base_term, self.position(prev + 1))
        } else {
            let position = self.position(prev);
            let placed = &self.runs[position];
            (placed.run.term(), position + usize::from(placed.last() == prev))
        };
        if most.entries == 0 {
            return (term, Entries::none(), 0);
        }
        let (entries, bytes) = self.some(position, prev + 1, most, size);
        (term, entries, bytes)
    }

    /// As many entries as may be, at least one, from `index` on, which the run at `position` holds; and how large they
    /// are.
    #[inline]
    fn some(
        &self,
        position: usize,
        index: Index,
        most: Most,
        size: impl Fn(&Entry<C>) -> u64,
    ) -> (Entries<C>, u64) {
        let placed = &self.runs[position];
        let whole = index == placed.first && placed.run.count() <= most.entries && placed.bytes <= most.bytes;
        if whole && (placed.run.count() == most.entries || position + 1 == self.runs.len()) {
            return (placed.run.clone().into(), placed.bytes);
        }
        let last = self.last_index.min(index.saturating_add(most.entries - 1));
        self.some_of_many(position, (index, last), most.bytes, size)
    }

    /// The same, where the first run is not all.
    fn some_of_many(
        &self,
        position: usize,
        (index, last): (Index, Index),
        bytes_max: u64,
        size: impl Fn(&Entry<C>) -> u64,
    ) -> (Entries<C>, u64) {
        // As many as there will be, unless they are large: a follower that lags is sent many, again and again.
        let mut runs = Vec::with_capacity(self.position(last) + 1 - position);
        let mut total = 0;
        for placed in self.runs.range(position..).take_while(|placed| placed.first <= last) {
            let bytes = placed.bytes_within(index, last, &size);
            let from = index.saturating_sub(placed.first);
            let to = placed.last().min(last) - placed.first;
            if total + bytes <= bytes_max {
                runs.push(placed.run.part(from, to - from + 1));
                total += bytes;
                continue;
            }
            let mut count = 0;
            for entry in &placed.run.entries()[from as usize..=to as usize] {
                let bytes = size(entry);
                if total > 0 && total + bytes > bytes_max {
                    break;
                }
                (total, count) = (total + bytes, count + 1);
            }
            if count > 0 {
                runs.push(placed.run.part(from, count));
            }
            break;
        }
        (Entries::from_runs(runs), total)
    }
}

impl<C> Default for Log<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: PartialEq> PartialEq for Log<C> {
    fn eq(&self, other: &Self) -> bool {
        self.last_index == other.last_index
            && (self.base_index, self.base_term) == (other.base_index, other.base_term)
            && self.iter().eq(other.iter())
    }
}

impl<C: Eq> Eq for Log<C> {}

impl<C: Hash> Hash for Log<C> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.last_index);
        if self.base_index > 0 {
            state.write_u64(self.base_index);
            state.write_u64(self.base_term);
        }
        for (term, entry) in self.iter() {
            state.write_u64(term);
            entry.hash(state);
        }
    }
}

/// Prints as `[NoOp@1 Put(1,7)@2]`: entry and term; behind a base as `[..4@1 Put(1,7)@2]`.
impl<C: core::fmt::Debug> core::fmt::Debug for Log<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[")?;
        if self.base_index > 0 {
            write!(f, "..{}@{}", self.base_index, self.base_term)?;
        }
        for (position, (term, entry)) in self.iter().enumerate() {
            let gap = if position == 0 && self.base_index == 0 { "" } else { " " };
            write!(f, "{gap}{entry:?}@{term}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{digest_of, entries_cut, plain};
    use swarm_protocol::Stream;

    /// Not all entries are alike.
    fn size(entry: &Entry<u8>) -> u64 {
        match entry {
            Entry::Command(command) => 1 + u64::from(*command),
            _ => 7,
        }
    }

    fn push(log: &mut Log<u8>, run: &Run<u8>) {
        log.append(run.clone(), run.entries().iter().map(size).sum());
    }

    /// A log and the plain vector that it should behave like, less what lies before its base.
    fn random_log(seed: u64, length: u64) -> (Log<u8>, Vec<(Term, u8)>) {
        let mut draw = Stream::new(seed, 0, 0);
        let (mut log, mut model, mut term) = (Log::new(), vec![], 1);
        while (model.len() as u64) < length {
            if draw.happens(150_000) {
                let base = log.base_index();
                let index = base + draw.below(model.len() as u64 + 1 - base);
                log.truncate_after(index, size);
                model.truncate(index as usize);
            }
            if seed % 2 == 1 && draw.happens(150_000) {
                let base = log.base_index();
                log.compact_to(base + draw.below(model.len() as u64 + 1 - base));
            }
            term += draw.below(2);
            let more: Vec<_> = (0..=draw.below(4)).map(|_| (term, draw.below(3) as u8)).collect();
            for run in entries_cut(&more, draw.draw()).runs() {
                push(&mut log, run);
            }
            model.extend(more);
        }
        (log, model)
    }

    #[test]
    fn log_behaves_like_a_vector() {
        let mut compacted = 0;
        for seed in 0..200 {
            let (log, model) = random_log(seed, seed % 40);
            let last = model.len() as Index;
            assert_eq!(log.last_index(), last);
            assert_eq!(log.last_term(), model.last().map_or(0, |(term, _)| *term));
            let base = log.base_index();
            compacted += u64::from(base > 0);
            let base_term = if base == 0 { 0 } else { model[base as usize - 1].0 };
            assert_eq!((log.base_term(), log.term_at(base)), (base_term, Some(base_term)), "seed {seed}");
            assert_eq!(log.term_at(last + 1), None);
            assert_eq!(log.term_at(u64::MAX), None);
            assert!(log.iter_from(last + 1).next().is_none());
            assert!(log.iter().eq(log.iter_from(base + 1)));
            assert_eq!(log.iter().count() as u64, last - base, "seed {seed}");
            for index in 0..base {
                assert_eq!(
                    (log.term_at(index), log.entry(index)),
                    (None, None),
                    "seed {seed}, index {index}"
                );
                assert!(
                    log.slice(index, 3).is_empty()
                        && log.behind(index, Most { entries: 3, bytes: 99 }, size).is_none()
                );
            }
            for index in base + 1..=last {
                let (term, command) = model[index as usize - 1];
                assert_eq!(log.term_at(index), Some(term), "seed {seed}, index {index}");
                assert_eq!(log.entry(index), Some((term, &Entry::Command(command))));
                for count in [1, 3, 99] {
                    let end = (index as usize - 1 + count).min(model.len());
                    assert_eq!(plain(&log.slice(index, count as u64)), model[index as usize - 1..end]);
                }
                let rest = model[index as usize - 1..].iter().copied();
                let entries = log.iter_from(index).map(|(term, entry)| (term, entry.clone()));
                assert!(entries.eq(rest.map(|(term, command)| (term, Entry::Command(command)))));
                for end in [index, index.midpoint(last), last] {
                    let mut walked = Vec::new();
                    log.for_each_piece(index, end, size, |piece, _| walked.extend_from_slice(piece));
                    let expected = &model[index as usize - 1..end as usize];
                    let expected = expected.iter().map(|(_, command)| Entry::Command(*command));
                    assert!(walked.into_iter().eq(expected));
                }
            }
            let weight = |entries: &[(Term, u8)]| -> u64 {
                entries.iter().map(|(_, command)| size(&Entry::Command(*command))).sum()
            };
            for (first, end) in
                (base + 1..=last).flat_map(|first| (first..=last).map(move |end| (first, end)))
            {
                let expected = weight(&model[first as usize - 1..end as usize]);
                assert_eq!(log.bytes(first, end, size), expected, "seed {seed}, {first}..={end}");
            }
            let most = [0, 1, 3, 99].into_iter().flat_map(|count| [1, 2, 5, 999].map(|bytes| (count, bytes)));
            for (prev, (count, bytes)) in
                (0..=last + 2).flat_map(|prev| most.clone().map(move |most| (prev, most)))
            {
                let behind = log.behind(prev, Most { entries: count, bytes }, size);
                let behind = behind.map(|(term, entries, bytes)| (term, plain(&entries), bytes));
                let expected = log.term_at(prev).map(|term| {
                    let mut entries = plain(&log.slice(prev + 1, count));
                    while entries.len() > 1 && weight(&entries) > bytes {
                        entries.pop();
                    }
                    let bytes = weight(&entries);
                    (term, entries, bytes)
                });
                assert_eq!(expected.is_some(), (base..=last).contains(&prev));
                assert_eq!(behind, expected, "seed {seed}, {count} of {bytes} bytes behind {prev}");
            }
            for (index, term) in (0..=last + 2).flat_map(|index| (0..9).map(move |term| (index, term))) {
                let plain = (base..=index.min(last)).rev().find(|i| log.term_at(*i).unwrap() <= term);
                // Before the base nobody knows: the place before it, unless that is asked about itself.
                let before = index.min(base.saturating_sub(1));
                assert_eq!(log.last_at_most(index, term), plain.unwrap_or(before), "seed {seed}");
            }
        }
        assert!(compacted > 50, "{compacted}");
    }

    /// All sequences of at most four terms, each 1, 2 or 3, that do not decrease.
    fn histories() -> Vec<Vec<Term>> {
        let mut histories = vec![vec![]];
        for length in 0..4 {
            for shorter in histories.clone().into_iter().filter(|terms| terms.len() == length) {
                let from = shorter.last().copied().unwrap_or(1);
                histories.extend((from..=3).map(|term| [&shorter[..], &[term]].concat()));
            }
        }
        histories
    }

    #[test]
    fn known_entries_are_the_agreeing_prefix() {
        let content = |terms: &[Term]| -> Vec<(Term, u8)> { terms.iter().map(|term| (*term, 0)).collect() };
        assert_eq!(histories().len(), 35);
        for terms in histories() {
            let mut log = Log::new();
            for run in entries_cut(&content(&terms), 0).runs() {
                push(&mut log, run);
            }
            for (other, prev) in
                histories().iter().flat_map(|other| (0..=terms.len()).map(move |p| (other, p)))
            {
                let agreeing = other.iter().zip(&terms[prev..]).take_while(|(a, b)| a == b).count() as u64;
                for cut in [0, 0b0101] {
                    let entries = entries_cut(&content(other), cut);
                    assert_eq!(log.known(prev as Index, &entries), agreeing, "{terms:?} {prev} {other:?}");
                }
            }
        }
    }

    #[test]
    fn a_snapshot_s_place_keeps_what_agrees_and_nothing_else() {
        let log = |terms: &[Term]| {
            let mut log = Log::new();
            let content: Vec<(Term, u8)> = terms.iter().map(|term| (*term, 0)).collect();
            entries_cut(&content, 0).runs().iter().for_each(|run| push(&mut log, run));
            log
        };
        for terms in histories() {
            for (index, term) in (1..6).flat_map(|index| (1..4).map(move |term| (index, term))) {
                let mut begun = log(&terms);
                begun.begin_after(index, term);
                let agrees = terms.get(index as usize - 1) == Some(&term);
                let rest = if agrees { terms.len() as Index - index } else { 0 };
                assert_eq!((begun.base_index(), begun.base_term()), (index, term));
                assert_eq!(begun.last_index(), index + rest, "{terms:?} {index}@{term}");
                let before = begun.clone();
                begun.begin_after(index - 1, term);
                assert_eq!(begun, before, "an earlier one changes nothing");
            }
        }
    }

    #[test]
    fn memory_before_the_base_is_given_back_with_appends() {
        let mut log = Log::new();
        let run = || Run::new(1, vec![Entry::Command(0_u8); 8].into());
        (0..100).for_each(|_| push(&mut log, &run()));
        log.compact_to(795);
        assert_eq!(log.runs.len(), 100, "compaction frees nothing yet");
        (0..50).for_each(|_| push(&mut log, &run()));
        assert_eq!(log.runs.len(), 51, "two runs go for one that comes; the one with the base stays");
        assert_eq!(log.iter().count(), 405);
    }

    #[test]
    fn equal_content_is_equal_however_it_was_cut() {
        let content = [(1, 1), (1, 2), (2, 3), (2, 4)];
        let log = |cut| {
            let mut log = Log::new();
            entries_cut(&content, cut).runs().iter().for_each(|run| push(&mut log, run));
            log
        };
        assert_eq!(log(0), log(0b1010));
        assert_eq!(digest_of(&log(0)), digest_of(&log(0b1010)));
        let mut shorter = log(0);
        shorter.truncate_after(3, size);
        assert_ne!(log(0), shorter);
        assert_eq!(format!("{shorter:?}"), "[1@1 2@1 3@2]");
    }

    #[test]
    #[should_panic(expected = "never decrease")]
    fn terms_never_decrease() {
        let mut log = Log::new();
        for run in entries_cut(&[(2, 0), (1, 0)], 0).runs() {
            push(&mut log, run);
        }
    }
}
