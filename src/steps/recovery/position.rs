//! Where a recovered server stands, checked against the mark that it was to come to: its cluster,
//! its timelines, its place in the WAL and the commit that it stopped at. What its log says of the
//! target is not enough: another timeline may have a transaction of the same number, and a restore
//! point of the same name.

use jiff::{SignedDuration, Timestamp};

use crate::harness::{Finding, StepResult};
use crate::journal::Cause;
use crate::node::RecoveryLog;
use crate::pg::{Birth, History, Lsn, Mark, Parting, RecoveryTarget, SystemId};
use crate::steps::recovery::archive_end::ArchiveEnd;
use crate::steps::recovery::goal::Goal;
use crate::steps::recovery::target::Target;

/// Where a recovered server stands, by its own files.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    /// Its cluster.
    pub system: SystemId,
    /// The timeline that it has followed, and those that led to it.
    pub history: History,
    /// The end of the last record that it has replayed.
    pub lsn: Lsn,
    /// Whether it has replayed exactly up to there; else at least.
    pub exact: bool,
}

/// A record's end and the next one's beginning may lie apart: between them is a page's header.
const HEADER: u64 = 64;

impl Goal {
    /// Fails if the server is of another cluster than the mark.
    pub(crate) fn check_cluster(&self, system: SystemId) -> StepResult {
        self.mark.as_ref().map_or(Ok(()), |mark| is_of_cluster(mark, system))
    }

    /// Fails if the server has other timelines than the mark, or than what is known of the target,
    /// up to `lsn`.
    pub(crate) fn check_history(
        &self,
        (system, history, lsn): (SystemId, &History, Lsn),
        archive: &ArchiveEnd<'_>,
    ) -> StepResult {
        if let Some(mark) = &self.mark {
            is_of(mark, mark.after.lsn, (system, history, lsn), archive)?;
        }
        match &self.tie {
            Some(tie) if tie.may_be_elsewhere && tie.mark.lineage.system != system => Ok(()),
            Some(tie) => is_of(&tie.mark, tie.place, (system, history, lsn.min(tie.place)), archive),
            None => Ok(()),
        }
    }

    /// The marks that lie on a timeline which a server that stands there has been through, by its
    /// number and by the place where it begins, and how that begins.
    pub(crate) fn births(&self, position: &Position) -> Vec<(&Mark, Birth)> {
        let on_way = |mark: &&Mark| {
            let own = &mark.lineage.history;
            position.system == mark.lineage.system
                && position.history.begins_like(own)
                && own.parent().is_some_and(|(_, at)| position.lsn > at)
        };
        let marks = self.mark.iter().chain(self.tie.as_ref().map(|tie| &tie.mark));
        marks.filter(on_way).filter_map(|mark| Some((mark, mark.lineage.birth?))).collect()
    }

    /// Fails if the server has not stopped at the mark's place in the WAL.
    pub(crate) fn check_place(&self, position: &Position, recovery_log: &RecoveryLog) -> StepResult {
        let Some(mark) = &self.mark else { return Ok(()) };
        let (from, to) = self.bounds(mark);
        let early = from.filter(|from| position.exact && position.lsn.0.saturating_add(HEADER) < from.0);
        let late = to.filter(|to| position.lsn.0 > to.0.saturating_add(HEADER));
        let late = late.or_else(|| self.set_back(mark, position, recovery_log));
        if let Some(place) = early.or(late) {
            let side = if early.is_some() { "an earlier" } else { "a later" };
            return Err(self.elsewhere(&mark.id, position.lsn, place, side).because(Cause::TargetNotReached));
        }
        if let (RecoveryTarget::Xid { xid, .. }, Some(at)) = (&self.setting, recovery_log.stopped_time())
            && !(mark.before.at..=mark.after.at).contains(&at)
        {
            let label = format!("that one was committed at {at}, `{}` {}", mark.id, between(mark));
            return Err(Finding::failed(format!("recovery stopped at another transaction {xid}"))
                .because(Cause::TargetNotReached)
                .label(label)
                .help("the WAL in the archive is not that of the server on which the mark was made"));
        }
        Ok(())
    }

