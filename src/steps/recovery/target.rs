//! Where a recovery stops, and what happens there: what `until`, `by` and `then` of a scenario come
//! to.

use std::fmt;

use jiff::Timestamp;

use crate::harness::{Context, FactOf, Finding, Later, NodeRef, RepoId, Shift, StepId, StepRef, World};
use crate::node::Signal;
use crate::pg::{Lsn, Mark, RecoveryTarget, Xid};
use crate::source::{Duration, Time};

/// Where a recovery stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// At the end of the archived WAL.
    Latest,
    /// As soon as the backup is consistent.
    EndOfBackup,
    /// Just before a mark.
    Before {
        /// The mark.
        mark: StepRef,
        /// How PostgreSQL is given it.
        given_as: GivenAs,
    },
    /// So long before a mark, as a time.
    Earlier {
        /// The mark.
        mark: StepRef,
        /// How long before it.
        minus: Duration,
    },
    /// Just after a mark.
    After {
        /// The mark.
        mark: StepRef,
        /// How PostgreSQL is given it.
        given_as: GivenAs,
    },
    /// At this restore point.
    RestorePoint(StepRef),
    /// At this time.
    Time(Timestamp),
    /// At this position, as the scenario writes it: with the record that begins there.
    Lsn(Lsn),
    /// At a position that an earlier step has left, which is where a record has ended: without the
    /// one that begins there.
    Position(Lsn),
    /// At this transaction.
    Xid(Xid),
    /// So long ago, when the step begins.
    Ago(Duration),
    /// Anywhere between the backup's end and the archive's, by the seed of the run.
    Random,
    /// One of these, known when the step begins.
    Asked(Asked),
}

/// A target with a value that is known only when its step begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// At this time.
    Time(Later<Time>),
    /// At this position.
    Lsn(Later<Lsn>),
    /// At this transaction.
    Xid(Later<u32>),
    /// So long ago.
    Ago(Later<Duration>),
    /// So long before a mark, as a time.
    Earlier {
        /// The mark.
        mark: StepRef,
        /// How long before it.
        minus: Later<Duration>,
    },
}

impl Asked {
    /// The target as it is now.
    async fn now(&self, cx: &Context<'_>) -> Result<Target, Box<Finding>> {
        Ok(match self {
            Asked::Time(time) => Target::Time(time.now(cx, None).await?.0),
            Asked::Lsn(lsn) => Target::Position(lsn.now(cx, None).await?),
            Asked::Xid(xid) => Target::Xid(Xid(xid.now(cx, None).await?)),
            Asked::Ago(ago) => Target::Ago(ago.now(cx, None).await?),
            Asked::Earlier { mark, minus } => Target::Earlier { mark: mark.clone(), minus: minus.now(cx, None).await? },
        })
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Time(time) => time.fmt(f),
            Asked::Lsn(lsn) => write!(f, "LSN {lsn}"),
            Asked::Xid(xid) => write!(f, "transaction {xid}"),
            Asked::Ago(ago) => write!(f, "{ago} ago"),
            Asked::Earlier { mark, minus } => write!(f, "{minus} before {mark}"),
        }
    }
}

/// What PostgreSQL is given a mark as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenAs {
    /// The transaction if the mark has one, the position if not: whatever is exact.
    Exact,
    /// `recovery_target_time`
    Time,
    /// `recovery_target_xid`
    Xid,
    /// `recovery_target_lsn`
    Lsn,
    /// `recovery_target_name`
    Name,
}

impl GivenAs {
    /// What it comes to for this mark.
    fn of(self, mark: &Mark) -> Self {
        match self {
            GivenAs::Exact if mark.xid.is_some() => GivenAs::Xid,
            GivenAs::Exact => GivenAs::Lsn,
            chosen => chosen,
        }
    }
}

/// What happens when the target is reached.
#[derive(Debug, Clone)]
pub(crate) enum Then {
    /// The server becomes a primary on a new timeline.
    Promote {
        /// The mistake of archiving into a repo that others recover from.
        archive_to: Option<RepoId>,
    },
    /// It stays in recovery, and answers questions.
    Pause,
    /// It is shut down.
    Shutdown,
    /// It becomes a standby.
    Follow {
        /// Its primary.
        upstream: NodeRef,
        /// The file that makes a standby of it, or the wrong one.
        signal: Signal,
    },
}

