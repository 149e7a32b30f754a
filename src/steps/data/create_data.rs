//! `create_data`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::data::{ColumnFault, Columns, DataError, FILLED, Generator};
use crate::harness::{
    Context, Finding, Generated, MarkKind, NodeField, NodeRef, Output, Resolved, Role, Scope, Step, StepKind,
    StepResult, UserPace,
};
use crate::node::{Node, Purpose, discard};
use crate::pg::TableName;
use crate::source::{Ordered, Spanned};
use crate::steps::data::load::FileRun;

/// Makes a table and fills it, or runs a file of SQL.
///
/// ```yaml
/// - id: data
///   create_data: { node: master, table: shop.orders, rows: 100000 }
/// - create_data:
///     node: master
///     table: items
///     rows: 5000
///     columns: { id: bigint primary key, price: "numeric(12,2) not null", note: text }
/// - create_data: { node: master, file: fixtures/shop.sql }
/// ```
///
/// The same seed makes the same rows on any machine. drillyard knows their number and their
/// checksum without asking the server: `assert_rows: { table: ..., same_as: data }` compares with
/// those, and names the rows that differ. Column types are smallint, integer, bigint, numeric,
/// real, double precision, text, varchar(n), boolean, uuid, date, timestamp, timestamptz, jsonb and
/// bytea, each with `not null` or `primary key` behind it. An integer that is the primary key
/// counts from 1. Without `columns` the table has id, amount, note and at.
///
/// A file is looked for beside the scenario, then in the directories above it. psql runs it, so it
/// may contain `COPY ... FROM stdin` and psql's commands; files that `\i`, `\ir` and `\copy` name
/// are looked for beside the file and come along. Everything runs in one transaction, unless the
/// file begins or ends some itself, or has a statement that cannot be in one (CREATE DATABASE,
/// CREATE INDEX CONCURRENTLY). The server's timeouts do not apply, and the first error ends
/// it, whatever the file says about ON_ERROR_STOP. Settings that it changes apply to this step
/// only.
///
/// It passes if everything is there and committed. It fails, with the file's line, if the server
/// refuses (the table exists already, say); if the file is truncated, is not UTF-8 and does not say
/// what it is, rolls back what it did, or has no statement; and if it would run a program (`\!`) or
/// load into another server (`\connect`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDataSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The table to make.
    #[serde(default)]
    table: Option<Spanned<TableName>>,
    /// How many rows.
    #[serde(default)]
    #[schemars(extend("minimum" = 1))]
    rows: Option<Spanned<u64>>,
    /// The columns' types, by name.
    #[serde(default)]
    columns: Option<Spanned<Ordered<String, Spanned<String>>>>,
    /// A file of SQL instead.
    #[serde(default)]
    file: Option<Spanned<String>>,
    /// The database that it goes into.
    #[serde(default)]
    database: Option<Spanned<String>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct CreateData {
    /// The server.
    node: NodeRef,
    /// What is created there.
    what: What,
    /// The database that it goes into.
    database: Option<Spanned<String>>,
}

/// What is created.
#[derive(Debug)]
enum What {
    /// A table with rows made from the drill's seed.
    Table {
        /// Its name.
        table: Spanned<TableName>,
        /// How many rows.
        rows: u64,
        /// Its columns.
        columns: Columns,
    },
    /// Whatever a file of SQL creates.
    File(Spanned<String>),
}

impl StepKind for CreateDataSpec {
    type Step = CreateData;

    const NAME: &'static str = "create_data";
    const DEADLINE: Duration = Duration::from_secs(600);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str = "rows";
    const MARK: MarkKind = MarkKind::Moment;
    const OUTPUT: Option<Output> = Some(Output::Data);
    const USERS: UserPace = UserPace::Full;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<CreateData> {
        let node = scope.primary(&self.node);
        if let Some(rows) = self.rows.as_ref().filter(|rows| rows.value == 0) {
            scope.error(rows.span, "a table without rows proves nothing", "at least 1");
        }
        let columns = self.columns(scope);
        let database = self.database;
        let what = match (self.table, self.file) {
            (None, None) => {
                let help = "write `table: NAME, rows: N` or `file: PATH`";
                scope.error_help(scope.action, "`table` or `file` is missing", "create what?", help);
                None
            }
            (Some(_), Some(file)) => {
                scope.error(file.entry, "`table` and `file` exclude each other", "one of the two");
                None
            }
            (Some(table), None) => {
                if self.rows.is_none() {
                    scope.error(table.entry, "`rows` is missing", "how many rows?");
                }
                Some(What::Table { table, rows: self.rows?.value, columns: columns? })
            }
            (None, Some(file)) => {
                scope.file(&file);
                let rows = self.rows.map(|rows| (rows.entry, "rows"));
                let columns = self.columns.map(|columns| (columns.entry, "columns"));
                for (entry, field) in [rows, columns].into_iter().flatten() {
                    scope.error(entry, format!("`{field}` goes with `table`"), "a file has its own rows");
                }
                Some(What::File(file))
            }
        };
        Some(CreateData { node: node?, what: what?, database })
    }
}

