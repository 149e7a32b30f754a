//! `kill_host`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, NodeRef, Role, Scope, Step, StepKind, StepResult};

/// Takes a node's whole host down at once: the server, and everything else that runs there. Its disk stays.
///
/// ```yaml
/// - id: accident
///   kill_host: { node: master }
/// ```
///
/// In a container that is the container's end, on local processes the end of every process of the node. What was written is still
/// in this machine's page cache: it is the crash of a host that loses no fsync. `start` brings the host and the server back; `rewind`
/// and `rebuild` bring it back as a standby. With an `id` the step is a mark.
///
/// It passes when the host is down. It fails when it was down before.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KillHost {
    /// The server.
    #[serde(default)]
    node: NodeRef,
}

impl StepKind for KillHost {
    const NAME: &'static str = "kill_host";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
}

#[async_trait(?Send)]
impl Step for KillHost {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        scope.own_node(&mut self.node);
    }

    fn title(&self) -> String {
        format!("kill the host of {}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(self.node.as_str())?;
        node.must_be_on(self.node.span())?;
        cx.inject(&node, async |_| {
            node.host()?.kill().await?;
            node.went_down("its host was killed").await;
            Ok(())
        })
        .await
    }
}
