//! Where bugs of Raft are hunted: worlds small enough to search, and simulations. The hunter of the zoo,
//! built against the crate as it is and against each edited copy of it; see `model_check::zoo`.
//!
//! Each ground has what its bugs need and little else: a bug that needs four elections needs no crash.

use std::fmt::Write as _;
use std::process::ExitCode;

use model_check::zoo::ground::{Dialect, Ground};
use model_check::zoo::hunt;
use swarm_protocol::{Delay, Drawn, NodeId, Ticks};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, Kv, KvOp, Raft};
use swarm_simulator::profile::{Fault, Faults, Pace, Profile, Span};
use swarm_simulator::scenario::Scenario;
use swarm_simulator::simulation::Simulation;
use swarm_simulator::world::SyncMode;
use swarm_simulator::{Bounds, Setup};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Node = Raft<Kv>;

fn main() -> ExitCode {
    hunt::main(&GROUNDS, &Dialect { write, read })
}

const GROUNDS: [Ground<Node, RaftProperties>; 13] = [
    // One term, and crashes between a vote and its write.
    Ground {
        name: "elections",
        setup: || setup(config(3), 1, crash(32), |node| node.term() <= 1),
        narrow: || setup(config(3), 0, crash(4), |node| node.term() <= 1),
        story: "",
        walk_events: 40,
        simulation: || crashes(config(3)),
    },
    // The same, and two candidates.
    Ground {
        name: "two-candidates",
        setup: || setup(config(3), 0, crash(32), |node| node.term() <= 1),
        narrow: || setup(config(3), 0, crash(8), |node| node.term() <= 1),
        story: TWO_CANDIDATES,
        walk_events: 30,
        simulation: || {
            // Time-outs closer to each other make for many candidates at a time, and for long elections.
            let election_timeout = Delay { min: Ticks::from_millis(150), max: Ticks::from_millis(200) };
            let mut simulation = crashes(Config { election_timeout, ..config(3) });
            simulation.pace.progress = Ticks::from_millis(60_000);
            simulation
        },
    },
    // Several leaders, appends that come late or twice.
    Ground {
        name: "logs",
        setup: || setup(config(3), 2, Bounds { duplicates: 1, ..Bounds::default() }, |node| node.term() <= 3),
        narrow: || {
            let bounds = Bounds { duplicates: 1, in_flight: 6, ..Bounds::default() };
            setup(config(3), 1, bounds, |node| node.term() <= 2 && n1_only_votes(node))
        },
        story: LEADER,
        walk_events: 100,
        simulation: || partitions(config(3)),
    },
    // Two logs that have diverged.
    Ground {
        name: "diverged-logs",
        setup: || setup(config(3), 2, Bounds::default(), |node| node.term() <= 3),
        narrow: || setup(config(3), 2, Bounds::default(), |node| node.term() <= 3 && n1_only_votes(node)),
        story: DIVERGED,
        walk_events: 80,
        simulation: || partitions(config(3)),
    },
    // Appends that are lost by a crash before they are durable. The no-op of a term is append enough.
    Ground {
        name: "disks",
        setup: || setup(config(3), 0, crash(4), |node| node.term() <= 2),
        narrow: || {
            setup(config(3), 0, crash(6), |node| {
                let stands_again = stands(node) && node.me() == NodeId(0) && node.term() == 2;
                node.term() <= 2 && n1_only_votes(node) && !stands_again
            })
        },
        story: LEADER_OF_TERM_1,
        walk_events: 40,
        simulation: || crashes(config(3)),
    },
    // Raft Fig. 8: four elections, and appends of one entry each.
    Ground {
        name: "figure-8",
        setup: || {
            setup(single(config(3)), 2, Bounds { drops: 5, ..Bounds::default() }, |node| node.term() <= 4)
        },
        narrow: || {
            let bounds = Bounds { drops: 5, ..Bounds::default() };
            setup(single(config(3)), 2, bounds, |node| node.term() <= 4 && n1_only_votes(node))
        },
        story: FIGURE_8,
        walk_events: 30,
        simulation: || partitions(single(config(3))),
    },
    // Five nodes from the beginning: four elections, of which each needs two votes.
    Ground {
        name: "five",
        setup: || setup(config(5), 1, five(), |node| node.term() <= 4),
        narrow: || setup(config(5), 1, five(), |node| node.term() <= 4 && only_n0_and_n3_stand(node)),
        story: "",
        walk_events: 80,
        simulation: || partitions(config(5)),
    },
    // The same, with appends of one entry each.
    Ground {
        name: "five-one-entry",
        setup: || setup(single(config(5)), 0, five(), |node| node.term() <= 4),
        narrow: || setup(single(config(5)), 0, five(), |node| node.term() <= 4 && only_n0_and_n3_stand(node)),
        story: "",
        walk_events: 80,
        simulation: || partitions(single(config(5))),
    },
    // Disks as in `disks`, from the beginning.
    Ground {
        name: "disks-from-the-start",
        setup: || setup(config(3), 0, crash(32), |node| node.term() <= 2),
        narrow: || setup(config(3), 0, crash(6), |node| node.term() <= 2 && n1_only_votes(node)),
        story: "",
        walk_events: 60,
        simulation: || crashes(config(3)),
    },
    // Two crashes, each between two writes, and three elections.
    Ground {
        name: "two-crashes",
        setup: || setup(config(3), 0, Bounds { crashes: 2, ..write_by_write(32) }, |node| node.term() <= 3),
        narrow: || {
            let bounds = Bounds { crashes: 2, ..write_by_write(4) };
            setup(config(3), 0, bounds, |node| node.term() <= 3 && n0_stands_last(node))
        },
        story: "",
        walk_events: 60,
        simulation: || crashes(config(3)),
    },
    // Five nodes whose writes become durable one by one, three elections and a crash.
    Ground {
        name: "five-disks",
        setup: || setup(config(5), 0, Bounds { crashes: 1, ..write_by_write(64) }, |node| node.term() <= 3),
        narrow: || {
            let bounds = Bounds { crashes: 1, ..write_by_write(6) };
            setup(config(5), 0, bounds, |node| node.term() <= 3 && n0_stands_last(node))
        },
        story: "",
        walk_events: 80,
        simulation: || crashes(config(5)),
    },
    // Appends under way to a disk, and further ones behind them: three commands and a crash.
    Ground {
        name: "pipelined-disks",
        setup: || setup(config(3), 3, crash(32), |node| node.term() <= 2),
        narrow: || {
            setup(config(3), 3, crash(6), |node| {
                let in_vain = node.me() == NodeId(2) || node.me() == NodeId(1) && node.term() == 1;
                node.term() <= 2 && !(in_vain && stands(node))
            })
        },
        story: "",
        walk_events: 60,
        simulation: || crashes(config(3)),
    },
    // Two terms without entries: who stands for both, and a crash.
    Ground {
        name: "two-terms",
        setup: || {
            let bounds = Bounds { crashes: 1, ..Bounds::default() };
            setup(config(3), 0, bounds, |node| node.term() <= 2)
        },
        narrow: || {
            let bounds = Bounds { crashes: 1, in_flight: 6, ..Bounds::default() };
            setup(config(3), 0, bounds, |node| node.term() <= 2)
        },
        story: "",
        walk_events: 40,
        simulation: || crashes(config(3)),
    },
];

