//! raft-rs's `RawNode` as a [`Protocol`]: the peer's own core under our simulator, its faults and its oracles.
//!
//! What the crate's documentation asks of an application, and how it is done here:
//! - **Ready.** `messages` leave at once, `persisted_messages` once everything written so far is durable
//!   (`send_after`). The asynchronous form is used: `advance_append_async` when a ready was taken,
//!   `on_persist_ready` when its write is reported durable. A ready is taken in `flush`, so a run of inputs makes
//!   one.
//! - **Stable storage.** What a ready asks to persist (hard state and entries) is *one* record, as an application
//!   would put it into one write batch. A node boots from its records alone: they rebuild the crate's `MemStorage`.
//!   There are no snapshots and no changes of membership.
//! - **Applying.** Committed entries are applied to a key–value store in memory as a ready brings them, and the
//!   client is answered at once: the crate hands over only what is persisted here and committed by a majority.
//! - **Time.** One timer, about ten milliseconds, ticks. The crate draws its election timeout from a generator of
//!   the thread, which no seed reaches. After every call that is overwritten by one of ours
//!   (`set_randomized_election_timeout`, public but undocumented), which is asked for by `choose` whenever term or
//!   role have changed: when the crate draws anew. Its own draw is never looked at in between.
//! - **Clients.** Only a leader is given operations: a follower would forward them, and a forwarded proposal that the
//!   network doubled would be applied twice. An operation that the crate drops is not taken; one whose leader loses
//!   its term stays open. Reads go through the log like all else.
//! - **A failed disk** stops a node, as a panic would, until its host starts it again from what is durable. That is
//!   what our own Raft does, and the host is the same.
//!
//! Campaigns are those of our own Raft in every other way, too ([`model_check::raft::simulation`]): the same
//! clients, the same assumption, the same sizes.
//!
//! `RawNode` can be neither copied nor compared. A node therefore keeps the inputs of its boot: a copy is made by
//! taking them again, and two nodes are equal if they took the same. That serves replays and shrinking; it is no
//! basis for a search of states, and there are no instances.
//!
//! Judged by Raft's five properties ([`RaftProperties`], through public fields of the crate alone), by
//! linearizability and by progress. Verified by the tests below: a cluster commits and recovers, and a storage that
//! forgets is found.

use core::fmt::{self, Debug};
use core::hash::{Hash, Hasher};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use model_check::Registered;
use model_check::campaign::{Campaign, Simulate};
use model_check::forgetful::Forgetful;
use model_check::instance::Check;
use model_check::registered::Extent;
use raft_rs::eraftpb::{self, EntryType, HardState, MessageType};
use raft_rs::storage::MemStorage;
use raft_rs::{Config, GetEntriesContext, RawNode, Ready, StateRole};
use swarm_protocol::{
    Choices, Delay, Effects, Input, Never, NodeId, OpId, Protocol, Reply, Service, Stream, Ticks, WriteId,
};
use swarm_raft::properties::{Observation, RaftProperties, digest};
use swarm_raft::{Kv, KvAnswer, KvOp, KvSpec, Machine};
use swarm_simulator::hash_of;
use swarm_simulator::profile::Profile;
use swarm_simulator::simulation::Simulation;

/// Ticks between heartbeats, and the shortest and one beyond the longest election timeout: with ten milliseconds a
/// tick, the times of our own Raft.
const HEARTBEAT_TICKS: usize = 5;
const ELECTION_TICKS_MIN: usize = 15;
const ELECTION_TICKS_END: usize = 31;

const TICK: Delay = Delay { min: Ticks::from_micros(9_500), max: Ticks::from_micros(10_500) };

/// A message of the crate, field by field: comparable, and in order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    kind: i32,
    term: u64,
    log_term: u64,
    index: u64,
    entries: Vec<Entry>,
    commit: u64,
    commit_term: u64,
    reject: bool,
    reject_hint: u64,
    request_snapshot: u64,
    context: Vec<u8>,
    priority: i64,
}

/// An entry of the crate's log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    term: u64,
    index: u64,
    /// What is asked for, as text; empty for the entry with which a leader begins.
    data: Vec<u8>,
    /// The name of the operation.
    context: Vec<u8>,
}

