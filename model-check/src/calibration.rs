//! Calibration: of all that can be reached, how much does each sampler see, and does the estimate of what is still
//! unseen come true?
//!
//! An instance that is small enough is searched as a whole first, by the engine of our own, so that its states and
//! its abstract states ([`Protocol::abstraction`](swarm_protocol::Protocol::abstraction)) are known one by one. Then
//! every [`Sampler`] walks it from several seeds, all within the same budgets of events, and after each budget three
//! things are noted: the share of what can be reached that was seen; the share of a further walk's visits that
//! [`States::unseen`] claims to be new; and the share that was new in the walks that then followed. The last two
//! are about the same thing, so where they differ the estimate is wrong. The first is about another: what a sampler
//! has no hope of meeting soon, the estimate does not count.
//!
//! A walk is ended where it reaches the budget, so that budgets are exceeded by less than a walk. A state that a walk
//! meets and the search has not is a fault of one of them: [`artifact::CalibratedInstance::strangers`] counts them.
//!
//! The result depends on the seeds alone, not on threads. Verified by `tests/it/calibration.rs`: pinned counts, plain
//! counting, walks that see all there is, a search and walks within different bounds, and an estimate that lies.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use reports::artifact::{self, Seen};
use reports::command_line;
use swarm_protocol::Properties;
use swarm_simulator::coverage::States;
use swarm_simulator::sampler::{Sampler, Walks};
use swarm_simulator::world::Known;
use swarm_simulator::{Event, Setup, Subject, World};

use crate::adapter::{Around, Space};
use crate::engine::{self, Search};
use crate::search::Limits;

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Effort<'a> {
    /// After how many events is noted what was seen; ascending.
    pub budgets: &'a [u64],
    /// How many seeds each sampler walks from.
    pub seeds: u64,
    /// Threads that search and walk.
    pub threads: usize,
    /// What the process may have resident during the search, in bytes.
    pub memory_bytes: u64,
    /// Set from outside to end it.
    pub interrupt: &'a AtomicBool,
}

impl Effort<'_> {
    /// Budgets and seeds that go with an effort.
    pub const fn of(effort: command_line::Effort) -> (&'static [u64], u64) {
        match effort {
            command_line::Effort::Quick => (&[1_000, 10_000, 100_000], 10),
            command_line::Effort::Full => (&[1_000, 10_000, 100_000, 1_000_000], 20),
        }
    }
}

/// The most states of an instance that is searched as a whole for this.
pub const STATES_MAX: u64 = 150_000;

/// Walks after a budget, in which the estimate is seen to come true or not.
const WALKS_AFTER: u32 = 200;

/// Why an instance has no calibration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Without {
    /// It cannot have one, for this reason.
    Reason(String),
    /// It was ended from outside.
    Interrupted,
}

/// All that can be reached from a setup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reachable {
    /// The fingerprints of all worlds.
    pub states: BTreeSet<u64>,
    /// The abstract states of all worlds.
    pub abstract_states: BTreeSet<u64>,
    /// The depth of the deepest.
    pub depth: u32,
}

