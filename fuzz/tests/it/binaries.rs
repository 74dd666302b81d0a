//! `replay` and `record` from outside: artifacts, exit codes, and what they refuse.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use reports::artifact::{Artifact, Outcome, Payload};

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("fuzz-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        Place(place)
    }

    fn run(&self, binary: &str, arguments: &[&str]) -> Output {
        Command::new(binary)
            .args(arguments)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
            .env("SWARMPROOF_ARTIFACTS", &self.0)
            .env_remove("SWARMPROOF_COMMAND")
            .output()
            .unwrap()
    }

    fn artifacts(&self) -> Vec<Artifact> {
        reports::store::read_all(&self.0).into_iter().map(|read| read.unwrap()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const REPLAY: &str = env!("CARGO_BIN_EXE_replay");
const RECORD: &str = env!("CARGO_BIN_EXE_record");

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn replay_leaves_an_artifact() {
    let place = Place::new("replay");
    let output = place.run(REPLAY, &["scenario", "--executions", "500", "--seed", "9"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let [artifact] = &place.artifacts()[..] else { panic!("one artifact") };
    let Payload::Fuzz(fuzz) = &artifact.payload else { panic!("{:?}", artifact.payload) };
    assert_eq!((fuzz.target.as_str(), fuzz.executions, fuzz.crashes), ("scenario", 500, 0));
    assert_eq!((artifact.subject.as_str(), &artifact.outcome), ("scenario", &Outcome::Passed));
    let command = "cargo run --release -p fuzz --bin replay -- scenario --seed 9 --executions 500";
    assert_eq!(artifact.command, command);
}

const LOG: &str = "#2\tINITED cov: 9 ft: 9 corp: 1/1b exec/s: 0 rss: 27Mb\n\
    #2000000\tDONE   cov: 13 ft: 15 corp: 6/21b lim: 4096 exec/s: 0 rss: 27Mb\n\
    Done 2000000 runs in 9 second(s)\nstat::number_of_executed_units: 2000000\n";

const CRASH: &str = "#12\tNEW    cov: 10 ft: 10 corp: 2/5b lim: 4 exec/s: 0 rss: 27Mb\n\
    thread '<unnamed>' (1) panicked at fuzz/src/scenario.rs:60:9:\nits own transcript differs: line 3\nnodes 3\n\
    note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\
    SUMMARY: libFuzzer: deadly signal\nstat::number_of_executed_units: 72356\n";

const INTERRUPTION: &str =
    "==17277== libFuzzer: run interrupted; exiting\nstat::number_of_executed_units: 44\n";

#[test]
fn record_turns_logs_into_artifacts() {
    let place = Place::new("record");
    let log = place.0.join("log");
    let path = log.display().to_string();
    let record = |text: &str, more: &[&str]| {
        std::fs::write(&log, text).unwrap();
        let arguments = ["--target", "scenario", "--engine", "libFuzzer on stable", "--log", &path];
        let output = place.run(RECORD, &[&arguments[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", error(&output));
        let [artifact] = &place.artifacts()[..] else { panic!("one artifact") };
        let Payload::Fuzz(fuzz) = artifact.payload.clone() else { panic!("{:?}", artifact.payload) };
        (artifact.clone(), fuzz)
    };
    let (artifact, fuzz) =
        record(LOG, &["--command", "cargo xtask fuzz scenario --quick", "--sanitizer", "address"]);
    assert_eq!((artifact.outcome, fuzz.executions, fuzz.wall_s), (Outcome::Passed, 2_000_000, 9.0));
    assert_eq!((fuzz.corpus, fuzz.features, fuzz.edges), (6, Some(15), Some(13)));
    assert_eq!(
        (artifact.command.as_str(), &fuzz.sanitizers[..]),
        ("cargo xtask fuzz scenario --quick", &["address".to_owned()][..])
    );

    let (artifact, fuzz) = record(CRASH, &["--input", "fuzz/regressions/scenario/crash-1"]);
    assert_eq!((artifact.outcome, fuzz.crashes), (Outcome::Failed, 1));
    let [finding] = &artifact.findings[..] else { panic!("one finding") };
    assert_eq!(finding.detail, "fuzz/regressions/scenario/crash-1: its own transcript differs: line 3");
    assert_eq!((finding.property.as_str(), finding.scenario.as_deref()), ("panic", Some("nodes 3\n")));

    let (artifact, fuzz) = record(INTERRUPTION, &[]);
    assert_eq!((artifact.outcome, fuzz.executions, fuzz.crashes), (Outcome::Interrupted, 44, 0));
}

#[test]
fn wrong_usage_is_refused_and_leaves_nothing() {
    let place = Place::new("usage");
    let log = place.0.join("log");
    std::fs::write(&log, "nothing of the kind\n").unwrap();
    let log = log.display().to_string();
    for (binary, arguments, reason) in [
        (REPLAY, &["raft"][..], "`raft` is no target: raft_message, raft_schedule, scenario"),
        (REPLAY, &["--executions", "many"], "many"),
        (REPLAY, &["--time"], "--time"),
        (RECORD, &[], "--target is missing"),
        (RECORD, &["--target", "scenario", "--engine", "e"], "--log is missing"),
        (RECORD, &["--target", "scenario", "--engine", "e", "--log", "/nowhere"], "/nowhere: No such file"),
        (RECORD, &["--target", "scenario", "--engine", "e", "--log", &log], "number_of_executed_units"),
    ] {
        let output = place.run(binary, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains(reason), "{arguments:?}: {}", error(&output));
    }
    assert_eq!(place.artifacts(), []);
}
