//! What can go wrong in this room.

use tokio_postgres::error::SqlState;

use crate::pg::{TableName, error_message, shown_identifier};

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
    /// A column that should be compared is not there.
    #[error("table {table} has no column {}", shown_identifier(.column))]
    NoColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// The condition that rows should satisfy is none that the server can read.
    #[error("the condition for rows of {table} cannot be read: {why}")]
    Filter {
        /// The table.
        table: TableName,
        /// What the server says.
        why: String,
    },
    /// A table is too large for each of its rows to be kept.
    #[error("the rows of {table} are too large to be kept one by one: they have more than {} MB", .most >> 20)]
    TooLarge {
        /// The table.
        table: TableName,
        /// The bytes that can be kept.
        most: usize,
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
    /// Whether a standby ended what it was asked, since replay could not wait for it any longer.
    pub fn is_conflict(&self) -> bool {
        let code = match self {
            DataError::Server { source, .. } => source.code(),
            _ => None,
        };
        code == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
    }

    /// For `map_err`: the error while `doing`.
    pub(super) fn while_doing(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> DataError {
        move |source| DataError::Server { doing: doing.into(), source }
    }
}

/// Results of this room.
pub type Result<T> = std::result::Result<T, DataError>;
