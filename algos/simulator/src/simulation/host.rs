//! What belongs to a node beside its state: timers, disk, clock.

use smallvec::SmallVec;
use swarm_protocol::{NodeId, OpId, Protocol, Ticks, WriteId};

use super::disk::{Frame, Journal};

/// Something that leaves a node.
pub(super) enum Leaving<P: Protocol> {
    Send { to: NodeId, message: P::Message },
    Broadcast { message: P::Message },
    Answer { id: OpId, answer: P::Answer },
}

/// When something may leave.
pub(super) enum Release {
    Now,
    /// Once the write of this ordinal is durable.
    After(u64),
    /// The write has failed.
    Never,
}

/// Something that leaves a node once the write of this ordinal is durable.
pub(super) struct Held<P: Protocol> {
    pub(super) after: u64,
    pub(super) what: Leaving<P>,
}

/// A timer that runs, or did.
struct Timer<T> {
    name: T,
    running: bool,
    /// When it runs out.
    deadline: Ticks,
    /// The queue's entry that looks at it next, if any: when, and under which token. A timer that is
    /// set again before it runs out, as failure detectors are all the time, keeps its entry, which moves
    /// on when it is due.
    entry: Option<(Ticks, u32)>,
}

/// What to do about a timer that the queue has looked at.
pub(super) enum Look<T> {
    /// It has run out.
    Out(T),
    /// Look again then.
    Again(Ticks),
    /// Nothing.
    Nothing,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a condition of its own")]
pub(super) struct Host<P: Protocol> {
    timers: SmallVec<[Timer<P::Timer>; 4]>,
    /// Distinguishes entries of the queue that were made for earlier uses of a timer.
    next_token: u32,

    /// What survives a crash, oldest first.
    records: Vec<P::Record>,
    /// So many of the records are durable; the others are on their way.
    durable: u32,
    /// At this many durable records they are compacted.
    compact_at: usize,
    /// Writes asked for since the boot.
    pub(super) written: u64,
    /// What waits for writes, in the order in which it was asked for.
    held: Vec<Held<P>>,
    /// Ordinals, first to last, of writes that failed in this boot.
    failed: Vec<(u64, u64)>,
    /// How many writes the sync under way will make durable; 0 if there is none.
    pub(super) syncing: u32,
    /// Counts boots, and syncs given up: what was scheduled for an earlier one is void.
    pub(super) boot: u32,
    pub(super) disk: u32,
    /// Whether a flush is scheduled.
    pub(super) flush_due: bool,

    /// Millionths by which the clock is fast.
    pub(super) drift: i64,
    /// By how much the clock is ahead of true time, or behind, beside its drift.
    pub(super) offset: i64,
    /// Factor on latencies while the node is slow, else 1.
    pub(super) slowness: u64,
    /// It will crash once it has writes under way.
    pub(super) ambushed: bool,
    /// Until when the node takes nothing.
    pub(super) held_until: Ticks,
    /// Until when the disk completes nothing.
    pub(super) stalled_until: Ticks,
    /// The disk takes no more writes.
    pub(super) full: bool,
    /// The disk has failed a write in this boot.
    pub(super) has_failed: bool,
    /// The node stays down for ever.
    pub(super) away: bool,

    /// Where the batches began that were synced since the journal was last rewritten, if faults of disks
    /// ask for it: a journal knows a record to have been durable if a later batch is there.
    batches: Option<Vec<u32>>,
    /// So many records at the beginning were there when the journal was last rewritten.
    rewritten: u32,
    /// What the device will give back in place of durable records, by place.
    damage: Vec<(u32, Frame)>,
}

/// While a node is up its disk is compacted no earlier than at this many records: compacting costs in
/// proportion to all that is kept.
const COMPACT_MIN: usize = 1 << 16;

impl<P: Protocol> Host<P> {
    /// A node that has not booted. `batches` says whether damage to its disk is to be expected.
    pub(super) fn new(drift: i64, offset: i64, batches: bool) -> Self {
        Host {
            timers: SmallVec::new(),
            next_token: 0,
            records: Vec::new(),
            durable: 0,
            compact_at: COMPACT_MIN,
            written: 0,
            held: Vec::new(),
            failed: Vec::new(),
            syncing: 0,
            boot: 0,
            disk: 0,
            flush_due: false,
            drift,
            offset,
            slowness: 1,
            ambushed: false,
            held_until: Ticks::ZERO,
            stalled_until: Ticks::ZERO,
            full: false,
            has_failed: false,
            away: false,
            batches: batches.then(Vec::new),
            rewritten: 0,
            damage: Vec::new(),
        }
    }

    /// The node's clock.
    pub(super) const fn clock(&self, now: Ticks) -> Ticks {
        let drifted = (now.0.cast_signed() / 1000) * self.drift / 1000;
        Ticks(now.0.saturating_add_signed(drifted.saturating_add(self.offset)))
    }

