//! Reads that do not go through the log (dissertation §6.4), one test per sentence.

use swarm_protocol::{OpId, Ticks};
use swarm_raft::{Answer, Config, KvAnswer, KvOp, Message, Reads, Timer};

use crate::cluster::Cluster;
use crate::node::{N0, N1, N2, N3, Node, append, plain};

/// The least election timeout of these tests, and how much of it a lease is.
const TIMEOUT: Ticks = Ticks::from_millis(150);
const LEASE: Ticks = Ticks(149_850);

const GET: KvOp = KvOp::Get(1);

fn index(n: u32) -> Config {
    Config { reads: Reads::Index, ..plain(n) }
}

fn lease(n: u32) -> Config {
    let reads = Reads::Lease { drift_per_million: 500 };
    let config = Config { check_quorum: true, reads, ..plain(n) };
    assert_eq!(config.validate(), Ok(()));
    config
}

fn confirmed(round: u64) -> Message<KvOp> {
    Message::Confirmed { term: 2, round }
}

/// The leader of term 2, whose first entry there is committed.
fn leader(config: Config) -> Node {
    let voters = config.voters.len() as u32;
    let mut leader = Node::leader(config, 2, &[1]);
    for voter in (1..=voters / 2).map(swarm_protocol::NodeId) {
        leader.message(voter, Message::Appended { term: 2, matched: 2 });
    }
    assert_eq!(leader.raft.commit_index(), 2);
    leader.flush();
    leader
}

fn sends(effects: &[String]) -> Vec<&str> {
    effects.iter().map(String::as_str).filter(|effect| effect.starts_with("send")).collect()
}

// Rounds.

/// §6.4: "The leader needs to make sure it has not been superseded by a newer leader of which it is unaware. It
/// issues a new round of heartbeats and waits for their acknowledgments from a majority of the cluster."
#[test]
fn a_read_waits_for_a_majority_to_confirm_the_leader() {
    let mut leader = leader(index(5));
    assert_eq!(leader.invoke(1, GET), [""; 0]);
    let round = ["n1", "n2", "n3", "n4"].map(|peer| format!("send {peer} Confirm(t2 round 1)"));
    assert_eq!(leader.flush(), round);
    assert_eq!(leader.flush(), [""; 0]);
    assert_eq!(leader.message(N1, confirmed(1)), [""; 0]);
    assert_eq!(leader.message(N1, confirmed(1)), [""; 0], "one server is no majority");
    let answer = "answer op1 Applied(Value(Some(1)))";
    assert_eq!(leader.message(N2, confirmed(1)), ["mark read-by-round", answer]);
    assert_eq!(leader.message(N3, confirmed(1)), [""; 0]);
    assert_eq!((leader.raft.log().last_index(), leader.written.len()), (2, 2), "nothing is written for it");
}

/// One round serves all that asked before it, and none that asked since: a question that is under way may have been
/// answered before.
#[test]
fn an_answer_counts_for_the_round_it_names_and_those_before() {
    let mut leader = leader(index(3));
    leader.invoke(1, GET);
    leader.invoke(2, KvOp::Get(9));
    leader.flush();
    leader.invoke(3, GET);
    assert_eq!(leader.flush(), ["send n1 Confirm(t2 round 2)", "send n2 Confirm(t2 round 2)"]);
    let answers = leader.message(N1, confirmed(1));
    assert_eq!(answers[1], "answer op1 Applied(Value(Some(1)))");
    assert_eq!(answers[3..], ["answer op2 Applied(Value(None))"]);
    leader.invoke(4, GET);
    leader.flush();
    assert_eq!(leader.message(N2, confirmed(3)).len(), 4, "of both rounds");
    // What answers an earlier round late says nothing of later ones.
    leader.invoke(5, GET);
    leader.flush();
    assert_eq!(leader.message(N1, confirmed(3)), [""; 0]);
    assert_eq!(leader.message(N1, confirmed(5)), ["refuse confirms-what-was-not-asked"]);
    assert_eq!(leader.message(N1, confirmed(4)).len(), 2);
}

/// §6.4: "If the leader has not yet marked an entry from its current term committed, it waits until it has done so."
#[test]
fn reads_wait_for_an_entry_of_the_term() {
    for config in [index(3), lease(3)] {
        let mut leader = Node::leader(config, 2, &[1]);
        leader.invoke(1, GET);
        assert_eq!(leader.flush(), [""; 0]);
        let heartbeat = leader.timeout(Timer::Heartbeat);
        assert!(sends(&heartbeat).iter().all(|send| send.contains("Append")), "{heartbeat:?}");
        leader.message(N1, Message::Appended { term: 2, matched: 2 });
        assert_eq!(sends(&leader.flush()).len(), 2);
        let answered = leader.message(N1, confirmed(1));
        assert_eq!(answered, ["mark read-by-round", "answer op1 Applied(Value(Some(1)))"]);
    }
}

