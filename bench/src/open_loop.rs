//! Open-loop load: when each operation is due is decided before the run, not by the answers.
//!
//! A closed loop asks again when it has been answered, so a server that stalls for a second is asked nothing
//! in that second, and one slow operation stands where thousands of users would have waited: coordinated
//! omission. Here [`arrivals`] plans every operation first, [`Recording`] counts from the *planned* time
//! whatever delays the sending, and keeps beside it what each part of the wait was:
//!
//! | histogram | from | to | what it is |
//! |---|---|---|---|
//! | response | plan | answer | what a user waits |
//! | punctual | ready | answer | the same without the generator's own lateness |
//! | service | sending | answer | what the server took once it had the operation |
//! | lag | plan | ready | how late the generator was |
//!
//! An operation is *ready* when the generator first turns to it. If it cannot be sent then (a full lane, a
//! server that is busy), the wait is the server's and not lateness.
//!
//! # When a run is void
//! A late generator never makes a response look shorter: it is counted from the plan. It can make one look
//! longer, so the question is how much of a printed figure is the generator's. [`Recording::lateness_share`] is
//! the part of a response percentile that goes away when time is counted from ready; the run is void if that is
//! more than [`LATENESS_SHARE_MAX`] at p50 or at p99. A generator that is late for a millisecond voids a run
//! whose responses take 50 µs and not one whose responses take 20 ms. (Operations that are sent late are sent
//! together, and then queue for each other. That wait is not subtracted; it is at most the lateness itself as
//! long as the server keeps up.)
//!
//! Verified by [`virtual_run`], which plays plan, generator and server in virtual time: with one stall of a
//! second in a hundred, the open loop says that one operation in a hundred waits half a second or more, and
//! the closed loop that one in a thousand takes 0.05 ms (the test below). Correcting a closed loop's
//! histogram afterwards (HdrHistogram's `record_correct`) misses the queue that drains after the stall, so
//! it is not used.

use std::time::Duration;

use hdrhistogram::Histogram;
use swarm_protocol::Stream;

use crate::recorder::{self, Interval};

/// How far behind its plan an operation may be sent before it counts as late: longer than handing a burst
/// over takes, far shorter than the waits that a scheduler causes.
pub const LATE_BY: Duration = Duration::from_micros(100);

/// The part of a response percentile that may be the generator's lateness; beyond it a run is void.
pub const LATENESS_SHARE_MAX: f64 = 0.5;

/// The percentiles that decide whether a run is void.
const DECIDING: [f64; 2] = [0.5, 0.99];

/// The length of the intervals of an interval log.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// When each operation of a run is due, in nanoseconds from its start: a Poisson process, independent
/// users, drawn from `seed`. Ascending; the last is before `length`.
///
/// # Panics
/// If `rate` (operations per second) is not above 0 and finite.
pub fn arrivals(seed: u64, rate: f64, length: Duration) -> impl Iterator<Item = u64> + Clone {
    assert!(rate > 0.0 && rate.is_finite(), "{rate} operations per second cannot be planned");
    let mut stream = Stream::new(seed, 0, 0);
    let end = length.as_nanos() as f64;
    let mut due = 0.0;
    std::iter::from_fn(move || {
        // Inversion: −ln u is exponential with mean 1 for u even in (0, 1], here a multiple of 2⁻⁵³.
        let u = ((stream.draw() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        due += -u.ln() * 1e9 / rate;
        (due < end).then_some(due as u64)
    })
}

/// When each operation is due if users came like clockwork: every `1 / rate` seconds.
///
/// # Panics
/// If `rate` is not above 0 and finite.
pub fn regular_arrivals(rate: f64, length: Duration) -> impl Iterator<Item = u64> + Clone {
    assert!(rate > 0.0 && rate.is_finite(), "{rate} operations per second cannot be planned");
    let (gap, end) = (1e9 / rate, length.as_nanos() as u64);
    (0u64..).map(move |i| (i as f64 * gap) as u64).take_while(move |due| *due < end)
}

/// What became of one operation, in nanoseconds from the start of the plan: `due <= ready <= sent <= answered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it was planned.
    pub due: u64,
    /// When the generator first turned to it.
    pub ready: u64,
    /// When the server took it.
    pub sent: u64,
    /// When the server answered it.
    pub answered: u64,
}

/// The latencies of one run, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Recording {
    /// From plan to answer.
    pub response: Histogram<u64>,
    /// From ready to answer.
    pub punctual: Histogram<u64>,
    /// From sending to answer.
    pub service: Histogram<u64>,
    /// From plan to ready.
    pub lag: Histogram<u64>,
    /// Response and service times of each second of the plan, in which an operation was due.
    pub intervals: Vec<Interval>,
    late: u64,
}

