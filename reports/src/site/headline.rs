//! The figures at the head of the overview: sums over all algorithms, each a link to where it comes from.

use super::page::Page;
use super::throughput::{self, Shape, Verdict};
use super::{ALGORITHMS, HARNESS, Site, command, engines};
use crate::artifact::{Fuzz, Payload, Simulate, Verb};
use crate::number;
use crate::table::Tone;

/// One of the figures at the head of the page.
struct Figure {
    name: &'static str,
    /// None: nothing ran that could tell.
    value: Option<String>,
    detail: String,
    target: String,
    tone: Tone,
}

pub(super) fn write(page: &mut Page, site: &Site) {
    let ours = ALGORITHMS.iter().all(|algorithm| site.algorithms().contains(algorithm));
    let body = page.body();
    body.literal("<dl class=\"figures\">");
    for figure in
        [states(site), simulated(site), fuzzed(site), caught(site), against_peer(site), against_floor(site)]
    {
        body.literal("<div><dt>");
        // A site about protocols from elsewhere alone has no page of ours to lead to.
        if ours {
            body.element("a", &[("href", &figure.target)], figure.name);
        } else {
            body.text(figure.name);
        }
        body.literal("</dt>");
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
    let pages = site.algorithms().into_iter().chain([HARNESS]);
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
    let instances = engines::once_each(&instances);
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
    let sum = |of: &dyn Fn(&Fuzz) -> u64| targets.iter().fold(0u64, |sum, fuzz| sum.saturating_add(of(fuzz)));
    let (guided, drawn) = (sum(&|fuzz| fuzz.executions(true)), sum(&|fuzz| fuzz.executions(false)));
    let crashes = sum(&Fuzz::crashes);
    let injected: Vec<_> = targets.iter().flat_map(|fuzz| &fuzz.injected).collect();
    let found = injected.iter().filter(|injected| injected.found).count();
    let all = number::of(targets.len() as u64, "target");
    // Different things: no sum of the two.
    let mut detail = format!(
        "drawn from a seed, and {} steered by coverage; {all}, {crashes} crashes",
        number::short_count(guided)
    );
    if !injected.is_empty() {
        detail = format!("{detail}; re-injected bug found in {found} of {} hunts", injected.len());
    }
    let tone = if crashes > 0 { Tone::Bad } else { Tone::Plain };
    Figure {
        name,
        value: Some(number::short_count(drawn)),
        detail: detail + ".",
        target: target.into(),
        tone,
    }
}

fn caught(site: &Site) -> Figure {
    let (name, target) = ("Known bugs caught", "raft.html#zoo");
    if payloads(site, Verb::Zoo).next().is_none() {
        return missing(name, Verb::Zoo, target);
    }
    let pages = site.algorithms().into_iter().chain([HARNESS]);
    let (found, total) = pages.map(|page| site.caught(page)).fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
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
