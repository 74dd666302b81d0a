//! Worlds of toy protocols: what is enabled, what happens, and what is caught.

use std::collections::{BTreeMap, BTreeSet};

use swarm_protocol::{NodeId, OpId, Properties, Stream, Ticks, Violation};
use swarm_simulator::world::{Consequences, Identical, Known, OpStatus, SyncMode};
use swarm_simulator::{Bounds, Event, NotEnabled, Setup, Slot, World};

use crate::toy::{Flaw, Message, OneValuePerVersion, Op, Register, Stored, Timer, faults, setup};

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

const COPY: Message = Message::Copy(Stored { version: 1, value: 7 });
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
const SMALL_STATES: usize = 1_358;

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

/// Applies the events in turn; each must be enabled.
fn run(setup: &Setup<Register>, events: &[Event<Register>]) -> RegisterWorld {
    let mut world = RegisterWorld::new(setup);
    for event in events {
        assert!(world.apply(setup, event).is_ok(), "{event:?}\n{world:?}");
    }
    world
}

#[test]
fn what_is_not_enabled_is_refused_with_its_reason_and_changes_nothing() {
    let bounds = Bounds { sync: SyncMode::Whole, crashes: 1, ..Bounds::default() };
    let setup = setup(2, Flaw::None, &[Op::Write(7), Op::Read]).bounds(bounds);
    let at = Slot(0);
    let world = run(&setup, &[invoke(0, 0, Op::Write(7)), Event::Crash { at: Slot(1), kept: 0 }]);
    let sync = |writes| Event::Sync { at, writes };
    for (event, reason) in [
        (deliver(0, 0, COPY), NotEnabled::NoSuchMessage),
        (deliver(0, 1, COPY), NotEnabled::NotRunning),
        (deliver(0, 9, COPY), NotEnabled::NoSuchSlot),
        (Event::Duplicate { from: NodeId(0), to: at, message: COPY }, NotEnabled::Budget),
        (Event::Drop { from: NodeId(0), to: at, message: COPY }, NotEnabled::NoSuchMessage),
        (Event::Timeout { at: Slot(1), timer: Timer::Resend }, NotEnabled::NotRunning),
        (invoke(0, 0, Op::Write(7)), NotEnabled::NotNext),
        (invoke(0, 1, Op::Write(7)), NotEnabled::NotNext),
        (Event::Flush { at }, NotEnabled::NothingToDo),
        (sync(0), NotEnabled::NothingToDo),
        (sync(2), NotEnabled::NothingToDo),
        (Event::DiskFail { at }, NotEnabled::Budget),
        (Event::Crash { at, kept: 2 }, NotEnabled::NothingToDo),
        (Event::Crash { at, kept: 1 }, NotEnabled::Budget),
        (Event::Restart { at }, NotEnabled::NotRunning),
        (Event::Choose { answer: 0 }, NotEnabled::Choice),
        (Event::Advance { at }, NotEnabled::Budget),
    ] {
        let mut after = world.clone();
        assert_eq!(after.apply(&setup, &event), Err(reason), "{event:?}");
        assert!(after == world && after.fingerprint() == world.fingerprint(), "{event:?}");
    }
}

#[test]
fn what_is_listed_as_enabled_happens() {
    let setup = setup(3, Flaw::None, &[Op::Write(1), Op::Read]).bounds(faults());
    let mut events = Vec::new();
    for seed in 0..50 {
        wander(&setup, seed, 40, |world| {
            world.enabled(&setup, &mut events);
            let distinct: BTreeSet<_> = events.iter().collect();
            assert_eq!(distinct.len(), events.len(), "an event is listed twice: {events:?}");
            for event in &events {
                assert!(world.clone().apply(&setup, event).is_ok(), "{event:?}\n{world:?}");
            }
        });
    }
}

