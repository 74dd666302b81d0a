//! A protocol whose stable storage keeps nothing: durability taken away from whatever it wraps.
//!
//! Writes complete as before, so the node believes them; after a crash the disk is empty. A protocol that
//! needs its promises to outlive a crash must fail under it, and a checker that does not see it fail does
//! not look at crashes. Stateright's own Raft example keeps nothing either, and so elects two leaders in a
//! term once a node restarts; here that is shown on purpose. Verified by the instance that expects it.

use std::iter;

use swarm_protocol::{Effect, Effects, Input, NodeId, Protocol, Rename, Renaming, Service, Symmetric, Ticks};
use swarm_raft::Config;
use swarm_raft::properties::{Observation, RaftProperties};
use swarm_simulator::profile::{Pace, Span};
use swarm_simulator::scenario::Scenario;
use swarm_simulator::simulation::Simulation;

use crate::raft::{Node, Op};
use crate::registered::Registered;

/// A node that forgets everything in a crash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Forgetful<P>(pub P);

impl<P: Protocol> Forgetful<P> {
    /// Lets the node inside act, and passes on what it asks for.
    fn through<R>(out: &mut Effects<Self>, act: impl FnOnce(&mut Effects<P>) -> R) -> R {
        let mut inner = Effects::new(out.choices().clone());
        inner.continue_from(out.last_write().map_or(0, swarm_protocol::WriteId::ordinal));
        let result = act(&mut inner);
        for effect in inner.drain() {
            match effect {
                Effect::Send { to, message, after: None } => out.send(to, message),
                Effect::Send { to, message, after: Some(write) } => out.send_after(write, to, message),
                Effect::Broadcast { message, after: None } => out.broadcast(message),
                Effect::Broadcast { message, after: Some(write) } => out.broadcast_after(write, message),
                Effect::SetTimer { timer, delay } => out.set_timer(timer, delay),
                Effect::CancelTimer(timer) => out.cancel_timer(timer),
                Effect::Persist { record, .. } => drop(out.persist(record)),
                Effect::Answer { id, answer, after: None } => out.answer(id, answer),
                Effect::Answer { id, answer, after: Some(write) } => out.answer_after(write, id, answer),
                Effect::Submit(task) => out.submit(task),
                Effect::Retire(before) => out.retire(before),
                Effect::Mark(label) => out.mark(label),
                Effect::Refuse(reason) => out.refuse(reason),
            }
        }
        out.set_choices(inner.choices().clone());
        result
    }
}

impl<P: Rename> Rename for Forgetful<P> {
    fn rename(&mut self, names: &Renaming) {
        self.0.rename(names);
    }
}

impl<P: Symmetric> Symmetric for Forgetful<P> {
    fn alike(config: &P::Config, nodes: u32) -> bool {
        P::alike(config, nodes)
    }
}

impl<P: Protocol> Protocol for Forgetful<P> {
    type Config = P::Config;
    type Message = P::Message;
    type Timer = P::Timer;
    type Op = P::Op;
    type Answer = P::Answer;
    type Record = P::Record;
    type Task = P::Task;
    type Outcome = P::Outcome;

    fn recover(
        config: &P::Config,
        me: NodeId,
        _disk: impl Iterator<Item = P::Record>,
        out: &mut Effects<Self>,
    ) -> Self {
        Forgetful(Self::through(out, |out| P::recover(config, me, iter::empty(), out)))
    }

    fn step(&mut self, config: &P::Config, now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        let input = match input {
            Input::Message { from, message } => Input::Message { from, message },
            Input::Timeout(timer) => Input::Timeout(timer),
            Input::Invoke { id, op } => Input::Invoke { id, op },
            Input::Persisted(write) => Input::Persisted(write),
            Input::DiskFailed(write) => Input::DiskFailed(write),
            Input::Done(outcome) => Input::Done(outcome),
        };
        Self::through(out, |out| self.0.step(config, now, input, out));
    }

    fn flush(&mut self, config: &P::Config, now: Ticks, out: &mut Effects<Self>) {
        Self::through(out, |out| self.0.flush(config, now, out));
    }

    fn needs_flush(&self) -> bool {
        self.0.needs_flush()
    }

    fn assert_invariants(&self, config: &P::Config) {
        self.0.assert_invariants(config);
    }

    /// What it would boot from is the same whatever was written: nothing.
    fn compact(records: &mut Vec<P::Record>) {
        records.clear();
    }
}

impl<P: Service> Service for Forgetful<P> {
    type Spec = P::Spec;

    fn reply(
        answer: &P::Answer,
    ) -> swarm_protocol::Reply<<P::Spec as swarm_protocol::Specification>::Answer> {
        P::reply(answer)
    }
}

impl<P: Observation> Observation for Forgetful<P> {
    fn term(&self) -> u64 {
        self.0.term()
    }

    fn is_leader(&self) -> bool {
        self.0.is_leader()
    }

    fn last_index(&self) -> u64 {
        self.0.last_index()
    }

    fn commit_index(&self) -> u64 {
        self.0.commit_index()
    }

    fn applied_index(&self) -> u64 {
        self.0.applied_index()
    }

    fn base(&self) -> (u64, u64) {
        self.0.base()
    }

    fn is_witness(&self) -> bool {
        self.0.is_witness()
    }

    fn holds_payload(&self, first: u64) -> bool {
        self.0.holds_payload(first)
    }

    fn state(&self) -> Option<u64> {
        self.0.state()
    }

    fn entry_at(&self, index: u64) -> Option<(u64, u64)> {
        self.0.entry_at(index)
    }
}

/// Raft whose votes do not outlive a crash, for tests of what is told of a finding.
pub type ForgetfulRaft = Forgetful<Node>;

impl Registered for ForgetfulRaft {
    type Properties = RaftProperties;
    const NAME: &'static str = "forgetful-raft";
    const TYPE: &'static str = "model_check::forgetful::ForgetfulRaft";

    fn config(nodes: u32) -> Config {
        Node::config(nodes)
    }

    fn read(scenario: &Scenario<Op>) -> Result<Config, String> {
        Node::read(scenario)
    }

    /// Nodes crash often, so that some vote twice.
    fn simulation(nodes: u32) -> Simulation<Self, RaftProperties> {
        let pace = Pace { interval: Span::micros(20_000, 100_000), ..Pace::default() };
        Simulation::new(Self::config(nodes), nodes, Self::operation).pace(pace)
    }
}
