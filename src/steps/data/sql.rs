//! `sql`

mod by_hand;
mod checked;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::harness::{
    Awaited, Context, Effects, Finding, Later, MarkKind, NodeField, NodeRef, Places, Ran, Recovers, Resolved, Role,
    Scope, Step, StepKind, StepResult, UserPace, all_now,
};
use crate::node::{Node, Purpose, discard};
use crate::pg::sql::{changes_what_is_there, split_statements};
use crate::pg::{Xid, error_message};
use crate::source::{Late, RoleName, Scalar, Span, Spanned, Sql as SqlText};
use crate::steps::data::autocommit::{There, note_dropped, run_alone};
use crate::steps::data::capture::{Capture, Rows};
use crate::steps::data::format;
use crate::steps::data::load::{FileRun, user_help};
use crate::steps::data::values::Params;
use crate::steps::recovery::tablespaces::{mentions_tablespace, standbys_apart};

/// Runs SQL in one transaction.
///
/// ```yaml
/// - sql: { node: master, query: "UPDATE shop.orders SET status = $1 WHERE id = $2", args: [paid, 17] }
/// - id: migration
///   sql: { node: master, file: fixtures/migration.sql }
/// ```
///
/// Each step has a session of its own, with the settings that the server has for users
/// (postgresql.conf, ALTER DATABASE, ALTER ROLE), including its timeouts. Settings that the step
/// changes apply to this step only. psql runs a file, as in `create_data`; the file may not begin
/// or end transactions.
///
/// `autocommit: true` is for what the server runs in no transaction block, and for SQL that begins
/// and ends transactions itself: VACUUM, CREATE INDEX CONCURRENTLY, ALTER SYSTEM, CREATE DATABASE,
/// COMMIT PREPARED. Each statement runs on its own then, and those before an error stay. The mark
/// is one by LSN, since it may be several transactions; that of a COMMIT PREPARED alone knows its
/// transaction id.
///
/// `database` is where it runs, if that is not the node's own one. With `role` it runs as that role
/// (`SET ROLE`; what ALTER ROLE sets for it does not apply): `expect: { fails: permission denied }`
/// then shows that it may not. If the role cannot be taken on, nothing was tried, and that is an
/// error, whatever is expected.
///
/// Give `query` or `file`, not both. `args` are bound as `$1`, `$2` ...; with them the query is one
/// statement. `${...}` is not substituted in SQL. With an `id` the step is a mark: it records the
/// server's time, LSN and timeline before and after, and its transaction id.
///
/// Where SQL takes no parameters, as in DDL, the values of `format` are put into the query by the
/// server's own `format()`: `%L` becomes a literal and `%I` a name, each with the quotes that it
/// needs; `%%` is a percent sign, and there is no `%s`. So one server is told where another one is:
///
/// ```yaml
/// - sql:
///     node: reports
///     query: >
///       CREATE SUBSCRIPTION s CONNECTION %L PUBLICATION p
///       WITH (create_slot = false, slot_name = 'reports')
///     format: ["${nodes.master.conninfo}"]
/// ```
///
/// `capture` keeps values for later steps, which ask for them as `${ID.NAME}`: a list of columns of
/// the one row that the last query returns, or a map of names to queries that return one value
/// each, in the same transaction. With such a map there need not be a `query`. A captured value is
/// text, or NULL.
///
/// ```yaml
/// - id: newest
///   sql: { node: master, query: "SELECT max(id) AS id FROM shop.orders", capture: [id] }
/// - id: size
///   sql: { node: master, capture: { orders: "SELECT count(*) FROM shop.orders" } }
/// - sql: { node: rescue, query: "SELECT check_orders($1)", args: ["${size.orders}"] }
/// - assert_rows: { node: rescue, table: shop.orders, count: "${size.orders}" }
/// ```
///
/// It passes if the transaction was committed. Otherwise it fails with the server's own message; a
/// capture of no row, or of several, fails and undoes the transaction.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The SQL.
    #[serde(default)]
    query: Option<Spanned<SqlText>>,
    /// A file with SQL.
    #[serde(default)]
    file: Option<Spanned<String>>,
    /// Bound as `$1`, `$2` ...
    #[serde(default)]
    args: Option<Spanned<Vec<Late<Scalar>>>>,
    /// Put into the query by the server's `format()`, in the places of `%L` and `%I`.
    #[serde(default)]
    format: Option<Spanned<Vec<Late<Scalar>>>>,
    /// What later steps can ask for: columns of the row that it returns, or queries by name.
    #[serde(default)]
    capture: Option<Spanned<Capture>>,
    /// Runs each statement on its own, and not all in one transaction.
    #[serde(default)]
    autocommit: Option<Spanned<bool>>,
    /// The database that it runs in.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// The role that it runs as.
    #[serde(default)]
    role: Option<Spanned<RoleName>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Sql {
    /// The server.
    node: NodeRef,
    /// The SQL.
    text: What,
    /// Bound as `$1`, `$2` ...
    args: Vec<Later<Scalar>>,
    /// Put into the query by the server.
    format: Vec<Later<Scalar>>,
    /// What is kept of what it returns.
    capture: Option<Spanned<Capture>>,
    /// Whether each statement runs on its own.
    autocommit: bool,
    /// The database that it runs in.
    database: Option<Spanned<String>>,
    /// The role that it runs as.
    role: Option<Spanned<RoleName>>,
}

