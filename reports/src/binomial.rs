//! What a number of failures among a number of independent trials says of the rate behind it.
//!
//! Intervals are those of Clopper and Pearson (1934): exact, by the tails of the binomial distribution, so never too
//! short. They hold as well where trials go on until the first failure, as hunts do: with the number of trials left
//! to chance the exact interval lies within this one. Tails are computed by the continued fraction of the incomplete
//! beta function (Lentz's method). Verified against sums of exact terms, against published values, and by coverage.

use crate::artifact::Interval;
use crate::statistics::CONFIDENCE;

/// Where the rate lies that gave `failures` in `trials`, at [`CONFIDENCE`]; 0 to 1 if there were no trials.
/// More failures than trials count as as many; of very many trials the interval is that of fewer with the same share.
pub fn interval(failures: u64, trials: u64) -> Interval {
    // Beyond some millions the fraction takes long, and its terms are too large for their digits.
    let scale = (u64::BITS - trials.leading_zeros()).saturating_sub(22);
    let (failures, trials) = (failures.min(trials) >> scale, trials >> scale);
    let (s, rest) = (failures as f64, (trials - failures) as f64);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let low = if failures == 0 { 0.0 } else { rate_where(|rate| at_least(rate, s, rest + 1.0) >= tail) };
    let high =
        if failures == trials { 1.0 } else { rate_where(|rate| at_least(rate, s + 1.0, rest) >= 1.0 - tail) };
    Interval { low, high, confidence: CONFIDENCE }
}

/// The greatest rate of failure that `clean` trials without one leave possible, at [`CONFIDENCE`]: bugs that strike
/// more often are excluded. About 3 / `clean`, the rule of three; 1 without trials.
pub fn not_excluded(clean: u64) -> f64 {
    if clean == 0 { 1.0 } else { -(((1.0 - CONFIDENCE).ln() / clean as f64).exp_m1()) }
}

/// The chance that `trials` all miss what strikes at this rate.
pub fn missed_by_all(rate: f64, trials: f64) -> f64 {
    if trials <= 0.0 { 1.0 } else { (trials * (-rate.clamp(0.0, 1.0)).ln_1p()).exp() }
}

/// How many trials strike at least once at [`CONFIDENCE`] what strikes at this rate; none at rate 0.
pub fn trials_needed(rate: f64) -> Option<f64> {
    let needed = (1.0 - CONFIDENCE).ln() / (-rate.clamp(0.0, 1.0)).ln_1p();
    (rate > 0.0 && needed.is_finite()).then(|| needed.ceil().max(1.0))
}

/// The least rate from which on `holds`, which is true from there to 1.
fn rate_where(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0f64, 1.0f64);
    // Rates are often small: halving the interval 60 times reaches any that counts can tell from 0.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// The regularised incomplete beta function Iₓ(a, b): with a = s and b = n - s + 1 the chance of s failures or more
/// in n trials at rate x.
fn at_least(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    // The fraction converges fast on this side of the mean; the other side is its mirror.
    let share = if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    };
    share.clamp(0.0, 1.0)
}

/// The continued fraction of the incomplete beta function.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guarded = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guarded(1.0 - (a + b) * x / (a + 1.0));
    let mut sum = d;
    // It takes about √max(a, b) steps.
    for step in 1..20_000 {
        let m = f64::from(step);
        for term in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / guarded(1.0 + term * d);
            c = guarded(1.0 + term / c);
            sum *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-14 {
            break;
        }
    }
    sum
}

