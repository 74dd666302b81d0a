//! Edited copies of an algorithm's crate, each with a hunter, in one generated workspace.
//!
//! Nearly all bugs are choices at run time between the code as it is and the code with the bug ([`schemata`]), so that
//! few copies hold them all, and are the same whichever bugs are asked for. With nothing chosen, the first of them is
//! the control. Bugs that no choice can bring about have copies of their own.
//!
//! Below `target/zoo/<algorithm>`: `Cargo.toml` (the dependencies and settings of the real workspace), and per copy
//! `copies/<name>/crate` (its package is renamed, its library is not) and `copies/<name>/hunter` (a binary made of
//! `zoo/<algorithm>.rs`); what the hunters say is in `hunts`. The engines are the real `model-check` library, built
//! once. Files are written only where they differ, so that cargo builds what has changed, and side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::catalogue::{Bug, CONTROL, Catalogue, CatalogueError};
use super::hunt::{Budget, Catch, Engine, Scope};
use super::round::{DIRECTED, Hunters};
use super::schemata::{self, Chosen, Sources};

/// The generated workspace of one algorithm.
#[derive(Debug)]
pub struct Workshop {
    root: PathBuf,
    folder: PathBuf,
    algorithm: String,
    /// What is hunted in: by its name, the copy, and what is chosen there.
    hunted: BTreeMap<String, (String, Chosen)>,
}

impl Workshop {
    /// Writes the copies that hold these bugs and their controls, for the workspace at `root`.
    ///
    /// # Errors
    /// If an edit does not apply, or a file cannot be read or written.
    pub fn prepare(root: &Path, catalogue: &Catalogue, bugs: &[&Bug]) -> Result<Self, String> {
        let algorithm = &catalogue.algorithm;
        let mut workshop = Workshop {
            root: root.to_owned(),
            folder: root.join("target/zoo").join(algorithm),
            algorithm: algorithm.clone(),
            hunted: BTreeMap::from([(CONTROL.to_owned(), ("0".to_owned(), Chosen::Nothing))]),
        };
        let source = root.join("algos").join(algorithm);
        let sources =
            schemata::read(&source, &["src"]).map_err(|error| format!("{}: {error}", source.display()))?;
        let (copies, places) = catalogue.copies(&sources).map_err(|error| error.to_string())?;
        let mut texts = BTreeMap::from([(0, copies[0].whole(&sources))]);
        let mut apart = Vec::new();
        for (at, bug) in catalogue.bugs.iter().enumerate() {
            if !bugs.iter().any(|other| other.id() == bug.id()) {
                continue;
            }
            let mut hunted = |name: String, copy: &str, chosen| {
                workshop.hunted.entry(name).or_insert((copy.to_owned(), chosen));
            };
            if let Some(place) = places[at] {
                texts.entry(place).or_insert_with(|| copies[place].whole(&sources));
                hunted(bug.id().to_owned(), &place.to_string(), Chosen::Bug(at + 1));
                hunted(bug.control(), &place.to_string(), Chosen::Companions(at + 1));
            } else {
                apart.push((bug.id().to_owned(), edited(catalogue, bug, &sources)?));
                hunted(bug.id().to_owned(), bug.id(), Chosen::Nothing);
                if bug.control() != CONTROL {
                    apart.push((bug.control(), edited(catalogue, &bug.without(), &sources)?));
                    hunted(bug.control(), &bug.control(), Chosen::Nothing);
                }
            }
        }
        let together = texts.into_iter().map(|(place, texts)| (place.to_string(), texts));
        for (name, texts) in together.chain(apart) {
            workshop.write_copy(&name, &texts)?;
        }
        workshop.write_root().map_err(|error| format!("{}: {error}", workshop.folder.display()))?;
        Ok(workshop)
    }

    /// The copies that are built.
    pub fn copies(&self) -> BTreeSet<&str> {
        self.hunted.values().map(|(copy, _)| &**copy).collect()
    }

    fn write_root(&self) -> io::Result<()> {
        let manifest = fs::read_to_string(self.root.join("Cargo.toml"))?;
        let settings = settings(&self.root, &manifest);
        let members: Vec<String> = (self.copies().into_iter())
            .map(|name| format!("\"copies/{name}/crate\", \"copies/{name}/hunter\""))
            .collect();
        let text = format!(
            "# Generated; see model-check/src/zoo/workshop.rs.\n[workspace]\nresolver = \"3\"\nmembers = \
             [{}]\n\n[workspace.package]{settings}\n[profile.release]\nopt-level = 2\ndebug = false\n\
             codegen-units = 1\n[profile.release.package.reports]\nopt-level = 0\n",
            members.join(", ")
        );
        write_if_new(&self.folder.join("Cargo.toml"), text.as_bytes())?;
        let lock = self.folder.join("Cargo.lock");
        if !lock.exists() {
            fs::copy(self.root.join("Cargo.lock"), lock)?;
        }
        Ok(())
    }

