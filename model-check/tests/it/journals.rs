//! One reading rule: what simulations take a journal to find after a crash is what the runtime's journal finds in
//! real files.
//!
//! Files are damaged in every way that a small journal can be, looked at frame by frame, and read by both:
//! [`checksummed`] reads what the frames are, [`FileStorage`] reads the file. Both must give back the same records,
//! or refuse at the same one.

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use swarm_runtime::file::{Codec, FileStorage, Limits};
use swarm_runtime::storage::Storage;
use swarm_runtime::wire::{Front, HEADER_BYTES, front};
use swarm_simulator::simulation::{Frame, Journal, Reading, checksummed};

/// Bytes as they are.
struct Plain;

impl Codec<Vec<u8>> for Plain {
    fn encode(&self, record: &Vec<u8>, out: &mut Vec<u8>) {
        out.extend_from_slice(record);
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(bytes.to_vec())
    }
}

/// A journal on disk, as it was written.
struct Written {
    folder: PathBuf,
    records: Vec<Vec<u8>>,
    /// The segments: their files, what is in them, and where the frames of which records lie.
    segments: Vec<(PathBuf, Vec<u8>, Range<usize>)>,
    /// By record, where its frame lies in its segment.
    frames: Vec<Range<usize>>,
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What both made of damage, how often.
#[derive(Debug, Default)]
struct Outcomes {
    all: u32,
    fewer: u32,
    refused: u32,
}

impl Written {
    /// Batches of records of these lengths, each synced; `segment_bytes` as in [`Limits`].
    fn of(batches: &[&[usize]], segment_bytes: u64) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("swarm-journals-{}-{number}", std::process::id()));
        let limits = Limits { segment_bytes, ..Limits::default() };
        let mut storage = FileStorage::open(&folder, Plain, limits).unwrap();
        storage.recover().unwrap();
        let mut records = Vec::new();
        for batch in batches {
            for len in *batch {
                let record = vec![b'a' + records.len() as u8; *len];
                storage.append(record.clone()).unwrap();
                records.push(record);
            }
            Storage::<Vec<u8>>::sync(&mut storage).unwrap();
        }
        drop(storage);
        let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|kind| kind == "log"));
        paths.sort_unstable();
        let (mut segments, mut frames) = (Vec::new(), Vec::new());
        for path in paths {
            let bytes = fs::read(&path).unwrap();
            let first = frames.len();
            let mut at = 8; // A header comes first.
            while let Ok(Front::Frame(payload)) = front(&bytes[at..], u32::MAX) {
                frames.push(at..at + HEADER_BYTES + payload.len());
                at += HEADER_BYTES + payload.len();
            }
            assert_eq!(at, bytes.len());
            segments.push((path, bytes, first..frames.len()));
        }
        assert_eq!(frames.len(), records.len());
        Written { folder, records, segments, frames }
    }

    /// The bytes of the last segment.
    fn last(&self) -> &[u8] {
        &self.segments.last().unwrap().1
    }

    /// The journal as a device would give it back that holds `last` in its last segment, or in the segment that
    /// is named, instead.
    fn journal(&self, segment: usize, bytes: &[u8]) -> Journal {
        let mut frames = Vec::new();
        for (index, (_, whole, places)) in self.segments.iter().enumerate() {
            let bytes = if index == segment { bytes } else { whole };
            frames.extend(self.frames[places.clone()].iter().map(|frame| {
                let there = bytes.get(frame.start..).unwrap_or_default();
                let Ok(Front::Frame(payload)) = front(there, u32::MAX) else { return Frame::Unreadable };
                let number = |at: usize| {
                    u32::try_from(u64::from_le_bytes(*payload[at..].first_chunk().unwrap())).unwrap()
                };
                Frame::Whole { place: number(0), durable: number(8) }
            }));
        }
        Journal { finished: self.segments.last().unwrap().2.start as u32, frames }
    }

    /// Puts these bytes into the place of a segment, and has both read.
    fn compare(&self, segment: usize, bytes: &[u8], told: &str, outcomes: &mut Outcomes) {
        let (path, whole, _) = &self.segments[segment];
        fs::write(path, bytes).unwrap();
        let read = FileStorage::open(&self.folder, Plain, Limits::default()).unwrap().recover();
        fs::write(path, whole).unwrap();
        let journal = self.journal(segment, bytes);
        match (checksummed(&journal), read) {
            (Reading::Records(places), Ok(read)) => {
                let expected: Vec<_> =
                    places.iter().map(|place| self.records[*place as usize].clone()).collect();
                assert_eq!(read, expected, "{told}: {journal:?}");
                *if read.len() == self.records.len() { &mut outcomes.all } else { &mut outcomes.fewer } += 1;
            }
            (Reading::Refused(place), Err(error)) => {
                let place = self.frames[place as usize].start;
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{told}");
                assert!(error.to_string().contains(&format!(".log at byte {place}: ")), "{told}: {error}");
                outcomes.refused += 1;
            }
            (rule, files) => panic!("{told}: {journal:?}: the rule says {rule:?}, the files say {files:?}"),
        }
    }
}

