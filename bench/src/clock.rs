//! The clocks that measurements read.
//!
//! Throughput is commits per second of *this thread's CPU time*: on a machine shared with others it is
//! the only clock that preemption does not touch. A reading is a system call of a few hundred
//! nanoseconds ([`cost_of_thread_cpu`] measures it where the figures are taken), so hot loops read it
//! once per many thousand commits, never once per command. (The kernel's `schedstat` file, which needs no
//! system call of its own kind, advances only when the scheduler looks: up to a tick late.)
//!
//! Verified by a test that the clock moves with work and not with waiting.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// CPU time that this thread has used since it started.
pub fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The kernel keeps both parts in range: seconds are not negative, nanoseconds below 10⁹.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What one reading of [`thread_cpu`] costs here, in nanoseconds of wall time: the least of nine batches.
pub fn cost_of_thread_cpu() -> f64 {
    const READINGS: u32 = 200;
    (0..9)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..READINGS {
                std::hint::black_box(thread_cpu());
            }
            start.elapsed().as_nanos() as f64 / f64::from(READINGS)
        })
        .fold(f64::INFINITY, f64::min)
}

/// The clock that latencies of a closed loop are taken from, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub enum Stopwatch {
    /// Wall time. Cheap; a preemption that hits an operation shows as its latency.
    Wall(Instant),
    /// This thread's CPU time. Dear; preemptions do not show.
    Cpu,
}

impl Stopwatch {
    /// Wall time where one reading per command is needed; CPU time where a burst shares one reading and
    /// lasts long enough for preemptions to colour every percentile.
    pub fn for_window(window: u64) -> Self {
        if window < 16 { Stopwatch::Wall(Instant::now()) } else { Stopwatch::Cpu }
    }

    /// Nanoseconds since the clock's own start.
    pub fn nanos(&self) -> u64 {
        match self {
            Stopwatch::Wall(start) => start.elapsed().as_nanos() as u64,
            Stopwatch::Cpu => thread_cpu().as_nanos() as u64,
        }
    }

    /// The clock's name in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Stopwatch::Wall(_) => "wall",
            Stopwatch::Cpu => "thread CPU",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_cpu_moves_with_work_alone() {
        let start = thread_cpu();
        let mut sum = 0u64;
        while thread_cpu() == start {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let worked = thread_cpu();
        // Another thread's work is not ours: at most what joining costs is added here.
        let others = std::thread::spawn(|| {
            let begin = thread_cpu();
            while thread_cpu() < begin + Duration::from_millis(20) {}
            thread_cpu()
        });
        let others = others.join().expect("the thread does not panic");
        assert!(others >= Duration::from_millis(20));
        assert!(thread_cpu() < worked + others, "joining cost as much CPU as the work itself");
    }
}
