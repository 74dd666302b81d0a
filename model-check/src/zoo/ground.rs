//! Where bugs are hunted: worlds small enough to search, a simulation, and a story that leads to where a bug
//! can strike.
//!
//! A story is the beginning of a scenario: events that happen before anybody hunts, because what they lead
//! to is hard to reach at random and says nothing about the bug yet. It must be playable to its last line,
//! and break nothing, in every copy that is hunted on its ground, the control included; the hunter refuses
//! to begin otherwise. So a bug that strikes earlier, or code that has moved on, is not mistaken for a hunt
//! in vain.
//!
//! Verified by `tests/it/zoo.rs`: the stories of every ground play in the code as it is, and stories that
//! cannot are refused with their line.

use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

use swarm_protocol::{Properties, Protocol};
use swarm_simulator::scenario::Scenario;
use swarm_simulator::simulation::Simulation;
use swarm_simulator::world::Perform;
use swarm_simulator::{Event, EventClass, Setup, Subject, World};

/// A place to look for bugs.
pub struct Ground<P: Subject, Q> {
    /// Its name in the catalogue.
    pub name: &'static str,
    /// The world of walks and of the fuzzer.
    pub setup: fn() -> Setup<P>,
    /// The world of the checker: narrower, so that a search gets somewhere.
    pub narrow: fn() -> Setup<P>,
    /// What happens in either world first, one line each as in a scenario file.
    pub story: &'static str,
    /// How many events a walk has at most, after the story.
    pub walk_events: usize,
    /// The simulation.
    pub simulation: fn() -> Simulation<P, Q>,
}

/// How scenario files speak of a protocol's configuration, so that a counterexample says all that it needs.
pub struct Dialect<P: Protocol> {
    /// Lines `config KEY VALUE` for what is not usual.
    pub write: fn(&P::Config) -> String,
    /// The configuration that a file describes.
    pub read: Read<P>,
    /// How tasks are done, of which no file speaks; none if there are none.
    pub perform: Option<Perform<P>>,
}

/// How a configuration is read from a scenario.
pub type Read<P> = fn(&Scenario<<P as Protocol>::Op>) -> Result<<P as Protocol>::Config, String>;

impl<P, Q> Ground<P, Q>
where
    P: Subject<Op: FromStr<Err: fmt::Display>>,
    Q: Properties<P> + Eq + Hash,
{
    /// The events of the story in a world of the ground.
    ///
    /// # Errors
    /// The first line that cannot happen, with what can; or what the story breaks by itself.
    pub fn story(&self, setup: &Setup<P>) -> Result<Vec<Event<P>>, String> {
        let header = setup.header();
        let error = |error: swarm_simulator::scenario::ScenarioError| {
            let line = error.line.saturating_sub(header.lines().count());
            format!("the story of ground {} stops at its line {line}: {}", self.name, error.reason)
        };
        let text = format!("{header}{}", self.story);
        let scenario = Scenario::<P::Op>::parse("story", &text).map_err(error)?;
        let played = scenario.play::<P, Q>(setup).map_err(error)?;
        match played.violation {
            None => Ok(played.trace.events().cloned().collect()),
            Some(violation) => Err(format!("the story of ground {} alone breaks {violation}", self.name)),
        }
    }
}

/// The bytes by which [`swarm_simulator::walk::steer`] takes these events: what a fuzzer would have in its
/// corpus.
///
/// # Errors
/// If an event cannot happen, or there are too many for a byte to choose from.
pub fn steering<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    story: &[Event<P>],
) -> Result<Vec<u8>, String> {
    let (mut world, mut enabled, mut bytes) = (World::<P, Q>::new(setup), Vec::new(), Vec::new());
    for event in story {
        world.enabled(setup, &mut enabled);
        let class = event.class();
        let is_enabled = |class: &&EventClass| enabled.iter().any(|event| event.class() == **class);
        let before = EventClass::ALL.iter().take_while(|other| **other != class).filter(is_enabled).count();
        let place = enabled.iter().filter(|other| other.class() == class).position(|other| other == event);
        let pair = place.and_then(|place| Some([u8::try_from(before).ok()?, u8::try_from(place).ok()?]));
        bytes.extend(pair.ok_or_else(|| format!("no bytes lead to {event:?}"))?);
        world.apply(setup, event).map_err(|error| format!("{event:?}: {error}"))?;
    }
    Ok(bytes)
}
