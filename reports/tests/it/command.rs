//! The command line of `report`: exit codes, and what it says where.

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
        said(&output.stdout).ends_with("index.html: 8 artifacts, 0 failed, 0 unreadable\n"),
        "{output:?}"
    );

    sample::write_trouble(folder.path()).expect("the trouble too");
    let output = report(&folder, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output.stdout).contains("\"artifacts\":10,\"failed\":1"), "{output:?}");
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
