//! Campaigns that survive a kill: what whole blocks of seeds came to is left on disk, and gone on from.
//!
//! Seeds run in blocks. When a block has ended, and the last ledger is some seconds old, a new one is put in its
//! place; a kill at any moment leaves one of the two, and the seeds behind it are run again: none is lost, none
//! counted twice. A ledger of other seeds, of another profile or size or of another program is refused.
//!
//! Verified by `tests/it/campaigns.rs`: a campaign stopped after every block and gone on from comes to what one
//! without a stop comes to.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reports::machine;
use reports::store;
use swarm_simulator::simulation::{Run, Summary, ledger};

use super::Simulate;
use crate::build;

/// Where ledgers are left, and how often.
pub struct Keeping<'a> {
    /// The file.
    pub path: &'a Path,
    /// Which campaign it is, in a line.
    pub what: &'a str,
    /// How much time lies between two ledgers at least.
    pub every: Duration,
    /// How many seeds a block has for each thread.
    pub block: u64,
}

impl<'a> Keeping<'a> {
    /// Ledgers of the campaign `what` at `path`, every few seconds.
    pub const fn at(path: &'a Path, what: &'a str) -> Self {
        Keeping { path, what, every: Duration::from_secs(3), block: 32 }
    }
}

/// What a campaign came to, over all processes that took part.
pub struct Kept {
    /// What its seeds came to.
    pub summary: Summary,
    /// CPU time, where the system tells.
    pub cpu: Option<Duration>,
    /// How many seeds an earlier process had run.
    pub earlier: u64,
}

impl Kept {
    /// What `seeds` come to without ledgers, in one go; see [`super::run`].
    pub fn whole(
        simulate: &dyn Simulate,
        seeds: Range<u64>,
        threads: usize,
        stop: &AtomicBool,
        each: &(dyn Fn(&Run) + Sync),
    ) -> Self {
        let begun = machine::process_cpu();
        let summary = super::run(simulate, seeds, threads, stop, each);
        let cpu = begun.zip(machine::process_cpu()).map(|(begun, ended)| ended.saturating_sub(begun));
        Kept { summary, cpu, earlier: 0 }
    }
}

/// Runs `seeds` as [`super::run`] does; leaves ledgers, and goes on from the one that is there. When all seeds
/// are done the ledger is taken away.
///
/// # Errors
/// If the ledger cannot be used, written or taken away: where, and why.
pub fn run(
    simulate: &dyn Simulate,
    seeds: Range<u64>,
    threads: usize,
    stop: &AtomicBool,
    each: &(dyn Fn(&Run) + Sync),
    &Keeping { path, what, every, block }: &Keeping<'_>,
) -> Result<Kept, String> {
    let identity = format!("{what}, run by the program {}", build::sum());
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let begun = machine::process_cpu();
    let cpu = |before: u64| {
        let own = machine::process_cpu()?.saturating_sub(begun?);
        Some(own + Duration::from_micros(before))
    };
    let (mut next, mut before, mut summary) = (seeds.start, 0, Summary::default());
    match fs::read_to_string(path) {
        Ok(text) => {
            let found = ledger::read(&text, &identity).map_err(|refusal| told(&refusal))?;
            if !(seeds.start..=seeds.end).contains(&found.next) {
                return Err(told(&format!("seed {} is not one of this campaign", found.next)));
            }
            (next, before, summary) = (found.next, found.cpu_micros, found.summary);
            summary.violations = found.violating.iter().map(|seed| simulate.run(*seed)).collect();
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(told(&error)),
    }
    let earlier = next - seeds.start;
    let mut written = Instant::now();
    while next < seeds.end && !stop.load(Ordering::Relaxed) {
        let end = seeds.end.min(next + block.max(1) * threads.max(1) as u64);
        let more = super::run(simulate, next..end, threads, stop, each);
        let whole = more.runs == end - next;
        summary.merge(more);
        if !whole {
            // Stopped within a block: its seeds are told of, and run again by whoever goes on.
            break;
        }
        next = end;
        if next < seeds.end && written.elapsed() >= every {
            let micros = cpu(before).map_or(0, |cpu| cpu.as_micros() as u64);
            let text = ledger::write(&identity, next, micros, &summary);
            store::write_atomically(path, text.as_bytes()).map_err(|error| told(&error))?;
            written = Instant::now();
        }
    }
    if next == seeds.end {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(told(&error)),
            _ => {}
        }
    }
    Ok(Kept { summary, cpu: cpu(before), earlier })
}
