//! One node's turn: an input, all that follows from it at once, and what leaves the node.
//!
//! A turn works on a copy of the slot. Until it is committed the world is as it was: a turn that asks a
//! question nobody has answered, that panics or that leaves the boundary is thrown away.

use core::fmt::Debug;
use std::sync::Arc;

use swarm_protocol::{
    Checkable, Choices, Effect, Effects, Input, NodeId, OpId, Protocol, Violation, WriteId, mix,
};

use super::network::Envelope;
use super::node::{NodeSlot, Outgoing, OutgoingOf};
use super::{CONTRACT, FlushMode, INVARIANTS, PANIC, Setup, SyncMode};
use crate::{Slot, fingerprint::hash_of, panics};

/// What happens to one node: an event, less what it uses up in the cluster.
pub(crate) enum Cause<P: Protocol> {
    Message(Arc<Envelope<P>>),
    Timeout(P::Timer),
    /// The operation of this number in the workload.
    Invoke(usize),
    Flush,
    Sync(u32),
    DiskFail,
    Crash(u32),
    Boot,
    Advance,
}

impl<P: Checkable> Cause<P> {
    /// A hash of the cause.
    pub(crate) fn hash(&self) -> u64 {
        let numbered = |kind: u64, number: u64| mix(kind << 56 ^ number);
        match self {
            Cause::Message(envelope) => envelope.hash(),
            Cause::Timeout(timer) => hash_of(1, timer),
            Cause::Invoke(number) => numbered(2, *number as u64),
            Cause::Flush => numbered(3, 0),
            Cause::Sync(writes) => numbered(4, u64::from(*writes)),
            Cause::DiskFail => numbered(5, 0),
            Cause::Crash(kept) => numbered(6, u64::from(*kept)),
            Cause::Boot => numbered(7, 0),
            Cause::Advance => numbered(8, 0),
        }
    }
}

impl<P: Protocol> Clone for Cause<P> {
    fn clone(&self) -> Self {
        match self {
            Cause::Message(envelope) => Cause::Message(Arc::clone(envelope)),
            Cause::Timeout(timer) => Cause::Timeout(*timer),
            Cause::Invoke(number) => Cause::Invoke(*number),
            Cause::Flush => Cause::Flush,
            Cause::Sync(writes) => Cause::Sync(*writes),
            Cause::DiskFail => Cause::DiskFail,
            Cause::Crash(kept) => Cause::Crash(*kept),
            Cause::Boot => Cause::Boot,
            Cause::Advance => Cause::Advance,
        }
    }
}

impl<P: Checkable> PartialEq for Cause<P> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Cause::Message(a), Cause::Message(b)) => Arc::ptr_eq(a, b) || a == b,
            (Cause::Timeout(a), Cause::Timeout(b)) => a == b,
            (Cause::Invoke(a), Cause::Invoke(b)) => a == b,
            (Cause::Sync(a), Cause::Sync(b)) | (Cause::Crash(a), Cause::Crash(b)) => a == b,
            (Cause::Flush, Cause::Flush)
            | (Cause::DiskFail, Cause::DiskFail)
            | (Cause::Boot, Cause::Boot)
            | (Cause::Advance, Cause::Advance) => true,
            _ => false,
        }
    }
}

/// Why a turn ended early.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It asked this question, with so many answers, and there was no answer.
    Asked(&'static str, u32),
    /// It broke a property.
    Violated(Violation),
    /// It took the node out of the boundary of the instance.
    Boundary,
}

/// Something that leaves a node for the network or for a client.
pub(crate) enum Leaving<P: Protocol> {
    Message(Arc<Envelope<P>>),
    Answer(OpId, P::Answer),
}

impl<P: Checkable> PartialEq for Leaving<P> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Leaving::Message(a), Leaving::Message(b)) => Arc::ptr_eq(a, b) || a == b,
            (Leaving::Answer(a, answer), Leaving::Answer(b, other)) => a == b && answer == other,
            _ => false,
        }
    }
}

/// What became of a node: a function of the setup, the slot, the cause and the answers to questions.
pub(crate) struct Outcome<P: Checkable> {
    /// The slot afterwards.
    pub(crate) node: Result<Arc<NodeSlot<P>>, Stop>,
    /// What leaves the node, in order; a message for several slots once for each.
    pub(crate) leaving: Vec<Leaving<P>>,
    pub(crate) marks: Vec<&'static str>,
    pub(crate) refusals: Vec<&'static str>,
    /// The timers that were set, those included that ran already.
    pub(crate) timers_set: Vec<P::Timer>,
}

