//! Instructions per commit, counted by valgrind: a figure that no other load on the machine moves.
//!
//! A program runs itself under `valgrind --tool=cachegrind` twice, committing fewer and more commands on one cluster;
//! what is divided is the difference, so that boot, election and the first growth of buffers do not count. What the
//! client does to make a command does. Only heartbeats depend on the clock, four messages in fifty milliseconds.
//!
//! Counts belong to a compiler and to settings of it. [`PINNED`] says what they were; whoever makes a commit dearer by
//! more than [`TOLERANCE_PERCENT`] is told so. Verified by the tests below, with outputs of valgrind as it prints
//! them; the counts themselves by the digests of every node at the end of each run.

use std::process::Command;

use crate::raft::OurRaft;
use crate::workload::{Load, Loop, Wrong};

/// The compiler that [`PINNED`] was counted with, as `rustc --version` says it, in the profile `bench`.
pub const COMPILER: &str = "1.95";

/// The machine that the counts hold for.
pub const ARCHITECTURE: &str = "x86_64";

/// Instructions per commit of 64-byte commands, by window.
pub const PINNED: [(u64, f64); 3] = [(1, 7_452.0), (64, 705.0), (1024, 597.0)];

/// By how much a count may exceed its pin.
pub const TOLERANCE_PERCENT: f64 = 3.0;

/// Bytes of a command.
const BYTES: usize = 64;

/// Commits by which the longer of two runs exceeds the other.
const COMMITS: u64 = 10_240;

/// The commits of the two runs at a window.
pub const fn lengths(window: u64) -> (u64, u64) {
    let few = if window < 64 { 1_024 } else { 16 * window };
    (few, few + COMMITS)
}

/// Commits commands on a fresh cluster, `window` of them at a time.
///
/// # Errors
/// If the cluster stalls, or a node applied anything else.
pub fn commit(commands: u64, window: u64) -> Result<(), Wrong> {
    let mut cluster = OurRaft::new();
    let mut run = Loop::new(&mut cluster, &Load::new(1, BYTES, window));
    run.commit(commands)?;
    run.finish().map(drop)
}

/// Instructions per commit at a window. `program` has two arguments added, the number of commits and the window, and
/// is to call [`commit`] with them.
///
/// # Errors
/// If valgrind does not run, or the program fails under it.
pub fn per_commit(program: &Command, window: u64) -> Result<f64, String> {
    let (few, many) = lengths(window);
    let counted = |commits: u64| {
        let mut command = Command::new("valgrind");
        command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
        command.arg(program.get_program()).args(program.get_args());
        command.args([commits.to_string(), window.to_string()]);
        let output = command.output().map_err(|why| format!("valgrind does not run: {why}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let count = references(&said).filter(|_| output.status.success());
        count.ok_or_else(|| format!("valgrind ended with {}: {said}", output.status))
    };
    let (less, more) = (counted(few)?, counted(many)?);
    more.checked_sub(less)
        .map(|instructions| instructions as f64 / (many - few) as f64)
        .ok_or_else(|| format!("{more} instructions for {many} commits, {less} for {few}"))
}

/// The instructions that valgrind says it saw: `==7== I   refs:      172,323,236`.
fn references(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("I ") && line.contains("refs:"))?;
    line.rsplit(':').next()?.trim().replace(',', "").parse().ok()
}

/// What a count means beside its pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the tolerance.
    AsPinned,
    /// Dearer than the pin by more than the tolerance.
    Dearer,
    /// Cheaper by more than the tolerance: the pin can be lowered.
    Cheaper,
}

/// Compares a count with its pin.
pub fn verdict(found: f64, pinned: f64) -> Verdict {
    let percent = (found / pinned - 1.0) * 100.0;
    if percent > TOLERANCE_PERCENT {
        Verdict::Dearer
    } else if percent < -TOLERANCE_PERCENT {
        Verdict::Cheaper
    } else {
        Verdict::AsPinned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_off_what_valgrind_says() {
        let said = "==9491== Cachegrind, a cache and branch-prediction profiler\n==9491== \n\
                    ==9491== I   refs:      172,323,236\n";
        assert_eq!(references(said), Some(172_323_236));
        for said in ["", "==1== I   refs:      \n", "==1== Command: I run\n", "==1== D   refs: 5\n"] {
            assert_eq!(references(said), None, "{said}");
        }
    }

    #[test]
    fn a_count_is_judged_on_both_sides_of_its_pin() {
        for (found, expected) in [
            (100.0, Verdict::AsPinned),
            (102.9, Verdict::AsPinned),
            (103.1, Verdict::Dearer),
            (97.1, Verdict::AsPinned),
            (96.9, Verdict::Cheaper),
        ] {
            assert_eq!(verdict(found, 100.0), expected, "{found}");
        }
    }

    #[test]
    fn what_is_counted_is_work_that_every_node_does() {
        for window in [1, 64] {
            assert_eq!(commit(500, window), Ok(()));
        }
    }

    #[test]
    fn a_machine_without_the_program_says_so() {
        let refusal = per_commit(&Command::new("/no/such/program"), 1).expect_err("there is none");
        assert!(refusal.contains("valgrind"), "{refusal}");
    }
}
