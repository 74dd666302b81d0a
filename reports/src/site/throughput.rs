//! Ours, peers and floor at equal work.
//!
//! Only what was verified and has equal digests is compared, round by round. The best peer of a shape is the
//! one with the highest median there: ours is never compared with a peer's weaker setting alone.

use std::rc::Rc;

use super::Site;
use super::implementation::Names;
use super::page::Page;
use crate::artifact::{Compare, Interval, Measurement, Payload, Role, Verb};
use crate::chart::dots::{self, Mark, Row};
use crate::number;
use crate::statistics;
use crate::table::{Cell, Table, Tone};

/// A ratio of two throughputs with its interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio {
    pub(super) value: f64,
    pub(super) interval: Interval,
}

/// What a ratio says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ahead,
    Behind,
    /// The interval holds 1: no winner.
    Even,
}

impl Ratio {
    pub(super) fn verdict(self) -> Verdict {
        match self.interval {
            Interval { low, .. } if low > 1.0 => Verdict::Ahead,
            Interval { high, .. } if high < 1.0 => Verdict::Behind,
            _ => Verdict::Even,
        }
    }

    fn shown(self) -> String {
        let Interval { low, high, .. } = self.interval;
        format!("{} [{}, {}]", number::ratio(self.value), number::ratio(low), number::ratio(high))
    }
}

/// One shape of the workload, and how ours stands in it.
#[derive(Clone, Debug)]
pub(super) struct Shape<'a> {
    pub(super) name: String,
    pub(super) unit: &'a str,
    /// The same for all shapes of an algorithm.
    names: Rc<Names<'a>>,
    pub(super) measurements: Vec<&'a Measurement>,
    /// Ours / the best peer, with the peer's name.
    pub(super) against_peer: Option<(String, Ratio)>,
    /// Ours / the floor, with the floor's name.
    pub(super) against_floor: Option<(String, Ratio)>,
}

/// All shapes that were measured for an algorithm, smallest first.
pub(super) fn shapes<'a>(site: &'a Site, algorithm: &'a str) -> Vec<Shape<'a>> {
    let compared = site.results(algorithm, Verb::Compare).filter_map(|artifact| match &artifact.payload {
        Payload::Compare(compare) => Some(compare),
        _ => None,
    });
    let compared: Vec<&Compare> = compared.collect();
    let measurements = compared.iter().flat_map(|compare| &compare.measurements);
    let names = Rc::new(Names::of(measurements.map(|measurement| &measurement.implementation)));
    compared.into_iter().flat_map(|compare| shapes_of(compare, &names)).collect()
}

fn shapes_of<'a>(compare: &'a Compare, names: &Rc<Names<'a>>) -> Vec<Shape<'a>> {
    let key = |m: &Measurement| (m.nodes, m.payload_bytes, m.window);
    let mut keys: Vec<_> = compare.measurements.iter().map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .map(|(nodes, payload, window)| {
            let of_shape = compare.measurements.iter().filter(|m| key(m) == (nodes, payload, window));
            let mut measurements: Vec<&Measurement> = of_shape.collect();
            measurements.sort_by_key(|m| m.implementation.role);
            let window_text = number::count(window);
            let name = format!(
                "window {window_text}, {} commands, {nodes} nodes",
                number::round(&number::bytes(payload))
            );
            let against = |role| {
                let (theirs, ratio) = against_best(&measurements, role)?;
                Some((names.name(&theirs.implementation).to_owned(), ratio))
            };
            let (against_peer, against_floor) = (against(Role::Peer), against(Role::Floor));
            let (unit, names) = (&compare.unit, Rc::clone(names));
            Shape { name, unit, names, measurements, against_peer, against_floor }
        })
        .collect()
}

/// The best of ours against the best of a role that did the same work.
fn against_best<'a>(measurements: &[&'a Measurement], role: Role) -> Option<(&'a Measurement, Ratio)> {
    let best = |role: Role, usable: &dyn Fn(&Measurement) -> bool| {
        let candidates = measurements.iter().filter(|m| m.implementation.role == role && usable(m));
        let rated = candidates.filter_map(|m| Some((*m, median(m)?)));
        rated.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(measurement, _)| measurement)
    };
    let ours = best(Role::Ours, &|m| m.verified)?;
    let theirs = best(role, &|m| ours.comparable(m))?;
    let (value, interval) = ours.ratio(theirs)?;
    Some((theirs, Ratio { value, interval }))
}

