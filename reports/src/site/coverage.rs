//! What campaigns have covered: abstract states and how many are likely left, which faults met whom, which messages
//! and operations came together.

use std::collections::BTreeMap;

use super::page::Page;
use crate::artifact::{Coverage, Simulate};
use crate::chart::matrix;
use crate::number;
use crate::table::{Cell, Table, Tone};

pub(super) fn write(page: &mut Page, algorithm: &str, results: &[&Simulate]) {
    let told: Vec<(&Simulate, &Coverage)> =
        results.iter().filter_map(|simulate| Some((*simulate, simulate.coverage.as_ref()?))).collect();
    if told.is_empty() {
        return;
    }
    page.heading("What the runs covered");
    page.paragraph(
        "A clean campaign says little unless it went somewhere. Abstract states are what the protocol calls \
         situations. Of what one more run would meet, the share that no run has met is estimated after Good and Turing, \
         from those met in one run alone; that is no share of all there is, of which far more may be left. An empty cell of a matrix is a situation that no run has been in.",
    );
    page.table(states(algorithm, &told));
    let coverages = || told.iter().map(|(_, coverage)| *coverage);

    let met = coverages().flat_map(|coverage| &coverage.faults);
    let situations: Vec<(&str, String, u64)> =
        met.map(|met| (&*met.fault, format!("{}, {}", met.role, met.phase), met.count)).collect();
    let met = situations.iter().map(|(fault, situation, count)| (*fault, &**situation, *count));
    pairs(
        page,
        &Pairs {
            id: format!("{algorithm}-faults-met"),
            title: "Faults by the situation of the node that they met",
            label: "Faults by situation as a table",
            columns: ["Fault", "Role and phase"],
            keys: ["fault", "situation"],
        },
        met.collect(),
    );
    let messages = coverages().flat_map(|coverage| &coverage.messages);
    pairs(
        page,
        &Pairs {
            id: format!("{algorithm}-messages-met"),
            title: "Messages by the one that the same node took before",
            label: "Pairs of messages as a table",
            columns: ["Before", "Then"],
            keys: ["before", "message"],
        },
        messages.map(|pair| (&*pair.before, &*pair.kind, pair.count)).collect(),
    );
    let overlaps = coverages().flat_map(|coverage| &coverage.overlaps);
    let overlaps: Vec<(&str, String, u64)> = overlaps
        .map(|overlap| (&*overlap.first, format!("{} {}", overlap.how, overlap.other), overlap.count))
        .collect();
    let overlaps = overlaps.iter().map(|(first, other, count)| (*first, &**other, *count));
    pairs(
        page,
        &Pairs {
            id: format!("{algorithm}-overlaps"),
            title: "Operations of clients by those that they overlapped",
            label: "Overlaps as a table",
            columns: ["Operation", "Lay"],
            keys: ["operation", "overlap"],
        },
        overlaps.collect(),
    );
}

fn states(algorithm: &str, told: &[(&Simulate, &Coverage)]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-coverage"),
        "Abstract states",
        &[
            ("Profile", "profile"),
            ("Runs that told", "runs"),
            ("Distinct states", "states"),
            ("In one run alone", "states_once"),
            ("Likely unseen, of what a run meets", "unseen_share"),
            ("New by one more run", "new_per_run"),
            ("Counts", "counts"),
        ],
    );
    for (simulate, coverage) in told {
        table.row([
            Cell::text(&simulate.profile),
            Cell::count(coverage.runs),
            Cell::count(coverage.states),
            Cell::count(coverage.states_once),
            Cell::maybe(coverage.unseen, number::small),
            Cell::maybe(coverage.new_per_run, number::short),
            Cell::text(if coverage.states_exact { "exact" } else { "scaled up from a sample" }),
        ]);
    }
    table
}

/// What a matrix is of.
struct Pairs {
    id: String,
    title: &'static str,
    label: &'static str,
    columns: [&'static str; 2],
    keys: [&'static str; 2],
}

/// A matrix and, folded away, its table; pairs that never met are in the table, too.
fn pairs(page: &mut Page, of: &Pairs, met: Vec<(&str, &str, u64)>) {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (row, column, count) in met {
        let sum = counts.entry((row, column)).or_default();
        *sum = sum.saturating_add(count);
    }
    let (mut rows, mut columns): (Vec<&str>, Vec<&str>) = counts.keys().copied().unzip();
    for names in [&mut rows, &mut columns] {
        names.sort_unstable();
        names.dedup();
    }
    let never = rows.len() * columns.len() - counts.values().filter(|count| **count > 0).count();
    let caption = format!("Over all campaigns above; {} never met.", number::of(never as u64, "pair"));
    page.figure(&matrix::plot(&format!("{}-plot", of.id), of.title, &caption, &rows, &columns, &counts));
    let [row, column] = of.columns;
    let [row_key, column_key] = of.keys;
    let mut table = Table::new(&of.id, of.title, &[(row, row_key), (column, column_key), ("Count", "count")]);
    for (place, (row, column)) in
        rows.iter().flat_map(|row| columns.iter().map(move |column| (*row, *column))).enumerate()
    {
        if place == ROWS_MAX {
            break;
        }
        let count = counts.get(&(row, column)).copied().unwrap_or(0);
        let tone = if count == 0 { Tone::Caution } else { Tone::Plain };
        table.row([Cell::text(row), Cell::text(column), Cell::count(count).tone(tone)]);
    }
    page.folded_table(of.label, table);
}

/// Rows of one of the tables; the data has all of them.
const ROWS_MAX: usize = 2000;
