//! The stages of `cargo xtask test`: one table.

use std::path::Path;

use super::drop_in::{DropIn, Which};
use super::lanes::Lane;
use crate::process::{COMMAND, Program};
use crate::tools;
use crate::workspace::Workspace;

/// How many seeds are compared across builds and threads.
const SEEDS: usize = 20;

/// One stage.
#[derive(Debug)]
pub(super) struct Stage {
    /// What it is called on the command line and in the results.
    pub(super) name: &'static str,
    /// One line on what it shows.
    pub(super) about: &'static str,
    /// With whom it takes turns.
    pub(super) lane: Lane,
    /// What it cannot run without.
    pub(super) needs: Vec<Need>,
    /// What builds the programs that it starts, if cargo is not what starts them.
    pub(super) build: Option<Program>,
    /// What it does.
    pub(super) work: Work,
}

/// What a stage does.
#[derive(Debug)]
pub(super) enum Work {
    /// All must end with 0.
    Programs(Vec<Program>),
    /// All must end with 0; what they print is `cargo test`'s, and every test counts.
    Tests(Vec<Program>),
    /// All must end with 0, and those of a group print the same.
    SameOutput {
        /// Groups of at least two.
        groups: Vec<Vec<Program>>,
        /// How many lines each must print.
        lines: usize,
    },
    /// Tests of peers, of which as many must pass as a peer has.
    DropIns(Vec<DropIn>),
    /// The rules of `cargo xtask tidy`.
    Tidy,
}

/// What a machine may lack. A stage that needs it is then skipped, aloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Rustfmt,
    Clippy,
    CppCompiler,
    Git,
    Miri,
}

impl Need {
    /// What is missing, with the command that installs it; none if it is there.
    pub(super) fn lacking(self, workspace: &Workspace) -> Option<String> {
        let (found, lacking) = match self {
            Need::Rustfmt => (
                tools::version(workspace, ["cargo", "fmt", "--version"]),
                "no rustfmt (rustup component add rustfmt)",
            ),
            Need::Clippy => (
                tools::version(workspace, ["cargo", "clippy", "--version"]),
                "no clippy (rustup component add clippy)",
            ),
            Need::CppCompiler => (tools::cpp_compiler(workspace), "no C++ compiler (apt-get install g++)"),
            Need::Miri => (
                tools::miri(workspace),
                "no Miri (rustup toolchain install nightly --component miri,rust-src)",
            ),
            Need::Git => (tools::version(workspace, ["git", "--version"]), "no git (apt-get install git)"),
        };
        found.is_none().then(|| lacking.to_owned())
    }
}

/// The tests of the whole workspace.
///
/// A peer's core goes under our simulator and oracles with the rest.
const TESTS: &str = "test --workspace --features bench/peers";

