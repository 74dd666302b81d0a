//! What the hunts of all engines come to: a matrix of bug by engine, and what in it should not be.

use std::collections::BTreeMap;

use reports::artifact::{self, Detection, Finding};

use super::super::schemata::Sources;
use super::catalogue::{Catalogue, Visible};
use super::workshop::{Catch, Engine, Quarry};

/// The hunts there were.
pub type Hunts = BTreeMap<(Quarry, Engine), Catch>;

/// A named ordering in the sources, and one that is weaker by a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weaker {
    /// The access.
    pub site: String,
    /// What stands there.
    pub strong: String,
    /// What the hunt has there instead.
    pub weak: String,
}

impl Weaker {
    /// As a bug is named.
    pub fn id(&self) -> String {
        format!("{} {}", self.site, self.weak)
    }

    /// What is hunted.
    pub fn quarry(&self) -> Quarry {
        Quarry::Weaker(self.site.clone(), self.weak.clone())
    }
}

/// Every named ordering of the sources, weaker by a step: each access as it stands there, so that none is left out.
/// An absent fence is a step from one that is sequentially consistent: between the two acquires and releases matter
/// to others than its partner.
pub fn weaker(sources: &Sources) -> Vec<Weaker> {
    let mut all = Vec::new();
    for (file, text) in sources {
        if !file.starts_with("src/") || file.starts_with("src/sync") {
            continue;
        }
        for (at, _) in text.match_indices("Site::") {
            let rest = &text[at + "Site::".len()..];
            let Some((site, rest)) = rest.split_once(", Ordering::") else { continue };
            let word = |text: &str| text.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
            let strong = word(rest);
            if word(site) != site {
                continue;
            }
            let weak: &[&str] = match &*strong {
                "SeqCst" => &["AcqRel", "Relaxed"],
                "AcqRel" => &["Acquire", "Release"],
                "Acquire" | "Release" => &["Relaxed"],
                _ => &[],
            };
            let weaker = |weak: &&str| Weaker {
                site: site.to_owned(),
                strong: strong.clone(),
                weak: (*weak).to_owned(),
            };
            all.extend(weak.iter().map(weaker));
        }
    }
    all.sort();
    all.dedup();
    all
}

/// The record of one bug and what is wrong with it.
pub fn judge(
    catalogue: &Catalogue,
    number: usize,
    copy: usize,
    hunts: &Hunts,
) -> (artifact::Bug, Vec<Finding>) {
    let bug = &catalogue.bugs[number];
    let detections = detections(&Quarry::Bug(number), copy, hunts);
    let record = artifact::Bug {
        id: bug.id().to_owned(),
        title: bug.told(),
        source: bug.source.clone(),
        property: bug.feature.clone(),
        expected_engine: Engine::Loom.name().to_owned(),
        canary: bug.canary,
        visible: Some(bug.visible.name().to_owned()),
        argued: bug.equivalent.clone(),
        edit: Some(diff(bug)),
        detections,
        ..artifact::Bug::default()
    };
    let id = bug.id();
    let mut wrong = Vec::new();
    let by = |wanted: fn(Engine) -> bool| {
        let mut engines =
            hunts.keys().filter(|(quarry, engine)| *quarry == Quarry::Bug(number) && wanted(*engine));
        let hunted = engines.clone().next().is_some();
        (hunted, engines.any(|(quarry, engine)| hunts[&(quarry.clone(), *engine)].found))
    };
    let (by_loom, loom) = by(|engine| engine == Engine::Loom);
    let (by_shuttle, shuttle) = by(Engine::is_shuttle);
    match &bug.equivalent {
        Some(_) if record.detections.iter().any(|detection| detection.found) => {
            wrong.push(format!("{id}: it is said that nothing can notice it, and something does"));
        }
        Some(_) => {}
        None => {
            if by_loom && !loom {
                wrong.push(format!("{id}: loom does not see it"));
            }
            if by_shuttle && !shuttle && bug.visible == Visible::Sc {
                wrong.push(format!("{id}: no scheduler of shuttle's shows it, though an interleaving would"));
            }
        }
    }
    let (_, consistent) = by(Engine::is_sequentially_consistent);
    if consistent && bug.visible == Visible::Weak {
        wrong.push(format!("{id}: an interleaving shows it, though only weak memory should"));
    }
    if bug.canary {
        let blind = record.detections.iter().filter(|detection| !detection.found);
        wrong.extend(blind.map(|detection| format!("{id}: {} does not see the canary", detection.engine)));
    }
    (record, wrong.into_iter().map(|wrong| Finding::new("zoo", wrong)).collect())
}

