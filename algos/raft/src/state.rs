//! The state of one Raft node (Raft Fig. 2) and its changes of role.
//!
//! Each role keeps only what it needs, so that two nodes that will behave alike compare equal. Equality
//! and hash cover logical content; what is derived or counted is left out. Verified by
//! [`Raft::check_invariants`] after every step under test.

use core::fmt::{self, Debug};
use core::hash::{Hash, Hasher};
use std::collections::VecDeque;
use std::sync::Arc;

use swarm_protocol::{Effects, NodeId, NodeSet, OpId, Outstanding, Ticks};

use crate::loan::Credit;
use crate::log::Log;
use crate::members::Members;
use crate::reads::Reading;
use crate::snapshot::{Incoming, bytes_of};
use crate::tenure::{Heard, Tenure};
use crate::transfer::Handover;
use crate::{Answer, Config, Counts, Entry, Index, Machine, Membership, Record, Snapshot, Term, Timer};

/// One node of a Raft cluster that replicates `M`.
#[derive(Clone)]
pub struct Raft<M: Machine> {
    pub(crate) me: NodeId,
    /// The latest term this node has seen; never decreases.
    pub(crate) term: Term,
    /// Whom this node voted for in `term`; cleared by `enter_term` alone.
    pub(crate) vote: Option<NodeId>,
    /// The term and vote that were last handed to the disk: equal to `term` and `vote` between steps.
    pub(crate) saved: (Term, Option<NodeId>),
    pub(crate) role: Role,
    pub(crate) log: Log<M::Command>,
    /// Who takes part, as the log has it.
    pub(crate) members: Members,
    /// Who of the servers is a witness, as the configuration says.
    pub(crate) witnesses: NodeSet,
    /// The last entry of the present log that is known to be durable here.
    pub(crate) durable: Index,
    /// What is on its way to the disk.
    pub(crate) writes: Outstanding<Written>,
    /// The last entry known to be committed: `applied <= commit <= log.last_index()`.
    pub(crate) commit: Index,
    /// The last entry applied to the machine; equal to `commit` between steps.
    pub(crate) applied: Index,
    pub(crate) machine: M,
    /// The last snapshot, taken or received: covers all that the log has dropped.
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    /// How large the entries are that were applied since, in bytes.
    pub(crate) fresh_bytes: u64,
    /// What it has of a snapshot that the leader of `term` sends.
    pub(crate) incoming: Option<Box<Incoming>>,
    /// Entries that a leader has taken and not yet put into its log, in order.
    pub(crate) proposals: Vec<Entry<M::Command>>,
    /// How large the entries are that this leader has taken and that are not committed, in its log or not, in bytes;
    /// 0 unless leader.
    pub(crate) uncommitted_bytes: u64,
    /// Where the commands of clients that wait for an answer stand, by ascending index: in the log, or,
    /// beyond its end, among the proposals. Empty unless leader.
    pub(crate) waiting: VecDeque<(Index, OpId)>,
    /// The change of members under way, and the client that asked this leader for it; none unless leader.
    pub(crate) changing: Option<(OpId, M::Command)>,
    /// When it last heard from a leader; [`Heard::Never`] without CheckQuorum.
    pub(crate) heard: Heard,
    /// What it keeps of its time as a leader; nothing unless leader.
    pub(crate) tenure: Tenure,
    /// What it keeps of reads as a leader; nothing unless leader.
    pub(crate) reading: Reading<M::Command>,
    /// To whom it hands over its leadership, if it does; none unless leader.
    pub(crate) handover: Option<Handover<M::Command>>,
    /// When it last began to hand over of its own accord; none without priorities.
    pub(crate) made_way: Option<Ticks>,
    /// The disk has failed or cannot be trusted: the node does nothing any more.
    pub(crate) halted: bool,
    /// What has happened since it booted; of no influence.
    pub(crate) counts: Counts,
}

/// What a node is at present.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// Follows a leader, or waits for one.
    Follower {
        /// Who leads `term`, as far as this node knows and has lately heard.
        leader: Option<NodeId>,
        /// The last entry known to agree with the log of the leader of `term`.
        verified: Index,
        /// An acknowledgement of `verified` leaves with the next flush.
        ack_due: bool,
    },
    /// Asks whether it would be elected.
    PreCandidate(Ballot, Credit),
    /// Stands for election in `term`.
    Candidate(Ballot),
    /// Leads `term`.
    Leader {
        /// What is known of each node's log, by the node's number.
        progress: Vec<Progress>,
    },
}

