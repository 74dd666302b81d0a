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

/// CPU time that all threads of this process have used since it started.
pub fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // As above.
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

/// A step of wall time that asks whether the thread ran: longer than one turn of a loop takes, far shorter
/// than the scheduler's slices.
const STEP: Duration = Duration::from_micros(20);

/// The time in which this thread could have run and did: wall time without the stretches in which the
/// machine ran something else, and with jumps over those in which there was nothing to do.
///
/// A reading costs what one of wall time costs; after a step of more than 20 µs the thread's CPU clock is
/// asked how much of it was the thread's own. Shorter absences stay in.
#[derive(Clone, Copy, Debug)]
pub struct OwnTime {
    wall: Instant,
    /// Both clocks when they were last compared.
    compared: (Duration, Duration),
    /// The last reading of wall time.
    last_wall: Duration,
    /// What was taken off so far.
    absent: Duration,
    /// What was jumped over so far.
    jumped: Duration,
    /// The last reading; none is earlier.
    last: Duration,
}

impl OwnTime {
    /// A clock that starts at 0.
    pub fn start() -> Self {
        let (wall, zero) = (Instant::now(), Duration::ZERO);
        let compared = (zero, thread_cpu());
        OwnTime { wall, compared, last_wall: zero, absent: zero, jumped: zero, last: zero }
    }

    /// Time since the start; never less than it was.
    #[inline]
    pub fn now(&mut self) -> Duration {
        let wall = self.wall.elapsed();
        if wall.saturating_sub(self.last_wall) > STEP {
            self.compare();
        } else {
            self.last_wall = wall;
        }
        self.last = self.last.max((self.last_wall + self.jumped).saturating_sub(self.absent));
        self.last
    }

    #[cold]
    fn compare(&mut self) {
        let (cpu, wall) = (thread_cpu(), self.wall.elapsed());
        let (wall_before, cpu_before) = self.compared;
        let ran = cpu.saturating_sub(cpu_before);
        self.absent += wall.saturating_sub(wall_before).saturating_sub(ran);
        self.compared = (wall, cpu);
        self.last_wall = wall;
    }

    /// Jumps forward to `time`, if that lies ahead.
    pub fn skip_to(&mut self, time: Duration) {
        let now = self.now();
        self.jumped += time.saturating_sub(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_time_stands_still_while_the_thread_sleeps() {
        let mut clock = OwnTime::start();
        let begin = thread_cpu();
        let before = clock.now();
        std::thread::park_timeout(Duration::from_millis(20));
        let after = clock.now();
        // However the sleep ended, what was not the thread's own CPU time is off.
        let (used, passed) = (thread_cpu().saturating_sub(begin), after.saturating_sub(before));
        assert!(passed <= used + STEP, "{passed:?} of {used:?}");
    }

    #[test]
    fn own_time_jumps_and_never_goes_back() {
        let mut clock = OwnTime::start();
        clock.skip_to(Duration::from_hours(1));
        let mut last = clock.now();
        assert!(last >= Duration::from_hours(1));
        clock.skip_to(Duration::from_mins(1));
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
        assert!(last < Duration::from_hours(2));
    }

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
