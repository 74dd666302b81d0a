//! Messages as bytes and back: our codec by hand beside derived ones on equal plain structs.
//!
//! Everyone encodes into a buffer that is kept and decodes from a slice. *ours* is the message as nodes hold it
//! (commands of up to 64 bytes inline, longer ones shared). *by hand* is the same code with a `Vec<u8>` for
//! each command, as the plain structs of the derived codecs have, so that the difference between the two is
//! the type's and the difference to the others is the codec's. The throughput printed is of the commands' own
//! bytes, equal for all. How many bytes each one makes is printed first.
//!
//! Each benchmark verifies its answer. What is not compared: what a codec does to damaged bytes. Ours checks
//! every length against the bytes that are left before it allocates; the others allocate up to constants.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bench::workload::Load;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use serde::{Deserialize, Serialize};
use swarm_raft::wire::{self, Wire};
use swarm_raft::{Entries, Entry, Message, Payload, Run};
use wincode::{SchemaRead, SchemaWrite};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A command on the heap, by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heap(Vec<u8>);

impl Wire for Heap {
    const BYTES_MIN: usize = 4;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.0.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.0);
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, wire::Error> {
        let (count, rest) = bytes.split_first_chunk().ok_or(wire::Error::Truncated)?;
        let (content, rest) =
            rest.split_at_checked(u32::from_le_bytes(*count) as usize).ok_or(wire::Error::Truncated)?;
        *bytes = rest;
        Ok(Heap(content.to_vec()))
    }
}

/// The messages measured, for the derived codecs.
#[derive(
    Clone, Debug, PartialEq, SchemaWrite, SchemaRead, bitcode::Encode, bitcode::Decode, Serialize, Deserialize,
)]
enum Plain {
    RequestVote { term: u64, last_index: u64, last_term: u64, told: bool },
    Append { term: u64, prev_index: u64, prev_term: u64, commit: u64, runs: Vec<PlainRun> },
}

#[derive(
    Clone, Debug, PartialEq, SchemaWrite, SchemaRead, bitcode::Encode, bitcode::Decode, Serialize, Deserialize,
)]
struct PlainRun {
    term: u64,
    entries: Vec<PlainEntry>,
}

#[derive(
    Clone, Debug, PartialEq, SchemaWrite, SchemaRead, bitcode::Encode, bitcode::Decode, Serialize, Deserialize,
)]
enum PlainEntry {
    NoOp,
    Command(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// An append of `commands` commands of `bytes` bytes; with none, a request for a vote.
fn message<C>(commands: u64, bytes: usize, command: impl Fn(&[u8]) -> C) -> Message<C> {
    let (term, prev_index, prev_term, commit) = (7, 1_000, 6, 999);
    if commands == 0 {
        return Message::RequestVote { term, last_index: prev_index, last_term: prev_term, told: false };
    }
    let load = Load { thorough: true, ..Load::new(1, bytes, 1) };
    let entries: Vec<_> = load.burst(0, commands).map(|bytes| Entry::Command(command(&bytes))).collect();
    let entries = Entries::from(Run::new(term, Arc::from(entries)));
    Message::Append { term, prev_index, prev_term, commit, entries }
}

/// The same message in plain structs.
fn plain(message: &Message<Heap>) -> Plain {
    match message {
        Message::RequestVote { term, last_index, last_term, told } => {
            Plain::RequestVote { term: *term, last_index: *last_index, last_term: *last_term, told: *told }
        }
        Message::Append { term, prev_index, prev_term, commit, entries } => {
            let entry = |entry: &Entry<Heap>| match entry {
                Entry::NoOp => PlainEntry::NoOp,
                Entry::Membership(_) | Entry::Withheld => unreachable!("commands alone were put in"),
                Entry::Command(Heap(bytes)) => PlainEntry::Command(bytes.clone()),
            };
            let run = |run: &Run<Heap>| PlainRun {
                term: run.term(),
                entries: run.entries().iter().map(entry).collect(),
            };
            let runs = entries.runs().iter().map(run).collect();
            Plain::Append {
                term: *term,
                prev_index: *prev_index,
                prev_term: *prev_term,
                commit: *commit,
                runs,
            }
        }
        _ => unreachable!("only these two are measured"),
    }
}

/// Measures one codec on one message, both ways.
fn codec<T: PartialEq + std::fmt::Debug>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    value: &T,
    encode: impl Fn(&T, &mut Vec<u8>),
    decode: impl Fn(&[u8]) -> T,
) {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    eprintln!("{name}: {} bytes", bytes.len());
    group.bench_function(format!("{name}/encode"), |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            encode(black_box(value), &mut out);
        });
        assert_eq!(out, bytes);
    });
    group.bench_function(format!("{name}/decode"), |bencher| {
        bencher.iter(|| decode(black_box(&bytes)));
        assert_eq!(decode(&bytes), *value);
    });
}

fn codecs(criterion: &mut Criterion) {
    for (commands, bytes) in [(0, 8), (1, 64), (64, 64), (1, 1024), (64, 1024)] {
        let shape = match commands {
            0 => "request for a vote".to_owned(),
            _ => format!("append of {commands} x {bytes} B"),
        };
        let mut group = criterion.benchmark_group(format!("wire/{shape}"));
        // Fifty benchmarks of a stable microsecond: half a second is enough for each.
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500));
        group.sample_size(30);
        if commands > 0 {
            group.throughput(Throughput::Bytes(commands * bytes as u64));
        }
        eprintln!("{shape}");
        let ours = message(commands, bytes, Payload::new);
        codec(&mut group, "ours", &ours, wire::encode, |bytes| wire::decode(bytes).expect("one message"));
        let by_hand = message(commands, bytes, |bytes| Heap(bytes.to_vec()));
        codec(&mut group, "by hand", &by_hand, wire::encode, |bytes| {
            wire::decode(bytes).expect("one message")
        });
        let plain = plain(&by_hand);
        codec(
            &mut group,
            "wincode",
            &plain,
            |value, out| wincode::serialize_into(out, value).expect("memory takes all"),
            |bytes| wincode::deserialize(bytes).expect("one message"),
        );
        codec(
            &mut group,
            "postcard",
            &plain,
            |value, out| {
                *out = postcard::to_extend(value, std::mem::take(out)).expect("memory takes all");
            },
            |bytes| postcard::from_bytes(bytes).expect("one message"),
        );
        let buffer = std::cell::RefCell::new(bitcode::Buffer::new());
        codec(
            &mut group,
            "bitcode",
            &plain,
            |value, out| out.extend_from_slice(buffer.borrow_mut().encode(value)),
            |bytes| buffer.borrow_mut().decode(bytes).expect("one message"),
        );
        group.finish();
    }
}

criterion_group!(benches, codecs);
criterion_main!(benches);
