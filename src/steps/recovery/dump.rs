//! `dump`

mod resolved;
mod whole;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::data::{Catalog, Dependents};
use crate::harness::{
    Context, Dump, Dumped, Effects, Finding, NodeField, NodeRef, Output, Ran, Recovers, Resolved, Role, Scope, Step,
    StepId, StepKind, StepResult,
};
use crate::host::{Program, quote_word};
use crate::journal::Event;
use crate::node::{Node, Purpose, conninfo_of};
use crate::pg::{TableName, quote_identifier};
use crate::source::{Span, Spanned};

/// Dumps tables, schemas, a whole database or the roles, under the step's id.
///
/// ```yaml
/// - id: orders
///   dump: { node: rescue, tables: [shop.orders], dependents: true }
/// - id: everything
///   dump: { node: rescue, schemas: [shop] }
/// - id: books
///   dump: { node: rescue, database: books }
/// - id: roles
///   dump: { node: rescue, globals: true }
/// ```
///
/// Beside `tables` or `schemas`, `database` is where they are, if that is not the node's own one;
/// without them it is the whole database that is dumped, with its owner, encoding, locale, settings
/// and grants. `globals: true` dumps what the databases of a server have in common: roles with
/// their passwords, memberships, and settings that hold in all databases. Tablespaces are not among
/// them, since their directories are the server's own: `create_tablespace` makes one.
///
/// `dependents: true` adds what a DROP ... CASCADE took with the tables or schemas and `pg_dump
/// --table` or `--schema` leaves out: inbound foreign keys, views, publication membership,
/// statistics objects, and partitions before 16. A dependent object that drillyard does not
/// understand fails the step; nothing is left out silently. Without it, a dump of schemas warns of
/// what stays outside.
///
/// Large objects that the rows refer to are included with their owners, grants and comments: by
/// columns of type `oid`, of a domain over it such as `lo` or of an array of these, and by columns
/// of numbers or texts whose values are all numbers of large objects. How many others the database
/// has is reported. `reimport` leaves existing ones with the same contents alone, and fails if a
/// number is taken by other contents.
///
/// It passes if the dump is complete. It fails if pg_dump does. Blocked by a lock, it fails within
/// its deadline and reports who holds the lock, and why. A recovery that is paused before the
/// commit of a DROP TABLE holds that table's lock for ever.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeDumpSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The tables.
    #[serde(default)]
    tables: Option<Spanned<Vec<Spanned<TableName>>>>,
    /// Whole schemas instead.
    #[serde(default)]
    schemas: Option<Spanned<Vec<String>>>,
    /// The database that they are in; without them, all of it is dumped.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// The roles instead.
    #[serde(default)]
    globals: Option<Spanned<bool>>,
    /// Adds what depends on the tables or schemas.
    #[serde(default)]
    dependents: Option<Spanned<bool>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct TakeDump {
    /// Its id.
    id: StepId,
    /// The server.
    node: NodeRef,
    /// What is dumped.
    what: Dumped,
    /// The database that it is in, or that it is.
    database: Option<Spanned<String>>,
    /// Where the scenario says so.
    what_at: Span,
    /// Where it asks for what depends on that; none if it does not.
    dependents: Option<Span>,
}

impl StepKind for TakeDumpSpec {
    type Step = TakeDump;

    const NAME: &'static str = "dump";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str = "dependents";
    const OUTPUT: Option<Output> = Some(Output::Dump);
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<TakeDump> {
        let node = scope.own_node(&self.node);
        if scope.id.is_none() {
            scope.error_help(
                scope.action,
                "`dump` has no `id`",
                "nothing can import it",
                "write `id: orders` beside `dump:`",
            );
        }
        let dependents = self.dependents.as_ref().filter(|wanted| wanted.value).map(|wanted| wanted.entry);
        let what = self.what(scope);
        let (what, what_at) = what?;
        Some(TakeDump { id: scope.id.clone()?, node: node?, what, database: self.database, what_at, dependents })
    }
}

