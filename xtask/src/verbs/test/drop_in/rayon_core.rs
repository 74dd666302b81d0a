//! The root of a crate that has swarm-work-stealing's names where rayon-core's unit tests look for rayon-core's. It is
//! put beside those tests in a generated workspace (`drop_in.rs`), which verifies it.

#![cfg(test)]
#![allow(unused)]

// Which is called as the peer is here.
pub use rayon_core::{
    Scope, ScopeFifo, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder, broadcast, current_num_threads,
    current_thread_index, in_place_scope, in_place_scope_fifo, join, join_context, scope, scope_fifo, spawn,
    spawn_broadcast, spawn_fifo, yield_local, yield_now,
};

mod unwind {
    pub fn halt_unwinding<R>(work: impl FnOnce() -> R) -> std::thread::Result<R> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
    }
}

mod registry {
    pub fn in_worker<R: Send>(op: impl FnOnce(&(), bool) -> R + Send) -> R {
        rayon_core::scope(|_| op(&(), true))
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
