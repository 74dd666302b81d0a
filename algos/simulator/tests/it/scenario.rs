//! Scenario files, walks, shrinking and pictures, on the toy register.

use std::path::PathBuf;

use swarm_protocol::{NodeId, Stream};
use swarm_simulator::scenario::{self, Scenario};
use swarm_simulator::shrink::{replay, shrink};
use swarm_simulator::walk::{Walk, Weights, steer, walk};
use swarm_simulator::world::{FlushMode, SyncMode};
use swarm_simulator::{Bounds, Event, EventClass, Setup, diagram};

use crate::toy::{Config, Flaw, OneValuePerVersion, Op, Register, setup};

fn flaw(scenario: &Scenario<Op>) -> Result<Flaw, String> {
    match scenario.config.get("flaw").map(String::as_str) {
        None => Ok(Flaw::None),
        Some("answers-at-once") => Ok(Flaw::AnswersAtOnce),
        Some(other) => Err(format!("there is no flaw `{other}`")),
    }
}

fn configure(scenario: &Scenario<Op>) -> Result<Setup<Register>, String> {
    Ok(scenario.setup(Config { nodes: scenario.nodes, flaw: flaw(scenario)? }))
}

/// What a reader of `text` gets to see: the transcript, or the error.
fn play(text: &str) -> Result<Vec<String>, String> {
    let scenario = Scenario::parse("file", text).map_err(|error| error.to_string())?;
    let setup = configure(&scenario)?;
    let played = scenario.play::<Register, OneValuePerVersion>(&setup).map_err(|error| error.to_string())?;
    Ok(played.transcript)
}

#[test]
fn scenario_files_go_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 3);
    for file in files {
        let checked = scenario::check_file::<Register, OneValuePerVersion>(&file, configure);
        assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }
}

#[test]
fn a_run_that_goes_otherwise_is_shown_as_a_difference() {
    let text = "nodes 2\nop Write(7)\ninvoke n1\n----\ninvoke n1 op0 Write(7)\n    answer op0 Busy\nok\n";
    let scenario = Scenario::<Op>::parse("file", text).unwrap();
    let played = scenario.play::<Register, OneValuePerVersion>(&configure(&scenario).unwrap()).unwrap();
    let error = scenario.compare(&played).unwrap_err();
    assert_eq!(error.line, 6);
    let lines: Vec<_> = error.reason.lines().collect();
    assert_eq!(lines[1..3], ["-     answer op0 Busy", "+     answer op0 Redirect(n0)"]);
}

#[test]
fn wrong_files_are_refused_with_line_and_reason() {
    let long = format!("nodes 2\n# {}", "x".repeat(scenario::LINE_BYTES_MAX));
    let many = format!("nodes 2\n{}", "flush n0\n".repeat(scenario::EVENTS_MAX + 1));
    let ops = format!("nodes 2\n{}", "op Read\n".repeat(scenario::OPS_MAX + 1));
    for (text, line, reason) in [
        ("", 1, "`nodes N` is missing"),
        ("nodes 0", 1, "0 is not between 1 and 64"),
        ("nodes 99999999999", 1, "is not a number"),
        ("nodes 2\nnodes 1", 2, "set twice"),
        ("nodes 2\ntwin n2", 2, "n2 is not one of the 2 nodes"),
        ("nodes 2\ntwin n1\ntwin n1", 3, "twin already"),
        ("nodes 2\ntwin one", 2, "`one` is not a node"),
        ("nodes 2\nop Wri(7)", 2, "`Wri(7)` is neither Read nor Write"),
        ("nodes 2\nin-flight 1001", 2, "1001 messages in flight are more than 1000"),
        ("nodes 2\nsyncing sometimes", 2, "`sometimes` is none of eager, whole, prefix, blocking"),
        ("nodes 2\nconfig a 1\nconfig a 2", 3, "set twice"),
        ("nodes 2\nexplode n0", 2, "neither a setting nor an event"),
        ("nodes 2\ntimeout n0\nnodes 2", 3, "the header ends where events begin"),
        ("nodes 2\ntimeout n0", 2, "`timeout n0` is not enabled; these 0 events are:"),
        (
            "nodes 2\nop Read\n\ninvoke",
            4,
            "`invoke` may mean 2 events:\n    invoke n0 op0 Read\n    invoke n1",
        ),
        ("nodes 2\nop Read\ninvoke n2", 3, "`invoke n2` is not enabled; these 2 events are:\n    invoke n0"),
        (&long, 2, "more than 16384 bytes"),
        (&many, scenario::EVENTS_MAX + 2, "more than 10000 events"),
        (&ops, scenario::OPS_MAX + 2, "more than 256 operations"),
    ] {
        let error = play(text).unwrap_err();
        assert!(error.starts_with(&format!("file:{line}: ")) && error.contains(reason), "{error}");
    }
}

