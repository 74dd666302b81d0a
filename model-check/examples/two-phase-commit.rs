//! Two-phase commit, as somebody outside of this workspace would bring it: one `impl Protocol`, one registration.
//!
//! n0 coordinates, the others take part. A transaction puts a value everywhere or nowhere (Gray 1978, §5.8.3.3;
//! abort is presumed, Mohan, Lindsay and Obermarck 1986). Who has voted yes waits for the decision, however long the
//! coordinator is away.
//!
//! `cargo run --release -p model-check --bin two-phase-commit -- verify`, and so on: see `bring-your-own.md`.
//! Verified by the checker with pinned counts, by campaigns and by the fuzzer, in `tests/it/brought.rs`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use model_check::Registered;
use model_check::instance::Pinned;
use swarm_protocol::{
    Delay, Effects, Input, Never, NodeId, NodeSet, OpId, Properties, Protocol, Reply, Service, Specification,
    Stream, Ticks, Violation,
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

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    /// The last transaction that was committed here.
    committed: Put,
    role: Role,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Role {
    Coordinator { begun: Txn, phase: Phase },
    Participant { prepared: Option<Put> },
}

/// What the coordinator is at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    /// Waits for votes; `yes` are in.
    Voting {
        put: Put,
        yes: NodeSet,
        client: OpId,
    },
    /// Has committed, and tells everybody until all have `done` it.
    Committing {
        done: NodeSet,
    },
}

/// What nodes tell each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    /// To participants: can you do this?
    Prepare(Put),
    /// To the coordinator: it is on disk here.
    Yes(Txn),
    /// To the coordinator: no.
    No(Txn),
    /// To participants: it is decided.
    Commit(Txn),
    /// To a participant that waits: it is not.
    Abort(Txn),
    /// To the coordinator: it is done here.
    Done(Txn),
    /// To the coordinator: what became of it?
    Ask(Txn),
}

/// What is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Record {
    /// Coordinator: this number is taken.
    Begun(Txn),
    /// Participant: will do this if told to.
    Prepared(Put),
    /// Coordinator: it is decided. Participant: it is done.
    Committed(Put),
    /// Participant: will not be told to.
    Aborted,
}

/// What clients ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Op {
    /// The value that was put last.
    Get,
    /// Put this value everywhere.
    Put(u8),
}

/// What they are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Answer {
    /// This value is everywhere, or will be.
    Value(u8),
    /// Somebody voted no, or nobody heard.
    Aborted,
    /// Another transaction is under way.
    Busy,
    /// Ask the coordinator.
    NotHere,
}

/// The one timer: what has waited too long is sent again, or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Impatience;

const COORDINATOR: NodeId = NodeId(0);
const PATIENCE: Delay = Delay { min: Ticks::from_millis(30), max: Ticks::from_millis(60) };

/// All that take part, of so many nodes.
fn participants(nodes: u32) -> NodeSet {
    NodeSet::first(nodes).difference([COORDINATOR].into_iter().collect())
}

/// Sends what rests on what was written so far.
fn send(to: NodeId, message: Message, out: &mut Effects<Node>) {
    match out.last_write() {
        Some(write) => out.send_after(write, to, message),
        None => out.send(to, message),
    }
}

/// Answers with what rests on what was written so far.
fn answer(id: OpId, value: u8, out: &mut Effects<Node>) {
    match out.last_write() {
        Some(write) => out.answer_after(write, id, Answer::Value(value)),
        None => out.answer(id, Answer::Value(value)),
    }
}

