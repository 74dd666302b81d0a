//! `World`: an untimed cluster as plain data, with two operations: which events are enabled, and what
//! happens under one of them.
//!
//! Everything that can influence the future is in the value, and nothing else: nodes, messages in flight,
//! armed timers, disks with durable and outstanding records, what waits for the disk, what is left of the
//! fault budget, what clients have seen in summary, and the memory of the properties. Nodes, messages and
//! summaries are shared between worlds, so that a clone costs little; their hashes are kept beside them,
//! so that the fingerprint is updated, not recomputed.
//!
//! Time does not exist: any armed timer may run out, any message may arrive next, any outstanding write
//! may become durable. What a timed run does, a world can do too. Rules of this network:
//! - Messages arrive in any order or never. A message to a node that is down stays in flight until the
//!   node is back; losing it reaches nothing that leaving it there does not.
//! - A question ([`swarm_protocol::Effects::choose`]) without an answer discards the step: the world then
//!   waits, and its enabled events are the answers.
//! - A panic inside the protocol, a failed `assert_invariants` included, is a violation, not the end of
//!   the process. After a violation nothing is enabled.
//! - Properties are judged once per event, after all that follows from it at once. They do not look at
//!   names under which twins act: such a node is faulty.
//!
//! Tasks are done within the step that submits them, by [`Setup::perform`].
//!
//! Verified by tests on toy protocols: fingerprints against a computation from scratch after every step
//! of random walks, incremental properties against their full form, the summary of what clients saw
//! against brute force, counts of reachable states, and flawed protocols that must be caught.

mod clients;
mod network;
mod node;
mod setup;
mod turn;
mod value;

use core::fmt::{self, Debug};
use core::hash::Hash;
use std::sync::Arc;

use smallvec::SmallVec;
use swarm_protocol::{
    Checkable, Input, NodeId, OpId, Properties, Protocol, Reply, Service, Specification, Violation,
};

pub use self::clients::{LINEARIZABILITY, OpStatus};
pub use self::setup::{Bounds, FlushMode, Identical, Perform, Setup, SyncMode};

use self::clients::Clients;
use self::network::Network;
use self::node::{NodeSlot, Outgoing};
use self::turn::{Cause, Stop, Turn};
use self::value::PROPERTIES;
use crate::{Event, Slot, fingerprint::hash_of};

/// The property that no step panics.
pub const PANIC: &str = "panic";
/// The property that [`Protocol::assert_invariants`] holds after every step.
pub const INVARIANTS: &str = "invariants";
/// The property that the protocol keeps to the rules of [`Protocol`].
pub const CONTRACT: &str = "contract";

/// What a protocol must be for a [`World`] to hold it: storable, comparable, and with clients whose
/// answers can be ordered. Implemented for every type that qualifies.
pub trait Subject: Checkable + Service<Spec: Specification<Answer: Ord + Hash>> {}

impl<P: Checkable + Service<Spec: Specification<Answer: Ord + Hash>>> Subject for P {}

/// What an event has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Whether the world differs from what it was: an event without effect is not worth a state.
    pub changed: bool,
    /// The marks that were reached, in order.
    pub marks: Vec<&'static str>,
    /// The reasons for which inputs were refused, in order.
    pub refusals: Vec<&'static str>,
}

/// Why an event is not enabled. The world is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotEnabled {
    /// A property is violated: nothing happens any more.
    Violated,
    /// A step waits for the answer to a question, or the event answers where nothing is asked.
    Choice,
    /// Nobody stands there.
    NoSuchSlot,
    /// The node is down, or, for a restart, it is up.
    NotRunning,
    /// No such message is in flight.
    NoSuchMessage,
    /// The timer is not armed.
    NotArmed,
    /// The operation is not the next that clients ask for.
    NotNext,
    /// There is nothing to flush, or not so many writes are outstanding.
    NothingToDo,
    /// The bounds allow no more of these events.
    Budget,
    /// The event would take a node out of the boundary of the instance.
    Boundary,
}

impl fmt::Display for NotEnabled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotEnabled::Violated => "a property is violated, nothing happens any more",
            NotEnabled::Choice => "a choice is answered when one is asked for, and before anything else",
            NotEnabled::NoSuchSlot => "nobody stands in that slot",
            NotEnabled::NotRunning => "the node is not in the state, up or down, that this needs",
            NotEnabled::NoSuchMessage => "no such message is in flight",
            NotEnabled::NotArmed => "that timer is not armed",
            NotEnabled::NotNext => "that is not the operation that clients ask for next",
            NotEnabled::NothingToDo => "there is nothing of the kind to do",
            NotEnabled::Budget => "the bounds allow no more of these events",
            NotEnabled::Boundary => "the node would leave the boundary of the instance",
        })
    }
}

