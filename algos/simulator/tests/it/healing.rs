//! The second phase: a legal core is healed, often no more, and must make progress.

use std::sync::atomic::AtomicBool;

use swarm_protocol::{NodeId, Stream, Ticks};
use swarm_simulator::Event;
use swarm_simulator::profile::{Pace, Profile, Span};
use swarm_simulator::simulation::{Assumption, Simulation, Summary};

use crate::logbook::{Append, Logbook, Nothing};
use crate::toy::{Config, Flaw, OneValuePerVersion, Op, Register};

fn pace() -> Pace {
    Pace {
        faults: Ticks::from_millis(1000),
        interval: Span::micros(50_000, 500_000),
        outage: Span::micros(5_000, 500_000),
        progress: Ticks::from_millis(3000),
        ..Pace::default()
    }
}

fn logbook(nodes: u32, assumption: Assumption) -> Simulation<Logbook, Nothing> {
    let mut simulation = Simulation::new((), nodes, |_| Append).profile(Profile::EVERYTHING).pace(pace());
    simulation.operations_max = 50;
    simulation.assumption(assumption)
}

#[test]
fn cores_are_as_large_as_the_assumption_says_and_every_node_is_left_out_at_times() {
    for nodes in 2..=5 {
        let assumption = Assumption::majority(nodes);
        let simulation = logbook(nodes, assumption);
        let mut left_out = vec![0; nodes as usize];
        let mut sizes = std::collections::BTreeSet::new();
        for seed in 0..80 {
            let traced = simulation.trace(seed);
            let core = traced.core.iter().filter(|healed| **healed).count();
            assert_eq!(traced.run.core as usize, core);
            assert!(core >= assumption.core_min as usize, "{nodes} nodes, seed {seed}: {:?}", traced.core);
            for (node, sum) in left_out.iter_mut().enumerate() {
                *sum += u32::from(!traced.core[node]);
                assert!(!traced.core[node] || traced.nodes[node].is_some(), "the core is up: seed {seed}");
            }
            sizes.insert(core);
        }
        assert!(nodes < 3 || left_out.iter().all(|times| *times > 1), "{nodes} nodes: {left_out:?}");
        assert!(sizes.contains(&(nodes as usize)) && sizes.contains(&(assumption.core_min as usize)));
    }
}

#[test]
fn nobody_is_left_out_of_a_core_that_needs_all() {
    for seed in 0..40 {
        let run = logbook(3, Assumption::crash_recovery(3)).run(seed);
        assert_eq!((run.core, run.violation), (3, None), "seed {seed}");
    }
}

fn register(core_min: u32) -> Summary {
    let workload = |draw: &mut Stream| Op::Write(draw.below(200) as u8);
    let config = Config { nodes: 3, flaw: Flaw::None };
    let mut simulation = Simulation::<Register, OneValuePerVersion>::new(config, 3, workload)
        .profile(Profile::CRASHES)
        .pace(pace());
    simulation.assumption.core_min = core_min;
    simulation.campaign(0..40, 2, &AtomicBool::new(false), |_| ())
}

#[test]
fn a_protocol_that_needs_one_node_more_than_it_says_makes_no_progress() {
    assert!(register(3).violated.is_empty());
    let violated = register(2).violated;
    assert!(violated.len() == 1 && violated["progress"] > 3, "{violated:?}");
}

#[test]
fn who_is_left_out_is_not_heard_and_not_asked() {
    let workload = |draw: &mut Stream| Op::Write(draw.below(200) as u8);
    let config = Config { nodes: 3, flaw: Flaw::None };
    let mut simulation = Simulation::<Register, OneValuePerVersion>::new(config, 3, workload)
        .profile(Profile::CRASHES)
        .pace(pace());
    simulation.assumption.core_min = 2;
    let healed = simulation.pace.faults;
    let mut seen = 0;
    for seed in 0..40 {
        let traced = simulation.trace(seed);
        let outside = |node: NodeId| !traced.core[node.index()];
        // What was on its way when the core was drawn still arrives.
        let settled = healed + Ticks::from_millis(1500);
        for (at, event) in &traced.trace {
            match event {
                Event::Deliver { from, to, .. } if *at > settled => {
                    assert!(!outside(*from) && !outside(to.node()), "seed {seed}, {at}: {event:?}");
                }
                Event::Invoke { at: node, .. } if *at > healed => {
                    assert!(!outside(node.node()), "seed {seed}, {at}: {event:?}");
                }
                Event::Drop { from, to, .. } if *at > settled => {
                    assert!(outside(*from) || outside(to.node()), "seed {seed}, {at}: {event:?}");
                    seen += 1;
                }
                _ => {}
            }
        }
    }
    assert!(seen > 20, "{seen} messages to or from those left out");
}
