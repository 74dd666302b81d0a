//! The five safety properties of Raft (Fig. 3), judged on what can be seen of the nodes.
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
//! What is hashed is what later verdicts depend on: who led which term, what was committed, and the
//! earliest terms in which it was. Verified by hand-made violations of each property and by comparison
//! with a brute-force judge of whole histories (below). Not verified: digests are 64 bits wide, so that
//! two different entries pass for equal with probability 2⁻⁶⁴ per comparison.

use core::hash::{Hash, Hasher};
use std::sync::Arc;

use swarm_protocol::{NodeId, Properties, Protocol, Rename, Renaming, Violation, mix};

use crate::{Index, Machine, Raft, Term};

/// What can be seen of one Raft node.
pub trait Observation {
    /// The node's term.
    fn term(&self) -> Term;
    /// Whether it leads its term.
    fn is_leader(&self) -> bool;
    /// The index of its last entry, 0 if there is none.
    fn last_index(&self) -> Index;
    /// The last entry that it knows, or takes, to be committed.
    fn commit_index(&self) -> Index;
    /// The last entry that it has applied.
    fn applied_index(&self) -> Index;
    /// The last entry that it has dropped from the front, for a snapshot, and that entry's term; 0 and 0 if none.
    fn base(&self) -> (Index, Term) {
        (0, 0)
    }
    /// A digest of the state that it has applied its entries to, if it tells: equal after equal entries.
    fn state(&self) -> Option<u64> {
        None
    }
    /// The term and a digest of the content of the entry at `index`, which is at least 1.
    fn entry_at(&self, index: Index) -> Option<(Term, u64)>;
    /// The same of all entries from `first` on, which lies behind the base. Fewer than up to
    /// [`Observation::last_index`] if one is missing.
    fn entries_from(&self, first: Index) -> impl Iterator<Item = (Term, u64)> {
        (first..=self.last_index()).map_while(|index| self.entry_at(index))
    }
}

impl<M: Machine> Observation for Raft<M>
where
    M::Command: Hash,
{
    fn term(&self) -> Term {
        self.term
    }

    fn is_leader(&self) -> bool {
        Raft::is_leader(self)
    }

    fn last_index(&self) -> Index {
        self.log.last_index()
    }

    fn commit_index(&self) -> Index {
        self.commit
    }

    fn applied_index(&self) -> Index {
        self.applied
    }

    fn base(&self) -> (Index, Term) {
        (self.log.base_index(), self.log.base_term())
    }

    fn state(&self) -> Option<u64> {
        let mut bytes = Vec::new();
        self.machine.save(&mut bytes);
        Some(digest(&bytes))
    }

    fn entry_at(&self, index: Index) -> Option<(Term, u64)> {
        self.log.entry(index).map(|(term, entry)| (term, digest(entry)))
    }

    fn entries_from(&self, first: Index) -> impl Iterator<Item = (Term, u64)> {
        self.log.iter_from(first).map(|(term, entry)| (term, digest(entry)))
    }
}

/// A digest of one value, the same on every machine of one word size and byte order.
pub fn digest(value: &impl Hash) -> u64 {
    struct Digest(u64);
    impl Hasher for Digest {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for chunk in bytes.chunks(8) {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                self.write_u64(u64::from_le_bytes(word));
            }
        }
        fn write_u64(&mut self, word: u64) {
            self.0 = mix(self.0 ^ word);
        }
        fn write_u16(&mut self, word: u16) {
            self.write_u64(u64::from(word));
        }
        fn write_usize(&mut self, word: usize) {
            self.write_u64(word as u64);
        }
        fn write_isize(&mut self, word: isize) {
            self.write_u64(word as u64);
        }
    }
    let mut hasher = Digest(0);
    value.hash(&mut hasher);
    hasher.finish()
}

/// Election Safety, Leader Append-Only, Log Matching, Leader Completeness and State Machine Safety.
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

/// One entry, and all before it in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Link {
    term: Term,
    content: u64,
    chain: u64,
}

impl Link {
    fn after(previous: Option<&Link>, (term, content): (Term, u64)) -> Self {
        let before = previous.map_or(0, |link| link.chain);
        Link { term, content, chain: mix(mix(before ^ term.rotate_left(32)) ^ content) }
    }
}