impl std::error::Error for NotEnabled {}

/// What is left of the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Budget {
    crashes: u32,
    duplicates: u32,
    drops: u32,
    disk_failures: u32,
}

/// A step that waits for an answer.
struct Pending<P: Protocol> {
    event: Event<P>,
    answers: Vec<u32>,
    label: &'static str,
    ways: u32,
}

/// An untimed cluster as a value; see the [module](self).
///
/// Always used with the [`Setup`] it was made from. Equality is equality of everything that matters to
/// the future; the hash is [`World::fingerprint`].
pub struct World<P: Subject, Q> {
    /// In the order of [`Setup::participants`].
    nodes: SmallVec<[Arc<NodeSlot<P>>; 5]>,
    /// The wrapping sum of the nodes' hashes, which depend on the slot.
    nodes_hash: u64,
    network: Network<P>,
    clients: Arc<Clients<P::Spec>>,
    properties: Arc<Q>,
    properties_hash: u64,
    budget: Budget,
    pending: Option<Box<Pending<P>>>,
    violation: Option<Box<Violation>>,
}

impl<P: Subject, Q: Properties<P> + Eq + Hash> World<P, Q> {
    /// The world in which every node has just booted for the first time. A node whose first boot asks
    /// for a choice is down, and boots by an event.
    pub fn new(setup: &Setup<P>) -> Self {
        let properties = Q::default();
        let bounds = &setup.bounds;
        let mut world = World {
            nodes: setup.slots().map(|slot| Arc::new(NodeSlot::new(slot))).collect(),
            nodes_hash: 0,
            network: Network::new(),
            clients: Arc::new(Clients::new(setup.workload.len())),
            properties_hash: hash_of(PROPERTIES, &properties),
            properties: Arc::new(properties),
            budget: Budget {
                crashes: bounds.crashes,
                duplicates: bounds.duplicates,
                drops: bounds.drops,
                disk_failures: bounds.disk_failures,
            },
            pending: None,
            violation: None,
        };
        world.nodes_hash = world.nodes.iter().map(|node| node.hash()).fold(0, u64::wrapping_add);
        for slot in setup.slots() {
            if world.violation.is_some() {
                break;
            }
            // Cannot be refused but by the boundary, and then the node stays down.
            let _ = world.apply(setup, &Event::Restart { at: slot });
            world.pending = None;
        }
        world
    }

    /// Replaces the contents of `out` by all enabled events, each once, in a fixed order. An event that
    /// would leave the boundary of the instance is listed; [`World::apply`] refuses it.
    pub fn enabled(&self, setup: &Setup<P>, out: &mut Vec<Event<P>>) {
        out.clear();
        if self.violation.is_some() {
            return;
        }
        if let Some(pending) = &self.pending {
            out.extend((0..pending.ways).map(|answer| Event::Choose { answer }));
            return;
        }
        self.enabled_deliveries(setup, out);
        let operation = self.clients.next();
        for node in &self.nodes {
            self.enabled_at(setup, node, operation, out);
        }
    }

    fn enabled_deliveries(&self, setup: &Setup<P>, out: &mut Vec<Event<P>>) {
        for envelope in self.network.distinct() {
            let (from, to) = (envelope.from, envelope.to);
            let message = || envelope.message.clone();
            if setup.index(to).is_some_and(|index| self.nodes[index].state.is_some()) {
                out.push(Event::Deliver { from, to, message: message() });
                if self.budget.duplicates > 0 {
                    out.push(Event::Duplicate { from, to, message: message() });
                }
            }
            if self.budget.drops > 0 {
                out.push(Event::Drop { from, to, message: message() });
            }
        }
    }

