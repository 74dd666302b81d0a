//! Leadership by arrangement: transfer (dissertation §3.10) and priorities.

use std::collections::BTreeMap;

use swarm_protocol::{Delay, Input, NodeId, NodeSet, OpId, Protocol, Stream, Ticks};
use swarm_raft::{
    Answer, Config, Entry, Kv, KvAnswer, KvOp, Managed, ManagedAnswer, Message, Reads, Request, Timer,
};

use crate::cluster::ClusterOf;
use crate::node::{N0, N1, N2, N3, Node, append, plain};

type Cluster = ClusterOf<Managed<Kv>>;
type Told = Answer<ManagedAnswer<KvAnswer>>;

/// The least election timeout of these tests.
const TIMEOUT: Ticks = Ticks::from_millis(150);

const DONE: Told = Answer::Applied(ManagedAnswer::Transferred);
const STORED: Told = Answer::Applied(ManagedAnswer::Applied(KvAnswer::Stored));
const GET: Request<KvOp> = Request::Command(KvOp::Get(1));

fn put(value: u64) -> Request<KvOp> {
    Request::Command(KvOp::Put(1, value))
}

/// Everything that keeps servers out of elections.
fn quiet(n: u32) -> Config {
    Config { check_quorum: true, pre_vote: true, ..plain(n) }
}

fn lease(n: u32) -> Config {
    let config = Config { reads: Reads::Lease { drift_per_million: 500 }, ..quiet(n) };
    assert_eq!(config.validate(), Ok(()));
    config
}

/// A cluster that node 0 leads, with a command in its log.
fn led(config: Config) -> Cluster {
    let mut cluster = Cluster::new(config);
    cluster.elect(N0);
    cluster.invoke(N0, 1, put(1));
    beat(&mut cluster);
    assert_eq!(cluster.answers[&OpId(1)], STORED);
    cluster
}

/// Node 0 sends heartbeats, and all comes to rest.
fn beat(cluster: &mut Cluster) {
    cluster.timeout(N0, Timer::Heartbeat);
    cluster.settle();
}

fn mark(cluster: &Cluster, label: &str) -> u64 {
    cluster.marks.get(label).copied().unwrap_or(0)
}

// Transfer.

/// §3.10: "The prior leader sends a TimeoutNow request to the target server ... [which] starts a new election"; §4.2.3:
/// servers that hear a leader listen to it all the same.
#[test]
fn a_leader_hands_over_when_it_is_asked_to() {
    for config in [plain(3), quiet(3), quiet(5), lease(3)] {
        let mut cluster = led(config);
        cluster.invoke(N0, 2, Request::Transfer(N1));
        cluster.settle();
        assert!(cluster.node(N1).is_leader(), "{:?}", cluster.refusals);
        assert_eq!((cluster.node(N1).term(), cluster.node(N0).leader()), (2, Some(N1)));
        assert_eq!(cluster.answers[&OpId(2)], DONE);
        assert_eq!(cluster.node(N0).metrics().counts.transfers_told, 1);
        cluster.invoke(N1, 3, put(3));
        cluster.settle();
        assert_eq!(cluster.answers[&OpId(3)], STORED);
    }
}

/// §3.10: "The prior leader fully updates the target server's log to match its own log".
#[test]
fn the_target_is_brought_up_to_date_first() {
    let mut cluster = led(plain(3));
    cluster.isolated = [N1].into();
    for id in 2..5 {
        cluster.invoke(N0, id, put(id));
        cluster.settle();
    }
    cluster.invoke(N0, 9, Request::Transfer(N1));
    beat(&mut cluster);
    assert_eq!((mark(&cluster, "transfer-begins"), mark(&cluster, "transfer-told")), (1, 0));
    cluster.isolated.clear();
    cluster.timeout(N0, Timer::Heartbeat);
    while mark(&cluster, "transfer-told") == 0 {
        assert!(
            cluster.deliver() || {
                cluster.sync(N1, 9);
                true
            }
        );
        assert_eq!(cluster.node(N0).term(), 1);
    }
    assert_eq!(cluster.node(N1).log().last_index(), 5, "it has everything when it is told");
    cluster.settle();
    assert!(cluster.node(N1).is_leader() && cluster.answers[&OpId(9)] == DONE);
}

