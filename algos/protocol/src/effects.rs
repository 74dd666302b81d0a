//! What a step asks its driver to do.

use core::fmt::{self, Debug};

use crate::{Choices, Delay, NodeId, OpId, Protocol, Stream, WriteId};

/// One thing that a step asked for. Drivers carry them out in order.
pub enum Effect<P: Protocol> {
    /// Send to one node; with `after`, not before that write is durable.
    Send {
        /// The receiver.
        to: NodeId,
        /// What to send.
        message: P::Message,
        /// The write that must be durable first.
        after: Option<WriteId>,
    },
    /// Send to every other node; with `after`, not before that write is durable.
    Broadcast {
        /// What to send.
        message: P::Message,
        /// The write that must be durable first.
        after: Option<WriteId>,
    },
    /// Start a timer, or restart it if it runs.
    SetTimer {
        /// Which timer.
        timer: P::Timer,
        /// How long it may run.
        delay: Delay,
    },
    /// Stop a timer; nothing happens if it does not run.
    CancelTimer(P::Timer),
    /// Append a record to stable storage.
    Persist {
        /// The ordinal under which its durability will be reported.
        write: WriteId,
        /// What to append.
        record: P::Record,
    },
    /// Answer a client; with `after`, not before that write is durable.
    Answer {
        /// The operation that is answered.
        id: OpId,
        /// What the client is told.
        answer: P::Answer,
        /// The write that must be durable first.
        after: Option<WriteId>,
    },
    /// Do a task and hand its outcome back as [`crate::Input::Done`]. Lost in a crash.
    Submit(P::Task),
    /// Records before this write are no longer needed: a snapshot has made them superfluous.
    Retire(WriteId),
    /// The run has reached the place of this name.
    Mark(&'static str),
    /// What the input asked for was not done, for this reason. The node may have learned from it all the same: a
    /// request with a later term, say, moves a Raft node's term, whatever becomes of the request.
    Refuse(&'static str),
}

impl<P: Protocol> Clone for Effect<P>
where
    P::Task: Clone,
{
    fn clone(&self) -> Self {
        match self {
            Effect::Send { to, message, after } => {
                Effect::Send { to: *to, message: message.clone(), after: *after }
            }
            Effect::Broadcast { message, after } => {
                Effect::Broadcast { message: message.clone(), after: *after }
            }
            Effect::SetTimer { timer, delay } => Effect::SetTimer { timer: *timer, delay: *delay },
            Effect::CancelTimer(timer) => Effect::CancelTimer(*timer),
            Effect::Persist { write, record } => Effect::Persist { write: *write, record: record.clone() },
            Effect::Answer { id, answer, after } => {
                Effect::Answer { id: *id, answer: answer.clone(), after: *after }
            }
            Effect::Submit(task) => Effect::Submit(task.clone()),
            Effect::Retire(before) => Effect::Retire(*before),
            Effect::Mark(label) => Effect::Mark(label),
            Effect::Refuse(reason) => Effect::Refuse(reason),
        }
    }
}

impl<P: Protocol> Debug for Effect<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = |f: &mut fmt::Formatter<'_>, after: &Option<WriteId>| match after {
            Some(write) => write!(f, " after {write:?}"),
            None => Ok(()),
        };
        match self {
            Effect::Send { to, message, after } => {
                write!(f, "send {to} {message:?}")?;
                held(f, after)
            }
            Effect::Broadcast { message, after } => {
                write!(f, "broadcast {message:?}")?;
                held(f, after)
            }
            Effect::SetTimer { timer, delay } => write!(f, "set {timer:?} {}..={}", delay.min, delay.max),
            Effect::CancelTimer(timer) => write!(f, "cancel {timer:?}"),
            Effect::Persist { write, record } => write!(f, "persist {write:?} {record:?}"),
            Effect::Answer { id, answer, after } => {
                write!(f, "answer {id:?} {answer:?}")?;
                held(f, after)
            }
            Effect::Submit(task) => write!(f, "submit {task:?}"),
            Effect::Retire(before) => write!(f, "retire before {before:?}"),
            Effect::Mark(label) => write!(f, "mark {label}"),
            Effect::Refuse(reason) => write!(f, "refuse {reason}"),
        }
    }
}

