//! Searches: closed, cut, stopped, on one thread and on two.

use std::sync::atomic::AtomicBool;

use model_check::adapter::{COMMON, Goal, Space};
use model_check::raft;
use model_check::search::{Found, Limits, Stopped, search};
use swarm_raft::properties::RaftProperties;
use swarm_simulator::world::World;

type Node = model_check::raft::Node;

static GO_ON: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

const LIMITS: Limits<'static> = Limits::new(8 << 30, &GO_ON);

fn small(depth_max: Option<u32>, limits: &Limits<'_>) -> Found<Node> {
    let setup = (raft::TWO_NODES.setup)();
    search(Space::<Node, RaftProperties>::new(setup, depth_max, &[], &[]), limits, |_| ())
}

#[test]
fn two_threads_visit_what_one_visits() {
    for instance in [raft::TWO_NODES, raft::TWO_NODES_PRE_VOTE, raft::TWO_NODES_BETWEEN_WRITES] {
        let one = instance.search(&LIMITS, |_| ());
        let two = instance.search(&Limits { threads: 2, ..LIMITS }, |_| ());
        assert_eq!((one.threads, two.threads), (1, 2), "{}", instance.name);
        assert!(one.is_complete() && two.is_complete(), "{}", instance.name);
        assert!(one.counterexample.is_none() && two.counterexample.is_none(), "{}", instance.name);
        assert_eq!((one.states, one.generated), (two.states, two.generated), "{}", instance.name);
        assert!(one.marks.keys().eq(two.marks.keys()), "{}: {:?} {:?}", instance.name, one.marks, two.marks);
    }
}

#[test]
fn a_depth_is_complete_with_its_last_level_judged_and_has_one_thread() {
    let all = small(None, &LIMITS);
    let mut before = 0;
    for depth in [0, 1, 5, 10, all.depth] {
        let found = small(Some(depth), &Limits { threads: 2, ..LIMITS });
        assert_eq!((found.threads, found.depth, found.complete_depth), (1, depth, Some(depth)));
        assert!(found.states > before, "{depth}: {} states", found.states);
        before = found.states;
        assert_eq!(found.stopped, Some(Stopped::DepthLimit));
    }
    let beyond = small(Some(all.depth + 1), &LIMITS);
    assert_eq!((beyond.stopped, beyond.depth, beyond.complete_depth), (None, all.depth, Some(all.depth)));
    assert_eq!(before, all.states);
}

#[test]
fn a_search_that_is_stopped_says_which_depth_is_complete() {
    let few = small(None, &Limits { states_max: Some(500), ..LIMITS });
    let (stopped, depth) = (few.stopped, few.complete_depth.expect("one thread knows"));
    assert_eq!(stopped, Some(Stopped::StateLimit));
    // What it says is complete is complete: a search to that depth finds no more.
    let level = small(Some(depth), &LIMITS);
    assert!(level.states <= few.states && few.states < small(None, &LIMITS).states, "{depth}: {few:?}");

    let none = small(None, &Limits { interrupt: &STOP, ..LIMITS });
    assert_eq!(none.stopped, Some(Stopped::Interrupted));
    let none = small(None, &Limits { memory_bytes: 1, ..LIMITS });
    assert_eq!(none.stopped, Some(Stopped::MemoryBudget));
    let none = small(None, &Limits { threads: 2, memory_bytes: 1, ..LIMITS });
    assert_eq!((none.stopped, none.complete_depth), (Some(Stopped::MemoryBudget), None));
}

#[test]
fn every_property_is_asked_for_by_name() {
    let names: Vec<_> = Space::<Node, RaftProperties>::names().collect();
    assert_eq!(names.len(), 6 + COMMON.len());
    assert!(names.contains(&"election_safety") && names.contains(&"linearizability"));
}

#[test]
fn a_goal_is_reached_by_as_few_events_as_possible() {
    const GOALS: &[Goal<Node, RaftProperties>] = &[
        Goal {
            name: "down",
            holds: |world: &World<Node, RaftProperties>| world.nodes().any(|node| node.is_none()),
        },
        Goal { name: "never", holds: |_| false },
    ];
    let setup = (raft::TWO_NODES.setup)();
    let found = search(Space::new(setup, None, &["campaign", "no-such-mark"], GOALS), &LIMITS, |_| ());
    assert_eq!((found.marks.get("down"), found.marks.get("campaign")), (Some(&1), Some(&1)));
    assert!(!found.marks.contains_key("never") && !found.marks.contains_key("no-such-mark"));
}
