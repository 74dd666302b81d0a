//! `zoo [ALGO…] [--bug ID] [--quick|--full] [--threads N] [--json]`: puts real bugs back into the code, one
//! at a time, lets every engine hunt for them, and leaves an artifact `zoo/<algorithm>.json`.
//!
//! A bug that no engine finds, a property broken that was not the bug's to break, a control in which
//! something is found, a counterexample that does not play again: each is a finding of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use model_check::zoo::catalogue::{Bug, CONTROL, Catalogue};
use model_check::zoo::hunt::{Catch, Engine};
use model_check::zoo::workshop::Workshop;
use reports::artifact::{self, Detection, Finding, Outcome, Payload, Verb, Zoo};
use reports::command_line::{self, Effort, Exit, ProgressLine, Refused, grouped};
use reports::recorder::Recorder;

const HELP: &str = "\
zoo [ALGO...] [--bug ID] [--quick|--full] [--threads N] [--json]

Puts real bugs back into the algorithms (default: all), one at a time, and lets every engine hunt for them.

  --bug ID     this bug alone
  --quick      small budgets (default): about a minute once everything is built
  --full       larger budgets, and more trials of the engines that draw at random
  --threads N  hunts at a time (default: all processors)
  --json       one JSON object per bug, and one at the end
";

struct Options {
    common: command_line::Options,
    algorithms: Vec<&'static str>,
    bug: Option<String>,
}

fn options() -> Result<Option<Options>, Refused> {
    let mut bug = None;
    let common = command_line::read(|option, parser| {
        if option == "bug" {
            bug = Some(command_line::value(parser, "bug")?);
        }
        Ok(option == "bug")
    })?;
    let Some(common) = common else { return Ok(None) };
    Ok(Some(Options { algorithms: common.algorithms()?, common, bug }))
}

fn main() -> ExitCode {
    let run = || match options()? {
        Some(options) => run(&options),
        None => {
            print!("{HELP}");
            Ok(Exit::Fine)
        }
    };
    command_line::end("zoo", run())
}

fn run(options: &Options) -> Result<Exit, Refused> {
    let interrupt = command_line::interrupt()?;
    let mut exit = Exit::Fine;
    for algorithm in &options.algorithms {
        match visit(algorithm, options, interrupt)? {
            Exit::Fine => {}
            Exit::Interrupted => return Ok(Exit::Interrupted),
            other => exit = other,
        }
    }
    Ok(exit)
}

/// Hunts all bugs of one algorithm and writes the artifact.
fn visit(algorithm: &str, options: &Options, interrupt: &AtomicBool) -> Result<Exit, Refused> {
    let root = workspace_root()?;
    let file = PathBuf::from(format!("model-check/zoo/{algorithm}.toml"));
    let text = fs::read_to_string(root.join(&file))
        .map_err(|error| Refused::missing(format!("{}: {error}", file.display())))?;
    let catalogue = Catalogue::parse(algorithm, &file, &text).map_err(Refused::usage)?;
    let bugs: Vec<&Bug> =
        catalogue.bugs.iter().filter(|bug| options.bug.as_ref().is_none_or(|id| id == bug.id())).collect();
    if bugs.is_empty() {
        let known: Vec<&str> = catalogue.bugs.iter().map(Bug::id).collect();
        return Err(Refused::usage(format!("no such bug in {}: {}", file.display(), known.join(", "))));
    }
    let command = options.common.command("zoo");
    // A look at one bug must not stand in for the whole zoo.
    let subject = options.bug.as_ref().map_or_else(|| algorithm.to_owned(), |id| format!("{algorithm}-{id}"));
    let mut recorder = Recorder::start(Verb::Zoo, &subject, &command).map_err(Refused::missing)?;
    recorder
        .algorithm(algorithm)
        .title(&format!("Bugs of {algorithm} put back"))
        .allocator("mimalloc")
        .parameter("effort", options.common.effort.name());

    let mut line = ProgressLine::new();
    line.show(|| format!("building {} copies of {algorithm}", bugs.len() + 1));
    let workshop = Workshop::new(&root, algorithm);
    workshop.prepare(&catalogue, &bugs).map_err(Refused::usage)?;
    workshop.build().map_err(Refused::missing)?;

    let hunts = hunts(&workshop, &bugs, options, interrupt, &mut line)?;
    line.clear();
    let interrupted = interrupt.load(Ordering::Relaxed);
    let mut zoo = Zoo::default();
    let mut findings = Vec::new();
    if !interrupted {
        for bug in &bugs {
            let (record, found) = judge(&workshop, bug, &hunts)?;
            tell(&record, options.common.json);
            zoo.bugs.push(record);
            findings.extend(found);
        }
    }
    let outcome = match () {
        () if interrupted => Outcome::Interrupted,
        () if findings.is_empty() => Outcome::Passed,
        () => Outcome::Failed,
    };
    let (exit, said) = (Exit::from(&outcome), outcome.name());
    let (found, total) = (zoo.found(), zoo.total());
    for finding in &findings {
        recorder.finding(finding.clone());
    }
    let path = recorder.finish(outcome, Payload::Zoo(zoo)).map_err(Refused::missing)?;
    if options.common.json {
        let line = serde_json::json!({ "verb": "zoo", "algorithm": algorithm, "found": found, "bugs": total,
            "outcome": said, "findings": findings, "artifact": path });
        println!("{line}");
    } else {
        for finding in &findings {
            println!("FOUND {}: {}", finding.property, finding.detail);
        }
        println!("{algorithm}: {said}, {found} of {total} bugs found, {}", path.display());
    }
    Ok(exit)
}

