//! What SPIN, stateright and the engine of our own say of the same small models.
//!
//! Verified in `tests/it/opinions.rs`.

use super::page::Page;
use super::{ALGORITHMS, Site};
use crate::artifact::{Artifact, ComparedModel, ComparedPromise, Opinions, Payload, Verb};
use crate::number;
use crate::table::{Cell, Table, Tone};

const HEADING: &str = "The engines and SPIN on small models";

/// The command that asks them.
const COMMAND: &str = "cargo xtask verify --spin";

/// What they say; or, where they were not asked, how to ask them.
pub(super) fn write(page: &mut Page, site: &Site, algorithm: &str) {
    let mut asked = site.artifacts.iter().filter_map(|artifact| match &artifact.payload {
        Payload::Opinions(opinions) if artifact.verb == Verb::Verify => Some((artifact, opinions)),
        _ => None,
    });
    match asked.next() {
        Some((artifact, opinions)) => {
            page.heading(HEADING);
            told(page, site, algorithm, artifact, opinions);
        }
        // Whoever brings a protocol cannot ask them.
        None if ALGORITHMS.contains(&algorithm) => {
            page.heading(HEADING);
            page.paragraph(format!("Not run, and SPIN was not asked: {COMMAND}."));
        }
        None => {}
    }
}

fn told(page: &mut Page, site: &Site, algorithm: &str, artifact: &Artifact, opinions: &Opinions) {
    page.run(site, artifact);
    let agreed = opinions.models.iter().filter(|model| model.agree()).count();
    let kept = opinions.promises.iter().filter(|promise| promise.agree()).count();
    let (models, promises) = (opinions.models.len(), opinions.promises.len());
    page.paragraph(format!(
        "The engines that search instances of protocols search models, too, that are small enough to be written again, \
         by hand, in Promela. All that were asked find as many states as are known in {agreed} of {}, and say what is known of \
         {kept} of {}.",
        number::of(models as u64, "model"),
        number::of(promises as u64, "promise"),
    ));
    match &opinions.spin {
        Some(version) => page.paragraph(format!("SPIN, as it names itself: {version}.")),
        None => {
            let missing = opinions.missing.join(" and ");
            let reason =
                if missing.is_empty() { "was not asked".to_owned() } else { format!("{missing} missing") };
            page.notice(Tone::Missing, format!("SPIN has no say here: {reason} on the machine of this run."));
        }
    }
    page.table(states(algorithm, &opinions.models));
    page.folded_table("What holds at last, as a table", verdicts(algorithm, &opinions.promises));
}

/// The engines in the order of the columns.
const ENGINES: [&str; 3] = ["own", "stateright", "SPIN"];

fn agreement(agree: bool) -> Cell {
    if agree { Cell::text("equal").tone(Tone::Good) } else { Cell::text("differ").tone(Tone::Bad) }
}

fn states(algorithm: &str, models: &[ComparedModel]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-small-models"),
        "Distinct states of small models, by engine",
        &[
            ("Model", "model"),
            ("Known", "known"),
            ("Own", "own"),
            ("stateright", "stateright"),
            ("SPIN", "spin"),
            ("Counts", "agree"),
        ],
    );
    for model in models {
        let [own, stateright, spin] =
            ENGINES.map(|engine| Cell::maybe(model.states.get(engine).copied(), number::count));
        let known = Cell::count(model.known);
        table.row([Cell::text(&model.name), known, own, stateright, spin, agreement(model.agree())]);
    }
    table
}

fn verdicts(algorithm: &str, promises: &[ComparedPromise]) -> Table {
    let mut table = Table::new(
        format!("{algorithm}-small-promises"),
        "What holds at last in all fair runs of small models, by engine",
        &[
            ("Model", "model"),
            ("Promise", "promise"),
            ("Known", "known"),
            ("Own", "own"),
            ("SPIN", "spin"),
            ("Verdicts", "agree"),
        ],
    );
    let word = |kept: bool| if kept { "kept" } else { "broken" };
    for promise in promises {
        let [own, _, spin] =
            ENGINES.map(|engine| Cell::text(promise.kept.get(engine).map_or("–", |kept| word(*kept))));
        let known = Cell::text(word(promise.known));
        let (model, name) = (Cell::text(&promise.model), Cell::text(&promise.name));
        table.row([model, name, known, own, spin, agreement(promise.agree())]);
    }
    table
}
