//! A register on a primary and its backups, and the ways in which it can be got wrong.
//!
//! n0 is the primary for ever. A write becomes durable at the primary, then goes to the backups, which
//! acknowledge what is durable there; when all have, the client is told. Reads return the last write
//! that was acknowledged by all, or that survived a crash of the primary. One write at a time.

use std::fmt::{self, Debug};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use swarm_protocol::{
    Delay, Effects, Input, Never, NodeId, NodeSet, OpId, Outstanding, Properties, Protocol, Reply, Service,
    Specification, Ticks, Violation,
};
use swarm_simulator::world::{FlushMode, SyncMode};
use swarm_simulator::{Bounds, Setup};

/// What all nodes agree on.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) nodes: u32,
    pub(crate) flaw: Flaw,
}

/// One way to get the protocol wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The protocol as it should be.
    None,
    /// The primary tells the client before the write is durable anywhere.
    AnswersAtOnce,
    /// The primary sends copies before its own write is durable, so that a version can name two values.
    CopiesAtOnce,
    /// A backup panics when a copy comes again.
    PanicsOnOldCopy,
    /// The node's own invariant fails once a second write is stored.
    AssertsTooMuch,
    /// A client is told twice.
    AnswersTwice,
    /// The primary counts the reads of the whole process, and refuses one in five: what it does is not
    /// a function of its state.
    KeepsASecret,
    /// A node goes on after its disk has failed, as if what it has in memory were on it.
    GoesOnAfterFailure,
    /// A node believes that its clock never goes back.
    TrustsItsClock,
}

/// What [`Flaw::KeepsASecret`] counts.
static SECRET: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Message {
    Copy(Stored),
    Ack { version: u32 },
}

impl Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Copy(stored) => write!(f, "Copy({stored:?})"),
            Message::Ack { version } => write!(f, "Ack({version})"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    Resend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Op {
    Read,
    Write(u8),
}

impl FromStr for Op {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "Read" {
            return Ok(Op::Read);
        }
        let value = text.strip_prefix("Write(").and_then(|rest| rest.strip_suffix(')'));
        value
            .and_then(|value| value.parse().ok())
            .map(Op::Write)
            .ok_or_else(|| format!("`{text}` is neither Read nor Write(value)"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    Value(u8),
    Written,
    Busy,
    Redirect(NodeId),
}

/// What a node has stored: the last version and its value. Prints as `7@1`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stored {
    pub(crate) version: u32,
    pub(crate) value: u8,
}

impl Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.value, self.version)
    }
}

const PRIMARY: NodeId = NodeId(0);

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Register {
    pub(crate) me: NodeId,
    pub(crate) stored: Stored,
    /// Backup: a copy has come that is not acknowledged.
    owes_ack: bool,
    /// Primary: what reads return.
    readable: u8,
    /// Primary: who is known to have `stored` on disk.
    acks: NodeSet,
    /// Primary: who waits for `stored`.
    waiting: Option<OpId>,
    outstanding: Outstanding<()>,
    /// The disk has failed: nobody knows what it holds, and the node does nothing more.
    halted: bool,
    /// What the clock said last; kept by those who trust it.
    clock: Ticks,
}

impl Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_primary() {
            let Register { stored, readable, acks, waiting, .. } = self;
            return write!(f, "primary {stored:?} reads {readable} acks {acks:?} waiting {waiting:?}");
        }
        write!(f, "backup {:?}{}", self.stored, if self.owes_ack { " owes ack" } else { "" })
    }
}

impl Register {
    fn is_primary(&self) -> bool {
        self.me == PRIMARY
    }

    fn copy(&self) -> Message {
        Message::Copy(self.stored)
    }

    fn on_write(&mut self, config: &Config, id: OpId, value: u8, out: &mut Effects<Self>) {
        if self.acks.len() < config.nodes as usize {
            out.refuse("busy");
            out.answer(id, Answer::Busy);
            return;
        }
        self.stored = Stored { version: self.stored.version + 1, value };
        self.acks = NodeSet::EMPTY;
        let write = out.persist(self.stored);
        self.outstanding.push(write, ());
        if config.flaw == Flaw::CopiesAtOnce {
            out.broadcast(self.copy());
        } else {
            out.broadcast_after(write, self.copy());
        }
        out.set_timer(Timer::Resend, RESEND);
        self.waiting = Some(id);
        if matches!(config.flaw, Flaw::AnswersAtOnce | Flaw::AnswersTwice) {
            out.answer(id, Answer::Written);
            self.readable = value;
            self.waiting = (config.flaw == Flaw::AnswersTwice).then_some(id);
        }
    }

