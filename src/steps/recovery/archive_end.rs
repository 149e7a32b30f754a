//! Why a recovery ended where it did: at the end of the archive, at a gap, at damage.
//!
//! PostgreSQL takes a segment that is missing or cannot be read for the end: it promotes there, or
//! waits, and says nothing.

use crate::harness::{Finding, StepResult};
use crate::journal::Cause;
use crate::node::{Node, RecoveryLog};
use crate::pg::{History, Lsn, Segment, TimelineId};
use crate::repo::{Archive, Repo, RepoError};

/// The segments that lay in a repo before the recovery began: what is archived meanwhile need not
/// be read.
pub(crate) struct ArchiveEnd<'a> {
    repo: &'a Repo,
    archive: Archive,
}

/// What is there after a recovery's end.
enum Beyond {
    /// The segment at its end cannot be read on.
    Damage(Segment, String),
    /// The segment that comes next is there, and was not used: what can be said of it.
    Unused(Segment, String),
    /// There is more, from the one to the other, but not what comes next.
    Gap(Segment, Segment),
    /// No more segments.
    Nothing,
}

impl<'a> ArchiveEnd<'a> {
    /// Lists a repo's segments.
    pub(crate) async fn read(node: &Node, repo: &'a Repo) -> Result<Self, RepoError> {
        let archive = repo.archive(node.host()?.as_ref()).await?;
        let archive = match node.control_file().await? {
            Some(control) => archive.of_segments(control.segment_size),
            None => archive,
        };
        Ok(ArchiveEnd { repo, archive })
    }

    /// The history files that are there and say nothing, in words.
    pub(crate) fn void_histories(&self) -> Option<String> {
        let void = self.archive.void_histories();
        (!void.is_empty()).then(|| {
            let (files, repo) = (void.join(", "), &self.repo.name);
            format!(
                "{files} in repo `{repo}` has no line that says which timeline it comes from: nothing can follow it"
            )
        })
    }

    /// The segment that holds what lies before `lsn`; none where the archive is empty, and nobody
    /// knows how long a segment is.
    pub(crate) fn segment(&self, lsn: Lsn, history: &History) -> Option<Segment> {
        Some(Segment::before(lsn, history.at(lsn), self.archive.segment_size()?))
    }

    /// Where its newest segment ends.
    pub(crate) fn end(&self) -> Option<Lsn> {
        self.archive.newest().map(|segment| segment.end())
    }

    /// The repo's name.
    pub(crate) fn repo(&self) -> &str {
        &self.repo.name
    }

    /// Whether there is WAL of a timeline.
    pub(crate) fn has_timeline(&self, timeline: TimelineId) -> bool {
        self.archive.timeline(timeline).next().is_some()
    }

    /// The segments that lie on the way to a timeline, in their order.
    fn on_way(&self, history: &History) -> Vec<Segment> {
        let mut begin = Lsn(0);
        let mut found = Vec::new();
        for (timeline, end) in history.stretches() {
            let own = self.archive.timeline(timeline);
            found.extend(own.filter(|one| one.end() > begin && end.is_none_or(|end| one.start() < end)));
            begin = end.unwrap_or(begin);
        }
        found.sort_by_key(|one| one.start());
        found
    }

    /// Fails where a recovery to the end of the archive ended before it. `replayed` is the position
    /// of the last record or its end, `history` that of the timeline which was followed.
    pub(crate) fn check(&self, replayed: Lsn, history: &History, recovery_log: &RecoveryLog) -> StepResult {
        let (title, trouble) = match self.beyond(replayed, history, recovery_log) {
            Beyond::Nothing => return Ok(()),
            Beyond::Damage(..) | Beyond::Unused(..) => ("recovery ended at damage in the archive", None),
            Beyond::Gap(..) => ("recovery ended at a gap in the archive", recovery_log.wal_trouble.as_ref()),
        };
        let trouble = trouble.map(|trouble| trouble.text.clone()).unwrap_or_default();
        Err(Finding::failed(title)
            .because(Cause::TargetNotReached)
            .label(self.explain(replayed, history, recovery_log))
            .note("log", trouble)
            .help("what follows is not in this archive: PostgreSQL takes a missing or damaged segment for the end"))
    }