    /// Writes a copy with these sources, and its hunter.
    fn write_copy(&self, name: &str, sources: &Sources) -> Result<(), String> {
        let target = self.folder.join("copies").join(name);
        let said = |path: &Path| {
            let path = path.display().to_string();
            move |error: io::Error| format!("{path}: {error}")
        };
        let manifest = self.root.join("algos").join(&self.algorithm).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).map_err(said(&manifest))?;
        let text = text.split_once("[dev-dependencies]").map_or(text.as_str(), |(text, _)| text);
        let (package, library) = (format!("swarm-{}", self.algorithm), self.library());
        let renamed = text.replacen(&format!("\"{package}\""), &format!("\"{}\"", self.package(name)), 1);
        let renamed = format!("{renamed}\n[lib]\nname = \"{library}\"\ntest = false\ndoctest = false\n");
        let mut files: BTreeMap<PathBuf, &str> =
            sources.iter().map(|(file, text)| (target.join("crate").join(file), text.as_str())).collect();
        let hunter = self.hunter_manifest(name);
        files.insert(target.join("crate/Cargo.toml"), &renamed);
        files.insert(target.join("hunter/Cargo.toml"), &hunter);
        files.iter().try_for_each(|(to, text)| write_if_new(to, text.as_bytes()).map_err(said(to)))
    }

    fn hunter_manifest(&self, name: &str) -> String {
        let (root, algorithm, package) = (self.root.display(), &self.algorithm, self.package(name));
        format!(
            "[package]\nname = \"hunter-{algorithm}-{name}\"\nversion.workspace = true\nedition.workspace = true\n\n\
             [[bin]]\nname = \"hunter-{algorithm}-{name}\"\npath = \"{root}/model-check/zoo/{algorithm}.rs\"\n\n\
             [dependencies]\nmodel-check = {{ path = \"{root}/model-check\", default-features = false }}\nmimalloc.workspace = true\n\
             swarm-protocol.workspace = true\nswarm-simulator.workspace = true\n\
             swarm-{algorithm} = {{ package = \"{package}\", path = \"../crate\" }}\n"
        )
    }

    fn package(&self, name: &str) -> String {
        format!("zoo-{}-{name}", self.algorithm)
    }

    fn library(&self) -> String {
        format!("swarm_{}", self.algorithm.replace('-', "_"))
    }

    /// Builds all hunters. Cargo's own messages go to standard error.
    ///
    /// # Errors
    /// If cargo cannot be started, a copy does not compile, or `interrupt` was set.
    pub fn build(&self, interrupt: &AtomicBool) -> Result<(), String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(["build", "--release", "--quiet", "--manifest-path"])
            .arg(self.folder.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(self.target())
            // What an edit leaves unused is not worth a warning.
            .env("RUSTFLAGS", "-Awarnings")
            .stdout(Stdio::null());
        let status = watched(&mut command, interrupt).map_err(|error| format!("cargo: {error}"))?;
        if status.success() { Ok(()) } else { Err("a copy does not compile: see above".to_owned()) }
    }

    /// The hunters, who spend what this `budget` allows, and are stopped when `interrupt` is set.
    pub fn hunters<'a>(&'a self, budget: Budget, interrupt: &'a AtomicBool) -> WorkshopHunters<'a> {
        WorkshopHunters { workshop: self, budget, interrupt }
    }

    /// The program that hunts in what has this name: none if it was not prepared.
    fn hunter(&self, name: &str) -> Option<Command> {
        let (copy, chosen) = self.hunted.get(name)?;
        let program = self.target().join("release").join(format!("hunter-{}-{copy}", self.algorithm));
        let mut command = Command::new(program);
        command.env(schemata::VARIABLE, chosen.value().to_string());
        Some(command)
    }

    /// Where the hunters of what has this name leave what they say.
    fn hunts(&self, name: &str) -> PathBuf {
        self.folder.join("hunts").join(name)
    }

    /// Where all workshops build, so that what they share is built once.
    fn target(&self) -> PathBuf {
        self.root.join("target/zoo/target")
    }
}

/// The hunters of a workshop.
#[derive(Debug)]
pub struct WorkshopHunters<'a> {
    workshop: &'a Workshop,
    budget: Budget,
    interrupt: &'a AtomicBool,
}

