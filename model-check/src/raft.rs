//! Raft, as the checker and the simulator see it: instances with what is known of them, and the workload of
//! campaigns.
//!
//! All instances run `swarm_raft::Raft<Managed<Kv>>` itself, with records, restarts, timers and clients. Losing a
//! message by an event adds nothing but where few messages may be in flight: never delivering it does the
//! same. Terms are bounded by the boundary of the instance, logs by terms and commands.
//!
//! Verified by the pinned counts, equal on one and two threads, by what each instance must reach, and by the
//! two instances whose broken property must be found.

mod compaction;
mod etcd;
mod leadership;
mod liveness;
mod loans;
mod membership;
mod symmetry;
mod three_elections;
mod transfer;
mod witnesses;

use fuzz::{raft_schedule, schedule};
use swarm_protocol::{Drawn, NodeId, NodeSet, Properties, Service, Stream, Ticks};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Compaction, Config, KvOp, Reads};
use swarm_simulator::profile::Profile;
use swarm_simulator::scenario::Scenario;
use swarm_simulator::simulation::{Assumption, Simulation};
use swarm_simulator::world::{FlushMode, OpStatus, SyncMode};
use swarm_simulator::{Bounds, Setup, Subject, World};

use crate::adapter::Goal;
use crate::campaign::{Campaign, Simulate};
use crate::elections;
use crate::etcd_trace::Written;
use crate::forgetful::Forgetful;
use crate::instance::{Check, Instance, Pinned};
use crate::registered::{self, Experiment, Extent, Registered};

pub use self::compaction::{FEW_SNAPSHOTS, SNAPSHOTS};
pub use self::leadership::{READ_INDEX, TWO_NODES_READ_INDEX, TWO_NODES_UNDISTURBED, UNDISTURBED};
pub use self::liveness::{LIVELY_PRE_VOTE, LIVELY_THREE_NODES, LIVELY_TWO_NODES};
pub use self::loans::{CONTRADICTED, LENT, TWO_NODES_LENT};
pub use self::membership::{JOINED, REPLACED, RETIRED, TWO_NODES_JOINED, TWO_NODES_RETIRED};
pub use self::symmetry::{
    ALIKE, ALIKE_CLOSED, ALIKE_NO_STABLE_STORAGE, ALIKE_PRE_VOTE, ALIKE_TWO_COMMANDS, ALIKE_TWO_NODES,
    ALIKE_TWO_NODES_PRE_VOTE,
};
pub use self::three_elections::{THREE_ELECTIONS, THREE_ELECTIONS_BETWEEN_WRITES};
pub use self::transfer::{HANDED_OVER, TWO_NODES_HANDED_OVER};
pub use self::witnesses::{FEW_WITNESSED_SNAPSHOTS, WITNESSED};

/// What the tools run: Raft over the small store, by members that may change.
pub type Node = raft_schedule::Node;

/// What its clients ask for.
pub type Op = raft_schedule::Op;
type Cluster = World<Node, RaftProperties>;

/// Marks that every instance with a client reaches.
const USUAL: &[&str] = &["campaign", "leader-elected", "command-committed"];

/// The same with PreVote.
const PRE_VOTES: &[&str] = &["campaign", "leader-elected", "command-committed", "pre-vote-refused"];

/// What the instances with two terms must reach.
const TWO_TERMS: &[Goal<Node, RaftProperties>] = &[
    Goal { name: "leader-of-term-2", holds: |world| leaders(world).any(|node| node.term() == 2) },
    Goal {
        name: "entry-of-term-1-committed-by-leader-of-term-2",
        holds: |world| leaders(world).any(|node| node.term() == 2 && commits_of_term(node, 1)),
    },
    Goal { name: "command-answered", holds: |world| world.operations().contains(&OpStatus::Returned) },
];

fn leaders(world: &Cluster) -> impl Iterator<Item = &Node> {
    world.nodes().flatten().filter(|node| node.is_leader())
}

/// Whether the node knows an entry of this term to be committed.
fn commits_of_term(node: &Node, term: u64) -> bool {
    (1..=node.commit_index()).any(|index| node.log().term_at(index) == Some(term))
}

