//! `lanes`: what a message from one thread to another costs, by the runtime's lane, by those of other crates and by ours
//! (see `bench::lanes`).
//!
//! Exit codes: 0 done, 1 a lane that loses, doubles or turns round what it passes, 2 wrong usage.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use bench::lanes::{Contestant, both_ways_contestants, one_to_one_contestants, rounds};
use reports::command_line::{self, Exit, Refused};
use reports::statistics::median_interval;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: lanes

Passes messages between two threads through lanes, interleaved in rounds, and prints what one costs. Build it with
--profile bench --features peers.
";

const ROUNDS: u32 = 61;

const MESSAGES: u64 = 100_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match &arguments[..] {
        [] => compare(),
        [help] if help == "--help" => {
            print!("{USAGE}");
            Ok(Exit::Fine)
        }
        [other, ..] => Err(Refused::usage(format!("`{other}` is no option\n{USAGE}"))),
    };
    command_line::end("lanes", result)
}

fn compare() -> Result<Exit, Refused> {
    let kinds: [(&str, Vec<Contestant>); 2] =
        [("one to one", one_to_one_contestants()), ("both ways", both_ways_contestants())];
    for (kind, contestants) in kinds {
        let samples = match rounds(&contestants, ROUNDS, MESSAGES, 1) {
            Ok(samples) => samples,
            Err(wrong) => {
                eprintln!("lanes: {wrong}");
                return Ok(Exit::Finding);
            }
        };
        let mut table = format!("{kind}, {ROUNDS} rounds of {MESSAGES} messages\n");
        let (usual, floor) = (&samples[0], &samples[samples.len() - 1]);
        for (contestant, own) in contestants.iter().zip(&samples) {
            let times = |other: &[f64]| {
                let ratios: Vec<f64> = own.iter().zip(other).map(|(own, other)| own / other).collect();
                let (median, interval) = median_interval(&ratios);
                format!("{median:6.2} ({:.2} to {:.2})", interval.low, interval.high)
            };
            let (nanos, _) = median_interval(own);
            let _ = writeln!(
                table,
                "  {:18} {nanos:7.1} ns, times {}: {}, times the floor: {}",
                contestant.lane,
                contestants[0].lane,
                times(usual),
                times(floor)
            );
        }
        std::io::stdout().write_all(table.as_bytes()).map_err(Refused::missing)?;
    }
    Ok(Exit::Fine)
}
