//! Changing who takes part: joint consensus (Raft §6, dissertation §4.3).
//!
//! A client asks for a target. The leader writes up to three memberships into its log, each in effect where it
//! stands, and each no sooner than the one before is committed:
//!
//! 1. whoever is to vote and does not yet becomes a learner, so that no election or commit waits for an empty log
//!    (dissertation §4.2.1);
//! 2. once all of those hold what was in the log when they became learners, the joint configuration, in which
//!    elections and commits need majorities of the old voters and of the new ones;
//! 3. the new configuration alone.
//!
//! What is next is a function of the membership in effect and of who is caught up ([`Membership::next`]): a leader
//! that takes over in the middle goes on with it. Only one change is under way at a time, and none begins before the
//! leader has committed an entry of its own term (a change by a leader that knows less than was committed has split
//! clusters; Ongaro, raft-dev, 2015). Until the joint configuration is written, another change may take the place of one
//! whose learners do not come. A leader that is not among the new voters leads until they are alone in
//! charge, and then steps down. The client that asked is answered then; if the leader falls before, never.
//!
//! Verified by `tests/it/membership.rs`, under random events and changes, and by
//! the properties, which need to know nothing of it.

use swarm_protocol::{Effects, NodeId, NodeSet, OpId};

use crate::snapshot::bytes_of;
use crate::state::{Pace, Progress, Role};
use crate::witness::has_full_majority;
use crate::{Answer, Config, Entry, Machine, Membership, Raft, Run};

impl Membership {
    /// The first step towards these voters and learners.
    pub fn towards(&self, voters: NodeSet, learners: NodeSet) -> Membership {
        let joining = voters.difference(self.voters);
        if joining.is_empty() {
            let outgoing = if voters == self.voters { NodeSet::EMPTY } else { self.voters };
            return Membership { outgoing, learners: learners.difference(voters), ..Membership::of(voters) };
        }
        // Voters that are to be learners are noted as such, and vote until the new ones do.
        Membership { learners: learners.union(joining), goal: voters, ..Membership::of(self.voters) }
    }

    /// The membership that follows this one on its way, once this one is committed: `None` if it has arrived, or
    /// waits for a learner that is not caught up.
    pub fn next(&self, caught_up: impl Fn(NodeId) -> bool) -> Option<Membership> {
        if self.is_joint() {
            // Raft §6: once the joint configuration is committed, the leader creates the new one.
            return Some(Membership { outgoing: NodeSet::EMPTY, ..*self });
        }
        let joining = self.goal.difference(self.voters);
        if self.goal.is_empty() || !joining.iter().all(caught_up) {
            return None;
        }
        let (outgoing, learners) = (self.voters, self.learners.difference(self.goal));
        Some(Membership { outgoing, learners, ..Membership::of(self.goal) })
    }

    /// Whether a change is under way.
    pub const fn is_changing(&self) -> bool {
        self.is_joint() || !self.goal.is_empty()
    }
}

impl<M: Machine> Raft<M> {
    /// A client asks this leader for other members.
    pub(crate) fn on_change(
        &mut self,
        config: &Config,
        id: OpId,
        command: M::Command,
        (voters, learners): (NodeSet, NodeSet),
        out: &mut Effects<Self>,
    ) {
        let unfit = if voters.is_empty() {
            Some("a cluster has voters")
        } else if !voters.union(learners).difference(config.servers).is_empty() {
            Some("not one of the servers")
        } else if !voters.intersection(learners).is_empty() {
            Some("a learner does not vote")
        } else if !learners.intersection(config.witnesses).is_empty() {
            Some("a witness is no learner")
        } else if !has_full_majority(voters, config.witnesses) {
            Some("witnesses leave no majority of full voters")
        } else {
            None
        };
        if let Some(reason) = unfit {
            out.mark("change-refused");
            self.counts.dropped_refused += 1;
            return out.answer(id, Answer::Refused(reason));
        }
        let members = self.members.now();
        // While learners are waited for nothing of the old configuration is given up: another wish may take the place.
        let settled = !members.is_joint() && self.members.since() <= self.commit;
        // A leader that has committed nothing may not know which change was the last (Ongaro, raft-dev, 2015).
        let knows = self.log.term_at(self.commit) == Some(self.term);
        if !settled || !knows {
            out.mark("busy");
            self.counts.dropped_busy += 1;
            return out.answer(id, Answer::Busy);
        }
        out.mark("change-taken");
        self.counts.commands_taken += 1;
        let first = members.towards(voters, learners);
        if let Some((earlier, _)) = self.changing.replace((id, command)) {
            out.mark("change-replaced");
            self.counts.dropped_refused += 1;
            out.answer(earlier, Answer::Refused("another change has taken its place"));
        }
        self.write_membership(config, first, out);
    }

    /// Does what a change waits for, once it is there; nothing while no change is under way.
    #[inline]
    pub(crate) fn go_on_changing(&mut self, config: &Config, out: &mut Effects<Self>) {
        if self.is_leader() && self.members.since() <= self.commit {
            let members = self.members.now();
            if members.is_changing() || self.changing.is_some() || !members.voters.contains(self.me) {
                self.go_on_with_the_change(config, out);
            }
        }
    }

    fn go_on_with_the_change(&mut self, config: &Config, out: &mut Effects<Self>) {
        let Role::Leader { progress } = &self.role else { return };
        let (members, since) = (*self.members.now(), self.members.since());
        if members.is_changing() {
            // Whoever holds the membership that made it a learner holds all that was there before.
            let caught_up = |node: NodeId| {
                node == self.me || progress.get(node.index()).is_some_and(|peer| peer.matched >= since)
            };
            if let Some(next) = members.next(caught_up) {
                self.write_membership(config, next, out);
            }
            return;
        }
        if let Some((id, command)) = self.changing.take() {
            out.mark("membership-changed");
            let done = M::administration(&command).expect("a request stays a request").1;
            out.answer(id, Answer::Applied(done));
        }
        // Dissertation §4.2.2: a leader that is not in the new configuration steps down once that is committed.
        if !members.voters.contains(self.me) {
            out.mark("removed-leader-steps-down");
            self.become_follower(config, None, out);
        }
    }

    /// Puts a membership into the log, behind all that was proposed before.
    fn write_membership(&mut self, config: &Config, membership: Membership, out: &mut Effects<Self>) {
        self.seal_proposals(config, out);
        let before = *self.members.now();
        if membership.is_joint() {
            out.mark("joint-begins");
        } else if before.is_joint() {
            out.mark("joint-ends");
        }
        let entry = Entry::Membership(Box::new(membership));
        self.uncommitted_bytes += bytes_of::<M>(&entry);
        self.append_entries(Run::new(self.term, [entry].into()).into(), out);
        // From here on it is sent to those that take part, and to nobody else; to who is new, this entry first.
        let last = self.log.last_index();
        let Role::Leader { progress } = &mut self.role else { return };
        let (gone, come) =
            (before.all().difference(membership.all()), membership.all().difference(before.all()));
        for node in gone.iter() {
            let Progress { matched, next, pace, flight, .. } = &mut progress[node.index()];
            (*matched, *next, *pace) = (0, 1, Pace::Probe { sent: true });
            flight.forget();
        }
        for node in come.iter() {
            let Progress { matched, next, pace, .. } = &mut progress[node.index()];
            (*matched, *next, *pace) = (0, last, Pace::Probe { sent: false });
        }
    }
}
