//! Messages and records as bytes, in the forms of [`swarm_protocol::wire`].
//!
//! A run is its term, its count and its entries, so that a batch travels once and arrives as one shared
//! allocation. What is decoded takes less than `size_of::<Entry<C>>()` bytes (72 for payloads) per byte of
//! input. Hand-written, because the derived codec that measures best (wincode; `cargo bench -p bench --bench wire`
//! prints both, and that it decodes faster) can only be implemented for types of our own by unsafe code, and
//! bounds what it allocates by a constant instead of the input.
//!
//! Verified by quickcheck: round trip, no panic and canonical form on arbitrary and on damaged bytes.

use std::sync::Arc;

pub use swarm_protocol::wire::{Error, Wire, decode, encode};
use swarm_protocol::wire::{
    read_bool, read_count, read_u8, read_u16, read_u32, read_u64, write_count, write_u64s,
};
use swarm_protocol::{NodeId, NodeSet};

use crate::{
    Entries, Entry, KvAnswer, KvOp, Loan, Membership, Message, Once, Part, Payload, Record, Request, Run,
    Snapshot,
};

impl<C: Wire> Wire for Entry<C> {
    const BYTES_MIN: usize = 1;

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Entry::NoOp => out.push(0),
            Entry::Command(command) => {
                out.push(1);
                command.write(out);
            }
            Entry::Membership(membership) => {
                out.push(2);
                membership.write(out);
            }
            Entry::Withheld => out.push(3),
        }
    }

    #[inline]
    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        match read_u8(bytes)? {
            0 => Ok(Entry::NoOp),
            1 => C::read(bytes).map(Entry::Command),
            2 => Membership::read(bytes).map(|membership| Entry::Membership(Box::new(membership))),
            3 => Ok(Entry::Withheld),
            tag => Err(Error::Tag { of: "an entry", tag }),
        }
    }
}

impl<C: Wire> Wire for Run<C> {
    const BYTES_MIN: usize = 8 + 4 + 1;

    fn write(&self, out: &mut Vec<u8>) {
        write_u64s(out, &[self.term()]);
        write_count(out, self.entries().len());
        self.entries().iter().for_each(|entry| entry.write(out));
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        let term = read_u64(bytes)?;
        let count = read_count(bytes, "entries", Entry::<C>::BYTES_MIN)?;
        if count == 0 {
            return Err(Error::Count { of: "entries", count: 0 });
        }
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(Entry::read(bytes)?);
        }
        if count > 1 && entries.iter().any(|entry| matches!(entry, Entry::Membership(_))) {
            return Err(Error::Count { of: "entries beside a membership", count: count as u32 - 1 });
        }
        Ok(Run::of_commands(term, Arc::from(entries)))
    }
}

impl Wire for Membership {
    const BYTES_MIN: usize = 4 * 8;

    fn write(&self, out: &mut Vec<u8>) {
        let Membership { voters, outgoing, learners, goal } = self;
        write_u64s(out, &[voters, outgoing, learners, goal].map(|set| set.bits()));
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        let mut set = || read_u64(bytes).map(NodeSet::from_bits);
        Ok(Membership { voters: set()?, outgoing: set()?, learners: set()?, goal: set()? })
    }
}

impl<C: Wire> Wire for Entries<C> {
    const BYTES_MIN: usize = 4;

    fn write(&self, out: &mut Vec<u8>) {
        write_count(out, self.runs().len());
        self.runs().iter().for_each(|run| run.write(out));
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        match read_count(bytes, "runs", Run::<C>::BYTES_MIN)? {
            0 => Ok(Entries::none()),
            1 => Run::read(bytes).map(Entries::from),
            count => {
                let mut runs = Vec::with_capacity(count);
                for _ in 0..count {
                    runs.push(Run::read(bytes)?);
                }
                Ok(Entries::from_runs(runs))
            }
        }
    }
}