/// Where the sources are: the folder above this crate when cargo starts the binary, else the next folder
/// up that holds them.
fn workspace_root() -> Result<PathBuf, Refused> {
    let is_root = |folder: &&Path| folder.join("model-check/zoo").is_dir();
    let from_cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = std::env::current_dir().map_err(Refused::missing)?;
    [from_cargo.unwrap_or_else(|| here.clone()), here]
        .iter()
        .find_map(|start| start.ancestors().find(is_root))
        .map(Path::to_owned)
        .ok_or_else(|| Refused::missing("the sources are not here: start this by cargo"))
}

/// What was caught, by copy and ground.
type Hunts = BTreeMap<(String, String), Vec<Catch>>;

/// All hunts: each bug on its ground, and the control on all grounds in use.
fn hunts(
    workshop: &Workshop,
    bugs: &[&Bug],
    options: &Options,
    interrupt: &AtomicBool,
    line: &mut ProgressLine,
) -> Result<Hunts, Refused> {
    let own = bugs.iter().map(|bug| (bug.id().to_owned(), bug.ground.clone()));
    let mut jobs: Vec<(String, String)> = Vec::new();
    for ground in bugs.iter().map(|bug| &bug.ground) {
        let job = (CONTROL.to_owned(), ground.clone());
        if !jobs.contains(&job) {
            jobs.push(job);
        }
    }
    // The control is the longest hunt, as it never ends early: it goes first.
    jobs.extend(own);
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        // Relaxed: the counter hands out numbers, and the flag is a request that may be seen late.
        while !interrupt.load(Ordering::Relaxed) {
            let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let caught = hunt(workshop, &job.0, &job.1, options.common.effort);
            results.lock().expect("no thread panics while it notes a result").push((job.clone(), caught));
        }
    };
    thread::scope(|scope| {
        let hunters: Vec<_> = (0..options.common.threads).map(|_| scope.spawn(work)).collect();
        while !hunters.iter().all(thread::ScopedJoinHandle::is_finished) {
            let done = results.lock().expect("no thread panics while it notes a result").len();
            line.show(|| format!("hunting: {done} of {} hunts are over", jobs.len()));
            thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    let results = results.into_inner().expect("no thread panicked while it noted a result");
    if interrupt.load(Ordering::Relaxed) {
        return Ok(Hunts::new());
    }
    results.into_iter().map(|(job, caught)| Ok((job, caught.map_err(Refused::missing)?))).collect()
}

fn hunt(workshop: &Workshop, name: &str, ground: &str, effort: Effort) -> Result<Vec<Catch>, String> {
    let mut arguments = vec![ground];
    if effort == Effort::Full {
        arguments.push("--full");
    }
    let lines = output(workshop, name, &arguments)?;
    let read = |line: &str| serde_json::from_str(line).map_err(|error| format!("hunt in {name}: {error}"));
    let caught: Vec<Catch> = lines.lines().map(read).collect::<Result<_, _>>()?;
    if caught.len() == Engine::ALL.len() {
        Ok(caught)
    } else {
        Err(format!("hunt in {name}: {} of {} engines answered", caught.len(), Engine::ALL.len()))
    }
}

/// What a hunter says.
fn output(workshop: &Workshop, name: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(workshop.hunter(name))
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("hunter of {name}: {error}"))?;
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(|error| format!("hunter of {name}: {error}"))
    } else {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(format!("hunter of {name} ended with {}: {said}", output.status))
    }
}

