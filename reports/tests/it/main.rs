//! What the crate promises, through its public face.

mod invented;
mod store;
