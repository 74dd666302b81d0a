//! `doctor`: what this machine has and lacks, with the command that mends it.
//!
//! It looks and changes nothing. The exit code is 3 if something required is missing, 0 otherwise. The
//! reading of versions, disk space and settings is verified on examples; whether the commands suit a system
//! other than Debian is not.

use std::fs;

use crate::cli::Invocation;
use crate::exit::Exit;
use crate::json::Object;
use crate::process::Program;
use crate::progress::{Paint, painted};
use crate::tools::{self, version};
use crate::workspace::Workspace;

/// The least rustc, as `rust-version` in Cargo.toml has it.
const RUST_MIN: (u32, u32) = (1, 95);
/// A full build of all profiles with its searches' results.
const DISK_MIN_GIB: u64 = 15;

/// What one look found.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// It is there: version or value.
    Ok(String),
    /// It is not, and nothing works without it.
    Missing(String),
    /// It is not, and what is named in `without` is skipped or less exact.
    Optional(String),
}

/// One line of the answer.
#[derive(Debug)]
struct Check {
    name: &'static str,
    finding: Finding,
    /// What is skipped or suffers without it.
    without: &'static str,
    /// The command that mends it.
    fix: &'static str,
}

/// Looks at everything and prints a line each.
pub(crate) fn run(workspace: &Workspace, invocation: &Invocation) -> Exit {
    let checks = examine(workspace);
    for check in &checks {
        println!("{}", if invocation.json { check.json() } else { check.line() });
    }
    let lacking = checks.iter().any(|check| matches!(check.finding, Finding::Missing(_)));
    if lacking { Exit::Missing } else { Exit::Fine }
}