/// All stages of the workspace that builds in `target`, the quick ones first.
pub(super) fn all(algorithms: &[String], zoos: &[String], target: &Path) -> Vec<Stage> {
    let stage = |name, about, work| Stage {
        name,
        about,
        lane: Lane::Workspace,
        needs: Vec::new(),
        build: None,
        work,
    };
    let elsewhere = |stage: Stage| Stage { lane: Lane::Elsewhere, ..stage };
    let needs = |need, stage: Stage| Stage { needs: vec![need], ..stage };
    // What the tests are built for serves later stages too: it is optimised, and keeps its assertions.
    let built = |stage: Stage| Stage { build: Some(Program::cargo(&format!("{TESTS} --no-run"))), ..stage };
    let tool = |package: &str, binary: &str| tool(target, package, binary);
    let programs = |lines: &[&str]| Work::Programs(lines.iter().map(|line| Program::cargo(line)).collect());
    let tests = |lines: &[&str]| Work::Tests(lines.iter().map(|line| Program::cargo(line)).collect());
    vec![
        needs(
            Need::Rustfmt,
            stage("format", "every file is formatted", programs(&["fmt --all --check -- --files-with-diff"])),
        ),
        needs(Need::Git, stage("tidy", "architecture arrows, names, links, no stray files", Work::Tidy)),
        needs(
            Need::Clippy,
            stage(
                "clippy",
                "no lint fires",
                programs(&[
                    "clippy --workspace --all-targets -- -D warnings",
                    "clippy -p bench --features peers --all-targets -- -D warnings",
                ]),
            ),
        ),
        stage(
            "cargo-test",
            "unit, paper, scenario, property and documentation tests",
            // What a passing test prints is kept, so that one which skips itself is heard.
            tests(&[&format!("{TESTS} --no-fail-fast -- --show-output")]),
        ),
        elsewhere(stage(
            "loom",
            "every interleaving of the runtime's parking, of deques, injector and pool, small",
            Work::Tests(vec![threads("swarm-runtime", "loom"), threads("swarm-work-stealing", "loom")]),
        )),
        elsewhere(stage(
            "shuttle",
            "random interleavings of the same, larger",
            Work::Tests(vec![threads("swarm-runtime", "shuttle"), threads("swarm-work-stealing", "shuttle")]),
        )),
        elsewhere(stage(
            "stateright",
            "all interleavings of the same, as many as loom cannot exhaust, with sequentially consistent memory",
            Work::Tests(vec![threads("swarm-work-stealing", "stateright")]),
        )),
        needs(
            Need::Miri,
            elsewhere(stage(
                "miri",
                "nothing undefined, nothing leaked and no stale read where tests of deques, injector and pool pass by",
                Work::Programs(vec![miri("swarm-work-stealing")]),
            )),
        ),
        stage(
            "drop-in",
            "peers' own tests on what takes their place: all of crossbeam-deque's, many of rayon-core's",
            Work::DropIns(vec![
                DropIn {
                    peer: "crossbeam-deque",
                    ours: WORK_STEALING,
                    needs: &["crossbeam-utils", "rand"],
                    which: Which::Beside,
                    tests: 38,
                },
                DropIn {
                    peer: "rayon-core",
                    ours: WORK_STEALING,
                    needs: &["rand"],
                    which: Which::Inside {
                        root: include_str!("drop_in/rayon_core.rs"),
                        left_out: RAYON_LEFT_OUT,
                    },
                    tests: 94,
                },
            ]),
        ),
        built(stage(
            "verify",
            "model checks by the engine of our own, with pinned counts; tests compare small ones with stateright",
            verify(algorithms, &tool("model-check", "verify")),
        )),
        built(elsewhere(stage(
            "zoo",
            "ten known bugs are found when put back, and nothing in their controls",
            zoo(zoos, &tool("model-check", "zoo")),
        ))),
        built(stage(
            "same-trace",
            "one seed gives one trace, whatever the build and threads",
            same_trace(algorithms, &tool("model-check", "simulate")),
        )),
        built(stage(
            "corpus",
            "corpus, regressions and random bytes through every fuzz target",
            Work::Programs(vec![apart(tool("fuzz", "replay").args([
                "--executions",
                "100000",
                "--seed",
                "1",
            ]))]),
        )),
        needs(
            Need::CppCompiler,
            stage(
                "fuzz-targets",
                "the coverage-guided binaries build",
                programs(&["build --profile test -p fuzz --features libfuzzer --bins"]),
            ),
        ),
        stage(
            "bench-smoke",
            "each bench runs once, the peers' too, and verifies its answer",
            // What is measured is built for it; what only has to be right shares the builds of the tests.
            programs(&["bench --workspace --features bench/peers --profile test --bench * -- --test"]),
        ),
        built(elsewhere(stage(
            "tutorial",
            "a newcomer's page, followed to the letter",
            Work::Programs(vec![tool("model-check", "tutorial")]),
        ))),
    ]
}

const WORK_STEALING: (&str, &str) = ("swarm-work-stealing", "algos/work-stealing");

/// What of rayon-core's tests the pool does not do.
const RAYON_LEFT_OUT: &[(&str, &[&str])] = &[
    ("if the first closure panics, the second may not run", &["join::panic_b_still_executes"]),
    (
        "it looks into rayon's registry",
        &["thread_pool::workers_stop", "thread_pool::sleeper_stop", "broadcast::broadcast_after_spawn"],
    ),
    ("deprecated names are not there", &["thread_pool::check_thread_pool_new", "configuration"]),
    ("threads are the pool's own", &["cleared_current_thread"]),
];

/// The tests of one checker of thread interleavings, in a build of their own: their `cfg` rebuilds everything. The names
/// of all crates are given at once, so that it is rebuilt once; the zoo of threads gives the same.
fn threads(package: &str, checker: &str) -> Program {
    // Stateright explores what shuttle runs.
    let built_for = if checker == "stateright" { "shuttle" } else { checker };
    let line = format!(
        "test -p {package} --test {checker} --release --target-dir target/{built_for} -- --show-output"
    );
    Program::cargo(&line).env("RUSTFLAGS", &format!("--cfg {built_for} --cfg steal_{built_for}"))
}

/// The tests of a package as an interpreter runs them that knows what is undefined, and lets threads see old values of
/// atomics. A schedule for each seed, as many at a time as there are processors. Of the two rules there are for
/// pointers, the one that was made for code which keeps raw ones; what is found is found by both.
fn miri(package: &str) -> Program {
    let line = format!(
        "+nightly miri test -p {package} --test it --target-dir target/miri --quiet -- --skip cilk --skip trees --skip uts"
    );
    Program::cargo(&line).env("MIRIFLAGS", "-Zmiri-tree-borrows -Zmiri-many-seeds=0..2")
}

/// A binary that was built with the tests, started as cargo would start it.
fn tool(target: &Path, package: &str, binary: &str) -> Program {
    let program = target.join("debug").join(binary).display().to_string();
    Program::new([program]).env("CARGO_PKG_NAME", package)
}

