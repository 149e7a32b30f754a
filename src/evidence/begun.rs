//! The mark of a run that is to leave a statement: if it dies, the next one says so.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::statement::Unsigned;

/// A file in this machine's own folder, locked as long as the run lives. Whatever ends the run, a
/// panic included, it stays unless it is taken away.
#[derive(Debug)]
pub(super) struct Begun {
    path: PathBuf,
    _alive: Flock<File>,
}

/// What the names of these files begin with, of one file of statements.
fn prefix(note: &Path) -> String {
    format!("{}.begun-", note.file_name().unwrap_or_default().to_string_lossy())
}

impl Begun {
    /// Marks that a run has begun, beside the `note` of its file of statements.
    pub(super) fn mark(note: &Path, run: &Unsigned) -> io::Result<Self> {
        let folder = note.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(".begun-").tempfile_in(folder)?;
        file.write_all(&serde_json::to_vec(run)?)?;
        // Locked before it gets its name: one that has the name and no lock is a dead run's.
        let alive = Flock::lock(file.as_file().try_clone()?, FlockArg::LockExclusiveNonblock);
        let alive = alive.map_err(|(_, error)| io::Error::from(error))?;
        let unique = file.path().extension().or_else(|| file.path().file_name()).unwrap_or_default().to_string_lossy();
        let path = folder.join(format!("{}{}", prefix(note), unique.trim_start_matches(".begun-")));
        file.persist(&path).map_err(|error| error.error)?;
        Ok(Begun { path, _alive: alive })
    }

    /// The run has left its statement, or need not leave any. Where the mark cannot be removed, the
    /// next run says that there is none.
    pub(super) fn take_away(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The runs that have left a mark and are not alive, and their marks.
pub(super) fn dead(note: &Path) -> Vec<(PathBuf, Unsigned)> {
    let entries = note.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix(note)));
    let mut dead: Vec<_> = ours.filter_map(|entry| read_dead(entry.path())).collect();
    dead.sort_by_key(|(_, run)| run.started);
    dead
}

fn read_dead(path: PathBuf) -> Option<(PathBuf, Unsigned)> {
    let locked = Flock::lock(File::open(&path).ok()?, FlockArg::LockExclusiveNonblock).ok()?;
    let run = serde_json::from_reader(&*locked).ok()?;
    Some((path, run))
}
