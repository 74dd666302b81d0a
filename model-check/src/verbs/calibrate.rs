//! `verify [ALGO…] --calibrate`: how much of what can be reached each sampler sees; an artifact
//! `verify/<algorithm>-calibration.json`.

use std::sync::Mutex;

use reports::artifact::{CalibratedInstance, Calibration, Finding, Outcome, Payload, Seen, Verb};
use reports::command_line::{Exit, ProgressLine, Refused, grouped};
use reports::recorder::Recorder;
use reports::statistics;

use super::verify::Options;
use crate::calibration::{Effort, STATES_MAX, Without};
use crate::finding;
use crate::registered::{Algorithm, Extent};

/// The property that walks meet nothing that a search of all there is has not met.
const STRANGERS: &str = "calibration";

/// Calibrates the samplers on the instances of one algorithm that are small enough, and writes the artifact.
pub(super) fn run(
    algorithm: &dyn Algorithm,
    options: &Options,
    effort: &Effort<'_>,
) -> Result<Exit, Refused> {
    let name = algorithm.name();
    let command = options.caller.command("verify", &options.common);
    let mut recorder =
        Recorder::start(Verb::Verify, &format!("{name}-calibration"), &command).map_err(Refused::missing)?;
    recorder
        .algorithm(name)
        .title(&format!("How much of {name} samplers see"))
        .allocator("mimalloc")
        .parameter("effort", options.common.effort.name())
        .parameter("seeds", effort.seeds)
        .parameter("threads", effort.threads)
        .parameter("states at most", grouped(STATES_MAX));
    let (mut calibration, mut findings, mut outcome) = (Calibration::default(), Vec::new(), Outcome::Passed);
    for check in algorithm.instances(Extent::Explorable) {
        let line = Mutex::new(ProgressLine::new());
        let calibrated = check.calibrate(effort, &|done, all| {
            if let Ok(mut line) = line.try_lock() {
                line.show(|| format!("{}: {done} of {all} seeds", check.name()));
            }
        });
        if let Ok(mut line) = line.lock() {
            line.clear();
        }
        match calibrated {
            Ok(calibrated) => {
                if calibrated.strangers > 0 {
                    let detail = format!(
                        "{}: walks met {} that a search of all there is has not met",
                        calibrated.name,
                        grouped(calibrated.strangers)
                    );
                    findings.push(Finding::new(STRANGERS, detail));
                }
                tell(&calibrated, options.common.json);
                calibration.instances.push(calibrated);
            }
            Err(Without::Reason(reason)) => {
                if !options.common.json {
                    println!("{}: left out: {reason}", check.name());
                }
                calibration.left_out.insert(check.name().to_owned(), reason);
            }
            Err(Without::Interrupted) => {
                outcome = Outcome::Interrupted;
                break;
            }
        }
    }
    if calibration.instances.is_empty() && outcome == Outcome::Passed {
        return Err(Refused::usage(format!("{name} has no instance that is small enough")));
    }
    if !findings.is_empty() && outcome == Outcome::Passed {
        outcome = Outcome::Failed;
    }
    let (exit, said, count) = (Exit::from(&outcome), outcome.name(), calibration.instances.len());
    for finding in &findings {
        recorder.finding(finding.clone());
    }
    let path = recorder.finish(outcome, Payload::Calibration(calibration)).map_err(Refused::missing)?;
    if options.common.json {
        let line = serde_json::json!({ "verb": "verify", "algorithm": name, "outcome": said,
            "calibrated": count, "findings": findings, "artifact": path });
        println!("{line}");
    } else {
        findings.iter().for_each(finding::print);
        println!("{name}: {said}, {count} instances calibrated, {}", path.display());
    }
    Ok(exit)
}

fn tell(calibrated: &CalibratedInstance, json: bool) {
    if json {
        println!("{}", serde_json::json!({ "verb": "verify", "calibrated": calibrated }));
        return;
    }
    let CalibratedInstance { name, states, abstract_states, walk_events, .. } = calibrated;
    println!(
        "{name}: {} states, {} abstract; walks of at most {walk_events} events",
        grouped(*states),
        grouped(*abstract_states)
    );
    for sampler in &calibrated.samplers {
        let default = if sampler.default { " (default)" } else { "" };
        println!("  {}{default}", sampler.sampler);
        for point in &sampler.points {
            println!("    {:>9} events: {}", grouped(point.events), shares("states", &point.states));
            println!("    {:>9}         {}", "", shares("abstract", &point.abstract_states));
        }
    }
}

fn shares(of: &str, seen: &Seen) -> String {
    let mean = |samples: &[f64]| {
        if samples.is_empty() {
            return "-".to_owned();
        }
        let (mean, interval) = statistics::mean_interval(samples);
        format!("{:.2} % ({:.2} to {:.2})", mean * 100.0, interval.low * 100.0, interval.high * 100.0)
    };
    format!(
        "{of:8} {} seen; further visits claimed new {}, came true {}",
        mean(&seen.share),
        mean(&seen.claimed),
        mean(&seen.came_true)
    )
}