impl<P: Checkable> Outcome<P> {
    /// Lets the cause happen to a copy of `node`.
    pub(crate) fn of(
        setup: &Setup<P>,
        node: &NodeSlot<P>,
        cause: &Cause<P>,
        answers: Vec<u32>,
        seen: &mut impl FnMut(Slot, &dyn Debug),
    ) -> Self {
        let waits = setup.bounds.sync == SyncMode::Blocking && !node.outstanding().is_empty();
        match cause {
            Cause::Message(_) | Cause::Timeout(_) | Cause::Invoke(_) | Cause::Flush if waits => {
                Outcome::without_effects(Err(Stop::Boundary))
            }
            Cause::Crash(kept) => Outcome::quiet(node.crashed(*kept)),
            Cause::Advance => {
                let mut later = node.clone();
                later.clock = later.clock + setup.bounds.clock_step;
                Outcome::quiet(later)
            }
            _ => Outcome::of_turn(setup, node, cause, answers, seen),
        }
    }

    /// Nothing leaves the node.
    pub(crate) const fn without_effects(node: Result<Arc<NodeSlot<P>>, Stop>) -> Self {
        Outcome { node, leaving: Vec::new(), marks: Vec::new(), refusals: Vec::new(), timers_set: Vec::new() }
    }

    /// The node does not react.
    fn quiet(mut node: NodeSlot<P>) -> Self {
        node.rehash();
        Outcome::without_effects(Ok(Arc::new(node)))
    }

    fn of_turn(
        setup: &Setup<P>,
        node: &NodeSlot<P>,
        cause: &Cause<P>,
        answers: Vec<u32>,
        seen: &mut impl FnMut(Slot, &dyn Debug),
    ) -> Self {
        let mut node = Arc::new(node.clone());
        let Some(copy) = Arc::get_mut(&mut node) else { unreachable!("a new Arc is not shared") };
        let me = copy.slot;
        let mut turn = Turn::new(setup, copy, answers, seen);
        let result = turn.take(cause);
        let Turn { leaving, marks, refusals, timers_set, .. } = turn;
        let stop = match result {
            Ok(()) if copy.state.as_ref().is_some_and(|state| !(setup.within)(state)) => Some(Stop::Boundary),
            Ok(()) => {
                copy.rehash();
                unflushed(setup, copy).map(Stop::Violated)
            }
            Err(stop) => Some(stop),
        };
        let leaving = if stop.is_none() { spread(setup, me, leaving) } else { Vec::new() };
        Outcome { node: stop.map_or(Ok(node), Err), leaving, marks, refusals, timers_set }
    }
}

/// Nobody flushes a node that says it needs no flush: what such a one keeps back never leaves it. One slot in
/// [`PROBED`] is held to its word; which ones, their hashes say, so that a turn stays a function.
fn unflushed<P: Checkable>(setup: &Setup<P>, node: &NodeSlot<P>) -> Option<Violation> {
    let state =
        node.state.as_ref().filter(|state| node.hash().is_multiple_of(PROBED) && !state.needs_flush())?;
    let (mut flushed, mut effects) = (state.clone(), Effects::new(Choices::script(Vec::new())));
    flushed.flush(&setup.config, node.clock, &mut effects);
    (!effects.is_empty() || flushed != *state).then(|| {
        let detail = format!("{} says that it needs no flush, and a flush does something", node.slot);
        Violation::new(CONTRACT, detail)
    })
}

impl<P: Checkable> PartialEq for Outcome<P> {
    fn eq(&self, other: &Self) -> bool {
        let same_node = match (&self.node, &other.node) {
            (Ok(a), Ok(b)) => Arc::ptr_eq(a, b) || a == b,
            (Err(a), Err(b)) => a == b,
            _ => false,
        };
        same_node
            && self.leaving == other.leaving
            && self.marks == other.marks
            && self.refusals == other.refusals
    }
}

