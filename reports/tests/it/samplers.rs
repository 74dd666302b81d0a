//! What the pages say of samplers: how much they see, whether the estimate comes true, their rank, and what they miss.

use reports::artifact::{Artifact, Calibration, Payload, Verb, Zoo};
use reports::site::Site;

use crate::folder::Folder;
use crate::{sample, structure};

/// The sample's site, changed.
fn site(name: &str, mut change: impl FnMut(&mut Artifact)) -> (Folder, Site) {
    let folder = Folder::new(name);
    sample::write(folder.path()).expect("the sample can be written");
    let mut site = Site::read(folder.path(), None);
    site.artifacts.iter_mut().for_each(&mut change);
    (folder, site)
}

fn content(site: &Site, path: &str) -> String {
    let found = site.render().into_iter().find(|document| document.path == path);
    found.map(|document| document.content).unwrap_or_default()
}

fn text(site: &Site) -> String {
    structure::read(&content(site, "raft.html")).expect("a page").text
}

/// The lines of a table that begin with this.
fn rows(site: &Site, table: &str, beginning: &str) -> Vec<String> {
    let csv = content(site, &format!("tables/{table}.csv"));
    csv.lines().filter(|line| line.starts_with(beginning)).map(str::to_owned).collect()
}

const CALIBRATION: &str = "calibration-raft-calibration";

#[test]
fn shares_and_claims_stand_on_the_page_as_means_over_seeds() {
    let (_folder, site) = site("shares", |artifact| {
        if let Payload::Calibration(calibration) = &mut artifact.payload {
            let points = &mut calibration.instances[0].samplers[0].points;
            points[0].states.share = vec![0.25, 0.75];
            points[0].states.claimed = vec![0.5, 0.25];
            points[0].states.came_true = vec![0.5, 0.125];
        }
    });
    let row = &rows(&site, CALIBRATION, "two-nodes,uniform,1000,")[0];
    assert!(row.starts_with("two-nodes,uniform,1000,0.5,0.25,0.75,"), "{row}");
    assert!(row.contains(",0.375,0.3125,"), "{row}");
    assert!(text(&site).contains("closed (it has 1,883,301 states)"));
    assert!(text(&site).contains("Of the 22,814 states themselves, guided saw most: "));
    assert!(content(&site, "raft.html").contains("id=\"calibration-raft-calibration-0-plot\""));
    // The section is the only place that tells of this run.
    assert_eq!(text(&site).matches("cargo xtask verify raft --calibrate").count(), 1);
}

#[test]
fn an_estimate_comes_true_or_claims_too_much_or_too_little() {
    for (claimed, came_true, verdict) in [
        (vec![0.30, 0.20, 0.25], vec![0.20, 0.30, 0.25], "comes true"),
        (vec![0.26; 3], vec![0.25; 3], "comes true"),
        (vec![0.50; 3], vec![0.25; 3], "claims too much"),
        (vec![0.10; 3], vec![0.25; 3], "claims too little"),
    ] {
        let (_folder, site) = site("verdict", |artifact| {
            if let Payload::Calibration(calibration) = &mut artifact.payload {
                let states = &mut calibration.instances[0].samplers[0].points[0].states;
                (states.claimed, states.came_true) = (claimed.clone(), came_true.clone());
            }
        });
        let row = &rows(&site, CALIBRATION, "two-nodes,uniform,1000,")[0];
        assert!(row.contains(verdict), "{verdict}: {row}");
    }
}

#[test]
fn states_that_the_search_has_not_met_are_not_passed_over() {
    let (_folder, site) = site("strangers", |artifact| {
        if let Payload::Calibration(calibration) = &mut artifact.payload {
            calibration.instances[1].strangers = 3;
        }
    });
    assert!(text(&site).contains("between-writes: walks met 3 states that the search has not"));
}

#[test]
fn what_is_not_there_leaves_no_section() {
    let (_folder, site) = site("none", |artifact| match &mut artifact.payload {
        Payload::Zoo(zoo) => {
            zoo.samplers.clear();
            for bug in &mut zoo.bugs {
                bug.samplers.clear();
                bug.near.clear();
                bug.missed_events = None;
            }
        }
        payload @ Payload::Calibration(_) => *payload = Payload::Calibration(Calibration::default()),
        _ => {}
    });
    let text = text(&site);
    assert!(
        !text.contains("Which sampler of walks is best?") && !text.contains("Bugs that random search misses")
    );
    assert_eq!(content(&site, "tables/raft-samplers.csv"), "");
}

#[test]
fn what_else_had_to_be_changed_is_told_where_there_is_room() {
    let title = "a vote leaves too early. Lowered: an assertion that would catch it";
    let (_folder, site) = site("titles", |artifact| {
        if let Payload::Zoo(zoo) = &mut artifact.payload {
            zoo.bugs[0].title = title.to_owned();
        }
    });
    let verdicts = content(&site, "tables/raft-zoo.csv");
    assert!(verdicts.contains(",a vote leaves too early,") && !verdicts.contains("Lowered"), "{verdicts}");
    assert!(content(&site, "tables/raft-zoo-origins.csv").contains(title));
}

