//! Bugs as choices: where they are cut, how many copies they take, and that what is chosen is what the edits say.

use std::fs;
use std::path::Path;

use model_check::zoo::catalogue::{CONTROL, Catalogue, Edit};
use model_check::zoo::schemata::{self, Choosable, Chosen, Copy, Sources};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

fn read(algorithm: &str) -> (Catalogue, Sources) {
    let file = root().join(format!("model-check/zoo/{algorithm}.toml"));
    let text = fs::read_to_string(&file).expect("it has a catalogue");
    let catalogue = Catalogue::parse(algorithm, &file, &text).unwrap_or_else(|error| panic!("{error}"));
    let sources = schemata::read(&root().join("algos").join(algorithm), &["src"]).expect("there are sources");
    (catalogue, sources)
}

/// What is left of a file of a copy once it is known what is chosen.
fn resolved(text: &str, chosen: Chosen) -> String {
    const CHOICE: &str = "if crate::";
    let Some(start) = text.find(CHOICE) else { return text.to_owned() };
    let (before, mut rest) = text.split_at(start);
    let mut taken = None;
    while let Some((condition, branch)) = rest.strip_prefix(CHOICE).and_then(|rest| rest.split_once(" { ")) {
        let is_taken = match chosen {
            Chosen::Nothing => false,
            Chosen::Bug(number) => condition.ends_with(&format!("({number})")),
            Chosen::Companions(number) => condition == format!("companion({number})"),
        };
        let (branch, after) = block(branch);
        taken = taken.or(is_taken.then_some(branch));
        rest = after.strip_prefix(" else ").expect("there is another branch");
    }
    let (otherwise, rest) = block(rest.strip_prefix("{ ").expect("the last branch has no condition"));
    let (before, rest) = match (before.strip_suffix('('), rest.strip_prefix(')')) {
        (Some(before), Some(rest)) => (before, rest),
        _ => (before, rest),
    };
    format!("{before}{}{}", taken.unwrap_or(otherwise), resolved(rest, chosen))
}

/// What stands before the bracket that closes, and what behind it.
fn block(text: &str) -> (&str, &str) {
    let mut depth = 1;
    let closes = |c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    };
    let end = text.find(closes).expect("every bracket closes");
    (text[..end].strip_suffix('\n').expect("a branch ends its line"), &text[end + 1..])
}

#[test]
fn what_is_chosen_is_what_the_edits_of_a_bug_and_of_its_control_say() {
    ["raft", "task-sharing"].into_iter().for_each(what_is_chosen_is_what_the_edits_say);
}

fn what_is_chosen_is_what_the_edits_say(algorithm: &str) {
    let (catalogue, sources) = read(algorithm);
    let (copies, places) = catalogue.copies(&sources).unwrap_or_else(|error| panic!("{error}"));
    for (at, bug) in catalogue.bugs.iter().enumerate() {
        let Some(place) = places[at] else { continue };
        let copy = &copies[place];
        let holds = |chosen: Chosen, expected: &dyn Fn(&str, &str) -> String| {
            for (file, text) in &copy.sources {
                let expected = expected(file, &sources[file]);
                assert_eq!(resolved(text, chosen), expected, "{}, {chosen:?}, {file}", bug.id());
            }
        };
        let edited = |bug: &_, file: &str, text: &str| catalogue.edited(bug, file, text).expect("it applies");
        holds(Chosen::Nothing, &|_, text| text.to_owned());
        holds(Chosen::Bug(at + 1), &|file, text| edited(bug, file, text));
        holds(Chosen::Companions(at + 1), &|file, text| edited(&bug.without(), file, text));
        let own: Vec<&Edit> = bug.edit.iter().filter(|edit| edit.companion).collect();
        assert_eq!(own.is_empty(), bug.control() == CONTROL, "{}", bug.id());
        assert!(bug.edit.iter().all(|edit| copy.sources.contains_key(&edit.file)), "{}", bug.id());
    }
}

#[test]
fn nearly_all_bugs_are_choices_in_one_copy() {
    for algorithm in ["raft", "task-sharing"] {
        let (catalogue, sources) = read(algorithm);
        let (copies, places) = catalogue.copies(&sources).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(copies.len(), 1, "{algorithm}");
        for (place, bug) in places.iter().zip(&catalogue.bugs) {
            assert_eq!(place.is_none(), bug.apart.is_some(), "{}", bug.id());
        }
        let apart = catalogue.bugs.iter().filter(|bug| bug.apart.is_some()).count();
        assert!(10 * apart <= catalogue.bugs.len(), "{apart} bugs have copies of their own");
    }
}

/// An edit of the file `f`.
fn edit(text: &str, with: &str, companion: bool) -> Edit {
    let edit = format!("file = \"f\"\ntext = '''{text}'''\nwith = '''{with}'''\ncompanion = {companion}\n");
    toml::from_str(&edit).unwrap_or_else(|error| panic!("{error}"))
}

/// The copies of a file that hold these bugs, and where they are.
fn copies(source: &str, bugs: &[&[Edit]]) -> (Vec<Copy>, Vec<usize>) {
    let sources = Sources::from([("f".to_owned(), source.to_owned())]);
    let bugs: Vec<_> =
        bugs.iter().enumerate().map(|(at, edits)| Choosable { number: at + 1, id: "a", edits }).collect();
    schemata::copies(&bugs, &sources, |_, reason| panic!("{reason}")).expect("they apply")
}

