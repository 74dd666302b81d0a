//! Raft under other names: no server is special but by what it does.
//!
//! Names stand in votes, in what a server knows of its leader, in ballots, and in the order of what a leader knows
//! of the others. Every field is named here, so that a new one has to be thought of. The voters of a
//! configuration are not renamed: all servers must vote for the names not to matter.
//!
//! Verified by `tests/it/symmetry.rs` of the checker: stepping and renaming commute along random runs.

use std::sync::Arc;

use swarm_protocol::{NodeId, NodeSet, Rename, Renaming, Symmetric};

use crate::state::{Ballot, Role};
use crate::tenure::Tenure;
use crate::{Answer, Config, Kv, KvOp, Machine, Managed, Message, Raft, Record, Request, Snapshot, Timer};

/// Election timeouts are ranges, the same for all; a draw within them is the driver's.
impl Symmetric for Raft<Kv> {
    fn alike(config: &Config, nodes: u32) -> bool {
        all_vote(config, nodes)
    }
}

/// As long as nobody asks for other members.
impl Symmetric for Raft<Managed<Kv>> {
    fn alike(config: &Config, nodes: u32) -> bool {
        all_vote(config, nodes)
    }

    fn names_nodes(op: &Request<KvOp>) -> bool {
        matches!(op, Request::Change { .. } | Request::Transfer(_))
    }
}

fn all_vote(config: &Config, nodes: u32) -> bool {
    let equal = config.priorities.iter().all(|priority| *priority == 0);
    let alike = equal && config.witnesses.is_empty();
    alike && config.voters == (0..nodes).map(NodeId).collect::<NodeSet>() && config.learners.is_empty()
}

impl<M: Machine> Rename for Raft<M> {
    fn rename(&mut self, names: &Renaming) {
        let Raft {
            me,
            term: _,
            vote,
            saved: (_, saved),
            role,
            log: _,
            members,
            witnesses,
            durable: _,
            writes: _,
            commit: _,
            applied: _,
            machine: _,
            snapshot,
            fresh_bytes: _,
            incoming: _,
            proposals: _,
            uncommitted_bytes: _,
            waiting: _,
            changing: _,
            heard: _,
            tenure: Tenure { answered },
            reading,
            handover,
            made_way: _,
            halted: _,
            counts: _,
        } = self;
        me.rename(names);
        vote.rename(names);
        answered.rename(names);
        reading.rename(names);
        handover.rename(names);
        saved.rename(names);
        members.rename(names);
        witnesses.rename(names);
        rename_snapshot(snapshot.as_mut(), names);
        match role {
            Role::Follower { leader, verified: _, ack_due: _ } => leader.rename(names),
            Role::PreCandidate(ballot, credit) => {
                ballot.rename(names);
                credit.rename(names);
            }
            Role::Candidate(ballot) => ballot.rename(names),
            Role::Leader { progress } => names.rearrange(progress),
        }
    }
}

impl Rename for Ballot {
    fn rename(&mut self, names: &Renaming) {
        let Ballot { granted, refused } = self;
        granted.rename(names);
        refused.rename(names);
    }
}

/// Copies one that others share.
fn rename_snapshot(snapshot: Option<&mut Arc<Snapshot>>, names: &Renaming) {
    if let Some(snapshot) = snapshot {
        Arc::make_mut(snapshot).membership.rename(names);
    }
}

/// Messages speak of terms and entries; who sent one is the link's business.
impl<C> Rename for Message<C> {
    fn rename(&mut self, names: &Renaming) {
        if let Message::Part { term: _, part } = self {
            part.membership.rename(names);
        }
    }
}

impl Rename for Timer {
    fn rename(&mut self, _names: &Renaming) {}
}

impl<A> Rename for Answer<A> {
    fn rename(&mut self, names: &Renaming) {
        match self {
            Answer::Redirect(leader) => leader.rename(names),
            Answer::Applied(_) | Answer::Busy | Answer::Refused(_) => {}
        }
    }
}

impl<C> Rename for Record<C> {
    fn rename(&mut self, names: &Renaming) {
        match self {
            Record::Vote { term: _, vote } => vote.rename(names),
            Record::Snapshot(snapshot) => rename_snapshot(Some(snapshot), names),
            Record::Append { .. } | Record::Truncate { .. } => {}
        }
    }
}
