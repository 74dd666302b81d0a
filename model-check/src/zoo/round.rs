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

use reports::artifact::{self, Detection, Finding, RankedSampler, SamplerHunt};
use reports::statistics;
use swarm_simulator::EventClass;
use swarm_simulator::sampler::Sampler;

use super::catalogue::Bug;
use super::hunt::{Catch, Engine, Near, STOPS, Scope, Trial, UNBROKEN};

/// Those who hunt.
pub trait Hunters: Sync {
    /// What every engine catches in a copy on a ground.
    ///
    /// # Errors
    /// If the hunt could not begin, or did not end as it should.
    fn hunt(&self, copy: &str, ground: &str, scope: Scope<'_>) -> Result<Vec<Catch>, String>;

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

/// Hunts all `bugs`, each as widely as it is given with it, and their controls on their grounds by every engine,
/// `threads` hunts at a time, until all are over or `interrupt` is set. `progress` is told now and then how many of
/// how many are over.
pub fn hunts(
    hunters: &dyn Hunters,
    bugs: &[(&Bug, Scope<'_>)],
    threads: usize,
    interrupt: &AtomicBool,
    mut progress: impl FnMut(usize, usize),
) -> Hunts {
    // A control goes before the first bug of each ground, so that what is over early makes whole rows.
    let mut jobs: Vec<((String, String), Scope<'_>)> = Vec::new();
    for (bug, scope) in bugs {
        let control = (bug.control(), bug.ground.clone());
        if !jobs.iter().any(|(job, _)| *job == control) {
            jobs.push((control, Scope::Engines));
        }
        jobs.push(((bug.id().to_owned(), bug.ground.clone()), *scope));
    }
    let (next, over) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        // Relaxed: the counter hands out numbers, and the flag is a request that may be seen late.
        while !interrupt.load(Ordering::Relaxed) {
            let Some((job, scope)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let caught = hunters.hunt(&job.0, &job.1, *scope);
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

/// What the hunts say of one bug, and what is wrong with that: none if they are not over. `directed` is the text of
/// the scenario that was written for it, if one was; `command` is what repeats the hunt for this bug.
pub fn judge(
    hunters: &dyn Hunters,
    bug: &Bug,
    hunts: &Hunts,
    directed: Option<&str>,
    command: &str,
) -> Option<(artifact::Bug, Vec<Finding>)> {
    let of = |copy: &str| hunts.0.get(&(copy.to_owned(), bug.ground.clone()));
    let (caught, control) = (of(bug.id())?, of(&bug.control())?);
    let mut findings = Vec::new();
    let mut wrong = |detail: String| findings.push(Finding::new("zoo", format!("{}: {detail}", bug.id())));
    let mut record = artifact::Bug {
        id: bug.id().to_owned(),
        title: bug.told(),
        source: bug.source.clone(),
        property: bug.property.clone(),
        expected_engine: bug.engine.map_or(DIRECTED.to_owned(), |engine| engine.to_string()),
        hard: bug.hard,
        canary: bug.canary,
        edit: Some(bug.diff()),
        ..artifact::Bug::default()
    };
    let (caught, control) = match (caught, control) {
        (Ok(caught), Ok(control)) => (caught, control),
        (caught, control) => {
            for (copy, failed) in [(bug.id(), caught), (&bug.control(), control)] {
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
        record.samplers.extend(catch.samplers.iter().map(|(sampler, trials)| {
            let long = catch.long.iter().find(|(other, _)| other == sampler);
            sampled(sampler, trials, long.map(|(_, trial)| trial))
        }));
        record.near.extend(catch.near.map(|Near { left, of, effort }| artifact::Near {
            engine: catch.engine.to_string(),
            left,
            of,
            effort,
            effort_unit: catch.engine.unit().to_owned(),
        }));
    }
    if let Some(directed) = directed {
        match shown(hunters, bug, directed, command) {
            Ok((detection, finding)) => {
                record.detections.push(detection);
                // What was written by hand shows it where no engine does.
                record.counterexample.get_or_insert(finding);
            }
            Err(problem) => wrong(problem),
        }
    }
    if bug.hard {
        // Random search misses it. One that learns on its way may find it, which is then told.
        let learns = |hunt: &&SamplerHunt| hunt.sampler.parse().is_ok_and(Sampler::learns);
        let random = || record.samplers.iter().filter(|hunt| !learns(hunt));
        for hunt in random().filter(|hunt| hunt.found_in > 0 || hunt.long_found == Some(true)) {
            wrong(format!("it is marked hard, and walks under {} find it", hunt.sampler));
        }
        record.missed_events = random().map(|hunt| hunt.events).min();
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

/// Who came to a run of more than one and a half times as many events as the checker, which looks at short runs
/// first; with what it came to and what the checker did. Those who saw another property broken do not compare. That is
/// told and no finding: a run is a proof of a bug at any length.
pub fn overlong(detections: &[Detection]) -> Vec<(String, u32, u32)> {
    let checker = detections.iter().find(|detection| detection.engine == Engine::Checker.name());
    let Some((optimum, property)) = checker.and_then(|checker| Some((checker.length?, &checker.property)))
    else {
        return Vec::new();
    };
    let compare = detections.iter().filter(|detection| detection.property == *property);
    let lengths = compare.filter_map(|detection| Some((&detection.engine, detection.length?)));
    lengths
        .filter(|(_, length)| *length * 2 > optimum * 3)
        .map(|(engine, length)| (engine.clone(), length, optimum))
        .collect()
}

/// How long an execution is that a world can play; any is shorter than one that no world can play.
fn lines(finding: &Finding) -> usize {
    finding.scenario.as_ref().map_or(usize::MAX, |scenario| {
        scenario.lines().take_while(|line| *line != "----").filter(|line| !line.starts_with('#')).count()
    })
}

/// Medians and their intervals over some trials.
struct Medians {
    found_in: u32,
    of: u32,
    effort: u64,
    /// None where there are too few trials.
    effort_ends: Option<(u64, Option<u64>)>,
    cpu_s: f64,
    cpu_ends: Option<(f64, Option<f64>)>,
}

impl Medians {
    /// Trials in vain have spent their whole budget: they sort behind those that found something, and an upper end
    /// among them lies beyond what was measured.
    fn of(trials: &[Trial]) -> Self {
        let mut sorted = trials.to_vec();
        sorted.sort_by_key(|trial| (!trial.found, trial.effort));
        let mut by_time = trials.to_vec();
        by_time.sort_by(|a, b| (!a.found).cmp(&!b.found).then(a.cpu_s.total_cmp(&b.cpu_s)));
        let middle = |sorted: &[Trial]| sorted.get(sorted.len() / 2).copied();
        let ends = |sorted: &[Trial]| {
            let (low, high) = statistics::median_ranks(sorted.len())?;
            Some((sorted[low - 1], Some(sorted[high - 1]).filter(|trial| trial.found)))
        };
        Medians {
            found_in: trials.iter().filter(|trial| trial.found).count() as u32,
            of: trials.len() as u32,
            effort: middle(&sorted).map_or(0, |trial| trial.effort),
            effort_ends: ends(&sorted).map(|(low, high)| (low.effort, high.map(|trial| trial.effort))),
            cpu_s: middle(&by_time).map_or(0.0, |trial| trial.cpu_s),
            cpu_ends: ends(&by_time).map(|(low, high)| (low.cpu_s, high.map(|trial| trial.cpu_s))),
        }
    }
}

fn detection(catch: &Catch, control: &Catch) -> Detection {
    let medians = Medians::of(&catch.trials);
    let efforts: Vec<f64> = catch.trials.iter().map(|trial| trial.effort as f64).collect();
    Detection {
        engine: catch.engine.to_string(),
        found: medians.found_in * 2 > medians.of,
        property: catch.property.clone(),
        shown: None,
        effort: medians.effort,
        effort_unit: catch.engine.unit().to_owned(),
        trials: if efforts.len() > 1 { efforts } else { Vec::new() },
        cpu_s: medians.cpu_s,
        length: catch.length,
        control_passed: control.property.is_none(),
        found_trials: Some(medians.found_in),
        effort_low: medians.effort_ends.map(|(low, _)| low),
        effort_high: medians.effort_ends.and_then(|(_, high)| high),
        cpu_low_s: medians.cpu_ends.map(|(low, _)| low),
        cpu_high_s: medians.cpu_ends.and_then(|(_, high)| high),
    }
}

/// What walks under one sampler came to.
fn sampled(sampler: &str, trials: &[Trial], long: Option<&Trial>) -> SamplerHunt {
    let medians = Medians::of(trials);
    let all = trials.iter().chain(long);
    SamplerHunt {
        sampler: sampler.to_owned(),
        found_in: medians.found_in,
        of: medians.of,
        effort: medians.effort,
        effort_low: medians.effort_ends.map(|(low, _)| low),
        effort_high: medians.effort_ends.and_then(|(_, high)| high),
        events: all.map(|trial| trial.effort).sum(),
        long_events: long.map(|trial| trial.effort),
        long_found: long.map(|trial| trial.found),
    }
}

/// Ranks the samplers by what the bugs say: first by how many bugs a sampler finds in more than half of its trials,
/// then by the geometric mean of its median work over all bugs, told as a ratio to the best sampler of each. Trials in
/// vain count with their whole budget, canaries not at all, nor bugs that were not hunted under every sampler. None
/// where there is no other bug.
pub fn rank(bugs: &[artifact::Bug]) -> Vec<RankedSampler> {
    let hunted: Vec<&artifact::Bug> =
        bugs.iter().filter(|bug| !bug.canary && !bug.samplers.is_empty()).collect();
    let Some(first) = hunted.first() else { return Vec::new() };
    let of = |bug: &artifact::Bug, sampler: &str| {
        bug.samplers.iter().find(|hunt| hunt.sampler == sampler).map(|hunt| hunt.effort.max(1) as f64)
    };
    let best = |bug: &artifact::Bug| {
        bug.samplers.iter().map(|hunt| hunt.effort.max(1) as f64).fold(f64::INFINITY, f64::min)
    };
    let finds = |bug: &artifact::Bug, sampler: &str| {
        bug.samplers.iter().any(|hunt| hunt.sampler == sampler && hunt.finds())
    };
    let mut ranked: Vec<RankedSampler> = first
        .samplers
        .iter()
        .map(|hunt| {
            let sampler = &*hunt.sampler;
            let logs = hunted.iter().filter_map(|bug| Some((of(bug, sampler)? / best(bug)).ln()));
            RankedSampler {
                sampler: sampler.to_owned(),
                found: hunted.iter().filter(|bug| finds(bug, sampler)).count() as u32,
                of: hunted.len() as u32,
                ratio: Some((logs.sum::<f64>() / hunted.len() as f64).exp()),
                default: sampler == Sampler::DEFAULT.name(),
            }
        })
        .collect();
    ranked.sort_by(|a, b| {
        let ratio = |ranked: &RankedSampler| ranked.ratio.unwrap_or(f64::INFINITY);
        b.found.cmp(&a.found).then(ratio(a).total_cmp(&ratio(b)))
    });
    ranked
}

/// Plays the scenario that was written for a bug: in its copy it must break the bug's property, in the control
/// nothing.
fn shown(
    hunters: &dyn Hunters,
    bug: &Bug,
    directed: &str,
    command: &str,
) -> Result<(Detection, Finding), String> {
    let breaks = hunters.play(bug.id(), bug.id(), DIRECTED, directed)?;
    if breaks != bug.property {
        return Err(format!("the scenario written for it plays to `{breaks}` in {}", bug.id()));
    }
    let there = hunters.play(&bug.control(), bug.id(), DIRECTED, directed)?;
    let said = match there.strip_prefix(STOPS) {
        Some(line) => format!("without the edit `{line}` does not happen"),
        None if there == UNBROKEN => "without the edit the same events break nothing".to_owned(),
        None => return Err(format!("the scenario written for it breaks {there} in the control, too")),
    };
    let events = directed.lines().filter(|line| is_event(line)).count() as u32;
    let detection = Detection {
        engine: DIRECTED.to_owned(),
        found: true,
        property: Some(breaks.clone()),
        effort: u64::from(events),
        effort_unit: "events".to_owned(),
        length: Some(events),
        control_passed: true,
        found_trials: Some(1),
        ..Detection::default()
    };
    let finding = Finding {
        scenario: Some(directed.to_owned()),
        replay: Some(command.to_owned()),
        ..Finding::new(&breaks, format!("a scenario written by hand; {said}"))
    };
    Ok((detection, finding))
}

/// The name under which a scenario written by hand stands beside the engines.
pub const DIRECTED: &str = "by hand";

/// Whether a line of a scenario is an event.
fn is_event(line: &str) -> bool {
    let word = line.split(' ').next().unwrap_or_default();
    EventClass::ALL.iter().any(|class| class.name() == word)
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
    let there = plays(&bug.control())?;
    let said = match there.strip_prefix(STOPS) {
        Some(line) => format!("without the edit `{line}` does not happen"),
        None if there == UNBROKEN => "without the edit the same events break nothing".to_owned(),
        // What the simulator's clocks cannot do, those of a world can.
        None if bug.timed && catch.engine == Engine::Simulator => {
            "simulations of the control, whose clocks keep within their bound, break nothing".to_owned()
        }
        None => return Err(format!("the scenario of the {engine} breaks {there} in the control, too")),
    };
    Ok(format!("{}; {said}", finding.detail))
}
