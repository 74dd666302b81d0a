//! The hunt for one bug by every engine, within a budget that does not depend on the machine.
//!
//! | engine | looks | effort is counted in |
//! |---|---|---|
//! | `checker` | breadth first through the states of the ground's world | states |
//! | `walks` | at random walks of the same world, each under weights of its own, after what the ground puts before | events |
//! | `fuzzer` | at runs of the same world steered by random bytes, as the fuzz target decodes them | executions |
//! | `simulator` | at runs in virtual time under faults drawn from their seeds, histories included | seeds |
//!
//! The engines that draw at random hunt several times, from seeds far apart; their effort is the median.
//! What a world shows is shrunk and written as a scenario, which must then play to the same violation here
//! and must not in the control.
//!
//! This code is compiled once; the algorithm under it is the one that the hunter (`zoo/<algorithm>.rs`) was
//! built with.

use std::ffi::OsString;
use std::fmt;
use std::hash::Hash;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;

use reports::artifact::Finding;
use reports::machine;
use serde::{Deserialize, Serialize};
use swarm_protocol::{Properties, Stream};
use swarm_simulator::scenario::Scenario;
use swarm_simulator::simulation::Simulation;
use swarm_simulator::walk::{self, Walk, Weights};
use swarm_simulator::world::Known;
use swarm_simulator::{Event, Setup, Subject, World};

use crate::adapter::Space;
use crate::command_line::{self, Exit, Refused};
use crate::finding;
use crate::search::{Counterexample, Limits, search};

/// Who hunts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Breadth first search.
    Checker,
    /// Random walks.
    Walks,
    /// Random bytes.
    Fuzzer,
    /// Simulation.
    Simulator,
}

impl Engine {
    /// All engines, in the order of tables.
    pub const ALL: [Engine; 4] = [Engine::Checker, Engine::Walks, Engine::Fuzzer, Engine::Simulator];

    /// The engine in one word.
    pub const fn name(self) -> &'static str {
        match self {
            Engine::Checker => "checker",
            Engine::Walks => "walks",
            Engine::Fuzzer => "fuzzer",
            Engine::Simulator => "simulator",
        }
    }

    /// What its effort is counted in.
    pub const fn unit(self) -> &'static str {
        match self {
            Engine::Checker => "states",
            Engine::Walks => "events",
            Engine::Fuzzer => "executions",
            Engine::Simulator => "seeds",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How much each engine may spend on one bug, per trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Distinct states of the checker.
    pub states: u64,
    /// Events of all walks together.
    pub walk_events: u64,
    /// Runs steered by bytes.
    pub executions: u64,
    /// Simulated runs.
    pub seeds: u64,
    /// How often the engines that draw at random hunt.
    pub trials: u64,
}

impl Budget {
    /// About ten seconds of one processor where nothing is found.
    pub const QUICK: Budget =
        Budget { states: 400_000, walk_events: 1_500_000, executions: 20_000, seeds: 1_000, trials: 3 };
    /// Some minutes where nothing is found.
    pub const FULL: Budget =
        Budget { states: 4_000_000, walk_events: 10_000_000, executions: 200_000, seeds: 2_000, trials: 9 };
}

/// A place to look for bugs: a world for the engines that know no time, and a simulation.
pub struct Ground<P: Subject, Q> {
    /// Its name in the catalogue.
    pub name: &'static str,
    /// The world.
    pub setup: fn() -> Setup<P>,
    /// Events that happen before a walk begins, one line each as in a scenario file: what a bug needs first.
    pub before: &'static str,
    /// How many events a walk has at most.
    pub walk_events: usize,
    /// The simulation.
    pub simulation: fn() -> Simulation<P, Q>,
}

/// What one engine came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Catch {
    /// Who.
    pub engine: Engine,
    /// One per trial.
    pub trials: Vec<Trial>,
    /// What the first successful trial saw.
    pub finding: Option<Finding>,
    /// The number of events of its shortest execution.
    pub length: Option<u32>,
}

/// One trial of one engine.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// Whether it saw a property broken.
    pub found: bool,
    /// The work done up to then, or in vain, in the engine's unit.
    pub effort: u64,
    /// CPU time up to then, in seconds.
    pub cpu_s: f64,
}

