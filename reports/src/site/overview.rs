//! The first page: what was verified, how deep, when and on what; where a peer is ahead; what is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::page::Page;
use super::throughput::{self, Verdict};
use super::{
    HARNESS, Site, command, data_path, display_name, environment, headline, minute, outcome_cell,
    shows_what_ran,
};
use crate::artifact::{Artifact, Outcome, Payload, Role, Verb};
use crate::number;
use crate::table::{Cell, Table, Tone};

/// The verbs that a reader expects of every algorithm.
const EXPECTED: [Verb; 6] =
    [Verb::Verify, Verb::Simulate, Verb::Fuzz, Verb::Zoo, Verb::Compare, Verb::Latency];

pub(super) fn page(site: &Site) -> Page {
    let mut page = Page::new(site, "index.html", "The code you benchmark is the code you verified");
    lead(&mut page, site);
    notices(&mut page, site);
    headline::write(&mut page, site);
    page.section("status", "What was verified, and how deep", |page| {
        page.table(status(site));
        page.table(suites(site));
    });
    page.section("runs", "What ran", |page| {
        page.paragraph(
            "Each row is one artifact: the command repeats it. A run of another revision is marked stale.",
        );
        page.table(runs(site));
        unreadable(page, site);
    });
    page.section("environment", "Where it ran", |page| environment::write(page, site));
    page
}

fn lead(page: &mut Page, site: &Site) {
    let started = site.artifacts.iter().map(|artifact| artifact.started.as_str());
    let text = match (started.clone().min().map(minute), started.max().map(minute)) {
        (Some(first), Some(last)) if first == last => format!("Run at {first} UTC."),
        (Some(first), Some(last)) => format!("Run between {first} and {last} UTC."),
        _ => "Nothing was run yet: cargo xtask report does.".to_owned(),
    };
    let revision = match &site.revision {
        Some(revision) => format!("Reported at revision {}. ", revision.chars().take(10).collect::<String>()),
        None => String::new(),
    };
    page.body().element("p", &[("class", &"lead")], format!("{revision}{text}"));
}

/// What must not be missed: broken properties, peers that are ahead, stale and unreadable artifacts.
fn notices(page: &mut Page, site: &Site) {
    for artifact in site.artifacts.iter().filter(|artifact| artifact.outcome == Outcome::Failed) {
        let mut found: Vec<&str> = Vec::new();
        for finding in &artifact.findings {
            if !found.contains(&finding.property.as_str()) && found.len() < 3 {
                found.push(&finding.property);
            }
        }
        let found = if found.is_empty() { "see its data".to_owned() } else { found.join(", ") };
        page.notice(Tone::Bad, format!("{} {} failed: {found}.", artifact.verb, artifact.subject));
    }
    for algorithm in site.algorithms() {
        for shape in throughput::shapes(site, algorithm) {
            if let Some((peer, ratio)) =
                shape.against_peer.as_ref().filter(|(_, ratio)| ratio.verdict() == Verdict::Behind)
            {
                let inverse = number::ratio(1.0 / ratio.value);
                page.notice(
                    Tone::Bad,
                    format!("{peer} is ahead of {} at {}: {inverse}.", display_name(algorithm), shape.name),
                );
            }
        }
    }
    for artifact in &site.artifacts {
        if let Outcome::Skipped { reason } = &artifact.outcome {
            page.notice(
                Tone::Missing,
                format!("{} {} was skipped: {reason}.", artifact.verb, artifact.subject),
            );
        }
    }
    let dirty = site.artifacts.iter().filter(|artifact| artifact.dirty).count();
    if dirty > 0 {
        page.notice(
            Tone::Caution,
            format!(
                "{dirty} of {} runs were made with uncommitted changes: no commit repeats them exactly.",
                site.artifacts.len()
            ),
        );
    }
    let stale = site.artifacts.iter().filter(|artifact| site.is_stale(artifact)).count();
    if stale > 0 {
        let all = site.artifacts.len();
        page.notice(
            Tone::Caution,
            format!("{stale} of {all} runs are of another revision than this report's."),
        );
    }
    if !site.unreadable.is_empty() {
        let files = number::of(site.unreadable.len() as u64, "artifact");
        page.notice(Tone::Caution, format!("{files} could not be read: see below."));
    }
}

