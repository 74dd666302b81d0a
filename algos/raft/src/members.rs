//! Who takes part: membership and its changes by joint consensus (Raft §6, dissertation §4).
//!
//! A [`Membership`] is in effect on a server from the moment it stands in its log, committed or not, and goes
//! with its entry when that is truncated. [`Members`] is the stack of those in the log, on top of the one that
//! was in effect before the first of them; append, truncation, snapshot and restart all work it by the same two
//! functions, because a membership that was not rolled back with its entry has split clusters.
//!
//! Verified by the tests below, which compare the stack with one made anew from the log.

use core::fmt::{self, Debug};

use swarm_protocol::quorum::{self, VoteResult};
use swarm_protocol::{NodeId, NodeSet, Rename, Renaming};

use crate::{Config, Index};

/// Who votes and who replicates (Raft §6). Which of them are witnesses is said by [`Config::witnesses`] for good, so that
/// no entry, and no truncation of one, makes a server another.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Membership {
    /// Who votes; during a joint configuration those of the new one.
    pub voters: NodeSet,
    /// During a joint configuration, who votes in the old one; else nobody.
    pub outgoing: NodeSet,
    /// Who replicates the log without a vote; on the way to a goal also voters who are to do so from then on.
    pub learners: NodeSet,
    /// Who is to vote as soon as all of them are caught up; nobody if no such change is under way.
    pub goal: NodeSet,
}

impl Membership {
    /// A membership of voters alone.
    pub const fn of(voters: NodeSet) -> Self {
        Membership { voters, outgoing: NodeSet::EMPTY, learners: NodeSet::EMPTY, goal: NodeSet::EMPTY }
    }

    /// Everyone who replicates the log.
    pub fn all(&self) -> NodeSet {
        self.voters.union(self.outgoing).union(self.learners)
    }

    /// Whether the node has a vote, in the old configuration or in the new one.
    pub const fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(node) || self.outgoing.contains(node)
    }

    /// Whether this is a joint configuration: agreement needs a majority of each.
    pub const fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Where a vote stands (Raft §5.2, §6).
    pub fn vote_result(&self, granted: NodeSet, refused: NodeSet) -> VoteResult {
        quorum::vote_result(self.voters, self.outgoing, granted, refused)
    }

    /// Whether these nodes are enough to agree.
    pub fn is_quorum(&self, nodes: NodeSet) -> bool {
        self.vote_result(nodes, NodeSet::EMPTY) == VoteResult::Won
    }

    /// The highest index that a quorum has acknowledged (Raft §5.3, §6).
    #[inline]
    pub fn commit_index(&self, acked: impl Fn(NodeId) -> u64) -> u64 {
        quorum::commit_index(self.voters, self.outgoing, acked)
    }
}

/// Prints as `{n0,n1,n2}`, and what else there is: `{n0,n1}<-{n0,n2} learners {n3} goal {n3}`.
impl Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Membership { voters, outgoing, learners, goal } = self;
        write!(f, "{voters:?}")?;
        if !outgoing.is_empty() {
            write!(f, "<-{outgoing:?}")?;
        }
        for (name, set) in [("learners", learners), ("goal", goal)] {
            if !set.is_empty() {
                write!(f, " {name} {set:?}")?;
            }
        }
        Ok(())
    }
}

impl Rename for Membership {
    fn rename(&mut self, names: &Renaming) {
        let Membership { voters, outgoing, learners, goal } = self;
        for set in [voters, outgoing, learners, goal] {
            set.rename(names);
        }
    }
}

/// The memberships that a log holds, by ascending index, on top of the one before all of them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Members {
    /// The one in effect.
    now: Membership,
    /// Where it stands in the log; 0 if it is the first.
    since: Index,
    /// Those before it that a truncation may bring back, and where they stand.
    earlier: Vec<(Index, Membership)>,
}

impl Members {
    /// The membership that a cluster begins with.
    pub(crate) const fn new(config: &Config) -> Self {
        let now = Membership { learners: config.learners, ..Membership::of(config.voters) };
        Members { now, since: 0, earlier: Vec::new() }
    }

    /// The membership in effect.
    #[inline]
    pub(crate) const fn now(&self) -> &Membership {
        &self.now
    }

    /// The index of the entry that the membership in effect stands in, 0 if it is the first.
    pub(crate) const fn since(&self) -> Index {
        self.since
    }

