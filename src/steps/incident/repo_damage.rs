//! What the incidents share that happen to a repo: which segment, whose mark, and what the scenario
//! says of it.

use crate::harness::{Context, Finding, NodeId, RepoRef, Resolved, Scope, StepResult};
use crate::host::Host;
use crate::pg::Segment;
use crate::repo::{Archive, Foreign, Repo};
use crate::source::{Name, RepoName, Span, Spanned, WhichWal};

/// Checks which segment is meant, of which repo.
pub(crate) fn resolve_wal(
    scope: &mut Scope<'_>,
    which: &Spanned<WhichWal>,
    repo: Option<&RepoName>,
) -> Resolved<RepoRef> {
    let repo = scope.repo_or_default(repo);
    if let WhichWal::Mark(id) = &which.value {
        let mark = Spanned { value: id.clone(), span: which.span, entry: which.entry };
        if let (Some(_), Some(repo)) = (scope.mark(&mark), &repo) {
            scope.mark_is_in_repo(&mark, repo);
        }
    }
    repo
}

/// Runs the deed of an incident that happens to a repo. With an id it is a mark by the clock of the
/// first of `archivers` that is a primary and answers; where there is none, it is no mark.
pub(crate) async fn marked_by(
    cx: &mut Context<'_>,
    archivers: &[NodeId],
    deed: impl AsyncFnOnce(&mut Context<'_>) -> StepResult,
) -> StepResult {
    if let Some(node) = cx.primary_of(archivers).await {
        let node = cx.world.node(&node)?;
        return cx
            .marked(&node, async |_, cx| {
                cx.hits();
                deed(cx).await.map(|()| None)
            })
            .await;
    }
    if cx.id.is_some() {
        cx.fact("mark", "none: no primary that archives there answers");
    }
    cx.strike(deed).await
}

/// The name of the file that is meant, which is there.
pub(crate) async fn find_segment(
    cx: &Context<'_>,
    repo: &Repo,
    host: &dyn Host,
    archive: &Archive,
    which: &Spanned<WhichWal>,
) -> Result<String, Box<Finding>> {
    let name = match &which.value {
        WhichWal::First => archive.first().map(str::to_owned),
        WhichWal::Last => archive.last().map(str::to_owned),
        WhichWal::Segment(name) | WhichWal::History(Some(name)) | WhichWal::Partial(Some(name)) => Some(name.clone()),
        WhichWal::History(None) => archive.last_history(),
        WhichWal::Partial(None) => archive.last_partial().map(str::to_owned),
        WhichWal::Mark(id) => of_mark(cx, repo, host, archive, (id, which.span)).await?,
    };
    let help = match &which.value {
        WhichWal::History(_) => "a history file is archived when a server is promoted that archives",
        WhichWal::Partial(_) => {
            "a server that archives archives a `.partial` file when it is promoted in the middle of a segment"
        }
        _ => "a segment is there when it is full or was switched away from, and archived: `wait_archived`",
    };
    let repo_name = &repo.name;
    let label = match (name, &which.value) {
        (Some(name), _) if archive.lists(&name) => return Ok(name),
        (Some(name), which) if which.is_segment() => {
            format!("there is no segment {name} in repo `{repo_name}`: {}", archive.summary())
        }
        (Some(name), _) => format!("there is no file {name} in repo `{repo_name}`"),
        (None, WhichWal::History(_)) => format!("there is no history file in repo `{repo_name}`"),
        (None, WhichWal::Partial(_)) => format!("there is no `.partial` file in repo `{repo_name}`"),
        (None, _) => format!("there is no WAL in repo `{repo_name}`"),
    };
    Err(Finding::failed("the incident did nothing").at(which.span).label(label).help(help))
}

/// The segment of a mark, which is one of the cluster and the timelines that the mark was made on.
async fn of_mark(
    cx: &Context<'_>,
    repo: &Repo,
    host: &dyn Host,
    archive: &Archive,
    (id, at): (&Name, Span),
) -> Result<Option<String>, Box<Finding>> {
    let mark = cx.world.mark(id.as_str())?;
    // A backup brings the WAL up to its end along; of anything else the beginning decides, without
    // which its end is no use.
    let of_backup = cx.world.outputs().backups.contains_key(id.as_str());
    let moment = if of_backup { mark.after } else { mark.before };
    let Some(size) = archive.segment_size() else { return Ok(None) };
    let segment = Segment::at(moment.lsn, moment.timeline, size);
    let elsewhere = |label: String| {
        Finding::failed(format!("`{id}` is not in the WAL of repo `{}`", repo.name))
            .at(at)
            .label(label)
            .help("another server's WAL has a segment of the same name there, which was not touched")
    };
    if !archive.holds(segment) {
        return Ok(Some(segment.to_string()));
    }
    let timeline = segment.timeline();
    let history = archive.has_history(timeline).then(|| archive.history(timeline));
    let whose = (&mark.lineage, moment.lsn);
    match repo.foreign(host, Some(segment), history.as_ref(), whose).await? {
        None => Ok(Some(segment.to_string())),
        Some(Foreign::Timeline(timeline)) => {
            Err(elsewhere(format!("it was made on another timeline {timeline} than the one that was archived")))
        }
        Some(Foreign::Cluster(system)) => Err(elsewhere(format!(
            "it was made on the cluster with the system identifier {}, and segment {segment} is of cluster {system}",
            mark.lineage.system
        ))),
    }
}

/// Checks a path that is to lie below a directory.
pub(crate) fn resolve_below(scope: &mut Scope<'_>, path: &Spanned<String>, below: &str) {
    let text = path.value.as_str();
    let wrong = match text {
        "" => "this is empty",
        _ if text.starts_with('/') => "this begins at the root",
        _ if text.split('/').any(|part| part == "..") => "this leads out of it",
        _ if text.split('/').all(|part| part.is_empty() || part == ".") => "this is the whole of it",
        _ if text.contains('\0') => "this has a NUL in it",
        _ => return,
    };
    scope.error_help(path.span, format!("`{text}` is not a path below {below}"), wrong, "such as `base/1`");
}
