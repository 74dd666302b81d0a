//! Runs in virtual time: they repeat, they agree with worlds, and they find what is wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use swarm_protocol::{
    Effects, Input, Never, NodeId, OpId, Properties, Protocol, Reply, Service, Specification, Stream, Ticks,
    Violation,
};
use swarm_simulator::history::Operation;
use swarm_simulator::profile::{Fault, Faults, Pace, Profile, Span};
use swarm_simulator::shrink::{Shrunk, Ways, replay};
use swarm_simulator::simulation::{DETERMINISM, PROGRESS, Run, Simulation, Summary, Traced};
use swarm_simulator::{Event, World};

use crate::echo::Anything;
use crate::toy::{Config, Flaw, OneValuePerVersion, Op, Register};

type Cluster = Simulation<Register, OneValuePerVersion>;

fn workload(draw: &mut Stream) -> Op {
    if draw.below(2) == 0 { Op::Read } else { Op::Write(draw.below(200) as u8) }
}

/// A pace at which a run takes about two thousand steps.
fn brisk() -> Pace {
    Pace {
        faults: Ticks::from_millis(4000),
        interval: Span::micros(50_000, 1_000_000),
        outage: Span::micros(5_000, 500_000),
        ..Pace::default()
    }
}

fn cluster(flaw: Flaw, profile: Profile) -> Cluster {
    Simulation::new(Config { nodes: 3, flaw }, 3, workload).profile(profile).pace(brisk())
}

fn campaign(cluster: &Cluster, seeds: u64, threads: usize) -> Summary {
    cluster.campaign(0..seeds, threads, &AtomicBool::new(false), |_| ())
}

#[test]
fn the_register_withstands_every_profile_and_every_fault_strikes() {
    // Two writes are never under way at once, no disk may be lost, and nobody may lie.
    let never = [
        Fault::Reordered,
        Fault::Wipe,
        Fault::Misdirected,
        Fault::Corruption,
        Fault::Twins,
        Fault::Adversary,
    ];
    for profile in Profile::ALL.into_iter().filter(|profile| !profile.heedless) {
        let summary = campaign(&cluster(Flaw::None, profile), 100, 2);
        assert!(summary.violations.is_empty(), "{profile}: {:#?}", summary.violations[0]);
        let expected = profile.faults.iter().filter(|fault| !never.contains(fault));
        let mut expected: Vec<_> = expected.map(Fault::name).collect();
        expected.sort_unstable();
        assert!(summary.faults.keys().copied().eq(expected), "{profile}: {:?}", summary.faults);
        assert_eq!(summary.account.declined > 0, profile.faults.contains(Fault::Crash), "{profile}");
        assert_eq!((summary.runs, summary.cut_short, summary.undecided), (100, 0, 0));
        assert!(summary.completed > 5_000 && summary.marks["copied-everywhere"] > 2_000, "{summary:?}");
        assert_eq!(summary.recovery_millis.values().sum::<u64>(), 100, "every run recovers");
        assert!(summary.recovery_quantile(500) <= summary.recovery_quantile(990));
    }
}

#[test]
fn a_seed_that_does_not_come_to_the_same_run_again_is_a_finding() {
    let violated = |flaw| {
        let summary = campaign(&cluster(flaw, Profile::CALM), 100, 1);
        assert_eq!((summary.runs, summary.repeated), (100, 1));
        summary.violations.into_iter().find_map(|run| run.violation)
    };
    assert_eq!(violated(Flaw::None), None);
    let found = violated(Flaw::KeepsASecret).expect("it answers otherwise the second time");
    assert_eq!(found.property, DETERMINISM);
    assert!(found.detail.contains("part at event") && found.detail.contains(" in the other"), "{found}");
}

#[test]
fn disks_that_fail_are_part_of_a_profile() {
    let profile = Profile::new("disk-failures", Faults::of(&[Fault::DiskFailure]));
    let mut cluster = cluster(Flaw::None, profile);
    cluster.pace.interval = Span::micros(20_000, 20_000);
    let summary = campaign(&cluster, 20, 1);
    assert!(summary.faults[Fault::DiskFailure.name()] > 5, "{:?}", summary.faults);
    assert!(summary.violated.is_empty(), "{:?}", summary.violated);
}

