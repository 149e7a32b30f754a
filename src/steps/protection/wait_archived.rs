//! `wait_archived`

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::harness::{
    Awaited, Context, Finding, MarkKind, NodeField, NodeRef, Recovers, RepoId, Resolved, Role, Scope, Step, StepKind,
    StepRef, StepResult, if_given,
};
use crate::node::{Node, is_in_recovery, lineage};
use crate::pg::{History, Lineage, Lsn, Mark, Segment};
use crate::repo::{Ability, Archive, Repo};
use crate::source::StepName;
use crate::steps::protection::archiver::{Archiver, ArchiverNudge, archive_of, by_hand, finish_segment};
use crate::steps::protection::way::{Missing, Way};
use crate::steps::recovery::upstream::upstream_of;

/// Waits until everything up to a mark, or up to now, is in the archive.
///
/// ```yaml
/// - wait_archived: { node: master, through: accident }
/// ```
///
/// It commits an empty transaction and switches to a new WAL segment: what is in an unfinished
/// segment is not in the archive, and a recovery to a time ends with an error if no commit comes
/// after that time.
///
/// With `through` only the segments up to the one in which that mark ends have to be there. What
/// was written since is waited for as well, for 3 s, as long as archive_command does not fail: it
/// has the commit that a target time needs.
///
/// For a standby that archives (`archive_mode: always`), its primary finishes the segment.
///
/// It passes if all segments up to that one are in the repo, on every timeline on the way, with the
/// history files: from the end of the last backup in the repo, or else from the first segment
/// there. Each must be complete and, according to its first page, from this cluster. The server's
/// word is not enough, since an archive_command can lie. It fails if `within` runs out, and reports
/// what the server says of its archiver and which segment is missing. It fails at once if a segment
/// is missing that cannot come any more, or is another cluster's.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitArchivedSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// A mark.
    #[serde(default)]
    through: Option<StepName>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct WaitArchived {
    /// The server.
    node: NodeRef,
    /// A mark.
    through: Option<StepRef>,
    /// The repo that the node archives to.
    repo: RepoId,
}

impl StepKind for WaitArchivedSpec {
    type Step = WaitArchived;

    const NAME: &'static str = "wait_archived";
    // After a crash the server waits at least 10 s before it starts its archiver again.
    const DEADLINE: Duration = Duration::from_secs(90);
    const ROLE: Role = Role::Wait;
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Prepares;
    const FACTS: &'static str = "segment";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<WaitArchived> {
        let archive = archive_of(scope, &self.node, "this would wait for ever");
        let through = if_given(self.through.as_ref(), |mark| scope.mark(mark));
        let (node, repo) = archive?;
        scope.repo_can(&repo, Ability::List, None);
        Some(WaitArchived { node, through: through?, repo })
    }
}

#[async_trait(?Send)]
impl Step for WaitArchived {
    fn title(&self) -> String {
        let through = self.through.as_ref().map(|mark| format!(" through {mark}")).unwrap_or_default();
        format!("wait for the archive of {}{through}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        cx.noted(&self.node.id, async |cx| self.wait(cx).await).await
    }
}

impl WaitArchived {
    async fn wait(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let client = cx.client(&node).await?;
        let repo = cx.world.repo(&self.repo)?.clone();
        let writer = self.writer(cx, &node, &client).await?;
        // Everything up to now, and so up to any mark, with the commit that a target time needs
        // after it.
        let segment = finish_segment(&writer).await?;
        let whose = lineage(&writer).await?;
        self.check_mark(cx, &whose)?;
        if !Arc::ptr_eq(&writer, &client) {
            // A standby has the whole of a segment when something comes after it.
            writer.batch_execute("SELECT pg_current_xact_id()").await?;
        }
        let (through, behind) = match self.end_of_mark(cx, &whose, segment)? {
            Some(end) if end.start() < segment.start() => (end, Some((segment, Instant::now() + GRACE))),
            _ => (segment, None),
        };
        cx.fact("segment", through.to_string());
        let host = node.host()?.clone();
        let row = client.query_one("SELECT current_setting('archive_command')", &[]).await?;
        let from = needed(cx, &repo, &whose);
        let mut watch = Watch {
            node: &node,
            client: &client,
            way: Way { repo: &repo, host: host.as_ref(), whose: &whose, from, through },
            behind,
            in_order: row.get::<_, String>(0) == repo.archive_command(),
            others: cx.world.outputs().nodes.values().cloned().collect(),
            nudge: ArchiverNudge::new(),
            refused: 0,
            kept: None,
            found: Found::Nothing,
        };
        cx.awaits(Awaited::Archive, node.name());
        let what = format!("segment {through} in repo `{}`", repo.name);
        let began = Instant::now();
        let done = cx.until(&what, async |seen| watch.look(seen).await).await;
        if done.is_ok() {
            cx.ran(by_hand(&node, &repo).took(began.elapsed()));
        }
        let at = self.through.as_ref().and_then(StepRef::entry);
        match (done, watch.found) {
            (Ok(()), _) => Ok(()),
            (Err(finding), Found::Foreign) => Err(finding),
            (Err(finding), Found::Gap) => Err(finding.at(at).help(
                "what is missing stays missing: take a new base backup, and check what archive_command does when it \
                 returns 0",
            )),
            (Err(finding), Found::Nothing) => {
                Err(finding.at(at).note("log", node.log_tail().await).help("does archive_command work? See the log"))
            }
        }
    }

