//! Whether what a transaction left at one of its sites is there, not there, or covered by a later
//! transaction of the same user.
//!
//! That later transaction looked for it first ([`super::prewrite_check`]) and found nothing amiss.
//! Users do one thing after the other, so what one tries later comes later on every server, too.

use std::cmp::Ordering;

use super::footprint::{Deletes, Footprint};
use super::history::{CommitStatus, Entry, Ledger};
use super::layout::{Place, Site};
use super::live_mismatch::LiveMismatches;
use super::observed::Observed;
use super::scope::CheckScope;

/// What can be said of one site of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Present,
    Duplicated,
    /// Of several rows some are there and some are not.
    Partial,
    Absent,
    /// Nothing of it is to be seen, and nothing speaks against it.
    Unknown,
}

/// Of one user's rows in one place, if any are deleted.
#[derive(Debug, Clone, Copy)]
struct Deleted {
    /// The least `$seq` that is there.
    least: u64,
    /// Rows up to this one may be deleted.
    up_to: u64,
}

/// What is known of all rows.
pub(super) struct Evidence<'a> {
    ledger: &'a Ledger,
    /// The ledger as it was when the rows had been read.
    by_now: &'a Ledger,
    /// For each place its rows, or None if there is no such table.
    observed: &'a [Option<Observed<'a>>],
    /// Only what was acknowledged before this is checked.
    before: u64,
    pub(super) mismatches: LiveMismatches,
    /// For each place and user, up to where rows are deleted.
    deleted: Vec<Vec<Deleted>>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(
        ledger: &'a Ledger,
        by_now: &'a Ledger,
        observed: &'a [Option<Observed<'a>>],
        scope: CheckScope,
    ) -> Self {
        let before = scope.before.map_or(u64::MAX, |at| ledger.micros(at));
        let mismatches = LiveMismatches::new(by_now, observed, scope);
        let mut evidence = Evidence { ledger, by_now, observed, before, mismatches, deleted: vec![] };
        evidence.deleted = (0..evidence.places().len()).map(|place| evidence.deleted_in(place)).collect();
        evidence
    }

    fn places(&self) -> &'a [Place] {
        &self.ledger.layout().places
    }

    /// What a transaction of this kind leaves.
    pub(super) fn sites(&self, entry: Entry) -> &'a [Site] {
        self.ledger.layout().kinds.get(usize::from(entry.kind())).map_or(&[], |kind| kind.sites.as_slice())
    }

    /// Whether a transaction was answered early enough to be checked.
    pub(super) fn is_in_scope(&self, entry: Entry) -> bool {
        entry.micros() < self.before
    }

    /// Whether a transaction that was not rejected leaves a row of its own in a place.
    fn wrote_row(&self, entry: Entry, place: usize) -> bool {
        let row = |site: &Site| site.place == place && site.footprint == Footprint::Row;
        entry.status() != CommitStatus::Rejected && self.sites(entry).iter().any(row)
    }

    fn count(&self, place: usize, index: usize, seq: u64) -> u64 {
        self.observed[place].as_ref().map_or(0, |rows| rows.count(index, seq))
    }

    /// For each user, which rows of a place may have been deleted. Nothing if none are deleted by
    /// reach.
    fn deleted_in(&self, place: usize) -> Vec<Deleted> {
        match self.places()[place].deletes.iter().any(|deletes| matches!(deletes, Some(Deletes::UpTo(_)))) {
            true => (0..self.ledger.histories().len()).map(|index| self.deleted_of(place, index)).collect(),
            false => vec![],
        }
    }

    fn deleted_of(&self, place: usize, index: usize) -> Deleted {
        let history = &self.ledger.histories()[index];
        let present = |entry: Entry, seq| self.wrote_row(entry, place) && self.count(place, index, seq) > 0;
        let least = history.entries().zip(1..).find(|(entry, seq)| present(*entry, *seq));
        let least = least.map_or(u64::MAX, |(_, seq)| seq);
        let mut up_to = 0;
        let Some(by_now) = self.by_now.histories().get(index) else { return Deleted { least, up_to } };
        for (entry, seq) in by_now.entries().zip(1..) {
            let deletes = self.places()[place].deletes.get(usize::from(entry.kind()));
            let Some(Some(Deletes::UpTo(back))) = deletes else { continue };
            let reach = u64::saturating_sub(seq, *back);
            let happened = match history.entry(seq).map(Entry::status) {
                // A recovery may have stopped before those that are not checked.
                Some(CommitStatus::Acknowledged) if self.is_in_scope(entry) => true,
                _ if entry.status() == CommitStatus::Rejected => false,
                // It happened wholly or not at all: if a row is left that it would have deleted, it
                // did not.
                _ => reach < least,
            };
            if happened {
                up_to = up_to.max(reach);
            }
        }
        Deleted { least, up_to }
    }

    /// Whether a transaction's row may have been deleted by a later one.
    fn may_be_deleted(&self, place: usize, index: usize, seq: u64) -> bool {
        if self.deleted[place].get(index).is_some_and(|deleted| seq <= deleted.up_to) {
            return true;
        }
        self.places()[place].deletes.iter().enumerate().any(|(kind, deletes)| {
            let Some(Deletes::Just(back)) = deletes else { return false };
            let later = self.by_now.histories().get(index).and_then(|history| history.entry(seq.checked_add(*back)?));
            later.is_some_and(|later| usize::from(later.kind()) == kind && later.status() != CommitStatus::Rejected)
        })
    }

    /// What can be said of a site of the transaction `seq` of the user at `index`.
    pub(super) fn presence(&self, site: Site, index: usize, seq: u64) -> Presence {
        let Some(rows) = &self.observed[site.place] else { return Presence::Absent };
        match site.footprint {
            Footprint::Row => self.presence_of_row(site, rows.count(index, seq), index, seq),
            Footprint::Last => {
                let shown = rows.shown(index);
                match i64::try_from(seq).unwrap_or(i64::MAX).cmp(&shown.seq) {
                    _ if shown.rows == 0 => Presence::Absent,
                    Ordering::Greater => Presence::Absent,
                    Ordering::Equal if shown.rows == 1 => Presence::Present,
                    Ordering::Equal => Presence::Duplicated,
                    Ordering::Less if self.mismatches.was_gone(site.place, index, seq) => Presence::Absent,
                    Ordering::Less => Presence::Unknown,
                }
            }
            Footprint::Deletes(deletes) => match self.has_reappeared(rows, site.place, deletes, index, seq) {
                true => Presence::Absent,
                false => Presence::Unknown,
            },
        }
    }

    fn presence_of_row(&self, site: Site, count: u64, index: usize, seq: u64) -> Presence {
        match count {
            0 if self.may_be_deleted(site.place, index, seq)
                && !self.mismatches.was_missing(site.place, index, seq) =>
            {
                Presence::Unknown
            }
            0 => Presence::Absent,
            count => match count.cmp(&u64::from(site.rows)) {
                Ordering::Less => Presence::Partial,
                Ordering::Equal => Presence::Present,
                Ordering::Greater => Presence::Duplicated,
            },
        }
    }

    /// Whether anything is there, or was there later, that the transaction deleted.
    fn has_reappeared(&self, rows: &Observed<'_>, place: usize, deletes: Deletes, index: usize, seq: u64) -> bool {
        match deletes {
            Deletes::UpTo(back) => {
                let reach = seq.saturating_sub(back);
                let least = self.deleted[place].get(index).map_or(u64::MAX, |deleted| deleted.least);
                least <= reach || self.mismatches.any_reappeared(place, index, seq, reach)
            }
            Deletes::Just(back) => {
                let target = seq.saturating_sub(back);
                let entry = self.ledger.histories()[index].entry(target);
                entry.is_some_and(|entry| self.wrote_row(entry, place))
                    && (rows.count(index, target) > 0 || self.mismatches.reappeared(place, index, seq, target))
            }
        }
    }
}
