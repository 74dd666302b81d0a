//! The root of a crate that has swarm-work-stealing's names where rayon-core's unit tests look for rayon-core's. It is
//! put beside those tests in a generated workspace (`drop_in.rs`), which verifies it.

#![cfg(test)]
#![allow(unused)]

// Which is called as the peer is here.
pub use rayon_core::{
    Scope, ScopeFifo, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder, broadcast, current_num_threads,
    current_thread_index, join, join_context, scope, scope_fifo, spawn, spawn_broadcast, spawn_fifo,
};

mod unwind {
    pub fn halt_unwinding<R>(work: impl FnOnce() -> R) -> std::thread::Result<R> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
    }
}

mod join {
    use super::{join, join_context, unwind};
    mod test;
}

mod spawn {
    use super::{spawn, spawn_fifo};
    mod test;
}

mod scope {
    mod test;
}

mod broadcast {
    mod test;
}

mod thread_pool {
    mod test;
}

mod test;
