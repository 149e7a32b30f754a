//! `drop_database`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::error::SqlState;

use crate::harness::{Context, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult};
use crate::node::DATABASE;
use crate::pg::{Dropped, quote_identifier};
use crate::source::Spanned;
use crate::steps::data::autocommit::note_dropped;
use crate::steps::incident::drop_table::did_not_happen;

/// Drops a database.
///
/// ```yaml
/// - id: accident
///   drop_database: { node: master, database: shop, force: true }
/// ```
///
/// The server refuses while somebody has a session there; `force: true` ends the sessions first.
/// The name is as the server has it, in small letters unless it was created in quotes. With an `id`
/// the step is a mark, by its LSN.
///
/// DROP DATABASE removes the files before it commits, and the WAL says so in this order. A recovery
/// that stops just before the commit finds the database in the catalog, and its directory gone. So
/// `until: { before: accident }` goes by the LSN before the step; `by: time`, or a time that
/// somebody remembers, comes too late unless another transaction has committed between the two.
/// `recover` fails then, and says so.
///
/// It passes if the database is gone. It fails if the server refuses, and if there was none.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropDatabaseSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The database.
    database: Spanned<String>,
    /// Ends the sessions that are in it.
    #[serde(default)]
    force: bool,
}

/// The databases that every cluster has to make others from (manual, 23.3 "Template Databases").
const TEMPLATES: [&str; 2] = ["template0", "template1"];

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct DropDatabase {
    /// The server.
    node: NodeRef,
    /// The database.
    database: Spanned<String>,
    /// Ends the sessions that are in it.
    force: bool,
}

impl StepKind for DropDatabaseSpec {
    type Step = DropDatabase;

    const NAME: &'static str = "drop_database";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::FilesFirst;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<DropDatabase> {
        let node = scope.primary(&self.node);
        if self.database.value == DATABASE {
            let title = format!("database `{DATABASE}` cannot be dropped");
            let help = "make one with `sql: { query: CREATE DATABASE shop, autocommit: true }`, and load into that";
            scope.error_help(self.database.span, title, "drillyard's own sessions are in it", help);
        } else if TEMPLATES.contains(&self.database.value.as_str()) && !scope.must_fail {
            let title = format!("database `{}` cannot be dropped", self.database.value);
            let label = "it is a template database, which the server keeps";
            scope.error_help(self.database.span, title, label, "name the database that users lose");
        }
        Some(DropDatabase { node: node?, database: self.database, force: self.force })
    }
}

#[async_trait(?Send)]
impl Step for DropDatabase {
    fn title(&self) -> String {
        let force = if self.force { " with force" } else { "" };
        format!("drop database {} on {}{force}", self.database.value, self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let force = if self.force { " WITH (FORCE)" } else { "" };
        let statement = format!("DROP DATABASE {}{force}", quote_identifier(&self.database));
        cx.wait(format!("the end of the sessions in {}", self.database.value));
        let mut dropped = None;
        cx.marked(&node, async |client, cx| {
            let query = "SELECT oid FROM pg_catalog.pg_database WHERE datname = $1::text::name";
            let name = self.database.value.clone();
            let row = client.query_opt(query, &[&name]).await?;
            dropped = row.map(|row| Dropped { name, oid: row.get(0) });
            // With force it ends sessions; without, it waits for their end.
            match self.force {
                true => cx.hits(),
                false => {
                    let query = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = $1::text::name
                        AND backend_type = 'client backend' AND application_name <> 'drillyard users')";
                    cx.struck.waited = client.query_one(query, &[&self.database.value]).await?.get(0);
                }
            }
            client.batch_execute(&statement).await.map_err(|error| {
                let in_use = error.code() == Some(&SqlState::OBJECT_IN_USE);
                let what = format!("database {}", self.database.value);
                let finding = did_not_happen(error, what, self.database.span);
                match in_use {
                    true => finding.help("`force: true` ends the sessions that are in it"),
                    false => finding,
                }
            })?;
            Ok(None)
        })
        .await?;
        note_dropped(cx, dropped);
        Ok(())
    }
}
