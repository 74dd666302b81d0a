//! `report`: runs every engine whose artifact is missing or stale for this revision, then has the site
//! rendered.
//!
//! Each step is this very program with another verb, so that a step of the report and the command a reader
//! types are the same thing. Findings do not stop it: a report that shows them is the point. What is fresh
//! is decided by [`plan`].

mod plan;

use std::env;
use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime};

use self::plan::{Checkout, Depth, Step};
use crate::cli::Invocation;
use crate::exit::Exit;
use crate::json::Object;
use crate::process::{self, NESTED, Program, Stream, tail};
use crate::progress::{Paint, Progress, duration, painted};
use crate::workspace::Workspace;

/// How much of a log is shown when a step ends with a finding, in bytes.
const SHOWN_BYTES: u64 = 3_000;
/// What `--quick` may take after the first build, in seconds.
const QUICK_SECONDS: f64 = 600.0;

/// What is built before the clock of the steps runs.
const BUILDS: [&str; 2] = [
    "build --release -p model-check -p fuzz -p reports --bins",
    "build --profile bench -p bench --features peers --bins",
];

/// Runs what is stale and renders.
pub(crate) fn run(workspace: &Workspace, invocation: &Invocation) -> Exit {
    let depth = if invocation.has("full") { Depth::Full } else { Depth::Quick };
    let checkout = Checkout::look(workspace);
    let mut report = Report { workspace, json: invocation.json, worst: Exit::Fine };
    if !invocation.has("render-only") {
        report.note(&checkout.shown());
        let steps = plan::steps(&workspace.algorithms(), &workspace.zoos(), &workspace.fuzz_targets(), depth);
        report.run_stale(&steps, &checkout, depth);
    }
    if process::interrupted() {
        eprintln!("interrupted: finished artifacts are kept, the same command goes on from them");
        return Exit::Interrupted;
    }
    report.render(invocation.value("out").unwrap_or("target/report"));
    if process::interrupted() { Exit::Interrupted } else { report.worst }
}

struct Report<'a> {
    workspace: &'a Workspace,
    json: bool,
    worst: Exit,
}

