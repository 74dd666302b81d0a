//! One fuzz body per target. A body takes any bytes and panics if something is wrong; who makes the bytes is
//! not its business.
//!
//! | engine | makes inputs by | how it runs |
//! |---|---|---|
//! | libFuzzer with AddressSanitizer | coverage, on nightly | `cargo +nightly fuzz run TARGET --features libfuzzer` |
//! | libFuzzer | coverage, on stable | `cargo xtask fuzz TARGET` where there is no nightly |
//! | [`campaign`] | the corpus, mutations of it, and random bytes | `cargo run --release -p fuzz --bin replay -- TARGET` |
//! | `cargo test` | the same, a bounded number | `cargo test -p fuzz` |
//!
//! `corpus/TARGET` holds a small corpus, `regressions/TARGET` every input that was ever found to break
//! something, and all engines begin with both. The binaries in `fuzz_targets` need the feature `libfuzzer`;
//! nothing else here needs anything but stable Rust.
//!
//! Whether the bodies notice anything is shown by [`flawed`]: a Raft with a bug put back into it, which
//! every campaign of `raft_schedule` looks for, guided or not; and by tests that give each body broken code.
//!
//! Without the feature `algorithms` what is left knows no algorithm: [`schedule`] and [`campaign`], which protocols
//! brought from elsewhere are fuzzed with.
//!
//! Not covered: what only happens between threads, in real files and sockets, or after hundreds of events.

pub mod campaign;
#[cfg(feature = "algorithms")]
pub mod corpus;
#[cfg(feature = "algorithms")]
pub mod flawed;
#[cfg(feature = "algorithms")]
pub mod guided;
pub mod inputs;
#[cfg(feature = "algorithms")]
pub mod log;
#[cfg(feature = "algorithms")]
pub mod place;
#[cfg(feature = "algorithms")]
pub mod raft_log;
#[cfg(feature = "algorithms")]
pub mod raft_message;
#[cfg(feature = "algorithms")]
pub mod raft_node;
#[cfg(feature = "algorithms")]
pub mod raft_schedule;
#[cfg(feature = "algorithms")]
pub mod scenario;
pub mod schedule;
#[cfg(feature = "algorithms")]
pub mod source;
#[cfg(feature = "algorithms")]
pub mod task_sharing_message;
#[cfg(feature = "algorithms")]
pub mod task_sharing_schedule;

/// What runs one input.
pub type Body = fn(&[u8]);

/// All targets: the names of the binaries in `fuzz_targets` and of the folders in `corpus`, and their bodies.
#[cfg(feature = "algorithms")]
pub const TARGETS: &[(&str, Body)] = &[
    ("raft_log", raft_log::run),
    ("raft_message", raft_message::run),
    ("raft_schedule", raft_schedule::run),
    ("scenario", scenario::run),
    ("task_sharing_message", task_sharing_message::run),
    ("task_sharing_schedule", task_sharing_schedule::run),
];

/// The body of the target of this name.
#[cfg(feature = "algorithms")]
pub fn body(target: &str) -> Option<Body> {
    TARGETS.iter().find(|(name, _)| *name == target).map(|(_, body)| *body)
}
