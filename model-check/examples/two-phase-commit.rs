//! Two-phase commit, as somebody outside of this workspace would bring it: one `impl Protocol`, one registration.
//!
//! n0 coordinates, the others take part. A transaction puts a value everywhere or nowhere (Gray 1978, §5.8.3.3;
//! abort is presumed, Mohan, Lindsay and Obermarck 1986). Who has voted yes waits for the decision, however long the
//! coordinator is away, and votes again until it is told. Nobody confirms a commit: the next transaction needs
//! everybody's vote, and whoever is asked for it is told what became of the one before.
//!
//! `cargo run --release -p model-check --bin two-phase-commit -- verify`, and so on: see `bring-your-own.md`.
//! Verified by the checker with pinned counts, by campaigns and by the fuzzer, in `tests/it/brought.rs`, which also
//! counts its lines.

use model_check::prelude::*;
use swarm_protocol::prelude::*;

/// A value, and the number of the transaction that puts it. The coordinator never gives a number twice.
type Put = Numbered<u8>;

/// What is on disk, written anew whenever it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Disk {
    /// Coordinator: the last number given.
    begun: u64,
    /// The last transaction that was committed: by the coordinator everywhere, by a participant here.
    committed: Put,
    /// Participant: has voted for this, and will do it if told to.
    prepared: Option<Put>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    me: NodeId,
    disk: Disk,
    /// Coordinator: what is voted on, for whom, and who has said yes.
    vote: Option<(Put, OpId, NodeSet)>,
}

/// What nodes tell each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    /// To participants: can you do this? And which was committed last: of those before, what was not is aborted.
    Prepare(Put, u64),
    /// To the coordinator: whether it can be done, and is on disk here. Yes is said until the decision comes.
    Vote(u64, bool),
    /// To participants: whether it is committed.
    Decided(u64, bool),
}

const COORDINATOR: NodeId = NodeId(0);
const PATIENCE: Delay = Delay { min: Ticks::from_millis(30), max: Ticks::from_millis(60) };

impl Node {
    fn on_invoke(&mut self, id: OpId, op: RegisterOp<u8>, out: &mut Effects<Self>) {
        match op {
            _ if self.me != COORDINATOR => out.answer(id, Reply::NotTaken(Some(COORDINATOR))),
            RegisterOp::Read => out.answer_durably(id, Reply::Done(self.disk.committed.value)),
            RegisterOp::Write(_) if self.vote.is_some() => out.answer(id, Reply::NotTaken(None)),
            RegisterOp::Write(value) => {
                self.disk.begun += 1;
                // On disk first: a coordinator that came back and gave the number again would commit one value
                // with votes for another.
                out.persist(self.disk);
                let put = Put { number: self.disk.begun, value };
                self.vote = Some((put, id, NodeSet::EMPTY));
                out.broadcast_durably(Message::Prepare(put, self.disk.committed.number));
                out.set_timer(Alarm, PATIENCE);
            }
        }
    }

    fn on_prepare(&mut self, put: Put, committed: u64, out: &mut Effects<Self>) {
        if let Some(Put { number, .. }) = self.disk.prepared.filter(|earlier| earlier.number < put.number) {
            self.on_decided(number, number == committed, out);
        }
        let free = self.disk.prepared.is_none() && put.number > self.disk.committed.number;
        if free && out.choose("vote", 4) > 0 {
            self.disk.prepared = Some(put);
            out.persist(self.disk);
            out.set_timer(Alarm, PATIENCE);
        }
        let yes = self.disk.prepared == Some(put);
        out.mark(if yes { "prepared" } else { "refused" });
        out.send_durably(COORDINATOR, Message::Vote(put.number, yes));
    }

    fn on_vote(&mut self, nodes: usize, from: NodeId, number: u64, yes: bool, out: &mut Effects<Self>) {
        // Nobody still asks for one that is older than the last commit: that took everybody's vote.
        let decided = Message::Decided(number, number == self.disk.committed.number);
        match &mut self.vote {
            Some((put, _, votes)) if put.number == number => {
                votes.insert(from);
                if !yes || votes.len() + 1 == nodes {
                    self.decide(yes, out);
                }
            }
            _ if yes => out.send_durably(from, decided),
            _ => out.refuse("of-the-past"),
        }
    }

