//! The five safety properties of Raft (Fig. 3), and where payload is, judged on what can be seen of the nodes.
//!
//! [`Observation`] is all that is asked of an implementation, so that another Raft behind an adapter is
//! judged by the same words. Each node's log is remembered as a chain of digests, link `i` standing for
//! entries `1..=i`; two logs agree up to an index if and only if the links there are equal. A step that
//! changes little is judged at little cost: only links behind the first change are made anew, and
//! agreement is one comparison. The incremental form assumes that a log changes at its end; [`full`]
//! assumes nothing, and finds a change in the middle.
//!
//! [`full`]: RaftProperties::full
//!
//! Of a witness the properties say what is true of it: its entries have the terms of all others', and their content
//! but for commands, for which it shows [`WITHHELD`]. A second chain, of terms alone, stands for that. A sixth property,
//! `payload_placement`, has it that a witness holds no payload, and that all others hold that of every entry.
//!
//! What is hashed is what later verdicts depend on: who led which term, what was committed, and the
//! earliest terms in which it was. Verified by hand-made violations of each property and by comparison
//! with a brute-force judge of whole histories (below). Not verified: digests are 64 bits wide, so that
//! two different entries pass for equal with probability 2⁻⁶⁴ per comparison.

use core::hash::{Hash, Hasher};
use std::sync::Arc;

use swarm_protocol::{NodeId, Properties, Protocol, Rename, Renaming, Violation};

use self::seen::{Change, Link, Seen, first_difference, same};
use crate::{Index, Term};

mod observation;
mod seen;

pub use self::observation::{Observation, WITHHELD, digest};

/// Election Safety, Leader Append-Only, Log Matching, Leader Completeness and State Machine Safety; and where payload is.
#[derive(Clone, Debug, Default)]
pub struct RaftProperties {
    /// What later verdicts depend on. Shared between copies until it changes.
    past: Arc<Past>,
    /// Each node's log when it was last looked at, a function of the nodes' states: neither compared nor
    /// hashed. Shared between copies until a node's log changes.
    seen: Arc<Vec<Arc<Seen>>>,
}

/// What a property about the past needs to know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Past {
    /// Who was seen to lead which term, by ascending term.
    leaders: Vec<(Term, NodeId)>,
    /// The entries that were committed anywhere, from index 1 on.
    committed: Vec<Link>,
    /// Entries up to this index were committed in this term or before. Both ascend strictly: what an
    /// earlier term committed further says more.
    committed_in: Vec<(Term, Index)>,
}

impl PartialEq for RaftProperties {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.past, &other.past) || self.past == other.past
    }
}

impl Eq for RaftProperties {}

impl Rename for RaftProperties {
    fn rename(&mut self, names: &Renaming) {
        let Past { leaders, committed: _, committed_in: _ } = Arc::make_mut(&mut self.past);
        for (_, leader) in leaders {
            leader.rename(names);
        }
        let seen = Arc::make_mut(&mut self.seen);
        seen.resize_with(seen.len().max(names.len()), Arc::default);
        names.rearrange(seen);
    }
}

impl Hash for RaftProperties {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.past.leaders.hash(state);
        self.past.committed_in.hash(state);
        // The last link stands for all before it.
        state.write_usize(self.past.committed.len());
        state.write_u64(self.past.committed.last().map_or(0, |link| link.chain));
    }
}

const ELECTION_SAFETY: &str = "election_safety";
const LEADER_APPEND_ONLY: &str = "leader_append_only";
const LOG_MATCHING: &str = "log_matching";
const LEADER_COMPLETENESS: &str = "leader_completeness";
const STATE_MACHINE_SAFETY: &str = "state_machine_safety";
const PAYLOAD_PLACEMENT: &str = "payload_placement";

impl<P: Protocol + Observation> Properties<P> for RaftProperties {
    const NAMES: &'static [&'static str] = &[
        ELECTION_SAFETY,
        LEADER_APPEND_ONLY,
        LOG_MATCHING,
        LEADER_COMPLETENESS,
        STATE_MACHINE_SAFETY,
        PAYLOAD_PLACEMENT,
    ];

    /// Leaders and what is committed are collected; nothing says in which order.
    const COMMUTE: bool = true;

    fn after_step(
        &mut self,
        _config: &P::Config,
        nodes: &[Option<&P>],
        touched: NodeId,
    ) -> Result<(), Violation> {
        self.judge(nodes, touched)
    }

    fn full(&self, _config: &P::Config, nodes: &[Option<&P>]) -> Result<(), Violation> {
        self.judge_all(nodes)
    }
}

