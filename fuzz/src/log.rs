//! What a libFuzzer log says.
//!
//! The lines are stable across LLVM versions but nowhere specified; what is not understood is left out, never
//! guessed. Verified on excerpts of real logs: a run to its limit, a crash, an interruption, a hang, and text
//! that is none.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

/// The longest log that is read, in bytes: a log grows by a line for every new input.
const BYTES_MAX: u64 = 256 << 20;
/// The longest message of a panic that is kept, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// The figures and the failure of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Inputs run.
    pub executions: Option<u64>,
    /// Wall-clock time, in seconds.
    pub wall_s: Option<f64>,
    /// Edges covered.
    pub edges: Option<u64>,
    /// Features covered: edges with counts, comparisons.
    pub features: Option<u64>,
    /// Inputs in the corpus.
    pub corpus: Option<u64>,
    /// The largest memory, in MiB.
    pub peak_rss_mib: Option<u64>,
    /// libFuzzer's own word on how it ended, if it was not the limit: `deadly signal`, `timeout`.
    pub failure: Option<String>,
    /// What the panic said, its first line and the others.
    pub panic: Option<(String, String)>,
    /// Whether somebody stopped it.
    pub interrupted: bool,
}

impl Summary {
    /// Reads a log file.
    ///
    /// # Errors
    /// As the system reports them, or if the file is too large.
    pub fn read_file(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > BYTES_MAX {
            let reason = format!("a log of more than {BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
        }
        // A panic may quote the input.
        Ok(Self::read(&String::from_utf8_lossy(&bytes)))
    }

    /// Reads a log.
    pub fn read(log: &str) -> Self {
        let mut summary = Summary::default();
        let mut rate = None;
        let mut lines = log.lines();
        while let Some(line) = lines.next() {
            if line.starts_with('#') {
                summary.edges = after(line, "cov:").or(summary.edges);
                summary.features = after(line, "ft:").or(summary.features);
                summary.corpus = after(line, "corp:").or(summary.corpus);
            } else if let Some(rest) = line.strip_prefix("stat::number_of_executed_units:") {
                summary.executions = rest.trim().parse().ok();
            } else if let Some(rest) = line.strip_prefix("stat::average_exec_per_sec:") {
                rate = rest.trim().parse::<u64>().ok();
            } else if let Some(rest) = line.strip_prefix("stat::peak_rss_mb:") {
                summary.peak_rss_mib = rest.trim().parse().ok();
            } else if let Some(seconds) = done(line) {
                summary.wall_s = Some(seconds);
            } else if line.contains("libFuzzer: run interrupted") {
                summary.interrupted = true;
            } else if line.starts_with("thread ") && line.contains(" panicked at ") {
                summary.panic = Some(message(&mut lines));
            } else if let Some(rest) = line.strip_prefix("SUMMARY: ") {
                summary.failure.get_or_insert_with(|| rest.trim_start_matches("libFuzzer: ").to_owned());
            }
        }
        // A run that does not end by its limit says no time, but how fast it was.
        if let (None, Some(executions), Some(rate @ 1..)) = (summary.wall_s, summary.executions, rate) {
            summary.wall_s = Some(executions as f64 / rate as f64);
        }
        summary
    }

    /// Whether the run ended by a crash, a hang, or too much memory.
    pub const fn has_failed(&self) -> bool {
        !self.interrupted && (self.failure.is_some() || self.panic.is_some())
    }
}

/// The number after a label: `corp: 5/17b` gives 5.
fn after(line: &str, label: &str) -> Option<u64> {
    let mut words = line.split_whitespace().skip_while(|word| *word != label);
    words.nth(1)?.split('/').next()?.parse().ok()
}

/// The seconds of `Done 2000000 runs in 9 second(s)`.
fn done(line: &str) -> Option<f64> {
    let (_, rest) = line.strip_prefix("Done ")?.split_once(" runs in ")?;
    rest.strip_suffix(" second(s)")?.parse::<u32>().ok().map(f64::from)
}

/// The lines up to what the run says after a panic.
fn message<'a>(lines: &mut impl Iterator<Item = &'a str>) -> (String, String) {
    let first = lines.next().unwrap_or_default().to_owned();
    let mut rest = String::new();
    for line in lines {
        let ends = ["note: run with `RUST_BACKTRACE", "stack backtrace:", "==", "SUMMARY: "];
        if ends.iter().any(|end| line.starts_with(end)) || rest.len() + line.len() > MESSAGE_BYTES_MAX {
            break;
        }
        rest.push_str(line);
        rest.push('\n');
    }
    (first, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_to_its_limit() {
        let log = "INFO: Seed: 1\n\
            #2\tINITED cov: 9 ft: 9 corp: 1/1b exec/s: 0 rss: 27Mb\n\
            #67125\tREDUCE cov: 13 ft: 14 corp: 5/17b lim: 652 exec/s: 0 rss: 27Mb L: 4/4 MS: 1 EraseBytes-\n\
            #2000000\tDONE   cov: 13 ft: 15 corp: 6/21b lim: 4096 exec/s: 0 rss: 27Mb\n\
            Done 2000000 runs in 9 second(s)\n\
            stat::number_of_executed_units: 2000000\n\
            stat::average_exec_per_sec:     222222\n\
            stat::peak_rss_mb:              31\n";
        let expected = Summary {
            executions: Some(2_000_000),
            wall_s: Some(9.0),
            edges: Some(13),
            features: Some(15),
            corpus: Some(6),
            peak_rss_mib: Some(31),
            ..Summary::default()
        };
        assert_eq!(Summary::read(log), expected);
        assert!(!expected.has_failed());
    }

    #[test]
    fn a_crash_keeps_the_whole_message_of_its_panic() {
        let log = "#12\tNEW    cov: 10 ft: 10 corp: 2/5b lim: 4 exec/s: 0 rss: 27Mb L: 4/4 MS: 5 CrossOver-\n\n\
            thread '<unnamed>' (16411) panicked at fuzz/src/raft_schedule.rs:60:9:\n\
            election_safety: n0 and n2 were leaders of term 1\nnodes 3\ntimeout n0 Election\n----\nviolates\n\
            note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\
            ==16411== ERROR: libFuzzer: deadly signal\n\
            SUMMARY: libFuzzer: deadly signal\n\
            artifact_prefix='crash/'; Test unit written to crash/crash-74f75f08\n\
            stat::number_of_executed_units: 72356\nstat::average_exec_per_sec:     36178\n";
        let summary = Summary::read(log);
        let (first, rest) = summary.panic.clone().unwrap();
        assert_eq!(first, "election_safety: n0 and n2 were leaders of term 1");
        assert_eq!(rest, "nodes 3\ntimeout n0 Election\n----\nviolates\n");
        assert_eq!(summary.failure.as_deref(), Some("deadly signal"));
        assert_eq!((summary.executions, summary.wall_s), (Some(72_356), Some(2.0)));
        assert!(summary.has_failed());
    }

    #[test]
    fn an_interruption_is_no_failure() {
        let log = "#2\tINITED cov: 8 ft: 8 corp: 1/1b exec/s: 0 rss: 27Mb\n\
            ==17277== libFuzzer: run interrupted; exiting\nstat::number_of_executed_units: 4427511\n";
        let summary = Summary::read(log);
        assert!(summary.interrupted && !summary.has_failed());
        assert_eq!((summary.executions, summary.wall_s), (Some(4_427_511), None));
    }

    #[test]
    fn a_log_that_says_nothing_yields_nothing() {
        let nothing =
            "#x cov: y ft: corp:\nstat::number_of_executed_units: many\nDone x runs in y second(s)\n";
        for log in ["", nothing] {
            assert_eq!(Summary::read(log), Summary::default());
        }
        let hang = Summary::read("SUMMARY: libFuzzer: timeout\n");
        assert!(hang.has_failed() && hang.failure.as_deref() == Some("timeout"));
        assert_eq!(
            Summary::read("thread 'x' panicked at a:1:1:").panic,
            Some((String::new(), String::new()))
        );
    }
}
