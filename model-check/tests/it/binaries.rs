//! The binaries, as a shell starts them: exit codes, artifacts, and lines on standard output.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use model_check::instance::Pinned;
use model_check::raft;
use reports::artifact::{Artifact, Instance, Outcome, Payload};

/// A folder of its own for each test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    // It may not be there.
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn run(binary: &str, artifacts: &Path, line: &str) -> Output {
    let mut command = Command::new(binary);
    command.args(line.split(' ').filter(|word| !word.is_empty()));
    command.env("SWARMPROOF_ARTIFACTS", artifacts).env_remove("SWARMPROOF_COMMAND");
    command.output().expect("it is built")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it prints text")
}

fn artifact(folder: &Path, name: &str) -> Artifact {
    let read = reports::store::read_all(folder);
    let found = read.into_iter().map(|artifact| artifact.expect("it is readable"));
    let mut found = found.filter(|artifact| artifact.verb.name() == name);
    found.next().expect("it is written")
}

const VERIFY: &str = env!("CARGO_BIN_EXE_verify");
const SIMULATE: &str = env!("CARGO_BIN_EXE_simulate");
const EXPLORE: &str = env!("CARGO_BIN_EXE_explore");
const ZOO: &str = env!("CARGO_BIN_EXE_zoo");

#[test]
fn a_wrong_command_line_ends_with_2_and_says_why() {
    let folder = folder("usage");
    for (binary, line, reason) in [
        (VERIFY, "paxos", "`paxos` is not an algorithm (raft, task-sharing)"),
        (VERIFY, "--quick --full", "one of --quick and --full"),
        (VERIFY, "--small --full", "one of --quick, --full and --small"),
        (VERIFY, "--engine own --reduction most", "--reduction is sleep or none, not `most`"),
        (VERIFY, "--reduction sleep", "--reduction needs --engine own"),
        (VERIFY, "--symmetry", "--symmetry needs --engine own"),
        (VERIFY, "--engine own --symmetry --reduction sleep", "--symmetry goes without --reduction"),
        (VERIFY, "--engine own --symmetry --spill here", "--symmetry goes without --reduction, --spill"),
        (VERIFY, "--engine own --checkpoint-every 1", "--checkpoint-every needs --checkpoints"),
        (VERIFY, "--calibrate --small", "--calibrate searches by the engine of our own"),
        (VERIFY, "--calibrate --engine own", "--calibrate searches by the engine of our own"),
        (ZOO, "raft --hard --full", "one of --quick, --full and --hard"),
        (ZOO, "raft --hard --bug canary", "no such bug"),
        (VERIFY, "--threads 0", "at least 1"),
        (VERIFY, "--threads many", "--threads many"),
        (VERIFY, "--nonsense", "--nonsense"),
        (SIMULATE, "", "which algorithm?"),
        (SIMULATE, "raft --seeds 5..5", "there are none"),
        (SIMULATE, "raft --seeds 5", "two numbers with `..` between"),
        (SIMULATE, "raft --seeds a..b", "`a` is not a number"),
        (SIMULATE, "raft --shard 4/3", "1/N to N/N"),
        (SIMULATE, "raft --profile stormy", "`stormy` is not a profile"),
        (SIMULATE, "raft --replay 1 --seeds 0..2", "--replay runs one seed"),
        (SIMULATE, "raft --elections --replay 1", "--elections is an experiment of its own"),
        (SIMULATE, "raft --etcd-trace somewhere", "--etcd-trace tells the run of --replay"),
        (SIMULATE, "raft --elections --profile calm", "--elections is an experiment of its own"),
        (SIMULATE, "raft --nodes 99", "--nodes is 1 to 9"),
        (SIMULATE, "raft raft", "raft"),
        (EXPLORE, "", "which algorithm?"),
        (EXPLORE, "raft --instance huge", "one of two-nodes"),
        (EXPLORE, "raft --address nowhere", "--address nowhere"),
    ] {
        let output = run(binary, &folder, line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.contains(reason), "{line}: {said}");
    }
    assert!(!folder.exists(), "nothing was run");
}

#[test]
fn help_is_said_on_standard_output() {
    for binary in [VERIFY, SIMULATE, EXPLORE] {
        let output = run(binary, &folder("help"), "--help");
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("--"), "{binary}");
    }
}

