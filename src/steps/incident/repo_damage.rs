//! What the incidents share that happen to a repo: which segment, whose mark, and what the scenario
//! says of it.

use crate::harness::{Context, Finding, NodeId, RepoId, Scope, StepResult};
use crate::pg::{Segment, TimelineId};
use crate::repo::{Archive, Repo};
use crate::source::{Spanned, WhichWal};

/// Checks which segment is meant.
pub(crate) fn resolve_wal(scope: &mut Scope<'_>, which: &Spanned<WhichWal>) {
    if let WhichWal::Mark(id) = &which.value {
        scope.mark(&Spanned { value: id.clone(), span: which.span, entry: which.entry });
    }
}

/// The nodes whose marks tell when something happened to a repo: those that archive to it, or to
/// what it is a copy of.
pub(crate) fn archivers(scope: &Scope<'_>, repo: &RepoId) -> Vec<NodeId> {
    let original = scope.repo_info(repo).and_then(|info| info.copy_of.as_ref()).unwrap_or(repo);
    let archives = |to: &Option<RepoId>| to.as_ref().is_some_and(|to| to == repo || to == original);
    scope.nodes.iter().filter(|(_, info)| archives(&info.archive_to)).map(|(name, _)| name.clone()).collect()
}

/// Runs the deed of an incident that happens to a repo. With an id it is a mark by the clock of the
/// first of `archivers` that is a primary and answers; where there is none, it is no mark.
pub(crate) async fn marked_by(
    cx: &mut Context<'_>,
    archivers: &[NodeId],
    deed: impl AsyncFnOnce(&mut Context<'_>) -> StepResult,
) -> StepResult {
    let up: Vec<_> = archivers.iter().filter_map(|name| cx.world.node(name).ok()).filter(|node| node.is_up()).collect();
    for node in up {
        if node.is_primary().await {
            return cx
                .marked(&node, async |_, cx| {
                    cx.hits();
                    deed(cx).await.map(|()| None)
                })
                .await;
        }
    }
    if cx.id.is_some() {
        cx.fact("mark", "none: no primary that archives there answers");
    }
    cx.strike(deed).await
}

/// The name of the file that is meant, which is there.
pub(crate) fn find_segment(
    cx: &Context<'_>,
    repo: &Repo,
    archive: &Archive,
    which: &Spanned<WhichWal>,
) -> Result<String, Box<Finding>> {
    let name = match &which.value {
        WhichWal::First => archive.first().map(str::to_owned),
        WhichWal::Last => archive.last().map(str::to_owned),
        WhichWal::Segment(name) | WhichWal::History(Some(name)) | WhichWal::Partial(Some(name)) => Some(name.clone()),
        WhichWal::History(None) => archive.last_history(),
        WhichWal::Partial(None) => archive.last_partial().map(str::to_owned),
        WhichWal::Mark(id) => {
            let mark = cx.world.mark(id.as_str())?;
            // A backup brings the WAL up to its end along; of anything else the beginning decides,
            // without which its end is no use.
            let of_backup = cx.world.outputs().backups.contains_key(id.as_str());
            let moment = if of_backup { mark.after } else { mark.before };
            let named = |size| Segment::at(moment.lsn, TimelineId(moment.timeline.0), size).to_string();
            archive.segment_size().map(named)
        }
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
