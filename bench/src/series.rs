//! What is put under open load: our Raft and its peers on one thread, ours on the threaded runtime.
//!
//! A [`Series`] is one implementation at one setting. It says first how much it can do, and is
//! then offered shares of that, so that every machine gets a curve from idle to nearly full.
//!
//! | series | time | what the figures hold |
//! |---|---|---|
//! | one thread | the thread's own | work and queue, of ours and of the peers alike |
//! | three threads, memory | wall | the same, lanes, and threads waking each other |
//! | three threads, files | wall | the same, and an `fdatasync` at every node |
//!
//! Verified by the tests of [`crate::solo`] and [`crate::live`], and by one of each series here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reports::artifact::{Implementation, Role};
use swarm_runtime::storage::Storage;

use crate::live;
use crate::open_loop::{Recording, arrivals};
use crate::raft::OurRaft;
use crate::solo;
use crate::workload::{Cluster, Load};

/// The series whose disks are files.
pub const FILES: &str = "files";

/// Commands in flight when the capacity of one thread is measured.
pub const CAPACITY_WINDOW: u64 = 1_024;

/// What a run at one rate showed.
#[derive(Clone, Debug)]
pub struct Played {
    /// The latencies.
    pub recording: Recording,
    /// From the start of the plan to the last answer.
    pub length: Duration,
    /// Operations that were planned and never answered.
    pub unanswered: u64,
    /// Whether the run was ended before its plan was done.
    pub interrupted: bool,
    /// How often all disks together were synced; 0 where there are none.
    pub syncs: u64,
    /// What should not have happened, as name and count.
    pub notes: Vec<(&'static str, u64)>,
}

/// How fast, for how long and with what a series is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Names the commands and the arrivals.
    pub seed: u64,
    /// Bytes of a command.
    pub bytes: usize,
    /// Operations per second.
    pub rate: f64,
    /// How long operations arrive.
    pub length: Duration,
}

impl Offer {
    fn load(&self) -> Load {
        Load::new(self.seed, self.bytes, 1)
    }

    fn plan(&self) -> impl Iterator<Item = u64> + Clone + use<> {
        arrivals(self.seed, self.rate, self.length)
    }
}

type Capacity = Box<dyn Fn(u64, usize, Duration) -> Result<f64, String>>;
type Play = Box<dyn Fn(&Offer, &mut dyn FnMut() -> bool) -> Result<Played, String>>;

/// One implementation at one setting.
pub struct Series {
    /// What it is.
    pub implementation: Implementation,
    /// What the names of its files begin with.
    pub key: &'static str,
    capacity: Capacity,
    play: Play,
}

impl Series {
    /// Operations per second when there is always work: [`CAPACITY_WINDOW`] under way on one thread, on threads
    /// as much as there is room for. Measured for about `length` with commands of `bytes` bytes.
    ///
    /// # Errors
    /// Why it did not do its work.
    pub fn capacity(&self, seed: u64, bytes: usize, length: Duration) -> Result<f64, String> {
        (self.capacity)(seed, bytes, length)
    }

    /// Plays an offer; `go_on` is asked now and then.
    ///
    /// # Errors
    /// Why it did not do its work.
    pub fn play(&self, offer: &Offer, go_on: &mut dyn FnMut() -> bool) -> Result<Played, String> {
        (self.play)(offer, go_on)
    }

    /// A cluster on one thread, in that thread's own time.
    pub fn solo<C: Cluster>(
        implementation: Implementation,
        key: &'static str,
        build: impl Fn() -> C + Clone + 'static,
    ) -> Self {
        let build_again = build.clone();
        Series {
            implementation,
            key,
            capacity: Box::new(move |seed, bytes, length| {
                let load = Load::new(seed, bytes, CAPACITY_WINDOW);
                solo::capacity(&build, &load, length).map_err(|wrong| wrong.to_string())
            }),
            play: Box::new(move |offer, go_on| {
                let run = solo::run(&build_again, &offer.load(), offer.plan(), go_on);
                let run = run.map_err(|wrong| wrong.to_string())?;
                Ok(Played {
                    recording: run.recording,
                    length: run.length,
                    unanswered: 0,
                    interrupted: run.interrupted,
                    syncs: 0,
                    notes: vec![],
                })
            }),
        }
    }

    /// Ours on threads, on the disks that `disks` makes anew for each run.
    fn live<S>(
        implementation: Implementation,
        key: &'static str,
        disks: impl Fn() -> std::io::Result<Vec<S>> + Clone + 'static,
    ) -> Self
    where
        S: Storage<live::Record> + Send + 'static,
    {
        let disks_again = disks.clone();
        Series {
            implementation,
            key,
            capacity: Box::new(move |seed, bytes, length| {
                let disks = disks().map_err(|error| error.to_string())?;
                live::capacity(Load::new(seed, bytes, 1), disks, length)
                    .map_err(|failure| failure.to_string())
            }),
            play: Box::new(move |offer, go_on| {
                let disks = disks_again().map_err(|error| error.to_string())?;
                let run = live::run(offer.load(), disks, offer.plan(), go_on);
                let run = run.map_err(|failure| failure.to_string())?;
                let counters = &run.counters;
                Ok(Played {
                    recording: run.recording,
                    length: run.length,
                    unanswered: run.unanswered,
                    interrupted: run.interrupted,
                    syncs: if key == FILES { counters.syncs } else { 0 },
                    notes: vec![
                        ("messages lost in full lanes", counters.dropped),
                        (
                            "elections",
                            counters.marks.get("leader-elected").copied().unwrap_or(0).saturating_sub(1),
                        ),
                    ],
                })
            }),
        }
    }
}

/// Everything that can be put under open load here. Files are kept in `folder`, in which nothing else may be.
pub fn all(folder: &Path) -> Vec<Series> {
    let ours = |name, settings| Implementation::new(Role::Ours, name, env!("CARGO_PKG_VERSION"), settings);
    let mut all = vec![Series::solo(
        ours("swarm-raft, one thread", "loop driver, memory, group commit; the thread's own time"),
        "one-thread",
        OurRaft::new,
    )];
    all.extend(crate::peers::series());
    all.push(Series::live(
        ours("swarm-raft, three threads", "a thread per node, memory, group commit; wall time"),
        "three-threads",
        || Ok(live::memory()),
    ));
    let folder = PathBuf::from(folder);
    all.push(Series::live(
        ours("swarm-raft, three threads, files", "a thread per node, fdatasync per group commit; wall time"),
        FILES,
        move || {
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            live::files(&folder)
        },
    ));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_answers_what_it_is_offered() {
        let folder = std::env::temp_dir().join(format!("swarmproof-series-{}", std::process::id()));
        let offer = Offer { seed: 3, bytes: 64, rate: 5_000.0, length: Duration::from_millis(40) };
        let planned = offer.plan().count() as u64;
        for series in all(&folder) {
            let capacity = series.capacity(3, 64, Duration::from_millis(5));
            assert!(capacity.is_ok_and(|rate| rate > 0.0), "{}", series.key);
            let played = series.play(&offer, &mut || true).expect("it does its work");
            assert_eq!(played.recording.response.len() + played.unanswered, planned, "{}", series.key);
        }
        std::fs::remove_dir_all(&folder).expect("the folder can go");
    }
}
