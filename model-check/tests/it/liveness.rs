//! Lassos: against a search of all sets of states of small graphs, and in Raft.

use std::sync::atomic::AtomicBool;

use model_check::engine::System;
use model_check::engine::lasso::{Fair, Lasso, Next, Promise, Verdict, confirm, judge};
use model_check::instance::{Check, Instance, Verdict as Checked};
use model_check::liveness::{Expected, Lively};
use model_check::raft;
use model_check::search::{Engine, Limits, Stopped};
use swarm_protocol::{Stream, Violation};
use swarm_raft::properties::RaftProperties;
use swarm_simulator::scenario::Scenario;

static GO_ON: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

const LIMITS: Limits<'static> = Limits::new(8 << 30, &GO_ON);

/// A graph: of each node whether a promise is asked for and kept there, and the edges.
#[derive(Debug)]
struct Drawn {
    nodes: Vec<Node>,
    edges: Vec<Vec<Arc>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    number: usize,
    asked: bool,
    kept: bool,
}

#[derive(Clone, Copy, Debug)]
struct Arc {
    to: To,
    action: Option<u64>,
    renews: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Node(usize),
    Nothing,
    Beyond,
}

const ACTIONS: u64 = 3;

impl Drawn {
    fn draw(seed: u64) -> Self {
        let mut stream = Stream::new(seed, 0, 0);
        let count = 2 + stream.below(4) as usize;
        let nodes = (0..count)
            .map(|number| Node { number, asked: stream.below(3) == 0, kept: stream.below(4) == 0 })
            .collect();
        let action = |stream: &mut Stream| (stream.below(4) > 0).then(|| stream.below(ACTIONS));
        let edges = (0..count).map(|_| {
            let arcs = (0..stream.below(4)).map(|_| {
                let to = match stream.below(12) {
                    0 => To::Nothing,
                    1 => To::Beyond,
                    _ => To::Node(stream.below(count as u64) as usize),
                };
                let action = action(&mut stream);
                let renews = (stream.below(6) == 0).then(|| stream.below(ACTIONS));
                Arc { to, action, renews }
            });
            arcs.collect()
        });
        let edges = edges.collect();
        Drawn { nodes, edges }
    }

    /// Whether some fair run breaks the promise: whether some set of states, each reached with the promise
    /// waiting, is connected, and fair to stay in.
    fn is_broken(&self, promise: &Promise<Node>) -> bool {
        let first = promise.asked.is_none();
        let begins = |node: usize| promise.asked.is_some_and(|asked| asked(&self.nodes[node]));
        let kept = |node: usize| (promise.kept)(&self.nodes[node]);
        // Pairs of a state and whether the promise waits, until nothing is added.
        let mut reached = vec![(0, (first || begins(0)) && !kept(0))];
        let mut at = 0;
        while let Some((node, waits)) = reached.get(at).copied() {
            at += 1;
            for next in self.next(node) {
                let pair = (next, (waits || begins(next)) && !kept(next));
                if !reached.contains(&pair) {
                    reached.push(pair);
                }
            }
        }
        let waiting: Vec<usize> =
            (0..self.nodes.len()).filter(|node| reached.contains(&(*node, true))).collect();
        (1..1u32 << waiting.len()).any(|set| {
            let set: Vec<usize> = waiting
                .iter()
                .enumerate()
                .filter(|(i, _)| set >> i & 1 == 1)
                .map(|(_, node)| *node)
                .collect();
            self.is_connected(&set) && (0..ACTIONS).all(|action| self.is_fair(&set, action))
        })
    }

    fn next(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.edges[node].iter().filter_map(|arc| if let To::Node(to) = arc.to { Some(to) } else { None })
    }

    /// Whether all of the set can be reached from each of it, inside. One that stands still is connected, too.
    fn is_connected(&self, set: &[usize]) -> bool {
        set.iter().all(|from| {
            let mut reached = vec![*from];
            let mut at = 0;
            while let Some(node) = reached.get(at).copied() {
                at += 1;
                for next in self.next(node).filter(|next| set.contains(next)) {
                    if !reached.contains(&next) {
                        reached.push(next);
                    }
                }
            }
            reached.len() == set.len()
        })
    }

    fn is_fair(&self, set: &[usize], action: u64) -> bool {
        let possible = |node: &usize| {
            self.edges[*node].iter().any(|arc| arc.action == Some(action) && arc.to != To::Nothing)
        };
        let inside = |arc: &Arc| matches!(arc.to, To::Node(to) if set.contains(&to));
        let satisfied = |node: &usize| {
            let mut arcs = self.edges[*node].iter();
            arcs.any(|arc| inside(arc) && (arc.action == Some(action) || arc.renews == Some(action)))
        };
        set.iter().any(satisfied) || !set.iter().all(possible)
    }
}

