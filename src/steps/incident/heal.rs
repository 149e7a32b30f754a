//! `heal`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Finding, Link, LinkField, MarkKind, Recovers, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::source::{Span, Spanned};

/// Restores the network between two nodes after a `cut`.
///
/// ```yaml
/// - heal: { between: [master, standby] }
/// ```
///
/// A standby connects again by itself, within its `wal_retrieve_retry_interval`. With an `id` the
/// step is a mark.
///
/// It passes if the connection is there again; whether a standby streams is for `assert_streaming`
/// to check. It fails if the network was not cut.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealSpec {
    /// The two nodes.
    between: Spanned<LinkField>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Heal {
    /// The two nodes.
    link: Link,
    /// Where the two are named.
    entry: Span,
}

impl StepKind for HealSpec {
    type Step = Heal;

    const NAME: &'static str = "heal";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Heal> {
        let link = scope.link(&self.between)?;
        scope.earlier_cut(&link, self.between.span);
        Some(Heal { link, entry: self.between.entry })
    }
}

#[async_trait(?Send)]
impl Step for Heal {
    fn title(&self) -> String {
        let (a, b) = self.link.ends();
        format!("heal the network between {a} and {b}")
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let (a, b) = self.link.ends();
        let node = cx.world.node(a)?;
        if !cx.world.outputs().cut.contains(&self.link) {
            return Err(Finding::failed(format!("`{a}` and `{b}` are not cut off from each other"))
                .at(self.entry)
                .label("there is nothing to heal"));
        }
        cx.inject(&node, async |cx| {
            cx.world.lab.heal(a, b).await?;
            cx.world.outputs().cut.remove(&self.link);
            Ok(())
        })
        .await
    }
}
