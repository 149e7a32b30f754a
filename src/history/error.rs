//! What can go wrong with a history.

/// That a history could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HistoryError {
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl HistoryError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        HistoryError { message: message.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        HistoryError { help: Some(help.into()), ..self }
    }
}

/// What reading and writing a history returns.
pub type Result<T> = std::result::Result<T, HistoryError>;
