//! Loans: a server that others would elect if its log were not behind theirs is lent what it lacks, and stands again.
//!
//! Raft elects a server that reaches a majority only if its log is up-to-date (§5.4.1), and PreVote and CheckQuorum
//! change nothing about that. If the links fail so that one server alone reaches a majority, and others, which reach
//! nobody but it, hold entries that it lacks, nobody can be elected, for as long as the links stay so: the constrained
//! election of OmniPaxos §2. Here the one server catches up before it stands, as a server of OmniPaxos does once
//! elected.
//!
//! A voter that would grant a PreVote but for the asker's log says so, and how its own log ends ([`Message::Behind`]). A
//! pre-candidate that would have a majority with those who say so asks the one with the most up-to-date log
//! ([`Message::Ask`]) for what follows its own last entry, is sent it ([`Message::Lend`]), piece by piece, and asks for
//! PreVotes anew. All of it belongs to the term that it would enter, and makes nobody enter any.
//!
//! **Why that is safe.** A loan comes from a log `L` whose last entry is of a term that its borrower is past or in, and
//! that is more up-to-date than the borrower's; entries of the borrower's go if they contradict it, and no others.
//! Let an entry of term `t` be *chosen* if a majority accepts it from the leader of `t`, each while it is in `t`,
//! be it now or later. The claim is that a borrower never drops a chosen entry that it has accepted, whereby the proof
//! of Leader Completeness (§5.4.3) stands as it is: between its acceptance and its vote a voter does not lose it. Let the
//! last entry of `L` be of term `w`. As the borrower has an entry of term `t` and `L` is more up-to-date, `w >= t`. If
//! `w = t`, `L` is as long as the borrower's log at least, and both are what the leader of `t` wrote, up to there (Log
//! Matching). If `w > t`, the leader of `w` had the entry: of the majority that elected it one had accepted the entry
//! before, since accepting it in `t` later than voting in `w` is impossible; `w` is no later than the borrower's term, so
//! that the induction over terms has dealt with that leader by the time of any vote that may be at stake. Its log, of
//! which `L` begins as a copy, thus holds the entry where the borrower's does, and the borrower keeps it with all before
//! it. That holds of each piece of a loan, though the log may be less up-to-date after one of them than it was.
//!
//! Only a pre-candidate borrows. A candidate has said which log it stands with; a leader only appends; a follower has
//! told its leader what it holds. A pre-candidate may have done so in this very term, before it lost patience: if
//! entries of it go, it enters the next term first, as that leader never goes back behind what was acknowledged.
//!
//! Nothing of it waits for disks but what waits for them anyway: term, truncation and entries are written in this order,
//! and a request for votes leaves when they are durable.
//!
//! Verified by `tests/it/loans.rs`, by the instances of the checker with loans, by bugs of the zoo, by campaigns, half of
//! which lend, and by simulations of the three kinds of partial connectivity. Not there: what the lender has compacted
//! is not lent, so that a server that lags further than [`Compaction::tail_entries`](crate::Compaction) has to wait for a
//! leader.

use swarm_protocol::quorum::VoteResult;
use swarm_protocol::{Effects, NodeId, NodeSet, Rename, Renaming};

use crate::log::Most;
use crate::snapshot::bytes_of;
use crate::state::{Ballot, Role};
use crate::{Config, Entries, Index, Machine, Membership, Message, Raft, Term, Timer};

/// A piece of a log that is more up-to-date.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Loan<C> {
    /// The index of the entry before the ones that are lent.
    pub prev_index: Index,
    /// The term of that entry.
    pub prev_term: Term,
    /// The index of the lender's last entry.
    pub last_index: Index,
    /// The term of the lender's last entry.
    pub last_term: Term,
    /// The entries, at least one; not always all up to the last.
    pub entries: Entries<C>,
}

impl<C> Loan<C> {
    /// Why nobody can have lent this to a server that asks about `term`, if nobody can.
    pub(crate) fn malformed(&self, term: Term) -> Option<&'static str> {
        let end = self.prev_index.checked_add(self.entries.count());
        if self.entries.is_empty() || end.is_none_or(|end| end > self.last_index || end == u64::MAX) {
            return Some("loan-of-nothing");
        }
        let terms = self.entries.runs().iter().map(crate::Run::term);
        let ascending = core::iter::once(self.prev_term).chain(terms).chain([self.last_term]).is_sorted();
        if ascending && self.last_term < term { None } else { Some("terms-decrease") }
    }
}

/// What a pre-candidate knows of logs that are ahead of its own.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Credit {
    /// Who would grant their votes but for that; all of them count as refusing, too.
    pub(crate) ahead: NodeSet,
    /// How the most up-to-date of their logs ends, and whose it is.
    pub(crate) best: Option<(Term, Index, NodeId)>,
    /// Whether that one was asked for a loan.
    pub(crate) asked: bool,
}

impl Rename for Credit {
    fn rename(&mut self, names: &Renaming) {
        let Credit { ahead, best, asked: _ } = self;
        ahead.rename(names);
        if let Some((_, _, lender)) = best {
            lender.rename(names);
        }
    }
}

impl Credit {
    /// Where the election would stand if those who are ahead had granted.
    pub(crate) fn prospect(&self, members: &Membership, ballot: &Ballot) -> VoteResult {
        members.vote_result(ballot.granted.union(self.ahead), ballot.refused.difference(self.ahead))
    }
}

impl<M: Machine> Raft<M> {
    // The borrower's side.

