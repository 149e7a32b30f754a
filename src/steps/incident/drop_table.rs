//! `drop_table`

use std::fmt::Display;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::pg::{TableName, error_message};
use crate::source::{Span, Spanned};

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
    /// The database that it is in.
    #[serde(default)]
    database: Option<Spanned<String>>,
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
    /// The database that it is in.
    database: Option<Spanned<String>>,
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
        let node = scope.primary(&self.node);
        Some(DropTable { node: node?, table: self.table, database: self.database, cascade: self.cascade })
    }
}

#[async_trait(?Send)]
impl Step for DropTable {
    fn title(&self) -> String {
        let cascade = if self.cascade { " cascade" } else { "" };
        format!("drop table {} on {}{cascade}", self.table.value, self.node)
    }

    fn effects(&self) -> Effects {
        Effects::anything().spoils(&self.table.value)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let cascade = if self.cascade { " CASCADE" } else { "" };
        let statement = format!("DROP TABLE {}{cascade}", self.table.quoted());
        cx.wait(format!("the lock on {}", self.table.value));
        cx.marked_in(&node, self.database.as_ref(), async |client, cx| {
            let done = cx.in_transaction(client, &statement).await;
            done.map_err(|error| did_not_happen(error, &self.table.value, self.table.span))
        })
        .await
    }
}

/// What the server said when it refused, at the name of what it happens to.
pub(crate) fn did_not_happen(error: tokio_postgres::Error, what: impl Display, at: Span) -> Box<Finding> {
    let label = error_message(&error);
    let finding: Box<Finding> = error.into();
    let mut finding = finding.at(at).label(label);
    finding.title = format!("the incident did not happen to {what}");
    finding
}
