//! Payloads of the verbs that check: `verify`, `simulate`, `zoo`, `fuzz`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Bin, Coverage, Finding, Quantiles};

/// What `verify` found: instances explored by the model checker, and interleavings explored by loom and
/// shuttle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verify {
    /// One per explored instance.
    pub instances: Vec<Instance>,
    /// One per concurrency test.
    pub interleavings: Vec<Interleavings>,
}

/// One bounded instance of an algorithm, explored state by state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name: `three nodes, one crash`.
    pub name: String,
    /// The engine and its order: `stateright, breadth first`.
    pub engine: String,
    /// What bounds it: `nodes` → `3`, `crashes` → `1`.
    pub bounds: BTreeMap<String, String>,
    /// Threads that searched.
    pub threads: u32,
    /// Distinct states visited.
    pub states: u64,
    /// States generated, repetitions included.
    pub generated: u64,
    /// The greatest depth of a visited state, in events from the start.
    pub depth: u32,
    /// Whether every reachable state of the instance was visited.
    pub complete: bool,
    /// The greatest depth of which, and of all depths before it, every state was visited.
    pub complete_depth: Option<u32>,
    /// Why the search ended before it was complete: `state limit`, `memory budget`, `time`, `interrupted`.
    pub stopped: Option<String>,
    /// CPU time of all threads, in seconds.
    pub cpu_s: f64,
    /// Wall-clock time, in seconds.
    pub wall_s: f64,
    /// The most memory that was resident, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// The most that it was allowed, in bytes.
    pub memory_budget_bytes: Option<u64>,
    /// The properties that were checked in every visited state.
    pub properties: Vec<PropertyResult>,
    /// How many distinct states have which depth, from the start on; empty where the engine does not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<u64>,
    /// What the search took beside time, where the engine tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footprint: Option<Footprint>,
    /// What happened, by kind of event. Empty where it was not counted, or not from the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
}

/// What a search took beside time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Footprint {
    /// Of memory per visited state beside the frontier, in bytes: fingerprints, the tree of ways, and tables of what
    /// states consist of.
    pub bytes_per_state: f64,
    /// How many states of the frontier were written to disk until their turn came.
    pub spilled_states: u64,
    /// What was written for them, in bytes.
    pub spilled_bytes: u64,
    /// How many states of the frontier were made again, as they were kept nowhere.
    pub remade_states: u64,
    /// Why states that should have been written to disk, or read back, were made again.
    pub spill_failed: Option<String>,
}

/// One kind of event within a search. Kinds that the bounds of the instance allow and that never happened are
/// listed, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The word of the event: `deliver`, `crash`.
    pub event: String,
    /// Which message, timer or operation: `Append`; none for events that have none.
    pub kind: Option<String>,
    /// How often it led to another state, repetitions included.
    pub fired: u64,
    /// How often to a state that was new, where the engine tells.
    pub fresh: Option<u64>,
}

impl Instance {
    /// Distinct states visited per second of CPU time; none where the time was too short to tell.
    pub fn states_per_cpu_s(&self) -> Option<f64> {
        (self.cpu_s > 0.0).then(|| self.states as f64 / self.cpu_s)
    }

    /// An upper bound on the probability that two of the visited states share a 64-bit fingerprint, so that
    /// one of them was taken for visited: pairs of states / 2⁶⁴, for an ideal hash.
    pub fn collision_bound(&self) -> f64 {
        let states = self.states as f64;
        (states * (states - 1.0).max(0.0) / 2.0 / 2f64.powi(64)).min(1.0)
    }
}

/// What a property claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PropertyKind {
    /// It is true of every state.
    #[default]
    Always,
    /// Some state shows it: what guards against a model in which nothing happens.
    Sometimes,
    /// Every path comes to it.
    Eventually,
}

/// One property and what the search says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyResult {
    /// The paper's name for it: `election_safety`.
    pub name: String,
    /// What it claims.
    pub kind: PropertyKind,
    /// For `always`: no visited state violates it. For `sometimes`: a visited state shows it.
    pub holds: bool,
    /// The length, in events, of the counterexample of an `always`, of the example of a `sometimes`.
    pub length: Option<u32>,
}

