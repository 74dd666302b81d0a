//! Quorum arithmetic as pure functions.
//!
//! Majority and joint quorums decide Raft's votes and commit index (Ongaro and Ousterhout 2014, §5.2,
//! §5.3 and §6), Byzantine quorums decide PBFT's certificates (Castro and Liskov 1999, §4). Everything
//! is recomputed from scratch at each call, never patched: an incrementally sorted array of
//! acknowledgements once lost committed entries in a widely used implementation.
//!
//! Verified by exhaustive intersection tests and by comparison with brute-force twins on every
//! configuration of up to 5 + 5 voters.

use crate::{NodeId, NodeSet};

/// The size of a majority among `n` voters: the least number such that any two majorities share a
/// voter. 1 for an empty cluster, which therefore never has one.
pub const fn majority(n: usize) -> usize {
    n / 2 + 1
}

/// Where a vote stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteResult {
    /// A quorum has said yes.
    Won,
    /// A quorum of yes is no longer possible.
    Lost,
    /// Neither yet.
    Pending,
}

/// Counts a vote among `voters`, and, during a joint configuration (Raft §6), separately among
/// `outgoing`: it is won only where both are won, and lost as soon as one is lost.
///
/// An empty set of voters counts as won, so that `outgoing` is empty outside of a change. Nodes outside
/// of the sets have no say. A node in both `granted` and `rejected` counts as granted.
pub fn vote_result(voters: NodeSet, outgoing: NodeSet, granted: NodeSet, rejected: NodeSet) -> VoteResult {
    let count = |set: NodeSet| {
        let yes = set.intersection(granted).len();
        let no = set.difference(granted).intersection(rejected).len();
        if set.is_empty() || yes >= majority(set.len()) {
            VoteResult::Won
        } else if set.len() - no < majority(set.len()) {
            VoteResult::Lost
        } else {
            VoteResult::Pending
        }
    };
    match (count(voters), count(outgoing)) {
        (VoteResult::Won, VoteResult::Won) => VoteResult::Won,
        (VoteResult::Lost, _) | (_, VoteResult::Lost) => VoteResult::Lost,
        _ => VoteResult::Pending,
    }
}

/// The highest index that a majority of `voters`, and of `outgoing` if that is not empty, has
/// acknowledged (Raft §5.3, §6). `acked` gives each voter's highest acknowledged index.
///
/// Costs one sort of at most 64 numbers per set, on the stack. Returns `u64::MAX` if both sets are
/// empty: nobody can object.
#[inline]
pub fn commit_index(voters: NodeSet, outgoing: NodeSet, acked: impl Fn(NodeId) -> u64) -> u64 {
    majority_index(voters, &acked).min(majority_index(outgoing, &acked))
}

#[inline(always)]
fn majority_index(voters: NodeSet, acked: &impl Fn(NodeId) -> u64) -> u64 {
    if voters.is_empty() {
        return u64::MAX;
    }
    // The most common cluster: the middle one of three, without counting them and without an array to fill.
    let mut nodes = voters.iter();
    if let (Some(a), Some(b), Some(c), None) = (nodes.next(), nodes.next(), nodes.next(), nodes.next()) {
        let (a, b, c) = (acked(a), acked(b), acked(c));
        return a.max(b).min(a.min(b).max(c));
    }
    majority_index_of_many(voters, acked)
}

fn majority_index_of_many(voters: NodeSet, acked: &impl Fn(NodeId) -> u64) -> u64 {
    let n = voters.len();
    // The majority(n) highest of n in ascending order begin here; the lowest of them is acknowledged by all.
    let place = n - majority(n);
    if n <= SMALL {
        // Sorted as they come, in an array that is no larger than need be.
        let mut sorted = [0u64; SMALL];
        for (count, node) in voters.iter().enumerate() {
            let index = acked(node);
            let mut hole = count;
            while hole > 0 && sorted[hole - 1] > index {
                sorted[hole] = sorted[hole - 1];
                hole -= 1;
            }
            sorted[hole] = index;
        }
        return sorted[place];
    }
    let mut indices = [0u64; NodeSet::CAPACITY as usize];
    for (slot, node) in indices.iter_mut().zip(voters.iter()) {
        *slot = acked(node);
    }
    let indices = &mut indices[..n];
    indices.sort_unstable();
    indices[place]
}

/// So many voters are sorted by insertion.
const SMALL: usize = 8;

/// The number of Byzantine nodes that `n` nodes tolerate: the greatest `f` with `n ≥ 3f + 1`.
pub const fn byzantine_faults(n: usize) -> usize {
    if n == 0 { 0 } else { (n - 1) / 3 }
}

/// The size of a Byzantine quorum among `n` nodes: any two share at least `f + 1` nodes, so at least
/// one correct node, and the `n - f` correct nodes form one. `2f + 1` when `n = 3f + 1`.
pub const fn byzantine_quorum(n: usize) -> usize {
    usize::midpoint(n, byzantine_faults(n)) + 1
}

