//! Promises of Raft: what must happen at last, and what must not be expected.
//!
//! Terms are finite here, and elections take them: "a leader is elected" says that a fair run elects one or
//! leaves the terms of the instance, as a run does in which candidates split the vote forever. Raft promises no
//! more (§5.4, and Fischer, Lynch and Paterson 1985).
//!
//! Verified by `tests/it/liveness.rs` and by the pinned counts.

use swarm_raft::properties::RaftProperties;
use swarm_simulator::Bounds;
use swarm_simulator::world::OpStatus;

use super::{Cluster, Node, leaders, setup};
use crate::engine::lasso::Promise;
use crate::instance::{Instance, Pinned};
use crate::liveness::{Expected, Lively};

/// Promises of elections.
const ELECTED: Expected<Node, RaftProperties> = Expected {
    promise: Promise::eventually("a-leader-is-elected", |world: &Cluster| leaders(world).next().is_some()),
    kept: true,
};

const LED_AGAIN: Expected<Node, RaftProperties> = Expected {
    promise: Promise::again_and_again("there-is-a-leader-again", |world: &Cluster| {
        leaders(world).next().is_some()
    }),
    kept: true,
};

/// Where an election has come to an end, there need be no other.
const ELECTS_AGAIN: Expected<Node, RaftProperties> = Expected {
    promise: Promise::again_and_again("there-is-a-candidate-again", |world: &Cluster| {
        world.nodes().flatten().any(|node| node.is_candidate() || node.is_pre_candidate())
    }),
    kept: false,
};

/// All nodes are up, and know the same to be committed.
const AGREED_AGAIN: Expected<Node, RaftProperties> = Expected {
    promise: Promise::again_and_again("all-commit-the-same-again", |world: &Cluster| {
        let commits = |node: Option<&Node>| node.map(Node::commit_index);
        let first = world.nodes().next().and_then(commits);
        first.is_some() && world.nodes().all(|node| commits(node) == first)
    }),
    kept: true,
};

/// Raft promises clients no answer: a leader that was followed by another does not know what became of their
/// commands.
const ANSWERED: Expected<Node, RaftProperties> = Expected {
    promise: Promise::whenever("whoever-asks-is-answered", asks, |world| !asks(world)),
    kept: false,
};

fn asks(world: &Cluster) -> bool {
    world.operations().contains(&OpStatus::Pending)
}

/// Liveness of elections and of commands.
pub const LIVELY_TWO_NODES: Lively<Node, RaftProperties> = Lively {
    instance: Instance {
        name: "lively-two-nodes",
        about: "what must happen at last: two nodes, two terms, one command, one crash and restart",
        boundary: "terms up to 2",
        setup: || {
            let bounds = Bounds { crashes: 1, in_flight: 3, ..Bounds::default() };
            setup(2, false, 1, bounds, |node| node.term() <= 2)
        },
        depth_max: None,
        marks: &[],
        goals: &[],
        breaks: None,
        pinned: Pinned { states: 73_590, generated: 220_556, depth: 26 },
    },
    promises: &[ELECTED, LED_AGAIN, AGREED_AGAIN, ANSWERED],
};

/// Liveness with PreVote.
pub const LIVELY_PRE_VOTE: Lively<Node, RaftProperties> = Lively {
    instance: Instance {
        name: "lively-pre-vote",
        about: "what must happen at last: two nodes that ask before an election, one term, one command, one crash",
        boundary: "terms up to 1",
        setup: || {
            let bounds = Bounds { crashes: 1, in_flight: 3, ..Bounds::default() };
            setup(2, true, 1, bounds, |node| node.term() <= 1)
        },
        depth_max: None,
        marks: &[],
        goals: &[],
        breaks: None,
        pinned: Pinned { states: 71_056, generated: 242_574, depth: 27 },
    },
    promises: &[ELECTED, LED_AGAIN, AGREED_AGAIN],
};

/// Liveness of three nodes.
pub const LIVELY_THREE_NODES: Lively<Node, RaftProperties> = Lively {
    instance: Instance {
        name: "lively-three-nodes",
        about: "what must happen at last: three nodes, one term, one command",
        boundary: "terms up to 1",
        setup: || {
            let bounds = Bounds { in_flight: 4, ..Bounds::default() };
            setup(3, false, 1, bounds, |node| node.term() <= 1)
        },
        depth_max: None,
        marks: &[],
        goals: &[],
        breaks: None,
        pinned: Pinned { states: 227_372, generated: 828_375, depth: 30 },
    },
    promises: &[ELECTED, LED_AGAIN, AGREED_AGAIN, ELECTS_AGAIN],
};
