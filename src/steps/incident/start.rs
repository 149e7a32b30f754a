//! `start`

use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, MarkKind, NodeField, NodeRef, Ran, Recovers, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::node::{Node, by_hand};

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
/// directory to start (after `lose_host`), and if the server gives up; its log says why. One that
/// is shutting down is waited for, and started when it has ended. A server that has crashed may
/// start itself again before anybody else does (after `free_disk`, say): the fact `by_itself` tells
/// so.
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
    const FACTS: &'static str = "by_itself";

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
        node.boot().await?;
        if node.postmaster_runs().await? {
            // A shutdown may wait for the end of these, too.
            node.hang_up().await;
            if !is_leaving(&node).await && node.crashed_process(node.log_start()).await.is_none() {
                return Err(node.finding(self.node.span(), "runs already", "there is nothing to start"));
            }
            // It shuts down, starts itself again, or gives up.
            let what = format!("`{}` to answer, or to end", node.name());
            let answers = cx.until(&what, async |seen| Ok(came_back(&node, seen).await)).await?;
            if answers {
                cx.fact("by_itself", true);
                return cx.inject(&node, async |_| Ok(())).await;
            }
        }
        let began = Instant::now();
        cx.inject(&node, async |cx| cx.launch(&node).await).await?;
        let paths = node.host()?.paths();
        let ran = Ran::like(&node, self.title(), by_hand::start(&paths.data, &paths.log));
        cx.ran(ran.took(began.elapsed()).check("`psql -c 'SELECT 1'` answers"));
        Ok(())
    }
}

/// Whether a server is going down, or restarts itself after the crash of one of its processes. It
/// may have gone between two looks, and then nobody is there to say so.
async fn is_leaving(node: &Node) -> bool {
    node.connect().await.is_err_and(|error| error.is_leaving() || !error.is_refusal())
}

/// Whether a server that was leaving is up again (`true`) or has ended; nothing while it is at it.
async fn came_back(node: &Node, seen: &mut String) -> Option<bool> {
    if !node.postmaster_runs().await.ok()? {
        return Some(false);
    }
    match node.connect().await {
        Ok(_) => Some(true),
        Err(error) => {
            *seen = error.to_string();
            None
        }
    }
}
