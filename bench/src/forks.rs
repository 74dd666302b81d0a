//! Fork and join: the same recursions on our pool, on others and without any, and what they must come to.
//!
//! | work | is | an operation |
//! |---|---|---|
//! | `fib` | the n-th Fibonacci number by recursion without a cut-off: next to nothing in each join | a join |
//! | `tree` | the sum over a balanced tree that was allocated in preorder, left child first | a node |
//! | `uts` | Unbalanced Tree Search, geometric with fixed branching (T1 at depth 10): some 60 ns of SHA-1 a node, and parts of unknown size | a node |
//! | `loop` | joins of two closures that do next to nothing, one after the other: the worst case for who saves by leaving few jobs | a join |
//!
//! Ours goes by the function that looks for the pool in the thread, as rayon's does; `with context` goes by what
//! closures are given, as chili's scope does. chili runs the second closure first, so that it gets them in the other
//! order.
//!
//! Olivier, Huan, Liu, Prins, Dinan, Sadayappan, Tseng: *UTS: An Unbalanced Tree Search Benchmark*, LCPC 2006.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use reports::artifact::{Implementation, Role};
use sha1::{Digest as _, Sha1};
use swarm_work_stealing::{Context, ThreadPool, ThreadPoolBuilder, join};

/// A tree of ones.
#[derive(Debug)]
pub struct Node {
    pub(crate) value: u64,
    pub(crate) left: Option<Box<Node>>,
    pub(crate) right: Option<Box<Node>>,
}

impl Node {
    /// A balanced tree of so many layers.
    pub fn tree(layers: u32) -> Self {
        let child = || (layers > 1).then(|| Box::new(Node::tree(layers - 1)));
        let (left, right) = (child(), child());
        Node { value: 1, left, right }
    }
}

/// A node of an unbalanced tree: the state of a random stream that splits.
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    state: [u8; 20],
    /// How many levels may be below it.
    levels: u32,
}

impl Seed {
    /// The root of the tree of this number that is at most so many levels deep.
    pub fn root(number: u32, levels: u32) -> Self {
        let mut seed = [0; 20];
        seed[16..].copy_from_slice(&number.to_be_bytes());
        Seed { state: Sha1::digest(seed).into(), levels }
    }

    /// How many children it has: geometric with mean 4, 100 at most.
    pub(crate) fn children(&self) -> u32 {
        if self.levels == 0 {
            return 0;
        }
        let [.., a, b, c, d] = self.state;
        let random = f64::from(u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff) / 2_147_483_648.0;
        let count = ((1.0 - random).ln() / (1.0 - 1.0 / (1.0 + 4.0f64)).ln()).floor();
        count.min(100.0) as u32
    }

    pub(crate) fn child(&self, number: u32) -> Self {
        let hash = Sha1::new().chain_update(self.state).chain_update(number.to_be_bytes());
        Seed { state: hash.finalize().into(), levels: self.levels - 1 }
    }
}

/// The tree T1 of the paper, which has [`T1_NODES`] nodes.
pub fn t1() -> Seed {
    Seed::root(19, 10)
}

/// How many nodes [`t1`] has.
pub const T1_NODES: u64 = 4_130_071;

/// A way to run two closures.
pub trait Joins {
    /// The n-th Fibonacci number.
    fn fib(&mut self, n: u32) -> u64;
    /// The sum over a tree.
    fn sum(&mut self, tree: &Node) -> u64;
    /// How many nodes an unbalanced tree has. Children are halved until there is one.
    fn count(&mut self, root: Seed) -> u64;
    /// The sum over joins of two closures which each return their number.
    fn in_a_loop(&mut self, joins: u64) -> u64;
    /// So many times: how many nanoseconds after a join has begun its second closure begins on another thread, while the
    /// first goes on with joins that do nothing, for a millisecond at most; none if it did not. Before each this thread
    /// is busy by itself for as long as `pause`.
    fn share(&mut self, samples: usize, pause: Duration) -> Vec<Option<u64>>;
}

/// A closure that waits to be taken by another thread.
#[derive(Debug)]
pub struct Offer {
    begun: Instant,
    by: ThreadId,
    taken: AtomicBool,
}

