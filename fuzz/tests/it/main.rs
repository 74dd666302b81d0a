//! The targets on stable Rust: what is kept, what is drawn, and whether anything would be noticed.

mod binaries;
mod corpus;
mod log;
mod message;
mod replay;
mod scenario;
mod schedule;
mod task_sharing;
