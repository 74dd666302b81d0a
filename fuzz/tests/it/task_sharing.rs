//! The two targets of task sharing: what they reach, and that broken nodes are seen.

use std::collections::BTreeSet;

use fuzz::flawed::through;
use fuzz::raft_message::encoded;
use fuzz::task_sharing_schedule::judge;
use fuzz::{corpus, inputs, task_sharing_message};
use swarm_protocol::{
    Effects, Input, NodeId, Properties, Protocol, Reply, Service, Specification, Ticks, Violation,
};
use swarm_task_sharing::properties::TaskProperties;
use swarm_task_sharing::{Answer, Config, Message, Node, Op, Outcome, Record, Tally, Task, Timer};

fn reached(target: &str, count: u64) -> BTreeSet<String> {
    (0..count).flat_map(|number| corpus::reached(target, &inputs::drawn(7, number, &[]))).collect()
}

#[test]
fn random_bytes_reach_every_message_and_every_refusal() {
    let reached = reached("task_sharing_message", 20_000);
    for what in [
        "made: all-done",
        "made: batch-of-no-size",
        "made: give-of-the-future",
        "made: given-again",
        "made: got-of-the-future",
        "made: got-of-the-past",
        "made: handed-over",
        "made: journal-compacted",
        "made: no-room",
        "made: not-idle",
        "made: nothing-to-give-again",
        "made: nothing-to-turn-to",
        "made: round-in-vain",
        "made: stolen",
        "made: submission-turned-away",
        "made: task-completed",
        "made: task-that-is-here",
        "made: tasks-received",
        "made: token-lost",
        "made: too-little-to-steal",
        "made: unknown-node",
        "disk: disk-counts-contradict",
        "disk: disk-counts-too-far",
        "disk: disk-has-a-task-of-the-future",
        "disk: disk-has-a-task-twice",
        "disk: disk-names-no-other-node",
        "disk: too-little-to-steal",
    ] {
        assert!(reached.contains(what), "{what}: {reached:#?}");
    }
}

#[test]
fn random_bytes_reach_every_event_and_every_mark() {
    let reached = reached("task_sharing_schedule", 4_000);
    for what in [
        "deliver",
        "duplicate",
        "drop",
        "timeout",
        "invoke",
        "sync",
        "disk-fail",
        "crash",
        "restart",
        "all-done",
        "given-again",
        "handed-over",
        "journal-compacted",
        "round-in-vain",
        "stolen",
        "submission-turned-away",
        "task-completed",
        "tasks-received",
        "too-little-to-steal",
    ] {
        assert!(reached.contains(what), "{what}: {reached:#?}");
    }
}

#[test]
fn every_kind_of_value_is_read_off_the_wire() {
    let raw = |bytes: Vec<u8>| task_sharing_message::examine(&[vec![0b0010_0000], bytes].concat());
    let message = Message::Got { number: 1, load: 2 };
    assert_eq!(raw(encoded(&message)), ["message", "got-of-the-future"]);
    let record = Record::Round(7);
    assert_eq!(raw(encoded(&record)), ["record", "too-little-to-steal"]);
    assert_eq!(raw(encoded(&Op::Submit(9))), ["operation"]);
    assert_eq!(raw(encoded(&Answer::Full(None))), ["answer"]);
}

/// A node whose acknowledgements do not wait for its disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Hasty(Node);

impl Hasty {
    fn through<R>(out: &mut Effects<Self>, act: impl FnOnce(&mut Effects<Node>) -> R) -> R {
        through(out, |message| matches!(message, Message::Got { .. }), act)
    }
}

impl Protocol for Hasty {
    type Config = Config;
    type Message = Message;
    type Timer = Timer;
    type Op = Op;
    type Answer = Answer;
    type Record = Record;
    type Task = Task;
    type Outcome = Outcome;

    fn recover(
        config: &Config,
        me: NodeId,
        disk: impl Iterator<Item = Record>,
        out: &mut Effects<Self>,
    ) -> Self {
        Hasty(Self::through(out, |out| Node::recover(config, me, disk, out)))
    }

    fn step(&mut self, config: &Config, now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        let input = match input {
            Input::Message { from, message } => Input::Message { from, message },
            Input::Timeout(timer) => Input::Timeout(timer),
            Input::Invoke { id, op } => Input::Invoke { id, op },
            Input::Persisted(write) => Input::Persisted(write),
            Input::DiskFailed(write) => Input::DiskFailed(write),
            Input::Done(outcome) => Input::Done(outcome),
        };
        Self::through(out, |out| self.0.step(config, now, input, out));
    }

    fn assert_invariants(&self, config: &Config) {
        self.0.assert_invariants(config);
    }

    fn compact(records: &mut Vec<Record>) {
        Node::compact(records);
    }
}

impl Service for Hasty {
    type Spec = Tally;

    fn reply(answer: &Answer) -> Reply<<Tally as Specification>::Answer> {
        Node::reply(answer)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Watched(TaskProperties);

impl Properties<Hasty> for Watched {
    const NAMES: &'static [&'static str] = TaskProperties::NAMES;

    fn after_step(
        &mut self,
        config: &Config,
        nodes: &[Option<&Hasty>],
        touched: NodeId,
    ) -> Result<(), Violation> {
        self.0.after_step(config, &inside(nodes), touched)
    }

    fn full(&self, config: &Config, nodes: &[Option<&Hasty>]) -> Result<(), Violation> {
        self.0.full(config, &inside(nodes))
    }
}

fn inside<'a>(nodes: &[Option<&'a Hasty>]) -> Vec<Option<&'a Node>> {
    nodes.iter().map(|node| node.map(|hasty| &hasty.0)).collect()
}

#[test]
fn an_acknowledgement_that_leaves_before_it_is_durable_is_found() {
    let random = |number| inputs::drawn(7, number, &[]);
    let judge_hasty = |number| judge::<Hasty, Watched>(&random(number)).err();
    let (number, failure) = (0..300_000)
        .find_map(|number| Some((number, judge_hasty(number)?)))
        .expect("random bytes find the bug that is put back");
    assert_eq!(failure.violation.property, "no_task_lost", "{failure}");
    judge::<Node, TaskProperties>(&random(number)).expect("without the bug all goes well");
}
