//! The loop driver.

use std::io;

use swarm_protocol::{NodeId, OpId, Ticks, WriteId};
use swarm_runtime::Local;
use swarm_runtime::storage::{MemoryStorage, Storage};

use crate::toy::{Answer, Keeper, Op, PRIMARY, square, three};

type Answers = Vec<(NodeId, OpId, Answer)>;

fn cluster(seed: u64) -> Local<Keeper> {
    Local::on(three(), vec![MemoryStorage::new(); 3], seed, square).unwrap()
}

fn settle<S: Storage<u64>>(cluster: &mut Local<Keeper, S>) -> Answers {
    let mut answers = Vec::new();
    assert!(cluster.pump_until_quiet(100, &mut |node, id, answer| answers.push((node, id, answer))));
    answers
}

/// Adds `numbers` in one batch and returns the answers.
fn add(cluster: &mut Local<Keeper>, numbers: core::ops::Range<u64>) -> Answers {
    for number in numbers {
        cluster.invoke(PRIMARY, OpId(number), Op::Add(number));
    }
    settle(cluster)
}

#[test]
fn a_number_is_stored_with_four_messages_and_a_batch_with_four_too() {
    for window in [1, 64] {
        let mut cluster = cluster(1);
        for round in 0..10 {
            let answers = add(&mut cluster, round * window..(round + 1) * window);
            let expected = (round * window..(round + 1) * window)
                .map(|n| (PRIMARY, OpId(n), Answer::Added { position: n as usize }));
            assert!(answers.into_iter().eq(expected));
        }
        let counters = cluster.counters();
        assert_eq!((counters.sent, counters.delivered, counters.dropped), (40, 40, 0));
        assert_eq!((counters.invoked, counters.answered), (10 * window, 10 * window));
        assert_eq!(counters.marks["stored"], 10 * window);
        // Group commit: each node syncs once per batch.
        assert_eq!((counters.records, counters.syncs), (30 * window, 30));
    }
}

#[test]
fn all_nodes_hold_the_same_numbers_and_disks_hold_what_was_synced() {
    let mut cluster = cluster(1);
    add(&mut cluster, 0..100);
    for (node, disk) in cluster.nodes().zip(cluster.disks()) {
        assert!(node.numbers.iter().copied().eq(0..100));
        assert_eq!(disk.synced_len(), 100);
    }
}

#[test]
fn what_was_not_settled_does_not_survive_a_restart() {
    let mut cluster = cluster(1);
    add(&mut cluster, 0..3);
    cluster.invoke(PRIMARY, OpId(3), Op::Add(3));
    cluster.restart(PRIMARY).unwrap();
    assert_eq!(settle(&mut cluster), [], "an operation lost in a crash is not answered");
    assert!(cluster.nodes().all(|node| node.numbers == [0, 1, 2]));
    // And the restarted node goes on where its disk ends.
    let answers = add(&mut cluster, 7..8);
    assert_eq!(answers, [(PRIMARY, OpId(7), Answer::Added { position: 3 })]);
}

#[test]
fn a_full_lane_drops_and_a_timer_resends() {
    let mut cluster = cluster(1);
    cluster.set_lane_limit(0);
    cluster.invoke(PRIMARY, OpId(0), Op::Add(9));
    assert_eq!(settle(&mut cluster), []);
    assert_eq!(cluster.counters().dropped, 2);
    cluster.set_lane_limit(10);
    assert_eq!(settle(&mut cluster), [], "nothing happens before the timer runs out");
    assert_eq!(cluster.next_deadline(), Some(Ticks(5_000)));
    cluster.advance(Ticks(4_999));
    assert_eq!(settle(&mut cluster), []);
    cluster.advance(Ticks(5_000));
    assert_eq!(settle(&mut cluster), [(PRIMARY, OpId(0), Answer::Added { position: 0 })]);
    assert_eq!(cluster.counters_of(PRIMARY).timeouts, 1);
    let next = cluster.next_deadline().unwrap();
    assert!((Ticks(10_000)..=Ticks(15_000)).contains(&next), "picked from the range: {next}");
}

#[test]
fn one_seed_is_one_run() {
    let deadlines = |seed| {
        let mut cluster = cluster(seed);
        let mut seen = Vec::new();
        for _ in 0..20 {
            settle(&mut cluster);
            let next = cluster.next_deadline().expect("the primary's timer always runs");
            cluster.advance(next);
            seen.push(next);
        }
        seen
    };
    assert_eq!(deadlines(1), deadlines(1));
    assert_ne!(deadlines(1), deadlines(2));
}

