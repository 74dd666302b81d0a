//! Which fuzzing engine a run uses, and how its binaries are built.
//!
//! libFuzzer needs no nightly compiler: coverage instrumentation is an LLVM pass that stable accepts, and
//! these are the flags that cargo-fuzz passes for `--sanitizer none`, but for one. Only sanitizers need nightly.

use std::path::Path;

use crate::process::Program;
use crate::tools;
use crate::workspace::Workspace;

/// What instruments a build for libFuzzer on stable. Not among it: `-sanitizer-coverage-trace-compares`, which
/// cargo-fuzz passes. With it, side by side for 25 s a target, there were 28 to 48 % fewer executions, fewer
/// features of all three targets and fewer edges of two (of `raft_message` 7 more of 1,564).
const INSTRUMENT: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    --cfg fuzzing -Cdebug-assertions -Ccodegen-units=1";

/// What drives a fuzz target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// cargo-fuzz: libFuzzer and AddressSanitizer, on nightly.
    CargoFuzz,
    /// libFuzzer, on stable.
    LibFuzzer,
    /// Corpus replay and random bytes.
    Random,
}

/// What this machine has of what engines need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) cargo_fuzz: bool,
    pub(super) nightly: bool,
    pub(super) cpp_compiler: bool,
}

impl Present {
    pub(super) fn look(workspace: &Workspace) -> Present {
        Present {
            cargo_fuzz: tools::cargo_fuzz(workspace).is_some(),
            nightly: tools::nightly(workspace).is_some(),
            cpp_compiler: tools::cpp_compiler(workspace).is_some(),
        }
    }

    /// What is missing for an engine, with the command that installs it.
    fn lacking(self, engine: Engine) -> Vec<&'static str> {
        let sanitized = engine == Engine::CargoFuzz;
        let mut lacking = Vec::new();
        if sanitized && !self.cargo_fuzz {
            lacking.push("cargo-fuzz (cargo install cargo-fuzz)");
        }
        if sanitized && !self.nightly {
            lacking.push("a nightly toolchain (rustup toolchain install nightly --profile minimal)");
        }
        if engine != Engine::Random && !self.cpp_compiler {
            lacking.push("a C++ compiler (apt-get install g++)");
        }
        lacking
    }
}

/// The engine asked for, or the best there is; with the reason why it is not a better one. An error names
/// what the engine asked for lacks.
pub(super) fn choose(asked: Option<&str>, present: Present) -> Result<(Engine, String), String> {
    let all = [Engine::CargoFuzz, Engine::LibFuzzer, Engine::Random];
    let asked = match asked {
        Some("cargo-fuzz") => Some(Engine::CargoFuzz),
        Some("libfuzzer") => Some(Engine::LibFuzzer),
        Some("random") => Some(Engine::Random),
        _ => None,
    };
    if let Some(engine) = asked {
        let lacking = present.lacking(engine);
        let message = || format!("{} needs {}", engine.label(), lacking.join(" and "));
        return if lacking.is_empty() { Ok((engine, String::new())) } else { Err(message()) };
    }
    let engine = all.into_iter().find(|engine| present.lacking(*engine).is_empty()).unwrap_or(Engine::Random);
    let why = match all.into_iter().take_while(|better| *better != engine).last() {
        Some(better) => {
            format!("; for {} this machine lacks {}", better.label(), present.lacking(better).join(" and "))
        }
        None => String::new(),
    };
    Ok((engine, why))
}

impl Engine {
    /// The name that artifacts and messages give it.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Engine::CargoFuzz => "cargo-fuzz with AddressSanitizer on nightly",
            Engine::LibFuzzer => "libFuzzer on stable",
            Engine::Random => "corpus replay and random bytes",
        }
    }

    /// The sanitizer that is on.
    pub(super) const fn sanitizer(self) -> Option<&'static str> {
        match self {
            Engine::CargoFuzz => Some("address"),
            Engine::LibFuzzer | Engine::Random => None,
        }
    }

    /// Where its build goes, below the target folder. Of their own, so that instrumented and plain builds
    /// do not evict each other.
    pub(super) const fn folder(self) -> &'static str {
        match self {
            Engine::CargoFuzz => "fuzz/cargo-fuzz",
            Engine::LibFuzzer | Engine::Random => "fuzz/libfuzzer",
        }
    }

    /// The programs that build the targets into `folder`.
    pub(super) fn build(self, targets: &[String], host: &str, folder: &Path) -> Vec<Program> {
        let folder = folder.display().to_string();
        match self {
            Engine::CargoFuzz => targets
                .iter()
                .map(|target| {
                    Program::cargo(
                        "+nightly fuzz build --fuzz-dir fuzz --features libfuzzer --sanitizer address",
                    )
                    .args(["--target", host, "--target-dir", &folder, target])
                })
                .collect(),
            Engine::LibFuzzer => {
                // With --target, build scripts and procedural macros are left uninstrumented.
                let program = Program::cargo("build --release -p fuzz --features libfuzzer")
                    .args(["--target", host, "--target-dir", &folder])
                    .args(targets.iter().flat_map(|target| ["--bin", target]))
                    .env("RUSTFLAGS", INSTRUMENT);
                vec![program]
            }
            Engine::Random => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Present = Present { cargo_fuzz: true, nightly: true, cpp_compiler: true };
    const NOTHING: Present = Present { cargo_fuzz: false, nightly: false, cpp_compiler: false };

    #[test]
    fn the_best_engine_there_is_is_chosen_and_the_reason_said() {
        let chosen = |present: Present| choose(None, present).expect("there is always one");
        assert_eq!(chosen(ALL), (Engine::CargoFuzz, String::new()));
        let (engine, why) = chosen(Present { cargo_fuzz: false, ..ALL });
        assert_eq!(engine, Engine::LibFuzzer);
        assert!(why.contains("cargo install cargo-fuzz"), "{why}");
        assert_eq!(chosen(Present { nightly: false, ..ALL }).0, Engine::LibFuzzer);
        let (engine, why) = chosen(Present { cpp_compiler: false, ..ALL });
        assert_eq!(engine, Engine::Random);
        assert!(why.contains("C++ compiler"), "{why}");
        assert_eq!(chosen(NOTHING).0, Engine::Random);
    }

    #[test]
    fn an_engine_asked_for_is_never_replaced_silently() {
        assert_eq!(choose(Some("random"), ALL).expect("no needs").0, Engine::Random);
        assert_eq!(choose(Some("auto"), ALL).expect("all there").0, Engine::CargoFuzz);
        assert!(choose(Some("libfuzzer"), NOTHING).expect_err("no compiler").contains("g++"));
        let lacking = choose(Some("cargo-fuzz"), NOTHING).expect_err("nothing there");
        assert!(lacking.contains("cargo install cargo-fuzz") && lacking.contains("nightly"), "{lacking}");
    }

    #[test]
    fn the_stable_build_is_instrumented_and_keeps_to_its_own_folder() {
        let programs = Engine::LibFuzzer.build(&["a".to_owned(), "b".to_owned()], "host", Path::new("t"));
        let [program] = programs.as_slice() else { panic!("one build for all targets") };
        let shown = program.shown();
        assert!(shown.contains("--target host --target-dir t --bin a --bin b"), "{shown}");
        assert!(
            shown.contains("-sanitizer-coverage-inline-8bit-counters") && shown.contains("--cfg fuzzing"),
            "{shown}"
        );
    }
}
