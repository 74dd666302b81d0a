//! Copies of a crate with many bugs each, built once per engine, and hunts in processes of their own.
//!
//! Below `target/zoo/<crate>`: `Cargo.toml` (the dependencies and settings of the real workspace) and the copies `0`,
//! `1`, …, tests included. What the engines share with the crate's own tests, they share the builds of.
//!
//! A hunt says what it came to on standard output: `hunt begun N MODEL` now and then, and at the end `hunt found N
//! MODEL: WHAT` or `hunt nothing N`. A process that dies without that has found something, too, after as many
//! executions as it said last. Tests of real threads say nothing: there a run is an execution, and one that fails or
//! does not end has found something.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::schemata::{self, Chosen, Sources};
use super::super::workshop::{settings, watched, write_if_new};
use super::catalogue::Catalogue;

/// Who hunts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// Every interleaving, weak memory included.
    Loom,
    /// Every interleaving under sequential consistency, up to equal states.
    Stateright,
    /// Interleavings drawn uniformly at each step.
    ShuttleRandom,
    /// Interleavings with few, well-placed preemptions.
    ShuttlePct,
    /// Interleavings drawn uniformly among all.
    ShuttleUrw,
    /// The crate's tests with real threads, again and again.
    Stress,
    /// The same under ThreadSanitizer.
    ThreadSanitizer,
    /// The same, smaller, as an interpreter of the language runs them: weak memory, and whatever is undefined.
    Miri,
}

impl Engine {
    /// All engines, in the order of tables.
    pub const ALL: [Engine; 8] = [
        Engine::Loom,
        Engine::Stateright,
        Engine::ShuttleRandom,
        Engine::ShuttlePct,
        Engine::ShuttleUrw,
        Engine::Stress,
        Engine::ThreadSanitizer,
        Engine::Miri,
    ];

    /// The engine in a word or two.
    pub const fn name(self) -> &'static str {
        match self {
            Engine::Loom => "loom",
            Engine::Stateright => "stateright",
            Engine::ShuttleRandom => "shuttle, random",
            Engine::ShuttlePct => "shuttle, PCT",
            Engine::ShuttleUrw => "shuttle, URW",
            Engine::Stress => "stress",
            Engine::ThreadSanitizer => "ThreadSanitizer",
            Engine::Miri => "Miri",
        }
    }

    /// What its effort is counted in.
    pub const fn unit(self) -> &'static str {
        match self {
            Engine::Stateright => "states",
            Engine::Stress | Engine::ThreadSanitizer | Engine::Miri => "runs",
            _ => "executions",
        }
    }

    /// Whether it draws schedules at random under sequential consistency.
    pub const fn is_shuttle(self) -> bool {
        matches!(self, Engine::ShuttleRandom | Engine::ShuttlePct | Engine::ShuttleUrw)
    }

    /// Whether weak memory is beyond it.
    pub const fn is_sequentially_consistent(self) -> bool {
        self.is_shuttle() || matches!(self, Engine::Stateright)
    }

    /// What it wants beyond the stable toolchain; none if nothing.
    pub const fn wants(self) -> Option<&'static str> {
        match self {
            Engine::ThreadSanitizer => Some("a nightly toolchain with rust-src"),
            Engine::Miri => Some("a nightly toolchain with rust-src and miri"),
            _ => None,
        }
    }

    const fn build(self) -> Build {
        match self {
            Engine::Loom => Build::Loom,
            Engine::Stateright => Build::Stateright,
            Engine::ShuttleRandom | Engine::ShuttlePct | Engine::ShuttleUrw => Build::Shuttle,
            Engine::Stress => Build::Native,
            Engine::ThreadSanitizer => Build::Sanitized,
            Engine::Miri => Build::Interpreted,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How the copies are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Build {
    Loom,
    Shuttle,
    /// Of what shuttle runs.
    Stateright,
    Native,
    Sanitized,
    Interpreted,
}

impl Build {
    const fn test(self) -> &'static str {
        match self {
            Build::Loom => "loom",
            Build::Shuttle => "shuttle",
            Build::Stateright => "stateright",
            Build::Native | Build::Sanitized | Build::Interpreted => "it",
        }
    }

    /// As the stages of `cargo xtask test` build, so that dependencies are built once.
    const fn flags(self) -> &'static str {
        match self {
            Build::Loom => "--cfg loom --cfg steal_loom",
            Build::Shuttle | Build::Stateright => "--cfg shuttle --cfg steal_shuttle",
            Build::Native | Build::Interpreted => "",
            Build::Sanitized => "-Zsanitizer=thread --cfg steal_sanitized",
        }
    }

    const fn target(self) -> &'static str {
        match self {
            Build::Loom => "target/loom",
            Build::Shuttle | Build::Stateright => "target/shuttle",
            Build::Native => "target/zoo/target",
            Build::Sanitized => "target/zoo/sanitized",
            Build::Interpreted => "target/zoo/interpreted",
        }
    }
}

