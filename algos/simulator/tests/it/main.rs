//! Tests of the crate through its public face.

mod history;
mod toy;
mod world;
