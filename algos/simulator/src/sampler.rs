//! Ways to walk a world at random, to be compared with each other.
//!
//! | sampler | picks |
//! |---|---|
//! | `uniform` | any enabled event |
//! | `weights` | by class, under weights that each walk draws anew (Groce et al. 2012, *Swarm testing*) |
//! | `priorities` | what the source of highest priority has to offer; now and then that one becomes the last (after Burckhardt et al. 2010, *PCT*) |
//! | `cuts` | as `weights`, but some links carry nothing for a while |
//! | `guided` | as `weights`, mostly going on from worlds whose abstract state was new ([`Protocol::abstraction`]) |
//!
//! A source is what events of one kind come from: a link, a timer, a disk, the clients of a node. PCT has a
//! bound for its threads; here a source may always have something to offer, so one that has just been served
//! is put last with a probability of one in twelve instead of at `d` chosen steps, and whenever an event
//! changes nothing. No bound is claimed.
//!
//! A walk is a function of setup, story, sampler, seed and, for `guided`, of the walks before it; so a
//! sequence of walks is a function of sampler and seed. Which sampler is used where nobody chooses
//! ([`Sampler::DEFAULT`]) is decided by the bugs of the zoo, not here: a full round of it that ranks another one first
//! fails.
//!
//! Verified by `tests/it/sampler.rs`: every sampler repeats itself, takes enabled events alone, finds flawed toys, and
//! has its own mark: a link that is cut carries nothing, guidance goes on from what was new and from nothing else,
//! priorities stay with a source, weights spread what walks are made of; the order of priorities below.
//! How much of what can be reached each one sees is measured by the checker's calibration.

use core::fmt;
use core::hash::Hash;
use core::str::FromStr;

use smallvec::SmallVec;
use swarm_protocol::{Properties, Protocol, Stream, Violation, mix};

use crate::fingerprint::hash_of;
use crate::walk::Weights;
use crate::{Event, Setup, Subject, World};

/// A way to pick among enabled events; see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sampler {
    /// All alike.
    Uniform,
    /// By random weights of classes.
    Weights,
    /// By random priorities of sources.
    Priorities,
    /// By weights, with links cut for a while.
    Cuts,
    /// By weights, from where something new was seen.
    Guided,
}

impl Sampler {
    /// All samplers, in the order of tables.
    pub const ALL: [Sampler; 5] =
        [Sampler::Uniform, Sampler::Weights, Sampler::Priorities, Sampler::Cuts, Sampler::Guided];

    /// The one that is used where nobody chooses.
    pub const DEFAULT: Sampler = Sampler::Priorities;

    /// Whether a walk depends on what walks before it have met. The others search at random.
    pub const fn learns(self) -> bool {
        matches!(self, Sampler::Guided)
    }

    /// The sampler in one word.
    pub const fn name(self) -> &'static str {
        match self {
            Sampler::Uniform => "uniform",
            Sampler::Weights => "weights",
            Sampler::Priorities => "priorities",
            Sampler::Cuts => "cuts",
            Sampler::Guided => "guided",
        }
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Sampler {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Sampler::ALL.into_iter().find(|sampler| sampler.name() == text).ok_or_else(|| {
            let names = Sampler::ALL.map(Sampler::name).join(", ");
            format!("`{text}` is not a sampler ({names})")
        })
    }
}

/// One walk.
pub struct Sampled<P: Subject> {
    /// All that happened, the story first.
    pub events: Vec<Event<P>>,
    /// How many of them this walk has picked: its cost. The others are the story, or the way of an earlier
    /// walk to where this one went on.
    pub picked: u64,
    /// The property that the last event broke.
    pub violation: Option<Violation>,
}

/// Walks under one sampler, one after the other.
pub struct Walks<'a, P: Subject, Q> {
    setup: &'a Setup<P>,
    sampler: Sampler,
    seed: u64,
    /// How many events a walk has at most behind the story.
    length: usize,
    /// Where the story ends.
    start: Way<P, Q>,
    /// How many walks there were.
    walked: u64,
    pool: Pool<P, Q>,
    enabled: Vec<Event<P>>,
}

/// A world and what led there.
struct Way<P: Subject, Q> {
    world: World<P, Q>,
    events: Vec<Event<P>>,
}

impl<P: Subject, Q: Clone> Clone for Way<P, Q> {
    fn clone(&self) -> Self {
        Way { world: self.world.clone(), events: self.events.clone() }
    }
}

/// The purpose of streams.
const WALK: u64 = 0x7761_6c6b;

impl<'a, P: Subject, Q: Properties<P> + Eq + Hash> Walks<'a, P, Q> {
    /// Walks of at most `length` events behind the `story`, whose events happen first where they are enabled.
    pub fn new(setup: &'a Setup<P>, story: &[Event<P>], sampler: Sampler, seed: u64, length: usize) -> Self {
        let mut start = Way { world: World::new(setup), events: Vec::new() };
        for event in story {
            if start.world.apply(setup, event).is_ok() {
                start.events.push(event.clone());
            }
        }
        let pool = Pool::new(&start.world);
        Walks { setup, sampler, seed, length, start, walked: 0, pool, enabled: Vec::new() }
    }

