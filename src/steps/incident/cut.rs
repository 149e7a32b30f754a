//! `cut`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, Link, LinkField, MarkKind, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use std::sync::Arc;

use crate::node::Node;
use crate::source::{Span, Spanned};

/// Cuts the network between two nodes: what one sends to the other does not arrive, and no
/// connection is closed.
///
/// ```yaml
/// - cut: { between: [master, standby] }
/// ```
///
/// Everybody else still reaches both, including drillyard and the users. Servers notice after
/// `wal_sender_timeout` and `wal_receiver_timeout`, which are 5 s in a drill unless `settings` say
/// otherwise. `heal` undoes it. With an `id` the step is a mark.
///
/// It passes if the connection is cut. It fails if it was cut before, and if neither of the two
/// streams from the other before the deadline: without a connection there is nothing to cut.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutSpec {
    /// The two nodes.
    between: Spanned<LinkField>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Cut {
    /// The two nodes.
    link: Link,
    /// Where the two are named.
    entry: Span,
}

impl StepKind for CutSpec {
    type Step = Cut;

    const NAME: &'static str = "cut";
    const DEADLINE: Duration = Duration::from_secs(15);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Cut> {
        let link = scope.link(&self.between)?;
        scope.cuts(&link);
        Some(Cut { link, entry: self.between.entry })
    }
}

#[async_trait(?Send)]
impl Step for Cut {
    fn title(&self) -> String {
        let (a, b) = self.link.ends();
        format!("cut the network between {a} and {b}")
    }

    fn effects(&self) -> Effects {
        Effects { cuts: Some(self.link.clone()), ..Effects::anything() }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let (a, b) = self.link.ends();
        let nodes = (cx.world.node(a)?, cx.world.node(b)?);
        if cx.world.outputs().cut.contains(&self.link) {
            return Err(Finding::failed(format!("`{a}` and `{b}` are cut off from each other already"))
                .at(self.entry)
                .label("an earlier step has done so"));
        }
        // A standby that lost its primary a moment ago comes back by itself.
        let what = format!("`{a}` and `{b}` to be connected");
        let connected = cx.until(&what, async |seen| {
            "neither of them streams from the other".clone_into(seen);
            Ok(upstream(&nodes.0, &nodes.1).await)
        });
        let primary = connected.await.map_err(|finding| {
            let why = "there is nothing to cut between nodes of which neither streams from the other";
            finding.at(self.entry).help(why)
        })?;
        cx.inject(&primary, async |cx| {
            cx.world.lab.cut(a, b).await?;
            cx.world.outputs().cut.insert(self.link.clone());
            Ok(())
        })
        .await
    }
}

/// The one of two nodes from which the other streams.
async fn upstream(a: &Arc<Node>, b: &Arc<Node>) -> Option<Arc<Node>> {
    for (primary, standby) in [(a, b), (b, a)] {
        if !primary.is_up() {
            continue;
        }
        let Ok(client) = primary.client().await else { continue };
        let query = "SELECT 1 FROM pg_stat_replication WHERE application_name = $1";
        if let Ok(Some(_)) = client.query_opt(query, &[&standby.name()]).await {
            return Some(primary.clone());
        }
    }
    None
}
