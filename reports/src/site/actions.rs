//! What happened in the checker's instances, by kind of event: a kind that is allowed and never happened is shown.

use std::collections::BTreeMap;

use super::page::Page;
use crate::artifact::{Action, Instance};
use crate::number;
use crate::table::{Cell, Table, Tone};

/// Name and artifacts' counts of an instance.
type Column<'a> = (&'a str, &'a [Action]);

/// The table, kind by instance. Of several searches of one instance the first that says which states were new counts,
/// or else the first.
pub(super) fn write(page: &mut Page, algorithm: &str, instances: &[&Instance]) {
    let mut columns: Vec<Column<'_>> = Vec::new();
    let knows = |actions: &[Action]| actions.iter().all(|action| action.fresh.is_some());
    for instance in instances.iter().filter(|instance| !instance.actions.is_empty()) {
        match columns.iter_mut().find(|(name, _)| *name == instance.name) {
            Some((_, actions)) if !knows(actions) && knows(&instance.actions) => *actions = &instance.actions,
            Some(_) => {}
            None => columns.push((&instance.name, &instance.actions)),
        }
    }
    if columns.is_empty() {
        return;
    }
    page.heading("What happened");
    page.paragraph(
        "How often each kind of event led to another state, repetitions included; in the data also how often to a new \
         one. A dash: the bounds of the instance have no room for it, or the kind does not occur there. A zero: there \
         is room, and it never happened, which is a finding of that instance.",
    );
    let never: Vec<String> = columns
        .iter()
        .flat_map(|(name, actions)| {
            actions.iter().filter(|action| action.fired == 0).map(move |action| (name, action))
        })
        .map(|(name, action)| format!("{} in {name}", kind(action)))
        .collect();
    if !never.is_empty() {
        page.notice(Tone::Bad, format!("Allowed, and never happened: {}.", never.join(", ")));
    }
    page.table(fired(algorithm, &columns));
    page.folded_table("How many states each kind of event led to first", fresh(algorithm, &columns));
}

fn kind(action: &Action) -> String {
    match &action.kind {
        Some(kind) => format!("{} {kind}", action.event),
        None => action.event.clone(),
    }
}

/// Kinds of all instances, in the order of their names; within one event by its kind.
fn kinds(columns: &[Column<'_>]) -> Vec<String> {
    let all = columns.iter().flat_map(|(_, actions)| actions.iter());
    let sorted: BTreeMap<(&str, Option<&str>), String> =
        all.map(|action| ((&*action.event, action.kind.as_deref()), kind(action))).collect();
    let mut kinds: Vec<String> = Vec::new();
    for kind in sorted.into_values() {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn table(id: String, caption: &str, columns: &[Column<'_>], cell: impl Fn(&Action) -> Cell) -> Table {
    let named = columns.iter().map(|(name, _)| (*name, *name));
    let titles: Vec<(&str, &str)> = [("Event", "event")].into_iter().chain(named).collect();
    let mut table = Table::new(id, caption, &titles);
    for wanted in kinds(columns) {
        let cells = columns.iter().map(|(_, actions)| {
            let found = actions.iter().find(|action| kind(action) == wanted);
            found.map_or_else(|| Cell::text("–").tone(Tone::Missing), &cell)
        });
        table.row([Cell::code(&wanted)].into_iter().chain(cells));
    }
    table
}

fn fired(algorithm: &str, columns: &[Column<'_>]) -> Table {
    table(format!("{algorithm}-actions"), "How often each kind of event happened", columns, |action| {
        let tone = if action.fired == 0 { Tone::Bad } else { Tone::Plain };
        Cell::number(action.fired as f64, number::short_count(action.fired)).tone(tone)
    })
}

/// Only where an engine told.
fn fresh(algorithm: &str, columns: &[Column<'_>]) -> Table {
    let told: Vec<Column<'_>> = columns
        .iter()
        .copied()
        .filter(|(_, actions)| actions.iter().any(|action| action.fresh.is_some()))
        .collect();
    let id = format!("{algorithm}-actions-fresh");
    if told.is_empty() {
        return Table::new(id, "", &[]);
    }
    table(id, "How many states were new when an event of this kind led to them", &told, |action| {
        Cell::maybe(action.fresh, number::short_count)
    })
}
