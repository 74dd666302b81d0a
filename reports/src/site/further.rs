//! Micro-benchmarks, the test suite, and figures that artifacts carry beyond their payload.

use super::page::Page;
use super::{Site, outcome_cell};
use crate::artifact::{Benchmark, Metric, Payload, Verb};
use crate::number;
use crate::table::{Cell, Table, Tone};

pub(super) fn benchmarks(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("benchmarks", "Micro-benchmarks", |page| {
        page.runs(site, algorithm, Verb::Bench);
        let results = site.results(algorithm, Verb::Bench);
        let all = results.filter_map(|artifact| match &artifact.payload {
            Payload::Bench(bench) => Some(bench),
            _ => None,
        });
        let all: Vec<&Benchmark> = all.flat_map(|bench| &bench.benchmarks).collect();
        let mut table = Table::new(
            format!("{algorithm}-benchmarks"),
            "Micro-benchmarks; against the base, above 1 is slower",
            &[
                ("Benchmark", "benchmark"),
                ("Figure", "figure"),
                ("From", "figure_low"),
                ("To", "figure_high"),
                ("Unit", "unit"),
                ("Against the base", "against"),
                ("From", "against_low"),
                ("To", "against_high"),
            ],
        );
        for benchmark in all {
            let cell = |value: Option<f64>| Cell::maybe(value, number::short);
            let ratio = |of: fn(&Metric) -> Option<f64>| {
                Cell::maybe(benchmark.against.as_ref().and_then(of), number::ratio)
            };
            let figure = &benchmark.figure;
            table.row([
                Cell::code(&benchmark.name),
                cell(Some(figure.value)),
                cell(figure.interval.map(|interval| interval.low)),
                cell(figure.interval.map(|interval| interval.high)),
                Cell::text(&figure.unit),
                ratio(|metric| Some(metric.value)),
                ratio(|metric| metric.interval.map(|interval| interval.low)),
                ratio(|metric| metric.interval.map(|interval| interval.high)),
            ]);
        }
        page.table(table);
    });
}

pub(super) fn tests(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("tests", "Tests", |page| {
        page.runs(site, algorithm, Verb::Test);
        let mut table = Table::new(
            format!("{algorithm}-tests"),
            "Stages of the test suite",
            &[
                ("Stage", "stage"),
                ("Outcome", "outcome"),
                ("Passed", "passed"),
                ("Failed", "failed"),
                ("Not run", "skipped"),
                ("Took", "wall_seconds"),
                ("Why not run", "reason"),
            ],
        );
        for artifact in site.results(algorithm, Verb::Test) {
            let Payload::Test(test) = &artifact.payload else { continue };
            for stage in &test.stages {
                let failed = Cell::count(stage.failed);
                table.row([
                    Cell::text(&stage.name),
                    outcome_cell(&stage.outcome),
                    Cell::count(stage.passed),
                    if stage.failed > 0 { failed.tone(Tone::Bad) } else { failed },
                    Cell::count(stage.skipped),
                    Cell::number(stage.wall_s, number::seconds(stage.wall_s)),
                    Cell::text(stage.not_run.as_deref().unwrap_or("–")),
                ]);
            }
        }
        page.table(table);
    });
}

/// Figures that artifacts carry beyond their payload.
pub(super) fn metrics(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("figures", "Further figures", |page| {
        let mut table = Table::new(
            format!("{algorithm}-figures"),
            "Figures beside those above",
            &[
                ("Figure", "figure"),
                ("Value", "value"),
                ("From", "low"),
                ("To", "high"),
                ("Unit", "unit"),
                ("Samples", "samples"),
                ("From the run", "command"),
            ],
        );
        for artifact in site.about(algorithm) {
            for metric in &artifact.metrics {
                let end = |end: Option<f64>| Cell::maybe(end, number::short);
                table.row([
                    Cell::text(&metric.name),
                    Cell::number(metric.value, number::short(metric.value)),
                    end(metric.interval.map(|interval| interval.low)),
                    end(metric.interval.map(|interval| interval.high)),
                    Cell::text(&metric.unit),
                    Cell::count(metric.samples.len() as u64),
                    Cell::code(&artifact.command),
                ]);
            }
        }
        page.table(table);
    });
}
