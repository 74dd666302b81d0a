//! Instances whose worlds are told apart only where they differ in more than the names of nodes.
//!
//! An event whose messages find no room in flight leads out of bounds here, instead of losing some of them: which
//! ones would depend on names.
//!
//! The engine of our own visits one world of each orbit: of all that can be renamed into each other. What it
//! visits is a world that was reached, not a renamed one, so that a counterexample plays as it is; orbits lie as
//! far from the start as their worlds, so that it is as short as possible. That nodes are alike is checked as the
//! search goes on: of the first [`SAMPLE`] events, and of every [`SAMPLE`]th from then on, it is asked whether they do the
//! same under other names, and a search in which one does not is worth nothing, and says so.
//!
//! Stateright's search breadth first ignores symmetry, and is not used here.
//!
//! Verified by `tests/it/symmetry.rs`: as many orbits as a search over all worlds finds, the same verdicts and
//! depths, and a protocol that is not symmetric.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use reports::artifact::Finding;
use swarm_protocol::{Properties, Rename, Symmetric, Violation};
use swarm_simulator::world::{Known, Orbits, unlike};
use swarm_simulator::{Event, Setup, Subject, World};

use crate::actions::Kind;
use crate::adapter::Space;
use crate::engine::{System, Unusable};
use crate::instance::{Check, Head, Instance, Pinned, Verdict};
use crate::search::{Engine, Limits, Progress, search_system};

/// One event of so many is looked at under other names, and each of the first so many.
pub const SAMPLE: u64 = 256;

/// How many parts of worlds have their hashes kept: some tens of megabytes for three nodes.
const PARTS_MAX: usize = 1 << 18;

/// The property that nodes do the same under other names.
pub const SYMMETRY: &str = "symmetry";

/// A space of worlds up to renaming.
pub struct Quotient<'a, P: Subject + 'static, Q: 'static> {
    space: &'a Space<P, Q>,
    orbits: Orbits,
    /// How many events happened.
    happened: AtomicU64,
    /// How many worlds there are in the orbits that were met.
    worlds: AtomicU64,
    /// The first that was seen to do something else under other names.
    asymmetric: OnceLock<String>,
}

impl<'a, P, Q> Quotient<'a, P, Q>
where
    P: Subject + Symmetric + 'static,
    Q: Properties<P> + Eq + Hash + Rename + 'static,
{
    /// The worlds of `space` up to renaming.
    pub fn new(space: &'a Space<P, Q>) -> Self {
        let orbits = Orbits::new(space.setup(), PARTS_MAX);
        let (happened, worlds) = (AtomicU64::new(0), AtomicU64::new(0));
        Quotient { space, orbits, happened, worlds, asymmetric: OnceLock::new() }
    }

    /// The same worlds, names told apart.
    pub fn told_apart(space: &'a Space<P, Q>) -> Self {
        let orbits = Orbits::told_apart(space.setup());
        Quotient { orbits, ..Quotient::new(space) }
    }

    /// How many worlds there are in the orbits that were met: as many as a search that tells names apart visits.
    pub fn worlds(&self) -> u64 {
        self.worlds.load(Ordering::Relaxed)
    }

    /// Why nodes are not alike, if that was seen.
    pub fn asymmetric(&self) -> Option<&str> {
        self.asymmetric.get().map(String::as_str)
    }

    /// Looks at an event under other names, now and then.
    fn sample(&self, before: &World<P, Q>, event: &Event<P>, after: &World<P, Q>) {
        // Relaxed: a count.
        let number = self.happened.fetch_add(1, Ordering::Relaxed);
        let chosen = number < SAMPLE || number.is_multiple_of(SAMPLE);
        // The first renaming changes nothing.
        let [_, renamings @ ..] = self.orbits.names() else { return };
        if !chosen || renamings.is_empty() || self.asymmetric.get().is_some() {
            return;
        }
        let turn = if number < SAMPLE { number } else { number / SAMPLE };
        let names = &renamings[turn as usize % renamings.len()];
        if !before.does_the_same(self.space.setup(), event, after, names) {
            self.asymmetric.get_or_init(|| format!("`{event:?}` does something else under {names:?}"));
        }
    }
}

