//! `reconcile`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::data::{Compared, Merge, MergeError, Merged, Misfit, Side};
use crate::harness::{
    Brought, Context, Effects, Finding, NodeField, NodeRef, Recovers, Resolved, Role, Scope, Step, StepKind,
    StepResult, if_given,
};
use crate::journal::Cause;
use crate::pg::TableName;
use crate::source::{Span, Spanned};
use crate::steps::recovery::key::Key;

/// Takes back what a mistake did to a table, and keeps what users wrote since: a three-way merge by
/// key, column by column.
///
/// ```yaml
/// - reconcile:
///     table: shop.orders
///     key: id
///     good: rescue
///     bad: corrupted
///     into: master
///     on_conflict: keep
/// - reconcile: { table: shop.orders, key: [client, seq], good: rescue, into: master }
/// ```
///
/// `good` is a server recovered to just before the mistake, `bad` one recovered to just after it,
/// `into` the live server. Whatever differs between `good` and `bad` counts as the mistake. Recover
/// both as near to it as possible (`before` and `after` the same mark), since what others committed
/// in between counts as part of it. In `into`,
///
/// - a value that the mistake changed, and that is still what the mistake made it, becomes the good
///   one again; the row's other columns stay as they are;
/// - a row that the mistake deleted is restored; one that it inserted, and nobody has changed
///   since, is removed;
/// - what the mistake did not touch stays as users have written it, and so do rows that came later.
///
/// What both the mistake and users have changed is a *conflict*: a value that is neither the good
/// nor the bad one; a row that the mistake changed and users deleted, or that it deleted and users
/// inserted again with other values, or that it inserted and users changed, or that other rows
/// refer to by a foreign key. So is what the server would refuse: a row whose unique value another
/// row has by now, that refers to a row which users have deleted since, or that no longer satisfies
/// a check or an exclusion constraint.
///
/// `on_conflict: fail` (the default) changes nothing at all, and lists the conflicts row by row.
/// `keep` leaves the live rows as users have them: the row is not restored or not removed, and in
/// an existing row the columns in conflict stay as they are. `take` makes the rows what they were
/// in `good`: a row that users changed gets its good values, one that the mistake inserted is
/// removed (with rows that refer to it, if their foreign key has ON DELETE CASCADE or SET NULL),
/// and so is a row that has taken a unique value of a good one. If that would leave rows that refer
/// to nothing, or violate a check, nothing is changed. Unique values that were exchanged are
/// exchanged back.
///
/// Without `bad` nobody can tell the mistake from what users did since. Then rows of `good` that
/// are missing in `into` are restored (also those that users have deleted since), and every value
/// that differs is a conflict. Use it for DELETE and TRUNCATE.
///
/// `key` is a column or a list of columns, as in SQL: a primary key, or a unique constraint on
/// columns that are `not null`. Two rows with the same key are the same row, so a mistake that
/// changed keys has deleted rows and inserted others. Values are compared exactly, as text if `=`
/// does not see every difference: json, numeric's `1.0` and `1.00`, citext's `Ann` and `ann`. This
/// holds for the key, too, which becomes what it was. Generated columns are left to the server.
///
/// Everything happens in one transaction, under a lock that lets others read the table and not
/// write to it (SHARE ROW EXCLUSIVE). The rows that differ are found before it is taken. The first
/// error undoes everything. The table's triggers do not fire, so that rows become what they were;
/// foreign keys are checked, including ON UPDATE CASCADE. Rows that the mistake removed and that
/// others refer to come back first. The step fails if a row refers to one that is missing on `bad`,
/// too. Sequences stay as they are.
///
/// It passes if everything is merged, even if nothing was left to do. It fails because of
/// conflicts, as above; if the server refuses; and if `good` and `bad` do not differ (without
/// `bad`: if `into` lacks nothing of `good`), since there would be no mistake.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReconcileSpec {
    /// The table, on all of them.
    table: Spanned<TableName>,
    /// The column or columns that identify a row.
    key: Spanned<Key>,
    /// The server as it was just before the mistake.
    good: NodeField,
    /// The server as it was just after the mistake.
    #[serde(default)]
    bad: Option<NodeField>,
    /// The live server.
    into: NodeField,
    /// What happens to values that both the mistake and users have changed: `fail`, `keep` or
    /// `take`.
    #[serde(default)]
    on_conflict: Option<Spanned<OnConflict>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Reconcile {
    /// The table, on all of them.
    table: Spanned<TableName>,
    /// The column or columns that identify a row.
    key: Spanned<Key>,
    /// The server as it was just before the mistake.
    good: NodeRef,
    /// The server as it was just after the mistake.
    bad: Option<NodeRef>,
    /// The live server.
    into: NodeRef,
    /// What happens to values that both the mistake and users have changed: `fail`, `keep` or
    /// `take`.
    on_conflict: OnConflict,
    /// Where that is said.
    on_conflict_at: Option<Span>,
}

/// What happens to conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OnConflict {
    /// Nothing at all is changed, and they are listed.
    Fail,
    /// They stay as users have them.
    Keep,
    /// They become what they were in `good`.
    Take,
}

