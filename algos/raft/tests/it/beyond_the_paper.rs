//! What the paper leaves to implementations: PreVote, pipelining, asynchronous disks, limits, and inputs
//! that no correct node sends.

use swarm_protocol::{Choices, Effects, Input, NodeId, NodeSet, OpId, Protocol, Stream, Ticks, WriteId};
use swarm_raft::{Answer, Config, Kv, KvAnswer, KvOp, Membership, Message, Part, Raft, Timer};

use crate::cluster::Cluster;
use crate::node::{N0, N1, N2, Node, append, entries, plain};

fn says(texts: &[String], part: &str) -> bool {
    texts.iter().any(|text| text.contains(part))
}

// PreVote (dissertation §9.6).

/// "a candidate only increments its term if it first learns from a majority of the cluster that they
/// would be willing to grant the candidate their votes".
#[test]
fn a_pre_candidate_enters_no_term_before_a_majority_agrees() {
    let mut node = Node::new(Config::new(3), N0);
    let effects = node.timeout(Timer::Election);
    assert_eq!(effects[1..], ["send n1 RequestPreVote(t1 last 0@0)", "send n2 RequestPreVote(t1 last 0@0)"]);
    assert!(node.raft.is_pre_candidate());
    assert_eq!((node.raft.term(), node.raft.vote(), node.written.len()), (0, None, 0));
    let effects = node.message(N1, Message::PreVote { term: 1, granted: true });
    assert!(says(&effects, "persist w1 Vote(t1 n0)") && node.raft.is_candidate());
}

/// A server grants a PreVote if the candidate's log is up-to-date and it hears from no leader itself.
#[test]
fn pre_votes_are_refused_to_shorter_logs_and_while_there_is_a_leader() {
    let request = |term, last_index, last_term| Message::RequestPreVote { term, last_index, last_term };
    let mut node = Node::with_log(Config::new(3), 3, &[1, 2]);
    let before = node.raft.clone();
    assert_eq!(node.message(N1, request(4, 2, 2)), ["send n1 PreVote(t4 granted)"]);
    assert_eq!(node.message(N2, request(4, 2, 2)), ["send n2 PreVote(t4 granted)"], "nobody is bound");
    let refused = ["mark pre-vote-refused", "send n1 PreVote(t3 refused)"];
    assert_eq!(node.message(N1, request(4, 1, 2)), refused);
    assert_eq!(node.message(N1, request(3, 9, 3)), refused, "not for a term that it is in already");
    assert_eq!(node.raft, before);
    node.message(N2, append(3, (2, 2), &[], 0));
    node.flush();
    assert_eq!(node.message(N1, request(4, 2, 2)), refused, "it follows n2");
    node.timeout(Timer::Election);
    assert_eq!(node.message(N1, request(4, 2, 2)), ["send n1 PreVote(t4 granted)"], "n2 is silent");
}

/// The purpose of PreVote: a server that was cut off does not depose the leader when it is back.
#[test]
fn a_returning_server_does_not_disturb_the_leader() {
    for (pre_vote, disturbed) in [(true, false), (false, true)] {
        let mut cluster = Cluster::new(Config { pre_vote, ..Config::new(3) });
        cluster.elect(N0);
        cluster.isolated = [N2].into();
        for _ in 0..3 {
            cluster.timeout(N2, Timer::Election);
            cluster.settle();
        }
        cluster.isolated.clear();
        cluster.timeout(N0, Timer::Heartbeat);
        cluster.settle();
        assert_eq!(!cluster.node(N0).is_leader(), disturbed, "PreVote {pre_vote}");
    }
}

/// A refusal carries the refuser's term, so that a pre-candidate of the past catches up.
#[test]
fn a_pre_candidate_learns_a_later_term_from_a_refusal() {
    let mut node = Node::new(Config::new(3), N0);
    node.timeout(Timer::Election);
    node.message(N1, Message::PreVote { term: 5, granted: false });
    assert_eq!(node.raft.term(), 5);
    node.timeout(Timer::Election);
    let stale = node.message(N1, Message::PreVote { term: 5, granted: true });
    assert_eq!(stale, ["refuse pre-vote-for-another-term"], "it asked about term 6");
    assert!(node.raft.is_pre_candidate());
}