/// Who has answered so far.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ballot {
    pub(crate) granted: NodeSet,
    pub(crate) refused: NodeSet,
}

/// What a leader knows of a follower's log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Progress {
    /// The last entry known to agree with the leader's log and to be durable there (`matchIndex`).
    pub(crate) matched: Index,
    /// The first entry to send: `next > matched` (`nextIndex`).
    pub(crate) next: Index,
    pub(crate) pace: Pace,
    /// What is on its way to the follower, if it is sent append behind append.
    pub(crate) flight: Flight,
}

/// The appends with entries that are on their way to a follower. One is there until the follower has acknowledged its
/// last entry, and no longer than it is assumed to arrive: a loss shows as a conflict, with which all are forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    /// The last entry of each and how large its entries are, in bytes, oldest first.
    appends: VecDeque<(Index, u64)>,
    /// The bytes of all.
    bytes: u64,
}

impl Flight {
    /// One more, whose last entry is this one.
    #[inline]
    pub(crate) fn add(&mut self, last: Index, bytes: u64) {
        self.appends.push_back((last, bytes));
        self.bytes += bytes;
    }

    /// The follower has all up to `matched`.
    #[inline]
    pub(crate) fn land(&mut self, matched: Index) {
        while let Some((_, bytes)) = self.appends.pop_front_if(|(last, _)| *last <= matched) {
            self.bytes -= bytes;
        }
    }

    /// None of them is expected to arrive.
    pub(crate) fn forget(&mut self) {
        self.appends.clear();
        self.bytes = 0;
    }

    /// How many there are.
    pub(crate) fn messages(&self) -> usize {
        self.appends.len()
    }

    /// How large their entries are, in bytes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// How fast a leader may send to a follower.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Pace {
    /// It is not known where the logs agree: one append at a time.
    Probe {
        /// An append is on its way, as far as the leader knows.
        sent: bool,
    },
    /// `next` moves on as soon as an append is sent.
    Pipeline,
    /// What the follower needs is no longer in the log: it is sent the snapshot, one part at a time.
    Snapshot {
        /// Which one.
        index: Index,
        /// Where the next part begins, in bytes.
        offset: u64,
        /// That part is on its way, as far as the leader knows.
        sent: bool,
    },
}

/// What a write on its way to the disk stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Written {
    /// Term and vote.
    Vote(Term),
    /// The log up to this index, less what was truncated since.
    Log(Index),
    /// Entries were dropped.
    Cut,
}

impl<M: Machine> Raft<M> {
    /// This node's name.
    pub const fn me(&self) -> NodeId {
        self.me
    }

    /// The latest term this node has seen.
    pub const fn term(&self) -> Term {
        self.term
    }

