//! `replay` from outside: artifacts, exit codes, and what it refuses.

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

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_replay"))
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

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn replay_leaves_an_artifact() {
    let place = Place::new("replay");
    let output = place.run(&["scenario", "--executions", "500", "--seed", "9"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let [artifact] = &place.artifacts()[..] else { panic!("one artifact") };
    let Payload::Fuzz(fuzz) = &artifact.payload else { panic!("{:?}", artifact.payload) };
    let [run] = &fuzz.runs[..] else { panic!("{fuzz:?}") };
    assert_eq!((fuzz.target.as_str(), run.executions, run.crashes), ("scenario", 500, 0));
    assert_eq!((run.seed, run.guided), (9, false));
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
fn what_a_fuzzer_has_done_stands_beside_what_was_drawn() {
    let place = Place::new("guided");
    let log = place.0.join("log");
    let path = log.display().to_string();
    let replay = |target: &str, text: &str, more: &[&str]| {
        std::fs::write(&log, text).unwrap();
        let arguments = [target, "--executions", "200", "--engine", "libFuzzer on stable", "--guided", &path];
        let output = place.run(&[&arguments[..], more].concat());
        let mut all = place.artifacts();
        all.retain(|artifact| artifact.subject == target.replace('_', "-"));
        let [artifact] = &all[..] else { panic!("one artifact: {}", error(&output)) };
        let Payload::Fuzz(fuzz) = artifact.payload.clone() else { panic!("{:?}", artifact.payload) };
        (output.status.code(), artifact.clone(), fuzz)
    };
    let (code, artifact, fuzz) = replay("scenario", LOG, &["--sanitizer", "address", "--seed", "4"]);
    assert_eq!((code, artifact.outcome), (Some(0), Outcome::Passed));
    let [guided, drawn] = &fuzz.runs[..] else { panic!("{fuzz:?}") };
    assert_eq!((guided.guided, guided.executions, guided.wall_s), (true, 2_000_000, 9.0));
    assert_eq!((guided.corpus, guided.features, guided.edges, guided.seed), (6, Some(15), Some(13), 4));
    assert_eq!(
        (guided.engine.as_str(), &guided.sanitizers[..]),
        ("libFuzzer on stable", &["address".into()][..])
    );
    assert_eq!((drawn.guided, drawn.executions, drawn.edges), (false, 200, None));
    assert_eq!((fuzz.executions(true), fuzz.executions(false)), (2_000_000, 200), "two figures, no sum");
    assert!((9.0..60.0).contains(&artifact.duration_s), "the fuzzer's time counts: {}", artifact.duration_s);

    let (code, artifact, fuzz) = replay("scenario", CRASH, &["--input", "fuzz/regressions/scenario/crash-1"]);
    assert_eq!((code, artifact.outcome, fuzz.crashes()), (Some(1), Outcome::Failed, 1));
    let [finding] = &artifact.findings[..] else { panic!("one finding") };
    assert_eq!(finding.detail, "fuzz/regressions/scenario/crash-1: its own transcript differs: line 3");
    assert_eq!((finding.property.as_str(), finding.scenario.as_deref()), ("panic", Some("nodes 3\n")));

    let (code, artifact, fuzz) = replay("scenario", INTERRUPTION, &[]);
    assert_eq!((code, artifact.outcome, fuzz.crashes()), (Some(130), Outcome::Interrupted, 0));
    assert_eq!((fuzz.executions(true), fuzz.runs.len()), (44, 1), "nothing is drawn after an interruption");

    // The log of a crash stands for a bug found, the log of a run without one for a bug missed.
    for (text, code, outcome) in [(CRASH, 0, Outcome::Passed), (LOG, 1, Outcome::Failed)] {
        let hunt = place.0.join("hunt");
        std::fs::write(&hunt, text).unwrap();
        let hunt = hunt.display().to_string();
        let (ended, artifact, fuzz) = replay("raft_schedule", LOG, &["--injected", &hunt]);
        assert_eq!((ended, &artifact.outcome), (Some(code), &outcome));
        let [guided, drawn] = &fuzz.injected[..] else { panic!("{fuzz:?}") };
        assert_eq!((guided.found, guided.engine.as_str()), (code == 0, "libFuzzer on stable"));
        assert!(drawn.found && drawn.executions > 1000, "{drawn:?}");
        assert_eq!(artifact.findings.len(), code as usize);
    }
}

#[test]
fn wrong_usage_is_refused_and_leaves_nothing() {
    let place = Place::new("usage");
    let log = place.0.join("log");
    std::fs::write(&log, "nothing of the kind\n").unwrap();
    let log = log.display().to_string();
    for (arguments, reason) in [
        (
            &["raft"][..],
            "`raft` is no target: raft_log, raft_message, raft_schedule, scenario, task_sharing_message, task_sharing_schedule",
        ),
        (&["--executions", "many"], "many"),
        (&["--time"], "--time"),
        (&["--guided", &log, "--engine", "e"], "with one target"),
        (&["scenario", "--guided", &log], "go together"),
        (&["scenario", "--engine", "e", "--guided", "/nowhere"], "/nowhere: No such file"),
        (&["scenario", "--engine", "e", "--guided", &log], "number_of_executed_units"),
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains(reason), "{arguments:?}: {}", error(&output));
    }
    assert_eq!(place.artifacts(), []);
}
