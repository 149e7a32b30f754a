//! `sync`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, RepoId, RepoRef, Resolved, Role, Scope, Step, StepKind, StepResult};
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
/// and nothing is removed.
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
}

impl StepKind for SyncSpec {
    type Step = Sync;

    const NAME: &'static str = "sync";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Sync> {
        let repo = scope.repo(&self.repo)?;
        let info = scope.repo_info(&repo)?;
        let (made, original) = (info.span, info.copy_of.clone());
        if original.is_none() {
            let title = format!("repo `{repo}` is not a copy of another one");
            let related = (made, "made here, without `copy_of`".to_owned());
            scope.error_related(self.repo.span, title, "nothing to bring it up to date from", related);
        }
        Some(Sync { repo, original: original? })
    }
}

#[async_trait(?Send)]
impl Step for Sync {
    fn title(&self) -> String {
        format!("sync {} from {}", self.repo, self.original)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let (from, to) = (cx.world.repo(&self.original)?, cx.world.repo(&self.repo)?);
        let node = cx.world.any_host()?;
        Ok(to.copy_from(node.host()?.as_ref(), from.place()).await?)
    }
}
