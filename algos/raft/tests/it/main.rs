//! Tests of the whole crate from outside: rules of the paper, recovery, and small clusters.

mod cluster;
mod node;
mod paper;
