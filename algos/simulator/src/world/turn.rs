//! One node's turn: an input, all that follows from it at once, and what leaves the node.
//!
//! A turn works on a copy of the slot. Until it is committed the world is as it was: a turn that asks a
//! question nobody has answered, that panics or that leaves the boundary is thrown away.

use core::fmt::Debug;

use swarm_protocol::{
    Checkable, Choices, Effect, Effects, Input, NodeId, OpId, Protocol, Violation, WriteId,
};

use super::node::{NodeSlot, Outgoing, OutgoingOf};
use super::{CONTRACT, FlushMode, INVARIANTS, PANIC, Setup, SyncMode};
use crate::{Slot, panics};

/// What starts a turn.
pub(crate) enum Cause<P: Protocol> {
    Input(Input<P>),
    Flush,
    Sync(u32),
    DiskFail,
    Boot,
}

/// Why a turn ended early.
pub(crate) enum Stop {
    /// It asked this question, with so many answers, and there was no answer.
    Asked(&'static str, u32),
    /// It broke a property.
    Violated(Violation),
}

pub(crate) struct Turn<'a, P: Protocol, Seen> {
    setup: &'a Setup<P>,
    node: &'a mut NodeSlot<P>,
    effects: Effects<P>,
    /// Told of every effect in order, and again of those that a write releases.
    seen: &'a mut Seen,
    /// What leaves the node for the network and the clients, in order.
    pub(crate) leaving: Vec<OutgoingOf<P>>,
    /// Of tasks that the node has not been told of, in the order in which it submitted them.
    outcomes: Vec<P::Outcome>,
    pub(crate) marks: Vec<&'static str>,
    pub(crate) refusals: Vec<&'static str>,
    /// The name of the property that a panic breaks at this place.
    phase: &'static str,
}

/// How many rounds of writes and tasks may follow from one input: a protocol that writes whenever it
/// learns of a write would go on forever.
const ROUNDS: u32 = 1000;

impl<'a, P: Checkable, Seen: FnMut(Slot, &dyn Debug)> Turn<'a, P, Seen> {
    pub(crate) fn new(
        setup: &'a Setup<P>,
        node: &'a mut NodeSlot<P>,
        answers: Vec<u32>,
        seen: &'a mut Seen,
    ) -> Self {
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
            phase: PANIC,
        }
    }

    /// Takes the turn.
    ///
    /// # Errors
    /// Why it ended early. The turn is of no use then.
    pub(crate) fn take(&mut self, cause: Cause<P>) -> Result<(), Stop> {
        let result = panics::catch(|| self.run(cause));
        result.unwrap_or_else(|message| match self.effects.choices().unanswered() {
            // The panic came after an answer made up for a question. If it can happen, then under the
            // answers that are tried next.
            Some((label, ways)) => Err(Stop::Asked(label, ways)),
            None => Err(Stop::Violated(Violation::new(self.phase, format!("{}: {message}", self.node.slot)))),
        })
    }

    fn run(&mut self, cause: Cause<P>) -> Result<(), Stop> {
        match cause {
            Cause::Input(input) => self.step(input)?,
            Cause::Flush => self.flush()?,
            Cause::Sync(writes) => {
                let durable = self.release(writes);
                self.step(Input::Persisted(durable))?;
            }
            Cause::DiskFail => {
                let first = self.node.fail();
                self.step(Input::DiskFailed(first))?;
            }
            Cause::Boot => self.boot()?,
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
pub(crate) fn receivers<P: Protocol>(setup: &Setup<P>, to: NodeId) -> impl Iterator<Item = Slot> + '_ {
    setup.slots().filter(move |slot| slot.node() == to)
}

/// The number in the workload of an operation that is asked for, if it is that operation.
pub(crate) fn in_workload<P: Protocol<Op: Ord>>(setup: &Setup<P>, id: OpId, op: &P::Op) -> Option<usize> {
    let number = usize::try_from(id.0).ok()?;
    (setup.workload.get(number)? == op).then_some(number)
}
