//! A machine that one server lives on.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Endpoint, Outlet, Output, Program, Result};
use crate::pg::{SystemId, Version};

/// The paths of a server's files, as its host's programs see them. Absolute, without spaces and
/// quotes.
#[derive(Debug, Clone)]
pub struct Paths {
    /// PGDATA. Not there until something makes it; its parent is, and belongs to the server's user.
    pub data: String,
    /// The small disk that pg_wal lies on alone, if there is one: whoever starts a server puts it
    /// there.
    pub wal: Option<String>,
    /// The file that sets the clock of the server, if it has one of its own: so many seconds from
    /// this machine's, as libfaketime reads it.
    pub clock: Option<String>,
    /// The server's log file.
    pub log: String,
    /// `unix_socket_directories`.
    pub sockets: String,
    /// A directory that all hosts of the drill share (dumps lie there).
    pub shared: String,
}

/// A machine that a server lives on.
#[async_trait]
pub trait Host: Send + Sync {
    /// The node's name.
    fn name(&self) -> &str;

    /// The version of PostgreSQL on it.
    fn version(&self) -> Version;

    /// The paths of the server's files.
    fn paths(&self) -> &Paths;

    /// How drillyard reaches the server. For containers this may change when they are started
    /// again.
    async fn endpoint(&self) -> Result<Endpoint>;

    /// How the server is reached from the host of another node of the drill, `from`.
    fn peer_endpoint(&self, from: &str) -> Endpoint;

    /// A port for a server that is started here with the configuration of another node's: the
    /// `number`-th such one, from 0.
    fn scratch_port(&self, number: u16) -> u16;

    /// The settings that the server needs to live here: `listen_addresses`, `port`,
    /// `unix_socket_directories`.
    fn settings(&self) -> Vec<(String, String)>;

    /// The lines of pg_hba.conf under which drillyard and the other nodes get in, all of them with
    /// scram-sha-256.
    fn hba(&self) -> Vec<String>;

    /// Those under which drillyard gets in without a password; none where others could, too.
    fn open_hba(&self) -> Option<Vec<String>> {
        None
    }

    /// Where the host is cut off from the network: a socket of drillyard's that its programs reach.
    /// None where they reach whatever they want.
    async fn outlet(&self) -> Result<Option<Outlet>> {
        Ok(None)
    }

    /// What its server has to have as restore_command, so that `command` has the network that the
    /// server may not have.
    async fn fetching(&self, command: &str) -> Result<String> {
        Ok(command.to_owned())
    }

    /// Runs a program to its end. An exit status other than 0 is a result, not an error. When the
    /// future is dropped, the program is killed if that is possible.
    async fn run(&self, program: Program) -> Result<Output>;

    /// Writes a file that belongs to the server's user, readable by it alone, in a directory that
    /// exists.
    async fn write(&self, path: &str, contents: &[u8]) -> Result<()>;

    /// The contents of a file from `offset` on; empty if there is no such file.
    async fn read(&self, path: &str, offset: u64) -> Result<Vec<u8>>;

    /// Fills PGDATA with a new cluster as `initdb` makes it with `options`, with the superuser
    /// `postgres`, and returns that user's password. The work is done once for a version and
    /// options, and copied from then on. The cluster's system identifier is `system`.
    async fn initdb(&self, options: &[&str], system: SystemId) -> Result<String>;

    /// What runs a person's commands on it with these variables. Their values are not in the
    /// words: one of them is a password.
    fn shell(&self, env: &[(String, String)]) -> ShellCommand;

    /// How each server can get a file system of its own, if this one shares its with those of other
    /// nodes.
    fn own_file_system(&self) -> Option<&'static str> {
        None
    }

    /// Whether it runs, by what was done to it: not killed, lost or frozen. Programs can be run on
    /// it then.
    fn is_on(&self) -> bool;

    /// Looks at it: whether it is as the drill has left it.
    async fn look(&self) -> Result<Seen>;

    /// Everything that runs on it ends at once, as in a power failure; its disk stays.
    async fn kill(&self) -> Result<()>;

    /// The same, and its disk is gone.
    async fn lose(&self) -> Result<()>;

    /// Brings it back after [`Host::kill`], with its disk, or after [`Host::lose`], with an empty
    /// one. If it runs there is nothing to do.
    async fn boot(&self) -> Result<()>;

    /// Suspends everything on it: nothing ends, and nothing answers.
    async fn freeze(&self) -> Result<()>;

    /// Lets it go on after [`Host::freeze`].
    async fn thaw(&self) -> Result<()>;
}

/// What [`Host::look`] shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It runs.
    On,
    /// It is frozen.
    Frozen,
    /// It does not run, or is not there; what has become of it: `its container was removed`.
    Off(String),
}

/// The words that run a command on a host, before the command's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShellCommand {
    /// For a person at a terminal.
    pub interactive: Vec<String>,
    /// For a script or a pipe.
    pub piped: Vec<String>,
}
