//! `promote`

use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::harness::{
    Context, Effects, Finding, Maker, MarkKind, NodeField, NodeRef, Ran, Recovers, Resolved, Role, Scope, Step,
    StepKind, StepResult,
};
use crate::node::{Node, is_in_recovery, moment};

/// Promotes a standby, or a server that paused in recovery.
///
/// ```yaml
/// - promote: { node: standby }
/// ```
///
/// With an `id` the step is a mark, which records where the old timeline ended.
///
/// It passes if the server accepts writes on a new timeline. It fails if the server is a primary
/// already, and if the promotion is not complete within the deadline.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
}

impl StepKind for PromoteSpec {
    type Step = Promote;

    const NAME: &'static str = "promote";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str = "timeline lsn";
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Promote> {
        if self.node.span().is_none() {
            scope.error(scope.action, "`node` is missing", "which standby?");
            return None;
        }
        let node = scope.own_node(&self.node)?;
        let info = scope.node_info(&node)?;
        if info.maker == Maker::Start && info.follows.is_none() && !info.remade {
            let (title, made) = (format!("node `{node}` is a primary already"), info.span);
            let span = node.entry().unwrap_or(scope.action);
            scope.error_related(span, title, "nothing to promote", (made, "it follows no node".to_owned()));
        }
        scope.promoted(&node);
        Some(Promote { node })
    }
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Promote {
    /// The standby.
    node: NodeRef,
}

#[async_trait(?Send)]
impl Step for Promote {
    fn title(&self) -> String {
        format!("promote {}", self.node)
    }

    fn effects(&self) -> Effects {
        Effects::writes(&self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let client = cx.client(&node).await?;
        if !is_in_recovery(&client).await? {
            return Err(Finding::failed(format!("`{}` is a primary already", self.node)).label("nothing to promote"));
        }
        cx.inject(&node, async |cx| self.promote(cx, &node, &client).await).await?;
        node.disable_event_triggers().await?;
        let now = moment(&client).await?;
        cx.fact("timeline", now.timeline.0);
        cx.fact("lsn", now.lsn.to_string());
        Ok(())
    }
}

impl Promote {
    async fn promote(&self, cx: &mut Context<'_>, node: &Node, client: &Client) -> StepResult {
        let began = Instant::now();
        client.batch_execute("SELECT pg_promote(wait => false)").await?;
        let done = cx.until("the promotion", async |seen| {
            "still in recovery".clone_into(seen);
            Ok((!is_in_recovery(client).await?).then_some(()))
        });
        if let Err(finding) = done.await {
            return Err(finding.note("log", node.log_tail().await));
        }
        let ran = Ran::sql(node, format!("promote `{}`", node.name()), "SELECT pg_promote()").equivalent();
        cx.ran(ran.took(began.elapsed()).check("`SELECT pg_is_in_recovery()` says `f`"));
        Ok(())
    }
}
