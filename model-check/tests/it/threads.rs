//! The zoo of code that threads share: catalogues apply to the sources as they are, edits become choices, weaker
//! orderings are drawn from the sources, and what a matrix makes of what hunts say.

use std::fs;
use std::path::Path;

use model_check::zoo::schemata::Sources;
use model_check::zoo::threads::catalogue::{self, Catalogue, Visible};
use model_check::zoo::threads::matrix::{self, Hunts};
use model_check::zoo::threads::workshop::{self, Catch, Engine, Quarry};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

fn read() -> (Catalogue, Sources) {
    let file = root().join("model-check/zoo/work-stealing.toml");
    let text = fs::read_to_string(&file).expect("it has a catalogue");
    assert!(catalogue::is_of_threads(&text));
    let catalogue = Catalogue::parse("work-stealing", &file, &text).unwrap_or_else(|error| panic!("{error}"));
    let sources = workshop::read(&root().join("algos/work-stealing")).expect("there are sources");
    (catalogue, sources)
}

#[test]
fn every_bug_has_a_place_in_one_of_few_copies_of_the_sources_as_they_are() {
    let (catalogue, sources) = read();
    let (copies, places) = catalogue.copies(&sources).unwrap_or_else(|error| panic!("{error}"));
    assert!(copies.len() <= 3, "{} copies are to be built", copies.len());
    for (number, place) in places.iter().enumerate() {
        let choice = format!("if crate::bug({}) {{", number + 1);
        let of_bug = copies[*place].sources.values().map(|text| text.matches(&choice).count()).sum::<usize>();
        assert_eq!(of_bug, catalogue.bugs[number].edit.len(), "{}", catalogue.bugs[number].id());
    }
}

#[test]
fn crates_of_others_are_built_as_the_workspace_has_them_built() {
    let manifest = "[profile.release]\ndebug = 1\n# Why.\n[profile.release.package.one]\nopt-level = 0\n\n# Why.\n\
        [profile.release.package.model-check]\ncodegen-units = 1\n[profile.dev.package.two]\nopt-level = 0\n";
    assert_eq!(workshop::of_others(manifest), "[profile.release.package.one]\nopt-level = 0\n");
}

#[test]
fn there_are_sixty_bugs_and_more_with_a_canary_and_ten_that_stand_for_them() {
    let (catalogue, _) = read();
    assert!(catalogue.bugs.len() > 60);
    assert_eq!(catalogue.bugs.iter().filter(|bug| bug.canary).count(), 1);
    assert_eq!(catalogue.ten.len(), 10);
    let ten = || catalogue.bugs.iter().filter(|bug| catalogue.is_of_ten(bug));
    assert!(ten().any(|bug| bug.canary), "a test that notices nothing would pass");
    assert!(ten().any(|bug| bug.visible == Visible::Weak));
}

#[test]
fn every_named_ordering_is_weakened_and_the_unnoticed_ones_are_among_them() {
    let (catalogue, sources) = read();
    let weaker = matrix::weaker(&sources);
    let all = sources["src/sync.rs"].split_once("sites! {").expect("they are listed").1;
    let named = all.lines().take_while(|line| *line != "}").filter(|line| line.ends_with(','));
    for name in named.map(|line| line.trim().trim_end_matches(',')) {
        let weakest = format!("Site::{name}, Ordering::Relaxed");
        let is_weakest = sources.values().any(|text| text.contains(&weakest));
        assert!(is_weakest || weaker.iter().any(|weaker| weaker.site == name), "{name} is weakened nowhere");
    }
    for unnoticed in &catalogue.unnoticed {
        let known = weaker
            .iter()
            .any(|weaker| weaker.site == *unnoticed.site.get_ref() && weaker.weak == unnoticed.weak);
        assert!(known, "{} {} is no ordering of the sources", unnoticed.site.get_ref(), unnoticed.weak);
    }
}

const BUG: &str = "kind = \"threads\"\n[[bug]]\nid = \"a\"\ntitle = \"t\"\nsource = \"s\"\nfeature = \"e\"\nvisible = \"sc\"\n\
                   [[bug.edit]]\nfile = \"f\"\ntext = \"TEXT\"\nwith = \"WITH\"\n";

