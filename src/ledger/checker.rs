//! Compares a ledger with rows.

use super::history::{CommitStatus, Entry, Ledger};
use super::observed::Observed;
use super::presence::{Evidence, Presence};
use super::scope::{CheckScope, LookupSummary};
use super::verdict::{Collector, KindVerdict, SHOWN, Tally, Target, UnexpectedRow, Verdict};

struct Checker<'a> {
    ledger: &'a Ledger,
    /// For each place its rows, or None if there is no such table.
    observed: &'a [Option<Observed<'a>>],
    evidence: Evidence<'a>,
    /// For each kind, what look-ups have shown of its ledger.
    lookups: &'a [LookupSummary],
    /// Where the recovery stopped that the rows come from.
    target: Option<Target>,
    /// For each place, whether the server's counts of rows are wrong: rows are there although it
    /// said that it wrote none.
    miscounted: Vec<bool>,
    /// For each kind, the sites at which at least one transaction wrote no row.
    sometimes_empty: Vec<u8>,
}

/// What is found of one transaction, a bit for each of its sites.
#[derive(Debug, Clone, Copy, Default)]
struct Traces {
    present: u8,
    absent: u8,
    duplicated: bool,
    /// Whether there is anything to look for: false if it wrote nothing.
    looked_for: bool,
}

/// The transactions that are not as they should be, by their sort.
#[derive(Default)]
struct Samples {
    lost: Collector,
    partial: Collector,
    duplicated: Collector,
    rejected_present: Collector,
    /// The first and the last acknowledgement that is lost, in whole or in part.
    lost_between: Option<(u64, u64)>,
}

