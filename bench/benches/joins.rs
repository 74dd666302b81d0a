//! Fork and join ([`bench::forks`]): what a `join` costs on one thread, beside the same recursion without it; and what
//! two threads make of it. What a `join` costs is the difference to *sequential*. Each benchmark verifies its answer.

use std::hint::black_box;
use std::time::Duration;

use bench::forks::{Joins, Node, contestants, sequential};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FIB: u32 = 30;
const FIB_OF: u64 = 832_040;
const FIB_JOINS: u64 = 1_346_268;
const LAYERS: u32 = 18;
const LOOP: u64 = 10_000;

fn all(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, joins: &mut dyn Joins, tree: &Node) {
    group.throughput(Throughput::Elements(FIB_JOINS));
    group.bench_function(format!("fib/{name}"), |b| {
        b.iter(|| assert_eq!(joins.fib(black_box(FIB)), FIB_OF));
    });
    group.throughput(Throughput::Elements((1 << LAYERS) - 1));
    group.bench_function(format!("tree/{name}"), |b| {
        b.iter(|| assert_eq!(joins.sum(black_box(tree)), (1 << LAYERS) - 1));
    });
    group.throughput(Throughput::Elements(LOOP));
    group.bench_function(format!("loop/{name}"), |b| {
        b.iter(|| assert_eq!(joins.in_a_loop(black_box(LOOP)), LOOP * (LOOP - 1)));
    });
}

fn joins(c: &mut Criterion) {
    let tree = Node::tree(LAYERS);
    let mut group = c.benchmark_group("join");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500));
    all(&mut group, "sequential", &mut *(sequential().start)(1), &tree);
    for threads in [1, 2] {
        for contestant in contestants(true) {
            let what = &contestant.implementation;
            let how = if what.settings.ends_with("with context") { "-with-context" } else { "" };
            let name = format!("{}{how}-{threads}", what.name);
            all(&mut group, &name, &mut *(contestant.start)(threads), &tree);
        }
    }
    group.finish();
}

criterion_group!(benches, joins);
criterion_main!(benches);