/// A finished file whose every line matters.
fn finished() -> String {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/answer-before-durable.scenario");
    std::fs::read_to_string(path).unwrap()
}

/// Where and why a finished file is refused.
fn refused(text: &str) -> scenario::ScenarioError {
    Scenario::<Op>::read("file", text).map(|_| panic!("it is read:\n{text}")).unwrap_err()
}

#[test]
fn another_version_is_refused_before_anything_else_of_the_file() {
    let text = finished();
    for version in ["2", "0", "one", "1.0", "99999999999999999999"] {
        let other = format!("explode everything\nversion {version}\n{}", text.replacen("version 1", "", 1));
        for read in [Scenario::<Op>::read("file", &other), Scenario::parse("file", &other)] {
            let error = read.unwrap_err().to_string();
            let expected = format!(
                "file:2: version `{version}` of scenario files; this reads version {}",
                scenario::VERSION
            );
            assert_eq!(error, expected);
        }
    }
    let none = refused(&text.replacen("version 1\n", "", 1));
    assert_eq!((none.line, none.reason.contains("`version 1` is missing")), (1, true), "{none}");
    let twice = refused(&text.replacen("version 1\n", "version 1\nversion 1\n", 1));
    assert!(twice.reason.contains("said twice"), "{twice}");
}

#[test]
fn a_finished_file_that_was_cut_short_or_changed_is_refused_with_a_line() {
    let text = finished();
    assert!(Scenario::<Op>::read("file", &text).is_ok());
    let lines: Vec<&str> = text.lines().collect();
    let with = |change: &dyn Fn(usize, &str) -> Vec<String>| -> String {
        let changed = lines.iter().enumerate().flat_map(|(place, line)| change(place, line));
        changed.flat_map(|line| [line, "\n".to_owned()]).collect()
    };
    for end in 0..text.trim_end().len() {
        let Some(beginning) = text.get(..end) else { continue };
        let error = refused(beginning);
        assert!((1..=beginning.lines().count().max(1)).contains(&error.line), "{end}: {error}");
    }
    for (place, line) in lines.iter().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let without = with(&|other, line| if other == place { Vec::new() } else { vec![line.to_owned()] });
        assert!(refused(&without).line >= 1, "without `{line}`");
        let twice = with(&|other, line| vec![line.to_owned(); if other == place { 2 } else { 1 }]);
        assert!(refused(&twice).line > place, "`{line}` twice");
        // Another number: another node, operation or record.
        let digit = |c: char| if c == '9' { '8' } else { '9' };
        if let Some(at) = line.rfind(|c: char| c.is_ascii_digit()) {
            let other: String =
                line.char_indices().map(|(i, c)| if i == at { digit(c) } else { c }).collect();
            let changed =
                with(&|number, line| vec![if number == place { other.clone() } else { line.to_owned() }]);
            assert!(refused(&changed).line >= 1, "{other}");
        }
    }
    // An event that was changed is named, and so is what it was.
    let place = lines.iter().position(|line| line.starts_with("crash n0")).unwrap();
    let changed =
        with(&|other, line| vec![if other == place { "crash n1 0".to_owned() } else { line.to_owned() }]);
    let error = refused(&changed);
    assert!(error.reason.contains("`crash n1 0` for what is told as `crash n0"), "{error}");
    assert_eq!(changed.lines().nth(error.line - 1).map(|line| line.starts_with("crash n0")), Some(true));
    // Comments may come and go.
    let commented = with(&|place, line| {
        let comment = (place == 1).then(|| "# Said later.".to_owned());
        comment.into_iter().chain([line.to_owned()]).collect()
    });
    assert!(Scenario::<Op>::read("file", &commented).is_ok());
    let more = refused(&format!("{text}more\n"));
    assert!(more.reason.contains("behind the check"), "{more}");
}

#[test]
fn a_script_without_a_transcript_is_finished_by_its_check() {
    let script = "version 1\nnodes 2\nop Write(7)\ninvoke n0\n";
    let text = scenario::configured(script, "");
    assert_eq!(text, scenario::configured(&text, ""), "finished once, finished for good");
    let read = Scenario::<Op>::read("file", &text).unwrap();
    let played = read.play::<Register, OneValuePerVersion>(&configure(&read).unwrap()).unwrap();
    assert_eq!(played.trace.len(), 1);
    assert!(refused(script).reason.contains("cut short"));
    let check = text.lines().last().unwrap();
    let changed = text.replacen("Write(7)", "Write(8)", 1);
    let error = refused(&changed);
    assert_eq!(error.line, 5);
    assert!(
        error.reason.contains("the lines above were changed") && !error.reason.contains(check),
        "{error}"
    );
}

