//! The operating system's user that the servers run as.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use nix::unistd::{Gid, Uid, User};
use rustix::fs::{Mode, OFlags};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

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

    /// Hands a file or directory over to the servers' user. A link is handed over itself, not what
    /// it leads to.
    pub(super) fn give(self, path: &Path) -> std::io::Result<()> {
        match self {
            Owner::Me => Ok(()),
            Owner::Other(uid, gid) => std::os::unix::fs::lchown(path, Some(uid.as_raw()), Some(gid.as_raw())),
        }
    }

    /// Makes a directory that the servers' user owns and nobody else can enter.
    pub(super) fn make_directory(self, dir: &Path) -> Result<()> {
        self.made(dir, true)
    }

    /// Makes a directory that the servers' user can enter, and cannot change: what drillyard makes
    /// in it stays what it is, whatever runs on the servers.
    pub(super) fn make_fixed_directory(self, dir: &Path) -> Result<()> {
        self.made(dir, false)
    }

    fn made(self, dir: &Path, theirs: bool) -> Result<()> {
        let trouble = |e: std::io::Error| HostError::new(format!("cannot make the directory {}: {e}", dir.display()));
        std::fs::create_dir_all(dir).map_err(trouble)?;
        // What the servers' user has put there in the place of one that was there is not followed.
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = std::fs::File::from(rustix::fs::open(dir, flags, Mode::empty()).map_err(|e| trouble(e.into()))?);
        let (mode, owner) = match (self, theirs) {
            (Owner::Me, _) => (0o700, None),
            (Owner::Other(uid, gid), true) => (0o700, Some((uid.as_raw(), gid.as_raw()))),
            (Owner::Other(_, gid), false) => (0o750, Some((0, gid.as_raw()))),
        };
        let set = opened.set_permissions(std::fs::Permissions::from_mode(mode));
        let given = set.and_then(|()| match owner {
            Some((uid, gid)) => std::os::unix::fs::fchown(&opened, Some(uid), Some(gid)),
            None => Ok(()),
        });
        given.map_err(trouble)
    }

    /// Writes a file of the servers' user's, which nobody else can read.
    pub(super) async fn write(self, path: &Path, contents: &[u8]) -> std::io::Result<()> {
        let Owner::Other(uid, gid) = self else {
            std::fs::write(path, contents)?;
            return std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
        };
        // As that user: where a link leads that lies there, root could write and that user may not.
        let mut command = Command::new("sh");
        command.args(["-euc", r#"umask 077; cat >"$1"; chmod 600 "$1""#, "drillyard"]).arg(path);
        command.uid(uid.as_raw()).gid(gid.as_raw()).process_group(0).current_dir("/").kill_on_drop(true);
        command.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut writing = command.spawn()?;
        let sent = match writing.stdin.take() {
            Some(mut to) => to.write_all(contents).await,
            None => Ok(()),
        };
        let ended = writing.wait_with_output().await?;
        match ended.status.success() {
            true => sent,
            false => Err(std::io::Error::other(String::from_utf8_lossy(&ended.stderr).trim().to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn links_of_the_servers_user_lead_root_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (elsewhere, link) = (dir.path().join("elsewhere"), dir.path().join("link"));
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::set_permissions(&elsewhere, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        let owner = Owner::of_servers().unwrap();
        assert!(owner.make_directory(&link).is_err());
        assert_eq!(std::fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o755);
        let Owner::Other(uid, _) = owner else { return };
        use std::os::unix::fs::MetadataExt;
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let (home, root) = (dir.path().join("home"), elsewhere.join("root"));
        owner.make_directory(&home).unwrap();
        owner.write(&home.join("file"), b"text").await.unwrap();
        assert_eq!(std::fs::metadata(home.join("file")).unwrap().uid(), uid.as_raw());
        std::os::unix::fs::symlink(&root, home.join("link")).unwrap();
        assert!(owner.write(&home.join("link"), b"text").await.is_err());
        assert!(!root.exists());
    }
}
