//! A campaign without a fuzzer: what is kept, then what is drawn, to a limit or to the first crash.
//!
//! Input `i` of a seed is the same whatever ran before it, so threads take numbers in turn and the outcome is
//! that of one thread: the crash of the smallest number, and as many inputs as stand before it. Verified by
//! the tests below, with bodies that crash on purpose.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use swarm_simulator::panics;

use crate::inputs::{self, Kept};

/// What the artifacts say made the inputs.
pub const ENGINE: &str = "corpus replay and random bytes";
/// How many inputs are tried to make a crashing one shorter.
const SHRINK_ATTEMPTS: u32 = 5000;
/// How many numbers a thread takes at a time. Time is looked at in between: a look costs as much as a short
/// input.
const NUMBERS_AT_A_TIME: u64 = 64;

/// When a campaign ends without a crash: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// After so many inputs.
    pub executions: Option<u64>,
    /// After so much time.
    pub time: Option<Duration>,
    /// How many threads run inputs. What is found does not depend on it.
    pub threads: usize,
}

/// An input that made a body panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The input, made shorter if it was drawn.
    pub bytes: Vec<u8>,
    /// What the panic said.
    pub message: String,
    /// The kept input that it is, if it is one.
    pub kept: Option<Kept>,
}

/// What a campaign came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Inputs run, those of shrinking not counted, nor those that other threads ran beyond a crash.
    pub executions: u64,
    /// Wall-clock time.
    pub wall: Duration,
    /// What crashed: any number of kept inputs, at most one that was drawn.
    pub crashes: Vec<Crash>,
    /// Whether it was stopped from outside.
    pub interrupted: bool,
}

/// Runs all of `kept`, then draws inputs by `seed` and from `kept`. Calls `go_on` with the number of inputs so
/// far after every few of them, and stops if it says no.
pub fn run(
    body: impl Fn(&[u8]) + Sync,
    kept: &[Kept],
    seed: u64,
    limits: Limits,
    go_on: impl Fn(u64) -> bool + Sync,
) -> Outcome {
    let begun = Instant::now();
    let mut outcome = Outcome::default();
    for input in kept {
        outcome.executions += 1;
        if let Err(message) = panics::catch(|| body(&input.bytes)) {
            outcome.crashes.push(Crash { bytes: input.bytes.clone(), message, kept: Some(input.clone()) });
        }
    }
    let before = outcome.executions;
    let count = limits.executions.map_or(u64::MAX, |limit| limit.saturating_sub(before));
    let interrupted = AtomicBool::new(false);
    let in_time = |tried| {
        // Relaxed: read after the threads have ended.
        let go_on = go_on(before + tried) || {
            interrupted.store(true, Ordering::Relaxed);
            false
        };
        go_on && limits.time.is_none_or(|limit| begun.elapsed() < limit)
    };
    let fails = |bytes: &[u8]| panics::catch(|| body(bytes)).is_err();
    let (tried, first) =
        search(limits.threads, count, in_time, |number| fails(&inputs::drawn(seed, number, kept)));
    if let Some(number) = first {
        let bytes = inputs::shrink(&inputs::drawn(seed, number, kept), SHRINK_ATTEMPTS, fails);
        let message = panics::catch(|| body(&bytes)).err().unwrap_or_default();
        outcome.crashes.push(Crash { bytes, message, kept: None });
    }
    outcome.executions += tried;
    outcome.interrupted = interrupted.into_inner();
    outcome.wall = begun.elapsed();
    outcome
}

