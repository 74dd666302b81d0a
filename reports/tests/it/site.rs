//! The site: structure, escaping, gaps, staleness, and its three forms.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use reports::artifact::{Artifact, Bin, Payload};
use reports::site::{Document, Site};

use crate::folder::Folder;
use crate::invented::Invented;
use crate::{put, sample, structure};

/// A site of invented artifacts, made in a folder of its own.
fn sample_site(name: &str, trouble: bool) -> (Folder, Site) {
    let folder = Folder::new(name);
    sample::write(folder.path()).expect("the sample can be written");
    if trouble {
        sample::write_trouble(folder.path()).expect("the trouble too");
    }
    let site = Site::read(folder.path(), None);
    (folder, site)
}

fn is_kind(document: &Document, extension: &str) -> bool {
    Path::new(&document.path).extension().is_some_and(|found| found == extension)
}

fn document<'a>(documents: &'a [Document], path: &str) -> &'a str {
    &documents
        .iter()
        .find(|document| document.path == path)
        .unwrap_or_else(|| panic!("{path} is there"))
        .content
}

/// Every page is well-formed and every link leads somewhere in the site.
fn check(site: &Site) -> Result<Vec<Document>, String> {
    let documents = site.render();
    let mut files: BTreeSet<String> = documents.iter().map(|document| document.path.clone()).collect();
    if files.len() < documents.len() {
        return Err("two documents of one name".into());
    }
    files.extend(site.beside.iter().map(|path| format!("data/{path}")));
    let pages: Vec<(&str, structure::Page)> = documents
        .iter()
        .filter(|document| is_kind(document, "html"))
        .map(|document| Ok((document.path.as_str(), structure::read(&document.content)?)))
        .collect::<Result<_, String>>()?;
    for (path, page) in &pages {
        for link in &page.links {
            let (file, id) =
                link.split_once('#').map_or((link.as_str(), None), |(file, id)| (file, Some(id)));
            let file = if file.is_empty() { path } else { file };
            if !files.contains(file) {
                return Err(format!("{path} links to {link}"));
            }
            let target = pages.iter().find(|(path, _)| *path == file);
            if let (Some(id), Some((_, target))) = (id, target)
                && !target.ids.contains(id)
            {
                return Err(format!("{path} links to {link}, which has no such place"));
            }
        }
    }
    Ok(documents)
}

#[test]
fn hostile_artifacts_make_well_formed_pages() {
    fn property(invented: Vec<Invented>) -> Result<bool, String> {
        let mut site = Site { revision: Some("<r>".into()), ..Site::default() };
        for Invented(artifact) in invented.into_iter().take(12) {
            // A folder holds one artifact of a name.
            let name =
                |a: &Artifact| (a.verb, a.subject.clone(), a.shard.map(|shard| (shard.index, shard.count)));
            if !site.artifacts.iter().any(|other| name(other) == name(&artifact)) {
                site.artifacts.push(artifact);
            }
        }
        check(&site)?;
        Ok(true)
    }
    quickcheck::quickcheck(property as fn(Vec<Invented>) -> Result<bool, String>);
}

#[test]
fn the_sample_site_is_whole() {
    let (_folder, site) = sample_site("whole", true);
    let documents = check(&site).expect("a well-formed site");
    let raft = structure::read(document(&documents, "raft.html")).expect("a page");
    for section in
        ["properties", "states", "interleavings", "simulation", "fuzzing", "zoo", "throughput", "latency"]
    {
        assert!(raft.ids.contains(section), "{section}: {:?}", raft.ids);
    }
    for page in documents.iter().filter(|document| is_kind(document, "html")) {
        assert!(
            page.content
                .contains("content=\"default-src &#39;none&#39;; img-src data:; style-src &#39;sha256-"),
            "{}",
            page.path
        );
        assert!(!page.content.contains("http:") && !page.content.contains("https:"), "{}", page.path);
    }
    let pictures = documents.iter().filter(|document| document.content.contains("<img class=\"picture\""));
    let encoded = "src=\"data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9Im5vKCkiLz4=\"";
    assert!(
        pictures.filter(|document| document.content.contains(encoded)).count() > 0,
        "the history is drawn"
    );
    let index = structure::read(document(&documents, "index.html")).expect("a page");
    assert!(index.text.contains("3 of 3"), "bugs caught, the canary not counted");
    assert!(index.text.contains("raft-rs is ahead of Raft at window 1, 64 B commands, 3 nodes: 1.04×."));
    assert!(index.text.contains("simulate raft-wild failed: linearizability, log_matching."));
    assert!(index.text.contains("fuzz/broken.json"));
    assert!(index.text.contains("513 passed, 0 failed, 2 not run, in 3 stages"), "the suite is summed up");
    // What coverage steers and what is drawn are told apart, and never added up.
    assert!(index.text.contains("3.00 Mdrawn from a seed, and 1.24 M steered by coverage"));
    assert!(!index.text.contains("4.24 M"));
    assert!(
        documents.iter().any(|document| document.path == "harness.html"),
        "the scenario target has a place"
    );
}

