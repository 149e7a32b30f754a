//! Why a recovery ended where it did: at the end of the archive, at a gap, at damage.
//!
//! PostgreSQL takes a segment that is missing or cannot be read for the end: it promotes there, or waits, and says nothing (LAB.md).

use super::{Finding, StepResult};
use crate::host::HostError;
use crate::node::{Arrival, Node};
use crate::pg::{Lsn, Segment, TimelineId};
use crate::repo::{Archive, Repo};

/// The segments that lay in a repo before the recovery began: what is archived meanwhile need not be read.
pub(super) struct ArchiveEnd<'a> {
    repo: &'a Repo,
    archive: Archive,
}

/// What is there after a recovery's end.
enum Beyond {
    /// The segment at its end cannot be read on.
    Damage(Segment, String),
    /// There is more, from the one to the other, but not what comes next.
    Gap(Segment, Segment),
    /// No more segments.
    Nothing,
}

impl<'a> ArchiveEnd<'a> {
    /// Lists a repo's segments.
    pub(super) async fn read(node: &Node, repo: &'a Repo) -> Result<Self, HostError> {
        Ok(ArchiveEnd { repo, archive: repo.archive(node.host()?.as_ref()).await? })
    }

    /// The segment that holds what lies before `lsn`; none where the archive is empty, and nobody knows how long a segment is.
    pub(super) fn segment(&self, lsn: Lsn, timeline: TimelineId) -> Option<Segment> {
        Some(Segment::before(lsn, timeline, self.archive.segment_size()?))
    }

    /// Fails where a recovery to the end of the archive ended before it. `replayed` is the position of the last record or its end.
    pub(super) fn judge(&self, replayed: Lsn, timeline: TimelineId, arrival: &Arrival) -> StepResult {
        let (title, trouble) = match self.beyond(replayed, timeline, arrival) {
            Beyond::Nothing => return Ok(()),
            Beyond::Damage(..) => ("recovery ended at damage in the archive", None),
            Beyond::Gap(..) => ("recovery ended at a gap in the archive", arrival.wal_trouble.as_ref()),
        };
        let trouble = trouble.map(|trouble| trouble.text.clone()).unwrap_or_default();
        Err(Finding::failed(title).label(self.explain(replayed, timeline, arrival)).note("log", trouble).help(
            "what follows cannot be had from this archive: PostgreSQL takes a missing or damaged segment for the end",
        ))
    }

    /// Why a recovery went no further than `replayed`, in words.
    pub(super) fn explain(&self, replayed: Lsn, timeline: TimelineId, arrival: &Arrival) -> String {
        let name = &self.repo.name;
        let Some(end) = self.segment(replayed, timeline) else { return format!("there is no WAL in repo `{name}`") };
        match self.beyond(replayed, timeline, arrival) {
            Beyond::Damage(segment, trouble) => format!("segment {segment} in repo `{name}` is damaged: {trouble}"),
            Beyond::Gap(first, last) => {
                let goes_on = match first == last {
                    true => format!("repo `{name}` goes on with {last}"),
                    false => format!("repo `{name}` goes on from {first} to {last}"),
                };
                match end.next() {
                    next if self.archive.holds(next) => format!("it ended in {end}, and {goes_on}"),
                    next => format!("segment {next} is missing: it ended in {end}, and {goes_on}"),
                }
            }
            Beyond::Nothing => match self.archive.timeline(timeline).next_back() {
                Some(last) => format!("repo `{name}` ends with segment {last}"),
                None => format!("repo `{name}` has no WAL of timeline {timeline}"),
            },
        }
    }

    fn beyond(&self, replayed: Lsn, timeline: TimelineId, arrival: &Arrival) -> Beyond {
        let size = self.archive.segment_size();
        let Some((end, size)) = self.segment(replayed, timeline).zip(size) else { return Beyond::Nothing };
        // What it complained about and then read elsewhere, in its own pg_wal, it has got past.
        if let Some(trouble) = &arrival.wal_trouble
            && let Some((segment, at)) = trouble.place(timeline, size)
            && at >= replayed
            && self.archive.holds(segment)
        {
            return Beyond::Damage(segment, trouble.text.clone());
        }
        let mut later = self.archive.timeline(timeline).filter(|segment| *segment > end);
        match later.next() {
            Some(first) => Beyond::Gap(first, later.next_back().unwrap_or(first)),
            None => Beyond::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn archive(repo: &Repo) -> ArchiveEnd<'_> {
        let names = ["000000010000000000000002", "000000010000000000000004", "000000020000000000000009"];
        let listing: String = names.map(|name| format!("-rw------- 1 1 1 {} Nov 22 12:00 {name}\n", 16 * MB)).concat();
        ArchiveEnd { repo, archive: Archive::read(&listing) }
    }

    #[test]
    fn what_lies_beyond_the_end_is_found_on_its_timeline_alone() {
        let repo = Repo { name: "onsite".to_owned(), path: "/repo".to_owned() };
        let told = |lsn: u64, timeline, log: &str| {
            let (arrival, archive) = (Arrival::read(log), archive(&repo));
            let judged = archive.judge(Lsn(lsn), TimelineId(timeline), &arrival);
            (judged.is_ok(), archive.explain(Lsn(lsn), TimelineId(timeline), &arrival))
        };
        let (ok, why) = told(0x200_0100, 1, "");
        assert!(!ok && why.contains("segment 000000010000000000000003 is missing"), "{why}");
        assert!(why.contains("repo `onsite` goes on with 000000010000000000000004"), "{why}");
        assert_eq!(
            told(0x400_0100, 1, ""),
            (true, "repo `onsite` ends with segment 000000010000000000000004".to_owned())
        );
        let damage = "LOG:  invalid magic number DBDB in log segment 000000010000000000000004, offset 8192\n";
        let (ok, why) = told(0x400_0100, 1, damage);
        assert!(
            !ok && why.starts_with("segment 000000010000000000000004 in repo `onsite` is damaged: invalid magic"),
            "{why}"
        );
        // It has got past that one, and complains about one that was never archived.
        assert!(told(0x400_3000, 1, damage).0);
        let old = "LOG:  unexpected pageaddr 0/2000000 in log segment 000000010000000000000005, offset 0\n";
        assert!(told(0x400_3000, 1, old).0);
        assert!(told(0x900_0100, 2, "").0);
        assert_eq!(told(0x900_0100, 3, ""), (true, "repo `onsite` has no WAL of timeline 3".to_owned()));
    }
}
