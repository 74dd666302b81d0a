//! Opaque payloads and a machine that only digests them: what throughput is measured with.
//!
//! A payload of up to 64 bytes is copied with its entry; a longer one is shared by reference count.
//! Verified by the tests below; the digest lets a benchmark check that all nodes applied the same.

use core::fmt::{self, Debug};
use core::hash::{Hash, Hasher};
use std::sync::Arc;

use swarm_protocol::Specification;

use crate::Machine;

/// Bytes that mean nothing to the machine.
#[derive(Clone)]
pub enum Payload {
    /// Short, and copied.
    Inline {
        /// How many of the bytes count, at most [`Payload::INLINE_MAX`].
        length: u8,
        /// The bytes; those beyond `length` are 0.
        bytes: [u8; Payload::INLINE_MAX],
    },
    /// Long, and shared.
    Shared(Arc<[u8]>),
}

impl Payload {
    /// The most bytes that are copied rather than shared.
    pub const INLINE_MAX: usize = 64;

    /// The most bytes that the wire format carries in one payload.
    pub const WIRE_MAX: usize = 64 * 1024;

    /// A payload of these bytes. Allocates above [`Payload::INLINE_MAX`].
    pub fn new(bytes: &[u8]) -> Self {
        if bytes.len() > Self::INLINE_MAX {
            return Payload::Shared(bytes.into());
        }
        let mut inline = [0; Self::INLINE_MAX];
        inline[..bytes.len()].copy_from_slice(bytes);
        Payload::Inline { length: bytes.len() as u8, bytes: inline }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Payload::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Payload::Shared(bytes) => bytes,
        }
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Payload {}

impl PartialOrd for Payload {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Payload {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Payload {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// Prints the first eight bytes and the length: `#0807060504030201/64`.
impl Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:016x}/{}", head(self.as_bytes()), self.as_bytes().len())
    }
}

/// The first eight bytes as a little-endian number, missing ones as 0.
fn head(bytes: &[u8]) -> u64 {
    let mut head = [0; 8];
    let count = bytes.len().min(8);
    head[..count].copy_from_slice(&bytes[..count]);
    u64::from_le_bytes(head)
}

/// Counts payloads and folds their lengths and first eight bytes into a checksum: enough to tell two
/// sequences of numbered payloads apart, and cheap enough not to be what is measured. Payloads that
/// differ only beyond their first eight bytes are not told apart.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PayloadLog {
    /// How many payloads were applied.
    pub count: u64,
    /// What was applied, in order.
    pub checksum: u64,
}

impl PayloadLog {
    /// Notes one payload.
    #[inline]
    pub fn fold(&mut self, payload: &Payload) {
        let bytes = payload.as_bytes();
        let word = head(bytes) ^ (bytes.len() as u64).rotate_left(48);
        self.count += 1;
        self.checksum = (self.checksum ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }
}

impl Machine for PayloadLog {
    type Command = Payload;
    type Answer = u64;
    type Spec = PayloadSpec;

    /// Answers how many payloads came before.
    #[inline]
    fn apply(&mut self, command: &Payload) -> u64 {
        self.fold(command);
        self.count - 1
    }

    fn bytes(command: &Payload) -> u64 {
        command.as_bytes().len() as u64
    }

    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.checksum.to_le_bytes());
    }

    fn restore(bytes: &[u8]) -> Option<Self> {
        let (count, checksum) = bytes.split_first_chunk()?;
        let (count, checksum) = (u64::from_le_bytes(*count), u64::from_le_bytes(checksum.try_into().ok()?));
        Some(PayloadLog { count, checksum })
    }
}

/// What clients of [`PayloadLog`] are promised: a queue that only grows and tells each its place.
#[derive(Clone, Copy, Debug)]
pub struct PayloadSpec;

impl Specification for PayloadSpec {
    type State = u64;
    type Op = Payload;
    type Answer = u64;

    fn apply(state: &mut u64, _op: &Payload) -> u64 {
        *state += 1;
        *state - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_keeps_its_bytes() {
        for length in [0, 1, 8, 63, 64, 65, 1000] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let payload = Payload::new(&bytes);
            assert_eq!(payload.as_bytes(), bytes);
            assert_eq!(matches!(payload, Payload::Inline { .. }), length <= Payload::INLINE_MAX);
        }
        assert_eq!(format!("{:?}", Payload::new(&[1, 2])), "#0000000000000201/2");
    }

    #[test]
    fn checksum_depends_on_order_content_and_length() {
        let digest = |payloads: &[&[u8]]| {
            let mut log = PayloadLog::default();
            for bytes in payloads {
                log.fold(&Payload::new(bytes));
            }
            log
        };
        let base = digest(&[b"a", b"b"]);
        for other in [digest(&[b"b", b"a"]), digest(&[b"a", b"c"]), digest(&[b"a", b"b\0"]), digest(&[b"a"])]
        {
            assert_ne!(base, other);
        }
        assert_eq!(base, digest(&[b"a", b"b"]));
    }
}