/// What the hunts say of one bug, and what is wrong with that.
fn judge(workshop: &Workshop, bug: &Bug, hunts: &Hunts) -> Result<(artifact::Bug, Vec<Finding>), Refused> {
    let of = |name: &str| &hunts[&(name.to_owned(), bug.ground.clone())];
    let (caught, control) = (of(bug.id()), of(CONTROL));
    let mut findings = Vec::new();
    let mut wrong = |detail: String| findings.push(Finding::new("zoo", format!("{}: {detail}", bug.id())));
    let mut record = artifact::Bug {
        id: bug.id().to_owned(),
        title: bug.title.clone(),
        source: bug.source.clone(),
        property: bug.property.clone(),
        expected_engine: bug.engine.to_string(),
        hard: bug.hard,
        canary: bug.canary,
        edit: Some(bug.diff()),
        ..artifact::Bug::default()
    };
    let mut shortest = None;
    for (catch, control) in caught.iter().zip(control) {
        let detection = detection(catch, control);
        if let Some(finding) = &catch.finding {
            if !bug.breaks(&finding.property) {
                wrong(format!("{} saw {} broken: {}", catch.engine, finding.property, finding.detail));
            }
            if let Some(scenario) = &finding.scenario {
                for problem in plays(workshop, bug, catch.engine, scenario, &finding.property)? {
                    wrong(problem);
                }
                if shortest.is_none_or(|shortest| catch.length < Some(shortest)) {
                    shortest = catch.length;
                    record.counterexample = Some(finding.clone());
                }
            }
        }
        if let Some(finding) = &control.finding {
            wrong(format!("the control is broken, too: {} saw {}", control.engine, finding.property));
        }
        if bug.canary && !detection.found {
            wrong(format!("{} does not see the canary", catch.engine));
        }
        record.detections.push(detection);
    }
    if !record.found() {
        wrong("no engine has found it".to_owned());
    }
    let main = record.detections.iter().any(|detection| detection.property.as_ref() == Some(&bug.property));
    if record.found() && !main {
        wrong(format!("no engine saw {} broken", bug.property));
    }
    Ok((record, findings))
}

fn detection(catch: &Catch, control: &Catch) -> Detection {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    let successes = catch.trials.iter().filter(|trial| trial.found).count();
    let efforts: Vec<f64> = catch.trials.iter().map(|trial| trial.effort as f64).collect();
    Detection {
        engine: catch.engine.to_string(),
        found: successes * 2 > catch.trials.len(),
        property: catch.finding.as_ref().map(|finding| finding.property.clone()),
        effort: median(efforts.clone()) as u64,
        effort_unit: catch.engine.unit().to_owned(),
        trials: if efforts.len() > 1 { efforts } else { Vec::new() },
        cpu_s: median(catch.trials.iter().map(|trial| trial.cpu_s).collect()),
        length: catch.length,
        control_passed: control.finding.is_none(),
    }
}

/// Plays a counterexample in the copy that it is from, where it must break the same property, and in the
/// control, where it must break none.
fn plays(
    workshop: &Workshop,
    bug: &Bug,
    engine: Engine,
    scenario: &str,
    property: &str,
) -> Result<Vec<String>, Refused> {
    let file = workshop.scenario(bug.id(), engine.name());
    fs::write(&file, scenario).map_err(|error| Refused::missing(format!("{}: {error}", file.display())))?;
    let path = file.to_string_lossy();
    let mut problems = Vec::new();
    for (name, expected) in [(bug.id(), property), (CONTROL, "ok")] {
        let said = output(workshop, name, &[&bug.ground, "--play", &path]).map_err(Refused::missing)?;
        if said.trim() != expected {
            problems.push(format!("the scenario of {engine} plays to {} in {name}", said.trim()));
        }
    }
    Ok(problems)
}

fn tell(bug: &artifact::Bug, json: bool) {
    if json {
        println!("{}", serde_json::json!({ "verb": "zoo", "bug": bug }));
        return;
    }
    println!("{}: {}", bug.id, bug.title);
    for Detection { engine, found, property, effort, effort_unit, cpu_s, length, .. } in &bug.detections {
        let effort = grouped(*effort);
        let shown = if *found { "found" } else { "not found" };
        let property = property.as_ref().map_or(String::new(), |property| format!(", {property}"));
        let length = length.map_or(String::new(), |length| format!(", {length} events"));
        println!("  {engine:9} {shown} after {effort} {effort_unit}, {cpu_s:.2} CPU s{property}{length}");
    }
}
