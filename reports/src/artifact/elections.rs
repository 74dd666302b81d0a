//! How long clusters were without a leader after their leader had crashed.

use serde::{Deserialize, Serialize};

use crate::statistics;

/// An experiment: many crashes of a leader, by range of election timeouts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Elections {
    /// How many servers there were, the one that crashed among them.
    pub servers: u32,
    /// The first seed; every range has one trial per seed.
    pub seed_first: u64,
    /// The end of the seeds, itself excluded.
    pub seed_end: u64,
    /// After how long a trial was given up, in milliseconds of simulated time.
    pub cap_ms: f64,
    /// One per range and division of delays, those of one plot together.
    pub ranges: Vec<ElectionRange>,
    /// What was published, beside what came out.
    pub claims: Vec<ElectionClaim>,
}

/// The trials of one range.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ElectionRange {
    /// The plot that it belongs to.
    pub plot: String,
    /// The least election timeout, in milliseconds.
    pub low_ms: f64,
    /// The greatest.
    pub high_ms: f64,
    /// How long messages and writes took, in words.
    pub delays: String,
    /// The trials that ended: milliseconds from the crash to the next leader, ascending.
    pub times_ms: Vec<f64>,
    /// How many trials were given up.
    pub open: u64,
    /// What was published of it.
    #[serde(default)]
    pub published: Vec<PublishedPoint>,
}

/// A published point of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PublishedPoint {
    /// The share of trials that had ended, 0 to 1.
    pub share: f64,
    /// By when, in milliseconds.
    pub time_ms: f64,
}

/// One published figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ElectionClaim {
    /// Of what.
    pub figure: String,
    /// As it was published; none if it was not.
    pub published: Option<String>,
    /// What came out here.
    pub measured: String,
    /// What it must be; none if it is only told.
    pub bounds: Option<String>,
    /// Whether it is; none if it was not judged.
    pub holds: Option<bool>,
}

impl ElectionRange {
    /// As the paper names it: `150–155 ms`.
    pub fn name(&self) -> String {
        format!("{}–{} ms", self.low_ms, self.high_ms)
    }

    /// How many trials there were.
    pub fn trials(&self) -> u64 {
        (self.times_ms.len() as u64).saturating_add(self.open)
    }

    /// The time below which this share (0 to 1) of all trials ended; none if fewer did, or if there were none.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.open == 0 {
            return (!self.times_ms.is_empty()).then(|| statistics::quantile(&self.times_ms, q));
        }
        // Those that were given up stand behind all others.
        let place = (q * (self.trials() - 1) as f64).ceil() as usize;
        self.times_ms.get(place).copied()
    }

    /// The mean; none if a trial was given up, or if there were none.
    pub fn mean(&self) -> Option<f64> {
        let count = self.times_ms.len();
        (self.open == 0 && count > 0).then(|| self.times_ms.iter().sum::<f64>() / count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_that_were_given_up_are_longer_than_all_others() {
        let mut range = ElectionRange { times_ms: vec![10.0, 20.0, 30.0], ..ElectionRange::default() };
        assert_eq!(
            (range.quantile(0.5), range.quantile(1.0), range.mean()),
            (Some(20.0), Some(30.0), Some(20.0))
        );
        range.open = 1;
        assert_eq!((range.quantile(0.0), range.quantile(0.5)), (Some(10.0), Some(30.0)));
        assert_eq!((range.quantile(1.0), range.mean()), (None, None));
        range.open = 4;
        assert_eq!((range.quantile(0.5), range.trials()), (None, 7));
        assert_eq!(ElectionRange::default().quantile(0.5), None);
    }
}