    fn enabled_at(
        &self,
        setup: &Setup<P>,
        node: &NodeSlot<P>,
        operation: Option<usize>,
        out: &mut Vec<Event<P>>,
    ) {
        let at = node.slot;
        let Some(state) = &node.state else {
            out.push(Event::Restart { at });
            return;
        };
        out.extend(node.timers().iter().map(|&timer| Event::Timeout { at, timer }));
        if let Some(number) = operation {
            let (id, op) = (OpId(number as u64), setup.workload[number].clone());
            out.push(Event::Invoke { at, id, op });
        }
        if setup.bounds.flush == FlushMode::Deferred && state.needs_flush() {
            out.push(Event::Flush { at });
        }
        let outstanding = node.outstanding().len() as u32;
        let fewest = if setup.bounds.sync == SyncMode::Prefix { 1 } else { outstanding.max(1) };
        out.extend((fewest..=outstanding).map(|writes| Event::Sync { at, writes }));
        if outstanding > 0 && self.budget.disk_failures > 0 {
            out.push(Event::DiskFail { at });
        }
        if self.budget.crashes > 0 {
            out.extend((0..=outstanding).map(|kept| Event::Crash { at, kept }));
        }
        if node.clock < clock_end(setup) {
            out.push(Event::Advance { at });
        }
    }

    /// Lets one event happen.
    ///
    /// # Errors
    /// Why it cannot; the world is as it was.
    pub fn apply(&mut self, setup: &Setup<P>, event: &Event<P>) -> Result<Applied, NotEnabled> {
        self.apply_seen(setup, event, |_, _| ())
    }

    /// Lets one event happen, and shows each effect of the protocol to `seen`: once when it is asked
    /// for, and again when a write that it waited for lets it go. Effects of a step that is discarded for
    /// want of an answer are shown again when it is answered.
    ///
    /// # Errors
    /// Why it cannot; the world is as it was.
    pub fn apply_seen(
        &mut self,
        setup: &Setup<P>,
        event: &Event<P>,
        mut seen: impl FnMut(Slot, &dyn Debug),
    ) -> Result<Applied, NotEnabled> {
        if self.violation.is_some() {
            return Err(NotEnabled::Violated);
        }
        match (event, &self.pending) {
            (Event::Choose { answer }, Some(pending)) if *answer < pending.ways => {
                let mut answers = pending.answers.clone();
                answers.push(*answer);
                let event = pending.event.clone();
                let waiting = self.pending.take();
                let result = self.apply_answered(setup, &event, answers, &mut seen);
                if result.is_err() {
                    self.pending = waiting;
                }
                result.map(|applied| Applied { changed: true, ..applied })
            }
            (Event::Choose { .. }, _) | (_, Some(_)) => Err(NotEnabled::Choice),
            _ => self.apply_answered(setup, event, Vec::new(), &mut seen),
        }
    }

    fn apply_answered(
        &mut self,
        setup: &Setup<P>,
        event: &Event<P>,
        answers: Vec<u32>,
        seen: &mut impl FnMut(Slot, &dyn Debug),
    ) -> Result<Applied, NotEnabled> {
        let before = self.marker();
        let mut applied = match event {
            Event::Drop { from, to, message } => {
                self.budget.drops = spend(self.budget.drops, self.network.contains(*from, *to, message))?;
                self.network.remove(*from, *to, message);
                Applied::default()
            }
            Event::Crash { at, kept } => {
                let (index, node) = self.running(setup, *at)?;
                if *kept as usize > node.outstanding().len() {
                    return Err(NotEnabled::NothingToDo);
                }
                let mut crashed = node.crashed(*kept);
                crashed.rehash();
                self.budget.crashes = spend(self.budget.crashes, true)?;
                self.put_back(index, Arc::new(crashed));
                Applied::default()
            }
            Event::Advance { at } => {
                let (index, node) = self.running(setup, *at)?;
                let mut node = node.clone();
                if node.clock >= clock_end(setup) {
                    return Err(NotEnabled::Budget);
                }
                node.clock = node.clock + setup.bounds.clock_step;
                node.rehash();
                self.put_back(index, Arc::new(node));
                Applied::default()
            }
            _ => self.turn(setup, event, answers, seen)?,
        };
        applied.changed = self.marker() != before || self.pending.is_some() || self.violation.is_some();
        Ok(applied)
    }

