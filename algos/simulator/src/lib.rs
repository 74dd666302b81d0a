//! Two ways to run a protocol under faults, and what they share.
//!
//! This crate knows no protocol: everything is generic over [`swarm_protocol::Protocol`].

mod event;
pub mod history;
pub mod linearizability;
mod seen;
mod slot;

pub use event::{Event, EventClass};
pub use slot::{Participant, Slot};
