//! One node with what belongs to it: effects, timers, stable storage, counters. Both drivers are loops
//! around this.
//!
//! A driver steps a run of inputs and then settles: flush, carry the effects out in order, sync what was
//! appended (one sync for the whole run: group commit), let go of what waited for it, report it to the
//! node as durable, and once more for what the node makes of that. What does not wait for a write leaves
//! before the sync, so that replication and the own disk overlap.
//!
//! Verified by the tests of this file (the order of effects around a sync, the copies of a broadcast) and
//! through both drivers by `tests/it`.

use std::io;

use swarm_protocol::{
    Choices, Effect, Effects, Input, Never, NodeId, OpId, Protocol, Stream, Ticks, WriteId,
};

use crate::counters::{Counters, Running};
use crate::storage::Storage;
use crate::timers::TimerSet;

/// The streams of a seed, told apart by purpose.
const CHOICES: u64 = 0x6368_6F69;
const TIMERS: u64 = 0x7469_6D65;

/// Where messages and answers go.
pub(crate) trait Outbox<P: Protocol> {
    /// Messages are taken from [`Sent`] where they stand, by whoever they go to; they are not handed to
    /// [`Outbox::send`].
    const IN_PLACE: bool;
    /// Sends a message; false if there was no room or no such node.
    fn send(&mut self, to: NodeId, message: P::Message) -> bool;
    /// Answers a client; false if there was no room.
    fn answer(&mut self, id: OpId, answer: P::Answer) -> bool;
    /// The node is about to wait for its disk: receivers may begin with what was sent.
    fn hand_over(&mut self) {}
}

/// What a node does with tasks: computes their outcomes.
pub type Perform<P> = fn(<P as Protocol>::Task) -> <P as Protocol>::Outcome;

/// The performer of protocols without tasks.
pub fn no_tasks<O>(task: Never) -> O {
    match task {}
}

/// The effects of a node's turn, all of them carried out, but that messages are to be taken by their receivers.
pub(crate) struct Sent<P: Protocol> {
    effects: Vec<Effect<P>>,
    /// Where the messages stand among them.
    places: Vec<u32>,
}

/// Who takes from [`Sent`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The one who sent it.
    Sender,
    /// Another, behind whom others will take.
    Early,
    /// The last of the others.
    Last,
}

impl<P: Protocol> Sent<P> {
    pub(crate) const fn new() -> Self {
        Sent { effects: Vec::new(), places: Vec::new() }
    }

    /// Whether there are messages to be taken.
    #[inline]
    pub(crate) const fn has_messages(&self) -> bool {
        !self.places.is_empty()
    }

    /// Hands on what was sent to `me`. Of what the sender sent to all others, the last of them to take has the message
    /// itself, the others have copies.
    #[inline]
    pub(crate) fn take(&mut self, me: NodeId, turn: Turn, mut each: impl FnMut(P::Message)) {
        let mut left = false;
        for place in &self.places {
            let effect = &mut self.effects[*place as usize];
            match effect {
                Effect::Send { to, .. } if *to == me => {}
                Effect::Broadcast { .. } if turn == Turn::Last => {}
                Effect::Broadcast { message, .. } if turn == Turn::Early => {
                    left = true;
                    each(message.clone());
                    continue;
                }
                Effect::Send { .. } | Effect::Broadcast { .. } => {
                    left = true;
                    continue;
                }
                // Taken already.
                _ => continue,
            }
            if let Effect::Send { message, .. } | Effect::Broadcast { message, .. } =
                core::mem::replace(effect, done())
            {
                each(message);
            }
        }
        if !left {
            self.places.clear();
        }
    }
}

