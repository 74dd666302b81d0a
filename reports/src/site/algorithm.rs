//! The page of one algorithm, or of the harness: properties, states, interleavings, and what the other
//! engines found.

use super::page::Page;
use super::{HARNESS, Site, display_name, latency, simulation, throughput, zoo};
use crate::artifact::{
    Benchmark, Fuzz, Instance, Interleavings, Metric, Outcome, Payload, PropertyKind, PropertyResult, Verb,
    Verify,
};
use crate::number;
use crate::table::{Cell, Table, Tone};

pub(super) fn page(site: &Site, algorithm: &str) -> Page {
    let mut page = Page::new(site, &format!("{algorithm}.html"), display_name(algorithm));
    let harness = algorithm == HARNESS;
    if harness {
        page.paragraph("Parts that every algorithm rests on: their own checks and measurements.");
    }
    let has = |verb: Verb| site.about(algorithm).any(|artifact| artifact.verb == verb);
    let shown = |verb: Verb| !harness || has(verb);
    if shown(Verb::Verify) {
        verify(&mut page, site, algorithm);
    }
    if shown(Verb::Simulate) {
        simulation::write(&mut page, site, algorithm);
    }
    if shown(Verb::Fuzz) {
        fuzzing(&mut page, site, algorithm);
    }
    if shown(Verb::Zoo) {
        zoo::write(&mut page, site, algorithm);
    }
    if shown(Verb::Compare) {
        throughput::write(&mut page, site, algorithm);
    }
    if shown(Verb::Latency) {
        latency::write(&mut page, site, algorithm);
    }
    if has(Verb::Bench) {
        benchmarks(&mut page, site, algorithm);
    }
    if has(Verb::Test) {
        tests(&mut page, site, algorithm);
    }
    if site.about(algorithm).any(|artifact| !artifact.metrics.is_empty()) {
        metrics(&mut page, site, algorithm);
    }
    page
}

fn verify(page: &mut Page, site: &Site, algorithm: &str) {
    let all: Vec<&Verify> = site
        .results(algorithm, Verb::Verify)
        .filter_map(
            |artifact| if let Payload::Verify(verify) = &artifact.payload { Some(verify) } else { None },
        )
        .collect();
    let instances: Vec<&Instance> = all.iter().flat_map(|verify| &verify.instances).collect();
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
            page.table(cost(algorithm, &instances));
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
            ("States", "states"),
            ("Complete to depth", "complete_depth"),
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
        let deepest = checked.iter().filter_map(|(instance, _)| complete_depth(instance)).max();
        let shortest = checked.iter().filter_map(|(_, property)| property.length).min();
        table.row([
            Cell::code(name),
            Cell::text(kind_text),
            verdict,
            Cell::count(checked.len() as u64),
            Cell::count(states),
            Cell::maybe(deepest, |depth| depth.to_string()),
            Cell::maybe(shortest, |length| format!("{length} events")),
        ]);
    }
    table
}

/// The depth up to which nothing was left out.
fn complete_depth(instance: &Instance) -> Option<u32> {
    if instance.complete { Some(instance.depth) } else { instance.complete_depth }
}

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
            ("Threads", "threads"),
            ("Engine", "engine"),
        ],
    );
    for instance in instances {
        table.row([
            Cell::text(&instance.name),
            Cell::maybe(instance.states_per_cpu_s(), number::short),
            Cell::number(instance.cpu_s, number::seconds(instance.cpu_s)),
            Cell::number(instance.wall_s, number::seconds(instance.wall_s)),
            Cell::count(instance.generated),
            Cell::maybe(instance.peak_memory_bytes, number::bytes),
            Cell::maybe(instance.memory_budget_bytes, number::bytes),
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

fn fuzzing(page: &mut Page, site: &Site, algorithm: &str) {
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

fn benchmarks(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("benchmarks", "Micro-benchmarks", |page| {
        page.runs(site, algorithm, Verb::Bench);
        let results = site.results(algorithm, Verb::Bench);
        let all = results.filter_map(|artifact| match &artifact.payload {
            Payload::Bench(bench) => Some(bench),
            _ => None,
        });
        let all: Vec<&Benchmark> = all.flat_map(|bench| &bench.benchmarks).collect();
        let mut table = Table::new(
            format!("{algorithm}-benchmarks"),
            "Micro-benchmarks; against the base, above 1 is slower",
            &[
                ("Benchmark", "benchmark"),
                ("Figure", "figure"),
                ("From", "figure_low"),
                ("To", "figure_high"),
                ("Unit", "unit"),
                ("Against the base", "against"),
                ("From", "against_low"),
                ("To", "against_high"),
            ],
        );
        for benchmark in all {
            let cell = |value: Option<f64>| Cell::maybe(value, number::short);
            let ratio = |of: fn(&Metric) -> Option<f64>| {
                Cell::maybe(benchmark.against.as_ref().and_then(of), number::ratio)
            };
            let figure = &benchmark.figure;
            table.row([
                Cell::code(&benchmark.name),
                cell(Some(figure.value)),
                cell(figure.interval.map(|interval| interval.low)),
                cell(figure.interval.map(|interval| interval.high)),
                Cell::text(&figure.unit),
                ratio(|metric| Some(metric.value)),
                ratio(|metric| metric.interval.map(|interval| interval.low)),
                ratio(|metric| metric.interval.map(|interval| interval.high)),
            ]);
        }
        page.table(table);
    });
}

fn tests(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("tests", "Tests", |page| {
        page.runs(site, algorithm, Verb::Test);
        let mut table = Table::new(
            format!("{algorithm}-tests"),
            "Stages of the test suite",
            &[("Stage", "stage"), ("Outcome", "outcome"), ("Took", "wall_seconds"), ("Findings", "findings")],
        );
        for artifact in site.results(algorithm, Verb::Test) {
            let Payload::Test(test) = &artifact.payload else { continue };
            for stage in &test.stages {
                let outcome = match &stage.outcome {
                    Outcome::Passed => Cell::text("passed").tone(Tone::Good),
                    Outcome::Failed => Cell::text("failed").tone(Tone::Bad),
                    Outcome::Interrupted => Cell::text("interrupted").tone(Tone::Caution),
                    Outcome::Skipped { reason } => {
                        Cell::text(format!("skipped: {reason}")).tone(Tone::Missing)
                    }
                };
                let took = Cell::number(stage.wall_s, number::seconds(stage.wall_s));
                table.row([Cell::text(&stage.name), outcome, took, Cell::count(stage.findings.len() as u64)]);
            }
        }
        page.table(table);
    });
}

/// Figures that artifacts carry beyond their payload.
fn metrics(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("figures", "Further figures", |page| {
        let mut table = Table::new(
            format!("{algorithm}-figures"),
            "Figures beside those above",
            &[
                ("Figure", "figure"),
                ("Value", "value"),
                ("From", "low"),
                ("To", "high"),
                ("Unit", "unit"),
                ("Samples", "samples"),
                ("From the run", "command"),
            ],
        );
        for artifact in site.about(algorithm) {
            for metric in &artifact.metrics {
                let end = |end: Option<f64>| Cell::maybe(end, number::short);
                table.row([
                    Cell::text(&metric.name),
                    Cell::number(metric.value, number::short(metric.value)),
                    end(metric.interval.map(|interval| interval.low)),
                    end(metric.interval.map(|interval| interval.high)),
                    Cell::text(&metric.unit),
                    Cell::count(metric.samples.len() as u64),
                    Cell::code(&artifact.command),
                ]);
            }
        }
        page.table(table);
    });
}
