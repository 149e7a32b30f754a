//! `drop_schema`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult};
use crate::pg::quote_identifier;
use crate::source::Spanned;
use crate::steps::incident::drop_table::did_not_happen;

/// Drops a schema.
///
/// ```yaml
/// - id: accident
///   drop_schema: { node: master, schema: shop, cascade: true }
/// ```
///
/// `cascade: true` also drops everything in it, and what depends on that. The name is as the server
/// has it, in small letters unless it was created in quotes. With an `id` the step is a mark.
///
/// It passes if the schema is gone. It fails if the server refuses: if there is no such schema, or
/// without `cascade` if there is something in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropSchemaSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The schema.
    schema: Spanned<String>,
    /// The database that it is in.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// Drops what is in it and what depends on that, too.
    #[serde(default)]
    cascade: bool,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct DropSchema {
    /// The server.
    node: NodeRef,
    /// The schema.
    schema: Spanned<String>,
    /// The database that it is in.
    database: Option<Spanned<String>>,
    /// Drops what is in it and what depends on that, too.
    cascade: bool,
}

impl StepKind for DropSchemaSpec {
    type Step = DropSchema;

    const NAME: &'static str = "drop_schema";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Transaction;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<DropSchema> {
        let node = scope.primary(&self.node);
        if self.schema.value.starts_with("pg_") && !scope.must_fail {
            let title = format!("schema `{}` cannot be dropped", self.schema.value);
            scope.error(self.schema.span, title, "names that begin with `pg_` are the server's own");
        }
        Some(DropSchema { node: node?, schema: self.schema, database: self.database, cascade: self.cascade })
    }
}

#[async_trait(?Send)]
impl Step for DropSchema {
    fn title(&self) -> String {
        let cascade = if self.cascade { " cascade" } else { "" };
        format!("drop schema {} on {}{cascade}", self.schema.value, self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let cascade = if self.cascade { " CASCADE" } else { "" };
        let statement = format!("DROP SCHEMA {}{cascade}", quote_identifier(&self.schema));
        cx.wait(format!("the locks on what is in schema {}", self.schema.value));
        cx.marked_in(&node, self.database.as_ref(), async |client, cx| {
            let done = cx.in_transaction(client, &statement).await;
            done.map_err(|error| did_not_happen(error, format!("schema {}", self.schema.value), self.schema.span))
        })
        .await
    }
}
