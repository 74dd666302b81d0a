//! Artifacts of invented numbers, for tests alone: any shape that the types allow.

use std::collections::BTreeMap;

use quickcheck::{Arbitrary, Gen};
use reports::artifact::{
    Action, Artifact, Atlas, Bench, Benchmark, Bin, Bug, CalibratedInstance, CalibratedSampler, Calibration,
    CalibrationPoint, Compare, ComparedModel, ComparedPromise, Coverage, Decisive, Detection, ElectionClaim,
    ElectionRange, Elections, FaultMet, Finding, Footprint, Fuzz, FuzzRun, Implementation, Injected,
    Instance, Interleavings, Interval, Latency, LoadPoint, Measurement, MessagePair, Metric, Near, Opinions,
    Outcome, Overlap, Payload, PropertyKind, PropertyResult, PublishedPoint, Quantile, Quantiles,
    RankedSampler, Rewound, Role, SCHEMA, SamplerHunt, Seen, Shard, Simulate, Stage, Test, Verify, Zoo,
};
use reports::machine::{Conditions, Fingerprint};

/// An artifact with random content, valid in form.
#[derive(Clone, Debug)]
pub(crate) struct Invented(pub(crate) Artifact);

impl Arbitrary for Invented {
    fn arbitrary(g: &mut Gen) -> Self {
        let payload = payload(g);
        Invented(Artifact {
            schema: SCHEMA,
            verb: payload.verb(),
            algorithm: (*g.choose(&["raft", "scenario", "pbft"]).expect("three")).to_owned(),
            subject: format!("raft-{}", u8::arbitrary(g) % 4),
            title: text(g),
            revision: text(g),
            dirty: bool::arbitrary(g),
            machine: Fingerprint {
                cpu: maybe(g, text),
                threads: u32::arbitrary(g).into(),
                mhz: maybe(g, number),
                hypervisor: maybe(g, bool::arbitrary),
                memory_bytes: maybe(g, u64::arbitrary),
                rustc: text(g),
                ..Fingerprint::default()
            },
            conditions: Conditions {
                load_start: maybe(g, number),
                load_end: None,
                steal_share: maybe(g, number),
            },
            command: text(g),
            started: text(g),
            duration_s: number(g),
            cpu_s: maybe(g, number),
            outcome: outcome(g),
            parameters: some(g, |g| (text(g), text(g))).into_iter().collect(),
            shard: maybe(g, |g| Shard { index: u32::arbitrary(g) % 3, count: u32::arbitrary(g) }),
            payload,
            metrics: some(g, metric),
            findings: some(g, finding),
        })
    }
}

/// Any text, with what breaks pages and tables more often than chance would have it.
fn text(g: &mut Gen) -> String {
    let awkward =
        ["<script>alert(1)</script>", "\"><img src=x onerror=y>", "a,b\n\"c\"", "=1+1", "&amp;", "|x|", ""];
    if bool::arbitrary(g) { String::arbitrary(g) } else { (*g.choose(&awkward).expect("some")).to_owned() }
}

/// Any finite number.
fn number(g: &mut Gen) -> f64 {
    let number = f64::arbitrary(g);
    if number.is_finite() { number } else { 0.1 }
}

fn maybe<T>(g: &mut Gen, mut make: impl FnMut(&mut Gen) -> T) -> Option<T> {
    bool::arbitrary(g).then(|| make(g))
}

fn some<T>(g: &mut Gen, mut make: impl FnMut(&mut Gen) -> T) -> Vec<T> {
    (0..u8::arbitrary(g) % 4).map(|_| make(g)).collect()
}

fn counts(g: &mut Gen) -> BTreeMap<String, u64> {
    some(g, |g| (text(g), u64::arbitrary(g))).into_iter().collect()
}

fn outcome(g: &mut Gen) -> Outcome {
    let reason = text(g);
    g.choose(&[Outcome::Passed, Outcome::Failed, Outcome::Interrupted, Outcome::Skipped { reason }])
        .expect("four")
        .clone()
}

fn finding(g: &mut Gen) -> Finding {
    let scenario = maybe(g, text);
    let picture = maybe(g, text);
    let (diagram, replay) = (maybe(g, text), maybe(g, text));
    Finding { scenario, diagram, replay, picture, ..Finding::new(&text(g), text(g)) }
}

