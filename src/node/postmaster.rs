//! A server's postmaster: whether it runs.

use super::cluster::SOCKET_PORT;
use super::server::Node;
use crate::host::{HostError, Program};

/// Looks for a postmaster.
const LOOK: &str = include_str!("scripts/postmaster.sh");
/// What [`LOOK`] exits with for a postmaster that was stopped by a signal.
const STOPPED: i64 = 6;

/// What a look at a server's postmaster shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Postmaster {
    /// It runs.
    Runs,
    /// It is there and stopped in its tracks (SIGSTOP): it answers nobody.
    Stopped,
    /// There is none.
    Gone,
}

impl Node {
    /// A look at the postmaster.
    pub async fn postmaster(&self) -> Result<Postmaster, HostError> {
        let host = self.host()?;
        let paths = host.paths();
        let output = host.run(Program::script(LOOK, [&paths.data, &paths.sockets, SOCKET_PORT])).await?;
        Ok(match output.status {
            0 => Postmaster::Runs,
            STOPPED => Postmaster::Stopped,
            _ => Postmaster::Gone,
        })
    }

    /// Whether a postmaster runs in PGDATA.
    pub async fn postmaster_runs(&self) -> Result<bool, HostError> {
        Ok(self.postmaster().await? != Postmaster::Gone)
    }
}