impl Node {
    fn on_invoke(&mut self, nodes: u32, id: OpId, op: Op, out: &mut Effects<Self>) {
        let Role::Coordinator { begun, phase } = &mut self.role else {
            return out.answer(id, Answer::NotHere);
        };
        match op {
            Op::Get => answer(id, self.committed.value, out),
            Op::Put(value) if *phase == Phase::Idle => {
                *begun += 1;
                // On disk first: a coordinator that came back and gave the number again would commit one value
                // with votes for another.
                out.persist(Record::Begun(*begun));
                let put = Put { txn: *begun, value };
                *phase = Phase::Voting { put, yes: NodeSet::EMPTY, client: id };
                for node in participants(nodes).iter() {
                    send(node, Message::Prepare(put), out);
                }
                out.set_timer(Impatience, PATIENCE);
            }
            Op::Put(_) => out.answer(id, Answer::Busy),
        }
    }

    fn on_prepare(&mut self, put: Put, out: &mut Effects<Self>) {
        let Role::Participant { prepared } = &mut self.role else { return out.refuse("not-to-me") };
        match prepared {
            Some(now) if *now == put => send(COORDINATOR, Message::Yes(put.txn), out),
            Some(_) => out.refuse("another-is-prepared"),
            None if put.txn <= self.committed.txn => out.refuse("of-the-past"),
            None if out.choose("vote", 4) > 0 => {
                *prepared = Some(put);
                out.persist(Record::Prepared(put));
                send(COORDINATOR, Message::Yes(put.txn), out);
                out.set_timer(Impatience, PATIENCE);
            }
            None => {
                out.mark("refused");
                out.send(COORDINATOR, Message::No(put.txn));
            }
        }
    }

    fn on_yes(&mut self, nodes: u32, from: NodeId, txn: Txn, out: &mut Effects<Self>) {
        let Role::Coordinator { phase, .. } = &mut self.role else { return out.refuse("not-to-me") };
        let Phase::Voting { put, yes, client } = phase else { return out.refuse("not-voting") };
        if put.txn != txn {
            return out.refuse("of-the-past");
        }
        yes.insert(from);
        if *yes == participants(nodes) {
            let (put, client) = (*put, *client);
            self.committed = put;
            *phase = Phase::Committing { done: NodeSet::EMPTY };
            out.persist(Record::Committed(put));
            out.mark("committed");
            answer(client, put.value, out);
            self.tell(nodes, out);
        }
    }

    fn on_no(&mut self, txn: Txn, out: &mut Effects<Self>) {
        match &self.role {
            Role::Coordinator { phase: Phase::Voting { put, .. }, .. } if put.txn == txn => self.abort(out),
            _ => out.refuse("not-voting"),
        }
    }

    /// Presumed abort: nothing is written, and who asks is told.
    fn abort(&mut self, out: &mut Effects<Self>) {
        let Role::Coordinator { phase, .. } = &mut self.role else { return };
        if let Phase::Voting { put, client, .. } = phase {
            out.answer(*client, Answer::Aborted);
            out.broadcast(Message::Abort(put.txn));
            out.cancel_timer(Impatience);
            out.mark("aborted");
            *phase = Phase::Idle;
        }
    }

    /// Tells those that have not done it that it is decided.
    fn tell(&self, nodes: u32, out: &mut Effects<Self>) {
        let Role::Coordinator { phase: Phase::Committing { done }, .. } = &self.role else { return };
        for node in participants(nodes).difference(*done).iter() {
            send(node, Message::Commit(self.committed.txn), out);
        }
        out.set_timer(Impatience, PATIENCE);
    }

    fn on_commit(&mut self, txn: Txn, out: &mut Effects<Self>) {
        let Role::Participant { prepared } = &mut self.role else { return out.refuse("not-to-me") };
        match *prepared {
            Some(put) if put.txn == txn => {
                *prepared = None;
                self.committed = put;
                out.persist(Record::Committed(put));
                out.cancel_timer(Impatience);
                send(COORDINATOR, Message::Done(txn), out);
            }
            _ if self.committed.txn == txn => send(COORDINATOR, Message::Done(txn), out),
            _ => out.refuse("of-the-past"),
        }
    }

