//! Worlds up to renaming: one fingerprint for each orbit and no other, as many orbits as there are, the same verdicts.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::atomic::AtomicBool;

use model_check::adapter::Space;
use model_check::engine::{self, Search, System};
use model_check::forgetful::Forgetful;
use model_check::instance::{Check, Instance, Pinned};
use model_check::raft::{self, Node};
use model_check::registered::Shared;
use model_check::search::{Engine, Limits};
use model_check::symmetry::{Alike, ENGINE, Quotient, SYMMETRY, WORLDS};
use swarm_protocol::{NodeId, Properties, Rename, Renaming, Symmetric, Violation};
use swarm_raft::Config;
use swarm_raft::properties::RaftProperties;
use swarm_simulator::world::{Known, Orbits, SyncMode, unlike};
use swarm_simulator::{Bounds, Setup, Subject, World};

static GO_ON: AtomicBool = AtomicBool::new(false);

const LIMITS: Limits<'static> = Limits::new(8 << 30, &GO_ON);

/// Three servers without a client: small enough to tell all names apart.
const SMALL: Instance<Node, RaftProperties> = Instance {
    name: "small",
    setup: || {
        let mut setup = (raft::ALIKE.instance.setup)();
        setup.bounds = Bounds { in_flight: 4, crashes: 1, ..Bounds::default() };
        setup.workload.clear();
        setup
    },
    ..raft::ALIKE.instance
};

/// Renames the worlds of a setup by all names, and compares; says how many worlds and orbits were met.
fn rename<P, Q>(setup: &Setup<P>, states_max: usize) -> (usize, usize)
where
    P: Subject + Symmetric,
    Q: Properties<P> + Eq + Hash + Rename,
{
    let orbits = Orbits::new(setup, 1 << 16);
    let known = Known::new(1 << 16);
    let first = World::<P, Q>::new(setup);
    let (mut seen, mut open) = (BTreeSet::from([first.fingerprint()]), vec![first]);
    // The worlds of each orbit, by what is canonical.
    let mut met: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let (mut events, mut at) = (Vec::new(), 0);
    while at < open.len() {
        let world = open[at].clone();
        at += 1;
        let canonical = world.canonical(&orbits);
        let mut orbit = BTreeSet::new();
        world.enabled(setup, &mut events);
        let enabled = events.len();
        // Which of several messages find room depends on names.
        events.retain(|event| {
            world.consequences(setup, event, &known).is_none_or(|consequences| !consequences.crowded)
        });
        for (number, names) in orbits.names().iter().enumerate() {
            let renamed = world.renamed(names);
            let mut there = Vec::new();
            renamed.enabled(setup, &mut there);
            assert_eq!(there.len(), enabled, "{names:?} {world:?}");
            assert_eq!(renamed.fingerprint(), renamed.fingerprint_from_scratch(), "{names:?} {world:?}");
            assert_eq!(renamed.canonical(&orbits), canonical, "{names:?} {world:?}");
            assert!(number > 0 || renamed == world, "the first changes nothing: {renamed:?}\n{world:?}");
            orbit.insert(renamed.fingerprint());
            for event in &events {
                let mut next = world.clone();
                if next.apply(setup, event).is_ok() {
                    assert!(world.does_the_same(setup, event, &next, names), "{event:?} {names:?} {world:?}");
                }
            }
        }
        assert_eq!(orbit.first(), Some(&canonical).filter(|_| world.violation().is_none()).or(orbit.first()));
        assert_eq!(world.orbit_size(&orbits), orbit.len());
        // One value for an orbit, and an orbit for a value.
        assert_eq!(*met.entry(canonical).or_insert_with(|| orbit.clone()), orbit, "{world:?}");
        for event in &events {
            let mut next = world.clone();
            if next.apply(setup, event).is_ok() && open.len() < states_max && seen.insert(next.fingerprint())
            {
                open.push(next);
            }
        }
    }
    let all: usize = met.values().map(BTreeSet::len).sum();
    let distinct: BTreeSet<_> = met.values().flatten().collect();
    assert_eq!(all, distinct.len(), "orbits do not overlap");
    (seen.len(), met.len())
}

#[test]
fn equal_canonical_forms_are_equal_orbits() {
    let mut roomy = (raft::ALIKE.instance.setup)();
    roomy.bounds = Bounds { crashes: 1, duplicates: 1, drops: 1, in_flight: 32, ..Bounds::default() };
    for setup in [roomy, (SMALL.setup)()] {
        let (worlds, orbits) = rename::<Node, RaftProperties>(&setup, 1_500);
        assert!(worlds > 1_000 && orbits * 6 >= worlds && orbits * 2 < worlds, "{orbits} of {worlds}");
    }
}

