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
//! - A turn is a function of the slot and of what happens to it: a search may look it up ([`Known`]).
//! - Properties are judged once per event, after all that follows from it at once. They do not look at
//!   names under which twins act: such a node is faulty.
//!
//! Tasks are done within the step that submits them, by [`Setup::perform`].
//!
//! Verified by tests on toy protocols: fingerprints against a computation from scratch after every step
//! of random walks, incremental properties against their full form, the summary of what clients saw
//! against brute force, counts of reachable states, and flawed protocols that must be caught.

mod clients;
mod collapse;
mod consequences;
mod independence;
mod known;
mod menu;
mod network;
mod node;
mod setup;
mod shelf;
mod symmetry;
mod turn;
mod value;

use core::fmt::{self, Debug};
use core::hash::Hash;
use std::sync::Arc;

use smallvec::SmallVec;
use swarm_protocol::{
    Checkable, NodeId, Promise, Properties, Protocol, Reply, Service, Specification, Violation,
};

pub use self::clients::{EXPLANATIONS, LINEARIZABILITY, OpStatus};
pub use self::collapse::{Collapse, Collapsed, Successor};
pub use self::consequences::Consequences;
pub use self::independence::Asleep;
pub use self::known::Known;
pub use self::setup::{Bounds, FlushMode, Identical, Perform, Setup, SyncMode};
pub use self::symmetry::{Orbits, unlike};

use self::clients::Clients;
use self::network::{Envelope, Network};
use self::node::NodeSlot;
use self::turn::{Cause, Leaving, Outcome, Stop, in_workload};
use self::value::{PROPERTIES, combine};
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

