//! The pool as its users see it.

mod cilk;
mod in_place;
mod lane;
mod panics;
mod pools;
mod trees;
mod uts;
mod yields;

use swarm_work_stealing::{ThreadPool, ThreadPoolBuilder};

use super::sized;

/// A pool of so many threads.
fn pool(num_threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(num_threads).build().expect("threads can be started")
}

/// Pools of one to four threads, with few jobs left for others and with all of them.
fn pools() -> impl Iterator<Item = ThreadPool> {
    let all =
        || (1..=4).flat_map(|num_threads| [1, 4, usize::MAX].map(|queued_max| (num_threads, queued_max)));
    let few = [(1, usize::MAX), (2, 1)];
    all().filter(move |kind| !cfg!(miri) || few.contains(kind)).map(|(num_threads, queued_max)| {
        let builder = ThreadPoolBuilder::new().num_threads(num_threads).queued_max(queued_max);
        builder.build().expect("threads can be started")
    })
}