#[test]
fn a_crash_keeps_what_was_durable_and_a_prefix_of_the_rest() {
    let bounds = Bounds { sync: SyncMode::Prefix, crashes: 1, ..Bounds::default() };
    let setup = setup(2, Flaw::None, &[Op::Write(7)]).bounds(bounds);
    for (kept, version) in [(0, 0), (1, 1)] {
        let mut world = run(&setup, &[invoke(0, 0, Op::Write(7)), Event::Crash { at: Slot(0), kept }]);
        assert_eq!((world.node(Slot(0)), world.in_flight().len()), (None, 0));
        world.apply(&setup, &Event::Restart { at: Slot(0) }).unwrap();
        assert_eq!(world.node(Slot(0)).map(|node| node.stored.version), Some(version));
        assert_eq!(world.operations(), [OpStatus::Pending], "nobody was told");
    }
}

#[test]
fn what_waits_for_a_write_leaves_with_it_and_never_if_the_disk_fails() {
    let bounds = Bounds { sync: SyncMode::Whole, disk_failures: 1, ..Bounds::default() };
    let setup = setup(3, Flaw::None, &[Op::Write(7)]).bounds(bounds);
    let before = run(&setup, &[invoke(0, 0, Op::Write(7))]);
    assert_eq!(before.in_flight().len(), 0);
    assert_eq!((before.durable(Slot(0)).len(), before.outstanding(Slot(0)).len()), (0, 1));

    let mut synced = before.clone();
    synced.apply(&setup, &Event::Sync { at: Slot(0), writes: 1 }).unwrap();
    let expected = [(NodeId(0), Slot(1), &COPY), (NodeId(0), Slot(2), &COPY)];
    assert!(synced.in_flight().eq(expected));
    assert_eq!((synced.durable(Slot(0)).len(), synced.outstanding(Slot(0)).len()), (1, 0));

    let mut failed = before;
    failed.apply(&setup, &Event::DiskFail { at: Slot(0) }).unwrap();
    assert_eq!((failed.durable(Slot(0)).len(), failed.outstanding(Slot(0)).len()), (0, 0));
    assert_eq!(failed.in_flight().len(), 0);
}

#[test]
fn equal_messages_merge_or_count_as_the_bounds_say() {
    for (identical, copies) in [(Identical::Merge, 1), (Identical::Count, 2)] {
        let bounds = Bounds { identical, ..Bounds::default() };
        let setup = setup(2, Flaw::None, &[Op::Write(7)]).bounds(bounds);
        // The copy that the timer sends again equals the first, which has not arrived.
        let resend = Event::Timeout { at: Slot(0), timer: Timer::Resend };
        let world = run(&setup, &[invoke(0, 0, Op::Write(7)), resend]);
        assert_eq!(world.in_flight().len(), copies, "{identical:?}");
        assert_eq!(world.fingerprint(), world.fingerprint_from_scratch());
        let mut events = Vec::new();
        world.enabled(&setup, &mut events);
        let deliveries = events.iter().filter(|event| matches!(event, Event::Deliver { .. })).count();
        assert_eq!(deliveries, 1, "either copy is the same event");
    }
}

#[test]
fn a_full_network_loses_what_is_sent() {
    let bounds = Bounds { in_flight: 1, ..Bounds::default() };
    let setup = setup(3, Flaw::None, &[Op::Write(7)]).bounds(bounds);
    let world = run(&setup, &[invoke(0, 0, Op::Write(7))]);
    assert!(world.in_flight().eq([(NodeId(0), Slot(1), &COPY)]));
}

