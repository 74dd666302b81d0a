//! A run of Raft in the lines of etcd's trace specification ([`crate::etcd_trace`]).
//!
//! The run is followed in a world, and what changed at a node with each event is told in the order of etcd's steps:
//! received, follower, candidate, leader, replicated, committed, sent, ready. A `Ready` ends what an event came to.
//!
//! What is the same under another form: a heartbeat is an empty append (`MsgApp`); `Conflict` and `Stale` are
//! refusals (`MsgAppResp`); an append says up to where its receiver may commit, which is not beyond its own entries;
//! a candidate's vote for itself and a leader's own acknowledgement are messages to itself, received when the write is
//! durable; requests for votes are told when they are asked for, and leave later, once the vote is durable; a
//! candidate that goes back to PreVote gives up its candidacy.
//!
//! What the specification has no event for: PreVote (left out); a request for votes that a node which hears its leader
//! keeps out of (left out); an acknowledgement that repeats what it said, as ours say all that is known to agree where
//! etcd's say what one append brought (left out). The trace ends before: a message that arrives twice; a node that
//! boots again, as the commit index is on disk in the specification and not in ours; a later term that is learnt from
//! an answer to PreVote; a follower that takes something from an append which begins before its commit index, as etcd's
//! pass such an append over; entries that are neither commands nor no-ops; a message of another kind; an event that no
//! world follows, as those of clocks and of wiped disks.
//!
//! Verified by `tests/it/etcd_trace.rs`.

use swarm_protocol::NodeId;
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Entry, Membership, Message, Record};
use swarm_simulator::{Event, Setup, Slot, World};

use super::{Node, Op};
use crate::etcd_trace::rules::{self, Rules};
use crate::etcd_trace::{Event as Step, Line, Msg, State, TAG, Written};

type Cluster = World<Node, RaftProperties>;

const PRE_VOTES: &str = "messages of PreVote";
const KEPT_OUT: &str = "requests for votes to a node that keeps out";
const REPEATED: &str = "answers that repeat what is known";
const HALTED: &str = "messages to a node that has stopped";

/// Tells a run, as far as the specification has words for it.
pub(super) fn write(setup: &Setup<Node>, events: &[Event<Node>]) -> Written {
    let mut world = Cluster::new(setup);
    let mut writer = Writer { written: Written::default(), rules: Rules::default(), copied: Vec::new() };
    for node in world.nodes().flatten() {
        writer.tell("InitState", &View::of(node), None);
    }
    for event in events {
        let before = world.clone();
        let ended = match world.apply(setup, event) {
            Ok(_) => writer.happen(event, &before, &world).err(),
            Err(why) => Some(format!("no world follows the run: {why}")),
        };
        if ended.is_some() {
            writer.written.ended = ended.map(|why| format!("before `{event:?}`: {why}"));
            break;
        }
        if writer.written.refused.is_some() {
            break;
        }
    }
    writer.written
}

struct Writer {
    written: Written,
    rules: Rules,
    /// Messages that the network has copied.
    copied: Vec<Msg>,
}

/// How a node stands, in the words of the specification.
#[derive(Clone, Copy, PartialEq, Eq)]
struct View {
    node: NodeId,
    term: u64,
    vote: Option<NodeId>,
    commit: u64,
    role: Role,
    last: u64,
    /// The one in effect there.
    membership: Membership,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Follower,
    Candidate,
    Leader,
}

impl View {
    fn of(node: &Node) -> Self {
        View {
            node: node.me(),
            term: node.term(),
            vote: node.vote(),
            commit: node.commit_index(),
            role: match () {
                () if node.is_leader() => Role::Leader,
                () if node.is_candidate() => Role::Candidate,
                () => Role::Follower,
            },
            last: node.log().last_index(),
            membership: *node.membership(),
        }
    }
}

