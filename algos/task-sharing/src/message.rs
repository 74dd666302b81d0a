//! What nodes tell each other.

use core::fmt;

use crate::{Round, Task};

/// What nodes tell each other.
///
/// | message | from | to | answered by |
/// |---|---|---|---|
/// | `Steal` | idle node | another node | `Give` or `Nothing` |
/// | `Nothing` | node with too little | idle node | nothing |
/// | `Give` | node with tasks | another node | `Got` |
/// | `Got` | receiver, once the tasks are on its disk | giver | nothing |
/// | `Token` | node without tasks | the next on the ring | `Token`, at last, to the initiator |
///
/// Loads ride along: `Steal` says that the sender has none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// The sender has nothing to do.
    Steal,
    /// The sender has too little to give any away.
    Nothing {
        /// How many tasks the sender holds.
        load: u32,
    },
    /// These tasks are the receiver's from when they are on its disk.
    Give {
        /// The number of this hand-over between the two: one after the other from 1.
        number: u64,
        /// At least one task, the oldest first.
        tasks: Vec<Task>,
        /// How many tasks the sender holds beside these.
        load: u32,
    },
    /// The hand-over of this number is on the sender's disk, and so are all before it.
    Got {
        /// The number of the hand-over.
        number: u64,
        /// How many tasks the sender holds.
        load: u32,
    },
    /// Goes round the ring (EWD 998).
    Token(Token),
}

/// What a round gathers on its way (EWD 998).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// The number of the round.
    pub round: Round,
    /// The last round that had come back to the initiator when this one began; 0 if none had.
    pub after: Round,
    /// Whether some node that it has passed was not known to be at rest since the round began.
    pub black: bool,
    /// Hand-overs that the nodes which it has passed have begun, less those that they have received.
    pub under_way: i64,
    /// Tasks that clients have submitted to those nodes.
    pub submitted: u64,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Steal => f.write_str("Steal"),
            Message::Nothing { load } => write!(f, "Nothing(load {load})"),
            Message::Give { number, tasks, load } => {
                write!(f, "Give({number}:")?;
                tasks.iter().try_for_each(|task| write!(f, " {task:?}"))?;
                write!(f, " load {load})")
            }
            Message::Got { number, load } => write!(f, "Got({number} load {load})"),
            Message::Token(token) => token.fmt(f),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Token { round, after, black, under_way, submitted } = self;
        let colour = if *black { "black" } else { "white" };
        write!(f, "Token({round} after {after} {colour} {under_way:+} submitted {submitted})")
    }
}