/// Addresses what leaves the slot `me` to every slot that gets it.
fn spread<P: Checkable>(setup: &Setup<P>, me: Slot, leaving: Vec<OutgoingOf<P>>) -> Vec<Leaving<P>> {
    let mut out = Vec::with_capacity(leaving.len());
    let envelope = |slot, message| Leaving::Message(Arc::new(Envelope::new(me.node(), slot, message)));
    for what in leaving {
        match what {
            Outgoing::Send { to, message } => {
                out.extend(receivers(setup, to).map(|slot| envelope(slot, message.clone())));
            }
            Outgoing::Broadcast { message } => {
                let others = setup.slots().filter(|slot| *slot != me);
                out.extend(others.map(|slot| envelope(slot, message.clone())));
            }
            Outgoing::Answer { id, answer } => out.push(Leaving::Answer(id, answer)),
        }
    }
    out
}

struct Turn<'a, P: Protocol, Seen> {
    setup: &'a Setup<P>,
    node: &'a mut NodeSlot<P>,
    effects: Effects<P>,
    /// Told of every effect in order, and again of those that a write releases.
    seen: &'a mut Seen,
    /// What leaves the node for the network and the clients, in order.
    leaving: Vec<OutgoingOf<P>>,
    /// Of tasks that the node has not been told of, in the order in which it submitted them.
    outcomes: Vec<P::Outcome>,
    marks: Vec<&'static str>,
    refusals: Vec<&'static str>,
    timers_set: Vec<P::Timer>,
    /// The name of the property that a panic breaks at this place.
    phase: &'static str,
}

/// One slot in so many is asked to keep its word on flushes.
const PROBED: u64 = 16;

/// How many rounds of writes and tasks may follow from one input: a protocol that writes whenever it
/// learns of a write would go on forever.
const ROUNDS: u32 = 1000;

impl<'a, P: Checkable, Seen: FnMut(Slot, &dyn Debug)> Turn<'a, P, Seen> {
    fn new(setup: &'a Setup<P>, node: &'a mut NodeSlot<P>, answers: Vec<u32>, seen: &'a mut Seen) -> Self {
        let mut effects = Effects::new(Choices::script(answers));
        effects.continue_from(node.written());
        Turn {
            setup,
            node,
            effects,
            seen,
            leaving: Vec::new(),
            outcomes: Vec::new(),
            marks: Vec::new(),
            refusals: Vec::new(),
            timers_set: Vec::new(),
            phase: PANIC,
        }
    }

    /// Takes the turn.
    ///
    /// # Errors
    /// Why it ended early. The turn is of no use then.
    fn take(&mut self, cause: &Cause<P>) -> Result<(), Stop> {
        let result = panics::catch(|| self.run(cause));
        result.unwrap_or_else(|message| match self.effects.choices().unanswered() {
            // The panic came after an answer made up for a question. If it can happen, then under the
            // answers that are tried next.
            Some((label, ways)) => Err(Stop::Asked(label, ways)),
            None => Err(Stop::Violated(Violation::new(self.phase, format!("{}: {message}", self.node.slot)))),
        })
    }

    fn run(&mut self, cause: &Cause<P>) -> Result<(), Stop> {
        match cause {
            Cause::Message(envelope) => {
                let message = envelope.message.clone();
                self.step(Input::Message { from: envelope.from, message })?;
            }
            Cause::Timeout(timer) => {
                self.node.cancel_timer(*timer);
                self.step(Input::Timeout(*timer))?;
            }
            Cause::Invoke(number) => {
                let op = self.setup.workload[*number].clone();
                self.step(Input::Invoke { id: OpId(*number as u64), op })?;
            }
            Cause::Flush => self.flush()?,
            Cause::Sync(writes) => {
                let durable = self.release(*writes);
                self.step(Input::Persisted(durable))?;
            }
            Cause::DiskFail => {
                let first = self.node.fail();
                self.step(Input::DiskFailed(first))?;
            }
            Cause::Boot => self.boot()?,
            Cause::Crash(_) | Cause::Advance => unreachable!("the node does not react"),
        }
        self.settle()
    }

    fn boot(&mut self) -> Result<(), Stop> {
        let disk = self.node.durable().to_vec();
        let me = self.node.slot.node();
        self.node.state = Some(P::recover(&self.setup.config, me, disk.into_iter(), &mut self.effects));
        self.absorb()?;
        self.flush_eagerly()
    }

    fn step(&mut self, input: Input<P>) -> Result<(), Stop> {
        let now = self.node.clock;
        if let Some(state) = &mut self.node.state {
            state.step(&self.setup.config, now, input, &mut self.effects);
        }
        self.absorb()?;
        self.flush_eagerly()
    }

