//! The operating system's user that the servers run as.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, User};

use crate::host::{HostError, Result};

/// The operating system's user that the servers run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The user who runs drillyard.
    Me,
    /// Another one, since PostgreSQL refuses to run as root.
    Other(Uid, Gid),
}

impl Owner {
    /// The user who runs drillyard; for root the user `postgres`, or `nobody` if there is none.
    pub(super) fn of_servers() -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Owner::Me);
        }
        let user = ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten());
        user.map(|user| Owner::Other(user.uid, user.gid)).ok_or_else(|| {
            HostError::new("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`")
                .help("make one: useradd --system postgres")
        })
    }

    /// Hands a file or directory over to the servers' user.
    pub(super) fn give(self, path: &Path) -> std::io::Result<()> {
        match self {
            Owner::Me => Ok(()),
            Owner::Other(uid, gid) => std::os::unix::fs::chown(path, Some(uid.as_raw()), Some(gid.as_raw())),
        }
    }

    /// Makes a directory that the servers' user owns and nobody else can enter.
    pub(super) fn make_directory(self, dir: &Path) -> Result<()> {
        let made = std::fs::create_dir_all(dir)
            .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)))
            .and_then(|()| self.give(dir));
        made.map_err(|e| HostError::new(format!("cannot make the directory {}: {e}", dir.display())))
    }
}
