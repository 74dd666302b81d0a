//! Latency under open load: what a user waits, by percentile and by rate.

use std::collections::BTreeSet;

use super::implementation::Names;
use super::page::Page;
use super::{Site, key, throughput};
use crate::artifact::{Artifact, Latency, LoadPoint, Payload, Quantiles, Verb};
use crate::chart::curves::{self, Curve};
use crate::html::Html;
use crate::number;
use crate::table::{Cell, Table, Tone};

pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("latency", "Latency under open load", |page| {
        if !page.runs(site, algorithm, Verb::Latency) {
            return;
        }
        page.paragraph(
            "Arrivals are planned beforehand and do not wait for answers. Response time runs from the planned time of \
             an operation and holds the time in a queue; service time runs from when it was really sent and hides it. \
             Where more than half of p50 or p99 is the lateness of the generator itself, the row is void.",
        );
        for artifact in site.results(algorithm, Verb::Latency) {
            let Payload::Latency(latency) = &artifact.payload else { continue };
            let id = format!("{}-load", key(artifact));
            let names = Names::of(latency.points.iter().map(|point| &point.implementation));
            page.figure(&load_plot(&id, latency, &names));
            // The lowest, the middle and the highest rate get a drawing of their own; the table has them all.
            let rates = rates(latency);
            let shown: BTreeSet<usize> = [0, rates.len() / 2, rates.len().saturating_sub(1)].into();
            for (place, rate) in rates.iter().enumerate().filter(|(place, _)| shown.contains(place)) {
                page.figure(&percentile_plot(&format!("{id}-rate{place}"), latency, &names, *rate));
            }
            page.table(table(artifact, latency, &names));
            page.table(generator(site, artifact, latency, &names));
            page.table(names.settings(&id));
            page.paragraph(format!("Arrivals: {}.", latency.arrivals));
            throughput::not_compared(page, &latency.not_compared);
        }
    });
}

/// The offered rates, each once, ascending.
fn rates(latency: &Latency) -> Vec<f64> {
    let mut rates: Vec<f64> = latency.points.iter().map(|point| point.offered_per_s).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup_by(|a, b| same_rate(*a, *b));
    rates
}

fn same_rate(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-3 * a.abs().max(b.abs())
}

/// Points of a distribution in nanoseconds; none if it has another unit.
fn points(quantiles: &Quantiles) -> Vec<(f64, f64)> {
    let in_ns = quantiles.unit == "ns";
    quantiles.points.iter().filter(|_| in_ns).map(|point| (point.q, point.value)).collect()
}

fn percentile_plot(id: &str, latency: &Latency, names: &Names<'_>, rate: f64) -> Html {
    let at_rate = |point: &&LoadPoint| same_rate(point.offered_per_s, rate) && !point.void;
    let mut curves = Vec::new();
    for point in latency.points.iter().filter(at_rate) {
        let (role, name) = (point.implementation.role, names.name(&point.implementation));
        let others = curves.iter().filter(|curve: &&Curve| curve.role == role).count();
        let curve = |label: &str, dash, of| Curve {
            label: format!("{name}, {label}"),
            role,
            dash,
            points: points(of),
        };
        curves.push(curve("response", others, &point.response));
        curves.push(curve("service", others + 2, &point.service));
    }
    let title = format!("Latency by percentile at {} operations per second", number::short(rate));
    let caption = "Both axes are logarithmic: one step to the right is one nine more.";
    curves::percentiles(id, &title, caption, &curves)
}

