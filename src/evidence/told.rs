//! Times, amounts and outcomes, as the page tells them.

use jiff::Timestamp;

use crate::journal::Outcome;
use crate::report::{count, duration};

use super::statement::Goal;

/// A time as people read it.
pub(super) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A day.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// How much, of what an objective is about.
pub(super) fn amount(goal: Goal, value: u64) -> String {
    match goal {
        Goal::RtoMs => duration(value),
        Goal::RpoMs => format!("{} of work", duration(value)),
        Goal::RpoTransactions => count(value, "transaction"),
    }
}

/// How something came out.
pub(super) fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Errored => "could not be judged",
        Outcome::Skipped => "not run",
    }
}
