//! Reads that do not go through the log (dissertation §6.4): confirmed by a round, or under a lease.
//!
//! A read may be answered from a leader's machine if that holds all that was committed anywhere when the client
//! asked. A leader knows what its predecessors committed once an entry of its own term is committed: until then
//! reads wait. What later leaders committed it cannot know, so it must make sure that at some moment after the
//! question there were none.
//!
//! **Rounds.** The leader numbers its questions and sends one with each flush in which reads came; a voter of its
//! term answers with the number. Who answers round *n* knew of no later term after round *n* was sent, so that an
//! answer counts for that round and those before it, and never for a later one. Once a majority has, every read
//! that waited for the round is answered, from the machine as it is then: what is committed is applied in the same
//! step, so nothing else is to be waited for. One round serves all reads that wait.
//!
//! **Leases.** Who answers a round has heard its leader, and keeps out of elections for the least election timeout
//! from then on, also across a restart (see `tenure`); neither its own timer ends sooner. Nobody is elected without
//! one of a majority that answered, so for as long the leader knows that it leads, and answers at once. The lease
//! begins when the round was *sent*, as the answers say nothing of when it arrived, and it is shorter than the
//! promise by what clocks may run apart ([`crate::Reads::Lease`]). Heartbeats renew it.
//!
//! A lease assumes that clocks are not set, that clocks and timers keep within the bound, and that the time a step is
//! given was read after its input had arrived. However long the node is held up between that look at the clock and
//! the answer makes no difference: what is answered is what was so at that look.
//!
//! Verified by `tests/it/reads.rs`, by the instance `two-nodes-read-index` of the checker, and by simulations with
//! drifting clocks whose histories must be linearizable. Not verified exhaustively: leases, as worlds know no time.

use std::collections::VecDeque;

use swarm_protocol::{Effects, NodeId, OpId, Rename, Renaming, Ticks};

use crate::state::Written;
use crate::{Answer, Config, Machine, Message, Raft, Reads, Timer};

/// What a leader keeps of reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reading<C> {
    /// The last round that was sent, 0 before the first.
    round: u64,
    /// The last round that each node has answered, by the node's number; empty before the first round.
    answered: Vec<u64>,
    /// Reads that wait for a round, by ascending round: the one that is to be sent next at most.
    pub(crate) waiting: VecDeque<Read<C>>,
    /// When rounds were sent that no majority has answered, by ascending round; empty without leases.
    sent: VecDeque<(u64, Ticks)>,
    /// When the last round was sent that a majority has answered; none without leases.
    leased_at: Option<Ticks>,
    /// Somebody was told to stand for election: there is no lease any more in this term.
    surrendered: bool,
}

/// A read that waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Read<C> {
    /// The round that it waits for.
    round: u64,
    /// Who asks.
    pub(crate) id: OpId,
    /// What is asked.
    command: C,
}

impl<C> Default for Reading<C> {
    fn default() -> Self {
        Reading {
            round: 0,
            answered: Vec::new(),
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            leased_at: None,
            surrendered: false,
        }
    }
}

impl<C> Reading<C> {
    /// Whether there is nothing to remember.
    pub(crate) fn is_nothing(&self) -> bool {
        let Reading { round, answered, waiting, sent, leased_at, surrendered } = self;
        let untimed = sent.is_empty() && leased_at.is_none() && !*surrendered;
        *round == 0 && answered.is_empty() && waiting.is_empty() && untimed
    }

    /// Gives up the lease, and every other of this term.
    pub(crate) const fn surrender(&mut self) {
        self.surrendered = true;
    }
}

impl<C> Rename for Reading<C> {
    fn rename(&mut self, names: &Renaming) {
        if !self.answered.is_empty() {
            self.answered.resize(self.answered.len().max(names.len()), 0);
            names.rearrange(&mut self.answered);
        }
    }
}

impl<M: Machine> Raft<M> {
    // The leader's side.

    /// A client asks this leader for something that its machine can tell, at present `answer`.
    pub(crate) fn on_read(
        &mut self,
        config: &Config,
        now: Ticks,
        id: OpId,
        command: M::Command,
        answer: M::Answer,
        out: &mut Effects<Self>,
    ) {
        if self.is_leased(config, now) {
            out.mark("read-by-lease");
            return out.answer(id, Answer::Applied(answer));
        }
        if self.reading.waiting.len() as u64 >= config.uncommitted_entries_max {
            out.mark("busy");
            return out.answer(id, Answer::Busy);
        }
        // A round that is under way may have been answered before the client asked.
        self.reading.waiting.push_back(Read { round: self.reading.round + 1, id, command });
    }

