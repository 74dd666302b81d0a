//! Samplers: each repeats itself, takes events that are enabled, finds flawed toys, and has its own mark.

use std::collections::{BTreeMap, BTreeSet};

use swarm_protocol::Protocol;
use swarm_simulator::sampler::{Sampled, Sampler, Walks};
use swarm_simulator::shrink::replay;
use swarm_simulator::{Event, EventClass, Setup, World};

use crate::echo::{self, Anything, Echo};
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

type Echoes<'a> = Walks<'a, Echo, Anything>;

/// What an event of echoes comes from: a link, or a timer.
fn source(event: &Event<Echo>) -> String {
    match event {
        Event::Deliver { from, to, .. } => format!("{from} {to:?}"),
        _ => format!("{:?} {:?}", event.class(), event.slot()),
    }
}

/// What a walk has passed by: each event with all that was enabled, and whether it is the first of its walk.
fn replayed(sampler: Sampler, mut see: impl FnMut(bool, &[Event<Echo>], &Event<Echo>)) {
    let setup = echo::setup();
    let (mut walks, mut enabled) = (Echoes::new(&setup, &[], sampler, 6, 40), Vec::new());
    for _ in 0..200 {
        let mut world = World::<Echo, Anything>::new(&setup);
        for (place, event) in walks.walk(|_| ()).events.iter().enumerate() {
            world.enabled(&setup, &mut enabled);
            see(place == 0, &enabled, event);
            world.apply(&setup, event).expect("it was picked among those that are enabled");
        }
    }
}

#[test]
fn uniform_walks_begin_with_any_enabled_event_alike() {
    let setup = echo::setup();
    let mut enabled = Vec::new();
    World::<Echo, Anything>::new(&setup).enabled(&setup, &mut enabled);
    assert_eq!(enabled.len(), 9, "six links and three timers");
    let mut walks = Echoes::new(&setup, &[], Sampler::Uniform, 4, 1);
    let first: Vec<Event<Echo>> = (0..3600).map(|_| walks.walk(|_| ()).events.remove(0)).collect();
    for event in &enabled {
        let count = first.iter().filter(|other| *other == event).count();
        // 400, and five standard deviations.
        assert!((300..=500).contains(&count), "{event:?}: {count} of 3600");
    }
}

#[test]
fn weights_make_walks_differ_in_what_they_are_made_of() {
    // The standard deviation, over walks, of the share of messages.
    let spread = |sampler| {
        let mut counts = Vec::new();
        replayed(sampler, |first, _, event| {
            if first {
                counts.push(0.0);
            }
            if let Some(count) = counts.last_mut()
                && event.class() == EventClass::Deliver
            {
                *count += 1.0 / 40.0;
            }
        });
        let mean = counts.iter().sum::<f64>() / counts.len() as f64;
        (counts.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / counts.len() as f64).sqrt()
    };
    let (even, drawn) = (spread(Sampler::Uniform), spread(Sampler::Weights));
    assert!(even < 0.1 && drawn > 0.25, "{drawn} with weights, {even} without");
}

#[test]
fn priorities_stay_with_one_source_while_it_has_something_to_offer() {
    let stays = |sampler| {
        let (mut last, mut stays, mut could) = (String::new(), 0, 0);
        replayed(sampler, |first, enabled, event| {
            if !first && enabled.iter().any(|other| source(other) == last) {
                could += 1;
                stays += usize::from(source(event) == last);
            }
            last = source(event);
        });
        assert!(could > 500, "{sampler}: {could}");
        f64::from(stays as u32) / f64::from(could as u32)
    };
    let (priorities, uniform) = (stays(Sampler::Priorities), stays(Sampler::Uniform));
    assert!(priorities > 0.6 && uniform < 0.3, "{priorities} stay, {uniform} of uniform walks");
}

#[test]
fn links_that_are_cut_carry_nothing_for_a_while() {
    // How often a link that has something to carry is passed over while this many messages arrive elsewhere, for each
    // message.
    const PASSED: usize = 15;
    let passed_over = |sampler| {
        let (mut waits, mut count, mut total) = (BTreeMap::<String, usize>::new(), 0u32, 0u32);
        replayed(sampler, |first, enabled, event| {
            if first {
                waits.clear();
            }
            let carries = |event: &&Event<Echo>| event.class() == EventClass::Deliver;
            let links: BTreeSet<String> = enabled.iter().filter(carries).map(source).collect();
            waits.retain(|link, _| links.contains(link));
            if carries(&event) {
                total += 1;
                waits.remove(&source(event));
                for link in links.into_iter().filter(|link| *link != source(event)) {
                    let wait = waits.entry(link).or_default();
                    *wait += 1;
                    count += u32::from(*wait == PASSED);
                }
            }
        });
        assert!(total > 1000, "{sampler}: {total} deliveries");
        f64::from(count) / f64::from(total)
    };
    let (cuts, weights) = (passed_over(Sampler::Cuts), passed_over(Sampler::Weights));
    assert!(cuts > 2.0 * weights, "{cuts} per message with cuts, {weights} without");
}

fn ticks(world: &World<Echo, Anything>) -> u64 {
    let nodes: Vec<_> = world.nodes().collect();
    Echo::abstraction(&nodes)
}

#[test]
fn guidance_goes_on_from_worlds_whose_abstract_state_was_new_and_from_no_other() {
    let setup = echo::setup();
    let (mut known, mut new) = (BTreeSet::from([0]), BTreeSet::new());
    let mut walks = Echoes::new(&setup, &[], Sampler::Guided, 9, 40);
    let mut went_on = 0;
    for _ in 0..600 {
        let mut states = Vec::new();
        let walk = walks.walk(|world| states.push(ticks(world)));
        let start = walk.events.len() - walk.picked as usize;
        if start > 0 {
            went_on += 1;
            let before = format!("{:?}", &walk.events[..start]);
            assert!(new.contains(&before), "it goes on from a world that was not new");
        }
        for (place, state) in states.into_iter().enumerate() {
            if known.insert(state) {
                new.insert(format!("{:?}", &walk.events[..=start + place]));
            }
        }
    }
    // Three of four.
    assert!((380..=520).contains(&went_on), "{went_on} of 600 went on from another");
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