#[test]
fn the_orbits_that_are_visited_hold_all_worlds() {
    let (quotient_space, apart_space) = (SMALL.space(), SMALL.space());
    let (quotient, apart) = (Quotient::new(&quotient_space), Quotient::told_apart(&apart_space));
    let setup = (SMALL.setup)();
    let orbits = Orbits::new(&setup, 1 << 16);
    let within = Search::within(LIMITS);
    let up_to = engine::search(&quotient, &within, |_| ()).expect("there is no checkpoint");
    let all = engine::search(&apart, &within, |_| ()).expect("there is no checkpoint");
    assert_eq!((quotient.asymmetric(), apart.asymmetric()), (None, None));
    assert_eq!((up_to.stopped, all.stopped), (None, None));
    assert_eq!(up_to.depth(), all.depth());
    assert_eq!(quotient.noted(), apart.noted());
    assert_eq!((quotient.worlds(), apart.worlds()), (all.states, all.states));
    assert!(
        up_to.states * 6 >= all.states && up_to.states * 4 < all.states,
        "{} {}",
        up_to.states,
        all.states
    );
    // Orbit by orbit: walk again, and count how many worlds each of them has at each depth.
    let mut level = quotient.initial();
    let mut seen: BTreeSet<u64> = level.iter().map(|world| world.canonical(&orbits)).collect();
    let mut events = Vec::new();
    for (depth, worlds) in (1..).zip(&all.levels) {
        let orbit = |world: &World<Node, RaftProperties>| {
            let prints = orbits.names().iter().map(|names| world.renamed(names).fingerprint());
            prints.collect::<BTreeSet<_>>().len() as u64
        };
        assert_eq!(level.iter().map(orbit).sum::<u64>(), *worlds, "at depth {}", depth - 1);
        let mut next = Vec::new();
        for world in &level {
            quotient.events(world, &mut events);
            let after = events.iter().filter_map(|event| quotient.after(world, event, depth));
            next.extend(after.filter(|world| seen.insert(world.canonical(&orbits))));
        }
        level = next;
    }
    assert!(level.is_empty() && seen.len() as u64 == up_to.states);
}

/// What is broken first, after how many events, and which depth is complete; names told apart, or not.
fn shortest<P, Q>(setup: fn() -> Setup<P>, apart: bool) -> (&'static str, usize, u32)
where
    P: Shared + Symmetric,
    Q: Properties<P> + Eq + Hash + Rename + Send + Sync + 'static,
{
    let space = Space::<P, Q>::new(setup(), None, &[], &[]);
    let quotient = if apart { Quotient::told_apart(&space) } else { Quotient::new(&space) };
    let found = engine::search(&quotient, &Search::within(LIMITS), |_| ()).expect("there is no checkpoint");
    let (violation, events) = found.counterexample.expect("something is broken");
    assert_eq!(quotient.asymmetric(), None);
    // It plays as it is.
    let setup = setup();
    let mut world = World::<P, Q>::new(&setup);
    for event in &events {
        world.apply(&setup, event).expect("it can happen");
    }
    assert_eq!(world.violation(), Some(&violation));
    (violation.property, events.len(), found.complete_depth)
}

/// Claims what is not so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Denies<const CLAIM: u8>;

impl<const CLAIM: u8> Rename for Denies<CLAIM> {
    fn rename(&mut self, _names: &Renaming) {}
}

impl<const CLAIM: u8> Properties<Node> for Denies<CLAIM> {
    const NAMES: &'static [&'static str] = &["nothing is committed by two", "nobody follows in term 2"];

    fn after_step(&mut self, config: &Config, nodes: &[Option<&Node>], _: NodeId) -> Result<(), Violation> {
        self.full(config, nodes)
    }

    fn full(&self, _: &Config, nodes: &[Option<&Node>]) -> Result<(), Violation> {
        let up = || nodes.iter().flatten();
        let so = match CLAIM {
            0 => up().filter(|node| node.commit_index() > 0).count() < 2,
            _ => !up().any(|node| node.term() == 2 && node.leader().is_some() && !node.is_leader()),
        };
        let name = <Self as Properties<Node>>::NAMES[usize::from(CLAIM)];
        if so { Ok(()) } else { Err(Violation::new(name, "it is not so")) }
    }
}

