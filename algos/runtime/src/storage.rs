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

/// Records in memory, durable as far as a process that does not die is concerned.
#[derive(Clone, Debug)]
pub struct MemoryStorage<R> {
    records: VecDeque<R>,
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
        MemoryStorage { records: VecDeque::new(), forgotten: 0, synced: 0, boot: 0 }
    }

    /// Records ever appended.
    fn appended(&self) -> u64 {
        self.forgotten + self.records.len() as u64
    }

    /// What a crash does: the records beyond the synced mark are lost. Returns how many.
    pub fn lose_unsynced(&mut self) -> usize {
        let lost = (self.appended() - self.synced) as usize;
        self.records.truncate(self.records.len() - lost);
        lost
    }

    /// The records held, durable or not, oldest first.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &R> {
        self.records.iter()
    }

    /// The number of records held that are durable.
    pub fn synced_len(&self) -> usize {
        (self.synced - self.forgotten) as usize
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
        Ok(self.records.iter().cloned().collect())
    }

    #[inline]
    fn append(&mut self, record: R) -> io::Result<()> {
        self.records.push_back(record);
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
        self.records.drain(..count);
        self.forgotten += count as u64;
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
        assert_eq!((disk.records().len(), disk.synced_len()), (3, 2));
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
        assert_eq!(disk.records().len(), 2);
        disk.sync().unwrap();
        disk.retire(WriteId::new(9)).unwrap();
        assert_eq!(disk.records().len(), 0);
        assert_eq!(disk.lose_unsynced(), 0);
    }
}
