//! raft-rs under our simulator: `cargo run --release -p bench --features peers --bin raft-rs -- simulate`.
//!
//! See [`bench::peers::raft_rs_node`].

use std::process::ExitCode;

use bench::peers::raft_rs_node::RaftRs;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    model_check::main::<RaftRs>()
}
