//! Who may depend on whom.
//!
//! `protocol` ← `simulator`, `runtime`, every algorithm; those two know no algorithm; algorithms know each
//! other only through `swarm`, which composes them, and through `work-stealing`, which is a library too; only
//! `model-check` knows stateright, and the tests of `work-stealing`, which explore the schedules of its threads: no
//! protocol, and nothing that `model-check` could run; only `bench` knows peers; `xtask` knows none of ours. Tests of
//! an algorithm may use simulator and runtime.

use super::Complaint;
use super::tree::{Dependency, Package};
use crate::workspace::LIBRARIES;

const RULE: &str = "arrows";
/// The prefix of every package below `algos`.
const PREFIX: &str = "swarm-";
/// The tools, which are neither published nor prefixed.
const TOOLS: [&str; 5] = ["bench", "fuzz", "model-check", "reports", "xtask"];
/// The engine that `model-check` alone may know, and tests of threads.
const CHECKER: &str = "stateright";

/// Complaints about packages and their direct dependencies.
pub(super) fn check(packages: &[Package]) -> Vec<Complaint> {
    let peers = peers(packages);
    packages.iter().flat_map(|package| check_one(package, packages, &peers)).collect()
}

/// What `bench` depends on behind a feature and no other package uses: the peers.
fn peers(packages: &[Package]) -> Vec<&str> {
    let bench = packages.iter().find(|package| package.name == "bench");
    let optional = bench.into_iter().flat_map(|bench| &bench.dependencies).filter(|edge| edge.optional);
    optional.map(|edge| edge.name.as_str()).collect()
}

fn check_one(package: &Package, packages: &[Package], peers: &[&str]) -> Vec<Complaint> {
    let manifest = format!("{}/Cargo.toml", package.folder);
    let complain = |reason: String| Complaint::new(RULE, &manifest, None, reason);
    let mut complaints = Vec::new();
    let algorithm = package.folder.strip_prefix("algos/");
    let right_name = algorithm.map_or_else(|| package.folder.clone(), |folder| format!("{PREFIX}{folder}"));
    if package.name != right_name {
        complaints
            .push(complain(format!("`{}` should be called `{right_name}`, after its folder", package.name)));
    }
    if algorithm.is_none() && !TOOLS.contains(&package.name.as_str()) {
        complaints.push(complain(format!(
            "`{}` is neither an algorithm nor one of the tools {TOOLS:?}",
            package.name
        )));
    }
    for edge in &package.dependencies {
        let ours = packages.iter().any(|other| other.name == edge.name);
        let reason = match algorithm {
            Some("work-stealing") if edge.name == CHECKER && edge.dev => continue,
            _ if edge.name == CHECKER && package.name != "model-check" => {
                "only `model-check` may know the checker"
            }
            _ if peers.contains(&edge.name.as_str()) && package.name != "bench" => {
                "only `bench` may know a peer"
            }
            Some("protocol") if !edge.dev => "`protocol` depends on nothing",
            Some(folder) if ours && !may_know(folder, edge) => "this arrow is not allowed",
            None if package.name == "xtask" && ours => "`xtask` starts our crates as processes",
            _ => continue,
        };
        complaints.push(complain(format!("{reason}: it depends on `{}`", edge.name)));
    }
    complaints
}

/// Whether the crate in `algos/<folder>` may depend on this package of ours.
fn may_know(folder: &str, edge: &Dependency) -> bool {
    let Some(other) = edge.name.strip_prefix(PREFIX) else {
        return false;
    };
    match folder {
        _ if other == "protocol" => true,
        "protocol" | "simulator" => false,
        "runtime" => other == "work-stealing",
        "swarm" => true,
        "aco" | "boids" if other == "work-stealing" => true,
        _ => edge.dev && LIBRARIES.contains(&other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, edges: &[&str]) -> Package {
        let name = folder.strip_prefix("algos/").map_or(folder.to_owned(), |name| format!("swarm-{name}"));
        // `dev:` and `opt:` mark the kind of an edge.
        let dependency = |edge: &&str| Dependency {
            name: edge.trim_start_matches("dev:").trim_start_matches("opt:").to_owned(),
            dev: edge.starts_with("dev:"),
            optional: edge.starts_with("opt:"),
        };
        Package { name, folder: folder.to_owned(), dependencies: edges.iter().map(dependency).collect() }
    }

    fn good() -> Vec<Package> {
        vec![
            package("algos/protocol", &["dev:quickcheck"]),
            package("algos/simulator", &["swarm-protocol", "rapidhash"]),
            package("algos/runtime", &["swarm-protocol", "crossbeam-queue", "swarm-work-stealing"]),
            package("algos/raft", &["swarm-protocol", "bytes", "dev:swarm-simulator", "dev:swarm-runtime"]),
            package("algos/work-stealing", &["dev:stateright"]),
            package("algos/aco", &["swarm-work-stealing"]),
            package("algos/swarm", &["swarm-raft", "swarm-aco"]),
            package("bench", &["swarm-raft", "opt:raft", "criterion"]),
            package("fuzz", &["swarm-raft", "swarm-task-sharing", "opt:libfuzzer-sys"]),
            package("model-check", &["swarm-raft", "stateright"]),
            package("reports", &["serde"]),
            package("xtask", &["lexopt"]),
        ]
    }

    /// The reasons found when one package of the good tree is replaced or one is added.
    fn reasons(bad: Package) -> Vec<String> {
        let mut packages = good();
        packages.retain(|package| package.folder != bad.folder);
        packages.push(bad);
        check(&packages).into_iter().map(|complaint| complaint.reason).collect()
    }

    #[test]
    fn the_tree_as_designed_is_fine() {
        assert_eq!(check(&good()), []);
    }

    #[test]
    fn every_forbidden_arrow_is_found() {
        for (folder, edge) in [
            ("algos/protocol", "bytes"),
            ("algos/simulator", "swarm-raft"),
            ("algos/simulator", "dev:swarm-raft"),
            ("algos/simulator", "swarm-runtime"),
            ("algos/runtime", "swarm-raft"),
            ("algos/runtime", "swarm-simulator"),
            ("algos/raft", "swarm-aco"),
            ("algos/raft", "dev:swarm-aco"),
            ("algos/raft", "swarm-simulator"),
            ("algos/raft", "swarm-work-stealing"),
            ("algos/raft", "stateright"),
            ("algos/raft", "dev:stateright"),
            ("algos/work-stealing", "stateright"),
            ("algos/raft", "dev:raft"),
            ("algos/raft", "reports"),
            ("fuzz", "stateright"),
            ("model-check", "raft"),
            ("xtask", "reports"),
        ] {
            let found = reasons(package(folder, &[edge]));
            assert_eq!(found.len(), 1, "{folder} → {edge}: {found:?}");
            assert!(found[0].contains(edge.trim_start_matches("dev:")), "{found:?}");
        }
    }

    #[test]
    fn packages_are_called_after_their_folders() {
        let unprefixed = Package { name: "pbft".to_owned(), ..package("algos/pbft", &[]) };
        assert_eq!(reasons(unprefixed), ["`pbft` should be called `swarm-pbft`, after its folder"]);
        assert!(reasons(package("tools", &[]))[0].contains("neither an algorithm"));
    }
}