/// What was lost is asked again under the same number.
#[test]
fn a_heartbeat_asks_again() {
    let mut leader = leader(index(3));
    assert!(sends(&leader.timeout(Timer::Heartbeat)).iter().all(|send| send.contains("Append")));
    leader.invoke(1, GET);
    leader.flush();
    let heartbeat = leader.timeout(Timer::Heartbeat);
    assert_eq!(sends(&heartbeat)[2..], ["send n1 Confirm(t2 round 1)", "send n2 Confirm(t2 round 1)"]);
}

/// Nothing is known of a read by a leader that is deposed: it was surely not answered, and may be asked again.
#[test]
fn a_deposed_leader_sends_its_readers_away() {
    let mut leader = leader(index(3));
    leader.invoke(1, GET);
    leader.flush();
    leader.invoke(2, GET);
    let deposed = leader.message(N1, append(3, (2, 2), &[], 2));
    let answers: Vec<_> = deposed.iter().filter(|effect| effect.starts_with("answer")).collect();
    assert_eq!(answers, ["answer op1 Redirect(None)", "answer op2 Redirect(None)"]);
    assert_eq!(leader.message(N2, confirmed(1)), ["refuse stale-term"]);
    assert_eq!(leader.message(N2, Message::Confirmed { term: 3, round: 1 }), ["refuse not-a-leader"]);
    assert_eq!(leader.invoke(3, GET), ["answer op3 Redirect(Some(n1))"]);
}

/// A follower confirms its leader, follows it if it did not yet, and waits as long again before it stands itself.
#[test]
fn a_voter_confirms_the_leader_of_its_term() {
    let mut node = Node::with_log(index(3), 1, &[1]);
    let confirm = |term| Message::Confirm { term, round: 4 };
    let patience = "set Election 150000us..=300000us";
    // The answer speaks of a term that the disk must hold.
    let entered = ["persist w1 Vote(t2 none)", patience, "send n1 Confirmed(t2 round 4) after w1"];
    assert_eq!(node.message(N1, confirm(2)), entered);
    assert_eq!(node.raft.leader(), Some(N1));
    node.synced();
    assert_eq!(node.message(N1, confirm(2)), [patience, "send n1 Confirmed(t2 round 4)"]);
    assert_eq!(node.message(N2, confirm(2)), ["refuse second-leader-of-a-term"]);
    assert_eq!(node.message(N2, confirm(1)), ["refuse stale-term", "send n2 Stale(t2)"]);
    // An entry that is under way to the disk makes no difference.
    node.message(N1, append(2, (1, 1), &[2], 1));
    assert_eq!(node.message(N1, confirm(2)), [patience, "send n1 Confirmed(t2 round 4)"]);
}

/// Reads that wait are bounded as commands are.
#[test]
fn a_leader_lets_so_many_reads_wait() {
    let mut leader = leader(Config { uncommitted_entries_max: 2, ..index(3) });
    leader.invoke(1, GET);
    leader.invoke(2, GET);
    assert_eq!(leader.invoke(3, GET), ["mark busy", "answer op3 Busy"]);
    leader.flush();
    leader.message(N1, confirmed(1));
    assert_eq!(leader.invoke(4, GET), [""; 0]);
}

/// A cluster of one needs nobody's word.
#[test]
fn a_cluster_of_one_answers_with_the_next_flush() {
    let mut leader = leader(index(1));
    leader.invoke(1, GET);
    assert_eq!(leader.flush(), ["mark read-by-round", "answer op1 Applied(Value(Some(1)))"]);
}

/// A write goes through the log whatever becomes of reads.
#[test]
fn writes_go_through_the_log() {
    let mut leader = leader(lease(3));
    leader.invoke(1, KvOp::Put(1, 7));
    assert_eq!(sends(&leader.flush()), ["send n1 Append(t2 prev 2@2 [Put(1,7)@2] c2)"]);
    assert_eq!(leader.raft.log().last_index(), 3);
}

/// A leader that was cut off, and does not know that there is another, answers nobody.
#[test]
fn a_leader_that_was_cut_off_answers_no_reads() {
    let mut cluster = Cluster::new(index(3));
    cluster.elect(N0);
    cluster.isolated = [N0].into();
    cluster.elect(N1);
    cluster.invoke(N1, 1, KvOp::Put(1, 7));
    cluster.settle();
    cluster.invoke(N0, 2, GET);
    cluster.settle();
    assert!(cluster.node(N0).is_leader() && !cluster.answers.contains_key(&OpId(2)));
    cluster.isolated.clear();
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
    assert_eq!(cluster.answers[&OpId(2)], Answer::Redirect(None));
    cluster.invoke(N1, 3, GET);
    cluster.settle();
    assert_eq!(cluster.answers[&OpId(3)], Answer::Applied(KvAnswer::Value(Some(7))));
}

