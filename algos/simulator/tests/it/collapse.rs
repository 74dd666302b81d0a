//! Collapsed worlds are the worlds that they stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use swarm_protocol::{NodeId, OpId};
use swarm_simulator::world::{CONTRACT, Collapse, Collapsed, Identical, SyncMode};
use swarm_simulator::{Bounds, Event, EventClass, Setup, Slot, World};

use crate::toy::{Flaw, Message, OneValuePerVersion, Op, Register, faults, setup};

type RegisterWorld = World<Register, OneValuePerVersion>;
type Collapses = Collapse<Register, OneValuePerVersion>;

/// Kinds of events are what happens, and at a message which.
fn kind(event: &Event<Register>) -> u32 {
    let which = |message: &Message| match message {
        Message::Copy(_) => 0,
        Message::Ack { .. } => 1,
    };
    let class = EventClass::ALL.iter().position(|class| *class == event.class()).unwrap() as u32;
    class * 2
        + match event {
            Event::Deliver { message, .. }
            | Event::Duplicate { message, .. }
            | Event::Drop { message, .. } => which(message),
            Event::Invoke { op, .. } => u32::from(*op == Op::Read),
            _ => 0,
        }
}

/// Which of the enabled events lead where, with the marks on the way.
fn by_world(
    setup: &Setup<Register>,
    world: &RegisterWorld,
) -> (BTreeMap<(u32, u32), RegisterWorld>, BTreeSet<&'static str>) {
    let (mut events, mut marks) = (Vec::new(), BTreeSet::new());
    world.enabled(setup, &mut events);
    let mut leads = BTreeMap::new();
    for (number, event) in (0..).zip(&events) {
        let mut next = world.clone();
        if let Ok(applied) = next.apply(setup, event) {
            marks.extend(applied.marks);
            if applied.changed {
                leads.insert((number, kind(event)), next);
            }
        }
    }
    (leads, marks)
}

/// Lets the events of each pair happen in both orders: they lead to one world, or break a property both times.
fn both_orders(setup: &Setup<Register>, world: &RegisterWorld, pairs: &[(u32, u32)]) {
    let mut events = Vec::new();
    world.enabled(setup, &mut events);
    for pair in pairs {
        let after = |order: [u32; 2]| {
            let mut next = world.clone();
            for event in order.map(|event| &events[event as usize]) {
                let applied =
                    next.apply(setup, event).unwrap_or_else(|why| panic!("{event:?}: {why} in {world:?}"));
                assert!(applied.changed, "{event:?} does nothing in {world:?}");
            }
            next
        };
        let (one, other) = (after([pair.0, pair.1]), after([pair.1, pair.0]));
        let broken = |world: &RegisterWorld| world.violation().map(|violation| violation.property);
        assert!(
            broken(&one) == broken(&other) && (broken(&one).is_some() || one == other),
            "{pair:?}: {one:?}\n{other:?}"
        );
    }
}

/// Goes on from every reachable world, as a world and collapsed; says how many there are, and what was met.
fn compare(setup: &Setup<Register>, states_max: usize) -> (usize, BTreeSet<String>) {
    let all = Collapses::new(setup, kind);
    // Beside the other, which tells marks once.
    let aside = Collapses::new(setup, kind);
    let first = RegisterWorld::new(setup);
    let mut seen = BTreeSet::from([first.fingerprint()]);
    let mut open = vec![all.fold(setup, &first)];
    let (mut plain_marks, mut marks, mut met) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    while let Some(state) = open.pop() {
        let world = all.unfold(&state);
        assert_eq!(all.fold(setup, &world), state);
        assert_eq!(all.fingerprint(&state), world.fingerprint_from_scratch());
        assert_eq!(all.violation(&state), world.violation());
        met.extend(world.violation().map(|violation| violation.property.to_owned()));
        met.extend(world.question().map(|(label, _)| label.to_owned()));
        let mut bytes = vec![];
        state.encode(&mut bytes);
        let mut from = &bytes[..];
        assert_eq!((Collapsed::decode(&mut from), from.len()), (Some(state.clone()), 0));
        assert_eq!(Collapsed::decode(&mut &bytes[..bytes.len() - 1]), None, "it is cut short");

        both_orders(setup, &world, &aside.commuting(setup, &aside.fold(setup, &world)));
        let (mut leads, more) = by_world(setup, &world);
        plain_marks.extend(more);
        all.successors(
            setup,
            &[state],
            |mark| {
                marks.insert(mark);
            },
            |_, successor| {
                let event = (successor.event, successor.kind);
                let plain = leads.remove(&event).unwrap_or_else(|| panic!("{event:?} of {world:?}"));
                assert_eq!(successor.fingerprint, plain.fingerprint(), "{world:?}\n{plain:?}");
                let unfolded = all.unfold(&successor.state);
                assert!(unfolded == plain, "{unfolded:?}\n{plain:?}");
                if seen.insert(successor.fingerprint) && seen.len() < states_max {
                    open.push(successor.state);
                }
            },
        );
        assert!(leads.is_empty(), "{:?} lead on from {world:?}", leads.keys());
        assert_eq!(marks, plain_marks);
    }
    assert!(all.clusters() <= seen.len() && all.turns() > 0 && all.bytes() > 0);
    (seen.len(), met)
}

