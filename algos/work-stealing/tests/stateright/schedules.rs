//! All schedules of a scenario as a model of stateright's.
//!
//! A [`State`] is a schedule: which thread went on at each access to something shared. Its successors are the
//! schedules that are longer by one access, and shuttle runs the code along them. States are equal if all threads
//! have learnt the same and the same stands in memory ([`trace`]), whatever came first: then they go on
//! alike. So schedules that differ only in the order of accesses that do not concern each other are explored
//! once, and nothing limits preemptions.
//!
//! That the same fingerprint means the same future is looked at whenever another way leads to a state: what the
//! threads are about to do must be what it was, and if the last of them goes on, it must lead to the state to which
//! it led. Fingerprints have 64 bits, so that of a million states two
//! are taken for one with a probability below 10⁻⁷.
//!
//! Each execution goes on to its end, with the thread of the highest number. Stateright goes down that way too,
//! since it takes up first what it was given last, so that most successors are there already; those beside the
//! way are run together, for shuttle takes longer to begin than to run a small model.

#![expect(clippy::disallowed_types, reason = "maps that are looked into and never walked")]

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, Runner};
use stateright::{Checker as _, HasDiscoveries, Model, Property};
use swarm_work_stealing::sync::{begin, trace};

/// An execution that takes longer waits by looking again and again, or does not end.
const ACCESSES_MAX: usize = 2_000;
/// So many executions are run together at most.
const TOGETHER_MAX: usize = 256;

/// Where an execution is when all threads are about to access something shared.
#[derive(Clone, Copy)]
struct Point {
    fingerprint: u64,
    /// Threads that may go on, one bit each; none at the end.
    enabled: u32,
    marks: u32,
    /// Whether a cell is written while another thread is inside.
    racy: bool,
}

/// An execution from beginning to end.
struct Execution {
    /// The thread that went on at each point.
    choices: Vec<u8>,
    /// So many points are as in the execution that this one branches off from.
    common: usize,
    /// Those behind them, one more than choices.
    points: Vec<Point>,
    failure: Option<String>,
    /// Executions that branch off here, by where and with whom, until they are asked for.
    branches: Mutex<HashMap<(usize, u8), Arc<Execution>>>,
}

impl Execution {
    fn point(&self, at: usize) -> &Point {
        &self.points[at - self.common]
    }
}

/// A point of an execution.
#[derive(Clone)]
pub(crate) struct State {
    execution: Arc<Execution>,
    at: usize,
}

impl State {
    fn point(&self) -> &Point {
        self.execution.point(self.at)
    }

    fn failure(&self) -> Option<&str> {
        if self.point().racy {
            return Some("a cell is written while another thread is inside");
        }
        let is_last = self.at == self.execution.choices.len();
        self.execution.failure.as_deref().filter(|_| is_last)
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.point().fingerprint == other.point().fingerprint
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.point().fingerprint.hash(hasher);
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.execution.choices[..self.at]).finish()
    }
}

/// Fingerprints are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed")
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

type Hashes = BuildHasherDefault<AsItIs>;

/// Runs executions.
struct Guide {
    /// The schedules to run, the next one last.
    ahead: Vec<Vec<u8>>,
    now: Option<Execution>,
    done: Vec<Execution>,
    /// By fingerprint, of each point that was ever come to.
    outlooks: HashMap<u64, Outlook, Hashes>,
}

/// What comes next.
#[derive(Clone, Copy)]
struct Outlook {
    /// A hash of what the threads are about to do.
    accesses: u64,
    /// The fingerprint of where the last of them leads, once it is known.
    after: Option<u64>,
}

const DECIDED: &str = "something shared that is not traced decides what is done";

impl Guide {
    fn begin_next(&mut self) -> bool {
        self.end_this(None);
        let Some(choices) = self.ahead.pop() else { return false };
        trace::begin();
        let common = choices.len();
        let (points, branches) = (Vec::new(), Mutex::default());
        self.now = Some(Execution { choices, common, points, failure: None, branches });
        true
    }

    fn end_this(&mut self, failure: Option<String>) {
        trace::end();
        let Some(mut now) = self.now.take() else { return };
        let (fingerprint, marks) = trace::with(|trace| (trace.fingerprint(), trace.marks()));
        // To fail is another end than to succeed.
        let fingerprint = if failure.is_some() { !fingerprint } else { fingerprint };
        Self::follow(&mut self.outlooks, &now, fingerprint, failure.is_none());
        now.points.push(Point { fingerprint, enabled: 0, marks, racy: false });
        now.failure = failure;
        self.done.push(now);
    }

    /// Looks whether the execution comes to where it came to from the last point before.
    fn follow(outlooks: &mut HashMap<u64, Outlook, Hashes>, now: &Execution, to: u64, judge: bool) {
        let Some(last) = now.points.last() else { return };
        let outlook = outlooks.get_mut(&last.fingerprint).expect("it was come to");
        let after = *outlook.after.get_or_insert(to);
        assert!(after == to || !judge, "{DECIDED}");
    }
}

