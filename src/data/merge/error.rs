//! Why nothing was merged.

use std::collections::BTreeMap;

use tokio_postgres::error::SqlState;

use super::merged::Merged;
use super::misfit::Misfit;
use crate::data::error::DataError;
use crate::pg::ColumnName;

/// Why nothing was merged, and nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A server refused, or a connection broke.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A table cannot be merged as it is.
    #[error("on `{side}`: {misfit}")]
    Misfit {
        /// The place of the table among those of the merge.
        table: usize,
        /// The node.
        side: String,
        /// What is wrong with it there.
        misfit: Misfit,
    },
    /// A column that is to be ignored is in none of the tables, or in keys alone.
    #[error("there is no column {0} beside the key")]
    NothingToIgnore(ColumnName),
    /// There is no difference to take back; so many rows were read of `good`.
    #[error("there is no difference between {0} rows")]
    Same(u64),
    /// Both the mistake and others have written rows between `good` and `bad`, so that what is
    /// whose cannot be told: the stories of these rows, with their keys on either server.
    #[error("both the mistake and others have written {} rows", .rows.len())]
    Mingled {
        /// The place of the table among those of the merge.
        table: usize,
        /// The keys, by the stories' numbers.
        rows: BTreeMap<usize, Vec<String>>,
    },
    /// Rows differ, and nobody is known who wrote them.
    #[error("nobody is known who wrote {rows} rows")]
    Unexplained {
        /// The place of the table among those of the merge.
        table: usize,
        /// How many, at least.
        rows: u64,
    },
    /// There are conflicts.
    #[error("there are {} conflicts", .0.conflicts)]
    Conflicts(Box<Merged>),
    /// There are conflicts that cannot be decided for `good`.
    #[error("there are conflicts that cannot be decided")]
    Undecided(Box<Merged>),
    /// Rows would refer to nothing when all tables are merged.
    #[error("{} rows would refer to nothing", .0.refused)]
    Dangling(Box<Merged>),
    /// Rows refer to rows of another table that are missing, and not because users have deleted
    /// them.
    #[error("{rows} rows of {table} are missing that rows refer to ({constraint})")]
    Parents {
        /// The other table.
        table: String,
        /// The foreign key.
        constraint: String,
        /// How many of its rows are missing, at least.
        rows: usize,
    },
    /// Others hold locks on the table: who.
    #[error("the table is locked by others: {}", .0.join("; "))]
    Locked(Vec<String>),
    /// The time was over.
    #[error("there was no time left for {0}")]
    Late(&'static str),
}

/// What an SQL error means here.
pub(super) fn refused(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> MergeError {
    move |error| match error.code() {
        Some(code) if *code == SqlState::QUERY_CANCELED => MergeError::Late(doing),
        _ => DataError::while_doing(doing)(error).into(),
    }
}

/// Whether an error says that rows do not satisfy a constraint.
pub(super) fn is_violation(error: &MergeError) -> bool {
    let MergeError::Data(DataError::Server { source, .. }) = error else { return false };
    source.code().is_some_and(|code| code.code().starts_with("23"))
}