impl Target {
    /// The mark that it is given by.
    pub(crate) fn mark(&self) -> Option<&StepRef> {
        match self {
            Target::Before { mark, .. } | Target::Earlier { mark, .. } => Some(mark),
            Target::After { mark, .. } | Target::RestorePoint(mark) => Some(mark),
            Target::Latest | Target::EndOfBackup | Target::Time(_) | Target::Xid(_) => None,
            Target::Lsn(_) | Target::Position(_) => None,
            Target::Asked(Asked::Earlier { mark, .. }) => Some(mark),
            Target::Ago(_) | Target::Random | Target::Asked(_) => None,
        }
    }

    /// The step that has found out the position or the transaction that it is, and whose fact that
    /// is. A time is one on all servers.
    pub(crate) fn found_by(&self) -> Option<(&StepId, FactOf)> {
        match self {
            Target::Asked(Asked::Lsn(lsn)) => lsn.found_by(),
            Target::Asked(Asked::Xid(xid)) => xid.found_by(),
            _ => None,
        }
    }

    /// Whether it lies before a mark.
    pub(crate) fn is_before_its_mark(&self) -> bool {
        matches!(self, Target::Before { .. } | Target::Earlier { .. } | Target::Asked(Asked::Earlier { .. }))
    }

    /// The step that is undone by stopping there.
    pub(crate) fn undoes(&self) -> Option<StepId> {
        self.mark().filter(|_| self.is_before_its_mark()).map(|mark| mark.id.clone())
    }

    /// A target before or behind this one, as near as can be had without asking a server. None if
    /// there is none: nothing is later than `latest`, and only a recovery that begins with a backup
    /// can stop at its end.
    pub(crate) fn moved(&self, shift: Shift, from_backup: bool) -> Option<Target> {
        match (shift, self) {
            (Shift::Later, Target::Before { mark, given_as }) => {
                Some(Target::After { mark: mark.clone(), given_as: *given_as })
            }
            (Shift::Later, Target::Earlier { mark, .. } | Target::Asked(Asked::Earlier { mark, .. })) => {
                Some(Target::After { mark: mark.clone(), given_as: GivenAs::Exact })
            }
            (Shift::Earlier, Target::After { mark, given_as }) => {
                Some(Target::Before { mark: mark.clone(), given_as: *given_as })
            }
            (Shift::Later, Target::Latest) | (Shift::Earlier, Target::EndOfBackup) => None,
            (Shift::Later, _) => Some(Target::Latest),
            (Shift::Earlier, _) => from_backup.then_some(Target::EndOfBackup),
        }
    }

    /// The target as it is when its step begins: with the values that are known then, and what was
    /// some time ago as a time.
    pub(crate) async fn now(&self, cx: &Context<'_>) -> Result<Target, Box<Finding>> {
        match self {
            Target::Asked(asked) => asked.now(cx).await?.as_time(),
            target => target.as_time(),
        }
    }

    fn as_time(&self) -> Result<Target, Box<Finding>> {
        let Target::Ago(ago) = self else { return Ok(self.clone()) };
        let at = Timestamp::now().checked_sub(ago.0);
        at.map(Target::Time).map_err(|e| Finding::errored(format!("the target time is out of range: {e}")))
    }

    /// The time before which a backup has to be taken that it can be reached from, if anybody
    /// knows.
    pub(crate) fn time(&self, world: &World) -> Result<Option<Timestamp>, Box<Finding>> {
        Ok(match self {
            Target::Time(at) => Some(*at),
            target => target.mark().map(|mark| world.mark(mark)).transpose()?.map(|mark| mark.before.at),
        })
    }