/// Where the SQL is.
#[derive(Debug)]
enum What {
    /// In the scenario.
    Query(Spanned<SqlText>),
    /// In a file.
    File(Spanned<String>),
    /// Nowhere: it only captures.
    Nothing,
}

impl StepKind for SqlSpec {
    type Step = Sql;

    const NAME: &'static str = "sql";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::Transaction;
    const FACTS: &'static str = "rows";
    const USERS: UserPace = UserPace::Full;
    const RECOVERS: Recovers = Recovers::IfRepairs;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Sql> {
        let node = scope.own_node(&self.node);
        self.check_text(scope);
        if self.file.is_some() || self.query.as_ref().is_some_and(|query| query.as_str().contains("promote")) {
            scope.may_promote();
        }
        if let Some(capture) = &self.capture {
            capture.value.resolve(scope, capture.entry);
            if let (Some(file), true) = (&self.file, capture.value.is_of_columns()) {
                let help = "capture by a query: `capture: { name: \"SELECT ...\" }`";
                scope.error_help(capture.entry, "psql runs a `file`", "its rows are not seen", help);
                scope.file(file);
                return None;
            }
        }
        if let Some(file) = &self.file {
            self.check_file(scope, file);
        }
        let format = self.format.map(|Spanned { value, .. }| scope.all_later(value, Places::OfSession));
        let args = scope.all_later(self.args.map_or(vec![], |args| args.value), Places::OfSession);
        let text = match (self.query, self.file, &self.capture) {
            (Some(query), None, _) => What::Query(query),
            (None, Some(file), _) => What::File(file),
            (None, None, Some(_)) => What::Nothing,
            _ => return None,
        };
        let autocommit = self.autocommit.is_some_and(|autocommit| autocommit.value);
        let (capture, database, role, format) =
            (self.capture, self.database, self.role, format.unwrap_or(Some(vec![]))?);
        Some(Sql { node: node?, text, args: args?, format, capture, autocommit, database, role })
    }
}

#[async_trait(?Send)]
impl Step for Sql {
    fn title(&self) -> String {
        match &self.text {
            What::File(file) => format!("run {} on {}", file.value, self.node),
            What::Query(query) => format!("{} on {}", shorten(query.as_str()), self.node),
            What::Nothing => format!("capture values on {}", self.node),
        }
    }

    fn effects(&self) -> Effects {
        let changes = match &self.text {
            What::Query(query) => split_statements(query.as_str()).into_iter().any(changes_what_is_there),
            // psql's own commands do whatever they like.
            What::File(_) => true,
            What::Nothing => false,
        };
        Effects { changes, ..Effects::writes(&self.node) }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let title = format!("the SQL did not run on `{}`", self.node);
        match &self.text {
            What::Query(query) => self.run_text(cx, &node, query, title).await,
            What::File(file) if !self.args.is_empty() => {
                let text = SqlText(cx.world.read_file(&file.value)?);
                let text = Spanned { value: text, span: file.span, entry: file.entry };
                self.run_text(cx, &node, &text, title).await
            }
            What::File(file) => {
                let (database, role) = (self.database.as_ref(), self.role.as_ref());
                let may_commit = self.autocommit;
                let run = FileRun { file, purpose: Purpose::User, may_commit, title, database, role };
                // Asked first, since this knows why a server does not answer, or not to that role.
                cx.client_as(&node, database, role).await?;
                let mut load = run.gather(cx, &node)?;
                load.own_transactions |= self.autocommit;
                let began = Instant::now();
                let mut dropped = None;
                let ran = cx.marked(&node, async |client, cx| {
                    // What drops a database runs in no transaction.
                    let before = if self.autocommit { Some(There::see(client).await?) } else { None };
                    let xid = run.run(cx, &node, client, &load).await?;
                    if let Some(before) = before {
                        dropped = before.dropped(&There::see(client).await?);
                    }
                    Ok(xid)
                });
                ran.await?;
                note_dropped(cx, dropped);
                // One in another encoding is run, and not shown.
                let text = cx.world.read_file(&file.value).unwrap_or_else(|_| format!("\\i {}\n", file.value));
                let text = format!("{}{text}", self.session_by_hand(""));
                cx.ran(Ran::sql(&node, format!("run {}", file.value), &text).equivalent().took(began.elapsed()));
                self.capture_alone(cx, &node).await
            }
            What::Nothing => cx.marked(&node, async |_, cx| self.capture_alone(cx, &node).await.map(|()| None)).await,
        }
    }
}