/// What shuttle asks.
struct Asked {
    guide: Rc<RefCell<Guide>>,
    /// How many points the execution has come to.
    at: usize,
}

impl Scheduler for Asked {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.at = 0;
        self.guide.borrow_mut().begin_next().then(|| Schedule::new(0))
    }

    fn next_task(&mut self, runnable: &[&Task], _: Option<TaskId>, _: bool) -> Option<TaskId> {
        let number = |task: &Task| usize::from(task.id());
        trace::with(|trace| {
            if let Some(task) = runnable.iter().find(|task| !trace.is_at_access(number(task))) {
                trace.choose(number(task));
                return Some(task.id());
            }
            let enabled = runnable.iter().filter(|task| trace.may_go(number(task)));
            let enabled: u32 = enabled.map(|task| 1 << number(task)).sum();
            if enabled == 0 {
                // Whoever goes on blocks, until shuttle sees that all do.
                return runnable.first().map(|task| task.id());
            }
            let guide = &mut *self.guide.borrow_mut();
            let now = guide.now.as_mut().expect("an execution has begun");
            if self.at >= now.common {
                let (fingerprint, marks) = (trace.fingerprint(), trace.marks());
                Guide::follow(&mut guide.outlooks, now, fingerprint, true);
                let outlook = Outlook { accesses: trace.outlook(), after: None };
                let before = guide.outlooks.entry(fingerprint).or_insert(outlook);
                assert_eq!(before.accesses, outlook.accesses, "{DECIDED}");
                assert!(self.at < ACCESSES_MAX, "no end after so many accesses");
                now.points.push(Point { fingerprint, enabled, marks, racy: trace.has_race() });
            }
            if self.at == now.choices.len() {
                now.choices.push(enabled.ilog2() as u8);
            }
            let choice = usize::from(now.choices[self.at]);
            self.at += 1;
            trace.choose(choice);
            let task = runnable.iter().map(|task| task.id()).find(|&task| usize::from(task) == choice);
            Some(task.expect("the same schedule leads to the same point"))
        })
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("nothing is random")
    }
}

/// What was run so far.
struct Runs {
    scenario: fn(),
    guide: Guide,
    /// The states that stateright was given.
    given: HashSet<u64, Hashes>,
}

impl Runs {
    fn run(&mut self, schedules: Vec<Vec<u8>>) -> Vec<Execution> {
        let empty = Guide { ahead: vec![], now: None, done: vec![], outlooks: HashMap::default() };
        let guide = Rc::new(RefCell::new(std::mem::replace(&mut self.guide, empty)));
        guide.borrow_mut().ahead = schedules;
        while !guide.borrow().ahead.is_empty() {
            let mut config = Config::new();
            config.failure_persistence = FailurePersistence::None;
            config.silence_warnings = true;
            let (asked, scenario) = (Asked { guide: guide.clone(), at: 0 }, self.scenario);
            let result = catch_unwind(AssertUnwindSafe(|| {
                Runner::new(asked, config).run(move || {
                    begin();
                    scenario();
                    // What a thread leaves behind when all others have ended decides nothing.
                    trace::end();
                });
            }));
            if let Err(panic) = result {
                let text = match panic.downcast::<String>() {
                    Ok(text) => *text,
                    Err(panic) => panic.downcast::<&str>().map_or("a panic".into(), |text| (*text).into()),
                };
                guide.borrow_mut().end_this(Some(text));
            }
        }
        let guide = Rc::into_inner(guide).expect("shuttle is done");
        self.guide = guide.into_inner();
        std::mem::take(&mut self.guide.done)
    }

    /// Runs what branches off from an execution, from this point on for as long as stateright will follow it.
    fn branch_off(&mut self, execution: &Execution, from: usize) {
        let mut ahead = Vec::new();
        for (at, &taken) in execution.choices.iter().enumerate().skip(from) {
            let others = threads(execution.point(at).enabled).filter(|&thread| thread != taken);
            ahead.extend(others.map(|thread| [&execution.choices[..at], &[thread]].concat()));
            if ahead.len() > TOGETHER_MAX || self.given.contains(&execution.point(at + 1).fingerprint) {
                break;
            }
        }
        let done = self.run(ahead);
        let mut branches = execution.branches.lock().unwrap_or_else(PoisonError::into_inner);
        for execution in done {
            let at = execution.common - 1;
            branches.insert((at, execution.choices[at]), Arc::new(execution));
        }
    }

    fn next(&mut self, state: &State, thread: u8) -> State {
        let State { execution, at } = state;
        if execution.choices.get(*at) == Some(&thread) {
            return State { execution: execution.clone(), at: at + 1 };
        }
        let branch =
            || execution.branches.lock().unwrap_or_else(PoisonError::into_inner).remove(&(*at, thread));
        let execution = branch().or_else(|| {
            self.branch_off(execution, *at);
            branch()
        });
        State { execution: execution.expect("it was run"), at: at + 1 }
    }
}

