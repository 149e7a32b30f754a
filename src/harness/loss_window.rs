//! How far a node was recovered: what a loss is explained by.

use jiff::Timestamp;

use super::StepId;
use crate::ledger::Target;
use crate::pg::RecoveryTarget;

/// How far a node was recovered.
#[derive(Debug, Clone)]
pub struct LossWindow {
    /// The target, in words.
    pub target: String,
    /// Where the target lies on the clock that losses are measured by: what was acknowledged before
    /// the first is to be there, what was acknowledged after the second is not. None for targets
    /// whose time nobody knows.
    bounds: Option<(Timestamp, Timestamp)>,
    /// The backup that the server was made from, if that is known.
    pub backup: Option<StepId>,
    /// When the recovery was over: what was acknowledged after that is nothing that it gave up.
    ended: Timestamp,
}

impl LossWindow {
    /// Remembers a recovery that is over.
    pub fn new(target: &RecoveryTarget, bounds: Option<(Timestamp, Timestamp)>, backup: Option<StepId>) -> Self {
        LossWindow { target: target.to_string(), bounds, backup, ended: Timestamp::now() }
    }

    /// What a loss is compared with, on the node itself or on one that its dump was imported into;
    /// `None` if the target's time is not known.
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
