//! Time as a protocol sees it: a count that only its driver can move.

use core::fmt;
use core::ops::{Add, RangeInclusive, Sub};

/// An instant or a length of time on one node's clock; one tick is one microsecond in every driver.
///
/// Only rules that need a clock (leases, failure detectors) look at it. Everything else asks for a
/// timer and leaves time to the driver.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub u64);

impl Ticks {
    /// The start of a node's clock.
    pub const ZERO: Ticks = Ticks(0);

    /// So many microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Ticks(micros)
    }

    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Ticks(millis * 1000)
    }

    /// The length in microseconds.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The length from `earlier` to here, zero if `earlier` is later.
    pub const fn since(self, earlier: Ticks) -> Ticks {
        Ticks(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Ticks {
    type Output = Ticks;

    fn add(self, other: Ticks) -> Ticks {
        Ticks(self.0 + other.0)
    }
}

impl Sub for Ticks {
    type Output = Ticks;

    fn sub(self, other: Ticks) -> Ticks {
        Ticks(self.0 - other.0)
    }
}

impl fmt::Debug for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0)
    }
}

/// How long a timer may run: a range from which the driver picks, so that a randomised timeout is one
/// more choice that the protocol does not make itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Delay {
    /// The shortest time that the driver may choose.
    pub min: Ticks,
    /// The longest time that the driver may choose, at least `min`.
    pub max: Ticks,
}

impl Delay {
    /// A delay without choice.
    pub const fn exactly(ticks: Ticks) -> Self {
        Delay { min: ticks, max: ticks }
    }
}

impl From<RangeInclusive<Ticks>> for Delay {
    /// # Panics
    /// If the range is empty.
    fn from(range: RangeInclusive<Ticks>) -> Self {
        assert!(range.start() <= range.end(), "a delay needs a range that is not empty");
        Delay { min: *range.start(), max: *range.end() }
    }
}
