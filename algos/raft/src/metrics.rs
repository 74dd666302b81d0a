//! What an operator asks of a node, as values.
//!
//! A node prints nothing and knows no registry: it says how it stands ([`Metrics`]) and what has happened since it
//! booted ([`Counts`]), and whoever runs it decides what to do with that. Counts influence nothing, so that they are
//! no part of a node's equality. Verified by `tests/it/metrics.rs`.

use swarm_protocol::NodeId;

use crate::state::{Pace, Role};
use crate::{Index, Machine, Raft, Term};

/// What has happened to a node since it booted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Terms that it entered as a candidate.
    pub campaigns: u64,
    /// Elections that it won.
    pub elections_won: u64,
    /// Times that it stopped leading.
    pub step_downs: u64,
    /// Commands that it took as a leader.
    pub commands_taken: u64,
    /// Commands that it did not take because it did not lead.
    pub dropped_not_leading: u64,
    /// Commands that it did not take because too much was uncommitted.
    pub dropped_busy: u64,
    /// Commands that it did not take because nobody ever will.
    pub dropped_refused: u64,
    /// Commands that it took and gave up before they were in its log, because it was deposed.
    pub dropped_deposed: u64,
    /// Commands in its log whose clients were not answered, because it was deposed: they may be committed yet.
    pub left_unanswered: u64,
    /// Servers that it told to stand for election in its place.
    pub transfers_told: u64,
    /// Transfers of its leadership that it gave up.
    pub transfers_aborted: u64,
    /// Pieces of its log that it lent to a server that would be elected but for its own.
    pub loans_given: u64,
    /// Loans that it was asked for and could not give, as a snapshot has taken the place of the entries.
    pub loans_refused_compacted: u64,
    /// Pieces of another's log that it was lent and put into its own.
    pub loans_taken: u64,
    /// Snapshots that it took.
    pub snapshots_taken: u64,
    /// Snapshots that it was sent and installed.
    pub snapshots_installed: u64,
}

/// How a leader sends to a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// One append at a time, until it is known where the logs agree.
    Probing,
    /// Append behind append.
    Pipelining,
    /// Parts of a snapshot; so many bytes have arrived.
    Snapshot {
        /// Bytes that the follower has said it has.
        received_bytes: u64,
    },
}

/// How a follower stands, as its leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerMetrics {
    /// Which one.
    pub node: NodeId,
    /// The last entry known to be durable there.
    pub matched: Index,
    /// How many entries it lacks.
    pub lag_entries: u64,
    /// How many entries are on their way to it.
    pub in_flight_entries: u64,
    /// In how many appends.
    pub in_flight_messages: u64,
    /// How large they are, in bytes.
    pub in_flight_bytes: u64,
    /// How it is sent to.
    pub sending: Sending,
    /// Whether it is a witness: it holds no commands.
    pub witness: bool,
}

/// How a node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// `follower`, `pre-candidate`, `candidate`, `leader` or `witness`.
    pub role: &'static str,
    /// Its term.
    pub term: Term,
    /// Who leads that term, as far as it knows.
    pub leader: Option<NodeId>,
    /// The last entry of its log.
    pub last_index: Index,
    /// The last entry that is durable here.
    pub durable_index: Index,
    /// The last entry known to be committed.
    pub commit_index: Index,
    /// The last entry applied.
    pub applied_index: Index,
    /// The last entry that a snapshot covers, 0 without one.
    pub snapshot_index: Index,
    /// How many entries are held in memory.
    pub entries_held: u64,
    /// Whether it has stopped because its disk failed or cannot be trusted.
    pub halted: bool,
    /// The others, of a leader; of anybody else nothing.
    pub followers: Vec<FollowerMetrics>,
    /// What has happened since it booted.
    pub counts: Counts,
}

impl<M: Machine> Raft<M> {
    /// How this node stands. Costs the number of members.
    pub fn metrics(&self) -> Metrics {
        let last_index = self.log.last_index();
        let mut followers = Vec::new();
        if let Role::Leader { progress } = &self.role {
            for node in self.members.now().all().iter().filter(|node| *node != self.me) {
                let peer = &progress[node.index()];
                let (sending, in_flight_entries) = match peer.pace {
                    Pace::Probe { .. } => (Sending::Probing, 0),
                    Pace::Pipeline => (Sending::Pipelining, peer.next - 1 - peer.matched),
                    Pace::Snapshot { offset, .. } => (Sending::Snapshot { received_bytes: offset }, 0),
                };
                let (matched, lag_entries) = (peer.matched, last_index - peer.matched);
                followers.push(FollowerMetrics {
                    node,
                    matched,
                    lag_entries,
                    in_flight_entries,
                    in_flight_messages: peer.flight.messages() as u64,
                    in_flight_bytes: peer.flight.bytes(),
                    sending,
                    witness: self.witnesses.contains(node),
                });
            }
        }
        Metrics {
            role: crate::coverage::role(self),
            term: self.term,
            leader: self.leader(),
            last_index,
            durable_index: self.durable,
            commit_index: self.commit,
            applied_index: self.applied,
            snapshot_index: self.snapshot.as_ref().map_or(0, |snapshot| snapshot.index),
            entries_held: last_index - self.log.base_index(),
            halted: self.halted,
            followers,
            counts: self.counts,
        }
    }
}
