//! Everything that can happen to a cluster, as values.
//!
//! One type for checker, simulator, fuzzer, scenario files and reports. An event names what happens by
//! value, never by index, so that a trace survives changes of the code around it, and deleting one event
//! leaves the others as they were. The `Debug` text of an event is its line in a scenario file.
//!
//! Verified by the tests below and by the scenarios, whose lines are these texts.

use core::cmp::Ordering;
use core::fmt::{self, Debug};
use core::hash::{Hash, Hasher};

use swarm_protocol::{NodeId, OpId, Protocol, Rename, Renaming, Symmetric};

use crate::Slot;

/// Something that happens to a cluster of `P`.
///
/// `Clone` and `Debug` need nothing of `P`; comparing and hashing need messages and operations that can
/// be compared and hashed, as those of every checkable protocol can.
///
/// | text | meaning |
/// |---|---|
/// | `deliver n0 n1 M` | the message M from n0 leaves the network and reaches n1 |
/// | `duplicate n0 n1 M` | n1 gets M, and a copy of it stays in flight |
/// | `drop n0 n1 M` | the network loses M |
/// | `timeout n0 T` | the timer T of n0 runs out |
/// | `invoke n0 op1 O` | a client asks n0 for the operation O under the name op1 |
/// | `flush n0` | n0 sends off what it has batched |
/// | `sync n0 2` | the two oldest writes of n0 that were outstanding become durable |
/// | `disk-fail n0` | the outstanding writes of n0 will never become durable |
/// | `crash n0 1` | n0 goes down; of its outstanding writes the oldest one happens to survive |
/// | `restart n0` | n0 boots from its durable records |
/// | `choose 2` | the question that a step has asked is answered with 2 |
/// | `advance n0` | the clock of n0 moves by one step |
pub enum Event<P: Protocol> {
    /// A message leaves the network and is handled.
    Deliver {
        /// Who sent it.
        from: NodeId,
        /// Where it arrives.
        to: Slot,
        /// What was sent.
        message: P::Message,
    },
    /// A message is handled, and a copy of it stays in flight.
    Duplicate {
        /// Who sent it.
        from: NodeId,
        /// Where it arrives.
        to: Slot,
        /// What was sent.
        message: P::Message,
    },
    /// The network loses a message.
    Drop {
        /// Who sent it.
        from: NodeId,
        /// Where it would have arrived.
        to: Slot,
        /// What was sent.
        message: P::Message,
    },
    /// A timer runs out.
    Timeout {
        /// Whose timer.
        at: Slot,
        /// Which timer.
        timer: P::Timer,
    },
    /// A client asks for an operation.
    Invoke {
        /// Whom it asks.
        at: Slot,
        /// The name under which it expects the answer.
        id: OpId,
        /// What it asks for.
        op: P::Op,
    },
    /// What a node has batched leaves.
    Flush {
        /// Which node.
        at: Slot,
    },
    /// The oldest outstanding writes become durable, what waited for them leaves, and the node is told.
    Sync {
        /// Whose disk.
        at: Slot,
        /// How many writes, at least 1.
        writes: u32,
    },
    /// The outstanding writes will never become durable; what waited for them is gone, and the node is
    /// told.
    DiskFail {
        /// Whose disk.
        at: Slot,
    },
    /// A node goes down and loses everything volatile.
    Crash {
        /// Which node.
        at: Slot,
        /// How many of the outstanding writes survive, oldest first: a crash between two writes.
        kept: u32,
    },
    /// A node that is down boots from its durable records.
    Restart {
        /// Which node.
        at: Slot,
    },
    /// Answers the question that the step under way has asked.
    Choose {
        /// The answer.
        answer: u32,
    },
    /// A node's clock moves by one step.
    Advance {
        /// Whose clock.
        at: Slot,
    },
}

/// The kinds of events, for counts and for weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is the event of its name")]
pub enum EventClass {
    Deliver,
    Duplicate,
    Drop,
    Timeout,
    Invoke,
    Flush,
    Sync,
    DiskFail,
    Crash,
    Restart,
    Choose,
    Advance,
}

impl EventClass {
    /// All classes, in the order of their discriminants.
    pub const ALL: [EventClass; 12] = [
        EventClass::Deliver,
        EventClass::Duplicate,
        EventClass::Drop,
        EventClass::Timeout,
        EventClass::Invoke,
        EventClass::Flush,
        EventClass::Sync,
        EventClass::DiskFail,
        EventClass::Crash,
        EventClass::Restart,
        EventClass::Choose,
        EventClass::Advance,
    ];

    /// The word with which the event's line begins.
    pub const fn name(self) -> &'static str {
        match self {
            EventClass::Deliver => "deliver",
            EventClass::Duplicate => "duplicate",
            EventClass::Drop => "drop",
            EventClass::Timeout => "timeout",
            EventClass::Invoke => "invoke",
            EventClass::Flush => "flush",
            EventClass::Sync => "sync",
            EventClass::DiskFail => "disk-fail",
            EventClass::Crash => "crash",
            EventClass::Restart => "restart",
            EventClass::Choose => "choose",
            EventClass::Advance => "advance",
        }
    }
}

/// An event taken apart in one shape, so that comparing and hashing are written once.
type Parts<'a, P> = (
    EventClass,
    Option<Slot>,
    u64,
    Option<<P as Protocol>::Timer>,
    Option<&'a <P as Protocol>::Message>,
    Option<&'a <P as Protocol>::Op>,
);

