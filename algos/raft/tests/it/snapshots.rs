//! Snapshots: Raft §7 and Fig. 13, and what they leave open.

use swarm_protocol::NodeSet;
use swarm_raft::{
    Compaction, Config, Entries, Entry, Kv, KvOp, Machine, Membership, Message, Part, Record, Run,
};

use crate::cluster::Cluster;
use crate::node::{N0, N1, N2, Node, append, entries, plain};

/// A snapshot for each four commands or so, in parts of seven bytes; nothing stays behind.
const SMALL: Compaction = Compaction { log_bytes: 150, tail_entries: 0, part_bytes: 7 };

fn small(n: u32) -> Config {
    Config { compaction: SMALL, ..plain(n) }
}

/// A store in which these keys have the value 9, as bytes.
fn saved(keys: &[u16]) -> Vec<u8> {
    let (mut kv, mut bytes) = (Kv::default(), vec![]);
    for key in keys {
        kv.apply(&KvOp::Put(*key, 9));
    }
    kv.save(&mut bytes);
    bytes
}

/// Part of a snapshot of `data` that ends at `last`, from `offset` on.
fn part(term: u64, last: (u64, u64), data: &[u8], offset: usize, length: usize) -> Message<KvOp> {
    let part = Part {
        index: last.0,
        last_term: last.1,
        membership: Membership::of(NodeSet::first(3)),
        total: data.len() as u64,
        offset: offset as u64,
        data: data[offset..offset + length].into(),
    };
    Message::Part { term, part: Box::new(part) }
}

fn whole(term: u64, last: (u64, u64), data: &[u8]) -> Message<KvOp> {
    part(term, last, data, 0, data.len())
}

/// §7: "once a server completes writing a snapshot, it may delete all log entries up through the last included
/// index"; it goes on as before, and boots from snapshot and tail.
#[test]
fn a_log_that_has_grown_gives_way_to_a_snapshot() {
    let mut cluster = Cluster::new(small(3));
    cluster.elect(N0);
    for id in 0..20 {
        cluster.invoke(N0, id, KvOp::Put(id as u16 % 3, id));
        cluster.settle();
    }
    cluster.timeout(N0, swarm_raft::Timer::Heartbeat);
    cluster.settle();
    for node in [N0, N1, N2] {
        let (log, snapshot) = (cluster.node(node).log(), cluster.node(node).snapshot().expect("taken"));
        assert_eq!((log.base_index(), log.base_term()), (snapshot.index, snapshot.term));
        assert!(log.iter().count() < 8 && snapshot.index > 12, "{:?}", cluster.node(node));
        assert_eq!(cluster.answers.len(), 20);
    }
    assert!(cluster.marks["snapshot-taken"] > 6 && !cluster.marks.contains_key("snapshot-installed"));
    let (machine, base) = (cluster.node(N1).machine().clone(), cluster.node(N1).log().base_index());
    cluster.crash(N1, usize::MAX);
    cluster.restart(N1);
    let node = cluster.node(N1);
    assert_eq!((node.commit_index(), node.log().base_index(), node.log().last_index()), (base, base, 21));
    cluster.timeout(N0, swarm_raft::Timer::Heartbeat);
    cluster.settle();
    assert_eq!(*cluster.node(N1).machine(), machine, "snapshot and tail");
}

/// Dissertation §5.1.2: a snapshot is as large as the machine; writing one for each few entries would cost more
/// than the log.
#[test]
fn a_large_machine_is_saved_as_seldom_as_its_size_asks() {
    let mut cluster = Cluster::new(small(1));
    cluster.elect(N0);
    for id in 0..2000 {
        cluster.invoke(N0, id, KvOp::Put(id as u16, id));
        cluster.settle();
    }
    let (mut written, mut log) = (0, 0);
    for record in cluster.records(N0) {
        match record {
            Record::Snapshot(snapshot) => written += snapshot.data.len(),
            Record::Append { entries, .. } => log += 40 * entries.count(),
            _ => {}
        }
    }
    assert!(cluster.marks["snapshot-taken"] > 10, "{:?}", cluster.marks);
    assert!((written as u64) < 2 * log, "{written} bytes of snapshots for {log} bytes of log");
}

