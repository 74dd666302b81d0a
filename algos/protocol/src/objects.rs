//! Sequential objects that many protocols promise, and the values they are made of, ready made.
//!
//! Verified by the tests below and by the protocols of `model-check/examples`, which promise them.

use core::fmt::Debug;
use core::hash::Hash;
use core::marker::PhantomData;

use crate::{Drawn, Specification, Stream};

/// A value and its number: of the write, transaction or ballot that it comes from. Greater numbers are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Numbered<V> {
    /// Its number, from 1; 0 is that of a value that nobody has given.
    pub number: u64,
    /// The value.
    pub value: V,
}

/// A value that is read and written as a whole. At first it is the default of its type.
#[derive(Debug)]
pub struct Register<V>(PhantomData<V>);

/// What clients ask of a [`Register`]. Either is answered with the value that the register then has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegisterOp<V> {
    /// Which value it has.
    Read,
    /// That it have this value.
    Write(V),
}

impl<V: From<u8>> Drawn for RegisterOp<V> {
    /// A read as often as not, else a write of a value below 100.
    fn draw(stream: &mut Stream) -> Self {
        if stream.below(2) == 0 {
            RegisterOp::Read
        } else {
            RegisterOp::Write(V::from(stream.below(100) as u8))
        }
    }
}

impl<V: Copy + Default + Ord + Hash + Debug> Specification for Register<V> {
    type State = V;
    type Op = RegisterOp<V>;
    type Answer = V;

    fn apply(value: &mut V, op: &RegisterOp<V>) -> V {
        if let RegisterOp::Write(new) = op {
            *value = *new;
        }
        *value
    }

    fn is_pure(op: &RegisterOp<V>, _: &V) -> bool {
        matches!(op, RegisterOp::Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_has_the_value_that_was_written_last() {
        let mut value = 0;
        for (op, answer) in [
            (RegisterOp::Read, 0),
            (RegisterOp::Write(7), 7),
            (RegisterOp::Write(3), 3),
            (RegisterOp::Read, 3),
        ] {
            assert_eq!(Register::<u32>::apply(&mut value, &op), answer);
            assert_eq!(Register::is_pure(&op, &answer), op == RegisterOp::Read);
        }
    }

    #[test]
    fn reads_and_writes_are_drawn_as_often() {
        let mut stream = Stream::new(1, 0, 0);
        let drawn: Vec<_> = (0..1000).map(|_| RegisterOp::<u8>::draw(&mut stream)).collect();
        let reads = drawn.iter().filter(|op| **op == RegisterOp::Read).count();
        assert!((400..600).contains(&reads), "{reads}");
        let largest = drawn.iter().max().copied();
        assert!(matches!(largest, Some(RegisterOp::Write(90..100))), "{largest:?}");
    }
}