impl Recording {
    /// Nothing recorded yet.
    pub fn new() -> Self {
        Recording {
            response: recorder::histogram(),
            punctual: recorder::histogram(),
            service: recorder::histogram(),
            lag: recorder::histogram(),
            intervals: Vec::new(),
            late: 0,
        }
    }

    /// Notes one answered operation. Operations may come in any order.
    pub fn answered(&mut self, times: Times) {
        let Times { due, ready, sent, answered } = times;
        // A histogram's least value is 1 ns.
        let passed = |from: u64, to: u64| to.saturating_sub(from).max(1);
        let (response, service, lag) = (passed(due, answered), passed(sent, answered), passed(due, ready));
        self.response.saturating_record(response);
        self.punctual.saturating_record(passed(ready, answered));
        self.service.saturating_record(service);
        self.lag.saturating_record(lag);
        self.late += u64::from(u128::from(lag) > LATE_BY.as_nanos());
        let second = (u128::from(due) / INTERVAL.as_nanos()) as usize;
        while self.intervals.len() <= 2 * second {
            let start = INTERVAL * (self.intervals.len() / 2) as u32;
            for tag in ["response", "service"] {
                let histogram = recorder::histogram();
                self.intervals.push(Interval { start, length: INTERVAL, tag: tag.to_owned(), histogram });
            }
        }
        self.intervals[2 * second].histogram.saturating_record(response);
        self.intervals[2 * second + 1].histogram.saturating_record(service);
    }

    /// The share of operations that the generator turned to late by more than [`LATE_BY`], 0 to 1.
    pub fn late_share(&self) -> f64 {
        if self.lag.is_empty() { 0.0 } else { self.late as f64 / self.lag.len() as f64 }
    }

    /// The part of the response at this quantile that is not there when time is counted from ready, 0 to 1.
    pub fn lateness_share(&self, quantile: f64) -> f64 {
        let at = |histogram: &Histogram<u64>| histogram.value_at_quantile(quantile) as f64;
        if self.response.is_empty() {
            return 0.0;
        }
        (1.0 - at(&self.punctual) / at(&self.response)).max(0.0)
    }

    /// Whether the figures are the generator's rather than the server's.
    pub fn is_void(&self) -> bool {
        DECIDING.into_iter().any(|quantile| self.lateness_share(quantile) > LATENESS_SHARE_MAX)
    }
}

impl Default for Recording {
    fn default() -> Self {
        Self::new()
    }
}

/// A server of one place that takes `service` for each operation and stands still once, from `stall_at` for
/// `stall`; all in nanoseconds of virtual time.
#[derive(Clone, Copy, Debug)]
pub struct VirtualServer {
    /// How long an operation takes.
    pub service: u64,
    /// When the server stands still.
    pub stall_at: u64,
    /// For how long.
    pub stall: u64,
}

impl VirtualServer {
    /// When an operation is answered that reaches the server at `sent`, the server being free from `free`.
    fn answer(&self, sent: u64, free: u64) -> u64 {
        let start = sent.max(free);
        let end = start + self.service;
        let stands = start < self.stall_at + self.stall && end > self.stall_at;
        if stands { end + self.stall_at + self.stall - start.max(self.stall_at) } else { end }
    }
}