/// Algorithm by verb: passed, failed or not run, with one figure each.
fn status(site: &Site) -> Table {
    let mut table = Table::new(
        "status",
        "Every algorithm and what was done to it",
        &[
            ("Algorithm", "algorithm"),
            ("Model check", "verify"),
            ("Simulation", "simulate"),
            ("Fuzzing", "fuzz"),
            ("Bug zoo", "zoo"),
            ("Peers", "compare"),
            ("Latency", "latency"),
        ],
    );
    let harness = site.about(HARNESS).next().map(|_| HARNESS);
    for algorithm in site.algorithms().into_iter().chain(harness) {
        let name = Cell::text(display_name(algorithm)).link(format!("{algorithm}.html"));
        table.row([name].into_iter().chain(EXPECTED.map(|verb| status_cell(site, algorithm, verb))));
    }
    table
}

/// The test suite and the micro-benchmarks, which a report does not run by itself.
fn suites(site: &Site) -> Table {
    let mut table = Table::new(
        "suites",
        "The test suite and the micro-benchmarks",
        &[("Run", "run"), ("Outcome", "outcome"), ("What came out", "result"), ("Command", "command")],
    );
    for (verb, name, section) in
        [(Verb::Test, "Test suite", "tests"), (Verb::Bench, "Micro-benchmarks", "benchmarks")]
    {
        let mut runs = site.artifacts.iter().filter(|artifact| artifact.verb == verb).peekable();
        if runs.peek().is_none() {
            let gap = Cell::text("not run").tone(Tone::Missing);
            let command = Cell::code(format!("cargo xtask {verb}"));
            table.row([Cell::text(name), gap, Cell::text("–").tone(Tone::Missing), command]);
        }
        for artifact in runs {
            let result = match &artifact.payload {
                Payload::Test(test) => {
                    let (passed, failed, skipped) = test.sums();
                    let stages = number::of(test.stages.len() as u64, "stage");
                    let [passed, failed, skipped] = [passed, failed, skipped].map(number::count);
                    format!("{passed} passed, {failed} failed, {skipped} not run, in {stages}")
                }
                Payload::Bench(bench) => number::of(bench.benchmarks.len() as u64, "benchmark"),
                _ => "–".to_owned(),
            };
            table.row([
                Cell::text(name).link(format!("{}.html#{section}", site.page_of(artifact))),
                outcome_cell(&artifact.outcome),
                Cell::text(result),
                Cell::code(&artifact.command),
            ]);
        }
    }
    table
}

fn status_cell(site: &Site, algorithm: &str, verb: Verb) -> Cell {
    let runs: Vec<&Artifact> = site.about(algorithm).filter(|artifact| artifact.verb == verb).collect();
    let results: Vec<&Artifact> = site.results(algorithm, verb).collect();
    if runs.is_empty() && shows_what_ran(algorithm) {
        return Cell::text("–").tone(Tone::Missing);
    }
    if runs.is_empty() {
        return Cell::text("not run").tone(Tone::Missing);
    }
    if results.is_empty() {
        return Cell::text("skipped").tone(Tone::Missing);
    }
    let any = |outcome: Outcome| results.iter().any(|artifact| artifact.outcome == outcome);
    let tone = if any(Outcome::Failed) {
        Tone::Bad
    } else if any(Outcome::Interrupted) || results.iter().any(|artifact| site.is_stale(artifact)) {
        Tone::Caution
    } else {
        Tone::Good
    };
    let figure = match verb {
        Verb::Verify => states_of(&results),
        Verb::Simulate => sum_of(&results, "runs", |p| if let Payload::Simulate(s) = p { s.runs } else { 0 }),
        Verb::Fuzz => {
            let of = |guided| {
                sum_of(&results, if guided { "steered" } else { "drawn" }, |p| {
                    if let Payload::Fuzz(fuzz) = p { fuzz.executions(guided) } else { 0 }
                })
            };
            format!("{}, {}", of(false), of(true))
        }
        Verb::Zoo => {
            let (found, total) = site.caught(algorithm);
            format!("{found} of {total} found")
        }
        Verb::Compare => {
            let shapes = throughput::shapes(site, algorithm);
            let compared = shapes.iter().filter(|shape| shape.against_peer.is_some()).count();
            let series = results.iter().flat_map(|artifact| match &artifact.payload {
                Payload::Scaling(scaling) => &*scaling.series,
                _ => &[],
            });
            let beside_peers = series.filter(|series| series.implementation.role == Role::Peer);
            let works: BTreeSet<&str> = beside_peers.map(|series| &*series.work).collect();
            if works.is_empty() {
                format!("{compared} shapes compared")
            } else {
                format!("kinds of work compared: {}", works.len())
            }
        }
        _ => sum_of(&results, "load points", |p| {
            if let Payload::Latency(l) = p { l.points.len() as u64 } else { 0 }
        }),
    };
    Cell::text(figure).tone(tone)
}

