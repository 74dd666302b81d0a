//! Lassos: against a search of all sets of states of small graphs, and in Raft.

use std::sync::atomic::AtomicBool;

use model_check::engine::System;
use model_check::engine::lasso::{Fair, Judged, Lasso, Next, Promise, Verdict, confirm, judge};
use model_check::raft;
use model_check::search::{Limits, Stopped};
use swarm_protocol::{Stream, Violation};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Kv, Raft};
use swarm_simulator::World;

static GO_ON: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

const LIMITS: Limits<'static> = Limits::new(8 << 30, &GO_ON);

type Cluster = World<Raft<Kv>, RaftProperties>;

#[test]
fn look() {
    const P: [Promise<Cluster>; 4] = [
        Promise::eventually("leader", |w| w.nodes().flatten().any(|n| n.is_leader())),
        Promise::whenever(
            "answered",
            |w| w.operations().contains(&swarm_simulator::world::OpStatus::Pending),
            |w| !w.operations().contains(&swarm_simulator::world::OpStatus::Pending),
        ),
        Promise::again_and_again("leader again", |w| w.nodes().flatten().any(|n| n.is_leader())),
        Promise::again_and_again("candidate again", |w| w.nodes().flatten().any(|n| n.is_candidate())),
    ];
    for instance in
        [raft::TWO_NODES, raft::TWO_NODES_PRE_VOTE, raft::TWO_NODES_BETWEEN_WRITES, raft::BETWEEN_WRITES]
    {
        for promise in P {
            let begun = std::time::Instant::now();
            let judged = judge(&instance.space(), &promise, &LIMITS, |_| ());
            println!(
                "{} {} {} {} beyond {} depth {} {} bytes {:?}",
                instance.name,
                promise.name,
                judged.states,
                judged.transitions,
                judged.beyond,
                judged.depth,
                judged.graph_bytes,
                begun.elapsed()
            );
            match judged.verdict {
                Verdict::Broken(lasso) => println!("{lasso}"),
                other => println!("{other:?}"),
            }
        }
    }
}
