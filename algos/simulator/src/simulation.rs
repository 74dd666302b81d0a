//! A cluster in virtual time: latencies, slow disks, crashes, partitions, clients, all from one seed.
//!
//! Where a [`crate::World`] has every event that could happen, a simulation has the one that happens
//! next: a queue of things due, ordered by time, drives the same [`Protocol`] values millions of steps
//! far. An event means what it means in a world, so the trace of a run can be played there, shrunk, and
//! printed as a scenario ([`Traced::in_world`], [`Traced::shrunk`]).
//!
//! **A seed is a run.** Every draw comes from a counter-based [`Stream`] that is keyed by seed, purpose
//! and ordinal (the message, the timer, the fault), never from a shared generator; queues break ties by
//! the order of scheduling; nothing iterates over hashed collections. So a seed gives the same run on any
//! machine, on any number of threads, with and without optimisation, and [`Run::digest`] says so.
//!
//! **Phases.** First faults strike, as the [`Profile`] allows and the seed draws. Then a legal core is healed,
//! in one run of two no more than the protocol says is enough, and every client must complete an operation in
//! time: otherwise `progress` is violated.
//!
//! **The fault atlas.** A protocol is judged under its [`Assumption`] alone. Every fault asks before it
//! strikes, and every run carries an [`Account`] of what was injected, with a verdict: a run that went outside,
//! as those of [heedless](Profile::heedless) profiles may, says nothing, and what it violates is no finding.
//!
//! **What is judged.** After each step the protocol's own `assert_invariants`, and
//! [`Properties::after_step`]; every [`Simulation::full_every`] steps and at the end
//! [`Properties::full`]; at the end the history must be linearizable. A panic is a violation.
//!
//! **Flushes.** A node that needs it is flushed right after each input, as in a world whose flushes are eager; where
//! the seed switches [`Fault::Batching`] on, some time after the first input since the last flush, as in
//! one whose flushes are deferred.
//!
//! **Disks.** One sync is under way at a time and takes along what was written when it began: what is
//! written meanwhile waits for the next (group commit). A crash keeps some of what was not synced: the oldest
//! writes, or any, the last of them torn, as faults say. What a node boots from is what its journal makes of
//! that by its reading [`Rule`], which is judged too ([`JOURNAL`]); a node whose journal refuses stays down.
//!
//! **Determinism** is not taken on trust: in a campaign one seed in a hundred is run twice, and the first
//! event in which the two differ is a violation ([`DETERMINISM`]).
//!
//! Verified by `tests/it/simulation.rs`: equal seeds give equal runs and traces, traces play in a world to
//! equal nodes, and flawed protocols are found; by `faults.rs`, `disks.rs`, `atlas.rs` and `healing.rs` there,
//! each for its subject. `byzantine.rs` looks at nodes that lie. Not modelled: corrupted messages, and retirement
//! of records: compaction alone shortens disks, now and then. A world cannot follow a run in which a disk
//! forgot what it had acknowledged, a wiped node came back, or an adversary spoke.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Range, RangeInclusive};
use core::sync::atomic::AtomicBool;
use std::collections::BTreeMap;

use swarm_protocol::{NodeId, OpId, Properties, Protocol, Service, Stream, Ticks, Violation, mix};

use crate::coverage::Coverage;
use crate::history::History;
#[cfg(doc)]
use crate::profile::Fault;
use crate::profile::{Conditions, Pace, Profile};
use crate::world::{FlushMode, Identical, Perform, SyncMode};
use crate::{Bounds, Event, Setup};

mod adversary;
mod atlas;
mod breakage;
mod campaign;
mod clients;
mod disk;
mod engine;
mod faults;
mod healing;
mod host;
pub mod ledger;
mod links;
mod network;
mod rewound;
mod shrunk;
pub mod smaller;
mod staged;
#[cfg(test)]
mod testing;

pub use self::adversary::{Adversary, Equivocator, Make, Outbox, Replayer, Silent, Withholder, named};
pub use self::atlas::{Account, Assumption};
pub use self::campaign::{Summary, VIOLATIONS_KEPT, campaign};
pub use self::disk::{Frame, JOURNAL, Journal, Reading, Rule, checksummed};
pub use self::rewound::Rewound;
pub use self::staged::{Arrival, Cut, Stage};

