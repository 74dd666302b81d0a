//! A breadth first search of our own, beside stateright's: level by level, in little memory, and resumable.
//!
//! Every state is known by its fingerprint, by the state that it was first generated from, and by which of
//! that state's events led to it: [`visited`] and [`tree`], some twenty bytes. The states themselves are
//! kept for the level that is gone on from and for the next one, as long as memory lasts. Beyond that they are
//! written to disk if there is a folder to spill to and they can be written ([`spill`]), and otherwise only their
//! places in the tree are kept, and they are made again when their turn comes: neighbours share most of the way
//! from the start, so that few events are repeated for each.
//!
//! A level is divided among threads, and ends before the next begins. So every state has its true depth on
//! any number of threads, what was generated and visited is counted alike, and which depth is complete is
//! always known. Which of several shortest ways to a state is remembered depends on the threads.
//!
//! If asked to, of two events that commute a search tries one order alone, by sleep sets: the same states at the same
//! depths, with fewer transitions. Why that is sound level by level says the module of the simulator that tells which
//! events commute; here what sleeps in a state is what sleeps by *all* ways from the level before. One sleeping event of
//! some dozens is tried, and must lead to a state that was visited: else [`SLEEP_SETS`] is broken.
//!
//! What can be searched is a [`System`]: worlds of a protocol, or anything else. Verified by `tests/it/reduction.rs`, and
//! `tests/it/engine.rs`: two-phase commit with its published number of states, the instances of Raft with
//! the counts that stateright comes to, on one and two threads, under memory budgets, spilled to disk and to a
//! disk that fails, cut off and resumed, and checkpoints damaged at every byte.

mod checkpoint;
mod findings;
pub mod lasso;
mod spill;
mod tree;
mod visited;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use reports::machine;
use swarm_protocol::Violation;

use self::checkpoint::Checkpoint;
use self::spill::{Piece, Spill};
use self::tree::Tree;
use self::visited::{Sleepers, Sorting, Visited};
use crate::actions::{Kind, Tally};
use crate::build;
use crate::search::{Limits, Progress, Stopped};

pub use self::checkpoint::Unusable;
pub use self::findings::Findings;
pub use swarm_simulator::world::{Ahead, Asleep};

/// States and events, to be searched.
pub trait System: Sync + Sized {
    /// A state.
    type State: Send + Sync;
    /// What leads from one state to another.
    type Event;

    /// What is searched, and within which bounds: a checkpoint of another system is refused.
    fn identity(&self) -> String;

    /// Where everything starts.
    fn initial(&self) -> Vec<Self::State>;

    /// Replaces the contents of `out` by the events of `state`, in an order that depends on the state alone.
    fn events(&self, state: &Self::State, out: &mut Vec<Self::Event>);

    /// The state after `event`, `depth` events from the start; none if the event does nothing, or leads out of
    /// the bounds.
    fn after(&self, state: &Self::State, event: &Self::Event, depth: u32) -> Option<Self::State>;

    /// What [`System::after`] would come to, if that is cheaper to tell than to do: most states are met more than
    /// once.
    fn look_ahead(&self, _state: &Self::State, _event: &Self::Event, _depth: u32) -> Ahead {
        Ahead::Unclear
    }

    /// A hash of the state: states with equal fingerprints are taken for one.
    fn fingerprint(&self, state: &Self::State) -> u64;

    /// What is wrong in this state, if anything is. Asked once for each state.
    fn violation(&self, state: &Self::State) -> Option<Violation>;

    /// The number of the kind of this event: events of one kind are counted together.
    fn kind_number(&self, _event: &Self::Event) -> u64 {
        0
    }

    /// The kind of this event.
    fn kind(&self, _event: &Self::Event) -> Kind {
        Kind { event: "event".to_owned(), kind: None }
    }

