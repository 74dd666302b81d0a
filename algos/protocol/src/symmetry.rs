//! Nodes under other names: what a search needs that takes clusters for one which differ in names alone.
//!
//! A protocol is symmetric if it does the same under other names: renaming everything and taking a step, or
//! taking the step and renaming everything, comes to the same. Names may be stored, compared for equality and
//! counted; one that treats the lowest name otherwise is not symmetric. Drivers check it by samples.
//!
//! Verified by the tests below, and by `tests/it/symmetry.rs` of the checker.

use crate::{NodeId, NodeSet, Protocol};

/// A renaming of the nodes `0..n`: a permutation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Renaming {
    /// The new name of each node, by its old one.
    to: Vec<NodeId>,
}

impl Renaming {
    /// All renamings of `n` nodes, the one that changes nothing first: n! of them.
    pub fn all(n: u32) -> Vec<Self> {
        let mut all = vec![Renaming { to: Vec::new() }];
        for node in 0..n {
            let longer = |shorter: &Renaming| {
                // The new node takes each of the places; from the last one on nothing moves.
                (0..=node)
                    .rev()
                    .map(|place| {
                        let mut to = shorter.to.clone();
                        to.iter_mut().filter(|other| other.0 >= place).for_each(|other| other.0 += 1);
                        to.push(NodeId(place));
                        Renaming { to }
                    })
                    .collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
        }
        all
    }

    /// How many nodes there are.
    pub const fn len(&self) -> usize {
        self.to.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.to.is_empty()
    }

    /// The new name of a node. One that is not of the cluster keeps its name.
    pub fn of(&self, node: NodeId) -> NodeId {
        self.to.get(node.index()).copied().unwrap_or(node)
    }

    /// What stood at each node's place, now at the place of its new name. Beyond the nodes nothing moves.
    ///
    /// # Panics
    /// If there are fewer places than nodes.
    pub fn rearrange<T: Clone>(&self, places: &mut [T]) {
        let before = places.to_vec();
        for (old, new) in self.to.iter().enumerate() {
            places[new.index()] = before[old].clone();
        }
    }
}

/// A value in which names of nodes stand.
pub trait Rename {
    /// Puts the new name wherever a name stands.
    fn rename(&mut self, names: &Renaming);
}

impl Rename for NodeId {
    fn rename(&mut self, names: &Renaming) {
        *self = names.of(*self);
    }
}

impl Rename for NodeSet {
    fn rename(&mut self, names: &Renaming) {
        *self = self.iter().map(|node| names.of(node)).collect();
    }
}

impl<T: Rename> Rename for Option<T> {
    fn rename(&mut self, names: &Renaming) {
        if let Some(value) = self {
            value.rename(names);
        }
    }
}

/// A protocol whose nodes do the same under other names.
pub trait Symmetric:
    Protocol<Message: Rename, Timer: Rename, Answer: Rename, Record: Rename> + Rename
{
    /// Whether this configuration of a cluster of the nodes `0..nodes` treats all of them alike.
    fn alike(config: &Self::Config, nodes: u32) -> bool;

    /// Whether this operation names nodes: a client that asks for it tells them apart.
    fn names_nodes(_op: &Self::Op) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn all_renamings_are_there_once_and_the_first_changes_nothing() {
        for (n, count) in [(0, 1), (1, 1), (2, 2), (3, 6), (4, 24)] {
            let all = Renaming::all(n);
            assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (count, count));
            assert!((0..n).map(NodeId).all(|node| all[0].of(node) == node), "{all:?}");
            for names in &all {
                assert!(
                    (0..n).map(|node| names.of(NodeId(node)).0).collect::<BTreeSet<_>>().into_iter().eq(0..n)
                );
            }
        }
    }

    #[test]
    fn names_places_and_sets_go_together() {
        for names in Renaming::all(4) {
            let mut places = ["a", "b", "c", "d", "beyond"];
            names.rearrange(&mut places);
            for (old, what) in ["a", "b", "c", "d"].into_iter().enumerate() {
                assert_eq!(places[names.of(NodeId(old as u32)).index()], what);
            }
            assert_eq!((places[4], names.of(NodeId(9))), ("beyond", NodeId(9)));
            let mut set = NodeSet::from_bits(0b1011);
            set.rename(&names);
            assert!((0..4).map(NodeId).all(|node| set.contains(names.of(node)) == (node != NodeId(2))));
            let mut vote = Some(NodeId(1));
            vote.rename(&names);
            assert_eq!(vote, Some(names.of(NodeId(1))));
        }
    }
}
