//! Scenario files: runs written down, with the transcripts that they must produce.

use std::path::PathBuf;

use swarm_raft::properties::RaftProperties;
use swarm_raft::{Config, Kv, KvOp, Raft};
use swarm_simulator::Setup;
use swarm_simulator::scenario::{self, Scenario};

/// The cluster that a file's `config` lines describe.
fn configure(scenario: &Scenario<KvOp>) -> Result<Setup<Raft<Kv>>, String> {
    let mut config = Config::new(scenario.nodes);
    for (key, value) in &scenario.config {
        let number = || value.parse().map_err(|_| format!("`{value}` is not a number"));
        match (key.as_str(), value.as_str()) {
            ("pre_vote", "on") => config.pre_vote = true,
            ("pre_vote", "off") => config.pre_vote = false,
            ("append_entries_max", _) => config.append_entries_max = number()?,
            ("batch_entries_max", _) => config.batch_entries_max = number()?,
            _ => return Err(format!("`config {key} {value}` means nothing here")),
        }
    }
    Ok(scenario.setup(config))
}

#[test]
fn scenarios_go_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = std::fs::read_dir(folder).expect("the folder is part of the crate");
    let mut files: Vec<_> = files.map(|file| file.expect("the folder can be read").path()).collect();
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    let mut differences = vec![];
    for file in files {
        match scenario::check_file::<Raft<Kv>, RaftProperties>(&file, configure) {
            Ok(played) => assert_eq!(played.violation, None, "{}", file.display()),
            Err(difference) => differences.push(difference),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
