//! The artifact format: one JSON document per run of a verb.
//!
//! The envelope ([`Artifact`]) is the same for all; what came out is a [`Payload`], one type per verb. Fields
//! are plain, public and required: what may be absent is an `Option`, so that a report shows a gap and never
//! an invented zero. [`SCHEMA`] grows with every change that an older reader would misread.
//!
//! Verified by round trips of random values and by hand-broken files in `tests/it`.

mod calibration;
mod checks;
mod coverage;
mod decisive;
mod elections;
mod measures;
mod opinions;
mod scaling;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::calibration::{CalibratedInstance, CalibratedSampler, Calibration, CalibrationPoint, Seen};
pub use self::checks::{
    Action, Atlas, Bug, Detection, Footprint, Fuzz, FuzzRun, Injected, Instance, Interleavings, Near,
    PropertyKind, PropertyResult, RankedSampler, SamplerHunt, Simulate, Verify, Zoo,
};
pub use self::coverage::{Coverage, FaultMet, MessagePair, Overlap};
pub use self::decisive::{Decisive, Rewound};
pub use self::elections::{ElectionClaim, ElectionRange, Elections, PublishedPoint};
pub use self::measures::{
    Bench, Benchmark, Compare, Implementation, Latency, LoadPoint, Measurement, Role, Stage, Test,
};
pub use self::opinions::{ComparedModel, ComparedPromise, Opinions};
pub use self::scaling::{Idle, Scaling, ScalingSeries, Sharing};
use crate::machine::{Conditions, Fingerprint};
use crate::statistics;

/// The version of the format that this build writes, and the only one that it reads.
pub const SCHEMA: u32 = 2;

/// One run of one verb.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// What was done. It names the folder of the file.
    pub verb: Verb,
    /// The algorithm's folder name (`raft`), or the part of the harness that this is about (`scenario`).
    pub algorithm: String,
    /// What it was done to; it names the file. Lower-case letters, digits and dashes.
    pub subject: String,
    /// A line for people.
    pub title: String,
    /// The commit that ran, in full, or `unknown` where git could not tell.
    pub revision: String,
    /// Whether the checkout differed from the commit; true also where git could not tell.
    pub dirty: bool,
    /// Where it ran.
    pub machine: Fingerprint,
    /// How busy that machine was.
    pub conditions: Conditions,
    /// The exact command that a reader types to repeat it.
    pub command: String,
    /// When it began: RFC 3339, UTC, whole seconds.
    pub started: String,
    /// How long it took, in seconds of wall-clock time.
    pub duration_s: f64,
    /// The CPU time that the process used, in seconds, where the system tells.
    pub cpu_s: Option<f64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Settings that the command line or the defaults gave.
    pub parameters: BTreeMap<String, String>,
    /// Which part of a sharded campaign this is.
    pub shard: Option<Shard>,
    /// What came out.
    pub payload: Payload,
    /// Figures beyond the payload.
    pub metrics: Vec<Metric>,
    /// What was found broken. Empty unless `outcome` is `Failed` or `Interrupted`.
    pub findings: Vec<Finding>,
}

/// The verbs that leave artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Model checks and concurrency checks.
    Verify,
    /// Fault-injecting simulation.
    Simulate,
    /// The bug zoo.
    Zoo,
    /// Fuzzing.
    Fuzz,
    /// Ours against peers.
    Compare,
    /// Open-loop latency.
    Latency,
    /// Micro-benchmarks.
    Bench,
    /// The test suite.
    Test,
}

impl Verb {
    /// All verbs, in the order of a report.
    pub const ALL: [Verb; 8] = [
        Verb::Verify,
        Verb::Simulate,
        Verb::Zoo,
        Verb::Fuzz,
        Verb::Compare,
        Verb::Latency,
        Verb::Bench,
        Verb::Test,
    ];

    /// The word on the command line, which is also the folder name.
    pub const fn name(self) -> &'static str {
        match self {
            Verb::Verify => "verify",
            Verb::Simulate => "simulate",
            Verb::Zoo => "zoo",
            Verb::Fuzz => "fuzz",
            Verb::Compare => "compare",
            Verb::Latency => "latency",
            Verb::Bench => "bench",
            Verb::Test => "test",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All that was asked for was done, and nothing was found.
    Passed,
    /// Something was found: the artifact's findings say what.
    Failed,
    /// Stopped from outside. What the payload says holds for the part that ran.
    Interrupted,
    /// Not run.
    Skipped {
        /// What was missing.
        reason: String,
    },
}

impl Outcome {
    /// The word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Interrupted => "interrupted",
            Outcome::Skipped { .. } => "skipped",
        }
    }
}

/// Part `index` of `count` of a campaign, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which part: 1 to `count`.
    pub index: u32,
    /// How many parts there are.
    pub count: u32,
}

/// What came out of a run, by verb.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::large_enum_variant,
    reason = "there are a handful of payloads, each in an artifact of its own"
)]
pub enum Payload {
    /// Of `verify`.
    Verify(Verify),
    /// Of `verify` too, where it calibrates samplers.
    Calibration(Calibration),
    /// Of `verify` too, where it compares engines on small models.
    Opinions(Opinions),
    /// Of `simulate`.
    Simulate(Simulate),
    /// Of `simulate` too, where it rewinds one failing run.
    Decisive(Decisive),
    /// Of `simulate` too, where leaders crash and the time to the next is measured.
    Elections(Elections),
    /// Of `zoo`.
    Zoo(Zoo),
    /// Of `fuzz`.
    Fuzz(Fuzz),
    /// Of `compare`.
    Compare(Compare),
    /// Of `compare` too, where threads are what is compared.
    Scaling(Scaling),
    /// Of `latency`.
    Latency(Latency),
    /// Of `bench`.
    Bench(Bench),
    /// Of `test`.
    Test(Test),
}

