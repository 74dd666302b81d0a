//! The rules of the paper (Ongaro and Ousterhout 2014), one test per sentence.

use swarm_protocol::OpId;
use swarm_raft::{Answer, KvAnswer, KvOp, Message, Record, Timer};

use crate::cluster::Cluster;
use crate::node::{N0, N1, N2, N3, N4, Node, append, plain};

/// Whether one of the texts contains `part`.
fn says(texts: &[String], part: &str) -> bool {
    texts.iter().any(|text| text.contains(part))
}

// §5.1: terms.

/// §5.2: "When servers start up, they begin as followers."
#[test]
fn servers_start_as_followers() {
    let node = Node::new(plain(3), N0);
    assert!(!node.raft.is_leader() && !node.raft.is_candidate());
    assert_eq!((node.raft.term(), node.raft.vote(), node.raft.leader()), (0, None, None));
}

/// §5.1: "If one server's current term is smaller than the other's, then it updates its current term to
/// the larger value." Fig. 2: the new term is on stable storage before it responds.
#[test]
fn a_smaller_term_is_updated_and_written() {
    let mut node = Node::new(plain(3), N0);
    let effects = node.message(N1, append(4, (0, 0), &[], 0));
    assert_eq!(node.raft.term(), 4);
    assert_eq!(effects, ["persist w1 Vote(t4 none)"]);
    assert_eq!(node.flush(), ["set Election 150000us..=300000us", "send n1 Appended(t4 0) after w1"]);
}

/// §5.1: "If a candidate or leader discovers that its term is out of date, it immediately reverts to
/// follower state."
#[test]
fn candidates_and_leaders_of_the_past_step_down() {
    let mut candidate = Node::new(plain(3), N0);
    candidate.timeout(Timer::Election);
    let mut leader = Node::leader(plain(3), 1, &[]);
    for node in [&mut candidate, &mut leader] {
        assert_eq!(node.raft.term(), 1);
        node.message(N1, Message::Vote { term: 2, granted: false });
        assert!(!node.raft.is_candidate() && !node.raft.is_leader());
        assert_eq!((node.raft.term(), node.raft.vote()), (2, None));
    }
}

/// §5.1: "If a server receives a request with a stale term number, it rejects the request." Fig. 2: and
/// tells its own term.
#[test]
fn requests_of_a_past_term_are_rejected() {
    let mut node = Node::with_log(plain(3), 5, &[1]);
    let before = node.raft.clone();
    let vote = Message::RequestVote { term: 4, last_index: 9, last_term: 4, told: false };
    assert_eq!(node.message(N1, vote), ["refuse stale-term", "send n1 Vote(t5 refused)"]);
    assert_eq!(node.message(N1, append(4, (1, 1), &[4], 2)), ["refuse stale-term", "send n1 Stale(t5)"]);
    assert_eq!(node.message(N1, Message::Vote { term: 4, granted: true }), ["refuse stale-term"]);
    assert_eq!(node.raft, before);
}

// §5.2: leader election.

/// §5.2: "If a follower receives no communication over a period of time called the election timeout,
/// then it assumes there is no viable leader and begins an election", and "a follower increments its
/// current term and transitions to candidate state. It then votes for itself and issues RequestVote RPCs
/// in parallel to each of the other servers in the cluster."
#[test]
fn a_follower_without_a_leader_stands_for_election() {
    let mut node = Node::with_log(plain(3), 1, &[1, 1]);
    let effects = node.timeout(Timer::Election);
    assert!(node.raft.is_candidate());
    assert_eq!((node.raft.term(), node.raft.vote()), (2, Some(N0)));
    let expected = [
        "set Election 150000us..=300000us",
        "mark campaign",
        "persist w1 Vote(t2 n0)",
        "send n1 RequestVote(t2 last 2@1) after w1",
        "send n2 RequestVote(t2 last 2@1) after w1",
    ];
    assert_eq!(effects, expected);
}

