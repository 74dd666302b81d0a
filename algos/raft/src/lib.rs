//! Raft.
mod batch;
mod config;
mod election;
mod kv;
mod log;
mod machine;
mod message;
mod payload;
pub mod properties;
mod record;
mod replication;
mod state;
mod step;
#[cfg(test)]
mod testing;
pub mod wire;

pub use batch::{Entries, Entry, Run};
pub use config::{Config, ConfigError};
pub use kv::{Kv, KvAnswer, KvOp, KvSpec};
pub use log::Log;
pub use machine::Machine;
pub use message::Message;
pub use payload::{Payload, PayloadLog, PayloadSpec};
pub use record::Record;
pub use state::Raft;

use swarm_protocol::NodeId;

/// A number of a term: terms are counted from 1, and 0 is before all of them (Raft §5.1).
pub type Term = u64;

/// A place in the log: entries are counted from 1, and 0 is before all of them (Raft §5.3).
pub type Index = u64;

/// The timers of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// A follower's or candidate's patience (Raft §5.2).
    Election,
    /// A leader's next round of heartbeats.
    Heartbeat,
}

/// What a client is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Answer<A> {
    /// The command is committed and applied, with this result.
    Applied(A),
    /// The command was not taken: this node does not lead. The leader is named if it is known.
    Redirect(Option<NodeId>),
    /// The command was not taken: too many are uncommitted.
    Busy,
}
