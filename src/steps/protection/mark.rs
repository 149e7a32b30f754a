//! `mark`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Finding, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepId, StepKind, StepResult, UserPace,
};
use crate::node::is_in_recovery;
use crate::pg::{RestorePoint, quote_literal};

/// Makes a named restore point with `pg_create_restore_point`.
///
/// ```yaml
/// - id: release
///   mark: { node: master }
/// - recover: { node: rescue, backup: nightly, until: { mark: release }, then: promote }
/// ```
///
/// The restore point's name is the step's id. It passes if the restore point is in the WAL.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetMarkSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct SetMark {
    /// Its id.
    id: StepId,
    /// The server.
    node: NodeRef,
}

impl StepKind for SetMarkSpec {
    type Step = SetMark;

    const NAME: &'static str = "mark";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::RestorePoint;
    const USERS: UserPace = UserPace::Full;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<SetMark> {
        let node = scope.primary(&self.node);
        if scope.id.is_none() {
            scope.error_help(
                scope.action,
                "`mark` has no `id`",
                "a restore point is named by its step's id",
                "write `id: release` beside `mark:`",
            );
        }
        Some(SetMark { id: scope.id.clone()?, node: node? })
    }
}

#[async_trait(?Send)]
impl Step for SetMark {
    fn title(&self) -> String {
        format!("restore point on {}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let id = &self.id;
        if is_in_recovery(&*cx.client(&node).await?).await? {
            let name = node.name();
            return Err(Finding::failed(format!("no restore point can be made on `{name}`: it is in recovery"))
                .help("a restore point is a record in the WAL, which only a primary writes: name the primary"));
        }
        let mut lsn = None;
        cx.marked(&node, async |client, _| {
            let query = format!("SELECT pg_create_restore_point({})::text", quote_literal(id));
            let row = client.query_one(&query, &[]).await?;
            lsn = row.get::<_, &str>(0).parse().ok();
            Ok(None)
        })
        .await?;
        if let (Some(mark), Some(lsn)) = (cx.world.outputs().marks.get_mut(id), lsn) {
            mark.restore_point = Some(RestorePoint { name: id.to_string(), lsn });
        }
        Ok(())
    }
}