/// The record of one weaker ordering and what is wrong with it.
pub fn judge_weaker(catalogue: &Catalogue, weaker: &Weaker, hunts: &Hunts) -> (artifact::Bug, Vec<Finding>) {
    let listed = catalogue
        .unnoticed
        .iter()
        .find(|other| *other.site.get_ref() == weaker.site && other.weak == weaker.weak);
    let Weaker { site, strong, weak } = weaker;
    let detections = detections(&weaker.quarry(), 0, hunts);
    let found = detections.iter().any(|detection| detection.found);
    let record = artifact::Bug {
        id: weaker.id(),
        title: format!(
            "{site} is {strong} in the code, and {} here",
            if weak == "Relaxed" { "relaxed, or absent if it is a fence" } else { weak }
        ),
        source: "every ordering that has a name, a step weaker".to_owned(),
        property: "ordering".to_owned(),
        expected_engine: Engine::Loom.name().to_owned(),
        visible: Some(Visible::Weak.name().to_owned()),
        argued: listed.map(|listed| {
            format!(
                "{}{}",
                if listed.equivalent { "As good: " } else { "Beyond the engines: " },
                listed.because
            )
        }),
        detections,
        ..artifact::Bug::default()
    };
    let hunted = hunts.contains_key(&(weaker.quarry(), Engine::Loom));
    let wrong = match (hunted, found, listed) {
        (true, true, Some(_)) => {
            Some(format!("{}: it is listed as unnoticed, and loom notices it", weaker.id()))
        }
        (true, false, None) => {
            Some(format!("{}: no model notices it, and no argument says why", weaker.id()))
        }
        _ => None,
    };
    (record, wrong.map(|wrong| Finding::new("orderings", wrong)).into_iter().collect())
}

/// What is wrong with the controls: nothing may be found in the code as it is.
pub fn judge_controls(hunts: &Hunts) -> Vec<Finding> {
    let controls = hunts.iter().filter(|((quarry, _), _)| matches!(quarry, Quarry::Control(_)));
    let wrong = controls.filter(|(_, caught)| caught.found).map(|((quarry, engine), caught)| {
        format!("{engine} finds something in the code as it is ({quarry:?}): {}", caught.shown)
    });
    wrong.map(|wrong| Finding::new("control", wrong)).collect()
}

fn detections(quarry: &Quarry, copy: usize, hunts: &Hunts) -> Vec<Detection> {
    let detection = |engine: Engine| {
        let caught = hunts.get(&(quarry.clone(), engine))?;
        let control = hunts.get(&(Quarry::Control(copy), engine));
        Some(Detection {
            engine: engine.name().to_owned(),
            found: caught.found,
            effort: caught.effort,
            effort_unit: engine.unit().to_owned(),
            cpu_s: caught.cpu_s,
            control_passed: control.is_some_and(|control| !control.found),
            shown: (!caught.shown.is_empty()).then(|| caught.shown.clone()),
            ..Detection::default()
        })
    };
    Engine::ALL.into_iter().filter_map(detection).collect()
}

/// The edits as a reader sees them.
fn diff(bug: &super::catalogue::Bug) -> String {
    let mut diff = Vec::new();
    for edit in &bug.edit {
        diff.push(format!("--- {}", edit.file));
        diff.extend(edit.text.get_ref().trim_end().lines().map(|line| format!("-{line}")));
        diff.extend(edit.with.trim_end().lines().map(|line| format!("+{line}")));
    }
    diff.join("\n")
}
