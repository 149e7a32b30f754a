//! What tables hold and what they look like: rows made by a generator, checksums of rows, the catalog's view of a table,
//! and what depends on it.

mod catalog;
mod catalog_query;
mod columns;
mod dependents;
mod differences;
mod generate;
mod hash;
mod intact;
mod large_objects;
mod merge;
mod options;
mod rows;
mod sequences;

#[cfg(test)]
mod testing;

pub use catalog::{Catalog, Fact, Relation};
pub use columns::{Columns, ColumnsError};
pub use dependents::Dependents;
pub use differences::{Difference, DifferenceKind, told};
pub use generate::Generator;
pub use hash::RowSum;
pub use intact::{Amcheck, Checked, Damage, REINDEX, is_damage, is_damage_of_database};
pub use large_objects::LargeObjects;
pub use merge::{Compared, Conflict, Merge, MergeError, Merged, Misfit, OnConflict, Side};
pub use rows::{
    Comparison, PartDifference, Rest, RowChange, RowDifference, RowsSnapshot, Wanted, Written, compare,
    rewrote_the_same, row_sum,
};
pub use sequences::{End, Position, Sequence, last_numbers};

use crate::pg::{TableName, error_message};

/// What can go wrong when tables are read or filled.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The server refused, or the connection broke.
    #[error("{doing}: {}", error_message(.source))]
    Server {
        /// What was being done: `reading the catalog`.
        doing: String,
        /// What the server or the connection said.
        source: tokio_postgres::Error,
    },
    /// A table is not there.
    #[error("table {table} does not exist in this database")]
    Missing {
        /// As it was asked for.
        table: TableName,
    },
    /// More rows than the primary key's type can count.
    #[error("{rows} rows are too many for the primary key of {table}, which counts to {most}; make it a bigint")]
    TooMany {
        /// The table that was to be made.
        table: TableName,
        /// The rows that it was to have.
        rows: u64,
        /// The rows that it can have.
        most: u64,
    },
    /// What the server answered is not what drillyard asked for.
    #[error("{doing}: the server's answer could not be read: {what}")]
    Answer {
        /// What was being done.
        doing: String,
        /// What was found.
        what: String,
    },
}

impl DataError {
    /// For `map_err`: the error while `doing`.
    fn while_doing(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> DataError {
        move |source| DataError::Server { doing: doing.into(), source }
    }
}

/// Results of this room.
pub type Result<T> = std::result::Result<T, DataError>;
