//! What the steps of a drill came to.

use std::time::Duration;

use crate::journal::Outcome;

/// When a step began and ended, since the drill's start, and whether it passed.
#[derive(Debug, Clone, Copy)]
pub struct StepTime {
    /// When it began.
    pub began: Duration,
    /// When it ended.
    pub ended: Duration,
    /// Whether it passed.
    pub passed: bool,
}

/// What the steps came to.
#[derive(Default)]
pub struct Tally {
    pub outcomes: Vec<Outcome>,
    /// How many judgements were made.
    pub judged: usize,
    /// What those that failed said.
    pub failures: Vec<String>,
}

impl Tally {
    /// Adds what others came to.
    pub fn add(&mut self, other: Tally) {
        self.outcomes.extend(other.outcomes);
        self.judged += other.judged;
        self.failures.extend(other.failures);
    }

    /// What they come to together.
    pub fn worst(&self) -> Outcome {
        Outcome::worst(self.outcomes.iter().copied())
    }
}
