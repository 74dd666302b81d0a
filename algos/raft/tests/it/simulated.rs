//! Raft in virtual time, under every fault that it must survive: safe, linearizable, and at work again
//! once everything is healed.

use swarm_protocol::{Drawn as _, Stream};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Compaction, Config, Kv, KvOp, Once, Raft, Reads, Sessions};
use swarm_simulator::profile::Profile;
use swarm_simulator::simulation::{Assumption, Counts, Simulation};

fn operation(draw: &mut Stream) -> KvOp {
    let (key, one, other) = (draw.below(3) as u16, draw.below(9), draw.below(9));
    [KvOp::Put(key, one), KvOp::Get(key), KvOp::Cas(key, one, other)][draw.below(3) as usize]
}

/// More than clocks of a simulation run fast or slow, by what their steps of a millisecond make of an election timeout.
const DRIFT_PER_MILLION: u32 = 34_000;

/// Every way to read, each with everything that can be switched on beside it.
fn config(seed: u64, nodes: u32) -> Config {
    let reads = match seed % 6 {
        0 | 1 => Reads::Log,
        2 | 3 => Reads::Index,
        _ => Reads::Lease { drift_per_million: DRIFT_PER_MILLION },
    };
    let check_quorum = seed % 4 > 1 || matches!(reads, Reads::Lease { .. });
    let config = Config { pre_vote: !seed.is_multiple_of(3), check_quorum, reads, ..Config::new(nodes) };
    assert_eq!(config.validate(), Ok(()));
    config
}

#[test]
fn simulated_clusters_are_safe_linearizable_and_live() {
    let (mut marks, mut faults) = (Counts::new(), Counts::new());
    for profile in Profile::ALL.into_iter().filter(|profile| *profile != Profile::CALM) {
        for seed in 0..12 {
            let nodes = 3 + 2 * (seed as u32 % 2);
            let config = config(seed, nodes);
            // Who relies on a lease must not set clocks.
            let clocks_jump = config.reads == Reads::Log;
            let assumption = Assumption { clocks_jump, ..Assumption::majority(nodes) };
            let mut simulation = Simulation::<Raft<Kv>, RaftProperties>::new(config, nodes, operation);
            simulation.profile = profile;
            simulation.operations_max = 300;
            let run = simulation.assumption(assumption).run(seed);
            if !run.account.is_inside() {
                // It has been promised too much, and owes nothing.
                assert!(profile.heedless && !run.is_finding(), "{profile}, seed {seed}: {}", run.account);
                continue;
            }
            assert_eq!(run.violation, None, "{profile}, seed {seed}, {nodes} nodes");
            assert!(run.completed > 0 && !run.undecided && !run.cut_short, "{profile}, seed {seed}: {run:?}");
            for (sum, counts) in [(&mut marks, run.marks), (&mut faults, run.faults)] {
                for (label, count) in counts {
                    *sum.entry(label).or_default() += count;
                }
            }
        }
    }
    for label in [
        "leader-elected",
        "leader-steps-down",
        "command-committed",
        "append-conflict",
        "log-truncated",
        "quorum-lost",
        "read-by-lease",
        "read-by-round",
    ] {
        assert!(marks.get(label).is_some_and(|count| *count > 0), "{label}: {marks:?}");
    }
    assert!(faults.values().filter(|count| **count > 0).count() >= 18, "{faults:?}");
}

/// A client that repeats a command, through whatever leader and across snapshots, has it applied once: the promise
/// that the history is judged by knows sessions. Two are open at most, of the three or more that are used.
#[test]
fn commands_that_are_repeated_are_applied_once() {
    let mut marks = Counts::new();
    for profile in Profile::ALL.into_iter().filter(|profile| !profile.heedless) {
        for seed in 0..6 {
            let compaction = Compaction { log_bytes: 1_000, tail_entries: 4, part_bytes: 64 };
            let config = Config { compaction, ..config(seed, 3) };
            let assumption =
                Assumption { clocks_jump: config.reads == Reads::Log, ..Assumption::majority(3) };
            let mut simulation =
                Simulation::<Raft<Sessions<Kv, 2>>, RaftProperties>::new(config, 3, |draw| {
                    match draw.below(6) {
                        0 => Once::Read(KvOp::Get(draw.below(3) as u16)),
                        _ => Once::draw(draw),
                    }
                });
            simulation.profile = profile;
            simulation.operations_max = 200;
            let run = simulation.assumption(assumption).run(seed);
            assert_eq!(run.violation, None, "{profile}, seed {seed}");
            assert!(run.completed > 0 && !run.undecided && !run.cut_short, "{profile}, seed {seed}: {run:?}");
            for (label, count) in run.marks {
                *marks.entry(label).or_default() += count;
            }
        }
    }
    for label in ["snapshot-installed", "log-truncated", "leader-steps-down", "read-by-lease"] {
        assert!(marks.get(label).is_some_and(|count| *count > 0), "{label}: {marks:?}");
    }
}
