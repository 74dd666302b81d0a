//! How long the search for an order of a history takes: every simulation pays it once a run.
//!
//! The histories are those of clients that always have an operation under way, at a key-value store that
//! takes each at some moment between its invocation and its answer: as much overlap as so many clients can
//! have. In the corrupted one a single answer, after nine tenths, is another. Each benchmark verifies its
//! verdict.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use swarm_protocol::{Specification, Stream, Ticks};
use swarm_raft::{KvAnswer, KvOp, KvSpec};
use swarm_simulator::history::{Call, History};
use swarm_simulator::linearizability::{self, Verdict};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What to search.
#[derive(Clone, Copy)]
struct Shape {
    operations: u64,
    clients: u32,
    keys: u64,
    corrupted: bool,
}

const SHAPES: [Shape; 5] = [
    Shape { operations: 10_000, clients: 8, keys: 1, corrupted: false },
    Shape { operations: 10_000, clients: 8, keys: 1, corrupted: true },
    Shape { operations: 100_000, clients: 16, keys: 1, corrupted: false },
    Shape { operations: 100_000, clients: 16, keys: 1, corrupted: true },
    Shape { operations: 1_000_000, clients: 16, keys: 100, corrupted: false },
];

/// Where a client's operation stands.
enum Under {
    Way(KvOp, Call),
    Done(KvAnswer, Call),
}

impl Shape {
    fn name(self) -> String {
        let Shape { operations, clients, keys, corrupted } = self;
        let spoilt = if corrupted { "-corrupted" } else { "" };
        format!("{operations}-operations-{clients}-clients-{keys}-keys{spoilt}")
    }

    fn history(self) -> History<KvSpec> {
        let mut draw = Stream::new(7, 0, 0);
        let (mut history, mut state) = (History::new(), Vec::new());
        let mut clients: Vec<Option<Under>> = (0..self.clients).map(|_| None).collect();
        let (mut invoked, mut returned) = (0, 0);
        for now in 0.. {
            if returned == self.operations {
                break;
            }
            let client = draw.below(u64::from(self.clients)) as usize;
            clients[client] = match clients[client].take() {
                None if invoked == self.operations => None,
                None => {
                    invoked += 1;
                    let op = operation(&mut draw, self.keys);
                    let call = history.invoke(client as u32, Ticks(now), op);
                    Some(Under::Way(op, call))
                }
                Some(Under::Way(op, call)) => Some(Under::Done(KvSpec::apply(&mut state, &op), call)),
                Some(Under::Done(answer, call)) => {
                    returned += 1;
                    let spoilt = self.corrupted && returned == self.operations * 9 / 10;
                    history.complete(call, Ticks(now), if spoilt { IMPOSSIBLE } else { answer });
                    None
                }
            };
        }
        history
    }
}

/// No client ever writes this.
const IMPOSSIBLE: KvAnswer = KvAnswer::Value(Some(u64::MAX));

fn operation(draw: &mut Stream, keys: u64) -> KvOp {
    let (key, old, new) = (draw.below(keys) as u16, draw.below(5), draw.below(5));
    match draw.below(3) {
        0 => KvOp::Get(key),
        1 => KvOp::Put(key, new),
        _ => KvOp::Cas(key, old, new),
    }
}

fn search(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("linearizability");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for shape in SHAPES {
        let history = shape.history();
        group.throughput(Throughput::Elements(shape.operations));
        group.bench_function(BenchmarkId::from_parameter(shape.name()), |bencher| {
            bencher.iter(|| {
                let verdict = linearizability::check(black_box(&history));
                let violated = matches!(verdict, Verdict::Violated(_));
                assert!(violated == shape.corrupted && verdict != Verdict::Undecided, "{verdict:?}");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, search);
criterion_main!(benches);
