//! Kinds of transactions, and what their SQL writes.

use crate::pg::sql::{Verb, Write, first_words, only_reads, split_statements, writes};
use crate::pg::{SqlState, TableName};

/// The most rows of one transaction that are counted.
pub const MOST_ROWS: u8 = 200;

/// One kind of transaction.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name, for people.
    pub name: String,
    /// One or more statements with `$client` and `$seq` in them. Several without BEGIN are one
    /// transaction.
    pub sql: String,
    /// How often it is done in comparison with the others. 0: never.
    pub weight: u32,
    /// Where it can be found again: one for each table that it writes to.
    pub ledger: Vec<LedgerColumns>,
    /// Rejections that are counted and not raised.
    pub tolerate: Vec<SqlState>,
}

/// Where a transaction can be found again. What it leaves there is read from its SQL, see
/// [`Footprint`](super::Footprint).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerColumns {
    /// The table.
    pub table: TableName,
    /// The column of `$client`, as SQL writes it.
    pub client: String,
    /// The column of `$seq`, as SQL writes it.
    pub seq: String,
    /// How many rows with its mark a transaction leaves there, if the ledger says so.
    pub rows: Option<u8>,
}

/// What a kind writes: each write with the number of its statement.
pub(super) type Writes = Vec<(usize, Write)>;

impl LedgerColumns {
    /// Whether both look in the same place, whatever is to be found there.
    pub fn is_at(&self, other: &LedgerColumns) -> bool {
        (&self.table, &self.client, &self.seq) == (&other.table, &other.client, &other.seq)
    }
}

impl Kind {
    /// Whether its SQL writes nothing, as far as its text shows: then there is nothing to lose.
    pub fn only_reads(&self) -> bool {
        split_statements(&self.sql).into_iter().all(only_reads)
    }

    /// Whether it cannot be checked later: it may write, and has no ledger.
    pub fn is_unchecked(&self) -> bool {
        self.ledger.is_empty() && !self.only_reads()
    }

    /// What its SQL writes.
    pub(super) fn writes(&self) -> Writes {
        let statements = split_statements(&self.sql).into_iter().enumerate();
        statements.flat_map(|(number, text)| writes(text).into_iter().map(move |write| (number, write))).collect()
    }

    /// Whether its ledger names a table.
    pub(super) fn names(&self, table: &TableName) -> bool {
        self.ledger.iter().any(|columns| may_be(&columns.table, table))
    }

    /// Whether its SQL may put rows into a table that its ledger does not name: it says so, or runs
    /// what cannot be read here.
    pub(super) fn may_insert(&self, table: &TableName) -> bool {
        let opaque = |text: &str| {
            let words = first_words(text, 1);
            matches!(words.first().map(String::as_str), Some("select" | "call" | "do" | "with" | "copy"))
        };
        self.writes().iter().any(|(_, write)| write.verb != Verb::Delete && may_be(&write.table, table))
            || split_statements(&self.sql).into_iter().any(opaque)
    }
}

/// Whether both may be the same table: a name without a schema may be in any.
pub(super) fn may_be(one: &TableName, other: &TableName) -> bool {
    one.name == other.name && (one.schema == other.schema || one.schema.is_none() || other.schema.is_none())
}
