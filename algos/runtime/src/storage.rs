//! Stable storage: where a node's records outlive it.
//!
//! A driver appends any number of records, syncs once, and only then lets go of what waited for them
//! (group commit). [`MemoryStorage`] keeps to the same rules in memory: a mark says how far it is synced,
//! and a crash takes what lies beyond. [`crate::file::FileStorage`] is the one with a disk.

use std::collections::VecDeque;
use std::io;

use swarm_protocol::WriteId;

/// An append-only sequence of records. Records become durable in order, at [`Storage::sync`].
///
/// After an error nothing is known of the records since the last sync that succeeded; an implementation
/// then refuses everything until it is opened anew, because an operating system may forget that a page
/// could not be written and report success the next time.
pub trait Storage<R> {
    /// Gives back the durable records, oldest first, and begins a boot: the next record appended is write
    /// 1. What was never synced is gone. Records that were retired may come back.
    fn recover(&mut self) -> io::Result<Vec<R>>;

    /// Adds a record, not durable yet. The `n`th since [`Storage::recover`] is write `n`.
    fn append(&mut self, record: R) -> io::Result<()>;

    /// Makes all appended records durable.
    fn sync(&mut self) -> io::Result<()>;

    /// Allows records before `before` (a write of this boot) to be forgotten, with all of earlier boots.
    /// The caller has synced first: what makes them superfluous is a record too, and must be durable.
    fn retire(&mut self, before: WriteId) -> io::Result<()>;
}

/// How many records a piece of [`MemoryStorage`] holds.
const PIECE_RECORDS: usize = 4096;

/// Records in memory, durable as far as a process that does not die is concerned.
///
/// They are kept in pieces that are never moved: a single vector would copy all records whenever it
/// grows, and touch twice the memory, which a throughput run at window 1 spends half its time on.
#[derive(Clone, Debug)]
pub struct MemoryStorage<R> {
    /// None empty, all but the first and the last with [`PIECE_RECORDS`] records.
    pieces: VecDeque<VecDeque<R>>,
    /// Records held.
    len: usize,
    /// Records forgotten from the front, since the storage was made.
    forgotten: u64,
    /// Records ever appended and synced; never below `forgotten`.
    synced: u64,
    /// Records that earlier boots have left.
    boot: u64,
}

impl<R> MemoryStorage<R> {
    /// An empty disk.
    pub const fn new() -> Self {
        MemoryStorage { pieces: VecDeque::new(), len: 0, forgotten: 0, synced: 0, boot: 0 }
    }

    /// Records ever appended.
    fn appended(&self) -> u64 {
        self.forgotten + self.len as u64
    }

    /// What a crash does: the records beyond the synced mark are lost. Returns how many.
    pub fn lose_unsynced(&mut self) -> usize {
        let lost = (self.appended() - self.synced) as usize;
        self.len -= lost;
        let mut left = lost;
        while let Some(last) = self.pieces.back_mut()
            && left > 0
        {
            let taken = left.min(last.len());
            last.truncate(last.len() - taken);
            left -= taken;
            if last.is_empty() {
                self.pieces.pop_back();
            }
        }
        lost
    }

    /// The records held, durable or not, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &R> {
        self.pieces.iter().flatten()
    }

    /// The number of records held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no record is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of records held that are durable.
    pub fn synced_len(&self) -> usize {
        (self.synced - self.forgotten) as usize
    }

    #[cold]
    fn begin_piece(&mut self, record: R) {
        // The first piece grows as it needs to: most disks of a test hold little.
        let capacity = if self.pieces.is_empty() { 0 } else { PIECE_RECORDS };
        let mut piece = VecDeque::with_capacity(capacity);
        piece.push_back(record);
        self.pieces.push_back(piece);
    }
}

impl<R> Default for MemoryStorage<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Clone> Storage<R> for MemoryStorage<R> {
    fn recover(&mut self) -> io::Result<Vec<R>> {
        self.lose_unsynced();
        self.boot = self.appended();
        Ok(self.records().cloned().collect())
    }