/// A node and its surroundings.
pub(crate) struct Host<P: Protocol, S> {
    me: NodeId,
    cluster_len: u32,
    seed: u64,
    boots: u64,
    node: P,
    now: Ticks,
    effects: Effects<P>,
    timers: TimerSet<P::Timer>,
    storage: S,
    /// The ordinal of the last write that the node asked for in this boot.
    asked: u64,
    /// The ordinal of the last write known to be durable, at most `asked`.
    durable: u64,
    /// The ordinal of the last write that the node was told has failed.
    failed: u64,
    /// The storage has failed and takes nothing until the next boot.
    disk_failed: bool,
    /// To be retired at the next sync: what makes the records superfluous must be durable first.
    retire: Option<WriteId>,
    /// So many effects of the list were carried out or are held back; the rest are new.
    carried: usize,
    /// Where the first of the list stands that waits for a write; none between settlements.
    held: Option<usize>,
    /// Where those of the list stand that are messages to be taken in place.
    places: Vec<u32>,
    tasks: Vec<P::Task>,
    perform: Perform<P>,
    /// Inputs were stepped since the last settlement.
    unsettled: bool,
    running: Running,
}

impl<P: Protocol, S: Storage<P::Record>> Host<P, S> {
    /// Boots a node from its storage.
    ///
    /// # Errors
    /// Those of [`Storage::recover`].
    pub(crate) fn boot(
        config: &P::Config,
        me: NodeId,
        cluster_len: u32,
        seed: u64,
        mut storage: S,
        perform: Perform<P>,
    ) -> io::Result<Self> {
        let (choices, timer_choices) = streams(seed, me, 0);
        let mut effects = Effects::new(choices);
        let node = P::recover(config, me, storage.recover()?.into_iter(), &mut effects);
        Ok(Host {
            me,
            cluster_len,
            seed,
            boots: 1,
            node,
            now: Ticks::ZERO,
            effects,
            timers: TimerSet::new(timer_choices),
            storage,
            asked: 0,
            durable: 0,
            failed: 0,
            disk_failed: false,
            retire: None,
            carried: 0,
            held: None,
            places: Vec::new(),
            tasks: Vec::new(),
            perform,
            unsettled: true,
            running: Running::default(),
        })
    }

    /// Crashes the node and boots it from what was durable. Its clock goes on.
    ///
    /// # Errors
    /// Those of [`Storage::recover`]; the node is then as it was before.
    pub(crate) fn restart(&mut self, config: &P::Config) -> io::Result<()> {
        let records = self.storage.recover()?;
        let (choices, timer_choices) = streams(self.seed, self.me, self.boots);
        self.boots += 1;
        self.effects.reboot();
        self.effects.set_choices(choices);
        self.timers.restart(timer_choices);
        (self.asked, self.durable, self.failed) = (0, 0, 0);
        (self.disk_failed, self.retire) = (false, None);
        (self.carried, self.held) = (0, None);
        self.places.clear();
        self.tasks.clear();
        self.node = P::recover(config, self.me, records.into_iter(), &mut self.effects);
        self.unsettled = true;
        Ok(())
    }

    pub(crate) fn node(&self) -> &P {
        &self.node
    }

    pub(crate) fn storage(&self) -> &S {
        &self.storage
    }

    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn into_parts(self) -> (P, S, Counters) {
        let counters = self.running.read();
        (self.node, self.storage, counters)
    }

    pub(crate) fn counters(&self) -> Counters {
        self.running.read()
    }

    /// Whether there is something to settle.
    pub(crate) fn unsettled(&self) -> bool {
        self.unsettled
    }

    /// Moves the node's clock; it never goes back.
    pub(crate) fn set_now(&mut self, now: Ticks) {
        self.now = self.now.max(now);
    }

    /// When the next timer runs out.
    pub(crate) fn next_deadline(&mut self) -> Option<Ticks> {
        self.timers.next_deadline()
    }

    #[inline]
    pub(crate) fn deliver(&mut self, config: &P::Config, from: NodeId, message: P::Message) {
        self.running.totals.delivered += 1;
        self.step(config, Input::Message { from, message });
    }

    #[inline]
    pub(crate) fn invoke(&mut self, config: &P::Config, id: OpId, op: P::Op) {
        self.running.totals.invoked += 1;
        self.step(config, Input::Invoke { id, op });
    }

