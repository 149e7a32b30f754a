//! `assert_primary`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Effects, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult};
use crate::steps::judgement::assert_in_recovery::judge;

/// Checks whether a server is a primary: out of recovery, and ready for writes.
///
/// ```yaml
/// - assert_primary: { node: rescue }
/// ```
///
/// It passes if `pg_is_in_recovery()` is false. A server that does not answer fails it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertPrimarySpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertPrimary {
    /// The server.
    node: NodeRef,
}

impl StepKind for AssertPrimarySpec {
    type Step = AssertPrimary;

    const NAME: &'static str = "assert_primary";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Check;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertPrimary> {
        let node = scope.node(&self.node);
        Some(AssertPrimary { node: node? })
    }
}

#[async_trait(?Send)]
impl Step for AssertPrimary {
    fn title(&self) -> String {
        format!("{} is a primary", self.node)
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        judge(cx, &self.node, false).await
    }
}
