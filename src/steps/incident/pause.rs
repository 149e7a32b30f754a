//! `pause`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult};
use crate::node::ServerState;

/// Freezes a node's host: everything on it stands still, nothing ends, and nothing answers.
///
/// ```yaml
/// - pause: { node: master }
/// ```
///
/// A machine with a hanging disk looks like this, or a virtual machine while it is moved. Sessions
/// stay open and wait. `unpause` lets it go on. With an `id` the step is a mark.
///
/// It passes if the host is frozen. It fails if the host is frozen already or down, and if no
/// server runs there: there would be nothing to freeze.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Pause {
    /// The server.
    node: NodeRef,
}

impl StepKind for PauseSpec {
    type Step = Pause;

    const NAME: &'static str = "pause";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const NEEDS_SERVER: bool = true;
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Pause> {
        let node = scope.own_node(&self.node);
        Some(Pause { node: node? })
    }
}

#[async_trait(?Send)]
impl Step for Pause {
    fn title(&self) -> String {
        format!("pause {}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        node.must_run(self.node.span()).await?;
        cx.inject(&node, async |_| {
            node.host()?.freeze().await?;
            node.set_server_state(ServerState::Frozen);
            node.hang_up().await;
            Ok(())
        })
        .await
    }
}