fn threads(enabled: u32) -> impl Iterator<Item = u8> {
    (0..u32::BITS as u8).filter(move |thread| enabled >> thread & 1 == 1)
}

/// What stateright explores.
struct Schedules {
    runs: Mutex<Runs>,
    accesses_max: usize,
    /// What must be reached, by mark.
    marks: &'static [&'static str],
}

impl Schedules {
    fn with_runs<R>(&self, with: impl FnOnce(&mut Runs) -> R) -> R {
        with(&mut self.runs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Model for Schedules {
    type State = State;
    type Action = u8;

    fn init_states(&self) -> Vec<State> {
        let execution = self.with_runs(|runs| runs.run(vec![vec![]]).remove(0));
        vec![State { execution: Arc::new(execution), at: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<u8>) {
        // After a failure nothing is worth looking at.
        actions.extend(threads(state.point().enabled).filter(|_| state.failure().is_none()));
    }

    fn next_state(&self, state: &State, thread: u8) -> Option<State> {
        Some(self.with_runs(|runs| {
            let next = runs.next(state, thread);
            if runs.given.insert(next.point().fingerprint) {
                MET.fetch_add(1, Relaxed);
            }
            next
        }))
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.at <= self.accesses_max
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn is_reached<const MARK: u32>(_: &Schedules, state: &State) -> bool {
            state.point().marks >> MARK & 1 == 1
        }
        let reached = [is_reached::<0>, is_reached::<1>, is_reached::<2>, is_reached::<3>];
        assert!(self.marks.len() <= reached.len(), "a scenario has few marks");
        let marks = self.marks.iter().zip(reached).map(|(mark, reached)| Property::sometimes(mark, reached));
        let fine = Property::always(FINE, |_: &Schedules, state| state.failure().is_none());
        marks.chain([fine]).collect()
    }
}

const FINE: &str = "nothing fails";

/// How many states all explorations have met.
pub(crate) static MET: Count = Count::new(0);

/// What came of an exploration.
#[derive(Debug)]
pub(crate) struct Explored {
    states: usize,
    steps: usize,
    depth: usize,
    /// Why, and the schedule.
    failure: Option<(String, State)>,
    missed: Vec<&'static str>,
    /// Whether there was an end to it before as many steps as there may be.
    whole: bool,
}

/// Explores all schedules of a scenario, of which some must come to each of the marks.
pub(crate) fn explore(scenario: fn(), marks: &'static [&'static str]) -> Explored {
    explore_within(ACCESSES_MAX, scenario, marks)
}

/// The same for about as many steps at most.
pub(crate) fn explore_at_most(
    steps_max: usize,
    accesses_max: Option<usize>,
    scenario: fn(),
    marks: &'static [&'static str],
) -> Explored {
    explore_in(steps_max, accesses_max.unwrap_or(ACCESSES_MAX), scenario, marks)
}

/// The same up to so many accesses, for scenarios without an end.
pub(crate) fn explore_within(
    accesses_max: usize,
    scenario: fn(),
    marks: &'static [&'static str],
) -> Explored {
    explore_in(usize::MAX, accesses_max, scenario, marks)
}

fn explore_in(
    steps_max: usize,
    accesses_max: usize,
    scenario: fn(),
    marks: &'static [&'static str],
) -> Explored {
    let guide = Guide { ahead: vec![], now: None, done: vec![], outlooks: HashMap::default() };
    let runs = Mutex::new(Runs { scenario, guide, given: HashSet::default() });
    let builder = Schedules { runs, accesses_max, marks }.checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = builder.target_state_count(steps_max).spawn_dfs().join();
    let discoveries = checker.discoveries();
    let failure = discoveries.get(FINE).map(|path| {
        let last = path.last_state();
        (last.failure().expect("it failed").to_owned(), last.clone())
    });
    let missed = marks.iter().copied().filter(|mark| !discoveries.contains_key(mark)).collect();
    let (states, steps) = (checker.unique_state_count(), checker.state_count());
    Explored { states, steps, depth: checker.max_depth(), failure, missed, whole: steps < steps_max }
}

impl Explored {
    #[track_caller]
    pub(crate) fn passes_with(self, states: usize) {
        if let Some((why, schedule)) = self.failure {
            panic!("{why} after {schedule:?}, met after {} states", self.states);
        }
        assert!(self.missed.is_empty(), "never reached: {:?}", self.missed);
        println!("{} states, {} steps, {} deep", self.states, self.steps, self.depth);
        assert_eq!(self.states, states);
    }

    /// Whether all states were met.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// What is wrong, however many states there are; what is never reached, if all were met.
    pub(crate) fn wrong(&self) -> Option<String> {
        let missed = || {
            let is_missed = self.whole && !self.missed.is_empty();
            is_missed.then(|| format!("never reached: {}", self.missed.join(", ")))
        };
        self.failure.as_ref().map(|(why, _)| why.clone()).or_else(missed)
    }
}