#[async_trait(?Send)]
impl Step for TakeDump {
    fn title(&self) -> String {
        let what = match &self.what {
            Dumped::Tables(tables) => tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            Dumped::Schemas(schemas) => format!("schema {}", schemas.join(", ")),
            Dumped::Database => format!("database {}", self.database.as_ref().map_or("", |database| database.as_str())),
            Dumped::Globals => "the roles".to_owned(),
        };
        format!("dump {what} of {}", self.node)
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let path = self.file(&node, "")?;
        // Asked first, since this knows why a server does not answer, or has no such database.
        cx.client_in(&node, self.database.as_ref()).await?;
        let (mut files, mut itself, mut roles) = (vec![path.clone()], None, None);
        match &self.what {
            Dumped::Tables(_) | Dumped::Schemas(_) => files = self.dump_parts(cx, &node, path).await?,
            Dumped::Database => {
                self.pg_dump(cx, &node, &path, "", vec![]).await?;
                itself = Some(self.dump_itself(cx, &node).await?);
            }
            Dumped::Globals => roles = Some(self.dump_roles(cx, &node).await?.1),
        }
        let (node, database, what) = (self.node.id.clone(), self.database.clone(), self.what.clone());
        cx.world.outputs().dumps.insert(self.id.clone(), Dump { files, node, database, what, itself, roles });
        Ok(())
    }
}

impl TakeDump {
    /// Dumps tables or schemas, and gives the files in the order in which they are run.
    async fn dump_parts(&self, cx: &mut Context<'_>, node: &Node, path: String) -> Result<Vec<String>, Box<Finding>> {
        let dependents = self.find_dependents(cx, node).await?;
        let mut files = vec![path.clone()];
        let outside = dependents.iter().flat_map(|dependents| &dependents.relations).map(TableName::quoted);
        match &self.what {
            Dumped::Schemas(schemas) => {
                let names = schemas.iter().map(|schema| quote_identifier(schema)).collect();
                self.pg_dump(cx, node, &path, "--schema", names).await?;
                // Beside --table pg_dump pays no heed to --schema.
                let outside: Vec<String> = outside.collect();
                if !outside.is_empty() {
                    let path = self.file(node, "-outside")?;
                    self.pg_dump(cx, node, &path, "--table", outside).await?;
                    files.push(path);
                }
            }
            _ => {
                let names = self.tables().iter().map(TableName::quoted).chain(outside).collect();
                self.pg_dump(cx, node, &path, "--table", names).await?;
            }
        }
        if let Some(first) = self.bring_large_objects(cx, node).await? {
            files.insert(0, first);
        }
        if let Some(dependents) = dependents {
            if !dependents.without.is_empty() {
                self.leave_out(node, &path, &dependents.without).await?;
                let lines: Vec<String> = dependents.without.iter().map(|line| line.trim_end().to_owned()).collect();
                let grep = Program::new(
                    "grep",
                    lines.iter().fold(vec!["-vxF"], |args, line| [args, vec!["-e", line]].concat()),
                );
                let (file, part) = (quote_word(&path), quote_word(&format!("{path}.part")));
                let text = format!("{} {file} >{part}\nmv {part} {file}", grep.typed());
                cx.ran(Ran::like(node, "leave out what would stand in the way of the import", text));
            }
            if !dependents.sql.trim().is_empty() {
                let after = self.file(node, "-dependents")?;
                node.host()?.write(&after, dependents.sql.as_bytes()).await?;
                let what =
                    "add what depends on it: foreign keys of other tables, views and the like, as they are there";
                cx.ran(Ran::like(node, what, write_file(&after, &dependents.sql)));
                files.push(after);
            }
            cx.fact("dependents", dependents.summary.clone());
        }
        Ok(files)
    }

