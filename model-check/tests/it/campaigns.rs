//! Campaigns: the same on any number of threads, in parts, and strict about what they must reach.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model_check::campaign;
use model_check::campaign::kept::{self, Keeping};
use model_check::raft;
use model_check::registered::Registered;
use swarm_protocol::Ticks;
use swarm_simulator::profile::Profile;
use swarm_simulator::simulation::{Run, Summary};

static GO_ON: AtomicBool = AtomicBool::new(false);

fn summary(seeds: std::ops::Range<u64>, threads: usize) -> Summary {
    let simulate = raft::campaign(Profile::EVERYTHING, None);
    campaign::run(&*simulate, seeds, threads, &GO_ON, &|_| ())
}

#[test]
fn a_campaign_comes_to_the_same_on_two_threads_and_in_parts() {
    let one = summary(0..12, 1);
    assert_eq!((one.runs, one.linearizable), (12, 12), "{:?}", one.violations);
    assert_eq!(one, summary(0..12, 2));
    let parts: Vec<_> = (1..=5).map(|index| campaign::shard(&(0..12), index, 5)).collect();
    assert!(parts.iter().flat_map(Clone::clone).eq(0..12), "{parts:?}");
    let digests = parts.into_iter().map(|part| summary(part, 1).digest);
    assert_eq!(digests.fold(0, u64::wrapping_add), one.digest);
}

#[test]
fn even_seeds_run_three_nodes_and_odd_seeds_five_unless_told() {
    let told = |nodes, seed| raft::campaign(Profile::CALM, nodes).replay(seed, "").text;
    let usual = [(None, 0, "nodes 3"), (None, 1, "nodes 5"), (Some(4), 1, "nodes 4")];
    let rare = [(None, 7, "nodes 1"), (None, 15, "nodes 2"), (None, 39, "nodes 7"), (Some(3), 7, "nodes 3")];
    for (nodes, seed, first) in usual.into_iter().chain(rare) {
        let header = format!("version 1\n{first}\n");
        assert!(told(nodes, seed).starts_with(&header), "{nodes:?} {seed}");
    }
}

#[test]
fn faults_strike_and_what_they_lead_to_is_marked() {
    let simulate = raft::campaign(Profile::EVERYTHING, None);
    let summary = summary(0..40, 2);
    assert_eq!(campaign::missed(&*simulate, &summary), [""; 0]);
    let faults = &summary.faults;
    for fault in ["crash", "partition", "one-way", "loss", "duplication"] {
        assert!(faults.get(fault).is_some_and(|count| *count > 20), "{fault}: {faults:?}");
    }
    assert_eq!((summary.linearizable, summary.undecided), (40, 0));
}

#[test]
fn marks_that_no_run_reaches_are_named() {
    let simulate = raft::campaign(Profile::CALM, Some(3));
    let calm = campaign::run(&*simulate, 0..2, 1, &GO_ON, &|_| ());
    let missed = campaign::missed(&*simulate, &calm);
    assert!(missed.contains(&"log-truncated") && !missed.contains(&"leader-elected"), "{missed:?}");
}

#[test]
fn a_seed_replays_as_text_that_ends_with_the_same_result() {
    let simulate = raft::campaign(Profile::EVERYTHING, None);
    let (told, run) = (simulate.replay(4, "cargo xtask simulate raft --replay 4"), simulate.run(4));
    assert_eq!((told.run.steps, told.run.completed), (run.steps, run.completed));
    assert!(told.finding.is_none());
    let events = told.text.lines().filter(|line| line.starts_with('@')).count() as u64;
    assert!(events > 500, "{events}");
}

#[test]
fn a_campaign_that_is_stopped_goes_on_where_it_stood() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("raft.campaign");
    let _ = fs::remove_file(&path);
    let simulate = raft::campaign(Profile::EVERYTHING, None);
    let part = |what: &str, stop_after: usize| {
        let stop = AtomicBool::new(false);
        let seen = Mutex::new(Vec::new());
        let each = |run: &Run| {
            let mut seen = seen.lock().expect("no test panics with it");
            seen.push(run.seed);
            stop.store(seen.len() >= stop_after, Ordering::Relaxed);
        };
        let keeping = Keeping { every: Duration::ZERO, block: 2, ..Keeping::at(&path, what) };
        let kept = kept::run(&*simulate, 0..9, 1, &stop, &each, &keeping);
        (kept, seen.into_inner().expect("no test panics with it"))
    };
    let (first, seen) = part("nine seeds", 3);
    // The third seed began a block that was not ended: it is told of, and run again.
    assert_eq!((first.expect("it ran").summary.runs, seen), (3, vec![0, 1, 2]));
    let (second, seen) = part("nine seeds", 4);
    let second = second.expect("it ran");
    assert_eq!((second.earlier, second.summary.runs, seen), (2, 6, vec![2, 3, 4, 5]));
    let (other, _) = part("other seeds", 1);
    let refused = other.map(|kept| kept.earlier).expect_err("another campaign");
    assert!(refused.contains("line 2") && refused.contains("nine seeds"), "{refused}");
    let (last, seen) = part("nine seeds", 99);
    assert_eq!((seen, path.exists()), (vec![6, 7, 8], false));
    assert_eq!(last.expect("it ran").summary, summary(0..9, 1));
}

#[test]
fn clients_their_number_and_what_they_ask_for_differ_from_seed_to_seed() {
    let simulate = raft::campaign(Profile::CALM, None);
    let runs: Vec<_> = (0..40).map(|seed| simulate.run(seed)).collect();
    let different = |what: fn(&Run) -> u32| runs.iter().map(what).collect::<std::collections::BTreeSet<_>>();
    assert!(different(|run| run.clients).into_iter().eq(1..=6));
    assert!(different(|run| run.workload).into_iter().eq(0..4));
    let before_healing = different(|run| run.completed.ilog2());
    assert!(before_healing.len() >= 4, "few operations, and many: {before_healing:?}");
}

#[test]
fn progress_is_a_matter_of_a_bounded_number_of_election_timeouts() {
    let violated = |timeouts: u64| {
        let mut simulation = raft::Node::simulation(3).profile(Profile::CRASHES);
        let timeout = simulation.config.election_timeout.max.as_micros();
        assert_eq!(simulation.pace.progress, Ticks(raft::PROGRESS_ELECTION_TIMEOUTS * timeout));
        simulation.pace.progress = Ticks(timeouts * timeout);
        simulation.campaign(0..60, 2, &AtomicBool::new(false), |_| ()).violated
    };
    assert!(violated(raft::PROGRESS_ELECTION_TIMEOUTS).is_empty());
    // One is not enough for those that have to elect a leader first.
    let violated = violated(1);
    assert!(violated.len() == 1 && violated["progress"] > 0, "{violated:?}");
}
