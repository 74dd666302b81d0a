//! Simulated runs: what they went through and how they came out.

use std::collections::BTreeMap;

use super::page::Page;
use super::{Site, coverage, key};
use crate::artifact::{Artifact, Atlas, Payload, Quantiles, Simulate, Verb};
use crate::chart::{bars, histogram};
use crate::number;
use crate::table::{Cell, Table, Tone};

pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("simulation", "Simulation with faults", |page| {
        if !page.runs(site, algorithm, Verb::Simulate) {
            return;
        }
        page.paragraph(
            "Each seed is one long run of a cluster with clients: latencies, crashes, partitions and loss, then a time \
             of healing in which it must answer again. Every property is checked after every event, and the history \
             of what clients were told must be linearizable. A seed repeats its run to the last event.",
        );
        let results = site.results(algorithm, Verb::Simulate).filter_map(|artifact| match &artifact.payload {
            Payload::Simulate(simulate) => Some((artifact, simulate)),
            _ => None,
        });
        let results: Vec<(&Artifact, &Simulate)> = results.collect();
        page.table(campaigns(algorithm, &results));
        page.table(recovery(algorithm, &results));
        recovery_plots(page, &results);
        page.table(atlas(algorithm, &results));
        let total = |of: fn(&Simulate) -> &BTreeMap<String, u64>| sum(results.iter().map(|(_, simulate)| of(simulate)));
        counts(page, algorithm, "faults", "Faults injected", &total(|simulate| &simulate.faults));
        counts(page, algorithm, "operations", "Client operations", &total(|simulate| &simulate.operations));
        counts(page, algorithm, "marks", "Situations reached, in runs", &total(|simulate| &simulate.marks));
        counts(page, algorithm, "refusals", "Inputs refused, by reason", &total(|simulate| &simulate.refusals));
        let outside = total(|simulate| simulate.atlas.as_ref().map_or(&NONE, |atlas| &atlas.outside));
        if !outside.is_empty() {
            let broke = total(|simulate| simulate.atlas.as_ref().map_or(&NONE, |atlas| &atlas.outside_violated));
            let told = |counts: &[(String, u64)]| {
                let told = counts.iter().map(|(name, runs)| format!("{name} ({})", number::of(*runs, "run")));
                told.collect::<Vec<_>>().join(", ")
            };
            let broke = if broke.is_empty() { "nothing".to_owned() } else { told(&broke) };
            page.paragraph(format!("Outside the assumption went: {}. There, as is no finding, broke {broke}.", told(&outside)));
        }
        let mut properties: Vec<&str> = Vec::new();
        for property in results.iter().flat_map(|(_, simulate)| &simulate.properties) {
            if !properties.contains(&property.as_str()) {
                properties.push(property);
            }
        }
        let all: Vec<&Simulate> = results.iter().map(|(_, simulate)| *simulate).collect();
        coverage::write(page, algorithm, &all);
        if !properties.is_empty() {
            page.paragraph(format!("Checked after every event: {}.", properties.join(", ")));
        }
    });
}

/// For campaigns that have no atlas.
static NONE: BTreeMap<String, u64> = BTreeMap::new();

fn sum<'a>(maps: impl Iterator<Item = &'a BTreeMap<String, u64>>) -> Vec<(String, u64)> {
    let mut total: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, count) in maps.flatten() {
        let sum = total.entry(name).or_default();
        *sum = sum.saturating_add(*count);
    }
    total.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// Counts by name: a drawing and a table.
fn counts(page: &mut Page, algorithm: &str, what: &str, title: &str, counts: &[(String, u64)]) {
    if counts.is_empty() {
        return;
    }
    let id = format!("{algorithm}-{what}");
    page.figure(&bars::plot(&format!("{id}-plot"), title, "Over all runs above.", counts));
    let mut table = Table::new(id, title, &[("Name", "name"), ("Count", "count")]);
    for (name, count) in counts {
        let tone = if *count == 0 { Tone::Caution } else { Tone::Plain };
        table.row([Cell::text(name), Cell::count(*count).tone(tone)]);
    }
    page.folded_table(&format!("All {} as a table", counts.len()), table);
}