/// The median of a measurement's samples, if all of them are throughputs.
fn median(measurement: &Measurement) -> Option<f64> {
    estimate(measurement).map(|(median, _)| median)
}

fn estimate(measurement: &Measurement) -> Option<(f64, Interval)> {
    let usable = measurement.samples.iter().all(|sample| sample.is_finite() && *sample > 0.0);
    (usable && !measurement.samples.is_empty()).then(|| statistics::median_interval(&measurement.samples))
}

pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("throughput", "Throughput, against peers and the floor", |page| {
        if !page.runs(site, algorithm, Verb::Compare) {
            return;
        }
        let shapes = shapes(site, algorithm);
        verdicts(page, &shapes);
        page.figure(&ratio_plot(algorithm, &shapes));
        page.table(ratio_table(algorithm, &shapes));
        page.heading("Absolute figures");
        page.figure(&absolute_plot(algorithm, &shapes));
        page.table(absolute_table(algorithm, &shapes));
        if let Some(shape) = shapes.first() {
            page.table(shape.names.settings(&format!("{algorithm}-compare")));
        }
        for artifact in site.results(algorithm, Verb::Compare) {
            let Payload::Compare(compare) = &artifact.payload else { continue };
            page.paragraph(format!("The work: {}", compare.workload));
            not_compared(page, &compare.not_compared);
        }
    });
}

/// What one might look for and not find.
pub(super) fn not_compared(page: &mut Page, reasons: &[String]) {
    if reasons.is_empty() {
        return;
    }
    page.heading("Not compared");
    list(page, reasons);
}

/// Lines of a list; nothing if there are none.
pub(super) fn list(page: &mut Page, reasons: &[String]) {
    if reasons.is_empty() {
        return;
    }
    page.body().literal("<ul>");
    for reason in reasons {
        page.body().element("li", &[], reason);
    }
    page.body().literal("</ul>");
}