impl<C: Wire> Wire for Message<C> {
    const BYTES_MIN: usize = 1 + 8;

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Message::RequestPreVote { term, last_index, last_term } => {
                out.push(0);
                write_u64s(out, &[*term, *last_index, *last_term]);
            }
            Message::PreVote { term, granted } => {
                out.push(1);
                write_u64s(out, &[*term]);
                out.push(u8::from(*granted));
            }
            Message::RequestVote { term, last_index, last_term, told } => {
                out.push(if *told { 11 } else { 2 });
                write_u64s(out, &[*term, *last_index, *last_term]);
            }
            Message::Vote { term, granted } => {
                out.push(3);
                write_u64s(out, &[*term]);
                out.push(u8::from(*granted));
            }
            Message::Append { term, prev_index, prev_term, commit, entries } => {
                out.push(4);
                write_u64s(out, &[*term, *prev_index, *prev_term, *commit]);
                entries.write(out);
            }
            Message::Appended { term, matched } => {
                out.push(5);
                write_u64s(out, &[*term, *matched]);
            }
            Message::Conflict { term, prev_index, hint_index, hint_term } => {
                out.push(6);
                write_u64s(out, &[*term, *prev_index, *hint_index, *hint_term]);
            }
            Message::Stale { term } => {
                out.push(7);
                write_u64s(out, &[*term]);
            }
            Message::Part { term, part } => {
                out.push(20);
                write_u64s(out, &[*term]);
                part.write(out);
            }
            Message::Received { term, index, offset } => {
                out.push(21);
                write_u64s(out, &[*term, *index, *offset]);
            }
            Message::Confirm { term, round } => {
                out.push(8);
                write_u64s(out, &[*term, *round]);
            }
            Message::Confirmed { term, round } => {
                out.push(9);
                write_u64s(out, &[*term, *round]);
            }
            Message::TimeoutNow { term } => {
                out.push(10);
                write_u64s(out, &[*term]);
            }
            Message::Behind { term, last_index, last_term } => {
                out.push(12);
                write_u64s(out, &[*term, *last_index, *last_term]);
            }
            Message::Ask { term, prev_index, prev_term } => {
                out.push(13);
                write_u64s(out, &[*term, *prev_index, *prev_term]);
            }
            Message::Lend { term, loan } => {
                let Loan { prev_index, prev_term, last_index, last_term, entries } = &**loan;
                out.push(14);
                write_u64s(out, &[*term, *prev_index, *prev_term, *last_index, *last_term]);
                entries.write(out);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        let tag = read_u8(bytes)?;
        if !matches!(tag, 0..=14 | 20..=21) {
            return Err(Error::Tag { of: "a message", tag });
        }
        let term = read_u64(bytes)?;
        Ok(match tag {
            0 => Message::RequestPreVote { term, last_index: read_u64(bytes)?, last_term: read_u64(bytes)? },
            1 => Message::PreVote { term, granted: read_bool(bytes)? },
            2 | 11 => {
                let (last_index, last_term) = (read_u64(bytes)?, read_u64(bytes)?);
                Message::RequestVote { term, last_index, last_term, told: tag == 11 }
            }
            3 => Message::Vote { term, granted: read_bool(bytes)? },
            4 => Message::Append {
                term,
                prev_index: read_u64(bytes)?,
                prev_term: read_u64(bytes)?,
                commit: read_u64(bytes)?,
                entries: Entries::read(bytes)?,
            },
            5 => Message::Appended { term, matched: read_u64(bytes)? },
            6 => Message::Conflict {
                term,
                prev_index: read_u64(bytes)?,
                hint_index: read_u64(bytes)?,
                hint_term: read_u64(bytes)?,
            },
            7 => Message::Stale { term },
            8 => Message::Confirm { term, round: read_u64(bytes)? },
            9 => Message::Confirmed { term, round: read_u64(bytes)? },
            10 => Message::TimeoutNow { term },
            12 => Message::Behind { term, last_index: read_u64(bytes)?, last_term: read_u64(bytes)? },
            13 => Message::Ask { term, prev_index: read_u64(bytes)?, prev_term: read_u64(bytes)? },
            14 => {
                let (prev_index, prev_term) = (read_u64(bytes)?, read_u64(bytes)?);
                let (last_index, last_term) = (read_u64(bytes)?, read_u64(bytes)?);
                let entries = Entries::read(bytes)?;
                let loan = Loan { prev_index, prev_term, last_index, last_term, entries };
                Message::Lend { term, loan: Box::new(loan) }
            }
            20 => Message::Part { term, part: Box::new(Part::read(bytes)?) },
            _ => Message::Received { term, index: read_u64(bytes)?, offset: read_u64(bytes)? },
        })
    }
}