    /// How long a delay by the node's clock is in true time.
    pub(super) const fn true_delay(&self, delay: Ticks) -> Ticks {
        if self.drift == 0 {
            return delay;
        }
        let (parts, rate) = (1_000_000, 1_000_000 + self.drift);
        // Where a million times as much is too much for 64 bits, the delay is an eternity either way.
        Ticks(match delay.0.checked_mul(parts) {
            Some(product) => product / rate.unsigned_abs(),
            None => delay.0,
        })
    }

    // Timers.

    /// Starts a timer, or restarts it. Returns where and under which token the queue is to look at it at
    /// the deadline, unless it will look earlier anyway.
    pub(super) fn set_timer(&mut self, timer: P::Timer, deadline: Ticks) -> Option<(u32, u32)> {
        let place = self
            .timers
            .iter()
            .position(|other| other.name == timer)
            .or_else(|| self.timers.iter().position(|other| !other.running && other.entry.is_none()));
        let place = place.unwrap_or_else(|| {
            self.timers.push(Timer { name: timer, running: false, deadline, entry: None });
            self.timers.len() - 1
        });
        let found = &mut self.timers[place];
        found.name = timer;
        found.running = true;
        found.deadline = deadline;
        if found.entry.is_some_and(|(at, _)| at <= deadline) {
            return None;
        }
        let token = self.next_token;
        self.next_token = token.wrapping_add(1);
        found.entry = Some((deadline, token));
        Some((place as u32, token))
    }

    pub(super) fn cancel_timer(&mut self, timer: P::Timer) {
        if let Some(found) = self.timers.iter_mut().find(|other| other.name == timer) {
            found.running = false;
        }
    }

    /// The queue looks at a timer.
    pub(super) fn look(&mut self, place: u32, token: u32, now: Ticks) -> Look<P::Timer> {
        let Some(found) = self.timers.get_mut(place as usize) else { return Look::Nothing };
        if found.entry.is_none_or(|(_, expected)| expected != token) {
            return Look::Nothing;
        }
        if found.running && found.deadline > now {
            found.entry = Some((found.deadline, token));
            return Look::Again(found.deadline);
        }
        found.entry = None;
        if core::mem::replace(&mut found.running, false) { Look::Out(found.name) } else { Look::Nothing }
    }

    // The disk.

    /// What is durable, oldest first.
    pub(super) fn durable(&self) -> &[P::Record] {
        &self.records[..self.durable as usize]
    }

    /// How many writes are on their way.
    pub(super) const fn outstanding(&self) -> u32 {
        self.records.len() as u32 - self.durable
    }

    /// The ordinal of the last write that is not on its way any more.
    pub(super) fn settled(&self) -> u64 {
        self.written - u64::from(self.outstanding())
    }

    /// Puts records on an empty disk, all of them durable.
    pub(super) fn begin_with(&mut self, records: impl Iterator<Item = P::Record>) {
        assert!(self.records.is_empty(), "a disk that was written to has its own beginning");
        self.records.extend(records);
        self.durable = self.records.len() as u32;
        if let Some(batches) = &mut self.batches
            && self.durable > 0
        {
            batches.push(0);
        }
    }

    pub(super) fn write(&mut self, record: P::Record) {
        self.records.push(record);
        self.written += 1;
    }

    /// What becomes of something that may leave after `write`.
    ///
    /// # Errors
    /// The write, if it was never asked for.
    #[inline]
    pub(super) fn release_of(&self, after: Option<WriteId>) -> Result<Release, WriteId> {
        let Some(write) = after else { return Ok(Release::Now) };
        let after = write.ordinal();
        if after > self.written {
            return Err(write);
        }
        Ok(if self.failed.iter().any(|(first, last)| (*first..=*last).contains(&after)) {
            Release::Never
        } else if after <= self.settled() {
            Release::Now
        } else {
            Release::After(after)
        })
    }

    /// Keeps something until the write of this ordinal is durable.
    #[inline]
    pub(super) fn hold(&mut self, after: u64, what: Leaving<P>) {
        self.held.push(Held { after, what });
    }

    /// Makes the oldest `writes` outstanding writes durable and returns the last of them.
    pub(super) fn sync(&mut self, writes: u32) -> WriteId {
        let last = self.settled() + u64::from(writes);
        self.store(writes);
        WriteId::new(last)
    }

    /// Takes out everything that waits, in the order in which it was asked for. What waits for writes that are
    /// still on their way is to be held again.
    #[inline]
    pub(super) fn release(&mut self) -> Vec<Held<P>> {
        core::mem::take(&mut self.held)
    }

    /// Gives back the list that [`Self::release`] gave, emptied.
    #[inline]
    pub(super) fn give_back(&mut self, list: Vec<Held<P>>) {
        if self.held.is_empty() {
            self.held = list;
        }
    }

