//! Tests of the crate through its public face.

mod coverage;
mod history;
mod journal;
mod known;
mod ledger;
mod rewound;
mod sampler;
mod scenario;
mod shrink;
mod simulation;
mod toy;
mod world;
