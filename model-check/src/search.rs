//! One breadth first search by stateright, within limits, and what it came to.
//!
//! The search runs on its own threads; the caller's thread watches memory, time-outs and the stop flag, and
//! reports progress. A search that is stopped goes on from no further state, but judges all that it has
//! generated, so that on one thread it can say which depth is complete.
//!
//! Verified by `tests/it/search.rs`: closed and cut instances, each way of stopping, one and two threads.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use reports::artifact::Footprint;
use reports::machine;
use stateright::{Checker, HasDiscoveries, Model};
use swarm_protocol::{Properties, Violation};
use swarm_simulator::world::{Collapse, Known};
use swarm_simulator::{Event, Setup, Subject, World};

use crate::actions::{Count, Kind};
use crate::adapter::{Collapsing, SOUND, Searched, Space};
use crate::engine::{self, Unusable};

/// How much a search may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Threads that search. A search with a limit on depth always has one: on more, a state may first be
    /// met on a detour, and what lies behind it be missed.
    pub threads: usize,
    /// Memory that the process may have resident, in bytes.
    pub memory_bytes: u64,
    /// Distinct states after which no further ones are looked for.
    pub states_max: Option<u64>,
    /// Set from outside to end the search.
    pub interrupt: &'a AtomicBool,
    /// A folder to which the engine of our own writes states of the frontier once half of the memory is used. Without
    /// it they are made again when their turn comes.
    pub spill: Option<&'a Path>,
    /// A folder in which the engine of our own leaves checkpoints, one for each instance, and from which it goes
    /// on. A search that has ended takes its checkpoint away.
    pub checkpoints: Option<&'a Path>,
    /// How much time lies between checkpoints at least.
    pub checkpoint_every: Duration,
    /// Of two ways that lead to the same in either order of their events the engine of our own goes one.
    pub sleep_sets: bool,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Distinct states generated.
    pub states: u64,
    /// The greatest depth that was gone on from.
    pub depth: u32,
    /// Memory that is resident, in bytes, where the system tells.
    pub memory_bytes: u64,
}

/// Who searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Stateright, breadth first.
    Stateright,
    /// [`engine`], level by level.
    Own,
    /// The same, with sleep sets: less is generated.
    OwnAsleep,
}

impl Engine {
    /// As reports name it.
    pub const fn name(self) -> &'static str {
        match self {
            Engine::Stateright => "stateright, breadth first",
            Engine::Own => "swarmproof, level by level",
            Engine::OwnAsleep => "swarmproof, level by level, sleep sets",
        }
    }

    /// Whether it is [`engine`].
    pub const fn is_own(self) -> bool {
        !matches!(self, Engine::Stateright)
    }
}

/// What a search came to.
#[derive(Debug)]
pub struct Found<P: Subject> {
    /// Who searched.
    pub engine: Engine,
    /// Distinct states visited, the first included.
    pub states: u64,
    /// States generated, repetitions included.
    pub generated: u64,
    /// The greatest depth of a state that was judged, in events.
    pub depth: u32,
    /// The greatest depth of which, and of all before it, every state was judged, where that is known.
    pub complete_depth: Option<u32>,
    /// Why not all reachable states were visited, if they were not.
    pub stopped: Option<Stopped>,
    /// Threads that searched.
    pub threads: usize,
    /// CPU time of the process during the search, where the system tells.
    pub cpu: Option<Duration>,
    /// Wall-clock time.
    pub wall: Duration,
    /// The most memory that was seen resident, in bytes: a sample every [`SAMPLE_PERIOD`], of the process,
    /// with what earlier searches have left to the allocator.
    pub memory_peak_bytes: u64,
    /// What the search took beside time, where the engine tells.
    pub footprint: Option<Footprint>,
    /// How many states have which depth, where the engine tells.
    pub levels: Vec<u64>,
    /// How often which kind of event led to another state; none where it was not counted from the start.
    pub actions: Option<BTreeMap<Kind, Count>>,
    /// The marks that were reached, with the fewest events that lead there.
    pub marks: BTreeMap<&'static str, u32>,
    /// The first property that was found broken, and the way there.
    pub counterexample: Option<Counterexample<P>>,
}

impl<P: Subject> Found<P> {
    /// Whether every reachable state was visited.
    pub const fn is_complete(&self) -> bool {
        self.stopped.is_none()
    }