/// §5.2: "A candidate wins an election if it receives votes from a majority of the servers in the full
/// cluster for the same term."
#[test]
fn a_majority_elects_and_fewer_do_not() {
    for (n, votes_needed) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (7, 3)] {
        let mut node = Node::new(plain(n), N0);
        node.timeout(Timer::Election);
        assert!(!node.raft.is_leader(), "the vote for itself counts when it is durable: {n} nodes");
        node.synced();
        for voter in 1..=votes_needed {
            assert!(!node.raft.is_leader(), "{voter} of {n} votes");
            let twice = [Message::Vote { term: 1, granted: true }, Message::Vote { term: 1, granted: true }];
            for vote in twice {
                if !node.raft.is_leader() {
                    node.message(swarm_protocol::NodeId(voter), vote);
                }
            }
        }
        assert!(node.raft.is_leader(), "{} of {n} votes", votes_needed + 1);
    }
}

/// §5.2: votes must be "for the same term".
#[test]
fn votes_of_another_term_do_not_elect() {
    let mut node = Node::new(plain(3), N0);
    node.timeout(Timer::Election);
    node.timeout(Timer::Election);
    node.synced();
    assert_eq!(node.message(N1, Message::Vote { term: 1, granted: true }), ["refuse stale-term"]);
    assert!(!node.raft.is_leader());
}

/// A candidate's own vote is a vote: it counts once it is durable, in the term that it was cast in.
#[test]
fn a_candidate_s_own_vote_counts_when_it_is_durable() {
    let mut node = Node::new(plain(3), N0);
    node.timeout(Timer::Election);
    node.message(N1, Message::Vote { term: 1, granted: true });
    assert!(!node.raft.is_leader(), "one durable vote of three");
    node.synced();
    assert!(node.raft.is_leader());

    let mut node = Node::new(plain(3), N0);
    node.timeout(Timer::Election);
    node.timeout(Timer::Election);
    node.message(N1, Message::Vote { term: 2, granted: true });
    node.synced_to(1);
    assert!(!node.raft.is_leader(), "the vote that is durable was for term 1");
    node.synced_to(2);
    assert!(node.raft.is_leader());
}

/// §5.2: "Each server will vote for at most one candidate in a given term, on a first-come-first-served
/// basis." Fig. 2: votedFor is on stable storage before the server responds.
#[test]
fn a_server_votes_once_per_term() {
    let request = || Message::RequestVote { term: 1, last_index: 0, last_term: 0, told: false };
    let mut node = Node::new(plain(3), N0);
    let first = node.message(N1, request());
    let expected =
        ["set Election 150000us..=300000us", "persist w1 Vote(t1 n1)", "send n1 Vote(t1 granted) after w1"];
    assert_eq!(first, expected);
    assert!(says(&node.message(N2, request()), "send n2 Vote(t1 refused)"));
    // The same candidate may ask again.
    node.synced();
    assert!(says(&node.message(N1, request()), "send n1 Vote(t1 granted)"));
    assert_eq!(node.raft.vote(), Some(N1));
}

/// Fig. 2: votedFor belongs to currentTerm and is on stable storage: it survives a restart and a change
/// of role within the term.
#[test]
fn a_vote_is_not_forgotten_within_its_term() {
    let request = |term| Message::RequestVote { term, last_index: 0, last_term: 0, told: false };
    let mut node = Node::new(plain(3), N0);
    node.message(N1, request(1));
    let mut restarted = Node::boot(plain(3), N0, node.written.clone());
    assert!(says(&restarted.message(N2, request(1)), "send n2 Vote(t1 refused)"));

    let mut candidate = Node::new(plain(3), N0);
    candidate.timeout(Timer::Election);
    candidate.message(N1, append(1, (0, 0), &[], 0));
    assert_eq!(candidate.raft.leader(), Some(N1), "it follows the leader of its term");
    assert!(says(&candidate.message(N2, request(1)), "send n2 Vote(t1 refused)"));
    assert!(says(&candidate.message(N2, request(2)), "send n2 Vote(t2 granted)"), "a new term, a new vote");
}

