//! The account of the fault atlas, against a count made from traces alone.

use std::collections::BTreeSet;

use swarm_protocol::{NodeId, Ticks};
use swarm_simulator::profile::{Fault, Pace, Profile, Span};
use swarm_simulator::simulation::{Account, Assumption, Injury, Simulation, Traced};
use swarm_simulator::{Event, Slot};

use crate::logbook::{Append, Logbook, Nothing};

fn simulation(nodes: u32, profile: Profile, assumption: Assumption) -> Simulation<Logbook, Nothing> {
    let pace = Pace {
        think: Span::micros(0, 20_000),
        outage: Span::micros(1_000, 300_000),
        interval: Span::micros(20_000, 200_000),
        faults: Ticks::from_millis(1_500),
        progress: Ticks::from_millis(2_000),
        ..Pace::default()
    };
    let mut simulation = Simulation::new((), nodes, |_| Append).profile(profile).pace(pace);
    simulation.operations_max = 100;
    simulation.assumption(assumption)
}

/// What a trace shows of what was injected.
#[derive(Default)]
struct Count {
    down: BTreeSet<u32>,
    down_most: usize,
    wiped: BTreeSet<u32>,
    spoilt: BTreeSet<u32>,
    /// Those whose disk is there, and damaged, now.
    damaged: BTreeSet<u32>,
    jumps: u64,
    /// Nodes that booted again after their disk was wiped.
    returned: BTreeSet<u32>,
    /// Nodes that went down with a damaged disk, and did not boot again.
    refused: BTreeSet<u32>,
}

fn recount(traced: &Traced<Logbook>) -> Count {
    let mut count = Count::default();
    let mut injuries = traced.injuries.iter().peekable();
    let node = |slot: &Slot| slot.node().0;
    let take = |count: &mut Count, injury: &Injury| match injury {
        Injury::Wiped(NodeId(node)) => {
            count.wiped.insert(*node);
            count.damaged.remove(node);
        }
        Injury::Spoilt(NodeId(node), _) => {
            count.spoilt.insert(*node);
            count.damaged.insert(*node);
        }
        Injury::Jumped(..) => count.jumps += 1,
        Injury::Full(_) => {}
    };
    for (at, event) in &traced.trace {
        while let Some((_, injury)) = injuries.next_if(|(then, _)| then <= at) {
            take(&mut count, injury);
        }
        match event {
            Event::Crash { at, .. } => {
                count.down.insert(node(at));
                count.refused.extend(count.damaged.take(&node(at)));
            }
            Event::DiskFail { at } => drop(count.down.insert(node(at))),
            Event::Restart { at } => {
                count.down.remove(&node(at));
                count.refused.remove(&node(at));
                count.returned.extend(count.wiped.get(&node(at)));
            }
            _ => {}
        }
        count.down_most = count.down_most.max(count.down.len());
    }
    injuries.for_each(|(_, injury)| take(&mut count, injury));
    count
}

/// What the assumption itself says of a count, in words of its own.
fn is_inside(count: &Count, assumption: &Assumption) -> bool {
    let lost: BTreeSet<_> = count.wiped.union(&count.spoilt).collect();
    count.down_most <= assumption.down_max as usize
        && lost.len() <= assumption.lost_max as usize
        && (count.jumps == 0 || assumption.clocks_jump)
}

