//! `test`: everything CI runs, stage by stage.
//!
//! Stages that build in the same place run one after another, in the order of the table; beside them run those that build
//! elsewhere. Each says how it ended when it ends.
//!
//! A stage that fails does not keep the later ones from running; a stage that this machine cannot run says
//! `SKIPPED name: reason`. Nobody reads a thousand lines of passing tests: output goes to a log per stage, and
//! its end is shown if the stage failed. The last line, `N passed, N failed, N skipped`, is for machines. How each
//! stage ended is left as the artifact `test/workspace.json`.
//!
//! Verified by tests of the table ([`stages`]), of the counting ([`tally`]) and of what runs side by side ([`lanes`]).

mod drop_in;
mod lanes;
mod stages;
mod tally;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use self::drop_in::{DropIn, Refusal};
use self::lanes::Board;
use self::stages::{Stage, Work};
use self::tally::Tally;
use super::{launch, tidy};
use crate::cli::Invocation;
use crate::exit::Exit;
use crate::json::Object;
use crate::process::{self, COMMAND, Program, Stream, tail};
use crate::progress::{Paint, duration, painted};
use crate::workspace::Workspace;

/// How much of a failed stage's log is shown, in bytes.
const SHOWN_BYTES: u64 = 6_000;

/// The names of all stages.
pub(crate) fn names() -> Vec<String> {
    stages::all(&[], &[], Path::new("target")).into_iter().map(|stage| stage.name.to_owned()).collect()
}

/// Runs the stages named, or all.
pub(crate) fn run(workspace: &Workspace, invocation: &Invocation) -> Exit {
    let start = Instant::now();
    let mut stages = stages::all(&workspace.algorithms(), &workspace.zoos(), &workspace.target);
    stages.retain(|stage| {
        invocation.names.is_empty() || invocation.names.iter().any(|name| name == stage.name)
    });
    if invocation.has("list") {
        for stage in &stages {
            list(workspace, stage, invocation.json);
        }
        return Exit::Fine;
    }
    let began = SystemTime::now();
    let board = Board::new();
    let lanes: Vec<_> = stages.iter().map(|stage| stage.lane).collect();
    let ended = lanes::side_by_side(&lanes, |number| {
        let stage = &stages[number];
        let stage_start = Instant::now();
        let result = ended(workspace, stage, &board);
        let seconds = stage_start.elapsed().as_secs_f64();
        let line = json(stage, &result, seconds);
        // Until all of it is said, nobody else says anything.
        board.end(stage.name, || {
            if invocation.json { println!("{line}") } else { print(stage, &result, seconds) }
        });
        (result.tally, line)
    });
    let mut total = Tally::default();
    let mut lines = String::new();
    for (tally, line) in ended {
        total.add(&tally);
        lines += &line;
        lines.push('\n');
    }
    // Some stages must not stand in for all.
    let subject = if invocation.names.is_empty() { "workspace" } else { "workspace-part" };
    record(workspace, invocation, subject, &lines, began);
    let exit = match () {
        () if process::interrupted() => Exit::Interrupted,
        () if total.failed > 0 => Exit::Finding,
        () => Exit::Fine,
    };
    let seconds = start.elapsed().as_secs_f64();
    if invocation.json {
        let line =
            Object::new().text("verb", "test").text("outcome", exit.word()).count("passed", total.passed);
        let line =
            line.count("failed", total.failed).count("skipped", total.skipped).seconds("seconds", seconds);
        println!("{}", line.end());
    } else {
        println!("{} stages in {}", stages.len(), duration(seconds));
        println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    }
    exit
}

/// Runs a stage, unless it cannot be run.
fn ended(workspace: &Workspace, stage: &Stage, board: &Board) -> Result {
    if process::interrupted() {
        Result::skipped("interrupted")
    } else if let Some(lacking) = stage.needs.iter().find_map(|need| need.lacking(workspace)) {
        Result::skipped(&lacking)
    } else {
        match Runner::new(workspace, stage, board).run() {
            // Whatever it says, it was not allowed to end.
            _ if process::interrupted() => Result::skipped("interrupted"),
            result => result,
        }
    }
}