/// §5.2: "Once a candidate wins an election, it becomes leader. It then sends heartbeat messages to all
/// of the other servers to establish its authority and prevent new elections."
#[test]
fn a_new_leader_announces_itself_at_once() {
    let mut node = Node::new(plain(3), N0);
    node.timeout(Timer::Election);
    node.synced();
    let effects = node.message(N1, Message::Vote { term: 1, granted: true });
    let expected = ["mark leader-elected", "cancel Election", "set Heartbeat 50000us..=50000us"];
    assert_eq!(effects, expected);
    let sent = node.flush();
    assert!(says(&sent, "send n1 Append(t1 prev 0@0 [NoOp@1] c0)"), "{sent:?}");
    assert!(says(&sent, "send n2 Append(t1 prev 0@0 [NoOp@1] c0)"));
}

/// §5.2: "Leaders send periodic heartbeats (AppendEntries RPCs that carry no log entries) to all
/// followers in order to maintain their authority."
#[test]
fn an_idle_leader_sends_heartbeats() {
    let mut leader = Node::leader(plain(3), 1, &[]);
    for follower in [N1, N2] {
        leader.message(follower, Message::Appended { term: 1, matched: 1 });
    }
    let expected = [
        "set Heartbeat 50000us..=50000us",
        "send n1 Append(t1 prev 1@1 [] c1)",
        "send n2 Append(t1 prev 1@1 [] c1)",
    ];
    assert_eq!(leader.timeout(Timer::Heartbeat), expected);
}

/// §5.2: "A server remains in follower state as long as it receives valid RPCs from a leader or
/// candidate": they restart its election timer.
#[test]
fn valid_requests_restart_the_election_timer() {
    let mut node = Node::new(plain(3), N0);
    let timer = "set Election";
    node.message(N1, append(1, (0, 0), &[1], 0));
    assert!(says(&node.flush(), timer));
    assert!(says(&node.message(N1, append(1, (9, 1), &[], 0)), timer), "also if the logs conflict");
    assert!(says(
        &node.message(N2, Message::RequestVote { term: 2, last_index: 1, last_term: 1, told: false }),
        timer
    ));
    let refused =
        node.message(N1, Message::RequestVote { term: 3, last_index: 0, last_term: 0, told: false });
    assert!(!says(&refused, timer), "a refused candidate does not");
    assert!(!says(&node.message(N1, append(1, (0, 0), &[], 0)), timer), "nor does a leader of the past");
}

/// §5.2: "If the leader's term (included in its RPC) is at least as large as the candidate's current
/// term, then the candidate recognizes the leader as legitimate and returns to follower state."
#[test]
fn a_candidate_follows_the_leader_of_its_term() {
    for term in [1, 2] {
        let mut node = Node::new(plain(3), N0);
        node.timeout(Timer::Election);
        node.message(N1, append(term, (0, 0), &[], 0));
        assert!(!node.raft.is_candidate());
        assert_eq!((node.raft.leader(), node.raft.term()), (Some(N1), term));
    }
}

/// §5.2: "If the term in the RPC is smaller than the candidate's current term, then the candidate rejects
/// the RPC and continues in candidate state."
#[test]
fn a_candidate_rejects_a_leader_of_the_past() {
    let mut node = Node::with_log(plain(3), 3, &[]);
    node.timeout(Timer::Election);
    assert!(says(&node.message(N1, append(3, (0, 0), &[], 0)), "send n1 Stale(t4)"));
    assert!(node.raft.is_candidate());
}

/// §5.2: "each candidate will time out and start a new election by incrementing its term and initiating
/// another round of RequestVote RPCs."
#[test]
fn a_candidate_without_a_majority_tries_again_in_the_next_term() {
    let mut node = Node::new(plain(3), N0);
    node.timeout(Timer::Election);
    let again = node.timeout(Timer::Election);
    assert_eq!((node.raft.term(), node.raft.is_candidate()), (2, true));
    assert!(says(&again, "send n1 RequestVote(t2"));
}

