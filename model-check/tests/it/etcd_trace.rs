//! Runs of Raft as traces for etcd's specification: fields, order, what is refused, and where a trace ends.

use std::collections::BTreeSet;

use model_check::etcd_trace::{Line, Written, rules};
use model_check::raft::Node;
use model_check::registered;
use serde_json::Value;
use swarm_simulator::profile::Profile;

fn written(profile: Profile, nodes: Option<u32>, seed: u64) -> Written {
    registered::algorithm::<Node>().etcd_trace(profile, nodes, seed).expect("raft has traces")
}

/// A run of three servers without faults that commits something.
fn undisturbed() -> Vec<Line> {
    let text = written(Profile::CALM, Some(3), 2).text;
    text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| serde_json::to_string(line).expect("plain data") + "\n").collect()
}

fn place(lines: &[Line], name: &str) -> usize {
    lines.iter().position(|line| line.event.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn every_line_of_a_run_is_a_step_of_the_specification() {
    let mut names = BTreeSet::new();
    let mut terms = 0;
    for (profile, nodes) in [
        (Profile::CALM, None),
        (Profile::LOSSY, Some(3)),
        (Profile::PARTITIONS, Some(5)),
        (Profile::CRASHES, Some(3)),
    ] {
        for seed in 0..12 {
            let written = written(profile, nodes, seed);
            assert_eq!(written.refused, None, "{} {seed}", profile.name);
            assert_eq!(rules::read(&written.text), Ok(written.lines), "{} {seed}", profile.name);
            assert!(written.lines > 3, "{} {seed}: {:?}", profile.name, written.ended);
            for line in written.text.lines() {
                let line: Line = serde_json::from_str(line).expect("a line");
                terms = terms.max(line.event.state.term);
                names.insert(line.event.name);
            }
        }
    }
    let all = "BecomeCandidate BecomeFollower BecomeLeader Commit InitState Ready ReceiveAppendEntriesRequest \
               ReceiveAppendEntriesResponse ReceiveRequestVoteRequest ReceiveRequestVoteResponse Replicate \
               SendAppendEntriesRequest SendAppendEntriesResponse SendRequestVoteRequest SendRequestVoteResponse";
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>().join(" "), all);
    assert!(terms > 1, "leaders follow each other");
}

#[test]
fn lines_have_the_fields_of_etcd_and_no_others() {
    let keys = |value: &Value| {
        let object = value.as_object().unwrap_or_else(|| panic!("{value} is no object"));
        object.keys().cloned().collect::<BTreeSet<String>>()
    };
    let set = |names: &str| names.split(' ').map(str::to_owned).collect::<BTreeSet<String>>();
    for line in written(Profile::CALM, Some(3), 2).text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!((keys(&line), &line["tag"]), (set("tag event"), &Value::from("trace")));
        let event = &line["event"];
        let with_message = event["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("Send") || name.starts_with("Receive"));
        let expected =
            if with_message { "name nid state role log conf msg" } else { "name nid state role log conf" };
        assert_eq!(keys(event), set(expected), "{line}");
        assert_eq!(keys(&event["state"]), set("term vote commit"));
        assert_eq!(event["conf"], serde_json::json!([["1", "2", "3"], []]));
        assert!(
            ["StateFollower", "StateCandidate", "StateLeader"]
                .contains(&event["role"].as_str().expect("text"))
        );
        if with_message {
            let expected = "type term from to entries logTerm index commit vote reject rejectHint";
            assert_eq!(keys(&event["msg"]), set(expected));
        }
    }
}

#[test]
fn a_trace_is_its_seed() {
    let of = |seed| written(Profile::LOSSY, Some(3), seed);
    assert_eq!(of(4), of(4));
    assert_ne!(of(4).text, of(5).text);
}

#[test]
fn a_trace_that_was_changed_is_refused_where_it_was_changed() {
    let whole = undisturbed();
    assert_eq!(rules::read(&text(&whole)), Ok(whole.len()));
    // A step that is missing: another line cannot be.
    for name in [
        "InitState",
        "BecomeCandidate",
        "BecomeLeader",
        "Replicate",
        "Commit",
        "Ready",
        "SendAppendEntriesRequest",
        "SendRequestVoteRequest",
        "ReceiveAppendEntriesRequest",
    ] {
        let mut lines = whole.clone();
        let place = place(&lines, name);
        lines.remove(place);
        let (line, why) = rules::read(&text(&lines)).expect_err(name);
        assert!(line > place, "{name} is missing at {place}, refused at {line}: {why}");
    }
    // A line that says something else.
    type Change = fn(&mut Line);
    let changes: [(&str, &str, Change); 8] = [
        ("Commit", "the line says", |line| line.event.state.commit += 1),
        ("BecomeLeader", "the line says", |line| line.event.state.term += 1),
        ("BecomeCandidate", "the line says", |line| line.event.state.vote = "0".into()),
        ("Ready", "the line says", |line| line.event.log += 1),
        ("SendRequestVoteRequest", "it would send", |line| line.event.msg.as_mut().unwrap().index += 1),
        ("SendAppendEntriesRequest", "", |line| line.event.msg.as_mut().unwrap().entries += 1),
        ("ReceiveAppendEntriesResponse", "nobody sent it", |line| {
            line.event.msg.as_mut().unwrap().index += 1;
        }),
        ("ReceiveRequestVoteResponse", "nobody sent it", |line| {
            line.event.msg.as_mut().unwrap().reject = true;
        }),
    ];
    for (name, reason, change) in changes {
        let mut lines = whole.clone();
        let place = place(&lines, name);
        change(&mut lines[place]);
        let (line, why) = rules::read(&text(&lines)).expect_err(name);
        assert!(line == place + 1 && why.contains(reason), "{name} at {place}: line {line}, {why}");
    }
}

#[test]
fn what_a_broken_node_would_do_is_refused() {
    let whole = undisturbed();
    let leads = place(&whole, "BecomeLeader");
    // A second leader of the term, elected by nobody.
    let mut lines = whole.clone();
    let other =
        lines[..leads].iter().rposition(|line| line.event.nid != lines[leads].event.nid).expect("a follower");
    let mut second = lines[leads].clone();
    second.event.nid.clone_from(&whole[other].event.nid);
    second.event.state = whole[other].event.state.clone();
    lines.insert(leads + 1, second);
    let (line, why) = rules::read(&text(&lines)).expect_err("two leaders");
    assert_eq!((line, why.as_str()), (leads + 2, "only a candidate is elected"));
    // A message that is received once more than it was sent.
    let mut lines = whole.clone();
    let received = place(&lines, "ReceiveRequestVoteRequest");
    lines.insert(received + 1, lines[received].clone());
    let (line, _) = rules::read(&text(&lines)).expect_err("once too often");
    assert_eq!(line, received + 2);
    // A commit before anybody has acknowledged.
    let mut lines = whole;
    let replicated = place(&lines, "Replicate");
    let mut commit = lines[replicated + 1].clone();
    commit.event.name = "Commit".into();
    commit.event.msg = None;
    commit.event.state.commit = 1;
    lines.insert(replicated + 1, commit);
    let (line, why) = rules::read(&text(&lines)).expect_err("nobody has it");
    assert!(line == replicated + 2 && why.contains("the line says"), "{line}: {why}");
}

#[test]
fn text_that_is_no_trace_is_refused_with_its_line() {
    let line = text(&undisturbed()[..1]);
    let (number, _) = rules::read(&(line.clone() + "{\"tag\":\"trace\"}\n")).expect_err("no event");
    assert_eq!(number, 2);
    let (_, why) = rules::read(&line.replace("\"trace\"", "\"other\"")).expect_err("another tag");
    assert_eq!(why, "the tag is `other`");
    let (_, why) = rules::read(&line.replace("\"log\"", "\"blog\"")).expect_err("another field");
    assert!(why.contains("unknown field `blog`"), "{why}");
}

#[test]
fn a_trace_ends_before_what_the_specification_has_no_event_for() {
    let ends = |profile, why: &str| {
        let found = (0..40)
            .find_map(|seed| written(profile, Some(3), seed).ended.filter(|ended| ended.contains(why)));
        assert!(found.is_some(), "no trace ends because {why}");
    };
    ends(Profile::CRASHES, "a node boots again");
    ends(Profile::LOSSY, "a message arrives twice");
    ends(Profile::PARTITIONS, "a later term is learnt from PreVote");
    ends(Profile::CALM, "an append that begins before the commit index brings something");
    let calm = written(Profile::CALM, Some(3), 2);
    let whole = (0..40).filter(|seed| written(Profile::CALM, Some(3), *seed).ended.is_none()).count();
    assert!(whole > 5, "{whole} of 40 runs are told to their end");
    assert!(calm.left_out.contains_key("messages of PreVote"), "{:?}", calm.left_out);
}
