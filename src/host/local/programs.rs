//! The programs of one release, and how they are run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::process::Command;

use super::enclosure::Enclosure;
use super::layout::ways_dir;
use super::owner::Owner;
use crate::host::{Installation, Reach};
use crate::pg::Version;

/// What all hosts of a lab have in common.
pub(super) struct Around {
    /// As whom programs run.
    pub(super) owner: Owner,
    /// Where templates of new clusters are kept.
    pub(super) cache: PathBuf,
    /// PATH.
    path: OsString,
    /// Where servers run that are cut off from the network.
    pub(super) enclosure: Option<Enclosure>,
    /// How many ways lead out of there.
    ways: AtomicUsize,
}

impl Around {
    pub(super) fn new(owner: Owner, cache: PathBuf, path: OsString) -> Self {
        Around { owner, cache, path, enclosure: None, ways: AtomicUsize::new(0) }
    }

    /// PATH, the programs of an installation first.
    pub(super) fn search_path(&self, installation: &Installation) -> String {
        format!("{}:{}", installation.place, self.path.to_string_lossy())
    }

    /// A path for one more way out of a lab.
    pub(super) fn way(&self, lab: &Path) -> PathBuf {
        ways_dir(lab).join(self.ways.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

/// The programs that a host runs.
pub(super) struct Programs {
    /// PostgreSQL's own.
    pub(super) bin: PathBuf,
    /// Their version.
    pub(super) version: Version,
    /// PATH, PostgreSQL's programs first.
    pub(super) search_path: String,
    /// What they have in common with those of other hosts.
    pub(super) around: Arc<Around>,
}

impl Programs {
    pub(super) fn new(installation: &Installation, around: &Arc<Around>) -> Self {
        Programs {
            bin: PathBuf::from(&installation.place),
            version: installation.version,
            search_path: around.search_path(installation),
            around: Arc::clone(around),
        }
    }

    /// A program of the servers' user in a directory: where the servers run, or outside.
    pub(super) fn command(&self, name: &str, dir: &Path, reach: Reach) -> Command {
        let mut command = match (&self.around.enclosure, reach) {
            (Some(enclosure), Reach::OfServer) => enclosure.command(&self.resolve(name), dir),
            _ => {
                let mut command = Command::new(self.resolve(name));
                if let Owner::Other(uid, gid) = self.around.owner {
                    command.uid(uid.as_raw()).gid(gid.as_raw());
                }
                command
            }
        };
        command.env_clear().env("PATH", &self.search_path).env("HOME", dir);
        command.env("LC_ALL", "C").env("PGPASSFILE", "/dev/null");
        command.current_dir(dir).process_group(0);
        command
    }

    /// Where a program is: among PostgreSQL's own, or wherever PATH finds it.
    fn resolve(&self, name: &str) -> PathBuf {
        let own = self.bin.join(name);
        if own.exists() { own } else { PathBuf::from(name) }
    }
}
