//! Open-loop load: when each operation is due is decided before the run, not by the answers.
//!
//! A closed loop asks again when it has been answered, so a server that stalls for a second is asked nothing
//! in that second, and one slow operation stands where thousands of users would have waited: coordinated
//! omission. Here [`arrivals`] plans every operation first, [`Recording`] counts from the *planned* time, and
//! the time from the actual sending is kept beside it:
//!
//! | histogram | from | to | what it is |
//! |---|---|---|---|
//! | response | plan | answer | what a user waits |
//! | service | sending | answer | what the server took |
//! | lag | plan | sending | how late the generator was |
//!
//! A generator that is late itself measures itself. If more than [`LATE_SHARE_MAX`] of the operations were
//! sent later than [`LATE_BY`], the run is void: its figures are kept, and marked.
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

/// The share of late operations beyond which a run is void.
pub const LATE_SHARE_MAX: f64 = 0.01;

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

/// The latencies of one run, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Recording {
    /// From plan to answer.
    pub response: Histogram<u64>,
    /// From sending to answer.
    pub service: Histogram<u64>,
    /// From plan to sending.
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
            service: recorder::histogram(),
            lag: recorder::histogram(),
            intervals: Vec::new(),
            late: 0,
        }
    }

    /// Notes one answered operation: when it was due, sent and answered, in nanoseconds from the start.
    /// Operations may come in any order.
    pub fn answered(&mut self, due: u64, sent: u64, answered: u64) {
        let (response, service) = (answered.saturating_sub(due), answered.saturating_sub(sent));
        let lag = sent.saturating_sub(due);
        // A histogram's least value is 1 ns.
        self.response.saturating_record(response.max(1));
        self.service.saturating_record(service.max(1));
        self.lag.saturating_record(lag.max(1));
        self.late += u64::from(u128::from(lag) > LATE_BY.as_nanos());
        let second = (u128::from(due) / INTERVAL.as_nanos()) as usize;
        while self.intervals.len() <= 2 * second {
            let start = INTERVAL * (self.intervals.len() / 2) as u32;
            for tag in ["response", "service"] {
                let histogram = recorder::histogram();
                self.intervals.push(Interval { start, length: INTERVAL, tag: tag.to_owned(), histogram });
            }
        }
        self.intervals[2 * second].histogram.saturating_record(response.max(1));
        self.intervals[2 * second + 1].histogram.saturating_record(service.max(1));
    }

    /// The share of operations that were sent late by more than [`LATE_BY`], 0 to 1.
    pub fn late_share(&self) -> f64 {
        if self.lag.is_empty() { 0.0 } else { self.late as f64 / self.lag.len() as f64 }
    }

    /// Whether the generator was late too often for the figures to count.
    pub fn is_void(&self) -> bool {
        self.late_share() > LATE_SHARE_MAX
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
        recording.answered(due, due, free);
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

    #[test]
    fn a_late_generator_voids_the_run() {
        let mut recording = Recording::new();
        for i in 0..1000 {
            let due = i * MS;
            let lag = if i < 11 { MS } else { 1_000 };
            recording.answered(due, due + lag, due + lag + 500);
        }
        assert!((recording.late_share() - 0.011).abs() < 1e-9 && recording.is_void());
        assert_eq!(recording.service.max(), 500);
        assert!(recording.response.max() >= MS, "the lag is part of the response");
        let mut recording = Recording::new();
        (0..1000).for_each(|i| recording.answered(i, i + if i < 10 { MS } else { 0 }, 2 * MS));
        assert!(!recording.is_void(), "ten of a thousand are 1 %");
    }

    #[test]
    fn intervals_hold_what_was_due_in_each_second() {
        let mut recording = Recording::new();
        for due in [100 * MS, 2_500 * MS, 2_600 * MS, 900 * MS] {
            recording.answered(due, due + 10, due + 5 * MS);
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