    /// A session on the server that writes the WAL: the node itself, or its primary where it is a
    /// standby that archives.
    async fn writer(
        &self,
        cx: &Context<'_>,
        node: &Arc<Node>,
        client: &Arc<Client>,
    ) -> Result<Arc<Client>, Box<Finding>> {
        let query = "SELECT pg_is_in_recovery(), current_setting('archive_mode')";
        let row = client.query_one(query, &[]).await?;
        if !row.get::<_, bool>(0) {
            return Ok(client.clone());
        }
        let at = self.node.span();
        let finding = |label: String| {
            let title = format!("`{}` is in recovery, and writes no WAL of its own", node.name());
            Finding::failed(title).at(at).label(label)
        };
        let mode: &str = row.get(1);
        if mode != "always" {
            return Err(finding(format!("it archives nothing: its archive_mode is `{mode}`"))
                .help("a standby archives with `archive_mode: always` only; wait for the archive of its primary"));
        }
        let mut up = node.clone();
        let most = cx.world.outputs().nodes.len();
        for _ in 0..most {
            let Some((above, _)) = upstream_of(cx, &up).await else { break };
            up = above;
        }
        let primary = cx.client(&up).await;
        let Ok(primary) = primary else { return Err(finding(format!("its primary `{}` does not answer", up.name()))) };
        match is_in_recovery(&primary).await? {
            false => Ok(primary),
            true => {
                Err(finding("a primary is needed to finish the segment, and it follows none of this drill".to_owned())
                    .help("start or promote a primary for it to follow"))
            }
        }
    }

    /// The segment in which the mark ends; none where the step names none, or it ends on another
    /// timeline than that on which the server is now.
    fn end_of_mark(&self, cx: &Context<'_>, whose: &Lineage, now: Segment) -> Result<Option<Segment>, Box<Finding>> {
        let Some(through) = &self.through else { return Ok(None) };
        let end = cx.world.mark(through)?.after.lsn;
        let size = now.end().0 - now.start().0;
        let timeline = whose.history.at(end);
        Ok((timeline == now.timeline()).then(|| Segment::before(end, timeline, size)))
    }

    /// Fails where the mark is not in the history of the server that archives.
    fn check_mark(&self, cx: &Context<'_>, whose: &Lineage) -> StepResult {
        let Some(through) = &self.through else { return Ok(()) };
        let mark = cx.world.mark(through)?;
        let place = mark.before.lsn;
        let label = match whose.history.parted(&mark.lineage.history).filter(|parting| place > parting.at) {
            _ if whose.system != mark.lineage.system => {
                format!("it was made on another cluster than that of `{}`", self.node)
            }
            None => return Ok(()),
            Some(parting) => format!(
                "it is at {place} on timeline {}, and `{}` is on timeline {}: they diverge at {}",
                mark.lineage.history.at(place),
                self.node,
                whose.history.timeline,
                parting.at
            ),
        };
        Err(Finding::failed(format!("`{}` is not in the WAL of `{}`", mark.id, self.node))
            .at(through.entry())
            .label(label)
            .help("wait for the archive of the server on which the mark was made"))
    }
}

/// How long what comes behind a mark's own segment is waited for.
const GRACE: Duration = Duration::from_secs(3);

/// Watching the archive until everything is there.
struct Watch<'a> {
    node: &'a Node,
    client: &'a Client,
    way: Way<'a>,
    /// The segment that was finished just now, where it is another one than the last that is
    /// needed, and until when it is waited for.
    behind: Option<(Segment, Instant)>,
    /// Whether the archive_command is the repo's own. What that has acknowledged is there: what is
    /// not there does not come any more.
    in_order: bool,
    others: Vec<Arc<Node>>,
    nudge: ArchiverNudge,
    /// How often archive_command had failed when that was looked into.
    refused: i64,
    /// The segment that it had failed for then, if the archive has one of that name.
    kept: Option<Segment>,
    found: Found,
}

/// What was found that no waiting changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Nothing so far.
    Nothing,
    /// There is a gap in the archive.
    Gap,
    /// There is a segment of another cluster, or another one than its name says.
    Foreign,
}