    /// The next walk: to the first violation, to where nothing is enabled, or to its length. `see` is shown
    /// every world that a picked event has led to.
    pub fn walk(&mut self, mut see: impl FnMut(&World<P, Q>)) -> Sampled<P> {
        let mut stream = Stream::new(self.seed, WALK, self.walked);
        self.walked += 1;
        let Way { mut world, mut events } = match self.sampler {
            Sampler::Guided => self.pool.draw(&mut stream).unwrap_or(&self.start).clone(),
            _ => self.start.clone(),
        };
        let mut pick = Pick::new(self.sampler, self.setup.nodes(), &mut stream);
        let (mut picked, mut length) = (0, events.len() - self.start.events.len());
        let mut enabled = core::mem::take(&mut self.enabled);
        world.enabled(self.setup, &mut enabled);
        while length < self.length && !enabled.is_empty() {
            let event = enabled.swap_remove(pick.place(&enabled, &mut stream));
            let source = (self.sampler == Sampler::Priorities).then(|| source(&event));
            // An event that would leave the boundary is only taken off the list.
            let Ok(applied) = world.apply(self.setup, &event) else {
                continue;
            };
            if let Some(source) = source {
                pick.served(source, applied.changed, &mut stream);
            }
            events.push(event);
            (picked, length) = (picked + 1, length + 1);
            see(&world);
            if self.sampler == Sampler::Guided && applied.changed {
                self.pool.offer(&world, &events, &mut stream);
            }
            world.enabled(self.setup, &mut enabled);
        }
        self.enabled = enabled;
        Sampled { events, picked, violation: world.violation().cloned() }
    }
}

/// How one walk picks.
struct Pick {
    sampler: Sampler,
    weights: Weights,
    order: Order,
    /// The links that carry nothing, as bits of sender times nodes plus receiver; of a large cluster the
    /// first 64 only.
    cut: u64,
    nodes: u32,
    /// How many events there are until the links change.
    left: u64,
}

impl Pick {
    fn new(sampler: Sampler, nodes: u32, stream: &mut Stream) -> Self {
        let weights = match sampler {
            Sampler::Uniform | Sampler::Priorities => Weights::EVEN,
            _ => Weights::swarm(stream),
        };
        Pick {
            sampler,
            weights,
            order: Order { key: stream.draw(), last: Vec::new() },
            cut: 0,
            nodes,
            left: 0,
        }
    }

    /// Which of the enabled events happens.
    fn place<P: Subject>(&mut self, enabled: &[Event<P>], stream: &mut Stream) -> usize {
        match self.sampler {
            Sampler::Uniform => stream.below(enabled.len() as u64) as usize,
            Sampler::Priorities => self.foremost(enabled, stream),
            Sampler::Cuts => {
                self.change_links(stream);
                let (cut, nodes) = (self.cut, self.nodes);
                let weights = self.weights;
                weighted(
                    enabled,
                    stream,
                    |event| if is_cut(event, cut, nodes) { 0 } else { weights.of(event) },
                )
            }
            Sampler::Weights | Sampler::Guided => {
                let weights = self.weights;
                weighted(enabled, stream, |event| weights.of(event))
            }
        }
    }

    /// Any event of the source of highest priority.
    fn foremost<P: Subject>(&self, enabled: &[Event<P>], stream: &mut Stream) -> usize {
        let sources: SmallVec<[u64; 32]> = enabled.iter().map(source).collect();
        let best = self.order.first(&sources);
        let count = sources.iter().filter(|source| **source == best).count() as u64;
        let nth = stream.below(count.max(1)) as usize;
        sources
            .iter()
            .enumerate()
            .filter(|(_, source)| **source == best)
            .nth(nth)
            .map_or(0, |(place, _)| place)
    }

    /// Now and then, and after an event in vain, a source becomes the last.
    fn served(&mut self, source: u64, changed: bool, stream: &mut Stream) {
        if stream.below(12) == 0 || !changed {
            self.order.put_last(source);
        }
    }

    /// After some events other links are cut: each with a probability of one in four, or none.
    fn change_links(&mut self, stream: &mut Stream) {
        if self.left > 0 {
            self.left -= 1;
            return;
        }
        self.left = stream.between(4, 32);
        self.cut = if stream.below(2) == 0 { 0 } else { stream.draw() & stream.draw() };
    }
}

/// Sources by priority.
struct Order {
    /// Priorities are hashes of the source under this key.
    key: u64,
    /// Sources that were put last, each behind those before it.
    last: Vec<u64>,
}

impl Order {
    fn put_last(&mut self, source: u64) {
        self.last.retain(|last| *last != source);
        self.last.push(source);
    }

