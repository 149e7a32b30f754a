//! `crash`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult};

/// Kills a postmaster.
const KILL: &str = include_str!("scripts/crash.sh");

/// Kills the postmaster with SIGKILL, as a crash of the server or the kernel's out-of-memory killer
/// would.
///
/// ```yaml
/// - id: accident
///   crash: { node: master }
/// ```
///
/// What the server had written stays, also in the operating system's cache: no acknowledged commit
/// is lost by it, and `start` brings the server back. With an `id` the step is a mark.
///
/// It passes if the server is gone. It fails if none was running: the crash of a stopped server is
/// no incident.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrashSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Crash {
    /// The server.
    node: NodeRef,
}

impl StepKind for CrashSpec {
    type Step = Crash;

    const NAME: &'static str = "crash";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const NEEDS_SERVER: bool = true;
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Crash> {
        let node = scope.own_node(&self.node);
        Some(Crash { node: node? })
    }
}

#[async_trait(?Send)]
impl Step for Crash {
    fn title(&self) -> String {
        format!("crash {}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        node.must_run(self.node.span()).await?;
        cx.inject(&node, async |cx| {
            cx.script(&node, "the crash", KILL, [&node.host()?.paths().data]).await?;
            node.went_down("it was crashed").await;
            Ok(())
        })
        .await
    }
}
