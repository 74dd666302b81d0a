//! What is remembered of a node's log: a chain of digests that a further look makes longer.
//!
//! Link `i` stands for entries `1..=i` in two words: what they are, and of which terms, which is all that a witness
//! shows of commands. Verified with the properties, and apart from them by their full form.

use swarm_protocol::{NodeId, Violation, mix};

use super::observation::{Observation, WITHHELD};
use super::{LOG_MATCHING, STATE_MACHINE_SAFETY};
use crate::{Index, Term};

/// One entry, and all before it in two words: what they are, and of which terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) term: Term,
    pub(super) content: u64,
    pub(super) chain: u64,
    pub(super) terms: u64,
}

impl Link {
    pub(super) fn after(previous: Option<&Link>, (term, content): (Term, u64)) -> Self {
        let (chain, terms) = previous.map_or((0, 0), |link| (link.chain, link.terms));
        let chain = mix(mix(chain ^ term.rotate_left(32)) ^ content);
        Link { term, content, chain, terms: mix(terms ^ term) }
    }

    /// Whether this entry and all before it are the other's, and all before that. Of a witness terms tell.
    pub(super) const fn agrees(&self, other: &Self, of_a_witness: bool) -> bool {
        if of_a_witness { self.terms == other.terms } else { self.chain == other.chain }
    }
}

/// What is remembered of one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) log: Vec<Link>,
    /// The term that it led.
    pub(super) led: Option<Term>,
    pub(super) witness: bool,
}

/// Whether two entries are the same, as far as a witness shows its own.
pub(super) fn same(
    a: Option<(Term, u64)>,
    by_witness: bool,
    b: Option<(Term, u64)>,
    by_another: bool,
) -> bool {
    match (a, b) {
        (Some((term, WITHHELD)), Some((other, _))) if by_witness => term == other,
        (Some((term, _)), Some((other, WITHHELD))) if by_another => term == other,
        _ => a == b,
    }
}

/// How a log differs from when it was last looked at.
pub(super) struct Change {
    /// The first index that is new or different; beyond the end if none is.
    pub(super) first: Index,
    /// Whether an entry that was there is gone or different.
    pub(super) overwrites: bool,
}

impl Seen {
    /// Whether anything is remembered.
    pub(super) const fn is_known(&self) -> bool {
        !self.log.is_empty() || self.led.is_some()
    }

    /// Whether the node's log ends as it did.
    pub(super) fn shows<O: Observation>(&self, node: &O) -> bool {
        let last = node.last_index();
        self.log.len() as Index == last
            && self.log.last().is_none_or(|link| match node.entry_at(last) {
                Some(entry) => entry == (link.term, link.content),
                None => node.base() == (last, link.term),
            })
    }

    /// Looks at a node's log again. Costs the entries that changed, and one if none did. What a snapshot stands
    /// for is what was committed: nobody shows those entries any more.
    pub(super) fn look<O: Observation>(
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
            let witness = self.witness;
            let own = self.log.get(base - 1).filter(|link| link.term == base_term);
            match committed.get(base - 1).filter(|link| link.term == base_term) {
                Some(link) if own.is_some_and(|own| own.agrees(link, witness)) => {}
                Some(_) => {
                    let differ = self.log.iter().zip(committed).take_while(|(a, b)| a.agrees(b, witness));
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
pub(super) fn first_difference(committed: &[Link], log: &[Link], of_a_witness: bool) -> usize {
    let same =
        |place: &usize| log.get(*place).is_some_and(|link| link.agrees(&committed[*place], of_a_witness));
    (0..committed.len()).take_while(same).count() + 1
}
