//! Shrinking on Raft: runs that end in two leaders of one term come down to what the checker knows to be the
//! shortest.

use model_check::forgetful::Forgetful;
use model_check::raft::NO_STABLE_STORAGE;
use swarm_protocol::Stream;
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, KvOp};
use swarm_simulator::profile::{Pace, Profile, Span};
use swarm_simulator::shrink::{Ways, plainer, smallest};
use swarm_simulator::simulation::Simulation;
use swarm_simulator::walk::{Weights, walk};
use swarm_simulator::{Bounds, Event, EventClass, Setup, World};

type Node = Forgetful<model_check::raft::Node>;

/// What the checker pins as the depth of the instance: two votes of one node with a crash between them.
const SHORTEST: usize = 8;

fn ways() -> Ways<Node> {
    Ways { plainer, ..Ways::default() }
}

#[test]
fn walks_that_elect_two_leaders_shrink_to_the_shortest_way_there() {
    assert_eq!(NO_STABLE_STORAGE.pinned.depth as usize, SHORTEST);
    let setup = (NO_STABLE_STORAGE.setup)();
    let weights = Weights::EVEN.with(EventClass::Restart, 4).with(EventClass::Timeout, 4);
    let walks = (0..).map(|seed| walk::<Node, RaftProperties>(&setup, Stream::new(seed, 0, 0), weights, 60));
    let broken = walks.filter(|walk| walk.violation.is_some() && walk.trace.len() >= 14);
    for found in broken.take(5) {
        let events: Vec<_> = found.trace.events().cloned().collect();
        let shrunk = smallest::<Node, RaftProperties>(&setup, &events, "election_safety", &ways()).unwrap();
        assert_eq!(shrunk.events.len(), SHORTEST, "{shrunk}\n{:#?}", shrunk.events);
    }
}

#[test]
fn simulated_runs_shrink_to_the_shortest_way_there_in_a_smaller_cluster() {
    let operation = |draw: &mut Stream| KvOp::Put(1, draw.below(6)).into();
    let pace = Pace { interval: Span::micros(20_000, 100_000), ..Pace::default() };
    let config = |nodes| Config { pre_vote: false, ..Config::new(nodes) };
    let mut all = 0;
    for nodes in [3, 5] {
        let mut seen = 0;
        let simulation = Simulation::<Node, RaftProperties>::new(config(nodes), nodes, operation)
            .profile(Profile::CRASHES)
            .pace(pace);
        for seed in 0..60 {
            let traced = simulation.trace(seed);
            let Some(violation) = &traced.run.violation else { continue };
            if violation.property != "election_safety" || traced.trace.len() < 100 {
                continue;
            }
            let ways = Ways { clusters: vec![(3, config(3))], ..ways() };
            let shrunk = traced.shrunk::<RaftProperties>(config(nodes), violation.property, &ways).unwrap();
            let Setup { workload, bounds, .. } = &shrunk.setup;
            let told = format!("seed {seed}, {} events: {shrunk}\n{:#?}", traced.trace.len(), shrunk.events);
            assert_eq!(shrunk.events.len(), SHORTEST, "{told}");
            assert!(workload.is_empty() && bounds.crashes == 1 && bounds.drops == 0, "{told}");
            assert_eq!(shrunk.setup.nodes(), 3, "{told}");
            let crash = |event: &Event<Node>| matches!(event, Event::Crash { .. });
            assert_eq!(shrunk.events.iter().filter(|event| crash(event)).count(), 1, "{told}");
            seen += 1;
            if seen == 3 {
                break;
            }
        }
        assert!(seen > 0, "some run of {nodes} nodes elects two leaders");
        all += seen;
    }
    assert!(all >= 4, "{all} runs elect two leaders");
}

#[test]
fn elections_that_only_count_terms_are_left_out_on_all_nodes_at_once() {
    let bounds = Bounds { crashes: 1, ..Bounds::default() };
    let setup = Setup::<Node>::new(Config { pre_vote: false, ..Config::new(3) }, 3).bounds(bounds);
    let timeouts = |node| std::iter::repeat_n(format!("timeout n{node} Election"), 6);
    let votes = [
        "deliver n0 n2 RequestVote(t6 last 0@0)",
        "deliver n2 n0 Vote(t6 granted)",
        "crash n2 0",
        "restart n2",
        "deliver n1 n2 RequestVote(t6 last 0@0)",
        "deliver n2 n1 Vote(t6 granted)",
    ];
    let mut world = World::<Node, RaftProperties>::new(&setup);
    let (mut enabled, mut events) = (Vec::new(), Vec::new());
    for line in timeouts(0).chain(timeouts(1)).chain(votes.map(str::to_owned)) {
        world.enabled(&setup, &mut enabled);
        let event = enabled.iter().find(|event| format!("{event:?}") == line).expect("it is enabled").clone();
        world.apply(&setup, &event).expect("it is enabled");
        events.push(event);
    }
    // Too little for a search to find the way.
    let ways = Ways { effort: 10_000, ..ways() };
    let shrunk = smallest::<Node, RaftProperties>(&setup, &events, "election_safety", &ways).unwrap();
    assert_eq!(shrunk.events.len(), SHORTEST, "{shrunk}\n{:#?}", shrunk.events);
    assert!(shrunk.stages.iter().any(|stage| stage.name == "stand-ins"), "{shrunk}");
}
