//! The scenario target: what it comes by, and that wrong readers are seen.

use std::collections::BTreeMap;
use std::path::Path;

use fuzz::inputs;
use fuzz::place::kept;
use fuzz::scenario::{Fate, examine, text};

#[test]
fn drawn_inputs_are_played_read_and_refused() {
    let kept = kept(Path::new(env!("CARGO_MANIFEST_DIR")), "scenario").unwrap();
    let mut fates = BTreeMap::new();
    let mut reasons = BTreeMap::new();
    let mut longest = 0;
    let drawn = (0..20_000).map(|number| inputs::drawn(5, number, &kept));
    for input in kept.iter().map(|kept| kept.bytes.clone()).chain(drawn) {
        let name = match examine(&text(&input)) {
            Fate::Refused(error) => {
                let words = error.reason.rsplit('`').next().unwrap_or_default().trim();
                let words = words.trim_start_matches(|c: char| c.is_ascii_digit());
                *reasons.entry(words.to_owned()).or_insert(0) += 1;
                "refused"
            }
            Fate::Read => "read",
            Fate::Unconfigured(_) => "unconfigured",
            Fate::Impossible(_) => "impossible",
            Fate::Played(events) => {
                longest = longest.max(events);
                "played"
            }
        };
        *fates.entry(name).or_insert(0) += 1;
    }
    for fate in ["refused", "read", "impossible", "played"] {
        assert!(fates.get(fate).is_some_and(|count| *count >= 10), "{fate}: {fates:?}");
    }
    assert!(longest >= 8, "{longest} events");
    assert!(reasons.len() > 20, "{reasons:#?}");
}

#[test]
fn a_file_goes_all_the_way() {
    let file = "nodes 3\nconfig pre-vote 0\nop Put(0,1)\nsyncing prefix\ntimeout n0 E\nsync n0\n\
        deliver n0 n1\nsync n1\ndeliver n1 n0\n";
    assert_eq!(examine(file), Fate::Played(5));
    let mut input = vec![0];
    input.extend(file.as_bytes());
    assert_eq!(text(&input), file);
    assert_eq!(examine("nodes 6\n"), Fate::Read);
    assert_eq!(
        examine("nodes 3\nconfig pre-vote 2\n"),
        Fate::Unconfigured("config pre-vote: `2` is neither 0 nor 1".into())
    );
    assert!(matches!(examine("nodes 3\nsync n0\n"), Fate::Impossible(error) if error.line == 2));
    assert!(matches!(examine("nodes 3\n\nnodes 3\n"), Fate::Refused(error) if error.line == 3));
}
