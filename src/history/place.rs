//! Where a history is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{HistoryError, Result};
use crate::node::{Address, ClientEnvironment, External};
use crate::pg::conninfo::Conninfo;

/// Where a history is.
#[derive(Clone)]
pub enum Place {
    /// In a file of SQLite.
    File(PathBuf),
    /// In a database of PostgreSQL.
    Server(Arc<External>),
}

impl Place {
    /// What somebody writes: a connection string, or the path of a file.
    ///
    /// # Errors
    /// If it is a connection string that makes no sense. No word of it is repeated: it may hold a
    /// password.
    pub fn parse(text: &str, around: &Arc<ClientEnvironment>) -> Result<Self> {
        let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        let is_pairs = text.split_once('=').is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase()));
        if text.is_empty() {
            return Err(HistoryError::new("it is the path of a file, or `postgres://HOST/DATABASE`"));
        }
        if !is_url && !is_pairs {
            return Ok(Place::File(absolute(Path::new(text))));
        }
        let conninfo = Conninfo::parse(text).map_err(|error| HistoryError::new(error.to_string()))?;
        let found = External::find(&Address { conninfo, standby: None, role_lost: false }, around);
        found.map(Place::Server).map_err(|error| HistoryError { message: error.message, help: error.help })
    }

    /// Whether there may be one. A server is asked later.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Place::File(path) => path.exists(),
            Place::Server(_) => true,
        }
    }

    /// What must be in no output.
    pub fn secrets(&self) -> Vec<String> {
        match self {
            Place::File(_) => vec![],
            Place::Server(server) => server.secrets(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Server(server) => write!(f, "the database {}", server.shown()),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