    /// Dissertation §6.4: "If the leader has not yet marked an entry from its current term committed, it waits
    /// until it has done so." Before, its machine may lack what others have committed.
    fn knows_what_is_committed(&self) -> bool {
        self.log.term_at(self.commit) == Some(self.term)
    }

    /// Dissertation §6.4.1: whether nobody else can have been elected by now.
    fn is_leased(&self, config: &Config, now: Ticks) -> bool {
        let (Some(lease), Some(at)) = (config.lease(), self.reading.leased_at) else { return false };
        !self.reading.surrendered && at <= now && now.since(at) < lease
    }

    /// Whether a flush would send a round.
    pub(crate) fn needs_confirmation(&self) -> bool {
        let waits = self.reading.waiting.back().is_some_and(|read| read.round > self.reading.round);
        waits && self.knows_what_is_committed()
    }

    /// Sends a round if reads wait for one.
    pub(crate) fn confirm(&mut self, config: &Config, now: Ticks, out: &mut Effects<Self>) {
        if self.needs_confirmation() {
            self.begin_round(config, now, out);
        }
    }

    /// With a heartbeat: what was lost is asked again, and a lease renewed.
    pub(crate) fn confirm_again(&mut self, config: &Config, now: Ticks, out: &mut Effects<Self>) {
        if config.reads == Reads::Log || !self.is_leader() {
            return;
        }
        if config.lease().is_some() && self.knows_what_is_committed() {
            self.begin_round(config, now, out);
        } else if self.reading.waiting.front().is_some_and(|read| read.round <= self.reading.round) {
            self.ask_voters(out);
        }
    }

    fn begin_round(&mut self, config: &Config, now: Ticks, out: &mut Effects<Self>) {
        let slots = config.servers.iter().last().map_or(0, |node| node.index() + 1);
        let reading = &mut self.reading;
        reading.round += 1;
        reading.answered.resize(reading.answered.len().max(slots), 0);
        if config.lease().is_some() {
            reading.sent.push_back((reading.round, now));
        }
        self.ask_voters(out);
        // Of a cluster of one, this is a majority.
        self.count_answer(self.me, self.reading.round, out);
    }

    fn ask_voters(&self, out: &mut Effects<Self>) {
        let members = self.members.now();
        for peer in members.voters.union(members.outgoing).iter().filter(|peer| *peer != self.me) {
            out.send(peer, Message::Confirm { term: self.term, round: self.reading.round });
        }
    }

    /// Dissertation §6.4: a voter has taken this leader for the leader, after the round was sent.
    pub(crate) fn on_confirmed(&mut self, from: NodeId, round: u64, out: &mut Effects<Self>) {
        if !self.is_leader() {
            return out.refuse("not-a-leader");
        }
        if round > self.reading.round {
            return out.refuse("confirms-what-was-not-asked");
        }
        self.count_answer(from, round, out);
    }

    /// Counts the answer for this round and for all before it; answers the reads that waited for what a majority
    /// has answered.
    fn count_answer(&mut self, from: NodeId, round: u64, out: &mut Effects<Self>) {
        let reading = &mut self.reading;
        let Some(answered) = reading.answered.get_mut(from.index()) else {
            return out.refuse("confirms-what-was-not-asked");
        };
        *answered = round.max(*answered);
        let confirmed =
            self.members.now().commit_index(|node| reading.answered.get(node.index()).copied().unwrap_or(0));
        while let Some((_, at)) = reading.sent.pop_front_if(|(round, _)| *round <= confirmed) {
            reading.leased_at = Some(at);
        }
        while let Some(read) = reading.waiting.pop_front_if(|read| read.round <= confirmed) {
            out.mark("read-by-round");
            let answer = self.machine.read(&read.command).expect("a read stays a read");
            out.answer(read.id, Answer::Applied(answer));
        }
    }

    // The follower's side.

    /// The leader of this term asks who follows it.
    pub(crate) fn on_confirm(
        &mut self,
        config: &Config,
        now: Ticks,
        from: NodeId,
        round: u64,
        out: &mut Effects<Self>,
    ) {
        if !self.follow(config, from, out) {
            return;
        }
        // Who promises to elect nobody does not stand for election itself.
        out.set_timer(Timer::Election, config.patience(self.me));
        self.hear(config, now, from);
        let confirmed = Message::Confirmed { term: self.term, round };
        if self.writes.iter().any(|written| matches!(written, Written::Vote(_))) {
            // A promise outlives a crash by the term on disk: a server that boots without one has made none.
            self.send_durable(from, confirmed, out);
        } else {
            out.send(from, confirmed);
        }
    }
}
