//! How fast simulated time passes: steps per second, with every invariant judged and with none.
//!
//! Each iteration runs the same seeds of Raft, five nodes under every fault that a crash-tolerant protocol
//! must survive, from boot to healing and progress. What judging costs is the difference between the two.
//! The runs verify themselves: a violation ends the benchmark, and with or without judges the seeds must
//! come to the same digest.

use std::hint::black_box;
use std::time::Duration;

use bench::clock::thread_cpu;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use swarm_protocol::Stream;
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, Kv, KvOp, Raft};
use swarm_simulator::profile::Profile;
use swarm_simulator::simulation::{Run, Simulation};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NODES: u32 = 5;
const SEEDS: u64 = 40;

/// Half reads, half writes, on three keys.
fn operation(draw: &mut Stream) -> KvOp {
    let key = draw.below(3) as u16;
    if draw.below(2) == 0 { KvOp::Get(key) } else { KvOp::Put(key, draw.below(6)) }
}

fn runs(profile: Profile, judged: bool) -> Vec<Run> {
    let mut simulation =
        Simulation::<Raft<Kv>, RaftProperties>::new(Config::new(NODES), NODES, operation).profile(profile);
    simulation.judged = judged;
    let runs: Vec<Run> = (0..SEEDS).map(|seed| simulation.run(seed)).collect();
    for run in &runs {
        assert_eq!(run.violation, None, "seed {}", run.seed);
    }
    runs
}

/// CPU time of this thread, which a busy machine leaves as it is.
fn cpu_of(times: u64, profile: Profile, judged: bool) -> Duration {
    let begun = thread_cpu();
    for _ in 0..times {
        black_box(runs(profile, judged));
    }
    thread_cpu().saturating_sub(begun)
}

fn simulator(criterion: &mut Criterion) {
    for profile in [Profile::CALM, Profile::EVERYTHING] {
        let (judged, unjudged) = (runs(profile, true), runs(profile, false));
        let digests = |runs: &[Run]| runs.iter().map(|run| run.digest).collect::<Vec<_>>();
        assert_eq!(digests(&judged), digests(&unjudged), "judging changes no run");
        let steps: u64 = judged.iter().map(|run| run.steps).sum();
        let virtual_s: f64 = judged.iter().map(|run| run.time.as_micros() as f64 / 1e6).sum();
        let mut group = criterion.benchmark_group(format!("simulator/{profile}"));
        group.sample_size(10).measurement_time(Duration::from_secs(5));
        for (name, judged) in [("judged", true), ("unjudged", false)] {
            group.throughput(Throughput::Elements(steps));
            group.bench_function(format!("{name}/steps"), |bencher| {
                bencher.iter_custom(|times| cpu_of(times, profile, judged));
            });
        }
        // The same runs, counted in seconds of virtual time: what criterion prints as elements per second is
        // how many times as fast as real time they are. Times are CPU times of the thread.
        group.throughput(Throughput::Elements(virtual_s.round() as u64));
        for (name, judged) in [("judged", true), ("unjudged", false)] {
            group.bench_function(format!("{name}/virtual-seconds"), |bencher| {
                bencher.iter_custom(|times| cpu_of(times, profile, judged));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, simulator);
criterion_main!(benches);
