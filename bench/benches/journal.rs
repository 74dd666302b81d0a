//! The runtime's journal: what a record costs beside the disk, and how fast a boot reads it again.
//!
//! *append* encodes records, makes frames of them and checksums those, into the buffer that a sync would write
//! out; nothing is written. *read* boots from a folder whose files the system has in memory: it reads them,
//! checks every frame and decodes every record. What a disk takes to sync is not measured: see `compare`, whose
//! clusters write to files.
//!
//! Each benchmark verifies its answer: what was appended is what is read.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bench::live::{Record, WireFormat};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use swarm_raft::{Entries, Entry, Payload, Run};
use swarm_runtime::file::{FileStorage, Limits};
use swarm_runtime::storage::Storage;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Records a benchmark writes or reads.
const RECORDS: u64 = 10_000;

fn record(index: u64, bytes: usize) -> Record {
    let entry = Entry::Command(Payload::new(&vec![index as u8; bytes]));
    Record::Append { first: index + 1, entries: Entries::from_runs(vec![Run::new(1, [entry].into())]) }
}

fn journal(c: &mut Criterion) {
    let folder = std::env::temp_dir().join(format!("swarmproof-journal-{}", std::process::id()));
    let mut group = c.benchmark_group("journal");
    group.sample_size(30).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(RECORDS));
    for bytes in [16, 256] {
        let records: Vec<_> = (0..RECORDS).map(|index| record(index, bytes)).collect();
        // Nothing is written out before a sync.
        let limits = Limits { buffer_bytes: usize::MAX, ..Limits::default() };
        let open = || FileStorage::open(&folder, WireFormat, limits.clone()).expect("a folder of our own");
        group.bench_function(format!("append-{bytes}-bytes"), |b| {
            b.iter_custom(|rounds| {
                let mut storage = open();
                let mut time = Duration::ZERO;
                for _ in 0..rounds {
                    // What was not synced is gone, and its memory kept.
                    Storage::<Record>::recover(&mut storage).expect("nothing is wrong with it");
                    let fresh = records.clone();
                    let begun = Instant::now();
                    for record in fresh {
                        storage.append(record).expect("memory takes all");
                    }
                    time += begun.elapsed();
                    black_box(storage.buffered_bytes());
                }
                time
            });
        });
        let mut storage = open();
        Storage::<Record>::recover(&mut storage).expect("nothing is wrong with it");
        for record in &records {
            storage.append(record.clone()).expect("memory takes all");
        }
        Storage::<Record>::sync(&mut storage).expect("the disk has room");
        assert_eq!(storage.recover().expect("nothing is wrong with it"), records);
        group.bench_function(format!("read-{bytes}-bytes"), |b| {
            b.iter(|| {
                let read: Vec<Record> = storage.recover().expect("nothing is wrong with it");
                assert_eq!(read.len() as u64, RECORDS);
                read
            });
        });
        drop(storage);
        fs::remove_dir_all(&folder).expect("a folder of our own");
    }
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
