//! The zoo's catalogues: they apply to the sources as they are, and what is wrong with one is said with its
//! line.

use std::fs;
use std::path::Path;

use model_check::command_line::ALGORITHMS;
use model_check::zoo::catalogue::Catalogue;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

fn read(algorithm: &str) -> Catalogue {
    let file = root().join(format!("model-check/zoo/{algorithm}.toml"));
    let text = fs::read_to_string(&file).expect("every algorithm has a catalogue");
    Catalogue::parse(algorithm, &file, &text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_edit_of_every_catalogue_applies_once_to_the_sources_as_they_are() {
    for algorithm in ALGORITHMS {
        let catalogue = read(algorithm);
        for bug in &catalogue.bugs {
            for edit in &bug.edit {
                let path = root().join("algos").join(algorithm).join(&edit.file);
                let source = fs::read_to_string(&path).expect("edits name files of the crate");
                let edited = catalogue.edited(bug, &edit.file, &source);
                let edited = edited.unwrap_or_else(|error| panic!("{error}"));
                assert_ne!(edited, source, "{}: the edit changes nothing", bug.id());
            }
        }
    }
}

#[test]
fn every_algorithm_has_ten_bugs_and_a_canary() {
    for algorithm in ALGORITHMS {
        let bugs = read(algorithm).bugs;
        assert_eq!(bugs.iter().filter(|bug| bug.canary).count(), 1, "{algorithm}");
        assert!(bugs.iter().filter(|bug| !bug.canary).count() >= 10, "{algorithm}");
    }
}

const BUG: &str = "[[bug]]\nid = \"a\"\ntitle = \"t\"\nsource = \"s\"\nproperty = \"p\"\nground = \"g\"\n\
                   engine = \"walks\"\n[[bug.edit]]\nfile = \"f\"\ntext = \"old\"\nwith = \"new\"\n";

fn refused(text: &str) -> (usize, String) {
    let error = Catalogue::parse("raft", Path::new("raft.toml"), text).expect_err("it is refused");
    assert!(error.to_string().starts_with(&format!("raft.toml:{}: ", error.line)));
    (error.line, error.reason)
}

#[test]
fn a_broken_catalogue_is_refused_with_its_line() {
    let cases: [(String, usize, &str); 6] = [
        (BUG.replace("title = \"t\"", "title = 7"), 3, "expected a string"),
        (BUG.replace("source = \"s\"\n", ""), 1, "missing field `source`"),
        (BUG.replace("source", "sauce"), 4, "unknown field `sauce`"),
        (BUG.replace("\"walks\"", "\"luck\""), 7, "unknown variant `luck`"),
        (BUG.replace("id = \"a\"", "id = \"../a\""), 2, "cannot name a bug"),
        (format!("{BUG}\n{BUG}"), 14, "stands here twice"),
    ];
    for (text, line, part) in cases {
        let (at, reason) = refused(&text);
        assert!(at == line && reason.contains(part), "line {at}: {reason}");
    }
    assert!(refused("[[bug]\n").0 == 1);
    assert!(refused(&BUG.replace("\"a\"", "\"control\"")).1.contains("cannot name a bug"));
}

#[test]
fn text_that_is_not_there_exactly_once_fails_loudly() {
    let catalogue = Catalogue::parse("raft", Path::new("raft.toml"), BUG).expect("it is well-formed");
    let bug = &catalogue.bugs[0];
    assert_eq!(catalogue.edited(bug, "f", "an old one"), Ok("an new one".to_owned()));
    assert_eq!(catalogue.edited(bug, "another", "old old"), Ok("old old".to_owned()));
    for (source, count) in [("nothing", 0), ("old and old", 2)] {
        let error = catalogue.edited(bug, "f", source).expect_err("it does not apply");
        assert_eq!(error.line, 10);
        assert!(error.reason.contains(&format!("stands {count} times")), "{error}");
    }
}
