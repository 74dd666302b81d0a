//! The rules of the dissertation (Ongaro 2014) beyond those of the paper, one test per sentence.

use swarm_protocol::{OpId, Ticks};
use swarm_raft::{Answer, Config, KvAnswer, KvOp, Message, Record, Timer};

use crate::cluster::Cluster;
use crate::node::{N0, N1, N2, Node, append, entries, plain};

/// The least election timeout of these tests.
const TIMEOUT: Ticks = Ticks::from_millis(150);

/// A cluster whose servers keep quiet while they hear a leader.
fn quiet(n: u32) -> Config {
    Config { check_quorum: true, ..plain(n) }
}

fn request_vote(term: u64) -> Message<KvOp> {
    Message::RequestVote { term, last_index: 9, last_term: term - 1, told: false }
}

// §6.2: leaders that are cut off.

/// §6.2: "a leader in Raft steps down if an election timeout elapses without a successful round of heartbeats to
/// a majority of its cluster".
#[test]
fn a_leader_that_no_majority_answers_steps_down() {
    for (n, answers) in [(3, 1), (4, 2), (5, 2)] {
        let mut leader = Node::leader(quiet(n), 1, &[]);
        for voter in (1..=answers).map(swarm_protocol::NodeId) {
            leader.message(voter, Message::Appended { term: 1, matched: 1 });
        }
        assert_eq!(leader.timeout(Timer::Election), ["set Election 150000us..=150000us"], "{n} servers");
        // Each look begins anew.
        leader.invoke(1, KvOp::Get(1));
        for voter in (2..=answers).map(swarm_protocol::NodeId) {
            leader.message(voter, Message::Conflict { term: 1, prev_index: 1, hint_index: 0, hint_term: 0 });
        }
        let effects = leader.timeout(Timer::Election);
        let expected = [
            "mark quorum-lost",
            "mark leader-steps-down",
            "cancel Heartbeat",
            "set Election 150000us..=300000us",
            "answer op1 Redirect(None)",
        ];
        assert_eq!(effects, expected, "{n} servers");
        assert!(!leader.raft.is_leader());
        assert_eq!((leader.raft.term(), leader.raft.vote()), (1, Some(N0)), "its vote in the term stays");
    }
}

/// What a server asks of its own accord says nothing about whether it hears the leader.
#[test]
fn requests_are_no_answers() {
    let mut leader = Node::leader(quiet(3), 2, &[1]);
    leader.message(N1, Message::RequestPreVote { term: 2, last_index: 9, last_term: 1 });
    leader.message(N2, Message::Appended { term: 1, matched: 1 });
    assert_eq!(leader.timeout(Timer::Election)[0], "mark quorum-lost");
}

/// Without CheckQuorum a leader has no election timer, and the clock makes no difference to anything.
#[test]
fn without_the_rule_nothing_of_it_is_left() {
    let mut leader = Node::leader(plain(3), 2, &[1]);
    assert_eq!(leader.timeout(Timer::Election), ["refuse leader-needs-no-election"]);
    let follower = |now| {
        let mut node = Node::with_log(plain(3), 1, &[1]);
        node.now = now;
        node.message(N1, append(2, (1, 1), &[2], 1));
        node
    };
    let (mut early, late) = (follower(Ticks::ZERO), follower(TIMEOUT));
    assert_eq!(early.raft, late.raft);
    early.message(N2, request_vote(3));
    assert_eq!((early.raft.term(), early.raft.vote()), (3, Some(N2)));
}

// §4.2.3: disruptive servers.

/// §4.2.3: "if a server receives a RequestVote request within the minimum election timeout of hearing from a
/// current leader, it does not update its term or grant its vote."
#[test]
fn a_server_that_hears_a_leader_keeps_out_of_elections() {
    let mut node = Node::with_log(quiet(3), 1, &[1]);
    node.now = TIMEOUT;
    node.message(N1, append(2, (1, 1), &[2], 1));
    let heard = node.now;
    node.now = heard + TIMEOUT - Ticks(1);
    let before = node.raft.clone();
    assert_eq!(node.message(N2, request_vote(9)), ["refuse hears-a-leader"]);
    assert_eq!(node.raft, before);
    node.now = heard + TIMEOUT;
    node.message(N2, request_vote(9));
    assert_eq!((node.raft.term(), node.raft.vote()), (9, Some(N2)));
}