impl PropertyResult {
    /// An `always` that no visited state violates, or, with the length of the shortest path found, one that
    /// some state does.
    pub fn always(name: &str, violated_after: Option<u32>) -> Self {
        let holds = violated_after.is_none();
        PropertyResult { name: name.to_owned(), kind: PropertyKind::Always, holds, length: violated_after }
    }

    /// A `sometimes` that a path of this length shows, or that none does.
    pub fn sometimes(name: &str, reached_after: Option<u32>) -> Self {
        let holds = reached_after.is_some();
        PropertyResult { name: name.to_owned(), kind: PropertyKind::Sometimes, holds, length: reached_after }
    }
}

/// One test that explores the interleavings of threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interleavings {
    /// The test's name.
    pub name: String,
    /// `loom` or `shuttle`, with the scheduler: `shuttle, PCT`.
    pub engine: String,
    /// Threads in the model.
    pub threads: u32,
    /// Executions explored.
    pub executions: u64,
    /// The pinned minimum below which the test fails.
    pub minimum: u64,
    /// The bound on preemptions, where there is one.
    pub preemption_bound: Option<u32>,
    /// What stands in for code that the engine cannot see into.
    pub stand_in: Option<String>,
    /// Wall-clock time, in seconds.
    pub wall_s: f64,
    /// Whether every explored execution passed and the minimum was reached.
    pub passed: bool,
}

/// What `simulate` found over a range of seeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Simulate {
    /// The fault profile.
    pub profile: String,
    /// The first seed.
    pub seed_first: u64,
    /// One past the last seed.
    pub seed_end: u64,
    /// Threads that ran seeds.
    pub threads: u32,
    /// Seeds that ran to their end.
    pub runs: u64,
    /// Runs that broke a property. Each is a finding of the artifact, up to the producer's limit.
    pub failures: u64,
    /// Runs whose client history was shown linearizable.
    pub linearizable: u64,
    /// Runs whose history was too hard to decide within the checker's limit.
    pub undecided: u64,
    /// Events processed by all runs.
    pub steps: u64,
    /// CPU time of all threads, in seconds.
    pub cpu_s: f64,
    /// Simulated time of all runs, in seconds.
    pub virtual_s: f64,
    /// Client operations: invoked, by how they ended (`answered`, `not taken`, `unknown`).
    pub operations: BTreeMap<String, u64>,
    /// Faults injected, by class: `crash`, `partition`, `loss`.
    pub faults: BTreeMap<String, u64>,
    /// In how many runs each mark was reached.
    pub marks: BTreeMap<String, u64>,
    /// Refused inputs, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Simulated time from the end of the faults to the first answered operation.
    pub recovery: Option<Quantiles>,
    /// The same, counted in bins, in the same unit: ascending, those that hold none left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovery_bins: Vec<Bin>,
    /// The properties checked after every event.
    pub properties: Vec<String>,
    /// A digest over the traces of all runs in seed order: equal on every machine and thread count.
    pub digest: Option<String>,
    /// What was injected, and whether it stayed inside what the protocol assumes.
    #[serde(default)]
    pub atlas: Option<Atlas>,
    /// What a sample of the runs has covered.
    #[serde(default)]
    pub coverage: Option<Coverage>,
}

/// What the runs of a campaign injected, against what the protocol assumes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Atlas {
    /// The most of what there can be at a time in one run, and sums over all runs of the rest, by what it is.
    pub injected: BTreeMap<String, u64>,
    /// How often a fault stayed away because it would have gone outside the assumption.
    pub declined: u64,
    /// How many runs went outside and so say nothing, by what went outside first.
    pub outside: BTreeMap<String, u64>,
    /// How many of these broke a property, by property: no findings.
    pub outside_violated: BTreeMap<String, u64>,
}

impl Simulate {
    /// Events per second of CPU time; none where the time was too short to tell.
    pub fn steps_per_cpu_s(&self) -> Option<f64> {
        (self.cpu_s > 0.0).then(|| self.steps as f64 / self.cpu_s)
    }
}