    /// An event that a node reacts to.
    fn turn(
        &mut self,
        setup: &Setup<P>,
        event: &Event<P>,
        mut answers: Vec<u32>,
        seen: &mut impl FnMut(Slot, &dyn Debug),
    ) -> Result<Applied, NotEnabled> {
        let index = self.check(setup, event)?;
        loop {
            // Nobody else holds the copy.
            let mut node = Arc::new((*self.nodes[index]).clone());
            let Some(copy) = Arc::get_mut(&mut node) else { unreachable!("a new Arc is not shared") };
            let cause = cause(event, copy);
            let mut turn = Turn::new(setup, copy, answers.clone(), seen);
            let result = turn.take(cause);
            let Turn { leaving, marks, refusals, .. } = turn;
            match result {
                Ok(()) => {
                    if copy.state.as_ref().is_some_and(|state| !(setup.within)(state)) {
                        return Err(NotEnabled::Boundary);
                    }
                    copy.rehash();
                    self.put_back(index, node);
                    self.judge(setup, index);
                    if !is_turned_away(event, &leaving) {
                        self.spend_on(setup, event);
                        self.let_go(setup, index, leaving);
                    }
                    return Ok(Applied { changed: false, marks, refusals });
                }
                // A question with one answer is no question.
                Err(Stop::Asked(_, 1)) => answers.push(0),
                Err(Stop::Asked(label, ways)) => {
                    self.pending = Some(Box::new(Pending { event: event.clone(), answers, label, ways }));
                    return Ok(Applied::default());
                }
                Err(Stop::Violated(violation)) => {
                    self.violation = Some(Box::new(violation));
                    return Ok(Applied { changed: false, marks, refusals });
                }
            }
        }
    }

    /// Whether the node can take this event, and the position of the node.
    fn check(&self, setup: &Setup<P>, event: &Event<P>) -> Result<usize, NotEnabled> {
        let at = event.slot().ok_or(NotEnabled::Choice)?;
        if let Event::Restart { .. } = event {
            let index = setup.index(at).ok_or(NotEnabled::NoSuchSlot)?;
            let down = self.nodes[index].state.is_none();
            return if down { Ok(index) } else { Err(NotEnabled::NotRunning) };
        }
        let (index, node) = self.running(setup, at)?;
        let outstanding = node.outstanding().len() as u32;
        let (possible, otherwise) = match event {
            Event::Deliver { from, to, message } => {
                (self.network.contains(*from, *to, message), NotEnabled::NoSuchMessage)
            }
            Event::Duplicate { from, to, message } => {
                if self.budget.duplicates == 0 {
                    return Err(NotEnabled::Budget);
                }
                (self.network.contains(*from, *to, message), NotEnabled::NoSuchMessage)
            }
            Event::Timeout { timer, .. } => {
                (node.timers().binary_search(timer).is_ok(), NotEnabled::NotArmed)
            }
            Event::Invoke { id, op, .. } => {
                let asked = turn::in_workload(setup, *id, op);
                (asked.is_some() && asked == self.clients.next(), NotEnabled::NotNext)
            }
            Event::Flush { .. } => {
                let needed = node.state.as_ref().is_some_and(P::needs_flush);
                (needed && setup.bounds.flush == FlushMode::Deferred, NotEnabled::NothingToDo)
            }
            Event::Sync { writes, .. } => {
                let partly = setup.bounds.sync == SyncMode::Prefix;
                let possible = (1..=outstanding).contains(writes) && (partly || *writes == outstanding);
                (possible, NotEnabled::NothingToDo)
            }
            Event::DiskFail { .. } => {
                if self.budget.disk_failures == 0 {
                    return Err(NotEnabled::Budget);
                }
                (outstanding > 0, NotEnabled::NothingToDo)
            }
            Event::Drop { .. }
            | Event::Crash { .. }
            | Event::Restart { .. }
            | Event::Choose { .. }
            | Event::Advance { .. } => unreachable!("{event:?} is no turn of a running node"),
        };
        if possible { Ok(index) } else { Err(otherwise) }
    }

    /// Takes from network and budget what the event uses up, and notes what clients ask for.
    fn spend_on(&mut self, setup: &Setup<P>, event: &Event<P>) {
        match event {
            Event::Deliver { from, to, message } => {
                self.network.remove(*from, *to, message);
            }
            Event::Duplicate { .. } => self.budget.duplicates -= 1,
            Event::DiskFail { .. } => self.budget.disk_failures -= 1,
            Event::Invoke { id, op, .. } => {
                if let Some(number) = turn::in_workload(setup, *id, op) {
                    Arc::make_mut(&mut self.clients).invoke(number);
                }
            }
            _ => {}
        }
    }

    fn running(&self, setup: &Setup<P>, at: Slot) -> Result<(usize, &NodeSlot<P>), NotEnabled> {
        let index = setup.index(at).ok_or(NotEnabled::NoSuchSlot)?;
        let node = &*self.nodes[index];
        if node.state.is_some() { Ok((index, node)) } else { Err(NotEnabled::NotRunning) }
    }

    /// Puts a slot, whose hash is up to date, in its place.
    fn put_back(&mut self, index: usize, node: Arc<NodeSlot<P>>) {
        let before = self.nodes[index].hash();
        self.nodes_hash = self.nodes_hash.wrapping_sub(before).wrapping_add(node.hash());
        self.nodes[index] = node;
    }

