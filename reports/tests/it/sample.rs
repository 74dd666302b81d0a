//! A site as it might be, with invented numbers: for tests, and to be looked at in a browser
//! (`REPORTS_KEEP_SITE=DIR cargo test -p reports --test browser`). Nothing here was measured.

use std::collections::BTreeMap;
use std::path::Path;

use reports::artifact::{
    Action, Atlas, Bench, Benchmark, Bin, Bug, CalibratedInstance, CalibratedSampler, Calibration,
    CalibrationPoint, Compare, Coverage, Decisive, Detection, ElectionClaim, ElectionRange, Elections,
    FaultMet, Finding, Footprint, Fuzz, FuzzRun, Idle, Implementation, Injected, Instance, Interleavings,
    Latency, LoadPoint, Measurement, MessagePair, Metric, Near, Outcome, Overlap, Payload, PropertyResult,
    PublishedPoint, Quantile, Quantiles, RankedSampler, Rewound, Role, SamplerHunt, Scaling, ScalingSeries,
    Seen, Sharing, Simulate, Stage, Test, Verb, Verify, Zoo,
};
use reports::recorder::Recorder;

/// Writes invented artifacts of every verb below `root`.
pub(crate) fn write(root: &Path) -> std::io::Result<()> {
    let start = |verb, subject: &str, command: &str| Recorder::start_in(root, verb, subject, command);

    let mut run = start(Verb::Verify, "raft", "cargo xtask verify raft --quick")?;
    run.title("Raft, model checked").parameter("threads", 2);
    run.finish(Outcome::Passed, Payload::Verify(verify()))?;

    let mut run = start(Verb::Verify, "raft-own", "cargo xtask verify raft --quick --engine own")?;
    run.title("Raft, model checked by the engine of our own").parameter("threads", 2);
    run.finish(Outcome::Passed, Payload::Verify(by_own_engine()))?;

    let mut run = start(Verb::Simulate, "raft", "cargo xtask simulate raft --seeds 0..1000")?;
    run.title("Raft, simulated");
    run.finish(Outcome::Passed, Payload::Simulate(simulate()))?;

    let command = "cargo xtask simulate raft --decisive --without-storage";
    let mut run = start(Verb::Simulate, "raft-without-storage-decisive", command)?;
    run.algorithm("raft").title("A failing run, rewound");
    run.finish(Outcome::Passed, Payload::Decisive(decisive()))?;

    let command = "cargo xtask simulate raft --elections";
    let mut run = start(Verb::Simulate, "raft-elections", command)?;
    run.algorithm("raft").title("Elections of raft after a crash");
    run.finish(Outcome::Passed, Payload::Elections(elections()))?;

    let mut run = start(Verb::Verify, "raft-calibration", "cargo xtask verify raft --calibrate")?;
    run.algorithm("raft").title("How much of raft samplers see").parameter("seeds", 10);
    run.finish(Outcome::Passed, Payload::Calibration(calibration()))?;

    for (target, algorithm, executions) in [
        ("raft-message", "raft", 616_305),
        ("raft-handlers", "raft", 92_210),
        ("scenario", "scenario", 534_825),
    ] {
        let mut run = start(Verb::Fuzz, target, &format!("cargo xtask fuzz {target}"))?;
        run.algorithm(algorithm).title(&format!("Fuzzing {target}"));
        let (guided, random) = ("libFuzzer on stable", "corpus replay and random bytes");
        let injected = |engine: &str, executions| Injected {
            bug: "length-not-checked".into(),
            engine: engine.into(),
            found: true,
            executions,
            wall_s: 1.4,
        };
        let injected = vec![injected(guided, 8_123), injected(random, 30_276)];
        let runs = vec![
            FuzzRun {
                guided: true,
                executions,
                wall_s: 61.0,
                corpus: 213,
                features: Some(1_844),
                edges: Some(902),
                ..FuzzRun::new(guided, 1)
            },
            FuzzRun { executions: 1_000_000, wall_s: 15.2, corpus: 48, ..FuzzRun::new(random, 1) },
        ];
        let injected = if target == "raft-message" { injected } else { Vec::new() };
        let fuzz = Fuzz { runs, injected, ..Fuzz::new(target) };
        run.finish(Outcome::Passed, Payload::Fuzz(fuzz))?;
    }

    let mut run = start(Verb::Compare, "work-stealing", "cargo xtask compare work-stealing")?;
    run.algorithm("work-stealing").title("Work stealing: what more threads make of fork and join");
    run.finish(Outcome::Passed, Payload::Scaling(scaling()))?;

    let mut run = start(Verb::Test, "workspace", "cargo xtask test")?;
    run.algorithm("harness").title("The test suite");
    run.finish(Outcome::Passed, Payload::Test(test()))?;

    let mut run = start(Verb::Bench, "raft", "cargo xtask bench")?;
    run.title("Criterion's estimates").profile("bench");
    let figure = Metric::measured("time of one", "ns", vec![41.2, 40.9, 41.0, 41.4, 42.1, 40.8, 41.1, 41.0]);
    let bench = Benchmark { name: "step/append of 16, acknowledged".into(), figure, against: None };
    run.finish(Outcome::Passed, Payload::Bench(Bench { base: None, benchmarks: vec![bench] }))?;

    let mut run = start(Verb::Zoo, "raft", "cargo xtask zoo raft")?;
    run.title("Raft's bugs put back");
    run.finish(Outcome::Passed, Payload::Zoo(zoo()))?;

    let mut run = start(Verb::Compare, "raft", "cargo xtask compare")?;
    run.title("Raft and raft-rs, interleaved").allocator("mimalloc").profile("bench");
    run.finish(Outcome::Passed, Payload::Compare(compare()))?;

    let mut run = start(Verb::Latency, "raft", "cargo xtask latency raft")?;
    run.title("Raft under open load").allocator("mimalloc").profile("bench");
    let hlog = run.file_beside("ours-100000.hlog", b"#[Histogram log format version 1.3]\n")?;
    run.metric(Metric::measured("clock reading", "ns", vec![20.4, 20.6, 20.5]));
    run.finish(Outcome::Passed, Payload::Latency(latency(&hlog)))?;
    Ok(())
}