/// Four records in every division into batches, all of one size.
const DIVISIONS: [&[&[usize]]; 8] = [
    &[&[5, 5, 5, 5]],
    &[&[5], &[5, 5, 5]],
    &[&[5, 5], &[5, 5]],
    &[&[5, 5, 5], &[5]],
    &[&[5], &[5], &[5, 5]],
    &[&[5], &[5, 5], &[5]],
    &[&[5, 5], &[5], &[5]],
    &[&[5], &[5], &[5], &[5]],
];

/// Sizes that differ: a frame in another's place leaves a rest, or takes from the next.
const SIZES: &[&[usize]] = &[&[3, 20], &[9], &[40, 1]];

#[test]
fn a_tail_that_is_cut_or_never_written_is_read_alike() {
    for batches in DIVISIONS.into_iter().chain([SIZES]) {
        let written = Written::of(batches, u64::MAX);
        let (whole, mut outcomes) = (written.last(), Outcomes::default());
        for end in 8..=whole.len() {
            written.compare(0, &whole[..end], &format!("{batches:?} cut at {end}"), &mut outcomes);
            let zeros = [&whole[..end], &vec![0; whole.len() - end]].concat();
            written.compare(0, &zeros, &format!("{batches:?} zeros from {end}"), &mut outcomes);
        }
        // What is lost to the end nobody misses.
        assert!(outcomes.all == 2 && outcomes.refused == 0, "{outcomes:?}");
    }
}

#[test]
fn bytes_that_are_spoilt_are_read_alike() {
    for batches in DIVISIONS.into_iter().chain([SIZES]) {
        let written = Written::of(batches, u64::MAX);
        let mut outcomes = Outcomes::default();
        for byte in 8..written.last().len() {
            for bit in [0, 7] {
                let mut bytes = written.last().to_vec();
                bytes[byte] ^= 1 << bit;
                let told = format!("{batches:?}, bit {bit} of byte {byte}");
                written.compare(0, &bytes, &told, &mut outcomes);
            }
        }
        let one_batch = batches.len() == 1;
        assert!(outcomes.all == 0 && (outcomes.refused == 0) == one_batch, "{outcomes:?}");
        assert!(outcomes.fewer > 0, "{outcomes:?}");
    }
}

/// Every place holds its own frame, nothing, or that of any other place, in all combinations: writes that tear,
/// that are reordered, lost and misdirected, several at a time.
#[test]
fn frames_that_are_missing_or_in_the_wrong_place_are_read_alike() {
    for batches in DIVISIONS {
        let written = Written::of(batches, u64::MAX);
        let mut outcomes = Outcomes::default();
        for combination in 0..5usize.pow(4) {
            let mut bytes = written.last().to_vec();
            for place in 0..4 {
                let content = combination / 5usize.pow(place as u32) % 5;
                let there = match written.frames.get(content) {
                    Some(frame) => written.last()[frame.clone()].to_vec(),
                    None => vec![0; written.frames[place].len()],
                };
                bytes[written.frames[place].clone()].copy_from_slice(&there);
            }
            written.compare(0, &bytes, &format!("{batches:?}, combination {combination}"), &mut outcomes);
        }
        assert_eq!(outcomes.all, 1, "{outcomes:?}");
        assert!(outcomes.fewer > 0 && (outcomes.refused > 0) == (batches.len() > 1), "{outcomes:?}");
    }
}

#[test]
fn frames_of_other_sizes_in_the_wrong_place_are_read_alike() {
    let written = Written::of(SIZES, u64::MAX);
    let mut outcomes = Outcomes::default();
    for from in 0..written.frames.len() {
        for to in (0..written.frames.len()).filter(|to| *to != from) {
            for own_is_lost in [false, true] {
                let frame = written.last()[written.frames[from].clone()].to_vec();
                let mut bytes = written.last().to_vec();
                if own_is_lost {
                    bytes[written.frames[from].clone()].fill(0);
                }
                let start = written.frames[to].start;
                bytes.resize(bytes.len().max(start + frame.len()), 0);
                bytes[start..start + frame.len()].copy_from_slice(&frame);
                let told = format!("record {from} in the place of {to}, lost in its own: {own_is_lost}");
                written.compare(0, &bytes, &told, &mut outcomes);
            }
        }
    }
    assert!(outcomes.all == 0 && outcomes.fewer > 0 && outcomes.refused > 0, "{outcomes:?}");
}

#[test]
fn segments_that_were_finished_are_read_alike() {
    // A header of 8 bytes and frames of 29: two records fill a segment.
    let written = Written::of(&[&[5], &[5], &[5], &[5], &[5]], 60);
    assert_eq!(written.segments.len(), 3);
    let mut outcomes = Outcomes::default();
    for segment in 0..3 {
        let whole = &written.segments[segment].1;
        for byte in 8..whole.len() {
            let mut bytes = whole.clone();
            bytes[byte] ^= 1;
            written.compare(segment, &bytes, &format!("segment {segment}, byte {byte}"), &mut outcomes);
            if segment == 2 {
                written.compare(2, &whole[..byte], &format!("cut at byte {byte}"), &mut outcomes);
            }
        }
    }
    assert_eq!((outcomes.refused, outcomes.fewer), (4 * 29, 2 * 29), "{outcomes:?}");
}