fn metric(g: &mut Gen) -> Metric {
    let interval = maybe(g, |g| Interval { low: number(g), high: number(g), confidence: 0.95 });
    let samples = some(g, number);
    Metric { interval, samples, file: maybe(g, text), ..Metric::counted(&text(g), number(g), &text(g)) }
}

fn quantiles(g: &mut Gen) -> Quantiles {
    let points = some(g, |g| Quantile { q: number(g), value: number(g) });
    Quantiles { unit: text(g), count: u64::arbitrary(g), points }
}

fn implementation(g: &mut Gen) -> Implementation {
    let role = *g.choose(&[Role::Ours, Role::Peer, Role::Floor]).expect("three");
    Implementation::new(role, &text(g), &text(g), &text(g))
}

fn payload(g: &mut Gen) -> Payload {
    match u8::arbitrary(g) % 12 {
        11 => Payload::Elections(elections(g)),
        10 => Payload::Opinions(opinions(g)),
        9 => Payload::Calibration(calibration(g)),
        8 => Payload::Decisive(decisive(g)),
        0 => Payload::Verify(Verify { instances: some(g, instance), interleavings: some(g, interleavings) }),
        1 => Payload::Simulate(simulate(g)),
        2 => Payload::Zoo(Zoo {
            bugs: some(g, bug),
            samplers: some(g, ranked_sampler),
            orderings: some(g, bug),
        }),
        3 => Payload::Fuzz(Fuzz {
            runs: some(g, |g| FuzzRun {
                guided: bool::arbitrary(g),
                executions: u64::arbitrary(g),
                wall_s: number(g),
                features: maybe(g, u64::arbitrary),
                crashes: u64::arbitrary(g),
                sanitizers: some(g, text),
                ..FuzzRun::new(&text(g), u64::arbitrary(g))
            }),
            injected: some(g, |g| Injected {
                bug: text(g),
                engine: text(g),
                found: bool::arbitrary(g),
                ..Injected::default()
            }),
            ..Fuzz::new(&text(g))
        }),
        4 => Payload::Compare(Compare {
            workload: text(g),
            unit: text(g),
            measurements: some(g, measurement),
            not_compared: some(g, text),
        }),
        5 => Payload::Latency(Latency {
            arrivals: text(g),
            points: some(g, load_point),
            not_compared: some(g, text),
        }),
        6 => Payload::Bench(Bench {
            base: maybe(g, text),
            benchmarks: some(g, |g| Benchmark {
                name: text(g),
                figure: metric(g),
                against: maybe(g, metric),
            }),
        }),
        _ => Payload::Test(Test {
            stages: some(g, |g| Stage {
                name: text(g),
                outcome: outcome(g),
                passed: u64::arbitrary(g),
                failed: u64::arbitrary(g),
                skipped: u64::arbitrary(g),
                not_run: maybe(g, text),
                wall_s: number(g),
                findings: some(g, finding),
            }),
        }),
    }
}

fn instance(g: &mut Gen) -> Instance {
    Instance {
        name: text(g),
        engine: text(g),
        bounds: some(g, |g| (text(g), text(g))).into_iter().collect(),
        threads: u32::arbitrary(g),
        states: u64::arbitrary(g),
        generated: u64::arbitrary(g),
        depth: u32::arbitrary(g),
        complete: bool::arbitrary(g),
        complete_depth: maybe(g, u32::arbitrary),
        stopped: maybe(g, text),
        cpu_s: number(g),
        wall_s: number(g),
        peak_memory_bytes: maybe(g, u64::arbitrary),
        memory_budget_bytes: maybe(g, u64::arbitrary),
        properties: some(g, |g| PropertyResult {
            name: text(g),
            kind: *g
                .choose(&[PropertyKind::Always, PropertyKind::Sometimes, PropertyKind::Eventually])
                .expect("three"),
            holds: bool::arbitrary(g),
            length: maybe(g, u32::arbitrary),
        }),
        levels: some(g, u64::arbitrary),
        footprint: maybe(g, |g| Footprint {
            bytes_per_state: number(g),
            spilled_states: u64::arbitrary(g),
            spilled_bytes: u64::arbitrary(g),
            remade_states: u64::arbitrary(g),
            spill_failed: maybe(g, text),
        }),
        actions: some(g, |g| Action {
            event: text(g),
            kind: maybe(g, text),
            fired: u64::arbitrary(g),
            fresh: maybe(g, u64::arbitrary),
        }),
    }
}

