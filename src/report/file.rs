//! Reports that are files: written whole and in one go, so that nobody ever reads half of one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::journal::{Entry, Event, Listener, Written};

use super::collect::RunRecord;
use super::failures::WriteFailures;
use super::format::{Continue, Render};

/// How long a report on the disk may lag behind the run, in milliseconds. Writing it at every
/// drill's end would be slow for a thousand short drills.
const LAG_MS: u64 = 1000;

/// How the text of the file is made.
#[derive(Clone, Copy)]
pub(super) enum Text {
    /// From the run alone.
    Whole(Render),
    /// At the run's end, with what the file was before.
    Continued(Continue),
}

/// How long another run may take to write the file that this one continues.
const PATIENCE: Duration = Duration::from_secs(5);

/// A file that says the whole truth at the run's end, and what was known about a second ago where
/// the run was killed.
pub(super) struct FileReport {
    path: PathBuf,
    text: Text,
    failures: WriteFailures,
    record: RunRecord,
    written_ms: Option<u64>,
    /// Whether more was heard than was written.
    behind: bool,
    /// The pipe that it goes through, opened when its reader came.
    pipe: Option<fs::File>,
    /// Whether it has been said for good: through a pipe that can be done just once.
    said: bool,
}

impl FileReport {
    pub(super) fn new(path: PathBuf, pipe: Option<fs::File>, text: Text, failures: WriteFailures) -> Self {
        let record = RunRecord::default();
        FileReport { path, text, failures, record, written_ms: None, behind: false, pipe, said: false }
    }

    fn written(&self) -> Written {
        if self.pipe.is_some() || is_special(&self.path) { Written::Stream } else { Written::File }
    }

    fn write(&mut self) {
        let written = match (self.text, &mut self.pipe) {
            (Text::Whole(render), Some(pipe)) => render(&self.record).and_then(|text| pipe.write_all(text.as_bytes())),
            (Text::Continued(render), Some(pipe)) => {
                render(&self.record, "").and_then(|text| pipe.write_all(text.as_bytes()))
            }
            (Text::Whole(render), None) => render(&self.record).and_then(|text| write_whole(&self.path, &text)),
            (Text::Continued(render), None) => continue_file(&self.path, |before| render(&self.record, before)),
        };
        if let Err(error) = written {
            self.failures.add(&self.path, &error);
        }
        self.behind = false;
    }
}

impl Listener for FileReport {
    fn hear(&mut self, entry: &Entry) {
        self.record.hear(entry);
        self.behind = true;
        let due = self.written_ms.is_none_or(|written| entry.elapsed_ms >= written.saturating_add(LAG_MS));
        let write = match entry.event {
            _ if self.said => false,
            Event::RunFinished { .. } => true,
            _ if self.written() == Written::Stream => false,
            // Of a run that goes on it would say that it could not be judged.
            _ if matches!(self.text, Text::Continued(_)) => false,
            Event::RunStarted { .. } => true,
            Event::DrillStarted { .. } | Event::DrillFinished { .. } | Event::ProofFinished { .. } => due,
            _ => false,
        };
        if write {
            self.written_ms = Some(entry.elapsed_ms);
            self.write();
        }
    }

    fn settle(&mut self, end: &Entry, which: Written) {
        if which == self.written() && !self.said {
            self.record.hear(end);
            self.write();
            self.said = which == Written::Stream;
        }
    }
}

impl Drop for FileReport {
    /// For a run that broke off without its last event.
    fn drop(&mut self) {
        if self.behind && !self.said {
            self.write();
        }
    }
}

/// Whether there is something at this path that is no file: `/dev/stdout`, a pipe.
pub(super) fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file())
}

/// Writes a file with what it was before. Runs that end at the same time do so one after the other.
fn continue_file(path: &Path, text: impl FnOnce(&str) -> io::Result<String>) -> io::Result<()> {
    if is_special(path) {
        return write_whole(path, &text("")?);
    }
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // The file itself is replaced: what is locked is its folder, which nothing is left in by that.
    let _locked = lock(folder_of(&target))?;
    let before = match fs::read(&target) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    write_whole(&target, &text(&before)?)
}

/// Locks a folder against other runs; none where its file system has no locks.
fn lock(folder: &Path) -> io::Result<Option<Flock<fs::File>>> {
    let mut folder = fs::File::open(folder)?;
    let began = Instant::now();
    loop {
        match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(Some(locked)),
            Err((back, Errno::EWOULDBLOCK)) if began.elapsed() < PATIENCE => {
                folder = back;
                std::thread::sleep(Duration::from_millis(10));
            }
            Err((_, Errno::EWOULDBLOCK)) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another program has locked its folder"));
            }
            Err(_) => return Ok(None),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file beside it and moves it into its place.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    if is_special(path) {
        // Moving a file there would replace the device itself.
        return fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes());
    }
    // A link stays one: what it points to is written.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let path = target.as_path();
    let mut file = tempfile::Builder::new().prefix(".drillyard-").suffix(".tmp").tempfile_in(folder_of(path))?;
    file.write_all(text.as_bytes())?;
    make_readable(file.as_file())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Temporary files are for their owner alone; a report is for whoever may read the folder (a CI's
/// collector, say).
#[cfg(unix)]
fn make_readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}