/// §5.2: "election timeouts are chosen randomly from a fixed interval": the driver picks from the range.
#[test]
fn election_timeouts_are_a_range() {
    let config = plain(3);
    assert!(config.election_timeout.min < config.election_timeout.max);
    let effects = Node::new(config, N0).timeout(Timer::Election);
    assert_eq!(effects[0], "set Election 150000us..=300000us");
}

// §5.3: log replication.

/// §5.3: "The leader appends the command to its log as a new entry, then issues AppendEntries RPCs in
/// parallel to each of the other servers to replicate the entry."
#[test]
fn a_leader_appends_and_replicates() {
    let mut leader = Node::leader(plain(3), 1, &[]);
    for follower in [N1, N2] {
        leader.message(follower, Message::Appended { term: 1, matched: 1 });
    }
    assert!(leader.invoke(1, KvOp::Put(1, 7)).is_empty());
    let effects = leader.flush();
    let expected = [
        "persist w3 Append(2 [Put(1,7)@1])",
        "send n1 Append(t1 prev 1@1 [Put(1,7)@1] c1)",
        "send n2 Append(t1 prev 1@1 [Put(1,7)@1] c1)",
    ];
    assert_eq!(effects, expected);
}

/// §5.3: "When the entry has been safely replicated, the leader applies the entry to its state machine
/// and returns the result of that execution to the client."
#[test]
fn a_replicated_command_is_applied_and_answered() {
    let mut leader = Node::leader(plain(3), 1, &[]);
    leader.invoke(1, KvOp::Put(1, 7));
    leader.invoke(2, KvOp::Get(1));
    leader.invoke(3, KvOp::Cas(1, 7, 8));
    leader.flush();
    leader.synced();
    let effects = leader.message(N1, Message::Appended { term: 1, matched: 4 });
    let expected = [
        "mark command-committed",
        "answer op1 Applied(Stored)",
        "answer op2 Applied(Value(Some(7)))",
        "answer op3 Applied(Swapped(true))",
    ];
    assert_eq!(effects, expected, "each is applied once");
    assert_eq!(leader.raft.machine().get(1), Some(8));
}

/// §5.3: "If followers crash or run slowly, or if network packets are lost, the leader retries
/// AppendEntries RPCs indefinitely (even after it has responded to the client)."
#[test]
fn appends_are_repeated_until_they_are_acknowledged() {
    let mut leader = Node::leader(plain(3), 1, &[]);
    leader.message(N1, Message::Appended { term: 1, matched: 1 });
    assert_eq!(leader.raft.commit_index(), 1, "committed without n2");
    for _ in 0..3 {
        assert!(says(&leader.timeout(Timer::Heartbeat), "send n2 Append(t1 prev 0@0 [NoOp@1] c1)"));
    }
}

/// §5.3: "A log entry is committed once the leader that created the entry has replicated it on a majority
/// of the servers. This also commits all preceding entries in the leader's log, including entries created
/// by previous leaders."
#[test]
fn a_majority_commits_and_takes_preceding_entries_along() {
    let mut leader = Node::leader(plain(5), 3, &[1, 2]);
    leader.message(N1, Message::Appended { term: 3, matched: 3 });
    assert_eq!(leader.raft.commit_index(), 0, "two of five");
    leader.message(N2, Message::Appended { term: 3, matched: 3 });
    assert_eq!(leader.raft.commit_index(), 3);
    assert_eq!(leader.raft.machine().get(1), Some(1), "entries of earlier terms are applied too");
}

/// The leader is one of the majority only as far as its own disk is.
#[test]
fn a_leader_counts_itself_when_its_entry_is_durable() {
    let mut leader = Node::leader(plain(3), 1, &[]);
    leader.invoke(1, KvOp::Put(1, 7));
    leader.flush();
    leader.message(N1, Message::Appended { term: 1, matched: 2 });
    assert_eq!(leader.raft.commit_index(), 1, "n1 alone has entry 2 on its disk");
    assert!(says(&leader.synced(), "answer op1 Applied(Stored)"));
    assert_eq!(leader.raft.commit_index(), 2);
    // Two followers are a majority without it.
    leader.invoke(2, KvOp::Put(1, 8));
    leader.flush();
    leader.message(N1, Message::Appended { term: 1, matched: 3 });
    leader.message(N2, Message::Appended { term: 1, matched: 3 });
    assert_eq!((leader.raft.commit_index(), leader.raft.durable_index()), (3, 2));
}