/// p50 and p99 of the response time over the offered rate, where there are several rates.
fn load_plot(id: &str, latency: &Latency, names: &Names<'_>) -> Html {
    if rates(latency).len() < 2 {
        return Html::new();
    }
    let mut implementations: Vec<_> = latency.points.iter().map(|point| &point.implementation).collect();
    implementations.sort();
    implementations.dedup();
    let mut curves: Vec<Curve> = Vec::new();
    for implementation in implementations {
        for (dash, (q, label)) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")].into_iter().enumerate() {
            let of =
                latency.points.iter().filter(|point| point.implementation == *implementation && !point.void);
            let value = |point: &LoadPoint| {
                let in_ns = point.response.unit == "ns";
                Some((point.offered_per_s, point.response.at(q).filter(|_| in_ns)?))
            };
            let mut points: Vec<(f64, f64)> = of.filter_map(value).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (label, role) = (format!("{}, {label}", names.name(implementation)), implementation.role);
            curves.push(Curve { label, role, dash, points });
        }
    }
    let title = "Response time by offered load";
    let caption = "The vertical axis is logarithmic. Rows that are void are left out.";
    curves::by_load(&format!("{id}-plot"), title, caption, &curves)
}

/// A quantile as a cell.
fn quantile(quantiles: &Quantiles, q: f64) -> Cell {
    Cell::maybe(quantiles.at(q), |value| number::in_unit(value, &quantiles.unit))
}

fn table(artifact: &Artifact, latency: &Latency, names: &Names<'_>) -> Table {
    let mut table = Table::new(
        format!("{}-latency", key(artifact)),
        "Response time by implementation and offered rate",
        &[
            ("Implementation", "implementation"),
            ("Offered /s", "offered_per_second"),
            ("Achieved /s", "achieved_per_second"),
            ("p50", "response_p50_ns"),
            ("p90", "response_p90_ns"),
            ("p99", "response_p99_ns"),
            ("p99.9", "response_p999_ns"),
            ("Longest", "response_max_ns"),
            ("Operations", "operations"),
            ("Counts", "valid"),
        ],
    );
    for point in &latency.points {
        table.row([
            Cell::text(names.name(&point.implementation)),
            Cell::number(point.offered_per_s, number::short(point.offered_per_s)),
            Cell::number(point.achieved_per_s, number::short(point.achieved_per_s)),
            quantile(&point.response, 0.5),
            quantile(&point.response, 0.9),
            quantile(&point.response, 0.99),
            quantile(&point.response, 0.999),
            quantile(&point.response, 1.0),
            Cell::count(point.response.count),
            if point.void {
                Cell::text("void: the generator was late").tone(Tone::Bad)
            } else {
                Cell::text("yes").tone(Tone::Good)
            },
        ]);
    }
    table
}

/// What hides in a service time, how well the generator kept its plan, and the files to look deeper.
fn generator(site: &Site, artifact: &Artifact, latency: &Latency, names: &Names<'_>) -> Table {
    let mut table = Table::new(
        format!("{}-latency-service", key(artifact)),
        "Service time, the generator's own lag, and the recorded distributions",
        &[
            ("Implementation", "implementation"),
            ("Offered /s", "offered_per_second"),
            ("Service p50", "service_p50_ns"),
            ("Service p99", "service_p99_ns"),
            ("Service p99.9", "service_p999_ns"),
            ("Lag p99", "lag_p99_ns"),
            ("Sent late", "late_share"),
            ("Interval log", "hlog"),
            ("Percentiles", "hgrm"),
        ],
    );
    for point in &latency.points {
        table.row([
            Cell::text(names.name(&point.implementation)),
            Cell::number(point.offered_per_s, number::short(point.offered_per_s)),
            quantile(&point.service, 0.5),
            quantile(&point.service, 0.99),
            quantile(&point.service, 0.999),
            quantile(&point.generator_lag, 0.99),
            Cell::number(point.late_share, number::percent(point.late_share)),
            file(site, artifact, point.hlog.as_ref()),
            file(site, artifact, point.hgrm.as_ref()),
        ]);
    }
    table
}

/// A link to a file beside the artifact, if it is there.
fn file(site: &Site, artifact: &Artifact, name: Option<&String>) -> Cell {
    let Some(name) = name else {
        return Cell::text("–").tone(Tone::Missing);
    };
    let path = format!("{}/{name}", artifact.verb);
    if site.beside.contains(&path) {
        let extension = name.rsplit('.').next().unwrap_or("file");
        Cell::text(format!(".{extension}")).link(format!("data/{path}"))
    } else {
        Cell::text(format!("{name} is missing")).tone(Tone::Bad)
    }
}
