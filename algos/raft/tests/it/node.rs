//! One node by itself, driven by hand; what it asks for is read as text.

use swarm_protocol::{Choices, Effects, Input, NodeId, OpId, Protocol, Ticks, WriteId};
use swarm_raft::{Config, Entries, Entry, Kv, KvOp, Message, Raft, Record, Run, Term, Timer};

/// Nodes of the stories.
pub(crate) const N0: NodeId = NodeId(0);
pub(crate) const N1: NodeId = NodeId(1);
pub(crate) const N2: NodeId = NodeId(2);
pub(crate) const N3: NodeId = NodeId(3);
pub(crate) const N4: NodeId = NodeId(4);

/// A node, its effects buffer and its disk.
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) raft: Raft<Kv>,
    /// What its clock says.
    pub(crate) now: Ticks,
    out: Effects<Raft<Kv>>,
    /// What it asked to be written since it booted.
    pub(crate) written: Vec<Record<KvOp>>,
}

/// A configuration of `n` nodes without PreVote, as in the paper.
pub(crate) fn plain(n: u32) -> Config {
    Config { pre_vote: false, ..Config::new(n) }
}

/// Entries of these terms, as `Put(index,term)`, the first at `first`.
pub(crate) fn entries(first: u64, terms: &[Term]) -> Entries<KvOp> {
    let of = |(offset, term): (usize, &Term)| {
        Run::new(*term, [Entry::Command(KvOp::Put(first as u16 + offset as u16, *term))].into())
    };
    Entries::from_runs(terms.iter().enumerate().map(of).collect())
}

/// An append of `term` behind entry `prev` of the given index and term.
pub(crate) fn append(term: Term, prev: (u64, Term), terms: &[Term], commit: u64) -> Message<KvOp> {
    let (prev_index, prev_term) = prev;
    Message::Append { term, prev_index, prev_term, commit, entries: entries(prev_index + 1, terms) }
}

impl Node {
    /// Node `me`, on its first boot.
    pub(crate) fn new(config: Config, me: NodeId) -> Self {
        Self::boot(config, me, vec![])
    }

    /// Node `me`, booted from records.
    pub(crate) fn boot(config: Config, me: NodeId, disk: Vec<Record<KvOp>>) -> Self {
        let mut out = Effects::new(Choices::script(vec![]));
        let raft = Raft::recover(&config, me, disk.into_iter(), &mut out);
        out.clear();
        Node { config, raft, now: Ticks::ZERO, out, written: vec![] }
    }

    /// Node 0 of `config`, in `term` with a durable log of entries of these terms.
    pub(crate) fn with_log(config: Config, term: Term, terms: &[Term]) -> Self {
        let mut disk = vec![Record::Vote { term, vote: None }];
        if !terms.is_empty() {
            disk.push(Record::Append { first: 1, entries: entries(1, terms) });
        }
        Self::boot(config, N0, disk)
    }

    /// Node 0 as the leader of term `term`, elected by a majority with a log of these terms; its no-op is
    /// in the log, sent and durable.
    pub(crate) fn leader(config: Config, term: Term, terms: &[Term]) -> Self {
        let mut node = Self::with_log(config, term - 1, terms);
        node.timeout(Timer::Election);
        node.synced();
        let voters: Vec<_> = node.config.voters.iter().filter(|voter| *voter != N0).collect();
        for voter in voters.into_iter().take(node.config.voters.len() / 2) {
            node.message(voter, Message::Vote { term, granted: true });
        }
        assert!(node.raft.is_leader(), "{:?}", node.raft);
        node.flush();
        node.synced();
        node
    }

    fn drained(&mut self) -> Vec<String> {
        self.raft.check_invariants(&self.config);
        let mut texts = vec![];
        for effect in self.out.drain() {
            texts.push(format!("{effect:?}"));
            if let swarm_protocol::Effect::Persist { record, .. } = effect {
                self.written.push(record);
            }
        }
        texts
    }

    /// One input, and what the node asks for, as text.
    pub(crate) fn input(&mut self, input: Input<Raft<Kv>>) -> Vec<String> {
        self.raft.step(&self.config, self.now, input, &mut self.out);
        self.drained()
    }

    pub(crate) fn message(&mut self, from: NodeId, message: Message<KvOp>) -> Vec<String> {
        self.input(Input::Message { from, message })
    }

    pub(crate) fn timeout(&mut self, timer: Timer) -> Vec<String> {
        self.input(Input::Timeout(timer))
    }

    pub(crate) fn invoke(&mut self, id: u64, op: KvOp) -> Vec<String> {
        self.input(Input::Invoke { id: OpId(id), op })
    }

    pub(crate) fn flush(&mut self) -> Vec<String> {
        self.raft.flush(&self.config, self.now, &mut self.out);
        self.drained()
    }

    /// Everything written so far is durable.
    pub(crate) fn synced(&mut self) -> Vec<String> {
        match self.out.last_write() {
            Some(write) => self.input(Input::Persisted(write)),
            None => vec![],
        }
    }

    /// This write of the boot, and all before it, are durable.
    pub(crate) fn synced_to(&mut self, ordinal: u64) -> Vec<String> {
        self.input(Input::Persisted(WriteId::new(ordinal)))
    }

    /// The terms of its log.
    pub(crate) fn terms(&self) -> Vec<Term> {
        self.raft.log().iter().map(|(term, _)| term).collect()
    }
}
