//! What a libFuzzer log says.
//!
//! The lines are stable across LLVM versions but nowhere specified; what is not understood is left out, never
//! guessed. Verified on excerpts of real logs: a run to its limit, a crash, an interruption.

/// The figures and the failing input of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// Inputs run, from the final statistics.
    pub(super) executions: Option<u64>,
    /// Edges covered.
    pub(super) edges: Option<u64>,
    /// Features covered: edges with counts, comparisons.
    pub(super) features: Option<u64>,
    /// Inputs in the corpus.
    pub(super) corpus: Option<u64>,
    /// The file of the input that crashed, hung or took too much memory.
    pub(super) input: Option<String>,
    /// The panic message, or libFuzzer's own summary of the failure.
    pub(super) reason: Option<String>,
}

impl Summary {
    /// Reads a log.
    pub(super) fn read(log: &str) -> Summary {
        let mut summary = Summary::default();
        let mut lines = log.lines();
        while let Some(line) = lines.next() {
            if line.starts_with('#') {
                summary.edges = after(line, "cov:").or(summary.edges);
                summary.features = after(line, "ft:").or(summary.features);
                summary.corpus = after(line, "corp:").or(summary.corpus);
            } else if let Some(rest) = line.strip_prefix("stat::number_of_executed_units:") {
                summary.executions = rest.trim().parse().ok();
            } else if let Some((_, path)) = line.split_once("Test unit written to ") {
                summary.input = Some(path.trim().to_owned());
            } else if line.starts_with("thread ") && line.contains(" panicked at ") {
                summary.reason = lines.next().map(|message| format!("panicked: {message}"));
            } else if let Some(rest) = line.strip_prefix("SUMMARY: ") {
                summary.reason = summary.reason.or_else(|| Some(rest.to_owned()));
            }
        }
        summary
    }
}

/// The number after a label: `corp: 5/17b` gives 5.
fn after(line: &str, label: &str) -> Option<u64> {
    let mut words = line.split_whitespace().skip_while(|word| *word != label);
    words.nth(1)?.split('/').next()?.parse().ok()
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
            Done 2000000 runs in 0 second(s)\n\
            stat::number_of_executed_units: 2000000\n\
            stat::average_exec_per_sec:     0\n";
        let expected = Summary {
            executions: Some(2_000_000),
            edges: Some(13),
            features: Some(15),
            corpus: Some(6),
            input: None,
            reason: None,
        };
        assert_eq!(Summary::read(log), expected);
    }

    #[test]
    fn a_crash_names_its_input_and_its_panic() {
        let log = "#12\tNEW    cov: 10 ft: 10 corp: 2/5b lim: 4 exec/s: 0 rss: 27Mb L: 4/4 MS: 5 CrossOver-\n\n\
            thread '<unnamed>' (16411) panicked at lib.rs:1:142:\nelection_safety is violated\nstack backtrace:\n\
            ==16411== ERROR: libFuzzer: deadly signal\n\
            SUMMARY: libFuzzer: deadly signal\n\
            artifact_prefix='crash/'; Test unit written to crash/crash-74f75f08\n\
            stat::number_of_executed_units: 72356\n";
        let summary = Summary::read(log);
        assert_eq!(summary.input.as_deref(), Some("crash/crash-74f75f08"));
        assert_eq!(summary.reason.as_deref(), Some("panicked: election_safety is violated"));
        assert_eq!(summary.executions, Some(72_356));
    }

    #[test]
    fn an_interruption_has_figures_and_no_input() {
        let log = "#2\tINITED cov: 8 ft: 8 corp: 1/1b exec/s: 0 rss: 27Mb\n\
            ==17277== libFuzzer: run interrupted; exiting\nstat::number_of_executed_units: 4427511\n";
        let summary = Summary::read(log);
        assert_eq!((summary.executions, summary.input, summary.reason), (Some(4_427_511), None, None));
    }

    #[test]
    fn a_log_that_says_nothing_yields_nothing() {
        assert_eq!(Summary::read(""), Summary::default());
        assert_eq!(
            Summary::read("#x cov: y ft: corp:\nstat::number_of_executed_units: many\n"),
            Summary::default()
        );
        let hang = "SUMMARY: libFuzzer: timeout\n";
        assert_eq!(Summary::read(hang).reason.as_deref(), Some("libFuzzer: timeout"));
    }
}
