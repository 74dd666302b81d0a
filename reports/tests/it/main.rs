//! What the crate promises, through its public face.

mod folder;
mod invented;
mod sample;
mod site;
mod store;
mod structure;
