//! Tests of the whole crate from outside: rules of the paper, what it leaves open, recovery, and small
//! clusters under random events.

mod allocations;
mod beyond_the_paper;
mod cluster;
mod connectivity;
mod dissertation;
mod flow;
mod loans;
mod membership;
mod metrics;
mod node;
mod paper;
mod random;
mod reads;
mod recovery;
mod scenarios;
mod simulated;
mod snapshots;
mod transfer;
mod witnesses;
