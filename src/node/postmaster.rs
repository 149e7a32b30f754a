//! A server's postmaster: whether it runs.

use super::server::Node;
use crate::host::{HostError, Program};

/// Looks for a postmaster.
const LOOK: &str = include_str!("scripts/postmaster.sh");
/// Removes lock files of a server that is gone.
const FORGET_DEAD: &str = include_str!("scripts/forget_dead.sh");
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
    /// Brings its host back after it was killed or lost; one that runs stays as it is. What ran
    /// there is gone, and its lock files name no process of somebody else's.
    pub async fn boot(&self) -> Result<(), HostError> {
        let host = self.host()?;
        host.boot().await?;
        let output = host.run(Program::script(FORGET_DEAD, [&host.paths().data, self.sockets()?])).await?;
        match output.success() {
            true => Ok(()),
            false => Err(HostError::new(format!("lock files of `{}` remain: {}", self.name(), output.stderr.trim()))),
        }
    }

    /// A look at the postmaster.
    pub async fn postmaster(&self) -> Result<Postmaster, HostError> {
        let host = self.host()?;
        let args = [&host.paths().data, self.sockets()?, self.port()];
        let output = host.run(Program::script(LOOK, args)).await?;
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
