//! Log replication (Raft §5.3, §5.4.2): leader and follower side.
//!
//! A leader replicates in parallel with its own write (dissertation §10.2.1) and pipelines: once it knows
//! where a follower's log agrees with its own, it sends on without waiting, up to a window of entries, messages and
//! bytes. What is in the window is what lies between what is sent and what is acknowledged, so that no counter can
//! leak. A lost append shows as a conflict at the next one, at the latest at the next heartbeat, and empties the
//! window. The commit index rides on appends.

use std::sync::Arc;

use swarm_protocol::{Delay, Effects, NodeId};

use crate::log::Most;
use crate::snapshot::bytes_of;
use crate::state::{Pace, Progress, Role, Written};
use crate::{Config, Entries, Index, Log, Machine, Message, Raft, Record, Run, Snapshot, Term, Timer};

impl<M: Machine> Raft<M> {
    // The leader's side.

    /// Raft §5.2: a leader that is idle says that it is there. The same message finds appends that were
    /// lost, and brings the commit index.
    pub(crate) fn on_heartbeat_timeout(&mut self, config: &Config, out: &mut Effects<Self>) {
        let Role::Leader { progress } = &mut self.role else {
            return out.refuse("not-a-leader");
        };
        out.set_timer(Timer::Heartbeat, Delay::exactly(config.heartbeat_interval));
        for peer in self.members.now().all().iter().filter(|peer| *peer != self.me) {
            let progress = &mut progress[peer.index()];
            if let Pace::Probe { sent } | Pace::Snapshot { sent, .. } = &mut progress.pace {
                *sent = false; // The probe or the part, or its answer, may be lost.
            }
            let snapshot = self.snapshot.as_deref();
            let (term, commit, log) = (self.term, self.commit, &self.log);
            if self.witnesses.contains(peer) {
                let durable = self.durable;
                out.send(peer, progress.next_withheld::<M>(config, term, commit, log, durable, snapshot));
            } else {
                out.send(peer, progress.next_message::<M>(config, term, commit, log, snapshot));
            }
        }
    }

    /// Moves the proposals into the log and to the disk, in batches that everybody shares.
    pub(crate) fn seal_proposals(&mut self, config: &Config, out: &mut Effects<Self>) {
        while !self.proposals.is_empty() {
            let count = self.proposals.len().min(config.batch_entries_max as usize);
            let batch: Arc<[_]> = self.proposals.drain(..count).collect();
            self.append_entries(Run::of_commands(self.term, batch).into(), out);
        }
    }

    /// Sends every follower what its window allows.
    pub(crate) fn send_appends(&mut self, config: &Config, out: &mut Effects<Self>) {
        let Role::Leader { progress } = &mut self.role else { return };
        for peer in self.members.now().all().iter().filter(|peer| *peer != self.me) {
            let progress = &mut progress[peer.index()];
            let (term, commit, log) = (self.term, self.commit, &self.log);
            let witness = self.witnesses.contains(peer);
            let last = if witness { self.durable } else { log.last_index() };
            while progress.next <= last && progress.window(config) > 0 {
                let snapshot = self.snapshot.as_deref();
                if witness {
                    out.send(peer, progress.next_withheld::<M>(config, term, commit, log, last, snapshot));
                } else {
                    out.send(peer, progress.next_message::<M>(config, term, commit, log, snapshot));
                }
            }
        }
    }

    /// A follower's log agrees with this leader's up to `matched`, durably.
    pub(crate) fn on_appended(&mut self, from: NodeId, matched: Index, out: &mut Effects<Self>) {
        let Role::Leader { progress } = &mut self.role else {
            return out.refuse("not-a-leader");
        };
        if matched > self.log.last_index() {
            return out.refuse("acknowledges-what-was-not-sent");
        }
        if !self.members.now().all().contains(from) {
            return out.refuse("no-member-any-more");
        }
        let progress = &mut progress[from.index()];
        let lacks_a_snapshot = match progress.pace {
            Pace::Snapshot { index, .. } => matched < index.min(self.log.base_index()),
            _ => false,
        };
        if matched + 1 >= progress.next && !lacks_a_snapshot {
            progress.pace = Pace::Pipeline;
        }
        progress.next = progress.next.max(matched + 1);
        if matched > progress.matched {
            progress.matched = matched;
            progress.flight.land(matched);
            // A place up to `commit` makes no majority beyond it.
            if matched > self.commit {
                self.advance_commit();
            }
        }
    }

