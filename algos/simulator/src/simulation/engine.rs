//! The loop: what is due next happens, nodes take it, and what they ask for is carried out.

mod choices;
mod due;
mod liars;
mod verdicts;

use swarm_protocol::{
    Choices, Effect, Effects, Input, NodeId, NodeSet, Properties, Purpose, Service, Stream, Ticks, Violation,
    WriteId, mix,
};

pub(super) use self::due::{Due, Kind, TIMERS_MAX};
use super::adversary::Liars;
use super::atlas::{Atlas, Harm};
use super::clients::Clients;
use super::faults::Outages;
use super::host::{Held, Host, Leaving, Look, Release};
use super::network::{Fate, Network};
use super::rewound::Rewound;
use super::staged::Stage;
use super::{Counts, Injury, PROGRESS, Run, Simulation, Traced, purpose};
use crate::consistency::{self, Judgement};
use crate::coverage::Recorder;
use crate::linearizability::MEMORY_MAX;
use crate::profile::{Conditions, Fault, Faults, Span};
use crate::queue::Queue;
use crate::world::{CONTRACT, PANIC};
use crate::{Event, EventClass, panics};

/// Counts by name; names are few and mostly the same text in memory.
#[derive(Default)]
struct Tally(Vec<(&'static str, u64)>);

impl Tally {
    fn add(&mut self, name: &'static str) {
        match self.0.iter_mut().find(|(other, _)| core::ptr::eq(*other, name)) {
            Some((_, count)) => *count += 1,
            None => self.0.push((name, 1)),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| *other == name)
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        for (name, count) in &self.0 {
            *counts.entry(name).or_default() += count;
        }
        counts
    }
}

/// The outcome of a task on its way back.
struct Task<P: Service> {
    node: NodeId,
    boot: u32,
    outcome: P::Outcome,
}

/// What the most usual draws of a seed have in common.
pub(super) struct Draws {
    choice: Purpose,
    timer: Purpose,
    sync: Purpose,
    batch: Purpose,
}

impl Draws {
    pub(super) const fn of(seed: u64) -> Self {
        Draws {
            choice: Purpose::new(seed, purpose::CHOICE),
            timer: Purpose::new(seed, purpose::TIMER),
            sync: Purpose::new(seed, purpose::SYNC),
            batch: Purpose::new(seed, purpose::BATCH),
        }
    }
}

/// How long a task takes.
const TASK: Ticks = Ticks(100);

pub(super) struct Engine<'a, P: Service, Q> {
    pub(super) simulation: &'a Simulation<P, Q>,
    pub(super) conditions: Conditions,
    pub(super) seed: u64,
    pub(super) draws: Draws,
    pub(super) now: Ticks,
    queue: Queue<Due>,
    pub(super) nodes: Vec<Option<P>>,
    pub(super) hosts: Vec<Host<P>>,
    pub(super) network: Network<P>,
    pub(super) clients: Clients<P>,
    pub(super) outages: Outages,
    pub(super) atlas: Atlas,
    /// Whom healing has reached; empty before.
    pub(super) core: Vec<bool>,
    injuries: Vec<(Ticks, Injury)>,
    /// Which of the workloads clients ask by.
    pub(super) workload: u32,
    pub(super) operations_max: u32,
    /// Who lies, if anybody does.
    pub(super) liars: Option<Box<Liars<P>>>,
    tasks: Vec<Option<Task<P>>>,
    /// Until when some node is held up.
    pub(super) held_until: Ticks,
    /// Shared by all nodes, one after the other.
    effects: Effects<P>,
    /// The list of effects that were carried out last: empty, with its room.
    obeyed: Vec<Effect<P>>,
    properties: Q,
    steps: u64,
    /// Steps, boots and flushes: the ordinal that choices are keyed by.
    turns: u64,
    timers_set: u64,
    syncs: u64,
    batches: u64,
    digest: u64,
    events: [u64; EventClass::ALL.len()],
    marks: Tally,
    refusals: Tally,
    cut_short: bool,
    /// Another future than that of the seed.
    pub(super) rewound: Option<Rewound>,
    /// Where the run begins and ends, if not as any other.
    pub(super) stage: Option<&'a Stage<P>>,
    /// How many messages took the stage's time so far.
    pub(super) staged: u64,
    trace: Option<Vec<(Ticks, Event<P>)>>,
    /// By moment, how many events had happened after it; only where there is a trace.
    moments: Vec<u32>,
    coverage: Option<Box<Recorder>>,
    /// What a panic at this place violates.
    phase: &'static str,
}

impl<'a, P: Service, Q: Properties<P>> Engine<'a, P, Q> {
    pub(super) fn new(simulation: &'a Simulation<P, Q>, seed: u64, tracing: bool) -> Self {
        let conditions = Conditions::draw(seed, simulation.profile, &simulation.pace);
        let mut atlas = Atlas::new(simulation.nodes, simulation.assumption, simulation.profile.heedless);
        let drift = conditions.drift_per_million;
        let most = if drift > 0 && atlas.permits(&[Harm::Drift(drift)]) { i64::from(drift) } else { 0 };
        let mut swarm = Stream::new(seed, purpose::SWARM, 0);
        let (few, many) = (*simulation.clients.start(), *simulation.clients.end());
        let clients = swarm.between(u64::from(few), u64::from(many)) as u32;
        let workload = swarm.below(simulation.workloads.len() as u64) as u32;
        let all = simulation.operations_max;
        let operations = Span::micros(u64::from(simulation.operations_min.min(all)), u64::from(all));
        let operations_max = operations.draw_scale(&mut swarm).0 as u32;
        let liars = liars::draw(simulation, seed, &conditions, &mut atlas);
        // Twins stand behind all nodes, each as far behind its sibling.
        let twins = liars.as_ref().is_some_and(|liars| !liars.twins().is_empty());
        let places = if twins { 2 * simulation.nodes } else { simulation.nodes };
        let damage = Faults::of(&[Fault::Misdirected, Fault::Corruption, Fault::Torn, Fault::Reordered]);
        let damage = conditions.faults.iter().any(|fault| damage.contains(fault));
        let host = |node: u32| {
            let mut stream = Stream::new(seed, purpose::CLOCK, u64::from(node));
            let drift = stream.below(2 * most.unsigned_abs() + 1).cast_signed() - most;
            Host::new(drift, stream.below(100 * most.unsigned_abs() + 1).cast_signed(), damage)
        };
        Engine {
            simulation,
            seed,
            draws: Draws::of(seed),
            now: Ticks::ZERO,
            queue: Queue::new(),
            nodes: (0..places).map(|_| None).collect(),
            hosts: (0..places).map(host).collect(),
            network: Network::new(places as usize, seed, &conditions),
            clients: Clients::new(clients),
            workload,
            operations_max,
            outages: Outages::new(),
            atlas,
            core: Vec::new(),
            injuries: Vec::new(),
            liars: liars.map(Box::new),
            tasks: Vec::new(),
            held_until: Ticks::ZERO,
            effects: Effects::new(Choices::script(Vec::new())),
            obeyed: Vec::new(),
            properties: Q::default(),
            steps: 0,
            turns: 0,
            timers_set: 0,
            syncs: 0,
            batches: 0,
            digest: 0,
            events: [0; EventClass::ALL.len()],
            marks: Tally::default(),
            refusals: Tally::default(),
            cut_short: false,
            rewound: None,
            stage: None,
            staged: 0,
            trace: tracing.then(Vec::new),
            moments: Vec::new(),
            coverage: simulation.covers(seed).then(|| Box::new(Recorder::new(simulation.nodes))),
            phase: PANIC,
            conditions,
        }
    }

    pub(super) fn run(mut self) -> Traced<P> {
        // Caught once around the whole run, so that a step pays nothing for it.
        let mut violation = match panics::catch(|| self.drive()) {
            Ok(Ok(())) => None,
            Ok(Err(violation)) => Some(violation),
            Err(message) => Some(Violation::new(self.phase, message)),
        };
        let mut undecided = false;
        if violation.is_none() && self.simulation.judged {
            match panics::catch(|| consistency::judge::<P>(&self.clients.history, MEMORY_MAX)) {
                Ok(Judgement::Holds) => {}
                Ok(Judgement::Violated(found)) => violation = Some(found),
                Ok(Judgement::Undecided) => undecided = true,
                Err(message) => violation = Some(Violation::new(PANIC, message)),
            }
        }
        let named = |names: &mut dyn Iterator<Item = (&'static str, u64)>| {
            names.filter(|(_, count)| *count > 0).collect::<Counts>()
        };
        let (workload, names) =
            if self.trace.is_some() { self.clients.work() } else { (Vec::new(), Vec::new()) };
        let clients = self.clients.len();
        let history = self.clients.history;
        let run = Run {
            seed: self.seed,
            conditions: self.conditions,
            account: self.atlas.account().clone(),
            steps: self.steps,
            digest: self.digest,
            time: self.now,
            events: named(&mut EventClass::ALL.iter().map(|class| class.name()).zip(self.events)),
            faults: named(&mut Fault::ALL.iter().map(|fault| fault.name()).zip(self.outages.struck)),
            marks: self.marks.counts(),
            refusals: self.refusals.counts(),
            core: self.core.iter().filter(|healed| **healed).count() as u32,
            clients,
            workload: self.workload,
            completed: history.completed(),
            open: history.open(),
            not_taken: history.struck_out(),
            recovery: self.clients.recovery,
            cut_short: self.cut_short,
            undecided,
            repeated: false,
            coverage: self.coverage.map(|coverage| Box::new(coverage.finish(&history, P::op_kind))),
            violation,
        };
        let trace = self.trace.unwrap_or_default();
        let (injuries, core, moments) = (self.injuries, self.core, self.moments);
        let identities = || (0..self.simulation.nodes).map(NodeId);
        let liars = identities().filter(|node| self.atlas.is_byzantine(*node)).collect();
        let twins = self.liars.map_or_else(Vec::new, |liars| liars.twins().iter().collect());
        let mut nodes = self.nodes;
        nodes.truncate(self.simulation.nodes as usize);
        let perform = self.simulation.perform;
        Traced { run, trace, moments, injuries, liars, twins, core, history, nodes, workload, names, perform }
    }

    fn drive(&mut self) -> Result<(), Violation> {
        for node in (0..self.simulation.nodes).map(NodeId) {
            if self.boots(node) {
                self.boot(node)?;
            }
        }
        for twin in self.liars.as_ref().map_or(NodeSet::EMPTY, |liars| liars.twins()).iter() {
            self.boot(NodeId(twin.0 + self.simulation.nodes))?;
        }
        self.start_clients();
        self.start_faults();
        if !self.set_the_stage() {
            self.schedule_after(self.simulation.pace.faults, Due::numbered(Kind::Heal, 0));
        }
        while let Some((at, due)) = self.queue.next() {
            if !self.goes_on_rewound(at) || self.stage.is_some_and(|stage| at > stage.until) {
                self.cut_short = true;
                break;
            }
            self.now = at;
            let happened = self.happen(due);
            if let Some(trace) = &self.trace {
                self.moments.push(trace.len() as u32);
            }
            happened?;
            if self.network.healed && self.clients.unsatisfied == 0 {
                break;
            }
            if self.stage.is_some_and(|stage| self.marks.has(stage.ends)) {
                break;
            }
            if self.steps >= self.simulation.steps_max {
                self.cut_short = true;
                break;
            }
        }
        self.cut_short |= self.stage.is_some_and(|stage| !self.marks.has(stage.ends));
        if self.simulation.judged { self.judge_from_scratch() } else { Ok(()) }
    }

    /// Part of the loop, of which this is most.
    #[inline(always)]
    fn happen(&mut self, due: Due) -> Result<(), Violation> {
        if self.now < self.held_until && self.waits(due) {
            return Ok(());
        }
        let (node, number) = (due.node(), due.number());
        match due.kind() {
            Kind::Message => self.arrive(number),
            Kind::Timer => {
                let (place, token) = (due.place(), number);
                match self.hosts[node.index()].look(place, token, self.now) {
                    Look::Nothing => Ok(()),
                    Look::Again(at) => {
                        self.queue.schedule(at, due);
                        Ok(())
                    }
                    Look::Out(timer) => {
                        let at = self.slot(node);
                        self.note(EventClass::Timeout, node, 0, || Event::Timeout { at, timer });
                        self.input(node, Input::Timeout(timer))
                    }
                }
            }
            Kind::Sync => self.sync(node, number),
            Kind::Flush => {
                let host = &mut self.hosts[node.index()];
                if host.boot != number {
                    return Ok(());
                }
                host.flush_due = false;
                if self.nodes[node.index()].as_ref().is_some_and(P::needs_flush) {
                    let at = self.slot(node);
                    self.note(EventClass::Flush, node, 0, || Event::Flush { at });
                    self.flush(node)?;
                }
                Ok(())
            }
            Kind::Task => match self.tasks[number as usize].take() {
                Some(task) if task.boot == self.hosts[task.node.index()].boot => {
                    self.input(task.node, Input::Done(task.outcome))
                }
                _ => Ok(()),
            },
            Kind::Restart => self.restart(node),
            Kind::Client => self.client_turn(number),
            Kind::Patience => {
                self.look_at(number);
                Ok(())
            }
            Kind::Fault => self.strike(due.fault()),
            Kind::Ambush => self.spring(node),
            Kind::Mend => self.mend(number),
            Kind::Heal => self.heal(),
            Kind::Deadline => {
                let (waiting, bound) = (self.clients.unsatisfied, self.simulation.pace.progress);
                let detail = format!("{waiting} clients completed nothing within {bound} of calm");
                Err(Violation::new(PROGRESS, detail))
            }
        }
    }

    /// Whether what is due concerns a node that is held up: then it is due when the node goes on.
    #[cold]
    fn waits(&mut self, due: Due) -> bool {
        let node = match due.kind() {
            Kind::Message => Some(self.network.destination(due.number())),
            Kind::Timer | Kind::Sync | Kind::Flush => Some(due.node()),
            Kind::Task => self.tasks[due.number() as usize].as_ref().map(|task| task.node),
            Kind::Client => self.clients.insists_on(due.number()),
            _ => None,
        };
        node.is_some_and(|node| self.postpones(node, due))
    }

    #[inline]
    pub(super) fn schedule_after(&mut self, pause: Ticks, due: Due) {
        self.queue.schedule(Ticks(self.now.0.saturating_add(pause.0)), due);
    }

    /// Notes that an event happens; `event` says which, if anybody wants to know.
    #[inline]
    pub(super) fn note(
        &mut self,
        class: EventClass,
        at: NodeId,
        detail: u64,
        event: impl FnOnce() -> Event<P>,
    ) {
        self.events[class as usize] += 1;
        let place = self.now.0 << 16 ^ u64::from(at.0) << 4 ^ class as u64;
        self.digest = mix(self.digest ^ place ^ detail.rotate_left(40));
        if let Some(trace) = &mut self.trace {
            trace.push((self.now, event()));
        }
    }

    /// Notes what no event tells of.
    pub(super) fn injure(&mut self, injury: Injury) {
        let (node, detail) = match injury {
            Injury::Wiped(node) => (node, 1),
            Injury::Full(node) => (node, 2),
            Injury::Spoilt(node, place) => (node, u64::from(place) << 2 | 3),
            Injury::Jumped(node, far) => (node, far.cast_unsigned() << 2),
        };
        self.digest = mix(self.digest ^ self.now.0 << 16 ^ u64::from(node.0) ^ detail.rotate_left(40));
        if self.trace.is_some() {
            self.injuries.push((self.now, injury));
        }
    }

    // What happens to a node.

    #[inline]
    fn arrive(&mut self, place: u32) -> Result<(), Violation> {
        let (to, last) = self.network.arrive(place);
        let input = self.network.land(place, last);
        let Input::Message { from, message } = &input else {
            panic!("an entry of the queue names a message on its way");
        };
        let (from, slot) = (*from, self.slot(to));
        let sender = u64::from(from.0);
        if self.nodes[to.index()].is_none() {
            // Nobody is there. Of a message that arrives twice only the last copy counts as dropped.
            if last {
                self.note(EventClass::Drop, to, sender, || Event::Drop {
                    from,
                    to: slot,
                    message: message.clone(),
                });
            }
            return Ok(());
        }
        if last {
            self.note(EventClass::Deliver, to, sender, || Event::Deliver {
                from,
                to: slot,
                message: message.clone(),
            });
        } else {
            self.note(EventClass::Duplicate, to, sender, || Event::Duplicate {
                from,
                to: slot,
                message: message.clone(),
            });
        }
        if let Some(coverage) = &mut self.coverage {
            coverage.delivered::<P>(to, message);
        }
        self.input(to, input)
    }

    fn sync(&mut self, node: NodeId, disk: u32) -> Result<(), Violation> {
        let host = &mut self.hosts[node.index()];
        if host.disk != disk {
            return Ok(());
        }
        if host.stalled_until > self.now {
            let until = host.stalled_until;
            self.queue.schedule(until, Due::of(Kind::Sync, node, disk));
            return Ok(());
        }
        if host.full {
            return self.fail_writes(node);
        }
        let writes = core::mem::take(&mut host.syncing);
        let durable = host.sync(writes);
        let at = self.slot(node);
        self.note(EventClass::Sync, node, u64::from(writes), || Event::Sync { at, writes });
        let host = &mut self.hosts[node.index()];
        let (settled, mut held) = (host.settled(), host.release());
        for Held { after, what } in held.drain(..) {
            if after <= settled {
                self.leave(node, what)?;
            } else {
                self.hosts[node.index()].hold(after, what);
            }
        }
        self.hosts[node.index()].give_back(held);
        self.input(node, Input::Persisted(durable))
    }

    /// Boots a node that is down.
    pub(super) fn boot(&mut self, node: NodeId) -> Result<(), Violation> {
        self.effects.reboot();
        self.begin_turn();
        let me = self.identity(node);
        let disk = self.hosts[node.index()].durable().iter().cloned();
        let booted = P::recover(&self.simulation.config, me, disk, &mut self.effects);
        self.nodes[node.index()] = Some(booted);
        self.end_turn(node)
    }

    /// A node takes an input. It must be up.
    pub(super) fn input(&mut self, node: NodeId, input: Input<P>) -> Result<(), Violation> {
        self.steps += 1;
        let host = &self.hosts[node.index()];
        self.effects.continue_from(host.written);
        let clock = host.clock(self.now);
        self.begin_turn();
        let state = self.nodes[node.index()].as_mut().expect("only nodes that are up take inputs");
        state.step(&self.simulation.config, clock, input, &mut self.effects);
        self.end_turn(node)
    }

    fn flush(&mut self, node: NodeId) -> Result<(), Violation> {
        let host = &self.hosts[node.index()];
        self.effects.continue_from(host.written);
        let clock = host.clock(self.now);
        self.begin_turn();
        if let Some(state) = &mut self.nodes[node.index()] {
            state.flush(&self.simulation.config, clock, &mut self.effects);
        }
        self.carry_out(node)
    }

    #[inline(always)]
    fn begin_turn(&mut self) {
        let stream = Stream::of(self.draws.choice, self.turns);
        self.turns += 1;
        self.effects.choose_by(stream);
        if self.trace.is_some() {
            self.note_choices_of(stream);
        }
    }

    /// Flushes a node that has taken an input, now or later, and carries out what it asked for.
    #[inline(always)]
    fn end_turn(&mut self, node: NodeId) -> Result<(), Violation> {
        let host = &mut self.hosts[node.index()];
        let batching = self.conditions.batching;
        if let Some(state) = self.nodes[node.index()].as_mut().filter(|state| state.needs_flush()) {
            if batching == Ticks::ZERO {
                state.flush(&self.simulation.config, host.clock(self.now), &mut self.effects);
            } else if !core::mem::replace(&mut host.flush_due, true) {
                let boot = host.boot;
                let mut stream = Stream::of(self.draws.batch, self.batches);
                self.batches += 1;
                self.outages.struck[Fault::Batching as usize] += 1;
                self.met(Fault::Batching, node);
                self.schedule_after(Ticks(stream.below(batching.0)), Due::of(Kind::Flush, node, boot));
            }
        }
        self.carry_out(node)
    }

    // What a node asks for.

    fn carry_out(&mut self, node: NodeId) -> Result<(), Violation> {
        if self.trace.is_some() {
            self.note_choices(node);
        }
        if !self.effects.is_empty() {
            let mut effects = core::mem::take(&mut self.obeyed);
            self.effects.swap(&mut effects);
            self.digest ^= effects.len() as u64;
            let obeyed = self.obey(node, &mut effects);
            effects.clear();
            self.obeyed = effects;
            obeyed?;
        }
        self.start_sync(node);
        if let Some(coverage) = &mut self.coverage {
            coverage.visited(&self.nodes);
        }
        self.judge(node)
    }

    /// Notes for coverage that a fault meets a node, in the state that it is in.
    pub(super) fn met(&mut self, fault: Fault, node: NodeId) {
        if let Some(coverage) = &mut self.coverage {
            coverage.met(fault, self.nodes[node.index()].as_ref());
        }
    }

    /// Starts a sync of all outstanding writes, unless one is under way or there are none.
    #[inline(always)]
    pub(super) fn start_sync(&mut self, node: NodeId) {
        let host = &self.hosts[node.index()];
        if host.syncing == 0 && host.outstanding() > 0 {
            self.sync_outstanding(node);
        }
    }

    fn sync_outstanding(&mut self, node: NodeId) {
        let host = &mut self.hosts[node.index()];
        host.syncing = host.outstanding();
        let mut stream = Stream::of(self.draws.sync, self.syncs);
        self.syncs += 1;
        let pause = Ticks(self.conditions.sync.draw(&mut stream).0 * host.slowness);
        let disk = host.disk;
        if core::mem::take(&mut host.ambushed) {
            self.schedule_after(Ticks(stream.below(pause.0 + 1)), Due::of(Kind::Ambush, node, 0));
        }
        self.schedule_after(pause, Due::of(Kind::Sync, node, disk));
    }

    /// Does what a node asks for, in order. Each effect is taken apart where it leaves the list, and its parts
    /// are handed on: it is large, and need not be moved as a whole.
    #[inline]
    fn obey(&mut self, node: NodeId, effects: &mut Vec<Effect<P>>) -> Result<(), Violation> {
        for effect in effects.drain(..) {
            let host = &mut self.hosts[node.index()];
            match effect {
                Effect::Send { to, message, after } => match release_of(host, node, after)? {
                    Release::Now => self.send_inline(node, to, message),
                    Release::After(write) => host.hold(write, Leaving::Send { to, message }),
                    Release::Never => {}
                },
                Effect::Broadcast { message, after } => match release_of(host, node, after)? {
                    Release::Now => self.broadcast(node, message),
                    Release::After(write) => host.hold(write, Leaving::Broadcast { message }),
                    Release::Never => {}
                },
                Effect::Answer { id, answer, after } => match release_of(host, node, after)? {
                    Release::Now => self.answered(node, id, answer)?,
                    Release::After(write) => host.hold(write, Leaving::Answer { id, answer }),
                    Release::Never => {}
                },
                Effect::SetTimer { timer, delay } => {
                    let mut stream = Stream::of(self.draws.timer, self.timers_set);
                    self.timers_set += 1;
                    let delay = host.true_delay(Ticks(stream.between(delay.min.0, delay.max.0)));
                    let deadline = Ticks(self.now.0.saturating_add(delay.0));
                    if let Some((place, token)) = host.set_timer(timer, deadline) {
                        if place >= TIMERS_MAX {
                            let detail = format!("{node} has more than {TIMERS_MAX} timers under way");
                            return Err(Violation::new(CONTRACT, detail));
                        }
                        self.queue.schedule(deadline, Due::timer(node, place, token));
                    }
                }
                Effect::CancelTimer(timer) => {
                    host.cancel_timer(timer);
                }
                Effect::Persist { record, .. } => {
                    host.write(record);
                }
                Effect::Submit(task) => self.submit(node, &task)?,
                // Compaction shortens disks.
                Effect::Retire(_) => {}
                Effect::Mark(label) => {
                    self.marks.add(label);
                }
                Effect::Refuse(reason) => {
                    self.refusals.add(reason);
                }
            }
        }
        Ok(())
    }

    fn submit(&mut self, node: NodeId, task: &P::Task) -> Result<(), Violation> {
        let Some(perform) = self.simulation.perform else {
            let detail = format!("{node} submits {task:?}, and the simulation was not told how to do it");
            return Err(Violation::new(CONTRACT, detail));
        };
        let boot = self.hosts[node.index()].boot;
        let outcome = perform(&self.simulation.config, task);
        let place = self.tasks.iter().position(Option::is_none).unwrap_or_else(|| {
            self.tasks.push(None);
            self.tasks.len() - 1
        });
        self.tasks[place] = Some(Task { node, boot, outcome });
        self.schedule_after(TASK, Due::numbered(Kind::Task, place as u32));
        Ok(())
    }

    fn leave(&mut self, node: NodeId, what: Leaving<P>) -> Result<(), Violation> {
        match what {
            Leaving::Send { to, message } => {
                self.send(node, to, message);
                Ok(())
            }
            Leaving::Broadcast { message } => {
                self.broadcast(node, message);
                Ok(())
            }
            Leaving::Answer { id, answer } => self.answered(node, id, answer),
        }
    }

    fn broadcast(&mut self, node: NodeId, message: P::Message) {
        if self.liars.is_some() {
            // A twin speaks to its sibling, too.
            for to in (0..self.simulation.nodes).map(NodeId) {
                self.send_among_liars(node, to, message.clone(), false);
            }
            return;
        }
        let last = self.simulation.nodes - 1;
        let last = NodeId(if node.0 == last { last.saturating_sub(1) } else { last });
        for to in (0..last.0).map(NodeId).filter(|to| *to != node) {
            self.send(node, to, message.clone());
        }
        if last != node {
            self.send(node, last, message);
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: P::Message) {
        self.send_inline(from, to, message);
    }

    /// The same, for the place that most is sent from.
    #[inline(always)]
    fn send_inline(&mut self, from: NodeId, to: NodeId, message: P::Message) {
        if to.0 >= self.simulation.nodes {
            return;
        }
        if self.liars.is_some() {
            return self.send_among_liars(from, to, message, true);
        }
        self.dispatch(from, to, message);
    }

    /// Sends from a place to an identity, where some of both may not be what they seem.
    #[cold]
    fn send_among_liars(&mut self, from: NodeId, to: NodeId, message: P::Message, to_itself: bool) {
        let Some(mut liars) = self.liars.take() else { return };
        let mut stream = Stream::new(self.seed, purpose::LIE, liars.asked);
        liars.asked += 1;
        let (instead, asked) = liars.instead(&mut stream, from, to, message);
        if asked {
            self.outages.struck[Fault::Adversary as usize] += 1;
            self.met(Fault::Adversary, from);
        }
        for (to, message) in instead {
            for place in liars.places(to).filter(|place| to_itself || *place != from) {
                self.dispatch(from, place, message.clone());
            }
        }
        self.liars = Some(liars);
    }

    /// Sends from one place to another.
    #[inline(always)]
    fn dispatch(&mut self, from: NodeId, to: NodeId, message: P::Message) {
        let full = self.network.in_flight() >= self.simulation.in_flight_max as usize;
        let lost = full || self.stage.is_some_and(|stage| stage.has_cut(self.now, from, to));
        let fate =
            if lost { Fate::Lost(None) } else { self.network.fate(self.now, from, to, &self.conditions) };
        match fate {
            Fate::Lost(fault) => {
                if let Some(fault) = fault {
                    self.outages.struck[fault as usize] += 1;
                    self.met(fault, to);
                }
                let (sender, from, to_slot) = (u64::from(from.0), self.identity(from), self.slot(to));
                self.note(EventClass::Drop, to, sender, || Event::Drop { from, to: to_slot, message });
            }
            Fate::Arrives { first, again, delayed } => {
                let first = match self.stage {
                    Some(stage) if again.is_none() && !delayed => self.staged_latency(stage, &message),
                    _ => first,
                };
                let from = self.identity(from);
                let copies = 1 + u32::from(again.is_some());
                let place = self.network.take_off(from, to, copies, message);
                self.schedule_after(first, Due::numbered(Kind::Message, place));
                if let Some(again) = again {
                    self.outages.struck[Fault::Duplication as usize] += 1;
                    self.met(Fault::Duplication, to);
                    self.schedule_after(again, Due::numbered(Kind::Message, place));
                }
                if delayed {
                    self.outages.struck[Fault::Delay as usize] += 1;
                    self.met(Fault::Delay, to);
                }
            }
        }
    }
}

/// When something may leave; waiting for a write that was never asked for breaks the contract.
#[inline]
fn release_of<P: Service>(
    host: &Host<P>,
    node: NodeId,
    after: Option<WriteId>,
) -> Result<Release, Violation> {
    host.release_of(after).map_err(|write| {
        Violation::new(CONTRACT, format!("{node} waits for {write:?}, which it never asked for"))
    })
}
