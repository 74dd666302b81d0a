//! Payloads of the verbs that measure: `compare`, `latency`, `bench`; and of `test`.

use serde::{Deserialize, Serialize};

use super::{Finding, Interval, Metric, Outcome, Quantiles};
use crate::statistics;

/// Whose code a measurement is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// This project's.
    #[default]
    Ours,
    /// A published implementation of the same algorithm.
    Peer,
    /// The smallest program with the same data flow and no protocol.
    Floor,
}

/// What took part in a comparison, at which settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Implementation {
    /// Its name: `swarm-raft`, `raft-rs`, `floor`.
    pub name: String,
    /// Whose it is.
    pub role: Role,
    /// Its version.
    pub version: String,
    /// The settings that matter, as its authors would write them.
    pub settings: String,
}

impl Implementation {
    /// An implementation and its settings.
    pub fn new(role: Role, name: &str, version: &str, settings: &str) -> Self {
        let (name, version, settings) = (name.to_owned(), version.to_owned(), settings.to_owned());
        Implementation { name, role, version, settings }
    }
}

/// Ours, the peers and the floor at the same work, interleaved in one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compare {
    /// The work that each does.
    pub workload: String,
    /// What `samples` count: `commits per CPU-second`. More is better.
    pub unit: String,
    /// One per implementation and workload shape.
    pub measurements: Vec<Measurement>,
    /// What one might look for here and not find, each with its reason.
    pub not_compared: Vec<String>,
}

/// One implementation at one shape of the workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was measured.
    pub implementation: Implementation,
    /// The number of nodes.
    pub nodes: u32,
    /// The size of a command, in bytes.
    pub payload_bytes: u64,
    /// Commands in flight.
    pub window: u64,
    /// One figure per round. Equal positions are neighbours in time: ratios are taken round by round.
    pub samples: Vec<f64>,
    /// Messages sent per committed command.
    pub messages_per_commit: Option<f64>,
    /// Time from proposal to commit, where it was recorded.
    pub latency: Option<Quantiles>,
    /// A digest of the committed commands: unequal digests are never compared.
    pub digest: String,
    /// Whether the answer was verified in the same run.
    pub verified: bool,
}

impl Measurement {
    /// Whether both did the same work and it was verified.
    pub fn comparable(&self, other: &Measurement) -> bool {
        let shape = |m: &Measurement| (m.nodes, m.payload_bytes, m.window);
        let verified = self.verified && other.verified;
        verified && shape(self) == shape(other) && self.digest == other.digest
    }

    /// The ratio self / other, from rounds run side by side, with its interval. None if the two are not
    /// [comparable](Measurement::comparable) or a sample is not positive.
    pub fn ratio(&self, other: &Measurement) -> Option<(f64, Interval)> {
        if !self.comparable(other) {
            return None;
        }
        let pairs = self.samples.iter().zip(&other.samples);
        let ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours / theirs).collect();
        let usable = !ratios.is_empty() && ratios.iter().all(|ratio| ratio.is_finite() && *ratio > 0.0);
        usable.then(|| statistics::median_interval(&ratios))
    }
}

/// Latency under open load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How arrivals are planned: `Poisson, seed 7`.
    pub arrivals: String,
    /// One per implementation and rate.
    pub points: Vec<LoadPoint>,
    /// What one might look for here and not find, each with its reason.
    pub not_compared: Vec<String>,
}

/// One implementation at one offered rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadPoint {
    /// What was measured.
    pub implementation: Implementation,
    /// Operations planned per second.
    pub offered_per_s: f64,
    /// Operations completed per second.
    pub achieved_per_s: f64,
    /// How long the load lasted, in seconds.
    pub seconds: f64,
    /// From the planned time of an operation to its answer: what a user waits.
    pub response: Quantiles,
    /// From the time an operation was really sent to its answer.
    pub service: Quantiles,
    /// How late the generator sent, against its plan.
    pub generator_lag: Quantiles,
    /// The share of operations that the generator sent late by more than its tolerance, 0 to 1.
    pub late_share: f64,
    /// Whether the generator was so late that the figures do not count: more than half of p50 or p99 is its
    /// lateness, or answers are missing.
    pub void: bool,
    /// The interval log beside the artifact.
    pub hlog: Option<String>,
    /// The percentile table beside the artifact.
    pub hgrm: Option<String>,
}

/// Micro-benchmarks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    /// The revision that `against` compares with, where there is one.
    pub base: Option<String>,
    /// One per benchmark.
    pub benchmarks: Vec<Benchmark>,
}

/// One micro-benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// Its name.
    pub name: String,
    /// The figure.
    pub figure: Metric,
    /// Time of this revision / time of the base, with its interval: above 1 is slower.
    pub against: Option<Metric>,
}

/// What the test suite came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// One per stage, in order.
    pub stages: Vec<Stage>,
}

impl Test {
    /// How many checks passed, failed and were not run, over all stages.
    pub fn sums(&self) -> (u64, u64, u64) {
        let sum = |of: fn(&Stage) -> u64| self.stages.iter().map(of).fold(0, u64::saturating_add);
        (sum(|stage| stage.passed), sum(|stage| stage.failed), sum(|stage| stage.skipped))
    }

    /// How the whole ended.
    pub fn outcome(&self) -> Outcome {
        let any = |outcome: &Outcome| self.stages.iter().any(|stage| stage.outcome == *outcome);
        [Outcome::Interrupted, Outcome::Failed].into_iter().find(any).unwrap_or(Outcome::Passed)
    }
}

/// One stage of the test suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Checks that passed: tests, or the stage as one.
    pub passed: u64,
    /// Checks that failed.
    pub failed: u64,
    /// Checks that were not run.
    pub skipped: u64,
    /// Which were not run, and why.
    pub not_run: Option<String>,
    /// Wall-clock time, in seconds.
    pub wall_s: f64,
    /// What it found.
    pub findings: Vec<Finding>,
}
