//! One node that shares tasks, under bytes from outside: what a transport hands to its decoders, and what messages
//! that anybody may have made do to it.
//!
//! The first byte chooses one of four ways to read the others:
//!
//! | way | the rest is | what must hold |
//! |---|---|---|
//! | raw | a message, a record, an operation, an answer | what decodes has exactly these bytes |
//! | stream | messages one behind the other, as on a link | as raw, and the node that gets them keeps its promises |
//! | made | choices of which messages are made | as stream |
//! | disk | choices of which records are made | a node boots from them, and alike from their compacted form |
//!
//! A message may say what no correct node would, so that agreement between nodes is not judged here (see
//! [`crate::task_sharing_schedule`]). But whatever is said, a node does not panic and keeps its invariants, what its records
//! come to is what it holds, it forgets no task that is neither completed nor acknowledged by who took it, and its numbers
//! of hand-overs and rounds never go back.
//!
//! Verified by `tests/it/task_sharing.rs`: every message and every refusal is reached, and a node that forgets is seen.

use std::sync::LazyLock;

use swarm_protocol::{Choices, Effect, Effects, Input, NodeId, OpId, Protocol, Ticks};
use swarm_task_sharing::wire::Wire as _;
use swarm_task_sharing::{
    Answer, Config, Disk, Given, Message, Node, Op, Record, Task, TaskId, Timer, Token, split,
};

use crate::raft_message::{canonical, encoded};
use crate::source::Source;

/// The most messages or records of one input: what lies beyond is not read.
const STEPS_MAX: usize = 48;
/// How many nodes there are.
const NODES: u32 = 3;

/// Does what the first byte says with the others.
///
/// # Panics
/// If one of the rules above does not hold.
pub fn run(data: &[u8]) {
    examine(data);
}

/// As [`run`]; returns the marks and refusals of the nodes that got something, in order, and the names of what was
/// decoded.
///
/// # Panics
/// If one of the rules above does not hold.
pub fn examine(data: &[u8]) -> Vec<&'static str> {
    let Some((&head, rest)) = data.split_first() else { return Vec::new() };
    // The initiator of rounds or another, with nothing or with tasks.
    let start = usize::from(head >> 2 & 3);
    match head & 3 {
        0 => raw(start, head, rest),
        1 => stream(start, rest),
        2 => made(start, rest),
        _ => disk(rest),
    }
}

fn raw(start: usize, head: u8, bytes: &[u8]) -> Vec<&'static str> {
    let message = canonical::<Message>(bytes);
    let record = canonical::<Record>(bytes);
    let decoded = [
        ("message", message.is_some()),
        ("record", record.is_some()),
        ("operation", canonical::<Op>(bytes).is_some()),
        ("answer", canonical::<Answer>(bytes).is_some()),
    ];
    let mut reached: Vec<_> =
        decoded.into_iter().filter(|(_, decoded)| *decoded).map(|(name, _)| name).collect();
    if let Some(message) = message {
        let mut lone = Lone::new(start);
        lone.receive(NodeId(u32::from(head >> 5)), message);
        reached.extend(lone.end());
    }
    if let Some(record) = record {
        reached.extend(boot_twice(vec![record]));
    }
    reached
}

/// Messages off the front of `bytes`, each behind a byte that names the sender and says what else happens.
fn stream(start: usize, mut bytes: &[u8]) -> Vec<&'static str> {
    let mut lone = Lone::new(start);
    for _ in 0..STEPS_MAX {
        let Some(&choice) = bytes.split_off_first() else { break };
        let before = bytes;
        let Ok(message) = Message::read(&mut bytes) else { break };
        canonical::<Message>(&before[..before.len() - bytes.len()]);
        lone.receive(NodeId(u32::from(choice & 3)), message);
        lone.live(choice);
    }
    lone.end()
}

fn made(start: usize, bytes: &[u8]) -> Vec<&'static str> {
    let mut source = Source::new(bytes);
    let mut lone = Lone::new(start);
    for _ in 0..STEPS_MAX {
        if source.is_empty() {
            break;
        }
        let choice = source.byte();
        let from = NodeId(u32::from(choice & 3));
        let message = message(&mut source, lone.node.disk(), from);
        assert_eq!(canonical(&encoded(&message)).as_ref(), Some(&message));
        lone.receive(from, message);
        lone.live(choice);
    }
    lone.end()
}

