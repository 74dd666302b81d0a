//! Shrinking, against the shortest runs that a search of everything finds.

use std::collections::BTreeSet;

use swarm_protocol::{NodeId, Stream};
use swarm_simulator::scenario::Scenario;
use swarm_simulator::shrink::{Proved, Shrunk, Ways, plainer, replay, shrink, smallest};
use swarm_simulator::walk::{Weights, walk};
use swarm_simulator::world::{FlushMode, Identical, SyncMode};
use swarm_simulator::{Bounds, Event, Setup, World, scenario};

use crate::toy::{self, Config, Flaw, OneValuePerVersion, Op, Register};

type Cluster = World<Register, OneValuePerVersion>;

/// Three nodes and all faults, for runs that are longer than they need be.
fn setup(flaw: Flaw) -> Setup<Register> {
    let ops = [Op::Write(5), Op::Read, Op::Write(6), Op::Read, Op::Write(7), Op::Read];
    toy::setup(3, flaw, &ops).bounds(Bounds { crashes: 3, in_flight: 12, ..toy::faults() })
}

/// Runs that break something, found at random: the property and the events.
fn broken(setup: &Setup<Register>, runs: usize) -> Vec<(&'static str, Vec<Event<Register>>)> {
    let walks = (0..).map(|seed| {
        let weights = Weights::swarm(&mut Stream::new(seed, 1, 0));
        walk::<Register, OneValuePerVersion>(setup, Stream::new(seed, 0, 0), weights, 300)
    });
    let broken = walks.filter_map(|walk| {
        let property = walk.violation.as_ref()?.property;
        (walk.trace.len() >= 30).then(|| (property, walk.trace.events().cloned().collect()))
    });
    broken.take(runs).collect()
}

/// The fewest events that break `property`, by visiting every world.
fn fewest(setup: &Setup<Register>, property: &str) -> usize {
    let start = Cluster::new(setup);
    let (mut seen, mut level) = (BTreeSet::from([start.fingerprint()]), vec![start]);
    let mut events = Vec::new();
    for depth in 1.. {
        assert!(seen.len() < 2_000_000 && !level.is_empty(), "depth {depth}: {} worlds", seen.len());
        let mut next_level = Vec::new();
        for world in level {
            world.enabled(setup, &mut events);
            for event in &events {
                let mut next = world.clone();
                if next.apply(setup, event).is_err() {
                    continue;
                }
                if next.violation().is_some_and(|violation| violation.property == property) {
                    return depth;
                }
                if seen.insert(next.fingerprint()) {
                    next_level.push(next);
                }
            }
        }
        level = next_level;
    }
    unreachable!("every depth is visited or none is left")
}

/// The result is a run of its setup to the property, and no event can be spared.
fn assert_minimal(shrunk: &Shrunk<Register>, property: &str) {
    let Shrunk { setup, events, violation, .. } = shrunk;
    let (world, happened) = replay::<Register, OneValuePerVersion>(setup, events);
    assert_eq!(world.violation(), Some(violation));
    assert_eq!(violation.property, property);
    assert_eq!(&happened, events, "every event is enabled and matters");
    for spared in 0..events.len() {
        let rest = events.iter().enumerate().filter(|(i, _)| *i != spared).map(|(_, event)| event);
        let (world, _) = replay::<Register, OneValuePerVersion>(setup, rest);
        let property = world.violation().map(|violation| violation.property);
        assert_ne!(property, Some(violation.property), "{:?} can be spared", events[spared]);
    }
}

#[test]
fn long_runs_shrink_to_the_shortest_that_there_are() {
    let (mut all, mut shortest) = (0, 0);
    for (flaw, property) in [
        (Flaw::AnswersAtOnce, "linearizability"),
        (Flaw::CopiesAtOnce, "one_value_per_version"),
        (Flaw::PanicsOnOldCopy, "panic"),
        (Flaw::AssertsTooMuch, "invariants"),
        (Flaw::AnswersTwice, "contract"),
    ] {
        let setup = setup(flaw);
        let runs = broken(&setup, 8);
        assert!(runs.iter().any(|(broken, _)| *broken == property), "{flaw:?} breaks {property}");
        for (property, events) in runs {
            let ways = Ways { plainer, ..Ways::default() };
            let shrunk = smallest::<Register, OneValuePerVersion>(&setup, &events, property, &ways).unwrap();
            assert_minimal(&shrunk, property);
            let optimum = fewest(&shrunk.setup, property);
            let length = shrunk.events.len();
            assert!(length * 2 <= optimum * 3, "{flaw:?}: {length} events, {optimum} would do: {shrunk}");
            if shrunk.proved == Proved::Shortest {
                assert_eq!(length, optimum, "{flaw:?}: {shrunk}");
                shortest += 1;
            }
            // Nothing is longer than what leaving out alone comes to.
            let plain = shrink::<Register, OneValuePerVersion>(&setup, &events, property).unwrap();
            assert!(length <= plain.len() && !shrunk.cut_off, "{shrunk}");
            all += 1;
        }
    }
    assert!(shortest * 10 >= all * 9, "{shortest} of {all} are known to be the shortest");
}

