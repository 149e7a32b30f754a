//! Reports that are files: written whole and in one go, so that nobody ever reads half of one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::journal::{Entry, Event, Listener, Written};

use super::collect::RunRecord;
use super::failures::WriteFailures;
use super::format::Render;

/// How long a report on the disk may lag behind the run, in milliseconds. Writing it at every
/// drill's end would be slow for a thousand short drills.
const LAG_MS: u64 = 1000;

/// A file that says the whole truth at the run's end, and what was known about a second ago where
/// the run was killed.
pub(super) struct FileReport {
    path: PathBuf,
    render: Render,
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
    pub(super) fn new(path: PathBuf, pipe: Option<fs::File>, render: Render, failures: WriteFailures) -> Self {
        let record = RunRecord::default();
        FileReport { path, render, failures, record, written_ms: None, behind: false, pipe, said: false }
    }

    fn written(&self) -> Written {
        if self.pipe.is_some() || is_special(&self.path) { Written::Stream } else { Written::File }
    }

    fn write(&mut self) {
        let written = (self.render)(&self.record).and_then(|text| match &mut self.pipe {
            Some(pipe) => pipe.write_all(text.as_bytes()),
            None => write_whole(&self.path, &text),
        });
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

/// Writes a file beside it and moves it into its place.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    if is_special(path) {
        // Moving a file there would replace the device itself.
        return fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes());
    }
    // A link stays one: what it points to is written.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let path = target.as_path();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".drillyard-").suffix(".tmp").tempfile_in(folder)?;
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
