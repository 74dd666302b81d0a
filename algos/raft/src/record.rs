//! Stable storage: what a node appends to its disk, and what it makes of it when it boots.
//!
//! Raft Fig. 2 keeps term, vote and log durable; each change of them is one record. Replaying any prefix
//! of the records that a node wrote gives a state that it was in: a crash loses the unsynced tail, no
//! more. Verified by the tests in `tests/it/recovery.rs` (every prefix of random runs, compacted and
//! not) and by crash events in checker and simulator.

use core::fmt::{self, Debug};

use swarm_protocol::NodeId;

use crate::log::Log;
use crate::{Entries, Index, Term};

/// One unit of stable storage. Equality and hash cover logical content, not batches.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Record<C> {
    /// The node is in `term` and has voted so in it.
    Vote {
        /// The latest term the node has seen.
        term: Term,
        /// Whom it voted for in that term.
        vote: Option<NodeId>,
    },
    /// Entries behind the last one.
    Append {
        /// The index of the first of them.
        first: Index,
        /// The entries, at least one.
        entries: Entries<C>,
    },
    /// Entries behind `after` are dropped.
    Truncate {
        /// The index of the last entry that stays.
        after: Index,
    },
}

impl<C: Debug> Debug for Record<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Record::Vote { term, vote: Some(vote) } => write!(f, "Vote(t{term} {vote})"),
            Record::Vote { term, vote: None } => write!(f, "Vote(t{term} none)"),
            Record::Append { first, entries } => write!(f, "Append({first} {entries:?})"),
            Record::Truncate { after } => write!(f, "Truncate({after})"),
        }
    }
}

/// What records amount to.
#[derive(Clone, Debug)]
pub(crate) struct Stable<C> {
    pub(crate) term: Term,
    pub(crate) vote: Option<NodeId>,
    pub(crate) log: Log<C>,
    /// The first record that no node can have written, if there is one: the disk is not to be trusted.
    pub(crate) damage: Option<&'static str>,
}

impl<C: Clone> Stable<C> {
    /// Replays records, oldest first, up to the first that does not fit.
    pub(crate) fn replay(records: impl Iterator<Item = Record<C>>) -> Self {
        // Most records are appends of one run.
        let log = Log::with_capacity(records.size_hint().0);
        let mut stable = Stable { term: 0, vote: None, log, damage: None };
        for record in records {
            if let Err(damage) = stable.replay_one(record) {
                stable.damage = Some(damage);
                break;
            }
        }
        stable
    }

    fn replay_one(&mut self, record: Record<C>) -> Result<(), &'static str> {
        match record {
            Record::Vote { term, .. } if term < self.term => Err("disk-term-goes-back"),
            Record::Vote { term, vote } => {
                (self.term, self.vote) = (term, vote);
                Ok(())
            }
            Record::Append { first, .. } if first != self.log.last_index() + 1 => Err("disk-log-has-a-gap"),
            Record::Append { entries, .. } => {
                let mut fits = true;
                entries.for_each_run(|run| {
                    fits &= run.term() >= self.log.last_term();
                    if fits {
                        self.log.append(run);
                    }
                });
                if fits { Ok(()) } else { Err("disk-log-terms-decrease") }
            }
            Record::Truncate { after } if after > self.log.last_index() => Err("disk-log-has-a-gap"),
            Record::Truncate { after } => {
                self.log.truncate_after(after);
                Ok(())
            }
        }
    }
}

/// Rewrites records as at most one vote and one append; leaves damaged ones as they are.
pub(crate) fn compact<C: Clone>(records: &mut Vec<Record<C>>) {
    if let [] | [Record::Vote { .. } | Record::Append { .. }] | [Record::Vote { .. }, Record::Append { .. }] =
        records[..]
    {
        return;
    }
    let stable = Stable::replay(records.iter().cloned());
    if stable.damage.is_some() {
        return;
    }
    records.clear();
    if stable.term > 0 || stable.vote.is_some() {
        records.push(Record::Vote { term: stable.term, vote: stable.vote });
    }
    let entries = stable.log.slice(1, u64::MAX);
    if !entries.is_empty() {
        records.push(Record::Append { first: 1, entries });
    }
}
