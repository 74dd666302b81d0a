//! Shrinking, against the shortest runs that a search of everything finds.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use swarm_protocol::{NodeId, Properties, Stream, Violation};
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
    fewest_of(setup, property, |_| true)
}

/// The fewest events of those that `may` happen.
fn fewest_of(setup: &Setup<Register>, property: &str, may: impl Fn(&Event<Register>) -> bool) -> usize {
    let start = Cluster::new(setup);
    let (mut seen, mut level) = (BTreeSet::from([start.fingerprint()]), vec![start]);
    let mut events = Vec::new();
    for depth in 1.. {
        assert!(seen.len() < 2_000_000 && !level.is_empty(), "depth {depth}: {} worlds", seen.len());
        let mut next_level = Vec::new();
        for world in level {
            world.enabled(setup, &mut events);
            for event in events.iter().filter(|event| may(event)) {
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

/// n1 stores a write before n2 does, or after it: either is broken by some runs, and a part of a run that breaks
/// the latter breaks the former.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Turns;

impl Properties<Register> for Turns {
    const NAMES: &'static [&'static str] = &["n1-first", "n1-last"];

    fn after_step(
        &mut self,
        _: &Config,
        nodes: &[Option<&Register>],
        touched: NodeId,
    ) -> Result<(), Violation> {
        let stores = |node: usize| nodes[node].is_some_and(|node| node.stored.version > 0);
        if touched != NodeId(1) || !stores(1) {
            return Ok(());
        }
        Err(Violation::new(Self::NAMES[usize::from(stores(2))], String::new()))
    }

    fn full(&self, _: &Config, _: &[Option<&Register>]) -> Result<(), Violation> {
        Ok(())
    }
}

#[test]
fn what_breaks_another_property_is_no_shorter_run() {
    let setup = setup(Flaw::None);
    let mut lasts = 0;
    for seed in 0..60 {
        let weights = Weights::swarm(&mut Stream::new(seed, 1, 0));
        let walk = walk::<Register, Turns>(&setup, Stream::new(seed, 0, 0), weights, 300);
        let Some(Violation { property, .. }) = walk.violation else { continue };
        let events: Vec<_> = walk.trace.events().cloned().collect();
        let shrunk = shrink::<Register, Turns>(&setup, &events, property).unwrap();
        let (world, _) = replay::<Register, Turns>(&setup, &shrunk);
        assert_eq!(world.violation().map(|violation| violation.property), Some(property), "seed {seed}");
        lasts += u32::from(property == "n1-last");
    }
    assert!(lasts > 5, "{lasts} runs break the property that another is near to");
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
fn what_is_said_of_a_length_is_said_of_the_run_that_is_given() {
    let (mut proved, mut cut_off) = (0, 0);
    for flaw in [Flaw::CopiesAtOnce, Flaw::PanicsOnOldCopy] {
        let setup = setup(flaw);
        let (property, events) = broken(&setup, 3).swap_remove(2);
        for effort in (1..60).map(|number| number * 150) {
            let ways = Ways { effort, ..Ways::default() };
            let shrunk = smallest::<Register, OneValuePerVersion>(&setup, &events, property, &ways).unwrap();
            let told = format!("{flaw:?}, {effort}: {shrunk}");
            let words: BTreeSet<_> = shrunk.events.iter().cloned().collect();
            let kind = |event: &Event<Register>| (event.class(), event.slot());
            let kinds: BTreeSet<_> = shrunk.events.iter().map(kind).collect();
            let shortest = match shrunk.proved {
                Proved::Nothing => continue,
                Proved::ShortestOfItsEvents => {
                    fewest_of(&shrunk.setup, property, |event| words.contains(event))
                }
                Proved::ShortestOfItsKinds => {
                    fewest_of(&shrunk.setup, property, |event| kinds.contains(&kind(event)))
                }
                Proved::Shortest => fewest(&shrunk.setup, property),
            };
            assert_eq!(shrunk.events.len(), shortest, "{told}");
            (proved, cut_off) = (proved + 1, cut_off + u32::from(shrunk.cut_off));
        }
    }
    assert!(proved > 10 && cut_off > 0, "{proved} claims, {cut_off} of runs that were cut off");
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

/// Sixteen writes that a crash takes before anybody is told, then a read and two writes that are done: each of the
/// sixteen may or may not have taken effect.
fn open_writes() -> Scenario<Op> {
    let header = "nodes 3\nsyncing prefix\ncrashes 16\n".to_owned();
    let operations = (0..16).map(|value| format!("op Write({value})\n")).collect::<Vec<_>>().concat();
    let lost = |number| format!("invoke n0 op{number}\ncrash n0 0\nrestart n0\n");
    let lost = (0..16).map(lost).collect::<Vec<_>>().concat();
    let done = "invoke n0 op16\ninvoke n0 op17\nsync n0 1\ndeliver n0 n1\nsync n1 1\ndeliver n1 n0\n\
                deliver n0 n2\nsync n2 1\ndeliver n2 n0\ninvoke n0 op18\n";
    let text = format!("{header}{operations}op Read\nop Write(50)\nop Write(51)\n{lost}{done}");
    Scenario::parse("open", &text).unwrap()
}

#[test]
fn a_history_with_too_many_explanations_is_a_violation_unless_it_may_be_given_up() {
    let scenario = open_writes();
    let config = Config { nodes: 3, flaw: Flaw::AssertsTooMuch };
    let mut setup = scenario.setup::<Register>(config);
    // The read is what has to be explained; what comes after it cannot happen any more.
    let stopped = scenario.play::<Register, OneValuePerVersion>(&setup).unwrap_err();
    assert!(stopped.reason.contains("is not enabled; these 0 events are"), "{stopped}");
    setup.may_give_up = true;
    let played = scenario.play::<Register, OneValuePerVersion>(&setup).unwrap();
    assert_eq!(played.violation.map(|violation| violation.property), Some("invariants"));

    let events: Vec<_> = played.trace.events().cloned().collect();
    let ways = Ways { plainer, ..Ways::default() };
    let shrunk = smallest::<Register, OneValuePerVersion>(&setup, &events, "invariants", &ways).unwrap();
    assert_minimal(&shrunk, "invariants");
    assert!(!shrunk.setup.may_give_up && shrunk.setup.workload.len() == 2, "{shrunk}");
    assert_eq!(shrunk.events.len(), fewest(&shrunk.setup, "invariants"), "{shrunk}");
}

#[test]
fn what_shrinking_keeps_is_bounded_however_long_the_run_is() {
    // A node crashes again and again; then a second write is stored.
    let bounds = Bounds { crashes: u32::MAX, sync: SyncMode::Prefix, ..Bounds::default() };
    let setup = toy::setup(3, Flaw::AssertsTooMuch, &[Op::Write(1), Op::Write(2)]).bounds(bounds);
    let mut world = Cluster::new(&setup);
    let mut events = Vec::new();
    let mut go = |world: &mut Cluster, text: &str| {
        let mut enabled = Vec::new();
        world.enabled(&setup, &mut enabled);
        let event = enabled.into_iter().find(|event| format!("{event:?}").starts_with(text));
        let event = event.unwrap_or_else(|| panic!("`{text}` is not enabled"));
        world.apply(&setup, &event).unwrap();
        events.push(event);
    };
    for _ in 0..2_000 {
        go(&mut world, "crash n0 0");
        go(&mut world, "restart n0");
    }
    let write = "invoke n0 op0, sync n0 1, deliver n0 n1, sync n1 1, deliver n1 n0, deliver n0 n2, sync n2 1, \
                 deliver n2 n0, invoke n0 op1";
    write.split(", ").for_each(|text| go(&mut world, text));
    let property = world.violation().unwrap().property;
    for effort in [0, 100, 1_000_000] {
        let ways = Ways { effort, ..Ways::default() };
        let shrunk = smallest::<Register, OneValuePerVersion>(&setup, &events, property, &ways).unwrap();
        assert!(shrunk.tried <= effort && shrunk.held_most > 0, "{shrunk}");
        // Two million, and the one world more that crosses the line.
        assert!(shrunk.held_most <= 2_000_000 + events.len() + 16, "{} held", shrunk.held_most);
        assert!(effort < 1_000_000 || shrunk.events.len() <= 9, "{shrunk}");
    }
}

#[test]
fn shrinking_stops_when_it_is_asked_to() {
    static STOP: AtomicBool = AtomicBool::new(true);
    let setup = setup(Flaw::CopiesAtOnce);
    let (property, events) = broken(&setup, 1).swap_remove(0);
    let ways = Ways { stop: Some(&STOP), ..Ways::default() };
    // Before the run was played once, there is nothing to give.
    assert!(smallest::<Register, OneValuePerVersion>(&setup, &events, property, &ways).is_none());
    STOP.store(false, Ordering::Relaxed);
    let shrunk = smallest::<Register, OneValuePerVersion>(&setup, &events, property, &ways).unwrap();
    assert!(!shrunk.cut_off, "{shrunk}");
}
