//! How rows differ, and finding it out if both sides have been read.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::layout::Order;
use super::record::record;
use crate::pg::{shown_record, shown_value, shown_values};

/// What stands in the place of a long value begins with this: its length and hash, a blank, and how
/// it begins.
pub(in crate::data) const LONG_VALUE: char = '\u{10ffff}';

/// How many columns of a row are shown.
const COLUMNS: usize = 20;

/// How many characters of a whole row are shown.
const RECORD: usize = 1000;

/// How one row differs between two tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowDifference {
    /// The values of the primary key, or the whole row if there is none.
    pub key: String,
    /// How many such rows it is about; more than one only if there are rows twice.
    pub rows: u64,
    /// What is different.
    pub change: RowChange,
    /// The values of the primary key, nothing for null; none if there is no key.
    #[serde(skip)]
    pub values: Vec<Option<String>>,
    /// What rows are sorted by.
    #[serde(skip)]
    pub(in crate::data) at: Vec<String>,
}

/// What is different about a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowChange {
    /// It is in the first table only.
    Missing,
    /// It is in the second table only.
    Extra,
    /// These columns differ: name, first value, second value; nothing for null. Where the same row
    /// is there another number of times, the column is called `count`.
    Changed(Vec<(String, Option<String>, Option<String>)>),
}

impl fmt::Display for RowDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = if self.rows > 1 { format!(", {} times", self.rows) } else { String::new() };
        match &self.change {
            RowChange::Missing => write!(f, "- {} is missing{times}", self.key),
            RowChange::Extra => write!(f, "+ {} should not be there{times}", self.key),
            RowChange::Changed(columns) => {
                write!(f, "~ {}", self.key)?;
                for (name, first, second) in columns.iter().take(COLUMNS) {
                    let (first, second) = both_shown(first.as_deref(), second.as_deref());
                    write!(f, ", {name}: {first} became {second}")?;
                }
                match columns.len().saturating_sub(COLUMNS) {
                    0 => Ok(()),
                    more => write!(f, ", and {more} more columns"),
                }
            }
        }
    }
}

/// Two values that differ.
fn both_shown(first: Option<&str>, second: Option<&str>) -> (String, String) {
    let is_long = |value: Option<&str>| value.is_some_and(|text| text.starts_with(LONG_VALUE));
    match is_long(first) || is_long(second) {
        true => (shown(first), shown(second)),
        false => shown_values(first, second),
    }
}

/// A value for people.
fn shown(value: Option<&str>) -> String {
    let long =
        value.and_then(|text| text.strip_prefix(LONG_VALUE)?.split_once(", hash ")).and_then(|(length, rest)| {
            let (hash, begins) = rest.split_once(' ')?;
            Some(format!("{}... ({length}, hash {hash})", shown_value(Some(begins))))
        });
    long.unwrap_or_else(|| shown_value(value))
}

/// A row that was read, or several that are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Line {
    /// What rows are sorted by.
    pub at: Vec<String>,
    /// The values as text, in the order of the columns; long ones in short, with their hash.
    pub values: Vec<Option<String>>,
    /// How many of them there are.
    pub count: u64,
}

/// Finds the rows that differ between two lists of all the rows in some part of two tables.
/// `columns` are those of the values, and `key` are the places of those that tell rows apart.
pub(in crate::data) fn differences(
    first: Vec<Line>,
    second: Vec<Line>,
    order: &Order,
    columns: &[String],
    key: &[usize],
) -> Vec<RowDifference> {
    let mut groups: Vec<(Vec<String>, bool, Line)> = Vec::new();
    groups.extend(first.into_iter().map(|line| (line.at.clone(), true, line)));
    groups.extend(second.into_iter().map(|line| (line.at.clone(), false, line)));
    groups.sort_by(|a, b| order.compare(&a.0, &b.0).then_with(|| a.0.cmp(&b.0)));
    let mut found = Vec::new();
    for group in groups.chunk_by(|a, b| a.0 == b.0) {
        compare(group, columns, key, &mut found);
    }
    found
}

/// Compares the rows that have one key.
fn compare(group: &[(Vec<String>, bool, Line)], columns: &[String], key: &[usize], found: &mut Vec<RowDifference>) {
    let Some((at, ..)) = group.first() else { return };
    // How often each row is there, in the first table and in the second.
    let mut counts: BTreeMap<&Vec<Option<String>>, (u64, u64)> = BTreeMap::new();
    for (_, is_first, line) in group {
        let count = counts.entry(&line.values).or_default();
        *if *is_first { &mut count.0 } else { &mut count.1 } += line.count;
    }
    let left: Vec<_> = counts.into_iter().filter(|(_, (a, b))| a != b).collect();
    let only = |wanted: (u64, u64)| left.iter().find(|(_, counts)| *counts == wanted).map(|(values, _)| *values);
    if let (2, false, Some(a), Some(b)) = (left.len(), key.is_empty(), only((1, 0)), only((0, 1))) {
        let pairs = columns.iter().zip(a.iter().zip(b)).filter(|(_, (a, b))| a != b);
        let changed = pairs.map(|(name, (a, b))| (name.clone(), a.clone(), b.clone())).collect();
        let (change, at) = (RowChange::Changed(changed), at.clone());
        found.push(RowDifference { key: named(a, key), rows: 1, change, values: keyed(a, key), at });
        return;
    }
    for (values, (a, b)) in left {
        let change = match (a, b) {
            (_, 0) => RowChange::Missing,
            (0, _) => RowChange::Extra,
            _ => RowChange::Changed(vec![("count".to_owned(), Some(a.to_string()), Some(b.to_string()))]),
        };
        let (rows, at) = (a.abs_diff(b), at.clone());
        found.push(RowDifference { key: named(values, key), rows, change, values: keyed(values, key), at });
    }
}

/// The values of a row's key.
fn keyed(values: &[Option<String>], key: &[usize]) -> Vec<Option<String>> {
    key.iter().map(|at| values[*at].clone()).collect()
}

/// What a row is called.
fn named(values: &[Option<String>], key: &[usize]) -> String {
    if key.is_empty() {
        let row = record(values.iter().map(|value| value.as_deref().map(|text| text.trim_start_matches(LONG_VALUE))));
        return match row.char_indices().nth(RECORD) {
            Some((end, _)) => format!("{}... ({} characters)", shown_record(&row[..end]), row.chars().count()),
            None => shown_record(&row),
        };
    }
    key.iter().map(|at| shown(values[*at].as_deref())).collect::<Vec<_>>().join(", ")
}
