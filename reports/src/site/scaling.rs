//! What more threads make of the same work, how soon they get some, and what they cost without any.

use super::implementation::Names;
use super::page::Page;
use super::{Site, key, throughput};
use crate::artifact::{
    Artifact, Implementation, Payload, Quantiles, Role, Scaling, ScalingSeries, Sharing, Verb,
};
use crate::chart::dots::{self, Mark, Row};
use crate::number;
use crate::table::{Cell, Table};

/// The section, if the experiment was run.
pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    let run: Vec<(&Artifact, &Scaling)> = site
        .results(algorithm, Verb::Compare)
        .filter_map(|artifact| match &artifact.payload {
            Payload::Scaling(scaling) => Some((artifact, scaling)),
            _ => None,
        })
        .collect();
    if run.is_empty() {
        return;
    }
    page.section("scaling", "What do more threads make of it?", |page| {
        page.paragraph(
            "The same recursions without a pool, on ours and on others, interleaved: every round runs each once, in an \
             order shuffled anew, and a speed-up is the quotient of two runs of one round. Each run's answer is verified. \
             A pool of one thread shows what a join costs; more threads than the machine runs at once were not asked for.",
        );
        for (artifact, scaling) in run {
            one(page, site, artifact, scaling);
        }
    });
}

fn one(page: &mut Page, site: &Site, artifact: &Artifact, scaling: &Scaling) {
    page.run(site, artifact);
    let id = format!("scaling-{}", key(artifact));
    let all = scaling.series.iter().map(|series| &series.implementation);
    let others = scaling.sharing.iter().map(|sharing| &sharing.implementation);
    let names = Names::of(all.chain(others).chain(scaling.idle.iter().map(|idle| &idle.implementation)));
    page.paragraph(format!("The machine runs {} at once.", number::of(scaling.cores.into(), "thread")));
    let mut works: Vec<&str> = Vec::new();
    for series in &scaling.series {
        if !works.contains(&series.work.as_str()) {
            works.push(&series.work);
        }
    }
    for (place, work) in works.iter().enumerate() {
        let of_work: Vec<&ScalingSeries> =
            scaling.series.iter().filter(|series| series.work == *work).collect();
        let id = format!("{id}-{place}");
        let caption = "How many times as fast as the same work without a pool; the mark is the median, faint ticks are the rounds.";
        let mut by_threads = of_work.clone();
        by_threads.sort_by_key(|series| series.threads);
        let rows: Vec<Row> = by_threads.iter().filter_map(|series| row(series, &names)).collect();
        let title = format!("Speed-up: {work}");
        page.figure(&dots::plot(
            &format!("{id}-plot"),
            &title,
            caption,
            &rows,
            Some(1.0),
            number::short_ratio,
        ));
        page.table(table(&id, work, &of_work, &names));
    }
    page.table(sharing(&id, &scaling.sharing, &names));
    page.table(idle(&id, scaling, &names));
    page.table(names.settings(&id));
    throughput::not_compared(page, &scaling.not_compared);
}

fn is_pool(implementation: &Implementation) -> bool {
    implementation.role != Role::Floor
}

fn row(series: &ScalingSeries, names: &Names<'_>) -> Option<Row> {
    let value = series.speedup(0.5).filter(|_| is_pool(&series.implementation))?;
    Some(Row {
        group: number::of(series.threads.into(), "thread"),
        label: names.name(&series.implementation).to_owned(),
        value,
        interval: None,
        samples: series.speedups(),
        mark: if series.implementation.role == Role::Ours { Mark::Ours } else { Mark::Peer },
        printed: number::ratio(value),
    })
}

fn table(id: &str, work: &str, of_work: &[&ScalingSeries], names: &Names<'_>) -> Table {
    let mut table = Table::new(
        format!("{id}-table"),
        format!("{work}: speed-ups by share of rounds, and the time of an operation in the middle round"),
        &[
            ("Implementation", "implementation"),
            ("Threads", "threads"),
            ("5 %", "p5"),
            ("25 %", "p25"),
            ("Median", "p50"),
            ("95 %", "p95"),
            ("An operation", "ns"),
            ("More than without a pool", "overhead_ns"),
            ("Rounds", "rounds"),
        ],
    );
    for series in of_work {
        let ratio = |q| Cell::maybe(series.speedup(q), number::ratio);
        let overhead = series.overhead().filter(|_| series.threads == 1 && is_pool(&series.implementation));
        table.row([
            Cell::text(names.name(&series.implementation)),
            Cell::count(series.threads.into()),
            ratio(0.05),
            ratio(0.25),
            ratio(0.5),
            ratio(0.95),
            Cell::maybe(series.per_operation(0.5), number::nanoseconds),
            Cell::maybe(overhead, number::nanoseconds),
            Cell::count(series.wall_ns.len() as u64),
        ]);
    }
    table
}

fn sharing(id: &str, all: &[Sharing], names: &Names<'_>) -> Table {
    let mut table = Table::new(
        format!("{id}-sharing"),
        "From the beginning of a join until its second closure begins on another thread, while the first goes on with \
         joins that do nothing; what did not begin there within a millisecond is missed",
        &[
            ("Implementation", "implementation"),
            ("The other thread was", "other"),
            ("Median", "p50"),
            ("90 %", "p90"),
            ("99 %", "p99"),
            ("Most", "max"),
            ("Shared", "count"),
            ("Missed", "missed"),
        ],
    );
    for sharing in all {
        let at = |q: f64| {
            let Quantiles { points, .. } = &sharing.latency;
            let point = points.iter().find(|point| (point.q - q).abs() < 1e-9);
            Cell::maybe(point.map(|point| point.value), number::nanoseconds)
        };
        table.row([
            Cell::text(names.name(&sharing.implementation)),
            Cell::text(&sharing.other),
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0),
            Cell::count(sharing.latency.count),
            Cell::count(sharing.missed),
        ]);
    }
    table
}

fn idle(id: &str, scaling: &Scaling, names: &Names<'_>) -> Table {
    let mut table = Table::new(
        format!("{id}-idle"),
        "CPU time of a pool that has nothing to do, by wall time",
        &[("Implementation", "implementation"), ("Threads", "threads"), ("Of one processor", "share")],
    );
    for idle in &scaling.idle {
        table.row([
            Cell::text(names.name(&idle.implementation)),
            Cell::count(idle.threads.into()),
            Cell::number(idle.cpu_share, number::percent(idle.cpu_share)),
        ]);
    }
    table
}