impl<P, Q> System for Quotient<'_, P, Q>
where
    P: Subject + Symmetric + 'static,
    Q: Properties<P> + Eq + Hash + Rename + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    type State = World<P, Q>;
    type Event = Event<P>;

    fn identity(&self) -> String {
        format!("{} up to renaming", self.space.identity())
    }

    fn initial(&self) -> Vec<World<P, Q>> {
        self.space.initial()
    }

    fn events(&self, state: &World<P, Q>, out: &mut Vec<Event<P>>) {
        self.space.events(state, out);
    }

    fn after(&self, state: &World<P, Q>, event: &Event<P>, depth: u32) -> Option<World<P, Q>> {
        // Asked first: what is out of bounds reaches no mark.
        let consequences = state.consequences(self.space.setup(), event, self.space.known());
        if consequences.is_some_and(|consequences| consequences.crowded) {
            return None;
        }
        let next = self.space.after(state, event, depth)?;
        self.sample(state, event, &next);
        Some(next)
    }

    fn fingerprint(&self, state: &World<P, Q>) -> u64 {
        state.canonical(&self.orbits)
    }

    fn violation(&self, state: &World<P, Q>) -> Option<Violation> {
        self.space.violation(state)
    }

    fn met(&self, state: &World<P, Q>, _depth: u32) {
        // Relaxed: a sum, read when all threads have ended.
        self.worlds.fetch_add(state.orbit_size(&self.orbits) as u64, Ordering::Relaxed);
    }

    fn noted(&self) -> BTreeMap<String, u32> {
        self.space.noted()
    }

    fn note(&self, noted: &BTreeMap<String, u32>) {
        self.space.note(noted);
    }

    fn kind_number(&self, event: &Event<P>) -> u64 {
        self.space.kind_number(event)
    }

    fn kind(&self, event: &Event<P>) -> Kind {
        self.space.kind(event)
    }
}

/// An instance that is searched up to renaming.
pub struct Alike<P: Subject + 'static, Q: 'static> {
    /// The instance. Pinned is what the search up to renaming comes to.
    pub instance: Instance<P, Q>,
    /// How many worlds there are, names told apart.
    pub worlds: u64,
}

/// The bound under which artifacts say how many worlds there are, names told apart.
pub const WORLDS: &str = "worlds, names told apart";

/// The engine, as reports name it.
pub const ENGINE: &str = "swarmproof, level by level, up to renaming";

impl<P, Q> Check for Alike<P, Q>
where
    P: Subject<Config: Clone> + Symmetric + 'static,
    Q: Properties<P> + Eq + Hash + Rename + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    fn head(&self) -> &dyn Head {
        &self.instance
    }

    /// The engine of our own searches it, whatever is asked for, and leaves no checkpoints.
    fn check(
        &self,
        _engine: Engine,
        limits: &Limits<'_>,
        command: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Verdict, Unusable> {
        if let Some(reason) = unlike(&(self.instance.setup)()) {
            return Err(Unusable::new(SYMMETRY, reason));
        }
        let space = self.instance.space();
        let quotient = Quotient::new(&space);
        let found = search_system(&quotient, &space, limits, None, progress)?;
        let mut verdict = self.instance.judge(&found, limits, command);
        let asymmetric = quotient.asymmetric().map(|reason| Finding::new(SYMMETRY, reason.to_owned()));
        verdict.findings.extend(asymmetric);
        let worlds = quotient.worlds();
        if found.is_complete() && self.instance.pinned != Pinned::NOTHING && worlds != self.worlds {
            let detail = format!("{}: {worlds} {WORLDS}, pinned is {}", self.instance.name, self.worlds);
            verdict.findings.push(Finding::new("pinned_counts", detail));
        }
        ENGINE.clone_into(&mut verdict.instance.engine);
        let bounds = &mut verdict.instance.bounds;
        bounds.insert(WORLDS.to_owned(), worlds.to_string());
        bounds.insert("messages without room".to_owned(), "out of bounds".to_owned());
        Ok(verdict)
    }
}
