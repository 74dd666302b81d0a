//! How fast simulated time passes: steps per second, with every invariant judged and with none.
//!
//! Each iteration runs the same seeds of Raft, five nodes under every fault that a crash-tolerant protocol
//! must survive, or under none, from boot to healing and progress; and a lightly loaded cluster for ten
//! minutes of virtual time. What judging costs is the difference between the two.
//! The runs verify themselves: a violation ends the benchmark, and with or without judges the seeds must
//! come to the same digest.

use std::hint::black_box;
use std::time::Duration;

use bench::clock::thread_cpu;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use swarm_protocol::{Stream, Ticks};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, Kv, KvOp, Raft};
use swarm_simulator::profile::{Profile, Span};
use swarm_simulator::simulation::{Run, Simulation};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NODES: u32 = 5;

/// Half reads, half writes, on three keys.
fn operation(draw: &mut Stream) -> KvOp {
    let key = draw.below(3) as u16;
    if draw.below(2) == 0 { KvOp::Get(key) } else { KvOp::Put(key, draw.below(6)) }
}

/// What is simulated.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    profile: Profile,
    /// Clients in a closed loop that hardly pause; or else a single one that asks about once a second, for
    /// ten minutes, so that most of what happens is heartbeats.
    busy: bool,
    seeds: u64,
}

const SHAPES: [Shape; 3] = [
    Shape { name: "calm", profile: Profile::CALM, busy: true, seeds: 40 },
    Shape { name: "everything", profile: Profile::EVERYTHING, busy: true, seeds: 40 },
    Shape { name: "calm-lightly-loaded", profile: Profile::CALM, busy: false, seeds: 4 },
];

fn runs(shape: Shape, judged: bool) -> Vec<Run> {
    let mut simulation = Simulation::<Raft<Kv>, RaftProperties>::new(Config::new(NODES), NODES, operation)
        .profile(shape.profile);
    simulation.judged = judged;
    if !shape.busy {
        simulation.clients = 1..=1;
        simulation.pace.think = Span::micros(500_000, 1_500_000);
        simulation.pace.faults = Ticks::from_millis(600_000);
        (simulation.operations_min, simulation.operations_max) = (10_000, 10_000);
    }
    let runs: Vec<Run> = (0..shape.seeds).map(|seed| simulation.run(seed)).collect();
    for run in &runs {
        assert_eq!(run.violation, None, "seed {}", run.seed);
    }
    runs
}

/// CPU time of this thread, which a busy machine leaves as it is.
fn cpu_of(times: u64, shape: Shape, judged: bool) -> Duration {
    let begun = thread_cpu();
    for _ in 0..times {
        black_box(runs(shape, judged));
    }
    thread_cpu().saturating_sub(begun)
}

fn simulator(criterion: &mut Criterion) {
    for shape in SHAPES {
        let (judged, unjudged) = (runs(shape, true), runs(shape, false));
        let digests = |runs: &[Run]| runs.iter().map(|run| run.digest).collect::<Vec<_>>();
        assert_eq!(digests(&judged), digests(&unjudged), "judging changes no run");
        let steps: u64 = judged.iter().map(|run| run.steps).sum();
        let virtual_s: f64 = judged.iter().map(|run| run.time.as_micros() as f64 / 1e6).sum();
        let mut group = criterion.benchmark_group(format!("simulator/{}", shape.name));
        group.sample_size(10).measurement_time(Duration::from_secs(5));
        for (name, judged) in [("judged", true), ("unjudged", false)] {
            group.throughput(Throughput::Elements(steps));
            group.bench_function(format!("{name}/steps"), |bencher| {
                bencher.iter_custom(|times| cpu_of(times, shape, judged));
            });
        }
        // The same runs, counted in seconds of virtual time: what criterion prints as elements per second is
        // how many times as fast as real time they are. Times are CPU times of the thread.
        group.throughput(Throughput::Elements(virtual_s.round() as u64));
        for (name, judged) in [("judged", true), ("unjudged", false)] {
            group.bench_function(format!("{name}/virtual-seconds"), |bencher| {
                bencher.iter_custom(|times| cpu_of(times, shape, judged));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, simulator);
criterion_main!(benches);
