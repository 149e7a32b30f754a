//! What a recovery is to come to, once it begins: its target as PostgreSQL is given it, and the
//! mark that it comes from.

use jiff::Timestamp;

use crate::harness::{Context, Finding, LossWindow, StepId, StepRef};
use crate::pg::{Lsn, Mark, RecoveryTarget};
use crate::steps::recovery::target::Target;

/// What a recovery is to come to.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    /// The target as the scenario has it.
    pub target: Target,
    /// The target as PostgreSQL has it.
    pub setting: RecoveryTarget,
    /// The mark that it is given by; the backup's own if the target is its end.
    pub mark: Option<Mark>,
}

impl Goal {
    /// That of a recovery, which may begin with a backup.
    pub(crate) fn of(target: &Target, cx: &Context<'_>, backup: Option<&StepRef>) -> Result<Self, Box<Finding>> {
        let setting = target.setting(cx.world)?;
        let named = match target {
            Target::EndOfBackup => backup,
            target => target.mark(),
        };
        let mark = named.and_then(|named| cx.world.outputs().marks.get(&named.id).cloned());
        Ok(Goal { target: target.clone(), setting, mark })
    }

    /// What a loss is explained by once the recovery is over. `backup` is what the server was made
    /// from.
    pub(crate) fn loss_window(&self, backup: Option<StepId>) -> LossWindow {
        LossWindow::new(&self.setting, self.on_the_clock(), backup)
    }

    /// Where the target lies on the clock that losses are measured by: what was acknowledged before
    /// the first is to be there, what was acknowledged after the second is not.
    fn on_the_clock(&self) -> Option<(Timestamp, Timestamp)> {
        match (&self.target, &self.setting) {
            (Target::Latest, _) => return None,
            // The server was given its own clock's time, and users' answers are timed by
            // drillyard's: the two are as near as the server's answer was quick. What was
            // acknowledged in between may lie on either side.
            (Target::Before { .. } | Target::Earlier { .. }, RecoveryTarget::Time { .. }) => {}
            (_, RecoveryTarget::Time { at, .. }) => return Some((*at, *at)),
            _ => {}
        }
        let Mark { before, after, .. } = self.mark.as_ref()?;
        match (&self.target, &self.setting) {
            (Target::Earlier { minus, .. }, _) => {
                let earlier = |at: Timestamp| at.checked_sub(minus.0).ok();
                earlier(before.asked).zip(earlier(before.seen))
            }
            (Target::Before { .. }, RecoveryTarget::Time { .. } | RecoveryTarget::Lsn { .. }) => {
                Some((before.asked, before.seen))
            }
            _ => Some((before.asked, after.seen)),
        }
    }

    /// The last place in the WAL at which the target can be met, and what is there; none if nobody
    /// knows.
    pub(crate) fn last_place(&self) -> Option<(Lsn, String)> {
        if let Target::Lsn(lsn) | Target::Position(lsn) = self.target {
            return Some((lsn, "the target".to_owned()));
        }
        let mark = self.mark.as_ref()?;
        let place = match (&mark.restore_point, self.target.is_before_its_mark()) {
            (Some(point), false) => point.lsn,
            (_, true) if mark.xid.is_none() => mark.before.lsn,
            _ => mark.after.lsn,
        };
        Some((place, format!("`{}`", mark.id)))
    }

    /// Whether a server that has replayed up to there can meet the target no more: of a transaction
    /// that the target lies before, the commit is over where its step was.
    pub(crate) fn is_passed(&self, replayed: Lsn) -> bool {
        let before_commit =
            self.target.is_before_its_mark() && self.mark.as_ref().is_some_and(|mark| mark.xid.is_some());
        self.last_place().is_some_and(|(last, _)| replayed > last || (before_commit && replayed == last))
    }

    /// Where the target lies in the WAL, if a mark or the scenario knows it.
    pub(crate) fn lsn(&self) -> Option<Lsn> {
        match &self.target {
            Target::Lsn(lsn) | Target::Position(lsn) => Some(*lsn),
            Target::Earlier { .. } => None,
            _ => self.mark.as_ref().map(|mark| mark.after.lsn),
        }
    }
}