impl Watch<'_> {
    /// One look. Fails if what is missing cannot come any more.
    async fn look(&mut self, seen: &mut String) -> Result<Option<()>, Box<Finding>> {
        self.nudge.nudge(self.node).await;
        let (repo, segment) = (self.way.repo, self.way.through);
        let archiver = Archiver::ask(self.client).await?;
        *seen = archiver.to_string();
        if archiver.failed() > self.refused {
            // archive_command refuses to overwrite another segment of that name: whose is it?
            self.refused = archiver.failed();
            let failed = archiver.last_failed(segment).filter(|failed| *failed <= segment);
            self.check_headers(failed.as_slice()).await?;
            self.check_refused(failed).await?;
        }
        if !archiver.claims(segment) {
            return Ok(None);
        }
        let archive = repo.archive(self.way.host).await?.of_segments(segment.end().0 - segment.start().0);
        match self.way.look(&archive) {
            Ok(found) => {
                self.check_headers(&found).await?;
                let waits = self.behind.is_some_and(|(behind, until)| {
                    !archive.is_whole(behind) && !archiver.fails() && Instant::now() < until
                });
                return Ok((!waits).then_some(()));
            }
            Err(Missing::Segments(missing)) => {
                let Some(first) = missing.first() else { return Ok(None) };
                if self.in_order && *first < segment && archive.is_whole(segment) {
                    // A listing is not made in an instant: a second one decides.
                    if self.found == Found::Gap {
                        return Err(gap(&repo.name, &missing, &archive));
                    }
                    self.found = Found::Gap;
                }
                let not = if archive.holds(*first) { "is not whole" } else { "is not" };
                seen.push_str(&format!("; but {first} {not} in repo `{}`: {}", repo.name, archive.summary()));
            }
            Err(Missing::History(timeline)) => {
                let file = History::file(timeline);
                seen.push_str(&format!(
                    "; but {file} is not in repo `{}`, or says nothing, and without it no recovery follows timeline {timeline}",
                    repo.name
                ));
            }
        }
        Ok(None)
    }

    /// Fails if the repo's own archive_command has failed for a segment that was in the archive
    /// before: it overwrites none, and returns 0 for the same one again.
    async fn check_refused(&mut self, failed: Option<Segment>) -> StepResult {
        let (repo, before) = (self.way.repo, self.kept);
        let Some(failed) = failed.filter(|_| self.in_order) else { return Ok(()) };
        let archive = repo.archive(self.way.host).await?.of_segments(failed.end().0 - failed.start().0);
        self.kept = archive.is_whole(failed).then_some(failed);
        if before.is_none() || self.kept != before {
            return Ok(());
        }
        self.found = Found::Foreign;
        let (repo, node) = (&repo.name, self.node.name());
        Err(Finding::failed(format!("repo `{repo}` has another segment {failed} than `{node}`"))
            .label("archive_command does not overwrite it, and archives nothing after it")
            .help(
                "the server came up without WAL that it had written, and wrote other WAL in its place: take a new base \
                 backup, and archive to a directory of its own",
            ))
    }

    async fn check_headers(&mut self, segments: &[Segment]) -> StepResult {
        let checked = self.way.check_headers(segments, &self.others).await;
        if checked.is_err() {
            self.found = Found::Foreign;
        }
        checked
    }
}

/// Where the last backup in the repo ends that the server's WAL goes on from: WAL up to there is in
/// itself. What is missing before that is lost, and of no more use.
fn needed(cx: &Context<'_>, repo: &Repo, whose: &Lineage) -> Option<Lsn> {
    let state = cx.world.outputs();
    let backups = state.backups.iter().filter(|(_, backup)| backup.repo == repo.name.as_str());
    let marks = backups.filter_map(|(id, _)| state.marks.get(id));
    let own = |mark: &&Mark| {
        mark.lineage.system == whose.system && whose.history.shares(&mark.lineage.history, mark.after.lsn)
    };
    marks.filter(own).map(|mark| mark.after.lsn).max()
}

fn gap(repo: &str, missing: &[Segment], archive: &Archive) -> Box<Finding> {
    let label = match missing {
        [one] if archive.holds(*one) => {
            format!("segment {one} is not whole in repo `{repo}`, though the server has archived what comes after it")
        }
        [one] => format!("segment {one} is not in repo `{repo}`, though the server has archived what comes after it"),
        many => format!(
            "segments {} are not in repo `{repo}`, though the server has archived what comes after them",
            listed(many)
        ),
    };
    Finding::failed("there is a gap in the archive").label(format!("{label}; {}", archive.summary()))
}

/// Segments in words: all of a few, the first and the last of many.
pub(crate) fn listed(segments: &[Segment]) -> String {
    match segments {
        [first, .., last] if segments.len() > 3 => format!("{first} to {last} ({} of them)", segments.len()),
        few => few.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}
