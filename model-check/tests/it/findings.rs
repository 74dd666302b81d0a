//! Findings of simulated runs: told as scenarios of a world that can be read, and that play to the same.

use model_check::finding;
use model_check::forgetful::Forgetful;
use model_check::search::Counterexample;
use swarm_protocol::Stream;
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, KvOp};
use swarm_simulator::profile::{Pace, Profile, Span};
use swarm_simulator::scenario::{self, Scenario};
use swarm_simulator::shrink::{Shrunk, Ways, plainer};
use swarm_simulator::simulation::Simulation;

type Node = Forgetful<model_check::raft::Node>;

/// Disks keep nothing: nodes that crash vote twice.
fn forgetful() -> Simulation<Node, RaftProperties> {
    let operation = |draw: &mut Stream| KvOp::Put(1, draw.below(6)).into();
    let pace = Pace { interval: Span::micros(20_000, 100_000), ..Pace::default() };
    let config = Config { pre_vote: false, ..Config::new(3) };
    Simulation::new(config, 3, operation).profile(Profile::CRASHES).pace(pace)
}

#[test]
fn a_simulated_run_is_told_as_a_scenario_that_plays_to_the_same_violation() {
    let simulation = forgetful();
    let broken = (0..50).map(|seed| simulation.run(seed)).filter(|run| run.violation.is_some());
    let seed = broken.min_by_key(|run| run.steps).expect("a node votes twice").seed;
    let traced = simulation.trace(seed);
    let ways = Ways { plainer, ..Ways::default() };
    let shrunk = finding::in_world::<Node, RaftProperties>(simulation.config.clone(), &traced, &ways)
        .expect("safety is broken, which a world shows");
    let Shrunk { setup, events, violation, .. } = shrunk;
    let found = Counterexample { violation, events };
    assert!(found.events.len() * 2 < traced.trace.len(), "{found:?}");

    let told = finding::told::<Node, RaftProperties>(&setup, &found, "a comment", "again");
    let text = told.scenario.expect("a world has shown it");
    let scenario = Scenario::<model_check::raft::Op>::parse("told", &text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(scenario.bounds.in_flight <= scenario::IN_FLIGHT_MAX);
    let crashes = found.events.iter().filter(|event| format!("{event:?}").starts_with("crash"));
    assert_eq!(scenario.bounds.crashes as usize, crashes.count(), "as many as there are");
    let played = scenario.play::<Node, RaftProperties>(&scenario.setup(simulation.config.clone()));
    let violation = played.unwrap_or_else(|error| panic!("{error}\n{text}")).violation;
    assert_eq!(violation.map(|violation| violation.property), Some(found.violation.property));
    assert_eq!(told.property, found.violation.property);
}

#[test]
fn a_run_that_breaks_nothing_is_no_finding() {
    let simulation = forgetful().profile(Profile::CALM);
    let traced = simulation.trace(1);
    assert!(traced.run.violation.is_none());
    let ways = Ways::default();
    assert!(finding::in_world::<Node, RaftProperties>(simulation.config.clone(), &traced, &ways).is_none());
}
