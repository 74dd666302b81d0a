//! Samplers: each repeats itself, takes events that are enabled, finds flawed toys, and has its own mark.

use std::collections::BTreeSet;

use swarm_protocol::Protocol;
use swarm_simulator::sampler::{Sampled, Sampler, Walks};
use swarm_simulator::shrink::replay;
use swarm_simulator::{Bounds, Event, EventClass, Setup};

use crate::toy::{Flaw, OneValuePerVersion, Op, Register, faults, setup};

const WORKLOAD: [Op; 3] = [Op::Write(1), Op::Read, Op::Write(2)];

type Walker<'a> = Walks<'a, Register, OneValuePerVersion>;

fn walks(setup: &Setup<Register>, sampler: Sampler, seed: u64, count: usize) -> Vec<Sampled<Register>> {
    let mut walks = Walker::new(setup, &[], sampler, seed, 40);
    (0..count).map(|_| walks.walk(|_| ())).collect()
}

fn told(walks: &[Sampled<Register>]) -> Vec<String> {
    walks.iter().map(|walk| format!("{:?} {:?}", walk.events, walk.violation)).collect()
}

#[test]
fn a_seed_gives_the_same_walks_and_another_seed_others() {
    let setup = setup(3, Flaw::None, &WORKLOAD).bounds(faults());
    for sampler in Sampler::ALL {
        let one = told(&walks(&setup, sampler, 7, 30));
        assert_eq!(one, told(&walks(&setup, sampler, 7, 30)), "{sampler}");
        assert_ne!(one, told(&walks(&setup, sampler, 8, 30)), "{sampler}");
        assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), 30, "{sampler}: every walk is another one");
    }
}

#[test]
fn what_a_walk_says_can_be_played_and_costs_what_it_picked() {
    let setup = setup(3, Flaw::CopiesAtOnce, &WORKLOAD).bounds(faults());
    for sampler in Sampler::ALL {
        let mut shown = 0;
        let mut walks = Walker::new(&setup, &[], sampler, 3, 40);
        for _ in 0..200 {
            let (mut last, mut before) = (None, 0);
            let walk = walks.walk(|world| (last, before) = (Some(world.fingerprint()), before + 1));
            shown += before;
            assert_eq!(walk.picked, before, "{sampler}");
            assert!(walk.picked as usize <= walk.events.len() && walk.events.len() <= 40, "{sampler}");
            assert!(sampler == Sampler::Guided || walk.picked as usize == walk.events.len(), "{sampler}");
            let (world, _) = replay::<Register, OneValuePerVersion>(&setup, &walk.events);
            assert_eq!(world.violation(), walk.violation.as_ref(), "{sampler}");
            assert!(last.is_none_or(|last| last == world.fingerprint()), "{sampler}");
        }
        assert!(shown > 1000, "{sampler}: {shown} events");
    }
}

#[test]
fn every_sampler_finds_flawed_toys() {
    for (flaw, property) in [
        (Flaw::AnswersAtOnce, "linearizability"),
        (Flaw::CopiesAtOnce, "one_value_per_version"),
        (Flaw::PanicsOnOldCopy, "panic"),
    ] {
        let setup = setup(3, flaw, &WORKLOAD).bounds(faults());
        for sampler in Sampler::ALL {
            let found = walks(&setup, sampler, 1, 3000);
            let violated = |walk: &&Sampled<Register>| {
                walk.violation.as_ref().is_some_and(|violation| violation.property == property)
            };
            assert!(found.iter().any(|walk| violated(&walk)), "{sampler} misses {flaw:?}");
        }
    }
}

#[test]
fn a_story_comes_first_and_costs_nothing() {
    let setup = setup(3, Flaw::None, &WORKLOAD).bounds(faults());
    let story = walks(&setup, Sampler::Uniform, 5, 1).remove(0).events[..5].to_vec();
    for sampler in Sampler::ALL {
        let mut walks = Walker::new(&setup, &story, sampler, 2, 20);
        for _ in 0..50 {
            let walk = walks.walk(|_| ());
            assert_eq!(walk.events[..5], story, "{sampler}");
            assert!(walk.picked <= 20 && walk.events.len() <= 25, "{sampler}");
        }
    }
}

#[test]
fn links_that_are_cut_carry_nothing_for_a_while() {
    let setup = setup(3, Flaw::None, &WORKLOAD).bounds(Bounds::default());
    // The longest time, in events, for which a message waits while others are delivered.
    let longest = |sampler| {
        let (mut most, mut total) = (0, 0);
        for walk in walks(&setup, sampler, 6, 400) {
            let mut silent = [0; 3];
            for event in walk.events.iter().filter(|event| event.class() == EventClass::Deliver) {
                let Event::Deliver { to, .. } = event else { continue };
                for (node, silent) in silent.iter_mut().enumerate() {
                    *silent = if to.0 as usize == node { 0 } else { *silent + 1 };
                    most = most.max(*silent);
                }
                total += 1;
            }
        }
        assert!(total > 1000, "{sampler}: {total} deliveries");
        most
    };
    assert!(longest(Sampler::Cuts) >= longest(Sampler::Weights), "a cut keeps a node silent for longer");
}

#[test]
fn guidance_goes_on_from_what_was_new_and_sees_more_of_it() {
    let setup = setup(3, Flaw::None, &WORKLOAD).bounds(faults());
    let seen = |sampler| {
        let (mut states, mut picked) = (BTreeSet::new(), 0);
        let mut walks = Walker::new(&setup, &[], sampler, 9, 40);
        while picked < 20_000 {
            picked += walks
                .walk(|world| {
                    let nodes: Vec<_> = world.nodes().collect();
                    states.insert(Register::abstraction(&nodes));
                })
                .picked;
        }
        states.len()
    };
    let (plain, guided) = (seen(Sampler::Weights), seen(Sampler::Guided));
    assert!(guided >= plain, "{guided} guided, {plain} not");
    let some = walks(&setup, Sampler::Guided, 9, 100);
    assert!(some.iter().any(|walk| (walk.picked as usize) < walk.events.len()), "none goes on from another");
}

#[test]
fn samplers_have_names_that_can_be_read() {
    for sampler in Sampler::ALL {
        assert_eq!(sampler.to_string().parse(), Ok(sampler));
    }
    assert!(
        "luck".parse::<Sampler>().is_err_and(|error| error.contains("`luck` is not a sampler (uniform, "))
    );
}