    /// Goes on from each of `states`, which lie one event less than `depth` from the start, and shows what it leads to
    /// to `found`. Systems that can tell fingerprints at once, without the other methods, do so here.
    fn expand(&self, states: &[Self::State], depth: u32, found: &mut Findings<'_, Self>) {
        let mut events = Vec::new();
        for (position, state) in states.iter().enumerate() {
            self.events(state, &mut events);
            for (number, event) in (0..).zip(&events) {
                let (number_of_kind, kind) = (self.kind_number(event), || self.kind(event));
                let ahead = self.look_ahead(state, event, depth);
                match ahead {
                    Ahead::Nothing => continue,
                    Ahead::World(fingerprint) if !found.is_new(fingerprint) => {
                        found.actions.note(number_of_kind, false, kind);
                        continue;
                    }
                    Ahead::World(_) | Ahead::Unclear => {}
                }
                let Some(next) = self.after(state, event, depth) else {
                    assert_eq!(ahead, Ahead::Unclear, "what was seen ahead happens");
                    continue;
                };
                let fingerprint = self.fingerprint(&next);
                let fresh = match ahead {
                    Ahead::World(seen) => {
                        assert_eq!(seen, fingerprint, "what was seen ahead happens");
                        true
                    }
                    Ahead::Nothing | Ahead::Unclear => found.is_new(fingerprint),
                };
                found.actions.note(number_of_kind, fresh, kind);
                if fresh {
                    found.add(position, number, next);
                }
            }
        }
    }

    /// The kind of this number, of those that [`System::expand`] gives with what it offers.
    fn kind_offered(&self, _number: u32) -> Kind {
        Kind { event: "event".to_owned(), kind: None }
    }

    /// Told of each state when it is first met, `depth` events from the start.
    fn met(&self, _state: &Self::State, _depth: u32) {}

    /// Appends a state to `out`, so that [`System::decode`] makes it again in this process; false if states cannot
    /// be written.
    fn encode(&self, _state: &Self::State, _out: &mut Vec<u8>) -> bool {
        false
    }

    /// Takes a state that was written from the front of `bytes`; none if there is none.
    fn decode(&self, _bytes: &mut &[u8]) -> Option<Self::State> {
        None
    }

    /// What the system keeps that grows with the search, in bytes.
    fn bytes(&self) -> u64 {
        0
    }

    /// What was noted on the way, each with the fewest events that lead there.
    fn noted(&self) -> BTreeMap<String, u32> {
        BTreeMap::new()
    }

    /// Takes over what an earlier search has noted.
    fn note(&self, _noted: &BTreeMap<String, u32>) {}
}

/// What a search came to.
pub struct Found<S: System> {
    /// Distinct states, the first included.
    pub states: u64,
    /// States generated, repetitions included.
    pub generated: u64,
    /// How many states have which depth.
    pub levels: Vec<u64>,
    /// All states up to this depth were judged.
    pub complete_depth: u32,
    /// Why not all states were visited, if they were not.
    pub stopped: Option<Stopped>,
    /// Threads that searched.
    pub threads: usize,
    /// CPU time of the process during the search, where the system tells.
    pub cpu: Option<Duration>,
    /// Wall-clock time.
    pub wall: Duration,
    /// The most memory that was seen resident, in bytes.
    pub memory_peak_bytes: u64,
    /// What visited states take beside the frontier, in bytes.
    pub visited_bytes: u64,
    /// What the tables of the system take besides, in bytes.
    pub system_bytes: u64,
    /// How many states were made again because memory did not last.
    pub remade: u64,
    /// How many states were written to disk because memory did not last.
    pub spilled: u64,
    /// What was written for them, in bytes.
    pub spilled_bytes: u64,
    /// Why a state that should have been written, or read back, was made again.
    pub spill_failed: Option<String>,
    /// How often which kind of event led to another state, and to a new one; none if the search went on from a
    /// checkpoint, which does not say.
    pub actions: Option<Tally>,
    /// A violated property, and the events that lead there: as few as possible.
    pub counterexample: Option<(Violation, Vec<S::Event>)>,
}

impl<S: System> Found<S> {
    /// The depth of the deepest state.
    pub fn depth(&self) -> u32 {
        self.levels.len() as u32 - 1
    }