#[test]
fn engines_stand_side_by_side_and_what_differs_is_said() {
    let (_folder, site) = sample_site("engines", false);
    let documents = site.render();
    let engines = document(&documents, "tables/raft-engines.csv");
    let rows: Vec<&str> = engines.lines().skip(1).collect();
    assert_eq!(rows.len(), 4, "{engines}");
    let (stateright, own) = ("\"stateright, breadth first\"", "\"swarmproof, level by level, sleep sets\"");
    let row = |name: &str, engine: &str| {
        let found = rows.iter().find(|row| row.contains(name) && row.contains(engine));
        *found.unwrap_or_else(|| panic!("{name}, {engine}: {engines}"))
    };
    assert!(row("three nodes", stateright).contains(",first,"));
    // One was cut off by a limit on states: what it visited depends on the engine.
    assert!(row("three nodes", own).contains(",not comparable,"));
    assert!(row("two nodes", own).contains(",differs,"), "{engines}");
    // What is said of an instance is said once.
    let states = document(&documents, "tables/raft-states.csv");
    assert_eq!(states.matches("closed").count(), 1, "{states}");
    let properties = document(&documents, "tables/raft-properties.csv");
    assert!(properties.contains("election_safety,always,no violation,3,"), "{properties}");
    // Searches of one instance stand one below the other.
    let mut names: Vec<&str> = rows.iter().filter_map(|row| row.split(',').next()).collect();
    names.dedup();
    assert_eq!(names.len(), 2, "{engines}");
    // The same search beside another run is no other search; one within other bounds is.
    let repeat = |nodes: Option<&str>| {
        let mut repeated = site.clone();
        let run = repeated.artifacts.iter().find(|artifact| artifact.subject == "raft").expect("it is there");
        let mut run = Artifact { subject: "raft-again".to_owned(), ..run.clone() };
        if let Payload::Verify(verify) = &mut run.payload {
            for instance in &mut verify.instances {
                instance.bounds.extend(nodes.map(|nodes| ("nodes".to_owned(), nodes.to_owned())));
            }
        }
        repeated.artifacts.push(run);
        document(&repeated.render(), "tables/raft-states.csv").lines().count()
    };
    assert_eq!(repeat(None), states.lines().count(), "{states}");
    assert!(repeat(Some("77")) > states.lines().count());
    // Without a second engine there is nothing to compare.
    let mut alone = site;
    alone.artifacts.retain(|artifact| artifact.subject != "raft-own");
    assert!(!alone.render().iter().any(|document| document.path == "tables/raft-engines.csv"));
}

#[test]
fn where_a_peer_is_ahead_it_is_said_before_any_table() {
    let (_folder, site) = sample_site("ahead", false);
    let documents = site.render();
    for page in ["index.html", "raft.html", "summary.md"] {
        let text = document(&documents, page);
        let from = text.find("id=\"throughput\"").unwrap_or(0);
        let (said, figures) =
            (text[from..].find("is ahead"), text[from..].find("<svg").or(text[from..].find("\n| ")));
        assert!(said.expect("said") < figures.unwrap_or(usize::MAX), "{page}");
    }
}

#[test]
fn nothing_run_is_shown_as_not_run_with_its_command() {
    let documents = check(&Site::default()).expect("a site of nothing");
    let index = structure::read(document(&documents, "index.html")).expect("a page").text;
    let raft = structure::read(document(&documents, "raft.html")).expect("a page").text;
    for verb in ["verify raft", "simulate raft", "zoo raft", "fuzz", "compare", "latency raft"] {
        assert!(index.contains(&format!("cargo xtask {verb}")), "{verb}");
        assert!(raft.contains(&format!("○\u{a0}not run cargo xtask {verb}")), "{verb}");
    }
    let digits = index.chars().filter(char::is_ascii_digit).count();
    assert_eq!(digits, 0, "without artifacts there is no number to print: {index}");
}

#[test]
fn artifacts_of_another_revision_are_marked() {
    let (_folder, mut site) = sample_site("stale", false);
    let page = |site: &Site| structure::read(document(&site.render(), "index.html")).expect("a page").text;
    assert!(!page(&site).contains("stale)"));
    site.revision = Some("0123456789abcdef".into());
    assert!(page(&site).contains("(stale)"));
    let all = site.artifacts.len();
    assert!(page(&site).contains(&format!("{all} of {all} runs are of another revision")));
}

#[test]
fn unequal_digests_are_never_compared() {
    let (_folder, mut site) = sample_site("digest", false);
    for artifact in &mut site.artifacts {
        if let Payload::Compare(compare) = &mut artifact.payload {
            compare.measurements[1].digest = "another".into();
            compare.measurements[4].verified = false;
        }
    }
    let documents = site.render();
    let ratios = document(&documents, "tables/raft-ratios.csv");
    assert_eq!(ratios.matches(",raft-rs,").count(), 1, "only the last window is comparable: {ratios}");
    assert_eq!(ratios.matches(",floor,").count(), 3, "{ratios}");
}