/// What the messages are called, in the order of their numbers.
const KINDS: [(MessageType, &str); 19] = [
    (MessageType::MsgHup, "Hup"),
    (MessageType::MsgBeat, "Beat"),
    (MessageType::MsgPropose, "Propose"),
    (MessageType::MsgAppend, "Append"),
    (MessageType::MsgAppendResponse, "AppendResponse"),
    (MessageType::MsgRequestVote, "RequestVote"),
    (MessageType::MsgRequestVoteResponse, "RequestVoteResponse"),
    (MessageType::MsgSnapshot, "Snapshot"),
    (MessageType::MsgHeartbeat, "Heartbeat"),
    (MessageType::MsgHeartbeatResponse, "HeartbeatResponse"),
    (MessageType::MsgUnreachable, "Unreachable"),
    (MessageType::MsgSnapStatus, "SnapStatus"),
    (MessageType::MsgCheckQuorum, "CheckQuorum"),
    (MessageType::MsgTransferLeader, "TransferLeader"),
    (MessageType::MsgTimeoutNow, "TimeoutNow"),
    (MessageType::MsgReadIndex, "ReadIndex"),
    (MessageType::MsgReadIndexResp, "ReadIndexResp"),
    (MessageType::MsgRequestPreVote, "RequestPreVote"),
    (MessageType::MsgRequestPreVoteResponse, "RequestPreVoteResponse"),
];

impl Message {
    /// A message without a snapshot, of which there are none here.
    fn of(message: &eraftpb::Message) -> Self {
        Message {
            kind: message.get_msg_type() as i32,
            term: message.term,
            log_term: message.log_term,
            index: message.index,
            entries: message.entries.iter().map(Entry::of).collect(),
            commit: message.commit,
            commit_term: message.commit_term,
            reject: message.reject,
            reject_hint: message.reject_hint,
            request_snapshot: message.request_snapshot,
            context: message.context.to_vec(),
            priority: message.priority,
        }
    }

    fn into_peers(self, from: NodeId, to: NodeId) -> eraftpb::Message {
        let mut message = eraftpb::Message::default();
        message.set_msg_type(KINDS[self.kind as usize].0);
        (message.from, message.to) = (name(from), name(to));
        (message.term, message.log_term, message.index) = (self.term, self.log_term, self.index);
        message.set_entries(self.entries.into_iter().map(Entry::into_peers).collect::<Vec<_>>().into());
        (message.commit, message.commit_term) = (self.commit, self.commit_term);
        (message.reject, message.reject_hint) = (self.reject, self.reject_hint);
        message.request_snapshot = self.request_snapshot;
        message.context = self.context.into();
        message.priority = self.priority;
        message
    }
}

impl Debug for Message {
    /// What is not zero, after the kind and the term.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(t{}", KINDS[self.kind as usize].1, self.term)?;
        for (name, value) in [
            ("index", self.index),
            ("log_term", self.log_term),
            ("commit", self.commit),
            ("commit_term", self.commit_term),
            ("hint", self.reject_hint),
            ("request_snapshot", self.request_snapshot),
        ] {
            if value != 0 {
                write!(f, " {name}={value}")?;
            }
        }
        if self.reject {
            f.write_str(" reject")?;
        }
        if !self.context.is_empty() {
            write!(f, " context={:?}", self.context)?;
        }
        if self.priority != 0 {
            write!(f, " priority={}", self.priority)?;
        }
        self.entries.iter().try_for_each(|entry| write!(f, " {entry:?}"))?;
        f.write_str(")")
    }
}

impl Entry {
    fn of(entry: &eraftpb::Entry) -> Self {
        let (data, context) = (entry.data.to_vec(), entry.context.to_vec());
        Entry { term: entry.term, index: entry.index, data, context }
    }

    fn into_peers(self) -> eraftpb::Entry {
        let mut entry = eraftpb::Entry::default();
        entry.set_entry_type(EntryType::EntryNormal);
        (entry.term, entry.index) = (self.term, self.index);
        (entry.data, entry.context) = (self.data.into(), self.context.into());
        entry
    }
}

impl Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:t{}:{}", self.index, self.term, String::from_utf8_lossy(&self.data))
    }
}

/// What one ready asks to persist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Term, vote (0 for none) and commit index, if they have changed.
    hard_state: Option<(u64, u64, u64)>,
    /// What follows in the log, in place of what was there.
    entries: Vec<Entry>,
}

/// What clients are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// It was done.
    Applied(KvAnswer),
    /// Another node leads, if any is known to.
    NotLeader(Option<NodeId>),
    /// The crate dropped the proposal.
    Dropped,
}

/// The one timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick;

