//! The step: checks that concern all inputs, and dispatch to one function per message and per timer.
//!
//! The handlers are in `election` and `replication`. Verified by `tests/it/paper.rs` rule by rule, by
//! the properties in every engine, and by a fuzz target that steps arbitrary messages.

use swarm_protocol::{Effects, Input, Never, NodeId, OpId, Protocol, Reply, Service, Ticks, WriteId};

use crate::coverage;
use crate::members::Members;
use crate::reads::Reading;
use crate::record::{self, Stable};
use crate::snapshot::{ENTRY_BYTES, bytes_of};
use crate::state::{Pace, Role, Written};
use crate::tenure::{Heard, Tenure};
use crate::witness;
use crate::{
    Administration, Answer, Config, Counts, Entry, Log, Machine, Message, Raft, Reads, Record, Timer,
};

impl<M: Machine> Protocol for Raft<M> {
    type Config = Config;
    type Message = Message<M::Command>;
    type Timer = Timer;
    type Op = M::Command;
    type Answer = Answer<M::Answer>;
    type Record = Record<M::Command>;
    type Task = Never;
    type Outcome = Never;

    fn recover(
        config: &Config,
        me: NodeId,
        disk: impl Iterator<Item = Self::Record>,
        out: &mut Effects<Self>,
    ) -> Self {
        let Stable { term, vote, log, snapshot, damage } = Stable::replay(disk, bytes_of::<M>);
        let witness = config.witnesses.contains(me);
        let restored = snapshot.as_ref().filter(|_| !witness).map(|snapshot| M::restore(&snapshot.data));
        let damage = damage.or(matches!(restored, Some(None)).then_some("disk-snapshot-does-not-restore"));
        let damage = damage.or(witness::misplaced_disk(witness, &log, snapshot.as_deref()));
        let commit = log.base_index();
        let mut members = Members::new(config);
        if let Some(snapshot) = &snapshot {
            members.restart(snapshot.index, snapshot.membership);
        }
        log.memberships().for_each(|(index, membership)| members.append(index, *membership));
        out.set_timer(Timer::Election, config.patience(me));
        let mut node = Raft {
            me,
            term,
            vote,
            saved: (term, vote),
            role: Role::Follower { leader: None, verified: commit, ack_due: false },
            durable: log.last_index(),
            log,
            members,
            witnesses: config.witnesses,
            writes: swarm_protocol::Outstanding::new(),
            commit,
            applied: commit,
            machine: restored.flatten().unwrap_or_default(),
            snapshot,
            fresh_bytes: 0,
            incoming: None,
            proposals: Vec::new(),
            uncommitted_bytes: 0,
            waiting: std::collections::VecDeque::new(),
            changing: None,
            heard: Heard::Never,
            tenure: Tenure::default(),
            reading: Reading::default(),
            handover: None,
            made_way: None,
            halted: false,
            counts: Counts::default(),
        };
        if config.check_quorum && node.term > 0 {
            node.heard = Heard::BeforeBoot;
        }
        // A log of a later term than the node has seen is nobody's log.
        let damage = damage.or((node.log.last_term() > term).then_some("disk-term-behind-log"));
        if let Some(damage) = damage {
            node.log = Log::new();
            node.members = Members::new(config);
            (node.durable, node.commit, node.applied) = (0, 0, 0);
            (node.machine, node.snapshot) = (M::default(), None);
            node.halt(config, damage, out);
        }
        node
    }