    #[inline]
    fn step(&mut self, config: &P::Config, input: Input<P>) {
        self.unsettled = true;
        self.node.step(config, self.now, input, &mut self.effects);
    }

    /// A message that was counted as sent found no room after all.
    pub(crate) const fn undo_send(&mut self) {
        self.running.totals.sent -= 1;
        self.running.totals.dropped += 1;
    }

    /// Whether nothing is to be done for the node now, unless messages have come.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        !self.unsettled && !self.timers.is_due(self.now)
    }

    /// Whether it has asked for anything in this turn.
    #[inline]
    pub(crate) fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Steps the timers that are due, and settles after each: the effects of one may stop another.
    /// Returns how many there were. A timer that is set anew to run out at once waits for the next call.
    pub(crate) fn fire_due(&mut self, config: &P::Config, out: &mut impl Outbox<P>) -> usize {
        let mut fired = 0;
        if self.timers.is_due(self.now) {
            if self.unsettled {
                self.settle(config, out);
            }
            let fired_max = self.timers.len();
            while fired < fired_max
                && let Some(timer) = self.timers.pop_due(self.now)
            {
                fired += 1;
                self.step(config, Input::Timeout(timer));
                self.settle(config, out);
            }
            self.running.totals.timeouts += fired as u64;
        }
        fired
    }

    /// Ends a run of inputs: all effects are carried out, and what they wait for is durable or has
    /// failed.
    pub(crate) fn settle<O: Outbox<P>>(&mut self, config: &P::Config, out: &mut O) {
        let mut failed_before = false;
        loop {
            if self.node.needs_flush() {
                self.node.flush(config, self.now, &mut self.effects);
            }
            self.carry_out(out);
            let mut again = false;
            if self.asked > self.durable.max(self.failed) && !failed_before {
                out.hand_over();
                again = true;
                if self.sync() {
                    self.release(out);
                    self.step(config, Input::Persisted(WriteId::new(self.durable)));
                } else {
                    // Once per settlement, so that a node that answers a failed write by another write
                    // does not hold its driver up for ever.
                    failed_before = true;
                    let first = self.durable.max(self.failed) + 1;
                    self.failed = self.asked;
                    self.held = None;
                    self.step(config, Input::DiskFailed(WriteId::new(first)));
                }
            }
            if !self.tasks.is_empty() {
                again = true;
                let mut tasks = core::mem::take(&mut self.tasks);
                for task in tasks.drain(..) {
                    let outcome = (self.perform)(task);
                    self.step(config, Input::Done(outcome));
                }
                self.tasks = tasks;
            }
            if !again {
                break;
            }
        }
        self.held = None;
        if !O::IN_PLACE {
            self.effects.clear();
            self.carried = 0;
        }
        self.unsettled = false;
    }

    /// Carries out the effects that are new, holding back what waits for a write that is not durable.
    #[inline]
    fn carry_out<O: Outbox<P>>(&mut self, out: &mut O) {
        let Host { effects, running, storage, timers, carried, held, places, durable, cluster_len, .. } =
            self;
        let list = effects.as_mut_slice();
        for (place, effect) in (*carried..).zip(&mut list[*carried..]) {
            match effect {
                Effect::Send { after, .. }
                | Effect::Broadcast { after, .. }
                | Effect::Answer { after, .. }
                    if waits(*after, *durable) =>
                {
                    held.get_or_insert(place);
                }
                Effect::Send { .. } | Effect::Broadcast { .. } | Effect::Answer { .. } => {
                    let_go((running, places), out, (self.me, *cluster_len), (place, effect));
                }
                Effect::SetTimer { timer, delay } => timers.set(*timer, self.now, *delay),
                Effect::CancelTimer(timer) => {
                    timers.cancel(*timer);
                }
                Effect::Persist { .. } => {
                    let Effect::Persist { write, record } = core::mem::replace(effect, done()) else {
                        continue;
                    };
                    self.asked = write.ordinal();
                    if !self.disk_failed {
                        running.totals.records += 1;
                        self.disk_failed = storage.append(record).is_err();
                    }
                }
                Effect::Submit(_) => {
                    if let Effect::Submit(task) = core::mem::replace(effect, done()) {
                        self.tasks.push(task);
                    }
                }
                Effect::Retire(before) => self.retire = self.retire.max(Some(*before)),
                Effect::Mark(label) => running.marks.count(label),
                Effect::Refuse(reason) => running.refused.count(reason),
            }
        }
        *carried = list.len();
    }

    /// Makes the appended records durable; false if the storage has failed.
    fn sync(&mut self) -> bool {
        self.disk_failed = self.disk_failed || self.storage.sync().is_err();
        if self.disk_failed {
            self.running.totals.disk_failures += 1;
            return false;
        }
        self.running.totals.syncs += 1;
        self.durable = self.asked;
        if let Some(before) = self.retire.take() {
            // Records that could not be retired are superfluous, not wrong; a storage that has failed
            // says so at the next append.
            let _ = self.storage.retire(before);
        }
        true
    }

    /// Lets go of what was held back: what it waited for is durable.
    #[inline]
    fn release<O: Outbox<P>>(&mut self, out: &mut O) {
        let Some(first) = self.held.take() else { return };
        let list = (first..).zip(&mut self.effects.as_mut_slice()[first..]);
        for (place, effect) in list.filter(|(_, effect)| after(effect).is_some()) {
            let sent = (&mut self.running, &mut self.places);
            let_go(sent, out, (self.me, self.cluster_len), (place, effect));
        }
    }

    /// Hands over the effects of a turn, all of them carried out, in exchange for those of the last.
    #[inline]
    pub(crate) fn exchange(&mut self, sent: &mut Sent<P>) {
        let Sent { effects, places } = sent;
        effects.clear();
        places.clear();
        self.effects.swap(effects);
        core::mem::swap(&mut self.places, places);
        self.carried = 0;
    }
}

