//! `zoo [ALGO…] [--bug ID|--ten] [--quick|--full|--hard] [--threads N] [--write DIR] [--json]`: puts real bugs back into
//! the code, one at a time, lets every engine hunt for them, and leaves an artifact `zoo/<algorithm>.json`; with `--hard`,
//! the bugs that are marked so, hunted for longer, and an artifact `zoo/<algorithm>-hard.json`; with `--ten`, those that
//! the catalogue names to stand for all, and an artifact `zoo/<algorithm>-ten.json`.
//!
//! A bug that no engine finds, a property broken that was not the bug's to break, a control in which
//! something is found, a counterexample that does not play again: each is a finding of its own. A round that is
//! stopped by Ctrl-C leaves what it has: the bugs whose hunts were over.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use model_check::exported;
use model_check::registered::ALGORITHMS;
use model_check::zoo::catalogue::{Bug, Catalogue};
use model_check::zoo::hunt::{Budget, Engine, Scope};
use model_check::zoo::round::{self, Hunts};
use model_check::zoo::threads;
use model_check::zoo::workshop::Workshop;
use reports::artifact::{
    self, Detection, Finding, Near, Outcome, Payload, RankedSampler, SamplerHunt, Verb, Zoo,
};
use reports::command_line::{self, Effort, Exit, ProgressLine, Refused, grouped};
use reports::recorder::Recorder;
use swarm_simulator::sampler::Sampler;

const HELP: &str = "\
zoo [ALGO...] [--bug ID|--ten] [--quick|--full|--hard] [--threads N] [--write DIR] [--json]

Puts real bugs back into the algorithms (default: all), one at a time, and lets every engine hunt for them.

  --bug ID     this bug alone
  --ten        the ten bugs that the catalogue names to stand for all, once each, as `cargo xtask test` does
  --quick      small budgets (default): a minute or two once everything is built
  --full       twenty trials of the engines that draw at random, and walks under every sampler, which ranks the
               samplers: some twenty minutes of one processor
  --hard       the bugs that random search misses: walks of ten million events in one run and of a million in each of
               ten, under every sampler, and from how near the end of a scenario the bug is found
  --threads N  hunts at a time (default: all processors)
  --write DIR  write the shortest run that shows each bug as files: scenario, diagrams, trace, regression test
  --json       one JSON object per bug, and one at the end
";

struct Options {
    common: command_line::Options,
    algorithms: Vec<String>,
    bug: Option<String>,
    ten: bool,
    hard: bool,
    write: Option<PathBuf>,
}

