//! What a transaction leaves behind, by which the checker knows that it happened.

use super::kind::LedgerColumns;

/// More write sites than this in a transaction are not distinguished.
pub(super) const MOST_SITES: usize = 8;

/// What is left in one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footprint {
    /// A row with its own `$client` and `$seq`, once: an INSERT, or an UPDATE of a row that has no
    /// mark yet.
    Row,
    /// The user's one row, which shows the `$seq` of the last transaction that wrote it: an UPDATE
    /// of the user's own row, an upsert.
    Last,
    /// Rows of the user's earlier transactions are deleted.
    Deletes(Deletes),
}

impl Footprint {
    /// Whether it covers what earlier transactions have left, so that their loss could not be seen
    /// any more.
    pub(crate) fn hides(self) -> bool {
        matches!(self, Footprint::Last | Footprint::Deletes(_))
    }
}

/// Which earlier rows are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletes {
    /// All with a `$seq` that lies so far back, or farther.
    UpTo(u64),
    /// Just that one.
    Just(u64),
}

/// One footprint of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteSite {
    /// Where.
    pub columns: LedgerColumns,
    /// What.
    pub footprint: Footprint,
    /// How many rows.
    pub rows: u8,
    /// The statements, by their numbers, whose counts of rows say whether anything was written.
    pub statements: Vec<usize>,
}