fn interleavings(g: &mut Gen) -> Interleavings {
    Interleavings {
        name: text(g),
        engine: text(g),
        executions: u64::arbitrary(g),
        stand_in: maybe(g, text),
        wall_s: number(g),
        passed: bool::arbitrary(g),
        ..Interleavings::default()
    }
}

fn simulate(g: &mut Gen) -> Simulate {
    Simulate {
        profile: text(g),
        seed_first: u64::arbitrary(g),
        seed_end: u64::arbitrary(g),
        runs: u64::arbitrary(g),
        steps: u64::arbitrary(g),
        cpu_s: number(g),
        virtual_s: number(g),
        operations: counts(g),
        faults: counts(g),
        marks: counts(g),
        refusals: counts(g),
        recovery: maybe(g, quantiles),
        recovery_bins: some(g, |g| Bin { from: number(g), to: number(g), count: u64::arbitrary(g) }),
        properties: some(g, text),
        digest: maybe(g, text),
        atlas: maybe(g, |g| Atlas {
            injected: counts(g),
            declined: u64::arbitrary(g),
            outside: counts(g),
            outside_violated: counts(g),
        }),
        coverage: maybe(g, coverage),
        ..Simulate::default()
    }
}

fn coverage(g: &mut Gen) -> Coverage {
    Coverage {
        runs: u64::arbitrary(g),
        states: u64::arbitrary(g),
        states_once: u64::arbitrary(g),
        states_exact: bool::arbitrary(g),
        unseen: maybe(g, number),
        new_per_run: maybe(g, number),
        faults: some(g, |g| FaultMet {
            fault: text(g),
            role: text(g),
            phase: text(g),
            count: u64::arbitrary(g),
        }),
        messages: some(g, |g| MessagePair { before: text(g), kind: text(g), count: u64::arbitrary(g) }),
        overlaps: some(g, |g| Overlap {
            first: text(g),
            how: text(g),
            other: text(g),
            count: u64::arbitrary(g),
        }),
    }
}

fn decisive(g: &mut Gen) -> Decisive {
    let mut moment = u64::from(u8::arbitrary(g));
    Decisive {
        of: text(g),
        profile: text(g),
        seed: u64::arbitrary(g),
        nodes: u32::arbitrary(g),
        property: text(g),
        detail: text(g),
        moments: u64::arbitrary(g),
        events: u64::arbitrary(g),
        time_s: number(g),
        rewound: some(g, |g| {
            moment = moment.wrapping_add(u64::arbitrary(g) % 3);
            Rewound {
                moment,
                events: u64::arbitrary(g),
                time_s: number(g),
                event: maybe(g, text),
                futures: u32::arbitrary(g),
                failing: u32::arbitrary(g),
            }
        }),
    }
}

fn bug(g: &mut Gen) -> Bug {
    Bug {
        id: text(g),
        title: text(g),
        source: text(g),
        property: text(g),
        expected_engine: text(g),
        hard: bool::arbitrary(g),
        canary: bool::arbitrary(g),
        visible: maybe(g, text),
        argued: maybe(g, text),
        edit: maybe(g, text),
        detections: some(g, |g| Detection {
            engine: text(g),
            found: bool::arbitrary(g),
            effort: u64::arbitrary(g),
            effort_unit: text(g),
            trials: some(g, number),
            found_trials: maybe(g, u32::arbitrary),
            cpu_s: number(g),
            length: maybe(g, u32::arbitrary),
            control_passed: bool::arbitrary(g),
            property: maybe(g, text),
            shown: maybe(g, text),
            effort_low: maybe(g, u64::arbitrary),
            effort_high: maybe(g, u64::arbitrary),
            cpu_low_s: maybe(g, number),
            cpu_high_s: maybe(g, number),
        }),
        counterexample: maybe(g, finding),
        samplers: some(g, sampler_hunt),
        missed_events: maybe(g, u64::arbitrary),
        near: some(g, |g| Near {
            engine: text(g),
            left: u32::arbitrary(g),
            of: u32::arbitrary(g),
            effort: u64::arbitrary(g),
            effort_unit: text(g),
        }),
    }
}

