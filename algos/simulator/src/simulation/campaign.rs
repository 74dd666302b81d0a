//! Many seeds, and what they came to.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use swarm_protocol::Ticks;

use super::{Account, Counts, Run};
use crate::coverage::Coverage;

/// Lets `run` run `seeds` on `threads` threads, until all are done or `stop` is set, which lets runs under way
/// end. `each` is called with every run as it ends, on the thread that ran it, in no particular order; the
/// summary depends on the seeds run alone.
///
/// # Panics
/// If `run` or `each` does.
pub fn campaign(
    run: impl Fn(u64) -> Run + Sync,
    seeds: Range<u64>,
    threads: usize,
    stop: &AtomicBool,
    each: impl Fn(&Run) + Sync,
) -> Summary {
    // Relaxed: the counter hands out numbers and orders nothing else; the flag is a request that
    // may be seen late. Summaries are handed over by the lock and by joining the threads.
    let next = AtomicU64::new(seeds.start);
    let summary = Mutex::new(Summary::default());
    let work = || {
        let mut own = Summary::default();
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let run = run(seed);
            each(&run);
            own.add(run);
        }
        summary.lock().expect("no thread panics while it merges").merge(own);
    };
    thread::scope(|scope| {
        for _ in 1..threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    summary.into_inner().expect("no thread panicked while it merged")
}

/// How many violating runs a summary keeps: those with the lowest seeds.
pub const VIOLATIONS_KEPT: usize = 16;

/// What many seeds came to, independent of the order in which they ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many runs.
    pub runs: u64,
    /// How many steps all of them took.
    pub steps: u64,
    /// The sum of the digests of all runs.
    pub digest: u64,
    /// Virtual time of all runs.
    pub time: Ticks,
    /// See [`Run::events`].
    pub events: Counts,
    /// See [`Run::faults`].
    pub faults: Counts,
    /// See [`Run::marks`].
    pub marks: Counts,
    /// See [`Run::refusals`].
    pub refusals: Counts,
    /// See [`Run::completed`].
    pub completed: u64,
    /// See [`Run::open`].
    pub open: u64,
    /// See [`Run::not_taken`].
    pub not_taken: u64,
    /// How many runs there were of each time from healing to the first answer, in milliseconds rounded
    /// down.
    pub recovery_millis: BTreeMap<u64, u64>,
    /// How many runs were cut short.
    pub cut_short: u64,
    /// How many histories were too hard to judge.
    pub undecided: u64,
    /// How many runs ended in their time, inside the assumption, with a history that is linearizable and nothing
    /// violated.
    pub linearizable: u64,
    /// How many runs were run twice, and compared.
    pub repeated: u64,
    /// In how many runs each mark was reached.
    pub reached: Counts,
    /// What all runs have covered, where they tell.
    pub coverage: Option<Box<Coverage>>,
    /// How many runs went outside the protocol's assumption, and say nothing, by what went outside first.
    pub outside: Counts,
    /// How many of those violated a property, by property: no findings.
    pub outside_violated: Counts,
    /// What all runs injected: the most of what there can be at a time, the sum of what adds up.
    pub account: Account,
    /// How many runs violated a property, by property. Those that went outside the assumption are not
    /// among them, unless they did not come to the same again.
    pub violated: Counts,
    /// The violating runs with the lowest seeds, in order, [`VIOLATIONS_KEPT`] at most.
    pub violations: Vec<Run>,
}

fn add_counts(sum: &mut Counts, more: &Counts) {
    for (name, count) in more {
        *sum.entry(name).or_default() += count;
    }
}

impl Summary {
    /// Takes a run in.
    pub fn add(&mut self, mut run: Run) {
        self.runs += 1;
        self.steps += run.steps;
        self.digest = self.digest.wrapping_add(run.digest);
        self.time = self.time + run.time;
        add_counts(&mut self.events, &run.events);
        add_counts(&mut self.faults, &run.faults);
        add_counts(&mut self.marks, &run.marks);
        add_counts(&mut self.refusals, &run.refusals);
        self.completed += u64::from(run.completed);
        self.open += u64::from(run.open);
        self.not_taken += u64::from(run.not_taken);
        if let Some(recovery) = run.recovery {
            *self.recovery_millis.entry(recovery.0 / 1000).or_default() += 1;
        }
        self.cut_short += u64::from(run.cut_short);
        self.undecided += u64::from(run.undecided);
        if let Some(what) = run.account.outside {
            *self.outside.entry(what).or_default() += 1;
        }
        self.account.add(&run.account);
        let clean = run.violation.is_none() && run.account.is_inside();
        self.linearizable += u64::from(clean && !run.undecided && !run.cut_short);
        self.repeated += u64::from(run.repeated);
        self.cover(run.coverage.take());
        for mark in run.marks.keys() {
            *self.reached.entry(mark).or_default() += 1;
        }
        if let Some(violation) = run.violation.as_ref().filter(|_| !run.is_finding()) {
            *self.outside_violated.entry(violation.property).or_default() += 1;
        } else if let Some(violation) = &run.violation {
            *self.violated.entry(violation.property).or_default() += 1;
            self.violations.push(run);
            self.keep_lowest();
        }
    }

    /// Takes the runs of another summary in.
    pub fn merge(&mut self, other: Summary) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.digest = self.digest.wrapping_add(other.digest);
        self.time = self.time + other.time;
        add_counts(&mut self.events, &other.events);
        add_counts(&mut self.faults, &other.faults);
        add_counts(&mut self.marks, &other.marks);
        add_counts(&mut self.refusals, &other.refusals);
        self.completed += other.completed;
        self.open += other.open;
        self.not_taken += other.not_taken;
        for (millis, runs) in other.recovery_millis {
            *self.recovery_millis.entry(millis).or_default() += runs;
        }
        self.cut_short += other.cut_short;
        self.undecided += other.undecided;
        self.linearizable += other.linearizable;
        self.repeated += other.repeated;
        self.cover(other.coverage);
        add_counts(&mut self.reached, &other.reached);
        add_counts(&mut self.outside, &other.outside);
        add_counts(&mut self.outside_violated, &other.outside_violated);
        self.account.add(&other.account);
        add_counts(&mut self.violated, &other.violated);
        self.violations.extend(other.violations);
        self.keep_lowest();
    }

    fn cover(&mut self, more: Option<Box<Coverage>>) {
        match (&mut self.coverage, more) {
            (Some(coverage), Some(more)) => coverage.merge(*more),
            (coverage @ None, more) => *coverage = more,
            (Some(_), None) => {}
        }
    }

    fn keep_lowest(&mut self) {
        self.violations.sort_by_key(|run| run.seed);
        self.violations.truncate(VIOLATIONS_KEPT);
    }

    /// The time from healing to the first answer that a share of `per_mille` of the runs kept within, in
    /// milliseconds; `None` if no run recovered.
    pub fn recovery_quantile(&self, per_mille: u64) -> Option<u64> {
        let runs: u64 = self.recovery_millis.values().sum();
        let mut left = (runs * per_mille).div_ceil(1000).max(1);
        self.recovery_millis.iter().find_map(|(millis, count)| {
            left = left.saturating_sub(*count);
            (left == 0).then_some(*millis)
        })
    }
}
