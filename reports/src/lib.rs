//! Artifacts, and the site, summary and tables made from them.
//!
//! Every verb that checks or measures ends by writing one [`artifact::Artifact`]: what ran, on which
//! revision and machine, by which command, and what came out, with raw samples. [`recorder::Recorder`]
//! writes them, [`store::read_all`] reads them, and the site is a pure function of what was read: a number
//! in a document comes from an artifact or does not stand there.
//!
//! ```
//! use reports::artifact::{Fuzz, FuzzRun, Outcome, Payload, Verb};
//! use reports::recorder::Recorder;
//! # let root = std::env::temp_dir().join(format!("reports-doc-{}", std::process::id()));
//!
//! let mut recorder = Recorder::start_in(&root, Verb::Fuzz, "raft-message", "cargo xtask fuzz raft-message")?;
//! recorder.algorithm("raft").parameter("seed", 7);
//! let executions = 1_000;
//! let run = FuzzRun { executions, ..FuzzRun::new("random bytes", 7) };
//! let fuzz = Fuzz { runs: vec![run], ..Fuzz::new("raft-message") };
//! let path = recorder.finish(Outcome::Passed, Payload::Fuzz(fuzz))?;
//! assert!(path.ends_with("fuzz/raft-message.json"));
//!
//! let read = reports::store::read_all(&root);
//! assert!(matches!(&read[..], [Ok(artifact)] if artifact.subject == "raft-message"));
//! # std::fs::remove_dir_all(root)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Verified by unit tests in each file, `tests/it` (round trips, broken files, structure of the pages) and
//! `tests/browser.rs` (the pages in a real browser). Not verified: that a command written into an artifact
//! is the one that ran, and that producers count correctly; each of them tests that for itself.

pub mod artifact;
pub mod binomial;
mod calendar;
mod chart;
pub mod command_line;
pub mod criterion;
mod digest;
mod html;
pub mod machine;
mod number;
pub mod recorder;
pub mod site;
pub mod statistics;
pub mod store;
pub mod suite;
mod table;
