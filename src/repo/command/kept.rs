//! What lies in the directory of a drill's own repo of commands, as far as names tell: what its
//! commands keep there they alone know.

use crate::host::{Host, Program};
use crate::repo::damage::{Damaged, Where, damage_file, damage_stored};
use crate::repo::error::{RepoError, Result, run};
use crate::repo::listed::Label;

/// The paths of a backup in the directory `repo`: what is called as it is, whatever comes behind a
/// dot.
pub(super) async fn of_backup(host: &dyn Host, repo: &str, backup: &Label) -> Result<Vec<String>> {
    let script = r#"find "$1" -mindepth 1 \( -name "$2" -o -name "$2.*" \) -prune"#;
    let text = run(host, "find", Program::script(script, [repo, backup.as_str()])).await?.text();
    let paths: Vec<String> = text.lines().map(str::to_owned).collect();
    match paths.is_empty() {
        true => Err(RepoError::Nothing(format!(
            "nothing in $DRILLYARD_REPO is called `{backup}`, or so with a suffix: what is of this backup its commands alone know"
        ))),
        false => Ok(paths),
    }
}

/// How many bytes these paths take up.
pub(super) async fn bytes_of(host: &dyn Host, paths: Vec<String>) -> Result<u64> {
    let script = r#"du -scb "$@" | tail -n 1"#;
    let text = run(host, "du", Program::script(script, paths)).await?.text();
    let bytes = text.split_ascii_whitespace().next().and_then(|bytes| bytes.parse().ok());
    bytes.ok_or_else(|| RepoError::Unknown(format!("du printed `{}`", text.trim())))
}

/// Damages a backup in the directory `repo`: its largest table if it lies there as a data
/// directory, else its largest file in the middle; or `file` in it.
pub(super) async fn damage_backup(host: &dyn Host, repo: &str, backup: &Label, file: Option<&str>) -> Result<Damaged> {
    let paths = of_backup(host, repo, backup).await?;
    let first = r#"for one; do if [ -f "$one/PG_VERSION" ]; then printf %s "$one"; break; fi; done"#;
    let data = run(host, "ls", Program::script(first, paths.clone())).await?.text();
    if !data.is_empty() {
        return damage_stored(host, &data, file).await;
    }
    let under = |path: &String| file.map_or_else(|| path.clone(), |file| format!("{path}/{file}"));
    let (size, path) = largest(host, paths.iter().map(under).collect()).await?.ok_or_else(|| {
        RepoError::Nothing(format!(
            "there is no file {} of backup {backup} in $DRILLYARD_REPO",
            file.unwrap_or("at all")
        ))
    })?;
    damage_file(host, &path, below(repo, &path), Where::At(size / 2)).await
}

/// Damages the largest of the files of a segment in the directory `repo`.
pub(super) async fn damage_wal(host: &dyn Host, repo: &str, segment: &str) -> Result<Damaged> {
    let script = r#"find "$1" -type f -name "*$2*""#;
    let text = run(host, "find", Program::script(script, [repo, segment])).await?.text();
    let (_, path) = largest(host, text.lines().map(str::to_owned).collect()).await?.ok_or_else(|| no_wal(segment))?;
    damage_file(host, &path, below(repo, &path), Where::Wal).await
}

/// Removes the files of a segment from the repo in the directory `place`, and the note that it is
/// there.
pub(super) async fn lose_wal(host: &dyn Host, place: &str, segment: &str) -> Result<()> {
    let script = include_str!("../scripts/command_lose_wal.sh");
    match run(host, "the loss", Program::script(script, [place, segment])).await?.text().is_empty() {
        true => Err(no_wal(segment)),
        false => Ok(()),
    }
}

fn no_wal(segment: &str) -> RepoError {
    RepoError::Nothing(format!(
        "no file in $DRILLYARD_REPO has {segment} in its name: where its commands keep it they alone know"
    ))
}

/// The largest of the files that these paths are or hold, and its size.
async fn largest(host: &dyn Host, paths: Vec<String>) -> Result<Option<(u64, String)>> {
    let script = r#"for one; do [ ! -e "$one" ] || find "$one" -type f -printf '%s %p\n'; done | sort -n | tail -n 1"#;
    let text = run(host, "find", Program::script(script, paths)).await?.text();
    let found = text.trim_end().split_once(' ');
    Ok(found.and_then(|(size, path)| Some((size.parse().ok()?, path.to_owned()))))
}

/// A path as seen from the directory `repo`.
fn below<'a>(repo: &str, path: &'a str) -> &'a str {
    path.strip_prefix(repo).map_or(path, |path| path.trim_start_matches('/'))
}
