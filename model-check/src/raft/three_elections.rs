//! Everything that the other instances have one at a time, in one: PreVote, three elections, two commands, a crash and
//! a restart, with a loss and a duplication, or with writes that take their time.
//!
//! What keeps them closed are three bounds. Two messages are in flight at most, so that they may overtake each other;
//! what is sent beyond is lost. Three timers run out: each begins an election, or repeats a message of a leader. And
//! who stands follows a rule that costs almost nothing but other names ([`in_turn`]): servers are alike, so that of the
//! runs that differ in names alone one is enough.
//!
//! Verified by the pinned counts, and by bugs of the zoo that need as much; `--engine own` takes less time and memory
//! than stateright by far.

use swarm_raft::properties::RaftProperties;
use swarm_simulator::Bounds;
use swarm_simulator::world::{OpStatus, SyncMode};

use super::{Node, commits_of_term, leaders, setup};
use crate::adapter::Goal;
use crate::instance::{Instance, Pinned};

/// Marks that both reach.
const MARKS: &[&str] = &[
    "append-conflict",
    "campaign",
    "command-committed",
    "conflict-hint-used",
    "leader-elected",
    "leader-steps-down",
    "log-truncated",
    "pre-vote-refused",
    "vote-refused-stale-log",
];

/// Worlds that both reach.
const GOALS: &[Goal<Node, RaftProperties>] = &[
    Goal { name: "leader-of-term-3", holds: |world| leaders(world).any(|node| node.term() == 3) },
    Goal { name: "leaders-of-two-terms-at-once", holds: |world| leaders(world).count() == 2 },
    Goal {
        name: "entry-of-term-1-committed-by-leader-of-term-3",
        holds: |world| leaders(world).any(|node| node.term() == 3 && commits_of_term(node, 1)),
    },
    Goal {
        name: "leader-of-term-3-while-a-server-is-down",
        holds: |world| {
            leaders(world).any(|node| node.term() == 3) && world.nodes().any(|node| node.is_none())
        },
    },
    Goal {
        name: "both-commands-answered",
        holds: |world| world.operations().iter().all(|status| *status == OpStatus::Returned),
    },
];

/// The bounds that both share.
const BOUNDS: fn() -> Bounds = || Bounds { crashes: 1, in_flight: 2, timeouts: 3, ..Bounds::default() };

const BOUNDARY: &str = "terms up to 3; the second server stands from term 2 on, the third in term 3";

/// Terms up to three, and who stands in them: the first server in any, the second from the second term on, the third in
/// the third. Whoever stands first may as well be called the first, and so on. What is lost are rivals in the first
/// term; those of later terms are there.
fn in_turn(node: &Node) -> bool {
    let before = u64::from(node.me().0);
    let stands_too_early = match () {
        // It asks about the term after its own.
        () if node.is_pre_candidate() => node.term() < before,
        () if node.is_candidate() => node.term() <= before,
        () => false,
    };
    node.term() <= 3 && !stands_too_early
}

/// With a loss and a duplication.
pub const THREE_ELECTIONS: Instance<Node, RaftProperties> = Instance {
    name: "three-elections",
    about: "PreVote, three elections, two commands, one crash and restart, one loss, one duplication",
    boundary: BOUNDARY,
    setup: || setup(3, true, 2, Bounds { duplicates: 1, drops: 1, ..BOUNDS() }, in_turn),
    depth_max: None,
    marks: MARKS,
    goals: GOALS,
    breaks: None,
    pinned: Pinned { states: 19_196_179, generated: 55_898_827, depth: 47 },
};

/// With writes that nodes wait for, and a crash between.
pub const THREE_ELECTIONS_BETWEEN_WRITES: Instance<Node, RaftProperties> = Instance {
    name: "three-elections-between-writes",
    about: "PreVote, three elections, two commands, one crash and restart, also between a write and what waits for it",
    boundary: BOUNDARY,
    setup: || setup(3, true, 2, Bounds { sync: SyncMode::Blocking, ..BOUNDS() }, in_turn),
    depth_max: None,
    marks: MARKS,
    goals: GOALS,
    breaks: None,
    pinned: Pinned { states: 11_188_576, generated: 26_679_460, depth: 67 },
};