/// The entry of a hunter: hunts on one ground, or plays a scenario.
///
/// `GROUND [--full] [--engine E]` prints one [`Catch`] as JSON per line; `GROUND --play FILE` prints the
/// property that the scenario breaks, or `ok`.
pub fn main<P, Q>(grounds: &[Ground<P, Q>]) -> ExitCode
where
    P: Subject<Op: FromStr<Err: fmt::Display>> + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    command_line::end("hunt", run(grounds))
}

fn run<P, Q>(grounds: &[Ground<P, Q>]) -> Result<Exit, Refused>
where
    P: Subject<Op: FromStr<Err: fmt::Display>> + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    use lexopt::prelude::{Long, Value};
    let (mut ground, mut budget, mut only, mut play) = (None, Budget::QUICK, None, None::<OsString>);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("full") => budget = Budget::FULL,
            Long("engine") => {
                let name: String = command_line::value(&mut parser, "engine")?;
                let engine = Engine::ALL.into_iter().find(|engine| engine.name() == name);
                only = Some(engine.ok_or_else(|| Refused::usage(format!("no engine `{name}`")))?);
            }
            Long("play") => play = Some(parser.value()?),
            Value(name) => {
                let found = grounds.iter().find(|ground| *ground.name == *name);
                let refused = || Refused::usage(format!("no ground `{}`", name.display()));
                ground = Some(found.ok_or_else(refused)?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let ground = ground.ok_or_else(|| Refused::usage("a ground is needed"))?;
    if let Some(file) = play {
        println!("{}", played(ground, &file)?);
        return Ok(Exit::Fine);
    }
    for engine in Engine::ALL.into_iter().filter(|engine| only.is_none_or(|only| only == *engine)) {
        let caught = ground.hunt(engine, &budget);
        println!("{}", serde_json::to_string(&caught).map_err(Refused::missing)?);
    }
    Ok(Exit::Fine)
}

/// What a scenario comes to in this build: the property that it breaks, or `ok` if it breaks none or one of
/// its events cannot happen here.
fn played<P, Q>(ground: &Ground<P, Q>, file: &OsString) -> Result<String, Refused>
where
    P: Subject<Op: FromStr<Err: fmt::Display>>,
    Q: Properties<P> + Eq + Hash,
{
    let text = std::fs::read_to_string(file).map_err(Refused::missing)?;
    let scenario = Scenario::<P::Op>::parse(&file.to_string_lossy(), &text).map_err(Refused::missing)?;
    let played = scenario.play::<P, Q>(&(ground.setup)());
    let broken = played.ok().and_then(|played| played.violation);
    Ok(broken.map_or("ok", |violation| violation.property).to_owned())
}

impl<P, Q> Ground<P, Q>
where
    P: Subject + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    /// Lets one engine hunt.
    pub fn hunt(&self, engine: Engine, budget: &Budget) -> Catch {
        let trials = if engine == Engine::Checker { 1 } else { budget.trials };
        let mut caught = Catch { engine, trials: Vec::new(), finding: None, length: None };
        for trial in 0..trials {
            let begun = machine::process_cpu();
            let (effort, seen) = match engine {
                Engine::Checker => self.check(budget.states),
                Engine::Walks => self.walk(budget.walk_events, trial),
                Engine::Fuzzer => self.steer(budget.executions, trial),
                Engine::Simulator => self.simulate(budget.seeds, trial),
            };
            let cpu = begun.zip(machine::process_cpu()).map(|(begun, now)| now.saturating_sub(begun));
            let cpu_s = cpu.map_or(0.0, |cpu| cpu.as_secs_f64());
            caught.trials.push(Trial { found: seen.is_some(), effort, cpu_s });
            if caught.finding.is_none()
                && let Some(seen) = seen
            {
                let (finding, length) = self.tell(engine, seen);
                (caught.finding, caught.length) = (Some(finding), length);
            }
        }
        caught
    }

    fn check(&self, states_max: u64) -> (u64, Option<Seen<P>>) {
        let interrupt = AtomicBool::new(false);
        let limits =
            Limits { threads: 1, memory_bytes: 4 << 30, states_max: Some(states_max), interrupt: &interrupt };
        let space = Space::<P, Q>::new((self.setup)(), None, &[], &[]);
        let found = search(space, &limits, |_| ());
        (found.states, found.counterexample.map(Seen::Events))
    }

    fn walk(&self, events_max: u64, trial: u64) -> (u64, Option<Seen<P>>) {
        let setup = (self.setup)();
        let before = self.before(&setup);
        let (mut events, mut number) = (0, 0);
        while events < events_max {
            let mut stream = Stream::new(trial, WALKS, number);
            let weights = Weights::swarm(&mut stream);
            let walked = walk::walk_after::<P, Q>(&setup, &before, stream, weights, self.walk_events);
            number += 1;
            // A walk that cannot take a step still counts, so that the hunt ends.
            events += walked.trace.len().max(1) as u64;
            if let Some(seen) = Seen::of(walked) {
                return (events, Some(seen));
            }
        }
        (events, None)
    }

    /// The events before a walk, as far as they can happen in this build.
    fn before(&self, setup: &Setup<P>) -> Vec<Event<P>> {
        let (mut world, mut events, mut enabled) = (World::<P, Q>::new(setup), Vec::new(), Vec::new());
        for line in self.before.lines() {
            world.enabled(setup, &mut enabled);
            let Some(event) = enabled.iter().find(|event| format!("{event:?}").starts_with(line.trim()))
            else {
                break;
            };
            if world.apply(setup, event).is_err() {
                break;
            }
            events.push(event.clone());
        }
        events
    }

    fn steer(&self, executions_max: u64, trial: u64) -> (u64, Option<Seen<P>>) {
        let setup = (self.setup)();
        let mut bytes = Vec::new();
        for number in 0..executions_max {
            let mut stream = Stream::new(trial, FUZZER, number);
            let pairs = stream.between(1, self.walk_events as u64);
            bytes.clear();
            bytes.extend((0..2 * pairs).map(|_| stream.draw() as u8));
            if let Some(seen) = Seen::of(walk::steer::<P, Q>(&setup, &bytes)) {
                return (number + 1, Some(seen));
            }
        }
        (executions_max, None)
    }

    fn simulate(&self, seeds: u64, trial: u64) -> (u64, Option<Seen<P>>) {
        let simulation = (self.simulation)();
        let first = trial * SEEDS_APART;
        for seed in first..first + seeds {
            let run = simulation.run(seed);
            if let Some(violation) = run.violation {
                let mut finding = Finding::new(violation.property, &violation.detail);
                finding.detail = format!("seed {seed}: {}", finding.detail);
                return (seed - first + 1, Some(Seen::Told(finding)));
            }
        }
        (seeds, None)
    }

    fn tell(&self, engine: Engine, seen: Seen<P>) -> (Finding, Option<u32>) {
        match seen {
            Seen::Told(finding) => (finding, None),
            Seen::Events(found) => {
                let comment = format!("found by {engine} on ground {}\n{}", self.name, found.violation);
                let finding = finding::of_world::<P, Q>(&(self.setup)(), &found, &comment, "");
                // The last line of a scenario's transcript is its verdict; events stand before it.
                let scenario = finding.scenario.as_deref().unwrap_or_default();
                let events = scenario.split("----").next().unwrap_or_default();
                let length = events.lines().filter(|line| is_event(line)).count();
                (Finding { replay: None, ..finding }, Some(length as u32))
            }
        }
    }
}

fn is_event(line: &str) -> bool {
    let word = line.split(' ').next().unwrap_or_default();
    swarm_simulator::EventClass::ALL.iter().any(|class| class.name() == word)
}

/// What an engine saw.
enum Seen<P: Subject> {
    /// A way to a violation in a world.
    Events(Counterexample<P>),
    /// A violation in a simulation.
    Told(Finding),
}

impl<P: Subject> Seen<P> {
    fn of(walk: Walk<P>) -> Option<Self> {
        let violation = walk.violation?;
        let events = walk.trace.events().cloned().collect();
        Some(Seen::Events(Counterexample { violation, events }))
    }
}

/// Purposes of streams.
const WALKS: u64 = 0x77_616c_6b73;
const FUZZER: u64 = 0x66_757a_7a65;

/// Trials of the simulator begin so many seeds apart.
const SEEDS_APART: u64 = 1_000_000;
