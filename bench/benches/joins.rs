//! Fork and join: what a `join` costs on one thread, beside the same recursion without it; and what two threads
//! make of it.
//!
//! - *fib*: the thirtieth Fibonacci number by recursion without a cut-off, 1,346,268 joins with next to nothing
//!   in each; per join. What a `join` costs is the difference to *sequential*.
//! - *tree*: the sum over a balanced tree of 2^18 − 1 nodes that was allocated in preorder, left child first;
//!   per node.
//! - *loop*: joins of two closures that do next to nothing, one after the other; per join. The worst case for
//!   those who save by leaving few jobs.
//!
//! Ours goes by the context that closures are given, and again (*free*) by the function that looks for it in the
//! thread, as rayon's does. With the features `peer-rayon` and `peer-chili` the peers do the same. chili runs the
//! second closure first, so that it gets them in the other order. Each benchmark verifies its answer.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use swarm_work_stealing::{Context, ThreadPool, ThreadPoolBuilder, join};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FIB: u32 = 30;
const FIB_OF: u64 = 832_040;
const FIB_JOINS: u64 = 1_346_268;
const LAYERS: u32 = 18;
const LOOP: u64 = 10_000;

struct Node {
    value: u64,
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
}

impl Node {
    fn tree(layers: u32) -> Self {
        let child = || (layers > 1).then(|| Box::new(Node::tree(layers - 1)));
        let (left, right) = (child(), child());
        Node { value: 1, left, right }
    }
}

/// A way to run two closures.
trait Joins {
    fn fib(&self, n: u32) -> u64;
    fn sum(&self, tree: &Node) -> u64;
    /// Joins of two closures which each return their number.
    fn in_a_loop(&self, joins: u64) -> u64;
}

struct Sequential;

impl Joins for Sequential {
    fn fib(&self, n: u32) -> u64 {
        fn fib(n: u32) -> u64 {
            if n < 2 { n.into() } else { fib(n - 1) + fib(n - 2) }
        }
        fib(n)
    }

    fn sum(&self, tree: &Node) -> u64 {
        fn sum(node: &Node) -> u64 {
            node.value + node.left.as_deref().map_or(0, sum) + node.right.as_deref().map_or(0, sum)
        }
        sum(tree)
    }

    fn in_a_loop(&self, joins: u64) -> u64 {
        (0..joins).map(|i| black_box(i) + black_box(i)).sum()
    }
}

struct Ours(ThreadPool);

fn pool(num_threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(num_threads).build().expect("threads can be started")
}

impl Joins for Ours {
    fn fib(&self, n: u32) -> u64 {
        fn fib(context: Context<'_>, n: u32) -> u64 {
            if n < 2 {
                return n.into();
            }
            let (a, b) = context.join(move |context| fib(context, n - 1), move |context| fib(context, n - 2));
            a + b
        }
        self.0.install_context(|context| fib(context, n))
    }

    fn sum(&self, tree: &Node) -> u64 {
        fn sum(context: Context<'_>, node: &Node) -> u64 {
            let (a, b) = context.join(
                |context| node.left.as_deref().map_or(0, |node| sum(context, node)),
                |context| node.right.as_deref().map_or(0, |node| sum(context, node)),
            );
            node.value + a + b
        }
        self.0.install_context(|context| sum(context, tree))
    }

    fn in_a_loop(&self, joins: u64) -> u64 {
        self.0.install_context(|context| {
            let both = |i| context.join(move |_| black_box(i), move |_| black_box(i));
            (0..joins).map(both).map(|(a, b)| a + b).sum()
        })
    }
}

struct Free(ThreadPool);

impl Joins for Free {
    fn fib(&self, n: u32) -> u64 {
        fn fib(n: u32) -> u64 {
            if n < 2 {
                return n.into();
            }
            let (a, b) = join(move || fib(n - 1), move || fib(n - 2));
            a + b
        }
        self.0.install(|| fib(n))
    }

