//! Counting what `cargo test` prints. Verified on excerpts of its output.

/// How many checks passed, failed and were not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Tally {
    /// A stage without tests that was fine.
    pub(super) const fn one_passed() -> Tally {
        Tally { passed: 1, failed: 0, skipped: 0 }
    }

    /// A stage without tests that was not.
    pub(super) const fn one_failed() -> Tally {
        Tally { passed: 0, failed: 1, skipped: 0 }
    }

    /// Adds another.
    pub(super) fn add(&mut self, other: &Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The sum over all test binaries, and what tests that could not run said: a passing test that prints
/// `SKIPPED name: reason` counts as skipped.
pub(super) fn of_cargo_test(log: &str) -> (Tally, Vec<String>) {
    let mut tally = Tally::default();
    for line in log.lines() {
        if let Some(rest) = line.strip_prefix("test result: ") {
            let count = |what: &str| {
                let part = rest.split(['.', ';']).find_map(|part| part.trim().strip_suffix(what));
                part.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0)
            };
            let found = Tally { passed: count("passed"), failed: count("failed"), skipped: count("ignored") };
            tally.add(&found);
        }
    }
    let skipped = skips(log);
    let said = tally.passed.min(skipped.len() as u64);
    tally.passed -= said;
    tally.skipped += said;
    (tally, skipped)
}

/// What was not run, in the words of those who left it: lines `SKIPPED name: reason`.
pub(super) fn skips(log: &str) -> Vec<String> {
    let reason = |line: &str| line.trim_start().strip_prefix("SKIPPED ").map(|rest| rest.trim().to_owned());
    log.lines().filter_map(reason).collect()
}

/// What the log says about what failed, at most `bytes` of it: from its first compiler error or list of
/// failures on, else its end.
pub(super) fn failures(log: &str, bytes: u64) -> String {
    let starts = |line: &str| {
        line.starts_with("error")
            || line == "failures:"
            || line.ends_with("FAILED") && line.starts_with("test ")
    };
    let mut from = 0;
    let first = log.split_inclusive('\n').find_map(|line| {
        let at = from;
        from += line.len();
        starts(line.trim_end()).then_some(at)
    });
    let bytes = bytes as usize;
    let at_end =
        (log.len().saturating_sub(bytes)..=log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
    let part = &log[first.unwrap_or(at_end)..];
    let end = (0..=bytes.min(part.len())).rev().find(|at| part.is_char_boundary(*at)).unwrap_or(0);
    part[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "   Compiling swarm-raft\nrunning 3 tests\n\
        test a ... ok\ntest b ... FAILED\ntest c ... ignored\n\nsuccesses:\n\n---- a stdout ----\n\
        SKIPPED page_opens_in_a_browser: no chromium\n\n\
        failures:\n\n---- b stdout ----\nthread 'b' panicked at x.rs:1:1:\nboom\n\nfailures:\n    b\n\n\
        test result: FAILED. 7 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.02s\n\
        test result: ok. 10 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s\n";

    #[test]
    fn results_of_all_binaries_are_summed_and_skips_are_heard() {
        let (tally, skipped) = of_cargo_test(LOG);
        assert_eq!(tally, Tally { passed: 16, failed: 1, skipped: 3 });
        assert_eq!(skipped, ["page_opens_in_a_browser: no chromium"]);
        assert_eq!(of_cargo_test("error: could not compile"), (Tally::default(), vec![]));
    }

    #[test]
    fn whatever_a_program_leaves_out_is_heard() {
        let log =
            "canary: found\nSKIPPED zoo: 15 of 25 bugs\n  SKIPPED more: why \nnothing was SKIPPED here\n";
        assert_eq!(skips(log), ["zoo: 15 of 25 bugs", "more: why"]);
        assert_eq!(skips(""), [""; 0]);
    }

    #[test]
    fn what_failed_is_shown_from_where_it_is_told() {
        assert!(failures(LOG, 10_000).starts_with("test b ... FAILED\n"));
        assert!(failures(LOG, 10_000).contains("boom"));
        assert_eq!(failures("x\nerror[E0432]: unresolved\nmore\n", 8), "error[E0");
        assert_eq!(failures("nothing told é", 3), " é");
        assert_eq!(failures("", 3), "");
    }
}
