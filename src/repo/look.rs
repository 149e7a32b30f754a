//! What can be seen of a backup that lies in a directory, as pg_basebackup writes it.

use std::time::Duration;

use super::backup_kind::BackupKind;
use super::begin::{Begin, Needs};
use super::error::{RepoError, Result, run};
use crate::host::{Host, Program};
use crate::node::own_tablespaces;

/// The WAL that the backup in a directory needs. Where it ends only its manifest knows.
pub async fn needs_in(host: &dyn Host, dir: &str) -> Result<Needs> {
    let program = Program::script(include_str!("scripts/backup_needs.sh"), [dir]);
    let text = run(host, "reading the backup", program).await?.text();
    let mut lines = text.lines();
    let begin = lines.next().and_then(Begin::read);
    Ok(Needs { begin, end: lines.next().and_then(|end| end.trim().parse().ok()) })
}

/// What the backup in a directory holds; a tar file is unpacked as far as its first file.
pub async fn kind_in(host: &dyn Host, dir: &str) -> Result<Option<BackupKind>> {
    let program = Program::script(include_str!("scripts/backup_kind.sh"), [dir]);
    Ok(match run(host, "reading the backup", program).await?.text().trim() {
        "full" => Some(BackupKind::Full),
        "incremental" => Some(BackupKind::Incremental),
        _ => None,
    })
}

/// The variable of scripts that names the directory in which somebody else's backups lie, with
/// their tablespaces.
pub(super) const BACKUPS: &str = "DRILLYARD_BACKUPS";

/// How many bytes the files in a directory take up on the disk, and those of its tablespaces, to
/// which a data directory has links.
pub async fn bytes_in(host: &dyn Host, dir: &str) -> Result<u64> {
    bytes_within(host, dir, "").await
}

/// The same, without tablespaces that lie elsewhere than below the directory `within`, if that is
/// not empty.
pub(super) async fn bytes_within(host: &dyn Host, dir: &str, within: &str) -> Result<u64> {
    let script = concat!(include_str!("scripts/tablespaces.sh"), include_str!("scripts/bytes_in.sh"));
    let text = run(host, "du", Program::script(script, [dir]).env(BACKUPS, within)).await?.text();
    let kilobytes = |line: &str| line.split_ascii_whitespace().next()?.parse::<u64>().ok();
    let all: Option<u64> = text.lines().map(kilobytes).sum();
    all.filter(|all| *all > 0)
        .map(|all| all * 1024)
        .ok_or_else(|| RepoError::Unknown(format!("du printed `{}`", text.trim())))
}

/// Copies a part of what lies in a directory to where a new server would be made, and removes it
/// again: how many bytes, and how long that took. `name` is a part of the copy's name.
pub async fn copy_sample(host: &dyn Host, dir: &str, name: &str) -> Result<(u64, Duration)> {
    let to = format!("{}-sample-of-{name}", host.paths().data);
    let program = Program::script(include_str!("scripts/copy_sample.sh"), [dir, &to]);
    let text = run(host, "copying a part of the backup", program).await?.text();
    let numbers = text.trim().split_once(' ').and_then(|(bytes, ms)| Some((bytes.parse().ok()?, ms.parse().ok()?)));
    let (bytes, ms) = numbers.ok_or_else(|| RepoError::Unknown(format!("the copy printed `{}`", text.trim())))?;
    Ok((bytes, Duration::from_millis(ms)))
}

/// Removes the data directory `data` of a new server and its tablespaces, and makes places for
/// those with these numbers.
pub(super) async fn empty_places(host: &dyn Host, data: &str, numbers: impl IntoIterator<Item = String>) -> Result<()> {
    let args = [data.to_owned(), own_tablespaces(data)].into_iter().chain(numbers);
    run(host, "rm", Program::script(include_str!("scripts/empty_places.sh"), args)).await.map(drop)
}

/// Looks through what somebody else's tool has restored to `data`: nothing in it may lead out of
/// it. `what` restored it.
pub(super) async fn keep_inside(host: &dyn Host, what: &'static str, data: &str) -> Result<()> {
    let args = [data.to_owned(), own_tablespaces(data)];
    run(host, what, Program::script(include_str!("scripts/keep_inside.sh"), args)).await.map(drop)
}

/// Brings the WAL that the backup in a directory needs to get to its end, if it has none.
pub(super) async fn bring_backup_wal(host: &dyn Host, dir: &str, restore_command: &str) -> Result<()> {
    let script = include_str!("scripts/bring_backup_wal.sh");
    run(host, "fetching WAL", Program::script(script, [dir, restore_command]).with_network()).await.map(drop)
}
