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
//! **Phases.** First faults strike, as the [`Profile`] allows and the seed draws. Then everything is
//! healed and every client must complete an operation in time: otherwise `progress` is violated.
//!
//! **What is judged.** After each step the protocol's own `assert_invariants`, and
//! [`Properties::after_step`]; every [`Simulation::full_every`] steps and at the end
//! [`Properties::full`]; at the end the history must be linearizable. A panic is a violation.
//!
//! **Flushes.** A node is flushed right after each input, as in a world whose flushes are eager; where
//! the seed switches [`Fault::Batching`] on, some time after the first input since the last flush, as in
//! one whose flushes are deferred.
//!
//! **Disks.** One sync is under way at a time and takes along what was written when it began: what is
//! written meanwhile waits for the next (group commit). A crash keeps a random prefix of what was not
//! synced.
//!
//! Verified by `tests/it/simulation.rs`: equal seeds give equal runs and traces, traces play in a world to
//! equal nodes, and flawed protocols are found. Not modelled: corrupted messages, lost disks, Byzantine
//! nodes, and retirement of records: compaction alone, before some boots, shortens disks.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::Mutex;

use swarm_protocol::{OpId, Properties, Service, Stream, Ticks, Violation};

use crate::history::History;
#[cfg(doc)]
use crate::profile::Fault;
use crate::profile::{Conditions, Pace, Profile};
use crate::world::{FlushMode, Identical, Perform, SyncMode};
use crate::{Bounds, Event, Setup};

mod clients;
mod engine;
mod faults;
mod host;
mod network;
mod shrunk;

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
    /// Plus the number of the fault.
    pub(crate) const FAULT: u64 = 16;
}

/// The property that every client completes an operation in time once everything is healed.
pub const PROGRESS: &str = "progress";

/// What to simulate; a seed makes a run of it.
pub struct Simulation<P: Service, Q> {
    /// What all nodes agree on.
    pub config: P::Config,
    /// The size of the cluster.
    pub nodes: u32,
    /// How many clients ask for operations, one at a time each.
    pub clients: u32,
    /// What a client asks for next.
    pub workload: fn(&mut Stream) -> P::Op,
    /// Does a task that a node submits. Without it, submitting one is a violation.
    pub perform: Option<Perform<P>>,
    /// Which faults may strike.
    pub profile: Profile,
    /// How fast everything goes.
    pub pace: Pace,
    /// How many nodes may be down at a time.
    pub down_max: u32,
    /// How many operations clients ask for while faults go on; one that is not taken counts once.
    pub operations_max: u32,
    /// After how many steps a run is cut short, without a verdict on progress.
    pub steps_max: u64,
    /// How many messages may be in flight; what is sent beyond is lost.
    pub in_flight_max: u32,
    /// Every how many steps the properties are judged from scratch.
    pub full_every: u64,
    properties: PhantomData<fn() -> Q>,
}

impl<P: Service, Q: Properties<P>> Simulation<P, Q> {
    /// A cluster of `nodes` with three clients, of which a minority may be down, without faults.
    ///
    /// # Panics
    /// If there are no nodes, or more than 1024.
    pub fn new(config: P::Config, nodes: u32, workload: fn(&mut Stream) -> P::Op) -> Self {
        assert!((1..=1024).contains(&nodes), "1 to 1024 nodes, not {nodes}");
        Simulation {
            config,
            nodes,
            clients: 3,
            workload,
            perform: None,
            profile: Profile::CALM,
            pace: Pace::default(),
            down_max: (nodes - 1) / 2,
            operations_max: 2000,
            steps_max: 10_000_000,
            in_flight_max: 100_000,
            full_every: 100_000,
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

    /// Sets the number of clients.
    pub fn clients(mut self, clients: u32) -> Self {
        self.clients = clients;
        self
    }

    /// The run of `seed`.
    pub fn run(&self, seed: u64) -> Run {
        engine::Engine::new(self, seed, false).run().run
    }

    /// The run of `seed`, with everything that happened in it.
    pub fn trace(&self, seed: u64) -> Traced<P> {
        engine::Engine::new(self, seed, true).run()
    }

    /// The runs of `seeds` on `threads` threads, until all are done or `stop` is set, which lets runs
    /// under way end. `each` is called with every run as it ends, on the thread that ran it, in no
    /// particular order; the summary depends on the seeds run alone.
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
        // Relaxed: the counter hands out numbers and orders nothing else; the flag is a request that
        // may be seen late. Summaries are handed over by the lock and by joining the threads.
        let next = AtomicU64::new(seeds.start);
        let summary = Mutex::new(Summary::default());
        let work = || {
            let mut own = Summary::default();
            while !stop.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    break;
                }
                let run = self.run(seed);
                each(&run);
                own.add(run);
            }
            summary.lock().expect("no thread panics while it merges").merge(own);
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.max(1) {
                scope.spawn(work);
            }
            work();
        });
        summary.into_inner().expect("no thread panicked while it merged")
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
    /// What went wrong first.
    pub violation: Option<Violation>,
}