/// How one stage ended.
#[derive(Debug)]
struct Result {
    tally: Tally,
    /// Lines `SKIPPED name: reason` that tests printed, and the stage's own.
    skipped: Vec<String>,
    /// Why it failed, and the end of its log.
    failure: Option<(String, String)>,
}

impl Result {
    fn skipped(reason: &str) -> Result {
        let tally = Tally { skipped: 1, ..Tally::default() };
        Result { tally, skipped: vec![reason.to_owned()], failure: None }
    }
}

/// One stage being run.
struct Runner<'a> {
    workspace: &'a Workspace,
    stage: &'a Stage,
    log: PathBuf,
    board: &'a Board,
}

impl<'a> Runner<'a> {
    fn new(workspace: &'a Workspace, stage: &'a Stage, board: &'a Board) -> Runner<'a> {
        let log = workspace.target.join("xtask/test").join(format!("{}.log", stage.name));
        Runner { workspace, stage, log, board }
    }

    fn run(self) -> Result {
        if self.log.exists()
            && let Err(error) = fs::remove_file(&self.log)
        {
            return self.failed(Tally::default(), format!("{}: {error}", self.log.display()), String::new());
        }
        if let Some(build) = &self.stage.build
            && let Err(reason) = self.program(build, &self.log.clone())
        {
            return self.failed(Tally::one_failed(), reason, tail(&self.log, SHOWN_BYTES));
        }
        match &self.stage.work {
            Work::Programs(programs) => self.each(programs),
            Work::Tests(programs) => self.tests(programs),
            Work::SameOutput { groups, lines } => self.same_output(groups, *lines),
            Work::DropIns(all) => self.drop_ins(all),
            Work::Tidy => self.tidy(),
        }
    }

    /// All programs must end with 0. The stage counts as one, and so does everything that they say they left out.
    fn each(&self, programs: &[Program]) -> Result {
        for program in programs {
            if let Err(reason) = self.program(program, &self.log.clone()) {
                return self.failed(Tally::one_failed(), reason, tail(&self.log, SHOWN_BYTES));
            }
        }
        let log = fs::read(&self.log).unwrap_or_default();
        let skipped = tally::skips(&String::from_utf8_lossy(&log));
        passed(Tally { skipped: skipped.len() as u64, ..Tally::one_passed() }, skipped)
    }

    /// As [`each`](Self::each), but every test counts.
    fn tests(&self, programs: &[Program]) -> Result {
        let mut reasons = Vec::new();
        for program in programs {
            // A failed program must not keep the next one from being counted.
            reasons.extend(self.program(program, &self.log.clone()).err());
        }
        let log = fs::read(&self.log).unwrap_or_default();
        let (mut tally, skipped) = tally::of_cargo_test(&String::from_utf8_lossy(&log));
        if let Some(reason) = reasons.into_iter().next() {
            tally.failed = tally.failed.max(1);
            return Result {
                skipped,
                ..self.failed(tally, reason, tally::failures(&String::from_utf8_lossy(&log), SHOWN_BYTES))
            };
        }
        if tally.passed == 0 {
            let reason = "no test ran: a stage without tests proves nothing".to_owned();
            return self.failed(Tally::one_failed(), reason, tail(&self.log, SHOWN_BYTES));
        }
        passed(tally, skipped)
    }

    /// As [`tests`](Self::tests), with as many as each peer has.
    fn drop_ins(&self, all: &[DropIn]) -> Result {
        let mut programs = Vec::new();
        let mut skipped = Vec::new();
        for one in all {
            match one.generate(self.workspace) {
                Ok(()) => programs.push(one.program(self.workspace)),
                Err(Refusal::Missing(reason)) => skipped.push(reason),
                Err(Refusal::Failed(reason)) => {
                    return self.failed(Tally::one_failed(), reason, String::new());
                }
            }
        }
        if programs.is_empty() {
            return Result::skipped(&skipped.join("; "));
        }
        let expected: u64 = all.iter().map(|one| one.tests).sum();
        let mut result = self.tests(&programs);
        if result.failure.is_none() && skipped.is_empty() && result.tally.passed < expected {
            let reason = format!("{} tests passed, {expected} expected", result.tally.passed);
            let tally = Tally { failed: 1, ..result.tally };
            result = self.failed(tally, reason, tail(&self.log, SHOWN_BYTES));
        }
        result.tally.skipped += skipped.len() as u64;
        result.skipped.extend(skipped);
        result
    }

    /// All programs of a group must print the same, `lines` lines of it. The stage counts as one.
    fn same_output(&self, groups: &[Vec<Program>], lines: usize) -> Result {
        for (i, group) in groups.iter().enumerate() {
            let mut outputs: Vec<(String, String)> = Vec::new();
            for (j, program) in group.iter().enumerate() {
                let out = self.log.with_extension(format!("{i}-{j}.out"));
                let _ = fs::remove_file(&out);
                if let Err(reason) = self.program(program, &out) {
                    return self.failed(Tally::one_failed(), reason, tail(&self.log, SHOWN_BYTES));
                }
                let output = fs::read(&out).unwrap_or_default();
                outputs.push((program.shown(), String::from_utf8_lossy(&output).into_owned()));
            }
            if let Some((reason, detail)) = difference(&outputs, lines) {
                return self.failed(Tally::one_failed(), reason, detail);
            }
        }
        passed(Tally::one_passed(), Vec::new())
    }

    fn tidy(&self) -> Result {
        match tidy::complaints(self.workspace) {
            Ok(complaints) if complaints.is_empty() => passed(Tally::one_passed(), Vec::new()),
            Ok(complaints) => {
                let lines: Vec<String> = complaints.iter().map(ToString::to_string).collect();
                self.failed(Tally::one_failed(), format!("{} complaints", complaints.len()), lines.join("\n"))
            }
            Err(reason) => self.failed(Tally::one_failed(), reason, String::new()),
        }
    }

    /// Runs one program with its errors in the log. The answer says why that was not fine.
    fn program(&self, program: &Program, stdout: &Path) -> std::result::Result<(), String> {
        let start = Instant::now();
        let log = &self.log;
        let ended = program.run(
            &self.workspace.root,
            &Stream::File(stdout.to_owned()),
            &Stream::File(log.clone()),
            || self.board.show(self.stage.name, start.elapsed().as_secs_f64(), || last_line(log)),
        );
        match ended {
            Ok(ended) if ended.fine() => Ok(()),
            Ok(ended) => Err(format!("{}: {}", ended.shown(), program.shown())),
            Err(reason) => Err(reason),
        }
    }

    fn failed(&self, tally: Tally, reason: String, detail: String) -> Result {
        let log = if self.log.exists() {
            format!("{detail}\nlog: {}", self.workspace.shown(&self.log))
        } else {
            detail
        };
        Result { tally, skipped: Vec::new(), failure: Some((reason, log)) }
    }
}

/// What was last said in a log.
fn last_line(log: &Path) -> String {
    let end = tail(log, 400);
    end.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

/// Why these outputs (of these commands) are not the same `lines` lines, in a word and in detail.
fn difference(outputs: &[(String, String)], lines: usize) -> Option<(String, String)> {
    if let Some((command, output)) = outputs.iter().find(|(_, output)| output.lines().count() != lines) {
        let printed = output.lines().count();
        return Some((format!("{lines} lines expected, {printed} printed: {command}"), output.clone()));
    }
    let ((reference, expected), others) = outputs.split_first()?;
    others.iter().find_map(|(command, output)| {
        let (one, other) = expected.lines().zip(output.lines()).find(|(one, other)| one != other)?;
        let detail = format!("{reference}\n    {one}\n{command}\n    {other}\n");
        Some(("two runs of one seed differ".to_owned(), detail))
    })
}

fn passed(tally: Tally, skipped: Vec<String>) -> Result {
    Result { tally, skipped, failure: None }
}

fn print(stage: &Stage, result: &Result, seconds: f64) {
    let Tally { passed, failed, skipped } = result.tally;
    let counts = if passed + failed + skipped > 1 {
        format!("  {passed} passed, {failed} failed, {skipped} skipped")
    } else {
        String::new()
    };
    match &result.failure {
        Some((reason, detail)) => {
            println!(
                "{} {:<14}{:>12}{counts}\n    {reason}",
                painted(Paint::Bad, "FAILED"),
                stage.name,
                duration(seconds)
            );
            for line in detail.lines() {
                println!("    | {line}");
            }
        }
        None if passed > 0 => {
            println!(
                "{}     {:<14}{:>12}{counts}",
                painted(Paint::Good, "ok"),
                stage.name,
                duration(seconds)
            );
        }
        None => {}
    }
    for reason in &result.skipped {
        // A test's own line names the test; a stage is named by us.
        let line = if passed + failed == 0 { format!("{}: {reason}", stage.name) } else { reason.clone() };
        println!("{} {line}", painted(Paint::Odd, "SKIPPED"));
    }
}

/// Leaves the artifact. What the stages said stands, whether or not it can be written.
fn record(workspace: &Workspace, invocation: &Invocation, subject: &str, lines: &str, began: SystemTime) {
    let file = workspace.target.join("xtask/test/stages.jsonl");
    if let Err(error) = process::write_whole(&file, lines.as_bytes()) {
        eprintln!("xtask: no artifact: {}: {error}", file.display());
        return;
    }
    let program = launch::record("test", subject, "harness", began);
    let program = program.args(["--lines", &workspace.shown(&file)]).env(COMMAND, &invocation.command());
    if let Err(reason) = launch::recorded(workspace, &program) {
        eprintln!("xtask: no artifact: {reason}");
    }
}

fn json(stage: &Stage, result: &Result, seconds: f64) -> String {
    let outcome = match &result.failure {
        Some(_) => "failed",
        None if result.tally.passed > 0 => "passed",
        None => "skipped",
    };
    let line = Object::new()
        .text("verb", "test")
        .text("stage", stage.name)
        .text("outcome", outcome)
        .count("passed", result.tally.passed)
        .count("failed", result.tally.failed)
        .count("skipped", result.tally.skipped)
        .seconds("seconds", seconds)
        .maybe_text("reason", result.failure.as_ref().map(|(reason, _)| reason.as_str()))
        .maybe_text("not run", (!result.skipped.is_empty()).then(|| result.skipped.join("; ")).as_deref());
    line.end()
}

fn list(workspace: &Workspace, stage: &Stage, json: bool) {
    let commands: Vec<String> = match &stage.work {
        Work::Programs(programs) | Work::Tests(programs) => programs.iter().map(Program::shown).collect(),
        Work::SameOutput { groups, .. } => groups.iter().flatten().map(Program::shown).collect(),
        Work::DropIns(all) => all.iter().map(|one| one.program(workspace).shown()).collect(),
        Work::Tidy => vec!["cargo xtask tidy".to_owned()],
    };
    if json {
        println!("{}", Object::new().text("stage", stage.name).text("commands", &commands.join("\n")).end());
    } else {
        println!("{:<14}{}", stage.name, stage.about);
        for command in commands {
            println!("{:<14}  {command}", "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_the_same_only_if_every_line_is_and_all_are_there() {
        let run = |command: &str, output: &str| (command.to_owned(), output.to_owned());
        assert_eq!(difference(&[run("a", "1\n2\n"), run("b", "1\n2\n")], 2), None);
        let (reason, detail) = difference(&[run("a", "1\n2\n"), run("b", "1\n3\n")], 2).expect("they differ");
        assert_eq!(reason, "two runs of one seed differ");
        assert_eq!(detail, "a\n    2\nb\n    3\n");
        let (reason, _) = difference(&[run("a", ""), run("b", "")], 2).expect("nothing was printed");
        assert_eq!(reason, "2 lines expected, 0 printed: a");
    }
}