#[test]
fn no_finished_file_makes_the_reader_panic() {
    // A byte of a finished file is another, or gone, or a part of the file stands twice.
    fn check(place: usize, byte: u8, way: u8) -> bool {
        let text = finished();
        let place = place % text.len();
        let mut bytes = text.clone().into_bytes();
        match way % 3 {
            0 => bytes[place] = byte,
            1 => drop(bytes.remove(place)),
            _ => bytes.extend_from_within(place..),
        }
        let changed = String::from_utf8_lossy(&bytes).into_owned();
        let said = |text: &str| -> Vec<String> {
            let lines = text.lines().map(str::trim_end);
            lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
        };
        match Scenario::<Op>::read("file", &changed) {
            // Comments and spaces at the ends of lines are nobody's business.
            Ok(_) => said(&changed) == said(&text),
            Err(error) => error.line >= 1 && !error.reason.is_empty(),
        }
    }
    quickcheck::QuickCheck::new().tests(3_000).quickcheck(check as fn(usize, u8, u8) -> bool);
}

#[test]
fn no_text_makes_the_reader_panic() {
    const WORDS: [&str; 28] = [
        "version 1",
        "version 2",
        "check 00",
        "check ",
        "nodes 2",
        "twin n1",
        "op Read",
        "op Write(1)",
        "crashes 1",
        "syncing prefix",
        "config a b",
        "\n",
        "\n",
        "\n",
        "invoke n0",
        "deliver n0",
        "crash n0 0",
        "restart n0",
        "sync n0 1",
        "timeout n0 Resend",
        "@12us ",
        "@ ",
        "----",
        "#",
        " ",
        "choose 0",
        "é",
        "in-flight 1",
    ];
    fn check(bytes: Vec<u8>) -> bool {
        let text: String = bytes.iter().flat_map(|byte| [WORDS[usize::from(byte % 28)], "\n"]).collect();
        let glued: String = bytes.iter().map(|byte| WORDS[usize::from(byte % 28)]).collect();
        let anything = String::from_utf8_lossy(&bytes).into_owned();
        [format!("nodes 2\n{text}"), text, glued, anything].iter().all(|text| {
            let finished = Scenario::<Op>::read("file", text).map_or_else(|error| error.line >= 1, |_| true);
            finished && play(text).map_or_else(|error| !error.is_empty(), |lines| !lines.is_empty())
        })
    }
    quickcheck::QuickCheck::new().tests(2_000).quickcheck(check as fn(Vec<u8>) -> bool);
}

fn crashing(flaw: Flaw) -> Setup<Register> {
    let bounds = Bounds { crashes: 1, drops: 1, sync: SyncMode::Prefix, ..Bounds::default() };
    setup(3, flaw, &[Op::Write(1), Op::Read, Op::Write(2)]).bounds(bounds)
}

fn random(setup: &Setup<Register>, seed: u64) -> Walk<Register> {
    let mut weights = Stream::new(seed, 1, 0);
    let weights = Weights::swarm(&mut weights);
    walk::<Register, OneValuePerVersion>(setup, Stream::new(seed, 0, 0), weights, 80)
}

#[test]
fn a_found_violation_is_shrunk_printed_and_played_again() {
    let setup = crashing(Flaw::AnswersAtOnce);
    let bounds = Bounds { crashes: 5, ..setup.bounds };
    let setup = setup.bounds(bounds);
    // Events without effect do not make a run long.
    let effective =
        |walk: &Walk<Register>| replay::<Register, OneValuePerVersion>(&setup, walk.trace.events()).1.len();
    let long = |walk: &Walk<Register>| walk.violation.is_some() && effective(walk) >= 10;
    let found = (0..2000).map(|seed| random(&setup, seed)).find(long).unwrap();
    let property = found.violation.unwrap().property;
    let events: Vec<_> = found.trace.events().cloned().collect();
    let shrunk = shrink::<Register, OneValuePerVersion>(&setup, &events, property).unwrap();
    assert_eq!((property, shrunk.len()), ("linearizability", 4), "{shrunk:?}");

    // Another property is not what was asked for.
    assert_eq!(shrink::<Register, OneValuePerVersion>(&setup, &events, "panic"), None);
    // Locally minimal: no single event can be spared.
    for spared in 0..shrunk.len() {
        let rest = shrunk.iter().enumerate().filter(|(i, _)| *i != spared).map(|(_, event)| event);
        let (world, _) = replay::<Register, OneValuePerVersion>(&setup, rest);
        assert_eq!(world.violation(), None, "{:?} can be spared", shrunk[spared]);
    }

    let text =
        scenario::write::<Register, OneValuePerVersion>(&setup, &shrunk, "A lost write.\nFound by a walk.");
    let text = scenario::configured(&text, "config flaw answers-at-once\n");
    assert!(
        text.starts_with(
            "# A lost write.\n# Found by a walk.\nversion 1\nconfig flaw answers-at-once\nnodes 3\n"
        ),
        "{text}"
    );
    let read = Scenario::<Op>::read("file", &text).unwrap();
    let played = read.play::<Register, OneValuePerVersion>(&configure(&read).unwrap()).unwrap();
    read.compare(&played).unwrap();
    assert!(played.trace.events().eq(shrunk.iter()));
    assert_eq!(played.violation.as_ref().map(|violation| violation.property), Some("linearizability"));

    let picture = diagram::mermaid(&played.trace, played.violation.as_ref());
    assert_eq!(picture.lines().count(), 8, "{picture}");
    assert!(picture.contains("client->>n0: op0 Write(1)") && picture.ends_with("violates linearizability\n"));
    let table = diagram::table(&played.trace, played.violation.as_ref());
    assert!(table.starts_with("    1  n0    invoke n0 op0 Write(1)\n"), "{table}");
}