fn opinions(g: &mut Gen) -> Opinions {
    Opinions {
        spin: maybe(g, text),
        missing: some(g, text),
        models: some(g, |g| ComparedModel {
            name: text(g),
            known: u64::arbitrary(g),
            states: some(g, |g| (text(g), u64::arbitrary(g))).into_iter().collect(),
        }),
        promises: some(g, |g| ComparedPromise {
            model: text(g),
            name: text(g),
            known: bool::arbitrary(g),
            kept: some(g, |g| (text(g), bool::arbitrary(g))).into_iter().collect(),
        }),
    }
}

fn elections(g: &mut Gen) -> Elections {
    let range = |g: &mut Gen| {
        let mut times_ms = some(g, number);
        times_ms.sort_by(f64::total_cmp);
        ElectionRange {
            plot: text(g),
            low_ms: number(g),
            high_ms: number(g),
            delays: text(g),
            times_ms,
            open: u64::arbitrary(g) % 3,
            published: some(g, |g| PublishedPoint { share: number(g), time_ms: number(g) }),
        }
    };
    let claim = |g: &mut Gen| ElectionClaim {
        figure: text(g),
        published: maybe(g, text),
        measured: text(g),
        bounds: maybe(g, text),
        holds: maybe(g, bool::arbitrary),
    };
    Elections {
        servers: u32::arbitrary(g),
        seed_first: u64::arbitrary(g),
        seed_end: u64::arbitrary(g),
        cap_ms: number(g),
        ranges: some(g, range),
        claims: some(g, claim),
    }
}

fn calibration(g: &mut Gen) -> Calibration {
    let share =
        |g: &mut Gen| if bool::arbitrary(g) { number(g) } else { f64::from(u8::arbitrary(g)) / 255.0 };
    let seen =
        |g: &mut Gen| Seen { share: some(g, share), claimed: some(g, share), came_true: some(g, share) };
    Calibration {
        instances: some(g, |g| CalibratedInstance {
            name: text(g),
            bounds: some(g, |g| (text(g), text(g))).into_iter().collect(),
            states: u64::arbitrary(g),
            abstract_states: u64::arbitrary(g),
            depth: u32::arbitrary(g),
            walk_events: u32::arbitrary(g),
            strangers: u64::arbitrary(g) % 2,
            samplers: some(g, |g| CalibratedSampler {
                sampler: text(g),
                default: bool::arbitrary(g),
                points: some(g, |g| CalibrationPoint {
                    events: u64::arbitrary(g),
                    states: seen(g),
                    abstract_states: seen(g),
                }),
            }),
        }),
        left_out: some(g, |g| (text(g), text(g))).into_iter().collect(),
    }
}

fn sampler_hunt(g: &mut Gen) -> SamplerHunt {
    SamplerHunt {
        sampler: text(g),
        found_in: u32::arbitrary(g),
        of: u32::arbitrary(g),
        effort: u64::arbitrary(g),
        effort_low: maybe(g, u64::arbitrary),
        effort_high: maybe(g, u64::arbitrary),
        events: u64::arbitrary(g),
        long_events: maybe(g, u64::arbitrary),
        long_found: maybe(g, bool::arbitrary),
    }
}

fn ranked_sampler(g: &mut Gen) -> RankedSampler {
    RankedSampler {
        sampler: text(g),
        found: u32::arbitrary(g),
        of: u32::arbitrary(g),
        ratio: maybe(g, number),
        default: bool::arbitrary(g),
    }
}

fn measurement(g: &mut Gen) -> Measurement {
    Measurement {
        implementation: implementation(g),
        window: u64::arbitrary(g) % 3,
        samples: some(g, number),
        messages_per_commit: maybe(g, number),
        latency: maybe(g, quantiles),
        digest: (*g.choose(&["a", "b"]).expect("two")).to_owned(),
        verified: bool::arbitrary(g),
        ..Measurement::default()
    }
}

fn load_point(g: &mut Gen) -> LoadPoint {
    LoadPoint {
        implementation: implementation(g),
        offered_per_s: number(g),
        achieved_per_s: number(g),
        seconds: number(g),
        response: quantiles(g),
        service: quantiles(g),
        generator_lag: quantiles(g),
        late_share: number(g),
        void: bool::arbitrary(g),
        hlog: maybe(g, text),
        hgrm: maybe(g, text),
    }
}
