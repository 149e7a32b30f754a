//! `stop_traffic`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, MarkKind, Output, Recovers, Resolved, Role, Scope, Step, StepKind, StepRef, StepResult,
    UserPace, Users,
};
use crate::journal::Event;
use crate::source::StepName;

/// Stops users and waits for their last answers.
///
/// ```yaml
/// - stop_traffic: users
/// ```
///
/// It passes if every user has its answer, or knows that there will be none. It fails if an answer
/// does not come within the deadline, and if a user has met an error that `tolerate` does not list.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StopTrafficSpec {
    /// The id of the traffic step.
    traffic: StepName,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct StopTraffic {
    /// The traffic step.
    traffic: StepRef,
}

impl StepKind for StopTrafficSpec {
    type Step = StopTraffic;

    const NAME: &'static str = "stop_traffic";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str = "acknowledged in_doubt rejected";
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Prepares;
    const USERS: UserPace = UserPace::Full;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<StopTraffic> {
        Some(StopTraffic { traffic: scope.step_with(&self.traffic, &[Output::Traffic])? })
    }
}

#[async_trait(?Send)]
impl Step for StopTraffic {
    fn title(&self) -> String {
        format!("stop {}", self.traffic)
    }

    fn effects(&self) -> Effects {
        Effects::anything().stops_users()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let users = cx.world.users(&self.traffic)?;
        match cx.primary_of(&users.nodes).await {
            Some(node) => cx.noted(&node, async |cx| self.stop(cx, &users).await).await,
            None => self.stop(cx, &users).await,
        }
    }
}

impl StopTraffic {
    async fn stop(&self, cx: &mut Context<'_>, users: &Users) -> StepResult {
        cx.wait(format!("the last answers of {}", self.traffic));
        if tokio::time::timeout(cx.left().mul_f32(0.95), users.pool.stop()).await.is_err() {
            let trouble = users.pool.last_trouble().unwrap_or_else(|| "a transaction that does not end".to_owned());
            return Err(Finding::failed("the users did not stop in time")
                .at(self.traffic.span())
                .label(format!("last seen: {trouble}")));
        }
        for node in &users.nodes {
            if let Ok(node) = cx.world.node(node) {
                cx.note_sequence_floors(&node, &format!("when `{}` stopped", self.traffic)).await;
            }
        }
        let count = users.count(&self.traffic);
        cx.fact("acknowledged", count.acknowledged);
        cx.fact("in_doubt", count.in_doubt);
        cx.fact("rejected", count.rejected);
        cx.world.journal.write(Event::TrafficFinished { drill: cx.world.drill, count });
        Ok(())
    }
}
