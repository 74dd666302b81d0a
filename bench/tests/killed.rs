//! Processes that are killed under load lose nothing that they acknowledged, and one that lies is found out.

use std::path::PathBuf;
use std::process::Command;

use bench::killed::{Campaign, drawn};
use swarm_protocol::Stream;

/// A folder of this test's own, deleted at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Folder(std::env::temp_dir().join(format!("swarmproof-killed-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn victim(role: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_killed"));
    command.arg(role);
    command
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let folder = Folder::new("honest");
    let (mut campaign, mut draw) = (Campaign::new(&folder.0).unwrap(), Stream::new(1, 0, 0));
    for _ in 0..8 {
        campaign.kill_one(&mut victim("--victim"), drawn(&mut draw)).unwrap();
    }
    let survived = campaign.finish().unwrap();
    assert!(survived.kills == 8 && survived.acknowledged > 1_000, "{survived:?}");
    assert!(survived.from_snapshots > 0, "{survived:?}");
}

#[test]
fn a_victim_that_answers_too_early_is_found_out() {
    let folder = Folder::new("lies");
    let mut campaign = Campaign::new(&folder.0).unwrap();
    let lost = campaign.kill_one(&mut victim("--victim-that-lies"), 10_000).unwrap_err();
    assert!(lost.contains("was acknowledged, and is not on the disks of a majority"), "{lost}");
}
