//! What clients ask for, and what they are promised.
//!
//! Submissions count up, and whoever asks for the end of all work is told the count at a moment between question and
//! answer at which all tasks were done: a linearizable counter. So a history shows submissions that were acknowledged
//! and lost, and an end that was told too early.

use core::str::FromStr;

use swarm_protocol::{Drawn, NodeId, Reply, Service, Specification, Stream};

use crate::{Node, TaskId};

/// What clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// That a task of this size be done some day, wherever.
    Submit(u8),
    /// To be told when all is done, whoever submitted it.
    Finish,
}

impl FromStr for Op {
    type Err = String;

    /// Reads what `Debug` prints.
    fn from_str(text: &str) -> Result<Self, String> {
        let size = |text: &str| text.strip_prefix("Submit(")?.strip_suffix(')')?.parse().ok();
        match text {
            "Finish" => Ok(Op::Finish),
            _ => size(text)
                .map(Op::Submit)
                .ok_or_else(|| format!("`{text}` is not an operation: Submit(size), Finish")),
        }
    }
}

/// What clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// The task is on disk under this name, and will be completed.
    Taken(TaskId),
    /// At a moment after the question so many tasks had been submitted, and all of them, with all that they had spawned,
    /// were completed.
    Finished {
        /// How many.
        submitted: u64,
    },
    /// This node has too much on its hands. Who is known to have less is named.
    Full(Option<NodeId>),
    /// Only this node knows.
    Ask(NodeId),
}

/// The object that clients are promised: a counter.
#[derive(Clone, Copy, Debug)]
pub struct Tally;

/// What an operation returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    /// It will be done.
    Taken,
    /// So many were submitted, and all is done.
    Finished(u64),
}

impl Specification for Tally {
    type State = u64;
    type Op = Op;
    type Answer = Told;

    fn apply(submitted: &mut u64, op: &Op) -> Told {
        match op {
            Op::Submit(_) => {
                *submitted += 1;
                Told::Taken
            }
            Op::Finish => Told::Finished(*submitted),
        }
    }

    fn is_pure(op: &Op, _answer: &Told) -> bool {
        matches!(op, Op::Finish)
    }
}

impl Service for Node {
    type Spec = Tally;

    fn reply(answer: &Answer) -> Reply<Told> {
        match answer {
            Answer::Taken(_) => Reply::Done(Told::Taken),
            Answer::Finished { submitted } => Reply::Done(Told::Finished(*submitted)),
            Answer::Full(better) => Reply::NotTaken(*better),
            Answer::Ask(node) => Reply::NotTaken(Some(*node)),
        }
    }
}

/// Mostly tasks, most of them small.
impl Drawn for Op {
    fn draw(stream: &mut Stream) -> Self {
        match stream.below(4) {
            0 => Op::Finish,
            _ => Op::Submit(stream.below(4) as u8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_as_they_are_printed() {
        for op in [Op::Submit(0), Op::Submit(255), Op::Finish] {
            assert_eq!(format!("{op:?}").parse(), Ok(op));
        }
        for text in ["", "Submit", "Submit()", "Submit(256)", "Submit(1", "finish", "Finish()"] {
            let refused = text.parse::<Op>().expect_err(text);
            assert!(refused.contains("is not an operation"), "{refused}");
        }
    }
}
