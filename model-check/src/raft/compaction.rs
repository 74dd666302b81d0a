//! Instances in which logs give way to snapshots.
//!
//! A log of a no-op and a command is large enough here, and a snapshot of one key is two parts, so that parts are
//! lost, repeated and mixed up with those of another leader within few steps.

use swarm_raft::properties::RaftProperties;
use swarm_raft::{Compaction, Config, KvOp};
use swarm_simulator::{Bounds, Setup};

use super::{Node, Op};
use crate::adapter::Goal;
use crate::instance::{Instance, Pinned};

/// Marks that every instance with snapshots reaches.
const MARKS: &[&str] =
    &["campaign", "leader-elected", "command-committed", "snapshot-taken", "snapshot-installed"];

/// What happens to who was sent a snapshot.
const GOALS: &[Goal<Node, RaftProperties>] = &[
    Goal {
        name: "entry-behind-an-installed-snapshot",
        holds: |world| {
            world.nodes().flatten().any(|node| {
                !node.is_leader() && node.log().base_index() > 0 && {
                    node.log().last_index() > node.log().base_index()
                }
            })
        },
    },
    Goal {
        name: "leader-with-a-snapshot-of-another-term",
        holds: |world| {
            let old = |node: &Node| node.log().base_index() > 0 && node.log().base_term() < node.term();
            world.nodes().flatten().any(|node| node.is_leader() && old(node))
        },
    },
];

fn setup(nodes: u32, commands: usize, bounds: Bounds, within: fn(&Node) -> bool) -> Setup<Node> {
    let compaction = Compaction { log_bytes: 41, tail_entries: 0, part_bytes: 6 };
    let config = Config { pre_vote: false, compaction, ..Config::new(nodes) };
    let setup = Setup::new(config, nodes)
        .workload([KvOp::Put(1, 7), KvOp::Get(1)].map(Op::from).into_iter().take(commands));
    let settings = fuzz::raft_schedule::preface(&setup);
    setup.bounds(bounds).within(within).settings(settings)
}

/// Snapshots that are taken, sent, installed and booted from.
pub const SNAPSHOTS: Instance<Node, RaftProperties> = Instance {
    name: "snapshots",
    about: "logs give way to snapshots, which are sent in parts; two terms, one command, one crash and restart",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, ..Bounds::default() };
        setup(3, 1, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: MARKS,
    goals: GOALS,
    breaks: None,
    pinned: Pinned { states: 2_337_901, generated: 6_399_765, depth: 46 },
};

/// Small: one term.
pub const FEW_SNAPSHOTS: Instance<Node, RaftProperties> = Instance {
    name: "few-snapshots",
    about: "logs give way to snapshots, which are sent in parts; one term, one command",
    boundary: "terms up to 1",
    setup: || {
        let bounds = Bounds { in_flight: 2, ..Bounds::default() };
        setup(3, 1, bounds, |node| node.term() <= 1)
    },
    depth_max: None,
    marks: MARKS,
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 12_070, generated: 24_988, depth: 29 },
};
