//! The hunt for one bug by every engine, within a budget that does not depend on the machine.
//!
//! | engine | looks | effort is counted in |
//! |---|---|---|
//! | `checker` | level by level through the states of the ground's narrow world, with the engine of our own | states visited |
//! | `walks` | at random walks of the ground's world, under the default sampler | events |
//! | `fuzzer` | at runs of the same world steered by random bytes, as the fuzz target decodes them | executions |
//! | `simulator` | at runs in virtual time under faults drawn from their seeds, histories included | seeds |
//!
//! The first three begin where the ground's story ends (see [`ground`](super::ground)), the simulator at the
//! beginning. The engines that draw at random hunt several times, from seeds far apart. With `--samplers` the
//! walks hunt under every other [`Sampler`], too: what they come to ranks the samplers. With `--hard` they do so for
//! longer, and in one long run each; and it is told from how near the end of the bug's scenario an engine finds it.
//!
//! What an engine sees is shrunk and written as a scenario of a world, which must then play to the same violation in
//! the copy where it was seen, and must not in the control. A simulated run is told as one of a world, too; where no
//! world can follow it, the finding says so.
//!
//! This code is compiled once; the algorithm under it is the one that the hunter (`zoo/<algorithm>.rs`) was
//! built with.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::hash::Hash;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;

use reports::artifact::Finding;
use reports::command_line::{self, Effort, Exit, Refused};
use reports::machine;
use serde::{Deserialize, Serialize};
use stateright::Model;
use swarm_protocol::{Properties, Protocol, Stream, Violation};
use swarm_simulator::sampler::{Sampler, Walks};
use swarm_simulator::scenario::Scenario;
use swarm_simulator::shrink::{self, Shrunk, Ways};
use swarm_simulator::simulation::{PROGRESS, Run};
use swarm_simulator::walk::{self, Walk};
use swarm_simulator::world::Known;
use swarm_simulator::{Event, Setup, Subject, World};

use super::ground::{Dialect, Ground, steering};
use crate::adapter::{Around, Space};
use crate::engine::{self, Search};
use crate::finding;
use crate::search::{Counterexample, Limits};

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
    /// Distinct states that the checker visits.
    pub states: u64,
    /// Events of all walks together.
    pub walk_events: u64,
    /// Runs steered by bytes.
    pub executions: u64,
    /// Simulated runs.
    pub seeds: u64,
    /// How often the engines that draw at random hunt.
    pub trials: u64,
    /// Events of the one long run under each sampler, of bugs that are marked hard.
    pub long_events: u64,
}

impl Budget {
    /// About ten seconds of one processor where nothing is found.
    pub const QUICK: Budget = Budget {
        states: 1_000_000,
        walk_events: 1_000_000,
        executions: 20_000,
        seeds: 1_000,
        trials: 3,
        long_events: 0,
    };
    /// The same once: for those that stand for all.
    pub const TEN: Budget = Budget { trials: 1, ..Budget::QUICK };
    /// Twenty trials, each of less, so that all of the zoo takes minutes of one processor.
    pub const FULL: Budget = Budget {
        states: 2_000_000,
        walk_events: 200_000,
        executions: 5_000,
        seeds: 250,
        trials: 20,
        long_events: 0,
    };
    /// For bugs that are marked hard: ten trials and a long run.
    pub const HARD: Budget = Budget {
        states: 10_000_000,
        walk_events: 1_000_000,
        executions: 20_000,
        seeds: 1_000,
        trials: 10,
        long_events: 10_000_000,
    };

    /// What goes with an effort.
    pub const fn of_effort(effort: Effort) -> Self {
        match effort {
            Effort::Quick => Budget::QUICK,
            Effort::Full => Budget::FULL,
        }
    }

