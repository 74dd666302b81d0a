//! Names of nodes and small sets of them.

use core::fmt;

/// One member of a cluster, numbered from 0. Prints as `n0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The position of this node in a vector of nodes.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl core::str::FromStr for NodeId {
    type Err = String;

    /// Reads `n0`, `n1`, …
    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_prefix('n')
            .and_then(|digits| digits.parse().ok())
            .map(NodeId)
            .ok_or_else(|| format!("`{text}` is not a node (n0, n1, …)"))
    }
}

/// A set of nodes with identifiers below [`NodeSet::CAPACITY`], kept in one word.
///
/// Voters of a consensus group fit; the members of a gossip swarm do not, and use an indexed vector.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSet(u64);

impl NodeSet {
    /// The number of identifiers that a set can hold.
    pub const CAPACITY: u32 = 64;

    /// The set without members.
    pub const EMPTY: NodeSet = NodeSet(0);

    /// The nodes `0..n`.
    ///
    /// # Panics
    /// If `n` exceeds [`NodeSet::CAPACITY`].
    pub const fn first(n: u32) -> Self {
        assert!(n <= Self::CAPACITY, "a NodeSet holds at most 64 nodes");
        NodeSet(if n == 64 { u64::MAX } else { (1 << n) - 1 })
    }

    /// The set with the members whose bits are set in `bits`.
    pub const fn from_bits(bits: u64) -> Self {
        NodeSet(bits)
    }

    /// The members as bits of one word.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Adds a node; says whether it was absent.
    ///
    /// # Panics
    /// If the identifier is not below [`NodeSet::CAPACITY`].
    pub fn insert(&mut self, node: NodeId) -> bool {
        assert!(node.0 < Self::CAPACITY, "{node} does not fit a NodeSet");
        let absent = !self.contains(node);
        self.0 |= 1 << node.0;
        absent
    }

    /// Takes a node out; says whether it was present.
    pub fn remove(&mut self, node: NodeId) -> bool {
        let present = self.contains(node);
        if present {
            self.0 &= !(1 << node.0);
        }
        present
    }

    /// Whether the node is a member; an identifier beyond the capacity never is.
    pub const fn contains(self, node: NodeId) -> bool {
        node.0 < Self::CAPACITY && self.0 >> node.0 & 1 == 1
    }

    /// The number of members.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there are no members.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Members of either set.
    pub const fn union(self, other: NodeSet) -> NodeSet {
        NodeSet(self.0 | other.0)
    }

    /// Members of both sets.
    pub const fn intersection(self, other: NodeSet) -> NodeSet {
        NodeSet(self.0 & other.0)
    }

    /// Members of this set that are not in the other.
    pub const fn difference(self, other: NodeSet) -> NodeSet {
        NodeSet(self.0 & !other.0)
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = NodeId> + Clone {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            (rest != 0).then(|| {
                let lowest = rest.trailing_zeros();
                rest &= rest - 1;
                NodeId(lowest)
            })
        })
    }
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut set = NodeSet::EMPTY;
        for node in nodes {
            set.insert(node);
        }
        set
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn set_behaves_like_an_ordered_set() {
        fn check(steps: Vec<(bool, u8)>) -> bool {
            let (mut set, mut model) = (NodeSet::EMPTY, BTreeSet::new());
            steps.into_iter().all(|(insert, id)| {
                let node = NodeId(u32::from(id % 64));
                let same = if insert {
                    set.insert(node) == model.insert(node)
                } else {
                    set.remove(node) == model.remove(&node)
                };
                same && set.len() == model.len() && set.iter().eq(model.iter().copied())
            })
        }
        quickcheck::quickcheck(check as fn(Vec<(bool, u8)>) -> bool);
    }

    #[test]
    fn first_has_exactly_the_lowest_identifiers() {
        for n in 0..=64 {
            assert!(NodeSet::first(n).iter().eq((0..n).map(NodeId)));
        }
    }

    #[test]
    fn node_text_round_trips_and_refuses_other_text() {
        assert_eq!("n7".parse(), Ok(NodeId(7)));
        for text in ["7", "n", "n-1", "m1", ""] {
            assert!(text.parse::<NodeId>().is_err(), "{text:?} was accepted");
        }
    }
}