    /// Distinct states visited per second of CPU time, where both are known.
    pub fn states_per_cpu_s(&self) -> Option<f64> {
        let seconds = self.cpu?.as_secs_f64();
        (seconds > 0.0).then(|| self.states as f64 / seconds)
    }
}

impl<'a> Limits<'a> {
    /// One thread, this much resident memory, and otherwise no limit but the flag.
    pub const fn new(memory_bytes: u64, interrupt: &'a AtomicBool) -> Self {
        Limits {
            threads: 1,
            memory_bytes,
            states_max: None,
            interrupt,
            spill: None,
            checkpoints: None,
            checkpoint_every: Duration::from_secs(5),
            sleep_sets: false,
        }
    }

    /// The limit that is reached, if one is.
    pub(crate) fn reached(&self, states: u64, memory_bytes: u64) -> Option<Stopped> {
        if self.interrupt.load(Ordering::Relaxed) {
            Some(Stopped::Interrupted)
        } else if memory_bytes > self.memory_bytes {
            Some(Stopped::MemoryBudget)
        } else if self.states_max.is_some_and(|most| states >= most) {
            Some(Stopped::StateLimit)
        } else {
            None
        }
    }
}

/// Why a search ended before it was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// A property is broken.
    Broken,
    /// Not looked further than the instance says.
    DepthLimit,
    /// [`Limits::states_max`].
    StateLimit,
    /// [`Limits::memory_bytes`].
    MemoryBudget,
    /// [`Limits::interrupt`].
    Interrupted,
}

impl Stopped {
    /// The reason in words.
    pub const fn name(self) -> &'static str {
        match self {
            Stopped::Broken => "property broken",
            Stopped::DepthLimit => "depth limit",
            Stopped::StateLimit => "state limit",
            Stopped::MemoryBudget => "memory budget",
            Stopped::Interrupted => "interrupted",
        }
    }
}

/// A way to a state that breaks a property.
pub struct Counterexample<P: Subject> {
    /// What is broken.
    pub violation: Violation,
    /// The events that lead there from the start: as few as possible, if one thread searched.
    pub events: Vec<Event<P>>,
}

impl<P: Subject> std::fmt::Debug for Counterexample<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.events.iter().try_for_each(|event| writeln!(f, "{event:?}"))?;
        write!(f, "violates {}", self.violation)
    }
}

/// How often memory is looked at.
pub const SAMPLE_PERIOD: Duration = Duration::from_millis(20);

/// Visits a space breadth first, until all of it is visited, a property is found broken, or a limit is
/// reached. `progress` is told now and then.
///
/// # Panics
/// If the protocol's types break the rules of their contract so badly that a search thread panics.
pub fn search<P, Q>(space: Space<P, Q>, limits: &Limits<'_>, mut progress: impl FnMut(Progress)) -> Found<P>
where
    P: Subject + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    let depth_max = space.depth_max();
    let threads = if depth_max.is_some() { 1 } else { limits.threads.max(1) };
    let (begun, cpu_begun) = (Instant::now(), machine::process_cpu());
    let mut checker =
        Searched(space).checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs();

    let mut stopped = None;
    let mut memory_peak_bytes = 0;
    let mut pause = Duration::from_millis(1);
    let handles = checker.handles();
    let space = &checker.model().0;
    loop {
        let ended = handles.iter().all(thread::JoinHandle::is_finished);
        let memory_bytes = machine::resident_memory().unwrap_or(0);
        memory_peak_bytes = memory_peak_bytes.max(memory_bytes);
        if ended {
            break;
        }
        let states = checker.unique_state_count() as u64;
        if stopped.is_none() {
            stopped = limits.reached(states, memory_bytes);
            // Relaxed: a request, which may be seen late.
            space.stop.store(stopped.is_some(), Ordering::Relaxed);
        }
        progress(Progress { states, depth: space.expanded.load(Ordering::Relaxed), memory_bytes });
        thread::sleep(pause);
        pause = (pause * 2).min(SAMPLE_PERIOD);
    }
    for handle in handles {
        handle.join().expect("a search thread does not panic");
    }
    let cpu = cpu_begun.zip(machine::process_cpu()).map(|(begun, ended)| ended.saturating_sub(begun));
    let wall = begun.elapsed();

    let actions = space.tally.lock().unwrap_or_else(PoisonError::into_inner).counts();
    // Discoveries are paths that are walked again: the stop flag would block the way.
    space.stop.store(false, Ordering::Relaxed);
    let expanded = space.expanded.load(Ordering::Relaxed);
    let depth =
        if space.cut.load(Ordering::Relaxed) { expanded.max(depth_max.unwrap_or(0)) } else { expanded };
    let counterexample = checker.discovery(SOUND).and_then(|path| {
        let violation = path.last_state().world.violation()?.clone();
        Some(Counterexample { violation, events: path.into_actions() })
    });
    if counterexample.is_some() {
        stopped = Some(Stopped::Broken);
    } else if stopped.is_none() && space.cut.load(Ordering::Relaxed) {
        stopped = Some(Stopped::DepthLimit);
    }
    let complete_depth = match stopped {
        None => Some(depth),
        Some(Stopped::DepthLimit) => depth_max,
        _ if threads > 1 => None,
        // States are judged level by level.
        Some(Stopped::Broken) => {
            counterexample.as_ref().map(|found| found.events.len().saturating_sub(1) as u32)
        }
        // All states before the level that was gone on from last were; so that level is complete.
        Some(Stopped::StateLimit | Stopped::MemoryBudget | Stopped::Interrupted) => Some(expanded),
    };
    Found {
        engine: Engine::Stateright,
        states: checker.unique_state_count() as u64,
        generated: checker.state_count() as u64,
        depth,
        complete_depth,
        stopped,
        threads,
        cpu,
        wall,
        memory_peak_bytes,
        footprint: None,
        levels: Vec::new(),
        actions: Some(actions),
        marks: space.reached.all(),
        counterexample,
    }
}

