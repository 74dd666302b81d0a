//! Changes of members: Raft §6 and dissertation §4.

use swarm_protocol::{NodeId, NodeSet, OpId, Protocol, Stream};
use swarm_raft::{
    Answer, Compaction, Config, Kv, KvOp, Managed, ManagedAnswer, Membership, Message, Request, Timer,
};

use crate::cluster::ClusterOf;
use crate::node::{N0, N1, N2, N3, N4, plain};

type Cluster = ClusterOf<Managed<Kv>>;
type Op = Request<KvOp>;

/// These, of the first five servers, as bits.
fn set(bits: u64) -> NodeSet {
    NodeSet::from_bits(bits)
}

fn change(voters: u64, learners: u64) -> Op {
    Request::Change { voters: set(voters), learners: set(learners) }
}

fn put(key: u16) -> Op {
    Request::Command(KvOp::Put(key, 9))
}

/// Servers 0 to 4, of which these vote.
fn config(voters: u64) -> Config {
    Config { voters: set(voters), servers: NodeSet::first(5), ..plain(5) }
}

/// A cluster of these voters that node 0 leads, with three commands in its log.
fn led(voters: u64) -> Cluster {
    let mut cluster = Cluster::new(config(voters));
    cluster.elect(N0);
    for id in 1..=3 {
        cluster.invoke(N0, id, put(id as u16));
        cluster.settle();
    }
    cluster
}

const DONE: Answer<ManagedAnswer<swarm_raft::KvAnswer>> = Answer::Applied(ManagedAnswer::Changed);

/// The memberships in a node's log, as they print.
fn memberships(cluster: &Cluster, node: NodeId) -> Vec<Membership> {
    cluster.node(node).log().memberships().map(|(_, membership)| *membership).collect()
}

/// §6: learners first, then the joint configuration, then the new one; each when the one before is committed.
#[test]
fn a_change_goes_by_learners_and_a_joint_configuration() {
    let mut cluster = led(0b00111);
    cluster.invoke(N0, 9, change(0b11001, 0));
    cluster.settle();
    let of = |voters, outgoing, learners, goal| Membership {
        outgoing: set(outgoing),
        learners: set(learners),
        goal: set(goal),
        ..Membership::of(set(voters))
    };
    let steps = [of(0b111, 0, 0b11000, 0b11001), of(0b11001, 0b111, 0, 0), of(0b11001, 0, 0, 0)];
    assert_eq!(memberships(&cluster, N0), steps);
    assert_eq!(cluster.answers.get(&OpId(9)), Some(&DONE));
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
    for node in [N0, N3, N4] {
        assert_eq!(*cluster.node(node).membership(), steps[2]);
        assert_eq!(cluster.node(node).machine(), cluster.node(N0).machine());
    }
    // Who is gone is not needed.
    cluster.crash(N1, 0);
    cluster.crash(N2, 0);
    cluster.invoke(N0, 10, put(7));
    cluster.settle();
    assert!(matches!(cluster.answers.get(&OpId(10)), Some(Answer::Applied(_))));
}

/// §6: "agreement (for elections and entry commitment) requires separate majorities from both".
#[test]
fn a_joint_configuration_needs_both_majorities() {
    for lost in [[N1, N2], [N3, N4]] {
        let mut cluster = led(0b00111);
        cluster.invoke(N0, 9, change(0b11001, 0));
        while !cluster.node(N0).membership().is_joint() {
            if !cluster.deliver() {
                (0..5).for_each(|node| cluster.sync(NodeId(node), usize::MAX));
            }
        }
        cluster.isolated.extend(lost);
        cluster.settle();
        for _ in 0..3 {
            cluster.timeout(N0, Timer::Heartbeat);
            cluster.settle();
        }
        assert!(cluster.node(N0).membership().is_joint(), "{lost:?}: {:?}", cluster.node(N0));
        assert!(!cluster.answers.contains_key(&OpId(9)));
        cluster.isolated.clear();
        for _ in 0..3 {
            cluster.timeout(N0, Timer::Heartbeat);
            cluster.settle();
        }
        assert_eq!(cluster.answers.get(&OpId(9)), Some(&DONE), "{lost:?}");
    }
}

