//! Leadership by arrangement: a leader hands over to a server of its choice (dissertation §3.10).
//!
//! The leader takes no more commands, brings the target's log up to its own, and tells it to stand for election at
//! once (`TimeoutNow`). The target asks for votes without PreVote, and says that it was told to: servers that hear a
//! leader, the leader among them, let such a request pass where they keep out of others (§4.2.3). If the target does
//! not lead within an election timeout, the leader takes commands again. Reads that a round confirms go on all along.
//!
//! From the moment at which the target is told, votes may be given within a promise, and at any time, as the message
//! may be late: a leader that has told anybody answers no read under a lease for the rest of its term (§6.4.1; see
//! `reads`). A server stands in the term after the one that it was told in, so that no leader but that one is at risk.
//!
//! Somebody may ask for it ([`Administration::Transfer`](crate::Administration::Transfer)). The answer is `Applied`
//! when the leader steps down after it has told the target, which is likely to lead then and may have failed; `Busy`
//! if it has given up, `Redirect` if it has lost its leadership before, `Refused` if the target has no vote.
//!
//! **Priorities.** With [`Config::priorities`] servers differ in patience, so that the ones that are wanted most stand
//! first, as in sofa-jraft and NuRaft; and a leader hands over of its own accord once a voter of higher priority has
//! answered lately and holds all that is committed, as priority takeover does in MongoDB, except that there the other
//! one stands on its own. A target that can reach the leader, but no majority, would end term after term: a server
//! makes way once in [`PAUSE`] election timeouts.
//!
//! Verified by `tests/it/transfer.rs`, where leaders under lease hand over at random and no read may be stale, and
//! by the instances of the checker with a transfer.

use swarm_protocol::{Delay, Effects, NodeId, OpId, Rename, Renaming, Ticks};

use crate::state::{Pace, Role};
use crate::{Answer, Config, Machine, Message, Raft, Term, Timer};

/// For how many of the least election timeouts a server that made way keeps its leadership after that. Ours to choose:
/// well above the few that an election takes.
const PAUSE: u64 = 64;

/// A leadership that is being handed over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handover<C> {
    /// To whom.
    target: NodeId,
    /// Whether it has been told to stand for election.
    told: bool,
    /// Who asked for it, and how; nobody if the leader makes way of its own accord.
    request: Option<(OpId, C)>,
}

impl<C> Rename for Handover<C> {
    fn rename(&mut self, names: &Renaming) {
        let Handover { target, told: _, request: _ } = self;
        target.rename(names);
    }
}

impl<M: Machine> Raft<M> {
    // The leader's side.

    /// A client asks this leader that `target` lead.
    pub(crate) fn on_transfer(
        &mut self,
        config: &Config,
        id: OpId,
        command: M::Command,
        target: NodeId,
        out: &mut Effects<Self>,
    ) {
        if !self.members.now().voters.contains(target) {
            out.mark("transfer-refused");
            self.counts.dropped_refused += 1;
            return out.answer(id, Answer::Refused("only a voter leads"));
        }
        if config.witnesses.contains(target) {
            out.mark("transfer-refused");
            self.counts.dropped_refused += 1;
            return out.answer(id, Answer::Refused("a witness does not lead"));
        }
        if target == self.me {
            return Self::answer_transfer(id, &command, out);
        }
        if self.handover.is_some() {
            out.mark("busy");
            self.counts.dropped_busy += 1;
            return out.answer(id, Answer::Busy);
        }
        self.hand_over(config, target, Some((id, command)), out);
    }

    fn answer_transfer(id: OpId, command: &M::Command, out: &mut Effects<Self>) {
        let (_, answer) = M::administration(command).expect("a request stays a request");
        out.answer(id, Answer::Applied(answer));
    }

    /// Begins to hand over. Once it is given up, CheckQuorum looks: that may come late by an election timeout, and not
    /// by more, as no other transfer begins before.
    fn hand_over(
        &mut self,
        config: &Config,
        target: NodeId,
        request: Option<(OpId, M::Command)>,
        out: &mut Effects<Self>,
    ) {
        out.mark("transfer-begins");
        self.handover = Some(Handover { target, told: false, request });
        out.set_timer(Timer::Election, Delay::exactly(config.election_timeout.min));
    }