/// What the bug zoo showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Zoo {
    /// One per re-injected bug, canaries included.
    pub bugs: Vec<Bug>,
    /// The samplers of walks, the best first, where all of them hunted.
    #[serde(default)]
    pub samplers: Vec<RankedSampler>,
    /// Memory orderings of code that threads share, a step weaker one at a time: each as a bug.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orderings: Vec<Bug>,
}

/// A sampler and what the bugs say of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RankedSampler {
    /// Its name.
    pub sampler: String,
    /// How many bugs it found in more than half of its trials; canaries do not count.
    pub found: u32,
    /// Of how many.
    #[serde(default)]
    pub of: u32,
    /// The geometric mean, over these bugs, of its median work against that of the best sampler of each, where
    /// trials in vain count with their whole budget. 1 is the best that can be.
    pub ratio: Option<f64>,
    /// Whether walks use it where nobody chooses.
    pub default: bool,
}

impl Zoo {
    /// How many bugs that are not canaries were found by some engine while that engine's control passed.
    pub fn found(&self) -> usize {
        self.bugs.iter().filter(|bug| bug.counts() && bug.found()).count()
    }

    /// How many bugs there are that are not canaries, and of which no argument says that nothing notices them.
    pub fn total(&self) -> usize {
        self.bugs.iter().filter(|bug| bug.counts()).count()
    }
}

/// One bug, put back into the code by an edit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bug {
    /// Its name in the zoo file: `vote-not-persisted`.
    pub id: String,
    /// What is wrong, in a line.
    pub title: String,
    /// Where it was seen: paper, thread, release.
    pub source: String,
    /// The property that it must break.
    pub property: String,
    /// The engine that is expected to find it.
    pub expected_engine: String,
    /// Whether random search is known to miss it.
    pub hard: bool,
    /// Whether it is there to show that the pipeline is alive: every engine must find it.
    pub canary: bool,
    /// Of a bug between threads: what it takes to see it, an interleaving or weak memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible: Option<String>,
    /// Why nothing notices it, where that is as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argued: Option<String>,
    /// The edit, as a diff.
    pub edit: Option<String>,
    /// One per engine that looked.
    pub detections: Vec<Detection>,
    /// The shortest execution that shows it.
    pub counterexample: Option<Finding>,
    /// One per sampler of walks, where all of them hunted.
    #[serde(default)]
    pub samplers: Vec<SamplerHunt>,
    /// Of a hard bug: how many events each sampler that does not learn on its way walked in vain, at least.
    #[serde(default)]
    pub missed_events: Option<u64>,
    /// Of a hard bug: from how near the end of its scenario engines find it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<Near>,
}

/// From how near the end of a scenario that was written for a bug an engine finds the bug.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Near {
    /// The engine.
    pub engine: String,
    /// The most events that may be left of the scenario.
    pub left: u32,
    /// How many events the scenario has.
    pub of: u32,
    /// The work that it took from there.
    pub effort: u64,
    /// What is counted.
    pub effort_unit: String,
}

/// What walks under one sampler made of one bug.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SamplerHunt {
    /// The sampler.
    pub sampler: String,
    /// How many trials found the bug.
    pub found_in: u32,
    /// Of how many.
    pub of: u32,
    /// The median of events to the first detection; a trial in vain counts with its whole budget.
    pub effort: u64,
    /// The ends of an interval of 95 % for that median; the upper end is missing where it lies beyond the
    /// budget.
    pub effort_low: Option<u64>,
    /// See `effort_low`.
    pub effort_high: Option<u64>,
    /// Events of all trials and of the long run.
    pub events: u64,
    /// Events of one long run, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_events: Option<u64>,
    /// Whether it found the bug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_found: Option<bool>,
}

impl SamplerHunt {
    /// Whether more than half of the trials found the bug.
    pub fn finds(&self) -> bool {
        u64::from(self.found_in) * 2 > u64::from(self.of)
    }
}

impl Bug {
    /// Whether it is one to be found: no canary, and none that is argued away.
    pub fn counts(&self) -> bool {
        !self.canary && self.argued.is_none()
    }

    /// Whether some engine found it while that engine passes without the edit.
    pub fn found(&self) -> bool {
        self.detections.iter().any(|detection| detection.found && detection.control_passed)
    }
}

