//! What a report is made of, and which of it is stale: one table.
//!
//! An artifact is fresh if it names this revision, was made from a clean checkout by the very command the
//! step would run (or by its `--full` form), and its run was not interrupted. Anything else, an unreadable
//! file included, is run again: the mistake to avoid is a report that shows old figures as today's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::json::{self, Value};
use crate::process::Program;
use crate::workspace::Workspace;

/// The largest artifact that is read.
const BYTES_MAX: u64 = 64 << 20;

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    Quick,
    Full,
}

impl Depth {
    const fn option(self) -> &'static str {
        match self {
            Depth::Quick => "--quick",
            Depth::Full => "--full",
        }
    }
}

/// What git says about the checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkout {
    /// The commit; none where git cannot tell.
    pub(super) revision: Option<String>,
    /// Whether files differ from it.
    pub(super) dirty: bool,
}

impl Checkout {
    pub(super) fn look(workspace: &Workspace) -> Checkout {
        let git = |words: &[&str]| Program::new(["git"].iter().chain(words).copied()).ask(&workspace.root);
        let revision = git(&["rev-parse", "HEAD"]).map(|line| line.trim().to_owned());
        let dirty = git(&["status", "--porcelain"]).is_none_or(|lines| !lines.trim().is_empty());
        Checkout { revision, dirty }
    }

    pub(super) fn shown(&self) -> String {
        match (&self.revision, self.dirty) {
            (None, _) => "no git revision: everything counts as stale".to_owned(),
            (Some(revision), true) => {
                format!("revision {revision}, with changes: everything counts as stale")
            }
            (Some(revision), false) => format!("revision {revision}"),
        }
    }
}

/// One run of one verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// For people: `verify raft`.
    pub(super) name: String,
    /// The command line after `cargo xtask`.
    pub(super) words: Vec<String>,
    /// The file it leaves, below the folder of artifacts.
    artifact: PathBuf,
    /// A step that does more: if it was run, this one need not be.
    more: Option<Box<Step>>,
}