#[test]
fn counterexamples_up_to_renaming_are_as_short() {
    let two_leaders = |apart| {
        shortest::<Forgetful<Node>, RaftProperties>(raft::ALIKE_NO_STABLE_STORAGE.instance.setup, apart)
    };
    let committed = |apart| shortest::<Node, Denies<0>>(raft::ALIKE_CLOSED.instance.setup, apart);
    let follower = |apart| shortest::<Node, Denies<1>>(raft::ALIKE_CLOSED.instance.setup, apart);
    let found = [two_leaders(false), committed(false), follower(false)];
    assert_eq!(found, [two_leaders(true), committed(true), follower(true)]);
    let names = found.map(|(property, ..)| property);
    assert_eq!(names, ["election_safety", "nothing is committed by two", "nobody follows in term 2"]);
}

/// Remembers whether the node named 0 took a step: a name that matters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Favourite(bool);

impl Rename for Favourite {
    fn rename(&mut self, _names: &Renaming) {}
}

impl Properties<Node> for Favourite {
    const NAMES: &'static [&'static str] = &["none"];

    fn after_step(&mut self, _: &Config, _: &[Option<&Node>], touched: NodeId) -> Result<(), Violation> {
        self.0 = touched == NodeId(0);
        Ok(())
    }

    fn full(&self, _: &Config, _: &[Option<&Node>]) -> Result<(), Violation> {
        Ok(())
    }
}

#[test]
fn where_names_matter_it_is_refused_or_found_out() {
    let reason = |change: fn(&mut Setup<Node>)| {
        let mut setup = (SMALL.setup)();
        change(&mut setup);
        unlike(&setup)
    };
    assert_eq!(reason(|_| ()), None);
    let waits = reason(|setup| setup.bounds.sync = SyncMode::Whole);
    assert_eq!(waits, Some("writes wait, and what waits for them has an order"));
    let votes = reason(|setup| setup.config.voters = [NodeId(0), NodeId(1)].into_iter().collect());
    assert_eq!(votes, Some("the configuration tells nodes apart"));
    let twin = (SMALL.setup)().twin(NodeId(1));
    assert_eq!(unlike(&twin), Some("a node has a twin"));

    let instance = Instance {
        name: "favourite",
        about: "a property that a name matters to",
        boundary: SMALL.boundary,
        setup: SMALL.setup,
        depth_max: Some(6),
        marks: &[],
        goals: &[],
        breaks: None,
        pinned: Pinned::NOTHING,
    };
    let alike: Alike<Node, Favourite> = Alike { instance, worlds: 0 };
    let verdict = alike.check(Engine::Own, &LIMITS, "verify", &mut |_| ()).expect("there is no checkpoint");
    let found: Vec<_> = verdict.findings.iter().map(|finding| &*finding.property).collect();
    assert!(found.contains(&SYMMETRY), "{found:?}");
}

#[test]
fn instances_up_to_renaming_come_to_what_is_pinned_on_any_threads() {
    for (alike, threads) in
        [(raft::ALIKE_TWO_NODES, 1), (raft::ALIKE_TWO_NODES_PRE_VOTE, 2), (raft::ALIKE, 2)]
    {
        let limits = Limits { threads, ..LIMITS };
        let verdict =
            alike.check(Engine::Own, &limits, "verify", &mut |_| ()).expect("there is no checkpoint");
        assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
        let (found, nodes) = (&verdict.instance, (alike.instance.setup)().nodes());
        assert_eq!(found.bounds[WORLDS], alike.worlds.to_string());
        assert_eq!((found.states, &*found.engine), (alike.instance.pinned.states, ENGINE));
        assert!(alike.worlds <= found.states * u64::from((1..=nodes).product::<u32>()));
    }
    let wrong = Alike { worlds: 1, ..raft::ALIKE_TWO_NODES };
    let verdict = wrong.check(Engine::Own, &LIMITS, "verify", &mut |_| ()).expect("there is no checkpoint");
    let found: Vec<_> = verdict.findings.iter().map(|finding| &*finding.property).collect();
    assert_eq!(found, ["pinned_counts"]);
}

#[test]
fn names_told_apart_there_are_as_many_worlds_as_the_orbits_hold() {
    for alike in [raft::ALIKE_TWO_NODES, raft::ALIKE_TWO_NODES_PRE_VOTE] {
        let space = alike.instance.space();
        let apart = Quotient::told_apart(&space);
        let all = engine::search(&apart, &Search::within(LIMITS), |_| ()).expect("there is no checkpoint");
        assert_eq!((all.states, all.depth()), (alike.worlds, alike.instance.pinned.depth));
    }
}

#[test]
fn an_instance_whose_writes_wait_is_refused() {
    let waits = Alike { instance: raft::TWO_NODES_BETWEEN_WRITES, worlds: 0 };
    let refused = waits.check(Engine::Own, &LIMITS, "verify", &mut |_| ()).expect_err("it is refused");
    assert_eq!(refused.to_string(), "symmetry: writes wait, and what waits for them has an order");
}
