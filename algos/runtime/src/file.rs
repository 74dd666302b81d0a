//! Stable storage in files: an append-only log of frames, synced by `fdatasync`.
//!
//! A folder holds segments named by the ordinal of their first record, counted since the folder was made
//! (`00000000000000a0.log`). A segment is a sequence of frames ([`crate::wire`]); a frame's payload is
//!
//! ```text
//! how many records were durable when this one was written, u64 little-endian | the record, by its codec
//! ```
//!
//! Records are encoded into a buffer and written out at a sync, or earlier if the buffer is full. A new
//! segment begins only after a sync, so that all segments but the last are whole. Retiring deletes whole
//! segments.
//!
//! # Recovery
//! A crash may leave a torn tail: a last batch of which any part has reached the disk. It is cut off.
//! A damaged frame is not always a torn tail, though: a disk may lose what it has acknowledged, and
//! cutting that off would make a node forget a vote. So each record says how many were durable before
//! it: if any whole frame after the damage says that the damaged record was, the damage is corruption,
//! an error, and nothing is cut. Not noticed is damage to the very last batch that was synced, with
//! nothing written after it: that cannot be told from a batch that was never synced (Alagappan et al.,
//! *Protocol-Aware Recovery for Consensus-Based Storage*, FAST 2018, §3.3).
//!
//! After a failed write or sync everything is refused until the folder is opened anew: the system may
//! have thrown away what it could not write, and report success the next time.
//!
//! Verified by tests on real files: every length of a torn tail, every damaged byte before the last
//! batch, group commits, segments and retirement. Not verified: what a file system does when the power
//! fails; the tests cut files themselves.

use core::fmt;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use swarm_protocol::WriteId;

use crate::storage::Storage;
use crate::wire::{Front, HEADER_BYTES, append_frame, front};

/// How records become bytes and come back.
pub trait Codec<R> {
    /// Appends the bytes of a record.
    fn encode(&self, record: &R, out: &mut Vec<u8>);

    /// Reads a record from exactly the bytes that `encode` appended.
    ///
    /// # Errors
    /// Why the bytes are no record.
    fn decode(&self, bytes: &[u8]) -> Result<R, String>;
}

/// The sizes of a log.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest encoded record.
    pub record_bytes_max: u32,
    /// The size from which on a new segment begins.
    pub segment_bytes: u64,
    /// The size from which on the buffer is written out without waiting for a sync.
    pub buffer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { record_bytes_max: 4 << 20, segment_bytes: 64 << 20, buffer_bytes: 1 << 20 }
    }
}

/// The bytes before the record in a payload.
const DURABLE_BYTES: usize = 8;

/// Records in a folder of this machine.
pub struct FileStorage<C> {
    folder: PathBuf,
    codec: C,
    limits: Limits,
    /// Held while the folder is open, so that no second process writes to it.
    _lock: File,
    /// The ordinals of the first records of all segments, ascending. Empty until the first recovery.
    segments: VecDeque<u64>,
    /// The last segment, open for appending.
    last: Option<File>,
    /// What is in the last segment, in bytes.
    last_bytes: u64,
    /// Frames that are not yet in the file.
    buffer: Vec<u8>,
    /// Records ever appended.
    appended: u64,
    /// Records known to be durable, at most `appended`.
    durable: u64,
    /// Records that earlier boots have left.
    boot: u64,
    failed: bool,
}

impl<C> FileStorage<C> {
    /// Opens a folder, and makes it if there is none. [`Storage::recover`] must come next.
    ///
    /// # Errors
    /// If the folder cannot be made, or if another process has it open.
    pub fn open(folder: impl Into<PathBuf>, codec: C, limits: Limits) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::other(format!("{}: another process has this folder open", path.display()))
            }
            TryLockError::Error(error) => error,
        })?;
        Ok(FileStorage {
            folder,
            codec,
            limits,
            _lock: lock,
            segments: VecDeque::new(),
            last: None,
            last_bytes: 0,
            buffer: Vec::new(),
            appended: 0,
            durable: 0,
            boot: 0,
            failed: false,
        })
    }

    /// The bytes of memory held for records that are not yet in a file.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The number of segment files.
    pub fn segments_len(&self) -> usize {
        self.segments.len()
    }

    fn path_of(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:016x}.log"))
    }

    /// The first records of the segments in the folder, ascending.
    fn find_segments(&self) -> io::Result<Vec<u64>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let first = name.to_str().and_then(|name| name.strip_suffix(".log"));
            let first = first.filter(|digits| digits.len() == 16);
            found.extend(first.and_then(|digits| u64::from_str_radix(digits, 16).ok()));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Begins the segment whose first record is the next one.
    fn begin_segment(&mut self) -> io::Result<()> {
        let path = self.path_of(self.appended);
        self.last = Some(OpenOptions::new().create_new(true).append(true).open(path)?);
        sync_folder(&self.folder)?;
        self.segments.push_back(self.appended);
        self.last_bytes = 0;
        Ok(())
    }

    /// Moves the buffer into the file.
    fn write_out(&mut self) -> io::Result<()> {
        let last = self.last.as_mut().ok_or_else(not_recovered)?;
        last.write_all(&self.buffer)?;
        self.last_bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.last.as_ref().ok_or_else(not_recovered)?.sync_data()?;
        self.durable = self.appended;
        if self.last_bytes >= self.limits.segment_bytes {
            self.begin_segment()?;
        }
        Ok(())
    }

    /// Does `what` unless something has failed before, and remembers whether it fails.
    fn guarded(&mut self, what: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        if self.failed {
            let folder = self.folder.display();
            return Err(io::Error::other(format!("{folder}: refused after an earlier failure")));
        }
        let result = what(self);
        self.failed = result.is_err();
        result
    }
}

