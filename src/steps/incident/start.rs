//! `start`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, MarkKind, NodeField, NodeRef, Recovers, Resolved, Role, Scope, Step, StepKind, StepResult,
};

/// Starts a server that was stopped, has crashed, or whose host was killed.
///
/// ```yaml
/// - start: { node: master }
/// ```
///
/// A host that was killed is brought back first. After a crash the server recovers from its own WAL
/// before it answers. With an `id` the step is a mark.
///
/// It passes if the server answers. It fails if it is running already, if there is no data
/// directory to start (after `lose_host`), and if the server gives up; its log says why.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Start {
    /// The server.
    node: NodeRef,
}

impl StepKind for StartSpec {
    type Step = Start;

    const NAME: &'static str = "start";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Start> {
        let node = scope.own_node(&self.node);
        Some(Start { node: node? })
    }
}

#[async_trait(?Send)]
impl Step for Start {
    fn title(&self) -> String {
        format!("start {}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        node.must_not_be_paused(self.node.span())?;
        node.host()?.boot().await?;
        if node.postmaster_runs().await? {
            return Err(node.finding(self.node.span(), "runs already", "there is nothing to start"));
        }
        cx.inject(&node, async |cx| cx.launch(&node).await).await
    }
}
