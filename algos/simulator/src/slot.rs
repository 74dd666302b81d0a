//! Places in a cluster, and who stands there.
//!
//! A slot is not a [`NodeId`]: Twins (Bano et al. 2020, *Twins: BFT Systems Made Robust*) run two copies of
//! one node under one identity, so messages name their sender by identity and their receiver by slot.
//! Verified by the tests below and by every scenario that names a slot.

use core::fmt;

use swarm_protocol::{NodeId, Rename, Renaming};

/// A place in the cluster. Slot `i` runs node `i`; a twin is a further slot under the identity of a node.
/// Prints as `n0`, a twin as `n0'`.
///
/// The low [`Slot::IDENTITY_BITS`] bits are the identity, the bits above count copies, so that a slot
/// says who stands there without a look at the cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl Slot {
    /// How many bits of a slot name the identity: clusters have fewer than 2²⁴ nodes.
    pub const IDENTITY_BITS: u32 = 24;

    /// The usual place of a node.
    pub const fn of(node: NodeId) -> Self {
        assert!(node.0 >> Self::IDENTITY_BITS == 0, "a cluster has fewer than 2^24 nodes");
        Slot(node.0)
    }

    /// The place of a node's twin.
    pub const fn twin_of(node: NodeId) -> Self {
        Slot(Self::of(node).0 | 1 << Self::IDENTITY_BITS)
    }

    /// The identity under which whoever stands here acts.
    pub const fn node(self) -> NodeId {
        NodeId(self.0 & ((1 << Self::IDENTITY_BITS) - 1))
    }

    /// Whether a twin stands here.
    pub const fn is_twin(self) -> bool {
        self.0 >> Self::IDENTITY_BITS != 0
    }
}

/// A twin goes with its node.
impl Rename for Slot {
    fn rename(&mut self, names: &Renaming) {
        let node = names.of(self.node());
        *self = if self.is_twin() { Slot::twin_of(node) } else { Slot::of(node) };
    }
}

impl From<NodeId> for Slot {
    fn from(node: NodeId) -> Self {
        Slot::of(node)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.node().0)?;
        (0..self.0 >> Self::IDENTITY_BITS).try_for_each(|_| f.write_str("'"))
    }
}

/// Who takes part in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Participant {
    /// A correct node, in the slot of its identity.
    Node(NodeId),
    /// A second copy of a node under the same identity. The identity counts as faulty from then on: the
    /// two copies may contradict each other, and properties do not look at them.
    Twin(NodeId),
}

impl Participant {
    /// The place where the participant stands.
    pub const fn slot(self) -> Slot {
        match self {
            Participant::Node(node) => Slot::of(node),
            Participant::Twin(node) => Slot::twin_of(node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_knows_its_identity_and_prints_it() {
        let (node, twin) = (Participant::Node(NodeId(3)).slot(), Participant::Twin(NodeId(3)).slot());
        assert_eq!((node, node.node(), node.is_twin()), (Slot(3), NodeId(3), false));
        assert_eq!((twin.node(), twin.is_twin()), (NodeId(3), true));
        assert_eq!(format!("{node} {twin:?}"), "n3 n3'");
    }
}