    fn on_copy(&mut self, config: &Config, copy: Stored, out: &mut Effects<Self>) {
        if copy.version <= self.stored.version {
            assert!(config.flaw != Flaw::PanicsOnOldCopy, "version {} came again", copy.version);
            out.refuse("old-copy");
        } else {
            self.stored = copy;
            let write = out.persist(copy);
            self.outstanding.push(write, ());
        }
        self.owes_ack = true;
    }

    fn on_ack(&mut self, config: &Config, from: NodeId, version: u32, out: &mut Effects<Self>) {
        if version != self.stored.version || from.0 >= config.nodes {
            out.refuse("stale-ack");
            return;
        }
        self.acks.insert(from);
        if self.acks.len() == config.nodes as usize {
            self.readable = self.stored.value;
            out.cancel_timer(Timer::Resend);
            out.mark("copied-everywhere");
            if let Some(id) = self.waiting.take() {
                out.answer(id, Answer::Written);
            }
        }
    }

    fn on_resend(&mut self, config: &Config, out: &mut Effects<Self>) {
        out.set_timer(Timer::Resend, RESEND);
        let missing: Vec<_> = NodeSet::first(config.nodes).difference(self.acks).iter().collect();
        if self.outstanding.is_empty() && !missing.is_empty() {
            let first = out.choose("whom to ask again", missing.len() as u32);
            out.send(missing[first as usize], self.copy());
        }
    }
}

const RESEND: Delay = Delay { min: Ticks::from_millis(20), max: Ticks::from_millis(40) };

impl Protocol for Register {
    type Config = Config;
    type Message = Message;
    type Timer = Timer;
    type Op = Op;
    type Answer = Answer;
    type Record = Stored;
    type Task = Never;
    type Outcome = Never;
    const LAST_RECORD_ONLY: bool = true;

    fn recover(
        config: &Config,
        me: NodeId,
        disk: impl Iterator<Item = Stored>,
        out: &mut Effects<Self>,
    ) -> Self {
        let stored = disk.last().unwrap_or_default();
        let mut acks = NodeSet::first(config.nodes);
        if me == PRIMARY && stored.version > 0 {
            acks = NodeSet::EMPTY;
            acks.insert(me);
            out.set_timer(Timer::Resend, RESEND);
            out.mark("primary-recovers");
        }
        Register {
            me,
            stored,
            owes_ack: false,
            readable: stored.value,
            acks,
            waiting: None,
            outstanding: Outstanding::new(),
            halted: false,
            clock: Ticks::ZERO,
        }
    }

    fn step(&mut self, config: &Config, now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        if config.flaw == Flaw::TrustsItsClock {
            assert!(self.clock <= now, "the clock went back from {} to {now}", self.clock);
            self.clock = now;
        }
        match input {
            Input::Invoke { id, .. } if self.halted => out.answer(id, Answer::Busy),
            _ if self.halted => out.refuse("halted"),
            Input::Message { from: PRIMARY, message: Message::Copy(copy) } if !self.is_primary() => {
                self.on_copy(config, copy, out);
            }
            Input::Message { from, message: Message::Ack { version } } if self.is_primary() => {
                self.on_ack(config, from, version, out);
            }
            Input::Message { .. } => out.refuse("not-for-me"),
            Input::Timeout(Timer::Resend) => self.on_resend(config, out),
            Input::Invoke { id, .. } if !self.is_primary() => out.answer(id, Answer::Redirect(PRIMARY)),
            Input::Invoke { id, op: Op::Read }
                if config.flaw == Flaw::KeepsASecret && SECRET.fetch_add(1, Ordering::Relaxed) % 5 == 4 =>
            {
                out.answer(id, Answer::Busy);
            }
            Input::Invoke { id, op: Op::Read } => out.answer(id, Answer::Value(self.readable)),
            Input::Invoke { id, op: Op::Write(value) } => self.on_write(config, id, value, out),
            Input::Persisted(write) => {
                let news = self.outstanding.persisted(write).count() > 0;
                if news && self.is_primary() && self.outstanding.is_empty() {
                    self.on_ack(config, self.me, self.stored.version, out);
                }
            }
            // Nothing is acknowledged any more that is not on disk.
            Input::DiskFailed(write) => {
                let _ = self.outstanding.persisted(write).count();
                self.owes_ack = false;
                self.halted = config.flaw != Flaw::GoesOnAfterFailure;
            }
            Input::Done(never) => match never {},
        }
    }