/// Looks for the smallest number below `count` that fails, and gives it with how many were tried up to it, or
/// in vain. Threads take numbers in order, so that every number before it was tried.
pub(crate) fn search(
    threads: usize,
    count: u64,
    go_on: impl Fn(u64) -> bool + Sync,
    fails: impl Fn(u64) -> bool + Sync,
) -> (u64, Option<u64>) {
    // Relaxed: counters and a limit that others may see late. All is read after the threads have ended.
    let (next, tried, first) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let work = || {
        while go_on(tried.load(Ordering::Relaxed)) {
            let from = next.fetch_add(NUMBERS_AT_A_TIME, Ordering::Relaxed);
            let to = from.saturating_add(NUMBERS_AT_A_TIME).min(count);
            if from >= to || from > first.load(Ordering::Relaxed) {
                break;
            }
            if let Some(number) = (from..to).find(|number| fails(*number)) {
                first.fetch_min(number, Ordering::Relaxed);
                break;
            }
            tried.fetch_add(to - from, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    match first.into_inner() {
        u64::MAX => (tried.into_inner(), None),
        number => (number + 1, Some(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Limits = Limits { executions: Some(5000), time: None, threads: 1 };

    fn kept(bytes: &[u8]) -> Kept {
        Kept { path: "kept".into(), bytes: bytes.to_vec() }
    }

    fn dislikes_three_sevens(bytes: &[u8]) {
        assert!(bytes.split(|byte| *byte == 7).count() <= 3, "three sevens");
    }

    #[test]
    fn a_drawn_crash_ends_the_campaign_and_is_made_shorter() {
        let outcome = run(dislikes_three_sevens, &[kept(&[7, 1, 7, 2])], 1, ANY, |_| true);
        let [crash] = &outcome.crashes[..] else { panic!("{outcome:?}") };
        assert_eq!((&crash.bytes[..], &crash.kept), (&[7, 7, 7][..], &None));
        assert!(crash.message.starts_with("three sevens"), "{}", crash.message);
        assert!(outcome.executions < 5000, "{outcome:?}");
        for threads in 2..5 {
            let limits = Limits { threads, ..ANY };
            let again = run(dislikes_three_sevens, &[kept(&[7, 1, 7, 2])], 1, limits, |_| true);
            assert_eq!(Outcome { wall: outcome.wall, ..again }, outcome, "{threads} threads");
        }
    }

    #[test]
    fn every_number_is_tried_once_and_the_smallest_that_fails_is_found() {
        for threads in 1..4 {
            for count in [0, 1, 63, 64, 65, 1000] {
                let all = (0..count).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
                let tried = search(
                    threads,
                    count,
                    |_| true,
                    |number| {
                        all[number as usize].fetch_add(1, Ordering::Relaxed);
                        false
                    },
                );
                assert_eq!(tried, (count, None), "{threads} threads");
                assert!(all.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{threads} threads");
            }
            // Later ones fail sooner: they stand at the front of what another thread takes.
            let found = search(threads, 1000, |_| true, |number| [126, 128, 192].contains(&number));
            assert_eq!(found, (127, Some(126)), "{threads} threads");
        }
    }

    #[test]
    fn every_kept_crash_is_reported() {
        let crashing = kept(&[7; 3]);
        let corpus = [crashing.clone(), kept(b"fine"), crashing.clone()];
        let limits = Limits { executions: Some(3), ..ANY };
        let outcome = run(dislikes_three_sevens, &corpus, 1, limits, |_| true);
        assert_eq!(outcome.crashes.len(), 2);
        assert!(outcome.crashes.iter().all(|crash| crash.kept == Some(crashing.clone())));
        assert_eq!((outcome.executions, outcome.interrupted), (3, false));
    }

    #[test]
    fn limits_and_interruptions_end_a_campaign() {
        let clean: crate::Body = |_| ();
        assert_eq!(run(clean, &[], 1, ANY, |_| true).executions, 5000);
        let at_once = Limits { executions: None, time: Some(Duration::ZERO), threads: 2 };
        let outcome = run(clean, &[], 1, at_once, |_| true);
        assert_eq!((outcome.executions, outcome.interrupted), (0, false));
        let stopped = run(clean, &[], 1, ANY, |executions| executions < 100);
        assert_eq!((stopped.executions, stopped.interrupted), (128, true));
    }
}
