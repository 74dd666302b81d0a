//! Witnesses: voters that store no commands (Pâris 1986, dissertation §11.7.2).

use std::sync::Arc;

use swarm_protocol::{Input, NodeId, NodeSet, OpId, Protocol, Stream, WriteId};
use swarm_raft::{
    Answer, Compaction, Config, Entries, Entry, Kv, KvAnswer, KvOp, Loan, Managed, ManagedAnswer, Membership,
    Message, Part, Payload, PayloadLog, Record, Request, Run, Snapshot, Term, Timer,
};

use crate::cluster::{Cluster, ClusterOf};
use crate::node::{N0, N1, N2, N3, N4, Node, append, plain};

/// Of so many voters the last is a witness.
fn witnessed(nodes: u32) -> Config {
    let config = Config { witnesses: NodeSet::from_bits(1 << (nodes - 1)), ..plain(nodes) };
    assert_eq!(config.validate(), Ok(()));
    config
}

/// The same, and node 0 is it: what is told of a single node is told of that one.
fn the_witness(nodes: u32) -> Config {
    Config { witnesses: NodeSet::first(1), ..plain(nodes) }
}

/// Node 0, a witness, in `term` with a log of entries of these terms.
fn witness(config: Config, term: Term, terms: &[Term]) -> Node {
    let disk = [Record::Vote { term, vote: None }, Record::Append { first: 1, entries: withheld(terms) }];
    Node::boot(config, N0, disk.into_iter().take(1 + usize::from(!terms.is_empty())).collect())
}

/// Entries of these terms without their commands.
fn withheld(terms: &[Term]) -> Entries<KvOp> {
    Entries::from_runs(terms.iter().map(|term| Run::new(*term, [Entry::Withheld].into())).collect())
}

/// An append to a witness, as `append` is one to others.
fn append_withheld(term: Term, prev: (u64, Term), terms: &[Term], commit: u64) -> Message<KvOp> {
    let (prev_index, prev_term) = prev;
    Message::Append { term, prev_index, prev_term, commit, entries: withheld(terms) }
}

/// What a node's log holds, as it prints.
fn log(cluster: &Cluster, node: NodeId) -> Vec<String> {
    cluster.node(node).log().iter().map(|(term, entry)| format!("{entry:?}@{term}")).collect()
}

/// Everything that is under way arrives, and no disk gets anything done.
fn deliver_all(cluster: &mut Cluster) {
    while cluster.deliver() {}
}

// What it does.

/// Entries are acknowledged by term and index when those are durable, and votes given as by anybody; commands reach
/// neither log nor disk nor machine.
#[test]
fn a_witness_votes_and_acknowledges_and_stores_no_commands() {
    let mut cluster = Cluster::new(witnessed(3));
    cluster.isolated.insert(N1);
    cluster.elect(N0);
    for id in 1..=3 {
        cluster.invoke(N0, id, KvOp::Put(id as u16, 7));
        cluster.settle();
        assert_eq!(cluster.answers.get(&OpId(id)), Some(&Answer::Applied(KvAnswer::Stored)));
    }
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
    assert_eq!(log(&cluster, N2), ["NoOp@1", "Withheld@1", "Withheld@1", "Withheld@1"]);
    assert_eq!(cluster.terms(N2), cluster.terms(N0));
    assert_eq!((cluster.node(N2).commit_index(), cluster.node(N2).durable_index()), (4, 4));
    assert_eq!(cluster.node(N2).machine(), &Kv::default(), "it runs none");
    let records = format!("{:?}", cluster.records(N2));
    assert!(records.contains("Withheld") && !records.contains("Put"), "{records}");
    assert_eq!(cluster.node(N2).metrics().role, "witness");
    let of = |node| cluster.node(N0).metrics().followers.into_iter().find(|peer| peer.node == node);
    assert_eq!([N1, N2].map(|node| of(node).map(|peer| peer.witness)), [Some(false), Some(true)]);
}

