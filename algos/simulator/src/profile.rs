//! Which faults a simulation may inject, and how badly each run is hit.
//!
//! A [`Profile`] is a set of faults under a name. Within it runs are swarm-tested (Groce et al. 2012):
//! each seed switches a random subset of the set on, and draws how often each strikes, because a run
//! with every fault at once hides what fewer faults would show. [`Conditions`] are what one seed drew.
//!
//! Verified by `tests/it/simulation.rs`: every fault of every profile strikes within few seeds, and none
//! that is not of the profile.

use core::fmt;
use core::str::FromStr;

use swarm_protocol::{Stream, Ticks};

/// One way in which the world is worse than its specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Fault {
    /// Messages are lost.
    Loss,
    /// Messages arrive twice.
    Duplication,
    /// Some messages take many times as long as others and are overtaken.
    Delay,
    /// The cluster falls into two parts that do not hear each other.
    Partition,
    /// Some links carry messages one way only.
    OneWay,
    /// A node goes down, losing the tail of its writes that was not synced, and boots again later.
    Crash,
    /// A node and its links are slow for a while.
    Slowness,
    /// A disk completes nothing for a while.
    Stall,
    /// A disk fails the writes under way and tells the node.
    DiskFailure,
    /// Clocks and timers of nodes run at different speeds.
    Drift,
    /// Batches leave later than the inputs that filled them.
    Batching,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 11] = [
        Fault::Loss,
        Fault::Duplication,
        Fault::Delay,
        Fault::Partition,
        Fault::OneWay,
        Fault::Crash,
        Fault::Slowness,
        Fault::Stall,
        Fault::DiskFailure,
        Fault::Drift,
        Fault::Batching,
    ];

    /// The fault in one word.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Loss => "loss",
            Fault::Duplication => "duplication",
            Fault::Delay => "delay",
            Fault::Partition => "partition",
            Fault::OneWay => "one-way",
            Fault::Crash => "crash",
            Fault::Slowness => "slowness",
            Fault::Stall => "stall",
            Fault::DiskFailure => "disk-failure",
            Fault::Drift => "drift",
            Fault::Batching => "batching",
        }
    }
}

/// A set of faults.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Faults(u16);

impl Faults {
    /// The set of these.
    pub const fn of(faults: &[Fault]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < faults.len() {
            bits |= 1 << faults[i] as u8;
            i += 1;
        }
        Faults(bits)
    }

    /// Whether the set holds `fault`.
    pub const fn contains(self, fault: Fault) -> bool {
        self.0 >> fault as u8 & 1 == 1
    }

    /// The members, in the order of [`Fault::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.contains(*fault))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Fault::name)).finish()
    }
}

/// A named set of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What it is called on a command line.
    pub name: &'static str,
    /// What may happen.
    pub faults: Faults,
}

impl Profile {
    /// Nothing fails.
    pub const CALM: Profile = Profile { name: "calm", faults: Faults::of(&[]) };
    /// The network loses, repeats and delays messages.
    pub const LOSSY: Profile = Profile {
        name: "lossy",
        faults: Faults::of(&[Fault::Loss, Fault::Duplication, Fault::Delay, Fault::Batching]),
    };
    /// The network falls apart and heals.
    pub const PARTITIONS: Profile = Profile {
        name: "partitions",
        faults: Faults::of(&[Fault::Loss, Fault::Delay, Fault::Partition, Fault::OneWay]),
    };
    /// Nodes crash, and their disks lose what was not synced.
    pub const CRASHES: Profile = Profile {
        name: "crashes",
        faults: Faults::of(&[Fault::Loss, Fault::Crash, Fault::Stall, Fault::Slowness, Fault::Batching]),
    };
    /// Everything that a crash-tolerant protocol must survive. Disk failures are not among it: what a
    /// node does then is for each protocol to say.
    pub const EVERYTHING: Profile = Profile {
        name: "everything",
        faults: Faults::of(&[
            Fault::Loss,
            Fault::Duplication,
            Fault::Delay,
            Fault::Partition,
            Fault::OneWay,
            Fault::Crash,
            Fault::Slowness,
            Fault::Stall,
            Fault::Drift,
            Fault::Batching,
        ]),
    };
    /// Everything, and disks that fail writes.
    pub const DISKS: Profile = Profile { name: "disks", faults: Faults((1 << Fault::ALL.len()) - 1) };

    /// All profiles, from the mildest.
    pub const ALL: [Profile; 6] = [
        Profile::CALM,
        Profile::LOSSY,
        Profile::PARTITIONS,
        Profile::CRASHES,
        Profile::EVERYTHING,
        Profile::DISKS,
    ];
}

impl FromStr for Profile {
    type Err = String;

    /// Reads a profile's name; `swarm` is another name of `everything`.
    fn from_str(text: &str) -> Result<Self, String> {
        let name = if text == "swarm" { "everything" } else { text };
        Profile::ALL.into_iter().find(|profile| profile.name == name).ok_or_else(|| {
            let names = Profile::ALL.map(|profile| profile.name).join(", ");
            format!("`{text}` is not a profile ({names}, swarm)")
        })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A range of times, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub min: Ticks,
    /// The longest.
    pub max: Ticks,
}

impl Span {
    /// From `min` to `max` microseconds.
    ///
    /// # Panics
    /// If the range is empty.
    pub const fn micros(min: u64, max: u64) -> Self {
        assert!(min <= max, "a span needs a range that is not empty");
        Span { min: Ticks(min), max: Ticks(max) }
    }

    /// Any time of the span, all equally likely.
    pub(crate) const fn draw(self, stream: &mut Stream) -> Ticks {
        Ticks(stream.between(self.min.0, self.max.0))
    }