/// An input, as it is kept.
#[derive(Clone, Debug, Hash)]
enum Taken {
    Message(NodeId, Message),
    Tick,
    Invoke(OpId, KvOp),
    Persisted(WriteId),
    DiskFailed,
    Flush,
}

/// One node of raft-rs with a key–value store on top.
pub struct RaftRs {
    me: NodeId,
    nodes: u32,
    /// What it booted from, and what it took since, each with the election timeout that was chosen after it.
    boot: Arc<[Record]>,
    taken: Vec<(Taken, Option<usize>)>,
    /// A digest of these two.
    digest: u64,
    core: Core,
}

/// The crate's node and what belongs to it.
struct Core {
    me: NodeId,
    raw: RawNode<MemStorage>,
    storage: MemStorage,
    machine: Kv,
    applied: u64,
    /// Who waits for which operation.
    waiting: BTreeMap<Vec<u8>, OpId>,
    /// Readies that are not persisted, by the write that must be durable first.
    unpersisted: VecDeque<(WriteId, u64)>,
    durable: Option<WriteId>,
    disk_failed: bool,
    /// The term and role for which the election timeout was chosen, and the timeout.
    chosen_for: Option<(u64, StateRole)>,
    timeout: usize,
}

/// The crate counts nodes from 1.
fn name(node: NodeId) -> u64 {
    u64::from(node.0) + 1
}

/// The node of this name; none for 0, which is the crate's word for that.
fn node(name: u64) -> Option<NodeId> {
    name.checked_sub(1).and_then(|index| u32::try_from(index).ok()).map(NodeId)
}

impl Core {
    fn boot(nodes: u32, me: NodeId, records: &[Record]) -> Self {
        let config = Config {
            id: name(me),
            election_tick: ELECTION_TICKS_MIN,
            min_election_tick: ELECTION_TICKS_MIN,
            max_election_tick: ELECTION_TICKS_END,
            heartbeat_tick: HEARTBEAT_TICKS,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 256,
            pre_vote: true,
            check_quorum: true,
            ..Config::default()
        };
        let voters: Vec<u64> = (0..nodes).map(|node| name(NodeId(node))).collect();
        let storage = MemStorage::new_with_conf_state((voters, vec![]));
        for record in records {
            store(&storage, record);
        }
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let raw = RawNode::new(&config, storage.clone(), &log).expect("the configuration is valid");
        Core {
            me,
            raw,
            storage,
            machine: Kv::default(),
            applied: 0,
            waiting: BTreeMap::new(),
            unpersisted: VecDeque::new(),
            durable: None,
            disk_failed: false,
            chosen_for: None,
            timeout: ELECTION_TICKS_MIN,
        }
    }

    /// Takes an input. `chosen` is the election timeout that was chosen after it the first time, when it is taken
    /// again. Gives what was chosen.
    fn take(&mut self, taken: Taken, chosen: Option<usize>, out: &mut Effects<RaftRs>) -> Option<usize> {
        if self.disk_failed {
            return None;
        }
        match taken {
            Taken::Message(from, message) => {
                // Errors say that a message does not matter: its sender is no member, say.
                if self.raw.step(message.into_peers(from, self.me)).is_err() {
                    out.refuse("step-error");
                }
            }
            Taken::Tick => {
                self.raw.tick();
                out.set_timer(Tick, TICK);
            }
            Taken::Invoke(id, op) => self.propose(id, op, out),
            Taken::Persisted(write) => self.persisted(write),
            Taken::DiskFailed => self.disk_failed = true,
            Taken::Flush => self.act(out),
        }
        self.choose_timeout(chosen, out)
    }

    fn choose_timeout(&mut self, chosen: Option<usize>, out: &mut Effects<RaftRs>) -> Option<usize> {
        let now = (self.raw.raft.term, self.raw.raft.state);
        let anew = self.chosen_for != Some(now);
        if anew {
            if self.raw.raft.state == StateRole::Leader {
                out.mark("leader-elected");
            }
            if matches!(self.chosen_for, Some((_, StateRole::Leader))) {
                out.mark("leader-steps-down");
            }
            let span = ELECTION_TICKS_END - ELECTION_TICKS_MIN;
            let choose = || ELECTION_TICKS_MIN + out.choose("election-timeout", span as u32) as usize;
            self.timeout = chosen.unwrap_or_else(choose);
            self.chosen_for = Some(now);
        }
        self.raw.raft.set_randomized_election_timeout(self.timeout);
        anew.then_some(self.timeout)
    }

