//! Several implementations at the same work, interleaved.
//!
//! A [`Contestant`] is an implementation and a way to build it. For each [`Shape`] of the work (payload,
//! window) all contestants first prove that they do it: a fixed number of commands, read to the last byte on
//! every node, with one digest that all must share. Then they are timed in rounds: each round runs every
//! shape, and within a shape every contestant once, in an order shuffled anew. What the machine does to
//! one it then does to its neighbours, and ratios are taken round by round
//! (`reports::artifact::Measurement::ratio`: the median with its bootstrap interval). Every pass is on a fresh
//! cluster, warmed up, and is verified by its digests too.
//!
//! Verified by tests with contestants that work, lie and differ.

use std::time::Duration;

use reports::artifact::{Implementation, Measurement, Quantiles};
use swarm_protocol::Stream;

use crate::recorder;
use crate::workload::{Budget, Cluster, Load, Measured, Proof, Wrong, measure, prove, time_commits};

/// Leader and followers of every contestant.
pub const NODES: u32 = 3;

/// Has a fresh cluster do a load, as far as the second argument says.
type Runner<Extent, Outcome> = Box<dyn Fn(&Load, &Extent) -> Result<Outcome, Wrong>>;

/// An implementation that takes part.
pub struct Contestant {
    /// What it is, at which settings.
    pub implementation: Implementation,
    prove: Runner<u64, Proof>,
    measure: Runner<Budget, Measured>,
    time: Runner<u64, Duration>,
}

impl Contestant {
    /// An implementation of which `build` makes a fresh cluster for a load.
    pub fn new<C: Cluster>(
        implementation: Implementation,
        build: impl Fn(&Load) -> C + Clone + 'static,
    ) -> Self {
        let (to_measure, to_time) = (build.clone(), build.clone());
        Contestant {
            implementation,
            prove: Box::new(move |load, commands| prove(&mut build(load), load, *commands)),
            measure: Box::new(move |load, budget| measure(|| to_measure(load), load, budget)),
            time: Box::new(move |load, commands| time_commits(|| to_time(load), load, *commands)),
        }
    }

    /// Has a fresh cluster commit `commands` commands, read to the last byte on every node.
    ///
    /// # Errors
    /// If it stalls, or any node applied anything else.
    pub fn prove(&self, load: &Load, commands: u64) -> Result<Proof, Wrong> {
        (self.prove)(load, &commands)
    }

    /// Measures a fresh cluster.
    ///
    /// # Errors
    /// If it stalls, or any node applied anything but the commands handed in.
    pub fn measure(&self, load: &Load, budget: &Budget) -> Result<Measured, Wrong> {
        (self.measure)(load, budget)
    }

    /// The CPU time in which fresh clusters commit `commands` commands.
    ///
    /// # Errors
    /// As [`Contestant::measure`].
    pub fn time_commits(&self, load: &Load, commands: u64) -> Result<Duration, Wrong> {
        (self.time)(load, &commands)
    }
}

/// One shape of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of a command.
    pub bytes: usize,
    /// Commands in flight.
    pub window: u64,
}

/// How much is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Names the commands and the order of passes.
    pub seed: u64,
    /// The shapes of the work.
    pub shapes: Vec<Shape>,
    /// Rounds, each of which runs every shape with every contestant.
    pub rounds: u32,
    /// How long each pass lasts.
    pub budget: Budget,
    /// Commands that each contestant proves itself with, at each shape.
    pub proof_commands: u64,
}

/// A contestant that did other work than it was given: its figures would mean nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Who.
    pub implementation: Implementation,
    /// At which work.
    pub shape: Shape,
    /// How.
    pub wrong: Wrong,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// One per shape and contestant that did its work, shapes outermost, in the plan's order.
    pub measurements: Vec<Measurement>,
    /// Those that did not. They are left out of `measurements` at that shape.
    pub failures: Vec<Failure>,
    /// Rounds that every measurement has a sample of.
    pub rounds: u32,
    /// Whether `go_on` ended the run before the plan was done.
    pub interrupted: bool,
}