/// A run and everything that happened in it.
pub struct Traced<P: Service> {
    /// Its result.
    pub run: Run,
    /// Every event with its time, in order; first boots are not among them. Empty if not asked for.
    pub trace: Vec<(Ticks, Event<P>)>,
    /// What clients asked and were told.
    pub history: History<P::Spec>,
    /// The nodes at the end, `None` for those that are down.
    pub nodes: Vec<Option<P>>,
    /// What clients asked for, what was not taken once.
    workload: Vec<P::Op>,
    /// By the number of an operation, its number in the workload.
    names: Vec<OpId>,
}

impl<P: Service> Traced<P> {
    /// The same run for a [`crate::World`]: a setup that allows it, and its events, to be played, shrunk
    /// and printed as a scenario. In a world an operation that was not taken is asked for again under its
    /// old name, so operations go by other names there. Clocks stand still, and tasks are not done.
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
        let setup = Setup::new(config, self.nodes.len() as u32);
        let renamed = |event: &Event<P>| match event {
            Event::Invoke { at, id, op } => {
                Event::Invoke { at: *at, id: self.names[id.0 as usize], op: op.clone() }
            }
            other => other.clone(),
        };
        let events = self.trace.iter().map(|(_, event)| renamed(event)).collect();
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

/// How many violating runs a summary keeps: those with the lowest seeds.
pub const VIOLATIONS_KEPT: usize = 16;

/// What many seeds came to, independent of the order in which they ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many runs.
    pub runs: u64,
    /// How many steps all of them took.
    pub steps: u64,
    /// The sum of the digests of all runs.
    pub digest: u64,
    /// Virtual time of all runs.
    pub time: Ticks,
    /// See [`Run::events`].
    pub events: Counts,
    /// See [`Run::faults`].
    pub faults: Counts,
    /// See [`Run::marks`].
    pub marks: Counts,
    /// See [`Run::refusals`].
    pub refusals: Counts,
    /// See [`Run::completed`].
    pub completed: u64,
    /// See [`Run::open`].
    pub open: u64,
    /// See [`Run::not_taken`].
    pub not_taken: u64,
    /// How many runs there were of each time from healing to the first answer, in milliseconds rounded
    /// down.
    pub recovery_millis: BTreeMap<u64, u64>,
    /// How many runs were cut short.
    pub cut_short: u64,
    /// How many histories were too hard to judge.
    pub undecided: u64,
    /// How many runs violated a property, by property.
    pub violated: Counts,
    /// The violating runs with the lowest seeds, in order, [`VIOLATIONS_KEPT`] at most.
    pub violations: Vec<Run>,
}

fn add_counts(sum: &mut Counts, more: &Counts) {
    for (name, count) in more {
        *sum.entry(name).or_default() += count;
    }
}

impl Summary {
    /// Takes a run in.
    pub fn add(&mut self, run: Run) {
        self.runs += 1;
        self.steps += run.steps;
        self.digest = self.digest.wrapping_add(run.digest);
        self.time = self.time + run.time;
        add_counts(&mut self.events, &run.events);
        add_counts(&mut self.faults, &run.faults);
        add_counts(&mut self.marks, &run.marks);
        add_counts(&mut self.refusals, &run.refusals);
        self.completed += u64::from(run.completed);
        self.open += u64::from(run.open);
        self.not_taken += u64::from(run.not_taken);
        if let Some(recovery) = run.recovery {
            *self.recovery_millis.entry(recovery.0 / 1000).or_default() += 1;
        }
        self.cut_short += u64::from(run.cut_short);
        self.undecided += u64::from(run.undecided);
        if let Some(violation) = &run.violation {
            *self.violated.entry(violation.property).or_default() += 1;
            self.violations.push(run);
            self.keep_lowest();
        }
    }

    /// Takes the runs of another summary in.
    pub fn merge(&mut self, other: Summary) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.digest = self.digest.wrapping_add(other.digest);
        self.time = self.time + other.time;
        add_counts(&mut self.events, &other.events);
        add_counts(&mut self.faults, &other.faults);
        add_counts(&mut self.marks, &other.marks);
        add_counts(&mut self.refusals, &other.refusals);
        self.completed += other.completed;
        self.open += other.open;
        self.not_taken += other.not_taken;
        for (millis, runs) in other.recovery_millis {
            *self.recovery_millis.entry(millis).or_default() += runs;
        }
        self.cut_short += other.cut_short;
        self.undecided += other.undecided;
        add_counts(&mut self.violated, &other.violated);
        self.violations.extend(other.violations);
        self.keep_lowest();
    }

    fn keep_lowest(&mut self) {
        self.violations.sort_by_key(|run| run.seed);
        self.violations.truncate(VIOLATIONS_KEPT);
    }

    /// The time from healing to the first answer that a share of `per_mille` of the runs kept within, in
    /// milliseconds; `None` if no run recovered.
    pub fn recovery_quantile(&self, per_mille: u64) -> Option<u64> {
        let runs: u64 = self.recovery_millis.values().sum();
        let mut left = (runs * per_mille).div_ceil(1000).max(1);
        self.recovery_millis.iter().find_map(|(millis, count)| {
            left = left.saturating_sub(*count);
            (left == 0).then_some(*millis)
        })
    }
}
