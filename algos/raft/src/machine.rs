//! The state machine that Raft replicates (Raft §2): whatever is deterministic and has commands.
//!
//! Two stand in this crate: [`crate::Kv`], small enough to be model-checked, and
//! [`crate::PayloadLog`], which measures throughput.

use core::fmt::Debug;

use swarm_protocol::Specification;

/// A deterministic state machine: equal machines that apply equal commands stay equal and answer alike.
pub trait Machine: Clone + Default + Debug {
    /// What a client asks for.
    type Command: Clone + Debug;
    /// What the client is told once its command is applied.
    type Answer: Clone + Debug;
    /// The sequential object that clients are promised, written apart from the machine that it judges.
    type Spec: Specification<Op = Self::Command, Answer = Self::Answer>;

    /// Applies one committed command.
    fn apply(&mut self, command: &Self::Command) -> Self::Answer;

    /// What kind of command this is, in a word, for coverage.
    fn kind(_command: &Self::Command) -> &'static str {
        "command"
    }
}
