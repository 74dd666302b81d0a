//! What a node makes of its disk when it boots.

use std::sync::Arc;

use swarm_protocol::{Choices, Effects, NodeId, NodeSet, Protocol, Stream};
use swarm_raft::{Compaction, Config, Entries, Kv, KvOp, Membership, Raft, Record, Snapshot};

use crate::cluster::Cluster;
use crate::node::{N0, N1, N2, entries, plain};
use crate::random::{Faults, wander};

fn boot(records: &[Record<KvOp>]) -> Raft<Kv> {
    let mut out = Effects::new(Choices::script(vec![]));
    Raft::recover(&plain(3), N0, records.iter().cloned(), &mut out)
}

/// Any prefix of what a node wrote boots, and the same node if storage compacts it; what it boots is what
/// the node was.
#[test]
fn every_prefix_of_a_disk_boots_and_compaction_changes_nothing() {
    let (mut prefixes, mut truncations, mut snapshots) = (0, 0, 0);
    for seed in 0..40 {
        let log_bytes = if seed % 4 == 1 { 200 } else { u64::MAX };
        let compaction = Compaction { log_bytes, tail_entries: 0, part_bytes: 7 };
        let mut cluster = Cluster::new(Config { pre_vote: seed % 2 == 0, compaction, ..Config::new(3) });
        wander(&mut cluster, &mut Stream::new(seed, 3, 0), 800, Faults { crashes: false });
        for node in [N0, N1, N2] {
            let records = cluster.records(node);
            truncations += records.iter().filter(|record| matches!(record, Record::Truncate { .. })).count();
            for length in 0..=records.len() {
                let prefix = &records[..length];
                let mut compact = prefix.to_vec();
                Raft::<Kv>::compact(&mut compact);
                let (booted, of_compact) = (boot(prefix), boot(&compact));
                assert!(!booted.is_halted());
                assert_eq!(booted, of_compact, "seed {seed}: {prefix:?} and {compact:?}");
                let terms = |node: &Raft<Kv>| (node.term(), node.vote(), node.log().last_index());
                let vote = usize::from(booted.term() > 0);
                let snapshot = usize::from(booted.snapshot().is_some());
                let log = usize::from(booted.log().last_index() > booted.log().base_index());
                snapshots += snapshot;
                assert_eq!(compact.len(), vote + snapshot + log, "{compact:?} of {:?}", terms(&booted));
                // The same content in the same form, so that equal nodes have equal disks.
                let mut twice = compact.clone();
                Raft::<Kv>::compact(&mut twice);
                assert_eq!(twice, compact);
                prefixes += 1;
            }
            let (booted, was) = (boot(&records), cluster.node(node));
            assert_eq!((booted.term(), booted.vote(), booted.log()), (was.term(), was.vote(), was.log()));
        }
    }
    assert!(prefixes > 1000 && truncations > 10, "{prefixes} prefixes, {truncations} truncations");
    assert!(snapshots > 200, "{snapshots} prefixes with a snapshot");
}

/// Entries count as the same record however they were batched.
#[test]
fn compacted_disks_are_equal_whatever_the_batches_were() {
    let vote = || Record::Vote { term: 2, vote: Some(N1) };
    let one = vec![vote(), Record::Append { first: 1, entries: entries(1, &[1, 1, 2]) }];
    let mut other = vec![
        Record::Vote { term: 1, vote: None },
        Record::Append { first: 1, entries: entries(1, &[1]) },
        Record::Append { first: 2, entries: entries(2, &[1, 1, 1]) },
        vote(),
        Record::Truncate { after: 2 },
        Record::Append { first: 3, entries: entries(3, &[2]) },
    ];
    Raft::<Kv>::compact(&mut other);
    assert_eq!(one, other);
}

/// A disk that no node can have written is not trusted: the node does nothing.
#[test]
fn a_damaged_disk_boots_a_node_that_does_nothing() {
    let append = |first, terms: &[u64]| Record::Append { first, entries: entries(first, terms) };
    let vote = |term| Record::Vote { term, vote: None };
    let snapshot = |index, term, data: &[u8]| {
        let membership = Membership::of(NodeSet::first(3));
        Record::Snapshot(Arc::new(Snapshot { index, term, membership, data: data.into() }))
    };
    let damaged: [&[Record<KvOp>]; 11] = [
        &[vote(2), append(2, &[1])],
        &[vote(2), append(1, &[1]), append(1, &[1])],
        &[vote(2), append(1, &[2]), append(2, &[1])],
        &[vote(2), Record::Truncate { after: 1 }],
        &[vote(2), vote(1)],
        &[append(1, &[1])],
        &[vote(2), snapshot(3, 1, &[]), snapshot(2, 1, &[])],
        &[vote(2), snapshot(3, 1, &[]), append(3, &[1])],
        &[vote(2), snapshot(3, 1, &[]), Record::Truncate { after: 2 }],
        &[vote(2), snapshot(3, 3, &[])],
        &[vote(2), snapshot(3, 1, &[0; 9])],
    ];
    for records in damaged {
        let node = boot(records);
        assert!(node.is_halted(), "{records:?}");
        node.check_invariants(&plain(3));
        let mut compact = records.to_vec();
        Raft::<Kv>::compact(&mut compact);
        assert!(boot(&compact).is_halted(), "compaction hides no damage: {compact:?}");
    }
    let empty = [vote(1), Record::Append { first: 1, entries: Entries::none() }];
    assert!(!boot(&empty).is_halted());
}

/// What is not durable does not survive, and nothing was promised on it.
#[test]
fn a_crash_between_two_writes_keeps_the_earlier() {
    let mut cluster = Cluster::new(plain(3));
    cluster.elect(N0);
    cluster.invoke(N0, 1, KvOp::Put(1, 7));
    while cluster.deliver() {}
    // Nobody has synced entry 2; n1 loses it, n2 happens to keep it.
    cluster.crash(N1, 0);
    cluster.crash(N2, 1);
    cluster.restart(N1);
    cluster.restart(N2);
    assert_eq!((cluster.terms(N1), cluster.terms(N2)), (vec![1], vec![1, 1]));
    assert!(cluster.answers.is_empty());
    assert_eq!(cluster.node(N1).commit_index(), 0, "what is committed is learned again");
    assert_eq!(cluster.node(N1).machine(), &Kv::default());
}

/// A candidate asks for votes with what is on its disk: one that lost the tail of its log in a crash must
/// not be elected on answers to what it said before.
#[test]
fn a_request_for_votes_waits_for_the_disk() {
    let mut cluster = Cluster::new(plain(3));
    cluster.elect(N0);
    cluster.timeout(N1, swarm_raft::Timer::Election);
    assert_eq!(cluster.in_flight(), 0, "{:?}", cluster.node(N1));
    cluster.sync(N1, usize::MAX);
    assert_eq!(cluster.in_flight(), 2);
    assert_eq!(cluster.node(N1).vote(), Some(NodeId(1)));
}