/// What may go wrong, on top of [`write`]: a failed run, a skipped one, an unreadable file.
pub(crate) fn write_trouble(root: &Path) -> std::io::Result<()> {
    let mut run =
        Recorder::start_in(root, Verb::Simulate, "raft-wild", "cargo xtask simulate raft --profile wild")?;
    // What stands in a picture is never read as the page's own.
    let picture = Some("<svg onload=\"no()\"/>".to_owned());
    let seen = counterexample("linearizability", "op7 read a value that op3 had replaced");
    run.finding(Finding { picture, ..seen });
    for seed in 0..9 {
        run.finding(Finding::new(
            "log_matching",
            format!("seed {seed}: two logs differ below the commit index"),
        ));
    }
    let broken = Simulate {
        profile: "wild".into(),
        failures: 1,
        runs: 400,
        linearizable: 399,
        undecided: 0,
        ..simulate()
    };
    run.finish(Outcome::Failed, Payload::Simulate(broken))?;
    let run = Recorder::start_in(root, Verb::Verify, "raft-threads", "cargo xtask verify raft --full")?;
    let reason = "no nightly toolchain: rustup toolchain install nightly".to_owned();
    run.finish(Outcome::Skipped { reason }, Payload::Verify(Verify::default()))?;
    std::fs::write(root.join("fuzz/broken.json"), "{\n  \"schema\": 2,\n")
}

fn test() -> Test {
    let stage = |name: &str, passed, skipped: u64, wall_s| Stage {
        name: name.into(),
        outcome: Outcome::Passed,
        passed,
        failed: 0,
        skipped,
        not_run: (skipped > 0).then(|| "pages_work_from_disk_in_a_real_browser: no Chromium".into()),
        wall_s,
        findings: Vec::new(),
    };
    let clippy = Outcome::Skipped { reason: "no clippy (rustup component add clippy)".into() };
    Test {
        stages: vec![
            stage("format", 1, 0, 0.6),
            Stage { outcome: clippy, ..stage("clippy", 0, 1, 0.0) },
            stage("cargo-test", 512, 1, 94.0),
        ],
    }
}

