//! Damaging a file, in a repo or elsewhere on a host.

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