impl<P: Protocol> Event<P> {
    /// The kind of event.
    pub const fn class(&self) -> EventClass {
        match self {
            Event::Deliver { .. } => EventClass::Deliver,
            Event::Duplicate { .. } => EventClass::Duplicate,
            Event::Drop { .. } => EventClass::Drop,
            Event::Timeout { .. } => EventClass::Timeout,
            Event::Invoke { .. } => EventClass::Invoke,
            Event::Flush { .. } => EventClass::Flush,
            Event::Sync { .. } => EventClass::Sync,
            Event::DiskFail { .. } => EventClass::DiskFail,
            Event::Crash { .. } => EventClass::Crash,
            Event::Restart { .. } => EventClass::Restart,
            Event::Choose { .. } => EventClass::Choose,
            Event::Advance { .. } => EventClass::Advance,
        }
    }

    /// The slot that the event happens at; none for an answer to a choice.
    pub const fn slot(&self) -> Option<Slot> {
        match self {
            Event::Deliver { to: at, .. }
            | Event::Duplicate { to: at, .. }
            | Event::Drop { to: at, .. }
            | Event::Timeout { at, .. }
            | Event::Invoke { at, .. }
            | Event::Flush { at }
            | Event::Sync { at, .. }
            | Event::DiskFail { at }
            | Event::Crash { at, .. }
            | Event::Restart { at }
            | Event::Advance { at } => Some(*at),
            Event::Choose { .. } => None,
        }
    }

    /// Who sent the message that the event is about, if it is about one.
    pub const fn sender(&self) -> Option<NodeId> {
        match self {
            Event::Deliver { from, .. } | Event::Duplicate { from, .. } | Event::Drop { from, .. } => {
                Some(*from)
            }
            _ => None,
        }
    }

    /// The event under other names.
    pub fn renamed(&self, names: &Renaming) -> Self
    where
        P: Symmetric,
    {
        let mut renamed = self.clone();
        match &mut renamed {
            Event::Deliver { from, to, message }
            | Event::Duplicate { from, to, message }
            | Event::Drop { from, to, message } => {
                from.rename(names);
                to.rename(names);
                message.rename(names);
            }
            Event::Timeout { at, timer } => {
                at.rename(names);
                timer.rename(names);
            }
            Event::Invoke { at, .. }
            | Event::Flush { at }
            | Event::Sync { at, .. }
            | Event::DiskFail { at }
            | Event::Crash { at, .. }
            | Event::Restart { at }
            | Event::Advance { at } => at.rename(names),
            Event::Choose { .. } => {}
        }
        renamed
    }

    fn parts(&self) -> Parts<'_, P> {
        let (mut number, mut timer_, mut message_, mut op_) = (0, None, None, None);
        match self {
            Event::Deliver { from, message, .. }
            | Event::Duplicate { from, message, .. }
            | Event::Drop { from, message, .. } => {
                number = u64::from(from.0);
                message_ = Some(message);
            }
            Event::Timeout { timer, .. } => timer_ = Some(*timer),
            Event::Invoke { id, op, .. } => {
                number = id.0;
                op_ = Some(op);
            }
            Event::Sync { writes: count, .. }
            | Event::Crash { kept: count, .. }
            | Event::Choose { answer: count } => number = u64::from(*count),
            Event::Flush { .. } | Event::DiskFail { .. } | Event::Restart { .. } | Event::Advance { .. } => {}
        }
        (self.class(), self.slot(), number, timer_, message_, op_)
    }
}

impl<P: Protocol> Clone for Event<P> {
    fn clone(&self) -> Self {
        match self {
            Event::Deliver { from, to, message } => {
                Event::Deliver { from: *from, to: *to, message: message.clone() }
            }
            Event::Duplicate { from, to, message } => {
                Event::Duplicate { from: *from, to: *to, message: message.clone() }
            }
            Event::Drop { from, to, message } => {
                Event::Drop { from: *from, to: *to, message: message.clone() }
            }
            Event::Timeout { at, timer } => Event::Timeout { at: *at, timer: *timer },
            Event::Invoke { at, id, op } => Event::Invoke { at: *at, id: *id, op: op.clone() },
            Event::Flush { at } => Event::Flush { at: *at },
            Event::Sync { at, writes } => Event::Sync { at: *at, writes: *writes },
            Event::DiskFail { at } => Event::DiskFail { at: *at },
            Event::Crash { at, kept } => Event::Crash { at: *at, kept: *kept },
            Event::Restart { at } => Event::Restart { at: *at },
            Event::Choose { answer } => Event::Choose { answer: *answer },
            Event::Advance { at } => Event::Advance { at: *at },
        }
    }
}

impl<P: Protocol> Debug for Event<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.class().name();
        match self {
            Event::Deliver { from, to, message }
            | Event::Duplicate { from, to, message }
            | Event::Drop { from, to, message } => write!(f, "{name} {from} {to} {message:?}"),
            Event::Timeout { at, timer } => write!(f, "{name} {at} {timer:?}"),
            Event::Invoke { at, id, op } => write!(f, "{name} {at} {id:?} {op:?}"),
            Event::Sync { at, writes: count } | Event::Crash { at, kept: count } => {
                write!(f, "{name} {at} {count}")
            }
            Event::Flush { at } | Event::DiskFail { at } | Event::Restart { at } | Event::Advance { at } => {
                write!(f, "{name} {at}")
            }
            Event::Choose { answer } => write!(f, "{name} {answer}"),
        }
    }
}

impl<P: Protocol<Message: Ord, Op: Ord>> PartialEq for Event<P> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl<P: Protocol<Message: Ord, Op: Ord>> Eq for Event<P> {}

impl<P: Protocol<Message: Ord, Op: Ord>> PartialOrd for Event<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P: Protocol<Message: Ord, Op: Ord>> Ord for Event<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl<P: Protocol<Message: Hash, Op: Hash>> Hash for Event<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}
