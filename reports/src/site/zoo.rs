//! The bug zoo: which engine finds which bug, and after how much work.

use super::Site;
use super::page::Page;
use crate::artifact::{Bug, Detection, SamplerHunt, Verb, Zoo};
use crate::number;
use crate::statistics;
use crate::table::{Cell, Table, Tone};

pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    page.section("zoo", "The bug zoo: would we notice?", |page| {
        if !page.runs(site, algorithm, Verb::Zoo) {
            return;
        }
        page.paragraph(
            "Real bugs of real systems, put back into this code one at a time by an edit. A bug counts as found only \
             where the same engine, with the same settings, finds nothing in the code without the edit. Canaries \
             show that the pipeline is alive; hard ones are kept because random search misses them.",
        );
        let orderings = orderings(site, algorithm);
        if !orderings.is_empty() {
            page.paragraph(
                "Some bugs show in an interleaving of sequentially consistent threads, some in weak memory alone, which \
                 loom and Miri have. A matrix of the two says what each checker is good for.",
            );
        }
        // A look at some bugs alone adds those that the whole zoo does not tell of.
        let mut bugs: Vec<&Bug> = Vec::new();
        for zoo in site.zoos(algorithm) {
            let known = |bug: &&Bug| bugs.iter().any(|other| other.id == bug.id);
            let further: Vec<&Bug> = zoo.bugs.iter().filter(|bug| !known(bug)).collect();
            bugs.extend(further);
        }
        if !site.results(algorithm, Verb::Zoo).any(|artifact| artifact.subject == algorithm) {
            page.paragraph(format!(
                "This is a part of the hunt: cargo xtask zoo {algorithm} puts all bugs back, for all engines."
            ));
        }
        page.table(verdicts(algorithm, &bugs));
        weakened(page, algorithm, &orderings);
        if let Some(zoo) = site.zoos(algorithm).find(|zoo| !zoo.samplers.is_empty()) {
            ranking(page, algorithm, zoo);
        }
        let longest = |id: &str| {
            let told = site.zoos(algorithm).flat_map(|zoo| &zoo.bugs).filter(|bug| bug.id == id);
            told.max_by_key(|bug| bug.missed_events)
        };
        let hard: Vec<&Bug> = bugs.iter().filter(|bug| bug.hard).filter_map(|bug| longest(&bug.id)).collect();
        missed(page, algorithm, &hard);
        page.folded_table("Where each bug comes from", origins(algorithm, &bugs));
        page.folded_table("Every detection, with trials and controls", detections(algorithm, &bugs));
        let shown: Vec<_> = bugs.iter().filter_map(|bug| Some((bug, bug.counterexample.as_ref()?))).collect();
        if !shown.is_empty() {
            page.heading("Shortest executions that show them");
        }
        for (place, (bug, counterexample)) in shown.iter().enumerate() {
            let name = format!("{} breaks {}", bug.id, counterexample.property);
            page.finding(&format!("{algorithm}-bug-{place}"), Tone::Plain, &name, counterexample);
        }
    });
}

/// The orderings that were weakened: those of the whole zoo, else of a look at one.
fn orderings<'a>(site: &'a Site, algorithm: &'a str) -> Vec<&'a Bug> {
    let zoos = site.zoos(algorithm).map(|zoo| &zoo.orderings);
    zoos.max_by_key(|orderings| orderings.len()).into_iter().flatten().collect()
}

/// Every memory ordering with a name, a step weaker: who notices, or why nobody does.
fn weakened(page: &mut Page, algorithm: &str, orderings: &[&Bug]) {
    if orderings.is_empty() {
        return;
    }
    page.heading("Every memory ordering, a step weaker");
    page.paragraph(
        "An ordering whose weakening nobody notices is either too strong or untested; of each of those an argument says \
         which, or why no engine here can tell.",
    );
    let mut table = Table::new(
        format!("{algorithm}-orderings"),
        "Orderings a step weaker: executions of loom until it was noticed, and what was seen",
        &[
            ("Ordering", "ordering"),
            ("Verdict", "verdict"),
            ("Executions", "executions"),
            ("Seen, or argued", "shown"),
        ],
    );
    for bug in orderings {
        let found = bug.detections.iter().find(|detection| detection.found);
        let verdict = match (bug.found(), &bug.argued) {
            (true, None) => Cell::text("noticed").tone(Tone::Good),
            (false, Some(_)) => Cell::text("not noticed, argued").tone(Tone::Caution),
            (true, Some(_)) => Cell::text("noticed against the argument").tone(Tone::Bad),
            (false, None) => Cell::text("not noticed").tone(Tone::Bad),
        };
        let shown = found.and_then(|detection| detection.shown.as_deref()).or(bug.argued.as_deref());
        table.row([
            Cell::text(&bug.title),
            verdict,
            Cell::maybe(found.map(|detection| detection.effort), number::count),
            Cell::text(shown.unwrap_or("–")),
        ]);
    }
    page.table(table);
}