    /// The target as PostgreSQL takes it.
    pub(crate) fn setting(&self, world: &World) -> Result<RecoveryTarget, Box<Finding>> {
        Ok(match self {
            Target::Latest => RecoveryTarget::Latest,
            Target::EndOfBackup => RecoveryTarget::EndOfBackup,
            Target::Before { mark: step, given_as } => {
                let mark = world.mark(step)?;
                match given_as.of(&mark) {
                    GivenAs::Time => RecoveryTarget::Time { at: mark.before.at, inclusive: false },
                    GivenAs::Exact | GivenAs::Xid => {
                        RecoveryTarget::Xid { xid: transaction(&mark, step)?, inclusive: false }
                    }
                    GivenAs::Lsn => RecoveryTarget::Lsn { lsn: mark.before.lsn, inclusive: false },
                    GivenAs::Name => RecoveryTarget::Name(mark.id),
                }
            }
            Target::Earlier { mark, minus } => {
                let at = world.mark(mark)?.before.at.checked_sub(minus.0);
                let at = at.map_err(|e| Finding::errored(format!("the target time is out of range: {e}")))?;
                RecoveryTarget::Time { at, inclusive: false }
            }
            Target::After { mark: step, given_as } => {
                let mark = world.mark(step)?;
                match given_as.of(&mark) {
                    GivenAs::Time => RecoveryTarget::Time { at: mark.after.at, inclusive: true },
                    GivenAs::Exact | GivenAs::Xid => {
                        RecoveryTarget::Xid { xid: transaction(&mark, step)?, inclusive: true }
                    }
                    // The first record that begins at the mark's end is the first that is not its
                    // own.
                    GivenAs::Lsn => RecoveryTarget::Lsn { lsn: mark.after.lsn, inclusive: false },
                    GivenAs::Name => RecoveryTarget::Name(mark.id),
                }
            }
            Target::RestorePoint(mark) => RecoveryTarget::Name(mark.to_string()),
            Target::Time(at) => RecoveryTarget::Time { at: *at, inclusive: true },
            Target::Lsn(lsn) => RecoveryTarget::Lsn { lsn: *lsn, inclusive: true },
            // The first record that begins there came later.
            Target::Position(lsn) => RecoveryTarget::Lsn { lsn: *lsn, inclusive: false },
            Target::Xid(xid) => RecoveryTarget::Xid { xid: *xid, inclusive: true },
            Target::Ago(_) => return self.as_time()?.setting(world),
            Target::Asked(asked) => {
                return Err(Finding::errored(format!("{asked} is known only once its step begins")));
            }
            Target::Random => {
                return Err(Finding::errored("a point is chosen at random only once the backup is known"));
            }
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Latest => f.write_str("the end of the WAL"),
            Target::EndOfBackup => f.write_str("the end of the backup"),
            Target::Before { mark, .. } => write!(f, "just before {mark}"),
            Target::Earlier { mark, minus } => write!(f, "{minus} before {mark}"),
            Target::After { mark, .. } => write!(f, "just after {mark}"),
            Target::RestorePoint(mark) => write!(f, "restore point {mark}"),
            Target::Time(at) => at.fmt(f),
            Target::Lsn(lsn) | Target::Position(lsn) => write!(f, "LSN {lsn}"),
            Target::Xid(xid) => write!(f, "transaction {xid}"),
            Target::Ago(ago) => write!(f, "{ago} ago"),
            Target::Random => f.write_str("a point chosen at random"),
            Target::Asked(asked) => asked.fmt(f),
        }
    }
}

impl fmt::Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Then::Promote { .. } => f.write_str("promote"),
            Then::Pause => f.write_str("pause"),
            Then::Shutdown => f.write_str("shut down"),
            Then::Follow { upstream, .. } => write!(f, "follow {upstream}"),
        }
    }
}

fn transaction(mark: &Mark, step: &StepRef) -> Result<Xid, Box<Finding>> {
    mark.xid.ok_or_else(|| {
        Finding::failed(format!("mark `{step}` has no transaction id: it wrote nothing, or was no single transaction"))
            .at(step.span())
            .help("give PostgreSQL its position: `by: lsn`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> StepRef {
        StepRef::left_out(StepId::from("x"))
    }

    fn before(given_as: GivenAs) -> Target {
        Target::Before { mark: mark(), given_as }
    }

    fn after(given_as: GivenAs) -> Target {
        Target::After { mark: mark(), given_as }
    }

    #[test]
    fn targets_are_moved_to_either_side() {
        let both = |target: &Target, backup| [Shift::Earlier, Shift::Later].map(|shift| target.moved(shift, backup));
        let (end, latest) = (Some(Target::EndOfBackup), Some(Target::Latest));
        let exact = GivenAs::Exact;
        assert_eq!(both(&before(exact), true), [end.clone(), Some(after(exact))]);
        assert_eq!(both(&before(GivenAs::Lsn), false), [None, Some(after(GivenAs::Lsn))]);
        assert_eq!(both(&after(exact), true), [Some(before(exact)), latest.clone()]);
        assert_eq!(both(&after(exact), false), [Some(before(exact)), latest.clone()]);
        let earlier = Target::Earlier { mark: mark(), minus: Duration(std::time::Duration::from_secs(1)) };
        assert_eq!(both(&earlier, true), [end.clone(), Some(after(exact))]);
        let point = Target::RestorePoint(mark());
        assert_eq!(both(&point, true), [end.clone(), latest.clone()]);
        assert_eq!(both(&point, false), [None, latest.clone()]);
        assert_eq!(both(&Target::Latest, true), [end.clone(), None]);
        assert_eq!(both(&Target::Latest, false), [None, None]);
        assert_eq!(both(&Target::Random, true), [end, latest.clone()]);
        assert_eq!(both(&Target::EndOfBackup, true), [None, latest]);
    }
}