/// §5.3: "The leader keeps track of the highest index it knows to be committed, and it includes that index
/// in future AppendEntries RPCs (including heartbeats) so that the other servers eventually find out. Once
/// a follower learns that a log entry is committed, it applies the entry to its local state machine (in
/// log order)."
#[test]
fn followers_learn_the_commit_index_and_apply() {
    let mut node = Node::new(plain(3), N0);
    node.message(N1, append(1, (0, 0), &[1, 1], 0));
    assert_eq!(node.raft.machine().get(1), None);
    node.message(N1, append(1, (2, 1), &[], 1));
    assert_eq!((node.raft.machine().get(1), node.raft.machine().get(2)), (Some(1), None));
}

/// §5.3: "If the follower does not find an entry in its log with the same index and term, then it refuses
/// the new entries." A heartbeat is checked as well.
#[test]
fn a_follower_refuses_what_does_not_fit() {
    for (prev, new) in [((3, 1), vec![2]), ((2, 2), vec![2]), ((3, 2), vec![]), ((2, 2), vec![])] {
        let mut node = Node::with_log(plain(3), 2, &[1, 1]);
        let effects = node.message(N1, append(2, prev, &new, 2));
        assert!(says(&effects, "mark append-conflict"), "{prev:?}: {effects:?}");
        assert!(says(&effects, "send n1 Conflict(t2 prev"));
        assert_eq!((node.terms(), node.raft.commit_index()), (vec![1, 1], 0), "{prev:?}");
        assert!(node.flush().is_empty(), "nothing is acknowledged");
    }
}

/// §5.3, Fig. 7: "conflicting entries in follower logs will be overwritten with entries from the leader's
/// log." Fig. 2, AppendEntries 3: the existing entry is deleted "and all that follow it".
#[test]
fn logs_of_figure_7_become_the_leader_s() {
    let leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    let followers: [&[u64]; 6] = [
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    for follower in followers {
        let mut cluster = Cluster::with_logs(plain(3), 7, &[&leader, follower, &leader]);
        cluster.isolated = [N1].into();
        cluster.elect(N0);
        cluster.isolated.clear();
        cluster.timeout(N0, Timer::Heartbeat);
        cluster.settle();
        assert_eq!(cluster.terms(N1), [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8], "from {follower:?}");
        assert_eq!(cluster.node(N1).log(), cluster.node(N0).log());
    }
}

/// §5.3: "When a leader first comes to power, it initializes all nextIndex values to the index just after
/// the last one in its log", and "After a rejection, the leader decrements nextIndex and retries": with
/// the hint of the follower (end of §5.3), by whole terms.
#[test]
fn a_conflict_sends_the_leader_back_by_whole_terms() {
    let mut leader = Node::leader(plain(3), 8, &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6]);
    let conflict =
        |prev_index, hint_index, hint_term| Message::Conflict { term: 8, prev_index, hint_index, hint_term };
    // Fig. 7 (f): the follower's last entries are of terms 2 and 3, which the leader has none of.
    let back = leader.message(N1, conflict(10, 10, 3));
    assert_eq!(back, ["mark conflict-hint-used"]);
    let sent = leader.flush();
    assert!(says(&sent, "send n1 Append(t8 prev 3@1 [Put(4,4)@4 Put(5,4)@4"), "{sent:?}");
    assert_eq!(leader.message(N1, conflict(10, 10, 3)), ["refuse conflict-of-the-past"]);
    assert_eq!(leader.terms(), [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8], "a leader's own log does not change");
}