/// Which sampler finds most, and what each made of each bug.
fn ranking(page: &mut Page, algorithm: &str, zoo: &Zoo) {
    page.heading("Which sampler of walks is best?");
    page.paragraph(
        "First by how many bugs it finds in more than half of its trials, then by its work, the geometric mean over all \
         bugs against the best sampler of each; trials in vain count with their whole budget. The first of the list \
         is to be the default: a round of the zoo that comes to another one fails.",
    );
    let mut table = Table::new(
        format!("{algorithm}-samplers"),
        "Samplers, the best first",
        &[
            ("Sampler", "sampler"),
            ("Default", "default"),
            ("Bugs found", "bugs_found"),
            ("Of", "bugs"),
            ("Work against the best of each bug", "work_ratio"),
        ],
    );
    for ranked in &zoo.samplers {
        table.row([
            Cell::text(&ranked.sampler),
            if ranked.default { Cell::text("default").tone(Tone::Good) } else { Cell::text("–") },
            Cell::count(ranked.found.into()),
            Cell::count(ranked.of.into()),
            Cell::maybe(ranked.ratio, number::ratio),
        ]);
    }
    page.table(table);
    let names: Vec<&str> = zoo.samplers.iter().map(|ranked| &*ranked.sampler).collect();
    let columns: Vec<(&str, &str)> =
        [("Bug", "bug")].into_iter().chain(names.iter().map(|name| (*name, *name))).collect();
    let caption =
        "Events that walks took until they found a bug: medians over trials, and in how many trials they did";
    let mut table = Table::new(format!("{algorithm}-sampler-hunts"), caption, &columns);
    for bug in zoo.bugs.iter().filter(|bug| !bug.samplers.is_empty()) {
        let best = bug.samplers.iter().filter(|hunt| hunt.finds()).map(|hunt| hunt.effort).min();
        let cells = names.iter().map(|name| match bug.samplers.iter().find(|hunt| hunt.sampler == *name) {
            None => Cell::text("–").tone(Tone::Missing),
            Some(hunt) => {
                let effort = number::short_count(hunt.effort);
                let text = format!("{effort}, {} of {}", hunt.found_in, hunt.of);
                match hunt.finds() {
                    false if hunt.found_in == 0 => Cell::text(format!("not in {effort}")).tone(Tone::Missing),
                    false => Cell::text(text).tone(Tone::Caution),
                    true if Some(hunt.effort) == best => Cell::text(text).tone(Tone::Good),
                    true => Cell::text(text),
                }
            }
        });
        table.row([Cell::text(name(bug))].into_iter().chain(cells));
    }
    page.table(table);
}