    fn on_abort(&mut self, txn: Txn, out: &mut Effects<Self>) {
        match &mut self.role {
            Role::Participant { prepared: prepared @ Some(_) }
                if prepared.is_some_and(|put| put.txn == txn) =>
            {
                *prepared = None;
                out.persist(Record::Aborted);
                out.cancel_timer(Impatience);
            }
            _ => out.refuse("of-the-past"),
        }
    }

    fn on_done(&mut self, nodes: u32, from: NodeId, txn: Txn, out: &mut Effects<Self>) {
        let last = self.committed.txn;
        match &mut self.role {
            Role::Coordinator { phase: phase @ Phase::Committing { .. }, .. } if txn == last => {
                let Phase::Committing { done } = phase else { return };
                done.insert(from);
                if *done == participants(nodes) {
                    *phase = Phase::Idle;
                    out.cancel_timer(Impatience);
                }
            }
            _ => out.refuse("of-the-past"),
        }
    }

    fn on_ask(&mut self, from: NodeId, txn: Txn, out: &mut Effects<Self>) {
        let Role::Coordinator { phase, .. } = &self.role else { return out.refuse("not-to-me") };
        match phase {
            Phase::Voting { put, .. } if put.txn == txn => out.refuse("not-decided"),
            _ if txn == self.committed.txn => send(from, Message::Commit(txn), out),
            _ => out.send(from, Message::Abort(txn)),
        }
    }

    fn on_impatience(&mut self, nodes: u32, out: &mut Effects<Self>) {
        match &self.role {
            Role::Coordinator { phase: Phase::Voting { .. }, .. } => self.abort(out),
            Role::Coordinator { phase: Phase::Committing { .. }, .. } => self.tell(nodes, out),
            Role::Participant { prepared: Some(put) } => {
                out.send(COORDINATOR, Message::Ask(put.txn));
                out.set_timer(Impatience, PATIENCE);
            }
            _ => {}
        }
    }
}

impl Protocol for Node {
    type Config = u32; // How many nodes there are.
    type Message = Message;
    type Timer = Impatience;
    type Op = Op;
    type Answer = Answer;
    type Record = Record;
    type Task = Never;
    type Outcome = Never;

    fn recover(nodes: &u32, me: NodeId, disk: impl Iterator<Item = Record>, out: &mut Effects<Self>) -> Self {
        let (mut committed, mut begun, mut prepared) = (Put::default(), 0, None);
        for record in disk {
            match record {
                Record::Begun(txn) => begun = txn,
                Record::Prepared(put) => prepared = Some(put),
                Record::Committed(put) => (committed, prepared) = (put, None),
                Record::Aborted => prepared = None,
            }
        }
        let role = match me {
            // Somebody may not have heard of the last commit. Of what was begun and not committed, nobody will.
            COORDINATOR if committed.txn > 0 => {
                Role::Coordinator { begun, phase: Phase::Committing { done: NodeSet::EMPTY } }
            }
            COORDINATOR => Role::Coordinator { begun, phase: Phase::Idle },
            _ => Role::Participant { prepared },
        };
        let mut node = Node { committed, role };
        node.on_impatience(*nodes, out);
        node
    }

    fn step(&mut self, nodes: &u32, _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        match input {
            Input::Invoke { id, op } => self.on_invoke(*nodes, id, op, out),
            Input::Timeout(Impatience) => self.on_impatience(*nodes, out),
            Input::Message { from, message } => match message {
                Message::Prepare(put) => self.on_prepare(put, out),
                Message::Yes(txn) => self.on_yes(*nodes, from, txn, out),
                Message::No(txn) => self.on_no(txn, out),
                Message::Commit(txn) => self.on_commit(txn, out),
                Message::Abort(txn) => self.on_abort(txn, out),
                Message::Done(txn) => self.on_done(*nodes, from, txn, out),
                Message::Ask(txn) => self.on_ask(from, txn, out),
            },
            _ => {}
        }
    }

