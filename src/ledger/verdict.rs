//! What the checker found: in numbers, and one by one.

use std::collections::BinaryHeap;

use jiff::Timestamp;

use super::footprint::Footprint;
use super::history::{CommitStatus, Entry, Ledger};
use super::layout::Site;
use crate::pg::TableName;

/// At most so many of each sort are reported one by one.
pub const SHOWN: usize = 1000;

/// What was found, in numbers. A transaction is of one sort alone, but one that is there may be
/// there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Acknowledged transactions that were looked for.
    pub checked: u64,
    /// Acknowledged transactions that cannot be looked for, since their kind has no ledger and may
    /// write.
    pub without_ledger: u64,
    /// Acknowledged ones of a kind none of which was ever found by its ledger, not even right after
    /// its commit.
    pub unresolved: u64,
    /// Acknowledged ones that wrote no row (a SELECT, `UPDATE 0`): there is nothing to look for.
    pub wrote_nothing: u64,
    /// Acknowledged ones that are not there.
    pub lost: u64,
    /// Acknowledged or doubtful ones, of which one row or table has its mark and another has not.
    pub partial: u64,
    /// Of these, acknowledged ones.
    pub acknowledged_partial: u64,
    /// Acknowledged or doubtful ones that are there more than once.
    pub duplicated: u64,
    /// Doubtful ones that are there.
    pub in_doubt_present: u64,
    /// Doubtful ones that are not there.
    pub in_doubt_absent: u64,
    /// Doubtful ones that cannot be looked for any more, since later ones wrote over what they
    /// left.
    pub in_doubt_hidden: u64,
    /// Rows with the number of one of our users and a `$seq` that it never tried there.
    pub unexpected: u64,
    /// Rejected ones that are there.
    pub rejected_present: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.checked += other.checked;
        self.without_ledger += other.without_ledger;
        self.unresolved += other.unresolved;
        self.wrote_nothing += other.wrote_nothing;
        self.lost += other.lost;
        self.partial += other.partial;
        self.acknowledged_partial += other.acknowledged_partial;
        self.duplicated += other.duplicated;
        self.in_doubt_present += other.in_doubt_present;
        self.in_doubt_absent += other.in_doubt_absent;
        self.in_doubt_hidden += other.in_doubt_hidden;
        self.unexpected += other.unexpected;
        self.rejected_present += other.rejected_present;
    }
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampledTransaction {
    /// The name of its kind.
    pub kind: String,
    /// Its `$client`.
    pub client: u64,
    /// Its `$seq`.
    pub seq: u64,
    /// When its answer came, by the clock of the machine on which drillyard runs.
    pub at: Timestamp,
    /// What that answer was: `acknowledged`, `in doubt`, `rejected`.
    pub status: &'static str,
    /// What of it is there and what is not, unless its kind alone says so.
    pub detail: String,
}

/// Where the recovery stopped that the rows come from.
///
/// The order of times is not the order of commits: a commit takes its time before it is written to
/// the WAL, and another one with a later time may be written first. Recovery to a time stops at the
/// first commit in the WAL that is later, and gives up what lies behind it, even what has earlier
/// times. Anything acknowledged before the target was in the WAL already, and is not among that.
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
    /// It may be on either side.
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
    /// While it was made: on either side.
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
    pub earliest: Vec<SampledTransaction>,
    /// The one whose answer came last.
    pub last: Option<SampledTransaction>,
    /// How many lie where, if a target was given.
    pub sides: Option<Sides>,
}

impl Sample {
    /// The one whose answer came first.
    pub fn first(&self) -> Option<&SampledTransaction> {
        self.earliest.first()
    }
}

/// A row that no user wrote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnexpectedRow {
    /// Its `$client`.
    pub client: u64,
    /// Its `$seq`, which may be anything.
    pub seq: i64,
    /// Where it is.
    pub table: String,
    /// The kind of the transaction with that `$seq`, which wrote nothing there. None if there was
    /// none.
    pub other: Option<String>,
}

