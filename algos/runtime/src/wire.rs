//! Frames: how a byte stream (a socket, a file) is cut into messages that are whole or refused.
//!
//! A frame is a header of eight bytes, then the payload:
//!
//! ```text
//! length of the payload, u32 little-endian | CRC-32C of length and payload, u32 little-endian | payload
//! ```
//!
//! The checksum covers the length, so that a damaged length is found once its frame is complete. A length
//! of zero is refused: it is what a file's never-written tail looks like. A length above the reader's
//! limit is refused before anything is allocated for it; a reader holds at most one frame.
//!
//! Verified by quickcheck: a stream cut at any places gives back the payloads, every single damaged
//! byte is refused, and arbitrary bytes neither panic nor allocate beyond the limit. Not protected
//! against: an adversary, who can compute a checksum too; protocols that face one sign their messages.

use core::fmt;

/// The bytes before each payload.
pub const HEADER_BYTES: usize = 8;

/// Why a byte stream is not a sequence of frames. A stream that was refused once stays refused: there is
/// no safe place to resume at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A frame without payload.
    Empty,
    /// A payload longer than the limit, in bytes.
    TooLong {
        /// The length that the frame claims, or that was to be written.
        length: usize,
        /// The longest payload allowed.
        limit: u32,
    },
    /// The checksum does not fit length and payload.
    Corrupt {
        /// The checksum in the header.
        claimed: u32,
        /// The checksum of what arrived.
        found: u32,
    },
    /// The stream ended inside a frame.
    Torn {
        /// The bytes of the unfinished frame that did arrive.
        arrived: usize,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Empty => write!(f, "a frame without payload"),
            FrameError::TooLong { length, limit } => {
                write!(f, "a frame of {length} bytes, the limit is {limit}")
            }
            FrameError::Corrupt { claimed, found } => {
                write!(f, "a frame with checksum {found:08x} that claims {claimed:08x}")
            }
            FrameError::Torn { arrived } => write!(f, "the stream ends {arrived} bytes into a frame"),
        }
    }
}

impl std::error::Error for FrameError {}

/// The checksum of a frame.
fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), payload)
}

/// Appends one frame to `out`; `write` appends the payload.
///
/// # Errors
/// [`FrameError::Empty`] and [`FrameError::TooLong`]; `out` is then as it was before.
pub fn append_frame(
    out: &mut Vec<u8>,
    limit: u32,
    write: impl FnOnce(&mut Vec<u8>),
) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    write(out);
    let length = out.len().saturating_sub(start + HEADER_BYTES);
    let refusal = match u32::try_from(length) {
        Ok(0) => FrameError::Empty,
        Ok(fits) if fits <= limit => {
            let length = fits.to_le_bytes();
            let check = checksum(length, &out[start + HEADER_BYTES..]);
            out[start..start + 4].copy_from_slice(&length);
            out[start + 4..start + HEADER_BYTES].copy_from_slice(&check.to_le_bytes());
            return Ok(());
        }
        _ => FrameError::TooLong { length, limit },
    };
    out.truncate(start);
    Err(refusal)
}

/// What the front of a byte slice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front<'a> {
    /// A whole frame with this payload; the frame ends [`HEADER_BYTES`] + payload length into the slice.
    Frame(&'a [u8]),
    /// The beginning of a frame that needs so many bytes in all: [`HEADER_BYTES`] while the length is
    /// not known.
    Needs(usize),
}

/// Looks at the front of `bytes`, without copying.
///
/// # Errors
/// Every [`FrameError`] but [`FrameError::Torn`].
pub fn front(bytes: &[u8], limit: u32) -> Result<Front<'_>, FrameError> {
    let Some((header, rest)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Ok(Front::Needs(HEADER_BYTES));
    };
    let length_bytes = [header[0], header[1], header[2], header[3]];
    let claimed = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let length = u32::from_le_bytes(length_bytes);
    if length == 0 {
        return Err(FrameError::Empty);
    }
    if length > limit {
        return Err(FrameError::TooLong { length: length as usize, limit });
    }
    let Some(payload) = rest.get(..length as usize) else {
        return Ok(Front::Needs(HEADER_BYTES + length as usize));
    };
    let found = checksum(length_bytes, payload);
    if found != claimed {
        return Err(FrameError::Corrupt { claimed, found });
    }
    Ok(Front::Frame(payload))
}

