//! The account of what happened in a search, by kind of event.

use std::sync::atomic::AtomicBool;

use model_check::instance::{ACTION_COVERAGE, Check, Instance, Pinned};
use model_check::raft;
use model_check::search::{Engine, Limits};
use reports::artifact::{self, Action};
use swarm_simulator::{Bounds, Setup};

static GO_ON: AtomicBool = AtomicBool::new(false);

fn searched(check: &dyn Check, engine: Engine, threads: usize) -> artifact::Instance {
    let limits = Limits { threads, ..Limits::new(8 << 30, &GO_ON) };
    check.check(engine, &limits, "", &mut |_| ()).expect("there is no checkpoint").instance
}

fn fired(actions: &[Action], event: &str) -> u64 {
    actions.iter().filter(|action| action.event == event).map(|action| action.fired).sum()
}

#[test]
fn what_happened_adds_up_to_what_was_generated_and_visited() {
    for check in raft::small() {
        let own = searched(&*check, Engine::Own, 1);
        // Beside the first state, each is there by an event.
        let fired: u64 = own.actions.iter().map(|action| action.fired).sum();
        let fresh: u64 = own.actions.iter().filter_map(|action| action.fresh).sum();
        assert_eq!((fired + 1, fresh + 1), (own.generated, own.states), "{}", own.name);
        assert_eq!(own.levels.iter().sum::<u64>(), own.states, "{}", own.name);
        assert_eq!(own.levels.len() as u32, own.depth + 1, "{}", own.name);

        // Stateright asks for the same, and does not say what was new.
        let theirs = searched(&*check, Engine::Stateright, 1);
        let without_fresh: Vec<Action> =
            own.actions.iter().cloned().map(|action| Action { fresh: None, ..action }).collect();
        assert_eq!(theirs.actions, without_fresh, "{}", own.name);
    }
}

#[test]
fn what_happened_does_not_depend_on_threads() {
    let by = |threads| {
        let found = searched(&raft::TWO_NODES_BETWEEN_WRITES, Engine::Own, threads);
        // Which event finds a state first does.
        found.actions.into_iter().map(|action| Action { fresh: None, ..action }).collect::<Vec<_>>()
    };
    assert_eq!(by(1), by(2));
}

#[test]
fn kinds_are_told_apart_by_message_timer_and_operation() {
    let found = searched(&raft::TWO_NODES_BETWEEN_WRITES, Engine::Own, 1);
    for (event, kinds) in [
        ("deliver", &["Append", "Appended", "RequestVote", "Vote"][..]),
        ("timeout", &["Election", "Heartbeat"]),
        ("invoke", &["Put"]),
    ] {
        let of_event = found.actions.iter().filter(|action| action.event == event);
        let seen: Vec<&str> = of_event.filter_map(|action| action.kind.as_deref()).collect();
        assert!(kinds.iter().all(|kind| seen.contains(kind)), "{event}: {seen:?}");
    }
    for event in ["sync", "flush", "crash", "restart"] {
        assert!(fired(&found.actions, event) > 0, "{event}");
    }
    assert!(!found.actions.iter().any(|action| action.event == "drop"), "there is no room for one");
}

/// Room for crashes and for failing disks; but nothing is written that could fail, as every write is durable at once.
const IDLE: Instance<model_check::raft::Node, swarm_raft::properties::RaftProperties> = Instance {
    name: "idle",
    about: "a disk may fail that never has anything to write",
    boundary: "terms up to 1",
    setup: || {
        let bounds = Bounds { crashes: 1, disk_failures: 1, in_flight: 2, ..Bounds::default() };
        let within = |node: &model_check::raft::Node| node.term() <= 1;
        Setup::new(swarm_raft::Config { pre_vote: false, ..swarm_raft::Config::new(2) }, 2)
            .bounds(bounds)
            .within(within)
    },
    depth_max: None,
    marks: &[],
    goals: &[],
    breaks: None,
    pinned: Pinned { states: 0, generated: 0, depth: 0 },
};

#[test]
fn an_event_that_is_allowed_and_never_happens_is_shown_and_is_a_finding() {
    for engine in [Engine::Own, Engine::Stateright] {
        let limits = Limits::new(8 << 30, &GO_ON);
        let verdict = IDLE.check(engine, &limits, "", &mut |_| ()).expect("there is no checkpoint");
        let idle: Vec<&Action> = verdict.instance.actions.iter().filter(|action| action.fired == 0).collect();
        assert!(matches!(&idle[..], [action] if action.event == "disk-fail"), "{idle:?}");
        let found = verdict.findings.iter().find(|finding| finding.property == ACTION_COVERAGE);
        assert_eq!(
            found.map(|finding| &*finding.detail),
            Some("idle: `disk-fail` is allowed and never happens")
        );
        assert!(fired(&verdict.instance.actions, "crash") > 0);
    }
}