/// The first two instances again: one with fewer transitions, and one with another number of states.
fn by_own_engine() -> Verify {
    let mut instances = verify().instances;
    instances.truncate(2);
    for instance in &mut instances {
        instance.engine = "swarmproof, level by level, sleep sets".into();
        instance.stopped = None;
        instance.complete = true;
        instance.cpu_s /= 2.5;
        instance.generated = instance.generated / 100 * 55;
    }
    instances[1].states += 1;
    Verify { instances, interleavings: Vec::new() }
}

fn verify() -> Verify {
    let bounds = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let properties = |depth| {
        let names = ["election_safety", "leader_append_only", "log_matching", "leader_completeness"];
        let always = names.into_iter().chain(["state_machine_safety", "linearizability"]);
        let sometimes = [("leader-elected", 9), ("command-committed", 15), ("log-truncated", depth)];
        let always = always.map(|name| PropertyResult::always(name, None));
        always.chain(sometimes.map(|(name, length)| PropertyResult::sometimes(name, Some(length)))).collect()
    };
    let instance = |name: &str, states: u64, depth, complete_depth: Option<u32>| Instance {
        name: name.into(),
        engine: "stateright, breadth first".into(),
        bounds: bounds(&[("crashes", "1"), ("nodes", "3"), ("terms", "2"), ("operations", "2")]),
        threads: 2,
        states,
        generated: states * 3 + 17,
        depth,
        complete: complete_depth.is_none(),
        complete_depth,
        stopped: complete_depth.map(|_| "state limit".into()),
        cpu_s: states as f64 / 281_000.0,
        wall_s: states as f64 / 500_000.0,
        peak_memory_bytes: Some(states * 410),
        memory_budget_bytes: Some(4 << 30),
        properties: properties(depth / 2),
        levels: levels(states, depth),
        footprint: Some(Footprint {
            bytes_per_state: 28.4,
            spilled_states: states / 3,
            ..Footprint::default()
        }),
        actions: actions(states, name),
    };
    let interleavings = |name: &str, engine: &str, executions| Interleavings {
        name: name.into(),
        engine: engine.into(),
        threads: 2,
        executions,
        minimum: executions / 2,
        preemption_bound: (engine == "loom").then_some(3),
        stand_in: Some("a bounded ring of three slots for the lane's queue".into()),
        wall_s: 2.4,
        passed: true,
    };
    Verify {
        instances: vec![
            instance("three nodes, one crash", 2_481_204, 31, Some(22)),
            instance("two nodes, closed", 318_442, 44, None),
            instance("five nodes, elections", 1_004_331, 19, Some(16)),
        ],
        interleavings: vec![
            interleavings("no_wake_up_is_lost", "loom", 5_412),
            interleavings("lanes_under_pressure", "shuttle, PCT", 20_000),
        ],
    }
}

/// A hump.
fn levels(states: u64, depth: u32) -> Vec<u64> {
    let weight = |at: u32| (f64::from(at + 1) * f64::from(depth + 2 - at)).powi(3);
    let all: f64 = (0..=depth).map(weight).sum();
    (0..=depth).map(|at| (weight(at) / all * states as f64) as u64 + 1).collect()
}

fn actions(states: u64, name: &str) -> Vec<Action> {
    let action = |event: &str, kind: Option<&str>, share: u64| Action {
        event: event.into(),
        kind: kind.map(str::to_owned),
        fired: states * share / 100,
        fresh: Some(states * share / 300),
    };
    let crash = if name.contains("elections") { 0 } else { 11 };
    vec![
        action("crash", None, crash),
        action("deliver", Some("Append"), 88),
        action("deliver", Some("RequestVote"), 71),
        action("deliver", Some("Vote"), 40),
        action("restart", None, crash),
        action("timeout", Some("Election"), 52),
    ]
}

fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn simulate() -> Simulate {
    Simulate {
        profile: "chaos".into(),
        seed_first: 0,
        seed_end: 1000,
        threads: 2,
        runs: 1000,
        failures: 0,
        linearizable: 998,
        undecided: 2,
        steps: 48_211_930,
        cpu_s: 19.7,
        virtual_s: 61_300.0,
        operations: counts(&[("answered", 401_233), ("not taken", 21_002), ("unknown", 1_733)]),
        faults: counts(&[
            ("crash", 3_112),
            ("full partition", 804),
            ("loss", 912_554),
            ("duplication", 88_123),
            ("disk stall", 655),
            ("one-way partition", 391),
        ]),
        marks: counts(&[("leader-elected", 1000), ("log-truncated", 733), ("pre-vote-refused", 912)]),
        refusals: counts(&[("stale-term", 70_112), ("not-a-member", 0)]),
        recovery_bins: Bin::growing((0..1000).map(|run| (150 + 700 * run * run / 1_000_000, 1))),
        recovery: Some(Quantiles::of("ms", 1000, |q| 150.0 + 700.0 * q * q)),
        properties: vec!["election_safety".into(), "log_matching".into(), "state_machine_safety".into()],
        digest: Some("9f2c11d07be4a8e3".into()),
        atlas: Some(Atlas {
            injected: counts(&[
                ("nodes down at a time, at most", 2),
                ("disks lost", 122),
                ("faulty identities", 0),
            ]),
            declined: 3541,
            outside: counts(&[("too many nodes down", 3)]),
            outside_violated: counts(&[("progress", 1)]),
        }),
        coverage: Some(coverage()),
    }
}

/// Failure is unlikely, until a crash makes it likely and a sync certain.
/// Samplers that see more with more events, each at a pace of its own.
pub(crate) fn calibration() -> Calibration {
    let instance = |name: &str, states: u64, pace: f64| {
        let sampler = |(place, sampler): (usize, &str)| {
            let point = |events: u64| {
                let reached = 1.0 - (-(events as f64) * (pace + place as f64 * 1e-6)).exp();
                let around = |share: f64| -> Vec<f64> {
                    (0..10).map(|seed| (share * (0.95 + 0.01 * f64::from(seed))).min(1.0)).collect()
                };
                let came_true = around((1.0 - reached) / 3.0);
                // The last one promises nothing, and claims too little.
                let claimed = came_true.iter().map(|share| if place == 4 { share / 3.0 } else { *share });
                let states = Seen { share: around(reached), claimed: claimed.collect(), came_true };
                let abstract_states = Seen { share: around(reached.sqrt()), ..states.clone() };
                CalibrationPoint { events, states, abstract_states }
            };
            CalibratedSampler {
                sampler: sampler.to_owned(),
                default: sampler == "weights",
                points: [1_000, 10_000, 100_000].map(point).to_vec(),
            }
        };
        let samplers = ["uniform", "weights", "priorities", "cuts", "guided"];
        CalibratedInstance {
            name: name.into(),
            bounds: BTreeMap::from([("nodes".to_owned(), "2".to_owned())]),
            states,
            abstract_states: 103,
            depth: 26,
            walk_events: 52,
            strangers: 0,
            samplers: samplers.into_iter().enumerate().map(sampler).collect(),
        }
    };
    Calibration {
        instances: vec![instance("two-nodes", 22_814, 2e-6), instance("between-writes", 99_874, 5e-7)],
        left_out: BTreeMap::from([("closed".to_owned(), "it has 1,883,301 states".to_owned())]),
    }
}

fn scaling() -> Scaling {
    let ours = Implementation::new(Role::Ours, "swarm-work-stealing", "0.1.0", "join");
    let peer = Implementation::new(Role::Peer, "rayon-core", "1.13", "join");
    let plain = Implementation::new(Role::Floor, "sequential", "0.1.0", "plain recursion");
    let series = |implementation: &Implementation, threads: u32, wall: f64| ScalingSeries {
        implementation: implementation.clone(),
        work: "fib(27)".into(),
        operation: "join".into(),
        operations: 317_810,
        threads,
        wall_ns: (0..9).map(|round| wall * (1.0 + 0.01 * f64::from(round))).collect(),
        sequential_ns: vec![430_000.0; 9],
    };
    let sharing = |implementation: &Implementation, other: &str, median: f64, missed| Sharing {
        implementation: implementation.clone(),
        other: other.into(),
        missed,
        latency: Quantiles {
            unit: "ns".into(),
            count: 1_000 - missed,
            points: [(0.5, 1.0), (0.9, 2.0), (0.99, 9.0), (1.0, 40.0)]
                .map(|(q, times)| Quantile { q, value: median * times })
                .into(),
        },
    };
    Scaling {
        cores: 2,
        series: vec![
            series(&plain, 1, 430_000.0),
            series(&ours, 1, 540_000.0),
            series(&ours, 2, 280_000.0),
            series(&peer, 1, 3_300_000.0),
            series(&peer, 2, 1_700_000.0),
        ],
        sharing: vec![
            sharing(&ours, "searching", 400.0, 0),
            sharing(&ours, "asleep", 9_000.0, 2),
            sharing(&peer, "searching", 700.0, 0),
        ],
        idle: vec![Idle { implementation: ours, threads: 2, cpu_share: 0.0 }],
        not_compared: vec!["forte: builds on nightly only".into()],
    }
}

