//! What more threads make of the same work, and how soon they get some.

use serde::{Deserialize, Serialize};

use super::{Implementation, Quantiles};
use crate::statistics;

/// An experiment: pools of several sizes at the same work, interleaved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// How many threads the machine runs at once.
    pub cores: u32,
    /// One per implementation, number of threads and work; those without a pool under one thread.
    pub series: Vec<ScalingSeries>,
    /// How soon work begins on another thread.
    pub sharing: Vec<Sharing>,
    /// What pools cost that have nothing to do.
    pub idle: Vec<Idle>,
    /// What one might look for here and not find, each with its reason.
    pub not_compared: Vec<String>,
}

/// One implementation at one work on one number of threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScalingSeries {
    /// What ran.
    pub implementation: Implementation,
    /// What it did.
    pub work: String,
    /// What `operations` counts: `join`, `node`.
    pub operation: String,
    /// How many operations a run has.
    pub operations: u64,
    /// On how many threads.
    pub threads: u32,
    /// Wall time of each run in nanoseconds, by round.
    pub wall_ns: Vec<f64>,
    /// Wall time of the same work without a pool, in the same rounds.
    pub sequential_ns: Vec<f64>,
}

/// How long it took until work began on another thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sharing {
    /// What ran.
    pub implementation: Implementation,
    /// What the other thread did before: `searching` or `asleep`.
    pub other: String,
    /// How often it did not begin there within the time that it was given.
    pub missed: u64,
    /// How long it took else, in nanoseconds.
    pub latency: Quantiles,
}

/// A pool without work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Idle {
    /// What idled.
    pub implementation: Implementation,
    /// With how many threads.
    pub threads: u32,
    /// CPU time of the process per wall time: 1 is one thread that never rests.
    pub cpu_share: f64,
}

impl ScalingSeries {
    /// How many times as fast as without a pool, round by round, ascending.
    pub fn speedups(&self) -> Vec<f64> {
        let pairs = self.sequential_ns.iter().zip(&self.wall_ns);
        let mut speedups: Vec<f64> =
            pairs.filter(|(_, wall)| **wall > 0.0).map(|(sequential, wall)| sequential / wall).collect();
        speedups.sort_by(f64::total_cmp);
        speedups
    }

    /// Of the speed-ups the one below which this share (0 to 1) lies; none without rounds.
    pub fn speedup(&self, q: f64) -> Option<f64> {
        let speedups = self.speedups();
        (!speedups.is_empty()).then(|| statistics::quantile(&speedups, q))
    }

    /// Nanoseconds of one operation in the run below which this share of all lies; none without rounds.
    pub fn per_operation(&self, q: f64) -> Option<f64> {
        let mut walls = self.wall_ns.clone();
        walls.sort_by(f64::total_cmp);
        let some = !walls.is_empty() && self.operations > 0;
        some.then(|| statistics::quantile(&walls, q) / self.operations as f64)
    }

    /// What an operation takes more than without a pool, in nanoseconds: the median over rounds; none without.
    pub fn overhead(&self) -> Option<f64> {
        let pairs = self.wall_ns.iter().zip(&self.sequential_ns);
        let mut more: Vec<f64> = pairs.map(|(wall, sequential)| wall - sequential).collect();
        more.sort_by(f64::total_cmp);
        let some = !more.is_empty() && self.operations > 0;
        some.then(|| statistics::quantile(&more, 0.5) / self.operations as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speedups_are_taken_round_by_round() {
        let series = ScalingSeries {
            operations: 10,
            wall_ns: vec![50.0, 100.0, 25.0],
            sequential_ns: vec![100.0, 100.0, 100.0],
            ..ScalingSeries::default()
        };
        assert_eq!(series.speedups(), [1.0, 2.0, 4.0]);
        assert_eq!((series.speedup(0.5), series.per_operation(0.5)), (Some(2.0), Some(5.0)));
        assert_eq!(series.overhead(), Some(-5.0));
        let none = ScalingSeries::default();
        assert_eq!((none.speedup(0.5), none.per_operation(0.5), none.overhead()), (None, None, None));
    }
}
