//! Instances in which a server is lent what its log lacks, and elected with it.
//!
//! Of three servers one never hears that a certain other leads, so that what it has of that leader's term it can only
//! have been lent. Messages are lost by never arriving: the constrained election is among the runs.

use swarm_protocol::NodeId;
use swarm_raft::Config;
use swarm_raft::properties::RaftProperties;
use swarm_simulator::{Bounds, Setup};

use super::{Cluster, Node, leaders};
use crate::adapter::Goal;
use crate::instance::{Instance, Pinned};

/// Marks that instances with loans reach.
const MARKS: &[&str] =
    &["campaign", "leader-elected", "command-committed", "pre-vote-refused", "loan-asked", "loan-taken"];

/// The same where what is lent contradicts what the borrower has.
const CONTRADICTED_MARKS: &[&str] =
    &["campaign", "leader-elected", "command-committed", "loan-asked", "loan-taken", "log-truncated"];

/// One entry at a time.
fn setup(nodes: u32, bounds: Bounds, within: fn(&Node) -> bool) -> Setup<Node> {
    let config = Config { lends: true, append_entries_max: 1, ..Config::new(nodes) };
    let setup = Setup::new(config, nodes);
    let settings = fuzz::raft_schedule::preface(&setup);
    setup.bounds(bounds).within(within).settings(settings)
}

/// Whether a server leads this term, and has committed a first entry of that one.
fn commits_first(world: &Cluster, who: NodeId, term: u64, first: u64) -> bool {
    let commits = |node: &Node| node.commit_index() > 0 && node.log().term_at(1) == Some(first);
    leaders(world).any(|node| node.me() == who && node.term() == term && commits(node))
}

/// A server that lacks what was committed without it.
pub const LENT: Instance<Node, RaftProperties> = Instance {
    name: "lent",
    about: "three nodes with PreVote and loans, one of which the first leader does not reach; two terms",
    boundary: "terms up to 2; n2 never hears that n0 leads",
    setup: || {
        let bounds = Bounds { in_flight: 2, ..Bounds::default() };
        setup(3, bounds, |node| {
            node.term() <= 2 && (node.me() != NodeId(2) || node.leader() != Some(NodeId(0)))
        })
    },
    depth_max: None,
    marks: MARKS,
    goals: &[Goal {
        name: "a-borrower-commits-what-it-was-lent",
        holds: |world| commits_first(world, NodeId(2), 2, 1),
    }],
    breaks: None,
    pinned: Pinned { states: 502_715, generated: 1_528_203, depth: 54 },
};

/// Whether a server stands for election, or leads, out of its turn.
fn jumps_the_queue(node: &Node) -> bool {
    let turn = match node.term() {
        1 | 4 => Some(NodeId(0)),
        2 => Some(NodeId(1)),
        _ => None,
    };
    (node.is_candidate() || node.is_leader()) && Some(node.me()) != turn
}

/// A server whose entry gives way to another's.
pub const CONTRADICTED: Instance<Node, RaftProperties> = Instance {
    name: "contradicted",
    about: "three nodes with PreVote and loans, and an entry that gives way to a loan; four terms",
    boundary: "terms up to 4; n0 stands in 1 and 4, n1 in 2; neither hears that the other leads",
    setup: || {
        let bounds = Bounds { in_flight: 3, ..Bounds::default() };
        setup(3, bounds, |node| {
            let other = match node.me() {
                NodeId(0) => Some(NodeId(1)),
                NodeId(1) => Some(NodeId(0)),
                _ => None,
            };
            let parted = other.is_none() || node.leader() != other;
            node.term() <= 4 && parted && !jumps_the_queue(node)
        })
    },
    depth_max: None,
    marks: CONTRADICTED_MARKS,
    goals: &[Goal {
        name: "a-borrower-commits-what-took-the-place-of-its-own",
        holds: |world| commits_first(world, NodeId(0), 4, 2),
    }],
    breaks: None,
    pinned: Pinned { states: 976_450, generated: 3_773_173, depth: 70 },
};

/// Small, and with a crash and a restart.
pub const TWO_NODES_LENT: Instance<Node, RaftProperties> = Instance {
    name: "two-nodes-lent",
    about: "two nodes with PreVote and loans; two terms, one crash and restart",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, ..Bounds::default() };
        setup(2, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: MARKS,
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 38_516, generated: 108_707, depth: 31 },
};
