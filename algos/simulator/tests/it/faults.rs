//! Faults one at a time: each strikes, does what its name says, and is missed by whoever forgets it.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use swarm_protocol::{Stream, Ticks};
use swarm_simulator::Event;
use swarm_simulator::profile::{Fault, Faults, Pace, Profile, Span};
use swarm_simulator::simulation::{Assumption, Injury, Simulation, Summary};

use crate::toy::{Config, Flaw, OneValuePerVersion, Op, Register};

type Cluster = Simulation<Register, OneValuePerVersion>;

fn workload(draw: &mut Stream) -> Op {
    if draw.below(2) == 0 { Op::Read } else { Op::Write(draw.below(200) as u8) }
}

fn cluster(flaw: Flaw, faults: &[Fault]) -> Cluster {
    let pace = Pace {
        latency: Span::micros(100, 1_000),
        think: Span::micros(0, 2_000),
        faults: Ticks::from_millis(4000),
        interval: Span::micros(50_000, 1_000_000),
        outage: Span::micros(5_000, 500_000),
        ..Pace::default()
    };
    let profile = Profile::new("one", Faults::of(faults));
    Simulation::new(Config { nodes: 3, flaw }, 3, workload).profile(profile).pace(pace)
}

fn campaign(cluster: &Cluster, seeds: u64) -> Summary {
    cluster.campaign(0..seeds, 2, &AtomicBool::new(false), |_| ())
}

/// The first seed under which `fault` strikes.
fn struck(cluster: &Cluster, fault: Fault) -> u64 {
    (0..50).find(|seed| cluster.run(*seed).faults.contains_key(fault.name())).expect("it strikes")
}

/// Every kind but those of liars, which `byzantine.rs` has, and reordered writes, which take several under way and
/// are in `disks.rs`: where it is counted the run is another than without it, where it is not counted the run is
/// the same, and coverage has it as often as nodes were struck.
#[test]
fn each_kind_of_fault_changes_the_runs_that_count_it_and_no_other() {
    let elsewhere = [Fault::Twins, Fault::Adversary, Fault::Reordered];
    for fault in Fault::ALL.into_iter().filter(|fault| !elsewhere.contains(fault)) {
        // It is a crash that tears a write.
        let base: &[Fault] = if fault == Fault::Torn { &[Fault::Crash] } else { &[] };
        let one = |faults: &[Fault]| {
            let mut cluster = cluster(Flaw::None, faults).clients(6).cover_every(1);
            cluster.pace.interval = Span::micros(20_000, 100_000);
            cluster.pace.faults = Ticks::from_millis(400);
            cluster.pace.progress = Ticks::from_millis(200);
            cluster.assumption = Assumption { lost_max: 2, forgetful_max: 2, ..cluster.assumption };
            cluster
        };
        let (with, without) = (one(&[base, &[fault]].concat()), one(base));
        let (mut struck_runs, mut spared_runs, mut told) = (0, 0, 0);
        for seed in 0..50 {
            let (with, without) = (with.run(seed), without.run(seed));
            let struck = with.faults.get(fault.name()).copied().unwrap_or(0);
            let differ = (with.digest, with.steps) != (without.digest, without.steps);
            assert!(struck > 0 || !differ, "{fault:?} is not counted, and changes seed {seed}");
            let covered = with.coverage.as_ref().expect("every seed tells");
            let met = covered.faults.iter().filter(|((name, ..), _)| *name == fault.name());
            let met: u64 = met.map(|(_, count)| count).sum();
            assert!(met >= struck, "{fault:?} strikes {struck} times and meets {met} nodes: seed {seed}");
            struck_runs += u32::from(struck > 0 && differ);
            spared_runs += u32::from(struck == 0);
            let tells = match fault {
                Fault::Loss => "drop",
                Fault::Duplication => "duplicate",
                Fault::Crash | Fault::Wipe => "crash",
                Fault::DiskFailure | Fault::DiskFull => "disk-fail",
                _ => continue,
            };
            assert!(struck > 0 || !with.events.contains_key(tells), "{fault:?}, seed {seed}");
            told += u32::from(with.events.contains_key(tells));
        }
        assert!(struck_runs > 2 && spared_runs > 2, "{fault:?}: {struck_runs} struck, {spared_runs} spared");
        let tells = matches!(
            fault,
            Fault::Loss
                | Fault::Duplication
                | Fault::Crash
                | Fault::Wipe
                | Fault::DiskFailure
                | Fault::DiskFull
        );
        assert_eq!(told > 2, tells, "{fault:?}: {told} runs have the event");
    }
}

