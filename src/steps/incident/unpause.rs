//! `unpause`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, MarkKind, NodeField, NodeRef, Recovers, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::node::ServerState;
use crate::steps::recovery::tablespaces::ready_to_thaw;

/// Lets a host go on that `pause` has frozen.
///
/// ```yaml
/// - unpause: { node: master }
/// ```
///
/// With an `id` the step is a mark.
///
/// It passes if the server answers again. It fails if the host was not frozen.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnpauseSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Unpause {
    /// The server.
    node: NodeRef,
}

impl StepKind for UnpauseSpec {
    type Step = Unpause;

    const NAME: &'static str = "unpause";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Unpause> {
        let node = scope.own_node(&self.node);
        Some(Unpause { node: node? })
    }
}

#[async_trait(?Send)]
impl Step for Unpause {
    fn title(&self) -> String {
        format!("unpause {}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        if node.server_state() != ServerState::Frozen {
            return Err(node.finding(self.node.span(), "is not paused", "there is nothing to unpause"));
        }
        ready_to_thaw(cx, &node).await.map_err(|finding| finding.at(self.node.span()))?;
        cx.inject(&node, async |cx| {
            node.host()?.thaw().await?;
            node.set_server_state(ServerState::Up);
            if !node.postmaster_runs().await? {
                node.went_down("it was down when its host was paused").await;
                return Ok(());
            }
            cx.client(&node).await.map(drop)
        })
        .await
    }
}
