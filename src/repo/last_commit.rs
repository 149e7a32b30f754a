//! When the last transaction was committed that stands in archived WAL: a recovery to a later time
//! does not reach its target.

use jiff::Timestamp;

use super::error::{Result, run};
use super::storage::Storage;
use crate::host::{Host, Program};
use crate::pg::Segment;

impl dyn Storage {
    /// The last commit in these segments, the newest first; none if there is none in them.
    pub async fn last_commit(&self, host: &dyn Host, segments: &[Segment]) -> Result<Option<Timestamp>> {
        let scratch = format!("{}/commits-of-{}", host.paths().shared, self.place().name);
        let dir = self.wal_files(host, segments, &scratch).await?;
        let made = if dir == scratch { scratch } else { String::new() };
        let args = [dir, made].into_iter().chain(segments.iter().map(ToString::to_string));
        let script = include_str!("scripts/last_commit.sh");
        let output = run(host, "pg_waldump", Program::script(script, args)).await?;
        Ok(output.text().trim().parse().ok())
    }
}
