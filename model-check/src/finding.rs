//! What was found broken, as readers get it: scenario file, sequence diagram, and the command that shows it
//! again.
//!
//! A run in virtual time is told as one of a world, which is smaller, plays in milliseconds and needs no
//! seed: [`in_world`]. Verified by `tests/it`: the scenario of a counterexample plays again to the same
//! violation, whichever engine it is from.

use std::hash::Hash;

use reports::artifact::Finding;
use swarm_protocol::{Properties, Violation};
use swarm_simulator::simulation::Traced;
use swarm_simulator::world::{FlushMode, Identical, SyncMode};
use swarm_simulator::{Event, EventClass, Setup, Subject, Trace, diagram, scenario, shrink};

use crate::search::Counterexample;

/// A counterexample from a world, shrunk to events of which none can be spared. `comment` stands at the top
/// of its scenario, `command` shows it again.
pub fn of_world<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    found: &Counterexample<P>,
    comment: &str,
    command: &str,
) -> Finding {
    told::<P, Q>(setup, &shortest::<P, Q>(setup, found), comment, command)
}

/// The counterexample without the events that can be spared.
pub fn shortest<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    found: &Counterexample<P>,
) -> Counterexample<P> {
    let shrunk = shrink::shrink::<P, Q>(setup, &found.events, found.violation.property);
    let events = shrunk.unwrap_or_else(|| found.events.clone());
    // What exactly is broken may be another thing once other events are gone.
    let (world, _) = shrink::replay::<P, Q>(setup, &events);
    let violation = world.violation().unwrap_or(&found.violation).clone();
    Counterexample { violation, events }
}

/// A counterexample as it is.
pub fn told<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    found: &Counterexample<P>,
    comment: &str,
    command: &str,
) -> Finding {
    let mut trace = Trace::new(setup.header());
    for event in &found.events {
        trace.push(event.clone());
    }
    Finding {
        scenario: Some(scenario::write::<P, Q>(setup, &found.events, comment)),
        diagram: Some(diagram::mermaid(&trace, Some(&found.violation))),
        replay: Some(command.to_owned()),
        ..Finding::new(found.violation.property, &found.violation.detail)
    }
}

/// What a simulated run broke, in a world that allows little more than it takes. None if a world does not
/// come to it: progress, and what clients saw under clocks and redirects, is more than a world can follow.
///
/// Costs a replay for each attempt to leave something out: seconds for thousands of events.
pub fn in_world<P: Subject, Q: Properties<P> + Eq + Hash>(
    config: P::Config,
    traced: &Traced<P>,
) -> Option<(Setup<P>, Counterexample<P>)> {
    let property = traced.run.violation.as_ref()?.property;
    let (mut setup, events) = traced.shrunk::<Q>(config, property)?;
    let violation = tightened::<P, Q>(&mut setup, &events, property)?;
    Some((setup, Counterexample { violation, events }))
}

/// Takes from the bounds what these events do not use. Gives what they break: none if the run needs more
/// messages in flight than a scenario may say.
fn tightened<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &mut Setup<P>,
    events: &[Event<P>],
    property: &str,
) -> Option<Violation> {
    let count = |class| events.iter().filter(|event| event.class() == class).count() as u32;
    setup.bounds.crashes = count(EventClass::Crash);
    setup.bounds.duplicates = count(EventClass::Duplicate);
    setup.bounds.drops = count(EventClass::Drop);
    setup.bounds.disk_failures = count(EventClass::DiskFail);
    let broken = |setup: &Setup<P>| {
        let (world, happened) = shrink::replay::<P, Q>(setup, events);
        let violation = world.violation().filter(|violation| violation.property == property);
        violation.filter(|_| happened.len() == events.len()).cloned()
    };
    let in_flight = [32, 100, scenario::IN_FLIGHT_MAX];
    let mut violation = in_flight.into_iter().find_map(|in_flight| {
        setup.bounds.in_flight = in_flight;
        broken(setup)
    })?;
    // The plainest way for copies, batches and writes that will do.
    let plainer: [fn(&mut Setup<P>); 4] = [
        |setup| setup.bounds.identical = Identical::Merge,
        |setup| setup.bounds.flush = FlushMode::Eager,
        |setup| setup.bounds.sync = SyncMode::Whole,
        |setup| setup.bounds.sync = SyncMode::Eager,
    ];
    for plain in plainer {
        let before = setup.bounds;
        plain(setup);
        match broken(setup) {
            Some(same) => violation = same,
            None => setup.bounds = before,
        }
    }
    Some(violation)
}

/// Prints a finding for people.
pub fn print(finding: &Finding) {
    println!("\nFOUND {}: {}", finding.property, finding.detail);
    for (title, text) in
        [("scenario", &finding.scenario), ("diagram", &finding.diagram), ("to see it again", &finding.replay)]
    {
        if let Some(text) = text {
            println!("{title}:\n{text}");
        }
    }
}
