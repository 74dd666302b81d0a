//! Calibration: what samplers see of all there is, and whether the estimate of what they have not seen comes true.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use model_check::calibration::{Effort, Look, Reachable, Sight, Without, calibrate, walk};
use model_check::instance::Check;
use model_check::raft;
use swarm_protocol::Protocol;
use swarm_raft::Config;
use swarm_raft::properties::RaftProperties;
use swarm_simulator::sampler::{Sampler, Walks};
use swarm_simulator::{Bounds, Setup};

static GO_ON: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

use model_check::raft::Node;

fn effort(budgets: &'static [u64]) -> Effort<'static> {
    Effort { budgets, seeds: 3, threads: 1, memory_bytes: 8 << 30, interrupt: &GO_ON }
}

/// Two nodes and one term: some hundred states.
fn tiny(terms: u64) -> Setup<Node> {
    let config = Config { pre_vote: false, ..Config::new(2) };
    let within: fn(&Node) -> bool =
        if terms == 1 { |node| node.term() <= 1 } else { |node| node.term() <= 2 };
    Setup::new(config, 2).bounds(Bounds { in_flight: 2, ..Bounds::default() }).within(within)
}

fn reachable(setup: Setup<Node>) -> Reachable {
    Reachable::search::<Node, RaftProperties>(setup, &effort(&[])).expect("it is small")
}

fn sight(reachable: &Reachable, sampler: Sampler, budgets: &'static [u64]) -> Sight {
    walk::<Node, RaftProperties>(&tiny(2), reachable, sampler, 5, &effort(budgets)).expect("nobody stops it")
}

/// How many were seen.
fn seen(looks: &[Look]) -> Vec<u64> {
    looks.iter().map(|look| look.seen).collect()
}

#[test]
fn a_seed_sees_what_is_pinned() {
    let all = reachable(tiny(2));
    assert_eq!((all.states.len(), all.abstract_states.len(), all.depth), (636, 20, 18));
    let sights = Sampler::ALL.map(|sampler| sight(&all, sampler, &[20, 200, 2000, 200_000]));
    // Nobody sees all, though there are three hundred events for each state.
    let pinned =
        [[27, 105, 279, 578], [22, 76, 190, 543], [16, 63, 191, 394], [28, 63, 212, 556], [24, 47, 188, 508]];
    assert_eq!(sights.clone().map(|sight| seen(&sight.states)), pinned);
    for (sampler, sight) in Sampler::ALL.into_iter().zip(sights) {
        assert_eq!(sight.strangers, 0, "{sampler}");
        // Yet hardly anything is new to them any more, and the estimate says so.
        let last = sight.states.last().expect("there are four budgets");
        assert!((last.new as f64) < 0.01 * last.visits as f64, "{sampler}: {last:?}");
        assert!(last.claimed.is_some_and(|claimed| claimed < 0.01), "{sampler}: {last:?}");
    }
}

#[test]
fn who_sees_all_has_nothing_more_to_see() {
    let setup = tiny(1);
    let all = reachable(tiny(1));
    let sight = walk::<Node, RaftProperties>(&setup, &all, Sampler::Uniform, 5, &effort(&[100_000]));
    let sight = sight.expect("nobody stops it");
    let (states, situations) = (sight.states[0], sight.abstract_states[0]);
    assert_eq!((states.seen, states.new), (all.states.len() as u64, 0));
    assert_eq!((situations.seen, situations.new), (all.abstract_states.len() as u64, 0));
    assert!(states.claimed.is_some_and(|claimed| claimed < 1e-12) && states.visits > 0);
    assert_eq!(sight.strangers, 0);
}

#[test]
fn what_was_seen_is_what_plain_counting_comes_to() {
    let (setup, all) = (tiny(2), reachable(tiny(2)));
    for sampler in Sampler::ALL {
        let sight = sight(&all, sampler, &[500]);
        let start = swarm_simulator::World::<Node, RaftProperties>::new(&setup);
        let nodes: Vec<Option<&Node>> = start.nodes().collect();
        let mut states = BTreeSet::from([start.fingerprint()]);
        let mut situations = BTreeSet::from([Node::abstraction(&nodes)]);
        let mut walks = Walks::<Node, RaftProperties>::new(&setup, &[], sampler, 5, 2 * all.depth as usize);
        let mut events = 0;
        while events < 500 {
            events += walks
                .walk(|world| {
                    let nodes: Vec<Option<&Node>> = world.nodes().collect();
                    states.insert(world.fingerprint());
                    situations.insert(Node::abstraction(&nodes));
                })
                .picked;
        }
        // Of the 200 walks that follow, each against what was seen by then.
        let (mut new, mut visits) = (0, 0);
        for _ in 0..200 {
            let mut visited = BTreeSet::new();
            walks.walk(|world| {
                visited.insert(world.fingerprint());
            });
            visits += visited.len() as u64;
            new += visited.iter().filter(|state| !states.contains(state)).count() as u64;
        }
        let look = sight.states[0];
        assert_eq!((look.seen, look.new, look.visits), (states.len() as u64, new, visits), "{sampler}");
        assert_eq!(sight.abstract_states[0].seen, situations.len() as u64, "{sampler}");
    }
}

#[test]
fn walks_beyond_what_was_searched_are_strangers() {
    let less = reachable(tiny(1));
    let sight = sight(&less, Sampler::Uniform, &[500]);
    assert!(sight.strangers > 0);
    assert!(sight.states[0].seen <= less.states.len() as u64);
}

#[test]
fn the_estimate_of_samplers_without_memory_comes_true() {
    let all = reachable(tiny(2));
    let effort = Effort { seeds: 40, ..effort(&[100, 400]) };
    let told = calibrate::<Node, RaftProperties>(&tiny(2), &all, &effort, &|_, _| ());
    let told = told.expect("nobody stops it");
    for sampler in told.samplers.iter().filter(|sampler| sampler.sampler != Sampler::Guided.name()) {
        for point in &sampler.points {
            let mean = |samples: &[f64]| samples.iter().sum::<f64>() / samples.len() as f64;
            let (claimed, came) = (mean(&point.states.claimed), mean(&point.states.came_true));
            assert!(
                (claimed / came - 1.0).abs() < 0.25,
                "{} at {}: {claimed}, {came}",
                sampler.sampler,
                point.events
            );
        }
    }
}

#[test]
fn threads_make_no_difference_and_an_interrupt_leaves_nothing() {
    let all = reachable(tiny(2));
    let told = |effort: &Effort<'_>| calibrate::<Node, RaftProperties>(&tiny(2), &all, effort, &|_, _| ());
    let one = told(&effort(&[50, 100]));
    assert!(one.as_ref().is_some_and(|told| told.samplers.len() == 5 && told.strangers == 0));
    assert_eq!(one, told(&Effort { threads: 3, ..effort(&[50, 100]) }));
    assert_eq!(told(&Effort { interrupt: &STOP, ..effort(&[50]) }), None);
    let stopped =
        Reachable::search::<Node, RaftProperties>(tiny(2), &Effort { interrupt: &STOP, ..effort(&[]) });
    assert_eq!(stopped, Err(Without::Interrupted));
}

#[test]
fn what_is_too_large_cut_off_or_broken_is_left_out_with_its_reason() {
    let reason = |check: &dyn Check| match check.calibrate(&effort(&[10]), &|_, _| ()) {
        Err(Without::Reason(reason)) => reason,
        other => panic!("{}: {other:?}", check.name()),
    };
    assert_eq!(reason(&raft::CLOSED), "it has 1,883,301 states");
    assert_eq!(reason(&raft::TWO_NODES_BOUNDED), "it is cut off at a depth of 9");
    assert_eq!(reason(&raft::LIVELY_TWO_NODES), "it is no set of worlds to be walked");
    let large = (raft::CLOSED.setup)();
    let found = Reachable::search::<Node, RaftProperties>(large, &effort(&[]));
    assert_eq!(found, Err(Without::Reason("its search ended at a state limit".to_owned())));
    let forgetful = (raft::NO_STABLE_STORAGE.setup)();
    type Forgetful = model_check::forgetful::Forgetful<Node>;
    let found = Reachable::search::<Forgetful, RaftProperties>(forgetful, &effort(&[]));
    assert_eq!(found, Err(Without::Reason("it breaks election_safety".to_owned())));
}
