//! `simulate ALGO --replay SEED --etcd-trace FILE`: the run as a trace for etcd's TLA+ specification.

use std::path::Path;

use reports::command_line::{Exit, Refused};
use reports::store::write_atomically;
use swarm_simulator::profile::Profile;

use crate::registered::Algorithm;

/// Writes the run of a seed, and says what became of it.
pub(super) fn run(
    algorithm: &dyn Algorithm,
    profile: Profile,
    nodes: Option<u32>,
    seed: u64,
    path: &Path,
    json: bool,
) -> Result<Exit, Refused> {
    let name = algorithm.name();
    if path.symlink_metadata().is_ok() {
        return Err(Refused::usage(format!("{} is there already, and is left as it is", path.display())));
    }
    let Some(written) = algorithm.etcd_trace(profile, nodes, seed) else {
        return Err(Refused::usage(format!(
            "{name} is not what etcd's specification is about: --etcd-trace"
        )));
    };
    let failed = |error| Refused::missing(format!("{}: {error}", path.display()));
    write_atomically(path, written.text.as_bytes()).map_err(failed)?;
    let exit = if written.refused.is_some() { Exit::Finding } else { Exit::Fine };
    if json {
        let refused =
            written.refused.as_ref().map(|(line, why)| serde_json::json!({ "line": line, "why": why }));
        let line = serde_json::json!({ "verb": "simulate", "algorithm": name, "seed": seed, "etcd_trace": path,
            "lines": written.lines, "left_out": written.left_out, "ended": written.ended, "refused": refused });
        println!("{line}");
        return Ok(exit);
    }
    println!("{name}, profile {}, seed {seed}: {} lines in {}", profile.name, written.lines, path.display());
    for (what, count) in &written.left_out {
        println!("  left out: {what}: {count}");
    }
    match &written.ended {
        Some(why) => println!("  ends {why}"),
        None => println!("  ends with the run"),
    }
    match &written.refused {
        Some((line, why)) => {
            println!("  line {line} is no step of the specification as it is read here: {why}");
        }
        None => println!("  each line is a step of the specification as it is read here"),
    }
    println!(
        "  TLC was not run: validate.sh of etcd-io/raft's tla folder does that, with Java, tla2tools.jar and \
         CommunityModules-deps.jar"
    );
    Ok(exit)
}
