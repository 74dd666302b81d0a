//! What was found broken, as readers get it: scenario file, sequence diagram, and the command that shows it
//! again.
//!
//! Verified by `tests/it`: the scenario of a counterexample plays again to the same violation.

use std::hash::Hash;

use reports::artifact::Finding;
use swarm_protocol::Properties;
use swarm_simulator::{Setup, Subject, Trace, diagram, scenario, shrink};

use crate::search::Counterexample;

/// A counterexample from a world, shrunk to events of which none can be spared. `comment` stands at the top
/// of its scenario, `command` shows it again.
pub fn of_world<P: Subject, Q: Properties<P> + Eq + Hash>(
    setup: &Setup<P>,
    found: &Counterexample<P>,
    comment: &str,
    command: &str,
) -> Finding {
    let violation = &found.violation;
    let shrunk = shrink::shrink::<P, Q>(setup, &found.events, violation.property);
    let events = shrunk.unwrap_or_else(|| found.events.clone());
    let mut trace = Trace::new(setup.header());
    for event in &events {
        trace.push(event.clone());
    }
    Finding {
        scenario: Some(scenario::write::<P, Q>(setup, &events, comment)),
        diagram: Some(diagram::mermaid(&trace, Some(violation))),
        replay: Some(command.to_owned()),
        ..Finding::new(violation.property, &violation.detail)
    }
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