/// §7: a leader that has dropped what a follower needs sends its snapshot, in parts; losses are made good, and
/// what is there already is not sent again.
#[test]
fn a_follower_that_lags_far_is_sent_the_snapshot_in_parts() {
    let mut cluster = Cluster::new(small(3));
    cluster.elect(N0);
    cluster.isolated.insert(N2);
    for id in 0..20 {
        cluster.invoke(N0, id, KvOp::Put(id as u16 % 3, id));
        cluster.settle();
    }
    cluster.isolated.clear();
    let sent = |cluster: &mut Cluster| {
        let mut offsets = vec![];
        for _ in 0..cluster.in_flight() {
            let (from, to, message) = cluster.take(0);
            if let Message::Part { part, .. } = &message {
                assert!(part.data.len() <= 7, "{message:?}");
                offsets.push(part.offset);
            }
            cluster.put(from, to, message);
        }
        offsets
    };
    cluster.timeout(N0, swarm_raft::Timer::Heartbeat);
    // An append finds nothing that agrees, and the leader has nothing earlier: then parts, one at a time.
    let mut offsets = vec![];
    for round in 0..200 {
        offsets.extend(sent(&mut cluster));
        if round == 6 {
            cluster.lose_all();
            cluster.timeout(N0, swarm_raft::Timer::Heartbeat);
        }
        if !cluster.deliver() {
            for node in [N0, N1, N2] {
                cluster.sync(node, usize::MAX);
            }
        }
    }
    offsets.dedup();
    assert!(offsets.is_sorted(), "it goes on where it was: {offsets:?}");
    assert_eq!(offsets.last(), Some(&28), "30 bytes in parts of 7: {offsets:?}");
    assert_eq!(cluster.marks["snapshot-installed"], 1);
    cluster.timeout(N0, swarm_raft::Timer::Heartbeat);
    cluster.settle();
    let (n0, n2) = (cluster.node(N0), cluster.node(N2));
    assert_eq!((n2.machine(), n2.commit_index()), (n0.machine(), 21));
    assert_eq!(n2.log().base_index(), n2.snapshot().expect("installed").index);
    cluster.crash(N2, 0);
    cluster.restart(N2);
    assert!(cluster.node(N2).snapshot().is_some(), "what was acknowledged was durable");
}

/// A tail of the log stays, for followers that lag a little.
#[test]
fn a_follower_that_lags_a_little_is_sent_entries() {
    let mut cluster =
        Cluster::new(Config { compaction: Compaction { tail_entries: 8, ..SMALL }, ..plain(3) });
    cluster.elect(N0);
    for id in 0..20 {
        cluster.isolated = if id < 14 { [].into() } else { [N2].into() };
        cluster.invoke(N0, id, KvOp::Put(1, id));
        cluster.settle();
    }
    let node = cluster.node(N0);
    assert_eq!(node.log().base_index() + 8, node.snapshot().expect("taken").index);
    cluster.isolated.clear();
    for _ in 0..3 {
        cluster.timeout(N0, swarm_raft::Timer::Heartbeat);
        cluster.settle();
    }
    assert_eq!(cluster.node(N2).log().last_index(), 21);
    assert!(!cluster.marks.contains_key("snapshot-installed"));
}

/// Fig. 13, 1 to 5: parts of one snapshot, each at its place; the acknowledgement waits for the disk.
#[test]
fn parts_are_put_together_in_order_and_acknowledged_when_durable() {
    let data = saved(&[1, 2]);
    let mut node = Node::with_log(plain(3), 2, &[]);
    let first = node.message(N1, part(2, (5, 2), &data, 0, 8));
    assert!(first[1].contains("Received(t2 5 8)"), "{first:?}");
    let late = node.message(N1, part(2, (5, 2), &data, 16, 4));
    assert!(late.iter().any(|effect| effect.contains("part-out-of-turn")), "{late:?}");
    assert!(late.iter().any(|effect| effect.contains("Received(t2 5 8)")), "{late:?}");
    // A part of another snapshot begins anew.
    let other = node.message(N1, part(2, (6, 2), &data, 8, 8));
    assert!(other.iter().any(|effect| effect.contains("Received(t2 6 0)")), "{other:?}");
    node.message(N1, part(2, (6, 2), &data, 0, 8));
    assert_eq!(node.raft.commit_index(), 0, "not before the last part");
    let done = node.message(N1, part(2, (6, 2), &data, 8, 12));
    assert!(done.iter().any(|effect| effect.contains("snapshot-installed")), "{done:?}");
    assert_eq!((node.raft.commit_index(), node.raft.log().last_index()), (6, 6));
    assert_eq!(node.raft.durable_index(), 0, "it is not on disk yet");
    let acknowledged = node.flush();
    assert!(
        acknowledged[1].contains("Appended(t2 6)") && acknowledged[1].contains("after"),
        "{acknowledged:?}"
    );
    node.synced();
    assert_eq!(node.raft.durable_index(), 6);
    let next = node.message(N1, append(2, (6, 2), &[2], 7));
    assert!(!next.iter().any(|effect| effect.contains("conflict")), "the log goes on behind it: {next:?}");
    assert_eq!(node.raft.commit_index(), 7);
}

