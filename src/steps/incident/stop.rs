//! `stop`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult};
use crate::pg::ShutdownMode;

/// Stops a server as an administrator does.
///
/// ```yaml
/// - stop: { node: master, mode: immediate }
/// ```
///
/// `mode` is `fast` (the default: sessions are ended, a checkpoint is written), `smart` (waits
/// until every session has ended by itself) or `immediate` (no checkpoint: the next start
/// recovers). `start` brings it back. With an `id` the step is a mark.
///
/// It passes if the server has ended. It fails if none was running, and if the server does not end
/// before the deadline.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// How: `smart`, `fast` or `immediate`.
    #[serde(default)]
    mode: ShutdownMode,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Stop {
    /// The server.
    node: NodeRef,
    /// How: `smart`, `fast` or `immediate`.
    mode: ShutdownMode,
}

impl StepKind for StopSpec {
    type Step = Stop;

    const NAME: &'static str = "stop";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Incident;
    const NEEDS_SERVER: bool = true;
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Stop> {
        let node = scope.own_node(&self.node);
        Some(Stop { node: node?, mode: self.mode })
    }
}

#[async_trait(?Send)]
impl Step for Stop {
    fn title(&self) -> String {
        format!("stop {} ({})", self.node, self.mode)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        node.must_run(self.node.span()).await?;
        cx.inject(&node, async |cx| cx.halt(&node, self.mode).await).await
    }
}
