//! Messages and records as bytes, in the forms of [`swarm_protocol::wire`].
//!
//! A hand-over is its number, the giver's load and the tasks, 13 bytes each.
//!
//! Verified below: round trip, no panic and canonical form on arbitrary and on damaged bytes.

pub use swarm_protocol::wire::{Error, Wire, decode, encode};
use swarm_protocol::wire::{read_bool, read_count, read_u8, read_u32, read_u64, write_count, write_u64s};
use swarm_protocol::{NodeId, NodeSet};

use crate::{Answer, Disk, Given, Message, Op, Record, Task, TaskId, Token};

fn write_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// A node, of which there are not more than sets can hold: what is kept by number takes no more memory for it.
fn read_node(bytes: &mut &[u8]) -> Result<NodeId, Error> {
    match read_u32(bytes)? {
        number if number < NodeSet::CAPACITY => Ok(NodeId(number)),
        number => Err(Error::Count { of: "nodes", count: number }),
    }
}

fn write_all<'a, T: Wire + 'a>(out: &mut Vec<u8>, items: impl ExactSizeIterator<Item = &'a T>) {
    write_count(out, items.len());
    items.for_each(|item| item.write(out));
}

fn read_all<T: Wire, L: FromIterator<T>>(bytes: &mut &[u8], of: &'static str) -> Result<L, Error> {
    let count = read_count(bytes, of, T::BYTES_MIN)?;
    (0..count).map(|_| T::read(bytes)).collect()
}

impl Wire for TaskId {
    const BYTES_MIN: usize = 4 + 8;

    fn write(&self, out: &mut Vec<u8>) {
        write_u32(out, self.home.0);
        write_u64s(out, &[self.ordinal]);
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        Ok(TaskId { home: read_node(bytes)?, ordinal: read_u64(bytes)? })
    }
}

impl Wire for Task {
    const BYTES_MIN: usize = TaskId::BYTES_MIN + 1;

    fn write(&self, out: &mut Vec<u8>) {
        self.id.write(out);
        out.push(self.size);
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        Ok(Task { id: TaskId::read(bytes)?, size: read_u8(bytes)? })
    }
}

impl Wire for Token {
    const BYTES_MIN: usize = 4 * 8 + 1;

    fn write(&self, out: &mut Vec<u8>) {
        let Token { round, after, black, under_way, submitted } = self;
        write_u64s(out, &[*round, *after, under_way.cast_unsigned(), *submitted]);
        out.push(u8::from(*black));
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        let (round, after) = (read_u64(bytes)?, read_u64(bytes)?);
        let (under_way, submitted) = (read_u64(bytes)?.cast_signed(), read_u64(bytes)?);
        Ok(Token { round, after, black: read_bool(bytes)?, under_way, submitted })
    }
}

impl Wire for Message {
    const BYTES_MIN: usize = 1;

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Message::Steal => out.push(0),
            Message::Nothing { load } => {
                out.push(1);
                write_u32(out, *load);
            }
            Message::Give { number, tasks, load } => {
                out.push(2);
                write_u64s(out, &[*number]);
                write_u32(out, *load);
                write_all(out, tasks.iter());
            }
            Message::Got { number, load } => {
                out.push(3);
                write_u64s(out, &[*number]);
                write_u32(out, *load);
            }
            Message::Token(token) => {
                out.push(4);
                token.write(out);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        Ok(match read_u8(bytes)? {
            0 => Message::Steal,
            1 => Message::Nothing { load: read_u32(bytes)? },
            2 => {
                let (number, load) = (read_u64(bytes)?, read_u32(bytes)?);
                Message::Give { number, tasks: read_all(bytes, "tasks")?, load }
            }
            3 => Message::Got { number: read_u64(bytes)?, load: read_u32(bytes)? },
            4 => Message::Token(Token::read(bytes)?),
            tag => return Err(Error::Tag { of: "a message", tag }),
        })
    }
}

impl Wire for Given {
    const BYTES_MIN: usize = 8 + 4;

    fn write(&self, out: &mut Vec<u8>) {
        write_u64s(out, &[self.number]);
        write_all(out, self.tasks.iter());
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        Ok(Given { number: read_u64(bytes)?, tasks: read_all(bytes, "tasks")? })
    }
}