/// What was taken before is in the target's log when it is told.
#[test]
fn what_was_proposed_before_a_transfer_is_part_of_it() {
    let mut cluster = led(plain(3));
    cluster.step(N0, Input::Invoke { id: OpId(2), op: put(2) });
    cluster.step(N0, Input::Invoke { id: OpId(3), op: Request::Transfer(N1) });
    assert!(cluster.node(N0).needs_flush());
    cluster.flush(N0);
    assert_eq!(mark(&cluster, "transfer-told"), 0);
    cluster.settle();
    assert!(cluster.node(N1).is_leader());
    assert_eq!(cluster.node(N1).log().iter().filter(|(term, _)| *term == 1).count(), 3);
    assert_eq!((&cluster.answers[&OpId(2)], &cluster.answers[&OpId(3)]), (&STORED, &DONE));
}

/// §3.10: "The prior leader stops accepting new client requests", and "if leadership transfer does not complete after
/// about an election timeout, the prior leader aborts the transfer and resumes accepting client requests."
#[test]
fn a_leader_that_hands_over_takes_no_commands_until_it_gives_up() {
    for config in [plain(3), quiet(3)] {
        let mut cluster = led(config);
        cluster.isolated = [N1].into();
        cluster.invoke(N0, 2, put(2));
        cluster.invoke(N0, 9, Request::Transfer(N1));
        assert_eq!(cluster.due[0][&Timer::Election], cluster.now + TIMEOUT);
        let change = Request::Change { voters: NodeSet::first(2), learners: NodeSet::EMPTY };
        for (id, op) in [(10, put(3)), (11, change), (12, Request::Transfer(N2))] {
            cluster.invoke(N0, id, op);
            assert_eq!(cluster.answers[&OpId(id)], Answer::Busy);
        }
        assert_eq!(cluster.node(N0).metrics().counts.dropped_busy, 3);
        beat(&mut cluster);
        assert_eq!(cluster.answers[&OpId(2)], STORED, "what it had taken is committed");
        assert_eq!(cluster.answers.get(&OpId(9)), None);
        cluster.timeout(N0, Timer::Election);
        assert_eq!(cluster.answers[&OpId(9)], Answer::Busy);
        assert_eq!(cluster.node(N0).metrics().counts.transfers_aborted, 1);
        cluster.invoke(N0, 13, put(4));
        beat(&mut cluster);
        assert_eq!(cluster.answers[&OpId(13)], STORED);
        assert!(cluster.node(N0).is_leader() && cluster.node(N0).term() == 1);
        // Another may be asked for.
        cluster.invoke(N0, 14, Request::Transfer(N2));
        cluster.settle();
        assert!(cluster.node(N2).is_leader());
    }
}

/// CheckQuorum looks when a transfer ends, too.
#[test]
fn a_leader_that_hands_over_in_vain_and_is_cut_off_steps_down() {
    let mut cluster = led(quiet(3));
    cluster.isolated = [N0].into();
    for look in 0..2 {
        cluster.invoke(N0, 9 + look, Request::Transfer(N1));
        assert_eq!(cluster.due[0][&Timer::Election], cluster.now + TIMEOUT);
        cluster.timeout(N0, Timer::Election);
    }
    assert!(!cluster.node(N0).is_leader());
    assert_eq!(mark(&cluster, "quorum-lost"), 1);
    assert_eq!(cluster.answers[&OpId(10)], Answer::Busy);
}

/// Only a voter may lead; who leads already has nothing to do; who follows cannot.
#[test]
fn a_target_that_cannot_lead_is_refused() {
    let learners = NodeSet::from_bits(0b1000);
    let mut cluster = led(Config { learners, servers: NodeSet::first(4), ..plain(3) });
    for (id, target) in [(2, N3), (3, NodeId(9)), (4, NodeId(63))] {
        cluster.invoke(N0, id, Request::Transfer(target));
        assert_eq!(cluster.answers[&OpId(id)], Answer::Refused("only a voter leads"));
    }
    cluster.invoke(N0, 5, Request::Transfer(N0));
    assert_eq!(cluster.answers[&OpId(5)], DONE);
    cluster.invoke(N1, 6, Request::Transfer(N2));
    assert_eq!(cluster.answers[&OpId(6)], Answer::Redirect(Some(N0)));
    assert_eq!(mark(&cluster, "transfer-begins"), 0);
}