/// The bugs that random search misses, how long it looked, and from how near they are found.
fn missed(page: &mut Page, algorithm: &str, hard: &[&Bug]) {
    if hard.iter().all(|bug| bug.missed_events.is_none() && bug.near.is_empty()) {
        return;
    }
    page.heading("Bugs that random search misses");
    page.paragraph(
        "A scenario written by hand shows each of them. How near to its end a search must begin to find the bug by \
         itself says how far it is from finding it.",
    );
    let mut engines: Vec<&str> = Vec::new();
    for near in hard.iter().flat_map(|bug| &bug.near) {
        if !engines.contains(&&*near.engine) {
            engines.push(&near.engine);
        }
    }
    let titles: Vec<String> = engines.iter().map(|engine| format!("{engine}: events left")).collect();
    let first = [
        ("Bug", "bug"),
        ("Events in vain, under each random sampler", "missed_events"),
        ("In one run", "in_one_run"),
        ("Samplers", "samplers"),
        ("Found by", "found_by"),
        ("Events of the scenario", "scenario_events"),
    ];
    let columns: Vec<(&str, &str)> = first
        .into_iter()
        .chain(titles.iter().zip(&engines).map(|(title, engine)| (title.as_str(), *engine)))
        .collect();
    let mut table = Table::new(format!("{algorithm}-hard"), "Hard bugs", &columns);
    for bug in hard {
        let cells = engines.iter().map(|engine| match bug.near.iter().find(|near| near.engine == *engine) {
            None => Cell::text("–").tone(Tone::Missing),
            Some(near) => {
                let effort = number::short_count(near.effort);
                Cell::text(format!("{} of {}, after {effort} {}", near.left, near.of, near.effort_unit))
            }
        });
        let long = bug.samplers.iter().map(|hunt| hunt.long_events).min().flatten();
        let finds = |hunt: &&SamplerHunt| hunt.found_in > 0 || hunt.long_found == Some(true);
        let samplers = bug.samplers.iter().filter(finds).map(|hunt| format!("{} walks", hunt.sampler));
        let once = |found: &Detection| found.found || found.found_trials.is_some_and(|trials| trials > 0);
        let others = bug.detections.iter().filter(|found| once(found) && found.engine != "walks");
        let found_by: Vec<String> =
            samplers.chain(others.map(|detection| detection.engine.clone())).collect();
        let first = [
            Cell::text(&bug.id),
            Cell::maybe(bug.missed_events, number::count),
            Cell::maybe(long, number::count),
            Cell::count(bug.samplers.len() as u64),
            Cell::text(found_by.join(", ")),
            Cell::maybe(bug.near.first().map(|near| u64::from(near.of)), number::count),
        ];
        table.row(first.into_iter().chain(cells));
    }
    page.table(table);
}

/// Bug by engine.
fn verdicts(algorithm: &str, bugs: &[&Bug]) -> Table {
    let mut engines: Vec<&str> = Vec::new();
    for detection in bugs.iter().flat_map(|bug| &bug.detections) {
        if !engines.contains(&detection.engine.as_str()) {
            engines.push(&detection.engine);
        }
    }
    let columns = [("Bug", "bug"), ("What is wrong", "title"), ("Verdict", "verdict")];
    let between_threads = bugs.iter().any(|bug| bug.visible.is_some());
    let shown_by = between_threads.then_some(("Shown by", "visible"));
    // The unit stands at the head, where an engine has one: cells are narrow.
    let titles: Vec<String> = engines.iter().map(|engine| title(engine, bugs)).collect();
    let by_engine = engines.iter().zip(&titles).map(|(engine, title)| (title.as_str(), *engine));
    let columns: Vec<(&str, &str)> = columns.into_iter().chain(shown_by).chain(by_engine).collect();
    let caption = "Bug by engine: the work until it was found, the median over trials, and in how many of them it was; \
                   after >, the work in vain";
    let mut table = Table::new(format!("{algorithm}-zoo"), caption, &columns);
    for bug in bugs {
        let verdict = match (bug.found(), bug.hard) {
            (false, _) if bug.argued.is_some() => Cell::text("argued").tone(Tone::Caution),
            (true, _) => Cell::text("found").tone(Tone::Good),
            (false, true) => Cell::text("not found (hard)").tone(Tone::Caution),
            (false, false) => Cell::text("not found").tone(Tone::Bad),
        };
        let by_engine = engines.iter().map(|engine| {
            let detection = bug.detections.iter().find(|detection| detection.engine == *engine);
            detection.map_or_else(
                || Cell::text("–").tone(Tone::Missing),
                |detection| summary(bug, detection, unit(engine, bugs).is_some()),
            )
        });
        let first = [Cell::text(name(bug)), Cell::text(in_short(bug)), verdict];
        let shown_by = between_threads.then(|| Cell::text(bug.visible.as_deref().unwrap_or("–")));
        table.row(first.into_iter().chain(shown_by).chain(by_engine));
    }
    table
}

/// An engine with the unit of its work.
fn title(engine: &str, bugs: &[&Bug]) -> String {
    match unit(engine, bugs) {
        Some(unit) => format!("{engine}, {unit}"),
        None => engine.to_owned(),
    }
}

/// The unit of an engine's work, if it is the same for all bugs.
fn unit<'a>(engine: &str, bugs: &[&'a Bug]) -> Option<&'a str> {
    let of_engine =
        bugs.iter().flat_map(|bug| &bug.detections).filter(|detection| detection.engine == engine);
    let mut units = of_engine.map(|detection| detection.effort_unit.as_str());
    let first = units.next()?;
    units.all(|unit| unit == first).then_some(first)
}