impl Wire for Disk {
    const BYTES_MIN: usize = 4 * 8 + 3 * 4;

    fn write(&self, out: &mut Vec<u8>) {
        let Disk { created, submitted, completed, held, given, received, round } = self;
        write_u64s(out, &[*created, *submitted, *completed, *round]);
        write_all(out, held.iter());
        write_all(out, given.iter());
        write_all(out, received.iter());
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        let mut word = || read_u64(bytes);
        let (created, submitted, completed, round) = (word()?, word()?, word()?, word()?);
        let (held, given) = (read_all(bytes, "tasks")?, read_all(bytes, "nodes")?);
        Ok(Disk { created, submitted, completed, held, given, received: read_all(bytes, "nodes")?, round })
    }
}

impl Wire for Record {
    const BYTES_MIN: usize = 1 + 4;

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Record::Submitted(task) => {
                out.push(0);
                task.write(out);
            }
            Record::Given { to, tasks } => {
                out.push(1);
                write_u32(out, to.0);
                write_all(out, tasks.iter());
            }
            Record::Arrived(to) => {
                out.push(2);
                write_u32(out, to.0);
            }
            Record::Received { from, tasks } => {
                out.push(3);
                write_u32(out, from.0);
                write_all(out, tasks.iter());
            }
            Record::Completed { id, spawned } => {
                out.push(4);
                id.write(out);
                write_all(out, spawned.iter());
            }
            Record::Round(round) => {
                out.push(5);
                write_u64s(out, &[*round]);
            }
            Record::Whole(disk) => {
                out.push(6);
                disk.write(out);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        Ok(match read_u8(bytes)? {
            0 => Record::Submitted(Task::read(bytes)?),
            1 => Record::Given { to: read_node(bytes)?, tasks: read_all(bytes, "tasks")? },
            2 => Record::Arrived(read_node(bytes)?),
            3 => Record::Received { from: read_node(bytes)?, tasks: read_all(bytes, "tasks")? },
            4 => Record::Completed { id: TaskId::read(bytes)?, spawned: read_all(bytes, "tasks")? },
            5 => Record::Round(read_u64(bytes)?),
            6 => Record::Whole(Box::new(Disk::read(bytes)?)),
            tag => return Err(Error::Tag { of: "a record", tag }),
        })
    }
}

impl Wire for Op {
    const BYTES_MIN: usize = 1;

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Op::Submit(size) => out.extend_from_slice(&[0, *size]),
            Op::Finish => out.push(1),
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        Ok(match read_u8(bytes)? {
            0 => Op::Submit(read_u8(bytes)?),
            1 => Op::Finish,
            tag => return Err(Error::Tag { of: "an operation", tag }),
        })
    }
}

