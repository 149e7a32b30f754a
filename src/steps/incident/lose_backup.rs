//! `lose_backup`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, MarkKind, NodeId, Output, RepoId, Resolved, Role, Scope, Step, StepKind, StepRef, StepResult,
};
use crate::repo::Ability;
use crate::source::{RepoName, StepName};
use crate::steps::incident::repo_damage::marked_by;

/// Removes a backup from a repo.
///
/// ```yaml
/// - lose_backup: { repo: onsite, backup: nightly }
/// ```
///
/// What goes on from it, incremental backups, stays, and is of no use any more. `repo` is where
/// that copy of the backup is, by default where it was taken to. With an `id` the step is a mark,
/// by the clock of the server that archives there.
///
/// It passes if the backup is gone. It fails if it was not there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoseBackupSpec {
    /// The repo that it is in.
    #[serde(default)]
    repo: Option<RepoName>,
    /// The id of the `backup` step.
    backup: StepName,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct LoseBackup {
    /// The backup.
    backup: StepRef,
    /// The repo.
    repo: RepoId,
    /// Whose mark the step is.
    archivers: Vec<NodeId>,
}

impl StepKind for LoseBackupSpec {
    type Step = LoseBackup;

    const NAME: &'static str = "lose_backup";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Incident;
    const FACTS: &'static str = "backup mark";
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<LoseBackup> {
        let made = scope.step_with(&self.backup, &[Output::Backup]);
        let repo = match &self.repo {
            Some(repo) => scope.repo(repo)?.id,
            None => scope.step_info(made.as_ref()?)?.repo.clone()?,
        };
        scope.repo_can(&repo, Ability::LoseBackup, self.repo.as_ref().map(|repo| repo.span));
        let backup = made?;
        scope.needs_backup(&backup.id, &repo, Some(self.backup.span));
        scope.loses_backup(&backup.id, &repo);
        Some(LoseBackup { archivers: scope.archivers(&repo), backup, repo })
    }
}

#[async_trait(?Send)]
impl Step for LoseBackup {
    fn title(&self) -> String {
        format!("lose backup {} of repo {}", self.backup, self.repo)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let repo = cx.world.repo(&self.repo)?.clone();
        let label = cx.world.label(&self.backup);
        let node = cx.world.any_host()?;
        let lost = marked_by(cx, &self.archivers, async |cx| {
            cx.fact("backup", label.to_string());
            Ok(repo.lose_backup(node.host()?.as_ref(), &label).await?)
        });
        lost.await.map_err(|finding| finding.at(self.backup.span()))
    }
}
