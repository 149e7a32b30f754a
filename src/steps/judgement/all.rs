//! `all`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Resolved, Role, Scope, Step, StepKind, StepResult};

/// Runs a list of checks: every one of them, however many fail.
///
/// ```yaml
/// - all:
///     - assert_traffic: { traffic: users, node: master, lost: 0 }
///     - assert_catalog: { node: master, same_as: before }
/// ```
///
/// Each check is reported with its own outcome.
///
/// It passes if all of them do. An empty list is an error.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct AllSpec {}

/// The step.
#[derive(Debug)]
pub struct All;

impl StepKind for AllSpec {
    type Step = All;

    const NAME: &'static str = "all";
    const DEADLINE: Duration = Duration::from_secs(600);
    const ROLE: Role = Role::Group;

    fn resolve(self, _: &mut Scope<'_>) -> Resolved<All> {
        Some(All)
    }
}

/// The lines are steps of their own in the plan, and the executor runs them: there is nothing left
/// to do here.
#[async_trait(?Send)]
impl Step for All {
    fn title(&self) -> String {
        "all of these".to_owned()
    }

    async fn run(&self, _: &mut Context<'_>) -> StepResult {
        Ok(())
    }
}