impl Wire for Answer {
    const BYTES_MIN: usize = 1;

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Answer::Taken(id) => {
                out.push(0);
                id.write(out);
            }
            Answer::Finished { submitted } => {
                out.push(1);
                write_u64s(out, &[*submitted]);
            }
            Answer::Full(None) => out.push(2),
            Answer::Full(Some(node)) => {
                out.push(3);
                write_u32(out, node.0);
            }
            Answer::Ask(node) => {
                out.push(4);
                write_u32(out, node.0);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        Ok(match read_u8(bytes)? {
            0 => Answer::Taken(TaskId::read(bytes)?),
            1 => Answer::Finished { submitted: read_u64(bytes)? },
            2 => Answer::Full(None),
            3 => Answer::Full(Some(read_node(bytes)?)),
            4 => Answer::Ask(read_node(bytes)?),
            tag => return Err(Error::Tag { of: "an answer", tag }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_protocol::Stream;
    use swarm_protocol::wire::testing::{check_canonical, check_round_trip};

    fn word(draw: &mut Stream) -> u64 {
        [draw.below(9), draw.draw(), u64::MAX][draw.below(3) as usize]
    }

    fn node(draw: &mut Stream) -> NodeId {
        NodeId(draw.below(NodeSet::CAPACITY.into()) as u32)
    }

    fn task(draw: &mut Stream) -> Task {
        let id = TaskId { home: node(draw), ordinal: word(draw) };
        Task { id, size: draw.draw() as u8 }
    }

    fn tasks<L: FromIterator<Task>>(draw: &mut Stream) -> L {
        (0..draw.below(4)).map(|_| task(draw)).collect()
    }

    fn message(draw: &mut Stream) -> Message {
        let (number, load) = (word(draw), draw.draw() as u32);
        match draw.below(5) {
            0 => Message::Steal,
            1 => Message::Nothing { load },
            2 => Message::Give { number, tasks: tasks(draw), load },
            3 => Message::Got { number, load },
            _ => Message::Token(Token {
                round: number,
                after: word(draw),
                black: draw.below(2) == 0,
                under_way: word(draw).cast_signed(),
                submitted: word(draw),
            }),
        }
    }

    fn disk(draw: &mut Stream) -> Disk {
        Disk {
            created: word(draw),
            submitted: word(draw),
            completed: word(draw),
            held: tasks(draw),
            given: (0..draw.below(3)).map(|_| Given { number: word(draw), tasks: tasks(draw) }).collect(),
            received: (0..draw.below(3)).map(|_| word(draw)).collect(),
            round: word(draw),
        }
    }

    fn record(draw: &mut Stream) -> Record {
        match draw.below(7) {
            0 => Record::Submitted(task(draw)),
            1 => Record::Given { to: node(draw), tasks: tasks(draw) },
            2 => Record::Arrived(node(draw)),
            3 => Record::Received { from: node(draw), tasks: tasks(draw) },
            4 => Record::Completed { id: task(draw).id, spawned: tasks(draw) },
            5 => Record::Round(word(draw)),
            _ => Record::Whole(Box::new(disk(draw))),
        }
    }

    fn answer(draw: &mut Stream) -> Answer {
        match draw.below(5) {
            0 => Answer::Taken(task(draw).id),
            1 => Answer::Finished { submitted: word(draw) },
            2 => Answer::Full(None),
            3 => Answer::Full(Some(node(draw))),
            _ => Answer::Ask(node(draw)),
        }
    }

    #[test]
    fn values_round_trip() {
        for seed in 0..400 {
            let mut draw = Stream::new(seed, 0, 0);
            check_round_trip(&message(&mut draw));
            check_round_trip(&record(&mut draw));
            check_round_trip(&answer(&mut draw));
            check_round_trip(&[Op::Finish, Op::Submit(draw.draw() as u8)][draw.below(2) as usize]);
        }
    }

    #[test]
    fn damaged_and_arbitrary_bytes_are_refused_or_mean_one_thing() {
        let (mut meant, mut refused) = (0, 0);
        for seed in 0..4000 {
            let mut draw = Stream::new(seed, 1, 0);
            let mut bytes = vec![];
            encode(&message(&mut draw), &mut bytes);
            let messages = bytes.len();
            encode(&record(&mut draw), &mut bytes);
            for _ in 0..=draw.below(3) {
                let place = draw.below(bytes.len() as u64) as usize;
                bytes[place] ^= 1 << draw.below(8);
            }
            let arbitrary: Vec<u8> =
                (0..draw.below(40)).map(|i| (draw.draw() >> (8 * (i % 7))) as u8).collect();
            for decodes in [
                check_canonical::<Message>(&bytes[..messages]),
                check_canonical::<Record>(&bytes[messages..]),
                check_canonical::<Message>(&arbitrary),
                check_canonical::<Record>(&arbitrary),
                check_canonical::<Answer>(&arbitrary),
                check_canonical::<Op>(&arbitrary),
            ] {
                *if decodes { &mut meant } else { &mut refused } += 1;
            }
        }
        assert!(meant > 100 && refused > 100, "both are part of the test: {meant}, {refused}");
    }

    #[test]
    fn a_count_beyond_the_bytes_and_a_node_beyond_all_sets_are_refused() {
        let mut bytes = vec![2];
        write_u64s(&mut bytes, &[1]);
        write_u32(&mut bytes, 0);
        write_u32(&mut bytes, u32::MAX);
        assert_eq!(decode::<Message>(&bytes), Err(Error::Count { of: "tasks", count: u32::MAX }));
        let mut bytes = vec![2];
        write_u32(&mut bytes, NodeSet::CAPACITY);
        let error = Error::Count { of: "nodes", count: NodeSet::CAPACITY };
        assert_eq!(decode::<Record>(&bytes), Err(error));
    }
}
