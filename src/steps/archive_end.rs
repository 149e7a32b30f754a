//! Whether a recovery to the end of the archive came to the end of the archive.
//!
//! PostgreSQL takes a missing segment for the end: it promotes there, or waits, and says nothing (LAB.md).

use super::{Finding, StepResult};
use crate::host::Program;
use crate::node::{Arrival, Node};
use crate::repo::Repo;

/// The newest segment of each timeline that lay in a repo before the recovery began: what is archived meanwhile need not be
/// read.
pub(super) struct ArchiveEnd(Vec<String>);

impl ArchiveEnd {
    /// Lists a repo's segments.
    pub(super) async fn read(node: &Node, repo: &Repo) -> Result<Self, Box<Finding>> {
        let output = node.host()?.run(Program::script(r#"cd "$1" 2>/dev/null && ls || true"#, [repo.wal()])).await?;
        let is_segment = |name: &&str| name.len() == 24 && name.bytes().all(|b| b.is_ascii_hexdigit());
        Ok(ArchiveEnd(String::from_utf8_lossy(&output.stdout).lines().filter(is_segment).map(str::to_owned).collect()))
    }

    /// Fails where the recovery ended before a segment that was there. `end` is the segment that replay ended in.
    pub(super) fn judge(&self, repo: &Repo, end: &str, arrival: &Arrival) -> StepResult {
        match self.beyond(end) {
            None => Ok(()),
            Some((next, last)) => {
                let gap = match next == last {
                    true => format!("repo `{}` goes on with {last}", repo.name),
                    false => format!("repo `{}` goes on from {next} to {last}", repo.name),
                };
                Err(Finding::failed("recovery ended at a gap in the archive")
                    .label(format!("it ended in {end}, and {gap}"))
                    .note("log", arrival.wal_trouble.clone().unwrap_or_default())
                    .help("what follows the gap cannot be had from this archive: PostgreSQL takes a missing or damaged segment for the end"))
            }
        }
    }

    /// The first and the last segment after `end`, on its timeline.
    fn beyond(&self, end: &str) -> Option<(&str, &str)> {
        let timeline = end.get(..8)?;
        let later = || self.0.iter().map(String::as_str).filter(|name| name.starts_with(timeline) && *name > end);
        later().min().zip(later().max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beyond_the_end_is_found_on_its_timeline_alone() {
        let names = ["000000010000000000000002", "000000010000000000000004", "000000020000000000000009"];
        let end = ArchiveEnd(names.map(str::to_owned).to_vec());
        let later = "000000010000000000000004";
        assert_eq!(end.beyond("000000010000000000000002"), Some((later, later)));
        assert_eq!(end.beyond(later), None);
        assert_eq!(end.beyond(""), None);
    }
}
