//! A few nodes, a network in order, and disks that sync when told: the least that makes a cluster.
//!
//! The five properties and each node's invariants are judged after every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::Hash;

use swarm_protocol::{Choices, Effect, Effects, Input, NodeId, OpId, Protocol, Ticks, WriteId};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Answer, Config, Kv, Machine, Message, Raft, Record, Term, Timer};

use crate::node::entries;

/// What a node has written, and what waits for it.
struct Disk<C> {
    synced: Vec<Record<C>>,
    unsynced: VecDeque<(WriteId, Record<C>)>,
    held: VecDeque<(WriteId, NodeId, Message<C>)>,
}

/// A cluster of small stores.
pub(crate) type Cluster = ClusterOf<Kv>;

pub(crate) struct ClusterOf<M: Machine> {
    pub(crate) config: Config,
    /// What all clocks say.
    pub(crate) now: Ticks,
    nodes: Vec<Option<Raft<M>>>,
    effects: Vec<Effects<Raft<M>>>,
    disks: Vec<Disk<M::Command>>,
    network: VecDeque<(NodeId, NodeId, Message<M::Command>)>,
    /// Nodes that nobody reaches and that reach nobody.
    pub(crate) isolated: BTreeSet<NodeId>,
    /// Links that carry nothing.
    pub(crate) cut: BTreeSet<(NodeId, NodeId)>,
    pub(crate) answers: BTreeMap<OpId, Answer<M::Answer>>,
    /// How many messages were sent.
    pub(crate) sent: u64,
    pub(crate) marks: BTreeMap<&'static str, u64>,
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    pub(crate) timers: Vec<BTreeSet<Timer>>,
    /// When each of those may run out at the earliest.
    pub(crate) due: Vec<BTreeMap<Timer, Ticks>>,
    properties: RaftProperties,
    /// How often the properties were judged; the plain form takes its turn now and then.
    judged: u64,
}

impl Cluster {
    /// A cluster whose nodes boot in `term` with durable logs of entries of these terms.
    pub(crate) fn with_logs(config: Config, term: Term, logs: &[&[Term]]) -> Self {
        let disk = |terms: &&[Term]| {
            let mut disk = Vec::new();
            if term > 0 {
                disk.push(Record::Vote { term, vote: None });
            }
            if !terms.is_empty() {
                disk.push(Record::Append { first: 1, entries: entries(1, terms) });
            }
            disk
        };
        Self::with_disks(config, logs.iter().map(disk).collect())
    }
}

