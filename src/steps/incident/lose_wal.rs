//! `lose_wal`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Role, Scope, Step, StepKind, StepResult};
use crate::source::{Name, Spanned, WhichWal};
use crate::steps::incident::repo_damage::{archivers, find_segment, marked_by, resolve_repo, resolve_wal};

/// Removes a WAL segment from an archive.
///
/// ```yaml
/// - lose_wal: { repo: onsite, which: last }
/// - lose_wal: { repo: onsite, which: accident }
/// - lose_wal: { repo: offsite, which: "000000010000000000000003" }
/// ```
///
/// `which` is `first`, `last`, a segment's name, or the id of a mark: the segment in which that step began, or of a `backup` the first
/// segment that it does not bring along itself. With an `id` the step is a mark, by the clock of the server that archives there.
///
/// It passes when the segment is gone. It fails when it was not there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoseWal {
    /// The repo; may be left out where there is just one.
    #[serde(default)]
    repo: Option<Spanned<Name>>,
    /// Which segment.
    which: Spanned<WhichWal>,
    /// The repo, resolved.
    #[serde(skip)]
    from: String,
    /// Whose mark the step is.
    #[serde(skip)]
    archivers: Vec<String>,
}

impl StepKind for LoseWal {
    const NAME: &'static str = "lose_wal";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
}

#[async_trait(?Send)]
impl Step for LoseWal {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        resolve_wal(scope, &self.which);
        if let Some(repo) = resolve_repo(scope, self.repo.as_ref()) {
            self.archivers = archivers(scope, &repo);
            self.from = repo;
        }
    }

    fn title(&self) -> String {
        format!("lose {} of repo {}", self.which.value, self.from)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let repo = cx.world.repo(&self.from)?.clone();
        let node = cx.world.any_host()?;
        let archive = repo.archive(node.host()?.as_ref()).await?;
        let segment = find_segment(cx, &repo, &archive, &self.which)?;
        marked_by(cx, &self.archivers, async |cx| {
            cx.fact("segment", segment.clone());
            Ok(repo.lose_wal(node.host()?.as_ref(), &segment).await?)
        })
        .await
    }
}
