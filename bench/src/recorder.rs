//! Histograms of latencies, and the interval logs (`.hlog`) they are kept in.
//!
//! Every latency is recorded in nanoseconds into an HDR histogram (Tene's High Dynamic Range) of three
//! significant digits from 1 ns to an hour; what is longer is recorded as an hour, never dropped. An
//! [`IntervalLog`] is a sequence of such histograms in time, in the format (V2, deflated) that
//! HistogramLogAnalyzer, HistogramLogProcessor and the other readers of HdrHistogram open.
//!
//! Verified by reading the log back with the library's own reader.

use std::io;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

/// The longest latency that is told apart from longer ones.
pub const LATENCY_MAX: Duration = Duration::from_hours(1);

/// An empty histogram of nanoseconds: 1 ns to [`LATENCY_MAX`], three significant digits, 280 KB.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX.as_nanos() as u64, 3).expect("the bounds are valid")
}

/// One histogram of an [`IntervalLog`].
#[derive(Clone, Debug)]
pub struct Interval {
    /// When it begins, from the start of the run.
    pub start: Duration,
    /// How long it lasts.
    pub length: Duration,
    /// What it is of: letters, digits and hyphens.
    pub tag: String,
    /// What was recorded in it.
    pub histogram: Histogram<u64>,
}

/// The text of an interval log: a few comments, the start of the run, then one line per interval in the
/// order given. Times are from the start of the run; the readable maxima are milliseconds.
///
/// # Errors
/// If a tag cannot stand in a log (a comma, a space, a line break, or nothing at all).
pub fn interval_log(comments: &[String], start: SystemTime, intervals: &[Interval]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    for comment in comments {
        builder.add_comment(comment);
    }
    builder.add_comment("[Histogram log format version 1.3]");
    let mut log = builder
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(1e6)
        .begin_log_with(&mut text, &mut serializer)?;
    for Interval { start, length, tag, histogram } in intervals {
        let tag = Tag::new(tag).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("`{tag}` cannot be a tag of an interval log"))
        })?;
        log.write_histogram(histogram, *start, *length, Some(tag))
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn an_interval_log_reads_back_as_it_was() {
        let second = Duration::from_secs(1);
        let intervals: Vec<Interval> = (0..3u32)
            .map(|i| {
                let mut histogram = histogram();
                (1..=1000u64).for_each(|n| histogram.record(n * 1000 * u64::from(i + 1)).expect("in range"));
                let tag = ["response", "service"][i as usize % 2].to_string();
                Interval { start: second * i, length: second, tag, histogram }
            })
            .collect();
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let text = interval_log(&["raft at 1000 per second".into()], start, &intervals).expect("writes");

        let text_lines = String::from_utf8(text.clone()).expect("the log is text");
        assert!(text_lines.contains("#[StartTime: 1700000000.000 (seconds since epoch)"), "{text_lines}");
        assert!(
            text_lines.contains("Tag=response,0.000,1.000,1.000,HIST"),
            "deflated V2, base 64: {text_lines}"
        );
        let mut deserializer = Deserializer::new();
        let read: Vec<_> = IntervalLogIterator::new(&text)
            .map(|entry| entry.expect("every line parses"))
            .filter_map(|entry| match entry {
                LogEntry::Interval(interval) => Some(interval),
                _ => None,
            })
            .collect();
        assert_eq!(read.len(), intervals.len());
        for (read, written) in read.iter().zip(&intervals) {
            assert_eq!(read.start_timestamp(), written.start);
            assert_eq!(read.duration(), written.length);
            assert_eq!(read.tag().map(|tag| tag.as_str().to_string()), Some(written.tag.clone()));
            let bytes = base64_decoded(read.encoded_histogram());
            let histogram: Histogram<u64> =
                deserializer.deserialize(&mut bytes.as_slice()).expect("the histogram parses");
            assert_eq!(histogram, written.histogram);
        }
    }

    #[test]
    fn a_tag_that_would_break_the_line_is_refused() {
        let interval = Interval {
            start: Duration::ZERO,
            length: Duration::ZERO,
            tag: "a,b".into(),
            histogram: histogram(),
        };
        let refused = interval_log(&[], SystemTime::UNIX_EPOCH, &[interval]).expect_err("was taken");
        assert_eq!(refused.to_string(), "`a,b` cannot be a tag of an interval log");
    }

    #[test]
    fn what_is_longer_than_the_range_is_recorded_as_its_end() {
        let mut histogram = histogram();
        histogram.saturating_record(u64::MAX);
        assert_eq!(histogram.len(), 1);
        assert!(histogram.max() >= LATENCY_MAX.as_nanos() as u64);
    }

    /// Base 64 as RFC 4648 §4 has it, written out so that the reader is not the writer's own library.
    fn base64_decoded(text: &str) -> Vec<u8> {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = Vec::new();
        let (mut bits, mut held) = (0u32, 0);
        for letter in text.bytes().filter(|letter| *letter != b'=') {
            let value = ALPHABET.iter().position(|known| *known == letter).expect("base 64") as u32;
            bits = bits << 6 | value;
            held += 6;
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
                bits &= (1 << held) - 1;
            }
        }
        bytes
    }
}