/// Fig. 2, AppendEntries 3 and 4: only a conflict truncates. A delayed append that ends earlier than the
/// log must not cut it.
#[test]
fn an_append_that_is_already_known_truncates_nothing() {
    let mut node = Node::new(plain(3), N0);
    node.message(N1, append(1, (0, 0), &[1, 1, 1], 0));
    let written = node.written.len();
    for (prev, new) in [((0, 0), vec![1]), ((0, 0), vec![]), ((1, 1), vec![1]), ((0, 0), vec![1, 1, 1])] {
        node.message(N1, append(1, prev, &new, 0));
        assert_eq!(node.terms(), [1, 1, 1]);
    }
    assert_eq!(node.written.len(), written, "nothing is written again");
    assert!(says(&node.flush(), "send n1 Appended(t1 3)"), "one answer for all of them");
}

/// Fig. 2, AppendEntries 5: "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of
/// last new entry)."
#[test]
fn commit_stops_at_the_last_new_entry() {
    let mut node = Node::with_log(plain(3), 2, &[1, 2, 2]);
    // The leader of term 3 has another entry 2; so far it has shown entry 1.
    node.message(N1, append(3, (1, 1), &[], 3));
    assert_eq!(node.raft.commit_index(), 1, "entries 2 and 3 are not the leader's");
    node.message(N1, append(3, (1, 1), &[3], 3));
    assert_eq!((node.raft.commit_index(), node.terms()), (2, vec![1, 3]));
}

// §5.4: safety.

/// §5.4.1: "the voter denies its vote if its own log is more up-to-date than that of the candidate", and
/// "If the logs have last entries with different terms, then the log with the later term is more
/// up-to-date. If the logs end with the same term, then whichever log is longer is more up-to-date."
#[test]
fn a_voter_denies_its_vote_to_a_shorter_or_older_log() {
    // The voter's last entry is (index 2, term 2).
    let cases = [
        ((2, 2), true),
        ((3, 2), true),
        ((1, 3), true),
        ((9, 3), true),
        ((1, 2), false),
        ((2, 1), false),
        ((9, 1), false),
        ((0, 0), false),
    ];
    for ((last_index, last_term), granted) in cases {
        let mut node = Node::with_log(plain(3), 3, &[1, 2]);
        let effects = node.message(N1, Message::RequestVote { term: 4, last_index, last_term, told: false });
        let verdict = if granted { "send n1 Vote(t4 granted)" } else { "send n1 Vote(t4 refused)" };
        assert!(says(&effects, verdict), "{last_index}@{last_term}: {effects:?}");
        assert_eq!(says(&effects, "mark vote-refused-stale-log"), !granted);
        assert_eq!(node.raft.term(), 4, "the term is updated either way");
    }
}

/// §5.4.2: "Only log entries from the leader's current term are committed by counting replicas."
#[test]
fn entries_of_earlier_terms_are_not_committed_by_counting() {
    let mut leader = Node::leader(plain(3), 3, &[1, 2]);
    leader.message(N1, Message::Appended { term: 3, matched: 2 });
    assert_eq!(leader.raft.commit_index(), 0, "a majority has entry 2 of term 2");
    leader.message(N1, Message::Appended { term: 3, matched: 3 });
    assert_eq!(leader.raft.commit_index(), 3, "the no-op of term 3 takes it along");
}

/// §5.4.2, Fig. 8: an entry of an earlier term that a majority holds can still be overwritten.
#[test]
fn figure_8_commits_nothing_that_is_overwritten() {
    let logs: [&[u64]; 5] = [&[1, 2], &[1, 2], &[1], &[1], &[1, 3]];
    let mut cluster = Cluster::with_logs(plain(5), 3, &logs);
    // (c): S1 leads term 4, and its entry of term 2 reaches a majority, before its own does.
    cluster.config.append_entries_max = 1;
    cluster.isolated = [N3, N4].into();
    cluster.timeout(N0, Timer::Election);
    for _ in 0..100 {
        if cluster.terms(N2) == [1, 2] {
            break;
        }
        if !cluster.deliver() {
            for node in [N0, N1, N2] {
                cluster.sync(node, usize::MAX);
            }
        }
    }
    assert_eq!(cluster.terms(N2), [1, 2]);
    assert!(cluster.node(N0).is_leader());
    cluster.sync(N2, usize::MAX);
    for _ in 0..cluster.in_flight() {
        cluster.deliver();
    }
    assert_eq!(cluster.node(N0).commit_index(), 0, "entry 2 is on three of five");
    cluster.lose_all();
    // (d): S1 is gone, and S5 is elected by nodes that hold less than it does.
    cluster.crash(N0, 0);
    cluster.crash(N1, 0);
    cluster.isolated.clear();
    for _ in 0..2 {
        cluster.timeout(N4, Timer::Election);
        cluster.settle();
    }
    assert_eq!(cluster.terms(N2), [1, 3, 5], "its entry of term 3 replaces that of term 2");
}

