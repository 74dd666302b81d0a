//! Named setups with what is known of them: how far to look, what must be reached, what must be found, and
//! how many states there are.
//!
//! A search that comes to another count than the pinned one is a finding, as is a mark that was not reached:
//! a model in which less happens than before checks less than before. Verified by `tests/it/instances.rs`,
//! where each kind of finding is provoked.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reports::artifact::{self, Finding, PropertyResult};
use reports::command_line::grouped;
use swarm_protocol::Properties;
use swarm_simulator::shrink::Ways;
use swarm_simulator::world::{Collapse, FlushMode, Known, SyncMode};
use swarm_simulator::{Bounds, Event, Setup, Subject, World};

use crate::adapter::{Goal, Space};
use crate::calibration::{self, Reachable, Without};
use crate::engine::Unusable;
use crate::search::{Engine, Found, Limits, Progress, Stopped, search, search_by_levels};
use crate::{actions, explore, finding};

/// A setup to be searched, and what is known of it.
pub struct Instance<P: Subject + 'static, Q: 'static> {
    /// Lower-case words with dashes: `closed-pre-vote`.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    /// What the function `within` of the setup says, for people: `terms up to 1`.
    pub boundary: &'static str,
    /// Makes the setup.
    pub setup: fn() -> Setup<P>,
    /// States further away are not visited.
    pub depth_max: Option<u32>,
    /// Marks that some execution must reach.
    pub marks: &'static [&'static str],
    /// Worlds that must be reached.
    pub goals: &'static [Goal<P, Q>],
    /// The property that the search must find broken: the instance shows that it can be.
    pub breaks: Option<&'static str>,
    /// What the search comes to.
    pub pinned: Pinned,
}

/// How large the state space of an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Distinct states.
    pub states: u64,
    /// States generated, repetitions included.
    pub generated: u64,
    /// The depth of the deepest.
    pub depth: u32,
}

impl Pinned {
    /// Nothing is pinned yet: whatever a search comes to is right. No space has no states.
    pub const NOTHING: Pinned = Pinned { states: 0, generated: 0, depth: 0 };
}

/// The property that every kind of event that an instance has room for happens in it.
pub const ACTION_COVERAGE: &str = "action_coverage";

/// What became of an instance.
#[derive(Debug)]
pub struct Verdict {
    /// For the artifact.
    pub instance: artifact::Instance,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The execution that the instance was there to find.
    pub shown: Option<Finding>,
    /// Whether the search was ended from outside.
    pub interrupted: bool,
}

/// What every way to check an instance says of it alike.
pub trait Head {
    /// Its name.
    fn name(&self) -> &'static str;

    /// The type that is checked, as the compiler calls it.
    fn subject(&self) -> &'static str;

    /// What it shows.
    fn about(&self) -> &'static str;

    /// Serves it to a browser until the process ends.
    ///
    /// # Errors
    /// If nothing can listen at the address.
    fn explore(&self, address: SocketAddr) -> io::Result<()>;
}

/// An instance of any protocol, and how it is checked.
pub trait Check: Sync {
    /// The instance.
    fn head(&self) -> &dyn Head;

    /// Its name.
    fn name(&self) -> &'static str {
        self.head().name()
    }

    /// The type that is checked, as the compiler calls it.
    fn subject(&self) -> &'static str {
        self.head().subject()
    }

    /// What it shows.
    fn about(&self) -> &'static str {
        self.head().about()
    }

    /// Serves it to a browser until the process ends.
    ///
    /// # Errors
    /// If nothing can listen at the address.
    fn explore(&self, address: SocketAddr) -> io::Result<()> {
        self.head().explore(address)
    }

    /// Lets `engine` search it, and judges what was found. `command` is what repeats the search.
    ///
    /// # Errors
    /// If the checkpoint in the folder of `limits` cannot be used, or none can be written.
    fn check(
        &self,
        engine: Engine,
        limits: &Limits<'_>,
        command: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Verdict, Unusable>;

    /// What samplers see of all that can be reached in it; see [`calibration`].
    ///
    /// # Errors
    /// Why that cannot be told.
    fn calibrate(
        &self,
        _effort: &calibration::Effort<'_>,
        _progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<artifact::CalibratedInstance, Without> {
        Err(Without::Reason("it is no set of worlds to be walked".to_owned()))
    }
}

impl<P, Q> Head for Instance<P, Q>
where
    P: Subject + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn subject(&self) -> &'static str {
        std::any::type_name::<P>()
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn explore(&self, address: SocketAddr) -> io::Result<()> {
        explore::serve(self.space(), address)
    }
}

