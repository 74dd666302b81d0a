//! Tests of the whole crate from outside: hand-overs and rounds rule by rule, recovery, every order of events on two
//! nodes, and simulated clusters.

mod hand_over;
mod node;
mod recovery;
mod rounds;
mod simulated;
mod worlds;
