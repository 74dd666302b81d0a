//! Percentile distributions (`.hgrm`) as text, in the form that HdrHistogram's
//! `outputPercentileDistribution` prints and its plotter page, hdr-plot and others read.
//!
//! Four columns (value, percentile, count up to it, 1/(1 − percentile)), five reporting points in each
//! half of the remaining distance to 100 %, then mean, deviation, maximum, total and the histogram's
//! shape. The library that records has no writer for it, and its iterator over percentiles leaves out
//! points that the format's other implementations print, so the points are computed here.
//!
//! Verified by a golden text from the format's other implementations and by reading what was written.

use std::fmt::Write;

use hdrhistogram::Histogram;

/// Reporting points in each halving of the distance to 100 %: the format's customary number.
const TICKS_PER_HALF_DISTANCE: f64 = 5.0;

/// The distribution as text; values are divided by `unit` (10⁶ prints nanoseconds as milliseconds).
///
/// An empty histogram has the header and the footer alone.
///
/// # Panics
/// If `unit` is not above 0.
pub fn hgrm(histogram: &Histogram<u64>, unit: f64) -> String {
    assert!(unit > 0.0, "values cannot be divided by {unit}");
    let digits = usize::from(histogram.sigfig());
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let total = histogram.len();
    let (mut seen, mut percentile) = (0, 0.0);
    for step in histogram.iter_recorded() {
        seen += step.count_at_value();
        let value = step.value_iterated_to() as f64 / unit;
        // One line for every reporting point that this value reaches.
        while percentile <= 100.0 * seen as f64 / total as f64 {
            let quantile = percentile / 100.0;
            writeln!(text, "{value:12.digits$} {quantile:2.12} {seen:10} {:14.2}", 1.0 / (1.0 - quantile))
                .expect("text grows");
            percentile += 100.0 / reporting_ticks(percentile);
            if seen == total {
                writeln!(text, "{value:12.digits$} {:2.12} {total:10}", 1.0).expect("text grows");
                break;
            }
        }
    }
    // Buckets of half a magnitude's sub-buckets each: 2 · 10^digits values, rounded up to a power of two.
    let sub_buckets = (2 * 10u64.pow(u32::from(histogram.sigfig()))).next_power_of_two();
    write!(
        text,
        "#[Mean    = {:12.digits$}, StdDeviation   = {:12.digits$}]\n\
         #[Max     = {:12.digits$}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]\n",
        histogram.mean() / unit,
        histogram.stdev() / unit,
        histogram.max() as f64 / unit,
        histogram.len(),
        histogram.buckets(),
    )
    .expect("text grows");
    text
}

/// How many reporting points the whole range would have at the density that holds at `percentile`: it
/// doubles with each halving of the distance to 100.
fn reporting_ticks(percentile: f64) -> f64 {
    let halvings = (100.0 / (100.0 - percentile)).log2().trunc();
    TICKS_PER_HALF_DISTANCE * (halvings + 1.0).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distribution of 100, 200, 250 and 600 as implementations of the format in other languages print it.
    const GOLDEN: &str = "       Value     Percentile TotalCount 1/(1-Percentile)

     100.000 0.000000000000          1           1.00
     100.000 0.100000000000          1           1.11
     100.000 0.200000000000          1           1.25
     200.000 0.300000000000          2           1.43
     200.000 0.400000000000          2           1.67
     200.000 0.500000000000          2           2.00
     250.000 0.550000000000          3           2.22
     250.000 0.600000000000          3           2.50
     250.000 0.650000000000          3           2.86
     250.000 0.700000000000          3           3.33
     250.000 0.750000000000          3           4.00
     600.000 0.775000000000          4           4.44
     600.000 1.000000000000          4
#[Mean    =      287.500, StdDeviation   =      188.331]
#[Max     =      600.000, Total count    =            4]
#[Buckets =           32, SubBuckets     =         2048]
";

    #[test]
    fn text_is_that_of_other_implementations() {
        let mut histogram = Histogram::new_with_bounds(1, (1 << 42) - 1, 3).expect("the bounds are valid");
        for value in [100u64, 200, 250, 600] {
            histogram.record(value).expect("in range");
        }
        assert_eq!(hgrm(&histogram, 1.0), GOLDEN);
    }

    #[test]
    fn columns_read_back_as_the_distribution() {
        let mut histogram = crate::recorder::histogram();
        (1..=10_000u64).for_each(|n| histogram.record(n * 1000).expect("in range"));
        let text = hgrm(&histogram, 1e6);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|cell| cell.parse().expect("a number")).collect())
            .collect();
        assert!(rows.len() > 40, "{text}");
        for row in &rows {
            let (value_ms, quantile, total) = (row[0], row[1], row[2]);
            // Three significant digits of value; a count that is the distribution at that value.
            assert!((value_ms * 1000.0 - total).abs() <= 0.002 * total + 1.0, "{row:?}");
            assert!(total / 10_000.0 >= quantile - 1e-9, "{row:?}");
            if quantile < 1.0 {
                assert!((row[3] - 1.0 / (1.0 - quantile)).abs() < 0.01, "{row:?}");
            }
        }
        assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]));
        assert_eq!(rows.last().map(|row| (row.len(), row[1], row[2])), Some((3, 1.0, 10_000.0)));
    }

    #[test]
    fn an_empty_histogram_prints_its_frame() {
        let text = hgrm(&crate::recorder::histogram(), 1e6);
        assert!(
            text.ends_with("SubBuckets     =         2048]\n")
                && text.contains("Total count    =            0]")
        );
    }
}
