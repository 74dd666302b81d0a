//! The engine of our own: counts that others have published or come to, budgets, checkpoints.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use model_check::adapter::Collapsing;
use model_check::engine::{self, Found, Search, System};
use model_check::instance::Pinned;
use model_check::raft;
use model_check::search::{Limits, Stopped};
use model_check::yardstick::models::TwoPhase;

static GO_ON: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

const LIMITS: Limits<'static> = Limits::new(8 << 30, &GO_ON);

const HONEST: TwoPhase = TwoPhase { managers: 5, breaks_promises: false };

fn run<S: System>(system: &S, search: &Search<'_>) -> Found<S> {
    engine::search(system, search, |_| ()).expect("there is no checkpoint")
}

/// A file of its own for each test, in a folder that cargo keeps for tests.
fn file(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.checkpoint"));
    let _ = fs::remove_file(&path);
    path
}

#[test]
fn two_phase_commit_has_as_many_states_as_published() {
    for (managers, states) in [(3, 288), (5, 8_832), (7, 296_448)] {
        for threads in [1, 2] {
            let system = TwoPhase { managers, breaks_promises: false };
            let found = run(&system, &Search::within(Limits { threads, ..LIMITS }));
            assert_eq!((found.states, found.stopped), (states, None), "{managers} on {threads}");
            assert_eq!(found.levels.iter().sum::<u64>(), states);
            assert_eq!(found.complete_depth, found.depth());
            assert!(states < 1000 || found.bytes_per_state() <= 40.0, "{}", found.bytes_per_state());
        }
    }
}

/// What the engine comes to, to be compared with what is pinned of stateright's search.
fn counts<S: System>(system: &S, search: &Search<'_>) -> (Pinned, Vec<String>, Vec<u64>) {
    let found = run(system, search);
    let marks = system.noted().into_iter().map(|(name, depth)| format!("{name} {depth}"));
    let pinned = Pinned { states: found.states, generated: found.generated, depth: found.depth() };
    (pinned, marks.collect(), found.levels)
}

#[test]
fn both_engines_come_to_the_same_counts_and_marks_collapsed_or_not() {
    for instance in
        [raft::TWO_NODES, raft::TWO_NODES_PRE_VOTE, raft::TWO_NODES_BETWEEN_WRITES, raft::TWO_NODES_BOUNDED]
    {
        let other = instance.search(&LIMITS, |_| ());
        let other_marks: Vec<_> = other.marks.iter().map(|(name, depth)| format!("{name} {depth}")).collect();
        let mut first_levels = None;
        for threads in [1, 2] {
            let within = Search::within(Limits { threads, ..LIMITS });
            let search = Search { depth_max: instance.depth_max, ..within };
            let (plain, space) = (instance.space(), instance.space());
            for (pinned, marks, levels) in
                [counts(&plain, &search), counts(&Collapsing::new(&space), &search)]
            {
                assert_eq!(pinned, instance.pinned, "{} on {threads}", instance.name);
                assert_eq!(marks, other_marks, "{} on {threads}", instance.name);
                assert_eq!(*first_levels.get_or_insert_with(|| levels.clone()), levels, "{}", instance.name);
            }
        }
    }
}

#[test]
fn a_counterexample_is_as_short_as_possible_on_any_number_of_threads() {
    let liar = TwoPhase { managers: 3, breaks_promises: true };
    for threads in [1, 2] {
        let found = run(&liar, &Search::within(Limits { threads, ..LIMITS }));
        let (violation, events) = found.counterexample.expect("a promise was broken");
        assert_eq!((violation.property, found.stopped), ("consistent", Some(Stopped::Broken)));
        let state =
            events.iter().fold(liar.initial()[0], |state, event| liar.after(&state, event, 0).unwrap());
        assert_eq!(liar.violation(&state), Some(violation));
        // Prepare and hear three times, decide, one obeys, one breaks its promise.
        assert_eq!((events.len(), found.complete_depth), (9, 8), "{events:?}");
    }
    let instance = raft::NO_STABLE_STORAGE;
    let shortest = instance.search(&LIMITS, |_| ()).counterexample.expect("it must be found").events.len();
    let found = run(&instance.space(), &Search::within(LIMITS));
    let (violation, events) = found.counterexample.expect("it must be found");
    assert_eq!((violation.property, events.len()), ("election_safety", shortest));
}

