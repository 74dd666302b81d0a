//! Partial connectivity: links fail so that not everybody hears everybody, and do not come back. OmniPaxos §2 names
//! three such situations in which protocols fail; here each has a leader that commits within four election timeouts.
//!
//! Each run has a leader and clients that write before links fail. What is measured is the virtual time from then to
//! the first append that arrives and tells that an entry is committed that was proposed later: its leader has a
//! majority that hears it.

use swarm_protocol::{NodeId, NodeSet, Stream, Ticks};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, Kv, KvOp, Message, Raft};
use swarm_simulator::Event;
use swarm_simulator::profile::{Pace, Span};
use swarm_simulator::simulation::{Cut, Simulation, Stage, Traced};

type Node = Raft<Kv>;

/// How many runs there are of each shape.
const SEEDS: u64 = 300;

/// Who leads then is the leader of the story.
const BEGIN: Ticks = Ticks::from_millis(1_000);

/// When links fail. Before that the leader's link to the one server may have failed.
const FALL: Ticks = Ticks::from_millis(1_200);

/// What is left of the links when they have failed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// All hear one server alone, which is not the leader: that has lost its majority.
    QuorumLoss,
    /// The leader hears nobody, and the others hear one server alone, which lacks what was committed lately.
    Constrained,
    /// Three in a row, of which the first leads.
    Chained,
}

impl Shape {
    /// Which links fail, where this node leads.
    fn cuts(self, nodes: u32, leader: NodeId) -> Vec<Cut> {
        let one = NodeId((leader.0 + 1) % nodes);
        let all = (0..nodes).map(NodeId);
        let pairs = all.clone().flat_map(|a| all.clone().map(move |b| (a, b))).filter(|(a, b)| a != b);
        let fails = |(a, b): (NodeId, NodeId)| {
            let (with_one, with_leader) = (a == one || b == one, a == leader || b == leader);
            match self {
                Shape::QuorumLoss | Shape::Chained => (!with_one).then_some(FALL),
                Shape::Constrained if with_one && with_leader => Some(BEGIN),
                Shape::Constrained => (!with_one || with_leader).then_some(FALL),
            }
        };
        pairs.filter_map(|pair| fails(pair).map(|at| Cut { at, from: pair.0, to: pair.1 })).collect()
    }
}

fn write(draw: &mut Stream) -> KvOp {
    KvOp::Put(draw.below(3) as u16, draw.below(9))
}

fn cluster(config: &Config) -> Simulation<Node, RaftProperties> {
    let nodes = config.servers.len() as u32;
    let pace = Pace { think: Span::micros(10_000, 50_000), ..Pace::default() };
    let mut simulation = Simulation::new(config.clone(), nodes, write).pace(pace).clients(2);
    simulation.operations_max = 10_000;
    simulation
}

fn stage(cuts: Vec<Cut>, until: Ticks) -> Stage<Node> {
    Stage {
        disks: Vec::new(),
        down: NodeSet::EMPTY,
        arriving: Vec::new(),
        cuts,
        latency: |_| Span::micros(500, 5_000),
        sync: Span::micros(200, 2_000),
        ends: "never",
        until,
    }
}

/// How long it was from the fall to a commit of something that was proposed after it.
fn recovery(traced: &Traced<Node>) -> Option<Ticks> {
    let mut proposed_before = (0, 0);
    let mut proposed_after = Vec::new();
    for (at, event) in &traced.trace {
        let Event::Deliver { message: Message::Append { term, prev_index, commit, entries, .. }, .. } = event
        else {
            continue;
        };
        for (offset, (of_term, _)) in entries.iter().enumerate() {
            let place = (of_term, prev_index + 1 + offset as u64);
            if *at < FALL {
                proposed_before = place.max(proposed_before);
            } else if place > proposed_before {
                proposed_after.push(place);
            }
        }
        if proposed_after.iter().any(|(of_term, index)| of_term == term && index <= commit) {
            return Some(at.since(FALL));
        }
    }
    None
}

/// The same, of one run.
fn trial(config: &Config, shape: Shape, seed: u64) -> Option<Ticks> {
    let nodes = config.servers.len() as u32;
    let simulation = cluster(config);
    let before = simulation.trace_staged(seed, &stage(Vec::new(), BEGIN));
    let leader = before.nodes.iter().flatten().find(|node| node.is_leader()).expect("somebody leads by then");
    let until = Ticks(FALL.0 + 4 * config.election_timeout.max.0);
    let traced = simulation.trace_staged(seed, &stage(shape.cuts(nodes, leader.me()), until));
    assert_eq!(traced.run.violation, None, "{shape:?}, seed {seed}");
    recovery(&traced)
}

/// How many of so many trials recovered in time.
fn recovered(config: &Config, shape: Shape, seeds: u64) -> u64 {
    let times: Vec<_> = (0..seeds).filter_map(|seed| trial(config, shape, seed)).collect();
    println!("{shape:?}: {} of {seeds}, at last after {:?}", times.len(), times.iter().max());
    times.len() as u64
}

fn config(nodes: u32) -> Config {
    Config { lends: true, check_quorum: true, ..Config::new(nodes) }
}

#[test]
fn partially_connected_clusters_lead_and_commit_within_four_election_timeouts() {
    for (shape, nodes) in [(Shape::QuorumLoss, 5), (Shape::Constrained, 5), (Shape::Chained, 3)] {
        assert_eq!(recovered(&config(nodes), shape, SEEDS), SEEDS, "{shape:?}");
    }
}

/// What the rules are for: without loans there is no leader where only one server reaches a majority, and without
/// CheckQuorum the leader that has lost its majority is kept.
#[test]
fn without_loans_or_check_quorum_some_never_recover() {
    let lends_nothing = Config { lends: false, ..config(5) };
    assert_eq!(recovered(&lends_nothing, Shape::Constrained, 20), 0);
    let checks_nothing = Config { check_quorum: false, ..config(5) };
    assert_eq!(recovered(&checks_nothing, Shape::QuorumLoss, 20), 0);
}