/// The purposes of draws. Recorded seeds depend on these numbers.
pub(crate) mod purpose {
    pub(crate) const CONDITIONS: u64 = 1;
    pub(crate) const CHOICE: u64 = 2;
    pub(crate) const TIMER: u64 = 3;
    pub(crate) const MESSAGE: u64 = 4;
    pub(crate) const LINK: u64 = 5;
    pub(crate) const SYNC: u64 = 6;
    pub(crate) const BATCH: u64 = 7;
    pub(crate) const CLIENT: u64 = 8;
    pub(crate) const WORKLOAD: u64 = 9;
    pub(crate) const CLOCK: u64 = 10;
    pub(crate) const AMBUSH: u64 = 11;
    pub(crate) const COVERAGE: u64 = 12;
    pub(crate) const FLAP: u64 = 48;
    pub(crate) const CORE: u64 = 49;
    pub(crate) const LIARS: u64 = 50;
    pub(crate) const LIE: u64 = 51;
    pub(crate) const SWARM: u64 = 52;
    pub(crate) const STAGE: u64 = 53;
    /// Plus the number of the fault.
    pub(crate) const FAULT: u64 = 16;
}

/// The property that every client completes an operation in time once everything is healed.
pub const PROGRESS: &str = "progress";

/// The property that a seed comes to the same run again.
pub const DETERMINISM: &str = "determinism";

/// One seed in so many is run twice.
pub const REPEAT_EVERY: u64 = 100;

/// One way in which clients ask.
pub type Workload<P> = fn(&mut Stream) -> <P as Protocol>::Op;

/// What to simulate; a seed makes a run of it.
pub struct Simulation<P: Service, Q> {
    /// What all nodes agree on.
    pub config: P::Config,
    /// The size of the cluster.
    pub nodes: u32,
    /// How many clients ask for operations, one at a time each: from so many to so many, as the seed draws.
    pub clients: RangeInclusive<u32>,
    /// What a client asks for next, in one of these ways, of which the seed draws one.
    pub workloads: Vec<Workload<P>>,
    /// Does a task that a node submits. Without it, submitting one is a violation.
    pub perform: Option<Perform<P>>,
    /// Which faults may strike.
    pub profile: Profile,
    /// How fast everything goes.
    pub pace: Pace,
    /// What the protocol says that it can take.
    pub assumption: Assumption,
    /// Who may stand between a faulty node and the network, if [`Fault::Adversary`] strikes: nobody, unless
    /// set. [`named`] are those that need nothing of the protocol.
    pub adversaries: Vec<Make<P>>,
    /// How a node's journal reads what its disk gives back.
    pub journal: Rule,
    /// How many operations clients ask for while faults go on, at most; one that is not taken counts once.
    pub operations_max: u32,
    /// A seed draws how many, between this and the most: [`u32::MAX`] if it is always the most.
    pub operations_min: u32,
    /// After how many steps a run is cut short, without a verdict on progress.
    pub steps_max: u64,
    /// How many messages may be in flight; what is sent beyond is lost.
    pub in_flight_max: u32,
    /// Every how many steps the properties are judged from scratch.
    pub full_every: u64,
    /// One seed in so many tells what its run has covered, which costs time; 0 for none.
    pub cover_every: u64,
    /// Whether invariants, properties and the history are judged. Without, a run proves nothing but that
    /// clients make progress: this is for measuring what judging costs.
    pub judged: bool,
    properties: PhantomData<fn() -> Q>,
}

impl<P: Service<Config: Clone>, Q> Clone for Simulation<P, Q> {
    fn clone(&self) -> Self {
        Simulation {
            config: self.config.clone(),
            clients: self.clients.clone(),
            workloads: self.workloads.clone(),
            adversaries: self.adversaries.clone(),
            ..*self
        }
    }
}

impl<P: Service, Q: Properties<P>> Simulation<P, Q> {
    /// A cluster of `nodes` with three clients, without faults, for a protocol that assumes the most there is
    /// to assume ([`Assumption::crash_recovery`]).
    ///
    /// # Panics
    /// If there are no nodes, or more than 1024.
    pub fn new(config: P::Config, nodes: u32, workload: fn(&mut Stream) -> P::Op) -> Self {
        assert!((1..=1024).contains(&nodes), "1 to 1024 nodes, not {nodes}");
        Simulation {
            config,
            nodes,
            clients: 3..=3,
            workloads: vec![workload],
            perform: None,
            profile: Profile::CALM,
            pace: Pace::default(),
            assumption: Assumption::crash_recovery(nodes),
            adversaries: Vec::new(),
            journal: checksummed,
            operations_max: 2000,
            operations_min: u32::MAX,
            steps_max: 10_000_000,
            in_flight_max: 100_000,
            full_every: 100_000,
            cover_every: 0,
            judged: true,
            properties: PhantomData,
        }
    }

