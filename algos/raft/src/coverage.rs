//! What coverage tells apart: roles, phases, and abstract states of a cluster.
//!
//! The abstraction keeps what Raft's rules compare between nodes (whose term is later, whose log is more
//! up-to-date, how far each has committed) and forgets how large terms and indexes are and which node is
//! which. It influences no run; samplers and reports count by it. Verified by the tests below.

use crate::state::{Pace, Role};
use crate::{Index, Machine, Raft, Term};

use swarm_protocol::mix;

/// The node's role (Raft Fig. 4), of which a witness has one.
pub(crate) fn role<M: Machine>(node: &Raft<M>) -> &'static str {
    match node.role {
        Role::Follower { .. } if node.is_witness() => "witness",
        Role::Follower { .. } => "follower",
        Role::PreCandidate(..) => "pre-candidate",
        Role::Candidate(_) => "candidate",
        Role::Leader { .. } => "leader",
    }
}

/// What keeps the node busy, the weightiest first.
pub(crate) fn phase<M: Machine>(node: &Raft<M>) -> &'static str {
    if node.halted {
        "halted"
    } else if !node.writes.is_empty() {
        "writing"
    } else if node.leader().is_none() {
        "without a leader"
    } else if node.commit < node.log.last_index() {
        "replicating"
    } else {
        "at rest"
    }
}

/// The situation of a cluster, whoever is in which part of it.
pub(crate) fn abstraction<M: Machine>(nodes: &[Option<&Raft<M>>]) -> u64 {
    let up = || nodes.iter().flatten();
    let most = |of: fn(&Raft<M>) -> u64| up().map(|node| of(node)).max().unwrap_or(0);
    let last_term = most(|node| node.log.last_term());
    let of_last_term = up().filter(|node| node.log.last_term() == last_term);
    let latest = Latest {
        term: most(|node| node.term),
        last_term,
        last: of_last_term.map(|node| node.log.last_index()).max().unwrap_or(0),
        commit: most(|node| node.commit),
    };
    let place = |node: Option<&Raft<M>>| node.map_or(1, |node| latest.place(node));
    // A sum does not see who is who.
    nodes.iter().copied().map(place).fold(0, |sum: u64, place| sum.wrapping_add(mix(place)))
}

/// How far the nodes that are up have come at most.
struct Latest {
    term: Term,
    /// Of the most up-to-date log.
    last_term: Term,
    /// Of the most up-to-date log.
    last: Index,
    commit: Index,
}

impl Latest {
    /// One node against the others, in a word: each part has a digit of its own, never 1 as a whole.
    fn place<M: Machine>(&self, node: &Raft<M>) -> u64 {
        let last = node.log.last_index();
        // Who supports it: voters of a candidate, followers that hold all of a leader's log.
        let (role, support) = match &node.role {
            Role::Follower { leader: None, .. } => (0, 0),
            Role::Follower { leader: Some(_), verified, .. } => (1, u64::from(*verified < last)),
            Role::PreCandidate(ballot, _) => (2, ballot.granted.len() as u64),
            Role::Candidate(ballot) => (3, ballot.granted.len() as u64),
            Role::Leader { progress } => {
                let whole =
                    |peer: &&crate::state::Progress| peer.matched == last && peer.pace == Pace::Pipeline;
                (4, progress.iter().filter(whole).count() as u64)
            }
        };
        // Raft §5.4.1: an earlier last term, or a shorter log, is less up-to-date.
        let behind = match self.last_term - node.log.last_term() {
            0 => u64::from(last < self.last),
            _ => 2,
        };
        let digits = [
            role,
            support.min(2),
            u64::from(node.term < self.term),
            behind,
            u64::from(node.commit < self.commit),
            u64::from(node.commit < last),
            u64::from(node.halted),
        ];
        digits.into_iter().fold(1, |word, digit| word << 3 | digit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Kv, KvOp, Message, Timer};
    use swarm_protocol::{Choices, Effects, Input, NodeId, Protocol, Ticks, WriteId};

    fn cluster() -> (Config, Vec<Raft<Kv>>, Effects<Raft<Kv>>) {
        let config = Config { pre_vote: false, ..Config::new(3) };
        let mut out = Effects::new(Choices::script(Vec::new()));
        let boot = |me| {
            out.reboot();
            Raft::recover(&config, NodeId(me), core::iter::empty(), &mut out)
        };
        let nodes = (0..3).map(boot).collect();
        (config, nodes, out)
    }

    fn seen(nodes: &[Raft<Kv>]) -> u64 {
        Protocol::abstraction(&nodes.iter().map(Some).collect::<Vec<_>>())
    }

    #[test]
    fn roles_and_phases_follow_an_election_and_a_command() {
        let (config, mut nodes, mut out) = cluster();
        let mut seen = Vec::new();
        let mut step = |input| {
            nodes[0].step(&config, Ticks::ZERO, input, &mut out);
            nodes[0].flush(&config, Ticks::ZERO, &mut out);
            seen.push((nodes[0].role(), nodes[0].phase()));
        };
        let vote = Message::Vote { term: 1, granted: true };
        step(Input::Timeout(Timer::Election));
        step(Input::Persisted(WriteId::new(1)));
        step(Input::Message { from: NodeId(1), message: vote });
        step(Input::Persisted(WriteId::new(2)));
        step(Input::Message { from: NodeId(1), message: Message::Appended { term: 1, matched: 1 } });
        step(Input::DiskFailed(WriteId::new(3)));
        let expected = [
            ("candidate", "writing"),
            ("candidate", "without a leader"),
            ("leader", "writing"),
            ("leader", "replicating"),
            ("leader", "at rest"),
            ("follower", "halted"),
        ];
        assert_eq!(seen, expected);
        assert_eq!(Raft::<Kv>::op_kind(&KvOp::Get(1)), "Get");
        assert_eq!(nodes[1].phase(), "without a leader");
    }

    #[test]
    fn an_abstract_state_forgets_names_and_sizes_and_keeps_what_rules_compare() {
        let campaign = |who: &[usize]| {
            let (config, mut nodes, mut out) = cluster();
            for node in who {
                nodes[*node].step(&config, Ticks::ZERO, Input::Timeout(Timer::Election), &mut out);
            }
            seen(&nodes)
        };
        assert_eq!(campaign(&[0]), campaign(&[2]), "who stands does not matter");
        assert_eq!(campaign(&[0, 0, 0]), campaign(&[0, 0, 0, 0, 0]), "nor how often");
        assert_ne!(campaign(&[0]), campaign(&[]));
        assert_ne!(campaign(&[0]), campaign(&[0, 1]));
        assert_ne!(campaign(&[0, 0, 1]), campaign(&[0, 1]), "a later term does");
        let (_, nodes, _) = cluster();
        assert_ne!(
            Protocol::abstraction(&[Some(&nodes[0]), None]),
            Protocol::abstraction(&[Some(&nodes[0]), Some(&nodes[1])])
        );
    }
}
