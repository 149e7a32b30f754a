//! Compares a ledger with rows. Pure.

use std::collections::BinaryHeap;

use jiff::Timestamp;

use super::LedgerColumns;
use super::books::{Fate, Ledger};
use crate::pg::TableName;

/// At most so many of each sort are told one by one.
pub const SHOWN: usize = 1000;

/// What was found, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Acknowledged transactions that were looked for.
    pub checked: u64,
    /// Acknowledged transactions that can't be looked for, since their kind has no ledger.
    pub without_ledger: u64,
    /// Acknowledged ones that are not there.
    pub lost: u64,
    /// Acknowledged or doubtful ones that are there more than once.
    pub duplicated: u64,
    /// Doubtful ones that are there.
    pub in_doubt_present: u64,
    /// Doubtful ones that are not there.
    pub in_doubt_absent: u64,
    /// Rows with the number of one of our users and a `$seq` that it never tried.
    pub unexpected: u64,
    /// Rejected ones that are there.
    pub resurrected: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.checked += other.checked;
        self.without_ledger += other.without_ledger;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.in_doubt_present += other.in_doubt_present;
        self.in_doubt_absent += other.in_doubt_absent;
        self.unexpected += other.unexpected;
        self.resurrected += other.resurrected;
    }
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name of its kind.
    pub kind: String,
    /// Its `$client`.
    pub client: u64,
    /// Its `$seq`.
    pub seq: u64,
    /// When its answer came, by the clock of the machine that drillyard runs on.
    pub at: Timestamp,
}

/// Some transactions of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// The earliest, in the order of their answers; at most [`SHOWN`].
    pub earliest: Vec<Found>,
    /// The one whose answer came last.
    pub last: Option<Found>,
}

impl Sample {
    /// The one whose answer came first.
    pub fn first(&self) -> Option<&Found> {
        self.earliest.first()
    }
}

/// A row that nobody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Where it is.
    pub table: TableName,
    /// Its `$client`.
    pub client: u64,
    /// Its `$seq`, which may be anything.
    pub seq: i64,
}

/// What was found of one kind of transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindVerdict {
    /// The kind's name.
    pub kind: String,
    /// Its numbers. Unexpected rows are counted with the first kind of their table.
    pub tally: Tally,
}

/// What came out of comparing a ledger with the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// All kinds together.
    pub total: Tally,
    /// Each kind, in the workload's order.
    pub kinds: Vec<KindVerdict>,
    /// Those that are lost.
    pub lost: Sample,
    /// Those that are there more than once.
    pub duplicated: Sample,
    /// Those that were rejected and are there.
    pub resurrected: Sample,
    /// Rows that nobody wrote; at most [`SHOWN`].
    pub strays: Vec<Stray>,
    /// What else there is to know: `table shop.orders does not exist here`.
    pub notes: Vec<String>,
}

/// One place to look in: several kinds may share it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) columns: LedgerColumns,
    kinds: Vec<usize>,
}

/// The places where a ledger's transactions are to be found.
pub(super) fn targets(ledger: &Ledger) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for (index, kind) in ledger.kinds().iter().enumerate() {
        let Some(columns) = &kind.columns else { continue };
        match targets.iter_mut().find(|target| target.columns == *columns) {
            Some(target) => target.kinds.push(index),
            None => targets.push(Target { columns: columns.clone(), kinds: vec![index] }),
        }
    }
    targets
}

/// How often each transaction was seen in one target: 0, 1, or 2 and more; two bits each.
pub(super) struct Seen<'a> {
    ledger: &'a Ledger,
    clients: Vec<Counters>,
    strays: Vec<(u64, i64)>,
    unexpected: u64,
}

struct Counters {
    len: u64,
    words: Vec<u64>,
}

impl Counters {
    fn place(seq: u64) -> (usize, u32) {
        ((seq - 1) as usize / 32, (seq - 1) as u32 % 32 * 2)
    }

    fn get(&self, seq: u64) -> u64 {
        let (word, shift) = Self::place(seq);
        self.words[word] >> shift & 3
    }
}

impl<'a> Seen<'a> {
    pub(super) fn new(ledger: &'a Ledger) -> Self {
        let counters = |len: u64| Counters { len, words: vec![0; (len as usize).div_ceil(32)] };
        let clients = ledger.books().iter().map(|book| counters(book.tried())).collect();
        Seen { ledger, clients, strays: vec![], unexpected: 0 }
    }

