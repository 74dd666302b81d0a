//! Snapshots: the machine's state in place of the log that led to it (Raft §7, dissertation §5).
//!
//! A server takes a snapshot when the log behind the last one has grown as large as [`Compaction::log_bytes`], and
//! as large as that snapshot: so that writing snapshots costs no more than writing the log did (dissertation
//! §5.1.2), however large the machine is. It is one record; when it stands in the log of records, what it covers
//! need not be kept. A tail of the log stays, for followers that lag a little.
//!
//! A follower that lags further is sent the snapshot in parts, one at a time; it answers with how much it has,
//! so that a transfer goes on where it was after a loss, and begins anew after a restart. A part says which
//! snapshot it belongs to, and parts of two never mix. What the follower has already it does not take again: a
//! snapshot older than its commit index, or one whose last entry its log holds, is acknowledged as it is (Raft
//! Fig. 13, 6). Otherwise the snapshot takes the place of its log (Fig. 13, 7 and 8), and the acknowledgement
//! waits until it is durable, like any other.
//!
//! While a transfer is under way the leader waits with its next snapshot, up to [`PATIENCE`] times as long: else
//! a transfer that takes longer than a snapshot lasts would never end.
//!
//! Verified by `tests/it/snapshots.rs`, by the properties, which know what a snapshot stands for, by instances of
//! the checker with snapshots, and by simulations. Not there: a snapshot is written inside of a step, which costs
//! what [`Machine::save`] does.

use core::fmt::{self, Debug};
use std::sync::Arc;

use swarm_protocol::{Effects, NodeId};

use crate::log::Log;
use crate::state::{Pace, Progress, Role, Written};
use crate::{Config, Entry, Index, Machine, Membership, Message, Raft, Record, Term};
use swarm_protocol::wire::{Error, Wire, read_count, read_u64, write_count, write_u64s};

/// How much longer than usual a log may grow while its last snapshot is on its way to a follower.
const PATIENCE: u64 = 4;

/// What an entry counts for in the size of a log, beside its command: term and index.
pub(crate) const ENTRY_BYTES: u64 = 16;

/// The last index that a snapshot may have: so far from the end of all numbers that no log which goes on behind it
/// gets there.
const INDEX_MAX: Index = Index::MAX / 2;

/// Whether there can be a snapshot up to an entry at `index` that leaves a cluster of `membership`.
fn covers(index: Index, membership: &Membership) -> bool {
    (1..=INDEX_MAX).contains(&index) && !membership.voters.is_empty()
}

/// A machine's state after all entries up to one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Snapshot {
    /// The last entry that it covers.
    pub index: Index,
    /// The term of that entry.
    pub term: Term,
    /// Who takes part after that entry.
    pub membership: Membership,
    /// What [`Machine::save`] wrote.
    pub data: Arc<[u8]>,
}

impl Snapshot {
    /// Whether a node can have written this.
    pub(crate) fn is_sound(&self) -> bool {
        covers(self.index, &self.membership)
    }
}

/// Prints as `4@1 10B`: last entry, its term, size.
impl Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} {}B", self.index, self.term, self.data.len())
    }
}

/// A part of a snapshot on its way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// The last entry that the snapshot covers.
    pub index: Index,
    /// The term of that entry.
    pub last_term: Term,
    /// Who takes part after that entry.
    pub membership: Membership,
    /// How large the snapshot is, in bytes.
    pub total: u64,
    /// Where the part begins, in bytes.
    pub offset: u64,
    /// The part itself.
    pub data: Arc<[u8]>,
}

impl Part {
    /// Why no leader of `term` can have sent this, if none can.
    pub(crate) fn malformed(&self, term: Term) -> Option<&'static str> {
        let end = self.offset.checked_add(self.data.len() as u64);
        if end.is_none_or(|end| end > self.total) || (self.data.is_empty() && self.total > 0) {
            return Some("part-outside-of-its-snapshot");
        }
        let sound = covers(self.index, &self.membership) && self.last_term <= term;
        if sound { None } else { Some("snapshot-of-nothing") }
    }
}

/// Prints as `4@1 0+10/10`: last entry and its term, offset, length and total. The text of two parts of two
/// snapshots that differ in content alone ends with what is in them.
impl Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Part { index, last_term, membership, total, offset, data } = self;
        write!(f, "{index}@{last_term} {offset}+{}/{total} {membership:?} ", data.len())?;
        let digest = data.iter().fold(0, |digest, byte| swarm_protocol::mix(digest ^ u64::from(*byte)));
        write!(f, "{digest:04x}", digest = digest & 0xffff)
    }
}