/// Dissertation §4.2.1: a server whose log is empty would hold everybody up; it votes once it is caught up.
#[test]
fn a_learner_votes_once_it_is_caught_up() {
    let mut cluster = led(0b00111);
    cluster.isolated.insert(N3);
    cluster.invoke(N0, 9, change(0b01111, 0));
    for id in 20..30 {
        cluster.invoke(N0, id, put(1));
        cluster.settle();
        assert!(cluster.answers.contains_key(&OpId(id)), "nobody waits for it");
    }
    assert_eq!(cluster.node(N0).membership().voters, set(0b00111));
    assert_eq!(cluster.node(N0).membership().learners, set(0b01000));
    cluster.isolated.clear();
    for _ in 0..3 {
        cluster.timeout(N0, Timer::Heartbeat);
        cluster.settle();
    }
    assert_eq!(*cluster.node(N3).membership(), Membership::of(set(0b01111)));
    assert_eq!(cluster.answers.get(&OpId(9)), Some(&DONE));
}

/// A learner has no vote and stands for nothing.
#[test]
fn a_learner_is_not_counted() {
    let mut cluster = led(0b00011);
    cluster.invoke(N0, 9, change(0b00011, 0b01100));
    cluster.settle();
    assert_eq!(cluster.answers.get(&OpId(9)), Some(&DONE));
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
    assert_eq!(cluster.node(N3).machine(), cluster.node(N0).machine(), "it replicates");
    cluster.isolated.insert(N1);
    cluster.invoke(N0, 10, put(1));
    cluster.settle();
    assert!(!cluster.answers.contains_key(&OpId(10)), "two learners are no majority");
    cluster.timeout(N3, Timer::Election);
    assert_eq!(cluster.refusals.get("not-a-voter"), Some(&1));
}

/// §6: "a server always uses the latest configuration in its log, regardless of whether the entry is committed";
/// and no longer once that entry is truncated.
#[test]
fn a_membership_goes_with_its_entry() {
    let mut cluster = led(0b00111);
    cluster.isolated.insert(N0);
    cluster.invoke(N0, 9, change(0b00001, 0));
    cluster.settle();
    assert!(cluster.node(N0).membership().is_joint(), "in effect as soon as it is there");
    cluster.timeout(N1, Timer::Election);
    cluster.settle();
    assert!(cluster.node(N1).is_leader());
    cluster.isolated.clear();
    for _ in 0..3 {
        cluster.timeout(N1, Timer::Heartbeat);
        cluster.settle();
    }
    assert_eq!(*cluster.node(N0).membership(), Membership::of(set(0b00111)));
    assert_eq!(cluster.answers.get(&OpId(9)), None, "whoever asked is never told");
    assert_eq!(cluster.node(N0).metrics().counts.left_unanswered, 1);
}

/// A membership survives a restart, in the log and in a snapshot.
#[test]
fn a_restart_finds_the_membership_again() {
    for log_bytes in [u64::MAX, 1] {
        let compaction = Compaction { log_bytes, tail_entries: 0, part_bytes: 100 };
        let mut cluster = Cluster::new(Config { compaction, ..config(0b00111) });
        cluster.elect(N0);
        cluster.invoke(N0, 9, change(0b01011, 0b10000));
        cluster.settle();
        for id in 20..24 {
            cluster.invoke(N0, id, put(1));
            cluster.settle();
        }
        let expected = Membership { learners: set(0b10000), ..Membership::of(set(0b01011)) };
        for node in [N0, N3, N4] {
            assert_eq!(*cluster.node(node).membership(), expected);
            assert_eq!(cluster.node(node).snapshot().is_some(), log_bytes == 1);
            cluster.crash(node, usize::MAX);
            cluster.restart(node);
            assert_eq!(*cluster.node(node).membership(), expected, "{node}");
        }
    }
}