    /// A follower has nothing that agrees at `prev_index`: go back. Raft §5.3 (end): a hint from the
    /// follower skips whole terms, on both sides, instead of one entry per message.
    pub(crate) fn on_conflict(
        &mut self,
        from: NodeId,
        prev_index: Index,
        hint_index: Index,
        hint_term: Term,
        out: &mut Effects<Self>,
    ) {
        let Role::Leader { progress } = &mut self.role else {
            return out.refuse("not-a-leader");
        };
        if !self.members.now().all().contains(from) {
            return out.refuse("no-member-any-more");
        }
        let progress = &mut progress[from.index()];
        let current = match progress.pace {
            Pace::Probe { .. } => prev_index == progress.next - 1,
            Pace::Pipeline => prev_index < progress.next,
            Pace::Snapshot { .. } => false,
        };
        if prev_index <= progress.matched || !current {
            return out.refuse("conflict-of-the-past");
        }
        let agree_at_most = self.log.last_at_most(hint_index.min(prev_index - 1), hint_term);
        if agree_at_most < prev_index - 1 {
            out.mark("conflict-hint-used");
        }
        progress.next = agree_at_most.max(progress.matched) + 1;
        progress.pace = Pace::Probe { sent: false };
        progress.flight.forget();
    }

    /// Commits what a majority holds durably, this node among them only as far as its own disk is.
    #[inline]
    pub(crate) fn advance_commit(&mut self) {
        let Role::Leader { progress } = &self.role else { return };
        let members = self.members.now();
        let held = members.commit_index(|node| {
            if node == self.me {
                return self.durable;
            }
            progress[node.index()].matched
        });
        if held <= self.commit {
            return;
        }
        // Raft §5.4.2: only entries of the leader's term are committed by counting.
        let own_term = self.log.term_at(held) == Some(self.term);
        if own_term {
            self.commit = held;
        }
    }

    // The follower's side.

    /// Raft Fig. 2, AppendEntries: takes the entries of this term's leader.
    pub(crate) fn on_append(
        &mut self,
        config: &Config,
        from: NodeId,
        prev: (Index, Term),
        leader_commit: Index,
        entries: &mut Entries<M::Command>,
        out: &mut Effects<Self>,
    ) {
        if !self.follow(config, from, out) {
            return;
        }
        let (prev_index, prev_term) = prev;
        if prev_index < self.log.base_index() {
            return self.on_append_before_the_base(config, from, prev_index, leader_commit, entries, out);
        }
        // Raft Fig. 2, AppendEntries 2: refuse unless there is an entry at prev_index of term prev_term.
        let consistent = self.log.term_at(prev_index) == Some(prev_term);
        if !consistent {
            out.mark("append-conflict");
            out.set_timer(Timer::Election, config.patience(self.me));
            let hint_index = self.log.last_at_most(prev_index, prev_term);
            let hint_term = self.log.term_at(hint_index).unwrap_or(0);
            return out.send(from, Message::Conflict { term: self.term, prev_index, hint_index, hint_term });
        }
        let known = self.log.known(prev_index, entries);
        let (agreed, last_new) = (prev_index + known, prev_index + entries.count());
        // A leader never changes what it has shown in its term, and what is committed is part of that.
        if agreed < last_new && agreed < self.verified() {
            return out.refuse("leader-contradicts-itself");
        }
        // Raft Fig. 2, AppendEntries 3: an entry that conflicts with a new one goes, with all behind it.
        let conflict = agreed < last_new && agreed < self.log.last_index();
        if conflict {
            self.truncate_after(agreed, out);
        }
        // Raft Fig. 2, AppendEntries 4: append what is not there yet.
        if agreed < last_new {
            self.append_entries(core::mem::replace(entries, Entries::none()).skip(known), out);
        }
        let Role::Follower { verified, ack_due, .. } = &mut self.role else { return };
        *verified = last_new.max(*verified);
        *ack_due = true;
        // Raft Fig. 2, AppendEntries 5: commit up to the last *new* entry. What lies behind it may still
        // differ from the leader's log.
        let safe = leader_commit.min(*verified);
        self.commit = self.commit.max(safe);
    }

    /// What a snapshot covers is committed, and agrees with every later leader's log (Raft §5.4.3): only its last entry
    /// and what lies behind it is looked at.
    #[cold]
    fn on_append_before_the_base(
        &mut self,
        config: &Config,
        from: NodeId,
        prev_index: Index,
        leader_commit: Index,
        entries: &mut Entries<M::Command>,
        out: &mut Effects<Self>,
    ) {
        let base = (self.log.base_index(), self.log.base_term());
        let covered = base.0 - prev_index;
        let sent = core::mem::replace(entries, Entries::none());
        if sent.iter().nth(covered as usize - 1).is_some_and(|(term, _)| term != base.1) {
            return out.refuse("leader-contradicts-itself");
        }
        let mut behind = if covered < sent.count() { sent.skip(covered) } else { Entries::none() };
        self.on_append(config, from, base, leader_commit, &mut behind, out);
    }

    /// Whether `from` leads this term: at most one node does. A candidate that hears from it follows it (Raft §5.2).
    #[inline]
    pub(crate) fn follow(&mut self, config: &Config, from: NodeId, out: &mut Effects<Self>) -> bool {
        match self.role {
            Role::Follower { leader: Some(leader), .. } if leader == from => {}
            Role::Follower { leader: Some(_), .. } | Role::Leader { .. } => {
                out.refuse("second-leader-of-a-term");
                return false;
            }
            _ => self.become_follower(config, Some(from), out),
        }
        true
    }

