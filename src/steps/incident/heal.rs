//! `heal`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Finding, Link, Role, Scope, Step, StepKind, StepResult};
use crate::source::Spanned;

/// Mends the network between two nodes that `cut` has cut.
///
/// ```yaml
/// - heal: { between: [master, standby] }
/// ```
///
/// A standby connects again by itself, within its `wal_retrieve_retry_interval`. With an `id` the step is a mark.
///
/// It passes when the connection is there again; whether a standby streams is for `assert_streaming` to judge. It fails when
/// it was not cut.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Heal {
    /// The two nodes.
    between: Spanned<Link>,
}

impl StepKind for Heal {
    const NAME: &'static str = "heal";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const RECOVERS: bool = true;
}

#[async_trait(?Send)]
impl Step for Heal {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        self.between.value.resolve(scope, self.between.entry);
        scope.earlier_cut(&self.between);
    }

    fn title(&self) -> String {
        let (a, b) = self.between.value.names();
        format!("heal the network between {a} and {b}")
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let (a, b) = self.between.value.names();
        let node = cx.world.node(a)?;
        if !cx.world.outputs().cut.contains(&self.between.value.key()) {
            return Err(Finding::failed(format!("`{a}` and `{b}` are not cut off from each other"))
                .at(self.between.entry)
                .label("there is nothing to heal"));
        }
        cx.inject(&node, async |cx| {
            cx.world.lab.heal(a, b).await?;
            cx.world.outputs().cut.remove(&self.between.value.key());
            Ok(())
        })
        .await
    }
}