impl<P, Q> Check for Instance<P, Q>
where
    P: Subject<Config: Clone> + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
    Collapse<P, Q>: Send + Sync,
{
    fn head(&self) -> &dyn Head {
        self
    }

    fn check(
        &self,
        engine: Engine,
        limits: &Limits<'_>,
        command: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Verdict, Unusable> {
        let found = match engine {
            Engine::Stateright => self.search(limits, progress),
            Engine::Own | Engine::OwnAsleep => {
                let checkpoint =
                    limits.checkpoints.map(|folder| folder.join(format!("{}.checkpoint", self.name)));
                let limits = Limits { sleep_sets: engine == Engine::OwnAsleep, ..*limits };
                search_by_levels(&self.space(), &limits, checkpoint.as_deref(), progress)?
            }
        };
        Ok(self.judge(&found, limits, command))
    }

    fn calibrate(
        &self,
        effort: &calibration::Effort<'_>,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<artifact::CalibratedInstance, Without> {
        if let Some(depth) = self.depth_max {
            return Err(Without::Reason(format!("it is cut off at a depth of {depth}")));
        }
        if self.pinned.states > calibration::STATES_MAX {
            return Err(Without::Reason(format!("it has {} states", grouped(self.pinned.states))));
        }
        let setup = (self.setup)();
        let reachable = Reachable::search::<P, Q>((self.setup)(), effort)?;
        let calibrated = calibration::calibrate::<P, Q>(&setup, &reachable, effort, progress);
        let calibrated = calibrated.ok_or(Without::Interrupted)?;
        let (name, bounds) = (self.name.to_owned(), self.bounds(&setup));
        Ok(artifact::CalibratedInstance { name, bounds, ..calibrated })
    }
}

impl<P, Q> Instance<P, Q>
where
    P: Subject + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    /// What the checker searches.
    pub fn space(&self) -> Space<P, Q> {
        Space::new((self.setup)(), self.depth_max, self.marks, self.goals)
    }

    /// Visits the states of the instance.
    pub fn search(&self, limits: &Limits<'_>, progress: impl FnMut(Progress)) -> Found<P> {
        search(self.space(), limits, progress)
    }
}

