//! `assert_in_recovery`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::node::is_in_recovery;

/// Checks whether a server is in recovery: a standby, or one that paused at its target.
///
/// ```yaml
/// - assert_in_recovery: { node: rescue }
/// ```
///
/// It passes if `pg_is_in_recovery()` is true. A server that does not answer fails it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertInRecoverySpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertInRecovery {
    /// The server.
    node: NodeRef,
}

impl StepKind for AssertInRecoverySpec {
    type Step = AssertInRecovery;

    const NAME: &'static str = "assert_in_recovery";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Check;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertInRecovery> {
        let node = scope.node(&self.node);
        Some(AssertInRecovery { node: node? })
    }
}

#[async_trait(?Send)]
impl Step for AssertInRecovery {
    fn title(&self) -> String {
        format!("{} is in recovery", self.node)
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        judge(cx, &self.node, true).await
    }
}

/// Judges whether a server is in recovery or not.
pub(crate) async fn judge(cx: &mut Context<'_>, node: &NodeRef, wanted: bool) -> StepResult {
    let server = cx.world.node(node.as_str())?;
    if is_in_recovery(&*cx.client(&server).await?).await? == wanted {
        return Ok(());
    }
    let (is, should) = if wanted { ("a primary", "in recovery") } else { ("in recovery", "a primary") };
    let finding = Finding::failed(format!("`{node}` is not {should}")).label(format!("it is {is}"));
    Err(match node.span() {
        Some(span) => finding.at(span),
        None => finding,
    })
}
