//! What a user finds of its own earlier transactions just before it writes over what they left.
//!
//! Once a later UPDATE has written a user's own row, the loss of an earlier one can no longer be
//! seen there, nor the loss of a row once it was to be deleted. So a user reads first, in the same
//! round trip: what is not as its own history says is noted there, and the checker holds it against
//! every server on which the later transaction happened. Without a recovery or a failover in
//! between nothing is ever noted.

use super::footprint::{Deletes, Footprint};
use super::history::{ClientHistory, CommitStatus, Mismatch};
use super::layout::Layout;

/// What was read at one site of a transaction before it was done.
#[derive(Debug, Default, Clone)]
pub(crate) struct PrewriteRows {
    /// The `$seq` of each of the user's rows that the transaction was to write over or to delete; 0
    /// for what is no number.
    pub(crate) rows: Vec<u64>,
    /// Whether the server answered.
    pub(crate) answered: bool,
}

/// What a user knows of its rows in one place.
#[derive(Debug, Default, Clone, Copy)]
struct Known {
    /// The last acknowledged transaction that wrote the user's one row.
    last: u64,
    /// Rows up to this one are deleted.
    deleted: u64,
    /// Rows up to this one may be deleted.
    may_be_deleted: u64,
}

/// What a user knows of its rows.
#[derive(Debug)]
pub(crate) struct PrewriteCheck {
    places: Vec<Known>,
}

impl PrewriteCheck {
    pub(crate) fn new(layout: &Layout) -> Self {
        PrewriteCheck { places: vec![Known::default(); layout.places.len()] }
    }

    /// Compares what was read before the transaction `seq` with the user's history, and notes there
    /// what differs. The transaction's status is in the history by now. `read` is for those of its
    /// sites that need it, in their order.
    pub(crate) fn compare(
        &mut self,
        history: &mut ClientHistory,
        layout: &Layout,
        seq: u64,
        read: &mut [PrewriteRows],
    ) {
        let Some(entry) = history.entry(seq) else { return };
        let Some(kind) = layout.kinds.get(usize::from(entry.kind())) else { return };
        let status = entry.status();
        if status == CommitStatus::Rejected {
            return;
        }
        let hiding = kind.sites.iter().enumerate().filter(|(_, site)| site.footprint.hides());
        for ((at, site), read) in hiding.zip(read) {
            let place = site.place;
            if !read.answered {
                history.note(Mismatch::Unread { place, at: seq });
            }
            let known = &mut self.places[place];
            match site.footprint {
                Footprint::Row => {}
                Footprint::Last => {
                    let shown = read.rows.iter().copied().max().unwrap_or(0);
                    if read.answered && shown < known.last {
                        history.note(Mismatch::Shown { place, at: seq, shown });
                    }
                    if status == CommitStatus::Acknowledged && entry.empty_sites() >> at & 1 == 0 {
                        known.last = seq;
                    }
                }
                Footprint::Deletes(deletes) => {
                    let expected = Expected { history, layout, place, known: *known, seq };
                    let found = if read.answered { expected.mismatches(deletes, &mut read.rows) } else { vec![] };
                    found.into_iter().for_each(|mismatch| history.note(mismatch));
                    if let Deletes::UpTo(back) = deletes {
                        let reach = seq.saturating_sub(back);
                        match status {
                            CommitStatus::Acknowledged => known.deleted = known.deleted.max(reach),
                            _ => known.may_be_deleted = known.may_be_deleted.max(reach),
                        }
                    }
                }
            }
        }
    }
}

/// Which rows a DELETE should have found.
struct Expected<'a> {
    history: &'a ClientHistory,
    layout: &'a Layout,
    place: usize,
    known: Known,
    seq: u64,
}

impl Expected<'_> {
    fn mismatches(&self, deletes: Deletes, found: &mut [u64]) -> Vec<Mismatch> {
        found.sort_unstable();
        let (place, at) = (self.place, self.seq);
        let (from, to) = match deletes {
            Deletes::UpTo(back) => (self.known.deleted + 1, at.saturating_sub(back)),
            Deletes::Just(back) => (at.saturating_sub(back), at.saturating_sub(back)),
        };
        let missing = (from..=to).filter(|seq| self.surely_there(*seq) && found.binary_search(seq).is_err());
        let missing = missing.map(|seq| Mismatch::Missing { place, at, seq });
        let reappeared = found.iter().copied().filter(|seq| self.surely_deleted(*seq));
        missing.chain(reappeared.map(|seq| Mismatch::Reappeared { place, at, seq })).collect()
    }

    /// Whether the row was acknowledged and nothing that was tried since could have deleted it.
    fn surely_there(&self, seq: u64) -> bool {
        let Some(entry) = self.history.entry(seq).filter(|entry| entry.status() == CommitStatus::Acknowledged) else {
            return false;
        };
        let Some(kind) = self.layout.kinds.get(usize::from(entry.kind())) else { return false };
        let written = kind.sites.iter().enumerate().any(|(at, site)| {
            site.place == self.place && site.footprint == Footprint::Row && entry.empty_sites() >> at & 1 == 0
        });
        written && seq > self.known.deleted.max(self.known.may_be_deleted) && self.deleted_alone(seq).is_none()
    }

    /// Whether an acknowledged transaction has deleted the row.
    fn surely_deleted(&self, seq: u64) -> bool {
        seq > 0 && (seq <= self.known.deleted || self.deleted_alone(seq) == Some(CommitStatus::Acknowledged))
    }

    /// The status of a transaction before this one that was to delete just this row.
    fn deleted_alone(&self, seq: u64) -> Option<CommitStatus> {
        let deletes = &self.layout.places[self.place].deletes;
        let statuses = deletes.iter().enumerate().filter_map(|(kind, deletes)| {
            let Some(Deletes::Just(back)) = deletes else { return None };
            let by = seq.checked_add(*back).filter(|by| *by < self.seq)?;
            let entry = self.history.entry(by).filter(|entry| usize::from(entry.kind()) == kind)?;
            Some(entry.status()).filter(|status| *status != CommitStatus::Rejected)
        });
        // The surest of them.
        statuses.max_by_key(|status| *status == CommitStatus::Acknowledged)
    }
}