    /// The option by which a hunter is told of it; none for [`Budget::QUICK`].
    pub fn option(&self) -> Option<&'static str> {
        match *self {
            Budget::TEN => Some("--ten"),
            Budget::FULL => Some("--full"),
            Budget::HARD => Some("--hard"),
            _ => None,
        }
    }

    /// What an engine may spend in a trial, in its unit.
    pub const fn of(&self, engine: Engine) -> u64 {
        match engine {
            Engine::Checker => self.states,
            Engine::Walks => self.walk_events,
            Engine::Fuzzer => self.executions,
            Engine::Simulator => self.seeds,
        }
    }

    /// How often an engine hunts: a search that draws nothing would only repeat itself.
    pub const fn trials(&self, engine: Engine) -> u64 {
        if matches!(engine, Engine::Checker) { 1 } else { self.trials }
    }
}

/// What one engine came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Catch {
    /// Who.
    pub engine: Engine,
    /// One per trial.
    pub trials: Vec<Trial>,
    /// The property that the first successful trial saw broken.
    pub property: Option<String>,
    /// An execution that shows it, or another property if a world cannot show that one.
    pub finding: Option<Finding>,
    /// The number of events of its shortest execution, if a world can play it.
    pub length: Option<u32>,
    /// Of walks that were asked for it: the trials under every sampler, the default one included.
    #[serde(default)]
    pub samplers: Vec<(String, Vec<Trial>)>,
    /// Of walks in a hunt for a hard bug: one long run under every sampler.
    #[serde(default)]
    pub long: Vec<(String, Trial)>,
    /// In a hunt for a hard bug: from how near the end of its scenario the engine finds it.
    #[serde(default)]
    pub near: Option<Near>,
}

impl Catch {
    /// Nothing yet.
    pub const fn nothing(engine: Engine, trials: Vec<Trial>) -> Self {
        Catch {
            engine,
            trials,
            property: None,
            finding: None,
            length: None,
            samplers: Vec::new(),
            long: Vec::new(),
            near: None,
        }
    }
}

/// From how near the end of a scenario an engine finds the bug that the scenario shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Near {
    /// The most events that may be left of the scenario, so that the engine still finds the bug from there; 0 if
    /// it does not even find the last one.
    pub left: u32,
    /// How many events the scenario has.
    pub of: u32,
    /// The work that it took from there, in the engine's unit.
    pub effort: u64,
}

/// How widely a bug is hunted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// By every engine.
    Engines,
    /// By walks under every sampler, too.
    Samplers,
    /// The same for longer, and from places in the scenario that shows the bug, which this is.
    Hard(&'a str),
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
/// `GROUND [--ten | --full] [--engine E] [--samplers | --hard [--scenario FILE]]` prints one [`Catch`] as JSON per line;
/// `--play FILE` prints what a scenario comes to in this build: the property that it breaks, or [`UNBROKEN`], or,
/// after [`STOPS`], the line that cannot happen here; `--stories` plays the story of every ground and prints how many
/// events it has.
pub fn main<P, Q>(grounds: &[Ground<P, Q>], dialect: &Dialect<P>) -> ExitCode
where
    P: Subject<Op: FromStr<Err: fmt::Display>, Config: Clone> + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    command_line::end("hunt", run(grounds, dialect))
}