    fn propose(&mut self, id: OpId, op: KvOp, out: &mut Effects<RaftRs>) {
        if self.raw.raft.state != StateRole::Leader {
            return out.answer(id, Answer::NotLeader(node(self.raw.raft.leader_id)));
        }
        let context = id.0.to_le_bytes().to_vec();
        match self.raw.propose(context.clone(), format!("{op:?}").into_bytes()) {
            Ok(()) => drop(self.waiting.insert(context, id)),
            Err(_) => out.answer(id, Answer::Dropped),
        }
    }

    fn persisted(&mut self, write: WriteId) {
        self.durable = Some(write);
        let mut last = None;
        while let Some((_, number)) = self.unpersisted.pop_front_if(|(first, _)| *first <= write) {
            last = Some(number);
        }
        // One call says it of all before.
        if let Some(number) = last {
            self.raw.on_persist_ready(number);
        }
    }

    /// Takes what is ready, until nothing is.
    fn act(&mut self, out: &mut Effects<RaftRs>) {
        while self.raw.has_ready() {
            let ready = self.raw.ready();
            self.take_ready(ready, out);
        }
    }

    fn take_ready(&mut self, mut ready: Ready, out: &mut Effects<RaftRs>) {
        for message in ready.take_messages() {
            send(&message, None, out);
        }
        let hard_state = ready.hs().map(|state| (state.term, state.vote, state.commit));
        let record = Record { hard_state, entries: ready.entries().iter().map(Entry::of).collect() };
        if record.hard_state.is_some() || !record.entries.is_empty() {
            store(&self.storage, &record);
            out.persist(record);
        }
        let written = out.last_write();
        for message in ready.take_persisted_messages() {
            send(&message, written, out);
        }
        for entry in ready.take_committed_entries() {
            self.apply(&entry, out);
        }
        let number = ready.number();
        self.raw.advance_append_async(ready);
        self.raw.advance_apply_to(self.applied);
        match written {
            Some(write) if Some(write) > self.durable => self.unpersisted.push_back((write, number)),
            _ => self.raw.on_persist_ready(number),
        }
    }

    fn apply(&mut self, entry: &eraftpb::Entry, out: &mut Effects<RaftRs>) {
        self.applied = entry.index;
        let text = String::from_utf8_lossy(&entry.data);
        // A leader's first entry is empty; nothing else is that is not an operation.
        let Ok(op) = text.parse::<KvOp>() else { return };
        let answer = self.machine.apply(&op);
        out.mark("command-committed");
        if let Some(id) = self.waiting.remove(&entry.context[..]) {
            out.answer(id, Answer::Applied(answer));
        }
    }
}

/// Puts what a record says where the crate reads it.
fn store(storage: &MemStorage, record: &Record) {
    let entries: Vec<_> = record.entries.iter().cloned().map(Entry::into_peers).collect();
    storage.wl().append(&entries).expect("entries follow the log");
    if let Some((term, vote, commit)) = record.hard_state {
        let mut state = HardState::default();
        (state.term, state.vote, state.commit) = (term, vote, commit);
        storage.wl().set_hardstate(state);
    }
}

fn send(message: &eraftpb::Message, after: Option<WriteId>, out: &mut Effects<RaftRs>) {
    let Some(to) = node(message.to) else { return };
    match after {
        Some(write) => out.send_after(write, to, Message::of(message)),
        None => out.send(to, Message::of(message)),
    }
}

impl RaftRs {
    fn take(&mut self, taken: Taken, out: &mut Effects<Self>) {
        self.digest = hash_of(self.digest, &taken);
        let chosen = self.core.take(taken.clone(), None, out);
        self.digest = hash_of(self.digest, &chosen);
        self.taken.push((taken, chosen));
    }
}

impl Protocol for RaftRs {
    type Config = u32; // How many nodes there are.
    type Message = Message;
    type Timer = Tick;
    type Op = KvOp;
    type Answer = Answer;
    type Record = Record;
    type Task = Never;
    type Outcome = Never;

    fn recover(nodes: &u32, me: NodeId, disk: impl Iterator<Item = Record>, out: &mut Effects<Self>) -> Self {
        let boot: Arc<[Record]> = disk.collect();
        let core = Core::boot(*nodes, me, &boot);
        let digest = hash_of(u64::from(me.0), &boot);
        let mut node = RaftRs { me, nodes: *nodes, boot, taken: Vec::new(), digest, core };
        out.set_timer(Tick, TICK);
        // What is committed already is applied again; nobody waits for it.
        node.take(Taken::Flush, out);
        node
    }