// Leases.

/// A leader under lease at time 0, by a round that was sent then and answered later.
fn leased() -> Node {
    let mut leader = leader(lease(3));
    leader.timeout(Timer::Heartbeat);
    leader.now = Ticks::from_millis(40);
    leader.message(N1, confirmed(1));
    leader
}

/// §6.4.1: "Once the leader's heartbeats were acknowledged by a majority of the cluster, the leader would extend
/// its lease to start + election timeout / clock drift bound": the start, and not when they were acknowledged.
#[test]
fn a_lease_lasts_from_when_its_round_was_sent() {
    let mut leader = leased();
    leader.now = Ticks(LEASE.0 - 1);
    assert_eq!(leader.invoke(1, GET), ["mark read-by-lease", "answer op1 Applied(Value(Some(1)))"]);
    leader.now = LEASE;
    assert_eq!(leader.invoke(2, GET), [""; 0]);
    assert_eq!(sends(&leader.flush()).len(), 2, "a round, as without a lease");
    assert_eq!(leader.message(N2, confirmed(2)).len(), 2);
    // That round made another lease.
    leader.now = Ticks(2 * LEASE.0 - 1);
    assert_eq!(leader.invoke(3, GET).len(), 2);
}

/// A server that confirms its leader has answered it, as CheckQuorum asks.
#[test]
fn who_confirms_a_leader_has_answered_it() {
    let mut leader = leased();
    assert_eq!(leader.timeout(Timer::Election).len(), 1, "of its append");
    leader.message(N1, confirmed(1));
    assert_eq!(leader.timeout(Timer::Election).len(), 1, "of the round");
    assert_eq!(leader.timeout(Timer::Election)[0], "mark quorum-lost");
}

/// A round that no majority answers makes no lease, and one that is answered late none that is later than itself.
#[test]
fn only_a_majority_renews_a_lease() {
    let mut leader = leader(lease(5));
    for now in [0, 50, 100] {
        leader.now = Ticks::from_millis(now);
        leader.timeout(Timer::Heartbeat);
    }
    leader.message(N1, confirmed(3));
    assert_eq!(leader.invoke(1, GET), [""; 0]);
    leader.message(N2, confirmed(2));
    leader.now = Ticks::from_millis(50) + LEASE;
    assert_eq!(leader.invoke(2, GET), [""; 0]);
    leader.now = Ticks(leader.now.0 - 1);
    assert_eq!(leader.invoke(3, GET).len(), 2);
}

/// A clock that was set back before the lease began proves nothing.
#[test]
fn a_clock_before_the_lease_is_not_believed() {
    let mut leader = leader(lease(3));
    leader.now = Ticks::from_millis(1000);
    leader.timeout(Timer::Heartbeat);
    leader.message(N1, confirmed(1));
    leader.now = Ticks::from_millis(999);
    assert_eq!(leader.invoke(1, GET), [""; 0]);
}

/// The lease ends with the leader's term.
#[test]
fn a_leader_that_steps_down_has_no_lease() {
    let mut leader = leased();
    leader.message(N2, Message::Stale { term: 3 });
    assert_eq!(leader.invoke(1, GET), ["answer op1 Redirect(None)"]);
    leader.now = Ticks::from_millis(50);
    leader.timeout(Timer::Election);
    leader.synced();
    leader.message(N1, Message::Vote { term: 4, granted: true });
    leader.flush();
    leader.synced();
    leader.message(N1, Message::Appended { term: 4, matched: 3 });
    assert_eq!(leader.invoke(2, GET), [""; 0], "the lease of term 2");
}

/// What a lease rests on: who answered a round votes for nobody until the lease is over, also after a crash.
#[test]
fn who_confirms_a_leader_elects_no_other() {
    let mut node = Node::with_log(lease(3), 2, &[1]);
    node.now = TIMEOUT;
    node.message(N1, append(2, (1, 1), &[2], 1));
    node.now = Ticks::from_millis(400);
    node.message(N1, Message::Confirm { term: 2, round: 1 });
    let request = || Message::RequestVote { term: 3, last_index: 9, last_term: 2, told: false };
    node.now = Ticks(400_000 + TIMEOUT.0 - 1);
    assert_eq!(node.message(N2, request()), ["refuse hears-a-leader"]);
    node.now = Ticks(400_000 + TIMEOUT.0);
    assert!(node.message(N2, request()).iter().any(|effect| effect.contains("Vote(t3 granted)")));
}
