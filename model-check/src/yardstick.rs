//! Small models that our engine, stateright and SPIN search: their numbers of states must be equal, and what holds at
//! last by our search for lassos must hold for SPIN, too.
//!
//! Each model is written twice: as a [`System`] in [`models`], and in Promela in `model-check/spin`, whose files say
//! how states and fairness map. Where SPIN is not installed, ours and stateright are compared alone, and the result says
//! what is missing. Verified by `tests/it/spin.rs`, with pinned counts, and wrong answers put in the mouths of
//! engines.

pub mod models;
pub mod spin;

use std::fmt::Debug;
use std::path::Path;

use reports::artifact::{ComparedModel, ComparedPromise, Opinions};
use stateright::{Checker, Model, Property};

use self::models::{
    Bits, COMMITTED, Commit, PREPARED, Plain, Ring, Rivals, TwoPhase, alternating_bit, mutual_exclusion,
    ring_election,
};
use self::spin::{Missing, Spin};
use crate::engine::lasso::{Fair, Promise, Verdict, judge};
use crate::engine::{Search, System, search};
use crate::search::Limits;

/// Our engine, as the comparison names it.
pub const OWN: &str = "own";
/// Stateright.
pub const STATERIGHT: &str = "stateright";
/// SPIN.
pub const SPIN: &str = "SPIN";

/// A model in one of its variants.
pub struct Variant {
    /// The name of the model, and of its file in Promela.
    pub model: &'static str,
    /// What makes it this variant, for SPIN: `-DN=3`.
    pub define: &'static [&'static str],
    /// How many states it is known to have.
    pub states: u64,
    promela: &'static str,
    ask: fn(&Limits<'_>) -> Option<Ours>,
}

