//! Which event of a failing run decided that it would fail.
//!
//! The run is rewound to one of its moments and given other futures, drawn from other seeds, that last as long as the
//! run itself did; the share of those that break a property is how likely failure was by then. That is done on a
//! coarse grid first, then wherever the share differs most between two moments that are looked at, down to single
//! events. Each moment has futures of its own, so shares scatter as counts do; the artifact has the counts.
//!
//! The result depends on the seed alone, not on threads. Verified by `tests/it/decisive.rs`: on Raft whose disks keep
//! nothing the share rises from few to all, and the decisive events are among those that matter.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use reports::artifact::{Decisive, Rewound as Moment};
use swarm_protocol::{Properties, Service, Ticks, mix};
use swarm_simulator::simulation::{Rewound, Simulation, Traced};

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Effort<'a> {
    /// Futures drawn from each moment.
    pub futures: u32,
    /// Moments that are looked at, at most.
    pub moments: usize,
    /// Threads that run futures.
    pub threads: usize,
    /// Set from outside to end it.
    pub interrupt: &'a AtomicBool,
}

/// Moments of the grid that everything begins with.
const GRID: usize = 24;

/// A rise of the share that is smaller than this is not looked into.
const RISE_MIN: f64 = 0.08;

/// Messages may hold whole logs; of an event's text this much is kept.
const EVENT_CHARS_MAX: usize = 240;

/// What a run that violates something came to, rewound; none if it does not, or if it was interrupted. `progress` is
/// told how many moments were looked at.
pub fn rewind<P, Q>(
    simulation: &Simulation<P, Q>,
    seed: u64,
    effort: &Effort<'_>,
    progress: &mut dyn FnMut(usize),
) -> Option<Decisive>
where
    P: Service<Message: Debug>,
    Q: Properties<P>,
    Simulation<P, Q>: Sync,
{
    let recorded = simulation.trace(seed);
    let violation = recorded.run.violation.clone()?;
    let moments = Moments::of(&recorded);
    let look = |kept: usize| -> Option<Moment> {
        let failing = failing(simulation, seed, moments.entries(kept), recorded.run.time, effort)?;
        let (events, time) = moments.reached(kept, &recorded);
        Some(Moment {
            moment: kept as u64,
            events,
            time_s: seconds(time),
            event: moments.first_event(kept, &recorded),
            futures: effort.futures,
            failing,
        })
    };
    let last = moments.0.len();
    let mut looked: Vec<Moment> = Vec::new();
    let mut grid: Vec<usize> = (0..=GRID).map(|part| last * part / GRID).collect();
    grid.dedup();
    for kept in grid {
        looked.push(look(kept)?);
        progress(looked.len());
    }
    while looked.len() < effort.moments
        && let Some(place) = steepest(&looked)
    {
        let kept = u64::midpoint(looked[place].moment, looked[place + 1].moment);
        looked.insert(place + 1, look(kept as usize)?);
        progress(looked.len());
    }
    Some(Decisive {
        of: String::new(),
        profile: simulation.profile.name.to_owned(),
        seed,
        nodes: simulation.nodes,
        property: violation.property.to_owned(),
        detail: violation.detail,
        moments: last as u64,
        events: recorded.trace.len() as u64,
        time_s: seconds(recorded.run.time),
        rewound: looked,
    })
}

/// Between which two moments that are no neighbours the share differs most; none if it differs little everywhere.
fn steepest(looked: &[Moment]) -> Option<usize> {
    let difference = |place: usize| (looked[place + 1].share() - looked[place].share()).abs();
    let apart = |place: &usize| looked[place + 1].moment - looked[*place].moment > 1;
    let places = (0..looked.len().saturating_sub(1)).filter(apart);
    places.filter(|place| difference(*place) >= RISE_MIN).max_by(|a, b| {
        // Of equal differences the earlier: failure may have been decided there already.
        difference(*a).total_cmp(&difference(*b)).then(b.cmp(a))
    })
}

/// How many futures break a property.
fn failing<P, Q>(
    simulation: &Simulation<P, Q>,
    seed: u64,
    entries: u64,
    until: Ticks,
    effort: &Effort<'_>,
) -> Option<u32>
where
    P: Service,
    Q: Properties<P>,
    Simulation<P, Q>: Sync,
{
    // Relaxed: numbers are handed out once each, and sums are read when all threads have ended.
    let (next, failing) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        while !effort.interrupt.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= u64::from(effort.futures) {
                break;
            }
            let other = mix(mix(mix(seed) ^ entries) ^ number);
            let run = simulation.run_rewound(seed, Rewound { moments: entries, seed: other, until });
            failing.fetch_add(u64::from(run.violation.is_some()), Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 1..effort.threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    let interrupted = effort.interrupt.load(Ordering::Relaxed);
    (!interrupted).then(|| failing.into_inner() as u32)
}

/// The moments of a run in which anything happened: how many entries of the queue had been taken after each.
struct Moments(Vec<usize>);

impl Moments {
    fn of<P: Service>(recorded: &Traced<P>) -> Self {
        let mut before = 0;
        let changed = recorded.moments.iter().enumerate().filter(|(_, events)| {
            let more = **events > before;
            before = **events;
            more
        });
        Moments(changed.map(|(place, _)| place + 1).collect())
    }

    /// How many entries of the queue are kept with this many moments.
    fn entries(&self, kept: usize) -> u64 {
        kept.checked_sub(1).map_or(0, |last| self.0[last] as u64)
    }

    /// How many events have happened after this many moments, and when.
    fn reached<P: Service>(&self, kept: usize, recorded: &Traced<P>) -> (u64, Ticks) {
        let entries = self.entries(kept) as usize;
        let events = entries.checked_sub(1).map_or(0, |last| recorded.moments[last]);
        let time = (events as usize).checked_sub(1).map_or(Ticks::ZERO, |last| recorded.trace[last].0);
        (u64::from(events), time)
    }

    /// What the last of this many moments begins with.
    fn first_event<P: Service>(&self, kept: usize, recorded: &Traced<P>) -> Option<String> {
        let (before, _) = self.reached(kept.checked_sub(1)?, recorded);
        let (_, event) = recorded.trace.get(before as usize)?;
        let text = format!("{event:?}");
        let long = text.char_indices().nth(EVENT_CHARS_MAX).map(|(end, _)| end);
        Some(long.map_or(text.clone(), |end| format!("{}…", &text[..end])))
    }
}

fn seconds(time: Ticks) -> f64 {
    time.as_micros() as f64 / 1e6
}