/// A contestant at one shape, in the making.
struct Entry<'a> {
    contestant: &'a Contestant,
    load: Load,
    proof: Proof,
    samples: Vec<f64>,
    latency: hdrhistogram::Histogram<u64>,
    wrong: Option<Wrong>,
}

/// Runs the plan. `go_on` is asked before each pass and told how many of how many are done; when it says no,
/// the run ends with the rounds that are complete.
pub fn run(contestants: &[Contestant], plan: &Plan, mut go_on: impl FnMut(usize, usize) -> bool) -> Results {
    let mut results = Results::default();
    let passes = contestants.len() * plan.shapes.len() * (plan.rounds as usize + 1);
    let mut done = 0;
    let mut cells: Vec<(Shape, Vec<Entry<'_>>)> = Vec::new();
    'proofs: for shape in &plan.shapes {
        let load = Load::new(plan.seed, shape.bytes, shape.window);
        let mut entries = Vec::new();
        for contestant in contestants {
            if !go_on(done, passes) {
                results.interrupted = true;
                break 'proofs;
            }
            done += 1;
            match contestant.prove(&load, plan.proof_commands) {
                Ok(proof) => entries.push(Entry {
                    contestant,
                    load,
                    proof,
                    samples: Vec::new(),
                    latency: recorder::histogram(),
                    wrong: None,
                }),
                Err(wrong) => results.failures.push(failure(contestant, *shape, wrong)),
            }
        }
        cells.push((*shape, entries));
    }
    'rounds: for round in 0..plan.rounds {
        if results.interrupted {
            break;
        }
        for (cell, (_, entries)) in (0..).zip(&mut cells) {
            let mut order: Vec<usize> = (0..entries.len()).collect();
            shuffle(&mut order, Stream::new(plan.seed, u64::from(round), cell));
            for place in order {
                if !go_on(done, passes) {
                    results.interrupted = true;
                    break 'rounds;
                }
                done += 1;
                let entry = &mut entries[place];
                if entry.wrong.is_some() {
                    continue;
                }
                if let Err(wrong) = entry.pass(plan) {
                    entry.wrong = Some(wrong);
                }
            }
        }
        results.rounds = round + 1;
    }
    for (shape, entries) in cells {
        for mut entry in entries {
            match entry.wrong.take() {
                Some(wrong) => results.failures.push(failure(entry.contestant, shape, wrong)),
                None => results.measurements.push(entry.measurement(shape, results.rounds as usize)),
            }
        }
    }
    results
}

impl Entry<'_> {
    fn pass(&mut self, plan: &Plan) -> Result<(), Wrong> {
        let measured = self.contestant.measure(&self.load, &plan.budget)?;
        self.samples.push(measured.throughput.per_cpu_second());
        self.latency.add(&measured.latency).expect("both histograms have one range");
        Ok(())
    }

    fn measurement(mut self, shape: Shape, rounds: usize) -> Measurement {
        // An interrupted round is no sample of all, and none of any.
        self.samples.truncate(rounds);
        let latency = Quantiles::of("ns", self.latency.len(), |q| self.latency.value_at_quantile(q) as f64);
        Measurement {
            implementation: self.contestant.implementation.clone(),
            nodes: NODES,
            payload_bytes: shape.bytes as u64,
            window: shape.window,
            samples: self.samples,
            messages_per_commit: Some(self.proof.messages_per_commit()),
            latency: (latency.count > 0).then_some(latency),
            digest: format!("{:016x}", self.proof.digest.fold),
            verified: true,
        }
    }
}

fn failure(contestant: &Contestant, shape: Shape, wrong: Wrong) -> Failure {
    Failure { implementation: contestant.implementation.clone(), shape, wrong }
}