#[test]
fn shrinking_a_run_that_breaks_nothing_gives_nothing() {
    let setup = crashing(Flaw::None);
    let events: Vec<_> = random(&setup, 1).trace.events().cloned().collect();
    assert_eq!(shrink::<Register, OneValuePerVersion>(&setup, &events, "linearizability"), None);
}

#[test]
fn the_correct_register_survives_walks_that_reach_what_matters() {
    let bounds =
        Bounds { duplicates: 2, disk_failures: 1, flush: FlushMode::Deferred, ..crashing(Flaw::None).bounds };
    let setup = crashing(Flaw::None).twin(NodeId(2)).bounds(bounds);
    let mut classes = [0; EventClass::ALL.len()];
    let mut marks = std::collections::BTreeSet::new();
    for seed in 0..300 {
        let walk = random(&setup, seed);
        assert_eq!(walk.violation, None, "seed {seed}\n{}", walk.trace);
        assert_eq!(walk.classes.iter().sum::<u64>(), walk.trace.len() as u64);
        classes.iter_mut().zip(walk.classes).for_each(|(all, here)| *all += here);
        marks.extend(walk.marks.into_keys());
    }
    let missing: Vec<_> = EventClass::ALL.iter().filter(|class| classes[**class as usize] == 0).collect();
    assert_eq!(missing, [&EventClass::Advance], "the register looks at no clock");
    assert!(marks.into_iter().eq(["copied-everywhere", "primary-recovers"]));
}

#[test]
fn a_walk_is_the_same_every_time_and_its_trace_replays_to_the_same_end() {
    let setup = crashing(Flaw::None);
    for seed in 0..50 {
        let (once, again) = (random(&setup, seed), random(&setup, seed));
        assert_eq!(once.trace, again.trace);
        let (world, _) = replay::<Register, OneValuePerVersion>(&setup, once.trace.events());
        let (other, _) = replay::<Register, OneValuePerVersion>(&setup, again.trace.events());
        assert_eq!(world, other);
    }
}

#[test]
fn every_byte_string_is_a_run_of_one_event_for_each_pair() {
    fn check(bytes: Vec<u8>) -> bool {
        let setup = crashing(Flaw::None);
        let walk = steer::<Register, OneValuePerVersion>(&setup, &bytes);
        let (_, events) = replay::<Register, OneValuePerVersion>(&setup, walk.trace.events());
        walk.violation.is_none() && walk.trace.len() <= bytes.len() / 2 && events.len() <= walk.trace.len()
    }
    quickcheck::quickcheck(check as fn(Vec<u8>) -> bool);
    // Deliver, invoke and crash are what is enabled after the write became durable.
    let setup = crashing(Flaw::None);
    let walk = steer::<Register, OneValuePerVersion>(&setup, &[0, 0, 2, 0, 0, 1]);
    let lines: Vec<_> = walk.trace.events().map(|event| format!("{event:?}")).collect();
    assert_eq!(lines, ["invoke n0 op0 Write(1)", "sync n0 1", "deliver n0 n2 Copy(1@1)"]);
}

#[test]
fn events_compare_by_what_they_say() {
    let flush = |slot| Event::<Register>::Flush { at: swarm_simulator::Slot(slot) };
    assert!(
        flush(0) == flush(0)
            && flush(0) < flush(1)
            && flush(0) != Event::DiskFail { at: swarm_simulator::Slot(0) }
    );
}
