//! What a failing run came to when its future was drawn anew from many of its moments.

use serde::{Deserialize, Serialize};

use super::Interval;
use crate::binomial;

/// How likely one failing run was to fail, once its first events had happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decisive {
    /// What was simulated: `raft`, `raft on disks that keep nothing`.
    pub of: String,
    /// The fault profile.
    pub profile: String,
    /// The seed of the run.
    pub seed: u64,
    /// How many nodes it has.
    pub nodes: u32,
    /// The property that it breaks.
    pub property: String,
    /// What was seen.
    pub detail: String,
    /// How many moments it has in which anything happens.
    pub moments: u64,
    /// How many events happen in it.
    pub events: u64,
    /// When it fails, in seconds of simulated time; other futures are given as long.
    pub time_s: f64,
    /// The moments from which the future was drawn anew, in order: the first with nothing of the run kept, the last
    /// with all of it.
    pub rewound: Vec<Rewound>,
}

/// One moment of a failing run, and what became of other futures from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rewound {
    /// How many of the moments are kept.
    pub moment: u64,
    /// How many events have happened then.
    pub events: u64,
    /// When, in seconds of simulated time.
    pub time_s: f64,
    /// The event that the last of the kept moments begins with, as a line of a trace; none if nothing is kept.
    pub event: Option<String>,
    /// How many futures were drawn.
    pub futures: u32,
    /// How many of them broke a property in time.
    pub failing: u32,
}

impl Rewound {
    /// The share of futures that failed.
    pub fn share(&self) -> f64 {
        if self.futures == 0 {
            0.0
        } else {
            f64::from(self.failing.min(self.futures)) / f64::from(self.futures)
        }
    }
    /// Where the true share lies.
    pub fn interval(&self) -> Interval {
        binomial::interval(self.failing.into(), self.futures.into())
    }
}

impl Decisive {
    /// The events after which failure was more likely than before, the greatest rise first: pairs of neighbouring
    /// moments, with nothing between, whose intervals lie apart.
    pub fn rises(&self) -> Vec<(&Rewound, &Rewound)> {
        let pairs = self.rewound.windows(2).map(|pair| (&pair[0], &pair[1]));
        let neighbours = pairs.filter(|(before, after)| before.moment.saturating_add(1) == after.moment);
        let mut rises: Vec<_> =
            neighbours.filter(|(before, after)| before.interval().high < after.interval().low).collect();
        rises.sort_by(|a, b| (b.1.share() - b.0.share()).total_cmp(&(a.1.share() - a.0.share())));
        rises
    }

    /// The first moment from which on more than half of the futures fail, whichever later one is looked at.
    pub fn turned(&self) -> Option<&Rewound> {
        let likely = |rewound: &&Rewound| rewound.share() > 0.5;
        let from = self.rewound.iter().rev().take_while(likely).count();
        (from > 0).then(|| &self.rewound[self.rewound.len() - from])
    }
}