impl Offer {
    /// An offer from now on, after this thread was busy for so long.
    pub fn after(pause: Duration) -> Self {
        let resting = Instant::now();
        while resting.elapsed() < pause {
            std::hint::spin_loop();
        }
        Offer { begun: Instant::now(), by: thread::current().id(), taken: AtomicBool::new(false) }
    }

    /// Whether it still waits, and not for too long.
    pub fn is_open(&self) -> bool {
        // Relaxed: a hint.
        !self.taken.load(Ordering::Relaxed) && self.begun.elapsed() < Duration::from_millis(1)
    }

    /// The closure: after how many nanoseconds it has begun, if on another thread.
    pub fn take(&self) -> Option<u64> {
        let after = self.begun.elapsed();
        self.taken.store(true, Ordering::Relaxed);
        (thread::current().id() != self.by).then_some(after.as_nanos() as u64)
    }
}

/// No pool at all.
#[derive(Debug)]
pub struct Sequential;

impl Joins for Sequential {
    fn fib(&mut self, n: u32) -> u64 {
        fn fib(n: u32) -> u64 {
            if n < 2 { n.into() } else { fib(n - 1) + fib(n - 2) }
        }
        fib(n)
    }

    fn sum(&mut self, tree: &Node) -> u64 {
        fn sum(node: &Node) -> u64 {
            node.value + node.left.as_deref().map_or(0, sum) + node.right.as_deref().map_or(0, sum)
        }
        sum(tree)
    }

    fn count(&mut self, root: Seed) -> u64 {
        fn count(node: Seed) -> u64 {
            1 + (0..node.children()).map(|number| count(node.child(number))).sum::<u64>()
        }
        count(root)
    }

    fn in_a_loop(&mut self, joins: u64) -> u64 {
        (0..joins).map(|i| black_box(i) + black_box(i)).sum()
    }

    fn share(&mut self, _samples: usize, _pause: Duration) -> Vec<Option<u64>> {
        Vec::new()
    }
}

/// Our pool, by the function that looks for it.
#[derive(Debug)]
pub struct Ours(ThreadPool);

/// Our pool, by what closures are given.
#[derive(Debug)]
pub struct WithContext(ThreadPool);

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
}

impl Ours {
    /// A pool of so many threads.
    ///
    /// # Panics
    /// If threads cannot be started.
    pub fn new(threads: usize) -> Self {
        Ours(pool(threads))
    }
}

impl WithContext {
    /// A pool of so many threads.
    ///
    /// # Panics
    /// If threads cannot be started.
    pub fn new(threads: usize) -> Self {
        WithContext(pool(threads))
    }
}

impl Joins for Ours {
    fn fib(&mut self, n: u32) -> u64 {
        fn fib(n: u32) -> u64 {
            if n < 2 {
                return n.into();
            }
            let (a, b) = join(move || fib(n - 1), move || fib(n - 2));
            a + b
        }
        self.0.install(|| fib(n))
    }

    fn sum(&mut self, tree: &Node) -> u64 {
        fn sum(node: &Node) -> u64 {
            let (a, b) =
                join(|| node.left.as_deref().map_or(0, sum), || node.right.as_deref().map_or(0, sum));
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
                    let (a, b) = join(|| children(node, from, middle), || children(node, middle, to));
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
        self.0
            .install(|| (0..joins).map(|i| join(|| black_box(i), || black_box(i))).map(|(a, b)| a + b).sum())
    }

    fn share(&mut self, samples: usize, pause: Duration) -> Vec<Option<u64>> {
        let one = |_| {
            let offer = Offer::after(pause);
            let first = || {
                while offer.is_open() {
                    join(|| (), || ());
                }
            };
            join(first, || offer.take()).1
        };
        self.0.install(|| (0..samples).map(one).collect())
    }
}

impl Joins for WithContext {
    fn fib(&mut self, n: u32) -> u64 {
        fn fib(context: Context<'_>, n: u32) -> u64 {
            if n < 2 {
                return n.into();
            }
            let (a, b) = context.join(move |context| fib(context, n - 1), move |context| fib(context, n - 2));
            a + b
        }
        self.0.install_context(|context| fib(context, n))
    }

