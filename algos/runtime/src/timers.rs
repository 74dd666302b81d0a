//! The timers of one node.
//!
//! A node of the protocols here has a handful of timers and restarts them often (every message from a
//! leader restarts an election timer), while they run out rarely. So the set is a short unsorted vector:
//! starting a timer scans a few entries, and the earliest deadline is kept as a lower bound that costs
//! nothing to keep when a timer moves later. With many timers (more than about thirty) a heap would win.
//!
//! Verified against a plain map by quickcheck. Which value of a timer's range is picked is decided by
//! [`Choices`] alone, so a seed fixes it.

use swarm_protocol::{Choices, Delay, Ticks};

/// Running timers with their deadlines.
#[derive(Clone, Debug)]
pub struct TimerSet<T> {
    /// Each timer at most once, in no order.
    running: Vec<(T, Ticks)>,
    /// No deadline lies before this; `Ticks(u64::MAX)` if none runs.
    earliest: Ticks,
}

impl<T: Copy + Ord> TimerSet<T> {
    /// No timer runs.
    pub const fn new() -> Self {
        TimerSet { running: Vec::new(), earliest: Ticks(u64::MAX) }
    }

    /// Starts `timer`, or restarts it if it runs. Linear in the number of timers.
    pub fn set(&mut self, timer: T, deadline: Ticks) {
        self.earliest = self.earliest.min(deadline);
        match self.running.iter_mut().find(|(other, _)| *other == timer) {
            Some((_, old)) => *old = deadline,
            None => self.running.push((timer, deadline)),
        }
    }

    /// Stops `timer`; says whether it ran.
    pub fn cancel(&mut self, timer: T) -> bool {
        let place = self.running.iter().position(|(other, _)| *other == timer);
        place.map(|place| self.running.swap_remove(place)).is_some()
    }

    /// Stops and returns a timer whose deadline is not after `now`: the earliest, among equals the least.
    /// One comparison if none is due.
    pub fn pop_due(&mut self, now: Ticks) -> Option<T> {
        if now < self.earliest {
            return None;
        }
        let first = self.running.iter().map(|(timer, deadline)| (*deadline, *timer)).min();
        self.earliest = first.map_or(Ticks(u64::MAX), |(deadline, _)| deadline);
        let (_, timer) = first.filter(|(deadline, _)| *deadline <= now)?;
        self.cancel(timer);
        Some(timer)
    }

    /// Whether a timer may be due; one comparison. If true, [`TimerSet::pop_due`] knows.
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

    /// The earliest deadline, if a timer runs.
    pub fn next_deadline(&self) -> Option<Ticks> {
        self.running.iter().map(|(_, deadline)| *deadline).min()
    }

    /// Stops all timers.
    pub fn clear(&mut self) {
        self.running.clear();
        self.earliest = Ticks(u64::MAX);
    }
}

impl<T: Copy + Ord> Default for TimerSet<T> {
    fn default() -> Self {
        Self::new()
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

    #[test]
    fn a_set_behaves_like_a_map_from_timer_to_deadline() {
        fn check(steps: Vec<(u8, u8, u8)>) -> bool {
            let (mut set, mut model) = (TimerSet::new(), BTreeMap::new());
            let mut now = 0;
            steps.into_iter().all(|(what, timer, time)| {
                let (timer, time) = (timer % 5, u64::from(time % 32));
                let same = match what % 4 {
                    0 | 1 => {
                        set.set(timer, Ticks(now + time));
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
        let mut timers = TimerSet::new();
        for (timer, deadline) in [('c', 5), ('b', 7), ('a', 7), ('d', 9)] {
            timers.set(timer, Ticks(deadline));
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