impl Report<'_> {
    fn run_stale(&mut self, steps: &[Step], checkout: &Checkout, depth: Depth) {
        let stale: Vec<(&Step, Option<String>)> =
            steps.iter().map(|step| (step, step.stale(&self.workspace.artifacts, checkout))).collect();
        if stale.iter().any(|(_, reason)| reason.is_some()) {
            self.build();
        }
        let start = Instant::now();
        for (step, reason) in stale {
            if process::interrupted() {
                return;
            }
            match reason {
                None => self.print(&step.name, Ok("fresh"), 0.0, ""),
                Some(reason) => self.step(step, &reason),
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        self.note(&format!("ran in {}", duration(seconds)));
        if depth == Depth::Quick && seconds > QUICK_SECONDS {
            eprintln!("note: --quick should end within {}", duration(QUICK_SECONDS));
        }
    }

    /// Builds what the steps start. What does not compile is a finding of its own; the steps that need it will
    /// say so too.
    fn build(&mut self) {
        for line in BUILDS {
            let program = Program::cargo(line);
            let ended = program.run(&self.workspace.root, &Stream::Error, &Stream::Ours, || ());
            if process::interrupted() {
                return;
            }
            match ended {
                Ok(ended) if ended.fine() => {}
                Ok(ended) => self.print("build", Err(&program.shown()), ended.seconds, ""),
                Err(reason) => self.print("build", Err(&reason), 0.0, ""),
            }
        }
        super::fuzz::prepare(self.workspace);
    }

    fn step(&mut self, step: &Step, stale: &str) {
        let name = &step.name;
        let log = self.workspace.target.join("xtask/report").join(format!("{}.log", name.replace(' ', "-")));
        if log.exists()
            && let Err(error) = fs::remove_file(&log)
        {
            return self.print(name, Err(&format!("{}: {error}", log.display())), 0.0, "");
        }
        let program = match env::current_exe() {
            Ok(own) => Program::new([own.display().to_string()]).args(step.words.clone()).env(NESTED, "1"),
            Err(error) => return self.print(name, Err(&format!("who am I? {error}")), 0.0, ""),
        };
        let started = SystemTime::now();
        let clock = Instant::now();
        let mut progress = Progress::new();
        let stream = Stream::File(log.clone());
        let ended = program.run(&self.workspace.root, &stream, &stream, || {
            progress.show(|| {
                let end = tail(&log, 400);
                let last = end.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(stale);
                format!("{name}  {}  {}", duration(clock.elapsed().as_secs_f64()), last.trim())
            });
        });
        progress.clear();
        if process::interrupted() {
            return;
        }
        let seconds = clock.elapsed().as_secs_f64();
        let shown = || format!("{}\nlog: {}", tail(&log, SHOWN_BYTES).trim_end(), self.workspace.shown(&log));
        match ended.map(|ended| Exit::from_child(ended.code)) {
            Ok(Exit::Fine) => match step.unwritten(&self.workspace.artifacts, started) {
                None => self.print(name, Ok("ok"), seconds, ""),
                Some(path) => {
                    let reason = format!("ended well but left no {}", self.workspace.shown(&path));
                    let detail = shown();
                    self.print(name, Err(&reason), seconds, &detail);
                }
            },
            Ok(Exit::Missing) => {
                let end = tail(&log, SHOWN_BYTES);
                let reason =
                    end.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("something is missing");
                self.print(name, Ok("SKIPPED"), seconds, reason.trim());
            }
            Ok(_) => {
                let detail = shown();
                self.print(name, Err(&step.command()), seconds, &detail);
            }
            Err(reason) => self.print(name, Err(&reason), seconds, ""),
        }
    }

    /// One line for one step: `Ok` with a word, or `Err` with what is wrong.
    fn print(&mut self, name: &str, outcome: Result<&str, &str>, seconds: f64, detail: &str) {
        if outcome.is_err() {
            self.worst = Exit::Finding;
        }
        if self.json {
            let line = Object::new().text("verb", "report").text("step", name);
            let line = line.text("outcome", outcome.unwrap_or("finding")).seconds("seconds", seconds);
            println!("{}", line.maybe_text("reason", outcome.err()).text("detail", detail).end());
            return;
        }
        match outcome {
            Ok("SKIPPED") => println!("{} {name}: {detail}", painted(Paint::Odd, "SKIPPED")),
            Ok(word) => println!(
                "{} {name:<30} {:>12}",
                painted(Paint::Good, &format!("{word:<7}")),
                duration(seconds)
            ),
            Err(reason) => {
                println!("{} {name:<30} {:>12}  {reason}", painted(Paint::Bad, "FINDING"), duration(seconds));
                for line in detail.lines() {
                    println!("    | {line}");
                }
            }
        }
    }

    fn note(&self, text: &str) {
        if self.json { eprintln!("{text}") } else { println!("{text}") }
    }

    fn render(&mut self, out: &str) {
        let program = Program::cargo("run --release -p reports --bin report -- --out").args([out]);
        let log = self.workspace.target.join("xtask/report/render.log");
        let _ = fs::remove_file(&log);
        let folder = self.workspace.root.join(out);
        let index = folder.join("index.html");
        let begun = SystemTime::now();
        let stream = Stream::File(log.clone());
        let ended = program.run(&self.workspace.root, &stream, &stream, || ());
        match ended {
            _ if process::interrupted() => {}
            // 1 says that the site shows findings, those of artifacts that were fresh among them.
            Ok(ended) if matches!(ended.code, Some(0 | 1)) && plan::written_since(&index, begun) => {
                if !ended.fine() {
                    self.worst = Exit::Finding;
                }
                self.show(&folder, &index);
            }
            Ok(ended) => {
                let reason = format!("{}: {}", ended.shown(), program.shown());
                self.print("render", Err(&reason), ended.seconds, &tail(&log, SHOWN_BYTES));
            }
            Err(reason) => self.print("render", Err(&reason), 0.0, ""),
        }
    }

    fn show(&self, folder: &Path, index: &Path) {
        let index = self.workspace.shown(index);
        if self.json {
            println!(
                "{}",
                Object::new()
                    .text("verb", "report")
                    .text("outcome", self.worst.word())
                    .text("report", &index)
                    .end()
            );
            return;
        }
        if let Ok(summary) = fs::read_to_string(folder.join("summary.md")) {
            println!("\n{}\n", summary.trim());
        }
        println!("report: {index}");
    }
}
