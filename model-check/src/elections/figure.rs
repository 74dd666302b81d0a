//! The whole figure: all ranges, what was published of them, and what they must come to.

use core::ops::Range as Seeds;
use std::sync::atomic::AtomicBool;

use reports::artifact::{ElectionClaim, ElectionRange, Elections, PublishedPoint};
use swarm_protocol::Violation;

use super::{BESIDE, CAP, Delays, FITTED, RANDOMNESS, Range, SCALE, SERVERS, Tried, WRITTEN, trials};

/// The seeds for which bounds are asserted: what is worst of a thousand trials differs much from one thousand to the
/// next.
pub const SEEDS: Seeds<u64> = 0..1000;

/// Batches of seeds for the spread, the first of them the asserted one.
const BATCHES: u64 = 10;

const HOW_MUCH: &str = "how much randomness";
const WHAT_SCALE: &str = "at what scale";
const ON_DISKS: &str = "where candidates wait for their disks";

/// Published points: Ongaro and Ousterhout 2014, §9.3.
fn published(range: Range) -> Vec<PublishedPoint> {
    let point = |share, time_ms| vec![PublishedPoint { share, time_ms }];
    match range {
        Range(150, 155) => point(0.5, 287.0),
        Range(150, 200) => point(1.0, 513.0),
        Range(12, 24) => point(1.0, 152.0),
        _ => Vec::new(),
    }
}

/// Runs all trials. `progress` is told what comes next. None if `stop` was set.
///
/// # Errors
/// What a trial violated, and which.
pub fn reproduce(
    seeds: Seeds<u64>,
    threads: usize,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(&str),
) -> Result<Option<Elections>, (String, Violation)> {
    let mut ranges: Vec<ElectionRange> = Vec::new();
    let plots: [(&str, &[Range], &Delays); 3] =
        [(HOW_MUCH, &RANDOMNESS, &FITTED), (WHAT_SCALE, &SCALE, &FITTED), (ON_DISKS, &BESIDE, &WRITTEN)];
    for (plot, of_plot, delays) in plots {
        for range in of_plot {
            progress(&format!("{plot}: {}", range.name()));
            let Some((times_ms, open)) = tried(*range, delays, seeds.clone(), threads, stop)? else {
                return Ok(None);
            };
            ranges.push(ElectionRange {
                plot: plot.to_owned(),
                low_ms: range.0 as f64,
                high_ms: range.1 as f64,
                delays: delays.said.to_owned(),
                times_ms,
                open,
                published: if plot == ON_DISKS { Vec::new() } else { published(*range) },
            });
        }
    }
    let mut claims = judge(&ranges, seeds == SEEDS);
    for (range, what, q) in [(Range(150, 155), "median", 0.5), (Range(150, 200), "worst", 1.0)] {
        progress(&format!("spread: {}", range.name()));
        let mut values = Vec::new();
        for batch in 0..BATCHES {
            let first = seeds.start.saturating_add(batch * (seeds.end - seeds.start));
            let batch = first..first.saturating_add(seeds.end - seeds.start);
            let Some((times_ms, open)) = tried(range, &FITTED, batch, threads, stop)? else {
                return Ok(None);
            };
            let batch = ElectionRange { times_ms, open, ..ElectionRange::default() };
            values.extend(batch.quantile(q));
        }
        values.sort_by(f64::total_cmp);
        claims.extend(spread(range, what, &values));
    }
    Ok(Some(Elections {
        servers: SERVERS,
        seed_first: seeds.start,
        seed_end: seeds.end,
        cap_ms: CAP.as_micros() as f64 / 1000.0,
        ranges,
        claims,
    }))
}

fn tried(
    range: Range,
    delays: &Delays,
    seeds: Seeds<u64>,
    threads: usize,
    stop: &AtomicBool,
) -> Result<Option<Tried>, (String, Violation)> {
    trials(range, delays, seeds, threads, stop)
        .map_err(|(seed, violation)| (format!("{}, {}, trial {seed}", range.name(), delays.said), violation))
}

/// How far the figure of a range differs from batch to batch of trials.
fn spread(range: Range, what: &str, values: &[f64]) -> Option<ElectionClaim> {
    let (least, most) = (values.first()?, values.last()?);
    Some(ElectionClaim {
        figure: format!("{}: {what}, in {} batches of trials", range.name(), values.len()),
        published: None,
        measured: format!("{least:.0} to {most:.0} ms"),
        bounds: None,
        holds: None,
    })
}

/// What is claimed of the ranges, and whether it holds; only told unless `asserted`.
pub fn judge(ranges: &[ElectionRange], asserted: bool) -> Vec<ElectionClaim> {
    let of = |range: Range| {
        let named = |found: &&ElectionRange| found.plot != ON_DISKS && found.name() == range.name();
        ranges.iter().find(named)
    };
    let at = |range: Range, q: f64| of(range).and_then(|range| range.quantile(q));
    let said = |value: Option<f64>| {
        value.map_or_else(
            || format!("over {} s", CAP.as_micros() / 1_000_000),
            |value| format!("{value:.0} ms"),
        )
    };
    let claim = |figure: String, published: Option<&str>, measured: String, rule: Option<(&str, bool)>| {
        ElectionClaim {
            figure,
            published: published.map(str::to_owned),
            measured,
            bounds: rule.map(|(bounds, _)| bounds.to_owned()),
            holds: rule.filter(|_| asserted).map(|(_, holds)| holds),
        }
    };
    let within =
        |value: Option<f64>, low: f64, high: f64| value.is_some_and(|value| (low..=high).contains(&value));

    let endless = at(Range(150, 150), 0.5);
    let open = of(Range(150, 150)).map_or(0, |range| range.open);
    let median = at(Range(150, 155), 0.5);
    let worst = at(Range(150, 200), 1.0);
    let falling = [Range(150, 151), Range(150, 155), Range(150, 175), Range(150, 200)];
    let tails = falling.map(|range| at(range, 0.99));
    // Where one has no value, it is longer than all that have.
    let falls = tails.windows(2).all(|pair| match (pair[0], pair[1]) {
        (Some(longer), Some(shorter)) => longer > shorter,
        (None, Some(_)) => true,
        (_, None) => false,
    });
    let mean = of(Range(12, 24)).and_then(ElectionRange::mean);
    vec![
        claim(
            format!("{}: median", Range(150, 150).name()),
            Some("over 10 s"),
            format!("{}; {open} trials without a leader by then", said(endless)),
            Some(("over 20 s", endless.is_none() && open > 0)),
        ),
        claim(
            format!("{}: median", Range(150, 155).name()),
            Some("287 ms"),
            said(median),
            Some(("within 10 % of it: 258.3 to 315.7 ms", within(median, 258.3, 315.7))),
        ),
        claim(
            format!("{}: worst", Range(150, 200).name()),
            Some("513 ms"),
            said(worst),
            Some(("400 to 750 ms", within(worst, 400.0, 750.0))),
        ),
        claim(
            "150–151, 150–155, 150–175, 150–200 ms: the slowest hundredth begins at".to_owned(),
            Some("more randomness, shorter"),
            tails.map(said).join(", "),
            Some(("each shorter than the one before", falls)),
        ),
        claim(format!("{}: mean", Range(12, 24).name()), Some("35 ms"), said(mean), None),
        claim(format!("{}: worst", Range(12, 24).name()), Some("152 ms"), said(at(Range(12, 24), 1.0)), None),
    ]
}
