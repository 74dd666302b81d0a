//! The step: checks that concern all inputs, and dispatch to one function per message and per timer.
//!
//! Handlers of hand-overs are in `sharing`, those of rounds in `rounds`. Verified by `tests/it`, by the properties in
//! every engine, and by messages that no node would send.

use swarm_protocol::{Effects, Input, NodeId, OpId, Protocol, Ticks};

use crate::config::INITIATOR;
use crate::disk::{Disk, Record};
use crate::{Answer, Config, Message, Node, Op, Outcome, Task, TaskId, Timer};

impl Protocol for Node {
    type Config = Config;
    type Message = Message;
    type Timer = Timer;
    type Op = Op;
    type Answer = Answer;
    type Record = Record;
    type Task = Task;
    type Outcome = Outcome;

    fn recover(
        config: &Config,
        me: NodeId,
        disk: impl Iterator<Item = Record>,
        out: &mut Effects<Self>,
    ) -> Self {
        let node = Node::boot(config, me, Disk::replay(disk), out);
        if node.failed {
            return node;
        }
        if node.is_idle() {
            Node::wait_to_steal(config, out);
        } else {
            Node::turn_to_work(config, out);
        }
        if node.is_giving() {
            out.set_timer(Timer::Resend, config.resend);
        }
        node
    }

    fn step(&mut self, config: &Config, _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        if self.failed {
            return out.refuse("disk-failed");
        }
        match input {
            Input::Message { from, message } => self.on_message(config, from, message, out),
            Input::Timeout(Timer::Turn) => self.on_turn(out),
            Input::Timeout(Timer::Steal) => self.on_idle(config, out),
            Input::Timeout(Timer::Resend) => self.on_resend(config, out),
            Input::Timeout(Timer::Round) => self.on_round_timeout(out),
            Input::Invoke { id, op: Op::Submit(size) } => self.on_submit(config, id, size, out),
            Input::Invoke { id, op: Op::Finish } => self.on_finish(config, id, out),
            Input::Done(outcome) => self.on_done(config, outcome, out),
            Input::Persisted(_) => {}
            // What was told to leave after that write never leaves, and this node knows more than its disk: it is
            // started again.
            Input::DiskFailed(_) => self.failed = true,
        }
        // Whatever the input was, it may have left the node without tasks, or with a token, or with a client that waits.
        self.go_round(config, out);
    }

    fn assert_invariants(&self, config: &Config) {
        self.check_invariants(config);
    }

    fn compact(records: &mut Vec<Record>) {
        if !matches!(&records[..], [] | [Record::Whole(_)]) {
            *records = vec![Record::Whole(Box::new(Disk::replay(records.drain(..))))];
        }
    }

    fn message_kind(message: &Message) -> &'static str {
        match message {
            Message::Steal => "Steal",
            Message::Nothing { .. } => "Nothing",
            Message::Give { .. } => "Give",
            Message::Got { .. } => "Got",
            Message::Token(_) => "Token",
        }
    }

    fn op_kind(op: &Op) -> &'static str {
        match op {
            Op::Submit(_) => "Submit",
            Op::Finish => "Finish",
        }
    }

    fn role(&self) -> &'static str {
        if self.is_idle() { "idle" } else { "busy" }
    }

    fn phase(&self) -> &'static str {
        match (self.is_giving(), self.token.is_some() || self.asking.under_way.is_some()) {
            (false, false) => "up",
            (true, false) => "giving",
            (false, true) => "asking",
            (true, true) => "giving and asking",
        }
    }
}

impl Node {
    fn on_message(&mut self, config: &Config, from: NodeId, message: Message, out: &mut Effects<Self>) {
        if from.0 >= config.nodes || from == self.me {
            return out.refuse("unknown-node");
        }
        match message {
            Message::Steal => self.on_steal(config, from, out),
            Message::Nothing { load } => self.hear(from, load),
            Message::Give { number, tasks, load } => self.on_give(config, from, number, tasks, load, out),
            Message::Got { number, load } => self.on_got(config, from, number, load, out),
            Message::Token(token) => self.on_token(token, out),
        }
    }

    fn on_submit(&mut self, config: &Config, id: OpId, size: u8, out: &mut Effects<Self>) {
        if self.disk.held.len() >= config.tasks_max {
            out.mark("submission-turned-away");
            return out.answer(id, Answer::Full(self.least_loaded(self.load())));
        }
        let was_idle = self.is_idle();
        let task = Task { id: self.name(1), size };
        self.disturbed = true;
        self.write(config, Record::Submitted(task), out);
        out.answer_durably(id, Answer::Taken(task.id));
        self.take_up(config, was_idle, out);
    }

    /// The name of the task that is the `nth` from now to come into the world here.
    pub(crate) const fn name(&self, nth: u64) -> TaskId {
        TaskId { home: self.me, ordinal: self.disk.created + nth }
    }

    /// There are more tasks than there were.
    pub(crate) fn take_up(&mut self, config: &Config, was_idle: bool, out: &mut Effects<Self>) {
        if was_idle {
            out.cancel_timer(Timer::Steal);
            Node::turn_to_work(config, out);
        }
        self.hand_over(config, out);
    }

    /// The node turns to its newest task: the older ones are for others to steal, as they are where most comes of.
    fn on_turn(&mut self, out: &mut Effects<Self>) {
        let (None, Some(task)) = (self.doing, self.disk.held.back()) else {
            return out.refuse("nothing-to-turn-to");
        };
        self.doing = Some(task.id);
        out.submit(*task);
    }

    /// A task is completed, and with it, in one record, all that it spawns is here.
    fn on_done(&mut self, config: &Config, outcome: Outcome, out: &mut Effects<Self>) {
        if self.doing != Some(outcome.id) {
            return out.refuse("not-being-done");
        }
        self.doing = None;
        let named = (1..).zip(outcome.spawned).map(|(nth, size)| Task { id: self.name(nth), size });
        let spawned = named.collect();
        self.write(config, Record::Completed { id: outcome.id, spawned }, out);
        out.mark("task-completed");
        if self.is_idle() {
            Node::wait_to_steal(config, out);
        } else {
            Node::turn_to_work(config, out);
            self.hand_over(config, out);
        }
    }

    /// A client asks whether all is done.
    fn on_finish(&mut self, config: &Config, id: OpId, out: &mut Effects<Self>) {
        if !self.is_initiator() {
            return out.answer(id, Answer::Ask(INITIATOR));
        }
        if self.asking.waiting.len() >= config.waiting_max {
            out.mark("too-many-wait");
            return out.answer(id, Answer::Full(None));
        }
        self.asking.waiting.push(id);
    }
}