impl<M> ClusterOf<M>
where
    M: Machine + Eq + Hash,
    M::Command: Eq + Hash,
    M::Answer: PartialEq,
{
    pub(crate) fn new(config: Config) -> Self {
        let disks = config.servers.iter().map(|_| Vec::new()).collect();
        Self::with_disks(config, disks)
    }

    /// A cluster whose nodes boot from these disks.
    fn with_disks(config: Config, disks: Vec<Vec<Record<M::Command>>>) -> Self {
        let n = disks.len();
        let disk = |synced| Disk { synced, unsynced: VecDeque::new(), held: VecDeque::new() };
        let mut cluster = ClusterOf {
            config,
            now: Ticks::ZERO,
            nodes: vec![None; n],
            effects: (0..n).map(|_| Effects::new(Choices::script(vec![]))).collect(),
            disks: disks.into_iter().map(disk).collect(),
            network: VecDeque::new(),
            isolated: BTreeSet::new(),
            cut: BTreeSet::new(),
            answers: BTreeMap::new(),
            sent: 0,
            marks: BTreeMap::new(),
            refusals: BTreeMap::new(),
            timers: vec![BTreeSet::new(); n],
            due: vec![BTreeMap::new(); n],
            properties: RaftProperties::default(),
            judged: 0,
        };
        (0..n as u32).for_each(|node| cluster.restart(NodeId(node)));
        cluster
    }

    pub(crate) fn node(&self, node: NodeId) -> &Raft<M> {
        self.nodes[node.index()].as_ref().expect("the node is up")
    }

    pub(crate) fn is_up(&self, node: NodeId) -> bool {
        self.nodes[node.index()].is_some()
    }

    pub(crate) fn terms(&self, node: NodeId) -> Vec<Term> {
        self.node(node).log().iter().map(|(term, _)| term).collect()
    }

    pub(crate) fn records(&self, node: NodeId) -> Vec<Record<M::Command>> {
        let disk = &self.disks[node.index()];
        disk.synced.iter().chain(disk.unsynced.iter().map(|(_, record)| record)).cloned().collect()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.network.len()
    }

    fn carry_out(&mut self, at: NodeId) {
        let disk = &mut self.disks[at.index()];
        for effect in self.effects[at.index()].drain() {
            match effect {
                Effect::Send { to, message, after: Some(write) } => disk.held.push_back((write, to, message)),
                Effect::Send { to, message, after: None } => {
                    self.sent += 1;
                    self.network.push_back((at, to, message));
                }
                Effect::Persist { write, record } => disk.unsynced.push_back((write, record)),
                Effect::Answer { id, answer, after: None } => {
                    assert_eq!(self.answers.insert(id, answer), None, "{id:?} is answered once");
                }
                Effect::SetTimer { timer, delay } => {
                    self.timers[at.index()].insert(timer);
                    self.due[at.index()].insert(timer, self.now + delay.min);
                }
                Effect::CancelTimer(timer) => {
                    self.timers[at.index()].remove(&timer);
                }
                Effect::Mark(label) => *self.marks.entry(label).or_insert(0) += 1,
                Effect::Refuse(reason) => *self.refusals.entry(reason).or_insert(0) += 1,
                other => panic!("Raft does not ask for {other:?}"),
            }
        }
        self.judge(at);
    }

    fn judge(&mut self, at: NodeId) {
        let nodes: Vec<_> = self.nodes.iter().map(Option::as_ref).collect();
        if let Some(node) = nodes[at.index()] {
            node.check_invariants(&self.config);
        }
        let mut verdict = self.properties.judge(&nodes, at);
        self.judged += 1;
        if self.judged.is_multiple_of(16) {
            verdict = verdict.and_then(|()| self.properties.judge_all(&nodes));
        }
        assert_eq!(verdict, Ok(()), "{nodes:#?}");
    }

    pub(crate) fn step(&mut self, at: NodeId, input: Input<Raft<M>>) {
        if let Some(node) = &mut self.nodes[at.index()] {
            node.step(&self.config, self.now, input, &mut self.effects[at.index()]);
            self.carry_out(at);
        }
    }

    pub(crate) fn flush(&mut self, at: NodeId) {
        if let Some(node) = &mut self.nodes[at.index()] {
            let needed = node.needs_flush();
            let before = node.clone();
            node.flush(&self.config, self.now, &mut self.effects[at.index()]);
            let idle = *node == before && self.effects[at.index()].is_empty();
            assert!(needed || idle, "a flush that is not needed does nothing: {before:?} {node:?}");
            self.carry_out(at);
        }
    }

    /// One input, then a flush.
    pub(crate) fn input(&mut self, at: NodeId, input: Input<Raft<M>>) {
        self.step(at, input);
        self.flush(at);
    }

    pub(crate) fn timeout(&mut self, at: NodeId, timer: Timer) {
        if self.timers[at.index()].remove(&timer) {
            self.input(at, Input::Timeout(timer));
        }
    }

    pub(crate) fn invoke(&mut self, at: NodeId, id: u64, op: M::Command) {
        self.input(at, Input::Invoke { id: OpId(id), op });
    }

    /// The oldest message arrives, or is lost if somebody is out of reach.
    pub(crate) fn deliver(&mut self) -> bool {
        let Some((from, to, message)) = self.network.pop_front() else { return false };
        let isolated = self.isolated.contains(&from) || self.isolated.contains(&to);
        if !isolated && !self.cut.contains(&(from, to)) {
            self.input(to, Input::Message { from, message });
        }
        true
    }

    /// Loses all that is in flight.
    pub(crate) fn lose_all(&mut self) {
        self.network.clear();
    }

    /// Takes the message at this place of the queue out of it.
    pub(crate) fn take(&mut self, place: usize) -> (NodeId, NodeId, Message<M::Command>) {
        self.network.remove(place).expect("so many are in flight")
    }

    /// Puts a message into the network.
    pub(crate) fn put(&mut self, from: NodeId, to: NodeId, message: Message<M::Command>) {
        self.network.push_back((from, to, message));
    }

    /// The oldest writes, this many of them, become durable, and what waited for them leaves.
    pub(crate) fn sync(&mut self, at: NodeId, writes: usize) {
        let disk = &mut self.disks[at.index()];
        let Some((write, _)) = disk.unsynced.iter().take(writes).next_back().cloned() else { return };
        disk.synced.extend(disk.unsynced.drain(..writes.min(disk.unsynced.len())).map(|(_, record)| record));
        while let Some((after, to, message)) = disk.held.pop_front_if(|(after, ..)| *after <= write) {
            assert!(after <= write);
            self.sent += 1;
            self.network.push_back((at, to, message));
        }
        self.input(at, Input::Persisted(write));
    }

    /// The node stops. Of the writes under way the oldest `kept` reached the disk.
    pub(crate) fn crash(&mut self, at: NodeId, kept: usize) {
        let disk = &mut self.disks[at.index()];
        let kept = kept.min(disk.unsynced.len());
        disk.synced.extend(disk.unsynced.drain(..kept).map(|(_, record)| record));
        disk.unsynced.clear();
        disk.held.clear();
        self.nodes[at.index()] = None;
        self.timers[at.index()].clear();
        self.judge(at);
    }

    pub(crate) fn restart(&mut self, at: NodeId) {
        assert!(!self.is_up(at));
        let effects = &mut self.effects[at.index()];
        effects.reboot();
        let disk = self.disks[at.index()].synced.clone();
        self.nodes[at.index()] = Some(Raft::recover(&self.config, at, disk.into_iter(), effects));
        self.carry_out(at);
    }

    /// Delivers and syncs everything until nothing is under way.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut busy = self.deliver();
            if !busy {
                for node in 0..self.nodes.len() {
                    busy |= !self.disks[node].unsynced.is_empty();
                    self.sync(NodeId(node as u32), usize::MAX);
                }
            }
            if !busy {
                return;
            }
        }
        panic!("the cluster does not come to rest");
    }

    /// The same, and parts of snapshots are lost.
    pub(crate) fn settle_without_parts(&mut self) {
        while self.in_flight() > 0 {
            let (from, to, message) = self.take(0);
            if !matches!(message, Message::Part { .. }) {
                self.input(to, Input::Message { from, message });
            }
        }
    }

    /// Makes `node` the leader of a cluster at rest.
    pub(crate) fn elect(&mut self, node: NodeId) {
        // With PreVote the others must have lost patience as well.
        let others: Vec<_> = self.config.servers.iter().filter(|other| *other != node).collect();
        if self.config.pre_vote {
            let kept = core::mem::take(&mut self.isolated);
            self.isolated = others.iter().copied().chain([node]).collect();
            for other in others {
                if self.is_up(other) {
                    self.timeout(other, Timer::Election);
                }
            }
            self.settle();
            self.isolated = kept;
        }
        self.timeout(node, Timer::Election);
        self.settle();
        assert!(self.node(node).is_leader(), "{:?}", self.nodes);
    }
}