impl Payload {
    /// The verb that leaves this payload.
    pub const fn verb(&self) -> Verb {
        match self {
            Payload::Verify(_) | Payload::Calibration(_) | Payload::Opinions(_) => Verb::Verify,
            Payload::Simulate(_) | Payload::Decisive(_) | Payload::Elections(_) => Verb::Simulate,
            Payload::Zoo(_) => Verb::Zoo,
            Payload::Fuzz(_) => Verb::Fuzz,
            Payload::Compare(_) | Payload::Scaling(_) => Verb::Compare,
            Payload::Latency(_) => Verb::Latency,
            Payload::Bench(_) => Verb::Bench,
            Payload::Test(_) => Verb::Test,
        }
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// What it is, in words.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Its unit, spelled out where it is not obvious: `states per CPU-second`, `ns`.
    pub unit: String,
    /// Where the true value lies. Measured figures have one; counts have none.
    pub interval: Option<Interval>,
    /// The raw samples that `value` and `interval` were computed from.
    pub samples: Vec<f64>,
    /// A file beside the artifact that holds more samples than belong here.
    pub file: Option<String>,
}

impl Metric {
    /// A figure that was counted, not measured: it has no interval.
    pub fn counted(name: &str, value: f64, unit: &str) -> Self {
        let (name, unit) = (name.to_owned(), unit.to_owned());
        Metric { name, value, unit, interval: None, samples: Vec::new(), file: None }
    }

    /// A measured figure: the median of `samples` with its bootstrap interval at
    /// [`statistics::CONFIDENCE`].
    ///
    /// # Panics
    /// If `samples` is empty or holds a value that is not finite.
    pub fn measured(name: &str, unit: &str, samples: Vec<f64>) -> Self {
        let (value, interval) = statistics::median_interval(&samples);
        Metric { interval: Some(interval), samples, ..Metric::counted(name, value, unit) }
    }
}

/// A range that covers the true value with the given confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How often such a range covers the true value, 0 to 1.
    pub confidence: f64,
}

/// Something found broken, or a way that a known bug shows itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The property that does not hold.
    pub property: String,
    /// What was seen, in a line or two.
    pub detail: String,
    /// The shortest execution found, as a scenario file.
    pub scenario: Option<String>,
    /// The same as a Mermaid sequence diagram.
    pub diagram: Option<String>,
    /// The one command that shows it again.
    pub replay: Option<String>,
    /// The same as a log with vector clocks, as ShiViz reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shiviz: Option<String>,
    /// The same as JSON, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The source of a test that fails while it is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// What clients saw, as SVG, where that is what is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

impl Finding {
    /// A finding without scenario, diagram and command; set those that exist.
    pub fn new(property: &str, detail: impl fmt::Display) -> Self {
        Finding { property: property.to_owned(), detail: detail.to_string(), ..Finding::default() }
    }
}

/// A distribution by some of its quantiles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The unit of the values: `ns`, `ticks`.
    pub unit: String,
    /// How many values were recorded.
    pub count: u64,
    /// Ascending in `q`.
    pub points: Vec<Quantile>,
}

/// How many values lie from `from` up to, and not including, `to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// The least value.
    pub from: f64,
    /// The end.
    pub to: f64,
    /// How many values.
    pub count: u64,
}

impl Bin {
    /// Counts whole values into bins whose width grows with what they hold, by about a fifth.
    pub fn growing(values: impl IntoIterator<Item = (u64, u64)>) -> Vec<Bin> {
        let mut bins: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for (value, count) in values {
            let (mut from, mut to) = (0u64, 1u64);
            while value >= to && to < u64::MAX {
                from = to;
                to = to.saturating_add((to / 5).max(1));
            }
            let bin = bins.entry(from).or_insert((to, 0));
            bin.1 = bin.1.saturating_add(count);
        }
        let bin = |(from, (to, count)): (u64, (u64, u64))| Bin { from: from as f64, to: to as f64, count };
        bins.into_iter().map(bin).collect()
    }
}

/// One point of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// The share of values at or below `value`, 0 to 1.
    pub q: f64,
    /// The value.
    pub value: f64,
}

impl Quantiles {
    /// The points that reports show: enough for a smooth curve on an axis of nines.
    pub const LADDER: [f64; 20] = [
        0.0, 0.1, 0.25, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995,
        0.9999, 0.999_95, 0.999_99, 1.0,
    ];

    /// Takes [`Quantiles::LADDER`] from a histogram of `count` values, given as a function from share to value.
    /// Points that fewer than one value lies beyond are left out, but for the maximum.
    pub fn of(unit: &str, count: u64, mut value_at: impl FnMut(f64) -> f64) -> Self {
        let resolved = |q: f64| q >= 1.0 || (1.0 - q) * count as f64 >= 1.0;
        let ladder = Self::LADDER.into_iter().filter(|q| count > 0 && resolved(*q));
        let points = ladder.map(|q| Quantile { q, value: value_at(q) }).collect();
        Quantiles { unit: unit.to_owned(), count, points }
    }

    /// The value at exactly this share, if it was recorded.
    pub fn at(&self, q: f64) -> Option<f64> {
        self.points.iter().find(|point| (point.q - q).abs() < 1e-9).map(|point| point.value)
    }
}