/// What a hunt is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quarry {
    /// Nothing: the crate as it is, in this copy.
    Control(usize),
    /// The bug of this number in the catalogue, counted from 0.
    Bug(usize),
    /// A named ordering that is weaker: the name of the access and the ordering.
    Weaker(String, String),
}

/// How much a hunt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Executions of each of loom's models with each limit on preemptions.
    pub loom: u64,
    /// States of each of stateright's models, those that are met again included.
    pub states: u64,
    /// Executions of each of shuttle's models under each scheduler.
    pub shuttle: u64,
    /// Runs of the tests with real threads.
    pub runs: u64,
    /// The same under Miri, each with a seed of its own; none where they would take too long.
    pub interpreted: u64,
    /// Seconds after which a hunt is stopped that does not end by itself.
    pub seconds: u64,
}

impl Budget {
    /// A minute of two processors, for what every test of everything hunts.
    pub const TEN: Budget =
        Budget { loom: 4_000, states: 4_000, shuttle: 1_000, runs: 1, interpreted: 0, seconds: 120 };
    /// Some minutes of two processors for everything.
    pub const QUICK: Budget =
        Budget { loom: 5_000, states: 20_000, shuttle: 4_000, runs: 1, interpreted: 0, seconds: 120 };
    /// What a table to publish takes.
    pub const FULL: Budget =
        Budget { loom: 200_000, states: 500_000, shuttle: 20_000, runs: 20, interpreted: 3, seconds: 900 };

    /// What an engine may spend, in its unit, on each of its models.
    pub const fn of(&self, engine: Engine) -> u64 {
        match engine {
            Engine::Loom => self.loom,
            Engine::Stateright => self.states,
            Engine::Stress | Engine::ThreadSanitizer => self.runs,
            Engine::Miri => self.interpreted,
            _ => self.shuttle,
        }
    }
}

/// What a hunt came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catch {
    /// Whether anything was found.
    pub found: bool,
    /// Executions until then, or in vain.
    pub effort: u64,
    /// In which model, and what it was.
    pub shown: String,
    /// Processor time, in seconds.
    pub cpu_s: f64,
    /// Whether it was stopped before it came to an end, having found nothing.
    pub stopped: bool,
}

/// The generated workspace of one crate.
#[derive(Debug)]
pub struct Workshop {
    root: PathBuf,
    folder: PathBuf,
    /// How many copies there are.
    copies: usize,
    /// By bug, the copy that it is in.
    places: Vec<usize>,
    /// The numbers of the canaries.
    canaries: Vec<usize>,
}

impl Workshop {
    /// Writes the copies of `catalogue` in the workspace at `root`.
    ///
    /// # Errors
    /// If an edit does not apply, or a file cannot be read or written.
    pub fn prepare(root: &Path, catalogue: &Catalogue) -> Result<Self, String> {
        let algorithm = &catalogue.algorithm;
        let folder = root.join("target/zoo").join(algorithm);
        let said = |path: &Path| {
            let path = path.display().to_string();
            move |error: io::Error| format!("{path}: {error}")
        };
        let source = root.join("algos").join(algorithm);
        let sources = read(&source).map_err(said(&source))?;
        let (copies, places) = catalogue.copies(&sources).map_err(|error| error.to_string())?;
        for (number, copy) in copies.iter().enumerate() {
            let target = folder.join(number.to_string());
            for (file, text) in copy.whole(&sources) {
                let to = target.join(file);
                write_if_new(&to, text.as_bytes()).map_err(said(&to))?;
            }
            let manifest = source.join("Cargo.toml");
            let text = fs::read_to_string(&manifest).map_err(said(&manifest))?;
            let library = format!("swarm_{}", algorithm.replace('-', "_"));
            let renamed = text.replacen(
                &format!("\"swarm-{algorithm}\""),
                &format!("\"{}\"", package(algorithm, number)),
                1,
            );
            let renamed = format!("{renamed}\n[lib]\nname = \"{library}\"\ndoctest = false\n");
            let to = target.join("Cargo.toml");
            write_if_new(&to, renamed.as_bytes()).map_err(said(&to))?;
        }
        let names: Vec<String> = (0..copies.len()).map(|number| number.to_string()).collect();
        write_root(root, &folder, algorithm, &names).map_err(said(&folder))?;
        let canaries = (0..catalogue.bugs.len()).filter(|number| catalogue.bugs[*number].canary).collect();
        Ok(Workshop { root: root.to_owned(), folder, copies: copies.len(), places, canaries })
    }

