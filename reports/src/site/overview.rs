//! The first page: what was verified, how deep, when and on what; where a peer is ahead; what is missing.

use super::page::Page;
use super::throughput::{self, Shape, Verdict};
use super::{ALGORITHMS, HARNESS, Site, command, data_path, display_name, environment, minute, page_of};
use crate::artifact::{Artifact, Outcome, Payload, Simulate, Verb, Zoo};
use crate::number;
use crate::table::{Cell, Table, Tone};

/// The verbs that a reader expects of every algorithm.
const EXPECTED: [Verb; 6] =
    [Verb::Verify, Verb::Simulate, Verb::Fuzz, Verb::Zoo, Verb::Compare, Verb::Latency];

pub(super) fn page(site: &Site) -> Page {
    let mut page = Page::new(site, "index.html", "The code you benchmark is the code you verified");
    lead(&mut page, site);
    notices(&mut page, site);
    figures(&mut page, site);
    page.section("status", "What was verified, and how deep", |page| page.table(status(site)));
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
        let found: Vec<&str> =
            artifact.findings.iter().take(3).map(|finding| finding.property.as_str()).collect();
        let found = if found.is_empty() { "see its data".to_owned() } else { found.join(", ") };
        page.notice(Tone::Bad, format!("{} {} failed: {found}.", artifact.verb, artifact.subject));
    }
    for algorithm in ALGORITHMS {
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

/// One of the figures at the head of the page.
struct Figure {
    name: &'static str,
    /// None: nothing ran that could tell.
    value: Option<String>,
    detail: String,
    target: String,
    tone: Tone,
}

fn figures(page: &mut Page, site: &Site) {
    let body = page.body();
    body.literal("<dl class=\"figures\">");
    for figure in
        [states(site), simulated(site), fuzzed(site), caught(site), against_peer(site), against_floor(site)]
    {
        body.literal("<div><dt>").element("a", &[("href", &figure.target)], figure.name).literal("</dt>");
        let class =
            format!("big {}", if figure.value.is_some() { figure.tone } else { Tone::Missing }.class());
        let value = figure.value.unwrap_or_else(|| "○\u{a0}not run".to_owned());
        body.element("dd", &[("class", &class)], value).element("dd", &[("class", &"small")], figure.detail);
        body.literal("</div>");
    }
    body.literal("</dl>");
}

/// Payloads of one verb, over all pages, of runs that have results.
fn payloads(site: &Site, verb: Verb) -> impl Iterator<Item = &Payload> {
    let pages = ALGORITHMS.into_iter().chain([HARNESS]);
    pages.flat_map(move |page| site.results(page, verb)).map(|artifact| &artifact.payload)
}

/// What to type where nothing ran.
fn missing(name: &'static str, verb: Verb, target: &str) -> Figure {
    let detail = command(verb, ALGORITHMS[0]);
    Figure { name, value: None, detail, target: target.to_owned(), tone: Tone::Missing }
}

/// Something was measured, and nothing could be compared.
fn incomparable(name: &'static str, target: &str) -> Figure {
    let detail = "nothing did the same work, verified, in the same run.".to_owned();
    Figure { name, value: Some("–".into()), detail, target: target.to_owned(), tone: Tone::Missing }
}

fn states(site: &Site) -> Figure {
    let (name, target) = ("States checked", "raft.html#properties");
    let instances: Vec<_> = payloads(site, Verb::Verify)
        .flat_map(|payload| if let Payload::Verify(verify) = payload { &verify.instances[..] } else { &[] })
        .collect();
    if instances.is_empty() {
        return missing(name, Verb::Verify, target);
    }
    let states = instances.iter().fold(0u64, |sum, instance| sum.saturating_add(instance.states));
    let complete = instances.iter().filter(|instance| instance.complete).count();
    let broken =
        instances.iter().flat_map(|instance| &instance.properties).filter(|property| !property.holds).count();
    let mut detail = format!(
        "distinct within each of {}, {complete} of them exhausted.",
        number::of(instances.len() as u64, "instance")
    );
    if broken > 0 {
        detail = format!("{} broken; {detail}", number::of(broken as u64, "property claim"));
    }
    let tone = if broken > 0 { Tone::Bad } else { Tone::Plain };
    Figure { name, value: Some(number::short_count(states)), detail, target: target.into(), tone }
}

fn simulated(site: &Site) -> Figure {
    let (name, target) = ("Simulated runs with faults", "raft.html#simulation");
    let campaigns: Vec<_> = payloads(site, Verb::Simulate)
        .filter_map(|payload| if let Payload::Simulate(simulate) = payload { Some(simulate) } else { None })
        .collect();
    if campaigns.is_empty() {
        return missing(name, Verb::Simulate, target);
    }
    let sum = |of: fn(&Simulate) -> u64| campaigns.iter().fold(0u64, |sum, c| sum.saturating_add(of(c)));
    let (runs, failures, linearizable) = (sum(|c| c.runs), sum(|c| c.failures), sum(|c| c.linearizable));
    let steps = number::short_count(sum(|c| c.steps));
    let failed = number::of(failures, "failed run");
    let detail = format!("{failed}, {} histories linearizable, {steps} events.", number::count(linearizable));
    let tone = if failures > 0 { Tone::Bad } else { Tone::Plain };
    Figure { name, value: Some(number::short_count(runs)), detail, target: target.into(), tone }
}

fn fuzzed(site: &Site) -> Figure {
    let (name, target) = ("Fuzz executions", "raft.html#fuzzing");
    let targets: Vec<_> = payloads(site, Verb::Fuzz)
        .filter_map(|payload| if let Payload::Fuzz(fuzz) = payload { Some(fuzz) } else { None })
        .collect();
    if targets.is_empty() {
        return missing(name, Verb::Fuzz, target);
    }
    let executions = targets.iter().fold(0u64, |sum, fuzz| sum.saturating_add(fuzz.executions));
    let crashes = targets.iter().fold(0u64, |sum, fuzz| sum.saturating_add(fuzz.crashes));
    let injected: Vec<_> = targets.iter().flat_map(|fuzz| &fuzz.injected).collect();
    let found = injected.iter().filter(|injected| injected.found).count();
    let mut detail = format!("{}, {crashes} crashes", number::of(targets.len() as u64, "target"));
    if !injected.is_empty() {
        detail = format!("{detail}; {found} of {} re-injected bugs found", injected.len());
    }
    let tone = if crashes > 0 { Tone::Bad } else { Tone::Plain };
    Figure {
        name,
        value: Some(number::short_count(executions)),
        detail: detail + ".",
        target: target.into(),
        tone,
    }
}

fn caught(site: &Site) -> Figure {
    let (name, target) = ("Known bugs caught", "raft.html#zoo");
    let zoos: Vec<_> = payloads(site, Verb::Zoo)
        .filter_map(|payload| if let Payload::Zoo(zoo) = payload { Some(zoo) } else { None })
        .collect();
    if zoos.is_empty() {
        return missing(name, Verb::Zoo, target);
    }
    let (found, total) =
        zoos.iter().fold((0, 0), |(found, total), zoo| (found + zoo.found(), total + zoo.total()));
    let detail = "real bugs put back one at a time; every engine passes without them.".to_owned();
    let tone = if found < total { Tone::Bad } else { Tone::Plain };
    Figure { name, value: Some(format!("{found} of {total}")), detail, target: target.into(), tone }
}

fn against_peer(site: &Site) -> Figure {
    let (name, target) = ("Throughput against the best peer", "raft.html#throughput");
    let shapes: Vec<Shape<'_>> =
        ALGORITHMS.iter().flat_map(|algorithm| throughput::shapes(site, algorithm)).collect();
    let against: Vec<_> = shapes.iter().filter_map(|shape| shape.against_peer.as_ref()).collect();
    if against.is_empty() {
        return if shapes.is_empty() {
            missing(name, Verb::Compare, target)
        } else {
            incomparable(name, target)
        };
    }
    let behind = against.iter().filter(|(_, ratio)| ratio.verdict() == Verdict::Behind).count();
    let mut peers: Vec<&str> = against.iter().map(|(peer, _)| peer.as_str()).collect();
    peers.sort_unstable();
    peers.dedup();
    let detail =
        format!("against {}; behind in {behind} of {} workload shapes.", peers.join(", "), against.len());
    let value = range(against.iter().map(|(_, ratio)| ratio.value));
    let tone = if behind > 0 { Tone::Bad } else { Tone::Plain };
    Figure { name, value: Some(value), detail, target: target.into(), tone }
}

fn against_floor(site: &Site) -> Figure {
    let (name, target) = ("Throughput against the floor", "raft.html#throughput");
    let shapes: Vec<Shape<'_>> =
        ALGORITHMS.iter().flat_map(|algorithm| throughput::shapes(site, algorithm)).collect();
    let against: Vec<_> = shapes.iter().filter_map(|shape| shape.against_floor.as_ref()).collect();
    if against.is_empty() {
        return if shapes.is_empty() {
            missing(name, Verb::Compare, target)
        } else {
            incomparable(name, target)
        };
    }
    let detail = "the smallest program with the same data flow and no protocol is 1.".to_owned();
    let value = range(against.iter().map(|(_, ratio)| ratio.value));
    Figure { name, value: Some(value), detail, target: target.into(), tone: Tone::Plain }
}

/// The least and the greatest of some ratios.
fn range(values: impl Iterator<Item = f64>) -> String {
    let (low, high) = values.fold((f64::MAX, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
    let (low, high) = (number::short_ratio(low), number::short_ratio(high));
    if low == high { low } else { format!("{low}\u{a0}–\u{a0}{high}") }
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
    for algorithm in ALGORITHMS.into_iter().chain(harness) {
        let name = Cell::text(display_name(algorithm)).link(format!("{algorithm}.html"));
        table.row([name].into_iter().chain(EXPECTED.map(|verb| status_cell(site, algorithm, verb))));
    }
    table
}

fn status_cell(site: &Site, algorithm: &str, verb: Verb) -> Cell {
    let runs: Vec<&Artifact> = site.about(algorithm).filter(|artifact| artifact.verb == verb).collect();
    let results: Vec<&Artifact> = site.results(algorithm, verb).collect();
    if runs.is_empty() && algorithm == HARNESS {
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
        Verb::Fuzz => sum_of(&results, "inputs", |p| if let Payload::Fuzz(f) = p { f.executions } else { 0 }),
        Verb::Zoo => {
            let of = |f: fn(&Zoo) -> usize| -> usize {
                results.iter().map(|a| if let Payload::Zoo(zoo) = &a.payload { f(zoo) } else { 0 }).sum()
            };
            format!("{} of {} found", of(Zoo::found), of(Zoo::total))
        }
        Verb::Compare => {
            let shapes = throughput::shapes(site, algorithm);
            let compared = shapes.iter().filter(|shape| shape.against_peer.is_some()).count();
            format!("{compared} shapes compared")
        }
        _ => sum_of(&results, "load points", |p| {
            if let Payload::Latency(l) = p { l.points.len() as u64 } else { 0 }
        }),
    };
    Cell::text(figure).tone(tone)
}

fn states_of(results: &[&Artifact]) -> String {
    let of = |payload: &Payload| match payload {
        Payload::Verify(verify) => {
            verify.instances.iter().fold(0u64, |sum, instance| sum.saturating_add(instance.states))
        }
        _ => 0,
    };
    sum_of(results, "states", of)
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
            Site::outcome_cell(artifact),
            Cell::text(format!("{}{shard}", artifact.title)).link(format!("{}.html", page_of(artifact))),
            Cell::text(minute(&artifact.started)),
            Cell::number(artifact.duration_s, number::seconds(artifact.duration_s)),
            site.revision_cell(artifact),
            Cell::text("JSON").link(data_path(artifact)),
        ]);
    }
    for algorithm in ALGORITHMS {
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
