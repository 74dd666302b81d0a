//! A small key–value store: the machine that checker, simulator and fuzzer replicate.
//!
//! Its promise to clients, [`KvSpec`], is written apart from it, and linearizability is judged by that.
//! Operations have a text form for scenario files: `Get(1)`, `Put(1,7)`, `Cas(1,7,8)`. Verified by the
//! tests below: machine against specification, text round trip.

use core::fmt::{self, Debug};
use core::str::FromStr;
use std::collections::BTreeMap;

use swarm_protocol::{Access, Drawn, Specification, Stream};

use crate::Machine;

/// What a client of [`Kv`] asks for. Keys are `u16`, values `u64`; what was never put is absent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KvOp {
    /// Reads a key.
    Get(u16),
    /// Sets a key to a value.
    Put(u16, u64),
    /// Sets a key to the second value if it has the first.
    Cas(u16, u64, u64),
}

/// What a client of [`Kv`] is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum KvAnswer {
    /// What `Get` found.
    Value(Option<u64>),
    /// `Put` was done.
    Stored,
    /// Whether `Cas` found the value that it expected, and replaced it.
    Swapped(bool),
}

impl Debug for KvOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KvOp::Get(key) => write!(f, "Get({key})"),
            KvOp::Put(key, value) => write!(f, "Put({key},{value})"),
            KvOp::Cas(key, expected, new) => write!(f, "Cas({key},{expected},{new})"),
        }
    }
}

impl FromStr for KvOp {
    type Err = String;

