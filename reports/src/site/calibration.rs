//! How much of what can be reached samplers see, on instances that were searched as a whole, and whether the estimate
//! of what is unseen came true.

use super::page::Page;
use super::{Site, key};
use crate::artifact::{
    Artifact, CalibratedInstance, CalibratedSampler, Calibration, CalibrationPoint, Interval, Payload, Seen,
    Verb,
};
use crate::chart::shares::{self, Claim, Line, Point};
use crate::number;
use crate::statistics;
use crate::table::{Cell, Table, Tone};

/// The section, if any samplers were calibrated.
pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    let calibrated: Vec<(&Artifact, &Calibration)> = site
        .results(algorithm, Verb::Verify)
        .filter_map(|artifact| match &artifact.payload {
            Payload::Calibration(calibration) => Some((artifact, calibration)),
            _ => None,
        })
        .collect();
    if calibrated.is_empty() {
        return;
    }
    page.section("calibration", "How much does random search see?", |page| {
        page.paragraph(
            "Instances that are small enough to be searched as a whole, so that all that can be reached is known, are \
             walked at random by every sampler, each with the same number of events. The first question is how much of \
             all there is a sampler has met. The second is whether a campaign can know that by itself: the estimate \
             after Good and Turing says which share of what one further walk visits no walk has visited, and the walks \
             that follow show whether that comes true.",
        );
        for (artifact, calibration) in calibrated {
            one(page, site, artifact, calibration);
        }
    });
}

fn one(page: &mut Page, site: &Site, artifact: &Artifact, calibration: &Calibration) {
    page.run(site, artifact);
    let id = format!("calibration-{}", key(artifact));
    for (place, instance) in calibration.instances.iter().enumerate() {
        if instance.strangers > 0 {
            let detail = format!(
                "{}: walks met {} that the search has not: one of them is wrong.",
                instance.name,
                number::of(instance.strangers, "state")
            );
            page.notice(Tone::Bad, detail);
        }
        let caption = format!(
            "Of {}, by walks of at most {}: means over seeds, bars are 95 % intervals. {}",
            number::of(instance.abstract_states, "abstract state"),
            number::of(instance.walk_events.into(), "event"),
            most(instance)
        );
        let title = format!("{}: the share of abstract states that was seen", instance.name);
        let plot = format!("{id}-{place}-plot");
        page.figure(&shares::by_work(&plot, &title, &caption, "events walked", &lines(instance)));
    }
    let claims: Vec<Claim> =
        points(calibration).filter_map(|(_, sampler, point)| claim(sampler, point)).collect();
    page.figure(&shares::claims(
        &format!("{id}-claims"),
        "What was claimed to be unseen, against what came true",
        "One mark per instance, sampler and number of events. Above the line the estimate claims too much, below it too \
         little. Diamonds: the guided sampler, whose walks go on from earlier ones, so that the estimate promises \
         nothing there.",
        &claims,
    ));
    page.folded_table("What was seen and what was claimed, as a table", table(&id, calibration));
    let left_out: Vec<String> =
        calibration.left_out.iter().map(|(name, reason)| format!("{name} ({reason})")).collect();
    if !left_out.is_empty() {
        page.paragraph(format!("Left out: {}.", left_out.join("; ")));
    }
}

/// Every instance, sampler and budget.
fn points(
    calibration: &Calibration,
) -> impl Iterator<Item = (&CalibratedInstance, &CalibratedSampler, &CalibrationPoint)> {
    calibration.instances.iter().flat_map(|instance| {
        let of = move |sampler| (instance, sampler);
        instance.samplers.iter().map(of).flat_map(|(instance, sampler): (_, &CalibratedSampler)| {
            sampler.points.iter().map(move |point| (instance, sampler, point))
        })
    })
}

/// The mean of shares, or of their differences, and its interval; none where there are none, or where one cannot be.
fn mean(shares: &[f64]) -> Option<(f64, Interval)> {
    let fine = !shares.is_empty() && shares.iter().all(|share| (-1.0..=1.0).contains(share));
    fine.then(|| statistics::mean_interval(shares))
}

