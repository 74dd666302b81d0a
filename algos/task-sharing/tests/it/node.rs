//! One node by itself, driven by hand; what it asks for is read as text.

use swarm_protocol::{Choices, Effect, Effects, Input, NodeId, OpId, Protocol, Ticks};
use swarm_task_sharing::{Config, Message, Node, Op, Outcome, Record, Task, TaskId, Timer, Token};

/// Nodes of the stories.
pub(crate) const N0: NodeId = NodeId(0);
pub(crate) const N1: NodeId = NodeId(1);
pub(crate) const N2: NodeId = NodeId(2);

/// A node, its effects buffer and its disk.
pub(crate) struct Lone {
    pub(crate) config: Config,
    pub(crate) node: Node,
    out: Effects<Node>,
    /// Everything that it asked to be written.
    pub(crate) written: Vec<Record>,
}

/// A configuration of `nodes` that never compacts.
pub(crate) fn plain(nodes: u32) -> Config {
    Config { journal_records_max: 0, ..Config::new(nodes) }
}

/// The task of this name, which spawns nothing.
pub(crate) fn task(home: NodeId, ordinal: u64) -> Task {
    Task { id: TaskId { home, ordinal }, size: 0 }
}

/// These tasks of `home`.
pub(crate) fn tasks(home: NodeId, ordinals: &[u64]) -> Vec<Task> {
    ordinals.iter().map(|ordinal| task(home, *ordinal)).collect()
}

/// A white token of this round that has seen nothing yet.
pub(crate) fn token(round: u64, after: u64) -> Token {
    Token { round, after, black: false, under_way: 0, submitted: 0 }
}

impl Lone {
    /// Node `me`, on its first boot.
    pub(crate) fn new(config: Config, me: NodeId) -> Self {
        Self::boot(config, me, vec![]).0
    }

    /// Node `me`, booted from records, and what it asks for.
    pub(crate) fn boot(config: Config, me: NodeId, disk: Vec<Record>) -> (Self, Vec<String>) {
        let mut out = Effects::new(Choices::script(vec![]));
        let node = Node::recover(&config, me, disk.iter().cloned(), &mut out);
        let mut lone = Lone { config, node, out, written: disk };
        let asked = lone.drained();
        (lone, asked)
    }

    /// The same node after a crash that kept so many of its records.
    pub(crate) fn crashed(&self, kept: usize) -> Self {
        Self::boot(self.config.clone(), self.node_id(), self.written[..kept].to_vec()).0
    }

    fn node_id(&self) -> NodeId {
        if self.node.is_initiator() { N0 } else { N1 }
    }

    /// Node `me` with these tasks of its own, submitted.
    pub(crate) fn with_tasks(config: Config, me: NodeId, count: u64) -> Self {
        let disk = (1..=count).map(|ordinal| Record::Submitted(task(me, ordinal)));
        Self::boot(config, me, disk.collect()).0
    }

    fn drained(&mut self) -> Vec<String> {
        self.node.assert_invariants(&self.config);
        let mut texts = vec![];
        for effect in self.out.drain() {
            texts.push(format!("{effect:?}"));
            if let Effect::Persist { record, .. } = effect {
                self.written.push(record);
            }
        }
        texts
    }

    /// One input, and what the node asks for, as text.
    pub(crate) fn input(&mut self, input: Input<Node>) -> Vec<String> {
        self.node.step(&self.config, Ticks::ZERO, input, &mut self.out);
        self.drained()
    }

    pub(crate) fn message(&mut self, from: NodeId, message: Message) -> Vec<String> {
        self.input(Input::Message { from, message })
    }

    pub(crate) fn timeout(&mut self, timer: Timer) -> Vec<String> {
        self.input(Input::Timeout(timer))
    }

    pub(crate) fn invoke(&mut self, id: u64, op: Op) -> Vec<String> {
        self.input(Input::Invoke { id: OpId(id), op })
    }

    /// The node turns to a task, and the host does it.
    pub(crate) fn work(&mut self, id: TaskId, spawned: &[u8]) -> Vec<String> {
        self.timeout(Timer::Turn);
        self.input(Input::Done(Outcome { id, spawned: spawned.to_vec() }))
    }

    /// The next answers to the node's choices.
    pub(crate) fn choosing(&mut self, answers: &[u32]) {
        self.out.set_choices(Choices::script(answers.to_vec()));
    }

    /// The ordinals of the tasks that it holds, in their order.
    pub(crate) fn held(&self) -> Vec<u64> {
        self.node.disk().held.iter().map(|task| task.id.ordinal).collect()
    }
}
