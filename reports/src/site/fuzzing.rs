//! What fuzzing came to, target by target, and whether it would notice a bug.

use super::Site;
use super::page::Page;
use crate::artifact::{Fuzz, Payload, Verb};
use crate::number;
use crate::table::{Cell, Table, Tone};

pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("fuzzing", "Fuzzing", |page| {
        if !page.runs(site, algorithm, Verb::Fuzz) {
            return;
        }
        page.paragraph(
            "Every byte string is a valid input: of a decoder, or as a schedule of deliveries, time-outs, crashes and \
             restarts. Each target is run by two engines, counted apart: one steered by the coverage of earlier \
             inputs, for a while, and one that draws from a seed, to a number. Re-injected bugs show whether they \
             would notice.",
        );
        let fuzzed = site.results(algorithm, Verb::Fuzz).filter_map(|artifact| match &artifact.payload {
            Payload::Fuzz(fuzz) => Some(fuzz),
            _ => None,
        });
        let fuzzed: Vec<&Fuzz> = fuzzed.collect();
        page.table(fuzz_targets(algorithm, &fuzzed));
        page.table(fuzz_injected(algorithm, &fuzzed));
    });
}

fn fuzz_targets(algorithm: &str, fuzzed: &[&Fuzz]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-fuzz"),
        "Fuzz targets, by engine",
        &[
            ("Target", "target"),
            ("Engine", "engine"),
            ("Steered", "guided"),
            ("Crashes", "crashes"),
            ("Executions", "executions"),
            ("Took", "wall_seconds"),
            ("Executions per second", "executions_per_second"),
            ("Sanitizers", "sanitizers"),
            ("Corpus", "corpus"),
            ("Features", "features"),
            ("Edges", "edges"),
        ],
    );
    for (fuzz, run) in fuzzed.iter().flat_map(|fuzz| fuzz.runs.iter().map(move |run| (fuzz, run))) {
        let tone = if run.crashes > 0 { Tone::Bad } else { Tone::Good };
        let sanitizers =
            if run.sanitizers.is_empty() { "none".to_owned() } else { run.sanitizers.join(", ") };
        table.row([
            Cell::code(&fuzz.target),
            Cell::text(&run.engine),
            Cell::text(if run.guided { "yes" } else { "no" }),
            Cell::count(run.crashes).tone(tone),
            Cell::count(run.executions),
            Cell::number(run.wall_s, number::seconds(run.wall_s)),
            Cell::maybe(run.executions_per_s(), number::short),
            Cell::text(sanitizers),
            Cell::count(run.corpus),
            Cell::maybe(run.features, number::count),
            Cell::maybe(run.edges, number::count),
        ]);
    }
    table
}

fn fuzz_injected(algorithm: &str, fuzzed: &[&Fuzz]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-fuzz-injected"),
        "Bugs put back under the engines",
        &[
            ("Bug", "bug"),
            ("Target", "target"),
            ("Engine", "engine"),
            ("Verdict", "verdict"),
            ("Executions", "executions"),
            ("Took", "wall_seconds"),
        ],
    );
    for (fuzz, injected) in
        fuzzed.iter().flat_map(|fuzz| fuzz.injected.iter().map(move |injected| (fuzz, injected)))
    {
        let found = Cell::text("found").tone(Tone::Good);
        table.row([
            Cell::code(&injected.bug),
            Cell::code(&fuzz.target),
            Cell::text(&injected.engine),
            if injected.found { found } else { Cell::text("not found").tone(Tone::Bad) },
            Cell::count(injected.executions),
            Cell::number(injected.wall_s, number::seconds(injected.wall_s)),
        ]);
    }
    table
}