/// The instances: the quick ones, or all. Those that need least memory come first, as what is resident is
/// measured of the process as a whole.
pub fn instances(full: bool) -> Vec<Box<dyn Check>> {
    let quick: [Box<dyn Check>; 17] = [
        Box::new(NO_STABLE_STORAGE),
        Box::new(LIVELY_TWO_NODES),
        Box::new(LIVELY_PRE_VOTE),
        Box::new(LIVELY_THREE_NODES),
        Box::new(BETWEEN_WRITES),
        Box::new(UNDISTURBED),
        Box::new(SNAPSHOTS),
        Box::new(READ_INDEX),
        Box::new(HANDED_OVER),
        Box::new(LENT),
        Box::new(CONTRADICTED),
        Box::new(JOINED),
        Box::new(REPLACED),
        Box::new(RETIRED),
        Box::new(WITNESSED),
        Box::new(PRE_VOTE),
        Box::new(CLOSED),
    ];
    let slow: [Box<dyn Check>; 3] =
        [Box::new(TWO_COMMANDS), Box::new(PRE_VOTE_TWO_TERMS), Box::new(COMMAND_BETWEEN_WRITES)];
    let deepest: Box<dyn Check> = Box::new(BOUNDED);
    let largest: [Box<dyn Check>; 2] = [Box::new(THREE_ELECTIONS_BETWEEN_WRITES), Box::new(THREE_ELECTIONS)];
    let slow = slow.into_iter().filter(|_| full);
    quick.into_iter().chain(slow).chain([deepest]).chain(largest.into_iter().filter(|_| full)).collect()
}

/// Instances of two nodes, or of few events, which end in a fraction of a second: for tests, and for a look around.
pub fn small() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(TWO_NODES),
        Box::new(TWO_NODES_PRE_VOTE),
        Box::new(TWO_NODES_BETWEEN_WRITES),
        Box::new(TWO_NODES_BOUNDED),
        Box::new(TWO_NODES_UNDISTURBED),
        Box::new(FEW_SNAPSHOTS),
        Box::new(TWO_NODES_READ_INDEX),
        Box::new(TWO_NODES_HANDED_OVER),
        Box::new(TWO_NODES_LENT),
        Box::new(TWO_NODES_JOINED),
        Box::new(TWO_NODES_RETIRED),
        Box::new(FEW_WITNESSED_SNAPSHOTS),
    ]
}

/// What can be explored, the smallest first.
pub fn explorable() -> Vec<Box<dyn Check>> {
    small().into_iter().chain(instances(true)).collect()
}

fn setup<P: Subject<Config = Config, Op = Op>>(
    nodes: u32,
    pre_vote: bool,
    commands: usize,
    bounds: Bounds,
    within: fn(&P) -> bool,
) -> Setup<P> {
    let workload = [KvOp::Put(1, 7), KvOp::Get(1), KvOp::Cas(1, 7, 8)].map(Op::from);
    let config = Config { pre_vote, ..Config::new(nodes) };
    let setup = Setup::new(config, nodes).workload(workload.into_iter().take(commands));
    let settings = raft_schedule::preface(&setup);
    setup.bounds(bounds).within(within).settings(settings)
}

/// Two elections, a crash and a restart, exhaustively.
pub const CLOSED: Instance<Node, RaftProperties> = Instance {
    name: "closed",
    about: "two terms, one command, one crash and restart from stable storage",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, ..Bounds::default() };
        setup(3, false, 1, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: USUAL,
    goals: TWO_TERMS,
    breaks: None,
    pinned: Pinned { states: 1_883_301, generated: 5_180_581, depth: 41 },
};

/// PreVote.
pub const PRE_VOTE: Instance<Node, RaftProperties> = Instance {
    name: "pre-vote",
    about: "elections begin with PreVote; one term, one command, one crash and restart",
    boundary: "terms up to 1",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, ..Bounds::default() };
        setup(3, true, 1, bounds, |node| node.term() <= 1)
    },
    depth_max: None,
    marks: PRE_VOTES,
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 1_814_673, generated: 6_685_679, depth: 47 },
};

/// Crashes between a write and what waits for it.
pub const BETWEEN_WRITES: Instance<Node, RaftProperties> = Instance {
    name: "between-writes",
    about: "writes become durable by an event; a crash keeps any part of those on their way",
    boundary: "terms up to 1",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, sync: SyncMode::Whole, ..Bounds::default() };
        setup(3, false, 0, bounds, |node| node.term() <= 1)
    },
    depth_max: None,
    marks: USUAL,
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 99_874, generated: 326_159, depth: 26 },
};

/// Every fault at once, as deep as two million states reach.
pub const BOUNDED: Instance<Node, RaftProperties> = Instance {
    name: "bounded",
    about: "two terms, two commands, loss, duplication, one crash and restart, writes that take their time",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds {
            crashes: 1,
            duplicates: 1,
            drops: 1,
            in_flight: 3,
            sync: SyncMode::Whole,
            ..Bounds::default()
        };
        setup(3, false, 2, bounds, |node| node.term() <= 2)
    },
    depth_max: Some(11),
    marks: USUAL,
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 3_169_981, generated: 10_054_797, depth: 11 },
};

