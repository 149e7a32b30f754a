//! `assert_catalog`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Finding, NodeRef, Role, Scope, Step, StepKind, StepResult};
use crate::data::Catalog;
use crate::source::{Name, Spanned};

/// Judges whether tables look as they did in a snapshot.
///
/// ```yaml
/// - assert_catalog: { node: master, same_as: before }
/// ```
///
/// Compared are columns, constraints, inbound foreign keys, indexes, triggers, views, grants, owners, sequences, publications
/// and statistics objects. A sequence that went on is no difference; one that was set back is.
///
/// It holds when nothing is missing, changed or added. What differs is listed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertCatalog {
    /// The server.
    #[serde(default)]
    node: NodeRef,
    /// The id of a snapshot step.
    same_as: Spanned<Name>,
    /// The database that the tables are in, if that is not the node's own one.
    #[serde(default)]
    database: Option<Spanned<String>>,
}

impl StepKind for AssertCatalog {
    const NAME: &'static str = "assert_catalog";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Judge;
}

#[async_trait(?Send)]
impl Step for AssertCatalog {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        scope.node(&mut self.node);
        scope.step(&self.same_as, &["snapshot"]);
    }

    fn title(&self) -> String {
        format!("catalog of {} as in {}", self.node, self.same_as.value)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.yard.node(self.node.as_str())?;
        let snapshot = cx.yard.state().snapshots.get(self.same_as.as_str()).cloned();
        let snapshot = snapshot.ok_or_else(|| Finding::errored(format!("snapshot `{}` was not taken", self.same_as.value)))?;
        let client = cx.client_in(&node, self.database.as_ref()).await?;
        let now = Catalog::read(&client, &snapshot.tables).await.map_err(|e| Finding::failed(e.to_string()))?;
        let differences = Catalog::compare(&snapshot.catalog, &now);
        cx.fact("differences", differences.len());
        if differences.is_empty() {
            return Ok(());
        }
        let count = match differences.len() {
            1 => "1 difference".to_owned(),
            n => format!("{n} differences"),
        };
        let listed: Vec<String> = differences.iter().take(50).map(ToString::to_string).collect();
        Err(Finding::failed("the catalog is not as it was").at(self.same_as.entry).label(count).note("diff", listed.join("\n")))
    }
}