#[test]
fn timers_of_a_boot_run_at_once() {
    let mut cluster = cluster(1);
    assert_eq!(cluster.next_deadline(), Some(Ticks(5_000)));
    cluster.advance(Ticks(2_000));
    cluster.restart(PRIMARY).unwrap();
    assert_eq!(cluster.next_deadline(), Some(Ticks(7_000)));
}

#[test]
fn refusals_are_counted_by_reason() {
    let mut cluster = cluster(1);
    cluster.invoke(NodeId(1), OpId(0), Op::Add(1));
    cluster.invoke(NodeId(2), OpId(1), Op::Add(1));
    assert_eq!(settle(&mut cluster), []);
    assert_eq!(cluster.counters().refused["not-the-primary"], 2);
    assert_eq!(cluster.counters_of(NodeId(1)).refused["not-the-primary"], 1);
}

#[test]
fn a_task_is_done_and_answered() {
    let mut cluster = cluster(1);
    cluster.invoke(NodeId(2), OpId(5), Op::Square(12));
    assert_eq!(settle(&mut cluster), [(NodeId(2), OpId(5), Answer::Squared(144))]);
}

#[test]
fn records_that_became_superfluous_are_retired() {
    let mut cluster = cluster(1);
    add(&mut cluster, 0..5);
    cluster.invoke(PRIMARY, OpId(5), Op::Add(5));
    cluster.invoke(PRIMARY, OpId(6), Op::Forget);
    settle(&mut cluster);
    let left: Vec<Vec<u64>> = cluster.disks().map(|disk| disk.records().copied().collect()).collect();
    assert_eq!(left, [vec![5], (0..6).collect(), (0..6).collect()]);
}

/// A disk that fails once and for all when it is synced for the `syncs_left + 1`th time.
struct Failing {
    disk: MemoryStorage<u64>,
    syncs_left: usize,
}

impl Storage<u64> for Failing {
    fn recover(&mut self) -> io::Result<Vec<u64>> {
        self.disk.recover()
    }
    fn append(&mut self, record: u64) -> io::Result<()> {
        self.disk.append(record)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.syncs_left = self.syncs_left.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        self.disk.sync()
    }
    fn retire(&mut self, before: WriteId) -> io::Result<()> {
        self.disk.retire(before)
    }
}

#[test]
fn what_waits_for_a_failed_write_never_leaves() {
    let disks = [10, 1, 1].map(|syncs_left| Failing { disk: MemoryStorage::new(), syncs_left });
    let mut cluster = Local::on(three(), disks.into(), 1, square).unwrap();
    cluster.invoke(PRIMARY, OpId(0), Op::Add(0));
    assert_eq!(settle(&mut cluster).len(), 1);
    // Both other disks fail now, so that no majority acknowledges.
    cluster.invoke(PRIMARY, OpId(1), Op::Add(1));
    assert_eq!(settle(&mut cluster), []);
    for node in [NodeId(1), NodeId(2)] {
        let counters = cluster.counters_of(node);
        assert_eq!((counters.disk_failures, counters.marks["disk-failed"]), (1, 1));
        assert_eq!((counters.sent, counters.syncs), (1, 1));
    }
    assert!(cluster.nodes().skip(1).all(|node| node.disk_failed));
    // A failure is reported once, not with every later input.
    cluster.invoke(NodeId(1), OpId(2), Op::Square(2));
    assert_eq!(settle(&mut cluster), []);
    assert_eq!(cluster.counters_of(NodeId(1)).refused["disk-failed"], 1);
    assert_eq!(cluster.counters_of(NodeId(1)).marks["disk-failed"], 1);
    // A restart has the durable record and no other.
    cluster.restart(NodeId(1)).unwrap();
    assert_eq!(cluster.nodes().nth(1).unwrap().numbers, [0]);
}

#[test]
fn nothing_is_retired_before_what_replaces_it_is_durable() {
    let disks = [1, 10, 10].map(|syncs_left| Failing { disk: MemoryStorage::new(), syncs_left });
    let mut cluster = Local::on(three(), disks.into(), 1, square).unwrap();
    cluster.invoke(PRIMARY, OpId(0), Op::Add(0));
    settle(&mut cluster);
    cluster.invoke(PRIMARY, OpId(1), Op::Add(1));
    cluster.invoke(PRIMARY, OpId(2), Op::Forget);
    settle(&mut cluster);
    cluster.restart(PRIMARY).unwrap();
    assert_eq!(cluster.nodes().next().unwrap().numbers, [0]);
}