/// Dissertation §4.2.2: "a leader that is removed from the configuration steps down once the C_new entry is
/// committed"; until then it leads a cluster that does not count it.
#[test]
fn a_leader_that_is_removed_steps_down_when_it_is_done() {
    let mut cluster = led(0b00111);
    cluster.invoke(N0, 9, change(0b00110, 0));
    cluster.settle();
    assert_eq!(cluster.answers.get(&OpId(9)), Some(&DONE));
    assert!(!cluster.node(N0).is_leader());
    assert_eq!(cluster.marks.get("removed-leader-steps-down"), Some(&1));
    cluster.timeout(N0, Timer::Election);
    assert_eq!(cluster.refusals.get("not-a-voter"), Some(&1), "and it does not come back");
    cluster.timeout(N1, Timer::Election);
    cluster.settle();
    assert!(cluster.node(N1).is_leader());
    cluster.invoke(N1, 10, put(1));
    cluster.settle();
    assert!(matches!(cluster.answers.get(&OpId(10)), Some(Answer::Applied(_))));
}

/// Dissertation §4.2.2: "a server that is not part of its own latest configuration should still start new elections,
/// as it might still be needed until the C_new entry is committed": here nobody else can be elected.
#[test]
fn who_alone_has_the_membership_that_removes_it_stands_for_election() {
    let mut cluster = led(0b00011);
    cluster.invoke(N0, 9, change(0b00010, 0));
    while cluster.node(N0).membership().voters != set(0b00010) || cluster.node(N0).membership().is_joint() {
        if !cluster.deliver() {
            (0..5).for_each(|node| cluster.sync(NodeId(node), usize::MAX));
        }
    }
    cluster.lose_all();
    cluster.crash(N0, usize::MAX);
    cluster.restart(N0);
    assert!(cluster.node(N1).membership().is_joint());
    cluster.timeout(N1, Timer::Election);
    cluster.settle();
    assert!(!cluster.node(N1).is_leader(), "its log is the older one");
    cluster.timeout(N0, Timer::Election);
    cluster.settle();
    assert_eq!(*cluster.node(N1).membership(), Membership::of(set(0b00010)));
    assert!(!cluster.node(N0).is_leader(), "it is not needed any more");
    cluster.timeout(N0, Timer::Election);
    assert_eq!(cluster.refusals.get("not-a-voter"), Some(&1));
    cluster.timeout(N1, Timer::Election);
    cluster.settle();
    assert!(cluster.node(N1).is_leader());
}

/// Ongaro, raft-dev, 2015: a leader that has not committed an entry of its own term may not know the last change.
#[test]
fn no_change_begins_before_an_entry_of_the_term_is_committed() {
    let mut cluster = led(0b00111);
    cluster.timeout(N1, Timer::Election);
    while !cluster.node(N1).is_leader() {
        if !cluster.deliver() {
            (0..5).for_each(|node| cluster.sync(NodeId(node), usize::MAX));
        }
    }
    cluster.invoke(N1, 9, change(0b00011, 0));
    assert_eq!(cluster.answers.get(&OpId(9)), Some(&Answer::Busy));
    cluster.settle();
    cluster.invoke(N1, 10, change(0b00011, 0));
    cluster.settle();
    assert_eq!(cluster.answers.get(&OpId(10)), Some(&DONE));
}

/// However the wish looks, and whatever is the case: what comes at last is what was asked for, and no two memberships
/// that follow each other have majorities that do not meet.
#[test]
fn a_change_arrives_at_what_was_asked_for() {
    let four = || (0..16).map(set);
    for (voters, learners) in four().flat_map(|voters| four().map(move |learners| (voters, learners))) {
        if voters.is_empty() || !voters.intersection(learners).is_empty() {
            continue;
        }
        let from = Membership { learners, ..Membership::of(voters) };
        for (to, apart) in four().flat_map(|to| four().map(move |apart| (to, apart))) {
            if to.is_empty() || !to.intersection(apart).is_empty() {
                continue;
            }
            let mut steps = vec![from, from.towards(to, apart)];
            while let Some(next) = steps[steps.len() - 1].next(|_| true) {
                steps.push(next);
            }
            assert_eq!(
                steps.last(),
                Some(&Membership { learners: apart, ..Membership::of(to) }),
                "{steps:?}"
            );
            assert!(steps.len() <= 4, "{steps:?}");
            for pair in steps.windows(2) {
                let joint = |of: &Membership| [of.voters, of.outgoing];
                let shares =
                    joint(&pair[0]).iter().any(|set| !set.is_empty() && joint(&pair[1]).contains(set));
                assert!(shares, "{pair:?} need no common majority");
            }
        }
    }
}