/// Stable storage taken away.
pub const NO_STABLE_STORAGE: Instance<Forgetful<Node>, RaftProperties> = Instance {
    name: "no-stable-storage",
    about: "disks keep nothing: a restarted node votes twice, and the checker must find two leaders in a term",
    boundary: "terms up to 1",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 3, ..Bounds::default() };
        setup(3, false, 1, bounds, |node: &Forgetful<Node>| node.0.term() <= 1)
    },
    depth_max: Some(20),
    marks: &[],
    goals: &[],
    breaks: Some("election_safety"),
    pinned: Pinned { states: 11_582, generated: 24_209, depth: 8 },
};

/// More commands than terms.
pub const TWO_COMMANDS: Instance<Node, RaftProperties> = Instance {
    name: "two-commands",
    about: "two terms, two commands",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { in_flight: 2, ..Bounds::default() };
        setup(3, false, 2, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: USUAL,
    goals: TWO_TERMS,
    breaks: None,
    pinned: Pinned { states: 1_173_377, generated: 2_884_226, depth: 45 },
};

/// PreVote and a second term.
pub const PRE_VOTE_TWO_TERMS: Instance<Node, RaftProperties> = Instance {
    name: "pre-vote-two-terms",
    about: "elections begin with PreVote; two terms, one command",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { in_flight: 2, ..Bounds::default() };
        setup(3, true, 1, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: PRE_VOTES,
    goals: TWO_TERMS,
    breaks: None,
    pinned: Pinned { states: 2_676_500, generated: 8_799_303, depth: 54 },
};

/// Crashes between the writes of a command.
pub const COMMAND_BETWEEN_WRITES: Instance<Node, RaftProperties> = Instance {
    name: "command-between-writes",
    about: "as between-writes, with a command",
    boundary: "terms up to 1",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, sync: SyncMode::Whole, ..Bounds::default() };
        setup(3, false, 1, bounds, |node| node.term() <= 1)
    },
    depth_max: None,
    marks: USUAL,
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 3_465_500, generated: 13_166_074, depth: 40 },
};

/// Small, with everything that two nodes can do.
pub const TWO_NODES: Instance<Node, RaftProperties> = Instance {
    name: "two-nodes",
    about: "two nodes, two terms, one command, one crash and restart",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, ..Bounds::default() };
        setup(2, false, 1, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: USUAL,
    goals: TWO_TERMS,
    breaks: None,
    pinned: Pinned { states: 22_814, generated: 52_469, depth: 26 },
};

/// Small, with PreVote.
pub const TWO_NODES_PRE_VOTE: Instance<Node, RaftProperties> = Instance {
    name: "two-nodes-pre-vote",
    about: "two nodes that ask before an election; one term, one command, one crash and restart",
    boundary: "terms up to 1",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, ..Bounds::default() };
        setup(2, true, 1, bounds, |node| node.term() <= 1)
    },
    depth_max: None,
    marks: PRE_VOTES,
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 19_098, generated: 56_861, depth: 24 },
};

/// Small, with writes and batches that take their time.
pub const TWO_NODES_BETWEEN_WRITES: Instance<Node, RaftProperties> = Instance {
    name: "two-nodes-between-writes",
    about: "two nodes; writes become durable and batches leave by events; one crash and restart",
    boundary: "terms up to 1",
    setup: || {
        let bounds = Bounds {
            crashes: 1,
            in_flight: 2,
            sync: SyncMode::Prefix,
            flush: FlushMode::Deferred,
            ..Bounds::default()
        };
        setup(2, false, 1, bounds, |node| node.term() <= 1)
    },
    depth_max: None,
    marks: USUAL,
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 85_752, generated: 401_571, depth: 34 },
};

/// Small, and cut off.
pub const TWO_NODES_BOUNDED: Instance<Node, RaftProperties> = Instance {
    name: "two-nodes-bounded",
    about: "two nodes, three terms, two commands, loss, duplication, two crashes, to a depth",
    boundary: "terms up to 3",
    setup: || {
        let bounds = Bounds { crashes: 2, duplicates: 1, drops: 1, ..Bounds::default() };
        setup(2, false, 2, bounds, |node| node.term() <= 3)
    },
    depth_max: Some(9),
    marks: USUAL,
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 168_042, generated: 483_675, depth: 9 },
};

