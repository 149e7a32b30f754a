//! Conflicts in words.

use super::case::Case;
use super::constraints::{Constraint, Demand};
use crate::pg::quoted_values;

/// A cell of a row in conflict.
pub(super) struct Cell<'a> {
    pub(super) column: &'a str,
    pub(super) good: Option<&'a str>,
    pub(super) bad: Option<&'a str>,
    pub(super) now: Option<&'a str>,
}

/// A cell in conflict, in words.
pub(super) fn describe_cell(case: Case, with_bad: bool, cell: &Cell<'_>) -> String {
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

/// A row that the server would refuse, in words: `act` is what is done to it, `values` are those
/// that the constraint is about, `other` is the row that stands in its way.
pub(super) fn describe_obstacle(
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

/// A row that the mistake changed and that is gone, in words.
pub(super) fn describe_gone(cells: &[Cell<'_>]) -> String {
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
