//! Compares a ledger with rows. Pure.
//!
//! A transaction is *there*, *not there*, or it has been written over, or deleted, by a later one of the same user, who looked for it
//! first ([`super::witness`]) and found nothing amiss. Users do one thing after the other, so that what one tries later comes later
//! on every server, too.

use jiff::Timestamp;

use super::footprint::{Deletes, Footprint};
use super::history::{CommitStatus, Entry, Ledger, Place};
use super::live_mismatch::LiveMismatches;
use super::observed::Observed;
use super::verdict::{Collector, KindVerdict, SHOWN, Stray, Tally, Target, Verdict};

/// What is to be judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Only what was acknowledged before this moment.
    pub before: Option<Timestamp>,
    /// Where the recovery stopped that the rows come from.
    pub target: Option<Target>,
}

/// What can be said of a part of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    There,
    ThereTwice,
    /// Of several rows some are there and some are not.
    InPart,
    NotThere,
    /// Nothing of it is to be seen, and nothing speaks against it.
    Unknown,
}

/// Of one user's rows in one place, where any are deleted.
#[derive(Debug, Clone, Copy)]
struct Deleted {
    /// The least `$seq` that is there.
    least: u64,
    /// Rows up to this one may be deleted.
    up_to: u64,
}

struct Judge<'a> {
    ledger: &'a Ledger,
    /// The ledger as it was when the rows had been read.
    by_now: &'a Ledger,
    /// For each place its rows, or None where there is no such table.
    seen: &'a [Option<Observed<'a>>],
    /// For each kind, what is known of its ledger.
    proven: &'a [Proven],
    before: u64,
    gaps: LiveMismatches,
    /// For each place and user, where rows are deleted up to some.
    deleted: Vec<Vec<Deleted>>,
    /// For each place, whether the server's counts of rows are wrong: rows are there of which it said that it wrote none.
    miscounted: Vec<bool>,
    /// For each kind, the parts that wrote nothing at least once.
    sometimes_hollow: Vec<u8>,
}

/// What has been found out about the ledger of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proven {
    /// Whether transactions were looked for right after their commit, and none was ever found.
    pub never_found: bool,
    /// The most rows that one has left with its mark; 0 where none was looked for.
    pub most_rows: u64,
}