/// A PreVote that is lost ends the attempt, and the vote of the term is untouched.
#[test]
fn a_refused_pre_candidate_is_a_follower_that_may_still_vote() {
    let mut node = Node::new(Config::new(3), N0);
    node.timeout(Timer::Election);
    for voter in [N1, N2] {
        node.message(voter, Message::PreVote { term: 0, granted: false });
    }
    assert!(!node.raft.is_pre_candidate());
    let request = Message::RequestVote { term: 1, last_index: 0, last_term: 0, told: false };
    assert!(says(&node.message(N1, request), "send n1 Vote(t1 granted)"));
}

// Replication.

/// Once the logs are known to agree, the leader sends on without waiting, up to its window.
#[test]
fn appends_are_pipelined_up_to_the_window() {
    let config = Config { in_flight_entries_max: 3, append_entries_max: 2, ..plain(3) };
    let mut leader = Node::leader(config, 1, &[]);
    leader.message(N1, Message::Appended { term: 1, matched: 1 });
    for id in 0..5 {
        leader.invoke(id, KvOp::Get(0));
    }
    let to_n1 =
        |sent: Vec<String>| sent.into_iter().filter(|text| text.starts_with("send n1")).collect::<Vec<_>>();
    let sent = to_n1(leader.flush());
    assert_eq!(sent.len(), 2, "two entries, then one: {sent:?}");
    assert!(leader.flush().is_empty(), "the window is closed");
    leader.message(N1, Message::Appended { term: 1, matched: 3 });
    let sent = to_n1(leader.flush());
    assert_eq!(sent, ["send n1 Append(t1 prev 4@1 [Get(0)@1 Get(0)@1] c1)"]);
    // A heartbeat goes out even if the window is closed, and finds what was lost.
    leader.timeout(Timer::Heartbeat);
    leader.message(N1, Message::Conflict { term: 1, prev_index: 6, hint_index: 3, hint_term: 1 });
    assert_eq!(to_n1(leader.flush()), ["send n1 Append(t1 prev 3@1 [Get(0)@1 Get(0)@1] c1)"]);
}

/// With three nodes a commit costs four messages, and in bursts four per burst: the commit index rides
/// on the next append.
#[test]
fn a_commit_costs_four_messages_and_a_burst_no_more() {
    for window in [1, 64] {
        let mut cluster = Cluster::new(plain(3));
        cluster.elect(N0);
        let (before, rounds) = (cluster.sent, 20);
        for round in 0..rounds {
            for id in 0..window {
                cluster.step(N0, Input::Invoke { id: OpId(round * window + id), op: KvOp::Put(1, id) });
            }
            cluster.flush(N0);
            cluster.settle();
        }
        assert_eq!(cluster.answers.len() as u64, rounds * window);
        assert_eq!(cluster.sent - before, 4 * rounds, "window {window}");
        // Followers learn the last commit index from the next heartbeat.
        assert!(cluster.node(N1).commit_index() < cluster.node(N0).commit_index());
        cluster.timeout(N0, Timer::Heartbeat);
        cluster.settle();
        assert_eq!(cluster.node(N1).machine(), cluster.node(N0).machine());
    }
}

/// Clusters of one, and of nodes with gaps between their numbers.
#[test]
fn any_set_of_voters_is_a_cluster() {
    for numbers in [vec![0], vec![2, 5], vec![1, 3, 63]] {
        let voters: NodeSet = numbers.iter().map(|number| NodeId(*number)).collect();
        let logs = vec![&[][..]; 1 + *numbers.last().expect("not empty") as usize];
        let mut cluster = Cluster::with_logs(
            Config { voters, servers: voters, pre_vote: false, ..Config::new(1) },
            0,
            &logs,
        );
        let leader = NodeId(numbers[0]);
        cluster.elect(leader);
        cluster.invoke(leader, 1, KvOp::Put(1, 7));
        cluster.settle();
        assert_eq!(cluster.answers[&OpId(1)], Answer::Applied(KvAnswer::Stored), "{numbers:?}");
        assert!(!cluster.node(leader).needs_flush(), "everybody has everything: {numbers:?}");
    }
}

