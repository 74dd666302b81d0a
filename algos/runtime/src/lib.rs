//! The same nodes at full speed.
//!
//! A [`swarm_protocol::Protocol`] is a value that reacts; this crate gives it lanes, timers, stable
//! storage and threads. It knows no algorithm: what the checker, the simulator and the fuzzer have
//! examined is what runs here, without a line in between.
//!
//! # What is here
//! - [`Local`]: a whole cluster in one thread, driven by its caller; what throughput is measured with.
//! - [`threaded`]: one thread per node, bounded lock-free lanes, clients that are refused when full.
//! - [`mod@storage`], [`mod@file`]: stable storage with group commit, in memory and in files.
//! - [`wire`]: frames with checksums, cut out of any byte stream.
//! - [`timers`]: a node's timers, and the pick from a timer's range.
//! - [`parking`]: how an idle thread sleeps without missing a wake-up.
//!
//! # How a driver treats a node
//! 1. It steps a run of inputs: all that has arrived, or as much as a limit allows.
//! 2. It flushes once, so that proposals and acknowledgements leave in batches without a timer.
//! 3. It carries the effects out in order. What waits for a write is held back; the rest leaves now, so
//!    that the network and the own disk work at the same time.
//! 4. If anything was appended it syncs once, lets go of what was held back, and reports the write to the
//!    node; then again from 2. If the disk has failed, what was held back is dropped and the node is told
//!    once; nothing is written until it boots anew.
//!
//! Tasks are computed in the node's own thread, between runs. Refused inputs and marks are counted by
//! name ([`Counters`]); messages that find a lane full are dropped and counted.
//!
//! # Verification
//! `tests/it` runs a toy protocol that uses every effect through both drivers and both storages: message
//! counts that can be checked on paper, restarts from durable records only, failing disks, full lanes,
//! panics. `tests/loom.rs` and `tests/shuttle.rs` check the parking protocol, each above a pinned number
//! of executions, and show that they find it broken when it is. Frames, timers and memory storage are
//! compared with plain twins by quickcheck.
//!
//! Not verified here: the protocols themselves (their own crates, the checker and the simulator do), the
//! lock-free queue of the threaded driver (a kept library's), and file systems under power failure.

mod counters;
pub mod file;
mod host;
mod loop_driver;
pub mod parking;
pub mod storage;
#[doc(hidden)]
pub mod sync;
#[cfg(not(any(loom, shuttle)))]
pub mod threaded;
pub mod timers;
pub mod wire;

pub use counters::Counters;
pub use host::{Perform, no_tasks};
pub use loop_driver::{LANE_MESSAGES_MAX, Local};
