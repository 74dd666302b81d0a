//! Runs that begin on a stage and end at a mark.

use swarm_protocol::{NodeId, NodeSet, Stream, Ticks};
use swarm_simulator::profile::Span;
use swarm_simulator::simulation::{Arrival, Cut, Simulation, Stage, Traced};
use swarm_simulator::{Event, Slot};

use crate::toy::{Config, Flaw, Message, OneValuePerVersion, Op, Register, Stored};

const PRIMARY: NodeId = NodeId(0);

fn read(_: &mut Stream) -> Op {
    Op::Read
}

/// Three nodes and no clients.
fn cluster() -> Simulation<Register, OneValuePerVersion> {
    Simulation::new(Config { nodes: 3, flaw: Flaw::None }, 3, read).clients(0)
}

fn latency(message: &Message) -> Span {
    match message {
        Message::Copy(_) => Span::micros(1000, 1000),
        Message::Ack { .. } => Span::micros(5000, 6000),
    }
}

/// The primary holds a value that nobody else does: it sends copies when its timer runs out.
fn stage() -> Stage<Register> {
    Stage {
        disks: vec![vec![Stored { version: 1, value: 7 }]],
        down: NodeSet::EMPTY,
        arriving: Vec::new(),
        cuts: Vec::new(),
        latency,
        sync: Span::micros(300, 300),
        ends: "copied-everywhere",
        until: Ticks::from_millis(1000),
    }
}

/// When each copy and each acknowledgement arrived.
fn arrivals(traced: &Traced<Register>) -> (Vec<u64>, Vec<u64>) {
    let (mut copies, mut acks) = (Vec::new(), Vec::new());
    for (at, event) in &traced.trace {
        match event {
            Event::Deliver { message: Message::Copy(_), .. } => copies.push(at.0),
            Event::Deliver { message: Message::Ack { .. }, .. } => acks.push(at.0),
            _ => {}
        }
    }
    (copies, acks)
}

#[test]
fn nodes_boot_from_the_disks_of_the_stage_and_its_mark_ends_the_run() {
    for seed in 0..20 {
        let traced = cluster().trace_staged(seed, &stage());
        let run = &traced.run;
        assert!(!run.cut_short && run.violation.is_none(), "{run:?}");
        assert_eq!(run.marks.get("primary-recovers"), Some(&1));
        let stored = traced.nodes.iter().flatten().map(|node| node.stored.value);
        assert_eq!(stored.collect::<Vec<_>>(), [7, 7, 7]);
        // Its last event is the acknowledgement that made it whole.
        let (_, acks) = arrivals(&traced);
        assert_eq!((acks.len(), acks.last()), (2, Some(&run.time.0)), "{run:?}");
        // A trace tells of choices too, which its digest shows.
        let again = [(); 2].map(|()| cluster().run_staged(seed, &stage()));
        assert_eq!(again[0], again[1], "a seed is a run");
        assert_eq!((again[0].time, again[0].steps, &again[0].marks), (run.time, run.steps, &run.marks));
    }
}

#[test]
fn messages_and_writes_take_the_time_of_the_stage() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let traced = cluster().trace_staged(seed, &stage());
        let (copies, acks) = arrivals(&traced);
        let timeouts = traced.trace.iter().filter(|(_, event)| matches!(event, Event::Timeout { .. }));
        // It asks one backup at a time.
        assert!(copies.iter().copied().eq(timeouts.map(|(at, _)| at.0 + 1000)), "{copies:?}");
        assert_eq!((copies.len(), acks.len()), (2, 2));
        for (copy, ack) in copies.iter().zip(acks) {
            // A copy is on disk before it is acknowledged.
            let took = ack - copy - 300;
            assert!((5000..=6000).contains(&took), "{took}");
            seen.insert(took);
        }
    }
    assert!(seen.len() > 80, "{} times of 100 differ", seen.len());
}

#[test]
fn who_is_down_hears_nothing_and_what_is_on_its_way_arrives() {
    let mut stage = Stage { down: [PRIMARY].into_iter().collect(), ..stage() };
    let copy = Message::Copy(Stored { version: 2, value: 9 });
    stage.arriving = vec![Arrival { at: Ticks(123), from: PRIMARY, to: NodeId(2), message: copy }];
    let traced = cluster().trace_staged(1, &stage);
    assert!(traced.run.cut_short, "nobody is there to reach the mark");
    let stored = traced.nodes.iter().map(|node| node.as_ref().map(|node| node.stored.version));
    assert_eq!(stored.collect::<Vec<_>>(), [None, Some(0), Some(2)]);
    let told: Vec<_> = traced.trace.iter().map(|(at, event)| (at.0, event.class().name())).collect();
    assert_eq!(told[..2], [(123, "deliver"), (423, "sync")], "{told:?}");
    let Some((_, Event::Drop { to: Slot(0), .. })) = traced.trace.get(2) else {
        panic!("the acknowledgement finds nobody: {told:?}")
    };
}

/// The primary asks one backup at a time, and the one again that does not answer.
#[test]
fn a_link_that_is_cut_carries_nothing_from_then_on() {
    let asked = cluster().trace_staged(1, &stage());
    let (copies, acks) = arrivals(&asked);
    let first_backup = asked.trace.iter().find_map(|(_, event)| match event {
        Event::Deliver { to, message: Message::Copy(_), .. } => Some(to.node()),
        _ => None,
    });
    let from = first_backup.expect("it asked");
    // What is on its way arrives; the acknowledgement is sent when the copy is on disk.
    let at = |at| vec![Cut { at: Ticks(at), from, to: PRIMARY }];
    let answered = copies[0] + 300;
    for (cuts, heard) in [(at(answered + 1), 2), (at(answered), 1)] {
        let (_, acks) = arrivals(&cluster().trace_staged(1, &Stage { cuts, ..stage() }));
        assert_eq!(acks.len(), heard, "{answered} {acks:?}");
    }
    assert_eq!(acks.len(), 2);
}

#[test]
fn a_run_that_does_not_end_in_time_is_cut_short() {
    let late = Stage { until: Ticks::from_millis(15), ..stage() };
    let run = cluster().run_staged(3, &late);
    assert!(run.cut_short && run.time <= late.until, "{run:?}");
    assert!(!cluster().run_staged(3, &stage()).cut_short);
}

#[test]
#[should_panic(expected = "of 3 nodes")]
fn a_stage_names_no_node_that_is_not_there() {
    cluster().run_staged(0, &Stage { down: [NodeId(3)].into_iter().collect(), ..stage() });
}