    /// Distinct states visited per second of CPU time, where both are known.
    pub fn states_per_cpu_s(&self) -> Option<f64> {
        let seconds = self.cpu?.as_secs_f64();
        (seconds > 0.0).then(|| self.states as f64 / seconds)
    }

    /// What a visited state takes beside the frontier, in bytes, the tables of the system included.
    pub fn bytes_per_state(&self) -> f64 {
        (self.visited_bytes + self.system_bytes) as f64 / self.states as f64
    }
}

/// What is searched, and how far.
pub struct Search<'a> {
    /// Threads, memory, states, and a flag to end the search. Once half of the memory is used, states are written to
    /// disk or made again.
    pub limits: Limits<'a>,
    /// States further away are not visited.
    pub depth_max: Option<u32>,
    /// About how many states of a level are kept in memory at most.
    pub kept_max: usize,
    /// A folder to write states to that are not kept; without it they are made again.
    pub spill: Option<&'a Path>,
    /// Where to leave checkpoints, at ends of levels; and to go on from, if there is one.
    pub checkpoint: Option<&'a Path>,
    /// How much time lies between checkpoints at least.
    pub checkpoint_every: Duration,
    /// Of two ways that lead to the same in either order of their events go one: the same states at the same depths.
    /// Only systems that tell what sleeps do; others go all ways.
    pub sleep_sets: bool,
}

impl<'a> Search<'a> {
    /// A search within `limits`, to any depth, without checkpoints.
    pub const fn within(limits: Limits<'a>) -> Self {
        Search {
            limits,
            depth_max: None,
            kept_max: usize::MAX,
            spill: None,
            checkpoint: None,
            checkpoint_every: limits.checkpoint_every,
            sleep_sets: false,
        }
    }
}

/// States of one level that stand next to each other in the tree.
struct Chunk<State> {
    /// The place of the first.
    first: u32,
    count: u32,
    states: Kept<State>,
    /// Their fingerprints, if what sleeps in them was noted.
    prints: Vec<u64>,
}

/// Where the states of a chunk are.
enum Kept<State> {
    Here(Vec<State>),
    OnDisk(Piece),
    /// They are made again.
    Nowhere,
}

/// States that were generated from one chunk, without places yet.
struct Fresh<State> {
    /// Where each comes from, and by which event.
    origins: Vec<(u32, u16)>,
    states: Kept<State>,
    /// Their fingerprints, if what sleeps in them was noted.
    prints: Vec<u64>,
}

/// What was generated from the chunk of this number.
struct Grown<State> {
    number: usize,
    fresh: Vec<Fresh<State>>,
}

/// How many states are kept or made again together.
const CHUNK: usize = 1024;

/// A violation, and the event that leads there: the state that it happens in, and its number.
type Broken = (u32, u16, Violation);

/// Where a state must be found that another way leads to: the number of a chunk, the state that this way leads from,
/// the number of the event, and the fingerprint.
type Expected = (usize, (u32, u16), u64);

/// The property that what sleeps in a state need not happen there.
pub const SLEEP_SETS: &str = "sleep_sets";

/// One level as it is gone on from.
struct Level<'a, S: System> {
    system: &'a S,
    limits: &'a Limits<'a>,
    tree: &'a Tree,
    visited: &'a Visited,
    depth: u32,
    chunks: Vec<Mutex<Option<Chunk<S::State>>>>,
    next: AtomicUsize,
    /// Set once no further chunk is to be taken.
    stop: AtomicBool,
    why: Mutex<Option<Stopped>>,
    generated: AtomicU64,
    remade: AtomicU64,
    actions: Mutex<Tally>,
    memory_peak: AtomicU64,
    /// How many states of the next level are kept, and may be.
    kept: AtomicUsize,
    kept_max: usize,
    /// Where the states of this level were written to, and where those of the next one go.
    spill: Option<&'a Spill>,
    spill_next: Option<&'a Spill>,
    spilled: AtomicU64,
    spilled_bytes: AtomicU64,
    spill_failed: Mutex<Option<String>>,
    /// What sleeps in the states of this level, if anything may.
    sleepers: Option<&'a Sleepers>,
    expected: Mutex<Vec<Expected>>,
    grown: Mutex<Vec<Grown<S::State>>>,
    broken: Mutex<Option<(usize, Broken)>>,
}

