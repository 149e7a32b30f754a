//! `kill_host`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult};

/// Takes a node's host down at once: the server and everything else that runs there. Its disk
/// stays.
///
/// ```yaml
/// - id: accident
///   kill_host: { node: master }
/// ```
///
/// On Docker the container is killed; locally, every process of the node. What was written is still
/// in this machine's page cache: it is the crash of a host that loses no fsync. `start` brings the
/// host and the server back; `rewind` and `rebuild` bring it back as a standby. With an `id` the
/// step is a mark.
///
/// It passes if the host is down. It fails if it was down before.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KillHostSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct KillHost {
    /// The server.
    node: NodeRef,
}

impl StepKind for KillHostSpec {
    type Step = KillHost;

    const NAME: &'static str = "kill_host";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<KillHost> {
        let node = scope.own_node(&self.node);
        Some(KillHost { node: node? })
    }
}

#[async_trait(?Send)]
impl Step for KillHost {
    fn title(&self) -> String {
        format!("kill the host of {}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        node.must_be_on(self.node.span())?;
        cx.inject(&node, async |_| {
            node.host()?.kill().await?;
            node.went_down("its host was killed").await;
            Ok(())
        })
        .await
    }
}
