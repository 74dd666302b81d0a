//! Stages side by side: lanes, and the line that says what is going on in them.
//!
//! Cargo lets one build at a time into a folder, and what one stage has built there the next need not build. So the
//! stages of one lane run one after another. Where one of them keeps a single processor busy, as a long test does at
//! its end, another lane has use for the rest.
//!
//! Verified by tests with lanes that wait for each other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::progress::{Progress, duration};

/// Which stages wait for which: those of one lane for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Builds where the workspace is built.
    Workspace,
    /// Builds elsewhere, from the ground.
    Elsewhere,
}

/// Calls `run` with the number of each place in `lanes`: one after another within a lane, all lanes at once. Gives the
/// results in the order of the places.
pub(super) fn side_by_side<T: Send>(lanes: &[Lane], run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let mut all: Vec<Lane> = lanes.to_vec();
    all.sort_unstable();
    all.dedup();
    let run = &run;
    let in_lane = |lane: Lane| {
        let places = (0..lanes.len()).filter(move |place| lanes[*place] == lane);
        places.map(|place| (place, run(place))).collect::<Vec<_>>()
    };
    let mut ended: Vec<(usize, T)> = thread::scope(|scope| {
        let running: Vec<_> = all.into_iter().map(|lane| scope.spawn(move || in_lane(lane))).collect();
        running.into_iter().flat_map(|lane| lane.join().expect("a stage does not panic")).collect()
    });
    ended.sort_by_key(|(place, _)| *place);
    ended.into_iter().map(|(_, result)| result).collect()
}

/// What is going on, where somebody watches.
#[derive(Debug)]
pub(super) struct Board(Mutex<(Progress, Running)>);

/// By stage, for how many seconds its program has been running.
type Running = BTreeMap<&'static str, f64>;

impl Board {
    pub(super) fn new() -> Board {
        Board(Mutex::new((Progress::new(), Running::new())))
    }

    fn lock(&self) -> MutexGuard<'_, (Progress, Running)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows that a stage's program has been running for so long, and what it said `last`.
    pub(super) fn show(&self, stage: &'static str, seconds: f64, last: impl FnOnce() -> String) {
        let (progress, running) = &mut *self.lock();
        running.insert(stage, seconds);
        progress.show(|| shown(running, last));
    }

    /// Wipes the line for what is said of a stage that has ended.
    pub(super) fn end(&self, stage: &'static str, say: impl FnOnce()) {
        let (progress, running) = &mut *self.lock();
        running.remove(stage);
        progress.clear();
        say();
    }
}

/// All that run, and what was said last if that can only be the one's.
fn shown(running: &Running, last: impl FnOnce() -> String) -> String {
    let mut words: Vec<String> =
        running.iter().map(|(stage, seconds)| format!("{stage}  {}", duration(*seconds))).collect();
    if running.len() == 1 {
        words.push(last());
    }
    words.join("  ")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::Lane::{Elsewhere, Workspace};
    use super::*;

    #[test]
    fn lanes_run_side_by_side_and_each_in_its_order() {
        // Each of the two first ones waits for the other.
        let ((to, from), (back, forth)) = (mpsc::channel(), mpsc::channel());
        let (from, forth) = (Mutex::new(from), Mutex::new(forth));
        let patience = Duration::from_secs(20);
        let began = Mutex::new(Vec::new());
        let results = side_by_side(&[Workspace, Workspace, Elsewhere, Workspace, Elsewhere], |place| {
            began.lock().expect("nobody panics with it").push(place);
            let met = match place {
                0 => {
                    back.send(()).is_ok() && from.lock().is_ok_and(|from| from.recv_timeout(patience).is_ok())
                }
                2 => {
                    to.send(()).is_ok()
                        && forth.lock().is_ok_and(|forth| forth.recv_timeout(patience).is_ok())
                }
                _ => true,
            };
            (place, met)
        });
        assert_eq!(results, [0, 1, 2, 3, 4].map(|place| (place, true)));
        let began = began.into_inner().expect("nobody panicked with it");
        let of = |lane: &[usize]| -> Vec<usize> {
            began.iter().copied().filter(|place| lane.contains(place)).collect()
        };
        assert_eq!((of(&[0, 1, 3]), of(&[2, 4])), (vec![0, 1, 3], vec![2, 4]));
        assert_eq!(side_by_side(&[], |place| place), [0; 0]);
    }

    #[test]
    fn who_runs_alone_is_heard() {
        let mut running = Running::from([("loom", 7.0)]);
        assert_eq!(shown(&running, || "test a ... ok".to_owned()), "loom  7.0 s  test a ... ok");
        running.insert("clippy", 61.0);
        assert_eq!(shown(&running, || unreachable!()), "clippy  61 s  loom  7.0 s");
    }
}
