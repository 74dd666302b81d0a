//! The timers of one node.
//!
//! A node of the protocols here has a handful of timers and restarts them often (every message from a
//! leader restarts an election timer), while they run out rarely. So the set is a short unsorted vector:
//! starting a timer scans a few entries, and when it runs out is picked from its range no sooner than the
//! beginning of that range has come, or somebody asks. The earliest deadline is kept as a lower bound that costs
//! nothing to keep when a timer moves later. With many timers (more than about thirty) a heap would win.
//!
//! Verified against a plain map by quickcheck. Which value of a timer's range is picked is decided by
//! [`Choices`] alone, so a seed fixes it.

use swarm_protocol::{Choices, Delay, Ticks};

/// Running timers with their deadlines.
#[derive(Clone, Debug)]
pub struct TimerSet<T> {
    /// Each timer at most once, in no order.
    running: Vec<Running<T>>,
    /// No deadline lies before this; `Ticks(u64::MAX)` if none runs.
    earliest: Ticks,
    /// What picks deadlines.
    choices: Choices,
}

/// A timer that runs.
#[derive(Clone, Debug)]
struct Running<T> {
    timer: T,
    /// Its deadline lies in this range; once it is picked, that is the deadline alone.
    deadline: Delay,
}

impl<T> Running<T> {
    /// When it runs out, picked now if it was not.
    fn pick(&mut self, choices: &mut Choices) -> Ticks {
        if self.deadline.min < self.deadline.max {
            self.deadline = Delay::exactly(pick(self.deadline, choices));
        }
        self.deadline.min
    }
}

impl<T: Copy + Ord> TimerSet<T> {
    /// No timer runs; deadlines will be picked by `choices`.
    pub const fn new(choices: Choices) -> Self {
        TimerSet { running: Vec::new(), earliest: Ticks(u64::MAX), choices }
    }

    /// Starts `timer`, or restarts it if it runs, to run out after `delay` from `now`. Linear in the number of timers.
    #[inline]
    pub fn set(&mut self, timer: T, now: Ticks, delay: Delay) {
        let at = |delay: Ticks| Ticks(now.as_micros().saturating_add(delay.as_micros()));
        let deadline = Delay { min: at(delay.min), max: at(delay.max) };
        self.earliest = self.earliest.min(deadline.min);
        match self.running.iter_mut().find(|running| running.timer == timer) {
            Some(running) => running.deadline = deadline,
            None => self.running.push(Running { timer, deadline }),
        }
    }

    /// Stops `timer`; says whether it ran.
    pub fn cancel(&mut self, timer: T) -> bool {
        let place = self.running.iter().position(|running| running.timer == timer);
        place.map(|place| self.running.swap_remove(place)).is_some()
    }

    /// Stops and returns a timer whose deadline is not after `now`: the earliest, among equals the least.
    /// One comparison if none is due.
    pub fn pop_due(&mut self, now: Ticks) -> Option<T> {
        if now < self.earliest {
            return None;
        }
        // Who cannot run out yet is not picked for.
        let TimerSet { running, choices, .. } = self;
        let deadlines = running.iter_mut().map(|running| {
            let possible = running.deadline.min <= now;
            (if possible { running.pick(choices) } else { running.deadline.min }, running.timer)
        });
        let first = deadlines.min();
        self.earliest = first.map_or(Ticks(u64::MAX), |(deadline, _)| deadline);
        let (_, timer) = first.filter(|(deadline, _)| *deadline <= now)?;
        self.cancel(timer);
        Some(timer)
    }

    /// Whether a timer may be due; one comparison. If true, [`TimerSet::pop_due`] knows.
    #[inline]
    pub fn is_due(&self, now: Ticks) -> bool {
        self.earliest <= now
    }

    /// The number of timers that run.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether no timer runs.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The earliest deadline, if a timer runs. Picks all of them.
    pub fn next_deadline(&mut self) -> Option<Ticks> {
        let TimerSet { running, choices, .. } = self;
        running.iter_mut().map(|running| running.pick(choices)).min()
    }

    /// Stops all timers; deadlines will be picked by `choices`.
    pub fn restart(&mut self, choices: Choices) {
        *self = TimerSet { running: core::mem::take(&mut self.running), ..Self::new(choices) };
        self.running.clear();
    }
}

