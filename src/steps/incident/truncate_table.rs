//! `truncate_table`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::pg::TableName;
use crate::source::Spanned;
use crate::steps::incident::drop_table::did_not_happen;

/// Empties a table with TRUNCATE.
///
/// ```yaml
/// - id: accident
///   truncate_table: { node: master, table: shop.orders, cascade: true }
/// ```
///
/// `cascade: true` also empties the tables with foreign keys to it. With an `id` the step is a
/// mark.
///
/// It passes if the table had rows and has none. It fails if the server refuses, and if the table
/// was empty before: an incident in which nothing happened proves nothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TruncateTableSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The table, as in SQL.
    table: Spanned<TableName>,
    /// The database that it is in.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// Empties what refers to it, too.
    #[serde(default)]
    cascade: bool,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct TruncateTable {
    /// The server.
    node: NodeRef,
    /// The table, as in SQL.
    table: Spanned<TableName>,
    /// The database that it is in.
    database: Option<Spanned<String>>,
    /// Empties what refers to it, too.
    cascade: bool,
}

impl StepKind for TruncateTableSpec {
    type Step = TruncateTable;

    const NAME: &'static str = "truncate_table";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Transaction;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<TruncateTable> {
        let node = scope.primary(&self.node);
        Some(TruncateTable { node: node?, table: self.table, database: self.database, cascade: self.cascade })
    }
}

#[async_trait(?Send)]
impl Step for TruncateTable {
    fn title(&self) -> String {
        let cascade = if self.cascade { " cascade" } else { "" };
        format!("truncate {} on {}{cascade}", self.table.value, self.node)
    }

    fn effects(&self) -> Effects {
        Effects::anything().spoils(&self.table.value)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let table = self.table.quoted();
        let cascade = if self.cascade { " CASCADE" } else { "" };
        let any = cx
            .client_in(&node, self.database.as_ref())
            .await?
            .query_opt(&format!("SELECT 1 FROM {table} LIMIT 1"), &[])
            .await;
        match any {
            Ok(Some(_)) => {}
            Ok(None) => {
                return Err(Finding::failed("the incident did nothing")
                    .at(self.table.span)
                    .label(format!("{} has no rows to lose", self.table.value)));
            }
            Err(error) => return Err(did_not_happen(error, &self.table.value, self.table.span)),
        }
        cx.wait(format!("the lock on {}", self.table.value));
        cx.marked_in(&node, self.database.as_ref(), async |client, cx| {
            let done = cx.in_transaction(client, &format!("TRUNCATE {table}{cascade}")).await;
            done.map_err(|error| did_not_happen(error, &self.table.value, self.table.span))
        })
        .await
    }
}
