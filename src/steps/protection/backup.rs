//! `backup`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Backup, Context, NodeRef, Role, Scope, Step, StepKind, StepResult};
use crate::repo::{BackupOrder, Checkpoint};
use crate::source::{Name, Spanned};
use crate::steps::protection::backup_source::Source;

/// Takes a base backup with pg_basebackup, into a repo, under the step's id.
///
/// ```yaml
/// - id: nightly
///   backup: { node: master, repo: onsite }
/// ```
///
/// `repo` may be left out where the node archives to one, or where there is just one. The backup carries the WAL that it
/// needs to become consistent, its tablespaces, and a manifest with checksums. With its `id` the step is a mark, too.
///
/// `node` may be a standby. Then the backup has what the standby had replayed; one that streams, and is not late on purpose, is waited
/// for. The WAL segment in which the backup ends comes into the archive by way of its primary: the step has it finished and waits for it.
///
/// It passes when pg_basebackup ended with 0. It fails when it did not (a corrupt page, say), and then leaves no backup behind,
/// though pg_basebackup itself leaves its directory.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeBackup {
    /// The server.
    #[serde(default)]
    node: NodeRef,
    /// The repo that it goes to.
    #[serde(default)]
    repo: Option<Spanned<Name>>,
    /// An earlier backup: not built yet.
    #[serde(default)]
    incremental_to: Option<Spanned<Name>>,
    /// The repo, resolved.
    #[serde(skip)]
    to: Option<Name>,
}

impl StepKind for TakeBackup {
    const NAME: &'static str = "backup";
    const DEADLINE: Duration = Duration::from_secs(600);
    const ROLE: Role = Role::Mark;
}

#[async_trait(?Send)]
impl Step for TakeBackup {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        let info = scope.own_node(&mut self.node);
        if scope.id.is_none() {
            scope.error_help(
                scope.action,
                "`backup` has no `id`",
                "a backup is named by its step's id",
                "write `id: nightly` beside `backup:`",
            );
        }
        self.to = match (&self.repo, info.and_then(|info| info.archive_to)) {
            (Some(repo), _) => {
                if let Some(info) = scope.repo(repo)
                    && let Some(original) = info.copy_of
                {
                    let title = format!("repo `{}` holds only what `sync` has copied", repo.value);
                    let related = (info.span, format!("a copy of `{original}`"));
                    scope.error_related(repo.span, title, "back up to the original", related);
                }
                Some(repo.value.clone())
            }
            (None, Some(archive)) => Name::new(&archive).ok(),
            (None, None) => scope.default_repo(),
        };
        scope.detail(self.to.as_ref().map(ToString::to_string));
        if let Some(base) = &self.incremental_to {
            scope.error_help(
                base.entry,
                "`incremental_to` is not built yet",
                "in this version backups are full ones",
                "leave it out",
            );
        }
    }

    fn title(&self) -> String {
        format!("back up {} to {}", self.node, self.to.as_ref().map_or("its repo", |to| to.as_str()))
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(self.node.as_str())?;
        let id = cx.id.unwrap_or_default().to_owned();
        let repo = cx.world.repo(self.to.as_ref().map_or("", |to| to.as_str()))?.clone();
        let source = Source::of(cx, &node).await?;
        source.catch_up(cx, &node).await?;
        cx.wait(repo.backup_program());
        let mut label = None;
        cx.marked(&node, async |_, cx| {
            let order = BackupOrder { id: &id, checkpoint: Checkpoint::Fast, options: &[] };
            label = Some(repo.back_up(&node, &order).await?);
            cx.fact("repo", repo.name.clone());
            Ok(None)
        })
        .await?;
        if let Some(label) = label {
            cx.world.outputs().backups.insert(id, Backup { repo: repo.name.clone(), label });
        }
        source.archived(cx, &node, &repo).await
    }
}