fn disk(bytes: &[u8]) -> Vec<&'static str> {
    let mut source = Source::new(bytes);
    let mut records = Vec::new();
    while !source.is_empty() && records.len() < STEPS_MAX {
        let record = record(&mut source);
        assert_eq!(canonical(&encoded(&record)).as_ref(), Some(&record));
        records.push(record);
    }
    boot_twice(records)
}

/// Boots a node from records, which may be any, and from their compacted form, and has each live for a while.
fn boot_twice(mut records: Vec<Record>) -> Vec<&'static str> {
    let mut lone = Lone::boot(NodeId(0), records.clone());
    Node::compact(&mut records);
    assert!(records.len() <= 1, "compaction leaves one record");
    let again = Lone::boot(NodeId(0), records);
    assert_eq!(lone.node, again.node, "compacted records boot another node");
    if lone.node.is_idle() {
        lone.receive(NodeId(1), Message::Steal);
    }
    lone.end()
}

/// Any message, with numbers near those that this disk knows of `from`.
fn message(source: &mut Source<'_>, disk: &Disk, from: NodeId) -> Message {
    let load = |source: &mut Source<'_>| source.near(3) as u32;
    match source.below(8) {
        0 | 1 => Message::Steal,
        2 => Message::Nothing { load: load(source) },
        3 => {
            let number = source.near(disk.given_to(from).map_or(0, |given| given.number));
            Message::Got { number, load: load(source) }
        }
        4 => {
            let (round, after) = (source.near(disk.round), source.near(disk.round));
            let black = source.below(2) == 0;
            let under_way = source.near(0).cast_signed();
            Message::Token(Token { round, after, black, under_way, submitted: source.near(disk.submitted) })
        }
        _ => {
            let number = source.near(disk.received_from(from).saturating_add(1));
            let tasks = (0..source.below(4)).map(|_| task(source)).collect();
            Message::Give { number, tasks, load: load(source) }
        }
    }
}

fn task(source: &mut Source<'_>) -> Task {
    let id = TaskId { home: NodeId(source.below(4) as u32), ordinal: source.near(4) };
    Task { id, size: source.below(3) as u8 }
}

/// Any record, of few enough values that some fit.
fn record(source: &mut Source<'_>) -> Record {
    let node = |source: &mut Source<'_>| NodeId(source.below(4) as u32);
    let tasks = |source: &mut Source<'_>| (0..source.below(4)).map(|_| task(source)).collect();
    match source.below(8) {
        0 | 1 => Record::Submitted(task(source)),
        2 => Record::Given { to: node(source), tasks: tasks(source) },
        3 => Record::Arrived(node(source)),
        4 => Record::Received { from: node(source), tasks: tasks(source) },
        5 => Record::Completed { id: task(source).id, spawned: tasks(source) },
        6 => Record::Round(source.near(2)),
        _ => {
            let (created, submitted, completed, round) =
                (source.near(4), source.near(2), source.near(2), source.near(2));
            let received = (0..source.below(4)).map(|_| source.near(1)).collect();
            let held = (0..source.below(3)).map(|_| task(source)).collect();
            let given = (0..source.below(3)).map(|_| given(source)).collect();
            Record::Whole(Box::new(Disk { created, submitted, completed, held, given, received, round }))
        }
    }
}

fn given(source: &mut Source<'_>) -> Given {
    Given { number: source.near(1), tasks: (0..source.below(2)).map(|_| task(source)).collect() }
}

/// A node, and what its driver knows of it.
#[derive(Clone)]
struct Lone {
    node: Node,
    /// All that it has written, and what it was booted from.
    records: Vec<Record>,
    /// How many records it was booted from.
    booted: usize,
    /// What the host has been asked to do.
    doing: Option<Task>,
    /// The names of operations used so far.
    ops: u64,
    reached: Vec<&'static str>,
}

/// Small limits, so that they are reached.
static CONFIG: LazyLock<Config> = LazyLock::new(|| Config {
    tasks_max: 6,
    batch_max: 3,
    overloaded: 4,
    waiting_max: 2,
    journal_records_max: 12,
    ..Config::new(NODES)
});

impl Lone {
    /// Of the four starts the one of this number.
    fn new(start: usize) -> Self {
        let mut lone = Lone::boot(NodeId((start & 1) as u32), Vec::new());
        for _ in 0..(start & 2) * 2 {
            lone.invoke(Op::Submit(1));
        }
        lone.reached.clear();
        lone
    }