/// Locks. No thread that panicked leaves anything half done that matters: the panic ends the search.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Visits a system level by level, until all of it is visited, a property is found broken, or a limit is
/// reached. `progress` is told now and then.
///
/// # Errors
/// If the checkpoint to go on from cannot be used, or none can be written.
///
/// # Panics
/// If a state has 65,536 events or more, or if the system does: it is the system that is wrong then.
pub fn search<S: System>(
    system: &S,
    search: &Search<'_>,
    mut progress: impl FnMut(Progress),
) -> Result<Found<S>, Unusable> {
    let (begun, cpu_begun) = (Instant::now(), machine::process_cpu());
    let mut run = Run::begin(system, search)?;
    let mut saved = Instant::now();
    while run.stopped.is_none() && run.counterexample.is_none() && !run.frontier.is_empty() {
        if search.depth_max.is_some_and(|most| run.depth() >= most) {
            if run.any_event() {
                run.stopped = Some(Stopped::DepthLimit);
            }
            break;
        }
        run.advance(&mut progress);
        if let Some(path) = search.checkpoint
            && run.stopped.is_none()
            && run.counterexample.is_none()
            && saved.elapsed() >= search.checkpoint_every
        {
            run.save(path)?;
            saved = Instant::now();
        }
    }
    let counterexample = run.counterexample.take().map(|(place, event, violation)| {
        let events = run.tree.way(place, event);
        (violation, tree::events(system, &events))
    });
    Ok(Found {
        states: run.visited.len(),
        generated: run.generated,
        complete_depth: run.complete_depth,
        stopped: if counterexample.is_some() { Some(Stopped::Broken) } else { run.stopped },
        threads: search.limits.threads.max(1),
        cpu: cpu_begun.zip(machine::process_cpu()).map(|(begun, ended)| ended.saturating_sub(begun)),
        wall: begun.elapsed(),
        memory_peak_bytes: run.memory_peak,
        visited_bytes: run.visited.bytes() + run.tree.bytes(),
        system_bytes: system.bytes(),
        remade: run.remade,
        spilled: run.spilled,
        spilled_bytes: run.spilled_bytes,
        spill_failed: run.spill_failed,
        actions: run.actions,
        levels: run.levels,
        counterexample,
    })
}

/// What a checkpoint belongs to: the system, and the program that searches it. Boundaries and protocols are code,
/// and a search that began under other code has covered something else.
fn identity<S: System>(system: &S) -> String {
    format!("{}, searched by the program {}", system.identity(), build::sum())
}

/// Takes a checkpoint away, if there is one.
///
/// # Errors
/// If that is not possible.
pub fn forget(checkpoint: &Path) -> Result<(), Unusable> {
    match fs::remove_file(checkpoint) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Unusable::new(checkpoint, &error.to_string()))
        }
        _ => Ok(()),
    }
}

/// A search under way, between two levels.
struct Run<'a, S: System> {
    system: &'a S,
    limits: Limits<'a>,
    kept_max: usize,
    spill_to: Option<&'a Path>,
    tree: Tree,
    visited: Visited,
    frontier: Vec<Chunk<S::State>>,
    /// Where states of the frontier were written to.
    spill: Option<Spill>,
    /// What sleeps in states of the frontier, if anything may.
    sleepers: Option<Sleepers>,
    levels: Vec<u64>,
    /// All states up to here were judged.
    complete_depth: u32,
    generated: u64,
    remade: u64,
    spilled: u64,
    spilled_bytes: u64,
    spill_failed: Option<String>,
    /// None once it is not known from the start on.
    actions: Option<Tally>,
    memory_peak: u64,
    stopped: Option<Stopped>,
    counterexample: Option<Broken>,
}

