//! What the incidents share that happen to a repo: which segment, whose mark, and how a file is damaged.

use crate::harness::{Context, Finding, Scope, StepResult};
use crate::host::Program;
use crate::node::Node;
use crate::pg::{Segment, TimelineId};
use crate::repo::{Archive, Repo};
use crate::source::{Name, Spanned, WhichWal};

/// Checks which segment is meant.
pub(crate) fn resolve_wal(scope: &mut Scope<'_>, which: &Spanned<WhichWal>) {
    if let WhichWal::Mark(id) = &which.value {
        scope.mark(&Spanned { value: id.clone(), span: which.span, entry: which.entry });
    }
}

/// The nodes whose marks tell when something happened to a repo: those that archive to it, or to what it is a copy of.
pub(crate) fn archivers(scope: &Scope<'_>, repo: &str) -> Vec<String> {
    let original = scope.repos.get(repo).and_then(|info| info.copy_of.as_deref()).unwrap_or(repo);
    let archives = |to: &Option<String>| to.as_deref().is_some_and(|to| to == repo || to == original);
    scope.nodes.iter().filter(|(_, info)| archives(&info.archive_to)).map(|(name, _)| name.clone()).collect()
}

/// Runs the deed of an incident that happens to a repo. With an id it is a mark by the clock of the first of `archivers` that is
/// a primary and answers; where there is none, it is no mark.
pub(crate) async fn marked_by(
    cx: &mut Context<'_>,
    archivers: &[String],
    deed: impl AsyncFnOnce(&mut Context<'_>) -> StepResult,
) -> StepResult {
    let up: Vec<_> = archivers.iter().filter_map(|name| cx.world.node(name).ok()).filter(|node| node.is_up()).collect();
    for node in up {
        if node.is_primary().await {
            return cx.marked(&node, async |_, cx| deed(cx).await.map(|()| None)).await;
        }
    }
    if cx.id.is_some() {
        cx.fact("mark", "none: no primary that archives there answers");
    }
    deed(cx).await
}

/// The name of the segment that is meant, which is there.
pub(crate) fn find_segment(
    cx: &Context<'_>,
    repo: &Repo,
    archive: &Archive,
    which: &Spanned<WhichWal>,
) -> Result<String, Box<Finding>> {
    let name = match &which.value {
        WhichWal::First => archive.first().map(str::to_owned),
        WhichWal::Last => archive.last().map(str::to_owned),
        WhichWal::Segment(name) => Some(name.clone()),
        WhichWal::Mark(id) => {
            let mark = cx.world.mark(id.as_str())?;
            // A backup brings the WAL up to its end along; of anything else the beginning decides, without which its end is no
            // use.
            let of_backup = cx.world.outputs().backups.contains_key(id.as_str());
            let moment = if of_backup { mark.after } else { mark.before };
            let named = |size| Segment::at(moment.lsn, TimelineId(moment.timeline.0), size).to_string();
            archive.segment_size().map(named)
        }
    };
    let missing = |label: String| {
        Err(Finding::failed("the incident did nothing")
            .at(which.span)
            .label(label)
            .help("a segment is there when it is full or was switched away from, and archived: `wait_archived`"))
    };
    match name {
        Some(name) if archive.has(&name) => Ok(name),
        Some(name) => missing(format!("there is no segment {name} in repo `{}`: {}", repo.name, archive.summary())),
        None => missing(format!("there is no WAL in repo `{}`", repo.name)),
    }
}

/// Where a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// At this offset, or at the file's beginning where it is shorter.
    At(u64),
    /// In the middle of the WAL that is in a segment: its second page, or the first where that is all.
    Wal,
}

/// Damages a disk sector's worth of a file on the node's host: offset and length of what is now nonsense.
pub(crate) async fn damage(node: &Node, file: &str, place: Where) -> Result<(u64, u64), Box<Finding>> {
    // The second byte is for what is already full of the first.
    const DAMAGE: &str = r#"f=$1 at=$2 len=512
[ -f "$f" ] || { echo "there is no file $f" >&2; exit 3; }
size=$(wc -c <"$f")
[ "$size" -gt 0 ] || { echo "the file $f is empty" >&2; exit 3; }
if [ "$at" = wal ]; then
  at=8192
  [ "$(dd if="$f" bs=8192 skip=1 count=1 2>/dev/null | tr -d '\0' | wc -c)" -gt 0 ] || at=0
fi
[ $((at + len)) -le "$size" ] || at=0
[ "$len" -le "$size" ] || len=$size
look() { dd if="$f" bs=1 skip="$at" count="$len" 2>/dev/null | cksum; }
before=$(look)
for byte in '\333' '\244'; do
  head -c "$len" /dev/zero | tr '\0' "$byte" | dd of="$f" bs=1 seek="$at" conv=notrunc 2>/dev/null
  [ "$(look)" = "$before" ] || { echo "$at $len"; exit 0; }
done
echo "the file $f cannot be damaged" >&2; exit 3"#;
    let place = match place {
        Where::At(offset) => offset.to_string(),
        Where::Wal => "wal".to_owned(),
    };
    let output = node.host()?.run(Program::script(DAMAGE, [file.to_owned(), place])).await?;
    let text = output.text();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (output.success(), numbers.next(), numbers.next()) {
        (true, Some(offset), Some(length)) => Ok((offset, length)),
        _ => Err(Finding::failed("the incident did nothing").label(output.stderr.trim())),
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

/// A repo whose incident it is, where it can be left out.
pub(crate) fn resolve_repo(scope: &mut Scope<'_>, repo: Option<&Spanned<Name>>) -> Option<String> {
    match repo {
        Some(repo) => scope.repo(repo).map(|_| repo.value.to_string()),
        None => scope.default_repo().map(|name| name.to_string()),
    }
}
