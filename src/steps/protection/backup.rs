//! `backup`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Backup, Context, MarkKind, NodeField, NodeRef, Output, RepoId, Resolved, Role, Scope, Step, StepId, StepKind,
    StepResult,
};
use crate::repo::{Ability, BackupOrder, Checkpoint};
use crate::source::{Name, RepoName, Spanned};
use crate::steps::protection::backup_source::Source;

/// Takes a base backup with the repo's program, into a repo, under the step's id.
///
/// ```yaml
/// - id: nightly
///   backup: { node: master, repo: onsite }
/// ```
///
/// `repo` may be left out if the node archives to one, or if there is only one. The backup contains
/// the WAL that it needs to become consistent, its tablespaces, and a manifest with checksums. With
/// its `id` the step is also a mark.
///
/// `node` may be a standby. Then the backup has what the standby had replayed; if the standby
/// streams and is not delayed on purpose, the step first lets it catch up. The WAL segment in which
/// the backup ends reaches the archive through its primary: the step has it finished and waits for
/// it.
///
/// The program is pg_basebackup for a directory, and the tool's own for a repo of another kind;
/// some of these cannot back up a standby.
///
/// It passes if the program exits with 0 and reports no damage. It fails if it does not (because of
/// a corrupt page, say), and then leaves no backup behind, although pg_basebackup itself leaves its
/// directory, and pgbackrest, which exits with 0, the backup.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeBackupSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The repo that it goes to.
    #[serde(default)]
    repo: Option<RepoName>,
    /// An earlier backup: not built yet.
    #[serde(default)]
    incremental_to: Option<Spanned<Name>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct TakeBackup {
    /// The backup's name.
    id: StepId,
    /// The server.
    node: NodeRef,
    /// The repo that it goes to.
    repo: RepoId,
}

impl StepKind for TakeBackupSpec {
    type Step = TakeBackup;

    const NAME: &'static str = "backup";
    const DEADLINE: Duration = Duration::from_secs(600);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::Moment;
    const OUTPUT: Option<Output> = Some(Output::Backup);

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<TakeBackup> {
        let node = scope.own_node(&self.node);
        if scope.id.is_none() {
            scope.error_help(
                scope.action,
                "`backup` has no `id`",
                "a backup is named by its step's id",
                "write `id: nightly` beside `backup:`",
            );
        }
        if let Some(base) = &self.incremental_to {
            scope.error_help(
                base.entry,
                "`incremental_to` is not built yet",
                "in this version backups are full ones",
                "leave it out",
            );
        }
        let archive = node.as_ref().and_then(|node| scope.node_info(node)?.archive_to.clone());
        let repo = match (&self.repo, archive) {
            (Some(repo), _) => original(scope, repo),
            (None, Some(archive)) => Some(archive),
            (None, None) => scope.repo_or_default(None).map(|repo| repo.id),
        };
        if let Some(repo) = &repo {
            self.check_able(scope, node.as_ref(), repo);
        }
        scope.backs_up_to(repo.clone());
        Some(TakeBackup { id: scope.id.clone()?, node: node?, repo: repo? })
    }
}

impl TakeBackupSpec {
    /// Checks that the repo can take a backup of such a server.
    fn check_able(&self, scope: &mut Scope<'_>, node: Option<&NodeRef>, repo: &RepoId) {
        let at = self.repo.as_ref().map(|repo| repo.span);
        scope.repo_can(repo, Ability::BackUp, at);
        let Some(info) = node.and_then(|node| scope.node_info(node)).filter(|info| info.decoded).cloned() else {
            return;
        };
        if (info.follows.is_some() || info.remade) && !info.promoted {
            scope.repo_can(repo, Ability::BackUpStandby, at);
        } else if info.archive_to.as_ref() != Some(repo)
            && node.is_some_and(|node| scope.archive_above(node).as_ref() != Some(repo))
        {
            scope.repo_can(repo, Ability::BackUpAlone, at);
        }
    }
}

/// A repo that backups can be taken to: none that is only a copy.
fn original(scope: &mut Scope<'_>, name: &Spanned<Name>) -> Option<RepoId> {
    let repo = scope.repo(name)?;
    let info = scope.repo_info(&repo)?;
    if let (made, Some(original)) = (info.span, info.copy_of.clone()) {
        let title = format!("repo `{repo}` holds only what `sync` has copied");
        let related = (made, format!("a copy of `{original}`"));
        scope.error_related(name.span, title, "back up to the original", related);
    }
    Some(repo.id)
}

#[async_trait(?Send)]
impl Step for TakeBackup {
    fn title(&self) -> String {
        format!("back up {} to {}", self.node, self.repo)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let repo = cx.world.repo(&self.repo)?.clone();
        let source = Source::of(cx, &node).await?;
        source.catch_up(cx, &node).await?;
        cx.wait(repo.backup_program());
        let mut label = None;
        cx.marked(&node, async |_, cx| {
            let order = BackupOrder { id: &self.id, checkpoint: Checkpoint::Fast, options: &[] };
            label = Some(repo.back_up(&node, &order).await?);
            cx.fact("repo", repo.name.clone());
            Ok(None)
        })
        .await?;
        if let Some(label) = label {
            cx.world.outputs().backups.insert(self.id.clone(), Backup { repo: self.repo.clone(), label });
        }
        source.archived(cx, &node, &repo).await
    }
}