/// The steps of a report, the most telling first.
pub(super) fn steps(algorithms: &[String], zoos: &[String], targets: &[String], depth: Depth) -> Vec<Step> {
    // Verb, names, the subject of its artifact.
    let mut table: Vec<(&str, Option<&str>, String)> = Vec::new();
    for (verb, names) in [("verify", algorithms), ("simulate", algorithms), ("zoo", zoos)] {
        table.extend(names.iter().map(|name| (verb, Some(name.as_str()), name.clone())));
    }
    table.extend(targets.iter().map(|name| ("fuzz", Some(name.as_str()), name.replace('_', "-"))));
    table.push(("compare", None, "raft".to_owned()));
    table.push(("compare", Some("work-stealing"), "work-stealing".to_owned()));
    let timed = algorithms.iter().filter(|name| TIMED.contains(&name.as_str()));
    table.extend(timed.map(|name| ("latency", Some(name.as_str()), name.clone())));
    let step = |(verb, name, subject): (&str, Option<&str>, String)| {
        let words = [Some(verb), name, Some(depth.option())].into_iter().flatten().map(str::to_owned);
        Step {
            name: [Some(verb), name].into_iter().flatten().collect::<Vec<_>>().join(" "),
            words: words.collect(),
            artifact: Path::new(verb).join(format!("{subject}.json")),
            more: None,
        }
    };
    let mut steps: Vec<Step> = table.into_iter().map(step).collect();
    if depth == Depth::Quick {
        // The whole zoo takes longer than all else together.
        for (step, name) in steps.iter_mut().filter(|step| step.words[0] == "zoo").zip(zoos) {
            let whole = step.clone();
            step.words.insert(2, "--ten".to_owned());
            step.artifact = Path::new("zoo").join(format!("{name}-ten.json"));
            step.more = Some(Box::new(whole));
        }
    }
    // Behind the checks through stateright: the same by the engine of our own, which the page sets beside it.
    let checks = steps.iter().rposition(|step| step.words[0] == "verify").map_or(0, |last| last + 1);
    let own = |name: &String, reduction: &[&str], subject: &str| Step {
        name: ["verify", name, "--engine", "own"]
            .iter()
            .chain(reduction)
            .copied()
            .collect::<Vec<_>>()
            .join(" "),
        words: ["verify", name, "--engine", "own"]
            .iter()
            .chain(reduction)
            .chain([&depth.option()])
            .map(|word| (*word).to_owned())
            .collect(),
        artifact: Path::new("verify").join(format!("{name}-{subject}.json")),
        more: None,
    };
    let twice = algorithms
        .iter()
        .flat_map(|name| {
            let asleep = COMMUTING.contains(&name.as_str());
            let asleep = asleep.then(|| own(name, &["--reduction", "sleep"], "own-sleep"));
            [Some(own(name, &[], "own")), asleep].into_iter().flatten()
        })
        .collect::<Vec<_>>();
    steps.splice(checks..checks, twice);
    // Behind those: what SPIN and the engines say of small models, whoever asks for however much.
    let searches = steps.iter().rposition(|step| step.words[0] == "verify").map_or(0, |last| last + 1);
    let compared = Step {
        name: "verify --spin".to_owned(),
        words: vec!["verify".to_owned(), "--spin".to_owned()],
        artifact: Path::new("verify").join("small-models.json"),
        more: None,
    };
    steps.splice(searches..searches, [compared]);
    // Behind the campaigns: a run that must fail, rewound.
    let campaigns = steps.iter().rposition(|step| step.words[0] == "simulate").map_or(0, |last| last + 1);
    let rewound = algorithms.iter().filter(|name| WITHOUT_STORAGE.contains(&name.as_str()));
    steps.splice(
        campaigns..campaigns,
        rewound.map(|name| Step {
            name: format!("simulate {name} --decisive"),
            words: ["simulate", name, "--decisive", "--without-storage", depth.option()]
                .map(str::to_owned)
                .into(),
            artifact: Path::new("simulate").join(format!("{name}-without-storage-decisive.json")),
            more: None,
        }),
    );
    // And how long a cluster is without a leader.
    let experiments = algorithms.iter().filter(|name| ELECTIONS.contains(&name.as_str()));
    steps.splice(
        campaigns..campaigns,
        experiments.map(|name| Step {
            name: format!("simulate {name} --elections"),
            words: ["simulate", name, "--elections", depth.option()].map(str::to_owned).into(),
            artifact: Path::new("simulate").join(format!("{name}-elections.json")),
            more: None,
        }),
    );
    // Behind the zoo, which ranks the samplers: how much they see.
    let zoos = steps.iter().rposition(|step| step.words[0] == "zoo").map_or(0, |last| last + 1);
    steps.splice(
        zoos..zoos,
        algorithms.iter().map(|name| Step {
            name: format!("verify {name} --calibrate"),
            words: ["verify", name, "--calibrate", depth.option()].map(str::to_owned).into(),
            artifact: Path::new("verify").join(format!("{name}-calibration.json")),
            more: None,
        }),
    );
    steps
}

/// Algorithms that can be run on disks that keep nothing, where they must fail.
const WITHOUT_STORAGE: [&str; 1] = ["raft"];

/// Algorithms whose properties allow sleep sets.
const COMMUTING: [&str; 1] = ["raft"];

/// Algorithms whose latency is measured.
const TIMED: [&str; 1] = ["raft"];

/// Algorithms whose clusters elect a leader.
const ELECTIONS: [&str; 1] = ["raft"];

impl Step {
    /// What a reader types to do the same.
    pub(super) fn command(&self) -> String {
        format!("cargo xtask {}", self.words.join(" "))
    }

