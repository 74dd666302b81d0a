//! What runs have covered, in four dimensions (Padhye 2026: states, faults, schedules, workloads).
//!
//! | dimension | counted |
//! |---|---|
//! | states | in how many runs each abstract state was visited ([`Protocol::abstraction`]) |
//! | faults | how often each fault met a node in each role and phase |
//! | schedules | which kind of message a node took after which |
//! | workloads | which kinds of operations overlapped, and how |
//!
//! **What is not covered** is estimated after Good (1953), who credits Turing: of what one further run
//! visits, the share that no run has visited is about the share of visits, one per run and state, that are
//! the only ones of their state. Runs are the units because what happens within a run hangs together.
//!
//! Memory is bounded: beyond [`States::MOST`] abstract states only those are kept whose hash begins with a
//! zero bit, then with two, and so on. These are a fair sample, which depends on the set alone and not on
//! the order in which runs were added, so that a campaign comes to the same on any number of threads.
//!
//! Verified by the tests below (sampling against plain counting, the estimate against runs still to come)
//! and by `tests/it/coverage.rs` on a toy protocol.

use std::collections::BTreeMap;

use swarm_protocol::{NodeId, Protocol, Specification};

use crate::history::{Call, History, Moment};
use crate::profile::Fault;

/// What some runs have covered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Abstract states.
    pub states: States,
    /// How often each fault met a node: fault, role, phase. `down` is role and phase of a node that is not
    /// up.
    pub faults: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// How often a node took a message of the second kind as its next after one of the first; the first
    /// message of all has none before it.
    pub messages: BTreeMap<(&'static str, &'static str), u64>,
    /// How often two operations overlapped: the kind of the one that was answered first, how the other lay to
    /// it, and its kind.
    pub overlaps: BTreeMap<(&'static str, Overlap, &'static str), u64>,
}

/// How an operation that is answered lies to another that is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Overlap {
    /// The other began before it and ends after it.
    Within,
    /// The other began while it was open and outlasts it.
    Before,
}

impl Overlap {
    /// The word between the two operations.
    pub const fn name(self) -> &'static str {
        match self {
            Overlap::Within => "within",
            Overlap::Before => "overtaken by",
        }
    }
}

impl Coverage {
    /// Takes in what other runs have covered.
    pub fn merge(&mut self, other: Coverage) {
        fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
            for (key, count) in more {
                *counts.entry(key).or_default() += count;
            }
        }
        self.states.merge(other.states);
        add(&mut self.faults, other.faults);
        add(&mut self.messages, other.messages);
        add(&mut self.overlaps, other.overlaps);
    }
}

/// In how many runs each abstract state was visited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct States {
    /// How many runs.
    runs: u64,
    /// How many zero bits the hash of a state that is kept begins with.
    level: u32,
    /// Of each state that is kept, the number of runs.
    kept: BTreeMap<u64, u64>,
}

impl States {
    /// How many states are kept at most.
    pub const MOST: usize = 1 << 18;

    /// What one run has visited, repetitions allowed.
    pub fn of_run(visited: impl IntoIterator<Item = u64>) -> Self {
        let mut states = States { runs: 1, ..States::default() };
        for state in visited {
            if state.leading_zeros() >= states.level && states.kept.insert(state, 1).is_none() {
                states.thin(Self::MOST);
            }
        }
        states
    }

    /// Takes in what other runs have visited.
    pub fn merge(&mut self, other: States) {
        self.merge_within(other, Self::MOST);
    }

    fn merge_within(&mut self, other: States, most: usize) {
        self.runs += other.runs;
        self.level = self.level.max(other.level);
        self.kept.retain(|state, _| state.leading_zeros() >= self.level);
        for (state, runs) in other.kept {
            if state.leading_zeros() >= self.level {
                *self.kept.entry(state).or_default() += runs;
                self.thin(most);
            }
        }
    }

    fn thin(&mut self, most: usize) {
        while self.kept.len() > most {
            self.level += 1;
            self.kept.retain(|state, _| state.leading_zeros() >= self.level);
        }
    }

    /// Runs, level, and the states that are kept, each with its runs: what [`States::of_parts`] takes.
    pub(crate) fn parts(&self) -> (u64, u32, impl Iterator<Item = (&u64, &u64)>) {
        (self.runs, self.level, self.kept.iter())
    }

    /// Puts together what [`States::parts`] took apart.
    pub(crate) fn of_parts(runs: u64, level: u32, kept: impl IntoIterator<Item = (u64, u64)>) -> Self {
        States { runs, level, kept: kept.into_iter().collect() }
    }