impl<'a, S: System> Run<'a, S> {
    fn begin(system: &'a S, search: &Search<'a>) -> Result<Self, Unusable> {
        let mut run = Run {
            system,
            limits: search.limits,
            kept_max: search.kept_max,
            spill_to: search.spill,
            tree: Tree::new(),
            visited: Visited::new(),
            frontier: Vec::new(),
            spill: None,
            sleepers: search.sleep_sets.then(Sleepers::default),
            levels: Vec::new(),
            complete_depth: 0,
            generated: 0,
            remade: 0,
            spilled: 0,
            spilled_bytes: 0,
            spill_failed: None,
            actions: Some(Tally::default()),
            memory_peak: 0,
            stopped: None,
            counterexample: None,
        };
        if let Some(path) = search.checkpoint
            && let Some(checkpoint) = Checkpoint::read(path, &identity(system))?
        {
            run.resume(checkpoint)?;
            return Ok(run);
        }
        let (mut origins, mut states) = (Vec::new(), Vec::new());
        for (number, state) in system.initial().into_iter().enumerate() {
            run.generated += 1;
            if run.visited.insert(system.fingerprint(&state)) {
                let number = u16::try_from(number).expect("a system has fewer than 65,536 initial states");
                if let Some(violation) = system.violation(&state) {
                    run.counterexample.get_or_insert((Tree::ROOT, number, violation));
                }
                system.met(&state, 0);
                origins.push((Tree::ROOT, number));
                states.push(state);
            }
        }
        run.settle(vec![Fresh { origins, states: Kept::Here(states), prints: Vec::new() }]);
        Ok(run)
    }

    /// Goes on from a checkpoint: the states of its last level are made again.
    fn resume(&mut self, checkpoint: Checkpoint) -> Result<(), Unusable> {
        let Checkpoint { levels, generated, noted, tree, fingerprints, path, .. } = checkpoint;
        for fingerprint in fingerprints {
            self.visited.insert(fingerprint);
        }
        let last = levels.last().copied().unwrap_or(0);
        let first = tree.len() as u64 - last;
        self.frontier = (first..tree.len() as u64)
            .step_by(CHUNK)
            .map(|first| Chunk {
                first: first as u32,
                count: (tree.len() as u64 - first).min(CHUNK as u64) as u32,
                states: Kept::Nowhere,
                prints: Vec::new(),
            })
            .collect();
        self.tree = tree;
        self.levels = levels;
        self.complete_depth = self.depth();
        self.generated = generated;
        self.actions = None;
        // A checkpoint of other code leads elsewhere: the first chunk shows it.
        if let Some(chunk) = self.frontier.first() {
            let made = tree::remake(self.system, &self.tree, self.depth(), chunk.first, chunk.count);
            let known = |state: &S::State| self.visited.contains(self.system.fingerprint(state));
            if !made.is_some_and(|states| states.iter().all(known)) {
                return Err(Unusable::new(&path, "its states are not those of this version of the system"));
            }
        }
        self.system.note(&noted);
        Ok(())
    }

    fn depth(&self) -> u32 {
        self.levels.len() as u32 - 1
    }

    /// Whether anything can happen in the last level.
    fn any_event(&mut self) -> bool {
        let (frontier, spill) = (std::mem::take(&mut self.frontier), self.spill.take());
        let level = self.level(Vec::new(), spill.as_ref(), None, None);
        let mut events = Vec::new();
        frontier.into_iter().any(|chunk| {
            level.load(chunk).iter().any(|state| {
                self.system.events(state, &mut events);
                !events.is_empty()
            })
        })
    }

