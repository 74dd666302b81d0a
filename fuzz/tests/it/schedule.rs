//! Handler sequences: what they reach, and that a bug is found.

use std::collections::BTreeMap;

use fuzz::raft_schedule::{
    self, EVENTS_MAX, HEADER_BYTES, Node, Op, configure, judge, judge_with_changes, scenario_text,
};
use fuzz::{flawed, inputs};
use swarm_raft::KvOp;
use swarm_raft::properties::RaftProperties;
use swarm_simulator::scenario::Scenario;

fn random(number: u64) -> Vec<u8> {
    inputs::drawn(11, number, &[])
}

#[test]
fn random_bytes_reach_every_event_and_every_mark() {
    let (mut events, mut marks) = (BTreeMap::new(), BTreeMap::new());
    for number in 0..4000 {
        let run = judge_with_changes(&random(number)).unwrap();
        for event in &run.events {
            *events.entry(event.class().name()).or_insert(0) += 1;
        }
        for mark in run.marks {
            *marks.entry(mark).or_insert(0) += 1;
        }
    }
    // Raft asks no questions and looks at no clock.
    for class in [
        "deliver",
        "duplicate",
        "drop",
        "timeout",
        "invoke",
        "flush",
        "sync",
        "disk-fail",
        "crash",
        "restart",
    ] {
        assert!(events.get(class).is_some_and(|count| *count > 0), "{class}: {events:?}");
    }
    for mark in [
        "append-conflict",
        "busy",
        "campaign",
        "change-taken",
        "command-committed",
        "conflict-hint-used",
        "disk-failed",
        "joint-begins",
        "joint-ends",
        "leader-elected",
        "leader-steps-down",
        "log-truncated",
        "membership-changed",
        "loan-asked",
        "loan-taken",
        "pre-vote-refused",
        "removed-leader-steps-down",
        "transfer-aborted",
        "transfer-told",
        "vote-refused-stale-log",
        "witness-serves-nobody",
    ] {
        assert!(marks.get(mark).is_some_and(|count| *count > 0), "{mark}: {marks:?}");
    }
}

#[test]
fn every_byte_string_is_a_schedule_and_a_prefix_of_it_a_prefix() {
    for number in 0..200 {
        let data = random(number);
        let whole = judge::<Node, RaftProperties>(&data).unwrap();
        assert!(whole.events.len() <= EVENTS_MAX);
        assert_eq!(whole.events.len(), (data.len().saturating_sub(HEADER_BYTES) / 2).min(EVENTS_MAX));
        let shorter = data.len().min(HEADER_BYTES) + data.len().saturating_sub(HEADER_BYTES) / 2;
        let part = judge::<Node, RaftProperties>(&data[..shorter]).unwrap();
        assert!(whole.events.starts_with(&part.events));
    }
}

/// A bug in a handler is found by random bytes, named by its property, and shown as a scenario that plays.
#[test]
fn a_vote_that_leaves_before_it_is_durable_is_found() {
    let failed = (0..100_000).find_map(|number| Some((number, flawed::judge_hasty(&random(number)).err()?)));
    let (number, failure) = failed.expect("random bytes find the bug that is put back");
    assert_eq!(failure.violation.property, "election_safety");
    raft_schedule::run(&random(number));

    let lines: Vec<_> = failure.scenario.lines().collect();
    let [.., verdict, check] = lines[..] else { panic!("{}", failure.scenario) };
    assert_eq!(
        (verdict, check.starts_with("check ")),
        ("violates election_safety", true),
        "{}",
        failure.scenario
    );
    assert!(lines.iter().any(|line| line.starts_with("crash ")), "{}", failure.scenario);
    let events = lines.iter().take_while(|line| **line != "----").skip_while(|line| **line != "nodes 3");
    assert!(events.count() < 30, "shrunk:\n{}", failure.scenario);
    // Without the bug the scenario is either impossible or goes well.
    let scenario = Scenario::<Op>::read("found", &failure.scenario).unwrap();
    let setup = configure::<Node>(&scenario).unwrap();
    let played = scenario.play::<Node, RaftProperties>(&setup);
    assert!(played.is_err() || played.unwrap().violation.is_none());
    let scenario = Scenario::<KvOp>::read("found", &failure.scenario).unwrap();
    let again = configure::<flawed::HastyVoter>(&scenario).unwrap();
    let played = scenario.play::<flawed::HastyVoter, RaftProperties>(&again).unwrap();
    assert_eq!(scenario.compare(&played), Ok(()));
}

#[test]
#[should_panic(expected = "election_safety: ")]
fn a_failure_panics_with_the_property_first() {
    (0..100_000).for_each(|number| flawed::run(&random(number)));
}

#[test]
fn a_printed_run_names_its_configuration() {
    let header =
        "nodes 3\nconfig voters 0,2\nconfig learners 1\nconfig pre-vote 0\nconfig batch-entries-max 1\n";
    let scenario = Scenario::<Op>::parse("header", header).unwrap();
    let setup = configure::<Node>(&scenario).unwrap();
    assert!(!setup.config.pre_vote && setup.config.batch_entries_max == 1);
    let text = scenario_text::<Node, RaftProperties>(&setup, &[], "none");
    let lines = header.strip_prefix("nodes 3\n").unwrap();
    assert!(text.starts_with(&format!("# none\nversion 1\n{lines}nodes 3\n")), "{text}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (line, reason) in [
        ("config pre-vote yes", "config pre-vote: `yes` is neither 0 nor 1"),
        ("config batch-entries-max -1", "config batch-entries-max: `-1` is not a number that it can be"),
        ("config batch-entries-max 0", "batch_entries_max must be at least 1"),
        ("config colour red", "config colour is not a setting of Raft"),
        ("config voters 0,3", "config voters: `0,3` does not list nodes: 0,1,2"),
        ("config learners 0", "learners has voters in it"),
    ] {
        let scenario = Scenario::<Op>::parse("header", &format!("nodes 3\n{line}\n")).unwrap();
        assert_eq!(configure::<Node>(&scenario).unwrap_err(), reason);
    }
}