/// What leases allow for: more than clocks of a simulation run fast or slow, by what their steps of a millisecond
/// make of an election timeout.
const DRIFT_PER_MILLION: u32 = 34_000;

/// Marks that many runs under all kinds of faults must reach.
const MARKS: &[&str] = &[
    "append-conflict",
    "campaign",
    "command-committed",
    "conflict-hint-used",
    "joint-begins",
    "joint-ends",
    "leader-elected",
    "leader-steps-down",
    "loan-asked",
    "loan-taken",
    "log-truncated",
    "makes-way",
    "membership-changed",
    "pre-vote-refused",
    "quorum-lost",
    "read-by-lease",
    "read-by-round",
    "removed-leader-steps-down",
    "snapshot-installed",
    "snapshot-taken",
    "transfer-aborted",
    "transfer-told",
    "vote-refused-stale-log",
    "witness-serves-nobody",
];

impl Registered for Node {
    type Properties = RaftProperties;
    const NAME: &'static str = "raft";
    const TYPE: &'static str = "model_check::raft::Node";
    const MARKS: &'static [&'static str] = MARKS;

    fn config(nodes: u32) -> Config {
        Config::new(nodes)
    }

    fn campaign_without_storage(profile: Profile, sizes: [u32; 2]) -> Option<Box<dyn Simulate>> {
        let make = |nodes| {
            Simulation::<Forgetful<Node>, RaftProperties>::new(Config::new(nodes), nodes, Node::operation)
                .profile(profile)
        };
        Some(Box::new(Campaign::new(sizes, &[], make)))
    }

    fn elections() -> Option<Experiment> {
        Some(elections::reproduce)
    }

    fn etcd_trace(clusters: &Campaign<Node, RaftProperties>, seed: u64) -> Option<Written> {
        let (config, traced) = clusters.trace(seed);
        let (setup, events) = traced.in_world(config);
        Some(etcd::write(&setup, &events))
    }

    const RARE_NODES: &'static [u32] = &[1, 2, 4, 6, 7];

    fn simulation(nodes: u32) -> Simulation<Node, RaftProperties> {
        in_election_timeouts(simulation(Self::config(nodes), nodes))
    }

    fn variants(nodes: u32) -> Vec<Simulation<Node, RaftProperties>> {
        let with = |reads| {
            // A store of few keys: snapshots of a few parts, for each few dozen commands.
            let compaction = Compaction { log_bytes: 1_000, tail_entries: 4, part_bytes: 32 };
            let config = Config { check_quorum: true, lends: true, reads, compaction, ..Config::new(nodes) };
            in_election_timeouts(simulation(config, nodes))
        };
        let leased = with(Reads::Lease { drift_per_million: DRIFT_PER_MILLION });
        // Who relies on leases must not set clocks.
        let assumption = Assumption { clocks_jump: false, ..leased.assumption };
        let leased = leased.assumption(assumption);
        // A client asks until the named server leads: in the end all are up.
        let all_return = Assumption { lost_max: 0, core_min: nodes, ..assumption };
        let handed_over =
            leased.clone().assumption(all_return).workloads([usual, contended, mostly_reads, handing_over]);
        let indexed = with(Reads::Index);
        let mut preferring = indexed.clone();
        // The last is wanted most.
        preferring.config.priorities = (0..nodes).map(|node| node as u8).collect();
        let (witnessed, few) =
            (witnessed(indexed.clone(), nodes / 2 + 1), witnessed(leased.clone(), nodes - 1));
        vec![
            handed_over,
            changing(indexed, nodes),
            preferring,
            changing(leased, nodes),
            witnessed,
            changing(few, nodes),
        ]
    }

    fn instances(extent: Extent) -> Vec<Box<dyn Check>> {
        match extent {
            Extent::Small => small(),
            Extent::Quick => instances(false),
            Extent::Full => instances(true),
            Extent::Explorable => explorable(),
        }
    }

    fn alike(extent: Extent) -> Vec<Box<dyn Check>> {
        symmetry::instances(extent)
    }

    fn fuzzed(header: [u8; schedule::HEADER_BYTES]) -> Setup<Node> {
        raft_schedule::setup_with_changes(header)
    }

    fn read(scenario: &Scenario<Op>) -> Result<Config, String> {
        raft_schedule::configure::<Node>(scenario).map(|setup| setup.config)
    }

    fn preface(setup: &Setup<Node>) -> String {
        raft_schedule::preface(setup)
    }
}