#[test]
fn a_witness_votes_as_its_log_says() {
    let mut node = witness(the_witness(3), 2, &[1, 2]);
    let asks =
        |term, last_index, last_term| Message::RequestVote { term, last_index, last_term, told: false };
    for (term, last_index, last_term, granted) in [(3, 1, 2, false), (4, 9, 1, false), (5, 2, 2, true)] {
        node.message(N1, asks(term, last_index, last_term));
        assert_eq!(node.raft.vote().is_some(), granted, "{last_index}@{last_term}");
    }
    node.message(N2, asks(5, 3, 2));
    assert_eq!(node.raft.vote(), Some(N1), "once per term");
}

#[test]
fn a_witness_stands_for_nothing() {
    for pre_vote in [false, true] {
        let mut node = witness(Config { pre_vote, ..the_witness(3) }, 2, &[1, 2]);
        assert_eq!(node.timeout(Timer::Election), ["refuse witness-does-not-stand"]);
        node.message(N1, append_withheld(2, (2, 2), &[], 0));
        assert_eq!(node.message(N1, Message::TimeoutNow { term: 2 }), ["refuse witness-does-not-stand"]);
        assert_eq!((node.raft.term(), node.raft.vote()), (2, None));
    }
}

/// With PreVote a server that knows a leader elects nobody else; others forget theirs when they stand.
#[test]
fn a_witness_elects_another_when_its_leader_is_silent() {
    let mut cluster = Cluster::new(Config { pre_vote: true, ..witnessed(3) });
    cluster.elect(N0);
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
    cluster.isolated.insert(N0);
    cluster.timeout(N1, Timer::Election);
    cluster.settle();
    assert!(!cluster.node(N1).is_leader(), "the witness has heard from its leader");
    cluster.timeout(N2, Timer::Election);
    cluster.timeout(N1, Timer::Election);
    cluster.settle();
    assert!(cluster.node(N1).is_leader());
}

#[test]
fn a_witness_sends_clients_to_its_leader() {
    let mut cluster = Cluster::new(witnessed(3));
    cluster.elect(N0);
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
    for (id, op) in [(1, KvOp::Get(0)), (2, KvOp::Put(0, 1))] {
        cluster.invoke(N2, id, op);
        assert_eq!(cluster.answers.get(&OpId(id)), Some(&Answer::Redirect(Some(N0))));
    }
    assert_eq!(cluster.marks.get("witness-serves-nobody"), Some(&2));
    assert_eq!(cluster.node(N2).metrics().counts.dropped_not_leading, 2);
}

// What is safe, and what is given up.

/// The only full server with what was committed is down: the other one is refused, and nobody leads until it is back.
#[test]
fn who_lacks_what_a_witness_acknowledged_is_not_elected() {
    let mut cluster = Cluster::new(witnessed(3));
    cluster.elect(N0);
    cluster.isolated.insert(N1);
    cluster.invoke(N0, 1, KvOp::Put(0, 7));
    cluster.settle();
    assert!(cluster.answers.contains_key(&OpId(1)), "the witness and one other");
    cluster.crash(N0, 0);
    cluster.isolated.clear();
    for _ in 0..3 {
        for node in [N1, N2] {
            cluster.timeout(node, Timer::Election);
            cluster.settle();
        }
        assert!(!cluster.node(N1).is_leader() && !cluster.node(N2).is_leader());
    }
    cluster.restart(N0);
    cluster.timeout(N0, Timer::Election);
    cluster.settle();
    // Its term may be behind at first.
    cluster.timeout(N0, Timer::Election);
    cluster.settle();
    assert!(cluster.node(N0).is_leader());
    cluster.invoke(N0, 2, KvOp::Get(0));
    cluster.settle();
    assert_eq!(cluster.answers.get(&OpId(2)), Some(&Answer::Applied(KvAnswer::Value(Some(7)))));
}