    #[inline]
    fn append(&mut self, record: R) -> io::Result<()> {
        self.len += 1;
        match self.pieces.back_mut() {
            Some(last) if last.len() < PIECE_RECORDS => last.push_back(record),
            _ => self.begin_piece(record),
        }
        Ok(())
    }

    #[inline]
    fn sync(&mut self) -> io::Result<()> {
        self.synced = self.appended();
        Ok(())
    }

    fn retire(&mut self, before: WriteId) -> io::Result<()> {
        let end = self.boot.saturating_add(before.ordinal() - 1).min(self.synced);
        let count = end.saturating_sub(self.forgotten) as usize;
        self.len -= count;
        self.forgotten += count as u64;
        let mut left = count;
        while let Some(first) = self.pieces.front_mut()
            && left > 0
        {
            let taken = left.min(first.len());
            first.drain(..taken);
            left -= taken;
            if first.is_empty() {
                self.pieces.pop_front();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(records: impl IntoIterator<Item = u32>) -> MemoryStorage<u32> {
        let mut disk = MemoryStorage::new();
        for record in records {
            disk.append(record).unwrap();
        }
        disk
    }

    #[test]
    fn a_crash_keeps_the_synced_records_and_no_other() {
        let mut disk = filled([1, 2]);
        disk.sync().unwrap();
        disk.append(3).unwrap();
        assert_eq!((disk.len(), disk.synced_len()), (3, 2));
        assert_eq!(disk.recover().unwrap(), [1, 2]);
        assert_eq!(disk.recover().unwrap(), [1, 2]);
    }

    #[test]
    fn retired_records_are_forgotten_across_boots() {
        let mut disk = filled([1, 2]);
        disk.sync().unwrap();
        assert_eq!(disk.recover().unwrap(), [1, 2]);
        for record in [3, 4, 5] {
            disk.append(record).unwrap();
        }
        disk.sync().unwrap();
        disk.retire(WriteId::new(2)).unwrap();
        assert_eq!(disk.recover().unwrap(), [4, 5]);
        disk.append(6).unwrap();
        disk.sync().unwrap();
        disk.retire(WriteId::new(1)).unwrap();
        assert_eq!(disk.recover().unwrap(), [6]);
    }

    #[test]
    fn what_is_not_durable_is_not_retired() {
        let mut disk = filled([1, 2]);
        disk.retire(WriteId::new(3)).unwrap();
        assert_eq!(disk.len(), 2);
        disk.sync().unwrap();
        disk.retire(WriteId::new(9)).unwrap();
        assert!(disk.is_empty());
        assert_eq!(disk.lose_unsynced(), 0);
    }

    #[test]
    fn a_disk_in_pieces_behaves_like_a_vector() {
        fn check(steps: Vec<(u8, u16)>) -> bool {
            let (mut disk, mut next) = (MemoryStorage::new(), 0u64);
            // The model: what is held, how much of it is synced, and the ordinal of the first of a boot.
            let (mut held, mut synced, mut boot, mut appended) = (Vec::new(), 0, 0, 0);
            steps.into_iter().all(|(what, amount)| {
                let amount = usize::from(amount) % (2 * PIECE_RECORDS);
                match what % 6 {
                    0..3 => {
                        for _ in 0..amount {
                            disk.append(next).unwrap();
                            held.push(next);
                            next += 1;
                        }
                        appended += amount;
                    }
                    3 => {
                        disk.sync().unwrap();
                        synced = held.len();
                    }
                    4 => {
                        let lost = held.len() - synced;
                        held.truncate(synced);
                        appended -= lost;
                        boot = appended;
                        if disk.recover().unwrap() != held {
                            return false;
                        }
                    }
                    _ => {
                        disk.retire(WriteId::new(amount as u64 + 1)).unwrap();
                        let forgotten = appended - held.len();
                        let count = (boot + amount).saturating_sub(forgotten).min(synced);
                        held.drain(..count);
                        synced -= count;
                    }
                }
                disk.records().eq(&held) && disk.len() == held.len() && disk.synced_len() == synced
            })
        }
        quickcheck::QuickCheck::new().tests(100).quickcheck(check as fn(Vec<(u8, u16)>) -> bool);
    }
}
