//! `drop_table`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Finding, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::pg::TableName;
use crate::source::Spanned;

/// Drops a table: the mistake that a standby does not protect against.
///
/// ```yaml
/// - id: accident
///   drop_table: { node: master, table: shop.orders, cascade: true }
/// ```
///
/// `cascade: true` also drops everything that depends on the table: foreign keys that refer to it,
/// views, publication membership. With an `id` the step is a mark.
///
/// It passes if the table is gone. It fails if the server refuses, and if there was no such table:
/// an incident in which nothing happened proves nothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropTableSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The table, as in SQL.
    table: Spanned<TableName>,
    /// Drops what depends on it, too.
    #[serde(default)]
    cascade: bool,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct DropTable {
    /// The server.
    node: NodeRef,
    /// The table, as in SQL.
    table: Spanned<TableName>,
    /// Drops what depends on it, too.
    cascade: bool,
}

impl StepKind for DropTableSpec {
    type Step = DropTable;

    const NAME: &'static str = "drop_table";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Transaction;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<DropTable> {
        let node = scope.own_node(&self.node);
        Some(DropTable { node: node?, table: self.table, cascade: self.cascade })
    }
}

#[async_trait(?Send)]
impl Step for DropTable {
    fn title(&self) -> String {
        let cascade = if self.cascade { " cascade" } else { "" };
        format!("drop table {} on {}{cascade}", self.table.value, self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let cascade = if self.cascade { " CASCADE" } else { "" };
        let statement = format!("DROP TABLE {}{cascade}", self.table.quoted());
        cx.wait(format!("the lock on {}", self.table.value));
        cx.marked(&node, async |client, cx| {
            cx.in_transaction(client, &statement).await.map_err(|error| blame_table(error.into(), &self.table))
        })
        .await
    }
}

/// Points at the table when the server refused.
pub(crate) fn blame_table(finding: Box<Finding>, table: &Spanned<TableName>) -> Box<Finding> {
    let label = finding.title.clone();
    let mut finding = finding.at(table.span).label(label);
    finding.title = format!("the incident did not happen to {}", table.value);
    finding
}