#[test]
fn what_a_run_does_not_need_is_taken_from_its_setup() {
    let setup = setup(Flaw::AnswersAtOnce).twin(NodeId(2));
    let (property, events) =
        broken(&setup, 40).into_iter().find(|(property, _)| *property == "linearizability").unwrap();
    let smaller = Config { nodes: 2, flaw: Flaw::AnswersAtOnce };
    let one = Config { nodes: 1, flaw: Flaw::AnswersAtOnce };
    let ways = Ways { clusters: vec![(2, smaller), (1, one)], plainer, ..Ways::default() };
    let shrunk = smallest::<Register, OneValuePerVersion>(&setup, &events, property, &ways).unwrap();
    assert_minimal(&shrunk, property);
    // The primary alone: it says that a write is done, and loses it in a crash.
    let lines: Vec<_> = shrunk.events.iter().map(|event| format!("{event:?}")).collect();
    assert_eq!(lines, ["invoke n0 op0 Write(1)", "crash n0 0", "restart n0", "invoke n0 op1 Read"]);
    assert_eq!((shrunk.setup.nodes(), shrunk.setup.participants().len()), (1, 1));
    assert_eq!(shrunk.setup.workload, [Op::Write(1), Op::Read]);
    let expected = Bounds { crashes: 1, sync: SyncMode::Whole, in_flight: 12, ..Bounds::default() };
    assert_eq!(shrunk.setup.bounds, expected, "{shrunk}");
    assert_eq!((expected.flush, expected.identical), (FlushMode::Eager, Identical::Merge));
    assert_eq!(shrunk.proved, Proved::Shortest);
    assert!(shrunk.to_string().ends_with("there is no shorter one"), "{shrunk}");

    let text = scenario::write::<Register, OneValuePerVersion>(&shrunk.setup, &shrunk.events, "");
    let read = Scenario::<Op>::parse("file", &text).unwrap();
    let again = read.setup::<Register>(shrunk.setup.config.clone());
    let played = read.play::<Register, OneValuePerVersion>(&again).unwrap();
    assert_eq!(played.violation.map(|violation| violation.property), Some(property));
}

#[test]
fn shrinking_is_cut_off_aloud_and_what_it_has_is_right() {
    let setup = setup(Flaw::CopiesAtOnce);
    let (property, events) = broken(&setup, 1).swap_remove(0);
    let mut lengths = Vec::new();
    for effort in [0, 50, 200, 1_000_000] {
        let ways = Ways { effort, ..Ways::default() };
        let shrunk = smallest::<Register, OneValuePerVersion>(&setup, &events, property, &ways).unwrap();
        assert!(shrunk.tried <= effort);
        let (world, happened) = replay::<Register, OneValuePerVersion>(&shrunk.setup, &shrunk.events);
        assert_eq!(world.violation(), Some(&shrunk.violation));
        assert_eq!(happened, shrunk.events);
        assert_eq!(shrunk.cut_off, effort < 1_000_000, "{effort}: {shrunk}");
        assert_eq!(shrunk.cut_off, shrunk.to_string().ends_with("cut off: perhaps more can be spared"));
        lengths.push(shrunk.events.len());
    }
    assert!(lengths.is_sorted_by(|a, b| a >= b) && lengths[0] > 2 * lengths[3], "{lengths:?}");
}

#[test]
fn shrinking_is_the_same_every_time() {
    let setup = setup(Flaw::AnswersAtOnce);
    let told = |shrunk: Shrunk<Register>| (format!("{:?}", shrunk.events), shrunk.stages, shrunk.tried);
    for (property, events) in broken(&setup, 3) {
        let mut results = (0..2).map(|_| {
            let ways = Ways { effort: 20_000, ..Ways::default() };
            told(smallest::<Register, OneValuePerVersion>(&setup, &events, property, &ways).unwrap())
        });
        assert_eq!(results.next(), results.next());
    }
}

#[test]
fn plainer_operations_have_smaller_numbers() {
    assert_eq!(plainer(&Op::Write(9)), [Op::Write(0), Op::Write(1), Op::Write(4)]);
    assert_eq!(plainer(&Op::Write(1)), [Op::Write(0)]);
    assert_eq!(plainer(&Op::Read), []);
}
