//! Where bugs of Raft are hunted: worlds small enough to search, and simulations. The hunter of the zoo,
//! built against the crate as it is and against each edited copy of it; see `model_check::zoo`.
//!
//! Each ground has what its bugs need and little else: a bug that needs four elections needs no crash.

use std::process::ExitCode;

use model_check::zoo::hunt::{self, Ground};
use swarm_protocol::Stream;
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, Kv, KvOp, Raft};
use swarm_simulator::profile::Profile;
use swarm_simulator::simulation::Simulation;
use swarm_simulator::world::SyncMode;
use swarm_simulator::{Bounds, Setup};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Node = Raft<Kv>;

fn main() -> ExitCode {
    hunt::main(&GROUNDS)
}

const GROUNDS: [Ground<Node, RaftProperties>; 4] = [
    // One term, and crashes between a vote and its write.
    Ground {
        name: "elections",
        setup: || {
            let bounds = Bounds { crashes: 1, sync: SyncMode::Whole, ..Bounds::default() };
            setup(Config::new(3), 1, bounds, |node| node.term() <= 1)
        },
        before: "",
        walk_events: 60,
        simulation: || simulation(Config::new(3)),
    },
    // Several leaders, logs that diverge, appends that come late or twice.
    Ground {
        name: "logs",
        setup: || {
            let bounds = Bounds { duplicates: 1, ..Bounds::default() };
            setup(Config::new(3), 2, bounds, |node| node.term() <= 3)
        },
        before: "",
        walk_events: 120,
        simulation: || simulation(Config::new(3)),
    },
    // Appends that are lost by a crash before they are durable. The no-op of a term is append enough.
    Ground {
        name: "disks",
        setup: || {
            let bounds = Bounds { crashes: 1, in_flight: 4, sync: SyncMode::Whole, ..Bounds::default() };
            setup(Config::new(3), 0, bounds, |node| node.term() <= 2)
        },
        before: "",
        walk_events: 60,
        simulation: || simulation(Config::new(3)),
    },
    // Raft Fig. 8: four elections, and appends of one entry each.
    Ground {
        name: "figure-8",
        setup: || setup(single(Config::new(3)), 2, Bounds::default(), |node| node.term() <= 4),
        before: FIGURE_8,
        walk_events: 40,
        simulation: || {
            let mut simulation = simulation(single(Config::new(5)));
            simulation.operations_max = 200; // One entry at a time, an operation takes many steps.
            simulation
        },
    },
];

/// Raft Fig. 8 up to (b): n0 has appended in term 1, n2 in term 2, each alone, and n0 leads term 3.
const FIGURE_8: &str = "\
timeout n0 Election
deliver n0 n1 RequestVote(t1
deliver n1 n0 Vote(t1
invoke n0 op0
timeout n2 Election
timeout n2 Election
deliver n2 n1 RequestVote(t2
deliver n1 n2 Vote(t2
invoke n2 op1
deliver n2 n0 RequestVote(t2
timeout n0 Election
deliver n0 n1 RequestVote(t3
deliver n1 n0 Vote(t3";

/// PreVote adds a round to each election, and no bug of these needs it.
fn setup(config: Config, commands: usize, bounds: Bounds, within: fn(&Node) -> bool) -> Setup<Node> {
    let workload = [KvOp::Put(1, 7), KvOp::Put(1, 8)];
    let config = Config { pre_vote: false, ..config };
    let nodes = config.voters.len() as u32;
    Setup::new(config, nodes).workload(workload.into_iter().take(commands)).bounds(bounds).within(within)
}

/// One entry per append.
fn single(config: Config) -> Config {
    Config { append_entries_max: 1, batch_entries_max: 1, ..config }
}

fn simulation(config: Config) -> Simulation<Node, RaftProperties> {
    let nodes = config.voters.len() as u32;
    Simulation::new(config, nodes, operation).profile(Profile::EVERYTHING)
}

fn operation(draw: &mut Stream) -> KvOp {
    let (key, old, new) = (draw.below(3) as u16, draw.below(6), draw.below(6));
    match draw.below(4) {
        0 | 1 => KvOp::Get(key),
        2 => KvOp::Put(key, new),
        _ => KvOp::Cas(key, old, new),
    }
}
