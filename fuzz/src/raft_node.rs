//! One Raft node under messages that anybody may have made, and what it must keep to whatever they say.
//!
//! Judged after every input: the node's own invariants; its term and its commit index do not go back; a vote
//! once given in a term stays; what was committed stays in the log; and what it sends can be encoded and
//! decoded. A panic is a finding by itself. Verified by `tests/it/message.rs`.

use std::sync::{Arc, LazyLock};

use swarm_protocol::{Choices, Effect, Effects, Input, NodeId, OpId, Protocol, Ticks, WriteId};
use swarm_raft::{
    Compaction, Config, Entries, Entry, Index, Kv, KvOp, Message, Raft, Record, Run, Term, Timer,
};

use crate::raft_message::encoded;

/// What a node has been through when the messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the role of its name")]
pub enum Start {
    Fresh,
    Follower,
    PreCandidate,
    Candidate,
    /// Elected, and its no-op is not durable yet.
    NewLeader,
    /// With committed, durable, sent and proposed entries.
    Leader,
    /// A leader that has heard of a later term.
    Deposed,
    /// Its disk has failed.
    Halted,
}

impl Start {
    /// All of them.
    pub const ALL: [Start; 8] = [
        Start::Fresh,
        Start::Follower,
        Start::PreCandidate,
        Start::Candidate,
        Start::NewLeader,
        Start::Leader,
        Start::Deposed,
        Start::Halted,
    ];
}

/// A node, its config, and what its driver knows of it.
#[derive(Clone, Debug)]
pub struct Node {
    config: Arc<Config>,
    raft: Raft<Kv>,
    /// How many writes it has asked for since it booted, and how many of them are durable.
    written: u64,
    durable: u64,
    /// The names of operations used so far.
    ops: u64,
    /// The marks and refusals since the last start, in order.
    reached: Vec<&'static str>,
}

/// The name of the node: in the middle, so that there are members on both sides.
const ME: NodeId = NodeId(1);

/// Each start once: they are copied for every input.
static STARTS: LazyLock<[Node; 8]> =
    LazyLock::new(|| Start::ALL.map(|start| Node { reached: Vec::new(), ..Node::prepare(start) }));

impl Node {
    /// A node that has been through `start`.
    pub fn new(start: Start) -> Self {
        STARTS[start as usize].clone()
    }

    /// The marks and refusals that the node has come by, in order.
    pub fn reached(&self) -> &[&'static str] {
        &self.reached
    }

    /// A node that boots from records, which may be any.
    pub fn boot(records: Vec<Record<KvOp>>) -> Self {
        Self::boot_with(true, records)
    }

    fn boot_with(pre_vote: bool, records: Vec<Record<KvOp>>) -> Self {
        // Small limits, so that they are reached.
        let config = Arc::new(Config {
            pre_vote,
            lends: pre_vote,
            batch_entries_max: 2,
            append_entries_max: 2,
            in_flight_entries_max: 3,
            uncommitted_entries_max: 4,
            compaction: Compaction { log_bytes: 150, tail_entries: 1, part_bytes: 8 },
            ..Config::new(3)
        });
        let mut effects = Effects::new(Choices::script(Vec::new()));
        let raft = Raft::recover(&config, ME, records.into_iter(), &mut effects);
        let mut node = Node { config, raft, written: 0, durable: 0, ops: 0, reached: Vec::new() };
        node.absorb(effects);
        node.raft.assert_invariants(&node.config);
        node
    }

    fn prepare(start: Start) -> Self {
        let entries = |terms: &[Term]| {
            let run =
                |term: &Term| Run::new(*term, Arc::from([Entry::Command(KvOp::Put(0, *term)), Entry::NoOp]));
            Entries::from_runs(terms.iter().map(run).collect())
        };
        let disk = || {
            vec![
                Record::Vote { term: 2, vote: Some(NodeId(0)) },
                Record::Append { first: 1, entries: entries(&[1, 2]) },
            ]
        };
        let mut node = match start {
            Start::Fresh => return Self::boot(Vec::new()),
            Start::PreCandidate | Start::Follower => Self::boot(disk()),
            _ => Self::boot_with(false, disk()),
        };
        if start == Start::Follower {
            let append =
                Message::Append { term: 3, prev_index: 4, prev_term: 2, commit: 3, entries: entries(&[3]) };
            node.receive(NodeId(0), append);
            return node;
        }
        node.input(Input::Timeout(Timer::Election));
        if matches!(start, Start::PreCandidate | Start::Candidate) {
            return node;
        }
        node.sync(u64::MAX);
        node.receive(NodeId(2), Message::Vote { term: 3, granted: true });
        assert!(node.raft.is_leader(), "two of three elect: {node:?}");
        if start == Start::NewLeader {
            return node;
        }
        node.flush();
        node.sync(u64::MAX);
        node.receive(NodeId(0), Message::Appended { term: 3, matched: 5 });
        node.invoke();
        node.flush();
        node.invoke();
        match start {
            Start::Deposed => node.receive(NodeId(0), Message::Stale { term: 4 }),
            Start::Halted => node.input(Input::DiskFailed(WriteId::new(node.durable + 1))),
            _ => {}
        }
        node
    }

