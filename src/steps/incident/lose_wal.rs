//! `lose_wal`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, MarkKind, NodeId, RepoRef, Resolved, Role, Scope, Step, StepKind, StepResult};
use crate::repo::Ability;
use crate::source::{RepoName, Spanned, WhichWal};
use crate::steps::incident::repo_damage::{find_segment, marked_by, resolve_wal};

/// Removes a WAL segment, or another file of WAL, from an archive.
///
/// ```yaml
/// - lose_wal: { repo: onsite, which: last }
/// - lose_wal: { repo: onsite, which: accident }
/// - lose_wal: { repo: offsite, which: "000000010000000000000003" }
/// - lose_wal: { repo: onsite, which: history }
/// - lose_wal: { repo: onsite, which: partial }
/// ```
///
/// `which` is `first`, `last`, a segment's name, or the id of a mark: the segment in which that
/// step began, or of a `backup` the first segment that it does not contain itself. In a repo of
/// kind `directory` it may also be `history`, the history file of the newest timeline, or
/// `partial`, the last `.partial` file (what a promoted server had of the old timeline's segment),
/// or the name of such a file. With an `id` the step is a mark, by the clock of the server that
/// archives there.
///
/// It passes if the file is gone. It fails if it was not there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoseWalSpec {
    /// The repo; may be left out if there is only one.
    #[serde(default)]
    repo: Option<RepoName>,
    /// Which segment, or which other file.
    which: Spanned<WhichWal>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct LoseWal {
    /// Which segment.
    which: Spanned<WhichWal>,
    /// The repo.
    repo: RepoRef,
    /// Whose mark the step is.
    archivers: Vec<NodeId>,
}

impl StepKind for LoseWalSpec {
    type Step = LoseWal;

    const NAME: &'static str = "lose_wal";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const FACTS: &'static str = "segment mark";
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<LoseWal> {
        let repo = resolve_wal(scope, &self.which, self.repo.as_ref())?;
        let ability = if self.which.value.is_segment() { Ability::LoseWal } else { Ability::WalFiles };
        scope.repo_can(&repo, ability, repo.span());
        scope.loses_wal(&repo);
        Some(LoseWal { which: self.which, archivers: scope.archivers(&repo), repo })
    }
}

#[async_trait(?Send)]
impl Step for LoseWal {
    fn title(&self) -> String {
        format!("lose {} of repo {}", self.which.value, self.repo)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let repo = cx.world.repo(&self.repo)?.clone();
        let node = cx.world.any_host()?;
        let archive = repo.archive(node.host()?.as_ref()).await?;
        let segment = find_segment(cx, &repo, node.host()?.as_ref(), &archive, &self.which).await?;
        marked_by(cx, &self.archivers, async |cx| {
            cx.fact("segment", segment.clone());
            Ok(repo.lose_wal(node.host()?.as_ref(), &segment).await?)
        })
        .await
    }
}
