//! What a node says of itself.

use swarm_raft::{Compaction, Config, Counts, KvOp, Message, Sending, Timer};

use crate::cluster::Cluster;
use crate::node::{N0, N1, N2, Node, plain};

#[test]
fn a_leader_tells_how_each_follower_stands() {
    let mut cluster = Cluster::new(plain(3));
    cluster.elect(N0);
    cluster.isolated.insert(N2);
    for id in 0..4 {
        cluster.invoke(N0, id, KvOp::Put(1, id));
        cluster.settle();
    }
    let metrics = cluster.node(N0).metrics();
    assert_eq!((metrics.role, metrics.term, metrics.leader), ("leader", 1, Some(N0)));
    assert_eq!((metrics.last_index, metrics.durable_index), (5, 5));
    assert_eq!((metrics.commit_index, metrics.applied_index), (5, 5));
    assert_eq!((metrics.entries_held, metrics.snapshot_index), (5, 0));
    let of = |node| *metrics.followers.iter().find(|peer| peer.node == node).expect("a follower");
    assert_eq!((of(N1).matched, of(N1).lag_entries, of(N1).in_flight_entries), (5, 0, 0));
    assert_eq!((of(N2).matched, of(N2).lag_entries, of(N2).in_flight_entries), (1, 4, 4));
    assert_eq!((of(N1).sending, of(N2).sending), (Sending::Pipelining, Sending::Pipelining));
    let counts = Counts { campaigns: 1, elections_won: 1, commands_taken: 4, ..Counts::default() };
    assert_eq!(metrics.counts, counts);
    let follower = cluster.node(N2).metrics();
    assert_eq!((follower.role, follower.leader, follower.followers), ("follower", Some(N0), vec![]));
    assert_eq!(follower.counts, Counts::default());
}

/// Every command that is not applied is counted under its reason.
#[test]
fn what_was_dropped_is_counted_by_reason() {
    let mut node = Node::leader(Config { uncommitted_entries_max: 3, ..plain(3) }, 2, &[]);
    // The no-op, two in the log, and no more.
    for id in 0..2 {
        node.invoke(id, KvOp::Put(1, id));
    }
    node.flush();
    node.invoke(2, KvOp::Put(1, 2));
    assert_eq!(node.raft.metrics().counts.dropped_busy, 1);
    node.message(N1, Message::Appended { term: 2, matched: 1 });
    node.invoke(3, KvOp::Put(1, 3));
    node.message(N1, Message::Stale { term: 3 });
    node.invoke(4, KvOp::Put(1, 4));
    let expected = Counts {
        campaigns: 1,
        elections_won: 1,
        step_downs: 1,
        commands_taken: 3,
        dropped_not_leading: 1,
        dropped_busy: 1,
        dropped_deposed: 1,
        left_unanswered: 2,
        ..Counts::default()
    };
    assert_eq!(node.raft.metrics().counts, expected);
}

#[test]
fn snapshots_are_told() {
    let compaction = Compaction { log_bytes: 150, tail_entries: 0, part_bytes: 7 };
    let mut cluster = Cluster::new(Config { compaction, ..plain(3) });
    cluster.elect(N0);
    cluster.isolated.insert(N2);
    for id in 0..20 {
        cluster.invoke(N0, id, KvOp::Put(1, id));
        cluster.settle();
    }
    cluster.isolated.clear();
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle_without_parts();
    let metrics = cluster.node(N0).metrics();
    let behind = metrics.followers.iter().find(|peer| peer.node == N2).expect("a follower");
    assert_eq!(behind.sending, Sending::Snapshot { received_bytes: 0 });
    assert!(metrics.counts.snapshots_taken > 3 && metrics.entries_held < 8, "{metrics:?}");
    assert_eq!(metrics.snapshot_index + metrics.entries_held, 21);
    for _ in 0..3 {
        cluster.timeout(N0, Timer::Heartbeat);
        cluster.settle();
    }
    assert_eq!(cluster.node(N2).metrics().counts.snapshots_installed, 1);
}
