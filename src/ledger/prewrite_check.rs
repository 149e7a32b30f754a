//! What a user finds of its own earlier transactions just before it writes over their footprints.
//!
//! A lost UPDATE of a user's own row cannot be told any more once a later one has written the row, nor a lost row once it was to be
//! deleted. So a user looks first, in the same round trip: what is not as its own book says is noted in the book, and the judge
//! holds it against every server on which the later transaction happened. Without a recovery or a failover in between nothing is
//! ever noted.

use super::footprint::{Deletes, Footprint};
use super::history::{ClientHistory, CommitStatus, Layout, Mismatch};

/// What was read of one part of a transaction before it was done.
#[derive(Debug, Default, Clone)]
pub(crate) struct PrewriteRow {
    /// The `$seq` of each of the user's rows that the transaction was to write over or to delete; 0 for what is no number.
    pub(crate) rows: Vec<u64>,
    /// Whether the server answered.
    pub(crate) whole: bool,
}

/// What a user knows of its rows in one place.
#[derive(Debug, Default, Clone, Copy)]
struct Watch {
    /// The last acknowledged transaction that wrote the user's one row.
    last: u64,
    /// Rows up to this one are deleted.
    cleared: u64,
    /// Rows up to this one may be deleted.
    doubtful: u64,
}

/// What a user knows of its rows.
#[derive(Debug)]
pub(crate) struct PrewriteCheck {
    places: Vec<Watch>,
}

impl PrewriteCheck {
    pub(crate) fn new(layout: &Layout) -> Self {
        PrewriteCheck { places: vec![Watch::default(); layout.places.len()] }
    }

    /// Compares what was read before the transaction `seq` with the book, and notes in the book what differs. The transaction's
    /// fate is in the book by now. `readings` are those of its parts that need one, in their order.
    pub(crate) fn compare(
        &mut self,
        book: &mut ClientHistory,
        layout: &Layout,
        seq: u64,
        readings: &mut [PrewriteRow],
    ) {
        let Some(entry) = book.entry(seq) else { return };
        let Some(kind) = layout.kinds.get(usize::from(entry.kind())) else { return };
        let fate = entry.fate();
        if fate == CommitStatus::Rejected {
            return;
        }
        let mut readings = readings.iter_mut();
        for (at, (place, footprint)) in kind.parts.iter().enumerate() {
            if !footprint.hides() {
                continue;
            }
            let Some(reading) = readings.next() else { return };
            if !reading.whole {
                book.note(Mismatch::Unread { place: *place, at: seq });
            }
            let watch = &mut self.places[*place];
            match footprint {
                Footprint::Row => {}
                Footprint::Last => {
                    let shown = reading.rows.iter().copied().max().unwrap_or(0);
                    if reading.whole && shown < watch.last {
                        book.note(Mismatch::Shown { place: *place, at: seq, shown });
                    }
                    if fate == CommitStatus::Acknowledged && entry.hollow_parts() >> at & 1 == 0 {
                        watch.last = seq;
                    }
                }
                Footprint::Deletes(gone) => {
                    let expected = Expected { book, layout, place: *place, watch: *watch, seq };
                    let gaps = if reading.whole { expected.gaps(*gone, &mut reading.rows) } else { vec![] };
                    gaps.into_iter().for_each(|gap| book.note(gap));
                    if let Deletes::UpTo(back) = gone {
                        let reach = seq.saturating_sub(*back);
                        match fate {
                            CommitStatus::Acknowledged => watch.cleared = watch.cleared.max(reach),
                            _ => watch.doubtful = watch.doubtful.max(reach),
                        }
                    }
                }
            }
        }
    }
}

/// Which rows a DELETE should have found.
struct Expected<'a> {
    book: &'a ClientHistory,
    layout: &'a Layout,
    place: usize,
    watch: Watch,
    seq: u64,
}

impl Expected<'_> {
    fn gaps(&self, gone: Deletes, found: &mut [u64]) -> Vec<Mismatch> {
        found.sort_unstable();
        let (place, at) = (self.place, self.seq);
        let (from, to) = match gone {
            Deletes::UpTo(back) => (self.watch.cleared + 1, at.saturating_sub(back)),
            Deletes::Just(back) => (at.saturating_sub(back), at.saturating_sub(back)),
        };
        let missing = (from..=to).filter(|seq| self.surely_there(*seq) && found.binary_search(seq).is_err());
        let missing = missing.map(|seq| Mismatch::Missing { place, at, seq });
        let back =
            found.iter().copied().filter(|seq| self.surely_gone(*seq)).map(|seq| Mismatch::Back { place, at, seq });
        missing.chain(back).collect()
    }

    /// Whether the row was acknowledged and nothing that was tried since could have deleted it.
    fn surely_there(&self, seq: u64) -> bool {
        let Some(entry) = self.book.entry(seq).filter(|entry| entry.fate() == CommitStatus::Acknowledged) else {
            return false;
        };
        let Some(kind) = self.layout.kinds.get(usize::from(entry.kind())) else { return false };
        let mut parts = kind.parts.iter().enumerate();
        let written =
            parts.any(|(at, part)| *part == (self.place, Footprint::Row) && entry.hollow_parts() >> at & 1 == 0);
        written && seq > self.watch.cleared.max(self.watch.doubtful) && self.deleted_alone(seq).is_none()
    }

    /// Whether an acknowledged transaction has deleted the row.
    fn surely_gone(&self, seq: u64) -> bool {
        seq > 0 && (seq <= self.watch.cleared || self.deleted_alone(seq) == Some(CommitStatus::Acknowledged))
    }

    /// What became of a transaction that was to delete just this row, before this one.
    fn deleted_alone(&self, seq: u64) -> Option<CommitStatus> {
        let gone = &self.layout.places[self.place].gone;
        let fates = gone.iter().enumerate().filter_map(|(kind, gone)| {
            let Some(Deletes::Just(back)) = gone else { return None };
            let by = seq.checked_add(*back).filter(|by| *by < self.seq)?;
            let entry = self.book.entry(by).filter(|entry| usize::from(entry.kind()) == kind)?;
            Some(entry.fate()).filter(|fate| *fate != CommitStatus::Rejected)
        });
        // The surest of them.
        fates.max_by_key(|fate| *fate == CommitStatus::Acknowledged)
    }
}