/// What a follower has of a snapshot that it is being sent, in its present term.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Incoming {
    index: Index,
    last_term: Term,
    total: u64,
    data: Vec<u8>,
}

impl Incoming {
    const fn is_of(&self, part: &Part) -> bool {
        self.index == part.index && self.last_term == part.last_term && self.total == part.total
    }
}

/// What an entry counts for in the size of a log.
#[inline]
pub(crate) fn bytes_of<M: Machine>(entry: &Entry<M::Command>) -> u64 {
    ENTRY_BYTES
        + match entry {
            Entry::Command(command) => M::bytes(command),
            Entry::NoOp | Entry::Membership(_) | Entry::Withheld => 0,
        }
}

impl<M: Machine> Raft<M> {
    /// Takes a snapshot if the log has grown enough since the last one.
    #[inline]
    pub(crate) fn compact_if_due(&mut self, config: &Config, out: &mut Effects<Self>) {
        if self.fresh_bytes >= config.compaction.log_bytes {
            self.compact_if_worth_it(config, out);
        }
    }

    #[cold]
    fn compact_if_worth_it(&mut self, config: &Config, out: &mut Effects<Self>) {
        let last_size = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.data.len() as u64);
        let due = config.compaction.log_bytes.max(last_size);
        let due = if self.is_sending_a_snapshot() { due.saturating_mul(PATIENCE) } else { due };
        let last = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.index);
        if self.fresh_bytes < due || self.applied == last {
            return;
        }
        let mut data = Vec::new();
        if !self.is_witness() {
            self.machine.save(&mut data);
        }
        let index = self.applied;
        let term = self.log.term_at(index).expect("what is applied is in the log");
        let membership = self.members.at(index);
        let snapshot = Arc::new(Snapshot { index, term, membership, data: data.into() });
        let write = out.persist(Record::Snapshot(Arc::clone(&snapshot)));
        self.writes.push(write, Written::Cut);
        self.log.compact_to(index.saturating_sub(config.compaction.tail_entries).max(self.log.base_index()));
        self.members.forget_before(index);
        self.snapshot = Some(snapshot);
        self.fresh_bytes = 0;
        out.mark("snapshot-taken");
        self.counts.snapshots_taken += 1;
    }

    fn is_sending_a_snapshot(&self) -> bool {
        match &self.role {
            Role::Leader { progress } => {
                progress.iter().any(|peer| matches!(peer.pace, Pace::Snapshot { .. }))
            }
            _ => false,
        }
    }

    /// A part of a snapshot from this term's leader (Raft Fig. 13).
    pub(crate) fn on_part(&mut self, config: &Config, from: NodeId, part: &Part, out: &mut Effects<Self>) {
        if !self.follow(config, from, out) {
            return;
        }
        // What is committed here is behind every snapshot of it; and where two logs have an entry of the same
        // index and term, they agree up to it (Raft §5.3).
        if part.index <= self.commit || self.log.term_at(part.index) == Some(part.last_term) {
            self.incoming = None;
            self.commit = self.commit.max(part.index);
            return self.verify_up_to(part.index);
        }
        out.set_timer(crate::Timer::Election, config.patience(self.me));
        let incoming = match &mut self.incoming {
            Some(incoming) if incoming.is_of(part) => incoming,
            // Raft Fig. 13, 2: a new file with the first part.
            incoming => incoming.insert(Box::new(Incoming {
                index: part.index,
                last_term: part.last_term,
                total: part.total,
                data: Vec::new(),
            })),
        };
        // Raft Fig. 13, 3: each part at its place, once.
        if part.offset == incoming.data.len() as u64 {
            incoming.data.extend_from_slice(&part.data);
        } else {
            out.mark("part-out-of-turn");
        }
        let offset = incoming.data.len() as u64;
        if offset < incoming.total {
            // Raft Fig. 13, 4: the answer says what is there. It promises nothing, and waits for no disk.
            return out.send(from, Message::Received { term: self.term, index: part.index, offset });
        }
        let incoming = self.incoming.take().expect("it was there a moment ago");
        self.install(part, incoming.data, out);
    }

    /// Raft Fig. 13, 5 to 8: the snapshot takes the place of the log, which does not hold its last entry.
    fn install(&mut self, part: &Part, data: Vec<u8>, out: &mut Effects<Self>) {
        let restored = if self.is_witness() { Some(M::default()) } else { M::restore(&data) };
        let Some(machine) = restored else {
            return out.mark("snapshot-does-not-restore");
        };
        let (index, term, membership) = (part.index, part.last_term, part.membership);
        let snapshot = Arc::new(Snapshot { index, term, membership, data: data.into() });
        let write = out.persist(Record::Snapshot(Arc::clone(&snapshot)));
        // Writes on their way stand for entries that are gone: what they are credited to is not here any more.
        for written in self.writes.iter_mut() {
            if let Written::Log(_) = written {
                *written = Written::Cut;
            }
        }
        self.writes.push(write, Written::Log(index));
        self.durable = self.durable.min(self.commit);
        self.log = Log::after(index, term);
        self.members.restart(index, membership);
        (self.commit, self.applied, self.fresh_bytes) = (index, index, 0);
        self.machine = machine;
        self.snapshot = Some(snapshot);
        out.mark("snapshot-installed");
        self.counts.snapshots_installed += 1;
        self.verify_up_to(index);
    }

    /// A follower has so much of the snapshot that it is being sent.
    pub(crate) fn on_received(&mut self, from: NodeId, index: Index, offset: u64, out: &mut Effects<Self>) {
        let Role::Leader { progress } = &mut self.role else {
            return out.refuse("not-a-leader");
        };
        let size = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.data.len() as u64);
        match &mut progress[from.index()].pace {
            Pace::Snapshot { index: sending, offset: at, sent }
                if *sending == index && *at != offset && offset < size =>
            {
                (*at, *sent) = (offset, false);
            }
            _ => out.refuse("received-in-the-past"),
        }
    }
}

