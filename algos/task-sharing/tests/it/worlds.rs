//! Every order of events on two nodes, within bounds that end in a moment; larger ones are searched by the checker.

use std::collections::BTreeSet;

use swarm_simulator::world::SyncMode;
use swarm_simulator::{Bounds, Setup, World};
use swarm_task_sharing::properties::TaskProperties;
use swarm_task_sharing::{Node, Op, split};

use crate::node::plain;

/// Visits every world and returns the marks that were reached.
fn visit(bounds: Bounds, workload: &[Op]) -> BTreeSet<&'static str> {
    let setup = Setup::<Node>::new(plain(2), 2)
        .workload(workload.iter().copied())
        .bounds(bounds)
        .perform(|_, task| split(task))
        .within(|node| node.disk().round <= 2 && node.disk().given.iter().all(|given| given.number <= 1));
    let initial = World::<Node, TaskProperties>::new(&setup);
    let (mut seen, mut open) = (BTreeSet::from([initial.fingerprint()]), vec![initial]);
    let (mut events, mut marks) = (Vec::new(), BTreeSet::new());
    while let Some(world) = open.pop() {
        world.enabled(&setup, &mut events);
        for event in &events {
            let mut next = world.clone();
            let Ok(applied) = next.apply(&setup, event) else { continue };
            assert_eq!(next.violation(), None, "after {event:?}");
            marks.extend(applied.marks);
            if seen.insert(next.fingerprint()) {
                open.push(next);
            }
        }
    }
    marks
}

#[test]
fn hand_overs_survive_a_crash_at_any_moment_and_a_message_that_comes_twice() {
    let bounds = Bounds {
        crashes: 1,
        duplicates: 1,
        in_flight: 2,
        timeouts: 3,
        sync: SyncMode::Whole,
        ..Bounds::default()
    };
    let marks = visit(bounds, &[Op::Submit(0), Op::Submit(0)]);
    for mark in ["stolen", "given-again", "tasks-received", "task-completed"] {
        assert!(marks.contains(mark), "{mark}: {marks:?}");
    }
}

#[test]
fn the_end_of_all_work_is_told_truly_in_every_order_of_events() {
    let bounds = Bounds { in_flight: 2, timeouts: 4, ..Bounds::default() };
    let marks = visit(bounds, &[Op::Finish, Op::Submit(0), Op::Submit(0)]);
    for mark in ["all-done", "round-in-vain", "token-lost", "stolen"] {
        assert!(marks.contains(mark), "{mark}: {marks:?}");
    }
}