/// The verdict on what was observed: for each place its rows, or None if there is no such table.
/// `by_now` is the ledger after they were read.
pub(crate) fn compare(
    ledger: &Ledger,
    by_now: &Ledger,
    observed: &[Option<Observed<'_>>],
    lookups: &[LookupSummary],
    scope: CheckScope,
) -> Verdict {
    let evidence = Evidence::new(ledger, by_now, observed, scope);
    let (miscounted, sometimes_empty) = (vec![], vec![]);
    let mut checker =
        Checker { ledger, observed, evidence, lookups, target: scope.target, miscounted, sometimes_empty };
    checker.find_empty();
    let mut verdict = checker.verdict();
    checker.add_unexpected_rows(&mut verdict);
    verdict.unread = checker.evidence.mismatches.unread;
    for kind in &verdict.kinds {
        verdict.total += kind.tally;
    }
    verdict
}

impl Checker<'_> {
    /// Finds out what wrote nothing. A trigger that puts rows elsewhere makes the server count
    /// none: then its counts prove nothing.
    fn find_empty(&mut self) {
        let mut miscounted = vec![false; self.ledger.layout().places.len()];
        let mut sometimes = vec![0; self.ledger.layout().kinds.len()];
        let histories = self.ledger.histories().iter().enumerate();
        for (index, history) in histories.filter(|(_, history)| history.has_empty_sites()) {
            for (entry, seq) in history.entries().zip(1..).filter(|(entry, _)| entry.empty_sites() != 0) {
                sometimes[usize::from(entry.kind())] |= entry.empty_sites();
                for (at, site) in self.evidence.sites(entry).iter().enumerate() {
                    let presence = self.evidence.presence(*site, index, seq);
                    let there = matches!(presence, Presence::Present | Presence::Duplicated | Presence::Partial);
                    miscounted[site.place] |= there && entry.empty_sites() >> at & 1 == 1;
                }
            }
        }
        (self.miscounted, self.sometimes_empty) = (miscounted, sometimes);
    }

    fn verdict(&self) -> Verdict {
        let kinds = &self.ledger.layout().kinds;
        let mut tallies = vec![Tally::default(); kinds.len()];
        let mut samples = Samples::default();
        for (index, history) in self.ledger.histories().iter().enumerate() {
            let client = index as u64 + self.ledger.first_client();
            for (entry, seq) in history.entries().zip(1..) {
                let Some(tally) = tallies.get_mut(usize::from(entry.kind())) else { continue };
                if !self.is_left_out(entry, tally) {
                    let traces = self.traces(entry, index, seq);
                    self.count(entry, (client, seq), traces, tally, &mut samples);
                }
            }
        }
        let sample = |sort: Collector| sort.sample(self.ledger, self.target.is_some());
        let most_rows = |at: usize| self.lookups.get(at).map_or(0, |lookup| lookup.most_rows);
        let kinds = kinds.iter().zip(tallies).enumerate();
        let kinds =
            kinds.map(|(at, (kind, tally))| KindVerdict { kind: kind.name.clone(), most_rows: most_rows(at), tally });
        let lost_between = samples.lost_between;
        Verdict {
            kinds: kinds.collect(),
            lost: sample(samples.lost),
            partial: sample(samples.partial),
            duplicated: sample(samples.duplicated),
            rejected_present: sample(samples.rejected_present),
            lost_between: lost_between.map(|(first, last)| (self.ledger.timestamp(first), self.ledger.timestamp(last))),
            ..Verdict::default()
        }
    }

    /// Whether a transaction is not looked for: it cannot be, need not be, or is out of scope.
    fn is_left_out(&self, entry: Entry, tally: &mut Tally) -> bool {
        let Some(kind) = self.ledger.layout().kinds.get(usize::from(entry.kind())) else { return true };
        let in_scope = self.evidence.is_in_scope(entry);
        let counts = u64::from(in_scope && entry.status() == CommitStatus::Acknowledged);
        if kind.sites.is_empty() {
            let sort = if kind.only_reads { &mut tally.wrote_nothing } else { &mut tally.without_ledger };
            *sort += counts;
            return true;
        }
        if self.lookups.get(usize::from(entry.kind())).is_some_and(|lookup| lookup.never_found) {
            tally.unresolved += counts;
            return true;
        }
        match entry.status() {
            CommitStatus::Pending => true,
            CommitStatus::Rejected => false,
            CommitStatus::Acknowledged | CommitStatus::Unknown => !in_scope,
        }
    }

    fn traces(&self, entry: Entry, index: usize, seq: u64) -> Traces {
        let mut traces = Traces::default();
        for (at, site) in self.evidence.sites(entry).iter().enumerate() {
            let bit = 1 << at;
            if entry.empty_sites() & bit != 0 && !self.miscounted[site.place] {
                continue;
            }
            traces.looked_for = true;
            match self.evidence.presence(*site, index, seq) {
                Presence::Present => traces.present |= bit,
                Presence::Absent => traces.absent |= bit,
                Presence::Unknown => {}
                Presence::Duplicated => (traces.present, traces.duplicated) = (traces.present | bit, true),
                Presence::Partial => {
                    (traces.present, traces.absent) = (traces.present | bit, traces.absent | bit);
                }
            }
        }
        if entry.status() != CommitStatus::Acknowledged && traces.present != 0 {
            // Its counts of rows were never received: there may have been none to write.
            traces.absent &= !self.sometimes_empty[usize::from(entry.kind())] | traces.present;
        }
        traces
    }

    /// Counts a transaction by what is found of it.
    fn count(&self, entry: Entry, id: (u64, u64), traces: Traces, tally: &mut Tally, samples: &mut Samples) {
        let acknowledged = entry.status() == CommitStatus::Acknowledged;
        let add = |sort: &mut Collector| {
            let side = self.target.map(|target| target.side(self.ledger.timestamp(entry.micros())));
            sort.add(entry, id, (traces.present, traces.absent), side);
        };
        let (present, absent) = (traces.present != 0, traces.absent != 0);
        if entry.status() == CommitStatus::Rejected {
            if present {
                tally.rejected_present += 1;
                add(&mut samples.rejected_present);
            }
            return;
        }
        if !traces.looked_for {
            tally.wrote_nothing += u64::from(acknowledged);
            return;
        }
        tally.checked += u64::from(acknowledged);
        if traces.duplicated {
            tally.duplicated += 1;
            add(&mut samples.duplicated);
        }
        match (present, absent) {
            (true, true) => {
                tally.partial += 1;
                tally.acknowledged_partial += u64::from(acknowledged);
                add(&mut samples.partial);
            }
            (false, true) if acknowledged => {
                tally.lost += 1;
                add(&mut samples.lost);
            }
            (false, true) => tally.in_doubt_absent += 1,
            (true, false) => tally.in_doubt_present += u64::from(!acknowledged),
            (false, false) => tally.in_doubt_hidden += u64::from(!acknowledged),
        }
        if acknowledged && absent {
            let (first, last) = samples.lost_between.unwrap_or((u64::MAX, 0));
            samples.lost_between = Some((first.min(entry.micros()), last.max(entry.micros())));
        }
    }

    /// Adds the rows that no user wrote, and the tables that do not exist.
    fn add_unexpected_rows(&self, verdict: &mut Verdict) {
        let layout = self.ledger.layout();
        for (number, (place, observed)) in layout.places.iter().zip(self.observed).enumerate() {
            let table = &place.columns.table;
            let Some(rows) = observed else {
                let note = format!("table {table} does not exist here");
                if !verdict.notes.contains(&note) {
                    verdict.notes.push(note);
                }
                continue;
            };
            let (count, unexpected) = rows.unexpected_rows();
            let first = layout.kinds.iter().position(|kind| kind.sites.iter().any(|site| site.place == number));
            if let Some(kind) = first.and_then(|first| verdict.kinds.get_mut(first)) {
                kind.tally.unexpected += count;
            }
            let room = SHOWN - verdict.unexpected.len();
            let shown = unexpected.into_iter().take(room);
            verdict.unexpected.extend(shown.map(|(client, seq)| UnexpectedRow::new(self.ledger, table, client, seq)));
        }
        verdict.unexpected.sort();
    }
}

#[cfg(test)]
mod tests;