/// What stands in the place of an effect that is done.
#[inline]
pub(crate) const fn done<P: Protocol>() -> Effect<P> {
    Effect::Mark("")
}

/// The write that an effect waits for.
#[inline]
fn after<P: Protocol>(effect: &Effect<P>) -> Option<WriteId> {
    match effect {
        Effect::Send { after, .. } | Effect::Broadcast { after, .. } | Effect::Answer { after, .. } => *after,
        _ => None,
    }
}

/// Whether an effect has to wait, if writes up to `durable` are durable.
#[inline]
fn waits(after: Option<WriteId>, durable: u64) -> bool {
    after.is_some_and(|write| write.ordinal() > durable)
}

/// Sends or answers, as the effect says, now that nothing holds it back.
#[inline]
fn let_go<P: Protocol, O: Outbox<P>>(
    (running, places): (&mut Running, &mut Vec<u32>),
    out: &mut O,
    (me, cluster_len): (NodeId, u32),
    (place, effect): (usize, &mut Effect<P>),
) {
    let totals = &mut running.totals;
    if O::IN_PLACE {
        match effect {
            Effect::Send { to, .. } if to.0 < cluster_len => totals.sent += 1,
            Effect::Broadcast { .. } => totals.sent += u64::from(cluster_len - 1),
            Effect::Send { .. } => {
                totals.dropped += 1;
                return;
            }
            _ => return respond(running, out, effect),
        }
        return places.push(place as u32);
    }
    match effect {
        Effect::Send { .. } | Effect::Broadcast { .. } => match core::mem::replace(effect, done()) {
            Effect::Send { to, message, .. } => send(running, out, to, message),
            Effect::Broadcast { message, .. } => broadcast(running, out, me, cluster_len, message),
            _ => {}
        },
        _ => respond(running, out, effect),
    }
}