#[test]
fn flaws_are_found_by_the_oracle_they_offend_within_few_seeds() {
    for (flaw, profile, property, seeds) in [
        (Flaw::AnswersAtOnce, Profile::CRASHES, "linearizability", 20),
        (Flaw::AnswersAtOnce, Profile::EVERYTHING, "linearizability", 40),
        (Flaw::CopiesAtOnce, Profile::CRASHES, "progress", 20),
        (Flaw::PanicsOnOldCopy, Profile::LOSSY, "panic", 20),
        (Flaw::AssertsTooMuch, Profile::CALM, "invariants", 1),
        (Flaw::AnswersTwice, Profile::CALM, "contract", 1),
        (Flaw::GoesOnAfterFailure, Profile::DISKS, "progress", 40),
        (Flaw::TrustsItsClock, Profile::CLOCKS, "panic", 20),
    ] {
        let violated = campaign(&cluster(flaw, profile), seeds, 2).violated;
        assert!(violated.contains_key(property), "{flaw:?} under {profile}: {violated:?}");
    }
}

#[test]
fn a_wrong_answer_is_reported_with_what_stood_in_the_way() {
    let cluster = cluster(Flaw::AnswersAtOnce, Profile::CRASHES);
    let violations = campaign(&cluster, 100, 2).violations;
    let violation = violations[0].violation.as_ref().expect("violating runs are kept");
    let text = violation.to_string();
    assert!(text.starts_with("linearizability: the answers of the first "), "{text}");
    assert!(text.contains("Read -> Value("), "{text}");
}

#[test]
fn a_seed_is_a_run() {
    let cluster = cluster(Flaw::None, Profile::EVERYTHING);
    let mut digests = std::collections::BTreeSet::new();
    for seed in 0..30 {
        let run = cluster.run(seed);
        assert_eq!(run, cluster.run(seed), "seed {seed}");
        let (traced, again) = (cluster.trace(seed), cluster.trace(seed));
        assert_eq!(format!("{traced:?}"), format!("{again:?}"), "seed {seed}");
        // A trace notes answers to choices on top; nothing else differs.
        let without_choices = |run: &Run| {
            let mut run = run.clone();
            run.events.remove("choose");
            run.digest = 0;
            run
        };
        assert_eq!(without_choices(&traced.run), without_choices(&run), "seed {seed}");
        digests.insert(run.digest);
    }
    assert_eq!(digests.len(), 30, "different seeds are different runs");
}

#[test]
fn runs_are_the_same_on_every_machine() {
    // Pinned: recorded seeds must keep their meaning. Changes of the simulator that alter runs alter it.
    let summary = campaign(&cluster(Flaw::None, Profile::EVERYTHING), 20, 1);
    assert_eq!((summary.steps, summary.digest), GOLDEN);
}
const GOLDEN: (u64, u64) = (46_005, 9_999_492_934_597_259_362);

#[test]
fn a_campaign_comes_to_the_same_on_any_number_of_threads() {
    let cluster = cluster(Flaw::AnswersAtOnce, Profile::CRASHES);
    let one = campaign(&cluster, 60, 1);
    assert!(!one.violations.is_empty());
    for threads in [2, 3, 8] {
        assert_eq!(campaign(&cluster, 60, threads), one, "{threads} threads");
    }
}

#[test]
fn a_campaign_stops_when_told() {
    let stop = AtomicBool::new(false);
    let cluster = cluster(Flaw::None, Profile::CALM);
    let summary =
        cluster.campaign(0..1_000_000, 1, &stop, |run| stop.store(run.seed >= 4, Ordering::Relaxed));
    assert_eq!(summary.runs, 5);
}

#[test]
fn no_more_nodes_are_down_than_allowed_and_every_crash_keeps_no_more_than_was_written() {
    let mut nodes_down_max = 0;
    for seed in 0..40 {
        let mut down = 0u32;
        for (_, event) in cluster(Flaw::None, Profile::CRASHES).trace(seed).trace {
            match event {
                Event::Crash { .. } => down += 1,
                Event::Restart { .. } => down -= 1,
                _ => {}
            }
            nodes_down_max = nodes_down_max.max(down);
        }
        assert_eq!(down, 0, "all are up in the end");
    }
    assert_eq!(nodes_down_max, 1, "a minority of three");
}

