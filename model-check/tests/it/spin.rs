//! SPIN (Holzmann 1997) as a third opinion: the same small models in Promela, searched by it, by stateright and
//! by our engine. The numbers of states must be equal, and what holds at last must, too.
//!
//! Skipped, and said so, where `spin` or `gcc` is not installed: then only ours and stateright are compared.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use model_check::engine::lasso::{Fair, Promise, Verdict, judge};
use model_check::engine::{Search, System, search};
use model_check::search::Limits;
use stateright::{Checker, Model, Property};

use crate::engine::{COMMITTED, PREPARED, TwoPhase};
use crate::models::{Plain, alternating_bit, mutual_exclusion, ring_election};

static GO_ON: AtomicBool = AtomicBool::new(false);

const LIMITS: Limits<'static> = Limits::new(8 << 30, &GO_ON);

/// A system as stateright's model.
struct Modelled<S>(S);

impl<S> Model for Modelled<S>
where
    S: System<State: Plain, Event: Clone + std::fmt::Debug + PartialEq>,
{
    type State = S::State;
    type Action = S::Event;

    fn init_states(&self) -> Vec<S::State> {
        self.0.initial()
    }

    fn actions(&self, state: &S::State, actions: &mut Vec<S::Event>) {
        self.0.events(state, actions);
    }

    fn next_state(&self, state: &S::State, event: S::Event) -> Option<S::State> {
        self.0.after(state, &event, 0)
    }

    /// Without any it would look at nothing.
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("a state", |_, _| true)]
    }
}

/// How many states our engine and stateright find. They must agree.
fn states<S>(system: S) -> u64
where
    S: System<State: Plain, Event: Clone + std::fmt::Debug + PartialEq> + Send + Sync + 'static,
{
    let ours = search(&system, &Search::within(LIMITS), |_| ()).expect("there is no checkpoint");
    assert_eq!(ours.stopped, None);
    let name = system.identity();
    let theirs = Modelled(system).checker().spawn_bfs().join();
    assert_eq!(ours.states, theirs.unique_state_count() as u64, "{name}");
    ours.states
}

/// Whether a program can be started here.
fn is_installed(program: &str, version: &str) -> bool {
    Command::new(program).arg(version).output().is_ok_and(|output| output.status.success())
}

/// Says so if SPIN cannot be asked.
fn can_ask(test: &str) -> bool {
    let missing: Vec<_> = [("spin", "-V"), ("gcc", "--version")]
        .into_iter()
        .filter(|(name, version)| !is_installed(name, version))
        .collect();
    for (name, _) in &missing {
        println!("SKIPPED {test}: {name} is not installed");
    }
    missing.is_empty()
}

/// A verifier that SPIN has generated of a model.
struct Verifier {
    folder: PathBuf,
}

impl Verifier {
    /// Generates and compiles it, in a folder of this name.
    fn new(folder: &str, model: &str, define: &[&str], flags: &[&str]) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("spin").join(folder);
        fs::create_dir_all(&folder).expect("the folder is ours");
        let model = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("spin").join(format!("{model}.pml"));
        let verifier = Verifier { folder };
        let model = model.to_str().expect("its path is text");
        verifier.run("spin", &[define, &["-a", model]].concat());
        // Partial-order reduction would leave states out.
        verifier.run("gcc", &[&["-O1", "-w", "-DNOREDUCE"], flags, &["-o", "pan", "pan.c"]].concat());
        verifier
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).current_dir(&self.folder).output();
        let output = output.expect("it is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {text}{output:?}");
        text
    }

    /// What the verifier prints before `what`, at the end of a line.
    fn verify(&self, arguments: &[&str], what: &str) -> u64 {
        let pan = self.folder.join("pan");
        // A state in which all processes have come to an end is no error, and no search is cut off.
        let text =
            self.run(pan.to_str().expect("its path is text"), &[&["-E", "-m1000000"], arguments].concat());
        assert!(!text.contains("max search depth too small") && !text.contains("out of memory"), "{text}");
        let number = text.lines().find_map(|line| {
            let (before, after) = line.split_once(what)?;
            before.split_whitespace().chain(after.split_whitespace()).rev().find_map(|word| word.parse().ok())
        });
        number.unwrap_or_else(|| panic!("no number beside `{what}`: {text}"))
    }
}

/// How many states SPIN finds.
fn states_by_spin(model: &str, define: &[&str]) -> u64 {
    let folder = format!("count-{model}{}", define.concat());
    Verifier::new(&folder, model, define, &["-DSAFETY", "-DNOCLAIM"]).verify(&[], "states, stored")
}

