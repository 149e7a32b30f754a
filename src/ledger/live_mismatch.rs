//! What users found of their own earlier transactions before they wrote over them, made ready for
//! the checker.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{CommitStatus, Ledger, Mismatch};
use super::observed::Observed;
use super::scope::CheckScope;
use super::verdict::Side;

/// The mismatches that hold for the server whose rows are checked.
#[derive(Debug, Default)]
pub(crate) struct LiveMismatches {
    users: BTreeMap<(usize, usize), OfUser>,
    /// Acknowledged transactions that wrote over what could not be read.
    pub(crate) unread: u64,
}

/// Those of one user in one place.
#[derive(Debug, Default)]
struct OfUser {
    /// For transactions up to the first: the least `$seq` that the row has shown when any of them
    /// was to be there.
    shown: Vec<(u64, u64)>,
    missing: BTreeSet<u64>,
    /// For transactions up to the first: the least `$seq` of the rows that any of them saw
    /// reappear.
    reappeared: Vec<(u64, u64)>,
    /// Rows that had reappeared, and the last transaction that found them.
    found_by: BTreeMap<u64, u64>,
}

/// Makes each second number the least of it and all that follow.
fn least_from_here(pairs: &mut [(u64, u64)]) {
    let mut least = u64::MAX;
    for (_, number) in pairs.iter_mut().rev() {
        least = least.min(*number);
        *number = least;
    }
}

/// The least number of those that come with a transaction after `seq`.
fn least_after(pairs: &[(u64, u64)], seq: u64) -> u64 {
    pairs.get(pairs.partition_point(|(at, _)| *at <= seq)).map_or(u64::MAX, |(_, least)| *least)
}

impl LiveMismatches {
    /// Those that hold on the server whose rows these are. A transaction that found something has
    /// covered it only if it happened there itself.
    pub(crate) fn new(by_now: &Ledger, observed: &[Option<Observed<'_>>], scope: CheckScope) -> Self {
        let before = scope.before.map_or(u64::MAX, |at| by_now.micros(at));
        let mut mismatches = LiveMismatches::default();
        for (index, history) in by_now.histories().iter().enumerate() {
            for mismatch in history.mismatches() {
                let (Mismatch::Shown { place, at, .. }
                | Mismatch::Missing { place, at, .. }
                | Mismatch::Reappeared { place, at, .. }
                | Mismatch::Unread { place, at }) = *mismatch;
                let Some(entry) = history.entry(at).filter(|entry| entry.micros() < before) else { continue };
                let side = scope.target.map(|target| target.side(by_now.timestamp(entry.micros())));
                let Some(rows) = observed.get(place).and_then(Option::as_ref).filter(|_| side != Some(Side::After))
                else {
                    continue;
                };
                let of_user = mismatches.users.entry((place, index)).or_default();
                match *mismatch {
                    Mismatch::Shown { shown, .. } => {
                        if u64::try_from(rows.shown(index).seq).is_ok_and(|now| now >= at) {
                            of_user.shown.push((at, shown));
                        }
                    }
                    Mismatch::Missing { seq, .. } => drop(of_user.missing.insert(seq)),
                    Mismatch::Reappeared { seq, .. } => {
                        of_user.reappeared.push((at, seq));
                        of_user.found_by.insert(seq, at);
                    }
                    Mismatch::Unread { .. } => {
                        mismatches.unread += u64::from(entry.status() == CommitStatus::Acknowledged)
                    }
                }
            }
        }
        for of_user in mismatches.users.values_mut() {
            least_from_here(&mut of_user.shown);
            least_from_here(&mut of_user.reappeared);
        }
        mismatches
    }

    fn of(&self, place: usize, index: usize) -> Option<&OfUser> {
        if self.users.is_empty() { None } else { self.users.get(&(place, index)) }
    }

    /// Whether what a transaction wrote into the user's one row was gone when a later one wrote
    /// over it.
    pub(crate) fn was_gone(&self, place: usize, index: usize, seq: u64) -> bool {
        self.of(place, index).is_some_and(|of_user| least_after(&of_user.shown, seq) < seq)
    }

    /// Whether a row was gone when it was to be deleted.
    pub(crate) fn was_missing(&self, place: usize, index: usize, seq: u64) -> bool {
        self.of(place, index).is_some_and(|of_user| of_user.missing.contains(&seq))
    }

    /// Whether any row up to `reach` was there again after the transaction `by` had deleted it.
    pub(crate) fn any_reappeared(&self, place: usize, index: usize, by: u64, reach: u64) -> bool {
        self.of(place, index).is_some_and(|of_user| least_after(&of_user.reappeared, by) <= reach)
    }

    /// Whether the row `seq` was there again after the transaction `by` had deleted it.
    pub(crate) fn reappeared(&self, place: usize, index: usize, by: u64, seq: u64) -> bool {
        self.of(place, index).is_some_and(|of_user| of_user.found_by.get(&seq).is_some_and(|at| *at > by))
    }
}
