//! How long clusters were without a leader after it had crashed, beside what a paper published.

use super::page::Page;
use super::{Site, key};
use crate::artifact::{Artifact, ElectionClaim, ElectionRange, Elections, Payload, PublishedPoint, Verb};
use crate::chart::cumulative::{self, Line, Mark};
use crate::number;
use crate::table::{Cell, Table, Tone};

/// The section, if the experiment was run.
pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    let run: Vec<(&Artifact, &Elections)> = site
        .results(algorithm, Verb::Simulate)
        .filter_map(|artifact| match &artifact.payload {
            Payload::Elections(elections) => Some((artifact, elections)),
            _ => None,
        })
        .collect();
    if run.is_empty() {
        return;
    }
    page.section("elections", "How long without a leader?", |page| {
        page.paragraph(
            "Figure 16 of the Raft paper, by the simulator on the code that is checked: a leader crashes at some moment \
             after a round of heartbeats that reaches all, the others hold logs of different length, so that some of \
             them cannot win, and what counts is the time until one of them leads. Too little randomness in the \
             election timeouts splits votes again and again; timeouts too close to the time of a round trip do as well.",
        );
        page.paragraph(
            "The paper gives a round trip of about 15 ms and not how it divides, which decides how often votes split. \
             The division here was fitted to the published figures by a model outside of this project: so what agrees \
             shows that the same code and these delays give the paper's figures, and is no prediction.",
        );
        for (artifact, elections) in run {
            one(page, site, artifact, elections);
        }
    });
}

fn one(page: &mut Page, site: &Site, artifact: &Artifact, elections: &Elections) {
    page.run(site, artifact);
    let id = format!("elections-{}", key(artifact));
    page.table(claims(&format!("{id}-claims"), &elections.claims));
    let mut plots: Vec<&str> = Vec::new();
    for range in &elections.ranges {
        if !plots.contains(&range.plot.as_str()) {
            plots.push(&range.plot);
        }
    }
    for (place, plot) in plots.iter().enumerate() {
        let of_plot = || elections.ranges.iter().filter(|range| range.plot == *plot);
        let lines: Vec<Line> = of_plot().map(line).collect();
        let delays = of_plot().next().map_or("", |range| &range.delays);
        let caption = format!(
            "The share of trials that had a leader by then, by range of election timeouts. Delays: {delays}. {}",
            number::of(of_plot().next().map_or(0, ElectionRange::trials), "trial") + " per line."
        );
        let marks: Vec<Mark> =
            of_plot().flat_map(|range| range.published.iter().map(move |point| mark(range, point))).collect();
        let plot_id = format!("{id}-plot-{place}");
        let title = format!("Time without a leader: {plot}");
        page.figure(&cumulative::plot(&plot_id, &title, &caption, "milliseconds", &lines, &marks));
    }
    page.folded_table("All ranges as a table", ranges(&format!("{id}-ranges"), elections));
}

fn mark(range: &ElectionRange, point: &PublishedPoint) -> Mark {
    Mark { value: point.time_ms, share: point.share, label: format!("{}, published", range.name()) }
}

fn line(range: &ElectionRange) -> Line {
    Line { label: range.name(), values: range.times_ms.clone(), of: range.trials() }
}

fn claims(id: &str, claims: &[ElectionClaim]) -> Table {
    let mut table = Table::new(
        id,
        "The published figures, and ours",
        &[
            ("Figure", "figure"),
            ("Published", "published"),
            ("Here", "measured"),
            ("Asserted", "bounds"),
            ("Holds", "holds"),
        ],
    );
    for claim in claims {
        let maybe = |text: &Option<String>| {
            text.as_ref().map_or_else(|| Cell::text("–").tone(Tone::Missing), Cell::text)
        };
        table.row([
            Cell::text(&claim.figure),
            maybe(&claim.published),
            Cell::text(&claim.measured),
            maybe(&claim.bounds),
            match claim.holds {
                Some(true) => Cell::text("yes").tone(Tone::Good),
                Some(false) => Cell::text("no").tone(Tone::Bad),
                None => Cell::text("told only").tone(Tone::Missing),
            },
        ]);
    }
    table
}

fn ranges(id: &str, elections: &Elections) -> Table {
    let mut table = Table::new(
        id,
        "Milliseconds from the crash to the next leader; a dash stands for more than the time that a trial is given",
        &[
            ("Election timeouts", "range"),
            ("Plot", "plot"),
            ("Least", "min"),
            ("Median", "p50"),
            ("Mean", "mean"),
            ("90 %", "p90"),
            ("99 %", "p99"),
            ("Worst", "max"),
            ("Without a leader", "open"),
            ("Trials", "trials"),
        ],
    );
    for range in &elections.ranges {
        let cell = |value: Option<f64>| Cell::maybe(value, |value| number::in_unit(value, ""));
        table.row([
            Cell::text(range.name()),
            Cell::text(&range.plot),
            cell(range.quantile(0.0)),
            cell(range.quantile(0.5)),
            cell(range.mean()),
            cell(range.quantile(0.9)),
            cell(range.quantile(0.99)),
            cell(range.quantile(1.0)),
            Cell::count(range.open),
            Cell::count(range.trials()),
        ]);
    }
    table
}
