//! `dump`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::load::client_program;
use super::{Aside, Context, Dump, Finding, NodeRef, Role, Scope, Step, StepKind, StepResult};
use crate::data::Dependents;
use crate::node::{Node, Purpose};
use crate::pg::TableName;
use crate::source::Spanned;

/// Dumps tables or schemas with pg_dump, under the step's id.
///
/// ```yaml
/// - id: orders
///   dump: { node: rescue, tables: [shop.orders], dependents: true }
/// - id: everything
///   dump: { node: rescue, schemas: [shop] }
/// ```
///
/// `dependents: true` adds what a DROP ... CASCADE took with the tables and `pg_dump --table` leaves out: inbound foreign keys,
/// views, publication membership, statistics objects, partitions before 16. What depends on a table and is not understood fails
/// the step: it is never left out silently.
///
/// It passes when the dump is complete. It fails when pg_dump does; blocked by a lock it fails within its deadline and names who
/// holds the lock, and why. A recovery that is paused before the commit of a DROP TABLE holds that table's lock for ever.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeDump {
    /// The server.
    #[serde(default)]
    node: NodeRef,
    /// The tables.
    #[serde(default)]
    tables: Option<Spanned<Vec<Spanned<TableName>>>>,
    /// Whole schemas instead.
    #[serde(default)]
    schemas: Option<Spanned<Vec<String>>>,
    /// Adds what depends on the tables.
    #[serde(default)]
    dependents: Option<Spanned<bool>>,
}

impl StepKind for TakeDump {
    const NAME: &'static str = "dump";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const RECOVERS: bool = true;
}

#[async_trait(?Send)]
impl Step for TakeDump {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        scope.own_node(&mut self.node);
        if scope.id.is_none() {
            scope.error_help(
                scope.action,
                "`dump` has no `id`",
                "nothing can import it",
                "write `id: orders` beside `dump:`",
            );
        }
        match (&self.tables, &self.schemas) {
            (None, None) => {
                scope.error_help(scope.action, "`tables` or `schemas` is missing", "dump what?", "write `tables: [shop.orders]`");
            }
            (Some(_), Some(schemas)) => {
                scope.error(schemas.entry, "`tables` and `schemas` exclude each other", "one of the two");
            }
            (Some(tables), None) if tables.value.is_empty() => {
                scope.error(tables.span, "`tables` is empty", "dump what?");
            }
            (None, Some(schemas)) if schemas.value.is_empty() => {
                scope.error(schemas.span, "`schemas` is empty", "dump what?");
            }
            _ => {}
        }
        if let (Some(dependents), Some(_)) = (&self.dependents, &self.schemas)
            && dependents.value
        {
            scope.error(dependents.entry, "`dependents` goes with `tables`", "a schema brings its own");
        }
    }

    fn title(&self) -> String {
        let what = match (&self.tables, &self.schemas) {
            (Some(tables), _) => tables.value.iter().map(|t| t.value.to_string()).collect::<Vec<_>>().join(", "),
            (None, Some(schemas)) => format!("schema {}", schemas.value.join(", ")),
            (None, None) => String::new(),
        };
        format!("dump {what} of {}", self.node)
    }

    fn aside(&self) -> Aside {
        Aside::Reads
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.yard.node(self.node.as_str())?;
        let id = cx.id.unwrap_or_default().to_owned();
        let path = format!("{}/dump-{id}.sql", node.host()?.paths().shared);
        let dependents = match self.dependents.as_ref().is_some_and(|d| d.value) {
            true => Some(self.find_dependents(cx, &node).await?),
            false => None,
        };
        let mut args = vec!["--file".to_owned(), path.clone(), "--no-password".to_owned()];
        for table in self.tables.iter().flat_map(|tables| &tables.value) {
            args.extend(["--table".to_owned(), table.quoted()]);
        }
        for table in dependents.iter().flat_map(|dependents| &dependents.relations) {
            args.extend(["--table".to_owned(), table.quoted()]);
        }
        for schema in self.schemas.iter().flat_map(|schemas| &schemas.value) {
            args.extend(["--schema".to_owned(), crate::pg::quote_identifier(schema)]);
        }
        cx.wait("pg_dump");
        // Where a lock is in its way, whoever watches the step ends it and says who holds it.
        let output = node.host()?.run(client_program(&node, "pg_dump", Purpose::Own)?.with_args(args)).await?;
        if !output.success() {
            return Err(self.explain(output.stderr.trim()));
        }
        let mut files = vec![path.clone()];
        if let Some(dependents) = dependents {
            if !dependents.without.is_empty() {
                self.leave_out(&node, &path, &dependents.without).await?;
            }
            if !dependents.sql.trim().is_empty() {
                let after = format!("{}/dump-{id}-dependents.sql", node.host()?.paths().shared);
                node.host()?.write(&after, dependents.sql.as_bytes()).await?;
                files.push(after);
            }
            cx.fact("dependents", dependents.summary.clone());
        }
        cx.yard.state().dumps.insert(id, Dump {
            files,
            node: self.node.as_str().to_owned(),
            tables: self.tables.iter().flat_map(|tables| &tables.value).map(|table| table.value.clone()).collect(),
            schemas: self.schemas.iter().flat_map(|schemas| &schemas.value).cloned().collect(),
        });
        Ok(())
    }
}

impl TakeDump {
    async fn find_dependents(&self, cx: &mut Context<'_>, node: &Node) -> Result<Dependents, Box<Finding>> {
        let tables: Vec<TableName> =
            self.tables.iter().flat_map(|tables| &tables.value).map(|table| table.value.clone()).collect();
        let client = cx.client(node).await?;
        cx.wait("the dependents' definitions");
        let found = Dependents::read(&client, &tables).await.map_err(|error| self.explain(&error.to_string()))?;
        if !found.unknown.is_empty() {
            return Err(Finding::failed("something depends on the tables that a dump cannot bring back")
                .at(self.dependents.as_ref().map_or(Default::default(), |d| d.entry))
                .label("these would be lost")
                .note("lost", found.unknown.join("\n")));
        }
        Ok(found)
    }

    /// Takes lines out of pg_dump's output that would stand in the way of an import.
    async fn leave_out(&self, node: &Node, path: &str, lines: &[String]) -> StepResult {
        let host = node.host()?;
        let mut text = String::from_utf8_lossy(&host.read(path, 0).await?).into_owned();
        for line in lines {
            let whole = format!("{}\n", line.trim_end());
            match text.find(&whole) {
                Some(at) => text.replace_range(at..at + whole.len(), ""),
                None => return Err(Finding::errored(format!("pg_dump wrote something unexpected: there is no `{line}`"))),
            }
        }
        Ok(host.write(path, text.as_bytes()).await?)
    }

    fn explain(&self, said: &str) -> Box<Finding> {
        let span = self.tables.as_ref().map(|t| t.entry).or(self.schemas.as_ref().map(|s| s.entry));
        let finding = Finding::failed("pg_dump failed").note("said", said);
        match span {
            Some(span) => finding.at(span),
            None => finding,
        }
    }
}