/// Puts `items` into an order drawn from `stream` (Fisher and Yates).
fn shuffle(items: &mut [usize], mut stream: Stream) {
    for end in (1..items.len()).rev() {
        items.swap(end, stream.below(end as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::{Arena, Handles, Shared, Slab};
    use crate::workload::{Burst, Digest};
    use reports::artifact::Role;

    fn named(name: &str) -> Implementation {
        Implementation::new(Role::Floor, name, "1", "")
    }

    /// Drops the command that makes it reach `limit`.
    struct Forgetful {
        inner: Shared<Slab>,
        digest: Digest,
        limit: u64,
    }

    impl Cluster for Forgetful {
        fn propose(&mut self, burst: Burst) {
            for command in burst.clone() {
                if self.digest.commands == self.limit {
                    self.limit = u64::MAX;
                } else {
                    self.digest.take(&command);
                }
            }
            self.inner.propose(burst);
        }

        fn pump(&mut self) -> u64 {
            self.inner.pump()
        }

        fn settle(&mut self) {
            self.inner.settle();
        }

        fn applied(&self) -> Vec<Digest> {
            vec![self.digest]
        }

        fn messages(&self) -> u64 {
            self.inner.messages()
        }
    }

    fn plan() -> Plan {
        Plan {
            seed: 9,
            shapes: vec![Shape { bytes: 16, window: 8 }, Shape { bytes: 64, window: 64 }],
            rounds: 2,
            budget: Budget { throughput: Duration::from_nanos(1), latency: Duration::from_nanos(1) },
            proof_commands: 200,
        }
    }

    fn contestants() -> Vec<Contestant> {
        vec![
            Contestant::new(named("handles"), |_| Shared::<Handles>::default()),
            Contestant::new(named("arena"), |load| Arena::new(load.bytes)),
            Contestant::new(named("forgets early"), |_| forgetful(100)),
            Contestant::new(named("forgets late"), |_| forgetful(5_000)),
        ]
    }

    fn forgetful(limit: u64) -> Forgetful {
        Forgetful { inner: Shared::default(), digest: Digest::default(), limit }
    }

    #[test]
    fn equal_work_has_equal_digests_and_wrong_work_has_no_figures() {
        let results = run(&contestants(), &plan(), |_, _| true);
        let names: Vec<&str> =
            results.measurements.iter().map(|measured| measured.implementation.name.as_str()).collect();
        assert_eq!(names, ["handles", "arena", "handles", "arena"]);
        for pair in results.measurements.chunks(2) {
            assert!(pair[0].comparable(&pair[1]), "{pair:?}");
            assert_eq!((pair[0].samples.len(), pair[1].samples.len()), (2, 2));
            assert!(pair[0].ratio(&pair[1]).is_some());
        }
        assert_ne!(results.measurements[0].digest, results.measurements[2].digest);
        let mut failed: Vec<(&str, usize)> = results
            .failures
            .iter()
            .map(|failure| (failure.implementation.name.as_str(), failure.shape.bytes))
            .collect();
        failed.sort_unstable();
        let both = ["forgets early", "forgets late"];
        assert_eq!(failed, [(both[0], 16), (both[0], 64), (both[1], 16), (both[1], 64)]);
        assert_eq!((results.rounds, results.interrupted), (2, false));
    }

    #[test]
    fn an_interrupted_run_keeps_whole_rounds_only() {
        let two = &contestants()[..2];
        // Four proofs, then a round of four passes, then half a round.
        let results = run(two, &plan(), |done, passes| {
            assert_eq!(passes, 12);
            done < 10
        });
        assert!(results.interrupted);
        assert_eq!(results.rounds, 1);
        assert!(results.measurements.iter().all(|measured| measured.samples.len() == 1));
    }

    #[test]
    fn orders_are_permutations_that_differ_between_rounds() {
        let order = |round| {
            let mut items: Vec<usize> = (0..6).collect();
            shuffle(&mut items, Stream::new(1, round, 0));
            items
        };
        let mut orders: Vec<Vec<usize>> = (0..20).map(order).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
        }
        orders.sort();
        orders.dedup();
        assert!(orders.len() > 15, "{orders:?}");
    }
}
