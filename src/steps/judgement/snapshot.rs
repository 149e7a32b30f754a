//! `snapshot`

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::data::{Catalog, DataError, HeldMoment, RowsSnapshot, View};
use crate::harness::{
    Context, Effects, Finding, KeptRows, NodeField, NodeRef, Output, Recalls, Resolved, Role, Scope, Snapshot, Step,
    StepId, StepKind, StepResult,
};
use crate::node::Purpose;
use crate::pg::TableName;
use crate::source::Spanned;
use crate::steps::judgement::assert_roles::roles;

/// Remembers the rows and the definitions of tables, for later assertions.
///
/// ```yaml
/// - id: before
///   snapshot: { node: master, tables: [shop.orders] }
/// ```
///
/// The rows of all tables, and all that later steps ask for of them, are those of one moment: what
/// users write meanwhile is in none of them. The definitions are read just before.
///
/// Rows are remembered as checksums of the parts of a table and of its columns, which do not depend
/// on the order of the rows; the server computes them in one scan. The rows of tables of up to
/// 2,000 rows (and 1 MB) are kept in memory, too, so that `assert_rows` can name each one that
/// differs; those of larger ones (up to 64 MB) if a later `assert_rows` has to tell rows apart by
/// their keys. What a later `assert_rows` asks for with `where`, `columns` or `except` is
/// remembered as well, and only that can be asked for. `catalog_only: true` leaves the rows out.
/// `assert_rows` and `assert_catalog` compare with the snapshot by `same_as: before`. `database` is
/// where the tables are, if that is not the node's own one. With `roles: true` it remembers the
/// roles of the whole server, too, for `assert_roles`; `tables` may then be left out.
///
/// Partitioned tables, views, materialized views and sequences are tables here. It passes if every
/// table exists. It fails for a table that does not exist, or that is something else, such as an
/// index: there would be nothing to compare with.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeSnapshotSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The tables. With `roles` they may be left out.
    #[serde(default)]
    tables: Option<Spanned<Vec<Spanned<TableName>>>>,
    /// The database that they are in.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// Leaves out the rows.
    #[serde(default)]
    catalog_only: bool,
    /// Remembers the roles of the whole server, too.
    #[serde(default)]
    roles: bool,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct TakeSnapshot {
    /// Its id.
    id: StepId,
    /// The server.
    node: NodeRef,
    /// The tables.
    tables: Vec<Spanned<TableName>>,
    /// The database that they are in.
    database: Option<Spanned<String>>,
    /// Leaves out the rows.
    catalog_only: bool,
    /// Remembers the roles of the whole server, too.
    roles: bool,
}

impl StepKind for TakeSnapshotSpec {
    type Step = TakeSnapshot;

    const NAME: &'static str = "snapshot";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const OUTPUT: Option<Output> = Some(Output::Snapshot);

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<TakeSnapshot> {
        let node = scope.node(&self.node);
        if scope.id.is_none() {
            scope.error_help(
                scope.action,
                "`snapshot` has no `id`",
                "nothing can be compared with it",
                "write `id: before` beside `snapshot:`",
            );
        }
        match &self.tables {
            Some(tables) if tables.value.is_empty() => {
                scope.error(tables.span, "`tables` is empty", "of which tables?");
            }
            None if !self.roles => {
                scope.error_help(scope.action, "`tables` is missing", "of which tables?", "or say `roles: true`");
            }
            _ => {}
        }
        Some(TakeSnapshot {
            id: scope.id.clone()?,
            node: node?,
            tables: self.tables.map_or_else(Vec::new, |tables| tables.value),
            database: self.database,
            catalog_only: self.catalog_only,
            roles: self.roles,
        })
    }
}

impl TakeSnapshot {
    /// The rows of the tables, and what of them later steps ask for.
    async fn rows(
        &self,
        cx: &mut Context<'_>,
        client: &Client,
        tables: &[TableName],
    ) -> Result<Vec<KeptRows>, Box<Finding>> {
        let wanted = self.wanted(cx, client, tables).await?;
        let unread = |error: &DataError| Finding::failed(error.to_string());
        let moment = match wanted.len() {
            0 | 1 => None,
            _ => {
                let node = cx.world.node(&self.node)?;
                let session = cx.session_as(&node, Purpose::Own, self.database.as_ref(), None).await?;
                Some(HeldMoment::hold(session).await.map_err(|error| unread(&error))?)
            }
        };
        let mut kept: Vec<KeptRows> = Vec::new();
        for (table, view) in wanted {
            let rows = RowsSnapshot::take(client, &table, &view, moment.as_ref()).await;
            if view == View::default() {
                let rows = rows.as_ref().map_err(unread)?;
                cx.fact(&format!("rows of {table}"), rows.sum().rows);
            }
            kept.push(KeptRows { table, view, rows: rows.map(Arc::new).map_err(Arc::new) });
        }
        if let Some(moment) = moment {
            moment.let_go().await;
        }
        Ok(kept)
    }

    /// The tables with rows, each in all the ways in which a later step asks for it.
    async fn wanted(
        &self,
        cx: &Context<'_>,
        client: &Client,
        tables: &[TableName],
    ) -> Result<Vec<(TableName, View)>, Box<Finding>> {
        const KIND: &str = "SELECT relkind = 'S' FROM pg_class WHERE oid = to_regclass($1::text)";
        let mut wanted: Vec<(TableName, View)> = Vec::new();
        for table in tables {
            // A sequence has a position, which the catalog tells, and no rows.
            if client.query_opt(KIND, &[&table.quoted()]).await?.is_some_and(|row| row.get(0)) {
                continue;
            }
            let is_meant = |recalls: &&Recalls| {
                recalls.snapshot == self.id && (recalls.table.quoted() == table.quoted() || tables.len() == 1)
            };
            let asked = cx.world.recalls.iter().filter(is_meant).map(|recalls| recalls.view.clone());
            for view in std::iter::once(View::default()).chain(asked) {
                if !wanted.iter().any(|(known, way)| known == table && *way == view) {
                    wanted.push((table.clone(), view));
                }
            }
        }
        Ok(wanted)
    }
}

#[async_trait(?Send)]
impl Step for TakeSnapshot {
    fn title(&self) -> String {
        let tables = self.tables.iter().map(|table| table.value.to_string());
        let tables: Vec<String> = tables.chain(self.roles.then(|| "the roles".to_owned())).collect();
        format!("snapshot of {} on {}", tables.join(", "), self.node)
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let client = cx.client_in(&node, self.database.as_ref()).await?;
        let tables: Vec<TableName> = self.tables.iter().map(|table| table.value.clone()).collect();
        let catalog = Catalog::read(&client, &tables).await.map_err(|e| Finding::failed(e.to_string()))?;
        for table in &self.tables {
            if catalog.is_absent(&table.value) {
                return Err(Finding::failed("there is nothing to remember")
                    .at(table.span)
                    .label(format!("{} does not exist on `{}` as a table", table.value, self.node)));
            }
        }
        cx.report_not_compared(&catalog);
        let rows = if self.catalog_only { vec![] } else { self.rows(cx, &client, &tables).await? };
        let database = self.database.clone();
        let roles = if self.roles { Some(roles(cx, &node).await?) } else { None };
        let snapshot = Snapshot { rows, catalog, tables, sequence_floors: vec![], database, roles };
        cx.world.outputs().snapshots.insert(self.id.clone(), snapshot);
        Ok(())
    }
}