/// What an event would come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// Nothing: it is not enabled, or changes nothing.
    Nothing,
    /// A world with this fingerprint.
    World(u64),
    /// That cannot be told without doing it.
    Unclear,
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
    /// [`u32::MAX`] for any number.
    timeouts: u32,
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
    /// Copied with every world: what is large in it is shared.
    properties: Q,
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
            properties,
            budget: Budget {
                crashes: bounds.crashes,
                duplicates: bounds.duplicates,
                drops: bounds.drops,
                disk_failures: bounds.disk_failures,
                timeouts: bounds.timeouts,
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
        menu::each(setup, node, |cause| {
            let cause = match (cause, operation) {
                (Cause::Invoke(_), Some(number)) => Cause::Invoke(number),
                (Cause::Invoke(_), None) => return,
                (Cause::Timeout(_), _) if self.budget.timeouts == 0 => return,
                (Cause::DiskFail, _) if self.budget.disk_failures == 0 => return,
                (Cause::Crash(_), _) if self.budget.crashes == 0 => return,
                (cause, _) => cause,
            };
            out.push(menu::event(setup, node.slot, &cause));
        });
    }

    /// Lets one event happen.
    ///
    /// # Errors
    /// Why it cannot; the world is as it was.
    pub fn apply(&mut self, setup: &Setup<P>, event: &Event<P>) -> Result<Applied, NotEnabled> {
        self.apply_to(setup, event, None, &mut |_, _| ())
    }

    /// Lets one event happen, like [`World::apply`]; a turn that was taken before is looked up.
    ///
    /// # Errors
    /// Why it cannot; the world is as it was.
    pub fn apply_known(
        &mut self,
        setup: &Setup<P>,
        event: &Event<P>,
        known: &Known<P>,
    ) -> Result<Applied, NotEnabled> {
        self.apply_to(setup, event, Some(known), &mut |_, _| ())
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
        self.apply_to(setup, event, None, &mut seen)
    }

    /// What [`World::apply_known`] would come to, without doing it: for searches, which meet most worlds more
    /// than once. Marks are told to `mark`. Cheaper, as no world is made.
    pub fn look_ahead(
        &self,
        setup: &Setup<P>,
        event: &Event<P>,
        known: &Known<P>,
        mark: impl FnMut(&'static str),
    ) -> Ahead {
        if self.violation.is_some() || self.pending.is_some() {
            return Ahead::Unclear;
        }
        if let Event::Drop { .. } | Event::Invoke { .. } | Event::Choose { .. } = event {
            return Ahead::Unclear;
        }
        let Ok((index, cause)) = self.cause(setup, event) else { return Ahead::Nothing };
        let outcome = known.outcome(setup, &self.nodes[index], &cause);
        let node = match &outcome.node {
            Ok(node) => node,
            Err(Stop::Boundary) => return Ahead::Nothing,
            Err(_) => return Ahead::Unclear,
        };
        let mut budget = self.budget;
        let mut taken = None;
        match (event, &cause) {
            (Event::Deliver { .. }, Cause::Message(envelope)) => taken = Some(&**envelope),
            (Event::Timeout { .. }, _) if setup.bounds.counts_timeouts() => budget.timeouts -= 1,
            (Event::Duplicate { .. }, _) => budget.duplicates -= 1,
            (Event::DiskFail { .. }, _) => budget.disk_failures -= 1,
            (Event::Crash { .. }, _) => budget.crashes -= 1,
            _ => {}
        }
        let mut sent: SmallVec<[&Arc<Envelope<P>>; 8]> = SmallVec::new();
        for what in &outcome.leaving {
            match what {
                Leaving::Message(envelope) => sent.push(envelope),
                Leaving::Answer(..) => return Ahead::Unclear,
            }
        }
        let Bounds { in_flight, identical, .. } = setup.bounds;
        let network = self.network.hash_after(taken, sent.into_iter(), in_flight, identical);
        let judged = !matches!(event, Event::Crash { .. } | Event::Advance { .. });
        let properties = match judged.then(|| self.judge_with(setup, index, node)).flatten() {
            None => self.properties_hash,
            Some((Ok(()), hash, _)) => hash,
            Some((Err(_), ..)) => return Ahead::Unclear,
        };
        outcome.marks.iter().copied().for_each(mark);
        let nodes = self.nodes_hash.wrapping_sub(self.nodes[index].hash()).wrapping_add(node.hash());
        let hashes = [nodes, network, self.clients.hash(), properties];
        if (hashes, budget) == self.marker() { Ahead::Nothing } else { Ahead::World(combine(hashes, budget)) }
    }

    fn apply_to(
        &mut self,
        setup: &Setup<P>,
        event: &Event<P>,
        known: Option<&Known<P>>,
        seen: &mut impl FnMut(Slot, &dyn Debug),
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
                let result = self.apply_answered(setup, &event, answers, known, seen);
                if result.is_err() {
                    self.pending = waiting;
                }
                result.map(|applied| Applied { changed: true, ..applied })
            }
            (Event::Choose { .. }, _) | (_, Some(_)) => Err(NotEnabled::Choice),
            _ => self.apply_answered(setup, event, Vec::new(), known, seen),
        }
    }

    fn apply_answered(
        &mut self,
        setup: &Setup<P>,
        event: &Event<P>,
        mut answers: Vec<u32>,
        known: Option<&Known<P>>,
        seen: &mut impl FnMut(Slot, &dyn Debug),
    ) -> Result<Applied, NotEnabled> {
        let before = self.marker();
        if let Event::Drop { from, to, message } = event {
            self.budget.drops = spend(self.budget.drops, self.network.contains(*from, *to, message))?;
            self.network.remove(*from, *to, message);
            return Ok(Applied { changed: self.marker() != before, ..Applied::default() });
        }
        let (index, cause) = self.cause(setup, event)?;
        let mut outcome = match known {
            Some(known) if answers.is_empty() => known.outcome(setup, &self.nodes[index], &cause),
            _ => Arc::new(Outcome::of(setup, &self.nodes[index], &cause, answers.clone(), seen)),
        };
        // A question with one answer is no question.
        while let Err(Stop::Asked(_, 1)) = &outcome.node {
            answers.push(0);
            outcome = Arc::new(Outcome::of(setup, &self.nodes[index], &cause, answers.clone(), seen));
        }
        let mut applied = Applied { changed: false, marks: Vec::new(), refusals: Vec::new() };
        match &outcome.node {
            Ok(node) => self.commit(setup, event, index, node, &outcome.leaving),
            Err(Stop::Asked(label, ways)) => {
                let (label, ways) = (*label, *ways);
                self.pending = Some(Box::new(Pending { event: event.clone(), answers, label, ways }));
                return Ok(Applied { changed: true, ..Applied::default() });
            }
            Err(Stop::Violated(violation)) => self.violation = Some(Box::new(violation.clone())),
            Err(Stop::Boundary) => return Err(NotEnabled::Boundary),
        }
        applied.changed = self.marker() != before || self.violation.is_some();
        applied.marks.extend(&outcome.marks);
        applied.refusals.extend(&outcome.refusals);
        Ok(applied)
    }

    /// Puts a slot in its place, and gives network and clients what left it.
    fn commit(
        &mut self,
        setup: &Setup<P>,
        event: &Event<P>,
        index: usize,
        node: &Arc<NodeSlot<P>>,
        leaving: &[Leaving<P>],
    ) {
        let before = self.nodes[index].hash();
        self.nodes_hash = self.nodes_hash.wrapping_sub(before).wrapping_add(node.hash());
        self.nodes[index] = Arc::clone(node);
        if !matches!(event, Event::Crash { .. } | Event::Advance { .. }) {
            self.judge(setup, index);
        }
        if !is_turned_away(event, leaving) {
            self.spend_on(setup, event);
            self.let_go(setup, leaving);
        }
    }

    /// What the event is to the node that it happens at, and the position of that node.
    fn cause(&self, setup: &Setup<P>, event: &Event<P>) -> Result<(usize, Cause<P>), NotEnabled> {
        let at = event.slot().ok_or(NotEnabled::Choice)?;
        if let Event::Restart { .. } = event {
            let index = setup.index(at).ok_or(NotEnabled::NoSuchSlot)?;
            let down = self.nodes[index].state.is_none();
            return if down { Ok((index, Cause::Boot)) } else { Err(NotEnabled::NotRunning) };
        }
        let (index, node) = self.running(setup, at)?;
        let outstanding = node.outstanding().len() as u32;
        let otherwise = |possible: bool, refusal| if possible { Ok(()) } else { Err(refusal) };
        let cause = match event {
            Event::Deliver { from, to, message } | Event::Duplicate { from, to, message } => {
                let again = matches!(event, Event::Duplicate { .. });
                otherwise(!again || self.budget.duplicates > 0, NotEnabled::Budget)?;
                let envelope = self.network.find(*from, *to, message).ok_or(NotEnabled::NoSuchMessage)?;
                Cause::Message(Arc::clone(envelope))
            }
            Event::Timeout { timer, .. } => {
                otherwise(self.budget.timeouts > 0, NotEnabled::Budget)?;
                otherwise(node.timers().binary_search(timer).is_ok(), NotEnabled::NotArmed)?;
                Cause::Timeout(*timer)
            }
            Event::Invoke { id, op, .. } => {
                let asked = in_workload(setup, *id, op).filter(|asked| Some(*asked) == self.clients.next());
                Cause::Invoke(asked.ok_or(NotEnabled::NotNext)?)
            }
            Event::Flush { .. } => {
                let needed = node.state.as_ref().is_some_and(P::needs_flush);
                otherwise(needed && setup.bounds.flush == FlushMode::Deferred, NotEnabled::NothingToDo)?;
                Cause::Flush
            }
            Event::Sync { writes, .. } => {
                let partly = setup.bounds.sync == SyncMode::Prefix;
                let possible = (1..=outstanding).contains(writes) && (partly || *writes == outstanding);
                otherwise(possible, NotEnabled::NothingToDo)?;
                Cause::Sync(*writes)
            }
            Event::DiskFail { .. } => {
                otherwise(self.budget.disk_failures > 0, NotEnabled::Budget)?;
                otherwise(outstanding > 0, NotEnabled::NothingToDo)?;
                Cause::DiskFail
            }
            Event::Crash { kept, .. } => {
                otherwise(*kept <= outstanding, NotEnabled::NothingToDo)?;
                otherwise(self.budget.crashes > 0, NotEnabled::Budget)?;
                Cause::Crash(*kept)
            }
            Event::Advance { .. } => {
                otherwise(node.clock < clock_end(setup), NotEnabled::Budget)?;
                Cause::Advance
            }
            Event::Drop { .. } | Event::Restart { .. } | Event::Choose { .. } => {
                unreachable!("{event:?} does not happen to a running node")
            }
        };
        Ok((index, cause))
    }

    /// Takes from network and budget what the event uses up, and notes what clients ask for.
    fn spend_on(&mut self, setup: &Setup<P>, event: &Event<P>) {
        match event {
            Event::Deliver { from, to, message } => {
                self.network.remove(*from, *to, message);
            }
            Event::Timeout { .. } if setup.bounds.counts_timeouts() => self.budget.timeouts -= 1,
            Event::Duplicate { .. } => self.budget.duplicates -= 1,
            Event::DiskFail { .. } => self.budget.disk_failures -= 1,
            Event::Crash { .. } => self.budget.crashes -= 1,
            Event::Invoke { id, op, .. } => {
                if let Some(number) = in_workload(setup, *id, op) {
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

    /// What leaves a node goes to the network and to the clients.
    fn let_go(&mut self, setup: &Setup<P>, leaving: &[Leaving<P>]) {
        for what in leaving {
            match what {
                Leaving::Message(envelope) => {
                    self.network.send(envelope, setup.bounds.in_flight, setup.bounds.identical);
                }
                Leaving::Answer(id, answer) => {
                    let clients = Arc::make_mut(&mut self.clients);
                    let verdict = clients.answer(&setup.workload, *id, P::reply(answer));
                    let promised = |violation: &Violation| match violation.property {
                        EXPLANATIONS if setup.may_give_up => false,
                        LINEARIZABILITY | EXPLANATIONS => P::PROMISES.contains(&Promise::Linearizability),
                        _ => true,
                    };
                    if let Some(violation) = verdict.err().filter(promised) {
                        self.violation.get_or_insert_with(|| Box::new(violation));
                    }
                }
            }
        }
    }

    /// Judges the properties after a turn of one node.
    fn judge(&mut self, setup: &Setup<P>, index: usize) {
        if let Some((verdict, hash, properties)) = self.judge_with(setup, index, &self.nodes[index]) {
            if let Err(violation) = verdict {
                self.violation = Some(Box::new(violation));
            }
            self.properties_hash = hash;
            // Equal ones may differ in what they have seen of the nodes, which later verdicts start from.
            self.properties = properties;
        }
    }

    /// The verdict once `node` stands at `index`, and the properties from then on with their hash; none if that
    /// node is not judged.
    fn judge_with(
        &self,
        setup: &Setup<P>,
        index: usize,
        node: &NodeSlot<P>,
    ) -> Option<(Result<(), Violation>, u64, Q)> {
        let touched = node.slot.node();
        if setup.has_twin(touched) {
            return None;
        }
        let mut nodes = self.judged(setup);
        nodes[index] = node.state.as_ref();
        Some(verdict(setup, &self.properties, self.properties_hash, &nodes, touched))
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

/// The verdict after a turn of `touched`, and the properties from then on with their hash.
fn verdict<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    before: &Q,
    before_hash: u64,
    nodes: &[Option<&P>],
    touched: NodeId,
) -> (Result<(), Violation>, u64, Q) {
    let mut properties = before.clone();
    let verdict = properties.after_step(&setup.config, nodes, touched);
    let hash = if properties == *before { before_hash } else { hash_of(PROPERTIES, &properties) };
    (verdict, hash, properties)
}

/// Whether all that came of an operation is that the client was told, at once, to ask elsewhere: the
/// operation is as available as before. Most operations at most nodes go that way.
fn is_turned_away<P: Subject>(event: &Event<P>, leaving: &[Leaving<P>]) -> bool {
    match (event, leaving) {
        (Event::Invoke { id: asked, .. }, [Leaving::Answer(id, answer)]) => {
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
