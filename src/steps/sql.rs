//! `sql`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::types::ToSql;

use super::{Aside, Context, Finding, NodeRef, Role, Scope, Step, StepKind, StepResult, UserPace};
use crate::node::Text;
use crate::pg::sql::split_statements;
use crate::source::{Scalar, Spanned, Sql as SqlText};

/// Runs SQL in one transaction.
///
/// ```yaml
/// - sql: { node: master, query: "UPDATE shop.orders SET status = $1 WHERE id = $2", args: [paid, 17] }
/// - id: migration
///   sql: { node: master, file: fixtures/migration.sql }
/// ```
///
/// `query` or `file`, not both. `args` are bound as `$1`, `$2` ...; with them the query is one statement. `${...}` is not
/// substituted inside SQL. With an `id` the step is a mark: it knows the server's time, LSN and timeline before and after, and
/// its transaction's id.
///
/// It passes when the transaction was committed. It fails with the server's own message when it was not.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sql {
    /// The server.
    #[serde(default)]
    node: NodeRef,
    /// The SQL.
    #[serde(default)]
    query: Option<Spanned<SqlText>>,
    /// A file with SQL.
    #[serde(default)]
    file: Option<Spanned<String>>,
    /// Bound as `$1`, `$2` ...
    #[serde(default)]
    args: Vec<Scalar>,
}

impl StepKind for Sql {
    const NAME: &'static str = "sql";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Mark;
    const USERS: UserPace = UserPace::Full;
}

#[async_trait(?Send)]
impl Step for Sql {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        scope.own_node(&mut self.node);
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
            scope.error_help(query.span, "`sql` runs in one transaction of its own", label, "leave it out; use a step for each transaction");
        }
        if let Some(file) = &self.file {
            scope.file(file);
        }
    }

    fn title(&self) -> String {
        match (&self.file, &self.query) {
            (Some(file), _) => format!("run {} on {}", file.value, self.node),
            (None, Some(query)) => format!("{} on {}", shorten(query.as_str()), self.node),
            (None, None) => "sql".to_owned(),
        }
    }

    fn aside(&self) -> Aside {
        Aside::OnItsNode
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.yard.node(self.node.as_str())?;
        let text = match (&self.query, &self.file) {
            (Some(query), _) => query.as_str().to_owned(),
            (None, Some(file)) => {
                let text = cx.yard.read_file(&file.value)?;
                if let Some(word) = transaction_control(&text) {
                    return Err(Finding::failed("`sql` runs in one transaction of its own")
                        .at(file.span)
                        .label(format!("the file has a `{word}`, which would end or begin another one"))
                        .help("`create_data: { file: ... }` runs files with transactions of their own"));
                }
                text
            }
            (None, None) => return Err(Finding::errored("a sql step without SQL")),
        };
        let span = self.query.as_ref().map(|q| q.span).or(self.file.as_ref().map(|f| f.span));
        let run = cx.marked(&node, async |client, cx| {
            if self.args.is_empty() {
                return cx.in_transaction(client, &text).await;
            }
            let args: Vec<Text> = self.args.iter().map(|arg| Text(arg.nullable_text())).collect();
            let params: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect();
            let (rows, xid) = cx.statement(client, &text, &params).await?;
            cx.fact("rows", rows);
            Ok(xid)
        });
        run.await.map_err(|finding: Box<Finding>| match (finding.at, span) {
            (None, Some(span)) => {
                let label = finding.title.clone();
                let mut finding = finding.at(span).label(label);
                finding.title = format!("the SQL did not run on `{}`", self.node);
                finding
            }
            _ => finding,
        })
    }
}

/// The first statement that begins or ends a transaction, by its first word.
pub(super) fn transaction_control(text: &str) -> Option<String> {
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
pub(super) fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((at, _)) => format!("{} ...", line[..at].trim_end()),
        None => line,
    }
}
