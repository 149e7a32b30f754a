//! What a merge came to.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use crate::pg::Xid;

/// What a merge did, or would have done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Rows of `good` that were read.
    pub good_rows: u64,
    /// Rows of `bad` that were read, or of `into` if there is no `bad`.
    pub other_rows: u64,
    /// Rows that the mistake changed.
    pub changed: u64,
    /// Rows that the mistake deleted; without `bad` those that are missing or different in `into`.
    pub deleted: u64,
    /// Rows that the mistake inserted.
    pub inserted: u64,
    /// Rows in which values were put back.
    pub restored_rows: u64,
    /// Values that were put back, those of conflicts aside.
    pub restored_cells: u64,
    /// Rows that were put back.
    pub put_back: u64,
    /// Rows that were removed.
    pub removed: u64,
    /// Rows in which there was nothing left to do.
    pub already: u64,
    /// Values, and rows that are gone or referred to, that users have changed as well as the
    /// mistake.
    pub conflicts: u64,
    /// So many of them are what the server would refuse: values that are taken, rows that refer to
    /// nothing.
    pub refused: u64,
    /// The rows that they are in.
    pub conflict_rows: u64,
    /// The first of them.
    pub shown: Vec<Conflict>,
    /// The transactions that wrote the rows of `bad` that differ.
    pub writers: HashSet<Xid>,
    /// How long users could not write to the table.
    pub locked: Duration,
    /// How it is done by hand; none if several tables were merged, or the server would have refused
    /// to do it straight away.
    pub by_hand: Option<ByHand>,
}

impl Merged {
    /// Adds what came of another table, by whose name its conflicts are called.
    pub(super) fn add(&mut self, other: Merged, table: Option<&str>) {
        let named = |conflict: Conflict| match table {
            Some(table) => Conflict { key: format!("{table} {}", conflict.key), ..conflict },
            None => conflict,
        };
        self.good_rows += other.good_rows;
        self.other_rows += other.other_rows;
        self.changed += other.changed;
        self.deleted += other.deleted;
        self.inserted += other.inserted;
        self.restored_rows += other.restored_rows;
        self.restored_cells += other.restored_cells;
        self.put_back += other.put_back;
        self.removed += other.removed;
        self.already += other.already;
        self.conflicts += other.conflicts;
        self.refused += other.refused;
        self.conflict_rows += other.conflict_rows;
        self.writers.extend(other.writers);
        self.by_hand = other.by_hand;
        self.shown.extend(other.shown.into_iter().map(named));
    }
}

/// How the merge of a table is done by hand. It is about every column and everything that a mistake
/// can do to a row: whoever follows it has met another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// The query whose rows are brought from `good` and from `bad`.
    pub rows: String,
    /// Makes the tables for them.
    pub tables: String,
    /// The table for the rows of `good`.
    pub good: &'static str,
    /// That for the rows of `bad`.
    pub bad: &'static str,
    /// The merge, once the rows are there.
    pub merge: String,
}

/// One value that both the mistake and users have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The row: `id 17`.
    pub key: String,
    /// What happened to it.
    pub what: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}