#[test]
fn a_bug_whose_control_fails_is_not_found() {
    let (_folder, mut site) = sample_site("control", false);
    for artifact in &mut site.artifacts {
        if let Payload::Zoo(zoo) = &mut artifact.payload {
            zoo.bugs[0].detections.iter_mut().for_each(|detection| detection.control_passed = false);
        }
    }
    let index = structure::read(document(&site.render(), "index.html")).expect("a page").text;
    assert!(index.contains("2 of 3"), "{index}");
}

#[test]
fn every_table_is_a_csv_file_with_full_numbers() {
    let (_folder, site) = sample_site("csv", false);
    let documents = site.render();
    let states = document(&documents, "tables/raft-states.csv");
    let lines: Vec<&str> = states.lines().collect();
    assert_eq!(lines.len(), 4, "{states}");
    assert!(
        lines[0].starts_with("instance,explored,states,depth,complete_depth,collision_probability,bounds")
    );
    assert!(lines[1].starts_with("\"three nodes, one crash\",until state limit,2481204,31,22,"), "{states}");
    let html_tables: usize = documents
        .iter()
        .filter(|document| is_kind(document, "html"))
        .map(|d| d.content.matches("<table").count())
        .sum();
    assert_eq!(documents.iter().filter(|document| is_kind(document, "csv")).count(), html_tables);
}

#[test]
fn the_summary_is_markdown_that_stays_within_its_bounds() {
    let (_folder, mut site) = sample_site("summary", false);
    let documents = site.render();
    let summary = document(&documents, "summary.md");
    assert!(summary.starts_with("# swarmproof report\n"));
    assert!(summary.contains("| `election_safety` | always | ✓\u{a0}no violation | 3 |"), "{summary}");
    let checked = |artifact: &&Artifact| matches!(artifact.payload, Payload::Verify(_));
    let artifact = site.artifacts.iter().find(checked).expect("the sample has one").clone();
    site.artifacts
        .extend((0..9_000).map(|number| Artifact { subject: format!("raft-{number}"), ..artifact.clone() }));
    let documents = site.render();
    let summary = document(&documents, "summary.md");
    assert!(summary.len() < 1 << 20 && summary.contains("The rest stands in"), "{}", summary.len());
}

#[test]
fn rendering_is_a_pure_function() {
    let (_folder, site) = sample_site("pure", true);
    assert_eq!(site.render(), site.render());
}

#[test]
fn a_new_report_replaces_tables_and_data_of_the_old_one() {
    let (folder, site) = sample_site("replace", false);
    let out = folder.path().join("out");
    let index = site.write(folder.path(), &out).expect("the site can be written");
    assert!(fs::read_to_string(index).expect("the overview").contains("</html>"));
    assert!(out.join("data/latency/raft/ours-100000.hlog").is_file());
    fs::write(out.join("tables/of-old.csv"), "").expect("a left-over");
    site.write(folder.path(), &out).expect("again");
    assert!(!out.join("tables/of-old.csv").exists());
    // A folder that holds no report of ours keeps its files.
    let other = Folder::new("replace-other");
    let kept = put(&other, "tables/mine.csv", "");
    site.write(folder.path(), other.path()).expect("the site can be written");
    assert!(kept.exists());
}

#[test]
fn what_never_happened_is_shown() {
    let (_folder, site) = sample_site("never", false);
    let documents = site.render();
    let raft = structure::read(document(&documents, "raft.html")).expect("a page").text;
    assert!(raft.contains(
        "Allowed, and never happened: crash in five nodes, elections, restart in five nodes, elections."
    ));
    let actions = document(&documents, "tables/raft-actions.csv");
    assert!(
        actions.starts_with(
            "event,\"three nodes, one crash\",\"two nodes, closed\",\"five nodes, elections\"\r\n"
        )
    );
    assert!(actions.lines().any(|line| line.starts_with("crash,") && line.ends_with(",0")), "{actions}");
    // Pairs that never met stand in the table with a zero, and are counted.
    let met = document(&documents, "tables/raft-faults-met.csv");
    assert!(met.contains("disk stall,\"leader, idle\",0"), "{met}");
    assert!(raft.contains(
        "Faults by the situation of the node that they met Over all campaigns above; 8 pairs never met."
    ));
    assert!(raft.contains("Likely unseen, of what a run meets"));
}

#[test]
fn bins_hold_what_was_counted() {
    let bins = Bin::growing([(0, 2), (1, 1), (7, 1), (100, 3), (101, 1), (u64::MAX, 1)]);
    assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 9);
    assert_eq!((bins[0].from, bins[0].to, bins[0].count), (0.0, 1.0, 2));
    for (value, bin) in [(1.0, bins[1]), (7.0, bins[2]), (100.0, bins[3])] {
        assert!((bin.from..bin.to).contains(&value), "{value}: {bin:?}");
        assert!(bin.to <= bin.from * 1.2 + 1.0, "{bin:?}");
    }
    assert!(bins.is_sorted_by(|a, b| a.to <= b.from));
}