/// Not before: a witness that has what its leader loses would refuse even that one.
#[test]
fn a_witness_is_sent_what_its_leader_holds_durably() {
    let mut cluster = Cluster::new(witnessed(3));
    cluster.elect(N0);
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
    cluster.invoke(N0, 1, KvOp::Put(0, 7));
    deliver_all(&mut cluster);
    cluster.timeout(N0, Timer::Heartbeat);
    deliver_all(&mut cluster);
    assert_eq!([N0, N1, N2].map(|node| cluster.node(node).log().last_index()), [2, 2, 1]);
    cluster.sync(N0, 1);
    deliver_all(&mut cluster);
    assert_eq!(cluster.node(N2).log().last_index(), 2);
}

/// What it had sent was on its way to its own disk; the other full server is gone.
#[test]
fn a_leader_that_crashes_before_its_disk_is_done_leads_again() {
    let mut cluster = Cluster::new(witnessed(3));
    cluster.elect(N0);
    cluster.crash(N1, 0);
    cluster.invoke(N0, 1, KvOp::Put(0, 7));
    deliver_all(&mut cluster);
    cluster.crash(N0, 0);
    deliver_all(&mut cluster);
    cluster.sync(N2, usize::MAX);
    cluster.restart(N0);
    cluster.timeout(N0, Timer::Election);
    cluster.settle();
    assert!(cluster.node(N0).is_leader());
    cluster.invoke(N0, 2, KvOp::Get(0));
    cluster.settle();
    assert_eq!(cluster.answers.get(&OpId(2)), Some(&Answer::Applied(KvAnswer::Value(None))));
}

/// What was not committed gives way on a witness, too.
#[test]
fn a_witness_drops_what_contradicts_its_leader() {
    let mut node = witness(the_witness(3), 2, &[1, 1, 1]);
    node.message(N1, append_withheld(3, (1, 1), &[2, 2], 2));
    assert_eq!((node.terms(), node.raft.commit_index()), (vec![1, 2, 2], 2));
    let acknowledged = node.flush();
    assert_eq!(acknowledged.last().map(String::as_str), Some("send n1 Appended(t3 3) after w3"));
}

// What it must not be sent.

#[test]
fn what_the_other_kind_is_sent_is_refused() {
    let part = |data: &[u8]| {
        let (membership, total) = (Membership::of(NodeSet::first(3)), data.len() as u64);
        let part = Part { index: 4, last_term: 1, membership, total, offset: 0, data: data.into() };
        Message::Part { term: 2, part: Box::new(part) }
    };
    let mut node = witness(the_witness(3), 2, &[1]);
    let before = node.raft.clone();
    assert_eq!(node.message(N1, append(2, (1, 1), &[2], 0)), ["refuse witness-takes-no-commands"]);
    assert_eq!(node.message(N1, part(&[1; 10])), ["refuse witness-takes-no-state"]);
    assert_eq!(node.raft, before);

    let lent = Loan { prev_index: 1, prev_term: 1, last_index: 2, last_term: 2, entries: withheld(&[2]) };
    let config = Config { pre_vote: true, lends: true, witnesses: NodeSet::from_bits(4), ..plain(3) };
    let mut node = Node::with_log(config, 2, &[1]);
    node.timeout(Timer::Election);
    let before = node.raft.clone();
    assert_eq!(node.message(N1, append_withheld(2, (1, 1), &[2], 0)), ["refuse commands-are-withheld"]);
    let lend = Message::Lend { term: 3, loan: Box::new(lent) };
    assert_eq!(node.message(N2, lend), ["refuse commands-are-withheld"]);
    assert_eq!(node.raft, before);

    // Whose leader takes it for a witness, though it knows of none.
    let mut node = Node::with_log(plain(3), 2, &[1]);
    let before = node.raft.clone();
    assert_eq!(node.message(N1, append_withheld(2, (1, 1), &[2], 0)), ["refuse commands-are-withheld"]);
    assert_eq!(node.raft, before);
}

