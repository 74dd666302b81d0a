//! The committed corpus: small, and worth its place.

use std::collections::BTreeSet;
use std::path::Path;

use fuzz::corpus::{BYTES_MAX, FILES_MAX, choose, reached};
use fuzz::{TARGETS, inputs};

/// What each corpus must reach at least, by number of things reached: far from what it does reach, so that
/// small changes of the code do not matter, and far above what a stale one would.
const REACHED_MIN: [(&str, usize); 6] = [
    ("raft_log", 80),
    ("raft_message", 40),
    ("raft_schedule", 60),
    ("scenario", 25),
    ("task_sharing_message", 30),
    ("task_sharing_schedule", 40),
];

#[test]
fn the_corpus_is_small_and_reaches_much() {
    for ((target, _), (name, least)) in TARGETS.iter().zip(REACHED_MIN) {
        assert_eq!(*target, name);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        if std::env::var_os("UPDATE_CORPUS").is_some_and(|value| value == "1") {
            std::fs::remove_dir_all(&folder).ok();
            std::fs::create_dir_all(&folder).unwrap();
            for (number, bytes) in choose(target, 100_000).iter().enumerate() {
                std::fs::write(folder.join(format!("{number:02}")), bytes).unwrap();
            }
        }
        let kept = inputs::read(&folder).unwrap();
        let bytes: usize = kept.iter().map(|kept| kept.bytes.len()).sum();
        let reached: BTreeSet<_> = kept.iter().flat_map(|kept| reached(target, &kept.bytes)).collect();
        assert!(
            kept.len() <= FILES_MAX && bytes <= BYTES_MAX,
            "{target}: {} files, {bytes} bytes",
            kept.len()
        );
        assert!(reached.len() >= least, "{target} reaches {}: UPDATE_CORPUS=1 chooses anew", reached.len());
    }
}
