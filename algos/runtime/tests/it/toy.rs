//! A toy protocol that uses every effect: node 0 stores numbers at a majority, and computes squares as
//! tasks. It has no elections; what it stands for is the traffic of a replicated log.

use std::collections::VecDeque;

use swarm_protocol::{Delay, Effects, Input, NodeId, OpId, Protocol, Ticks};

pub(crate) const PRIMARY: NodeId = NodeId(0);

/// The poison: stepping it panics, as a bug in a protocol would.
pub(crate) const POISON: u64 = u64::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) nodes: usize,
    pub(crate) resend: Ticks,
}

pub(crate) fn three() -> Config {
    Config { nodes: 3, resend: Ticks::from_millis(5) }
}

#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// Numbers from this position on.
    Store { first: usize, numbers: Vec<u64> },
    /// So many numbers are durable here.
    Stored { count: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    Resend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add(u64),
    Square(u64),
    /// Allows everything before the last number to be forgotten.
    Forget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Added { position: usize },
    Squared(u64),
}

#[derive(Debug)]
pub(crate) struct Square {
    id: OpId,
    number: u64,
}

pub(crate) fn square(task: Square) -> Square {
    Square { number: task.number * task.number, ..task }
}

#[derive(Debug)]
pub(crate) struct Keeper {
    me: NodeId,
    pub(crate) numbers: Vec<u64>,
    /// How many of the numbers were read from disk at the last boot.
    recovered: usize,
    durable: usize,
    /// How many numbers the others have been sent.
    sent: usize,
    /// What each node has said to be durable; the own entry stays 0.
    stored: Vec<usize>,
    waiting: VecDeque<(usize, OpId)>,
    acknowledge: bool,
    pub(crate) disk_failed: bool,
}

impl Keeper {
    fn store(&mut self, number: u64, out: &mut Effects<Self>) {
        self.numbers.push(number);
        out.persist(number);
    }

    fn answer_stored(&mut self, out: &mut Effects<Self>) {
        let mut counts = self.stored.clone();
        counts[self.me.index()] = self.durable;
        counts.sort_unstable();
        let at_majority = counts[(counts.len() - 1) / 2];
        while let Some(&(position, id)) = self.waiting.front()
            && position < at_majority
        {
            self.waiting.pop_front();
            out.mark("stored");
            out.answer(id, Answer::Added { position });
        }
    }
}

impl Protocol for Keeper {
    type Config = Config;
    type Message = Message;
    type Timer = Timer;
    type Op = Op;
    type Answer = Answer;
    type Record = u64;
    type Task = Square;
    type Outcome = Square;

    fn recover(
        config: &Config,
        me: NodeId,
        disk: impl Iterator<Item = u64>,
        out: &mut Effects<Self>,
    ) -> Self {
        let numbers: Vec<u64> = disk.collect();
        let count = numbers.len();
        if me == PRIMARY {
            out.set_timer(Timer::Resend, Delay::exactly(config.resend));
        }
        Keeper {
            me,
            numbers,
            recovered: count,
            durable: count,
            sent: count,
            stored: vec![0; config.nodes],
            waiting: VecDeque::new(),
            acknowledge: false,
            disk_failed: false,
        }
    }

    fn step(&mut self, config: &Config, _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        match input {
            Input::Invoke { .. } if self.disk_failed => out.refuse("disk-failed"),
            Input::Invoke { op: Op::Add(POISON), .. } => panic!("poisoned"),
            Input::Invoke { id, op: Op::Add(number) } if self.me == PRIMARY => {
                self.waiting.push_back((self.numbers.len(), id));
                self.store(number, out);
            }
            Input::Invoke { op: Op::Add(_), .. } => out.refuse("not-the-primary"),
            Input::Invoke { id, op: Op::Square(number) } => out.submit(Square { id, number }),
            Input::Invoke { op: Op::Forget, .. } => match out.last_write() {
                Some(last) => out.retire(last),
                None => out.refuse("nothing-to-forget"),
            },
            Input::Done(Square { id, number }) => out.answer(id, Answer::Squared(number)),
            Input::Message { message: Message::Store { first, numbers }, .. } => {
                if first > self.numbers.len() {
                    out.refuse("gap");
                    return;
                }
                for number in numbers.into_iter().skip(self.numbers.len() - first) {
                    self.store(number, out);
                }
                self.acknowledge = true;
            }
            Input::Message { from, message: Message::Stored { count } } => {
                self.stored[from.index()] = self.stored[from.index()].max(count);
                self.answer_stored(out);
            }
            Input::Persisted(write) => {
                self.durable = self.recovered + write.ordinal() as usize;
                assert!(self.durable <= self.numbers.len(), "{write:?} was never asked for");
                self.answer_stored(out);
            }
            Input::DiskFailed(_) => {
                self.disk_failed = true;
                out.mark("disk-failed");
            }
            Input::Timeout(Timer::Resend) => {
                for node in (0..config.nodes).filter(|node| *node != self.me.index()) {
                    let first = self.stored[node];
                    if first < self.sent {
                        let numbers = self.numbers[first..self.sent].to_vec();
                        out.send(NodeId(node as u32), Message::Store { first, numbers });
                    }
                }
                out.set_timer(Timer::Resend, config.resend..=config.resend + config.resend);
            }
        }
    }

    fn flush(&mut self, _config: &Config, _now: Ticks, out: &mut Effects<Self>) {
        if self.me == PRIMARY && self.sent < self.numbers.len() {
            let numbers = self.numbers[self.sent..].to_vec();
            out.broadcast(Message::Store { first: self.sent, numbers });
            self.sent = self.numbers.len();
        }
        if core::mem::take(&mut self.acknowledge) {
            let count = self.numbers.len();
            match out.last_write() {
                Some(write) if self.durable < count => {
                    out.send_after(write, PRIMARY, Message::Stored { count });
                }
                _ => out.send(PRIMARY, Message::Stored { count: self.durable }),
            }
        }
    }

    fn needs_flush(&self) -> bool {
        self.acknowledge || self.me == PRIMARY && self.sent < self.numbers.len()
    }
}
