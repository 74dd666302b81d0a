//! Disks that tear, reorder, misdirect and spoil records, and the rules by which journals are read.

use std::sync::atomic::AtomicBool;

use swarm_protocol::Ticks;
use swarm_simulator::profile::{Fault, Faults, Pace, Profile, Span};
use swarm_simulator::simulation::{
    Assumption, Frame, JOURNAL, Journal, PROGRESS, Reading, Rule, Simulation, Summary, checksummed,
};

use crate::logbook::{Append, Logbook, Nothing};

/// Crashes in quick succession, most with several writes under way.
fn logbook(faults: &[Fault], rule: Rule) -> Simulation<Logbook, Nothing> {
    let pace = Pace {
        sync: Span::micros(2_000, 20_000),
        think: Span::micros(0, 2_000),
        outage: Span::micros(1_000, 20_000),
        interval: Span::micros(20_000, 100_000),
        faults: Ticks::from_millis(1_000),
        progress: Ticks::from_millis(5_000),
        ..Pace::default()
    };
    let profile = Profile::new("disks", Faults::of(&[Fault::Crash]).and(faults));
    let assumption = Assumption { down_max: 2, lost_max: 2, ..Assumption::crash_recovery(3) };
    let mut simulation = Simulation::new((), 3, |_| Append).profile(profile).pace(pace).clients(6);
    simulation.journal = rule;
    simulation.assumption(assumption)
}

/// The same with one client that takes his time: a last batch stays the last for a while.
fn quiet(faults: &[Fault], rule: Rule) -> Simulation<Logbook, Nothing> {
    let mut simulation = logbook(faults, rule).clients(1);
    simulation.pace.think = Span::micros(0, 100_000);
    simulation
}

fn campaign(simulation: &Simulation<Logbook, Nothing>) -> Summary {
    simulation.campaign(0..150, 2, &AtomicBool::new(false), |_| ())
}

fn place_of(frame: &Frame) -> Option<u32> {
    match frame {
        Frame::Whole { place, .. } => Some(*place),
        Frame::Unreadable => None,
    }
}

/// Reads whatever can be read.
fn skipping(journal: &Journal) -> Reading {
    Reading::Records(journal.frames.iter().filter_map(place_of).collect())
}

/// Takes any damage for the loss of what was durable.
fn strict(journal: &Journal) -> Reading {
    match journal.frames.iter().position(|frame| place_of(frame).is_none()) {
        Some(damaged) => Reading::Refused(damaged as u32),
        None => checksummed(journal),
    }
}

/// Takes any damage for the end.
fn cutting(journal: &Journal) -> Reading {
    Reading::Records(journal.frames.iter().map_while(place_of).collect())
}

/// Does not look for which place a frame was written.
fn blind(journal: &Journal) -> Reading {
    let mut blind = journal.clone();
    for (own, frame) in (0..).zip(&mut blind.frames) {
        if let Frame::Whole { place, .. } = frame {
            *place = own;
        }
    }
    match checksummed(&blind) {
        Reading::Records(records) => Reading::Records(
            records.iter().filter_map(|own| place_of(&journal.frames[*own as usize])).collect(),
        ),
        refused @ Reading::Refused(_) => refused,
    }
}

#[test]
fn the_usual_rule_withstands_what_disks_do() {
    for faults in [
        &[Fault::Torn][..],
        &[Fault::Reordered],
        &[Fault::Torn, Fault::Reordered],
        &[Fault::Corruption, Fault::Torn, Fault::Reordered],
        &[Fault::Misdirected],
        &[Fault::DiskFull, Fault::DiskFailure, Fault::Reordered],
    ] {
        let summary = campaign(&logbook(faults, checksummed).cover_every(1));
        let covered = &summary.coverage.as_ref().expect("every seed tells").faults;
        for fault in faults {
            let struck = summary.faults[fault.name()];
            let met = covered.iter().filter(|((name, ..), _)| *name == fault.name());
            assert!(struck >= 10, "{:?}", summary.faults);
            assert_eq!(met.map(|(_, count)| count).sum::<u64>(), struck, "{fault:?} meets whom it strikes");
        }
        // A log whose disk is lost is not there any more.
        let lossy = faults.iter().any(|fault| matches!(fault, Fault::Corruption | Fault::Misdirected));
        let only = |property: &&'static str| lossy && *property == PROGRESS;
        assert!(summary.violated.keys().all(only), "{faults:?}: {:?}", summary.violations);
        assert_eq!(summary.account.refused > 10, lossy, "{faults:?}: {}", summary.account);
        assert!(summary.outside.is_empty());
    }
}

#[test]
fn rules_that_are_wrong_are_found_by_the_fault_that_they_forget() {
    type Make = fn(&[Fault], Rule) -> Simulation<Logbook, Nothing>;
    let flawed: [(Make, Rule, Fault, &str); 4] = [
        (logbook, skipping, Fault::Reordered, "as record"),
        (logbook, strict, Fault::Torn, "refuses at record"),
        (logbook, cutting, Fault::Corruption, "forgets record"),
        (quiet, blind, Fault::Misdirected, "as record"),
    ];
    for (make, rule, fault, detail) in flawed {
        let simulation = make(&[fault], rule);
        let found = (0..150).filter_map(|seed| simulation.run(seed).violation);
        let found: Vec<_> = found.filter(|violation| violation.property == JOURNAL).collect();
        assert!(!found.is_empty() && found[0].detail.contains(detail), "{fault:?}: {:?}", found.first());
        // Nothing else finds it out.
        let other = campaign(&make(&[], rule));
        assert!(other.violations.is_empty(), "{fault:?}: {:?}", other.violations[0].violation);
    }
}

#[test]
fn a_last_batch_that_is_spoilt_is_forgotten_which_only_an_assumption_may_allow() {
    let mut simulation = quiet(&[Fault::Corruption], checksummed);
    let inside = campaign(&simulation);
    assert!(inside.account.forgetful == 0 && inside.outside.is_empty());
    assert!(inside.account.declined > 0);
    // Who claims that a log survives it is wrong.
    simulation.assumption.forgetful_max = 2;
    let claimed = campaign(&simulation);
    assert!(claimed.violated.contains_key("linearizability"), "{:?}", claimed.violated);
    // Who strikes without asking learns nothing.
    simulation.assumption.forgetful_max = 0;
    simulation.profile = simulation.profile.heedless();
    let beyond = campaign(&simulation);
    assert!(
        beyond.outside["forgetful disks"] > 0 && beyond.outside_violated.contains_key("linearizability"),
        "{beyond:?}"
    );
    assert!(!beyond.violated.contains_key("linearizability"), "{:?}", beyond.violated);
}