    /// Dissertation §3.10: the target is told once its log holds all that the leader's does. A change of members may
    /// have taken its vote meanwhile.
    pub(crate) fn needs_telling(&self) -> bool {
        let (Some(handover), Role::Leader { progress }) = (&self.handover, &self.role) else { return false };
        let Handover { target, told, .. } = *handover;
        let whole = progress[target.index()].matched == self.log.last_index();
        !told && whole && self.members.now().voters.contains(target)
    }

    /// Tells the target to stand for election if it is due. All that was proposed is in the log then.
    pub(crate) fn tell(&mut self, out: &mut Effects<Self>) {
        if !self.needs_telling() {
            return;
        }
        let Some(handover) = &mut self.handover else { return };
        handover.told = true;
        out.mark("transfer-told");
        self.counts.transfers_told += 1;
        out.send(handover.target, Message::TimeoutNow { term: self.term });
        self.reading.surrender();
    }

    /// Dissertation §3.10: "If leadership transfer does not complete after about an election timeout, the prior leader
    /// aborts the transfer and resumes accepting client requests." Whether there was one.
    pub(crate) fn abort_transfer(&mut self, out: &mut Effects<Self>) -> bool {
        let Some(handover) = self.handover.take() else { return false };
        out.mark("transfer-aborted");
        self.counts.transfers_aborted += 1;
        if let Some((id, _)) = handover.request {
            out.answer(id, Answer::Busy);
        }
        true
    }

    /// This leader steps down, and `leader` leads, if that is known.
    pub(crate) fn end_transfer(&mut self, leader: Option<NodeId>, out: &mut Effects<Self>) {
        let Some(Handover { told, request: Some((id, command)), .. }) = self.handover.take() else { return };
        if told {
            Self::answer_transfer(id, &command, out);
        } else {
            out.answer(id, Answer::Redirect(leader));
        }
    }

    /// Hands over to the voter that is wanted most, if that is wanted more than this leader, has answered since
    /// CheckQuorum last looked, and has all that is committed.
    pub(crate) fn make_way(&mut self, config: &Config, now: Ticks, out: &mut Effects<Self>) {
        let Role::Leader { progress } = &self.role else { return };
        if config.priorities.is_empty() || self.handover.is_some() {
            return;
        }
        let pause = config.election_timeout.min.as_micros().saturating_mul(PAUSE);
        if self.made_way.is_some_and(|at| at <= now && now.since(at).as_micros() < pause) {
            return;
        }
        let ready = |node: &NodeId| {
            let peer = &progress[node.index()];
            peer.pace == Pace::Pipeline && peer.matched >= self.commit && self.tenure.answered.contains(*node)
        };
        let others = self.members.now().voters.difference(config.witnesses);
        let others = others.iter().filter(|node| *node != self.me);
        let target = others.filter(ready).max_by_key(|node| config.priority(*node));
        let Some(target) = target.filter(|node| config.priority(*node) > config.priority(self.me)) else {
            return;
        };
        out.mark("makes-way");
        self.made_way = Some(now);
        self.hand_over(config, target, None, out);
    }

    // The target's side.

    /// Dissertation §3.10: the leader of this term makes this server act as if its election timer had fired:
    /// "the target server starts a new election (incrementing its term and becoming a candidate)".
    pub(crate) fn on_timeout_now(&mut self, config: &Config, from: NodeId, out: &mut Effects<Self>) {
        if self.is_witness() {
            return out.refuse("witness-does-not-stand");
        }
        if !self.members.now().is_voter(self.me) {
            return out.refuse("not-a-voter");
        }
        if self.term >= Term::MAX - 1 {
            return out.refuse("terms-exhausted");
        }
        if !self.follow(config, from, out) {
            return;
        }
        out.set_timer(Timer::Election, config.patience(self.me));
        self.campaign(true, out);
    }
}
