//! A Raft with a bug put back into it: what shows that the fuzzer would notice.
//!
//! The bug is in a handler, the kind that reads well: the answer to a request for votes leaves before the
//! vote is durable (Raft Fig. 2: "Updated on stable storage before responding to RPCs"). A node that crashes
//! in between forgets its vote and gives another one in the same term. Raft's own code carries no switch for
//! it: the bug stands between the node and its effects. Bugs that are edits of the code are the zoo's
//! business.
//!
//! Verified by `tests/it/schedule.rs`, which expects it to be found, and nothing in the same inputs without.

use std::time::Instant;

use reports::artifact::Injected;
use swarm_protocol::{
    Effect, Effects, Input, Never, NodeId, Protocol, Reply, Service, Specification, Ticks, WriteId,
};
use swarm_raft::properties::{Observation, RaftProperties};
use swarm_raft::{Answer, Config, Kv, KvAnswer, KvOp, KvSpec, Message, Raft, Record, Timer};

use crate::campaign::{self, ENGINE};
use crate::inputs::{self, Kept};
use crate::raft_schedule::{Failure, judge};

/// How many inputs the bug gets.
const INJECTED_EXECUTIONS_MAX: u64 = 300_000;

/// The name of the bug.
pub const BUG: &str = "vote-before-durable";

/// Looks for the bug that is put back ([`BUG`]) with the inputs that a campaign of `raft_schedule` with
/// this seed draws. None if another target is meant. Kept inputs are not run: one may show the bug at once,
/// and would say nothing about the search.
pub fn injected(
    target: &str,
    kept: &[Kept],
    seed: u64,
    threads: usize,
    go_on: impl Fn(u64) -> bool + Sync,
) -> Option<Injected> {
    if target != "raft_schedule" {
        return None;
    }
    let begun = Instant::now();
    let fails = |number| judge_hasty(&inputs::drawn(seed, number, kept)).is_err();
    let (executions, first) = campaign::search(threads, INJECTED_EXECUTIONS_MAX, go_on, fails);
    let wall_s = begun.elapsed().as_secs_f64();
    let (bug, engine) = (BUG.to_owned(), ENGINE.to_owned());
    Some(Injected { bug, engine, found: first.is_some(), executions, wall_s })
}

/// Runs the schedule that `data` is on nodes that have the bug.
///
/// # Errors
/// The property that it broke.
pub fn judge_hasty(data: &[u8]) -> Result<(), Box<Failure>> {
    judge::<HastyVoter, RaftProperties>(data).map(drop)
}

/// Runs the schedule that `data` is on nodes that have the bug: the body of a target that must crash.
///
/// # Panics
/// If it breaks a property.
pub fn run(data: &[u8]) {
    if let Err(failure) = judge_hasty(data) {
        panic!("{failure}");
    }
}

/// A Raft node whose votes do not wait for its disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HastyVoter(Raft<Kv>);

/// Lets a node act that stands inside another, and passes on what it asks for; messages of which `hurries` is true
/// wait for no write.
pub fn through<P, I, R>(
    out: &mut Effects<P>,
    hurries: fn(&P::Message) -> bool,
    act: impl FnOnce(&mut Effects<I>) -> R,
) -> R
where
    P: Protocol,
    I: Protocol<
            Message = P::Message,
            Timer = P::Timer,
            Op = P::Op,
            Answer = P::Answer,
            Record = P::Record,
            Task = P::Task,
        >,
{
    let mut inner = Effects::new(out.choices().clone());
    inner.continue_from(out.last_write().map_or(0, WriteId::ordinal));
    let result = act(&mut inner);
    for effect in inner.drain() {
        match effect {
            Effect::Send { to, message, after: Some(write) } if !hurries(&message) => {
                out.send_after(write, to, message);
            }
            Effect::Send { to, message, .. } => out.send(to, message),
            Effect::Broadcast { message, after: None } => out.broadcast(message),
            Effect::Broadcast { message, after: Some(write) } => out.broadcast_after(write, message),
            Effect::SetTimer { timer, delay } => out.set_timer(timer, delay),
            Effect::CancelTimer(timer) => out.cancel_timer(timer),
            Effect::Persist { record, .. } => {
                out.persist(record);
            }
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

impl HastyVoter {
    /// The bug: a vote waits for nothing.
    fn through<R>(out: &mut Effects<Self>, act: impl FnOnce(&mut Effects<Raft<Kv>>) -> R) -> R {
        through(out, |message| matches!(message, Message::Vote { .. }), act)
    }
}

impl Protocol for HastyVoter {
    type Config = Config;
    type Message = Message<KvOp>;
    type Timer = Timer;
    type Op = KvOp;
    type Answer = Answer<KvAnswer>;
    type Record = Record<KvOp>;
    type Task = Never;
    type Outcome = Never;

    fn recover(
        config: &Config,
        me: NodeId,
        disk: impl Iterator<Item = Record<KvOp>>,
        out: &mut Effects<Self>,
    ) -> Self {
        HastyVoter(Self::through(out, |out| Raft::recover(config, me, disk, out)))
    }

    fn step(&mut self, config: &Config, now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        let input = match input {
            Input::Message { from, message } => Input::Message { from, message },
            Input::Timeout(timer) => Input::Timeout(timer),
            Input::Invoke { id, op } => Input::Invoke { id, op },
            Input::Persisted(write) => Input::Persisted(write),
            Input::DiskFailed(write) => Input::DiskFailed(write),
            Input::Done(never) => match never {},
        };
        Self::through(out, |out| self.0.step(config, now, input, out));
    }

    fn flush(&mut self, config: &Config, now: Ticks, out: &mut Effects<Self>) {
        Self::through(out, |out| self.0.flush(config, now, out));
    }

    fn needs_flush(&self) -> bool {
        self.0.needs_flush()
    }

    fn assert_invariants(&self, config: &Config) {
        self.0.assert_invariants(config);
    }

    fn compact(records: &mut Vec<Record<KvOp>>) {
        Raft::<Kv>::compact(records);
    }
}

impl Service for HastyVoter {
    type Spec = KvSpec;

    fn reply(answer: &Self::Answer) -> Reply<<KvSpec as Specification>::Answer> {
        Raft::<Kv>::reply(answer)
    }
}

impl Observation for HastyVoter {
    fn term(&self) -> u64 {
        Observation::term(&self.0)
    }

    fn is_leader(&self) -> bool {
        Observation::is_leader(&self.0)
    }

    fn last_index(&self) -> u64 {
        self.0.last_index()
    }

    fn commit_index(&self) -> u64 {
        Observation::commit_index(&self.0)
    }

    fn applied_index(&self) -> u64 {
        Observation::applied_index(&self.0)
    }

    fn base(&self) -> (u64, u64) {
        Observation::base(&self.0)
    }

    fn is_witness(&self) -> bool {
        Observation::is_witness(&self.0)
    }

    fn holds_payload(&self, first: u64) -> bool {
        self.0.holds_payload(first)
    }

    fn state(&self) -> Option<u64> {
        Observation::state(&self.0)
    }

    fn entry_at(&self, index: u64) -> Option<(u64, u64)> {
        self.0.entry_at(index)
    }
}
