//! Containers without a network: a directory of this machine is mounted in all of them, and in it
//! are the servers' sockets, and those by which drillyard lets something out.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags};
use tokio::net::UnixListener;

use super::container::PORT;
use crate::host::{HostError, LabSpec, Outlet, Result};

/// Where the directory is in a container.
pub(super) const WAYS: &str = "/drillyard/ways";

/// The mode of Docker's network for a container that has none.
pub(super) const NO_NETWORK: &str = "none";

/// The directory with the sockets of a drill. On this machine nobody else gets at it, whatever the
/// permissions in it: the server's user of an image may be any.
#[derive(Debug)]
pub(super) struct Enclosure {
    dir: PathBuf,
    outlets: AtomicUsize,
}

impl Enclosure {
    /// Makes it, with a directory for the socket of each node.
    pub(super) fn make(spec: &LabSpec) -> Result<Self> {
        let private = spec.dir.join(spec.drill.to_string());
        let dir = private.join("ways");
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&private);
        made.map_err(|e| trouble(&private, &e))?;
        // What is in it is drillyard's: no container's server can put a link there.
        std::fs::create_dir_all(&dir).and_then(|()| set_mode(&dir, 0o755)).map_err(|e| trouble(&dir, &e))?;
        for node in &spec.nodes {
            open_directory(&dir.join(node))?;
        }
        Ok(Enclosure { dir, outlets: AtomicUsize::new(0) })
    }

    /// The directory on this machine.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory of a node's socket on this machine.
    pub(super) fn sockets(&self, node: &str) -> PathBuf {
        self.dir.join(node)
    }

    /// Removes what a server has left there that was killed.
    pub(super) fn clear(&self, node: &str) {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(dir) = rustix::fs::open(self.sockets(node), flags, Mode::empty()) else { return };
        for name in [format!(".s.PGSQL.{PORT}"), format!(".s.PGSQL.{PORT}.lock")] {
            // What is not there need not be removed.
            let _ = rustix::fs::unlinkat(&dir, name, AtFlags::empty());
        }
    }

    /// A socket of drillyard's.
    pub(super) fn outlet(&self) -> Result<Outlet> {
        // No node has such a name.
        let name = format!("_{}", self.outlets.fetch_add(1, Ordering::Relaxed));
        let path = self.dir.join(&name);
        std::fs::create_dir(&path).and_then(|()| set_mode(&path, 0o755)).map_err(|e| trouble(&path, &e))?;
        let socket = path.join(format!(".s.PGSQL.{PORT}"));
        let listener = UnixListener::bind(&socket).map_err(|e| trouble(&socket, &e))?;
        set_mode(&socket, 0o777).map_err(|e| trouble(&socket, &e))?;
        Ok(Outlet { dir: format!("{WAYS}/{name}"), listener, path })
    }
}

/// A directory that the server's user of any image can write.
fn open_directory(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).and_then(|()| set_mode(dir, 0o777)).map_err(|e| trouble(dir, &e))
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn trouble(path: &Path, error: &std::io::Error) -> HostError {
    HostError::new(format!("cannot make {}: {error}", path.display()))
}
