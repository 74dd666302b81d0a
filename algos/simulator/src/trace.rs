//! What happened in a run, in the one format of checker, simulator, fuzzer, scenario files and reports.
//!
//! A trace prints as the first part of a scenario file: the header that says what the run started from,
//! then one event a line. Verified by scenarios that are printed from traces and played again.

use core::fmt;

use swarm_protocol::{Protocol, Ticks};

use crate::Event;

/// A run as data: what it started from, and what happened, in order.
pub struct Trace<P: Protocol> {
    /// The header lines of a scenario file, as [`crate::Setup::header`] writes them.
    pub header: String,
    /// What happened, and when, if the run knew time.
    pub events: Vec<(Option<Ticks>, Event<P>)>,
}

impl<P: Protocol> Trace<P> {
    /// A run from this header in which nothing has happened yet.
    pub const fn new(header: String) -> Self {
        Trace { header, events: Vec::new() }
    }

    /// Notes an event of a run without time.
    pub fn push(&mut self, event: Event<P>) {
        self.events.push((None, event));
    }

    /// Notes an event at an instant.
    pub fn push_at(&mut self, now: Ticks, event: Event<P>) {
        self.events.push((Some(now), event));
    }

    /// What happened, in order.
    pub fn events(&self) -> impl ExactSizeIterator<Item = &Event<P>> {
        self.events.iter().map(|(_, event)| event)
    }

    /// How many events happened.
    pub const fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing happened.
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

impl<P: Protocol> Clone for Trace<P> {
    fn clone(&self) -> Self {
        Trace { header: self.header.clone(), events: self.events.clone() }
    }
}

impl<P: Protocol<Message: Ord, Op: Ord>> PartialEq for Trace<P> {
    fn eq(&self, other: &Self) -> bool {
        self.header == other.header && self.events == other.events
    }
}

/// A scenario file without its transcript; an instant is written before its event, as `@120us`.
impl<P: Protocol> fmt::Display for Trace<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.header)?;
        for (now, event) in &self.events {
            if let Some(now) = now {
                write!(f, "@{now} ")?;
            }
            writeln!(f, "{event:?}")?;
        }
        Ok(())
    }
}

impl<P: Protocol> fmt::Debug for Trace<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