/// A reusable buffer of effects, one per node: steps fill it, the driver drains it.
///
/// It keeps its capacity, so that a step in steady state allocates nothing, and it counts the writes of
/// the boot that it belongs to.
#[derive(Debug)]
pub struct Effects<P: Protocol> {
    list: Vec<Effect<P>>,
    choices: Choices,
    /// The ordinal of the next write, at least 1.
    next_write: u64,
}

impl<P: Protocol> Effects<P> {
    /// An empty buffer for a node about to boot.
    pub const fn new(choices: Choices) -> Self {
        Effects { list: Vec::new(), choices, next_write: 1 }
    }

    /// Builds an effect where it will stand: one that is built elsewhere and moved is stored in parts and
    /// loaded whole, and such a load waits for the stores.
    #[inline]
    fn push(&mut self, effect: impl FnOnce() -> Effect<P>) {
        self.list.extend(core::iter::once_with(effect));
    }

    /// Sends `message` to `to` at once.
    #[inline]
    pub fn send(&mut self, to: NodeId, message: P::Message) {
        self.push(|| Effect::Send { to, message, after: None });
    }

    /// Sends `message` to `to` once `write` and all before it are durable; never if the node crashes
    /// before.
    #[inline]
    pub fn send_after(&mut self, write: WriteId, to: NodeId, message: P::Message) {
        self.push(|| Effect::Send { to, message, after: Some(write) });
    }

    /// Sends `message` to `to`; with `after`, not before that write and all before it are durable, and never if
    /// the node crashes before.
    #[inline]
    pub fn send_when(&mut self, after: Option<WriteId>, to: NodeId, message: P::Message) {
        self.push(|| Effect::Send { to, message, after });
    }

    /// Sends `message` to every other node at once.
    #[inline]
    pub fn broadcast(&mut self, message: P::Message) {
        self.push(|| Effect::Broadcast { message, after: None });
    }

    /// Sends `message` to every other node once `write` and all before it are durable.
    #[inline]
    pub fn broadcast_after(&mut self, write: WriteId, message: P::Message) {
        self.push(|| Effect::Broadcast { message, after: Some(write) });
    }

    /// Sends `message` to `to` once all that was written so far is durable: at once if nothing is on its way.
    #[inline]
    pub fn send_durably(&mut self, to: NodeId, message: P::Message) {
        let after = self.last_write();
        self.push(|| Effect::Send { to, message, after });
    }

    /// Sends `message` to every other node once all that was written so far is durable.
    #[inline]
    pub fn broadcast_durably(&mut self, message: P::Message) {
        let after = self.last_write();
        self.push(|| Effect::Broadcast { message, after });
    }

    /// Starts or restarts a timer; the driver picks from the range.
    #[inline]
    pub fn set_timer(&mut self, timer: P::Timer, delay: impl Into<Delay>) {
        self.push(|| Effect::SetTimer { timer, delay: delay.into() });
    }

    /// Stops a timer.
    #[inline]
    pub fn cancel_timer(&mut self, timer: P::Timer) {
        self.push(|| Effect::CancelTimer(timer));
    }

    /// Appends a record to stable storage and returns the name of the write.
    #[inline(always)]
    pub fn persist(&mut self, record: P::Record) -> WriteId {
        let write = WriteId::new(self.next_write);
        self.next_write += 1;
        self.push(|| Effect::Persist { write, record });
        write
    }

    /// Answers a client at once.
    #[inline]
    pub fn answer(&mut self, id: OpId, answer: P::Answer) {
        self.push(|| Effect::Answer { id, answer, after: None });
    }

    /// Answers a client once `write` and all before it are durable; never if the node crashes before.
    #[inline]
    pub fn answer_after(&mut self, write: WriteId, id: OpId, answer: P::Answer) {
        self.push(|| Effect::Answer { id, answer, after: Some(write) });
    }

    /// Answers a client once all that was written so far is durable; never if the node crashes before.
    #[inline]
    pub fn answer_durably(&mut self, id: OpId, answer: P::Answer) {
        let after = self.last_write();
        self.push(|| Effect::Answer { id, answer, after });
    }

    /// Hands pure heavy work to the host.
    pub fn submit(&mut self, task: P::Task) {
        self.push(|| Effect::Submit(task));
    }

