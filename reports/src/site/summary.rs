//! The same in Markdown, for a terminal, a pull request or a CI summary.

use std::fmt::Write;

use super::Site;
use super::page::Page;
use crate::table::{markdown, markdown_code};

/// Tables on the overview that the summary leaves out: they say where, not what.
const LEFT_OUT: [&str; 2] = ["machines", "conditions"];

/// The largest summary: what hosted CI takes, with room for its own words.
const SIZE_MAX_BYTES: usize = 900 << 10;

pub(super) fn write(site: &Site, pages: &[Page]) -> String {
    let mut text = "# swarmproof report\n".to_owned();
    if let Some(revision) = &site.revision {
        add(&mut text, format_args!("\nRevision {}.\n", markdown_code(revision)));
    }
    for (tone, notice) in pages.first().into_iter().flat_map(Page::notices) {
        add(&mut text, format_args!("\n> {}{}\n", tone.sign(), markdown(notice)));
    }
    for page in pages {
        let tables: Vec<_> =
            page.tables().iter().filter(|table| !LEFT_OUT.contains(&table.id.as_str())).collect();
        if !tables.is_empty() {
            add(&mut text, format_args!("\n## {}\n", markdown(page.title())));
        }
        for table in tables {
            let table = table.to_markdown();
            if text.len() + table.len() > SIZE_MAX_BYTES {
                add(&mut text, format_args!("\nThe rest stands in `index.html` and below `tables/`.\n"));
                return text;
            }
            add(&mut text, format_args!("\n{table}"));
        }
    }
    let machines = site.artifacts.iter().filter_map(|artifact| artifact.machine.cpu.as_deref());
    let mut machines: Vec<&str> = machines.collect();
    machines.sort_unstable();
    machines.dedup();
    if !machines.is_empty() {
        add(
            &mut text,
            format_args!(
                "\nRun on {}. Open `index.html` for drawings, method and environment.\n",
                markdown(&machines.join(", "))
            ),
        );
    }
    text
}

fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(what);
    debug_assert!(written.is_ok(), "a String takes all text");
}
