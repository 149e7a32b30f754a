//! What the judge found: in numbers, and one by one. Pure.

use std::collections::BinaryHeap;

use jiff::Timestamp;

use super::footprint::Footprint;
use super::history::{CommitStatus, Entry, Ledger};
use crate::pg::TableName;

/// At most so many of each sort are told one by one.
pub const SHOWN: usize = 1000;

/// What was found, in numbers. A transaction is of one sort alone, but one that is there may be there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Acknowledged transactions that were looked for.
    pub checked: u64,
    /// Acknowledged transactions that can't be looked for, since their kind has no ledger and may write.
    pub without_ledger: u64,
    /// Acknowledged ones of a kind none of which was ever found by its ledger, not even right after its commit.
    pub unresolved: u64,
    /// Acknowledged ones that wrote no row (a SELECT, `UPDATE 0`): there is nothing to look for.
    pub wrote_nothing: u64,
    /// Acknowledged ones that are not there.
    pub lost: u64,
    /// Acknowledged or doubtful ones of which one part is there and another is not.
    pub halves: u64,
    /// Of these, acknowledged ones.
    pub acknowledged_halves: u64,
    /// Acknowledged or doubtful ones that are there more than once.
    pub duplicated: u64,
    /// Doubtful ones that are there.
    pub in_doubt_present: u64,
    /// Doubtful ones that are not there.
    pub in_doubt_absent: u64,
    /// Doubtful ones of which nobody can say, since later ones wrote over what they left.
    pub in_doubt_hidden: u64,
    /// Rows with the number of one of our users and a `$seq` that it never tried there.
    pub unexpected: u64,
    /// Rejected ones that are there.
    pub resurrected: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.checked += other.checked;
        self.without_ledger += other.without_ledger;
        self.unresolved += other.unresolved;
        self.wrote_nothing += other.wrote_nothing;
        self.lost += other.lost;
        self.halves += other.halves;
        self.acknowledged_halves += other.acknowledged_halves;
        self.duplicated += other.duplicated;
        self.in_doubt_present += other.in_doubt_present;
        self.in_doubt_absent += other.in_doubt_absent;
        self.in_doubt_hidden += other.in_doubt_hidden;
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
    /// What that answer was: `acknowledged`, `in doubt`, `rejected`.
    pub fate: &'static str,
    /// What of it is there and what is not, where its kind alone does not say so.
    pub detail: String,
}

/// Where the recovery stopped that the rows come from.
///
/// A time is no order of commits: a commit takes its time before it is written to the WAL, and another one with a later time may be
/// written first. Recovery to a time stops at the first commit in the WAL that is later, and gives up what lies behind it, with earlier
/// times, too. What a user was told of before the target can't be among that: it was in the WAL already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// What was acknowledged before this is to be there.
    pub from: Timestamp,
    /// What was acknowledged after this was given up.
    pub to: Timestamp,
    /// When the recovery was over: what was acknowledged after this is to be there again.
    pub until: Option<Timestamp>,
}

/// On which side of a recovery target a transaction lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It should be there.
    Before,
    /// Nobody can say.
    At,
    /// It was given up by choice.
    After,
    /// It was acknowledged after the recovery, and should be there.
    Since,
}

impl Target {
    /// Where a transaction lies that was acknowledged then.
    pub fn side(&self, acknowledged: Timestamp) -> Side {
        match () {
            () if acknowledged < self.from => Side::Before,
            () if acknowledged <= self.to => Side::At,
            () if self.until.is_some_and(|until| acknowledged > until) => Side::Since,
            () => Side::After,
        }
    }
}

/// How many of a sort lie where, seen from a recovery target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sides {
    /// Before it: they should be there.
    pub before: u64,
    /// While it was made: nobody can say.
    pub at: u64,
    /// After it: given up by choice.
    pub after: u64,
    /// After the recovery: they should be there.
    pub since: u64,
}

/// Some transactions of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// The earliest, in the order of their answers; at most [`SHOWN`].
    pub earliest: Vec<Found>,
    /// The one whose answer came last.
    pub last: Option<Found>,
    /// How many lie where, where a target was given.
    pub sides: Option<Sides>,
}

impl Sample {
    /// The one whose answer came first.
    pub fn first(&self) -> Option<&Found> {
        self.earliest.first()
    }
}

/// A row that nobody wrote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stray {
    /// Its `$client`.
    pub client: u64,
    /// Its `$seq`, which may be anything.
    pub seq: i64,
    /// Where it is.
    pub table: String,
    /// The kind of the transaction with that `$seq`, which wrote nothing there. None where there was none.
    pub other: Option<String>,
}