/// What a server is it remains: whoever is to be something else takes another number, and an empty disk.
#[test]
fn a_server_does_not_boot_from_a_disk_of_the_other_kind() {
    let vote = || Record::Vote { term: 2, vote: None };
    let commands = || Record::Append { first: 1, entries: crate::node::entries(1, &[1]) };
    let snapshot = |data: &[u8]| {
        let membership = Membership::of(NodeSet::first(3));
        Record::Snapshot(Arc::new(Snapshot { index: 1, term: 1, membership, data: data.into() }))
    };
    let nothing = || Record::Append { first: 1, entries: withheld(&[1]) };
    let mut state = Vec::new();
    swarm_raft::Machine::save(
        &{
            let mut kv = Kv::default();
            swarm_raft::Machine::apply(&mut kv, &KvOp::Put(0, 1));
            kv
        },
        &mut state,
    );
    for (config, disk, boots) in [
        (the_witness(3), vec![vote(), nothing()], true),
        (the_witness(3), vec![vote(), snapshot(&[])], true),
        (the_witness(3), vec![vote(), commands()], false),
        (the_witness(3), vec![vote(), snapshot(&state)], false),
        (witnessed(3), vec![vote(), commands()], true),
        (witnessed(3), vec![vote(), snapshot(&state)], true),
        (witnessed(3), vec![vote(), nothing()], false),
        (plain(3), vec![vote(), nothing()], false),
    ] {
        let node = Node::boot(config, N0, disk.clone());
        assert_eq!(!node.raft.is_halted(), boots, "{disk:?}");
        node.raft.check_invariants(&node.config);
    }
}

// Snapshots.

/// Where it ends, and who takes part: no bytes; its own it takes likewise, and boots from it.
#[test]
fn a_witness_has_of_a_snapshot_where_it_ends() {
    let compaction = Compaction { log_bytes: 150, tail_entries: 0, part_bytes: 7 };
    let mut cluster = Cluster::new(Config { compaction, ..witnessed(3) });
    cluster.elect(N0);
    cluster.isolated.insert(N2);
    for id in 0..10 {
        cluster.invoke(N0, id, KvOp::Put(id as u16, 7));
        cluster.settle();
    }
    let leads =
        |cluster: &Cluster| cluster.node(N0).snapshot().map(|snapshot| (snapshot.index, snapshot.term));
    assert!(cluster.node(N0).log().base_index() > 1, "the leader has dropped what the witness lacks");
    cluster.isolated.clear();
    for _ in 0..3 {
        cluster.timeout(N0, Timer::Heartbeat);
        cluster.settle();
    }
    let of = |cluster: &Cluster| {
        let snapshot = cluster.node(N2).snapshot().expect("it was sent one").clone();
        ((snapshot.index, snapshot.term), snapshot.data.len(), snapshot.membership)
    };
    assert_eq!(of(&cluster), (leads(&cluster).unwrap(), 0, Membership::of(NodeSet::first(3))));
    assert_eq!(cluster.node(N2).metrics().counts.snapshots_installed, 1);
    assert_eq!(cluster.node(N2).log().last_index(), cluster.node(N0).log().last_index());
    for id in 20..40 {
        cluster.invoke(N0, id, KvOp::Put(0, id));
        cluster.settle();
    }
    assert!(cluster.node(N2).metrics().counts.snapshots_taken > 0, "its own log grows, too");
    assert_eq!(of(&cluster).1, 0);
    let (last, commit) = (cluster.node(N2).log().last_index(), of(&cluster).0.0);
    cluster.crash(N2, usize::MAX);
    cluster.restart(N2);
    assert_eq!((cluster.node(N2).log().last_index(), cluster.node(N2).commit_index()), (last, commit));
}

