//! `cut`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Finding, Link, Role, Scope, Step, StepKind, StepResult};
use std::sync::Arc;

use crate::node::Node;
use crate::source::Spanned;

/// Cuts the network between two nodes: what one sends to the other does not arrive, and nobody is told.
///
/// ```yaml
/// - cut: { between: [master, standby] }
/// ```
///
/// Everybody else still reaches both, drillyard and the users, too. Servers notice after `wal_sender_timeout` and
/// `wal_receiver_timeout`, which are 5 s in a drill where `settings` do not say otherwise. `heal` undoes it. With an `id` the step is a
/// mark.
///
/// It passes when the connection is cut. It fails when it was cut before, and when neither of the two streams from the other before the
/// deadline: where nothing is connected nothing can be cut.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The two nodes.
    between: Spanned<Link>,
}

impl StepKind for Cut {
    const NAME: &'static str = "cut";
    const DEADLINE: Duration = Duration::from_secs(15);
    const ROLE: Role = Role::Incident;
}

#[async_trait(?Send)]
impl Step for Cut {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        self.between.value.resolve(scope, self.between.entry);
        scope.cuts(self.between.value.key());
    }

    fn title(&self) -> String {
        let (a, b) = self.between.value.names();
        format!("cut the network between {a} and {b}")
    }

    fn cuts(&self) -> Option<(&str, &str)> {
        Some(self.between.value.names())
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let (a, b) = self.between.value.names();
        let nodes = (cx.world.node(a)?, cx.world.node(b)?);
        if cx.world.outputs().cut.contains(&self.between.value.key()) {
            return Err(Finding::failed(format!("`{a}` and `{b}` are cut off from each other already"))
                .at(self.between.entry)
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
            finding.at(self.between.entry).help(why)
        })?;
        cx.inject(&primary, async |cx| {
            cx.world.lab.cut(a, b).await?;
            cx.world.outputs().cut.insert(self.between.value.key());
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