/// The model checks of each algorithm. By the engine of our own, which takes a fraction of the time.
fn verify(algorithms: &[String], tool: &Program) -> Work {
    let program = |name: &String| {
        let words = format!("verify {name} --quick --engine own");
        let command = format!("cargo xtask {words}");
        apart(tool.clone().args([name, "--quick", "--engine", "own"]).env(COMMAND, &command))
    };
    Work::Programs(algorithms.iter().map(program).collect())
}

/// The ten bugs that stand for all: to hunt every one takes longer than all other stages.
fn zoo(zoos: &[String], tool: &Program) -> Work {
    let program = |name: &String| apart(tool.clone().args([name, "--ten", "--quick"]));
    Work::Programs(zoos.iter().map(program).collect())
}

fn same_trace(algorithms: &[String], tool: &Program) -> Work {
    // Not optimised at all, and without assertions: as far from the other as a build can be, and soon there. In a place
    // of its own: it would take the other's.
    const OTHER: &str = "run --config profile.dev.opt-level=0 --config profile.dev.debug-assertions=false \
                         --config profile.dev.overflow-checks=false --target-dir target/same-trace \
                         -p model-check --bin simulate --";
    let builds = [(tool.clone(), "1"), (tool.clone(), "2"), (Program::cargo(OTHER), "1")];
    let group = |name: &String| {
        let one = |(build, threads): &(Program, &str)| {
            let seeds = format!("0..{SEEDS}");
            apart(build.clone().args([name, "--digest", "--threads", threads, "--seeds", &seeds]))
        };
        builds.iter().map(one).collect()
    };
    Work::SameOutput { groups: algorithms.iter().map(group).collect(), lines: SEEDS }
}

/// Keeps the artifacts of a small run from standing in for the real ones.
fn apart(program: Program) -> Program {
    program.env("SWARMPROOF_ARTIFACTS", "target/xtask/test/artifacts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_have_names_of_their_own_and_something_to_do() {
        let stages = all(&["raft".to_owned()], &["raft".to_owned()], Path::new("target"));
        for (i, stage) in stages.iter().enumerate() {
            assert!(stages[..i].iter().all(|other| other.name != stage.name), "{} stands twice", stage.name);
            match &stage.work {
                Work::Programs(programs) | Work::Tests(programs) => {
                    assert!(!programs.is_empty(), "{}", stage.name);
                }
                Work::SameOutput { groups, lines } => {
                    assert!(!groups.is_empty() && *lines > 0, "{}", stage.name);
                    assert!(groups.iter().all(|group| group.len() > 1), "{}", stage.name);
                }
                Work::DropIns(all) => assert!(all.iter().all(|one| one.tests > 0) && !all.is_empty()),
                Work::Tidy => {}
            }
        }
    }

    #[test]
    fn what_cargo_does_not_start_is_built_before() {
        for stage in all(&["raft".to_owned()], &["raft".to_owned()], Path::new("target")) {
            let programs: Vec<Program> = match stage.work {
                Work::Programs(programs) | Work::Tests(programs) => programs,
                Work::SameOutput { groups, .. } => groups.concat(),
                Work::Tidy | Work::DropIns(_) => Vec::new(),
            };
            let by_cargo = programs.iter().all(|program| program.shown().contains("cargo "));
            assert_eq!(stage.build.is_none(), by_cargo, "{}", stage.name);
        }
    }

    #[test]
    fn ten_bugs_stand_for_all_and_leave_no_artifact_of_the_whole_zoo() {
        let stages = all(&["raft".to_owned()], &["raft".to_owned()], Path::new("target"));
        let zoo = stages.iter().find(|stage| stage.name == "zoo").expect("it is a stage");
        let Work::Programs(programs) = &zoo.work else { panic!("it runs programs") };
        let shown: Vec<String> = programs.iter().map(Program::shown).collect();
        assert!(
            matches!(&shown[..], [line] if line.ends_with("target/debug/zoo raft --ten --quick")),
            "{shown:?}"
        );
        assert!(shown[0].contains("SWARMPROOF_ARTIFACTS=target/xtask"), "it keeps apart");
    }

    #[test]
    fn traces_are_compared_across_builds_and_threads() {
        let names = ["gossip".to_owned(), "raft".to_owned()];
        let Work::SameOutput { groups, .. } = same_trace(&names, &Program::new(["simulate"])) else {
            panic!("it compares")
        };
        let [gossip, raft] = groups.as_slice() else { panic!("one group per algorithm") };
        assert!(gossip.iter().all(|program| program.shown().contains("gossip")));
        let shown: Vec<String> = raft.iter().map(Program::shown).collect();
        let other = |line: &&String| line.contains("debug-assertions=false");
        assert_eq!(shown.iter().filter(other).count(), 1, "another build takes part");
        assert!(
            shown.iter().find(other).is_some_and(|line| line.contains("--target-dir ")),
            "in its own place"
        );
        assert!(shown.iter().any(|line| line.contains("--threads 2")), "two threads take part");
        assert!(
            shown.iter().all(|line| line.contains("SWARMPROOF_ARTIFACTS=target/xtask")),
            "they keep apart"
        );
    }
}