    fn flush(&mut self, _config: &Config, _now: Ticks, out: &mut Effects<Self>) {
        if std::mem::take(&mut self.owes_ack) {
            let ack = Message::Ack { version: self.stored.version };
            match out.last_write() {
                Some(write) => out.send_after(write, PRIMARY, ack),
                None => out.send(PRIMARY, ack),
            }
        }
    }

    fn needs_flush(&self) -> bool {
        self.owes_ack
    }

    fn assert_invariants(&self, config: &Config) {
        assert!(self.waiting.is_none() || self.is_primary(), "{} is a backup with a client", self.me);
        let most = if config.flaw == Flaw::AssertsTooMuch { 1 } else { u32::MAX };
        assert!(self.stored.version <= most, "version {} is above {most}", self.stored.version);
    }
}

/// A register that reads and writes.
#[derive(Debug)]
pub(crate) struct OneRegister;

impl Specification for OneRegister {
    type State = u8;
    type Op = Op;
    type Answer = Answer;

    fn apply(state: &mut u8, op: &Op) -> Answer {
        match op {
            Op::Read => Answer::Value(*state),
            Op::Write(value) => {
                *state = *value;
                Answer::Written
            }
        }
    }

    fn is_pure(op: &Op, _answer: &Answer) -> bool {
        *op == Op::Read
    }
}

impl Service for Register {
    type Spec = OneRegister;

    fn reply(answer: &Answer) -> Reply<Answer> {
        match answer {
            Answer::Redirect(node) => Reply::NotTaken(Some(*node)),
            Answer::Busy => Reply::NotTaken(None),
            Answer::Value(_) | Answer::Written => Reply::Done(*answer),
        }
    }
}

/// One version names one value, for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct OneValuePerVersion {
    /// The value that version `i + 1` was first seen with on a disk-holding node.
    seen: Vec<Option<u8>>,
}

impl Properties<Register> for OneValuePerVersion {
    const NAMES: &'static [&'static str] = &["one_value_per_version"];

    fn after_step(
        &mut self,
        _config: &Config,
        nodes: &[Option<&Register>],
        touched: NodeId,
    ) -> Result<(), Violation> {
        let Stored { version, value } = nodes[touched.index()].expect("who took a step is up").stored;
        // A primary that lost an unsynced write may reuse its version: backups are what counts.
        if version == 0 || touched == PRIMARY {
            return Ok(());
        }
        let place = version as usize - 1;
        if self.seen.len() <= place {
            self.seen.resize(place + 1, None);
        }
        match self.seen[place].replace(value) {
            Some(other) if other != value => {
                Err(Violation::new(Self::NAMES[0], format!("version {version}: {other} and {value}")))
            }
            _ => Ok(()),
        }
    }

    fn full(&self, _config: &Config, nodes: &[Option<&Register>]) -> Result<(), Violation> {
        let backups: Vec<_> = nodes.iter().skip(1).flatten().map(|node| node.stored).collect();
        for a in &backups {
            for b in &backups {
                if a.version == b.version && a.value != b.value {
                    let detail = format!("version {}: {} and {}", a.version, a.value, b.value);
                    return Err(Violation::new(Self::NAMES[0], detail));
                }
            }
        }
        Ok(())
    }
}

/// The register on `nodes` nodes with this flaw and these operations.
pub(crate) fn setup(nodes: u32, flaw: Flaw, workload: &[Op]) -> Setup<Register> {
    Setup::new(Config { nodes, flaw }, nodes).workload(workload.iter().copied())
}

/// Some of each fault, and nothing eager.
pub(crate) fn faults() -> Bounds {
    Bounds {
        crashes: 1,
        duplicates: 1,
        drops: 1,
        disk_failures: 1,
        in_flight: 4,
        flush: FlushMode::Deferred,
        sync: SyncMode::Prefix,
        ..Bounds::default()
    }
}
