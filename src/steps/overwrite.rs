//! `overwrite`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::SimpleQueryMessage;

use super::sql::{shorten, transaction_control};
use super::{Context, Finding, NodeRef, Role, Scope, Step, StepKind, StepResult};
use crate::pg::Xid;
use crate::pg::sql::{first_words, split_statements};
use crate::source::{Spanned, Sql};

/// Overwrites valid data with nonsense: an UPDATE or a DELETE that is wrong.
///
/// ```yaml
/// - id: accident
///   overwrite: { node: master, query: UPDATE shop.orders SET amount = 0 }
/// ```
///
/// All its statements are one transaction. With an `id` the step is a mark.
///
/// It passes when rows were changed, and tells how many. It fails when the server refuses, and when no row was changed: an accident in
/// which nothing happened proves nothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overwrite {
    /// The server.
    #[serde(default)]
    node: NodeRef,
    /// The UPDATE or DELETE.
    query: Spanned<Sql>,
}

impl StepKind for Overwrite {
    const NAME: &'static str = "overwrite";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Incident;
}

/// Whether a statement may change rows: others have a number of rows, too.
fn changes(statement: &str) -> bool {
    let first = first_words(statement, 1);
    matches!(first.first().map(String::as_str), Some("update" | "delete" | "insert" | "merge" | "with"))
}

#[async_trait(?Send)]
impl Step for Overwrite {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        scope.own_node(&mut self.node);
        let text = self.query.value.as_str();
        if let Some(word) = transaction_control(text) {
            let label = format!("`{word}` would end or begin another one");
            scope.error(self.query.span, "`overwrite` runs in one transaction of its own", label);
        } else if !split_statements(text).iter().any(|statement| changes(statement)) {
            let help = "an UPDATE or a DELETE; other mistakes have steps of their own, or are a `sql` step";
            scope.error_help(self.query.span, "`overwrite` changes rows", "this does not", help);
        }
    }

    fn title(&self) -> String {
        format!("{} on {}", shorten(self.query.value.as_str()), self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.yard.node(self.node.as_str())?;
        let text = self.query.value.as_str();
        cx.marked(&node, async |client, cx| {
            let mut rows = 0;
            let run = async {
                client.batch_execute("BEGIN").await?;
                for statement in split_statements(text) {
                    let said = client.simple_query(statement).await?;
                    let done = said.iter().map(|m| if let SimpleQueryMessage::CommandComplete(n) = m { *n } else { 0 });
                    rows += if changes(statement) { done.sum::<u64>() } else { 0 };
                }
                let row = client.query_one("SELECT pg_current_xact_id_if_assigned()::text", &[]).await?;
                client.batch_execute(if rows > 0 { "COMMIT" } else { "ROLLBACK" }).await?;
                Ok::<_, tokio_postgres::Error>(row.get::<_, Option<String>>(0))
            };
            match run.await {
                Ok(xid) if rows > 0 => {
                    cx.fact("rows", rows);
                    Ok(xid.and_then(|text| text.parse().ok()).map(Xid::from_full))
                }
                Ok(_) => Err(Finding::failed("the incident did nothing").at(self.query.span).label("no row was changed")),
                Err(error) => {
                    let _ = client.batch_execute("ROLLBACK").await;
                    let said: Box<Finding> = error.into();
                    Err(Finding::failed(format!("the incident did not happen on `{}`", self.node))
                        .at(self.query.span)
                        .label(said.title))
                }
            }
        })
        .await
    }
}
