//! rayon's pool, by `join` and `spawn` of rayon-core: no iterators, no cut-offs.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::forks::{Joins, Node, Offer, Seed};
use crate::spawns::Spawns;

/// rayon's pool.
#[derive(Debug)]
pub struct Rayon(rayon_core::ThreadPool);

impl Rayon {
    /// A pool of so many threads.
    ///
    /// # Panics
    /// If threads cannot be started.
    pub fn new(threads: usize) -> Self {
        let pool = rayon_core::ThreadPoolBuilder::new().num_threads(threads).build();
        Rayon(pool.expect("threads can be started"))
    }
}

impl Joins for Rayon {
    fn fib(&mut self, n: u32) -> u64 {
        fn fib(n: u32) -> u64 {
            if n < 2 {
                return n.into();
            }
            let (a, b) = rayon_core::join(move || fib(n - 1), move || fib(n - 2));
            a + b
        }
        self.0.install(|| fib(n))
    }

    fn sum(&mut self, tree: &Node) -> u64 {
        fn sum(node: &Node) -> u64 {
            let (a, b) = rayon_core::join(
                || node.left.as_deref().map_or(0, sum),
                || node.right.as_deref().map_or(0, sum),
            );
            node.value + a + b
        }
        self.0.install(|| sum(tree))
    }

    fn count(&mut self, root: Seed) -> u64 {
        fn children(node: &Seed, from: u32, to: u32) -> u64 {
            match to - from {
                0 => 0,
                1 => count(node.child(from)),
                more => {
                    let middle = from + more / 2;
                    let (a, b) =
                        rayon_core::join(|| children(node, from, middle), || children(node, middle, to));
                    a + b
                }
            }
        }
        fn count(node: Seed) -> u64 {
            1 + children(&node, 0, node.children())
        }
        self.0.install(|| count(root))
    }

    fn in_a_loop(&mut self, joins: u64) -> u64 {
        let both = |i| rayon_core::join(|| black_box(i), || black_box(i));
        self.0.install(|| (0..joins).map(both).map(|(a, b)| a + b).sum())
    }

    fn share(&mut self, samples: usize, pause: Duration) -> Vec<Option<u64>> {
        let one = |_| {
            let offer = Offer::after(pause);
            let first = || {
                while offer.is_open() {
                    rayon_core::join(|| (), || ());
                }
            };
            rayon_core::join(first, || offer.take()).1
        };
        self.0.install(|| (0..samples).map(one).collect())
    }
}

impl Spawns for Rayon {
    fn spawned(&mut self, jobs: u64) -> u64 {
        let sum = AtomicU64::new(0);
        self.0.scope(|scope| {
            for number in 0..jobs {
                let sum = &sum;
                scope.spawn(move |_| {
                    sum.fetch_add(number, Ordering::Relaxed);
                });
            }
        });
        sum.into_inner()
    }
}
