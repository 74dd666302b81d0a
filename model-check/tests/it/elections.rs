//! Raft Fig. 16, on fewer trials and within wider bounds than the command has.

use std::sync::atomic::AtomicBool;

use model_check::elections::{
    BESIDE, Delays, FITTED, RANDOMNESS, Range, SCALE, WRITTEN, judge, trial, trials,
};
use reports::artifact::ElectionRange;

/// Trials of one range on these seeds.
fn range(range: Range, delays: &Delays, seeds: std::ops::Range<u64>, threads: usize) -> ElectionRange {
    let stop = AtomicBool::new(false);
    let tried = trials(range, delays, seeds, threads, &stop).expect("no trial violates anything");
    let (times_ms, open) = tried.expect("nobody stops it");
    let (low_ms, high_ms) = (range.0 as f64, range.1 as f64);
    ElectionRange { low_ms, high_ms, times_ms, open, ..ElectionRange::default() }
}

fn ranges(of: &[Range], trials: u64) -> Vec<ElectionRange> {
    of.iter().map(|of| range(*of, &FITTED, 0..trials, 2)).collect()
}

#[test]
fn the_published_figures_come_out_within_wide_bounds() {
    let of = |wanted: Range| range(wanted, &FITTED, 5000..5300, 2);
    let endless = of(Range(150, 150));
    assert!(endless.quantile(0.5).is_none() && endless.open < 300, "{} of 300 do not end", endless.open);
    let median = of(Range(150, 155)).quantile(0.5).expect("most trials end");
    assert!((240.0..335.0).contains(&median), "median {median} ms, published 287");
    let worst = of(Range(150, 200)).quantile(1.0).expect("all trials end");
    assert!((300.0..1000.0).contains(&worst), "worst {worst} ms, published 513 of 1000");
}

#[test]
fn more_randomness_means_fewer_long_elections() {
    let tails: Vec<f64> = ranges(&RANDOMNESS[1..5], 300)
        .iter()
        .map(|range| range.quantile(0.9).expect("nine of ten end"))
        .collect();
    assert!(tails.windows(2).all(|pair| pair[0] > 1.2 * pair[1]), "{tails:?}");
}

#[test]
fn smaller_timeouts_are_sooner_over_until_they_are_near_a_round_trip() {
    let means: Vec<f64> =
        ranges(&SCALE, 300).iter().map(|range| range.mean().expect("all trials end")).collect();
    // From 300 ms down to 50 ms each range is faster than the one above; the least wins little or nothing.
    assert!(means[1..].windows(2).all(|pair| pair[0] * 1.2 < pair[1]), "{means:?}");
    assert!(means[0] > means[1] * 0.75, "{means:?}");
    assert!(means[0] > 24.0, "a round trip and a timeout");
}

#[test]
fn votes_split_more_where_candidates_wait_for_their_disks() {
    for wanted in BESIDE {
        let [fitted, written] = [&FITTED, &WRITTEN]
            .map(|delays| range(wanted, delays, 0..300, 2).quantile(0.9).expect("nine of ten end"));
        assert!(written > 1.3 * fitted, "{}: {written} ms, not {fitted}", wanted.name());
    }
}

#[test]
fn a_trial_is_its_seed_on_any_number_of_threads() {
    let of = |threads| range(Range(150, 155), &FITTED, 100..160, threads);
    assert_eq!(of(1), of(3));
    let times: std::collections::BTreeSet<_> =
        of(1).times_ms.iter().map(|time| (time * 1000.0) as u64).collect();
    assert!(times.len() > 50, "trials differ: {times:?}");
    assert_eq!(trial(Range(150, 155), &FITTED, 7), trial(Range(150, 155), &FITTED, 7));
    assert_ne!(trial(Range(150, 155), &FITTED, 7), trial(Range(150, 175), &FITTED, 7));
}

/// Ranges as the judge wants to see them, with these times of theirs.
fn told(median: f64, worst: f64, tails: [f64; 4], open: u64) -> Vec<ElectionRange> {
    let range = |high_ms: f64, times_ms: Vec<f64>, open| ElectionRange {
        low_ms: 150.0,
        high_ms,
        times_ms,
        open,
        ..ElectionRange::default()
    };
    vec![
        range(150.0, vec![1.0], open),
        range(151.0, vec![tails[0]; 3], 0),
        range(155.0, vec![median, median, tails[1]], 0),
        range(175.0, vec![tails[2]; 3], 0),
        range(200.0, vec![tails[3], tails[3], worst], 0),
    ]
}

#[test]
fn the_judge_refuses_what_lies_outside() {
    let tails = [4000.0, 1300.0, 800.0, 300.0];
    let holds = |ranges: &[ElectionRange], asserted| -> Vec<Option<bool>> {
        judge(ranges, asserted).into_iter().map(|claim| claim.holds).collect()
    };
    let (yes, no) = (Some(true), Some(false));
    assert_eq!(holds(&told(287.0, 513.0, tails, 3), true), [yes, yes, yes, yes, None, None]);
    assert_eq!(holds(&told(287.0, 513.0, tails, 3), false), [None; 6], "on other seeds nothing is asserted");
    assert_eq!(holds(&told(258.0, 513.0, tails, 3), true)[1], no);
    assert_eq!(holds(&told(316.0, 513.0, tails, 3), true)[1], no);
    assert_eq!(holds(&told(287.0, 399.0, tails, 3), true)[2], no);
    assert_eq!(holds(&told(287.0, 751.0, tails, 3), true)[2], no);
    assert_eq!(holds(&told(287.0, 513.0, tails, 0), true)[0], no, "it ended");
    assert_eq!(holds(&told(287.0, 513.0, [1200.0, 1300.0, 800.0, 300.0], 3), true)[3], no);
    // What was not run does not hold.
    assert_eq!(holds(&[], true)[..4], [no; 4]);
}