#[test]
fn states_that_are_not_kept_are_made_again() {
    let all = run(&raft::TWO_NODES.space(), &Search::within(LIMITS));
    assert_eq!(all.remade, 0);
    for (kept_max, threads) in [(0, 1), (100, 1), (100, 2)] {
        let search = Search { kept_max, ..Search::within(Limits { threads, ..LIMITS }) };
        let found = run(&raft::TWO_NODES.space(), &search);
        assert_eq!((found.states, found.generated), (all.states, all.generated));
        assert_eq!(found.levels, all.levels);
        assert!(found.remade > all.states / 4, "{kept_max}: {} made again", found.remade);
    }
}

/// A folder of its own for each test, which is not there.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    let _ = fs::remove_dir_all(&path);
    path
}

#[test]
fn a_frontier_on_disk_comes_to_the_same() {
    let folder = folder("spill");
    let plain = raft::TWO_NODES.space();
    let all = run(&plain, &Search::within(LIMITS));
    for (kept_max, threads) in [(0, 1), (500, 1), (0, 2)] {
        let space = raft::TWO_NODES.space();
        let search =
            Search { kept_max, spill: Some(&folder), ..Search::within(Limits { threads, ..LIMITS }) };
        let mut seen = 0;
        let found = engine::search(&Collapsing::new(&space), &search, |_| {
            // Where a file can do without its name, a search that is killed at any moment leaves none.
            let names = fs::read_dir(&folder).map_or(0, Iterator::count);
            assert!(names == 0 || threads > 1 || !cfg!(unix), "{names} files");
            seen += 1;
        });
        let found = found.expect("there is no checkpoint");
        assert_eq!((found.states, found.generated, found.stopped), (all.states, all.generated, None));
        assert_eq!(found.levels, all.levels);
        assert_eq!(space.noted(), plain.noted());
        assert_eq!((found.remade, found.spill_failed), (0, None));
        assert!(found.spilled > 0 && found.spilled < all.states, "{} written", found.spilled);
        // All but the first state, where none is kept.
        assert!(kept_max > 0 || found.spilled + 1 == all.states, "{} written", found.spilled);
        assert!(found.spilled_bytes >= found.spilled * 12 && seen > 0);
        assert_eq!(fs::read_dir(&folder).expect("it was made").count(), 0, "nothing is left");
    }
}

#[test]
fn a_disk_that_fails_is_told_and_costs_time_alone() {
    let folder = folder("spill-fails");
    let all = run(&raft::TWO_NODES.space(), &Search::within(LIMITS));
    let search = Search { kept_max: 0, spill: Some(&folder), ..Search::within(LIMITS) };
    for (depth, none_written) in [(0, true), (9, false)] {
        let _ = fs::remove_file(&folder);
        let space = raft::TWO_NODES.space();
        let found = engine::search(&Collapsing::new(&space), &search, |progress| {
            // The folder goes, and there is no place for it any more.
            if progress.depth == depth {
                let _ = fs::remove_dir_all(&folder);
                let _ = fs::write(&folder, "in the way");
            }
        });
        let found = found.expect("there is no checkpoint");
        assert_eq!((found.states, found.generated, found.stopped), (all.states, all.generated, None));
        assert_eq!(found.levels, all.levels);
        assert!(found.spill_failed.is_some() && found.remade > 0, "{depth}: {:?}", found.spill_failed);
        assert_eq!(found.spilled == 0, none_written, "{depth}: {}", found.spilled);
    }
    // A system whose states cannot be written makes them again, and nothing has failed.
    let found = run(&HONEST, &search);
    assert_eq!((found.states, found.spilled, found.spill_failed), (8_832, 0, None));
    assert!(found.remade > 8_000);
}

