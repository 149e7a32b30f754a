//! The files in a lab's directory.

use std::path::{Path, PathBuf};

use crate::host::Endpoint;

/// The number in the sockets' names; each server has a directory of its own, so that one number
/// does for all.
pub(super) const PORT: u16 = 5432;

/// The socket's name, with [`PORT`].
const SOCKET: &str = ".s.PGSQL.5432";

/// The directory of a node's socket, in the node's own.
pub(super) const RUN: &str = "run";

/// A node's directory.
pub(super) fn node_dir(lab: &Path, node: &str) -> PathBuf {
    lab.join(format!("node-{node}"))
}

/// Where the node `from` finds the other end of the link with this number.
pub(super) fn link_dir(lab: &Path, number: usize, from: &str) -> PathBuf {
    lab.join(format!("link-{number}-{from}"))
}

/// What is shared by all nodes.
pub(super) fn shared_dir(lab: &Path) -> PathBuf {
    lab.join("shared")
}

/// The directory of all repos.
pub(super) fn repos_dir(lab: &Path) -> PathBuf {
    lab.join("repos")
}

/// What leads out for hosts that are cut off from the network.
pub(super) fn ways_dir(lab: &Path) -> PathBuf {
    lab.join("ways")
}

/// What a server there has as restore_command.
pub(super) fn fetch_script(lab: &Path) -> PathBuf {
    ways_dir(lab).join("fetch.sh")
}

/// The socket in a directory.
pub(super) fn socket(dir: &Path) -> PathBuf {
    dir.join(SOCKET)
}

/// The same, as it is connected to.
pub(super) fn endpoint(dir: PathBuf) -> Endpoint {
    Endpoint::Socket { dir, port: PORT }
}