/// Cuts a byte stream into frames, however the stream was split on its way.
///
/// ```
/// # use swarm_runtime::wire::{FrameReader, append_frame};
/// let mut stream = Vec::new();
/// append_frame(&mut stream, 100, |out| out.extend_from_slice(b"vote")).unwrap();
/// let mut reader = FrameReader::new(100);
/// let (mut first, mut second) = stream.split_at(5);
/// assert_eq!(reader.next(&mut first), Ok(None));
/// assert_eq!(reader.next(&mut second), Ok(Some(&b"vote"[..])));
/// ```
#[derive(Debug)]
pub struct FrameReader {
    limit: u32,
    /// The front of an unfinished frame, at most `HEADER_BYTES + limit` bytes. If `returned`, a whole
    /// frame that the last call handed out.
    partial: Vec<u8>,
    returned: bool,
    refused: Option<FrameError>,
}

impl FrameReader {
    /// A reader that refuses payloads above `limit` bytes.
    pub const fn new(limit: u32) -> Self {
        FrameReader { limit, partial: Vec::new(), returned: false, refused: None }
    }

    /// Takes bytes off the front of `input` until a frame is whole, and returns its payload; `None` once
    /// `input` is used up. A frame that lies whole in `input` is not copied.
    ///
    /// # Errors
    /// Every [`FrameError`] but [`FrameError::Torn`]; from then on every call gives the same error.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<&'a [u8]>, FrameError> {
        if let Some(refusal) = self.refused {
            return Err(refusal);
        }
        if self.returned {
            self.partial.clear();
            self.returned = false;
        }
        if self.partial.is_empty() {
            match front(input, self.limit) {
                Ok(Front::Frame(payload)) => {
                    *input = &input[HEADER_BYTES + payload.len()..];
                    return Ok(Some(payload));
                }
                Ok(Front::Needs(_)) if input.is_empty() => return Ok(None),
                Ok(Front::Needs(_)) => {}
                Err(refusal) => return Err(*self.refused.insert(refusal)),
            }
        }
        // At most two rounds: the header is completed, then the payload.
        loop {
            match front(&self.partial, self.limit) {
                Ok(Front::Needs(_)) if input.is_empty() => return Ok(None),
                Ok(Front::Needs(bytes)) => {
                    let missing = bytes - self.partial.len();
                    let (taken, rest) = input.split_at(missing.min(input.len()));
                    self.partial.reserve_exact(missing);
                    self.partial.extend_from_slice(taken);
                    *input = rest;
                }
                Ok(Front::Frame(_)) => break,
                Err(refusal) => return Err(*self.refused.insert(refusal)),
            }
        }
        self.returned = true;
        Ok(Some(&self.partial[HEADER_BYTES..]))
    }

    /// Says that the stream has ended.
    ///
    /// # Errors
    /// [`FrameError::Torn`] if it ended inside a frame; the earlier refusal if there was one.
    pub fn finish(&self) -> Result<(), FrameError> {
        match self.refused {
            Some(refusal) => Err(refusal),
            None if self.returned || self.partial.is_empty() => Ok(()),
            None => Err(FrameError::Torn { arrived: self.partial.len() }),
        }
    }

    /// The bytes that this reader has allocated, at most [`HEADER_BYTES`] + limit.
    pub fn allocated_bytes(&self) -> usize {
        self.partial.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u32 = 64;

    fn stream_of(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = Vec::new();
        for payload in payloads {
            append_frame(&mut stream, LIMIT, |out| out.extend_from_slice(payload)).unwrap();
        }
        stream
    }

    /// Reads `stream` in pieces that end at `cuts`.
    fn read_in_pieces(stream: &[u8], cuts: &[u8]) -> Result<Vec<Vec<u8>>, FrameError> {
        let (mut reader, mut payloads) = (FrameReader::new(LIMIT), Vec::new());
        let mut rest = stream;
        let mut cuts = cuts.iter().map(|cut| usize::from(*cut)).chain(core::iter::repeat(usize::MAX));
        while !rest.is_empty() {
            let (mut piece, after) = rest.split_at(cuts.next().unwrap_or(usize::MAX).min(rest.len()));
            rest = after;
            while let Some(payload) = reader.next(&mut piece)? {
                payloads.push(payload.to_vec());
            }
            assert!(piece.is_empty(), "a reader that wants more has taken everything");
            assert!(reader.allocated_bytes() <= HEADER_BYTES + LIMIT as usize);
        }
        reader.finish().map(|()| payloads)
    }

    fn clip(mut payloads: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        for payload in &mut payloads {
            payload.truncate(LIMIT as usize);
        }
        payloads.retain(|payload| !payload.is_empty());
        payloads
    }

    #[test]
    fn the_layout_is_frozen() {
        let stream = stream_of(&[b"123456789".to_vec()]);
        // The checksum by a bitwise computation of the Castagnoli polynomial 82F63B78.
        assert_eq!(stream, [&[9, 0, 0, 0][..], &0x5717_D278_u32.to_le_bytes(), b"123456789"].concat());
    }

    #[test]
    fn a_stream_split_anywhere_gives_back_its_payloads() {
        fn check(payloads: Vec<Vec<u8>>, cuts: Vec<u8>) -> bool {
            let payloads = clip(payloads);
            read_in_pieces(&stream_of(&payloads), &cuts) == Ok(payloads)
        }
        quickcheck::quickcheck(check as fn(Vec<Vec<u8>>, Vec<u8>) -> bool);
        // And every single cut of one stream.
        let payloads = [vec![1], vec![2; LIMIT as usize], vec![3, 3]];
        let stream = stream_of(&payloads);
        for cut in 0..=stream.len() {
            assert_eq!(read_in_pieces(&stream, &[cut as u8]).unwrap(), payloads, "cut at {cut}");
        }
    }

    #[test]
    fn every_damaged_bit_is_refused() {
        let stream = stream_of(&[b"append".to_vec(), b"ack".to_vec()]);
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            for cuts in [&[][..], &[3, 7, 1]] {
                let read = read_in_pieces(&damaged, cuts);
                assert!(read.is_err(), "bit {bit} was flipped unnoticed: {read:?}");
            }
        }
    }

    #[test]
    fn a_stream_that_ends_inside_a_frame_is_torn() {
        let stream = stream_of(&[b"append".to_vec()]);
        for end in 1..stream.len() {
            assert_eq!(read_in_pieces(&stream[..end], &[2]), Err(FrameError::Torn { arrived: end }));
        }
        assert_eq!(read_in_pieces(&[], &[]), Ok(vec![]));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_torn_and_never_allocate_beyond_the_limit() {
        fn check(bytes: Vec<u8>, cuts: Vec<u8>) -> bool {
            // `read_in_pieces` asserts the bound; a random checksum fits once in 2³² streams.
            bytes.is_empty() || read_in_pieces(&bytes, &cuts).is_err()
        }
        quickcheck::quickcheck(check as fn(Vec<u8>, Vec<u8>) -> bool);
    }

    #[test]
    fn refusals_are_named_and_final() {
        let mut reader = FrameReader::new(LIMIT);
        let huge = [0xFF; HEADER_BYTES];
        let refusal = FrameError::TooLong { length: u32::MAX as usize, limit: LIMIT };
        assert_eq!(reader.next(&mut &huge[..]), Err(refusal));
        assert_eq!(reader.allocated_bytes(), 0, "nothing is allocated for a refused frame");
        let good = stream_of(&[vec![1]]);
        assert_eq!(reader.next(&mut &good[..]), Err(refusal));
        assert_eq!(reader.finish(), Err(refusal));
        assert_eq!(FrameReader::new(LIMIT).next(&mut &[0; 100][..]), Err(FrameError::Empty));
        let longest = stream_of(&[vec![1; LIMIT as usize]]);
        assert!(matches!(FrameReader::new(LIMIT).next(&mut &longest[..]), Ok(Some(_))));
        let refusal = FrameReader::new(LIMIT - 1).next(&mut &longest[..]).map(|_| ());
        assert_eq!(refusal, Err(FrameError::TooLong { length: LIMIT as usize, limit: LIMIT - 1 }));
    }

    #[test]
    fn what_would_be_refused_is_not_written() {
        let mut out = vec![7];
        assert_eq!(append_frame(&mut out, LIMIT, |_| ()), Err(FrameError::Empty));
        let long = LIMIT as usize + 1;
        let refusal = append_frame(&mut out, LIMIT, |out| out.extend(core::iter::repeat_n(1, long)));
        assert_eq!(refusal, Err(FrameError::TooLong { length: long, limit: LIMIT }));
        assert_eq!(out, [7]);
    }
}