    fn step(&mut self, config: &Config, now: Ticks, mut input: Input<Self>, out: &mut Effects<Self>) {
        if self.halted {
            return out.refuse("halted");
        }
        if matches!(self.heard, Heard::BeforeBoot) {
            self.heard = Heard::At(now);
        }
        match input {
            // Not moved: it is large, and of most messages a few numbers are wanted.
            Input::Message { from, ref mut message } => self.on_message(config, now, from, message, out),
            Input::Timeout(Timer::Election) => self.on_election_timeout(config, out),
            Input::Timeout(Timer::Heartbeat) => {
                self.on_heartbeat_timeout(config, out);
                self.confirm_again(config, now, out);
                self.make_way(config, now, out);
            }
            Input::Invoke { id, op } => self.on_invoke(config, now, id, op, out),
            Input::Persisted(write) => self.on_persisted(config, write, out),
            Input::DiskFailed(_) => self.halt(config, "disk-failed", out),
            Input::Done(never) => match never {},
        }
        self.apply_committed(out);
        self.go_on_changing(config, out);
        self.compact_if_due(config, out);
    }

    fn flush(&mut self, config: &Config, now: Ticks, out: &mut Effects<Self>) {
        match self.role {
            Role::Leader { .. } => {
                self.seal_proposals(config, out);
                self.send_appends(config, out);
                self.confirm(config, now, out);
                self.tell(out);
            }
            Role::Follower { ack_due: true, .. } => self.acknowledge(config, out),
            _ => {}
        }
    }

    fn needs_flush(&self) -> bool {
        match &self.role {
            Role::Follower { ack_due, .. } => *ack_due,
            Role::Leader { progress } => {
                !self.proposals.is_empty()
                    || self.needs_confirmation()
                    || self.needs_telling()
                    || progress.iter().enumerate().any(|(node, peer)| {
                        node != self.me.index()
                            && peer.next <= self.log.last_index()
                            && (peer.next <= self.durable || !self.witnesses.contains(NodeId(node as u32)))
                            && !matches!(
                                peer.pace,
                                Pace::Probe { sent: true } | Pace::Snapshot { sent: true, .. }
                            )
                    })
            }
            Role::PreCandidate(..) | Role::Candidate(_) => false,
        }
    }

    fn assert_invariants(&self, config: &Config) {
        self.check_invariants(config);
    }

    fn compact(records: &mut Vec<Self::Record>) {
        record::compact(records);
    }

    fn message_kind(message: &Self::Message) -> &'static str {
        message.kind()
    }

    fn op_kind(op: &Self::Op) -> &'static str {
        M::kind(op)
    }

    fn role(&self) -> &'static str {
        coverage::role(self)
    }

    fn phase(&self) -> &'static str {
        coverage::phase(self)
    }

    fn abstraction(nodes: &[Option<&Self>]) -> u64 {
        coverage::abstraction(nodes)
    }
}

impl<M: Machine> Service for Raft<M> {
    type Spec = M::Spec;

    fn reply(answer: &Self::Answer) -> Reply<M::Answer> {
        match answer {
            Answer::Applied(answer) => Reply::Done(answer.clone()),
            Answer::Redirect(leader) => Reply::NotTaken(*leader),
            Answer::Busy => Reply::NotTaken(None),
            // Not to be asked again. That it may not have been done is all that follows from this.
            Answer::Refused(_) => Reply::Unknown,
        }
    }
}