impl Writer {
    fn tell(&mut self, what: &str, view: &View, msg: Option<Msg>) {
        if self.written.refused.is_some() {
            return;
        }
        let role = match view.role {
            Role::Follower => "StateFollower",
            Role::Candidate => "StateCandidate",
            Role::Leader => "StateLeader",
        };
        let event = Step {
            name: what.to_owned(),
            nid: name(view.node),
            state: State {
                term: view.term,
                vote: view.vote.map_or_else(|| "0".to_owned(), name),
                commit: view.commit,
            },
            role: role.to_owned(),
            log: view.last,
            conf: [view.membership.voters, view.membership.outgoing]
                .map(|nodes| nodes.iter().map(name).collect()),
            msg,
        };
        self.written.lines += 1;
        if let Err(why) = self.rules.step(&event) {
            self.written.refused = Some((self.written.lines, why));
        }
        let line = Line { tag: TAG.to_owned(), event };
        self.written.text += &serde_json::to_string(&line).expect("it is plain data");
        self.written.text.push('\n');
    }

    fn leave_out(&mut self, what: &'static str) {
        *self.written.left_out.entry(what).or_default() += 1;
    }

    /// One event of the run.
    fn happen(&mut self, event: &Event<Node>, before: &Cluster, after: &Cluster) -> Result<(), String> {
        let at = match event {
            Event::Restart { .. } => return Err("a node boots again".to_owned()),
            Event::Drop { .. } | Event::Choose { .. } | Event::Advance { .. } | Event::Crash { .. } => {
                return Ok(());
            }
            Event::Deliver { to: at, .. }
            | Event::Duplicate { to: at, .. }
            | Event::Timeout { at, .. }
            | Event::Invoke { at, .. }
            | Event::Flush { at }
            | Event::Sync { at, .. }
            | Event::DiskFail { at } => *at,
        };
        let (Some(was), Some(is)) = (before.node(at), after.node(at)) else { return Ok(()) };
        let begun = self.written.lines;
        let mut now = View::of(was);
        if let Event::Deliver { from, message, .. } | Event::Duplicate { from, message, .. } = event {
            if before.node(Slot::of(*from)).is_some_and(|leader| goes_further(message, leader, was, is)) {
                return Err("an append that begins before the commit index brings something".to_owned());
            }
            self.receive(*from, message, was, is, &mut now)?;
            if let Event::Duplicate { .. } = event {
                self.copied.extend(msg(*from, at.node(), message)?);
            }
        }
        self.elections(was, is, &mut now);
        if let Event::Sync { .. } = event {
            self.own_vote(before, after, at, &now);
        }
        self.leadership(after, at, is, &mut now)?;
        if let Event::Sync { .. } = event
            && was.is_leader()
            && is.durable_index() > was.durable_index()
        {
            let msg = blank("MsgAppResp", is.term(), now.node, now.node);
            self.receive_own(Msg { index: is.durable_index(), ..msg }, &now);
        }
        if now.role == Role::Leader && is.commit_index() > now.commit {
            now.commit = is.commit_index();
            self.tell("Commit", &now, None);
        }
        self.sends(before, after, &now)?;
        if self.written.lines > begun {
            self.tell("Ready", &View::of(is), None);
        }
        Ok(())
    }