#[test]
fn samplers_stand_in_the_order_of_their_rank_and_bugs_with_what_each_made_of_them() {
    let (_folder, site) = site("rank", |_| ());
    let ranking = content(&site, "tables/raft-samplers.csv");
    let names: Vec<&str> = ranking.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(names, ["cuts", "weights", "uniform", "guided", "priorities"]);
    assert!(ranking.contains("weights,default,3,3,"), "{ranking}");
    let hunts = &rows(&site, "raft-sampler-hunts", "stale-log-elected,")[0];
    // In 20, 17, 14, 11 and 8 of 20 trials; the last is not more than half of them.
    assert!(hunts.contains("20 of 20") && hunts.contains("8 of 20"), "{hunts}");
    assert!(rows(&site, "raft-sampler-hunts", "figure-eight")[0].contains("not in 1.00 M"));
}

#[test]
fn what_random_search_misses_is_told_with_how_long_it_looked_and_from_how_near_it_is_found() {
    let (_folder, site) = site("missed", |_| ());
    let row = &rows(&site, "raft-hard", "figure-eight,")[0];
    assert!(row.starts_with("figure-eight,20000000,10000000,5,checker,51,"), "{row}");
    assert!(row.contains("9 of 51, after 812,000 states") && row.contains("14 of 51"), "{row}");
    assert_eq!(rows(&site, "raft-hard", "").len(), 2, "no other bug is hard");
}

#[test]
fn a_longer_look_at_a_bug_tells_what_the_whole_zoo_has_no_time_for() {
    // The whole zoo tells of the bug without its hunt, or with a short one; another artifact is about it alone.
    for looked in [None, Some(1000)] {
        let (_folder, mut site) = site("alone", |_| ());
        let zoo =
            |artifact: &Artifact| matches!(artifact.payload, Payload::Zoo(_)) && artifact.subject == "raft";
        let mut alone = site.artifacts.iter().find(|artifact| zoo(artifact)).expect("there is a zoo").clone();
        alone.subject = "raft-hard".to_owned();
        let Payload::Zoo(Zoo { bugs, samplers, .. }) = &mut alone.payload else { panic!("it is one") };
        samplers.clear();
        bugs.retain(|bug| bug.hard);
        for artifact in site.artifacts.iter_mut().filter(|artifact| zoo(artifact)) {
            let Payload::Zoo(zoo) = &mut artifact.payload else { continue };
            for bug in zoo.bugs.iter_mut().filter(|bug| bug.hard) {
                (bug.samplers, bug.near, bug.missed_events) = (Vec::new(), Vec::new(), looked);
            }
        }
        site.artifacts.push(alone);
        assert!(rows(&site, "raft-hard", "figure-eight,20000000,").len() == 1);
        assert_eq!(rows(&site, "raft-zoo", "figure-eight").len(), 1, "and stands once in the table of all");
    }
}

#[test]
fn bugs_of_several_hunts_count_once_and_a_part_of_the_zoo_says_so() {
    let (_folder, whole) = site("parts", |_| ());
    let said = "This is a part of the hunt: cargo xtask zoo raft puts all bugs back";
    let counts = |site: &Site| {
        let status = content(site, "tables/status.csv");
        let cell = status.lines().flat_map(|line| line.split(',')).find(|cell| cell.ends_with(" found"));
        cell.expect("a column of zoos").to_owned()
    };
    let counted = counts(&whole);
    assert_ne!(counted, "0 of 0 found");
    assert!(!text(&whole).contains(said));
    let is_zoo = |artifact: &&mut Artifact| matches!(artifact.payload, Payload::Zoo(_));
    let mut both = whole.clone();
    let mut ten = both.artifacts.iter_mut().find(is_zoo).expect("there is a zoo").clone();
    ten.subject = "raft-ten".to_owned();
    both.artifacts.push(ten);
    assert_eq!(counts(&both), counted);
    assert!(!text(&both).contains(said));
    // A bug that one hunt misses and another finds is found.
    let zoo = both.artifacts.iter_mut().find(is_zoo).expect("there is a zoo");
    if let Payload::Zoo(zoo) = &mut zoo.payload {
        zoo.bugs.iter_mut().flat_map(|bug| &mut bug.detections).for_each(|found| found.found = false);
    }
    assert_eq!(counts(&both), counted);
    both.artifacts.retain(|artifact| artifact.subject == "raft-ten" || artifact.verb != Verb::Zoo);
    assert_eq!(counts(&both), counted);
    assert!(text(&both).contains(said));
}