    /// How many copies there are.
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// The copy that the bug of this number is in.
    pub fn place(&self, number: usize) -> usize {
        self.places[number]
    }

    /// Builds all copies for an engine. Cargo's own messages go to standard error.
    ///
    /// # Errors
    /// If cargo cannot be started, a copy does not compile, or `interrupt` was set.
    pub fn build(&self, engine: Engine, interrupt: &AtomicBool) -> Result<Vec<PathBuf>, String> {
        let build = engine.build();
        let mut command = match build {
            Build::Sanitized => {
                let mut command = nightly();
                command.args(["--config", "build.target = \"x86_64-unknown-linux-gnu\""]);
                // Locks and threads of a std that is not instrumented order nothing for it.
                command.arg("-Zbuild-std");
                command
            }
            Build::Interpreted => {
                let mut command = nightly();
                command.arg("miri");
                command
            }
            _ => Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
        };
        let out = self.folder.join(format!("{}.json", build.target().replace('/', "-")));
        let file = fs::File::create(&out).map_err(|error| format!("{}: {error}", out.display()))?;
        command
            .args(["test", "--no-run", "--release", "--quiet", "--message-format", "json-render-diagnostics"])
            .args(["--test", build.test(), "--manifest-path"])
            .arg(self.folder.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(self.root.join(build.target()))
            .env("RUSTFLAGS", build.flags())
            .stdout(file);
        let status = watched(&mut command, interrupt).map_err(|error| format!("cargo: {error}"))?;
        if !status.success() {
            return Err(format!("no build for {engine}: see above"));
        }
        if build == Build::Interpreted {
            // What Miri runs it finds by itself.
            return Ok((0..self.copies).map(|copy| self.folder.join(copy.to_string())).collect());
        }
        let lines = fs::read_to_string(&out).map_err(|error| format!("{}: {error}", out.display()))?;
        let mut built = vec![None; self.copies];
        for line in lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
            let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
            let (Some(manifest), Some(binary)) = (text(&line["manifest_path"]), text(&line["executable"]))
            else {
                continue;
            };
            let number = Path::new(&manifest).parent().and_then(Path::file_name);
            let number = number.and_then(|name| name.to_str()?.parse::<usize>().ok());
            if let Some(place) = number.and_then(|number| built.get_mut(number)) {
                *place = Some(PathBuf::from(binary));
            }
        }
        built.into_iter().collect::<Option<_>>().ok_or_else(|| format!("cargo named no build for {engine}"))
    }

