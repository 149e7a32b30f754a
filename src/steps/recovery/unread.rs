//! Segments that an archive lists and a standby does not read from it: it takes what cannot be
//! read for what is not there, and asks its upstream, which may have it.

use crate::harness::{Finding, StepResult};
use crate::journal::Cause;
use crate::node::{Node, RecoveryLog};
use crate::pg::{Lsn, Pattern, Segment, TimelineId};
use crate::repo::{Archive, Repo, RepoError};

/// The segments that an archive listed before a server was started, which therefore are not on
/// their way into it.
pub(crate) struct Listed<'a> {
    repo: &'a Repo,
    archive: Archive,
}

/// So many refusals in a row, a tenth of a second apart and with a call of restore_command before
/// each, are no passing trouble of the archive.
const TIMES: usize = 50;

static STREAMS: Pattern =
    Pattern::new(r"(started streaming WAL from primary at ([0-9A-F]+/[0-9A-F]+) on timeline (\d+))");

impl<'a> Listed<'a> {
    /// Lists a repo's segments.
    pub(crate) async fn read(node: &Node, repo: &'a Repo) -> Result<Self, RepoError> {
        Ok(Listed { repo, archive: repo.archive(node.host()?.as_ref()).await? })
    }

    /// The failure of a standby that gets a segment neither from its upstream, which has removed it
    /// and has said so that often, nor from the archive, which has it.
    pub(crate) fn unusable(&self, segment: &str, times: usize, log: &str) -> Option<Box<Finding>> {
        let segment = Segment::parse(segment, self.archive.segment_size()?)?;
        (times >= TIMES && self.is_there(segment)).then(|| self.unused(segment, &RecoveryLog::read(log)))
    }

    /// Fails if a standby that streams has got a segment from its upstream that the archive had:
    /// the archive cannot be used from there on, and without the upstream the rest would be lost.
    /// That it was not restored is no proof by itself: its log has to say so, or what is wrong with
    /// it.
    pub(crate) fn check_used(&self, log: &str) -> StepResult {
        let Some((segment, before)) = self.streamed_first(log) else { return Ok(()) };
        let recovery_log = RecoveryLog::read(before);
        let restored = before.contains(&format!("restored log file \"{segment}\" from archive"));
        match self.is_there(segment) && (!restored || self.is_damaged(segment, &recovery_log)) {
            true => Err(self.unused(segment, &recovery_log)),
            false => Ok(()),
        }
    }

    /// The segment that a standby has got from its upstream since the archive lacks it, which goes
    /// on behind it; none where streaming began at the archive's end.
    pub(crate) fn gap(&self, log: &str) -> Option<Segment> {
        let (segment, _) = self.streamed_first(log)?;
        let is_gap = !self.archive.holds(segment) && self.archive.goes_on_after(&segment.to_string());
        is_gap.then_some(segment)
    }

