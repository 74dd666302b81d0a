//! Simulation campaigns: many seeds of one algorithm, and what they came to.
//!
//! Even seeds run one number of nodes and odd seeds another: some bugs need five. Half of the seeds run with what a
//! protocol leaves to be switched on, if it names such variants. A campaign's
//! result depends on its seeds alone, not on threads or order. Verified by `tests/it/campaigns.rs`: equal
//! digests on one and two threads, shards that add up, and a campaign that misses what it must reach.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use reports::artifact::{self, Bin, FaultMet, Finding, MessagePair, Overlap, Quantiles};
use swarm_protocol::{Properties, Violation};
use swarm_simulator::coverage::Coverage;
use swarm_simulator::profile::Profile;
use swarm_simulator::shrink::{Shrunk, Ways};
use swarm_simulator::simulation::smaller::{self, Smaller};
use swarm_simulator::simulation::{self, Account, Run, Simulation, Summary, Traced};
use swarm_simulator::{Subject, Trace, diagram, linearizability, scenario, timeline};

use crate::search::Counterexample;
use crate::{decisive, finding};

pub mod kept;

/// What a campaign runs, for any protocol.
pub trait Simulate: Sync {
    /// The run of `seed`.
    fn run(&self, seed: u64) -> Run;

    /// What the run of `seed` broke, if anything, shrunk: in a world, or as a smaller simulation where none can
    /// follow it. `command` is what repeats it. Once `stop` is set, it is given as small as it is by then.
    fn find(&self, seed: u64, command: &str, stop: Option<&'static AtomicBool>) -> Option<Finding>;

    /// The run of `seed` with everything that happened in it, as text; and what it broke, as [`Simulate::find`]
    /// has it.
    fn replay(&self, seed: u64, command: &str) -> Replayed;

    /// The run of the smallest simulation found that breaks what `seed` breaks, and what it is; none if that breaks
    /// nothing.
    fn replay_smaller(&self, seed: u64) -> Option<(String, Replayed)>;

    /// What the run of `seed` came to, rewound; none if it violates nothing, or if it was interrupted.
    fn rewind(
        &self,
        seed: u64,
        effort: &decisive::Effort<'_>,
        progress: &mut dyn FnMut(usize),
    ) -> Option<artifact::Decisive>;

    /// The names of the properties that are judged.
    fn properties(&self) -> Vec<&'static str>;

    /// Marks that many runs with all kinds of faults must reach.
    fn marks(&self) -> &'static [&'static str];
}

/// One run, told.
#[derive(Debug)]
pub struct Replayed {
    /// Every event with its time, and the result.
    pub text: String,
    /// As a Mermaid sequence diagram, if it is short enough to look at.
    pub diagram: Option<String>,
    /// What it broke.
    pub finding: Option<Finding>,
    /// The result.
    pub run: Run,
}

/// A simulation at several sizes.
pub struct Campaign<P: Subject, Q> {
    /// Even seeds run on the first, odd seeds on the second.
    sizes: [Simulation<P, Q>; 2],
    /// One seed in [`RARE`] runs on one of these instead, in turn.
    rare: Vec<Simulation<P, Q>>,
    /// Of every four seeds the last two run on the next of these instead, each at both sizes.
    varied: Vec<[Simulation<P, Q>; 2]>,
    marks: &'static [&'static str],
}

/// Clusters of a rare size run under one seed in so many.
pub const RARE: u64 = 8;

/// Runs of more steps than this are not traced by campaigns: their events would take gigabytes.
const STEPS_TRACED_MAX: u64 = 2_000_000;

/// Diagrams of more events than this are not looked at.
const DIAGRAM_EVENTS_MAX: usize = 400;

impl<P: Subject, Q: Properties<P>> Campaign<P, Q> {
    /// Runs what `make` makes of two numbers of nodes. The `marks` must be reached.
    pub fn new(
        sizes: [u32; 2],
        marks: &'static [&'static str],
        make: impl Fn(u32) -> Simulation<P, Q>,
    ) -> Self {
        Self::with_rare(sizes, &[], marks, make)
    }

    /// The same, and now and then a cluster of one of the `rare` sizes.
    pub fn with_rare(
        sizes: [u32; 2],
        rare: &[u32],
        marks: &'static [&'static str],
        make: impl Fn(u32) -> Simulation<P, Q>,
    ) -> Self {
        let make = |nodes| make(nodes).cover_every(COVER_EVERY);
        let rare = rare.iter().copied().map(make).collect();
        Campaign { sizes: sizes.map(make), rare, varied: Vec::new(), marks }
    }

    /// The same, and for half of the seeds one of these variants, each at both sizes.
    pub fn varied(mut self, variants: impl IntoIterator<Item = [Simulation<P, Q>; 2]>) -> Self {
        let covered = |simulation: Simulation<P, Q>| simulation.cover_every(COVER_EVERY);
        self.varied = variants.into_iter().map(|sizes| sizes.map(covered)).collect();
        self
    }

    fn of(&self, seed: u64) -> &Simulation<P, Q> {
        if seed % RARE == RARE - 1 && !self.rare.is_empty() {
            return &self.rare[(seed / RARE) as usize % self.rare.len()];
        }
        &self.kind(seed)[(seed % 2) as usize]
    }

    /// What `seed` would run at either size, were it of no rare one.
    fn kind(&self, seed: u64) -> &[Simulation<P, Q>; 2] {
        let variant = || self.varied.get((seed / 4) as usize % self.varied.len().max(1));
        if seed % 4 >= 2 { variant().unwrap_or(&self.sizes) } else { &self.sizes }
    }
}

