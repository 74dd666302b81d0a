//! What the pages say of engines that are compared on small models.

use reports::artifact::{Artifact, ComparedModel, ComparedPromise, Opinions, Payload};
use reports::site::Site;

use crate::folder::Folder;
use crate::{sample, structure};

fn opinions() -> Opinions {
    let model = |name: &str, known, states: [(&str, u64); 3]| ComparedModel {
        name: name.to_owned(),
        known,
        states: states.map(|(engine, states)| (engine.to_owned(), states)).into(),
    };
    let promise = |name: &str, known, kept: [(&str, bool); 2]| ComparedPromise {
        model: "bits".to_owned(),
        name: name.to_owned(),
        known,
        kept: kept.map(|(engine, kept)| (engine.to_owned(), kept)).into(),
    };
    Opinions {
        spin: Some("Spin Version 9.8.7".to_owned()),
        missing: Vec::new(),
        models: vec![
            model("bits", 14, [("own", 14), ("stateright", 14), ("SPIN", 14)]),
            model("rivals", 20, [("own", 20), ("stateright", 20), ("SPIN", 21)]),
        ],
        promises: vec![
            promise("received", true, [("own", true), ("SPIN", true)]),
            promise("alternates", false, [("own", true), ("SPIN", false)]),
        ],
    }
}

/// The sample's site, with a comparison or without.
fn site(name: &str, opinions: Option<Opinions>) -> (Folder, Site) {
    let folder = Folder::new(name);
    sample::write(folder.path()).expect("the sample can be written");
    let mut site = Site::read(folder.path(), None);
    if let Some(opinions) = opinions {
        let any: Artifact = site.artifacts[0].clone();
        site.artifacts.push(Artifact {
            verb: reports::artifact::Verb::Verify,
            algorithm: "harness".to_owned(),
            subject: "small-models".to_owned(),
            command: "cargo xtask verify --spin".to_owned(),
            payload: Payload::Opinions(opinions),
            ..any
        });
    }
    (folder, site)
}

fn content(site: &Site, path: &str) -> String {
    let found = site.render().into_iter().find(|document| document.path == path);
    found.map(|document| document.content).unwrap_or_default()
}

fn text(site: &Site, page: &str) -> String {
    structure::read(&content(site, page)).expect("a page").text
}

#[test]
fn counts_of_three_engines_stand_beside_each_other_and_who_differs_is_marked() {
    let (_folder, site) = site("opinions", Some(opinions()));
    for name in ["raft", "harness"] {
        let page = text(&site, &format!("{name}.html"));
        assert!(page.contains("as many states as are known in 1 of 2 models"), "{page}");
        assert!(page.contains("say what is known of 1 of 2 promises"), "{page}");
        assert!(page.contains("Spin Version 9.8.7"));
        assert_eq!(page.matches("cargo xtask verify --spin").count(), 1, "{page}");
        let states = content(&site, &format!("tables/{name}-small-models.csv"));
        let rows: Vec<&str> = states.lines().skip(1).collect();
        assert_eq!(rows, ["bits,14,14,14,14,equal", "rivals,20,20,20,21,differ"]);
        let promises = content(&site, &format!("tables/{name}-small-promises.csv"));
        let rows: Vec<&str> = promises.lines().skip(1).collect();
        let known = ["bits,received,kept,kept,kept,equal", "bits,alternates,broken,kept,broken,differ"];
        assert_eq!(rows, known);
    }
    assert!(!text(&site, "harness.html").contains("not run cargo xtask verify"));
    // Beside searches of the harness's own it is told apart from them.
    let mut both = site.clone();
    let searched = site.artifacts.iter().find(|artifact| matches!(artifact.payload, Payload::Verify(_)));
    let searched = searched.expect("the sample has some").clone();
    both.artifacts.push(Artifact {
        algorithm: "harness".to_owned(),
        subject: "harness".to_owned(),
        ..searched
    });
    assert_eq!(text(&both, "harness.html").matches("cargo xtask verify --spin").count(), 1);
}

#[test]
fn a_missing_spin_is_said_and_leaves_gaps() {
    let mut without = opinions();
    (without.spin, without.missing) = (None, vec!["spin".to_owned(), "gcc".to_owned()]);
    for model in &mut without.models {
        model.states.remove("SPIN");
    }
    for promise in &mut without.promises {
        promise.kept.remove("SPIN");
    }
    let (_folder, site) = site("no-spin", Some(without));
    assert!(text(&site, "raft.html").contains("SPIN has no say here: spin and gcc missing"));
    let states = content(&site, "tables/raft-small-models.csv");
    assert_eq!(states.lines().nth(2), Some("rivals,20,20,20,,equal"));
    let promises = content(&site, "tables/raft-small-promises.csv");
    assert_eq!(promises.lines().nth(1), Some("bits,received,kept,kept,,equal"));
}

#[test]
fn engines_that_were_not_compared_are_said_not_to_be() {
    let (_folder, site) = site("unasked", None);
    assert!(text(&site, "raft.html").contains("SPIN was not asked: cargo xtask verify --spin"));
    assert_eq!(content(&site, "tables/raft-small-models.csv"), "");
}
