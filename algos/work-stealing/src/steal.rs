//! What an attempt to steal comes to.

/// The outcome of an attempt to steal.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steal<T> {
    /// There was nothing to steal.
    Empty,
    /// This was stolen.
    Success(T),
    /// Somebody else was quicker; there may be more.
    Retry,
}

impl<T> Steal<T> {
    /// Whether there was nothing to steal.
    pub fn is_empty(&self) -> bool {
        matches!(self, Steal::Empty)
    }

    /// Whether something was stolen.
    pub fn is_success(&self) -> bool {
        matches!(self, Steal::Success(_))
    }

    /// Whether somebody else was quicker.
    pub fn is_retry(&self) -> bool {
        matches!(self, Steal::Retry)
    }

    /// What was stolen.
    pub fn success(self) -> Option<T> {
        match self {
            Steal::Success(task) => Some(task),
            Steal::Empty | Steal::Retry => None,
        }
    }

    /// This, if something was stolen; else what `other` comes to, where one `Retry` of the two outlasts an
    /// `Empty`.
    pub fn or_else(self, other: impl FnOnce() -> Steal<T>) -> Steal<T> {
        match self {
            Steal::Empty => other(),
            Steal::Success(_) => self,
            Steal::Retry => match other() {
                Steal::Empty => Steal::Retry,
                outcome => outcome,
            },
        }
    }
}

impl<T> FromIterator<Steal<T>> for Steal<T> {
    /// The first success; else `Retry` if there was one; else `Empty`. Looks no further than a success.
    fn from_iter<I: IntoIterator<Item = Steal<T>>>(attempts: I) -> Self {
        let mut outcome = Steal::Empty;
        for attempt in attempts {
            match attempt {
                Steal::Empty => {}
                Steal::Success(_) => return attempt,
                Steal::Retry => outcome = Steal::Retry,
            }
        }
        outcome
    }
}