#[test]
fn three_engines_find_as_many_states() {
    let two_phase = |managers| states(TwoPhase { managers, breaks_promises: false });
    let models: [(&str, &[&str], u64, u64); 8] = [
        ("two-phase-commit", &["-DN=3"], two_phase(3), 288),
        ("two-phase-commit", &["-DN=5"], two_phase(5), 8_832),
        ("two-phase-commit", &["-DN=7"], two_phase(7), 296_448),
        ("alternating-bit", &[], states(alternating_bit(false)), 14),
        ("alternating-bit", &["-DLOSSY"], states(alternating_bit(true)), 18),
        ("mutual-exclusion", &[], states(mutual_exclusion(false)), 20),
        ("mutual-exclusion", &["-DNAIVE"], states(mutual_exclusion(true)), 14),
        ("ring-election", &[], states(ring_election()), 283),
    ];
    for (model, define, ours, pinned) in models {
        assert_eq!(ours, pinned, "{model} {define:?}");
    }
    if can_ask("three_engines_find_as_many_states") {
        for (model, define, ours, _) in models {
            assert_eq!(states_by_spin(model, define), ours, "{model} {define:?}");
        }
    }
}

/// A promise, and whether it is kept.
type Judged<State> = (Promise<State>, bool);

/// Judges the promises of a model by our search, and by SPIN if it can be asked. Says how many there are, and
/// how many are broken.
fn compare<S: Fair>(
    system: &S,
    define: &[&str],
    promises: &[Judged<S::State>],
    model: &str,
    spin: bool,
) -> (usize, usize) {
    let verifier = spin
        .then(|| Verifier::new(&format!("judge-{model}{}", define.concat()), model, define, &["-DNFAIR=3"]));
    for (promise, kept) in promises {
        let judged = judge(system, promise, &LIMITS, |_| ());
        let ours = match judged.verdict {
            Verdict::Kept => true,
            Verdict::Broken(_) => false,
            _ => panic!("{model}: {} was not judged", promise.name),
        };
        assert_eq!(ours, *kept, "{model} {define:?}: {}", promise.name);
        if let Some(verifier) = &verifier {
            // Acceptance cycles, weakly fair.
            let errors = verifier.verify(&["-a", "-f", "-N", promise.name], "errors:");
            assert_eq!(errors == 0, *kept, "{model} {define:?}: SPIN on {}", promise.name);
        }
    }
    (promises.len(), promises.iter().filter(|(_, kept)| !kept).count())
}

#[test]
fn what_holds_at_last_holds_for_spin() {
    let spin = can_ask("what_holds_at_last_holds_for_spin");
    let commit = TwoPhase { managers: 3, breaks_promises: false };
    let bits = |lossy| {
        let define: &[&str] = if lossy { &["-DLOSSY"] } else { &[] };
        let promises = [
            (Promise::eventually("received", |bits: &crate::models::Bits| bits.awaited == 1), !lossy),
            (Promise::again_and_again("alternates", |bits| bits.sending == 1), !lossy),
            (Promise::whenever("acknowledged", |bits| bits.sending == 1, |bits| bits.sending == 0), !lossy),
            (Promise::again_and_again("emptied", |bits| bits.data.is_none()), true),
        ];
        compare(&alternating_bit(lossy), define, &promises, "alternating-bit", spin)
    };
    let rivals = |naive| {
        let define: &[&str] = if naive { &["-DNAIVE"] } else { &[] };
        let enters = |rivals: &crate::models::Rivals| rivals.place[0] == 3;
        let promises = [
            (Promise::whenever("enters", |rivals| rivals.place[0] == 1, enters), !naive),
            (Promise::whenever("leaves", enters, |rivals| rivals.place[0] == 0), true),
            (Promise::again_and_again("recurs", enters), false),
        ];
        compare(&mutual_exclusion(naive), define, &promises, "mutual-exclusion", spin)
    };
    let compared = [
        compare(
            &commit,
            &["-DN=3"],
            &[
                (Promise::eventually("decided", |commit| commit.decision != 0), true),
                (Promise::eventually("committed", |commit| commit.decision == 1), false),
                (
                    Promise::whenever(
                        "told",
                        |commit| commit.of(0) == PREPARED,
                        |commit| commit.of(0) > PREPARED,
                    ),
                    true,
                ),
                (
                    Promise::whenever(
                        "obeyed",
                        |commit| commit.of(0) == PREPARED,
                        |commit| commit.of(0) == COMMITTED,
                    ),
                    false,
                ),
            ],
            "two-phase-commit",
            spin,
        ),
        bits(false),
        bits(true),
        rivals(false),
        rivals(true),
        compare(
            &ring_election(),
            &[],
            &[
                (Promise::eventually("elected", |ring| ring.leads[2]), true),
                (Promise::eventually("lesser", |ring| ring.leads[0]), false),
                (Promise::again_and_again("starts", |ring| ring.started[1]), true),
            ],
            "ring-election",
            spin,
        ),
    ];
    let (all, broken) = compared.into_iter().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    assert_eq!((all, broken), (21, 9), "promises, and those that are broken");
}