/// Another leader may send another snapshot of the same entries: what the first has sent is not mixed with it.
#[test]
fn parts_of_two_leaders_never_mix() {
    let data = saved(&[1, 2]);
    let mut node = Node::with_log(plain(3), 2, &[]);
    node.message(N1, part(2, (5, 2), &data, 0, 8));
    let later = node.message(N2, part(3, (5, 2), &data, 8, 12));
    assert!(later.iter().any(|effect| effect.contains("Received(t3 5 0)")), "{later:?}");
}

/// Fig. 13, 6: "if existing log entry has same index and term as snapshot's last included entry, retain log entries
/// following it". Those may be acknowledged already, and committed by that.
#[test]
fn a_snapshot_of_what_the_log_holds_drops_nothing() {
    let data = saved(&[1]);
    let mut node = Node::with_log(plain(3), 2, &[1, 1, 2]);
    let before = node.raft.log().clone();
    node.message(N1, whole(2, (2, 1), &data));
    assert_eq!(*node.raft.log(), before);
    assert_eq!(node.raft.commit_index(), 2, "what a snapshot covers is committed");
    assert!(node.raft.snapshot().is_none());
    let acknowledged = node.flush();
    assert!(acknowledged.iter().any(|effect| effect.contains("Appended(t2 2)")), "{acknowledged:?}");
}

/// A snapshot that comes late takes nothing back: the machine is further already.
#[test]
fn a_snapshot_of_the_past_is_not_installed() {
    let data = saved(&[1]);
    let mut node = Node::with_log(plain(3), 2, &[]);
    node.message(N1, append(2, (0, 0), &[1, 2, 2], 3));
    let machine = node.raft.machine().clone();
    node.message(N1, whole(2, (2, 2), &data));
    assert_eq!((node.raft.machine(), node.raft.commit_index()), (&machine, 3));
    let acknowledged = node.flush();
    assert!(acknowledged.iter().any(|effect| effect.contains("Appended(t2 3)")), "{acknowledged:?}");
}

/// Fig. 13, 7: "discard the entire log". Writes on their way stood for what is gone.
#[test]
fn a_snapshot_that_contradicts_the_log_replaces_it() {
    let data = saved(&[1]);
    let mut node = Node::with_log(plain(3), 3, &[1, 1]);
    node.message(N1, append(3, (2, 1), &[3, 3, 3, 3], 0));
    node.message(N2, whole(4, (3, 2), &data));
    assert_eq!((node.raft.log().last_index(), node.raft.log().last_term()), (3, 2));
    assert!(node.raft.log().iter().next().is_none());
    node.synced_to(1);
    assert_eq!(node.raft.durable_index(), 0, "the first write was of entries that are gone");
    let disk = [&[Record::Vote { term: 3, vote: None }, first_two()], &node.written[..]].concat();
    let booted = Node::boot(plain(3), N0, disk);
    assert_eq!(booted.raft.log(), node.raft.log());
    assert_eq!(booted.raft.machine(), node.raft.machine());
}

fn first_two() -> Record<KvOp> {
    Record::Append { first: 1, entries: crate::node::entries(1, &[1, 1]) }
}

/// An append that begins before the base says something new behind it alone.
#[test]
fn an_append_that_begins_before_the_base_is_taken_behind_it() {
    let data = saved(&[1]);
    for (prev, terms, last) in
        [(2, &[1, 2, 2][..], 5), (2, &[1, 2], 4), (2, &[1], 4), (0, &[1], 4), (4, &[2, 2], 6)]
    {
        let mut node = Node::with_log(plain(3), 2, &[]);
        node.message(N1, whole(2, (4, 2), &data));
        let said = node.message(N1, append(2, (prev, 1 + u64::from(prev == 4)), terms, 9));
        assert!(!said.iter().any(|effect| effect.contains("conflict")), "{said:?}");
        assert_eq!((node.raft.log().last_index(), node.raft.commit_index()), (last, last));
        let acknowledged = node.flush();
        let expected = format!("Appended(t2 {last})");
        assert!(acknowledged.iter().any(|effect| effect.contains(&expected)), "{acknowledged:?}");
    }
}

