//! Instances whose promises are judged in all fair runs: which are kept, and which must be found broken.
//!
//! A promise that an instance says is broken is one that the protocol does not make: that it is found shows that
//! the search can find one. Bounds of such an instance leave room: a run that a bound cuts short is no run of
//! it (see [`lasso`]), so narrow bounds would leave little to judge. How many steps lead out stands in the
//! artifact.
//!
//! Verified by `tests/it/liveness.rs`.

use std::hash::Hash;
use std::time::{Duration, Instant};

use reports::artifact::{self, Finding, PropertyKind, PropertyResult};
use reports::machine;
use swarm_protocol::Properties;
use swarm_simulator::world::Known;
use swarm_simulator::{Event, Setup, Subject, World, scenario};

use crate::adapter::Space;
use crate::engine::Unusable;
use crate::engine::lasso::{self, Fair, Judged, Lasso, Promise, Verdict};
use crate::instance::{self, Check, Head, Instance, Pinned};
use crate::search::{Engine, Limits, Progress, Stopped};

/// The engine, as reports name it.
pub const ENGINE: &str = "swarmproof, lassos";

/// An instance with what it promises.
pub struct Lively<P: Subject + 'static, Q: 'static> {
    /// The instance. Pinned are the states and transitions that matter to the promise to which most do, and the
    /// greatest depth.
    pub instance: Instance<P, Q>,
    /// What must happen at last, and whether it must.
    pub promises: &'static [Expected<P, Q>],
}

/// A promise, and what must be found.
pub struct Expected<P: Subject + 'static, Q: 'static> {
    /// The promise.
    pub promise: Promise<World<P, Q>>,
    /// Whether it is kept in all fair runs; if not, a run that breaks it must be found.
    pub kept: bool,
}

/// What came of all promises.
struct Collected {
    largest: Pinned,
    beyond: u64,
    graph_bytes: u64,
    stopped: Option<Stopped>,
    properties: Vec<PropertyResult>,
    findings: Vec<Finding>,
    shown: Option<Finding>,
}

impl<P, Q> Check for Lively<P, Q>
where
    P: Subject<Config: Clone> + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
    Space<P, Q>: Fair<State = World<P, Q>, Event = Event<P>>,
{
    fn head(&self) -> &dyn Head {
        &self.instance
    }

    /// Lassos are looked for by one engine, on one thread, whatever is asked for.
    fn check(
        &self,
        _engine: Engine,
        limits: &Limits<'_>,
        command: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<instance::Verdict, Unusable> {
        let (begun, cpu_begun) = (Instant::now(), machine::process_cpu());
        let mut memory_peak = 0;
        let mut all = Collected {
            largest: Pinned { states: 0, generated: 0, depth: 0 },
            beyond: 0,
            graph_bytes: 0,
            stopped: None,
            properties: Vec::new(),
            findings: Vec::new(),
            shown: None,
        };
        for expected in self.promises {
            let judged = lasso::judge(&self.instance.space(), &expected.promise, limits, |now| {
                memory_peak = memory_peak.max(now.memory_bytes);
                progress(now);
            });
            self.collect(&mut all, expected, judged, command);
        }
        if all.stopped.is_none() && all.largest != self.instance.pinned {
            let (seen, pinned) = (all.largest, self.instance.pinned);
            let detail = format!("{}: the search came to {seen:?}, pinned is {pinned:?}", self.instance.name);
            all.findings.push(Finding::new("pinned_counts", detail));
        }
        let cpu = cpu_begun.zip(machine::process_cpu()).map(|(begun, ended)| ended.saturating_sub(begun));
        let setup = (self.instance.setup)();
        let mut bounds = self.instance.bounds(&setup);
        bounds.insert("steps out of bounds".to_owned(), all.beyond.to_string());
        let instance = artifact::Instance {
            name: self.instance.name.to_owned(),
            engine: ENGINE.to_owned(),
            bounds,
            threads: 1,
            states: all.largest.states,
            generated: all.largest.generated,
            depth: all.largest.depth,
            complete: all.stopped.is_none(),
            complete_depth: None,
            stopped: all.stopped.map(|stopped| stopped.name().to_owned()),
            cpu_s: cpu.unwrap_or(Duration::ZERO).as_secs_f64(),
            wall_s: begun.elapsed().as_secs_f64(),
            peak_memory_bytes: (memory_peak > 0).then_some(memory_peak),
            memory_budget_bytes: Some(limits.memory_bytes),
            properties: all.properties,
            ..artifact::Instance::default()
        };
        let interrupted = all.stopped == Some(Stopped::Interrupted);
        Ok(instance::Verdict { instance, findings: all.findings, shown: all.shown, interrupted })
    }
}

impl<P, Q> Lively<P, Q>
where
    P: Subject<Config: Clone> + 'static,
    Q: Properties<P> + Eq + Hash + 'static,
    World<P, Q>: Send + Sync,
    Setup<P>: Send + Sync,
    Event<P>: Send + Sync,
    Known<P>: Send + Sync,
{
    /// Notes what came of one promise.
    fn collect(
        &self,
        all: &mut Collected,
        expected: &Expected<P, Q>,
        judged: Judged<Event<P>>,
        command: &str,
    ) {
        let name = expected.promise.name;
        if judged.states > all.largest.states {
            let Judged { states, transitions: generated, depth, .. } = judged;
            all.largest = Pinned { states, generated, depth };
        }
        all.beyond = all.beyond.max(judged.beyond);
        all.graph_bytes = all.graph_bytes.max(judged.graph_bytes);
        let broken = match judged.verdict {
            Verdict::Kept => None,
            Verdict::Unknown(why) => {
                all.stopped.get_or_insert(why);
                return;
            }
            Verdict::Unsafe(violation, _) => {
                all.stopped.get_or_insert(Stopped::Broken);
                all.findings.push(Finding::new(violation.property, &violation.detail));
                return;
            }
            Verdict::Broken(lasso) => Some(lasso),
        };
        let length = broken.as_ref().map(|lasso| (lasso.stem.len() + lasso.round.len()) as u32);
        all.properties.push(if expected.kept {
            let (name, holds) = (name.to_owned(), broken.is_none());
            PropertyResult { name, kind: PropertyKind::Eventually, holds, length }
        } else {
            PropertyResult::sometimes(&format!("{name} is broken"), length)
        });
        match (broken, expected.kept) {
            (Some(lasso), true) => all.findings.push(self.told(name, &lasso, command)),
            (Some(lasso), false) => {
                all.shown.get_or_insert_with(|| self.told(name, &lasso, command));
            }
            (None, false) => {
                let detail = format!("{}: no run that breaks it was found", self.instance.name);
                all.findings.push(Finding::new(name, detail));
            }
            (None, true) => {}
        }
    }

    /// A lasso as readers get it: its scenario goes round the loop once.
    fn told(&self, promise: &str, lasso: &Lasso<Event<P>>, command: &str) -> Finding {
        let setup = (self.instance.setup)();
        let events: Vec<Event<P>> = lasso.stem.iter().chain(&lasso.round).cloned().collect();
        let comment = match lasso.round.len() {
            0 => format!("{}: {promise} is broken by a run that stands still", self.instance.name),
            1 => format!("{}: {promise} is broken by going on with the last event", self.instance.name),
            round => {
                format!(
                    "{}: {promise} is broken by going on with the last {round} events",
                    self.instance.name
                )
            }
        };
        Finding {
            scenario: Some(scenario::write::<P, Q>(&setup, &events, &comment)),
            replay: Some(command.to_owned()),
            ..Finding::new(promise, format!("a fair run never comes to it:\n{lasso}"))
        }
    }
}