fn run<P, Q>(grounds: &[Ground<P, Q>], dialect: &Dialect<P>) -> Result<Exit, Refused>
where
    P: Subject<Op: FromStr<Err: fmt::Display>, Config: Clone> + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    use lexopt::prelude::{Long, Value};
    let (mut ground, mut budget, mut only, mut play) = (None, Budget::QUICK, None, None::<OsString>);
    let (mut samplers, mut directed) = (false, None::<OsString>);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("ten") => budget = Budget::TEN,
            Long("full") => budget = Budget::FULL,
            Long("hard") => budget = Budget::HARD,
            Long("samplers") => samplers = true,
            Long("scenario") => directed = Some(parser.value()?),
            Long("engine") => {
                let name: String = command_line::value(&mut parser, "engine")?;
                let engine = Engine::ALL.into_iter().find(|engine| engine.name() == name);
                only = Some(engine.ok_or_else(|| Refused::usage(format!("no engine `{name}`")))?);
            }
            Long("play") => play = Some(parser.value()?),
            Long("stories") => {
                for ground in grounds {
                    let hunt = Hunt::new(ground, dialect).map_err(Refused::usage)?;
                    println!("{} {}", ground.name, hunt.story.len());
                }
                return Ok(Exit::Fine);
            }
            Value(name) => {
                let found = grounds.iter().find(|ground| *ground.name == *name);
                let refused = || Refused::usage(format!("no ground `{}`", name.display()));
                ground = Some(found.ok_or_else(refused)?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if let Some(file) = play {
        println!("{}", played::<P, Q>(dialect, &file)?);
        return Ok(Exit::Fine);
    }
    let ground = ground.ok_or_else(|| Refused::usage("a ground is needed"))?;
    let hunt = Hunt::new(ground, dialect).map_err(Refused::usage)?;
    let directed = directed.map(|file| Directed::read(dialect, &file)).transpose()?;
    for engine in Engine::ALL.into_iter().filter(|engine| only.is_none_or(|only| only == *engine)) {
        let mut caught = hunt.catch(engine, &budget);
        if engine == Engine::Walks && (samplers || directed.is_some()) {
            hunt.sample(&mut caught, &budget);
        }
        caught.near = directed.as_ref().and_then(|directed| directed.near::<Q>(engine, hunt.ground, &budget));
        println!("{}", serde_json::to_string(&caught).map_err(Refused::missing)?);
    }
    Ok(Exit::Fine)
}

/// What a scenario that breaks nothing comes to.
pub const UNBROKEN: &str = "ok";

/// What a scenario that cannot be played to its end comes to, before the line that cannot happen.
pub const STOPS: &str = "stops at ";

fn played<P, Q>(dialect: &Dialect<P>, file: &OsString) -> Result<String, Refused>
where
    P: Subject<Op: FromStr<Err: fmt::Display>>,
    Q: Properties<P> + Eq + Hash,
{
    let (scenario, setup, text) = read(dialect, file)?;
    Ok(match scenario.play::<P, Q>(&setup) {
        Ok(played) => played.violation.map_or(UNBROKEN, |violation| violation.property).to_owned(),
        Err(error) => {
            let line = text.lines().nth(error.line.saturating_sub(1)).unwrap_or_default();
            format!("{STOPS}{line}")
        }
    })
}

/// A scenario, what it starts from, and its text.
type Read<P> = (Scenario<<P as Protocol>::Op>, Setup<P>, String);

fn read<P: Subject<Op: FromStr<Err: fmt::Display>>>(
    dialect: &Dialect<P>,
    file: &OsString,
) -> Result<Read<P>, Refused> {
    let text = std::fs::read_to_string(file).map_err(Refused::missing)?;
    let scenario = Scenario::<P::Op>::read(&file.to_string_lossy(), &text).map_err(Refused::usage)?;
    let config = (dialect.read)(&scenario).map_err(Refused::usage)?;
    let mut setup = scenario.setup(config);
    setup.perform = dialect.perform;
    Ok((scenario, setup, text))
}

/// The scenario that was written for a bug, as far as it can be played here.
struct Directed<P: Subject> {
    scenario: Scenario<P::Op>,
    setup: Setup<P>,
}

impl<P: Subject<Op: FromStr<Err: fmt::Display>, Config: Clone> + 'static> Directed<P> {
    fn read(dialect: &Dialect<P>, file: &OsString) -> Result<Self, Refused> {
        let (scenario, setup, _) = read(dialect, file)?;
        Ok(Directed { scenario, setup })
    }

    /// From how near the end of the scenario the engine finds what it shows; none if it cannot be played to its
    /// end, or if the engine has nowhere to begin but the beginning.
    fn near<Q>(&self, engine: Engine, ground: &Ground<P, Q>, budget: &Budget) -> Option<Near>
    where
        Q: Properties<P> + Eq + Hash + 'static,
        World<P, Q>: Send + Sync,
        Setup<P>: Send + Sync,
        Event<P>: Send + Sync,
        Known<P>: Send + Sync,
    {
        let played = self.scenario.play::<P, Q>(&self.setup).ok()?;
        let events: Vec<Event<P>> = played.trace.events().cloned().collect();
        let mut near = Near { left: 0, of: events.len() as u32, effort: 0 };
        for left in 1..=events.len() {
            let story = &events[..events.len() - left];
            let (effort, found) = match engine {
                Engine::Checker => {
                    let (states, found) = search_after::<P, Q>(self.setup.clone(), story, NEAR_STATES);
                    (states, found.is_some())
                }
                Engine::Walks => {
                    let mut walks =
                        Walks::<P, Q>::new(&self.setup, story, Sampler::DEFAULT, 0, ground.walk_events);
                    let (events, found) = walk_until_broken(&mut walks, budget.walk_events);
                    (events, found.is_some())
                }
                Engine::Fuzzer | Engine::Simulator => return None,
            };
            if !found {
                break;
            }
            near = Near { left: left as u32, effort, ..near };
        }
        Some(near)
    }
}

