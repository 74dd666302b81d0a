//! Turns that are looked up are the turns that would be taken.

use std::collections::BTreeSet;

use swarm_protocol::{NodeId, OpId};
use swarm_simulator::world::{Ahead, CONTRACT, Identical, Known};
use swarm_simulator::{Applied, Bounds, Event, NotEnabled, Setup, Slot, World};

use crate::toy::{Flaw, OneValuePerVersion, Op, Register, faults, setup};

type RegisterWorld = World<Register, OneValuePerVersion>;

/// Clocks that move, too.
fn all_faults() -> Bounds {
    Bounds { clock_steps: 1, ..faults() }
}

/// Every event of every reachable world, taken plainly, looked up and looked ahead to; says how many worlds there
/// are, and how often could be told ahead what they come to.
fn compare(setup: &Setup<Register>, known: &Known<Register>, states_max: usize) -> (usize, usize) {
    let same = |plain: &RegisterWorld, looked_up: &RegisterWorld| {
        assert_eq!(plain.fingerprint(), looked_up.fingerprint());
        assert_eq!(looked_up.fingerprint(), looked_up.fingerprint_from_scratch());
        assert_eq!(plain.violation(), looked_up.violation());
        assert!(plain == looked_up, "{plain:?}\n{looked_up:?}");
    };
    let first = RegisterWorld::new(setup);
    let mut seen = BTreeSet::from([first.fingerprint()]);
    let (mut open, mut events, mut told) = (vec![first], Vec::new(), 0);
    while let Some(world) = open.pop() {
        world.enabled(setup, &mut events);
        for event in &events {
            let (mut plain, mut looked_up) = (world.clone(), world.clone());
            let taken: Result<Applied, NotEnabled> = plain.apply(setup, event);
            let mut marks = Vec::new();
            match world.look_ahead(setup, event, known, |mark| marks.push(mark)) {
                Ahead::Nothing => {
                    assert!(taken.as_ref().map_or(true, |applied| !applied.changed), "{event:?}");
                }
                Ahead::World(fingerprint) => {
                    assert_eq!(fingerprint, plain.fingerprint(), "{event:?}");
                    assert!(plain.violation().is_none() && plain.question().is_none(), "{event:?}");
                    assert_eq!(taken.as_ref().map(|applied| &applied.marks), Ok(&marks));
                    told += 1;
                }
                Ahead::Unclear => {}
            }
            assert_eq!(looked_up.apply_known(setup, event, known), taken, "{event:?}");
            same(&plain, &looked_up);
            if seen.insert(looked_up.fingerprint()) && seen.len() < states_max {
                open.push(looked_up);
            }
        }
    }
    (seen.len(), told)
}

#[test]
fn a_world_that_looks_turns_up_is_the_same_world() {
    for flaw in [Flaw::None, Flaw::AnswersAtOnce, Flaw::PanicsOnOldCopy, Flaw::AssertsTooMuch] {
        let small = setup(2, flaw, &[Op::Write(1), Op::Read]).bounds(all_faults());
        let known = Known::new(1 << 16);
        let (states, told) = compare(&small, &known, 20_000);
        assert!(told > states, "{flaw:?}: {told} events of {states} worlds seen ahead");
        assert!(states > 200 && known.len() * 3 < states, "{flaw:?}: {states} worlds, {} turns", known.len());
    }
}

#[test]
fn equal_messages_that_count_and_twins_are_seen_ahead_too() {
    let counted = Bounds { identical: Identical::Count, in_flight: 3, ..all_faults() };
    let twins = setup(2, Flaw::None, &[Op::Write(1)]).bounds(Bounds { in_flight: 3, ..Bounds::default() });
    for setup in [setup(2, Flaw::None, &[Op::Write(1), Op::Read]).bounds(counted), twins.twin(NodeId(1))] {
        let (states, told) = compare(&setup, &Known::new(1 << 16), 5_000);
        assert!(states > 20 && told * 2 > states, "{told} events of {states} worlds seen ahead");
    }
}

#[test]
fn what_does_not_fit_is_taken_again() {
    let small = setup(2, Flaw::None, &[Op::Write(1), Op::Read]).bounds(all_faults());
    for turns_max in [0, 64] {
        let known = Known::new(turns_max);
        compare(&small, &known, 2_000);
        assert!(known.len() <= turns_max && (known.is_empty() == (turns_max == 0)), "{}", known.len());
    }
}

#[test]
fn a_protocol_that_keeps_a_secret_breaks_the_contract() {
    let read = Event::Invoke { at: Slot(0), id: OpId(0), op: Op::Read };
    let verdict = |flaw| {
        let alone = setup(1, flaw, &[Op::Read]);
        let (first, known) = (RegisterWorld::new(&alone), Known::new(1 << 10));
        let mut verdicts = (0..20_000).map(|_| {
            let mut world = first.clone();
            world.apply_known(&alone, &read, &known).unwrap();
            world.violation().map(|violation| violation.property)
        });
        verdicts.find_map(|verdict| verdict)
    };
    assert_eq!(verdict(Flaw::KeepsASecret), Some(CONTRACT));
    assert_eq!(verdict(Flaw::None), None);
}
