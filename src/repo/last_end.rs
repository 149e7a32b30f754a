//! When the last transaction ended that stands in archived WAL: a recovery to a later time
//! does not reach its target.

use jiff::Timestamp;

use super::error::{Result, run};
use super::storage::Storage;
use crate::host::{Host, Program};
use crate::pg::Segment;

/// Which ends of transactions are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// Commits.
    Commits,
    /// Those of transactions that were rolled back, too.
    All,
}

impl dyn Storage {
    /// When the last transaction ended in these segments, the newest first; none if none did in
    /// them.
    pub async fn last_end(&self, host: &dyn Host, segments: &[Segment], ends: Ends) -> Result<Option<Timestamp>> {
        let scratch = format!("{}/commits-of-{}", host.paths().shared, self.place().name);
        let dir = self.wal_files(host, segments, &scratch).await?;
        let made = if dir == scratch { scratch } else { String::new() };
        let meant = match ends {
            Ends::Commits => "COMMIT",
            Ends::All => "COMMIT|ABORT",
        };
        let args = [dir, made, meant.to_owned()].into_iter().chain(segments.iter().map(ToString::to_string));
        let script = include_str!("scripts/last_end.sh");
        let output = run(host, "pg_waldump", Program::script(script, args)).await?;
        Ok(output.text().trim().parse().ok())
    }
}
