//! Worlds of toy protocols: what is enabled, what happens, and what is caught.

use std::collections::BTreeSet;

use swarm_protocol::{NodeId, OpId, Stream, Ticks};
use swarm_simulator::world::{FlushMode, Identical, OpStatus, SyncMode};
use swarm_simulator::{Bounds, Event, NotEnabled, Setup, Slot, World};

use crate::toy::{Flaw, Message, OneValuePerVersion, Op, Register, Timer, setup};

type RegisterWorld = World<Register, OneValuePerVersion>;

/// Every state that can be reached, breadth first, up to the first violation; and how many there are.
fn explore(setup: &Setup<Register>, most: usize) -> (usize, Option<&'static str>) {
    let initial = RegisterWorld::new(setup);
    let mut seen = BTreeSet::from([initial.fingerprint()]);
    let (mut frontier, mut events) = (vec![initial], Vec::new());
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for world in frontier {
            world.enabled(setup, &mut events);
            for event in &events {
                let mut child = world.clone();
                let Ok(applied) = child.apply(setup, event) else { continue };
                if let Some(violation) = child.violation() {
                    return (seen.len(), Some(violation.property));
                }
                if applied.changed && seen.insert(child.fingerprint()) {
                    next.push(child);
                }
            }
        }
        frontier = next;
        assert!(seen.len() <= most, "more than {most} states");
    }
    (seen.len(), None)
}

fn faults() -> Bounds {
    Bounds {
        crashes: 1,
        duplicates: 1,
        drops: 1,
        disk_failures: 1,
        in_flight: 4,
        flush: FlushMode::Deferred,
        sync: SyncMode::Prefix,
        ..Bounds::default()
    }
}

/// Lets random enabled events happen, and calls `check` after each.
fn wander(setup: &Setup<Register>, seed: u64, steps: u64, mut check: impl FnMut(&RegisterWorld)) {
    let (mut world, mut events) = (RegisterWorld::new(setup), Vec::new());
    for step in 0..steps {
        world.enabled(setup, &mut events);
        if events.is_empty() {
            break;
        }
        let pick = Stream::new(seed, 0, step).below(events.len() as u64);
        world.apply(setup, &events[pick as usize]).unwrap();
        check(&world);
    }
}

fn deliver(from: u32, to: u32, message: Message) -> Event<Register> {
    Event::Deliver { from: NodeId(from), to: Slot(to), message }
}

fn invoke(at: u32, id: u64, op: Op) -> Event<Register> {
    Event::Invoke { at: Slot(at), id: OpId(id), op }
}

const COPY: Message = Message::Copy { version: 1, value: 7 };
const ACK: Message = Message::Ack { version: 1 };

#[test]
fn a_write_reaches_all_and_is_read() {
    let setup = setup(3, Flaw::None, &[Op::Write(7), Op::Read]);
    let mut world = RegisterWorld::new(&setup);
    for event in [
        invoke(0, 0, Op::Write(7)),
        deliver(0, 1, COPY),
        deliver(0, 2, COPY),
        deliver(2, 0, ACK),
        deliver(1, 0, ACK),
        invoke(0, 1, Op::Read),
    ] {
        assert!(world.apply(&setup, &event).unwrap().changed, "{event:?}");
    }
    assert_eq!(world.operations(), [OpStatus::Returned, OpStatus::Returned]);
    assert_eq!(world.in_flight().len(), 0);
    assert!(world.nodes().all(|node| node.unwrap().stored.value == 7));
}

#[test]
fn the_correct_register_holds_in_every_reachable_state() {
    let small = setup(2, Flaw::None, &[Op::Write(1), Op::Read]).bounds(faults());
    let (states, violation) = explore(&small, 200_000);
    assert_eq!((states, violation), (SMALL_STATES, None));
}
const SMALL_STATES: usize = 3_886;

#[test]
fn every_flaw_is_caught_by_the_property_it_breaks() {
    let ops = [Op::Write(1), Op::Write(2), Op::Read];
    for (flaw, property) in [
        (Flaw::AnswersAtOnce, "linearizability"),
        (Flaw::CopiesAtOnce, "one_value_per_version"),
        (Flaw::PanicsOnOldCopy, "panic"),
        (Flaw::AssertsTooMuch, "invariants"),
        (Flaw::AnswersTwice, "contract"),
    ] {
        let nodes = if flaw == Flaw::CopiesAtOnce { 3 } else { 2 };
        let bounds = Bounds { crashes: 1, sync: SyncMode::Whole, ..Bounds::default() };
        let setup = setup(nodes, flaw, &ops).bounds(bounds);
        assert_eq!(explore(&setup, 200_000).1, Some(property), "{flaw:?}");
    }
}

#[test]
fn the_fingerprint_is_that_of_a_computation_from_scratch() {
    let setup =
        setup(3, Flaw::None, &[Op::Write(1), Op::Write(2), Op::Read]).twin(NodeId(2)).bounds(faults());
    for seed in 0..200 {
        wander(&setup, seed, 60, |world| {
            assert_eq!(world.fingerprint(), world.fingerprint_from_scratch(), "seed {seed}\n{world:?}");
        });
    }
}

#[test]
fn incremental_properties_agree_with_their_full_form() {
    for flaw in [Flaw::None, Flaw::CopiesAtOnce] {
        let setup = setup(3, flaw, &[Op::Write(1), Op::Write(2), Op::Read]).bounds(faults());
        let mut violations = 0;
        for seed in 0..500 {
            wander(&setup, seed, 60, |world| {
                let full = world.check_full(&setup).err().map(|violation| violation.property);
                let found = world.violation().map(|violation| violation.property);
                if full.is_some() {
                    violations += 1;
                    assert_eq!(found, full, "{world:?}");
                }
            });
        }
        assert_eq!(violations > 0, flaw != Flaw::None, "{flaw:?}: {violations}");
    }
}

#[test]
fn equal_fingerprints_belong_to_equal_worlds() {
    let setup = setup(2, Flaw::None, &[Op::Write(1), Op::Read]).bounds(faults());
    let mut seen = std::collections::BTreeMap::new();
    let (mut distinct, mut again) = (0, 0);
    for seed in 0..100 {
        wander(&setup, seed, 60, |world| match seen.get(&world.fingerprint()) {
            Some(other) => {
                again += 1;
                assert_eq!(world, other);
            }
            None => {
                assert!(distinct > 200 || seen.values().all(|other| other != world));
                distinct += 1;
                seen.insert(world.fingerprint(), world.clone());
            }
        });
    }
    assert!(distinct > 200 && again > 200, "{distinct} {again}");
}