    /// The tables, if it is of tables.
    fn tables(&self) -> &[TableName] {
        match &self.what {
            Dumped::Tables(tables) => tables,
            Dumped::Schemas(_) | Dumped::Database | Dumped::Globals => &[],
        }
    }
}

/// Writes a file, in `sh`.
fn write_file(path: &str, text: &str) -> String {
    format!("cat >{} <<'END_OF_SQL'\n{}\nEND_OF_SQL", quote_word(path), text.trim_end())
}

impl TakeDump {
    /// A file of the dump, in the directory that all hosts share.
    fn file(&self, node: &Node, part: &str) -> Result<String, Box<Finding>> {
        Ok(format!("{}/dump-{}{part}.sql", node.host()?.paths().shared, self.id))
    }

    /// The arguments by which PostgreSQL's programs go to the database.
    fn connection(&self) -> Vec<String> {
        let database = self.database.as_ref();
        database.map_or(vec![], |database| vec!["--dbname".to_owned(), conninfo_of(database)])
    }

    async fn pg_dump(
        &self,
        cx: &mut Context<'_>,
        node: &Node,
        path: &str,
        option: &str,
        names: Vec<String>,
    ) -> StepResult {
        let args = ["--file", path, "--no-password"].map(str::to_owned).into_iter();
        let args = args.chain(names.into_iter().flat_map(|name| [option.to_owned(), name]));
        let args = args.chain(self.connection());
        cx.wait("pg_dump");
        // Where a lock is in its way, whoever watches the step ends it and says who holds it.
        let program = node.client_program("pg_dump", Purpose::Own)?.with_args(args);
        let began = Instant::now();
        let output = node.host()?.run(program.clone()).await?;
        // Now its locks are released.
        cx.deed_ends(output.success());
        match output.success() {
            true => {
                cx.ran(Ran::program(node, self.title(), &program).took(began.elapsed()));
                Ok(())
            }
            false => Err(self.explain(output.stderr.trim())),
        }
    }

    /// Writes a script that brings the large objects that rows refer to: pg_dump leaves them out
    /// when it dumps tables or schemas.
    async fn bring_large_objects(&self, cx: &mut Context<'_>, node: &Node) -> Result<Option<String>, Box<Finding>> {
        let client = cx.client_in(node, self.database.as_ref()).await?;
        let tables = self.all_tables(&client).await?;
        let large = Catalog::large_objects_of(&client, &tables).await.map_err(|e| Finding::failed(e.to_string()))?;
        let count = large.count();
        let query = "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata";
        let others = client.query_one(query, &[]).await?.get::<_, i64>(0).cast_unsigned().saturating_sub(count as u64);
        if others > 0 {
            // They may be other tables'. Nobody knows of those that no row refers to by its number.
            cx.fact("large objects left out", others);
        }
        if count == 0 {
            return Ok(None);
        }
        cx.wait("the large objects that the rows refer to");
        let host = node.host()?;
        let (query, path) = (self.file(node, "-query")?, self.file(node, "-large-objects")?);
        // As CSV with quotes that no line has, the lines come as they are.
        let copy = format!("COPY ({}) TO STDOUT WITH (FORMAT csv, QUOTE E'\\b', DELIMITER E'\\f')", large.script());
        let text = format!("SET standard_conforming_strings = on; SET client_encoding = 'UTF8';\n{copy};\n");
        host.write(&query, text.as_bytes()).await?;
        let psql = node.client_program("psql", Purpose::Own)?;
        let psql = psql
            .with_args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", &path, "-f", &query])
            .with_args(self.connection());
        let output = host.run(psql.clone()).await?;
        if !output.success() {
            let title = "the large objects that the rows refer to could not be dumped";
            return Err(Finding::failed(title).note("said", output.stderr.trim()));
        }
        let what = "dump the large objects that the rows refer to";
        cx.ran(Ran::like(node, what, format!("{}\n{}", write_file(&query, &text), psql.typed())));
        cx.fact("large objects", count);
        Ok(Some(path))
    }