    fn store(&mut self, writes: u32) {
        if let Some(batches) = &mut self.batches
            && writes > 0
        {
            batches.push(self.durable);
        }
        assert!(writes <= self.outstanding(), "nothing becomes durable that is not on its way");
        self.durable += writes;
        // A journal that is damaged cannot be rewritten.
        if self.durable as usize >= self.compact_at && self.damage.is_empty() {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let outstanding = self.records.split_off(self.durable as usize);
        P::compact(&mut self.records);
        self.durable = self.records.len() as u32;
        self.records.extend(outstanding);
        self.compact_at = COMPACT_MIN.max(self.durable as usize * 2);
        self.rewritten = self.durable;
        if let Some(batches) = &mut self.batches {
            batches.clear();
        }
    }

    /// Fails all outstanding writes; returns the oldest.
    pub(super) fn fail(&mut self) -> WriteId {
        let first = self.settled() + 1;
        self.failed.push((first, self.written));
        self.records.truncate(self.durable as usize);
        self.held.clear();
        self.syncing = 0;
        self.disk += 1;
        self.has_failed = true;
        WriteId::new(first)
    }

    /// The durable part of the journal, as the device would give it back.
    pub(super) fn journal(&self) -> Journal {
        let batches = self.batches.as_deref().unwrap_or_default();
        let mut batch = batches.iter().copied().peekable();
        let mut durable = 0;
        let mut frames: Vec<_> = (0..self.durable)
            .map(|place| {
                durable = batch.next_if_eq(&place).unwrap_or(durable);
                Frame::Whole { place, durable }
            })
            .collect();
        for (place, frame) in &self.damage {
            frames[*place as usize] = *frame;
        }
        Journal { finished: self.rewritten, frames }
    }

    /// The device will give back `frame` in place of the durable record at `place`.
    ///
    /// # Panics
    /// If there is no such record: an error of the engine.
    pub(super) fn spoil(&mut self, place: u32, frame: Frame) {
        assert!(place < self.durable, "record {place} of {}", self.durable);
        self.damage.push((place, frame));
    }

    /// Whether a durable record is damaged.
    pub(super) const fn is_damaged(&self) -> bool {
        !self.damage.is_empty()
    }

    /// Goes down with the oldest `records` of those that are durable and outstanding. The node will boot
    /// from its records as they were written or, if so wished, in their shortest form.
    pub(super) fn crash(&mut self, records: u32, compact: bool) {
        let durable = self.durable;
        self.store(records.saturating_sub(durable));
        if records < durable {
            self.durable = records;
            self.rewritten = self.rewritten.min(records);
            if let Some(batches) = &mut self.batches {
                batches.retain(|batch| *batch < records);
            }
        }
        self.records.truncate(self.durable as usize);
        self.damage.clear();
        if compact {
            self.compact();
        }
        self.held.clear();
        self.failed.clear();
        self.timers.clear();
        self.written = 0;
        self.syncing = 0;
        self.flush_due = false;
        self.has_failed = false;
        self.held_until = Ticks::ZERO;
        self.boot += 1;
        self.disk += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Types;
    use super::*;

    /// A host that was asked for the writes 1, 2, 3, 4, 5, of which so many are durable.
    fn host(durable: u32) -> Host<Types> {
        let mut host = Host::new(0, 0, false);
        (1..=5).for_each(|record| host.write(record));
        assert_eq!(host.sync(durable), WriteId::new(u64::from(durable)));
        host
    }

    #[test]
    fn records_are_durable_oldest_first_and_the_others_are_on_their_way() {
        let mut host = host(2);
        assert_eq!((host.durable(), host.outstanding(), host.settled()), (&[1, 2][..], 3, 2));
        host.compact();
        assert_eq!((host.durable(), host.outstanding()), (&[3][..], 3), "what is on its way stays so");
        assert_eq!(host.sync(2), WriteId::new(4));
        assert_eq!((host.durable(), host.outstanding()), (&[3, 3, 4][..], 1));
        assert_eq!(host.fail(), WriteId::new(5));
        assert_eq!((host.durable(), host.outstanding()), (&[3, 3, 4][..], 0));
        host.write(9);
        assert_eq!(host.sync(1), WriteId::new(6));
        assert_eq!(host.durable(), [3, 3, 4, 9]);
    }

    #[test]
    fn a_crash_keeps_the_oldest_records_that_it_is_told_to() {
        for kept in 0..=5 {
            let mut host = host(2);
            host.crash(kept, false);
            assert_eq!((host.durable().len() as u32, host.outstanding()), (kept, 0));
            host.write(7);
            host.sync(1);
            assert!(host.durable().iter().copied().eq((1..=5).take(kept as usize).chain([7])));
        }
    }
}