#[test]
fn a_timer_that_is_set_again_and_a_message_without_room_are_told() {
    let workload = [Op::Write(7)];
    let told = |in_flight: u32, events: &[Event<Register>], event: Event<Register>| {
        let mut setup = setup(3, Flaw::None, &workload);
        setup.bounds = Bounds { in_flight, drops: 1, ..Bounds::default() };
        let world = run(&setup, events);
        let consequences = world.consequences(&setup, &event, &Known::new(100));
        consequences.map(|Consequences { at, timers_set, crowded }| (at, timers_set, crowded))
    };
    let write = invoke(0, 0, Op::Write(7));
    assert_eq!(told(2, &[], write.clone()), Some((Slot(0), vec![Timer::Resend], false)));
    assert_eq!(told(1, &[], write.clone()), Some((Slot(0), vec![Timer::Resend], true)));
    // A message that leaves makes room for the one that is sent.
    let written = [write];
    assert_eq!(told(2, &written, deliver(0, 1, COPY)), Some((Slot(1), vec![], false)));
    // The question comes first; its answer sets the timer, and repeats a message that is in flight.
    let resend = Event::Timeout { at: Slot(0), timer: Timer::Resend };
    assert_eq!(told(2, &written, resend.clone()), Some((Slot(0), vec![], false)));
    let asked = [written[0].clone(), resend];
    let answer = Event::Choose { answer: 1 };
    assert_eq!(told(2, &asked, answer.clone()), Some((Slot(0), vec![Timer::Resend], false)));
    // With an acknowledgement in flight there is room for one of the two copies.
    let lost = Event::Drop { from: NodeId(0), to: Slot(1), message: COPY };
    assert_eq!(told(2, &written, lost), None);
    let asked = [asked[0].clone(), deliver(0, 1, COPY), asked[1].clone()];
    assert_eq!(told(2, &asked, Event::Choose { answer: 0 }), Some((Slot(0), vec![Timer::Resend], true)));
    assert_eq!(told(2, &[], deliver(0, 1, COPY)), None, "it is not enabled");
}

#[test]
fn a_question_waits_for_each_of_its_answers() {
    let setup = setup(3, Flaw::None, &[Op::Write(7)]);
    let resend = Event::Timeout { at: Slot(0), timer: Timer::Resend };
    let asking = run(&setup, &[invoke(0, 0, Op::Write(7)), deliver(0, 1, COPY), deliver(0, 2, COPY), resend]);
    assert_eq!(asking.question(), Some(("whom to ask again", 2)));
    let mut events = Vec::new();
    asking.enabled(&setup, &mut events);
    assert_eq!(events, [Event::Choose { answer: 0 }, Event::Choose { answer: 1 }]);
    assert_eq!(asking.clone().apply(&setup, &deliver(1, 0, ACK)), Err(NotEnabled::Choice));
    assert_eq!(asking.clone().apply(&setup, &Event::Choose { answer: 2 }), Err(NotEnabled::Choice));
    for answer in 0..2 {
        let mut world = asking.clone();
        world.apply(&setup, &Event::Choose { answer }).unwrap();
        assert_eq!(world.question(), None);
        assert!(world.in_flight().any(|sent| sent == (NodeId(0), Slot(answer + 1), &COPY)), "{world:?}");
    }
}

#[test]
fn an_event_that_leaves_the_boundary_is_refused() {
    let setup = setup(2, Flaw::None, &[Op::Write(7)]).within(|node| node.stored.version == 0);
    let mut world = RegisterWorld::new(&setup);
    let before = world.clone();
    assert_eq!(world.apply(&setup, &invoke(0, 0, Op::Write(7))), Err(NotEnabled::Boundary));
    assert_eq!(world, before);
}

#[test]
fn a_clock_moves_by_steps_to_its_bound_and_survives_a_crash() {
    let bounds = Bounds { clock_steps: 2, clock_step: Ticks(5), crashes: 1, ..Bounds::default() };
    let setup = setup(1, Flaw::None, &[]).bounds(bounds);
    let advance = Event::Advance { at: Slot(0) };
    let mut world = run(&setup, &[advance.clone(), advance.clone()]);
    assert!(world.describe(Slot(0)).ends_with("clock 10us"), "{world:?}");
    assert_eq!(world.apply(&setup, &advance), Err(NotEnabled::Budget));
    for event in [Event::Crash { at: Slot(0), kept: 0 }, Event::Restart { at: Slot(0) }] {
        world.apply(&setup, &event).unwrap();
    }
    assert!(world.describe(Slot(0)).ends_with("clock 10us"), "{world:?}");
}