/// Visits states behind a story; gives how many, and what is broken, with the events behind the story.
fn search_after<P, Q>(
    setup: Setup<P>,
    story: &[Event<P>],
    states_max: u64,
) -> (u64, Option<Counterexample<P>>)
where
    P: Subject + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    let space = Space::<P, Q>::new(setup, None, &[], &[]);
    let mut start = space.init_states().swap_remove(0);
    for event in story {
        start = space.next_state(&start, event.clone()).unwrap_or(start);
    }
    let interrupt = AtomicBool::new(false);
    let limits = Limits { states_max: Some(states_max), ..Limits::new(CHECKER_BYTES, &interrupt) };
    let after = Around { space, start: Some(start.world), eye: |_: &World<P, Q>| () };
    // Without a checkpoint nothing can be unusable.
    let Ok(found) = engine::search(&after, &Search::within(limits), |_| ()) else { return (0, None) };
    let counterexample = found.counterexample;
    (found.states, counterexample.map(|(violation, events)| Counterexample { violation, events }))
}

/// Walks for at most so many events; gives how many, and what was broken.
fn walk_until_broken<P: Subject, Q: Properties<P> + Eq + Hash>(
    walks: &mut Walks<'_, P, Q>,
    events_max: u64,
) -> (u64, Option<Counterexample<P>>) {
    let mut events = 0;
    while events < events_max {
        let walk = walks.walk(|_| ());
        // A walk that cannot take a step still counts, so that the hunt ends.
        events += walk.picked.max(1);
        if let Some(violation) = walk.violation {
            return (events, Some(Counterexample { violation, events: walk.events }));
        }
    }
    (events, None)
}

/// A ground, and where its story ends in this build.
struct Hunt<'a, P: Subject + 'static, Q: 'static> {
    ground: &'a Ground<P, Q>,
    dialect: &'a Dialect<P>,
    /// The world of walks and of the fuzzer.
    setup: Setup<P>,
    story: Vec<Event<P>>,
    /// The story as the fuzzer has it.
    bytes: Vec<u8>,
    /// The story in the checker's world.
    narrow: Vec<Event<P>>,
}