/// Not even that of an empty one, which for this machine is no empty string.
#[test]
fn a_witness_keeps_no_state_of_any_machine() {
    let compaction = Compaction { log_bytes: 100, tail_entries: 0, part_bytes: 7 };
    let mut cluster = ClusterOf::<PayloadLog>::new(Config { compaction, ..witnessed(3) });
    cluster.elect(N0);
    cluster.isolated.insert(N2);
    for id in 0..20 {
        if id == 10 {
            cluster.isolated.clear();
            cluster.timeout(N0, Timer::Heartbeat);
        }
        cluster.invoke(N0, id, Payload::new(&[id as u8; 70]));
        cluster.settle();
    }
    let counts = cluster.node(N2).metrics().counts;
    assert!(counts.snapshots_installed > 0 && counts.snapshots_taken > 0, "{counts:?}");
    assert_eq!(cluster.node(N2).log().last_index(), 21);
    assert!(cluster.node(N2).snapshot().is_some_and(|snapshot| snapshot.data.is_empty()));
    cluster.crash(N2, usize::MAX);
    cluster.restart(N2);
    assert!(!cluster.node(N2).is_halted());
}

// Loans and transfers.

/// It says that it is ahead, so that it counts with those that may grant later; a loan comes from somebody else.
#[test]
fn a_witness_is_not_asked_for_a_loan() {
    let config = Config { pre_vote: true, lends: true, witnesses: NodeSet::from_bits(0b11000), ..plain(5) };
    assert_eq!(config.validate(), Ok(()));
    let behind = |last_index| Message::Behind { term: 4, last_index, last_term: 3 };
    let mut node = Node::with_log(config.clone(), 3, &[1, 1]);
    node.timeout(Timer::Election);
    assert!(node.message(N3, behind(9)).is_empty());
    assert!(node.message(N4, behind(9)).is_empty(), "a majority with two witnesses, of whom none lends");
    assert!(node.raft.is_pre_candidate());
    assert_eq!(node.message(N1, behind(5)), ["mark loan-asked", "send n1 Ask(t4 prev 2@1)"]);

    let config = Config { pre_vote: true, lends: true, ..the_witness(3) };
    let mut lender = witness(config, 3, &[1, 2]);
    let asks = Message::RequestPreVote { term: 4, last_index: 1, last_term: 1 };
    assert_eq!(lender.message(N1, asks), ["mark pre-vote-refused", "send n1 Behind(t4 last 2@2)"]);
    let ask = |term| Message::Ask { term, prev_index: 1, prev_term: 1 };
    assert_eq!(lender.message(N1, ask(4)), ["refuse witness-lends-nothing"]);
    assert_eq!(lender.raft.metrics().counts.loans_given, 0);
}

type Managing = ClusterOf<Managed<Kv>>;
type Op = Request<KvOp>;
type Told = Answer<ManagedAnswer<KvAnswer>>;

const DONE: Told = Answer::Applied(ManagedAnswer::Changed);

fn change(voters: u64, learners: u64) -> Op {
    Request::Change { voters: NodeSet::from_bits(voters), learners: NodeSet::from_bits(learners) }
}

fn put(key: u16) -> Op {
    Request::Command(KvOp::Put(key, 9))
}

/// Servers 0 to 4, of which these vote at first, and these are witnesses; node 0 leads.
fn led(voters: u64, witnesses: u64) -> Managing {
    let of = NodeSet::from_bits;
    let config =
        Config { voters: of(voters), witnesses: of(witnesses), servers: NodeSet::first(5), ..plain(5) };
    assert_eq!(config.validate(), Ok(()));
    let mut cluster = Managing::new(config);
    cluster.elect(N0);
    for id in 1..=3 {
        cluster.invoke(N0, id, put(id as u16));
        cluster.settle();
    }
    cluster
}

