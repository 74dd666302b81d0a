//! The driver with a thread per node. What is asserted holds on every schedule; time-outs only keep a
//! failing test from hanging.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use swarm_protocol::{NodeId, OpId, WriteId};
use swarm_runtime::storage::{MemoryStorage, Storage};
use swarm_runtime::threaded::{Client, Cluster, Completion, NodePanic, Options, Refused, Stopped};

use crate::toy::{Answer, Config, Keeper, Op, POISON, PRIMARY, square, three};

const HANGS: Duration = Duration::from_mins(1);

type Disk = MemoryStorage<u64>;

fn start(disks: Vec<Disk>, options: &Options) -> (Cluster<Keeper, Disk>, Vec<Client<Keeper>>) {
    let config = Config { nodes: disks.len(), ..three() };
    let (cluster, connections) = Cluster::start(config, disks, options, square).unwrap();
    (cluster, connections.into_iter().map(swarm_runtime::threaded::Connection::open).collect())
}

fn wait(client: &mut Client<Keeper>) -> Completion<Answer> {
    client.wait(HANGS).expect("an answer within a minute")
}

/// Adds `numbers` with up to `window` operations under way; returns the position of each.
fn add_all(
    client: &mut Client<Keeper>,
    numbers: core::ops::Range<u64>,
    window: usize,
) -> BTreeMap<usize, u64> {
    let (mut under_way, mut positions) = (BTreeMap::new(), BTreeMap::new());
    let mut numbers = numbers.peekable();
    while numbers.peek().is_some() || !under_way.is_empty() {
        if under_way.len() < window
            && let Some(number) = numbers.next()
        {
            let id = client.invoke(PRIMARY, Op::Add(number)).expect("the window fits the lane");
            under_way.insert(id, number);
            continue;
        }
        let Completion { id, node: PRIMARY, at: _, answer: Answer::Added { position } } = wait(client) else {
            panic!("another answer than asked for");
        };
        let number = under_way.remove(&id).expect("answered once, and to whom it belongs");
        assert_eq!(positions.insert(position, number), None, "two numbers at position {position}");
    }
    positions
}

/// Two clients add numbers from threads of their own; every one arrives once, in one order everywhere.
fn two_clients_add(options: &Options, each: u64) -> Vec<Stopped<Keeper, Disk>> {
    let (cluster, connections) = Cluster::start(three(), vec![Disk::new(); 3], options, square).unwrap();
    let clients: Vec<_> = (0..)
        .zip(connections)
        .map(|(index, connection)| {
            thread::spawn(move || add_all(&mut connection.open(), index * each..(index + 1) * each, 16))
        })
        .collect();
    let mut added = BTreeMap::new();
    for client in clients {
        for (position, number) in client.join().unwrap() {
            assert_eq!(added.insert(position, number), None, "two clients at position {position}");
        }
    }
    let stopped = cluster.shutdown().unwrap();
    assert!(added.into_iter().eq(stopped[0].node.numbers.iter().copied().enumerate()));
    assert_eq!(stopped[0].node.numbers.len() as u64, 2 * each);
    for Stopped { node, disk, .. } in &stopped {
        assert!(stopped[0].node.numbers.starts_with(&node.numbers));
        assert!(disk.records().copied().take(disk.synced_len()).eq(node.numbers.iter().copied()));
    }
    stopped
}

#[test]
fn every_operation_of_two_clients_is_done_once() {
    let options = Options { clients: 2, ..Options::default() };
    let stopped = two_clients_add(&options, 2_000);
    let primary = &stopped[0].counters;
    assert_eq!((primary.invoked, primary.answered, primary.answers_dropped), (4_000, 4_000, 0));
    assert_eq!(primary.records, 4_000);
    assert!(primary.syncs <= primary.records);
}

#[test]
fn lanes_of_one_message_lose_messages_and_no_operation() {
    let options = Options {
        clients: 2,
        lane_messages_max: 1,
        lane_ops_max: 32,
        lane_answers_max: 16,
        run_inputs_max: 2,
        seed: 3,
    };
    two_clients_add(&options, 100);
}

#[test]
fn a_cluster_goes_on_from_the_disks_of_another() {
    let (cluster, mut clients) = start(vec![Disk::new(); 3], &Options::default());
    add_all(&mut clients[0], 0..10, 4);
    let disks = cluster.shutdown().unwrap().into_iter().map(|stopped| stopped.disk).collect();
    let (cluster, mut clients) = start(disks, &Options::default());
    let positions = add_all(&mut clients[0], 10..20, 4);
    assert!(positions.into_iter().eq((10..20).map(|number| (number as usize, number))));
    let stopped = cluster.shutdown().unwrap();
    assert!(stopped[0].node.numbers.iter().copied().eq(0..20));
}

#[test]
fn operations_handed_over_together_are_taken_in_order_and_the_refused_one_comes_back() {
    let options = Options { lane_ops_max: 4, ..Options::default() };
    let (cluster, mut clients) = start(vec![Disk::new()], &options);
    let client = &mut clients[0];
    let (mut given, mut again) = (0..1_000u64, None);
    let (mut first, mut taken, mut answered) = (None, 0, 0);
    while answered < 1_000 {
        let ops = again.take().into_iter().chain(given.by_ref().map(Op::Add));
        let invoked = client.invoke_all(PRIMARY, ops);
        assert_eq!(invoked.first.0, first.get_or_insert(invoked.first).0 + taken, "identifiers go on");
        taken += invoked.taken;
        match invoked.refused {
            Some(Refused::Full(op)) => again = Some(op),
            None => assert_eq!(taken, 1_000),
            Some(Refused::Stopped(_)) => panic!("the node runs"),
        }
        wait(client);
        answered += 1;
    }
    let elsewhere = client.invoke_all(NodeId(7), [Op::Add(1), Op::Add(2)]);
    assert_eq!((elsewhere.taken, elsewhere.refused), (0, Some(Refused::Stopped(Op::Add(1)))));
    let stopped = cluster.shutdown().unwrap();
    assert!(stopped[0].node.numbers.iter().copied().eq(0..1_000), "in order, none lost, none twice");
}

