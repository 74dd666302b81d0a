//! Everything kept, and a bounded number of drawn inputs, through every target.

use std::path::Path;
use std::process::Command;

use fuzz::campaign::{self, Limits};
use fuzz::{TARGETS, place};

/// How many inputs each target gets.
const EXECUTIONS: u64 = 20_000;

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn kept_and_drawn_inputs_break_nothing() {
    for (target, body) in TARGETS {
        let kept = place::kept(home(), target).unwrap();
        let limits = Limits { executions: Some(EXECUTIONS), time: None, threads: 2 };
        let outcome = campaign::run(*body, &kept, 2, limits, |_| true);
        assert_eq!(outcome.crashes, [], "{target}");
        assert_eq!(outcome.executions, EXECUTIONS, "{target}");
    }
}

#[test]
fn every_target_has_its_binary_its_corpus_and_its_place_for_regressions() {
    let mut binaries: Vec<_> = std::fs::read_dir(home().join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    binaries.sort();
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| format!("{name}.rs")).collect();
    assert_eq!(binaries, names);
    for (target, _) in TARGETS {
        assert!(home().join("corpus").join(target).is_dir(), "{target}");
        assert!(home().join("regressions").join(target).is_dir(), "{target}");
    }
}

/// Inputs in the corpus and the regressions must not depend on what stands in front of them: a second
/// process comes to the same figures.
#[test]
fn a_seed_brings_the_same_inputs_in_another_process() {
    let replay = || {
        let output = Command::new(env!("CARGO_BIN_EXE_replay"))
            .args(["raft_schedule", "--executions", "300", "--seed", "5", "--json"])
            .env(
                "SWARMPROOF_ARTIFACTS",
                std::env::temp_dir().join(format!("fuzz-seed-{}", std::process::id())),
            )
            .output()
            .unwrap();
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}");
        (line["runs"][0]["executions"].clone(), line["injected"][0]["executions"].clone())
    };
    assert_eq!(replay(), replay());
}