impl StepKind for ReconcileSpec {
    type Step = Reconcile;

    const NAME: &'static str = "reconcile";
    const DEADLINE: Duration = Duration::from_secs(600);
    const ROLE: Role = Role::Act;
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Reconcile> {
        let good = scope.node(&self.good);
        let bad = if_given(self.bad.as_ref(), |bad| scope.node(bad));
        let into = scope.own_node(&self.into);
        if let (Some(good), Some(into)) = (&good, &into) {
            let bad = bad.as_ref().and_then(Option::as_ref);
            three_servers(good, bad, into, scope);
        }
        if self.key.value.0.is_empty() {
            scope.error(self.key.span, "`key` is empty", "which columns tell a row from all others?");
        }
        for (at, column) in self.key.value.0.iter().enumerate() {
            if self.key.value.0[..at].contains(column) {
                scope.error(self.key.span, format!("`key` names {column} twice"), "once is enough");
            }
        }
        let (on_conflict, on_conflict_at) = match self.on_conflict {
            Some(on_conflict) => (on_conflict.value, Some(on_conflict.entry)),
            None => (OnConflict::Fail, None),
        };
        Some(Reconcile {
            table: self.table,
            key: self.key,
            good: good?,
            bad: bad?,
            into: into?,
            on_conflict,
            on_conflict_at,
        })
    }
}

/// The three must be different servers.
fn three_servers(good: &NodeRef, bad: Option<&NodeRef>, into: &NodeRef, scope: &mut Scope<'_>) {
    if good.id == into.id {
        let span = good.entry().unwrap_or(scope.action);
        let help = "recover a server to just before the mistake: `recover: { node: rescue, backup: ..., until: { before: ... }, then: promote }`";
        scope.error_help(span, "`good` and `into` are the same server", "it has lived through the mistake", help);
    }
    let Some(bad) = bad else { return };
    let span = bad.entry().unwrap_or(scope.action);
    if bad.id == good.id {
        scope.error(span, "`bad` and `good` are the same server", "there would be no mistake between them");
    } else if bad.id == into.id {
        let help =
            "recover one with `until: { after: ... }`; or leave `bad` out, and every value that differs is a conflict";
        let label = "what users wrote since would be taken for the mistake";
        scope.error_help(span, "`bad` and `into` are the same server", label, help);
    }
}

#[async_trait(?Send)]
impl Step for Reconcile {
    fn title(&self) -> String {
        let bad = self.bad.as_ref().map(|bad| format!(" and {bad}")).unwrap_or_default();
        format!("reconcile {} on {} with {}{bad}", self.table.value, self.into, self.good)
    }

    fn effects(&self) -> Effects {
        Effects::writes(&self.into).brings(&self.into, Brought::Table(self.table.value.clone()))
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let find = |node: &NodeRef| cx.world.node(node);
        let (good, into) = (find(&self.good)?, find(&self.into)?);
        let compared = self.bad.as_ref().map(find).transpose()?.unwrap_or_else(|| into.clone());
        // Asked first, since this knows why a server does not answer.
        for node in [&good, &compared, &into] {
            cx.client(node).await?;
        }
        // Sessions of their own: temporary tables and settings end with them.
        let (good_session, compared_session, session) =
            (good.connect().await?, compared.connect().await?, into.connect().await?);
        let side = Side { name: compared.name(), client: &compared_session };
        let on_conflict = self.on_conflict;
        let merge = Merge {
            table: &self.table.value,
            key: &self.key.value.0,
            on_conflict: match on_conflict {
                OnConflict::Fail => crate::data::OnConflict::Fail,
                OnConflict::Keep => crate::data::OnConflict::Keep,
                OnConflict::Take => crate::data::OnConflict::Take,
            },
            good: Side { name: good.name(), client: &good_session },
            compared: if self.bad.is_some() { Compared::Bad(side) } else { Compared::Into(side) },
            into: Side { name: into.name(), client: &session },
            deadline: cx.deadline,
        };
        match merge.run(|waiting_for| cx.wait(waiting_for)).await {
            Ok(merged) => {
                tell(cx, &merged);
                match on_conflict {
                    OnConflict::Take => cx.fact("taken", merged.conflicts),
                    _ => cx.fact("kept", merged.conflicts),
                }
                Ok(())
            }
            Err(error) => {
                if let MergeError::Conflicts(merged) | MergeError::Undecided(merged) = &error {
                    tell(cx, merged);
                }
                Err(self.explain(error))
            }
        }
    }
}

/// What was done as facts, and the first conflicts.
fn tell(cx: &mut Context<'_>, merged: &Merged) {
    cx.fact("good_rows", merged.good_rows);
    let mistake = [("changed", merged.changed), ("deleted", merged.deleted), ("inserted", merged.inserted)];
    let told = mistake.iter().filter(|(_, rows)| *rows > 0).map(|(what, rows)| format!("{what} {rows}"));
    cx.fact("mistake", told.collect::<Vec<_>>().join(", "));
    cx.fact("restored_rows", merged.restored_rows);
    cx.fact("restored_cells", merged.restored_cells);
    cx.fact("put_back", merged.put_back);
    cx.fact("removed", merged.removed);
    cx.fact("already_right", merged.already);
    cx.fact("conflicts", merged.conflicts);
    cx.fact("conflict_rows", merged.conflict_rows);
    cx.fact("locked_ms", merged.locked.as_millis() as u64);
    if !merged.shown.is_empty() {
        let shown: Vec<String> = merged.shown.iter().map(ToString::to_string).collect();
        cx.fact("first_conflicts", shown);
    }
}

