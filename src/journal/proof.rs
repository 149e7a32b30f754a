//! How a drill that was broken on purpose came out.

use serde::{Deserialize, Serialize};

use super::Outcome;

/// A way of breaking a drill, as told before it is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakHead {
    /// `left-out recover:rescue`.
    pub name: String,
    /// The index of the step that is broken, or whose work is damaged.
    pub step: Option<usize>,
    /// What to add to the drill if it does not notice.
    pub remedy: String,
}

/// What came of a break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakVerdict {
    /// The drill noticed.
    Noticed(Sign),
    /// Everything passed all the same.
    Missed {
        /// The checks that ran after the break, each with its place.
        passed: Vec<String>,
    },
    /// The scenario says that it makes no difference.
    Ignored {
        /// Why.
        because: String,
    },
    /// Whether the drill notices is not known: the lab failed, or something that has nothing to do
    /// with the break.
    Errored {
        /// What went wrong.
        why: String,
    },
}

/// By what a break was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// The step's name, or the budget's.
    pub by: String,
    /// `dropped-table.yaml:58`; empty if it is no place in the file.
    pub place: String,
    /// What it said, in a line.
    pub said: String,
}

impl BreakVerdict {
    /// As reports write it.
    pub fn as_str(&self) -> &'static str {
        match self {
            BreakVerdict::Noticed(_) => "noticed",
            BreakVerdict::Missed { .. } => "missed",
            BreakVerdict::Ignored { .. } => "ignored",
            BreakVerdict::Errored { .. } => "errored",
        }
    }

    /// What it means for the proof.
    pub fn outcome(&self) -> Outcome {
        match self {
            BreakVerdict::Noticed(_) => Outcome::Passed,
            BreakVerdict::Missed { .. } => Outcome::Failed,
            BreakVerdict::Ignored { .. } => Outcome::Skipped,
            BreakVerdict::Errored { .. } => Outcome::Errored,
        }
    }
}
