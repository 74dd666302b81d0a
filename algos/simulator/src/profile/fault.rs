//! The kinds of faults, each under a name of its own, and sets of them.
//!
//! Verified by `tests/it/faults.rs`: each kind strikes, does what it says and nothing else, and is what a
//! protocol with the flaw that it is there for fails under.

use core::fmt;

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
    /// A disk fails the writes under way and tells the node, which is started again later.
    DiskFailure,
    /// Clocks and timers of nodes run at different speeds, and clocks differ from the start.
    Drift,
    /// Batches leave later than the inputs that filled them.
    Batching,
    /// Some pairs of nodes do not hear each other, whom all others hear.
    Partial,
    /// The cluster falls into two parts, and one node hears both.
    Bridge,
    /// Links break and come back, again and again.
    Flapping,
    /// Some links hold what they carry; then all of it arrives at once.
    Clog,
    /// A clock jumps, forward or back. Timers, which count time passed, do not.
    Jump,
    /// A node goes down, and its disk is gone.
    Wipe,
    /// The last record that a crash leaves of those not synced is half written.
    Torn,
    /// Of the records not synced a crash leaves some, not the oldest.
    Reordered,
    /// A write goes to the place of another record, and its own stays as it was.
    Misdirected,
    /// A synced record cannot be read any more, which shows at the next boot.
    Corruption,
    /// A disk is full: every write fails until there is room again.
    DiskFull,
    /// Two instances run under one identity, and messages to it reach either or both.
    Twins,
    /// Somebody between a node and the network does as he likes with what the node sends.
    Adversary,
    /// A node is held up: it takes nothing for a while, and then all that has come meanwhile; its clock goes on. Most
    /// often it is cut off from the others, too, for longer, and not from its clients.
    Pause,
}

impl Fault {
    /// All of them, in the order of their discriminants, on which recorded seeds depend.
    pub const ALL: [Fault; 25] = [
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
        Fault::Partial,
        Fault::Bridge,
        Fault::Flapping,
        Fault::Clog,
        Fault::Jump,
        Fault::Wipe,
        Fault::Torn,
        Fault::Reordered,
        Fault::Misdirected,
        Fault::Corruption,
        Fault::DiskFull,
        Fault::Twins,
        Fault::Adversary,
        Fault::Pause,
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
            Fault::Partial => "partial-partition",
            Fault::Bridge => "bridge",
            Fault::Flapping => "flapping",
            Fault::Clog => "clog",
            Fault::Jump => "clock-jump",
            Fault::Wipe => "wipe",
            Fault::Torn => "torn-write",
            Fault::Reordered => "reordered-writes",
            Fault::Misdirected => "misdirected-write",
            Fault::Corruption => "corruption",
            Fault::DiskFull => "disk-full",
            Fault::Twins => "twins",
            Fault::Adversary => "adversary",
            Fault::Pause => "pause",
        }
    }
}

/// A set of faults.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Faults(u32);

impl Faults {
    /// Every fault there is.
    pub const EVERY: Faults = Faults((1 << Fault::ALL.len()) - 1);

    /// Those that cost a disk for good.
    pub(super) const LOSING: Faults = Faults::of(&[Fault::Wipe, Fault::Misdirected, Fault::Corruption]);

    /// The set of these.
    pub const fn of(faults: &[Fault]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < faults.len() {
            bits |= 1 << faults[i] as u32;
            i += 1;
        }
        Faults(bits)
    }

    /// Those of this set and those of `more`.
    pub const fn and(self, more: &[Fault]) -> Self {
        Faults(self.0 | Faults::of(more).0)
    }

    /// The members of this set whose bits, in the order of [`Fault::ALL`], are set in `bits`.
    pub(super) const fn subset(self, bits: u32) -> Self {
        Faults(self.0 & bits)
    }

    /// Those of this set that are not among `others`.
    pub const fn without(self, others: Faults) -> Self {
        Faults(self.0 & !others.0)
    }

    /// Whether the set holds `fault`.
    pub const fn contains(self, fault: Fault) -> bool {
        self.0 >> fault as u32 & 1 == 1
    }

    /// Whether the set holds all of `others`.
    pub const fn contains_all(self, others: Faults) -> bool {
        others.0 & !self.0 == 0
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_fault_stands_at_its_discriminant_under_a_name_of_its_own() {
        assert!(Fault::ALL.iter().enumerate().all(|(place, fault)| *fault as usize == place));
        let names: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert!(Faults::EVERY.iter().eq(Fault::ALL));
    }

    #[test]
    fn a_set_holds_what_it_was_made_of() {
        let set = Faults::of(&[Fault::Loss]).and(&[Fault::Pause]);
        assert!(set.iter().eq([Fault::Loss, Fault::Pause]));
        assert!(Faults::EVERY.contains_all(set) && !set.contains_all(Faults::EVERY));
        assert!(set.subset(1).iter().eq([Fault::Loss]));
    }
}