    /// A time of the span, so that short ones are as likely as long ones: evenly on a scale of powers of
    /// two.
    pub(crate) fn draw_scale(self, stream: &mut Stream) -> Ticks {
        let (low, high) = (self.min.0.max(1), self.max.0.max(1));
        let doublings = u64::from(low.ilog2())..=u64::from(high.ilog2());
        let power = 1u64 << stream.between(*doublings.start(), *doublings.end());
        Ticks((power + stream.below(power)).clamp(self.min.0, self.max.0))
    }
}

/// The pace of a simulated cluster. The default suits protocols whose timers run for tens to hundreds of
/// milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From which a run draws how long a message takes on a link at least.
    pub latency: Span,
    /// From which a run draws how long a disk takes to sync.
    pub sync: Span,
    /// How long a client thinks between an answer and its next operation.
    pub think: Span,
    /// How long a client waits for an answer before it goes on without.
    pub client_timeout: Ticks,
    /// How long a crash, a partition or a slow phase lasts.
    pub outage: Span,
    /// From which a run draws the mean time between two faults of one kind.
    pub interval: Span,
    /// How long faults go on; then everything is healed.
    pub faults: Ticks,
    /// Within which time from then every client must have completed an operation.
    pub progress: Ticks,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            latency: Span::micros(100, 10_000),
            sync: Span::micros(50, 10_000),
            think: Span::micros(0, 20_000),
            client_timeout: Ticks::from_millis(1000),
            outage: Span::micros(10_000, 2_000_000),
            interval: Span::micros(200_000, 5_000_000),
            faults: Ticks::from_millis(10_000),
            progress: Ticks::from_millis(20_000),
        }
    }
}

/// What one seed drew from a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// The faults that are switched on.
    pub faults: Faults,
    /// How long a message takes at least, drawn for each link again within this span.
    pub latency: Span,
    /// How much longer it may take.
    pub jitter: Ticks,
    /// Of a million messages, how many are lost.
    pub loss_per_million: u32,
    /// Of a million messages, how many arrive twice.
    pub duplication_per_million: u32,
    /// Of a million messages, how many are delayed.
    pub delay_per_million: u32,
    /// How long a disk takes to sync.
    pub sync: Span,
    /// How long a batch may wait; zero if it leaves with the input that filled it.
    pub batching: Ticks,
    /// By how many millionths clocks differ from true time at most.
    pub drift_per_million: u32,
    /// The mean time between two faults of each kind that strikes at moments, in the order of
    /// [`Fault::ALL`].
    pub interval: [Ticks; Fault::ALL.len()],
}

impl Conditions {
    /// Draws the conditions of `seed`.
    pub fn draw(seed: u64, profile: Profile, pace: &Pace) -> Self {
        let mut stream = Stream::new(seed, super::simulation::purpose::CONDITIONS, 0);
        // Every draw is made whether it is used or not: switching a fault off changes no other draw.
        let subset = stream.draw() as u16 | if stream.below(8) == 0 { u16::MAX } else { 0 };
        let faults = Faults(profile.faults.0 & subset);
        let least = pace.latency.draw_scale(&mut stream);
        let most = Ticks(least.0.saturating_mul(2)).min(pace.latency.max).max(least);
        let jitter = Ticks(stream.below(most.0 * 2 + 1));
        let mut rate = |fault: Fault, max: u32| {
            let drawn = 1u32 << stream.between(8, u64::from(max.ilog2())) as u32;
            if faults.contains(fault) { drawn } else { 0 }
        };
        let loss_per_million = rate(Fault::Loss, 1 << 17);
        let duplication_per_million = rate(Fault::Duplication, 1 << 17);
        let delay_per_million = rate(Fault::Delay, 1 << 17);
        let drift_per_million = rate(Fault::Drift, 1 << 15);
        let sync = pace.sync.draw_scale(&mut stream);
        let batching = Ticks(stream.below(most.0) + 1);
        Conditions {
            faults,
            latency: Span { min: least, max: most },
            jitter,
            loss_per_million,
            duplication_per_million,
            delay_per_million,
            sync: Span { min: sync, max: Ticks(sync.0 * 2) },
            batching: if faults.contains(Fault::Batching) { batching } else { Ticks::ZERO },
            drift_per_million,
            interval: core::array::from_fn(|_| pace.interval.draw_scale(&mut stream)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_by_name() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert_eq!("swarm".parse(), Ok(Profile::EVERYTHING));
        let error = "storm".parse::<Profile>().unwrap_err();
        assert!(error.contains("`storm` is not a profile (calm, lossy, "), "{error}");
    }

    #[test]
    fn seeds_switch_on_subsets_of_their_profile_alone() {
        for profile in Profile::ALL {
            let mut ever = Faults::default();
            let mut differ = 0;
            for seed in 0..200 {
                let on = Conditions::draw(seed, profile, &Pace::default()).faults;
                assert_eq!(on.0 & !profile.faults.0, 0, "{profile}: {on:?}");
                ever = Faults(ever.0 | on.0);
                differ += u32::from(on != profile.faults);
            }
            assert_eq!(ever, profile.faults);
            assert!(differ > 100 || profile.faults.iter().count() == 0, "{profile}");
        }
    }

    #[test]
    fn draws_stay_within_their_span_and_reach_both_ends_of_the_scale() {
        let span = Span::micros(10, 5000);
        let mut stream = Stream::new(1, 1, 1);
        let drawn: Vec<_> = (0..2000).map(|_| span.draw_scale(&mut stream).0).collect();
        assert!(drawn.iter().all(|t| (10..=5000).contains(t)));
        let share =
            |range: core::ops::RangeInclusive<u64>| drawn.iter().filter(|t| range.contains(t)).count();
        assert!(share(10..=31) > 100 && share(2048..=5000) > 100);
    }
}
