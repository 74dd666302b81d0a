//! Latency under open load: what a user waits, by percentile and by rate.

use super::page::Page;
use super::{Site, throughput};
use crate::artifact::{Artifact, Latency, LoadPoint, Payload, Quantiles, Verb};
use crate::chart::curves::{self, Curve};
use crate::html::Html;
use crate::number;
use crate::table::{Cell, Table, Tone};

/// Rates that get a drawing of their own; the table has them all.
const PLOTS_MAX: usize = 6;

pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("latency", "Latency under open load", |page| {
        if !page.runs(site, algorithm, Verb::Latency) {
            return;
        }
        page.paragraph(
            "Arrivals are planned beforehand and do not wait for answers. Response time runs from the planned time of \
             an operation and holds the time in a queue; service time runs from when it was really sent and hides it. \
             Where the generator itself was late too often the row is void.",
        );
        for artifact in site.results(algorithm, Verb::Latency) {
            let Payload::Latency(latency) = &artifact.payload else { continue };
            let id = format!("{algorithm}-{}", artifact.subject);
            page.figure(&load_plot(&id, latency));
            for (place, rate) in rates(latency).into_iter().take(PLOTS_MAX).enumerate() {
                page.figure(&percentile_plot(&format!("{id}-rate{place}"), latency, rate));
            }
            page.table(table(site, artifact, latency));
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

fn percentile_plot(id: &str, latency: &Latency, rate: f64) -> Html {
    let at_rate = |point: &&LoadPoint| same_rate(point.offered_per_s, rate) && !point.void;
    let mut curves = Vec::new();
    for point in latency.points.iter().filter(at_rate) {
        let (role, name) = (point.implementation.role, &point.implementation.name);
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
    let caption = format!("{title}; both axes logarithmic, one step to the right is one nine more.");
    curves::percentiles(id, &title, &caption, &curves)
}

/// p50 and p99 of the response time over the offered rate, where there are several rates.
fn load_plot(id: &str, latency: &Latency) -> Html {
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
            let (label, role) = (format!("{}, {label}", implementation.name), implementation.role);
            curves.push(Curve { label, role, dash, points });
        }
    }
    let title = "Response time by offered load";
    let caption = "Response time by offered load; the vertical axis is logarithmic.";
    curves::by_load(&format!("{id}-load"), title, caption, &curves)
}

fn table(site: &Site, artifact: &Artifact, latency: &Latency) -> Table {
    let mut table = Table::new(
        format!("{}-latency", artifact.subject),
        "Latency by implementation and offered rate",
        &[
            ("Implementation", "implementation"),
            ("Offered per second", "offered_per_second"),
            ("Achieved per second", "achieved_per_second"),
            ("Response p50", "response_p50_ns"),
            ("Response p99", "response_p99_ns"),
            ("Response p99.9", "response_p999_ns"),
            ("Longest", "response_max_ns"),
            ("Service p99", "service_p99_ns"),
            ("Generator late", "late_share"),
            ("Generator lag p99", "lag_p99_ns"),
            ("Counts", "valid"),
            ("Operations", "operations"),
            ("Log", "hlog"),
            ("Percentiles", "hgrm"),
            ("Settings", "settings"),
        ],
    );
    for point in &latency.points {
        let cell = |quantiles: &Quantiles, q: f64| {
            Cell::maybe(quantiles.at(q), |value| number::in_unit(value, &quantiles.unit))
        };
        table.row([
            Cell::text(&point.implementation.name),
            Cell::number(point.offered_per_s, number::short(point.offered_per_s)),
            Cell::number(point.achieved_per_s, number::short(point.achieved_per_s)),
            cell(&point.response, 0.5),
            cell(&point.response, 0.99),
            cell(&point.response, 0.999),
            cell(&point.response, 1.0),
            cell(&point.service, 0.99),
            Cell::number(point.late_share, number::percent(point.late_share)),
            cell(&point.generator_lag, 0.99),
            if point.void {
                Cell::text("void: the generator was late").tone(Tone::Bad)
            } else {
                Cell::text("yes").tone(Tone::Good)
            },
            Cell::count(point.response.count),
            file(site, artifact, point.hlog.as_ref()),
            file(site, artifact, point.hgrm.as_ref()),
            Cell::text(&point.implementation.settings),
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
