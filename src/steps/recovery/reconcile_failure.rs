//! Why nothing was reconciled, for people.

use std::collections::BTreeMap;

use crate::data::{MergeError, Merged, Misfit};
use crate::harness::Finding;
use crate::journal::Cause;
use crate::source::Span;
use crate::steps::recovery::mistake::Told;
use crate::steps::recovery::reconcile::Reconcile;

/// How many rows are shown.
const SHOWN: usize = 20;

/// A number of rows, in words.
fn in_rows(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

impl Reconcile {
    /// The names of the tables.
    pub(super) fn names(&self) -> String {
        self.tables.iter().map(|table| table.table.value.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Where the tables are named: the first of them.
    fn at(&self) -> Option<Span> {
        self.tables.first().map(|table| table.table.span)
    }

    /// Why nothing was merged.
    pub(super) fn explain(&self, error: MergeError, told: Option<&Told>) -> Box<Finding> {
        let table = self.names();
        match error {
            MergeError::Conflicts(merged) => {
                let title = match self.bad {
                    Some(_) if merged.refused == merged.conflicts => {
                        "rows cannot become what they were: other rows are in their way now"
                    }
                    Some(_) => "users have changed what the mistake changed, too",
                    None => "rows differ, and without `bad` nobody knows who changed them",
                };
                self.conflicts(title, &merged).help(
                    "`on_conflict: keep` leaves the values as users have them, `take` makes them what they were in \
                     `good`",
                )
            }
            MergeError::Mingled { table, rows } => self.mingled(table, &rows, told),
            MergeError::Unexplained { table, rows } => {
                let name = self.tables.get(table).map(|named| named.table.value.to_string()).unwrap_or_default();
                Finding::errored(format!("who wrote the rows of {name} cannot be told"))
                    .at(self.tables.get(table).map(|named| named.table.span))
                    .label(format!("{} differ that nobody has written, by the WAL; nothing was changed", in_rows(rows)))
            }
            MergeError::Undecided(merged) => {
                self.conflicts("there are conflicts that `take` cannot decide", &merged).help(
                    "merge the tables first that the rows refer to, or that refer to them; or give the rows other \
                     values: `on_conflict: keep` leaves them as users have them",
                )
            }
            MergeError::Dangling(merged) => self.conflicts("rows would refer to nothing", &merged).help(
                "merge the tables that these rows are of as well (`tables`), or have them refer to other rows first: \
                 `on_conflict` does not decide this",
            ),
            MergeError::Parents { table: other, constraint, rows } => self.parents(&other, &constraint, rows),
            MergeError::Misfit { table, side, misfit } => self.misfit(table, &side, misfit),
            MergeError::NothingToIgnore(column) => {
                let at = self.ignore.iter().find(|ignored| ignored.value == column).map(|ignored| ignored.span);
                Finding::failed(format!("{table} cannot be merged"))
                    .at(at.or(self.at()))
                    .label(format!("there is no column {column} in {table} beside the key"))
            }
            MergeError::Same(rows) => self.nothing_to_merge(rows),
            MergeError::Locked(holders) => Finding::failed(format!("{table} on `{}` is locked by others", self.into))
                .at(self.at())
                .label("the lock was not free in time; nothing was changed")
                .note("held by", holders.join("\n"))
                .help("end what holds the lock, or give the step longer with `within`"),
            MergeError::Late(doing) => Finding::failed("the step's deadline has passed")
                .because(Cause::StepDeadline)
                .at(self.at())
                .label(format!("in the middle of {doing}; nothing was changed"))
                .help("give it longer with `within`, if it is right to take so long"),
            MergeError::Data(error) => self.undone().label(error.to_string()).help(
                "what the server refuses is a part of the table as it is now: `\\d` of psql shows its constraints and \
                 rules",
            ),
        }
    }

    fn undone(&self) -> Box<Finding> {
        let title = format!("{} on `{}` could not be merged, and nothing was changed", self.names(), self.into);
        Finding::failed(title).at(self.at())
    }

    /// Both the mistake and others have written rows between `good` and `bad`.
    fn mingled(&self, table: usize, rows: &BTreeMap<usize, Vec<String>>, told: Option<&Told>) -> Box<Finding> {
        let name = self.tables.get(table).map(|named| named.table.value.to_string()).unwrap_or_default();
        let line = |(story, keys): (&usize, &Vec<String>)| {
            let story = told.map(|told| told.story(*story)).unwrap_or_default();
            format!("{}: {story}", keys.first().map_or("a row", String::as_str))
        };
        let mut lines: Vec<String> = rows.iter().take(SHOWN).map(line).collect();
        if rows.len() > SHOWN {
            lines.push(format!("... and {} more", rows.len() - SHOWN));
        }
        let help = told.map(|told| told.apart(rows.keys().copied())).unwrap_or_default();
        Finding::failed("both the mistake and others have written rows between `good` and `bad`")
            .at(self.mistake.as_ref().map(|mistake| mistake.at))
            .label(format!(
                "of {} of {name} nobody can say what is whose; nothing was changed",
                in_rows(rows.len() as u64)
            ))
            .note("rows", lines.join("\n"))
            .help(help)
    }

    /// Rows refer to rows of another table that are missing.
    fn parents(&self, other: &str, constraint: &str, rows: usize) -> Box<Finding> {
        let rows = in_rows(rows as u64);
        let why = match &self.bad {
            Some(bad) => format!("they are not on `{bad}` either: the mistake removed them"),
            None => "nobody knows who deleted them without `bad`".to_owned(),
        };
        self.undone()
            .label(format!("it refers to {rows} of {other} that are missing (foreign key {constraint}); {why}"))
            .help("put the rows back first that these refer to")
    }

    /// There is no mistake: the servers have the same rows.
    fn nothing_to_merge(&self, rows: u64) -> Box<Finding> {
        let table = self.names();
        match &self.bad {
            Some(bad) => Finding::failed(format!("there is no mistake in {table} between `{}` and `{bad}`", self.good))
                .at(bad.span().or(self.at()))
                .label(format!("its {rows} rows are the same on both"))
                .help("recover `good` to just before the mistake and `bad` to just after it"),
            None => Finding::failed(format!("`{}` lacks nothing of {table} on `{}`", self.into, self.good))
                .at(self.good.entry().or(self.at()))
                .label(format!("its {rows} rows are all there, with the same values"))
                .help("is `good` from before the mistake?"),
        }
    }

    fn conflicts(&self, title: &str, merged: &Merged) -> Box<Finding> {
        let values =
            if merged.conflicts == 1 { "1 conflict".to_owned() } else { format!("{} conflicts", merged.conflicts) };
        let rows = in_rows(merged.conflict_rows);
        let mut lines: Vec<String> = merged.shown.iter().map(ToString::to_string).collect();
        if merged.conflicts > lines.len() as u64 {
            lines.push(format!("... and {} more", merged.conflicts - lines.len() as u64));
        }
        let span = self.on_conflict_at.or(self.at());
        Finding::failed(title)
            .at(span)
            .label(format!("{values} in {rows}; nothing was changed"))
            .note("conflicts", lines.join("\n"))
    }

    fn misfit(&self, table: usize, side: &str, misfit: Misfit) -> Box<Finding> {
        let named = self.tables.get(table);
        let name = named.map(|named| named.table.value.to_string()).unwrap_or_default();
        let at = named.map(|named| named.table.span);
        let finding =
            Finding::failed(format!("{name} cannot be merged")).at(named.and_then(|named| named.key_at).or(at));
        let label = format!("on `{side}`: {misfit}");
        match misfit {
            Misfit::NoTable => finding
                .at(at)
                .label(format!("there is no such table on `{side}`"))
                .help("a table that was dropped comes back by `dump` and `reimport`"),
            Misfit::Kind(_) => finding.at(at).label(label),
            Misfit::NoColumn { at: place, near } => {
                let column = named.and_then(|named| named.key.get(place)).map(ToString::to_string).unwrap_or_default();
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                finding.label(format!("there is no column {column} on `{side}`{near}"))
            }
            Misfit::NoPrimaryKey => finding.label(label).help("name the columns of a unique constraint: `key`"),
            Misfit::NotUnique(unique) if unique.is_empty() => finding
                .label(label)
                .help("the table has no primary key and no unique constraint: rows cannot be told from one another"),
            Misfit::NotUnique(unique) => {
                finding.label(label).help(format!("a primary key or unique constraint is on {unique}"))
            }
            Misfit::NullableKey(_) => finding.label(label).help("the key's columns have to be `not null`"),
            Misfit::Columns(wrong) => finding
                .at(at)
                .label(format!("the columns on `{side}` are not those on `{}`", self.into))
                .note("columns", wrong.join("\n"))
                .help("undo the change of the columns first, or make the same one on the other servers"),
        }
    }
}
