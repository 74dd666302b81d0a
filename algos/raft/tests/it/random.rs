//! Small clusters under random events, judged after every step; then healed, and asked to work.

use swarm_protocol::{Input, NodeId, NodeSet, Stream, Ticks};
use swarm_raft::{Answer, Compaction, Config, KvOp, Log, Timer};

use crate::cluster::Cluster;

/// Which faults happen.
#[derive(Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) crashes: bool,
}

/// So many random events: deliveries in any order, losses, duplicates, timeouts, partial syncs, crashes
/// that keep some of the unsynced writes, restarts, commands anywhere, late flushes.
pub(crate) fn wander(cluster: &mut Cluster, draw: &mut Stream, events: u64, faults: Faults) {
    let n = cluster.config.voters.len() as u64;
    for event in 0..events {
        cluster.now = cluster.now + Ticks(draw.below(2) * 15_000);
        let at = NodeId(draw.below(n) as u32);
        match draw.below(100) {
            0..=49 if cluster.in_flight() > 0 => {
                let place = draw.below(cluster.in_flight() as u64) as usize;
                let (from, to, message) = cluster.take(place);
                let lost = draw.happens(80_000);
                if draw.happens(50_000) {
                    cluster.put(from, to, message.clone());
                }
                if !lost {
                    cluster.step(to, Input::Message { from, message });
                    if draw.happens(700_000) {
                        cluster.flush(to);
                    }
                }
            }
            50..=69 => cluster.sync(at, 1 + draw.below(3) as usize),
            70..=77 => cluster.flush(at),
            78..=80 => cluster.timeout(at, Timer::Election),
            81..=84 => cluster.timeout(at, Timer::Heartbeat),
            85..=94 => {
                let op = [KvOp::Put(0, event), KvOp::Get(0)][draw.below(2) as usize];
                cluster.step(at, Input::Invoke { id: swarm_protocol::OpId(event), op });
            }
            95..=96 if faults.crashes && cluster.is_up(at) => cluster.crash(at, draw.below(3) as usize),
            _ if !cluster.is_up(at) => cluster.restart(at),
            _ => {}
        }
    }
}

/// Every property and invariant holds at every step; after healing, somebody is elected, commands are
/// answered, and all logs and machines are equal.
#[test]
fn random_runs_are_safe_and_recover() {
    let mut marks = std::collections::BTreeMap::new();
    for seed in 0..300 {
        let draw = &mut Stream::new(seed, 1, 0);
        let n = [3, 3, 5, 2, 4][seed as usize % 5];
        let config = Config {
            pre_vote: draw.below(2) == 0,
            check_quorum: seed % 4 == 3,
            batch_entries_max: 1 + draw.below(3) as u32,
            append_entries_max: 1 + draw.below(3) as u32,
            in_flight_entries_max: 1 + draw.below(6),
            uncommitted_entries_max: 1 + draw.below(8),
            compaction: small_snapshots(seed, draw),
            // As many as there may be, of every third cluster.
            witnesses: NodeSet::first(n).difference(NodeSet::first(if seed % 3 == 1 {
                n / 2 + 1
            } else {
                n
            })),
            ..Config::new(n)
        };
        let mut cluster = Cluster::new(config);
        wander(&mut cluster, draw, 600, Faults { crashes: true });
        heal(&mut cluster, seed);
        for (label, count) in &cluster.marks {
            *marks.entry(*label).or_insert(0) += count;
        }
    }
    // The "sometimes" of every "never": a run in which nothing happens is safe too.
    for label in [
        "leader-elected",
        "leader-steps-down",
        "command-committed",
        "log-truncated",
        "append-conflict",
        "conflict-hint-used",
        "pre-vote-refused",
        "vote-refused-stale-log",
        "busy",
        "quorum-lost",
        "snapshot-taken",
        "snapshot-installed",
        "part-out-of-turn",
    ] {
        assert!(marks.get(label).is_some_and(|count| *count > 0), "{label}: {marks:?}");
    }
}

/// Snapshots every few entries, in parts of a few bytes; with every other seed none.
fn small_snapshots(seed: u64, draw: &mut Stream) -> Compaction {
    if seed.is_multiple_of(2) {
        return Compaction::NEVER;
    }
    let (log_bytes, part_bytes) = (1 + draw.below(300), 1 + draw.below(12) as u32);
    Compaction { log_bytes, tail_entries: draw.below(4), part_bytes }
}

fn heal(cluster: &mut Cluster, seed: u64) {
    let nodes: NodeSet = cluster.config.voters;
    for node in nodes.iter().filter(|node| !cluster.is_up(*node)).collect::<Vec<_>>() {
        cluster.restart(node);
    }
    for node in nodes.iter() {
        cluster.flush(node);
    }
    cluster.settle();
    for attempt in 0..40 {
        cluster.now = cluster.now + Ticks::from_millis(150);
        let leader = nodes.iter().find(|node| {
            cluster.node(*node).is_leader()
                && nodes.iter().all(|other| cluster.node(other).term() <= cluster.node(*node).term())
        });
        if let Some(leader) = leader {
            let id = 1_000_000 + attempt;
            cluster.timeout(leader, Timer::Heartbeat);
            cluster.settle();
            cluster.invoke(leader, id, KvOp::Get(0));
            cluster.settle();
            cluster.timeout(leader, Timer::Heartbeat);
            cluster.settle();
            if cluster.node(leader).is_leader() {
                let answer = cluster.answers.get(&swarm_protocol::OpId(id));
                assert!(matches!(answer, Some(Answer::Applied(_))), "seed {seed}: {answer:?}");
                for other in nodes.iter() {
                    let (log, leads) = (cluster.node(other).log(), cluster.node(leader).log());
                    assert_eq!(log.last_index(), leads.last_index(), "seed {seed}");
                    let both = log.base_index().max(leads.base_index()) + 1;
                    if cluster.node(other).is_witness() {
                        let terms = |log: &Log<KvOp>| -> Vec<_> {
                            log.iter_from(both).map(|(term, _)| term).collect()
                        };
                        assert_eq!(terms(log), terms(leads), "seed {seed}");
                        continue;
                    }
                    assert!(log.iter_from(both).eq(leads.iter_from(both)), "seed {seed}: {log:?} {leads:?}");
                    assert_eq!(cluster.node(other).machine(), cluster.node(leader).machine(), "seed {seed}");
                }
                return;
            }
        }
        for turn in 0..nodes.len() as u64 {
            let node = NodeId(((attempt + turn) % nodes.len() as u64) as u32);
            cluster.timeout(node, Timer::Election);
            cluster.settle();
            // Whoever stands right after an election deposes its winner.
            if cluster.node(node).is_leader() {
                break;
            }
        }
    }
    panic!("seed {seed}: no leader in forty rounds");
}
