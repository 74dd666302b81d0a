//! Stable storage: what a node appends to its disk, and what it makes of it when it boots.
//!
//! Raft Fig. 2 keeps term, vote and log durable; each change of them is one record. Replaying any prefix
//! of the records that a node wrote gives a state that it was in: a crash loses the unsynced tail, no
//! more. Verified by the tests in `tests/it/recovery.rs` (every prefix of random runs, compacted and
//! not) and by crash events in checker and simulator.

use core::fmt::{self, Debug};

use std::sync::Arc;

use swarm_protocol::NodeId;

use crate::log::Log;
use crate::{Entries, Entry, Index, Snapshot, Term};

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
    /// The machine's state in place of the entries that led to it. Entries behind its last one stay, if that
    /// one stands in the log; else none does.
    Snapshot(Arc<Snapshot>),
}

impl<C: Debug> Debug for Record<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Record::Vote { term, vote: Some(vote) } => write!(f, "Vote(t{term} {vote})"),
            Record::Vote { term, vote: None } => write!(f, "Vote(t{term} none)"),
            Record::Append { first, entries } => write!(f, "Append({first} {entries:?})"),
            Record::Truncate { after } => write!(f, "Truncate({after})"),
            Record::Snapshot(snapshot) => write!(f, "Snapshot({snapshot:?})"),
        }
    }
}

/// What records amount to.
#[derive(Clone, Debug)]
pub(crate) struct Stable<C> {
    pub(crate) term: Term,
    pub(crate) vote: Option<NodeId>,
    pub(crate) log: Log<C>,
    /// What stands before the log.
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    /// The first record that no node can have written, if there is one: the disk is not to be trusted.
    pub(crate) damage: Option<&'static str>,
}

impl<C: Clone> Stable<C> {
    /// Replays records, oldest first, up to the first that does not fit. An entry is as large as `size` says.
    pub(crate) fn replay(records: impl Iterator<Item = Record<C>>, size: impl Fn(&Entry<C>) -> u64) -> Self {
        // Most records are appends of one run.
        let log = Log::with_capacity(records.size_hint().0);
        let mut stable = Stable { term: 0, vote: None, log, snapshot: None, damage: None };
        for record in records {
            if let Err(damage) = stable.replay_one(record, &size) {
                stable.damage = Some(damage);
                break;
            }
        }
        stable
    }

    fn replay_one(&mut self, record: Record<C>, size: impl Fn(&Entry<C>) -> u64) -> Result<(), &'static str> {
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
                        let bytes = run.entries().iter().map(&size).sum();
                        self.log.append(run, bytes);
                    }
                });
                if fits { Ok(()) } else { Err("disk-log-terms-decrease") }
            }
            Record::Truncate { after }
                if !(self.log.base_index()..=self.log.last_index()).contains(&after) =>
            {
                Err("disk-log-has-a-gap")
            }
            Record::Truncate { after } => {
                self.log.truncate_after(after, size);
                Ok(())
            }
            Record::Snapshot(snapshot) if snapshot.index <= self.log.base_index() => {
                Err("disk-snapshot-goes-back")
            }
            Record::Snapshot(snapshot) if !snapshot.is_sound() => Err("disk-snapshot-of-nothing"),
            Record::Snapshot(snapshot) => {
                self.log.begin_after(snapshot.index, snapshot.term);
                self.snapshot = Some(snapshot);
                Ok(())
            }
        }
    }
}

/// Rewrites records as at most one vote, one snapshot and one append; leaves damaged ones as they are.
pub(crate) fn compact<C: Clone>(records: &mut Vec<Record<C>>) {
    if let [] | [_] | [Record::Vote { .. }, Record::Append { .. } | Record::Snapshot(_)] = records[..]
        && !matches!(records[..], [Record::Truncate { .. }])
    {
        return;
    }
    let stable = Stable::replay(records.iter().cloned(), |_| 0);
    if stable.damage.is_some() {
        return;
    }
    records.clear();
    if stable.term > 0 || stable.vote.is_some() {
        records.push(Record::Vote { term: stable.term, vote: stable.vote });
    }
    records.extend(stable.snapshot.map(Record::Snapshot));
    let first = stable.log.base_index() + 1;
    let entries = stable.log.slice(first, u64::MAX);
    if !entries.is_empty() {
        records.push(Record::Append { first, entries });
    }
}
