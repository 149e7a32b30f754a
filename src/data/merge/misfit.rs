//! Why a table cannot be merged.

use std::fmt;

/// Why a table cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// It is not there.
    NoTable,
    /// It is something else than a table with rows of its own.
    Kind(String),
    /// The key's column of this place is not there; one of a name that is near.
    NoColumn {
        /// Its place in the key.
        at: usize,
        /// A column that may be meant.
        near: Option<String>,
    },
    /// The key's columns do not tell one row from all others; those that do.
    NotUnique(String),
    /// There is no primary key, and no other key was named.
    NoPrimaryKey,
    /// A column of the key may be null.
    NullableKey(String),
    /// The columns are not those of `into`.
    Columns(Vec<String>),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::NoTable => f.write_str("there is no such table"),
            Misfit::Kind(what) => f.write_str(what),
            Misfit::NoColumn { near: Some(near), .. } => write!(f, "there is no such column; did you mean `{near}`?"),
            Misfit::NoColumn { near: None, .. } => f.write_str("there is no such column"),
            Misfit::NotUnique(_) => f.write_str("these columns do not tell one row from all others"),
            Misfit::NoPrimaryKey => f.write_str("the table has no primary key"),
            Misfit::NullableKey(column) => write!(f, "`{column}` may be null, and nulls are equal to nothing"),
            Misfit::Columns(wrong) => f.write_str(&wrong.join("; ")),
        }
    }
}
