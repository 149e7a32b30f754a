//! `lose_host`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult};

/// Takes a node's host and its disk away for good, as a fire would.
///
/// ```yaml
/// - id: accident
///   lose_host: { node: master }
/// ```
///
/// Repos are elsewhere and stay (`lose_site` takes those as well). `rebuild` makes a new machine in
/// its place. With an `id` the step is a mark.
///
/// It passes if nothing is left of the host and its disk. It fails if the host was lost or killed
/// before.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoseHostSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct LoseHost {
    /// The server.
    node: NodeRef,
}

impl StepKind for LoseHostSpec {
    type Step = LoseHost;

    const NAME: &'static str = "lose_host";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<LoseHost> {
        let node = scope.own_node(&self.node);
        Some(LoseHost { node: node? })
    }
}

#[async_trait(?Send)]
impl Step for LoseHost {
    fn title(&self) -> String {
        format!("lose the host of {}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        node.must_be_on(self.node.span())?;
        cx.inject(&node, async |cx| cx.world.lose(&node).await).await
    }
}