/// How many election timeouts, of the longest, may pass from the end of all faults until every client of the healed core
/// has been answered a command that it asked for from then on. There is a leader by then, and it has committed all that
/// was accepted before: a leader commits in order.
pub const PROGRESS_ELECTION_TIMEOUTS: u64 = 40;

/// The same with its bound on progress in election timeouts.
fn in_election_timeouts(
    mut simulation: Simulation<Node, RaftProperties>,
) -> Simulation<Node, RaftProperties> {
    let timeout = simulation.config.election_timeout.max;
    simulation.pace.progress = Ticks(PROGRESS_ELECTION_TIMEOUTS * timeout.as_micros());
    simulation
}

/// A Raft, ours or another, as campaigns simulate it: a minority may be down, or lost for ever. How many clients
/// there are, how much they ask for and how they mix it differs from seed to seed.
pub fn simulation<P, Q>(config: P::Config, nodes: u32) -> Simulation<P, Q>
where
    P: Service<Op: From<KvOp>>,
    Q: Properties<P>,
{
    Simulation::new(config, nodes, usual)
        .assumption(Assumption::majority(nodes))
        .clients_between(1..=6)
        .workloads([usual, contended, mostly_reads])
        .operations_from(50)
}

/// Reads, writes and compare-and-sets, on a few keys.
fn usual<O: From<KvOp>>(draw: &mut Stream) -> O {
    KvOp::draw(draw).into()
}

/// The same with clients that ask for other members, too. Half of the servers and one vote at first.
///
/// Anybody may be made a voter, or a learner, or neither. No disk is lost for ever, as a single server may have all
/// the votes, and all servers are needed for progress.
fn changing(
    mut simulation: Simulation<Node, RaftProperties>,
    nodes: u32,
) -> Simulation<Node, RaftProperties> {
    simulation.config.voters = NodeSet::first(nodes / 2 + 1);
    let assumption = Assumption { lost_max: 0, core_min: nodes, ..simulation.assumption };
    let workload: fn(&mut Stream) -> Op = match nodes {
        0..=2 => members_among::<2>,
        3 => members_among::<3>,
        4 => members_among::<4>,
        _ => members_among::<5>,
    };
    simulation.assumption(assumption).workloads([workload])
}

/// The same, and all but so many are witnesses.
///
/// What is committed may be on a single full server: no disk is lost for ever, and all are needed for progress.
fn witnessed(
    mut simulation: Simulation<Node, RaftProperties>,
    full: u32,
) -> Simulation<Node, RaftProperties> {
    let nodes = simulation.nodes;
    // Of one or two nothing may be a witness.
    simulation.config.witnesses =
        if nodes < 3 { NodeSet::EMPTY } else { NodeSet::first(nodes).difference(NodeSet::first(full)) };
    let assumption = Assumption { lost_max: 0, core_min: nodes, ..simulation.assumption };
    simulation.assumption(assumption)
}

/// The usual, and now and then a change of members of a cluster of so many servers.
fn members_among<const SERVERS: u32>(draw: &mut Stream) -> Op {
    if draw.below(12) > 0 {
        return usual(draw);
    }
    let all = NodeSet::first(SERVERS);
    let voters = NodeSet::from_bits(1 + draw.below(all.bits()));
    let learners = NodeSet::from_bits(draw.below(all.bits() + 1)).difference(voters);
    Op::Change { voters, learners }
}

/// Compare-and-sets on one key, on which everyone works.
fn contended<O: From<KvOp>>(draw: &mut Stream) -> O {
    let (old, new) = (draw.below(3), draw.below(3));
    if draw.below(4) == 0 { KvOp::Get(0) } else { KvOp::Cas(0, old, new) }.into()
}

/// Few writes among many reads, on more keys.
fn mostly_reads<O: From<KvOp>>(draw: &mut Stream) -> O {
    let (key, value) = (draw.below(8) as u16, draw.below(100));
    if draw.below(8) == 0 { KvOp::Put(key, value) } else { KvOp::Get(key) }.into()
}

/// Few writes among many reads of one key, and leaders that are asked now and then to hand over to another.
fn handing_over(draw: &mut Stream) -> Op {
    match draw.below(16) {
        0 => Op::Transfer(NodeId(draw.below(3) as u32)),
        1..=3 => KvOp::Put(0, draw.below(100)).into(),
        _ => KvOp::Get(0).into(),
    }
}

/// A campaign over clusters of `nodes`, or of three and five and, now and then, others up to seven.
pub fn campaign(profile: Profile, nodes: Option<u32>) -> Box<dyn Simulate> {
    registered::algorithm::<Node>().campaign(profile, nodes)
}