    /// Says that records before `write` are superfluous.
    pub fn retire(&mut self, before: WriteId) {
        self.push(|| Effect::Retire(before));
    }

    /// Asks for one of `n` ways to go on: a value below `n`.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn choose(&mut self, label: &'static str, n: u32) -> u32 {
        self.choices.choose(label, n)
    }

    /// Says that the run has reached the place called `label`: coverage, and the "sometimes" half of
    /// every "never".
    #[inline]
    pub fn mark(&mut self, label: &'static str) {
        self.push(|| Effect::Mark(label));
    }

    /// Says that what the input asks for is not done, and why. Drivers count refusals by reason.
    #[inline]
    pub fn refuse(&mut self, reason: &'static str) {
        self.push(|| Effect::Refuse(reason));
    }

    /// The last write asked for in this boot, if any.
    pub fn last_write(&self) -> Option<WriteId> {
        (self.next_write > 1).then(|| WriteId::new(self.next_write - 1))
    }

    // The driver's half.

    /// The effects so far, in order.
    pub fn as_slice(&self) -> &[Effect<P>] {
        &self.list
    }

    /// The effects so far, in order, to be carried out where they stand.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [Effect<P>] {
        &mut self.list
    }

    /// Exchanges the list of effects for another, which the next steps will fill further: a driver that keeps two has
    /// the one to itself while the other is filled, and none is allocated anew.
    #[inline]
    pub fn swap(&mut self, list: &mut Vec<Effect<P>>) {
        core::mem::swap(&mut self.list, list);
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes the effects out, in order; the buffer keeps its capacity.
    pub fn drain(&mut self) -> impl Iterator<Item = Effect<P>> + '_ {
        self.list.drain(..)
    }

    /// Throws the effects away.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// Who answers choices from here on.
    pub fn set_choices(&mut self, choices: Choices) {
        self.choices = choices;
    }

    /// This generator answers choices from here on.
    #[inline]
    pub fn choose_by(&mut self, stream: Stream) {
        if let Choices::Seed(current) = &mut self.choices {
            *current = stream;
        } else {
            self.choices = Choices::Seed(stream);
        }
    }

    /// The source of answers, to be asked what it left open.
    pub const fn choices(&self) -> &Choices {
        &self.choices
    }

    /// Empties the buffer for a boot: the next write is number 1 again.
    pub fn reboot(&mut self) {
        self.continue_from(0);
    }

    /// Empties the buffer for a node that has asked for `written` writes since it booted (drivers that
    /// share one buffer among nodes, or store nodes as values).
    pub fn continue_from(&mut self, written: u64) {
        self.list.clear();
        self.next_write = written + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Input, Never, Ticks};

    /// A protocol for its types alone.
    #[derive(Debug)]
    struct Types;

    impl Protocol for Types {
        type Config = ();
        type Message = u8;
        type Timer = ();
        type Op = ();
        type Answer = u8;
        type Record = u8;
        type Task = Never;
        type Outcome = Never;

        fn recover((): &(), _: NodeId, _: impl Iterator<Item = u8>, _: &mut Effects<Self>) -> Self {
            Types
        }

        fn step(&mut self, (): &(), _: Ticks, _: Input<Self>, _: &mut Effects<Self>) {}
    }

    #[test]
    fn what_leaves_durably_waits_for_the_last_write_of_the_boot() {
        let mut out = Effects::<Types>::new(Choices::script(Vec::new()));
        let ask = |out: &mut Effects<Types>| {
            out.send_durably(NodeId(1), 7);
            out.broadcast_durably(8);
            out.answer_durably(OpId(3), 9);
            let asked: Vec<_> = out.drain().map(|effect| format!("{effect:?}")).collect();
            asked
        };
        assert_eq!(ask(&mut out), ["send n1 7", "broadcast 8", "answer op3 9"]);
        out.persist(1);
        let last = out.persist(2);
        out.clear();
        assert_eq!(last, WriteId::new(2));
        assert_eq!(ask(&mut out), ["send n1 7 after w2", "broadcast 8 after w2", "answer op3 9 after w2"]);
        out.reboot();
        assert_eq!(ask(&mut out), ["send n1 7", "broadcast 8", "answer op3 9"]);
    }
}
