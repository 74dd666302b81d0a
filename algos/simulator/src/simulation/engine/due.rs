//! Something due, in one word.
//!
//! Millions of these pass the queue, and a value that is stored in parts and loaded whole waits for its stores: so
//! none of it is ever in parts. The lowest 4 bits say which kind it is, the next 12 are a node, the next 16 the
//! place of a timer, the upper half is whatever else the kind has. Verified by the test below, and by
//! every run: a thing that came out as another would be another run.

use swarm_protocol::NodeId;

use crate::profile::Fault;

/// The kinds of things due. An entry whose boot, disk or token is over when its time comes is passed over.
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

/// How many timers a node may have under way; there is room for four times as many.
pub(in super::super) const TIMERS_MAX: u32 = 1 << 14;

impl Due {
    /// A timer of a node, which stands at `place` among its timers.
    ///
    /// # Panics
    /// If the place is not below [`TIMERS_MAX`].
    #[inline]
    pub(in super::super) const fn timer(node: NodeId, place: u32, token: u32) -> Self {
        assert!(place < TIMERS_MAX, "there is no such timer");
        Due(Due::of(Kind::Timer, node, token).0 | (place as u64) << 16)
    }

    /// What concerns a node: with the boot or the disk that it is for, or anything else.
    ///
    /// # Panics
    /// If the node is not among the first 4096; a simulation has at most half as many.
    #[inline]
    pub(in super::super) const fn of(kind: Kind, node: NodeId, number: u32) -> Self {
        assert!(node.0 < 1 << 12, "there is no such node");
        Due(kind as u64 | (node.0 as u64) << 4 | (number as u64) << 32)
    }

    /// What concerns no node.
    #[inline]
    pub(in super::super) const fn numbered(kind: Kind, number: u32) -> Self {
        Due(kind as u64 | (number as u64) << 32)
    }

    /// Which kind it is.
    #[inline]
    pub(super) const fn kind(self) -> Kind {
        // The identity, and compiled as such.
        match self.0 & 0xF {
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

    /// The node that it concerns, if it is of a kind that concerns one.
    #[inline]
    pub(super) const fn node(self) -> NodeId {
        NodeId((self.0 >> 4) as u32 & 0xFFF)
    }

    /// Where the timer stands, if it is one.
    #[inline]
    pub(super) const fn place(self) -> u32 {
        (self.0 >> 16) as u32 & 0xFFFF
    }

    /// What else the kind has: a token, a boot, a disk, a parcel, a client.
    #[inline]
    pub(super) const fn number(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Which fault begins, if one does.
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
        assert_eq!(Kind::Deadline as usize + 1, KINDS.len(), "no kind is left out");
        for kind in KINDS {
            for number in numbers {
                let due = Due::numbered(kind, number);
                assert_eq!((due.kind(), due.number()), (kind, number));
                for node in [0, 1, 4095].map(NodeId) {
                    let due = Due::of(kind, node, number);
                    assert_eq!((due.kind(), due.node(), due.number()), (kind, node, number));
                    for place in [0, 1, TIMERS_MAX - 1] {
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
