//! Workloads, recorders, floors and peers: how fast the checked code is, and how that is known.

pub mod clock;
pub mod floor;
pub mod hgrm;
pub mod live;
pub mod open_loop;
pub mod paired;
pub mod peers;
pub mod progress;
pub mod raft;
pub mod recorder;
pub mod verdict;
pub mod workload;
