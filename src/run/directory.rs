//! A run's work directory, which shows other runs whether the run is alive: its lock is held as
//! long as it is.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::outside::remove_outside;
use crate::host::{HostError, Result, remove_directory};

/// What run directories' names begin with.
const PREFIX: &str = "drillyard-";

/// What is in the directory of a run that was left on purpose.
const KEPT: &str = "kept";

/// How old a directory without its final name and its lock must be before it counts as left behind:
/// making one takes less than a millisecond.
const HALF_MADE: std::time::Duration = std::time::Duration::from_secs(60);

/// The work directory of the run that this process is.
pub struct RunDirectory {
    path: PathBuf,
    run: String,
    /// Held until the process ends, whatever ends it.
    _lock: Flock<std::fs::File>,
}

/// What a run directory's lock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Its run is at work.
    Alive,
    /// Its run has ended and left it on purpose.
    Kept,
    /// Its run has ended without cleaning up.
    Dead,
}

/// A run that has a name, and nothing else yet.
#[derive(Debug, Clone)]
pub struct Named {
    parent: PathBuf,
    run: String,
}

impl Named {
    /// A new run, that will have its directory below `parent`.
    pub fn below(parent: &Path) -> Self {
        Named { parent: parent.to_owned(), run: std::iter::repeat_with(|| fastrand::digit(16)).take(8).collect() }
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Where its directory will be.
    pub fn path(&self) -> PathBuf {
        self.parent.join(format!("{PREFIX}{}", self.run))
    }

    /// Where it is until it is complete.
    pub fn staged(&self) -> PathBuf {
        staged(&self.path())
    }
}

/// Under which name a run's directory is made.
pub fn staged(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}", path.file_name().unwrap_or_default().to_string_lossy()))
}

impl RunDirectory {
    /// Makes the directory of a new run. It appears under its name with its lock held.
    pub fn make(named: &Named) -> Result<Self> {
        let (path, run) = (named.path(), named.run.clone());
        let trouble = |e: std::io::Error| {
            HostError::new(format!("cannot make the work directory {}: {e}", path.display()))
                .help("set TMPDIR to a directory with free space")
        };
        let staged = named.staged();
        std::fs::create_dir(&staged).map_err(trouble)?;
        // Servers of another user work below it; they can pass through, and nobody can look around.
        std::fs::set_permissions(&staged, std::fs::Permissions::from_mode(0o711)).map_err(trouble)?;
        crate::host::spread(&staged);
        let lock = std::fs::File::create(staged.join("lock")).map_err(trouble)?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| trouble(e.into()))?;
        std::fs::rename(&staged, &path).map_err(trouble)?;
        Ok(RunDirectory { path, run, _lock: lock })
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Marks it as left on purpose.
    pub fn keep(&self) -> std::io::Result<()> {
        keep(&self.path)
    }
}

/// Marks a run's directory as left on purpose.
///
/// # Errors
/// If it cannot be written, or is not there.
pub fn keep(path: &Path) -> std::io::Result<()> {
    std::fs::write(path.join(KEPT), "")
}

/// Removes a run's directory, and what the run has written outside it. Nothing to do is no error.
///
/// # Errors
/// If something cannot be removed, or does not end.
pub fn remove_run(path: &Path) -> Result<()> {
    remove_outside(path);
    remove_directory(path)
}

/// What the lock of a run's directory says.
pub fn state(path: &Path) -> RunState {
    let Ok(lock) = std::fs::File::open(path.join("lock")) else { return RunState::Dead };
    match Flock::lock(lock, FlockArg::LockExclusiveNonblock) {
        Err(_) => RunState::Alive,
        Ok(_) if path.join(KEPT).exists() => RunState::Kept,
        Ok(_) => RunState::Dead,
    }
}

/// The run directories below `parent`, with their runs' ids and states. Those of other users are
/// left out: they are not ours to look after.
pub fn run_directories(parent: &Path) -> Vec<(String, PathBuf, RunState)> {
    use std::os::unix::fs::MetadataExt;
    let me = nix::unistd::Uid::effective().as_raw();
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(String, PathBuf, RunState)> = entries
        .filter(|entry| entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == me))
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let staged = name.strip_prefix('.');
            let run = staged.unwrap_or(&name).strip_prefix(PREFIX)?;
            let is_id = run.len() == 8 && run.bytes().all(|b| b.is_ascii_hexdigit());
            let old = || entry.metadata().and_then(|meta| meta.modified()).is_ok_and(is_old);
            let is_one = is_id && (staged.is_none() || old());
            is_one.then(|| (run.to_owned(), entry.path(), state(&entry.path())))
        })
        .collect();
    found.sort();
    found
}

fn is_old(since: std::time::SystemTime) -> bool {
    since.elapsed().is_ok_and(|age| age > HALF_MADE)
}

impl PartialOrd for RunState {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RunState {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (*self as u8).cmp(&(*other as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_shows_whether_its_run_lives() -> Result<()> {
        let parent = tempfile::tempdir().map_err(|e| HostError::new(e.to_string()))?;
        let run = RunDirectory::make(&Named::below(parent.path()))?;
        let path = run.path().to_owned();
        assert_eq!(state(&path), RunState::Alive);
        assert_eq!(run_directories(parent.path()).len(), 1);
        drop(run);
        assert_eq!(state(&path), RunState::Dead);
        std::fs::write(path.join("kept"), "").map_err(|e| HostError::new(e.to_string()))?;
        assert_eq!(state(&path), RunState::Kept);
        Ok(())
    }

    #[test]
    fn what_a_run_had_begun_to_make_when_it_died_is_found_later() -> std::io::Result<()> {
        let parent = tempfile::tempdir()?;
        for staged in [".drillyard-00000001", ".drillyard-00000002", ".drillyard-other"] {
            std::fs::create_dir(parent.path().join(staged))?;
        }
        assert_eq!(run_directories(parent.path()), [], "all of them may be about to get their names");
        let old = std::time::SystemTime::now() - 2 * HALF_MADE;
        for staged in [".drillyard-00000001", ".drillyard-other"] {
            std::fs::File::open(parent.path().join(staged))?.set_modified(old)?;
        }
        let found: Vec<String> = run_directories(parent.path()).into_iter().map(|(run, _, _)| run).collect();
        assert_eq!(found, ["00000001"]);
        Ok(())
    }
}
