//! Findings as files: all of them, refusals, traces that were changed, and a regression test that is compiled
//! and run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use model_check::exported::{self, Told};
use model_check::forgetful::{Forgetful, ForgetfulRaft};
use model_check::instance::Check;
use model_check::raft::NO_STABLE_STORAGE;
use model_check::regression::{Held, check};
use model_check::search::{Engine, Limits};
use model_check::{Registered, registered};
use reports::artifact::Finding;
use swarm_protocol::Stream;
use swarm_raft::properties::RaftProperties;
use swarm_simulator::profile::Profile;
use swarm_simulator::scenario::{self, Scenario};

/// A folder of its own for each test, which is not there yet.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exported").join(test);
    // It may not be there.
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// What some seed of the forgetful Raft breaks, told with everything.
fn found() -> Finding {
    let campaign = registered::algorithm::<ForgetfulRaft>().campaign(Profile::CRASHES, Some(3));
    let broken = (0..200).find(|seed| {
        campaign.run(*seed).violation.is_some_and(|violation| violation.property == "election_safety")
    });
    let seed = broken.expect("some node votes twice");
    let finding = campaign.replay(seed, "again").finding.expect("it breaks the same again");
    let name = registered::algorithm::<ForgetfulRaft>().type_name();
    Finding { test: Some(exported::test("two-leaders", &name, &finding.property)), ..finding }
}

#[test]
fn a_finding_is_written_as_files_that_say_the_same() {
    let folder = folder("files");
    let finding = found();
    let files = exported::write(&folder, "two-leaders", &finding).unwrap();
    let names: Vec<_> = files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let expected =
        ["scenario", "mermaid", "shiviz", "json", "rs"].map(|ending| format!("two-leaders.{ending}"));
    assert_eq!(names, expected);
    let read = |ending: &str| fs::read_to_string(folder.join(format!("two-leaders.{ending}"))).unwrap();

    let text = read("scenario");
    let scenario = Scenario::<model_check::raft::Op>::read("two-leaders.scenario", &text).unwrap();
    let setup = scenario.setup::<ForgetfulRaft>(ForgetfulRaft::read(&scenario).unwrap());
    let played = scenario.play::<ForgetfulRaft, RaftProperties>(&setup).unwrap();
    scenario.compare(&played).unwrap();
    assert_eq!(played.violation.as_ref().map(|violation| violation.property), Some("election_safety"));

    let told = Told::read("two-leaders.json", &read("json")).unwrap();
    assert_eq!((&*told.property, told.events.len()), ("election_safety", played.trace.len()));
    let same = told.events.iter().map(|event| event.event.clone());
    assert!(same.eq(played.trace.events().map(|event| format!("{event:?}"))));
    let again = Scenario::<model_check::raft::Op>::parse("json", &told.scenario()).unwrap();
    let again = again.play::<ForgetfulRaft, RaftProperties>(&setup).unwrap();
    assert_eq!(again.violation, played.violation);

    assert!(read("mermaid").starts_with("sequenceDiagram\n"));
    let log = read("shiviz");
    assert!(log.starts_with("(?<event>") && log.contains("violates election_safety\n"), "{log}");

    // The files are there now, and are left as they are.
    let refused = exported::write(&folder, "two-leaders", &finding).unwrap_err();
    assert!(refused.ends_with("two-leaders.scenario is there already, and is left as it is"), "{refused}");
    fs::remove_file(folder.join("two-leaders.scenario")).unwrap();
    let refused = exported::write(&folder, "two-leaders", &finding).unwrap_err();
    assert!(refused.contains("two-leaders.mermaid is there already"), "{refused}");
    assert!(!folder.join("two-leaders.scenario").exists(), "all or none");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let folder = folder("refused");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    let finding = Finding { scenario: Some("nodes 1\n".to_owned()), ..Finding::new("progress", "none") };
    let refused = exported::write(&folder.join("file"), "name", &finding).unwrap_err();
    assert!(refused.contains("refused/file: "), "{refused}");
    let nothing = exported::write(&folder, "name", &Finding::new("progress", "none")).unwrap_err();
    assert_eq!(nothing, "progress has no run that could be written: no world comes to it");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing was written");
}