#[test]
fn a_witness_is_handed_nothing() {
    let mut cluster = led(0b00111, 0b00100);
    cluster.invoke(N0, 9, Request::Transfer(N2));
    assert_eq!(cluster.answers.get(&OpId(9)), Some(&Answer::Refused("a witness does not lead")));
    assert_eq!(cluster.node(N0).metrics().counts.dropped_refused, 1);
    cluster.invoke(N0, 10, Request::Transfer(N1));
    cluster.settle();
    assert!(cluster.node(N1).is_leader());
}

/// Nobody but the witness is wanted less than node 0: it stays.
#[test]
fn no_leader_makes_way_for_a_witness() {
    let config = Config {
        check_quorum: true,
        priorities: vec![1, 1, 0],
        witnesses: NodeSet::from_bits(0b100),
        ..plain(3)
    };
    assert_eq!(config.validate(), Ok(()));
    let unfit = Config { priorities: vec![1, 1, 2], ..config.clone() };
    assert_eq!(unfit.validate().unwrap_err().field, "priorities");
    // Whoever starts all the same is not handed over to either.
    let mut cluster = Cluster::new(unfit);
    cluster.elect(N0);
    for _ in 0..3 {
        cluster.timeout(N0, Timer::Heartbeat);
        cluster.settle();
    }
    assert!(cluster.node(N0).is_leader() && !cluster.marks.contains_key("makes-way"));
}

// Changes of members.

/// A cluster of witnesses has nobody to lead it; one in which full voters are no majority may have nobody, though all of
/// them are up, or commit what no full server holds.
#[test]
fn changes_that_leave_no_full_majority_are_refused() {
    let mut cluster = led(0b00111, 0b11100);
    let few = "witnesses leave no majority of full voters";
    for (id, op, reason) in [
        (20, change(0b11100, 0), few),
        (21, change(0b00100, 0b00011), few),
        (22, change(0b00101, 0), few),
        (23, change(0b01111, 0), few),
        (24, change(0b11111, 0), few),
        (25, change(0b00011, 0b00100), "a witness is no learner"),
        (26, change(0b00001, 0b01000), "a witness is no learner"),
    ] {
        cluster.invoke(N0, id, op);
        assert_eq!(cluster.answers.get(&OpId(id)), Some(&Answer::Refused(reason)), "{op:?}");
    }
    assert_eq!(cluster.node(N0).metrics().counts.dropped_refused, 7);
    assert_eq!(cluster.marks.get("change-refused"), Some(&7));
    assert_eq!(*cluster.node(N0).membership(), Membership::of(NodeSet::from_bits(0b00111)));
    for (voters, witnesses, valid) in [
        (0b1, 0b1, false),
        (0b11, 0b10, false),
        (0b111, 0b100, true),
        (0b1111, 0b1100, false),
        (0b11111, 0b11000, true),
    ] {
        let of = NodeSet::from_bits;
        let config = Config { voters: of(voters), witnesses: of(witnesses), ..plain(5) };
        assert_eq!(config.validate().is_ok(), valid, "{voters:b} {witnesses:b}");
    }
}

/// By a learner and a joint configuration, as others do; what is in its log from before it came is withheld, too.
#[test]
fn a_witness_joins_and_leaves() {
    let mut cluster = led(0b00011, 0b00100);
    cluster.invoke(N0, 9, change(0b00111, 0));
    cluster.settle();
    assert_eq!(cluster.answers.get(&OpId(9)), Some(&DONE));
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
    assert_eq!(*cluster.node(N2).membership(), Membership::of(NodeSet::first(3)));
    assert_eq!(cluster.node(N2).machine(), &Managed::default());
    assert_eq!(cluster.terms(N2), cluster.terms(N0));
    cluster.isolated.insert(N1);
    cluster.invoke(N0, 10, put(5));
    cluster.settle();
    assert!(cluster.answers.contains_key(&OpId(10)), "it is counted");
    cluster.isolated.clear();
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
    cluster.invoke(N0, 11, change(0b00011, 0));
    cluster.settle();
    assert_eq!(cluster.answers.get(&OpId(11)), Some(&DONE));
    cluster.crash(N2, 0);
    cluster.invoke(N0, 12, put(6));
    cluster.settle();
    assert!(cluster.answers.contains_key(&OpId(12)), "it is not needed");
}

