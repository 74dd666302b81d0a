//! Renders the site from artifacts: `report [--artifacts DIR] [--out DIR] [--revision REV] [--json]`.
//!
//! Exit codes: 0 rendered; 1 rendered, and some run failed; 2 wrong usage; 3 the files could not be written.
//! Artifacts that cannot be read are listed on standard error and in the report, and change nothing else.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;
use reports::artifact::Outcome;
use reports::{recorder, site::Site, store};

const HELP: &str = "\
Renders target/report from the artifacts of all verbs.

Usage: report [--artifacts DIR] [--out DIR] [--revision REV] [--json]

  --artifacts DIR  read artifacts below DIR (default: $SWARMPROOF_ARTIFACTS, else target/artifacts)
  --out DIR        write the site to DIR (default: target/report)
  --revision REV   mark artifacts of other revisions as stale (default: what git says)
  --json           say what was done as one JSON object on standard output
";

struct Options {
    artifacts: PathBuf,
    out: PathBuf,
    revision: Option<String>,
    json: bool,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("report: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let site = Site::read(&options.artifacts, options.revision);
    for unreadable in &site.unreadable {
        eprintln!("report: unreadable artifact {unreadable}");
    }
    let index = match site.write(&options.artifacts, &options.out) {
        Ok(index) => index,
        Err(error) => {
            eprintln!("report: cannot write below {}: {error}", options.out.display());
            return ExitCode::from(3);
        }
    };
    let failed = site.artifacts.iter().filter(|artifact| artifact.outcome == Outcome::Failed).count();
    let (read, unreadable) = (site.artifacts.len(), site.unreadable.len());
    if options.json {
        let index = index.display().to_string();
        println!(
            "{}",
            serde_json::json!({ "report": index, "artifacts": read, "failed": failed, "unreadable": unreadable })
        );
    } else {
        println!("{}: {read} artifacts, {failed} failed, {unreadable} unreadable", index.display());
    }
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The options, or none if help was asked for.
fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Option<Options>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut artifacts, mut out, mut revision, mut json) = (None, None, None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("artifacts") => artifacts = Some(parser.value()?.into()),
            Long("out") => out = Some(parser.value()?.into()),
            Long("revision") => revision = Some(parser.value()?.string()?),
            Long("json") => json = true,
            Short('h') | Long("help") => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    let or = |given: Option<PathBuf>, default: fn() -> std::io::Result<PathBuf>| match given {
        Some(given) => Ok(given),
        None => default().map_err(|error| lexopt::Error::Custom(error.into())),
    };
    let artifacts = or(artifacts, store::default_root)?;
    let out = or(out, || Ok(store::workspace_root()?.join("target/report")))?;
    let revision = revision.or_else(|| recorder::revision().0);
    Ok(Some(Options { artifacts, out, revision, json }))
}