/// Picks a time from the range of a delay, ends included. A range of 2³² − 1 ticks (71 minutes) or more
/// is sampled on a grid of that many steps.
pub fn pick(delay: Delay, choices: &mut Choices) -> Ticks {
    let span = delay.max.since(delay.min).as_micros();
    let offset = match u32::try_from(span) {
        Ok(0) => 0,
        Ok(span) if span < u32::MAX => u64::from(choices.choose("timer", span + 1)),
        _ => {
            let step = u128::from(choices.choose("timer", u32::MAX));
            (u128::from(span) * step / u128::from(u32::MAX - 1)) as u64
        }
    };
    Ticks(delay.min.as_micros() + offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use swarm_protocol::Stream;

    /// For timers with one deadline each.
    fn unasked() -> Choices {
        Choices::script(Vec::new())
    }

    #[test]
    fn a_deadline_is_picked_when_it_may_have_come_and_stays() {
        let delay = |min, max| Delay { min: Ticks(min), max: Ticks(max) };
        let mut timers = TimerSet::new(Choices::script(vec![3, 1]));
        timers.set('a', Ticks(100), delay(10, 20));
        timers.set('b', Ticks(100), delay(50, 60));
        // Set anew before it was picked for: nothing was asked.
        timers.set('a', Ticks(105), delay(10, 20));
        assert_eq!(timers.pop_due(Ticks(114)), None);
        for now in [115, 116, 117] {
            assert_eq!(timers.pop_due(Ticks(now)), None, "118 was picked");
        }
        timers.set('b', Ticks(100), delay(50, 60));
        assert_eq!(timers.pop_due(Ticks(118)), Some('a'));
        assert!(timers.is_due(Ticks(150)), "it may be");
        assert_eq!(timers.next_deadline(), Some(Ticks(151)));
        assert_eq!(timers.next_deadline(), Some(Ticks(151)), "what is picked stays");
        assert_eq!((timers.pop_due(Ticks(150)), timers.pop_due(Ticks(151))), (None, Some('b')));
        assert!(timers.is_empty());
    }

    #[test]
    fn a_set_behaves_like_a_map_from_timer_to_deadline() {
        fn check(steps: Vec<(u8, u8, u8)>) -> bool {
            let (mut set, mut model) = (TimerSet::new(unasked()), BTreeMap::new());
            let mut now = 0;
            steps.into_iter().all(|(what, timer, time)| {
                let (timer, time) = (timer % 5, u64::from(time % 32));
                let same = match what % 4 {
                    0 | 1 => {
                        set.set(timer, Ticks(now), Delay::exactly(Ticks(time)));
                        model.insert(timer, now + time);
                        true
                    }
                    2 => set.cancel(timer) == model.remove(&timer).is_some(),
                    _ => {
                        now += time;
                        let due = model.iter().map(|(timer, at)| (*at, *timer)).min();
                        let due = due.filter(|(at, _)| *at <= now).map(|(_, timer)| timer);
                        due.map(|timer| model.remove(&timer));
                        set.pop_due(Ticks(now)) == due
                    }
                };
                same && set.next_deadline() == model.values().min().map(|at| Ticks(*at))
            })
        }
        quickcheck::QuickCheck::new().tests(2000).quickcheck(check as fn(Vec<(u8, u8, u8)>) -> bool);
    }

    #[test]
    fn timers_due_together_run_out_by_deadline_then_by_name() {
        let mut timers = TimerSet::new(unasked());
        for (timer, deadline) in [('c', 5), ('b', 7), ('a', 7), ('d', 9)] {
            timers.set(timer, Ticks(0), Delay::exactly(Ticks(deadline)));
        }
        let due: Vec<_> = core::iter::from_fn(|| timers.pop_due(Ticks(8))).collect();
        assert_eq!(due, ['c', 'a', 'b']);
        assert_eq!(timers.next_deadline(), Some(Ticks(9)));
    }

    #[test]
    fn a_pick_stays_in_its_range_and_reaches_both_ends() {
        let ranges = [(5, 5), (5, 8), (0, u64::from(u32::MAX)), (3, u64::MAX), (0, u64::MAX)];
        for (min, max) in ranges {
            let delay = Delay { min: Ticks(min), max: Ticks(max) };
            let mut seeded = Choices::seed(Stream::new(1, 0, 0));
            for _ in 0..100 {
                let picked = pick(delay, &mut seeded).as_micros();
                assert!((min..=max).contains(&picked), "{picked} of {min}..={max}");
            }
            let ways = u32::try_from(max - min).ok().filter(|span| *span < u32::MAX);
            let last = ways.unwrap_or(u32::MAX - 1);
            assert_eq!(pick(delay, &mut Choices::script(vec![0])), Ticks(min));
            assert_eq!(pick(delay, &mut Choices::script(vec![last])), Ticks(max));
        }
    }

    #[test]
    fn a_seed_fixes_what_is_picked() {
        let delay = Delay::from(Ticks(150)..=Ticks(300));
        let picked = |seed| {
            let mut choices = Choices::seed(Stream::new(seed, 0, 0));
            (0..20).map(|_| pick(delay, &mut choices)).collect::<Vec<_>>()
        };
        assert_eq!(picked(1), picked(1));
        assert_ne!(picked(1), picked(2));
    }
}
