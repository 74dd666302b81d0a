//! What was found broken, as readers get it: scenario file, sequence diagram, and the command that shows it
//! again.
//!
//! A run in virtual time is told as one of a world, which is smaller, plays in milliseconds and needs no
//! seed: [`in_world`]. All are shrunk by one function, whichever engine they are from. Verified by `tests/it`: the scenario of a counterexample plays again to the same
//! violation, whichever engine it is from.

use std::hash::Hash;

use reports::artifact::Finding;
use swarm_protocol::Properties;
use swarm_simulator::shrink::{self, Shrunk, Ways};
use swarm_simulator::simulation::Traced;
use swarm_simulator::{Setup, Subject, Trace, diagram, scenario, shiviz};

use crate::exported::{Happened, Told};
use crate::search::Counterexample;

/// A counterexample from a world, shrunk; see [`shrink::smallest`]. `comment` stands at the top of its scenario,
/// `command` shows it again.
pub fn of_world<P: Subject<Config: Clone>, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    found: &Counterexample<P>,
    ways: &Ways<P>,
    comment: &str,
    command: &str,
) -> Finding {
    let (setup, found, how) = shortest::<P, Q>(setup, found, ways);
    told::<P, Q>(&setup, &found, &format!("{comment}\n{how}"), command)
}

/// The counterexample without all that can be spared, the world that it plays in, and how it got short.
pub fn shortest<P: Subject<Config: Clone>, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    found: &Counterexample<P>,
    ways: &Ways<P>,
) -> (Setup<P>, Counterexample<P>, String) {
    let property = found.violation.property;
    match shrink::smallest::<P, Q>(setup, &found.events, property, ways) {
        Some(shrunk) => {
            let how = format!("shrunk: {shrunk}");
            let Shrunk { setup, events, violation, .. } = shrunk;
            (setup, Counterexample { violation, events }, how)
        }
        None => {
            let found = Counterexample { violation: found.violation.clone(), events: found.events.clone() };
            (setup.clone(), found, "as it was found".to_owned())
        }
    }
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
        shiviz: Some(shiviz::log::<P, Q>(setup, &found.events)),
        trace: Some(for_programs(setup, found).to_json()),
        ..Finding::new(found.violation.property, &found.violation.detail)
    }
}

/// A counterexample as it is, for programs.
fn for_programs<P: Subject>(setup: &Setup<P>, found: &Counterexample<P>) -> Told {
    let events = found.events.iter().enumerate().map(|(place, event)| Happened {
        number: place + 1,
        kind: event.class().name().to_owned(),
        at: event.slot().map(|slot| slot.to_string()),
        event: format!("{event:?}"),
        check: String::new(),
    });
    Told::new(&setup.header(), events, found.violation.property, &found.violation.detail)
}

/// What a simulated run broke, shrunk, in a world that allows no more than it takes. None if a world does not
/// come to it: progress, and what clients saw under clocks and redirects, is more than a world can follow.
pub fn in_world<P: Subject<Config: Clone>, Q: Properties<P> + Eq + Hash>(
    config: P::Config,
    traced: &Traced<P>,
    ways: &Ways<P>,
) -> Option<Shrunk<P>> {
    let property = traced.run.violation.as_ref()?.property;
    traced.shrunk::<Q>(config, property, ways)
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