/// A target that loses its vote before it is told is not told, though its log is whole.
#[test]
fn a_target_that_is_removed_meanwhile_is_not_told() {
    let change = |voters| Request::Change { voters: NodeSet::from_bits(voters), learners: NodeSet::EMPTY };
    let mut cluster = led(Config { servers: NodeSet::first(4), ..plain(3) });
    // The change waits for n3, and the transfer for n1.
    cluster.isolated = [N1, N3].into();
    cluster.invoke(N0, 9, change(0b1101));
    beat(&mut cluster);
    cluster.invoke(N0, 10, Request::Transfer(N1));
    cluster.isolated = [N1].into();
    cluster.timeout(N0, Timer::Heartbeat);
    while !cluster.node(N0).membership().is_joint() {
        assert!(
            cluster.deliver() || {
                cluster.sync(N3, 9);
                true
            }
        );
    }
    cluster.isolated = [N2, N3].into();
    beat(&mut cluster);
    beat(&mut cluster);
    assert_eq!(cluster.node(N1).log().last_index(), cluster.node(N0).log().last_index());
    assert_eq!((mark(&cluster, "transfer-begins"), mark(&cluster, "transfer-told")), (1, 0));
    // Nor is who votes in the old one alone a target.
    let mut cluster = led(plain(3));
    cluster.isolated = [N1].into();
    cluster.invoke(N0, 9, change(0b101));
    cluster.lose_all();
    assert!(cluster.node(N0).membership().is_joint());
    cluster.invoke(N0, 10, Request::Transfer(N1));
    assert_eq!(cluster.answers[&OpId(10)], Answer::Refused("only a voter leads"));
}

/// Who asked a leader that is deposed before it told anybody may ask the next one.
#[test]
fn a_leader_that_is_deposed_before_it_told_anybody_hands_over_nothing() {
    let mut cluster = led(plain(3));
    cluster.isolated = [N1].into();
    cluster.invoke(N0, 2, put(2));
    cluster.invoke(N0, 9, Request::Transfer(N1));
    cluster.put(N2, N0, Message::Stale { term: 5 });
    cluster.settle();
    assert_eq!(cluster.answers[&OpId(9)], Answer::Redirect(None));
    assert_eq!(mark(&cluster, "transfer-told"), 0);
}

// The target.

/// §3.10: an election at once, without waiting and without asking whether it would be won; told by the leader of the
/// term and by nobody else.
#[test]
fn who_is_told_stands_at_once() {
    let mut node = Node::with_log(quiet(3), 1, &[1]);
    node.message(N1, append(2, (1, 1), &[2], 1));
    node.flush();
    assert_eq!(node.message(N2, Message::TimeoutNow { term: 2 }), ["refuse second-leader-of-a-term"]);
    assert_eq!(node.message(N2, Message::TimeoutNow { term: 1 }), ["refuse stale-term"]);
    assert_eq!(node.raft.leader(), Some(N1));
    let expected = [
        "set Election 150000us..=300000us",
        "mark campaign",
        "persist w3 Vote(t3 n0)",
        "send n1 RequestVote(t3 last 2@2 told) after w3",
        "send n2 RequestVote(t3 last 2@2 told) after w3",
    ];
    assert_eq!(node.message(N1, Message::TimeoutNow { term: 2 }), expected);
    assert_eq!(node.message(N1, Message::TimeoutNow { term: 2 }), ["refuse stale-term"], "once");
    // Whoever stands of its own accord is not told.
    node.synced();
    assert!(node.timeout(Timer::Election).iter().any(|effect| effect.contains("RequestPreVote(t4")));
    let asked = node.message(N2, Message::PreVote { term: 4, granted: true });
    assert!(asked.contains(&"send n1 RequestVote(t4 last 2@2) after w4".to_owned()), "{asked:?}");
}

/// A learner has no vote and stands for nothing, whoever tells it.
#[test]
fn a_learner_that_is_told_stands_for_nothing() {
    let config = Config { voters: NodeSet::from_bits(0b110), learners: NodeSet::first(1), ..plain(3) };
    let mut node = Node::with_log(config, 1, &[1]);
    node.message(N1, append(2, (1, 1), &[2], 1));
    assert_eq!(node.message(N1, Message::TimeoutNow { term: 2 }), ["refuse not-a-voter"]);
}

