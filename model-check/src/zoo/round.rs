//! One round through the zoo: every bug hunted on its ground, the control on each of these grounds, and what
//! that says of the bugs.
//!
//! What is wrong with a bug is a finding: no engine found it, it broke what was not its to break, a hunter
//! could not hunt, a counterexample does not play again, or the control is not clean. A round that is stopped
//! speaks of the bugs whose hunt and whose control's hunt are both over, as if it had been about them alone.
//!
//! Verified by `tests/it/zoo.rs` with hunters of its own: each kind of finding, and a round that is stopped.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use reports::artifact::{self, Detection, Finding};

use super::catalogue::{Bug, CONTROL};
use super::hunt::{Catch, STOPS, UNBROKEN};

/// Those who hunt.
pub trait Hunters: Sync {
    /// What every engine catches in a copy on a ground.
    ///
    /// # Errors
    /// If the hunt could not begin, or did not end as it should.
    fn hunt(&self, copy: &str, ground: &str) -> Result<Vec<Catch>, String>;

    /// What the scenario that `engine` found in the copy `of` comes to in `copy`: the property that it breaks,
    /// [`UNBROKEN`], or [`STOPS`] and the line that cannot happen.
    ///
    /// # Errors
    /// If it could not be played at all.
    fn play(&self, copy: &str, of: &str, engine: &str, scenario: &str) -> Result<String, String>;
}

/// What came of hunts that are over, by copy and ground.
#[derive(Debug, Default)]
pub struct Hunts(BTreeMap<(String, String), Result<Vec<Catch>, String>>);

/// Hunts all `bugs`, and the control on their grounds, `threads` hunts at a time, until all are over or
/// `interrupt` is set. `progress` is told now and then how many of how many are over.
pub fn hunts(
    hunters: &dyn Hunters,
    bugs: &[&Bug],
    threads: usize,
    interrupt: &AtomicBool,
    mut progress: impl FnMut(usize, usize),
) -> Hunts {
    // The control goes before the first bug of each ground, so that what is over early makes whole rows.
    let mut jobs: Vec<(String, String)> = Vec::new();
    for bug in bugs {
        let control = (CONTROL.to_owned(), bug.ground.clone());
        if !jobs.contains(&control) {
            jobs.push(control);
        }
        jobs.push((bug.id().to_owned(), bug.ground.clone()));
    }
    let (next, over) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        // Relaxed: the counter hands out numbers, and the flag is a request that may be seen late.
        while !interrupt.load(Ordering::Relaxed) {
            let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let caught = hunters.hunt(&job.0, &job.1);
            // A hunter that was stopped says so as an error, which is none of the bug's.
            if caught.is_ok() || !interrupt.load(Ordering::Relaxed) {
                over.lock().expect("no thread panics while it notes a result").insert(job.clone(), caught);
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            progress(over.lock().expect("no thread panics while it notes a result").len(), jobs.len());
            thread::sleep(Duration::from_millis(20));
        }
    });
    Hunts(over.into_inner().expect("no thread panicked while it noted a result"))
}

