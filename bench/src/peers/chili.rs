//! chili's pool, by `join` on a scope, with its usual heartbeat. It runs the second closure first: closures change places.

use std::hint::black_box;
use std::time::Duration;

use crate::forks::{Joins, Node, Offer, Seed};

/// chili's pool.
#[expect(missing_debug_implementations, reason = "chili's pool has none")]
pub struct Chili(chili::ThreadPool);

impl Chili {
    /// A pool of so many threads, the caller's among them.
    pub fn new(threads: usize) -> Self {
        let thread_count = std::num::NonZero::new(threads);
        Chili(chili::ThreadPool::with_config(chili::Config { thread_count, ..chili::Config::default() }))
    }
}

impl Joins for Chili {
    fn fib(&mut self, n: u32) -> u64 {
        fn fib(scope: &mut chili::Scope<'_>, n: u32) -> u64 {
            if n < 2 {
                return n.into();
            }
            let (a, b) = scope.join(move |scope| fib(scope, n - 2), move |scope| fib(scope, n - 1));
            a + b
        }
        fib(&mut self.0.scope(), n)
    }

    fn sum(&mut self, tree: &Node) -> u64 {
        fn sum(scope: &mut chili::Scope<'_>, node: &Node) -> u64 {
            let (a, b) = scope.join(
                |scope| node.right.as_deref().map_or(0, |node| sum(scope, node)),
                |scope| node.left.as_deref().map_or(0, |node| sum(scope, node)),
            );
            node.value + a + b
        }
        sum(&mut self.0.scope(), tree)
    }

    fn count(&mut self, root: Seed) -> u64 {
        fn children(scope: &mut chili::Scope<'_>, node: &Seed, from: u32, to: u32) -> u64 {
            match to - from {
                0 => 0,
                1 => count(scope, node.child(from)),
                more => {
                    let middle = from + more / 2;
                    let (a, b) = scope.join(
                        |scope| children(scope, node, middle, to),
                        |scope| children(scope, node, from, middle),
                    );
                    a + b
                }
            }
        }
        fn count(scope: &mut chili::Scope<'_>, node: Seed) -> u64 {
            1 + children(scope, &node, 0, node.children())
        }
        count(&mut self.0.scope(), root)
    }

    fn in_a_loop(&mut self, joins: u64) -> u64 {
        let mut scope = self.0.scope();
        let both = |i| scope.join(|_| black_box(i), |_| black_box(i));
        (0..joins).map(both).map(|(a, b)| a + b).sum()
    }

    fn share(&mut self, samples: usize, pause: Duration) -> Vec<Option<u64>> {
        let mut scope = self.0.scope();
        let one = |_| {
            let offer = Offer::after(pause);
            let first = |scope: &mut chili::Scope<'_>| {
                while offer.is_open() {
                    scope.join(|_| (), |_| ());
                }
            };
            scope.join(|_| offer.take(), first).0
        };
        (0..samples).map(one).collect()
    }
}
