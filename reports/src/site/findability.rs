//! What clean seeds entitle one to believe: which rates of failure they exclude, and how long bugs of the zoo would
//! have survived them.
//!
//! A pure function of artifacts. A hunt of the zoo by simulation runs seeds until one fails, so the seeds of all its
//! trials together, and how many of the trials found the bug, say how often a seed shows it; intervals are exact
//! ([`crate::binomial`]). Verified against exact values there and in `tests/it/findability.rs`.

use super::Site;
use super::page::Page;
use crate::artifact::{Bug, Detection, Interval, Payload, Simulate, Verb};
use crate::chart::survival;
use crate::number;
use crate::table::{Cell, Table, Tone};
use crate::{binomial, statistics};

/// What detections by simulation count their effort in.
const SEEDS: &str = "seeds";

/// How often seeds show one bug.
struct Rate<'a> {
    bug: &'a Bug,
    /// Trials that found it, and trials.
    found: u64,
    trials: u64,
    /// Seeds that were run in all trials.
    seeds: u64,
    /// The share of seeds that show it.
    share: f64,
    interval: Interval,
}

impl<'a> Rate<'a> {
    /// None where the trials were not counted.
    fn of(bug: &'a Bug, detection: &Detection) -> Option<Self> {
        let whole = |effort: &f64| (1.0..1e15).contains(effort);
        let trials = if detection.trials.is_empty() {
            vec![detection.effort as f64]
        } else {
            detection.trials.clone()
        };
        if detection.effort_unit != SEEDS || !detection.control_passed || !trials.iter().all(whole) {
            return None;
        }
        let found = u64::from(detection.found_trials?).min(trials.len() as u64);
        let seeds = trials.iter().map(|seeds| *seeds as u64).sum::<u64>();
        let share = found as f64 / seeds as f64;
        let interval = binomial::interval(found, seeds);
        Some(Rate { bug, found, trials: trials.len() as u64, seeds, share, interval })
    }
}

/// Seeds of one profile that ran to their end and were judged, with nothing found.
struct Clean<'a> {
    profile: &'a str,
    seeds: u64,
}

pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    let clean = clean(site, algorithm);
    let bugs: Vec<&Bug> = site
        .results(algorithm, Verb::Zoo)
        .filter_map(|artifact| if let Payload::Zoo(zoo) = &artifact.payload { Some(&zoo.bugs) } else { None })
        .flatten()
        .collect();
    let mut rates: Vec<Rate<'_>> = Vec::new();
    for bug in bugs {
        let known = rates.iter().any(|rate| rate.bug.id == bug.id);
        if !known && let Some(rate) = bug.detections.iter().find_map(|detection| Rate::of(bug, detection)) {
            rates.push(rate);
        }
    }
    if clean.is_empty() && rates.is_empty() {
        return;
    }
    rates.sort_by(|a, b| b.share.total_cmp(&a.share));
    page.section("findability", "What clean seeds entitle one to believe", |page| {
        for clean in &clean {
            page.paragraph(sentence(clean));
        }
        if rates.is_empty() {
            return;
        }
        page.paragraph(
            "Nothing is excluded that strikes more rarely, or that no seed of the profile can reach. How rare real bugs \
             are the zoo tells: how often a seed shows each of its bugs, in the simulation of the bug's own ground, \
             which is tuned to its kind, so elsewhere it may be rarer. A curve is the chance that so many seeds all \
             miss the bug; the mark is where one chance in twenty is left, the bar where that lies, given how often it \
             was seen.",
        );
        let largest = clean.iter().max_by_key(|clean| clean.seeds);
        let line = largest.map(|clean| (clean.seeds as f64, format!("{} clean", number::short_count(clean.seeds))));
        let lines: Vec<(f64, String)> = line.into_iter().collect();
        let rows: Vec<survival::Row> = rates.iter().filter(|rate| rate.found > 0).map(row).collect();
        page.figure(&survival::plot(
            &format!("{algorithm}-survival"),
            "The chance that clean seeds all miss a bug",
            "From 1 at the left of each row down to 0; at the right, one seed in how many shows the bug.",
            &rows,
            &lines,
        ));
        page.table(table(algorithm, &rates, largest));
    });
}

