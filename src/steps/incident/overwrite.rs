//! `overwrite`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::data::{DataError, Written, rewrote_the_same};
use crate::harness::{
    Context, Effects, Finding, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::node::Purpose;
use crate::pg::Xid;
use crate::pg::error_message;
use crate::pg::sql::{first_words, split_statements, writes};
use crate::source::{Spanned, Sql};
use crate::steps::data::placeholders::{Given, check as check_placeholders};
use crate::steps::data::sql::shorten;

/// Overwrites valid data with nonsense: an UPDATE or DELETE that is wrong.
///
/// ```yaml
/// - id: accident
///   overwrite: { node: master, query: UPDATE shop.orders SET amount = 0 }
/// - overwrite: { node: master, query: DELETE FROM shop.orders }
/// ```
///
/// It is one statement in a transaction of its own: an UPDATE, a DELETE or a MERGE, which may begin
/// with a WITH. With an `id` the step is a mark.
///
/// It passes if rows were changed, and reports how many. It fails if the server refuses, if no row
/// was changed, and if all rows were given the values that they had: then it is undone, since an
/// incident in which nothing happened proves nothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverwriteSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The statement.
    query: Spanned<Sql>,
    /// The database that it runs in.
    #[serde(default)]
    database: Option<Spanned<String>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Overwrite {
    /// The server.
    node: NodeRef,
    /// The statement.
    query: Spanned<Sql>,
    /// The database that it runs in.
    database: Option<Spanned<String>>,
}

impl StepKind for OverwriteSpec {
    type Step = Overwrite;

    const NAME: &'static str = "overwrite";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Incident;
    const FACTS: &'static str = "rows";
    const MARK: MarkKind = MarkKind::Transaction;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Overwrite> {
        let node = scope.primary(&self.node);
        check_placeholders(scope, &self.query, Given::NOTHING);
        let statements = split_statements(self.query.as_str());
        let title = "`overwrite` takes one UPDATE or DELETE";
        match statements.as_slice() {
            [one] => {
                let word = first_words(one, 1).first().cloned().unwrap_or_default();
                if !["update", "delete", "merge", "with"].contains(&word.as_str()) {
                    let label = format!("this is {}", if word.is_empty() { "none" } else { &word }.to_uppercase());
                    let help = "`truncate_table`, `drop_table` and `sql` are for other statements";
                    scope.error_help(self.query.span, title, label, help);
                }
            }
            [] => {
                scope.error(self.query.span, title, "this is no statement");
            }
            many => {
                scope.error(self.query.span, title, format!("these are {} statements", many.len()));
            }
        }
        Some(Overwrite { node: node?, query: self.query, database: self.database })
    }
}

#[async_trait(?Send)]
impl Step for Overwrite {
    fn title(&self) -> String {
        format!("{} on {}", shorten(self.query.as_str()), self.node)
    }

    fn effects(&self) -> Effects {
        let spoils = writes(self.query.as_str()).into_iter().map(|write| write.table).collect();
        Effects { spoils, ..Effects::anything() }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let refused = |error: tokio_postgres::Error| {
            let title = format!("the incident did not happen on `{}`", self.node);
            Finding::failed(title).at(self.query.span).label(error_message(&error))
        };
        let database = self.database.as_ref();
        cx.marked_in(&node, database, async |client, cx| {
            let outside = cx.session_as(&node, Purpose::Own, database, None).await?;
            client.batch_execute("BEGIN").await?;
            let done = self.change(cx, client, &outside, refused).await;
            // The first error is the one to report.
            if done.is_err() {
                let _ = client.batch_execute("ROLLBACK").await;
            }
            done
        })
        .await
    }
}

impl Overwrite {
    /// Runs the statement and commits it, unless it changes nothing.
    async fn change(
        &self,
        cx: &mut Context<'_>,
        client: &Client,
        outside: &Client,
        refused: impl Fn(tokio_postgres::Error) -> Box<Finding>,
    ) -> Result<Option<Xid>, Box<Finding>> {
        let nothing = |label: String, help: &str| {
            Finding::failed("the incident did nothing").at(self.query.span).label(label).help(help)
        };
        let lost = |error: DataError| Finding::errored(error.to_string());
        let before = Written::before(client).await.map_err(lost)?;
        let rows = client.execute(self.query.as_str(), &[]).await.map_err(&refused)?;
        let xid = client.query_one("SELECT pg_current_xact_id_if_assigned()::text", &[]).await.map_err(&refused)?;
        let xid: Option<String> = xid.get(0);
        // A SELECT behind a WITH has rows, too; what has written has a transaction id.
        if rows == 0 || xid.is_none() {
            return Err(nothing("it has changed no row".to_owned(), "is its WHERE right, and are there rows yet?"));
        }
        outside.batch_execute(&format!("SET statement_timeout = {}", cx.left().as_millis().max(1))).await?;
        if rewrote_the_same(&before, client, outside).await.map_err(lost)? {
            let label = format!(
                "it has given {rows} {} the values that they had before",
                if rows == 1 { "row" } else { "rows" }
            );
            return Err(nothing(label, "write other values than those that are there; the step was undone"));
        }
        cx.hits();
        client.batch_execute("COMMIT").await.map_err(&refused)?;
        cx.fact("rows", rows);
        Ok(xid.and_then(|text| text.parse().ok()).map(Xid::from_full))
    }
}
