//! What more threads make of the same work: on a page of its own, as tables, and nothing else there.

use reports::site::Site;

use crate::folder::Folder;
use crate::sample;

fn content(path: &str) -> String {
    let folder = Folder::new("scaling");
    sample::write(folder.path()).expect("it is our own folder");
    let documents = Site::read(folder.path(), None).render();
    let found = documents.into_iter().find(|document| document.path == path);
    found.unwrap_or_else(|| panic!("there is no {path}")).content
}

#[test]
fn a_library_has_a_page_of_what_ran_and_nothing_that_did_not() {
    let page = content("work-stealing.html");
    assert!(page.contains("id=\"scaling-work-stealing-0-plot\""), "the speed-ups are drawn");
    assert!(!page.contains("not run"), "no verb is missed: {page}");
    let status = content("tables/status.csv");
    assert!(status.contains("kinds of work compared: 1"), "{status}");
    let raft = content("raft.html");
    assert!(!raft.contains("id=\"scaling"), "it stands on one page");
}

#[test]
fn speed_ups_and_latencies_are_tables() {
    let csv = content("tables/scaling-work-stealing-0-table.csv");
    let ours: Vec<_> = csv.lines().filter(|line| line.starts_with("swarm-work-stealing")).collect();
    assert_eq!(ours.len(), 2, "{csv}");
    assert!(ours[1].contains(",2,"), "on two threads: {csv}");
    let csv = content("tables/scaling-work-stealing-sharing.csv");
    assert!(csv.contains("asleep,9000,18000,81000,360000,998,2"), "{csv}");
    let csv = content("tables/scaling-work-stealing-idle.csv");
    assert!(csv.contains("swarm-work-stealing,2,0"), "{csv}");
}