    fn sum(&self, tree: &Node) -> u64 {
        fn sum(node: &Node) -> u64 {
            let (a, b) =
                join(|| node.left.as_deref().map_or(0, sum), || node.right.as_deref().map_or(0, sum));
            node.value + a + b
        }
        self.0.install(|| sum(tree))
    }

    fn in_a_loop(&self, joins: u64) -> u64 {
        self.0
            .install(|| (0..joins).map(|i| join(|| black_box(i), || black_box(i))).map(|(a, b)| a + b).sum())
    }
}

#[cfg(feature = "peer-rayon")]
struct Rayon(rayon_core::ThreadPool);

#[cfg(feature = "peer-rayon")]
impl Joins for Rayon {
    fn fib(&self, n: u32) -> u64 {
        fn fib(n: u32) -> u64 {
            if n < 2 {
                return n.into();
            }
            let (a, b) = rayon_core::join(move || fib(n - 1), move || fib(n - 2));
            a + b
        }
        self.0.install(|| fib(n))
    }

    fn sum(&self, tree: &Node) -> u64 {
        fn sum(node: &Node) -> u64 {
            let (a, b) = rayon_core::join(
                || node.left.as_deref().map_or(0, sum),
                || node.right.as_deref().map_or(0, sum),
            );
            node.value + a + b
        }
        self.0.install(|| sum(tree))
    }

    fn in_a_loop(&self, joins: u64) -> u64 {
        let both = |i| rayon_core::join(|| black_box(i), || black_box(i));
        self.0.install(|| (0..joins).map(both).map(|(a, b)| a + b).sum())
    }
}

#[cfg(feature = "peer-chili")]
struct Chili(chili::ThreadPool);

#[cfg(feature = "peer-chili")]
impl Joins for Chili {
    fn fib(&self, n: u32) -> u64 {
        fn fib(scope: &mut chili::Scope<'_>, n: u32) -> u64 {
            if n < 2 {
                return n.into();
            }
            let (a, b) = scope.join(move |scope| fib(scope, n - 2), move |scope| fib(scope, n - 1));
            a + b
        }
        fib(&mut self.0.scope(), n)
    }

    fn sum(&self, tree: &Node) -> u64 {
        fn sum(scope: &mut chili::Scope<'_>, node: &Node) -> u64 {
            let (a, b) = scope.join(
                |scope| node.right.as_deref().map_or(0, |node| sum(scope, node)),
                |scope| node.left.as_deref().map_or(0, |node| sum(scope, node)),
            );
            node.value + a + b
        }
        sum(&mut self.0.scope(), tree)
    }

    fn in_a_loop(&self, joins: u64) -> u64 {
        let mut scope = self.0.scope();
        let both = |i| scope.join(|_| black_box(i), |_| black_box(i));
        (0..joins).map(both).map(|(a, b)| a + b).sum()
    }
}

fn all(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, joins: &impl Joins, tree: &Node) {
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
    all(&mut group, "sequential", &Sequential, &tree);
    for threads in [1, 2] {
        all(&mut group, &format!("ours-{threads}"), &Ours(pool(threads)), &tree);
        all(&mut group, &format!("ours-free-{threads}"), &Free(pool(threads)), &tree);
        #[cfg(feature = "peer-rayon")]
        {
            let pool = rayon_core::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.expect("threads can be started");
            all(&mut group, &format!("rayon-{threads}"), &Rayon(pool), &tree);
        }
        #[cfg(feature = "peer-chili")]
        {
            let config =
                chili::Config { thread_count: std::num::NonZero::new(threads), ..chili::Config::default() };
            all(
                &mut group,
                &format!("chili-{threads}"),
                &Chili(chili::ThreadPool::with_config(config)),
                &tree,
            );
        }
    }
    group.finish();
}

criterion_group!(benches, joins);
criterion_main!(benches);