/// ln Γ(z) for z > 0, by the series of Stirling from 10 on and by recurrence below.
fn ln_gamma(z: f64) -> f64 {
    let (mut shifted, mut product) = (z, 1.0);
    while shifted < 10.0 {
        product *= shifted;
        shifted += 1.0;
    }
    let (inverse, square) = (1.0 / shifted, 1.0 / (shifted * shifted));
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    let half_ln_tau = 0.5 * std::f64::consts::TAU.ln();
    (shifted - 0.5) * shifted.ln() - shifted + half_ln_tau + series - f64::ln(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The chance of `failures` or more in `trials`, term by term.
    fn summed(failures: u64, trials: u64, rate: f64) -> f64 {
        let mut term = (1.0 - rate).powi(trials as i32);
        let mut below = 0.0;
        for count in 0..failures {
            below += term;
            term *= (trials - count) as f64 / (count + 1) as f64 * rate / (1.0 - rate);
        }
        1.0 - below
    }

    #[test]
    fn tails_are_the_sums_of_their_terms() {
        for trials in [1, 2, 7, 20, 100, 600] {
            for failures in 1..=trials.min(40) {
                for rate in [0.001, 0.02, 0.3, 0.5, 0.8] {
                    let by_fraction = at_least(rate, failures as f64, (trials - failures + 1) as f64);
                    let by_sum = summed(failures, trials, rate);
                    assert!((by_fraction - by_sum).abs() < 1e-9, "{failures} of {trials} at {rate}");
                }
            }
        }
    }

    #[test]
    fn intervals_are_the_published_ones() {
        // Clopper and Pearson at 95 %: 10 of 20 and 1 of 10 stand in most tables; 0 and n are closed forms.
        for (failures, trials, low, high) in [
            (10, 20, 0.27196, 0.72804),
            (1, 10, 0.00253, 0.44502),
            (3, 1000, 0.000_619, 0.008_742),
            (0, 100, 0.0, 0.03622),
            (100, 100, 0.96378, 1.0),
        ] {
            let found = interval(failures, trials);
            let near = |a: f64, b: f64| (a - b).abs() < 1e-5;
            assert!(near(found.low, low) && near(found.high, high), "{failures} of {trials}: {found:?}");
        }
        let closed = 1.0 - 0.025f64.powf(1.0 / 5000.0);
        assert!((interval(0, 5000).high / closed - 1.0).abs() < 1e-9);
    }

    #[test]
    fn clean_trials_exclude_what_the_rule_of_three_says() {
        // 1 - 0.05 ^ (1 / n), exactly.
        for (clean, rate) in [(1, 0.95), (10, 0.258_866), (100, 0.029_513), (1000, 0.002_991_3)] {
            assert!((not_excluded(clean) - rate).abs() < 1e-6, "{clean}");
        }
        assert!((not_excluded(1_000_000) * 1e6 / 2.995_73 - 1.0).abs() < 1e-4);
        assert!((not_excluded(0) - 1.0).abs() < 1e-12);
        // A rate that clean trials just do not exclude is missed by all of them in one case of twenty.
        for clean in [1, 59, 1000, 100_000] {
            let missed = missed_by_all(not_excluded(clean), clean as f64);
            assert!((missed - (1.0 - CONFIDENCE)).abs() < 1e-9, "{clean}");
        }
    }

    #[test]
    fn enough_trials_are_just_enough() {
        for rate in [1.0, 0.5, 0.05, 0.01, 1e-6] {
            let needed = trials_needed(rate).expect("it strikes");
            assert!(missed_by_all(rate, needed) <= 1.0 - CONFIDENCE + 1e-12, "{rate}: {needed}");
            assert!(needed < 2.0 || missed_by_all(rate, needed - 1.0) > 1.0 - CONFIDENCE, "{rate}: {needed}");
        }
        assert_eq!((trials_needed(0.05), trials_needed(0.0)), (Some(59.0), None));
    }

    #[test]
    fn intervals_cover_the_rate_where_trials_end_with_the_first_failure() {
        // Five hunts of at most 200 trials each, as the zoo has them, at a rate that is known.
        let mut state = 7u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        for rate in [0.002, 0.02, 0.3] {
            let covered = (0..400).filter(|_| {
                let (mut failures, mut trials) = (0, 0);
                for _ in 0..5 {
                    for _ in 0..200 {
                        trials += 1;
                        if draw() < rate {
                            failures += 1;
                            break;
                        }
                    }
                }
                let found = interval(failures, trials);
                (found.low..=found.high).contains(&rate)
            });
            let covered = covered.count();
            // At least 95 % of 400, less three standard deviations.
            assert!(covered >= 367, "{rate}: {covered} of 400");
        }
    }

    #[test]
    fn any_counts_have_an_interval() {
        for (failures, trials) in [(0, 0), (5, 3), (1, u64::MAX), (u64::MAX, u64::MAX), (1 << 40, 1 << 50)] {
            let found = interval(failures, trials);
            assert!(0.0 <= found.low && found.low <= found.high && found.high <= 1.0, "{found:?}");
        }
    }
}