/// What one engine made of one bug.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// The engine: `checker`, `simulator`, `fuzzer`, `tests`.
    pub engine: String,
    /// Whether it found the bug. With several trials: whether more than half of them did.
    pub found: bool,
    /// The property that it saw broken.
    pub property: Option<String>,
    /// In which model, and what was seen, where that is no property with a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// The work done to the first detection, or in vain: the median over trials.
    pub effort: u64,
    /// What is counted: `states`, `seeds`, `executions`, `steps`.
    pub effort_unit: String,
    /// The effort of each trial, where there was more than one.
    pub trials: Vec<f64>,
    /// How many of the trials found it; none where nobody counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_trials: Option<u32>,
    /// CPU time, in seconds: the median over trials.
    pub cpu_s: f64,
    /// The number of events of the shortest execution found.
    pub length: Option<u32>,
    /// Whether the engine finds nothing in the code without the edit.
    pub control_passed: bool,
    /// The ends of an interval of 95 % for the median effort, by order statistics; missing where there are too few
    /// trials, and the upper end also where it lies beyond the budget.
    #[serde(default)]
    pub effort_low: Option<u64>,
    /// See `effort_low`.
    #[serde(default)]
    pub effort_high: Option<u64>,
    /// The same for CPU time, in seconds.
    #[serde(default)]
    pub cpu_low_s: Option<f64>,
    /// See `cpu_low_s`.
    #[serde(default)]
    pub cpu_high_s: Option<f64>,
}

/// What fuzzing one target came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fuzz {
    /// The target.
    pub target: String,
    /// One per engine, those that are steered by coverage first. Their executions are different things and are
    /// never shown as one number.
    pub runs: Vec<FuzzRun>,
    /// Bugs put back to see whether fuzzing finds them, once per engine.
    pub injected: Vec<Injected>,
}

/// What one engine did to a fuzz target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FuzzRun {
    /// What made the inputs: `libFuzzer on stable`, `corpus replay and random bytes`.
    pub engine: String,
    /// Whether the coverage of earlier inputs steers later ones.
    pub guided: bool,
    /// Sanitizers that were on: `address`.
    pub sanitizers: Vec<String>,
    /// The seed of what was drawn: the same seed draws the same inputs.
    pub seed: u64,
    /// Inputs run.
    pub executions: u64,
    /// Wall-clock time, in seconds.
    pub wall_s: f64,
    /// Inputs in the corpus at the end.
    pub corpus: u64,
    /// Coverage features of the corpus, where the engine counts them.
    pub features: Option<u64>,
    /// Coverage edges of the corpus, where the engine counts them.
    pub edges: Option<u64>,
    /// Inputs that crashed or broke a property. Each is a finding of the artifact.
    pub crashes: u64,
}

impl Fuzz {
    /// A target before its first execution.
    pub fn new(target: &str) -> Self {
        Fuzz { target: target.to_owned(), ..Fuzz::default() }
    }

    /// Inputs run by engines that coverage steers, or by those that it does not.
    pub fn executions(&self, guided: bool) -> u64 {
        let runs = self.runs.iter().filter(|run| run.guided == guided);
        runs.fold(0, |sum, run| sum.saturating_add(run.executions))
    }

    /// Inputs that crashed or broke a property, over all engines.
    pub fn crashes(&self) -> u64 {
        self.runs.iter().fold(0, |sum, run| sum.saturating_add(run.crashes))
    }
}

impl FuzzRun {
    /// An engine before its first execution.
    pub fn new(engine: &str, seed: u64) -> Self {
        FuzzRun { engine: engine.to_owned(), seed, ..FuzzRun::default() }
    }

    /// Inputs run per second of wall-clock time; none where the time was too short to tell.
    pub fn executions_per_s(&self) -> Option<f64> {
        (self.wall_s > 0.0).then(|| self.executions as f64 / self.wall_s)
    }
}

/// A bug put back into the code under a fuzzer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Injected {
    /// Its name.
    pub bug: String,
    /// What made the inputs.
    pub engine: String,
    /// Whether an input showed it.
    pub found: bool,
    /// Inputs run up to then, or in vain.
    pub executions: u64,
    /// Wall-clock time up to then, in seconds.
    pub wall_s: f64,
}
