//! The same nodes at full speed.
//!
//! A [`swarm_protocol::Protocol`] is a value that reacts; this crate gives it real lanes, timers, stable
//! storage and threads. It knows no algorithm.

mod counters;
pub mod file;
mod host;
mod loop_driver;
pub mod parking;
pub mod storage;
#[doc(hidden)]
pub mod sync;
#[cfg(not(any(loom, shuttle)))]
pub mod threaded;
pub mod timers;
pub mod wire;

pub use counters::Counters;
pub use host::{Perform, no_tasks};
pub use loop_driver::{LANE_MESSAGES_MAX, Local};