    /// The tables, or those of the schemas.
    async fn all_tables(&self, client: &Client) -> Result<Vec<TableName>, Box<Finding>> {
        let Dumped::Schemas(schemas) = &self.what else { return Ok(self.tables().to_vec()) };
        let query =
            "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND n.nspname = $1::text ORDER BY c.oid";
        let mut all = vec![];
        for schema in schemas {
            let rows = client.query(query, &[schema]).await?;
            all.extend(rows.iter().map(|row| TableName { schema: Some(row.get(0)), name: row.get(1) }));
        }
        Ok(all)
    }

    /// What depends on the tables or schemas, if it is asked for; a dump of schemas warns of
    /// what it leaves out.
    async fn find_dependents(&self, cx: &mut Context<'_>, node: &Node) -> Result<Option<Dependents>, Box<Finding>> {
        if self.dependents.is_none() && matches!(self.what, Dumped::Tables(_)) {
            return Ok(None);
        }
        let client = cx.client_in(node, self.database.as_ref()).await?;
        cx.wait("the dependents' definitions");
        let found = match &self.what {
            Dumped::Schemas(schemas) => Dependents::read_of_schemas(&client, schemas).await,
            _ => Dependents::read(&client, self.tables()).await,
        };
        let found = found.map_err(|error| self.explain(&error.to_string()))?;
        let Some(asked) = self.dependents else {
            let outside: Vec<String> = found.summary.iter().chain(&found.unknown).cloned().collect();
            if !outside.is_empty() {
                let title = self.title();
                let message = format!(
                    "{title} leaves out what depends on it from outside: {}; `dependents: true` brings it",
                    outside.join(", ")
                );
                cx.world.journal.write(Event::Warned { drill: Some(cx.world.drill), message });
            }
            return Ok(None);
        };
        if !found.unknown.is_empty() {
            let what = match self.what {
                Dumped::Schemas(_) => "schemas",
                _ => "tables",
            };
            let finding = Finding::failed(format!("something depends on the {what} that a dump cannot bring back"))
                .at(asked)
                .label("these would be lost")
                .note("lost", found.unknown.join("\n"));
            return Err(finding.help(self.way_out()));
        }
        Ok(Some(found))
    }

    /// What to do about dependents that cannot be brought.
    fn way_out(&self) -> String {
        let by_hand = format!(
            "on `{}`, before the dump, drop them with `sql`, and what uses them (a policy, view, check, default or index); after `reimport`, \
             create them again with `sql` in their right order",
            self.node
        );
        let Dumped::Tables(tables) = &self.what else { return by_hand };
        let tables = tables.iter();
        let mut schemas: Vec<&str> = tables.map(|table| table.schema.as_deref().unwrap_or("public")).collect();
        schemas.dedup();
        format!(
            "`schemas: [{}]` in the place of `tables` brings what is in the same schema in its right order, into a server that has lost the \
             whole schema. Otherwise, {by_hand}",
            schemas.join(", ")
        )
    }

    /// Takes lines out of pg_dump's output that would stand in the way of an import.
    async fn leave_out(&self, node: &Node, path: &str, lines: &[String]) -> StepResult {
        let host = node.host()?;
        let mut text = String::from_utf8_lossy(&host.read(path, 0).await?).into_owned();
        for line in lines {
            let whole = format!("{}\n", line.trim_end());
            match text.find(&whole) {
                Some(at) => text.replace_range(at..at + whole.len(), ""),
                None => {
                    return Err(Finding::errored(format!("pg_dump wrote something unexpected: there is no `{line}`")));
                }
            }
        }
        Ok(host.write(path, text.as_bytes()).await?)
    }

    fn explain(&self, said: &str) -> Box<Finding> {
        Finding::failed("pg_dump failed").note("said", said).at(self.what_at)
    }
}