impl<P, Q> Simulate for Campaign<P, Q>
where
    P: Subject<Config: Clone + Sync>,
    Q: Properties<P> + Eq + Hash,
{
    fn run(&self, seed: u64) -> Run {
        self.of(seed).run_proved(seed)
    }

    fn find(&self, seed: u64, command: &str, stop: Option<&'static AtomicBool>) -> Option<Finding> {
        let simulation = self.of(seed);
        // A trace takes memory: without one it is known how long it would be.
        let run = simulation.run(seed);
        let violation = run.violation.as_ref().filter(|_| run.is_finding())?;
        if run.steps > STEPS_TRACED_MAX {
            return Some(self.found_smaller(seed, violation, command, stop));
        }
        let traced = simulation.trace(seed);
        Some(self.found(&traced, command, stop))
    }

    fn replay(&self, seed: u64, command: &str) -> Replayed {
        let simulation = self.of(seed);
        let traced = simulation.trace(seed);
        let violates = traced.run.violation.is_some() && traced.run.is_finding();
        let finding = violates.then(|| self.found(&traced, command, None));
        told(simulation, traced, finding)
    }

    fn replay_smaller(&self, seed: u64) -> Option<(String, Replayed)> {
        let smaller = self.smaller(seed, None)?;
        let traced = smaller.simulation.trace(smaller.run.seed);
        let finding = traced.run.violation.as_ref().map(|violation| {
            Finding::new(violation.property, format!("seed {}: {}", traced.run.seed, violation.detail))
        });
        let name = smaller.to_string();
        Some((name, told(&smaller.simulation, traced, finding)))
    }

    fn rewind(
        &self,
        seed: u64,
        effort: &decisive::Effort<'_>,
        progress: &mut dyn FnMut(usize),
    ) -> Option<artifact::Decisive> {
        decisive::rewind(self.of(seed), seed, effort, progress)
    }

    fn properties(&self) -> Vec<&'static str> {
        let common =
            ["linearizability", "invariants", "panic", "contract", "progress", "determinism", "journal"];
        Q::NAMES.iter().copied().chain(common).collect()
    }

    fn marks(&self) -> &'static [&'static str] {
        self.marks
    }
}

