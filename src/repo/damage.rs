//! Damaging a file, in a repo or elsewhere on a host.

use std::collections::BTreeSet;

use super::error::{RepoError, Result};
use crate::host::{Host, Program};

/// Where a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// At this offset, or at the file's beginning if it is shorter.
    At(u64),
    /// In the middle of the WAL that is in a segment: its second page, or the first if that is all.
    Wal,
}

/// What was damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The file, as the repo names it.
    pub file: String,
    /// Where it is damaged.
    pub offset: u64,
    /// How many bytes of it are nonsense now.
    pub bytes: u64,
}

/// Damages a disk sector's worth of the file at `path`, which is called `file`.
pub async fn damage_file(host: &dyn Host, path: &str, file: &str, place: Where) -> Result<Damaged> {
    let place = match place {
        Where::At(offset) => offset.to_string(),
        Where::Wal => "wal".to_owned(),
    };
    let script = include_str!("scripts/damage_file.sh");
    let output = host.run(Program::script(script, [path.to_owned(), place])).await?;
    let text = output.text();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (output.success(), numbers.next(), numbers.next()) {
        (true, Some(offset), Some(bytes)) => Ok(Damaged { file: file.to_owned(), offset, bytes }),
        _ => Err(RepoError::Nothing(output.stderr.trim().to_owned())),
    }
}

/// Damages a file of a backup that lies in the directory `dir` as the server has it: the largest
/// table, if none is named.
pub(super) async fn damage_stored(host: &dyn Host, dir: &str, file: Option<&str>) -> Result<Damaged> {
    let file = match file {
        Some(file) => file.to_owned(),
        None => largest_table(host, dir).await?.1,
    };
    // The second half of a table's first page, where its rows are; anything else is read from its
    // beginning.
    let is_table = file.rsplit('/').next().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()));
    damage_file(host, &format!("{dir}/{file}"), &file, Where::At(if is_table { 4096 } else { 0 })).await
}

/// Damages the largest table of a backup that was restored to the directory `dir`, in pages from
/// its first to its last: replay brings those anew of which the WAL has images.
pub(super) async fn damage_table(host: &dyn Host, dir: &str) -> Result<()> {
    /// The size of a page, as servers are built.
    const PAGE: u64 = 8192;
    /// In how many places.
    const PLACES: u64 = 8;
    let (size, file) = largest_table(host, dir).await?;
    let last = (size / PAGE).saturating_sub(1);
    let pages: BTreeSet<u64> = (0..PLACES).map(|place| last * place / (PLACES - 1)).collect();
    for page in pages {
        damage_file(host, &format!("{dir}/{file}"), &file, Where::At(page * PAGE + PAGE / 2)).await?;
    }
    Ok(())
}

/// The size and the path of the largest table's file in a backup: a user's if there is one.
async fn largest_table(host: &dyn Host, dir: &str) -> Result<(u64, String)> {
    /// The first number that a user's table can have (`FirstNormalObjectId`).
    const FIRST_OF_USERS: u64 = 16384;
    let output = host
        .run(Program::script(
            r#"cd "$1" && { ls -ln base/*/[0-9]* base/*/INCREMENTAL.[0-9]* 2>/dev/null || :; }"#,
            [dir],
        ))
        .await?;
    let file = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let size: u64 = words.nth(4)?.parse().ok()?;
        let path = words.next_back()?;
        // Maps and further gigabytes have more than a number in their names.
        let name = path.rsplit('/').next()?;
        let number: u64 = name.strip_prefix("INCREMENTAL.").unwrap_or(name).parse().ok()?;
        (size > 0).then(|| (number >= FIRST_OF_USERS, size, path.to_owned()))
    };
    let text = output.text();
    let largest = text.lines().filter_map(file).max().map(|(_, size, path)| (size, path));
    largest.ok_or_else(|| {
        RepoError::Nothing(match output.success() {
            true => format!("there is no table with rows in {dir}"),
            false => output.stderr.trim().to_owned(),
        })
    })
}
