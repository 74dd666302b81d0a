//! Deques, injector and pool as their users see them.

mod memory;
mod pool;
mod sequences;
mod tasks;
mod threads;
