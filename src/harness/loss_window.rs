//! How far a node was recovered, to judge a loss by.

use jiff::Timestamp;

use crate::harness::{By, Until};
use crate::ledger::Target;
use crate::pg::{Mark, RecoveryTarget};

/// How far a node was recovered.
#[derive(Debug, Clone)]
pub struct LossWindow {
    /// The target, in words.
    pub target: String,
    /// Where the target lies on the clock that losses are told by: what was acknowledged before the first is to be there, what
    /// was acknowledged after the second is not. None for targets whose time nobody knows.
    bounds: Option<(Timestamp, Timestamp)>,
    /// The backup that the server was made from, where that is known.
    pub backup: Option<String>,
    /// When the recovery was over: what was acknowledged after that is nothing that it gave up.
    ended: Timestamp,
}

impl LossWindow {
    /// Remembers a recovery until `target`; `mark` is the mark that `until` names, or the backup's for its end.
    pub fn new(
        until: &Until,
        by: Option<By>,
        target: &RecoveryTarget,
        mark: Option<&Mark>,
        backup: Option<String>,
    ) -> Self {
        let by_time = until.minus.is_some() || by == Some(By::Time);
        let bounds = match (target, mark) {
            // The server was given its own clock's time, and users' answers are timed by drillyard's: the two are as near as the
            // server's answer was quick. What was acknowledged in between may lie on either side.
            (RecoveryTarget::Time { .. }, Some(mark)) if by_time && until.before.is_some() => {
                let minus = until.minus.as_ref().map(|minus| minus.value.0).unwrap_or_default();
                let earlier = |at: Timestamp| at.checked_sub(minus).ok();
                earlier(mark.before.asked).zip(earlier(mark.before.seen))
            }
            (RecoveryTarget::Time { at, .. }, _) => Some((*at, *at)),
            (RecoveryTarget::Latest, _) | (_, None) => None,
            (RecoveryTarget::Lsn { .. }, Some(mark)) if until.before.is_some() => {
                Some((mark.before.asked, mark.before.seen))
            }
            (_, Some(mark)) => Some((mark.before.asked, mark.after.seen)),
        };
        LossWindow { target: target.to_string(), bounds, backup, ended: Timestamp::now() }
    }

    /// The target as it is to be judged by, on the node itself or on one that its dump was imported into; `None` where the target's
    /// time is not known.
    pub fn target(&self, imported: bool) -> Option<Target> {
        let (from, to) = self.bounds?;
        // What is written between the recovery and the import is given up by the import.
        Some(Target { from, to, until: (!imported).then_some(self.ended) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_after_the_recovery_was_not_given_up_by_it() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let recovered = LossWindow { target: String::new(), bounds: Some((at(5), at(7))), backup: None, ended: at(9) };
        let target = |imported| recovered.target(imported).expect("a target");
        assert_eq!((target(false).from, target(false).to, target(false).until), (at(5), at(7), Some(at(9))));
        assert_eq!(target(true).until, None);
        assert!(LossWindow { bounds: None, ..recovered }.target(false).is_none());
    }
}
