//! How timelines begin, by files of WAL.

use super::server::Node;
use crate::host::{Host, HostError, Program};
use crate::pg::{Birth, History};

/// Prints a part of a file.
const PART: &str = include_str!("scripts/part_of_file.sh");

/// How the timeline of a history begins, by the segments in a directory of a host; `size` is that
/// of a segment. None if they do not say.
pub async fn birth_in(host: &dyn Host, dir: &str, history: &History, size: u64) -> Result<Option<Birth>, HostError> {
    let Some((segment, offset)) = Birth::place(history, size) else { return Ok(None) };
    let args = [format!("{dir}/{segment}"), offset.to_string(), Birth::BYTES.to_string()];
    let output = host.run(Program::script(PART, args)).await?;
    let text = output.text();
    let bytes = text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<Vec<u8>, _>>();
    Ok(bytes.ok().filter(|_| output.success()).and_then(|bytes| Birth::read(&bytes, offset)))
}

impl Node {
    /// How the timeline of a history begins in the server's pg_wal, whether it runs or not; none if
    /// the segment is not there any more.
    pub async fn birth(&self, history: &History, size: u64) -> Result<Option<Birth>, HostError> {
        let host = self.host()?;
        birth_in(host.as_ref(), &format!("{}/pg_wal", host.paths().data), history, size).await
    }
}