    /// Whom this node voted for in its term.
    pub const fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// Whether this node leads its term.
    pub const fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader { .. })
    }

    /// Whether this node stands for election in its term.
    pub const fn is_candidate(&self) -> bool {
        matches!(self.role, Role::Candidate(_))
    }

    /// Whether this node asks if it would be elected.
    pub const fn is_pre_candidate(&self) -> bool {
        matches!(self.role, Role::PreCandidate(..))
    }

    /// Who leads this node's term, as far as it knows.
    pub const fn leader(&self) -> Option<NodeId> {
        match self.role {
            Role::Follower { leader, .. } => leader,
            Role::Leader { .. } => Some(self.me),
            Role::PreCandidate(..) | Role::Candidate(_) => None,
        }
    }

    /// The log.
    pub const fn log(&self) -> &Log<M::Command> {
        &self.log
    }

    /// Who takes part: the latest membership in the log, committed or not (Raft §6).
    pub const fn membership(&self) -> &Membership {
        self.members.now()
    }

    /// The last entry of the present log that is known to be durable here.
    pub const fn durable_index(&self) -> Index {
        self.durable
    }

    /// The last entry known to be committed.
    pub const fn commit_index(&self) -> Index {
        self.commit
    }

    /// The last entry applied to the machine.
    pub const fn applied_index(&self) -> Index {
        self.applied
    }

    /// The replicated machine.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// The last snapshot, taken or received.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_deref()
    }

    /// Whether the node has stopped because its disk failed or cannot be trusted.
    pub const fn is_halted(&self) -> bool {
        self.halted
    }

    /// Enters a later term. The only place that moves the term, and the only place that clears the vote:
    /// a vote forgotten within a term is a second vote.
    pub(crate) fn enter_term(&mut self, term: Term) {
        assert!(term > self.term, "term {term} is not later than {}", self.term);
        self.term = term;
        self.vote = None; // Raft Fig. 2: votedFor belongs to currentTerm.
        self.incoming = None; // Another leader may send another snapshot.
    }

    /// Hands term and vote to the disk if they changed since it last got them.
    pub(crate) fn save_vote(&mut self, out: &mut Effects<Self>) {
        if self.saved != (self.term, self.vote) {
            self.saved = (self.term, self.vote);
            let write = out.persist(Record::Vote { term: self.term, vote: self.vote });
            self.writes.push(write, Written::Vote(self.term));
        }
    }

    /// Follows `leader`, or nobody yet. From any role; within a term, the vote stays.
    pub(crate) fn become_follower(
        &mut self,
        config: &Config,
        leader: Option<NodeId>,
        out: &mut Effects<Self>,
    ) {
        if self.is_leader() {
            out.mark("leader-steps-down");
            self.counts.step_downs += 1;
            out.cancel_timer(Timer::Heartbeat);
            out.set_timer(Timer::Election, config.patience(self.me));
            // Commands in the log may still be committed by a later leader: their clients are never
            // answered. Commands that did not reach it were surely not taken.
            for (index, id) in self.waiting.drain(..) {
                if index > self.log.last_index() {
                    self.counts.dropped_deposed += 1;
                    out.answer(id, Answer::Redirect(leader));
                } else {
                    self.counts.left_unanswered += 1;
                }
            }
            self.proposals.clear();
            self.uncommitted_bytes = 0;
            self.counts.left_unanswered += u64::from(self.changing.take().is_some());
            // Reads are asked for elsewhere.
            for read in core::mem::take(&mut self.reading).waiting {
                out.answer(read.id, Answer::Redirect(leader));
            }
            self.end_transfer(leader, out);
            self.tenure = Tenure::default();
        }
        // Raft §5.4.3: what is committed agrees with the log of every later leader.
        self.role = Role::Follower { leader, verified: self.commit, ack_due: false };
    }

    /// Asks whether it would be elected, without entering a term (dissertation §9.6).
    pub(crate) fn become_pre_candidate(&mut self) {
        assert!(!self.is_leader(), "a leader does not stand for election");
        self.role = Role::PreCandidate(Ballot::default(), Credit::default());
    }

    /// Enters the next term and votes for itself (Raft §5.2).
    pub(crate) fn become_candidate(&mut self) {
        assert!(!self.is_leader(), "a leader does not stand for election");
        self.enter_term(self.term + 1);
        self.vote = Some(self.me);
        self.role = Role::Candidate(Ballot::default());
    }

    /// Leads the term that it was elected in.
    pub(crate) fn become_leader(&mut self, config: &Config, out: &mut Effects<Self>) {
        assert!(self.is_candidate(), "only a candidate is elected");
        out.mark("leader-elected");
        self.counts.elections_won += 1;
        let slots = config.servers.iter().last().map_or(0, |node| node.index() + 1);
        let members = self.members.now().all();
        // Raft §5.3: nextIndex starts just after the last entry.
        let progress = (0..slots).map(|slot| {
            // Nothing is due to a number that no member has.
            let sent = !members.contains(NodeId(slot as u32));
            let (next, pace) = (self.log.last_index() + 1, Pace::Probe { sent });
            Progress { matched: 0, next, pace, flight: Flight::default() }
        });
        self.role = Role::Leader { progress: progress.collect() };
        if config.check_quorum {
            out.set_timer(Timer::Election, swarm_protocol::Delay::exactly(config.election_timeout.min));
        } else {
            out.cancel_timer(Timer::Election);
        }
        out.set_timer(Timer::Heartbeat, swarm_protocol::Delay::exactly(config.heartbeat_interval));
        if self.commit < self.log.last_index() {
            let last = self.log.last_index();
            self.uncommitted_bytes = self.log.bytes(self.commit + 1, last, bytes_of::<M>);
        }
        self.uncommitted_bytes += bytes_of::<M>(&Entry::NoOp);
        self.proposals.push(Entry::NoOp); // Raft §8: a no-op at the start of the term.
    }

    /// The index that the next proposal will have.
    pub(crate) fn next_proposal_index(&self) -> Index {
        self.log.last_index() + self.proposals.len() as u64 + 1
    }

    /// What must hold inside the node. Costs the number of peers, not the length of the log.
    ///
    /// # Panics
    /// If a condition does not hold.
    pub fn check_invariants(&self, _config: &Config) {
        let last = self.log.last_index();
        assert_eq!(self.saved, (self.term, self.vote), "term and vote are on their way to the disk");
        assert!(self.commit <= last, "committed {} of {last} entries", self.commit);
        assert_eq!(self.applied, self.commit, "what is committed is applied in the same step");
        assert!(self.durable <= last, "durable {} of {last} entries", self.durable);
        let covered = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.index);
        let base = self.log.base_index();
        assert!(base <= covered && covered <= self.applied, "base {base}, snapshot of {covered}");
        assert!(self.members.since() <= last, "a membership of {} in {last} entries", self.members.since());
        assert!(self.log.last_term() <= self.term, "entry of term {} in {}", self.log.last_term(), self.term);
        for written in self.writes.iter() {
            if let Written::Log(index) = written {
                assert!(*index <= last, "a write stands for {index} of {last} entries");
            }
        }
        assert!(
            !self.is_witness() || matches!(self.role, Role::Follower { .. }),
            "a witness follows, and nothing else"
        );
        match &self.role {
            Role::Follower { leader, verified, .. } => {
                assert!(*leader != Some(self.me), "a follower follows another node");
                assert!(
                    (self.commit..=last).contains(verified),
                    "verified {verified} lies between {} and {last}",
                    self.commit
                );
            }
            Role::PreCandidate(ballot, credit) => {
                assert!(credit.ahead.difference(ballot.refused).is_empty(), "who is ahead refuses its vote");
            }
            Role::Candidate(_) => assert_eq!(self.vote, Some(self.me), "a candidate votes for itself"),
            Role::Leader { progress } => {
                assert_eq!(self.vote, Some(self.me), "a leader voted for itself");
                for node in self.members.now().all().iter().filter(|node| *node != self.me) {
                    let Progress { matched, next, pace, ref flight } = progress[node.index()];
                    let sum: u64 = flight.appends.iter().map(|(_, bytes)| bytes).sum();
                    let ahead = flight.appends.iter().all(|(last, _)| (matched + 1..next).contains(last));
                    assert!(ahead && sum == flight.bytes, "{node}: {flight:?} of {matched}, {next}");
                    let parts = matches!(pace, Pace::Snapshot { .. });
                    assert!(!parts || next <= base, "{node}: a snapshot, though next {next} is there");
                    assert!(matched < next, "{node}: matched {matched}, next {next}");
                    assert!(next <= last + 1, "{node}: next {next} of {last} entries");
                }
            }
        }
        if !self.is_leader() {
            assert_eq!(self.uncommitted_bytes, 0, "only a leader limits what is uncommitted");
            assert!(self.proposals.is_empty(), "only a leader takes proposals");
            assert!(self.waiting.is_empty() && self.changing.is_none(), "only a leader answers");
            assert_eq!(self.tenure, Tenure::default(), "only a leader has a tenure");
            assert!(self.reading.is_nothing(), "only a leader answers reads");
            assert!(self.handover.is_none(), "only a leader hands over");
        }
        assert!(
            self.waiting.back().is_none_or(|(index, _)| *index < self.next_proposal_index()),
            "a client waits for a command that was not taken"
        );
    }
}