/// What was found of one kind of transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindVerdict {
    /// The kind's name.
    pub kind: String,
    /// The most rows that one of them has left with its mark; 0 where nobody looked.
    pub most_rows: u64,
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
    /// Those that are there in part.
    pub halves: Sample,
    /// Those that are there more than once.
    pub duplicated: Sample,
    /// Those that were rejected and are there.
    pub resurrected: Sample,
    /// When the first and the last acknowledgement came that is lost, in whole or in part.
    pub gone: Option<(Timestamp, Timestamp)>,
    /// Rows that nobody wrote; at most [`SHOWN`].
    pub strays: Vec<Stray>,
    /// Acknowledged transactions that wrote over what could not be read first: a loss there would not be told.
    pub unread: u64,
    /// What else there is to know: `table shop.orders does not exist here`.
    pub notes: Vec<String>,
}

/// One of a sort: when, whose, which, and which of its parts are there and which are not, a bit for each.
type Item = (u64, u64, u64, u8, u8, u8, u8);

/// Keeps the earliest.
#[derive(Default)]
pub(crate) struct Collector {
    earliest: BinaryHeap<Item>,
    last: Option<Item>,
    sides: Sides,
}

impl Collector {
    /// Adds the one with this `$client` and `$seq`, and those of its parts that are there and that are not.
    pub(crate) fn add(&mut self, entry: Entry, (client, seq): (u64, u64), (there, gone): (u8, u8), side: Option<Side>) {
        let item = (entry.micros(), client, seq, entry.kind(), entry.fate() as u8, there, gone);
        match side {
            Some(Side::Before) => self.sides.before += 1,
            Some(Side::At) => self.sides.at += 1,
            Some(Side::After) => self.sides.after += 1,
            Some(Side::Since) => self.sides.since += 1,
            None => {}
        }
        self.last = self.last.max(Some(item));
        if self.earliest.len() < SHOWN {
            self.earliest.push(item);
        } else if self.earliest.peek().is_some_and(|latest| item < *latest) {
            self.earliest.pop();
            self.earliest.push(item);
        }
    }

    pub(crate) fn sample(self, ledger: &Ledger, with_sides: bool) -> Sample {
        let found = |(micros, client, seq, kind, fate, there, gone): Item| Found {
            kind: ledger.layout().kinds.get(usize::from(kind)).map(|kind| kind.name.clone()).unwrap_or_default(),
            client,
            seq,
            at: ledger.timestamp(micros),
            fate: match fate {
                fate if fate == CommitStatus::Acknowledged as u8 => "acknowledged",
                fate if fate == CommitStatus::Rejected as u8 => "rejected",
                _ => "in doubt",
            },
            detail: detail(ledger, kind, there, gone),
        };
        Sample {
            earliest: self.earliest.into_sorted_vec().into_iter().map(found).collect(),
            last: self.last.map(found),
            sides: with_sides.then_some(self.sides),
        }
    }
}

/// `in shop.orders, not in shop.payments`; nothing for a kind that leaves one row and no more.
fn detail(ledger: &Ledger, kind: u8, there: u8, gone: u8) -> String {
    let layout = ledger.layout();
    let Some(kind) = layout.kinds.get(usize::from(kind)) else { return String::new() };
    let rows = &kind.rows;
    if let ([(_, Footprint::Row)], [1]) = (kind.parts.as_slice(), rows.as_slice()) {
        return String::new();
    }
    let table =
        |place: usize| layout.places.get(place).map(|place| place.columns.table.to_string()).unwrap_or_default();
    let told = kind.parts.iter().enumerate().filter_map(|(at, (place, footprint))| {
        let table = table(*place);
        match (there >> at & 1, gone >> at & 1, footprint) {
            (1, 1, _) => Some(format!("some of its {} rows in {table}, not all", rows[at])),
            (1, _, _) => Some(format!("in {table}")),
            (_, 1, Footprint::Row) => Some(format!("not in {table}")),
            (_, 1, Footprint::Last) => Some(format!("{table} does not show it, nor a later one")),
            (_, 1, Footprint::Deletes(_)) => Some(format!("what it deleted from {table} is there")),
            _ => None,
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

impl Stray {
    /// A row in a table with the number of one of the users.
    pub(crate) fn new(ledger: &Ledger, table: &TableName, client: u64, seq: i64) -> Self {
        let book = client.checked_sub(ledger.first_client()).and_then(|index| usize::try_from(index).ok());
        let book = book.and_then(|index| ledger.books().get(index));
        let entry = book.and_then(|book| book.entry(u64::try_from(seq).ok()?));
        let other = entry.and_then(|entry| ledger.layout().kinds.get(usize::from(entry.kind())));
        Stray { client, seq, table: table.to_string(), other: other.map(|kind| kind.name.clone()) }
    }
}