/// Where a peer is ahead comes first; then where nobody can be said to be; then the rest.
fn verdicts(page: &mut Page, shapes: &[Shape<'_>]) {
    let of = |verdict: Verdict| {
        let compared = shapes.iter().filter_map(|shape| Some((shape, shape.against_peer.as_ref()?)));
        compared.filter(move |(_, (_, ratio))| ratio.verdict() == verdict)
    };
    for (shape, (peer, ratio)) in of(Verdict::Behind) {
        page.notice(
            Tone::Bad,
            format!("{peer} is ahead at {}: ours / {peer} = {}.", shape.name, ratio.shown()),
        );
    }
    for (shape, (peer, ratio)) in of(Verdict::Even) {
        page.notice(Tone::Caution, format!("No winner against {peer} at {}: {}.", shape.name, ratio.shown()));
    }
    let (ahead, compared) =
        (of(Verdict::Ahead).count(), shapes.iter().filter(|s| s.against_peer.is_some()).count());
    if compared > 0 {
        page.paragraph(format!("Ahead of the best peer in {ahead} of {compared} workload shapes."));
    }
}

fn ratio_plot(algorithm: &str, shapes: &[Shape<'_>]) -> crate::html::Html {
    let row = |shape: &Shape<'_>, (name, ratio): &(String, Ratio), is_peer: bool| Row {
        group: shape.name.clone(),
        label: format!("ours / {name}"),
        value: ratio.value,
        interval: Some(ratio.interval),
        samples: Vec::new(),
        mark: match ratio.verdict() {
            _ if !is_peer => Mark::Floor,
            Verdict::Ahead => Mark::Ahead,
            Verdict::Behind => Mark::Behind,
            Verdict::Even => Mark::Even,
        },
        printed: number::ratio(ratio.value),
    };
    let rows: Vec<Row> = shapes
        .iter()
        .flat_map(|shape| {
            let peer = shape.against_peer.iter().map(|against| row(shape, against, true));
            peer.chain(shape.against_floor.iter().map(|against| row(shape, against, false)))
        })
        .collect();
    let caption = format!(
        "Logarithmic; right of 1 ours does more. Triangles point up where ours is ahead, down where the peer is, rings where the \
         interval holds 1; diamonds compare with the floor. Bars: {} intervals.",
        number::percent(statistics::CONFIDENCE)
    );
    let id = format!("{algorithm}-ratio-plot");
    dots::plot(&id, "Throughput of ours divided by another's", &caption, &rows, Some(1.0), number::ratio)
}

fn ratio_table(algorithm: &str, shapes: &[Shape<'_>]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-ratios"),
        "Throughput ratios, from rounds run side by side",
        &[
            ("Workload", "workload"),
            ("Against", "against"),
            ("Ratio", "ratio"),
            ("From", "ratio_low"),
            ("To", "ratio_high"),
            ("Verdict", "verdict"),
        ],
    );
    for shape in shapes {
        let both = [(&shape.against_peer, true), (&shape.against_floor, false)];
        for ((name, ratio), is_peer) in
            both.into_iter().filter_map(|(against, is)| Some((against.as_ref()?, is)))
        {
            let Interval { low, high, .. } = ratio.interval;
            let verdict = match ratio.verdict() {
                _ if !is_peer => Cell::text("the floor"),
                Verdict::Ahead => Cell::text("ahead").tone(Tone::Good),
                Verdict::Behind => Cell::text("behind").tone(Tone::Bad),
                Verdict::Even => Cell::text("no winner").tone(Tone::Caution),
            };
            let number = |value: f64| Cell::number(value, number::ratio(value));
            let shape_name = Cell::text(&shape.name);
            table.row([
                shape_name,
                Cell::text(name),
                number(ratio.value),
                number(low),
                number(high),
                verdict,
            ]);
        }
    }
    table
}

fn absolute_plot(algorithm: &str, shapes: &[Shape<'_>]) -> crate::html::Html {
    let mut rows = Vec::new();
    for shape in shapes {
        for measurement in &shape.measurements {
            let Some((value, interval)) = estimate(measurement) else { continue };
            rows.push(Row {
                group: shape.name.clone(),
                label: shape.names.name(&measurement.implementation).to_owned(),
                value,
                interval: Some(interval),
                samples: measurement.samples.clone(),
                mark: match measurement.implementation.role {
                    Role::Ours => Mark::Ours,
                    Role::Peer => Mark::Peer,
                    Role::Floor => Mark::Floor,
                },
                printed: number::short(value),
            });
        }
    }
    let unit = shapes.first().map_or("", |shape| shape.unit);
    let caption = format!(
        "In {unit}, logarithmic; more is better. Discs: ours; squares: peers; diamonds: the floor. Faint ticks: every \
         round. Times of a shared machine: trust the ratios above more."
    );
    dots::plot(&format!("{algorithm}-throughput-plot"), "Throughput", &caption, &rows, None, number::short)
}

fn absolute_table(algorithm: &str, shapes: &[Shape<'_>]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-throughput"),
        format!("Throughput, {}", shapes.first().map_or("", |shape| shape.unit)),
        &[
            ("Implementation", "implementation"),
            ("Window", "window"),
            ("Command", "payload_bytes"),
            ("Nodes", "nodes"),
            ("Median", "median"),
            ("From", "low"),
            ("To", "high"),
            ("Rounds", "rounds"),
            ("Messages/commit", "messages_per_commit"),
            ("p50", "latency_p50"),
            ("p99", "latency_p99"),
            ("Answer", "answer"),
        ],
    );
    for shape in shapes {
        for measurement in &shape.measurements {
            let estimate = estimate(measurement);
            let number = |value: Option<f64>| Cell::maybe(value, number::short);
            let latency = |q: f64| {
                let quantiles = measurement.latency.as_ref();
                let unit = quantiles.map_or("", |quantiles| &quantiles.unit);
                Cell::maybe(quantiles.and_then(|quantiles| quantiles.at(q)), |value| {
                    number::in_unit(value, unit)
                })
            };
            let answer = if measurement.verified {
                Cell::text("verified").tone(Tone::Good)
            } else {
                Cell::text("not verified: not compared").tone(Tone::Bad)
            };

            table.row([
                Cell::text(shape.names.name(&measurement.implementation)),
                Cell::count(measurement.window),
                Cell::number(
                    measurement.payload_bytes as f64,
                    number::round(&number::bytes(measurement.payload_bytes)),
                ),
                Cell::count(measurement.nodes.into()),
                number(estimate.map(|(median, _)| median)),
                number(estimate.map(|(_, interval)| interval.low)),
                number(estimate.map(|(_, interval)| interval.high)),
                Cell::count(measurement.samples.len() as u64),
                number(measurement.messages_per_commit),
                latency(0.5),
                latency(0.99),
                answer,
            ]);
        }
    }
    table
}
