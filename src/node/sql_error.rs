//! What can go wrong between drillyard and a server.

use tokio_postgres::error::{DbError, SqlState};

use super::external::Unreached;
use crate::host::HostError;
use crate::pg::error_message;

/// Something that went wrong between drillyard and a server.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The host could not be reached.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The server said no, or the connection was lost.
    #[error("{}", error_message(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// An external server let in no session.
    #[error("{0}")]
    Unreached(#[from] Box<Unreached>),
    /// The server answered something that makes no sense.
    #[error("{0}")]
    Answer(String),
}

impl SqlError {
    /// Whether the server is starting or shutting down, and takes no sessions just now.
    pub fn is_passing(&self) -> bool {
        self.code() == Some(&SqlState::CANNOT_CONNECT_NOW)
    }

    /// Whether it takes none since it is going down, or restarts itself after the crash of one of
    /// its processes.
    pub fn is_leaving(&self) -> bool {
        let said = self.said().filter(|_| self.is_passing()).map(DbError::message).unwrap_or_default();
        said.contains("shutting down") || said.contains("in recovery mode")
    }

    /// Whether the server does not let this role in.
    pub fn is_about_login(&self) -> bool {
        let refused = [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION];
        self.code().is_some_and(|code| refused.contains(code))
    }

    /// Whether no time makes it right: SQL that is wrong or not allowed (class 42 of SQLSTATE), a
    /// role that is not let in (class 28).
    pub fn is_lasting(&self) -> bool {
        self.code().is_some_and(|code| ["42", "28"].iter().any(|class| code.code().starts_with(class)))
    }

    /// Whether it is about a database that is not there.
    pub fn is_about_database(&self) -> bool {
        self.code() == Some(&SqlState::INVALID_CATALOG_NAME)
    }

    /// Whether the server itself said no, as opposed to a lost connection.
    pub fn is_refusal(&self) -> bool {
        self.code().is_some()
    }

    /// What a server said no with.
    fn code(&self) -> Option<&SqlState> {
        self.said().map(DbError::code)
    }

    fn said(&self) -> Option<&DbError> {
        match self {
            SqlError::Postgres(error) => error.as_db_error(),
            SqlError::Unreached(unreached) => unreached.said.as_ref()?.as_db_error(),
            SqlError::Host(_) | SqlError::Answer(_) => None,
        }
    }
}