#[test]
fn a_search_that_is_cut_off_says_what_it_covered() {
    let all = run(&HONEST, &Search::within(LIMITS));
    let cut = run(&HONEST, &Search { depth_max: Some(4), ..Search::within(LIMITS) });
    assert_eq!((cut.stopped, cut.complete_depth), (Some(Stopped::DepthLimit), 4));
    assert_eq!(cut.levels, all.levels[..5]);
    let whole = run(&HONEST, &Search { depth_max: Some(all.depth()), ..Search::within(LIMITS) });
    assert_eq!((whole.states, whole.complete_depth), (all.states, all.depth()));

    for (limits, stopped) in [
        (Limits { states_max: Some(2_000), ..LIMITS }, Stopped::StateLimit),
        (Limits { memory_bytes: 1, ..LIMITS }, Stopped::MemoryBudget),
        (Limits { interrupt: &STOP, ..LIMITS }, Stopped::Interrupted),
    ] {
        let found = run(&HONEST, &Search::within(limits));
        assert_eq!(found.stopped, Some(stopped));
        let complete = found.complete_depth as usize;
        assert_eq!(found.levels[..=complete], all.levels[..=complete], "what is complete is complete");
    }
}

#[test]
fn a_search_goes_on_from_its_checkpoint() {
    let path = file("goes-on");
    let space = || raft::TWO_NODES.space();
    let all = space();
    let whole = run(&all, &Search::within(LIMITS));
    // Stopped again and again, a little later each time.
    for states in (2_000..whole.states).step_by(4_000) {
        let limits = Limits { states_max: Some(states), ..LIMITS };
        let search =
            Search { checkpoint: Some(&path), checkpoint_every: Duration::ZERO, ..Search::within(limits) };
        let found = engine::search(&space(), &search, |_| ()).expect("its own checkpoint is usable");
        assert_eq!(found.stopped, Some(Stopped::StateLimit));
        assert!(path.exists());
    }
    let last = space();
    let search = Search { checkpoint: Some(&path), ..Search::within(Limits { threads: 2, ..LIMITS }) };
    let found = engine::search(&last, &search, |_| ()).expect("its own checkpoint is usable");
    assert_eq!((found.states, found.generated, found.stopped), (whole.states, whole.generated, None));
    assert_eq!(found.levels, whole.levels);
    assert_eq!(last.noted(), all.noted());
}

#[test]
fn checkpoints_of_others_and_damaged_ones_are_refused_with_a_reason() {
    let path = file("refused");
    let search = Search {
        checkpoint: Some(&path),
        checkpoint_every: Duration::ZERO,
        depth_max: Some(3),
        ..Search::within(LIMITS)
    };
    run(&HONEST, &search);
    let good = fs::read(&path).expect("a checkpoint was left");
    let refusal = |system: &TwoPhase, bytes: &[u8]| {
        fs::write(&path, bytes).expect("the folder is ours");
        engine::search(system, &search, |_| ()).err().map(|unusable| unusable.to_string())
    };
    assert_eq!(refusal(&HONEST, &good), None);
    let other =
        refusal(&TwoPhase { managers: 4, breaks_promises: false }, &good).expect("it is another system");
    assert!(
        other.contains("refused.checkpoint: it belongs to another search: two-phase commit of 5"),
        "{other}"
    );
    // The same name, other behaviour.
    let changed = refusal(&TwoPhase { managers: 5, breaks_promises: true }, &good);
    assert!(changed.is_some_and(|reason| reason.contains("this version")), "events are numbered otherwise");
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 0x10;
        assert!(refusal(&HONEST, &damaged).is_some(), "byte {at} of {}", good.len());
        let short = refusal(&HONEST, &good[..at]).expect("it is cut short");
        assert!(short.contains("cut short") || short.contains("length"), "{at}: {short}");
    }
    assert!(
        refusal(&HONEST, &[&good[..], &[0]].concat()).is_some_and(|reason| reason.contains("behind its end"))
    );
}
