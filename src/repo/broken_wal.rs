//! Files of WAL that are as broken archives leave them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::damage::Damaged;
use super::error::{RepoError, Result};
use crate::host::{Host, Program};

/// What becomes of a file of WAL as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BrokenWal {
    /// Its second half is gone.
    Short,
    /// It has no bytes.
    Empty,
    /// A segment of that name, written by another cluster.
    Foreign,
    /// As many bytes, at random.
    Garbage,
}

impl BrokenWal {
    /// As scenarios write it.
    pub fn word(self) -> &'static str {
        match self {
            BrokenWal::Short => "short",
            BrokenWal::Empty => "empty",
            BrokenWal::Foreign => "foreign",
            BrokenWal::Garbage => "garbage",
        }
    }
}

/// Breaks the file at `path`, which is called `file`.
pub(super) async fn break_file(host: &dyn Host, path: &str, file: &str, how: BrokenWal) -> Result<Damaged> {
    let script = include_str!("scripts/break_wal.sh");
    let output = host.run(Program::script(script, [path, how.word()])).await?;
    let text = output.text();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (output.success(), numbers.next(), numbers.next()) {
        (true, Some(offset), Some(bytes)) => Ok(Damaged { file: file.to_owned(), offset, bytes }),
        _ => Err(RepoError::Nothing(output.stderr.trim().to_owned())),
    }
}