    /// How many runs.
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    /// How many distinct states were visited: exactly, or, once more than [`States::MOST`] were, about.
    pub fn distinct(&self) -> u64 {
        (self.kept.len() as u64) << self.level
    }

    /// Whether all states are kept, so that counts are exact.
    pub const fn is_exact(&self) -> bool {
        self.level == 0
    }

    /// How many distinct states were visited in one run alone.
    pub fn once(&self) -> u64 {
        (self.kept.values().filter(|runs| **runs == 1).count() as u64) << self.level
    }

    /// How many states one further run is expected to visit that no run has visited.
    pub fn expected_new(&self) -> Option<f64> {
        (self.runs > 0).then(|| self.once() as f64 / self.runs as f64)
    }

    /// Of the states that one further run visits, the share that no run has visited, as Good and Turing
    /// estimate it. None before the second run.
    pub fn unseen(&self) -> Option<f64> {
        let visits: u64 = self.kept.values().sum();
        let once = self.kept.values().filter(|runs| **runs == 1).count();
        (self.runs > 1 && visits > 0).then(|| once as f64 / visits as f64)
    }
}

/// Counts by pairs of names; few, and mostly the same texts in memory.
#[derive(Default)]
struct Pairs(Vec<((&'static str, &'static str), u64)>);

impl Pairs {
    fn add(&mut self, pair: (&'static str, &'static str)) {
        let same = |other: &(&'static str, &'static str)| {
            core::ptr::eq(other.0, pair.0) && core::ptr::eq(other.1, pair.1)
        };
        match self.0.iter_mut().find(|(other, _)| same(other)) {
            Some((_, count)) => *count += 1,
            None => self.0.push((pair, 1)),
        }
    }
}

/// What one run has covered so far.
pub(crate) struct Recorder {
    /// Visited abstract states. The last one, which most steps leave as it is, is looked at first.
    visited: hashbrown::HashSet<u64, core::hash::BuildHasherDefault<Plain>>,
    last: u64,
    faults: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    messages: Pairs,
    /// By node, the kind of the last message that it took.
    before: Vec<&'static str>,
}

/// What stands before the first message of a node.
const FIRST: &str = "start";
/// Role and phase of a node that is not up.
const DOWN: &str = "down";

impl Recorder {
    pub(crate) fn new(nodes: u32) -> Self {
        Recorder {
            visited: hashbrown::HashSet::default(),
            last: 0,
            faults: BTreeMap::new(),
            messages: Pairs::default(),
            before: vec![FIRST; nodes as usize],
        }
    }

    /// A node is about to take a message.
    pub(crate) fn delivered<P: Protocol>(&mut self, to: NodeId, message: &P::Message) {
        let kind = P::message_kind(message);
        let before = core::mem::replace(&mut self.before[to.index()], kind);
        self.messages.add((before, kind));
    }

    /// A step is done.
    pub(crate) fn visited<P: Protocol>(&mut self, nodes: &[Option<P>]) {
        let nodes: smallvec::SmallVec<[Option<&P>; 8]> = nodes.iter().map(Option::as_ref).collect();
        let state = P::abstraction(&nodes);
        if state != self.last {
            self.last = state;
            self.visited.insert(state);
        }
    }

    /// A fault meets a node.
    pub(crate) fn met<P: Protocol>(&mut self, fault: Fault, node: Option<&P>) {
        let (role, phase) = node.map_or((DOWN, DOWN), |node| (node.role(), node.phase()));
        *self.faults.entry((fault.name(), role, phase)).or_default() += 1;
    }

    /// The run is over, and clients saw this.
    pub(crate) fn finish<S: Specification>(
        self,
        history: &History<S>,
        kind: impl Fn(&S::Op) -> &'static str,
    ) -> Coverage {
        let mut messages = BTreeMap::new();
        for (pair, count) in self.messages.0 {
            *messages.entry(pair).or_default() += count;
        }
        Coverage {
            states: States::of_run(self.visited),
            faults: self.faults,
            messages,
            overlaps: overlaps(history, kind),
        }
    }
}

/// Which operations overlapped, and how. Costs the moments times the operations open at a time.
fn overlaps<S: Specification>(
    history: &History<S>,
    kind: impl Fn(&S::Op) -> &'static str,
) -> BTreeMap<(&'static str, Overlap, &'static str), u64> {
    let (mut counts, mut open) = (BTreeMap::new(), Vec::<Call>::new());
    let kind = |call: Call| kind(&history.operation(call).op);
    for moment in history.moments() {
        match moment {
            Moment::Invoked(call) => open.push(call),
            Moment::Returned(call) => {
                let place = open.iter().position(|other| *other == call);
                let Some(place) = place else { continue };
                open.remove(place);
                for (other, asked) in open.iter().enumerate() {
                    let how = if other < place { Overlap::Within } else { Overlap::Before };
                    *counts.entry((kind(call), how, kind(*asked))).or_default() += 1;
                }
            }
        }
    }
    counts
}

