//! What came of comparing two tables.

use std::fmt;

use super::difference::RowDifference;
use crate::data::hash::RowSum;

/// How many rows differ in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// So many.
    Exactly(u64),
    /// So many, and perhaps more.
    AtLeast(u64),
}

/// What came of comparing two tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Whether they hold the same rows.
    pub same: bool,
    /// How many rows there should be.
    pub first: u64,
    /// How many there are.
    pub second: u64,
    /// What is wrong with the columns, a line each; then no rows were looked at.
    pub columns: Vec<String>,
    /// The first rows that differ, in the order of the first table's key.
    pub differences: Vec<RowDifference>,
    /// The first parts of the table that differ, where rows cannot be named.
    pub parts: Vec<PartDifference>,
    /// How many rows differ.
    pub rest: Rest,
    /// The columns that may differ, and whose values are the same in all rows.
    pub idle: Vec<String>,
    /// How many rows the servers have sent for this, those with sums too.
    pub read: u64,
}

impl Default for Comparison {
    fn default() -> Self {
        Comparison {
            same: false,
            first: 0,
            second: 0,
            columns: vec![],
            differences: vec![],
            parts: vec![],
            rest: Rest::AtLeast(0),
            idle: vec![],
            read: 0,
        }
    }
}

impl Comparison {
    pub(in crate::data) fn of(first: RowSum, second: RowSum) -> Comparison {
        let (same, least) = (first == second, first.rows.abs_diff(second.rows));
        let rest = if same { Rest::Exactly(0) } else { Rest::AtLeast(least.max(1)) };
        Comparison { same, first: first.rows, second: second.rows, rest, ..Comparison::default() }
    }
}

/// What differs, a line each; after it how much more there is.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.columns.iter().cloned().chain(self.differences.iter().map(ToString::to_string));
        let lines: Vec<String> = lines.chain(self.parts.iter().map(ToString::to_string)).collect();
        f.write_str(&lines.join("\n"))?;
        let named = self.differences.iter().map(|difference| difference.rows).sum::<u64>();
        match self.rest {
            Rest::Exactly(rows) if rows > named && named > 0 => write!(f, "\n{rows} rows differ in all"),
            Rest::AtLeast(rows) if !lines.is_empty() && self.columns.is_empty() => {
                let word = if rows == 1 { "row differs" } else { "rows differ" };
                write!(f, "\nat least {rows} {word} in all")
            }
            _ => Ok(()),
        }
    }
}

/// A part of a table in which something is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartDifference {
    /// `rows with id from 10 to before 20`, or `the table`.
    pub(in crate::data) part: String,
    pub(in crate::data) first: u64,
    pub(in crate::data) second: u64,
    /// The columns whose values are not the same.
    pub(in crate::data) columns: Vec<String>,
}

impl fmt::Display for PartDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |rows: u64| if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        match self.first == self.second {
            true => write!(
                f,
                "~ {}: {}, of which some differ in {}",
                self.part,
                counted(self.first),
                self.columns.join(", ")
            ),
            false if self.first > self.second => {
                write!(f, "- {}: {} of {} missing", self.part, self.first - self.second, counted(self.first))
            }
            false => write!(
                f,
                "+ {}: {} more than the {} expected",
                self.part,
                self.second - self.first,
                counted(self.first)
            ),
        }
    }
}
