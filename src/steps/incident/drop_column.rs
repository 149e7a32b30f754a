//! `drop_column`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::pg::{ColumnName, TableName, quote_identifier};
use crate::source::Spanned;
use crate::steps::incident::drop_table::did_not_happen;

/// Drops a column of a table, with all values in it.
///
/// ```yaml
/// - id: accident
///   drop_column: { node: master, table: shop.orders, column: amount }
/// ```
///
/// `cascade: true` also drops what depends on the column: views, foreign keys that refer to it.
/// With an `id` the step is a mark.
///
/// It passes if the column is gone. It fails if the server refuses, and if there was no such
/// column.
///
/// A column that comes back is a new one, behind the others. Recover a server to just before, dump
/// the table there, import it beside the live one, and copy the values by key: the drill
/// `dropped-column` does so.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropColumnSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The table, as in SQL.
    table: Spanned<TableName>,
    /// The column, as in SQL.
    column: Spanned<String>,
    /// The database that the table is in.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// Drops what depends on the column, too.
    #[serde(default)]
    cascade: bool,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct DropColumn {
    /// The server.
    node: NodeRef,
    /// The table, as in SQL.
    table: Spanned<TableName>,
    /// The column, as in SQL.
    column: Spanned<ColumnName>,
    /// The database that the table is in.
    database: Option<Spanned<String>>,
    /// Drops what depends on the column, too.
    cascade: bool,
}

impl StepKind for DropColumnSpec {
    type Step = DropColumn;

    const NAME: &'static str = "drop_column";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Transaction;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<DropColumn> {
        let node = scope.primary(&self.node);
        let Spanned { value, span, entry } = self.column;
        let column = match value.parse::<ColumnName>() {
            Ok(value) => Some(Spanned { value, span, entry }),
            Err(error) => {
                scope.error(span, error.to_string(), "not a column's name");
                None
            }
        };
        let (table, database, cascade) = (self.table, self.database, self.cascade);
        Some(DropColumn { node: node?, table, column: column?, database, cascade })
    }
}

#[async_trait(?Send)]
impl Step for DropColumn {
    fn title(&self) -> String {
        let cascade = if self.cascade { " cascade" } else { "" };
        format!("drop column {} of {} on {}{cascade}", self.column.value, self.table.value, self.node)
    }

    fn effects(&self) -> Effects {
        Effects::anything().spoils(&self.table.value)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let cascade = if self.cascade { " CASCADE" } else { "" };
        let (table, column) = (self.table.quoted(), quote_identifier(self.column.value.as_str()));
        let statement = format!("ALTER TABLE {table} DROP COLUMN {column}{cascade}");
        cx.wait(format!("the lock on {}", self.table.value));
        cx.marked_in(&node, self.database.as_ref(), async |client, cx| {
            let done = cx.in_transaction(client, &statement).await;
            let what = format!("column {} of {}", self.column.value, self.table.value);
            done.map_err(|error| did_not_happen(error, what, self.column.span))
        })
        .await
    }
}
