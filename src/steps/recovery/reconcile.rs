//! `reconcile`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::data::{Compared, Merge, MergeError, MergeTable, Merged, Side};
use crate::harness::{
    Brought, Context, Effects, MarkKind, NodeField, NodeRef, Recovers, Resolved, Role, Scope, Step, StepKind,
    StepResult, if_given,
};
use crate::node::Purpose;
use crate::pg::{ColumnName, TableName, Xid};
use crate::source::{Several, Span, Spanned};
use crate::steps::recovery::key::Keys;
use crate::steps::recovery::merge_tables::{MergedTable, ignored, tables};
use crate::steps::recovery::merge_warnings;
use crate::steps::recovery::mistake::{Mistake, MistakeSpec, Sides};

/// Takes back what a mistake did to tables, and keeps what users wrote since: a three-way merge by
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
/// - reconcile:
///     tables: [shop.orders, shop.lines]
///     ignore: [updated_at, lock_version]
///     good: rescue
///     bad: corrupted
///     into: master
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
/// `ignore` names columns that every write touches: that users have changed them is no conflict,
/// and what they have in them stays. What only the mistake changed in them becomes good again.
///
/// `mistake` is for a mistake of many transactions among users' own: a release that spoils rows for
/// hours. `good` is from before the first of them then, and `bad` from after the last one, both
/// with `then: pause`; what users did in between does not count as part of the mistake.
///
/// ```yaml
/// - reconcile:
///     table: shop.orders
///     mistake: { query: "SELECT xid FROM audit.writes WHERE application = 'release-42'" }
///     good: rescue
///     bad: corrupted
///     into: master
/// ```
///
/// Its transactions are named by their numbers: in a list (`xids: ["${batch.xid}", 7042]`), by a
/// query on `into` (`query`), where they were noted in a table; or by two marks (`between`), if
/// from the first to the second nobody else wrote to these tables. Which role or application wrote
/// is not in the WAL: `role` and `application` are refused. The archived WAL between `good` and
/// `bad` says which rows each transaction wrote. A row that the mistake alone wrote counts as
/// above, and one that others alone wrote does not. A row that both wrote between `good` and `bad`
/// cannot be told apart by these two servers: the step fails, changes nothing, and says between
/// which transactions `bad` has to stop, so that the mistake is taken back in pieces, with `good`
/// and `bad` going on from one to the next. So it is with a table that was truncated or written
/// anew (VACUUM FULL, CLUSTER) in between, and where WAL is missing. If a row differs that, by the
/// WAL, nobody has written, the step is errored.
///
/// `key` is a column or a list of columns, as in SQL: a primary key, or a unique constraint on
/// columns that are `not null`. Without `key` it is the primary key; of several tables it is a map,
/// `{ shop.orders: id, shop.lines: [order_id, line] }`, of those where it is another one. Two rows
/// with the same key are the same row, so a mistake that changed keys has deleted rows and inserted
/// others. Values are compared exactly, as text if `=` does not see every difference: json,
/// numeric's `1.0` and `1.00`, citext's `Ann` and `ann`. This holds for the key, too, which becomes
/// what it was. Generated columns are left to the server.
///
/// `tables` are merged in one transaction, each as above. Foreign keys between them are checked
/// when all of them are merged, so that it does not matter in which order the mistake has changed
/// them, whether they refer to each other, or whether a key has changed with ON UPDATE CASCADE.
/// Rows that would refer to nothing then, such as one that users have added to a row of the
/// mistake's, are conflicts that neither `keep` nor `take` can decide: nothing is changed. Rows of
/// other tables do not go or change along; name those tables, too.
///
/// Everything happens in one transaction, under a lock that lets others read the table and not
/// write to it (SHARE ROW EXCLUSIVE). The rows that differ are found before it is taken. The first
/// error undoes everything. The table's triggers do not fire, so that rows become what they were;
/// foreign keys are checked, including ON UPDATE CASCADE. Rows that the mistake removed and that
/// others refer to come back first. The step fails if a row refers to one that is missing on `bad`,
/// too. Sequences stay as they are; one that would hand out the numbers of rows which came back is
/// told in a warning.
///
/// Another warning, and the fact `other_transactions`, tell of rows that differ between `good` and
/// `bad` and that others than the drill's incidents have written (more than one transaction, if no
/// incident was one): a `good` from a second too early takes what users wrote in that second for
/// the mistake. Rows that they deleted leave no trace of that.
///
/// It passes if everything is merged, even if nothing was left to do. It fails because of
/// conflicts, as above; if the server refuses; and if `good` and `bad` do not differ (without
/// `bad`: if `into` lacks nothing of `good`), since there would be no mistake.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReconcileSpec {
    /// The table, on all of them.
    #[serde(default)]
    table: Option<Spanned<TableName>>,
    /// Several tables, which are merged in one transaction.
    #[serde(default)]
    tables: Option<Spanned<Vec<Spanned<TableName>>>>,
    /// The database that they are in.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// The column or columns that identify a row; of several tables a map. Default: the primary
    /// key.
    #[serde(default)]
    key: Option<Spanned<Keys>>,
    /// Columns that every write touches: what users have in them is no conflict.
    #[serde(default)]
    ignore: Option<Spanned<Several<Spanned<ColumnName>>>>,
    /// The server as it was just before the mistake.
    good: NodeField,
    /// The server as it was just after the mistake.
    #[serde(default)]
    bad: Option<NodeField>,
    /// The live server.
    into: NodeField,
    /// Which transactions were the mistake, if others wrote between `good` and `bad`.
    #[serde(default)]
    mistake: Option<Spanned<MistakeSpec>>,
    /// What happens to values that both the mistake and users have changed: `fail`, `keep` or
    /// `take`.
    #[serde(default)]
    on_conflict: Option<Spanned<OnConflict>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Reconcile {
    /// The tables, on all of them.
    pub(super) tables: Vec<MergedTable>,
    /// The database that they are in.
    pub(super) database: Option<Spanned<String>>,
    /// Columns that every write touches.
    pub(super) ignore: Vec<Spanned<ColumnName>>,
    /// The server as it was just before the mistake.
    pub(super) good: NodeRef,
    /// The server as it was just after the mistake.
    pub(super) bad: Option<NodeRef>,
    /// The live server.
    pub(super) into: NodeRef,
    /// Which transactions were the mistake, if others wrote between `good` and `bad`.
    pub(super) mistake: Option<Mistake>,
    /// What happens to values that both the mistake and users have changed: `fail`, `keep` or
    /// `take`.
    on_conflict: OnConflict,
    /// Where that is said.
    pub(super) on_conflict_at: Option<Span>,
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
    const MARK: MarkKind = MarkKind::Moment;
    const FACTS: &'static str = "good_rows mistake restored_rows restored_cells put_back removed already_right conflicts \
        conflict_rows kept taken first_conflicts locked_ms mistake_transactions other_transactions by_hand";
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Reconcile> {
        let good = scope.node(&self.good);
        let bad = if_given(self.bad.as_ref(), |bad| scope.node(bad));
        let into = scope.primary(&self.into);
        if let (Some(good), Some(into)) = (&good, &into) {
            let bad = bad.as_ref().and_then(Option::as_ref);
            three_servers(good, bad, into, scope);
        }
        let mistake = if_given(self.mistake, |mistake| {
            if self.bad.is_none() {
                let help = "recover one to after the last of its transactions, with `then: pause`";
                scope.error_help(mistake.entry, "`mistake` needs `bad`", "where did it end?", help);
            }
            let repo = good.as_ref().and_then(|good| scope.node_info(&good.id)?.recovers_from.clone());
            mistake.value.resolve(mistake.entry, repo, scope)
        });
        let tables = tables(self.table, self.tables, self.key, scope);
        let ignore = self.ignore.map_or_else(Vec::new, |ignore| ignored(ignore, tables.as_deref(), scope));
        let (on_conflict, on_conflict_at) = match self.on_conflict {
            Some(on_conflict) => (on_conflict.value, Some(on_conflict.entry)),
            None => (OnConflict::Fail, None),
        };
        let (tables, database, into) = (tables?, self.database, into?);
        let (good, bad, mistake) = (good?, bad?, mistake?);
        Some(Reconcile { tables, database, ignore, good, bad, into, mistake, on_conflict, on_conflict_at })
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
        format!("reconcile {} on {} with {}{bad}", self.names(), self.into, self.good)
    }

    fn effects(&self) -> Effects {
        let (writes, database) = (Effects::writes(&self.into), self.database.as_ref());
        match self.tables.first() {
            Some(first) => writes.brings(&self.into, Brought::Table(first.table.value.clone()), database),
            None => writes,
        }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        cx.noted(&self.into.id, async |cx| self.merge(cx).await).await
    }
}

