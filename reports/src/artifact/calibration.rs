//! How much of what can be reached each sampler saw, where all that can be reached is known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What samplers saw of instances that are small enough to be searched as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// One per instance, the smallest first.
    pub instances: Vec<CalibratedInstance>,
    /// The instances that were left out, with the reason.
    pub left_out: BTreeMap<String, String>,
}

/// One instance, searched as a whole and then walked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibratedInstance {
    /// Its name.
    pub name: String,
    /// What bounds it.
    pub bounds: BTreeMap<String, String>,
    /// Distinct states that can be reached: all of them.
    pub states: u64,
    /// Distinct abstract states among them.
    pub abstract_states: u64,
    /// The depth of the deepest state.
    pub depth: u32,
    /// How many events a walk has at most.
    pub walk_events: u32,
    /// Distinct states that walks met and the search had not: there should be none.
    pub strangers: u64,
    /// One per sampler.
    pub samplers: Vec<CalibratedSampler>,
}

/// What one sampler saw of an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibratedSampler {
    /// Its name.
    pub sampler: String,
    /// Whether walks use it where nobody chooses.
    pub default: bool,
    /// One per budget, ascending.
    pub points: Vec<CalibrationPoint>,
}

/// What was seen within a budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationPoint {
    /// The budget: events that walks picked; the walk that reaches it is ended.
    pub events: u64,
    /// Of the states.
    pub states: Seen,
    /// Of the abstract states.
    pub abstract_states: Seen,
}

/// Shares, 0 to 1, one per seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Of all that can be reached, what was seen.
    pub share: Vec<f64>,
    /// Of what one further walk visits, what no walk has visited, as Good and Turing estimate it.
    pub claimed: Vec<f64>,
    /// The same, as it came true in walks that followed; in the order of `claimed`.
    pub came_true: Vec<f64>,
}