#[test]
fn a_collapsed_world_goes_on_as_the_world_does() {
    let moving = Bounds { clock_steps: 1, ..faults() };
    let [one, two] = [&[Op::Write(1), Op::Read][..], &[Op::Write(1), Op::Write(2), Op::Read]];
    for (flaw, operations, property) in [
        (Flaw::None, two, None),
        (Flaw::AnswersAtOnce, one, Some("linearizability")),
        (Flaw::CopiesAtOnce, two, None),
        (Flaw::PanicsOnOldCopy, two, Some("panic")),
        (Flaw::AssertsTooMuch, two, Some("invariants")),
        (Flaw::AnswersTwice, two, Some("contract")),
    ] {
        let (states, met) = compare(&setup(2, flaw, operations).bounds(moving), 6_000);
        assert!(states > 200, "{flaw:?}: {states}");
        let violated = met.iter().find(|met| *met != "whom to ask again").map(String::as_str);
        assert_eq!(violated, property, "{flaw:?}");
    }
}

#[test]
fn questions_equal_messages_that_count_lost_ones_and_twins_are_no_exception() {
    let counted = Bounds { identical: Identical::Count, in_flight: 3, drops: 2, ..faults() };
    let asks = setup(3, Flaw::None, &[Op::Write(1)]).bounds(Bounds { drops: 1, ..faults() });
    let (_, met) = compare(&asks, 6_000);
    assert!(met.contains("whom to ask again"), "{met:?}");
    let twins = setup(2, Flaw::None, &[Op::Write(1)]).bounds(Bounds { in_flight: 3, ..Bounds::default() });
    for setup in [setup(2, Flaw::None, &[Op::Write(1), Op::Read]).bounds(counted), twins.twin(NodeId(1))] {
        let (states, _) = compare(&setup, 6_000);
        assert!(states > 20, "{states}");
    }
}

#[test]
fn counted_timeouts_and_nodes_that_wait_for_their_disks_are_no_exception() {
    let bounds = Bounds { timeouts: 2, sync: SyncMode::Blocking, ..faults() };
    let (states, _) = compare(&setup(2, Flaw::None, &[Op::Write(1), Op::Read]).bounds(bounds), 6_000);
    assert!(states > 200, "{states}");
}

#[test]
fn threads_give_equal_worlds_equal_numbers() {
    let small = setup(2, Flaw::None, &[Op::Write(1), Op::Read]).bounds(faults());
    let all = Collapses::new(&small, kind);
    let walk = || {
        let mut level = vec![all.fold(&small, &RegisterWorld::new(&small))];
        let mut seen = BTreeMap::new();
        while !level.is_empty() {
            let mut next = Vec::new();
            all.successors(
                &small,
                &level,
                |_| (),
                |_, successor| {
                    if seen.insert(successor.fingerprint, successor.state.clone()).is_none() {
                        next.push(successor.state);
                    }
                },
            );
            level = next;
        }
        seen
    };
    let (one, two) = thread::scope(|scope| {
        let other = scope.spawn(walk);
        (walk(), other.join().expect("it does not panic"))
    });
    assert!(one.len() > 200 && one == two);
}

#[test]
fn a_protocol_that_keeps_a_secret_breaks_the_contract() {
    let read = Event::Invoke { at: Slot(0), id: OpId(0), op: Op::Read };
    let verdict = |flaw| {
        let alone = setup(1, flaw, &[Op::Read]);
        let all = Collapses::new(&alone, kind);
        let first = RegisterWorld::new(&alone);
        let mut events = Vec::new();
        first.enabled(&alone, &mut events);
        assert!(events.contains(&read));
        let state = [all.fold(&alone, &first)];
        let mut broken = None;
        for _ in 0..20_000 {
            all.successors(
                &alone,
                &state,
                |_| (),
                |_, successor| {
                    broken = broken.or(all.violation(&successor.state).map(|violation| violation.property));
                },
            );
        }
        broken
    };
    assert_eq!(verdict(Flaw::KeepsASecret), Some(CONTRACT));
    assert_eq!(verdict(Flaw::None), None);
}
