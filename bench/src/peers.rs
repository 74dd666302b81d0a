//! Other people's implementations, each behind a feature of its own, at settings their authors would accept.
//!
//! An adapter drives the peer's own core through its public interface and nothing else; where the interface
//! offers several ways, each is a variant, and the fastest counts. To object to an adapter, change the one
//! file it lives in: every figure says which variant and version it is of.

#[cfg(feature = "peer-raft-rs")]
pub mod raft_rs;
