//! `wait_archived`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::archiver::{Archiver, Knocker, archive_of, finish_segment};
use super::{Awaited, Context, Finding, NodeRef, Role, Scope, Step, StepKind, StepResult};
use crate::pg::Segment;
use crate::repo::{Archive, Repo};
use crate::source::{Name, Spanned};

/// Waits until everything up to a mark, or up to now, is in the archive.
///
/// ```yaml
/// - wait_archived: { node: master, through: accident }
/// ```
///
/// It commits an empty transaction and switches to a new WAL segment: what is in an unfinished segment is not in the archive, and
/// a recovery to a time ends with an error when no commit comes after that time.
///
/// It passes when all segments up to that one lie in the repo, from the end of the last backup in it, or else from the first one
/// there, and each is whole: the server's word for it is not enough, since an archive_command can lie. It fails when `within` runs out, and tells
/// what the server says of its archiver and which segment is not there; at once where one is missing that cannot come any more.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitArchived {
    /// The server.
    #[serde(default)]
    node: NodeRef,
    /// A mark.
    #[serde(default)]
    through: Option<Spanned<Name>>,
    /// Where it archives to.
    #[serde(skip)]
    repo: Option<String>,
}

impl StepKind for WaitArchived {
    const NAME: &'static str = "wait_archived";
    // After a crash the server waits at least 10 s before it starts its archiver again.
    const DEADLINE: Duration = Duration::from_secs(90);
    const ROLE: Role = Role::Act;
}

#[async_trait(?Send)]
impl Step for WaitArchived {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        self.repo = archive_of(scope, &mut self.node, "this would wait for ever");
        if let Some(mark) = &self.through {
            scope.mark(mark);
        }
    }

    fn title(&self) -> String {
        let through = self.through.as_ref().map(|mark| format!(" through {}", mark.value)).unwrap_or_default();
        format!("wait for the archive of {}{through}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.yard.node(self.node.as_str())?;
        let client = cx.client(&node).await?;
        let repo = cx.yard.repo(self.repo.as_deref().unwrap_or_default())?.clone();
        if let Some(mark) = &self.through {
            cx.yard.mark(mark.as_str())?;
        }
        // Everything up to now, and so up to any mark, with the commit that a target time needs after it.
        let segment = finish_segment(&client).await?;
        cx.fact("segment", segment.to_string());
        let span = self.through.as_ref().map(|mark| mark.entry);
        let host = node.host()?.clone();
        // What this archive_command has acknowledged is there: what is not there does not come any more.
        let row = client.query_one("SELECT current_setting('archive_command')", &[]).await?;
        let in_order = row.get::<_, String>(0) == repo.archive_command();
        let needed = needed(cx, &repo, segment);
        cx.awaits(Awaited::Archive, node.name());
        let mut gap = false;
        let mut knocker = Knocker::new();
        let what = format!("segment {segment} in repo `{}`", repo.name);
        let done = cx.until(&what, async |seen| {
            knocker.knock(&node).await;
            let archiver = Archiver::ask(&client).await?;
            *seen = archiver.to_string();
            if archiver.claims(segment) {
                let archive = repo.archive(host.as_ref()).await?;
                let first = archive.timeline(segment.timeline()).next();
                let from = needed.or(first).unwrap_or(segment);
                let missing: Vec<Segment> = archive.missing(from, segment).collect();
                let Some(first) = missing.first() else { return Ok(Some(())) };
                if in_order && *first < segment && archive.holds(segment) {
                    // A listing is not made in an instant: a second one decides.
                    if std::mem::replace(&mut gap, true) {
                        return Err(told_missing(&repo.name, &missing, &archive));
                    }
                }
                let not = if archive.holds(*first) { "is not whole" } else { "is not" };
                seen.push_str(&format!("; but {first} {not} in repo `{}`: {}", repo.name, archive.summary()));
            }
            Ok(None)
        });
        match done.await {
            Ok(()) => Ok(()),
            Err(finding) => {
                let finding = match span {
                    Some(span) => finding.at(span),
                    None => finding,
                };
                match gap {
                    true => Err(finding.help("what is missing stays missing: take a new base backup, and see that archive_command can be believed")),
                    false => Err(finding.note("log", node.log_tail().await).help("does archive_command work? See the log")),
                }
            }
        }
    }
}

/// The first segment that the last backup in the repo needs to go on from: WAL up to its end is in itself. What is missing before that
/// is lost, and of no more use.
fn needed(cx: &Context<'_>, repo: &Repo, like: Segment) -> Option<Segment> {
    let state = cx.yard.state();
    let backups = state.backups.iter().filter(|(_, backup)| backup.repo == repo.name);
    let marks = backups.filter_map(|(id, _)| state.marks.get(id)).map(|mark| mark.after);
    let on_it = marks.filter(|end| end.timeline == like.timeline());
    on_it.map(|end| like.holding(end.lsn)).max()
}

fn told_missing(repo: &str, missing: &[Segment], archive: &Archive) -> Box<Finding> {
    let label = match missing {
        [one] => format!("segment {one} is not in repo `{repo}`, though the server has archived what comes after it"),
        many => format!("segments {} are not in repo `{repo}`, though the server has archived what comes after them", listed(many)),
    };
    Finding::failed("there is a gap in the archive").label(format!("{label}; {}", archive.summary()))
}

/// Segments in words: all of a few, the first and the last of many.
pub(super) fn listed(segments: &[Segment]) -> String {
    match segments {
        [first, .., last] if segments.len() > 3 => format!("{first} to {last} ({} of them)", segments.len()),
        few => few.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}
