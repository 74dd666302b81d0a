//! Instances: their pinned counts, and each kind of finding, provoked.

use std::sync::atomic::AtomicBool;

use model_check::adapter::Goal;
use model_check::instance::{Check, Instance, Pinned, Verdict};
use model_check::raft;
use model_check::search::{Engine, Limits};
use reports::artifact::PropertyKind;
use swarm_protocol::{NodeId, Properties, Violation};
use swarm_raft::Config;
use swarm_raft::properties::RaftProperties;
use swarm_simulator::scenario::Scenario;
use swarm_simulator::world::World;

static GO_ON: AtomicBool = AtomicBool::new(false);

const LIMITS: Limits<'static> = Limits::new(8 << 30, &GO_ON);

const COMMAND: &str = "cargo xtask verify raft";

fn check(check: &dyn Check) -> Verdict {
    check.check(Engine::Stateright, &LIMITS, COMMAND, &mut |_| ()).expect("there is no checkpoint")
}

/// What is broken, of the first finding.
fn found(verdict: &Verdict) -> Option<(&str, &str)> {
    verdict.findings.first().map(|finding| (&*finding.property, &*finding.detail))
}

#[test]
fn small_instances_come_to_what_is_pinned() {
    for instance in raft::small() {
        let verdict = check(&*instance);
        assert_eq!(found(&verdict), None, "{}", instance.name());
        let broken = verdict.instance.properties.iter().find(|result| !result.holds);
        assert_eq!(broken, None, "{}", instance.name());
    }
}

#[test]
fn names_are_distinct_and_fit_a_file() {
    let names: Vec<_> = raft::explorable().iter().map(|instance| instance.name()).collect();
    for (i, name) in names.iter().enumerate() {
        assert!(reports::store::is_name(name), "{name}");
        assert!(!names[..i].contains(name), "{name} stands twice");
    }
}

#[test]
fn without_stable_storage_two_leaders_are_found_by_the_fewest_events() {
    let verdict = check(&raft::NO_STABLE_STORAGE);
    assert_eq!(found(&verdict), None);
    let shown = verdict.shown.expect("it is there to be found");
    assert_eq!(shown.property, "election_safety");
    assert!(shown.detail.contains("were leaders of term 1"), "{}", shown.detail);
    let result = verdict.instance.properties.iter().find(|result| result.name == "election_safety is broken");
    let result = result.expect("it is a property of the instance");
    assert_eq!((result.kind, result.holds, result.length), (PropertyKind::Sometimes, true, Some(8)));

    // The scenario plays, says so itself, and the disk that keeps nothing is what makes the difference.
    let text = shown.scenario.expect("a world can follow it");
    assert!(
        text.contains("\ncrash n0 0\nrestart n0\n") && text.contains("\nviolates election_safety\ncheck "),
        "{text}"
    );
    let scenario = Scenario::<model_check::raft::Op>::parse("shown", &text).expect("it is a scenario");
    let config = Config { pre_vote: false, ..Config::new(3) };
    let played = scenario.play::<_, RaftProperties>(&(raft::NO_STABLE_STORAGE.setup)()).expect("it plays");
    scenario.compare(&played).expect("as it is written");
    let kept = scenario.play::<model_check::raft::Node, RaftProperties>(&scenario.setup(config));
    assert!(kept.is_err(), "a node that remembers its vote does not vote again");
    let diagram = shown.diagram.expect("it is short");
    assert!(diagram.contains("n1->>n0: Vote(t1 granted)") && diagram.contains("violates election_safety"));
    assert_eq!(shown.replay.as_deref(), Some(COMMAND));
}

#[test]
fn another_count_than_the_pinned_one_is_a_finding() {
    let one_more = |pinned: Pinned| Pinned { states: pinned.states + 1, ..pinned };
    let instance = Instance { pinned: one_more(raft::TWO_NODES_PRE_VOTE.pinned), ..raft::TWO_NODES_PRE_VOTE };
    let verdict = check(&instance);
    let (property, detail) = found(&verdict).expect("it differs");
    assert_eq!(property, "pinned_counts");
    assert!(detail.contains("more or less happens than before"), "{detail}");
}