    /// What leaves a node goes to the network and to the clients.
    fn let_go(
        &mut self,
        setup: &Setup<P>,
        index: usize,
        leaving: impl IntoIterator<Item = node::OutgoingOf<P>>,
    ) {
        let me = self.nodes[index].slot;
        let (from, limit, equal) = (me.node(), setup.bounds.in_flight, setup.bounds.identical);
        for what in leaving {
            match what {
                Outgoing::Send { to, message } => {
                    for slot in turn::receivers(setup, to) {
                        self.network.send(from, slot, message.clone(), limit, equal);
                    }
                }
                Outgoing::Broadcast { message } => {
                    for slot in setup.slots().filter(|slot| *slot != me) {
                        self.network.send(from, slot, message.clone(), limit, equal);
                    }
                }
                Outgoing::Answer { id, answer } => {
                    let clients = Arc::make_mut(&mut self.clients);
                    if let Err(violation) = clients.answer(&setup.workload, id, P::reply(&answer)) {
                        self.violation.get_or_insert_with(|| Box::new(violation));
                    }
                }
            }
        }
    }

    /// Judges the properties after a turn of one node.
    fn judge(&mut self, setup: &Setup<P>, index: usize) {
        let touched = self.nodes[index].slot.node();
        if setup.has_twin(touched) {
            return;
        }
        let mut properties = (*self.properties).clone();
        let verdict = properties.after_step(&setup.config, &self.judged(setup), touched);
        if let Err(violation) = verdict {
            self.violation = Some(Box::new(violation));
        }
        if properties != *self.properties {
            self.properties_hash = hash_of(PROPERTIES, &properties);
        }
        // Equal ones may differ in what they have seen of the nodes, which later verdicts start from.
        self.properties = Arc::new(properties);
    }

    /// The nodes as properties see them: none for one that is down or faulty.
    fn judged(&self, setup: &Setup<P>) -> SmallVec<[Option<&P>; 8]> {
        let correct = |i: u32| {
            let state = self.nodes[i as usize].state.as_ref();
            state.filter(|_| !setup.has_twin(NodeId(i)))
        };
        (0..setup.nodes()).map(correct).collect()
    }

    /// Judges the properties from scratch.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn check_full(&self, setup: &Setup<P>) -> Result<(), Violation> {
        self.properties.full(&setup.config, &self.judged(setup))
    }
}

fn cause<P: Subject>(event: &Event<P>, node: &mut NodeSlot<P>) -> Cause<P> {
    match event {
        Event::Deliver { from, message, .. } | Event::Duplicate { from, message, .. } => {
            Cause::Input(Input::Message { from: *from, message: message.clone() })
        }
        Event::Timeout { timer, .. } => {
            node.cancel_timer(*timer);
            Cause::Input(Input::Timeout(*timer))
        }
        Event::Invoke { id, op, .. } => Cause::Input(Input::Invoke { id: *id, op: op.clone() }),
        Event::Flush { .. } => Cause::Flush,
        Event::Sync { writes, .. } => Cause::Sync(*writes),
        Event::DiskFail { .. } => Cause::DiskFail,
        Event::Restart { .. } => Cause::Boot,
        Event::Drop { .. } | Event::Crash { .. } | Event::Choose { .. } | Event::Advance { .. } => {
            unreachable!("{event:?} is no turn")
        }
    }
}

/// Whether all that came of an operation is that the client was told, at once, to ask elsewhere: the
/// operation is as available as before. Most operations at most nodes go that way.
fn is_turned_away<P: Subject>(event: &Event<P>, leaving: &[node::OutgoingOf<P>]) -> bool {
    match (event, leaving) {
        (Event::Invoke { id: asked, .. }, [Outgoing::Answer { id, answer }]) => {
            asked == id && matches!(P::reply(answer), Reply::NotTaken(_))
        }
        _ => false,
    }
}

/// One less of a budget, if the event is possible and the budget is not used up.
fn spend(left: u32, possible: bool) -> Result<u32, NotEnabled> {
    if !possible {
        return Err(NotEnabled::NoSuchMessage);
    }
    left.checked_sub(1).ok_or(NotEnabled::Budget)
}

/// Where a node's clock stops.
fn clock_end<P: Protocol>(setup: &Setup<P>) -> swarm_protocol::Ticks {
    let bounds = &setup.bounds;
    swarm_protocol::Ticks(bounds.clock_step.as_micros().saturating_mul(u64::from(bounds.clock_steps)))
}