impl Progress {
    /// The part that the follower needs next; notes it as sent.
    #[cold]
    pub(crate) fn next_part<C>(&mut self, config: &Config, term: Term, snapshot: &Snapshot) -> Message<C> {
        let offset = match self.pace {
            Pace::Snapshot { index, offset, .. } if index == snapshot.index => offset,
            _ => 0,
        };
        self.pace = Pace::Snapshot { index: snapshot.index, offset, sent: true };
        self.flight.forget();
        let Snapshot { index, term: last_term, membership, ref data } = *snapshot;
        let end = data.len().min((offset as usize).saturating_add(config.compaction.part_bytes as usize));
        let whole = offset == 0 && end == data.len();
        let part = if whole { Arc::clone(data) } else { Arc::from(&data[offset as usize..end]) };
        let total = data.len() as u64;
        let part = Part { index, last_term, membership, total, offset, data: part };
        Message::Part { term, part: Box::new(part) }
    }
}

/// Bytes, with their number before them.
fn write_bytes(out: &mut Vec<u8>, data: &[u8]) {
    write_count(out, data.len());
    out.extend_from_slice(data);
}

fn read_bytes<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let count = read_count(bytes, "bytes", 1)?;
    let (head, rest) = bytes.split_at(count);
    *bytes = rest;
    Ok(head)
}

impl Wire for Part {
    const BYTES_MIN: usize = 4 * 8 + Membership::BYTES_MIN + 4;

    fn write(&self, out: &mut Vec<u8>) {
        let Part { index, last_term, membership, total, offset, data } = self;
        write_u64s(out, &[*index, *last_term, *total, *offset]);
        membership.write(out);
        write_bytes(out, data);
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        let (index, last_term) = (read_u64(bytes)?, read_u64(bytes)?);
        let (total, offset) = (read_u64(bytes)?, read_u64(bytes)?);
        let membership = Membership::read(bytes)?;
        let data = Arc::from(read_bytes(bytes)?);
        Ok(Part { index, last_term, membership, total, offset, data })
    }
}

impl Wire for Snapshot {
    const BYTES_MIN: usize = 2 * 8 + Membership::BYTES_MIN + 4;

    fn write(&self, out: &mut Vec<u8>) {
        let Snapshot { index, term, membership, data } = self;
        write_u64s(out, &[*index, *term]);
        membership.write(out);
        write_bytes(out, data);
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        let (index, term) = (read_u64(bytes)?, read_u64(bytes)?);
        let membership = Membership::read(bytes)?;
        Ok(Snapshot { index, term, membership, data: Arc::from(read_bytes(bytes)?) })
    }
}
