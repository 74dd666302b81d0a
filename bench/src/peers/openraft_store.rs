//! What an application of `openraft` brings along: a log and a state machine, both in memory.
//!
//! The crate itself ships no store. This log is a deque behind a lock that nobody contends for, faster than the
//! ordered maps of the authors' examples; it says at once that what it took is written. The machine digests
//! commands, and its snapshot is that digest.
//!
//! Verified by the proofs of [`super::openraft`], and by tests of what its runs do not reach: cutting the tail,
//! snapshots that travel, and snapshots that are none.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::Cursor;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use openraft::raft::ClientWriteResult;
use openraft::raft::responder::Responder;
use openraft::storage::{LogFlushed, LogState, RaftLogStorage, RaftStateMachine, Snapshot};
use openraft::{
    Entry, EntryPayload, LogId, OptionalSend, RaftLogReader, RaftSnapshotBuilder, SnapshotMeta, StorageError,
    StorageIOError, StoredMembership, Vote,
};

use crate::workload::Digest;

openraft::declare_raft_types!(
    /// Commands are bytes, nobody waits for an answer by name, and nodes are known by their number.
    pub Types:
        D = Bytes,
        R = (),
        Node = (),
        Responder = Unawaited,
);

/// The number of a node, from 0.
pub type Id = u64;

/// Nothing waits for the answer to a command: what is applied is counted where it is applied.
#[derive(Debug)]
pub struct Unawaited;

impl Responder<Types> for Unawaited {
    type Receiver = ();

    fn from_app_data(command: Bytes) -> (Bytes, Self, ()) {
        (command, Unawaited, ())
    }

    fn send(self, _result: ClientWriteResult<Types>) {}
}

/// The log of a node. Copies are the same log.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    vote: Option<Vote<Id>>,
    purged: Option<LogId<Id>>,
    /// The index of the first entry.
    first: u64,
    kept: VecDeque<Entry<Types>>,
}

