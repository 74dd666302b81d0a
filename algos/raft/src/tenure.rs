//! Who leads, as time shows it: a leader that hears from no majority steps down (CheckQuorum, dissertation §6.2),
//! and a server that hears from its leader keeps out of elections (§4.2.3).
//!
//! The two belong together. The first lets a cluster go on whose leader can speak and not hear, and keeps clients
//! from waiting for a leader that can commit nothing. The second lets a leader stay whom some server cannot hear;
//! leases rest on it. A server is bound by time on its own clock, not by knowing a leader: a server that another
//! message took into a later term has no leader there, and has promised its quiet all the same.
//!
//! A server that was cut off and stands in a later term comes back all the same: nobody votes for it, but it
//! answers the leader's appends with its term, and that deposes the leader (Raft §5.1).
//!
//! A clock that is set back ends the quiet early, rather than prolong it for as long as it was set back: that costs
//! an election at worst. Whoever relies on leases must not set clocks.
//!
//! Verified by `tests/it/dissertation.rs` and by simulations under faults of every kind.

use swarm_protocol::{Delay, Effects, NodeId, NodeSet, Ticks};

use crate::{Config, Machine, Message, Raft, Timer};

/// When a server last heard from a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Heard {
    /// Not that it would matter.
    Never,
    /// It may have, before it crashed: booting has no clock. Its next step takes that for now.
    BeforeBoot,
    /// At this time of its own clock.
    At(Ticks),
}

impl Heard {
    /// Whether that was within the least election timeout.
    pub(crate) fn within(self, config: &Config, now: Ticks) -> bool {
        match self {
            Heard::At(at) => at <= now && now.since(at) < config.election_timeout.min,
            Heard::Never | Heard::BeforeBoot => false,
        }
    }
}

/// What a leader keeps beside what it knows of each log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Tenure {
    /// Who has answered since the leader last looked; nobody without CheckQuorum.
    pub(crate) answered: NodeSet,
}

impl<M: Machine> Raft<M> {
    /// Whether this server has a leader, and would keep it: with CheckQuorum that is a matter of time.
    pub(crate) fn has_leader(&self, config: &Config, now: Ticks) -> bool {
        if config.check_quorum {
            self.is_leader() || self.heard.within(config, now)
        } else {
            self.leader().is_some()
        }
    }

    /// Dissertation §4.2.3: "if a server receives a RequestVote request within the minimum election timeout of
    /// hearing from a current leader, it does not update its term or grant its vote." A leader hears itself. Ibid.: the
    /// rule "conflicts with the leadership transfer mechanism", so that whoever the leader told to stand is heard.
    pub(crate) fn is_undisturbed(&self, config: &Config, now: Ticks, message: &Message<M::Command>) -> bool {
        matches!(message, Message::RequestVote { told: false, .. }) && self.has_leader(config, now)
    }

    /// Notes that the leader of this term has spoken.
    pub(crate) fn hear(&mut self, config: &Config, now: Ticks, from: NodeId) {
        if config.check_quorum && self.leader() == Some(from) {
            self.heard = Heard::At(now);
        }
    }

    /// Notes that a message from `from` answers this leader.
    pub(crate) fn note_answer(&mut self, from: NodeId, message: &Message<M::Command>) {
        let answers = matches!(
            message,
            Message::Appended { .. }
                | Message::Conflict { .. }
                | Message::Received { .. }
                | Message::Confirmed { .. }
        );
        if answers && self.is_leader() && message.term() == self.term {
            self.tenure.answered.insert(from);
        }
    }

    /// Dissertation §6.2: "a leader in Raft steps down if an election timeout elapses without a successful round
    /// of heartbeats to a majority of its cluster".
    pub(crate) fn check_quorum(&mut self, config: &Config, out: &mut Effects<Self>) {
        let aborted = self.abort_transfer(out);
        if !config.check_quorum {
            if !aborted {
                out.refuse("leader-needs-no-election");
            }
            return;
        }
        let mut answered = core::mem::take(&mut self.tenure.answered);
        answered.insert(self.me);
        if self.membership().is_quorum(answered) {
            out.set_timer(Timer::Election, Delay::exactly(config.election_timeout.min));
        } else {
            out.mark("quorum-lost");
            self.become_follower(config, None, out);
        }
    }
}