fn states_of(results: &[&Artifact]) -> String {
    let searched = |artifact: &&Artifact| matches!(artifact.payload, Payload::Verify(_));
    if !results.iter().any(searched) {
        let models = |payload: &Payload| match payload {
            Payload::Opinions(opinions) => opinions.models.len() as u64,
            _ => 0,
        };
        return sum_of(results, "models compared", models);
    }
    // Several engines search the same instances.
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for artifact in results {
        let Payload::Verify(verify) = &artifact.payload else { continue };
        for instance in &verify.instances {
            let most = states.entry(&instance.name).or_default();
            *most = instance.states.max(*most);
        }
    }
    let sum = states.into_values().fold(0, u64::saturating_add);
    format!("{} states", number::short_count(sum))
}

fn sum_of(results: &[&Artifact], unit: &str, of: impl Fn(&Payload) -> u64) -> String {
    let sum = results.iter().fold(0u64, |sum, artifact| sum.saturating_add(of(&artifact.payload)));
    format!("{} {unit}", number::short_count(sum))
}

fn runs(site: &Site) -> Table {
    let mut table = Table::new(
        "runs",
        "All artifacts, and what was expected and is not there",
        &[
            ("Command", "command"),
            ("Outcome", "outcome"),
            ("About", "about"),
            ("Started (UTC)", "started"),
            ("Took", "duration_seconds"),
            ("Revision", "revision"),
            ("Data", "data"),
        ],
    );
    for artifact in &site.artifacts {
        let shard = artifact
            .shard
            .map_or(String::new(), |shard| format!(", part {} of {}", shard.index, shard.count));
        table.row([
            Cell::code(&artifact.command),
            outcome_cell(&artifact.outcome),
            Cell::text(format!("{}{shard}", artifact.title)).link(format!("{}.html", site.page_of(artifact))),
            Cell::text(minute(&artifact.started)),
            Cell::number(artifact.duration_s, number::seconds(artifact.duration_s)),
            site.revision_cell(artifact),
            Cell::text("JSON").link(data_path(artifact)),
        ]);
    }
    for algorithm in site.algorithms() {
        for verb in EXPECTED {
            if !site.about(algorithm).any(|artifact| artifact.verb == verb) {
                let gap = || Cell::text("–").tone(Tone::Missing);
                let outcome = Cell::text("not run").tone(Tone::Missing);
                let about = Cell::text(format!("{verb} {algorithm}"));
                table.row([Cell::code(command(verb, algorithm)), outcome, about, gap(), gap(), gap(), gap()]);
            }
        }
    }
    table
}

fn unreadable(page: &mut Page, site: &Site) {
    if site.unreadable.is_empty() {
        return;
    }
    page.heading("Artifacts that could not be read");
    let mut table = Table::new(
        "unreadable",
        "Run the command of each again, or remove the file",
        &[("File", "file"), ("Line", "line"), ("Reason", "reason")],
    );
    for unreadable in &site.unreadable {
        table.row([
            Cell::code(unreadable.path.display()),
            Cell::maybe(unreadable.line.map(|line| line as u64), number::count),
            Cell::text(&unreadable.reason),
        ]);
    }
    page.table(table);
}