    /// Why it must be run again; none if what it would leave is there.
    pub(super) fn stale(&self, artifacts: &Path, checkout: &Checkout) -> Option<String> {
        let Some(revision) = checkout.revision.as_deref().filter(|_| !checkout.dirty) else {
            return Some("the checkout is no clean revision".to_owned());
        };
        if self.more.as_ref().is_some_and(|more| more.stale(artifacts, checkout).is_none()) {
            return None;
        }
        let path = artifacts.join(&self.artifact);
        let text = match fs::metadata(&path) {
            Ok(file) if file.len() <= BYTES_MAX => fs::read_to_string(&path),
            Ok(_) => return Some("its artifact is too large to read".to_owned()),
            Err(_) => return Some("there is no artifact".to_owned()),
        };
        match text.map_err(|_| ()).and_then(|text| json::read(&text).map_err(|_| ())) {
            Ok(artifact) => self.outdated(&artifact, revision),
            Err(()) => Some("its artifact is unreadable".to_owned()),
        }
    }

    fn outdated(&self, artifact: &Value, revision: &str) -> Option<String> {
        let text = |field: &str| artifact.get(field).and_then(Value::text).unwrap_or_default();
        let full = self.command().replace(Depth::Quick.option(), Depth::Full.option());
        let wanted = [full, self.command()];
        let reason = if text("revision") != revision {
            "its artifact is of another revision"
        } else if artifact.get("dirty") != Some(&Value::Switch(false)) {
            "its artifact was made with uncommitted changes"
        } else if !["passed", "failed"].contains(&text("outcome")) {
            "its run did not end"
        } else if !wanted.iter().any(|command| command == text("command")) {
            "its artifact was made by another command"
        } else {
            return None;
        };
        Some(reason.to_owned())
    }

    /// The artifact that a run begun then should have left and has not.
    pub(super) fn unwritten(&self, artifacts: &Path, begun: SystemTime) -> Option<PathBuf> {
        let path = artifacts.join(&self.artifact);
        (!written_since(&path, begun)).then_some(path)
    }
}