/// What is remembered of one node.
#[derive(Clone, Debug, Default)]
struct Seen {
    log: Vec<Link>,
    /// The term that it led.
    led: Option<Term>,
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

impl<P: Protocol + Observation> Properties<P> for RaftProperties {
    const NAMES: &'static [&'static str] =
        &[ELECTION_SAFETY, LEADER_APPEND_ONLY, LOG_MATCHING, LEADER_COMPLETENESS, STATE_MACHINE_SAFETY];

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
            seen.led = leads;
            if !shows {
                change = seen.look(*node, touched, &self.past.committed)?;
            }
        }
        // "A leader never overwrites or deletes entries in its log; it only appends new entries."
        if leads.is_some() && leads == led && change.overwrites {
            let detail = format!("{touched}, leader of term {}, changed entry {}", node.term(), change.first);
            return Err(Violation::new(LEADER_APPEND_ONLY, detail));
        }
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

    /// "If two logs contain an entry with the same index and term, then the logs are identical in all
    /// entries up through the given index."
    fn log_matching<O>(&self, nodes: &[Option<&O>], touched: NodeId, first: Index) -> Result<(), Violation> {
        let log = &self.seen[touched.index()].log;
        if first as usize > log.len() {
            return Ok(());
        }
        for (index, seen) in self.seen.iter().enumerate().take(nodes.len()) {
            if index == touched.index() || nodes[index].is_none() {
                continue;
            }
            let both = log.iter().zip(&seen.log).enumerate().skip(first as usize - 1);
            // The last entry of the same term decides for all before it.
            let Some((last, (ours, theirs))) =
                both.rev().find(|(_, (ours, theirs))| ours.term == theirs.term)
            else {
                continue;
            };
            if ours.chain != theirs.chain {
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
        let log = &self.seen[name.index()].log;
        if commit as usize > log.len() {
            let detail = format!("{name} committed {commit} entries and has {}", log.len());
            return Err(Violation::new(STATE_MACHINE_SAFETY, detail));
        }
        let before = self.past.committed.len();
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
        let first = first_difference(&self.past.committed[..=place], log);
        let detail =
            format!("{leader}, leader of term {term}, lacks entry {first}, committed in term {committed}");
        Err(Violation::new(LEADER_COMPLETENESS, detail))
    }

    /// "If a server has applied a log entry at a given index to its state machine, no other server will
    /// ever apply a different log entry for the same index."
    fn state_machine_safety<O: Observation>(&self, node: &O, name: NodeId) -> Result<(), Violation> {
        let commit = node.commit_index().max(node.applied_index()) as usize;
        let commit = commit.min(self.past.committed.len());
        let log = &self.seen[name.index()].log[..commit];
        if commit == 0 || log[commit - 1].chain == self.past.committed[commit - 1].chain {
            return Ok(());
        }
        let first = first_difference(&self.past.committed[..commit], log);
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
        for (name, _, ours) in &up {
            for (other, _, theirs) in up.iter().filter(|(other, ..)| other > name) {
                let mut identical = true;
                for (place, (our, their)) in ours.iter().zip(theirs).enumerate() {
                    identical &= our == their;
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
            if log.get(..commit).is_none_or(|applied| !committed.starts_with(applied)) {
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
                other != name && twin.applied_index() == node.applied_index() && twin.state() != node.state()
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

/// How a log differs from when it was last looked at.
struct Change {
    /// The first index that is new or different; beyond the end if none is.
    first: Index,
    /// Whether an entry that was there is gone or different.
    overwrites: bool,
}

impl Seen {
    /// Whether anything is remembered.
    const fn is_known(&self) -> bool {
        !self.log.is_empty() || self.led.is_some()
    }

    /// Whether the node's log ends as it did.
    fn shows<O: Observation>(&self, node: &O) -> bool {
        let last = node.last_index();
        self.log.len() as Index == last
            && self.log.last().is_none_or(|link| match node.entry_at(last) {
                Some(entry) => entry == (link.term, link.content),
                None => node.base() == (last, link.term),
            })
    }

    /// Looks at a node's log again. Costs the entries that changed, and one if none did. What a snapshot stands
    /// for is what was committed: nobody shows those entries any more.
    fn look<O: Observation>(
        &mut self,
        node: &O,
        name: NodeId,
        committed: &[Link],
    ) -> Result<Change, Violation> {
        let (last, (base, base_term)) = (node.last_index() as usize, node.base());
        let base = base as usize;
        let mut same = self.log.len().min(last);
        while same > base {
            let Link { term, content, .. } = self.log[same - 1];
            if node.entry_at(same as Index) == Some((term, content)) {
                break;
            }
            same -= 1;
        }
        let mut overwrites = same < self.log.len();
        self.log.truncate(same);
        if base > 0 {
            let own = self.log.get(base - 1).filter(|link| link.term == base_term).map(|link| link.chain);
            match committed.get(base - 1).filter(|link| link.term == base_term) {
                Some(link) if own == Some(link.chain) => {}
                Some(_) => {
                    let differ = self.log.iter().zip(committed).take_while(|(a, b)| a.chain == b.chain);
                    same = differ.count().min(base);
                    overwrites |= same < self.log.len().min(base);
                    self.log.clear();
                    self.log.extend_from_slice(&committed[..base]);
                }
                // It commits and drops them in one step: whether it may is judged below.
                None if own.is_some() && node.commit_index() >= base as Index => {}
                None => {
                    let detail = format!("{name} has a snapshot up to entry {base} of term {base_term}");
                    let detail = format!("{detail}, which was not committed");
                    return Err(Violation::new(STATE_MACHINE_SAFETY, detail));
                }
            }
        }
        for entry in node.entries_from(self.log.len() as Index + 1) {
            self.log.push(Link::after(self.log.last(), entry));
        }
        if self.log.len() != last {
            let has = self.log.len();
            let detail = format!("{name} says that its log has {last} entries and shows {has}");
            return Err(Violation::new(LOG_MATCHING, detail));
        }
        Ok(Change { first: same as Index + 1, overwrites })
    }
}

/// The first index at which `log` has another entry than `committed`, or none.
fn first_difference(committed: &[Link], log: &[Link]) -> usize {
    let same = |place: &usize| log.get(*place).is_some_and(|link| link.chain == committed[*place].chain);
    (0..committed.len()).take_while(same).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_protocol::Stream;

    /// A node as an outsider sees it.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct View {
        term: Term,
        leader: bool,
        commit: Index,
        log: Vec<(Term, u64)>,
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
        fn entry_at(&self, index: Index) -> Option<(Term, u64)> {
            self.log.get(index as usize - 1).copied()
        }
    }

    fn follower(term: Term, commit: Index, log: &[(Term, u64)]) -> View {
        View { term, leader: false, commit, log: log.to_vec() }
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
            let unmatched = |a: &View, b: &View| {
                (0..a.log.len().min(b.log.len()))
                    .any(|i| a.log[i].0 == b.log[i].0 && a.log[..=i] != b.log[..=i])
            };
            if up().any(|(_, a)| up().any(|(_, b)| unmatched(a, b))) {
                violated.push(LOG_MATCHING);
            }
            let lacks = |a: &View, b: &View| {
                a.leader && b.term < a.term && !a.log.starts_with(&b.log[..b.commit as usize])
            };
            if up().any(|(_, a)| ever().any(|(_, b)| lacks(a, b))) {
                violated.push(LEADER_COMPLETENESS);
            }
            let differs = |a: &View, b: &View| {
                let both = a.commit.min(b.commit) as usize;
                a.log[..both] != b.log[..both]
            };
            if up().any(|(_, a)| ever().any(|(_, b)| differs(a, b))) {
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
            let mut historian = Historian::default();
            let mut properties = RaftProperties::default();
            for _ in 0..12 {
                let node = draw.below(3) as usize;
                let mut view = nodes[node].take().unwrap_or_default();
                match draw.below(8) {
                    0 => {
                        view.term += 1 + draw.below(2);
                        view.leader = draw.below(2) == 0;
                    }
                    1 => view.leader = draw.below(3) == 0,
                    2..=4 => {
                        // Content follows from index and term, so that logs often match.
                        let term = view.log.last().map_or(1, |(term, _)| *term).max(draw.below(3));
                        let content = view.log.len() as u64 + u64::from(draw.below(30) == 0);
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
        assert!(violations.len() == 5 && violations.values().all(|count| *count > 50), "{violations:?}");
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
    fn full_finds_a_change_in_the_middle_of_a_leader_s_log() {
        let mut properties = RaftProperties::default();
        let before = leader(1, 0, &[(1, 1), (1, 2), (1, 3)]);
        properties.judge(&[Some(&before)], NodeId(0)).unwrap();
        let after = leader(1, 0, &[(1, 1), (1, 9), (1, 3)]);
        assert_eq!(properties.judge_all(&[Some(&after)]).unwrap_err().property, LEADER_APPEND_ONLY);
    }
}