#[test]
fn verify_leaves_an_artifact_and_says_one_object_a_line() {
    let folder = folder("verify");
    let output = run(VERIFY, &folder, "raft --small --threads 2 --json");
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let artifact = artifact(&folder, "verify");
    assert_eq!((&artifact.outcome, &*artifact.subject), (&Outcome::Passed, "raft"));
    assert_eq!(artifact.command, "cargo xtask verify raft --small --threads 2 --json");
    let Payload::Verify(verify) = &artifact.payload else { panic!("{artifact:?}") };
    assert_eq!(verify.instances.len(), raft::small().len());
    for instance in &verify.instances {
        assert!(instance.complete_depth.is_some() || instance.threads > 1, "{instance:?}");
        assert!(instance.states > 1000 && instance.generated > instance.states, "{instance:?}");
        assert!(instance.properties.iter().all(|result| result.holds), "{instance:?}");
    }
    let lines: Vec<serde_json::Value> =
        out(&output).lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    assert_eq!(lines.len(), raft::small().len() + 1);
    assert_eq!(lines[raft::small().len()]["outcome"], "passed");
}

#[test]
fn a_search_over_its_budget_ends_whole_and_is_no_pass_of_what_it_did_not_see() {
    let folder = folder("budget");
    let output = run(VERIFY, &folder, "raft --small --threads 1 --memory-mib 1");
    let artifact = artifact(&folder, "verify");
    let Payload::Verify(verify) = &artifact.payload else { panic!("{artifact:?}") };
    let cut = verify.instances.iter().filter(|instance| instance.stopped.as_deref() == Some("memory budget"));
    assert_eq!(cut.count(), raft::small().len(), "{}", out(&output));
    assert!(verify.instances.iter().all(|instance| !instance.complete && instance.complete_depth.is_some()));
}

#[test]
fn the_own_engine_goes_on_from_checkpoints_and_refuses_what_is_none() {
    let (folder, checkpoints) = (folder("own"), folder("own-checkpoints"));
    let line = format!("raft --small --engine own --threads 2 --checkpoints {}", checkpoints.display());
    let output = run(VERIFY, &folder, &line);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let Payload::Verify(verify) = artifact(&folder, "verify").payload else { panic!("it is a check") };
    assert!(verify.instances.iter().all(|instance| instance.engine.starts_with("swarmproof")), "{verify:?}");
    let footprints = verify.instances.iter().map(|instance| instance.footprint.as_ref());
    for footprint in footprints {
        let bytes = footprint.expect("the own engine tells").bytes_per_state;
        assert!(bytes > 12.0, "fingerprint and way alone take more than {bytes}");
    }
    assert!(out(&output).contains("bytes per visited state beside the frontier"), "{}", out(&output));
    std::fs::create_dir_all(&checkpoints).expect("the folder is ours");
    std::fs::write(checkpoints.join("two-nodes.checkpoint"), "nonsense").expect("the folder is ours");
    let output = run(VERIFY, &folder, &line);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("two-nodes.checkpoint: "), "{said}");
    let output = run(VERIFY, &folder, "raft --small --checkpoints here");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--checkpoints needs --engine own"));
    let output = run(VERIFY, &folder, "raft --small --spill here");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--spill needs --engine own"));
}

/// What the artifact says of each instance, to be compared with what is pinned.
fn pinned_of(instances: &[Instance]) -> Vec<(&str, Pinned)> {
    let of = |instance: &'_ Instance| {
        let &Instance { states, generated, depth, .. } = instance;
        Pinned { states, generated, depth }
    };
    instances.iter().map(|instance| (&*instance.name, of(instance))).collect()
}

/// What is pinned of the instances that tests run.
fn pinned() -> Vec<(&'static str, Pinned)> {
    let small = [
        raft::TWO_NODES,
        raft::TWO_NODES_PRE_VOTE,
        raft::TWO_NODES_BETWEEN_WRITES,
        raft::TWO_NODES_BOUNDED,
        raft::TWO_NODES_UNDISTURBED,
        raft::FEW_SNAPSHOTS,
        raft::TWO_NODES_READ_INDEX,
        raft::TWO_NODES_HANDED_OVER,
        raft::TWO_NODES_LENT,
        raft::TWO_NODES_JOINED,
        raft::TWO_NODES_RETIRED,
        raft::FEW_WITNESSED_SNAPSHOTS,
    ];
    small.map(|instance| (instance.name, instance.pinned)).to_vec()
}

fn instances(folder: &Path) -> Vec<Instance> {
    let Payload::Verify(verify) = artifact(folder, "verify").payload else { panic!("it is a check") };
    verify.instances
}

#[test]
fn a_reduced_search_comes_to_the_pinned_states_and_says_what_it_saved() {
    let folder = folder("reduced");
    let output = run(VERIFY, &folder, "raft --small --engine own --reduction sleep --threads 2");
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let instances = instances(&folder);
    for ((name, found), (pinned_name, pinned)) in pinned_of(&instances).into_iter().zip(pinned()) {
        assert_eq!((name, found.states, found.depth), (pinned_name, pinned.states, pinned.depth));
        assert!(found.generated < pinned.generated, "{name}: {} generated", found.generated);
    }
    assert!(instances.iter().all(|instance| instance.engine == "swarmproof, level by level, sleep sets"));
}

