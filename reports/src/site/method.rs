//! How it was measured, what that does not show, and how to object.

use super::page::Page;
use super::{Site, throughput};
use crate::artifact::Payload;
use crate::number;
use crate::statistics::CONFIDENCE;

pub(super) fn page(site: &Site) -> Page {
    let mut page = Page::new(site, "method.html", "How it was measured, and how to object");
    page.section("one-type", "One type through every engine", |page| {
        page.paragraph(
            "An algorithm is one Rust type that takes an input and asks for effects. The model checker, the simulator, \
             the fuzzer, the benchmarks and the real driver run that same type: there is no separate model that could \
             drift from the code. The properties are written once, in the words of the paper, count quorums by \
             themselves, and never call what they judge.",
        );
    });
    page.section("shown", "What each engine shows", |page| {
        page.body().literal(
            "<ul><li><strong>Model checking</strong> visits every state of a small instance, or every state up to a \
             depth. It says nothing about larger instances, and nothing about time.</li>\
             <li><strong>Simulation</strong> samples long executions of larger clusters with faults. A run that passes \
             shows that this run passes; seeds are not a proof.</li>\
             <li><strong>Fuzzing</strong> looks for inputs that break a decoder or a handler. What it has not found may \
             exist.</li>\
             <li><strong>Interleavings</strong> of threads are explored for small models. Neither loom nor shuttle sees \
             into a dependency: what stands in for one is named in the table.</li>\
             <li><strong>The bug zoo</strong> shows that the engines above can fail. It shows it for these bugs.</li>\
             </ul>",
        );
        page.paragraph(
            "States are told apart by 64-bit fingerprints, so a state could be taken for one already visited; each \
             table gives the bound. Eventual progress is not claimed from the model checker; it is tested in the \
             simulator's time of healing.",
        );
    });
    page.section("speed", "How speed is measured", |page| {
        page.body().literal(
            "<ul><li>Ours, the peers and the floor do the same work in the same run, taking turns round by round. \
             Ratios are taken within a round, so that what disturbs the machine disturbs both.</li>\
             <li>The result of every round is verified, and its digest must be equal for all: what differs is not \
             compared.</li>\
             <li>The floor is the smallest program with the same data flow and no protocol: what the machine allows.\
             </li><li>Peers run at settings that their authors would accept; versions and settings stand in the table. \
             Where a peer has several settings, ours is compared with the best of them in each shape.</li>\
             <li>Latency is measured under open load from the planned time of each operation: waiting behind a stalled \
             operation counts. The generator's own lag is recorded, and voids the row where it makes more than half of p50 or p99.\
             </li></ul>",
        );
        page.paragraph(format!(
            "Figures are medians. Intervals are {} bootstrap intervals of the median over rounds; with fewer than eight \
             rounds, the range of the rounds. Nobody is called ahead where the interval of the ratio holds 1. The \
             intervals cover the noise between rounds of one process on one machine; they do not cover how the code \
             happened to be laid out in memory, other machines, or other workloads.",
            number::percent(CONFIDENCE)
        ));
    });
    page.section("not-compared", "What is not compared", |page| {
        page.paragraph("Absolute times of different machines; and what the measuring runs name themselves:");
        let mut reasons: Vec<String> = Vec::new();
        for artifact in &site.artifacts {
            let named = match &artifact.payload {
                Payload::Compare(compare) => &compare.not_compared,
                Payload::Scaling(scaling) => &scaling.not_compared,
                Payload::Latency(latency) => &latency.not_compared,
                _ => continue,
            };
            reasons
                .extend(named.iter().filter(|reason| !reasons.contains(reason)).cloned().collect::<Vec<_>>());
        }
        if reasons.is_empty() {
            page.paragraph("No run has named anything yet.");
        }
        throughput::list(page, &reasons);
    });
    page.section("bias", "Our bias", |page| {
        page.paragraph(
            "We wrote one of the implementations, the workloads, and this page. We know our own settings best, we chose \
             shapes that we thought of, and we stop looking sooner when a figure pleases us. Against that: peers' losses \
             and ours stand in the same table, a peer that is ahead is named first, raw samples are published, and \
             every figure has its command.",
        );
    });
    page.section("object", "How to object", |page| {
        page.paragraph(
            "Run the command beside the figure. If it comes out differently, or a peer's setting is not what its \
             authors would choose, open an issue with your artifact (the JSON file below target/artifacts) and the \
             setting: it is enough to have the figure re-measured or withdrawn. To see which bugs the checks miss, add \
             one to the zoo: it is a piece of text and its replacement.",
        );
    });
    page
}