fn parsed(text: &str) -> Catalogue {
    Catalogue::parse("some", Path::new("some.toml"), text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_broken_catalogue_is_refused_with_its_line() {
    for (text, line, part) in [
        (BUG.replace("visible = \"sc\"\n", ""), 2, "missing field `visible`"),
        (BUG.replace("\"sc\"", "\"tso\""), 7, "unknown variant `tso`"),
        (BUG.replace("threads", "processes"), 1, "says `threads`"),
        (BUG.replace("\"a\"", "\"A\""), 3, "cannot name a bug"),
        (format!("ten = [\"b\"]\n{BUG}"), 1, "there is no bug `b`"),
    ] {
        let error = Catalogue::parse("some", Path::new("some.toml"), &text).expect_err("it is refused");
        assert!(error.line == line && error.reason.contains(part), "{error}");
    }
    let sources = Sources::from([("f".to_owned(), "TEXT and TEXT".to_owned())]);
    let error = parsed(BUG).copies(&sources).expect_err("it stands there twice");
    assert!(error.line == 10 && error.reason.contains("stands 2 times"), "{error}");
}

#[test]
fn a_hunt_is_read_by_what_it_said_last() {
    let read = |said: &str, success| workshop::read_hunt(said, success, "signal: 11", 0.5);
    let found = read("hunt begun 4 lifo\nhunt found 7 lifo: twice\n", Some(true));
    assert_eq!((found.found, found.effort, &*found.shown), (true, 7, "lifo: twice"));
    let died = read("hunt begun 4 lifo\n", Some(false));
    assert_eq!((died.found, died.effort, &*died.shown), (true, 4, "lifo: signal: 11"));
    let nothing = read("hunt begun 4 lifo\nhunt nothing 6\n", Some(true));
    assert_eq!((nothing.found, nothing.effort, nothing.stopped), (false, 6, false));
    let stopped = read("hunt begun 4 lifo\n", None);
    assert_eq!((stopped.found, stopped.effort, stopped.stopped), (false, 4, true));
    assert!(read("", Some(true)).found, "a test that says nothing is not one that found nothing");
}

/// What is wrong with a bug, if these engines find it.
fn wrong(text: &str, finders: &[Engine]) -> Vec<String> {
    let hunts: Hunts = [Quarry::Bug(0), Quarry::Control(0)]
        .into_iter()
        .flat_map(|quarry| Engine::ALL.map(|engine| (quarry.clone(), engine)))
        .map(|(quarry, engine)| {
            let found = matches!(quarry, Quarry::Bug(_)) && finders.contains(&engine);
            ((quarry, engine), Catch { found, ..Catch::default() })
        })
        .collect();
    let (_, findings) = matrix::judge(&parsed(text), 0, 0, &hunts);
    findings.into_iter().map(|finding| finding.detail).collect()
}

#[test]
fn loom_must_find_all_and_shuttle_what_an_interleaving_shows() {
    let sound = [Engine::Loom, Engine::ShuttleUrw];
    assert_eq!(wrong(BUG, &sound), [""; 0]);
    assert!(wrong(BUG, &[Engine::Loom])[0].contains("no scheduler of shuttle's shows it"));
    assert!(wrong(BUG, &[Engine::ShuttleUrw])[0].contains("loom does not see it"));
    let weak = BUG.replace("\"sc\"", "\"weak\"");
    assert_eq!(wrong(&weak, &[Engine::Loom, Engine::Miri]), [""; 0]);
    assert!(wrong(&weak, &[Engine::Loom, Engine::Stateright])[0].contains("though only weak memory should"));
    assert!(wrong(&weak, &sound)[0].contains("though only weak memory should"));
    let equivalent = BUG.replace("visible", "equivalent = \"e\"\nvisible");
    assert_eq!(wrong(&equivalent, &[]), [""; 0]);
    assert!(wrong(&equivalent, &sound)[0].contains("nothing can notice it"));
    let canary = BUG.replace("visible", "canary = true\nvisible");
    assert_eq!(wrong(&canary, &Engine::ALL), [""; 0]);
    assert!(wrong(&canary, &sound).iter().any(|wrong| wrong.contains("stress does not see the canary")));
}

#[test]
fn a_control_in_which_something_is_found_is_a_finding() {
    let catch = |found| Catch { found, ..Catch::default() };
    let hunts = |found| Hunts::from([((Quarry::Control(0), Engine::Loom), catch(found))]);
    assert_eq!(matrix::judge_controls(&hunts(false)), []);
    assert_eq!(matrix::judge_controls(&hunts(true)).len(), 1);
}

#[test]
fn an_ordering_that_nobody_notices_needs_an_argument_and_one_that_is_noticed_has_none() {
    let unnoticed = "[[unnoticed]]\nsite = \"S\"\nweak = \"Relaxed\"\nbecause = \"b\"\n";
    let sources = Sources::from([("src/f.rs".to_owned(), "order(Site::S, Ordering::Acquire)".to_owned())]);
    let weaker = matrix::weaker(&sources).remove(0);
    let judged = |text: &str, found| {
        let hunts = Hunts::from([((weaker.quarry(), Engine::Loom), Catch { found, ..Catch::default() })]);
        matrix::judge_weaker(&parsed(text), &weaker, &hunts).1.len()
    };
    let argued = format!("{BUG}{unnoticed}");
    assert_eq!((judged(BUG, true), judged(&argued, false)), (0, 0));
    assert_eq!((judged(BUG, false), judged(&argued, true)), (1, 1));
}