#[test]
fn healing_ends_every_outage() {
    let lasting = [Fault::Partition, Fault::OneWay, Fault::Crash, Fault::Slowness, Fault::Stall];
    for fault in lasting {
        let profile = Profile::new("lasting", Faults::of(&[fault]));
        let mut cluster = cluster(Flaw::None, profile);
        cluster.pace = Pace {
            latency: Span::micros(5_000, 10_000),
            outage: Span::micros(1 << 30, 1 << 30),
            client_timeout: Ticks::from_millis(200),
            progress: Ticks::from_millis(1000),
            ..brisk()
        };
        let summary = campaign(&cluster, 30, 2);
        assert!(summary.faults[fault.name()] >= 10, "{:?}", summary.faults);
        assert!(summary.violations.is_empty(), "{fault:?}: {:#?}", summary.violations[0]);
    }
}

/// Plays the run of `seed` in a world, to its end or the first violation there, and hands both back.
fn play(cluster: &Cluster, seed: u64) -> (Traced<Register>, World<Register, OneValuePerVersion>) {
    let traced = cluster.trace(seed);
    let (setup, events) = traced.in_world(cluster.config.clone());
    let mut world = World::new(&setup);
    for event in &events {
        let applied = world.apply(&setup, event);
        assert!(applied.is_ok(), "seed {seed}: {event:?}: {applied:?}\n{world:#?}");
        if world.violation().is_some() {
            break;
        }
    }
    (traced, world)
}

#[test]
fn every_event_of_a_run_is_possible_in_a_world_and_leads_to_the_same_nodes() {
    let mut events = BTreeMap::<_, u32>::new();
    let mut cluster = cluster(Flaw::None, Profile::EVERYTHING);
    cluster.pace.faults = Ticks::from_millis(800);
    for seed in 0..300 {
        let (traced, world) = play(&cluster, seed);
        assert_eq!((traced.run.violation, world.violation()), (None, None), "seed {seed}");
        // An operation that a primary holds goes by another name in the world: nothing else may differ.
        let nameless = |node: Option<&Register>| {
            let text = format!("{node:?}");
            text.split_once(" waiting").map_or(text.clone(), |(state, _)| state.to_owned())
        };
        for node in (0..3).map(NodeId) {
            let (in_world, in_run) = (world.node(node.into()), traced.nodes[node.index()].as_ref());
            assert_eq!(nameless(in_world), nameless(in_run), "seed {seed}");
        }
        for (_, event) in &traced.trace {
            *events.entry(event.class()).or_default() += 1;
        }
    }
    assert!(events.len() >= 10 && events.values().all(|count| *count > 20), "{events:?}");
}

#[test]
fn the_search_over_a_history_agrees_with_the_summary_that_a_world_keeps() {
    let mut cluster = cluster(Flaw::AnswersAtOnce, Profile::CRASHES);
    cluster.pace.faults = Ticks::from_millis(1000);
    let mut wrong = 0;
    for seed in 0..300 {
        let (traced, world) = play(&cluster, seed);
        let property = |violation: Option<&Violation>| violation.map(|violation| violation.property);
        let (search, summary) = (property(traced.run.violation.as_ref()), property(world.violation()));
        assert_eq!(search, summary, "seed {seed}");
        wrong += u32::from(search == Some("linearizability"));
    }
    assert!((20..280).contains(&wrong), "both verdicts are met: {wrong} of 300");
}

#[test]
fn a_run_that_fails_is_shrunk_in_a_world() {
    let cluster = cluster(Flaw::AnswersAtOnce, Profile::CRASHES);
    let failed = (0..100).map(|seed| cluster.trace(seed)).find(|traced| traced.run.violation.is_some());
    let failed = failed.expect("one of a hundred fails");
    let config = cluster.config.clone();
    let shrunk = failed.shrunk::<OneValuePerVersion>(config, "linearizability", &Ways::default());
    let shrunk = shrunk.expect("the world sees the same violation");
    let told = shrunk.to_string();
    let Shrunk { setup, events, .. } = shrunk;
    let (world, happened) = replay::<_, OneValuePerVersion>(&setup, &events);
    assert_eq!(world.violation().map(|violation| violation.property), Some("linearizability"));
    assert_eq!(happened.len(), events.len(), "every event matters");
    // A write that is answered, the crash that loses it, and a read that shows it.
    assert!(failed.trace.len() > 1000 && (4..7).contains(&events.len()), "{told}\n{events:#?}");
    assert_eq!(setup.workload.len(), 2, "{:?}", setup.workload);
}

