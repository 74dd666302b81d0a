//! Deques and injector as their users see them.

mod memory;
mod sequences;
mod tasks;
mod threads;