impl Sql {
    /// Runs a text in a session like a user's, which ends with the step.
    async fn run_text(&self, cx: &mut Context<'_>, node: &Node, text: &Spanned<SqlText>, title: String) -> StepResult {
        // A limit of its own on how long it waits is what the scenario is about; and a program may
        // do what it likes.
        if text.as_str().contains("_timeout") {
            cx.awaits(Awaited::Command, node.name());
        }
        let words = text.as_str().split(|c: char| !c.is_alphanumeric());
        let runs_programs = words.into_iter().any(|word| word.eq_ignore_ascii_case("program"));
        let (database, role) = (self.database.as_ref(), self.role.as_ref());
        let args = all_now(cx, &self.args, Some(node)).await?;
        let format = all_now(cx, &self.format, Some(node)).await?;
        let session = cx.session_as(node, Purpose::User, database, role).await?;
        let mut dropped = None;
        let span = text.span;
        let text = match format.is_empty() {
            true => text.as_str().to_owned(),
            false => format::formatted(&session, text, &format).await?,
        };
        let run = cx.marked(node, async |asking, cx| {
            if runs_programs {
                cx.commanded(node.name());
            }
            if !self.autocommit {
                return self.transaction(cx, &session, (&text, span), &args, &title).await;
            }
            let refused = |error| refused(error, span, &title);
            let ended = run_alone((asking, &session), (&text, &args), (span, &title), refused).await?;
            if !args.is_empty() {
                cx.fact("rows", ended.rows);
            }
            if let Some(capture) = &self.capture {
                capture.value.ask(cx, &session).await?;
            }
            dropped = ended.dropped;
            if mentions_tablespace(&text) {
                standbys_apart(cx, node).await?;
            }
            Ok(ended.xid)
        });
        let began = Instant::now();
        let ran = run.await;
        note_dropped(cx, dropped);
        if ran.is_ok() {
            let by_hand = self.by_hand(&text, &args);
            cx.ran(Ran::sql(node, format!("run SQL on `{}`", node.name()), &by_hand).took(began.elapsed()));
        }
        if runs_programs {
            cx.commanded(node.name());
        }
        discard(&session).await;
        ran
    }

    /// Runs a text in a transaction, which is undone if anything is wrong, also with what is to be
    /// captured.
    async fn transaction(
        &self,
        cx: &mut Context<'_>,
        session: &Client,
        (text, span): (&str, Span),
        args: &[Scalar],
        title: &str,
    ) -> Result<Option<Xid>, Box<Finding>> {
        let sql = |error| refused(error, span, title);
        session.batch_execute("BEGIN").await.map_err(sql)?;
        let run = async {
            let last = match (args, &self.capture) {
                ([], _) => Rows::last(session.simple_query(text).await.map_err(sql)?),
                (args, Some(capture)) if capture.value.is_of_columns() => {
                    Some(Rows::of_statement(session, text, args).await.map_err(sql)?)
                }
                (args, _) => {
                    cx.fact("rows", session.execute(text, &Params::of(args).all()).await.map_err(sql)?);
                    None
                }
            };
            if let Some(capture) = &self.capture {
                capture.value.keep_columns(cx, span, last.as_ref())?;
                capture.value.ask(cx, session).await?;
            }
            let row = session.query_one("SELECT pg_current_xact_id_if_assigned()::text", &[]).await.map_err(sql)?;
            session.batch_execute("COMMIT").await.map_err(sql)?;
            Ok(row.get::<_, Option<String>>(0))
        };
        match run.await {
            Ok(xid) => Ok(xid.and_then(|text| text.parse().ok()).map(Xid::from_full)),
            Err(finding) => {
                let _ = session.batch_execute("ROLLBACK").await;
                Err(finding)
            }
        }
    }

    /// Captures what queries return, in a transaction of their own, if any are given.
    async fn capture_alone(&self, cx: &mut Context<'_>, node: &Node) -> StepResult {
        let Some(capture) = &self.capture else { return Ok(()) };
        let session = cx.session_as(node, Purpose::User, self.database.as_ref(), self.role.as_ref()).await?;
        session.batch_execute("BEGIN").await?;
        let asked = capture.value.ask(cx, &session).await;
        if asked.is_ok() {
            session.batch_execute("COMMIT").await?;
        }
        discard(&session).await;
        asked
    }
}

/// What the server said, at the SQL.
fn refused(error: tokio_postgres::Error, span: Span, title: &str) -> Box<Finding> {
    let finding = Finding::failed(title).at(span).label(error_message(&error));
    match error.code() {
        Some(code) => user_help(finding, code.code()),
        None => finding,
    }
}

/// SQL as a title: one line, not too long.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((at, _)) => format!("{} ...", line[..at].trim_end()),
        None => line,
    }
}