fn examine(workspace: &Workspace) -> Vec<Check> {
    let required =
        |found: Option<String>| found.map_or_else(|| Finding::Missing("not found".to_owned()), Finding::Ok);
    let optional =
        |found: Option<String>| found.map_or_else(|| Finding::Optional("not found".to_owned()), Finding::Ok);
    let ask = |words: [&str; 2]| version(workspace, words);
    let check = |name, finding, without, fix| Check { name, finding, without, fix };
    vec![
        check("rustc", rust(ask(["rustc", "--version"])), "everything", "rustup update stable"),
        check("cargo", required(ask(["cargo", "--version"])), "everything", "rustup update stable"),
        check("linker", required(ask(["cc", "--version"])), "everything", "apt-get install gcc"),
        check(
            "git",
            required(ask(["git", "--version"])),
            "revisions in artifacts, tidy",
            "apt-get install git",
        ),
        check(
            "rustfmt",
            optional(version(workspace, ["cargo", "fmt", "--version"])),
            "test: format",
            "rustup component add rustfmt",
        ),
        check(
            "clippy",
            optional(version(workspace, ["cargo", "clippy", "--version"])),
            "test: clippy",
            "rustup component add clippy",
        ),
        check(
            "C++ compiler",
            optional(tools::cpp_compiler(workspace)),
            "fuzz: coverage guidance",
            "apt-get install g++",
        ),
        check(
            "nightly toolchain",
            optional(tools::nightly(workspace)),
            "fuzz: AddressSanitizer",
            "rustup toolchain install nightly --profile minimal",
        ),
        check(
            "Miri",
            optional(tools::miri(workspace)),
            "test: stage miri; zoo work-stealing --full: the column of Miri",
            "rustup toolchain install nightly --component miri,rust-src",
        ),
        check(
            "cargo-fuzz",
            optional(tools::cargo_fuzz(workspace)),
            "fuzz: AddressSanitizer",
            "cargo install cargo-fuzz",
        ),
        check(
            "valgrind",
            optional(ask(["valgrind", "--version"])),
            "instruction counts",
            "apt-get install valgrind",
        ),
        check(
            "chromium",
            optional(ask(["chromium", "--version"]).or_else(|| ask(["google-chrome", "--version"]))),
            "the report's own test in a browser",
            "apt-get install chromium",
        ),
        check("spin", optional(ask(["spin", "-V"])), "cross-checks of state counts", "apt-get install spin"),
        check("cores", cores(), "time, and checks on two threads", "use a machine with two cores or more"),
        check("memory", memory(&read("/proc/meminfo")), "large searches", "pass --memory-mib to verify"),
        check("disk", disk(workspace), "builds", "cargo clean, or set CARGO_TARGET_DIR"),
        check(
            "governor",
            governor(&read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
            "steady measurements",
            "cpupower frequency-set --governor performance",
        ),
        check(
            "clock source",
            clock(&read("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
            "exact latencies",
            "none on a virtual machine; else boot with clocksource=tsc",
        ),
    ]
}

impl Check {
    fn parts(&self) -> (&'static str, Paint, &str) {
        match &self.finding {
            Finding::Ok(text) => ("ok", Paint::Good, text),
            Finding::Missing(text) => ("missing", Paint::Bad, text),
            Finding::Optional(text) => ("optional", Paint::Odd, text),
        }
    }

    fn line(&self) -> String {
        let (word, paint, text) = self.parts();
        let mut line = format!("{} {:<18}{text}", painted(paint, &format!("{word:<9}")), self.name);
        if !matches!(self.finding, Finding::Ok(_)) {
            let indent = " ".repeat(28);
            line = format!("{line}\n{indent}affects: {}\n{indent}to mend: {}", self.without, self.fix);
        }
        line
    }

    fn json(&self) -> String {
        let (word, _, text) = self.parts();
        let line = Object::new().text("verb", "doctor").text("name", self.name).text("state", word);
        let line = line.text("detail", text);
        if word == "ok" { line.end() } else { line.text("affects", self.without).text("fix", self.fix).end() }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn rust(line: Option<String>) -> Finding {
    let Some(line) = line else { return Finding::Missing("not found".to_owned()) };
    let mut numbers = line.split_whitespace().nth(1).unwrap_or_default().split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= RUST_MIN => Finding::Ok(line),
        _ => Finding::Missing(format!("{line}, but {}.{} is needed", RUST_MIN.0, RUST_MIN.1)),
    }
}

fn cores() -> Finding {
    match std::thread::available_parallelism() {
        Ok(count) if count.get() >= 2 => Finding::Ok(count.to_string()),
        Ok(count) => Finding::Optional(count.to_string()),
        Err(error) => Finding::Optional(format!("unknown: {error}")),
    }
}

fn memory(meminfo: &str) -> Finding {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = kib.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    match kib {
        Some(kib) if kib >= 4 << 20 => Finding::Ok(format!("{} GiB available", kib >> 20)),
        Some(kib) => Finding::Optional(format!("{} MiB available, 4 GiB recommended", kib >> 10)),
        None => Finding::Optional("unknown".to_owned()),
    }
}

fn disk(workspace: &Workspace) -> Finding {
    let there = if workspace.target.exists() { &workspace.target } else { &workspace.root };
    let answer = Program::new(["df", "-Pk", "."]).ask(there);
    match answer.as_deref().and_then(free_kib).map(|kib| kib >> 20) {
        Some(gib) if gib >= DISK_MIN_GIB => Finding::Ok(format!("{gib} GiB free")),
        Some(gib) => Finding::Optional(format!("{gib} GiB free, {DISK_MIN_GIB} GiB recommended")),
        None => Finding::Optional("unknown".to_owned()),
    }
}

/// The free KiB of POSIX `df -Pk`: the fourth field of the second line.
fn free_kib(df: &str) -> Option<u64> {
    df.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

fn governor(name: &str) -> Finding {
    match name {
        "performance" => Finding::Ok(name.to_owned()),
        "" => Finding::Optional("not adjustable here (a virtual machine?)".to_owned()),
        other => Finding::Optional(other.to_owned()),
    }
}

fn clock(name: &str) -> Finding {
    match name {
        "tsc" | "kvm-clock" | "arch_sys_counter" => Finding::Ok(name.to_owned()),
        "" => Finding::Optional("unknown".to_owned()),
        other => Finding::Optional(format!("{other}, which is slow to read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn an_older_compiler_is_missing_not_fine() {
        let rust = |line: &str| rust(Some(line.to_owned()));
        assert!(matches!(rust("rustc 1.95.0 (abc 2026-03-21)"), Finding::Ok(_)));
        assert!(matches!(rust("rustc 2.0.0"), Finding::Ok(_)));
        assert!(matches!(rust("rustc 1.94.9"), Finding::Missing(text) if text.contains("1.95")));
        assert!(matches!(rust("nonsense"), Finding::Missing(_)));
        assert!(matches!(super::rust(None), Finding::Missing(_)));
    }

    #[test]
    fn space_and_settings_are_read_from_what_the_system_prints() {
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 100 40 60 40% /\n";
        assert_eq!(free_kib(df), Some(60));
        assert_eq!(free_kib("df: no such file"), None);
        assert_eq!(
            memory("MemTotal: 1 kB\nMemAvailable:    8388608 kB\n"),
            Finding::Ok("8 GiB available".to_owned())
        );
        assert!(matches!(memory("MemAvailable: 1024 kB"), Finding::Optional(_)));
        assert!(matches!(memory(""), Finding::Optional(_)));
        assert!(matches!(governor("powersave"), Finding::Optional(_)));
        assert!(matches!(clock("hpet"), Finding::Optional(_)));
    }

    #[test]
    fn what_is_lacking_comes_with_its_remedy() {
        let check = Check {
            name: "spin",
            finding: Finding::Optional("not found".to_owned()),
            without: "cross-checks",
            fix: "apt-get install spin",
        };
        assert!(check.line().contains("to mend: apt-get install spin"));
        let line = json::read(&check.json()).expect("valid");
        assert_eq!(line.get("fix").and_then(json::Value::text), Some("apt-get install spin"));
        assert_eq!(line.get("state").and_then(json::Value::text), Some("optional"));
    }
}
