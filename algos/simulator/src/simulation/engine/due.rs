//! Something due, in one word.
//!
//! Millions of these pass the queue, and a value that is stored in parts and loaded whole waits for its stores: so
//! none of it is ever in parts. The lowest byte says which kind it is, the next 12 bits are a node, the next
//! 12 the place of a timer, the upper half is whatever else the kind has. Verified by the test below, and by
//! every run: a thing that came out as another would be another run.

use swarm_protocol::NodeId;

use crate::profile::Fault;

/// The kinds of things due. Of a kind whose boot, disk or token is over, entries are void, and passed over.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub(in super::super) enum Kind {
    Message,
    Timer,
    Sync,
    Flush,
    Task,
    Restart,
    Client,
    Patience,
    Fault,
    Ambush,
    Mend,
    Heal,
    Deadline,
}

/// Something due. See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Due(u64);

impl Due {
    /// A timer of a node, which stands at `place` among its timers.
    ///
    /// # Panics
    /// If a node has more than 4096 timers.
    #[inline]
    pub(in super::super) const fn timer(node: NodeId, place: u32, token: u32) -> Self {
        assert!(place < 1 << 12, "a node has at most 4096 timers");
        Due(Due::of(Kind::Timer, node, token).0 | (place as u64) << 20)
    }

    /// What concerns a node: with the boot or the disk that it is for, or anything else.
    #[inline]
    pub(in super::super) const fn of(kind: Kind, node: NodeId, number: u32) -> Self {
        assert!(node.0 < 1 << 12, "a cluster has at most 2048 places");
        Due(kind as u64 | (node.0 as u64) << 8 | (number as u64) << 32)
    }

    /// What concerns no node.
    #[inline]
    pub(in super::super) const fn numbered(kind: Kind, number: u32) -> Self {
        Due(kind as u64 | (number as u64) << 32)
    }

    #[inline]
    pub(super) const fn kind(self) -> Kind {
        // The identity, and compiled as such.
        match self.0 & 0xFF {
            0 => Kind::Message,
            1 => Kind::Timer,
            2 => Kind::Sync,
            3 => Kind::Flush,
            4 => Kind::Task,
            5 => Kind::Restart,
            6 => Kind::Client,
            7 => Kind::Patience,
            8 => Kind::Fault,
            9 => Kind::Ambush,
            10 => Kind::Mend,
            11 => Kind::Heal,
            _ => Kind::Deadline,
        }
    }

    #[inline]
    pub(super) const fn node(self) -> NodeId {
        NodeId((self.0 >> 8) as u32 & 0xFFF)
    }

    #[inline]
    pub(super) const fn place(self) -> u32 {
        (self.0 >> 20) as u32 & 0xFFF
    }

    #[inline]
    pub(super) const fn number(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    pub(super) const fn fault(self) -> Fault {
        Fault::ALL[self.number() as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 13] = [
        Kind::Message,
        Kind::Timer,
        Kind::Sync,
        Kind::Flush,
        Kind::Task,
        Kind::Restart,
        Kind::Client,
        Kind::Patience,
        Kind::Fault,
        Kind::Ambush,
        Kind::Mend,
        Kind::Heal,
        Kind::Deadline,
    ];

    #[test]
    fn what_is_due_keeps_its_meaning_in_a_word() {
        let numbers = [0, 1, 0xFFFF, 0x0123_4567, u32::MAX];
        for kind in KINDS {
            for number in numbers {
                let due = Due::numbered(kind, number);
                assert_eq!((due.kind(), due.number()), (kind, number));
                for node in [0, 1, 2047].map(NodeId) {
                    let due = Due::of(kind, node, number);
                    assert_eq!((due.kind(), due.node(), due.number()), (kind, node, number));
                    for place in [0, 1, 4095] {
                        let due = Due::timer(node, place, number);
                        let parts = (due.kind(), due.node(), due.place(), due.number());
                        assert_eq!(parts, (Kind::Timer, node, place, number));
                    }
                }
            }
        }
        assert!(Fault::ALL.iter().all(|fault| Due::numbered(Kind::Fault, *fault as u32).fault() == *fault));
    }
}
