//! `restart`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult};
use crate::pg::ShutdownMode;

/// Stops a server and starts it again.
///
/// ```yaml
/// - restart: { node: master, mode: immediate }
/// ```
///
/// `mode` says how it is stopped: `fast` (the default), `smart` or `immediate`. With an `id` the
/// step is a mark.
///
/// It passes if the server answers again. It fails if none was running, if the server does not end
/// before the deadline, and if it does not come back.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// How it is stopped: `smart`, `fast` or `immediate`.
    #[serde(default)]
    mode: ShutdownMode,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Restart {
    /// The server.
    node: NodeRef,
    /// How it is stopped: `smart`, `fast` or `immediate`.
    mode: ShutdownMode,
}

impl StepKind for RestartSpec {
    type Step = Restart;

    const NAME: &'static str = "restart";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Incident;
    const NEEDS_SERVER: bool = true;
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Restart> {
        let node = scope.own_node(&self.node);
        Some(Restart { node: node?, mode: self.mode })
    }
}

#[async_trait(?Send)]
impl Step for Restart {
    fn title(&self) -> String {
        format!("restart {} ({})", self.node, self.mode)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        node.must_run(self.node.span()).await?;
        cx.inject(&node, async |cx| {
            cx.halt(&node, self.mode).await?;
            cx.has_struck();
            cx.launch(&node).await
        })
        .await
    }
}
