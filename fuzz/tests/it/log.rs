//! The log target: what it reaches.

use std::collections::BTreeSet;

use fuzz::{inputs, raft_log};

#[test]
fn random_bytes_reach_every_operation_in_each_of_its_cases() {
    let mut reached = BTreeSet::new();
    for number in 0..3_000 {
        reached.extend(raft_log::examine(&inputs::drawn(3, number, &[])));
    }
    let all = [
        "append",
        "at most",
        "at most, before the base",
        "begin anew",
        "begin before the base",
        "begin within",
        "compact",
        "compact nothing",
        "known",
        "truncate",
        "truncate nothing",
        "unknown",
    ];
    assert!(reached.iter().eq(all.iter()), "{reached:?}");
}
