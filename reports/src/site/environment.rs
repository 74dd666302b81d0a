//! The machines that figures come from, and how busy they were.

use super::Site;
use super::page::Page;
use crate::machine::Fingerprint;
use crate::number;
use crate::table::{Cell, Table, Tone};

pub(super) fn write(page: &mut Page, site: &Site) {
    if site.artifacts.is_empty() {
        page.paragraph("No run, no machine.");
        return;
    }
    page.table(machines(site));
    page.heading("How busy it was");
    page.paragraph(
        "Load counts what wanted to run, this work included; stolen time is what the hypervisor gave to other \
         machines. Ratios come from rounds run side by side and suffer least; absolute times suffer most.",
    );
    page.table(conditions(site));
}

/// One row per distinct machine and build.
fn machines(site: &Site) -> Table {
    let mut table = Table::new(
        "machines",
        "Machines and builds",
        &[
            ("Processor", "processor"),
            ("Threads", "threads"),
            ("Cores", "cores"),
            ("Clock", "clock_mhz"),
            ("Governor", "governor"),
            ("Cache", "cache"),
            ("Memory", "memory_bytes"),
            ("Virtual", "virtual_machine"),
            ("Kernel", "kernel"),
            ("Clock source", "clock_source"),
            ("Compiler", "compiler"),
            ("Target", "target"),
            ("Build", "build"),
            ("Flags", "flags"),
            ("Allocator", "allocator"),
            ("Runs", "runs"),
        ],
    );
    let mut machines: Vec<(Fingerprint, u64)> = Vec::new();
    for artifact in &site.artifacts {
        // The clock rate at the moment of asking does not tell two machines apart.
        let machine = Fingerprint { mhz: None, ..artifact.machine.clone() };
        match machines.iter_mut().find(|(known, _)| Fingerprint { mhz: None, ..known.clone() } == machine) {
            Some((_, runs)) => *runs += 1,
            None => machines.push((artifact.machine.clone(), 1)),
        }
    }
    for (machine, runs) in machines {
        let text = |field: &Option<String>| match field {
            Some(field) => Cell::text(field),
            None => Cell::text("–").tone(Tone::Missing),
        };
        table.row([
            text(&machine.cpu),
            Cell::maybe(machine.threads, |threads| threads.to_string()),
            Cell::maybe(machine.cores, |cores| cores.to_string()),
            Cell::maybe(machine.mhz, |mhz| format!("{mhz:.0} MHz")),
            text(&machine.governor),
            text(&machine.cache),
            Cell::maybe(machine.memory_bytes, number::bytes),
            text(&machine.hypervisor.map(|is| if is { "yes" } else { "no" }.to_owned())),
            text(&machine.kernel),
            text(&machine.clocksource),
            Cell::text(machine.rustc),
            Cell::text(machine.target),
            Cell::text(machine.profile),
            Cell::text(machine.flags),
            Cell::text(machine.allocator),
            Cell::count(runs),
        ]);
    }
    table
}

fn conditions(site: &Site) -> Table {
    let mut table = Table::new(
        "conditions",
        "Load and stolen time, run by run",
        &[
            ("Run", "run"),
            ("Load before", "load_start"),
            ("Load after", "load_end"),
            ("Stolen", "steal_share"),
            ("CPU time", "cpu_seconds"),
            ("Took", "duration_seconds"),
        ],
    );
    for artifact in &site.artifacts {
        let conditions = &artifact.conditions;
        table.row([
            Cell::text(format!("{} {}", artifact.verb, artifact.subject)),
            Cell::maybe(conditions.load_start, |load| format!("{load:.2}")),
            Cell::maybe(conditions.load_end, |load| format!("{load:.2}")),
            Cell::maybe(conditions.steal_share, number::percent),
            Cell::maybe(artifact.cpu_s, number::seconds),
            Cell::number(artifact.duration_s, number::seconds(artifact.duration_s)),
        ]);
    }
    table
}
