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
//! every campaign of `raft_schedule` looks for, guided or not.
//!
//! Not covered: what only happens between threads, in real files and sockets, or after hundreds of events.

pub mod campaign;
pub mod corpus;
pub mod flawed;
pub mod guided;
pub mod inputs;
pub mod log;
pub mod place;
pub mod raft_message;
pub mod raft_node;
pub mod raft_schedule;
pub mod scenario;
pub mod source;

/// What runs one input.
pub type Body = fn(&[u8]);

/// All targets: the names of the binaries in `fuzz_targets` and of the folders in `corpus`, and their bodies.
pub const TARGETS: &[(&str, Body)] = &[
    ("raft_message", raft_message::run),
    ("raft_schedule", raft_schedule::run),
    ("scenario", scenario::run),
];

/// The body of the target of this name.
pub fn body(target: &str) -> Option<Body> {
    TARGETS.iter().find(|(name, _)| *name == target).map(|(_, body)| *body)
}
