//! What a device gives back after a crash, and what a journal makes of it.
//!
//! Protocols write records, and boot from those that a journal finds again. Two things stand between, kept
//! apart here: the *device*, which may have lost, torn, misplaced or spoilt frames ([`Frame`]), and the
//! *reading rule* by which a journal tells what it may trust from what it may not ([`Rule`]). The rule of
//! [`checksummed`] is that of the runtime's journal: frames follow each other, each with a checksum, its own
//! place and how many records were durable when it was written.
//!
//! A rule is judged whenever a node goes down ([`judged`]): it must give back all that was synced, and beyond
//! that the beginning of what was not; it may refuse only if a synced frame is damaged. What it cannot see is
//! damage in the last batch that was synced, when nothing later survived: no rule can tell that from a batch
//! that was never synced (Alagappan et al., *Protocol-Aware Recovery for Consensus-Based Storage*, FAST 2018,
//! §3.3). Records forgotten so are no fault of the rule, and no protocol survives it unless it says so: the
//! [atlas](super::atlas) keeps the account.
//!
//! Verified by the tests below, by `tests/it/disks.rs`, where rules that are wrong are found, and by
//! `tests/it/journals.rs` of the checker's crate, where [`checksummed`] and the runtime's journal read the same
//! from the same damaged files. Not modelled: damage to a journal's segments as files (their names, their
//! number).

use swarm_protocol::Violation;

/// One place of a journal, as the device gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A frame whose checksum is right.
    Whole {
        /// The place for which it was written, counted from 0.
        place: u32,
        /// How many records were durable when it was written.
        durable: u32,
    },
    /// Half written, never written, or spoilt.
    Unreadable,
}

/// A journal, as the device gives it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// So many frames at the beginning lie in segments that were finished, of which none may be missing.
    pub finished: u32,
    /// All places that were ever written.
    pub frames: Vec<Frame>,
}

/// What a journal gives its node to boot from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The records of these frames, in order.
    Records(Vec<u32>),
    /// Nothing: the frame at this place was durable, and cannot be trusted.
    Refused(u32),
}

/// How a journal reads what the device gives back.
pub type Rule = fn(&Journal) -> Reading;

/// The property that a journal gives back what was durable, and nothing that was not written there.
pub const JOURNAL: &str = "journal";

/// The rule of a journal of checksummed frames that name their place: the first frame that is damaged ends
/// it, unless its segment was finished, or a frame in its place or a later one says that it was durable. Then
/// the journal refuses.
pub fn checksummed(journal: &Journal) -> Reading {
    let right = |place: u32, frame: &Frame| matches!(frame, Frame::Whole { place: own, .. } if *own == place);
    let damaged = (0..).zip(&journal.frames).find(|(place, frame)| !right(*place, frame));
    let Some((damaged, _)) = damaged else {
        return Reading::Records((0..journal.frames.len() as u32).collect());
    };
    let proves = |frame: &Frame| matches!(frame, Frame::Whole { durable, .. } if *durable > damaged);
    if damaged < journal.finished || journal.frames[damaged as usize..].iter().any(proves) {
        Reading::Refused(damaged)
    } else {
        Reading::Records((0..damaged).collect())
    }
}

/// What is known of a journal when its node goes down, which the rule is not told.
pub(super) struct Truth {
    /// So many records were durable.
    pub(super) durable: u32,
    /// So many frames from the beginning are as they were written, each in its place.
    pub(super) whole: u32,
    /// Something that survived says that the first damaged frame was durable.
    pub(super) proved: bool,
}

/// What a reading comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// So many records from the beginning.
    Records(u32),
    /// The node stays down.
    Refused,
}