    fn flush_eagerly(&mut self) -> Result<(), Stop> {
        let batched = self.node.state.as_ref().is_some_and(P::needs_flush);
        if batched && self.setup.bounds.flush == FlushMode::Eager { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let now = self.node.clock;
        if let Some(state) = &mut self.node.state {
            state.flush(&self.setup.config, now, &mut self.effects);
        }
        self.absorb()
    }

    /// Does what is done at once: tasks, and writes if they become durable in the step that asks for
    /// them; and what follows from that.
    fn settle(&mut self) -> Result<(), Stop> {
        let eager = self.setup.bounds.sync == SyncMode::Eager;
        for _ in 0..ROUNDS {
            let writes = self.node.outstanding().len() as u32;
            if !self.outcomes.is_empty() {
                for outcome in std::mem::take(&mut self.outcomes) {
                    self.step(Input::Done(outcome))?;
                }
            } else if eager && writes > 0 {
                let durable = self.release(writes);
                self.step(Input::Persisted(durable))?;
            } else {
                return Ok(());
            }
        }
        let detail = format!("{} finds no rest after {ROUNDS} rounds of writes and tasks", self.node.slot);
        Err(Stop::Violated(Violation::new(CONTRACT, detail)))
    }

    /// Makes the oldest writes durable and lets go what waited for them; returns the last of them.
    fn release(&mut self, writes: u32) -> WriteId {
        let (leaving, durable) = self.node.sync(writes);
        for what in leaving {
            (self.seen)(self.node.slot, &what);
            self.leaving.push(what);
        }
        durable
    }

    /// Carries out what the protocol asked for, and judges the node.
    fn absorb(&mut self) -> Result<(), Stop> {
        if let Some((label, ways)) = self.effects.choices().unanswered() {
            return Err(Stop::Asked(label, ways));
        }
        for effect in self.effects.drain() {
            (self.seen)(self.node.slot, &effect);
            let (after, what) = match effect {
                Effect::Send { to, message, after } => (after, Outgoing::Send { to, message }),
                Effect::Broadcast { message, after } => (after, Outgoing::Broadcast { message }),
                Effect::Answer { id, answer, after } => (after, Outgoing::Answer { id, answer }),
                Effect::SetTimer { timer, .. } => {
                    self.node.set_timer(timer);
                    self.timers_set.push(timer);
                    continue;
                }
                Effect::CancelTimer(timer) => {
                    self.node.cancel_timer(timer);
                    continue;
                }
                Effect::Persist { record, .. } => {
                    self.node.write(record);
                    continue;
                }
                Effect::Submit(task) => {
                    if let Some(perform) = self.setup.perform {
                        self.outcomes.push(perform(&self.setup.config, &task));
                        continue;
                    }
                    let detail = format!("{} submits {task:?}: nobody can do it", self.node.slot);
                    return Err(Stop::Violated(Violation::new(CONTRACT, detail)));
                }
                // A snapshot made records superfluous: `compact` says which.
                Effect::Retire(_) => continue,
                Effect::Mark(label) => {
                    self.marks.push(label);
                    continue;
                }
                Effect::Refuse(reason) => {
                    self.refusals.push(reason);
                    continue;
                }
            };
            match self.node.hold(after, what, self.setup.bounds.identical) {
                Ok(leaving) => self.leaving.extend(leaving),
                Err(write) => {
                    let detail = format!("{} waits for {write:?}, which it never asked for", self.node.slot);
                    return Err(Stop::Violated(Violation::new(CONTRACT, detail)));
                }
            }
        }
        if let Some(state) = &self.node.state {
            self.phase = INVARIANTS;
            state.assert_invariants(&self.setup.config);
            self.phase = PANIC;
        }
        Ok(())
    }
}

/// Who gets a message for `to`: every slot that acts under that name. One for a node that is not in the
/// cluster is lost.
fn receivers<P: Protocol>(setup: &Setup<P>, to: NodeId) -> impl Iterator<Item = Slot> + '_ {
    setup.slots().filter(move |slot| slot.node() == to)
}

/// The number in the workload of an operation that is asked for, if it is that operation.
pub(crate) fn in_workload<P: Protocol<Op: Ord>>(setup: &Setup<P>, id: OpId, op: &P::Op) -> Option<usize> {
    let number = usize::try_from(id.0).ok()?;
    (setup.workload.get(number)? == op).then_some(number)
}