    /// A row. Those whose client is none of ours are somebody else's.
    pub(super) fn row(&mut self, client: i64, seq: i64) {
        let place = u64::try_from(client).ok().and_then(|client| client.checked_sub(self.ledger.first_client()));
        let Some(index) = place.and_then(|index| usize::try_from(index).ok()) else { return };
        let Some(counters) = self.clients.get_mut(index) else { return };
        let number = u64::try_from(seq).unwrap_or(0);
        if (1..=counters.len).contains(&number) {
            let (word, shift) = Counters::place(number);
            if counters.words[word] >> shift & 2 == 0 {
                counters.words[word] += 1 << shift;
            }
        } else if number == 0 || number > self.ledger.tried_by_now(index) {
            // What was tried after the ledger was taken is neither lost nor unexpected.
            self.unexpected += 1;
            if self.strays.len() < SHOWN {
                self.strays.push((client as u64, seq));
            }
        }
    }
}

/// Keeps the earliest.
#[derive(Default)]
struct Collector {
    earliest: BinaryHeap<(u64, u64, u64, u8)>,
    last: Option<(u64, u64, u64, u8)>,
}

impl Collector {
    fn add(&mut self, micros: u64, client: u64, seq: u64, kind: u8) {
        let item = (micros, client, seq, kind);
        self.last = self.last.max(Some(item));
        if self.earliest.len() < SHOWN {
            self.earliest.push(item);
        } else if self.earliest.peek().is_some_and(|latest| item < *latest) {
            self.earliest.pop();
            self.earliest.push(item);
        }
    }

    fn sample(self, ledger: &Ledger) -> Sample {
        let found = |(micros, client, seq, kind): (u64, u64, u64, u8)| Found {
            kind: ledger.kinds().get(usize::from(kind)).map(|kind| kind.name.clone()).unwrap_or_default(),
            client,
            seq,
            at: ledger.timestamp(micros),
        };
        Sample {
            earliest: self.earliest.into_sorted_vec().into_iter().map(found).collect(),
            last: self.last.map(found),
        }
    }
}

/// The verdict over `seen`: for each target its rows, or None where there is no such table.
pub(super) fn judge(ledger: &Ledger, seen: &[(Target, Option<Seen<'_>>)], before: Option<Timestamp>) -> Verdict {
    let before = before.map_or(u64::MAX, |at| ledger.micros(at));
    let mut verdict = Verdict::default();
    let mut tallies = vec![Tally::default(); ledger.kinds().len()];
    let mut target_of = vec![None; ledger.kinds().len()];
    for (target, rows) in seen {
        for kind in &target.kinds {
            target_of[*kind] = Some(rows);
        }
        let Some(rows) = rows else {
            verdict.notes.push(format!("table {} does not exist here", target.columns.table));
            continue;
        };
        if let Some(first) = target.kinds.first() {
            tallies[*first].unexpected += rows.unexpected;
        }
        let room = SHOWN - verdict.strays.len();
        let table = &target.columns.table;
        verdict.strays.extend(rows.strays.iter().take(room).map(|&(client, seq)| Stray {
            table: table.clone(),
            client,
            seq,
        }));
    }
    let (mut lost, mut duplicated, mut resurrected) = Default::default();
    let collect = |into: &mut Collector, entry: super::books::Entry, client: u64, seq| {
        into.add(entry.micros(), client, seq, entry.kind());
    };
    for (index, book) in ledger.books().iter().enumerate() {
        for (entry, seq) in book.entries().zip(1..) {
            let client = index as u64 + ledger.first_client();
            let kind = usize::from(entry.kind());
            let (Some(tally), Some(target)) = (tallies.get_mut(kind), target_of.get(kind)) else { continue };
            let acknowledged = entry.fate() == Fate::Acknowledged;
            let judged = entry.micros() < before;
            let Some(rows) = target else {
                tally.without_ledger += u64::from(acknowledged && judged);
                continue;
            };
            let count = rows.as_ref().map_or(0, |rows| rows.clients[index].get(seq));
            match entry.fate() {
                Fate::Rejected if count > 0 => {
                    tally.resurrected += 1;
                    collect(&mut resurrected, entry, client, seq);
                }
                Fate::Acknowledged | Fate::InDoubt if judged => {
                    if count > 1 {
                        tally.duplicated += 1;
                        collect(&mut duplicated, entry, client, seq);
                    }
                    match (acknowledged, count) {
                        (true, 0) => {
                            tally.lost += 1;
                            collect(&mut lost, entry, client, seq);
                        }
                        (true, _) => {}
                        (false, 0) => tally.in_doubt_absent += 1,
                        (false, _) => tally.in_doubt_present += 1,
                    }
                    tally.checked += u64::from(acknowledged);
                }
                _ => {}
            }
        }
    }
    (verdict.lost, verdict.duplicated) = (lost.sample(ledger), duplicated.sample(ledger));
    verdict.resurrected = resurrected.sample(ledger);
    for (kind, tally) in ledger.kinds().iter().zip(tallies) {
        verdict.total += tally;
        verdict.kinds.push(KindVerdict { kind: kind.name.clone(), tally });
    }
    verdict
}

#[cfg(test)]
mod tests;
