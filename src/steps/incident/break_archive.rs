//! `break_archive`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::harness::{
    Context, Finding, Later, MarkKind, NodeField, NodeRef, RepoId, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::node::is_in_recovery;
use crate::pg::quote_literal;
use crate::repo::{Ability, Broken};
use crate::source::{Duration as Span, Late, Spanned};
use crate::steps::protection::archiver::{Archiver, ArchiverNudge, archive_of, finish_segment};

/// Breaks a server's archive_command.
///
/// ```yaml
/// - break_archive: { node: master, how: fails }
/// - break_archive: { node: master, how: lies }
/// - break_archive: { node: master, how: lags, by: 2s }
/// ```
///
/// With `fails` it exits with 1: WAL piles up on the server, which tries again and again. With
/// `lies` it exits with 0 and keeps nothing: the server takes the segment for archived, and removes
/// it. With `lags` it exits with 0 at once, and the segment reaches the repo only `by` later
/// (default: 3s), as with an archive that is copied in the background. Until then it is on the
/// server's host, and is lost if the host is. It looks as a command does that broke by itself: the
/// copies of the first two go to a directory that is not there, and the server's log has what `cp`
/// says of that (`lies` does not look whether it has copied). `lags` writes `spooled SEGMENT`.
///
/// The command is set with ALTER SYSTEM, so it survives a restart. Then the current WAL segment is
/// finished, so that the broken command is called for it, with everything that was written to it
/// before. If that must not be lost, `wait_archived` first. The step passes if the archiver has
/// called the broken command. It fails if the command is broken in this way already, and on a
/// server in recovery, which archives nothing. With an `id` the step is a mark. `mend_archive`
/// undoes it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakArchiveSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// What is wrong with it.
    how: Spanned<How>,
    /// With `lags`: how late.
    #[serde(default)]
    by: Option<Spanned<Late<Span>>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct BreakArchive {
    /// The server.
    node: NodeRef,
    /// What is wrong with it.
    how: Spanned<How>,
    /// With `lags`: how late.
    by: Option<Spanned<Later<Span>>>,
    /// The repo that the node archives to.
    repo: RepoId,
}

/// What an archive_command does instead of archiving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum How {
    /// It exits with 1.
    Fails,
    /// It exits with 0 and keeps nothing.
    Lies,
    /// It exits with 0, and the segment comes later.
    Lags,
}

impl How {
    /// As scenarios write it.
    fn word(self) -> &'static str {
        match self {
            How::Fails => "fails",
            How::Lies => "lies",
            How::Lags => "lags",
        }
    }
}

impl StepKind for BreakArchiveSpec {
    type Step = BreakArchive;

    const NAME: &'static str = "break_archive";
    // After a crash the server waits at least 10 s before it starts its archiver again.
    const DEADLINE: Duration = Duration::from_secs(90);
    const ROLE: Role = Role::Incident;
    const FACTS: &'static str = "segment";
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<BreakArchive> {
        let archive = archive_of(scope, &self.node, "there is no archive_command to break");
        if let Some(by) = &self.by {
            if self.how.value != How::Lags {
                scope.error(by.entry, "`by` goes with `how: lags`", "how late which segments?");
            } else if by.value.known().is_some_and(|by| by.0.is_zero()) {
                scope.error(by.span, "a segment that comes at once is not late", "longer than nothing");
            }
        }
        let by = scope.maybe_later(self.by);
        let (node, repo) = archive?;
        scope.repo_can(&repo, Ability::BreakArchive, None);
        Some(BreakArchive { node, how: self.how, by: by?, repo })
    }
}

/// How late a segment comes where the scenario does not say.
const LATE: Duration = Duration::from_secs(3);

#[async_trait(?Send)]
impl Step for BreakArchive {
    fn title(&self) -> String {
        format!("archive_command of {} {}", self.node, self.how.value.word())
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let broken = self.broken(cx).await?;
        let repo = cx.world.repo(&self.repo)?.clone();
        let client = cx.client(&node).await?;
        if Broken::of(&archive_command(&client).await?, &*repo) == Some(broken.word()) {
            return Err(Finding::failed("the incident did nothing").at(self.how.entry).label(format!(
                "archive_command of `{}` {} already",
                self.node,
                broken.word()
            )));
        }
        if is_in_recovery(&client).await? {
            return Err(Finding::failed("the incident did nothing")
                .label(format!("`{}` is in recovery, and archives nothing", self.node)));
        }
        let command = broken.command(&*repo);
        let log = node.log_size().await?;
        cx.marked(&node, async |client, cx| {
            client.batch_execute(&format!("ALTER SYSTEM SET archive_command = {}", quote_literal(&command))).await?;
            cx.hits();
            reload(cx, client, |seen| seen == command).await?;
            cx.has_struck();
            // The archiver may still be at work with the old one: a segment that it called the new
            // one for proves that it is not.
            let segment = finish_segment(client).await?;
            let mut nudge = ArchiverNudge::new();
            let called = cx.until("the archiver to call the broken archive_command", async |seen| {
                nudge.nudge(&node).await;
                if node.log_from(log).await?.lines().any(|line| broken.wrote(line, &*repo)) {
                    return Ok(Some(()));
                }
                *seen = Archiver::ask(client).await?.to_string();
                Ok(None)
            });
            called.await.map_err(|finding| finding.at(self.how.entry))?;
            cx.fact("segment", segment.to_string());
            Ok(None)
        })
        .await?;
        cx.world.outputs().broken_archives.entry(self.node.id.clone()).or_insert(log);
        Ok(())
    }
}

impl BreakArchive {
    async fn broken(&self, cx: &Context<'_>) -> Result<Broken, Box<Finding>> {
        let by = match (&self.by, self.how.value) {
            (Some(by), How::Lags) => by.value.now(cx, None).await?.0,
            _ => LATE,
        };
        if let (Some(own), true) = (&self.by, by.is_zero()) {
            return Err(Finding::errored("a segment that comes at once is not late")
                .at(own.span)
                .label("it is 0 s in this run, and longer than nothing is wanted"));
        }
        Ok(match self.how.value {
            How::Fails => Broken::Fails,
            How::Lies => Broken::Lies,
            How::Lags => Broken::Lags(by),
        })
    }
}

/// The server's archive_command.
pub(crate) async fn archive_command(client: &Client) -> Result<String, Box<Finding>> {
    Ok(client.query_one("SELECT current_setting('archive_command')", &[]).await?.get(0))
}

/// Has the server read its configuration again, and waits until its sessions have an
/// archive_command that is `wanted`.
pub(crate) async fn reload(cx: &mut Context<'_>, client: &Client, wanted: impl Fn(&str) -> bool) -> StepResult {
    client.batch_execute("SELECT pg_reload_conf()").await?;
    cx.until("the server to take up its archive_command", async |seen| {
        *seen = archive_command(client).await?;
        Ok(wanted(seen).then_some(()))
    })
    .await
}