    /// Sets the profile.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets the pace.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Sets what the protocol can take.
    pub fn assumption(mut self, assumption: Assumption) -> Self {
        self.assumption = assumption;
        self
    }

    /// Sets the number of clients.
    pub fn clients(self, clients: u32) -> Self {
        self.clients_between(clients..=clients)
    }

    /// Lets each seed draw the number of clients.
    ///
    /// # Panics
    /// If the range is empty.
    pub fn clients_between(mut self, clients: RangeInclusive<u32>) -> Self {
        assert!(!clients.is_empty(), "no number of clients lies in {clients:?}");
        self.clients = clients;
        self
    }

    /// Lets each seed draw one of these ways of asking.
    ///
    /// # Panics
    /// If there are none.
    pub fn workloads(mut self, workloads: impl IntoIterator<Item = Workload<P>>) -> Self {
        self.workloads = workloads.into_iter().collect();
        assert!(!self.workloads.is_empty(), "clients ask for something");
        self
    }

    /// Lets each seed draw how many operations there are, from `least` on, a few as likely as many.
    pub fn operations_from(mut self, least: u32) -> Self {
        self.operations_min = least;
        self
    }

    /// Lets one seed in so many, drawn evenly, tell what its run has covered.
    pub fn cover_every(mut self, seeds: u64) -> Self {
        self.cover_every = seeds;
        self
    }

    /// Whether the run of `seed` tells what it has covered.
    pub(crate) const fn covers(&self, seed: u64) -> bool {
        // Neighbours differ in what else is drawn from a seed, such as the size of the cluster.
        self.cover_every > 0 && mix(seed ^ purpose::COVERAGE).is_multiple_of(self.cover_every)
    }

    /// The run of `seed`.
    pub fn run(&self, seed: u64) -> Run {
        engine::Engine::new(self, seed, false).run().run
    }

    /// The run of `seed`, with everything that happened in it.
    pub fn trace(&self, seed: u64) -> Traced<P> {
        engine::Engine::new(self, seed, true).run()
    }

    /// The run of `seed`; one seed in [`REPEAT_EVERY`] is run twice, and must come to the same.
    pub fn run_proved(&self, seed: u64) -> Run {
        let mut run = self.run(seed);
        run.repeated = seed.is_multiple_of(REPEAT_EVERY);
        if run.repeated {
            let again = Run { repeated: true, ..self.run(seed) };
            if again != run {
                run.violation = Some(Violation::new(DETERMINISM, self.first_difference(seed)));
            }
        }
        run
    }

    /// Where two runs of a seed part.
    fn first_difference(&self, seed: u64) -> String {
        let (one, other) = (self.trace(seed).trace, self.trace(seed).trace);
        let told = |trace: &[(Ticks, Event<P>)], place: usize| {
            trace.get(place).map_or("nothing".to_owned(), |(at, event)| format!("{event:?} at {at}"))
        };
        let parted = (0..one.len().max(other.len())).find(|place| told(&one, *place) != told(&other, *place));
        match parted {
            Some(place) => format!(
                "two runs of the seed part at event {place}: {} in one, {} in the other",
                told(&one, place),
                told(&other, place)
            ),
            None => "two runs of the seed came to different results, two more to the same trace".to_owned(),
        }
    }

    /// The runs of `seeds` on `threads` threads; see [`campaign`].
    pub fn campaign(
        &self,
        seeds: Range<u64>,
        threads: usize,
        stop: &AtomicBool,
        each: impl Fn(&Run) + Sync,
    ) -> Summary
    where
        P::Config: Sync,
    {
        campaign(|seed| self.run_proved(seed), seeds, threads, stop, each)
    }
}

/// How often each of some named things happened.
pub type Counts = BTreeMap<&'static str, u64>;