    /// The node.
    pub const fn raft(&self) -> &Raft<Kv> {
        &self.raft
    }

    /// What it runs with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A message arrives.
    ///
    /// # Panics
    /// If the node breaks a rule of this module.
    pub fn receive(&mut self, from: NodeId, message: Message<KvOp>) {
        self.input(Input::Message { from, message });
    }

    /// What else may happen to a node between two messages, as the upper bits of `choice` say: a flush, a
    /// sync, a timeout, a command.
    ///
    /// # Panics
    /// If the node breaks a rule of this module.
    pub fn live(&mut self, choice: u8) {
        if choice & 0x04 != 0 {
            self.flush();
        }
        if choice & 0x08 != 0 {
            self.sync(1 + u64::from(choice >> 7));
        }
        match choice >> 4 & 7 {
            0 => self.input(Input::Timeout(Timer::Election)),
            1 => self.input(Input::Timeout(Timer::Heartbeat)),
            2 => self.invoke(),
            _ => {}
        }
    }

    fn invoke(&mut self) {
        self.ops += 1;
        self.input(Input::Invoke { id: OpId(self.ops), op: KvOp::Put(1, self.ops) });
    }

    fn sync(&mut self, writes: u64) {
        let durable = self.durable.saturating_add(writes).min(self.written);
        if durable > self.durable {
            self.durable = durable;
            self.input(Input::Persisted(WriteId::new(durable)));
        }
    }

    fn flush(&mut self) {
        self.act(|raft, config, effects| raft.flush(config, Ticks::ZERO, effects));
    }

    fn input(&mut self, input: Input<Raft<Kv>>) {
        self.act(|raft, config, effects| raft.step(config, Ticks::ZERO, input, effects));
    }

    fn act(&mut self, act: impl FnOnce(&mut Raft<Kv>, &Config, &mut Effects<Raft<Kv>>)) {
        let before = Promises::of(&self.raft);
        let mut effects = Effects::new(Choices::script(Vec::new()));
        effects.continue_from(self.written);
        act(&mut self.raft, &self.config, &mut effects);
        self.absorb(effects);
        self.raft.assert_invariants(&self.config);
        before.kept_by(&self.raft);
    }

    fn absorb(&mut self, mut effects: Effects<Raft<Kv>>) {
        for effect in effects.drain() {
            match effect {
                Effect::Send { to, message, after } => {
                    assert!(to != ME && self.config.voters.contains(to), "a message to {to}");
                    assert!(after.is_none_or(|write| write.ordinal() <= self.written), "waits for no write");
                    encoded(&message);
                }
                Effect::Persist { write, record } => {
                    self.written += 1;
                    assert_eq!(write, WriteId::new(self.written), "writes are counted");
                    encoded(&record);
                }
                Effect::Mark(what) | Effect::Refuse(what) => self.reached.push(what),
                _ => {}
            }
        }
    }
}

/// What a node has bound itself to.
struct Promises {
    term: Term,
    vote: Option<NodeId>,
    commit: Index,
    /// The last committed entry's term, if anything is committed.
    last_committed: Option<Term>,
}

impl Promises {
    fn of(raft: &Raft<Kv>) -> Self {
        let commit = raft.commit_index();
        let last_committed = raft.log().term_at(commit);
        Promises { term: raft.term(), vote: raft.vote(), commit, last_committed }
    }

    fn kept_by(&self, raft: &Raft<Kv>) {
        assert!(raft.term() >= self.term, "term {} after {}", raft.term(), self.term);
        assert!(
            raft.term() > self.term || self.vote.is_none() || raft.vote() == self.vote,
            "two votes in term {}: {:?}, then {:?}",
            self.term,
            self.vote,
            raft.vote()
        );
        assert!(raft.commit_index() >= self.commit, "commit {} after {}", raft.commit_index(), self.commit);
        if raft.log().base_index() > self.commit {
            return; // A snapshot took its place.
        }
        let last_committed = raft.log().term_at(self.commit);
        assert_eq!(last_committed, self.last_committed, "committed entry {} was replaced", self.commit);
    }
}