/// The file of a copy, on one line.
fn told(copy: &Copy) -> String {
    copy.sources["f"].split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_choice_is_cut_where_an_expression_or_a_statement_ends() {
    for (text, with, expected) in [
        (
            "let x = f(1);\ng(x);",
            "let x = f(2);\ng(x);",
            "let x = (if crate::bug(1) { f(2) } else { f(1) }); g(x);",
        ),
        ("fence();\n", "", "if crate::bug(1) { } else { fence(); }"),
        ("if a && b {", "if a {", "if (if crate::bug(1) { a } else { a && b }) {"),
        ("A if a && b => f(),", "A if a => f(),", "A if (if crate::bug(1) { a } else { a && b }) => f(),"),
        ("match f(a) {", "match g(a) {", "match (if crate::bug(1) { g(a) } else { f(a) }) {"),
        ("A => f(a, b),", "A => g(a, b),", "A => (if crate::bug(1) { g(a, b) } else { f(a, b) }),"),
        ("a.f()", "{ a.g(); true }", "(if crate::bug(1) { { a.g(); true } } else { a.f() })"),
        (
            "while a {\nb();\n}",
            "b();\nwhile a {\nb();\n}",
            "if crate::bug(1) { b(); } else { }while a { b(); }",
        ),
        ("while a {\nb();\n}", "loop {}", "if crate::bug(1) { loop {} } else { while a { b(); } }"),
    ] {
        let (copies, _) = copies(text, &[&[edit(text, with, false)]]);
        assert_eq!(told(&copies[0]), expected);
    }
}

#[test]
fn bugs_at_one_place_are_a_chain_and_those_that_overlap_are_apart() {
    let one = [edit("f(a) + 1", "f(a) + 2", false)];
    let (same, places) = copies("f(a) + 1", &[&one, &[edit("f(a) + 1", "0", false)]]);
    assert_eq!(places, [0, 0]);
    let chain = "(if crate::bug(1) { f(a) + 2 } else if crate::bug(2) { 0 } else { f(a) + 1 })";
    assert_eq!(told(&same[0]), chain);
    let part = [edit("f(a)", "g(a)", false)];
    let chain = "(if crate::bug(1) { f(a) + 2 } else if crate::bug(2) { g(a) + 1 } else { f(a) + 1 })";
    let (within, places) = copies("f(a) + 1", &[&one, &part]);
    assert_eq!((told(&within[0]).as_str(), places), (chain, vec![0, 0]));
    let chain = "(if crate::bug(2) { f(a) + 2 } else if crate::bug(1) { g(a) + 1 } else { f(a) + 1 })";
    let (around, _) = copies("f(a) + 1", &[&part, &one]);
    assert_eq!(told(&around[0]), chain);
    // Neither within the other; and two edits of a bug within one of another.
    let source = "a();\nb();\nc();\n";
    let (front, back) = ([edit("a();\nb();", "", false)], [edit("b();\nc();", "", false)]);
    assert_eq!(copies(source, &[&front, &back]).1, [0, 1]);
    let ends = [edit("a();", "", false), edit("b();", "", false)];
    assert_eq!(copies(source, &[&front, &ends]).1, [0, 1]);
}

#[test]
fn what_goes_along_with_a_bug_is_chosen_with_it_and_for_its_control_and_for_no_other() {
    let bugs: [&[Edit]; 2] =
        [&[edit("a();", "b();", false), edit("c();", "", true)], &[edit("c();", "d();", true)]];
    let source = "a();\nc();\n";
    let (copies, _) = copies(source, &bugs);
    let library = copies[0].whole(&Sources::from([("src/lib.rs".to_owned(), source.to_owned())]));
    assert!(library["src/lib.rs"].contains(&format!("\"{}\"", schemata::VARIABLE)));
    for (chosen, expected) in [
        (Chosen::Nothing, source),
        (Chosen::Bug(1), "b();\n\n"),
        (Chosen::Companions(1), "a();\n\n"),
        (Chosen::Bug(2), "a();\nd();\n"),
        (Chosen::Companions(2), "a();\nd();\n"),
    ] {
        assert_eq!(resolved(&copies[0].sources["f"], chosen), expected, "{chosen:?}");
    }
}

#[test]
fn an_edit_of_which_no_choice_can_be_made_is_refused() {
    let sources = Sources::from([("f".to_owned(), "fn f() {\nlet a = 1;".to_owned())]);
    let (catalogue, _) = read("raft");
    let refused = |edits: &[Edit]| {
        let bug = Choosable { number: 1, id: "a", edits };
        let error = |place: &_, reason| catalogue.error(place, reason);
        schemata::copies(&[bug], &sources, error).expect_err("it is refused").reason
    };
    let signature = edit("fn f() {", "fn f() -> u8 {", false);
    assert_eq!(refused(&[signature]), "a: no choice can be made of that");
    assert_eq!(refused(&[edit("let b", "let c", false)]), "a: the text stands 0 times in f, not once");
    let twice = [edit("let a = 1;", "", false), edit("let a = 1;", "let a = 2;", false)];
    assert_eq!(refused(&twice), "a: its own edits overlap");
}