#[inline]
fn send<P: Protocol>(running: &mut Running, out: &mut impl Outbox<P>, to: NodeId, message: P::Message) {
    let count = if out.send(to, message) { &mut running.totals.sent } else { &mut running.totals.dropped };
    *count += 1;
}

#[inline]
fn respond<P: Protocol>(running: &mut Running, out: &mut impl Outbox<P>, effect: &mut Effect<P>) {
    let Effect::Answer { id, answer, .. } = core::mem::replace(effect, done()) else { return };
    let totals = &mut running.totals;
    let count = if out.answer(id, answer) { &mut totals.answered } else { &mut totals.answers_dropped };
    *count += 1;
}

/// Sends to every other node: the last gets the message itself, the others copies.
#[inline]
fn broadcast<P: Protocol>(
    running: &mut Running,
    out: &mut impl Outbox<P>,
    me: NodeId,
    cluster_len: u32,
    message: P::Message,
) {
    if cluster_len < 2 {
        return;
    }
    let last = if me.0 + 1 == cluster_len { cluster_len - 2 } else { cluster_len - 1 };
    for to in (0..last).filter(|to| *to != me.0) {
        send(running, out, NodeId(to), message.clone());
    }
    send(running, out, NodeId(last), message);
}

/// The streams that answer the choices and pick the times of one boot.
fn streams(seed: u64, me: NodeId, boot: u64) -> (Choices, Choices) {
    let stream = |purpose| Choices::seed(Stream::new(seed, purpose ^ u64::from(me.0) << 32, boot));
    (stream(CHOICES), stream(TIMERS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    /// A protocol that asks for what each operation says, and does nothing else.
    #[derive(Debug)]
    struct Script;

    /// A message that counts its copies.
    #[derive(Debug)]
    struct Counted(&'static str, Rc<Cell<usize>>);

    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.1.set(self.1.get() + 1);
            Counted(self.0, self.1.clone())
        }
    }

    #[derive(Clone, Debug)]
    struct Line(fn(&mut Effects<Script>), Option<Counted>);

    impl Protocol for Script {
        type Config = ();
        type Message = Counted;
        type Timer = char;
        type Op = Line;
        type Answer = &'static str;
        type Record = &'static str;
        type Task = &'static str;
        type Outcome = &'static str;

        fn recover((): &(), _: NodeId, _: impl Iterator<Item = &'static str>, _: &mut Effects<Self>) -> Self {
            Script
        }

        fn step(&mut self, (): &(), _: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
            match input {
                Input::Invoke { op: Line(_, Some(message)), .. } => out.broadcast(message),
                Input::Invoke { op: Line(ask, None), .. } => ask(out),
                Input::Persisted(write) => out.answer(OpId(write.ordinal()), "persisted"),
                Input::Timeout('a') => {
                    out.cancel_timer('b');
                    out.set_timer('a', Ticks(0)..=Ticks(0));
                }
                Input::Done(outcome) => out.answer(OpId(0), outcome),
                Input::Message { .. } | Input::Timeout(_) | Input::DiskFailed(_) => {}
            }
        }
    }

    /// Everything that leaves the host, in order.
    #[derive(Clone, Default)]
    struct Journal(Rc<RefCell<Vec<String>>>);

    impl Journal {
        fn note(&self, line: String) {
            self.0.borrow_mut().push(line);
        }
    }

    impl Outbox<Script> for Journal {
        const IN_PLACE: bool = false;
        fn send(&mut self, to: NodeId, message: Counted) -> bool {
            self.note(format!("send {to} {}", message.0));
            true
        }
        fn answer(&mut self, _: OpId, answer: &'static str) -> bool {
            self.note(format!("answer {answer}"));
            true
        }
        fn hand_over(&mut self) {
            self.note("hand over".into());
        }
    }

    impl Storage<&'static str> for Journal {
        fn recover(&mut self) -> io::Result<Vec<&'static str>> {
            Ok(Vec::new())
        }
        fn append(&mut self, record: &'static str) -> io::Result<()> {
            self.note(format!("append {record}"));
            Ok(())
        }
        fn sync(&mut self) -> io::Result<()> {
            self.note("sync".into());
            Ok(())
        }
        fn retire(&mut self, before: WriteId) -> io::Result<()> {
            self.note(format!("retire {before:?}"));
            Ok(())
        }
    }

    fn host(me: u32, cluster_len: u32) -> (Host<Script, Journal>, Journal) {
        let journal = Journal::default();
        let host = Host::boot(&(), NodeId(me), cluster_len, 1, journal.clone(), |task| task).unwrap();
        (host, journal)
    }

    /// What leaves when the host takes these lines in one run.
    fn journal_of(lines: &[fn(&mut Effects<Script>)]) -> Vec<String> {
        let (mut host, mut journal) = host(0, 3);
        for line in lines {
            host.invoke(&(), OpId(0), Line(*line, None));
        }
        host.settle(&(), &mut journal);
        journal.0.take()
    }

    fn message(text: &'static str) -> Counted {
        Counted(text, Rc::default())
    }

    #[test]
    fn what_waits_for_a_write_leaves_after_the_sync_and_all_else_before() {
        let journal = journal_of(&[
            |out| {
                let write = out.persist("vote");
                out.send_after(write, NodeId(1), message("granted"));
                out.answer_after(write, OpId(0), "stored");
                out.retire(write);
            },
            |out| {
                out.send(NodeId(2), message("ping"));
                let write = out.persist("entry");
                out.broadcast_after(write, message("ack"));
                out.answer(OpId(0), "taken");
            },
        ]);
        let expected = [
            "append vote",
            "send n2 ping",
            "append entry",
            "answer taken",
            "hand over",
            "sync",
            "retire w1",
            "send n1 granted",
            "answer stored",
            "send n1 ack",
            "send n2 ack",
            "answer persisted",
        ];
        assert_eq!(journal, expected);
    }

    #[test]
    fn nothing_is_synced_without_a_write() {
        assert_eq!(journal_of(&[|out| out.answer(OpId(0), "read")]), ["answer read"]);
    }

    #[test]
    fn the_outcome_of_a_task_comes_back() {
        assert_eq!(journal_of(&[|out| out.submit("signed")]), ["answer signed"]);
    }

    #[test]
    fn a_broadcast_goes_to_every_other_node_and_copies_for_all_but_one() {
        for cluster_len in 1..6 {
            for me in 0..cluster_len {
                let (mut host, mut journal) = host(me, cluster_len);
                let copies = Rc::new(Cell::new(0));
                let line = Line(|_| (), Some(Counted("hello", copies.clone())));
                host.invoke(&(), OpId(0), line);
                host.settle(&(), &mut journal);
                let expected: Vec<_> =
                    (0..cluster_len).filter(|to| *to != me).map(|to| format!("send n{to} hello")).collect();
                assert_eq!(journal.0.take(), expected);
                assert_eq!(copies.get(), (cluster_len as usize).saturating_sub(2));
                assert_eq!(host.counters().sent, expected.len() as u64);
            }
        }
    }

    #[test]
    fn a_timer_may_stop_another_that_is_due_with_it_and_set_itself_without_end() {
        let (mut host, mut journal) = host(0, 3);
        let line: fn(&mut Effects<Script>) = |out| {
            out.set_timer('a', Ticks(1)..=Ticks(1));
            out.set_timer('b', Ticks(1)..=Ticks(1));
        };
        host.invoke(&(), OpId(0), Line(line, None));
        host.settle(&(), &mut journal);
        host.set_now(Ticks(1));
        // Two timers run, so two at most run out in one call: the first one twice.
        assert_eq!(host.fire_due(&(), &mut journal), 2);
        assert_eq!(host.next_deadline(), Some(Ticks(1)));
        assert_eq!(host.counters().timeouts, 2);
        assert_eq!(host.fire_due(&(), &mut journal), 1);
    }
}