impl<'a, P, Q> Hunt<'a, P, Q>
where
    P: Subject<Op: FromStr<Err: fmt::Display>, Config: Clone> + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    fn new(ground: &'a Ground<P, Q>, dialect: &'a Dialect<P>) -> Result<Self, String> {
        let setup = (ground.setup)();
        let story = ground.story(&setup)?;
        let bytes = steering::<P, Q>(&setup, &story)?;
        let narrow = ground.story(&(ground.narrow)())?;
        Ok(Hunt { ground, dialect, setup, story, bytes, narrow })
    }

    /// Lets one engine hunt.
    fn catch(&self, engine: Engine, budget: &Budget) -> Catch {
        let mut caught = Catch::nothing(engine, Vec::new());
        for number in 0..budget.trials(engine) {
            let (trial, seen) = timed(|| match engine {
                Engine::Checker => self.check(budget.states),
                Engine::Walks => self.walk(Sampler::DEFAULT, budget.walk_events, number),
                Engine::Fuzzer => self.steer(budget.executions, number),
                Engine::Simulator => self.simulate(budget.seeds, number),
            });
            caught.trials.push(trial);
            if caught.finding.is_none()
                && let Some(seen) = seen
            {
                caught.property = Some(seen.violation().property.to_owned());
                let (finding, length) = self.tell(engine, seen);
                (caught.finding, caught.length) = (Some(finding), length);
            }
        }
        caught
    }

    /// Lets the walks hunt under every sampler, and what the budget has for a long run under each.
    fn sample(&self, caught: &mut Catch, budget: &Budget) {
        for sampler in Sampler::ALL {
            let hunt = |events, number| timed(|| self.walk(sampler, events, number)).0;
            let trials = match sampler {
                Sampler::DEFAULT => caught.trials.clone(),
                _ => (0..budget.trials).map(|number| hunt(budget.walk_events, number)).collect(),
            };
            caught.samplers.push((sampler.name().to_owned(), trials));
            if budget.long_events > 0 {
                // A seed of its own: what the trials have seen is not seen again.
                caught.long.push((sampler.name().to_owned(), hunt(budget.long_events, budget.trials)));
            }
        }
    }

    fn check(&self, states_max: u64) -> (u64, Option<Seen<P>>) {
        let (states, found) = search_after::<P, Q>((self.ground.narrow)(), &self.narrow, states_max);
        let seen = found.map(|Counterexample { violation, events }| {
            let events = self.narrow.iter().cloned().chain(events).collect();
            Seen::Narrow(Counterexample { violation, events })
        });
        (states, seen)
    }

    fn walk(&self, sampler: Sampler, events_max: u64, trial: u64) -> (u64, Option<Seen<P>>) {
        let mut walks = Walks::<P, Q>::new(&self.setup, &self.story, sampler, trial, self.ground.walk_events);
        let (events, found) = walk_until_broken(&mut walks, events_max);
        (events, found.map(Seen::Events))
    }

    fn steer(&self, executions_max: u64, trial: u64) -> (u64, Option<Seen<P>>) {
        let mut bytes = self.bytes.clone();
        for number in 0..executions_max {
            let mut stream = Stream::new(trial, FUZZER, number);
            let pairs = stream.between(1, self.ground.walk_events as u64);
            bytes.truncate(self.bytes.len());
            bytes.extend((0..2 * pairs).map(|_| stream.draw() as u8));
            if let Some(seen) = Seen::of(walk::steer::<P, Q>(&self.setup, &bytes)) {
                return (number + 1, Some(seen));
            }
        }
        (executions_max, None)
    }

    fn simulate(&self, seeds: u64, trial: u64) -> (u64, Option<Seen<P>>) {
        let simulation = (self.ground.simulation)();
        let first = trial * SEEDS_APART;
        for seed in first..first + seeds {
            if let Some(violation) = simulation.run(seed).violation {
                return (seed - first + 1, Some(Seen::Seed(seed, violation)));
            }
        }
        (seeds, None)
    }

    /// What was seen, as readers get it, and how many events it takes.
    fn tell(&self, engine: Engine, seen: Seen<P>) -> (Finding, Option<u32>) {
        match seen {
            Seen::Events(found) => self.tell_world(engine, &self.setup, &found),
            Seen::Narrow(found) => self.tell_world(engine, &(self.ground.narrow)(), &found),
            Seen::Seed(seed, violation) => self.tell_seed(seed, &violation),
        }
    }

    /// What may be tried to make a run small.
    fn ways() -> Ways<P> {
        Ways { plainer: shrink::plainer, ..Ways::default() }
    }

    fn tell_world(
        &self,
        engine: Engine,
        setup: &Setup<P>,
        found: &Counterexample<P>,
    ) -> (Finding, Option<u32>) {
        let (setup, shortest, how) = finding::shortest::<P, Q>(setup, found, &Self::ways());
        self.tell_shortest(&format!("the {engine}"), &setup, &shortest, &how)
    }

    fn tell_shortest(
        &self,
        by: &str,
        setup: &Setup<P>,
        shortest: &Counterexample<P>,
        how: &str,
    ) -> (Finding, Option<u32>) {
        let comment = format!("found by {by} on ground {}\n{}\n{how}", self.ground.name, shortest.violation);
        let setup = setup.clone().settings((self.dialect.write)(&setup.config));
        let mut finding = finding::told::<P, Q>(&setup, shortest, &comment, "");
        finding.replay = None;
        (finding, Some(shortest.events.len() as u32))
    }

    /// A violating seed. A run in virtual time is long, and may break what a world cannot show; so what is
    /// told is the shortest run near that seed whose violation is one of safety.
    fn tell_seed(&self, first: u64, violation: &Violation) -> (Finding, Option<u32>) {
        let simulation = (self.ground.simulation)();
        let runs = (first..first + SEEDS_TOLD).map(|seed| simulation.run(seed));
        let unsafe_run = |run: &Run| {
            run.violation
                .as_ref()
                .is_some_and(|violation| violation.property != PROGRESS)
                .then_some(run.steps)
        };
        let shortest = runs.filter(|run| unsafe_run(run).is_some()).min_by_key(unsafe_run);
        let traced = shortest.map(|run| simulation.trace(run.seed));
        let traced = traced.filter(|traced| traced.trace.len() <= EVENTS_TOLD);
        let in_world = traced.and_then(|traced| {
            let shrunk = finding::in_world::<P, Q>(simulation.config.clone(), &traced, &Self::ways())?;
            Some((traced.run.seed, shrunk))
        });
        let Some((seed, shrunk)) = in_world else {
            let detail = format!(
                "seed {first}: {}. No world plays this: neither this run nor the shortest of the next \
                 {SEEDS_TOLD} that breaks safety comes to the same without time",
                violation.detail
            );
            return (Finding::new(violation.property, detail), None);
        };
        let how = format!("shrunk: {shrunk}");
        let Shrunk { setup, events, violation, .. } = shrunk;
        let shortest = Counterexample { violation, events };
        let by = format!("the {}, seed {seed},", Engine::Simulator);
        let (mut finding, length) = self.tell_shortest(&by, &setup, &shortest, &how);
        let _ = write!(finding.detail, " (seed {seed})");
        (finding, length)
    }
}

