//! Instances in which leadership is handed over (dissertation §3.10).
//!
//! With CheckQuorum, and clocks that stand still: who has heard a leader votes for nobody but whom the leader told to
//! stand, so that terms end by being handed over, or before anybody has led.

use swarm_protocol::NodeId;
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, KvOp};
use swarm_simulator::world::OpStatus;
use swarm_simulator::{Bounds, Setup};

use super::{Node, Op, commits_of_term, leaders};
use crate::adapter::Goal;
use crate::instance::{Instance, Pinned};

/// Marks that instances with a transfer reach.
const MARKS: &[&str] = &[
    "campaign",
    "leader-elected",
    "leader-steps-down",
    "command-committed",
    "transfer-begins",
    "transfer-told",
    "transfer-aborted",
];

/// Who is to lead.
const NAMED: NodeId = NodeId(1);

/// The one that is named leads a term behind that of another, whose entries it commits.
const GOALS: &[Goal<Node, RaftProperties>] = &[
    Goal {
        name: "the-named-server-leads-what-it-was-handed",
        holds: |world| {
            let after_another = |node: &Node| node.term() == 2 && commits_of_term(node, 1);
            leaders(world).any(|node| node.me() == NAMED && after_another(node))
        },
    },
    Goal {
        name: "transfer-and-command-are-answered",
        holds: |world| world.operations().iter().all(|status| *status == OpStatus::Returned),
    },
];

fn setup(nodes: u32, commands: usize, bounds: Bounds, within: fn(&Node) -> bool) -> Setup<Node> {
    let config = Config { check_quorum: true, pre_vote: false, ..Config::new(nodes) };
    let workload = [Op::Transfer(NAMED), KvOp::Put(1, 7).into()];
    let setup = Setup::new(config, nodes).workload(workload.into_iter().take(1 + commands));
    let settings = fuzz::raft_schedule::preface(&setup);
    setup.bounds(bounds).within(within).settings(settings)
}

/// A leader is asked to hand over while it is asked for a command.
pub const HANDED_OVER: Instance<Node, RaftProperties> = Instance {
    name: "handed-over",
    about: "a leader of three is asked to hand over to one of them, and for a command; CheckQuorum; two terms",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { in_flight: 2, ..Bounds::default() };
        setup(3, 1, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: MARKS,
    goals: GOALS,
    breaks: None,
    pinned: Pinned { states: 1_006_387, generated: 3_175_742, depth: 41 },
};

/// Small, and the same with a crash and a restart.
pub const TWO_NODES_HANDED_OVER: Instance<Node, RaftProperties> = Instance {
    name: "two-nodes-handed-over",
    about: "a leader of two is asked to hand over, and for a command; CheckQuorum; two terms, one crash and restart",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, ..Bounds::default() };
        setup(2, 1, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: MARKS,
    goals: GOALS,
    breaks: None,
    pinned: Pinned { states: 66_237, generated: 189_793, depth: 31 },
};
