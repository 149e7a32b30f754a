//! What a recovery is to come to, once it begins: its target as PostgreSQL is given it, and the
//! mark that it comes from.

use jiff::Timestamp;

use crate::harness::{Context, FactOf, Finding, LossWindow, StepId, StepRef};
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
    /// What is known of it beside that, if another step has found it out.
    pub tie: Option<Tie>,
}

/// What is known of a target that a step has found out: in whose WAL it lies.
#[derive(Debug, Clone)]
pub(crate) struct Tie {
    /// The step's mark.
    pub mark: Mark,
    /// Up to where a server that has come to the target has what led to the mark.
    pub place: Lsn,
    /// Whether it may be of another cluster.
    pub may_be_elsewhere: bool,
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
        Ok(Goal { target: target.clone(), setting, mark, tie: None })
    }

    /// The same, with what is known of the step that has found out the target's value. `written` is
    /// the target as the scenario has it.
    pub(crate) fn found_by(self, written: &Target, cx: &Context<'_>) -> Self {
        let Some((step, of)) = written.found_by() else { return self };
        let Some(mark) = cx.world.outputs().marks.get(step).cloned() else { return self };
        if of == FactOf::Mark {
            return Goal { mark: Some(mark), ..self };
        }
        let place = match &self.setting {
            RecoveryTarget::Lsn { lsn, .. } => *lsn,
            // What a recovery tells of the transaction at which it stopped came before its own
            // timeline.
            _ if of == FactOf::Step => mark.lineage.history.parent().map_or(mark.before.lsn, |(_, at)| at),
            _ => mark.after.lsn,
        };
        Goal { tie: Some(Tie { mark, place, may_be_elsewhere: of == FactOf::Scenario }), ..self }
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

    /// The first place in the WAL that is not before the target, or that led to it; none if nobody
    /// knows.
    pub(crate) fn first_place(&self) -> Option<Lsn> {
        let of_mark = self.mark.as_ref().map(|mark| mark.before.lsn);
        of_mark.or_else(|| self.tie.as_ref().map(|tie| tie.place))
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
