//! Stable storage in files: an append-only log of frames, synced by `fdatasync`.
//!
//! A folder holds segments named by the ordinal of their first record, counted from 0 since the folder was
//! made (`00000000000000a0.log`). A segment is a header of eight bytes, `journal` and the version of the
//! format, and then frames ([`crate::wire`]), all under their checksums; a frame's payload is
//!
//! ```text
//! the record's own ordinal | how many records were durable when it was written | the record, by its codec
//! ```
//!
//! two numbers of eight bytes, little-endian.
//!
//! Records are encoded into a buffer and written out at a sync, or earlier if the buffer is full. A new
//! segment begins only after a sync, so that all segments but the last are whole. Retiring deletes whole
//! segments.
//!
//! # Recovery
//! A crash may leave a torn tail: a last batch of which any part has reached the disk. It is cut off.
//! A damaged frame is not always a torn tail, though: a disk may lose what it has acknowledged, and
//! cutting that off would make a node forget a vote. So each record says how many were durable before
//! it: if any whole frame in the place of the damaged one or after it says that the damaged record was, the
//! damage is corruption, an error, and nothing is cut. Not noticed is damage to the very last batch that was
//! synced, with nothing written after it: that cannot be told from a batch that was never synced (Alagappan
//! et al., *Protocol-Aware Recovery for Consensus-Based Storage*, FAST 2018, §3.3).
//!
//! A frame that is whole and has another ordinal than its place is damage, too: the disk has put a write
//! where it does not belong. A segment of another version, or none, is refused; one that a crash left without
//! a whole header, and so without records, begins anew.
//!
//! After a failed write or sync everything is refused until the folder is opened anew: the system may
//! have thrown away what it could not write, and report success the next time.
//!
//! Verified by tests on real files: every length of a torn tail, every damaged byte before the last
//! batch, every record in every other's place, group commits, segments and retirement; and the reading rule,
//! exhaustively on small journals, against the one that simulations judge. Not verified: what a file system
//! does when the power fails; the tests cut files themselves.

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

/// How a segment begins: a name, and the version of the format. Version 1 had no header, and its frames did not
/// know their place. As the length of a frame, the name is longer than any that is allowed.
const HEADER: [u8; 8] = *b"journal\x02";

/// The bytes before the record in a payload.
const FRONT_BYTES: usize = 16;

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
        self.begin_last()?;
        sync_folder(&self.folder)?;
        self.segments.push_back(self.appended);
        Ok(())
    }

    /// Writes the header of the last segment, which is empty. Durable before any record is: a segment with
    /// records has its header.
    fn begin_last(&mut self) -> io::Result<()> {
        let last = self.last.as_mut().ok_or_else(not_recovered)?;
        last.write_all(&HEADER)?;
        last.sync_data()?;
        self.last_bytes = HEADER.len() as u64;
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
    let mut records = Vec::new();
    if let Some(reason) = refusal_of_header(bytes, limits) {
        return if torn_allowed && is_begun(bytes) {
            Ok(Segment { records, whole_bytes: 0 })
        } else {
            Err(corrupt(0, &reason))
        };
    }
    let mut at = HEADER.len();
    while at < bytes.len() {
        let expected = first + records.len() as u64;
        let damage = match frame_at(bytes, at, limits) {
            Ok(frame) if frame.place == expected => {
                records.push(codec.decode(frame.record).map_err(|reason| corrupt(at, &reason))?);
                at += HEADER_BYTES + FRONT_BYTES + frame.record.len();
                continue;
            }
            Ok(frame) => format!("record {} in the place of record {expected}", frame.place),
            Err(damage) => damage,
        };
        if !torn_allowed {
            return Err(corrupt(at, &damage));
        }
        let says =
            |place: &usize| frame_at(bytes, *place, limits).is_ok_and(|frame| frame.durable > expected);
        if let Some(proof) = (at..bytes.len()).find(says) {
            let reason = format!("{damage}, in a record that byte {proof} proves to have been durable");
            return Err(corrupt(at, &reason));
        }
        break;
    }
    Ok(Segment { records, whole_bytes: at })
}

/// Why the beginning of a segment is not its header, if it is not.
fn refusal_of_header(bytes: &[u8], limits: &Limits) -> Option<String> {
    let name = HEADER.len() - 1;
    match bytes.first_chunk() {
        Some(&HEADER) => None,
        Some(other) if other[..name] == HEADER[..name] => Some(format!(
            "a journal of version {}, and this program reads version {}",
            other[name], HEADER[name]
        )),
        // Version 1 had no header: it began with a frame.
        _ if matches!(front(bytes, limits.record_bytes_max), Ok(Front::Frame(_))) => Some(format!(
            "a journal of version 1, whose records do not know their place; this program reads version {}",
            HEADER[name]
        )),
        _ => Some("a damaged header".to_owned()),
    }
}

/// Whether a segment is what a crash may leave of one whose header was never durable: a part of it, perhaps
/// as zeros. There are no records then.
fn is_begun(bytes: &[u8]) -> bool {
    bytes.len() <= HEADER.len() && (HEADER.starts_with(bytes) || bytes.iter().all(|byte| *byte == 0))
}

/// A record as it lies in a file.
struct Framed<'a> {
    /// Its ordinal.
    place: u64,
    /// How many were durable when it was written.
    durable: u64,
    record: &'a [u8],
}

/// The frame at byte `at`, or why there is none.
fn frame_at<'a>(bytes: &'a [u8], at: usize, limits: &Limits) -> Result<Framed<'a>, String> {
    let payload = match front(&bytes[at..], payload_bytes_max(limits)) {
        Ok(Front::Frame(payload)) => payload,
        Ok(Front::Needs(_)) => return Err(format!("the file ends {} bytes into a frame", bytes.len() - at)),
        Err(error) => return Err(error.to_string()),
    };
    let (place, rest) = payload.split_first_chunk().ok_or("a frame without a place")?;
    let (durable, record) = rest.split_first_chunk().ok_or("a frame that does not say what was durable")?;
    Ok(Framed { place: u64::from_le_bytes(*place), durable: u64::from_le_bytes(*durable), record })
}

/// The longest payload of a frame.
const fn payload_bytes_max(limits: &Limits) -> u32 {
    limits.record_bytes_max.saturating_add(FRONT_BYTES as u32)
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
                if whole_bytes == 0 {
                    self.begin_last()?;
                }
            }
        }
        self.failed = false;
        Ok(records)
    }

    fn append(&mut self, record: R) -> io::Result<()> {
        self.guarded(|storage| {
            let FileStorage { codec, limits, buffer, appended, durable, .. } = storage;
            append_frame(buffer, payload_bytes_max(limits), |out| {
                out.extend_from_slice(&appended.to_le_bytes());
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
