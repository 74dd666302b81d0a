//! What the drivers promise, shown on a toy protocol.
#![cfg(not(any(loom, shuttle)))]

mod file;
mod local;
mod threaded;
mod toy;
