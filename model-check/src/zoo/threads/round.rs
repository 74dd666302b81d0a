//! The hunts of one round, several at a time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::matrix::Hunts;
use super::workshop::{Budget, Engine, Quarry, Workshop};

/// Hunts all of it, `threads` at a time. A hunt that could not begin is left out, and the first of their reasons
/// given.
pub fn hunts(
    workshop: &Workshop,
    built: &BTreeMap<Engine, Vec<PathBuf>>,
    wanted: &[(Quarry, Engine)],
    budget: &Budget,
    threads: usize,
    interrupt: &AtomicBool,
    said: impl Fn(usize, usize) + Sync,
) -> (Hunts, Option<String>) {
    let next = AtomicUsize::new(0);
    let over = Mutex::new((Hunts::new(), None));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    // Relaxed: a counter. An interrupt may be seen late.
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some((quarry, engine)) = wanted.get(place) else { break };
                    if interrupt.load(Ordering::Relaxed) {
                        break;
                    }
                    let caught = workshop.hunt(*engine, &built[engine], quarry, budget, interrupt);
                    let mut over = over.lock().unwrap_or_else(PoisonError::into_inner);
                    match caught {
                        Ok(caught) => drop(over.0.insert((quarry.clone(), *engine), caught)),
                        Err(reason) => drop(over.1.get_or_insert(reason)),
                    }
                    said(over.0.len(), wanted.len());
                }
            });
        }
    });
    over.into_inner().unwrap_or_else(PoisonError::into_inner)
}
