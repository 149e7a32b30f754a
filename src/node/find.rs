//! Servers that somebody else has made on a host of the drill.

use std::sync::Arc;

use super::config::{quote_conninfo, with_secret};
use super::found::Found;
use super::server::Node;
use crate::host::{Endpoint, Host, HostError, Program};

/// Looks for a server.
const LOOK: &str = include_str!("scripts/found_server.sh");
/// What [`LOOK`] exits with for one that listens at no socket.
const NO_SOCKET: i64 = 4;

impl Node {
    /// The server that runs in the data directory of `host`, whoever made it; `password` is its
    /// superuser's. None if there is none that accepts connections.
    ///
    /// # Errors
    /// If the host fails, or if the server listens at no socket.
    pub async fn found(host: Arc<dyn Host>, password: &str) -> Result<Option<Self>, HostError> {
        let output = host.run(Program::script(LOOK, [&host.paths().data])).await?;
        if output.status == NO_SOCKET {
            let name = host.name();
            return Err(HostError::new(format!("the server on `{name}` listens at no socket"))
                .help("start it with a directory in unix_socket_directories"));
        }
        let found = Found::read(&output.text()).filter(|_| output.success());
        Ok(found.map(|found| Node::somewhere(host, password, found)))
    }

    /// Whether somebody else has made it.
    pub fn is_found(&self) -> bool {
        self.found.is_some()
    }

    /// Whether it is where another one was found: the same server, as far as its sessions go.
    pub fn is_where(&self, other: &Node) -> bool {
        self.found == other.found
    }

    /// How it is reached from here.
    ///
    /// # Errors
    /// If it has no host, or that does not say.
    pub async fn endpoint(&self) -> Result<Endpoint, HostError> {
        Ok(self.moved(self.host()?.endpoint().await?))
    }

    /// How it is reached from the host of `viewer`, a node of the drill: itself or another one.
    ///
    /// # Errors
    /// If it has no host.
    pub fn endpoint_for(&self, viewer: &str) -> Result<Endpoint, HostError> {
        let host = self.host()?;
        if viewer != self.name() {
            return Ok(self.moved(host.peer_endpoint(viewer)));
        }
        let port = self.port().parse();
        let port = port.map_err(|_| HostError::new(format!("node `{viewer}` has a port that is no number")))?;
        Ok(Endpoint::Socket { dir: self.sockets()?.into(), port })
    }

    /// A connection string for it, with its password, for who is on the host of `viewer`.
    ///
    /// # Errors
    /// If it has no host.
    pub fn conninfo_for(&self, viewer: &str) -> Result<String, HostError> {
        let (host, port) = self.endpoint_for(viewer)?.host_port();
        let pairs = [("host", host.as_str()), ("user", self.user()), ("dbname", self.database())];
        let pairs = pairs.map(|(key, value)| format!("{key}={}", quote_conninfo(value)));
        Ok(with_secret(&format!("{} port={port}", pairs.join(" ")), "password", self.password()))
    }

    /// An endpoint of the node's host as that of the server, which may be elsewhere on it.
    pub(super) fn moved(&self, endpoint: Endpoint) -> Endpoint {
        let Some(found) = &self.found else { return endpoint };
        let port = found.port.parse();
        match endpoint {
            Endpoint::Socket { port: usual, .. } => {
                Endpoint::Socket { dir: found.sockets.clone().into(), port: port.unwrap_or(usual) }
            }
            // A port that is published on another machine is published with its own number.
            Endpoint::Tcp { host, port: usual } if usual.to_string() == Node::PORT => {
                Endpoint::Tcp { host, port: port.unwrap_or(usual) }
            }
            elsewhere @ Endpoint::Tcp { .. } => elsewhere,
        }
    }

    /// The directory of its socket, as its host sees it.
    pub fn sockets(&self) -> Result<&str, HostError> {
        Ok(match &self.found {
            Some(found) => &found.sockets,
            None => &self.host()?.paths().sockets,
        })
    }

    /// Its port, on its own host.
    pub fn port(&self) -> &str {
        self.found.as_ref().map_or(Node::PORT, |found| &found.port)
    }

    /// The file that it logs to.
    pub fn log_file(&self) -> Result<&str, HostError> {
        let own = &self.host()?.paths().log;
        Ok(self.found.as_ref().and_then(|found| found.log.as_ref()).unwrap_or(own))
    }
}