fn campaigns(algorithm: &str, results: &[(&Artifact, &Simulate)]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-simulation"),
        "Campaigns",
        &[
            ("Profile", "profile"),
            ("Seeds", "seeds"),
            ("Runs", "runs"),
            ("Failed", "failures"),
            ("Linearizable", "linearizable"),
            ("Undecided", "undecided"),
            ("Events", "steps"),
            ("Events per CPU-second", "steps_per_cpu_second"),
            ("Simulated time", "virtual_seconds"),
            ("CPU time", "cpu_seconds"),
            ("Digest of all traces", "digest"),
        ],
    );
    for (_, simulate) in results {
        let failures = Cell::count(simulate.failures);
        let undecided = Cell::count(simulate.undecided);
        table.row([
            Cell::text(&simulate.profile),
            Cell::text(format!("{} to {}", simulate.seed_first, simulate.seed_end.saturating_sub(1))),
            Cell::count(simulate.runs),
            failures.tone(if simulate.failures > 0 { Tone::Bad } else { Tone::Good }),
            Cell::count(simulate.linearizable),
            undecided.tone(if simulate.undecided > 0 { Tone::Caution } else { Tone::Plain }),
            Cell::count(simulate.steps),
            Cell::maybe(simulate.steps_per_cpu_s(), number::short),
            Cell::number(simulate.virtual_s, number::seconds(simulate.virtual_s)),
            Cell::number(simulate.cpu_s, number::seconds(simulate.cpu_s)),
            match &simulate.digest {
                Some(digest) => Cell::code(digest),
                None => Cell::text("–").tone(Tone::Missing),
            },
        ]);
    }
    table
}

/// What was injected, against what the protocol assumes: one row per campaign, and what any of them counts.
fn atlas(algorithm: &str, results: &[(&Artifact, &Simulate)]) -> Table {
    let told: Vec<(&Simulate, &Atlas)> =
        results.iter().filter_map(|(_, simulate)| Some((*simulate, simulate.atlas.as_ref()?))).collect();
    let mut kinds: Vec<&str> = Vec::new();
    for kind in told.iter().flat_map(|(_, atlas)| atlas.injected.keys()) {
        if !kinds.contains(&kind.as_str()) {
            kinds.push(kind);
        }
    }
    let first =
        [("Profile", "profile"), ("Inside", "inside"), ("Outside", "outside"), ("Stayed away", "declined")];
    let columns: Vec<(&str, &str)> =
        first.into_iter().chain(kinds.iter().map(|kind| (*kind, *kind))).collect();
    let mut table = Table::new(
        format!("{algorithm}-atlas"),
        "The fault atlas: runs inside what the protocol assumes, runs outside, which say nothing, faults that stayed \
         away so as not to go outside, and what was injected",
        &columns,
    );
    for (simulate, atlas) in told {
        let outside = atlas.outside.values().fold(0u64, |sum, runs| sum.saturating_add(*runs));
        let cells = [
            Cell::text(&simulate.profile),
            Cell::count(simulate.runs.saturating_sub(outside)),
            Cell::count(outside).tone(if outside > 0 { Tone::Caution } else { Tone::Plain }),
            Cell::count(atlas.declined),
        ];
        let injected = kinds.iter().map(|kind| {
            let count = atlas.injected.get(*kind);
            count.map_or_else(|| Cell::text("–").tone(Tone::Missing), |count| Cell::count(*count))
        });
        table.row(cells.into_iter().chain(injected));
    }
    table
}

fn recovery(algorithm: &str, results: &[(&Artifact, &Simulate)]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-recovery"),
        "Simulated time from the end of the faults to the first answered operation",
        &[
            ("Profile", "profile"),
            ("Median", "p50"),
            ("p90", "p90"),
            ("p99", "p99"),
            ("Longest", "max"),
            ("Runs", "count"),
            ("Unit", "unit"),
        ],
    );
    for (simulate, recovery) in
        results.iter().filter_map(|(_, simulate)| Some((simulate, simulate.recovery.as_ref()?)))
    {
        let cell = |q: f64| Cell::maybe(recovery.at(q), |value| number::in_unit(value, prefixed(recovery)));
        let unit = Cell::text(&recovery.unit);
        let (profile, count) = (Cell::text(&simulate.profile), Cell::count(recovery.count));
        table.row([profile, cell(0.5), cell(0.9), cell(0.99), cell(1.0), count, unit]);
    }
    table
}

/// How the times to recover were distributed, campaign by campaign.
fn recovery_plots(page: &mut Page, results: &[(&Artifact, &Simulate)]) {
    for (artifact, simulate) in results.iter().filter(|(_, simulate)| !simulate.recovery_bins.is_empty()) {
        let Some(recovery) = &simulate.recovery else { continue };
        let mark = |(q, name): (f64, &str)| Some((recovery.at(q)?, name.to_owned()));
        let marks: Vec<(f64, String)> =
            [(0.5, "median"), (0.9, "90 %"), (0.99, "99 %")].into_iter().filter_map(mark).collect();
        page.figure(&histogram::plot(
            &format!("recovery-{}", key(artifact)),
            "Time to recover",
            &format!(
                "How many of the {} of profile {} took how long from the end of the faults to the first answer.",
                number::of(recovery.count, "run"),
                simulate.profile
            ),
            &recovery.unit,
            &simulate.recovery_bins,
            &marks,
        ));
    }
}

/// Units that stand behind each number; others stand in their own column.
fn prefixed(quantiles: &Quantiles) -> &str {
    if quantiles.unit == "ns" || quantiles.unit == "s" { &quantiles.unit } else { "" }
}