    fn receive(
        &mut self,
        from: NodeId,
        message: &Message<Op>,
        was: &Node,
        is: &Node,
        now: &mut View,
    ) -> Result<(), String> {
        let Some(msg) = msg(from, now.node, message)? else {
            self.leave_out(PRE_VOTES);
            let campaigns = is.vote() == Some(is.me());
            let learns = is.term() > was.term() && !campaigns;
            return if learns { Err("a later term is learnt from PreVote".to_owned()) } else { Ok(()) };
        };
        if was.is_halted() {
            self.leave_out(HALTED);
            return Ok(());
        }
        if message.term() > is.term() {
            self.leave_out(KEPT_OUT);
            return Ok(());
        }
        let answers = matches!(msg.kind.as_str(), "MsgAppResp" | "MsgVoteResp");
        if answers && !self.rules.awaits(&msg) {
            self.leave_out(REPEATED);
        } else if self.copied.contains(&msg) && !self.rules.awaits(&msg) {
            return Err("a message arrives twice".to_owned());
        } else {
            self.tell(rules::received(&msg), now, Some(msg));
        }
        let follows = now.role == Role::Candidate && matches!(message, Message::Append { .. });
        if message.term() > now.term {
            *now = View { term: message.term(), vote: None, role: Role::Follower, ..*now };
            self.tell("BecomeFollower", now, None);
        } else if message.term() == now.term && follows {
            now.role = Role::Follower;
            self.tell("BecomeFollower", now, None);
        }
        if now.role == Role::Follower && is.term() == now.term {
            let role = now.role;
            *now = View { role, ..View::of(is) };
        }
        Ok(())
    }

    /// Who gives up, and who stands for election.
    fn elections(&mut self, was: &Node, is: &Node, now: &mut View) {
        if now.role != Role::Follower && is.term() == now.term && !is.is_candidate() && !is.is_leader() {
            now.role = Role::Follower;
            self.tell("BecomeFollower", now, None);
        }
        if is.term() > now.term && is.vote() == Some(now.node) {
            *now = View { term: is.term(), vote: is.vote(), role: Role::Candidate, ..*now };
            self.tell("BecomeCandidate", now, None);
            let Membership { voters, outgoing, .. } = *is.membership();
            for voter in voters.union(outgoing).iter().map(name) {
                let own = voter == name(now.node);
                let (kind, line) = if own {
                    ("MsgVoteResp", "SendRequestVoteResponse")
                } else {
                    ("MsgVote", "SendRequestVoteRequest")
                };
                let msg = Msg { to: voter, ..blank(kind, now.term, now.node, now.node) };
                let last = (was.log().last_index(), was.log().last_term());
                let (index, log_term) = if own { (0, 0) } else { last };
                self.tell(line, now, Some(Msg { log_term, index, ..msg }));
            }
        }
    }

    /// A candidate counts its own vote when that is durable.
    fn own_vote(&mut self, before: &Cluster, after: &Cluster, at: Slot, now: &View) {
        let writes = |world: &Cluster| {
            let own = |record: &Record<Op>| matches!(record, Record::Vote { term, vote } if (*term, *vote) == (now.term, now.vote));
            world.outstanding(at).iter().any(own)
        };
        if now.role == Role::Candidate && writes(before) && !writes(after) {
            let msg = blank("MsgVoteResp", now.term, now.node, now.node);
            self.receive_own(msg, now);
        }
    }

    fn receive_own(&mut self, msg: Msg, now: &View) {
        if self.rules.awaits(&msg) {
            self.tell(rules::received(&msg), now, Some(msg));
        } else {
            self.leave_out(REPEATED);
        }
    }

    /// A leader leads, and puts entries into its log.
    fn leadership(&mut self, after: &Cluster, at: Slot, is: &Node, now: &mut View) -> Result<(), String> {
        if !is.is_leader() {
            return Ok(());
        }
        if now.role == Role::Candidate {
            now.role = Role::Leader;
            self.tell("BecomeLeader", now, None);
        }
        // It acknowledges to itself what one write holds.
        let ends: Vec<u64> = after
            .outstanding(at)
            .iter()
            .filter_map(|record| match record {
                Record::Append { first, entries } => Some(first + entries.count() - 1),
                _ => None,
            })
            .collect();
        while now.last < is.log().last_index() {
            let entry = is.log().entry(now.last + 1);
            if !matches!(entry, Some((_, Entry::NoOp | Entry::Command(_)))) {
                return Err("an entry is neither a command nor a no-op".to_owned());
            }
            self.tell("Replicate", now, None);
            now.last += 1;
            if ends.contains(&now.last) {
                let msg = blank("MsgAppResp", now.term, now.node, now.node);
                self.tell("SendAppendEntriesResponse", now, Some(Msg { index: now.last, ..msg }));
            }
        }
        Ok(())
    }

