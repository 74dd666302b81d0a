//! The same nodes at full speed.
//!
//! A [`swarm_protocol::Protocol`] is a value that reacts; this crate gives it real lanes, timers, stable
//! storage and threads. It knows no algorithm.

pub mod parking;
pub mod storage;
#[doc(hidden)]
pub mod sync;
pub mod timers;
pub mod wire;
