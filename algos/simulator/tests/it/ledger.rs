//! Ledgers of campaigns: what is written is read, and nothing else is taken for it.

use std::sync::atomic::AtomicBool;

use swarm_protocol::{Stream, Ticks};
use swarm_simulator::profile::{Pace, Profile, Span};
use swarm_simulator::simulation::ledger::{self, Ledger};
use swarm_simulator::simulation::{Simulation, Summary};

use crate::toy::{Config, Flaw, OneValuePerVersion, Op, Register};

const WHAT: &str = "a register, seeds 0..30";

fn workload(draw: &mut Stream) -> Op {
    if draw.below(2) == 0 { Op::Read } else { Op::Write(draw.below(200) as u8) }
}

/// A campaign with violations, coverage and everything else that a summary can hold.
fn summary() -> Summary {
    let pace = Pace {
        faults: Ticks::from_millis(1000),
        interval: Span::micros(50_000, 500_000),
        outage: Span::micros(5_000, 500_000),
        ..Pace::default()
    };
    let config = Config { nodes: 3, flaw: Flaw::CopiesAtOnce };
    Simulation::<Register, OneValuePerVersion>::new(config, 3, workload)
        .profile(Profile::BEYOND)
        .pace(pace)
        .cover_every(3)
        .campaign(0..30, 1, &AtomicBool::new(false), |_| ())
}

#[test]
fn what_is_written_is_read_back() {
    let summary = summary();
    assert!(summary.coverage.is_some() && !summary.violations.is_empty(), "{summary:?}");
    assert!(!summary.outside.is_empty() && !summary.outside_violated.is_empty(), "{summary:?}");
    let text = ledger::write(WHAT, 30, 77, &summary);
    let violating = summary.violations.iter().map(|run| run.seed).collect();
    let expected = Summary { violations: Vec::new(), ..summary };
    assert_eq!(
        ledger::read(&text, WHAT),
        Ok(Ledger { next: 30, cpu_micros: 77, summary: expected, violating })
    );
}

#[test]
fn a_ledger_that_was_touched_is_refused_with_its_place() {
    let text = ledger::write(WHAT, 3, 0, &summary());
    let refused = |text: &str| ledger::read(text, WHAT).expect_err("it was touched").to_string();
    assert!(
        refused(&text.replace("campaign 2", "campaign 1"))
            .starts_with("line 1: not a ledger of this version")
    );
    assert_eq!(
        refused(""),
        "line 1: not a ledger of this version, which begins with `swarmproof campaign 2`"
    );
    let other = ledger::read(&text, "a register, seeds 0..31").expect_err("another").to_string();
    assert_eq!(other, format!("line 2: the ledger is that of another campaign: {WHAT}"));
    for end in (0..text.len()).step_by(37).chain([text.len() - 1]) {
        assert!(ledger::read(&text[..end], WHAT).is_err(), "cut at byte {end}");
    }
    let lines: Vec<&str> = text.lines().collect();
    for line in 2..lines.len() - 1 {
        let mut edited = lines.clone();
        edited.remove(line);
        assert!(
            refused(&(edited.join("\n") + "\n")).contains("cut short, or was edited"),
            "without line {line}"
        );
    }
}