/// §4.2.3: "Those RequestVote requests can include a special flag to indicate this behavior ('I have permission to
/// disrupt the leader—it told me to!')."
#[test]
fn who_was_told_is_heard_where_others_are_not() {
    let request = |told| Message::RequestVote { term: 3, last_index: 9, last_term: 2, told };
    let mut follower = Node::with_log(quiet(3), 1, &[1]);
    follower.message(N1, append(2, (1, 1), &[2], 1));
    let mut leader = Node::leader(Config { pre_vote: false, ..quiet(3) }, 2, &[1]);
    for node in [&mut follower, &mut leader] {
        assert_eq!(node.message(N2, request(false)), ["refuse hears-a-leader"]);
        let effects = node.message(N2, request(true));
        assert!(effects.iter().any(|effect| effect.starts_with("send n2 Vote(t3 granted)")), "{effects:?}");
    }
}

// Leases.

/// §6.4.1: a leader that hands over has given up what its lease rests on.
#[test]
fn a_leader_that_has_told_somebody_has_no_lease() {
    let mut cluster = led(lease(3));
    cluster.invoke(N0, 2, GET);
    assert_eq!(mark(&cluster, "read-by-lease"), 1);
    cluster.isolated = [N1].into();
    cluster.invoke(N0, 3, put(3));
    cluster.invoke(N0, 4, Request::Transfer(N1));
    cluster.invoke(N0, 5, GET);
    assert_eq!(mark(&cluster, "read-by-lease"), 2, "nobody has been told yet");
    cluster.isolated.clear();
    cluster.timeout(N0, Timer::Heartbeat);
    while mark(&cluster, "transfer-told") == 0 {
        assert!(
            cluster.deliver() || {
                (0..3).for_each(|node| cluster.sync(NodeId(node), 9));
                true
            }
        );
    }
    // It cannot be reached, and its successor writes.
    let told = cluster.in_flight() - 1;
    let told = cluster.take(told);
    assert!(matches!(told, (N0, N1, Message::TimeoutNow { term: 1 })));
    cluster.isolated = [N0].into();
    cluster.input(N1, Input::Message { from: N0, message: told.2 });
    cluster.settle();
    assert!(cluster.node(N1).is_leader() && cluster.node(N0).is_leader());
    cluster.invoke(N1, 6, put(6));
    cluster.settle();
    assert_eq!(cluster.answers[&OpId(6)], STORED);
    cluster.invoke(N0, 7, GET);
    cluster.settle();
    assert!(!cluster.answers.contains_key(&OpId(7)), "{:?}", cluster.answers);
}

/// Whoever was told may be late: giving up does not bring the lease back. The next term does.
#[test]
fn a_transfer_that_came_to_nothing_ends_the_leases_of_the_term() {
    let mut cluster = led(lease(3));
    cluster.invoke(N0, 2, Request::Transfer(N1));
    cluster.lose_all();
    cluster.timeout(N0, Timer::Election);
    assert_eq!(cluster.answers[&OpId(2)], Answer::Busy);
    beat(&mut cluster);
    cluster.invoke(N0, 3, GET);
    assert!(!cluster.answers.contains_key(&OpId(3)), "not at once");
    cluster.settle();
    assert_eq!((mark(&cluster, "read-by-lease"), mark(&cluster, "read-by-round")), (0, 1));
    cluster.invoke(N0, 4, Request::Transfer(N1));
    cluster.settle();
    cluster.timeout(N1, Timer::Heartbeat);
    cluster.settle();
    cluster.invoke(N1, 5, GET);
    assert_eq!(mark(&cluster, "read-by-lease"), 1);
}