/// What ours and stateright say of a variant.
struct Ours {
    own: u64,
    stateright: u64,
    /// By the name of a promise: whether it is known to be kept, and whether our search finds it kept.
    promises: Vec<(&'static str, bool, bool)>,
}

const TWO_PHASE_COMMIT: &str = include_str!("../spin/two-phase-commit.pml");
const ALTERNATING_BIT: &str = include_str!("../spin/alternating-bit.pml");
const MUTUAL_EXCLUSION: &str = include_str!("../spin/mutual-exclusion.pml");
const RING_ELECTION: &str = include_str!("../spin/ring-election.pml");

/// All that are compared.
pub const VARIANTS: [Variant; 8] = [
    Variant {
        model: "two-phase-commit",
        define: &["-DN=3"],
        states: 288,
        promela: TWO_PHASE_COMMIT,
        ask: |limits| {
            let prepared = |commit: &Commit| commit.of(0) == PREPARED;
            let promises = [
                (Promise::eventually("decided", |commit: &Commit| commit.decision != 0), true),
                (Promise::eventually("committed", |commit| commit.decision == 1), false),
                (Promise::whenever("told", prepared, |commit| commit.of(0) > PREPARED), true),
                (Promise::whenever("obeyed", prepared, |commit| commit.of(0) == COMMITTED), false),
            ];
            ask(two_phase(3), &promises, limits)
        },
    },
    Variant {
        model: "two-phase-commit",
        define: &["-DN=5"],
        states: 8_832,
        promela: TWO_PHASE_COMMIT,
        ask: |limits| ask(two_phase(5), &[], limits),
    },
    Variant {
        model: "two-phase-commit",
        define: &["-DN=7"],
        states: 296_448,
        promela: TWO_PHASE_COMMIT,
        ask: |limits| ask(two_phase(7), &[], limits),
    },
    Variant {
        model: "alternating-bit",
        define: &[],
        states: 14,
        promela: ALTERNATING_BIT,
        ask: |limits| ask(alternating_bit(false), &bits(true), limits),
    },
    Variant {
        model: "alternating-bit",
        define: &["-DLOSSY"],
        states: 18,
        promela: ALTERNATING_BIT,
        ask: |limits| ask(alternating_bit(true), &bits(false), limits),
    },
    Variant {
        model: "mutual-exclusion",
        define: &[],
        states: 20,
        promela: MUTUAL_EXCLUSION,
        ask: |limits| ask(mutual_exclusion(false), &rivals(true), limits),
    },
    Variant {
        model: "mutual-exclusion",
        define: &["-DNAIVE"],
        states: 14,
        promela: MUTUAL_EXCLUSION,
        ask: |limits| ask(mutual_exclusion(true), &rivals(false), limits),
    },
    Variant {
        model: "ring-election",
        define: &[],
        states: 283,
        promela: RING_ELECTION,
        ask: |limits| {
            let promises = [
                (Promise::eventually("elected", |ring: &Ring| ring.leads[2]), true),
                (Promise::eventually("lesser", |ring| ring.leads[0]), false),
                (Promise::again_and_again("starts", |ring| ring.started[1]), true),
            ];
            ask(ring_election(), &promises, limits)
        },
    },
];

const fn two_phase(managers: u32) -> TwoPhase {
    TwoPhase { managers, breaks_promises: false }
}

/// What the alternating-bit protocol promises where nothing is lost for ever.
const fn bits(delivered: bool) -> [(Promise<Bits>, bool); 4] {
    [
        (Promise::eventually("received", |bits| bits.awaited == 1), delivered),
        (Promise::again_and_again("alternates", |bits| bits.sending == 1), delivered),
        (Promise::whenever("acknowledged", |bits| bits.sending == 1, |bits| bits.sending == 0), delivered),
        (Promise::again_and_again("emptied", |bits| bits.data.is_none()), true),
    ]
}

/// What mutual exclusion promises where nobody steps back.
const fn rivals(stubborn: bool) -> [(Promise<Rivals>, bool); 3] {
    const ENTERS: fn(&Rivals) -> bool = |rivals| rivals.place[0] == 3;
    [
        (Promise::whenever("enters", |rivals| rivals.place[0] == 1, ENTERS), stubborn),
        (Promise::whenever("leaves", ENTERS, |rivals| rivals.place[0] == 0), true),
        (Promise::again_and_again("recurs", ENTERS), false),
    ]
}

/// A system as stateright's model.
struct Modelled<S>(S);

impl<S> Model for Modelled<S>
where
    S: System<State: Plain, Event: Clone + Debug + PartialEq>,
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

/// Asks ours and stateright; none if ours was ended from outside, or by its limits.
fn ask<S>(system: S, promises: &[(Promise<S::State>, bool)], limits: &Limits<'_>) -> Option<Ours>
where
    S: Fair + System<State: Plain, Event: Clone + Debug + PartialEq> + Send + Sync + 'static,
{
    let found = search(&system, &Search::within(*limits), |_| ()).ok()?;
    if found.stopped.is_some() {
        return None;
    }
    let judged = promises.iter().map(|(promise, kept)| {
        let ours = match judge(&system, promise, limits, |_| ()).verdict {
            Verdict::Kept => true,
            Verdict::Broken(_) => false,
            Verdict::Unknown(_) | Verdict::Unsafe(..) => return None,
        };
        Some((promise.name, *kept, ours))
    });
    let promises = judged.collect::<Option<Vec<_>>>()?;
    let stateright = Modelled(system).checker().spawn_bfs().join().unique_state_count() as u64;
    Some(Ours { own: found.states, stateright, promises })
}

/// Why there is no comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Without {
    /// Our search was ended, from outside or by its limits, at this model.
    Stopped(String),
    /// SPIN is there, and something else went wrong with it.
    Broken(String),
}

/// Lets every engine search every model, SPIN if it is there, in folders below `folder`. `progress` is told what comes
/// next.
///
/// # Errors
/// Why that came to no end.
pub fn compare(
    spin: &Result<Spin, Vec<Missing>>,
    folder: &Path,
    limits: &Limits<'_>,
    mut progress: impl FnMut(&str),
) -> Result<Opinions, Without> {
    let mut opinions = Opinions {
        spin: spin.as_ref().ok().map(|spin| spin.version.clone()),
        missing: spin.as_ref().err().into_iter().flatten().map(|missing| missing.0.to_owned()).collect(),
        ..Opinions::default()
    };
    for variant in &VARIANTS {
        let name = [variant.model].iter().chain(variant.define).copied().collect::<Vec<_>>().join(" ");
        progress(&name);
        let ours = (variant.ask)(limits).ok_or_else(|| Without::Stopped(name.clone()))?;
        let mut model = ComparedModel {
            name: name.clone(),
            known: variant.states,
            states: [(OWN.to_owned(), ours.own), (STATERIGHT.to_owned(), ours.stateright)].into(),
        };
        let mut promises: Vec<ComparedPromise> = ours
            .promises
            .iter()
            .map(|(promise, known, own)| ComparedPromise {
                model: name.clone(),
                name: (*promise).to_owned(),
                known: *known,
                kept: [(OWN.to_owned(), *own)].into(),
            })
            .collect();
        if let Ok(spin) = spin {
            let place = folder.join(name.replace(' ', ""));
            let (states, kept) = by_spin(spin, &place, variant, &promises).map_err(Without::Broken)?;
            model.states.insert(SPIN.to_owned(), states);
            for (promise, kept) in promises.iter_mut().zip(kept) {
                promise.kept.insert(SPIN.to_owned(), kept);
            }
        }
        opinions.models.push(model);
        opinions.promises.append(&mut promises);
    }
    Ok(opinions)
}

/// How many states SPIN counts, and which of the promises it finds kept.
fn by_spin(
    spin: &Spin,
    folder: &Path,
    variant: &Variant,
    promises: &[ComparedPromise],
) -> Result<(u64, Vec<bool>), String> {
    let (model, define) = (variant.promela, variant.define);
    let states = spin.verifier(&folder.join("count"), model, define, &["-DSAFETY", "-DNOCLAIM"])?.states()?;
    if promises.is_empty() {
        return Ok((states, Vec::new()));
    }
    let judge = spin.verifier(&folder.join("judge"), model, define, &["-DNFAIR=3"])?;
    let kept = promises.iter().map(|promise| judge.holds(&promise.name)).collect::<Result<_, _>>()?;
    Ok((states, kept))
}