/// Whether this file was written at or after this time, give or take two seconds: some file systems keep
/// times that coarsely.
pub(super) fn written_since(path: &Path, begun: SystemTime) -> bool {
    let begun = begun - std::time::Duration::from_secs(2);
    fs::metadata(path).and_then(|file| file.modified()).is_ok_and(|time| time >= begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str =
        r#"{"revision":"abc","dirty":false,"outcome":"passed","command":"cargo xtask verify raft --quick"}"#;

    fn verify_raft(depth: Depth) -> Step {
        steps(&["raft".to_owned()], &[], &[], depth)
            .into_iter()
            .find(|step| step.name == "verify raft")
            .expect("planned")
    }

    fn outdated(artifact: &str, depth: Depth) -> Option<String> {
        verify_raft(depth).outdated(&json::read(artifact).expect("JSON"), "abc")
    }

    #[test]
    fn every_algorithm_and_target_has_its_steps() {
        let steps =
            steps(&["raft".to_owned()], &["raft".to_owned()], &["raft_bytes".to_owned()], Depth::Quick);
        let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "verify raft",
                "verify raft --engine own",
                "verify raft --engine own --reduction sleep",
                "verify --spin",
                "simulate raft",
                "simulate raft --elections",
                "simulate raft --decisive",
                "zoo raft",
                "verify raft --calibrate",
                "fuzz raft_bytes",
                "compare",
                "compare work-stealing",
                "latency raft"
            ]
        );
        assert_eq!(steps[0].command(), "cargo xtask verify raft --quick");
        assert_eq!(steps[1].command(), "cargo xtask verify raft --engine own --quick");
        assert_eq!(steps[3].command(), "cargo xtask verify --spin");
        assert_eq!(steps[5].command(), "cargo xtask simulate raft --elections --quick");
        assert_eq!(steps[6].command(), "cargo xtask simulate raft --decisive --without-storage --quick");
        assert_eq!(steps[7].command(), "cargo xtask zoo raft --ten --quick");
        assert_eq!(steps[7].artifact, Path::new("zoo/raft-ten.json"));
        assert_eq!(steps[8].command(), "cargo xtask verify raft --calibrate --quick");
        assert_eq!(steps[9].artifact, Path::new("fuzz/raft-bytes.json"));
        for step in steps {
            let words = step.words.iter().map(std::ffi::OsString::from);
            assert!(crate::cli::parse(words).is_ok(), "{} is no command of ours", step.command());
        }
    }

    #[test]
    fn only_an_artifact_of_this_clean_revision_and_command_is_fresh() {
        assert_eq!(outdated(CLEAN, Depth::Quick), None);
        for (from, to) in [
            ("abc", "abd"),
            ("false", "true"),
            ("\"dirty\":false,", ""),
            ("passed", "interrupted"),
            ("\"passed\"", r#"{"skipped":{"reason":"no compiler"}}"#),
            ("raft --quick", "raft --quick --threads 1"),
        ] {
            let artifact = CLEAN.replace(from, to);
            assert_ne!(artifact, CLEAN);
            assert!(outdated(&artifact, Depth::Quick).is_some(), "{artifact} counts as fresh");
        }
        assert_eq!(outdated(&CLEAN.replace("passed", "failed"), Depth::Quick), None, "a finding is a result");
    }

    #[test]
    fn a_full_run_serves_a_quick_report_and_not_the_other_way_round() {
        let full = CLEAN.replace("--quick", "--full");
        assert_eq!(outdated(&full, Depth::Quick), None);
        assert_eq!(outdated(&full, Depth::Full), None);
        assert!(outdated(CLEAN, Depth::Full).is_some());
    }

    #[test]
    fn the_whole_zoo_serves_a_quick_report_and_ten_bugs_no_full_one() {
        let folder = std::env::temp_dir().join(format!("xtask-plan-zoo-{}", std::process::id()));
        let clean = Checkout { revision: Some("abc".to_owned()), dirty: false };
        let zoos = ["raft", "sharing"].map(str::to_owned);
        let is_stale = |name: &str, depth| {
            let step = steps(&[], &zoos, &[], depth).into_iter().find(|step| step.name == name);
            step.expect("planned").stale(&folder, &clean).is_some()
        };
        for (file, command, quick, full) in [
            ("raft-ten", "zoo raft --ten --quick", false, true),
            ("raft", "zoo raft --quick", false, true),
            ("raft", "zoo raft --full", false, false),
            ("raft", "zoo raft --bug canary --quick", true, true),
        ] {
            let artifact = CLEAN.replace("verify raft --quick", command);
            let file = folder.join(format!("zoo/{file}.json"));
            crate::process::write_whole(&file, artifact.as_bytes()).expect("written");
            let told = (is_stale("zoo raft", Depth::Quick), is_stale("zoo raft", Depth::Full));
            assert_eq!(told, (quick, full), "{command}");
            assert!(is_stale("zoo sharing", Depth::Quick));
            fs::remove_file(file).expect("our own file");
        }
        fs::remove_dir_all(folder).expect("our own folder");
    }

    #[test]
    fn an_unclean_checkout_or_an_unreadable_file_makes_stale() {
        let folder = std::env::temp_dir().join(format!("xtask-plan-{}", std::process::id()));
        let step = verify_raft(Depth::Quick);
        let clean = Checkout { revision: Some("abc".to_owned()), dirty: false };
        let stale = |checkout: &Checkout| step.stale(&folder, checkout);
        assert_eq!(stale(&clean).as_deref(), Some("there is no artifact"));
        crate::process::write_whole(&folder.join("verify/raft.json"), CLEAN.as_bytes()).expect("written");
        assert_eq!(stale(&clean), None);
        assert!(step.unwritten(&folder, SystemTime::now()).is_none(), "it was written just now");
        let later = SystemTime::now() + std::time::Duration::from_mins(1);
        assert!(step.unwritten(&folder, later).is_some());
        assert!(stale(&Checkout { dirty: true, ..clean.clone() }).is_some());
        assert!(stale(&Checkout { revision: None, dirty: false }).is_some());
        crate::process::write_whole(&folder.join("verify/raft.json"), &CLEAN.as_bytes()[..40])
            .expect("written");
        assert_eq!(stale(&clean).as_deref(), Some("its artifact is unreadable"));
        fs::remove_dir_all(folder).expect("our own folder");
    }
}