    fn sum(&mut self, tree: &Node) -> u64 {
        fn sum(context: Context<'_>, node: &Node) -> u64 {
            let (a, b) = context.join(
                |context| node.left.as_deref().map_or(0, |node| sum(context, node)),
                |context| node.right.as_deref().map_or(0, |node| sum(context, node)),
            );
            node.value + a + b
        }
        self.0.install_context(|context| sum(context, tree))
    }

    fn count(&mut self, root: Seed) -> u64 {
        fn children(context: Context<'_>, node: &Seed, from: u32, to: u32) -> u64 {
            match to - from {
                0 => 0,
                1 => count(context, node.child(from)),
                more => {
                    let middle = from + more / 2;
                    let (a, b) = context.join(
                        |context| children(context, node, from, middle),
                        |context| children(context, node, middle, to),
                    );
                    a + b
                }
            }
        }
        fn count(context: Context<'_>, node: Seed) -> u64 {
            1 + children(context, &node, 0, node.children())
        }
        self.0.install_context(|context| count(context, root))
    }

    fn in_a_loop(&mut self, joins: u64) -> u64 {
        self.0.install_context(|context| {
            let both = |i| context.join(move |_| black_box(i), move |_| black_box(i));
            (0..joins).map(both).map(|(a, b)| a + b).sum()
        })
    }

    fn share(&mut self, samples: usize, pause: Duration) -> Vec<Option<u64>> {
        self.0.install_context(|context| {
            let one = |_| {
                let offer = Offer::after(pause);
                let first = |context: Context<'_>| {
                    while offer.is_open() {
                        context.join(|_| (), |_| ());
                    }
                };
                context.join(first, |_| offer.take()).1
            };
            (0..samples).map(one).collect()
        })
    }
}

/// A way to run closures, and what it is.
#[expect(missing_debug_implementations, reason = "it holds pools")]
pub struct Contestant<W: ?Sized = dyn Joins> {
    /// Its name and version.
    pub implementation: Implementation,
    /// A pool of so many threads.
    pub start: fn(usize) -> Box<W>,
}

pub(crate) fn contestant<W: ?Sized>(
    role: Role,
    name: &str,
    version: &str,
    how: &str,
    start: fn(usize) -> Box<W>,
) -> Contestant<W> {
    Contestant { implementation: Implementation::new(role, name, version, how), start }
}

/// What does the work without a pool: the same on any number of threads.
pub fn sequential() -> Contestant {
    contestant(Role::Floor, "sequential", env!("CARGO_PKG_VERSION"), "plain recursion", |_| {
        Box::new(Sequential)
    })
}

/// Ours, and the peers that are compiled in.
pub fn contestants(with_peers: bool) -> Vec<Contestant> {
    let version = env!("CARGO_PKG_VERSION");
    #[allow(unused_mut, reason = "without a peer there is nothing to add")]
    let mut all: Vec<Contestant> = vec![
        contestant(Role::Ours, "swarm-work-stealing", version, "join", |threads| {
            Box::new(Ours::new(threads))
        }),
        contestant(Role::Ours, "swarm-work-stealing", version, "join with context", |threads| {
            Box::new(WithContext::new(threads))
        }),
    ];
    if with_peers {
        #[cfg(feature = "peer-rayon")]
        all.push(contestant(Role::Peer, "rayon-core", "1.13", "join", |threads| {
            Box::new(crate::peers::rayon::Rayon::new(threads))
        }));
        #[cfg(feature = "peer-chili")]
        all.push(contestant(Role::Peer, "chili", "0.2", "join on a scope, usual heartbeat", |threads| {
            Box::new(crate::peers::chili::Chili::new(threads))
        }));
    }
    let _ = with_peers;
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_comes_to_the_same_on_one_thread_and_on_two() {
        let tree = Node::tree(10);
        let root = Seed::root(19, 5);
        let mut plain = Sequential;
        let expected = (plain.fib(16), plain.sum(&tree), plain.count(root), plain.in_a_loop(50));
        assert_eq!(expected, (987, 1_023, 3_987, 2_450));
        for contestant in contestants(true) {
            for threads in [1, 2] {
                let mut joins = (contestant.start)(threads);
                let came_to = (joins.fib(16), joins.sum(&tree), joins.count(root), joins.in_a_loop(50));
                assert_eq!(came_to, expected, "{} on {threads}", contestant.implementation.name);
            }
        }
    }
}