/// The promise is one of time: a server that another message took into a later term follows nobody there, and
/// still keeps out.
#[test]
fn a_later_term_ends_no_promise() {
    let mut node = Node::with_log(quiet(3), 1, &[1]);
    node.message(N1, append(2, (1, 1), &[2], 1));
    node.message(N2, Message::Vote { term: 5, granted: false });
    assert_eq!((node.raft.term(), node.raft.leader()), (5, None));
    for term in [5, 6] {
        assert_eq!(node.message(N2, request_vote(term)), ["refuse hears-a-leader"], "term {term}");
    }
    assert_eq!(node.raft.vote(), None);
}

/// A server that boots may have heard from a leader just before it crashed; one that has never written anything
/// has not.
#[test]
fn a_promise_outlives_a_crash() {
    let disk =
        vec![Record::Vote { term: 2, vote: None }, Record::Append { first: 1, entries: entries(1, &[1]) }];
    let mut node = Node::boot(quiet(3), N0, disk);
    node.now = Ticks::from_millis(5000);
    assert_eq!(node.message(N2, request_vote(3)), ["refuse hears-a-leader"]);
    node.now = node.now + TIMEOUT;
    assert!(node.message(N2, request_vote(3)).contains(&"send n2 Vote(t3 granted) after w1".to_owned()));
    let mut fresh = Node::boot(quiet(3), N0, vec![]);
    assert!(fresh.message(N2, request_vote(3)).contains(&"send n2 Vote(t3 granted) after w1".to_owned()));
}

/// A leader hears itself.
#[test]
fn a_leader_keeps_out_of_elections() {
    let mut leader = Node::leader(quiet(3), 2, &[1]);
    let before = leader.raft.clone();
    leader.now = Ticks::from_millis(60_000);
    assert_eq!(leader.message(N2, request_vote(9)), ["refuse hears-a-leader"]);
    assert_eq!(leader.raft, before);
    let request = Message::RequestPreVote { term: 9, last_index: 9, last_term: 8 };
    assert_eq!(leader.message(N2, request), ["mark pre-vote-refused", "send n2 PreVote(t2 refused)"]);
}

/// §9.6 with a clock: a PreVote is refused for the least election timeout since the leader spoke, whatever the
/// server's own patience.
#[test]
fn pre_votes_are_refused_by_time() {
    let mut node = Node::with_log(Config { pre_vote: true, ..quiet(3) }, 2, &[1]);
    node.message(N1, append(2, (1, 1), &[2], 1));
    let request = || Message::RequestPreVote { term: 3, last_index: 2, last_term: 2 };
    node.now = TIMEOUT - Ticks(1);
    assert_eq!(node.message(N2, request()), ["mark pre-vote-refused", "send n2 PreVote(t2 refused)"]);
    node.now = TIMEOUT;
    assert_eq!(node.message(N2, request()), ["send n2 PreVote(t3 granted)"]);
    // A clock that was set back costs an election, and no more.
    node.message(N1, append(2, (2, 2), &[], 2));
    node.now = Ticks::ZERO;
    assert_eq!(node.message(N2, request()), ["send n2 PreVote(t3 granted)"]);
}

/// A server that was cut off and went into later terms is not heard by those who hear a leader; what it answers
/// to the leader brings it back.
#[test]
fn a_server_of_a_later_term_comes_back() {
    let mut cluster = Cluster::new(quiet(3));
    cluster.elect(N0);
    cluster.isolated = [N2].into();
    for _ in 0..3 {
        cluster.timeout(N2, Timer::Election);
        cluster.settle();
    }
    cluster.isolated.clear();
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.timeout(N2, Timer::Election);
    cluster.settle();
    assert_eq!(cluster.node(N2).term(), 5);
    assert!(!cluster.node(N0).is_leader(), "it was told term 5: {:?}", cluster.refusals);
    assert!(cluster.refusals["hears-a-leader"] > 0);
    cluster.now = cluster.now + TIMEOUT;
    cluster.elect(N1);
    cluster.invoke(N1, 1, KvOp::Put(1, 7));
    cluster.settle();
    cluster.timeout(N1, Timer::Heartbeat);
    cluster.settle();
    assert_eq!(cluster.answers[&OpId(1)], Answer::Applied(KvAnswer::Stored));
    assert_eq!(cluster.node(N2).log(), cluster.node(N1).log());
}
