//! What a leader holds back: from a follower that does not keep up, and from clients when too little commits.

use swarm_raft::{Answer, Config, Kv, KvOp, Machine as _, Message, Timer};

use crate::cluster::Cluster;
use crate::node::{N0, N1, N2, Node, plain};

/// What the log counts for one command.
fn entry_bytes() -> u64 {
    Kv::bytes(&KvOp::Get(0)) + 16
}

/// A leader that has committed its no-op and knows where node 1 stands.
fn leader(config: Config) -> Node {
    let mut leader = Node::leader(config, 1, &[]);
    leader.message(N1, Message::Appended { term: 1, matched: 1 });
    leader
}

fn to_n1(sent: Vec<String>) -> Vec<String> {
    sent.into_iter().filter(|text| text.starts_with("send n1 Append")).collect()
}

/// One command, in an append of its own.
fn command(leader: &mut Node, id: u64) -> Vec<String> {
    leader.invoke(id, KvOp::Get(id as u16));
    to_n1(leader.flush())
}

#[test]
fn so_many_appends_are_on_their_way_and_no_more() {
    let mut leader = leader(Config { in_flight_messages_max: 2, ..plain(3) });
    assert_eq!(command(&mut leader, 2), ["send n1 Append(t1 prev 1@1 [Get(2)@1] c1)"]);
    assert_eq!(command(&mut leader, 3), ["send n1 Append(t1 prev 2@1 [Get(3)@1] c1)"]);
    assert!(command(&mut leader, 4).is_empty() && command(&mut leader, 5).is_empty());
    // A heartbeat carries nothing, and is none of them.
    assert_eq!(to_n1(leader.timeout(Timer::Heartbeat)), ["send n1 Append(t1 prev 3@1 [] c1)"]);
    // One arrives, one leaves: with all that has gathered.
    leader.message(N1, Message::Appended { term: 1, matched: 2 });
    assert_eq!(to_n1(leader.flush()), ["send n1 Append(t1 prev 3@1 [Get(4)@1 Get(5)@1] c1)"]);
    assert!(command(&mut leader, 6).is_empty());
    // An acknowledgement that comes again lets nothing leave.
    leader.message(N1, Message::Appended { term: 1, matched: 2 });
    assert!(to_n1(leader.flush()).is_empty());
    // What is lost counts no longer.
    leader.message(N1, Message::Conflict { term: 1, prev_index: 3, hint_index: 2, hint_term: 1 });
    assert_eq!(to_n1(leader.flush()).len(), 1);
    leader.message(N1, Message::Appended { term: 1, matched: 6 });
    assert_eq!(command(&mut leader, 7).len(), 1);
    assert_eq!(command(&mut leader, 8).len(), 1);
    assert!(command(&mut leader, 9).is_empty());
}

#[test]
fn so_many_bytes_are_on_their_way_and_less_than_an_append_more() {
    let mut leader = leader(Config { in_flight_bytes_max: 2 * entry_bytes() + 1, ..plain(3) });
    for (id, sends) in [(2, 1), (3, 1), (4, 1), (5, 0)] {
        assert_eq!(command(&mut leader, id).len(), sends, "{id}");
    }
    let metrics = leader.raft.metrics();
    let of = metrics.followers.iter().find(|peer| peer.node == N1).expect("a follower");
    assert_eq!((of.in_flight_entries, of.in_flight_messages), (3, 3));
    assert_eq!(of.in_flight_bytes, 3 * entry_bytes());
    leader.message(N1, Message::Appended { term: 1, matched: 2 });
    assert_eq!(to_n1(leader.flush()).len(), 1);
    leader.message(N1, Message::Appended { term: 1, matched: 5 });
    assert_eq!(leader.raft.metrics().followers[0].in_flight_bytes, 0);
}

#[test]
fn an_append_is_no_larger_than_it_may_be_unless_one_entry_is() {
    for (bytes, appends) in [(1, 5), (entry_bytes(), 5), (2 * entry_bytes(), 3), (5 * entry_bytes(), 1)] {
        let mut leader = leader(Config { append_bytes_max: bytes, ..plain(3) });
        (2..7).for_each(|id| drop(leader.invoke(id, KvOp::Get(0))));
        assert_eq!(to_n1(leader.flush()).len(), appends, "{bytes}");
    }
}

#[test]
fn a_command_larger_than_any_may_be_is_refused() {
    let bytes = Kv::bytes(&KvOp::Get(0));
    let mut leader = leader(Config { command_bytes_max: bytes - 1, ..plain(3) });
    let before = leader.raft.clone();
    assert_eq!(
        leader.invoke(1, KvOp::Get(0)),
        ["mark command-too-large", "answer op1 Refused(\"larger than a command may be\")"]
    );
    assert_eq!(leader.raft, before);
    assert_eq!(leader.raft.metrics().counts.dropped_refused, 1);
    leader.config.command_bytes_max = bytes;
    assert!(leader.invoke(1, KvOp::Get(0)).is_empty());
}

/// The limit is one of memory: it counts what other leaders left in the log as well, and ends with what commits.
#[test]
fn commands_wait_for_those_before_them_to_commit() {
    let bytes = entry_bytes();
    let busy = |texts: &[String]| texts.contains(&String::from("mark busy"));
    // Two entries of a leader before it.
    let mut leader = Node::leader(Config { uncommitted_bytes_max: 4 * bytes, ..plain(3) }, 3, &[1, 2]);
    assert!(!busy(&leader.invoke(1, KvOp::Get(0))), "16 bytes of the no-op, and three commands");
    assert!(busy(&leader.invoke(2, KvOp::Get(0))));
    leader.message(N1, Message::Appended { term: 3, matched: 3 });
    for (id, refused) in [(3, false), (4, false), (5, false), (6, true)] {
        assert_eq!(busy(&leader.invoke(id, KvOp::Get(0))), refused, "{id}");
    }
    assert_eq!(leader.raft.metrics().counts.dropped_busy, 2);
    // With a limit that is smaller than any command, one at a time.
    leader.config.uncommitted_bytes_max = 1;
    leader.flush();
    leader.synced();
    leader.message(N1, Message::Appended { term: 3, matched: 7 });
    assert_eq!(leader.raft.commit_index(), 7);
    assert!(!busy(&leader.invoke(7, KvOp::Get(0))));
    assert!(busy(&leader.invoke(8, KvOp::Get(0))));
}

/// However small the windows are, everything arrives in the end.
#[test]
fn small_windows_delay_and_lose_nothing() {
    for (messages, bytes, append) in [(1, 1, 1), (2, 50, 60), (1, 1000, 100)] {
        let config = Config {
            in_flight_messages_max: messages,
            in_flight_bytes_max: bytes,
            append_bytes_max: append,
            ..plain(3)
        };
        let mut cluster = Cluster::new(config);
        cluster.elect(N0);
        cluster.isolated.insert(N2);
        for id in 0..20 {
            cluster.invoke(N0, id, KvOp::Put(id as u16, id));
        }
        cluster.settle();
        cluster.isolated.clear();
        cluster.timeout(N0, Timer::Heartbeat);
        cluster.settle();
        for _ in 0..2 {
            cluster.timeout(N0, Timer::Heartbeat);
            cluster.settle();
        }
        assert!(cluster.answers.values().all(|answer| matches!(answer, Answer::Applied(_))));
        assert_eq!(cluster.answers.len(), 20);
        for node in [N1, N2] {
            assert_eq!(cluster.node(node).machine(), cluster.node(N0).machine(), "{node}");
        }
    }
}
