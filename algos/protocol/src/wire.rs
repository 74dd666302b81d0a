//! Values as bytes: for messages that go over links, and for records that go to disks.
//!
//! Little-endian, fixed width, one tag byte per choice. Every byte string has at most one meaning, and every value
//! exactly one form. Framing, checksums and the limit on a frame's length belong to the transport.
//!
//! Decoding never trusts a count: it is checked against the bytes that are left, so that memory stays in proportion
//! to the input.
//!
//! Verified by the tests of those who implement [`Wire`], with the checks in [`testing`].

use core::fmt;

/// Something that has a form in bytes.
pub trait Wire: Sized {
    /// The least number of bytes that any value takes, at least 1: what bounds a count.
    const BYTES_MIN: usize;

    /// Appends the bytes of this value.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes a value from the front of `bytes`.
    ///
    /// # Errors
    /// If `bytes` does not begin with a value.
    fn read(bytes: &mut &[u8]) -> Result<Self, Error>;
}

/// Why bytes are not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The value goes on where the bytes end.
    Truncated,
    /// This many bytes follow the value.
    Trailing(usize),
    /// A choice has no such tag.
    Tag {
        /// What is being chosen.
        of: &'static str,
        /// The tag.
        tag: u8,
    },
    /// A count that the bytes left cannot hold, or that must not be.
    Count {
        /// What is counted.
        of: &'static str,
        /// The count.
        count: u32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Truncated => f.write_str("the bytes end in the middle of a value"),
            Error::Trailing(count) => write!(f, "{count} bytes follow the value"),
            Error::Tag { of, tag } => write!(f, "{tag} is not a tag of {of}"),
            Error::Count { of, count } => write!(f, "a count of {count} {of} is not possible here"),
        }
    }
}

impl std::error::Error for Error {}

/// Appends the bytes of `value` to `out`.
pub fn encode<T: Wire>(value: &T, out: &mut Vec<u8>) {
    value.write(out);
}

/// The value that `bytes` are, all of them.
///
/// # Errors
/// If they are not exactly one value.
pub fn decode<T: Wire>(mut bytes: &[u8]) -> Result<T, Error> {
    let value = T::read(&mut bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err(Error::Trailing(bytes.len())) }
}

#[inline]
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Error> {
    let (head, rest) = bytes.split_first_chunk().ok_or(Error::Truncated)?;
    *bytes = rest;
    Ok(*head)
}

/// A byte.
///
/// # Errors
/// If there is none.
#[inline]
pub fn read_u8(bytes: &mut &[u8]) -> Result<u8, Error> {
    take::<1>(bytes).map(|[byte]| byte)
}

/// A number of two bytes.
///
/// # Errors
/// If the bytes end in it.
#[inline]
pub fn read_u16(bytes: &mut &[u8]) -> Result<u16, Error> {
    take(bytes).map(u16::from_le_bytes)
}

/// A number of four bytes.
///
/// # Errors
/// If the bytes end in it.
#[inline]
pub fn read_u32(bytes: &mut &[u8]) -> Result<u32, Error> {
    take(bytes).map(u32::from_le_bytes)
}

/// A number of eight bytes.
///
/// # Errors
/// If the bytes end in it.
#[inline]
pub fn read_u64(bytes: &mut &[u8]) -> Result<u64, Error> {
    take(bytes).map(u64::from_le_bytes)
}

/// A truth: a byte that is 0 or 1.
///
/// # Errors
/// If it is anything else, or missing.
#[inline]
pub fn read_bool(bytes: &mut &[u8]) -> Result<bool, Error> {
    match read_u8(bytes)? {
        0 => Ok(false),
        1 => Ok(true),
        tag => Err(Error::Tag { of: "a verdict", tag }),
    }
}

/// A count of things of which each takes at least `bytes_min` bytes.
///
/// # Errors
/// If that many do not fit the bytes that are left.
#[inline]
pub fn read_count(bytes: &mut &[u8], of: &'static str, bytes_min: usize) -> Result<usize, Error> {
    let count = read_u32(bytes)?;
    if count as usize > bytes.len() / bytes_min {
        return Err(Error::Count { of, count });
    }
    Ok(count as usize)
}

/// Writes numbers of eight bytes.
#[inline]
pub fn write_u64s(out: &mut Vec<u8>, words: &[u64]) {
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

/// Writes a count.
///
/// # Panics
/// If there are 2³² or more: no batch and no append is that long.
#[inline]
pub fn write_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("a count fits 32 bits");
    out.extend_from_slice(&count.to_le_bytes());
}

impl Wire for u64 {
    const BYTES_MIN: usize = 8;

    fn write(&self, out: &mut Vec<u8>) {
        write_u64s(out, &[*self]);
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        read_u64(bytes)
    }
}

pub mod testing {
    //! Checks for who implements [`Wire`]. They panic if something is wrong.

    use core::fmt::Debug;

    use super::{Error, Wire, decode, encode};

    /// Whether a value comes back from its bytes, and nothing from a part of them or from more.
    ///
    /// # Panics
    /// If not.
    pub fn check_round_trip<T: Wire + PartialEq + Debug>(value: &T) {
        let mut bytes = vec![];
        encode(value, &mut bytes);
        assert!(bytes.len() >= T::BYTES_MIN);
        assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value));
        for length in 0..bytes.len() {
            assert!(decode::<T>(&bytes[..length]).is_err(), "{value:?} cut to {length} bytes");
        }
        bytes.push(0);
        assert_eq!(decode::<T>(&bytes), Err(Error::Trailing(1)));
    }

    /// Whether these bytes are a value.
    ///
    /// # Panics
    /// If they are, and not its only form.
    pub fn check_canonical<T: Wire>(bytes: &[u8]) -> bool {
        decode::<T>(bytes).is_ok_and(|value| {
            let mut again = vec![];
            encode(&value, &mut again);
            assert_eq!(again, bytes);
            true
        })
    }
}
