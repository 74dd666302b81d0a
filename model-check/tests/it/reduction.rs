//! Sleep sets on Raft: what is said to commute does, and a search with them visits the same states after as few events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use model_check::adapter::Collapsing;
use model_check::engine::{self, SLEEP_SETS, Search, System};
use model_check::instance::{Check, Instance, Pinned};
use model_check::raft::{self, Node};
use model_check::search::{Engine, Limits, Stopped};
use swarm_protocol::{NodeId, Properties, Violation};
use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, KvOp};
use swarm_simulator::world::{Collapse, FlushMode, Identical, SyncMode};
use swarm_simulator::{Bounds, Setup, World};

static GO_ON: AtomicBool = AtomicBool::new(false);

const LIMITS: Limits<'static> = Limits::new(8 << 30, &GO_ON);

type Cluster = World<Node, RaftProperties>;

/// Tries every pair that is said to commute in each of up to `states_max` worlds, in both orders; says how many there
/// are, and how many pairs of events there are at all.
fn both_orders(setup: &Setup<Node>, states_max: usize) -> (usize, usize) {
    let all = Collapse::<Node, RaftProperties>::new(setup, |_| 0);
    let first = Cluster::new(setup);
    let (mut seen, mut open) = (BTreeSet::from([first.fingerprint()]), vec![first]);
    let (mut commuting, mut pairs) = (0, 0);
    let (mut events, mut then) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < open.len() {
        let world = open[at].clone();
        at += 1;
        world.enabled(setup, &mut events);
        let after = |event: u32| {
            let mut next = world.clone();
            let applied = next.apply(setup, &events[event as usize]).expect("it can happen");
            assert!(applied.changed, "{:?}", events[event as usize]);
            next
        };
        pairs += events.len() * events.len().saturating_sub(1) / 2;
        for (one, other) in all.commuting(setup, &all.fold(setup, &world)) {
            commuting += 1;
            let mut both = |first: u32, second: u32| {
                let (mut next, second) = (after(first), &events[second as usize]);
                next.enabled(setup, &mut then);
                assert!(then.contains(second), "{second:?} can happen after the other in {world:?}");
                let applied = next.apply(setup, second).expect("it is enabled");
                assert!(applied.changed, "{second:?} does something after the other in {world:?}");
                next
            };
            let (a, b) = (both(one, other), both(other, one));
            let names = [&events[one as usize], &events[other as usize]];
            assert!(a == b && a.fingerprint() == b.fingerprint(), "{names:?} in {world:?}\n{a:?}\n{b:?}");
        }
        for event in &events {
            let mut next = world.clone();
            if next.apply(setup, event).is_ok() && open.len() < states_max && seen.insert(next.fingerprint())
            {
                open.push(next);
            }
        }
    }
    (commuting, pairs)
}

fn three(bounds: Bounds, commands: usize) -> Setup<Node> {
    let workload = [KvOp::Put(1, 7), KvOp::Get(1), KvOp::Cas(1, 7, 8)].map(model_check::raft::Op::from);
    let setup = Setup::new(Config::new(3), 3).workload(workload.into_iter().take(commands));
    setup.bounds(bounds).within(|node| node.term() <= 2)
}

#[test]
fn what_is_said_to_commute_does_in_every_world() {
    let small = [raft::TWO_NODES, raft::TWO_NODES_PRE_VOTE, raft::TWO_NODES_BETWEEN_WRITES];
    let faults = Bounds { crashes: 2, duplicates: 2, drops: 2, disk_failures: 1, ..Bounds::default() };
    let setups = small.map(|instance| (instance.setup)()).into_iter().chain([
        three(Bounds { in_flight: 3, ..faults }, 2),
        three(Bounds { in_flight: 6, sync: SyncMode::Prefix, flush: FlushMode::Deferred, ..faults }, 2),
        three(Bounds { in_flight: 4, identical: Identical::Count, ..faults }, 1),
        three(Bounds { in_flight: 4, timeouts: 2, sync: SyncMode::Blocking, ..faults }, 2),
    ]);
    for setup in setups {
        let (commuting, pairs) = both_orders(&setup, 4_000);
        assert!(commuting > 4_000 && commuting * 20 > pairs, "{commuting} of {pairs}");
    }
}

/// How many states have which depth, which depth is complete, why the search ended, and what was noted.
type Visited = (Vec<u64>, u32, Option<Stopped>, BTreeMap<String, u32>);

/// What must not depend on the reduction, with what is generated.
fn visited(
    instance: &Instance<Node, RaftProperties>,
    depth_max: Option<u32>,
    search: &Search<'_>,
) -> (Visited, u64) {
    let space = instance.space();
    let search = Search { depth_max: depth_max.or(instance.depth_max), ..*search };
    let found = engine::search(&Collapsing::new(&space), &search, |_| ()).expect("there is no checkpoint");
    assert!(found.counterexample.is_none(), "{:?}", found.counterexample);
    ((found.levels, found.complete_depth, found.stopped, space.noted()), found.generated)
}

