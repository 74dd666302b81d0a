//! Logs for ShiViz and pictures of histories.

use std::collections::BTreeMap;

use swarm_protocol::{Specification, Stream, Ticks};
use swarm_simulator::history::History;
use swarm_simulator::linearizability::{MEMORY_MAX, impossible};
use swarm_simulator::scenario::Scenario;
use swarm_simulator::timeline::picture;
use swarm_simulator::walk::{Weights, walk};
use swarm_simulator::{Bounds, Event, shiviz};

use crate::toy::{self, Flaw, OneRegister, OneValuePerVersion, Op, Register};

/// The records of a log: event, host, clock.
fn records(log: &str) -> Vec<(String, String, BTreeMap<String, u64>)> {
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some(shiviz::PARSER));
    assert_eq!(lines.next(), Some(""), "one run only");
    let lines: Vec<_> = lines.collect();
    let record = |lines: &[&str]| {
        let (host, clock) = lines[1].split_once(' ').unwrap();
        let clock = clock.strip_prefix('{').and_then(|clock| clock.strip_suffix('}')).unwrap();
        let entries = clock.split(", ").map(|entry| entry.split_once(": ").unwrap());
        let clock = entries.map(|(host, count)| (host.trim_matches('"').to_owned(), count.parse().unwrap()));
        (lines[0].to_owned(), host.to_owned(), clock.collect())
    };
    lines.chunks(2).map(record).collect()
}

#[test]
fn a_log_counts_what_each_host_knows_of() {
    let bounds = Bounds { crashes: 1, duplicates: 1, drops: 1, ..Bounds::default() };
    let setup = toy::setup(3, Flaw::None, &[Op::Write(1), Op::Read, Op::Write(2)]).bounds(bounds);
    let mut delivered = 0;
    for seed in 0..50 {
        let walk = walk::<Register, OneValuePerVersion>(&setup, Stream::new(seed, 0, 0), Weights::EVEN, 60);
        let events: Vec<_> = walk.trace.events().cloned().collect();
        let records = records(&shiviz::log::<Register, OneValuePerVersion>(&setup, &events));
        let mut known: BTreeMap<&str, &BTreeMap<String, u64>> = BTreeMap::new();
        for (event, host, clock) in &records {
            let before = known.get(host.as_str()).map_or(0, |clock| clock[host]);
            assert_eq!(clock[host], before + 1, "each host counts its own events: {event}");
            for (other, count) in clock {
                let most = known.get(other.as_str()).map_or(0, |clock| clock[other]);
                assert!(other == host || *count <= most, "{event}: {host} knows what {other} has not done");
                let had = known.get(host.as_str()).and_then(|clock| clock.get(other));
                assert!(had.is_none_or(|had| had <= count), "{event}: nothing is forgotten");
            }
            known.insert(host, clock);
            // Who is delivered a message knows of its sender.
            if let Some(from) = event.strip_prefix("deliver ").and_then(|rest| rest.split(' ').next()) {
                assert!(clock.contains_key(from), "{event}: {clock:?}");
                delivered += 1;
            }
        }
        let told = records.iter().filter(|(event, ..)| !event.ends_with("answered") && event != "boot");
        let asked = events.iter().filter(|event| matches!(event, Event::Invoke { .. })).count();
        assert_eq!(
            told.count(),
            events.len() + asked,
            "every event once, and each question at the client, too"
        );
    }
    assert!(delivered > 100);
}

#[test]
fn a_log_is_written_like_this() {
    let setup = toy::setup(2, Flaw::AnswersAtOnce, &[Op::Write(7)]);
    let script = Scenario::<Op>::parse("file", "nodes 2\nop Write(7)\ninvoke n0\ndeliver n0 n1\n").unwrap();
    let played = script.play::<Register, OneValuePerVersion>(&setup).unwrap();
    let events: Vec<_> = played.trace.events().cloned().collect();
    let log = shiviz::log::<Register, OneValuePerVersion>(&setup, &events);
    let body = log.strip_prefix(shiviz::PARSER).unwrap();
    assert_eq!(
        body,
        "\n\nboot\nn0 {\"n0\": 1}\nboot\nn1 {\"n1\": 1}\nop0 Write(7)\nclients {\"clients\": 1}\n\
         invoke n0 op0 Write(7)\nn0 {\"clients\": 1, \"n0\": 2}\nop0 answered\nclients {\"clients\": 2, \"n0\": 2}\n\
         deliver n0 n1 Copy(7@1)\nn1 {\"clients\": 1, \"n0\": 2, \"n1\": 2}\n"
    );
}

#[test]
fn a_picture_shows_the_order_and_what_fits_nowhere() {
    let mut history = History::<OneRegister>::new();
    let mut done = |process, op, from: u64, to: u64| {
        let call = history.invoke(process, Ticks(from), op);
        let mut state = if to > 20 { 9 } else { 3 };
        let answer = OneRegister::apply(&mut state, &op);
        history.complete(call, Ticks(to), answer);
    };
    done(0, Op::Write(3), 1, 2);
    done(1, Op::Read, 3, 4);
    done(2, Op::Read, 5, 25);
    history.invoke(3, Ticks(30), Op::Write(4));
    let found = impossible(&history, MEMORY_MAX).expect("nobody wrote 9");
    assert_eq!((found.returned, found.before, found.order.len()), (2, 0, 2));
    let picture = picture(&history, &found);
    assert!(picture.starts_with("<svg xmlns=") && picture.ends_with("</svg>\n"), "{picture}");
    assert_eq!(picture.matches("<rect").count(), 3, "what came later is no part of it\n{picture}");
    assert_eq!(picture.matches(">✗</text>").count(), 1);
    assert_eq!(picture.matches("class=\"sp-o").count(), 2);
    for part in [
        "role=\"img\"",
        "<title>No order",
        "<desc>the answers of the first 2 operations",
        "client 2",
        "Read → Value(9)",
        ">2</text>",
        "prefers-color-scheme:dark",
        "p2 Read -&gt; Value(9)",
    ] {
        assert!(picture.contains(part), "{part} is missing:\n{picture}");
    }
    let open = picture.matches("<g>").count() + picture.matches("<svg").count();
    assert_eq!(open, picture.matches("</g>").count() + picture.matches("</svg>").count());
}
