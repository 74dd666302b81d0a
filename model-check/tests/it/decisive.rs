//! A failing run, rewound.

use std::sync::atomic::AtomicBool;

use model_check::decisive::Effort;
use model_check::raft;
use model_check::registered;
use reports::artifact::Decisive;
use swarm_simulator::profile::Profile;

static GO_ON: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

fn effort(threads: usize) -> Effort<'static> {
    Effort { futures: 40, moments: 40, threads, interrupt: &GO_ON }
}

/// Raft whose disks keep nothing, in the first run that fails.
fn rewound(effort: &Effort<'_>) -> Option<Decisive> {
    let raft = registered::algorithm::<model_check::raft::Node>();
    let without = raft.campaign_without_storage(Profile::EVERYTHING, Some(3)).expect("Raft has that");
    let seed = (0..200).find(|seed| without.run(*seed).violation.is_some()).expect("it must fail");
    without.rewind(seed, effort, &mut |_| ())
}

#[test]
fn failure_becomes_certain_and_the_event_is_named() {
    let found = rewound(&effort(2)).expect("the run fails");
    let (first, last) = (&found.rewound[0], found.rewound.last().expect("there are moments"));
    assert_eq!((first.events, first.event.as_deref()), (0, None));
    assert_eq!((last.moment, last.events, last.failing), (found.moments, found.events, 40));
    assert!(first.failing < 30, "{first:?}");
    assert!(found.rewound.len() <= 40 && found.rewound.is_sorted_by_key(|moment| moment.moment));
    // What a disk that keeps nothing makes decisive is in some way about a crash, and it is found to the event.
    let rises = found.rises();
    let (before, after) = rises.first().expect("one decides");
    assert_eq!(before.moment + 1, after.moment);
    assert!(after.share() - before.share() > 0.2, "{before:?} {after:?}");
    assert!(after.event.is_some() && found.turned().is_some());
}

#[test]
fn threads_make_no_difference_and_an_interrupt_leaves_nothing() {
    assert_eq!(rewound(&effort(1)), rewound(&effort(3)));
    assert_eq!(rewound(&Effort { interrupt: &STOP, ..effort(1) }), None);
}

#[test]
fn a_run_that_fails_nothing_is_not_rewound() {
    let campaign = raft::campaign(Profile::CALM, Some(3));
    assert_eq!(campaign.rewind(0, &effort(1), &mut |_| ()), None);
}