    /// What left the node.
    fn sends(&mut self, before: &Cluster, after: &Cluster, now: &View) -> Result<(), String> {
        let mut there: Vec<(Slot, &Message<Op>)> = sent_by(before, now.node).collect();
        for (to, message) in sent_by(after, now.node) {
            if let Some(place) = there.iter().position(|known| *known == (to, message)) {
                there.swap_remove(place);
                continue;
            }
            let line = match message {
                Message::Append { .. } => "SendAppendEntriesRequest",
                Message::Vote { .. } => "SendRequestVoteResponse",
                Message::Appended { .. } | Message::Conflict { .. } | Message::Stale { .. } => {
                    "SendAppendEntriesResponse"
                }
                // Of these, the first was told when it was asked for, and the others are left out where they arrive.
                _ => continue,
            };
            let msg = msg(now.node, to.node(), message)?;
            self.tell(line, now, msg);
        }
        Ok(())
    }
}

/// A message in etcd's form; none of PreVote, to which asking for a loan belongs. Being lent something has no form.
fn msg(from: NodeId, to: NodeId, message: &Message<Op>) -> Result<Option<Msg>, String> {
    let asks = matches!(message, Message::Behind { .. } | Message::Ask { .. });
    if asks || matches!(message, Message::RequestPreVote { .. } | Message::PreVote { .. }) {
        return Ok(None);
    }
    let blank = |kind| blank(kind, message.term(), from, to);
    Ok(Some(match message {
        Message::RequestVote { last_index, last_term, .. } => {
            Msg { index: *last_index, log_term: *last_term, ..blank("MsgVote") }
        }
        Message::Vote { granted, .. } => Msg { reject: !granted, ..blank("MsgVoteResp") },
        Message::Append { prev_index, prev_term, commit, entries, .. } => Msg {
            index: *prev_index,
            log_term: *prev_term,
            entries: entries.count(),
            commit: *commit.min(&(prev_index + entries.count())),
            ..blank("MsgApp")
        },
        Message::Appended { matched, .. } => Msg { index: *matched, ..blank("MsgAppResp") },
        Message::Conflict { prev_index, hint_index, hint_term, .. } => Msg {
            index: *prev_index,
            log_term: *hint_term,
            reject: true,
            reject_hint: *hint_index,
            ..blank("MsgAppResp")
        },
        Message::Stale { .. } => Msg { reject: true, ..blank("MsgAppResp") },
        other => return Err(format!("a message of kind {}", other.kind())),
    }))
}

fn blank(kind: &str, term: u64, from: NodeId, to: NodeId) -> Msg {
    Msg {
        kind: kind.to_owned(),
        term,
        from: name(from),
        to: name(to),
        entries: 0,
        log_term: 0,
        index: 0,
        commit: 0,
        vote: "0".to_owned(),
        reject: false,
        reject_hint: 0,
    }
}

/// Whether a follower takes something from an append that begins before its commit index, which etcd's pass over, and
/// what it comes to is what the leader has.
fn goes_further(message: &Message<Op>, leader: &Node, was: &Node, is: &Node) -> bool {
    let Message::Append { term, prev_index, .. } = message else { return false };
    let agrees = |index| is.log().term_at(index) == leader.log().term_at(index);
    leader.is_leader()
        && leader.term() == *term
        && *prev_index < was.commit_index()
        && (is.commit_index() > was.commit_index() || is.log().last_index() > was.log().last_index())
        && agrees(is.log().last_index())
}

/// Servers are numbered from 1.
fn name(node: NodeId) -> String {
    (u64::from(node.0) + 1).to_string()
}

fn sent_by(world: &Cluster, node: NodeId) -> impl Iterator<Item = (Slot, &Message<Op>)> {
    world.in_flight().filter(move |(from, ..)| *from == node).map(|(_, to, message)| (to, message))
}