/// Safe under random events and changes, whatever the witnesses are; and in the end all full servers do the same.
#[test]
fn random_changes_with_witnesses_split_no_cluster() {
    let (mut changed, mut withheld, mut led_by) = (0, 0, 0);
    for seed in 0..120 {
        let draw = &mut Stream::new(seed, 6, 0);
        let log_bytes = if seed % 2 == 0 { u64::MAX } else { 200 };
        let compaction = Compaction { log_bytes, tail_entries: draw.below(3), part_bytes: 9 };
        let (pre_vote, lends) = (seed % 3 > 0, seed % 3 == 2);
        let witnesses = NodeSet::from_bits([0b10000, 0b11000][draw.below(2) as usize]);
        let voters = NodeSet::from_bits(0b111 | draw.below(4) << 3);
        let config =
            Config { compaction, pre_vote, lends, voters, witnesses, servers: NodeSet::first(5), ..plain(5) };
        assert_eq!(config.validate(), Ok(()));
        let mut cluster = Managing::new(config);
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
                        cluster.input(to, Input::Message { from, message });
                    }
                }
                50..=69 => cluster.sync(at, 1 + draw.below(3) as usize),
                70..=73 => cluster.timeout(at, Timer::Election),
                74..=79 => cluster.timeout(at, Timer::Heartbeat),
                80..=86 => cluster.invoke(at, event, put(event as u16 % 3)),
                87..=89 => {
                    // Most of these can be; learners may be witnesses, which cannot.
                    let voters = [0b00111, 0b10011, 0b10111, 0b00011, 0b10110, 0b11111, 0b01111];
                    let voters = voters[draw.below(7) as usize];
                    let learners = if draw.below(8) == 0 { 0b11111 } else { draw.below(8) };
                    cluster.invoke(at, event, change(voters, learners & !voters));
                }
                93..=94 if cluster.is_up(at) => cluster.crash(at, draw.below(3) as usize),
                _ if !cluster.is_up(at) => cluster.restart(at),
                _ => {}
            }
        }
        changed += cluster.marks.get("membership-changed").copied().unwrap_or(0);
        led_by += cluster.marks.get("leader-elected").copied().unwrap_or(0);
        for node in (0..5).map(NodeId).filter(|node| cluster.is_up(*node)) {
            let entries = cluster.node(node).log().iter();
            withheld += entries.filter(|(_, entry)| matches!(entry, Entry::Withheld)).count();
        }
        for reason in ["commands-are-withheld", "witness-takes-no-commands", "witness-takes-no-state"] {
            assert!(!cluster.refusals.contains_key(reason), "seed {seed}: {reason}");
        }
    }
    assert!(changed > 10 && led_by > 100 && withheld > 100, "{changed} {led_by} {withheld}");
}

/// A witness that is in the way of nothing needs no flush that does nothing.
#[test]
fn nothing_is_due_to_a_witness_before_the_disk_is_done() {
    let mut node = Node::leader(Config { witnesses: NodeSet::from_bits(4), ..plain(3) }, 2, &[]);
    node.message(N1, Message::Appended { term: 2, matched: 1 });
    node.message(N2, Message::Appended { term: 2, matched: 1 });
    node.invoke(1, KvOp::Put(0, 1));
    let sent = node.flush();
    assert!(sent.iter().any(|text| text.starts_with("send n1 Append")), "{sent:?}");
    assert!(!sent.iter().any(|text| text.starts_with("send n2")), "{sent:?}");
    assert!(!node.raft.needs_flush());
    node.input(Input::Persisted(WriteId::new(3)));
    assert!(node.raft.needs_flush());
    assert_eq!(node.flush(), ["send n2 Append(t2 prev 1@2 [Withheld@2] c1)"]);
}
