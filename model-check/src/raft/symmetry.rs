//! Raft's servers are alike: instances that are searched up to renaming.
//!
//! Most are other instances, those of three nodes with more room for messages: an event whose messages find no room is
//! out of bounds here, and a broadcast must find some beside what is in flight. Instances whose writes wait are not among them: see
//! [`swarm_simulator::world::unlike`].
//!
//! Verified by `tests/it/symmetry.rs` and by the pinned counts.

use swarm_raft::properties::RaftProperties;
use swarm_simulator::Bounds;

use super::{
    CLOSED, NO_STABLE_STORAGE, Node, PRE_VOTE, TWO_COMMANDS, TWO_NODES, TWO_NODES_PRE_VOTE, USUAL, setup,
};
use crate::forgetful::Forgetful;
use crate::instance::{Check, Instance, Pinned};
use crate::registered::Extent;
use crate::symmetry::Alike;

/// The instances up to renaming.
pub(super) fn instances(extent: Extent) -> Vec<Box<dyn Check>> {
    let small: [Box<dyn Check>; 2] = [Box::new(ALIKE_TWO_NODES), Box::new(ALIKE_TWO_NODES_PRE_VOTE)];
    let large: [Box<dyn Check>; 5] = [
        Box::new(ALIKE_NO_STABLE_STORAGE),
        Box::new(ALIKE),
        Box::new(ALIKE_TWO_COMMANDS),
        Box::new(ALIKE_PRE_VOTE),
        Box::new(ALIKE_CLOSED),
    ];
    match extent {
        Extent::Small => small.into(),
        Extent::Quick | Extent::Full => large.into(),
        Extent::Explorable => small.into_iter().chain(large).collect(),
    }
}

/// Three servers.
pub const ALIKE: Alike<Node, RaftProperties> = Alike {
    instance: Instance {
        name: "alike",
        about: "three nodes, one term, one command, names not told apart",
        boundary: "terms up to 1",
        setup: || {
            let bounds = Bounds { in_flight: 4, ..Bounds::default() };
            setup(3, false, 1, bounds, |node| node.term() <= 1)
        },
        depth_max: None,
        marks: USUAL,
        goals: &[],
        breaks: None,
        pinned: Pinned { states: 37_957, generated: 138_272, depth: 30 },
    },
    worlds: 227_372,
};

/// Two servers.
pub const ALIKE_TWO_NODES: Alike<Node, RaftProperties> = Alike {
    instance: Instance {
        name: "alike-two-nodes",
        about: "as two-nodes, names not told apart",
        pinned: Pinned { states: 7_206, generated: 16_292, depth: 23 },
        ..TWO_NODES
    },
    worlds: 14_398,
};

/// Two servers that ask before an election.
pub const ALIKE_TWO_NODES_PRE_VOTE: Alike<Node, RaftProperties> = Alike {
    instance: Instance {
        name: "alike-two-nodes-pre-vote",
        about: "as two-nodes-pre-vote, names not told apart",
        pinned: Pinned { states: 4_261, generated: 10_772, depth: 23 },
        ..TWO_NODES_PRE_VOTE
    },
    worlds: 8_506,
};

/// Two elections, a crash and a restart.
pub const ALIKE_CLOSED: Alike<Node, RaftProperties> = Alike {
    instance: Instance {
        name: "alike-closed",
        about: "as closed, names not told apart",
        setup: || {
            let bounds = Bounds { crashes: 1, in_flight: 3, ..Bounds::default() };
            setup(3, false, 1, bounds, |node| node.term() <= 2)
        },
        pinned: Pinned { states: 156_873, generated: 468_017, depth: 43 },
        ..CLOSED
    },
    worlds: 940_592,
};

/// PreVote.
pub const ALIKE_PRE_VOTE: Alike<Node, RaftProperties> = Alike {
    instance: Instance {
        name: "alike-pre-vote",
        about: "as pre-vote, names not told apart",
        setup: || {
            let bounds = Bounds { crashes: 1, in_flight: 3, ..Bounds::default() };
            setup(3, true, 1, bounds, |node| node.term() <= 1)
        },
        pinned: Pinned { states: 148_888, generated: 456_096, depth: 42 },
        ..PRE_VOTE
    },
    worlds: 892_724,
};

/// More commands than terms.
pub const ALIKE_TWO_COMMANDS: Alike<Node, RaftProperties> = Alike {
    instance: Instance {
        name: "alike-two-commands",
        about: "as two-commands, names not told apart",
        setup: || {
            let bounds = Bounds { in_flight: 3, ..Bounds::default() };
            setup(3, false, 2, bounds, |node| node.term() <= 2)
        },
        pinned: Pinned { states: 87_845, generated: 236_802, depth: 45 },
        ..TWO_COMMANDS
    },
    worlds: 526_951,
};

/// Stable storage taken away.
pub const ALIKE_NO_STABLE_STORAGE: Alike<Forgetful<Node>, RaftProperties> = Alike {
    instance: Instance {
        name: "alike-no-stable-storage",
        about: "as no-stable-storage, names not told apart",
        setup: || {
            let bounds = Bounds { crashes: 1, in_flight: 6, ..Bounds::default() };
            setup(3, false, 1, bounds, |node: &Forgetful<Node>| node.0.term() <= 1)
        },
        pinned: Pinned::NOTHING,
        ..NO_STABLE_STORAGE
    },
    worlds: 0,
};