#[test]
fn flaws_are_found_by_the_fault_that_they_forget_and_by_no_other() {
    let milder = [Fault::Loss, Fault::Duplication, Fault::Crash, Fault::Partition, Fault::Stall];
    for (flaw, fault, property) in [
        (Flaw::GoesOnAfterFailure, Fault::DiskFull, "progress"),
        (Flaw::GoesOnAfterFailure, Fault::DiskFailure, "progress"),
        (Flaw::TrustsItsClock, Fault::Jump, "panic"),
    ] {
        let violated = campaign(&cluster(flaw, &[fault]), 60).violated;
        assert!(violated.contains_key(property), "{flaw:?} under {fault:?}: {violated:?}");
        assert_eq!(campaign(&cluster(Flaw::None, &[fault]), 60).violated, BTreeMap::new(), "{fault:?}");
        assert_eq!(campaign(&cluster(flaw, &milder), 60).violated, BTreeMap::new(), "{flaw:?}");
    }
}

#[test]
fn a_node_whose_disk_fails_comes_back_after_an_outage() {
    let mut cluster = cluster(Flaw::None, &[Fault::DiskFailure]);
    cluster.pace.outage = Span::micros(5_000, 50_000);
    let mut returns = 0;
    for seed in 0..20 {
        let mut failed = BTreeMap::new();
        for (at, event) in &cluster.trace(seed).trace {
            match event {
                Event::DiskFail { at: slot } => assert_eq!(failed.insert(*slot, *at), None, "seed {seed}"),
                Event::Restart { at: slot } => {
                    let away = at.since(failed.remove(slot).expect("nothing else ends a node"));
                    assert!(away.0 <= 50_000, "seed {seed}: {away} away, an outage is shorter");
                    returns += 1;
                }
                _ => {}
            }
        }
    }
    assert!(returns > 20, "{returns}");
}

#[test]
fn who_claims_to_survive_a_wiped_disk_and_does_not_is_found() {
    let mut cluster = cluster(Flaw::None, &[Fault::Wipe]);
    assert_eq!(campaign(&cluster, 60).faults.get("wipe"), None, "nothing may be lost");
    cluster.assumption = Assumption { lost_max: 3, wiped_returns: true, ..cluster.assumption };
    let summary = campaign(&cluster, 60);
    assert!(summary.faults["wipe"] > 10 && summary.outside.is_empty(), "{summary:?}");
    assert!(summary.violated.contains_key("one_value_per_version"), "{:?}", summary.violated);
}

#[test]
fn a_clogged_link_loses_nothing_and_brings_all_at_once() {
    let cluster = cluster(Flaw::None, &[Fault::Clog]);
    let traced = cluster.trace(struck(&cluster, Fault::Clog));
    let mut arrivals = BTreeMap::<_, Vec<u64>>::new();
    for (at, event) in &traced.trace {
        match event {
            Event::Drop { .. } => panic!("{at}: {event:?}"),
            Event::Deliver { from, to, .. } => arrivals.entry((*from, *to)).or_default().push(at.0),
            _ => {}
        }
    }
    // Copies are sent again every 20 to 40 ms: three within a few milliseconds were held, if none had come
    // for longer than three of those times.
    let burst = |times: &Vec<u64>| {
        times.windows(4).any(|four| four[1] - four[0] > 120_000 && four[3] - four[1] < 10_000)
    };
    assert!(arrivals.values().any(burst), "{:?}", traced.run.faults);
}