fn elections() -> Elections {
    let range = |plot: &str, low_ms: f64, high_ms: f64, open: u64| {
        let median = PublishedPoint { share: 0.5, time_ms: 287.0 };
        let round = low_ms * 4.0 / (high_ms - low_ms + 0.5);
        let time =
            |trial: i32| low_ms * 0.6 + round * (-(1.0 - f64::from(trial) / 500.0).ln()) + high_ms * 0.2;
        ElectionRange {
            plot: plot.into(),
            low_ms,
            high_ms,
            delays: "request 3 ms; reply, with its disk write, 12 ms; each ±50 %".into(),
            times_ms: (0..500 - open as i32).map(time).collect(),
            open,
            published: if (154.0..156.0).contains(&high_ms) { vec![median] } else { Vec::new() },
        }
    };
    let (randomness, scale) = ("How much randomness", "At what scale");
    let claim = |figure: &str, published: &str, measured: &str, bounds: Option<&str>| ElectionClaim {
        figure: figure.into(),
        published: Some(published.into()),
        measured: measured.into(),
        bounds: bounds.map(str::to_owned),
        holds: bounds.map(|_| true),
    };
    Elections {
        servers: 5,
        seed_first: 0,
        seed_end: 500,
        cap_ms: 20_000.0,
        ranges: vec![
            range(randomness, 150.0, 150.0, 280),
            range(randomness, 150.0, 151.0, 1),
            range(randomness, 150.0, 155.0, 0),
            range(randomness, 150.0, 175.0, 0),
            range(randomness, 150.0, 200.0, 0),
            range(randomness, 150.0, 300.0, 0),
            range(scale, 12.0, 24.0, 0),
            range(scale, 25.0, 50.0, 0),
            range(scale, 150.0, 300.0, 0),
        ],
        claims: vec![
            claim("150–155 ms: median", "287 ms", "281 ms", Some("258.3 to 315.7 ms")),
            claim("12–24 ms: mean", "35 ms", "51 ms", None),
        ],
    }
}

fn decisive() -> Decisive {
    let failing = |moment: u64| match moment {
        0..30 => 11 + moment as u32 % 4,
        30..36 => 134 + moment as u32,
        _ => 200,
    };
    let rewound = [0, 5, 10, 15, 20, 25, 28, 29, 30, 31, 34, 35, 36, 40].map(|moment| Rewound {
        moment,
        events: moment * 14,
        time_s: moment as f64 / 8.0,
        event: (moment > 0).then(|| match moment {
            30 => "crash n1 0".to_owned(),
            36 => "sync n0 1".to_owned(),
            _ => format!("deliver n0 n1 Append(t1 prev {moment}@1 [Put(1,5)@1 Get(1)@1 Cas(0,5,3)@1 Cas(2,5,2)@1 Get(2)@1] c13)"),
        }),
        futures: 200,
        failing: failing(moment),
    });
    Decisive {
        of: "raft on disks that keep nothing".into(),
        profile: "everything".into(),
        seed: 0,
        nodes: 3,
        property: "state_machine_safety".into(),
        detail: "n0 and n2 have applied different commands at index 3".into(),
        moments: 40,
        events: 560,
        time_s: 5.0,
        rewound: rewound.into(),
    }
}

