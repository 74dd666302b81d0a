//! A campaign without a fuzzer: what is kept, then what is drawn, to a limit or to the first crash.
//!
//! Verified by the tests below, with bodies that crash on purpose.

use std::time::{Duration, Instant};

use reports::artifact::Injected;
use swarm_simulator::panics;

use crate::inputs::{self, Kept};
use crate::{Body, flawed};

/// How many inputs are tried to make a crashing one shorter.
const SHRINK_ATTEMPTS: u32 = 5000;
/// How many inputs the bug that is put back gets.
const INJECTED_EXECUTIONS_MAX: u64 = 300_000;

/// When a campaign ends without a crash: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// After so many inputs.
    pub executions: Option<u64>,
    /// After so much time.
    pub time: Option<Duration>,
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
    /// Inputs run, those of shrinking not counted.
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
    body: Body,
    kept: &[Kept],
    seed: u64,
    limits: Limits,
    mut go_on: impl FnMut(u64) -> bool,
) -> Outcome {
    let begun = Instant::now();
    let mut outcome = Outcome::default();
    for input in kept {
        outcome.executions += 1;
        if let Err(message) = panics::catch(|| body(&input.bytes)) {
            outcome.crashes.push(Crash { bytes: input.bytes.clone(), message, kept: Some(input.clone()) });
        }
    }
    for number in 0.. {
        // Time is looked at now and then: a look costs as much as a short input.
        if number % 64 == 0 {
            outcome.wall = begun.elapsed();
            outcome.interrupted = !go_on(outcome.executions);
            if outcome.interrupted || limits.time.is_some_and(|limit| outcome.wall >= limit) {
                break;
            }
        }
        if limits.executions.is_some_and(|limit| outcome.executions >= limit) {
            break;
        }
        let bytes = inputs::drawn(seed, number, kept);
        outcome.executions += 1;
        if panics::catch(|| body(&bytes)).is_err() {
            let fails = |bytes: &[u8]| panics::catch(|| body(bytes)).is_err();
            let bytes = inputs::shrink(&bytes, SHRINK_ATTEMPTS, fails);
            let message = panics::catch(|| body(&bytes)).err().unwrap_or_default();
            outcome.crashes.push(Crash { bytes, message, kept: None });
            break;
        }
    }
    outcome.wall = begun.elapsed();
    outcome
}

/// Looks for the bug that is put back ([`flawed`]) with the inputs that a campaign of `raft_schedule` with
/// this seed draws. None if another target is meant. Kept inputs are not run: one may show the bug at once,
/// and would say nothing about the search.
pub fn injected(
    target: &str,
    kept: &[Kept],
    seed: u64,
    mut go_on: impl FnMut(u64) -> bool,
) -> Option<Injected> {
    if target != "raft_schedule" {
        return None;
    }
    let begun = Instant::now();
    let mut executions = 0;
    let found =
        (0..INJECTED_EXECUTIONS_MAX).take_while(|number| number % 64 != 0 || go_on(*number)).any(|number| {
            executions = number + 1;
            flawed::judge_hasty(&inputs::drawn(seed, number, kept)).is_err()
        });
    Some(Injected { bug: flawed::BUG.to_owned(), found, executions, wall_s: begun.elapsed().as_secs_f64() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Limits = Limits { executions: Some(5000), time: None };

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
    }

    #[test]
    fn every_kept_crash_is_reported() {
        let crashing = kept(&[7; 3]);
        let corpus = [crashing.clone(), kept(b"fine"), crashing.clone()];
        let limits = Limits { executions: Some(3), time: None };
        let outcome = run(dislikes_three_sevens, &corpus, 1, limits, |_| true);
        assert_eq!(outcome.crashes.len(), 2);
        assert!(outcome.crashes.iter().all(|crash| crash.kept == Some(crashing.clone())));
        assert_eq!((outcome.executions, outcome.interrupted), (3, false));
    }

    #[test]
    fn limits_and_interruptions_end_a_campaign() {
        let clean: Body = |_| ();
        assert_eq!(run(clean, &[], 1, ANY, |_| true).executions, 5000);
        let at_once = Limits { executions: None, time: Some(Duration::ZERO) };
        assert_eq!(run(clean, &[], 1, at_once, |_| true).executions, 0);
        let stopped = run(clean, &[], 1, ANY, |executions| executions < 100);
        assert_eq!((stopped.executions, stopped.interrupted), (128, true));
    }
}
