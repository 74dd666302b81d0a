//! Records boot the node that wrote them, compacted anywhere or not at all; and no input makes a node panic.

use swarm_protocol::{Input, NodeId, OpId, Protocol, Stream, WriteId};
use swarm_task_sharing::{
    Config, Disk, Given, Message, Node, Op, Outcome, Record, Task, TaskId, Timer, Token,
};

use crate::node::{Lone, plain, token};

/// Any input at all, of few enough values that some fit.
fn any_input(draw: &mut Stream, node: &Node) -> Input<Node> {
    let mut number = |n: u64| draw.below(n);
    let name = |home: u64, ordinal: u64| TaskId { home: NodeId(home as u32), ordinal };
    match number(12) {
        0 => Input::Timeout(Timer::Steal),
        1 => Input::Timeout(Timer::Resend),
        2 => Input::Timeout(Timer::Round),
        3 | 4 => Input::Timeout(Timer::Turn),
        5 => Input::Invoke { id: OpId(number(100)), op: Op::Submit(number(3) as u8) },
        6 => Input::Invoke { id: OpId(number(100)), op: Op::Finish },
        7 => {
            // Most often the one that it is about.
            let newest = node.disk().held.back().map(|task| task.id).filter(|_| number(4) > 0);
            let id = newest.unwrap_or(name(number(3), number(9)));
            Input::Done(Outcome { id, spawned: vec![0; number(3) as usize] })
        }
        _ => {
            let from = NodeId(number(4) as u32);
            let load = number(20) as u32;
            let message = match number(6) {
                0 => Message::Steal,
                1 => Message::Nothing { load },
                2 => Message::Got { number: number(4), load },
                3 => Message::Token(Token {
                    round: number(20),
                    after: number(20),
                    black: number(2) == 0,
                    under_way: number(3).cast_signed() - 1,
                    submitted: number(2) * u64::MAX,
                }),
                _ => {
                    let count = number(5);
                    let task = |_| Task { id: name(number(3), number(30)), size: 0 };
                    let tasks = (0..count).map(task).collect();
                    Message::Give { number: node.disk().received_from(from) + 1, tasks, load }
                }
            };
            Input::Message { from, message }
        }
    }
}

fn config(seed: u64) -> Config {
    let journal_records_max = [0, 5][seed as usize % 2];
    Config { tasks_max: 8, batch_max: 3, overloaded: 5, waiting_max: 2, journal_records_max, ..plain(3) }
}

#[test]
fn no_input_makes_a_node_panic_and_its_records_boot_it_however_they_were_compacted() {
    let mut refusals = std::collections::BTreeSet::new();
    for seed in 0..300 {
        let mut draw = Stream::new(seed, 0, 0);
        let mut node = Lone::new(config(seed), NodeId(draw.below(3) as u32));
        let mut compacted: Vec<Record> = Vec::new();
        for _ in 0..100 {
            let known = node.written.len();
            let input = any_input(&mut draw, &node.node);
            let asked = node.input(input);
            refusals.extend(asked.into_iter().filter(|text| text.starts_with("refuse")));
            compacted.extend_from_slice(&node.written[known..]);
            if draw.below(4) == 0 {
                Node::compact(&mut compacted);
            }
            assert_eq!(&Disk::replay(compacted.iter().cloned()), node.node.disk(), "seed {seed}");
        }
        assert_eq!(&Disk::replay(node.written.iter().cloned()), node.node.disk(), "seed {seed}");
        Node::compact(&mut compacted);
        let once = compacted.clone();
        Node::compact(&mut compacted);
        assert_eq!((once.len(), &once), (1, &compacted));
    }
    assert!(refusals.len() >= 12, "{refusals:?}");
}