/// How much of the states themselves was seen at most, of which curves would all lie at the bottom.
fn most(instance: &CalibratedInstance) -> String {
    let last = |sampler: &CalibratedSampler| {
        let point = sampler.points.last()?;
        Some((mean(&point.states.share)?.0, point.events, name(sampler)))
    };
    let most = instance.samplers.iter().filter_map(last).max_by(|(a, ..), (b, ..)| a.total_cmp(b));
    most.map_or(String::new(), |(share, events, sampler)| {
        let (states, events) = (number::count(instance.states), number::count(events));
        let share = number::percent(share);
        format!("Of the {states} states themselves, {sampler} saw most: {share} after {events} events.")
    })
}

fn lines(instance: &CalibratedInstance) -> Vec<Line> {
    let default = instance.samplers.iter().position(|sampler| sampler.default).unwrap_or(usize::MAX);
    let line = |(place, sampler): (usize, &CalibratedSampler)| {
        let point = |point: &CalibrationPoint| {
            let (share, interval) = mean(&point.abstract_states.share)?;
            Some(Point { work: point.events as f64, share, low: interval.low, high: interval.high })
        };
        Line {
            label: name(sampler),
            marked: sampler.default,
            // The default has a colour of its own.
            dash: if sampler.default { 0 } else { (place - usize::from(place > default)) % 4 },
            points: sampler.points.iter().filter_map(point).collect(),
        }
    };
    instance.samplers.iter().enumerate().map(line).collect()
}

fn name(sampler: &CalibratedSampler) -> String {
    if sampler.default { format!("{} (default)", sampler.sampler) } else { sampler.sampler.clone() }
}

fn claim(sampler: &CalibratedSampler, point: &CalibrationPoint) -> Option<Claim> {
    let ((claimed, _), (came_true, _)) = mean(&point.states.claimed).zip(mean(&point.states.came_true))?;
    Some(Claim { claimed, came_true, marked: sampler.sampler == REMEMBERS })
}

/// The sampler whose walks depend on each other.
const REMEMBERS: &str = "guided";

/// What the estimate is worth: the mean difference between claim and truth lies within its own interval, or within
/// this share of the truth.
const CLOSE: f64 = 0.1;

fn verdict(seen: &Seen) -> Cell {
    let both = seen.claimed.iter().zip(&seen.came_true);
    let differences: Vec<f64> = both.map(|(claimed, came)| claimed - came).collect();
    let Some(((difference, interval), (came, _))) = mean(&differences).zip(mean(&seen.came_true)) else {
        return Cell::text("–").tone(Tone::Missing);
    };
    if (interval.low..=interval.high).contains(&0.0) || difference.abs() <= CLOSE * came {
        Cell::text("comes true").tone(Tone::Good)
    } else if difference > 0.0 {
        Cell::text("claims too much").tone(Tone::Caution)
    } else {
        Cell::text("claims too little").tone(Tone::Caution)
    }
}

fn table(id: &str, calibration: &Calibration) -> Table {
    let mut table = Table::new(
        id,
        "What was seen, and what was claimed: means over seeds. The estimate speaks of the next walk, not of all there is",
        &[
            ("Instance", "instance"),
            ("Sampler", "sampler"),
            ("Events", "events"),
            ("States seen", "states_share"),
            ("From", "states_share_low"),
            ("To", "states_share_high"),
            ("Abstract states seen", "abstract_share"),
            ("Claimed new in a further walk", "claimed"),
            ("Came true", "came_true"),
            ("The estimate", "verdict"),
            ("Abstract: claimed", "abstract_claimed"),
            ("Abstract: came true", "abstract_came_true"),
        ],
    );
    for (instance, sampler, point) in points(calibration) {
        let share = |value: Option<f64>| Cell::maybe(value, number::percent);
        let small = |seen: &[f64]| Cell::maybe(mean(seen).map(|(mean, _)| mean), number::small);
        let states = mean(&point.states.share);
        table.row([
            Cell::text(&instance.name),
            Cell::text(name(sampler)),
            Cell::count(point.events),
            share(states.map(|(mean, _)| mean)),
            share(states.map(|(_, interval)| interval.low)),
            share(states.map(|(_, interval)| interval.high)),
            share(mean(&point.abstract_states.share).map(|(mean, _)| mean)),
            small(&point.states.claimed),
            small(&point.states.came_true),
            verdict(&point.states),
            small(&point.abstract_states.claimed),
            small(&point.abstract_states.came_true),
        ]);
    }
    table
}