    /// An entry at `index`, behind all others, holds this membership. Raft §6: a server uses the latest
    /// configuration in its log, whether or not that is committed.
    pub(crate) fn append(&mut self, index: Index, membership: Membership) {
        assert!(index > self.since, "memberships are appended in order");
        self.earlier.push((self.since, self.now));
        (self.since, self.now) = (index, membership);
    }

    /// Whether this node, which knows entries up to `commit` to be committed, may stand for election. Dissertation
    /// §4.2.2: a server that the latest configuration leaves out "should still start new elections, as it might
    /// still be needed until the C_new entry is committed": perhaps nobody else has that entry, and those before whom
    /// it would go back need the vote of who has it. Its own vote counts nothing then.
    pub(crate) fn may_stand(&self, node: NodeId, commit: Index) -> bool {
        let voted = || self.earlier.last().is_some_and(|(_, before)| before.is_voter(node));
        self.now.is_voter(node) || self.since > commit && voted()
    }

    /// The membership that is in effect after the entry at `index`, which is not before what was forgotten.
    pub(crate) fn at(&self, index: Index) -> Membership {
        let stack = self.earlier.iter().copied().chain([(self.since, self.now)]);
        stack.take_while(|(since, _)| *since <= index).last().expect("a membership before all entries").1
    }

    /// Nothing up to `index` will be truncated any more.
    pub(crate) fn forget_before(&mut self, index: Index) {
        if self.since <= index {
            return self.earlier.clear();
        }
        let passed = self.earlier.iter().take_while(|(since, _)| *since <= index).count();
        self.earlier.drain(..passed.saturating_sub(1));
    }

    /// The log now begins behind `index`, and this is in effect there.
    pub(crate) fn restart(&mut self, index: Index, membership: Membership) {
        *self = Members { now: membership, since: index, earlier: Vec::new() };
    }

    /// The entries behind `index` are gone: what they held is no longer in effect (Raft §6).
    pub(crate) fn truncate_after(&mut self, index: Index) {
        while self.since > index {
            (self.since, self.now) = self.earlier.pop().expect("a membership before all entries");
        }
    }
}

impl Rename for Members {
    fn rename(&mut self, names: &Renaming) {
        let Members { now, since: _, earlier } = self;
        now.rename(names);
        for (_, membership) in earlier {
            membership.rename(names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_protocol::Stream;

    fn drawn(draw: &mut Stream) -> Membership {
        Membership::of(NodeSet::from_bits(1 + draw.below(31)))
    }

    #[test]
    fn what_is_in_effect_is_the_last_in_the_log() {
        let config = Config::new(3);
        for seed in 0..100 {
            let mut draw = Stream::new(seed, 0, 0);
            let (mut members, mut log, mut last) = (Members::new(&config), vec![], 0);
            for _ in 0..40 {
                if draw.below(3) == 0 {
                    last = draw.below(last + 1);
                    members.truncate_after(last);
                    log.retain(|(index, _)| *index <= last);
                } else {
                    last += 1 + draw.below(3);
                    let membership = drawn(&mut draw);
                    members.append(last, membership);
                    log.push((last, membership));
                }
                let mut anew = Members::new(&config);
                for (index, membership) in &log {
                    anew.append(*index, *membership);
                }
                assert_eq!(members, anew, "seed {seed}");
                let place = draw.below(last + 1);
                let at = log.iter().rev().find(|(index, _)| *index <= place);
                let first = Membership::of(config.voters);
                assert_eq!(members.at(place), at.map_or(first, |(_, membership)| *membership));
                let mut forgetful = members.clone();
                forgetful.forget_before(place);
                for later in place..=last {
                    assert_eq!(forgetful.at(later), members.at(later), "seed {seed}");
                }
                let kept = log.iter().filter(|(index, _)| *index > place).count();
                assert_eq!(forgetful.earlier.len(), kept, "one membership before each change that may go");
                let (since, now) = log.last().copied().unwrap_or((0, Membership::of(config.voters)));
                assert_eq!((members.since(), *members.now()), (since, now));
            }
        }
    }

    #[test]
    fn text_says_what_is_there() {
        let set = NodeSet::from_bits;
        let mut membership = Membership::of(set(0b11));
        assert_eq!(format!("{membership:?}"), format!("{:?}", set(0b11)));
        membership.outgoing = set(0b101);
        membership.goal = set(0b1);
        let text = format!("{membership:?}");
        assert_eq!(text, format!("{:?}<-{:?} goal {:?}", set(0b11), set(0b101), set(0b1)));
    }
}