    /// The segment with which streaming began, and the log before that.
    fn streamed_first<'t>(&self, log: &'t str) -> Option<(Segment, &'t str)> {
        let first = STREAMS.captures(log)?;
        let (at, timeline): (Lsn, u32) = (first.get(2)?.as_str().parse().ok()?, first.get(3)?.as_str().parse().ok()?);
        Some((Segment::at(at, TimelineId(timeline), self.archive.segment_size()?), &log[..first.get(1)?.start()]))
    }

    /// Whether a segment was in the archive: whole, or with later ones. One that is being copied is
    /// neither.
    fn is_there(&self, segment: Segment) -> bool {
        let archive = &self.archive;
        archive.is_whole(segment) || (archive.holds(segment) && archive.goes_on_after(&segment.to_string()))
    }

    fn is_damaged(&self, segment: Segment, recovery_log: &RecoveryLog) -> bool {
        let size = segment.end().0 - segment.start().0;
        let place = recovery_log.wal_trouble.as_ref().and_then(|trouble| trouble.place(segment.timeline(), size));
        place.is_some_and(|(damaged, _)| damaged == segment)
    }

    fn unused(&self, segment: Segment, recovery_log: &RecoveryLog) -> Box<Finding> {
        let name = segment.to_string();
        let trouble = recovery_log.wal_trouble.as_ref().filter(|_| self.is_damaged(segment, recovery_log));
        let why = trouble.map(|trouble| trouble.text.as_str()).or_else(|| recovery_log.restore_said(&name));
        Finding::failed(format!("segment {segment} in repo `{}` is there and cannot be used", self.repo.name))
            .because(Cause::TargetNotReached)
            .label(why.unwrap_or("its restore_command did not bring it, and said nothing"))
            .help(
                "a standby takes a segment that it cannot read for one that is not there, and asks its primary for it: a \
                 recovery without that primary ends here. Take another copy of the segment, and a new backup",
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::{Place, default_kind};

    const RESTORED: &str = "2026 UTC [7] LOG:  restored log file \"000000010000000000000003\" from archive\n";

    #[test]
    fn streaming_begins_where_the_archive_ends_and_nowhere_before() {
        let place = Place { name: "onsite".to_owned(), path: "/repo".to_owned(), ..Place::default() };
        let repo = default_kind().at(place);
        let lines = |names: &[(&str, u64)]| -> String {
            names.iter().map(|(name, size)| format!("-rw------- 1 1 1 {size} Nov 22 12:00 {name}\n")).collect()
        };
        let whole = 16 << 20;
        let listing = lines(&[("000000010000000000000004", whole), ("000000010000000000000003", whole)]);
        let listed = Listed { repo: &repo, archive: Archive::read(&listing) };
        let streams =
            |at: &str| format!("2026 UTC [9] LOG:  started streaming WAL from primary at {at} on timeline 1\n");
        let checked = |log: &str| listed.check_used(log).map_err(|finding| (finding.title, finding.label));
        // What comes later is of no account: streaming has begun where the archive ended.
        assert_eq!(checked(&format!("{RESTORED}{}{}", streams("0/5000000"), streams("0/4000000"))), Ok(()));
        assert_eq!(checked(RESTORED), Ok(()));
        assert_eq!(checked(&format!("{RESTORED}{}", streams("0/3000000"))), Ok(()));
        let (title, label) = checked(&format!("{RESTORED}{}", streams("0/4000000"))).expect_err("it was not restored");
        assert_eq!(title, "segment 000000010000000000000004 in repo `onsite` is there and cannot be used");
        assert!(label.contains("said nothing"), "{label}");
        let tool = "ERROR: [042]: unable to get 000000010000000000000004: data error\n";
        let (_, label) =
            checked(&format!("{RESTORED}{tool}{}", streams("0/4000000"))).expect_err("it was not restored");
        assert_eq!(label, tool.trim());
        let damaged =
            "2026 UTC [7] LOG:  invalid magic number ADF5 in log segment 000000010000000000000003, offset 0\n";
        let (_, label) = checked(&format!("{RESTORED}{damaged}{}", streams("0/3000000"))).expect_err("it is damaged");
        assert!(label.starts_with("invalid magic number ADF5"), "{label}");
        assert!(listed.unusable("000000010000000000000004", TIMES, tool).is_some_and(|one| one.label == tool.trim()));
        assert!(listed.unusable("000000010000000000000004", TIMES - 1, tool).is_none());
        assert!(listed.unusable("000000010000000000000005", TIMES, tool).is_none());
        let listing = lines(&[("000000010000000000000005", whole), ("000000010000000000000003", whole)]);
        let lacking = Listed { repo: &repo, archive: Archive::read(&listing) };
        let gap = |at: &str| lacking.gap(&format!("{RESTORED}{}", streams(at))).map(|segment| segment.to_string());
        assert_eq!(gap("0/4000000").as_deref(), Some("000000010000000000000004"));
        assert_eq!([gap("0/5000000"), gap("0/6000000")], [None, None]);
        // The newest one may still be on its way.
        let listing = lines(&[("000000010000000000000004", 4096), ("000000010000000000000003", whole)]);
        let growing = Listed { repo: &repo, archive: Archive::read(&listing) };
        assert!(growing.check_used(&format!("{RESTORED}{}", streams("0/4000000"))).is_ok());
    }
}