impl Reachable {
    /// Searches all that can be reached, by the engine of our own.
    ///
    /// # Errors
    /// If there are more than [`STATES_MAX`] states, if one is broken, if memory does not last, or if the search was
    /// interrupted.
    pub fn search<P, Q>(setup: Setup<P>, effort: &Effort<'_>) -> Result<Self, Without>
    where
        P: Subject + 'static,
        Q: Properties<P> + Eq + Hash + 'static,
        World<P, Q>: Send + Sync,
        Setup<P>: Send + Sync,
        Event<P>: Send + Sync,
        Known<P>: Send + Sync,
    {
        let met = Mutex::<(BTreeSet<u64>, BTreeSet<u64>)>::default();
        let eye = |world: &World<P, Q>| {
            let mut met = met.lock().unwrap_or_else(PoisonError::into_inner);
            met.0.insert(world.fingerprint());
            met.1.insert(abstraction(world));
        };
        let noting = Around { space: Space::<P, Q>::new(setup, None, &[], &[]), start: None, eye };
        let limits = Limits {
            states_max: Some(STATES_MAX),
            threads: effort.threads,
            ..Limits::new(effort.memory_bytes, effort.interrupt)
        };
        let found = engine::search(&noting, &Search::within(limits), |_| ());
        let found = found.map_err(|unusable| Without::Reason(unusable.to_string()))?;
        if effort.interrupt.load(Ordering::Relaxed) {
            return Err(Without::Interrupted);
        }
        if let Some((violation, _)) = &found.counterexample {
            return Err(Without::Reason(format!("it breaks {}", violation.property)));
        }
        if let Some(stopped) = found.stopped {
            return Err(Without::Reason(format!("its search ended at a {}", stopped.name())));
        }
        let (states, abstract_states) =
            std::mem::take(&mut *met.lock().unwrap_or_else(PoisonError::into_inner));
        assert_eq!(states.len() as u64, found.states, "every state is noted once");
        Ok(Reachable { states, abstract_states, depth: found.depth() })
    }
}

fn abstraction<P: Subject, Q>(world: &World<P, Q>) -> u64 {
    let nodes: Vec<Option<&P>> = world.nodes().collect();
    P::abstraction(&nodes)
}

/// What one seed of one sampler saw, one element per budget.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// Of the states.
    pub states: Vec<Look>,
    /// Of the abstract states.
    pub abstract_states: Vec<Look>,
    /// Distinct states that the search had not met.
    pub strangers: u64,
}

/// What was seen within one budget.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    /// How many of those that can be reached.
    pub seen: u64,
    /// What the estimate claims, as a share of a further walk's visits.
    pub claimed: Option<f64>,
    /// New visits of the walks that followed, and all their visits, one per walk and state.
    pub new: u64,
    /// See `new`.
    pub visits: u64,
}

/// Visits of one kind of state.
struct Visits<'a> {
    reachable: &'a BTreeSet<u64>,
    estimate: States,
    /// By state, the number of the first walk that visited it.
    first: BTreeMap<u64, u32>,
    strangers: u64,
    /// One per budget so far, with the number of walks by then.
    looks: Vec<(u32, Look)>,
}

impl<'a> Visits<'a> {
    fn new(reachable: &'a BTreeSet<u64>, start: u64) -> Self {
        // Everything begins at a state that nobody needs to find.
        let first = BTreeMap::from([(start, 0)]);
        Visits { reachable, estimate: States::default(), first, strangers: 0, looks: Vec::new() }
    }

    /// Walk `number`, counted from 1, has visited these, repetitions allowed.
    fn walked(&mut self, number: u32, visited: &mut Vec<u64>) {
        visited.sort_unstable();
        visited.dedup();
        for state in &*visited {
            if let Entry::Vacant(vacant) = self.first.entry(*state) {
                vacant.insert(number);
                self.strangers += u64::from(!self.reachable.contains(state));
            }
        }
        for (walks, look) in &mut self.looks {
            if number <= *walks + WALKS_AFTER {
                look.visits += visited.len() as u64;
                look.new += visited.iter().filter(|state| self.first[*state] > *walks).count() as u64;
            }
        }
        self.estimate.merge(States::of_run(visited.iter().copied()));
    }

    /// After `walks` walks a budget is spent.
    fn look(&mut self, walks: u32) {
        let seen = self.first.len() as u64 - self.strangers;
        self.looks.push((walks, Look { seen, claimed: self.estimate.unseen(), ..Look::default() }));
    }
}