/// The verdict over `seen`: for each place its rows, or None where there is no such table. `by_now` is the ledger after they were read.
pub(crate) fn compare(
    ledger: &Ledger,
    by_now: &Ledger,
    seen: &[Option<Observed<'_>>],
    proven: &[Proven],
    asked: Asked,
) -> Verdict {
    let before = asked.before.map_or(u64::MAX, |at| ledger.micros(at));
    let (gaps, deleted) = (LiveMismatches::new(by_now, seen, asked), vec![]);
    let mut judge =
        Judge { ledger, by_now, seen, proven, before, gaps, deleted, miscounted: vec![], sometimes_hollow: vec![] };
    judge.look_for_deleted();
    judge.look_for_hollow();
    let mut verdict = judge.verdict(asked.target);
    judge.add_strays(&mut verdict);
    verdict.unread = judge.gaps.unread;
    for kind in &verdict.kinds {
        verdict.total += kind.tally;
    }
    verdict
}

impl Judge<'_> {
    fn places(&self) -> &[Place] {
        &self.ledger.layout().places
    }

    fn parts(&self, entry: Entry) -> &[(usize, Footprint)] {
        self.ledger.layout().kinds.get(usize::from(entry.kind())).map_or(&[], |kind| kind.parts.as_slice())
    }

    fn proven(&self, entry: Entry) -> Proven {
        self.proven.get(usize::from(entry.kind())).copied().unwrap_or_default()
    }

    /// How many rows a part of a transaction leaves.
    fn rows(&self, entry: Entry, part: usize) -> u8 {
        let kind = self.ledger.layout().kinds.get(usize::from(entry.kind()));
        kind.and_then(|kind| kind.rows.get(part)).copied().unwrap_or(1)
    }

    fn leaves_row(&self, entry: Entry, place: usize) -> bool {
        self.parts(entry).contains(&(place, Footprint::Row))
    }

    fn count(&self, place: usize, index: usize, seq: u64) -> u64 {
        self.seen[place].as_ref().map_or(0, |rows| rows.count(index, seq))
    }

    /// Finds out, for each place and user, which rows may have been deleted.
    fn look_for_deleted(&mut self) {
        let up_to = |place: &Place| place.gone.iter().any(|gone| matches!(gone, Some(Deletes::UpTo(_))));
        let users = 0..self.ledger.books().len();
        self.deleted = (0..self.places().len())
            .map(|place| match up_to(&self.places()[place]) {
                true => users.clone().map(|index| self.deleted_of(place, index)).collect(),
                false => vec![],
            })
            .collect();
    }

    fn deleted_of(&self, place: usize, index: usize) -> Deleted {
        let mut least = u64::MAX;
        for (entry, seq) in self.ledger.books()[index].entries().zip(1..) {
            let written = entry.fate() != CommitStatus::Rejected && self.leaves_row(entry, place);
            if written && self.count(place, index, seq) > 0 {
                least = seq;
                break;
            }
        }
        let mut up_to = 0;
        let Some(book) = self.by_now.books().get(index) else { return Deleted { least, up_to } };
        for (entry, seq) in book.entries().zip(1..) {
            let gone = self.places()[place].gone.get(usize::from(entry.kind()));
            let Some(Some(Deletes::UpTo(back))) = gone else { continue };
            let reach = u64::saturating_sub(seq, *back);
            let known = self.ledger.books()[index].entry(seq).map(Entry::fate);
            let happened = match known {
                // A recovery may have stopped before those that are not judged.
                Some(CommitStatus::Acknowledged) if entry.micros() < self.before => true,
                _ if entry.fate() == CommitStatus::Rejected => false,
                // It happened wholly or not at all: where a row is left that it would have deleted, it did not.
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
        self.places()[place].gone.iter().enumerate().any(|(kind, gone)| {
            let Some(Deletes::Just(back)) = gone else { return false };
            let later = self.by_now.books().get(index).and_then(|book| book.entry(seq.checked_add(*back)?));
            later.is_some_and(|later| usize::from(later.kind()) == kind && later.fate() != CommitStatus::Rejected)
        })
    }

    /// Finds out what wrote nothing. A trigger that puts rows elsewhere makes the server count none: then its counts prove nothing.
    fn look_for_hollow(&mut self) {
        let mut miscounted = vec![false; self.places().len()];
        let mut sometimes = vec![0; self.ledger.layout().kinds.len()];
        for (index, book) in self.ledger.books().iter().enumerate().filter(|(_, book)| book.hollow()) {
            for (entry, seq) in book.entries().zip(1..).filter(|(entry, _)| entry.hollow_parts() != 0) {
                sometimes[usize::from(entry.kind())] |= entry.hollow_parts();
                for (at, part) in self.parts(entry).iter().enumerate() {
                    let state = self.state(*part, self.rows(entry, at), index, seq);
                    let there = matches!(state, State::There | State::ThereTwice | State::InPart);
                    miscounted[part.0] |= there && entry.hollow_parts() >> at & 1 == 1;
                }
            }
        }
        (self.miscounted, self.sometimes_hollow) = (miscounted, sometimes);
    }

    /// What can be said of a part that leaves so many rows.
    fn state(&self, (place, footprint): (usize, Footprint), rows_left: u8, index: usize, seq: u64) -> State {
        let Some(rows) = &self.seen[place] else { return State::NotThere };
        match footprint {
            Footprint::Row => match rows.count(index, seq) {
                0 if self.may_be_deleted(place, index, seq) => {
                    if self.gaps.was_missing(place, index, seq) {
                        State::NotThere
                    } else {
                        State::Unknown
                    }
                }
                0 => State::NotThere,
                count => match count.cmp(&u64::from(rows_left)) {
                    std::cmp::Ordering::Less => State::InPart,
                    std::cmp::Ordering::Equal => State::There,
                    std::cmp::Ordering::Greater => State::ThereTwice,
                },
            },
            Footprint::Last => {
                let shown = rows.shown(index);
                match i64::try_from(seq).unwrap_or(i64::MAX).cmp(&shown.seq) {
                    _ if shown.rows == 0 => State::NotThere,
                    std::cmp::Ordering::Greater => State::NotThere,
                    std::cmp::Ordering::Equal if shown.rows == 1 => State::There,
                    std::cmp::Ordering::Equal => State::ThereTwice,
                    std::cmp::Ordering::Less if self.gaps.was_gone(place, index, seq) => State::NotThere,
                    std::cmp::Ordering::Less => State::Unknown,
                }
            }
            Footprint::Deletes(Deletes::UpTo(back)) => {
                let reach = seq.saturating_sub(back);
                let least = self.deleted[place].get(index).map_or(u64::MAX, |deleted| deleted.least);
                let back = least <= reach || self.gaps.any_was_back(place, index, seq, reach);
                if back { State::NotThere } else { State::Unknown }
            }
            Footprint::Deletes(Deletes::Just(back)) => {
                let target = seq.saturating_sub(back);
                let written = self.ledger.books()[index]
                    .entry(target)
                    .is_some_and(|entry| entry.fate() != CommitStatus::Rejected && self.leaves_row(entry, place));
                let back = written && (rows.count(index, target) > 0 || self.gaps.was_back(place, index, seq, target));
                if back { State::NotThere } else { State::Unknown }
            }
        }
    }

    fn verdict(&self, target: Option<Target>) -> Verdict {
        let kinds = &self.ledger.layout().kinds;
        let mut tallies = vec![Tally::default(); kinds.len()];
        let (mut lost, mut halves, mut duplicated, mut resurrected): (Collector, Collector, Collector, Collector) =
            Default::default();
        let mut gone: Option<(u64, u64)> = None;
        for (index, book) in self.ledger.books().iter().enumerate() {
            let client = index as u64 + self.ledger.first_client();
            for (entry, seq) in book.entries().zip(1..) {
                let Some(tally) = tallies.get_mut(usize::from(entry.kind())) else { continue };
                let acknowledged = entry.fate() == CommitStatus::Acknowledged;
                let judged = entry.micros() < self.before;
                let parts = self.parts(entry);
                let proven = self.proven(entry);
                if proven.never_found && !parts.is_empty() {
                    tally.unresolved += u64::from(acknowledged && judged);
                    continue;
                }
                if parts.is_empty() {
                    let unchecked = !kinds[usize::from(entry.kind())].only_reads;
                    tally.without_ledger += u64::from(acknowledged && judged && unchecked);
                    tally.wrote_nothing += u64::from(acknowledged && judged && !unchecked);
                    continue;
                }
                if entry.fate() == CommitStatus::Pending || (entry.fate() != CommitStatus::Rejected && !judged) {
                    continue;
                }
                let (mut there, mut twice, mut not_there, mut looked_for) = (0_u8, false, 0_u8, false);
                for (at, part) in parts.iter().enumerate() {
                    let bit = 1 << at;
                    if entry.hollow_parts() & bit != 0 && !self.miscounted[part.0] {
                        continue;
                    }
                    looked_for = true;
                    match self.state(*part, self.rows(entry, at), index, seq) {
                        State::InPart => (there, not_there) = (there | bit, not_there | bit),
                        State::There => there |= bit,
                        State::ThereTwice => (there, twice) = (there | bit, true),
                        State::NotThere => not_there |= bit,
                        State::Unknown => {}
                    }
                }
                if !acknowledged && there != 0 {
                    // Nobody heard how many rows it wrote: there may have been none to write.
                    not_there &= !self.sometimes_hollow[usize::from(entry.kind())] | there;
                }
                let add = |sort: &mut Collector| {
                    let side = target.map(|target| target.side(self.ledger.timestamp(entry.micros())));
                    sort.add(entry, (client, seq), (there, not_there), side);
                };
                if entry.fate() == CommitStatus::Rejected {
                    if there != 0 {
                        tally.resurrected += 1;
                        add(&mut resurrected);
                    }
                    continue;
                }
                if !looked_for {
                    tally.wrote_nothing += u64::from(acknowledged);
                    continue;
                }
                tally.checked += u64::from(acknowledged);
                if twice {
                    tally.duplicated += 1;
                    add(&mut duplicated);
                }
                match (there != 0, not_there != 0) {
                    (true, true) => {
                        tally.halves += 1;
                        tally.acknowledged_halves += u64::from(acknowledged);
                        add(&mut halves);
                    }
                    (false, true) if acknowledged => {
                        tally.lost += 1;
                        add(&mut lost);
                    }
                    (false, true) => tally.in_doubt_absent += 1,
                    (true, false) => tally.in_doubt_present += u64::from(!acknowledged),
                    (false, false) => tally.in_doubt_hidden += u64::from(!acknowledged),
                }
                if acknowledged && not_there != 0 {
                    let (first, last) = gone.unwrap_or((u64::MAX, 0));
                    gone = Some((first.min(entry.micros()), last.max(entry.micros())));
                }
            }
        }
        let sample = |sort: Collector| sort.sample(self.ledger, target.is_some());
        let most_rows = |at: usize| self.proven.get(at).map_or(0, |proven| proven.most_rows);
        let kinds = kinds.iter().zip(tallies).enumerate();
        let kinds =
            kinds.map(|(at, (kind, tally))| KindVerdict { kind: kind.name.clone(), most_rows: most_rows(at), tally });
        Verdict {
            kinds: kinds.collect(),
            lost: sample(lost),
            halves: sample(halves),
            duplicated: sample(duplicated),
            resurrected: sample(resurrected),
            gone: gone.map(|(first, last)| (self.ledger.timestamp(first), self.ledger.timestamp(last))),
            ..Verdict::default()
        }
    }

    /// Adds the rows that nobody wrote, and the tables that are not there.
    fn add_strays(&self, verdict: &mut Verdict) {
        for (place, seen) in self.places().iter().zip(self.seen) {
            let table = &place.columns.table;
            let Some(rows) = seen else {
                let note = format!("table {table} does not exist here");
                if !verdict.notes.contains(&note) {
                    verdict.notes.push(note);
                }
                continue;
            };
            let (count, strays) = rows.strays();
            let first = self.ledger.layout().kinds.iter().position(|kind| {
                kind.parts
                    .iter()
                    .any(|(at, _)| self.places().get(*at).is_some_and(|at| at.columns.is_at(&place.columns)))
            });
            if let Some(kind) = first.and_then(|first| verdict.kinds.get_mut(first)) {
                kind.tally.unexpected += count;
            }
            let room = SHOWN - verdict.strays.len();
            let strays = strays.into_iter().take(room);
            verdict.strays.extend(strays.map(|(client, seq)| Stray::new(self.ledger, table, client, seq)));
        }
        verdict.strays.sort();
    }
}

#[cfg(test)]
mod tests;