/// What the hunts say of one bug, and what is wrong with that: none if they are not over. `command` is what
/// repeats the hunt for this bug.
pub fn judge(
    hunters: &dyn Hunters,
    bug: &Bug,
    hunts: &Hunts,
    command: &str,
) -> Option<(artifact::Bug, Vec<Finding>)> {
    let of = |copy: &str| hunts.0.get(&(copy.to_owned(), bug.ground.clone()));
    let (caught, control) = (of(bug.id())?, of(CONTROL)?);
    let mut findings = Vec::new();
    let mut wrong = |detail: String| findings.push(Finding::new("zoo", format!("{}: {detail}", bug.id())));
    let mut record = artifact::Bug {
        id: bug.id().to_owned(),
        title: bug.told(),
        source: bug.source.clone(),
        property: bug.property.clone(),
        expected_engine: bug.engine.to_string(),
        hard: bug.hard,
        canary: bug.canary,
        edit: Some(bug.diff()),
        ..artifact::Bug::default()
    };
    let (caught, control) = match (caught, control) {
        (Ok(caught), Ok(control)) => (caught, control),
        (caught, control) => {
            for (copy, failed) in [(bug.id(), caught), (CONTROL, control)] {
                if let Err(reason) = failed {
                    wrong(format!("the hunt in {copy} failed: {reason}"));
                }
            }
            return Some((record, findings));
        }
    };
    for (catch, control) in caught.iter().zip(control) {
        let detection = detection(catch, control);
        for seen in catch.property.iter().chain(catch.finding.iter().map(|finding| &finding.property)) {
            if !bug.breaks(seen) {
                wrong(format!("{} saw {seen} broken, which is not this bug's to break", catch.engine));
            }
        }
        if let Some(finding) = &catch.finding {
            match replayed(hunters, bug, catch, finding) {
                Ok(detail) => {
                    let finding = Finding { detail, replay: Some(command.to_owned()), ..finding.clone() };
                    record.counterexample = Some(match record.counterexample.take() {
                        Some(best) if lines(&best) <= lines(&finding) => best,
                        _ => finding,
                    });
                }
                Err(problem) => wrong(problem),
            }
        }
        if let Some(property) = &control.property {
            wrong(format!("the control is broken, too: {} saw {property}", control.engine));
        }
        if bug.canary && !detection.found {
            wrong(format!("the {} does not see the canary", catch.engine));
        }
        record.detections.push(detection);
    }
    if !record.found() {
        wrong("no engine has found it".to_owned());
    }
    let main = record.detections.iter().any(|detection| detection.property.as_ref() == Some(&bug.property));
    if record.found() && !main {
        wrong(format!("no engine saw {} broken", bug.property));
    }
    Some((record, findings))
}

/// How long an execution is that a world can play; any is shorter than one that no world can play.
fn lines(finding: &Finding) -> usize {
    finding.scenario.as_ref().map_or(usize::MAX, |scenario| {
        scenario.lines().take_while(|line| *line != "----").filter(|line| !line.starts_with('#')).count()
    })
}

fn detection(catch: &Catch, control: &Catch) -> Detection {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    let successes = catch.trials.iter().filter(|trial| trial.found).count();
    let efforts: Vec<f64> = catch.trials.iter().map(|trial| trial.effort as f64).collect();
    Detection {
        engine: catch.engine.to_string(),
        found: successes * 2 > catch.trials.len(),
        property: catch.property.clone(),
        effort: median(efforts.clone()) as u64,
        effort_unit: catch.engine.unit().to_owned(),
        trials: if efforts.len() > 1 { efforts } else { Vec::new() },
        found_trials: Some(successes as u32),
        cpu_s: median(catch.trials.iter().map(|trial| trial.cpu_s).collect()),
        length: catch.length,
        control_passed: control.property.is_none(),
    }
}

/// Plays a counterexample in the copy that it is from, where it must break the same property, and in the
/// control, where it must break none. Gives what was seen, with what becomes of it in the control.
fn replayed(hunters: &dyn Hunters, bug: &Bug, catch: &Catch, finding: &Finding) -> Result<String, String> {
    let Some(scenario) = &finding.scenario else { return Ok(finding.detail.clone()) };
    let engine = catch.engine.name();
    let plays = |copy: &str| hunters.play(copy, bug.id(), engine, scenario);
    let here = plays(bug.id())?;
    if here != finding.property {
        return Err(format!("the scenario of the {engine} plays to `{here}` in {}", bug.id()));
    }
    let there = plays(CONTROL)?;
    let said = match there.strip_prefix(STOPS) {
        Some(line) => format!("without the edit `{line}` does not happen"),
        None if there == UNBROKEN => "without the edit the same events break nothing".to_owned(),
        None => return Err(format!("the scenario of the {engine} breaks {there} in the control, too")),
    };
    Ok(format!("{}; {said}", finding.detail))
}