    /// The end of a mark behind which a recovery to its time has gone on: what was committed behind
    /// it by a clock that was set back is not later than the target.
    fn set_back(&self, mark: &Mark, position: &Position, recovery_log: &RecoveryLog) -> Option<Lsn> {
        /// A commit has the time at which it was begun, and is written a little later: two that
        /// come at once may lie the other way round in the WAL.
        const AT_ONCE: SignedDuration = SignedDuration::from_secs(1);
        let (RecoveryTarget::Time { .. }, Target::After { .. }, Some(_)) = (&self.setting, &self.target, mark.xid)
        else {
            return None;
        };
        let last = recovery_log.time()?;
        let later = last.checked_add(AT_ONCE).is_ok_and(|last| last < mark.before.at);
        (later && position.lsn > mark.after.lsn).then_some(mark.after.lsn)
    }

    /// Where the last record that is replayed may end.
    fn bounds(&self, mark: &Mark) -> (Option<Lsn>, Option<Lsn>) {
        let (before, after) = (mark.before, mark.after);
        match &self.setting {
            RecoveryTarget::Xid { .. } => (Some(before.lsn), Some(after.lsn)),
            RecoveryTarget::Lsn { lsn, .. } => (Some(*lsn), Some(*lsn)),
            RecoveryTarget::Name(_) => {
                let own = mark.restore_point.as_ref().map(|point| point.lsn);
                (own, own)
            }
            // A time is reached at the first commit that is not earlier, and that may come at any
            // time: the transaction's own is one.
            RecoveryTarget::Time { .. } => match self.target {
                Target::Before { .. } => (Some(before.floor), mark.xid.map(|_| after.lsn)),
                Target::Earlier { .. } => (None, mark.xid.map(|_| after.lsn)),
                _ => (Some(after.floor), None),
            },
            RecoveryTarget::Latest | RecoveryTarget::EndOfBackup => (None, None),
        }
    }

    fn elsewhere(&self, id: &str, stopped: Lsn, place: Lsn, side: &str) -> Box<Finding> {
        match &self.setting {
            RecoveryTarget::Name(name) => Finding::failed(format!("recovery stopped at {side} restore point of that name"))
                .label(format!("it stopped at {stopped}, and the restore point `{name}` of this step is at {place}"))
                .help(format!(
                    "restore points may have the same name, and PostgreSQL stops at the first that it meets. The position is exact: \
                     `until: {{ after: {id} }}`"
                )),
            RecoveryTarget::Time { at, .. } => Finding::failed(format!("recovery stopped at {side} place than `{id}`"))
                .label(format!("it stopped at {stopped}, and `{id}` is at {place}: the target was {at}"))
                .help(
                    "recovery to a time stops at the first commit in the WAL that is later than it. Where a server's clock was set back, \
                     or two commits have the same time, that is not the one that is meant: give PostgreSQL the mark `by: lsn` or `by: xid`",
                ),
            _ => Finding::failed(format!("recovery stopped at {side} place than `{id}`"))
                .label(format!("it stopped at {stopped}, and `{id}` is at {place}"))
                .help("the WAL in the archive is not that of the server on which the mark was made"),
        }
    }
}

