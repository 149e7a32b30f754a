//! Whether what runs on a host reaches other machines.

use std::path::PathBuf;

use tokio::net::UnixListener;

/// Whether the servers of a drill are to be cut off from the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// They are not: nothing on them is anybody else's.
    #[default]
    Needless,
    /// They are, or the drill does not run.
    Demanded,
    /// They are not, since the scenario says so.
    Refused,
}

/// Whether servers of a drill reach other machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// They do not, nor servers of this one that are none of the drill's.
    Isolated,
    /// They do, and why: `the kernel refuses ...`.
    Open(String),
}

/// A socket of drillyard's that the programs on a host reach.
#[derive(Debug)]
pub struct Outlet {
    /// Its directory, as they see it: the socket in it is `.s.PGSQL.5432`.
    pub dir: String,
    /// Where drillyard hears of them.
    pub listener: UnixListener,
    /// The same directory, as drillyard sees it.
    pub path: PathBuf,
}

/// Which network a program is run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// That of the host's server.
    #[default]
    OfServer,
    /// This machine's, also where the server is cut off: for tools that fetch from elsewhere.
    OfMachine,
}
