//! The parts of our Raft, and the whole of it in one thread. Each benchmark verifies its answer.
//!
//! The loop is timed in CPU time of the thread, and by whole sessions (see `bench::workload`); the parts in
//! wall time, as criterion does it. On a busy machine compare two builds by `cargo xtask bench --against`,
//! not by two runs of this.

use std::hint::black_box;
use std::sync::Arc;

use bench::raft::{Digesting, OurRaft};
use bench::workload::{Load, time_commits};
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use reports::artifact::Implementation;
use swarm_protocol::quorum::commit_index;
use swarm_protocol::{Choices, Effect, Effects, Input, NodeId, NodeSet, Protocol, Stream, Ticks, WriteId};
use swarm_raft::{Config, Entries, Entry, Log, Message, Raft, Run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Appends in one batch of the benchmarks of parts.
const APPENDS: u64 = 256;

/// Commands in each append.
const COMMANDS: u64 = 16;

/// One batch of commands of 64 bytes, as entries of term 1.
fn run_of_commands() -> Run<Bytes> {
    let entries: Vec<_> = Load::new(1, 64, 1).burst(0, COMMANDS).map(Entry::Command).collect();
    Run::new(1, Arc::from(entries))
}

fn quorum(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("quorum/commit_index");
    for nodes in [3u32, 5, 7] {
        let matched: Vec<u64> = (0..u64::from(nodes)).map(|node| 100 + node * 7 % 5).collect();
        let mut sorted = matched.clone();
        sorted.sort_unstable();
        // The highest index that a majority has reached.
        let expected = sorted[(nodes as usize - 1) / 2];
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
            bencher.iter(|| {
                let matched = black_box(&matched);
                let index = commit_index(NodeSet::first(nodes), NodeSet::EMPTY, |node| matched[node.index()]);
                assert_eq!(index, expected);
            });
        });
    }
}

fn log(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log");
    let run = run_of_commands();
    group.throughput(Throughput::Elements(APPENDS * COMMANDS));
    group.bench_function("append", |bencher| {
        bencher.iter_batched_ref(
            || (Log::new(), vec![run.clone(); APPENDS as usize]),
            |(log, runs)| {
                runs.drain(..).for_each(|run| log.append(run, COMMANDS));
                assert_eq!((log.last_index(), log.last_term()), (APPENDS * COMMANDS, 1));
            },
            BatchSize::SmallInput,
        );
    });
    let mut full = Log::new();
    (0..APPENDS).for_each(|_| full.append(run.clone(), COMMANDS));
    group.throughput(Throughput::Elements(APPENDS * COMMANDS - 1));
    group.bench_function("truncate", |bencher| {
        bencher.iter_batched_ref(
            || full.clone(),
            |log| {
                log.truncate_after(1, |_| 1);
                assert_eq!((log.last_index(), log.last_term()), (1, 1));
            },
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("term_at, far from the end", |bencher| {
        bencher.iter(|| assert_eq!(full.term_at(black_box(APPENDS)), Some(1)));
    });
}

type Node = Raft<Digesting>;

/// A follower, and the appends that its leader sends.
fn follower(config: &Config) -> (Node, Effects<Node>, Vec<Message<Bytes>>) {
    let mut effects = Effects::new(Choices::seed(Stream::new(1, 0, 0)));
    let node = Raft::recover(config, NodeId(1), core::iter::empty(), &mut effects);
    effects.clear();
    let run = run_of_commands();
    let appends = (0..APPENDS).map(|append| Message::Append {
        term: 1,
        prev_index: append * COMMANDS,
        prev_term: u64::from(append > 0),
        commit: append * COMMANDS,
        entries: Entries::from(run.clone()),
    });
    (node, effects, appends.collect())
}

/// A follower takes an append, writes it and acknowledges it.
fn step(criterion: &mut Criterion) {
    let config = Config::new(3);
    let mut group = criterion.benchmark_group("step");
    group.throughput(Throughput::Elements(APPENDS));
    group.bench_function("append of 16, acknowledged", |bencher| {
        bencher.iter_batched_ref(
            || follower(&config),
            |(node, effects, appends)| {
                let mut acknowledged = 0;
                for message in appends.drain(..) {
                    node.step(&config, Ticks::ZERO, Input::Message { from: NodeId(0), message }, effects);
                    node.flush(&config, Ticks::ZERO, effects);
                    let mut written: Option<WriteId> = None;
                    for effect in effects.drain() {
                        match effect {
                            Effect::Persist { write, .. } => written = Some(write),
                            Effect::Send { message: Message::Appended { matched, .. }, .. } => {
                                acknowledged = matched;
                            }
                            _ => {}
                        }
                    }
                    let written = written.expect("an append is written");
                    node.step(&config, Ticks::ZERO, Input::Persisted(written), effects);
                    effects.clear();
                }
                assert_eq!(acknowledged, APPENDS * COMMANDS);
                assert_eq!(node.machine().0.commands, (APPENDS - 1) * COMMANDS);
            },
            BatchSize::SmallInput,
        );
    });
}

fn closed_loop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loop, 3 nodes");
    group.throughput(Throughput::Elements(1));
    for (bytes, window) in [(64, 1), (64, 64), (64, 1024), (1024, 1), (1024, 64), (1024, 1024)] {
        let load = Load::new(1, bytes, window);
        group.bench_function(format!("{bytes} B, window {window}"), |bencher| {
            bencher.iter_custom(|commands| {
                time_commits(OurRaft::new, &load, commands).expect("every node applies what was proposed")
            });
        });
    }
}

/// The same loop with every peer that is compiled in; `compare` has them take turns with ours.
fn peers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("peers, 3 nodes");
    group.throughput(Throughput::Elements(1));
    for peer in bench::peers::contestants(false) {
        for window in [1, 64] {
            let load = Load::new(1, 64, window);
            let Implementation { name, settings, .. } = &peer.implementation;
            let name = format!("64 B, window {window}, {name} ({settings})");
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|commands| {
                    peer.time_commits(&load, commands).expect("every node applies what was proposed")
                });
            });
        }
    }
}

criterion_group!(benches, quorum, log, step, closed_loop, peers);
criterion_main!(benches);
