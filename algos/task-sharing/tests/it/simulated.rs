//! Task sharing in virtual time, under every fault that it must survive: no task lost, none done twice, the end of all
//! work told truly, and clients served again once everything is healed.

use swarm_protocol::Drawn as _;
use swarm_simulator::World;
use swarm_simulator::profile::Profile;
use swarm_simulator::simulation::{Counts, Simulation};
use swarm_task_sharing::properties::TaskProperties;
use swarm_task_sharing::{Config, Node, Op, split};

#[test]
fn simulated_clusters_lose_nothing_and_come_to_an_end() {
    let (mut marks, mut faults) = (Counts::new(), Counts::new());
    for profile in Profile::ALL {
        for seed in 0..12 {
            let nodes = 1 + seed as u32 % 5;
            let mut simulation = Simulation::<Node, TaskProperties>::new(Config::new(nodes), nodes, Op::draw);
            simulation.profile = profile;
            simulation.operations_max = 300;
            simulation.perform = Some(|_, task| split(task));
            let run = simulation.run(seed);
            if !run.account.is_inside() {
                assert!(profile.heedless && !run.is_finding(), "{profile}, seed {seed}: {}", run.account);
                continue;
            }
            assert_eq!(run.violation, None, "{profile}, seed {seed}, {nodes} nodes");
            assert!(run.completed > 0 && !run.undecided && !run.cut_short, "{profile}, seed {seed}: {run:?}");
            for (sum, counts) in [(&mut marks, run.marks), (&mut faults, run.faults)] {
                for (label, count) in counts {
                    *sum.entry(label).or_default() += count;
                }
            }
        }
    }
    for label in [
        "all-done",
        "given-again",
        "handed-over",
        "round-in-vain",
        "stolen",
        "task-completed",
        "tasks-received",
        "token-lost",
        "too-little-to-steal",
    ] {
        assert!(marks.get(label).is_some_and(|count| *count > 0), "{label}: {marks:?}");
    }
    assert!(faults.values().filter(|count| **count > 0).count() >= 15, "{faults:?}");
}

/// A token that goes round many nodes takes its time.
#[test]
fn the_end_is_told_however_many_nodes_there_are() {
    for nodes in [33, 64] {
        let mut simulation = Simulation::<Node, TaskProperties>::new(Config::new(nodes), nodes, Op::draw);
        simulation.profile = Profile::CALM;
        simulation.operations_max = 100;
        simulation.perform = Some(|_, task| split(task));
        let run = simulation.run(1);
        assert_eq!((run.violation, run.undecided), (None, false), "{nodes} nodes");
        assert!(run.marks.contains_key("all-done"), "{nodes} nodes: {:?}", run.marks);
    }
}

/// What a simulation has found is told as a run of a world: there, too, tasks must be done.
#[test]
fn a_simulated_run_goes_on_in_a_world_where_tasks_are_done() {
    let mut simulation = Simulation::<Node, TaskProperties>::new(Config::new(2), 2, |_| Op::Submit(0));
    simulation.profile = Profile::CALM;
    simulation.operations_max = 1;
    simulation.perform = Some(|_, task| split(task));
    let (setup, events) = simulation.trace(1).in_world(Config::new(2));
    let mut world = World::<Node, TaskProperties>::new(&setup);
    for event in &events {
        if world.clone().apply(&setup, event).is_ok() {
            world.apply(&setup, event).expect("it was possible a moment ago");
        }
    }
    assert_eq!(world.violation(), None);
    let completed = |node: &Node| node.disk().completed;
    assert!(world.nodes().flatten().map(completed).sum::<u64>() > 0);
}
