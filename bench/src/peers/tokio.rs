//! tokio's scheduler of several threads, through its public interface: tasks that never wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::tokio::runtime::{Builder, Runtime};
use ::tokio::spawn;

use crate::spawns::Spawns;

/// tokio's scheduler.
#[derive(Debug)]
pub struct Tokio(Runtime);

impl Tokio {
    /// A runtime of so many workers.
    ///
    /// # Panics
    /// If threads cannot be started.
    pub fn new(threads: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(threads).build();
        Tokio(runtime.expect("threads can be started"))
    }
}

impl Spawns for Tokio {
    fn spawned(&mut self, jobs: u64) -> u64 {
        let sum = Arc::new(AtomicU64::new(0));
        // On a worker, whose queue is its own: what is spawned elsewhere goes through a lock.
        let all = {
            let sum = sum.clone();
            async move {
                let one = |number| {
                    let sum = sum.clone();
                    spawn(async move {
                        sum.fetch_add(number, Ordering::Relaxed);
                    })
                };
                let handles: Vec<_> = (0..jobs).map(one).collect();
                for handle in handles {
                    handle.await.expect("jobs do not panic");
                }
            }
        };
        self.0.block_on(async { spawn(all).await.expect("jobs do not panic") });
        sum.load(Ordering::Relaxed)
    }
}