    /// Fails where the archive does not list the segment in which a recovery to its end ended.
    /// Commands of the scenario's own may keep WAL elsewhere or packed: of what comes next the list
    /// says nothing either, and a gap looks like the end.
    pub(crate) fn check_listed(&self, replayed: Lsn, history: &History) -> StepResult {
        let end = self.segment(replayed, history);
        if end.is_some_and(|end| self.archive.holds(end)) {
            return Ok(());
        }
        let (repo, at) = (&self.repo.name, end.map_or_else(|| replayed.to_string(), |end| format!("segment {end}")));
        Err(Finding::errored("nobody knows whether the recovery came to the end of the archive")
            .label(format!("it ended in {at}, which repo `{repo}` does not list: {}", self.archive.summary()))
            .note("so", "where a command of your own keeps WAL elsewhere or packed, a gap looks like the end")
            .help(
                "take a target that can be missed: `{ after: MARK }`, a time or an LSN; or `then: { follow: NODE }`; or \
                 keep each file under its own name in `$DRILLYARD_WAL`",
            ))
    }

    /// Fails where the newest WAL in the archive is on a timeline that a recovery to its end did
    /// not take.
    pub(crate) fn check_newest(&self, replayed: Lsn, history: &History) -> StepResult {
        let Some(newest) = self.archive.newest() else { return Ok(()) };
        if self.on_way(history).contains(&newest) {
            return Ok(());
        }
        let (repo, timeline) = (&self.repo.name, newest.timeline());
        let theirs = self.archive.history(timeline);
        let taken = history.timeline;
        let (parted, help) = match theirs.parted(history) {
            _ if !self.archive.has_history(timeline) => (
                format!("repo `{repo}` does not hold {}", History::file(timeline)),
                "without its history file nothing can follow a timeline: archive it".to_owned(),
            ),
            Some(parting) if parting.from.is_some() => (
                format!("they diverge at {} on timeline {}", parting.at, parting.from.unwrap_or(taken)),
                format!(
                    "say which one is meant: `timeline: {timeline}` or `timeline: {taken}`. PostgreSQL takes the timeline with the \
                     highest number, whichever has the newest WAL"
                ),
            ),
            _ => ("they have nothing in common".to_owned(), "is it the WAL of another server?".to_owned()),
        };
        Err(Finding::failed("recovery did not take the newest WAL in the archive")
            .because(Cause::TargetNotReached)
            .label(format!(
                "the newest segment in repo `{repo}` is {newest}, on timeline {timeline}; the recovery followed timeline {taken}, to \
                 {replayed}: {parted}"
            ))
            .help(help))
    }

    /// Why a recovery went no further than `replayed`, in words.
    pub(crate) fn explain(&self, replayed: Lsn, history: &History, recovery_log: &RecoveryLog) -> String {
        let name = &self.repo.name;
        let Some(end) = self.segment(replayed, history) else { return format!("there is no WAL in repo `{name}`") };
        match self.beyond(replayed, history, recovery_log) {
            Beyond::Damage(segment, trouble) => format!("segment {segment} in repo `{name}` is damaged: {trouble}"),
            Beyond::Unused(segment, why) => {
                format!("it ended in {end}; segment {segment} is in repo `{name}`, and was not used: {why}")
            }
            Beyond::Gap(first, last) => {
                let goes_on = match first == last {
                    true => format!("repo `{name}` goes on with {last}"),
                    false => format!("repo `{name}` goes on from {first} to {last}"),
                };
                match end.next() {
                    next if first.start() == next.start() => format!("it ended in {end}, and {goes_on}"),
                    next => format!("segment {next} is missing: it ended in {end}, and {goes_on}"),
                }
            }
            Beyond::Nothing => match self.on_way(history).last() {
                Some(last) => format!("repo `{name}` ends with segment {last}"),
                None => format!("repo `{name}` has no WAL of timeline {}", history.at(replayed)),
            },
        }
    }

    fn beyond(&self, replayed: Lsn, history: &History, recovery_log: &RecoveryLog) -> Beyond {
        let size = self.archive.segment_size();
        let Some((end, size)) = self.segment(replayed, history).zip(size) else { return Beyond::Nothing };
        // What it complained about and then read elsewhere, in its own pg_wal, it has got past.
        if let Some(trouble) = &recovery_log.wal_trouble
            && let Some((segment, at)) = trouble.place(end.timeline(), size)
            && at >= replayed
            && self.archive.holds(segment)
        {
            return Beyond::Damage(segment, trouble.text.clone());
        }
        let mut later = self.on_way(history).into_iter().filter(|segment| segment.start() > end.start());
        match later.next() {
            Some(next) if next.start() == end.end() => match self.unused(next, size, recovery_log) {
                Some(why) => Beyond::Unused(next, why),
                None => Beyond::Gap(next, later.next_back().unwrap_or(next)),
            },
            Some(first) => Beyond::Gap(first, later.next_back().unwrap_or(first)),
            None => Beyond::Nothing,
        }
    }