/// Of nodes that take nothing for long, how many then take several inputs at the same moment.
fn wakings(fault: Fault) -> usize {
    let mut cluster = cluster(Flaw::None, &[fault]);
    cluster.pace.outage = Span::micros(150_000, 500_000);
    let mut wakings = 0;
    for seed in 0..20 {
        let mut times = BTreeMap::<_, Vec<u64>>::new();
        for (at, event) in &cluster.trace(seed).trace {
            let (Event::Deliver { to: slot, .. }
            | Event::Timeout { at: slot, .. }
            | Event::Invoke { at: slot, .. }) = event
            else {
                continue;
            };
            times.entry(*slot).or_default().push(at.0);
        }
        let woke = |three: &&[u64]| three[1] - three[0] >= 140_000 && three[1] == three[2];
        wakings += times.values().flat_map(|times| times.windows(3).filter(woke)).count();
    }
    wakings
}

#[test]
fn a_node_that_is_held_up_takes_nothing_and_then_all_at_once() {
    let (cut_off, held_up) = (wakings(Fault::Partition), wakings(Fault::Pause));
    assert!(
        held_up > 30 && held_up > 5 * cut_off,
        "{held_up} went on with all that had come, {cut_off} by chance"
    );
}

#[test]
fn links_that_flap_lose_and_carry_in_turn() {
    let mut cluster = cluster(Flaw::None, &[Fault::Flapping]);
    cluster.pace.interval = Span::micros(2_500_000, 2_500_000);
    cluster.pace.outage = Span::micros(1_400_000, 1_400_000);
    let mut turns_most = 0;
    for seed in 0..40 {
        let traced = cluster.trace(seed);
        if traced.run.faults.get("flapping") != Some(&1) {
            continue;
        }
        let mut links = BTreeMap::<_, (bool, u32)>::new();
        for (_, event) in &traced.trace {
            let (link, carried) = match event {
                Event::Drop { from, to, .. } => ((*from, *to), false),
                Event::Deliver { from, to, .. } => ((*from, *to), true),
                _ => continue,
            };
            let (last, turns) = links.entry(link).or_insert((true, 0));
            *turns += u32::from(core::mem::replace(last, carried) != carried);
        }
        turns_most = turns_most.max(links.values().map(|(_, turns)| *turns).max().unwrap_or(0));
    }
    assert!(turns_most >= 6, "one fault, and links went down and up {turns_most} times");
}

#[test]
fn clocks_jump_both_ways() {
    let cluster = cluster(Flaw::None, &[Fault::Jump]);
    let traced = cluster.trace(struck(&cluster, Fault::Jump));
    let jumps = traced.injuries.iter().filter_map(|(_, injury)| match injury {
        Injury::Jumped(_, far) => Some(*far),
        _ => None,
    });
    let jumps: Vec<_> = jumps.collect();
    assert!(jumps.iter().any(|far| *far > 0) && jumps.iter().any(|far| *far < 0), "{jumps:?}");
    assert_eq!(traced.run.account.jumps, jumps.len() as u64);
}

/// Set back further it would stand still until it is there, which no clock does.
#[test]
fn no_clock_is_set_back_before_its_beginning() {
    let mut to_the_beginning = 0;
    for seed in 0..60 {
        let mut ahead = BTreeMap::<_, i64>::new();
        for (at, injury) in &cluster(Flaw::None, &[Fault::Jump]).trace(seed).injuries {
            let Injury::Jumped(node, far) = injury else { continue };
            let ahead = ahead.entry(*node).or_default();
            *ahead += far;
            let shown = at.0.cast_signed() + *ahead;
            assert!(shown >= 0, "seed {seed}: {node} shows {shown} us at {at}");
            to_the_beginning += usize::from(shown == 0);
        }
    }
    assert!(to_the_beginning > 0, "no clock was ever set back as far as it could be");
}

#[test]
fn the_shapes_of_partitions_strike_under_their_own_names() {
    for fault in [Fault::Partition, Fault::Bridge, Fault::Partial, Fault::OneWay, Fault::Flapping] {
        let summary = campaign(&cluster(Flaw::None, &[fault]), 20);
        assert!(summary.faults.keys().eq([&fault.name()]), "{:?}", summary.faults);
        assert!(summary.events["drop"] > 0 && summary.violations.is_empty(), "{fault:?}: {summary:?}");
    }
}
