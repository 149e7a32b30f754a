//! How a server is reached, and how a session is opened on it.

use std::path::PathBuf;

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket `.s.PGSQL.PORT` in this directory.
    Socket {
        /// The directory, absolute.
        dir: PathBuf,
        /// The number in the socket's name.
        port: u16,
    },
    /// TCP.
    Tcp {
        /// A host name or an address.
        host: String,
        /// The port.
        port: u16,
    },
}

impl Endpoint {
    /// `host` and `port` as libpq takes them.
    pub fn host_port(&self) -> (String, u16) {
        match self {
            Endpoint::Socket { dir, port } => (dir.display().to_string(), *port),
            Endpoint::Tcp { host, port } => (host.clone(), *port),
        }
    }
}

/// How a session is opened on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Where.
    pub endpoint: Endpoint,
    /// As whom.
    pub user: String,
    /// With this password.
    pub password: String,
    /// In this database.
    pub database: String,
}
