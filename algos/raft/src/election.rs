//! Leader election (Raft §5.2, §5.4.1) with PreVote (dissertation §9.6).
//!
//! A vote is a promise that outlives a crash: it leaves, and a candidate's own counts, only once it is
//! durable. A request for votes waits for the disk too: it speaks of the candidate's log, and a candidate
//! that lost the tail of its log in a crash must not be elected on answers to what it said before.

use swarm_protocol::quorum::VoteResult;
use swarm_protocol::{Effects, NodeId};

use crate::state::{Ballot, Role};
use crate::{Config, Index, Machine, Membership, Message, Raft, Term, Timer};

impl<M: Machine> Raft<M> {
    /// Raft §5.2: a follower that hears from no leader stands for election, and so does a candidate whose
    /// election came to nothing.
    pub(crate) fn on_election_timeout(&mut self, config: &Config, out: &mut Effects<Self>) {
        if self.is_leader() {
            return self.check_quorum(config, out);
        }
        self.stand(config, out);
    }

    /// Stands for election, or asks first whether it would be elected.
    pub(crate) fn stand(&mut self, config: &Config, out: &mut Effects<Self>) {
        if self.is_witness() {
            return self.lose_patience(config, out);
        }
        if !self.members.may_stand(self.me, self.commit) {
            return out.refuse("not-a-voter");
        }
        if self.term >= Term::MAX - 1 {
            return out.refuse("terms-exhausted");
        }
        out.set_timer(Timer::Election, config.patience(self.me));
        if config.pre_vote {
            self.become_pre_candidate();
            self.request_votes(false, out);
            self.on_pre_vote(config, self.me, self.term + 1, true, out);
        } else {
            self.campaign(false, out);
        }
    }

    /// Enters the next term and asks for votes; `told` if the leader has told it to.
    pub(crate) fn campaign(&mut self, told: bool, out: &mut Effects<Self>) {
        out.mark("campaign");
        self.counts.campaigns += 1;
        self.become_candidate();
        self.save_vote(out);
        self.request_votes(told, out);
    }

    /// Asks every other voter for its vote, or for its opinion.
    fn request_votes(&self, told: bool, out: &mut Effects<Self>) {
        let (last_index, last_term) = (self.log.last_index(), self.log.last_term());
        let members = self.members.now();
        for peer in members.voters.union(members.outgoing).iter().filter(|peer| *peer != self.me) {
            if self.is_pre_candidate() {
                out.send(peer, Message::RequestPreVote { term: self.term + 1, last_index, last_term });
            } else {
                let request = Message::RequestVote { term: self.term, last_index, last_term, told };
                self.send_durable(peer, request, out);
            }
        }
    }

    /// Sends what depends on everything that this node has written so far.
    #[inline(always)]
    pub(crate) fn send_durable(&self, to: NodeId, message: Message<M::Command>, out: &mut Effects<Self>) {
        let after = if self.writes.is_empty() { None } else { out.last_write() };
        out.send_when(after, to, message);
    }

    /// Raft §5.4.1: of two logs, the one whose last entry has the later term is more up-to-date; if the
    /// terms are equal, the longer one. Said in words, because comparing the index first, or asking for
    /// both, has broken several implementations.
    fn is_up_to_date(&self, last_term: Term, last_index: Index) -> bool {
        last_term > self.log.last_term()
            || (last_term == self.log.last_term() && last_index >= self.log.last_index())
    }

    /// Dissertation §9.6: a node would vote for a candidate whose log is up-to-date, unless it hears from
    /// a leader. Nothing is promised, so nothing is written. Who lends says so if the log is all that is amiss.
    pub(crate) fn on_request_pre_vote(
        &mut self,
        config: &Config,
        has_leader: bool,
        from: NodeId,
        term: Term,
        (last_index, last_term): (Index, Term),
        out: &mut Effects<Self>,
    ) {
        let up_to_date = self.is_up_to_date(last_term, last_index);
        let electable = term > self.term && !has_leader;
        let granted = electable && up_to_date;
        if !granted {
            out.mark("pre-vote-refused");
        }
        if config.lends && electable && !up_to_date {
            let (last_index, last_term) = (self.log.last_index(), self.log.last_term());
            return out.send(from, Message::Behind { term, last_index, last_term });
        }
        let term = if granted { term } else { self.term };
        out.send(from, Message::PreVote { term, granted });
    }

    /// A pre-candidate that a majority would elect stands for election.
    pub(crate) fn on_pre_vote(
        &mut self,
        config: &Config,
        from: NodeId,
        term: Term,
        granted: bool,
        out: &mut Effects<Self>,
    ) {
        if !self.is_pre_candidate() {
            return out.refuse("not-a-pre-candidate");
        }
        if granted && term != self.term + 1 {
            return out.refuse("pre-vote-for-another-term");
        }
        self.count_pre_vote(config, from, granted, out);
    }

    /// Counts an answer to what this pre-candidate asks. If it will not do, a loan may help.
    pub(crate) fn count_pre_vote(
        &mut self,
        config: &Config,
        from: NodeId,
        granted: bool,
        out: &mut Effects<Self>,
    ) {
        let Role::PreCandidate(ballot, credit) = &mut self.role else { return };
        let members = self.members.now();
        match ballot.count(members, from, granted) {
            VoteResult::Won => self.campaign(false, out),
            VoteResult::Lost | VoteResult::Pending => match credit.prospect(members, ballot) {
                VoteResult::Won => self.borrow(out),
                VoteResult::Lost => self.become_follower(config, None, out),
                VoteResult::Pending => {}
            },
        }
    }

    /// Raft §5.2, §5.4.1 and Fig. 2: one vote per term, first come first served, for an up-to-date log.
    pub(crate) fn on_request_vote(
        &mut self,
        config: &Config,
        from: NodeId,
        last_index: Index,
        last_term: Term,
        out: &mut Effects<Self>,
    ) {
        let free = self.vote.is_none_or(|vote| vote == from);
        let up_to_date = self.is_up_to_date(last_term, last_index);
        let granted = free && up_to_date;
        if !up_to_date {
            out.mark("vote-refused-stale-log");
        }
        if granted {
            if self.is_pre_candidate() {
                self.become_follower(config, None, out);
            }
            self.vote = Some(from);
            out.set_timer(Timer::Election, config.patience(self.me));
        }
        // Raft Fig. 2: updated on stable storage before responding.
        self.save_vote(out);
        self.send_durable(from, Message::Vote { term: self.term, granted }, out);
    }

    /// Raft §5.2: a candidate with the votes of a majority leads.
    pub(crate) fn on_vote(&mut self, config: &Config, from: NodeId, granted: bool, out: &mut Effects<Self>) {
        let Role::Candidate(ballot) = &mut self.role else {
            return out.refuse("not-a-candidate");
        };
        match ballot.count(self.members.now(), from, granted) {
            VoteResult::Won => self.become_leader(config, out),
            VoteResult::Lost => self.become_follower(config, None, out),
            VoteResult::Pending => {}
        }
    }
}

impl Ballot {
    /// Notes an answer and says where the election stands.
    fn count(&mut self, members: &Membership, from: NodeId, granted: bool) -> VoteResult {
        let side = if granted { &mut self.granted } else { &mut self.refused };
        side.insert(from);
        // Raft §5.2: a majority elects.
        members.vote_result(self.granted, self.refused)
    }
}
