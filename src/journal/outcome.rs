//! How a thing came out, and the exit code that follows from it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a step, a drill or a run came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All that was to be judged was judged, and held.
    Passed,
    /// An expectation or a budget did not hold.
    Failed,
    /// It could not be judged. Never a pass.
    Errored,
    /// It was not run, for a reason that is told.
    Skipped,
}

impl Outcome {
    /// As reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Errored => "errored",
            Outcome::Skipped => "skipped",
        }
    }

    /// Whether it asks for someone's attention.
    pub fn is_bad(self) -> bool {
        matches!(self, Outcome::Failed | Outcome::Errored)
    }

    /// What several come to: errored before failed before passed. Skipped ones count for nothing.
    pub fn worst(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
        outcomes.into_iter().fold(Outcome::Passed, |worst, outcome| match (worst, outcome) {
            (Outcome::Errored, _) | (_, Outcome::Errored) => Outcome::Errored,
            (Outcome::Failed, _) | (_, Outcome::Failed) => Outcome::Failed,
            _ => Outcome::Passed,
        })
    }

    /// What was said of a whole, unless that is better than one of its parts.
    pub fn or_worse(self, parts: impl IntoIterator<Item = Outcome>) -> Outcome {
        if self.is_bad() {
            return self;
        }
        let worst = Outcome::worst(parts);
        if worst.is_bad() { worst } else { self }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the process ends with. docs/reports.md has a table of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// Everything passed.
    Passed,
    /// A drill failed: an expectation or a budget.
    Failed,
    /// Wrong usage.
    Usage,
    /// An invalid scenario.
    InvalidScenario,
    /// The lab failed: no Docker, no image, disk full, a tool missing.
    Lab,
    /// Nothing was selected.
    NothingSelected,
    /// Passed, but clean-up is not complete, or the run could not be told, remembered or attested.
    Unclean,
    /// Ended by SIGINT.
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
}

impl ExitCode {
    /// All of them.
    const ALL: [ExitCode; 9] = [
        ExitCode::Passed,
        ExitCode::Failed,
        ExitCode::Usage,
        ExitCode::InvalidScenario,
        ExitCode::Lab,
        ExitCode::NothingSelected,
        ExitCode::Unclean,
        ExitCode::Interrupted,
        ExitCode::Terminated,
    ];

    /// That of this number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.code() == number)
    }

    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            ExitCode::Passed => 0,
            ExitCode::Failed => 1,
            ExitCode::Usage => 2,
            ExitCode::InvalidScenario => 3,
            ExitCode::Lab => 4,
            ExitCode::NothingSelected => 5,
            ExitCode::Unclean => 6,
            ExitCode::Interrupted => 130,
            ExitCode::Terminated => 143,
        }
    }
}