/// Abstract states are hashes already.
#[derive(Default)]
pub(crate) struct Plain(u64);

impl core::hash::Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = swarm_protocol::mix(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use swarm_protocol::{Stream, Ticks, mix};

    /// What a run of this number visits: some of many states, of which the later are rarer.
    fn run(number: u64) -> Vec<u64> {
        let mut draw = Stream::new(number, 0, 0);
        (0..60).map(|_| draw.below(30) * draw.below(30) + draw.below(3)).map(mix).collect()
    }

    fn runs(numbers: core::ops::Range<u64>, most: usize) -> States {
        let mut all = States::default();
        for number in numbers {
            all.merge_within(States::of_run(run(number)), most);
        }
        all
    }

    #[test]
    fn counts_are_those_of_plain_sets() {
        let all = runs(0..40, usize::MAX);
        let sets: Vec<BTreeSet<u64>> = (0..40).map(|number| run(number).into_iter().collect()).collect();
        let distinct: BTreeSet<u64> = sets.iter().flatten().copied().collect();
        let once = distinct.iter().filter(|state| sets.iter().filter(|set| set.contains(state)).count() == 1);
        assert_eq!(
            (all.runs(), all.distinct(), all.once()),
            (40, distinct.len() as u64, once.count() as u64)
        );
        assert!(all.is_exact());
        assert_eq!(States::default().unseen(), None);
    }

    #[test]
    fn the_estimate_of_what_is_unseen_comes_true_in_runs_to_come() {
        for seen in [10, 40, 160] {
            let all = runs(0..seen, usize::MAX);
            let (mut new, mut visits) = (0, 0);
            for number in 1000..3000 {
                let visited: BTreeSet<u64> = run(number).into_iter().collect();
                visits += visited.len();
                new += visited.iter().filter(|state| !all.kept.contains_key(state)).count();
            }
            let truth = new as f64 / visits as f64;
            let estimate = all.unseen().expect("there are runs");
            // Standard error of the estimate: about the root of the states seen once, over the visits.
            let error = 4.0 * (all.once() as f64).sqrt() / all.kept.values().sum::<u64>() as f64;
            assert!(
                (estimate - truth).abs() < error,
                "{seen} runs: {estimate} for {truth}, give or take {error}"
            );
            let expected = all.expected_new().expect("there are runs");
            let error = 4.0 * (all.once() as f64).sqrt() / seen as f64;
            assert!((expected - new as f64 / 2000.0).abs() < error, "{expected} for {new} in 2000");
        }
    }

    #[test]
    fn a_sample_is_bounded_fair_and_the_same_in_any_order() {
        let (whole, mut sample) = (runs(0..400, usize::MAX), runs(0..400, 100));
        assert!(sample.kept.len() <= 100 && !sample.is_exact());
        assert!(
            (sample.distinct() as f64 / whole.distinct() as f64 - 1.0).abs() < 0.3,
            "{}",
            sample.distinct()
        );
        assert!(sample.kept.iter().all(|(state, runs)| whole.kept[state] == *runs));
        // The same runs in parts, the last part first.
        sample = States::default();
        for part in [300..400, 200..300, 100..200, 0..100] {
            sample.merge_within(runs(part, 100), 100);
        }
        assert_eq!(sample, runs(0..400, 100));
    }

    struct Words;
    impl Specification for Words {
        type State = ();
        type Op = &'static str;
        type Answer = ();
        fn apply((): &mut (), _op: &&'static str) {}
    }

    #[test]
    fn overlaps_are_told_once_per_pair_by_how_they_lie() {
        // a contains b and is overtaken by c; d is alone; e is never answered.
        let timed =
            [("a", 0, Some(5)), ("b", 1, Some(2)), ("c", 3, Some(8)), ("d", 10, Some(11)), ("e", 20, None)];
        let operation = |(op, from, to): (&'static str, u64, Option<u64>)| {
            let returned = to.map(|to| (Ticks(to), ()));
            crate::history::Operation::<Words>::timed(0, op, Ticks(from), returned)
        };
        let history = History::from_timed(timed.into_iter().map(operation));
        let expected =
            [(("a", Overlap::Before, "c"), 1), (("b", Overlap::Within, "a"), 1)].into_iter().collect();
        assert_eq!(overlaps(&history, |op| op), expected);
    }
}
