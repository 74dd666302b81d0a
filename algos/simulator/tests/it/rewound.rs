//! Runs up to some moment, with other futures.

use swarm_protocol::{Stream, Ticks};
use swarm_simulator::profile::{Pace, Profile, Span};
use swarm_simulator::simulation::{Rewound, Run, Simulation, Traced};

use crate::toy::{Config, Flaw, OneValuePerVersion, Op, Register};

type Cluster = Simulation<Register, OneValuePerVersion>;

const END: Ticks = Ticks(u64::MAX);

fn workload(draw: &mut Stream) -> Op {
    if draw.below(2) == 0 { Op::Read } else { Op::Write(draw.below(200) as u8) }
}

fn cluster(flaw: Flaw) -> Cluster {
    let pace = Pace {
        faults: Ticks::from_millis(2000),
        interval: Span::micros(50_000, 1_000_000),
        outage: Span::micros(5_000, 500_000),
        ..Pace::default()
    };
    Simulation::new(Config { nodes: 3, flaw }, 3, workload).profile(Profile::EVERYTHING).pace(pace)
}

fn told(traced: &Traced<Register>) -> Vec<String> {
    traced.trace.iter().map(|(at, event)| format!("{at} {event:?}")).collect()
}

#[test]
fn another_future_begins_with_the_recorded_past() {
    let cluster = cluster(Flaw::None);
    let recorded = cluster.trace(3);
    let past = told(&recorded);
    for moments in [0, 1, 40, 400, recorded.moments.len() / 2] {
        let rewound = |seed| Rewound { moments: moments as u64, seed, until: END };
        let [one, other] = [901, 902].map(|seed| told(&cluster.trace_rewound(3, rewound(seed))));
        let kept = moments.checked_sub(1).map_or(0, |last| recorded.moments[last] as usize);
        assert_eq!(one[..kept], past[..kept], "{moments}");
        assert_eq!(other[..kept], past[..kept], "{moments}");
        // Three futures of one past: what is drawn anew soon shows.
        assert_ne!(one, past, "{moments}");
        assert_ne!(one, other, "{moments}");
        let parted = one.iter().zip(&other).position(|(one, other)| one != other).expect("they differ");
        assert!(parted < kept + 200, "{moments}: {parted}");
    }
}

#[test]
fn with_its_own_seed_or_behind_its_end_a_run_stays_as_it_was() {
    let cluster = cluster(Flaw::None);
    let recorded = cluster.run(5);
    let as_recorded = |rewound| assert_eq!(cluster.run_rewound(5, rewound), recorded);
    as_recorded(Rewound { moments: 100, seed: 5, until: END });
    as_recorded(Rewound { moments: u64::MAX, seed: 6, until: END });
    as_recorded(Rewound { moments: u64::MAX, seed: 6, until: recorded.time });
    let cut =
        cluster.run_rewound(5, Rewound { moments: u64::MAX, seed: 6, until: Ticks(recorded.time.0 / 2) });
    assert!(cut.cut_short && cut.time.0 <= recorded.time.0 / 2 && cut.steps < recorded.steps, "{cut:?}");
    assert_eq!(cut.violation, None);
}

#[test]
fn a_failure_stays_once_its_last_moment_is_kept_and_not_always_before() {
    let cluster = cluster(Flaw::AnswersAtOnce);
    let (seed, recorded) = (0..50)
        .map(|seed| (seed, cluster.trace(seed)))
        .find(|(_, traced)| traced.run.violation.is_some())
        .expect("the flaw is found");
    let futures = |moments: u64| -> Vec<Run> {
        let rewound = |other: u64| Rewound { moments, seed: 1000 + other, until: recorded.run.time };
        (0..20).map(|other| cluster.run_rewound(seed, rewound(other))).collect()
    };
    let failing = |runs: &[Run]| runs.iter().filter(|run| run.violation.is_some()).count();
    let all = recorded.moments.len() as u64;
    let last = futures(all);
    assert_eq!(failing(&last), 20);
    assert!(last.iter().all(|run| run.violation == recorded.run.violation));
    assert!(failing(&futures(0)) < 20, "nothing has happened yet");
}