#[test]
fn twins_get_what_their_name_is_sent_and_act_under_it() {
    let setup = setup(2, Flaw::None, &[Op::Write(7)]).twin(NodeId(1));
    let twin = Slot::twin_of(NodeId(1));
    let mut world = run(&setup, &[invoke(0, 0, Op::Write(7))]);
    assert!(world.in_flight().eq([(NodeId(0), Slot(1), &COPY), (NodeId(0), twin, &COPY)]));
    world.apply(&setup, &Event::Deliver { from: NodeId(0), to: twin, message: COPY }).unwrap();
    assert!(world.in_flight().any(|sent| sent == (NodeId(1), Slot(0), &ACK)), "{world:?}");
    assert_eq!(world.properties(), &OneValuePerVersion::default(), "a name with a twin is not judged");
}

#[test]
fn nothing_happens_after_a_violation() {
    let setup = setup(2, Flaw::AnswersTwice, &[Op::Write(7)]);
    let mut world = run(&setup, &[invoke(0, 0, Op::Write(7)), deliver(0, 1, COPY), deliver(1, 0, ACK)]);
    let violation = world.violation().unwrap();
    assert_eq!(violation.property, "contract");
    assert!(violation.detail.starts_with("op0 is answered"), "{violation}");
    let mut events = vec![invoke(0, 0, Op::Read)];
    world.enabled(&setup, &mut events);
    assert_eq!(events, []);
    assert_eq!(world.apply(&setup, &invoke(0, 0, Op::Read)), Err(NotEnabled::Violated));
}

#[test]
fn marks_and_refusals_are_reported_and_not_kept() {
    let setup = setup(1, Flaw::None, &[Op::Write(7), Op::Read]);
    let mut world = RegisterWorld::new(&setup);
    let applied = world.apply(&setup, &invoke(0, 0, Op::Write(7))).unwrap();
    assert_eq!((applied.marks, applied.refusals), (vec!["copied-everywhere"], vec![]));
    let setup = setup_busy();
    let mut world = run(&setup, &[invoke(0, 0, Op::Write(7))]);
    let applied = world.apply(&setup, &invoke(0, 1, Op::Write(8))).unwrap();
    assert_eq!((applied.changed, applied.refusals), (false, vec!["busy"]));
}

fn setup_busy() -> Setup<Register> {
    setup(2, Flaw::None, &[Op::Write(7), Op::Write(8)])
}

#[test]
fn what_a_name_with_a_twin_holds_is_not_judged() {
    let copy = |value| Message::Copy(Stored { version: 1, value });
    let events = [
        invoke(0, 0, Op::Write(1)),
        deliver(0, 1, copy(1)),
        Event::Crash { at: Slot(0), kept: 0 },
        Event::Restart { at: Slot(0) },
        invoke(0, 1, Op::Write(2)),
        deliver(0, 2, copy(2)),
    ];
    let bounds = Bounds { crashes: 1, sync: SyncMode::Whole, ..Bounds::default() };
    let flawed = || setup(3, Flaw::CopiesAtOnce, &[Op::Write(1), Op::Write(2)]).bounds(bounds);
    for (setup, violated) in [(flawed(), true), (flawed().twin(NodeId(2)), false)] {
        let world = run(&setup, &events);
        assert_eq!((world.violation().is_some(), world.check_full(&setup).is_err()), (violated, violated));
    }
}

/// Notes what it last saw of each node, which follows from the nodes and is neither compared nor hashed, and
/// expects to find it again.
#[derive(Clone, Debug, Default)]
struct LookedAt {
    seen: Vec<Option<Stored>>,
}

