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

mod fault;

pub use self::fault::{Fault, Faults};

/// A named set of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What it is called on a command line.
    pub name: &'static str,
    /// What may happen.
    pub faults: Faults,
    /// Faults strike whether or not the protocol's assumption allows it: such a run may go outside, and
    /// says nothing then ([`crate::simulation::Account`]).
    pub heedless: bool,
}

impl Profile {
    /// Nothing fails.
    pub const CALM: Profile = Profile::new("calm", Faults::of(&[]));
    /// The network loses, repeats and delays messages, and holds them back.
    pub const LOSSY: Profile = Profile::new(
        "lossy",
        Faults::of(&[Fault::Loss, Fault::Duplication, Fault::Delay, Fault::Batching, Fault::Clog]),
    );
    /// The network falls apart, in every way, and heals.
    pub const PARTITIONS: Profile = Profile::new(
        "partitions",
        Faults::of(&[
            Fault::Loss,
            Fault::Delay,
            Fault::Partition,
            Fault::OneWay,
            Fault::Partial,
            Fault::Bridge,
            Fault::Flapping,
        ]),
    );
    /// Nodes crash, and their disks lose what was not synced: the tail, or any part.
    pub const CRASHES: Profile = Profile::new(
        "crashes",
        Faults::of(&[
            Fault::Loss,
            Fault::Crash,
            Fault::Stall,
            Fault::Slowness,
            Fault::Batching,
            Fault::Torn,
            Fault::Reordered,
        ]),
    );
    /// Clocks run apart and jump.
    pub const CLOCKS: Profile = Profile::new(
        "clocks",
        Faults::of(&[Fault::Loss, Fault::Delay, Fault::Drift, Fault::Jump, Fault::Crash]),
    );
    /// Nodes are held up, and clocks run apart: what rests on time has to survive it.
    pub const PAUSES: Profile = Profile::new(
        "pauses",
        Faults::of(&[
            Fault::Loss,
            Fault::Delay,
            Fault::Crash,
            Fault::Drift,
            Fault::Partial,
            Fault::Slowness,
            Fault::Pause,
        ]),
    );
    /// Disks lose, fail and damage what they hold.
    pub const DISKS: Profile = Profile::new(
        "disks",
        Faults::of(&[
            Fault::Loss,
            Fault::Crash,
            Fault::Stall,
            Fault::DiskFailure,
            Fault::Wipe,
            Fault::Torn,
            Fault::Reordered,
            Fault::Misdirected,
            Fault::Corruption,
            Fault::DiskFull,
        ]),
    );
    /// Everything that a crash-tolerant protocol must survive, as far as its assumption goes.
    pub const EVERYTHING: Profile = Profile::new(
        "everything",
        Profile::LOSSY.faults.and(&[
            Fault::Partition,
            Fault::OneWay,
            Fault::Crash,
            Fault::Slowness,
            Fault::Stall,
            Fault::DiskFailure,
            Fault::Drift,
            Fault::Partial,
            Fault::Bridge,
            Fault::Flapping,
            Fault::Jump,
            Fault::Wipe,
            Fault::Torn,
            Fault::Reordered,
            Fault::Misdirected,
            Fault::Corruption,
            Fault::DiskFull,
        ]),
    );
    /// Nodes that lie, beside a network that does its worst: nothing that a crash-tolerant protocol, whose
    /// assumption allows no such node, would notice.
    pub const BYZANTINE: Profile = Profile::new(
        "byzantine",
        Profile::PARTITIONS.faults.and(&[Fault::Duplication, Fault::Crash, Fault::Twins, Fault::Adversary]),
    );
    /// Everything, whatever the assumption says: what a protocol does when it has been promised too much.
    pub const BEYOND: Profile = Profile::new("beyond", Profile::EVERYTHING.faults).heedless();

    /// All profiles, from the mildest.
    pub const ALL: [Profile; 10] = [
        Profile::CALM,
        Profile::LOSSY,
        Profile::PARTITIONS,
        Profile::CRASHES,
        Profile::CLOCKS,
        Profile::PAUSES,
        Profile::DISKS,
        Profile::EVERYTHING,
        Profile::BYZANTINE,
        Profile::BEYOND,
    ];

    /// These faults under this name, within the assumption.
    pub const fn new(name: &'static str, faults: Faults) -> Self {
        Profile { name, faults, heedless: false }
    }

    /// The same without regard to the assumption.
    pub const fn heedless(mut self) -> Self {
        self.heedless = true;
        self
    }
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
        let subset = stream.draw() as u32 | if stream.below(8) == 0 { u32::MAX } else { 0 };
        let faults = profile.faults.subset(subset);
        // A disk that is lost leaves less to lose for the rest of the run: in two runs of three none is.
        let spared = if stream.below(3) > 0 { Faults::LOSING } else { Faults::default() };
        let faults = faults.without(spared);
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
                assert!(profile.faults.contains_all(on), "{profile}: {on:?}");
                ever = ever.and(&on.iter().collect::<Vec<_>>());
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
