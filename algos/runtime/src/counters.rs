//! What a driver counts while it runs: enough for a bench to say how many messages a commit takes, and
//! for a reader to see that nothing was lost or refused in silence.

use std::collections::BTreeMap;

/// How often each label was seen. Labels are literals, so a program has a bounded number of them.
///
/// Counting compares addresses, not text: a few nanoseconds for the handful of labels a protocol has. One
/// text may live at two addresses; it is added up when the tally is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    rows: Vec<(&'static str, u64)>,
}

impl Tally {
    /// Counts one more `label`.
    #[inline]
    pub(crate) fn count(&mut self, label: &'static str) {
        match self.rows.iter_mut().find(|(known, _)| core::ptr::eq(*known, label)) {
            Some((_, count)) => *count += 1,
            None => self.rows.push((label, 1)),
        }
    }

    /// Adds what was counted to `sums`.
    fn add_to(&self, sums: &mut BTreeMap<&'static str, u64>) {
        for (label, count) in &self.rows {
            *sums.entry(label).or_default() += count;
        }
    }
}

/// Totals of one node, or of several added up, since they started; restarts do not reset them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages taken from lanes and stepped.
    pub delivered: u64,
    /// Messages put into lanes; a broadcast counts once per receiver.
    pub sent: u64,
    /// Messages that found the lane full, or that had no receiver.
    pub dropped: u64,
    /// Operations stepped.
    pub invoked: u64,
    /// Answers handed on.
    pub answered: u64,
    /// Answers that found the client's lane full.
    pub answers_dropped: u64,
    /// Timers that ran out.
    pub timeouts: u64,
    /// Records given to stable storage.
    pub records: u64,
    /// Times that stable storage was synced; records per sync is the size of a group commit.
    pub syncs: u64,
    /// Times that stable storage failed.
    pub disk_failures: u64,
    /// Places that the protocol reached, by label.
    pub marks: BTreeMap<&'static str, u64>,
    /// Inputs that the protocol refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// Adds the totals of another node.
    pub fn add(&mut self, other: &Counters) {
        self.delivered += other.delivered;
        self.sent += other.sent;
        self.dropped += other.dropped;
        self.invoked += other.invoked;
        self.answered += other.answered;
        self.answers_dropped += other.answers_dropped;
        self.timeouts += other.timeouts;
        self.records += other.records;
        self.syncs += other.syncs;
        self.disk_failures += other.disk_failures;
        for (sums, more) in [(&mut self.marks, &other.marks), (&mut self.refused, &other.refused)] {
            for (label, count) in more {
                *sums.entry(label).or_default() += count;
            }
        }
    }
}

/// The running form of [`Counters`]: labels as tallies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    pub(crate) totals: Counters,
    pub(crate) marks: Tally,
    pub(crate) refused: Tally,
}

impl Running {
    /// The totals so far.
    pub(crate) fn read(&self) -> Counters {
        let mut totals = self.totals.clone();
        self.marks.add_to(&mut totals.marks);
        self.refused.add_to(&mut totals.refused);
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_label_at_two_addresses_is_added_up() {
        let mut running = Running::default();
        let twice: &'static str = String::from("elected").leak();
        for label in ["elected", twice, "elected", "committed"] {
            running.marks.count(label);
        }
        let marks = running.read().marks;
        assert_eq!(marks, BTreeMap::from([("committed", 1), ("elected", 3)]));
    }
}