impl PartialEq for LookedAt {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LookedAt {}

impl std::hash::Hash for LookedAt {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Properties<Register> for LookedAt {
    const NAMES: &'static [&'static str] = &["looked_at"];

    fn after_step(
        &mut self,
        _config: &crate::toy::Config,
        nodes: &[Option<&Register>],
        touched: NodeId,
    ) -> Result<(), Violation> {
        self.seen.resize(nodes.len(), None);
        self.seen[touched.index()] = nodes[touched.index()].map(|node| node.stored);
        let now: Vec<_> = nodes.iter().map(|node| node.map(|node| node.stored)).collect();
        let other = (0..now.len()).find(|i| now[*i].is_some() && self.seen[*i] != now[*i]);
        other.map_or(Ok(()), |i| Err(Violation::new("looked_at", format!("n{i} has changed unseen"))))
    }

    fn full(&self, _: &crate::toy::Config, _: &[Option<&Register>]) -> Result<(), Violation> {
        Ok(())
    }
}

#[test]
fn what_properties_have_seen_of_the_nodes_is_kept_though_it_does_not_count() {
    let setup = setup(3, Flaw::None, &[Op::Write(1), Op::Write(2)]);
    for seed in 0..20 {
        let mut world = World::<Register, LookedAt>::new(&setup);
        let (mut draw, mut events) = (Stream::new(seed, 0, 0), Vec::new());
        for _ in 0..30 {
            assert_eq!(world.violation(), None, "seed {seed}");
            world.enabled(&setup, &mut events);
            let Some(event) = events.get(draw.below(events.len().max(1) as u64) as usize) else { break };
            world.apply(&setup, event).expect("it is enabled");
        }
    }
}

/// Visits everything that can be reached, and shows each event that happens, with the worlds before and after.
fn everything(
    setup: &Setup<Register>,
    mut seen: impl FnMut(&RegisterWorld, &Event<Register>, &RegisterWorld),
) {
    let first = RegisterWorld::new(setup);
    let mut visited = BTreeSet::from([first.fingerprint()]);
    let (mut open, mut events) = (vec![first], Vec::new());
    while let Some(world) = open.pop() {
        world.enabled(setup, &mut events);
        for event in &events {
            let mut next = world.clone();
            if next.apply(setup, event).is_ok() {
                seen(&world, event, &next);
                if visited.insert(next.fingerprint()) {
                    open.push(next);
                }
            }
        }
    }
}

#[test]
fn timers_run_out_as_often_as_the_bounds_say() {
    let longest = |timeouts| {
        let bounds = Bounds { timeouts, in_flight: 2, ..Bounds::default() };
        let setup = setup(2, Flaw::None, &[Op::Write(1)]).bounds(bounds);
        let first = RegisterWorld::new(&setup);
        let mut most = BTreeMap::from([(first.fingerprint(), 0)]);
        let mut highest = 0;
        everything(&setup, |before, event, after| {
            let so_far = most[&before.fingerprint()] + u32::from(matches!(event, Event::Timeout { .. }));
            // What is left is part of the world: all ways to it have spent as much.
            assert_eq!(*most.entry(after.fingerprint()).or_insert(so_far), so_far);
            highest = highest.max(so_far);
        });
        highest
    };
    assert_eq!([0, 1, 3].map(longest), [0, 1, 3]);
}

#[test]
fn who_waits_for_the_disk_does_nothing_else_but_crash() {
    let bounds =
        Bounds { crashes: 1, disk_failures: 1, in_flight: 2, sync: SyncMode::Blocking, ..Bounds::default() };
    let setup = setup(2, Flaw::None, &[Op::Write(1)]).bounds(bounds);
    let mut met = BTreeSet::new();
    everything(&setup, |before, event, _| {
        if event.slot().is_some_and(|slot| !before.outstanding(slot).is_empty()) {
            met.insert(event.class().name());
        }
    });
    assert!(met.into_iter().eq(["crash", "disk-fail", "sync"]));
}
