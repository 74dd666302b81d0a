//! The bug zoo: which engine finds which bug, and after how much work.

use super::Site;
use super::page::Page;
use crate::artifact::{Bug, Detection, Payload, Verb};
use crate::number;
use crate::statistics;
use crate::table::{Cell, Table, Tone};

pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("zoo", "The bug zoo: would we notice?", |page| {
        if !page.runs(site, algorithm, Verb::Zoo) {
            return;
        }
        page.paragraph(
            "Real bugs of real systems, put back into this code one at a time by an edit. A bug counts as found only \
             where the same engine, with the same settings, finds nothing in the code without the edit. Canaries \
             show that the pipeline is alive; hard ones are kept because random search misses them.",
        );
        let bugs: Vec<&Bug> = site
            .results(algorithm, Verb::Zoo)
            .filter_map(|artifact| if let Payload::Zoo(zoo) = &artifact.payload { Some(&zoo.bugs) } else { None })
            .flatten()
            .collect();
        page.table(verdicts(algorithm, &bugs));
        page.table(detections(algorithm, &bugs));
        let shown: Vec<_> = bugs.iter().filter_map(|bug| Some((bug, bug.counterexample.as_ref()?))).collect();
        if !shown.is_empty() {
            page.heading("Shortest executions that show them");
        }
        for (place, (_, counterexample)) in shown.iter().enumerate() {
            page.finding(&format!("{algorithm}-bug-{place}"), Tone::Plain, counterexample);
        }
    });
}

fn verdicts(algorithm: &str, bugs: &[&Bug]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-zoo"),
        "Bugs, and the first engine to find each",
        &[
            ("Bug", "bug"),
            ("Verdict", "verdict"),
            ("Found by", "found_by"),
            ("Breaks", "property"),
            ("What is wrong", "title"),
            ("Expected by", "expected_engine"),
            ("Seen in", "source"),
        ],
    );
    for bug in bugs {
        let mut found: Vec<&Detection> =
            bug.detections.iter().filter(|detection| detection.found && detection.control_passed).collect();
        found.sort_by(|a, b| a.cpu_s.total_cmp(&b.cpu_s));
        let engines: Vec<&str> = found.iter().map(|detection| detection.engine.as_str()).collect();
        let verdict = match (found.is_empty(), bug.hard) {
            (false, _) => Cell::text("found").tone(Tone::Good),
            (true, true) => Cell::text("not found (hard)").tone(Tone::Caution),
            (true, false) => Cell::text("not found").tone(Tone::Bad),
        };
        let kind = if bug.canary { " (canary)" } else { "" };
        table.row([
            Cell::text(format!("{}{kind}", bug.id)),
            verdict,
            Cell::text(if engines.is_empty() { "–".to_owned() } else { engines.join(", ") }),
            Cell::code(&bug.property),
            Cell::text(&bug.title),
            Cell::text(&bug.expected_engine),
            Cell::text(&bug.source),
        ]);
    }
    table
}

/// One row per bug and engine: the effort to the first detection.
fn detections(algorithm: &str, bugs: &[&Bug]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-detections"),
        "Bug by engine: work until the first detection, or in vain",
        &[
            ("Bug", "bug"),
            ("Engine", "engine"),
            ("Verdict", "verdict"),
            ("Work", "effort"),
            ("Unit", "effort_unit"),
            ("From", "effort_low"),
            ("To", "effort_high"),
            ("Trials", "trials"),
            ("CPU time", "cpu_seconds"),
            ("Length", "length_events"),
            ("Without the edit", "control"),
        ],
    );
    for (bug, detection) in
        bugs.iter().flat_map(|bug| bug.detections.iter().map(move |detection| (bug, detection)))
    {
        let finite = detection.trials.len() > 1 && detection.trials.iter().all(|trial| trial.is_finite());
        let interval = finite.then(|| statistics::median_interval(&detection.trials).1);
        let end = |end: Option<f64>| Cell::maybe(end, number::short);
        table.row([
            Cell::text(&bug.id),
            Cell::text(&detection.engine),
            match &detection.property {
                _ if !detection.found => Cell::text("not found").tone(Tone::Missing),
                Some(property) => Cell::text(format!("found: {property}")).tone(Tone::Good),
                None => Cell::text("found").tone(Tone::Good),
            },
            Cell::count(detection.effort),
            Cell::text(&detection.effort_unit),
            end(interval.map(|interval| interval.low)),
            end(interval.map(|interval| interval.high)),
            Cell::count(detection.trials.len().max(1) as u64),
            Cell::number(detection.cpu_s, number::seconds(detection.cpu_s)),
            Cell::maybe(detection.length, |length| format!("{length} events")),
            if detection.control_passed {
                Cell::text("passes").tone(Tone::Good)
            } else {
                Cell::text("does not pass").tone(Tone::Bad)
            },
        ]);
    }
    table
}
