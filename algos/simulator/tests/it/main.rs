//! Tests of the crate through its public face.

mod history;
mod simulation;
mod scenario;
mod toy;
mod world;