impl System for Drawn {
    type State = Node;
    type Event = (usize, usize);

    fn identity(&self) -> String {
        format!("{self:?}")
    }

    fn initial(&self) -> Vec<Node> {
        vec![self.nodes[0]]
    }

    fn events(&self, state: &Node, out: &mut Vec<(usize, usize)>) {
        out.clear();
        out.extend((0..self.edges[state.number].len()).map(|arc| (state.number, arc)));
    }

    fn after(&self, _state: &Node, (from, arc): &(usize, usize), _depth: u32) -> Option<Node> {
        match self.edges[*from][*arc].to {
            To::Node(to) => Some(self.nodes[to]),
            To::Nothing | To::Beyond => None,
        }
    }

    fn fingerprint(&self, state: &Node) -> u64 {
        state.number as u64 + 1
    }

    fn violation(&self, _state: &Node) -> Option<Violation> {
        None
    }
}

impl Fair for Drawn {
    fn action(&self, (from, arc): &(usize, usize)) -> Option<u64> {
        self.edges[*from][*arc].action
    }

    fn follow(&self, state: &Node, event: &(usize, usize), depth: u32) -> Next<Node> {
        let arc = self.edges[event.0][event.1];
        match self.after(state, event, depth) {
            Some(state) => Next::State { state, renewed: arc.renews.into_iter().collect() },
            None if arc.to == To::Beyond => Next::Beyond,
            None => Next::Nothing,
        }
    }
}

const PROMISES: [Promise<Node>; 3] = [
    Promise::eventually("eventually", |node| node.kept),
    Promise::whenever("whenever", |node| node.asked, |node| node.kept),
    Promise::again_and_again("again", |node| node.kept),
];

#[test]
fn verdicts_are_those_of_trying_every_set_of_states() {
    let (mut broken, mut loops) = ([0; 3], 0);
    for seed in 0..20_000 {
        let graph = Drawn::draw(seed);
        for (number, promise) in PROMISES.iter().enumerate() {
            let judged = judge(&graph, promise, &LIMITS, |_| ());
            let expected = graph.is_broken(promise);
            match judged.verdict {
                Verdict::Broken(lasso) => {
                    assert!(expected, "seed {seed}: {} {lasso} {graph:?}", promise.name);
                    assert_eq!(confirm(&graph, promise, graph.nodes[0], &lasso), Ok(()));
                    broken[number] += 1;
                    loops += u32::from(lasso.round.len() > 1);
                }
                other => {
                    assert_eq!(other, Verdict::Kept);
                    assert!(!expected, "seed {seed}: {} is broken in {graph:?}", promise.name);
                }
            }
        }
    }
    assert!(broken.iter().all(|count| (3_000..17_000).contains(count)), "{broken:?} of 20000 each");
    assert!(loops > 1_000, "{loops} loops of more than one event");
}

#[test]
fn a_lasso_that_is_none_is_refused_with_the_reason() {
    // Two states in turn, by different actions; from either a third way on, which a run puts off.
    let arc = |to, action| Arc { to, action, renews: None };
    let node = |number| Node { number, asked: false, kept: number == 2 };
    let edges = vec![
        vec![arc(To::Node(1), Some(0)), arc(To::Node(2), Some(2))],
        vec![arc(To::Node(0), Some(1))],
        vec![arc(To::Node(2), None)],
    ];
    let graph = Drawn { nodes: (0..3).map(node).collect(), edges };
    let [promise, ..] = PROMISES;
    let check = |stem: &[(usize, usize)], round: &[(usize, usize)]| {
        confirm(&graph, &promise, graph.nodes[0], &Lasso { stem: stem.to_vec(), round: round.to_vec() })
    };
    assert_eq!(check(&[], &[(0, 0), (1, 0)]), Ok(()));
    assert_eq!(check(&[(0, 0)], &[(1, 0), (0, 0)]), Ok(()));
    let refused = |stem: &[(usize, usize)], round: &[(usize, usize)]| check(stem, round).unwrap_err();
    assert_eq!(refused(&[], &[(0, 0)]), "the loop does not lead back");
    assert_eq!(refused(&[], &[]), "2 actions are put off forever");
    assert_eq!(refused(&[(0, 1)], &[(2, 0)]), "the promise does not wait where the loop begins");
    assert_eq!(refused(&[], &[(0, 1), (2, 0)]), "the promise is kept in the loop");
}