/// What was found of one kind of transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindVerdict {
    /// The kind's name.
    pub kind: String,
    /// The most rows that one of them has left with its mark; 0 if none was looked up.
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
    /// Those of which only a part is there.
    pub partial: Sample,
    /// Those that are there more than once.
    pub duplicated: Sample,
    /// Those that were rejected and are there.
    pub rejected_present: Sample,
    /// When the first and the last acknowledgement came that is lost, in whole or in part.
    pub lost_between: Option<(Timestamp, Timestamp)>,
    /// Rows that no user wrote; at most [`SHOWN`].
    pub unexpected: Vec<UnexpectedRow>,
    /// Acknowledged transactions that wrote over what could not be read first: a loss there would
    /// not be seen.
    pub unread: u64,
    /// What else there is to know: `table shop.orders does not exist here`.
    pub notes: Vec<String>,
}

/// One of a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    /// When its answer came.
    micros: u64,
    client: u64,
    seq: u64,
    kind: u8,
    status: u8,
    /// Which of its sites are there and which are not, a bit for each.
    present: u8,
    absent: u8,
}

/// Keeps the earliest.
#[derive(Default)]
pub(super) struct Collector {
    earliest: BinaryHeap<Item>,
    last: Option<Item>,
    sides: Sides,
}

impl Collector {
    /// Adds the one with this `$client` and `$seq`, and those of its sites that are there and that
    /// are not.
    pub(super) fn add(
        &mut self,
        entry: Entry,
        (client, seq): (u64, u64),
        (present, absent): (u8, u8),
        side: Option<Side>,
    ) {
        let (micros, kind, status) = (entry.micros(), entry.kind(), entry.status() as u8);
        let item = Item { micros, client, seq, kind, status, present, absent };
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

    pub(super) fn sample(self, ledger: &Ledger, with_sides: bool) -> Sample {
        let transaction = |item: Item| SampledTransaction {
            kind: ledger.layout().kinds.get(usize::from(item.kind)).map(|kind| kind.name.clone()).unwrap_or_default(),
            client: item.client,
            seq: item.seq,
            at: ledger.timestamp(item.micros),
            status: match item.status {
                status if status == CommitStatus::Acknowledged as u8 => "acknowledged",
                status if status == CommitStatus::Rejected as u8 => "rejected",
                _ => "in doubt",
            },
            detail: detail(ledger, item),
        };
        Sample {
            earliest: self.earliest.into_sorted_vec().into_iter().map(transaction).collect(),
            last: self.last.map(transaction),
            sides: with_sides.then_some(self.sides),
        }
    }
}

/// `in shop.orders, not in shop.payments`; nothing for a kind that leaves one row and no more.
fn detail(ledger: &Ledger, item: Item) -> String {
    let layout = ledger.layout();
    let Some(kind) = layout.kinds.get(usize::from(item.kind)) else { return String::new() };
    if let [Site { footprint: Footprint::Row, rows: 1, .. }] = kind.sites.as_slice() {
        return String::new();
    }
    let table =
        |place: usize| layout.places.get(place).map(|place| place.columns.table.to_string()).unwrap_or_default();
    let said = kind.sites.iter().enumerate().filter_map(|(at, site)| {
        let table = table(site.place);
        match (item.present >> at & 1, item.absent >> at & 1, site.footprint) {
            (1, 1, _) => Some(format!("some of its {} rows in {table}, not all", site.rows)),
            (1, _, _) => Some(format!("in {table}")),
            (_, 1, Footprint::Row) => Some(format!("not in {table}")),
            (_, 1, Footprint::Last) => Some(format!("{table} does not show it, nor a later one")),
            (_, 1, Footprint::Deletes(_)) => Some(format!("what it deleted from {table} is there")),
            _ => None,
        }
    });
    said.collect::<Vec<_>>().join(", ")
}

impl UnexpectedRow {
    /// A row in a table with the number of one of the users.
    pub(super) fn new(ledger: &Ledger, table: &TableName, client: u64, seq: i64) -> Self {
        let index = client.checked_sub(ledger.first_client()).and_then(|index| usize::try_from(index).ok());
        let history = index.and_then(|index| ledger.histories().get(index));
        let entry = history.and_then(|history| history.entry(u64::try_from(seq).ok()?));
        let other = entry.and_then(|entry| ledger.layout().kinds.get(usize::from(entry.kind())));
        UnexpectedRow { client, seq, table: table.to_string(), other: other.map(|kind| kind.name.clone()) }
    }
}
