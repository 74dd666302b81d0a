//! Task sharing: its small instance, by both engines, and names.

use std::sync::atomic::AtomicBool;

use model_check::registered::{self, Extent};
use model_check::search::{Engine, Limits};
use swarm_task_sharing::Node;

static GO_ON: AtomicBool = AtomicBool::new(false);

const LIMITS: Limits<'static> = Limits::new(8 << 30, &GO_ON);

#[test]
fn small_instances_come_to_what_is_pinned_by_both_engines() {
    for instance in registered::algorithm::<Node>().instances(Extent::Small) {
        for engine in [Engine::Stateright, Engine::Own] {
            let verdict = instance.check(engine, &LIMITS, "cargo xtask verify task-sharing", &mut |_| ());
            let verdict = verdict.expect("there is no checkpoint");
            let found = verdict.findings.first().map(|finding| (&*finding.property, &*finding.detail));
            assert_eq!(found, None, "{} by {engine:?}", instance.name());
            let broken = verdict.instance.properties.iter().find(|result| !result.holds);
            assert_eq!(broken, None, "{} by {engine:?}", instance.name());
        }
    }
}

#[test]
fn names_are_distinct_and_fit_a_file() {
    let instances = registered::algorithm::<Node>().instances(Extent::Explorable);
    let names: Vec<_> = instances.iter().map(|instance| instance.name()).collect();
    for (i, name) in names.iter().enumerate() {
        assert!(reports::store::is_name(name), "{name}");
        assert!(!names[..i].contains(name), "{name} stands twice");
    }
}
