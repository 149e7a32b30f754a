//! What ends a subcommand early.

use crate::host::HostError;
use crate::journal::{ExitCode, Problem};

/// What ends a subcommand early: what to say, and the exit code.
#[derive(Debug)]
pub struct Stop {
    pub problems: Vec<Problem>,
    pub code: ExitCode,
}

impl Stop {
    pub fn usage(title: impl Into<String>) -> Self {
        Stop { problems: vec![Problem::new(title)], code: ExitCode::Usage }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(problem) = self.problems.last_mut() {
            *problem = problem.clone().help(help);
        }
        self
    }

    /// The same, where there is a help.
    pub fn help_if_any(self, help: Option<impl Into<String>>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    pub fn lab(title: impl Into<String>) -> Self {
        Stop { problems: vec![Problem::new(title)], code: ExitCode::Lab }
    }

    /// There is nothing to do it with.
    pub fn nothing(title: impl Into<String>) -> Self {
        Stop { problems: vec![Problem::new(title)], code: ExitCode::NothingSelected }
    }
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Self {
        Stop::lab(error.message).help_if_any(error.help)
    }
}

/// What a subcommand returns.
pub type Result<T> = std::result::Result<T, Stop>;