    fn step(&mut self, _nodes: &u32, _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        let taken = match input {
            Input::Message { from, message } => Taken::Message(from, message),
            Input::Timeout(Tick) => Taken::Tick,
            Input::Invoke { id, op } => Taken::Invoke(id, op),
            Input::Persisted(write) => Taken::Persisted(write),
            Input::DiskFailed(_) => Taken::DiskFailed,
            Input::Done(never) => match never {},
        };
        self.take(taken, out);
    }

    fn flush(&mut self, _nodes: &u32, _now: Ticks, out: &mut Effects<Self>) {
        if self.needs_flush() {
            self.take(Taken::Flush, out);
        }
    }

    fn needs_flush(&self) -> bool {
        !self.core.disk_failed && self.core.raw.has_ready()
    }

    fn message_kind(message: &Message) -> &'static str {
        KINDS[message.kind as usize].1
    }

    fn op_kind(op: &KvOp) -> &'static str {
        match op {
            KvOp::Get(_) => "Get",
            KvOp::Put(..) => "Put",
            KvOp::Cas(..) => "Cas",
        }
    }

    fn role(&self) -> &'static str {
        match self.core.raw.raft.state {
            StateRole::Leader => "leader",
            StateRole::Follower => "follower",
            StateRole::Candidate => "candidate",
            StateRole::PreCandidate => "pre-candidate",
        }
    }

    fn phase(&self) -> &'static str {
        if self.core.unpersisted.is_empty() { "idle" } else { "writing" }
    }
}

impl Clone for RaftRs {
    /// Takes all inputs since the boot again.
    fn clone(&self) -> Self {
        let mut core = Core::boot(self.nodes, self.me, &self.boot);
        let mut out = Effects::new(Choices::seed(Stream::new(0, 0, 0)));
        for (taken, chosen) in &self.taken {
            core.take(taken.clone(), *chosen, &mut out);
            out.continue_from(out.last_write().map_or(0, WriteId::ordinal));
        }
        let (boot, taken) = (Arc::clone(&self.boot), self.taken.clone());
        RaftRs { me: self.me, nodes: self.nodes, boot, taken, digest: self.digest, core }
    }
}

impl PartialEq for RaftRs {
    fn eq(&self, other: &Self) -> bool {
        self.me == other.me && self.digest == other.digest && self.taken.len() == other.taken.len()
    }
}

impl Eq for RaftRs {}

impl Hash for RaftRs {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

impl Debug for RaftRs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let raft = &self.core.raw.raft;
        let log = &raft.raft_log;
        let last = log.last_index();
        write!(f, "{} t{} {} commit {} of {last}", self.me, raft.term, self.role(), log.committed)
    }
}

impl Observation for RaftRs {
    fn term(&self) -> u64 {
        self.core.raw.raft.term
    }

    fn is_leader(&self) -> bool {
        self.core.raw.raft.state == StateRole::Leader
    }

    fn last_index(&self) -> u64 {
        self.core.raw.raft.raft_log.last_index()
    }

    fn commit_index(&self) -> u64 {
        self.core.raw.raft.raft_log.committed
    }

    fn applied_index(&self) -> u64 {
        self.core.applied
    }

    fn entry_at(&self, index: u64) -> Option<(u64, u64)> {
        self.entries_from(index).next()
    }

    fn entries_from(&self, first: u64) -> impl Iterator<Item = (u64, u64)> {
        let log = &self.core.raw.raft.raft_log;
        let end = log.last_index() + 1;
        let entries = (first < end).then(|| log.slice(first, end, None, GetEntriesContext::empty(false)));
        let entries = entries.and_then(Result::ok).unwrap_or_default();
        entries.into_iter().map(|entry| (entry.term, digest(&(&entry.data[..], &entry.context[..]))))
    }
}

impl Service for RaftRs {
    type Spec = KvSpec;

    fn reply(answer: &Answer) -> Reply<KvAnswer> {
        match answer {
            Answer::Applied(answer) => Reply::Done(*answer),
            Answer::NotLeader(leader) => Reply::NotTaken(*leader),
            Answer::Dropped => Reply::NotTaken(None),
        }
    }
}