    /// The last level, as it is gone on from.
    fn level<'l>(
        &'l self,
        chunks: Vec<Chunk<S::State>>,
        spill: Option<&'l Spill>,
        spill_next: Option<&'l Spill>,
        sleepers: Option<&'l Sleepers>,
    ) -> Level<'l, S> {
        Level {
            system: self.system,
            limits: &self.limits,
            tree: &self.tree,
            visited: &self.visited,
            depth: self.depth(),
            chunks: chunks.into_iter().map(|chunk| Mutex::new(Some(chunk))).collect(),
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            why: Mutex::new(None),
            generated: AtomicU64::new(0),
            remade: AtomicU64::new(0),
            actions: Mutex::new(Tally::default()),
            memory_peak: AtomicU64::new(self.memory_peak),
            kept: AtomicUsize::new(0),
            kept_max: self.kept_max,
            spill,
            spill_next,
            spilled: AtomicU64::new(0),
            spilled_bytes: AtomicU64::new(0),
            spill_failed: Mutex::new(None),
            sleepers,
            expected: Mutex::new(Vec::new()),
            grown: Mutex::new(Vec::new()),
            broken: Mutex::new(None),
        }
    }

    /// Goes on from every state of the last level.
    fn advance(&mut self, progress: &mut impl FnMut(Progress)) {
        let (chunks, spill) = (std::mem::take(&mut self.frontier), self.spill.take());
        let spill_next = self.spill_to.map(Spill::new);
        let sleepers = self.sleepers.take();
        let level = self.level(chunks, spill.as_ref(), spill_next.as_ref(), sleepers.as_ref());
        let helpers = (self.limits.threads.max(1) - 1).min(level.chunks.len().saturating_sub(1));
        thread::scope(|scope| {
            for _ in 0..helpers {
                scope.spawn(|| level.work(&mut |_| ()));
            }
            level.work(progress);
        });
        let Level { generated, remade, memory_peak, spilled, spilled_bytes, .. } = &level;
        // Relaxed: the threads have been joined.
        let [generated, remade, memory_peak, spilled, spilled_bytes] =
            [generated, remade, memory_peak, spilled, spilled_bytes].map(|all| all.load(Ordering::Relaxed));
        let (stopped, broken) = (*lock(&level.why), lock(&level.broken).take());
        let (failed, mut grown) =
            (lock(&level.spill_failed).take(), std::mem::take(&mut *lock(&level.grown)));
        let actions = std::mem::take(&mut *lock(&level.actions));
        let expected = std::mem::take(&mut *lock(&level.expected));
        drop(level);
        self.sleepers = sleepers.map(|_| self.visited.take_sleepers());
        self.generated += generated;
        self.remade += remade;
        if let Some(all) = &mut self.actions {
            all.merge(actions);
        }
        self.memory_peak = memory_peak;
        self.spilled += spilled;
        self.spilled_bytes += spilled_bytes;
        self.spill_failed = self.spill_failed.take().or(failed);
        self.spill = spill_next;
        self.stopped = stopped;
        self.counterexample = broken.map(|(_, broken)| broken);
        if self.stopped.is_none() && self.counterexample.is_none() {
            self.counterexample = self.missed(expected);
        }
        grown.sort_by_key(|grown| grown.number);
        self.settle(grown.into_iter().flat_map(|grown| grown.fresh).collect());
        if self.stopped.is_none() && self.counterexample.is_none() {
            self.complete_depth = self.depth();
        }
    }

    /// The first state that an event leads to which sleeps, and that no other way has led to.
    fn missed(&self, mut expected: Vec<Expected>) -> Option<Broken> {
        expected.retain(|(.., fingerprint)| !self.visited.contains(*fingerprint));
        let (_, (place, event), _) = expected.into_iter().min()?;
        let detail =
            "no other order of events leads to this state: they do not commute, as was taken for granted";
        Some((place, event, Violation::new(SLEEP_SETS, detail)))
    }

    /// Gives the states of a new level their places in the tree.
    fn settle(&mut self, level: Vec<Fresh<S::State>>) {
        let before = self.tree.len();
        for Fresh { origins, states, prints } in level {
            if origins.is_empty() {
                continue;
            }
            let first = self.tree.len() as u32;
            for (parent, event) in &origins {
                self.tree.push(*parent, *event);
            }
            self.frontier.push(Chunk { first, count: origins.len() as u32, states, prints });
        }
        let fresh = (self.tree.len() - before) as u64;
        if fresh > 0 || self.levels.is_empty() {
            self.levels.push(fresh);
        }
    }

    fn save(&self, path: &Path) -> Result<(), Unusable> {
        let identity = identity(self.system);
        let written = checkpoint::write(
            path,
            &identity,
            &self.levels,
            self.generated,
            &self.system.noted(),
            &self.tree,
            &self.visited,
        );
        written.map_err(|error: io::Error| Unusable::new(path, &error.to_string()))
    }
}