#[test]
fn a_search_up_to_renaming_says_how_many_worlds_its_states_stand_for() {
    let folder = folder("alike");
    let output = run(VERIFY, &folder, "raft --small --engine own --symmetry --threads 2");
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let alike = [raft::ALIKE_TWO_NODES, raft::ALIKE_TWO_NODES_PRE_VOTE];
    let pinned: Vec<_> = alike.iter().map(|alike| (alike.instance.name, alike.instance.pinned)).collect();
    let instances = instances(&folder);
    assert_eq!(pinned_of(&instances), pinned);
    for (instance, alike) in instances.iter().zip(&alike) {
        assert_eq!(instance.engine, "swarmproof, level by level, up to renaming");
        assert!(
            out(&output).contains(&format!("they stand for {} worlds", alike.worlds)),
            "{}",
            out(&output)
        );
    }
}

#[test]
fn a_search_that_hardly_has_memory_spills_and_comes_to_the_same() {
    let (folder, spill) = (folder("tight"), folder("tight-spill"));
    // How much a process takes differs from machine to machine: the least of these budgets that it lasts.
    let budgets = (0..).map(|step: i32| (8.0 * 1.25_f64.powi(step)) as u64);
    for mib in budgets {
        assert!(mib < 1024, "no budget is enough");
        let spill = spill.display();
        let line = format!("raft --small --engine own --threads 2 --memory-mib {mib} --spill {spill}");
        let output = run(VERIFY, &folder, &line);
        let instances = instances(&folder);
        if instances.iter().any(|instance| instance.stopped.as_deref() == Some("memory budget")) {
            // What it says is true all the same.
            for (instance, (_, pinned)) in instances.iter().zip(pinned()) {
                assert!(
                    instance.states <= pinned.states && instance.complete_depth.is_some(),
                    "{instance:?}"
                );
            }
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{}", out(&output));
        assert_eq!(pinned_of(&instances), pinned());
        let spilled =
            |instance: &Instance| instance.footprint.as_ref().map_or(0, |print| print.spilled_states);
        assert!(instances.iter().map(spilled).sum::<u64>() > 0, "{mib} MiB: nothing was written");
        break;
    }
    assert_eq!(std::fs::read_dir(&spill).expect("it was made").count(), 0, "nothing is left");
}

#[test]
#[cfg(target_os = "linux")]
fn a_search_that_is_killed_goes_on_where_it_was_and_comes_to_the_same() {
    let name = raft::TWO_NODES_BETWEEN_WRITES.name;
    for attempt in 0.. {
        let test = format!("killed-{attempt}");
        let (folder, checkpoints, spill) =
            (folder(&test), folder(&format!("{test}-checkpoints")), folder(&format!("{test}-spill")));
        let line = format!(
            "raft --small --engine own --threads 2 --checkpoints {} --checkpoint-every 0 --spill {}",
            checkpoints.display(),
            spill.display()
        );
        let checkpoint = checkpoints.join(format!("{name}.checkpoint"));
        let mut command = Command::new(VERIFY);
        command.args(line.split(' ')).env("SWARMPROOF_ARTIFACTS", &folder);
        command.stdout(std::process::Stdio::null());
        let mut child = command.spawn().expect("it is built");
        while !checkpoint.exists() && child.try_wait().expect("it is ours").is_none() {
            std::thread::yield_now();
        }
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
        if !checkpoint.exists() {
            // It was faster. Not for ever.
            assert!(attempt < 20, "{name} ends before it can be killed");
            continue;
        }
        assert!(!folder.join("verify").join("raft-own.json").exists(), "it was killed before its end");
        let output = run(VERIFY, &folder, &line);
        assert_eq!(output.status.code(), Some(0), "{}", out(&output));
        let instances = instances(&folder);
        assert_eq!(pinned_of(&instances), pinned());
        // A search that goes on does not know how often what happened before.
        let went_on = |instance: &&Instance| instance.actions.is_empty();
        let went_on: Vec<_> = instances.iter().filter(went_on).map(|instance| &*instance.name).collect();
        assert_eq!(went_on, [name]);
        // What was half written when it was killed has another name, and nobody reads it.
        let left =
            std::fs::read_dir(&checkpoints).expect("it was made").map(|entry| entry.expect("ours").path());
        let left: Vec<_> =
            left.filter(|path| path.extension().is_some_and(|is| is == "checkpoint")).collect();
        assert!(left.is_empty(), "they are done: {left:?}");
        return;
    }
}

#[test]
fn digests_do_not_depend_on_threads_and_shards_go_to_files_of_their_own() {
    let folder = folder("simulate");
    let lines = |line: &str| {
        let output = run(SIMULATE, &folder, line);
        assert_eq!(output.status.code(), Some(0), "{}", out(&output));
        out(&output)
    };
    let one = lines("raft --seeds 0..6 --digest --threads 1");
    assert_eq!(one.lines().count(), 6);
    assert!(one.lines().enumerate().all(|(seed, line)| line.starts_with(&format!("{seed} "))), "{one}");
    assert_eq!(one, lines("raft --seeds 0..6 --digest --threads 2"));
    let parts = ["1/2", "2/2"].map(|part| lines(&format!("raft --seeds 0..6 --digest --shard {part}")));
    assert_eq!(one, parts.concat());
    for name in ["raft.json", "raft.1-of-2.json", "raft.2-of-2.json"] {
        assert!(folder.join("simulate").join(name).is_file(), "{name}");
    }
    let artifact = artifact(&folder, "simulate");
    let Payload::Simulate(simulate) = &artifact.payload else { panic!("{artifact:?}") };
    assert!(simulate.steps > 1000 && simulate.failures == 0, "{simulate:?}");
    assert_eq!(simulate.linearizable, simulate.runs);
}

#[test]
fn a_seed_is_replayed_as_a_trace() {
    let output = run(SIMULATE, &folder("replay"), "raft --replay 2");
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("version 1\nnodes 3\n") && text.contains(" deliver n"), "{text}");
    assert!(text.contains("\nseed 2: "), "{text}");
}

