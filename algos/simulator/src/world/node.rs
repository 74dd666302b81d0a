//! One slot of the cluster: a node, its timers, its disk, and what waits for the disk.

use core::fmt;
use core::hash::Hash;
use std::sync::Arc;

use smallvec::SmallVec;
use swarm_protocol::{Checkable, NodeId, OpId, Protocol, Rename, Renaming, Symmetric, Ticks, WriteId};

use super::Identical;
use crate::{Slot, fingerprint::hash_of};

/// Something that leaves a node.
#[derive(Clone, PartialEq, Hash)]
pub(crate) enum Outgoing<Message, Answer> {
    Send { to: NodeId, message: Message },
    Broadcast { message: Message },
    Answer { id: OpId, answer: Answer },
}

pub(crate) type OutgoingOf<P> = Outgoing<<P as Protocol>::Message, <P as Protocol>::Answer>;

/// Something that leaves once the oldest `writes` outstanding writes are durable.
#[derive(Clone, PartialEq, Hash)]
struct Held<Message, Answer> {
    /// At least 1, relative to the disk, so that absolute ordinals leave no trace.
    writes: u32,
    what: Outgoing<Message, Answer>,
}

/// Records that survive a crash, in the protocol's compact form, with their hash.
struct Durable<P: Protocol> {
    records: Vec<P::Record>,
    hash: u64,
}

/// A place in the cluster with all that belongs to it.
///
/// Equality and hash cover what influences behaviour. Absolute ordinals of writes do not: `written` is
/// left out. So are the ordinals of failed writes: a protocol that still names one breaks the contract,
/// whichever it is.
pub(crate) struct NodeSlot<P: Protocol> {
    pub(crate) slot: Slot,
    /// None while the node is down.
    pub(crate) state: Option<P>,
    /// Armed timers, ascending, each once.
    timers: SmallVec<[P::Timer; 4]>,
    durable: Arc<Durable<P>>,
    /// Records on their way to the disk, oldest first.
    outstanding: Vec<P::Record>,
    /// What waits for them, in the order in which it was asked for.
    held: Vec<Held<P::Message, P::Answer>>,
    /// The node's clock; it goes on while the node is down.
    pub(crate) clock: Ticks,
    /// How many writes the node has asked for since it booted.
    written: u64,
    /// Ordinals, first to last, of writes that failed in this boot.
    failed: Vec<(u64, u64)>,
    hash: u64,
}

impl<P: Checkable> NodeSlot<P> {
    /// A node that has never booted.
    pub(crate) fn new(slot: Slot) -> Self {
        let durable = Arc::new(Durable { records: Vec::new(), hash: Self::disk_hash(&[]) });
        let mut node = NodeSlot::down(slot, Ticks::ZERO, durable);
        node.rehash();
        node
    }