impl WorkshopHunters<'_> {
    /// How many events happen on each ground before anybody hunts, as the control has it.
    ///
    /// # Errors
    /// If a story cannot be played to its end.
    pub fn stories(&self) -> Result<Vec<(String, u64)>, String> {
        let said = self.said(CONTROL, &[OsStr::new("--stories")], self.interrupt)?;
        let read = |line: &str| {
            let (ground, events) = line.split_once(' ')?;
            Some((ground.to_owned(), events.parse().ok()?))
        };
        Ok(said.lines().filter_map(read).collect())
    }

    /// The file of a scenario that `engine` has found in this copy.
    fn written(&self, copy: &str, engine: &str, scenario: &str) -> Result<PathBuf, String> {
        let file = self.workshop.hunts(copy).join(format!("{engine}.scenario"));
        write_if_new(&file, scenario.as_bytes()).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(file)
    }

    /// What a hunter says. It goes through a file, which cannot fill up as a pipe can.
    fn said(&self, name: &str, words: &[&OsStr], interrupt: &AtomicBool) -> Result<String, String> {
        let failed = |error: io::Error| format!("hunter of {name}: {error}");
        let word = words.first().map_or_else(Default::default, |word| word.to_string_lossy());
        let folder = self.workshop.hunts(name);
        fs::create_dir_all(&folder).map_err(failed)?;
        let path = |end: &str| folder.join(format!("{}.{end}", word.trim_matches('-')));
        let file = |end: &str| fs::File::create(path(end)).map_err(failed);
        let mut command =
            self.workshop.hunter(name).ok_or_else(|| format!("nothing was prepared for {name}"))?;
        command.args(words).stdout(file("out")?).stderr(file("err")?);
        let status = watched(&mut command, interrupt).map_err(failed)?;
        if status.success() {
            fs::read_to_string(path("out")).map_err(failed)
        } else {
            let said = fs::read(path("err")).map_err(failed)?;
            Err(format!("{status}: {}", String::from_utf8_lossy(&said).trim()))
        }
    }
}

impl Hunters for WorkshopHunters<'_> {
    fn hunt(&self, copy: &str, ground: &str, scope: Scope<'_>) -> Result<Vec<Catch>, String> {
        let mut words = vec![OsStr::new(ground)];
        words.extend(self.budget.option().map(OsStr::new));
        let file;
        match scope {
            Scope::Engines => {}
            Scope::Samplers => words.push(OsStr::new("--samplers")),
            Scope::Hard(scenario) => {
                file = self.written(copy, DIRECTED, scenario)?;
                words.extend([OsStr::new("--scenario"), file.as_os_str()]);
            }
        }
        let lines = self.said(copy, &words, self.interrupt)?;
        let read =
            |line: &str| serde_json::from_str(line).map_err(|error| format!("hunter of {copy}: {error}"));
        let caught: Vec<Catch> = lines.lines().map(read).collect::<Result<_, _>>()?;
        if caught.iter().map(|catch| catch.engine).eq(Engine::ALL) {
            Ok(caught)
        } else {
            Err(format!("{} of {} engines answered", caught.len(), Engine::ALL.len()))
        }
    }

    fn play(&self, copy: &str, of: &str, engine: &str, scenario: &str) -> Result<String, String> {
        let file = self.written(of, engine, scenario)?;
        // This takes milliseconds: it is not stopped.
        let said = self.said(copy, &[OsStr::new("--play"), file.as_os_str()], &AtomicBool::new(false))?;
        Ok(said.trim_end().to_owned())
    }
}

/// Dependencies and settings of the workspace at `root`, whose manifest this is, for one elsewhere; members and
/// profiles are not among them.
pub(super) fn settings(root: &Path, manifest: &str) -> String {
    let settings = manifest.split_once("[workspace.package]").map_or("", |(_, rest)| rest);
    let settings = settings.split_once("\n[profile").map_or(settings, |(settings, _)| settings);
    settings.replace("path = \"", &format!("path = \"{}/", root.display()))
}

/// Runs a program to its end, or kills it, and what it has started, once `interrupt` is set.
pub(super) fn watched(command: &mut Command, interrupt: &AtomicBool) -> io::Result<ExitStatus> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = command.stdin(Stdio::null()).spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        // Relaxed: a request, which may be seen late.
        if interrupt.load(Ordering::Relaxed) {
            // Cargo's compilers would go on without it. The child itself is killed below, come what may.
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// All sources of a copy that has the edits of this bug.
fn edited(catalogue: &Catalogue, bug: &Bug, sources: &Sources) -> Result<Sources, String> {
    if let Some(edit) = bug.edit.iter().find(|edit| !sources.contains_key(&edit.file)) {
        let reason = format!("there is no {} in {}", edit.file, catalogue.algorithm);
        return Err(catalogue.error(&edit.text, reason).to_string());
    }
    let text = |(file, text): (&String, &String)| Ok((file.clone(), catalogue.edited(bug, file, text)?));
    let edited: Result<Sources, CatalogueError> = sources.iter().map(text).collect();
    edited.map_err(|error| error.to_string())
}

/// Writes a file unless it holds these bytes already: its time of change is what cargo goes by.
pub(super) fn write_if_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)
}