fn coverage() -> Coverage {
    let met = |fault: &str, role: &str, phase: &str, count| FaultMet {
        fault: fault.into(),
        role: role.into(),
        phase: phase.into(),
        count,
    };
    let pair =
        |before: &str, kind: &str, count| MessagePair { before: before.into(), kind: kind.into(), count };
    let overlap = |first: &str, how: &str, other: &str, count| Overlap {
        first: first.into(),
        how: how.into(),
        other: other.into(),
        count,
    };
    Coverage {
        runs: 1000,
        states: 48_231,
        states_once: 9_120,
        states_exact: true,
        unseen: Some(0.0021),
        new_per_run: Some(9.1),
        faults: vec![
            met("crash", "leader", "writing", 211),
            met("crash", "leader", "idle", 1_204),
            met("crash", "follower", "writing", 78),
            met("crash", "follower", "idle", 1_619),
            met("partition", "leader", "idle", 804),
            met("partition", "candidate", "idle", 3),
            met("disk stall", "follower", "writing", 655),
        ],
        messages: vec![
            pair("start", "RequestVote", 3_112),
            pair("RequestVote", "Vote", 9_001),
            pair("Vote", "Append", 8_760),
            pair("Append", "Append", 12_480_112),
            pair("Append", "RequestVote", 41),
            pair("Append", "Appended", 9_331_018),
        ],
        overlaps: vec![
            overlap("Get", "within", "Put", 20_112),
            overlap("Put", "within", "Put", 8_113),
            overlap("Get", "overtaken by", "Put", 77),
        ],
    }
}

fn counterexample(property: &str, detail: &str) -> Finding {
    Finding {
        scenario: Some(
            "nodes 3\ncrashes 1\ntimeout n0 Election\ndeliver n0 n1 RequestVote(t1 last 0@0)\ncrash n1 kept 0\n\
             restart n1\n----\nviolates election_safety\n"
                .into(),
        ),
        diagram: Some(
            "sequenceDiagram\n  participant n0\n  participant n1\n  participant n2\n  Note over n0: timeout Election\n  \
             n0->>n1: RequestVote(t1 last 0@0)\n  n0-xn2: RequestVote(t1 last 0@0)\n  Note over n1: crash, restart\n  \
             n2->>n1: RequestVote(t1 last 0@0)\n  n1->>n2: Vote(t1 granted)\n"
                .into(),
        ),
        replay: Some("cargo xtask zoo raft --bug vote-not-durable".into()),
        ..Finding::new(property, detail)
    }
}

/// What walks under each sampler made of a bug that takes about so much.
fn sampler_hunts(id: &str, effort: u64) -> Vec<SamplerHunt> {
    let samplers = ["cuts", "weights", "uniform", "guided", "priorities"];
    let hunt = |(place, sampler): (u64, &str)| {
        let hard = id == "figure-eight";
        SamplerHunt {
            sampler: sampler.into(),
            found_in: if hard { 0 } else { 20 - 3 * place as u32 },
            of: 20,
            effort: if hard { 1_000_000 } else { effort * (1 + place) },
            events: 20_000_000,
            long_events: hard.then_some(10_000_000),
            long_found: hard.then_some(false),
            ..SamplerHunt::default()
        }
    };
    (0..).zip(samplers).map(hunt).collect()
}

fn ranking() -> Vec<RankedSampler> {
    let ranked = |(sampler, found, ratio): (&str, u32, f64)| RankedSampler {
        sampler: sampler.into(),
        found,
        of: 3,
        ratio: Some(ratio),
        default: sampler == "weights",
    };
    [("cuts", 3, 1.07), ("weights", 3, 1.31), ("uniform", 2, 2.6), ("guided", 2, 4.4), ("priorities", 1, 9.0)]
        .map(ranked)
        .to_vec()
}

fn near() -> Vec<Near> {
    let near = |engine: &str, left, effort, unit: &str| Near {
        engine: engine.into(),
        left,
        of: 51,
        effort,
        effort_unit: unit.into(),
    };
    vec![near("checker", 9, 812_000, "states"), near("walks", 14, 441_902, "events")]
}