    /// The log agrees with the leader's up to `index`: an acknowledgement is due.
    pub(crate) fn verify_up_to(&mut self, index: Index) {
        if let Role::Follower { verified, ack_due, .. } = &mut self.role {
            (*verified, *ack_due) = (index.max(*verified), true);
        }
    }

    /// The last entry known to agree with the leader's log, on a follower.
    fn verified(&self) -> Index {
        match self.role {
            Role::Follower { verified, .. } => verified,
            _ => self.commit,
        }
    }

    /// Acknowledges all appends since the last flush at once, when they are durable.
    pub(crate) fn acknowledge(&mut self, config: &Config, out: &mut Effects<Self>) {
        let Role::Follower { leader: Some(leader), verified, ack_due: true } = self.role else { return };
        out.set_timer(Timer::Election, config.patience(self.me));
        // Raft Fig. 2: updated on stable storage before responding.
        self.send_durable(leader, Message::Appended { term: self.term, matched: verified }, out);
        self.role = Role::Follower { leader: Some(leader), verified, ack_due: false };
    }

    // Both sides.

    /// Puts entries behind the last one, here and on disk.
    pub(crate) fn append_entries(&mut self, entries: Entries<M::Command>, out: &mut Effects<Self>) {
        let first = self.log.last_index() + 1;
        for run in entries.runs() {
            if let Some(membership) = run.membership() {
                self.members.append(self.log.last_index() + 1, *membership);
            }
            self.log.append(run.clone(), run.entries().iter().map(bytes_of::<M>).sum());
        }
        let write = out.persist(Record::Append { first, entries });
        self.writes.push(write, Written::Log(self.log.last_index()));
    }

    /// Drops the entries behind `index`, here and on disk. Writes on their way no longer stand for what
    /// is dropped: their completion must not be credited to whatever will stand there instead.
    pub(crate) fn truncate_after(&mut self, index: Index, out: &mut Effects<Self>) {
        assert!(index >= self.commit, "truncation after {index} drops committed entries");
        out.mark("log-truncated");
        if self.members.since() > index {
            out.mark("membership-truncated");
        }
        self.log.truncate_after(index, bytes_of::<M>);
        self.members.truncate_after(index);
        self.durable = self.durable.min(index);
        for written in self.writes.iter_mut() {
            if let Written::Log(last) = written {
                *last = index.min(*last);
            }
        }
        let write = out.persist(Record::Truncate { after: index });
        self.writes.push(write, Written::Cut);
    }
}

impl Progress {
    /// How many more entries may be sent now.
    #[inline]
    pub(crate) fn window(&self, config: &Config) -> u64 {
        match self.pace {
            Pace::Probe { sent } => u64::from(!sent) * config.in_flight_entries_max,
            Pace::Pipeline => {
                let full = self.flight.messages() >= config.in_flight_messages_max as usize
                    || self.flight.bytes() >= config.in_flight_bytes_max;
                if full {
                    0
                } else {
                    config.in_flight_entries_max.saturating_sub(self.next - 1 - self.matched)
                }
            }
            Pace::Snapshot { sent, .. } => u64::from(!sent),
        }
    }

    /// What the follower needs next: entries behind those it has, or a part of the snapshot if the log no longer
    /// has them.
    #[inline(always)]
    fn next_message<M: Machine>(
        &mut self,
        config: &Config,
        term: Term,
        commit: Index,
        log: &Log<M::Command>,
        snapshot: Option<&Snapshot>,
    ) -> Message<M::Command> {
        if self.next <= log.base_index() {
            let snapshot = snapshot.expect("a snapshot covers what the log has dropped");
            return self.next_part(config, term, snapshot);
        }
        self.next_append::<M>(config, term, commit, log, u64::from(config.append_entries_max))
    }

    /// The append that the follower needs next, as far as its window allows, of so many entries at most, without
    /// entries if there are none to send; notes it as sent.
    #[inline(always)]
    pub(crate) fn next_append<M: Machine>(
        &mut self,
        config: &Config,
        term: Term,
        commit: Index,
        log: &Log<M::Command>,
        entries_max: u64,
    ) -> Message<M::Command> {
        let count_max = self.window(config).min(entries_max);
        let prev_index = self.next - 1;
        let most = Most { entries: count_max, bytes: config.append_bytes_max };
        let (prev_term, entries, bytes) = log
            .behind(prev_index, most, bytes_of::<M>)
            .expect("a leader holds what precedes its next append");
        match &mut self.pace {
            Pace::Probe { sent } => *sent = true,
            Pace::Pipeline if entries.is_empty() => {}
            Pace::Pipeline => {
                self.next += entries.count();
                self.flight.add(self.next - 1, bytes);
            }
            Pace::Snapshot { .. } => {
                unreachable!("next lies behind the base: the follower is not sent a snapshot")
            }
        }
        Message::Append { term, prev_index, prev_term, commit, entries }
    }
}
