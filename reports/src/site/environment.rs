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

/// More machines than this are counted, not shown.
const MACHINES_MAX: usize = 8;

/// One column per distinct machine and build.
fn machines(site: &Site) -> Table {
    let mut machines: Vec<(Fingerprint, Vec<String>)> = Vec::new();
    for artifact in &site.artifacts {
        // The clock rate at the moment of asking does not tell two machines apart.
        let machine = Fingerprint { mhz: None, ..artifact.machine.clone() };
        let run = format!("{} {}", artifact.verb, artifact.subject);
        match machines.iter_mut().find(|(known, _)| Fingerprint { mhz: None, ..known.clone() } == machine) {
            Some((_, runs)) => runs.push(run),
            None => machines.push((artifact.machine.clone(), vec![run])),
        }
    }
    let all = machines.len();
    machines.truncate(MACHINES_MAX);
    let titles: Vec<(String, String)> =
        (1..=machines.len()).map(|place| (format!("Build {place}"), format!("build_{place}"))).collect();
    let titles = titles.iter().map(|(title, key)| (title.as_str(), key.as_str()));
    let columns: Vec<(&str, &str)> = [("What", "what")].into_iter().chain(titles).collect();
    let caption = format!("Machines and builds: {} of {all}", machines.len());
    let mut table = Table::new("machines", caption, &columns);

    let mut row = |name: &str, of: &dyn Fn(&Fingerprint) -> Option<String>| {
        let cells = machines.iter().map(|(machine, _)| match of(machine) {
            Some(text) => Cell::text(text),
            None => Cell::text("–").tone(Tone::Missing),
        });
        table.row([Cell::text(name)].into_iter().chain(cells));
    };
    row("Processor", &|machine| machine.cpu.clone());
    row("Threads", &|machine| machine.threads.map(|threads| threads.to_string()));
    row("Cores", &|machine| machine.cores.map(|cores| cores.to_string()));
    row("Clock", &|machine| machine.mhz.map(|mhz| format!("{mhz:.0} MHz")));
    row("Frequency governor", &|machine| machine.governor.clone());
    row("Cache", &|machine| machine.cache.clone());
    row("Microcode", &|machine| machine.microcode.clone());
    row("Memory", &|machine| machine.memory_bytes.map(number::bytes));
    row("Virtual machine", &|machine| machine.hypervisor.map(|is| if is { "yes" } else { "no" }.to_owned()));
    row("Kernel", &|machine| machine.kernel.clone());
    row("Clock source", &|machine| machine.clocksource.clone());
    row("Compiler", &|machine| Some(machine.rustc.clone()));
    row("Target", &|machine| Some(machine.target.clone()));
    row("Profile", &|machine| Some(machine.profile.clone()));
    row("Compiler flags", &|machine| Some(machine.flags.clone()));
    row("Allocator", &|machine| Some(machine.allocator.clone()));
    let runs = machines.iter().map(|(_, runs)| Cell::text(runs.join(", ")));
    table.row([Cell::text("Runs")].into_iter().chain(runs));
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