fn zoo() -> Zoo {
    let bug = |id: &str, title: &str, property: &str, engine: &str, effort: u64| {
        let detection = |engine: &str, found, effort, unit: &str| Detection {
            engine: engine.into(),
            found,
            property: Some(property.into()),
            effort,
            effort_unit: unit.into(),
            trials: if engine == "simulator" { vec![3.0, 5.0, 9.0, 4.0, 7.0] } else { Vec::new() },
            found_trials: Some(if engine == "simulator" { if found { 4 } else { 0 } } else { 1 }),
            cpu_s: effort as f64 / 250_000.0,
            length: found.then_some(14),
            control_passed: true,
            ..Detection::default()
        };
        Bug {
            id: id.into(),
            title: title.into(),
            source: "Ongaro 2014, figure 3.7".into(),
            property: property.into(),
            expected_engine: engine.into(),
            hard: id == "figure-eight",
            canary: id == "canary",
            visible: None,
            argued: None,
            edit: None,
            detections: vec![
                detection("checker", true, effort, "states"),
                detection("simulator", id != "figure-eight", 5, "seeds"),
            ],
            counterexample: Some(counterexample(property, title)),
            samplers: sampler_hunts(id, effort),
            missed_events: (id == "figure-eight").then_some(20_000_000),
            near: if id == "figure-eight" { near() } else { Vec::new() },
        }
    };
    Zoo {
        samplers: ranking(),
        orderings: Vec::new(),
        bugs: vec![
            bug(
                "vote-not-durable",
                "a vote is sent before it is on disk",
                "election_safety",
                "checker",
                48_112,
            ),
            bug(
                "figure-eight",
                "entries of an earlier term are committed by counting",
                "leader_completeness",
                "checker",
                1_204_887,
            ),
            bug(
                "stale-log-elected",
                "the candidate's log is not compared",
                "leader_completeness",
                "simulator",
                9_321,
            ),
            bug("canary", "every vote is granted", "election_safety", "checker", 211),
        ],
    }
}

fn implementation(role: Role) -> Implementation {
    match role {
        Role::Ours => Implementation::new(role, "swarm-raft", "0.1.0", "batching by flush, pipelined"),
        Role::Peer => Implementation::new(
            role,
            "raft-rs",
            "0.7.0",
            "proposals in bursts, skip_bcast_commit, max_inflight 256",
        ),
        Role::Floor => Implementation::new(role, "floor", "–", "three vectors and two channels"),
    }
}

fn compare() -> Compare {
    let measurement = |role, window, rate: f64, spread: f64| Measurement {
        implementation: implementation(role),
        nodes: 3,
        payload_bytes: 64,
        window,
        samples: (0..12)
            .map(|round| rate * (1.0 + spread * (f64::from(round * 7 % 12) - 5.5) / 5.5))
            .collect(),
        messages_per_commit: Some(4.0 / window as f64),
        latency: None,
        digest: format!("d{window}"),
        verified: true,
    };
    Compare {
        workload: "a closed loop of clients on one thread, three nodes, commands of 64 bytes, the committed prefix digested".into(),
        unit: "commits per CPU-second".into(),
        measurements: vec![
            measurement(Role::Ours, 1, 0.53e6, 0.03),
            measurement(Role::Peer, 1, 0.55e6, 0.02),
            measurement(Role::Floor, 1, 4.1e6, 0.02),
            measurement(Role::Ours, 64, 6.2e6, 0.05),
            measurement(Role::Peer, 64, 2.4e6, 0.04),
            measurement(Role::Floor, 64, 21e6, 0.03),
            measurement(Role::Ours, 1024, 9.9e6, 0.06),
            measurement(Role::Peer, 1024, 2.8e6, 0.03),
            measurement(Role::Floor, 1024, 31e6, 0.03),
        ],
        not_compared: vec!["openraft: an asynchronous runtime would be measured instead".into()],
    }
}

fn latency(hlog: &str) -> Latency {
    let point = |role, rate: f64, base: f64| LoadPoint {
        implementation: implementation(role),
        offered_per_s: rate,
        achieved_per_s: rate * 0.999,
        seconds: 10.0,
        response: Quantiles::of("ns", 100_000, |q| base * (1.0 + 0.4 / (1.0003 - q).powf(0.75))),
        service: Quantiles::of("ns", 100_000, |q| base * (1.0 + 0.2 / (1.001 - q).powf(0.6))),
        generator_lag: Quantiles::of("ns", 100_000, |q| 200.0 / (1.01 - q)),
        late_share: 0.0021,
        void: rate > 350_000.0 && role == Role::Peer,
        hlog: Some(hlog.to_owned()),
        hgrm: Some("raft/absent.hgrm".to_owned()),
    };
    let points = [50_000.0, 100_000.0, 200_000.0, 400_000.0].into_iter().flat_map(|rate| {
        let load = 1.0 + rate / 150_000.0;
        [point(Role::Ours, rate, 9_000.0 * load), point(Role::Peer, rate, 14_000.0 * load * load)]
    });
    Latency { arrivals: "Poisson, seed 7".into(), points: points.collect(), not_compared: Vec::new() }
}