    /// A voter would grant its vote in `term` if this log were as up-to-date as its own, which ends like that.
    pub(crate) fn on_behind(
        &mut self,
        config: &Config,
        from: NodeId,
        term: Term,
        (last_index, last_term): (Index, Term),
        out: &mut Effects<Self>,
    ) {
        let Role::PreCandidate(_, credit) = &mut self.role else {
            return out.refuse("not-a-pre-candidate");
        };
        if term != self.term + 1 {
            return out.refuse("pre-vote-for-another-term");
        }
        if (last_term, last_index) <= (self.log.last_term(), self.log.last_index()) {
            return out.refuse("behind-in-the-past");
        }
        credit.ahead.insert(from);
        // A witness has no commands to lend. It may grant what it refuses now, once somebody else has lent.
        let lends = !config.witnesses.contains(from);
        if lends
            && credit
                .best
                .is_none_or(|(best_term, best_index, _)| (last_term, last_index) > (best_term, best_index))
        {
            (credit.best, credit.asked) = (Some((last_term, last_index, from)), false);
        }
        self.count_pre_vote(config, from, false, out);
    }

    /// Asks the best lender, once, if there is one.
    pub(crate) fn borrow(&mut self, out: &mut Effects<Self>) {
        let Role::PreCandidate(_, credit) = &mut self.role else { return };
        if let Some((_, _, lender)) = credit.best.filter(|_| !credit.asked) {
            credit.asked = true;
            self.ask(lender, self.log.last_index(), out);
        }
    }

    /// Asks for what follows an entry of this log, or what stands in its place.
    fn ask(&self, lender: NodeId, prev_index: Index, out: &mut Effects<Self>) {
        out.mark("loan-asked");
        let prev_term = self.log.term_at(prev_index).expect("a server asks behind an entry of its own");
        out.send(lender, Message::Ask { term: self.term + 1, prev_index, prev_term });
    }

    /// Takes what it is lent. The rules are those of AppendEntries (Raft Fig. 2), less what a follower owes its leader.
    pub(crate) fn on_lend(
        &mut self,
        config: &Config,
        from: NodeId,
        term: Term,
        loan: &mut Loan<M::Command>,
        out: &mut Effects<Self>,
    ) {
        if !self.is_pre_candidate() {
            return out.refuse("not-a-pre-candidate");
        }
        if term != self.term + 1 || term >= Term::MAX - 1 {
            return out.refuse("loan-for-another-term");
        }
        // Raft §5.4.1: of a log that is not more up-to-date nothing is known to agree.
        if (loan.last_term, loan.last_index) <= (self.log.last_term(), self.log.last_index()) {
            return out.refuse("loan-of-the-past");
        }
        let Loan { prev_index, prev_term, .. } = *loan;
        let consistent = self.log.term_at(prev_index) == Some(prev_term);
        // A log that is more up-to-date has all that is committed.
        if prev_index < self.commit || prev_index == self.commit && !consistent {
            return out.refuse("loan-contradicts-what-is-committed");
        }
        if !consistent {
            out.mark("loan-does-not-fit");
            let agree_at_most = self.log.last_at_most(prev_index, prev_term).max(self.commit);
            return self.ask(from, agree_at_most, out);
        }
        let entries = core::mem::replace(&mut loan.entries, Entries::none());
        let known = self.log.known(prev_index, &entries);
        let (agreed, last_new) = (prev_index + known, prev_index + entries.count());
        if agreed < last_new {
            if agreed < self.commit {
                return out.refuse("loan-contradicts-what-is-committed");
            }
            if agreed < self.log.last_index() {
                // A leader of this term may count on what goes, and would never send it again.
                self.enter_term(self.term + 1);
                self.save_vote(out);
                self.truncate_after(agreed, out);
            }
            self.append_entries(entries.skip(known), out);
            out.mark("loan-taken");
            self.counts.loans_taken += 1;
        }
        self.become_pre_candidate();
        if (self.log.last_term(), self.log.last_index()) < (loan.last_term, loan.last_index) {
            out.set_timer(Timer::Election, config.patience(self.me));
            return self.ask(from, self.log.last_index(), out);
        }
        self.stand(config, out);
    }

    // The lender's side.

    /// Lends what follows the last place at which the logs may agree, if this server would still vote for the asker but
    /// for its log.
    pub(crate) fn on_ask(
        &mut self,
        config: &Config,
        has_leader: bool,
        from: NodeId,
        term: Term,
        (prev_index, prev_term): (Index, Term),
        out: &mut Effects<Self>,
    ) {
        if term <= self.term {
            return out.send(from, Message::PreVote { term: self.term, granted: false });
        }
        if has_leader {
            return out.refuse("hears-a-leader");
        }
        if self.is_witness() {
            return out.refuse("witness-lends-nothing");
        }
        let (last_index, last_term) = (self.log.last_index(), self.log.last_term());
        if (last_term, last_index) <= (prev_term, prev_index) {
            return out.refuse("nothing-to-lend");
        }
        let place = self.log.last_at_most(prev_index, prev_term);
        let most = Most { entries: u64::from(config.append_entries_max), bytes: config.append_bytes_max };
        let Some((prev_term, entries, _)) = self.log.behind(place, most, bytes_of::<M>) else {
            self.counts.loans_refused_compacted += 1;
            return out.refuse("loan-is-compacted");
        };
        self.counts.loans_given += 1;
        let loan = Loan { prev_index: place, prev_term, last_index, last_term, entries };
        out.send(from, Message::Lend { term, loan: Box::new(loan) });
    }
}