impl<P, Q> Instance<P, Q>
where
    P: Subject<Config: Clone> + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
{
    /// What a search of this instance says of it.
    pub fn judge(&self, found: &Found<P>, limits: &Limits<'_>, command: &str) -> Verdict {
        let setup = (self.setup)();
        let told = found.counterexample.as_ref().map(|found| {
            let comment = format!("{}: {}\n{}", self.name, self.about, found.violation);
            finding::of_world::<P, Q>(&setup, found, &Ways::default(), &comment, command)
        });
        let broken = found.counterexample.as_ref().map(|found| found.violation.property);
        let (mut findings, mut shown) = (Vec::new(), None);
        match (broken, self.breaks) {
            (Some(broken), Some(expected)) if broken == expected => shown = told,
            (Some(_), _) => findings.extend(told),
            (None, Some(expected)) if found.stopped != Some(Stopped::Interrupted) => {
                let detail = format!("{}: the search has not found what it was there to find", self.name);
                findings.push(Finding::new(expected, detail));
            }
            (None, _) => {}
        }
        // What was not visited cannot be held against the instance.
        let visited_all = matches!(found.stopped, None | Some(Stopped::DepthLimit));
        if visited_all {
            findings.extend(
                self.missed(found)
                    .map(|missed| Finding::new(missed, format!("{}: no execution reaches this", self.name))),
            );
            let idle = Self::actions(&setup, found).into_iter().filter(|action| action.fired == 0);
            findings.extend(idle.map(|action| {
                let detail = format!("{}: `{}` is allowed and never happens", self.name, action.event);
                Finding::new(ACTION_COVERAGE, detail)
            }));
        }
        // On one thread stateright's search for a counterexample is the same every time, too.
        let repeatable = found.engine == Engine::Stateright && found.threads == 1;
        let comparable = visited_all || (shown.is_some() && repeatable);
        if comparable && let Some(detail) = self.differs(found) {
            findings.push(Finding::new("pinned_counts", format!("{}: {detail}", self.name)));
        }
        Verdict {
            instance: self.record(&setup, found, limits),
            findings,
            shown,
            interrupted: found.stopped == Some(Stopped::Interrupted),
        }
    }

    fn missed<'a>(&'a self, found: &'a Found<P>) -> impl Iterator<Item = &'static str> + 'a {
        let goals = self.goals.iter().map(|goal| goal.name);
        self.marks.iter().copied().chain(goals).filter(|name| !found.marks.contains_key(name))
    }

    /// How the search differs from what is pinned, if it does. Stateright's depths are those of shortest paths
    /// on one thread alone.
    fn differs(&self, found: &Found<P>) -> Option<String> {
        let exact = found.engine.is_own() || found.threads == 1;
        let depth = if exact { found.depth } else { self.pinned.depth };
        // What sleeps is not generated.
        let generated =
            if found.engine == Engine::OwnAsleep { self.pinned.generated } else { found.generated };
        let seen = Pinned { states: found.states, generated, depth };
        (self.pinned != Pinned::NOTHING && seen != self.pinned).then(|| {
            format!(
                "the search came to {seen:?}, pinned is {:?}: more or less happens than before",
                self.pinned
            )
        })
    }

    fn record(&self, setup: &Setup<P>, found: &Found<P>, limits: &Limits<'_>) -> artifact::Instance {
        let broken =
            found.counterexample.as_ref().map(|found| (found.violation.property, found.events.len()));
        let always = Space::<P, Q>::names().map(|name| {
            let length = broken.filter(|(property, _)| *property == name).map(|(_, length)| length as u32);
            if self.breaks == Some(name) {
                PropertyResult::sometimes(&format!("{name} is broken"), length)
            } else {
                PropertyResult::always(name, length)
            }
        });
        let reached = found.marks.iter().map(|(name, depth)| PropertyResult::sometimes(name, Some(*depth)));
        let missed = self.missed(found).map(|name| PropertyResult::sometimes(name, None));
        artifact::Instance {
            name: self.name.to_owned(),
            engine: found.engine.name().to_owned(),
            bounds: self.bounds(setup),
            threads: found.threads as u32,
            states: found.states,
            generated: found.generated,
            depth: found.depth,
            complete: found.is_complete(),
            complete_depth: found.complete_depth,
            stopped: found.stopped.map(|stopped| stopped.name().to_owned()),
            cpu_s: found.cpu.unwrap_or(Duration::ZERO).as_secs_f64(),
            wall_s: found.wall.as_secs_f64(),
            peak_memory_bytes: (found.memory_peak_bytes > 0).then_some(found.memory_peak_bytes),
            memory_budget_bytes: Some(limits.memory_bytes),
            properties: always.chain(reached).chain(missed).collect(),
            levels: found.levels.clone(),
            footprint: found.footprint.clone(),
            actions: Self::actions(setup, found),
        }
    }

    /// What happened, by kind of event.
    fn actions(setup: &Setup<P>, found: &Found<P>) -> Vec<artifact::Action> {
        let knows_fresh = found.engine.is_own();
        found.actions.as_ref().map_or_else(Vec::new, |counts| actions::record(counts, knows_fresh, setup))
    }

    /// What bounds the instance, in words.
    pub(crate) fn bounds(&self, setup: &Setup<P>) -> BTreeMap<String, String> {
        let bounds = &setup.bounds;
        let mut words = BTreeMap::from([
            ("nodes", setup.nodes().to_string()),
            ("commands", setup.workload.len().to_string()),
            ("crashes", bounds.crashes.to_string()),
            ("duplicates", bounds.duplicates.to_string()),
            ("losses by event", bounds.drops.to_string()),
            ("messages in flight", bounds.in_flight.to_string()),
            ("boundary", self.boundary.to_owned()),
            ("writes", sync_words(bounds.sync).to_owned()),
            ("batches", flush_words(bounds.flush).to_owned()),
        ]);
        if bounds.timeouts < Bounds::default().timeouts {
            words.insert("timeouts", bounds.timeouts.to_string());
        }
        if let Some(depth) = self.depth_max {
            words.insert("events", depth.to_string());
        }
        words.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

const fn sync_words(sync: SyncMode) -> &'static str {
    match sync {
        SyncMode::Eager => "durable at once",
        SyncMode::Whole => "durable by an event, all at once",
        SyncMode::Prefix => "durable by an event, any number",
        SyncMode::Blocking => "durable by an event, for which the node waits",
    }
}

const fn flush_words(flush: FlushMode) -> &'static str {
    match flush {
        FlushMode::Eager => "leave at once",
        FlushMode::Deferred => "leave by an event",
    }
}