impl<M: Machine> PartialEq for Raft<M>
where
    M: PartialEq,
    M::Command: PartialEq,
{
    fn eq(&self, other: &Self) -> bool {
        // `saved` equals `(term, vote)`, and `applied` equals `commit`, between steps; `members` is what the
        // snapshot and the log say, and `fresh_bytes` the size of what lies between. `witnesses` never changes.
        self.me == other.me
            && self.term == other.term
            && self.vote == other.vote
            && self.role == other.role
            && self.durable == other.durable
            && self.commit == other.commit
            && self.halted == other.halted
            && self.heard == other.heard
            && self.tenure == other.tenure
            && self.reading == other.reading
            && self.handover == other.handover
            && self.made_way == other.made_way
            && self.writes == other.writes
            && self.waiting == other.waiting
            && self.changing == other.changing
            && self.proposals == other.proposals
            && self.log == other.log
            && self.machine == other.machine
            && self.snapshot == other.snapshot
            && self.incoming == other.incoming
    }
}

impl<M: Machine + Eq> Eq for Raft<M> where M::Command: Eq {}

impl<M: Machine + Hash> Hash for Raft<M>
where
    M::Command: Hash,
{
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.me.hash(state);
        self.term.hash(state);
        self.vote.hash(state);
        self.role.hash(state);
        self.durable.hash(state);
        self.commit.hash(state);
        self.halted.hash(state);
        self.heard.hash(state);
        self.tenure.hash(state);
        self.reading.hash(state);
        self.handover.hash(state);
        self.made_way.hash(state);
        self.writes.hash(state);
        self.waiting.hash(state);
        self.changing.hash(state);
        self.proposals.hash(state);
        self.log.hash(state);
        self.machine.hash(state);
        self.snapshot.hash(state);
        self.incoming.hash(state);
    }
}