#[test]
fn a_task_is_done_and_answered() {
    let (cluster, mut clients) = start(vec![Disk::new(); 3], &Options::default());
    let invoked = Instant::now();
    let id = clients[0].invoke(NodeId(2), Op::Square(12)).unwrap();
    let completion = wait(&mut clients[0]);
    let at = completion.at;
    assert_eq!(completion, Completion { id, node: NodeId(2), at, answer: Answer::Squared(144) });
    assert!(invoked <= at && at <= Instant::now(), "the answer was given between asking and taking");
    cluster.shutdown().unwrap();
}

#[test]
fn answers_that_nobody_takes_are_dropped_and_counted() {
    let options = Options { clients: 2, lane_answers_max: 1, ..Options::default() };
    let (cluster, mut clients) = start(vec![Disk::new()], &options);
    let ids: Vec<OpId> = (0..3).map(|number| clients[0].invoke(PRIMARY, Op::Add(number)).unwrap()).collect();
    // Operations of one thread are taken in order: when this one is answered, the others were.
    clients[1].invoke(PRIMARY, Op::Add(3)).unwrap();
    assert_eq!(wait(&mut clients[1]).answer, Answer::Added { position: 3 });
    assert_eq!(clients[0].poll().map(|completion| completion.id), Some(ids[0]));
    assert_eq!(clients[0].poll(), None);
    let counters = &cluster.shutdown().unwrap()[0].counters;
    assert_eq!((counters.answered, counters.answers_dropped), (2, 2));
}

/// A disk whose every sync waits until the test lets it.
struct Gated {
    disk: Disk,
    syncing: Sender<()>,
    go_on: Receiver<()>,
}

impl Storage<u64> for Gated {
    fn recover(&mut self) -> io::Result<Vec<u64>> {
        self.disk.recover()
    }
    fn append(&mut self, record: u64) -> io::Result<()> {
        self.disk.append(record)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.syncing.send(()).map_err(io::Error::other)?;
        self.go_on.recv().map_err(io::Error::other)?;
        self.disk.sync()
    }
    fn retire(&mut self, before: WriteId) -> io::Result<()> {
        self.disk.retire(before)
    }
}

#[test]
fn a_full_node_refuses_and_then_commits_all_it_took_with_one_sync() {
    let (syncing, is_syncing) = channel();
    let (let_go, go_on) = channel();
    let disk = Gated { disk: Disk::new(), syncing, go_on };
    let config = Config { nodes: 1, ..three() };
    let options = Options { lane_ops_max: 4, ..Options::default() };
    let (cluster, mut connections) = Cluster::start(config, vec![disk], &options, square).unwrap();
    let mut client = connections.remove(0).open();
    client.invoke(PRIMARY, Op::Add(0)).unwrap();
    is_syncing.recv_timeout(HANGS).unwrap();
    // The node waits for its disk; its lane takes four more.
    for number in 1..=4 {
        client.invoke(PRIMARY, Op::Add(number)).unwrap();
    }
    assert_eq!(client.invoke(PRIMARY, Op::Add(5)), Err(Refused::Full(Op::Add(5))));
    assert_eq!(client.poll(), None, "nothing is answered before it is durable");
    let_go.send(()).unwrap();
    assert_eq!(wait(&mut client).answer, Answer::Added { position: 0 });
    is_syncing.recv_timeout(HANGS).unwrap();
    let_go.send(()).unwrap();
    for position in 1..=4 {
        assert_eq!(wait(&mut client).answer, Answer::Added { position });
    }
    let counters = &cluster.shutdown().unwrap()[0].counters;
    assert_eq!((counters.records, counters.syncs), (5, 2));
}

#[test]
fn a_panic_in_a_node_is_an_error_of_the_cluster() {
    let (cluster, mut clients) = start(vec![Disk::new(); 3], &Options::default());
    let client = &mut clients[0];
    add_all(client, 0..3, 1);
    client.invoke(NodeId(1), Op::Add(POISON)).unwrap();
    let begun = Instant::now();
    while cluster.panicked().is_none() {
        assert!(begun.elapsed() < HANGS, "the panic goes unnoticed");
        thread::yield_now();
    }
    assert_eq!(cluster.panicked(), Some(NodeId(1)));
    assert_eq!(client.invoke(NodeId(1), Op::Square(2)), Err(Refused::Stopped(Op::Square(2))));
    // The other two are a majority and go on.
    add_all(client, 3..6, 1);
    let panic = cluster.shutdown().unwrap_err();
    assert_eq!(panic, NodePanic { node: NodeId(1), message: "poisoned".into() });
    assert_eq!(client.invoke(PRIMARY, Op::Add(1)), Err(Refused::Stopped(Op::Add(1))));
    assert_eq!(client.wait(HANGS), None, "a client of a stopped cluster does not wait");
}

#[test]
fn a_dropped_cluster_stops_its_nodes() {
    let (cluster, mut clients) = start(vec![Disk::new(); 3], &Options::default());
    drop(cluster);
    assert_eq!(clients[0].invoke(PRIMARY, Op::Add(1)), Err(Refused::Stopped(Op::Add(1))));
    assert_eq!(clients[0].invoke(NodeId(9), Op::Add(1)), Err(Refused::Stopped(Op::Add(1))));
}
