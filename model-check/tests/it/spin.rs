//! SPIN (Holzmann 1997) as a third opinion: the same small models in Promela, searched by it, by stateright and
//! by our engine. The numbers of states must be equal, and what holds at last must, too.
//!
//! Skipped, and said so, where `spin` or `gcc` is not installed: then only ours and stateright are compared.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use model_check::search::Limits;
use model_check::yardstick::spin::{Missing, Spin};
use model_check::yardstick::{OWN, SPIN, STATERIGHT, VARIANTS, Without, compare};

static GO_ON: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

const LIMITS: Limits<'static> = Limits::new(8 << 30, &GO_ON);

fn folder(test: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("spin").join(test)
}

#[test]
fn three_engines_come_to_the_same() {
    let spin = Spin::find();
    for Missing(program) in spin.as_ref().err().into_iter().flatten() {
        println!("SKIPPED three_engines_come_to_the_same: {program} is not installed");
    }
    let opinions = compare(&spin, &folder("same"), &LIMITS, |_| ()).expect("nobody stops it");
    assert_eq!(opinions.spin.is_some(), spin.is_ok());
    let asked: &[&str] = if spin.is_ok() { &[SPIN, OWN, STATERIGHT] } else { &[OWN, STATERIGHT] };
    let known = [288, 8_832, 296_448, 14, 18, 20, 14, 283];
    for (model, known) in opinions.models.iter().zip(known) {
        assert_eq!(model.states.keys().collect::<Vec<_>>(), asked, "{model:?}");
        assert!(model.states.values().all(|states| *states == known) && model.agree(), "{model:?}");
    }
    for promise in &opinions.promises {
        assert_eq!(promise.kept.len(), asked.len() - 1, "stateright is not asked: {promise:?}");
        assert!(promise.kept.values().all(|kept| *kept == promise.known) && promise.agree(), "{promise:?}");
    }
    let broken = opinions.promises.iter().filter(|promise| !promise.known).count();
    assert_eq!((opinions.models.len(), opinions.promises.len(), broken), (8, 21, 9));
}

#[test]
fn without_spin_the_others_are_compared_and_what_is_missing_is_said() {
    let missing = Err(vec![Missing("spin"), Missing("gcc")]);
    let opinions = compare(&missing, &folder("without"), &LIMITS, |_| ()).expect("nobody stops it");
    assert_eq!((opinions.spin, &opinions.missing[..]), (None, &["spin".to_owned(), "gcc".to_owned()][..]));
    assert!(opinions.models.iter().all(|model| model.agree() && model.states.len() == 2));
    assert!(opinions.promises.iter().all(|promise| promise.agree() && promise.kept.len() == 1));
    assert!(!folder("without").exists());
}

#[test]
fn a_search_that_is_stopped_is_no_opinion() {
    let stopped = compare(&Err(vec![]), &folder("stopped"), &Limits::new(8 << 30, &STOP), |_| ());
    assert_eq!(stopped.err(), Some(Without::Stopped("two-phase-commit -DN=3".to_owned())));
    let few = Limits { states_max: Some(1_000), ..LIMITS };
    let cut = compare(&Err(vec![]), &folder("stopped"), &few, |_| ());
    assert_eq!(cut.err(), Some(Without::Stopped("two-phase-commit -DN=5".to_owned())));
}

#[test]
fn a_model_that_spin_refuses_is_no_opinion() {
    match Spin::find() {
        Err(missing) => {
            println!("SKIPPED a_model_that_spin_refuses_is_no_opinion: {missing:?} not installed");
        }
        Ok(spin) => {
            let refused =
                spin.verifier(&folder("refused"), "active proctype A() { no such thing }", &[], &[]);
            assert!(refused.as_ref().is_err_and(|reason| reason.contains("spin")), "{refused:?}");
        }
    }
    assert!(VARIANTS.iter().all(|variant| variant.states > 0));
}
