//! What clean seeds entitle one to believe, and when a run went wrong: from artifacts to sentences, exactly.

use reports::artifact::{Artifact, Bug, Decisive, Detection, Payload, Rewound, Simulate, Zoo};
use reports::site::Site;

use crate::folder::Folder;
use crate::{sample, structure};

/// The sample's site with one campaign and one bug of the zoo.
fn site(name: &str, campaign: Simulate, detection: Detection) -> (Folder, Site) {
    let folder = Folder::new(name);
    sample::write(folder.path()).expect("the sample can be written");
    let mut site = Site::read(folder.path(), None);
    for artifact in &mut site.artifacts {
        match &mut artifact.payload {
            Payload::Simulate(simulate) => *simulate = campaign.clone(),
            Payload::Zoo(zoo) => {
                let bug = Bug { id: "rare".into(), detections: vec![detection.clone()], ..Bug::default() };
                *zoo = Zoo { bugs: vec![bug], ..Zoo::default() };
            }
            _ => {}
        }
    }
    (folder, site)
}

fn seeds(trials: &[f64], found: u32) -> Detection {
    Detection {
        engine: "simulator".into(),
        found: true,
        effort_unit: "seeds".into(),
        trials: trials.to_vec(),
        found_trials: Some(found),
        control_passed: true,
        ..Detection::default()
    }
}

fn campaign(clean: u64, failures: u64) -> Simulate {
    Simulate {
        profile: "chaos".into(),
        runs: clean + failures,
        linearizable: clean,
        failures,
        ..Simulate::default()
    }
}

fn content(site: &Site, path: &str) -> String {
    let found = site.render().into_iter().find(|document| document.path == path);
    found.map(|document| document.content).unwrap_or_default()
}

fn text(site: &Site) -> String {
    structure::read(&content(site, "raft.html")).expect("a page").text
}

#[test]
fn clean_seeds_exclude_rates_above_the_exact_bound() {
    // 1 / (1 - 0.05^(1/n)): 334.3 for 1,000, 33,381.6 for 100,000.
    for (clean, one_in) in [(1000, "334"), (100_000, "33,381"), (1, "1")] {
        let (_folder, site) = site("exclude", campaign(clean, 0), seeds(&[7.0], 1));
        let said = format!(
            "clean seeds of profile chaos exclude, with 95 % confidence, every bug that shows itself in more than one in {one_in} of"
        );
        assert!(text(&site).contains(&said), "{clean}");
    }
    let (_folder, site) = site("failed", campaign(1000, 1), seeds(&[7.0], 1));
    assert!(
        !text(&site).contains("clean seeds of profile chaos"),
        "a profile of which a seed failed has none"
    );
}

#[test]
fn a_bugs_rate_is_that_of_all_its_trials_together() {
    // Found in 4 of 5 trials, by 4 of 1,000 seeds: 1 in 250, between 1 in 98.0 and 1 in 916.
    let detection = seeds(&[100.0, 150.0, 50.0, 300.0, 400.0], 4);
    let (_folder, site) = site("rate", campaign(1000, 0), detection);
    let csv = content(&site, "tables/raft-findability.csv");
    let fields: Vec<&str> = csv.lines().nth(1).expect("a row").split(',').collect();
    assert_eq!(fields[..4], ["rare", "4", "5", "1000"], "{csv}");
    let numbers: Vec<f64> = fields[4..].iter().map(|field| field.parse().expect("a number")).collect();
    // Clopper and Pearson for 4 of 1,000: 0.001091 to 0.010209.
    let expected = [250.0, 97.95, 916.6, 2745.0, 0.996f64.powi(1000), 0.998_909f64.powi(1000)];
    for (number, expected) in numbers.iter().zip(expected) {
        assert!((number / expected - 1.0).abs() < 2e-3, "{number} for {expected}: {csv}");
    }
}

#[test]
fn a_bug_that_no_seed_shows_has_a_bound_and_no_rate() {
    let (_folder, never) = site("never", campaign(1000, 0), seeds(&[1000.0, 1000.0, 1000.0], 0));
    let csv = content(&never, "tables/raft-findability.csv");
    // One in 1 / (1 - 0.025^(1/3000)) = 813.8 at most.
    assert!(csv.lines().nth(1).expect("a row").starts_with("rare,0,3,3000,,813.7"), "{csv}");
    // What was not counted, or counts otherwise, or fails without the bug, says nothing.
    for detection in [
        Detection { found_trials: None, ..seeds(&[5.0, 6.0], 2) },
        Detection { effort_unit: "events".into(), ..seeds(&[5.0, 6.0], 2) },
        Detection { control_passed: false, ..seeds(&[5.0, 6.0], 2) },
    ] {
        let (_folder, site) = site("nothing", campaign(1000, 0), detection);
        assert!(content(&site, "tables/raft-findability.csv").is_empty());
    }
}

fn moment(moment: u64, failing: u32) -> Rewound {
    Rewound {
        moment,
        events: moment,
        event: Some(format!("event {moment}")),
        futures: 100,
        failing,
        ..Rewound::default()
    }
}

#[test]
fn an_event_decides_where_neighbours_differ_by_more_than_chance() {
    let shares = [(0, 5), (8, 10), (9, 14), (10, 60), (12, 95), (13, 100)];
    let rewound = shares.map(|(at, failing)| moment(at, failing)).to_vec();
    let decisive = Decisive { rewound, ..Decisive::default() };
    // 10 to 14 of 100 is chance; between 10 and 12 lies a moment that nobody looked at.
    let rises: Vec<(u64, u64)> =
        decisive.rises().into_iter().map(|(before, after)| (before.moment, after.moment)).collect();
    assert_eq!(rises, [(9, 10)]);
    assert_eq!(decisive.turned().map(|turned| turned.moment), Some(10));
    let saved = Decisive { rewound: vec![moment(0, 90), moment(1, 20)], ..Decisive::default() };
    assert_eq!((saved.rises().len(), saved.turned()), (0, None));
}

#[test]
fn the_page_names_the_event_that_decided() {
    let (_folder, site) = site("decided", campaign(10, 0), seeds(&[7.0], 1));
    let said = text(&site);
    assert!(
        said.contains("Most decisive: crash n1 0 (event 420 of 560). Before it 6 % of the futures failed, after it 82 %."),
        "{said}"
    );
    let only = |artifact: &&Artifact| matches!(artifact.payload, Payload::Decisive(_));
    assert_eq!(site.artifacts.iter().filter(only).count(), 1);
    assert!(content(&site, "raft.html").contains("id=\"decisive-raft-without-storage-decisive-plot\""));
    // It is no campaign: the simulation's own section does not list it.
    assert_eq!(said.matches("cargo xtask simulate raft --decisive --without-storage").count(), 1);
}

#[test]
fn a_bugs_cell_tells_found_after_so_much_from_not_found_in_so_much() {
    let detection = |found| Detection { found, effort: 88_200, control_passed: true, ..seeds(&[], 0) };
    for (found, row) in [(true, "rare,,found,\"88,200\""), (false, "rare,,not found,\"> 88,200\"")] {
        let (_folder, site) = site("cell", campaign(1, 0), detection(found));
        assert_eq!(content(&site, "tables/raft-zoo.csv").lines().nth(1), Some(row));
    }
}