impl Entries {
    /// The place of an index, or of the nearest entry there is.
    fn place(&self, index: u64) -> usize {
        (index.saturating_sub(self.first) as usize).min(self.kept.len())
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many entries are kept.
    pub fn kept(&self) -> usize {
        self.lock().kept.len()
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<Types>>, StorageError<Id>> {
        let log = self.lock();
        let begin = match range.start_bound() {
            Bound::Included(index) => log.place(*index),
            Bound::Excluded(index) => log.place(index.saturating_add(1)),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => log.place(index.saturating_add(1)),
            Bound::Excluded(index) => log.place(*index),
            Bound::Unbounded => log.kept.len(),
        };
        Ok(log.kept.range(begin..end.max(begin)).cloned().collect())
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError<Id>> {
        let log = self.lock();
        let last_log_id = log.kept.back().map(|entry| entry.log_id).or(log.purged);
        Ok(LogState { last_purged_log_id: log.purged, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<Id>) -> Result<(), StorageError<Id>> {
        self.lock().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<Id>>, StorageError<Id>> {
        Ok(self.lock().vote)
    }

    async fn append<I>(&mut self, entries: I, written: LogFlushed<Types>) -> Result<(), StorageError<Id>>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
    {
        self.lock().kept.extend(entries);
        written.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<Id>) -> Result<(), StorageError<Id>> {
        let mut log = self.lock();
        let place = log.place(from.index);
        log.kept.truncate(place);
        Ok(())
    }

    async fn purge(&mut self, up_to: LogId<Id>) -> Result<(), StorageError<Id>> {
        let mut log = self.lock();
        let place = log.place(up_to.index + 1);
        log.kept.drain(..place);
        log.first = up_to.index + 1;
        log.purged = Some(up_to);
        Ok(())
    }
}

/// The state machine of a node. Copies are the same machine.
#[derive(Clone, Debug, Default)]
pub struct Machine(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    digest: Digest,
    applied: Option<LogId<Id>>,
    membership: StoredMembership<Id, ()>,
    snapshot: Option<Stored>,
}

/// A snapshot: what it is of, and a digest as two words.
#[derive(Clone, Debug)]
struct Stored {
    meta: SnapshotMeta<Id, ()>,
    words: [u8; 16],
}

impl Stored {
    fn snapshot(self) -> Snapshot<Types> {
        Snapshot { meta: self.meta, snapshot: Box::new(Cursor::new(self.words.to_vec())) }
    }

    fn digest(&self) -> Digest {
        let [commands, fold] = [0, 8].map(|at| {
            let word: [u8; 8] = core::array::from_fn(|byte| self.words[at + byte]);
            u64::from_le_bytes(word)
        });
        Digest { commands, fold }
    }
}

impl Machine {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been applied.
    pub fn digest(&self) -> Digest {
        self.lock().digest
    }
}

impl RaftSnapshotBuilder<Types> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError<Id>> {
        let mut state = self.lock();
        let mut words = [0; 16];
        words[..8].copy_from_slice(&state.digest.commands.to_le_bytes());
        words[8..].copy_from_slice(&state.digest.fold.to_le_bytes());
        let meta = SnapshotMeta {
            last_log_id: state.applied,
            last_membership: state.membership.clone(),
            snapshot_id: state.digest.commands.to_string(),
        };
        let stored = Stored { meta, words };
        state.snapshot = Some(stored.clone());
        Ok(stored.snapshot())
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Self;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<Id>>, StoredMembership<Id, ()>), StorageError<Id>> {
        let state = self.lock();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<()>, StorageError<Id>>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
    {
        let mut state = self.lock();
        let apply = |entry: Entry<Types>| {
            state.applied = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(command) => state.digest.take(&command),
                EntryPayload::Membership(membership) => {
                    state.membership = StoredMembership::new(Some(entry.log_id), membership);
                }
            }
        };
        Ok(entries.into_iter().map(apply).collect())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError<Id>> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<Id, ()>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError<Id>> {
        let Ok(words) = <[u8; 16]>::try_from(snapshot.into_inner()) else {
            let wrong = std::io::Error::other("a digest has sixteen bytes");
            return Err(StorageIOError::read_snapshot(Some(meta.signature()), &wrong).into());
        };
        let stored = Stored { meta: meta.clone(), words };
        let mut state = self.lock();
        state.digest = stored.digest();
        state.applied = meta.last_log_id;
        state.membership = meta.last_membership.clone();
        state.snapshot = Some(stored);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError<Id>> {
        Ok(self.lock().snapshot.clone().map(Stored::snapshot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Load;
    use openraft::CommittedLeaderId;

    /// Runs what never waits.
    fn now<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime without drivers").block_on(future)
    }

    fn id(index: u64) -> LogId<Id> {
        LogId::new(CommittedLeaderId::new(1, 0), index)
    }

    /// Commands 0 to 9 at indices 1 to 10.
    fn entries() -> impl Iterator<Item = Entry<Types>> {
        let commands = Load::new(1, 64, 1).burst(0, 10);
        (1..)
            .zip(commands)
            .map(|(index, command)| Entry { log_id: id(index), payload: EntryPayload::Normal(command) })
    }

    #[test]
    fn a_log_keeps_what_is_neither_cut_off_nor_purged() {
        let mut log = Log::default();
        let (first, kept) = (1, entries().collect());
        *log.lock() = Entries { first, kept, ..Entries::default() };
        let indices = |log: &mut Log, range: std::ops::Range<u64>| {
            let found = now(log.try_get_log_entries(range)).expect("memory can be read");
            found.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>()
        };
        now(log.truncate(id(9))).expect("memory can be cut");
        now(log.purge(id(3))).expect("memory can be cut");
        assert_eq!(indices(&mut log, 0..20), [4, 5, 6, 7, 8]);
        assert_eq!(indices(&mut log, 6..8), [6, 7]);
        assert_eq!(indices(&mut log, 0..4), [] as [u64; 0]);
        let state = now(log.get_log_state()).expect("memory can be read");
        assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(3)), Some(id(8))));
        now(log.purge(id(8))).expect("memory can be cut");
        let state = now(log.get_log_state()).expect("memory can be read");
        assert_eq!((log.kept(), state.last_log_id), (0, Some(id(8))));
    }

    #[test]
    fn a_snapshot_brings_a_machine_where_another_is_and_another_thing_is_refused() {
        let mut machine = Machine::default();
        now(machine.apply(entries())).expect("commands apply");
        assert_eq!(machine.digest(), Load::new(1, 64, 1).expected(10));
        let built = now(machine.build_snapshot()).expect("a digest is a snapshot");
        let mut other = Machine::default();
        now(other.install_snapshot(&built.meta, built.snapshot)).expect("it is whole");
        assert_eq!(other.digest(), machine.digest());
        let applied = now(other.applied_state()).expect("memory can be read").0;
        assert_eq!(applied, Some(id(10)));
        let kept = now(other.get_current_snapshot()).expect("memory can be read").expect("it was installed");
        assert_eq!(kept.meta, built.meta);
        let short = Box::new(Cursor::new(vec![1; 15]));
        let refused = now(other.install_snapshot(&built.meta, short));
        assert!(refused.is_err_and(|error| error.to_string().contains("sixteen bytes")));
        assert_eq!(other.digest(), machine.digest());
    }
}