/// Walks under `sampler` from `seed`; none if that was interrupted.
pub fn walk<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    reachable: &Reachable,
    sampler: Sampler,
    seed: u64,
    effort: &Effort<'_>,
) -> Option<Sight> {
    let mut walks = Walks::<P, Q>::new(setup, &[], sampler, seed, walk_events(reachable) as usize);
    let start = World::<P, Q>::new(setup);
    let mut states = Visits::new(&reachable.states, start.fingerprint());
    let mut abstract_states = Visits::new(&reachable.abstract_states, abstraction(&start));
    let (mut visited, mut visited_abstract) = (Vec::new(), Vec::new());
    let (mut events, mut walked, mut last) = (0, 0u32, u32::MAX);
    let mut budgets = effort.budgets.iter().peekable();
    while walked < last {
        if effort.interrupt.load(Ordering::Relaxed) {
            return None;
        }
        visited.clear();
        visited_abstract.clear();
        let walk = walks.walk(|world| {
            visited.push(world.fingerprint());
            visited_abstract.push(abstraction(world));
        });
        walked += 1;
        states.walked(walked, &mut visited);
        abstract_states.walked(walked, &mut visited_abstract);
        // A walk that cannot take a step still counts, so that there is an end.
        events += walk.picked.max(1);
        while budgets.next_if(|budget| events >= **budget).is_some() {
            states.look(walked);
            abstract_states.look(walked);
        }
        if budgets.peek().is_none() && last == u32::MAX {
            last = walked + WALKS_AFTER;
        }
    }
    let looks = |visits: Visits<'_>| visits.looks.into_iter().map(|(_, look)| look).collect();
    let strangers = states.strangers;
    Some(Sight { states: looks(states), abstract_states: looks(abstract_states), strangers })
}

/// How many events a walk has at most: twice as many as the nearest way to the farthest state.
const fn walk_events(reachable: &Reachable) -> u32 {
    if reachable.depth == 0 { 1 } else { 2 * reachable.depth }
}

/// What every sampler sees of `reachable`; none if that was interrupted. `progress` is told how many of how many
/// seeds are done. Name and bounds of the instance are left open.
pub fn calibrate<P, Q>(
    setup: &Setup<P>,
    reachable: &Reachable,
    effort: &Effort<'_>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Option<artifact::CalibratedInstance>
where
    P: Subject,
    Q: Properties<P> + Eq + Hash,
    Setup<P>: Sync,
{
    let jobs: Vec<(Sampler, u64)> = Sampler::ALL
        .into_iter()
        .flat_map(|sampler| (0..effort.seeds).map(move |seed| (sampler, seed)))
        .collect();
    let sights = Mutex::new(vec![None; jobs.len()]);
    // Relaxed: numbers are handed out once each, and results are read when all threads have ended.
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((sampler, seed)) = jobs.get(number) else { break };
            let Some(sight) = walk::<P, Q>(setup, reachable, *sampler, *seed, effort) else { break };
            sights.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some(sight);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, jobs.len());
        }
    };
    thread::scope(|scope| {
        for _ in 1..effort.threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    let sights = sights.into_inner().unwrap_or_else(PoisonError::into_inner);
    let sights: Vec<Sight> = sights.into_iter().collect::<Option<_>>()?;
    let samplers = Sampler::ALL.iter().zip(sights.chunks(effort.seeds as usize));
    Some(artifact::CalibratedInstance {
        states: reachable.states.len() as u64,
        abstract_states: reachable.abstract_states.len() as u64,
        depth: reachable.depth,
        walk_events: walk_events(reachable),
        strangers: sights.iter().map(|sight| sight.strangers).sum(),
        samplers: samplers.map(|(sampler, sights)| sampled(*sampler, sights, reachable, effort)).collect(),
        ..artifact::CalibratedInstance::default()
    })
}

/// What the seeds of one sampler come to.
fn sampled(
    sampler: Sampler,
    sights: &[Sight],
    reachable: &Reachable,
    effort: &Effort<'_>,
) -> artifact::CalibratedSampler {
    let all = [reachable.states.len(), reachable.abstract_states.len()];
    let point = |(place, events): (usize, &u64)| artifact::CalibrationPoint {
        events: *events,
        states: shares(sights.iter().map(|sight| sight.states[place]), all[0]),
        abstract_states: shares(sights.iter().map(|sight| sight.abstract_states[place]), all[1]),
    };
    artifact::CalibratedSampler {
        sampler: sampler.name().to_owned(),
        default: sampler == Sampler::DEFAULT,
        points: effort.budgets.iter().enumerate().map(point).collect(),
    }
}

fn shares(looks: impl Iterator<Item = Look>, all: usize) -> Seen {
    let mut shares = Seen::default();
    for look in looks {
        shares.share.push(look.seen as f64 / all as f64);
        if let Some(claimed) = look.claimed.filter(|_| look.visits > 0) {
            shares.claimed.push(claimed);
            shares.came_true.push(look.new as f64 / look.visits as f64);
        }
    }
    shares
}