/// What one seed came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// What it drew.
    pub conditions: Conditions,
    /// What was injected, and whether it stayed inside the protocol's assumption. If it did not, the run
    /// says nothing: a violation of it is no finding.
    pub account: Account,
    /// How many inputs nodes took, boots and flushes not counted.
    pub steps: u64,
    /// A rolling hash of every event: its time, kind and place, and how much it made a node do.
    pub digest: u64,
    /// How much virtual time passed.
    pub time: Ticks,
    /// How often each kind of event happened, by the event's word.
    pub events: Counts,
    /// How often each fault struck.
    pub faults: Counts,
    /// How often nodes reached each of the places that they mark.
    pub marks: Counts,
    /// How often inputs were refused, by reason.
    pub refusals: Counts,
    /// How many nodes were healed, and had to make progress.
    pub core: u32,
    /// How many clients there were.
    pub clients: u32,
    /// How they asked, as an index of [`Simulation::workloads`].
    pub workload: u32,
    /// How many operations were answered.
    pub completed: u32,
    /// How many operations stayed without an answer.
    pub open: u32,
    /// How many operations were not taken.
    pub not_taken: u32,
    /// The time from healing to the next answered operation.
    pub recovery: Option<Ticks>,
    /// It ended by [`Simulation::steps_max`].
    pub cut_short: bool,
    /// The search for an order of the history gave up.
    pub undecided: bool,
    /// It was run twice, and compared.
    pub repeated: bool,
    /// What it has covered, if [`Simulation::cover_every`] asks.
    pub coverage: Option<Box<Coverage>>,
    /// What went wrong first.
    pub violation: Option<Violation>,
}

impl Run {
    /// Whether what it violated, if anything, is to be looked at: it stayed inside the protocol's assumption,
    /// or did not come to the same again, which no assumption excuses.
    pub fn is_finding(&self) -> bool {
        self.violation
            .as_ref()
            .is_some_and(|violation| self.account.is_inside() || violation.property == DETERMINISM)
    }
}

/// A run and everything that happened in it.
pub struct Traced<P: Service> {
    /// Its result.
    pub run: Run,
    /// Every event with its time, in order; first boots are not among them. Empty if not asked for.
    pub trace: Vec<(Ticks, Event<P>)>,
    /// A moment is something that was due, and all that came of it at once. For each, how many events of the trace
    /// had happened after it; a moment that was void added none.
    pub moments: Vec<u32>,
    /// What was done to nodes that no event tells of, with its time, in order. Empty if not asked for.
    pub injuries: Vec<(Ticks, Injury)>,
    /// The identities that were faulty.
    pub liars: Vec<NodeId>,
    /// Those of them that had a twin.
    pub twins: Vec<NodeId>,
    /// Which nodes were healed in the end; empty if the run did not come so far.
    pub core: Vec<bool>,
    /// What clients asked and were told.
    pub history: History<P::Spec>,
    /// The nodes at the end, `None` for those that are down; twins are not among them.
    pub nodes: Vec<Option<P>>,
    /// What clients asked for, what was not taken once.
    workload: Vec<P::Op>,
    /// By the number of an operation, its number in the workload.
    names: Vec<OpId>,
    /// How tasks were done.
    perform: Option<Perform<P>>,
}

/// Something done to a node that no event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injury {
    /// Its disk is gone.
    Wiped(NodeId),
    /// The durable record at a place of its journal will be given back as something else.
    Spoilt(NodeId, u32),
    /// Its disk is full.
    Full(NodeId),
    /// Its clock went forward, or back, by so many microseconds.
    Jumped(NodeId, i64),
}

impl<P: Service> Traced<P> {
    /// The same run for a [`crate::World`]: a setup that allows it, and its events, to be played, shrunk
    /// and printed as a scenario. In a world an operation that was not taken is asked for again under its
    /// old name, so operations go by other names there. Clocks stand still, and tasks are done at once.
    pub fn in_world(&self, config: P::Config) -> (Setup<P>, Vec<Event<P>>) {
        let batching = self.run.conditions.batching > Ticks::ZERO;
        let bounds = Bounds {
            crashes: u32::MAX,
            duplicates: u32::MAX,
            drops: u32::MAX,
            disk_failures: u32::MAX,
            in_flight: u32::MAX,
            identical: Identical::Count,
            flush: if batching { FlushMode::Deferred } else { FlushMode::Eager },
            sync: SyncMode::Prefix,
            ..Bounds::default()
        };
        let mut setup = Setup::new(config, self.nodes.len() as u32);
        // Operations stay open in a long run, and each may double the ways to explain what clients saw.
        setup.may_give_up = true;
        setup.perform = self.perform;
        let renamed = |event: &Event<P>| match event {
            Event::Invoke { at, id, op } => {
                Event::Invoke { at: *at, id: self.names[id.0 as usize], op: op.clone() }
            }
            other => other.clone(),
        };
        let events = self.trace.iter().map(|(_, event)| renamed(event)).collect();
        let setup = self.twins.iter().fold(setup, |setup, node| setup.twin(*node));
        (setup.workload(self.workload.iter().cloned()).bounds(bounds), events)
    }
}

impl<P: Service> fmt::Debug for Traced<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, event) in &self.trace {
            writeln!(f, "{at} {event:?}")?;
        }
        write!(f, "{:?}", self.run)
    }
}