    /// The source of highest priority; 0 if there are none.
    fn first(&self, sources: &[u64]) -> u64 {
        let rank = |source: u64| match self.last.iter().rposition(|last| *last == source) {
            None => (1, mix(source ^ self.key)),
            Some(place) => (0, u64::MAX - place as u64),
        };
        sources.iter().copied().max_by_key(|source| rank(*source)).unwrap_or(0)
    }
}

/// The place of an event that is drawn by its weight; any, if all weights are 0.
fn weighted<P: Subject>(
    enabled: &[Event<P>],
    stream: &mut Stream,
    weight: impl Fn(&Event<P>) -> u64,
) -> usize {
    let weights: SmallVec<[u64; 64]> = enabled.iter().map(weight).collect();
    let total: u64 = weights.iter().sum();
    if total == 0 {
        return stream.below(enabled.len() as u64) as usize;
    }
    let mut left = stream.below(total);
    for (place, weight) in weights.iter().enumerate() {
        if left < *weight {
            return place;
        }
        left -= weight;
    }
    unreachable!("what was drawn lies below the sum of the weights")
}

/// Whether the event is a message on a link that carries nothing.
fn is_cut<P: Protocol>(event: &Event<P>, cut: u64, nodes: u32) -> bool {
    match event {
        Event::Deliver { from, to, .. } | Event::Duplicate { from, to, .. } => {
            let link = u64::from(from.0) * u64::from(nodes) + u64::from(to.node().0);
            link < 64 && cut >> link & 1 == 1
        }
        _ => false,
    }
}

/// What the event comes from.
fn source<P: Subject>(event: &Event<P>) -> u64 {
    let class = event.class();
    let slot = event.slot().map_or(0, |slot| u64::from(slot.0));
    let detail = match event {
        Event::Deliver { from, .. } | Event::Duplicate { from, .. } | Event::Drop { from, .. } => {
            u64::from(from.0)
        }
        Event::Timeout { timer, .. } => hash_of(TIMER, timer),
        _ => 0,
    };
    mix(detail << 8 ^ class as u64) ^ mix(slot)
}

/// The purpose under which timers are hashed.
const TIMER: u64 = 0x7469_6d65;

/// Worlds to go on from: those in which an abstract state was first seen.
struct Pool<P: Subject, Q> {
    known: hashbrown::HashSet<u64, core::hash::BuildHasherDefault<crate::coverage::Plain>>,
    ways: Vec<Way<P, Q>>,
}

impl<P: Subject, Q: Clone> Pool<P, Q> {
    /// How many worlds are kept; then a new one takes the place of any other.
    const WAYS: usize = 1024;
    /// How many abstract states are told apart; then none is new any more.
    const KNOWN: usize = 1 << 20;

    fn new(start: &World<P, Q>) -> Self {
        let mut pool = Pool { known: hashbrown::HashSet::default(), ways: Vec::new() };
        pool.known.insert(abstraction(start));
        pool
    }

    /// A world to go on from, three times of four.
    fn draw(&self, stream: &mut Stream) -> Option<&Way<P, Q>> {
        let (any, way) = (stream.below(4) > 0, stream.draw() as usize);
        (any && !self.ways.is_empty()).then(|| &self.ways[way % self.ways.len()])
    }

    fn offer(&mut self, world: &World<P, Q>, events: &[Event<P>], stream: &mut Stream) {
        if self.known.len() >= Self::KNOWN || !self.known.insert(abstraction(world)) {
            return;
        }
        let way = Way { world: world.clone(), events: events.to_vec() };
        if self.ways.len() < Self::WAYS {
            self.ways.push(way);
        } else {
            self.ways[stream.below(Self::WAYS as u64) as usize] = way;
        }
    }
}

fn abstraction<P: Subject, Q>(world: &World<P, Q>) -> u64 {
    let nodes: SmallVec<[Option<&P>; 8]> = world.nodes().collect();
    P::abstraction(&nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_goes_first_until_it_is_put_last() {
        for key in 0..50 {
            let mut order = Order { key, last: Vec::new() };
            let sources = [1, 2, 3, 4, 5];
            let mut served = Vec::new();
            for _ in sources {
                let first = order.first(&sources);
                assert_eq!(first, order.first(&sources), "it goes on");
                assert_eq!(first, order.first(&[1, 2, 3, 4, 5, first]));
                order.put_last(first);
                served.push(first);
            }
            let all: std::collections::BTreeSet<u64> = served.iter().copied().collect();
            assert_eq!(all.len(), 5, "who was put last waits for all others: {served:?}");
            assert_eq!(order.first(&sources), served[0], "and then it is their turn in the same order");
        }
        let firsts = (0..50).map(|key| Order { key, last: Vec::new() }.first(&[1, 2, 3]));
        assert_eq!(firsts.collect::<std::collections::BTreeSet<u64>>().len(), 3, "keys differ");
    }
}