impl<C: Wire> Wire for Record<C> {
    const BYTES_MIN: usize = 1 + 8;

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Record::Vote { term, vote: None } => {
                out.push(0);
                write_u64s(out, &[*term]);
            }
            Record::Vote { term, vote: Some(NodeId(vote)) } => {
                out.push(1);
                write_u64s(out, &[*term]);
                out.extend_from_slice(&vote.to_le_bytes());
            }
            Record::Append { first, entries } => {
                out.push(2);
                write_u64s(out, &[*first]);
                entries.write(out);
            }
            Record::Truncate { after } => {
                out.push(3);
                write_u64s(out, &[*after]);
            }
            Record::Snapshot(snapshot) => {
                out.push(4);
                snapshot.write(out);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        let tag = read_u8(bytes)?;
        if tag > 4 {
            return Err(Error::Tag { of: "a record", tag });
        }
        if tag == 4 {
            return Snapshot::read(bytes).map(|snapshot| Record::Snapshot(Arc::new(snapshot)));
        }
        let word = read_u64(bytes)?;
        Ok(match tag {
            0 => Record::Vote { term: word, vote: None },
            1 => Record::Vote { term: word, vote: Some(NodeId(read_u32(bytes)?)) },
            2 => Record::Append { first: word, entries: Entries::read(bytes)? },
            _ => Record::Truncate { after: word },
        })
    }
}

impl Wire for KvOp {
    const BYTES_MIN: usize = 1 + 2;

    fn write(&self, out: &mut Vec<u8>) {
        let (tag, key) = match self {
            KvOp::Get(key) => (0, key),
            KvOp::Put(key, _) => (1, key),
            KvOp::Cas(key, ..) => (2, key),
        };
        out.push(tag);
        out.extend_from_slice(&key.to_le_bytes());
        match self {
            KvOp::Get(_) => {}
            KvOp::Put(_, value) => write_u64s(out, &[*value]),
            KvOp::Cas(_, expected, new) => write_u64s(out, &[*expected, *new]),
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        let tag = read_u8(bytes)?;
        if tag > 2 {
            return Err(Error::Tag { of: "an operation", tag });
        }
        let key = read_u16(bytes)?;
        Ok(match tag {
            0 => KvOp::Get(key),
            1 => KvOp::Put(key, read_u64(bytes)?),
            _ => KvOp::Cas(key, read_u64(bytes)?, read_u64(bytes)?),
        })
    }
}

impl Wire for KvAnswer {
    const BYTES_MIN: usize = 1;

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            KvAnswer::Value(None) => out.push(0),
            KvAnswer::Value(Some(value)) => {
                out.push(1);
                write_u64s(out, &[*value]);
            }
            KvAnswer::Stored => out.push(2),
            KvAnswer::Swapped(swapped) => out.push(3 + u8::from(*swapped)),
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        Ok(match read_u8(bytes)? {
            0 => KvAnswer::Value(None),
            1 => KvAnswer::Value(Some(read_u64(bytes)?)),
            2 => KvAnswer::Stored,
            tag @ (3 | 4) => KvAnswer::Swapped(tag == 4),
            tag => return Err(Error::Tag { of: "an answer", tag }),
        })
    }
}

impl<C: Wire> Wire for Request<C> {
    const BYTES_MIN: usize = 1;

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Request::Command(command) => {
                out.push(0);
                command.write(out);
            }
            Request::Change { voters, learners } => {
                out.push(1);
                write_u64s(out, &[voters.bits(), learners.bits()]);
            }
            Request::Transfer(NodeId(to)) => {
                out.push(2);
                out.extend_from_slice(&to.to_le_bytes());
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        Ok(match read_u8(bytes)? {
            0 => Request::Command(C::read(bytes)?),
            1 => {
                let (voters, learners) = (read_u64(bytes)?, read_u64(bytes)?);
                let [voters, learners] = [voters, learners].map(NodeSet::from_bits);
                Request::Change { voters, learners }
            }
            2 => Request::Transfer(NodeId(read_u32(bytes)?)),
            tag => return Err(Error::Tag { of: "a request", tag }),
        })
    }
}

impl<C: Wire> Wire for Once<C> {
    const BYTES_MIN: usize = 1;

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Once::Open => out.push(0),
            Once::Do { session, number, known_below, command } => {
                out.push(1);
                write_u64s(out, &[*session, *number, *known_below]);
                command.write(out);
            }
            Once::Read(command) => {
                out.push(2);
                command.write(out);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        Ok(match read_u8(bytes)? {
            0 => Once::Open,
            1 => {
                let (session, number, known_below) = (read_u64(bytes)?, read_u64(bytes)?, read_u64(bytes)?);
                Once::Do { session, number, known_below, command: C::read(bytes)? }
            }
            2 => Once::Read(C::read(bytes)?),
            tag => return Err(Error::Tag { of: "a request", tag }),
        })
    }
}