/// The least number of nodes that contains a correct one: `f + 1`.
pub const fn byzantine_witness(n: usize) -> usize {
    byzantine_faults(n) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subsets(n: u32) -> impl Iterator<Item = NodeSet> {
        (0..1u64 << n).map(NodeSet::from_bits)
    }

    #[test]
    fn any_two_majorities_intersect_and_fewer_need_not() {
        for n in 1..=9 {
            let quorums: Vec<_> = subsets(n).filter(|s| s.len() >= majority(n as usize)).collect();
            for a in &quorums {
                assert!(quorums.iter().all(|b| !a.intersection(*b).is_empty()), "n = {n}");
            }
            let fewer: Vec<_> = subsets(n).filter(|s| s.len() + 1 == majority(n as usize)).collect();
            assert!(fewer.iter().any(|a| fewer.iter().any(|b| a.intersection(*b).is_empty())), "n = {n}");
        }
    }

    #[test]
    fn any_two_byzantine_quorums_share_a_correct_node() {
        for n in 1..=10u32 {
            let (f, q) = (byzantine_faults(n as usize), byzantine_quorum(n as usize));
            assert!(n as usize > 3 * f && n as usize <= 3 * f + 3);
            assert!(q <= n as usize - f, "the correct nodes are a quorum: n = {n}");
            let quorums: Vec<_> = subsets(n).filter(|s| s.len() == q).collect();
            let meet = |quorums: &[NodeSet]| {
                quorums
                    .iter()
                    .flat_map(|a| quorums.iter().map(move |b| a.intersection(*b).len()))
                    .min()
                    .unwrap()
            };
            assert!(meet(&quorums) > f, "two quorums share a correct node: n = {n}");
            if q > 1 {
                let fewer: Vec<_> = subsets(n).filter(|s| s.len() == q - 1).collect();
                assert!(meet(&fewer) <= f, "a smaller quorum would not do: n = {n}");
            }
        }
    }

    #[test]
    fn any_two_joint_quorums_intersect_in_both_halves() {
        for voters in subsets(4).filter(|s| !s.is_empty()) {
            for outgoing in subsets(4) {
                let wins =
                    |yes: &NodeSet| vote_result(voters, outgoing, *yes, NodeSet::EMPTY) == VoteResult::Won;
                let quorums: Vec<_> = subsets(4).filter(wins).collect();
                for a in &quorums {
                    for b in &quorums {
                        let both = a.intersection(*b);
                        assert!(!both.intersection(voters).is_empty());
                        assert!(outgoing.is_empty() || !both.intersection(outgoing).is_empty());
                    }
                }
            }
        }
    }

    /// A vote by its definition: won if all majorities needed said yes, lost if no way of casting the
    /// missing votes wins it.
    fn vote_by_brute_force(voters: NodeSet, outgoing: NodeSet, yes: NodeSet, no: NodeSet) -> VoteResult {
        let wins = |yes: NodeSet| {
            [voters, outgoing]
                .iter()
                .all(|set| set.is_empty() || yes.intersection(*set).len() * 2 > set.len())
        };
        let all = voters.union(outgoing);
        let open = all.difference(yes).difference(no);
        let hopeful = subsets(6).any(|more| wins(yes.union(more.intersection(open))));
        match (wins(yes), hopeful) {
            (true, _) => VoteResult::Won,
            (false, true) => VoteResult::Pending,
            (false, false) => VoteResult::Lost,
        }
    }

    #[test]
    fn vote_result_equals_brute_force_on_all_votes_of_six_nodes() {
        for voters in subsets(4) {
            for outgoing in subsets(4).map(|s| NodeSet::from_bits(s.bits() << 2)) {
                for yes in subsets(6) {
                    for no in subsets(6).filter(|no| no.intersection(yes).is_empty()) {
                        assert_eq!(
                            vote_result(voters, outgoing, yes, no.difference(yes)),
                            vote_by_brute_force(voters, outgoing, yes, no.difference(yes)),
                            "{voters:?} {outgoing:?} yes {yes:?} no {no:?}"
                        );
                    }
                }
            }
        }
    }

    /// The commit index by its definition: the highest index that enough voters have reached.
    fn commit_by_brute_force(voters: NodeSet, outgoing: NodeSet, acked: &[u64]) -> u64 {
        if voters.is_empty() && outgoing.is_empty() {
            return u64::MAX;
        }
        let reached = |index: u64| {
            [voters, outgoing].iter().all(|set| {
                let count = set.iter().filter(|node| acked[node.index()] >= index).count();
                set.is_empty() || 2 * count > set.len()
            })
        };
        acked.iter().copied().chain([0]).filter(|index| reached(*index)).max().unwrap()
    }

    #[test]
    fn commit_index_equals_brute_force_on_all_configurations_of_five_and_five() {
        // Every pair of up to five voters and up to five outgoing voters out of ten nodes, overlapping
        // in every way, each with acknowledgements drawn from a stream.
        let mut draw = crate::Stream::new(5, 5, 0);
        for voters in subsets(5) {
            for outgoing in subsets(5).flat_map(|s| (0..=5).map(move |shift| s.bits() << shift)) {
                let outgoing = NodeSet::from_bits(outgoing);
                for highest in [1, 3, 9] {
                    let acked: Vec<u64> = (0..10).map(|_| draw.below(highest + 1)).collect();
                    assert_eq!(
                        commit_index(voters, outgoing, |node| acked[node.index()]),
                        commit_by_brute_force(voters, outgoing, &acked),
                        "{voters:?} {outgoing:?} {acked:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn commit_index_equals_brute_force_on_large_sets() {
        fn check(voters: u64, outgoing: u64, acked: Vec<u64>) -> bool {
            let acked: Vec<u64> = (0..64).map(|i| acked.get(i).map_or(0, |a| a % 8)).collect();
            // Any number of 64, and up to ten: a few voters are sorted in another way than many.
            [u64::MAX, 0x3FF].into_iter().all(|among| {
                let (voters, outgoing) = (voters & among, outgoing & among);
                let (voters, outgoing) = (NodeSet::from_bits(voters), NodeSet::from_bits(outgoing));
                commit_index(voters, outgoing, |node| acked[node.index()])
                    == commit_by_brute_force(voters, outgoing, &acked)
            })
        }
        quickcheck::quickcheck(check as fn(u64, u64, Vec<u64>) -> bool);
    }
}
