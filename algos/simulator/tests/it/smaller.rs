//! Smaller simulations of runs that fail where no world can follow.

use std::sync::atomic::AtomicBool;

use swarm_protocol::{NodeId, Properties, Stream, Violation};
use swarm_simulator::profile::{Pace, Profile, Span};
use swarm_simulator::simulation::smaller::{STEPS, Smaller};
use swarm_simulator::simulation::{PROGRESS, Run, Simulation};

use crate::toy::{Config, Flaw, OneValuePerVersion, Op, Register};

type Cluster = Simulation<Register, OneValuePerVersion>;

fn operation(draw: &mut Stream) -> Op {
    if draw.below(2) == 0 { Op::Read } else { Op::Write(draw.below(9) as u8) }
}

fn write(draw: &mut Stream) -> Op {
    Op::Write(draw.below(9) as u8)
}

/// A cluster that has so little time for progress that a slow disk is too much for it.
fn hasty(nodes: u32) -> Cluster {
    let pace =
        Pace { progress: swarm_protocol::Ticks(9_000), sync: Span::micros(50, 20_000), ..Pace::default() };
    Simulation::new(Config { nodes, flaw: Flaw::None }, nodes, operation)
        .profile(Profile::EVERYTHING)
        .pace(pace)
        .clients_between(1..=6)
        .workloads([operation, write])
}

fn broken(cluster: &Cluster, seeds: u64) -> Vec<Run> {
    let runs = (0..seeds).map(|seed| cluster.run(seed));
    let progress = |run: &Run| run.violation.as_ref().is_some_and(|violation| violation.property == PROGRESS);
    runs.filter(|run| progress(run) && run.is_finding()).collect()
}

#[test]
fn runs_that_violate_progress_are_simulated_smaller() {
    let (cluster, small) = (hasty(5), hasty(3));
    let runs = broken(&cluster, 40);
    assert!(runs.len() >= 3, "{} runs", runs.len());
    for run in runs.iter().take(3) {
        let smaller = cluster.smaller(run.seed, &[&small], STEPS, None).unwrap();
        let told = smaller.to_string();
        assert_eq!(smaller.steps_before, run.steps);
        assert!(smaller.run.steps * 4 <= run.steps, "{told}");
        assert!(!smaller.cut_off && told.ends_with("nothing is proved of its length"), "{told}");
        // It is the run of its seed, and fails in the same way.
        assert_eq!(smaller.simulation.run(smaller.run.seed), smaller.run);
        let violation = smaller.run.violation.as_ref().unwrap();
        assert_eq!(violation.property, PROGRESS);
        // Nothing is left of what can be left out.
        let Smaller { simulation, .. } = &smaller;
        assert_eq!((simulation.nodes, simulation.workloads.len(), smaller.run.clients), (3, 1, 1), "{told}");
        assert!(simulation.operations_max <= 1, "{told}");
        // A slow disk is no fault that strikes: none is needed.
        assert_eq!(simulation.profile.faults.iter().count(), 0, "{told}");
    }
}

#[test]
fn simulating_smaller_is_the_same_every_time_and_ends_within_its_effort() {
    let cluster = hasty(5);
    let seed = broken(&cluster, 40)[0].seed;
    let longest = cluster.run(seed).steps * 5 / 4 + 1;
    let mut lengths = Vec::new();
    for steps in [0, STEPS] {
        let once = cluster.smaller(seed, &[], steps, None).unwrap();
        let again = cluster.smaller(seed, &[], steps, None).unwrap();
        assert_eq!((&once.run, once.tried), (&again.run, again.tried));
        // The run that uses it up is played to its end.
        assert!(once.tried_steps < steps + longest, "{once}");
        assert_eq!(once.cut_off, steps < STEPS, "{once}");
        lengths.push(once.run.steps);
    }
    assert!(lengths.is_sorted_by(|a, b| a >= b) && lengths[0] > lengths[1], "{lengths:?}");
    let stopped = cluster.smaller(seed, &[], STEPS, Some(&AtomicBool::new(true))).unwrap();
    assert_eq!((stopped.tried, stopped.cut_off, stopped.run.seed), (0, true, seed));
}

#[test]
fn a_seed_that_breaks_nothing_is_not_simulated_smaller() {
    let calm = hasty(3).profile(Profile::CALM).pace(Pace::default());
    assert!(calm.smaller(1, &[], STEPS, None).is_none());
}

/// Broken by every write that a node stores, under the name of the cluster's size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Sizes;

impl Properties<Register> for Sizes {
    const NAMES: &'static [&'static str] = &["small", "large"];

    fn after_step(
        &mut self,
        config: &Config,
        nodes: &[Option<&Register>],
        touched: NodeId,
    ) -> Result<(), Violation> {
        match nodes[touched.index()] {
            Some(node) if node.stored.version > 0 => {
                Err(Violation::new(Self::NAMES[usize::from(config.nodes > 3)], String::new()))
            }
            _ => Ok(()),
        }
    }

    fn full(&self, _: &Config, _: &[Option<&Register>]) -> Result<(), Violation> {
        Ok(())
    }
}

#[test]
fn a_smaller_cluster_that_breaks_another_property_is_not_gone_on_from() {
    let of = |nodes| {
        Simulation::<Register, Sizes>::new(Config { nodes, flaw: Flaw::None }, nodes, write)
            .profile(Profile::CALM)
    };
    let (large, small) = (of(5), of(3));
    assert_eq!(small.run(0).violation.map(|violation| violation.property), Some("small"));
    let smaller = large.smaller(0, &[&small], STEPS, None).unwrap();
    let property = smaller.run.violation.as_ref().map(|violation| violation.property);
    assert_eq!((smaller.simulation.nodes, property), (5, Some("large")), "{smaller}");
}
