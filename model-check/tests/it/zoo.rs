//! The zoo: catalogues apply to the sources as they are, stories can be played, and what is wrong with either is
//! said with its line. Then what a round makes of what hunters say, and of being stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use model_check::zoo::catalogue::{Bug, CONTROL, Catalogue};
use model_check::zoo::ground::Ground;
use model_check::zoo::hunt::{Catch, Engine, Near, Scope, Trial, UNBROKEN};
use model_check::zoo::round::{self, Hunters};
use reports::artifact::{self, Finding};
use reports::command_line::ALGORITHMS;
use swarm_raft::Config;
use swarm_raft::properties::RaftProperties;
use swarm_simulator::sampler::Sampler;
use swarm_simulator::simulation::Simulation;
use swarm_simulator::{Bounds, Setup};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// The algorithms that have a zoo.
fn with_zoos() -> impl Iterator<Item = &'static str> {
    let zoos: Vec<_> = ALGORITHMS.into_iter().filter(|algorithm| file(algorithm).is_file()).collect();
    assert!(zoos.contains(&"raft"));
    zoos.into_iter()
}

fn file(algorithm: &str) -> PathBuf {
    root().join(format!("model-check/zoo/{algorithm}.toml"))
}

fn read(algorithm: &str) -> Catalogue {
    let file = file(algorithm);
    let text = fs::read_to_string(&file).expect("it has a catalogue");
    Catalogue::parse(algorithm, &file, &text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_edit_of_every_catalogue_applies_once_to_the_sources_as_they_are() {
    for algorithm in with_zoos() {
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
    for algorithm in with_zoos() {
        let bugs = read(algorithm).bugs;
        assert_eq!(bugs.iter().filter(|bug| bug.canary).count(), 1, "{algorithm}");
        assert!(bugs.iter().filter(|bug| !bug.canary).count() >= 10, "{algorithm}");
    }
}

#[test]
fn ten_bugs_stand_for_all_of_every_engine_and_every_feature() {
    for algorithm in with_zoos() {
        let catalogue = read(algorithm);
        assert_eq!(catalogue.ten.len(), 10, "{algorithm}");
        let ten = || catalogue.bugs.iter().filter(|bug| catalogue.is_of_ten(bug));
        assert!(ten().any(|bug| bug.canary), "{algorithm}: a test that notices nothing would pass");
        for bug in &catalogue.bugs {
            // The canary is for every engine to find, and says little of any.
            let alike = |other: &Bug| other.engine == bug.engine && (bug.canary || !other.canary);
            assert!(ten().any(alike), "{algorithm}: none is for {:?} to find", bug.engine);
            let of_feature = |other: &Bug| other.feature == bug.feature;
            assert!(ten().any(of_feature), "{algorithm}: none is of {}", bug.feature);
        }
    }
}

const BUG: &str = "[[bug]]\nid = \"a\"\ntitle = \"t\"\nsource = \"s\"\nfeature = \"e\"\nproperty = \"p\"\nground = \"g\"\n\
                   engine = \"walks\"\n[[bug.edit]]\nfile = \"f\"\ntext = \"old\"\nwith = \"new\"\n";

fn refused(text: &str) -> (usize, String) {
    let error = Catalogue::parse("raft", Path::new("raft.toml"), text).expect_err("it is refused");
    assert!(error.to_string().starts_with(&format!("raft.toml:{}: ", error.line)));
    (error.line, error.reason)
}

#[test]
fn a_broken_catalogue_is_refused_with_its_line() {
    let cases: [(String, usize, &str); 9] = [
        (BUG.replace("title = \"t\"", "title = 7"), 3, "expected a string"),
        (BUG.replace("source = \"s\"\n", ""), 1, "missing field `source`"),
        (BUG.replace("source", "sauce"), 4, "unknown field `sauce`"),
        (BUG.replace("feature = \"e\"\n", ""), 1, "missing field `feature`"),
        (format!("ten = [\n\"a\",\n\"b\"]\n{BUG}"), 3, "there is no bug `b`"),
        (format!("ten = [\n\"a\",\n\"a\"]\n{BUG}"), 3, "`a` stands for all twice"),
        (BUG.replace("\"walks\"", "\"luck\""), 8, "unknown variant `luck`"),
        (BUG.replace("id = \"a\"", "id = \"../a\""), 2, "cannot name a bug"),
        (format!("{BUG}\n{BUG}"), 15, "stands here twice"),
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
        assert_eq!(error.line, 11);
        assert!(error.reason.contains(&format!("stands {count} times")), "{error}");
    }
}

#[test]
fn several_edits_need_a_note_which_is_told() {
    let edit = &BUG[BUG.find("[[bug.edit]]").expect("it edits something")..];
    assert!(refused(&format!("{BUG}{edit}")).1.contains("no note says what else they change"));
    let noted = BUG.replace("title = \"t\"\n", "title = \"t\"\nnote = \"and more\"\n");
    let catalogue = Catalogue::parse("raft", Path::new("raft.toml"), &format!("{noted}{edit}"));
    assert_eq!(catalogue.expect("it is well-formed").bugs[0].told(), "t. and more");
}

#[test]
fn a_hard_bug_needs_a_scenario_and_a_bug_something_that_finds_it() {
    let hard = BUG.replace("ground", "hard = true\nground");
    assert!(refused(&hard).1.contains("no scenario shows it"));
    assert!(refused(&BUG.replace("engine = \"walks\"\n", "")).1.contains("no engine that finds it"));
    let scenario = hard.replace("hard", "scenario = \"it\"\nhard");
    assert!(Catalogue::parse("raft", Path::new("raft.toml"), &scenario).is_ok());
    for bug in read("raft").bugs {
        let Some(file) = bug.scenario else { continue };
        assert!(root().join("model-check/zoo").join(&file).is_file(), "{file}");
    }
}

#[test]
fn what_is_no_part_of_a_bug_is_in_its_control() {
    let companion = "[[bug.edit]]\nfile = \"g\"\ntext = \"here\"\nwith = \"there\"\ncompanion = true\n";
    let noted = BUG.replace("title = \"t\"\n", "title = \"t\"\nnote = \"and more\"\n");
    let catalogue = Catalogue::parse("raft", Path::new("raft.toml"), &format!("{noted}{companion}"));
    let catalogue = catalogue.expect("it is well-formed");
    let bug = &catalogue.bugs[0];
    assert_eq!(bug.control(), "a-control");
    let without = bug.without();
    assert_eq!(catalogue.edited(&without, "f", "an old one").as_deref(), Ok("an old one"));
    assert_eq!(catalogue.edited(&without, "g", "from here").as_deref(), Ok("from there"));
    assert_eq!(catalogue.edited(bug, "f", "an old one").as_deref(), Ok("an new one"));
    let alone = BUG.replace("with = \"new\"", "with = \"new\"\ncompanion = true");
    assert!(refused(&alone).1.contains("edits nothing"), "a bug is more than its companions");
    assert!(refused(&BUG.replace("\"a\"", "\"a-control\"")).1.contains("cannot name a bug"));
    let plain = Catalogue::parse("raft", Path::new("raft.toml"), BUG).expect("it is well-formed");
    assert_eq!(plain.bugs[0].control(), CONTROL);
}

#[test]
fn every_ground_of_the_catalogue_has_a_story_that_plays_to_its_end_in_the_code_as_it_is() {
    for (algorithm, hunter) in
        [("raft", env!("CARGO_BIN_EXE_hunt-raft")), ("task-sharing", env!("CARGO_BIN_EXE_hunt-task-sharing"))]
    {
        let output = Command::new(hunter).arg("--stories").output().expect("it is built");
        let said = String::from_utf8(output.stdout).expect("it prints text");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let stories: BTreeMap<&str, usize> = said
            .lines()
            .filter_map(|line| {
                line.split_once(' ').map(|(ground, events)| (ground, events.parse().unwrap_or(0)))
            })
            .collect();
        for bug in read(algorithm).bugs {
            assert!(stories.contains_key(&*bug.ground), "{}: {stories:?}", bug.id());
        }
        if algorithm == "raft" {
            // All of Raft Fig. 8 up to (b), and not as much of it as happens to be possible.
            assert_eq!(stories["figure-8"], 18);
        }
    }
}

type Node = model_check::raft::Node;

fn ground(story: &'static str) -> Ground<Node, RaftProperties> {
    let setup = || {
        let config = Config { pre_vote: false, ..Config::new(3) };
        Setup::new(config, 3).bounds(Bounds { crashes: 1, ..Bounds::default() })
    };
    Ground {
        name: "here",
        setup,
        narrow: setup,
        story,
        walk_events: 1,
        simulation: || Simulation::new(Config::new(3), 3, |_| unreachable!("nothing is simulated")),
    }
}

#[test]
fn a_story_that_cannot_be_played_is_refused_with_its_line() {
    let told = |story| ground(story).story(&(ground(story).setup)());
    assert_eq!(told("timeout n0\ndeliver n0 n1 RequestVote(t1").map(|events| events.len()), Ok(2));
    assert_eq!(told("").map(|events| events.len()), Ok(0));
    for (story, reason) in [
        ("timeout n0 Election\ndeliver n0 n1 Vote", "ground here stops at its line 2: `deliver n0 n1 Vote`"),
        ("timeout n0 Election\ntimeout n", "ground here stops at its line 2: `timeout n` may mean"),
        ("timeout n7 Election", "ground here stops at its line 1: `timeout n7 Election` is not enabled"),
        ("hope n0", "ground here stops at its line 1: `hope`"),
    ] {
        let refused = told(story).expect_err(story);
        assert!(refused.contains(reason), "{refused}");
    }
}

/// Hunters that say what they are told to.
struct Told {
    caught: fn(&str, Engine) -> Catch,
    plays: fn(&str) -> &str,
    /// Set by the hunt of this number.
    stop: (usize, AtomicBool),
    begun: AtomicUsize,
    /// A scenario written for every bug.
    directed: Option<&'static str>,
}

impl Told {
    fn new(caught: fn(&str, Engine) -> Catch) -> Self {
        let plays = |copy: &str| if copy == CONTROL { UNBROKEN } else { "p" };
        Told {
            caught,
            plays,
            stop: (usize::MAX, AtomicBool::new(false)),
            begun: AtomicUsize::new(0),
            directed: None,
        }
    }

    fn round(&self, bugs: &[&Bug]) -> Vec<(artifact::Bug, Vec<Finding>)> {
        let scoped: Vec<_> = bugs.iter().map(|bug| (*bug, Scope::Samplers)).collect();
        let hunts = round::hunts(self, &scoped, 1, &self.stop.1, |_, _| ());
        bugs.iter().filter_map(|bug| round::judge(self, bug, &hunts, self.directed, "again")).collect()
    }

    /// What is wrong with the one bug of this catalogue.
    fn wrong(&self, catalogue: &str) -> Vec<String> {
        let catalogue =
            Catalogue::parse("raft", Path::new("raft.toml"), catalogue).expect("it is well-formed");
        let judged = self.round(&[&catalogue.bugs[0]]);
        judged.into_iter().flat_map(|(_, findings)| findings).map(|finding| finding.detail).collect()
    }
}

impl Hunters for Told {
    fn hunt(&self, copy: &str, _ground: &str, _scope: Scope<'_>) -> Result<Vec<Catch>, String> {
        if self.begun.fetch_add(1, Ordering::Relaxed) == self.stop.0 {
            self.stop.1.store(true, Ordering::Relaxed);
            return Err("stopped".to_owned());
        }
        match copy {
            "lost" => Err("it stops at its line 3".to_owned()),
            _ => Ok(Engine::ALL.map(|engine| (self.caught)(copy, engine)).to_vec()),
        }
    }

    fn play(&self, copy: &str, _of: &str, _engine: &str, _scenario: &str) -> Result<String, String> {
        Ok((self.plays)(copy).to_owned())
    }
}

fn nothing(engine: Engine) -> Catch {
    let trials = vec![Trial { found: false, effort: 9, cpu_s: 0.5 }; 3];
    Catch::nothing(engine, trials)
}

fn seen(engine: Engine, property: &str, events: usize) -> Catch {
    let trials = vec![Trial { found: true, effort: 5, cpu_s: 0.1 }; 3];
    let scenario = Some(format!("# c\n{}----\nok\n", "timeout n0\n".repeat(events)));
    let finding = Some(Finding { scenario, ..Finding::new(property, "seen") });
    let property = Some(property.to_owned());
    Catch { property, finding, length: Some(events as u32), ..Catch::nothing(engine, trials) }
}

/// The walks find the bug in eight events, the fuzzer in five; the control is clean.
fn usual(copy: &str, engine: Engine) -> Catch {
    match (copy, engine) {
        (CONTROL, _) | (_, Engine::Checker | Engine::Simulator) => nothing(engine),
        (_, Engine::Walks) => seen(engine, "p", 8),
        (_, Engine::Fuzzer) => seen(engine, "p", 5),
    }
}

#[test]
fn a_bug_that_is_found_has_its_shortest_execution_told_with_what_becomes_of_it_in_the_control() {
    let catalogue = Catalogue::parse("raft", Path::new("raft.toml"), BUG).expect("it is well-formed");
    let judged = Told::new(usual).round(&[&catalogue.bugs[0]]);
    let [(record, findings)] = &judged[..] else { panic!("{judged:?}") };
    assert_eq!(findings, &[]);
    assert!(record.found());
    let found: Vec<_> =
        record.detections.iter().map(|detection| (detection.found, detection.effort)).collect();
    assert_eq!(found, [(false, 9), (true, 5), (true, 5), (false, 9)]);
    let shown = record.counterexample.as_ref().expect("it was seen");
    assert_eq!(shown.scenario.as_ref().map(|scenario| scenario.matches("timeout").count()), Some(5));
    assert_eq!(shown.detail, "seen; without the edit the same events break nothing");
    assert_eq!(shown.replay.as_deref(), Some("again"));
}

#[test]
fn whatever_is_wrong_with_a_bug_is_a_finding() {
    let wrong = |hunters: Told| hunters.wrong(BUG);
    assert_eq!(wrong(Told::new(|_, engine| nothing(engine))), ["a: no engine has found it"]);
    let both =
        Told::new(|copy, engine| if copy == CONTROL { seen(engine, "p", 3) } else { usual(copy, engine) });
    assert!(wrong(both).contains(&"a: the control is broken, too: checker saw p".to_owned()));
    let other =
        Told::new(|copy, engine| if copy == CONTROL { nothing(engine) } else { seen(engine, "q", 3) });
    assert!(wrong(other).contains(&"a: walks saw q broken, which is not this bug's to break".to_owned()));
    let stale = Told { plays: |_| UNBROKEN, ..Told::new(usual) };
    assert_eq!(wrong(stale)[0], "a: the scenario of the walks plays to `ok` in a");
    let anyway = Told { plays: |_| "p", ..Told::new(usual) };
    assert_eq!(anyway.wrong(BUG)[0], "a: the scenario of the walks breaks p in the control, too");
    // Of a bug of clocks the simulator alone may show what the control's clocks could not have done.
    let timed = BUG.replace("ground", "timed = true\nground");
    assert_eq!(anyway.wrong(&timed)[0], "a: the scenario of the walks breaks p in the control, too");
    let simulated = |copy: &str, engine| match engine {
        Engine::Simulator if copy != CONTROL => seen(engine, "p", 4),
        _ => nothing(engine),
    };
    let anyway = Told { plays: |_| "p", ..Told::new(simulated) };
    assert_eq!(anyway.wrong(BUG)[0], "a: the scenario of the simulator breaks p in the control, too");
    assert_eq!(anyway.wrong(&timed), [""; 0]);
    let canary = BUG.replace("ground", "canary = true\nground");
    assert_eq!(Told::new(usual).wrong(&canary)[0], "a: the checker does not see the canary");
    let lost = BUG.replace("id = \"a\"", "id = \"lost\"");
    assert_eq!(Told::new(usual).wrong(&lost), ["lost: the hunt in lost failed: it stops at its line 3"]);
}

#[test]
fn a_round_that_is_stopped_speaks_of_the_bugs_whose_hunts_are_over() {
    let text: String =
        ["a", "b", "c"].map(|id| BUG.replace("id = \"a\"", &format!("id = \"{id}\""))).concat();
    let catalogue = Catalogue::parse("raft", Path::new("raft.toml"), &text).expect("it is well-formed");
    let bugs: Vec<&Bug> = catalogue.bugs.iter().collect();
    // The control, a, b, c: one after the other.
    for (stopped, whole) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3)] {
        let hunters = Told { stop: (stopped, AtomicBool::new(false)), ..Told::new(usual) };
        let judged = hunters.round(&bugs);
        assert_eq!(judged.len(), whole);
        assert!(judged.iter().all(|(record, findings)| record.found() && findings.is_empty()), "{judged:?}");
    }
}

#[test]
fn a_scenario_written_by_hand_must_break_the_bug_and_nothing_else() {
    let scenario = "# about\nnodes 3\nconfig pre_vote off\ntimeout n0\ndeliver n0 n1\n";
    let bug = BUG.replace("engine = \"walks\"", "scenario = \"s\"");
    let wrong = |plays| {
        let none = |_: &str, engine| nothing(engine);
        Told { plays, directed: Some(scenario), ..Told::new(none) }.wrong(&bug)
    };
    assert_eq!(wrong(|copy| if copy == CONTROL { UNBROKEN } else { "p" }), [""; 0]);
    assert_eq!(wrong(|_| UNBROKEN)[0], "a: the scenario written for it plays to `ok` in a");
    assert_eq!(wrong(|_| "p")[0], "a: the scenario written for it breaks p in the control, too");
    let catalogue = Catalogue::parse("raft", Path::new("raft.toml"), &bug).expect("it is well-formed");
    let hunters = Told { directed: Some(scenario), ..Told::new(|_, engine| nothing(engine)) };
    let (record, _) = hunters.round(&[&catalogue.bugs[0]]).remove(0);
    let shown = record.detections.last().expect("it was played");
    assert_eq!((&*shown.engine, shown.found, shown.effort), (round::DIRECTED, true, 2));
    assert!(record.found() && record.counterexample.is_some());
}

/// Trials of which each took so much, or spent its budget of 9 in vain.
fn trials(efforts: &[Option<u64>]) -> Vec<Trial> {
    let trial =
        |effort: &Option<u64>| Trial { found: effort.is_some(), effort: effort.unwrap_or(9), cpu_s: 0.5 };
    efforts.iter().map(trial).collect()
}

/// Walks under three samplers, of which one may find something; the one that learns does.
fn in_vain(engine: Engine, found: Option<u64>) -> Catch {
    let samplers = vec![
        ("cuts".to_owned(), trials(&[None, found])),
        ("uniform".to_owned(), trials(&[None; 2])),
        ("guided".to_owned(), trials(&[Some(1); 2])),
    ];
    Catch { samplers: if engine == Engine::Walks { samplers } else { Vec::new() }, ..nothing(engine) }
}

#[test]
fn a_hard_bug_that_a_sampler_finds_is_not_hard() {
    let bug = BUG.replace("ground", "hard = true\nscenario = \"s\"\nground");
    let wrong = |caught| Told { directed: Some("timeout n0\n"), ..Told::new(caught) }.wrong(&bug);
    assert_eq!(wrong(|_, engine| in_vain(engine, None)), [""; 0]);
    assert_eq!(
        wrong(|_, engine| in_vain(engine, Some(5))),
        ["a: it is marked hard, and walks under cuts find it"]
    );
    let catalogue = Catalogue::parse("raft", Path::new("raft.toml"), &bug).expect("it is well-formed");
    let hunters = Told { directed: Some("timeout n0\n"), ..Told::new(|_, engine| in_vain(engine, None)) };
    assert_eq!(hunters.round(&[&catalogue.bugs[0]])[0].0.missed_events, Some(18));
}

#[test]
fn medians_have_intervals_that_know_what_was_not_measured() {
    fn some(engine: Engine) -> Catch {
        let found: Vec<Option<u64>> = (0..20).map(|i| (i < 14).then_some(i)).collect();
        Catch { trials: trials(&found), property: Some("p".to_owned()), ..nothing(engine) }
    }
    let catalogue = Catalogue::parse("raft", Path::new("raft.toml"), BUG).expect("it is well-formed");
    let caught = |copy: &str, engine| if copy == CONTROL { nothing(engine) } else { some(engine) };
    let (record, _) = Told::new(caught).round(&[&catalogue.bugs[0]]).remove(0);
    let detection = &record.detections[1];
    // The 6th and the 15th of 20, of which the last six found nothing.
    assert_eq!((detection.effort, detection.effort_low, detection.effort_high), (10, Some(5), None));
    assert_eq!((detection.found_trials, detection.trials.len(), detection.found), (Some(14), 20, true));
}

#[test]
fn samplers_are_ranked_by_bugs_found_and_then_by_work() {
    // Trials in vain count with their budget, which is 1000 here.
    let bug = |id: &str, canary, efforts: [u64; 3]| artifact::Bug {
        id: id.to_owned(),
        canary,
        samplers: (["uniform", "weights", "cuts"].iter().zip(efforts))
            .map(|(sampler, effort)| artifact::SamplerHunt {
                sampler: (*sampler).to_owned(),
                found_in: if effort == 1000 { 2 } else { 3 },
                of: 4,
                effort,
                ..artifact::SamplerHunt::default()
            })
            .collect(),
        ..artifact::Bug::default()
    };
    let bugs = [
        bug("canary", true, [1, 1000, 1000]),
        bug("a", false, [100, 400, 200]),
        bug("b", false, [100, 100, 200]),
        // Uniform finds this in half of its trials: not in more.
        bug("c", false, [1000, 10, 100]),
    ];
    let ranked: Vec<_> = round::rank(&bugs)
        .into_iter()
        .map(|ranked| {
            (ranked.sampler, ranked.found, ranked.of, (ranked.ratio.unwrap_or(0.0) * 100.0).round())
        })
        .collect();
    // Times the best: weights 4, 1 and 1, cuts 2, 2 and 10, uniform 1, 1 and 100; the cube roots of the products.
    let expected = [("weights", 3, 3, 159.0), ("cuts", 3, 3, 342.0), ("uniform", 2, 3, 464.0)];
    assert_eq!(ranked, expected.map(|(sampler, found, of, ratio)| (sampler.to_owned(), found, of, ratio)));
    let default = Sampler::DEFAULT.name();
    assert!(round::rank(&bugs).iter().all(|ranked| ranked.default == (ranked.sampler == default)));
    // A bug that was not hunted under every sampler ranks nobody.
    assert_eq!(round::rank(&[artifact::Bug { samplers: Vec::new(), ..bugs[1].clone() }]), []);
    assert_eq!(round::rank(&[]), []);
}

#[test]
fn a_hard_bug_is_hunted_in_one_long_run_and_from_near_the_end_of_its_scenario() {
    fn caught(engine: Engine, found: bool) -> Catch {
        let long = vec![("cuts".to_owned(), Trial { found, effort: 70, cpu_s: 0.5 })];
        let near = Some(Near { left: 3, of: 7, effort: 11 });
        let catch = in_vain(engine, None);
        if engine == Engine::Walks { Catch { long, near, ..catch } } else { catch }
    }
    let bug = BUG.replace("ground", "hard = true\nscenario = \"s\"\nground");
    let hunters =
        |caught: fn(&str, Engine) -> Catch| Told { directed: Some("timeout n0\n"), ..Told::new(caught) };
    assert_eq!(
        hunters(|_, engine| caught(engine, true)).wrong(&bug),
        ["a: it is marked hard, and walks under cuts find it"]
    );
    let catalogue = Catalogue::parse("raft", Path::new("raft.toml"), &bug).expect("it is well-formed");
    let hunters = hunters(|_, engine| caught(engine, false));
    let (record, findings) = hunters.round(&[&catalogue.bugs[0]]).remove(0);
    assert_eq!(findings, []);
    let cuts = record.samplers.iter().find(|hunt| hunt.sampler == "cuts").expect("it walked");
    assert_eq!((cuts.long_events, cuts.long_found, cuts.events), (Some(70), Some(false), 88));
    let near = &record.near[..];
    assert!(matches!(near, [near] if (near.left, near.of, near.effort) == (3, 7, 11)), "{near:?}");
}
