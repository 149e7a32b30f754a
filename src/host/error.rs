//! What goes wrong with the lab itself.

use crate::journal::{Cause, Problem};

/// Something that went wrong with the lab itself; never the fault of what is drilled.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// What, as a lowercase fragment that names the thing.
    pub message: String,
    /// What to do about it, if that is known.
    pub help: Option<String>,
}

impl HostError {
    /// An error that needs no help text.
    pub fn new(message: impl Into<String>) -> Self {
        HostError { message: message.into(), help: None }
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// As it is reported.
    pub fn problem(&self) -> Problem {
        let problem = Problem::new(&self.message).because(Cause::Lab);
        match &self.help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

/// Results of the lab.
pub type Result<T> = std::result::Result<T, HostError>;