/// Whether a journal was read as it must be.
///
/// # Errors
/// If the rule was wrong.
pub(super) fn judged(reading: &Reading, truth: &Truth) -> Result<Found, Violation> {
    let wrong = |detail: String| Err(Violation::new(JOURNAL, detail));
    let Truth { durable, whole, proved } = *truth;
    let records = match reading {
        Reading::Refused(_) if whole < durable => return Ok(Found::Refused),
        Reading::Refused(at) => {
            return wrong(format!("refuses at record {at}, and all {durable} durable ones are whole"));
        }
        Reading::Records(records) => records,
    };
    if let Some((place, read)) = (0..).zip(records).find(|(place, read)| *place != **read) {
        return wrong(format!("reads record {read} as record {place}"));
    }
    let read = records.len() as u32;
    match () {
        () if read > whole => wrong(format!("gives back record {whole}, which is damaged")),
        () if whole < durable && proved => {
            wrong(format!("forgets record {whole}, which was durable, as what came later says"))
        }
        () if read < whole.min(durable) => wrong(format!(
            "gives back {read} records of {} that were durable and are whole",
            whole.min(durable)
        )),
        () => Ok(Found::Records(read)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of so many frames each, all synced but the last.
    fn journal(batches: &[u32]) -> Journal {
        let (mut frames, mut durable) = (Vec::new(), 0);
        for batch in batches {
            frames.extend((durable..durable + batch).map(|place| Frame::Whole { place, durable }));
            durable += batch;
        }
        Journal { finished: 0, frames }
    }

    fn damaged(mut journal: Journal, places: &[usize]) -> Journal {
        for place in places {
            journal.frames[*place] = Frame::Unreadable;
        }
        journal
    }

    fn prefix(len: u32) -> Reading {
        Reading::Records((0..len).collect())
    }

    #[test]
    fn a_torn_tail_is_cut_off_and_what_was_durable_is_not() {
        let whole = journal(&[2, 3]);
        assert_eq!(checksummed(&whole), prefix(5));
        for place in 2..5 {
            assert_eq!(checksummed(&damaged(whole.clone(), &[place])), prefix(place as u32), "{place}");
        }
        for place in 0..2 {
            assert_eq!(checksummed(&damaged(whole.clone(), &[place])), Reading::Refused(place as u32));
            // One frame of the later batch is enough to say so.
            let most = damaged(whole.clone(), &[place, 2, 4]);
            assert_eq!(checksummed(&most), Reading::Refused(place as u32));
            // Without any, nobody knows.
            assert_eq!(checksummed(&damaged(whole.clone(), &[place, 2, 3, 4])), prefix(place as u32));
        }
    }

    #[test]
    fn a_frame_in_the_wrong_place_is_damage() {
        let mut journal = journal(&[2, 3]);
        journal.frames[1] = journal.frames[4];
        assert_eq!(checksummed(&journal), Reading::Refused(1));
        // Though nothing else is left, it says itself what was durable.
        journal.frames.truncate(2);
        assert_eq!(checksummed(&journal), Reading::Refused(1));
        journal.frames[1] = Frame::Whole { place: 0, durable: 0 };
        assert_eq!(checksummed(&journal), prefix(1));
    }

    #[test]
    fn a_finished_segment_is_whole_or_refused() {
        let mut journal = damaged(journal(&[3]), &[2]);
        assert_eq!(checksummed(&journal), prefix(2));
        journal.finished = 3;
        assert_eq!(checksummed(&journal), Reading::Refused(2));
    }

    #[test]
    fn a_rule_is_judged_by_what_it_was_not_told() {
        let of = |reading: Reading, whole, proved| {
            judged(&reading, &Truth { durable: 3, whole, proved }).map_err(|wrong| wrong.property)
        };
        // Whole, and two more: any number of those is right.
        assert_eq!(of(prefix(5), 5, false), Ok(Found::Records(5)));
        assert_eq!(of(prefix(3), 5, false), Ok(Found::Records(3)));
        assert_eq!(of(prefix(2), 5, false), Err(JOURNAL));
        assert_eq!(of(prefix(6), 5, false), Err(JOURNAL));
        assert_eq!(of(Reading::Refused(1), 5, false), Err(JOURNAL));
        assert_eq!(of(Reading::Records(vec![0, 2]), 5, false), Err(JOURNAL));
        // Record 1 is damaged, and known to have been durable: only refusing is right.
        assert_eq!(of(Reading::Refused(1), 1, true), Ok(Found::Refused));
        assert_eq!(of(prefix(1), 1, true), Err(JOURNAL));
        // Nobody can know: what is whole comes back.
        assert_eq!(of(prefix(1), 1, false), Ok(Found::Records(1)));
        assert_eq!(of(prefix(0), 1, false), Err(JOURNAL));
        assert_eq!(of(prefix(2), 1, false), Err(JOURNAL));
    }
}