impl<S: System> Level<'_, S> {
    /// Takes chunks until none is left or the search is to stop.
    fn work(&self, progress: &mut impl FnMut(Progress)) {
        let mut sorting = Sorting::default();
        // Relaxed, here and below: numbers are handed out once each and flags may be seen late; what the
        // threads produce is handed over by locks and by joining them.
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = self.chunks.get(number).and_then(|chunk| lock(chunk).take()) else { return };
            let memory_bytes = machine::resident_memory().unwrap_or(0);
            self.memory_peak.fetch_max(memory_bytes, Ordering::Relaxed);
            let states = self.visited.len();
            progress(Progress { states, depth: self.depth, memory_bytes });
            if let Some(why) = self.limits.reached(states, memory_bytes) {
                self.stop.store(true, Ordering::Relaxed);
                lock(&self.why).get_or_insert(why);
                return;
            }
            let keep = memory_bytes <= self.limits.memory_bytes / 2
                && self.kept.load(Ordering::Relaxed) < self.kept_max;
            let sleepers = self.sleepers.map(|sleepers| {
                let noted = |at| chunk.prints.get(at).map_or_else(Asleep::new, |print| sleepers.of(*print));
                (0..chunk.count as usize).map(noted).collect()
            });
            let mut found = Findings {
                level: self,
                number,
                first: chunk.first,
                keep,
                sorting,
                sleepers,
                asleep: Vec::new(),
                prints: Vec::new(),
                offered: Vec::new(),
                fingerprints: Vec::new(),
                new: Vec::new(),
                origins: Vec::new(),
                states: Vec::new(),
                fresh: Vec::new(),
                generated: 0,
                counts: Vec::new(),
                actions: Tally::default(),
            };
            let states = self.load(chunk);
            self.system.expand(&states, self.depth + 1, &mut found);
            sorting = found.end();
        }
    }

    /// The states of a chunk, wherever they are.
    fn load(&self, chunk: Chunk<S::State>) -> Vec<S::State> {
        let Chunk { first, count, states, .. } = chunk;
        let read = match states {
            Kept::Here(states) => return states,
            Kept::OnDisk(piece) => self.read(piece, count),
            Kept::Nowhere => None,
        };
        read.unwrap_or_else(|| {
            self.remade.fetch_add(u64::from(count), Ordering::Relaxed);
            let made = tree::remake(self.system, self.tree, self.depth, first, count);
            made.expect("a system does the same again under the same events")
        })
    }

    fn read(&self, piece: Piece, count: u32) -> Option<Vec<S::State>> {
        let bytes = self.spill?.read(piece).inspect_err(|error| self.spill_fails(error)).ok()?;
        let mut from = &bytes[..];
        (0..count).map(|_| self.system.decode(&mut from)).collect()
    }

    /// Writes states to disk, if there is one and they can be written.
    fn write(&self, states: &[S::State]) -> Option<Piece> {
        let spill = self.spill_next?;
        let mut bytes = Vec::new();
        if !states.iter().all(|state| self.system.encode(state, &mut bytes)) {
            return None;
        }
        let piece = spill.write(&bytes).inspect_err(|error| self.spill_fails(error)).ok()?;
        self.spilled.fetch_add(states.len() as u64, Ordering::Relaxed);
        self.spilled_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Some(piece)
    }

    fn spill_fails(&self, error: &io::Error) {
        lock(&self.spill_failed).get_or_insert_with(|| error.to_string());
    }
}
