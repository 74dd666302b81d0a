//! Two ways to run a protocol under faults, and what they share.
//!
//! This crate knows no protocol: everything is generic over [`swarm_protocol::Protocol`].

pub mod diagram;
mod event;
mod fingerprint;
pub mod history;
pub mod linearizability;
pub mod panics;
pub mod profile;
mod queue;
pub mod scenario;
mod seen;
pub mod shrink;
pub mod simulation;
mod slot;
mod trace;
pub mod walk;
pub mod world;

pub use event::{Event, EventClass};
pub use fingerprint::hash_of;
pub use slot::{Participant, Slot};
pub use trace::Trace;
pub use world::{Applied, Bounds, NotEnabled, Setup, Subject, World};