/// One hunt, timed.
fn timed<P: Subject>(hunt: impl FnOnce() -> (u64, Option<Seen<P>>)) -> (Trial, Option<Seen<P>>) {
    let begun = machine::process_cpu();
    let (effort, seen) = hunt();
    let cpu = begun.zip(machine::process_cpu()).map(|(begun, now)| now.saturating_sub(begun));
    let cpu_s = cpu.map_or(0.0, |cpu| cpu.as_secs_f64());
    (Trial { found: seen.is_some(), effort, cpu_s }, seen)
}

/// What an engine saw.
enum Seen<P: Subject> {
    /// A way to a violation in the ground's world.
    Events(Counterexample<P>),
    /// The same in the checker's world.
    Narrow(Counterexample<P>),
    /// A violation in the simulation of a seed.
    Seed(u64, Violation),
}

impl<P: Subject> Seen<P> {
    fn violation(&self) -> &Violation {
        match self {
            Seen::Events(found) | Seen::Narrow(found) => &found.violation,
            Seen::Seed(_, violation) => violation,
        }
    }

    fn of(walk: Walk<P>) -> Option<Self> {
        let violation = walk.violation?;
        let events = walk.trace.events().cloned().collect();
        Some(Seen::Events(Counterexample { violation, events }))
    }
}

/// What the checker may have resident: two hunts at a time then fit on small machines.
const CHECKER_BYTES: u64 = 3 << 30;

/// How many states are visited behind a part of a scenario.
const NEAR_STATES: u64 = 1_000_000;

/// The purpose of streams.
const FUZZER: u64 = 0x66_757a_7a65;

/// Trials of the simulator begin so many seeds apart.
const SEEDS_APART: u64 = 1_000_000;

/// How many seeds are looked at for a short run that a world can show.
const SEEDS_TOLD: u64 = 500;

/// The most events of a simulated run that is shrunk.
const EVENTS_TOLD: usize = 10_000;
