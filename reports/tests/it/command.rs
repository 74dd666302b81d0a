//! The command lines of `report` and `record`: exit codes, what is said where, and what is written.

use std::fs;
use std::process::{Command, Output};

use crate::folder::Folder;
use crate::{put, sample};

fn report(folder: &Folder, arguments: &[&str]) -> Output {
    let out = folder.path().join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_report"));
    command
        .arg("--artifacts")
        .arg(folder.path())
        .arg("--out")
        .arg(out)
        .args(["--revision", "abc"])
        .args(arguments);
    command.output().expect("the binary starts")
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn rendering_ends_with_0_and_a_failed_run_with_1() {
    let folder = Folder::new("command");
    sample::write(folder.path()).expect("the sample can be written");
    let output = report(&folder, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        said(&output.stdout).ends_with("index.html: 15 artifacts, 0 failed, 0 unreadable\n"),
        "{output:?}"
    );

    sample::write_trouble(folder.path()).expect("the trouble too");
    let output = report(&folder, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output.stdout).contains("\"artifacts\":17,\"failed\":1"), "{output:?}");
    assert!(said(&output.stderr).contains("unreadable artifact fuzz/broken.json:3: EOF"), "{output:?}");
    assert!(fs::read_to_string(folder.path().join("out/index.html")).expect("the page").contains("(stale)"));
}

#[test]
fn wrong_usage_ends_with_2_and_an_unwritable_place_with_3() {
    let folder = Folder::new("usage");
    for arguments in [&["--bogus"][..], &["stray"], &["--out"]] {
        let output = report(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(said(&output.stderr).contains("Usage: report"), "{output:?}");
    }
    let blocked = put(&folder, "file", "").join("below");
    let output = report(&folder, &["--out", blocked.to_str().expect("a plain path")]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(said(&output.stderr).contains("cannot write below"), "{output:?}");
    assert_eq!(report(&folder, &["--help"]).status.code(), Some(0));
}

#[test]
fn what_a_run_has_left_becomes_an_artifact() {
    let folder = Folder::new("record");
    let record = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_record"));
        command.args(line.split(' ')).env("SWARMPROOF_ARTIFACTS", folder.path().join("artifacts"));
        command.env("SWARMPROOF_COMMAND", "cargo xtask it").current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = command.output().expect("the binary starts");
        (output.status.code(), said(&output.stderr))
    };
    let stages = concat!(
        r#"{"stage":"format","outcome":"passed","passed":1,"failed":0,"skipped":0,"seconds":1.5}"#,
        "\n",
        r#"{"stage":"loom","outcome":"failed","passed":3,"failed":1,"skipped":0,"seconds":2,"reason":"exit code 101"}"#,
    );
    let lines = put(&folder, "lines", stages).display().to_string();
    let who = "--subject workspace --algorithm harness";
    let done = record(&format!("test --lines {lines} {who} --began 1000000000"));
    assert_eq!(done.0, Some(0), "{done:?}");
    let [Ok(artifact)] = &reports::store::read_all(&folder.path().join("artifacts"))[..] else {
        panic!("one artifact")
    };
    assert_eq!((artifact.outcome.name(), artifact.command.as_str()), ("failed", "cargo xtask it"));
    assert_eq!((artifact.started.as_str(), artifact.cpu_s), ("2001-09-09T01:46:40Z", None));
    assert!(artifact.duration_s > 1e8, "from the beginning of the run");
    assert_eq!(artifact.findings.len(), 1);

    for (line, reason) in [
        ("test".to_owned(), "--subject is missing"),
        (format!("test {who} --began 5"), "--lines is missing"),
        (format!("test {who} --began 99999999999 --lines {lines}"), "a time that has not come"),
        (format!("test {who} --began 5 --lines /nowhere"), "/nowhere: No such file"),
        (format!("bench {who} --began 5 --criterion {lines}x"), "nothing of this run"),
        (format!("zoo {who} --began 5"), "record test, or record bench"),
    ] {
        let (code, said) = record(&line);
        assert_eq!(code, Some(2), "{line}: {said}");
        assert!(said.contains(reason), "{line}: {said}");
    }
}
