//! How far a node was recovered, to judge a loss by.

use jiff::Timestamp;

use super::{By, Until};
use crate::pg::{Mark, RecoveryTarget};

/// How far a node was recovered.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// The target, in words.
    pub target: String,
    /// Where the target lies on the clock that losses are told by: what was acknowledged before the first is to be there, what
    /// was acknowledged after the second is not. None for targets whose time nobody knows.
    bounds: Option<(Timestamp, Timestamp)>,
}

/// Where a transaction lies, seen from a recovery target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It should be there.
    Before,
    /// Nobody can say.
    At,
    /// It was given up by choice.
    After,
}

impl Recovered {
    /// Remembers a recovery until `target`; `mark` is the mark that `until` names, or the backup's for its end.
    pub fn new(until: &Until, by: Option<By>, target: &RecoveryTarget, mark: Option<&Mark>) -> Self {
        let by_time = until.minus.is_some() || by == Some(By::Time);
        let bounds = match (target, mark) {
            // The users' answers are timed by this machine's clock, and so is the guess that people make from it.
            (RecoveryTarget::Time { .. }, Some(mark)) if by_time && until.before.is_some() => {
                let at = until.minus.as_ref().map_or(Ok(mark.before.seen), |m| mark.before.seen.checked_sub(m.value.0));
                at.ok().map(|at| (at, at))
            }
            (RecoveryTarget::Time { at, .. }, _) => Some((*at, *at)),
            (RecoveryTarget::Latest, _) | (_, None) => None,
            (RecoveryTarget::Lsn { .. }, Some(mark)) if until.before.is_some() => {
                Some((mark.before.at, mark.before.seen))
            }
            (_, Some(mark)) => Some((mark.before.at, mark.after.seen)),
        };
        Recovered { target: target.to_string(), bounds }
    }

    /// Where a transaction lies that was acknowledged then; `None` where the target's time is not known.
    pub fn place(&self, acknowledged: Timestamp) -> Option<Place> {
        let (from, to) = self.bounds?;
        Some(match () {
            () if acknowledged < from => Place::Before,
            () if acknowledged > to => Place::After,
            () => Place::At,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_the_target_was_given_up() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let recovered = Recovered { target: String::new(), bounds: Some((at(5), at(7))) };
        assert_eq!(recovered.place(at(4)), Some(Place::Before));
        assert_eq!(recovered.place(at(6)), Some(Place::At));
        assert_eq!(recovered.place(at(8)), Some(Place::After));
        assert_eq!(Recovered { target: String::new(), bounds: None }.place(at(8)), None);
    }
}
