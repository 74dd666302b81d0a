//! What runs have covered, and how much of what is known to be reachable samplers saw.

use serde::{Deserialize, Serialize};

/// What some simulated runs have covered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// How many runs told.
    pub runs: u64,
    /// Distinct abstract states that they visited.
    pub states: u64,
    /// Of these, how many were visited in one run alone.
    pub states_once: u64,
    /// Whether the two counts are exact, or scaled up from a sample of the states.
    pub states_exact: bool,
    /// Of what one further run visits, the share that no run has visited, as Good and Turing estimate it.
    pub unseen: Option<f64>,
    /// How many new abstract states one further run is expected to visit.
    pub new_per_run: Option<f64>,
    /// How often each fault met a node in each role and phase; what never happened is not listed.
    pub faults: Vec<FaultMet>,
    /// How often a node took a message of one kind right after one of another.
    pub messages: Vec<MessagePair>,
    /// How often operations of clients overlapped, by kinds.
    pub overlaps: Vec<Overlap>,
}

/// A fault that met nodes in a certain situation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultMet {
    /// The fault: `crash`.
    pub fault: String,
    /// The role of the node: `leader`; `down` if it was not up.
    pub role: String,
    /// What it was busy with: `writing`.
    pub phase: String,
    /// How often.
    pub count: u64,
}

/// Two messages that a node took one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagePair {
    /// The kind of the first; `start` where there was none.
    pub before: String,
    /// The kind of the second.
    pub kind: String,
    /// How often.
    pub count: u64,
}

/// Two operations that overlapped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// The kind of the one that was answered first.
    pub first: String,
    /// How it lay to the other: `within` it, or `overtaken by` it.
    pub how: String,
    /// The kind of the other.
    pub other: String,
    /// How often.
    pub count: u64,
}