    /// Reads what `Debug` prints.
    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}` is not an operation: Get(k), Put(k,v), Cas(k,expected,new)");
        let (name, arguments) =
            text.strip_suffix(')').and_then(|text| text.split_once('(')).ok_or_else(refused)?;
        let arguments: Vec<&str> = arguments.split(',').map(str::trim).collect();
        let key = |text: &str| text.parse::<u16>().map_err(|_| refused());
        let value = |text: &str| text.parse::<u64>().map_err(|_| refused());
        match (name, &arguments[..]) {
            ("Get", [k]) => Ok(KvOp::Get(key(k)?)),
            ("Put", [k, v]) => Ok(KvOp::Put(key(k)?, value(v)?)),
            ("Cas", [k, expected, new]) => Ok(KvOp::Cas(key(k)?, value(expected)?, value(new)?)),
            _ => Err(refused()),
        }
    }
}

impl Drawn for KvOp {
    /// Half reads, half writes and compare-and-sets, on three keys: enough to collide, and to tell apart.
    fn draw(stream: &mut Stream) -> Self {
        let key = stream.below(3) as u16;
        let (old, new) = (stream.below(6), stream.below(6));
        match stream.below(4) {
            0 | 1 => KvOp::Get(key),
            2 => KvOp::Put(key, new),
            _ => KvOp::Cas(key, old, new),
        }
    }
}

/// The store: at most 65,536 keys, because keys are `u16`.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Kv {
    values: BTreeMap<u16, u64>,
}

impl Kv {
    /// The value of a key.
    pub fn get(&self, key: u16) -> Option<u64> {
        self.values.get(&key).copied()
    }
}

impl Machine for Kv {
    type Command = KvOp;
    type Answer = KvAnswer;
    type Spec = KvSpec;

    fn apply(&mut self, command: &KvOp) -> KvAnswer {
        match *command {
            KvOp::Get(key) => KvAnswer::Value(self.get(key)),
            KvOp::Put(key, value) => {
                self.values.insert(key, value);
                KvAnswer::Stored
            }
            KvOp::Cas(key, expected, new) => match self.values.get_mut(&key) {
                Some(value) if *value == expected => {
                    *value = new;
                    KvAnswer::Swapped(true)
                }
                _ => KvAnswer::Swapped(false),
            },
        }
    }

    fn read(&self, command: &KvOp) -> Option<KvAnswer> {
        match *command {
            KvOp::Get(key) => Some(KvAnswer::Value(self.get(key))),
            KvOp::Put(..) | KvOp::Cas(..) => None,
        }
    }

    /// Ten bytes a key, ascending.
    fn save(&self, out: &mut Vec<u8>) {
        for (key, value) in &self.values {
            out.extend_from_slice(&key.to_le_bytes());
            out.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn restore(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = bytes.as_chunks::<10>();
        let mut values = BTreeMap::new();
        for pair in pairs {
            let (key, value) = pair.split_first_chunk()?;
            let (key, value) = (u16::from_le_bytes(*key), u64::from_le_bytes(value.try_into().ok()?));
            // One state has one form.
            if values.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return None;
            }
            values.insert(key, value);
        }
        rest.is_empty().then_some(Kv { values })
    }

    fn kind(command: &KvOp) -> &'static str {
        match command {
            KvOp::Get(_) => "Get",
            KvOp::Put(..) => "Put",
            KvOp::Cas(..) => "Cas",
        }
    }
}

/// What clients of [`Kv`] are promised: an association list in plain sight, sorted so that equal states
/// are equal.
#[derive(Clone, Copy, Debug)]
pub struct KvSpec;

impl Specification for KvSpec {
    type State = Vec<(u16, u64)>;
    type Op = KvOp;
    type Answer = KvAnswer;

    fn apply(state: &mut Self::State, op: &KvOp) -> KvAnswer {
        let (KvOp::Get(key) | KvOp::Put(key, _) | KvOp::Cas(key, ..)) = *op;
        let before = state.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
        let (after, answer) = match *op {
            KvOp::Get(_) => (before, KvAnswer::Value(before)),
            KvOp::Put(_, value) => (Some(value), KvAnswer::Stored),
            KvOp::Cas(_, expected, new) if before == Some(expected) => (Some(new), KvAnswer::Swapped(true)),
            KvOp::Cas(..) => (before, KvAnswer::Swapped(false)),
        };
        if after != before {
            state.retain(|(k, _)| *k != key);
            state.extend(after.map(|value| (key, value)));
            state.sort_unstable();
        }
        answer
    }

    fn is_pure(op: &KvOp, answer: &KvAnswer) -> bool {
        matches!((op, answer), (KvOp::Get(_), _) | (KvOp::Cas(..), KvAnswer::Swapped(false)))
    }

    fn key(op: &KvOp) -> Option<u64> {
        let (KvOp::Get(key) | KvOp::Put(key, _) | KvOp::Cas(key, ..)) = *op;
        Some(u64::from(key))
    }

    fn access(op: &KvOp, answer: Option<&KvAnswer>) -> Access {
        match (*op, answer) {
            (KvOp::Get(key), Some(KvAnswer::Value(value))) => {
                Access::Read { key: u64::from(key), value: *value }
            }
            (KvOp::Put(key, value), _) => Access::Write { key: u64::from(key), value },
            (KvOp::Cas(key, expected, new), Some(KvAnswer::Swapped(true))) => {
                Access::Update { key: u64::from(key), read: Some(expected), write: new }
            }
            // Without an answer it may have written.
            (KvOp::Cas(key, _, new), None) => Access::Write { key: u64::from(key), value: new },
            // One that failed has read something else, and it is not known what.
            _ => Access::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_protocol::Stream;

    fn drawn(draw: &mut Stream) -> KvOp {
        let (key, one, other) = (draw.below(3) as u16, draw.below(3), draw.below(3));
        [KvOp::Get(key), KvOp::Put(key, one), KvOp::Cas(key, one, other)][draw.below(3) as usize]
    }

    #[test]
    fn store_answers_as_promised() {
        let mut draw = Stream::new(1, 0, 0);
        for _ in 0..200 {
            let (mut store, mut spec) = (Kv::default(), vec![]);
            for _ in 0..40 {
                let op = drawn(&mut draw);
                let (before, read) = (store.clone(), store.read(&op));
                let answer = store.apply(&op);
                assert_eq!(answer, KvSpec::apply(&mut spec, &op), "{op:?}");
                assert!(read.is_none_or(|read| read == answer && store == before), "{op:?}");
            }
            let mut saved = vec![];
            store.save(&mut saved);
            assert_eq!(Kv::restore(&saved).as_ref(), Some(&store));
            if !saved.is_empty() {
                assert_eq!(Kv::restore(&saved[1..]), None, "cut off");
                assert_eq!(Kv::restore(&[&saved[..], &saved[..10]].concat()), None, "a key twice");
            }
            assert!(store.values.iter().map(|(k, v)| (*k, *v)).eq(spec));
        }
    }

    #[test]
    fn pure_operations_change_no_state_whatever_they_meet() {
        let mut draw = Stream::new(2, 0, 0);
        for _ in 0..2000 {
            let mut state = vec![(0, draw.below(3)), (1, draw.below(3))];
            let (op, before) = (drawn(&mut draw), state.clone());
            let answer = KvSpec::apply(&mut state, &op);
            assert!(!KvSpec::is_pure(&op, &answer) || state == before, "{op:?}");
        }
    }

    #[test]
    fn text_round_trips() {
        fn check(kind: u8, key: u16, one: u64, other: u64) -> bool {
            let op = [KvOp::Get(key), KvOp::Put(key, one), KvOp::Cas(key, one, other)][kind as usize % 3];
            format!("{op:?}").parse() == Ok(op)
        }
        quickcheck::quickcheck(check as fn(u8, u16, u64, u64) -> bool);
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "Get", "Get()", "Get(1", "Get(1,2)", "Put(1)", "Put(-1,2)", "Put(65536,1)", "get(1)"]
        {
            assert!(text.parse::<KvOp>().unwrap_err().contains("is not an operation"), "{text:?}");
        }
    }
}