#[test]
fn a_trace_that_was_changed_or_cut_is_refused_with_the_place() {
    let text = found().trace.expect("a world has shown it");
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in {text}");
        Told::read("file", &text.replacen(from, to, 1)).unwrap_err()
    };
    let lines: Vec<_> = text.lines().collect();
    let events = text.matches("{\"number\"").count();
    for (refused, part) in [
        (changed("swarmproof-trace", "another"), "file:1: the format is `another`"),
        (
            changed("\"version\": 1", "\"version\": 2"),
            "file:1: version 2 of the format; this reads version 1",
        ),
        (changed("\"nodes 3\"", "\"nodes 4\""), "file:4: event 1 `"),
        (changed("\"number\":3", "\"number\":4"), "file:6: event 3 `"),
        (changed("\"kind\":\"restart\"", "\"kind\":\"crash\""), "was changed"),
        (
            changed("\"election_safety\"", "\"log_matching\""),
            &*format!("file:{}: after event {events}: ", events + 5),
        ),
        (changed("\"number\":2", "\"extra\":1,\"number\":2"), "file:5:"),
    ] {
        assert!(refused.contains(part), "{part} expected: {refused}");
    }
    // An event is gone.
    for gone in
        (0..lines.len()).filter(|line| lines[*line].starts_with("{\"number\"") && lines[*line].ends_with(','))
    {
        let rest: Vec<_> = (0..lines.len()).filter(|line| *line != gone).map(|line| lines[line]).collect();
        let refused = Told::read("file", &rest.join("\n")).unwrap_err();
        assert!(refused.starts_with(&format!("file:{}: ", gone + 1)), "{refused}");
        assert!(refused.contains("or one before it is missing"), "{refused}");
    }
    // Cut short anywhere.
    for end in 0..text.trim_end().len() {
        let Some(beginning) = text.get(..end) else { continue };
        let refused = Told::read("file", beginning).unwrap_err();
        assert!(refused.starts_with("file:") && refused.contains("EOF"), "{end}: {refused}");
    }
    assert!(Told::read("file", &text).is_ok());
}

#[test]
fn no_trace_makes_the_reader_panic() {
    let told = {
        let events = (1..4).map(|number| exported::Happened {
            number,
            kind: "restart".to_owned(),
            at: (number > 1).then(|| "n1".to_owned()),
            event: format!("restart n{number}"),
            check: String::new(),
        });
        Told::new("version 1\nnodes 3\n", events, "a_property", "seen \"so\"\nand so")
    };
    let text = told.to_json();
    assert_eq!(Told::read("file", &text), Ok(told.clone()));
    let length = text.len();
    // A byte is another, or gone, or a part of the text stands twice; or the text is any at all.
    let read = move |place: usize, byte: u8, way: u8, any: Vec<u8>| {
        let mut bytes = text.clone().into_bytes();
        let place = place % bytes.len();
        match way % 4 {
            0 => bytes[place] = byte,
            1 => drop(bytes.remove(place)),
            2 => bytes.extend_from_within(place..),
            _ => bytes = any,
        }
        match Told::read("file", &String::from_utf8_lossy(&bytes)) {
            // Spaces between words of JSON are nobody's business.
            Ok(read) => read == told,
            Err(reason) => reason.starts_with("file:"),
        }
    };
    for (place, way) in (0..length).flat_map(|place| (0..4).map(move |way| (place, way))) {
        assert!(read(place, b'x', way, Vec::new()), "{place} {way}");
    }
    for seed in 0..3_000 {
        let mut draw = Stream::new(seed, 0, 0);
        let (place, byte, way) = (draw.draw() as usize, draw.draw() as u8, draw.draw() as u8);
        let any: Vec<u8> =
            (0..draw.below(80)).map(|_| b"{}[]\":,1a e\\\n\xff"[draw.below(14) as usize]).collect();
        assert!(read(place, byte, way, any), "{seed}");
    }
}

#[test]
fn a_regression_fails_while_the_bug_is_there() {
    let finding = found();
    let text = finding.scenario.expect("a world has shown it");
    let broken = check::<ForgetfulRaft>("two-leaders.scenario", &text).unwrap_err();
    assert!(broken.starts_with("two-leaders.scenario breaks election_safety: "), "{broken}");
    // Disks that keep what they are given: who has voted does not vote again.
    let held = check::<model_check::raft::Node>("two-leaders.scenario", &text).unwrap();
    let Held::Stops(stopped) = held else { panic!("the second vote never comes") };
    assert!(stopped.contains("is not enabled"), "{stopped}");
    let script = |text: &str| scenario::configured(&format!("version 1\n{text}"), "");
    let unread =
        check::<model_check::raft::Node>("file", &script("nodes 3\nconfig colour red\n")).unwrap_err();
    assert!(unread.starts_with("file: ") && unread.contains("colour"), "{unread}");
    let whole = script("nodes 3\ntimeout n0 Election\n");
    assert_eq!(check::<model_check::raft::Node>("file", &whole), Ok(Held::Unbroken));
    let cut =
        check::<model_check::raft::Node>("file", "version 1\nnodes 3\ntimeout n0 Election\n").unwrap_err();
    assert_eq!(cut, "file:3: the file is cut short: the check at its end is missing");
}

