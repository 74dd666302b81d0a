//! `simulate ALGO --decisive`: a failing run, rewound to its moments; an artifact
//! `simulate/<algorithm>-decisive.json`.

use std::ops::Range;

use reports::artifact::{Decisive, Outcome, Payload, Verb};
use reports::command_line::{self, Exit, ProgressLine, Refused, grouped};
use reports::recorder::Recorder;

use super::Caller;
use crate::campaign::Simulate;
use crate::decisive::Effort;

/// What is to be rewound.
pub(super) struct Asked<'a> {
    pub(super) common: &'a command_line::Options,
    pub(super) caller: &'a Caller,
    /// What is simulated, in words, and as a part of names.
    pub(super) of: String,
    pub(super) subject: String,
    pub(super) algorithm: &'static str,
    /// The first of these seeds that fails is rewound.
    pub(super) seeds: Range<u64>,
    pub(super) futures: u32,
    /// Whether it is no news that it fails.
    pub(super) must_fail: bool,
    /// What replays a seed.
    pub(super) replay: &'a dyn Fn(u64) -> String,
}

/// Moments that are looked at, at most.
const MOMENTS_MAX: usize = 96;

/// Finds a failing run and rewinds it.
pub(super) fn run(simulate: &dyn Simulate, asked: &Asked<'_>) -> Result<Exit, Refused> {
    let interrupt = command_line::interrupt()?;
    let command = asked.caller.command("simulate", asked.common);
    let mut recorder = Recorder::start(Verb::Simulate, &format!("{}-decisive", asked.subject), &command)
        .map_err(Refused::missing)?;
    recorder
        .algorithm(asked.algorithm)
        .title(&format!("A failing run of {}, rewound", asked.of))
        .allocator("mimalloc")
        .parameter("futures", asked.futures)
        .parameter("threads", asked.common.threads);
    let mut line = ProgressLine::new();
    let mut seeds = asked.seeds.clone();
    let failing = seeds.find(|seed| {
        line.show(|| format!("seed {}: looking for one that fails", grouped(*seed)));
        command_line::interrupted() || simulate.run(*seed).violation.is_some()
    });
    let effort =
        Effort { futures: asked.futures, moments: MOMENTS_MAX, threads: asked.common.threads, interrupt };
    let rewound = failing.filter(|_| !command_line::interrupted()).and_then(|seed| {
        simulate.rewind(seed, &effort, &mut |moments| {
            line.show(|| format!("seed {seed}: {moments} moments of at most {MOMENTS_MAX}"));
        })
    });
    line.clear();
    let Some(rewound) = rewound else {
        if command_line::interrupted() {
            return Ok(Exit::Interrupted);
        }
        let Range { start, end } = asked.seeds;
        eprintln!("{}: none of the seeds {start}..{end} fails: there is nothing to rewind", asked.of);
        return Ok(Exit::Fine);
    };
    let rewound = Decisive { of: asked.of.clone(), ..rewound };
    let mut outcome = Outcome::Passed;
    if !asked.must_fail {
        outcome = Outcome::Failed;
        if let Some(finding) = simulate.find(rewound.seed, &(asked.replay)(rewound.seed), None) {
            recorder.finding(finding);
        }
    }
    let exit = Exit::from(&outcome);
    let shown = rewound.clone();
    let path = recorder.finish(outcome, Payload::Decisive(rewound)).map_err(Refused::missing)?;
    if asked.common.json {
        println!(
            "{}",
            serde_json::json!({ "verb": "simulate", "algorithm": asked.algorithm, "decisive": shown,
            "artifact": path })
        );
    } else {
        tell(&shown);
        println!("  {}", path.display());
    }
    Ok(exit)
}

/// Rises that are printed.
const RISES_SHOWN: usize = 5;

fn tell(decisive: &Decisive) {
    let Decisive { of, seed, property, detail, events, time_s, .. } = decisive;
    println!("{of}, seed {seed}: breaks {property} after {events} events, {time_s:.3} s: {detail}");
    for rewound in &decisive.rewound {
        let event = rewound.event.as_deref().unwrap_or("the beginning");
        println!(
            "  {:>6} events: {:>4} of {} fail  {event}",
            rewound.events, rewound.failing, rewound.futures
        );
    }
    println!("decisive:");
    for (before, after) in decisive.rises().into_iter().take(RISES_SHOWN) {
        let event = after.event.as_deref().unwrap_or_default();
        println!(
            "  {} -> {} of {}: {event} at {:.6} s",
            before.failing, after.failing, after.futures, after.time_s
        );
    }
    if let Some(turned) = decisive.turned() {
        println!("more likely than not to fail after {} of {events} events", turned.events);
    }
}
