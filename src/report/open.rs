//! Opens the reports of a run before anything else is done, so that nobody waits an hour for a
//! report that cannot be written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::journal::Listener;

use super::failures::WriteFailures;
use super::file::{FileReport, Text, is_special};
use super::format::{Format, Made};
use super::github::{self, Github};
use super::look::TerminalOptions;
use super::queued::Queued;
use super::terminal::Terminal;

/// Which reports are made of a run. The default makes none.
#[derive(Default)]
pub struct ReportOptions {
    /// The run on a terminal or in a log, and where to write it: stdout, or stderr if another
    /// report goes to stdout.
    pub terminal: Option<(TerminalOptions, Box<dyn Write + Send>)>,
    /// The formats to be written, and the paths that the user named for them.
    pub files: Vec<(&'static Format, PathBuf)>,
    /// Annotations and the job's summary on GitHub.
    pub github: Option<GithubOptions>,
    /// Those of the files that are pipes, opened since somebody reads them. The others would be
    /// waited for.
    pub pipes: Vec<(PathBuf, File)>,
}

/// What the reports on GitHub need to know.
pub struct GithubOptions {
    /// What the runner reads: stdout.
    pub out: Box<dyn Write + Send>,
    /// The file of the job's summary: `GITHUB_STEP_SUMMARY`.
    pub summary: Option<PathBuf>,
}

/// A report that cannot be written, found out before anything runs.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report {}: {source}; choose another path", path.display())]
pub struct ReportError {
    path: PathBuf,
    source: io::Error,
}

impl ReportError {
    /// Why, in the system's words.
    pub fn reason(&self) -> String {
        self.source.to_string()
    }
}

/// The reports of a run, ready for its journal.
pub struct Reports {
    /// To be given to [`crate::journal::Journal::new`].
    pub listeners: Vec<Box<dyn Listener>>,
    /// What could not be written; complete after the run's last event.
    pub failures: WriteFailures,
}

impl ReportOptions {
    /// Opens the reports.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn open(mut self) -> Result<Reports, ReportError> {
        let failures = WriteFailures::default();
        let mut listeners: Vec<Box<dyn Listener>> = vec![];
        for (format, named) in &self.files {
            let path = format.file(named);
            let pipe = self.pipes.iter().position(|(known, _)| *known == path);
            let pipe = pipe.map(|at| self.pipes.swap_remove(at).1);
            listeners.push(match format.made {
                Made::Whole(render) | Made::InFolder(_, render) => {
                    file(path, pipe, Text::Whole(render), failures.clone())?
                }
                Made::Continued(render) => file(path, pipe, Text::Continued(render), failures.clone())?,
                Made::Lines(lines) => {
                    // Whoever reads a stream may take his time.
                    let is_stream = pipe.is_some() || format.is_stdout(named);
                    let out: Box<dyn Write + Send> = match pipe {
                        Some(pipe) => Box::new(pipe),
                        None if is_stream => Box::new(io::stdout()),
                        None => Box::new(create(&path).map_err(at(&path))?),
                    };
                    let listener = lines(out, path.clone(), failures.clone());
                    match is_stream {
                        true => Box::new(Queued::new(listener, path, failures.clone())),
                        false => listener,
                    }
                }
            });
        }
        if let Some((options, out)) = self.terminal {
            listeners.push(Box::new(Terminal::new(options, out)));
        }
        // After the terminal: annotations stand below what they are about.
        if let Some(GithubOptions { out, summary }) = self.github {
            if let Some(path) = &summary {
                github::check(path).map_err(at(path))?;
            }
            listeners.push(Box::new(Github::new(out, summary, failures.clone())));
        }
        Ok(Reports { listeners, failures })
    }
}

/// A report that is written whole. A pipe was opened when its reader came.
fn file(
    path: PathBuf,
    pipe: Option<File>,
    text: Text,
    failures: WriteFailures,
) -> Result<Box<dyn Listener>, ReportError> {
    if pipe.is_none() {
        check(&path).map_err(at(&path))?;
    }
    Ok(Box::new(FileReport::new(path, pipe, text, failures)))
}

fn at(path: &Path) -> impl Fn(io::Error) -> ReportError {
    move |source| ReportError { path: path.to_owned(), source }
}

fn create(path: &Path) -> io::Result<File> {
    make_folder_of(path)?;
    File::create(path)
}

fn make_folder_of(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    }
}

/// Makes the folder, and tries whether a file can be made in it.
fn check(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "there is a folder of that name"));
    }
    if is_special(path) {
        return fs::OpenOptions::new().write(true).open(path).map(drop);
    }
    make_folder_of(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".drillyard-").suffix(".tmp").tempfile_in(folder).map(drop)
}
