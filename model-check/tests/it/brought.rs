//! Programs of registered protocols, as a shell starts them: every verb, its artifact, and the page.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use reports::artifact::{Artifact, Outcome, Payload, Seen};
use swarm_simulator::sampler::Sampler;

const TWO_PHASE_COMMIT: &str = env!("CARGO_BIN_EXE_two-phase-commit");
const PRIMARY_BACKUP: &str = env!("CARGO_BIN_EXE_primary-backup");

/// A folder of its own for each test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("brought").join(test);
    // It may not be there.
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn run(binary: &str, artifacts: &Path, line: &str) -> Output {
    let mut command = Command::new(binary);
    command.args(line.split(' ').filter(|word| !word.is_empty()));
    command.env("SWARMPROOF_ARTIFACTS", artifacts).env_remove("SWARMPROOF_COMMAND");
    command.env_remove("CARGO").output().expect("it is built")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn artifact(folder: &Path, verb: &str) -> Artifact {
    let all = reports::store::read_all(folder).into_iter().map(|artifact| artifact.expect("it is readable"));
    all.into_iter().find(|artifact| artifact.verb.name() == verb).expect("it is written")
}

#[test]
fn every_verb_of_two_protocols_from_outside_passes_and_is_on_their_page() {
    for (binary, name, states) in
        [(TWO_PHASE_COMMIT, "two-phase-commit", 72_281), (PRIMARY_BACKUP, "primary-backup", 551)]
    {
        let folder = folder(name);
        for line in [
            "verify --threads 1",
            "simulate --seeds 0..10 --threads 1",
            "fuzz --executions 2000 --threads 1",
            "bench --rounds 1 --clients 2",
        ] {
            let output = run(binary, &folder, line);
            assert_eq!(output.status.code(), Some(0), "{name} {line}: {}", said(&output));
            let verb = line.split(' ').next().expect("a verb comes first");
            let artifact = artifact(&folder, verb);
            assert_eq!((&*artifact.algorithm, &artifact.outcome), (name, &Outcome::Passed), "{line}");
            assert!(artifact.command.ends_with(line), "{}", artifact.command);
        }
        let Payload::Verify(verify) = artifact(&folder, "verify").payload else { panic!("it is a check") };
        assert_eq!((verify.instances[0].states, verify.instances[0].complete), (states, true));
        let Payload::Simulate(simulate) = artifact(&folder, "simulate").payload else {
            panic!("it is a run")
        };
        assert_eq!((simulate.runs, simulate.linearizable), (10, 10));
        let Payload::Bench(bench) = artifact(&folder, "bench").payload else { panic!("it is a measurement") };
        assert!(bench.benchmarks.iter().all(|benchmark| benchmark.figure.value > 0.0), "{bench:?}");

        let site = folder.join("site");
        let output = run(binary, &folder, &format!("report --out {}", site.display()));
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let page = std::fs::read_to_string(site.join(format!("{name}.html"))).expect("it has a page");
        for part in ["linearizability", "fuzz --executions 2000", "closed loop", "72,281"] {
            let belongs = part != "72,281" || states == 72_281;
            assert_eq!(page.contains(part), belongs, "{name}: {part}");
        }
        assert!(!site.join("raft.html").exists(), "a site about others does not speak of Raft");
    }
}

#[test]
fn the_two_engines_come_to_the_same() {
    let folder = folder("engines");
    let output = run(TWO_PHASE_COMMIT, &folder, "verify --engine own --threads 2");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn calibrated_walks_are_measured_against_a_search_of_all_there_is() {
    let folder = folder("calibration");
    let output = run(PRIMARY_BACKUP, &folder, "verify --calibrate --quick --threads 2");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("primary-backup: passed, 1 instances calibrated"), "{}", said(&output));
    let told = artifact(&folder, "verify");
    assert_eq!((&*told.algorithm, &told.outcome), ("primary-backup", &Outcome::Passed));
    assert_eq!((&*told.subject, &*told.findings), ("primary-backup-calibration", &[][..]));
    assert_eq!(told.parameters["seeds"], "10");
    let Payload::Calibration(calibration) = told.payload else { panic!("it is a calibration") };
    assert!(calibration.left_out.is_empty());
    let [instance] = &calibration.instances[..] else { panic!("{calibration:?}") };

    // Stateright is asked how many states there are, and how deep they lie.
    let output = run(PRIMARY_BACKUP, &folder, "verify --threads 1");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let all = reports::store::read_all(&folder).into_iter().map(|artifact| artifact.expect("it is readable"));
    let mut searched = all.filter_map(|artifact| match artifact.payload {
        Payload::Verify(verify) => verify.instances.into_iter().next(),
        _ => None,
    });
    let searched = searched.next().expect("it is written");
    assert_eq!((&instance.name, instance.states), (&searched.name, searched.states));
    assert_eq!((instance.depth, instance.walk_events), (searched.depth, 2 * searched.depth));
    assert_eq!(instance.bounds, searched.bounds);
    // Both nodes are up, or one is.
    assert_eq!((instance.abstract_states, instance.strangers), (2, 0));

    let samplers = instance.samplers.iter().map(|sampler| (&*sampler.sampler, sampler.default));
    let known = Sampler::ALL.map(|sampler| (sampler.name(), sampler == Sampler::DEFAULT));
    assert_eq!(samplers.collect::<Vec<_>>(), known);
    for sampler in &instance.samplers {
        let name = &sampler.sampler;
        let budgets: Vec<u64> = sampler.points.iter().map(|point| point.events).collect();
        assert_eq!(budgets, [1_000, 10_000, 100_000], "{name}");
        for point in &sampler.points {
            measured(&point.states, instance.states, &format!("{name}, {} events", point.events));
            measured(&point.abstract_states, 2, &format!("{name}, {} events, abstract", point.events));
            assert!(point.abstract_states.share.iter().all(|share| (share - 1.0).abs() < 1e-12), "{name}");
        }
        for pair in sampler.points.windows(2) {
            let grows = |(before, after): (&f64, &f64)| before <= after;
            assert!(pair[0].states.share.iter().zip(&pair[1].states.share).all(grows), "{name}");
        }
        let (first, last) = (&sampler.points[0].states, &sampler.points[2].states);
        assert!(mean(&last.share) > mean(&first.share), "{name}: more events see more");
        assert!(mean(&last.came_true) < mean(&first.came_true), "{name}: less and less is new");
        // The guided one goes where it has not been, which the estimate does not know.
        let (claimed, came) = (mean(&first.claimed), mean(&first.came_true));
        assert!(
            *name == Sampler::Guided.name() || (claimed / came - 1.0).abs() < 0.25,
            "{name}: {claimed} is claimed, {came} came true"
        );
    }
}

fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

/// Ten seeds have seen some of `all` states each, and what they have not seen, if anything, may come.
fn measured(seen: &Seen, all: u64, which: &str) {
    assert_eq!([seen.share.len(), seen.claimed.len(), seen.came_true.len()], [10; 3], "{which}");
    for (share, came_true) in seen.share.iter().zip(&seen.came_true) {
        let states = share * all as f64;
        assert!((states - states.round()).abs() < 1e-6 && (1.0..=all as f64).contains(&states), "{which}");
        assert!(*share < 1.0 || *came_true == 0.0, "{which}: all is seen, and {came_true} is new");
    }
    assert!(seen.claimed.iter().chain(&seen.came_true).all(|share| (0.0..=1.0).contains(share)), "{which}");
}

#[test]
fn a_wrong_line_ends_with_2_and_says_why() {
    let folder = folder("usage");
    for (line, reason) in [
        ("", "which verb?"),
        ("prove", "`prove` is not a verb"),
        ("verify raft", "unexpected argument \"raft\""),
        ("verify --engine own --symmetry", "has no instances whose nodes are said to be alike"),
        ("simulate --nodes 12", "--nodes is 1 to 9"),
        ("bench --nodes 0", "--nodes is 1 to 9"),
        ("bench --clients 0", "--clients is 1 to 1024"),
        ("fuzz --corpus nowhere", "--corpus nowhere: no such folder"),
        ("report --nonsense", "--nonsense"),
    ] {
        let output = run(TWO_PHASE_COMMIT, &folder, line);
        assert_eq!(output.status.code(), Some(2), "{line}: {}", said(&output));
        assert!(said(&output).contains(reason), "{line}: {}", said(&output));
    }
    assert!(!folder.exists(), "nothing was run");
}

#[test]
fn help_of_a_program_and_of_its_verbs_names_no_algorithm() {
    for line in ["--help", "help", "verify --help", "simulate -h", "fuzz --help", "bench --help", "report -h"]
    {
        let output = run(PRIMARY_BACKUP, &folder("help"), line);
        assert_eq!(output.status.code(), Some(0), "{line}");
        assert!(said(&output).contains("--json") && !said(&output).contains("ALGO"), "{line}");
    }
}

#[test]
fn kept_inputs_are_run_first() {
    let folder = folder("corpus");
    let corpus = folder.join("corpus");
    std::fs::create_dir_all(&corpus).expect("the folder is ours");
    std::fs::write(corpus.join("one"), [7; 40]).expect("the folder is ours");
    let line = format!("fuzz --executions 10 --corpus {}", corpus.display());
    let output = run(PRIMARY_BACKUP, &folder, &line);
    assert!(said(&output).contains("10 executions") && said(&output).contains("1 kept before"));
}

/// The page, which the binary `tutorial` follows, command by command.
const PAGE: &str = include_str!("../../bring-your-own.md");

#[test]
fn the_page_mends_its_protocol_into_the_example() {
    let block = |fence: &str| {
        let (_, rest) = PAGE.split_once(&format!("```{fence}\n")).expect("the page has such a block");
        rest.split_once("```").expect("it ends").0
    };
    let (flawed, old, new) = (block("rust,no_run"), block("text replace"), block("text by"));
    assert_eq!(flawed.matches(old).count(), 1, "what is replaced stands once");
    assert_eq!(flawed.replacen(old, new, 1), include_str!("../../examples/primary-backup.rs"));
}

/// Lines that are neither empty nor comments.
fn lines_of_code(source: &str) -> usize {
    source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn a_protocol_and_all_that_registers_it_take_at_most_150_lines() {
    assert_eq!(lines_of_code("//! No.\n\nlet one = 1;\n    // no\n    two(one); // Yes.\n"), 2);
    for (name, source) in [
        ("primary-backup", include_str!("../../examples/primary-backup.rs")),
        ("two-phase-commit", include_str!("../../examples/two-phase-commit.rs")),
    ] {
        let lines = lines_of_code(source);
        assert!((1..=150).contains(&lines), "{name}: {lines}");
    }
}
