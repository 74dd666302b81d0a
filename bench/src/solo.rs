//! Open-loop load on a cluster in one thread, in that thread's own time.
//!
//! Nobody can be late here: there is no load thread, what is due is handed over at the next turn, and while
//! nothing is due and nothing under way the clock jumps to the next arrival. Time is [`OwnTime`], in which a
//! machine that runs something else in between does not show. What is left is what the implementation makes
//! of the load: its work, and the queue in front of it. So the curves of two implementations compare on any
//! machine, however busy, and no point of them is ever void.
//!
//! Not in these figures: threads waking each other, disks, networks, caches that cool down while nobody asks.
//! [`crate::live`] measures the first two.
//!
//! The plan is cut into sessions of at most [`SESSION_COMMANDS`], each on a fresh cluster, so that
//! logs stay as short as those of [`crate::workload::measure`]; commands complete in the order of the log.
//! Verified by the digest of every node at the end of every session, and by a test with a cluster that stalls.

use std::time::Duration;

use crate::clock::OwnTime;
use crate::open_loop::{Recording, Times};
use crate::workload::{Budget, Cluster, Load, Loop, SESSION_COMMANDS, SESSION_WARM, Wrong, measure};

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Run {
    /// The latencies. The lag is nothing.
    pub recording: Recording,
    /// From the start of the plan to the last answer, in own time.
    pub length: Duration,
    /// Whether `go_on` ended the run before its plan was done.
    pub interrupted: bool,
}

/// Commands per second of own time that a cluster commits with `load.window` of them always under way.
///
/// # Errors
/// As [`measure`].
pub fn capacity<C: Cluster>(build: impl Fn() -> C, load: &Load, cpu: Duration) -> Result<f64, Wrong> {
    let budget = Budget { throughput: cpu, latency: Duration::ZERO };
    Ok(measure(build, load, &budget)?.throughput.per_cpu_second())
}

/// Commands handed over, or answered, at one time.
struct Batch {
    at: u64,
    commands: u64,
}

/// Plays a plan (nanoseconds from the start, ascending). `go_on` is asked after each session.
///
/// # Errors
/// If a cluster stalls, or any node applied anything but the commands handed in.
pub fn run<C: Cluster>(
    build: impl Fn() -> C,
    load: &Load,
    mut plan: impl Iterator<Item = u64>,
    mut go_on: impl FnMut() -> bool,
) -> Result<Run, Wrong> {
    let mut run = Run { recording: Recording::new(), length: Duration::ZERO, interrupted: false };
    let mut due: Vec<u64> = Vec::new();
    // The first session of a process asks the system for memory, which takes up to 20 ms: it is played once
    // before it counts.
    let mut warm = false;
    loop {
        due.clear();
        due.extend(plan.by_ref().take((SESSION_COMMANDS - SESSION_WARM) as usize));
        if due.is_empty() {
            return Ok(run);
        }
        if !std::mem::replace(&mut warm, true) {
            session(build(), load, &due, &mut run.clone())?;
        }
        session(build(), load, &due, &mut run)?;
        if !go_on() {
            run.interrupted = true;
            return Ok(run);
        }
    }
}

/// Has a fresh cluster commit what is `due`, after it has warmed up.
fn session<C: Cluster>(mut cluster: C, load: &Load, due: &[u64], run: &mut Run) -> Result<(), Wrong> {
    let mut work = Loop::new(&mut cluster, load);
    work.warm_up()?;
    // Latencies are worked out after the session, so that recording them is no part of it.
    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    let (mut next, mut open) = (0, 0u64);
    let mut clock = OwnTime::start();
    while next < due.len() || open > 0 {
        let now = clock.now().as_nanos() as u64;
        let ready = due[next..].iter().take_while(|due| **due <= now).count();
        if ready > 0 {
            work.propose(ready as u64);
            sent.push(Batch { at: now, commands: ready as u64 });
            next += ready;
            open += ready as u64;
        } else if open == 0 {
            clock.skip_to(Duration::from_nanos(due[next]));
            continue;
        }
        let commands = work.pump()?;
        if commands > 0 {
            answered.push(Batch { at: clock.now().as_nanos() as u64, commands });
            open -= commands;
        }
    }
    let one_by_one =
        |batches: Vec<Batch>| batches.into_iter().flat_map(|b| (0..b.commands).map(move |_| b.at));
    for ((due, sent), answered) in due.iter().zip(one_by_one(sent)).zip(one_by_one(answered)) {
        run.recording.answered(Times { due: *due, ready: *due, sent, answered });
    }
    run.length = run.length.max(clock.now());
    work.finish().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::{Handles, Shared};
    use crate::open_loop::{arrivals, regular_arrivals};
    use crate::raft::OurRaft;
    use crate::workload::{Burst, Digest};

    /// A floor that stands still for a stretch of its own CPU time when it has been pumped often enough.
    struct Stalling {
        inner: Shared<Handles>,
        pumps: u32,
        stall: Duration,
    }

    impl Cluster for Stalling {
        fn propose(&mut self, burst: Burst) {
            self.inner.propose(burst);
        }

        fn pump(&mut self) -> u64 {
            self.pumps += 1;
            if self.pumps == 9_000 {
                let begin = crate::clock::thread_cpu();
                while crate::clock::thread_cpu() < begin + self.stall {}
            }
            self.inner.pump()
        }

        fn settle(&mut self) {
            self.inner.settle();
        }

        fn applied(&self) -> Vec<Digest> {
            self.inner.applied()
        }

        fn messages(&self) -> u64 {
            self.inner.messages()
        }
    }

    #[test]
    fn every_operation_of_a_plan_is_answered_over_several_sessions() {
        let load = Load::new(3, 64, 1);
        let plan: Vec<u64> = arrivals(3, 100_000.0, Duration::from_millis(400)).collect();
        assert!(plan.len() as u64 > 2 * SESSION_COMMANDS);
        let run = run(OurRaft::new, &load, plan.iter().copied(), || true).expect("ours works");
        assert_eq!(run.recording.response.len(), plan.len() as u64);
        assert!(!run.recording.is_void() && run.recording.late_share() < 1e-9);
        assert!(run.length >= Duration::from_nanos(*plan.last().expect("some")));
    }

    #[test]
    fn a_stall_shows_in_all_who_arrive_during_it() {
        // A thousand operations a second for two seconds, and one stall of fifty milliseconds.
        let stall = Duration::from_millis(50);
        let stalling = || Stalling { inner: Shared::default(), pumps: 0, stall };
        let plan = regular_arrivals(1_000.0, Duration::from_secs(2));
        let run = run(stalling, &Load::new(3, 64, 1), plan, || true).expect("it works");
        let slow = run.recording.response.count_between(1_000_000, u64::MAX);
        assert!((45..=55).contains(&slow), "{slow} waited a millisecond or more");
        assert!(run.recording.response.max() >= 49_000_000);
    }

    #[test]
    fn an_interrupted_plan_ends_after_a_session() {
        let forever = arrivals(3, 1e6, Duration::from_hours(1));
        let run = run(OurRaft::new, &Load::new(3, 64, 1), forever, || false).expect("ours works");
        assert!(run.interrupted);
        assert_eq!(run.recording.response.len(), SESSION_COMMANDS - SESSION_WARM);
    }
}