/// Plays a plan against a server in virtual time with a generator that is never late.
pub fn virtual_run(plan: impl Iterator<Item = u64>, server: VirtualServer) -> Recording {
    let mut recording = Recording::new();
    let mut free = 0;
    for due in plan {
        free = server.answer(due, free);
        recording.answered(Times { due, ready: due, sent: due, answered: free });
    }
    recording
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const SERVER: VirtualServer = VirtualServer { service: 50_000, stall_at: 50_000 * MS, stall: 1_000 * MS };
    const RATE: f64 = 10_000.0;
    const LENGTH: Duration = Duration::from_secs(100);

    fn milliseconds(histogram: &Histogram<u64>, quantile: f64) -> f64 {
        histogram.value_at_quantile(quantile) as f64 / 1e6
    }

    fn about(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 0.01, "{found} is not {expected}");
    }

    #[test]
    fn a_stall_shows_from_the_plan() {
        let recording = virtual_run(regular_arrivals(RATE, LENGTH), SERVER);
        assert_eq!(recording.response.len(), 1_000_000);
        about(milliseconds(&recording.response, 0.5), 0.05);
        // The stall and the queue behind it touch 20 000 of 10⁶ operations; the worst half wait over 500 ms.
        about(milliseconds(&recording.response, 0.99), 500.0);
        about(milliseconds(&recording.response, 0.999), 950.0);
        assert!(!recording.is_void());
    }

    #[test]
    fn a_closed_loop_does_not_see_the_stall() {
        // One user who, on time or not, asks next when answered and at the earliest a gap after the last.
        let (mut closed, mut now, gap) = (recorder::histogram(), 0, (1e9 / RATE) as u64);
        while now < LENGTH.as_nanos() as u64 {
            let answered = SERVER.answer(now, now);
            closed.saturating_record(answered - now);
            now = answered.max(now + gap);
        }
        assert!((989_000..=991_000).contains(&closed.len()), "{}", closed.len());
        about(milliseconds(&closed, 0.99), 0.05);
        about(milliseconds(&closed, 0.999), 0.05);
        about(milliseconds(&closed, 1.0), 1000.0);
    }

    #[test]
    fn poisson_arrivals_have_their_rate_and_their_spread_and_are_named_by_their_seed() {
        let due: Vec<u64> = arrivals(7, RATE, Duration::from_secs(20)).collect();
        let count = due.len() as f64;
        // Six standard deviations of a Poisson count with mean 200 000.
        assert!((count - 200_000.0).abs() < 6.0 * 200_000f64.sqrt(), "{count}");
        assert!(due.is_sorted() && *due.last().expect("some") < 20_000 * MS);
        let gaps: Vec<f64> = due.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // An exponential's deviation equals its mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.02, "{} of {mean}", variance.sqrt());
        assert!(arrivals(7, RATE, Duration::from_secs(20)).eq(due.iter().copied()));
        assert!(!arrivals(8, RATE, Duration::from_secs(20)).eq(due.iter().copied()));
    }

    /// A run of a thousand operations, a millisecond apart, each answered `wait` after it could be sent, of which
    /// the first `late` were turned to `lag` late.
    fn run_with(late: u64, lag: u64, wait: u64) -> Recording {
        let mut recording = Recording::new();
        for i in 0..1000 {
            let due = i * MS;
            let ready = due + if i < late { lag } else { 0 };
            recording.answered(Times { due, ready, sent: ready, answered: ready + wait });
        }
        recording
    }

    #[test]
    fn lateness_voids_a_run_whose_figures_it_makes_and_no_other() {
        let quick = run_with(20, 5 * MS, 50_000);
        assert!((quick.late_share() - 0.02).abs() < 1e-9);
        assert!(quick.lateness_share(0.5) < 1e-9 && quick.lateness_share(0.99) > 0.98);
        assert!(quick.is_void(), "its p99 is the generator's");
        assert!(quick.response.value_at_quantile(0.99) > 5 * MS, "lateness is never hidden");
        assert!(!run_with(5, 5 * MS, 50_000).is_void(), "five of a thousand are beyond p99");
        let slow = run_with(20, 5 * MS, 50 * MS);
        assert!(slow.lateness_share(0.99) < 0.1 && !slow.is_void(), "5 of 55 ms");
        let always = run_with(1000, 3 * MS, 2 * MS);
        assert!((always.lateness_share(0.5) - 0.6).abs() < 1e-3 && always.is_void());
        assert!(!run_with(0, 0, 1).is_void() && !Recording::new().is_void());
    }

    #[test]
    fn a_server_that_has_no_room_does_not_make_the_generator_late() {
        let mut recording = Recording::new();
        for i in 0..1000 {
            let due = i * MS;
            recording.answered(Times { due, ready: due, sent: due + 30 * MS, answered: due + 31 * MS });
        }
        about(milliseconds(&recording.response, 0.99), 31.0);
        about(milliseconds(&recording.service, 0.99), 1.0);
        assert!(!recording.is_void() && recording.late_share() < 1e-9);
    }

    #[test]
    fn intervals_hold_what_was_due_in_each_second() {
        let mut recording = Recording::new();
        for due in [100 * MS, 2_500 * MS, 2_600 * MS, 900 * MS] {
            recording.answered(Times { due, ready: due, sent: due + 10, answered: due + 5 * MS });
        }
        let counts: Vec<(u64, &str, u64)> = recording
            .intervals
            .iter()
            .map(|interval| (interval.start.as_secs(), interval.tag.as_str(), interval.histogram.len()))
            .collect();
        let expected = [
            (0, "response", 2),
            (0, "service", 2),
            (1, "response", 0),
            (1, "service", 0),
            (2, "response", 2),
            (2, "service", 2),
        ];
        assert_eq!(counts, expected);
    }
}
