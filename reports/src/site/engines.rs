//! The engines of the checker side by side, on the instances that several of them searched: what they came to, which
//! must be the same, and what it cost.
//!
//! Verified in `tests/it/site.rs`.

use super::page::Page;
use super::{Site, opinions};
use crate::artifact::{Instance, PropertyKind};
use crate::number;
use crate::table::{Cell, Table, Tone};

/// Of an instance that several engines searched, the first search: it stands for all, but where they are compared.
pub(super) fn once_each<'a>(searches: &[&'a Instance]) -> Vec<&'a Instance> {
    let mut instances: Vec<&Instance> = Vec::new();
    for search in searches {
        // The same engine comes to the same, where it is asked for beside one and beside another.
        let repeated = |other: &Instance| {
            (&other.bounds, other.states, other.depth) == (&search.bounds, search.states, search.depth)
        };
        let known = |other: &&Instance| {
            other.name == search.name && (other.engine != search.engine || repeated(other))
        };
        if !instances.iter().any(known) {
            instances.push(search);
        }
    }
    instances
}

/// The table; nothing where no instance was searched by two engines.
pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str, instances: &[&Instance]) {
    let mut several: Vec<&Instance> = instances
        .iter()
        .filter(|one| instances.iter().any(|other| other.name == one.name && other.engine != one.engine))
        .copied()
        .collect();
    // Side by side: searches of one instance one below the other, in the order in which instances come first.
    let place = |one: &&Instance| instances.iter().position(|other| other.name == one.name);
    several.sort_by_key(place);
    if several.is_empty() {
        return;
    }
    page.heading("The engines side by side");
    page.paragraph(
        "Instances that more than one engine searched. Distinct states, depth and verdict must be those of the first \
         engine in the list; what was generated is the same without a reduction, and less with one. Rates are of one run \
         each, and comparable as far as the machine was equally busy. Of a search that ended at a violation, states are \
         those that happened to be visited, and are not compared.",
    );
    let mut table = Table::new(
        format!("{algorithm}-engines"),
        "Engines, by instance",
        &[
            ("Instance", "instance"),
            ("Engine", "engine"),
            ("Agrees", "agrees"),
            ("Distinct states", "states"),
            ("Depth", "depth"),
            ("Transitions", "generated"),
            ("Of the most", "generated_share"),
            ("Threads", "threads"),
            ("CPU time", "cpu_seconds"),
            ("States per CPU-second", "states_per_cpu_second"),
            ("Bytes per state", "bytes_per_state"),
        ],
    );
    for instance in &several {
        let alike = || several.iter().filter(|other| other.name == instance.name);
        let first = alike().next().unwrap_or(instance);
        let most = alike().map(|other| other.generated).max().unwrap_or(0);
        let agrees = match agree(first, instance) {
            _ if first.engine == instance.engine => Cell::text("first"),
            Some(true) => Cell::text("agrees").tone(Tone::Good),
            Some(false) => Cell::text("differs").tone(Tone::Bad),
            None => Cell::text("not comparable"),
        };
        let share = (most > 0).then(|| instance.generated as f64 / most as f64);
        table.row([
            Cell::text(&instance.name),
            Cell::text(&instance.engine),
            agrees,
            Cell::count(instance.states),
            Cell::count(instance.depth.into()),
            Cell::count(instance.generated),
            Cell::maybe(share, |share| format!("{:.0} %", share * 100.0)),
            Cell::count(instance.threads.into()),
            Cell::maybe(Some(instance.cpu_s).filter(|cpu_s| *cpu_s > 0.0), number::seconds),
            Cell::maybe(instance.states_per_cpu_s(), number::short),
            Cell::maybe(
                instance.footprint.as_ref().map(|footprint| footprint.bytes_per_state),
                number::short,
            ),
        ]);
    }
    page.table(table);
    opinions::write(page, site, algorithm);
}

/// Whether two searches of one instance came to the same; none if they are not comparable, as one was cut off by
/// something else than its depth.
fn agree(one: &Instance, other: &Instance) -> Option<bool> {
    let whole = |instance: &Instance| instance.complete || instance.stopped.as_deref() == Some("depth limit");
    let broken = |instance: &Instance| {
        let broken = instance.properties.iter().filter(|property| {
            (property.kind == PropertyKind::Always && !property.holds)
                || property.name.ends_with(" is broken")
        });
        broken.map(|property| (property.name.clone(), property.holds, property.length)).collect::<Vec<_>>()
    };
    let at_violation = |instance: &Instance| instance.stopped.as_deref() == Some("property broken");
    if at_violation(one) && at_violation(other) {
        return Some(broken(one) == broken(other));
    }
    (whole(one) && whole(other))
        .then(|| (one.states, one.depth, broken(one)) == (other.states, other.depth, broken(other)))
}