/// Leaders under lease are asked to hand over again and again, and lose what they would hear; timers keep to time. No
/// read may be older than what was written before it was asked.
#[test]
fn no_leader_answers_a_stale_read_under_a_lease() {
    let (mut by_lease, mut told, mut two_leaders) = (0, 0, 0);
    for seed in 0..60 {
        let draw = &mut Stream::new(seed, 8, 0);
        let n = [3, 5][seed as usize % 2];
        let mut cluster = Cluster::new(Config { pre_vote: draw.below(2) == 0, ..lease(n) });
        // The index of each value, of each read what was written before it, who hears nothing, and who was told.
        let (mut places, mut floors, mut deaf, mut begun) = (BTreeMap::new(), BTreeMap::new(), None, 0);
        for event in 0..4000 {
            cluster.now = cluster.now + Ticks(draw.below(1000));
            let at = NodeId(draw.below(u64::from(n)) as u32);
            let leaders = (0..n).map(NodeId).filter(|node| cluster.node(*node).is_leader());
            let leaders: Vec<_> = leaders.collect();
            two_leaders += u64::from(leaders.len() > 1);
            // Clients ask whoever says that it leads.
            let asked = *leaders.get(draw.below(leaders.len().max(1) as u64) as usize).unwrap_or(&at);
            match draw.below(100) {
                0..=54 if cluster.in_flight() > 0 => {
                    let place = draw.below(cluster.in_flight().min(6) as u64) as usize;
                    let (from, to, message) = cluster.take(place);
                    if !draw.happens(if deaf == Some(to) { 950_000 } else { 20_000 }) {
                        cluster.input(to, Input::Message { from, message });
                    }
                }
                0..=69 => cluster.sync(at, 9),
                70..=84 => {
                    for timer in [Timer::Election, Timer::Heartbeat] {
                        if cluster.due[at.index()].get(&timer).is_some_and(|due| *due <= cluster.now) {
                            cluster.timeout(at, timer);
                        }
                    }
                }
                85..=88 => {
                    cluster.invoke(asked, event, put(event));
                    let log = cluster.node(asked).log();
                    let own = Entry::Command(put(event));
                    if log.entry(log.last_index()).is_some_and(|(_, entry)| *entry == own) {
                        places.insert(event, log.last_index());
                    }
                }
                89..=94 => {
                    let answered = |value| cluster.answers.get(&OpId(value)) == Some(&STORED);
                    let written =
                        places.iter().filter(|(value, _)| answered(**value)).map(|(_, place)| *place);
                    floors.insert(event, written.max().unwrap_or(0));
                    cluster.invoke(asked, event, GET);
                }
                95 => {
                    cluster.invoke(asked, event, Request::Transfer(NodeId(draw.below(u64::from(n)) as u32)));
                }
                96 if draw.below(4) == 0 => deaf = None,
                97 if draw.below(8) == 0 => {
                    cluster.crash(at, draw.below(3) as usize);
                    cluster.restart(at);
                }
                _ => {}
            }
            // It has told who is to stand, and hears nothing of what comes of that.
            if mark(&cluster, "transfer-told") > begun {
                begun += 1;
                deaf = leaders.first().copied().filter(|_| draw.below(2) == 0);
            }
            for (id, floor) in &floors {
                if let Some(Answer::Applied(ManagedAnswer::Applied(KvAnswer::Value(value)))) =
                    cluster.answers.get(&OpId(*id))
                {
                    let place = value.map_or(0, |value| places[&value]);
                    assert!(
                        place >= *floor,
                        "seed {seed}: op{id} reads {value:?} of {place}, {floor} was written"
                    );
                }
            }
            floors.retain(|id, _| !cluster.answers.contains_key(&OpId(*id)));
        }
        by_lease += mark(&cluster, "read-by-lease");
        told += mark(&cluster, "transfer-told");
    }
    assert!(
        by_lease > 500 && told > 300 && two_leaders > 300,
        "{by_lease} reads, {told} told, {two_leaders} moments"
    );
}

// Priorities.

fn preferring(priorities: &[u8]) -> Config {
    let config = Config { priorities: priorities.to_vec(), ..quiet(priorities.len() as u32) };
    assert_eq!(config.validate(), Ok(()));
    config
}

/// Whoever is wanted less waits until the others have stood, wherever a timer begins.
#[test]
fn who_is_wanted_less_waits_longer() {
    let mut node = Node::with_log(preferring(&[0, 7, 0]), 1, &[1]);
    let patience = "set Election 300000us..=450000us".to_owned();
    node.message(N1, append(2, (1, 1), &[2], 1));
    assert!(node.flush().contains(&patience));
    assert!(node.message(N1, append(2, (9, 2), &[], 2)).contains(&patience), "after a conflict");
    assert!(node.message(N1, Message::Confirm { term: 2, round: 1 }).contains(&patience));
    node.now = TIMEOUT;
    let request = Message::RequestVote { term: 3, last_index: 9, last_term: 2, told: false };
    assert!(node.message(N2, request).contains(&patience), "after a vote");
    assert!(node.timeout(Timer::Election).contains(&patience), "as a candidate");
    let mut leader = Node::leader(Config { pre_vote: false, ..preferring(&[0, 7, 0]) }, 2, &[1]);
    assert!(leader.message(N2, Message::Stale { term: 3 }).contains(&patience), "after it led");
    let mut cluster = Cluster::new(preferring(&[0, 7, 0]));
    assert_eq!(
        [0, 1, 2].map(|node| cluster.due[node][&Timer::Election]),
        [300, 150, 300].map(Ticks::from_millis)
    );
    cluster.timeout(N1, Timer::Election);
    cluster.settle();
    assert!(cluster.node(N1).is_leader());
}

