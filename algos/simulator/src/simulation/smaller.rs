//! Smaller simulations that fail in the same way: for runs that no world can follow.
//!
//! A world knows no time, so a run that ends in a violation of progress, or that depends on clocks or on a disk that
//! forgets, cannot be shrunk event by event. What can be made smaller is what it is a run of: fewer nodes, fewer clients
//! and operations, one way of asking, fewer kinds of faults, faults for a shorter time. Each of these is simulated anew,
//! from the same seed and a few others; switching a fault off changes no other draw of a seed. What still breaks the
//! property, in no more than a few more steps, is gone on from, until nothing gains anything.
//!
//! Nothing is proved of the length of such a run, but that none of these simplifications, alone and from these seeds,
//! fails as well. Work is counted in steps simulated, so that the result is the same on every machine.
//!
//! Verified by `tests/it/smaller.rs`.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use swarm_protocol::{Properties, Service, Ticks};

use super::{Run, Simulation};
use crate::profile::{Fault, Faults, Profile};

/// How many steps are simulated if nothing else is said: about a second of one processor.
pub const STEPS: u64 = 4_000_000;

/// How many seeds are tried of each simplification: that of the run, and those after it.
const SEEDS: u64 = 4;

/// A simulation of which one seed breaks what a larger one broke.
pub struct Smaller<P: Service, Q> {
    /// The simulation.
    pub simulation: Simulation<P, Q>,
    /// The result of its failing seed.
    pub run: Run,
    /// How many steps the run had that it stands for.
    pub steps_before: u64,
    /// How many runs were tried.
    pub tried: u32,
    /// How many steps they had, together.
    pub tried_steps: u64,
    /// The effort was used up, or somebody asked to stop, before all was tried.
    pub cut_off: bool,
}

impl<P: Service, Q> fmt::Display for Smaller<P, Q> {
    /// What is left, and what is known of it, in a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Smaller { simulation, run, steps_before, tried, cut_off, .. } = self;
        let faults: Vec<&str> = run.conditions.faults.iter().map(Fault::name).collect();
        let faults = if faults.is_empty() { "no faults".to_owned() } else { faults.join(", ") };
        write!(
            f,
            "simulated smaller: {} nodes, {} clients, at most {} operations, {faults} for {}: seed {} breaks it in {} \
             steps, of {steps_before} before; {tried} runs tried{}; nothing is proved of its length",
            simulation.nodes,
            run.clients,
            simulation.operations_max,
            simulation.pace.faults,
            run.seed,
            run.steps,
            if *cut_off { ", cut off: perhaps it can be smaller" } else { "" },
        )
    }
}

impl<P: Service<Config: Clone>, Q: Properties<P>> Simulation<P, Q> {
    /// The smallest simulation found of which a seed breaks what `seed` breaks of this one; none if that breaks
    /// nothing, or nothing that is a finding. `clusters` are others that differ in size, and are tried from the
    /// smallest on.
    ///
    /// Simulates as many steps as `steps` says at most, beside the runs that it begins and ends with, until `stop` is
    /// set.
    pub fn smaller(
        &self,
        seed: u64,
        clusters: &[&Simulation<P, Q>],
        steps: u64,
        stop: Option<&AtomicBool>,
    ) -> Option<Smaller<P, Q>> {
        let run = self.run(seed);
        let property = run.violation.as_ref().filter(|_| run.is_finding())?.property;
        let steps_before = run.steps;
        let simulation = self.clone();
        let mut smaller = Smaller { simulation, run, steps_before, tried: 0, tried_steps: 0, cut_off: false };
        while smaller.simplify(property, clusters, steps, stop) {}
        Some(smaller)
    }
}

impl<P: Service<Config: Clone>, Q: Properties<P>> Smaller<P, Q> {
    /// Tries every simplification once, and goes on from each that fails as well. Says whether there was one.
    fn simplify(
        &mut self,
        property: &str,
        clusters: &[&Simulation<P, Q>],
        steps: u64,
        stop: Option<&AtomicBool>,
    ) -> bool {
        let mut gained = false;
        let mut clusters: Vec<_> = clusters.to_vec();
        clusters.sort_by_key(|cluster| cluster.nodes);
        for cluster in clusters {
            gained |= self.attempt(property, steps, stop, |simulation, _| {
                let smaller = cluster.nodes < simulation.nodes;
                (simulation.nodes, simulation.assumption) = (cluster.nodes, cluster.assumption);
                simulation.config.clone_from(&cluster.config);
                smaller
            });
        }
        gained |= self.attempt(property, steps, stop, |simulation, run| {
            let several = simulation.workloads.len() > 1;
            simulation.workloads = vec![simulation.workloads[run.workload as usize]];
            several
        });
        for clients in [1, 2] {
            gained |= self.attempt(property, steps, stop, |simulation, run| {
                let fewer = clients < run.clients;
                simulation.clients = clients..=clients;
                fewer
            });
        }
        let operations = core::iter::successors(Some(0u32), |few| few.checked_mul(2).map(|few| few.max(1)));
        for few in operations.take_while(|few| *few < self.simulation.operations_max).collect::<Vec<_>>() {
            gained |= self.attempt(property, steps, stop, |simulation, _| {
                let fewer = few < simulation.operations_max;
                (simulation.operations_max, simulation.operations_min) = (few, u32::MAX);
                fewer
            });
        }
        for fault in self.simulation.profile.faults.iter().collect::<Vec<_>>() {
            gained |= self.attempt(property, steps, stop, |simulation, _| {
                let Profile { name, faults, heedless } = simulation.profile;
                let without = faults.without(Faults::of(&[fault]));
                simulation.profile = Profile { name, faults: without, heedless };
                without != faults
            });
        }
        for shorter in [64, 8, 2] {
            gained |= self.attempt(property, steps, stop, |simulation, _| {
                let faults = &mut simulation.pace.faults;
                *faults = Ticks(faults.0 / shorter);
                faults.0 > 0
            });
        }
        gained
    }

    /// Simulates what `change` makes, if it says that this is a change, and goes on from it if it fails as well.
    fn attempt(
        &mut self,
        property: &str,
        steps: u64,
        stop: Option<&AtomicBool>,
        change: impl FnOnce(&mut Simulation<P, Q>, &Run) -> bool,
    ) -> bool {
        let mut simulation = self.simulation.clone();
        if !change(&mut simulation, &self.run) {
            return false;
        }
        // What takes far longer is not smaller, however little is left of it.
        let allowed = self.run.steps + self.run.steps / 4;
        simulation.steps_max = allowed.min(self.simulation.steps_max).max(1);
        for seed in (0..SEEDS).map(|more| self.run.seed.saturating_add(more)) {
            // Relaxed: a request, which may be seen late.
            if self.tried_steps >= steps || stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                self.cut_off = true;
                return false;
            }
            let run = simulation.run(seed);
            self.tried += 1;
            self.tried_steps += run.steps;
            let same = run.violation.as_ref().is_some_and(|violation| violation.property == property);
            if same && run.is_finding() && !run.cut_short {
                simulation.steps_max = self.simulation.steps_max;
                (self.simulation, self.run) = (simulation, run);
                return true;
            }
        }
        false
    }
}
