//! `sql`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::types::ToSql;

use crate::harness::{
    Awaited, Context, Effects, Finding, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind,
    StepResult, UserPace,
};
use crate::node::{Node, Purpose, Text, discard};
use crate::pg::error_message;
use crate::pg::sql::split_statements;
use crate::source::{RoleName, Scalar, Span, Spanned, Sql as SqlText};
use crate::steps::data::load::{FileRun, user_help};

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
/// `database` is where it runs, if that is not the node's own one. With `role` it runs as that role
/// (`SET ROLE`; what ALTER ROLE sets for it does not apply): `expect: { fails: permission denied }`
/// then shows that it may not. If the role cannot be taken on, nothing was tried, and that is an
/// error, whatever is expected.
///
/// Give `query` or `file`, not both. `args` are bound as `$1`, `$2` ...; with them the query is one
/// statement. `${...}` is not substituted in SQL. With an `id` the step is a mark: it records the
/// server's time, LSN and timeline before and after, and its transaction id.
///
/// It passes if the transaction was committed. Otherwise it fails with the server's own message.
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
    args: Vec<Scalar>,
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
    args: Vec<Scalar>,
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
}

impl StepKind for SqlSpec {
    type Step = Sql;

    const NAME: &'static str = "sql";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::Transaction;
    const USERS: UserPace = UserPace::Full;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Sql> {
        let node = scope.own_node(&self.node);
        match (&self.query, &self.file) {
            (None, None) => {
                scope.error_help(scope.action, "`query` or `file` is missing", "run what?", "write `query: ...`");
            }
            (Some(_), Some(file)) => {
                scope.error(file.entry, "`query` and `file` exclude each other", "one of the two");
            }
            (Some(query), None) if !self.args.is_empty() && split_statements(query.as_str()).len() > 1 => {
                scope.error(query.span, "`args` are for one statement", "this is more than one");
            }
            _ => {}
        }
        if let Some(query) = &self.query
            && let Some(word) = transaction_control(query.as_str())
        {
            let label = format!("`{word}` would end or begin another one");
            scope.error_help(
                query.span,
                "`sql` runs in one transaction of its own",
                label,
                "leave it out; use a step for each transaction",
            );
        }
        if let Some(file) = &self.file {
            scope.file(file);
        }
        let text = match (self.query, self.file) {
            (Some(query), None) => What::Query(query),
            (None, Some(file)) => What::File(file),
            _ => return None,
        };
        Some(Sql { node: node?, text, args: self.args, database: self.database, role: self.role })
    }
}

#[async_trait(?Send)]
impl Step for Sql {
    fn title(&self) -> String {
        match &self.text {
            What::File(file) => format!("run {} on {}", file.value, self.node),
            What::Query(query) => format!("{} on {}", shorten(query.as_str()), self.node),
        }
    }

    fn effects(&self) -> Effects {
        Effects::writes(&self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let title = format!("the SQL did not run on `{}`", self.node);
        match &self.text {
            What::Query(query) => self.run_text(cx, &node, query.as_str(), query.span, title).await,
            What::File(file) if !self.args.is_empty() => {
                let text = cx.world.read_file(&file.value)?;
                self.run_text(cx, &node, &text, file.span, title).await
            }
            What::File(file) => {
                let (database, role) = (self.database.as_ref(), self.role.as_ref());
                let run = FileRun { file, purpose: Purpose::User, may_commit: false, title, database, role };
                // Asked first, since this knows why a server does not answer, or not to that role.
                cx.client_as(&node, database, role).await?;
                let load = run.gather(cx, &node)?;
                cx.marked(&node, async |client, cx| run.run(cx, &node, client, &load).await).await
            }
        }
    }
}

impl Sql {
    /// Runs a text in a session like a user's, which ends with the step.
    async fn run_text(&self, cx: &mut Context<'_>, node: &Node, text: &str, span: Span, title: String) -> StepResult {
        // A limit of its own on how long it waits is what the scenario is about; and a program may
        // do what it likes.
        if text.contains("_timeout") {
            cx.awaits(Awaited::Command, node.name());
        }
        let runs_programs = text.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("program"));
        let (database, role) = (self.database.as_ref(), self.role.as_ref());
        let session = cx.session_as(node, Purpose::User, database, role).await?;
        let run = cx.marked(node, async |_, cx| {
            if runs_programs {
                cx.commanded(node.name());
            }
            if self.args.is_empty() {
                return cx.in_transaction(&session, text).await.map_err(|error| refused(error, span, &title));
            }
            let args: Vec<Text> = self.args.iter().map(|arg| Text(arg.nullable_text())).collect();
            let params: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect();
            let (rows, xid) =
                cx.statement(&session, text, &params).await.map_err(|error| refused(error, span, &title))?;
            cx.fact("rows", rows);
            Ok(xid)
        });
        let ran = run.await;
        if runs_programs {
            cx.commanded(node.name());
        }
        discard(&session).await;
        ran
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

/// The first statement that begins or ends a transaction, by its first word.
fn transaction_control(text: &str) -> Option<String> {
    let words = ["begin", "start", "commit", "end", "rollback", "abort"];
    let first = |statement: &&str| crate::pg::sql::first_words(statement, 2);
    split_statements(text).iter().map(first).find_map(|found| {
        let word = found.first()?;
        // ROLLBACK TO goes back to a savepoint, within the transaction.
        let control = words.contains(&word.as_str()) && found.get(1).is_none_or(|second| second != "to");
        control.then(|| word.to_uppercase())
    })
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