/// A node that counts, answers by tasks, and forgets every third question.
#[derive(Debug)]
struct Forgetful {
    questions: u64,
}

struct Nothing;

impl Specification for Nothing {
    type State = ();
    type Op = OpId;
    type Answer = ();

    fn apply(_state: &mut (), _op: &OpId) {}
}

impl Protocol for Forgetful {
    type Config = u64;
    type Message = Never;
    type Timer = ();
    type Op = OpId;
    type Answer = ();
    type Record = Never;
    type Task = OpId;
    type Outcome = OpId;

    fn recover(_: &u64, _: NodeId, _: impl Iterator<Item = Never>, _: &mut Effects<Self>) -> Self {
        Forgetful { questions: 0 }
    }

    fn step(&mut self, every: &u64, _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        match input {
            Input::Invoke { id, .. } => {
                self.questions += 1;
                if !self.questions.is_multiple_of(*every) {
                    out.submit(id);
                }
            }
            Input::Done(id) => out.answer(id, ()),
            _ => {}
        }
    }
}

impl Service for Forgetful {
    type Spec = Nothing;

    fn reply((): &()) -> Reply<()> {
        Reply::Done(())
    }
}

fn forgetful(every: u64) -> Simulation<Forgetful, Anything> {
    let mut simulation = Simulation::new(every, 1, |draw| OpId(draw.below(9)));
    simulation.perform = Some(|_, id| *id);
    simulation
}

#[test]
fn clients_that_get_no_answer_go_on_as_other_processes() {
    let traced = forgetful(3).trace(1);
    assert_eq!(traced.run.violation, None);
    let unanswered = |operation: &&Operation<Nothing>| operation.returned.is_none();
    let open: Vec<_> = traced.history.operations().filter(unanswered).collect();
    assert!(open.len() > 5 && traced.run.completed > 10, "{:?}", traced.run);
    for silent in open {
        let later = traced.history.operations().filter(|other| other.process == silent.process);
        assert_eq!(later.last().map(|last| last.invoked), Some(silent.invoked), "the process asks no more");
    }
}

#[test]
fn a_cluster_that_answers_nobody_makes_no_progress() {
    let run = forgetful(1).run(1);
    assert_eq!(run.violation.map(|violation| violation.property), Some(PROGRESS));
    assert_eq!((run.completed, run.recovery), (0, None));
}

#[test]
fn tasks_need_somebody_to_do_them() {
    let mut simulation = forgetful(3);
    simulation.perform = None;
    assert_eq!(simulation.run(1).violation.map(|violation| violation.property), Some("contract"));
}

#[test]
fn a_run_that_is_too_long_is_cut_short() {
    let mut simulation = forgetful(3);
    simulation.steps_max = 50;
    let run = simulation.run(1);
    assert_eq!((run.steps, run.cut_short, run.violation), (50, true, None));
}

/// That properties see every node, those that are down as such.
#[derive(Clone, Debug, Default)]
struct SeesAll;

impl Properties<Register> for SeesAll {
    const NAMES: &'static [&'static str] = &["sees_all"];

    fn full(&self, config: &Config, nodes: &[Option<&Register>]) -> Result<(), Violation> {
        // All boot before anything happens, one after the other, and none goes down.
        let up = nodes.iter().take_while(|node| node.is_some()).count();
        let seen = nodes.len() == config.nodes as usize && nodes[up..].iter().all(Option::is_none);
        if seen { Ok(()) } else { Err(Violation::new("sees_all", format!("{up} of {}", nodes.len()))) }
    }
}

#[test]
fn clusters_of_all_sizes_are_judged_as_a_whole() {
    for nodes in [1, 3, 8, 9, 20] {
        let config = Config { nodes, flaw: Flaw::None };
        let run = Simulation::<Register, SeesAll>::new(config, nodes, workload).pace(brisk()).run(1);
        assert_eq!(run.violation, None, "{nodes} nodes");
        assert!(run.steps > 100, "{nodes} nodes, {} steps", run.steps);
    }
}