/// A learner that never comes holds nobody up for ever.
#[test]
fn a_change_that_waits_gives_way_to_another() {
    let mut cluster = led(0b00111);
    cluster.isolated.insert(N3);
    cluster.invoke(N0, 9, change(0b01111, 0));
    cluster.settle();
    assert!(cluster.node(N0).membership().is_changing() && !cluster.answers.contains_key(&OpId(9)));
    cluster.invoke(N0, 10, change(0b00011, 0b00100));
    let refused = Answer::Refused("another change has taken its place");
    assert_eq!(cluster.answers.get(&OpId(9)), Some(&refused));
    cluster.settle();
    assert_eq!(cluster.answers.get(&OpId(10)), Some(&DONE));
    let expected = Membership { learners: set(0b00100), ..Membership::of(set(0b00011)) };
    assert_eq!(*cluster.node(N0).membership(), expected);
}

/// One change at a time, and none that makes no sense.
#[test]
fn changes_that_cannot_be_are_refused() {
    let mut cluster = led(0b00111);
    for (id, op, reason) in [
        (20, change(0, 1), "a cluster has voters"),
        (21, change(0b100_0001, 0), "not one of the servers"),
        (22, change(0b00011, 0b00010), "a learner does not vote"),
    ] {
        cluster.invoke(N0, id, op);
        assert_eq!(cluster.answers.get(&OpId(id)), Some(&Answer::Refused(reason)));
    }
    cluster.invoke(N0, 30, change(0b01111, 0));
    cluster.invoke(N0, 31, change(0b00011, 0));
    assert_eq!(cluster.answers.get(&OpId(31)), Some(&Answer::Busy));
    cluster.invoke(N1, 32, change(0b00011, 0));
    assert!(matches!(cluster.answers.get(&OpId(32)), Some(Answer::Redirect(_))));
    cluster.settle();
    assert_eq!(cluster.answers.get(&OpId(30)), Some(&DONE));
    cluster.invoke(N0, 33, change(0b01111, 0));
    cluster.settle();
    assert_eq!(cluster.answers.get(&OpId(33)), Some(&DONE), "what is so already is done soon");
}

/// A leader that takes over in the middle goes on with what it finds in its log.
#[test]
fn another_leader_finishes_a_change() {
    let mut cluster = led(0b00111);
    cluster.invoke(N0, 9, change(0b11001, 0));
    while !cluster.node(N1).membership().is_joint() {
        if !cluster.deliver() {
            (0..5).for_each(|node| cluster.sync(NodeId(node), usize::MAX));
        }
    }
    cluster.settle_without_parts();
    cluster.crash(N0, usize::MAX);
    cluster.timeout(N1, Timer::Election);
    cluster.settle();
    for _ in 0..3 {
        cluster.timeout(N1, Timer::Heartbeat);
        cluster.settle();
    }
    let finished = |node| *cluster.node(node).membership() == Membership::of(set(0b11001));
    assert!(finished(N3) && finished(N4), "{:?} {:?}", cluster.node(N1), cluster.node(N3));
    assert!(!cluster.node(N1).is_leader(), "it has led the change that left it out");
}

