//! A run up to some moment, with another future.
//!
//! Every draw is keyed by the seed, its purpose and its ordinal; so a run whose seed is exchanged at some moment is
//! the recorded run up to there, and from there on one that the same cluster might have had as well. What was under
//! way at that moment (messages with the time of their arrival, timers that are set, a fault that is due next) stays
//! as it was; so do the conditions that the seed drew for the whole run. Many such futures say how likely a run was to
//! fail once its first events had happened. Verified by `tests/it/rewound.rs`.

use swarm_protocol::{Properties, Service, Ticks};

use super::engine::{Draws, Engine};
use super::{Run, Simulation, Traced};

/// Another future for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewound {
    /// How many moments of the recorded run are kept: see [`Traced::moments`].
    pub moments: u64,
    /// What is drawn from then on is drawn as in the run of this seed.
    pub seed: u64,
    /// The run ends at this time, and is judged by what has happened until then.
    pub until: Ticks,
}

impl<P: Service, Q: Properties<P>> Simulation<P, Q> {
    /// The run of `seed` with another future.
    pub fn run_rewound(&self, seed: u64, rewound: Rewound) -> Run {
        Engine::new(self, seed, false).rewound(rewound).run().run
    }

    /// The same, with everything that happened in it.
    pub fn trace_rewound(&self, seed: u64, rewound: Rewound) -> Traced<P> {
        Engine::new(self, seed, true).rewound(rewound).run()
    }
}

impl<P: Service, Q: Properties<P>> Engine<'_, P, Q> {
    fn rewound(mut self, rewound: Rewound) -> Self {
        self.rewound = Some(rewound);
        self
    }

    /// A moment of a run with another future begins at `at`: whether the run goes on.
    pub(super) fn goes_on_rewound(&mut self, at: Ticks) -> bool {
        let Some(rewound) = &mut self.rewound else { return true };
        if at > rewound.until {
            return false;
        }
        if rewound.moments == 0 {
            self.seed = rewound.seed;
            self.draws = Draws::of(rewound.seed);
            self.network.draw_from(rewound.seed);
        }
        rewound.moments = rewound.moments.wrapping_sub(1);
        true
    }
}