#[test]
fn a_long_journal_gives_way_to_one_record() {
    let config = Config { journal_records_max: 3, ..plain(3) };
    let mut node = Lone::new(config.clone(), NodeId(0));
    node.invoke(1, Op::Submit(0));
    node.invoke(2, Op::Submit(0));
    let asked = node.invoke(3, Op::Submit(0));
    assert!(asked[1].starts_with("persist w4 Whole(Disk { created: 3, "), "{asked:?}");
    assert_eq!(asked[2..4], ["retire before w4", "mark journal-compacted"]);
    assert_eq!(asked[4], "answer op3 Taken(n0.3) after w4");
    // Whether the retired ones come back or not.
    for from in [0, 3] {
        let (booted, _) = Lone::boot(config.clone(), NodeId(0), node.written[from..].to_vec());
        assert_eq!(booted.node.disk(), node.node.disk());
    }
}

#[test]
fn a_disk_that_failed_leaves_what_was_before() {
    let mut node = Lone::new(plain(3), NodeId(1));
    node.invoke(1, Op::Submit(0));
    node.input(Input::DiskFailed(WriteId::new(1)));
    assert_eq!(node.crashed(0).node.disk(), &Disk::default());
}

#[test]
fn a_node_does_not_boot_from_records_that_none_has_written() {
    let task = |home, ordinal| Task { id: TaskId { home: NodeId(home), ordinal }, size: 0 };
    let whole = |disk: Disk| Record::Whole(Box::new(disk));
    let held = [task(0, 1), task(0, 2)];
    let given = |number| vec![Given::default(), Given { number, tasks: vec![task(0, 1)] }];
    let usual = Disk { created: 2, submitted: 2, held: held.into(), ..Disk::default() };
    let received = Record::Received { from: NodeId(1), tasks: vec![task(1, 1)] };
    for (records, reason) in [
        (vec![whole(Disk { submitted: 3, ..usual.clone() })], "disk-counts-contradict"),
        (vec![whole(Disk { held: [].into(), given: given(0), ..usual.clone() })], "disk-counts-contradict"),
        (vec![whole(Disk { given: given(1), ..usual.clone() })], "disk-has-a-task-twice"),
        (vec![received.clone(), received.clone()], "disk-has-a-task-twice"),
        (vec![whole(Disk { created: 1, submitted: 1, ..usual.clone() })], "disk-has-a-task-of-the-future"),
        (
            vec![Record::Received { from: NodeId(1), tasks: vec![task(0, 1)] }],
            "disk-has-a-task-of-the-future",
        ),
        (vec![whole(Disk { round: u64::MAX, ..usual.clone() })], "disk-counts-too-far"),
        (vec![whole(Disk { received: vec![0, u64::MAX], ..usual.clone() }), received], "disk-counts-too-far"),
        (vec![Record::Received { from: NodeId(0), tasks: vec![task(1, 1)] }], "disk-names-no-other-node"),
        (vec![Record::Given { to: NodeId(3), tasks: vec![] }], "disk-names-no-other-node"),
    ] {
        let (mut lone, asked) = Lone::boot(plain(3), NodeId(0), records.clone());
        assert_eq!(asked, [format!("refuse {reason}")], "{records:?}");
        assert!(lone.node.has_failed());
        assert_eq!(lone.invoke(1, Op::Submit(0)), ["refuse disk-failed"]);
    }
    let (lone, _) = Lone::boot(plain(3), NodeId(0), vec![whole(usual.clone())]);
    assert_eq!((lone.node.has_failed(), lone.node.disk()), (false, &usual));
}

/// Each number fits, and what they add up to does not.
#[test]
fn numbers_that_are_damaged_add_up_to_something() {
    let given = vec![Given { number: u64::MAX / 2, tasks: vec![] }; 4];
    let mut disk = Disk { given, received: vec![u64::MAX / 2; 4], ..Disk::default() };
    (disk.given[1], disk.received[1]) = (Given::default(), 0);
    let (mut lone, _) = Lone::boot(plain(4), NodeId(1), vec![Record::Whole(Box::new(disk))]);
    let asked = lone.message(NodeId(0), Message::Token(token(1, 0)));
    assert!(
        asked.contains(&"send n2 Token(1 after 0 black +0 submitted 0) after w1".to_owned()),
        "{asked:?}"
    );
}
