//! The contract between a protocol and whoever drives it.

use core::fmt::{self, Debug};
use core::hash::Hash;

use crate::{Effects, NodeId, Ticks, WriteId, mix};

/// The name of one client operation. A driver never uses an identifier twice in one run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

impl Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op{}", self.0)
    }
}

/// A type without values, for protocols that submit no tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Never {}

/// The timer of a protocol that needs but one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alarm;

/// One node of a distributed algorithm, as a value that reacts to inputs.
///
/// Rules for implementors, on which every engine relies:
/// - A step depends on `self`, `config`, `now` and `input` alone. No clock, thread, socket, file,
///   logger, hash order or random source; [`Effects::choose`] and timer ranges ask for choices.
/// - [`Protocol::recover`] is the only way to boot, first boot included. What is not in a durable
///   record does not survive a crash.
/// - What depends on a write leaves through [`Effects::send_after`] or [`Effects::answer_after`].
/// - Whoever overrides [`Protocol::flush`] overrides [`Protocol::needs_flush`], too: nobody flushes a node that
///   needs no flush.
/// - No input panics. A message not to act on is refused by name ([`Effects::refuse`]).
/// - Equality and hash cover what influences behaviour: logical content in canonical form, without
///   batch boundaries, counters and write ordinals (see [`crate::Outstanding`]).
///
/// `Clone + Eq + Hash` on top ([`Checkable`]) unlocks checker and fuzzer; without them simulator and
/// runtime still run the type.
pub trait Protocol: Sized + Debug {
    /// What all nodes of a cluster agree on before they start; constant during a run.
    type Config: Debug;
    /// What nodes send each other. Its `Debug` text names it in traces and scenario files: one line,
    /// compact, distinct for distinct messages.
    type Message: Clone + Debug;
    /// Names of timers; setting one that runs restarts it.
    type Timer: Copy + Ord + Hash + Debug;
    /// What clients ask for. Its `Debug` text is what scenario files write.
    type Op: Clone + Debug;
    /// What clients are told.
    type Answer: Clone + Debug;
    /// One unit of stable storage, appended by [`Effects::persist`].
    type Record: Clone + Debug;
    /// Pure heavy work that the host does outside of `step`, such as verifying a signature.
    type Task: Debug;
    /// What a task comes to.
    type Outcome: Debug;

    /// Whether each record holds all that a node has on disk, so that those before it are superfluous: what
    /// [`Protocol::compact`] goes by, unless it is told otherwise.
    const LAST_RECORD_ONLY: bool = false;

    /// Boots a node from its durable records, oldest first: none on the first boot.
    fn recover(
        config: &Self::Config,
        me: NodeId,
        disk: impl Iterator<Item = Self::Record>,
        out: &mut Effects<Self>,
    ) -> Self;

    /// Takes one input. `now` is this node's own clock.
    fn step(&mut self, config: &Self::Config, now: Ticks, input: Input<Self>, out: &mut Effects<Self>);

    /// Called once after a run of inputs, if [`Protocol::needs_flush`]: what was batched leaves here. A driver may
    /// put it off.
    fn flush(&mut self, _config: &Self::Config, _now: Ticks, _out: &mut Effects<Self>) {}

    /// Whether a flush would do anything: no driver flushes a node while this does not hold. The checker may make
    /// a flush that is put off an event of its own, so that `true` for nothing costs states. Unless told otherwise
    /// nothing is batched: a protocol with a `flush` says here when. One that keeps something back and says `false`
    /// breaks the contract; the checker's worlds look for that.
    fn needs_flush(&self) -> bool {
        false
    }

    /// Panics if a condition that must hold inside this node does not.
    fn assert_invariants(&self, _config: &Self::Config) {}

    /// Rewrites durable records as the shortest sequence that [`Protocol::recover`] boots the same node
    /// from. Storage may call it at any time; the checker calls it so that nodes which would boot alike
    /// compare equal. By default the last one, if [`Protocol::LAST_RECORD_ONLY`], else all of them.
    fn compact(records: &mut Vec<Self::Record>) {
        if Self::LAST_RECORD_ONLY {
            records.drain(..records.len().saturating_sub(1));
        }
    }

    // What coverage is counted by. The defaults tell little apart; none of it influences a run.

    /// What kind of message this is, in a word: `Append`.
    fn message_kind(_message: &Self::Message) -> &'static str {
        "message"
    }

    /// What kind of operation this is, in a word: `Put`.
    fn op_kind(_op: &Self::Op) -> &'static str {
        "operation"
    }

    /// What the node is to the others, in a word: `leader`.
    fn role(&self) -> &'static str {
        "node"
    }

    /// What the node is busy with, in a word or two: `writing`.
    fn phase(&self) -> &'static str {
        "up"
    }

    /// The abstract state of a cluster, of which `None` is a node that is down: equal for clusters whose
    /// situation is the same for the protocol, whoever is in which part of it. It should keep what decisions
    /// compare (which of two logs is longer) and forget sizes. By default: how many nodes are in each role
    /// and phase.
    fn abstraction(nodes: &[Option<&Self>]) -> u64 {
        let word = |text: &str| text.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
        let place =
            |node: Option<&Self>| node.map_or(0, |node| mix(word(node.role()) ^ word(node.phase()) << 1));
        // A sum does not see who is who.
        nodes.iter().copied().map(place).fold(0, |sum: u64, place| sum.wrapping_add(mix(place)))
    }
}

/// Everything that can happen to a node.
pub enum Input<P: Protocol> {
    /// A message arrived.
    Message {
        /// Who sent it (as its link says, not as the message claims).
        from: NodeId,
        /// What was sent.
        message: P::Message,
    },
    /// A timer ran out.
    Timeout(P::Timer),
    /// A client asks for an operation.
    Invoke {
        /// The name to answer under.
        id: OpId,
        /// What is asked for.
        op: P::Op,
    },
    /// This write and all before it are durable.
    Persisted(WriteId),
    /// This write, and perhaps some after it, will never be durable. Whatever waited for it is gone.
    DiskFailed(WriteId),
    /// A submitted task is done.
    Done(P::Outcome),
}

impl<P: Protocol> Debug for Input<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Message { from, message } => write!(f, "{message:?} from {from}"),
            Input::Timeout(timer) => write!(f, "timeout {timer:?}"),
            Input::Invoke { id, op } => write!(f, "invoke {id:?} {op:?}"),
            Input::Persisted(write) => write!(f, "persisted {write:?}"),
            Input::DiskFailed(write) => write!(f, "disk failed {write:?}"),
            Input::Done(outcome) => write!(f, "done {outcome:?}"),
        }
    }
}

/// A protocol whose states and messages can be stored, compared and ordered: what the checker needs.
/// Implemented for every type that qualifies.
pub trait Checkable:
    Protocol<
        Message: Ord + Hash,
        Op: Ord + Hash,
        Answer: Ord + Hash,
        Record: Eq + Hash,
        Task: Clone + Ord + Hash,
        Outcome: Clone + Ord + Hash,
    > + Clone
    + Eq
    + Hash
{
}

impl<P> Checkable for P where
    P: Protocol<
            Message: Ord + Hash,
            Op: Ord + Hash,
            Answer: Ord + Hash,
            Record: Eq + Hash,
            Task: Clone + Ord + Hash,
            Outcome: Clone + Ord + Hash,
        > + Clone
        + Eq
        + Hash
{
}