    fn needs_flush(&self) -> bool {
        false // Nothing is batched.
    }

    fn compact(records: &mut Vec<Record>) {
        // The last number, the last commit, and what is prepared after it are all that `recover` looks at.
        let last = |wanted: fn(&Record) -> bool| records.iter().rposition(wanted);
        let begun = last(|record| matches!(record, Record::Begun(_)));
        let committed = last(|record| matches!(record, Record::Committed(_)));
        let open = last(|record| !matches!(record, Record::Begun(_)));
        let prepared = open.filter(|place| matches!(records[*place], Record::Prepared(_)));
        let mut place = 0;
        records.retain(|_| {
            place += 1;
            [begun, committed, prepared].contains(&Some(place - 1))
        });
    }
}

/// A register: what is put is got.
#[derive(Debug)]
struct Register;

impl Specification for Register {
    type State = u8;
    type Op = Op;
    type Answer = u8;

    fn apply(value: &mut u8, op: &Op) -> u8 {
        if let Op::Put(new) = op {
            *value = *new;
        }
        *value
    }

    fn is_pure(op: &Op, _: &u8) -> bool {
        *op == Op::Get
    }
}

impl Service for Node {
    type Spec = Register;

    fn reply(answer: &Answer) -> Reply<u8> {
        match answer {
            Answer::Value(value) => Reply::Done(*value),
            Answer::Aborted | Answer::Busy => Reply::NotTaken(None),
            Answer::NotHere => Reply::NotTaken(Some(COORDINATOR)),
        }
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

    fn after_step(&mut self, _: &u32, nodes: &[Option<&Node>], touched: NodeId) -> Result<(), Violation> {
        let Some(node) = nodes[touched.index()] else { return Ok(()) };
        let Put { txn, value } = node.committed;
        if *self.committed.entry(txn).or_insert(value) != value {
            return Err(Violation::new(
                "atomicity",
                format!("{touched} commits {value} in transaction {txn}"),
            ));
        }
        self.full(&0, nodes)
    }

    fn full(&self, _: &u32, nodes: &[Option<&Node>]) -> Result<(), Violation> {
        let newest = nodes.iter().flatten().map(|node| node.committed).max().unwrap_or_default();
        for (node, id) in nodes.iter().zip(0..).filter_map(|(node, id)| Some(((*node)?, NodeId(id)))) {
            // Whoever has not done the newest yet must still be able to: the one before it is done everywhere.
            let able = match &node.role {
                Role::Coordinator { .. } => false,
                Role::Participant { prepared } => *prepared == Some(newest),
            };
            if node.committed != newest && !able {
                let reason = format!("transaction {} is committed, and {id} cannot commit it", newest.txn);
                return Err(Violation::new("atomicity", reason));
            }
        }
        Ok(())
    }
}

impl Registered for Node {
    type Properties = Atomicity;
    const NAME: &'static str = "two-phase-commit";
    const MARKS: &'static [&'static str] = &["committed", "aborted", "refused"];
    const PINNED: Pinned = Pinned { states: 90_650, generated: 357_221, depth: 46 };

    fn config(nodes: u32) -> u32 {
        nodes
    }

    fn operation(draw: &mut Stream) -> Op {
        if draw.below(2) == 0 { Op::Get } else { Op::Put(draw.below(100) as u8) }
    }

    /// Two transactions, a crash at any moment, writes that take their time.
    fn setup() -> Setup<Self> {
        let bounds = Bounds { crashes: 1, in_flight: 2, sync: SyncMode::Whole, ..Bounds::default() };
        let within = |node: &Node| match node.role {
            Role::Coordinator { begun, .. } => begun <= 2,
            Role::Participant { .. } => true,
        };
        Setup::new(3, 3).workload([Op::Put(1), Op::Put(2)]).bounds(bounds).within(within)
    }
}

fn main() -> ExitCode {
    model_check::main::<Node>()
}