impl Reconcile {
    async fn merge(&self, cx: &mut Context<'_>) -> StepResult {
        let find = |node: &NodeRef| cx.world.node(node);
        let (good, into) = (find(&self.good)?, find(&self.into)?);
        let compared = self.bad.as_ref().map(find).transpose()?.unwrap_or_else(|| into.clone());
        // Sessions of their own: temporary tables and settings end with them.
        let database = self.database.as_ref();
        let good_session = cx.session_as(&good, Purpose::Own, database, None).await?;
        let compared_session = cx.session_as(&compared, Purpose::Own, database, None).await?;
        let session = cx.session_as(&into, Purpose::Own, database, None).await?;
        let told = match &self.mistake {
            None => None,
            Some(mistake) => {
                let sides = Sides {
                    good: (&good, &good_session),
                    bad: (&compared, &compared_session),
                    into: (&into, &session),
                };
                let tables: Vec<&TableName> = self.tables.iter().map(|one| &one.table.value).collect();
                Some(mistake.tell(cx, &sides, &tables).await?)
            }
        };
        let known = merge_warnings::incidents(cx);
        let side = Side { name: compared.name(), client: &compared_session };
        let on_conflict = self.on_conflict;
        let ignore: Vec<ColumnName> = self.ignore.iter().map(|column| column.value.clone()).collect();
        let merge = Merge {
            tables: self.tables.iter().map(|one| MergeTable { table: &one.table.value, key: &one.key }).collect(),
            ignore: &ignore,
            on_conflict: match on_conflict {
                OnConflict::Fail => crate::data::OnConflict::Fail,
                OnConflict::Keep => crate::data::OnConflict::Keep,
                OnConflict::Take => crate::data::OnConflict::Take,
            },
            good: Side { name: good.name(), client: &good_session },
            compared: if self.bad.is_some() { Compared::Bad(side) } else { Compared::Into(side) },
            into: Side { name: into.name(), client: &session },
            touched: told.as_ref().map(|told| &told.writers.touched),
            known: &known,
            deadline: cx.deadline,
        };
        match merge.run(|waiting_for| cx.wait(waiting_for)).await {
            Ok(merged) => {
                self.tell_merged(cx, &merged, &known);
                self.look_at_sequences(cx, &merged, (into.name(), &session)).await;
                let bad = self.bad.as_ref().map(|_| &*compared);
                self.by_hand(cx, (&good, bad, &into), &merged)?;
                let (good, into) = ((self.good.as_str(), &good_session), (&self.into, &session));
                merge_warnings::check_large_objects(good, into, &self.tables).await
            }
            Err(error) => {
                if let MergeError::Conflicts(merged) | MergeError::Undecided(merged) | MergeError::Dangling(merged) =
                    &error
                {
                    tell(cx, merged);
                }
                Err(self.explain(error, told.as_ref()))
            }
        }
    }

    fn tell_merged(&self, cx: &mut Context<'_>, merged: &Merged, incidents: &[Xid]) {
        tell(cx, merged);
        match self.on_conflict {
            OnConflict::Take => cx.fact("taken", merged.conflicts),
            _ => cx.fact("kept", merged.conflicts),
        }
        if self.bad.is_some() && self.mistake.is_none() {
            let others = merge_warnings::others(merged, incidents);
            cx.fact("other_transactions", others.len());
            merge_warnings::of_others(cx, &self.names(), &others);
        }
    }

    async fn look_at_sequences(&self, cx: &Context<'_>, merged: &Merged, (into, client): (&str, &Client)) {
        if merged.put_back > 0 {
            let tables: Vec<TableName> = self.tables.iter().map(|one| one.table.value.clone()).collect();
            merge_warnings::of_sequences(cx, into, client, &tables).await;
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
