//! `overwrite`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::sql::shorten;
use super::{Context, Finding, NodeRef, Role, Scope, Step, StepKind, StepResult};
use crate::pg::sql::{first_words, split_statements};
use crate::source::{Spanned, Sql};

/// Overwrites valid data with nonsense: an UPDATE or DELETE that is wrong.
///
/// ```yaml
/// - id: accident
///   overwrite: { node: master, query: UPDATE shop.orders SET amount = 0 }
/// - overwrite: { node: master, query: DELETE FROM shop.orders }
/// ```
///
/// It is one statement, in a transaction of its own: an UPDATE, a DELETE or a MERGE, which may begin with a WITH. With an `id` the
/// step is a mark.
///
/// It passes when rows were changed, and reports how many. It fails when the server refuses, and when no row was changed: an
/// accident in which nothing happened proves nothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overwrite {
    /// The server.
    #[serde(default)]
    node: NodeRef,
    /// The statement.
    query: Spanned<Sql>,
}

impl StepKind for Overwrite {
    const NAME: &'static str = "overwrite";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Incident;
}

#[async_trait(?Send)]
impl Step for Overwrite {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        scope.own_node(&mut self.node);
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
    }

    fn title(&self) -> String {
        format!("{} on {}", shorten(self.query.as_str()), self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.yard.node(self.node.as_str())?;
        let refused = |finding: Box<Finding>| {
            let label = finding.title.clone();
            let mut finding = finding.at(self.query.span).label(label);
            finding.title = format!("the incident did not happen on `{}`", self.node);
            finding
        };
        cx.marked(&node, async |client, cx| {
            let (rows, xid) = cx.statement(client, self.query.as_str(), &[]).await.map_err(refused)?;
            // A SELECT behind a WITH has rows, too; what has written has a transaction id.
            if rows == 0 || xid.is_none() {
                return Err(Finding::failed("the incident did nothing").at(self.query.span).label("it has changed no row"));
            }
            cx.fact("rows", rows);
            Ok(xid)
        })
        .await
    }
}