/// Five nodes have more messages under way than three.
fn five() -> Bounds {
    Bounds { in_flight: 64, ..Bounds::default() }
}

/// Of five nodes two stand for election, and the others vote.
fn only_n0_and_n3_stand(node: &Node) -> bool {
    node.me() == NodeId(0) || node.me() == NodeId(3) || !stands(node)
}

/// One crash, that may fall between a write and what waits for it.
fn crash(in_flight: u32) -> Bounds {
    Bounds { crashes: 1, in_flight, sync: SyncMode::Whole, ..Bounds::default() }
}

/// Writes that become durable one by one.
fn write_by_write(in_flight: u32) -> Bounds {
    Bounds { in_flight, sync: SyncMode::Prefix, ..Bounds::default() }
}

/// n2 stands in term 1, n1 in term 2, n0 in what follows.
fn n0_stands_last(node: &Node) -> bool {
    !stands(node) || node.term() + u64::from(node.me().0) == 3 || node.me() == NodeId(0) && node.term() >= 2
}

/// n0 leads term 1 by the vote of n1.
const LEADER: &str = "\
timeout n0 Election
deliver n0 n1 RequestVote(t1
deliver n1 n0 Vote(t1";

/// n0 has led term 1 and n2 leads term 2, both by the vote of n1; each has a command that nobody else has.
const DIVERGED: &str = "\
timeout n0 Election
deliver n0 n1 RequestVote(t1
deliver n1 n0 Vote(t1
invoke n0 op0
timeout n2 Election
timeout n2 Election
deliver n2 n1 RequestVote(t2
deliver n1 n2 Vote(t2
invoke n2 op1";

/// n0 leads term 1, which all nodes are in, by the vote of n1, where its no-op has arrived.
const LEADER_OF_TERM_1: &str = "\
timeout n0 Election
sync n0 1
deliver n0 n1 RequestVote(t1
sync n1 1
deliver n1 n0 Vote(t1
deliver n0 n2 RequestVote(t1
sync n2 1
deliver n0 n1 Append(t1";

/// n0 leads term 1 by the vote of n1, and n2 stands for election in term 1, too.
const TWO_CANDIDATES: &str = "\
timeout n0 Election
sync n0 1
deliver n0 n1 RequestVote(t1
sync n1 1
deliver n1 n0 Vote(t1
timeout n2 Election
sync n2 1";

/// The checker's worlds give each node its part: who is who makes no difference to a bug.
fn n1_only_votes(node: &Node) -> bool {
    node.me() != NodeId(1) || !stands(node)
}

fn stands(node: &Node) -> bool {
    node.is_candidate() || node.is_leader()
}

/// Raft Fig. 8 up to (b): n0 has appended in term 1, n2 in term 2, each alone, and n0 leads term 3. What the
/// network has lost is of no use to anybody any more.
const FIGURE_8: &str = "\
timeout n0 Election
drop n0 n2 RequestVote(t1
deliver n0 n1 RequestVote(t1
deliver n1 n0 Vote(t1
invoke n0 op0
timeout n2 Election
drop n2 n0 RequestVote(t1
drop n2 n1 RequestVote(t1
timeout n2 Election
deliver n2 n1 RequestVote(t2
deliver n1 n2 Vote(t2
invoke n2 op1
deliver n2 n0 RequestVote(t2
drop n0 n2 Vote(t2
timeout n0 Election
drop n0 n2 RequestVote(t3
deliver n0 n1 RequestVote(t3
deliver n1 n0 Vote(t3";

/// PreVote adds a round to each election, and no bug of these needs it.
fn config(nodes: u32) -> Config {
    Config { pre_vote: false, ..Config::new(nodes) }
}

fn setup(config: Config, commands: usize, bounds: Bounds, within: fn(&Node) -> bool) -> Setup<Node> {
    let workload = [KvOp::Put(1, 7), KvOp::Put(1, 8), KvOp::Put(1, 9)];
    let nodes = config.voters.len() as u32;
    Setup::new(config, nodes).workload(workload.into_iter().take(commands)).bounds(bounds).within(within)
}

/// One entry per append.
fn single(config: Config) -> Config {
    Config { append_entries_max: 1, batch_entries_max: 1, ..config }
}

fn simulation(config: Config) -> Simulation<Node, RaftProperties> {
    let nodes = config.voters.len() as u32;
    Simulation::new(config, nodes, KvOp::draw).profile(Profile::EVERYTHING)
}

/// A network that falls apart and heals all the time, and brings messages late and twice.
fn partitions(config: Config) -> Simulation<Node, RaftProperties> {
    let faults = [Fault::Partition, Fault::OneWay, Fault::Delay, Fault::Loss, Fault::Duplication];
    let profile = Profile::new("partitions", Faults::of(&faults));
    let pace = Pace {
        outage: Span::micros(10_000, 1_000_000),
        interval: Span::micros(50_000, 1_000_000),
        think: Span::micros(0, 200_000),
        ..Pace::default()
    };
    let mut simulation = simulation(config).profile(profile).pace(pace);
    simulation.operations_max = 100;
    simulation
}

/// Nodes that crash all the time, most often with a write under way, and are soon back.
fn crashes(config: Config) -> Simulation<Node, RaftProperties> {
    let profile = Profile::new("crashes", Faults::of(&[Fault::Crash, Fault::Delay, Fault::Loss]));
    let pace = Pace {
        sync: Span::micros(5_000, 50_000),
        outage: Span::micros(1_000, 50_000),
        interval: Span::micros(20_000, 200_000),
        think: Span::micros(0, 1_000_000),
        ..Pace::default()
    };
    let mut simulation = simulation(config).profile(profile).pace(pace).clients(1);
    simulation.operations_max = 20;
    simulation
}

/// As `tests/scenarios` of the crate have it.
fn write(config: &Config) -> String {
    let usual = Config::new(0);
    let mut lines = String::new();
    if config.pre_vote != usual.pre_vote {
        lines.push_str("config pre_vote off\n");
    }
    for (name, limit, usual) in [
        ("append_entries_max", config.append_entries_max, usual.append_entries_max),
        ("batch_entries_max", config.batch_entries_max, usual.batch_entries_max),
    ] {
        if limit != usual {
            let _ = writeln!(lines, "config {name} {limit}");
        }
    }
    lines
}

fn read(scenario: &Scenario<KvOp>) -> Result<Config, String> {
    let mut config = Config::new(scenario.nodes);
    for (key, value) in &scenario.config {
        let number = || value.parse().map_err(|_| format!("`{value}` is not a number"));
        match (key.as_str(), value.as_str()) {
            ("pre_vote", "off") => config.pre_vote = false,
            ("append_entries_max", _) => config.append_entries_max = number()?,
            ("batch_entries_max", _) => config.batch_entries_max = number()?,
            _ => return Err(format!("`config {key} {value}` means nothing here")),
        }
    }
    Ok(config)
}