/// A leader makes way for who is wanted most among those that are ready, and then stays.
#[test]
fn a_leader_makes_way_for_who_is_wanted_more() {
    let mut cluster = Cluster::new(preferring(&[1, 2, 3]));
    cluster.elect(N0);
    cluster.isolated = [N2].into();
    cluster.invoke(N0, 2, put(2));
    cluster.settle();
    cluster.isolated.clear();
    beat(&mut cluster);
    assert!(cluster.node(N1).is_leader(), "n2 lags: {:?}", cluster.node(N0));
    for _ in 0..3 {
        cluster.timeout(N1, Timer::Heartbeat);
        cluster.settle();
    }
    assert!(cluster.node(N2).is_leader());
    let term = cluster.node(N2).term();
    for _ in 0..3 {
        cluster.timeout(N2, Timer::Heartbeat);
        cluster.settle();
    }
    assert_eq!(
        (cluster.node(N2).is_leader(), cluster.node(N2).term(), mark(&cluster, "makes-way")),
        (true, term, 2)
    );
}

/// Nobody makes way for one that does not answer, nor for an equal.
#[test]
fn nobody_makes_way_for_who_is_not_there() {
    let mut cluster = Cluster::new(preferring(&[1, 2, 1]));
    cluster.elect(N0);
    cluster.crash(N1, 9);
    // What it answered before it crashed is of the past.
    cluster.timeout(N0, Timer::Election);
    for _ in 0..3 {
        beat(&mut cluster);
        beat(&mut cluster);
        cluster.timeout(N0, Timer::Election);
    }
    assert_eq!(mark(&cluster, "makes-way"), 0, "n2 is an equal");
    cluster.restart(N1);
    for _ in 0..3 {
        beat(&mut cluster);
    }
    assert!(cluster.node(N1).is_leader());
}

/// One that can reach the leader and no majority does not end one term after the other.
#[test]
fn a_leader_makes_way_in_vain_now_and_then_only() {
    let mut cluster = Cluster::new(preferring(&[1, 2, 1, 1, 1]));
    cluster.elect(N0);
    let mut begun = 0;
    for round in 0..400_u64 {
        cluster.now = cluster.now + Ticks::from_millis(50);
        cluster.timeout(N0, Timer::Heartbeat);
        while cluster.in_flight() > 0 {
            let (from, to, message) = cluster.take(0);
            // What n1 is told is lost.
            if !matches!(message, Message::TimeoutNow { .. }) {
                cluster.input(to, Input::Message { from, message });
            }
        }
        (0..5).for_each(|node| cluster.sync(NodeId(node), 9));
        if cluster.due[0][&Timer::Election] <= cluster.now {
            cluster.timeout(N0, Timer::Election);
        }
        let now = mark(&cluster, "makes-way");
        assert!(now == begun || now == begun + 1);
        begun = now;
        assert!(begun <= 1 + round / 192, "{begun} by round {round}");
    }
    assert_eq!(begun, 3, "of 20 s, every 9.6 s");
    assert!(cluster.node(N0).is_leader() && cluster.node(N0).term() == 1);
}

/// Priorities only say who is tried first.
#[test]
fn who_is_wanted_least_leads_if_nobody_else_is_there() {
    let config = preferring(&[0, 1, 2]);
    assert_eq!(config.election_timeout, Delay { min: TIMEOUT, max: Ticks::from_millis(300) });
    let mut cluster = Cluster::new(config);
    cluster.crash(N2, 0);
    cluster.elect(N0);
    cluster.crash(N1, 9);
    cluster.timeout(N0, Timer::Election);
    cluster.isolated = [N1].into();
    cluster.restart(N2);
    cluster.invoke(N0, 1, put(1));
    beat(&mut cluster);
    assert_eq!((&cluster.answers[&OpId(1)], mark(&cluster, "makes-way")), (&STORED, 0));
    beat(&mut cluster);
    assert!(cluster.node(N2).is_leader());
}
