//! Coverage of simulated runs: it agrees with what runs count anyway, and changes nothing about them.

use std::sync::atomic::AtomicBool;

use swarm_protocol::{Stream, Ticks};
use swarm_simulator::coverage::Coverage;
use swarm_simulator::profile::{Fault, Pace, Profile, Span};
use swarm_simulator::simulation::{Simulation, Summary};

use crate::toy::{Config, Flaw, OneValuePerVersion, Op, Register};

fn workload(draw: &mut Stream) -> Op {
    if draw.below(2) == 0 { Op::Read } else { Op::Write(draw.below(200) as u8) }
}

fn summary(every: u64, threads: usize) -> Summary {
    let pace = Pace {
        faults: Ticks::from_millis(2000),
        interval: Span::micros(50_000, 500_000),
        outage: Span::micros(5_000, 500_000),
        ..Pace::default()
    };
    Simulation::<Register, OneValuePerVersion>::new(Config { nodes: 3, flaw: Flaw::None }, 3, workload)
        .profile(Profile::EVERYTHING)
        .pace(pace)
        .cover_every(every)
        .campaign(0..60, threads, &AtomicBool::new(false), |_| ())
}

fn coverage(summary: &Summary) -> &Coverage {
    summary.coverage.as_deref().expect("it was asked for")
}

#[test]
fn telling_what_was_covered_changes_no_run() {
    let (silent, telling) = (summary(0, 1), summary(1, 1));
    assert_eq!(silent.coverage, None);
    assert_eq!(silent, Summary { coverage: None, ..telling });
}

#[test]
fn a_campaign_covers_the_same_on_two_threads() {
    assert_eq!(summary(1, 1), summary(1, 2));
}

#[test]
fn one_seed_in_so_many_tells_wherever_it_stands() {
    let some = summary(4, 1);
    let runs = coverage(&some).states.runs();
    assert!((8..=24).contains(&runs), "{runs} of 60");
    let whole = summary(1, 1);
    assert_eq!(coverage(&whole).states.runs(), 60);
    assert!(coverage(&whole).states.distinct() > coverage(&some).states.distinct() / 2);
}

#[test]
fn what_is_covered_adds_up_to_what_runs_count() {
    let whole = summary(1, 1);
    let covered = coverage(&whole);
    let taken: u64 = covered.messages.values().sum();
    assert_eq!(taken, whole.events["deliver"] + whole.events.get("duplicate").copied().unwrap_or(0));
    let firsts: u64 =
        covered.messages.iter().filter(|((before, _), _)| *before == "start").map(|(_, n)| n).sum();
    assert_eq!(firsts, 60 * 3, "every node takes messages, and one of them first");
    for (fault, struck) in &whole.faults {
        let met: u64 =
            covered.faults.iter().filter(|((name, ..), _)| name == fault).map(|(_, count)| count).sum();
        // Some faults meet several nodes at once.
        assert!(met >= *struck, "{fault}: met {met} nodes, struck {struck} times");
    }
    let single = [Fault::Crash, Fault::Loss, Fault::Duplication];
    for fault in single.map(Fault::name) {
        let met: u64 =
            covered.faults.iter().filter(|((name, ..), _)| *name == fault).map(|(_, count)| count).sum();
        assert_eq!(met, whole.faults[fault], "{fault}");
    }
    assert!(!covered.overlaps.is_empty(), "clients overlap");
    assert!(covered.states.unseen().is_some_and(|share| share < 0.2), "{:?}", covered.states.unseen());
}
