//! Two-phase commit, as somebody outside of this workspace would bring it: one `impl Protocol`, one registration.
//!
//! n0 coordinates, the others take part. A transaction puts a value everywhere or nowhere (Gray 1978, §5.8.3.3;
//! abort is presumed, Mohan, Lindsay and Obermarck 1986). Who has voted yes waits for the decision, however long the
//! coordinator is away.
//!
//! `cargo run --release -p model-check --bin two-phase-commit -- verify`, and so on: see `bring-your-own.md`.
//! Verified by the checker with pinned counts, by campaigns and by the fuzzer, in `tests/it/brought.rs`, which also
//! counts its lines.

use std::collections::BTreeMap;
use std::process::ExitCode;

use model_check::Registered;
use model_check::instance::Pinned;
use swarm_protocol::objects::{Register, RegisterOp};
use swarm_protocol::{
    Delay, Effects, Input, Never, NodeId, NodeSet, OpId, Properties, Protocol, Reply, Service, Stream, Ticks,
    Violation,
};
use swarm_simulator::world::SyncMode;
use swarm_simulator::{Bounds, Setup};

/// The number of a transaction. The coordinator never gives one twice.
type Txn = u64;

/// A value, and the transaction that puts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Put {
    txn: Txn,
    value: u8,
}

/// What is on disk, written anew whenever it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Disk {
    /// Coordinator: the last number given.
    begun: Txn,
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
    phase: Phase,
}

/// What the coordinator is at. Participants are idle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    /// Waits for votes: on what, for whom, and who has said yes.
    Voting(Put, OpId, NodeSet),
    /// Has committed, and tells everybody until all have done it: who has.
    Committing(NodeSet),
}

/// What nodes tell each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    /// To participants: can you do this?
    Prepare(Put),
    /// To the coordinator: whether it can be done, and is on disk here.
    Vote(Txn, bool),
    /// To participants: whether it is committed.
    Decided(Txn, bool),
    /// To the coordinator: it is done here.
    Done(Txn),
    /// To the coordinator: what became of it?
    Ask(Txn),
}

/// The one timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Impatience;

const COORDINATOR: NodeId = NodeId(0);
const PATIENCE: Delay = Delay { min: Ticks::from_millis(30), max: Ticks::from_millis(60) };

impl Node {
    fn on_invoke(&mut self, id: OpId, op: RegisterOp<u8>, out: &mut Effects<Self>) {
        match op {
            _ if self.me != COORDINATOR => out.answer(id, Reply::NotTaken(Some(COORDINATOR))),
            RegisterOp::Read => out.answer_durably(id, Reply::Done(self.disk.committed.value)),
            RegisterOp::Write(_) if self.phase != Phase::Idle => out.answer(id, Reply::NotTaken(None)),
            RegisterOp::Write(value) => {
                self.disk.begun += 1;
                // On disk first: a coordinator that came back and gave the number again would commit one value
                // with votes for another.
                out.persist(self.disk);
                let put = Put { txn: self.disk.begun, value };
                self.phase = Phase::Voting(put, id, NodeSet::EMPTY);
                out.broadcast_durably(Message::Prepare(put));
                out.set_timer(Impatience, PATIENCE);
            }
        }
    }

    fn on_prepare(&mut self, put: Put, out: &mut Effects<Self>) {
        let Disk { committed, prepared, .. } = self.disk;
        if prepared.is_none() && put.txn > committed.txn && out.choose("vote", 4) > 0 {
            self.disk.prepared = Some(put);
            out.persist(self.disk);
            out.set_timer(Impatience, PATIENCE);
        }
        let yes = self.disk.prepared == Some(put);
        out.mark(if yes { "prepared" } else { "refused" });
        out.send_durably(COORDINATOR, Message::Vote(put.txn, yes));
    }

    fn on_vote(&mut self, nodes: usize, from: NodeId, txn: Txn, yes: bool, out: &mut Effects<Self>) {
        match &mut self.phase {
            Phase::Voting(put, client, votes) if put.txn == txn && yes => {
                votes.insert(from);
                if votes.len() + 1 == nodes {
                    self.disk.committed = *put;
                    out.persist(self.disk);
                    out.answer_durably(*client, Reply::Done(put.value));
                    out.mark("committed");
                    self.phase = Phase::Committing(NodeSet::EMPTY);
                    self.on_impatience(out);
                }
            }
            &mut Phase::Voting(put, client, _) if put.txn == txn => self.abort(txn, client, out),
            _ => out.refuse("of-the-past"),
        }
    }

    /// Abort is presumed: nothing is written, and who asks is told.
    fn abort(&mut self, txn: Txn, client: OpId, out: &mut Effects<Self>) {
        self.phase = Phase::Idle;
        out.answer(client, Reply::NotTaken(None));
        out.broadcast(Message::Decided(txn, false));
        out.cancel_timer(Impatience);
        out.mark("aborted");
    }

    fn on_decided(&mut self, txn: Txn, commit: bool, out: &mut Effects<Self>) {
        if let Some(put) = self.disk.prepared.take_if(|put| put.txn == txn) {
            if commit {
                self.disk.committed = put;
            }
            out.persist(self.disk);
            out.cancel_timer(Impatience);
        }
        if self.disk.committed.txn == txn {
            out.send_durably(COORDINATOR, Message::Done(txn));
        }
    }