impl Registered for RaftRs {
    type Properties = RaftProperties;
    const NAME: &'static str = "raft-rs";
    const PROGRAM: &'static str = "cargo run --release -p bench --features peers --bin raft-rs --";
    const MARKS: &'static [&'static str] = &["leader-elected", "leader-steps-down", "command-committed"];
    const RARE_NODES: &'static [u32] = <model_check::raft::Node as Registered>::RARE_NODES;

    fn config(nodes: u32) -> u32 {
        nodes
    }

    fn campaign_without_storage(profile: Profile, sizes: [u32; 2]) -> Option<Box<dyn Simulate>> {
        Some(Box::new(Campaign::new(sizes, &[], |nodes| {
            model_check::raft::simulation::<Forgetful<Self>, RaftProperties>(nodes, nodes).profile(profile)
        })))
    }

    fn simulation(nodes: u32) -> Simulation<Self, RaftProperties> {
        model_check::raft::simulation(Self::config(nodes), nodes)
    }

    /// None: see the top of the file.
    fn instances(_extent: Extent) -> Vec<Box<dyn Check>> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use swarm_simulator::profile::{Fault, Faults};

    use super::*;

    fn simulation(nodes: u32) -> Simulation<RaftRs, RaftProperties> {
        RaftRs::simulation(nodes).profile(Profile::EVERYTHING)
    }

    #[test]
    fn a_cluster_commits_under_faults_and_a_seed_is_a_run() {
        for (nodes, seed) in [(3, 0), (5, 1), (3, 2)] {
            let run = simulation(nodes).run(seed);
            assert_eq!(run.violation, None, "seed {seed}");
            assert!(run.completed > 20 && run.marks.contains_key("leader-elected"), "{run:?}");
            assert_eq!(run, simulation(nodes).run(seed), "the crate's own draws show");
        }
    }

    #[test]
    fn a_copy_is_the_node_that_took_the_same_inputs() {
        let traced = simulation(3).trace(4);
        for node in traced.nodes.iter().flatten() {
            let copy = node.clone();
            assert_eq!(format!("{copy:?}"), format!("{node:?}"));
            let log = |node: &RaftRs| node.entries_from(1).collect::<Vec<_>>();
            assert_eq!((log(&copy), &copy.core.machine), (log(node), &node.core.machine));
            assert_eq!(copy.core.timeout, node.core.timeout);
        }
    }

    #[test]
    fn messages_survive_the_way_there_and_back() {
        let mut message = eraftpb::Message::default();
        message.set_msg_type(MessageType::MsgAppend);
        (message.term, message.log_term, message.index, message.commit) = (3, 2, 7, 6);
        let entry = Entry { term: 3, index: 8, data: b"Put(1,7)".to_vec(), context: vec![5; 8] };
        message.set_entries(vec![entry.into_peers()].into());
        (message.reject, message.reject_hint, message.commit_term) = (true, 4, 2);
        message.context = vec![1, 2].into();
        message.priority = -1;
        (message.from, message.to) = (2, 3);
        assert_eq!(Message::of(&message).into_peers(NodeId(1), NodeId(2)), message);
        let shown = "Append(t3 index=7 log_term=2 commit=6 commit_term=2 hint=4 reject context=[1, 2] priority=-1 \
             8:t3:Put(1,7))";
        assert_eq!(format!("{:?}", Message::of(&message)), shown);
        for (number, (kind, _)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, number);
        }
    }

    #[test]
    fn a_failed_disk_stops_a_node_until_it_is_started_again() {
        let profile = Profile::new("failing", Faults::of(&[Fault::DiskFailure, Fault::DiskFull]));
        let runs: Vec<_> = (0..20).map(|seed| RaftRs::simulation(3).profile(profile).run(seed)).collect();
        let failed = runs.iter().filter(|run| run.events.contains_key("disk-fail")).count();
        assert!(failed > 5, "{failed}");
        for run in runs {
            assert_eq!(run.violation, None, "seed {}", run.seed);
            assert_eq!(run.events.contains_key("disk-fail"), run.events.contains_key("restart"), "{run:?}");
        }
    }

    #[test]
    fn a_storage_that_forgets_is_found() {
        let forgetful: Simulation<Forgetful<RaftRs>, RaftProperties> = model_check::raft::simulation(3, 3);
        let forgetful = forgetful.profile(Profile::CRASHES);
        assert!((0..30).any(|seed| forgetful.run(seed).violation.is_some()), "disks that keep nothing pass");
    }
}