#[test]
fn sleep_sets_leave_every_state_at_its_depth_and_generate_less() {
    for (instance, depth_max) in [
        (raft::TWO_NODES, None),
        (raft::TWO_NODES_PRE_VOTE, None),
        (raft::TWO_NODES_BETWEEN_WRITES, None),
        (raft::TWO_NODES_BOUNDED, None),
        (raft::CLOSED, Some(13)),
        (raft::PRE_VOTE, Some(12)),
        (raft::BOUNDED, Some(8)),
    ] {
        let (all, generated) = visited(&instance, depth_max, &Search::within(LIMITS));
        let mut first = None;
        for threads in [1, 2] {
            let within = Search::within(Limits { threads, ..LIMITS });
            let search = Search { sleep_sets: true, ..within };
            let (reduced, fewer) = visited(&instance, depth_max, &search);
            assert_eq!(reduced, all, "{} on {threads}", instance.name);
            assert!(fewer < generated, "{}: {fewer} of {generated}", instance.name);
            assert_eq!(*first.get_or_insert(fewer), fewer, "{}: as many on any threads", instance.name);
        }
    }
}

#[test]
fn what_is_forgotten_of_sleepers_costs_time_alone() {
    let (all, generated) = visited(&raft::TWO_NODES, None, &Search::within(LIMITS));
    let asleep = Search { sleep_sets: true, ..Search::within(LIMITS) };
    let (_, fewest) = visited(&raft::TWO_NODES, None, &asleep);
    for (kept_max, threads) in [(0, 1), (100, 1), (500, 2)] {
        let search = Search { kept_max, ..asleep };
        let limits = Limits { threads, ..LIMITS };
        let (reduced, some) = visited(&raft::TWO_NODES, None, &Search { limits, ..search });
        assert_eq!(reduced, all, "{kept_max}");
        assert!((fewest..=generated).contains(&some) && (kept_max > 0 || some == generated), "{some}");
    }
}

/// Remembers who took the last two steps: an order, which it says is of no account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct LastTwo<const COMMUTE: bool>([Option<NodeId>; 2]);

impl<const COMMUTE: bool> Properties<Node> for LastTwo<COMMUTE> {
    const NAMES: &'static [&'static str] = &["none"];
    const COMMUTE: bool = COMMUTE;

    fn after_step(
        &mut self,
        _config: &Config,
        _nodes: &[Option<&Node>],
        touched: NodeId,
    ) -> Result<(), Violation> {
        self.0 = [self.0[1], Some(touched)];
        Ok(())
    }

    fn full(&self, _config: &Config, _nodes: &[Option<&Node>]) -> Result<(), Violation> {
        Ok(())
    }
}

fn judged_by_order<const COMMUTE: bool>() -> Instance<Node, LastTwo<COMMUTE>> {
    Instance {
        name: "order",
        about: "a property that the order of steps matters to",
        boundary: raft::TWO_NODES.boundary,
        setup: raft::TWO_NODES.setup,
        depth_max: None,
        marks: &[],
        goals: &[],
        breaks: None,
        pinned: Pinned::NOTHING,
    }
}

#[test]
fn properties_that_depend_on_the_order_are_refused_or_found_out() {
    let check = |check: &dyn Check| check.check(Engine::OwnAsleep, &LIMITS, "verify", &mut |_| ());
    let honest = check(&judged_by_order::<false>()).expect_err("it is refused").to_string();
    assert_eq!(honest, "sleep_sets: the order of steps may be of account to the properties");
    let liar = check(&judged_by_order::<true>()).expect("it is believed at first");
    let found: Vec<_> = liar.findings.iter().map(|finding| &*finding.property).collect();
    assert_eq!(found, [SLEEP_SETS]);
    let verdict = check(&raft::TWO_NODES).expect("Raft's say so and it is true");
    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
    assert_eq!(verdict.instance.engine, "swarmproof, level by level, sleep sets");
    assert!(verdict.instance.generated < raft::TWO_NODES.pinned.generated);
}

#[test]
fn a_counterexample_is_as_short_with_sleep_sets() {
    let instance = raft::NO_STABLE_STORAGE;
    let find = |sleep_sets| {
        let space = instance.space();
        let search = Search { sleep_sets, ..Search::within(LIMITS) };
        let found =
            engine::search(&Collapsing::new(&space), &search, |_| ()).expect("there is no checkpoint");
        let (violation, events) = found.counterexample.expect("two leaders are elected");
        (violation.property, events.len(), found.complete_depth)
    };
    assert_eq!(find(true), find(false));
}