/// A follower that missed everything is brought up in appends of limited size.
#[test]
fn a_follower_that_missed_everything_catches_up() {
    let mut cluster = Cluster::new(Config { append_entries_max: 7, batch_entries_max: 3, ..plain(3) });
    cluster.elect(N0);
    cluster.crash(N2, 0);
    for id in 0..50 {
        cluster.invoke(N0, id, KvOp::Put(id as u16, id));
    }
    cluster.settle();
    cluster.restart(N2);
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
    assert_eq!(cluster.node(N2).log(), cluster.node(N0).log());
}

// The disk.

/// A write under way when its entries were truncated must not be credited to what stands there later.
#[test]
fn a_late_write_is_not_credited_to_other_entries() {
    let mut node = Node::new(plain(3), N0);
    node.message(N1, append(1, (0, 0), &[1, 1, 1], 0)); // w1 term, w2 entries
    node.message(N2, append(2, (1, 1), &[2, 2], 0)); // w3 term, w4 truncation, w5 entries
    node.synced_to(2);
    assert_eq!(node.raft.durable_index(), 1, "entries 2 and 3 are others now");
    node.synced_to(4);
    assert_eq!(node.raft.durable_index(), 1);
    node.synced_to(5);
    assert_eq!(node.raft.durable_index(), 3);
}

/// A node whose disk failed does nothing any more: nobody knows what it holds.
#[test]
fn a_node_with_a_failed_disk_stops() {
    let mut leader = Node::leader(plain(3), 1, &[]);
    leader.invoke(1, KvOp::Get(1));
    let effects = leader.input(Input::DiskFailed(WriteId::new(9)));
    assert!(says(&effects, "answer op1 Redirect(None)") && says(&effects, "cancel Election"), "{effects:?}");
    assert!(leader.raft.is_halted() && !leader.raft.is_leader());
    assert_eq!(leader.timeout(Timer::Election), ["refuse halted"]);
    assert_eq!(leader.message(N1, append(5, (0, 0), &[], 0)), ["refuse halted"]);
    assert_eq!(leader.raft.term(), 1);
}

// Clients.

/// Too many uncommitted commands are refused, and commands that never reached the log are given back.
#[test]
fn a_leader_takes_no_more_than_it_may_hold() {
    let config = Config { uncommitted_entries_max: 3, ..plain(3) };
    let mut leader = Node::leader(config, 1, &[]);
    for id in 1..=3 {
        let expected: &[&str] = if id < 3 { &[] } else { &["mark busy", "answer op3 Busy"] };
        assert_eq!(leader.invoke(id, KvOp::Get(1)), expected, "the no-op is uncommitted too");
    }
    leader.flush();
    leader.synced();
    let effects = leader.message(N1, Message::Appended { term: 1, matched: 3 });
    assert!(says(&effects, "answer op1 Applied(Value(None))"));
    leader.invoke(4, KvOp::Get(1));
    leader.flush();
    leader.invoke(5, KvOp::Get(1));
    let effects = leader.message(N2, append(2, (1, 1), &[2], 0));
    assert!(says(&effects, "answer op5 Redirect(None)"), "op5 did not reach the log: {effects:?}");
    assert!(!says(&effects, "answer op4"), "op4 may still be committed by another leader: {effects:?}");
}

#[test]
fn answers_read_as_they_are_meant() {
    use swarm_protocol::{Reply, Service};
    let reply = |answer| Raft::<Kv>::reply(&answer);
    assert_eq!(reply(Answer::Applied(KvAnswer::Stored)), Reply::Done(KvAnswer::Stored));
    assert_eq!(reply(Answer::Redirect(Some(N1))), Reply::NotTaken(Some(N1)));
    assert_eq!(reply(Answer::Busy), Reply::NotTaken(None));
}

