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
             restarts. Re-injected bugs show whether the fuzzer would notice.",
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
        "Fuzz targets",
        &[
            ("Target", "target"),
            ("Crashes", "crashes"),
            ("Executions", "executions"),
            ("Engine", "engine"),
            ("Sanitizers", "sanitizers"),
            ("Took", "wall_seconds"),
            ("Executions per second", "executions_per_second"),
            ("Corpus", "corpus"),
            ("Features", "features"),
            ("Edges", "edges"),
        ],
    );
    for fuzz in fuzzed {
        let tone = if fuzz.crashes > 0 { Tone::Bad } else { Tone::Good };
        let sanitizers =
            if fuzz.sanitizers.is_empty() { "none".to_owned() } else { fuzz.sanitizers.join(", ") };
        table.row([
            Cell::code(&fuzz.target),
            Cell::count(fuzz.crashes).tone(tone),
            Cell::count(fuzz.executions),
            Cell::text(&fuzz.engine),
            Cell::text(sanitizers),
            Cell::number(fuzz.wall_s, number::seconds(fuzz.wall_s)),
            Cell::maybe(fuzz.executions_per_s(), number::short),
            Cell::count(fuzz.corpus),
            Cell::maybe(fuzz.features, number::count),
            Cell::maybe(fuzz.edges, number::count),
        ]);
    }
    table
}

fn fuzz_injected(algorithm: &str, fuzzed: &[&Fuzz]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-fuzz-injected"),
        "Bugs put back under the fuzzer",
        &[
            ("Bug", "bug"),
            ("Target", "target"),
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
            Cell::text(&injected.bug),
            Cell::code(&fuzz.target),
            if injected.found { found } else { Cell::text("not found").tone(Tone::Bad) },
            Cell::count(injected.executions),
            Cell::number(injected.wall_s, number::seconds(injected.wall_s)),
        ]);
    }
    table
}