impl RaftProperties {
    /// The incremental form of [`Properties::after_step`], for anything that can be observed.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn judge<O: Observation>(&mut self, nodes: &[Option<&O>], touched: NodeId) -> Result<(), Violation> {
        if self.seen.len() < nodes.len() {
            Arc::make_mut(&mut self.seen).resize_with(nodes.len(), Arc::default);
        }
        for (index, node) in nodes.iter().enumerate() {
            if node.is_none() && self.seen[index].is_known() {
                // Others change while it is down: when it is back, all of its log is judged anew.
                Arc::make_mut(&mut self.seen)[index] = Arc::default();
            }
        }
        let Some(Some(node)) = nodes.get(touched.index()) else { return Ok(()) };
        let led = self.seen[touched.index()].led;
        let leads = node.is_leader().then(|| node.term());

        if let Some(term) = leads {
            self.election_safety(term, touched)?;
        }
        let shows = self.seen[touched.index()].shows(*node);
        let mut change = Change { first: node.last_index() + 1, overwrites: false };
        if !shows || led != leads {
            let seen = Arc::make_mut(&mut Arc::make_mut(&mut self.seen)[touched.index()]);
            (seen.led, seen.witness) = (leads, node.is_witness());
            if !shows {
                change = seen.look(*node, touched, &self.past.committed)?;
            }
        }
        // "A leader never overwrites or deletes entries in its log; it only appends new entries."
        if leads.is_some() && leads == led && change.overwrites {
            let detail = format!("{touched}, leader of term {}, changed entry {}", node.term(), change.first);
            return Err(Violation::new(LEADER_APPEND_ONLY, detail));
        }
        self.payload_placement(*node, touched, change.first)?;
        self.log_matching(nodes, touched, change.first)?;
        let further = self.commit(*node, touched)?;
        // A commit further than before concerns all leaders; a step of a leader concerns it.
        for (index, other) in nodes.iter().enumerate() {
            if let Some(other) = other
                && other.is_leader()
                && (further || index == touched.index())
            {
                self.leader_completeness(other.term(), NodeId(index as u32))?;
            }
        }
        self.state_machine_safety(*node, touched)
    }

    /// "At most one leader can be elected in a given term."
    fn election_safety(&mut self, term: Term, node: NodeId) -> Result<(), Violation> {
        let place = self.past.leaders.partition_point(|(earlier, _)| *earlier < term);
        match self.past.leaders.get(place) {
            Some((same, leader)) if *same == term => {
                if *leader == node {
                    return Ok(());
                }
                let detail = format!("{leader} and {node} were leaders of term {term}");
                Err(Violation::new(ELECTION_SAFETY, detail))
            }
            _ => {
                Arc::make_mut(&mut self.past).leaders.insert(place, (term, node));
                Ok(())
            }
        }
    }

    /// A witness holds no payload, and every other server that of all its entries.
    fn payload_placement<O: Observation>(
        &self,
        node: &O,
        name: NodeId,
        first: Index,
    ) -> Result<(), Violation> {
        if node.is_witness() {
            let holds = node.holds_payload(first);
            let violation = || Violation::new(PAYLOAD_PLACEMENT, format!("{name}, a witness, holds payload"));
            return if holds { Err(violation()) } else { Ok(()) };
        }
        let new = self.seen[name.index()].log.iter().enumerate().skip(first as usize - 1);
        match new.map(|(place, link)| (place + 1, link.content)).find(|(_, content)| *content == WITHHELD) {
            Some((index, _)) => {
                let detail = format!("{name}, which is no witness, lacks the command of entry {index}");
                Err(Violation::new(PAYLOAD_PLACEMENT, detail))
            }
            None => Ok(()),
        }
    }

    /// "If two logs contain an entry with the same index and term, then the logs are identical in all
    /// entries up through the given index." Where one is a witness's, but for what is withheld from it.
    fn log_matching<O>(&self, nodes: &[Option<&O>], touched: NodeId, first: Index) -> Result<(), Violation> {
        let Seen { log, witness, .. } = &*self.seen[touched.index()];
        if first as usize > log.len() {
            return Ok(());
        }
        for (index, seen) in self.seen.iter().enumerate().take(nodes.len()) {
            if index == touched.index() || nodes[index].is_none() {
                continue;
            }
            let of_a_witness = *witness || seen.witness;
            let both = log.iter().zip(&seen.log).enumerate().skip(first as usize - 1);
            // The last entry of the same term decides for all before it.
            let same_term = both.clone().rev().find(|(_, (ours, theirs))| ours.term == theirs.term);
            let Some((last, (ours, theirs))) = same_term else { continue };
            // A chain of terms says nothing of content.
            let shows_another = |(_, (ours, theirs)): (usize, (&Link, &Link))| {
                let [own, other] = [ours, theirs].map(|link| Some((link.term, link.content)));
                ours.term == theirs.term && !same(own, *witness, other, seen.witness)
            };
            let differs = of_a_witness && both.clone().any(shows_another);
            if differs || !ours.agrees(theirs, of_a_witness) {
                let detail = format!(
                    "{touched} and n{index} both have entry {} of term {}, and differ there or before",
                    last + 1,
                    ours.term
                );
                return Err(Violation::new(LOG_MATCHING, detail));
            }
        }
        Ok(())
    }

    /// Notes what `node` takes to be committed; says whether it is news.
    fn commit<O: Observation>(&mut self, node: &O, name: NodeId) -> Result<bool, Violation> {
        let commit = node.commit_index().max(node.applied_index());
        let Seen { log, witness, .. } = &*self.seen[name.index()];
        if commit as usize > log.len() {
            let detail = format!("{name} committed {commit} entries and has {}", log.len());
            return Err(Violation::new(STATE_MACHINE_SAFETY, detail));
        }
        let before = self.past.committed.len();
        if *witness && commit as usize > before {
            let detail =
                format!("{name}, a witness, takes entry {commit} for committed before anybody else does");
            return Err(Violation::new(STATE_MACHINE_SAFETY, detail));
        }
        if commit as usize > before {
            if before > 0 && log[before - 1].chain != self.past.committed[before - 1].chain {
                return Ok(false); // State Machine Safety says so below.
            }
            Arc::make_mut(&mut self.past).committed.extend_from_slice(&log[before..commit as usize]);
        }
        let term = node.term();
        let place = self.past.committed_in.partition_point(|(earlier, _)| *earlier <= term);
        let known = place.checked_sub(1).map_or(0, |before| self.past.committed_in[before].1);
        if commit <= known {
            return Ok(false);
        }
        let covered = self.past.committed_in[place..].partition_point(|(_, index)| *index <= commit);
        // The same term, if it is there, stands just before `place`.
        let from = place - usize::from(place > 0 && self.past.committed_in[place - 1].0 == term);
        Arc::make_mut(&mut self.past).committed_in.splice(from..place + covered, [(term, commit)]);
        Ok(true)
    }

    /// "If a log entry is committed in a given term, then that entry will be present in the logs of the
    /// leaders for all higher-numbered terms."
    fn leader_completeness(&self, term: Term, leader: NodeId) -> Result<(), Violation> {
        let earlier = self.past.committed_in.partition_point(|(committed, _)| *committed < term);
        let Some((committed, index)) = earlier.checked_sub(1).map(|last| self.past.committed_in[last]) else {
            return Ok(());
        };
        let log = &self.seen[leader.index()].log;
        let place = index as usize - 1;
        if log.get(place).is_some_and(|link| link.chain == self.past.committed[place].chain) {
            return Ok(());
        }
        let first = first_difference(&self.past.committed[..=place], log, false);
        let detail =
            format!("{leader}, leader of term {term}, lacks entry {first}, committed in term {committed}");
        Err(Violation::new(LEADER_COMPLETENESS, detail))
    }

    /// "If a server has applied a log entry at a given index to its state machine, no other server will
    /// ever apply a different log entry for the same index."
    fn state_machine_safety<O: Observation>(&self, node: &O, name: NodeId) -> Result<(), Violation> {
        let commit = node.commit_index().max(node.applied_index()) as usize;
        let commit = commit.min(self.past.committed.len());
        let Seen { log, witness, .. } = &*self.seen[name.index()];
        let log = &log[..commit];
        if commit == 0 || log[commit - 1].agrees(&self.past.committed[commit - 1], *witness) {
            return Ok(());
        }
        let first = first_difference(&self.past.committed[..commit], log, *witness);
        let detail = format!("{name} commits another entry {first} than was committed before");
        Err(Violation::new(STATE_MACHINE_SAFETY, detail))
    }

    /// The plain form of [`Properties::full`]: no chains, no assumption on what changed.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn judge_all<O: Observation>(&self, nodes: &[Option<&O>]) -> Result<(), Violation> {
        let committed: Vec<_> =
            self.past.committed.iter().map(|link| Some((link.term, link.content))).collect();
        // What a snapshot stands for is what was committed.
        let log = |node: &O| -> Vec<Option<(Term, u64)>> {
            let base = node.base().0;
            let mut log = committed[..committed.len().min(base as usize)].to_vec();
            log.resize(base as usize, None);
            log.extend(node.entries_from(base + 1).map(Some));
            log.resize(log.len().max(node.last_index() as usize), None);
            log
        };
        let mut up = vec![];
        for (index, node) in nodes.iter().enumerate() {
            if let Some(node) = node {
                up.push((NodeId(index as u32), *node, log(node)));
            }
        }
        let leaders = || up.iter().filter(|(_, node, _)| node.is_leader());

        for (name, node, _) in leaders() {
            if let Some((term, other)) =
                self.past.leaders.iter().find(|(term, other)| *term == node.term() && other != name)
            {
                let detail = format!("{other} and {name} were leaders of term {term}");
                return Err(Violation::new(ELECTION_SAFETY, detail));
            }
        }
        for (name, node, log) in leaders() {
            let Some(seen) = self.seen.get(name.index()) else { continue };
            let before: Vec<_> = seen.log.iter().map(|link| Some((link.term, link.content))).collect();
            if seen.led == Some(node.term()) && !log.starts_with(&before) {
                let detail = format!("{name}, leader of term {}, changed its log", node.term());
                return Err(Violation::new(LEADER_APPEND_ONLY, detail));
            }
        }
        for (name, node, log) in &up {
            let base = node.base().0;
            let shown = log.iter().skip(base as usize);
            let lacks = !node.is_witness() && shown.flatten().any(|(_, content)| *content == WITHHELD);
            if lacks || node.is_witness() && node.holds_payload(base + 1) {
                let detail = format!("{name} holds payload as a witness, or lacks some as none");
                return Err(Violation::new(PAYLOAD_PLACEMENT, detail));
            }
        }
        for (name, node, ours) in &up {
            for (other, twin, theirs) in up.iter().filter(|(other, ..)| other > name) {
                let mut identical = true;
                for (place, (our, their)) in ours.iter().zip(theirs).enumerate() {
                    identical &= same(*our, node.is_witness(), *their, twin.is_witness());
                    if our.map(|(term, _)| term) == their.map(|(term, _)| term) && !identical {
                        let detail = format!("{name} and {other} differ at or before {}", place + 1);
                        return Err(Violation::new(LOG_MATCHING, detail));
                    }
                }
            }
        }
        for (name, node, log) in leaders() {
            for (term, index) in self.past.committed_in.iter().filter(|(term, _)| *term < node.term()) {
                if !log.starts_with(&committed[..*index as usize]) {
                    let detail =
                        format!("{name}, leader of term {}, lacks what term {term} committed", node.term());
                    return Err(Violation::new(LEADER_COMPLETENESS, detail));
                }
            }
        }
        for (name, node, log) in &up {
            let commit = node.commit_index().max(node.applied_index()) as usize;
            let pairs = |applied: &[Option<_>]| {
                let same = |(own, all): (&_, &_)| same(*own, node.is_witness(), *all, false);
                applied.len() <= committed.len() && applied.iter().zip(&committed).all(same)
            };
            if !log.get(..commit).is_some_and(pairs) {
                let detail = format!("{name} commits other entries than were committed before");
                return Err(Violation::new(STATE_MACHINE_SAFETY, detail));
            }
            let (index, term) = node.base();
            if index > 0 && self.past.committed[index as usize - 1].term != term {
                let detail = format!("{name} says that entry {index} is of term {term}, and it is not");
                return Err(Violation::new(STATE_MACHINE_SAFETY, detail));
            }
        }
        // Who has applied the same entries has come to the same, by them or by a snapshot.
        for (name, node, _) in up.iter().filter(|(_, node, _)| node.base().0 > 0) {
            let same = up.iter().find(|(other, twin, _)| {
                let alike = node.is_witness() || twin.is_witness() || twin.state() == node.state();
                other != name && twin.applied_index() == node.applied_index() && !alike
            });
            if let Some((other, ..)) = same {
                let detail = format!(
                    "{name} and {other} have applied {} entries and come to different states",
                    node.applied_index()
                );
                return Err(Violation::new(STATE_MACHINE_SAFETY, detail));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_protocol::Stream;

    /// What is no less is a membership, and no payload.
    const MEMBERSHIP: u64 = 100;

    /// A node as an outsider sees it.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct View {
        term: Term,
        leader: bool,
        witness: bool,
        commit: Index,
        log: Vec<(Term, u64)>,
    }

    impl View {
        /// Whether the first so many entries of both are the same, as far as a witness shows them.
        fn agrees(&self, other: &View, count: usize) -> bool {
            let mut both = self.log.iter().zip(&other.log).take(count);
            both.all(|(a, b)| {
                let withheld = self.witness && a.1 == WITHHELD || other.witness && b.1 == WITHHELD;
                a.0 == b.0 && (a.1 == b.1 || withheld)
            })
        }
    }

    impl Observation for View {
        fn term(&self) -> Term {
            self.term
        }
        fn is_leader(&self) -> bool {
            self.leader
        }
        fn last_index(&self) -> Index {
            self.log.len() as Index
        }
        fn commit_index(&self) -> Index {
            self.commit
        }
        fn applied_index(&self) -> Index {
            self.commit
        }
        fn is_witness(&self) -> bool {
            self.witness
        }
        fn holds_payload(&self, first: Index) -> bool {
            self.log[first as usize - 1..].iter().any(|(_, content)| (1..MEMBERSHIP).contains(content))
        }
        fn entry_at(&self, index: Index) -> Option<(Term, u64)> {
            self.log.get(index as usize - 1).copied()
        }
    }

    fn follower(term: Term, commit: Index, log: &[(Term, u64)]) -> View {
        View { term, commit, log: log.to_vec(), ..View::default() }
    }

    fn witness(term: Term, commit: Index, terms: &[Term]) -> View {
        let log: Vec<_> = terms.iter().map(|term| (*term, WITHHELD)).collect();
        View { witness: true, ..follower(term, commit, &log) }
    }

    fn leader(term: Term, commit: Index, log: &[(Term, u64)]) -> View {
        View { leader: true, ..follower(term, commit, log) }
    }

    /// Shows the views one after another, each as a step of its node, and says what is found.
    fn check(steps: &[(u32, Option<View>)], expected: Option<&str>) {
        let mut properties = RaftProperties::default();
        let mut nodes: Vec<Option<View>> = vec![Some(View::default()); 3];
        let mut found = None;
        for (node, view) in steps {
            assert_eq!(found, None, "the last step is the one that violates");
            nodes[*node as usize].clone_from(view);
            let views: Vec<_> = nodes.iter().map(Option::as_ref).collect();
            found = properties.judge(&views, NodeId(*node)).err().map(|violation| violation.property);
            assert!(found.is_some() || properties.judge_all(&views).is_ok(), "full finds more");
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn two_leaders_of_one_term_violate_election_safety() {
        check(&[(0, Some(leader(1, 0, &[]))), (1, Some(leader(1, 0, &[])))], Some(ELECTION_SAFETY));
        check(&[(0, Some(leader(1, 0, &[]))), (1, Some(leader(2, 0, &[])))], None);
        let restarted = [(0, Some(leader(1, 0, &[]))), (0, None), (1, Some(leader(1, 0, &[])))];
        check(&restarted, Some(ELECTION_SAFETY));
    }

    #[test]
    fn a_leader_that_overwrites_violates_leader_append_only() {
        let first = (0, Some(leader(2, 0, &[(1, 7), (2, 8)])));
        check(&[first.clone(), (0, Some(leader(2, 0, &[(1, 7), (2, 9)])))], Some(LEADER_APPEND_ONLY));
        check(&[first.clone(), (0, Some(leader(2, 0, &[(1, 7)])))], Some(LEADER_APPEND_ONLY));
        check(&[first.clone(), (0, Some(leader(2, 0, &[(1, 7), (2, 8), (2, 9)])))], None);
        check(&[first.clone(), (0, Some(follower(3, 0, &[(1, 7)])))], None);
        check(&[first, (0, None), (0, Some(follower(2, 0, &[])))], None);
    }

    #[test]
    fn logs_that_agree_behind_a_difference_violate_log_matching() {
        let first = (0, Some(follower(2, 0, &[(1, 7), (2, 8)])));
        check(&[first.clone(), (1, Some(follower(2, 0, &[(1, 6), (2, 8)])))], Some(LOG_MATCHING));
        check(&[first.clone(), (1, Some(follower(2, 0, &[(1, 7), (2, 9)])))], Some(LOG_MATCHING));
        check(&[first.clone(), (1, Some(follower(3, 0, &[(1, 7), (3, 8)])))], None);
        // A node that is down is judged when it is back.
        let down = [first.clone(), (0, None), (1, Some(follower(2, 0, &[(1, 6), (2, 8)]))), first];
        check(&down, Some(LOG_MATCHING));
    }

    #[test]
    fn a_leader_without_a_committed_entry_violates_leader_completeness() {
        let first = (0, Some(leader(1, 1, &[(1, 7)])));
        check(&[first.clone(), (1, Some(leader(2, 0, &[])))], Some(LEADER_COMPLETENESS));
        check(&[first.clone(), (1, Some(leader(2, 0, &[(1, 7), (2, 9)])))], None);
        // The entry may be committed after the later leader was elected.
        let late = [(1, Some(leader(2, 0, &[]))), first];
        check(&late, Some(LEADER_COMPLETENESS));
        // A leader of an earlier term may lack what a later term committed.
        check(&[(0, Some(leader(3, 1, &[(3, 7)]))), (1, Some(leader(2, 0, &[])))], None);
    }

    #[test]
    fn nodes_that_commit_different_entries_violate_state_machine_safety() {
        let first = (0, Some(follower(2, 1, &[(1, 7)])));
        check(&[first.clone(), (1, Some(follower(2, 1, &[(2, 8)])))], Some(STATE_MACHINE_SAFETY));
        check(&[first.clone(), (1, Some(follower(2, 0, &[(2, 8)])))], None);
        check(&[(0, Some(follower(1, 2, &[(1, 7)])))], Some(STATE_MACHINE_SAFETY));
        // What was committed stays committed when the node is gone.
        let gone = [first, (0, None), (1, Some(follower(2, 1, &[(2, 8)])))];
        check(&gone, Some(STATE_MACHINE_SAFETY));
    }

    #[test]
    fn payload_in_the_wrong_place_violates_payload_placement() {
        let first = (0, Some(leader(1, 2, &[(1, 7), (1, 8)])));
        check(&[first.clone(), (1, Some(witness(1, 2, &[1, 1])))], None);
        let holds = View { log: vec![(1, WITHHELD), (1, 8)], ..witness(1, 2, &[]) };
        check(&[first.clone(), (1, Some(holds))], Some(PAYLOAD_PLACEMENT));
        let lacks = follower(1, 0, &[(1, 7), (1, WITHHELD)]);
        check(&[first, (1, Some(lacks))], Some(PAYLOAD_PLACEMENT));
    }

    /// Terms and places are judged, and what leads has to have its commands.
    #[test]
    fn a_witness_is_judged_by_its_terms() {
        let first = (0, Some(leader(2, 2, &[(1, 7), (2, 8)])));
        check(&[first.clone(), (1, Some(witness(2, 0, &[1, 2, 2])))], None);
        check(&[first.clone(), (1, Some(witness(2, 0, &[2, 2])))], Some(LOG_MATCHING));
        check(&[first.clone(), (1, Some(witness(2, 1, &[2])))], Some(STATE_MACHINE_SAFETY));
        check(&[first.clone(), (1, Some(witness(2, 3, &[1, 2, 2])))], Some(STATE_MACHINE_SAFETY));
        // Who takes part is not withheld.
        let alone = (0, Some(leader(2, 0, &[(1, 7), (2, MEMBERSHIP)])));
        let knows = |content| View { log: vec![(1, WITHHELD), (2, content)], ..witness(2, 0, &[]) };
        check(&[alone.clone(), (1, Some(knows(MEMBERSHIP)))], None);
        check(&[alone, (1, Some(knows(MEMBERSHIP + 1)))], Some(LOG_MATCHING));
        let leads = View { leader: true, ..witness(3, 2, &[1, 2]) };
        check(&[first, (1, Some(leads))], Some(LEADER_COMPLETENESS));
    }

    /// A judge that keeps every view ever shown and applies the definitions to all of them.
    #[derive(Default)]
    struct Historian {
        views: Vec<Vec<Option<View>>>,
    }

    impl Historian {
        fn violated(&self) -> Vec<&'static str> {
            let now = self.views.last().unwrap();
            let ever = || self.views.iter().flat_map(|nodes| nodes.iter().enumerate());
            let ever = || ever().filter_map(|(index, node)| Some((index, node.as_ref()?)));
            let up = || now.iter().enumerate().filter_map(|(index, node)| Some((index, node.as_ref()?)));
            let mut violated = vec![];
            if up().any(|(i, a)| a.leader && ever().any(|(j, b)| b.leader && i != j && a.term == b.term)) {
                violated.push(ELECTION_SAFETY);
            }
            if self.views.len() > 1 {
                let before = &self.views[self.views.len() - 2];
                let overwrites = |i: usize, now: &View| {
                    before[i].as_ref().is_some_and(|was| {
                        was.leader && now.leader && was.term == now.term && !now.log.starts_with(&was.log)
                    })
                };
                if up().any(|(i, node)| overwrites(i, node)) {
                    violated.push(LEADER_APPEND_ONLY);
                }
            }
            let misplaced =
                |node: &View| node.log.iter().any(|(_, content)| (*content == WITHHELD) != node.witness);
            if up().any(|(_, a)| misplaced(a)) {
                violated.push(PAYLOAD_PLACEMENT);
            }
            let unmatched = |a: &View, b: &View| {
                (0..a.log.len().min(b.log.len())).any(|i| a.log[i].0 == b.log[i].0 && !a.agrees(b, i + 1))
            };
            if up().any(|(_, a)| up().any(|(_, b)| unmatched(a, b))) {
                violated.push(LOG_MATCHING);
            }
            let lacks = |a: &View, b: &View| {
                // What a witness knows to be committed somebody else has shown.
                let shown = |f: &View| if b.witness { !f.witness && f.commit >= b.commit } else { f == b };
                let has = |f: &View| a.log.starts_with(&f.log[..b.commit as usize]);
                a.leader && b.term < a.term && !ever().any(|(_, f)| shown(f) && has(f))
            };
            if up().any(|(_, a)| ever().any(|(_, b)| lacks(a, b))) {
                violated.push(LEADER_COMPLETENESS);
            }
            let differs = |a: &View, b: &View| !a.agrees(b, a.commit.min(b.commit) as usize);
            let early = |a: &View| a.witness && !ever().any(|(_, b)| !b.witness && b.commit >= a.commit);
            if up().any(|(_, a)| a.commit > 0 && early(a) || ever().any(|(_, b)| differs(a, b))) {
                violated.push(STATE_MACHINE_SAFETY);
            }
            violated
        }
    }

    #[test]
    fn verdicts_equal_those_of_a_judge_of_whole_histories() {
        let (mut violations, mut clean_steps) = (std::collections::BTreeMap::new(), 0);
        for seed in 0..4000 {
            let mut draw = Stream::new(seed, 0, 0);
            let mut nodes: Vec<Option<View>> = vec![Some(View::default()); 3];
            // Of every other cluster the last is a witness.
            let is_witness = |node: usize| node == 2 && seed % 2 == 1;
            nodes[2] = Some(View { witness: is_witness(2), ..View::default() });
            let mut historian = Historian::default();
            let mut properties = RaftProperties::default();
            for _ in 0..12 {
                let node = draw.below(3) as usize;
                let reset = View { witness: is_witness(node), ..View::default() };
                let mut view = nodes[node].take().unwrap_or(reset);
                match draw.below(8) {
                    0 => {
                        view.term += 1 + draw.below(2);
                        view.leader = draw.below(2) == 0;
                    }
                    1 => view.leader = draw.below(3) == 0,
                    2..=4 => {
                        // Content follows from index and term, so that logs often match.
                        let term = view.log.last().map_or(1, |(term, _)| *term).max(draw.below(3));
                        let content = 1 + view.log.len() as u64 + u64::from(draw.below(30) == 0);
                        let astray = draw.below(60) == 0;
                        let content = if view.witness == astray { content } else { WITHHELD };
                        view.log.push((term, content));
                    }
                    5 => {
                        view.log.truncate(view.log.len() - draw.below(view.log.len() as u64 + 1) as usize);
                        view.commit = view.commit.min(view.log.len() as u64);
                    }
                    _ => view.commit = draw.below(view.log.len() as u64 + 1).max(view.commit),
                }
                nodes[node] = (draw.below(10) > 0).then_some(view);
                historian.views.push(nodes.clone());
                let views: Vec<_> = nodes.iter().map(Option::as_ref).collect();
                let found = properties.judge(&views, NodeId(node as u32)).err().map(|v| v.property);
                let expected = historian.violated();
                assert_eq!(found.is_some(), !expected.is_empty(), "seed {seed}: {found:?} {expected:?}");
                match found {
                    Some(property) => {
                        assert!(expected.contains(&property), "seed {seed}: {property} {expected:?}");
                        *violations.entry(property).or_insert(0) += 1;
                        break;
                    }
                    None => {
                        clean_steps += 1;
                        assert_eq!(properties.judge_all(&views), Ok(()), "seed {seed}");
                    }
                }
            }
        }
        assert!(violations.len() == 6 && violations.values().all(|count| *count > 50), "{violations:?}");
        assert!(clean_steps > 10_000, "{clean_steps}");
    }

    #[test]
    fn memory_is_the_same_however_it_came_about() {
        let one = (0, leader(1, 1, &[(1, 7)]));
        let other = (1, follower(1, 1, &[(1, 7)]));
        let shown = |steps: [&(u32, View); 2]| {
            let mut properties = RaftProperties::default();
            let mut nodes = vec![None; 3];
            for (node, view) in steps {
                nodes[*node as usize] = Some(view);
                properties.judge(&nodes, NodeId(*node)).unwrap();
            }
            properties
        };
        let (a, b) = (shown([&one, &other]), shown([&other, &one]));
        assert_eq!(a, b);
        assert_eq!(crate::testing::digest_of(&a), crate::testing::digest_of(&b));
    }

    #[test]
    fn full_finds_a_change_in_the_middle_of_a_log() {
        let mut properties = RaftProperties::default();
        let before = leader(1, 0, &[(1, 1), (1, 2), (1, 3)]);
        properties.judge(&[Some(&before)], NodeId(0)).unwrap();
        let after = leader(1, 0, &[(1, 1), (1, 9), (1, 3)]);
        assert_eq!(properties.judge_all(&[Some(&after)]).unwrap_err().property, LEADER_APPEND_ONLY);
        for (holder, other) in
            [(witness(1, 0, &[1, 1, 1]), 7), (follower(1, 0, &[(1, 1), (1, 2), (1, 3)]), WITHHELD)]
        {
            let mut properties = RaftProperties::default();
            properties.judge(&[Some(&holder)], NodeId(0)).unwrap();
            let mut after = holder;
            after.log[1].1 = other;
            assert_eq!(properties.judge(&[Some(&after)], NodeId(0)), Ok(()), "its log ends as it did");
            assert_eq!(properties.judge_all(&[Some(&after)]).unwrap_err().property, PAYLOAD_PLACEMENT);
        }
    }
}