    /// Why a segment that is there was of no use, if that can be said.
    fn unused(&self, segment: Segment, size: u64, recovery_log: &RecoveryLog) -> Option<String> {
        match self.archive.size_of(segment) {
            Some(0) => return Some("it is empty".to_owned()),
            Some(found) if found < size => {
                return Some(format!("it has {found} bytes, and not {size}: it was cut short"));
            }
            _ => {}
        }
        let said = recovery_log.restore_said(&segment.to_string()).map(|said| format!("restore_command said: {said}"));
        said.or_else(|| recovery_log.wal_trouble.as_ref().map(|trouble| trouble.text.clone()))
    }

    /// The segment that is there, and that restore_command complained of last: which one, and how.
    pub(crate) fn complaint(&self, recovery_log: &RecoveryLog) -> Option<(&str, String)> {
        let said = recovery_log.all_that_restore_said().iter().rev();
        said.filter_map(|said| Some((self.archive.listed_in(said)?, said.clone()))).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::{Place, default_kind};

    const MB: u64 = 1 << 20;

    fn archive(repo: &Repo) -> ArchiveEnd<'_> {
        let names = ["000000010000000000000002", "000000010000000000000004", "000000020000000000000009"];
        let listing: String = names.map(|name| format!("-rw------- 1 1 1 {} Nov 22 12:00 {name}\n", 16 * MB)).concat();
        ArchiveEnd { repo, archive: Archive::read(&listing) }
    }

    #[test]
    fn what_lies_beyond_the_end_is_found_on_its_timeline_alone() {
        let place = Place { name: "onsite".to_owned(), path: "/repo".to_owned(), ..Place::default() };
        let repo = default_kind().at(place);
        let told = |lsn: u64, timeline, log: &str| {
            let (recovery_log, archive) = (RecoveryLog::read(log), archive(&repo));
            let history = History::first(TimelineId(timeline));
            let checked = archive.check(Lsn(lsn), &history, &recovery_log);
            (checked.is_ok(), archive.explain(Lsn(lsn), &history, &recovery_log))
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
        // The tool that was to bring the next one could not, and has said why.
        let (ok, why) = told(0x200_0100, 1, "ERROR: [042]: unable to get 000000010000000000000004: data error\n");
        assert!(!ok && why.contains("segment 000000010000000000000003 is missing"), "{why}");
        let listing = format!(
            "-rw------- 1 1 1 {0} Nov 22 12:00 {1}4\n-rw------- 1 1 1 {0} Nov 22 12:00 {1}3\n",
            16 * MB,
            "00000001000000000000000"
        );
        let both = ArchiveEnd { repo: &repo, archive: Archive::read(&listing) };
        let said = RecoveryLog::read("ERROR: [042]: unable to get 000000010000000000000004: data error\n");
        let why = both.explain(Lsn(0x300_0100), &History::first(TimelineId(1)), &said);
        assert!(
            why.contains(
                "000000010000000000000004 is in repo `onsite`, and was not used: restore_command said: ERROR: [042]"
            ),
            "{why}"
        );
        assert_eq!(both.complaint(&said).map(|(segment, _)| segment), Some("000000010000000000000004"));
        // The end, and what comes after it, may be there under another name.
        let listed = |lsn| archive(&repo).check_listed(Lsn(lsn), &History::first(TimelineId(1)));
        assert!(listed(0x400_0100).is_ok());
        let unlisted = listed(0x500_0100).expect_err("it is not listed");
        assert_eq!(unlisted.outcome, crate::journal::Outcome::Errored);
        assert!(unlisted.label.contains("it ended in segment 000000010000000000000005, which"), "{}", unlisted.label);
        let packed = ArchiveEnd { repo: &repo, archive: Archive::read("total 0\n") };
        let unlisted = packed.check_listed(Lsn(0x400_0100), &History::first(TimelineId(1)));
        assert!(unlisted.is_err_and(|finding| finding.label.contains("it has no WAL")));
        assert_eq!(told(0x900_0100, 3, ""), (true, "repo `onsite` has no WAL of timeline 3".to_owned()));
    }
}