impl<P, Q> Campaign<P, Q>
where
    P: Subject<Config: Clone + Sync>,
    Q: Properties<P> + Eq + Hash,
{
    /// The run of `seed` with everything that happened in it, and the configuration of its cluster.
    pub fn trace(&self, seed: u64) -> (P::Config, Traced<P>) {
        let simulation = self.of(seed);
        (simulation.config.clone(), simulation.trace(seed))
    }

    /// All sizes there are of what `seed` runs.
    fn clusters(&self, seed: u64) -> impl Iterator<Item = &Simulation<P, Q>> {
        self.kind(seed).iter().chain(&self.rare)
    }

    /// The same failure in a smaller simulation.
    fn smaller(&self, seed: u64, stop: Option<&'static AtomicBool>) -> Option<Smaller<P, Q>> {
        let clusters: Vec<_> = self.clusters(seed).collect();
        self.of(seed).smaller(seed, &clusters, smaller::STEPS, stop)
    }

    /// What a run broke, shrunk: in a world, or, where none can follow it, as a smaller simulation.
    fn found(&self, traced: &Traced<P>, command: &str, stop: Option<&'static AtomicBool>) -> Finding {
        let seed = traced.run.seed;
        let simulation = self.of(seed);
        let violation = traced.run.violation.as_ref().expect("what breaks nothing is not found");
        let clusters = self.clusters(seed).map(|cluster| (cluster.nodes, cluster.config.clone())).collect();
        let ways = Ways { clusters, stop, ..Ways::default() };
        let mut found = match finding::in_world::<P, Q>(simulation.config.clone(), traced, &ways) {
            Some(shrunk) => {
                let comment = format!(
                    "seed {seed} of profile {}\n{violation}\nshrunk: {shrunk}",
                    simulation.profile.name
                );
                let Shrunk { setup, events, violation, .. } = shrunk;
                finding::told::<P, Q>(&setup, &Counterexample { violation, events }, &comment, command)
            }
            // Progress, and what clients saw under clocks and redirects, is more than a world can follow.
            None => self.found_smaller(seed, violation, command, stop),
        };
        if found.property == linearizability::PROPERTY {
            let impossible = linearizability::impossible(&traced.history, linearizability::MEMORY_MAX);
            found.picture = impossible.map(|impossible| timeline::picture(&traced.history, &impossible));
        }
        found
    }

    /// What a run broke that no world follows.
    fn found_smaller(
        &self,
        seed: u64,
        violation: &Violation,
        command: &str,
        stop: Option<&'static AtomicBool>,
    ) -> Finding {
        let Some(smaller) = self.smaller(seed, stop) else {
            // It is not the same again: which is told by whoever found that.
            let detail = format!("seed {seed}: {}", violation.detail);
            return Finding { replay: Some(command.to_owned()), ..Finding::new(violation.property, detail) };
        };
        let traced = (smaller.run.steps <= DIAGRAM_EVENTS_MAX as u64)
            .then(|| smaller.simulation.trace(smaller.run.seed));
        let diagram = traced.and_then(|traced| told(&smaller.simulation, traced, None).diagram);
        let detail = format!("seed {seed}: {}. No world follows this. {smaller}", violation.detail);
        let replay = Some(format!("{command} --smaller"));
        Finding { diagram, replay, ..Finding::new(violation.property, detail) }
    }
}

/// One run, as text and, if it is short enough to look at, as a diagram.
fn told<P: Subject, Q>(
    simulation: &Simulation<P, Q>,
    traced: Traced<P>,
    finding: Option<Finding>,
) -> Replayed {
    let mut trace = Trace::new(format!("version {}\nnodes {}\n", scenario::VERSION, simulation.nodes));
    trace.events = traced.trace.into_iter().map(|(at, event)| (Some(at), event)).collect();
    let violation = traced.run.violation.as_ref().filter(|_| traced.run.is_finding());
    let short = trace.len() <= DIAGRAM_EVENTS_MAX;
    let diagram = short.then(|| diagram::mermaid(&trace, violation));
    Replayed { text: format!("{trace}"), diagram, finding, run: traced.run }
}

/// Runs `seeds` on `threads` threads until all are done or `stop` is set, which lets runs under way end.
/// `each` is told of every run as it ends, in no particular order.
pub fn run(
    simulate: &dyn Simulate,
    seeds: Range<u64>,
    threads: usize,
    stop: &AtomicBool,
    each: &(dyn Fn(&Run) + Sync),
) -> Summary {
    simulation::campaign(|seed| simulate.run(seed), seeds, threads, stop, each)
}

/// The part `index` of `count` of some seeds, counted from 1. Parts differ by one seed at most, and together
/// are the whole.
pub fn shard(seeds: &Range<u64>, index: u32, count: u32) -> Range<u64> {
    let length = u128::from(seeds.end - seeds.start);
    let start = |part: u32| seeds.start + (length * u128::from(part) / u128::from(count)) as u64;
    start(index - 1)..start(index)
}

/// One seed of a campaign in so many tells what its run has covered: the others run at full speed.
pub const COVER_EVERY: u64 = 20;

/// From how many seeds on a campaign must have reached what its marks say.
pub const SEEDS_ENOUGH: u64 = 200;

/// The marks that should have been reached and were not.
pub fn missed(simulate: &dyn Simulate, summary: &Summary) -> Vec<&'static str> {
    let marks = simulate.marks().iter().copied();
    marks.filter(|mark| !summary.reached.contains_key(mark)).collect()
}

