//! The figure about elections: on the page, as a table, and what its lines are.

use reports::artifact::{ElectionClaim, Payload};
use reports::site::Site;

use crate::folder::Folder;
use crate::sample;

fn site() -> (Folder, Site) {
    let folder = Folder::new("elections");
    sample::write(folder.path()).expect("it is our own folder");
    let site = Site::read(folder.path(), None);
    (folder, site)
}

fn content(site: &Site, path: &str) -> String {
    let documents = site.render();
    let found = documents.into_iter().find(|document| document.path == path);
    found.unwrap_or_else(|| panic!("there is no {path}")).content
}

#[test]
fn published_figures_stand_beside_ours_and_what_fails_shows() {
    let (_folder, mut site) = site();
    let page = content(&site, "raft.html");
    assert!(page.contains("id=\"elections-raft-elections-plot-0\""), "the first plot");
    assert!(page.contains("id=\"elections-raft-elections-plot-1\""), "the second plot");
    assert!(page.contains("150–155 ms, published"), "a published point is marked");
    let csv = content(&site, "tables/elections-raft-elections-claims.csv");
    assert!(csv.contains("150–155 ms: median,287 ms,281 ms,258.3 to 315.7 ms,yes"), "{csv}");
    assert!(csv.contains("12–24 ms: mean,35 ms,51 ms,,told only"), "{csv}");
    for artifact in &mut site.artifacts {
        if let Payload::Elections(elections) = &mut artifact.payload {
            elections.claims[0].holds = Some(false);
            elections.claims.push(ElectionClaim { measured: "so".into(), ..ElectionClaim::default() });
        }
    }
    let csv = content(&site, "tables/elections-raft-elections-claims.csv");
    assert!(csv.contains("258.3 to 315.7 ms,no"), "{csv}");
}

#[test]
fn a_range_whose_trials_were_given_up_has_no_worst_one() {
    let (_folder, site) = site();
    let csv = content(&site, "tables/elections-raft-elections-ranges.csv");
    let row = |name: &str| csv.lines().find(|line| line.starts_with(name)).expect("a row").to_owned();
    let given_up: Vec<_> = row("150–150 ms").split(',').map(str::to_owned).collect();
    assert_eq!(given_up[3..5], ["", ""], "neither median nor mean: {csv}");
    assert_eq!(given_up[7..], ["", "280", "500"], "{csv}");
    let ended: Vec<_> = row("150–155 ms").split(',').map(str::to_owned).collect();
    assert!(ended[2..8].iter().all(|value| value.parse::<f64>().is_ok()), "{csv}");
}

#[test]
fn a_lines_path_ends_at_the_share_of_trials_that_ended() {
    let (_folder, site) = site();
    let page = content(&site, "raft.html");
    let plot = &page[page.find("id=\"elections-raft-elections-plot-0\"").expect("the plot")..];
    let paths = plot.split("class=\"curve ").skip(1).filter_map(|rest| rest.split('"').nth(2));
    let end = |path: &str| path.rsplit(' ').next().and_then(|y| y.parse::<f64>().ok()).expect("a height");
    // A line and then its piece in the list of names; the heights of nothing and of all are 300 and 24.
    let ends: Vec<f64> = paths.step_by(2).take(3).map(end).collect();
    let expected = [220.0 / 500.0, 499.0 / 500.0, 1.0].map(|share| 300.0 - share * 276.0);
    assert!(
        ends.iter().zip(expected).all(|(end, expected)| (end - expected).abs() < 0.1),
        "{ends:?} {expected:?}"
    );
}