/// From how many rows on two sessions fill a table.
const MANY: u64 = 200_000;

impl CreateDataSpec {
    /// The columns; an error at the one that cannot be made.
    fn columns(&self, scope: &mut Scope<'_>) -> Option<Columns> {
        let Some(columns) = &self.columns else { return Some(Columns::default()) };
        let named = columns.value.iter().map(|(name, kind)| (name.as_str(), kind.value.as_str()));
        let wrong = match Columns::parse(named) {
            Ok(columns) => return Some(columns),
            Err(wrong) => wrong,
        };
        match columns.value.iter().find(|(name, _)| name.as_str() == wrong.column) {
            Some((name, kind)) => {
                let title = format!("column `{}` cannot be made", name.value);
                match wrong.fault {
                    // What would be right is a list, and lists are for the remark below.
                    ColumnFault::NotFilled(_) => {
                        let label = "is not a type that create_data fills";
                        scope.error_help(kind.span, title, label, format!("types are {FILLED}"));
                    }
                    ColumnFault::Other(reason) => {
                        scope.error(name.span.to(kind.span), title, reason);
                    }
                }
            }
            None => {
                scope.error(columns.span, "these columns cannot be made", wrong.fault.to_string());
            }
        }
        None
    }
}

#[async_trait(?Send)]
impl Step for CreateData {
    fn title(&self) -> String {
        match &self.what {
            What::File(file) => format!("load {} into {}", file.value, self.node),
            What::Table { table, rows, .. } => format!("{rows} rows in {} on {}", table.value, self.node),
        }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        cx.noted(&self.node.id, async |cx| match &self.what {
            What::File(file) => self.run_file(cx, &node, file).await,
            What::Table { table, rows, columns } => self.generate(cx, &node, table, *rows, columns.clone()).await,
        })
        .await
    }
}

impl CreateData {
    /// Fills a table with rows made from the drill's seed.
    async fn generate(
        &self,
        cx: &mut Context<'_>,
        node: &Node,
        table: &Spanned<TableName>,
        rows: u64,
        columns: Columns,
    ) -> StepResult {
        let refused = |e: DataError| {
            Finding::failed(format!("cannot create {}", table.value)).at(table.span).label(e.to_string())
        };
        let generator = Generator::new(table.value.clone(), columns, rows, cx.world.seed).map_err(refused)?;
        // For few rows a second session costs more than it brings.
        let database = self.database.as_ref();
        let client = cx.session_as(node, Purpose::Load, database, None).await?;
        let helper = if rows >= MANY { Some(cx.session_as(node, Purpose::Load, database, None).await?) } else { None };
        let loaded = generator.load(&client, helper.as_ref()).await.map_err(refused);
        discard(&client).await;
        loaded?;
        cx.fact("rows", rows);
        if let Some(id) = cx.id {
            let adding = generator.clone();
            let sum = tokio::task::spawn_blocking(move || adding.checksum()).await;
            let sum = sum.map_err(|e| Finding::errored(format!("the checksum could not be computed: {e}")))?;
            let database = database.cloned();
            cx.world.outputs().generated.insert(id.clone(), Generated { generator, sum, database });
        }
        Ok(())
    }

    async fn run_file(&self, cx: &mut Context<'_>, node: &Node, file: &Spanned<String>) -> StepResult {
        let title = format!("{} did not run on `{}`", file.value, node.name());
        let database = self.database.as_ref();
        let run = FileRun { file, purpose: Purpose::Load, may_commit: true, title, database, role: None };
        let client = cx.client_in(node, database).await?;
        let load = run.gather(cx, node)?;
        run.run(cx, node, &client, &load).await.map(drop)
    }
}