    /// Runs the tests of the copy in this folder under Miri; what follows is the tests'.
    fn interpreter(&self, copy: &Path) -> Command {
        let mut command = nightly();
        command
            .args([
                "miri",
                "test",
                "--release",
                "--quiet",
                "--test",
                Build::Interpreted.test(),
                "--manifest-path",
            ])
            .arg(copy.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(self.root.join(Build::Interpreted.target()))
            .arg("--");
        command
    }

    /// One hunt in what [`build`](Self::build) gave.
    ///
    /// # Errors
    /// If a process cannot be started, or `interrupt` was set.
    pub fn hunt(
        &self,
        engine: Engine,
        built: &[PathBuf],
        quarry: &Quarry,
        budget: &Budget,
        interrupt: &AtomicBool,
    ) -> Result<Catch, String> {
        let (copy, chosen) = match quarry {
            Quarry::Control(copy) => (*copy, Chosen::Nothing),
            Quarry::Bug(number) => (self.places[*number], Chosen::Bug(number + 1)),
            Quarry::Weaker(..) => (0, Chosen::Nothing),
        };
        let mut command = match engine {
            Engine::Miri => self.interpreter(&built[copy]),
            _ => Command::new(&built[copy]),
        };
        command
            .current_dir(self.folder.join(copy.to_string()))
            .env(schemata::VARIABLE, chosen.value().to_string())
            .env("RUST_BACKTRACE", "0");
        if let Quarry::Weaker(site, weak) = quarry {
            command.env("STEAL_WEAKER", format!("{site} {weak}"));
        }
        match engine {
            Engine::Stress | Engine::ThreadSanitizer => {
                command.env("TSAN_OPTIONS", "halt_on_error=1 exitcode=66");
                // Doubles and losses of real threads; the rest of the tests has one.
                command.args(["threads::", "pool::", "--test-threads", "2", "-q"]);
                command.args(["--skip", "uts"]);
            }
            Engine::Miri => drop(command.args(["-q", "--skip", "cilk", "--skip", "trees", "--skip", "uts"])),
            _ => {
                let scheduler = match engine {
                    Engine::ShuttlePct => "pct",
                    Engine::ShuttleUrw => "urw",
                    _ => "random",
                };
                command.env("STEAL_HUNT", budget.of(engine).to_string()).env("STEAL_SCHEDULER", scheduler);
                command.args(["--exact", "hunt", "--nocapture"]);
            }
        }
        let named = match quarry {
            Quarry::Control(copy) => format!("control-{copy}"),
            Quarry::Bug(number) => format!("bug-{number}"),
            Quarry::Weaker(site, weak) => format!("{site}-{weak}"),
        };
        let log = self.folder.join("logs").join(format!("{named}-{engine:?}.log"));
        let failed = |error: io::Error| format!("{}: {error}", log.display());
        fs::create_dir_all(log.parent().unwrap_or(&self.folder)).map_err(failed)?;
        if engine.build().test() == "it" {
            let mut caught = Catch::default();
            // Miri knows when nothing goes on any more. That something takes long says nothing there.
            let miri = engine == Engine::Miri;
            let seconds = budget.seconds.min(match engine {
                Engine::Stress => RUN_SECONDS,
                Engine::ThreadSanitizer => SANITIZED_RUN_SECONDS,
                _ => budget.seconds,
            });
            // One run in so many may pass by what every engine must see.
            let is_canary = matches!(quarry, Quarry::Bug(number) if self.canaries.contains(number));
            let runs =
                if is_canary && !miri { budget.of(engine).max(CANARY_RUNS) } else { budget.of(engine) };
            for run in 1..=runs {
                if miri {
                    command.env("MIRIFLAGS", format!("{MIRI} -Zmiri-seed={run}"));
                }
                let ended = ended(&mut command, &log, seconds, interrupt).map_err(failed)?;
                caught.effort = run;
                caught.cpu_s += ended.cpu_s;
                if miri && ended.success.is_none() {
                    caught.stopped = true;
                    break;
                }
                if ended.success != Some(true) {
                    caught.found = true;
                    caught.shown = match ended.success {
                        None => "it does not end".to_owned(),
                        Some(_) => why(&ended.said).unwrap_or(ended.how),
                    };
                    break;
                }
            }
            return Ok(caught);
        }
        let ended = ended(&mut command, &log, budget.seconds, interrupt).map_err(failed)?;
        Ok(read_hunt(&ended.said, ended.success, &ended.how, ended.cpu_s))
    }
}

/// What Miri is told beside the seed: as the stage of `cargo xtask test`, and which bug it is to look for.
const MIRI: &str = "-Zmiri-tree-borrows -Zmiri-env-forward=ZOO_CHOICE";

/// The nightly toolchain's cargo.
fn nightly() -> Command {
    let mut command = Command::new("cargo");
    // What this cargo's starter chose would come before the toolchain that is named here.
    command.arg("+nightly").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
    command
}

/// Seconds after which a run of real threads counts as one that does not end: it takes one or two.
const RUN_SECONDS: u64 = 20;
/// The same under ThreadSanitizer, which takes its time.
const SANITIZED_RUN_SECONDS: u64 = 60;

/// Runs of real threads that a canary is hunted in, if no budget has more: schedules are what the machine makes of them.
const CANARY_RUNS: u64 = 10;

/// What a hunt said, and how its process ended: none if it was stopped.
pub fn read_hunt(said: &str, success: Option<bool>, how: &str, cpu_s: f64) -> Catch {
    let mut caught = Catch { cpu_s, ..Catch::default() };
    let mut ended = false;
    for line in said.lines().filter_map(|line| line.split_once("hunt ").map(|(_, rest)| rest)) {
        let Some((word, rest)) = line.split_once(' ') else { continue };
        let (count, model) = rest.split_once(' ').unwrap_or((rest, ""));
        let Ok(count) = count.parse() else { continue };
        match word {
            "begun" => (caught.effort, caught.shown) = (count, model.to_owned()),
            "found" => {
                (caught.found, caught.effort, caught.shown) = (true, count, model.to_owned());
                return caught;
            }
            "nothing" => {
                (caught.effort, caught.shown) = (count, String::new());
                ended = true;
            }
            _ => {}
        }
    }
    match success {
        Some(_) if ended => {}
        None => caught.stopped = true,
        // It died in an execution, after the last that it said it had begun.
        Some(_) => {
            caught.found = true;
            caught.shown = format!("{}: {how}", caught.shown);
        }
    }
    caught
}

/// The line of a test's output that says why.
fn why(said: &str) -> Option<String> {
    const TELLING: [&str; 3] = ["panicked at", "ThreadSanitizer:", "error: "];
    let telling = |line: &&str| TELLING.iter().any(|telling| line.contains(telling));
    let line = said.lines().find(telling)?;
    let next = said.lines().skip_while(|other| *other != line).nth(1).unwrap_or_default();
    Some(format!("{} {}", line.trim(), next.trim()))
}

/// How a process ended.
struct Ended {
    /// None if it was stopped.
    success: Option<bool>,
    how: String,
    said: String,
    cpu_s: f64,
}

fn ended(command: &mut Command, log: &Path, seconds: u64, interrupt: &AtomicBool) -> io::Result<Ended> {
    let file = fs::File::create(log)?;
    let mut child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
    let begun = Instant::now();
    let mut cpu_s = 0.0;
    let status = loop {
        cpu_s = cpu(&child).unwrap_or(cpu_s);
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        // Relaxed: a request, which may be seen late.
        let interrupted = interrupt.load(Ordering::Relaxed);
        if interrupted || begun.elapsed().as_secs() >= seconds {
            child.kill()?;
            child.wait()?;
            if interrupted {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
            }
            break None;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let said = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    let how = status.map_or_else(|| "stopped".to_owned(), |status| status.to_string());
    Ok(Ended { success: status.map(|status| status.success()), how, said, cpu_s })
}

/// The processor time of a process so far, in seconds, where the system tells.
fn cpu(child: &Child) -> Option<f64> {
    const TICKS_PER_S: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    // The name before it may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_S)
}

fn package(algorithm: &str, number: usize) -> String {
    format!("zoo-{algorithm}-{number}")
}

/// All sources of a crate, tests included.
///
/// # Errors
/// If a file cannot be read.
pub fn read(source: &Path) -> io::Result<Sources> {
    schemata::read(source, &["src", "tests"])
}

/// What this manifest says of how crates of others are built for release: what is built alike is built once.
pub fn of_others(manifest: &str) -> String {
    const EACH: &str = "[profile.release.package.";
    let mut told = String::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.starts_with(EACH) && !line.ends_with(".model-check]");
        }
        if inside && !line.is_empty() && !line.starts_with('#') {
            told.extend([line, "\n"]);
        }
    }
    told
}

fn write_root(root: &Path, folder: &Path, algorithm: &str, names: &[String]) -> io::Result<()> {
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let members: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    // The copies hold a test of seconds at most each: to optimise them is to wait longer.
    let profiles: Vec<String> = (0..names.len())
        .map(|number| format!("[profile.release.package.{}]\nopt-level = 1\n", package(algorithm, number)))
        .collect();
    let text = format!(
        "# Generated; see model-check/src/zoo/threads/workshop.rs.\n[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n\
         [workspace.package]{}\n[profile.release]\ndebug = \"line-tables-only\"\n\n{}\n{}",
        members.join(", "),
        settings(root, &manifest),
        of_others(&manifest),
        profiles.join("\n")
    );
    write_if_new(&folder.join("Cargo.toml"), text.as_bytes())?;
    let lock = folder.join("Cargo.lock");
    if !lock.exists() {
        fs::copy(root.join("Cargo.lock"), lock)?;
    }
    Ok(())
}
