//! The vocabulary that every protocol of the workspace is written in.
//!
//! A protocol is a value. A driver hands it one [`Input`] at a time and carries out the [`Effect`]s it
//! asks for; nothing else goes in or out. Because there is no clock, thread, socket, file or random
//! source inside, the same type is model-checked, simulated, fuzzed, raced and timed:
//!
//! | driver | what it decides |
//! |---|---|
//! | checker (`World`) | every order of events, every answer to a choice, every crash point |
//! | simulator (`Simulation`) | virtual time, latencies, faults, all from one seed |
//! | fuzzer | the order of events, from bytes |
//! | runtime | nothing: real threads, timers and storage |
//!
//! # What is here
//! - [`Protocol`], [`Input`], [`Effects`]: the contract.
//! - [`Choices`]: the four ways to answer a protocol that asks for non-determinism.
//! - [`Outstanding`]: writes that are not yet durable, hashed by content.
//! - [`quorum`]: majority, joint and Byzantine quorum arithmetic.
//! - [`Rename`] and [`Symmetric`]: nodes under other names, for searches that take those clusters for one.
//! - [`Properties`] and [`Specification`]: what must hold across nodes, and what clients may see;
//!   [`objects`] has specifications that are ready to be promised.
//! - [`wire`]: messages and records as bytes.
//! - [`prelude`]: what nearly every protocol names, to be had by one line.
//!
//! This crate has no dependencies and knows no protocol. It is verified by exhaustive tests of the
//! quorum arithmetic, by quickcheck against brute-force twins, and by every engine that stands on it.

mod choices;
mod contract;
mod effects;
mod node;
pub mod objects;
pub mod prelude;
mod property;
pub mod quorum;
mod symmetry;
mod time;
pub mod wire;
mod writes;

pub use choices::{Choices, Purpose, Stream, mix};
pub use contract::{Alarm, Checkable, Input, Never, OpId, Protocol};
pub use effects::{Effect, Effects};
pub use node::{NodeId, NodeSet};
pub use property::{Access, Drawn, Promise, Properties, Reply, Service, Specification, Violation};
pub use symmetry::{Rename, Renaming, Symmetric};
pub use time::{Delay, Ticks};
pub use writes::{Outstanding, WriteId};
