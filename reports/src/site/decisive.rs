//! Which events of a failing run decided that it would fail.

use super::page::Page;
use super::{Site, key};
use crate::artifact::{Artifact, Decisive, Payload, Rewound, Verb};
use crate::chart::decisive;
use crate::number;
use crate::table::{Cell, Table, Tone};

/// Decisive events that are named at most.
const RISES_MAX: usize = 6;

/// The section, if any run was rewound.
pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    let rewound: Vec<(&Artifact, &Decisive)> = site
        .results(algorithm, Verb::Simulate)
        .filter_map(|artifact| match &artifact.payload {
            Payload::Decisive(decisive) => Some((artifact, decisive)),
            _ => None,
        })
        .collect();
    if rewound.is_empty() {
        return;
    }
    page.section("decisive", "When did it go wrong?", |page| {
        page.paragraph(
            "A failing run is rewound to many of its moments, and from each its future is drawn anew many times: the \
             same cluster, with other draws from there on and as much time as the run had. The share of futures that \
             break a property is how likely failure was by then. Where it jumps from one moment to the next, the event \
             between them decided.",
        );
        for (artifact, decisive) in rewound {
            one(page, site, artifact, decisive);
        }
    });
}

fn one(page: &mut Page, site: &Site, artifact: &Artifact, decisive: &Decisive) {
    page.heading(format!("{}, seed {}: {}", decisive.of, decisive.seed, decisive.property));
    page.run(site, artifact);
    page.paragraph(format!(
        "{}, profile {}, {}. After {} and {}: {}.",
        decisive.of,
        decisive.profile,
        number::of(decisive.nodes.into(), "node"),
        number::of(decisive.events, "event"),
        number::seconds(decisive.time_s),
        decisive.detail
    ));
    let rises: Vec<(&Rewound, &Rewound)> = decisive.rises().into_iter().take(RISES_MAX).collect();
    if let Some((before, after)) = rises.first() {
        page.notice(
            Tone::Plain,
            format!(
                "Most decisive: {} (event {} of {}). Before it {} of the futures failed, after it {}.",
                event(after),
                number::count(after.events),
                number::count(decisive.events),
                number::percent(before.share()),
                number::percent(after.share())
            ),
        );
    }
    if let Some(turned) = decisive.turned() {
        page.paragraph(format!(
            "From event {} of {} on, at {}, the run was more likely than not to fail.",
            number::count(turned.events),
            number::count(decisive.events),
            number::seconds(turned.time_s)
        ));
    }
    let id = format!("decisive-{}", key(artifact));
    let place = |rewound: &Rewound| decisive.rewound.iter().position(|other| std::ptr::eq(other, rewound));
    let places: Vec<usize> = rises.iter().filter_map(|(_, after)| place(after)).collect();
    page.figure(&decisive::plot(
        &format!("{id}-plot"),
        "Futures that fail, by how much of the run is kept",
        "Bars are 95 % intervals; numbers name the events below. The axis is stretched where the share changes.",
        &decisive.rewound,
        &places,
    ));
    page.table(decided(&id, &rises));
    page.folded_table(
        &format!("All {} moments as a table", decisive.rewound.len()),
        moments(&format!("{id}-moments"), decisive),
    );
}

/// Characters of an event that a page shows; data has more.
const EVENT_CHARS_MAX: usize = 90;

fn event(rewound: &Rewound) -> String {
    let Some(event) = &rewound.event else { return "the beginning".to_owned() };
    match event.char_indices().nth(EVENT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", event[..end].trim_end_matches('…')),
        None => event.clone(),
    }
}

fn decided(id: &str, rises: &[(&Rewound, &Rewound)]) -> Table {
    let mut table = Table::new(
        format!("{id}-events"),
        "The events that decided: neighbouring moments whose intervals lie apart, the greatest rise first",
        &[
            ("No.", "number"),
            ("Event", "event"),
            ("Before", "failing_before"),
            ("After", "failing_after"),
            ("Events kept", "events"),
            ("At", "time_seconds"),
        ],
    );
    for (number, (before, after)) in rises.iter().enumerate() {
        let share = |rewound: &Rewound| Cell::number(rewound.share(), number::percent(rewound.share()));
        table.row([
            Cell::text(number + 1),
            Cell::code(event(after)),
            share(before),
            share(after),
            Cell::count(after.events),
            Cell::number(after.time_s, number::seconds(after.time_s)),
        ]);
    }
    table
}

fn moments(id: &str, decisive: &Decisive) -> Table {
    let mut table = Table::new(
        id,
        "Moments, and what became of other futures",
        &[
            ("Last event kept", "event"),
            ("Events kept", "events"),
            ("At", "time_seconds"),
            ("Futures", "futures"),
            ("Failing", "failing"),
            ("Share", "share"),
            ("From", "share_low"),
            ("To", "share_high"),
        ],
    );
    for rewound in &decisive.rewound {
        let interval = rewound.interval();
        let share = |share: f64| Cell::number(share, number::percent(share));
        table.row([
            Cell::code(event(rewound)),
            Cell::count(rewound.events),
            Cell::number(rewound.time_s, number::seconds(rewound.time_s)),
            Cell::count(rewound.futures.into()),
            Cell::count(rewound.failing.into()),
            share(rewound.share()),
            share(interval.low),
            share(interval.high),
        ]);
    }
    table
}