#[test]
fn a_mark_and_a_world_that_nothing_reaches_are_findings() {
    const IMPOSSIBLE: &[Goal<model_check::raft::Node, RaftProperties>] =
        &[Goal { name: "term-9", holds: |world| world.nodes().flatten().any(|node| node.term() == 9) }];
    let instance =
        Instance { marks: &["campaign", "no-such-mark"], goals: IMPOSSIBLE, ..raft::TWO_NODES_PRE_VOTE };
    let verdict = check(&instance);
    let missed: Vec<_> = verdict.findings.iter().map(|finding| &*finding.property).collect();
    assert_eq!(missed, ["no-such-mark", "term-9"]);
    for name in missed {
        let result = verdict.instance.properties.iter().find(|result| result.name == name);
        assert!(result.is_some_and(|result| !result.holds), "{name}");
    }
}

#[test]
fn a_bug_that_is_not_there_is_missed() {
    let instance = Instance { breaks: Some("log_matching"), ..raft::TWO_NODES_PRE_VOTE };
    let (property, detail) = found(&check(&instance)).map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(property, "log_matching");
    assert!(detail.contains("not found what it was there to find"), "{detail}");
}

/// Breaks the property of the given number as soon as a command is committed; keeps nothing in mind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Breaks<const N: usize>;

const NAMES: &[&str] = &["first", "second", "third"];

impl<const N: usize> Properties<model_check::raft::Node> for Breaks<N> {
    const NAMES: &'static [&'static str] = NAMES;

    fn after_step(
        &mut self,
        _config: &Config,
        nodes: &[Option<&model_check::raft::Node>],
        touched: NodeId,
    ) -> Result<(), Violation> {
        match nodes[touched.index()] {
            Some(node) if node.commit_index() > 0 => Err(Violation::new(NAMES[N], "a command is committed")),
            _ => Ok(()),
        }
    }

    fn full(&self, _config: &Config, _nodes: &[Option<&model_check::raft::Node>]) -> Result<(), Violation> {
        Ok(())
    }
}

fn broken<const N: usize>() -> Verdict {
    check(&Instance::<model_check::raft::Node, Breaks<N>> {
        name: "broken",
        about: "a property that does not hold",
        boundary: raft::TWO_NODES.boundary,
        setup: raft::TWO_NODES.setup,
        depth_max: None,
        marks: &[],
        goals: &[],
        breaks: None,
        pinned: Pinned { states: 0, generated: 0, depth: 0 },
    })
}

#[test]
fn each_property_can_be_found_broken_and_is_named() {
    for (number, verdict) in [broken::<0>(), broken::<1>(), broken::<2>()].into_iter().enumerate() {
        assert_eq!(found(&verdict), Some((NAMES[number], "a command is committed")));
        let of =
            |name: &str| verdict.instance.properties.iter().find(|result| result.name == name).unwrap().holds;
        for name in NAMES {
            assert_eq!(of(name), *name != NAMES[number], "{name}");
        }
        // Campaign, vote, its answer, append, its answer: no shorter way commits.
        let scenario = verdict.findings[0].scenario.as_deref().expect("a world can follow it");
        let events = scenario.lines().take_while(|line| *line != "----");
        let words = ["timeout", "deliver"];
        assert_eq!(
            events.filter(|line| words.iter().any(|word| line.starts_with(word))).count(),
            5,
            "{scenario}"
        );
        assert!(!verdict.instance.complete);
        assert_eq!(verdict.instance.complete_depth, Some(4));
    }
}

#[test]
fn states_print_for_people() {
    let setup = (raft::TWO_NODES.setup)();
    let world = World::<model_check::raft::Node, RaftProperties>::new(&setup);
    let text = format!("{world:?}");
    assert!(text.starts_with("n0 n0 t0 follower [] d0 c0 timers [Election]\n"), "{text}");
}
