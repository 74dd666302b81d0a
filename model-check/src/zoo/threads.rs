//! The zoo of code that threads share: bugs that only certain interleavings or weak memory show.
//!
//! Here a bug is found by the crate's own models and tests, under checkers of interleavings, instead of by hunts of
//! ours. To build a copy for each bug, once per checker, would take longer than all hunts; so as many bugs as go
//! together stand in one copy, each a choice at run time between the code as it is and the code with the bug
//! ([`schemata`](super::schemata)). Which of them it is, if any, the environment says; each hunt is a process of its own
//! ([`workshop`]). Every memory ordering that has a name is weakened in turn, too, which the crate's loom build does
//! by itself. What comes out is a matrix of bug by engine ([`matrix`]). Stateright goes through all states of few and small
//! models: of bugs elsewhere it can say nothing, and is not asked to. Miri takes a minute for each run of the tests, so
//! that only a full zoo has it.
//!
//! Verified by `tests/it/threads.rs`: edits apply to the sources as they are and become choices that parse, and what a
//! matrix makes of hunts; that hunts find something is what the zoo itself shows.

pub mod catalogue;
pub mod matrix;
pub mod round;
pub mod workshop;