    /// A node that is down; its hash is not set.
    fn down(slot: Slot, clock: Ticks, durable: Arc<Durable<P>>) -> Self {
        NodeSlot {
            slot,
            state: None,
            timers: SmallVec::new(),
            durable,
            outstanding: Vec::new(),
            held: Vec::new(),
            clock,
            written: 0,
            failed: Vec::new(),
            hash: 0,
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn rehash(&mut self) {
        self.hash = self.hash_with(self.durable.hash);
    }

    pub(crate) fn hash_from_scratch(&self) -> u64 {
        self.hash_with(Self::disk_hash(&self.durable.records))
    }

    fn hash_with(&self, durable: u64) -> u64 {
        let volatile = (&self.timers[..], &self.outstanding, &self.held, self.clock);
        hash_of(0x4e4f_4445, &(self.slot, &self.state, durable, volatile))
    }

    fn disk_hash(records: &[P::Record]) -> u64 {
        hash_of(0x4449_534b, records)
    }

    /// Appends to the durable records and brings them into their shortest form.
    fn store(&mut self, more: &[P::Record]) {
        let mut records = Vec::with_capacity(self.durable.records.len() + more.len());
        records.extend_from_slice(&self.durable.records);
        records.extend_from_slice(more);
        P::compact(&mut records);
        let hash = Self::disk_hash(&records);
        self.durable = Arc::new(Durable { records, hash });
    }

    // Timers.

    pub(crate) fn timers(&self) -> &[P::Timer] {
        &self.timers
    }

    pub(crate) fn set_timer(&mut self, timer: P::Timer) {
        if let Err(position) = self.timers.binary_search(&timer) {
            self.timers.insert(position, timer);
        }
    }

    /// Says whether the timer was armed.
    pub(crate) fn cancel_timer(&mut self, timer: P::Timer) -> bool {
        let found = self.timers.binary_search(&timer);
        if let Ok(position) = found {
            self.timers.remove(position);
        }
        found.is_ok()
    }

    // The disk.

    pub(crate) fn durable(&self) -> &[P::Record] {
        &self.durable.records
    }

    pub(crate) fn outstanding(&self) -> &[P::Record] {
        &self.outstanding
    }

    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// The ordinal of the last write that is not on its way any more.
    fn settled(&self) -> u64 {
        self.written - self.outstanding.len() as u64
    }

    pub(crate) fn write(&mut self, record: P::Record) {
        self.outstanding.push(record);
        self.written += 1;
    }

    /// What becomes of something that may leave after `write`: it leaves now (it is handed back), later,
    /// or never, as the write has failed. Equal messages that leave together merge if asked to.
    ///
    /// # Errors
    /// The write, if it was never asked for.
    pub(crate) fn hold(
        &mut self,
        after: Option<WriteId>,
        what: OutgoingOf<P>,
        equal: Identical,
    ) -> Result<Option<OutgoingOf<P>>, WriteId> {
        let Some(write) = after else { return Ok(Some(what)) };
        let ordinal = write.ordinal();
        if ordinal > self.written {
            return Err(write);
        }
        if self.failed.iter().any(|(first, last)| (*first..=*last).contains(&ordinal)) {
            return Ok(None);
        }
        let Some(writes) = ordinal.checked_sub(self.settled()).filter(|writes| *writes > 0) else {
            return Ok(Some(what));
        };
        let held = Held { writes: writes as u32, what };
        // Both would leave in the same step, and merge then. Without this, a node whose disk is slow
        // could hold back ever more copies of one message.
        let merges = equal == Identical::Merge && !matches!(held.what, Outgoing::Answer { .. });
        if !(merges && self.held.contains(&held)) {
            self.held.push(held);
        }
        Ok(None)
    }

    /// Makes the oldest `writes` outstanding writes durable; returns what need not wait any longer, in
    /// the order in which it was asked for, and the last of the writes.
    pub(crate) fn sync(&mut self, writes: u32) -> (Vec<OutgoingOf<P>>, WriteId) {
        let last = WriteId::new(self.settled() + u64::from(writes));
        let records: Vec<_> = self.outstanding.drain(..writes as usize).collect();
        self.store(&records);
        let mut leaving = Vec::new();
        for mut held in std::mem::take(&mut self.held) {
            if held.writes <= writes {
                leaving.push(held.what);
            } else {
                held.writes -= writes;
                self.held.push(held);
            }
        }
        (leaving, last)
    }

    /// Fails all outstanding writes; returns the oldest.
    pub(crate) fn fail(&mut self) -> WriteId {
        let first = self.settled() + 1;
        self.failed.push((first, self.written));
        self.outstanding.clear();
        self.held.clear();
        WriteId::new(first)
    }

    /// The slot under other names.
    pub(crate) fn renamed(&self, names: &Renaming) -> Self
    where
        P: Symmetric,
    {
        let mut renamed = self.clone();
        let NodeSlot { slot, state, timers, durable, outstanding, held, .. } = &mut renamed;
        slot.rename(names);
        state.rename(names);
        for timer in timers.iter_mut() {
            timer.rename(names);
        }
        timers.sort_unstable();
        if !durable.records.is_empty() {
            let mut records = durable.records.clone();
            for record in &mut records {
                record.rename(names);
            }
            let hash = Self::disk_hash(&records);
            *durable = Arc::new(Durable { records, hash });
        }
        for record in outstanding {
            record.rename(names);
        }
        for held in held {
            match &mut held.what {
                Outgoing::Send { to, message } => {
                    to.rename(names);
                    message.rename(names);
                }
                Outgoing::Broadcast { message } => message.rename(names),
                Outgoing::Answer { answer, .. } => answer.rename(names),
            }
        }
        renamed.rehash();
        renamed
    }

    /// The slot after a crash: of the outstanding writes the oldest `kept` survive, of the rest nothing.
    pub(crate) fn crashed(&self, kept: u32) -> Self {
        let mut slot = NodeSlot::down(self.slot, self.clock, Arc::clone(&self.durable));
        if kept > 0 {
            slot.store(&self.outstanding[..kept as usize]);
        }
        slot
    }
}

impl<P: Checkable> Clone for NodeSlot<P> {
    fn clone(&self) -> Self {
        NodeSlot {
            slot: self.slot,
            state: self.state.clone(),
            timers: self.timers.clone(),
            durable: Arc::clone(&self.durable),
            outstanding: self.outstanding.clone(),
            held: self.held.clone(),
            clock: self.clock,
            written: self.written,
            failed: self.failed.clone(),
            hash: self.hash,
        }
    }
}

impl<P: Checkable> PartialEq for NodeSlot<P> {
    fn eq(&self, other: &Self) -> bool {
        let same_disk =
            || Arc::ptr_eq(&self.durable, &other.durable) || self.durable.records == other.durable.records;
        self.hash == other.hash
            && self.slot == other.slot
            && self.state == other.state
            && self.timers == other.timers
            && same_disk()
            && self.outstanding == other.outstanding
            && self.held == other.held
            && self.clock == other.clock
    }
}

impl<P: Protocol> fmt::Debug for NodeSlot<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.slot)?;
        match &self.state {
            Some(state) => write!(f, "{state:?}")?,
            None => f.write_str("down")?,
        }
        if !self.timers.is_empty() {
            write!(f, " timers {:?}", &self.timers[..])?;
        }
        if !self.durable.records.is_empty() {
            write!(f, " disk {:?}", self.durable.records)?;
        }
        if !self.outstanding.is_empty() {
            write!(f, " outstanding {:?}", self.outstanding)?;
        }
        if !self.held.is_empty() {
            write!(f, " held {:?}", self.held)?;
        }
        if self.clock != Ticks::ZERO {
            write!(f, " clock {}", self.clock)?;
        }
        Ok(())
    }
}

impl<Message: fmt::Debug, Answer: fmt::Debug> fmt::Debug for Held<Message, Answer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} until {} writes", self.what, self.writes)
    }
}

impl<Message: fmt::Debug, Answer: fmt::Debug> fmt::Debug for Outgoing<Message, Answer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outgoing::Send { to, message } => write!(f, "send {to} {message:?}"),
            Outgoing::Broadcast { message } => write!(f, "broadcast {message:?}"),
            Outgoing::Answer { id, answer } => write!(f, "answer {id:?} {answer:?}"),
        }
    }
}
