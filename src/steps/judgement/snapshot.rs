//! `snapshot`

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::data::{Catalog, RowsSnapshot};
use crate::harness::{
    Context, Effects, Finding, NodeField, NodeRef, Output, Resolved, Role, Scope, Snapshot, Step, StepId, StepKind,
    StepResult,
};
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
/// Rows are remembered as checksums of the parts of a table and of its columns, which do not depend
/// on the order of the rows; the server computes them in one scan. The rows of tables of up to
/// 2,000 rows (and 1 MB) are kept in memory, too, so that `assert_rows` can name each one that
/// differs. `catalog_only: true` leaves the rows out. `assert_rows` and `assert_catalog` compare
/// with the snapshot by `same_as: before`. `database` is where the tables are, if that is not the
/// node's own one. With `roles: true` it remembers the roles of the whole server, too, for
/// `assert_roles`; `tables` may then be left out.
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
        let mut rows = Vec::new();
        if !self.catalog_only {
            let kind = "SELECT relkind = 'S' FROM pg_class WHERE oid = to_regclass($1::text)";
            for table in &tables {
                // A sequence has a position, which the catalog tells, and no rows.
                if client.query_opt(kind, &[&table.quoted()]).await?.is_some_and(|row| row.get(0)) {
                    continue;
                }
                let seen = RowsSnapshot::take(&client, table).await.map_err(|e| Finding::failed(e.to_string()))?;
                cx.fact(&format!("rows of {table}"), seen.sum().rows);
                rows.push((table.clone(), Arc::new(seen)));
            }
        }
        let database = self.database.as_ref().map(|database| database.value.clone());
        let roles = if self.roles { Some(roles(cx, &node).await?) } else { None };
        let snapshot = Snapshot { rows, catalog, tables, sequence_floors: vec![], database, roles };
        cx.world.outputs().snapshots.insert(self.id.clone(), snapshot);
        Ok(())
    }
}
