//! Other people's implementations, each behind a feature of its own, at settings their authors would accept.
//!
//! An adapter drives the peer's own core through its public interface and nothing else; where the interface
//! offers several ways, each is a variant, and the fastest counts. To object to an adapter, change the one
//! file it lives in: every figure says which variant and version it is of.

use crate::paired::Contestant;
use crate::series::Series;

#[cfg(feature = "peer-chili")]
pub mod chili;
#[cfg(feature = "peer-omnipaxos")]
pub mod omnipaxos;
#[cfg(feature = "peer-openraft")]
pub mod openraft;
#[cfg(feature = "peer-openraft")]
pub mod openraft_store;
#[cfg(feature = "peer-raft-rs")]
pub mod raft_rs;
#[cfg(feature = "peer-raft-rs")]
pub mod raft_rs_node;
#[cfg(feature = "peer-rayon")]
pub mod rayon;
#[cfg(feature = "peer-tokio")]
pub mod tokio;

/// The features whose peers are compiled in, and those left out.
pub fn compiled() -> (Vec<&'static str>, Vec<&'static str>) {
    let peers = [
        ("peer-omnipaxos", cfg!(feature = "peer-omnipaxos")),
        ("peer-openraft", cfg!(feature = "peer-openraft")),
        ("peer-raft-rs", cfg!(feature = "peer-raft-rs")),
    ];
    let (inside, outside): (Vec<_>, Vec<_>) = peers.into_iter().partition(|(_, compiled)| *compiled);
    let names = |peers: Vec<(&'static str, bool)>| peers.into_iter().map(|(name, _)| name).collect();
    (names(inside), names(outside))
}

/// The peers that are compiled in: every variant, or of each the ones that are fastest somewhere.
pub fn contestants(every_variant: bool) -> Vec<Contestant> {
    #[allow(unused_mut, reason = "without a peer there is nothing to add")]
    let mut contestants = Vec::new();
    #[cfg(feature = "peer-omnipaxos")]
    contestants.extend(omnipaxos::contestants(every_variant));
    #[cfg(feature = "peer-openraft")]
    contestants.extend(openraft::contestants(every_variant));
    #[cfg(feature = "peer-raft-rs")]
    contestants.extend(raft_rs::contestants(every_variant));
    let _ = every_variant;
    contestants
}

/// The peers that are compiled in, under open load on one thread.
pub fn series() -> Vec<Series> {
    vec![
        #[cfg(feature = "peer-omnipaxos")]
        omnipaxos::series(),
        #[cfg(feature = "peer-openraft")]
        openraft::series(),
        #[cfg(feature = "peer-raft-rs")]
        raft_rs::series(),
    ]
}

/// Implementations that one might look for in a comparison and does not find, with the reason.
pub const NOT_COMPARED: [&str; 7] = [
    "yggr-core: builds only where a compiler of protobuf schemas is installed",
    "openraft 0.10: pre-releases only",
    "etcd-io/raft, hashicorp/raft, dragonboat: written in Go, not in this process",
    "little_raft, d-engine: own threads, timers and storage that cannot be taken out",
    "disks and networks: logs are in memory, messages move as values in one thread, so shared batches \
     are never encoded",
    "cutting logs back: sessions end before anybody's log is long enough",
    "answers by name: ours gives one to each command; of peers only what the leader applies is counted",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_name_the_version_that_is_locked() {
        let lock = include_str!("../../Cargo.lock");
        for contestant in contestants(true) {
            let peer = contestant.implementation;
            let package = if peer.name == "raft-rs" { "raft" } else { &peer.name };
            let locked = format!("name = \"{package}\"\nversion = \"{}\"\n", peer.version);
            assert!(lock.contains(&locked), "{package} {}", peer.version);
        }
    }
}