fn options() -> Result<Option<Options>, Refused> {
    let (mut bug, mut ten, mut hard, mut write) = (None, false, false, None);
    let common = command_line::read(command_line::EFFORT_AND_THREADS, |option, parser| {
        match option {
            "bug" => bug = Some(command_line::value(parser, "bug")?),
            "ten" => ten = true,
            "hard" => hard = true,
            "write" => write = Some(command_line::value(parser, "write")?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(common) = common else { return Ok(None) };
    if hard && common.words.iter().any(|word| word == "--quick" || word == "--full") {
        return Err(Refused::usage("one of --quick, --full and --hard"));
    }
    if ten && (hard || bug.is_some()) {
        return Err(Refused::usage("--ten or one of --bug and --hard"));
    }
    let zoos = zoos()?;
    let algorithms = match &common.names[..] {
        [] => zoos,
        names => {
            if let Some(name) = names.iter().find(|name| !zoos.contains(name)) {
                let (name, zoos) = (name.escape_debug(), zoos.join(", "));
                return Err(Refused::usage(format!("there is no zoo of `{name}` ({zoos})")));
            }
            names.to_vec()
        }
    };
    Ok(Some(Options { common, algorithms, bug, ten, hard, write }))
}

impl Options {
    /// What each hunt may spend.
    const fn budget(&self) -> Budget {
        match (self.hard, self.common.effort) {
            (true, _) => Budget::HARD,
            (false, Effort::Quick) if self.ten => Budget::TEN,
            (false, effort) => Budget::of_effort(effort),
        }
    }

    /// Whether this bug is to be hunted.
    fn means(&self, catalogue: &Catalogue, bug: &Bug) -> bool {
        self.bug.as_ref().is_none_or(|id| id == bug.id())
            && (bug.hard || !self.hard)
            && (catalogue.is_of_ten(bug) || !self.ten)
    }

    /// How widely a bug is hunted, which this scenario shows. A bug that is marked hard says nothing of samplers
    /// within an ordinary budget.
    fn scope<'a>(&self, bug: &Bug, directed: Option<&'a str>) -> Scope<'a> {
        match directed {
            Some(directed) if self.hard => Scope::Hard(directed),
            _ if self.common.effort == Effort::Full && !bug.hard => Scope::Samplers,
            _ => Scope::Engines,
        }
    }
}

fn main() -> ExitCode {
    command_line::main("zoo", HELP, options, run)
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

/// Whose bugs are kept, in the order of the alphabet.
fn zoos() -> Result<Vec<String>, Refused> {
    let folder = workspace_root()?.join("model-check/zoo");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Refused::missing)? {
        let path = entry.map_err(Refused::missing)?.path();
        if path.extension().is_some_and(|end| end == "toml") {
            names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

fn catalogue_of(algorithm: &str) -> PathBuf {
    PathBuf::from(format!("model-check/zoo/{algorithm}.toml"))
}

/// Hunts all bugs of one algorithm and writes the artifact.
fn visit(algorithm: &str, options: &Options, interrupt: &AtomicBool) -> Result<Exit, Refused> {
    let root = workspace_root()?;
    let file = catalogue_of(algorithm);
    let text = fs::read_to_string(root.join(&file))
        .map_err(|error| Refused::missing(format!("{}: {error}", file.display())))?;
    if threads::catalogue::is_of_threads(&text) {
        return visit_threads(&root, algorithm, &file, &text, options, interrupt);
    }
    let catalogue = Catalogue::parse(algorithm, &file, &text).map_err(Refused::usage)?;
    let bugs: Vec<&Bug> = catalogue.bugs.iter().filter(|bug| options.means(&catalogue, bug)).collect();
    if bugs.is_empty() {
        let known = catalogue.bugs.iter().filter(|bug| bug.hard || !options.hard).map(Bug::id);
        let known: Vec<&str> = known.collect();
        return Err(Refused::usage(format!("no such bug in {}: {}", file.display(), known.join(", "))));
    }
    let command = options.common.command("zoo");
    // A look at some bugs must not stand in for the whole zoo.
    let ten = if options.ten { "-ten" } else { "" };
    let hard = if options.hard { "-hard" } else { "" };
    let bug = options.bug.as_ref().map_or(String::new(), |id| format!("-{id}"));
    let subject = format!("{algorithm}{ten}{hard}{bug}");
    let mut recorder = Recorder::start(Verb::Zoo, &subject, &command).map_err(Refused::missing)?;
    recorder
        .algorithm(algorithm)
        .title(&format!("Bugs of {algorithm} put back"))
        .allocator("mimalloc")
        .parameter("effort", if options.hard { "hard" } else { options.common.effort.name() });

    let budget = options.budget();
    for engine in Engine::ALL {
        let (trials, most) = (budget.trials(engine), grouped(budget.of(engine)));
        let times = if trials == 1 { "once".to_owned() } else { format!("{trials} times") };
        recorder.parameter(&format!("{engine} at most"), format!("{most} {}, {times}", engine.unit()));
    }

    let mut line = ProgressLine::new();
    let workshop = Workshop::prepare(&root, &catalogue, &bugs).map_err(Refused::usage)?;
    let copies = workshop.copies().len();
    line.show(|| format!("building {copies} copies of {algorithm}"));
    recorder.parameter("copies", copies);
    let built = workshop.build(interrupt);
    let hunters = workshop.hunters(budget, interrupt);
    // A story that cannot be played is a finding of each bug on its ground.
    for (ground, events) in built.as_ref().ok().and_then(|()| hunters.stories().ok()).into_iter().flatten() {
        if events > 0 && bugs.iter().any(|bug| bug.ground == ground) {
            let said = format!("{events} events, before checker, walks and fuzzer begin");
            recorder.parameter(&format!("story of {ground}"), said);
        }
    }
    let directed: Vec<Option<String>> =
        bugs.iter().map(|bug| directed(&root, bug)).collect::<Result<_, _>>()?;
    let hunts = match built {
        Ok(()) => {
            let scoped: Vec<(&Bug, Scope<'_>)> = (bugs.iter().zip(&directed))
                .map(|(bug, directed)| (*bug, options.scope(bug, directed.as_deref())))
                .collect();
            round::hunts(&hunters, &scoped, options.common.threads, interrupt, |over, all| {
                line.show(|| format!("hunting: {over} of {all} hunts are over"));
            })
        }
        Err(_) if command_line::interrupted() => Hunts::default(),
        Err(reason) => return Err(Refused::missing(reason)),
    };
    line.clear();
    let mut zoo = Zoo::default();
    let mut findings = Vec::new();
    for (bug, directed) in bugs.iter().zip(&directed) {
        let command = format!("cargo xtask zoo {algorithm} --bug {}", bug.id());
        if let Some((record, found)) = round::judge(&hunters, bug, &hunts, directed.as_deref(), &command) {
            tell(&record, options.common.json);
            if let (Some(folder), Some(finding)) = (&options.write, &record.counterexample)
                && finding.scenario.is_some()
            {
                write(folder, algorithm, bug, finding, options.common.json)?;
            }
            zoo.bugs.push(record);
            findings.extend(found);
        }
    }
    // Hard bugs are missed under all of them, and rank nobody.
    zoo.samplers = if options.hard { Vec::new() } else { round::rank(&zoo.bugs) };
    if let Some(best) = zoo.samplers.first()
        && options.bug.is_none()
        && !options.ten
        && !best.default
    {
        let detail = format!("walks use {} by default, and {} finds more", Sampler::DEFAULT, best.sampler);
        findings.push(Finding::new("default_sampler", detail));
    }
    // A round that was whole before anybody stopped it is whole.
    let interrupted = zoo.bugs.len() < bugs.len();
    let outcome = match () {
        () if interrupted => Outcome::Interrupted,
        () if findings.is_empty() => Outcome::Passed,
        () => Outcome::Failed,
    };
    let (exit, said) = (Exit::from(&outcome), outcome.name());
    let (found, total) = (zoo.found(), zoo.total());
    let ranking: Vec<String> = zoo.samplers.iter().map(ranked).collect();
    let left = if options.ten { catalogue.bugs.len() - bugs.len() } else { 0 };
    for finding in &findings {
        recorder.finding(finding.clone());
    }
    let path = recorder.finish(outcome, Payload::Zoo(zoo)).map_err(Refused::missing)?;
    if options.common.json {
        let line = serde_json::json!({ "verb": "zoo", "algorithm": algorithm, "found": found, "bugs": total,
            "left": left, "outcome": said, "findings": findings, "artifact": path });
        println!("{line}");
    } else {
        for finding in &findings {
            println!("FOUND {}: {}", finding.property, finding.detail);
        }
        for line in ranking {
            println!("{line}");
        }
        if left > 0 {
            let all = catalogue.bugs.len();
            println!(
                "SKIPPED zoo: {left} of the {all} bugs of {algorithm}, left to `cargo xtask zoo {algorithm}`"
            );
        }
        println!("{algorithm}: {said}, {found} of {total} bugs found, {}", path.display());
    }
    Ok(exit)
}

/// Hunts all bugs of code that threads share, and all its orderings a step weaker, and writes the artifact.
fn visit_threads(
    root: &Path,
    algorithm: &str,
    file: &Path,
    text: &str,
    options: &Options,
    interrupt: &AtomicBool,
) -> Result<Exit, Refused> {
    use threads::catalogue::{Unnoticed, Visible};
    use threads::matrix::Weaker;
    use threads::workshop::{Budget, Engine, Quarry, Workshop};
    if options.hard || options.write.is_some() {
        return Err(Refused::usage(format!("no bug of {algorithm} is hard, and none has a scenario")));
    }
    let catalogue = threads::catalogue::Catalogue::parse(algorithm, file, text).map_err(Refused::usage)?;
    let sources = threads::workshop::read(&root.join("algos").join(algorithm)).map_err(Refused::missing)?;
    let is_meant = |id: &str| options.bug.as_ref().is_none_or(|bug| bug == id);
    let bugs: Vec<usize> =
        (0..catalogue.bugs.len()).filter(|number| is_meant(catalogue.bugs[*number].id())).collect();
    let in_vain = |weaker: &Weaker| {
        let is = |listed: &Unnoticed| *listed.site.get_ref() == weaker.site && listed.weak == weaker.weak;
        options.ten && catalogue.unnoticed.iter().any(is)
    };
    let mut weaker = threads::matrix::weaker(&sources);
    weaker.retain(|weaker| is_meant(&weaker.id()) && !in_vain(weaker));
    if bugs.is_empty() && weaker.is_empty() {
        let known: Vec<&str> = catalogue.bugs.iter().map(threads::catalogue::Bug::id).collect();
        return Err(Refused::usage(format!("no such bug in {}: {}", file.display(), known.join(", "))));
    }
    let budget = match options.common.effort {
        Effort::Full => Budget::FULL,
        Effort::Quick if options.ten => Budget::TEN,
        Effort::Quick => Budget::QUICK,
    };
    let ten = if options.ten { "-ten" } else { "" };
    let bug =
        options.bug.as_ref().map_or(String::new(), |id| format!("-{}", id.to_lowercase().replace(' ', "-")));
    let command = options.common.command("zoo");
    let mut recorder =
        Recorder::start(Verb::Zoo, &format!("{algorithm}{ten}{bug}"), &command).map_err(Refused::missing)?;
    recorder
        .algorithm(algorithm)
        .title(&format!("Bugs of {algorithm} put back, and its orderings weakened"))
        .parameter("effort", options.common.effort.name());

    let mut line = ProgressLine::new();
    let workshop = Workshop::prepare(root, &catalogue).map_err(Refused::usage)?;
    let copies = workshop.copies();
    recorder.parameter("copies", copies);
    let mut built = BTreeMap::new();
    let mut wanted = Vec::new();
    let mut skipped = Vec::new();
    for engine in Engine::ALL {
        let hunted: Vec<usize> = bugs
            .iter()
            .copied()
            .filter(|number| {
                let bug = &catalogue.bugs[*number];
                // Where there is no time for all, loom hunts all the same, which takes next to none; what is known to
                // be in vain is left out.
                let beyond = engine.is_sequentially_consistent() && bug.visible == Visible::Weak;
                let in_vain = bug.equivalent.is_some() || beyond;
                // Shuttle shows that those of weak memory take weak memory; stateright would go through all states.
                let left = engine == Engine::Stateright && beyond;
                !left && (!options.ten || !in_vain && (engine == Engine::Loom || catalogue.is_of_ten(bug)))
            })
            .collect();
        if hunted.is_empty() && engine != Engine::Loom || engine.wants().is_some() && options.ten {
            continue;
        }
        if budget.of(engine) == 0 {
            skipped.push(format!("{engine}: left to `cargo xtask zoo {algorithm} --full`"));
            continue;
        }
        let same = built.iter().find(|(other, _): &(&Engine, _)| other.is_shuttle() && engine.is_shuttle());
        let binaries = match same.map(|(_, binaries): (_, &Vec<PathBuf>)| binaries.clone()) {
            Some(binaries) => Ok(binaries),
            None => {
                line.show(|| format!("building {copies} copies of {algorithm} for {engine}"));
                workshop.build(engine, interrupt)
            }
        };
        match binaries {
            Ok(binaries) => drop(built.insert(engine, binaries)),
            Err(_) if command_line::interrupted() => return Ok(Exit::Interrupted),
            Err(reason) => {
                let wants = engine.wants().ok_or_else(|| Refused::missing(&reason))?;
                skipped.push(format!("{engine}: {reason}; it takes {wants}"));
                continue;
            }
        }
        recorder.parameter(
            &format!("{engine} at most"),
            format!("{} {} of each model", grouped(budget.of(engine)), engine.unit()),
        );
        wanted.extend((0..copies).map(|copy| (Quarry::Control(copy), engine)));
        wanted.extend(hunted.iter().map(|number| (Quarry::Bug(*number), engine)));
        if engine == Engine::Loom {
            wanted.extend(weaker.iter().map(|weaker| (weaker.quarry(), engine)));
        }
    }
    let line = Mutex::new(line);
    let show = |over, all| {
        if let Ok(mut line) = line.lock() {
            line.show(|| format!("hunting: {over} of {all} hunts are over"));
        }
    };
    let (hunts, reason) =
        threads::round::hunts(&workshop, &built, &wanted, &budget, options.common.threads, interrupt, show);
    if let Ok(mut line) = line.lock() {
        line.clear();
    }
    if let Some(reason) = reason.filter(|_| !command_line::interrupted()) {
        return Err(Refused::missing(reason));
    }
    let mut findings = threads::matrix::judge_controls(&hunts);
    let mut zoo = Zoo::default();
    for number in
        bugs.iter().filter(|number| wanted.iter().any(|(quarry, _)| *quarry == Quarry::Bug(**number)))
    {
        let (bug, found) = threads::matrix::judge(&catalogue, *number, workshop.place(*number), &hunts);
        tell_in_a_line(&bug, options.common.json);
        zoo.bugs.push(bug);
        findings.extend(found);
    }
    for weaker in &weaker {
        let (ordering, found) = threads::matrix::judge_weaker(&catalogue, weaker, &hunts);
        tell_in_a_line(&ordering, options.common.json);
        zoo.orderings.push(ordering);
        findings.extend(found);
    }
    let interrupted = hunts.len() < wanted.len();
    let outcome = match () {
        () if interrupted => Outcome::Interrupted,
        () if findings.is_empty() => Outcome::Passed,
        () => Outcome::Failed,
    };
    let (exit, said) = (Exit::from(&outcome), outcome.name());
    let (found, total) = (zoo.found(), zoo.total());
    let (noticed, weakened) = (zoo.orderings.iter().filter(|bug| bug.found()).count(), zoo.orderings.len());
    for finding in &findings {
        recorder.finding(finding.clone());
    }
    let path = recorder.finish(outcome, Payload::Zoo(zoo)).map_err(Refused::missing)?;
    if options.common.json {
        let line = serde_json::json!({ "verb": "zoo", "algorithm": algorithm, "found": found, "bugs": total,
            "noticed": noticed, "orderings": weakened, "skipped": skipped, "outcome": said, "findings": findings, "artifact": path });
        println!("{line}");
        return Ok(exit);
    }
    for finding in &findings {
        println!("FOUND {}: {}", finding.property, finding.detail);
    }
    for skipped in &skipped {
        println!("SKIPPED zoo: {skipped}");
    }
    if options.ten {
        let left = catalogue.bugs.len() - catalogue.ten.len();
        println!(
            "SKIPPED zoo: {left} bugs of {algorithm} by other engines than loom, left to `cargo xtask zoo {algorithm}`"
        );
    }
    println!(
        "{algorithm}: {said}, {found} of {total} bugs found, {noticed} of {weakened} weaker orderings noticed, {}",
        path.display()
    );
    Ok(exit)
}

/// A row of the matrix: executions until each engine found it, or `-`.
fn tell_in_a_line(bug: &artifact::Bug, json: bool) {
    if json {
        println!("{}", serde_json::json!({ "verb": "zoo", "bug": bug }));
        return;
    }
    let cells: Vec<String> = bug
        .detections
        .iter()
        .map(|detection| {
            let effort = if detection.found { grouped(detection.effort) } else { "-".to_owned() };
            format!("{} {effort}", detection.engine)
        })
        .collect();
    let argued = if bug.argued.is_some() { " (argued)" } else { "" };
    println!("{}{argued}: {}", bug.id, cells.join("; "));
}

/// Writes what shows a bug as files. The test is about the algorithm without the bug, which it passes.
fn write(folder: &Path, algorithm: &str, bug: &Bug, finding: &Finding, json: bool) -> Result<(), Refused> {
    let name = format!("{algorithm}-{}", bug.id());
    let registered = ALGORITHMS.iter().find(|registered| registered.name() == algorithm);
    let test = registered.map(|registered| exported::test(&name, &registered.type_name(), &finding.property));
    let finding = Finding { test, ..finding.clone() };
    for path in exported::write(folder, &name, &finding).map_err(Refused::usage)? {
        if !json {
            println!("  written: {}", path.display());
        }
    }
    Ok(())
}

/// The scenario that was written for a bug.
fn directed(root: &Path, bug: &Bug) -> Result<Option<String>, Refused> {
    let Some(file) = &bug.scenario else { return Ok(None) };
    let file = Path::new("model-check/zoo").join(file);
    let text = fs::read_to_string(root.join(&file));
    text.map(Some).map_err(|error| Refused::missing(format!("{}: {error}", file.display())))
}

fn ranked(ranked: &RankedSampler) -> String {
    let RankedSampler { sampler, found, of, ratio, default } = ranked;
    let ratio = ratio.map_or(String::new(), |ratio| format!(", {ratio:.2} times the work of the best"));
    let default = if *default { " (default)" } else { "" };
    format!("sampler {sampler}{default}: finds {found} of {of} bugs in more than half of its trials{ratio}")
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

fn tell(bug: &artifact::Bug, json: bool) {
    if json {
        println!("{}", serde_json::json!({ "verb": "zoo", "bug": bug }));
        return;
    }
    println!("{}: {}", bug.id, bug.title);
    for detection in &bug.detections {
        let Detection { engine, found, property, effort, effort_unit, cpu_s, length, trials, .. } = detection;
        let effort = match (detection.effort_low, detection.effort_high) {
            (Some(low), Some(high)) => {
                format!("{} ({} to {})", grouped(*effort), grouped(low), grouped(high))
            }
            (Some(low), None) => format!("{} ({} or more)", grouped(*effort), grouped(low)),
            _ => grouped(*effort),
        };
        let shown = match (found, detection.found_trials) {
            (_, Some(found_in)) if trials.len() > 1 => format!("found in {found_in} of {}", trials.len()),
            (true, _) => "found".to_owned(),
            (false, _) => "not found".to_owned(),
        };
        let property = property.as_ref().map_or(String::new(), |property| format!(", {property}"));
        let length = length.map_or(String::new(), |length| format!(", {length} events"));
        println!("  {engine:9} {shown} after {effort} {effort_unit}, {cpu_s:.2} CPU s{property}{length}");
    }
    for (engine, length, optimum) in round::overlong(&bug.detections) {
        println!("    the {engine} comes to {length} events, shrunk, where {optimum} are enough");
    }
    for SamplerHunt { sampler, found_in, of, effort, long_events, long_found, .. } in &bug.samplers {
        let long = long_events.map_or(String::new(), |events| {
            let found = if *long_found == Some(true) { "found" } else { "not found" };
            format!("; {found} in one run of {} events", grouped(events))
        });
        println!(
            "    walks under {sampler:10} found in {found_in} of {of} after {} events{long}",
            grouped(*effort)
        );
    }
    for Near { engine, left, of, effort, effort_unit } in &bug.near {
        let effort = grouped(*effort);
        println!(
            "    {engine} from {left} of {of} events before the end: found after {effort} {effort_unit}"
        );
    }
    if let Some(missed) = bug.missed_events {
        println!("    hard: each random sampler walked {} events in vain, at least", grouped(missed));
    }
}