/// Clean seeds by profile. A profile of which a seed failed has none.
fn clean<'a>(site: &'a Site, algorithm: &'a str) -> Vec<Clean<'a>> {
    let campaigns: Vec<&Simulate> =
        site.results(algorithm, Verb::Simulate)
            .filter_map(|artifact| {
                if let Payload::Simulate(simulate) = &artifact.payload { Some(simulate) } else { None }
            })
            .collect();
    let mut clean: Vec<Clean<'_>> = Vec::new();
    for campaign in &campaigns {
        match clean.iter_mut().find(|clean| clean.profile == campaign.profile) {
            Some(clean) => clean.seeds = clean.seeds.saturating_add(campaign.linearizable),
            None => clean.push(Clean { profile: &campaign.profile, seeds: campaign.linearizable }),
        }
    }
    let failed = |profile: &str| campaigns.iter().any(|other| other.profile == profile && other.failures > 0);
    clean.retain(|clean| clean.seeds > 0 && !failed(clean.profile));
    clean
}

fn sentence(clean: &Clean<'_>) -> String {
    format!(
        "{} clean seeds of profile {} exclude, with {} confidence, every bug that shows itself in more than one in {} of \
         its seeds.",
        number::count(clean.seeds),
        clean.profile,
        number::percent(statistics::CONFIDENCE),
        one_in(binomial::not_excluded(clean.seeds))
    )
}

/// The n of a rate of one in n, rounded so that the claim is no stronger than it is.
fn one_in(rate: f64) -> String {
    let n = 1.0 / rate;
    if n >= 1e15 { "∞".to_owned() } else { number::count(n.floor().max(1.0) as u64) }
}

fn row(rate: &Rate<'_>) -> survival::Row {
    survival::Row {
        label: rate.bug.id.clone(),
        rate: rate.share,
        low: rate.interval.low,
        high: rate.interval.high,
        printed: format!("1 in {}", number::round(&number::short(1.0 / rate.share))),
    }
}

fn table(algorithm: &str, rates: &[Rate<'_>], clean: Option<&Clean<'_>>) -> Table {
    let missed = clean.map_or("Missed by as many".to_owned(), |clean| {
        format!("Missed by {} seeds", number::count(clean.seeds))
    });
    let mut table = Table::new(
        format!("{algorithm}-findability"),
        "How often a seed shows a bug of the zoo, and how many clean seeds exclude one like it",
        &[
            ("Bug", "bug"),
            ("Found in", "found_trials"),
            ("Of trials", "trials"),
            ("Seeds run", "seeds"),
            ("One seed in", "seeds_per_failure"),
            ("From", "seeds_per_failure_low"),
            ("To", "seeds_per_failure_high"),
            ("Seeds to exclude it", "seeds_to_exclude"),
            (&missed, "missed_probability"),
            ("At most", "missed_probability_high"),
        ],
    );
    for rate in rates {
        let per = |rate: f64| (rate > 0.0).then(|| 1.0 / rate);
        let seeds = |value: f64| number::round(&number::short(value));
        let missed = |by: f64| clean.map(|clean| binomial::missed_by_all(by, clean.seeds as f64));
        let found = Cell::count(rate.found).tone(if rate.found == 0 { Tone::Caution } else { Tone::Plain });
        table.row([
            Cell::text(&rate.bug.id),
            found,
            Cell::count(rate.trials),
            Cell::count(rate.seeds),
            Cell::maybe(per(rate.share), seeds),
            Cell::maybe(per(rate.interval.high), seeds),
            Cell::maybe(per(rate.interval.low), seeds),
            // By the low end of the interval: enough seeds even if the bug is as rare as it may be.
            Cell::maybe(binomial::trials_needed(rate.interval.low), seeds),
            Cell::maybe(missed(rate.share).filter(|_| rate.found > 0), number::small),
            Cell::maybe(missed(rate.interval.low), number::small),
        ]);
    }
    table
}
