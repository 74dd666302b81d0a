//! The binary as a script sees it: exit codes, and which stream says what.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn xtask(folder: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("our own binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A workspace of its own, with what a test puts into it.
fn workspace(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    for (path, content) in [("Cargo.toml", "[workspace]\nresolver = \"3\"\n")].iter().chain(files) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a temporary folder");
        fs::write(path, content).expect("a temporary file");
    }
    root
}

#[test]
fn help_is_a_result_and_a_mistake_is_not() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let help = xtask(here, "help simulate");
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("--seeds A..B") && help.stderr.is_empty());
    for (line, hint) in [
        ("verfy", "did you mean `verify`?"),
        ("verify rafft", "did you mean `raft`?"),
        ("verify --thread 2", "did you mean `--threads`?"),
        ("simulate raft --seeds 7", "range"),
        ("test formt", "did you mean `format`?"),
        ("report --quick --full", "exclude each other"),
    ] {
        let refused = xtask(here, line);
        assert_eq!(refused.status.code(), Some(2), "{line}");
        assert!(text(&refused.stderr).contains(hint), "{line}: {}", text(&refused.stderr));
        assert!(refused.stdout.is_empty(), "{line} has no result");
    }
}

#[test]
fn outside_of_a_workspace_nothing_runs() {
    let folder = workspace("nowhere", &[]);
    fs::remove_file(folder.join("Cargo.toml")).expect("our own file");
    let refused = xtask(&folder, "doctor");
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("not inside the workspace"));
    fs::remove_dir_all(folder).expect("our own folder");
}

#[test]
fn tidy_ends_with_1_and_names_the_place() {
    let git = |folder: &Path| Command::new("git").args(["init", "--quiet"]).current_dir(folder).status();
    let folder = workspace("tidy", &[("README.md", "fine\n[gone](docs/gone.md)\n"), ("notes.txt", "")]);
    if !git(&folder).is_ok_and(|status| status.success()) {
        println!("SKIPPED tidy_ends_with_1_and_names_the_place: no git (apt-get install git)");
        return;
    }
    let found = xtask(&folder, "tidy");
    assert_eq!(found.status.code(), Some(1), "{}", text(&found.stderr));
    let lines = text(&found.stdout);
    assert!(
        lines.contains("README.md:2: link to `docs/gone.md`, but there is no `docs/gone.md` [links]"),
        "{lines}"
    );
    assert!(lines.contains("notes.txt: does not belong at the top of the tree [places]"), "{lines}");
    assert!(lines.ends_with("2 complaints\n"), "{lines}");

    let json = text(&xtask(&folder, "tidy --json").stdout);
    assert_eq!(json.lines().count(), 3, "{json}");
    assert!(
        json.lines().all(|line| line.starts_with("{\"verb\":\"tidy\",") && line.ends_with('}')),
        "{json}"
    );

    fs::remove_file(folder.join("notes.txt")).expect("our own file");
    fs::write(folder.join("README.md"), "fine\n").expect("our own file");
    let fine = xtask(&folder, "tidy");
    assert_eq!((fine.status.code(), text(&fine.stdout).as_str()), (Some(0), "tidy\n"));
    fs::remove_dir_all(folder).expect("our own folder");
}

#[test]
fn a_stage_that_cannot_pass_fails_the_run_and_the_last_line_counts_it() {
    // There is no crate of this name here, so cargo refuses; the stage after it runs all the same.
    let folder = workspace("stages", &[]);
    let run = xtask(&folder, "test loom corpus");
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    let lines = text(&run.stdout);
    assert!(lines.contains("FAILED loom") && lines.contains("FAILED corpus"), "{lines}");
    assert_eq!(lines.lines().last(), Some("0 passed, 2 failed, 0 skipped"), "{lines}");
    fs::remove_dir_all(folder).expect("our own folder");
}
