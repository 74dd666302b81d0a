//! `verify --spin`: the engines and SPIN on the same small models; an artifact `verify/small-models.json`.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use reports::artifact::{Finding, Opinions, Outcome, Payload, Verb};
use reports::command_line::{Exit, ProgressLine, Refused, grouped};
use reports::recorder::Recorder;

use super::verify::Options;
use crate::finding;
use crate::search::Limits;
use crate::yardstick::spin::Spin;
use crate::yardstick::{Without, compare};

/// The property that engines say the same.
const OPINIONS: &str = "engines_agree";

/// A folder of this process alone, gone when it is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // A left-over is of no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Compares the engines, and writes the artifact.
pub(super) fn run(options: &Options, limits: &Limits<'_>) -> Result<Exit, Refused> {
    let command = options.caller.command("verify", &options.common);
    let mut recorder = Recorder::start(Verb::Verify, "small-models", &command).map_err(Refused::missing)?;
    recorder.algorithm("harness").title("Engines on small models").allocator("mimalloc");
    let path = std::env::temp_dir().join(format!("swarmproof-spin-{}", std::process::id()));
    // One that is there already is somebody else's.
    let made = fs::create_dir(&path);
    made.map_err(|error| Refused::missing(format!("{}: {error}", path.display())))?;
    let folder = Folder(path);
    let mut line = ProgressLine::new();
    let compared = compare(&Spin::find(), &folder.0, limits, |name| line.show(|| name.to_owned()));
    line.clear();
    let opinions = match compared {
        Ok(opinions) => opinions,
        Err(Without::Stopped(_)) if limits.interrupt.load(Ordering::Relaxed) => return Ok(Exit::Interrupted),
        Err(Without::Stopped(model)) => {
            return Err(Refused::usage(format!("{model}: our search was cut off")));
        }
        Err(Without::Broken(reason)) => return Err(Refused::missing(reason)),
    };
    let findings = differences(&opinions);
    let outcome = if findings.is_empty() { Outcome::Passed } else { Outcome::Failed };
    let (exit, said) = (Exit::from(&outcome), outcome.name());
    for finding in &findings {
        recorder.finding(finding.clone());
    }
    if !options.common.json {
        tell(&opinions);
    }
    let line = options.common.json.then(|| {
        serde_json::json!({ "verb": "verify", "algorithm": "harness", "outcome": said, "opinions": opinions,
            "findings": findings })
    });
    let path = recorder.finish(outcome, Payload::Opinions(opinions)).map_err(Refused::missing)?;
    match line {
        Some(mut line) => {
            line["artifact"] = serde_json::json!(path);
            println!("{line}");
        }
        None => {
            findings.iter().for_each(finding::print);
            println!("small models: {said}, {}", path.display());
        }
    }
    Ok(exit)
}

/// Where engines differ from what is known.
fn differences(opinions: &Opinions) -> Vec<Finding> {
    let models = opinions.models.iter().filter(|model| !model.agree()).map(|model| {
        Finding::new(OPINIONS, format!("{} has {} states: {:?}", model.name, model.known, model.states))
    });
    let promises = opinions.promises.iter().filter(|promise| !promise.agree()).map(|promise| {
        let kept = if promise.known { "kept" } else { "broken" };
        let detail = format!("{}: {} is {kept}: {:?}", promise.model, promise.name, promise.kept);
        Finding::new(OPINIONS, detail)
    });
    models.chain(promises).collect()
}

fn tell(opinions: &Opinions) {
    match &opinions.spin {
        Some(version) => println!("{version}"),
        None => {
            println!("SPIN is SKIPPED: {} not installed (apt-get install spin)", opinions.missing.join(", "));
        }
    }
    for model in &opinions.models {
        let states = model.states.iter().map(|(engine, states)| format!("{engine} {}", grouped(*states)));
        println!("  {}: {}", model.name, states.collect::<Vec<_>>().join(", "));
    }
    let broken = opinions.promises.iter().filter(|promise| !promise.known).count();
    println!("  {} promises, {broken} of them known to be broken", opinions.promises.len());
}

#[cfg(test)]
mod tests {
    use reports::artifact::{ComparedModel, ComparedPromise};

    use super::*;

    #[test]
    fn whoever_differs_is_found() {
        let states = |spin| [("own".to_owned(), 14), ("SPIN".to_owned(), spin)].into();
        let kept = |spin| [("own".to_owned(), true), ("SPIN".to_owned(), spin)].into();
        let model = |spin| ComparedModel { name: "bits".to_owned(), known: 14, states: states(spin) };
        let promise = |spin| ComparedPromise {
            model: "bits".to_owned(),
            name: "received".to_owned(),
            known: true,
            kept: kept(spin),
        };
        let found = |spin, kept| {
            let (models, promises) = (vec![model(spin)], vec![promise(kept)]);
            differences(&Opinions { models, promises, ..Opinions::default() }).len()
        };
        assert_eq!((found(14, true), found(15, true), found(14, false), found(1, false)), (0, 1, 1, 2));
    }
}
