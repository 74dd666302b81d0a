//! What the model checker and the explorers of interleavings found: properties, states, concurrency tests.

use super::page::Page;
use super::{Site, actions, engines};
use crate::artifact::{Instance, Interleavings, Payload, PropertyKind, PropertyResult, Verb, Verify};
use crate::chart::levels;
use crate::number;
use crate::table::{Cell, Table, Tone};

pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    let mut all: Vec<(&str, &Verify)> = site
        .results(algorithm, Verb::Verify)
        .filter_map(|artifact| match &artifact.payload {
            Payload::Verify(verify) => Some((&*artifact.subject, verify)),
            _ => None,
        })
        .collect();
    // The algorithm itself before what says more in its name: `raft`, `raft-own`.
    all.sort_by_key(|(subject, _)| *subject);
    let all: Vec<&Verify> = all.into_iter().map(|(_, verify)| verify).collect();
    let searches: Vec<&Instance> = all.iter().flat_map(|verify| &verify.instances).collect();
    let instances = engines::once_each(&searches);
    let interleavings: Vec<&Interleavings> = all.iter().flat_map(|verify| &verify.interleavings).collect();
    page.section("properties", "Properties", |page| {
        if page.runs(site, algorithm, Verb::Verify) {
            page.paragraph(
                "A property that must always hold was checked in every visited state of every instance listed below. \
                 A property of kind sometimes shows that the model is not safe merely because nothing happens in it.",
            );
            page.table(properties(algorithm, &instances));
        }
    });
    if !instances.is_empty() {
        page.section("states", "States", |page| {
            page.paragraph(
                "An exhausted instance says: no execution within these bounds breaks a property. A bounded one says \
                 so up to the complete depth, and has visited part of what lies beyond. States are told apart by \
                 64-bit fingerprints: a column bounds the chance that two of them were taken for one.",
            );
            page.table(states(algorithm, &instances));
            page.table(cost(algorithm, &searches));
            engines::write(page, site, algorithm, &searches);
            depths(page, algorithm, &instances);
            actions::write(page, algorithm, &searches);
        });
    }
    if !interleavings.is_empty() {
        page.section("interleavings", "Interleavings of threads", |page| {
            page.paragraph(
                "loom explores all interleavings of small models up to its bound, shuttle samples larger ones. \
                 Neither sees into a dependency: what stands in for one is named.",
            );
            page.table(concurrency(algorithm, &interleavings));
        });
    }
}

/// One row per property, over all instances.
fn properties(algorithm: &str, instances: &[&Instance]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-properties"),
        "Properties, over all instances",
        &[
            ("Property", "property"),
            ("Kind", "kind"),
            ("Verdict", "verdict"),
            ("Instances", "instances"),
            ("Exhausted", "exhausted"),
            ("States", "states"),
            ("Shortest path", "path_events"),
        ],
    );
    let mut names: Vec<(&str, PropertyKind)> = Vec::new();
    for property in instances.iter().flat_map(|instance| &instance.properties) {
        if !names.contains(&(&property.name, property.kind)) {
            names.push((&property.name, property.kind));
        }
    }
    for (name, kind) in names {
        let checked: Vec<(&Instance, &PropertyResult)> = instances
            .iter()
            .filter_map(|instance| {
                let found = instance
                    .properties
                    .iter()
                    .find(|property| property.name == name && property.kind == kind);
                Some((*instance, found?))
            })
            .collect();
        let holding = checked.iter().filter(|(_, property)| property.holds).count();
        let in_all = holding == checked.len();
        let (kind_text, verdict) = match kind {
            PropertyKind::Always if in_all => ("always", Cell::text("no violation").tone(Tone::Good)),
            PropertyKind::Always => ("always", Cell::text("violated").tone(Tone::Bad)),
            PropertyKind::Sometimes if in_all => ("sometimes", Cell::text("reached").tone(Tone::Good)),
            // Small bounds may leave a situation out of reach in some instances; in all of them is a finding.
            PropertyKind::Sometimes if holding > 0 => (
                "sometimes",
                Cell::text(format!("reached in {holding} of {}", checked.len())).tone(Tone::Good),
            ),
            PropertyKind::Sometimes => ("sometimes", Cell::text("never reached").tone(Tone::Bad)),
            PropertyKind::Eventually if in_all => ("eventually", Cell::text("no violation").tone(Tone::Good)),
            PropertyKind::Eventually => ("eventually", Cell::text("violated").tone(Tone::Bad)),
        };
        let states = checked.iter().fold(0u64, |sum, (instance, _)| sum.saturating_add(instance.states));
        let exhausted = checked.iter().filter(|(instance, _)| instance.complete).count();
        let shortest = checked.iter().filter_map(|(_, property)| property.length).min();
        table.row([
            Cell::code(name),
            Cell::text(kind_text),
            verdict,
            Cell::count(checked.len() as u64),
            Cell::count(exhausted as u64),
            Cell::count(states),
            Cell::maybe(shortest, |length| format!("{length} events")),
        ]);
    }
    table
}

