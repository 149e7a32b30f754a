//! What users did, and what a server has of it: what each transaction leaves behind ([`Footprint`]), what the server
//! acknowledged ([`Ledger`]), what was seen in the rows, and the checker that compares them ([`checker`]). Pure: no server is asked.

pub(crate) mod checker;
mod columns;
pub(crate) mod footprint;
pub(crate) mod history;
mod live_mismatch;
pub(crate) mod observed;
pub(crate) mod prewrite_check;
mod sample;
pub(crate) mod verdict;

use crate::pg::{SqlState, TableName};

pub use checker::{Asked, Proven};
pub(crate) use columns::column;
pub use footprint::{Deletes, Footprint, Footprints, Refusal, WriteSite, footprints};
pub use history::Ledger;
pub use sample::Picked;
pub use verdict::{Found, KindVerdict, SHOWN, Sample, Side, Sides, Stray, Tally, Target, Verdict};

/// One kind of transaction.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name, for people.
    pub name: String,
    /// One or more statements with `$client` and `$seq` in them. Several without BEGIN are one transaction.
    pub sql: String,
    /// How often it is done in comparison with the others. 0: never.
    pub weight: u32,
    /// Where it can be found again: one for each table that it writes to.
    pub ledger: Vec<LedgerColumns>,
    /// Rejections that are counted and not raised.
    pub tolerate: Vec<SqlState>,
}

/// Where a transaction can be found again: what it leaves there is read from its SQL, see [`Footprint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerColumns {
    /// The table.
    pub table: TableName,
    /// The column of `$client`, as SQL writes it.
    pub client: String,
    /// The column of `$seq`, as SQL writes it.
    pub seq: String,
    /// How many rows a transaction leaves there with its mark, where it is said.
    pub rows: Option<u8>,
}

impl LedgerColumns {
    /// Whether both look in the same place, whatever is to be found there.
    pub fn is_at(&self, other: &LedgerColumns) -> bool {
        (&self.table, &self.client, &self.seq) == (&other.table, &other.client, &other.seq)
    }
}

/// The most rows of one transaction that are counted.
pub const MOST_ROWS: u8 = 200;