/// What a snapshot covers is committed: no correct leader has another entry at its end.
#[test]
fn an_append_that_contradicts_the_snapshot_is_refused() {
    let data = saved(&[1]);
    for (prev, terms) in [(3, &[2, 2, 2][..]), (2, &[1, 1, 3]), (2, &[1, 4]), (0, &[1, 1, 1, 2, 4])] {
        let mut node = Node::with_log(plain(3), 4, &[]);
        node.message(N1, whole(4, (4, 3), &data));
        let before = node.raft.clone();
        assert_eq!(node.message(N1, append(4, (prev, 1), terms, 9)), ["refuse leader-contradicts-itself"]);
        assert_eq!(node.raft, before, "{terms:?} behind {prev}");
    }
}

/// Bytes that are no state are told and not taken; the log stays as it is.
#[test]
fn a_snapshot_that_does_not_restore_is_not_installed() {
    let mut node = Node::with_log(plain(3), 2, &[1]);
    let (machine, log) = (node.raft.machine().clone(), node.raft.log().clone());
    let said = node.message(N1, whole(2, (5, 2), &[7; 9]));
    assert!(said.iter().any(|effect| effect.contains("snapshot-does-not-restore")), "{said:?}");
    assert_eq!((node.raft.machine(), node.raft.log()), (&machine, &log));
    for broken in [
        part(2, (5, 3), &[0; 10], 0, 10),
        part(2, (u64::MAX, 2), &[0; 10], 0, 10),
        part(2, (0, 0), &[0; 10], 0, 10),
        part(2, (5, 2), &[0; 10], 3, 0),
    ] {
        let before = node.raft.clone();
        let said = node.message(N1, broken);
        assert!(said[0].starts_with("refuse"), "{said:?}");
        assert_eq!(node.raft, before);
    }
}

/// A transfer that takes longer than a snapshot lasts would never end, if each new snapshot began it anew.
#[test]
fn a_transfer_under_way_holds_the_next_snapshot_back_for_a_while() {
    let taken = |behind: bool| {
        let mut cluster = Cluster::new(small(3));
        cluster.elect(N0);
        cluster.isolated.insert(N2);
        for id in 0..20 {
            cluster.invoke(N0, id, KvOp::Put(1, id));
            cluster.settle();
        }
        if !behind {
            cluster.isolated.clear();
        }
        cluster.timeout(N0, swarm_raft::Timer::Heartbeat);
        if behind {
            // The conflict arrives, and nothing that is sent then.
            cluster.isolated.clear();
            cluster.settle_without_parts();
            cluster.isolated.insert(N2);
        } else {
            cluster.settle();
        }
        let before = cluster.node(N0).snapshot().expect("taken").index;
        let mut until_next = 0;
        while cluster.node(N0).snapshot().expect("taken").index == before {
            until_next += 1;
            cluster.invoke(N0, 100 + until_next, KvOp::Put(1, 1));
            cluster.settle();
        }
        until_next
    };
    let (usual, patient) = (taken(false), taken(true));
    assert!(patient > 2 * usual && patient < 5 * usual, "{patient} entries instead of {usual}");
}

/// A snapshot brings the membership of its last entry, and of no later one (Raft §7: "the latest configuration in the
/// log as of last included index").
#[test]
fn a_snapshot_brings_the_membership_of_its_last_entry() {
    let mut node = Node::with_log(plain(3), 2, &[]);
    let data = saved(&[1]);
    let Message::Part { term, mut part } = whole(2, (4, 2), &data) else { unreachable!("it is a part") };
    part.membership = Membership::of(NodeSet::first(2));
    node.message(N1, Message::Part { term, part });
    assert_eq!(*node.raft.membership(), Membership::of(NodeSet::first(2)));

    let mut node =
        Node::with_log(Config { compaction: Compaction { log_bytes: 1, ..SMALL }, ..plain(3) }, 2, &[]);
    let later = Membership::of(NodeSet::first(1));
    let mut runs = entries(1, &[2, 2]).runs().to_vec();
    runs.push(Run::new(2, [Entry::Membership(Box::new(later))].into()));
    let entries = Entries::from_runs(runs);
    node.message(N1, Message::Append { term: 2, prev_index: 0, prev_term: 0, commit: 2, entries });
    let snapshot = node.raft.snapshot().expect("two entries are enough");
    assert_eq!((snapshot.index, snapshot.membership), (2, Membership::of(NodeSet::first(3))));
    assert_eq!(*node.raft.membership(), later, "the later one is in effect all the same");
}
