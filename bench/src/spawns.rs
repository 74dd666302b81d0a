//! Spawned jobs: what it costs to leave many small ones to a pool and to wait for all of them.
//!
//! One thread of the pool spawns them one after the other, each a closure of its own memory that adds its number to a
//! sum; the others steal. Where there is no pool, each is called as soon as it is made. tokio is here and not among the
//! [joins](crate::forks), since it has none: what it spawns are futures, which it can suspend, and for each of which it
//! can tell who waits what it came to; none of that is wanted here.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use reports::artifact::Role;
use swarm_work_stealing::{ThreadPool, ThreadPoolBuilder};

use crate::forks::{Contestant, contestant};

/// A way to spawn jobs.
pub trait Spawns {
    /// The sum over so many jobs which each add their number.
    fn spawned(&mut self, jobs: u64) -> u64;
}

/// No pool at all.
#[derive(Debug)]
pub struct AtOnce;

impl Spawns for AtOnce {
    fn spawned(&mut self, jobs: u64) -> u64 {
        let sum = AtomicU64::new(0);
        for number in 0..jobs {
            let job: Box<dyn FnOnce() -> u64 + '_> = Box::new(|| sum.fetch_add(number, Ordering::Relaxed));
            black_box(job)();
        }
        sum.into_inner()
    }
}

/// Our pool, by a scope.
#[derive(Debug)]
pub struct Ours(ThreadPool);

impl Ours {
    /// A pool of so many threads.
    ///
    /// # Panics
    /// If threads cannot be started.
    pub fn new(threads: usize) -> Self {
        Ours(ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started"))
    }
}

impl Spawns for Ours {
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

/// What runs the jobs without a pool: the same on any number of threads.
pub fn at_once() -> Contestant<dyn Spawns> {
    let how = "each closure called as soon as it is made";
    contestant(Role::Floor, "at once", env!("CARGO_PKG_VERSION"), how, |_| Box::new(AtOnce))
}

/// Ours, and the peers that are compiled in.
pub fn contestants(with_peers: bool) -> Vec<Contestant<dyn Spawns>> {
    let version = env!("CARGO_PKG_VERSION");
    #[allow(unused_mut, reason = "without a peer there is nothing to add")]
    let mut all: Vec<Contestant<dyn Spawns>> =
        vec![contestant(Role::Ours, "swarm-work-stealing", version, "spawn on a scope", |threads| {
            Box::new(Ours::new(threads))
        })];
    if with_peers {
        #[cfg(feature = "peer-rayon")]
        all.push(contestant(Role::Peer, "rayon-core", "1.13", "spawn on a scope", |threads| {
            Box::new(crate::peers::rayon::Rayon::new(threads))
        }));
        #[cfg(feature = "peer-tokio")]
        all.push(contestant(
            Role::Peer,
            "tokio",
            "1",
            "spawn from a worker, all handles awaited",
            |threads| Box::new(crate::peers::tokio::Tokio::new(threads)),
        ));
    }
    let _ = with_peers;
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_runs_each_job_once_on_one_thread_and_on_two() {
        assert_eq!(AtOnce.spawned(100), 4_950);
        for contestant in contestants(true) {
            for threads in [1, 2] {
                let sum = (contestant.start)(threads).spawned(100);
                assert_eq!(sum, 4_950, "{} on {threads}", contestant.implementation.name);
            }
        }
    }
}