/// §5.4.3 in one story: the new leader has what the old one committed.
#[test]
fn what_was_committed_survives_its_leader() {
    let mut cluster = Cluster::new(plain(3));
    cluster.elect(N0);
    cluster.isolated = [N2].into();
    cluster.invoke(N0, 1, KvOp::Put(1, 7));
    cluster.settle();
    assert_eq!(cluster.answers[&OpId(1)], Answer::Applied(KvAnswer::Stored));
    cluster.crash(N0, 0);
    cluster.isolated.clear();
    cluster.timeout(N2, Timer::Election);
    cluster.settle();
    assert!(!cluster.node(N2).is_leader(), "n2 lacks the committed entry");
    assert!(cluster.marks["vote-refused-stale-log"] > 0);
    cluster.elect(N1);
    cluster.invoke(N1, 2, KvOp::Get(1));
    cluster.settle();
    assert_eq!(cluster.answers[&OpId(2)], Answer::Applied(KvAnswer::Value(Some(7))));
}

// §5.5, §8: crashes and clients.

/// §5.5: "if a follower receives an AppendEntries request that includes log entries already present in
/// its log, it ignores those entries in the new request"; RPCs are idempotent.
#[test]
fn a_repeated_request_does_no_harm() {
    let mut node = Node::new(plain(3), N0);
    node.message(N1, append(1, (0, 0), &[1, 1], 1));
    node.flush();
    node.synced();
    let before = node.raft.clone();
    node.message(N1, append(1, (0, 0), &[1, 1], 1));
    assert!(says(&node.flush(), "send n1 Appended(t1 2)"), "it is answered again");
    assert_eq!(node.raft, before);
}

/// Fig. 2: log entries are on stable storage before the server responds, and one answer serves all
/// requests since the last.
#[test]
fn an_acknowledgement_waits_for_the_disk() {
    let mut node = Node::new(plain(3), N0);
    node.message(N1, append(1, (0, 0), &[1], 0));
    node.message(N1, append(1, (1, 1), &[1, 1], 0));
    let effects = node.flush();
    assert_eq!(effects[1..], ["send n1 Appended(t1 3) after w3"]);
    assert!(node.flush().is_empty());
    node.synced();
    node.message(N1, append(1, (3, 1), &[], 0));
    assert_eq!(node.flush()[1..], ["send n1 Appended(t1 3)"], "what is durable needs no waiting");
}

/// §8: "each leader commit a blank no-op entry into the log at the start of its term".
#[test]
fn a_leader_begins_its_term_with_a_no_op() {
    let leader = Node::leader(plain(3), 2, &[1]);
    assert!(leader.written.iter().any(|record| format!("{record:?}") == "Append(2 [NoOp@2])"));
    assert!(matches!(leader.written[0], Record::Vote { term: 2, vote: Some(N0) }));
}

/// §8: "If the client's first choice is not the leader, that server will reject the client's request and
/// supply information about the most recent leader it has heard from."
#[test]
fn other_servers_name_the_leader() {
    let mut node = Node::new(plain(3), N0);
    assert_eq!(node.invoke(1, KvOp::Get(1)), ["answer op1 Redirect(None)"]);
    node.message(N1, append(1, (0, 0), &[], 0));
    assert_eq!(node.invoke(2, KvOp::Get(1)), ["answer op2 Redirect(Some(n1))"]);
}
