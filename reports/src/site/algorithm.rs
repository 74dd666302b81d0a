//! The page of one algorithm, or of the harness: a section for each verb that has, or should have, results.

use super::page::Page;
use super::{
    HARNESS, Site, calibration, decisive, display_name, elections, findability, further, fuzzing, latency,
    opinions, scaling, shows_what_ran, simulation, throughput, verification, zoo,
};
use crate::artifact::{Artifact, Payload, Verb};

pub(super) fn page(site: &Site, algorithm: &str) -> Page {
    let mut page = Page::new(site, &format!("{algorithm}.html"), display_name(algorithm));
    let harness = algorithm == HARNESS;
    if harness {
        page.paragraph("Parts that every algorithm rests on: their own checks and measurements.");
    }
    let has = |verb: Verb| site.about(algorithm).any(|artifact| artifact.verb == verb);
    // Code that threads share has a zoo, and nothing of what only protocols have.
    let protocol = !shows_what_ran(algorithm);
    let shown = |verb: Verb| protocol || has(verb);
    let compared = |artifact: &Artifact| matches!(artifact.payload, Payload::Opinions(_));
    if harness && site.about(algorithm).any(compared) {
        page.section("engines", "Engines on small models", |page| opinions::write(page, site, algorithm));
    }
    let searched = |artifact: &Artifact| artifact.verb == Verb::Verify && !compared(artifact);
    if protocol || site.about(algorithm).any(searched) {
        verification::write(&mut page, site, algorithm);
        calibration::write(&mut page, site, algorithm);
    }
    if shown(Verb::Simulate) {
        simulation::write(&mut page, site, algorithm);
        decisive::write(&mut page, site, algorithm);
        elections::write(&mut page, site, algorithm);
    }
    if shown(Verb::Fuzz) {
        fuzzing::write(&mut page, site, algorithm);
    }
    if shown(Verb::Zoo) {
        zoo::write(&mut page, site, algorithm);
    }
    if protocol {
        findability::write(&mut page, site, algorithm);
    }
    let timed = |artifact: &Artifact| matches!(artifact.payload, Payload::Compare(_));
    if protocol || site.about(algorithm).any(timed) {
        throughput::write(&mut page, site, algorithm);
    }
    scaling::write(&mut page, site, algorithm);
    if shown(Verb::Latency) {
        latency::write(&mut page, site, algorithm);
    }
    if has(Verb::Bench) {
        further::benchmarks(&mut page, site, algorithm);
    }
    if has(Verb::Test) {
        further::tests(&mut page, site, algorithm);
    }
    if site.about(algorithm).any(|artifact| !artifact.metrics.is_empty()) {
        further::metrics(&mut page, site, algorithm);
    }
    page
}
