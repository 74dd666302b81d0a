//! The message target: what it reaches, and that broken decoders and broken nodes are seen.

use std::collections::BTreeSet;

use fuzz::raft_message::{self, canonical, encoded};
use fuzz::raft_node::{Node, Start};
use fuzz::{corpus, inputs};
use swarm_protocol::NodeId;
use swarm_raft::wire::{Error, Wire};
use swarm_raft::{KvOp, Message};
use swarm_simulator::panics;

#[test]
fn random_bytes_reach_every_way_and_every_refusal() {
    let mut reached = BTreeSet::new();
    for number in 0..30_000 {
        reached.append(&mut corpus::reached("raft_message", &inputs::drawn(3, number, &[])));
    }
    for what in [
        "made: acknowledges-what-was-not-sent",
        "made: append-conflict",
        "made: command-committed",
        "made: conflict-hint-used",
        "made: conflict-of-the-past",
        "made: halted",
        "made: index-overflow",
        "made: leader-contradicts-itself",
        "made: leader-elected",
        "made: leader-steps-down",
        "made: log-truncated",
        "made: not-a-candidate",
        "made: part-out-of-turn",
        "made: part-outside-of-its-snapshot",
        "made: received-in-the-past",
        "made: snapshot-does-not-restore",
        "made: snapshot-installed",
        "made: snapshot-of-nothing",
        "made: snapshot-taken",
        "made: not-a-leader",
        "made: not-a-member",
        "made: not-a-pre-candidate",
        "made: pre-vote-for-another-term",
        "made: second-leader-of-a-term",
        "made: stale-term",
        "made: terms-decrease",
        "made: terms-exhausted",
        "made: vote-refused-stale-log",
        "disk: boots with a log",
        "disk: disk-log-has-a-gap",
        "disk: disk-snapshot-does-not-restore",
        "disk: disk-snapshot-goes-back",
        "disk: disk-snapshot-of-nothing",
        "disk: disk-log-terms-decrease",
        "disk: disk-term-behind-log",
        "disk: disk-term-goes-back",
    ] {
        assert!(reached.contains(what), "{what}: {reached:#?}");
    }
}

#[test]
fn starts_are_what_they_are_called() {
    let node = |start| Node::new(start).raft().clone();
    assert_eq!((node(Start::Fresh).term(), node(Start::Fresh).log().last_index()), (0, 0));
    let follower = node(Start::Follower);
    assert_eq!((follower.leader(), follower.commit_index()), (Some(NodeId(0)), 3));
    assert!(node(Start::PreCandidate).is_pre_candidate());
    assert!(node(Start::Candidate).is_candidate());
    assert!(node(Start::NewLeader).is_leader() && node(Start::NewLeader).commit_index() == 0);
    let leader = node(Start::Leader);
    assert!(leader.is_leader() && leader.commit_index() == 5 && leader.log().last_index() == 6, "{leader:?}");
    assert!(!node(Start::Deposed).is_leader() && node(Start::Deposed).term() == 4);
    assert!(node(Start::Halted).is_halted());
}

/// A decoder that takes two forms for one value.
#[derive(Debug, PartialEq)]
struct Lax(u8);

impl Wire for Lax {
    const BYTES_MIN: usize = 1;

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, Error> {
        bytes.split_off_first().map(|byte| Lax(byte & 0x7f)).ok_or(Error::Truncated)
    }
}

#[test]
fn a_decoder_that_takes_two_forms_is_seen() {
    assert_eq!(canonical::<Lax>(&[5]), Some(Lax(5)));
    assert_eq!(canonical::<Lax>(&[]), None);
    let seen = panics::catch(|| canonical::<Lax>(&[0x85])).unwrap_err();
    assert!(seen.contains("was decoded from other bytes"), "{seen}");
    let seen = panics::catch(|| encoded(&Lax(0x85))).unwrap_err();
    assert!(seen.contains("the encoding means something else"), "{seen}");
}

/// Inputs by hand: an append off the wire to a follower, then one that contradicts it.
#[test]
fn messages_off_the_wire_reach_the_node() {
    let append = |term, prev_index, prev_term| Message::<KvOp>::Append {
        term,
        prev_index,
        prev_term,
        commit: 0,
        entries: swarm_raft::Entries::none(),
    };
    // Ways of the first byte: stream, follower. Sender 0, nothing else happens.
    let mut input = vec![0b0000_0101];
    for message in [append(3, 6, 3), append(3, 9, 3), append(2, 1, 1)] {
        input.push(0x70);
        input.extend(encoded(&message));
    }
    assert_eq!(raft_message::examine(&input), ["append-conflict", "stale-term"]);
    // Raw, to a leader, from a node that is no member.
    let mut input = vec![0b1111_0100];
    input.extend(encoded(&append(3, 0, 0)));
    assert_eq!(raft_message::examine(&input), ["message", "message of payloads", "not-a-member"]);
}