/// Fails if a server is of another cluster than a mark, or has other timelines up to `lsn`; `place`
/// is where the target is on those of the mark.
fn is_of(
    mark: &Mark,
    place: Lsn,
    (system, history, lsn): (SystemId, &History, Lsn),
    archive: &ArchiveEnd<'_>,
) -> StepResult {
    let repo = archive.repo();
    is_of_cluster(mark, system)?;
    let own = &mark.lineage.history;
    let Some(parting) = history.parted(own).filter(|parting| lsn > parting.at) else { return Ok(()) };
    let (id, timeline) = (&mark.id, own.at(place));
    let finding = Finding::failed(format!("recovery did not follow the timeline of `{id}`"))
        .label(format!("`{id}` is on timeline {timeline}, at {place}; {}", taken(history, own, parting)));
    let left = parting.from == Some(parting.onto.1);
    Err(finding.help(match archive.has_timeline(own.timeline) {
        _ if history.timeline == own.timeline => format!(
            "two servers that were promoted beside each other begin timelines of the same number: `{id}` cannot be reached unless \
             the WAL of its own server is in repo `{repo}`"
        ),
        true if left => format!(
            "say which timeline to follow: `timeline: {}`. PostgreSQL takes the newest one in the archive, and something that was \
             recovered from repo `{repo}` may have archived into it",
            own.timeline
        ),
        true => format!(
            "say which timeline to follow: `timeline: {}`; its history file has to be in repo `{repo}`, too",
            own.timeline
        ),
        false => format!(
            "repo `{repo}` has no WAL of timeline {}: does the server on which `{id}` was made archive there?",
            own.timeline
        ),
    }))
}

/// The failure of a recovery that took another timeline than the mark's, of the same number and
/// from the same place: `births` are the mark's and the one that was taken.
pub(crate) fn promoted_beside(mark: &Mark, births: (Birth, Birth), repo: &str) -> Box<Finding> {
    let (id, timeline) = (&mark.id, mark.lineage.history.timeline);
    let at = mark.lineage.history.parent().map(|(history, at)| format!("timeline {} at {at}", history.timeline));
    let at = at.unwrap_or_default();
    let (own, taken) = births;
    let label = format!(
        "`{id}` is on the timeline {timeline} that left {at} with a record of the checksum {own}; the recovery followed one that left \
         it at the same place with {taken}"
    );
    Finding::failed(format!("recovery did not follow the timeline of `{id}`"))
        .because(Cause::TargetNotReached)
        .label(label)
        .help(format!(
            "two servers that were promoted beside each other have begun timelines of the same number: `{id}` cannot be reached unless \
             the WAL of its own server is in repo `{repo}`"
        ))
}

/// Fails if a mark was made on another cluster.
fn is_of_cluster(mark: &Mark, system: SystemId) -> StepResult {
    if system == mark.lineage.system {
        return Ok(());
    }
    let label = format!(
        "`{}` was made on the cluster with the system identifier {}, and this is cluster {system}",
        mark.id, mark.lineage.system
    );
    Err(Finding::failed(format!("`{}` is not in the history of this server", mark.id))
        .label(label)
        .help("a backup and a mark must be of the same cluster"))
}

/// When a mark's transaction was committed, in words.
fn between(mark: &Mark) -> String {
    let (from, to): (Timestamp, Timestamp) = (mark.before.at, mark.after.at);
    if from == to { format!("at {from}") } else { format!("between {from} and {to}") }
}

/// Which timeline a recovery took in the place of another, in words.
fn taken(history: &History, own: &History, parting: Parting) -> String {
    let left = |history: &History, from| history.switches.iter().find(|switch| switch.timeline == from).map(|s| s.at);
    let (one, other) = parting.onto;
    let Some(from) = parting.from else {
        return format!("the recovery went on timeline {one}, which has nothing in common with timeline {other}");
    };
    let at = parting.at;
    if history.timeline == own.timeline
        && let (Some(theirs), Some(place)) = (left(history, from), left(own, from))
    {
        return format!(
            "the recovery followed another timeline {}, which left timeline {from} at {theirs}, and not at {place}",
            own.timeline
        );
    }
    match history.timeline {
        newest if from == other && newest == one => {
            format!("the recovery followed timeline {one}, the newest, which left timeline {from} at {at}")
        }
        newest if from == other => {
            format!(
                "the recovery followed timeline {newest}, the newest: timeline {one}, from which it comes, left timeline {from} at {at}"
            )
        }
        _ if from == one => format!("the recovery stayed on timeline {one}, which timeline {other} left at {at}"),
        _ => format!("the recovery followed timeline {one}, and not {other}: both left timeline {from} at {at}"),
    }
}
