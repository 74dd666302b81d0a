//! Storage in real files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use swarm_protocol::{NodeId, OpId, WriteId};
use swarm_runtime::Local;
use swarm_runtime::file::{Codec, FileStorage, Limits};
use swarm_runtime::storage::Storage;
use swarm_runtime::wire::append_frame;

use crate::toy::{Answer, Keeper, Op, PRIMARY, square, three};

/// A folder of this test's own, deleted at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("swarm-runtime-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn open(&self, limits: &Limits) -> FileStorage<Number> {
        FileStorage::open(&self.0, Number, limits.clone()).unwrap()
    }

    /// The segment files, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some()).collect();
        paths.sort_unstable();
        paths
    }

    /// Boots from what the folder holds.
    fn recovered(&self) -> Result<Vec<u64>, (ErrorKind, String)> {
        let recovered = self.open(&Limits::default()).recover();
        recovered.map_err(|error| (error.kind(), error.to_string()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Numbers in as many bytes as they need, at least one.
struct Number;

impl Codec<u64> for Number {
    fn encode(&self, record: &u64, out: &mut Vec<u8>) {
        let bytes = record.to_le_bytes();
        let used = 8 - (record | 1).leading_zeros() as usize / 8;
        out.extend_from_slice(&bytes[..used]);
    }

    fn decode(&self, bytes: &[u8]) -> Result<u64, String> {
        let mut word = [0; 8];
        let used = word.get_mut(..bytes.len()).ok_or("a number of more than eight bytes")?;
        used.copy_from_slice(bytes);
        Ok(u64::from_le_bytes(word))
    }
}

/// Small segments, so that a few records fill one.
fn small() -> Limits {
    Limits { segment_bytes: 150, ..Limits::default() }
}

/// Appends `batches`, each with one sync.
fn write(storage: &mut FileStorage<Number>, batches: &[&[u64]]) {
    for batch in batches {
        for record in *batch {
            storage.append(*record).unwrap();
        }
        Storage::<u64>::sync(storage).unwrap();
    }
}

fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn synced_records_come_back_and_others_do_not() {
    let folder = Folder::new();
    let mut storage = folder.open(&Limits::default());
    assert_eq!(storage.recover().unwrap(), []);
    write(&mut storage, &[&[1, 2], &[300]]);
    storage.append(4).unwrap();
    drop(storage);
    assert_eq!(folder.recovered(), Ok(vec![1, 2, 300]));
    // The next boot appends behind them.
    let mut storage = folder.open(&Limits::default());
    assert_eq!(storage.recover().unwrap().len(), 3);
    write(&mut storage, &[&[5]]);
    assert_eq!(storage.recover().unwrap(), [1, 2, 300, 5]);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_off() {
    let folder = Folder::new();
    let mut storage = folder.open(&Limits::default());
    storage.recover().unwrap();
    write(&mut storage, &[&[1, 2]]);
    let path = &folder.segments()[0];
    let durable = fs::metadata(path).unwrap().len();
    write(&mut storage, &[&[3, 4]]);
    drop(storage);
    let whole = fs::read(path).unwrap();
    let third = durable as usize + (whole.len() - durable as usize) / 2;
    for end in durable as usize..whole.len() {
        fs::write(path, &whole[..end]).unwrap();
        let expected: &[u64] = if end < third { &[1, 2] } else { &[1, 2, 3] };
        assert_eq!(folder.recovered().unwrap(), expected, "cut at {end}");
        let left = fs::metadata(path).unwrap().len() as usize;
        assert_eq!(left, if end < third { durable as usize } else { third });
    }
    // A tail that was allocated and never written reads as zeros.
    fs::write(path, [&whole[..third], &[0; 50]].concat()).unwrap();
    assert_eq!(folder.recovered().unwrap(), [1, 2, 3]);
    // Pages of one batch reach the disk in any order: the third is damaged, the fourth is whole.
    fs::write(path, &whole).unwrap();
    flip(path, durable as usize + 9);
    assert_eq!(folder.recovered().unwrap(), [1, 2]);
}

#[test]
fn damage_to_what_was_durable_is_an_error_and_cuts_nothing() {
    let folder = Folder::new();
    let mut storage = folder.open(&Limits::default());
    storage.recover().unwrap();
    write(&mut storage, &[&[1, 2]]);
    let path = &folder.segments()[0];
    let durable = fs::metadata(path).unwrap().len() as usize;
    write(&mut storage, &[&[3]]);
    drop(storage);
    let len = fs::metadata(path).unwrap().len();
    for byte in 0..durable {
        flip(path, byte);
        let (kind, text) = folder.recovered().unwrap_err();
        assert_eq!(kind, ErrorKind::InvalidData);
        assert!(text.contains("0000000000000000.log at byte "), "{text}");
        assert_eq!(fs::metadata(path).unwrap().len(), len);
        flip(path, byte);
    }
    assert_eq!(folder.recovered(), Ok(vec![1, 2, 3]));
}

#[test]
fn a_record_in_the_place_of_another_is_an_error() {
    let folder = Folder::new();
    let mut storage = folder.open(&Limits::default());
    storage.recover().unwrap();
    write(&mut storage, &[&[1], &[2], &[3]]);
    drop(storage);
    let path = &folder.segments()[0];
    let whole = fs::read(path).unwrap();
    let place = |ordinal: usize| 8 + 25 * ordinal..8 + 25 * (ordinal + 1);
    for from in 0..3 {
        for to in (0..3).filter(|to| *to != from) {
            let mut bytes = whole.clone();
            bytes.copy_within(place(from), place(to).start);
            fs::write(path, &bytes).unwrap();
            match folder.recovered() {
                Err((kind, text)) => {
                    let told = format!("byte {}: record {from} in the place of record {to}", 8 + 25 * to);
                    assert_eq!(kind, ErrorKind::InvalidData);
                    assert!(text.contains(&told), "{text}");
                }
                // What was durable before the last record, nothing that is left says of the last record.
                Ok(left) => assert_eq!((to, left), (2, vec![1, 2])),
            }
        }
    }
}

#[test]
fn a_record_in_a_wrong_place_says_itself_that_the_one_before_was_durable() {
    let folder = Folder::new();
    let mut storage = folder.open(&Limits::default());
    storage.recover().unwrap();
    write(&mut storage, &[&[1, 2], &[3]]);
    drop(storage);
    let path = &folder.segments()[0];
    let mut bytes = fs::read(path).unwrap();
    // The third record lies where the second was, and nothing follows.
    bytes.drain(8 + 25..8 + 50);
    fs::write(path, bytes).unwrap();
    let (kind, text) = folder.recovered().unwrap_err();
    assert_eq!(kind, ErrorKind::InvalidData);
    assert!(text.contains("byte 33: record 2 in the place of record 1, in a record that byte 33"), "{text}");
}

#[test]
fn what_was_not_synced_before_a_recovery_is_not_written_after_it() {
    let folder = Folder::new();
    let mut storage = folder.open(&Limits::default());
    storage.recover().unwrap();
    write(&mut storage, &[&[1]]);
    storage.append(2).unwrap();
    assert_eq!(storage.recover().unwrap(), [1]);
    assert_eq!(storage.buffered_bytes(), 0);
    write(&mut storage, &[&[3]]);
    assert_eq!(storage.recover().unwrap(), [1, 3]);
}

#[test]
fn journals_of_other_versions_are_refused_and_left_alone() {
    let folder = Folder::new();
    let path = folder.0.join("0000000000000000.log");
    let mut first = Vec::new();
    for (durable, record) in [(0u64, 7), (1, 8)] {
        append_frame(&mut first, 100, |out| out.extend([&durable.to_le_bytes()[..], &[record]].concat()))
            .unwrap();
    }
    let version_1 =
        "a journal of version 1, whose records do not know their place; this program reads version 2";
    for (bytes, reason) in [
        (&first[..], version_1),
        (b"journal\x03\0\0\0", "a journal of version 3, and this program reads version 2"),
        (b"journal\0", "a journal of version 0, and this program reads version 2"),
        (b"a poem about a journal", "a damaged header"),
        (&[0; 9], "a damaged header"),
    ] {
        fs::write(&path, bytes).unwrap();
        let (kind, text) = folder.recovered().unwrap_err();
        assert_eq!(kind, ErrorKind::InvalidData);
        assert!(text.ends_with(&format!("0000000000000000.log at byte 0: {reason}")), "{text}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_segment_that_a_crash_left_without_a_header_begins_anew_if_it_is_the_last() {
    let header = b"journal\x02";
    let begun = (0..8).map(|len| header[..len].to_vec()).chain((1..=8).map(|len| vec![0; len]));
    for bytes in begun {
        let folder = Folder::new();
        let path = folder.0.join("0000000000000000.log");
        fs::write(&path, &bytes).unwrap();
        let mut storage = folder.open(&Limits::default());
        assert_eq!(storage.recover().unwrap(), [], "{bytes:?}");
        write(&mut storage, &[&[5]]);
        drop(storage);
        assert_eq!(folder.recovered(), Ok(vec![5]), "{bytes:?}");
        fs::write(&path, &bytes).unwrap();
        fs::write(folder.0.join("0000000000000001.log"), header).unwrap();
        let (_, text) = folder.recovered().unwrap_err();
        assert!(text.contains("0000000000000000.log at byte 0: a damaged header"), "{text}");
    }
}

#[test]
fn a_full_segment_is_followed_by_another_and_retired_as_a_whole() {
    let folder = Folder::new();
    let mut storage = folder.open(&small());
    storage.recover().unwrap();
    for record in 0..30 {
        write(&mut storage, &[&[record]]);
    }
    // 25 bytes a record behind a header of 8, so six a segment.
    assert_eq!(storage.segments_len(), 6);
    // The twelfth record is to be kept, and with it the second segment, whose last it is.
    Storage::<u64>::retire(&mut storage, WriteId::new(12)).unwrap();
    assert_eq!(storage.segments_len(), 5);
    Storage::<u64>::retire(&mut storage, WriteId::new(13)).unwrap();
    assert_eq!(storage.segments_len(), 4);
    assert_eq!(storage.recover().unwrap(), (12..30).collect::<Vec<_>>());
    // Writes are counted from 1 again: the records of earlier boots lie before all of them.
    write(&mut storage, &[&[30, 31]]);
    Storage::<u64>::retire(&mut storage, WriteId::new(1)).unwrap();
    assert_eq!(storage.recover().unwrap(), [30, 31]);
}

#[test]
fn damaged_and_missing_segments_are_errors() {
    let folder = Folder::new();
    let mut storage = folder.open(&small());
    storage.recover().unwrap();
    for record in 0..14 {
        write(&mut storage, &[&[record]]);
    }
    drop(storage);
    let paths = folder.segments();
    let whole = fs::read(&paths[1]).unwrap();
    fs::write(&paths[1], &whole[..whole.len() - 1]).unwrap();
    let (_, text) = folder.recovered().unwrap_err();
    assert!(text.contains("0000000000000006.log at byte 133: the file ends 24 bytes into a frame"), "{text}");
    fs::remove_file(&paths[1]).unwrap();
    let (_, text) = folder.recovered().unwrap_err();
    assert!(text.contains("000000000000000c.log: record 6 is missing"), "{text}");
}

#[test]
fn a_long_batch_does_not_wait_in_memory() {
    let folder = Folder::new();
    let mut storage = folder.open(&Limits { buffer_bytes: 1000, ..Limits::default() });
    storage.recover().unwrap();
    for record in 0..10_000 {
        storage.append(record).unwrap();
        assert!(storage.buffered_bytes() < 1000);
    }
    Storage::<u64>::sync(&mut storage).unwrap();
    drop(storage);
    assert!(folder.recovered().unwrap().into_iter().eq(0..10_000));
}

#[test]
fn after_a_refused_record_everything_is_refused_until_recovery() {
    let folder = Folder::new();
    let mut storage = folder.open(&Limits { record_bytes_max: 2, ..Limits::default() });
    storage.recover().unwrap();
    write(&mut storage, &[&[1]]);
    assert_eq!(storage.append(1 << 40).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(storage.append(2).is_err());
    assert!(Storage::<u64>::sync(&mut storage).is_err());
    assert_eq!(storage.recover().unwrap(), [1]);
    write(&mut storage, &[&[2]]);
}

#[test]
fn a_folder_has_one_owner() {
    let folder = Folder::new();
    let _owner = folder.open(&Limits::default());
    let error = FileStorage::open(&folder.0, Number, Limits::default()).unwrap_err();
    assert!(error.to_string().contains("another process has this folder open"), "{error}");
}

#[test]
fn a_cluster_goes_on_from_its_files() {
    let folders = [Folder::new(), Folder::new(), Folder::new()];
    let boot = || {
        let disks = folders.iter().map(|folder| folder.open(&small())).collect();
        Local::<Keeper, _>::on(three(), disks, 1, square).unwrap()
    };
    for boots in 0..3 {
        let mut cluster = boot();
        assert!(cluster.nodes().all(|node| node.numbers.iter().copied().eq(0..boots * 10)));
        let mut answers = Vec::new();
        for number in boots * 10..(boots + 1) * 10 {
            cluster.invoke(PRIMARY, OpId(number), Op::Add(number));
        }
        cluster.restart(NodeId(1)).unwrap();
        assert!(cluster.pump_until_quiet(10, &mut |_, id, answer| answers.push((id, answer))));
        let expected = (boots * 10..(boots + 1) * 10)
            .map(|number| (OpId(number), Answer::Added { position: number as usize }));
        assert!(answers.into_iter().eq(expected));
    }
}