#[test]
fn the_account_equals_a_count_from_the_trace() {
    // A full disk counts as a node down whether or not anything is written to it meanwhile, which no trace
    // shows: it has a test of its own.
    let everything = Profile::EVERYTHING.faults.iter().filter(|fault| *fault != Fault::DiskFull);
    let faults = swarm_simulator::profile::Faults::of(&everything.collect::<Vec<_>>());
    let mut met = [0u32; 6];
    for seed in 0..400 {
        let nodes = 1 + (seed % 5) as u32;
        let heedless = seed % 3 == 0;
        let profile = Profile { name: "counted", faults, heedless };
        let assumption = match seed % 7 {
            0..3 => Assumption::majority(nodes),
            3 => Assumption { lost_max: nodes, wiped_returns: true, ..Assumption::majority(nodes) },
            4 => Assumption { clocks_jump: false, drift_per_million_max: 0, ..Assumption::majority(nodes) },
            _ => Assumption::crash_recovery(nodes),
        };
        let traced = simulation(nodes, profile, assumption).trace(seed);
        let (count, account) = (recount(&traced), &traced.run.account);
        let lost: BTreeSet<_> = count.wiped.union(&count.spoilt).collect();
        let told = format!("seed {seed}: {account}\n{assumption:?}");
        assert_eq!(account.down_most, count.down_most as u64, "{told}");
        assert_eq!(account.lost, lost.len() as u64, "{told}");
        assert_eq!(account.jumps, count.jumps, "{told}");
        assert_eq!(account.refused, count.refused.len() as u64, "{told}");
        if account.is_inside() {
            assert!(is_inside(&count, &assumption) && account.forgetful == 0, "{told}");
            assert!(account.drift_per_million_most <= u64::from(assumption.drift_per_million_max), "{told}");
        } else {
            assert!(heedless, "only who does not ask goes outside: {told}");
            let drifted = account.drift_per_million_most > u64::from(assumption.drift_per_million_max);
            assert!(!is_inside(&count, &assumption) || drifted || account.forgetful > 0, "{told}");
        }
        assert!(assumption.wiped_returns || count.returned.is_empty(), "a wiped node stays away: {told}");
        for (sum, met_now) in met.iter_mut().zip([
            !account.is_inside(),
            !count.wiped.is_empty(),
            !count.spoilt.is_empty(),
            !count.refused.is_empty(),
            !count.returned.is_empty(),
            account.declined > 0,
        ]) {
            *sum += u32::from(met_now);
        }
    }
    assert!(met.iter().all(|times| *times > 4), "everything is met: {met:?}");
}

#[test]
fn a_full_disk_is_a_node_down() {
    let profile =
        Profile::new("full", swarm_simulator::profile::Faults::of(&[Fault::DiskFull, Fault::Crash]));
    let mut most = 0;
    for seed in 0..100 {
        let traced = simulation(3, profile, Assumption::crash_recovery(3)).trace(seed);
        let count = recount(&traced);
        assert!(count.down_most as u64 <= traced.run.account.down_most, "seed {seed}");
        assert!(traced.run.account.down_most <= 1, "seed {seed}: a minority of three");
        most = most.max(count.down_most);
        // A write to a full disk fails, and fails no other disk's.
        let full: BTreeSet<_> = traced.injuries.iter().map(|(_, injury)| format!("{injury:?}")).collect();
        let failed = traced.trace.iter().filter_map(|(_, event)| match event {
            Event::DiskFail { at } => Some(format!("{:?}", Injury::Full(at.node()))),
            _ => None,
        });
        assert!(failed.collect::<BTreeSet<_>>().is_subset(&full), "seed {seed}");
    }
    assert_eq!(most, 1);
}

#[test]
fn never_all_copies() {
    // With a majority's assumption there is always a majority of disks that nothing was ever done to.
    for seed in 0..200 {
        let nodes = 3 + (seed % 4) as u32;
        let traced = simulation(nodes, Profile::DISKS, Assumption::majority(nodes)).trace(seed);
        let count = recount(&traced);
        let lost: BTreeSet<_> = count.wiped.union(&count.spoilt).collect();
        assert!(2 * (nodes as usize - lost.len()) > nodes as usize, "seed {seed}: {lost:?}");
    }
}

#[test]
fn a_calm_run_has_an_empty_account() {
    let run = simulation(3, Profile::CALM, Assumption::crash_recovery(3)).run(1);
    assert_eq!(run.account, Account::default());
}
