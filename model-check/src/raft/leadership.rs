//! Instances of what the dissertation adds to leadership: CheckQuorum, servers that hear a leader, and reads that a
//! majority confirms.
//!
//! Clocks are events here: each may take a step, of the least election timeout, at any moment. That is more than
//! real clocks do, so that nothing that rests on how clocks run together (leases) can be shown in a world; the
//! simulator does that.

use swarm_protocol::Ticks;
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, KvOp, Reads};
use swarm_simulator::{Bounds, Setup};

use super::{Node, Op};
use crate::instance::{Instance, Pinned};

/// Marks that instances with CheckQuorum reach beside the usual.
const MARKS: &[&str] =
    &["campaign", "leader-elected", "command-committed", "quorum-lost", "leader-steps-down"];

fn setup(nodes: u32, commands: usize, bounds: Bounds, within: fn(&Node) -> bool) -> Setup<Node> {
    let config = Config { check_quorum: true, pre_vote: false, ..Config::new(nodes) };
    let clock_step = Ticks(config.election_timeout.min.as_micros());
    let setup = Setup::new(config, nodes)
        .workload([KvOp::Put(1, 7), KvOp::Get(1)].map(Op::from).into_iter().take(commands));
    let settings = fuzz::raft_schedule::preface(&setup);
    setup.bounds(Bounds { clock_step, ..bounds }).within(within).settings(settings)
}

/// Leaders that lose their majority, and servers that nobody may disturb.
pub const UNDISTURBED: Instance<Node, RaftProperties> = Instance {
    name: "undisturbed",
    about: "leaders that hear from no majority step down; who hears a leader votes for nobody; one clock step each",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { in_flight: 2, clock_steps: 1, ..Bounds::default() };
        setup(3, 0, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: MARKS,
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 2_826_969, generated: 10_866_551, depth: 35 },
};

/// Small, and the same with a crash and a restart.
pub const TWO_NODES_UNDISTURBED: Instance<Node, RaftProperties> = Instance {
    name: "two-nodes-undisturbed",
    about: "two nodes with CheckQuorum; two terms, one crash and restart, one clock step each",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, clock_steps: 1, ..Bounds::default() };
        setup(2, 0, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: MARKS,
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 78_114, generated: 248_877, depth: 26 },
};

fn read_index(nodes: u32, bounds: Bounds, within: fn(&Node) -> bool) -> Setup<Node> {
    let config = Config { reads: Reads::Index, pre_vote: false, ..Config::new(nodes) };
    let setup = Setup::new(config, nodes).workload([KvOp::Put(1, 7), KvOp::Get(1)].map(Op::from));
    let settings = fuzz::raft_schedule::preface(&setup);
    setup.bounds(bounds).within(within).settings(settings)
}

/// Reads that a majority confirms, while leaders come and go.
pub const READ_INDEX: Instance<Node, RaftProperties> = Instance {
    name: "read-index",
    about: "a write, and a read that goes by a round instead of the log; two terms, any leader",
    boundary: "terms up to 2",
    setup: || read_index(3, Bounds { in_flight: 2, ..Bounds::default() }, |node| node.term() <= 2),
    depth_max: None,
    marks: &["campaign", "leader-elected", "command-committed", "read-by-round"],
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 819_238, generated: 2_092_471, depth: 45 },
};

/// Small, and the same with a crash and a restart.
pub const TWO_NODES_READ_INDEX: Instance<Node, RaftProperties> = Instance {
    name: "two-nodes-read-index",
    about: "two nodes; a write, and a read by a round; two terms, one crash and restart",
    boundary: "terms up to 2",
    setup: || {
        read_index(2, Bounds { crashes: 1, in_flight: 2, ..Bounds::default() }, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: &["campaign", "leader-elected", "command-committed", "read-by-round"],
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 74_654, generated: 181_311, depth: 29 },
};