    /// Ends the vote. Abort is presumed: nothing is written, and who asks is told.
    fn decide(&mut self, commit: bool, out: &mut Effects<Self>) {
        let Some((put, client, _)) = self.vote.take() else { return };
        if commit {
            self.disk.committed = put;
            out.persist(self.disk);
        }
        out.answer_durably(client, if commit { Reply::Done(put.value) } else { Reply::NotTaken(None) });
        out.broadcast_durably(Message::Decided(put.number, commit));
        out.cancel_timer(Alarm);
        out.mark(if commit { "committed" } else { "aborted" });
    }

    fn on_decided(&mut self, number: u64, commit: bool, out: &mut Effects<Self>) {
        if let Some(put) = self.disk.prepared.take_if(|put| put.number == number) {
            if commit {
                self.disk.committed = put;
            }
            out.persist(self.disk);
            out.cancel_timer(Alarm);
        }
    }

    /// A coordinator gives up a vote that takes too long; a participant that waits for a decision votes again.
    fn on_alarm(&mut self, out: &mut Effects<Self>) {
        self.decide(false, out);
        if let Some(put) = self.disk.prepared {
            out.send_durably(COORDINATOR, Message::Vote(put.number, true));
            out.set_timer(Alarm, PATIENCE);
        }
    }
}

impl Protocol for Node {
    type Config = usize; // How many nodes there are.
    type Message = Message;
    type Timer = Alarm;
    type Op = RegisterOp<u8>;
    type Answer = Reply<u8>;
    type Record = Disk;
    type Task = Never;
    type Outcome = Never;
    const LAST_RECORD_ONLY: bool = true;

    fn recover(_: &usize, me: NodeId, disk: impl Iterator<Item = Disk>, out: &mut Effects<Self>) -> Self {
        let mut node = Node { me, disk: disk.last().unwrap_or_default(), vote: None };
        node.on_alarm(out);
        node
    }

    fn step(&mut self, nodes: &usize, _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        match input {
            Input::Invoke { id, op } => self.on_invoke(id, op, out),
            Input::Timeout(Alarm) => self.on_alarm(out),
            Input::Message { from, message } => match message {
                Message::Prepare(put, committed) => self.on_prepare(put, committed, out),
                Message::Vote(number, yes) => self.on_vote(*nodes, from, number, yes, out),
                Message::Decided(number, commit) => self.on_decided(number, commit, out),
            },
            _ => {}
        }
    }
}

// What is registered: what clients are promised, what must hold, what is checked.

swarm_protocol::promise!(Node, Register<u8>);

/// Atomicity: what is committed somewhere is committed everywhere, or can still be.
///
/// It judges moments and remembers nothing: a node that decided otherwise is seen as long as the number is the newest
/// anywhere, and the next one needs the votes of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Atomicity;

impl Properties<Node> for Atomicity {
    const NAMES: &'static [&'static str] = &["atomicity"];

    fn full(&self, _: &usize, nodes: &[Option<&Node>]) -> Result<(), Violation> {
        let nodes = || nodes.iter().copied().flatten();
        let newest = nodes().map(|node| node.disk.committed).max().unwrap_or_default();
        let able = |node: &Node| node.disk.committed == newest || node.disk.prepared == Some(newest);
        let Some(node) = nodes().find(|node| !able(node)) else { return Ok(()) };
        Err(Violation::new("atomicity", format!("{} cannot commit {newest:?}", node.me)))
    }
}

impl Registered for Node {
    type Properties = Atomicity;
    const NAME: &'static str = "two-phase-commit";
    const MARKS: &'static [&'static str] = &["prepared", "refused", "committed", "aborted"];
    const PINNED: Pinned = Pinned { states: 72_281, generated: 275_697, depth: 37 };

    fn config(nodes: u32) -> usize {
        nodes as usize
    }

    /// Two transactions, a crash at any moment, writes that take their time.
    fn setup() -> Setup<Self> {
        let bounds = Bounds { crashes: 1, in_flight: 2, sync: SyncMode::Whole, ..Bounds::default() };
        let workload = [1, 2].map(RegisterOp::Write);
        Setup::new(3, 3).workload(workload).bounds(bounds).within(|node: &Node| node.disk.begun <= 2)
    }
}

model_check::main!(Node);
