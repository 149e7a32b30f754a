//! `mend_archive`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Finding, MarkKind, NodeField, NodeRef, Recovers, RepoId, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::repo::{Broken, bring_late_wal};
use crate::steps::incident::break_archive::{archive_command, reload};
use crate::steps::protection::archiver::{Archiver, ArchiverNudge, archive_of, finish_segment};

/// Restores an archive_command that `break_archive` has broken.
///
/// ```yaml
/// - mend_archive: { node: master }
/// ```
///
/// The server has its own archive_command again. What it could not archive (`how: fails`) it
/// archives now; segments that would have come late (`how: lags`) are moved into the repo at once;
/// what a lying command dropped (`how: lies`) is gone, and a new base backup is needed.
///
/// It finishes a WAL segment, and passes if that segment is in the repo. It fails if
/// archive_command was not broken, and if the archive still does not work. With an `id` the step is
/// a mark.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MendArchiveSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct MendArchive {
    /// The server.
    node: NodeRef,
    /// The repo that the node archives to.
    repo: RepoId,
}

impl StepKind for MendArchiveSpec {
    type Step = MendArchive;

    const NAME: &'static str = "mend_archive";
    const DEADLINE: Duration = Duration::from_secs(90);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str = "segment came_late not_kept failed_count";
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<MendArchive> {
        let (node, repo) = archive_of(scope, &self.node, "there is no archive_command to mend")?;
        Some(MendArchive { node, repo })
    }
}

#[async_trait(?Send)]
impl Step for MendArchive {
    fn title(&self) -> String {
        format!("mend archive_command of {}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let repo = cx.world.repo(&self.repo)?.clone();
        let client = cx.client(&node).await?;
        if Broken::of(&archive_command(&client).await?, &*repo).is_none() {
            return Err(Finding::failed("there is nothing to mend")
                .label(format!("archive_command of `{}` is not broken", self.node))
                .help("only what a `break_archive` step has broken can be mended, and only once"));
        }
        cx.marked(&node, async |client, cx| {
            client.batch_execute("ALTER SYSTEM RESET archive_command").await?;
            reload(cx, client, |seen| Broken::of(seen, &*repo).is_none()).await?;
            let segment = finish_segment(client).await?;
            let host = node.host()?.clone();
            let (mut late, mut nudge) = (0, ArchiverNudge::new());
            let what = format!("segment {segment} in repo `{}`", repo.name);
            let mended = cx.until(&what, async |seen| {
                nudge.nudge(&node).await;
                // At every look: the archiver may have been at work with the broken command still.
                late += bring_late_wal(&*repo, host.as_ref(), &host.paths().data).await.map_err(|error| match error
                    .said()
                {
                    Some(said) => {
                        Finding::failed("segments that were late could not be moved into the repo").note("said", said)
                    }
                    None => error.into(),
                })?;
                if repo.holds(host.as_ref(), &segment.to_string()).await? {
                    return Ok(Some(()));
                }
                *seen = Archiver::ask(client).await?.to_string();
                Ok(None)
            });
            if let Err(finding) = mended.await {
                return Err(finding.note("log", node.log_tail().await).help("does archive_command work? See the log"));
            }
            cx.fact("segment", segment.to_string());
            cx.fact("came_late", late);
            Ok(None)
        })
        .await?;
        let since = cx.world.outputs().broken_archives.remove(self.node.as_str()).unwrap_or(0);
        let log = node.log_from(since).await?;
        let not_kept = log.lines().filter(|line| Broken::Lies.wrote(line, &*repo)).count();
        cx.fact("not_kept", not_kept);
        cx.fact("failed_count", Archiver::ask(&*cx.client(&node).await?).await?.failed());
        Ok(())
    }
}
