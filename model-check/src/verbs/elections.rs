//! `simulate ALGO --elections [--seeds A..B]`: how long a cluster is without a leader after a crash, beside published
//! figures; an artifact `simulate/<algorithm>-elections.json`.

use core::ops::Range;
use std::sync::atomic::AtomicBool;

use reports::artifact::{ElectionClaim, Elections, Finding, Outcome, Payload, Verb};
use reports::command_line::{self, Exit, ProgressLine, Refused};
use reports::recorder::Recorder;

use super::Caller;
use crate::finding;
use crate::registered::Algorithm;

/// The property that what was published comes out again.
const PUBLISHED: &str = "published_figures";

/// Runs the experiment of an algorithm, if it has one, and writes the artifact.
pub(super) fn run(
    algorithm: &dyn Algorithm,
    caller: &Caller,
    common: &command_line::Options,
    seeds: Range<u64>,
    interrupt: &AtomicBool,
) -> Result<Exit, Refused> {
    let name = algorithm.name();
    let Some(experiment) = algorithm.elections() else {
        return Err(Refused::usage(format!("{name} has no experiment about elections: --elections")));
    };
    let command = caller.command("simulate", common);
    let mut recorder =
        Recorder::start(Verb::Simulate, &format!("{name}-elections"), &command).map_err(Refused::missing)?;
    recorder
        .algorithm(name)
        .title(&format!("Elections of {name} after a crash of the leader"))
        .allocator("mimalloc")
        .parameter("seeds", format!("{}..{}", seeds.start, seeds.end))
        .parameter("threads", common.threads);
    let mut line = ProgressLine::new();
    let run = experiment(seeds, common.threads, interrupt, &mut |next| line.show(|| next.to_owned()));
    line.clear();
    let (elections, findings, ended) = match run {
        Ok(Some(elections)) => {
            let broken = elections.claims.iter().filter(|claim| claim.holds == Some(false));
            let findings: Vec<Finding> = broken.map(told).collect();
            let ended = if findings.is_empty() { Outcome::Passed } else { Outcome::Failed };
            (elections, findings, ended)
        }
        Ok(None) => (Elections::default(), Vec::new(), Outcome::Interrupted),
        Err((of, violation)) => {
            let finding = Finding::new(violation.property, format!("{of}: {}", violation.detail));
            (Elections::default(), vec![finding], Outcome::Failed)
        }
    };
    for finding in &findings {
        recorder.finding(finding.clone());
    }
    let exit = Exit::from(&ended);
    let payload = Payload::Elections(elections.clone());
    let path = recorder.finish(ended, payload).map_err(Refused::missing)?;
    if common.json {
        let line = serde_json::json!({ "verb": "simulate", "algorithm": name, "claims": elections.claims,
            "findings": findings, "artifact": path });
        println!("{line}");
        return Ok(exit);
    }
    findings.iter().for_each(finding::print);
    println!("{name}: milliseconds without a leader after a crash, {} servers", elections.servers);
    print_ranges(&elections);
    for ElectionClaim { figure, published, measured, bounds, holds } in &elections.claims {
        let published = published.as_ref().map_or_else(String::new, |said| format!(" (published: {said})"));
        let judged = match (bounds, holds) {
            (Some(bounds), Some(true)) => format!("; holds: {bounds}"),
            (Some(bounds), Some(false)) => format!("; DOES NOT HOLD: {bounds}"),
            (Some(bounds), None) => format!("; not judged on these seeds: {bounds}"),
            (None, _) => "; told only".to_owned(),
        };
        println!("  {figure}: {measured}{published}{judged}");
    }
    println!("  {}", path.display());
    Ok(exit)
}

fn told(claim: &ElectionClaim) -> Finding {
    let bounds = claim.bounds.as_deref().unwrap_or_default();
    Finding::new(PUBLISHED, format!("{}: {}, and must be {bounds}", claim.figure, claim.measured))
}

fn print_ranges(elections: &Elections) {
    let mut plot = "";
    for range in &elections.ranges {
        if range.plot != plot {
            plot = &range.plot;
            println!("  {plot} ({})", range.delays);
            println!(
                "    {:<12} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
                "timeouts", "least", "median", "mean", "90 %", "99 %", "worst", "open"
            );
        }
        let of = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        println!(
            "    {:<12} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
            range.name(),
            of(range.quantile(0.0)),
            of(range.quantile(0.5)),
            of(range.mean()),
            of(range.quantile(0.9)),
            of(range.quantile(0.99)),
            of(range.quantile(1.0)),
            range.open
        );
    }
}