/// What one segment holds.
struct Segment<R> {
    records: Vec<R>,
    /// Where the records end; the rest of the file, if any, is a torn tail.
    whole_bytes: usize,
}

/// Reads the frames of a segment whose first record has the ordinal `first`. `torn_allowed` in the last
/// segment alone.
fn read_segment<R>(
    path: &Path,
    bytes: &[u8],
    first: u64,
    torn_allowed: bool,
    limits: &Limits,
    codec: &impl Codec<R>,
) -> io::Result<Segment<R>> {
    let corrupt = |offset: usize, reason: &dyn fmt::Display| {
        let place = format!("{} at byte {offset}: {reason}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, place)
    };
    let (mut records, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let damage = match payload_at(bytes, at, limits) {
            Ok(payload) => {
                let record = payload.get(DURABLE_BYTES..).ok_or_else(|| corrupt(at, &"no record"))?;
                records.push(codec.decode(record).map_err(|reason| corrupt(at, &reason))?);
                at += HEADER_BYTES + payload.len();
                continue;
            }
            Err(damage) => damage,
        };
        if !torn_allowed {
            return Err(corrupt(at, &damage));
        }
        let damaged = first + records.len() as u64;
        let proof = (at + 1..bytes.len()).find(|later| {
            payload_at(bytes, *later, limits).is_ok_and(|payload| durable_before(payload) > damaged)
        });
        if let Some(later) = proof {
            let reason = format!("{damage}, in a record that byte {later} proves to have been durable");
            return Err(corrupt(at, &reason));
        }
        break;
    }
    Ok(Segment { records, whole_bytes: at })
}

/// The payload of the frame at `at`, or why there is none.
fn payload_at<'a>(bytes: &'a [u8], at: usize, limits: &Limits) -> Result<&'a [u8], String> {
    let limit = limits.record_bytes_max.saturating_add(DURABLE_BYTES as u32);
    match front(&bytes[at..], limit) {
        Ok(Front::Frame(payload)) => Ok(payload),
        Ok(Front::Needs(_)) => Err(format!("the file ends {} bytes into a frame", bytes.len() - at)),
        Err(error) => Err(error.to_string()),
    }
}

/// How many records were durable when this payload was written.
fn durable_before(payload: &[u8]) -> u64 {
    payload.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Makes the creation and deletion of files in a folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn not_recovered() -> io::Error {
    io::Error::other("a storage is recovered before it is written to")
}

impl<R, C: Codec<R>> Storage<R> for FileStorage<C> {
    /// Reads all segments, one at a time, and cuts off a torn tail.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::InvalidData`] with file, byte and reason if records
    /// that were durable are damaged or missing. The files are then as they were.
    fn recover(&mut self) -> io::Result<Vec<R>> {
        // Until all is read, nothing may be written.
        self.failed = true;
        self.buffer.clear();
        self.last = None;
        let segments = self.find_segments()?;
        let mut records = Vec::new();
        let mut next = segments.first().copied().unwrap_or(0);
        let mut tail = None;
        for (index, first) in segments.iter().enumerate() {
            let path = self.path_of(*first);
            if *first != next {
                let reason = format!("{}: record {next} is missing before it", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
            let bytes = fs::read(&path)?;
            let is_last = index + 1 == segments.len();
            let segment = read_segment(&path, &bytes, *first, is_last, &self.limits, &self.codec)?;
            next += segment.records.len() as u64;
            records.extend(segment.records);
            tail = Some((path, segment.whole_bytes as u64, bytes.len() as u64));
        }
        (self.appended, self.durable, self.boot) = (next, next, next);
        self.segments = segments.into();
        match tail {
            None => self.begin_segment()?,
            Some((path, whole_bytes, bytes)) => {
                let file = OpenOptions::new().append(true).open(path)?;
                if whole_bytes < bytes {
                    file.set_len(whole_bytes)?;
                }
                // Whole frames may still be on their way to the disk if the process alone had died.
                file.sync_all()?;
                self.last = Some(file);
                self.last_bytes = whole_bytes;
            }
        }
        self.failed = false;
        Ok(records)
    }

    fn append(&mut self, record: R) -> io::Result<()> {
        self.guarded(|storage| {
            let FileStorage { codec, limits, buffer, durable, .. } = storage;
            let limit = limits.record_bytes_max.saturating_add(DURABLE_BYTES as u32);
            append_frame(buffer, limit, |out| {
                out.extend_from_slice(&durable.to_le_bytes());
                codec.encode(&record, out);
            })
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            storage.appended += 1;
            if storage.buffer.len() >= storage.limits.buffer_bytes {
                storage.write_out()?;
            }
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.guarded(Self::sync_all)
    }

    fn retire(&mut self, before: WriteId) -> io::Result<()> {
        self.guarded(|storage| {
            let end = storage.boot.saturating_add(before.ordinal() - 1).min(storage.durable);
            let mut deleted = false;
            // A segment may go if the next one begins at or before the first record to be kept. The
            // oldest goes first, so that a crash in between leaves no gap.
            while storage.segments.get(1).is_some_and(|next| *next <= end)
                && let Some(first) = storage.segments.pop_front()
            {
                fs::remove_file(storage.path_of(first))?;
                deleted = true;
            }
            if deleted { sync_folder(&storage.folder) } else { Ok(()) }
        })
    }
}

impl<C> fmt::Debug for FileStorage<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStorage").field("folder", &self.folder).finish_non_exhaustive()
    }
}