/// What a campaign came to, for the artifact. `seeds` are those that were asked for.
pub fn record(
    simulate: &dyn Simulate,
    profile: &Profile,
    seeds: &Range<u64>,
    threads: usize,
    cpu: Option<Duration>,
    summary: &Summary,
) -> artifact::Simulate {
    let owned = |counts: &BTreeMap<&'static str, u64>| -> BTreeMap<String, u64> {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    let recovered: u64 = summary.recovery_millis.values().sum();
    let recovery = |q: f64| summary.recovery_quantile((q * 1000.0).ceil() as u64).unwrap_or(0) as f64;
    artifact::Simulate {
        profile: profile.name.to_owned(),
        seed_first: seeds.start,
        seed_end: seeds.end,
        threads: threads as u32,
        runs: summary.runs,
        failures: summary.violated.values().sum(),
        linearizable: summary.linearizable,
        undecided: summary.undecided,
        steps: summary.steps,
        cpu_s: cpu.unwrap_or(Duration::ZERO).as_secs_f64(),
        virtual_s: summary.time.as_micros() as f64 / 1e6,
        operations: BTreeMap::from([
            ("answered".to_owned(), summary.completed),
            ("not taken".to_owned(), summary.not_taken),
            ("unknown".to_owned(), summary.open),
        ]),
        faults: owned(&summary.faults),
        marks: owned(&summary.reached),
        refusals: owned(&summary.refusals),
        recovery_bins: Bin::growing(summary.recovery_millis.iter().map(|(millis, runs)| (*millis, *runs))),
        recovery: (recovered > 0).then(|| Quantiles::of("ms", recovered, recovery)),
        properties: simulate.properties().into_iter().map(str::to_owned).collect(),
        digest: Some(format!("{:016x}", summary.digest)),
        atlas: Some(atlas(summary)),
        coverage: summary.coverage.as_deref().map(covered),
    }
}

/// What was injected, as artifacts have it.
fn atlas(summary: &Summary) -> artifact::Atlas {
    let Account { down_most, lost, refused, forgetful, jumps, byzantine, declined, .. } = summary.account;
    let drift = summary.account.drift_per_million_most;
    let injected = [
        ("nodes down at a time, at most", down_most),
        ("clock drift in millionths, at most", drift),
        ("disks lost", lost),
        ("journals refused", refused),
        ("forgetful disks", forgetful),
        ("jumps of clocks", jumps),
        ("faulty identities", byzantine),
    ];
    let owned = |counts: &BTreeMap<&'static str, u64>| {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    artifact::Atlas {
        injected: injected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
        declined,
        outside: owned(&summary.outside),
        outside_violated: owned(&summary.outside_violated),
    }
}

/// Coverage as artifacts have it.
fn covered(coverage: &Coverage) -> artifact::Coverage {
    let text = |text: &str| text.to_owned();
    let states = &coverage.states;
    artifact::Coverage {
        runs: states.runs(),
        states: states.distinct(),
        states_once: states.once(),
        states_exact: states.is_exact(),
        unseen: states.unseen(),
        new_per_run: states.expected_new(),
        faults: (coverage.faults.iter())
            .map(|((fault, role, phase), count)| FaultMet {
                fault: text(fault),
                role: text(role),
                phase: text(phase),
                count: *count,
            })
            .collect(),
        messages: (coverage.messages.iter())
            .map(|((before, kind), count)| MessagePair {
                before: text(before),
                kind: text(kind),
                count: *count,
            })
            .collect(),
        overlaps: (coverage.overlaps.iter())
            .map(|((first, how, other), count)| Overlap {
                first: text(first),
                how: text(how.name()),
                other: text(other),
                count: *count,
            })
            .collect(),
    }
}

/// Coverage for people, in a few lines: what is common is counted, what is rare is named.
pub fn coverage_lines(coverage: &artifact::Coverage) -> Vec<String> {
    let about = if coverage.states_exact { "" } else { "about " };
    let mut lines = vec![format!(
        "coverage of {} runs: {about}{} abstract states, {} of them in one run alone",
        coverage.runs, coverage.states, coverage.states_once
    )];
    if let (Some(unseen), Some(new)) = (coverage.unseen, coverage.new_per_run) {
        let share = unseen * 100.0;
        lines
            .push(format!("  a further run is expected to visit {new:.1} new ones, {share:.2} % of its own"));
    }
    let rarest = |mut counted: Vec<(u64, String)>| {
        counted.sort();
        let rare: Vec<String> =
            counted.iter().take(3).map(|(count, what)| format!("{what} {count} times")).collect();
        (counted.len(), rare.join(", "))
    };
    let faults = coverage.faults.iter().map(|met| {
        let what = format!("{} meets {} {}", met.fault, met.role, met.phase);
        (met.count, what)
    });
    let messages =
        coverage.messages.iter().map(|pair| (pair.count, format!("{} {}", pair.before, pair.kind)));
    let overlaps = coverage.overlaps.iter().map(|overlap| {
        let what = format!("{} {} {}", overlap.first, overlap.how, overlap.other);
        (overlap.count, what)
    });
    for (name, counted) in [
        ("fault, role and phase", faults.collect()),
        ("pairs of messages", messages.collect()),
        ("overlaps of operations", overlaps.collect()),
    ] {
        let (kinds, rare): (usize, String) = rarest(counted);
        if kinds > 0 {
            lines.push(format!("  {name}: {kinds} different; rarest: {rare}"));
        }
    }
    lines
}