// Inputs that no correct node sends.

/// Each is refused by name and changes nothing.
#[test]
fn impossible_messages_are_refused_by_name() {
    let appended = |matched| Message::Appended { term: 2, matched };
    let conflict = |prev_index| Message::Conflict { term: 2, prev_index, hint_index: 0, hint_term: 0 };
    let overflow =
        Message::Append { term: 2, prev_index: u64::MAX, prev_term: 1, commit: 0, entries: entries(1, &[2]) };
    let leader = || Node::leader(plain(3), 2, &[1]);
    let follower = || {
        let mut node = Node::with_log(plain(3), 2, &[1, 2]);
        node.message(N1, append(2, (2, 2), &[], 2));
        node
    };
    type Case = (fn() -> Node, NodeId, Message<KvOp>, &'static str);
    let cases: Vec<Case> = vec![
        (leader, NodeId(7), append(2, (0, 0), &[], 0), "not-a-member"),
        (leader, NodeId(u32::MAX), append(2, (0, 0), &[], 0), "not-a-member"),
        (leader, N0, appended(1), "not-a-member"),
        (leader, N1, append(2, (2, 2), &[], 0), "second-leader-of-a-term"),
        (follower, N2, append(2, (2, 2), &[], 0), "second-leader-of-a-term"),
        (follower, N1, overflow, "index-overflow"),
        (follower, N1, append(2, (2, 2), &[3], 0), "terms-decrease"),
        (follower, N1, append(2, (2, 2), &[1], 0), "terms-decrease"),
        (follower, N1, append(2, (0, 0), &[2], 0), "leader-contradicts-itself"),
        (leader, N1, appended(9), "acknowledges-what-was-not-sent"),
        (leader, N1, appended(u64::MAX), "acknowledges-what-was-not-sent"),
        (leader, N1, conflict(u64::MAX), "conflict-of-the-past"),
        (leader, N1, conflict(0), "conflict-of-the-past"),
        (follower, N1, appended(1), "not-a-leader"),
        (follower, N1, conflict(1), "not-a-leader"),
        (follower, N1, Message::Vote { term: 2, granted: true }, "not-a-candidate"),
        (follower, N1, Message::PreVote { term: 3, granted: true }, "not-a-pre-candidate"),
    ];
    for (node, from, message, reason) in cases {
        let mut node = node();
        let before = node.raft.clone();
        let effects = node.message(from, message.clone());
        assert_eq!(effects, [format!("refuse {reason}")], "{message:?}");
        assert_eq!(node.raft, before, "{message:?}");
    }
    let mut node = leader();
    assert_eq!(node.timeout(Timer::Election), ["refuse leader-needs-no-election"]);
    let mut node = follower();
    assert_eq!(node.timeout(Timer::Heartbeat), ["refuse not-a-leader"]);
    let mut node = Node::with_log(plain(3), u64::MAX - 1, &[]);
    assert_eq!(node.timeout(Timer::Election), ["refuse terms-exhausted"]);
}

/// Whatever arrives in whatever order, nothing panics and every invariant holds.
#[test]
fn arbitrary_inputs_break_no_invariant() {
    let mut refused = std::collections::BTreeSet::new();
    for seed in 0..600 {
        let mut draw = Stream::new(seed, 0, 0);
        let pre_vote = draw.below(2) == 0;
        let check_quorum = draw.below(2) == 0;
        let limits = Config { append_entries_max: 2, in_flight_entries_max: 4, ..Config::new(3) };
        let config = Config { pre_vote, check_quorum, ..limits };
        let mut out = Effects::<Raft<Kv>>::new(Choices::script(vec![]));
        let mut node = Raft::<Kv>::recover(&config, N0, std::iter::empty(), &mut out);
        let (mut high_term, mut now) = (0, Ticks::ZERO);
        for id in 0..120 {
            let input = arbitrary(&mut draw, &node, &mut high_term, id, out.last_write());
            let text = format!("{input:?}");
            let before = node.clone();
            let mark = out.as_slice().len();
            now = now + Ticks(draw.below(20_000));
            node.step(&config, now, input, &mut out);
            node.check_invariants(&config);
            for effect in &out.as_slice()[mark..] {
                if let swarm_protocol::Effect::Refuse(reason) = effect {
                    refused.insert(*reason);
                    assert!(
                        // Such a message, of a later term, has brought its term and its leader; of an answer
                        // that says nothing new the leader learns who answers.
                        node == before
                            || *reason == "leader-contradicts-itself"
                            || (check_quorum && node.is_leader() && text.contains("from")),
                        "seed {seed}: {text} is refused ({reason}) and changes {before:?} to {node:?}"
                    );
                }
            }
            if draw.below(3) > 0 {
                node.flush(&config, now, &mut out);
                node.check_invariants(&config);
            }
        }
        out.clear();
    }
    assert!(refused.len() >= 10, "{refused:?}");
}

fn arbitrary(
    draw: &mut Stream,
    node: &Raft<Kv>,
    high_term: &mut u64,
    id: u64,
    last_write: Option<WriteId>,
) -> Input<Raft<Kv>> {
    *high_term = (*high_term).max(node.term());
    let near = |draw: &mut Stream, value: u64| match draw.below(40) {
        0 => u64::MAX - draw.below(3),
        _ => value.saturating_add(draw.below(3)).saturating_sub(draw.below(3)),
    };
    let index = |draw: &mut Stream| {
        let base = [node.commit_index(), node.log().last_index(), draw.below(4)][draw.below(3) as usize];
        near(draw, base)
    };
    let term = if draw.below(60) == 0 {
        near(draw, node.term())
    } else {
        node.term().saturating_add(u64::from(draw.below(9) == 0))
    };
    let from = NodeId(draw.below(4) as u32);
    let message = match draw.below(13) {
        0 => Message::RequestPreVote { term, last_index: index(draw), last_term: near(draw, term) },
        1 => Message::PreVote { term: near(draw, term), granted: draw.below(2) == 0 },
        2 => {
            let (last_index, last_term) = (index(draw), near(draw, term));
            Message::RequestVote { term, last_index, last_term, told: draw.below(3) == 0 }
        }
        3 => Message::Vote { term, granted: draw.below(3) > 0 },
        4..=6 => {
            let prev_index = index(draw);
            let fits = draw.below(4) > 0;
            let prev_term = node
                .log()
                .term_at(prev_index)
                .filter(|_| fits)
                .unwrap_or_else(|| draw.below(term.clamp(1, 9)));
            let terms: Vec<_> =
                (0..draw.below(4)).map(|_| if draw.below(3) == 0 { prev_term } else { term }).collect();
            append(term, (prev_index.min(u64::MAX - 9), prev_term), &terms, index(draw))
        }
        7 => Message::Appended { term, matched: index(draw) },
        8 => Message::Conflict {
            term,
            prev_index: index(draw),
            hint_index: index(draw),
            hint_term: near(draw, term),
        },
        9 => Message::Received { term, index: index(draw), offset: near(draw, 2) },
        10 => {
            let total = draw.below(40);
            let data: Vec<u8> = (0..draw.below(total + 2)).map(|_| draw.below(3) as u8).collect();
            let (index, last_term, offset) = (index(draw), draw.below(term.clamp(1, 9) + 1), near(draw, 0));
            let membership = Membership::of(NodeSet::first(draw.below(4) as u32));
            let part = Part { index, last_term, membership, total, offset, data: data.into() };
            Message::Part { term, part: Box::new(part) }
        }
        11 => Message::TimeoutNow { term },
        _ => Message::Stale { term },
    };
    match draw.below(12) {
        0 => Input::Timeout(Timer::Election),
        1 => Input::Timeout(Timer::Heartbeat),
        2 => Input::Invoke { id: OpId(id), op: KvOp::Put(draw.below(3) as u16, id) },
        3 | 4 if last_write.is_some() => {
            Input::Persisted(WriteId::new(draw.between(1, last_write.expect("checked").ordinal())))
        }
        _ => Input::Message { from, message },
    }
}