/// Compiles the test that was written and runs it, against libraries that are built. Gives whether it passes and
/// what it says.
fn compiled_and_run(source: &Path) -> (bool, String) {
    let libraries = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    // The one that this test is linked with is among the latest: others have other features.
    let mut built: Vec<_> = fs::read_dir(&libraries)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("libmodel_check-") && path.extension().is_some_and(|kind| kind == "rlib")
        })
        .collect();
    built.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    let binary = source.with_extension("test");
    let mut said = String::from("no library is built");
    for library in built.iter().rev() {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc)
            .args(["--edition", "2024", "--test", "-o"])
            .args([&binary, source])
            .arg("-L")
            .arg(format!("dependency={}", libraries.display()))
            .arg("--extern")
            .arg(format!("model_check={}", library.display()))
            .output()
            .expect("the compiler that built this is there");
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            let output = Command::new(&binary).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            return (output.status.success(), said + &String::from_utf8_lossy(&output.stderr));
        }
    }
    panic!("{} does not compile:\n{said}", source.display());
}

#[test]
fn the_written_test_compiles_fails_on_the_bug_and_passes_without_it() {
    let folder = folder("compiled");
    exported::write(&folder, "two-leaders", &found()).unwrap();
    let source = folder.join("two-leaders.rs");
    let (passed, said) = compiled_and_run(&source);
    assert!(!passed && said.contains("two-leaders.scenario breaks election_safety"), "{said}");
    // The bug is gone: the same test of the protocol without it.
    let text = fs::read_to_string(&source).unwrap();
    let name = registered::algorithm::<ForgetfulRaft>().type_name();
    let fixed = text.replace(&name, "model_check::raft::Node");
    assert_ne!(fixed, text);
    fs::write(&source, fixed).unwrap();
    let (passed, said) = compiled_and_run(&source);
    assert!(passed && said.contains("two_leaders_breaks_nothing ... ok"), "{said}");
}

#[test]
fn what_a_search_finds_is_written_with_its_configuration() {
    let interrupt = AtomicBool::new(false);
    let limits = Limits { threads: 1, ..Limits::new(2 << 30, &interrupt) };
    let verdict = NO_STABLE_STORAGE.check(Engine::Stateright, &limits, "again", &mut |_| ()).unwrap();
    let mut finding = verdict.shown.expect("it is there to find two votes of one node");
    let folder = folder("checked");
    let other = registered::algorithm::<model_check::raft::Node>();
    let files = exported::write_checked(&folder, other, &NO_STABLE_STORAGE, &mut finding).unwrap();
    assert!(files.iter().all(|path| path.extension().is_some_and(|kind| kind != "rs")), "{files:?}");
    let registered = registered::algorithm::<ForgetfulRaft>();
    let files = exported::write_checked(&folder, registered, &NO_STABLE_STORAGE, &mut finding).unwrap();
    assert_eq!(files.len(), 5, "{files:?}");
    let name = "forgetful-raft-no-stable-storage-election_safety";
    let text = fs::read_to_string(folder.join(format!("{name}.scenario"))).unwrap();
    // Without its configuration, which asks before it stands, the run could not happen.
    assert!(text.contains("\nconfig pre-vote 0\n"), "{text}");
    let broken = check::<ForgetfulRaft>(name, &text).unwrap_err();
    assert!(broken.contains("breaks election_safety"), "{broken}");
    let told = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let told = Told::read(name, &told).unwrap();
    let again = check::<ForgetfulRaft>(name, &scenario::configured(&told.scenario(), "")).unwrap_err();
    assert_eq!(again, broken);
}

#[test]
fn the_forgetful_raft_is_what_it_says() {
    let forgetful: Option<Forgetful<model_check::raft::Node>> = None::<ForgetfulRaft>;
    assert!(forgetful.is_none() && ForgetfulRaft::NAME == "forgetful-raft");
}