impl Reconcile {
    fn explain(&self, error: MergeError) -> Box<Finding> {
        let table = &self.table.value;
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
            MergeError::Undecided(merged) => {
                self.conflicts("there are conflicts that `take` cannot decide", &merged).help(
                    "merge the tables first that the rows refer to, or that refer to them; or give the rows other \
                     values: `on_conflict: keep` leaves them as users have them",
                )
            }
            MergeError::Parents { table: other, constraint, rows } => self.parents(&other, &constraint, rows),
            MergeError::Misfit { side, misfit } => self.misfit(&side, misfit),
            MergeError::Same(rows) => self.nothing_to_merge(rows),
            MergeError::Locked(holders) => Finding::failed(format!("{table} on `{}` is locked by others", self.into))
                .at(self.table.span)
                .label("the lock was not free in time; nothing was changed")
                .note("held by", holders.join("\n"))
                .help("end what holds the lock, or give the step longer with `within`"),
            MergeError::Late(doing) => Finding::failed("the step's deadline has passed")
                .because(Cause::StepDeadline)
                .at(self.table.span)
                .label(format!("in the middle of {doing}; nothing was changed"))
                .help("give it longer with `within`, if it is right to take so long"),
            MergeError::Data(error) => self.undone().label(error.to_string()).help(
                "what the server refuses is a part of the table as it is now: `\\d` of psql shows its constraints and \
                 rules",
            ),
        }
    }

    fn undone(&self) -> Box<Finding> {
        let title = format!("{} on `{}` could not be merged, and nothing was changed", self.table.value, self.into);
        Finding::failed(title).at(self.table.span)
    }

    /// Rows refer to rows of another table that are missing.
    fn parents(&self, other: &str, constraint: &str, rows: usize) -> Box<Finding> {
        let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
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
        let table = &self.table.value;
        match &self.bad {
            Some(bad) => Finding::failed(format!("there is no mistake in {table} between `{}` and `{bad}`", self.good))
                .at(bad.span().unwrap_or(self.table.span))
                .label(format!("its {rows} rows are the same on both"))
                .help("recover `good` to just before the mistake and `bad` to just after it"),
            None => Finding::failed(format!("`{}` lacks nothing of {table} on `{}`", self.into, self.good))
                .at(self.good.entry().unwrap_or(self.table.span))
                .label(format!("its {rows} rows are all there, with the same values"))
                .help("is `good` from before the mistake?"),
        }
    }

    fn conflicts(&self, title: &str, merged: &Merged) -> Box<Finding> {
        let values =
            if merged.conflicts == 1 { "1 conflict".to_owned() } else { format!("{} conflicts", merged.conflicts) };
        let rows =
            if merged.conflict_rows == 1 { "1 row".to_owned() } else { format!("{} rows", merged.conflict_rows) };
        let mut lines: Vec<String> = merged.shown.iter().map(ToString::to_string).collect();
        if merged.conflicts > lines.len() as u64 {
            lines.push(format!("... and {} more", merged.conflicts - lines.len() as u64));
        }
        let span = self.on_conflict_at.unwrap_or(self.table.span);
        Finding::failed(title)
            .at(span)
            .label(format!("{values} in {rows}; nothing was changed"))
            .note("conflicts", lines.join("\n"))
    }

    fn misfit(&self, side: &str, misfit: Misfit) -> Box<Finding> {
        let table = &self.table.value;
        let finding = Finding::failed(format!("{table} cannot be merged")).at(self.key.span);
        let label = format!("on `{side}`: {misfit}");
        match misfit {
            Misfit::NoTable => finding
                .at(self.table.span)
                .label(format!("there is no such table on `{side}`"))
                .help("a table that was dropped comes back by `dump` and `reimport`"),
            Misfit::Kind(_) => finding.at(self.table.span).label(label),
            Misfit::NoColumn { at, near } => {
                let column = self.key.value.0.get(at).map(ToString::to_string).unwrap_or_default();
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                finding.label(format!("there is no column {column} on `{side}`{near}"))
            }
            Misfit::NotUnique(unique) if unique.is_empty() => finding
                .label(label)
                .help("the table has no primary key and no unique constraint: rows cannot be told from one another"),
            Misfit::NotUnique(unique) => {
                finding.label(label).help(format!("a primary key or unique constraint is on {unique}"))
            }
            Misfit::NullableKey(_) => finding.label(label).help("the key's columns have to be `not null`"),
            Misfit::Columns(wrong) => finding
                .at(self.table.span)
                .label(format!("the columns on `{side}` are not those on `{}`", self.into))
                .note("columns", wrong.join("\n"))
                .help("undo the change of the columns first, or make the same one on the other servers"),
        }
    }
}