impl<M: Machine> Raft<M> {
    fn on_message(
        &mut self,
        config: &Config,
        now: Ticks,
        from: NodeId,
        message: &mut Message<M::Command>,
        out: &mut Effects<Self>,
    ) {
        if from == self.me || !config.servers.contains(from) {
            return out.refuse("not-a-member");
        }
        if let Some(reason) = malformed(message) {
            return out.refuse(reason);
        }
        if let Some(reason) = self.misplaced(message) {
            return out.refuse(reason);
        }
        if message.term() < self.term {
            return self.refuse_stale(from, message, out);
        }
        if config.check_quorum {
            if self.is_undisturbed(config, now, message) {
                return out.refuse("hears-a-leader");
            }
            self.note_answer(from, message);
        }
        // Raft Fig. 2, Rules for Servers: a higher term makes every server a follower of that term.
        if message.term() > self.term && !message.is_hypothetical() {
            self.enter_term(message.term());
            self.become_follower(config, None, out);
            // The term reaches the disk before any entry of it. A vote will be one record with its term,
            // and of any answer the term is all the news.
            match message {
                Message::RequestVote { .. } => {}
                Message::Append { .. } | Message::Part { .. } | Message::Confirm { .. } => {
                    self.save_vote(out);
                }
                _ => return self.save_vote(out),
            }
        }
        match *message {
            Message::RequestPreVote { term, last_index, last_term } => {
                let has_leader = self.has_leader(config, now);
                self.on_request_pre_vote(config, has_leader, from, term, (last_index, last_term), out);
            }
            Message::PreVote { term, granted } => self.on_pre_vote(config, from, term, granted, out),
            Message::RequestVote { last_index, last_term, .. } => {
                self.on_request_vote(config, from, last_index, last_term, out);
            }
            Message::Vote { granted, .. } => self.on_vote(config, from, granted, out),
            Message::Append { prev_index, prev_term, commit, ref mut entries, .. } => {
                self.on_append(config, from, (prev_index, prev_term), commit, entries, out);
                self.hear(config, now, from);
            }
            Message::Appended { matched, .. } => self.on_appended(from, matched, out),
            Message::Conflict { prev_index, hint_index, hint_term, .. } => {
                self.on_conflict(from, prev_index, hint_index, hint_term, out);
            }
            // Its only news is the term, which was dealt with above.
            Message::Stale { .. } => {}
            Message::Part { ref part, .. } => {
                self.on_part(config, from, part, out);
                self.hear(config, now, from);
            }
            Message::Received { index, offset, .. } => self.on_received(from, index, offset, out),
            Message::Confirm { round, .. } => self.on_confirm(config, now, from, round, out),
            Message::Confirmed { round, .. } => self.on_confirmed(from, round, out),
            Message::TimeoutNow { .. } => self.on_timeout_now(config, from, out),
            Message::Behind { term, last_index, last_term } => {
                self.on_behind(config, from, term, (last_index, last_term), out);
            }
            Message::Ask { term, prev_index, prev_term } => {
                let has_leader = self.has_leader(config, now);
                self.on_ask(config, has_leader, from, term, (prev_index, prev_term), out);
            }
            Message::Lend { term, ref mut loan } => self.on_lend(config, from, term, loan, out),
        }
    }

    /// Raft §5.1: a request of a past term is refused, and the sender told the present one.
    fn refuse_stale(&self, from: NodeId, message: &Message<M::Command>, out: &mut Effects<Self>) {
        out.refuse("stale-term");
        match message {
            Message::RequestPreVote { .. } | Message::Ask { .. } => {
                out.send(from, Message::PreVote { term: self.term, granted: false });
            }
            Message::RequestVote { .. } => out.send(from, Message::Vote { term: self.term, granted: false }),
            Message::Append { .. } | Message::Part { .. } | Message::Confirm { .. } => {
                out.send(from, Message::Stale { term: self.term });
            }
            _ => {}
        }
    }

    /// `write` and all before it are durable.
    fn on_persisted(&mut self, config: &Config, write: WriteId, out: &mut Effects<Self>) {
        let mut voted = false;
        for written in self.writes.persisted(write) {
            match written {
                Written::Vote(term) => voted |= term == self.term,
                Written::Log(last) => self.durable = self.durable.max(last),
                Written::Cut => {}
            }
        }
        match &self.role {
            // A candidate's only vote in its term is its own; like every vote it counts once durable.
            Role::Candidate(_) if voted => self.on_vote(config, self.me, true, out),
            Role::Leader { .. } => self.advance_commit(),
            _ => {}
        }
    }

    /// Stops for good: after a failed write nobody knows what the disk holds (Rebello et al. 2020), and a
    /// node that boots from half of its promises breaks the others. An operator replaces the disk.
    fn halt(&mut self, config: &Config, reason: &'static str, out: &mut Effects<Self>) {
        out.mark(reason);
        self.become_follower(config, None, out);
        out.cancel_timer(Timer::Election);
        self.halted = true;
    }

