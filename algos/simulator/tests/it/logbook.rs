//! A log on one node, with many writes under way at once: what disks lose, it loses.
//!
//! n0 appends what it is asked to, and answers with the length once that is durable; whoever asks the others
//! is sent there. A record is the length after it, so that the log boots from its last record.

use swarm_protocol::{
    Effects, Input, Never, NodeId, OpId, Properties, Protocol, Reply, Service, Specification, Ticks,
    Violation,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Logbook {
    me: NodeId,
    pub(crate) len: u64,
    halted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Append;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    Length(u64),
    Ask(NodeId),
    Later,
}

#[derive(Debug)]
pub(crate) struct Lengths;

impl Specification for Lengths {
    type State = u64;
    type Op = Append;
    type Answer = Answer;

    fn apply(state: &mut u64, _: &Append) -> Answer {
        *state += 1;
        Answer::Length(*state)
    }
}

impl Protocol for Logbook {
    type Config = ();
    type Message = Never;
    type Timer = ();
    type Op = Append;
    type Answer = Answer;
    type Record = u64;
    type Task = Never;
    type Outcome = Never;

    fn recover((): &(), me: NodeId, disk: impl Iterator<Item = u64>, _: &mut Effects<Self>) -> Self {
        Logbook { me, len: disk.last().unwrap_or(0), halted: false }
    }

    fn step(&mut self, (): &(), _: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        match input {
            Input::Invoke { id, .. } if self.me != NodeId(0) => out.answer(id, Answer::Ask(NodeId(0))),
            Input::Invoke { id, .. } if self.halted => out.answer(id, Answer::Later),
            Input::Invoke { id, .. } => self.on_append(id, out),
            Input::DiskFailed(_) => self.halted = true,
            _ => {}
        }
    }
}

impl Logbook {
    fn on_append(&mut self, id: OpId, out: &mut Effects<Self>) {
        self.len += 1;
        let write = out.persist(self.len);
        out.answer_after(write, id, Answer::Length(self.len));
    }
}

impl Service for Logbook {
    type Spec = Lengths;

    fn reply(answer: &Answer) -> Reply<Answer> {
        match answer {
            Answer::Length(_) => Reply::Done(*answer),
            Answer::Ask(node) => Reply::NotTaken(Some(*node)),
            Answer::Later => Reply::NotTaken(None),
        }
    }
}

/// What clients see is all there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Nothing;

impl Properties<Logbook> for Nothing {
    const NAMES: &'static [&'static str] = &[];

    fn after_step(&mut self, (): &(), _: &[Option<&Logbook>], _: NodeId) -> Result<(), Violation> {
        Ok(())
    }

    fn full(&self, (): &(), _: &[Option<&Logbook>]) -> Result<(), Violation> {
        Ok(())
    }
}