impl Wire for Payload {
    const BYTES_MIN: usize = 4;

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        write_count(out, self.as_bytes().len());
        out.extend_from_slice(self.as_bytes());
    }

    #[inline]
    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        let count = read_count(bytes, "bytes", 1)?;
        if count > Payload::WIRE_MAX {
            return Err(Error::Count { of: "bytes", count: count as u32 });
        }
        let (head, rest) = bytes.split_at(count);
        *bytes = rest;
        Ok(Payload::new(head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_protocol::Stream;
    use swarm_protocol::wire::testing::{check_canonical, check_round_trip};

    fn payload(draw: &mut Stream) -> Payload {
        let length = [0, 3, 64, 65, 200][draw.below(5) as usize];
        Payload::new(&(0..length).map(|_| draw.draw() as u8).collect::<Vec<_>>())
    }

    fn op(draw: &mut Stream) -> KvOp {
        let (key, one, other) = (draw.draw() as u16, draw.draw(), draw.below(9));
        [KvOp::Get(key), KvOp::Put(key, one), KvOp::Cas(key, one, other)][draw.below(3) as usize]
    }

    fn entries<C>(draw: &mut Stream, command: fn(&mut Stream) -> C) -> Entries<C> {
        let mut runs = vec![];
        for _ in 0..draw.below(4) {
            let batch = (0..=draw.below(4)).map(|_| match draw.below(8) {
                0 | 1 => Entry::NoOp,
                2 => Entry::Withheld,
                _ => Entry::Command(command(draw)),
            });
            let mut batch: Vec<_> = batch.collect();
            if draw.below(8) == 0 {
                let mut set = || NodeSet::from_bits(draw.draw());
                let membership =
                    Membership { outgoing: set(), learners: set(), goal: set(), ..Membership::of(set()) };
                batch = vec![Entry::Membership(Box::new(membership))];
            }
            runs.push(Run::new(draw.below(5), batch.into()));
        }
        Entries::from_runs(runs)
    }

    fn message<C>(draw: &mut Stream, command: fn(&mut Stream) -> C) -> Message<C> {
        let word = |draw: &mut Stream| [draw.below(9), draw.draw(), u64::MAX][draw.below(3) as usize];
        let (term, a, b, c) = (word(draw), word(draw), word(draw), word(draw));
        match draw.below(16) {
            0 => Message::RequestPreVote { term, last_index: a, last_term: b },
            1 => Message::PreVote { term, granted: a.is_multiple_of(2) },
            2 => Message::RequestVote { term, last_index: a, last_term: b, told: c.is_multiple_of(2) },
            3 => Message::Vote { term, granted: a.is_multiple_of(2) },
            4 => Message::Append {
                term,
                prev_index: a,
                prev_term: b,
                commit: c,
                entries: entries(draw, command),
            },
            5 => Message::Appended { term, matched: a },
            6 => Message::Conflict { term, prev_index: a, hint_index: b, hint_term: c },
            7 => Message::Stale { term },
            8 => Message::Received { term, index: a, offset: b },
            9 => Message::Confirm { term, round: a },
            10 => Message::Confirmed { term, round: a },
            11 => Message::TimeoutNow { term },
            12 => Message::Behind { term, last_index: a, last_term: b },
            13 => Message::Ask { term, prev_index: a, prev_term: b },
            14 => {
                let (last_index, last_term) = (word(draw), draw.below(9));
                let entries = entries(draw, command);
                let loan = Loan { prev_index: a, prev_term: b, last_index, last_term, entries };
                Message::Lend { term, loan: Box::new(loan) }
            }
            _ => {
                let Snapshot { membership, data, .. } = snapshot(draw);
                let part = Part { index: a, last_term: b, membership, total: c, offset: draw.below(9), data };
                Message::Part { term, part: Box::new(part) }
            }
        }
    }

    fn snapshot(draw: &mut Stream) -> Snapshot {
        let membership =
            Membership { learners: NodeSet::from_bits(draw.draw()), ..Membership::of(NodeSet::first(3)) };
        let data = (0..draw.below(40)).map(|_| draw.draw() as u8).collect();
        Snapshot { index: draw.draw(), term: draw.draw(), membership, data }
    }

    fn record<C>(draw: &mut Stream, command: fn(&mut Stream) -> C) -> Record<C> {
        match draw.below(5) {
            0 => Record::Vote { term: draw.draw(), vote: None },
            1 => Record::Vote { term: draw.draw(), vote: Some(NodeId(draw.draw() as u32)) },
            2 => Record::Append { first: draw.draw(), entries: entries(draw, command) },
            3 => Record::Truncate { after: draw.draw() },
            _ => Record::Snapshot(Arc::new(snapshot(draw))),
        }
    }

    fn request(draw: &mut Stream) -> Request<Once<KvOp>> {
        let mut set = || NodeSet::from_bits(draw.draw());
        let (voters, learners) = (set(), set());
        let (session, number, known_below) = (draw.draw(), draw.draw(), draw.below(9));
        let command = op(draw);
        match draw.below(5) {
            0 => Request::Change { voters, learners },
            1 => Request::Command(Once::Open),
            2 => Request::Command(Once::Do { session, number, known_below, command }),
            3 => Request::Transfer(NodeId(number as u32)),
            _ => Request::Command(Once::Read(command)),
        }
    }

    fn answer(draw: &mut Stream) -> KvAnswer {
        let value = draw.draw();
        let swapped = draw.below(2) == 0;
        [KvAnswer::Value(None), KvAnswer::Value(Some(value)), KvAnswer::Stored, KvAnswer::Swapped(swapped)]
            [draw.below(4) as usize]
    }

    #[test]
    fn values_round_trip() {
        for seed in 0..400 {
            let mut draw = Stream::new(seed, 0, 0);
            check_round_trip(&message(&mut draw, op));
            check_round_trip(&message(&mut draw, payload));
            check_round_trip(&record(&mut draw, op));
            check_round_trip(&record(&mut draw, payload));
            check_round_trip(&request(&mut draw));
            check_round_trip(&answer(&mut draw));
            check_round_trip(&draw.draw());
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_mean_one_thing() {
        fn check(bytes: Vec<u8>, tag: u8) -> bool {
            let bytes: Vec<u8> = [tag % 23].into_iter().chain(bytes).collect();
            check_canonical::<Message<KvOp>>(&bytes);
            check_canonical::<Message<Payload>>(&bytes);
            check_canonical::<Record<KvOp>>(&bytes);
            check_canonical::<Request<Once<KvOp>>>(&bytes);
            check_canonical::<KvAnswer>(&bytes);
            true
        }
        quickcheck::quickcheck(check as fn(Vec<u8>, u8) -> bool);
    }

    #[test]
    fn damaged_bytes_are_refused_or_mean_one_thing() {
        let mut meant = 0;
        for seed in 0..4000 {
            let mut draw = Stream::new(seed, 1, 0);
            let mut bytes = vec![];
            encode(&message(&mut draw, op), &mut bytes);
            for _ in 0..=draw.below(3) {
                let place = draw.below(bytes.len() as u64) as usize;
                bytes[place] ^= 1 << draw.below(8);
            }
            meant += u32::from(check_canonical::<Message<KvOp>>(&bytes));
        }
        assert!(meant > 100, "damage that still decodes is part of the test: {meant}");
    }

    #[test]
    fn a_count_beyond_the_bytes_is_refused_before_anything_is_allocated() {
        let mut bytes = vec![4];
        write_u64s(&mut bytes, &[1, 0, 0, 0]);
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            decode::<Message<KvOp>>(&bytes),
            Err(Error::Count { of: "runs", count: u32::MAX }),
            "{}",
            Error::Count { of: "runs", count: u32::MAX }
        );
    }

    #[test]
    fn an_append_of_sixteen_small_commands_is_small() {
        let batch: Vec<_> = (0..16).map(|i| Entry::Command(Payload::new(&[i; 64]))).collect();
        let entries = Run::new(3, batch.into()).into();
        let message = Message::Append { term: 3, prev_index: 9, prev_term: 2, commit: 8, entries };
        let mut bytes = vec![];
        encode(&message, &mut bytes);
        assert_eq!(bytes.len(), 1 + 4 * 8 + 4 + 8 + 4 + 16 * (1 + 4 + 64));
    }
}