    /// Takes a command if this node leads.
    fn on_invoke(
        &mut self,
        config: &Config,
        now: Ticks,
        id: OpId,
        command: M::Command,
        out: &mut Effects<Self>,
    ) {
        if !self.is_leader() {
            if self.is_witness() {
                out.mark("witness-serves-nobody");
            }
            self.counts.dropped_not_leading += 1;
            return out.answer(id, Answer::Redirect(self.leader()));
        }
        if config.reads != Reads::Log
            && let Some(answer) = self.machine.read(&command)
        {
            return self.on_read(config, now, id, command, answer, out);
        }
        if let Some((Administration::Transfer { to }, _)) = M::administration(&command) {
            return self.on_transfer(config, id, command, to, out);
        }
        // Dissertation §3.10: "The prior leader stops accepting new client requests."
        if self.handover.is_some() {
            out.mark("busy");
            self.counts.dropped_busy += 1;
            return out.answer(id, Answer::Busy);
        }
        if let Some((Administration::Change { voters, learners }, _)) = M::administration(&command) {
            return self.on_change(config, id, command, (voters, learners), out);
        }
        let bytes = M::bytes(&command);
        if bytes > config.command_bytes_max {
            out.mark("command-too-large");
            self.counts.dropped_refused += 1;
            return out.answer(id, Answer::Refused("larger than a command may be"));
        }
        let index = self.next_proposal_index();
        let uncommitted_bytes = self.uncommitted_bytes + ENTRY_BYTES + bytes;
        let too_large = uncommitted_bytes > config.uncommitted_bytes_max && index > self.commit + 1;
        if too_large || index - self.commit > config.uncommitted_entries_max {
            out.mark("busy");
            self.counts.dropped_busy += 1;
            return out.answer(id, Answer::Busy);
        }
        self.uncommitted_bytes = uncommitted_bytes;
        self.counts.commands_taken += 1;
        self.proposals.push(Entry::Command(command));
        self.waiting.push_back((index, id));
    }

    /// Raft Fig. 2, Rules for Servers: what is committed is applied, in order.
    #[inline]
    fn apply_committed(&mut self, out: &mut Effects<Self>) {
        if self.applied == self.commit {
            return;
        }
        out.mark("command-committed");
        let mut bytes = 0;
        let Raft { log, applied, machine, waiting, commit, .. } = self;
        log.for_each_piece(*applied + 1, *commit, bytes_of::<M>, |piece, piece_bytes| {
            bytes += piece_bytes;
            for entry in piece {
                *applied += 1;
                if let Entry::Command(command) = entry {
                    let answer = machine.apply(command);
                    if let Some((_, id)) = waiting.pop_front_if(|(index, _)| *index == *applied) {
                        out.answer(id, Answer::Applied(answer));
                    }
                }
            }
        });
        self.fresh_bytes += bytes;
        if self.is_leader() {
            self.uncommitted_bytes -= bytes;
        }
    }
}

/// Why no correct node can have sent this message, if none can. Such a message changes nothing.
fn malformed<C>(message: &Message<C>) -> Option<&'static str> {
    let (term, prev_index, prev_term, entries) = match message {
        Message::Append { term, prev_index, prev_term, entries, .. } => {
            (term, prev_index, prev_term, entries)
        }
        Message::Part { term, part } => return part.malformed(*term),
        Message::Lend { term, loan } => return loan.malformed(*term),
        _ => return None,
    };
    if prev_index.checked_add(entries.count()).is_none_or(|last| last == u64::MAX) {
        return Some("index-overflow");
    }
    let terms = entries.runs().iter().map(crate::Run::term);
    if !core::iter::once(*prev_term).chain(terms).chain([*term]).is_sorted() {
        return Some("terms-decrease");
    }
    None
}
