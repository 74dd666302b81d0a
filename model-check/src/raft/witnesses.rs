//! Instances in which a voter is a witness: it votes and acknowledges, and stores no commands.
//!
//! Verified by the pinned counts and by what each instance must reach: a command that only the leader and the witness
//! hold is committed, and served by a leader of another term; a witness that keeps of its log where it ends.

use swarm_protocol::{NodeId, NodeSet};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Compaction, Config, Entry, KvOp};
use swarm_simulator::{Bounds, Setup};

use super::{Cluster, Node, Op, USUAL, leaders};
use crate::adapter::Goal;
use crate::instance::{Instance, Pinned};

/// The one of three that is a witness.
const WITNESS: NodeId = NodeId(2);

/// Marks that instances with snapshots reach.
const SNAPSHOT_MARKS: &[&str] =
    &["campaign", "leader-elected", "command-committed", "snapshot-taken", "snapshot-installed"];

/// What a witness makes possible, and what it must not get in the way of.
const GOALS: &[Goal<Node, RaftProperties>] = &[
    Goal {
        name: "committed-by-one-server-and-the-witness",
        holds: |world| leaders(world).any(|node| commits_a_command(node) && !others_hold_one(world, node)),
    },
    Goal {
        name: "command-of-term-1-committed-by-leader-of-term-2",
        holds: |world| leaders(world).any(|node| node.term() == 2 && commits_a_command_of(node, 1)),
    },
];

const SNAPSHOT_GOALS: &[Goal<Node, RaftProperties>] = &[Goal {
    name: "witness-with-a-snapshot-and-an-entry-behind-it",
    holds: |world| {
        let ends =
            |node: &Node| node.log().base_index() > 0 && node.log().last_index() > node.log().base_index();
        world.nodes().flatten().any(|node| node.is_witness() && ends(node))
    },
}];

fn commits_a_command_of(node: &Node, of: u64) -> bool {
    let command = |index| matches!(node.log().entry(index), Some((term, Entry::Command(_))) if term == of);
    (1..=node.commit_index()).any(command)
}

fn commits_a_command(node: &Node) -> bool {
    (1..=node.term()).any(|term| commits_a_command_of(node, term))
}

/// Whether a server beside this one holds a command.
fn others_hold_one(world: &Cluster, but: &Node) -> bool {
    let others = || world.nodes().flatten().filter(|node| node.me() != but.me());
    // Who is down holds what its disk does: nobody may be.
    let all_up = others().count() == 2;
    !all_up || others().any(|node| node.log().iter().any(|(_, entry)| matches!(entry, Entry::Command(_))))
}

fn setup(compaction: Compaction, bounds: Bounds, within: fn(&Node) -> bool) -> Setup<Node> {
    let witnesses = [WITNESS].into_iter().collect::<NodeSet>();
    let config = Config { pre_vote: false, witnesses, compaction, ..Config::new(3) };
    let setup = Setup::new(config, 3).workload([Op::from(KvOp::Put(1, 7))]);
    let settings = fuzz::raft_schedule::preface(&setup);
    setup.bounds(bounds).within(within).settings(settings)
}

/// Two elections, a crash and a restart, exhaustively.
pub const WITNESSED: Instance<Node, RaftProperties> = Instance {
    name: "witnessed",
    about: "two servers and a witness, two terms, one command, one crash and restart from stable storage",
    boundary: "terms up to 2",
    setup: || {
        let bounds = Bounds { crashes: 1, in_flight: 2, ..Bounds::default() };
        setup(Compaction::NEVER, bounds, |node| node.term() <= 2)
    },
    depth_max: None,
    marks: USUAL,
    goals: GOALS,
    breaks: None,
    pinned: Pinned { states: 606_289, generated: 1_817_414, depth: 40 },
};

/// Small: one term, and logs that give way to snapshots.
pub const FEW_WITNESSED_SNAPSHOTS: Instance<Node, RaftProperties> = Instance {
    name: "few-witnessed-snapshots",
    about: "two servers and a witness whose logs give way to snapshots; one term, one command",
    boundary: "terms up to 1",
    setup: || {
        let compaction = Compaction { log_bytes: 16, tail_entries: 0, part_bytes: 6 };
        setup(compaction, Bounds { in_flight: 2, ..Bounds::default() }, |node| node.term() <= 1)
    },
    depth_max: None,
    marks: SNAPSHOT_MARKS,
    goals: SNAPSHOT_GOALS,
    breaks: None,
    pinned: Pinned { states: 11_678, generated: 30_110, depth: 33 },
};