/// Visits a space level by level with the engine of our own, otherwise as [`search`] does. A search with a limit on
/// depth may have several threads. With a `checkpoint` it goes on from there, and leaves one from time to time.
///
/// # Errors
/// If the checkpoint cannot be used, or none can be written; and if sleep sets are asked for, and the properties do not
/// say that the order of independent steps is of no account to them.
///
/// # Panics
/// If the protocol's types break the rules of their contract so badly that a search thread panics.
pub fn search_by_levels<P, Q>(
    space: &Space<P, Q>,
    limits: &Limits<'_>,
    checkpoint: Option<&Path>,
    progress: impl FnMut(Progress),
) -> Result<Found<P>, Unusable>
where
    P: Subject + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
    Collapse<P, Q>: Send + Sync,
{
    if limits.sleep_sets && !Q::COMMUTE {
        return Err(Unusable::new(
            engine::SLEEP_SETS,
            "the order of steps may be of account to the properties",
        ));
    }
    search_system(&Collapsing::new(space), space, limits, checkpoint, progress)
}

/// Visits `system`, which is `space` in other words, or with some states taken for one, as [`search_by_levels`] does.
pub(crate) fn search_system<P, Q, S>(
    system: &S,
    space: &Space<P, Q>,
    limits: &Limits<'_>,
    checkpoint: Option<&Path>,
    progress: impl FnMut(Progress),
) -> Result<Found<P>, Unusable>
where
    P: Subject + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    S: engine::System<Event = Event<P>>,
{
    let search = engine::Search {
        depth_max: space.depth_max(),
        checkpoint,
        checkpoint_every: limits.checkpoint_every,
        spill: limits.spill,
        sleep_sets: limits.sleep_sets,
        ..engine::Search::within(*limits)
    };
    let found = engine::search(system, &search, progress)?;
    if let Some(path) = checkpoint
        && matches!(found.stopped, None | Some(Stopped::DepthLimit | Stopped::Broken))
    {
        engine::forget(path)?;
    }
    let footprint = Footprint {
        bytes_per_state: found.bytes_per_state(),
        spilled_states: found.spilled,
        spilled_bytes: found.spilled_bytes,
        remade_states: found.remade,
        spill_failed: found.spill_failed.clone(),
    };
    Ok(Found {
        engine: if limits.sleep_sets { Engine::OwnAsleep } else { Engine::Own },
        states: found.states,
        generated: found.generated,
        depth: found.depth(),
        complete_depth: Some(found.complete_depth),
        stopped: found.stopped,
        threads: found.threads,
        cpu: found.cpu,
        wall: found.wall,
        memory_peak_bytes: found.memory_peak_bytes,
        footprint: Some(footprint),
        levels: found.levels,
        actions: found.actions.map(|tally| tally.counts()),
        marks: space.reached.all(),
        counterexample: found.counterexample.map(|(violation, events)| Counterexample { violation, events }),
    })
}
