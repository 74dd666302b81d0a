//! Latency under open load: what a user waits, by percentile and by rate.

use super::implementation::Names;
use super::page::Page;
use super::{Site, key, throughput};
use crate::artifact::{Artifact, Implementation, Latency, LoadPoint, Payload, Quantiles, Role, Verb};
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
            // Rates follow each implementation's own capacity: each has drawings of its own.
            for (place, implementation) in implementations(latency).into_iter().enumerate() {
                let (id, name) = (format!("{id}{place}"), names.name(implementation));
                let of = |point: &&LoadPoint| point.implementation == *implementation && !point.void;
                let mut points: Vec<&LoadPoint> = latency.points.iter().filter(of).collect();
                points.sort_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s));
                if points.len() > 1 {
                    page.figure(&load_plot(&id, name, &points));
                }
                // The table has all rates.
                if let Some(middle) = points.get(points.len() / 2) {
                    page.figure(&percentile_plot(&id, name, middle));
                }
            }
            page.table(table(artifact, latency, &names));
            page.table(generator(site, artifact, latency, &names));
            page.table(names.settings(&id));
            page.paragraph(format!("Arrivals: {}.", latency.arrivals));
            throughput::not_compared(page, &latency.not_compared);
        }
    });
}

/// What took part, each once, in the order of the run.
fn implementations(latency: &Latency) -> Vec<&Implementation> {
    let mut all: Vec<&Implementation> = Vec::new();
    for point in &latency.points {
        if !all.contains(&&point.implementation) {
            all.push(&point.implementation);
        }
    }
    all
}

/// Points of a distribution in nanoseconds; none if it has another unit.
fn points(quantiles: &Quantiles) -> Vec<(f64, f64)> {
    let in_ns = quantiles.unit == "ns";
    quantiles.points.iter().filter(|_| in_ns).map(|point| (point.q, point.value)).collect()
}

/// The distribution at one rate.
fn percentile_plot(id: &str, name: &str, point: &LoadPoint) -> Html {
    let curve = |label: &str, dash, of| Curve {
        label: label.to_owned(),
        role: point.implementation.role,
        dash,
        points: points(of),
    };
    let curves = [curve("response", 0, &point.response), curve("service", 2, &point.service)];
    let title = format!(
        "{name}: latency by percentile at {} operations per second",
        number::short(point.offered_per_s)
    );
    let caption = "Both axes are logarithmic: one step to the right is one nine more.";
    curves::percentiles(&format!("{id}-percentiles"), &title, caption, &curves)
}

/// p50, p99 and p99.9 of the response time over the offered rate.
fn load_plot(id: &str, name: &str, points: &[&LoadPoint]) -> Html {
    let curves: Vec<Curve> = [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")]
        .into_iter()
        .enumerate()
        .map(|(dash, (q, label))| {
            let value = |point: &&LoadPoint| {
                let in_ns = point.response.unit == "ns";
                Some((point.offered_per_s, point.response.at(q).filter(|_| in_ns)?))
            };
            let role = points.first().map_or(Role::Ours, |point| point.implementation.role);
            Curve { label: label.to_owned(), role, dash, points: points.iter().filter_map(value).collect() }
        })
        .collect();
    let title = format!("{name}: response time by offered load");
    let caption = "The vertical axis is logarithmic. Rows that are void are left out.";
    curves::by_load(&format!("{id}-plot"), &title, caption, &curves)
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