/// The depth up to which nothing was left out.
fn complete_depth(instance: &Instance) -> Option<u32> {
    if instance.complete { Some(instance.depth) } else { instance.complete_depth }
}

/// States by depth, of engines that tell: a drawing and a table.
fn depths(page: &mut Page, algorithm: &str, instances: &[&Instance]) {
    let told: Vec<&Instance> =
        instances.iter().filter(|instance| !instance.levels.is_empty()).copied().collect();
    let rows: Vec<(String, &[u64])> =
        told.iter().map(|instance| (instance.name.clone(), &instance.levels[..])).collect();
    page.figure(&levels::plot(
        &format!("{algorithm}-levels-plot"),
        "States by depth",
        "Each to its own scale: where a space is wide, and whether it was seen to its end.",
        &rows,
    ));
    let mut table = Table::new(
        format!("{algorithm}-levels"),
        "How many distinct states have which depth",
        &[("Instance", "instance"), ("Depth", "depth"), ("States", "states")],
    );
    for instance in told {
        for (depth, states) in instance.levels.iter().enumerate().take(LEVELS_MAX) {
            table.row([Cell::text(&instance.name), Cell::count(depth as u64), Cell::count(*states)]);
        }
    }
    page.folded_table("States by depth as a table", table);
}

/// Deeper levels are left to the data.
const LEVELS_MAX: usize = 500;

/// How far each instance was explored.
fn states(algorithm: &str, instances: &[&Instance]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-states"),
        "How far each instance was explored",
        &[
            ("Instance", "instance"),
            ("Explored", "explored"),
            ("Distinct states", "states"),
            ("Deepest", "depth"),
            ("Complete to depth", "complete_depth"),
            ("Collision below", "collision_probability"),
            ("Bounds", "bounds"),
        ],
    );
    for instance in instances {
        let explored = match (&instance.stopped, instance.complete) {
            (_, true) => Cell::text("exhausted").tone(Tone::Good),
            (Some(reason), false) => Cell::text(format!("until {reason}")),
            (None, false) => Cell::text("bounded"),
        };
        let bounds: Vec<String> =
            instance.bounds.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let collision = instance.collision_bound();
        table.row([
            Cell::text(&instance.name),
            explored,
            Cell::count(instance.states),
            Cell::count(instance.depth.into()),
            Cell::maybe(complete_depth(instance), |depth| depth.to_string()),
            Cell::number(collision, number::probability(collision)),
            Cell::text(bounds.join(", ")),
        ]);
    }
    table
}

/// What that cost.
fn cost(algorithm: &str, instances: &[&Instance]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-search"),
        "What the search cost",
        &[
            ("Instance", "instance"),
            ("States per CPU-second", "states_per_cpu_second"),
            ("CPU time", "cpu_seconds"),
            ("Took", "wall_seconds"),
            ("Generated", "generated"),
            ("Peak memory", "peak_memory_bytes"),
            ("Budget", "memory_budget_bytes"),
            ("Bytes per state", "bytes_per_state"),
            ("Threads", "threads"),
            ("Engine", "engine"),
        ],
    );
    for instance in instances {
        let footprint = instance.footprint.as_ref();
        table.row([
            Cell::text(&instance.name),
            Cell::maybe(instance.states_per_cpu_s(), number::short),
            // Clocks of CPU time tick slowly: of a short search there is none to tell.
            Cell::maybe(Some(instance.cpu_s).filter(|cpu_s| *cpu_s > 0.0), number::seconds),
            Cell::number(instance.wall_s, number::seconds(instance.wall_s)),
            Cell::count(instance.generated),
            Cell::maybe(instance.peak_memory_bytes, number::bytes),
            Cell::maybe(instance.memory_budget_bytes, number::bytes),
            Cell::maybe(footprint.map(|footprint| footprint.bytes_per_state), number::short),
            Cell::count(instance.threads.into()),
            Cell::text(&instance.engine),
        ]);
    }
    table
}

fn concurrency(algorithm: &str, interleavings: &[&Interleavings]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-interleavings"),
        "Concurrency tests",
        &[
            ("Test", "test"),
            ("Engine", "engine"),
            ("Verdict", "verdict"),
            ("Executions", "executions"),
            ("Pinned minimum", "executions_min"),
            ("Threads", "threads"),
            ("Preemption bound", "preemption_bound"),
            ("Took", "wall_seconds"),
            ("Stand-in", "stand_in"),
        ],
    );
    for test in interleavings {
        let passed = Cell::text("passed").tone(Tone::Good);
        table.row([
            Cell::code(&test.name),
            Cell::text(&test.engine),
            if test.passed { passed } else { Cell::text("failed").tone(Tone::Bad) },
            Cell::count(test.executions),
            Cell::count(test.minimum),
            Cell::count(test.threads.into()),
            Cell::maybe(test.preemption_bound, |bound| bound.to_string()),
            Cell::number(test.wall_s, number::seconds(test.wall_s)),
            Cell::text(test.stand_in.as_deref().unwrap_or("none")),
        ]);
    }
    table
}
