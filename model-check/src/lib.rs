//! The checker and the simulator at work on the algorithms: every order of events within bounds, and long
//! runs under faults.
//!
//! [`swarm_simulator::World`] and [`swarm_simulator::simulation::Simulation`] know no algorithm and no
//! engine. Here they meet both: [`adapter`] makes a world a stateright `Model`, [`search`] runs it within
//! limits, [`engine`] is a search of our own that comes to the same counts, an [`instance`] says what is known
//! of a setup, and one file per algorithm, such as [`raft`], lists its instances and the workload of its
//! [`campaign`]s. The binaries `verify`, `explore` and `simulate` are the command line of it, and leave
//! artifacts.
//!
//! What a search says, and what not:
//! - A closed instance was visited as a whole. A bounded one says to which depth it was; nothing is claimed
//!   beyond. Both are finite: nodes, terms, commands, faults and messages in flight have bounds, which stand
//!   in the artifact.
//! - Visited states are told apart by 64-bit fingerprints; the artifact gives a bound on the chance that two
//!   were taken for one.
//! - Safety by both engines; liveness, in all fair runs within the bounds, by [`engine::lasso`] on instances of its
//!   own ([`liveness`]). Stateright's `eventually` misses cycles, so it is not used. That runs recover after
//!   faults is checked in simulations, too.
//! - Symmetry by the engine of our own, on instances of its own ([`symmetry`]): stateright ignores it breadth first.
//!
//! Verified by `tests/it`; each kind of finding is provoked there.

pub mod actions;
pub mod adapter;
pub mod build;
pub mod calibration;
pub mod campaign;
pub mod decisive;
#[cfg(feature = "algorithms")]
pub mod elections;
pub mod engine;
pub mod etcd_trace;
pub mod explore;
pub mod exported;
pub mod fairness;
pub mod finding;
#[cfg(feature = "algorithms")]
pub mod forgetful;
pub mod instance;
pub mod liveness;
pub mod prelude;
#[cfg(feature = "algorithms")]
pub mod raft;
pub mod registered;
pub mod regression;
pub mod search;
pub mod symmetry;
#[cfg(feature = "algorithms")]
pub mod task_sharing;
pub mod timed;
pub mod verbs;
pub mod yardstick;
pub mod zoo;

pub use registered::{Registered, main};
pub use reports::command_line;

#[doc = include_str!("../bring-your-own.md")]
pub mod bring_your_own {}