#[test]
fn raft_keeps_its_promises_and_no_others() {
    for lively in [raft::LIVELY_TWO_NODES, raft::LIVELY_PRE_VOTE, raft::LIVELY_THREE_NODES] {
        let checked = check(&lively);
        assert_eq!(checked.findings, [], "{}", lively.name());
        assert!(checked.instance.complete && checked.instance.properties.iter().all(|result| result.holds));
    }
}

fn check(lively: &dyn Check) -> Checked {
    lively
        .check(Engine::Own, &LIMITS, "cargo xtask verify raft", &mut |_| ())
        .expect("there is no checkpoint")
}

#[test]
fn a_broken_promise_is_told_by_a_way_and_a_loop_that_play() {
    let shown = check(&raft::LIVELY_TWO_NODES).shown.expect("a client is not answered");
    assert_eq!(shown.property, "whoever-asks-is-answered");
    assert!(shown.detail.contains("and from here on, again and again:\n  deliver"), "{}", shown.detail);
    assert!(shown.detail.contains("timeout n1 Heartbeat"), "{}", shown.detail);
    let text = shown.scenario.expect("a world can follow it");
    assert!(text.contains("going on with the last 3 events"), "{text}");
    let scenario = Scenario::<model_check::raft::Op>::parse("shown", &text).unwrap();
    let setup = (raft::LIVELY_TWO_NODES.instance.setup)();
    let played = scenario.play::<_, RaftProperties>(&setup).expect("it plays");
    scenario.compare(&played).expect("as it is written");
}

#[test]
fn what_is_expected_and_not_so_is_a_finding() {
    // The other way round.
    const WRONG: &[Expected<model_check::raft::Node, RaftProperties>] = &[
        Expected { promise: raft::LIVELY_TWO_NODES.promises[0].promise, kept: false },
        Expected { promise: raft::LIVELY_TWO_NODES.promises[3].promise, kept: true },
    ];
    let mut lively = Lively { promises: WRONG, ..raft::LIVELY_TWO_NODES };
    lively.instance.pinned.states += 1;
    let checked = check(&lively);
    let found: Vec<_> = checked.findings.iter().map(|finding| &*finding.property).collect();
    assert_eq!(found, ["a-leader-is-elected", "whoever-asks-is-answered", "pinned_counts"]);
    assert!(checked.findings[0].detail.contains("no run that breaks it"), "{:?}", checked.findings[0]);
    assert!(checked.findings[1].scenario.is_some());
    assert_eq!(checked.instance.properties.iter().filter(|result| result.holds).count(), 0);
}

#[test]
fn a_search_that_is_cut_off_claims_no_more_than_it_has_seen() {
    let space = raft::LIVELY_TWO_NODES.instance.space();
    let [elected, _, _, answered] = raft::LIVELY_TWO_NODES.promises else { panic!("there are four") };
    let cut = |promise, limits: &Limits<'_>| judge(&space, promise, limits, |_| ());
    let few = Limits { states_max: Some(5_000), ..LIMITS };
    let judged = cut(&answered.promise, &few);
    assert_eq!(judged.verdict, Verdict::Unknown(Stopped::StateLimit));
    assert!((5_000..10_000).contains(&judged.states) && judged.expanded < judged.states);
    // What is found before is found.
    let more = cut(&answered.promise, &Limits { states_max: Some(60_000), ..LIMITS });
    assert!(matches!(more.verdict, Verdict::Broken(_)) && more.expanded < more.states);
    let stopped = cut(&elected.promise, &Limits { interrupt: &STOP, ..LIMITS });
    assert_eq!(stopped.verdict, Verdict::Unknown(Stopped::Interrupted));
    let stopped = cut(&elected.promise, &Limits { memory_bytes: 1, ..LIMITS });
    assert_eq!(stopped.verdict, Verdict::Unknown(Stopped::MemoryBudget));
}

#[test]
fn a_state_that_must_never_be_ends_the_search() {
    // Messages that find no room would lead out of bounds.
    let roomy = || {
        let mut setup = (raft::NO_STABLE_STORAGE.setup)();
        setup.bounds.in_flight = 8;
        setup
    };
    let space = Instance { setup: roomy, ..raft::NO_STABLE_STORAGE }.space();
    let promise = Promise::again_and_again("nothing", |_| true);
    let Verdict::Unsafe(violation, events) = judge(&space, &promise, &LIMITS, |_| ()).verdict else {
        panic!("two leaders must be found");
    };
    assert_eq!((violation.property, events.len()), ("election_safety", 8));
}
