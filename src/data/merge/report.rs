//! What a merge came to, as it is told.

use std::fmt;
use std::time::Duration;

use super::constraints::{Constraint, Demand};
use super::sql::Case;
use crate::pg::quoted_values;

/// What a merge did, or would have done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Rows of `good` that were read.
    pub good_rows: u64,
    /// Rows of `bad` that were read, or of `into` where there is no `bad`.
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
    /// Values, and rows that are gone or referred to, that users have changed as well as the mistake.
    pub conflicts: u64,
    /// So many of them are what the server would refuse: values that are taken, rows that refer to nothing.
    pub refused: u64,
    /// The rows that they are in.
    pub conflict_rows: u64,
    /// The first of them.
    pub shown: Vec<Conflict>,
    /// How long users could not write to the table.
    pub locked: Duration,
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
            Misfit::NullableKey(column) => write!(f, "`{column}` may be null, and nulls are equal to nothing"),
            Misfit::Columns(wrong) => f.write_str(&wrong.join("; ")),
        }
    }
}

/// A cell of a row in conflict.
pub(super) struct Cell<'a> {
    pub(super) column: &'a str,
    pub(super) good: Option<&'a str>,
    pub(super) bad: Option<&'a str>,
    pub(super) now: Option<&'a str>,
}

/// What is told of a cell in conflict.
pub(super) fn told(case: Case, with_bad: bool, cell: &Cell<'_>) -> String {
    let Cell { column, good, bad, now } = cell;
    let [good, bad, now] = quoted_values([*good, *bad, *now]);
    match case {
        Case::Changed => format!("{column} was {good}, the mistake made it {bad}, and it is {now} now"),
        Case::Deleted if with_bad => {
            format!("{column} was {good}, the mistake deleted the row, and it is there again with {now}")
        }
        Case::Deleted => format!("{column} was {good}, and is {now} now"),
        Case::Inserted => format!("the mistake inserted the row with {column} {bad}, and it is {now} now"),
    }
}

/// What is told of a row that the server would refuse: `act` is what is done to it, `values` are those that the constraint is about, `other`
/// is the row that stands in its way.
pub(super) fn told_obstacle(
    constraint: &Constraint,
    act: &str,
    values: &[Option<&str>],
    other: Option<&str>,
) -> String {
    let Constraint { name, columns, demand } = constraint;
    let columns: Vec<String> = match demand {
        Demand::Alone { names, .. } => names.clone(),
        _ => columns.clone(),
    };
    let held: Vec<String> =
        columns.iter().zip(values).map(|(column, value)| format!("{column} {}", quoted_values([*value])[0])).collect();
    let held = held.join(", ");
    match demand {
        Demand::Alone { .. } => {
            format!("it had {held}, which the row with {} has now ({name})", other.unwrap_or("another key"))
        }
        Demand::Parent(link) => format!("{held} refers to a row of {} that is gone now ({name})", link.table),
        Demand::Child { link, .. } if act == "d" => {
            format!("the mistake inserted the row, and rows of {} refer to its {held} now ({name})", link.table)
        }
        Demand::Child { link, .. } => {
            format!("rows of {} refer to its {held}, which the mistake made it ({name})", link.table)
        }
        Demand::Check(_) if name == "not null" => format!("{held} is not allowed any more (not null)"),
        Demand::Check(_) => format!("its values are not allowed any more: {held} ({name})"),
    }
}

/// What is told of a row that the mistake changed and that is gone.
pub(super) fn told_gone(cells: &[Cell<'_>]) -> String {
    let changed: Vec<String> = cells
        .iter()
        .filter(|cell| cell.good != cell.bad)
        .map(|cell| {
            let [good, bad] = quoted_values([cell.good, cell.bad]);
            format!("{} was {good}, and was made {bad}", cell.column)
        })
        .collect();
    format!("the mistake changed the row ({}), and it is gone now", changed.join("; "))
}