/// Its name, with what is special about it.
fn name(bug: &Bug) -> String {
    match (bug.canary, bug.hard) {
        (true, _) => format!("{} (canary)", bug.id),
        (false, true) => format!("{} (hard)", bug.id),
        (false, false) => bug.id.clone(),
    }
}

/// What was known of each before the hunt.
fn origins(algorithm: &str, bugs: &[&Bug]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-zoo-origins"),
        "Where each bug was seen, what it must break, and which engine is expected to find it",
        &[
            ("Bug", "bug"),
            ("Must break", "property"),
            ("Seen in", "source"),
            ("Expected by", "expected_engine"),
            ("What is wrong, and what was changed along", "title"),
        ],
    );
    for bug in bugs {
        let (seen, expected) = (Cell::text(&bug.source), Cell::text(&bug.expected_engine));
        table.row([Cell::text(name(bug)), Cell::code(&bug.property), seen, expected, Cell::text(&bug.title)]);
    }
    table
}

/// What is wrong, without what else had to be changed: the first sentence.
fn in_short(bug: &Bug) -> &str {
    bug.title.split_once(". ").map_or(&bug.title, |(first, _)| first)
}

/// What one engine made of one bug, in a word or two.
fn summary(bug: &Bug, detection: &Detection, unit_is_said: bool) -> Cell {
    let effort = number::short_count(detection.effort);
    let effort = if unit_is_said { effort } else { format!("{effort} {}", detection.effort_unit) };
    let effort = match (detection.found_trials, detection.trials.len()) {
        (Some(found), trials) if trials > 1 && found > 0 => format!("{effort}, {found} of {trials}"),
        _ => effort,
    };
    // What broke first need not be what the bug must break.
    let other = detection.property.as_ref().filter(|property| detection.found && **property != bug.property);
    let effort = other.map_or(effort.clone(), |property| format!("{effort}, by {property}"));
    match (detection.found, detection.control_passed) {
        (_, false) => Cell::text("control fails").tone(Tone::Bad),
        (true, true) => Cell::text(effort).tone(Tone::Good),
        (false, true) => Cell::text(format!("> {effort}")).tone(Tone::Missing),
    }
}

/// One row per bug and engine: the effort to the first detection.
fn detections(algorithm: &str, bugs: &[&Bug]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-detections"),
        "Work until the first detection, or in vain: medians over trials",
        &[
            ("Bug", "bug"),
            ("Engine", "engine"),
            ("Verdict", "verdict"),
            ("Work", "effort"),
            ("Unit", "effort_unit"),
            ("From", "effort_low"),
            ("To", "effort_high"),
            ("Trials", "trials"),
            ("Found in", "found_trials"),
            ("CPU time", "cpu_seconds"),
            ("Length", "length_events"),
            ("Without the edit", "control"),
        ],
    );
    for (bug, detection) in
        bugs.iter().flat_map(|bug| bug.detections.iter().map(move |detection| (bug, detection)))
    {
        let finite = detection.trials.len() > 1 && detection.trials.iter().all(|trial| trial.is_finite());
        let interval = finite.then(|| statistics::median_interval(&detection.trials).1);
        let end = |end: Option<f64>| Cell::maybe(end, number::short);
        table.row([
            Cell::text(&bug.id),
            Cell::text(&detection.engine),
            match &detection.property {
                _ if !detection.found => Cell::text("not found").tone(Tone::Missing),
                Some(property) => Cell::text(format!("found: {property}")).tone(Tone::Good),
                None => Cell::text("found").tone(Tone::Good),
            },
            Cell::count(detection.effort),
            Cell::text(&detection.effort_unit),
            end(interval.map(|interval| interval.low)),
            end(interval.map(|interval| interval.high)),
            Cell::count(detection.trials.len().max(1) as u64),
            Cell::maybe(detection.found_trials, |found| number::count(found.into())),
            Cell::number(detection.cpu_s, number::seconds(detection.cpu_s)),
            Cell::maybe(detection.length, |length| format!("{length} events")),
            if detection.control_passed {
                Cell::text("passes").tone(Tone::Good)
            } else {
                Cell::text("does not pass").tone(Tone::Bad)
            },
        ]);
    }
    table
}
