//! How fast the checked code is, and how that is known.
//!
//! The same type that is model-checked, simulated and fuzzed commits commands beside published
//! implementations and beside programs without any protocol, in one process, interleaved, and verified: a
//! contestant that loses, doubles, reorders or alters a command has no figures.
//!
//! | question | answered by |
//! |---|---|
//! | what is the work, and was it done? | [`workload`]: commands from a seed, digests on every node |
//! | how fast could it be at all? | [`floor`]: the data flow of a commit without a protocol |
//! | how fast are others? | [`peers`]: each behind a feature, at its best settings |
//! | how fast are we? | [`raft`]: our Raft over the runtime's driver for one thread |
//! | who is ahead, and is that noise? | [`paired`] and [`verdict`]: rounds, ratios, intervals |
//! | what does a `join` cost, and what do more threads make of it? | [`forks`]: the same recursions on pools, ours and others |
//! | what does a message from thread to thread cost? | [`lanes`]: through the runtime's lane, other crates' and ours |
//! | what do users wait under load? | [`series`] under planned arrivals ([`open_loop`]), on one thread ([`solo`]) or three ([`live`]) |
//!
//! ```
//! use bench::raft::OurRaft;
//! use bench::workload::{Load, prove};
//!
//! let proof = prove(&mut OurRaft::new(), &Load::new(1, 64, 64), 1_000).expect("every node applies all of it");
//! assert_eq!(proof.digest.commands, 1_000);
//! ```
//!
//! Binaries: `compare`, `lanes`, `latency` and `scaling`. All use mimalloc, which is noted in their artifacts.
//!
//! Verified by the tests of each file. Not verified: that the peers are used as their authors would use them;
//! each adapter is one file, to be objected to.

pub mod clock;
pub mod floor;
pub mod forks;
pub mod hgrm;
pub mod instructions;
pub mod killed;
pub mod lanes;
pub mod live;
pub mod open_loop;
pub mod paired;
pub mod peers;
pub mod raft;
pub mod recorder;
pub mod series;
pub mod solo;
pub mod spawns;
pub mod verdict;
pub mod workload;
