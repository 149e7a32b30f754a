//! `sync`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, MarkKind, NodeId, Recovers, RepoId, RepoRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::source::RepoName;

/// Brings a repo that is a copy of another one up to date.
///
/// ```yaml
/// repos: { onsite: {}, offsite: { copy_of: onsite } }
/// steps:
///   - sync: { repo: offsite }
/// ```
///
/// Backups and WAL segments that are not there yet are copied. Existing ones are left as they are,
/// and nothing is removed. With an `id` the step is a mark, by the clock of the server that
/// archives into the original.
///
/// It passes if the copy is complete. It fails if the original cannot be read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncSpec {
    /// The copy.
    repo: RepoName,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Sync {
    /// The copy.
    repo: RepoRef,
    /// What it is a copy of.
    original: RepoId,
    /// Whose mark the step is.
    archivers: Vec<NodeId>,
}

impl StepKind for SyncSpec {
    type Step = Sync;

    const NAME: &'static str = "sync";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Prepares;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Sync> {
        let repo = scope.repo(&self.repo)?;
        let info = scope.repo_info(&repo)?;
        let (made, original) = (info.span, info.copy_of.clone());
        if original.is_none() {
            let title = format!("repo `{repo}` is not a copy of another one");
            let related = (made, "made here, without `copy_of`".to_owned());
            scope.error_related(self.repo.span, title, "nothing to bring it up to date from", related);
        }
        let original = original?;
        scope.syncs(&repo.id, &original);
        let archivers = scope.archivers(&repo);
        Some(Sync { repo, original, archivers })
    }
}

#[async_trait(?Send)]
impl Step for Sync {
    fn title(&self) -> String {
        format!("sync {} from {}", self.repo, self.original)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        match cx.primary_of(&self.archivers).await {
            Some(node) => cx.noted(&node, async |cx| self.copy(cx).await).await,
            None => self.copy(cx).await,
        }
    }
}

impl Sync {
    async fn copy(&self, cx: &Context<'_>) -> StepResult {
        let (from, to) = (cx.world.repo(&self.original)?, cx.world.repo(&self.repo)?);
        let node = cx.world.any_host()?;
        Ok(to.copy_from(node.host()?.as_ref(), from.place()).await?)
    }
}