/// Safe under random events and changes, whoever is meant to be a member.
#[test]
fn random_changes_split_no_cluster() {
    let (mut changed, mut removed) = (0, 0);
    for seed in 0..200 {
        let draw = &mut Stream::new(seed, 5, 0);
        let log_bytes = if seed % 2 == 0 { u64::MAX } else { 200 };
        let compaction = Compaction { log_bytes, tail_entries: draw.below(3), part_bytes: 9 };
        let pre_vote = draw.below(2) == 0;
        let mut cluster = Cluster::new(Config { compaction, pre_vote, ..config(1 + draw.below(31)) });
        for event in 0..800 {
            let at = NodeId(draw.below(5) as u32);
            match draw.below(100) {
                0..=49 if cluster.in_flight() > 0 => {
                    let place = draw.below(cluster.in_flight() as u64) as usize;
                    let (from, to, message) = cluster.take(place);
                    let lost = draw.happens(50_000);
                    if draw.happens(50_000) {
                        cluster.put(from, to, message.clone());
                    }
                    if !lost {
                        cluster.input(to, swarm_protocol::Input::Message { from, message });
                    }
                }
                50..=69 => cluster.sync(at, 1 + draw.below(3) as usize),
                70..=72 => cluster.timeout(at, Timer::Election),
                73..=79 => cluster.timeout(at, Timer::Heartbeat),
                80..=86 => cluster.invoke(at, event, put(event as u16 % 3)),
                87..=92 => {
                    let voters = 1 + draw.below(31);
                    cluster.invoke(at, event, change(voters, draw.below(32) & !voters));
                }
                93..=94 if cluster.is_up(at) => cluster.crash(at, draw.below(3) as usize),
                _ if !cluster.is_up(at) => cluster.restart(at),
                _ => {}
            }
        }
        changed += cluster.marks.get("membership-changed").copied().unwrap_or(0);
        removed += cluster.marks.get("removed-leader-steps-down").copied().unwrap_or(0);
    }
    assert!(changed > 30 && removed > 10, "{changed} changes, {removed} leaders removed");
}

/// What a leader hears of who is gone says nothing to it.
#[test]
fn who_is_no_member_any_more_is_not_counted() {
    let mut cluster = led(0b00111);
    cluster.invoke(N0, 9, change(0b00011, 0));
    cluster.settle();
    let term = cluster.node(N0).term();
    let matched = cluster.node(N0).log().last_index();
    cluster.put(N2, N0, Message::Appended { term, matched });
    cluster.settle();
    assert!(cluster.refusals.contains_key("no-member-any-more"), "{:?}", cluster.refusals);
    cluster.invoke(N0, 10, put(1));
    cluster.settle();
    assert!(!cluster.node(N0).needs_flush(), "nothing is due to it: {:?}", cluster.node(N0));
}

/// §6: a candidate needs the old majority as well, though its own configuration would elect it.
#[test]
fn nobody_is_elected_by_one_majority_of_a_joint_configuration() {
    for (lost, elected) in [([N0, N1, N2], false), ([N0, N1, N4], false), ([N0, N0, N0], true)] {
        let mut cluster = led(0b00111);
        cluster.invoke(N0, 9, change(0b11001, 0));
        while !(cluster.node(N3).membership().is_joint() && cluster.node(N4).membership().is_joint()) {
            if !cluster.deliver() {
                (0..5).for_each(|node| cluster.sync(NodeId(node), usize::MAX));
            }
        }
        cluster.lose_all();
        cluster.isolated.extend(lost);
        cluster.timeout(N3, Timer::Election);
        cluster.settle();
        assert_eq!(cluster.node(N3).is_leader(), elected, "without {lost:?}: {:?}", cluster.node(N3));
    }
}

/// What was proposed before a change stands before it, and its clients are answered.
#[test]
fn commands_before_a_change_keep_their_places() {
    let mut cluster = led(0b00111);
    cluster.step(N0, swarm_protocol::Input::Invoke { id: OpId(8), op: put(5) });
    cluster.invoke(N0, 9, change(0b00011, 0));
    cluster.settle();
    assert!(matches!(cluster.answers.get(&OpId(8)), Some(Answer::Applied(ManagedAnswer::Applied(_)))));
    assert_eq!(cluster.answers.get(&OpId(9)), Some(&DONE));
}
