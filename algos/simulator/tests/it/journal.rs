//! A journal that writes several records in one step: crashes between writes, tasks, and questions asked
//! while booting.

use swarm_protocol::{Effects, Input, NodeId, OpId, Properties, Protocol, Reply, Service, Specification};
use swarm_protocol::{Ticks, Violation};
use swarm_simulator::world::{OpStatus, SyncMode};
use swarm_simulator::{Bounds, Event, NotEnabled, Setup, Slot, World};

/// What the node asks for while booting: one of so many ways.
#[derive(Debug)]
struct Ways(u32);

/// How many records were on disk, and what the boot chose.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Journal {
    records: Vec<u8>,
    chosen: u32,
}

/// `0` has a task done; any other number writes so many records and says after each that it is durable.
type Count = u8;

impl Protocol for Journal {
    type Config = Ways;
    type Message = u8;
    type Timer = u8;
    type Op = Count;
    type Answer = u8;
    type Record = u8;
    type Task = u8;
    type Outcome = u8;

    fn recover(ways: &Ways, _me: NodeId, disk: impl Iterator<Item = u8>, out: &mut Effects<Self>) -> Self {
        let chosen = if ways.0 > 0 { out.choose("boot", ways.0) } else { 0 };
        Journal { records: disk.collect(), chosen }
    }

    fn step(&mut self, _ways: &Ways, _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        match input {
            Input::Invoke { op: 0, .. } => out.submit(20),
            Input::Invoke { op, .. } => {
                for record in 1..=op {
                    let write = out.persist(record);
                    out.send_after(write, NodeId(1), record);
                }
            }
            Input::Done(outcome) => out.answer(OpId(0), outcome),
            _ => {}
        }
    }
}

struct Anything;

impl Specification for Anything {
    type State = ();
    type Op = Count;
    type Answer = u8;

    fn apply((): &mut (), _op: &Count) -> u8 {
        21
    }
}

impl Service for Journal {
    type Spec = Anything;

    fn reply(answer: &u8) -> Reply<u8> {
        Reply::Done(*answer)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Nothing;

impl Properties<Journal> for Nothing {
    const NAMES: &'static [&'static str] = &[];

    fn after_step(&mut self, _: &Ways, _: &[Option<&Journal>], _: NodeId) -> Result<(), Violation> {
        Ok(())
    }

    fn full(&self, _: &Ways, _: &[Option<&Journal>]) -> Result<(), Violation> {
        Ok(())
    }
}

fn setup(ways: u32, sync: SyncMode, op: Count) -> Setup<Journal> {
    let bounds = Bounds { crashes: 1, sync, ..Bounds::default() };
    Setup::new(Ways(ways), 2).workload([op]).bounds(bounds)
}

fn run(setup: &Setup<Journal>, events: &[Event<Journal>]) -> World<Journal, Nothing> {
    let mut world = World::new(setup);
    for event in events {
        assert!(world.apply(setup, event).is_ok(), "{event:?}\n{world:?}");
        assert_eq!(world.fingerprint(), world.fingerprint_from_scratch());
    }
    world
}

const AT: Slot = Slot(0);

fn invoke(op: Count) -> Event<Journal> {
    Event::Invoke { at: AT, id: OpId(0), op }
}

fn sent(world: &World<Journal, Nothing>) -> Vec<u8> {
    world.in_flight().map(|(_, _, message)| *message).collect()
}

#[test]
fn a_crash_falls_between_any_two_writes() {
    let setup = setup(0, SyncMode::Prefix, 3);
    for kept in 0..=3 {
        let events = [invoke(3), Event::Crash { at: AT, kept }, Event::Restart { at: AT }];
        let world = run(&setup, &events);
        let records: Vec<u8> = (1..=kept as u8).collect();
        assert_eq!(world.node(AT).map(|node| &node.records), Some(&records));
        assert_eq!(sent(&world), [0; 0], "what waited is lost, whether its write survived or not");
    }
    let after_sync = [invoke(3), Event::Sync { at: AT, writes: 1 }, Event::Crash { at: AT, kept: 1 }];
    assert_eq!(run(&setup, &after_sync).durable(AT), [1, 2]);
}

#[test]
fn each_sync_lets_go_what_waits_for_it_and_no_more() {
    let setup = setup(0, SyncMode::Prefix, 3);
    let mut world = run(&setup, &[invoke(3)]);
    for (writes, durable, leaves) in [(1, vec![1], vec![1]), (2, vec![1, 2, 3], vec![1, 2, 3])] {
        world.apply(&setup, &Event::Sync { at: AT, writes }).unwrap();
        assert_eq!((world.durable(AT), sent(&world)), (&durable[..], leaves));
    }
}

#[test]
fn the_menu_offers_a_sync_of_any_part_if_parts_are_synced_and_else_of_all() {
    for (sync, offered) in
        [(SyncMode::Prefix, &[1, 2, 3][..]), (SyncMode::Whole, &[3]), (SyncMode::Eager, &[])]
    {
        let setup = setup(0, sync, 3);
        let mut events = Vec::new();
        run(&setup, &[invoke(3)]).enabled(&setup, &mut events);
        let writes_of = |event: &Event<Journal>| match event {
            Event::Sync { at: AT, writes } => Some(*writes),
            _ => None,
        };
        let syncs: Vec<_> = events.iter().filter_map(writes_of).collect();
        assert_eq!(syncs, offered, "{sync:?}");
    }
}

#[test]
fn a_task_is_done_in_the_step_that_submits_it() {
    let doing = setup(0, SyncMode::Eager, 0).perform(|_, task| task + 1);
    let world = run(&doing, &[invoke(0)]);
    assert_eq!((world.violation(), world.operations()), (None, &[OpStatus::Returned][..]));
    let world = run(&setup(0, SyncMode::Eager, 0), &[invoke(0)]);
    assert_eq!(world.violation().map(|violation| violation.property), Some("contract"));
}

#[test]
fn a_boot_that_asks_is_an_event_and_its_answers_are_too() {
    let setup = setup(2, SyncMode::Eager, 1);
    let world = World::<Journal, Nothing>::new(&setup);
    let mut events = Vec::new();
    world.enabled(&setup, &mut events);
    assert_eq!(events, [Event::Restart { at: AT }, Event::Restart { at: Slot(1) }]);
    for answer in 0..2 {
        let world = run(&setup, &[Event::Restart { at: AT }, Event::Choose { answer }]);
        assert_eq!(world.node(AT).map(|node| node.chosen), Some(answer));
    }
}

#[test]
fn a_question_with_one_answer_is_not_asked() {
    let world = World::<Journal, Nothing>::new(&setup(1, SyncMode::Eager, 1));
    assert!(world.nodes().all(|node| node.is_some()) && world.question().is_none());
}

#[test]
fn an_answer_that_leads_out_of_the_boundary_leaves_the_question_open() {
    let setup = setup(2, SyncMode::Eager, 1).within(|journal| journal.chosen == 0);
    let asking = run(&setup, &[Event::Restart { at: AT }]);
    let mut world = asking.clone();
    assert_eq!(world.apply(&setup, &Event::Choose { answer: 1 }), Err(NotEnabled::Boundary));
    assert!(world == asking && world.question() == Some(("boot", 2)));
    assert!(world.apply(&setup, &Event::Choose { answer: 0 }).is_ok());
}