/// Starts a binary, sends it Ctrl-C as soon as it handles it, and waits for its end.
#[cfg(target_os = "linux")]
fn interrupted(binary: &str, artifacts: &Path, line: &str) -> Option<i32> {
    /// Ctrl-C, as a bit of the mask of caught signals.
    const SIGINT: u64 = 1 << 1;
    let mut command = Command::new(binary);
    command.args(line.split(' ')).env("SWARMPROOF_ARTIFACTS", artifacts);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("it is built");
    let id = child.id().to_string();
    let catches = |status: String| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
        mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & SIGINT != 0)
    };
    while !std::fs::read_to_string(format!("/proc/{id}/status")).is_ok_and(catches) {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill is there").success());
    child.wait().expect("it ends").code()
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_leaves_a_whole_artifact_that_says_so() {
    let folder = folder("interrupted");
    for (binary, verb, line) in [
        (VERIFY, "verify", "raft --full"),
        (SIMULATE, "simulate", "raft --seeds 0..1000000"),
        (ZOO, "zoo", "raft --full"),
    ] {
        assert_eq!(interrupted(binary, &folder, line), Some(130), "{line}");
        assert_eq!(artifact(&folder, verb).outcome, Outcome::Interrupted, "{line}");
    }
}

#[test]
fn a_seed_is_the_same_run_under_another_allocator() {
    // The binary allocates by mimalloc, these tests by the system. Places in memory differ, and so would every
    // run that depends on one: by a hash order, or by an address that is compared.
    let folder = folder("allocators");
    let told = out(&run(SIMULATE, &folder, "raft --seeds 0..12 --digest"));
    let lines: Vec<_> = told.lines().map(str::to_owned).collect();
    let simulate = model_check::raft::campaign(swarm_simulator::profile::Profile::EVERYTHING, None);
    let own = (0..12).map(|seed| simulate.run(seed));
    let own: Vec<_> = own.map(|run| format!("{} {} {:016x}", run.seed, run.steps, run.digest)).collect();
    assert_eq!(lines, own);
}

#[test]
fn elections_leave_an_artifact_with_their_claims() {
    let folder = folder("elections");
    let output = run(SIMULATE, &folder, "raft --elections --seeds 0..20");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = out(&output);
    assert!(said.contains("(published: 287 ms); not judged on these seeds"), "{said}");
    let artifact = artifact(&folder, "simulate");
    assert_eq!((artifact.subject.as_str(), &artifact.outcome), ("raft-elections", &Outcome::Passed));
    let Payload::Elections(elections) = artifact.payload else { panic!("another payload") };
    assert_eq!((elections.ranges.len(), elections.servers), (13, 5));
    assert!(elections.ranges.iter().all(|range| range.trials() == 20));
    assert!(elections.claims.iter().all(|claim| claim.holds.is_none()));
}

#[test]
fn a_run_is_written_as_a_trace_for_another_specification() {
    let folder = folder("etcd-trace");
    std::fs::create_dir_all(&folder).expect("a folder of this test");
    let file = folder.join("run.ndjson");
    let line = format!("raft --replay 2 --nodes 3 --profile calm --etcd-trace {}", file.display());
    let output = run(SIMULATE, &folder, &line);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = model_check::etcd_trace::rules::read(&std::fs::read_to_string(&file).expect("the trace"));
    let said = out(&output);
    let told = format!("raft, profile calm, seed 2: {} lines in", lines.expect("each is a step"));
    assert!(said.starts_with(&told) && said.contains("TLC was not run"), "{said}");
    let again = run(SIMULATE, &folder, &line);
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"), "{again:?}");
}
