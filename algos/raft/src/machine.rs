//! The state machine that Raft replicates (Raft §2): whatever is deterministic and has commands.
//!
//! Two stand in this crate: [`crate::Kv`], small enough to be model-checked, and
//! [`crate::PayloadLog`], which measures throughput.

use core::fmt::Debug;

use swarm_protocol::{NodeId, NodeSet, Specification};

/// What a client may ask of the cluster instead of its machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Administration {
    /// That these take part from now on (Raft §6).
    Change {
        /// Who votes.
        voters: NodeSet,
        /// Who replicates without a vote.
        learners: NodeSet,
    },
    /// That this voter lead (dissertation §3.10).
    Transfer {
        /// Which one.
        to: NodeId,
    },
}

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

    /// What the command asks of the cluster instead of the machine, and what its client is told once that is
    /// done. By default nothing: every command is for the machine. See [`crate::Managed`].
    fn administration(_command: &Self::Command) -> Option<(Administration, Self::Answer)> {
        None
    }

    /// The answer to a command that changes nothing, as [`Machine::apply`] would give it; `None` for any other.
    /// Such a command need not go through the log ([`crate::Config::reads`]).
    fn read(&self, _command: &Self::Command) -> Option<Self::Answer> {
        None
    }

    /// How large a command is, in bytes: what limits of memory count.
    fn bytes(_command: &Self::Command) -> u64 {
        size_of::<Self::Command>() as u64
    }

    /// Appends the machine's state in bytes, the same for equal machines. Runs inside of a step: costs what the
    /// state does.
    fn save(&self, out: &mut Vec<u8>);

    /// The machine whose state [`Machine::save`] wrote; `None` if these bytes are no such state.
    fn restore(bytes: &[u8]) -> Option<Self>;

    /// What kind of command this is, in a word, for coverage.
    fn kind(_command: &Self::Command) -> &'static str {
        "command"
    }
}
