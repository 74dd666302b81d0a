//! Two ways to run a protocol under faults, and what they share.
//!
//! This crate knows no protocol: everything is generic over [`swarm_protocol::Protocol`].

mod event;
mod fingerprint;
pub mod history;
pub mod linearizability;
pub mod panics;
mod seen;
mod slot;
pub mod world;

pub use event::{Event, EventClass};
pub use fingerprint::hash_of;
pub use slot::{Participant, Slot};
pub use world::{Applied, Bounds, NotEnabled, Setup, Subject, World};
