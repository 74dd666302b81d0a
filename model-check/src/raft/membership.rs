//! Instances in which members change: by learners and joint configurations, while leaders come and go.
//!
//! One change is asked for, and at most one command. A change is up to three entries, so that these instances have longer logs
//! than others and fewer elections. Servers are told apart: who votes at first and who is to vote later differ.
//!
//! Verified by the pinned counts and by what each instance must reach: a joint configuration that is left, a learner
//! that votes, an entry that is committed by who was no member at first.

use swarm_protocol::NodeSet;
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, Entry, KvOp};
use swarm_simulator::{Bounds, Setup};

use super::{Cluster, Node, Op, leaders};
use crate::adapter::Goal;
use crate::instance::{Instance, Pinned};

/// Marks that every change by a joint configuration reaches.
const MARKS: &[&str] = &[
    "campaign",
    "leader-elected",
    "command-committed",
    "change-taken",
    "joint-begins",
    "joint-ends",
    "membership-changed",
];

const JOINT_LEFT: Goal<Node, RaftProperties> =
    Goal { name: "joint-configuration-left", holds: |world| committed(world, left_joint) };
const LEARNER_VOTES: Goal<Node, RaftProperties> =
    Goal { name: "learner-votes", holds: |world| committed(world, has_promoted) };
const NEW_MEMBER_LEADS: Goal<Node, RaftProperties> =
    Goal { name: "new-member-leads", holds: |world| leaders(world).any(has_joined) };

/// What becomes of a change that adds a voter.
const JOINS: &[Goal<Node, RaftProperties>] = &[JOINT_LEFT, LEARNER_VOTES, NEW_MEMBER_LEADS];

/// The same where no majority is one without the new voter.
const JOINS_TWO: &[Goal<Node, RaftProperties>] = &[
    JOINT_LEFT,
    LEARNER_VOTES,
    NEW_MEMBER_LEADS,
    Goal { name: "new-member-takes-part-in-a-commit", holds: |world| committed(world, counts_who_joined) },
];

/// What becomes of a change that only removes voters.
const LEAVES: &[Goal<Node, RaftProperties>] = &[
    JOINT_LEFT,
    Goal { name: "leader-of-term-2-goes-on", holds: |world| committed(world, is_of_two_terms) },
];

/// Whether some leader knows enough to be committed for `what` to hold of it.
fn committed(world: &Cluster, what: fn(&Node) -> bool) -> bool {
    leaders(world)
        .any(|node| node.log().memberships().all(|(index, _)| index <= node.commit_index()) && what(node))
}

fn left_joint(node: &Node) -> bool {
    node.log().memberships().any(|(_, membership)| membership.is_joint()) && !node.membership().is_joint()
}

/// A learner that was to vote does.
fn has_promoted(node: &Node) -> bool {
    let voters = node.membership().voters;
    node.log().memberships().any(|(_, earlier)| !earlier.learners.intersection(voters).is_empty())
}

/// A command behind the last membership is committed, and only two servers vote in that.
fn counts_who_joined(node: &Node) -> bool {
    let since = node.log().memberships().map(|(index, _)| index).last().unwrap_or(0);
    let command = |index| matches!(node.log().entry(index), Some((_, Entry::Command(_))));
    has_promoted(node)
        && node.membership().voters.len() == 2
        && (since + 1..=node.commit_index()).any(command)
}

/// It was a learner before it was a voter.
fn has_joined(node: &Node) -> bool {
    let mut memberships = node.log().memberships();
    memberships.any(|(_, earlier)| earlier.learners.contains(node.me()))
        && node.membership().is_voter(node.me())
}

/// A leader of term 2 ends what one of term 1 began.
fn is_of_two_terms(node: &Node) -> bool {
    let mut terms = node.log().memberships().filter_map(|(index, _)| node.log().term_at(index));
    left_joint(node) && node.term() == 2 && terms.any(|term| term == 1)
}

/// So many servers, of which the first vote; one change, and perhaps a command.
fn setup(
    (servers, voters): (u32, u32),
    (to, learners): (NodeSet, NodeSet),
    commands: usize,
    bounds: Bounds,
    within: fn(&Node) -> bool,
) -> Setup<Node> {
    let config = Config { pre_vote: false, voters: NodeSet::first(voters), ..Config::new(servers) };
    let change = Op::Change { voters: to, learners };
    let workload = [change, KvOp::Put(1, 7).into()].into_iter().take(1 + commands);
    let setup = Setup::new(config, servers).workload(workload);
    let settings = fuzz::raft_schedule::preface(&setup);
    setup.bounds(bounds).within(within).settings(settings)
}

const fn set(bits: u64) -> NodeSet {
    NodeSet::from_bits(bits)
}

/// A server joins three that vote.
pub const JOINED: Instance<Node, RaftProperties> = Instance {
    name: "joined",
    about: "three servers become four, by a learner and a joint configuration; two terms",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { in_flight: 2, ..Bounds::default() };
        setup((4, 3), (set(0b1111), NodeSet::EMPTY), 0, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: MARKS,
    goals: JOINS,
    breaks: None,
    pinned: Pinned { states: 787_094, generated: 2_155_501, depth: 54 },
};

/// One of two voters is replaced.
pub const REPLACED: Instance<Node, RaftProperties> = Instance {
    name: "replaced",
    about: "of two voters one is replaced, by a learner and a joint configuration; two terms, one command, one crash and restart",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, ..Bounds::default() };
        setup((3, 2), (set(0b101), NodeSet::EMPTY), 1, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: MARKS,
    goals: JOINS_TWO,
    breaks: None,
    pinned: Pinned { states: 1_904_451, generated: 5_315_017, depth: 49 },
};

/// One of three voters becomes a learner.
pub const RETIRED: Instance<Node, RaftProperties> = Instance {
    name: "retired",
    about: "of three voters one becomes a learner, by a joint configuration; two terms, one command",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { in_flight: 2, ..Bounds::default() };
        setup((3, 3), (set(0b011), set(0b100)), 1, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: MARKS,
    goals: LEAVES,
    breaks: None,
    pinned: Pinned { states: 1_455_769, generated: 3_628_429, depth: 46 },
};

/// Small: a server joins the only one there is.
pub const TWO_NODES_JOINED: Instance<Node, RaftProperties> = Instance {
    name: "two-nodes-joined",
    about: "one voter becomes two, by a learner and a joint configuration; two terms, one crash and restart",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, ..Bounds::default() };
        setup((2, 1), (set(0b11), NodeSet::EMPTY), 1, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: MARKS,
    goals: JOINS_TWO,
    breaks: None,
    pinned: Pinned { states: 56_091, generated: 130_992, depth: 32 },
};

/// Small: one of two voters goes.
pub const TWO_NODES_RETIRED: Instance<Node, RaftProperties> = Instance {
    name: "two-nodes-retired",
    about: "of two voters one becomes a learner, by a joint configuration; two terms, one crash and restart",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, ..Bounds::default() };
        setup((2, 2), (set(0b01), set(0b10)), 1, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: MARKS,
    goals: LEAVES,
    breaks: None,
    pinned: Pinned { states: 120_247, generated: 303_885, depth: 32 },
};
