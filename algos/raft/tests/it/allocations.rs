//! How often a node asks for memory: in a step never, and per commit twice.

use allocation_counter::measure;
use swarm_protocol::{Choices, Effect, Effects, Input, NodeId, OpId, Protocol as _, Stream, Ticks, WriteId};
use swarm_raft::{Config, Kv, KvOp, Message, Raft, Timer};

const NODES: u32 = 3;

/// Nodes whose messages arrive at once and in order, and whose writes are durable with the next round.
struct Counted {
    config: Config,
    nodes: Vec<Raft<Kv>>,
    effects: Vec<Effects<Raft<Kv>>>,
    messages: Vec<(NodeId, NodeId, Message<KvOp>)>,
    writes: Vec<(NodeId, WriteId)>,
    answered: u64,
    /// How often memory was asked for inside of a step, and inside of a flush.
    in_steps: u64,
    in_flushes: u64,
}

impl Counted {
    fn new() -> Self {
        let config = Config { pre_vote: false, ..Config::new(NODES) };
        let mut effects: Vec<_> =
            (0..NODES).map(|node| Effects::new(Choices::seed(Stream::new(1, u64::from(node), 0)))).collect();
        let nodes = (0..NODES).zip(&mut effects);
        let nodes = nodes.map(|(node, out)| Raft::recover(&config, NodeId(node), core::iter::empty(), out));
        let nodes = nodes.collect();
        let (messages, writes) = (Vec::new(), Vec::new());
        Counted { config, nodes, effects, messages, writes, answered: 0, in_steps: 0, in_flushes: 0 }
    }

    fn step(&mut self, at: NodeId, input: Input<Raft<Kv>>) {
        let (node, out) = (&mut self.nodes[at.index()], &mut self.effects[at.index()]);
        let counted = measure(|| node.step(&self.config, Ticks::ZERO, input, out));
        self.in_steps += counted.count_total;
        self.carry_out(at);
    }

    fn flush(&mut self, at: NodeId) {
        let (node, out) = (&mut self.nodes[at.index()], &mut self.effects[at.index()]);
        let counted = measure(|| node.flush(&self.config, Ticks::ZERO, out));
        self.in_flushes += counted.count_total;
        self.carry_out(at);
    }

    fn carry_out(&mut self, at: NodeId) {
        for effect in self.effects[at.index()].drain() {
            match effect {
                // In this world what waits for a write arrives after it.
                Effect::Send { to, message, .. } => self.messages.push((at, to, message)),
                Effect::Persist { write, .. } => self.writes.push((at, write)),
                Effect::Answer { .. } => self.answered += 1,
                _ => {}
            }
        }
    }

    /// Until nothing is under way.
    fn settle(&mut self) {
        while !self.messages.is_empty() || !self.writes.is_empty() {
            for (at, write) in core::mem::take(&mut self.writes) {
                self.step(at, Input::Persisted(write));
            }
            for (from, to, message) in core::mem::take(&mut self.messages) {
                self.step(to, Input::Message { from, message });
                self.flush(to);
            }
        }
    }
}

/// Once buffers have grown, a step asks for no memory, and a flush of a leader for that of the batch: shared by its
/// log, the followers' logs, the appends and the records.
#[test]
fn a_step_asks_for_no_memory_and_a_commit_for_its_batch() {
    for window in [1, 64] {
        let mut counted = Counted::new();
        counted.step(NodeId(0), Input::Timeout(Timer::Election));
        counted.settle();
        assert!(counted.nodes[0].is_leader());
        counted.flush(NodeId(0));
        let round = |counted: &mut Counted, round: u64| {
            for place in 0..window {
                let op = KvOp::Put(1, round);
                counted.step(NodeId(0), Input::Invoke { id: OpId(round * window + place), op });
            }
            counted.flush(NodeId(0));
            counted.settle();
        };
        // Logs grow by doubling: past such a place, and not up to the next.
        (0..1_100).for_each(|number| round(&mut counted, number));
        (counted.answered, counted.in_steps, counted.in_flushes) = (0, 0, 0);
        (1_100..2_000).for_each(|number| round(&mut counted, number));
        assert_eq!(counted.answered, 900 * window);
        assert_eq!(counted.in_steps, 0, "window {window}");
        assert!(counted.in_flushes <= 2 * 900, "window {window}: {}", counted.in_flushes);
    }
}