/// Prints as `n0 t2 leader [NoOp@1 Put(1,7)@2] d2 c1`: durable up to 2, committed up to 1; then what is
/// under way.
impl<M: Machine> Debug for Raft<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} t{} ", self.me, self.term)?;
        match &self.role {
            Role::Follower { leader: Some(leader), verified, ack_due } => {
                write!(f, "follows {leader} to {verified}{}", if *ack_due { ", ack due," } else { "" })?;
            }
            Role::Follower { leader: None, .. } => f.write_str("follower")?,
            Role::PreCandidate(ballot, credit) => {
                write!(f, "pre-candidate {:?}", ballot.granted)?;
                if let Some((_, _, lender)) = credit.best {
                    write!(
                        f,
                        " behind {:?}{}{lender}",
                        credit.ahead,
                        if credit.asked { " asked " } else { " " }
                    )?;
                }
            }
            Role::Candidate(ballot) => write!(f, "candidate {:?}", ballot.granted)?,
            Role::Leader { progress } => {
                f.write_str("leader")?;
                for (node, peer) in progress.iter().enumerate().filter(|(node, _)| *node != self.me.index()) {
                    let probing = if peer.pace == Pace::Pipeline { "" } else { "?" };
                    write!(f, " n{node}:{}<{}{probing}", peer.matched, peer.next)?;
                }
            }
        }
        if let Some(vote) = self.vote {
            write!(f, " voted {vote}")?;
        }
        write!(f, " {:?} d{} c{}", self.log, self.durable, self.commit)?;
        if !self.proposals.is_empty() {
            write!(f, " proposed {:?}", self.proposals)?;
        }
        if !self.writes.is_empty() {
            write!(f, " writing {:?}", self.writes.iter().collect::<Vec<_>>())?;
        }
        if !self.waiting.is_empty() {
            write!(f, " waiting {:?}", self.waiting)?;
        }
        if let Some(changing) = &self.changing {
            write!(f, " changing {changing:?}")?;
        }
        if self.members.now().is_changing() {
            write!(f, " members {:?}", self.members.now())?;
        }
        if let Heard::At(heard) = self.heard {
            write!(f, " heard {heard}")?;
        }
        if self.tenure != Tenure::default() {
            write!(f, " {:?}", self.tenure)?;
        }
        if let Some(snapshot) = &self.snapshot {
            write!(f, " snapshot {snapshot:?}")?;
        }
        if let Some(incoming) = &self.incoming {
            write!(f, " {incoming:?}")?;
        }
        if !self.reading.is_nothing() {
            write!(f, " {:?}", self.reading)?;
        }
        if let Some(handover) = &self.handover {
            write!(f, " {handover:?}")?;
        }
        if let Some(at) = self.made_way {
            write!(f, " made way {at}")?;
        }
        if self.halted { f.write_str(" halted") } else { Ok(()) }
    }
}