    fn boot(me: NodeId, records: Vec<Record>) -> Self {
        let mut effects = Effects::new(Choices::script(Vec::new()));
        let node = Node::recover(&CONFIG, me, records.iter().cloned(), &mut effects);
        let booted = records.len();
        let mut lone = Lone { node, records, booted, doing: None, ops: 0, reached: Vec::new() };
        lone.absorb(effects);
        lone
    }

    fn receive(&mut self, from: NodeId, message: Message) {
        self.input(Input::Message { from, message });
    }

    /// What else may happen to a node between two messages, as the upper bits of `choice` say.
    fn live(&mut self, choice: u8) {
        match choice >> 2 & 15 {
            0 => self.input(Input::Timeout(Timer::Resend)),
            1 => self.input(Input::Timeout(Timer::Steal)),
            2 => self.input(Input::Timeout(Timer::Round)),
            3 | 4 => self.input(Input::Timeout(Timer::Turn)),
            5 | 6 => {
                if let Some(task) = self.doing.take() {
                    self.input(Input::Done(split(&task)));
                }
            }
            7 | 8 => self.invoke(Op::Submit(choice >> 6)),
            9 => self.invoke(Op::Finish),
            _ => {}
        }
    }

    fn invoke(&mut self, op: Op) {
        self.ops += 1;
        self.input(Input::Invoke { id: OpId(self.ops), op });
    }

    fn input(&mut self, input: Input<Node>) {
        let before = self.node.disk().clone();
        let written = self.records.len();
        let mut effects = Effects::new(Choices::script(Vec::new()));
        effects.continue_from((written - self.booted) as u64);
        self.node.step(&CONFIG, Ticks::ZERO, input, &mut effects);
        self.absorb(effects);
        self.node.assert_invariants(&CONFIG);
        keeps(&before, self.node.disk(), &self.records[written..]);
    }

    fn absorb(&mut self, mut effects: Effects<Node>) {
        for effect in effects.drain() {
            match effect {
                Effect::Send { to, message, after } => {
                    assert!(to.0 < NODES, "a message to {to}");
                    let written = (self.records.len() - self.booted) as u64;
                    assert!(after.is_none_or(|write| write.ordinal() <= written), "waits for no write");
                    encoded(&message);
                }
                Effect::Persist { record, .. } => {
                    encoded(&record);
                    self.records.push(record);
                }
                Effect::Answer { answer, .. } => {
                    encoded(&answer);
                }
                Effect::Submit(task) => self.doing = Some(task),
                Effect::Mark(what) | Effect::Refuse(what) => self.reached.push(what),
                _ => {}
            }
        }
    }

    /// What it came by.
    fn end(self) -> Vec<&'static str> {
        let come_to = Disk::replay(self.records.into_iter());
        if !self.node.has_failed() {
            assert_eq!(&come_to, self.node.disk(), "the records come to something else than the node holds");
        }
        self.reached
    }
}

/// That nothing was forgotten, and nothing counted back, by a step that wrote these records.
fn keeps(before: &Disk, after: &Disk, written: &[Record]) {
    let numbers = |disk: &Disk| (disk.created, disk.submitted, disk.completed, disk.round);
    let ((a, b, c, d), (e, f, g, h)) = (numbers(before), numbers(after));
    assert!(a <= e && b <= f && c <= g && d <= h, "{before:?}, then {after:?}");
    for node in (0..NODES).map(NodeId) {
        let given = |disk: &Disk| disk.given_to(node).map_or(0, |given| given.number);
        assert!(given(before) <= given(after), "hand-overs to {node} are counted back");
        assert!(before.received_from(node) <= after.received_from(node), "those of {node} are counted back");
    }
    let has = |disk: &Disk, id: TaskId| {
        let given = disk.unacknowledged().flat_map(|(_, given)| &given.tasks);
        disk.held.iter().chain(given).any(|task| task.id == id)
    };
    let given = |id: TaskId| {
        before
            .unacknowledged()
            .find(|(_, given)| given.tasks.iter().any(|task| task.id == id))
            .map(|(to, _)| to)
    };
    let tasks = before.held.iter().chain(before.unacknowledged().flat_map(|(_, given)| &given.tasks));
    for task in tasks.filter(|task| !has(after, task.id)) {
        let explained = written.iter().any(|record| match record {
            Record::Completed { id, .. } => *id == task.id,
            Record::Arrived(to) => given(task.id) == Some(*to),
            _ => false,
        });
        assert!(explained, "{task:?} is forgotten: {written:?}");
    }
}
