//! `report [--out DIR] [--json]`: the page of what the other verbs have left.

use std::path::PathBuf;
use std::process::ExitCode;

use reports::artifact::Outcome;
use reports::command_line::{self, Exit, Refused};
use reports::site::Site;
use reports::{recorder, store};

use super::Caller;

const HELP: &str = "\
report [--out DIR] [--json]

Renders what the other verbs have left below target/artifacts as HTML, Markdown and CSV.

  --out DIR   where to (default: target/report)
  --json      one JSON object
";

struct Options {
    out: PathBuf,
    json: bool,
}

fn options(caller: Caller) -> Result<Option<Options>, Refused> {
    let mut out = None;
    let common = caller.read(&[], |option, parser| {
        match option {
            "out" => out = Some(command_line::value(parser, option)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(common) = common else { return Ok(None) };
    caller.algorithm(&common)?;
    let out = match out {
        Some(out) => out,
        None => store::workspace_root().map_err(Refused::missing)?.join("target/report"),
    };
    Ok(Some(Options { out, json: common.json }))
}

/// Runs the verb.
pub fn main(caller: Caller) -> ExitCode {
    command_line::main("report", HELP, || options(caller), run)
}

fn run(options: &Options) -> Result<Exit, Refused> {
    let root = store::default_root().map_err(Refused::missing)?;
    let site = Site::read(&root, recorder::revision().0);
    for unreadable in &site.unreadable {
        eprintln!("report: unreadable artifact {unreadable}");
    }
    let refused = |error| Refused::missing(format!("cannot write below {}: {error}", options.out.display()));
    let index = site.write(&root, &options.out).map_err(refused)?;
    let failed = site.artifacts.iter().filter(|artifact| artifact.outcome == Outcome::Failed).count();
    let (read, unreadable) = (site.artifacts.len(), site.unreadable.len());
    if options.json {
        let line = serde_json::json!({ "verb": "report", "report": index, "artifacts": read, "failed": failed,
            "unreadable": unreadable });
        println!("{line}");
    } else {
        println!("{}: {read} artifacts, {failed} failed, {unreadable} unreadable", index.display());
    }
    Ok(if failed > 0 { Exit::Finding } else { Exit::Fine })
}