    fn on_done(&mut self, nodes: usize, from: NodeId, txn: Txn, out: &mut Effects<Self>) {
        match &mut self.phase {
            Phase::Committing(done) if txn == self.disk.committed.txn => {
                done.insert(from);
                if done.len() + 1 == nodes {
                    self.phase = Phase::Idle;
                    out.cancel_timer(Impatience);
                }
            }
            _ => out.refuse("of-the-past"),
        }
    }

    fn on_ask(&self, from: NodeId, txn: Txn, out: &mut Effects<Self>) {
        match self.phase {
            Phase::Voting(put, ..) if put.txn == txn => out.refuse("not-decided"),
            _ => out.send_durably(from, Message::Decided(txn, txn == self.disk.committed.txn)),
        }
    }

    /// What has waited too long is given up, or sent again.
    fn on_impatience(&mut self, out: &mut Effects<Self>) {
        match (&self.phase, self.disk.prepared) {
            (Phase::Idle, None) => return,
            (Phase::Voting(put, client, _), _) => return self.abort(put.txn, *client, out),
            (Phase::Committing(_), _) => {
                out.broadcast_durably(Message::Decided(self.disk.committed.txn, true));
            }
            (Phase::Idle, Some(put)) => out.send(COORDINATOR, Message::Ask(put.txn)),
        }
        out.set_timer(Impatience, PATIENCE);
    }
}

impl Protocol for Node {
    type Config = usize; // How many nodes there are.
    type Message = Message;
    type Timer = Impatience;
    type Op = RegisterOp<u8>;
    type Answer = Reply<u8>;
    type Record = Disk;
    type Task = Never;
    type Outcome = Never;

    fn recover(_: &usize, me: NodeId, disk: impl Iterator<Item = Disk>, out: &mut Effects<Self>) -> Self {
        let disk = disk.last().unwrap_or_default();
        // Somebody may not have heard of the last commit. Of what was begun and not committed, nobody will.
        let phase = match me {
            COORDINATOR if disk.committed.txn > 0 => Phase::Committing(NodeSet::EMPTY),
            _ => Phase::Idle,
        };
        let mut node = Node { me, disk, phase };
        node.on_impatience(out);
        node
    }

    fn step(&mut self, nodes: &usize, _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        match input {
            Input::Invoke { id, op } => self.on_invoke(id, op, out),
            Input::Timeout(Impatience) => self.on_impatience(out),
            Input::Message { from, message } => match message {
                Message::Prepare(put) => self.on_prepare(put, out),
                Message::Vote(txn, yes) => self.on_vote(*nodes, from, txn, yes, out),
                Message::Decided(txn, commit) => self.on_decided(txn, commit, out),
                Message::Done(txn) => self.on_done(*nodes, from, txn, out),
                Message::Ask(txn) => self.on_ask(from, txn, out),
            },
            _ => {}
        }
    }

    fn needs_flush(&self) -> bool {
        false // Nothing is batched.
    }

    fn compact(records: &mut Vec<Disk>) {
        records.drain(..records.len().saturating_sub(1));
    }
}

// What is registered: what clients are promised, what must hold, what is checked.

/// What is written is read.
impl Service for Node {
    type Spec = Register<u8>;

    fn reply(answer: &Reply<u8>) -> Reply<u8> {
        answer.clone()
    }
}

/// Atomicity: a transaction is committed nowhere with a value of another, and only once every participant has
/// voted for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Atomicity {
    /// What was committed, by number.
    committed: BTreeMap<Txn, u8>,
}

impl Properties<Node> for Atomicity {
    const NAMES: &'static [&'static str] = &["atomicity"];

    fn after_step(&mut self, _: &usize, nodes: &[Option<&Node>], touched: NodeId) -> Result<(), Violation> {
        let Some(node) = nodes[touched.index()] else { return Ok(()) };
        let Put { txn, value } = node.disk.committed;
        if *self.committed.entry(txn).or_insert(value) != value {
            let reason = format!("{touched} commits {value} in transaction {txn}");
            return Err(Violation::new("atomicity", reason));
        }
        self.full(&0, nodes)
    }

    fn full(&self, _: &usize, nodes: &[Option<&Node>]) -> Result<(), Violation> {
        let newest = nodes.iter().flatten().map(|node| node.disk.committed).max().unwrap_or_default();
        for Node { me, disk, .. } in nodes.iter().copied().flatten() {
            // Whoever has not done the newest yet must still be able to: the one before it is done everywhere.
            if disk.committed != newest && disk.prepared != Some(newest) {
                let reason = format!("transaction {} is committed, and {me} cannot commit it", newest.txn);
                return Err(Violation::new("atomicity", reason));
            }
        }
        Ok(())
    }
}

impl Registered for Node {
    type Properties = Atomicity;
    const NAME: &'static str = "two-phase-commit";
    const MARKS: &'static [&'static str] = &["prepared", "refused", "committed", "aborted"];
    const PINNED: Pinned = Pinned { states: 146_643, generated: 598_960, depth: 45 };

    fn config(nodes: u32) -> usize {
        nodes as usize
    }

    fn operation(draw: &mut Stream) -> RegisterOp<u8> {
        RegisterOp::draw(draw)
    }

    /// Two transactions, a crash at any moment, writes that take their time.
    fn setup() -> Setup<Self> {
        let bounds = Bounds { crashes: 1, in_flight: 2, sync: SyncMode::Whole, ..Bounds::default() };
        let workload = [RegisterOp::Write(1), RegisterOp::Write(2)];
        Setup::new(3, 3).workload(workload).bounds(bounds).within(|node: &Node| node.disk.begun <= 2)
    }
}

fn main() -> ExitCode {
    model_check::main::<Node>()
}
